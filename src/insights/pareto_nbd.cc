#include "insights/pareto_nbd.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include <boost/math/quadrature/gauss.hpp>

#include "base/parallel.h"
#include "insights/special.h"

namespace segue {
namespace {

constexpr std::size_t kRowsAtOnce = 256;

using Gauss = boost::math::quadrature::gauss<double, 20>;

// Q = ρ + s·J of one history, with its derivatives by r, alpha, s and beta, where
//   f(τ) = (alpha + τ)^-(r + x) · (beta + τ)^-(s + 1),
//   J    = ∫ of f(τ) / f(t_x) from t_x to T:                  left in between,
//   ρ    = (alpha + T)^-(r + x) · (beta + T)^-s / f(t_x):     still here,
// so that the likelihood is Γ(r + x) / Γ(r) · alpha^r · beta^s · f(t_x) · Q (FH: the likelihood,
// before the integral is written with 2F1).
struct Ways {
  double here = 0, left = 0;  // ρ and s·J.
  std::array<double, 4> slope{};
};

class Integrator {
 public:
  Integrator(const ParetoNbd& m, const History& h)
      : s_(m.s),
        power_(m.r + h.repeats),
        a_(m.alpha + h.last),
        b_(m.beta + h.last),
        scale_(std::min(a_, b_)),
        time_(h.observed - h.last) {}

  Ways Run() {
    Ways ways;
    const double log_a = std::log1p(time_ / a_), log_b = std::log1p(time_ / b_);
    ways.here = std::exp(std::log(b_) - power_ * log_a - s_ * log_b);
    // From here on over v with τ = t_x + scale·(e^v - 1): the integrand is smooth in v however its
    // scales differ.
    const double end = std::log1p(time_ / scale_);
    double from = 0, top = 0;
    while (from < end) {
      double width = 1;
      while (Slope(from + width) * width > 10) {
        width /= 2;
      }
      const double to = std::min(end, from + width);
      Panel(from, to);
      const double height = LogHeight(to);
      top = std::max(top, height);
      if (height < top - 45) {
        break;  // What follows is below the last digit.
      }
      from = to;
    }
    ways.left = s_ * sums_[0];
    ways.slope[0] = -ways.here * log_a - s_ * sums_[1];
    ways.slope[1] = -power_ * (ways.here * -time_ / (a_ * (a_ + time_)) + s_ * sums_[2]);
    ways.slope[2] = -ways.here * log_b + sums_[0] - s_ * sums_[3];
    ways.slope[3] =
        ways.here * (1 / b_ + s_ * time_ / (b_ * (b_ + time_))) - s_ * (s_ + 1) * sums_[4];
    return ways;
  }

 private:
  double LogHeight(double v) const {
    const double delta = scale_ * std::expm1(v);
    return v - power_ * std::log1p(delta / a_) - (s_ + 1) * std::log1p(delta / b_);
  }

  // At most this steep at v and before.
  double Slope(double v) const {
    const double grown = scale_ * std::exp(v), delta = grown - scale_;
    return 1 + power_ * grown / (a_ + delta) + (s_ + 1) * grown / (b_ + delta);
  }

  void Panel(double from, double to) {
    const double middle = (from + to) / 2, half = (to - from) / 2;
    const auto& points = Gauss::abscissa();
    const auto& weights = Gauss::weights();
    for (std::size_t i = 0; i < points.size(); ++i) {
      Add(middle + half * points[i], half * weights[i]);
      Add(middle - half * points[i], half * weights[i]);
    }
  }

  void Add(double v, double weight) {
    const double delta = scale_ * std::expm1(v);
    const double log_a = std::log1p(delta / a_), log_b = std::log1p(delta / b_);
    const double f = weight * scale_ * std::exp(v - power_ * log_a - (s_ + 1) * log_b);
    sums_[0] += f;
    sums_[1] += f * log_a;
    sums_[2] -= f * delta / (a_ * (a_ + delta));
    sums_[3] += f * log_b;
    sums_[4] -= f * delta / (b_ * (b_ + delta));
  }

  double s_, power_, a_, b_, scale_, time_;
  std::array<double, 5> sums_{};
};

// ln f(t_x) and the factors that do not depend on the way.
double LogCommon(const ParetoNbd& m, const History& h, double rise) {
  return rise + m.r * std::log(m.alpha) + m.s * std::log(m.beta) -
         (m.r + h.repeats) * std::log(m.alpha + h.last) - (m.s + 1) * std::log(m.beta + h.last);
}

double Objective4(const Histories& histories, std::span<const double> logs,
                  std::span<double> gradient) {
  const ParetoNbd m{.r = std::exp(logs[0]),
                    .alpha = std::exp(logs[1]),
                    .s = std::exp(logs[2]),
                    .beta = std::exp(logs[3])};
  std::vector<double> rise, rise_slope;
  for (const int x : histories.repeats()) {
    rise.push_back(LogRise(m.r, x));
    rise_slope.push_back(DigammaRise(m.r, x));
  }
  // By parts that do not depend on the machine, so that neither does the sum.
  const auto& rows = histories.rows();
  std::vector<std::array<double, 5>> parts((rows.size() + kRowsAtOnce - 1) / kRowsAtOnce);
  InParallel(parts.size(), [&](std::size_t part) {
    std::array<double, 5> of_part{};
    const std::size_t end = std::min(rows.size(), (part + 1) * kRowsAtOnce);
    for (std::size_t i = part * kRowsAtOnce; i < end; ++i) {
      const Histories::Row& row = rows[i];
      const History h = histories.Get(row);
      const std::size_t count = static_cast<std::size_t>(row.repeats);
      const Ways ways = Integrator(m, h).Run();
      const double all = ways.here + ways.left, power = m.r + h.repeats;
      const double a = m.alpha + h.last, b = m.beta + h.last;
      of_part[0] +=
          row.people * (rise_slope[count] + std::log(m.alpha) - std::log(a) + ways.slope[0] / all);
      of_part[1] += row.people * (m.r / m.alpha - power / a + ways.slope[1] / all);
      of_part[2] += row.people * (std::log(m.beta) - std::log(b) + ways.slope[2] / all);
      of_part[3] += row.people * (m.s / m.beta - (m.s + 1) / b + ways.slope[3] / all);
      of_part[4] += row.people * (LogCommon(m, h, rise[count]) + std::log(all));
    }
    parts[part] = of_part;
  });
  double sum = 0;
  std::fill(gradient.begin(), gradient.end(), 0.0);
  for (const std::array<double, 5>& of_part : parts) {
    sum += of_part[4];
    for (std::size_t i = 0; i < 4; ++i) {
      gradient[i] += of_part[i];
    }
  }
  const double scale = -1 / histories.people();
  const double parameters[] = {m.r, m.alpha, m.s, m.beta};
  for (std::size_t i = 0; i < 4; ++i) {
    gradient[i] *= scale * parameters[i];
  }
  return scale * sum;
}

// ∫ of e^(-z·t) · (1 + t)^-s over all t > 0, which is e^z times the exponential integral of order
// s; by the trapezoid rule over ln t, where both ends fall off quickly.
double DiscountedLife(double s, double z) {
  constexpr double kStep = 0.2;
  const double left = -40 - std::max(0.0, std::log(z + s));
  const double right = std::log(45 / z) + 1;
  const int steps = static_cast<int>(std::ceil((right - left) / kStep));
  double sum = 0;
  for (int i = 0; i <= steps; ++i) {
    const double y = left + i * kStep, t = std::exp(y);
    sum += std::exp(y - z * t - s * std::log1p(t));
  }
  return sum * kStep;
}

}  // namespace

double ParetoNbd::LogLikelihood(const History& h) const {
  const Ways ways = Integrator(*this, h).Run();
  return LogCommon(*this, h, LogRise(r, h.repeats)) + std::log(ways.here + ways.left);
}

double ParetoNbd::Alive(const History& h) const {
  const Ways ways = Integrator(*this, h).Run();
  return ways.here / (ways.here + ways.left);
}

double ParetoNbd::ExpectedNew(double t) const {
  return r * beta / alpha * OneMinusExpOver(s - 1, std::log1p(t / beta));
}

double ParetoNbd::Expected(const History& h, double t) const {
  const double life = beta + h.observed;
  return Alive(h) * (r + h.repeats) / (alpha + h.observed) * life *
         OneMinusExpOver(s - 1, std::log1p(t / life));
}

double ParetoNbd::DiscountedForEver(const History& h, double rate) const {
  const double life = beta + h.observed;
  return Alive(h) * (r + h.repeats) / (alpha + h.observed) * life * DiscountedLife(s, rate * life);
}

ParetoNbdFit FitParetoNbd(const Histories& histories, const ParetoNbd* start) {
  const double span = std::max(histories.mean_observed(), 1e-9);
  std::vector<std::array<double, 4>> starts;
  if (start != nullptr) {
    starts.push_back({start->r, start->alpha, start->s, start->beta});
  } else {
    starts.push_back({0.5, span / 2, 0.5, span / 2});
    starts.push_back({2, 2 * span / std::max(histories.mean_repeats(), 0.1), 1, 2 * span});
  }
  ParetoNbdFit fit;
  fit.estimate =
      MostLikely<4>([&](std::span<const double> at,
                        std::span<double> gradient) { return Objective4(histories, at, gradient); },
                    histories.people(), starts);
  fit.model = {.r = fit.estimate.at[0],
               .alpha = fit.estimate.at[1],
               .s = fit.estimate.at[2],
               .beta = fit.estimate.at[3]};
  return fit;
}

}  // namespace segue
