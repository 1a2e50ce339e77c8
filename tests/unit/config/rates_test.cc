// Files of exchange rates: what they say, and every way in which a line can be wrong.

#include "config/rates.h"

#include <string>

#include <doctest/doctest.h>

#include "example.h"

namespace segue {
namespace {

// The small workspace, which keeps EUR, with this file of rates.
std::vector<SourceFile> WithRates(const std::string& rates) {
  std::vector<SourceFile> files = SmallFiles("");
  files[0].text.replace(files[0].text.find("currency: EUR\n"), 14,
                        "currency: EUR\nrates: money/rates.csv\n");
  files.push_back({"config/money/rates.csv", rates});
  return files;
}

std::string ProblemsOf(const std::string& rates) {
  const Loaded loaded = Load(WithRates(rates));
  CHECK((loaded.workspace == nullptr) == HasErrors(loaded.diagnostics));
  return FormatDiagnostics(Problems(loaded), loaded.files, false);
}

// Whether the first line of what is reported is this.
void CheckFirst(const std::string& rates, const std::string& line) {
  const std::string all = ProblemsOf(rates);
  CHECK(all.substr(0, all.find('\n')) == line);
}

constexpr std::int64_t kThatDay = 20'514;  // 2026-03-02

}  // namespace

TEST_CASE("a rate is how many of the workspace's currency one unit of the other was") {
  const Loaded loaded =
      Load(WithRates("date,currency,rate\r\n2026-03-02,USD,0.9217\n\n2026-02-27, JPY, "
                     "0.0061\n2026-03-02,GBP,1\n"));
  INFO(FormatDiagnostics(loaded.diagnostics, loaded.files, false));
  REQUIRE(loaded.workspace != nullptr);
  const Rates& rates = *loaded.workspace->rates;
  CHECK(rates.path() == "config/money/rates.csv");
  CHECK(FormatExchangeRate(*rates.Find({"USD", kThatDay})) == "0.9217");
  CHECK(FormatExchangeRate(*rates.Find({"JPY", kThatDay})) == "0.0061");
  CHECK(FormatExchangeRate(*rates.Find({"GBP", kThatDay + kRateDaysMax})) == "1");
  CHECK_FALSE(rates.Find({"GBP", kThatDay + kRateDaysMax + 1}));
  CHECK_FALSE(rates.Find({"USD", kThatDay - 1}));
  CHECK_FALSE(rates.Find({"CHF", kThatDay}));
}

TEST_CASE("without `rates` a workspace has none, and the file must be there") {
  CHECK(Load(SmallFiles("")).workspace->rates == nullptr);
  std::vector<SourceFile> files = WithRates("date,currency,rate\n");
  files.back().path = "config/other.csv";
  const Loaded loaded = Load(std::move(files));
  CHECK(
      FormatDiagnostics(Problems(loaded), loaded.files, false)
          .find("config/segue.yaml:4:8: error SG002: there is no file config/money/rates.csv with "
                "exchange rates") != std::string::npos);
}

TEST_CASE("a bad line of rates is an error at its line and column that says what a rate means") {
  const std::string head = "date,currency,rate\n";
  const std::string at = "config/money/rates.csv:";
  CheckFirst("", at + "1:1: error SG005: a file of rates begins with the line date,currency,rate");
  CheckFirst("currency,date,rate\n",
             at + "1:1: error SG005: a file of rates begins with the line date,currency,rate");
  CheckFirst(head + "2026-03-02,USD\n",
             at + "2:1: error SG005: a line of rates has three values: date,currency,rate");
  CheckFirst(head + "2026-03-01,USD,1\n2.3.2026,USD,1\n",
             at + "3:1: error SG005: `2.3.2026` is no date such as 2026-03-02");
  CheckFirst(head + "2026-02-30,USD,1\n",
             at + "2:1: error SG005: `2026-02-30` is no date such as 2026-03-02");
  CheckFirst(head + "2026-03-02,usd,1\n",
             at + "2:12: error SG005: `usd` is no currency such as USD");
  for (const char* rate :
       {"0", "-1", "1,2", "x", "", "1e3", "0.0000000000001", "1.2.3", "1234567890123456789"}) {
    CAPTURE(rate);
    CHECK(ProblemsOf(head + "2026-03-02,USD," + rate + "\n").starts_with(at + "2:"));
  }
  CheckFirst(head + "2026-03-02,USD,0\n",
             at +
                 "2:16: error SG005: `0` is no rate: how many EUR 1 USD was, a number above 0 with "
                 "at most 12 decimals");
  CHECK(ProblemsOf(head + "2026-03-02,USD,0\n")
            .find("2026-03-02,USD,0.5 says that 1 USD was 0.5 EUR on that day") !=
        std::string::npos);
  CheckFirst(head + "2026-03-02,EUR,1\n",
             at + "2:12: error SG005: EUR is the workspace's own currency");
  CheckFirst(head + "2026-03-02,USD,1\n2026-03-01,USD,1\n2026-03-02,USD,1.1\n",
             at + "4:1: error SG007: a second rate of USD for 2026-03-02");
}

TEST_CASE("all bad lines of a file of rates are reported at once") {
  std::string rates = "date,currency,rate\n";
  for (int i = 0; i < 2000; ++i) {
    rates += "2026-03-02,USD,no\n";
  }
  const Loaded loaded = Load(WithRates(rates));
  CHECK(loaded.workspace == nullptr);
  CHECK(loaded.diagnostics.size() > 900);
}

}  // namespace segue
