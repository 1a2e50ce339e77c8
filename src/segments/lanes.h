// The inner loops of a pass over everybody: plain columns of numbers, with no branch in them.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace segue {

// Adds one where a value lies above the line; `closed`: or on it.
void CountAbove(std::span<const double> values, double line, bool closed, std::span<double> above);

// A place in an order by value and then by code.
struct Bound {
  double value = 0;
  std::uint64_t code = 0;
};

// The same for several lines where ties go by key: whoever has a line's value is above it with a
// higher code than the line's.  Returns whether somebody has the value and the code of one: what
// they are is not decided here.
bool CountAboveByKey(std::span<const double> values, std::span<const std::uint64_t> codes,
                     std::span<const Bound> lines, std::span<double> above);

// A settled score of cuts or fifths: 0 none, else the score, with the top bit set when the value
// was missing.
using StepCode = std::uint16_t;
constexpr StepCode kNoData = 0x8000;

inline int StepOf(StepCode code) {
  return code & ~kNoData;
}

// From how many lines lie below each to the score, 1 to lines + 1; whoever has no value (NaN) gets
// 1 and is marked.
void CodesOf(std::span<const double> values, std::span<const double> below, std::size_t lines,
             bool best_low, std::span<StepCode> codes);

// The scores as numbers.
void NumbersOf(std::span<const StepCode> codes, std::span<double> numbers);

// Adds what the steps of one score are worth in the number of a cell: (step - 1) * stride.
void AddSteps(std::span<const StepCode> codes, std::uint32_t stride,
              std::span<std::uint32_t> cells);

void LookUp(std::span<const double> table, std::span<const std::uint32_t> cells,
            std::span<double> out);

// From somebody to somebody, both included.
struct Between {
  Bound low, high;
};

// How each stands to the bounds of ranges that ascend and do not overlap: `passed` gets two for
// each range that somebody is behind, and one for a range that they are within; kNowhere for those
// without a value (NaN).  No codes: all are 0.  Adds to `before` how many stand before each range,
// and returns how many have a value.  Requires: at most kLanes values and kRangesMax ranges.
std::size_t PassBounds(std::span<const double> values, std::span<const std::uint64_t> codes,
                       std::span<const Between> ranges, std::span<std::size_t> before,
                       std::span<std::uint8_t> passed);
constexpr std::size_t kLanes = 1024;
constexpr std::size_t kRangesMax = 64;
constexpr std::uint8_t kNowhere = 0xfe;

// The places of the odd ones; returns how many.  Requires: passed.size() <= found.size().
std::size_t OddOnes(std::span<const std::uint8_t> passed, std::span<std::uint16_t> found);

// The scores again, from what PassBounds says: `behind` has, for each line, what somebody behind it
// has passed at least.  Of those within a range it says nothing.
void CodesOfPassed(std::span<const std::uint8_t> passed, std::span<const std::uint8_t> behind,
                   bool best_low, std::span<StepCode> codes);

// Whether all are 1.
bool AreOne(std::span<const double> values);

// Takes the values from all who are not inside (1).
void Blank(std::span<const double> inside, std::span<double> values);

// How many have a value.
std::size_t CountValues(std::span<const double> values);

}  // namespace segue
