// Scoring: from values to scores, from people to lines, and what can be proven about a model's
// segments.  Pure.

#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/definitions.h"
#include "segments/sieve.h"

namespace segue {

// The lines of one score.  A rank score has no lines of its own between fits: it keeps the first
// person above each line, as value and (for `ties: by_key`) key.  Infinity: nobody was above that
// line.
struct LineSet {
  std::vector<double> at;
  std::vector<std::string> keys;  // Empty unless ties go by key.
  bool numeric_keys = false;      // All keys of the fit were whole numbers and are ordered as such.

  friend bool operator==(const LineSet&, const LineSet&) = default;
};

// Fits the lines of one learned score to the people (docs/meaning.md, "Fifths").  `values` (and
// `keys`, needed for `ties: by_key` only) are those of the people in the model who have a value, in
// any order.  No people: no lines.
LineSet FitFifths(const Fifths& fifths, std::span<const double> values,
                  std::span<const std::string> keys);

// Whether the order of the keys decides ties.
bool IsByKey(const Fifths& fifths);

// The keys of a fit as they are kept for many people.
struct FitKeys {
  bool numeric = false;                              // All are whole numbers.
  std::span<const std::uint64_t> codes;              // See KeyCodes; empty: the keys decide alone.
  std::function<std::string_view(std::size_t)> key;  // Of the person at this place of `values`.
};

// Where lines are looked for first: between whom they lay at the fit before, and some room.  It
// changes how long a fit takes, never what it finds.  Empty: nothing is known.
using FitHint = std::vector<Between>;

// The same.  Whoever has no value (NaN) takes no part; `have` is how many have one.  `hint` gets
// where the lines lie.
LineSet FitLines(const Fifths& fifths, std::span<const double> values, std::size_t have,
                 const FitKeys& keys, FitHint& hint);

// The stretches of a hint, those that overlap taken together.
std::vector<Between> RangesOf(const FitHint& hint);

// The same by what a sieve has found between RangesOf a hint; nothing where a line lies outside, so
// that the values are needed.
std::optional<LineSet> FitLines(const Fifths& fifths, const Sieve& sieve, const FitKeys& keys);

// Digits only.
bool IsWholeKey(std::string_view key);

// Order of customer keys: as bytes, or as whole numbers, where anything else comes after them.
bool KeyLess(std::string_view left, std::string_view right, bool numeric);

// The score of one value: 1 to lines + 1, where 1 is the worst; a missing value (NaN) and a score
// without lines are 1. `previous` is the settled score, 0 when there is none; the margin holds a
// value back on the side of each line where `previous` is.
int ScoreOf(double value, std::span<const double> lines, bool best_low, bool closed_left,
            double margin_percent, int previous);

// The same for `of: rank`, against the first people above each line.
int RankScoreOf(double value, std::string_view key, const LineSet& lines, bool best_low,
                double margin_percent, int previous);

// Where a line stands for somebody who is above it (or below it).
double LineWithMargin(double line, double margin_percent, bool person_is_above);

// What the lint says about a model's segments: SG010 gaps, SG011 never wins, SG012 order decides,
// SG015 margin. Enumerates every cell of the score grid together with every answer of the
// conditions that are not scores.
Diagnostics LintModel(const Model& model, const Workspace& workspace);

}  // namespace segue
