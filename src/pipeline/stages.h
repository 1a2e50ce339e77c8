// Funnels: how many people are in each stage of a funnel document now, and how long it took them.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "insights/funnel.h"
#include "pipeline/pipeline.h"

namespace segue {

struct FunnelPart {
  std::string name;                 // Of the segment; empty: everybody.
  std::vector<FunnelStage> stages;  // As the document has them; times in days.
};

// Everybody, then the segments of `model` (-1: none) in their order.  When a stage was reached is
// known of `ever(E)`, `count(E) >= n` and `exists(TRAIT)` of a time, and of all of several such
// joined by `and`; of other conditions only whether it is reached.
std::vector<FunnelPart> FunnelNow(State& state, const FunnelDocument& funnel, int model,
                                  TimePoint now);

}  // namespace segue
