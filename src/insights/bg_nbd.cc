#include "insights/bg_nbd.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "insights/special.h"

namespace segue {
namespace {

// The search in the mean negative log-likelihood, in tables of what depends on one number alone.
class Likelihood {
 public:
  explicit Likelihood(const Histories& histories)
      : histories_(histories),
        by_time_(histories.times().size()),
        by_count_(histories.repeats().size()) {}

  // As an Objective: `logs` are those of r, alpha, a, b.
  double operator()(std::span<const double> logs, std::span<double> gradient) {
    const BgNbd model{.r = std::exp(logs[0]),
                      .alpha = std::exp(logs[1]),
                      .a = std::exp(logs[2]),
                      .b = std::exp(logs[3])};
    FillTimes(model);
    double sum = FillCounts(model, gradient);
    double by_alpha = 0, by_r = 0, by_a = 0;
    for (const Histories::Row& row : histories_.rows()) {
      const ByCount& count = by_count_[static_cast<std::size_t>(row.repeats)];
      const ByTime& end = by_time_[static_cast<std::size_t>(row.observed)];
      const ByTime& last = by_time_[static_cast<std::size_t>(row.last)];
      // The two ways to this history: alive at the end, or gone after the last purchase.
      double stay = 1, log_sum = 0;
      if (count.repeats > 0) {
        const double gone = count.log_gone + count.power * (end.log - last.log);
        const double small = std::exp(-std::fabs(gone));
        stay = gone > 0 ? small / (1 + small) : 1 / (1 + small);
        log_sum = std::max(gone, 0.0) + std::log1p(small);
      }
      sum += row.people * (log_sum - count.power * end.log);
      const double mean_log = stay * end.log + (1 - stay) * last.log;
      by_r -= row.people * mean_log;
      by_alpha -= row.people * count.power * (stay * end.inverse + (1 - stay) * last.inverse);
      by_a += row.people * (1 - stay);
      by_b_[static_cast<std::size_t>(row.repeats)] += row.people * (1 - stay);
    }
    gradient[0] += by_r;
    gradient[1] += by_alpha;
    gradient[2] += by_a / model.a;
    for (std::size_t i = 0; i < by_count_.size(); ++i) {
      if (by_count_[i].repeats > 0) {
        gradient[3] -= by_b_[i] / (model.b + by_count_[i].repeats - 1);
      }
    }
    const double scale = -1 / histories_.people();
    const double parameters[] = {model.r, model.alpha, model.a, model.b};
    for (std::size_t i = 0; i < 4; ++i) {
      gradient[i] *= scale * parameters[i];
    }
    return scale * sum;
  }

 private:
  struct ByTime {
    double log = 0, inverse = 0;  // Of alpha + time.
  };

  struct ByCount {
    double repeats = 0, power = 0, log_gone = 0;
  };

  void FillTimes(const BgNbd& model) {
    for (std::size_t i = 0; i < by_time_.size(); ++i) {
      const double time = model.alpha + histories_.times()[i];
      by_time_[i] = {.log = std::log(time), .inverse = 1 / time};
    }
  }

  // The terms that depend on the count alone (A1 and A2 of FHL, section 4), with their gradient.
  double FillCounts(const BgNbd& m, std::span<double> gradient) {
    std::fill(gradient.begin(), gradient.end(), 0.0);
    by_b_.assign(by_count_.size(), 0.0);
    double sum = 0;
    double rise_r = 0, rise_b = 0, rise_ab = 0;
    double slope_r = 0, slope_b = 0, slope_ab = 0;
    int before = 0;
    for (std::size_t i = 0; i < by_count_.size(); ++i) {
      const int x = histories_.repeats()[i], more = x - before;
      rise_r += LogRise(m.r + before, more);
      rise_b += LogRise(m.b + before, more);
      rise_ab += LogRise(m.a + m.b + before, more);
      slope_r += DigammaRise(m.r + before, more);
      slope_b += DigammaRise(m.b + before, more);
      slope_ab += DigammaRise(m.a + m.b + before, more);
      before = x;
      by_count_[i] = {.repeats = static_cast<double>(x),
                      .power = m.r + x,
                      .log_gone = x > 0 ? std::log(m.a) - std::log(m.b + x - 1) : 0};
      const double people = histories_.people_of_repeats()[i];
      sum += people * (rise_r + rise_b - rise_ab + m.r * std::log(m.alpha));
      gradient[0] += people * (slope_r + std::log(m.alpha));
      gradient[1] += people * m.r / m.alpha;
      gradient[2] -= people * slope_ab;
      gradient[3] += people * (slope_b - slope_ab);
    }
    return sum;
  }

  const Histories& histories_;
  std::vector<ByTime> by_time_;
  std::vector<ByCount> by_count_;
  std::vector<double> by_b_;
};

// Σ of (the number of survived purchases below n) · P(N = n), for rates r over t with u = t /
// alpha: the sum of bg_nbd.h taken by the value of N.  Scaled by the sum of the chances, so that
// none of them can underflow.
double ExpectedBySum(double r, double u, double a, double b) {
  const double z = u / (1 + u);
  double chance = 1, all = 1;        // Of N = n, and of N <= n, both but for one factor.
  double survive = 1, survived = 0;  // (b)_n / (a + b)_n, and its sum below n.
  double sum = 0;
  for (int n = 0;; ++n) {
    const double ratio = (r + n) / (n + 1) * z;
    survived += survive;
    survive *= (b + n) / (a + b + n);
    chance *= ratio;
    all += chance;
    sum += chance * survived;
    if (ratio < 1) {
      // The ratio falls from here on when r > 1 and rises towards z otherwise: the rest is below a
      // geometric series.
      const double q = std::max(ratio, z);
      if (chance * (survived + 1 / (1 - q)) / (1 - q) <= 1e-16 * sum) {
        return sum / all;
      }
    }
    if (all > 1e250) {
      chance *= 1e-250;
      all *= 1e-250;
      sum *= 1e-250;
    }
  }
}

// The same as the mean over p of (1 - (1 + p·u)^-r) / p (FHL, the step before equation 9), by the
// trapezoid rule over the logit of p, which converges geometrically for such integrands.  For
// horizons so long that the sum would be.
double ExpectedByIntegral(double r, double u, double a, double b) {
  const double mode = std::log(a / b);
  const double deviation = std::sqrt(1 / a + 1 / b + 1 / (a * a) + 1 / (b * b));
  const auto purchases = [r, u](double p) {
    const double scaled = p * u;
    return scaled < 1e-17 ? r * u : -std::expm1(-r * std::log1p(scaled)) / p;
  };
  // Beyond these ends the integrand is a plain exponential, whose rest is known.
  const double left = -40 - std::log1p(r * u + u + a + b);
  const double right = 40 + std::log1p(a + b);
  const double step = std::min(0.2, 0.5 * deviation);
  const double top = -a * LogOnePlusExp(-mode) - b * LogOnePlusExp(mode);
  double weights = 0, sum = 0;
  const auto add = [&](double y, double factor) {
    const double log_p = -LogOnePlusExp(-y), log_q = -LogOnePlusExp(y);
    const double weight = factor * std::exp(a * log_p + b * log_q - top);
    weights += weight;
    sum += weight * purchases(std::exp(log_p));
  };
  const double from = std::max(left, mode - 12 * deviation - 45 / a);
  const double to = std::min(right, mode + 12 * deviation + 45 / b);
  const int steps = static_cast<int>(std::ceil((to - from) / step));
  const double width = (to - from) / steps;
  for (int i = 1; i < steps; ++i) {
    add(from + i * width, 1);
  }
  // The points beyond the ends are a geometric series each.
  add(from, -1 / std::expm1(-a * width));
  add(from + steps * width, -1 / std::expm1(-b * width));
  return sum / weights;
}

double ExpectedWhileAlive(double r, double u, double a, double b) {
  if (!(u > 0)) {
    return 0;
  }
  if (a == 0) {
    return r * u;
  }
  // As many terms as the count of a customer who never leaves can be.
  const double terms = r * u + 10 * std::sqrt(r * u * (1 + u)) + 40 * (1 + u);
  return terms < 4000 ? ExpectedBySum(r, u, a, b) : ExpectedByIntegral(r, u, a, b);
}

// FHL, equation 8.
double ChanceWhileAlive(const BgNbd& m, int n, double t) {
  if (n < 0) {
    return 0;
  }
  if (!(t > 0)) {
    return n == 0 ? 1 : 0;
  }
  const double log_z = -std::log1p(m.alpha / t), log_rest = -std::log1p(t / m.alpha);
  const double log_survive = LogRise(m.b, n) - LogRise(m.a + m.b, n);
  double chance =
      std::exp(log_survive + LogRise(m.r, n) - LogFactorial(n) + m.r * log_rest + n * log_z);
  if (n > 0) {
    const double leave = std::exp(LogRise(m.b, n - 1) - LogRise(m.a + m.b, n)) * m.a;
    chance += leave * BetaFraction(n, m.r, std::exp(log_z));
  }
  return std::min(chance, 1.0);
}

BgNbd After(const BgNbd& m, const History& h) {
  return {.r = m.r + h.repeats, .alpha = m.alpha + h.observed, .a = m.a, .b = m.b + h.repeats};
}

// ln of (gone after the last purchase) / (still here).
double LogGone(const BgNbd& m, const History& h) {
  return std::log(m.a) - std::log(m.b + h.repeats - 1) +
         (m.r + h.repeats) * std::log((m.alpha + h.observed) / (m.alpha + h.last));
}

}  // namespace

double BgNbd::LogLikelihood(const History& h) const {
  const double common = LogRise(r, h.repeats) + r * std::log(alpha) + LogRise(b, h.repeats) -
                        LogRise(a + b, h.repeats) - (r + h.repeats) * std::log(alpha + h.observed);
  return h.repeats == 0 ? common : common + LogOnePlusExp(LogGone(*this, h));
}

double BgNbd::Alive(const History& h) const {
  return h.repeats == 0 ? 1 : 1 / (1 + std::exp(LogGone(*this, h)));
}

double BgNbd::ExpectedNew(double t) const {
  return ExpectedWhileAlive(r, t / alpha, a, b);
}

double BgNbd::Expected(const History& h, double t) const {
  const BgNbd after = After(*this, h);
  return Alive(h) * ExpectedWhileAlive(after.r, t / after.alpha, after.a, after.b);
}

double BgNbd::Chance(int n, double t) const {
  return ChanceWhileAlive(*this, n, t);
}

double BgNbd::Chance(const History& h, int n, double t) const {
  const double alive = Alive(h);
  return alive * ChanceWhileAlive(After(*this, h), n, t) + (n == 0 ? 1 - alive : 0);
}

double LogLikelihood(const BgNbd& model, const Histories& histories) {
  double gradient[4];
  const double logs[] = {std::log(model.r), std::log(model.alpha), std::log(model.a),
                         std::log(model.b)};
  return -histories.people() * Likelihood(histories)(logs, gradient);
}

BgNbdFit FitBgNbd(const Histories& histories, const BgNbd* start) {
  // Somebody who buys at the mean rate, with half or a twentieth of the customers lost at each
  // purchase.
  const double span = std::max(histories.mean_observed(), 1e-9);
  std::vector<std::array<double, 4>> starts;
  if (start != nullptr) {
    starts.push_back({start->r, start->alpha, start->a, start->b});
  } else {
    starts.push_back({0.5, span / 2, 1, 2});
    starts.push_back({2, 2 * span / std::max(histories.mean_repeats(), 0.1), 0.5, 9.5});
  }
  Likelihood likelihood(histories);
  BgNbdFit fit;
  fit.estimate = MostLikely<4>(std::ref(likelihood), histories.people(), starts);
  fit.model = {.r = fit.estimate.at[0],
               .alpha = fit.estimate.at[1],
               .a = fit.estimate.at[2],
               .b = fit.estimate.at[3]};
  return fit;
}

BgNbdFit FitNobodyLeaves(const Histories& histories) {
  const auto likelihood = [&](std::span<const double> logs, std::span<double> gradient) {
    const double r = std::exp(logs[0]), alpha = std::exp(logs[1]), people = histories.people();
    double sum = people * r * std::log(alpha);
    double by_r = people * std::log(alpha), by_alpha = people * r / alpha;
    for (std::size_t i = 0; i < histories.repeats().size(); ++i) {
      const int x = histories.repeats()[i];
      sum += histories.people_of_repeats()[i] * LogRise(r, x);
      by_r += histories.people_of_repeats()[i] * DigammaRise(r, x);
    }
    for (const Histories::Row& row : histories.rows()) {
      const double time = alpha + histories.times()[static_cast<std::size_t>(row.observed)];
      const double power = r + histories.repeats()[static_cast<std::size_t>(row.repeats)];
      sum -= row.people * power * std::log(time);
      by_r -= row.people * std::log(time);
      by_alpha -= row.people * power / time;
    }
    gradient[0] = -by_r * r / people;
    gradient[1] = -by_alpha * alpha / people;
    return -sum / people;
  };
  const double span = std::max(histories.mean_observed(), 1e-9);
  const Estimate<2> found =
      MostLikely<2>(likelihood, histories.people(),
                    {{0.5, span / 2}, {2, 2 * span / std::max(histories.mean_repeats(), 0.1)}});
  BgNbdFit fit;
  fit.model = {.r = found.at[0], .alpha = found.at[1], .a = 0, .b = 1};
  fit.estimate.at = {found.at[0], found.at[1], 0, 1};
  for (std::size_t i = 0; i < 2; ++i) {
    fit.estimate.standard_error[i] = found.standard_error[i];
    std::copy(found.covariance[i].begin(), found.covariance[i].end(),
              fit.estimate.covariance[i].begin());
  }
  fit.estimate.log_likelihood = found.log_likelihood;
  fit.estimate.people = found.people;
  fit.estimate.evaluations = found.evaluations;
  fit.estimate.converged = found.converged;
  fit.estimate.determined = found.determined;
  return fit;
}

int OrdersQuantile(const BgNbd& model, const History& history, double t, double share) {
  // A count so large has no meaning for a shop; the limit is for parameters that have none either.
  constexpr int kOrdersMax = 100000;
  double sum = 0;
  for (int n = 0; n < kOrdersMax; ++n) {
    sum += model.Chance(history, n, t);
    if (sum >= share) {
      return n;
    }
  }
  return kOrdersMax;
}

}  // namespace segue
