// The canonical text of an aggregate.

#include "expression/canonical.h"

#include <algorithm>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "base/check.h"
#include "base/time.h"

namespace segue {
namespace {

std::string_view OpName(Op op) {
  switch (op) {
    case Op::kLiteral:
    case Op::kLeaf:
      break;
    case Op::kNegate:
      return "negate";
    case Op::kAdd:
      return "+";
    case Op::kSubtract:
      return "-";
    case Op::kMultiply:
      return "*";
    case Op::kDivide:
      return "/";
    case Op::kIs:
      return "is";
    case Op::kIsNot:
      return "is not";
    case Op::kLess:
      return "<";
    case Op::kLessEqual:
      return "<=";
    case Op::kGreater:
      return ">";
    case Op::kGreaterEqual:
      return ">=";
    case Op::kIn:
      return "in";
    case Op::kNotIn:
      return "not in";
    case Op::kInRange:
      return "in range";
    case Op::kNotInRange:
      return "not in range";
    case Op::kAnd:
      return "and";
    case Op::kOr:
      return "or";
    case Op::kNot:
      return "not";
    case Op::kExists:
      return "exists";
    case Op::kMean:
      return "mean";
    case Op::kRound:
      return "round";
    case Op::kFloor:
      return "floor";
    case Op::kDays:
      return "days";
    case Op::kUsualGap:
      return "usual_gap";
  }
  SEGUE_CHECK(false);
}

// Prefix form: the identity needs to be unambiguous, not pretty.
void WriteCondition(const Expr& expr, const EventSpec& event, const TextPool& pool,
                    std::string& out) {
  if (expr.op == Op::kLeaf) {
    SEGUE_CHECK(expr.leaf.kind == Leaf::Kind::kEventField);
    out += event.fields[static_cast<std::size_t>(expr.leaf.index)].name;
    return;
  }
  if (expr.op == Op::kLiteral) {
    if (expr.type.type == Type::kText || expr.type.type == Type::kChoice) {
      const std::string& text = pool.Text(static_cast<std::uint32_t>(expr.literal));
      out += fmt::format("{}:'{}'", text.size(), text);
    } else {
      out += fmt::format("{}", expr.literal);
    }
    return;
  }
  out += "(";
  out += OpName(expr.op);
  for (const Expr& arg : expr.args) {
    out += " ";
    WriteCondition(arg, event, pool, out);
  }
  out += ")";
}

std::string_view AggregateName(AggregateOp op) {
  switch (op) {
    case AggregateOp::kCount:
      return "count";
    case AggregateOp::kSum:
      return "sum";
    case AggregateOp::kAvg:
      return "avg";
    case AggregateOp::kDistinct:
      return "distinct";
    case AggregateOp::kLast:
    case AggregateOp::kLastOf:
      return "last";
    case AggregateOp::kFirst:
    case AggregateOp::kFirstOf:
      return "first";
  }
  SEGUE_CHECK(false);
}

}  // namespace

std::string CanonicalAggregate(const Aggregate& aggregate, const Schema& schema,
                               const TextPool& pool) {
  const EventSpec& event = schema.events[static_cast<std::size_t>(aggregate.event)];
  std::string out = fmt::format("{}({}", AggregateName(aggregate.op), event.name);
  if (aggregate.field >= 0) {
    out += "." + event.fields[static_cast<std::size_t>(aggregate.field)].name;
  }
  if (!aggregate.where.empty()) {
    out += " where ";
    WriteCondition(aggregate.where.front(), event, pool, out);
  }
  if (aggregate.window > Duration::zero()) {
    out += ", " + FormatDuration(aggregate.window);
  }
  if (aggregate.before > Duration::zero()) {
    out += ", before " + FormatDuration(aggregate.before);
  }
  return out + (aggregate.in_run ? ") in run" : ")");
}

std::string EventBasis(const Schema& schema, int event, const std::vector<int>& fields) {
  const EventSpec& spec = schema.events[static_cast<std::size_t>(event)];
  std::vector<std::string> refunds;
  for (const EventSpec& refund : schema.events) {
    if (refund.reverses != event || refund.by_field < 0 || refund.by_original_field < 0) {
      continue;
    }
    std::set<std::string> shared;
    for (const FieldSpec& field : refund.fields) {
      const std::optional<int> same = spec.FindField(field.name);
      if (same && field.type == Type::kMoney &&
          spec.fields[static_cast<std::size_t>(*same)].type == Type::kMoney) {
        shared.insert(field.name);
      }
    }
    refunds.push_back(fmt::format(
        "{}.{}>{} {}", refund.name, refund.fields[static_cast<std::size_t>(refund.by_field)].name,
        spec.fields[static_cast<std::size_t>(refund.by_original_field)].name,
        fmt::join(shared, ",")));
  }
  std::sort(refunds.begin(), refunds.end());
  std::string out;
  for (const int field : fields) {
    const FieldSpec& one = spec.fields[static_cast<std::size_t>(field)];
    out += fmt::format("{}:{};", one.name, static_cast<int>(one.type));
  }
  return fmt::format("{}{}", out, fmt::join(refunds, ";"));
}

}  // namespace segue
