// A small workspace to write expressions in: part of the tracking plan of the example, three models
// and an insight.

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "expression/check.h"

namespace segue {

class Fixture {
 public:
  Fixture() {
    schema.currency = "EUR";
    schema.currency_decimals = 2;
    schema.timezone = Zone::Find("Europe/Lisbon").value();
    schema.customer_traits = {{"email", Type::kText, {}},
                              {"first_name", Type::kText, {}},
                              {"signed_up", Type::kTime, {}},
                              {"status", Type::kChoice, {"trial", "active", "churned"}},
                              {"plan", Type::kChoice, {"free", "team", "business"}},
                              {"mrr", Type::kMoney, {}},
                              {"legal_hold", Type::kYesNo, {}},
                              {"next_feature", Type::kText, {}},
                              {"favourite_delivery", Type::kText, {}}};
    schema.account_traits = {{"name", Type::kText, {}},          {"arr", Type::kMoney, {}},
                             {"growth", Type::kNumber, {}},      {"renewal", Type::kTime, {}},
                             {"usage_ratio", Type::kNumber, {}}, {"onboarded", Type::kYesNo, {}}};
    for (const char* name : {"session_started", "project_created", "teammate_invited",
                             "call_booked", "ticket_opened", "ad_clicked", "referral_sent"}) {
      schema.events.push_back({name, {}, {}, -1, -1});
    }
    AddEvent("feature_used", {{"feature", Type::kText, {}}});
    AddEvent("survey_answered", {{"score", Type::kNumber, {}}});
    AddEvent("plan_upgraded", {{"amount", Type::kMoney, {}}});
    AddEvent("subscription_started", {{"amount", Type::kMoney, {}}});
    AddEvent("invoice_paid", {{"invoice", Type::kText, {}}, {"amount", Type::kMoney, {}}});
    AddEvent("order_placed", {{"order_id", Type::kText, {}},
                              {"amount", Type::kMoney, {}},
                              {"delivery", Type::kText, {}},
                              {"gift", Type::kYesNo, {}},
                              {"due", Type::kTime, {}}});
    AddEvent("order_line", {{"invoice", Type::kText, {}},
                            {"quantity", Type::kNumber, {}},
                            {"price", Type::kNumber, {}},
                            {"amount", Type::kMoney, {}}});
    const ExprType score{Type::kNumber, true, {}};
    models = {
        {"rfv",
         false,
         {"lost", "new", "champion", "loyalist", "at_risk"},
         {{"r", score}, {"v", score}},
         {},
         {{"recency", {Type::kDuration, false, {}}}}},
        {"rfm", false, {"champions", "loyal", "at_risk"}, {{"f", score}, {"m", score}}, {}, {}},
        {"risk_value", false, {"aggressive", "divest", "grow", "maintain"}, {}, {}, {}},
        {"value_tier",
         true,
         {"high", "medium", "low"},
         {},
         {{"near_limit", {Type::kYesNo, false, {}}}, {"power_user", {Type::kYesNo, false, {}}}},
         {{"usage", {Type::kNumber, false, {}}}}}};
    insights = {"aha"};
  }

  Scope MakeScope() {
    Scope scope;
    scope.schema = &schema;
    scope.aggregates = &aggregates;
    scope.pool = &pool;
    scope.models = &models;
    scope.insights = &insights;
    return scope;
  }

  // Requires: the text is right.
  Expr Compile(std::string_view text, const Scope& scope) {
    std::vector<ExpressionError> errors;
    auto expr = CompileExpression(text, scope, std::nullopt, errors);
    for (const ExpressionError& error : errors) {
      FAIL_CHECK(std::string(text)
                 << ": " << error.code << " " << error.message << " " << error.note);
    }
    REQUIRE(expr.has_value());
    return *expr;
  }

  Expr Compile(std::string_view text) { return Compile(text, MakeScope()); }

  Schema schema;
  AggregateCatalog aggregates;
  TextPool pool;
  std::vector<ModelNames> models;
  std::vector<std::string> insights;

 private:
  void AddEvent(std::string name, std::vector<FieldSpec> fields) {
    schema.events.push_back({std::move(name), std::move(fields), {}, -1, -1});
  }
};

}  // namespace segue
