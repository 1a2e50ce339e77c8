#include "config/rates.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/money.h"
#include "base/text.h"
#include "base/time.h"
#include "base/zone.h"
#include "config/compile.h"

namespace segue {
namespace {

constexpr std::size_t kRateDigitsMax = 18;  // What a whole number of 64 bits holds for certain.
constexpr std::size_t kRateDecimalsMax = 12;
constexpr std::string_view kRatesHeader = "date,currency,rate";
constexpr std::size_t kDateLength = 10;  // 2026-03-02

// One file, line by line.
class RatesReader {
 public:
  RatesReader(int file, std::string currency, Rates& rates, Report& report)
      : file_(file), currency_(std::move(currency)), rates_(rates), report_(report) {}

  void Read(std::string_view text) {
    const std::vector<std::string_view> lines = Lines(text);
    if (lines.empty() || Trim(lines.front()) != kRatesHeader) {
      report_.Error("SG005", At(lines.empty() ? "" : lines.front(), 1),
                    fmt::format("a file of rates begins with the line {}", kRatesHeader), {},
                    Meaning("USD"));
      return;
    }
    for (std::size_t i = 1; i < lines.size() && !report_.full(); ++i) {
      if (!Trim(lines[i]).empty()) {
        Line(lines[i], static_cast<int>(i) + 1);
      }
    }
  }

 private:
  // In which direction a rate is read.
  std::string Meaning(std::string_view other) const {
    return fmt::format("2026-03-02,{0},0.5 says that 1 {0} was 0.5 {1} on that day", other,
                       currency_);
  }

  Place At(std::string_view part, int line, std::size_t offset = 0) const {
    return {file_, line, static_cast<int>(offset) + 1,
            static_cast<int>(std::max<std::size_t>(part.size(), 1))};
  }

  void Line(std::string_view line, int number) {
    const std::vector<std::string_view> cells = Split(line, ',');
    if (cells.size() != 3) {
      report_.Error("SG005", At(line, number),
                    fmt::format("a line of rates has three values: {}", kRatesHeader), {},
                    Meaning("USD"));
      return;
    }
    const auto place = [&](std::size_t cell) {
      return At(cells[cell], number, static_cast<std::size_t>(cells[cell].data() - line.data()));
    };
    const std::string_view date = Trim(cells[0]);
    const std::string currency(Trim(cells[1]));
    const Result<TimePoint> day = ParseTime(date, Zone());
    const std::optional<ExchangeRate> rate = ParseExchangeRate(Trim(cells[2]));
    if (!day || date.size() != kDateLength) {
      report_.Error("SG005", place(0), fmt::format("`{}` is no date such as 2026-03-02", date));
    } else if (!CurrencyDecimals(currency)) {
      report_.Error("SG005", place(1), fmt::format("`{}` is no currency such as USD", currency));
    } else if (!rate) {
      report_.Error("SG005", place(2),
                    fmt::format("`{}` is no rate: how many {} 1 {} was, a number above 0 with at "
                                "most {} decimals",
                                Trim(cells[2]), currency_, currency, kRateDecimalsMax),
                    {}, Meaning(currency));
    } else if (currency == currency_) {
      report_.Error("SG005", place(1), fmt::format("{} is the workspace's own currency", currency),
                    {}, "take the line out; it is never converted");
    } else {
      const RateDay when(currency, ToMicros(*day) / kDay.count());
      const int first = lines_.try_emplace(when, number).first->second;
      if (!rates_.Add(when, *rate)) {
        report_.Error("SG007", place(0), fmt::format("a second rate of {} for {}", currency, date),
                      {}, fmt::format("the first stands in line {}; keep one of them", first));
      }
    }
  }

  int file_;
  std::string currency_;
  Rates& rates_;
  Report& report_;
  std::map<RateDay, int> lines_;
};

}  // namespace

std::optional<ExchangeRate> ParseExchangeRate(std::string_view text) {
  const std::size_t point = std::min(text.find('.'), text.size());
  const std::size_t decimals = point < text.size() ? text.size() - point - 1 : 0;
  const std::size_t digits = text.size() - (point < text.size() ? 1 : 0);
  const bool shaped = point > 0 && text.find_first_not_of("0123456789.") == std::string_view::npos;
  if (!shaped || digits > kRateDigitsMax || decimals > kRateDecimalsMax) {
    return std::nullopt;
  }
  const Result<Decimal> number = ParseDecimal(text, static_cast<int>(decimals));
  if (!number || number->units <= 0) {
    return std::nullopt;
  }
  return ExchangeRate{number->units, static_cast<int>(decimals)};
}

std::string FormatExchangeRate(const ExchangeRate& rate) {
  return FormatDecimal(rate.digits, rate.decimals);
}

std::optional<ExchangeRate> Rates::Find(const RateDay& when) const {
  if (const auto settled = settled_.find(when); settled != settled_.end()) {
    return settled->second;
  }
  const auto currency = by_currency_.find(when.first);
  if (currency == by_currency_.end()) {
    return std::nullopt;
  }
  const std::map<std::int64_t, ExchangeRate>& days = currency->second;
  const auto after = days.upper_bound(when.second);
  if (after == days.begin() || std::prev(after)->first < when.second - kRateDaysMax) {
    return std::nullopt;
  }
  return std::prev(after)->second;
}

void Compiler::RatesOf(const Document& document) {
  const Node* node = document.Find("rates");
  if (node == nullptr) {
    return;
  }
  const auto file = std::find_if(files_.begin(), files_.end(), [&](const SourceFile& one) {
    return one.path == "config/" + node->text;
  });
  if (file == files_.end() || !node->text.ends_with(".csv")) {
    report_.Error("SG002", node->place,
                  fmt::format("there is no file config/{} with exchange rates", node->text), {},
                  fmt::format("write it there, with a name that ends with .csv; it begins with {}",
                              kRatesHeader));
    return;
  }
  workspace_.rates = std::make_shared<Rates>(file->path);
  RatesReader(static_cast<int>(file - files_.begin()), workspace_.schema.currency,
              *workspace_.rates, report_)
      .Read(file->text);
}

}  // namespace segue
