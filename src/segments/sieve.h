// A Sieve knows of a score's values only what its lines need: how many stand before each of a few
// stretches of the order, and who stands within one.  One pass over everybody fills it, block by
// block, while the values are at hand; nobody's value is kept but those of the few within.
//
//   Sieve sieve;
//   sieve.Begin(ranges, people);
//   sieve.Sift(first, values, codes);  // each block once; parts at the same time
//
// Where lines lie within the stretches, whoever stands outside of them is beyond the same lines
// whatever the lines are.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "segments/lanes.h"

namespace segue {

// Somebody at a place of the order, within one of the ranges.
struct PersonAt {
  Bound bound;
  std::uint32_t person = 0;
  std::uint32_t range = 0;
};

bool IsBefore(const Bound& a, const Bound& b);

class Sieve {
 public:
  // People that one thread sifts.
  static constexpr std::size_t kPart = 16 * 4096;

  // Requires: the ranges ascend and none overlaps another.
  void Begin(std::vector<Between> ranges, std::size_t people);

  // The next block: the values of the people from `first` on, NaN for those who take no part, and
  // their codes, none where values decide alone.  Requires: at most kLanes, all of one part; blocks
  // of one part come in their order and from one thread.
  void Sift(std::size_t first, std::span<const double> values,
            std::span<const std::uint64_t> codes);

  // What follows is known when everybody is sifted.

  const std::vector<Between>& ranges() const { return ranges_; }

  // Those who have a value.
  std::size_t have() const;
  // Those who stand before a range.
  std::size_t before(std::size_t range) const;

  bool Has(std::size_t person) const { return passed_[person] != kNowhere; }

  // How each stands to the bounds of the ranges, see PassBounds.
  std::span<const std::uint8_t> passed(std::size_t first, std::size_t count) const {
    return std::span(passed_).subspan(first, count);
  }

  // Those within a range, in their order.  Requires: all of one part.
  std::span<const PersonAt> Within(std::size_t first, std::size_t count) const;
  // Everybody within each range.
  std::vector<std::vector<PersonAt>> Within() const;

  // The range in which this place of the order lies by value and code.
  std::optional<std::size_t> RangeOf(const Bound& bound) const;

 private:
  struct Part {
    std::size_t have = 0;
    std::vector<std::size_t> before;  // By range.
    std::vector<PersonAt> within;
  };

  std::vector<Between> ranges_;
  std::vector<Part> parts_;
  std::vector<std::uint8_t> passed_;
};

}  // namespace segue
