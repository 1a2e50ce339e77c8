#include "insights/purchases.h"

#include <chrono>
#include <cmath>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "insights/customer_value.h"
#include "support/dice.h"
#include "support/golden.h"

namespace segue {
namespace {

// Customers whose gaps are sums of `beats` exponential ones, so 1 is what the model assumes and
// more is more regular.
Purchases Simulate(int people, int beats, int arrive_within, std::uint64_t stream) {
  Purchases purchases;
  purchases.end = 1000;
  Dice dice(stream);
  for (int i = 0; i < people; ++i) {
    const double gap = 60 / dice.Gamma(1.5), leave = dice.Beta(0.8, 4);
    std::vector<std::int32_t> days;
    double time = dice.Between(0, arrive_within);
    while (time <= purchases.end) {
      days.push_back(static_cast<std::int32_t>(time));
      if (days.size() > 1 && dice.Chance(leave)) {
        break;
      }
      for (int beat = 0; beat < beats; ++beat) {
        time += dice.Exponential(gap / beats);
      }
    }
    purchases.Add(days);
  }
  return purchases;
}

std::vector<std::string> CellsOf(const std::string& line) {
  std::vector<std::string> cells;
  std::istringstream in(line);
  for (std::string cell; std::getline(in, cell, ',');) {
    cells.push_back(cell);
  }
  return cells;
}

Purchases ReadCdnow(const std::string& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  std::map<int, std::vector<std::int32_t>> all;
  Purchases purchases;
  while (std::getline(in, line)) {
    const auto cells = CellsOf(line);
    const std::chrono::year_month_day date(
        std::chrono::year(std::stoi(cells[2].substr(0, 4))),
        std::chrono::month(static_cast<unsigned>(std::stoi(cells[2].substr(5, 2)))),
        std::chrono::day(static_cast<unsigned>(std::stoi(cells[2].substr(8, 2)))));
    const auto day =
        static_cast<std::int32_t>(std::chrono::sys_days(date).time_since_epoch().count());
    all[std::stoi(cells[1])].push_back(day);
    purchases.end = std::max(purchases.end, day);
  }
  for (const auto& [customer, days] : all) {
    purchases.Add(days);
  }
  return purchases;
}

}  // namespace

TEST_CASE("purchases: a day is one occasion, and a history knows nothing of later days") {
  Purchases purchases;
  purchases.end = 50;
  purchases.Add({20, 10, 10, 30, 60});
  purchases.Add({});
  purchases.Add({45});
  CHECK(purchases.people() == 3);
  CHECK(purchases.Of(0).size() == 3);
  const auto histories = HistoriesOn(purchases, 50);
  CHECK(histories.size() == 2);
  CHECK(histories[0] == History{.repeats = 2, .last = 20, .observed = 40});
  CHECK(histories[1] == History{.repeats = 0, .last = 0, .observed = 5});
  CHECK(*HistoryOn(purchases.Of(0), 29) == History{.repeats = 1, .last = 10, .observed = 19});
  CHECK(!HistoryOn(purchases.Of(0), 9).has_value());
}

TEST_CASE(
    "purchases: the rhythm of chance is 1, that of every second bell half, that of a clock 0") {
  const Rhythm chance = MeasureRhythm(Simulate(4000, 1, 500, 21));
  CHECK(chance.index == doctest::Approx(1).epsilon(0.05));
  CHECK(std::fabs(chance.deviations) < 3);
  const Rhythm second = MeasureRhythm(Simulate(4000, 2, 500, 22));
  CHECK(second.index > 0.4);
  CHECK(second.index < 0.65);
  Purchases clock;
  clock.end = 400;
  clock.Add({0, 30, 60, 90});
  const Rhythm even = MeasureRhythm(clock);
  CHECK(even.index == doctest::Approx(0).epsilon(1e-12));
  CHECK(even.usual_gap == 30);
  CHECK(even.same_gap == 1);
  CHECK(std::isnan(MeasureRhythm(Purchases{}).index));
}

TEST_CASE(
    "purchases: where the model is right its fit is used, and the check says how well it did") {
  const PurchaseFit fit = FitPurchases(Simulate(5000, 1, 600, 23));
  INFO(fit.reason);
  CHECK(fit.refusal == Refusal::kNone);
  CHECK(fit.holdout->expected == doctest::Approx(fit.holdout->bought).epsilon(0.05));
  CHECK(fit.holdout->told_apart > 0.7);
  double people = 0;
  for (const HoldoutCheck::Bin& bin : fit.holdout->bins) {
    people += bin.people;
  }
  CHECK(people == fit.holdout->people);
  CHECK(fit.fit->estimate.determined);
}

TEST_CASE("purchases: churn risk is refused with a reason where the data cannot carry it") {
  const auto starts = [](const PurchaseFit& fit, const std::string& word) {
    INFO(fit.reason);
    CHECK(fit.reason.starts_with(word));
    CHECK(!fit.fit.has_value());
  };
  const PurchaseFit few = FitPurchases(Simulate(50, 1, 600, 24));
  CHECK(few.refusal == Refusal::kTooFew);
  starts(few, "too few: ");
  const PurchaseFit nobody = FitPurchases(Purchases{});
  CHECK(nobody.refusal == Refusal::kTooFew);
  starts(nobody, "too few: 0 of 0 people");
  const PurchaseFit regular = FitPurchases(Simulate(5000, 6, 600, 25));
  CHECK(regular.refusal == Refusal::kTooRegular);
  starts(regular, "too regular: ");
  const PurchaseFit cohort = FitPurchases(Simulate(5000, 1, 10, 26));
  CHECK(cohort.refusal == Refusal::kOneCohort);
  starts(cohort, "one cohort: ");
  Purchases late = Simulate(5000, 1, 600, 27);
  late.end = 4000;  // Nothing happens in the last two thirds.
  const PurchaseFit silent = FitPurchases(late);
  CHECK(silent.refusal == Refusal::kTooShort);
  starts(silent, "too short: ");
}

TEST_CASE(
    "purchases: where nobody leaves, orders and value are known and the risk is refused in words") {
  Purchases purchases;
  purchases.end = 800;
  Dice dice(33);
  for (int i = 0; i < 4000; ++i) {
    const double gap = 60 / dice.Gamma(0.8);
    std::vector<std::int32_t> days;
    for (double time = dice.Between(0, 500); time <= purchases.end; time += dice.Exponential(gap)) {
      days.push_back(static_cast<std::int32_t>(time));
    }
    purchases.Add(days);
  }
  const PurchaseFit fit = FitPurchases(purchases);
  INFO(fit.reason);
  CHECK(fit.refusal == Refusal::kNone);
  CHECK(fit.reason.starts_with("nobody can be told to have left: "));
  REQUIRE(fit.fit.has_value());
  CHECK(fit.fit->model.nobody_leaves());
  CHECK(fit.fit->estimate.determined);
  CHECK(fit.fit->model.r == doctest::Approx(0.8).epsilon(0.1));
  CHECK(fit.fit->model.alpha == doctest::Approx(60).epsilon(0.1));
  CHECK(fit.holdout->expected == doctest::Approx(fit.holdout->bought).epsilon(0.05));
  const GammaGamma money{.p = 5, .q = 4, .v = 30};
  const Customer customer{
      .history = {.repeats = 3, .last = 100, .observed = 300}, .money_days = 3, .mean_spend = 40};
  const CustomerScores scores = ScoreCustomer(fit.fit->model, &money, customer, 365);
  CHECK(!scores.alive.has_value());
  CHECK(!scores.churn_risk.has_value());
  // The mean of a gamma rate after three purchases in 300 days.
  CHECK(*scores.expected_orders ==
        doctest::Approx((fit.fit->model.r + 3) / (fit.fit->model.alpha + 300) * 365));
  CHECK(*scores.lifetime_value > 0);
  const GammaGammaFit spending{.model = money, .estimate = {.at = {5, 4, 30}, .determined = true}};
  const auto interval = LifetimeValue(*fit.fit, spending, customer, 365);
  REQUIRE(interval.has_value());
  CHECK(interval->low < interval->value);
  CHECK(ExplainRisk(fit.fit->model, customer.history, 90)[0] ==
        "no risk: nobody of this base can be told to have left");
}

TEST_CASE("purchases: a model in which nobody leaves is the one of an ever smaller chance to") {
  const BgNbd stays{.r = 0.7, .alpha = 30, .a = 0, .b = 1};
  const BgNbd nearly{.r = 0.7, .alpha = 30, .a = 1e-9, .b = 1};
  for (const int repeats : {0, 1, 7, 40}) {
    const History h{.repeats = repeats, .last = repeats > 0 ? 90.0 : 0.0, .observed = 100};
    for (const double t : {1.0, 90.0, 5000.0}) {
      CHECK(stays.Expected(h, t) == doctest::Approx(nearly.Expected(h, t)).epsilon(1e-6));
      CHECK(stays.Chance(h, 3, t) == doctest::Approx(nearly.Chance(h, 3, t)).epsilon(1e-6));
    }
    CHECK(stays.Alive(h) == 1);
    CHECK(stays.LogLikelihood(h) == doctest::Approx(nearly.LogLikelihood(h)).epsilon(1e-6));
  }
}

TEST_CASE("purchases: a shop whose customers all vanish after the split is a misfit") {
  Purchases purchases;
  purchases.end = 900;
  const Purchases whole = Simulate(3000, 1, 500, 28);
  Dice dice(29);
  for (std::size_t i = 0; i < whole.people(); ++i) {
    std::vector<std::int32_t> days;
    for (const std::int32_t day : whole.Of(i)) {
      if (day <= 600 || dice.Chance(0.05)) {
        days.push_back(day);
      }
    }
    purchases.Add(days);
  }
  const PurchaseFit fit = FitPurchases(purchases);
  CHECK(fit.refusal == Refusal::kMisfit);
  CHECK(fit.reason.starts_with("misfit: checked on the last third of the time: "));
}

TEST_CASE("purchases: CDNOW is fitted, and its check is near what came") {
  const auto path = Shared("data/cdnow/cdnow_sample_transactions.csv");
  if (!path) {
    return;
  }
  const PurchaseFit fit = FitPurchases(ReadCdnow(*path));
  MESSAGE(fit.reason << "; rhythm " << fit.rhythm.index);
  CHECK(fit.refusal == Refusal::kNone);
  CHECK(fit.people == 2357);
  CHECK(fit.holdout->told_apart > 0.7);
}

TEST_CASE("purchases: the bills of a telephone company are a contract business") {
  const auto path = Shared("data/telco_churn/telco_customer_churn.csv");
  if (!path) {
    return;
  }
  std::ifstream in(*path);
  std::string line;
  std::getline(in, line);
  const auto header = CellsOf(line);
  const auto column = [&](const std::string& name) {
    return static_cast<std::size_t>(std::find(header.begin(), header.end(), name) - header.begin());
  };
  Purchases purchases;
  purchases.end = 72 * 30;
  Dice dice(30);
  while (std::getline(in, line)) {
    const auto cells = CellsOf(line);
    const int tenure = std::stoi(cells[column("tenure")]);
    // One bill a month; who left did so at some time within the six years that the file looks back
    // on.
    const bool left = cells.back().starts_with("Yes");
    const int last = left ? tenure + dice.Below(72 - tenure + 1) : 72;
    std::vector<std::int32_t> days;
    for (int month = last - tenure; month < last; ++month) {
      days.push_back(static_cast<std::int32_t>(std::floor(30.4 * month)));
    }
    purchases.Add(days);
  }
  const PurchaseFit fit = FitPurchases(purchases);
  CHECK(fit.refusal == Refusal::kContract);
  CHECK(fit.reason ==
        "a contract business: 100 % of all gaps are 30 days, give or take a tenth; such people "
        "leave by "
        "ending the contract, not by falling silent");
}

TEST_CASE("value: the risk is explained line by line, and one purchase day has none") {
  const BgNbd model{.r = 0.243, .alpha = 30.9, .a = 0.793, .b = 2.426};
  const auto lines = ExplainRisk(model, {.repeats = 4, .last = 120, .observed = 200}, 90);
  REQUIRE(lines.size() == 5);
  CHECK(lines[0] == "risk 47 of 100");
  CHECK(lines[1] == "bought on 5 days, 30 days apart on average");
  CHECK(lines[2] == "silent for 80 days, 2.7 of those gaps");
  CHECK(lines[3] == "on the day of the last purchase the risk was 13; the silence since added 34");
  CHECK(lines[4].starts_with("expected in the next 90 days: "));
  // What it was and what was added are the risk, also as they are printed.
  const auto number = [](const std::string& line, const std::string& after) {
    return std::stoi(line.substr(line.find(after) + after.size()));
  };
  for (int silent = 0; silent < 400; ++silent) {
    const auto told =
        ExplainRisk(model, {.repeats = 4, .last = 120, .observed = 120.0 + silent}, 90);
    CHECK(number(told[3], "the risk was ") + number(told[3], "since added ") ==
          number(told[0], "risk "));
  }
  const auto once = ExplainRisk(model, {.repeats = 0, .last = 0, .observed = 200}, 90);
  CHECK(once == std::vector<std::string>{"no data: one purchase day only, 200 days ago"});
}

TEST_CASE(
    "value: lifetime value is orders times spend, with an interval that narrows as more people are "
    "fitted") {
  const BgNbd truth{.r = 0.6, .alpha = 30, .a = 0.8, .b = 3};
  const Customer customer{
      .history = {.repeats = 4, .last = 120, .observed = 150}, .money_days = 4, .mean_spend = 40};
  double before = 1e9;
  for (const int people : {500, 5000}) {
    Dice dice(31);
    Purchases purchases = Simulate(people, 1, 600, 32);
    const BgNbdFit fit = FitBgNbd(Histories::Group(HistoriesOn(purchases, purchases.end)).value());
    std::vector<Spending> spendings;
    for (int i = 0; i < people; ++i) {
      const double rate = dice.Gamma(4) / 15;
      spendings.push_back({.purchases = 3, .mean = dice.Gamma(18) / rate / 3});
    }
    const GammaGammaFit spending = FitGammaGamma(spendings).value();
    const auto interval = LifetimeValue(fit, spending, customer, 365);
    REQUIRE(interval.has_value());
    const CustomerScores scores = ScoreCustomer(fit.model, &spending.model, customer, 365);
    CHECK(interval->value == doctest::Approx(*scores.expected_orders * *scores.expected_spend));
    CHECK(interval->low < interval->value);
    CHECK(interval->high > interval->value);
    CHECK(std::log(interval->high / interval->low) < before);
    before = std::log(interval->high / interval->low);
  }
  const double plain = truth.Expected(customer.history, 365);
  CHECK(DiscountedOrders(truth, customer.history, 365, {.step = 30, .rate = 0}) ==
        doctest::Approx(plain));
  CHECK(DiscountedOrders(truth, customer.history, 365, {.step = 30, .rate = 1e-9}) ==
        doctest::Approx(plain));
  CHECK(DiscountedOrders(truth, customer.history, 365, {.step = 30, .rate = 0.01}) < plain);
}

}  // namespace segue
