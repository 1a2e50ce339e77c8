#include "insights/gamma_gamma.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <vector>

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
  return LogGamma(shape + q) - LogGamma(shape) - LogGamma(q) + q * std::log(v) +
         (shape - 1) * std::log(spending.mean) + shape * std::log(x) -
         (shape + q) * std::log(v + spending.mean * x);
}

std::optional<double> GammaGamma::Expected(int purchases, double mean) const {
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

}  // namespace segue
