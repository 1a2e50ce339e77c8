#include "insights/funnel.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace segue {
namespace {

// The linear (type 7) quantile of sorted numbers, which are not empty.
double Quantile(const std::vector<double>& sorted, double share) {
  const double at = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(std::floor(at));
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - std::floor(at)) * (sorted[above] - sorted[below]);
}

void Time(std::vector<double> took, FunnelStage& stage) {
  stage.timed = static_cast<double>(took.size());
  if (took.empty()) {
    return;
  }
  std::sort(took.begin(), took.end());
  stage.quarter = Quantile(took, 0.25);
  stage.median = Quantile(took, 0.5);
  stage.three_quarters = Quantile(took, 0.75);
}

}  // namespace

std::vector<FunnelStage> Funnel(const std::vector<FunnelPath>& paths, std::size_t stages,
                                std::optional<int> segment) {
  std::vector<FunnelStage> funnel(stages);
  std::vector<std::vector<double>> took(stages);
  for (const FunnelPath& path : paths) {
    SEGUE_CHECK(path.reached.size() == stages);
    if (segment && path.segment != *segment) {
      continue;
    }
    bool later = false;
    for (std::size_t i = stages; i-- > 0;) {
      later = later || path.reached[i].has_value();
      funnel[i].people += later ? 1 : 0;
      if (i > 0 && path.reached[i] && path.reached[i - 1] &&
          *path.reached[i] >= *path.reached[i - 1]) {
        took[i].push_back(*path.reached[i] - *path.reached[i - 1]);
      }
    }
  }
  for (std::size_t i = 0; i < stages; ++i) {
    FunnelStage& stage = funnel[i];
    const double first = funnel[0].people, previous = i == 0 ? first : funnel[i - 1].people;
    stage.from_first = first > 0 ? stage.people / first : 0;
    stage.from_previous = previous > 0 ? stage.people / previous : 0;
    stage.from_first_interval = ShareInterval(stage.people, first);
    stage.from_previous_interval = ShareInterval(stage.people, previous);
    Time(std::move(took[i]), stage);
  }
  return funnel;
}

}  // namespace segue
