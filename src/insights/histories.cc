#include "insights/histories.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include <fmt/format.h>

namespace segue {
namespace {

auto Key(const History& history) {
  return std::tuple(history.repeats, history.last, history.observed);
}

template <typename T>
void SortDistinct(std::vector<T>& all) {
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
}

template <typename T>
std::int32_t PlaceOf(const std::vector<T>& sorted, T value) {
  return static_cast<std::int32_t>(std::lower_bound(sorted.begin(), sorted.end(), value) -
                                   sorted.begin());
}

}  // namespace

bool operator==(const History& a, const History& b) {
  return Key(a) == Key(b);
}

bool IsPossible(const History& history) {
  return history.repeats >= 0 && std::isfinite(history.observed) && history.last >= 0 &&
         history.last <= history.observed && (history.repeats > 0) == (history.last > 0);
}

Result<Histories> Histories::Group(std::span<const History> all) {
  if (all.empty()) {
    return Error("there is nobody with a purchase");
  }
  std::vector<History> sorted(all.begin(), all.end());
  for (const History& history : sorted) {
    if (!IsPossible(history)) {
      return Error(fmt::format(
          "a purchase history is impossible: {} repeats, the last at {}, observed for {}",
          history.repeats, history.last, history.observed));
    }
  }
  std::sort(sorted.begin(), sorted.end(),
            [](const History& a, const History& b) { return Key(a) < Key(b); });
  Histories grouped;
  // The rows are in order, so distinct ones stand together; only times have to be sorted on their
  // own.
  std::vector<History> distinct;
  std::vector<double> counts;
  for (const History& history : sorted) {
    if (distinct.empty() || !(distinct.back() == history)) {
      distinct.push_back(history);
      counts.push_back(0);
      grouped.times_.push_back(history.last);
      grouped.times_.push_back(history.observed);
    }
    counts.back() += 1;
  }
  SortDistinct(grouped.times_);
  for (std::size_t i = 0; i < distinct.size(); ++i) {
    const History& history = distinct[i];
    if (grouped.repeats_.empty() || grouped.repeats_.back() != history.repeats) {
      grouped.repeats_.push_back(history.repeats);
      grouped.people_of_repeats_.push_back(0);
    }
    grouped.people_of_repeats_.back() += counts[i];
    grouped.rows_.push_back({.repeats = static_cast<std::int32_t>(grouped.repeats_.size() - 1),
                             .last = PlaceOf(grouped.times_, history.last),
                             .observed = PlaceOf(grouped.times_, history.observed),
                             .people = counts[i]});
    grouped.people_ += counts[i];
    grouped.mean_observed_ += counts[i] * history.observed;
    grouped.mean_repeats_ += counts[i] * history.repeats;
  }
  grouped.mean_observed_ /= grouped.people_;
  grouped.mean_repeats_ /= grouped.people_;
  return grouped;
}

History Histories::Get(const Row& row) const {
  return {.repeats = repeats_[static_cast<std::size_t>(row.repeats)],
          .last = times_[static_cast<std::size_t>(row.last)],
          .observed = times_[static_cast<std::size_t>(row.observed)]};
}

}  // namespace segue
