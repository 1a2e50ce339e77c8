// The Gamma-Gamma model: what a customer spends per purchase, independent of how often they buy.
//
// P. Fader, B. Hardie, The Gamma-Gamma model of monetary value (2013), below FH.  Purchases of one
// customer scatter as gamma with shape p around a mean that differs between customers, by q and v.
// A customer's own mean is drawn towards everybody's, the more so the fewer purchases there are.

#pragma once

#include <optional>
#include <span>

#include "insights/fit.h"

namespace segue {

struct Spending {
  int purchases = 0;  // x > 0: of which `mean` is the mean.
  double mean = 0;    // > 0, in any one unit of money.
};

struct GammaGamma {
  double p = 1, q = 1, v = 1;

  // Customers do not differ: q has run to infinity, and v is the mean of everybody.  Then q is 0,
  // and so is p where all amounts are the same.
  bool all_alike() const { return q == 0; }

  double LogLikelihood(const Spending& spending) const;  // FH, equation 1a.
  // The mean of a customer's purchases to come (FH, equation 5); of a new one with 0 purchases.
  // Nothing where the mean does not exist: p·x + q <= 1, which for a new customer is q <= 1.
  std::optional<double> Expected(int purchases, double mean) const;
};

struct GammaGammaFit {
  GammaGamma model;
  Estimate<3> estimate;  // In the order p, q, v.
};

// By maximum likelihood over the people who have spent: rows with no purchases or no positive mean
// are left out, and an error says when nothing is left.
Result<GammaGammaFit> FitGammaGamma(std::span<const Spending> all,
                                    const GammaGamma* start = nullptr);

// The same with one mean for everybody (all_alike), for data in which customers cannot be told
// apart by what they spend.  Requires: somebody has spent.
GammaGammaFit FitAllAlike(std::span<const Spending> all);

}  // namespace segue
