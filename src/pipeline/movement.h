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
  // Days.  Who was there at `from` is watched from then on, at the age that their last move before
  // gives them.
  std::vector<ExpectedStay> stays;
  std::string value;    // The feature; empty: nothing says what people are worth …
  bool ranked = false;  // … or what is worse than what: then `at_risk` is empty.
  // Minor units, of who is there now: a value is nothing where the feature has no data for any of
  // them, and leaves out those for whom it has none.
  std::vector<AtRisk> at_risk;
};

// When the model first placed people; nothing before.
std::optional<TimePoint> BaselineOf(State& state, const Model& model);

// Errors: the model has no slot yet, it did not exist at `from`, `from` is not before `to`, no such
// feature.
Result<Movement> MovementOf(State& state, int model, const MovementOptions& options, TimePoint now);

}  // namespace segue
