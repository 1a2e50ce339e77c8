// Minimise: the lowest point of a smooth function of a handful of variables, from a start that may
// be bad.
//
// BFGS (Nocedal and Wright, Numerical Optimization, 2nd ed., algorithm 6.1 with formula 6.17) with
// the weak Wolfe line search of Lewis and Overton (Nonsmooth optimization via quasi-Newton methods,
// 2013, algorithm 2.6), ended by Newton steps on differences of the gradient, which also give the
// curvature that standard errors need.
//
// Own code and not NLopt: all our likelihoods have exact gradients and at most four parameters, for
// which this is a hundred lines; NLopt would be a package more at run time, returns no curvature,
// and its gradient methods are translated Fortran whose results are not promised to stay the same
// between versions.

#pragma once

#include <functional>
#include <span>
#include <vector>

#include "insights/special.h"

namespace segue {

// Gives the value at a point and writes the gradient there.  A value that is not finite means: not
// here.
using Objective = std::function<double(std::span<const double> at, std::span<double> gradient)>;

struct Minimum {
  std::vector<double> at;
  double value = 0;
  double slope = 0;     // The largest part of the gradient that is left.
  Matrix curvature{0};  // Second derivatives; of size 0 where they could not be computed.
  int evaluations = 0;
  bool converged = false;
};

// Requires: `start` is not empty.  Variables and value are expected to be of the order of 1
// (logarithms of parameters, a mean log-likelihood): steps longer than a few units are not tried at
// once.
Minimum Minimise(const Objective& objective, std::vector<double> start);

}  // namespace segue
