// Lines learned from the people: quantiles or equal steps, over values or ranks.
//
// Only a few places of the sorted order are asked for, so nothing is sorted but the neighbourhood
// of each: a sample of the people says between whom a place must lie, one pass counts who stands
// before and picks out who stands between (Floyd and Rivest, "Expected time bounds for selection",
// 1975), and only those are looked at.

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/parallel.h"
#include "segments/score.h"

namespace segue {
namespace {

constexpr std::array kQuantiles = {0.2, 0.4, 0.6, 0.8};
constexpr double kEnd = std::numeric_limits<double>::infinity();

// Fewer people are looked at all together.
constexpr std::size_t kSample = 1U << 14U;
// How far a place can be from where the sample has it, in the sample: four standard deviations of
// the place of a median.  Farther, as once in thousands of times, and everybody is looked at.
constexpr std::size_t kOff = 4 * 64;
// One in so many people are the room of a hint, on each side.
constexpr std::size_t kRoom = 256;

constexpr Bound kFirst = {-kEnd, 0};
constexpr Bound kLast = {kEnd, std::numeric_limits<std::uint64_t>::max()};

// Who stands at places of the ascending order, by value and, where there are keys, then by key.
class Places {
 public:
  // `keys` may be null.  Requires: both outlive this.
  Places(const Sieve& sieve, const FitKeys* keys) : keys_(keys) {
    std::vector<std::vector<PersonAt>> people = sieve.Within();
    for (std::size_t range = 0; range < people.size(); ++range) {
      ranges_.push_back({sieve.before(range), std::move(people[range])});
    }
  }

  // Whether each of these places lies within a range.
  bool Have(const std::vector<std::size_t>& places) const {
    return std::all_of(places.begin(), places.end(), [&](std::size_t place) {
      return std::any_of(ranges_.begin(), ranges_.end(),
                         [&](const Range& range) { return range.Has(place); });
    });
  }

  // Requires: Have().
  PersonAt At(std::size_t place) { return Pick(RangeAt(place), place); }

  // So much room on both sides of a place, as far as its range goes.  Requires: Have().
  Between Around(std::size_t place, std::size_t room) {
    Range& range = RangeAt(place);
    const std::size_t last = range.before + range.people.size() - 1;
    const std::size_t low = std::max(range.before, place - std::min(place, room));
    return {Pick(range, low).bound, Pick(range, std::min(last, place + room)).bound};
  }

 private:
  struct Range {
    std::size_t before = 0;
    std::vector<PersonAt> people;

    bool Has(std::size_t place) const { return place >= before && place - before < people.size(); }
  };

  Range& RangeAt(std::size_t place) {
    const auto found = std::find_if(ranges_.begin(), ranges_.end(),
                                    [&](const Range& range) { return range.Has(place); });
    SEGUE_CHECK(found != ranges_.end());
    return *found;
  }

  PersonAt Pick(Range& range, std::size_t place) const {
    const auto at = range.people.begin() + static_cast<std::ptrdiff_t>(place - range.before);
    std::nth_element(
        range.people.begin(), at, range.people.end(), [&](const PersonAt& a, const PersonAt& b) {
          if (a.bound.value != b.bound.value || a.bound.code != b.bound.code || keys_ == nullptr) {
            return IsBefore(a.bound, b.bound);
          }
          return KeyLess(keys_->key(a.person), keys_->key(b.person), keys_->numeric);
        });
    return *at;
  }

  std::vector<Range> ranges_;
  const FitKeys* keys_;
};

// Everybody's values, and their codes where ties go by key.
struct Everybody {
  std::span<const double> values;
  std::span<const std::uint64_t> codes;

  Bound BoundOf(std::size_t person) const {
    return {values[person], codes.empty() ? 0 : codes[person]};
  }

  Sieve Sifted(std::vector<Between> ranges) const {
    Sieve sieve;
    sieve.Begin(std::move(ranges), values.size());
    InRanges(values.size(), Sieve::kPart, [&](std::size_t begin, std::size_t end) {
      for (std::size_t first = begin; first < end; first += kLanes) {
        const std::size_t here = std::min(kLanes, end - first);
        sieve.Sift(first, values.subspan(first, here),
                   codes.empty() ? codes : codes.subspan(first, here));
      }
    });
    return sieve;
  }

  // Between whom each place lies most likely.
  FitHint Sampled(const std::vector<std::size_t>& places, std::size_t have) const {
    std::vector<Bound> sample;
    const std::size_t stride = std::max<std::size_t>(values.size() / kSample, 1);
    for (std::size_t person = 0; person < values.size(); person += stride) {
      if (!std::isnan(values[person])) {
        sample.push_back(BoundOf(person));
      }
    }
    std::sort(sample.begin(), sample.end(), IsBefore);
    FitHint bounds;
    for (const std::size_t place : places) {
      const auto middle =
          static_cast<std::size_t>(static_cast<double>(place) / static_cast<double>(have) *
                                   static_cast<double>(sample.size()));
      bounds.push_back({middle < kOff ? kFirst : sample[middle - kOff],
                        middle + kOff < sample.size() ? sample[middle + kOff] : kLast});
    }
    return bounds;
  }
};

// The places that CutLines asks for, ascending.  Requires: size > 0.
std::vector<std::size_t> PlacesOfLines(const Fifths& fifths, std::size_t size) {
  if (fifths.equal_width) {
    return {0, size - 1};
  }
  std::vector<std::size_t> places;
  for (const double quantile : kQuantiles) {
    const auto i = static_cast<std::size_t>(std::floor(static_cast<double>(size - 1) * quantile));
    places.push_back(i);
    places.push_back(std::min(i + 1, size - 1));
  }
  std::sort(places.begin(), places.end());
  return places;
}

// `at` gives the value at a place of the ascending order.
template <typename At>
std::vector<double> CutLines(const Fifths& fifths, std::size_t size, At at) {
  std::vector<double> lines;
  const std::size_t last = size - 1;
  for (std::size_t k = 0; k < kQuantiles.size(); ++k) {
    double line = 0;
    if (fifths.equal_width) {
      line = at(0) + static_cast<double>(k + 1) * (at(last) - at(0)) / 5;
    } else {
      const double h = static_cast<double>(last) * kQuantiles[k];
      const auto i = static_cast<std::size_t>(std::floor(h));
      line = i >= last ? at(last) : at(i) + (h - std::floor(h)) * (at(i + 1) - at(i));
    }
    lines.push_back(line + fifths.add);
  }
  return lines;
}

// Ranks 1, 2, 2, 4: equal values share the smallest one.  Here everything is sorted.
void FitTogether(const Fifths& fifths, std::span<const double> values, LineSet& fitted) {
  std::vector<double> sorted;
  std::copy_if(values.begin(), values.end(), std::back_inserter(sorted),
               [](double value) { return !std::isnan(value); });
  std::sort(sorted.begin(), sorted.end());
  std::vector<double> ranks(sorted.size());
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    const bool tie = i > 0 && sorted[i] == sorted[i - 1];
    ranks[i] = tie ? ranks[i - 1] : static_cast<double>(i + 1);
  }
  for (const double line :
       CutLines(fifths, ranks.size(), [&](std::size_t place) { return ranks[place]; })) {
    const auto first = std::find_if(ranks.begin(), ranks.end(), [&](double rank) {
      return fifths.closed_left ? rank >= line : rank > line;
    });
    fitted.at.push_back(
        first == ranks.end() ? kEnd : sorted[static_cast<std::size_t>(first - ranks.begin())]);
  }
}

// Ranks 1, 2, 3, 4, equal values in the order of the keys: the place of the first person above each
// line.  Lines ascend: where nobody is above one, nobody is above those that follow.
std::vector<std::size_t> PlacesAbove(const Fifths& fifths, std::size_t size) {
  std::vector<std::size_t> places;
  for (const double line :
       CutLines(fifths, size, [](std::size_t place) { return static_cast<double>(place + 1); })) {
    const double rank = std::max(1.0, fifths.closed_left ? std::ceil(line) : std::floor(line) + 1);
    if (rank <= static_cast<double>(size)) {
      places.push_back(static_cast<std::size_t>(rank) - 1);
    }
  }
  return places;
}

std::vector<std::size_t> PlacesAsked(const Fifths& fifths, std::size_t size) {
  return IsByKey(fifths) ? PlacesAbove(fifths, size) : PlacesOfLines(fifths, size);
}

LineSet LinesAt(const Fifths& fifths, const std::vector<std::size_t>& asked, std::size_t size,
                const FitKeys& keys, Places& places) {
  std::vector<PersonAt> people;
  for (const std::size_t place : asked) {
    people.push_back(places.At(place));
  }
  LineSet fitted;
  if (!IsByKey(fifths)) {
    fitted.at = CutLines(fifths, size, [&](std::size_t place) {
      const auto at = std::lower_bound(asked.begin(), asked.end(), place);
      return people[static_cast<std::size_t>(at - asked.begin())].bound.value;
    });
    return fitted;
  }
  fitted.numeric_keys = keys.numeric;
  for (const PersonAt& one : people) {
    fitted.at.push_back(one.bound.value);
    fitted.keys.emplace_back(keys.key(one.person));
  }
  fitted.at.resize(kQuantiles.size(), kEnd);
  fitted.keys.resize(kQuantiles.size());
  return fitted;
}

}  // namespace

bool IsByKey(const Fifths& fifths) {
  return fifths.of_rank && fifths.ties_by_key;
}

LineSet FitLines(const Fifths& fifths, std::span<const double> values, std::size_t have,
                 const FitKeys& keys, FitHint& hint) {
  hint.clear();
  LineSet fitted;
  if (have == 0) {
    return fitted;
  }
  if (fifths.of_rank && !fifths.ties_by_key) {
    FitTogether(fifths, values, fitted);
    return fitted;
  }
  const bool by_key = IsByKey(fifths);
  const Everybody all{values, by_key ? keys.codes : std::span<const std::uint64_t>()};
  const std::vector<std::size_t> asked = PlacesAsked(fifths, have);
  const auto places_between = [&](std::vector<Between> ranges) {
    return Places(all.Sifted(std::move(ranges)), by_key ? &keys : nullptr);
  };
  Places places = places_between(have <= kSample ? std::vector<Between>{{kFirst, kLast}}
                                                 : RangesOf(all.Sampled(asked, have)));
  if (!places.Have(asked)) {
    places = places_between({{kFirst, kLast}});
  }
  fitted = LinesAt(fifths, asked, have, keys, places);
  // Where equal steps lie, or what is added to a line, has nothing to do with who stands there.
  const bool lie_there = by_key ? !keys.codes.empty() : !fifths.equal_width && fifths.add == 0;
  if (have > kSample && lie_there) {
    for (const std::size_t place : asked) {
      hint.push_back(places.Around(place, have / kRoom));
    }
  }
  return fitted;
}

std::vector<Between> RangesOf(const FitHint& hint) {
  std::vector<Between> ranges;
  for (const Between& one : hint) {
    if (!ranges.empty() && !IsBefore(ranges.back().high, one.low)) {
      ranges.back().high = std::max(ranges.back().high, one.high, IsBefore);
    } else {
      ranges.push_back(one);
    }
  }
  return ranges;
}

std::optional<LineSet> FitLines(const Fifths& fifths, const Sieve& sieve, const FitKeys& keys) {
  const std::size_t have = sieve.have();
  if (have == 0) {
    return std::nullopt;
  }
  Places places(sieve, IsByKey(fifths) ? &keys : nullptr);
  const std::vector<std::size_t> asked = PlacesAsked(fifths, have);
  if (!places.Have(asked)) {
    return std::nullopt;
  }
  return LinesAt(fifths, asked, have, keys, places);
}

LineSet FitFifths(const Fifths& fifths, std::span<const double> values,
                  std::span<const std::string> keys) {
  SEGUE_CHECK(!fifths.of_rank || !fifths.ties_by_key || keys.size() == values.size());
  FitKeys all;
  all.numeric = !keys.empty() && std::all_of(keys.begin(), keys.end(), IsWholeKey);
  all.key = [&](std::size_t i) { return std::string_view(keys[i]); };
  FitHint hint;
  return FitLines(fifths, values, CountValues(values), all, hint);
}

}  // namespace segue
