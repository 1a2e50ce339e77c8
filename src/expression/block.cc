// The block executor: one pass per operator over the lanes of up to kBlock customers.
//
// Lanes are worked on in groups of eight, so that the compiler turns every group into a few vector
// instructions without being told how many customers there are.  Scratch is a stack of rows of
// kBlock lanes; a node leaves its result in the row that it was given and uses only rows above it.

#include <algorithm>
#include <array>
#include <memory>

#include "base/check.h"
#include "base/wide.h"
#include "expression/arithmetic.h"
#include "expression/execute.h"

namespace segue {
namespace {

constexpr std::size_t kGroup = 8;
static_assert(kBlock % kGroup == 0);

// Rows that fit on the stack; almost every expression needs fewer.
constexpr std::size_t kStackRows = 4;

template <typename F>
[[gnu::always_inline]] inline void Each(double* a, std::size_t lanes, F f) {
  for (std::size_t i = 0; i < lanes; i += kGroup) {
    std::array<double, kGroup> result;
    for (std::size_t k = 0; k < kGroup; ++k) {
      result[k] = f(a[i + k]);
    }
    std::copy(result.begin(), result.end(), a + i);
  }
}

// a = f(a, b)
template <typename F>
[[gnu::always_inline]] inline void Each(double* a, const double* b, std::size_t lanes, F f) {
  for (std::size_t i = 0; i < lanes; i += kGroup) {
    std::array<double, kGroup> result;
    for (std::size_t k = 0; k < kGroup; ++k) {
      result[k] = f(a[i + k], b[i + k]);
    }
    std::copy(result.begin(), result.end(), a + i);
  }
}

// Two operands, of which the second needs no row of its own.
bool HasLiteral(const Expr& expr) {
  switch (expr.op) {
    case Op::kAdd:
    case Op::kSubtract:
    case Op::kMultiply:
    case Op::kDivide:
    case Op::kIs:
    case Op::kIsNot:
    case Op::kLess:
    case Op::kLessEqual:
    case Op::kGreater:
    case Op::kGreaterEqual:
      return expr.args[1].op == Op::kLiteral;
    default:
      return false;
  }
}

std::size_t RowsNeeded(const Expr& expr) {
  if (expr.args.empty()) {
    return 1;
  }
  std::size_t rows = RowsNeeded(expr.args[0]);
  if (HasLiteral(expr)) {
    return rows;
  }
  switch (expr.op) {
    case Op::kIn:
    case Op::kNotIn:
    case Op::kInRange:
    case Op::kNotInRange:
      return rows + 1;  // The others are literals.
    case Op::kUsualGap:
      return std::max({rows, 1 + RowsNeeded(expr.args[1]), 2 + RowsNeeded(expr.args[2])});
    default:
      break;
  }
  for (std::size_t i = 1; i < expr.args.size(); ++i) {
    rows = std::max(rows, 1 + RowsNeeded(expr.args[i]));
  }
  return rows;
}

class BlockExecutor {
 public:
  BlockExecutor(const Inputs& inputs, const Moment& moment, CustomerIndex first, std::size_t count)
      : inputs_(inputs),
        moment_(moment),
        first_(first),
        count_(count),
        lanes_((count + kGroup - 1) / kGroup * kGroup) {}

  std::size_t lanes() const { return lanes_; }

  // Puts the values into row[0 .. lanes); uses the rows above.
  void Run(const Expr& expr, double* row) const {
    switch (expr.op) {
      case Op::kLiteral:
        std::fill(row, row + lanes_, expr.literal);
        return;
      case Op::kLeaf:
        return RunLeaf(expr.leaf, row);
      case Op::kIn:
      case Op::kNotIn:
      case Op::kInRange:
      case Op::kNotInRange:
        return RunMembership(expr, row);
      case Op::kUsualGap:
        return RunUsualGap(expr, row);
      case Op::kAnd:
      case Op::kOr:
      case Op::kMean:
        return RunMany(expr, row);
      case Op::kNegate:
      case Op::kNot:
      case Op::kExists:
      case Op::kRound:
      case Op::kFloor:
      case Op::kDays:
        Run(expr.args[0], row);
        return RunUnary(expr.op, row);
      case Op::kAdd:
      case Op::kSubtract:
      case Op::kMultiply:
      case Op::kDivide:
      case Op::kIs:
      case Op::kIsNot:
      case Op::kLess:
      case Op::kLessEqual:
      case Op::kGreater:
      case Op::kGreaterEqual:
        Run(expr.args[0], row);
        if (HasLiteral(expr)) {
          return RunWithLiteral(expr.op, row, expr.args[1].literal);
        }
        Run(expr.args[1], row + kBlock);
        return RunWithRow(expr.op, row, row + kBlock);
    }
    SEGUE_CHECK(false);
  }

 private:
  SEGUE_WIDE void RunLeaf(const Leaf& leaf, double* row) const {
    if (leaf.kind == Leaf::Kind::kNow) {
      std::fill(row, row + lanes_, static_cast<double>(ToMicros(moment_.now)));
      return;
    }
    inputs_.Read(leaf, first_, std::span(row, count_));
    std::fill(row + count_, row + lanes_, kMissing);
    Each(row, lanes_, Finite);
  }

  SEGUE_WIDE void RunUnary(Op op, double* row) const {
    if (op == Op::kNegate) {
      Each(row, lanes_, [](double a) { return Finite(-a); });
    } else if (op == Op::kNot) {
      Each(row, lanes_, [](double a) { return Truth(a != 1.0); });
    } else if (op == Op::kExists) {
      Each(row, lanes_, [](double a) { return Truth(a == a); });
    } else if (op == Op::kRound) {
      Each(row, lanes_, [](double a) { return Finite(std::round(a)); });
    } else if (op == Op::kFloor) {
      Each(row, lanes_, [](double a) { return Finite(std::floor(a)); });
    } else {
      const std::int64_t today = moment_.zone.ToLocal(moment_.now).day();
      Each(row, lanes_, [&](double a) { return Days(a, today, moment_.zone); });
    }
  }

  SEGUE_WIDE void RunWithRow(Op op, double* a, const double* b) const {
    RunBinary(op, [&](auto f) { Each(a, b, lanes_, f); });
  }

  SEGUE_WIDE void RunWithLiteral(Op op, double* a, double b) const {
    RunBinary(op, [&](auto f) { Each(a, lanes_, [&](double x) { return f(x, b); }); });
  }

  // `each` is called with what the operator does to two numbers.
  template <typename OfEach>
  [[gnu::always_inline]] static void RunBinary(Op op, OfEach each) {
    switch (op) {
      case Op::kAdd:
        return each([](double x, double y) { return Finite(x + y); });
      case Op::kSubtract:
        return each([](double x, double y) { return Finite(x - y); });
      case Op::kMultiply:
        return each([](double x, double y) { return Finite(x * y); });
      case Op::kDivide:
        return each([](double x, double y) { return Finite(x / y); });
      case Op::kIs:
        return each([](double x, double y) { return Truth(x == y); });
      case Op::kIsNot:
        return each([](double x, double y) { return Truth(x != y); });
      case Op::kLess:
        return each([](double x, double y) { return Truth(x < y); });
      case Op::kLessEqual:
        return each([](double x, double y) { return Truth(x <= y); });
      case Op::kGreater:
        return each([](double x, double y) { return Truth(x > y); });
      default:
        return each([](double x, double y) { return Truth(x >= y); });
    }
  }

  SEGUE_WIDE void RunMany(const Expr& expr, double* row) const {
    double* next = row + kBlock;
    Run(expr.args[0], row);
    if (expr.op != Op::kMean) {
      Each(row, lanes_, [](double a) { return Truth(a == 1.0); });
    }
    for (std::size_t i = 1; i < expr.args.size(); ++i) {
      Run(expr.args[i], next);
      if (expr.op == Op::kMean) {
        Each(row, next, lanes_, [](double a, double b) { return Finite(a + b); });
      } else if (expr.op == Op::kAnd) {
        Each(row, next, lanes_, [](double a, double b) { return b == 1.0 ? a : 0.0; });
      } else {
        Each(row, next, lanes_, [](double a, double b) { return b == 1.0 ? 1.0 : a; });
      }
    }
    if (expr.op == Op::kMean) {
      const auto number = static_cast<double>(expr.args.size());
      Each(row, lanes_, [number](double a) { return Finite(a / number); });
    }
  }

  SEGUE_WIDE void RunMembership(const Expr& expr, double* row) const {
    double* value = row + kBlock;
    Run(expr.args[0], value);
    std::fill(row, row + lanes_, 0.0);
    if (expr.op == Op::kInRange || expr.op == Op::kNotInRange) {
      const double low = expr.args[1].literal;
      const double high = expr.args[2].literal;
      Each(row, value, lanes_,
           [low, high](double, double v) { return v >= low ? Truth(v <= high) : 0.0; });
    } else {
      for (std::size_t i = 1; i < expr.args.size(); ++i) {
        const double literal = expr.args[i].literal;
        Each(row, value, lanes_, [literal](double a, double v) { return v == literal ? 1.0 : a; });
      }
    }
    if (expr.op == Op::kNotIn || expr.op == Op::kNotInRange) {
      Each(row, lanes_, [](double a) { return 1.0 - a; });
    }
  }

  void RunUsualGap(const Expr& expr, double* row) const {
    double* first = row + kBlock;
    double* count = first + kBlock;
    Run(expr.args[0], row);
    Run(expr.args[1], first);
    Run(expr.args[2], count);
    for (std::size_t i = 0; i < lanes_; ++i) {
      row[i] = UsualGap(row[i], first[i], count[i]);
    }
  }

  const Inputs& inputs_;
  const Moment& moment_;
  CustomerIndex first_;
  std::size_t count_;
  std::size_t lanes_;
};

}  // namespace

void ExecuteBlock(const Expr& expr, const Inputs& inputs, const Moment& moment, CustomerIndex first,
                  std::span<double> out) {
  SEGUE_CHECK(out.size() <= kBlock);
  const BlockExecutor executor(inputs, moment, first, out.size());
  const std::size_t rows = RowsNeeded(expr);
  if (rows == 1 && executor.lanes() == out.size()) {
    executor.Run(expr, out.data());
    return;
  }
  // Not initialised: every row is written before it is read.
  if (rows <= kStackRows) {
    std::array<double, kStackRows * kBlock> scratch;
    executor.Run(expr, scratch.data());
    std::copy_n(scratch.begin(), out.size(), out.begin());
    return;
  }
  const std::unique_ptr<double[]> scratch(new double[rows * kBlock]);
  executor.Run(expr, scratch.get());
  std::copy_n(scratch.get(), out.size(), out.begin());
}

}  // namespace segue
