#include "insights/fit.h"

#include <cmath>
#include <limits>
#include <optional>

#include "base/check.h"
#include "insights/special.h"

namespace segue {
namespace {

// Of the logarithm of a parameter: beyond it the 95 % interval spans a factor of 2500, which is to
// say that the parameter could be anything.
constexpr double kLogErrorMax = 2;
// Further than this from where the search began (a factor of 160 000) a parameter is running to its
// edge.
constexpr double kLogDistanceMax = 12;

}  // namespace

template <std::size_t N>
Estimate<N> MostLikely(const Objective& objective, double people,
                       const std::vector<std::array<double, N>>& starts) {
  SEGUE_CHECK(!starts.empty());
  std::optional<Minimum> best;
  std::array<double, N> origin{};
  int evaluations = 0;
  for (const std::array<double, N>& start : starts) {
    std::vector<double> logs;
    logs.reserve(N);
    for (const double value : start) {
      logs.push_back(std::log(value));
    }
    Minimum found = Minimise(objective, std::move(logs));
    evaluations += found.evaluations;
    if (!best || std::isnan(best->value) || (found.converged && !best->converged) ||
        (found.converged == best->converged && found.value < best->value)) {
      best = std::move(found);
      origin = start;
    }
  }
  Estimate<N> estimate;
  estimate.people = people;
  estimate.evaluations = evaluations;
  estimate.log_likelihood = -best->value * people;
  estimate.converged = best->converged;
  const Matrix inverse = InverseOfPositive(best->curvature);
  estimate.determined = best->converged && inverse.size() == N;
  for (std::size_t i = 0; i < N; ++i) {
    estimate.at[i] = std::exp(best->at[i]);
    estimate.determined = estimate.determined &&
                          std::sqrt(inverse(i, i) / people) <= kLogErrorMax &&
                          std::fabs(best->at[i] - std::log(origin[i])) <= kLogDistanceMax;
  }
  for (std::size_t i = 0; i < N; ++i) {
    // The slope is zero at the optimum, so the second derivatives by a parameter and by its
    // logarithm differ by the factors of the parameters alone.
    for (std::size_t j = 0; j < N; ++j) {
      estimate.covariance[i][j] =
          estimate.determined ? inverse(i, j) / people * estimate.at[i] * estimate.at[j] : kNaN;
    }
    estimate.standard_error[i] = std::sqrt(estimate.covariance[i][i]);
  }
  return estimate;
}

template Estimate<2> MostLikely<2>(const Objective&, double,
                                   const std::vector<std::array<double, 2>>&);
template Estimate<3> MostLikely<3>(const Objective&, double,
                                   const std::vector<std::array<double, 3>>&);
template Estimate<4> MostLikely<4>(const Objective&, double,
                                   const std::vector<std::array<double, 4>>&);

}  // namespace segue
