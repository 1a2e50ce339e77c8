// The Pareto/NBD model: as the BG/NBD, but a customer may leave at any moment and not only after a
// purchase.
//
// D. Schmittlein, D. Morrison, R. Colombo, Counting your customers, Management Science 33 (1987);
// the formulas as in P. Fader, B. Hardie, A note on deriving the Pareto/NBD model and related
// expressions (2005), below FH.  Customers buy at a rate of their own (gamma, shape r, rate alpha)
// and live for a time of their own (exponential, with rates spread as gamma, shape s, rate beta).
//
// The published likelihood is the difference of two 2F1, in two versions for alpha above and below
// beta, which cancels for frequent buyers.  It comes from one integral of a positive function over
// the time in which the customer may have left; that integral is computed here as it is, with its
// derivatives from the same points.

#pragma once

#include "insights/fit.h"
#include "insights/histories.h"

namespace segue {

struct ParetoNbd {
  double r = 1, alpha = 1, s = 1, beta = 1;

  double LogLikelihood(const History& history) const;  // FH, the likelihood function.
  double Alive(const History& history) const;          // FH, P(alive).
  // Purchases within t of the first one (FH, E[X(t)]).
  double ExpectedNew(double t) const;
  // Purchases within t from now, given the history (FH, the conditional expectation).
  double Expected(const History& history, double t) const;
  // All purchases from now on, each discounted continuously at `rate` per unit of time (P. Fader,
  // B. Hardie, K. Lee, RFM and CLV: using iso-value curves for customer base analysis, J. of
  // Marketing Research 42 (2005), equation 2, there written with Tricomi's function).  Requires:
  // rate > 0.
  double DiscountedForEver(const History& history, double rate) const;
};

struct ParetoNbdFit {
  ParetoNbd model;
  Estimate<4> estimate;  // In the order r, alpha, s, beta.
};

ParetoNbdFit FitParetoNbd(const Histories& histories, const ParetoNbd* start = nullptr);

}  // namespace segue
