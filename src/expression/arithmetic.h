// What each operator does to doubles: the one place where it is said, for all executors.  Internal
// to expression/.
//
// Every result is one of: a finite number, or the one quiet NaN that means missing.  So two
// executors that agree on the order of operations agree in every bit.

#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "base/time.h"
#include "base/zone.h"
#include "expression/execute.h"

namespace segue {

// Instants that can be converted without loss; years beyond 2255 are no times.
constexpr double kInstantMax = 9007199254740992.0;

inline double Finite(double value) {
  return std::fabs(value) <= std::numeric_limits<double>::max() ? value : kMissing;
}

inline double Truth(bool value) {
  return value ? 1.0 : 0.0;
}

inline double Days(double time, std::int64_t today, const Zone& zone) {
  if (!(std::fabs(time) < kInstantMax)) {
    return kMissing;
  }
  const auto micros = static_cast<std::int64_t>(std::floor(time));
  return static_cast<double>(today - zone.ToLocal(FromMicros(micros)).day());
}

inline double UsualGap(double last, double first, double count) {
  return count >= 3 ? Finite((last - first) / (count - 1)) : kMissing;
}

}  // namespace segue
