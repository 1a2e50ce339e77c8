// Funnel: how many people came how far, and how long it took.
//
// Stages stand in order.  Who is in a later stage counts in the earlier ones, whether or not those
// were seen.

#pragma once

#include <optional>
#include <vector>

#include "insights/uplift.h"

namespace segue {

// One person: when each stage was first reached, in any unit; nothing where it was not.  As many as
// there are stages.
struct FunnelPath {
  std::vector<std::optional<double>> reached;
  int segment = -1;  // By which the funnel can be split.
};

struct FunnelStage {
  double people = 0;
  double from_first = 0, from_previous = 0;              // Shares; 1 in the first stage.
  Interval from_first_interval, from_previous_interval;  // Wilson, 95 %.
  // How long it took from the stage before, over those of whom both times are known and in that
  // order.  People who have not come on yet are not among them, so a young base looks quicker than
  // it is.
  double timed = 0;
  std::optional<double> quarter, median, three_quarters;
};

// The stages of everybody, or of one segment.
std::vector<FunnelStage> Funnel(const std::vector<FunnelPath>& paths, std::size_t stages,
                                std::optional<int> segment = std::nullopt);

}  // namespace segue
