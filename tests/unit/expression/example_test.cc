// The expressions of the example workspace: each one parses, and each kind of place type-checks.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "base/text.h"
#include "expression/check.h"
#include "support/golden.h"
#include "unit/expression/fixture.h"

namespace segue {
namespace {

TEST_CASE("example: a model's features, scores and segments compile in their order") {
  Fixture fixture;
  ModelNames own{"risk", false, {}, {}, {}, {}};
  Scope scope = fixture.MakeScope();
  scope.own = &own;
  const std::vector<std::pair<std::string, std::string>> features = {
      {"recency", "since(last(session_started))"},
      {"whole_days", "floor(since(last(order_line where quantity > 0)) / 1d)"},
      {"calendar", "days(last(order_line where quantity > 0 and price > 0))"},
      {"frequency", "distinct(order_line.invoice where quantity > 0)"},
      {"monetary", "sum(order_line.amount where quantity > 0)"},
      {"contract", "account.arr"},
      {"churn", "churn_risk(order_placed)"},
      {"trend", "count(session_started, 30d) - count(session_started, 30d, before 30d)"},
      {"basket", "avg(order_placed.amount, 365d)"},
      {"loyalty", "last(order_placed) - first(order_placed)"},
      {"worth", "lifetime_value(order_placed.amount, 365d)"},
      {"overdue", "since(last(order_placed)) / usual_gap(order_placed)"},
      {"growth", "account.growth"},
      {"tenure", "since(customer.signed_up)"},
  };
  for (const auto& [name, text] : features) {
    own.features.push_back({name, fixture.Compile(text, scope).type});
  }
  own.scores = {{"f", {Type::kNumber, true, {}}}, {"v", {Type::kNumber, true, {}}}};
  own.scores.push_back({"fv", fixture.Compile("round(mean(f, v))", scope).type});
  for (const char* text :
       {"tenure < 30d", "fv >= 4 and f is 3 or (v is 2 and fv is 2)", "f in 2..4 and v in 2..4",
        "contract >= 50000 EUR or (contract >= 20000 EUR and growth >= 2)", "trend < -5",
        "churn >= 0.5", "not exists(churn) and recency > 180d", "overdue >= 1.5",
        "whole_days > 3 and calendar <= 3", "ever(order_line where quantity > 0 and price > 0)",
        "customer.status is 'churned'"}) {
    CHECK_MESSAGE(fixture.Compile(text, scope).type.type == Type::kYesNo, text);
  }
}

TEST_CASE("example: conditions of playbooks and policies compile") {
  Fixture fixture;
  Scope scope = fixture.MakeScope();
  scope.in_run = true;
  for (const char* text :
       {"did(project_created)", "rfv is not 'at_risk'", "value_tier in ['high', 'medium']",
        "last(survey_answered.score) <= 3", "not account.onboarded", "rfm.m >= 4 and rfm.f <= 2",
        "rfm in ['champions', 'loyal'] or rfv in ['champion', 'loyalist']",
        "value_tier is 'high' or rfv.v >= 5", "until(account.renewal) > 30d",
        "aha.reached and since(customer.signed_up) < 21d", "not value_tier.power_user",
        "customer.legal_hold", "value_tier.usage >= 0.6",
        "customer.favourite_delivery is 'door_to_door'",
        "did(session_started, 7d) and since(customer.signed_up) > 28d"}) {
    CHECK_MESSAGE(fixture.Compile(text, scope).type.type == Type::kYesNo, text);
  }
}

// The value that begins at `text`, as YAML would cut it inside { } or to the end of the line.
std::string CutValue(std::string_view text, bool in_braces) {
  if (!text.empty() && text.front() == '"') {
    return std::string(text.substr(1, text.find('"', 1) - 1));
  }
  std::size_t end = 0;
  while (end < text.size() && !(in_braces && (text[end] == ',' || text[end] == '}')) &&
         !(text[end] == '#' && end > 0 && text[end - 1] == ' ')) {
    ++end;
  }
  return std::string(Trim(text.substr(0, end)));
}

void CheckLine(const std::string& line, bool features, int& found) {
  for (const char* word :
       {"when", "who", "exit", "until", "if", "while", "where", "off", "on", "cost", "from", ""}) {
    const std::string key = std::string(word) + (*word == '\0' ? "" : ":");
    std::size_t at = line.find(key + " ");
    if (key.empty()) {
      // A feature: `  name: value`.
      at = features && line.starts_with("  ") ? line.find(": ") : std::string::npos;
      at = at == std::string::npos ? at : at + 1;
    } else if (at != std::string::npos && at > 0 && line[at - 1] != ' ' && line[at - 1] != '{') {
      at = std::string::npos;
    } else if (at != std::string::npos) {
      at += key.size();
    }
    if (at == std::string::npos) {
      continue;
    }
    const std::string_view rest = Trim(std::string_view(line).substr(at));
    const bool in_braces = !key.empty() && line.find('{') < at;
    const std::string value = CutValue(rest, in_braces);
    if (value.empty() || value[0] == '{' || value[0] == '[' || value == "otherwise" ||
        value[0] == '-') {
      continue;
    }
    ++found;
    const auto parsed = ParseExpression(value);
    const auto* error = boost::variant2::get_if<ExpressionError>(&parsed);
    CHECK_MESSAGE(error == nullptr, line << "\n"
                                         << value << "\n"
                                         << (error != nullptr ? error->message : ""));
    if (error == nullptr) {
      const std::string printed = PrintSyntax(boost::variant2::unsafe_get<0>(parsed));
      const auto again = ParseExpression(printed);
      REQUIRE(boost::variant2::holds_alternative<Syntax>(again));
      CHECK(PrintSyntax(boost::variant2::unsafe_get<0>(again)) == printed);
    }
  }
}

TEST_CASE("example: every expression of the shipped rules parses") {
  const auto folder = Shared("example/rules");
  if (!folder) {
    return;
  }
  int found = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(*folder)) {
    const std::string path = entry.path().string();
    if (!path.ends_with(".yaml") || path.ends_with("_test.yaml")) {
      continue;
    }
    std::ifstream in(path);
    bool features = false;
    for (std::string line; std::getline(in, line);) {
      if (!line.starts_with(" ")) {
        features = line.starts_with("features:");
      }
      if (!line.starts_with("#")) {
        CheckLine(line, features, found);
      }
    }
  }
  CHECK(found > 150);
}

}  // namespace
}  // namespace segue
