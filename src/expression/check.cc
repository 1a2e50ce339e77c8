// Literals, operators and their types.

#include "expression/check.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "base/money.h"
#include "base/text.h"
#include "expression/checker.h"

namespace segue {
namespace {

constexpr std::size_t kShownMax = 40;

bool IsTextual(Type type) {
  return type == Type::kText || type == Type::kChoice;
}

// `0` alone; `0%` says that it is a share.
bool IsPlainZero(const Expr& expr, const Syntax& syntax) {
  return expr.op == Op::kLiteral && syntax.kind == Syntax::Kind::kNumber && expr.literal == 0 &&
         !syntax.text.ends_with('%');
}

bool IsTextLiteral(const Expr& expr, const Syntax& syntax) {
  return expr.op == Op::kLiteral && syntax.kind == Syntax::Kind::kText;
}

bool IsFixed(const Syntax& syntax) {
  return syntax.kind != Syntax::Kind::kName && syntax.kind != Syntax::Kind::kCall &&
         syntax.args.empty();
}

// What to write in place of the operand that does not fit.
std::string WriteInstead(const ExprType& type, const Schema& schema) {
  switch (type.type) {
    case Type::kText:
      return "write a text in quotes";
    case Type::kChoice:
      return fmt::format("write one of {}, in quotes", Join(type.choices, ", "));
    case Type::kNumber:
      return "write a number without a unit, such as 7 or 0.7";
    case Type::kMoney:
      return fmt::format("write an amount such as 20 {}", schema.currency);
    case Type::kTime:
      return "write a date in quotes, such as '2026-01-31'";
    case Type::kDuration:
      return "write a duration such as 7d";
    case Type::kYesNo:
      return "write yes or no, without quotes";
  }
  return "";
}

std::string TypesNote(const Expr& left, const Syntax& left_syntax, const Expr& right,
                      const Syntax& right_syntax) {
  return fmt::format("{} is {}, {} is {}", Shown(left_syntax, "the left side"),
                     DescribeType(left.type), Shown(right_syntax, "the right side"),
                     DescribeType(right.type));
}

Op ComparisonOp(std::string_view text) {
  if (text == "is") {
    return Op::kIs;
  }
  if (text == "is not") {
    return Op::kIsNot;
  }
  if (text == "<") {
    return Op::kLess;
  }
  if (text == "<=") {
    return Op::kLessEqual;
  }
  return text == ">" ? Op::kGreater : Op::kGreaterEqual;
}

std::optional<ExprType> SumType(bool plus, const ExprType& left, const ExprType& right) {
  if (left.type == right.type && IsAmount(left.type)) {
    return ExprType{left.type, left.whole && right.whole, {}};
  }
  const bool shifted = left.type == Type::kTime && right.type == Type::kDuration;
  if (shifted || (plus && left.type == Type::kDuration && right.type == Type::kTime)) {
    return ExprType{Type::kTime, false, {}};
  }
  if (!plus && left.type == Type::kTime && right.type == Type::kTime) {
    return ExprType{Type::kDuration, false, {}};
  }
  return std::nullopt;
}

std::optional<ExprType> ProductType(bool times, const ExprType& left, const ExprType& right) {
  if (!IsAmount(left.type) || !IsAmount(right.type)) {
    return std::nullopt;
  }
  if (times) {
    if (left.type != Type::kNumber && right.type != Type::kNumber) {
      return std::nullopt;
    }
    return ExprType{
        left.type == Type::kNumber ? right.type : left.type, left.whole && right.whole, {}};
  }
  if (left.type == right.type) {
    return ExprType{Type::kNumber, false, {}};
  }
  return right.type == Type::kNumber ? std::optional(ExprType{left.type, false, {}}) : std::nullopt;
}

}  // namespace

bool IsAmount(Type type) {
  return type == Type::kNumber || type == Type::kMoney || type == Type::kDuration;
}

std::string_view TypeWord(Type type) {
  switch (type) {
    case Type::kText:
      return "text";
    case Type::kChoice:
      return "choice";
    case Type::kNumber:
      return "number";
    case Type::kMoney:
      return "money";
    case Type::kTime:
      return "time";
    case Type::kDuration:
      return "duration";
    case Type::kYesNo:
      return "yes_no";
  }
  return "";
}

std::string DescribeType(const ExprType& type) {
  switch (type.type) {
    case Type::kText:
      return "a text";
    case Type::kChoice:
      return "one of " + Join(type.choices, ", ");
    case Type::kNumber:
      return "a number";
    case Type::kMoney:
      return "money";
    case Type::kTime:
      return "a time";
    case Type::kDuration:
      return "a duration";
    case Type::kYesNo:
      return "yes or no";
  }
  return "";
}

std::string Shown(const Syntax& syntax, std::string_view instead) {
  std::string text = PrintSyntax(syntax);
  return text.size() <= kShownMax ? text : std::string(instead);
}

std::string DidYouMean(std::string_view word, const std::vector<std::string>& candidates) {
  const auto nearest = Nearest(word, candidates);
  return nearest ? fmt::format("did you mean {}?", *nearest) : "";
}

Expr MakeExpr(Op op, ExprType type, const Syntax& syntax) {
  Expr expr;
  expr.op = op;
  expr.type = std::move(type);
  expr.begin = syntax.begin;
  expr.end = syntax.end;
  return expr;
}

Expr MakeLeaf(Leaf::Kind kind, int model, int index, ExprType type, const Syntax& syntax) {
  Expr expr = MakeExpr(Op::kLeaf, std::move(type), syntax);
  expr.leaf = {kind, model, index, PrintSyntax(syntax)};
  return expr;
}

void Checker::Fail(std::string code, Place place, std::string message, std::string note,
                   std::string help) {
  errors_.push_back({std::move(code), place.begin, place.end, std::move(message), std::move(note),
                     std::move(help)});
}

std::nullopt_t Checker::Fail(std::string code, const Syntax& syntax, std::string message,
                             std::string help) {
  Fail(std::move(code), Place{syntax.begin, syntax.end}, std::move(message), "", std::move(help));
  return std::nullopt;
}

std::optional<Expr> Checker::Check(const Syntax& syntax) {
  switch (syntax.kind) {
    case Syntax::Kind::kNumber:
    case Syntax::Kind::kMoney:
    case Syntax::Kind::kDuration:
    case Syntax::Kind::kText:
    case Syntax::Kind::kYesNo:
      return CheckLiteral(syntax);
    case Syntax::Kind::kName:
      return CheckName(syntax);
    case Syntax::Kind::kCall:
      return CheckCall(syntax);
    case Syntax::Kind::kUnary:
      return CheckUnary(syntax);
    case Syntax::Kind::kBinary:
      return CheckBinary(syntax);
    case Syntax::Kind::kIn:
    case Syntax::Kind::kInRange:
      return CheckMembership(syntax);
    case Syntax::Kind::kWhere:
    case Syntax::Kind::kBefore:
      return Fail(
          "SG005", syntax, fmt::format("`{}` cannot stand here", syntax.text),
          syntax.kind == Syntax::Kind::kWhere
              ? "`where` follows an event, as the first thing in count, sum, last and the like"
              : "`before` follows a window: count(EVENT, 30d, before 30d)");
  }
  SEGUE_CHECK(false);
}

std::optional<Expr> Checker::CheckLiteral(const Syntax& syntax) {
  switch (syntax.kind) {
    case Syntax::Kind::kMoney:
      return CheckMoney(syntax);
    case Syntax::Kind::kDuration: {
      const auto duration = CheckDuration(syntax);
      if (!duration) {
        return std::nullopt;
      }
      Expr expr = MakeExpr(Op::kLiteral, {Type::kDuration, false, {}}, syntax);
      expr.literal = static_cast<double>(duration->count());
      return expr;
    }
    case Syntax::Kind::kText: {
      SEGUE_CHECK(scope_.pool != nullptr);
      Expr expr = MakeExpr(Op::kLiteral, {Type::kText, false, {}}, syntax);
      expr.literal = static_cast<double>(scope_.pool->Intern(syntax.text));
      return expr;
    }
    case Syntax::Kind::kYesNo: {
      Expr expr = MakeExpr(Op::kLiteral, {Type::kYesNo, false, {}}, syntax);
      expr.literal = syntax.text == "yes" ? 1 : 0;
      return expr;
    }
    default:
      break;
  }
  const bool percent = syntax.text.ends_with('%');
  const std::string digits = percent ? syntax.text.substr(0, syntax.text.size() - 1) : syntax.text;
  Expr expr = MakeExpr(Op::kLiteral, {Type::kNumber, false, {}}, syntax);
  if (percent) {
    // One division of two whole numbers, so that 15% is the same double as 0.15.
    const auto hundredths = ParseDecimal(digits, 2);
    if (!hundredths) {
      return Fail("SG000", syntax, "this percentage cannot be read", "");
    }
    expr.literal = static_cast<double>(hundredths->units) / 10'000;
  } else {
    std::from_chars(digits.data(), digits.data() + digits.size(), expr.literal);
  }
  expr.type.whole = std::floor(expr.literal) == expr.literal;
  return expr;
}

std::optional<Expr> Checker::CheckMoney(const Syntax& syntax) {
  const Schema& schema = *scope_.schema;
  const std::size_t space = syntax.text.find(' ');
  const std::string currency = syntax.text.substr(space + 1);
  // Without one the workspace's own is wrong, and that is said where it stands.
  if (currency != schema.currency && !schema.currency.empty()) {
    return Fail("SG003", syntax,
                fmt::format("amounts here are in {}, not in {}", schema.currency, currency),
                "every amount is kept in the workspace's currency");
  }
  const auto amount = ParseDecimal(syntax.text.substr(0, space), schema.currency_decimals);
  // Beyond this a double no longer holds every minor unit.
  constexpr std::int64_t kUnitsMax = std::int64_t{1} << 53;
  if (!amount || amount->units > kUnitsMax) {
    return Fail("SG003", syntax, "this amount is too large", "");
  }
  if (amount->rounded) {
    return Fail("SG003", syntax,
                fmt::format("{} has {} decimals", currency, schema.currency_decimals), "");
  }
  Expr expr = MakeExpr(Op::kLiteral, {Type::kMoney, false, {}}, syntax);
  expr.literal = static_cast<double>(amount->units);
  return expr;
}

bool Checker::CheckCondition(const Expr& expr, const Syntax& syntax, std::string_view because) {
  if (expr.type.type == Type::kYesNo) {
    return true;
  }
  Fail("SG003", Place{syntax.begin, syntax.end}, fmt::format("{} must be yes or no", because),
       fmt::format("{} is {}", Shown(syntax, "this"), DescribeType(expr.type)),
       IsTextual(expr.type.type) ? "compare it: … is 'a text'"
                                 : "compare it with `is`, `<`, `>` or `in`");
  return false;
}

std::optional<Expr> Checker::CheckUnary(const Syntax& syntax) {
  auto inner = Check(syntax.args[0]);
  if (!inner) {
    return inner;
  }
  if (syntax.text == "not") {
    if (!CheckCondition(*inner, syntax.args[0], "what `not` turns round")) {
      return std::nullopt;
    }
    Expr expr = MakeExpr(Op::kNot, {Type::kYesNo, false, {}}, syntax);
    expr.args.push_back(*std::move(inner));
    return expr;
  }
  if (!IsAmount(inner->type.type)) {
    return Fail("SG003", syntax, fmt::format("{} has no negative", TypeWord(inner->type.type)), "");
  }
  if (inner->op == Op::kLiteral) {
    // A negative literal is a literal, for cuts and lists.
    inner->literal = inner->literal == 0 ? 0 : -inner->literal;
    inner->begin = syntax.begin;
    return inner;
  }
  Expr expr = MakeExpr(Op::kNegate, {inner->type.type, inner->type.whole, {}}, syntax);
  expr.args.push_back(*std::move(inner));
  return expr;
}

std::optional<Expr> Checker::CheckBinary(const Syntax& syntax) {
  if (syntax.text == "and" || syntax.text == "or") {
    return CheckLogic(syntax);
  }
  auto left = Check(syntax.args[0]);
  auto right = Check(syntax.args[1]);
  if (!left || !right) {
    return std::nullopt;
  }
  const bool arithmetic =
      syntax.text == "+" || syntax.text == "-" || syntax.text == "*" || syntax.text == "/";
  return arithmetic ? CheckArithmetic(syntax, *std::move(left), *std::move(right))
                    : CheckComparison(syntax, *std::move(left), *std::move(right));
}

std::optional<Expr> Checker::CheckLogic(const Syntax& syntax) {
  Expr expr =
      MakeExpr(syntax.text == "and" ? Op::kAnd : Op::kOr, {Type::kYesNo, false, {}}, syntax);
  bool good = true;
  for (const Syntax& arg : syntax.args) {
    auto term = Check(arg);
    good = term && CheckCondition(*term, arg, fmt::format("what `{}` joins", syntax.text)) && good;
    if (good) {
      expr.args.push_back(*std::move(term));
    }
  }
  return good ? std::optional(std::move(expr)) : std::nullopt;
}

bool Checker::TextToTime(Expr& expr, const Syntax& syntax) {
  const auto time = ParseTime(syntax.text, scope_.schema->timezone);
  if (!time) {
    Fail("SG003", Place{syntax.begin, syntax.end}, "this text is not a time", "",
         "write '2026-01-31' or '2026-01-31 09:00'");
    return false;
  }
  expr.type = {Type::kTime, false, {}};
  expr.literal = static_cast<double>(ToMicros(*time));
  return true;
}

bool Checker::ChoiceHas(const Expr& value, const Syntax& value_syntax, const Expr& literal,
                        const Syntax& literal_syntax) {
  const auto& choices = value.type.choices;
  if (value.type.type != Type::kChoice || !IsTextLiteral(literal, literal_syntax) ||
      std::find(choices.begin(), choices.end(), literal_syntax.text) != choices.end()) {
    return true;
  }
  std::string help = DidYouMean(literal_syntax.text, choices);
  const bool segment = value.op == Op::kLeaf && value.leaf.kind == Leaf::Kind::kSegment;
  Fail(segment ? "SG002" : "SG004", Place{literal_syntax.begin, literal_syntax.end},
       segment ? fmt::format("model {} has no segment '{}'", value.leaf.name, literal_syntax.text)
               : fmt::format("{} is never '{}'", Shown(value_syntax, "this"), literal_syntax.text),
       "one of " + Join(choices, ", "), std::move(help));
  return false;
}

bool Checker::Unify(Expr& left, const Syntax& left_syntax, Expr& right, const Syntax& right_syntax,
                    Place op) {
  const Type a = left.type.type;
  const Type b = right.type.type;
  if (IsTextual(a) && IsTextual(b)) {
    return ChoiceHas(left, left_syntax, right, right_syntax) &&
           ChoiceHas(right, right_syntax, left, left_syntax);
  }
  if (a == b) {
    return true;
  }
  if (IsPlainZero(right, right_syntax) && (a == Type::kMoney || a == Type::kDuration)) {
    right.type = {a, false, {}};
    return true;
  }
  if (IsPlainZero(left, left_syntax) && (b == Type::kMoney || b == Type::kDuration)) {
    left.type = {b, false, {}};
    return true;
  }
  if (a == Type::kTime && IsTextLiteral(right, right_syntax)) {
    return TextToTime(right, right_syntax);
  }
  if (b == Type::kTime && IsTextLiteral(left, left_syntax)) {
    return TextToTime(left, left_syntax);
  }
  const ExprType& kept = IsFixed(left_syntax) && !IsFixed(right_syntax) ? right.type : left.type;
  Fail("SG003", op, fmt::format("cannot compare {} with {}", TypeWord(a), TypeWord(b)),
       TypesNote(left, left_syntax, right, right_syntax), WriteInstead(kept, *scope_.schema));
  return false;
}

bool Checker::CheckOrdered(const Expr& expr, const Syntax& syntax, Place op) {
  if (IsAmount(expr.type.type) || expr.type.type == Type::kTime) {
    return true;
  }
  Fail("SG003", op, fmt::format("{} has no order", TypeWord(expr.type.type)),
       fmt::format("{} is {}", Shown(syntax, "this"), DescribeType(expr.type)),
       "compare it with `is`, `is not` or `in [ ]`");
  return false;
}

std::optional<Expr> Checker::CheckComparison(const Syntax& syntax, Expr left, Expr right) {
  const Place place{syntax.op_begin, syntax.op_end};
  if (!Unify(left, syntax.args[0], right, syntax.args[1], place)) {
    return std::nullopt;
  }
  const Op op = ComparisonOp(syntax.text);
  if (op != Op::kIs && op != Op::kIsNot && !CheckOrdered(left, syntax.args[0], place)) {
    return std::nullopt;
  }
  Expr expr = MakeExpr(op, {Type::kYesNo, false, {}}, syntax);
  expr.args.push_back(std::move(left));
  expr.args.push_back(std::move(right));
  return expr;
}

std::optional<Expr> Checker::CheckArithmetic(const Syntax& syntax, Expr left, Expr right) {
  const char op = syntax.text[0];
  const Syntax& left_syntax = syntax.args[0];
  const Syntax& right_syntax = syntax.args[1];
  std::optional<ExprType> type;
  if (op == '+' || op == '-') {
    // `0` takes the other side's type, as in comparisons.
    Expr* zero = IsPlainZero(right, right_syntax) ? &right
                 : IsPlainZero(left, left_syntax) ? &left
                                                  : nullptr;
    const Type other = zero == &right ? left.type.type : right.type.type;
    if (zero != nullptr && (other == Type::kMoney || other == Type::kDuration)) {
      zero->type = {other, false, {}};
    }
    type = SumType(op == '+', left.type, right.type);
  } else {
    type = ProductType(op == '*', left.type, right.type);
  }
  if (!type) {
    const std::string_view a = TypeWord(left.type.type);
    const std::string_view b = TypeWord(right.type.type);
    const bool sum = op == '+' || op == '-';
    Fail("SG003", Place{syntax.op_begin, syntax.op_end},
         op == '+'   ? fmt::format("cannot add {} and {}", a, b)
         : op == '-' ? fmt::format("cannot subtract {} from {}", b, a)
         : op == '*' ? fmt::format("cannot multiply {} by {}", a, b)
                     : fmt::format("cannot divide {} by {}", a, b),
         TypesNote(left, left_syntax, right, right_syntax),
         sum         ? "both sides are of one type, or one is a time and the other a duration"
         : op == '*' ? "one of the two is a number"
                     : "divide by a number, or by something of the same type");
    return std::nullopt;
  }
  Expr expr = MakeExpr(op == '+'   ? Op::kAdd
                       : op == '-' ? Op::kSubtract
                       : op == '*' ? Op::kMultiply
                                   : Op::kDivide,
                       *std::move(type), syntax);
  expr.args.push_back(std::move(left));
  expr.args.push_back(std::move(right));
  return expr;
}

std::optional<Expr> Checker::CheckMembership(const Syntax& syntax) {
  const bool range = syntax.kind == Syntax::Kind::kInRange;
  const bool negated = syntax.text == "not in";
  const Op op =
      range ? (negated ? Op::kNotInRange : Op::kInRange) : (negated ? Op::kNotIn : Op::kIn);
  Expr expr = MakeExpr(op, {Type::kYesNo, false, {}}, syntax);
  const Place place{syntax.op_begin, syntax.op_end};
  bool good = true;
  for (const Syntax& arg : syntax.args) {
    auto value = Check(arg);
    if (!value && expr.args.empty()) {
      return std::nullopt;
    }
    good = value && good;
    if (value && !expr.args.empty()) {
      good = Unify(expr.args.front(), syntax.args.front(), *value, arg, place) && good;
    }
    expr.args.push_back(value ? *std::move(value) : Expr());
  }
  if (!good || (range && !CheckOrdered(expr.args[0], syntax.args[0], place))) {
    return std::nullopt;
  }
  if (range && expr.args[1].literal > expr.args[2].literal) {
    Fail("SG003", Place{syntax.args[1].begin, syntax.args[2].end}, "nothing is in this range", "",
         "write the smaller end first");
    return std::nullopt;
  }
  return expr;
}

bool Checker::FitTo(Expr& expr, const Syntax& syntax, const ExprType& want) {
  const Type have = expr.type.type;
  if (have == want.type || (IsTextual(have) && IsTextual(want.type))) {
    return true;
  }
  if (IsPlainZero(expr, syntax) && (want.type == Type::kMoney || want.type == Type::kDuration)) {
    expr.type = {want.type, false, {}};
    return true;
  }
  if (want.type == Type::kTime && IsTextLiteral(expr, syntax)) {
    return TextToTime(expr, syntax);
  }
  if (want.type == Type::kYesNo) {
    return CheckCondition(expr, syntax, "a condition");
  }
  Fail("SG003", Place{syntax.begin, syntax.end},
       fmt::format("{} is asked for here", TypeWord(want.type)),
       fmt::format("{} is {}", Shown(syntax, "this"), DescribeType(expr.type)),
       WriteInstead(want, *scope_.schema));
  return false;
}

std::optional<Expr> CheckExpression(const Syntax& syntax, const Scope& scope,
                                    std::vector<ExpressionError>& errors) {
  SEGUE_CHECK(scope.schema != nullptr);
  return Checker(scope, errors).Check(syntax);
}

std::optional<Expr> CompileExpression(std::string_view text, const Scope& scope,
                                      std::optional<Type> want,
                                      std::vector<ExpressionError>& errors) {
  SEGUE_CHECK(scope.schema != nullptr);
  auto parsed = ParseExpression(text);
  if (auto* error = boost::variant2::get_if<ExpressionError>(&parsed)) {
    errors.push_back(std::move(*error));
    return std::nullopt;
  }
  const Syntax& syntax = boost::variant2::unsafe_get<0>(parsed);
  Checker checker(scope, errors);
  auto expr = checker.Check(syntax);
  if (expr && want && !checker.FitTo(*expr, syntax, ExprType{*want, false, {}})) {
    return std::nullopt;
  }
  return expr;
}

}  // namespace segue
