// Schedules on the wall clocks of four zones, over more than a year with all their changes.

#include <array>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "config/forms.h"

namespace segue {
namespace {

constexpr std::int64_t kMinuteMicros = 60'000'000;
constexpr std::int64_t kDayMicros = 1440 * kMinuteMicros;
constexpr std::array kZones = {"Europe/Lisbon", "America/New_York", "Australia/Lord_Howe",
                               "Asia/Beirut"};
// Lisbon's clocks go forward at 01:00, New York's at 02:00, Lord Howe's by half an hour, Beirut's
// at midnight.
constexpr std::array kSchedules = {
    "day at 00:00", "day at 01:30",         "day at 02:15",        "15m", "1h",
    "7h",           "week on sun at 00:30", "month on 1 at 06:00", "1d"};

// The slots of a stretch of local days, straight from the words of the language.
std::vector<TimePoint> SlotsOfDays(const Schedule& schedule, const Zone& zone, std::int64_t first,
                                   int days) {
  std::vector<TimePoint> slots;
  for (std::int64_t day = first; day < first + days; ++day) {
    const auto at = [&](std::int64_t which, int minute) {
      return zone.ToUtc(LocalTime{which * kDayMicros + minute * kMinuteMicros});
    };
    switch (schedule.kind) {
      case Schedule::Kind::kInterval:
        for (TimePoint slot = at(day, 0); slot < at(day + 1, 0); slot += schedule.interval) {
          slots.push_back(slot);
        }
        break;
      case Schedule::Kind::kDaily:
        slots.push_back(at(day, schedule.minute_of_day));
        break;
      case Schedule::Kind::kWeekly:
        if (Weekday(day) == schedule.weekday) {
          slots.push_back(at(day, schedule.minute_of_day));
        }
        break;
      case Schedule::Kind::kMonthly:
        if (ToCivil(day).day == schedule.month_day) {
          slots.push_back(at(day, schedule.minute_of_day));
        }
        break;
    }
  }
  return slots;
}

TEST_CASE(
    "every slot of 400 days is found from both sides, in four zones with their changes of the "
    "clock") {
  const std::int64_t first = FromCivil({2026, 1, 5});
  for (const char* name : kZones) {
    const Zone zone = *Zone::Find(name);
    for (const char* text : kSchedules) {
      CAPTURE(name);
      CAPTURE(text);
      const Schedule schedule = ParseSchedule(text).value();
      const std::vector<TimePoint> slots = SlotsOfDays(schedule, zone, first, 400);
      REQUIRE(slots.size() >= 13);
      int wrong = 0;
      for (std::size_t i = 0; i + 1 < slots.size(); ++i) {
        const TimePoint between = slots[i] + (slots[i + 1] - slots[i]) / 2;
        wrong += slots[i] < slots[i + 1] ? 0 : 1;
        wrong += schedule.SlotAtOrBefore(slots[i], zone) == slots[i] ? 0 : 1;
        wrong += schedule.SlotAtOrBefore(between, zone) == slots[i] ? 0 : 1;
        wrong += schedule.SlotAtOrBefore(slots[i + 1] - Duration(1), zone) == slots[i] ? 0 : 1;
        wrong += schedule.SlotAfter(slots[i], zone) == slots[i + 1] ? 0 : 1;
        wrong += schedule.SlotAfter(between, zone) == slots[i + 1] ? 0 : 1;
        wrong += schedule.SlotAfter(slots[i + 1] - Duration(1), zone) == slots[i + 1] ? 0 : 1;
      }
      CHECK(wrong == 0);
      CHECK(schedule.CountSlots(slots.front(), slots.back(), zone) ==
            static_cast<int>(slots.size()) - 1);
      CHECK(schedule.CountSlots(slots.front() - Duration(1), slots.front(), zone) == 1);
      CHECK(schedule.CountSlots(slots.front(), slots.front(), zone) == 0);
    }
  }
}

TEST_CASE("a day with 23 hours has 92 quarters and one with 25 has 100") {
  const Zone lisbon = *Zone::Find("Europe/Lisbon");
  const Schedule quarters = ParseSchedule("15m").value();
  const auto count = [&](CivilDate date) {
    const std::int64_t day = FromCivil(date);
    return quarters.CountSlots(lisbon.ToUtc(LocalTime{day * kDayMicros}) - Duration(1),
                               lisbon.ToUtc(LocalTime{(day + 1) * kDayMicros}) - Duration(1),
                               lisbon);
  };
  CHECK(count({2026, 3, 28}) == 96);
  CHECK(count({2026, 3, 29}) == 92);
  CHECK(count({2026, 10, 25}) == 100);
}

TEST_CASE("a wall time that the clocks skip is the first moment after the gap, once") {
  const Zone lisbon = *Zone::Find("Europe/Lisbon");
  const Schedule schedule = ParseSchedule("day at 01:30").value();
  const TimePoint noon = *ParseTime("2026-03-28T12:00:00Z", lisbon);
  CHECK(FormatTime(schedule.SlotAfter(noon, lisbon)) == "2026-03-29T01:00:00Z");
  CHECK(FormatTime(schedule.SlotAfter(schedule.SlotAfter(noon, lisbon), lisbon)) ==
        "2026-03-30T00:30:00Z");
}

}  // namespace
}  // namespace segue
