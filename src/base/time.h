// Instants and lengths of time: whole microseconds, instants always UTC.
//
// Local time exists only at the edges (schedules, quiet hours, days(), texts): see base/zone.h.

#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace segue {

using Duration = std::chrono::microseconds;
using TimePoint = std::chrono::time_point<std::chrono::system_clock, Duration>;

class Zone;

constexpr Duration kMinute = std::chrono::minutes(1);
constexpr Duration kHour = std::chrono::hours(1);
constexpr Duration kDay = std::chrono::hours(24);
constexpr std::int64_t kMicrosPerSecond = 1'000'000;
constexpr std::int64_t kMicrosPerDay = 86'400 * kMicrosPerSecond;

constexpr std::int64_t ToMicros(TimePoint time) {
  return time.time_since_epoch().count();
}

constexpr TimePoint FromMicros(std::int64_t micros) {
  return TimePoint(Duration(micros));
}

// "2026-03-26T04:00:00Z", with a fraction only where there is one.
std::string FormatTime(TimePoint time);

// ISO 8601: a date, or a date and a time of day after 'T' or a space, with seconds and fraction
// optional and with "Z",
// "+02:00", "+0200", "+02" or nothing at the end.  Without a zone of its own the time is wall time
// in `zone`. Errors: text of another shape, a day that does not exist, years before 1900 or after
// 2199.
Result<TimePoint> ParseTime(std::string_view text, const Zone& zone);

// "90m", "6h", "3d", "2w", "30s": a whole number and one unit.  Nothing for any other text.
std::optional<Duration> ParseDuration(std::string_view text);

// The largest unit that divides it: "3d", "90m", "1500ms".
std::string FormatDuration(Duration duration);

// For reading, two units at most: "23d 16h", "4h 5m", "12s".
std::string FormatDurationLong(Duration duration);

}  // namespace segue
