#include "published/cdnow.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <functional>
#include <map>
#include <stdexcept>

#include "insights/bg_nbd.h"
#include "insights/gamma_gamma.h"
#include "insights/pareto_nbd.h"

namespace segue {
namespace {

[[noreturn]] void Fail(const std::string& what) {
  throw std::runtime_error("cdnow: " + what);
}

using Cells = std::vector<std::string>;

// One line of CSV; a quoted cell may hold commas, none holds quotes.
Cells SplitLine(const std::string& line) {
  Cells cells(1);
  bool quoted = false;
  for (const char c : line) {
    if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      cells.emplace_back();
    } else if (c != '\r') {
      cells.back() += c;
    }
  }
  return cells;
}

// All rows but the header.
std::vector<Cells> ReadRows(const std::string& path, std::size_t width) {
  std::ifstream in(path);
  if (!in) {
    Fail("cannot read " + path);
  }
  std::vector<Cells> rows;
  for (std::string line; std::getline(in, line);) {
    Cells cells = SplitLine(line);
    if (cells.size() != width) {
      Fail(path + " has a row with other columns");
    }
    rows.push_back(std::move(cells));
  }
  rows.erase(rows.begin());
  return rows;
}

int DayOf(const std::string& date) {
  const std::chrono::year_month_day day(
      std::chrono::year(std::stoi(date.substr(0, 4))),
      std::chrono::month(static_cast<unsigned>(std::stoi(date.substr(5, 2)))),
      std::chrono::day(static_cast<unsigned>(std::stoi(date.substr(8, 2)))));
  return static_cast<int>(std::chrono::sys_days(day).time_since_epoch().count());
}

// The number after "name=" in a text like "t=52 x=26 t_x=30.85714 T=31".
double Number(const std::string& text, const std::string& name) {
  const std::string padded = " " + text;
  const std::size_t at = padded.find(" " + name + "=");
  if (at == std::string::npos) {
    Fail("no " + name + " in '" + text + "'");
  }
  return std::stod(padded.substr(at + name.size() + 2));
}

class Cdnow {
 public:
  explicit Cdnow(const std::string& folder) {
    ReadTransactions(folder);
    for (const Cells& c : ReadRows(folder + "/cdnow_customers_summary_with_transactions.csv", 5)) {
      rounded_.push_back({.purchases = std::stoi(c[1]), .mean = std::stod(c[4])});
    }
    const Result<Histories> grouped = Histories::Group(calibration_);
    const Result<Histories> longer = Histories::Group(all_weeks_);
    const Result<GammaGammaFit> spending = FitGammaGamma(spending_);
    if (!grouped || !longer || !spending) {
      Fail("the data cannot be fitted");
    }
    bg_ = FitBgNbd(*grouped);
    pareto_ = FitParetoNbd(*grouped);
    pareto_all_ = FitParetoNbd(*longer);
    spend_ = *spending;
  }

  double Compute(const std::string& model, const std::string& quantity,
                 const std::string& inputs) const {
    if (model == "bgnbd") {
      return BgNbdFigure(quantity, inputs);
    }
    if (model == "pnbd") {
      return ParetoFigure(quantity, inputs);
    }
    if (model == "gg") {
      return SpendingFigure(quantity, inputs);
    }
    if (model == "clv") {
      return Value(std::stoi(inputs.substr(inputs.find(' '))));
    }
    return DataFigure(quantity, inputs);
  }

 private:
  // From the purchases themselves: the summaries that came with the data are rounded to hundredths
  // of a week and of a dollar, which is too coarse for some of the published figures.  Purchases of
  // one day are one.
  void ReadTransactions(const std::string& folder) {
    const int split = DayOf("1997-09-30"), end = DayOf("1998-06-30");
    std::map<int, std::map<int, double>> days;
    for (const Cells& c : ReadRows(folder + "/cdnow_sample_transactions.csv", 5)) {
      days[std::stoi(c[1])][DayOf(c[2])] += std::stod(c[4]);
    }
    for (const auto& [customer, all] : days) {
      const int first = all.begin()->first;
      History history{.observed = (split - first) / 7.0};
      double spent = 0, later = 0;
      for (const auto& [day, amount] : all) {
        if (day > split) {
          later += 1;
        } else if (day > first) {
          history.repeats += 1;
          history.last = (day - first) / 7.0;
          spent += amount;
        }
      }
      calibration_.push_back(history);
      spending_.push_back({.purchases = history.repeats,
                           .mean = history.repeats > 0 ? spent / history.repeats : 0});
      bought_later_.push_back(later);
      all_weeks_.push_back({.repeats = static_cast<int>(all.size()) - 1,
                            .last = (all.rbegin()->first - first) / 7.0,
                            .observed = (end - first) / 7.0});
    }
  }

  // The mean of `of` over customers with as many repeats as "calibration x=3" says.
  double BinMean(const std::string& inputs, const std::function<double(std::size_t)>& of,
                 bool count = false) const {
    const bool rest = inputs.find("x>=") != std::string::npos;
    const int x = std::stoi(inputs.substr(inputs.find('=') + 1));
    double sum = 0, people = 0;
    for (std::size_t i = 0; i < calibration_.size(); ++i) {
      if (rest ? calibration_[i].repeats >= x : calibration_[i].repeats == x) {
        sum += of(i);
        people += 1;
      }
    }
    return count ? people : sum / people;
  }

  // "estimate r" and "standard error r", by the names in the order of the parameters.
  template <std::size_t N>
  static double Parameter(const std::string& quantity, const Estimate<N>& estimate,
                          const std::vector<std::string>& names) {
    const std::string name = quantity.substr(quantity.rfind(' ') + 1);
    for (std::size_t i = 0; i < N; ++i) {
      if (names[i] == name) {
        return quantity.starts_with("standard error") ? estimate.standard_error[i] : estimate.at[i];
      }
    }
    Fail("no parameter " + name);
  }

  static History HistoryIn(const std::string& inputs) {
    return {.repeats = static_cast<int>(Number(inputs, "x")),
            .last = Number(inputs, "t_x"),
            .observed = Number(inputs, "T")};
  }

  double BgNbdFigure(const std::string& quantity, const std::string& inputs) const {
    if (quantity == "log-likelihood") {
      return bg_.estimate.log_likelihood;
    }
    if (quantity.starts_with("estimate") || quantity.starts_with("standard error")) {
      return Parameter(quantity, bg_.estimate, {"r", "alpha", "a", "b"});
    }
    if (quantity == "conditional expected purchases") {
      return bg_.model.Expected(HistoryIn(inputs), Number(inputs, "t"));
    }
    if (quantity == "expected purchases of a new customer") {
      return bg_.model.ExpectedNew(Number(inputs, "t"));
    }
    if (quantity == "P(alive)") {
      return bg_.model.Alive(HistoryIn(inputs));
    }
    if (quantity == "P(X(t)=n)" && inputs.starts_with("params 0.243 4.414 0.793 2.426 ")) {
      const BgNbd model{.r = 0.243, .alpha = 4.414, .a = 0.793, .b = 2.426};
      return model.Chance(static_cast<int>(Number(inputs, "n")), Number(inputs, "t"));
    }
    if (quantity == "mean conditional expected purchases t=39") {
      return BinMean(inputs,
                     [&](std::size_t i) { return bg_.model.Expected(calibration_[i], 39); });
    }
    Fail("unknown quantity " + quantity);
  }

  double ParetoFigure(const std::string& quantity, const std::string& inputs) const {
    if (quantity == "log-likelihood") {
      return pareto_.estimate.log_likelihood;
    }
    if (quantity.starts_with("estimate") || quantity.starts_with("standard error")) {
      const bool all = inputs.find("all 78 weeks") != std::string::npos;
      return Parameter(quantity, all ? pareto_all_.estimate : pareto_.estimate,
                       {"r", "alpha", "s", "beta"});
    }
    if (quantity == "conditional expected purchases" &&
        inputs.starts_with("params 0.55 10.58 0.61 11.67 ")) {
      const ParetoNbd model{.r = 0.55, .alpha = 10.58, .s = 0.61, .beta = 11.67};
      return model.Expected(HistoryIn(inputs), Number(inputs, "t"));
    }
    if (quantity == "conditional expected purchases") {
      return pareto_.model.Expected(HistoryIn(inputs), Number(inputs, "t"));
    }
    if (quantity == "expected purchases of a new customer") {
      return pareto_.model.ExpectedNew(Number(inputs, "t"));
    }
    if (quantity == "P(alive)") {
      return pareto_.model.Alive(HistoryIn(inputs));
    }
    Fail("unknown quantity " + quantity);
  }

  double Spend(std::size_t i) const {
    return spend_.model.Expected(spending_[i].purchases, spending_[i].mean).value();
  }

  double SpendingFigure(const std::string& quantity, const std::string& inputs) const {
    if (quantity == "log-likelihood") {
      return spend_.estimate.log_likelihood;
    }
    if (quantity == "number of customers") {
      return spend_.estimate.people;
    }
    if (quantity.starts_with("estimate")) {
      return Parameter(quantity, spend_.estimate, {"p", "q", "v"});
    }
    if (quantity == "expected average transaction value") {
      return Spend(static_cast<std::size_t>(std::stoi(inputs.substr(inputs.find(' ')))) - 1);
    }
    double sum = 0;
    for (std::size_t i = 0; i < spending_.size(); ++i) {
      sum += Spend(i);
    }
    return sum / static_cast<double>(spending_.size());
  }

  // Twelve steps of 30 weeks, which their documentation calls months, each discounted by 1 percent.
  double Value(int customer) const {
    const std::size_t i = static_cast<std::size_t>(customer) - 1;
    double value = 0, before = 0;
    for (int month = 1; month <= 12; ++month) {
      const double orders = bg_.model.Expected(calibration_[i], 30.0 * month);
      value += (orders - before) * Spend(i) / std::pow(1.01, month);
      before = orders;
    }
    return value;
  }

  double DataFigure(const std::string& quantity, const std::string& inputs) const {
    if (quantity == "customers in bin") {
      return BinMean(
          inputs, [](std::size_t) { return 0.0; }, true);
    }
    if (quantity == "mean purchases in the 39 holdout weeks") {
      return BinMean(inputs, [&](std::size_t i) { return bought_later_[i]; });
    }
    double n = 0, m = 0, x = 0, mm = 0, xx = 0, mx = 0;
    for (const Spending& one : rounded_) {
      if (one.purchases > 0) {
        n += 1;
        m += one.mean;
        x += one.purchases;
        mm += one.mean * one.mean;
        xx += 1.0 * one.purchases * one.purchases;
        mx += one.mean * one.purchases;
      }
    }
    if (quantity == "mean of m_x over repeat customers") {
      return m / n;
    }
    return (mx - m * x / n) / std::sqrt((mm - m * m / n) * (xx - x * x / n));
  }

  std::vector<History> calibration_, all_weeks_;
  std::vector<Spending> spending_;
  std::vector<Spending>
      rounded_;  // As the summary has them: the correlation was published of these.
  std::vector<double> bought_later_;
  BgNbdFit bg_;
  ParetoNbdFit pareto_, pareto_all_;
  GammaGammaFit spend_;
};

// "0.005", "2 percent" and "0.005 (beta 0.02: flat)".
double ToleranceOf(const std::string& text, const std::string& quantity, double published) {
  if (text.find("beta 0.02") != std::string::npos && quantity == "estimate beta") {
    return 0.02;
  }
  const double value = std::stod(text);
  return text.find("percent") == std::string::npos ? value : value / 100 * std::fabs(published);
}

}  // namespace

bool PublishedFigure::Agrees() const {
  return std::fabs(std::stod(published) - computed) <= tolerance;
}

std::vector<PublishedFigure> CompareCdnow(const std::string& folder) {
  const Cdnow cdnow(folder);
  std::vector<PublishedFigure> figures;
  for (const Cells& row : ReadRows(folder + "/published_results.csv", 6)) {
    PublishedFigure figure;
    figure.model = row[0];
    figure.quantity = row[1];
    figure.inputs = row[2];
    figure.published = row[3];
    figure.source = row[5];
    figure.tolerance = ToleranceOf(row[4], row[1], std::stod(row[3]));
    figure.computed = cdnow.Compute(row[0], row[1], row[2]);
    figures.push_back(std::move(figure));
  }
  return figures;
}

}  // namespace segue
