// The promise of `plan`: what it names is what the run at that moment does, on every day of a year
// of real orders.

#include <filesystem>
#include <string>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "pipeline/feed.h"
#include "pipeline/foresee.h"
#include "support/golden.h"
#include "support/temp_dir.h"
#include "support/thorough.h"

namespace segue {
namespace {

// Everything that a plan says about people, as one text.
std::string Told(const Foreseen& plan, const Workspace& workspace) {
  std::string text;
  for (const ForeseenModel& model : plan.models) {
    text += fmt::format("{} {} {}", workspace.models[static_cast<std::size_t>(model.model)].id,
                        model.baseline, model.moved);
    for (const auto& [cause, count] : model.by_cause) {
      text += fmt::format(" {} {}", cause, count);
    }
    text += "\n";
  }
  for (const ForeseenPlaybook& one : plan.playbooks) {
    text += fmt::format("{} {}\n", workspace.playbooks[static_cast<std::size_t>(one.playbook)].id,
                        one.started);
    for (const auto& [reason, count] : one.refused) {
      text += fmt::format("  refused {} {}\n", reason, count);
    }
    for (const ForeseenStep& step : one.steps) {
      text += fmt::format("  {} {} {} {} {}\n", step.customer_key, step.what, step.reason,
                          FormatTime(step.due), step.detail);
    }
  }
  return text;
}

}  // namespace

TEST_CASE(
    "plan --at T and then the run at T name exactly the same people, on all days of the year" *
    doctest::test_suite("thorough")) {
  const std::string root = SEGUE_SOURCE_DIR;
  Diagnostics found;
  Checked checked = CheckWorkspace(ReadWorkspaceFiles(root + "/tests/workspaces/year", found));
  REQUIRE(checked.workspace != nullptr);
  const Workspace& workspace = *checked.workspace;
  const TempDir temp;
  std::filesystem::create_directories(temp / "inbox");
  for (const char* file : {"orders.csv.gz", "refunds.csv.gz", "customers.csv.gz"}) {
    std::filesystem::copy_file(root + "/scripts/data/online_retail/" + file,
                               temp / (std::string("inbox/") + file));
  }
  Database db = Database::Open(temp / "segue.db");
  db.Execute("PRAGMA synchronous=OFF");
  State state(db, workspace, *checked.templates, FromMicros(0), {});
  const std::unique_ptr<FileReader> files = MakeDiskReader(temp.path());
  CycleReport report;
  Result<Feed> feed = Feed::Read(workspace, *files, {}, report);
  REQUIRE(feed.has_value());
  Cycle cycle(state, nullptr);
  int days = 0;
  std::int64_t people = 0;
  const Zone& zone = workspace.schema.timezone;
  TimePoint now = zone.ToUtc({zone.ToLocal(*feed->first()).day() * kDay.count()}) + 6 * kHour;
  for (; now < *feed->last() + kDay && days < Rounds(60, 400); now += kDay, ++days) {
    feed->GiveUntil(now, cycle, report);
    state.Snapshot();
    state.ledger().Seal();
    const Foreseen plan = Foresee(db, workspace, *checked.templates, now, {});
    CycleReport done;
    const std::int64_t before = LastDecision(db);
    cycle.Decide(now, done);
    const Foreseen run = Summarise(state, done, now, before);
    REQUIRE(Told(plan, workspace) == Told(run, workspace));
    people += plan.people;
  }
  MESSAGE("compared " << days << " days, " << people << " people named");
  CHECK(days >= Rounds(60, 373));
  CHECK(people > Rounds(100, 1000));
}

}  // namespace segue
