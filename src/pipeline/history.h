// Living through history on a clock of its own: the cycles and deliveries that the service would
// have made, from one moment at which something is due to the next.  `replay` and `backtest` are
// both it.

#pragma once

#include <functional>
#include <optional>

#include "pipeline/pipeline.h"

namespace segue {

struct HistorySpan {
  TimePoint from, to;             // The first and the last moment of a cycle.
  std::optional<Duration> every;  // Cycles exactly this far apart; else whenever something is due.
};

// What differs between one life and another.
struct HistoryHooks {
  std::function<void(TimePoint now)> take_in;  // Gives the cycle the facts that are known by now.
  std::function<std::optional<TimePoint>()> next_fact;
  std::function<Reply(const Call&)> perform;
  std::function<void(TimePoint now, TimePoint next)> ticked;  // After each cycle; may be empty.
};

// Returns the number of cycles.  `report` gathers what came in; its moves are those of the last.
std::int64_t LiveThrough(State& state, Cycle& cycle, Dispatcher& dispatcher,
                         const HistorySpan& span, const HistoryHooks& hooks, CycleReport& report);

// The first moment of the day of `time`, or of the day so many days later.
TimePoint Dawn(TimePoint time, std::int64_t days_later, const Zone& zone);

}  // namespace segue
