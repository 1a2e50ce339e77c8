// When lines are learned again, and from whom.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/zone.h"
#include "config/definitions.h"
#include "segments/key_codes.h"
#include "segments/scorer.h"
#include "segments/state.h"

namespace segue {

// Canonical text of everything that decides what a learned score cuts: itself, the features and
// scores that it reads, and who is in the model.  Lines of another basis are of no use.
std::string BasisOf(const Model& model, std::size_t score);

// Whether the lines of `fit` (null: none yet) are learned again at this slot.
bool IsFitDue(const Score& score, const std::string& basis, const Fit* fit, TimePoint slot,
              const Zone& zone);

// Learns the scores of `due` from everybody in the model and puts their lines into `lines`; returns
// how many people had a value, per score.  Scores that read other scores are learned after those; a
// score whose lines changed has no margin.  `read` gets what was read of everybody on the way.
struct Learning {
  const Model& model;
  const Population& people;
  Moment moment;
  const SettledSteps* settled;  // Null: no margins.
  const KeyCodes& keys;         // Of everybody, where ties go by key.
};

std::vector<std::int64_t> Learn(const Learning& learning, const std::vector<bool>& due,
                                std::vector<bool> margins, std::vector<LineSet>& lines,
                                std::vector<ScoreValues>& read);

}  // namespace segue
