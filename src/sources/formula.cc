// Parser and evaluator for the arithmetic of `map`.

#include "sources/formula.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include <boost/container/small_vector.hpp>
#include <fmt/format.h>

namespace segue {
namespace {

// std::numeric_limits does not know 128-bit numbers in strict C++.
__extension__ using UnsignedWide = unsigned __int128;
constexpr auto kWideMin = static_cast<Wide>(static_cast<UnsignedWide>(1) << 127U);

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

bool IsWord(char c) {
  // Bytes from 80 on belong to letters outside ASCII.
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || IsDigit(c) ||
         static_cast<unsigned char>(c) >= 0x80;
}

Error TooLarge() {
  return Error("the result is too large a number");
}

bool FitsInWord(Wide value) {
  return value == static_cast<std::int64_t>(value) &&
         value != std::numeric_limits<std::int64_t>::min();
}

Wide GreatestCommonDivisor(Wide a, Wide b) {
  while (b != 0) {
    if (FitsInWord(a) && FitsInWord(b)) {
      // Nearly always at once: 128-bit division is ten times as slow.
      return std::gcd(static_cast<std::int64_t>(a), static_cast<std::int64_t>(b));
    }
    a = std::exchange(b, a % b);
  }
  return a < 0 ? -a : a;
}

// The most negative Wide has no positive twin: it counts as overflow.
bool Multiply(Wide a, Wide b, Wide& product) {
  return !__builtin_mul_overflow(a, b, &product) && product != kWideMin;
}

bool Add(Wide a, Wide b, Wide& sum) {
  return !__builtin_add_overflow(a, b, &sum) && sum != kWideMin;
}

Fraction Reduced(Wide top, Wide bottom) {
  if (bottom != 1) {
    const Wide divisor = GreatestCommonDivisor(bottom, top);
    top /= divisor;
    bottom /= divisor;
  }
  return bottom < 0 ? Fraction{-top, -bottom} : Fraction{top, bottom};
}

bool Multiply(const Fraction& a, const Fraction& b, Fraction& product) {
  Wide top = 0;
  Wide bottom = 0;
  if (!Multiply(a.top, b.top, top) || !Multiply(a.bottom, b.bottom, bottom)) {
    return false;
  }
  product = Reduced(top, bottom);
  return true;
}

bool Add(const Fraction& a, const Fraction& b, Fraction& sum) {
  Wide left = 0;
  Wide right = 0;
  Wide top = 0;
  Wide bottom = 0;
  if (!Multiply(a.top, b.bottom, left) || !Multiply(b.top, a.bottom, right) ||
      !Add(left, right, top) || !Multiply(a.bottom, b.bottom, bottom)) {
    return false;
  }
  sum = Reduced(top, bottom);
  return true;
}

}  // namespace

Result<Fraction> ParseFraction(std::string_view text) {
  std::string_view rest = text;
  const bool minus = !rest.empty() && rest.front() == '-';
  if (minus || (!rest.empty() && rest.front() == '+')) {
    rest.remove_prefix(1);
  }
  bool after_point = false;
  bool last_is_digit = false;
  bool fits = true;
  Wide top = 0;
  Wide bottom = 1;
  for (const char c : rest) {
    last_is_digit = IsDigit(c);
    if (last_is_digit) {
      fits = fits && Multiply(top, 10, top) && Add(top, c - '0', top) &&
             (!after_point || Multiply(bottom, 10, bottom));
    } else if (c == '.' && !after_point) {
      after_point = true;
    } else {
      break;
    }
  }
  if (!last_is_digit) {
    return Error(fmt::format("{:?} is not a number; write digits and a point, such as 1234.50",
                             text.substr(0, 60)));
  }
  if (!fits) {
    return Error(fmt::format("{:?} has too many digits", text.substr(0, 60)));
  }
  return Reduced(minus ? -top : top, bottom);
}

Result<Fraction> Product(const Fraction& a, const Fraction& b) {
  Fraction product;
  if (!Multiply(a, b, product)) {
    return TooLarge();
  }
  return product;
}

Result<Decimal> RoundFraction(const Fraction& value, int decimals) {
  Wide top = value.top;
  Wide bottom = value.bottom;
  for (int i = 0; i < decimals; ++i) {
    if (bottom % 10 == 0) {
      bottom /= 10;
    } else if (!Multiply(top, 10, top)) {
      return TooLarge();
    }
  }
  Wide units = top / bottom;
  const Wide rest = top % bottom;
  const Wide rest_size = rest < 0 ? -rest : rest;
  if (rest_size >= bottom - rest_size) {
    units += top < 0 ? -1 : 1;
  }
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
  if (units > kMost || units < -kMost) {
    return TooLarge();
  }
  return Decimal{.units = static_cast<std::int64_t>(units), .rounded = rest != 0};
}

// Recursive descent; writes steps in the order of evaluation.
class FormulaParser {
 public:
  explicit FormulaParser(std::string_view text) : text_(text) {}

  Result<Formula> Parse() {
    if (text_.size() > kFormulaBytesMax || !Sum(0)) {
      return Bad();
    }
    return Peek() == '\0' ? Result<Formula>(std::move(formula_)) : Bad();
  }

 private:
  using Kind = Formula::Kind;

  Error Bad() const {
    return Error(
        fmt::format("{:?} is neither a column nor arithmetic of columns with + - * / and brackets",
                    text_.substr(0, 60)));
  }

  // The next character that is not a space; 0 at the end.
  char Peek() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) {
      ++at_;
    }
    return at_ < text_.size() ? text_[at_] : '\0';
  }

  void Push(Kind kind) { formula_.steps_.push_back({.kind = kind, .column = 0, .number = {}}); }

  bool Sum(int depth) {
    if (!Product(depth)) {
      return false;
    }
    for (char c = Peek(); c == '+' || c == '-'; c = Peek()) {
      ++at_;
      if (!Product(depth)) {
        return false;
      }
      Push(c == '+' ? Kind::kAdd : Kind::kSubtract);
    }
    return true;
  }

  bool Product(int depth) {
    if (!Unary(depth)) {
      return false;
    }
    for (char c = Peek(); c == '*' || c == '/'; c = Peek()) {
      ++at_;
      if (!Unary(depth)) {
        return false;
      }
      Push(c == '*' ? Kind::kMultiply : Kind::kDivide);
    }
    return true;
  }

  bool Unary(int depth) {
    if (depth > kFormulaDepthMax) {
      return false;
    }
    const char c = Peek();
    if (c == '-') {
      ++at_;
      const bool read = Unary(depth + 1);
      Push(Kind::kNegate);
      return read;
    }
    if (c == '(') {
      ++at_;
      if (!Sum(depth + 1) || Peek() != ')') {
        return false;
      }
      ++at_;
      return true;
    }
    return IsDigit(c) ? Number() : IsWord(c) && Column();
  }

  bool Number() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && (IsWord(text_[at_]) || text_[at_] == '.')) {
      ++at_;
    }
    const Result<Fraction> number = ParseFraction(text_.substr(begin, at_ - begin));
    if (number) {
      formula_.steps_.push_back({.kind = Kind::kNumber, .column = 0, .number = *number});
    }
    return number.has_value();
  }

  bool Column() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && (IsWord(text_[at_]) || text_[at_] == '.')) {
      ++at_;
    }
    const std::string name(text_.substr(begin, at_ - begin));
    std::vector<std::string>& columns = formula_.columns_;
    const auto found = std::find(columns.begin(), columns.end(), name);
    const auto index = static_cast<std::size_t>(found - columns.begin());
    if (found == columns.end()) {
      columns.push_back(name);
    }
    formula_.steps_.push_back({.kind = Kind::kColumn, .column = index, .number = {}});
    return true;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  Formula formula_;
};

Result<Formula> Formula::Parse(std::string_view text) {
  return FormulaParser(text).Parse();
}

Result<Fraction> Formula::Evaluate(std::span<const Fraction> values) const {
  boost::container::small_vector<Fraction, 8> stack;
  for (const Step& step : steps_) {
    if (step.kind == Kind::kColumn || step.kind == Kind::kNumber) {
      stack.push_back(step.kind == Kind::kColumn ? values[step.column] : step.number);
      continue;
    }
    if (step.kind == Kind::kNegate) {
      stack.back().top = -stack.back().top;
      continue;
    }
    Fraction right = stack.back();
    stack.pop_back();
    Fraction& left = stack.back();
    if (step.kind == Kind::kSubtract) {
      right.top = -right.top;
    }
    if (step.kind == Kind::kDivide) {
      if (right.top == 0) {
        return Error("division by zero");
      }
      right =
          right.top < 0 ? Fraction{-right.bottom, -right.top} : Fraction{right.bottom, right.top};
    }
    const bool adds = step.kind == Kind::kAdd || step.kind == Kind::kSubtract;
    if (!(adds ? Add(left, right, left) : Multiply(left, right, left))) {
      return TooLarge();
    }
  }
  return stack.back();
}

}  // namespace segue
