// The functions of the language: what each one takes, and the nodes it becomes.

#include <array>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "base/text.h"
#include "expression/canonical.h"
#include "expression/checker.h"

namespace segue {
namespace {

enum class Function : std::uint8_t {
  kCount,
  kSum,
  kAvg,
  kDistinct,
  kLast,
  kFirst,
  kDid,
  kEver,
  kUsualGap,
  kChurnRisk,
  kAlive,
  kExpectedOrders,
  kExpectedSpend,
  kLifetimeValue,
  kSince,
  kUntil,
  kDays,
  kExists,
  kMean,
  kRound,
  kFloor,
};

// What stands first in the brackets.
enum class First : std::uint8_t {
  kEvent,
  kEventOrField,
  kField,
  kAmountField,
  kMoneyField,
  kValue,
  kValues
};
enum class Window : std::uint8_t { kNone, kMay, kMayWithBefore, kMust };

// A window reaches back from now without leaving what an instant can hold.
constexpr Duration kWindowMax = kDay * 36500;

ExprType Plain(Type type) {
  return {type, false, {}};
}

ExprType WholeNumber() {
  return {Type::kNumber, true, {}};
}

Expr Literal(ExprType type, double value, const Syntax& syntax) {
  Expr expr = MakeExpr(Op::kLiteral, std::move(type), syntax);
  expr.literal = value;
  return expr;
}

Expr Now(const Syntax& syntax) {
  Expr expr = MakeExpr(Op::kLeaf, Plain(Type::kTime), syntax);
  expr.leaf.kind = Leaf::Kind::kNow;
  return expr;
}

// An inner node that people see as the call it was written as.
Expr Named(Op op, ExprType type, const Syntax& syntax) {
  Expr expr = MakeExpr(op, std::move(type), syntax);
  expr.leaf.name = PrintSyntax(syntax);
  return expr;
}

}  // namespace

struct Checker::Call {
  std::string_view name;
  Function function;
  First first;
  Window window;
  std::string_view shape;  // How it is written, for messages.
};

// To add a function: a line here, its nodes in CheckEventCall or CheckValueCall, and an Op if it
// needs its own.
std::span<const Checker::Call> Checker::Calls() {
  static constexpr std::array<Call, 21> kCalls = {{
      {"count", Function::kCount, First::kEvent, Window::kMayWithBefore, "count(EVENT, 30d)"},
      {"sum", Function::kSum, First::kAmountField, Window::kMayWithBefore, "sum(EVENT.FIELD, 30d)"},
      {"avg", Function::kAvg, First::kAmountField, Window::kMayWithBefore, "avg(EVENT.FIELD, 30d)"},
      {"distinct", Function::kDistinct, First::kField, Window::kMayWithBefore,
       "distinct(EVENT.FIELD, 30d)"},
      {"last", Function::kLast, First::kEventOrField, Window::kNone,
       "last(EVENT) or last(EVENT.FIELD)"},
      {"first", Function::kFirst, First::kEventOrField, Window::kNone,
       "first(EVENT) or first(EVENT.FIELD)"},
      {"did", Function::kDid, First::kEvent, Window::kMay, "did(EVENT, 30d)"},
      {"ever", Function::kEver, First::kEvent, Window::kNone, "ever(EVENT)"},
      {"usual_gap", Function::kUsualGap, First::kEvent, Window::kNone, "usual_gap(EVENT)"},
      {"churn_risk", Function::kChurnRisk, First::kEvent, Window::kNone, "churn_risk(EVENT)"},
      {"alive", Function::kAlive, First::kEvent, Window::kNone, "alive(EVENT)"},
      {"expected_orders", Function::kExpectedOrders, First::kEvent, Window::kMust,
       "expected_orders(EVENT, 90d)"},
      {"expected_spend", Function::kExpectedSpend, First::kMoneyField, Window::kNone,
       "expected_spend(EVENT.FIELD)"},
      {"lifetime_value", Function::kLifetimeValue, First::kMoneyField, Window::kMust,
       "lifetime_value(EVENT.FIELD, 365d)"},
      {"since", Function::kSince, First::kValue, Window::kNone, "since(TIME)"},
      {"until", Function::kUntil, First::kValue, Window::kNone, "until(TIME)"},
      {"days", Function::kDays, First::kValue, Window::kNone, "days(TIME)"},
      {"exists", Function::kExists, First::kValue, Window::kNone, "exists(VALUE)"},
      {"mean", Function::kMean, First::kValues, Window::kNone, "mean(VALUE, VALUE, …)"},
      {"round", Function::kRound, First::kValue, Window::kNone, "round(NUMBER)"},
      {"floor", Function::kFloor, First::kValue, Window::kNone, "floor(NUMBER)"},
  }};
  return kCalls;
}

struct Checker::EventPart {
  int event = 0;
  int field = -1;
  std::vector<Expr> where;
};

std::optional<Expr> Checker::CheckCall(const Syntax& syntax) {
  const Call* call = nullptr;
  std::vector<std::string> names;
  for (const Call& each : Calls()) {
    names.emplace_back(each.name);
    if (each.name == syntax.text) {
      call = &each;
    }
  }
  const std::size_t name_end = syntax.begin + syntax.text.size();
  if (call == nullptr) {
    Fail("SG002", Place{syntax.begin, name_end}, fmt::format("unknown function {}", syntax.text),
         "", DidYouMean(syntax.text, names));
    return std::nullopt;
  }
  if (syntax.args.empty()) {
    return Fail("SG005", syntax, fmt::format("{} needs something in its brackets", call->name),
                fmt::format("write {}", call->shape));
  }
  const bool of_event = call->first != First::kValue && call->first != First::kValues;
  const bool needs_now = call->function == Function::kSince || call->function == Function::kUntil ||
                         call->function == Function::kDays;
  if ((of_event && scope_.event) || (needs_now && InCallWhere())) {
    Fail("SG005", Place{syntax.begin, name_end},
         fmt::format("{} cannot stand inside `where`", call->name), "",
         "inside `where`, fields of the event are compared with fixed values");
    return std::nullopt;
  }
  return of_event ? CheckEventCall(syntax, *call) : CheckValueCall(syntax, *call);
}

std::optional<int> Checker::FindEvent(const Syntax& name, std::string_view event) {
  auto found = scope_.schema->FindEvent(event);
  if (!found) {
    std::vector<std::string> names;
    for (const EventSpec& each : scope_.schema->events) {
      names.push_back(each.name);
    }
    std::string help = DidYouMean(event, names);
    if (help.empty()) {
      help = "events are declared in the workspace, under `events`";
    }
    Fail("SG002", Place{name.begin, name.begin + event.size()},
         fmt::format("unknown event {}", event), "", std::move(help));
  }
  return found;
}

std::optional<int> Checker::FindField(const Syntax& name, const EventSpec& event,
                                      std::string_view field, const Call& call) {
  std::vector<std::string> names;
  for (const FieldSpec& each : event.fields) {
    names.push_back(event.name + "." + each.name);
  }
  const auto found = event.FindField(field);
  if (!found) {
    const std::string full = event.name + "." + std::string(field);
    std::string help = DidYouMean(full, names);
    if (help.empty()) {
      help = names.empty() ? "this event has no fields" : "its fields are " + Join(names, ", ");
    }
    Fail("SG002", Place{name.end - field.size(), name.end},
         fmt::format("{} has no field {}", event.name, field), "", std::move(help));
    return std::nullopt;
  }
  const FieldSpec& spec = event.fields[static_cast<std::size_t>(*found)];
  const bool fits = call.first == First::kMoneyField    ? spec.type == Type::kMoney
                    : call.first == First::kAmountField ? IsAmount(spec.type)
                                                        : true;
  if (!fits) {
    Fail("SG003", Place{name.begin, name.end},
         fmt::format("cannot take the {} of {}", call.name, TypeWord(spec.type)),
         fmt::format("{} is {}", name.text, DescribeType({spec.type, false, spec.choices})),
         call.first == First::kMoneyField ? "name a money field"
                                          : "name a field of numbers, money or durations");
    return std::nullopt;
  }
  return found;
}

std::optional<Checker::EventPart> Checker::CheckEventPart(const Syntax& arg, const Call& call) {
  const Syntax& name = arg.kind == Syntax::Kind::kWhere ? arg.args[0] : arg;
  if (name.kind != Syntax::Kind::kName) {
    return Fail("SG005", name, fmt::format("{} begins with the name of an event", call.name),
                fmt::format("write {}", call.shape));
  }
  const std::size_t dot = std::min(name.text.find('.'), name.text.size());
  const std::string_view event_name = std::string_view(name.text).substr(0, dot);
  const auto event = FindEvent(name, event_name);
  if (!event) {
    return std::nullopt;
  }
  EventPart part;
  part.event = *event;
  const EventSpec& spec = scope_.schema->events[static_cast<std::size_t>(*event)];
  if (dot < name.text.size()) {
    if (call.first == First::kEvent) {
      return Fail("SG005", name,
                  fmt::format("{} looks at events, not at one of their fields", call.name),
                  fmt::format("write {}", call.shape));
    }
    const auto field = FindField(name, spec, std::string_view(name.text).substr(dot + 1), call);
    if (!field) {
      return std::nullopt;
    }
    part.field = *field;
  } else if (call.first != First::kEvent && call.first != First::kEventOrField) {
    return Fail("SG005", name, fmt::format("{} needs a field of {}", call.name, event_name),
                fmt::format("write {}", call.shape));
  }
  if (arg.kind == Syntax::Kind::kWhere) {
    Scope inner = scope_;
    inner.event = part.event;
    inner.where_traits = false;
    auto where = Checker(inner, errors_).Check(arg.args[1]);
    if (!where || !CheckCondition(*where, arg.args[1], "what `where` asks")) {
      return std::nullopt;
    }
    part.where.push_back(*std::move(where));
  }
  return part;
}

std::optional<Duration> Checker::CheckDuration(const Syntax& syntax) {
  const auto duration = ParseDuration(syntax.text);
  if (!duration || *duration > kWindowMax) {
    return Fail("SG003", syntax, "this duration is too long", "at most 36500d");
  }
  return duration;
}

bool Checker::CheckWindows(const Syntax& syntax, const Call& call, Duration& window,
                           Duration& before) {
  const std::string help = fmt::format("write {}", call.shape);
  for (std::size_t i = 1; i < syntax.args.size(); ++i) {
    const Syntax& arg = syntax.args[i];
    const bool is_before = arg.kind == Syntax::Kind::kBefore;
    if (!is_before && arg.kind != Syntax::Kind::kDuration) {
      Fail("SG005", arg, "only a window, such as 30d, can stand here", help);
      return false;
    }
    Duration& target = is_before ? before : window;
    const bool allowed =
        is_before ? call.window == Window::kMayWithBefore : call.window != Window::kNone;
    if (!allowed) {
      Fail("SG005", arg,
           fmt::format("{} takes no {}", call.name, is_before ? "`before`" : "window"), help);
      return false;
    }
    if (target > Duration::zero() || (!is_before && before > Duration::zero())) {
      Fail("SG005", arg, fmt::format("one window, then one `before`, can stand in {}", call.name),
           help);
      return false;
    }
    const auto duration = CheckDuration(is_before ? arg.args[0] : arg);
    if (!duration) {
      return false;
    }
    if (*duration == Duration::zero()) {
      Fail("SG003", arg,
           is_before ? "`before` is longer than nothing" : "a window is longer than nothing",
           "write a duration such as 30d");
      return false;
    }
    target = *duration;
  }
  if (call.window == Window::kMust && window == Duration::zero()) {
    Fail("SG005", syntax, fmt::format("{} needs a window", call.name), help);
    return false;
  }
  return true;
}

Expr Checker::AggregateLeaf(const Syntax& syntax, AggregateOp op, const EventPart& part,
                            Duration window, Duration before) {
  Aggregate aggregate;
  aggregate.op = op;
  aggregate.event = part.event;
  aggregate.field = part.field;
  aggregate.where = part.where;
  aggregate.window = window;
  aggregate.before = before;
  switch (op) {
    case AggregateOp::kCount:
    case AggregateOp::kDistinct:
      aggregate.type = WholeNumber();
      break;
    case AggregateOp::kLast:
    case AggregateOp::kFirst:
      aggregate.type = Plain(Type::kTime);
      break;
    case AggregateOp::kSum:
    case AggregateOp::kAvg:
    case AggregateOp::kLastOf:
    case AggregateOp::kFirstOf: {
      const EventSpec& event = scope_.schema->events[static_cast<std::size_t>(part.event)];
      const FieldSpec& field = event.fields[static_cast<std::size_t>(part.field)];
      aggregate.type = {field.type, false, field.choices};
      break;
    }
  }
  // A stretch without beginning begins with the run, except for what looks at all of history by its
  // name.
  const bool of_history = syntax.text != "count" && syntax.text != "sum" && syntax.text != "avg" &&
                          syntax.text != "distinct" && syntax.text != "did";
  aggregate.in_run = scope_.in_run && !of_history && window == Duration::zero();
  aggregate.canonical = CanonicalAggregate(aggregate, *scope_.schema, *scope_.pool);
  ExprType type = aggregate.type;
  const int index = scope_.aggregates->Intern(std::move(aggregate));
  return MakeLeaf(Leaf::Kind::kAggregate, -1, index, std::move(type), syntax);
}

Expr Checker::UsualGap(const Syntax& syntax, const EventPart& part) {
  Expr expr = Named(Op::kUsualGap, Plain(Type::kDuration), syntax);
  for (const AggregateOp op : {AggregateOp::kLast, AggregateOp::kFirst, AggregateOp::kCount}) {
    expr.args.push_back(AggregateLeaf(syntax, op, part, Duration::zero(), Duration::zero()));
  }
  return expr;
}

std::optional<Expr> Checker::CheckEventCall(const Syntax& syntax, const Call& call) {
  if (scope_.aggregates == nullptr) {
    return Fail("SG005", syntax, fmt::format("{} cannot stand here", call.name), "");
  }
  SEGUE_CHECK(scope_.pool != nullptr);
  const auto part = CheckEventPart(syntax.args[0], call);
  Duration window = Duration::zero();
  Duration before = Duration::zero();
  if (!CheckWindows(syntax, call, window, before) || !part) {
    return std::nullopt;
  }
  const EventSpec& event = scope_.schema->events[static_cast<std::size_t>(part->event)];
  if (scope_.in_run && window == Duration::zero() && before > Duration::zero()) {
    return Fail("SG005", syntax, "`before` needs a window inside a run",
                fmt::format("write {}", call.shape));
  }
  const auto leaf = [&](AggregateOp op) {
    return AggregateLeaf(syntax, op, *part, window, before);
  };
  switch (call.function) {
    case Function::kCount:
      return leaf(AggregateOp::kCount);
    case Function::kSum:
      return leaf(AggregateOp::kSum);
    case Function::kAvg:
      return leaf(AggregateOp::kAvg);
    case Function::kDistinct:
      return leaf(AggregateOp::kDistinct);
    case Function::kLast:
      return leaf(part->field < 0 ? AggregateOp::kLast : AggregateOp::kLastOf);
    case Function::kFirst:
      return leaf(part->field < 0 ? AggregateOp::kFirst : AggregateOp::kFirstOf);
    case Function::kDid:
    case Function::kEver: {
      if (call.function == Function::kDid && window == Duration::zero() && !scope_.in_run) {
        return Fail("SG005", syntax, fmt::format("{} needs a window here", Shown(syntax, "did")),
                    fmt::format("write did({0}, 30d), or ever({0}) for all time", event.name));
      }
      Expr expr = Named(Op::kGreater, Plain(Type::kYesNo), syntax);
      expr.args.push_back(leaf(AggregateOp::kCount));
      expr.args.push_back(Literal(WholeNumber(), 0, syntax));
      return expr;
    }
    case Function::kUsualGap:
      return UsualGap(syntax, *part);
    case Function::kChurnRisk:
    case Function::kAlive:
    case Function::kExpectedOrders:
    case Function::kExpectedSpend:
    case Function::kLifetimeValue: {
      // It looks forward; the aggregate that looks back as far says what at, and carries event,
      // field, `where` and window.
      Expr expr = leaf(part->field < 0 ? AggregateOp::kCount : AggregateOp::kSum);
      expr.leaf.kind = Leaf::Kind::kPurchaseProcess;
      expr.type = Plain(part->field < 0 ? Type::kNumber : Type::kMoney);
      return expr;
    }
    case Function::kSince:
    case Function::kUntil:
    case Function::kDays:
    case Function::kExists:
    case Function::kMean:
    case Function::kRound:
    case Function::kFloor:
      break;
  }
  SEGUE_CHECK(false);
}

std::optional<Expr> Checker::CheckValueCall(const Syntax& syntax, const Call& call) {
  if (call.function == Function::kMean) {
    return CheckMean(syntax);
  }
  if (syntax.args.size() > 1) {
    return Fail("SG005", syntax,
                fmt::format("{} takes one value, not {}", call.name, syntax.args.size()),
                fmt::format("write {}", call.shape));
  }
  if (call.function == Function::kSince || call.function == Function::kUntil ||
      call.function == Function::kDays) {
    return CheckTimeCall(syntax, call);
  }
  const Syntax& arg = syntax.args[0];
  auto value = Check(arg);
  if (!value) {
    return value;
  }
  if (call.function == Function::kExists) {
    Expr expr = MakeExpr(Op::kExists, Plain(Type::kYesNo), syntax);
    expr.args.push_back(*std::move(value));
    return expr;
  }
  if (value->type.type != Type::kNumber) {
    Fail("SG003", Place{arg.begin, arg.end},
         fmt::format("cannot {} {}", call.name, TypeWord(value->type.type)),
         fmt::format("{} is {}", Shown(arg, "this"), DescribeType(value->type)),
         value->type.type == Type::kDuration
             ? fmt::format("count it in days first: {}({} / 1d)", call.name, Shown(arg, "…"))
             : "");
    return std::nullopt;
  }
  Expr expr =
      MakeExpr(call.function == Function::kRound ? Op::kRound : Op::kFloor, WholeNumber(), syntax);
  expr.args.push_back(*std::move(value));
  return expr;
}

std::optional<Expr> Checker::CheckTimeCall(const Syntax& syntax, const Call& call) {
  auto time = Check(syntax.args[0]);
  if (!time || !FitTo(*time, syntax.args[0], Plain(Type::kTime))) {
    return std::nullopt;
  }
  const bool days = call.function == Function::kDays;
  Expr expr = days ? Named(Op::kDays, WholeNumber(), syntax)
                   : Named(Op::kSubtract, Plain(Type::kDuration), syntax);
  expr.args.push_back(*std::move(time));
  if (!days) {
    // since(t) is now - t, until(t) is t - now.
    expr.args.insert(call.function == Function::kSince ? expr.args.begin() : expr.args.end(),
                     Now(syntax));
  }
  return expr;
}

std::optional<Expr> Checker::CheckMean(const Syntax& syntax) {
  Expr expr = MakeExpr(Op::kMean, Plain(Type::kNumber), syntax);
  bool good = true;
  for (const Syntax& arg : syntax.args) {
    auto value = Check(arg);
    if (!value) {
      good = false;
      continue;
    }
    if (!IsAmount(value->type.type)) {
      Fail("SG003", Place{arg.begin, arg.end},
           fmt::format("cannot take the mean of {}", TypeWord(value->type.type)),
           fmt::format("{} is {}", Shown(arg, "this"), DescribeType(value->type)),
           "name numbers, money or durations, all of one type");
      good = false;
    } else if (expr.args.empty()) {
      expr.type = Plain(value->type.type);
      expr.args.push_back(*std::move(value));
    } else {
      good =
          Unify(expr.args.front(), syntax.args[0], *value, arg, Place{arg.begin, arg.end}) && good;
      expr.args.push_back(*std::move(value));
    }
  }
  if (!good) {
    return std::nullopt;
  }
  expr.type = Plain(expr.args.front().type.type);
  return expr;
}

}  // namespace segue
