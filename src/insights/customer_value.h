// What a fitted base says of one customer, as features: with nothing where the data do not say,
// never a NaN or an infinity by accident.

#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "insights/bg_nbd.h"
#include "insights/gamma_gamma.h"

namespace segue {

// Of somebody who bought: on how many of the days after the first an amount is known, and the mean
// of those, as docs/meaning.md has it for the fit; 0 without any.
struct Customer {
  History history;
  int money_days = 0;
  double mean_spend = 0;
};

// Shares and counts; money in the unit that the spending was fitted in.  Nothing: no data.
struct CustomerScores {
  std::optional<double> alive;       // 0 to 1; nothing where nobody can be told to have left.
  std::optional<double> churn_risk;  // 1 - alive; nothing for people with a single purchase day.
  std::optional<double> expected_orders;  // Within the horizon, not discounted.
  std::optional<double> expected_spend;   // Per order.
  std::optional<double> lifetime_value;   // Their product.
};

// `spending` may be absent: then so is what needs it.  `horizon` is in the unit of the fit, days;
// without one the expected orders and what follows from them, the costly part, are left out.
CustomerScores ScoreCustomer(const BgNbd& model, const GammaGamma* spending,
                             const Customer& customer, std::optional<double> horizon);

// Orders until `horizon`, counted at the end of each step and divided by (1 + rate) for each step
// until then, which is how published examples discount.  With rate 0 it is Expected.  Requires:
// step > 0, rate > -1.
struct Discount {
  double step = 30;
  double rate = 0;  // Per step.
};

double DiscountedOrders(const BgNbd& model, const History& history, double horizon,
                        const Discount& discount);

// How sure the expectation is: the customer's expected value with the 95 % interval that comes from
// the errors of the seven parameters (delta method, on the logarithm).  It says nothing about how
// one person's luck will scatter.
struct ValueInterval {
  double value = 0, low = 0, high = 0;
};

std::optional<ValueInterval> LifetimeValue(const BgNbdFit& fit, const GammaGammaFit& spending,
                                           const Customer& customer, double horizon);

// The score in words, one line for each thing that it rests on.
std::vector<std::string> ExplainRisk(const BgNbd& model, const History& history, double horizon);

}  // namespace segue
