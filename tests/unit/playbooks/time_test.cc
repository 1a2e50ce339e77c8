// Wall times over 400 days, in zones whose clocks change in different ways.

#include <array>
#include <string>

#include "world.h"

namespace segue {
namespace {

constexpr std::array kZones = {"Europe/Berlin", "America/New_York", "Australia/Lord_Howe",
                               "Asia/Kathmandu", "UTC"};
const TimePoint kFirst = FromMicros(1'767'225'600'000'000);  // 2026-01-01T00:00:00Z
constexpr int kDays = 400;

std::int64_t MinuteOf(const Zone& zone, TimePoint time) {
  return zone.ToLocal(time).micros_of_day() / 60'000'000;
}

bool Inside(const QuietHours& quiet, std::int64_t minute) {
  return quiet.from_minute <= quiet.to_minute
             ? minute >= quiet.from_minute && minute < quiet.to_minute
             : minute >= quiet.from_minute || minute < quiet.to_minute;
}

// Clocks change within a day of this moment.
bool ClocksChange(const Zone& zone, TimePoint time) {
  const auto offset = [&](TimePoint at) { return zone.ToLocal(at).micros - ToMicros(at); };
  return offset(time - kDay) != offset(time + kDay);
}

TEST_CASE("quiet hours hold a message until they are over, in every zone on every day") {
  for (const char* name : kZones) {
    const Zone zone = Zone::Find(name).value();
    for (const auto& [from, to] :
         {std::pair{21 * 60, 8 * 60}, {0, 7 * 60}, {13 * 60, 14 * 60 + 30}, {120, 150}}) {
      const QuietHours quiet = Quiet(from, to);
      int held = 0;
      for (TimePoint due = kFirst; due < kFirst + kDays * kDay; due += std::chrono::minutes(37)) {
        const TimePoint at = AfterQuietHours(quiet, due, zone);
        CAPTURE(name);
        CAPTURE(FormatTime(due));
        CAPTURE(FormatTime(at));
        REQUIRE(at >= due);
        REQUIRE(AfterQuietHours(quiet, at, zone) == at);
        if (!Inside(quiet, MinuteOf(zone, due))) {
          REQUIRE(at == due);
          continue;
        }
        ++held;
        REQUIRE(at - due <= kDay);
        if (!ClocksChange(zone, due)) {
          REQUIRE(MinuteOf(zone, at) == to);
          REQUIRE(zone.ToLocal(at).micros_of_day() % 60'000'000 == 0);
          // Nothing before it would have done: the minute before is still quiet.
          REQUIRE(Inside(quiet, MinuteOf(zone, at - kMinute)));
        }
      }
      CHECK(held > 100);
    }
  }
}

TEST_CASE(
    "the next wall time is the first one at least a minute ahead, in every zone on every day") {
  for (const char* name : kZones) {
    const Zone zone = Zone::Find(name).value();
    for (const int minute : {9 * 60, 0, 2 * 60 + 15, 23 * 60 + 59}) {
      for (const std::uint8_t weekdays : std::array<std::uint8_t, 3>{0x7f, 0x1f, 0x40}) {
        TimePoint previous = kFirst;
        for (TimePoint now = kFirst; now < kFirst + kDays * kDay;
             now += std::chrono::minutes(211)) {
          const TimePoint next = NextLocal(now, minute, weekdays, zone);
          CAPTURE(name);
          CAPTURE(FormatTime(now));
          CAPTURE(FormatTime(next));
          REQUIRE(next >= now + kMinute);
          REQUIRE(next >= previous);  // Time never goes back.
          REQUIRE(next - now <= (weekdays == 0x7f ? kDay : kDay * 7) + kHour * 2);
          if (!ClocksChange(zone, next)) {
            REQUIRE(MinuteOf(zone, next) == minute);
            REQUIRE((weekdays >> (Weekday(zone.ToLocal(next).day()) - 1) & 1) == 1);
          }
          // It is found again from just before it, and passed just after.
          REQUIRE(NextLocal(next - kMinute, minute, weekdays, zone) == next);
          REQUIRE(NextLocal(next - kMinute + Duration(1), minute, weekdays, zone) > next);
          previous = next;
        }
      }
    }
  }
}

TEST_CASE(
    "a wall time in the gap is the first instant after it, one that comes twice is the first") {
  const Zone berlin = Zone::Find("Europe/Berlin").value();
  CHECK(FormatTime(NextLocal(At("2026-03-28T12:00:00Z"), 150, 0x7f, berlin)) ==
        "2026-03-29T01:00:00Z");
  CHECK(FormatTime(NextLocal(At("2026-10-24T12:00:00Z"), 150, 0x7f, berlin)) ==
        "2026-10-25T00:30:00Z");
  // Between the two 02:30 of that night, the next one is tomorrow's.
  CHECK(FormatTime(NextLocal(At("2026-10-25T00:45:00Z"), 150, 0x7f, berlin)) ==
        "2026-10-26T01:30:00Z");
}

TEST_CASE("09:00 stays 09:00 on the wall when the clocks change") {
  const Zone york = Zone::Find("America/New_York").value();
  CHECK(FormatTime(NextLocal(At("2026-03-07T15:00:00Z"), 540, 0x7f, york)) ==
        "2026-03-08T13:00:00Z");
  CHECK(FormatTime(NextLocal(At("2026-03-06T15:00:00Z"), 540, 0x7f, york)) ==
        "2026-03-07T14:00:00Z");
}

TEST_CASE("quiet hours begin at their first minute and are over at their last") {
  const Zone berlin = Zone::Find("Europe/Berlin").value();
  const QuietHours night = Quiet(21 * 60, 8 * 60);
  const auto after = [&](const char* due) {
    return FormatTime(AfterQuietHours(night, At(due), berlin));
  };
  CHECK(after("2026-01-10T19:59:59Z") == "2026-01-10T19:59:59Z");
  CHECK(after("2026-01-10T20:00:00Z") == "2026-01-11T07:00:00Z");
  CHECK(after("2026-01-11T06:59:59Z") == "2026-01-11T07:00:00Z");
  CHECK(after("2026-01-11T07:00:00Z") == "2026-01-11T07:00:00Z");
  // The night in which the clocks go forward is an hour shorter.
  CHECK(after("2026-03-28T22:00:00Z") == "2026-03-29T06:00:00Z");
}

TEST_CASE("quiet hours that end between two equal wall times are over the first time") {
  const Zone berlin = Zone::Find("Europe/Berlin").value();
  const QuietHours quiet = Quiet(60, 150);
  CHECK(FormatTime(AfterQuietHours(quiet, At("2026-10-25T00:10:00Z"), berlin)) ==
        "2026-10-25T00:30:00Z");
  CHECK(FormatTime(AfterQuietHours(quiet, At("2026-10-25T01:10:00Z"), berlin)) ==
        "2026-10-25T01:10:00Z");
}

}  // namespace
}  // namespace segue
