#include "insights/minimise.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/check.h"

namespace segue {
namespace {

constexpr int kStepsMax = 400;  // A well-posed fit takes 15 to 60.
constexpr int kSearchMax = 50;  // Halvings of a step before it is given up.
constexpr double kStepMax =
    4;  // In one variable; a factor of 55 for a parameter under a logarithm.
constexpr double kSlopeEnough = 1e-7;  // Newton's steps take it from here to the last digits.
constexpr double kSlopeGood = 1e-5;    // Above this it has not converged.
constexpr double kDifference =
    1e-4;  // Of central differences: error about 1e-8 of the third derivative.
constexpr int kNewtonMax = 2;

using Vector = std::vector<double>;

struct Place {
  Vector at;
  Vector gradient;
  double value = 0;
};

double Dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    sum += a[i] * b[i];
  }
  return sum;
}

double Largest(const Vector& vector) {
  double largest = 0;
  for (const double x : vector) {
    largest = std::max(largest, std::fabs(x));
  }
  return largest;
}

bool Finite(const Place& place) {
  return std::isfinite(place.value) && std::all_of(place.gradient.begin(), place.gradient.end(),
                                                   [](double x) { return std::isfinite(x); });
}

class Search {
 public:
  explicit Search(const Objective& objective) : objective_(objective) {}

  Minimum Run(Vector start) {
    Place place = Look(std::move(start));
    Minimum minimum;
    if (Finite(place)) {
      Descend(place);
      minimum.curvature = Curvature(place);
      Polish(place, minimum.curvature);
    }
    minimum.converged = Finite(place) && Largest(place.gradient) <= kSlopeGood;
    minimum.slope = Largest(place.gradient);
    minimum.value = place.value;
    minimum.at = std::move(place.at);
    minimum.evaluations = evaluations_;
    return minimum;
  }

 private:
  Place Look(Vector at) {
    Place place;
    place.gradient.assign(at.size(), std::numeric_limits<double>::quiet_NaN());
    place.at = std::move(at);
    place.value = objective_(place.at, place.gradient);
    ++evaluations_;
    return place;
  }

  // A step along `direction` that lowers the value enough and flattens the slope enough (weak
  // Wolfe); false when there is none that floating point can tell.
  bool Step(Place& place, const Vector& direction) {
    const double slope = Dot(place.gradient, direction);
    if (!(slope < 0)) {
      return false;
    }
    double low = 0, high = std::numeric_limits<double>::infinity();
    double length = std::min(1.0, kStepMax / Largest(direction));
    for (int i = 0; i < kSearchMax; ++i) {
      Vector at = place.at;
      for (std::size_t k = 0; k < at.size(); ++k) {
        at[k] += length * direction[k];
      }
      Place there = Look(std::move(at));
      if (!Finite(there) || there.value > place.value + 1e-4 * length * slope) {
        high = length;
      } else if (Dot(there.gradient, direction) < 0.9 * slope &&
                 length < kStepMax / Largest(direction)) {
        low = length;
      } else {
        place = std::move(there);
        return true;
      }
      length =
          std::isinf(high) ? std::min(2 * low, kStepMax / Largest(direction)) : (low + high) / 2;
    }
    return false;
  }

  void Descend(Place& place) {
    const std::size_t size = place.at.size();
    Matrix inverse(size);
    const auto reset = [&] {
      for (std::size_t i = 0; i < size; ++i) {
        for (std::size_t j = 0; j < size; ++j) {
          inverse(i, j) = i == j ? 1.0 : 0.0;
        }
      }
    };
    reset();
    bool fresh = true;  // The matrix knows nothing yet.
    for (int step = 0; step < kStepsMax && Largest(place.gradient) > kSlopeEnough; ++step) {
      Vector direction(size, 0.0);
      for (std::size_t i = 0; i < size; ++i) {
        for (std::size_t j = 0; j < size; ++j) {
          direction[i] -= inverse(i, j) * place.gradient[j];
        }
      }
      const Place before = place;
      if (!Step(place, direction)) {
        if (fresh) {
          return;
        }
        reset();
        fresh = true;
        continue;
      }
      fresh = false;
      Learn(before, place, inverse, step == 0);
    }
  }

  // Formula 6.17, and 6.20 for the first scale.
  static void Learn(const Place& before, const Place& after, Matrix& inverse, bool first) {
    const std::size_t size = before.at.size();
    Vector s(size), y(size), hy(size, 0.0);
    for (std::size_t i = 0; i < size; ++i) {
      s[i] = after.at[i] - before.at[i];
      y[i] = after.gradient[i] - before.gradient[i];
    }
    const double sy = Dot(s, y);
    if (!(sy > 0)) {
      return;
    }
    if (first) {
      for (std::size_t i = 0; i < size; ++i) {
        inverse(i, i) = sy / Dot(y, y);
      }
    }
    for (std::size_t i = 0; i < size; ++i) {
      for (std::size_t j = 0; j < size; ++j) {
        hy[i] += inverse(i, j) * y[j];
      }
    }
    const double scale = (1 + Dot(y, hy) / sy) / sy;
    for (std::size_t i = 0; i < size; ++i) {
      for (std::size_t j = 0; j < size; ++j) {
        inverse(i, j) += scale * s[i] * s[j] - (hy[i] * s[j] + s[i] * hy[j]) / sy;
      }
    }
  }

  Matrix Curvature(const Place& place) {
    const std::size_t size = place.at.size();
    Matrix second(size);
    for (std::size_t i = 0; i < size; ++i) {
      Vector up = place.at, down = place.at;
      up[i] += kDifference;
      down[i] -= kDifference;
      const Place above = Look(std::move(up)), below = Look(std::move(down));
      if (!Finite(above) || !Finite(below)) {
        return Matrix(0);
      }
      for (std::size_t j = 0; j < size; ++j) {
        second(i, j) = (above.gradient[j] - below.gradient[j]) / (2 * kDifference);
      }
    }
    for (std::size_t i = 0; i < size; ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        second(i, j) = second(j, i) = (second(i, j) + second(j, i)) / 2;
      }
    }
    return second;
  }

  // Newton's steps are taken while they make the slope smaller, all with the curvature of the
  // first.
  void Polish(Place& place, const Matrix& curvature) {
    const Matrix inverse = InverseOfPositive(curvature);
    for (int i = 0; i < kNewtonMax && inverse.size() != 0; ++i) {
      Vector at = place.at;
      for (std::size_t k = 0; k < at.size(); ++k) {
        for (std::size_t j = 0; j < at.size(); ++j) {
          at[k] -= inverse(k, j) * place.gradient[j];
        }
        if (!(std::fabs(at[k] - place.at[k]) < 1)) {
          return;  // Too flat for Newton.
        }
      }
      Place there = Look(std::move(at));
      if (!Finite(there) || !(Largest(there.gradient) < Largest(place.gradient))) {
        return;
      }
      place = std::move(there);
    }
  }

  const Objective& objective_;
  int evaluations_ = 0;
};

}  // namespace

Minimum Minimise(const Objective& objective, std::vector<double> start) {
  SEGUE_CHECK(!start.empty());
  return Search(objective).Run(std::move(start));
}

}  // namespace segue
