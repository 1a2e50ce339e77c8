// Types and names: what expressions mean, and what is said about those that mean nothing.

#include "expression/check.h"

#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "unit/expression/fixture.h"

namespace segue {
namespace {

std::string TypeName(const ExprType& type) {
  static const std::vector<std::string> kNames = {"text", "choice",   "number", "money",
                                                  "time", "duration", "yes_no"};
  return (type.whole ? "whole " : "") + kNames[static_cast<std::size_t>(type.type)];
}

struct Typed {
  std::string text;
  std::string type;
};

TEST_CASE("check: every kind of expression has its type, and whole numbers are known to be whole") {
  const std::vector<Typed> table = {
      {"12", "whole number"},
      {"12.0", "whole number"},
      {"0.5", "number"},
      {"15%", "number"},
      {"9.90 EUR", "money"},
      {"7d", "duration"},
      {"'lost'", "text"},
      {"yes", "yes_no"},
      {"-5", "whole number"},
      {"customer.plan", "choice"},
      {"customer.mrr", "money"},
      {"account.growth", "number"},
      {"rfv", "choice"},
      {"rfv.r", "whole number"},
      {"rfv.recency", "duration"},
      {"value_tier.power_user", "yes_no"},
      {"aha.reached", "yes_no"},
      {"aha.progress", "number"},
      {"aha.missing", "text"},
      {"count(session_started)", "whole number"},
      {"count(session_started, 30d)", "whole number"},
      {"count(session_started, 30d, before 30d)", "whole number"},
      {"count(session_started, 30d) - count(session_started, 30d, before 30d)", "whole number"},
      {"count(session_started, 30d) * 2", "whole number"},
      {"count(session_started, 30d) * 0.5", "number"},
      {"count(session_started, 30d) / 2", "number"},
      {"sum(order_placed.amount, 365d)", "money"},
      {"sum(order_line.quantity)", "number"},
      {"avg(order_placed.amount, 365d)", "money"},
      {"distinct(order_line.invoice where quantity > 0)", "whole number"},
      {"last(order_placed)", "time"},
      {"first(order_placed)", "time"},
      {"last(survey_answered.score)", "number"},
      {"first(order_placed.delivery)", "text"},
      {"last(order_placed) - first(order_placed)", "duration"},
      {"last(order_placed) + 3d", "time"},
      {"3d + last(order_placed)", "time"},
      {"last(order_placed) - 3d", "time"},
      {"did(ticket_opened, 3d)", "yes_no"},
      {"ever(order_placed)", "yes_no"},
      {"usual_gap(order_placed)", "duration"},
      {"since(last(order_placed)) / usual_gap(order_placed)", "number"},
      {"since(customer.signed_up)", "duration"},
      {"until(account.renewal)", "duration"},
      {"days(last(order_placed))", "whole number"},
      {"days('2026-01-01')", "whole number"},
      {"floor(since(last(order_placed)) / 1d)", "whole number"},
      {"round(mean(rfv.r, rfv.v))", "whole number"},
      {"mean(rfv.r, rfv.v)", "number"},
      {"mean(customer.mrr, 0)", "money"},
      {"exists(customer.next_feature)", "yes_no"},
      {"customer.mrr * 0.2", "money"},
      {"0.2 * customer.mrr", "money"},
      {"customer.mrr / 2", "money"},
      {"customer.mrr / account.arr", "number"},
      {"customer.mrr + 5 EUR - 0", "money"},
      {"7d * 2", "duration"},
      {"7d / 2", "duration"},
      {"-customer.mrr", "money"},
      {"customer.mrr > 0", "yes_no"},
      {"since(customer.signed_up) > 0", "yes_no"},
      {"0 < usual_gap(order_placed)", "yes_no"},
      {"customer.signed_up > '2026-01-01'", "yes_no"},
      {"'2026-01-01 09:00' <= customer.signed_up", "yes_no"},
      {"customer.signed_up in ['2026-01-01', '2026-01-02']", "yes_no"},
      {"customer.plan is not 'business'", "yes_no"},
      {"customer.first_name is customer.next_feature", "yes_no"},
      {"customer.legal_hold is no", "yes_no"},
      {"rfm.f in 2..4", "yes_no"},
      {"customer.mrr in 10 EUR..20 EUR", "yes_no"},
      {"customer.mrr not in [0, 5 EUR]", "yes_no"},
      {"not customer.legal_hold", "yes_no"},
      {"churn_risk(order_placed)", "number"},
      {"alive(order_placed)", "number"},
      {"expected_orders(order_placed, 90d)", "number"},
      {"lifetime_value(order_placed.amount, 365d)", "money"},
      {"count(order_placed where gift and delivery is 'door', 30d)", "whole number"},
      {"count(order_placed where due > '2026-01-01')", "whole number"},
  };
  Fixture fixture;
  for (const Typed& each : table) {
    CAPTURE(each.text);
    CHECK(TypeName(fixture.Compile(each.text).type) == each.type);
  }
}

struct Wrong {
  std::string text;
  std::string code;
  std::string underlined;
  std::string message;
  std::string note;
  std::string help;
};

void CheckWrong(const std::vector<Wrong>& table, const Scope& scope) {
  for (const Wrong& each : table) {
    CAPTURE(each.text);
    std::vector<ExpressionError> errors;
    CHECK_FALSE(CompileExpression(each.text, scope, std::nullopt, errors).has_value());
    REQUIRE(errors.size() == 1);
    CHECK(errors[0].code == each.code);
    CHECK(each.text.substr(errors[0].begin, errors[0].end - errors[0].begin) == each.underlined);
    CHECK(errors[0].message == each.message);
    CHECK(errors[0].note == each.note);
    CHECK(errors[0].help == each.help);
  }
}

TEST_CASE("check: unknown names are underlined, with the nearest known one") {
  Fixture fixture;
  CheckWrong(
      {
          {"did(plan_upgrade, 3d)", "SG002", "plan_upgrade", "unknown event plan_upgrade", "",
           "did you mean plan_upgraded?"},
          {"ever(zzz)", "SG002", "zzz", "unknown event zzz", "",
           "events are declared in the workspace, under `events`"},
          {"sum(order_placed.amout, 3d)", "SG002", "amout", "order_placed has no field amout", "",
           "did you mean order_placed.amount?"},
          {"last(ticket_opened.x)", "SG002", "x", "ticket_opened has no field x", "",
           "this event has no fields"},
          {"count(order_line where quantiy > 0)", "SG002", "quantiy",
           "order_line has no field quantiy", "", "did you mean quantity?"},
          {"customer.pln is 'team'", "SG002", "customer.pln", "unknown trait customer.pln", "",
           "did you mean customer.plan?"},
          {"account.plan is 'team'", "SG002", "account.plan", "unknown trait account.plan", "",
           "did you mean account.name?"},
          {"plan is 'team'", "SG002", "plan", "unknown name plan", "",
           "did you mean customer.plan?"},
          {"rvf is 'lost'", "SG002", "rvf", "unknown name rvf", "", "did you mean rfv?"},
          {"rfv.rr > 2", "SG002", "rfv.rr", "model rfv has no score, flag or feature rr", "",
           "did you mean rfv.r?"},
          {"rfv.lost", "SG002", "rfv.lost", "model rfv has no score, flag or feature lost", "",
           "write rfv is 'lost'"},
          {"aha.done", "SG002", "aha.done", "insight aha does not publish done", "",
           "it publishes aha.reached, aha.progress and aha.missing"},
          {"cuont(order_placed)", "SG002", "cuont", "unknown function cuont", "",
           "did you mean count?"},
          {"true", "SG002", "true", "unknown name true", "", "write yes"},
          {"order_placed", "SG002", "order_placed", "unknown name order_placed", "",
           "it is an event: did(order_placed, 30d), count(order_placed, 30d), last(order_placed)"},
          {"rfv is 'los'", "SG002", "'los'", "model rfv has no segment 'los'",
           "one of lost, new, champion, loyalist, at_risk", "did you mean lost?"},
          {"customer.plan is 'pro'", "SG004", "'pro'", "customer.plan is never 'pro'",
           "one of free, team, business", ""},
          {"customer.plan in ['free', 'teem']", "SG004", "'teem'", "customer.plan is never 'teem'",
           "one of free, team, business", "did you mean team?"},
      },
      fixture.MakeScope());
}

TEST_CASE("check: types that do not fit are named on both sides, under the operator") {
  Fixture fixture;
  CheckWrong(
      {
          {"value_tier.usage >= 7d", "SG003", ">=", "cannot compare number with duration",
           "value_tier.usage is a number, 7d is a duration",
           "write a number without a unit, such as 7 or 0.7"},
          {"since(last(order_placed)) > 30", "SG003", ">", "cannot compare duration with number",
           "since(last(order_placed)) is a duration, 30 is a number",
           "write a duration such as 7d"},
          {"100 < customer.mrr", "SG003", "<", "cannot compare number with money",
           "100 is a number, customer.mrr is money", "write an amount such as 20 EUR"},
          {"customer.legal_hold is 'yes'", "SG003", "is", "cannot compare yes_no with text",
           "customer.legal_hold is yes or no, 'yes' is a text", "write yes or no, without quotes"},
          {"customer.plan is not 5", "SG003", "is not", "cannot compare choice with number",
           "customer.plan is one of free, team, business, 5 is a number",
           "write one of free, team, business, in quotes"},
          {"customer.plan > 'free'", "SG003", ">", "choice has no order",
           "customer.plan is one of free, team, business",
           "compare it with `is`, `is not` or `in [ ]`"},
          {"customer.signed_up > 'soon'", "SG003", "'soon'", "this text is not a time", "",
           "write '2026-01-31' or '2026-01-31 09:00'"},
          {"rfm.f in [1, '2']", "SG003", "in", "cannot compare number with text",
           "rfm.f is a number, '2' is a text", "write a number without a unit, such as 7 or 0.7"},
          {"rfm.f in 5..2", "SG003", "5..2", "nothing is in this range", "",
           "write the smaller end first"},
          {"customer.mrr + 5", "SG003", "+", "cannot add money and number",
           "customer.mrr is money, 5 is a number",
           "both sides are of one type, or one is a time and the other a duration"},
          {"7d - last(order_placed)", "SG003", "-", "cannot subtract time from duration",
           "7d is a duration, last(order_placed) is a time",
           "both sides are of one type, or one is a time and the other a duration"},
          {"customer.mrr * customer.mrr", "SG003", "*", "cannot multiply money by money",
           "customer.mrr is money, customer.mrr is money", "one of the two is a number"},
          {"1 / 7d", "SG003", "/", "cannot divide number by duration",
           "1 is a number, 7d is a duration",
           "divide by a number, or by something of the same type"},
          {"-customer.signed_up", "SG003", "-customer.signed_up", "time has no negative", "", ""},
          {"customer.legal_hold and rfv.r", "SG003", "rfv.r", "what `and` joins must be yes or no",
           "rfv.r is a number", "compare it with `is`, `<`, `>` or `in`"},
          {"not customer.plan", "SG003", "customer.plan",
           "what `not` turns round must be yes or no",
           "customer.plan is one of free, team, business", "compare it: … is 'a text'"},
          {"count(order_placed where amount)", "SG003", "amount",
           "what `where` asks must be yes or no", "amount is money",
           "compare it with `is`, `<`, `>` or `in`"},
          {"sum(order_placed.delivery)", "SG003", "order_placed.delivery",
           "cannot take the sum of text", "order_placed.delivery is a text",
           "name a field of numbers, money or durations"},
          {"lifetime_value(order_line.price, 3d)", "SG003", "order_line.price",
           "cannot take the lifetime_value of number", "order_line.price is a number",
           "name a money field"},
          {"since(7d)", "SG003", "7d", "time is asked for here", "7d is a duration",
           "write a date in quotes, such as '2026-01-31'"},
          {"floor(since(customer.signed_up))", "SG003", "since(customer.signed_up)",
           "cannot floor duration", "since(customer.signed_up) is a duration",
           "count it in days first: floor(since(customer.signed_up) / 1d)"},
          {"mean(rfv.r, 7d)", "SG003", "7d", "cannot compare number with duration",
           "rfv.r is a number, 7d is a duration",
           "write a number without a unit, such as 7 or 0.7"},
          {"customer.mrr > 5 USD", "SG003", "5 USD", "amounts here are in EUR, not in USD", "",
           "every amount is kept in the workspace's currency"},
          {"customer.mrr > 5.001 EUR", "SG003", "5.001 EUR", "EUR has 2 decimals", "", ""},
          {"count(order_placed, 0d)", "SG003", "0d", "a window is longer than nothing", "",
           "write a duration such as 30d"},
          {"count(order_placed, 99999999999d)", "SG003", "99999999999d",
           "this duration is too long", "", "at most 36500d"},
      },
      fixture.MakeScope());
}

TEST_CASE("check: a call says what it takes, and where it cannot stand") {
  Fixture fixture;
  CheckWrong(
      {
          {"did(order_placed)", "SG005", "did(order_placed)",
           "did(order_placed) needs a window here", "",
           "write did(order_placed, 30d), or ever(order_placed) for all time"},
          {"did(order_placed, 7d, before 7d)", "SG005", "before 7d", "did takes no `before`", "",
           "write did(EVENT, 30d)"},
          {"last(order_placed, 7d)", "SG005", "7d", "last takes no window", "",
           "write last(EVENT) or last(EVENT.FIELD)"},
          {"count(order_placed, 7)", "SG005", "7", "only a window, such as 30d, can stand here", "",
           "write count(EVENT, 30d)"},
          {"count(order_placed, 7d, 7d)", "SG005", "7d",
           "one window, then one `before`, can stand in count", "", "write count(EVENT, 30d)"},
          {"expected_orders(order_placed)", "SG005", "expected_orders(order_placed)",
           "expected_orders needs a window", "", "write expected_orders(EVENT, 90d)"},
          {"count()", "SG005", "count()", "count needs something in its brackets", "",
           "write count(EVENT, 30d)"},
          {"count(7d)", "SG005", "7d", "count begins with the name of an event", "",
           "write count(EVENT, 30d)"},
          {"count(order_placed.amount)", "SG005", "order_placed.amount",
           "count looks at events, not at one of their fields", "", "write count(EVENT, 30d)"},
          {"sum(order_placed, 3d)", "SG005", "order_placed", "sum needs a field of order_placed",
           "", "write sum(EVENT.FIELD, 30d)"},
          {"since(customer.signed_up, 3d)", "SG005", "since(customer.signed_up, 3d)",
           "since takes one value, not 2", "", "write since(TIME)"},
          {"exists(order_placed where amount > 0)", "SG005", "order_placed where amount > 0",
           "`where` cannot stand here", "",
           "`where` follows an event, as the first thing in count, sum, last and the like"},
          {"order_placed.amount > 0", "SG005", "order_placed.amount",
           "order_placed.amount is a field of an event, which happens many times", "",
           "say which: last(order_placed.amount), sum(order_placed.amount, 30d), …"},
          {"count(order_placed where customer.legal_hold)", "SG005", "customer.legal_hold",
           "customer.legal_hold cannot stand inside `where`", "",
           "only fields of the event and fixed values can; `where` of `on` and `goal` may look at "
           "the customer"},
          {"count(order_placed where order_placed.amount > 0)", "SG005", "order_placed.amount",
           "order_placed.amount cannot stand inside `where`", "",
           "a field of the event stands alone: amount"},
          {"count(order_placed where since(due) > 3d)", "SG005", "since",
           "since cannot stand inside `where`", "",
           "inside `where`, fields of the event are compared with fixed values"},
          {"count(order_placed where did(ticket_opened, 3d))", "SG005", "did",
           "did cannot stand inside `where`", "",
           "inside `where`, fields of the event are compared with fixed values"},
      },
      fixture.MakeScope());
}

TEST_CASE("check: all errors of an expression are reported at once") {
  Fixture fixture;
  std::vector<ExpressionError> errors;
  CompileExpression("customer.pln is 'a' and did(x, 3d) and rfv.r > 7d", fixture.MakeScope(),
                    std::nullopt, errors);
  CHECK(errors.size() == 3);
}

TEST_CASE("check: inside its own model a feature or score stands alone") {
  Fixture fixture;
  const ModelNames own{"rfv",    false,
                       {"lost"}, {{"r", {Type::kNumber, true, {}}}},
                       {},       {{"tenure", {Type::kDuration, false, {}}}}};
  Scope scope = fixture.MakeScope();
  scope.own = &own;
  const Expr expr = fixture.Compile("tenure < 30d and r >= 4", scope);
  CHECK(expr.args[0].args[0].leaf.kind == Leaf::Kind::kOwnFeature);
  CHECK(expr.args[1].args[0].leaf.kind == Leaf::Kind::kOwnScore);
  CheckWrong({{"rfv is 'lost'", "SG005", "rfv", "a model cannot look at its own segment", "", ""},
              {"rfv.r > 2", "SG005", "rfv.r", "rfv.r is of this same model", "",
               "inside its own model it stands alone: r"},
              {"tenur > 3d", "SG002", "tenur", "unknown name tenur", "", "did you mean tenure?"}},
             scope);
}

TEST_CASE("check: in the where of a goal a field may be compared with a trait") {
  Fixture fixture;
  Scope scope = fixture.MakeScope();
  scope.event = fixture.schema.FindEvent("feature_used");
  scope.where_traits = true;
  const Expr expr = fixture.Compile("feature is customer.next_feature", scope);
  CHECK(expr.args[0].leaf.kind == Leaf::Kind::kEventField);
  CHECK(expr.args[1].leaf.kind == Leaf::Kind::kTrait);
  CheckWrong({{"count(feature_used) > 1", "SG005", "count", "count cannot stand inside `where`", "",
               "inside `where`, fields of the event are compared with fixed values"},
              {"rfv.r > 1", "SG005", "rfv.r", "rfv.r cannot stand inside `where`", "",
               "only fields of feature_used and fixed values can"}},
             scope);
}

TEST_CASE("check: equal aggregates share a column however they are written") {
  Fixture fixture;
  const auto column = [&](const std::string& text) { return fixture.Compile(text).leaf.index; };
  const int first = column("count(order_placed where amount > 5 EUR, 7d)");
  CHECK(column("count( order_placed where amount > 5.00 EUR, 1w )") == first);
  CHECK(column("count(order_placed where amount > 6 EUR, 7d)") != first);
  CHECK(column("count(order_placed where amount >= 5 EUR, 7d)") != first);
  CHECK(column("count(order_placed, 7d)") != first);
  CHECK(column("count(order_placed where amount > 5 EUR, 7d, before 7d)") != first);
  CHECK(fixture.Compile("did(order_placed, 7d)").args[0].leaf.index ==
        column("count(order_placed, 7d)"));
  CHECK(column("count(order_placed, before 7d)") != column("count(order_placed, 7d)"));
  CHECK(column("last(order_placed)") != column("last(order_placed.amount)"));
  CHECK(column("last(order_placed)") != column("first(order_placed)"));
  CHECK(fixture.aggregates.all()[static_cast<std::size_t>(first)].canonical ==
        "count(order_placed where (> amount 500), 1w)");
}

TEST_CASE("check: inside a run, a call without a window begins with the run") {
  Fixture fixture;
  Scope scope = fixture.MakeScope();
  scope.in_run = true;
  const auto in_run = [&](const std::string& text) {
    const Expr expr = fixture.Compile(text, scope);
    bool any = false;
    ForEachLeaf(expr, [&](const Expr& leaf) {
      if (leaf.leaf.kind == Leaf::Kind::kAggregate) {
        any = any || fixture.aggregates.all()[static_cast<std::size_t>(leaf.leaf.index)].in_run;
      }
    });
    return any;
  };
  for (const char* text : {"did(order_placed)", "count(order_placed)", "sum(order_placed.amount)",
                           "avg(order_placed.amount)", "distinct(order_placed.delivery)"}) {
    CHECK_MESSAGE(in_run(text), text);
  }
  for (const char* text :
       {"did(order_placed, 3d)", "count(order_placed, 3d)", "ever(order_placed)",
        "last(order_placed)", "first(order_placed.amount)", "usual_gap(order_placed)"}) {
    CHECK_MESSAGE(!in_run(text), text);
  }
  CheckWrong({{"count(order_placed, before 3d)", "SG005", "count(order_placed, before 3d)",
               "`before` needs a window inside a run", "", "write count(EVENT, 30d)"}},
             scope);
  const int all_time = fixture.Compile("count(order_placed)").leaf.index;
  CHECK(fixture.Compile("count(order_placed)", scope).leaf.index != all_time);
}

TEST_CASE("check: what a place asks for is checked too") {
  Fixture fixture;
  const auto compile = [&](const std::string& text, Type want) {
    std::vector<ExpressionError> errors;
    const auto expr = CompileExpression(text, fixture.MakeScope(), want, errors);
    return expr ? std::string("fits") : errors.at(0).message;
  };
  CHECK(compile("customer.mrr * 0.2", Type::kMoney) == "fits");
  CHECK(compile("0", Type::kMoney) == "fits");
  CHECK(compile("'2026-01-01'", Type::kTime) == "fits");
  CHECK(compile("customer.plan", Type::kText) == "fits");
  CHECK(compile("rfv.r", Type::kYesNo) == "a condition must be yes or no");
  CHECK(compile("5", Type::kMoney) == "money is asked for here");
}

TEST_CASE(
    "check: a percentage is the same double as its decimal, and a negative literal is a literal") {
  Fixture fixture;
  CHECK(fixture.Compile("15%").literal == 0.15);
  CHECK(fixture.Compile("12.35%").literal == 0.1235);
  CHECK(fixture.Compile("-5 EUR").op == Op::kLiteral);
  CHECK(fixture.Compile("-5 EUR").literal == -500);
}

}  // namespace
}  // namespace segue
