// Decimal numbers and money.

#include "base/money.h"

#include <limits>
#include <string>

#include <doctest/doctest.h>

namespace segue {
namespace {

TEST_CASE("decimals are read exactly, rounding half away from zero") {
  struct Row {
    const char* text;
    int decimals;
    std::int64_t units;
    bool rounded;
  };

  for (const Row& row : {
           Row{"1234.5", 2, 123'450, false},
           Row{"-0.07", 2, -7, false},
           Row{"+3", 2, 300, false},
           Row{".5", 2, 50, false},
           Row{"0.005", 2, 1, true},
           Row{"-0.005", 2, -1, true},
           Row{"0.0049999999999999999999", 2, 0, true},
           Row{"2.675", 2, 268, true},
           Row{"1.5000", 1, 15, false},
           Row{"0.5", 0, 1, true},
           Row{"-1.5", 0, -2, true},
           Row{"-0.0", 0, 0, false},
           Row{"000000000000000000000000001", 0, 1, false},
           Row{"9223372036854775807", 0, std::numeric_limits<std::int64_t>::max(), false},
           Row{"92233720368547758.07", 2, std::numeric_limits<std::int64_t>::max(), false},
           Row{"-9223372036854775807", 0, -std::numeric_limits<std::int64_t>::max(), false},
       }) {
    CAPTURE(row.text);
    const Result<Decimal> decimal = ParseDecimal(row.text, row.decimals);
    REQUIRE(decimal.has_value());
    CHECK(decimal->units == row.units);
    CHECK(decimal->rounded == row.rounded);
  }
}

TEST_CASE("texts that are not decimals, or too large, are refused") {
  for (const char* text : {"", "-", ".", "5.", "-.", "1e3", "1,5", "1 000", " 1", "1 ", "--1",
                           "1.2.3", "0x10", "NaN", "inf", "12a"}) {
    CAPTURE(text);
    const Result<Decimal> decimal = ParseDecimal(text, 2);
    REQUIRE(decimal.has_error());
    CHECK(decimal.error().message().find("is not a number") != std::string::npos);
  }
  for (const char* text : {"92233720368547758.08", "-92233720368547758.08", "92233720368547758.075",
                           "99999999999999999999999999"}) {
    CAPTURE(text);
    const Result<Decimal> decimal = ParseDecimal(text, 2);
    REQUIRE(decimal.has_error());
    CHECK(decimal.error().message().find("too large") != std::string::npos);
  }
}

TEST_CASE("currencies have the digits of ISO 4217") {
  CHECK(CurrencyDecimals("EUR") == 2);
  CHECK(CurrencyDecimals("JPY") == 0);
  CHECK(CurrencyDecimals("KWD") == 3);
  CHECK(CurrencyDecimals("CLF") == 4);
  for (const char* code : {"", "EU", "eur", "EURO", "XXX", "R U", "UR "}) {
    CAPTURE(code);
    CHECK_FALSE(CurrencyDecimals(code));
  }
}

TEST_CASE("decimals and money are written with all their digits") {
  CHECK(FormatDecimal(123'450, 2) == "1234.50");
  CHECK(FormatDecimal(-7, 2) == "-0.07");
  CHECK(FormatDecimal(0, 0) == "0");
  CHECK(FormatDecimal(std::numeric_limits<std::int64_t>::min(), 6) == "-9223372036854.775808");
  CHECK(FormatMoney(1'500'050, "EUR") == "15 000.50 EUR");
  CHECK(FormatMoney(-123'456'789, "JPY") == "-123 456 789 JPY");
  CHECK(FormatMoney(99'999, "EUR") == "999.99 EUR");
  CHECK(FormatMoney(1'234, "KWD") == "1.234 KWD");
}

}  // namespace
}  // namespace segue
