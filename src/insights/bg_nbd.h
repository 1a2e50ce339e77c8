// The BG/NBD model: how often customers without a contract buy, and whether they still do.
//
// P. Fader, B. Hardie, K. Lee, "Counting your customers" the easy way: an alternative to the
// Pareto/NBD model, Marketing Science 24 (2005), below FHL.  While alive a customer buys at a rate
// of their own (gamma, shape r, rate alpha); after each purchase they leave for good with a chance
// of their own (beta, a and b).
//
// The published expectations go through 2F1 over (a - 1), which is 0 / 0 at a = 1, has a pole on
// the way at a + b = 1 and loses its digits for large x.  Here the same quantity is summed as what
// it means,
//     E[X(t)] = Σ over k >= 0 of P(the first k purchases are survived) · P(N(t) >= k + 1),
// N being the count of somebody who never leaves: all terms are positive, and there is nothing
// special about a = 1.

#pragma once

#include "insights/fit.h"
#include "insights/histories.h"

namespace segue {

// With a = 0 nobody ever leaves and what remains is the NBD model (A. Ehrenberg, The pattern of
// consumer purchases, Applied Statistics 8 (1959)); b then says nothing.
struct BgNbd {
  double r = 1, alpha = 1, a = 1, b = 1;

  bool nobody_leaves() const { return a == 0; }

  // Of one history (FHL, equation 6).
  double LogLikelihood(const History& history) const;
  // The chance that a customer with this history has not left (Fader and Hardie 2008, Computing
  // P(alive) using the BG/NBD model).  By the model's definition 1 without a repeat: nobody leaves
  // before one.
  double Alive(const History& history) const;
  // Purchases within t of the first one (FHL, equation 9).
  double ExpectedNew(double t) const;
  // Purchases within t from now, given the history (FHL, equation 10).
  double Expected(const History& history, double t) const;
  // The chance of exactly n purchases within t of the first one (FHL, equation 8).
  double Chance(int n, double t) const;
  // The chance of exactly n purchases within t from now, given the history: equation 8 for the
  // parameters that the history leaves behind, for those who are alive.
  double Chance(const History& history, int n, double t) const;
};

struct BgNbdFit {
  BgNbd model;
  Estimate<4> estimate;  // In the order r, alpha, a, b.
};

// By maximum likelihood.  `start`, when given, is the only place that the search begins at.
BgNbdFit FitBgNbd(const Histories& histories, const BgNbd* start = nullptr);
// The most likely model in which nobody leaves: a is 0, and b, about which nothing is known, 1.
BgNbdFit FitNobodyLeaves(const Histories& histories);
// The log-likelihood of all, as FitBgNbd sums it.  Requires: a > 0.
double LogLikelihood(const BgNbd& model, const Histories& histories);

// The fewest n so that at least `share` of the chance lies at n purchases or fewer within t from
// now.
int OrdersQuantile(const BgNbd& model, const History& history, double t, double share);

}  // namespace segue
