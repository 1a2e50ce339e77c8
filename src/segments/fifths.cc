// Lines learned from the people: quantiles or equal steps, over values or ranks.

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/check.h"
#include "segments/score.h"

namespace segue {
namespace {

constexpr std::array kQuantiles = {0.2, 0.4, 0.6, 0.8};

// `sorted` is ascending and not empty.
std::vector<double> CutLines(const Fifths& fifths, const std::vector<double>& sorted) {
  std::vector<double> lines;
  const std::size_t last = sorted.size() - 1;
  for (std::size_t k = 0; k < kQuantiles.size(); ++k) {
    double line = 0;
    if (fifths.equal_width) {
      line = sorted[0] + static_cast<double>(k + 1) * (sorted[last] - sorted[0]) / 5;
    } else {
      const double h = static_cast<double>(last) * kQuantiles[k];
      const auto i = static_cast<std::size_t>(std::floor(h));
      line =
          i >= last ? sorted[last] : sorted[i] + (h - std::floor(h)) * (sorted[i + 1] - sorted[i]);
    }
    lines.push_back(line + fifths.add);
  }
  return lines;
}

// 1, 2, 2, 4 for ties together; 1, 2, 3, 4 for ties by key.
std::vector<double> Ranks(const Fifths& fifths, const std::vector<double>& sorted) {
  std::vector<double> ranks(sorted.size());
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    const bool tie = !fifths.ties_by_key && i > 0 && sorted[i] == sorted[i - 1];
    ranks[i] = tie ? ranks[i - 1] : static_cast<double>(i + 1);
  }
  return ranks;
}

}  // namespace

LineSet FitFifths(const Fifths& fifths, std::span<const double> values,
                  std::span<const std::string> keys) {
  LineSet fitted;
  if (values.empty()) {
    return fitted;
  }
  const bool by_key = fifths.of_rank && fifths.ties_by_key;
  SEGUE_CHECK(!by_key || keys.size() == values.size());
  std::vector<double> sorted(values.begin(), values.end());
  std::vector<std::size_t> order;  // Only where keys matter: it is the larger part of the memory.
  if (by_key) {
    fitted.numeric_keys = std::all_of(keys.begin(), keys.end(), IsWholeKey);
    order.resize(values.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return values[a] != values[b] ? values[a] < values[b]
                                    : KeyLess(keys[a], keys[b], fitted.numeric_keys);
    });
  }
  std::sort(sorted.begin(), sorted.end());
  if (!fifths.of_rank) {
    fitted.at = CutLines(fifths, sorted);
    return fitted;
  }
  const std::vector<double> ranks = Ranks(fifths, sorted);
  for (const double line : CutLines(fifths, ranks)) {
    const auto above = [&](double rank) { return fifths.closed_left ? rank >= line : rank > line; };
    const auto first = std::find_if(ranks.begin(), ranks.end(), above);
    const auto i = static_cast<std::size_t>(first - ranks.begin());
    const bool nobody = first == ranks.end();
    fitted.at.push_back(nobody ? std::numeric_limits<double>::infinity() : sorted[i]);
    if (by_key) {
      fitted.keys.push_back(nobody ? std::string() : keys[order[i]]);
    }
  }
  return fitted;
}

}  // namespace segue
