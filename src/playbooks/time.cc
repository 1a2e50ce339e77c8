// Wall times of playbooks: quiet hours, and "the next 09:00".

#include <algorithm>

#include "base/check.h"
#include "playbooks/playbooks.h"

namespace segue {
namespace {

constexpr std::int64_t kDayMicros = 86'400'000'000;
constexpr std::int64_t kMinuteMicros = 60'000'000;

TimePoint At(std::int64_t day, int minute, const Zone& zone) {
  return zone.ToUtc(LocalTime{day * kDayMicros + minute * kMinuteMicros});
}

}  // namespace

TimePoint AfterQuietHours(const QuietHours& quiet, TimePoint due, const Zone& zone) {
  const LocalTime local = zone.ToLocal(due);
  const std::int64_t wall = local.micros_of_day();
  const std::int64_t from = quiet.from_minute * kMinuteMicros;
  const std::int64_t to = quiet.to_minute * kMinuteMicros;
  std::int64_t end_day = local.day();
  if (from <= to) {
    if (wall < from || wall >= to) {
      return due;
    }
  } else if (wall >= from) {
    ++end_day;
  } else if (wall >= to) {
    return due;
  }
  // When the clocks go back, a wall time inside the quiet hours comes again after their end: then
  // they are over.
  return std::max(due, At(end_day, quiet.to_minute, zone));
}

TimePoint NextLocal(TimePoint now, int minute_of_day, std::uint8_t weekdays, const Zone& zone) {
  SEGUE_CHECK((weekdays & 0x7f) != 0);
  const TimePoint earliest = now + kMinute;
  // The day before too: a wall time in a gap lies after it, perhaps on the next day's wall.  Two
  // weeks ahead, for a zone that leaves out a whole day.
  const std::int64_t today = zone.ToLocal(now).day();
  for (std::int64_t day = today - 1; day <= today + 15; ++day) {
    if ((weekdays >> (Weekday(day) - 1) & 1) == 0) {
      continue;
    }
    const TimePoint candidate = At(day, minute_of_day, zone);
    if (candidate >= earliest) {
      return candidate;
    }
  }
  SEGUE_CHECK(false);
  return earliest;
}

}  // namespace segue
