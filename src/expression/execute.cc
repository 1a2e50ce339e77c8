// The single executor: one customer, or one event, with a record of what was read.

#include "expression/execute.h"

#include <utility>

#include "base/check.h"
#include "base/money.h"
#include "expression/arithmetic.h"

namespace segue {
namespace {

// One event's fields as `where` sees them.
struct EventView {
  const EventSpec& spec;
  std::span<const Value> fields;
  const TextPool& pool;
};

// A text that the pool lacks equals no literal and no trait, but it does equal the same text in
// another field: such texts get negative numbers, by the first field that holds them.
double UnknownText(const EventView& event, std::size_t field) {
  std::size_t same = 0;
  while (event.fields[same] != event.fields[field]) {
    ++same;
  }
  return -1.0 - static_cast<double>(same);
}

double FieldValue(const EventView& event, std::size_t field) {
  if (field >= event.fields.size()) {
    return kMissing;
  }
  const Value& value = event.fields[field];
  if (const auto* number = std::get_if<std::int64_t>(&value)) {
    const bool scaled = event.spec.fields[field].type == Type::kNumber;
    return scaled ? static_cast<double>(*number) / static_cast<double>(kNumberScale)
                  : static_cast<double>(*number);
  }
  if (const auto* text = std::get_if<std::string>(&value)) {
    const auto code = event.pool.Find(*text);
    return code ? static_cast<double>(*code) : UnknownText(event, field);
  }
  return kMissing;
}

class Single {
 public:
  Single(const Inputs* inputs, const EventView* event, const Moment& moment, CustomerIndex customer)
      : inputs_(inputs), event_(event), moment_(moment), customer_(customer) {}

  void Record(const TextPool* pool, const Schema* schema, Trace* trace) {
    pool_ = pool;
    schema_ = schema;
    trace_ = trace;
  }

  double Run(const Expr& expr) {
    // A named node is shown whole: what is below it is not.
    Trace* const trace = trace_;
    const bool shown = trace != nullptr && !expr.leaf.name.empty();
    if (shown) {
      trace_ = nullptr;
    }
    const double value = Value(expr);
    trace_ = trace;
    if (shown) {
      trace_->push_back({expr.begin, expr.end,
                         expr.leaf.name + " " + FormatTyped(expr.type, value, pool_, schema_)});
    }
    return value;
  }

 private:
  double Value(const Expr& expr) {
    switch (expr.op) {
      case Op::kLiteral:
        return expr.literal;
      case Op::kLeaf:
        return Read(expr.leaf);
      case Op::kNegate:
        return Finite(-Run(expr.args[0]));
      case Op::kNot:
        return Truth(Run(expr.args[0]) != 1.0);
      case Op::kExists: {
        const double value = Run(expr.args[0]);
        return Truth(value == value);
      }
      case Op::kRound:
        return Finite(std::round(Run(expr.args[0])));
      case Op::kFloor:
        return Finite(std::floor(Run(expr.args[0])));
      case Op::kDays:
        return Days(Run(expr.args[0]), moment_.zone.ToLocal(moment_.now).day(), moment_.zone);
      case Op::kAnd:
        return Logic(expr, 0.0);
      case Op::kOr:
        return Logic(expr, 1.0);
      case Op::kMean:
        return Mean(expr);
      case Op::kIn:
      case Op::kNotIn:
      case Op::kInRange:
      case Op::kNotInRange:
        return Membership(expr);
      case Op::kUsualGap: {
        const double last = Run(expr.args[0]);
        const double first = Run(expr.args[1]);
        return UsualGap(last, first, Run(expr.args[2]));
      }
      case Op::kAdd:
      case Op::kSubtract:
      case Op::kMultiply:
      case Op::kDivide:
      case Op::kIs:
      case Op::kIsNot:
      case Op::kLess:
      case Op::kLessEqual:
      case Op::kGreater:
      case Op::kGreaterEqual: {
        const double left = Run(expr.args[0]);
        return Binary(expr.op, left, Run(expr.args[1]));
      }
    }
    SEGUE_CHECK(false);
  }

  double Read(const Leaf& leaf) const {
    if (leaf.kind == Leaf::Kind::kNow) {
      return static_cast<double>(ToMicros(moment_.now));
    }
    if (event_ != nullptr && leaf.kind == Leaf::Kind::kEventField) {
      return FieldValue(*event_, static_cast<std::size_t>(leaf.index));
    }
    double value = kMissing;
    if (inputs_ != nullptr) {
      inputs_->Read(leaf, customer_, std::span(&value, 1));
    }
    return Finite(value);
  }

  static double Binary(Op op, double a, double b) {
    switch (op) {
      case Op::kAdd:
        return Finite(a + b);
      case Op::kSubtract:
        return Finite(a - b);
      case Op::kMultiply:
        return Finite(a * b);
      case Op::kDivide:
        return Finite(a / b);
      case Op::kIs:
        return Truth(a == b);
      case Op::kIsNot:
        return Truth(a != b);
      case Op::kLess:
        return Truth(a < b);
      case Op::kLessEqual:
        return Truth(a <= b);
      case Op::kGreater:
        return Truth(a > b);
      case Op::kGreaterEqual:
        return Truth(a >= b);
      default:
        break;
    }
    SEGUE_CHECK(false);
  }

  // `decides` is 0 for `and`, 1 for `or`.  With a trace all terms are read, since people want to
  // see them.
  double Logic(const Expr& expr, double decides) {
    double result = 1.0 - decides;
    for (const Expr& arg : expr.args) {
      if (Truth(Run(arg) == 1.0) == decides) {
        result = decides;
        if (trace_ == nullptr) {
          break;
        }
      }
    }
    return result;
  }

  double Mean(const Expr& expr) {
    double sum = Run(expr.args[0]);
    for (std::size_t i = 1; i < expr.args.size(); ++i) {
      sum = Finite(sum + Run(expr.args[i]));
    }
    return Finite(sum / static_cast<double>(expr.args.size()));
  }

  double Membership(const Expr& expr) {
    const double value = Run(expr.args[0]);
    bool inside = false;
    if (expr.op == Op::kInRange || expr.op == Op::kNotInRange) {
      inside = value >= expr.args[1].literal && value <= expr.args[2].literal;
    } else {
      for (std::size_t i = 1; i < expr.args.size(); ++i) {
        inside = inside || value == expr.args[i].literal;
      }
    }
    return Truth(inside != (expr.op == Op::kNotIn || expr.op == Op::kNotInRange));
  }

  const Inputs* inputs_;
  const EventView* event_;
  const Moment& moment_;
  CustomerIndex customer_;
  const TextPool* pool_ = nullptr;
  const Schema* schema_ = nullptr;
  Trace* trace_ = nullptr;
};

}  // namespace

double ExecuteOne(const Expr& expr, const Inputs& inputs, const Moment& moment,
                  CustomerIndex customer, const TextPool* pool, const Schema* schema,
                  Trace* trace) {
  Single single(&inputs, nullptr, moment, customer);
  single.Record(pool, schema, trace);
  return single.Run(expr);
}

double ExecuteOnEvent(const Expr& expr, const EventSpec& spec, std::span<const Value> fields,
                      const TextPool& pool, const Inputs* inputs, const Moment& moment,
                      CustomerIndex customer) {
  const EventView event{spec, fields, pool};
  return Single(inputs, &event, moment, customer).Run(expr);
}

}  // namespace segue
