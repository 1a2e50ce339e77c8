#include "insights/customer_value.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include <fmt/format.h>

#include "insights/special.h"

namespace segue {
namespace {

constexpr double kLogStep = 1e-4;  // Of central differences by the logarithm of a parameter.

std::optional<double> Finite(double value) {
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

// The variance of ln f that comes from the errors of N parameters.
template <std::size_t N>
double LogVariance(const Estimate<N>& estimate,
                   const std::function<double(const std::array<double, N>&)>& log_of) {
  std::array<double, N> slope{};
  for (std::size_t i = 0; i < N; ++i) {
    if (estimate.at[i] == 0) {
      continue;  // It was not estimated: nobody leaves.
    }
    std::array<double, N> up = estimate.at, down = estimate.at;
    up[i] *= std::exp(kLogStep);
    down[i] *= std::exp(-kLogStep);
    slope[i] = (log_of(up) - log_of(down)) / (2 * kLogStep * estimate.at[i]);
  }
  double variance = 0;
  for (std::size_t i = 0; i < N; ++i) {
    for (std::size_t j = 0; j < N; ++j) {
      variance += slope[i] * slope[j] * estimate.covariance[i][j];
    }
  }
  return variance;
}

}  // namespace

CustomerScores ScoreCustomer(const BgNbd& model, const GammaGamma* spending,
                             const Customer& customer, std::optional<double> horizon) {
  CustomerScores scores;
  if (!IsPossible(customer.history)) {
    return scores;
  }
  if (!model.nobody_leaves()) {
    scores.alive = Finite(model.Alive(customer.history));
  }
  if (scores.alive && customer.history.repeats > 0) {
    scores.churn_risk = 1 - *scores.alive;
  }
  if (horizon) {
    scores.expected_orders = Finite(model.Expected(customer.history, *horizon));
  }
  if (spending != nullptr && customer.mean_spend >= 0) {
    scores.expected_spend = spending->Expected(customer.money_days, customer.mean_spend);
  }
  if (scores.expected_orders && scores.expected_spend) {
    scores.lifetime_value = Finite(*scores.expected_orders * *scores.expected_spend);
  }
  return scores;
}

double DiscountedOrders(const BgNbd& model, const History& history, double horizon,
                        const Discount& discount) {
  if (discount.rate == 0) {
    return model.Expected(history, horizon);
  }
  double sum = 0, before = 0, factor = 1;
  for (int step = 1; before < horizon; ++step) {
    const double until = std::min(step * discount.step, horizon);
    factor /= 1 + discount.rate;
    sum += factor * (model.Expected(history, until) - model.Expected(history, before));
    before = until;
  }
  return sum;
}

std::optional<ValueInterval> LifetimeValue(const BgNbdFit& fit, const GammaGammaFit& spending,
                                           const Customer& customer, double horizon) {
  const CustomerScores scores = ScoreCustomer(fit.model, &spending.model, customer, horizon);
  if (!scores.lifetime_value || !fit.estimate.determined || !spending.estimate.determined) {
    return std::nullopt;
  }
  const double orders = LogVariance<4>(fit.estimate, [&](const std::array<double, 4>& at) {
    const BgNbd model{.r = at[0], .alpha = at[1], .a = at[2], .b = at[3]};
    return std::log(model.Expected(customer.history, horizon));
  });
  const double spend = LogVariance<3>(spending.estimate, [&](const std::array<double, 3>& at) {
    const GammaGamma model{.p = at[0], .q = at[1], .v = at[2]};
    return std::log(model.Expected(customer.money_days, customer.mean_spend).value_or(NAN));
  });
  const double factor = std::exp(kNormal95 * std::sqrt(orders + spend));
  const ValueInterval interval{.value = *scores.lifetime_value,
                               .low = *scores.lifetime_value / factor,
                               .high = *scores.lifetime_value * factor};
  if (!std::isfinite(interval.low) || !std::isfinite(interval.high)) {
    return std::nullopt;
  }
  return interval;
}

std::vector<std::string> ExplainRisk(const BgNbd& model, const History& h, double horizon) {
  std::vector<std::string> lines;
  if (h.repeats == 0) {
    lines.push_back(fmt::format("no data: one purchase day only, {:.0f} days ago", h.observed));
    return lines;
  }
  const double gap = h.last / h.repeats, silent = h.observed - h.last, alive = model.Alive(h);
  lines.push_back(model.nobody_leaves()
                      ? "no risk: nobody of this base can be told to have left"
                      : fmt::format("risk {:.0f} of 100", std::round(100 * (1 - alive))));
  lines.push_back(
      fmt::format("bought on {} days, {:.0f} days apart on average", h.repeats + 1, gap));
  lines.push_back(
      fmt::format("silent for {:.0f} days, {:.1f} of those gaps", silent, silent / gap));
  if (!model.nobody_leaves()) {
    const History fresh{.repeats = h.repeats, .last = h.last, .observed = h.last};
    // The three as they are printed add up.
    const double before = std::round(100 * (1 - model.Alive(fresh)));
    lines.push_back(fmt::format(
        "on the day of the last purchase the risk was {:.0f}; the silence since added {:.0f}",
        before, std::round(100 * (1 - alive)) - before));
  }
  lines.push_back(
      fmt::format("expected in the next {:.0f} days: {:.2f} orders, and {} to {} with 95 %",
                  horizon, model.Expected(h, horizon), OrdersQuantile(model, h, horizon, 0.025),
                  OrdersQuantile(model, h, horizon, 0.975)));
  return lines;
}

}  // namespace segue
