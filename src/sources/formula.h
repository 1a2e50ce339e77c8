// A Formula is the right side of a source's `map`: a column, or exact arithmetic of columns.
//
//   total_cents / 100       0 - amount       quantity * unit_price
//
// Numbers are fractions of whole numbers, so that nothing is rounded before the one rounding at the
// end.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/money.h"
#include "base/result.h"

namespace segue {

// A person writes neither; a hostile file does.
constexpr std::size_t kFormulaBytesMax = 1024;
constexpr int kFormulaDepthMax = 32;

__extension__ using Wide = __int128;

// top / bottom, the bottom above 0, without a common divisor.
struct Fraction {
  Wide top = 0;
  Wide bottom = 1;
};

// "1234.50" as it is written, however many decimals.
Result<Fraction> ParseFraction(std::string_view text);
// Error: too large.
Result<Fraction> Product(const Fraction& a, const Fraction& b);
// The nearest whole number of 10^-decimals; halves away from zero.
Result<Decimal> RoundFraction(const Fraction& value, int decimals);

class Formula {
 public:
  static Result<Formula> Parse(std::string_view text);

  // Every column that it names, once, in the order of their first use.
  const std::vector<std::string>& columns() const { return columns_; }

  // It is nothing but columns()[0].
  bool is_column() const { return steps_.size() == 1 && steps_[0].kind == Kind::kColumn; }

  // `values`: one per column.  Error: a division by zero, a number that grows too large.
  Result<Fraction> Evaluate(std::span<const Fraction> values) const;

 private:
  friend class FormulaParser;
  enum class Kind : std::uint8_t { kColumn, kNumber, kNegate, kAdd, kSubtract, kMultiply, kDivide };

  // In the order of evaluation: operands first, then what joins them.
  struct Step {
    Kind kind = Kind::kNumber;
    std::size_t column = 0;
    Fraction number;
  };

  std::vector<Step> steps_;
  std::vector<std::string> columns_;
};

}  // namespace segue
