// Fit: the outcome of a maximum-likelihood fit of a model with N parameters, all of them positive.
//
// The search runs over logarithms of the parameters, which keeps them positive, and over the mean
// log-likelihood per person, which keeps its tolerances independent of the size of the base.

#pragma once

#include <array>
#include <cstddef>

#include "base/result.h"
#include "insights/minimise.h"

namespace segue {

template <std::size_t N>
struct Estimate {
  std::array<double, N> at{};
  std::array<double, N> standard_error{};             // NaN where the data do not say.
  std::array<std::array<double, N>, N> covariance{};  // Likewise.
  double log_likelihood = 0;
  double people = 0;
  int evaluations = 0;
  bool converged = false;  // The slope is flat.
  bool determined =
      false;  // And there is one highest point: every parameter has an error that means something.
};

// Searches from each start in turn and keeps the best; `objective` is the mean negative
// log-likelihood over the logarithms of the parameters.
template <std::size_t N>
Estimate<N> MostLikely(const Objective& objective, double people,
                       const std::vector<std::array<double, N>>& starts);

extern template Estimate<2> MostLikely<2>(const Objective&, double,
                                          const std::vector<std::array<double, 2>>&);
extern template Estimate<3> MostLikely<3>(const Objective&, double,
                                          const std::vector<std::array<double, 3>>&);
extern template Estimate<4> MostLikely<4>(const Objective&, double,
                                          const std::vector<std::array<double, 4>>&);

}  // namespace segue
