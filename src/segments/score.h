// Scoring: from columns to features, scores, and the raw segment, for a block of customers at a time.  Pure.

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "config/definitions.h"
#include "expression/execute.h"
#include "segments/segments.h"

namespace segue {

// Fits the lines of one learned score to the people (docs/language.md, "Fifths").
// `values` and `keys` are those of the people in the model who have a value, in any order.
struct FittedLines {
  std::vector<double> lines;       // Values; for ranks, ranks.
  std::vector<std::string> keys;
};
FittedLines FitFifths(const Fifths& fifths, bool best_low, std::span<const double> values,
                      std::span<const std::string> keys);

// The score of one value: 1 to lines + 1, where 1 is the worst.  `previous` is the settled score, 0 when there is none;
// the margin holds a value back on the side of each line where `previous` is.
int ScoreOf(double value, std::span<const double> lines, bool best_low, bool closed_left, double margin_percent,
            int previous);

// What the lint says about a model's segments: SG010 gaps, SG011 never wins, SG012 order decides, SG015 margin.
// Enumerates every cell of the score grid together with every answer of the conditions that are not scores.
Diagnostics LintModel(const Model& model, const Workspace& workspace);

}  // namespace segue
