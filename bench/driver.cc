// A process that is already running, for the benchmark: opens a state as the daemon does, takes in
// what lies in its inbox, and times what a cycle does.
//
//   driver backfill   WORKSPACE STATE         what `segue run` does with the history
//   driver cycle      WORKSPACE STATE PASSES  restart, the day of 2025-01-01, PASSES slots without
//   news driver conditions WORKSPACE STATE         every model and every `when` of another
//   workspace
//
// Times are milliseconds, memory megabytes; one line of JSON.  STATE/moves.csv gets the moves of
// the day.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "pipeline/pipeline.h"

namespace segue {
namespace {

using Watch = std::chrono::steady_clock;

double Since(Watch::time_point begin) {
  const std::chrono::duration<double, std::milli> took = Watch::now() - begin;
  return std::round(took.count() * 100) / 100;
}

// Milliseconds of processor time that this process has used, all threads together: on a machine
// that others use too it says more than the clock.
double Processor() {
  return std::round(static_cast<double>(std::clock()) * 1e5 / CLOCKS_PER_SEC) / 100;
}

[[noreturn]] void Fail(const std::string& message) {
  fmt::print(stderr, "{}\n", message);
  std::exit(1);
}

// "VmRSS" or "VmHWM" of this process.
std::int64_t Megabytes(std::string_view name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name)) {
      return std::atoll(line.c_str() + name.size() + 1) / 1024;
    }
  }
  return 0;
}

TimePoint At(std::string_view text) {
  const Result<TimePoint> time = ParseTime(text, Zone());
  if (!time) {
    Fail(time.error().message());
  }
  return *time;
}

Checked CheckedAt(const std::string& folder) {
  Diagnostics problems;
  std::vector<SourceFile> sources = ReadWorkspaceFiles(folder, problems);
  Checked checked = CheckWorkspace(std::move(sources));
  problems.insert(problems.end(), checked.diagnostics.begin(), checked.diagnostics.end());
  if (checked.workspace == nullptr || HasErrors(problems)) {
    Fail(FormatDiagnostics(problems, checked.files, false));
  }
  return checked;
}

struct Opened {
  Checked checked;
  std::unique_ptr<Database> db;
  std::unique_ptr<State> state;
  std::unique_ptr<FileReader> files;
};

Opened Open(const std::string& workspace, const std::string& folder, TimePoint now) {
  Opened opened;
  opened.checked = CheckedAt(workspace);
  opened.db = std::make_unique<Database>(Database::Open(folder + "/segue.db"));
  opened.state = std::make_unique<State>(*opened.db, *opened.checked.workspace,
                                         *opened.checked.templates, now);
  opened.files = MakeDiskReader(folder);
  return opened;
}

void WriteMoves(State& state, const std::vector<Move>& moves, const std::string& path) {
  const std::vector<Segment>& segments = state.workspace().models.front().segments;
  std::vector<std::string> lines;
  for (const Move& move : moves) {
    lines.push_back(fmt::format("{},{},{}\n", state.ledger().CustomerKey(move.customer),
                                move.from == kNoSegment ? "" : segments[move.from].id,
                                move.to == kNoSegment ? "" : segments[move.to].id));
  }
  std::sort(lines.begin(), lines.end());
  std::ofstream out(path, std::ios::binary);
  out << "customer_id,old,new\n";
  for (const std::string& line : lines) {
    out << line;
  }
}

boost::json::object CycleTimes(const std::string& workspace, const std::string& folder,
                               int passes) {
  boost::json::object out;
  const Watch::time_point start = Watch::now();
  const Opened opened = Open(workspace, folder, At("2025-01-01T00:00:00Z"));
  opened.state->WarmUp(At("2025-01-01T00:00:00Z"));
  out["ready"] = Since(start);
  out["ready_mb"] = Megabytes("VmRSS");
  out["ready_peak_mb"] = Megabytes("VmHWM");
  out["customers"] = opened.state->ledger().customer_count();

  Cycle cycle(*opened.state, opened.files.get());
  CycleReport report;
  const TimePoint after = At("2025-01-02T00:00:00Z");
  out["ready_cpu"] = Processor();
  const Watch::time_point day = Watch::now();
  cycle.Pull(after, true, {}, report);
  const double pulled = Since(day);
  cycle.Decide(after, report);
  out["day"] = Since(day);
  out["day_cpu"] = Processor() - out["ready_cpu"].as_double();
  out["day_pull"] = pulled;
  out["day_orders"] = report.intake["new"];
  out["day_moves"] = report.moves.size();
  WriteMoves(*opened.state, report.moves, folder + "/moves.csv");

  boost::json::array slots;
  boost::json::array moved;
  boost::json::array slots_cpu;
  for (int pass = 1; pass <= passes; ++pass) {
    CycleReport none;
    const Watch::time_point begin = Watch::now();
    const double cpu = Processor();
    cycle.Decide(after + pass * std::chrono::minutes(15), none);
    slots.push_back(Since(begin));
    slots_cpu.push_back(Processor() - cpu);
    moved.push_back(none.moves.size());
  }
  out["passes"] = slots;
  out["passes_cpu"] = slots_cpu;
  out["pass_moves"] = moved;
  out["running_mb"] = Megabytes("VmRSS");
  out["peak_mb"] = Megabytes("VmHWM");
  return out;
}

// What `segue run` does with a new state.
boost::json::object BackfillTimes(const std::string& workspace, const std::string& folder) {
  boost::json::object out;
  const Watch::time_point start = Watch::now();
  const TimePoint now = At("2025-01-01T00:00:00Z");
  const Opened opened = Open(workspace, folder, now);
  Cycle cycle(*opened.state, opened.files.get());
  CycleReport report;
  cycle.Pull(now, true, {}, report);
  out["pulled"] = Since(start);
  cycle.Decide(now, report);
  out["decided"] = Since(start);
  opened.state->ledger().Seal();
  out["sealed"] = Since(start);
  opened.state->Snapshot();
  out["backfill"] = Since(start);
  out["backfill_cpu"] = Processor();
  out["orders"] = report.intake["new"];
  out["peak_mb"] = Megabytes("VmHWM");
  return out;
}

// Answers one condition for everybody, in blocks.
std::int64_t CountTrue(const State& state, const Expr& expr, CustomerIndex count, TimePoint now) {
  const Moment moment{now, state.workspace().schema.timezone};
  std::vector<double> answers(kBlock);
  std::int64_t yes = 0;
  for (CustomerIndex first = 0; first < count; first += kBlock) {
    const std::span<double> out(answers.data(), std::min<std::size_t>(kBlock, count - first));
    ExecuteBlock(expr, state.inputs(), moment, first, out);
    yes += std::count_if(out.begin(), out.end(), IsTrue);
  }
  return yes;
}

boost::json::object ConditionTimes(const std::string& folder_of_workspace,
                                   const std::string& folder) {
  boost::json::object out;
  const TimePoint now = At("2025-01-05T06:00:00Z");  // A Sunday: on Monday every model is due.
  const Watch::time_point start = Watch::now();
  const Checked checked = CheckedAt(folder_of_workspace);
  // The models alone: a playbook would start thousands of runs on a history that is a benchmark's.
  Workspace workspace = *checked.workspace;
  const std::vector<Playbook> playbooks = std::exchange(workspace.playbooks, {});
  Database db = Database::Open(folder + "/segue.db");
  State state(db, workspace, *checked.templates, now);
  out["open"] = Since(start);
  Cycle cycle(state, nullptr);
  CycleReport first, second;
  cycle.Decide(now, first);  // The first slot places everybody; the next one is timed.
  const TimePoint later = now + kDay;
  const Watch::time_point begin = Watch::now();
  const double cpu = Processor();
  cycle.Decide(later, second);
  out["model_moves"] = second.moves.size();
  out["models"] = Since(begin);
  out["model_count"] = workspace.models.size();
  const Watch::time_point conditions = Watch::now();
  std::int64_t asked = 0;
  std::int64_t yes = 0;
  for (const Playbook& playbook : playbooks) {
    for (const Condition& when : playbook.when) {
      yes += CountTrue(state, when.expr, state.ledger().customer_count(), later);
      ++asked;
    }
  }
  out["whens"] = Since(conditions);
  out["when_count"] = asked;
  out["when_true"] = yes;
  out["conditions"] = Since(begin);
  out["conditions_cpu"] = Processor() - cpu;
  return out;
}

}  // namespace
}  // namespace segue

int main(int argc, char** argv) {
  const std::vector<std::string> args(argv + 1, argv + argc);
  boost::json::object out;
  if (args.size() == 4 && args[0] == "cycle") {
    out = segue::CycleTimes(args[1], args[2], std::atoi(args[3].c_str()));
  } else if (args.size() == 3 && args[0] == "backfill") {
    out = segue::BackfillTimes(args[1], args[2]);
  } else if (args.size() == 3 && args[0] == "conditions") {
    out = segue::ConditionTimes(args[1], args[2]);
  } else {
    segue::Fail(
        "driver backfill|conditions WORKSPACE STATE, or driver cycle WORKSPACE STATE PASSES");
  }
  fmt::print("{}\n", boost::json::serialize(out));
  return 0;
}
