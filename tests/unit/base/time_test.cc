// Times, durations and zones.

#include "base/time.h"

#include <string>

#include <doctest/doctest.h>

#include "base/clock.h"
#include "base/zone.h"

namespace segue {
namespace {

Zone FindZone(const char* name) {
  const Result<Zone> zone = Zone::Find(name);
  REQUIRE(zone.has_value());
  return *zone;
}

std::string Parsed(const char* text, const Zone& zone = Zone()) {
  const Result<TimePoint> time = ParseTime(text, zone);
  return time ? FormatTime(*time) : "error: " + time.error().message();
}

TEST_CASE("ISO 8601 times are read with and without seconds, fraction and offset") {
  struct Row {
    const char* text;
    const char* utc;
  };

  for (const Row& row : {
           Row{"2026-03-26", "2026-03-26T00:00:00Z"},
           Row{"2026-03-26T04:00", "2026-03-26T04:00:00Z"},
           Row{"2026-03-26 04:00:09", "2026-03-26T04:00:09Z"},
           Row{"2026-03-26T04:00:09.5Z", "2026-03-26T04:00:09.5Z"},
           Row{"2026-03-26T04:00:09.1234567Z", "2026-03-26T04:00:09.123456Z"},
           Row{"2026-03-26T04:00:00.000Z", "2026-03-26T04:00:00Z"},
           Row{"2026-03-26T04:00:00+02:00", "2026-03-26T02:00:00Z"},
           Row{"2026-03-26T04:00:00-0530", "2026-03-26T09:30:00Z"},
           Row{"2026-03-26 04:00:00+02", "2026-03-26T02:00:00Z"},
           Row{"2024-02-29", "2024-02-29T00:00:00Z"},
           Row{"1900-01-01", "1900-01-01T00:00:00Z"},
           Row{"2199-12-31T23:59:59.999999Z", "2199-12-31T23:59:59.999999Z"},
           Row{"1969-12-31T23:59:59.25Z", "1969-12-31T23:59:59.25Z"},
       }) {
    CAPTURE(row.text);
    CHECK(Parsed(row.text) == row.utc);
  }
}

TEST_CASE("texts that are not times are refused") {
  for (const char* text : {"",
                           "x",
                           "2026",
                           "2026-3-26",
                           "26.03.2026",
                           "2026-03-26T",
                           "2026-03-26T4:00",
                           "2026-03-26T24:00",
                           "2026-03-26T04:60",
                           "2026-03-26T04:00:60",
                           "2026-03-26T04:00:00.",
                           "2026-03-26T04:00:00,5",
                           "2026-03-26T04:00+2",
                           "2026-03-26T04:00+02:",
                           "2026-03-26T04:00+16:00",
                           "2026-03-26T04:00 Z",
                           "2026-03-26Z",
                           "2026-03-26T04:00Zx",
                           " 2026-03-26",
                           "2026-03-26 ",
                           "1774497600"}) {
    CAPTURE(text);
    CHECK(ParseTime(text, Zone()).has_error());
  }
  CHECK(Parsed("2026-02-29") == "error: \"2026-02-29\" names a day that does not exist");
  CHECK(Parsed("2026-13-01") == "error: \"2026-13-01\" names a day that does not exist");
  CHECK(Parsed("2026-04-00") == "error: \"2026-04-00\" names a day that does not exist");
  CHECK(Parsed("1899-12-31") == "error: \"1899-12-31\" lies outside the years 1900 to 2199");
  CHECK(Parsed("2200-01-01") == "error: \"2200-01-01\" lies outside the years 1900 to 2199");
  CHECK(Parsed("today") ==
        "error: \"today\" is not a time; write a date such as 2026-03-26 or a time such as "
        "2026-03-26T04:00:00Z");
}

TEST_CASE("a wall time in a gap becomes its end, and one that happens twice means the first") {
  struct Row {
    const char* zone;
    const char* wall;
    const char* utc;
  };

  for (const Row& row : {
           Row{"Europe/Berlin", "2026-03-29T01:59:59", "2026-03-29T00:59:59Z"},
           Row{"Europe/Berlin", "2026-03-29T02:30:00", "2026-03-29T01:00:00Z"},
           Row{"Europe/Berlin", "2026-03-29T03:00:00", "2026-03-29T01:00:00Z"},
           Row{"Europe/Berlin", "2026-10-25T02:30:00", "2026-10-25T00:30:00Z"},
           Row{"Europe/Berlin", "2026-10-25T03:00:00", "2026-10-25T02:00:00Z"},
           Row{"America/New_York", "2026-03-08T02:15:00", "2026-03-08T07:00:00Z"},
           Row{"America/New_York", "2026-11-01T01:30:00", "2026-11-01T05:30:00Z"},
           // Lord Howe moves its clocks by half an hour.
           Row{"Australia/Lord_Howe", "2026-10-04T02:15:00", "2026-10-03T15:30:00Z"},
           Row{"Australia/Lord_Howe", "2026-04-05T01:45:00", "2026-04-04T14:45:00Z"},
           // An offset of its own wins over the zone.
           Row{"Europe/Berlin", "2026-03-29T02:30:00Z", "2026-03-29T02:30:00Z"},
       }) {
    CAPTURE(row.zone);
    CAPTURE(row.wall);
    CHECK(Parsed(row.wall, FindZone(row.zone)) == row.utc);
  }
}

TEST_CASE("wall time follows the zone's offset of that moment") {
  const Zone berlin = FindZone("Europe/Berlin");
  const TimePoint winter = *ParseTime("2026-03-29T00:59:59.5Z", Zone());
  CHECK(berlin.Format(winter) == "2026-03-29 01:59");
  CHECK(berlin.Format(winter + Duration(500'000)) == "2026-03-29 03:00");
  CHECK(berlin.ToLocal(winter).micros - ToMicros(winter) == kHour.count());
  CHECK(berlin.ToUtc(berlin.ToLocal(winter)) == winter);

  const LocalTime before_1970{-1};
  CHECK(before_1970.day() == -1);
  CHECK(before_1970.micros_of_day() == kDay.count() - 1);
}

TEST_CASE("every local day of 400 days begins at one instant and after the day before") {
  for (const char* name : {"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe",
                           "America/Havana", "Asia/Beirut", "Africa/Casablanca"}) {
    const Zone zone = FindZone(name);
    TimePoint last = zone.ToUtc({(FromCivil({2026, 1, 1}) - 1) * kDay.count()});
    for (std::int64_t day = FromCivil({2026, 1, 1}); day < FromCivil({2026, 1, 1}) + 400; ++day) {
      CAPTURE(name);
      CAPTURE(day);
      const TimePoint start = zone.ToUtc({day * kDay.count()});
      CHECK(zone.ToLocal(start).day() == day);
      CHECK(zone.ToLocal(start - Duration(1)).day() <= day);
      CHECK(start - last >= 23 * kHour);
      CHECK(start - last <= 25 * kHour);
      last = start;
    }
  }
}

TEST_CASE("zones are found by name, and the unnamed one is UTC") {
  CHECK(FindZone("UTC") == Zone());
  CHECK(Zone().name() == "UTC");
  CHECK(FindZone("Europe/Lisbon").name() == "Europe/Lisbon");
  CHECK(FindZone("Europe/Lisbon") == FindZone("Europe/Lisbon"));
  for (const char* name : {"", "Europe/Atlantis", "../../etc/passwd", "europe/lisbon"}) {
    CAPTURE(name);
    CHECK(Zone::Find(name).has_error());
  }
  CHECK(Zone::Find("Mars").error().message() ==
        "there is no time zone \"Mars\"; use a name such as Europe/Lisbon");
}

TEST_CASE("civil dates and day numbers are inverse over 600 years, with the right weekday") {
  CHECK(FromCivil({1970, 1, 1}) == 0);
  CHECK(FromCivil({2000, 2, 29}) == 11'016);
  CHECK(Weekday(0) == 4);
  CHECK(Weekday(FromCivil({2026, 3, 30})) == 1);
  CHECK(Weekday(FromCivil({1969, 12, 28})) == 7);
  int weekday = Weekday(FromCivil({1700, 1, 1}));
  CivilDate last{1699, 12, 31};
  for (std::int64_t day = FromCivil({1700, 1, 1}); day < FromCivil({2300, 1, 1}); ++day) {
    const CivilDate date = ToCivil(day);
    const bool next = (date.day == last.day + 1 && date.month == last.month) ||
                      (date.day == 1 && date.month == last.month + 1) ||
                      (date.day == 1 && date.month == 1 && date.year == last.year + 1);
    if (!next || FromCivil(date) != day || Weekday(day) != weekday) {
      FAIL("day " << day);
    }
    weekday = weekday % 7 + 1;
    last = date;
  }
}

TEST_CASE("durations are a whole number and one unit") {
  CHECK(ParseDuration("90m") == 90 * kMinute);
  CHECK(ParseDuration("6h") == 6 * kHour);
  CHECK(ParseDuration("3d") == 3 * kDay);
  CHECK(ParseDuration("2w") == 14 * kDay);
  CHECK(ParseDuration("30s") == Duration(30'000'000));
  CHECK(ParseDuration("0s") == Duration::zero());
  for (const char* text : {"", "m", "3", "3 d", " 3d", "-3d", "+3d", "1.5h", "3dd", "3D", "3y",
                           "1d6h", "99999999999999999999d", "99999999999999d"}) {
    CAPTURE(text);
    CHECK_FALSE(ParseDuration(text));
  }
}

TEST_CASE("durations are written in the largest unit that divides them") {
  CHECK(FormatDuration(3 * kDay) == "3d");
  CHECK(FormatDuration(14 * kDay) == "2w");
  CHECK(FormatDuration(90 * kMinute) == "90m");
  CHECK(FormatDuration(Duration(1'500'000)) == "1500ms");
  CHECK(FormatDuration(Duration(7)) == "7us");
  CHECK(FormatDuration(Duration::zero()) == "0s");
  CHECK(FormatDuration(-3 * kDay) == "-3d");
}

TEST_CASE("durations for reading have two units at most") {
  CHECK(FormatDurationLong(23 * kDay + 16 * kHour + 59 * kMinute) == "23d 16h");
  CHECK(FormatDurationLong(4 * kHour + 5 * kMinute) == "4h 5m");
  CHECK(FormatDurationLong(Duration(12'900'000)) == "12s");
  CHECK(FormatDurationLong(3 * kDay + 5 * kMinute) == "3d");
  CHECK(FormatDurationLong(-(kHour + kMinute)) == "-1h 1m");
  CHECK(FormatDurationLong(Duration(-1)) == "0s");
  CHECK(FormatDurationLong(Duration::min()) == "-106751991d 4h");
}

TEST_CASE("a manual clock stands where it is put, and the system's clock is in this century") {
  ManualClock clock(FromMicros(5));
  CHECK(clock.Now() == FromMicros(5));
  clock.Set(FromMicros(9));
  CHECK(clock.Now() == FromMicros(9));
  SystemClock system;
  CHECK(ToCivil(ToMicros(system.Now()) / kDay.count()).year >= 2024);
}

}  // namespace
}  // namespace segue
