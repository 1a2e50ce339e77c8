// What the service counts, in the text format of Prometheus (0.0.4).  Nothing in it is about one
// customer, and no label holds what a stranger wrote.

#pragma once

#include <string>

#include "pipeline/pipeline.h"

namespace segue {

// Since the service began.
struct CycleTally {
  std::int64_t cycles = 0;
  std::int64_t moves = 0;
  std::int64_t facts = 0;
  Duration last_took = Duration::zero();
  TimePoint last_end = TimePoint::min();
};

std::string MetricsText(State& state, const Dispatcher& dispatcher, const CycleTally& tally,
                        TimePoint now);

}  // namespace segue
