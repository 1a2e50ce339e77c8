// What a state keeps between two starts, after the files or the program have become other ones.

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "pipeline/pipeline.h"
#include "support/dice.h"
#include "support/temp_dir.h"

namespace segue {
namespace {

constexpr std::string_view kKeptPlain = "  order_refunded: {order_id: text, amount: money}\n";
constexpr std::string_view kKeptReverses =
    "  order_refunded: {order_id: text, amount: money, reverses: order, by: order_id}\n";

std::string KeptConfig(std::string_view refunds, std::string_view net = "money") {
  return fmt::format(
      "workspace: shop\ncurrency: EUR\ntimezone: UTC\ntraits: {{customer: {{level: number}}}}\n"
      "events:\n  order: {{order_id: text, amount: money, net: {}}}\n{}",
      net, refunds);
}

std::string KeptModel(std::string_view name, std::string_view value) {
  return fmt::format(
      "model: {}\nevery: day at 05:00\nrefit: never\nfeatures:\n  v: {}\nsegments:\n"
      "  - {{id: known, when: exists(v)}}\n  - {{id: unknown, when: otherwise}}\n",
      name, value);
}

// A state that is opened again and again, each time with other files.
struct KeptShop {
  using Files = std::vector<std::pair<std::string, std::string>>;

  TempDir temp;
  Database db = Database::Open(temp / "segue.db");
  Checked checked;
  std::unique_ptr<State> state;
  std::unique_ptr<Cycle> cycle;
  TimePoint begin = *ParseTime("2024-01-01T00:00:00Z", Zone());
  int day = 400;

  KeptShop() { db.Execute("PRAGMA synchronous=OFF"); }

  void Open(const Files& files) {
    cycle.reset();
    state.reset();
    std::vector<SourceFile> all;
    for (const auto& [path, text] : files) {
      all.push_back({path, text});
    }
    checked = CheckWorkspace(std::move(all));
    INFO(FormatDiagnostics(checked.diagnostics, checked.files, false));
    REQUIRE(checked.workspace != nullptr);
    state = std::make_unique<State>(db, *checked.workspace, *checked.templates,
                                    begin + day * kDay + 6 * kHour);
    cycle = std::make_unique<Cycle>(*state, nullptr);
  }

  void Run(const std::vector<Fact>& facts = {}) {
    const TimePoint now = begin + ++day * kDay + 6 * kHour;
    CycleReport report;
    if (!facts.empty()) {
      cycle->Ingest(facts, "test", kDay * 10000, now, report);
    }
    cycle->Decide(now, report);
    state->Snapshot();
  }

  // Every feature of a model, to the bit.
  std::string Features(std::string_view model) {
    const TimePoint now = begin + day * kDay + 6 * kHour;
    std::string text;
    const int index = *checked.workspace->FindModel(model);
    const Model& found = checked.workspace->models[static_cast<std::size_t>(index)];
    state->processes();
    const auto people = state->PopulationOf(index, now);
    for (CustomerIndex who = 0; who < state->ledger().customer_count(); ++who) {
      text += fmt::format("{} ", ExecuteOne(found.features[0].value.expr, people->inputs(),
                                            {now, found.timezone}, who));
    }
    return text;
  }

  void Forget(std::string_view table) { db.Execute("DELETE FROM " + std::string(table)); }
};

std::vector<Fact> KeptOrders() {
  Dice dice(5);
  std::vector<Fact> facts;
  const TimePoint begin = *ParseTime("2024-01-01T00:00:00Z", Zone());
  for (int who = 0; who < 300; ++who) {
    const double gap = 25 / dice.Gamma(1.5), leave = dice.Beta(0.8, 4);
    // Each by their own measure: else all have one mean, and their own sums say nothing.
    const double mean = 2000 + 3000 * dice.Gamma(2);
    double at = dice.Between(0, 250);
    for (int order = 0; at < 400 && (order < 2 || !dice.Chance(leave)); ++order) {
      const std::string id = fmt::format("{}/{}", who, order);
      const TimePoint time = begin + std::chrono::duration_cast<Duration>(at * kDay);
      const auto amount = static_cast<std::int64_t>(mean * dice.Gamma(4) / 4) + 1;
      facts.emplace_back(Event{.kind = 0,
                               .customer = fmt::format("c{:04}", who),
                               .time = time,
                               .fields = {id, amount, amount / 2},
                               .dedupe = id,
                               .version = {}});
      if (dice.Chance(0.3)) {
        facts.emplace_back(Event{.kind = 1,
                                 .customer = fmt::format("c{:04}", who),
                                 .time = time + kDay,
                                 .fields = {id, amount},
                                 .dedupe = "r" + id,
                                 .version = {}});
      }
      at += dice.Exponential(gap);
    }
  }
  return facts;
}

}  // namespace

TEST_CASE("kept: the sums of two money fields keep their names when files change their order") {
  const std::string amount = KeptModel("by_amount", "lifetime_value(order.amount, 365d)");
  const std::string net = KeptModel("by_net", "lifetime_value(order.net, 365d)");
  const std::string config = KeptConfig(kKeptPlain);
  KeptShop shop;
  shop.Open({{"config/segue.yaml", config}, {"rules/m.yaml", amount}, {"rules/n.yaml", net}});
  shop.Run(KeptOrders());
  const std::string by_amount = shop.Features("by_amount"), by_net = shop.Features("by_net");
  REQUIRE(by_amount != by_net);
  shop.Open({{"config/segue.yaml", config}, {"rules/a.yaml", net}, {"rules/m.yaml", amount}});
  CHECK(shop.Features("by_amount") == by_amount);
  CHECK(shop.Features("by_net") == by_net);
}

TEST_CASE("kept: a feature that is edited to another money field does not go by the old one") {
  const std::string config = KeptConfig(kKeptPlain);
  KeptShop shop;
  shop.Open({{"config/segue.yaml", config},
             {"rules/m.yaml", KeptModel("m", "lifetime_value(order.amount, 365d)")}});
  shop.Run(KeptOrders());
  shop.Open({{"config/segue.yaml", config},
             {"rules/m.yaml", KeptModel("m", "lifetime_value(order.net, 365d)")}});
  shop.Run();
  const std::string followed = shop.Features("m");
  shop.Forget("purchase_sums");
  shop.Open({{"config/segue.yaml", config},
             {"rules/m.yaml", KeptModel("m", "lifetime_value(order.net, 365d)")}});
  CHECK(shop.Features("m") == followed);
}

TEST_CASE("kept: a relation that comes or goes is followed by what was summed up of purchases") {
  const std::string model = KeptModel("m", "lifetime_value(order.amount, 365d)");
  KeptShop shop;
  shop.Open({{"config/segue.yaml", KeptConfig(kKeptPlain)}, {"rules/m.yaml", model}});
  shop.Run(KeptOrders());
  const std::string whole = shop.Features("m");
  shop.Open({{"config/segue.yaml", KeptConfig(kKeptReverses)}, {"rules/m.yaml", model}});
  const std::string reduced = shop.Features("m");
  CHECK(reduced != whole);
  shop.Run();
  shop.Open({{"config/segue.yaml", KeptConfig(kKeptPlain)}, {"rules/m.yaml", model}});
  const std::string followed = shop.Features("m");
  shop.Forget("purchase_sums");
  shop.Open({{"config/segue.yaml", KeptConfig(kKeptPlain)}, {"rules/m.yaml", model}});
  CHECK(shop.Features("m") == followed);
}

TEST_CASE(
    "kept: a field that becomes one of another type takes its old sums along into no column") {
  const std::string model = KeptModel("m", "count(order where exists(net), 900d)");
  KeptShop shop;
  shop.Open({{"config/segue.yaml", KeptConfig(kKeptPlain)}, {"rules/m.yaml", model}});
  shop.Run(KeptOrders());
  shop.Open({{"config/segue.yaml", KeptConfig(kKeptPlain, "number")}, {"rules/m.yaml", model}});
  const std::string followed = shop.Features("m");
  shop.Forget("column_part");
  shop.Forget("column_snapshot");
  shop.Open({{"config/segue.yaml", KeptConfig(kKeptPlain, "number")}, {"rules/m.yaml", model}});
  CHECK(shop.Features("m") == followed);
}

TEST_CASE("kept: traits that a program of before wrote without a word are read from their rows") {
  const std::string config = KeptConfig(kKeptPlain);
  const std::string model = KeptModel("m", "customer.level");
  KeptShop shop;
  shop.Open({{"config/segue.yaml", config}, {"rules/m.yaml", model}});
  const auto level = [&](std::int64_t value) {
    return std::vector<Fact>{TraitChange{.customer = "c1",
                                         .trait = 0,
                                         .value = value * 1'000'000,
                                         .time = shop.begin + shop.day * kDay}};
  };
  shop.Run(level(1));
  REQUIRE(shop.Features("m") == "1 ");
  // It knows neither whose rows changed nor up to which fact that is told.
  const std::optional<std::string> told = shop.db.GetSetting("ledger.traits_followed");
  REQUIRE(told);
  shop.db.Execute("CREATE TABLE as_it_was AS SELECT * FROM trait_column");
  shop.Run(level(2));
  shop.Forget("trait_changed");
  shop.Forget("trait_column");
  shop.db.Execute("INSERT INTO trait_column SELECT * FROM as_it_was");
  shop.db.SetSetting("ledger.traits_followed", *told);
  shop.Open({{"config/segue.yaml", config}, {"rules/m.yaml", model}});
  CHECK(shop.Features("m") == "2 ");
}

}  // namespace segue
