// doctor: whether the state is sound.  Counts what it holds, and computes every column again from
// the ledger.

#include <map>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/hash.h"
#include "cli/cli.h"
#include "cli/terminal.h"
#include "cli/verbs.h"

namespace segue {

int RunDoctor(const Common& common) {
  RequireState(common);
  Database db = Database::Open(StateFile(common));
  const Look look(db);
  const Checked checked = OpenRunning(db, common);
  const Workspace& workspace = *checked.workspace;
  State state(db, workspace, *checked.templates, MomentOf(common, workspace),
              OptionsFor(workspace, false));
  std::map<std::string, std::int64_t> events;
  for (std::size_t kind = 0; kind < workspace.schema.events.size(); ++kind) {
    std::int64_t& count = events[workspace.schema.events[kind].name];
    state.ledger().Scan(
        static_cast<int>(kind), TimePoint::min(), TimePoint::max(),
        [&](const StoredEvent& event) { count += event.kind == static_cast<int>(kind) ? 1 : 0; });
  }
  const std::string before = state.columns().Fingerprint();
  state.columns().Rebuild();
  const bool sound = before == state.columns().Fingerprint();
  const std::vector<std::string> problems = state.playbooks().offers().Problems();
  const std::vector<std::string> alarms = state.playbooks().offers().Alarms();
  const bool healthy = sound && problems.empty();
  boost::json::object sources;
  Statement list = db.Prepare(
      "SELECT source, rows, anonymous, (SELECT count(*) FROM bad_row WHERE bad_row.source = "
      "source_state.source), rounded FROM source_state ORDER BY source");
  Table read({"source", ">rows", ">anonymous", ">set aside", ">rounded"});
  while (list.Step()) {
    sources[list.Text(0)] = {{"rows", list.Int(1)},
                             {"anonymous", list.Int(2)},
                             {"bad", list.Int(3)},
                             {"rounded", list.Int(4)}};
    read.Row({list.Text(0), Grouped(list.Int(1)), Grouped(list.Int(2)), Grouped(list.Int(3)),
              Grouped(list.Int(4))});
  }
  const OutboxCounts counts = state.outbox().Count();
  if (common.json) {
    boost::json::object kinds;
    for (const auto& [kind, count] : events) {
      kinds[kind] = count;
    }
    const boost::json::object outbox{{"waiting", counts.waiting},       {"running", counts.running},
                                     {"accepted", counts.accepted},     {"refused", counts.refused},
                                     {"suppressed", counts.suppressed}, {"unknown", counts.unknown},
                                     {"dropped", counts.dropped},       {"dead", counts.dead}};
    fmt::print("{}\n", boost::json::serialize(
                           boost::json::object{{"healthy", healthy},
                                               {"events", kinds},
                                               {"columns", Sha256Hex(before)},
                                               {"sources", sources},
                                               {"outbox", outbox},
                                               {"problems", boost::json::value_from(problems)},
                                               {"alarms", boost::json::value_from(alarms)}}));
    return healthy ? kFine : kFindings;
  }
  Table table({"event", ">in the ledger"});
  for (const auto& [kind, count] : events) {
    table.Row({kind, Grouped(count)});
  }
  fmt::print(
      "{}\n{}{}{}\n", table.Text(), sources.empty() ? "" : read.Text(), sources.empty() ? "" : "\n",
      sound ? "every column equals one rebuilt from the ledger"
            : "a column differs from one rebuilt from the ledger: this is a bug, please report it");
  for (const std::string& problem : problems) {
    fmt::print("{}: this is a bug, please report it\n", problem);
  }
  for (const std::string& alarm : alarms) {
    fmt::print("{}\n", alarm);
  }
  return healthy ? kFine : kFindings;
}

}  // namespace segue
