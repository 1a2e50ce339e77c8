// Where the time comes from.  Only the two loops (Cycle, Dispatcher) hold a Clock; everything else
// is given `now`.

#pragma once

#include "base/time.h"

namespace segue {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual TimePoint Now() = 0;
};

// The machine's own clock: the one place in src/ that reads it.
class SystemClock final : public Clock {
 public:
  TimePoint Now() override;
};

// Time since some moment in the past, which no setting of the clock moves: for waiting, never
// stored.
Duration MonotonicNow();

// A clock that stands where it is put.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(TimePoint now) : now_(now) {}

  TimePoint Now() override { return now_; }

  void Set(TimePoint now) { now_ = now; }

 private:
  TimePoint now_;
};

}  // namespace segue
