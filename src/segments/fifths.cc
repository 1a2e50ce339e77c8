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
#include "segments/lanes.h"
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
// Who is worked on at a time, by one thread, and within that by one loop.
constexpr std::size_t kPart = 1U << 16U;

constexpr Bound kFirst = {-kEnd, 0};
constexpr Bound kLast = {kEnd, std::numeric_limits<std::uint64_t>::max()};

struct Standing {
  Bound bound;
  std::size_t person = 0;
};

constexpr auto kIsBefore = [](const Bound& a, const Bound& b) {
  return a.value != b.value ? a.value < b.value : a.code < b.code;
};

// Finds out who stands at places of the ascending order, by value and, where there are keys, then
// by key.
class Places {
 public:
  // `have`: those of whom there is a value.  `keys` may be null; must outlive this, as must
  // `values`.
  Places(std::span<const double> values, std::size_t have, const FitKeys* keys)
      : values_(values),
        codes_(keys == nullptr ? std::span<const std::uint64_t>() : keys->codes),
        keys_(keys),
        size_(have) {}

  // Those who have a value.
  std::size_t size() const { return size_; }

  // The person at each place.  Requires: places ascend, each < size().
  std::vector<std::size_t> At(const std::vector<std::size_t>& places, FitHint& hint) const {
    std::vector<Range> ranges;
    if (hint.size() == places.size()) {
      ranges = Joined(places, hint);
      if (Look(ranges)) {
        return Picked(ranges);
      }
    }
    ranges =
        size_ <= kSample ? std::vector<Range>{Everybody(places)} : Joined(places, Sampled(places));
    if (!Look(ranges)) {
      ranges = {Everybody(places)};
      SEGUE_CHECK(Look(ranges));
    }
    if (size_ > kSample) {
      hint = Around(ranges);
    }
    return Picked(ranges);
  }

 private:
  // Between whom some places lie.
  struct Range : Between {
    std::vector<std::size_t> places;
    std::size_t before = 0;  // How many stand before `low`.
    std::vector<Standing> people;
  };

  // What one thread finds, by range.
  struct Share {
    std::vector<std::size_t> before;
    std::vector<std::vector<Standing>> people;
  };

  template <typename T>
  static std::span<const T> Lanes(std::span<const T> all, std::size_t first, std::size_t count) {
    return all.empty() ? all : all.subspan(first, std::min(count, all.size() - first));
  }

  std::size_t Parts() const { return (values_.size() + kPart - 1) / kPart; }

  Bound BoundOf(std::size_t person) const {
    return {values_[person], codes_.empty() ? 0 : codes_[person]};
  }

  static Range Everybody(const std::vector<std::size_t>& places) {
    return {{kFirst, kLast}, places, 0, {}};
  }

  // Each place between its bounds; those that overlap are one range.
  static std::vector<Range> Joined(const std::vector<std::size_t>& places, const FitHint& bounds) {
    std::vector<Range> ranges;
    for (std::size_t i = 0; i < places.size(); ++i) {
      const auto& [low, high] = bounds[i];
      if (!ranges.empty() && !kIsBefore(ranges.back().high, low)) {
        ranges.back().high = std::max(ranges.back().high, high, kIsBefore);
        ranges.back().places.push_back(places[i]);
      } else {
        ranges.push_back({{low, high}, {places[i]}, 0, {}});
      }
    }
    return ranges;
  }

  FitHint Sampled(const std::vector<std::size_t>& places) const {
    std::vector<Bound> sample;
    const std::size_t stride = std::max<std::size_t>(values_.size() / kSample, 1);
    for (std::size_t person = 0; person < values_.size(); person += stride) {
      if (!std::isnan(values_[person])) {
        sample.push_back(BoundOf(person));
      }
    }
    std::sort(sample.begin(), sample.end(), kIsBefore);
    FitHint bounds;
    for (const std::size_t place : places) {
      const auto middle =
          static_cast<std::size_t>(static_cast<double>(place) / static_cast<double>(size_) *
                                   static_cast<double>(sample.size()));
      bounds.push_back({middle < kOff ? kFirst : sample[middle - kOff],
                        middle + kOff < sample.size() ? sample[middle + kOff] : kLast});
    }
    return bounds;
  }

  // Some room on both sides of each place, out of what was found.
  FitHint Around(std::vector<Range>& ranges) const {
    const std::size_t room = size_ / kRoom;
    FitHint bounds;
    for (Range& range : ranges) {
      for (const std::size_t place : range.places) {
        const std::size_t last = range.before + range.people.size() - 1;
        bounds.push_back(
            {BoundOf(Pick(range, std::max(range.before, place - std::min(place, room)))),
             BoundOf(Pick(range, std::min(last, place + room)))});
      }
    }
    return bounds;
  }

  // Counts and picks out, in one pass for all ranges.  Whether every place lies in its range.
  bool Look(std::vector<Range>& ranges) const {
    const std::vector<Between> bounds(ranges.begin(), ranges.end());
    std::vector<Share> shares(Parts());
    InParallel(shares.size(), [&](std::size_t part) { shares[part] = LookAt(part, bounds); });
    for (std::size_t i = 0; i < ranges.size(); ++i) {
      for (const Share& share : shares) {
        ranges[i].before += share.before[i];
        ranges[i].people.insert(ranges[i].people.end(), share.people[i].begin(),
                                share.people[i].end());
      }
    }
    return std::all_of(ranges.begin(), ranges.end(), [](const Range& range) {
      return range.places.front() >= range.before &&
             range.places.back() < range.before + range.people.size();
    });
  }

  std::vector<std::size_t> Picked(std::vector<Range>& ranges) const {
    std::vector<std::size_t> people;
    for (Range& range : ranges) {
      for (const std::size_t place : range.places) {
        people.push_back(Pick(range, place));
      }
    }
    return people;
  }

  Share LookAt(std::size_t part, const std::vector<Between>& ranges) const {
    Share share{std::vector<std::size_t>(ranges.size()),
                std::vector<std::vector<Standing>>(ranges.size())};
    std::vector<std::uint16_t> found;
    const std::size_t end = std::min((part + 1) * kPart, values_.size());
    for (std::size_t first = part * kPart; first < end; first += kLanes) {
      const std::size_t here = std::min(kLanes, end - first);
      FindBetween(Lanes(values_, first, here), Lanes(codes_, first, here), ranges, share.before,
                  found);
      for (const std::uint16_t lane : found) {
        const Standing one{BoundOf(first + lane), first + lane};
        std::size_t i = 0;
        while (kIsBefore(ranges[i].high, one.bound)) {
          ++i;
        }
        share.people[i].push_back(one);
      }
    }
    return share;
  }

  std::size_t Pick(Range& range, std::size_t place) const {
    const auto at = range.people.begin() + static_cast<std::ptrdiff_t>(place - range.before);
    std::nth_element(
        range.people.begin(), at, range.people.end(), [&](const Standing& a, const Standing& b) {
          if (a.bound.value != b.bound.value || a.bound.code != b.bound.code || keys_ == nullptr) {
            return kIsBefore(a.bound, b.bound);
          }
          return KeyLess(keys_->key(a.person), keys_->key(b.person), keys_->numeric);
        });
    return at->person;
  }

  std::span<const double> values_;
  std::span<const std::uint64_t> codes_;
  const FitKeys* keys_;
  std::size_t size_;
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

// Ranks 1, 2, 3, 4: equal values in the order of the keys.
void FitByKey(const Fifths& fifths, std::span<const double> values, const FitKeys& keys,
              const Places& places, FitHint& hint, LineSet& fitted) {
  fitted.numeric_keys = keys.numeric;
  std::vector<std::size_t> wanted;  // The place of the first person above each line.
  for (const double line : CutLines(fifths, places.size(), [](std::size_t place) {
         return static_cast<double>(place + 1);
       })) {
    const double rank = std::max(1.0, fifths.closed_left ? std::ceil(line) : std::floor(line) + 1);
    if (rank <= static_cast<double>(places.size())) {
      wanted.push_back(static_cast<std::size_t>(rank) - 1);
    }
  }
  // Lines ascend: where nobody is above one, nobody is above those that follow.
  for (const std::size_t person : places.At(wanted, hint)) {
    fitted.at.push_back(values[person]);
    fitted.keys.emplace_back(keys.key(person));
  }
  fitted.at.resize(kQuantiles.size(), kEnd);
  fitted.keys.resize(kQuantiles.size());
}

}  // namespace

LineSet FitLines(const Fifths& fifths, std::span<const double> values, std::size_t have,
                 const FitKeys& keys, FitHint& hint) {
  LineSet fitted;
  const bool by_key = fifths.of_rank && fifths.ties_by_key;
  if (have == 0) {
    return fitted;
  }
  const Places places(values, have, by_key ? &keys : nullptr);
  if (by_key) {
    FitByKey(fifths, values, keys, places, hint, fitted);
  } else if (fifths.of_rank) {
    FitTogether(fifths, values, fitted);
  } else {
    const std::vector<std::size_t> wanted = PlacesOfLines(fifths, places.size());
    const std::vector<std::size_t> people = places.At(wanted, hint);
    fitted.at = CutLines(fifths, places.size(), [&](std::size_t place) {
      const auto at = std::lower_bound(wanted.begin(), wanted.end(), place);
      return values[people[static_cast<std::size_t>(at - wanted.begin())]];
    });
  }
  return fitted;
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
