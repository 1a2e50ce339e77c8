// Runs and the versions of their playbook; people who start late because somebody asks for it.

#include <memory>

#include <doctest/doctest.h>

#include "pipeline/pipeline.h"
#include "support/temp_dir.h"

namespace segue {
namespace {

constexpr std::string_view kHouseFiles = R"(workspace: shop
timezone: UTC
currency: EUR
traits: {customer: {email: text}}
events: {visit: {}, order: {}}
channels: {task: out}
assignees: {desk: desk@example.com}
---
connector: out
type: file
path: out.jsonl
---
model: pace
every: day at 05:00
segments:
  - {id: fast, when: "count(visit, 9d) >= 1"}
  - {id: slow, when: otherwise}
flags: {seen: {on: ever(visit)}}
)";

constexpr std::string_view kCarePlaybook = R"(---
playbook: care
purpose: success
on: {model: pace, to: fast}
do:
  - task: {title: first, for: desk, due: 1d}
  - wait: 3d
  - {id: later, task: {title: later, for: desk, due: 1d}}
  - {id: last_wait, wait: 30d}
limits: {reenter: always}
)";

std::string Replaced(std::string text, const std::string& what, const std::string& by) {
  REQUIRE(text.find(what) != std::string::npos);
  return text.replace(text.find(what), what.size(), by);
}

struct House {
  TempDir temp;
  Database db = Database::Open(temp / "segue.db");
  Checked checked;
  std::unique_ptr<State> state;
  std::unique_ptr<Cycle> cycle;
  TimePoint now = *ParseTime("2026-03-02T06:00:00Z", Zone());

  explicit House(const std::string& playbooks) { Open(playbooks); }

  // As a run does: with what its runs go on with.
  void Open(const std::string& playbooks) {
    cycle.reset();
    state.reset();
    checked = CheckWorkspace({{"config/segue.yaml", std::string(kHouseFiles) + playbooks}}, false,
                             VersionsInUse(db));
    INFO(FormatDiagnostics(checked.diagnostics, checked.files, false));
    REQUIRE(checked.workspace != nullptr);
    state = std::make_unique<State>(db, *checked.workspace, *checked.templates, now);
    cycle = std::make_unique<Cycle>(*state, nullptr);
  }

  void Visit(const std::string& who) {
    CycleReport report;
    const std::vector<Fact> facts = {
        Event{.kind = 0, .customer = who, .time = now, .fields = {}, .dedupe = "", .version = {}}};
    cycle->Ingest(facts, "test", 72 * kHour, now, report);
    cycle->Decide(now, report);
  }

  void Let(Duration time) {
    now += time;
    CycleReport report;
    cycle->Decide(now, report);
  }

  std::string Tasks() {
    std::string all;
    for (const Delivery& one : state->outbox().List(OutboxFilter())) {
      all = one.customer_key + " " + one.payload.title + "; " + all;
    }
    return all;
  }

  std::string Runs() {
    std::string all;
    for (const RunInfo& run : state->playbooks().Runs({}, "", false)) {
      all += state->ledger().CustomerKey(run.customer) + " " +
             (run.ended ? run.end_reason : "at " + run.step) + "; ";
    }
    return all;
  }
};

// Somebody's run waits.
struct Started : House {
  Started() : House(std::string(kCarePlaybook)) {
    Let(Duration::zero());  // The baseline.
    now += kHour;
    Visit("ann");
    REQUIRE(Tasks() == "ann first; ");
    REQUIRE(Runs() == "ann at 1; ");
  }
};

}  // namespace

TEST_CASE("versions: a run goes on with the version that it began with, others take the new one") {
  Started house;
  house.Open(Replaced(std::string(kCarePlaybook), "title: later", "title: changed"));
  house.Visit("bob");
  CHECK(house.Tasks() == "ann first; bob first; ");
  house.Let(3 * kDay + kHour);
  CHECK(house.Tasks() == "ann first; bob first; ann later; bob changed; ");
  // Also when a third version comes, and after a restart.
  house.Open(Replaced(std::string(kCarePlaybook), "wait: 30d", "wait: 40d"));
  CHECK(house.checked.workspace->earlier.size() == 2);
  house.Let(28 * kDay);
  CHECK(house.Runs() == "ann at last_wait; bob at last_wait; ");
  house.Let(3 * kDay);
  CHECK(house.Runs() == "ann done; bob done; ");
  CHECK(VersionsInUse(house.db).empty());
}

TEST_CASE("versions: goal, exit and waits are those of the version that the run goes by") {
  Started house;
  house.Open(Replaced(std::string(kCarePlaybook), "limits:", "exit: ever(visit)\nlimits:"));
  house.Let(kHour);
  CHECK(house.Runs() == "ann at 1; ");
  house.Open(Replaced(std::string(kCarePlaybook), "wait: 3d", "wait: 90d"));
  house.Let(3 * kDay);
  CHECK(house.Tasks() == "ann first; ann later; ");
}

TEST_CASE(
    "versions: --running move takes runs over at the same step, or ends them where it is gone") {
  Started house;
  const std::string changed =
      Replaced(std::string(kCarePlaybook), "title: later", "title: changed");
  house.Open(changed);
  LeaveWord(house.db, *house.checked.workspace, {.running = "move", .backfill = {}});
  house.Let(3 * kDay + kHour);
  CHECK(house.Tasks() == "ann first; ann changed; ");
  // The step that it waits at now is gone.
  house.Open(Replaced(changed, "  - {id: last_wait, wait: 30d}\n", ""));
  LeaveWord(house.db, *house.checked.workspace, {.running = "move", .backfill = {}});
  house.Let(kHour);
  CHECK(house.Runs() == "ann stopped; ");
}

TEST_CASE("versions: --running stop ends the runs of edited playbooks, and is said once") {
  Started house;
  house.Open(Replaced(std::string(kCarePlaybook), "title: later", "title: changed"));
  LeaveWord(house.db, *house.checked.workspace, {.running = "stop", .backfill = {}});
  house.Let(kHour);
  CHECK(house.Runs() == "ann stopped; ");
  house.Visit("bob");
  house.Open(std::string(kCarePlaybook));
  house.Let(kHour);
  CHECK(house.Runs() == "ann stopped; bob at 1; ");
}

TEST_CASE("versions: a word that was left for other files waits for them") {
  Started house;
  const std::string changed =
      Replaced(std::string(kCarePlaybook), "title: later", "title: changed");
  const Checked other = CheckWorkspace({{"config/segue.yaml", std::string(kHouseFiles) + changed}});
  LeaveWord(house.db, *other.workspace, {.running = "stop", .backfill = {}});
  house.Let(kHour);
  CHECK(house.Runs() == "ann at 1; ");
  house.Open(changed);
  house.Let(kHour);
  CHECK(house.Runs() == "ann stopped; ");
}

TEST_CASE("versions: one that no longer fits the files gives way to that of the files") {
  House house{Replaced(std::string(kCarePlaybook), "wait: 3d", "wait: 3d\n    until: did(order)")};
  house.Let(Duration::zero());
  house.now += kHour;
  house.Visit("ann");
  // The event that it waits for is gone from the tracking plan.
  house.cycle.reset();
  house.state.reset();
  const std::string shop = Replaced(std::string(kHouseFiles), ", order: {}", "");
  house.checked = CheckWorkspace({{"config/segue.yaml", shop + std::string(kCarePlaybook)}}, false,
                                 VersionsInUse(house.db));
  REQUIRE(house.checked.workspace != nullptr);
  CHECK(house.checked.workspace->earlier.empty());
  house.state = std::make_unique<State>(house.db, *house.checked.workspace,
                                        *house.checked.templates, house.now);
  house.cycle = std::make_unique<Cycle>(*house.state, nullptr);
  house.Let(3 * kDay + kHour);
  CHECK(house.Tasks() == "ann first; ann later; ");
}

TEST_CASE("backfill: whoever is in the segment already enters a new playbook only when asked") {
  House house{""};
  house.Let(Duration::zero());
  house.now += kHour;
  house.Visit("ann");
  house.Visit("bob");
  house.Open(std::string(kCarePlaybook));
  house.Let(kHour);
  CHECK(house.Runs().empty());
  LeaveWord(house.db, *house.checked.workspace, {.running = "", .backfill = {"care"}});
  house.Let(kHour);
  CHECK(house.Runs() == "ann at 1; bob at 1; ");
  house.Let(kHour);
  CHECK(house.Tasks() == "ann first; bob first; ");
}

TEST_CASE("backfill: a dwell counts from when they came, and survives a restart") {
  const std::string late = Replaced(std::string(kCarePlaybook), "to: fast", "to: fast, for: 2d");
  House house{""};
  house.Let(Duration::zero());
  house.now += kHour;
  house.Visit("ann");
  house.now += kDay;
  house.Open(late);
  LeaveWord(house.db, *house.checked.workspace, {.running = "", .backfill = {"care"}});
  house.Let(kHour);
  CHECK(house.Runs().empty());
  house.Open(late);
  house.Let(22 * kHour);
  CHECK(house.Runs().empty());
  house.Let(2 * kHour);
  CHECK(house.Runs() == "ann at 1; ");
}

TEST_CASE("backfill: flags and `every … while` start those who have it now") {
  for (const std::string on : {"{flag: pace.seen}", "{every: 90d, while: ever(visit)}"}) {
    const std::string playbook =
        Replaced(std::string(kCarePlaybook), "{model: pace, to: fast}", on);
    House house{""};
    house.Let(Duration::zero());
    house.now += kHour;
    house.Visit("ann");
    house.now += kDay;
    house.Open(playbook);
    LeaveWord(house.db, *house.checked.workspace, {.running = "", .backfill = {"care"}});
    house.Let(kHour);
    CHECK(house.Runs() == "ann at 1; ");
    house.Let(2 * kDay);
    CHECK(house.Runs() == "ann at 1; ");
  }
}

}  // namespace segue
