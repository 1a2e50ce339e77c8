// Decimal texts to whole numbers and back.

#include "base/money.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>

#include <fmt/format.h>

namespace segue {
namespace {

// ISO 4217's codes in use, by the digits that their minor unit has, four bytes apiece.
constexpr std::string_view kNoDecimals =
    "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF ";
constexpr std::string_view kTwoDecimals =
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN "
    "BZD CAD CDF CHE CHF CHW CNY COP COU CRC CUC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP "
    "GBP GEL GHS GIP GMD GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT "
    "LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO "
    "NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SLL SOS "
    "SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD "
    "YER ZAR ZMW ZWG ZWL ";
constexpr std::string_view kThreeDecimals = "BHD IQD JOD KWD LYD OMR TND ";
constexpr std::string_view kFourDecimals = "CLF UYW ";

constexpr std::uint64_t kUnitsMax = std::numeric_limits<std::int64_t>::max();

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

// value * 10 + digit, or false where that is too large.
bool AppendDigit(std::uint64_t& value, int digit) {
  const auto added = static_cast<std::uint64_t>(digit);
  if (value > (kUnitsMax - added) / 10) {
    return false;
  }
  value = value * 10 + added;
  return true;
}

Error OutOfRange(std::string_view text) {
  return Error(fmt::format("{:?} is too large a number", text.substr(0, 60)));
}

}  // namespace

std::optional<int> CurrencyDecimals(std::string_view currency) {
  const bool shaped =
      currency.size() == 3 &&
      std::all_of(currency.begin(), currency.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
  if (!shaped) {
    return std::nullopt;
  }
  if (kTwoDecimals.find(currency) != std::string_view::npos) {
    return 2;
  }
  if (kNoDecimals.find(currency) != std::string_view::npos) {
    return 0;
  }
  if (kThreeDecimals.find(currency) != std::string_view::npos) {
    return 3;
  }
  return kFourDecimals.find(currency) != std::string_view::npos ? std::optional(4) : std::nullopt;
}

Result<Decimal> ParseDecimal(std::string_view text, int decimals) {
  std::string_view rest = text;
  const bool minus = !rest.empty() && rest.front() == '-';
  if (minus || (!rest.empty() && rest.front() == '+')) {
    rest.remove_prefix(1);
  }
  const std::size_t point = std::min(rest.find('.'), rest.size());
  const std::string_view whole = rest.substr(0, point);
  const std::string_view fraction =
      point < rest.size() ? rest.substr(point + 1) : std::string_view();
  const bool digits = std::all_of(whole.begin(), whole.end(), IsDigit) &&
                      std::all_of(fraction.begin(), fraction.end(), IsDigit);
  // ".5" is how some databases print it; "5." and "." are not numbers.
  if (!digits || (point < rest.size() ? fraction.empty() : whole.empty())) {
    return Error(fmt::format("{:?} is not a number; write digits and a point, such as 1234.50",
                             text.substr(0, 60)));
  }

  std::uint64_t units = 0;
  for (const char c : whole) {
    if (!AppendDigit(units, c - '0')) {
      return OutOfRange(text);
    }
  }
  const auto kept = static_cast<std::size_t>(decimals);
  for (std::size_t i = 0; i < kept; ++i) {
    if (!AppendDigit(units, i < fraction.size() ? fraction[i] - '0' : 0)) {
      return OutOfRange(text);
    }
  }
  Decimal result;
  if (fraction.size() > kept) {
    const std::string_view dropped = fraction.substr(kept);
    result.rounded = dropped.find_first_not_of('0') != std::string_view::npos;
    if (dropped.front() >= '5' && ++units > kUnitsMax) {
      return OutOfRange(text);
    }
  }
  result.units = static_cast<std::int64_t>(units);
  if (minus) {
    result.units = -result.units;
  }
  return result;
}

std::string FormatDecimal(std::int64_t units, int decimals) {
  const bool minus = units < 0;
  const std::uint64_t size =
      minus ? 0 - static_cast<std::uint64_t>(units) : static_cast<std::uint64_t>(units);
  const auto places = static_cast<std::size_t>(decimals);
  std::string text = fmt::format("{:0{}}", size, decimals + 1);
  if (places > 0) {
    text.insert(text.size() - places, 1, '.');
  }
  return minus ? "-" + text : text;
}

std::string FormatMoney(std::int64_t minor_units, std::string_view currency) {
  std::string text = FormatDecimal(minor_units, CurrencyDecimals(currency).value_or(2));
  const std::size_t first = text.front() == '-' ? 1 : 0;
  const std::size_t end = std::min(text.find('.'), text.size());
  for (std::size_t at = end; at > first + 3;) {
    at -= 3;
    text.insert(at, 1, ' ');
  }
  return text + " " + std::string(currency);
}

}  // namespace segue
