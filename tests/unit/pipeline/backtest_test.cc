// The promise of `backtest`: its sends are those of a real day-by-day run over the same days.

#include "pipeline/backtest.h"

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "support/golden.h"
#include "support/temp_dir.h"
#include "support/thorough.h"

namespace segue {
namespace {

std::string Told(const std::vector<BacktestSend>& sends) {
  std::string text;
  for (const BacktestSend& one : sends) {
    text += fmt::format("{} {} {} {} {} {} {}\n", FormatTime(one.at), one.playbook, one.step,
                        one.kind, one.what, one.customer_key, one.to);
  }
  return text;
}

struct Year {
  Year() {
    Diagnostics found;
    checked = CheckWorkspace(ReadWorkspaceFiles(SEGUE_SOURCE_DIR, found));
    REQUIRE(checked.workspace != nullptr);
    std::filesystem::create_directories(temp / "inbox");
    for (const char* file : {"orders.csv.gz", "refunds.csv.gz", "customers.csv.gz"}) {
      std::filesystem::copy_file(
          std::string(SEGUE_SOURCE_DIR) + "/scripts/data/online_retail/" + file,
          temp / (std::string("inbox/") + file));
    }
    reader = MakeDiskReader(temp.path());
  }

  Feed Read() {
    CycleReport report;
    Result<Feed> feed = Feed::Read(*checked.workspace, *reader, {}, report);
    REQUIRE(feed.has_value());
    return std::move(*feed);
  }

  Checked checked;
  TempDir temp;
  std::unique_ptr<FileReader> reader;
};

// What a person with a timer does: a cycle a day, on a state on disk that is opened anew every
// month.
std::string RealRun(Year& year, TimePoint from, TimePoint to) {
  const Workspace& workspace = *year.checked.workspace;
  Database db = Database::Open(year.temp / "segue.db");
  db.Execute("PRAGMA synchronous=OFF");
  Feed feed = year.Read();
  for (TimePoint now = from; now <= to;) {
    State state(db, workspace, *year.checked.templates, now, {});
    Cycle cycle(state, nullptr);
    Dispatcher dispatcher(state,
                          [](const ConnectorSettings&) { return Result<Secrets>(Secrets{}); });
    for (int day = 0; day < 30 && now <= to; ++day, now += kDay) {
      CycleReport report;
      feed.GiveUntil(now, cycle, report);
      cycle.Decide(now, report);
      for (std::vector<Call> calls; !(calls = dispatcher.Start(now)).empty();) {
        for (const Call& call : calls) {
          REQUIRE(dispatcher.Finish(call.id, Reply{Reply::Kind::kAnswered, 200, {}, {}, {}}, now)
                      .empty());
        }
      }
    }
    state.Snapshot();
  }
  State state(db, workspace, *year.checked.templates, to, {});
  return Told(SendsOf(state, {}));
}

}  // namespace

TEST_CASE(
    "backtest: its sends are those of a real day-by-day run over a season of the shipped year") {
  Year year;
  const Zone& zone = year.checked.workspace->schema.timezone;
  const Feed feed = year.Read();
  const TimePoint from = zone.ToUtc({zone.ToLocal(*feed.first()).day() * kDay.count()}) + 6 * kHour;
  BacktestOptions options;
  options.from = from;
  const int days = Rounds(20, 376);
  options.to = from + days * kDay;
  options.every = kDay;
  const Result<Backtest> backtest =
      RunBacktest(*year.checked.workspace, *year.checked.templates, year.Read(), options, {}, {});
  REQUIRE(backtest.has_value());
  MESSAGE(backtest->sends.size() << " sends in " << backtest->cycles << " cycles");
  CHECK(backtest->cycles == days + 1);
  CHECK(backtest->sends.size() > 50);
  CHECK(Told(backtest->sends) == RealRun(year, from, *options.to));
}

TEST_CASE("backtest: a playbook that is named is tried as if it were live, and only it is told") {
  Year year;
  Workspace workspace = *year.checked.workspace;
  const std::optional<int> index = workspace.FindPlaybook("store_recent");
  REQUIRE(index.has_value());
  Playbook& draft = workspace.playbooks[static_cast<std::size_t>(*index)];
  draft.status = Status::kShadow;
  BacktestOptions options;
  options.every = kDay;
  const Feed feed = year.Read();
  options.to = *feed.first() + 25 * kDay;
  options.playbooks = {draft.id};
  const Result<Backtest> backtest =
      RunBacktest(workspace, *year.checked.templates, year.Read(), options, {}, {});
  REQUIRE(backtest.has_value());
  REQUIRE(backtest->playbooks.size() == 1);
  const BacktestPlaybook& told = backtest->playbooks.front();
  CHECK(told.id == draft.id);
  CHECK(told.started > 0);
  CHECK(told.sent > 0);
  CHECK(told.sent == static_cast<std::int64_t>(backtest->sends.size()));
  CHECK(draft.status == Status::kShadow);
  // A timer once a day comes by day, so mails go out too.
  CHECK(std::any_of(backtest->sends.begin(), backtest->sends.end(),
                    [](const BacktestSend& send) { return send.kind == "message"; }));
}

TEST_CASE("backtest: who is named is told the same as when all are told") {
  Year year;
  Workspace workspace = *year.checked.workspace;
  for (Playbook& playbook : workspace.playbooks) {
    playbook.status = Status::kLive;
  }
  BacktestOptions options;
  options.every = kDay;
  const Feed feed = year.Read();
  options.to = *feed.first() + 20 * kDay;
  const Result<Backtest> all =
      RunBacktest(workspace, *year.checked.templates, year.Read(), options, {}, {});
  REQUIRE(all.has_value());
  options.playbooks = {"store_recent", "matrix_grow"};
  const Result<Backtest> named =
      RunBacktest(workspace, *year.checked.templates, year.Read(), options, {}, {});
  REQUIRE(named.has_value());
  std::vector<BacktestSend> wanted;
  for (const BacktestSend& send : all->sends) {
    if (send.playbook == "store_recent" || send.playbook == "matrix_grow") {
      wanted.push_back(send);
    }
  }
  CHECK(wanted.size() > 50);
  CHECK(Told(named->sends) == Told(wanted));
  CHECK(std::any_of(all->sends.begin(), all->sends.end(),
                    [](const BacktestSend& send) { return send.playbook == "mirror"; }));
}

TEST_CASE("backtest: without facts it says what to do") {
  Year year;
  const Result<Backtest> backtest =
      RunBacktest(*year.checked.workspace, *year.checked.templates, Feed(), {}, {}, {});
  REQUIRE(!backtest.has_value());
  CHECK(backtest.error().message() ==
        "the sources hold nothing: put files into the inbox, or name --from and --to");
}

}  // namespace segue
