// The arithmetic of `map`.

#include "sources/formula.h"

#include <string>

#include <doctest/doctest.h>

namespace segue {
namespace {

// The result with two decimals; `~` marks a rounded one.
std::string Computed(const std::string& text, const std::vector<std::string>& cells = {}) {
  const Result<Formula> formula = Formula::Parse(text);
  if (!formula) {
    return formula.error().message();
  }
  std::vector<Fraction> values;
  for (const std::string& cell : cells) {
    const Result<Fraction> value = ParseFraction(cell);
    if (!value) {
      return value.error().message();
    }
    values.push_back(*value);
  }
  REQUIRE(values.size() == formula->columns().size());
  const Result<Fraction> value = formula->Evaluate(values);
  if (!value) {
    return value.error().message();
  }
  const Result<Decimal> decimal = RoundFraction(*value, 2);
  return decimal ? (decimal->rounded ? "~" : "") + FormatDecimal(decimal->units, 2)
                 : decimal.error().message();
}

TEST_CASE("arithmetic of columns is exact, and rounds once, half away from zero") {
  CHECK(Computed("total_cents / 100", {"1999"}) == "19.99");
  CHECK(Computed("-amount", {"5.25"}) == "-5.25");
  CHECK(Computed("0 - amount", {"-5.25"}) == "5.25");
  CHECK(Computed("a * b", {"6", "2.55"}) == "15.30");
  CHECK(Computed("a*b", {"0.1", "0.1"}) == "0.01");
  CHECK(Computed("a + b", {"0.1", "0.2"}) == "0.30");
  CHECK(Computed("1 + 2 * 3 - 4 / 2") == "5.00");
  CHECK(Computed("8 / 2 / 2 - 1 - 1") == "0.00");
  CHECK(Computed("(1 + 2) * -3") == "-9.00");
  CHECK(Computed("--3") == "3.00");
  CHECK(Computed("1 / -4") == "-0.25");
  CHECK(Computed("a / 3 * 3", {"1"}) == "1.00");
  CHECK(Computed("a / 3", {"2"}) == "~0.67");
  CHECK(Computed("a / 1000", {"5"}) == "~0.01");
  CHECK(Computed("a / 1000", {"-5"}) == "~-0.01");
  CHECK(Computed("a / 1000", {"4.999"}) == "~0.00");
  CHECK(Computed("a + a", {"1.5"}) == "3.00");
  CHECK(Computed("Betr\u00E4ge.netto / 2", {"3"}) == "1.50");
}

TEST_CASE("arithmetic that cannot be done says why") {
  CHECK(Computed("a / b", {"1", "0.00"}) == "division by zero");
  CHECK(Computed("a * a * a", {"9999999999999999"}) == "the result is too large a number");
  CHECK(Computed("a", {"92233720368547758.08"}) == "the result is too large a number");
  CHECK(Computed("a", {"-92233720368547758.07"}) == "-92233720368547758.07");
  CHECK(Computed("a", {std::string(60, '9')}) ==
        "\"" + std::string(60, '9') + "\" has too many digits");
  CHECK(Computed("a", {"1e3"}) ==
        "\"1e3\" is not a number; write digits and a point, such as 1234.50");
  for (const std::string text : {"", " ", "a +", "* a", "a b", "(a", "a)", "a,b", "a % b", "'x'",
                                 "1.2.3", "2x", "a = b", "a # c"}) {
    CAPTURE(text);
    CHECK(Formula::Parse(text).has_error());
  }
  CHECK(Formula::Parse(std::string(500, '-') + "a").has_error());
  CHECK(Formula::Parse(std::string(500, '(')).has_error());
  CHECK(Formula::Parse(std::string(2'000, 'a')).has_error());
}

TEST_CASE("a formula knows its columns, and whether it is nothing but one") {
  CHECK(Formula::Parse("b - a * b")->columns() == std::vector<std::string>{"b", "a"});
  CHECK(Formula::Parse(" invoice_no ")->is_column());
  CHECK_FALSE(Formula::Parse("-invoice_no")->is_column());
  CHECK_FALSE(Formula::Parse("5")->is_column());
}

}  // namespace
}  // namespace segue
