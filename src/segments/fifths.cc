// Lines learned from the people: quantiles or equal steps, over values or ranks.
//
// Only a few places of the sorted order are asked for, so nothing is sorted but the neighbourhood
// of each: values are counted by their upper bits, which finds the bucket of a place, and only the
// values of that bucket are looked at.

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <map>
#include <optional>

#include "base/check.h"
#include "segments/score.h"

namespace segue {
namespace {

constexpr std::array kQuantiles = {0.2, 0.4, 0.6, 0.8};
constexpr unsigned kBucketBits = 16;

// Numbers in the order of the doubles; minus zero is zero.
std::uint64_t Ordered(double value) {
  const auto bits = std::bit_cast<std::uint64_t>(value + 0.0);
  return (bits >> 63U) != 0 ? ~bits : bits | (std::uint64_t{1} << 63U);
}

// Places of the sorted values, without sorting them all.
class Places {
 public:
  explicit Places(std::span<const double> values)
      : values_(values), counts_((std::size_t{1} << kBucketBits) + 1, 0) {
    for (const double value : values) {
      if (!std::isnan(value)) {
        ++counts_[BucketOf(value) + 1];
      }
    }
    for (std::size_t bucket = 1; bucket < counts_.size(); ++bucket) {
      counts_[bucket] += counts_[bucket - 1];
    }
  }

  std::size_t size() const { return counts_.back(); }

  // The value at a place of the ascending order.  Requires: place < size().
  double At(std::size_t place) {
    const std::size_t bucket = BucketAt(place);
    std::vector<double>& here = Bucket(bucket);
    const auto at = here.begin() + static_cast<std::ptrdiff_t>(place - counts_[bucket]);
    std::nth_element(here.begin(), at, here.end());
    return *at;
  }

  // How many values are smaller.
  std::size_t Less(double value) {
    const std::size_t bucket = BucketOf(value);
    const std::vector<double>& here = Bucket(bucket);
    return counts_[bucket] +
           static_cast<std::size_t>(std::count_if(here.begin(), here.end(),
                                                  [value](double other) { return other < value; }));
  }

  // Looks up the buckets of these places in one pass.
  void Prepare(std::span<const std::size_t> places) {
    std::vector<std::vector<double>*> wanted(counts_.size() - 1, nullptr);
    for (const std::size_t place : places) {
      const std::size_t bucket = BucketAt(place);
      const auto [found, added] = buckets_.try_emplace(bucket);
      if (added) {
        found->second.reserve(counts_[bucket + 1] - counts_[bucket]);
        wanted[bucket] = &found->second;
      }
    }
    for (const double value : values_) {
      std::vector<double>* bucket = std::isnan(value) ? nullptr : wanted[BucketOf(value)];
      if (bucket != nullptr) {
        bucket->push_back(value);
      }
    }
  }

 private:
  static std::size_t BucketOf(double value) {
    return static_cast<std::size_t>(Ordered(value) >> (64U - kBucketBits));
  }

  std::size_t BucketAt(std::size_t place) const {
    const auto above = std::upper_bound(counts_.begin(), counts_.end(), place);
    return static_cast<std::size_t>(above - counts_.begin()) - 1;
  }

  std::vector<double>& Bucket(std::size_t bucket) {
    if (!buckets_.contains(bucket)) {
      const std::size_t place = counts_[bucket];
      Prepare({&place, 1});
    }
    return buckets_.at(bucket);
  }

  std::span<const double> values_;
  std::vector<std::size_t> counts_;  // Values before each bucket.
  std::map<std::size_t, std::vector<double>> buckets_;
};

// The places that CutLines asks for.  Requires: size > 0.
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
    fitted.at.push_back(first == ranks.end()
                            ? std::numeric_limits<double>::infinity()
                            : sorted[static_cast<std::size_t>(first - ranks.begin())]);
  }
}

// Among those who have this value, who stands at `place` in the order of the keys.
std::size_t Tied(std::vector<std::size_t>& people, std::size_t place, const FitKeys& keys) {
  const auto at = people.begin() + static_cast<std::ptrdiff_t>(place);
  std::nth_element(people.begin(), at, people.end(), [&](std::size_t a, std::size_t b) {
    if (!keys.codes.empty() && keys.codes[a] != keys.codes[b]) {
      return keys.codes[a] < keys.codes[b];
    }
    return KeyLess(keys.key(a), keys.key(b), keys.numeric);
  });
  return *at;
}

// Ranks 1, 2, 3, 4: equal values in the order of the keys.
void FitByKey(const Fifths& fifths, std::span<const double> values, const FitKeys& keys,
              Places& places, LineSet& fitted) {
  fitted.numeric_keys = keys.numeric;
  std::vector<std::optional<std::size_t>> above;  // The place of the first person above each line.
  std::vector<std::size_t> wanted;
  for (const double line : CutLines(fifths, places.size(), [](std::size_t place) {
         return static_cast<double>(place + 1);
       })) {
    const double rank = std::max(1.0, fifths.closed_left ? std::ceil(line) : std::floor(line) + 1);
    const bool nobody = rank > static_cast<double>(places.size());
    above.push_back(nobody ? std::nullopt : std::optional(static_cast<std::size_t>(rank) - 1));
    if (!nobody) {
      wanted.push_back(*above.back());
    }
  }
  places.Prepare(wanted);
  for (const std::optional<std::size_t>& place : above) {
    fitted.at.push_back(place ? places.At(*place) : std::numeric_limits<double>::infinity());
  }
  std::vector<std::vector<std::size_t>> tied(fitted.at.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    for (std::size_t line = 0; line < fitted.at.size(); ++line) {
      if (values[i] == fitted.at[line]) {
        tied[line].push_back(i);
      }
    }
  }
  for (std::size_t line = 0; line < fitted.at.size(); ++line) {
    fitted.keys.emplace_back(
        above[line] ? keys.key(Tied(tied[line], *above[line] - places.Less(fitted.at[line]), keys))
                    : std::string_view());
  }
}

}  // namespace

LineSet FitLines(const Fifths& fifths, std::span<const double> values, const FitKeys& keys) {
  LineSet fitted;
  Places places(values);
  if (places.size() == 0) {
    return fitted;
  }
  if (fifths.of_rank && fifths.ties_by_key) {
    FitByKey(fifths, values, keys, places, fitted);
  } else if (fifths.of_rank) {
    FitTogether(fifths, values, fitted);
  } else {
    places.Prepare(PlacesOfLines(fifths, places.size()));
    fitted.at =
        CutLines(fifths, places.size(), [&](std::size_t place) { return places.At(place); });
  }
  return fitted;
}

LineSet FitFifths(const Fifths& fifths, std::span<const double> values,
                  std::span<const std::string> keys) {
  SEGUE_CHECK(!fifths.of_rank || !fifths.ties_by_key || keys.size() == values.size());
  FitKeys all;
  all.numeric = !keys.empty() && std::all_of(keys.begin(), keys.end(), IsWholeKey);
  all.key = [&](std::size_t i) { return std::string_view(keys[i]); };
  return FitLines(fifths, values, all);
}

}  // namespace segue
