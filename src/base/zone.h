// A time zone of the tz database, by name ("Europe/Lisbon").
//
// A wall time that a change of the clocks skips becomes the first instant after the gap; a wall
// time that happens twice means the first of the two.  Zones are never freed, so a Zone is a small
// value that can be copied freely.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace date {
class time_zone;
}

namespace segue {

// Wall time: microseconds since 1970-01-01 00:00 as a clock on the wall there would count them.
struct LocalTime {
  std::int64_t micros = 0;

  // Days since 1970-01-01 on that wall's calendar.
  std::int64_t day() const;
  // Microseconds since that day's 00:00 on the wall.
  std::int64_t micros_of_day() const;
};

struct CivilDate {
  int year = 1970;
  int month = 1;  // 1 to 12
  int day = 1;    // 1 to 31
};

CivilDate ToCivil(std::int64_t day);
std::int64_t FromCivil(CivilDate date);
// 1 is Monday, 7 is Sunday.
int Weekday(std::int64_t day);

class Zone {
 public:
  // UTC.
  Zone();

  // Error: no zone of that name in the tz database.
  static Result<Zone> Find(std::string_view name);

  std::string name() const;
  LocalTime ToLocal(TimePoint time) const;
  TimePoint ToUtc(LocalTime local) const;

  // "2026-03-26 04:00" on the wall there.
  std::string Format(TimePoint time) const;

  friend bool operator==(const Zone&, const Zone&) = default;

 private:
  explicit Zone(const date::time_zone* zone) : zone_(zone) {}

  const date::time_zone* zone_;  // Null means UTC.
};

}  // namespace segue
