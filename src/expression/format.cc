// Between stored values, doubles and what people read.

#include <cmath>

#include <fmt/format.h>

#include "base/money.h"
#include "expression/arithmetic.h"
#include "expression/execute.h"

namespace segue {
namespace {

// Doubles beyond this are shown as they are: they are no whole units any more.
std::int64_t ToWhole(double value) {
  return static_cast<std::int64_t>(std::llround(value));
}

std::string FormatNumber(double value) {
  constexpr double kDecimalsShown = 10'000;
  constexpr double kWithExponent = 1e15;
  // As the general way below would write it, in a tenth of its time.
  if (value == std::trunc(value) && std::fabs(value) < kWithExponent) {
    return fmt::format_int(static_cast<std::int64_t>(value)).str();
  }
  const double rounded = std::round(value * kDecimalsShown) / kDecimalsShown;
  // Adding zero turns -0 into 0.
  return std::fabs(rounded) <= std::numeric_limits<double>::max() ? fmt::format("{}", rounded + 0.0)
                                                                  : fmt::format("{}", value);
}

}  // namespace

double ValueToDouble(Type type, const Value& value, TextPool& pool) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) {
    return type == Type::kNumber ? static_cast<double>(*number) / static_cast<double>(kNumberScale)
                                 : static_cast<double>(*number);
  }
  if (const auto* text = std::get_if<std::string>(&value)) {
    return static_cast<double>(pool.Intern(*text));
  }
  return kMissing;
}

std::string FormatTyped(const ExprType& type, double value, const TextPool* pool,
                        const Schema* schema) {
  if (std::isnan(value)) {
    return "no data";
  }
  const bool whole_units = std::fabs(value) < kInstantMax;
  switch (type.type) {
    case Type::kText:
    case Type::kChoice:
      return pool != nullptr && value >= 0 ? pool->Text(static_cast<std::uint32_t>(value))
                                           : "another text";
    case Type::kNumber:
      return FormatNumber(value);
    case Type::kMoney:
      return whole_units && schema != nullptr ? FormatMoney(ToWhole(value), schema->currency)
                                              : FormatNumber(value);
    case Type::kTime:
      if (!whole_units) {
        return FormatNumber(value);
      }
      return schema != nullptr ? schema->timezone.Format(FromMicros(ToWhole(value)))
                               : FormatTime(FromMicros(ToWhole(value)));
    case Type::kDuration:
      return whole_units ? FormatDurationLong(Duration(ToWhole(value))) : FormatNumber(value);
    case Type::kYesNo:
      return value == 1.0 ? "yes" : "no";
  }
  return "";
}

}  // namespace segue
