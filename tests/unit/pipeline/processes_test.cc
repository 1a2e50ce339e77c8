// alive, churn_risk, expected_orders, expected_spend and lifetime_value as features of models: when
// they are learned, what they say, and where they say nothing.

#include "pipeline/processes.h"

#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "pipeline/pipeline.h"
#include "pipeline/value.h"
#include "support/dice.h"
#include "support/temp_dir.h"

namespace segue {
namespace {

constexpr std::string_view kProcessesShop = R"(workspace: shop
currency: EUR
timezone: Europe/Berlin
events: {order: {amount: money, gift: yes_no}}
---
model: worth
every: day at 05:00
refit: REFIT
features:
  risk:   churn_risk(order)
  alive:  alive(order where gift is no)
  orders: expected_orders(order, 90d)
  spend:  expected_spend(order.amount)
  value:  lifetime_value(order.amount, 365d)
segments:
  - {id: gone,  when: risk >= 0.5}
  - {id: late,  when: risk >= 0.25}
  - {id: slow,  when: risk >= 0.1}
  - {id: there, when: exists(risk)}
  - {id: new,   when: otherwise}
---
model: reader   # Features are kept where somebody reads them.
status: draft
every: day at 06:00
segments:
  - {id: known, when: exists(worth.risk)}
  - {id: other, when: otherwise}
)";

constexpr int kRisk = 0, kAlive = 1, kOrders = 2, kSpend = 3, kValue = 4, kFeatures = 5;

struct ProcessesShop {
  TempDir temp;
  Database db = Database::Open(temp / "segue.db");
  Checked checked;
  std::unique_ptr<State> state;
  std::unique_ptr<Cycle> cycle;
  TimePoint begin = *ParseTime("2024-01-01T00:00:00Z", Zone());

  explicit ProcessesShop(const std::string& refit = "monthly") {
    db.Execute("PRAGMA synchronous=OFF");
    std::string text(kProcessesShop);
    text.replace(text.find("REFIT"), 5, refit);
    checked = CheckWorkspace({{"config/segue.yaml", text}});
    INFO(FormatDiagnostics(checked.diagnostics, checked.files, false));
    REQUIRE(checked.workspace != nullptr);
    Open(begin);
  }

  void Open(TimePoint now) {
    cycle.reset();
    state.reset();
    state = std::make_unique<State>(db, *checked.workspace, *checked.templates, now);
    cycle = std::make_unique<Cycle>(*state, nullptr);
  }

  void Order(int who, double day, std::int64_t cents, bool gift = false) {
    Event event{.kind = 0,
                .customer = fmt::format("c{:04}", who),
                .time = begin + std::chrono::duration_cast<Duration>(day * kDay),
                .fields = {cents, std::int64_t{gift ? 1 : 0}},
                .dedupe = fmt::format("{}/{}", who, day),
                .version = {}};
    facts.emplace_back(std::move(event));
  }

  // `people` who order by chance and leave by chance, as the model assumes, or in `beats` as even
  // as a clock.
  void Live(int people, int beats = 1, bool leaves = true) {
    Dice dice(7);
    for (int who = 0; who < people; ++who) {
      const double gap = 25 / dice.Gamma(1.5), leave = dice.Beta(0.8, 4);
      const double mean = 2000 + 3000 * dice.Gamma(2);
      double day = dice.Between(0, 250);
      for (int order = 0; day < 420 && (order < 2 || !leaves || !dice.Chance(leave)); ++order) {
        Order(who, day, static_cast<std::int64_t>(mean * dice.Gamma(4) / 4) + 1, dice.Chance(0.05));
        for (int beat = 0; beat < beats; ++beat) {
          day += dice.Exponential(gap / beats);
        }
      }
    }
  }

  CycleReport Run(double day) {
    const TimePoint now = begin + std::chrono::duration_cast<Duration>(day * kDay);
    CycleReport report;
    if (!facts.empty()) {
      cycle->Ingest(facts, "test", kDay * 10000, now, report);
      facts.clear();
    }
    cycle->Decide(now, report);
    return report;
  }

  std::vector<double> Features(CustomerIndex customer) {
    return state->segments(0)->Get(customer).features;
  }

  // Every feature of everybody, to the bit.
  std::string Everything() {
    std::string text;
    for (CustomerIndex who = 0; who < state->ledger().customer_count(); ++who) {
      text += fmt::format("{}: {}\n", who, fmt::join(Features(who), " "));
    }
    return text;
  }

  std::int64_t Count(const std::string& sql) {
    Statement find = db.Prepare("SELECT count(*) FROM " + sql);
    find.Step();
    return find.Int(0);
  }

  // Other amounts for all that was ordered, by who ordered.
  void Price(const std::function<Value(const std::string&)>& amount) {
    for (Fact& fact : facts) {
      Event& event = std::get<Event>(fact);
      event.fields[0] = amount(event.customer);
    }
  }

  std::string Explained(CustomerIndex customer) const {
    return fmt::format("{}", fmt::join(state->processes().Explain(customer), "\n"));
  }

  std::vector<Fact> facts;
};

// Of the process that has money.
ProcessValue WorthOf(ProcessesShop& shop) {
  const ValueReport report = ReportValue(*shop.state);
  for (const ProcessValue& one : report.processes) {
    if (one.field == "amount") {
      return one;
    }
  }
  FAIL("nobody asks for money");
  return {};
}

double MeanOf(ProcessesShop& shop, int feature) {
  double sum = 0;
  for (CustomerIndex who = 0; who < shop.state->ledger().customer_count(); ++who) {
    sum += shop.Features(who)[static_cast<std::size_t>(feature)];
  }
  return sum / shop.state->ledger().customer_count();
}

}  // namespace

TEST_CASE("processes: every feature is a number in its range or missing, and they fit together") {
  ProcessesShop shop;
  shop.Live(400);
  CHECK(shop.Run(400.25).warnings.empty());
  int known = 0, single = 0;
  for (CustomerIndex who = 0; who < shop.state->ledger().customer_count(); ++who) {
    const std::vector<double> f = shop.Features(who);
    REQUIRE(f.size() == kFeatures);
    for (const double value : f) {
      CHECK(!std::isinf(value));
    }
    const auto customer = shop.state->processes().CustomerOf(0, 0, who);
    if (!customer) {
      CHECK(std::isnan(f[kRisk]));
      continue;
    }
    CHECK(f[kOrders] >= 0);
    CHECK(f[kSpend] > 0);
    if (customer->history.repeats == 0) {
      ++single;
      CHECK(std::isnan(f[kRisk]));
    } else {
      ++known;
      CHECK(f[kRisk] >= 0);
      CHECK(f[kRisk] <= 1);
      CHECK(f[kValue] > 0);
    }
  }
  CHECK(known > 200);
  CHECK(single > 10);
  // One fit for `order`, one for those that are no gift, and one of spending.
  CHECK(shop.Count("purchase_fit WHERE refusal = ''") == 2);
  CHECK(shop.Count("spending_fit WHERE field = 'amount' AND reason = ''") == 1);
}

TEST_CASE("processes: a fit that was stored reads back to the bit, and is not made again early") {
  ProcessesShop shop;
  shop.Live(400);
  shop.Run(400.25);
  const auto made = shop.state->processes().in_force()[0];
  shop.Open(shop.begin + 401 * kDay);
  const auto fit = shop.state->processes().in_force()[0];
  REQUIRE(fit != nullptr);
  REQUIRE(fit.get() != made.get());
  const BgNbdFit &a = *made->purchases.fit, &b = *fit->purchases.fit;
  CHECK(a.estimate.at == b.estimate.at);
  CHECK(a.estimate.covariance == b.estimate.covariance);
  CHECK(a.estimate.log_likelihood == b.estimate.log_likelihood);
  CHECK(b.estimate.determined);
  CHECK(made->purchases.holdout->expected == doctest::Approx(fit->purchases.holdout->expected));
  CHECK(made->purchases.holdout->told_apart == fit->purchases.holdout->told_apart);
  CHECK(made->purchases.reason == fit->purchases.reason);
  CHECK(made->spending[0].fit->estimate.at == fit->spending[0].fit->estimate.at);
  shop.Run(401.25);
  CHECK(shop.Count("purchase_fit") == 2);
  CHECK(shop.state->processes().in_force()[0]->id == fit->id);
  shop.Run(431.25);  // Another month.
  CHECK(shop.Count("purchase_fit") == 4);
}

TEST_CASE("processes: what is followed from day to day equals what is read anew") {
  ProcessesShop shop("never");
  shop.Live(300);
  shop.Run(350.25);
  Dice dice(3);
  for (int day = 351; day < 381; ++day) {
    for (int i = 0; i < 5; ++i) {
      // Some are known only later, and some lie ahead.
      shop.Order(dice.Below(320), day + dice.Between(-9, 3), 1000 + dice.Below(9000));
    }
    shop.Run(day + 0.25);
    // A start goes on from what the last one left, or reads it anew.
    if (day % 7 == 0) {
      shop.state->Snapshot();
    }
    if (day % 5 == 1) {
      shop.Open(shop.begin + day * kDay + 6 * kHour);
    }
  }
  const std::string followed = shop.Everything();
  shop.state->db().Execute("DELETE FROM purchase_sums");
  shop.Open(shop.begin + 380 * kDay + 6 * kHour);
  shop.state->processes();
  const TimePoint now = shop.begin + 380 * kDay + 6 * kHour;
  const auto people = shop.state->PopulationOf(0, now);
  std::string anew;
  const Model& model = shop.checked.workspace->models[0];
  for (CustomerIndex who = 0; who < shop.state->ledger().customer_count(); ++who) {
    std::vector<double> values;
    for (const Feature& feature : model.features) {
      values.push_back(
          ExecuteOne(feature.value.expr, people->inputs(), {now, model.timezone}, who));
    }
    anew += fmt::format("{}: {}\n", who, fmt::join(values, " "));
  }
  CHECK(followed == anew);
}

TEST_CASE("processes: who moves because purchases were learned again moves with cause refit") {
  ProcessesShop shop("quarterly");
  shop.Live(400);
  shop.Run(240.25);
  const auto before = shop.state->processes().in_force()[0];
  REQUIRE(before != nullptr);
  int refits = 0, others = 0;
  for (int day = 241; day <= 280; ++day) {
    for (const Move& move : shop.Run(day + 0.25).moves) {
      (move.cause == Cause::kRefit ? refits : others) += 1;
      if (move.cause == Cause::kRefit) {
        CHECK(move.why.find("purchases were learned again: ") == 0);
        CHECK(day == 274);  // 1 October 2024.
      }
    }
  }
  CHECK(shop.state->processes().in_force()[0]->id != before->id);
  CHECK(others > 0);
  CHECK(refits > 0);
}

TEST_CASE("processes: fifty customers are too few; the feature is unknown and the author is told") {
  ProcessesShop shop;
  shop.Live(50);
  const CycleReport report = shop.Run(400.25);
  REQUIRE(report.warnings.size() == 2);
  CHECK(report.warnings[0].find(
            "model worth: churn_risk(order) and the like have no data: too few") == 0);
  CHECK(report.warnings[0].find("usual_gap(order) asks less") != std::string::npos);
  for (CustomerIndex who = 0; who < shop.state->ledger().customer_count(); ++who) {
    for (const double value : shop.Features(who)) {
      CHECK(std::isnan(value));
    }
  }
  // It is stored with its reason, and tried again in another week.
  CHECK(shop.Count("purchase_fit WHERE refusal = 'too_few' AND parameters = ''") == 2);
  CHECK(shop.Run(401.25).warnings.empty());
  CHECK(shop.Run(408.25).warnings.size() == 2);
  CHECK(shop.Count("purchase_fit") == 4);
}

TEST_CASE(
    "processes: where nobody can be told to have left there are orders and value, and no risk") {
  ProcessesShop shop;
  shop.Live(600, 1, false);
  const CycleReport report = shop.Run(400.25);
  REQUIRE(report.warnings.size() == 2);
  CHECK(report.warnings[0].find("model worth: churn_risk(order) and alive(order) have no data: "
                                "nobody can be told to have left: ") == 0);
  const auto made = shop.state->processes().in_force()[0];
  REQUIRE(made != nullptr);
  CHECK(made->purchases.fit->model.nobody_leaves());
  const auto look = [&] {
    for (CustomerIndex who = 0; who < shop.state->ledger().customer_count(); ++who) {
      const std::vector<double> f = shop.Features(who);
      CHECK(std::isnan(f[kRisk]));
      CHECK(std::isnan(f[kAlive]));
      CHECK(f[kOrders] > 0);
      CHECK(f[kValue] > 0);
    }
  };
  look();
  shop.Open(shop.begin + 401 * kDay);  // And so it reads back.
  const auto fit = shop.state->processes().in_force()[0];
  REQUIRE(fit != nullptr);
  CHECK(fit->purchases.fit->model.nobody_leaves());
  CHECK(fit->purchases.fit->estimate.determined);
  CHECK(fit->purchases.fit->estimate.at == made->purchases.fit->estimate.at);
  CHECK(shop.Run(401.25).warnings.empty());
  look();
  CHECK(shop.state->processes().Explain(0)[1].find("  no risk: nobody of this base") == 0);
}

TEST_CASE("processes: a base that keeps a rhythm is refused, and the explanation says why") {
  ProcessesShop shop;
  shop.Live(300, 12);
  const CycleReport report = shop.Run(400.25);
  REQUIRE(report.warnings.size() == 2);
  CHECK(report.warnings[0].find("too regular") != std::string::npos);
  CHECK(shop.state->processes().in_force()[0] == nullptr);
  const std::vector<std::string> lines = shop.state->processes().Explain(0);
  REQUIRE(lines.size() >= 2);
  CHECK(lines[0] == "order:");
  CHECK(lines[1].find("  no data: too regular") == 0);
}

TEST_CASE("processes: the figures of one customer are explained line by line") {
  ProcessesShop shop;
  shop.Live(400);
  shop.Run(400.25);
  for (CustomerIndex who = 0; who < shop.state->ledger().customer_count(); ++who) {
    const auto customer = shop.state->processes().CustomerOf(0, 0, who);
    if (!customer || customer->history.repeats < 3) {
      continue;
    }
    const std::vector<std::string> lines = shop.state->processes().Explain(who);
    std::string all;
    for (const std::string& line : lines) {
      all += line + "\n";
    }
    INFO(all);
    CHECK(all.find(fmt::format("  risk {:.0f} of 100", 100 * shop.Features(who)[kRisk])) !=
          std::string::npos);
    CHECK(all.find("EUR expected per order") != std::string::npos);
    CHECK(all.find("in the next 365 days") != std::string::npos);
    return;
  }
  FAIL("nobody bought four times");
}

TEST_CASE("processes: a purchase without an amount is not one of nothing") {
  ProcessesShop whole, holes;
  whole.Live(400);
  whole.Run(400.25);
  holes.Live(400);
  int order = 0;
  for (Fact& fact : holes.facts) {
    if (++order % 3 == 0) {
      std::get<Event>(fact).fields[0] = Value();
    }
  }
  const CycleReport report = holes.Run(400.25);
  CHECK(MeanOf(holes, kSpend) == doctest::Approx(MeanOf(whole, kSpend)).epsilon(0.05));
  REQUIRE(report.warnings.size() == 1);
  CHECK(report.warnings[0].find("order.amount is missing on ") != std::string::npos);
  CHECK(WorthOf(holes).days_without_money > 100);
  CHECK(WorthOf(whole).days_without_money == 0);
}

TEST_CASE("processes: amounts beyond all measure add up to the most there is, and to no debt") {
  ProcessesShop shop;
  constexpr std::int64_t kMost = 9'000'000'000'000'000'000;
  for (int day = 1; day < 5; ++day) {
    shop.Order(0, day, kMost);
    shop.Order(1, day, -kMost);
  }
  shop.Run(10);
  const auto most = shop.state->processes().CustomerOf(0, 0, 0);
  REQUIRE(most.has_value());
  CHECK(most->money_days == 3);
  CHECK(most->mean_spend == doctest::Approx(9.223372036854775807e16 / 3));
  CHECK(shop.state->processes().CustomerOf(0, 0, 1)->mean_spend < 0);
}

TEST_CASE("processes: customers who spend alike have a lifetime value, of the mean of everybody") {
  ProcessesShop price, alike;
  price.Live(400);
  price.Price([](const std::string&) { return Value(std::int64_t{2985}); });
  std::set<std::pair<std::string, std::int64_t>> days;  // Two on one day would be another amount.
  std::erase_if(price.facts, [&](const Fact& fact) {
    const Event& event = std::get<Event>(fact);
    const Zone& zone = price.checked.workspace->schema.timezone;
    return !days.emplace(event.customer, zone.ToLocal(event.time).day()).second;
  });
  CHECK(fmt::format("{}", fmt::join(price.Run(400.25).warnings, "\n")) == "");
  alike.Live(400);
  Dice dice(9);
  alike.Price([&](const std::string&) {
    return Value(static_cast<std::int64_t>(5000 * dice.Gamma(4) / 4) + 1);
  });
  CHECK(fmt::format("{}", fmt::join(alike.Run(400.25).warnings, "\n")) == "");
  price.Open(price.begin + 401 * kDay);
  price.Run(401.25);  // And so it reads back.
  for (CustomerIndex who = 0; who < price.state->ledger().customer_count(); ++who) {
    CHECK(price.Features(who)[kSpend] == doctest::Approx(2985));
    CHECK(price.Features(who)[kValue] > 0);
    CHECK(alike.Features(who)[kSpend] == doctest::Approx(5000).epsilon(0.1));
    CHECK(alike.Features(who)[kValue] > 0);
  }
  const auto fit = price.state->processes().in_force()[0];
  REQUIRE(fit != nullptr);
  CHECK(fit->FindSpending("amount")->model.all_alike());
  CHECK(price.Explained(0).find("customers cannot be told apart by what they spend") !=
        std::string::npos);
}

TEST_CASE("value: who has no worth is said to have none, and why, and is not worth nothing") {
  ProcessesShop shop;
  shop.Live(400);
  // Means so different that of a new customer there is none to expect.
  std::map<std::string, double> mean;
  Dice dice(10);
  for (int who = 0; who < 400; ++who) {
    mean[fmt::format("c{:04}", who)] = 1000 / dice.Gamma(0.5);
  }
  shop.Price([&](const std::string& who) {
    return Value(static_cast<std::int64_t>(std::min(1e9, mean[who] * dice.Gamma(4) / 4)) + 1);
  });
  shop.Run(400.25);
  const ProcessValue value = WorthOf(shop);
  REQUIRE(value.fit->FindSpending("amount") != nullptr);
  REQUIRE(value.fit->FindSpending("amount")->model.q <= 1);
  CHECK(value.value.has_value());
  CHECK(value.without_value > 10);
  CHECK(value.no_value == kNoMeanOfNew);
  REQUIRE(value.models.size() == 1);
  for (const SegmentValue& segment : value.models[0].segments) {
    INFO(segment.segment);
    CHECK(segment.value.has_value() == (segment.segment != "new"));  // All bought on one day.
    CHECK(segment.orders > 0);
    CHECK_FALSE(segment.fell.has_value());  // On the first day nobody has fallen since yesterday.
  }
  CHECK(value.models[0].period_days == 0);
  std::string all;
  for (CustomerIndex who = 0; who < 400; ++who) {
    all += shop.Explained(who);
  }
  CHECK(all.find(std::string("amount: no data: ") + std::string(kNoMeanOfNew)) !=
        std::string::npos);
  shop.Run(410.25);
  CHECK(WorthOf(shop).models[0].period_days == doctest::Approx(10));
}

}  // namespace segue
