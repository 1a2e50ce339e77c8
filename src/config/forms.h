// The small forms of the language (docs/language.md, "Small forms"): durations, percents,
// schedules, limits …
//
// A form says whether a text has it, what to write instead, and the one canonical way to write it.
// Nothing here knows about documents or names.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/time.h"
#include "config/definitions.h"

namespace segue {

enum class Form : std::uint8_t {
  // Checked here.
  kId,
  kWord,
  kText,
  kTextWithValues,
  kNumber,
  kCount,  // A whole number from 0.
  kYesNo,
  kYes,
  kPercent,
  kPercentRange,
  kRange,
  kMoney,
  kDuration,
  kShortDuration,
  kLongDuration,
  kSchedule,
  kClock,
  kZone,
  kCurrency,
  kLimit,
  kRate,
  kOverlap,
  kBudget,
  kValid,
  kReenter,
  kOnCap,
  kHold,
  kRefit,
  kMoment,
  kSecret,
  kVendorThing,
  kCodePattern,
  kFile,
  kUrl,
  kServer,
  kAddress,
  kType,
  kWeekdays,
  kColumns,
  // Checked where their names are known.
  kExpression,
  kRule,
  kChoice,  // One of KeySpec::values.
  kName,    // Declared somewhere: KeySpec::values says as what.
  kFree,    // A value whose type another document says.
  // Not texts.
  kMap,
  kSteps,
  kFacts,
};

// "a duration such as 90m, 6h, 3d or 2w".
std::string_view FormExpected(Form form);
// The canonical text; nothing if the text does not have the form.
std::optional<std::string> CanonicalForm(Form form, std::string_view text);

std::optional<double> ParsePercent(std::string_view text);
std::optional<std::pair<double, double>> ParsePercentRange(std::string_view text);
std::optional<std::pair<double, double>> ParseRange(std::string_view text);
std::optional<double> ParseNumber(std::string_view text);
std::optional<int> ParseCount(std::string_view text);
// m, h, d, w only.
std::optional<Duration> ParsePlainDuration(std::string_view text);
// Minute of the day.
std::optional<int> ParseClock(std::string_view text);
std::optional<Schedule> ParseSchedule(std::string_view text);
std::optional<Refit> ParseRefit(std::string_view text);
std::optional<Hold> ParseHold(std::string_view text);
std::optional<Reenter> ParseReenter(std::string_view text);
// `drop` is no duration.
std::optional<std::optional<Duration>> ParseOnCap(std::string_view text);
// `5 per 1s`
std::optional<std::pair<int, Duration>> ParseRate(std::string_view text);
// `1 per 180d`
std::optional<std::pair<int, Duration>> ParseLimit(std::string_view text);
// `14d`, `1 month`, `end of month`
std::optional<Validity> ParseValidity(std::string_view text);
// Minor units, and their currency: `40 EUR`; `15000 EUR per month` without its tail.
std::optional<std::pair<std::int64_t, std::string>> ParseMoney(std::string_view text);
// Bit 0 is Monday: `mon`, `mon..fri`.
std::optional<std::uint8_t> ParseWeekdays(std::string_view text);
bool IsSecret(std::string_view text);

}  // namespace segue
