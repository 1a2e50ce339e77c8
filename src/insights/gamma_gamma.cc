#include "insights/gamma_gamma.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <tuple>
#include <vector>

#include "base/check.h"
#include "insights/special.h"

namespace segue {
namespace {

struct Group {
  int purchases = 0;
  double log_mean = 0, total = 0;  // Of the mean; mean times purchases.
  double people = 0;
};

std::vector<Group> GroupSpending(std::span<const Spending> all) {
  std::vector<Spending> sorted;
  for (const Spending& one : all) {
    if (one.purchases > 0 && one.mean > 0 && std::isfinite(one.mean)) {
      sorted.push_back(one);
    }
  }
  const auto key = [](const Spending& s) { return std::tuple(s.purchases, s.mean); };
  std::sort(sorted.begin(), sorted.end(),
            [&](const Spending& a, const Spending& b) { return key(a) < key(b); });
  std::vector<Group> groups;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    if (i == 0 || key(sorted[i]) != key(sorted[i - 1])) {
      groups.push_back({.purchases = sorted[i].purchases,
                        .log_mean = std::log(sorted[i].mean),
                        .total = sorted[i].mean * sorted[i].purchases,
                        .people = 0});
    }
    groups.back().people += 1;
  }
  return groups;
}

double Objective3(const std::vector<Group>& groups, double people, std::span<const double> logs,
                  std::span<double> gradient) {
  const GammaGamma m{.p = std::exp(logs[0]), .q = std::exp(logs[1]), .v = std::exp(logs[2])};
  const double log_gamma_q = LogGamma(m.q), digamma_q = Digamma(m.q);
  double sum = 0, gamma = 0, slope_p = 0, slope_pq = 0;
  int purchases = 0;  // Whose gammas those are: the groups stand in ascending order of it.
  std::fill(gradient.begin(), gradient.end(), 0.0);
  for (const Group& group : groups) {
    const double x = group.purchases;
    if (group.purchases != purchases) {
      purchases = group.purchases;
      gamma = LogGamma(m.p * x + m.q) - LogGamma(m.p * x) - log_gamma_q;
      slope_p = Digamma(m.p * x);
      slope_pq = Digamma(m.p * x + m.q);
    }
    const double log_x = std::log(x), log_all = std::log(m.v + group.total);
    sum += group.people * (gamma + m.q * logs[2] + (m.p * x - 1) * group.log_mean +
                           m.p * x * log_x - (m.p * x + m.q) * log_all);
    gradient[0] += group.people * x * (slope_pq - slope_p + group.log_mean + log_x - log_all);
    gradient[1] += group.people * (slope_pq - digamma_q + logs[2] - log_all);
    gradient[2] += group.people * (m.q / m.v - (m.p * x + m.q) / (m.v + group.total));
  }
  const double parameters[] = {m.p, m.q, m.v};
  for (std::size_t i = 0; i < 3; ++i) {
    gradient[i] *= -parameters[i] / people;
  }
  return -sum / people;
}

}  // namespace

double GammaGamma::LogLikelihood(const Spending& spending) const {
  const double x = spending.purchases, shape = p * x;
  if (all_alike()) {
    return shape * std::log(shape / v) - LogGamma(shape) + (shape - 1) * std::log(spending.mean) -
           shape * spending.mean / v;
  }
  return LogGamma(shape + q) - LogGamma(shape) - LogGamma(q) + q * std::log(v) +
         (shape - 1) * std::log(spending.mean) + shape * std::log(x) -
         (shape + q) * std::log(v + spending.mean * x);
}

std::optional<double> GammaGamma::Expected(int purchases, double mean) const {
  if (all_alike()) {
    return v;
  }
  const double degrees = p * purchases + q - 1;
  const double expected = p * (v + purchases * mean) / degrees;
  if (!(degrees > 0) || !std::isfinite(expected)) {
    return std::nullopt;
  }
  return expected;
}

Result<GammaGammaFit> FitGammaGamma(std::span<const Spending> all, const GammaGamma* start) {
  const std::vector<Group> groups = GroupSpending(all);
  double people = 0, mean = 0;
  for (const Group& group : groups) {
    people += group.people;
    mean += group.people * group.total / group.purchases;
  }
  if (groups.empty()) {
    return Error("nobody has bought again for money");
  }
  mean /= people;
  // The likelihood has a long flat ridge (p and v rise together as q falls), so the search starts
  // on both sides.
  std::vector<std::array<double, 3>> starts;
  if (start != nullptr) {
    starts.push_back({start->p, start->q, start->v});
  } else {
    starts.push_back({5, 4, mean * 3 / 5});
    starts.push_back({1, 2, mean});
    starts.push_back({20, 8, mean * 7 / 20});
  }
  GammaGammaFit fit;
  fit.estimate = MostLikely<3>(
      [&](std::span<const double> at, std::span<double> gradient) {
        return Objective3(groups, people, at, gradient);
      },
      people, starts);
  fit.model = {.p = fit.estimate.at[0], .q = fit.estimate.at[1], .v = fit.estimate.at[2]};
  return fit;
}

GammaGammaFit FitAllAlike(std::span<const Spending> all) {
  const std::vector<Group> groups = GroupSpending(all);
  double people = 0, purchases = 0, total = 0, squares = 0;
  for (const Group& group : groups) {
    people += group.people;
    purchases += group.people * group.purchases;
    total += group.people * group.total;
  }
  SEGUE_CHECK(people > 0);
  const double mean = total / purchases;
  for (const Group& group : groups) {
    const double off = group.total / group.purchases - mean;
    squares += group.people * off * off;
  }
  GammaGammaFit fit;
  fit.model = {.p = 0, .q = 0, .v = mean};
  fit.estimate.at = {0, 0, mean};
  fit.estimate.people = people;
  fit.estimate.converged = fit.estimate.determined = true;
  if (squares <= 1e-18 * people * mean * mean) {
    return fit;  // One price for everybody: no scatter, and nothing that it could be uncertain by.
  }
  const auto likelihood = [&](std::span<const double> logs, std::span<double> gradient) {
    const double p = std::exp(logs[0]), m = std::exp(logs[1]);
    double sum = 0;
    gradient[0] = gradient[1] = 0;
    for (const Group& group : groups) {
      const double x = group.purchases, shape = p * x, over = group.total / m;
      sum += group.people * (shape * (std::log(shape) - logs[1]) - LogGamma(shape) +
                             (shape - 1) * group.log_mean - p * over);
      gradient[0] -= group.people * p *
                     (x * (std::log(shape) + 1 - logs[1] - Digamma(shape) + group.log_mean) - over);
      gradient[1] -= group.people * p * (over - x);
    }
    gradient[0] /= people;
    gradient[1] /= people;
    return -sum / people;
  };
  const double spread = squares / people / (mean * mean) * purchases / people;
  const Estimate<2> found = MostLikely<2>(likelihood, people, {{1 / spread, mean}, {5, mean}});
  fit.model = {.p = found.at[0], .q = 0, .v = found.at[1]};
  fit.estimate.at = {found.at[0], 0, found.at[1]};
  constexpr std::array<std::size_t, 2> kPlace = {0, 2};
  for (std::size_t i = 0; i < 2; ++i) {
    fit.estimate.standard_error[kPlace[i]] = found.standard_error[i];
    for (std::size_t j = 0; j < 2; ++j) {
      fit.estimate.covariance[kPlace[i]][kPlace[j]] = found.covariance[i][j];
    }
  }
  fit.estimate.log_likelihood = found.log_likelihood;
  fit.estimate.evaluations = found.evaluations;
  fit.estimate.converged = found.converged;
  fit.estimate.determined = found.determined;
  return fit;
}

}  // namespace segue
