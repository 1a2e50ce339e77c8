// Fuzzes the expression language: any bytes are parsed, checked, printed, and what compiles is run
// both ways.

#include <bit>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "expression/check.h"
#include "expression/execute.h"

namespace {

using namespace segue;  // NOLINT(google-build-using-namespace): a program of one file.

class NoInputs final : public Inputs {
 public:
  void Read(const Leaf& leaf, CustomerIndex first, std::span<double> out) const override {
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] = static_cast<double>(leaf.index) + static_cast<double>(first + i) / 2;
    }
  }
};

void Require(bool condition) {
  if (!condition) {
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto parsed = ParseExpression(text);
  if (const auto* error = boost::variant2::get_if<ExpressionError>(&parsed)) {
    Require(error->begin <= error->end && error->end <= text.size());
    return 0;
  }
  const Syntax& syntax = boost::variant2::unsafe_get<0>(parsed);
  const std::string printed = PrintSyntax(syntax);
  const auto again = ParseExpression(printed);
  // Spaces that the text did without may take the printed form over the limit of length, and
  // nothing else.
  if (const auto* tree = boost::variant2::get_if<Syntax>(&again)) {
    Require(PrintSyntax(*tree) == printed);
  } else {
    Require(printed.size() > kExpressionBytesMax);
  }

  Schema schema;
  schema.currency = "EUR";
  schema.events = {{"e",
                    {{"t", Type::kText, {}}, {"n", Type::kNumber, {}}, {"m", Type::kMoney, {}}},
                    {},
                    -1,
                    -1}};
  schema.customer_traits = {{"t", Type::kText, {}},
                            {"c", Type::kChoice, {"x", "y"}},
                            {"b", Type::kYesNo, {}},
                            {"at", Type::kTime, {}}};
  schema.account_traits = {{"m", Type::kMoney, {}}};
  const std::vector<ModelNames> models = {{"s", false, {"x", "y"}, {{"r", {}}}, {}, {}}};
  const std::vector<std::string> insights = {"aha"};
  AggregateCatalog aggregates;
  TextPool pool;
  Scope scope;
  scope.schema = &schema;
  scope.aggregates = &aggregates;
  scope.pool = &pool;
  scope.models = &models;
  scope.insights = &insights;
  std::vector<ExpressionError> errors;
  const auto expr = CheckExpression(syntax, scope, errors);
  Require(expr.has_value() == errors.empty());
  for (const ExpressionError& error : errors) {
    Require(error.begin <= error.end && error.end <= text.size());
  }
  if (expr) {
    const Moment moment{FromMicros(1'774'497'600'000'000), Zone()};
    const NoInputs inputs;
    std::vector<double> block(5);
    ExecuteBlock(*expr, inputs, moment, 0, block);
    for (std::size_t i = 0; i < block.size(); ++i) {
      const double one = ExecuteOne(*expr, inputs, moment, static_cast<CustomerIndex>(i));
      Require(std::bit_cast<std::uint64_t>(one) == std::bit_cast<std::uint64_t>(block[i]));
    }
  }
  return 0;
}
