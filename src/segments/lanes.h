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

// From the number of lines below to the score, 1 to lines + 1, in place; whoever has no value (NaN)
// gets 1 and is marked.
void StepsOf(std::span<const double> values, std::size_t lines, bool best_low,
             std::span<double> steps, std::span<std::uint8_t> no_data);

// Adds what the steps of one score are worth in the number of a cell: (step - 1) * stride.
void AddSteps(std::span<const double> steps, std::uint32_t stride, std::span<std::uint32_t> cells);

void LookUp(std::span<const double> table, std::span<const std::uint32_t> cells,
            std::span<double> out);

// From somebody to somebody, both included.
struct Between {
  Bound low, high;
};

// Finds who stands in one of the ranges, and how many stand before each of them: `found` gets the
// places of the former, of `before` that many are added.  No codes: all are 0.  Whoever has no
// value (NaN) stands nowhere.  Requires: at most kLanes values.
void FindBetween(std::span<const double> values, std::span<const std::uint64_t> codes,
                 std::span<const Between> ranges, std::span<std::size_t> before,
                 std::vector<std::uint16_t>& found);
constexpr std::size_t kLanes = 1024;

// Settled scores of cuts or fifths, as they are stored: the top bit says that there was no value.
void CodesOf(std::span<const double> steps, std::span<const std::uint8_t> no_data,
             std::span<std::uint16_t> codes);

// Takes the values from all who are not inside (1).
void Blank(std::span<const double> inside, std::span<double> values);

// How many have a value.
std::size_t CountValues(std::span<const double> values);

}  // namespace segue
