// Zones through Howard Hinnant's date library; only this file includes it.
//
// Known limit of date 3.0.1 over the system's zone files: it does not read their closing rule, so
// from 2038 on summer time is left out.  Schedules and quiet hours are far from there.

#include "base/zone.h"

#include <chrono>
#include <cstddef>
#include <stdexcept>

#include <date/tz.h>
#include <fmt/format.h>

namespace segue {
namespace {

std::int64_t FloorDivide(std::int64_t value, std::int64_t by) {
  return value / by - (value % by < 0 ? 1 : 0);
}

std::chrono::seconds FloorSeconds(std::int64_t micros) {
  return std::chrono::seconds(FloorDivide(micros, kMicrosPerSecond));
}

// The calendar repeats every 400 years: 146 097 days, counted here from 0000-03-01 so that leap
// days end a year.
constexpr std::int64_t kDaysPerEra = 146'097;
constexpr std::int64_t kDaysBefore1970 = 719'468;

}  // namespace

std::int64_t LocalTime::day() const {
  return FloorDivide(micros, kMicrosPerDay);
}

std::int64_t LocalTime::micros_of_day() const {
  return micros - day() * kMicrosPerDay;
}

CivilDate ToCivil(std::int64_t day) {
  const std::int64_t shifted = day + kDaysBefore1970;
  const std::int64_t era = FloorDivide(shifted, kDaysPerEra);
  const std::int64_t day_of_era = shifted - era * kDaysPerEra;
  const std::int64_t year_of_era =
      (day_of_era - day_of_era / 1'460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const std::int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t month_from_march = (5 * day_of_year + 2) / 153;
  const bool next_year = month_from_march >= 10;
  CivilDate date;
  date.day = static_cast<int>(day_of_year - (153 * month_from_march + 2) / 5 + 1);
  date.month = static_cast<int>(month_from_march + (next_year ? -9 : 3));
  date.year = static_cast<int>(era * 400 + year_of_era + (next_year ? 1 : 0));
  return date;
}

std::int64_t FromCivil(CivilDate date) {
  const std::int64_t year = date.month <= 2 ? date.year - 1 : date.year;
  const std::int64_t month_from_march = date.month > 2 ? date.month - 3 : date.month + 9;
  const std::int64_t era = FloorDivide(year, 400);
  const std::int64_t year_of_era = year - era * 400;
  const std::int64_t day_of_year = (153 * month_from_march + 2) / 5 + date.day - 1;
  const std::int64_t day_of_era =
      year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * kDaysPerEra + day_of_era - kDaysBefore1970;
}

int Weekday(std::int64_t day) {
  const std::int64_t since_monday = day + 3;  // 1970-01-01 was a Thursday.
  return static_cast<int>(since_monday - 7 * FloorDivide(since_monday, 7)) + 1;
}

Zone::Zone() : zone_(nullptr) {}

Result<Zone> Zone::Find(std::string_view name) {
  if (name == "UTC") {
    return Zone();
  }
  try {
    return Zone(date::locate_zone(name));
  } catch (const std::runtime_error&) {
    return Error(fmt::format("there is no time zone {:?}; use a name such as Europe/Lisbon", name));
  }
}

std::string Zone::name() const {
  return zone_ == nullptr ? "UTC" : zone_->name();
}

LocalTime Zone::ToLocal(TimePoint time) const {
  if (zone_ == nullptr) {
    return {ToMicros(time)};
  }
  const auto info = zone_->get_info(date::sys_seconds(FloorSeconds(ToMicros(time))));
  return {ToMicros(time) + info.offset.count() * kMicrosPerSecond};
}

TimePoint Zone::ToUtc(LocalTime local) const {
  if (zone_ == nullptr) {
    return FromMicros(local.micros);
  }
  const auto info = zone_->get_info(date::local_seconds(FloorSeconds(local.micros)));
  if (info.result == date::local_info::nonexistent) {
    return TimePoint(info.first.end.time_since_epoch());
  }
  return FromMicros(local.micros - info.first.offset.count() * kMicrosPerSecond);
}

std::string Zone::Format(TimePoint time) const {
  const LocalTime local = ToLocal(time);
  const CivilDate date = ToCivil(local.day());
  const std::int64_t minutes = local.micros_of_day() / (60 * kMicrosPerSecond);
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}", date.year, date.month, date.day, minutes / 60,
                     minutes % 60);
}

}  // namespace segue
