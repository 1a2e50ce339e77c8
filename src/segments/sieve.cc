#include "segments/sieve.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "base/room.h"

namespace segue {

bool IsBefore(const Bound& a, const Bound& b) {
  return a.value != b.value ? a.value < b.value : a.code < b.code;
}

void Sieve::Begin(std::vector<Between> ranges, std::size_t people) {
  ranges_ = std::move(ranges);
  ResizeWithRoom(passed_, people);
  parts_.resize((people + kPart - 1) / kPart);
  for (Part& part : parts_) {
    part.have = 0;
    part.before.assign(ranges_.size(), 0);
    part.within.clear();
  }
}

void Sieve::Sift(std::size_t first, std::span<const double> values,
                 std::span<const std::uint64_t> codes) {
  SEGUE_CHECK(first % kPart + values.size() <= kPart);
  Part& part = parts_[first / kPart];
  const std::span<std::uint8_t> passed = std::span(passed_).subspan(first, values.size());
  part.have += PassBounds(values, codes, ranges_, part.before, passed);
  std::array<std::uint16_t, kLanes> found;
  const std::size_t count = OddOnes(passed, found);
  for (std::size_t k = 0; k < count; ++k) {
    const std::size_t lane = found[k];
    part.within.push_back({{values[lane], codes.empty() ? 0 : codes[lane]},
                           static_cast<std::uint32_t>(first + lane),
                           passed[lane] / 2U});
  }
}

std::size_t Sieve::have() const {
  std::size_t have = 0;
  for (const Part& part : parts_) {
    have += part.have;
  }
  return have;
}

std::size_t Sieve::before(std::size_t range) const {
  std::size_t before = 0;
  for (const Part& part : parts_) {
    before += part.before[range];
  }
  return before;
}

std::span<const PersonAt> Sieve::Within(std::size_t first, std::size_t count) const {
  SEGUE_CHECK(first % kPart + count <= kPart);
  const std::vector<PersonAt>& within = parts_[first / kPart].within;
  const auto at = [&](std::size_t person) {
    return std::partition_point(within.begin(), within.end(),
                                [&](const PersonAt& one) { return one.person < person; });
  };
  return {at(first), at(first + count)};
}

std::vector<std::vector<PersonAt>> Sieve::Within() const {
  std::vector<std::vector<PersonAt>> people(ranges_.size());
  for (const Part& part : parts_) {
    for (const PersonAt& one : part.within) {
      people[one.range].push_back(one);
    }
  }
  return people;
}

std::optional<std::size_t> Sieve::RangeOf(const Bound& bound) const {
  for (std::size_t range = 0; range < ranges_.size(); ++range) {
    if (!IsBefore(bound, ranges_[range].low) && !IsBefore(ranges_[range].high, bound)) {
      return range;
    }
  }
  return std::nullopt;
}

}  // namespace segue
