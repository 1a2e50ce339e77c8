// Erasing by hand: past a held cycle, and among people who share an address.

#include "pipeline/erasure.h"

#include <stdexcept>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "pipeline/host.h"
#include "support/temp_dir.h"

namespace segue {
namespace {

constexpr std::string_view kErasureFiles = R"(workspace: forget
timezone: UTC
currency: EUR
sender: {from: "Shop <shop@example.com>", postal: "1 Road"}
keys: {customer: customer_id, email: customer.email}
traits:
  customer: {email: text, friend: text}
events:
  order_placed: {order_id: text, amount: money}
channels: {task: desk}
assignees: {shop: shop@example.com}
safety: {max_sends_per_run: 1}
---
connector: desk
type: file
path: outgoing/tasks.jsonl
)";

constexpr std::string_view kErasureRules = R"(model: size
of: customer
every: day at 00:00
who: ever(order_placed)
features: {frequency: count(order_placed)}
segments:
  - {id: many, when: frequency >= 2}
  - {id: one, when: otherwise}
)";

// Whoever buys often is called.
Checked WithTask() {
  Checked checked = CheckWorkspace({{"config/segue.yaml", std::string(kErasureFiles)},
                                    {"rules/size.yaml", std::string(kErasureRules) + R"(---
playbook: again
purpose: service
on: {model: size, to: [many]}
do:
  - task: {title: "Call", for: shop, due: 2d}
limits: {reenter: never}
)"}});
  INFO(FormatDiagnostics(checked.diagnostics, checked.files, false));
  CHECK(checked.workspace != nullptr);
  return checked;
}

TEST_CASE("an erasure proves itself although a cycle was cut off and others share the address") {
  const Checked checked = CheckWorkspace({{"config/segue.yaml", std::string(kErasureFiles)},
                                          {"rules/size.yaml", std::string(kErasureRules)}});
  INFO(FormatDiagnostics(checked.diagnostics, checked.files, false));
  REQUIRE(checked.workspace != nullptr);
  const TempDir dir;
  Database db = Database::Open(dir / "segue.db");
  const TimePoint now = *ParseTime("2026-03-02", Zone());
  State state(db, *checked.workspace, *checked.templates, now);
  Cycle cycle(state, nullptr);
  CycleReport report;
  std::vector<Fact> facts;
  for (const std::string key : {"ann", "ben"}) {
    facts.emplace_back(TraitChange{key, 0, Value(std::string("home@example.com")), now, false});
    facts.emplace_back(
        Event{0, key, now, {Value("o" + key), Value(std::int64_t{100})}, "o" + key, {}});
  }
  facts.emplace_back(TraitChange{"ben", 1, Value(std::string("ann")), now, false});
  cycle.Ingest(facts, "test", kDay, now, report);
  cycle.Decide(now, report);
  // A cycle that waits for a person.
  db.Execute("UPDATE cycle SET finished = 0");
  const ErasureProof proof =
      EraseCustomer(state, *state.ledger().FindCustomer("ann"), "asked", now);
  CHECK(proof.before.events == 1);
  CHECK(proof.after.events == 0);
  CHECK(proof.address == "home@example.com");
  CHECK(proof.key_cells == 0);
  CHECK(proof.address_cells == 0);
  CHECK_FALSE(state.ledger().FindCustomer("ann").has_value());
  CHECK(state.segments(0)->CountBySegment() == std::vector<std::int64_t>{0, 1});
  Statement held = db.Prepare("SELECT count(*) FROM cycle WHERE finished = 0");
  REQUIRE(held.Step());
  CHECK(held.Int(0) == 1);
}

TEST_CASE("an erasure proves itself for the keys of all who became one with the customer") {
  const Checked checked = CheckWorkspace({{"config/segue.yaml", std::string(kErasureFiles)}});
  REQUIRE(checked.workspace != nullptr);
  const TempDir dir;
  Database db = Database::Open(dir / "segue.db");
  const TimePoint now = *ParseTime("2026-03-02", Zone());
  State state(db, *checked.workspace, *checked.templates, now);
  Cycle cycle(state, nullptr);
  CycleReport report;
  const std::vector<Fact> facts = {
      TraitChange{"ann", 1, Value(std::string("cy")), now, false},
      TraitChange{"ben", 0, Value(std::string("home@example.com")), now, false},
      Merge{"ann", "ben", now}};
  cycle.Ingest(facts, "test", kDay, now, report);
  const CustomerIndex ann = *state.ledger().FindCustomer("ann");
  std::string note = "asked";
  std::int64_t left = 0;
  SUBCASE("which are gone") {}
  SUBCASE("of which the note that is kept names one") {
    note = "ben";
    left = 1;
  }
  const ErasureProof proof = EraseCustomer(state, ann, note, now);
  CHECK(proof.keys == std::vector<std::string>{"ann", "ben"});
  CHECK(proof.key_cells == left);
  CHECK(proof.address_cells == 0);
}

TEST_CASE("an erasure that a crash cut off leaves no proof of what was not done") {
  const Checked checked = CheckWorkspace({{"config/segue.yaml", std::string(kErasureFiles)}});
  REQUIRE(checked.workspace != nullptr);
  const TimePoint now = *ParseTime("2026-03-02", Zone());
  for (int crash = 1; crash <= 8; ++crash) {
    CAPTURE(crash);
    const TempDir dir;
    {
      Database db = Database::Open(dir / "segue.db");
      State state(db, *checked.workspace, *checked.templates, now);
      CycleReport report;
      const std::vector<Fact> facts = {
          TraitChange{"ann", 0, Value(std::string("home@example.com")), now, false}};
      Cycle(state, nullptr).Ingest(facts, "test", kDay, now, report);
      int commits = 0;
      db.OnCommit([&](bool after) {
        if (++commits == crash) {
          throw std::runtime_error(after ? "crash after" : "crash before");
        }
      });
      try {
        EraseCustomer(state, *state.ledger().FindCustomer("ann"), "asked", now);
      } catch (const std::runtime_error&) {
      }
    }
    Database db = Database::Open(dir / "segue.db");
    State state(db, *checked.workspace, *checked.templates, now);
    Statement made = db.Prepare("SELECT 1 FROM sqlite_master WHERE name = 'erasure'");
    std::int64_t proofs = 0;
    if (made.Step()) {
      Statement count = db.Prepare("SELECT count(*) FROM erasure");
      REQUIRE(count.Step());
      proofs = count.Int(0);
    }
    CHECK((proofs == 1) == !state.ledger().FindCustomer("ann").has_value());
  }
}

TEST_CASE("a suppressed customer is wholly erased, and who has the address next stays suppressed") {
  const Checked checked = CheckWorkspace({{"config/segue.yaml", std::string(kErasureFiles)}});
  REQUIRE(checked.workspace != nullptr);
  const TempDir dir;
  Database db = Database::Open(dir / "segue.db");
  const TimePoint now = *ParseTime("2026-03-02", Zone());
  State state(db, *checked.workspace, *checked.templates, now);
  Cycle cycle(state, nullptr);
  CycleReport report;
  const auto meet = [&](const std::string& key) {
    const std::vector<Fact> facts = {
        TraitChange{key, 0, Value(std::string("home@example.com")), now, false}};
    cycle.Ingest(facts, "test", kDay, now, report);
    return *state.ledger().FindCustomer(key);
  };
  const CustomerIndex ann = meet("ann");
  state.Suppress("ann", "unsubscribed", now);
  state.Suppress("home@example.com", "bounce", now);
  const ErasureProof proof = EraseCustomer(state, ann, "asked", now);
  CHECK(proof.key_cells == 0);
  CHECK(proof.address_cells == 0);
  Host host(state);
  CHECK(host.Suppressed(meet("ben"), "Home@example.com") == "bounce");
  CHECK(host.Suppressed(meet("ben"), "other@example.com").empty());
  Statement rows = db.Prepare("SELECT count(*) FROM suppression");
  REQUIRE(rows.Step());
  CHECK(rows.Int(0) == 1);
}

TEST_CASE(
    "a list that an erased customer is still in keeps what the other list was told no longer") {
  const Checked checked = WithTask();
  REQUIRE(checked.workspace != nullptr);
  const TempDir dir;
  Database db = Database::Open(dir / "segue.db");
  const TimePoint now = *ParseTime("2026-03-02", Zone());
  State state(db, *checked.workspace, *checked.templates, now);
  Host host(state);
  for (const std::string tool : {"one", "two"}) {
    Delivery removal;
    removal.kind = DeliveryKind::kAudience;
    removal.key = removal.connector = tool;
    removal.customer_key = "ann";
    removal.payload.values["action"] = "remove";
    removal.created = removal.not_before = now;
    removal.stale_after = now + kDay;
    REQUIRE(state.outbox().Enqueue(removal));
  }
  state.outbox().Erase(0, now);
  const auto told = [&](const std::string& tool) {
    const std::vector<Delivery> one = state.outbox().Claim(tool, now, kHour, 1);
    REQUIRE(one.size() == 1);
    state.outbox().Record(one[0], {Outcome::Kind::kAccepted, "", Duration::zero(), ""}, Retry{},
                          Dedupe::kKey, now);
  };
  const auto named = [&] {
    OutboxFilter filter;
    filter.customer_key = "ann";
    return state.outbox().List(filter).size();
  };
  CHECK_FALSE(host.ForgetDeliveries(0, now));
  CHECK(named() == 2);
  told("one");
  CHECK_FALSE(host.ForgetDeliveries(0, now));
  CHECK(named() == 1);
  told("two");
  CHECK(host.ForgetDeliveries(0, now));
  CHECK(named() == 0);
}

TEST_CASE("who became one with somebody just before their erasure is erased with them") {
  // The simulator found it (seeds 88000239, 88001829, 88002126, 88001623).
  const Checked checked = WithTask();
  REQUIRE(checked.workspace != nullptr);
  const TempDir dir;
  Database db = Database::Open(dir / "segue.db");
  TimePoint now = *ParseTime("2026-03-02", Zone());
  State state(db, *checked.workspace, *checked.templates, now);
  Cycle cycle(state, nullptr);
  CycleReport report;
  const auto take_in = [&](const std::vector<Fact>& facts) {
    cycle.Ingest(facts, "test", kDay, now, report);
  };
  const auto order = [&](const std::string& key, const std::string& id) {
    return Event{0, key, now, {Value(id), Value(std::int64_t{100})}, id, {}};
  };
  take_in({order("ann", "a1"), order("ben", "b1"), order("cy", "c1")});
  cycle.Decide(now, report);
  now += kDay;
  take_in({order("ben", "b2"), order("cy", "c2")});
  cycle.Decide(now, report);
  REQUIRE(state.playbooks().Runs(std::nullopt, "", false).size() == 2);
  const auto count = [&](const char* sql) {
    Statement ask = db.Prepare(sql);
    return ask.Step() ? ask.Int(0) : -1;
  };
  bool seen = false;
  SUBCASE("before any cycle saw the merge") {}
  SUBCASE("after one did") {
    seen = true;
  }
  take_in({Merge{"ann", "ben", now}});
  if (seen) {
    now += kHour;
    cycle.Decide(now, report);
  }
  take_in({Erase{"ann", now}});
  now += kHour;
  cycle.Decide(now, report);
  CHECK(count("SELECT count(*) FROM decision WHERE customer <> 2") == 0);
  CHECK(count("SELECT count(*) FROM outbox WHERE customer_key = 'ben'") == 0);
  CHECK(count("SELECT count(*) FROM move WHERE customer <> 2 AND why <> ''") == 0);
  // Nobody else is touched.
  CHECK(count("SELECT count(*) FROM decision WHERE customer = 2") > 0);
  CHECK(count("SELECT count(*) FROM outbox WHERE customer_key = 'cy'") == 1);
  CHECK(count("SELECT count(*) FROM move WHERE customer = 2 AND why <> ''") == 1);
}

TEST_CASE("what a cycle that was cut off did is counted with the one that follows it") {
  const Checked checked = WithTask();
  REQUIRE(checked.workspace != nullptr);
  const TempDir dir;
  Database db = Database::Open(dir / "segue.db");
  const TimePoint now = *ParseTime("2026-03-02", Zone());
  State state(db, *checked.workspace, *checked.templates, now);
  Cycle cycle(state, nullptr);
  CycleReport report;
  const auto order = [&](const std::string& id, TimePoint at) {
    const std::vector<Fact> facts = {
        Event{0, "ann", at, {Value(id), Value(std::int64_t{100})}, id, {}}};
    cycle.Ingest(facts, "test", kDay, at, report);
  };
  order("o1", now);
  cycle.Decide(now, report);
  order("o2", now + kDay);
  // The cycle of the next day begins, and is cut off.
  db.Execute("UPDATE cycle SET finished = 0, now = " + std::to_string(ToMicros(now + kDay)));
  CycleReport after;
  cycle.Decide(now + 2 * kDay, after);
  CHECK(after.moves.size() == 1);
  CHECK(after.playbooks.started == 1);
  CHECK(after.playbooks.promised == 1);
}

}  // namespace
}  // namespace segue
