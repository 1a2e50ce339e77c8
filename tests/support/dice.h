// Dice: chance for tests and benchmarks that comes out the same each time.
//
// Throw number n of stream s is a hash of (s, n) (SplitMix64: G. Steele, D. Lea, C. Flood, Fast
// splittable pseudorandom number generators, 2014), so a stream can be taken up anywhere and two
// streams do not meet.

#pragma once

#include <cmath>
#include <cstdint>

namespace segue {

class Dice {
 public:
  explicit Dice(std::uint64_t stream) : state_(Mix(stream + 0x9e3779b97f4a7c15)) {}

  std::uint64_t Next() {
    state_ += 0x9e3779b97f4a7c15;
    return Mix(state_);
  }

  // 0 < share < 1.
  double Share() { return (static_cast<double>(Next() >> 11) + 0.5) * 0x1p-53; }

  double Between(double low, double high) { return low + (high - low) * Share(); }

  // Evenly over the orders of magnitude.
  double LogBetween(double low, double high) {
    return low * std::exp(std::log(high / low) * Share());
  }

  int Below(int end) { return static_cast<int>(Share() * end); }

  bool Chance(double share) { return Share() < share; }

  double Exponential(double mean) { return -mean * std::log(Share()); }

  // Box and Muller.
  double Normal() {
    return std::sqrt(-2 * std::log(Share())) * std::cos(6.283185307179586 * Share());
  }

  // Marsaglia and Tsang (2000); below shape 1 by their boost.
  double Gamma(double shape) {
    if (shape < 1) {
      return Gamma(shape + 1) * std::pow(Share(), 1 / shape);
    }
    const double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
    while (true) {
      const double x = Normal(), cube = 1 + c * x, v = cube * cube * cube;
      if (v > 0 && std::log(Share()) < x * x / 2 + d - d * v + d * std::log(v)) {
        return d * v;
      }
    }
  }

  double Beta(double a, double b) {
    const double x = Gamma(a), y = Gamma(b);
    return x + y > 0 ? x / (x + y) : 0.5;
  }

 private:
  static std::uint64_t Mix(std::uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  std::uint64_t state_;
};

}  // namespace segue
