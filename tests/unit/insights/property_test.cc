// What theory says of the models, over a million random customers and parameters.  Parameters
// spread over six orders of magnitude, and one in eight sits on a place where the published
// formulas break: a = 1, a + b = 1, s = 1.

#include <cmath>
#include <string>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "insights/customer_value.h"
#include "insights/pareto_nbd.h"
#include "support/dice.h"

namespace segue {
namespace {

// Counts breaches and keeps the first one in words; a CHECK for each input would take longer than
// the models.
class Breaches {
 public:
  void Expect(bool holds, const char* what, const std::string& where) {
    if (!holds && count_++ == 0) {
      first_ = fmt::format("{}: {}", what, where);
    }
  }

  void Check() const {
    INFO(first_);
    CHECK(count_ == 0);
  }

 private:
  int count_ = 0;
  std::string first_;
};

History RandomHistory(Dice& dice) {
  History h{.observed = dice.LogBetween(1, 4000)};
  h.repeats =
      dice.Chance(0.3) ? 0 : static_cast<int>(dice.LogBetween(1, dice.Chance(0.02) ? 5000 : 60));
  if (h.repeats > 0) {
    h.last = dice.Chance(0.1) ? h.observed : h.observed * dice.Share();
  }
  return h;
}

BgNbd RandomBgNbd(Dice& dice) {
  BgNbd m{.r = dice.LogBetween(1e-2, 1e2),
          .alpha = dice.LogBetween(1e-2, 1e4),
          .a = dice.LogBetween(1e-3, 1e3),
          .b = dice.LogBetween(1e-3, 1e3)};
  if (const int trap = dice.Below(16); trap == 0) {
    m.a = 1;
  } else if (trap == 1) {
    m.a = dice.Share();
    m.b = 1 - m.a;
  } else if (trap == 2) {
    m.a = 0;  // Nobody leaves.
  }
  return m;
}

bool IsShare(double x) {
  return x >= 0 && x <= 1;
}

// As much as rounding may turn a monotone thing around.
bool NotBelow(double x, double y) {
  return x >= y * (1 - 1e-9) - 1e-280;
}

std::string Words(const BgNbd& m, const History& h, double t) {
  return fmt::format("r {} alpha {} a {} b {}, x {} t_x {} T {}, t {}", m.r, m.alpha, m.a, m.b,
                     h.repeats, h.last, h.observed, t);
}

}  // namespace

TEST_CASE("properties: BG/NBD stays within what theory says over 600 000 random customers") {
  Breaches breaches;
  Dice dice(11);
  for (int i = 0; i < 600000; ++i) {
    const BgNbd m = RandomBgNbd(dice);
    const History h = RandomHistory(dice);
    const double t = dice.LogBetween(0.01, 1000);
    const double alive = m.Alive(h), expected = m.Expected(h, t);
    const std::string none;
    const auto where = [&] { return Words(m, h, t); };
    const auto expect = [&](bool holds, const char* what) {
      breaches.Expect(holds, what, holds ? none : where());
    };
    expect(IsShare(alive), "alive is a share");
    expect(std::isfinite(expected) && expected >= 0, "expected is a count");
    // Nobody buys more than they would if they could not leave.
    expect(NotBelow(alive * (m.r + h.repeats) / (m.alpha + h.observed) * t, expected),
           "below the rate");
    expect(std::isfinite(m.LogLikelihood(h)), "the likelihood is a number");
    if (i % 4 == 0) {
      History later = h;
      later.observed *= 1.25;
      expect(NotBelow(alive, m.Alive(later)), "silence lowers alive");
      expect(NotBelow(m.Expected(h, 2 * t), expected), "a longer time has more purchases");
      if (h.repeats > 0) {
        History recent = h;
        recent.last = (h.last + h.observed) / 2;
        expect(NotBelow(m.Alive(recent), alive), "a later last purchase raises alive");
      }
      expect(NotBelow(m.ExpectedNew(2 * t), m.ExpectedNew(t)), "so it has for a new customer");
    }
    if (i % 16 == 0) {
      expect(IsShare(m.Chance(h, dice.Below(20), t)), "a chance is a share");
    }
  }
  breaches.Check();
}

TEST_CASE("properties: Pareto/NBD stays within what theory says over 200 000 random customers") {
  Breaches breaches;
  Dice dice(12);
  for (int i = 0; i < 200000; ++i) {
    const ParetoNbd m{.r = dice.LogBetween(1e-2, 1e2),
                      .alpha = dice.LogBetween(1e-2, 1e4),
                      .s = dice.Chance(0.1) ? 1 : dice.LogBetween(1e-2, 1e2),
                      .beta = dice.LogBetween(1e-2, 1e4)};
    const History h = RandomHistory(dice);
    const double t = dice.LogBetween(0.01, 1000);
    const double alive = m.Alive(h), expected = m.Expected(h, t);
    const std::string none;
    const auto expect = [&](bool holds, const char* what) {
      breaches.Expect(holds, what,
                      holds ? none
                            : fmt::format("r {} alpha {} s {} beta {}, x {} t_x {} T {}, t {}", m.r,
                                          m.alpha, m.s, m.beta, h.repeats, h.last, h.observed, t));
    };
    expect(IsShare(alive), "alive is a share");
    expect(std::isfinite(expected) && expected >= 0, "expected is a count");
    expect(NotBelow(alive * (m.r + h.repeats) / (m.alpha + h.observed) * t, expected),
           "below the rate");
    if (i % 4 == 0) {
      History later = h;
      later.observed *= 1.25;
      expect(NotBelow(alive, m.Alive(later)), "silence lowers alive");
      expect(NotBelow(m.Expected(h, 2 * t), expected), "a longer time has more purchases");
      expect(std::isfinite(m.LogLikelihood(h)), "the likelihood is a number");
    }
    if (i % 16 == 0) {
      const double discounted = m.DiscountedForEver(h, dice.LogBetween(1e-5, 1));
      expect(std::isfinite(discounted) && discounted >= 0, "discounted is a count");
    }
  }
  breaches.Check();
}

TEST_CASE("properties: no NaN and no infinity reaches a feature over 200 000 random customers") {
  Breaches breaches;
  Dice dice(13);
  const auto number = [](const std::optional<double>& x) {
    return !x || (std::isfinite(*x) && *x >= 0);
  };
  for (int i = 0; i < 200000; ++i) {
    const BgNbd m = RandomBgNbd(dice);
    const GammaGamma money{.p = dice.LogBetween(1e-3, 1e4),
                           .q = dice.Chance(0.1) ? 1 : dice.LogBetween(1e-3, 1e4),
                           .v = dice.LogBetween(1e-6, 1e12)};
    Customer customer{.history = RandomHistory(dice), .mean_spend = dice.LogBetween(1e-3, 1e9)};
    customer.money_days = customer.history.repeats;
    if (i % 8 == 0) {  // Rubbish, as a bug elsewhere would give it.
      customer.history.last = i % 16 == 0 ? NAN : -1;
    }
    const CustomerScores scores = ScoreCustomer(m, &money, customer, dice.LogBetween(0.01, 1000));
    const std::string none;
    const bool holds = number(scores.alive) && number(scores.churn_risk) &&
                       number(scores.expected_orders) && number(scores.expected_spend) &&
                       number(scores.lifetime_value) && (!scores.alive || IsShare(*scores.alive)) &&
                       (!scores.churn_risk || IsShare(*scores.churn_risk)) &&
                       (customer.history.repeats > 0 || !scores.churn_risk);
    breaches.Expect(holds, "a feature is a number or missing",
                    holds ? none : Words(m, customer.history, 0));
    // A customer's own mean and everybody's: the expectation lies between them.
    const double own = customer.mean_spend, all = money.p * money.v / (money.q - 1);
    if (customer.history.repeats > 0 && money.q > 1 && scores.expected_spend) {
      const bool between = NotBelow(*scores.expected_spend, std::min(own, all)) &&
                           NotBelow(std::max(own, all), *scores.expected_spend);
      breaches.Expect(between, "drawn towards everybody's mean",
                      fmt::format("{} {} {}", own, all, *scores.expected_spend));
    }
  }
  breaches.Check();
}

}  // namespace segue
