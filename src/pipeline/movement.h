// Movement: where the people of a model went between two moments, how long they stay, and the money
// that leaves with those who fall.  From the stored moves.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "insights/dynamics.h"
#include "pipeline/pipeline.h"

namespace segue {

struct MovementOptions {
  // Where people stood at these moments; absent: 90 days before `to` (but not before the model's
  // first slot), and now.
  std::optional<TimePoint> from = std::nullopt, to = std::nullopt;
  // A feature of money type of the model; empty: its first.
  std::string value = {};
};

struct Movement {
  TimePoint from, to;
  // Of the model, then those that it had in that time and has no more.
  std::vector<std::string> segments;
  std::vector<MigrationRow> matrix;  // As many rows as segments, and one for none.
  std::vector<ExpectedStay> stays;   // Days.  Who was there at `from` is watched from then on.
  std::string value;                 // The feature; empty: nothing says what people are worth …
  bool ranked = false;               // … or what is worse than what: then `at_risk` is empty.
  std::vector<AtRisk> at_risk;       // Minor units, of who is there now.
};

// Errors: the model has no slot yet, it did not exist at `from`, `from` is not before `to`, no such
// feature.
Result<Movement> MovementOf(State& state, int model, const MovementOptions& options, TimePoint now);

}  // namespace segue
