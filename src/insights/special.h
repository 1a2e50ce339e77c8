// The special functions that the models need, none of which throws: outside its domain each is NaN.
//
// Boost's versions throw on bad arguments and compute in 80 bits where a processor has them; here
// neither happens, so a figure does not depend on a processor's registers and no input can end a
// cycle.

#pragma once

#include <array>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

namespace segue {

// Where there is no figure.
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
// 95 of 100 draws from the standard normal distribution lie between this and its opposite.
constexpr double kNormal95 = 1.959963984540054;

double LogGamma(double x);
double Digamma(double x);
// ln Γ(a + n) - ln Γ(a) for a > 0 and n >= 0, without the cancellation of two large logarithms.
double LogRise(double a, int n);
// ψ(a + n) - ψ(a), likewise.
double DigammaRise(double a, int n);
// ln B(a, b), a and b > 0.
double LogBeta(double a, double b);
// ln(1 + e^x) without overflow.
double LogOnePlusExp(double x);
// (1 - e^(-k·x)) / k, continuous at k = 0, where it is x.
double OneMinusExpOver(double k, double x);
// I_x(a, b), the regularised incomplete beta function; a and b > 0, 0 <= x <= 1.
double BetaFraction(double a, double b, double x);

// The standard normal distribution, and Student's.
double NormalCdf(double x);
double NormalQuantile(double p);
double StudentQuantile(double p, double degrees);
// The share of a chi-square distribution above x.
double ChiSquareTail(double x, double degrees);
// The q-quantile of a chi-square distribution; degrees may be any positive number.
double ChiSquareQuantile(double p, double degrees);

// ln of n!, for n >= 0.
double LogFactorial(double n);

// A small symmetric matrix, row by row.
class Matrix {
 public:
  explicit Matrix(std::size_t size) : size_(size), cells_(size * size, 0.0) {}

  std::size_t size() const { return size_; }

  double& operator()(std::size_t i, std::size_t j) { return cells_[i * size_ + j]; }

  double operator()(std::size_t i, std::size_t j) const { return cells_[i * size_ + j]; }

 private:
  std::size_t size_;
  std::vector<double> cells_;
};

// The inverse by Cholesky's factors; an empty matrix (size 0) when it is not positive definite.
Matrix InverseOfPositive(const Matrix& matrix);

}  // namespace segue
