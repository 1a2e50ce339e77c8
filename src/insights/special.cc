#include "insights/special.h"

#include <cmath>
#include <limits>

#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <boost/math/special_functions/beta.hpp>
#include <boost/math/special_functions/digamma.hpp>
#include <boost/math/special_functions/gamma.hpp>

namespace segue {
namespace {

namespace policies = boost::math::policies;

using Quiet = policies::policy<
    policies::domain_error<policies::ignore_error>, policies::pole_error<policies::ignore_error>,
    policies::overflow_error<policies::ignore_error>,
    policies::evaluation_error<policies::ignore_error>, policies::promote_double<false>>;

// Up to here a sum over the steps of a rise is both exact enough and quicker than two gammas.
constexpr int kRiseBySteps = 128;

}  // namespace

double LogGamma(double x) {
  return x > 0 ? boost::math::lgamma(x, Quiet()) : kNaN;
}

double Digamma(double x) {
  return x > 0 ? boost::math::digamma(x, Quiet()) : kNaN;
}

double LogRise(double a, int n) {
  if (!(a > 0) || n < 0) {
    return kNaN;
  }
  if (n > kRiseBySteps) {
    return LogGamma(a + n) - LogGamma(a);
  }
  double sum = 0;
  for (int i = 0; i < n; ++i) {
    sum += std::log(a + i);
  }
  return sum;
}

double DigammaRise(double a, int n) {
  if (!(a > 0) || n < 0) {
    return kNaN;
  }
  if (n > kRiseBySteps) {
    return Digamma(a + n) - Digamma(a);
  }
  double sum = 0;
  for (int i = 0; i < n; ++i) {
    sum += 1 / (a + i);
  }
  return sum;
}

double LogBeta(double a, double b) {
  return LogGamma(a) + LogGamma(b) - LogGamma(a + b);
}

double LogOnePlusExp(double x) {
  return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x));
}

double OneMinusExpOver(double k, double x) {
  return k == 0 ? x : -std::expm1(-k * x) / k;
}

double BetaFraction(double a, double b, double x) {
  if (!(a > 0) || !(b > 0) || !(x >= 0) || !(x <= 1)) {
    return kNaN;
  }
  return boost::math::ibeta(a, b, x, Quiet());
}

double NormalCdf(double x) {
  return 0.5 * std::erfc(-x / std::sqrt(2.0));
}

double NormalQuantile(double p) {
  if (!(p > 0) || !(p < 1)) {
    return kNaN;
  }
  return boost::math::quantile(boost::math::normal_distribution<double, Quiet>(), p);
}

double StudentQuantile(double p, double degrees) {
  if (!(p > 0) || !(p < 1) || !(degrees > 0)) {
    return kNaN;
  }
  // Beyond this many degrees the two differ by less than the figures are printed with.
  if (degrees > 1e6) {
    return NormalQuantile(p);
  }
  return boost::math::quantile(boost::math::students_t_distribution<double, Quiet>(degrees), p);
}

double ChiSquareTail(double x, double degrees) {
  if (!(x >= 0) || !(degrees > 0)) {
    return kNaN;
  }
  return boost::math::gamma_q(degrees / 2, x / 2, Quiet());
}

double ChiSquareQuantile(double p, double degrees) {
  if (!(p > 0) || !(p < 1) || !(degrees > 0)) {
    return kNaN;
  }
  return boost::math::quantile(boost::math::chi_squared_distribution<double, Quiet>(degrees), p);
}

double LogFactorial(double n) {
  return LogGamma(n + 1);
}

Matrix InverseOfPositive(const Matrix& matrix) {
  const std::size_t size = matrix.size();
  Matrix lower(size);
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      double sum = matrix(i, j);
      for (std::size_t k = 0; k < j; ++k) {
        sum -= lower(i, k) * lower(j, k);
      }
      if (i == j && !(sum > 0 && std::isfinite(sum))) {
        return Matrix(0);
      }
      lower(i, j) = i == j ? std::sqrt(sum) : sum / lower(j, j);
    }
  }
  Matrix inverse(size);
  for (std::size_t column = 0; column < size; ++column) {
    std::vector<double> x(size, 0.0);
    x[column] = 1;
    for (std::size_t i = 0; i < size; ++i) {
      for (std::size_t k = 0; k < i; ++k) {
        x[i] -= lower(i, k) * x[k];
      }
      x[i] /= lower(i, i);
    }
    for (std::size_t i = size; i-- > 0;) {
      for (std::size_t k = i + 1; k < size; ++k) {
        x[i] -= lower(k, i) * x[k];
      }
      x[i] /= lower(i, i);
    }
    for (std::size_t i = 0; i < size; ++i) {
      inverse(i, column) = x[i];
    }
  }
  return inverse;
}

}  // namespace segue
