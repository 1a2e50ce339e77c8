#include <array>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "insights/bg_nbd.h"
#include "insights/gamma_gamma.h"
#include "insights/minimise.h"
#include "insights/pareto_nbd.h"
#include "support/dice.h"
#include "support/golden.h"

namespace segue {
namespace {

struct Reference {
  std::string model, quantity, line;
  std::array<double, 9> n{};  // Four parameters, x, t_x, T, t, value.
};

std::vector<Reference> ReadReference() {
  std::ifstream in(std::string(SEGUE_SOURCE_DIR) + "/tests/golden/insights/reference.csv");
  std::vector<Reference> all;
  std::string line;
  std::getline(in, line);
  while (std::getline(in, line)) {
    Reference one;
    one.line = line;
    std::istringstream cells(line);
    std::getline(cells, one.model, ',');
    std::getline(cells, one.quantity, ',');
    for (double& number : one.n) {
      std::string cell;
      std::getline(cells, cell, ',');
      number = std::strtod(cell.c_str(), nullptr);  // Some are smaller than a double can be: 0.
    }
    all.push_back(one);
  }
  return all;
}

double Compute(const Reference& one) {
  const auto& n = one.n;
  const History h{.repeats = static_cast<int>(n[4]), .last = n[5], .observed = n[6]};
  if (one.model == "bgnbd") {
    const BgNbd model{.r = n[0], .alpha = n[1], .a = n[2], .b = n[3]};
    return one.quantity == "log"     ? model.LogLikelihood(h)
           : one.quantity == "alive" ? model.Alive(h)
                                     : model.Expected(h, n[7]);
  }
  const ParetoNbd model{.r = n[0], .alpha = n[1], .s = n[2], .beta = n[3]};
  return one.quantity == "log"        ? model.LogLikelihood(h)
         : one.quantity == "alive"    ? model.Alive(h)
         : one.quantity == "expected" ? model.Expected(h, n[7])
                                      : model.DiscountedForEver(h, n[7]);
}

double Worst(const std::string& quantity, double floor) {
  double worst = 0;
  std::string where;
  int count = 0;
  for (const Reference& one : ReadReference()) {
    if (one.quantity == quantity) {
      const double value = one.n[8];
      const double off = std::fabs(Compute(one) - value) / std::max(std::fabs(value), floor);
      ++count;
      if (!(off <= worst)) {
        worst = off;
        where = one.line;
      }
    }
  }
  MESSAGE(quantity << ": " << count << " figures, worst " << worst << " at " << where);
  CHECK(count >= 100);
  return worst;
}

// A base as the model has it, in days.
std::vector<History> Simulate(const BgNbd& m, int people, std::uint64_t stream) {
  std::vector<History> all;
  Dice dice(stream);
  for (int i = 0; i < people; ++i) {
    const double rate = dice.Gamma(m.r) / m.alpha, leave = dice.Beta(m.a, m.b);
    History h{.observed = std::floor(dice.Between(100, 700))};
    double time = 0;
    while (true) {
      time += dice.Exponential(1 / rate);
      if (time >= h.observed) {
        break;
      }
      h.repeats += 1;
      h.last = time;
      if (dice.Chance(leave)) {
        break;
      }
    }
    all.push_back(h);
  }
  return all;
}

// Central differences against the gradient, at points that are no optimum.
template <typename Model, typename Fit>
void CheckFindsSamePoint(const Fit& fit, const Histories& histories,
                         const std::vector<Model>& starts,
                         Fit (*search)(const Histories&, const Model*)) {
  for (const Model& start : starts) {
    const Fit other = search(histories, &start);
    CHECK(other.estimate.converged);
    CHECK(other.estimate.log_likelihood ==
          doctest::Approx(fit.estimate.log_likelihood).epsilon(1e-10));
    for (std::size_t i = 0; i < 4; ++i) {
      CHECK(other.estimate.at[i] == doctest::Approx(fit.estimate.at[i]).epsilon(1e-5));
    }
  }
}

}  // namespace

TEST_CASE(
    "models: equal the published formulas computed with 120 digits, for large x and where those "
    "are 0 / 0") {
  CHECK(Worst("log", 1e-280) < 1e-11);
  CHECK(Worst("alive", 1e-280) < 1e-11);
  CHECK(Worst("expected", 1e-280) < 1e-11);
  CHECK(Worst("dert", 1e-280) < 1e-11);
}

TEST_CASE("models: BG/NBD's chances of n purchases sum to 1 and their mean is the expectation") {
  const BgNbd model{.r = 0.6, .alpha = 12, .a = 0.8, .b = 2.5};
  const History history{.repeats = 4, .last = 30, .observed = 41};
  double sum = 0, mean = 0, new_sum = 0, new_mean = 0;
  for (int n = 0; n < 1500; ++n) {
    sum += model.Chance(history, n, 90);
    mean += n * model.Chance(history, n, 90);
    new_sum += model.Chance(n, 90);
    new_mean += n * model.Chance(n, 90);
  }
  CHECK(sum == doctest::Approx(1).epsilon(1e-12));
  CHECK(new_sum == doctest::Approx(1).epsilon(1e-12));
  CHECK(mean == doctest::Approx(model.Expected(history, 90)).epsilon(1e-10));
  CHECK(new_mean == doctest::Approx(model.ExpectedNew(90)).epsilon(1e-10));
  CHECK(OrdersQuantile(model, history, 90, 0.025) == 0);
  const int high = OrdersQuantile(model, history, 90, 0.975);
  CHECK(high > model.Expected(history, 90));
}

TEST_CASE("models: a simulated base gives its parameters back, from any start") {
  const BgNbd truth{.r = 0.55, .alpha = 40, .a = 0.8, .b = 2.5};
  const Histories histories = Histories::Group(Simulate(truth, 20000, 1)).value();
  const BgNbdFit fit = FitBgNbd(histories);
  CHECK(fit.estimate.determined);
  const std::array<double, 4> parameters = {truth.r, truth.alpha, truth.a, truth.b};
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(std::fabs(fit.estimate.at[i] - parameters[i]) < 4 * fit.estimate.standard_error[i]);
  }
  CHECK(fit.estimate.log_likelihood == doctest::Approx(LogLikelihood(fit.model, histories)));
  CheckFindsSamePoint<BgNbd>(fit, histories,
                             {{.r = 1, .alpha = 1, .a = 1, .b = 1},
                              {.r = 0.01, .alpha = 5000, .a = 20, .b = 0.05},
                              {.r = 50, .alpha = 0.1, .a = 0.01, .b = 100},
                              {.r = 5, .alpha = 300, .a = 5, .b = 5}},
                             FitBgNbd);
}

TEST_CASE("models: Pareto/NBD finds one optimum from bad starts") {
  const BgNbd truth{.r = 0.55, .alpha = 40, .a = 0.8, .b = 2.5};
  const Histories histories = Histories::Group(Simulate(truth, 2000, 2)).value();
  CheckFindsSamePoint<ParetoNbd>(FitParetoNbd(histories), histories,
                                 {{.r = 1, .alpha = 1, .s = 1, .beta = 1},
                                  {.r = 0.05, .alpha = 2000, .s = 0.05, .beta = 2000},
                                  {.r = 10, .alpha = 30, .s = 0.2, .beta = 1}},
                                 FitParetoNbd);
}

TEST_CASE("models: Gamma-Gamma finds one optimum from bad starts, whatever the unit of money") {
  const GammaGamma truth{.p = 6.25, .q = 3.74, .v = 15.44};
  std::vector<Spending> dollars, cents;
  Dice dice(3);
  for (int i = 0; i < 3000; ++i) {
    const int purchases = 1 + dice.Below(8);
    const double rate = dice.Gamma(truth.q) / truth.v;
    const double mean = dice.Gamma(truth.p * purchases) / rate / purchases;
    dollars.push_back({.purchases = purchases, .mean = mean});
    cents.push_back({.purchases = purchases, .mean = 100 * mean});
  }
  dollars.push_back({.purchases = 0, .mean = 0});
  dollars.push_back({.purchases = 3, .mean = 0});
  const GammaGammaFit fit = FitGammaGamma(dollars).value();
  CHECK(fit.estimate.determined);
  CHECK(fit.estimate.people == 3000);
  const std::array<double, 3> parameters = {truth.p, truth.q, truth.v};
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(std::fabs(fit.estimate.at[i] - parameters[i]) < 4 * fit.estimate.standard_error[i]);
  }
  for (const GammaGamma start :
       {GammaGamma{.p = 1, .q = 1, .v = 1}, GammaGamma{.p = 0.01, .q = 0.01, .v = 1e6},
        GammaGamma{.p = 500, .q = 300, .v = 0.01}, GammaGamma{.p = 100, .q = 0.1, .v = 3},
        GammaGamma{.p = 0.1, .q = 100, .v = 1e5}}) {
    const GammaGammaFit other = FitGammaGamma(dollars, &start).value();
    CHECK(other.estimate.converged);
    for (std::size_t i = 0; i < 3; ++i) {
      CHECK(other.estimate.at[i] == doctest::Approx(fit.estimate.at[i]).epsilon(1e-5));
    }
  }
  const GammaGammaFit in_cents = FitGammaGamma(cents).value();
  CHECK(in_cents.model.p == doctest::Approx(fit.model.p).epsilon(1e-5));
  CHECK(in_cents.model.v == doctest::Approx(100 * fit.model.v).epsilon(1e-5));
}

TEST_CASE("models: where customers do not differ in what they spend, they have one mean") {
  Dice dice(77);
  std::vector<Spending> all;
  double total = 0, purchases = 0;
  for (int person = 0; person < 3000; ++person) {
    const int count = 1 + dice.Below(6);
    double sum = 0;
    for (int i = 0; i < count; ++i) {
      sum += 30 * dice.Gamma(4) / 4;
    }
    all.push_back({count, sum / count});
    total += sum;
    purchases += count;
  }
  const GammaGammaFit fit = FitAllAlike(all);
  CHECK(fit.estimate.determined);
  CHECK(fit.model.all_alike());
  CHECK(fit.model.p == doctest::Approx(4).epsilon(0.05));
  CHECK(fit.model.v == doctest::Approx(total / purchases));
  CHECK(fit.estimate.standard_error[2] == doctest::Approx(15 / std::sqrt(purchases)).epsilon(0.05));
  CHECK(fit.model.Expected(0, 0) == fit.model.v);
  CHECK(fit.model.Expected(5, 90) == fit.model.v);
  double sum = 0;
  for (const Spending& one : all) {
    sum += fit.model.LogLikelihood(one);
  }
  CHECK(sum == doctest::Approx(fit.estimate.log_likelihood).epsilon(1e-9));
  // Gamma-Gamma with a q beyond measure is the same.
  const double q = 1e7;
  const GammaGamma limit{.p = fit.model.p, .q = q, .v = (q - 1) * fit.model.v / fit.model.p};
  CHECK(limit.LogLikelihood(all[0]) ==
        doctest::Approx(fit.model.LogLikelihood(all[0])).epsilon(1e-3));
  // One price: no scatter at all.
  const GammaGammaFit price = FitAllAlike(std::vector<Spending>(40, {3, 29.85}));
  CHECK(price.estimate.determined);
  CHECK(price.model.Expected(0, 0) == doctest::Approx(29.85));
  CHECK(price.estimate.standard_error[2] == 0);
}

TEST_CASE("models: impossible histories are refused, and nobody is not a base") {
  const std::vector<History> bad = {
      {.repeats = 1, .last = 0, .observed = 5},        {.repeats = 0, .last = 1, .observed = 5},
      {.repeats = 2, .last = 6, .observed = 5},        {.repeats = -1, .last = 0, .observed = 5},
      {.repeats = 2, .last = 1, .observed = INFINITY}, {.repeats = 2, .last = NAN, .observed = 5}};
  for (const History& history : bad) {
    CHECK(!Histories::Group(std::vector<History>{history}).has_value());
  }
  CHECK(!Histories::Group({}).has_value());
  CHECK(!FitGammaGamma({}).has_value());
  CHECK(!GammaGamma{.p = 2, .q = 0.9, .v = 10}.Expected(0, 0).has_value());
}

TEST_CASE("models: a base in which nobody differs has no errors instead of wrong ones") {
  // Everybody alike: the shape of the rates runs off to infinity.
  std::vector<History> same(500, {.repeats = 5, .last = 90, .observed = 100});
  const BgNbdFit fit = FitBgNbd(Histories::Group(same).value());
  CHECK(!fit.estimate.determined);
  CHECK(std::isnan(fit.estimate.standard_error[0]));
}

TEST_CASE("minimise: finds the bottom of a curved valley, and says when there is none") {
  const auto rosenbrock = [](std::span<const double> at, std::span<double> gradient) {
    const double u = 1 - at[0], v = at[1] - at[0] * at[0];
    gradient[0] = -2 * u - 400 * at[0] * v;
    gradient[1] = 200 * v;
    return u * u + 100 * v * v;
  };
  const Minimum minimum = Minimise(rosenbrock, {-1.2, 1});
  CHECK(minimum.converged);
  CHECK(minimum.at[0] == doctest::Approx(1).epsilon(1e-9));
  CHECK(minimum.at[1] == doctest::Approx(1).epsilon(1e-9));
  const auto endless = [](std::span<const double> at, std::span<double> gradient) {
    gradient[0] = 1;
    return at[0];
  };
  CHECK(!Minimise(endless, {0}).converged);
  const auto nowhere = [](std::span<const double>, std::span<double> gradient) {
    gradient[0] = NAN;
    return NAN;
  };
  CHECK(!Minimise(nowhere, {0}).converged);
}

}  // namespace segue
