#include "pipeline/history.h"

#include <algorithm>
#include <utility>

namespace segue {
namespace {

constexpr std::int64_t kTicksPerSeal = 200;
constexpr Duration kLeast = std::chrono::seconds(1);  // Between two cycles.

// Nothing is lost when this is cut off: the whole life is begun anew.  So one commit will do.
void Dispatch(State& state, Dispatcher& dispatcher, const HistoryHooks& hooks, TimePoint now) {
  Transaction work(state.db());
  for (std::vector<Call> calls; !(calls = dispatcher.Start(now)).empty();) {
    while (!calls.empty()) {
      const Call call = std::move(calls.back());
      calls.pop_back();
      for (Call& next : dispatcher.Finish(call.id, hooks.perform(call), now)) {
        calls.push_back(std::move(next));
      }
    }
  }
  work.Commit();
}

// Full hours in which something arrives, and every moment at which the cycle or the dispatcher has
// something to do.
TimePoint NextTick(const Cycle& cycle, const Dispatcher& dispatcher, const HistoryHooks& hooks,
                   TimePoint now, TimePoint to) {
  TimePoint next = std::min(cycle.Next(now), now + kDay);
  if (const std::optional<TimePoint> due = dispatcher.Next(now)) {
    next = std::min(next, std::max(*due, now + kLeast));
  }
  if (const std::optional<TimePoint> fact = hooks.next_fact()) {
    const TimePoint hour = std::chrono::ceil<std::chrono::hours>(*fact);
    next = std::min(next, std::max(hour, now + kLeast));
  }
  next = std::max(next, now + kLeast);
  return now < to ? std::min(next, to) : next;
}

}  // namespace

TimePoint Dawn(TimePoint time, std::int64_t days_later, const Zone& zone) {
  return zone.ToUtc({(zone.ToLocal(time).day() + days_later) * kDay.count()});
}

std::int64_t LiveThrough(State& state, Cycle& cycle, Dispatcher& dispatcher,
                         const HistorySpan& span, const HistoryHooks& hooks, CycleReport& report) {
  std::int64_t ticks = 0;
  for (TimePoint now = span.from; now <= span.to;) {
    hooks.take_in(now);
    report.moves.clear();
    cycle.Decide(now, report);
    Dispatch(state, dispatcher, hooks, now);
    if (++ticks % kTicksPerSeal == 0) {
      state.ledger().Seal();
    }
    const TimePoint next =
        span.every ? now + *span.every : NextTick(cycle, dispatcher, hooks, now, span.to);
    if (hooks.ticked) {
      hooks.ticked(now, next);
    }
    now = next;
  }
  return ticks;
}

}  // namespace segue
