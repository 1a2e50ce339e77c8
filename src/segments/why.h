// Words for people: why somebody moved, and how the model comes to its answer.
//
// Built for the few who move or are asked about; nothing decides by it.

#pragma once

#include <string>
#include <vector>

#include "config/definitions.h"
#include "segments/scorer.h"
#include "segments/state.h"

namespace segue {

// What was in force when the answer was made.
struct WhyContext {
  const Model& model;
  const Workspace& workspace;
  const Scorer& scorer;  // Loaded with the customer's block.
  const std::vector<LineSet>& lines;
  const std::vector<bool>& margins;  // Which scores had one.
  const ModelState& state;           // As of the slot before.
};

// "r 3→2 (recency 23d 16h > 21d + 5 %), f 2→1 (frequency 1 < 2)", or what the rules read where no
// score changed. `i` is the customer's place in the block.
std::string WhyChanged(const WhyContext& context, CustomerIndex customer, std::size_t i,
                       SegmentIndex from, SegmentIndex to);
// "new in the model: r 5, f 1"
std::string WhyPlaced(const WhyContext& context, std::size_t i);
// ", the same in 2 runs"; empty where one answer is enough.
std::string HeldFor(const Hold& hold);

// "r: 2 of 5 (recency 23d 16h; lines 3d, 10d, 21d, 60d; was 3)" and the like: who, features,
// scores, flags, rule.
std::vector<std::string> ExplainAnswer(const WhyContext& context, CustomerIndex customer);

}  // namespace segue
