// Why somebody moves in a model that reads another one, and what starts by it: what an edit, lines
// that were learned again and late facts bring about starts nothing, wherever it comes out.

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "pipeline/pipeline.h"
#include "support/temp_dir.h"

namespace segue {
namespace {

constexpr std::string_view kCausesConfig = R"(workspace: shop
currency: EUR
timezone: UTC
events:
  order: {order_id: text, amount: money}
  order_refunded: {order_id: text, amount: money}
assignees: {desk: d@x.example}
channels: {task: tasks}
---
connector: tasks
type: file
path: out/tasks.jsonl
)";

constexpr std::string_view kCausesReads = R"(model: b
every: day at 05:00
features:
  n: count(order, 365d)
segments:
  - {id: good, when: a is 'high' and n >= 1}
  - {id: poor, when: otherwise}
flags:
  fine: {on: a is 'high' and n >= 1}
)";

constexpr std::string_view kCausesFifths = R"(model: a
every: day at 05:00
refit: monthly
features:
  s: sum(order.amount, 365d)
scores:
  m: {from: s, best: high, fifths: yes}
segments:
  - {id: low,  when: m <= 3}
  - {id: high, when: otherwise}
flags:
  top: {on: m >= 4}
)";

// `line` in euros.
std::string CausesLine(int line, int hour = 5) {
  return fmt::format(
      "model: a\nevery: day at 0{}:00\nfeatures:\n  s: sum(order.amount, 365d)\nsegments:\n"
      "  - {{id: low, when: s < {} EUR}}\n  - {{id: high, when: otherwise}}\n"
      "flags:\n  rich: {{on: s >= {} EUR}}\n",
      hour, line, line);
}

std::string CausesPlaybook(std::string_view on) {
  return fmt::format(
      "playbook: p\npurpose: service\non: {{{}}}\ndo:\n"
      "  - task: {{title: look, for: desk, due: 1d}}\nlimits: {{reenter: always}}\n",
      on);
}

struct CausesShop {
  TempDir temp;
  Database db = Database::Open(temp / "segue.db");
  Checked checked;
  std::unique_ptr<State> state;
  std::unique_ptr<Cycle> cycle;
  TimePoint begin = *ParseTime("2026-01-01T00:00:00Z", Zone());
  TimePoint now;
  std::string config = std::string(kCausesConfig);
  std::int64_t started = 0;
  int orders = 0;

  CausesShop() { db.Execute("PRAGMA synchronous=OFF"); }

  void Open(const std::vector<std::string>& documents) {
    cycle.reset();
    state.reset();
    std::vector<SourceFile> files = {{"config/segue.yaml", config}};
    for (const std::string& document : documents) {
      files.push_back({fmt::format("rules/{}.yaml", files.size()), document});
    }
    checked = CheckWorkspace(std::move(files));
    INFO(FormatDiagnostics(checked.diagnostics, checked.files, false));
    REQUIRE(checked.workspace != nullptr);
    state = std::make_unique<State>(db, *checked.workspace, *checked.templates, begin);
    cycle = std::make_unique<Cycle>(*state, nullptr);
  }

  Fact Order(int who, double day, int euros) {
    const std::string id = fmt::format("o{}", ++orders);
    return Event{.kind = 0,
                 .customer = fmt::format("c{:03}", who),
                 .time = begin + std::chrono::duration_cast<Duration>(day * kDay),
                 .fields = {id, std::int64_t{euros} * 100},
                 .dedupe = id,
                 .version = {}};
  }

  // How many moved in a model, by their cause: "edit 3, time 1".
  std::string Run(double day, std::string_view model, const std::vector<Fact>& facts = {}) {
    now = begin + std::chrono::duration_cast<Duration>(day * kDay);
    CycleReport report;
    if (!facts.empty()) {
      cycle->Ingest(facts, "test", 3 * kDay, now, report);
    }
    cycle->Decide(now, report);
    started += report.playbooks.started;
    std::map<std::string, int> causes;
    for (const Move& move : report.moves) {
      if (checked.workspace->models[static_cast<std::size_t>(move.model)].id == model) {
        ++causes[std::string(CauseName(move.cause))];
      }
    }
    std::string text;
    for (const auto& [cause, count] : causes) {
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", cause, count);
    }
    return text;
  }

  // Each of a hundred has bought for ten euros more than the one before.
  std::vector<Fact> Ladder(double day) {
    std::vector<Fact> facts;
    for (int who = 0; who < 100; ++who) {
      facts.push_back(Order(who, day, 10 + 10 * who));
    }
    return facts;
  }

  // Who comes and buys more than all others: at the next fit the lines rise.
  std::vector<Fact> Rich(double day) {
    std::vector<Fact> facts;
    for (int who = 100; who < 150; ++who) {
      facts.push_back(Order(who, day, 5000));
    }
    return facts;
  }
};

constexpr double kSix = 0.25, kEight = 8.0 / 24;  // O'clock.

}  // namespace

TEST_CASE(
    "causes: who was touched before every model's last slot is forgotten, and those since then "
    "not") {
  CausesShop shop;
  shop.config.insert(shop.config.find("assignees:"), "traits:\n  customer:\n    plan: text\n");
  const auto model = [](const char* name, const char* every) {
    return fmt::format(
        "model: {}\nevery: {}\nsegments:\n  - {{id: gold, when: customer.plan is 'gold'}}\n"
        "  - {{id: other, when: otherwise}}\n",
        name, every);
  };
  const std::vector<std::string> files = {model("a", "day at 05:00"),
                                          model("weekly", "week on mon at 05:00")};
  shop.Open(files);
  const auto plans = [&](double day, const char* plan) {
    std::vector<Fact> facts;
    for (int who = 0; who < 20; ++who) {
      facts.emplace_back(
          TraitChange{.customer = fmt::format("c{:03}", who),
                      .trait = *shop.checked.workspace->schema.FindCustomerTrait("plan"),
                      .value = std::string(plan),
                      .time = shop.begin + std::chrono::duration_cast<Duration>(day * kDay)});
    }
    return facts;
  };
  const auto touches = [&] {
    Statement count = shop.db.Prepare("SELECT count(*) FROM ledger_touch");
    REQUIRE(count.Step());
    return count.Int(0);
  };
  shop.Run(kSix, "a", plans(0, "free"));
  // The first of January 2026 is a Thursday; on Mondays nobody says anything.
  for (int day = 1; day < 30; ++day) {
    CAPTURE(day);
    if (day % 7 == 4) {
      CHECK(shop.Run(day + kSix, "weekly") == "behaviour 20");
    } else {
      CHECK(shop.Run(day + kSix, "a", plans(day, day % 2 == 1 ? "gold" : "silver")) ==
            (day % 7 == 5 ? "" : "behaviour 20"));
    }
    CHECK(touches() <= 20 * 7);
    if (day == 17) {
      shop.Open(files);  // As after a restart.
    }
  }
  CHECK(shop.Run(30 + kSix, "a") == "");
}

TEST_CASE("causes: an edit of a model is one of those that read it, and starts nothing there") {
  CausesShop shop;
  const std::string playbook = CausesPlaybook("model: b, to: poor");
  shop.Open({CausesLine(50), std::string(kCausesReads), playbook});
  shop.Run(kSix, "b", shop.Ladder(0));
  shop.Run(1 + kSix, "b");
  shop.Open({CausesLine(500), std::string(kCausesReads), playbook});
  CHECK(shop.Run(2 + kSix, "b") == "edit 45");
  CHECK(shop.started == 0);
  CHECK(shop.Run(3 + kSix, "b", {shop.Order(3, 2.5, 600)}) == "behaviour 1");
}

TEST_CASE("causes: a reader whose slot comes before that of the edited model moves by it later") {
  CausesShop shop;
  const std::string playbook = CausesPlaybook("model: b, to: poor");
  shop.Open({CausesLine(50, 7), std::string(kCausesReads), playbook});
  shop.Run(kSix, "b", shop.Ladder(0));
  shop.Run(kEight, "b");
  shop.Run(1 + kSix, "b");
  shop.Run(1 + kEight, "b");
  shop.Open({CausesLine(500, 7), std::string(kCausesReads), playbook});
  CHECK(shop.Run(2 + kSix, "b") == "");
  CHECK(shop.Run(2 + kEight, "a") == "edit 45");
  shop.Open({CausesLine(500, 7), std::string(kCausesReads), playbook});
  CHECK(shop.Run(3 + kSix, "b") == "edit 45");
  CHECK(shop.started == 0);
}

TEST_CASE("causes: who moves by another model's new lines moves with cause refit") {
  for (const bool later : {false, true}) {
    CAPTURE(later);
    CausesShop shop;
    const std::string playbook = CausesPlaybook("model: b, to: poor");
    std::string reads(kCausesReads);
    if (later) {
      reads.replace(reads.find("05:00"), 5, "07:00");
    }
    shop.Open({std::string(kCausesFifths), reads, playbook});
    shop.Run(kEight, "b", shop.Ladder(0));
    shop.Run(28 + kEight, "b", shop.Rich(28));
    shop.Run(30 + kEight, "b");
    // The first of February.  One of them would have moved anyway: who was low buys a lot.
    const std::vector<Fact> bought = {shop.Order(0, 31, 100'000)};
    if (later) {
      CHECK(shop.Run(31 + kSix, "a", bought) == "behaviour 1, refit 31");
      shop.Open({std::string(kCausesFifths), reads, playbook});
      CHECK(shop.Run(31 + kEight, "b") == "behaviour 1, refit 31");
    } else {
      CHECK(shop.Run(31 + kEight, "b", bought) == "behaviour 1, refit 31");
    }
    CHECK(shop.started == 0);
    CHECK(shop.Run(32 + kEight, "b") == "");
  }
}

TEST_CASE("causes: an edit of the tracking plan is one of the models that look at it") {
  CausesShop shop;
  const std::string playbook = CausesPlaybook("model: a, to: low");
  shop.Open({CausesLine(50), CausesPlaybook("model: a, to: low")});
  std::vector<Fact> facts = shop.Ladder(0);
  for (int i = 1; i <= 100; ++i) {
    facts.push_back(Event{.kind = 1,
                          .customer = fmt::format("c{:03}", i - 1),
                          .time = shop.begin,
                          .fields = {fmt::format("o{}", i), std::int64_t{1'000'000}},
                          .dedupe = fmt::format("r{}", i),
                          .version = {}});
  }
  shop.Run(kSix, "a", facts);
  shop.Run(1 + kSix, "a");
  const std::string plain = "order_refunded: {order_id: text, amount: money";
  shop.config.replace(shop.config.find(plain), plain.size(),
                      plain + ", reverses: order, by: order_id");
  shop.Open({CausesLine(50), playbook});
  CHECK(shop.Run(2 + kSix, "a") == "edit 96");
  CHECK(shop.started == 0);
}

TEST_CASE("causes: what a program of before stored of a model's version is no edit") {
  CausesShop shop;
  shop.Open({CausesLine(50), std::string(kCausesReads)});
  shop.Run(kSix, "b", shop.Ladder(0));
  shop.db.Execute("UPDATE segment_model SET hash = substr(hash, 1, 16)");
  shop.Open({CausesLine(50), std::string(kCausesReads)});
  CHECK_FALSE(shop.state->segments(0)->edited());
  CHECK_FALSE(shop.state->segments(1)->edited());
  shop.Run(1 + kSix, "b");
  shop.Open({CausesLine(60), std::string(kCausesReads)});
  CHECK(shop.state->segments(0)->edited());
}

TEST_CASE("causes: `every … while` starts nobody whom an edit of the model brings into it") {
  CausesShop shop;
  const std::string playbook = CausesPlaybook("every: 90d, while: a is 'high'");
  shop.Open({CausesLine(500), playbook});
  shop.Run(kSix, "a", shop.Ladder(0));
  shop.Run(1 + kSix, "a");
  REQUIRE(shop.started == 0);
  shop.Open({CausesLine(50), playbook});
  CHECK(shop.Run(2 + kSix, "a") == "edit 45");
  shop.Run(3 + kSix, "a");
  CHECK(shop.started == 0);
  shop.Run(4 + kSix, "a", {shop.Order(0, 3.5, 600)});
  CHECK(shop.started == 1);
  // They are asked again as everybody is who was there at the first look.
  shop.Run(92.5 + kSix, "a");
  CHECK(shop.started == 1 + 96);
}

TEST_CASE(
    "causes: `every … while` starts nobody whom lines that were learned again bring into it") {
  CausesShop shop;
  const std::string playbook = CausesPlaybook("every: 90d, while: a is 'low'");
  shop.Open({std::string(kCausesFifths), playbook});
  shop.Run(kSix, "a", shop.Ladder(0));
  shop.Run(28 + kSix, "a", shop.Rich(28));
  REQUIRE(shop.started == 0);
  CHECK(shop.Run(31 + kSix, "a") == "refit 30");
  shop.Run(32 + kSix, "a");
  CHECK(shop.started == 0);
}

TEST_CASE("causes: a flag that another model's edit or new lines turn starts nobody") {
  const std::string playbook = CausesPlaybook("flag: b.fine");
  CausesShop shop;
  shop.Open({CausesLine(500), std::string(kCausesReads), playbook});
  shop.Run(kSix, "a", shop.Ladder(0));
  shop.Run(1 + kSix, "a");
  shop.Open({CausesLine(50), std::string(kCausesReads), playbook});
  shop.Run(2 + kSix, "a");
  CHECK(shop.started == 0);
  shop.Run(3 + kSix, "a", {shop.Order(0, 2.5, 600)});
  CHECK(shop.started == 1);

  CausesShop learns;
  std::string low(kCausesReads);
  low.replace(low.find("fine: {on: a is 'high'"), 22, "fine: {on: a is 'low'");
  learns.Open({std::string(kCausesFifths), low, playbook});
  learns.Run(kSix, "a", learns.Ladder(0));
  learns.Run(28 + kSix, "a", learns.Rich(28));
  CHECK(learns.Run(31 + kSix, "a") == "refit 30");
  CHECK(learns.started == 0);
}

TEST_CASE("causes: a flag that the model's own new lines turn starts nobody but who earned it") {
  CausesShop shop;
  std::string model(kCausesFifths);
  model.replace(model.find("on: m >= 4"), 10, "on: m <= 3");
  shop.Open({model, CausesPlaybook("flag: a.top")});
  shop.Run(kSix, "a", shop.Ladder(0));
  shop.Run(28 + kSix, "a", shop.Rich(28));
  CHECK(shop.Run(31 + kSix, "a") == "refit 30");
  CHECK(shop.started == 0);
  shop.Open({std::string(kCausesFifths), CausesPlaybook("flag: a.top")});
  shop.Run(32 + kSix, "a");
  shop.Run(33 + kSix, "a", {shop.Order(0, 32.5, 100'000)});
  CHECK(shop.started == 1);
}

TEST_CASE("causes: late facts turn flags and bring people into `while`, and start nobody") {
  for (const std::string_view on :
       {"flag: a.rich", "every: 90d, while: a is 'high'",
        "every: 90d, while: \"count(order, 365d) > 1\"", "every: 90d, while: a.rich"}) {
    CAPTURE(on);
    CausesShop shop;
    shop.Open({CausesLine(5000), CausesPlaybook(on)});
    shop.Run(40 + kSix, "a", shop.Ladder(30));
    shop.Run(41 + kSix, "a");
    REQUIRE(shop.started == 0);
    std::vector<Fact> late;
    for (int who = 0; who < 20; ++who) {
      late.push_back(shop.Order(who, 20, 6000));
    }
    // The model's slot is a later cycle than the one that takes them in.
    CHECK(shop.Run(41.5, "a", late) == "");
    CHECK(shop.Run(42 + kSix, "a") == "import 20");
    shop.Run(43 + kSix, "a");
    CHECK(shop.started == 0);
    shop.Run(43.5, "a", {shop.Order(50, 43.4, 6000)});
    shop.Run(44 + kSix, "a");
    CHECK(shop.started == 1);
  }
}

}  // namespace segue
