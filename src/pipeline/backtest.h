// Backtest: what playbooks would have sent over a stretch of history.  The very cycles and the very
// dispatcher live through it, in a state that is thrown away, and tools that are played accept
// everything: nothing leaves the machine.

#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/feed.h"
#include "pipeline/pipeline.h"

namespace segue {

struct BacktestOptions {
  // Asked about; whatever their status they are tried as if they were live.  Empty: all, as their
  // files say.
  std::vector<std::string> playbooks;
  std::optional<TimePoint> from, to;  // Default: the day of the first fact, a day after the last.
  std::optional<Duration> every;      // See HistorySpan.
};

// One delivery that the other side took.
struct BacktestSend {
  TimePoint at;
  std::string playbook, step, kind;
  std::string what;  // Template, task title, field or track.
  std::string customer_key, to;

  friend bool operator==(const BacktestSend&, const BacktestSend&) = default;
};

struct BacktestPlaybook {
  std::string id;
  std::int64_t started = 0, held_out = 0, people = 0, sent = 0;
  std::map<std::string, std::int64_t> ended;          // By reason.
  std::map<std::string, std::int64_t> refused_start;  // By reason.
  std::map<std::string, std::int64_t> refused_step;   // By reason, late ones included.
  std::map<std::string, std::int64_t> sent_by_month;  // 2011-03 to how many.
};

struct Backtest {
  TimePoint from, to;
  std::int64_t cycles = 0;
  std::vector<BacktestPlaybook> playbooks;  // Those asked about, in the order of the files.
  std::vector<BacktestSend> sends;          // Of these, in the order of time.
  std::vector<std::pair<TimePoint, std::string>> brakes;  // A real run would have held there.
  CycleReport report;                                     // What came in.
};

// Error: the feed holds nothing and the options name no stretch.
Result<Backtest> RunBacktest(const Workspace& workspace, const Templates& templates, Feed feed,
                             const BacktestOptions& options, const StateOptions& state_options,
                             const Progress& progress);

// What was accepted so far, in the order of time; of these playbooks, or of all.
std::vector<BacktestSend> SendsOf(State& state, const std::vector<std::string>& playbooks);

}  // namespace segue
