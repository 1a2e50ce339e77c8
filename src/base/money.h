// Money and other decimal numbers as whole numbers: minor units of a currency, millionths of a
// number.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace segue {

// A plain number in an event or a trait is kept in millionths.
constexpr int kNumberDecimals = 6;
constexpr std::int64_t kNumberScale = 1'000'000;

// Digits after the point that ISO 4217 gives a currency: 2 for EUR, 0 for JPY, 3 for KWD.  Nothing
// for an unknown code.
std::optional<int> CurrencyDecimals(std::string_view currency);

struct Decimal {
  std::int64_t units = 0;  // The value times 10^decimals.
  bool rounded = false;    // The text was finer than that, and was rounded half away from zero.
};

// "1234.5", "-0.07", "1e3" is refused.  Errors: not a number, out of range.
Result<Decimal> ParseDecimal(std::string_view text, int decimals);

// "1234.50" for 123450 and 2 decimals.
std::string FormatDecimal(std::int64_t units, int decimals);

// "15 000.50 EUR", grouped for reading.
std::string FormatMoney(std::int64_t minor_units, std::string_view currency);

}  // namespace segue
