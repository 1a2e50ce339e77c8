// Instants and durations as text, and back.

#include "base/time.h"

#include <array>
#include <charconv>
#include <cstddef>
#include <limits>

#include <fmt/format.h>

#include "base/zone.h"

namespace segue {
namespace {

constexpr std::int64_t kMicrosPerMinute = 60 * kMicrosPerSecond;
constexpr std::int64_t kMicrosPerHour = 60 * kMicrosPerMinute;
constexpr std::size_t kShownMax = 60;

Error NotATime(std::string_view text) {
  return Error(fmt::format(
      "{:?} is not a time; write a date such as 2026-03-26 or a time such as 2026-03-26T04:00:00Z",
      text.substr(0, kShownMax)));
}

// Reads a text from the left.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  bool AtEnd() const { return at_ == text_.size(); }

  bool Take(char wanted) {
    if (AtEnd() || text_[at_] != wanted) {
      return false;
    }
    ++at_;
    return true;
  }

  bool NextIsDigit() const { return !AtEnd() && text_[at_] >= '0' && text_[at_] <= '9'; }

  // Exactly `count` digits, else -1.
  int Digits(int count) {
    int value = 0;
    for (int i = 0; i < count; ++i) {
      if (!NextIsDigit()) {
        return -1;
      }
      value = value * 10 + (text_[at_++] - '0');
    }
    return value;
  }

  // Digits of a fraction of a second, as microseconds; what is finer is cut off.  -1 when there is
  // none.
  std::int64_t Fraction() {
    if (!NextIsDigit()) {
      return -1;
    }
    std::int64_t value = 0;
    std::int64_t digit_value = kMicrosPerSecond / 10;
    for (; NextIsDigit(); ++at_) {
      value += (text_[at_] - '0') * digit_value;
      digit_value /= 10;
    }
    return value;
  }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

// "04:00", "04:00:30", "04:00:30.25" as microseconds of the day; nothing for anything else.
std::optional<std::int64_t> ReadTimeOfDay(Reader& reader) {
  const int hour = reader.Digits(2);
  if (hour < 0 || hour > 23 || !reader.Take(':')) {
    return std::nullopt;
  }
  const int minute = reader.Digits(2);
  if (minute < 0 || minute > 59) {
    return std::nullopt;
  }
  std::int64_t micros = hour * kMicrosPerHour + minute * kMicrosPerMinute;
  if (reader.Take(':')) {
    const int second = reader.Digits(2);
    if (second < 0 || second > 59) {
      return std::nullopt;
    }
    micros += second * kMicrosPerSecond;
    if (reader.Take('.')) {
      const std::int64_t fraction = reader.Fraction();
      if (fraction < 0) {
        return std::nullopt;
      }
      micros += fraction;
    }
  }
  return micros;
}

struct Offset {
  bool given = false;
  std::int64_t micros = 0;
};

// "Z", "+02:00", "+0200", "+02" or the end of the text.
std::optional<Offset> ReadOffset(Reader& reader) {
  if (reader.AtEnd()) {
    return Offset{};
  }
  if (reader.Take('Z') || reader.Take('z')) {
    return Offset{.given = true, .micros = 0};
  }
  const bool minus = reader.Take('-');
  if (!minus && !reader.Take('+')) {
    return std::nullopt;
  }
  const int hours = reader.Digits(2);
  const bool colon = reader.Take(':');
  const int minutes = !colon && reader.AtEnd() ? 0 : reader.Digits(2);
  if (hours < 0 || hours > 15 || minutes < 0 || minutes > 59) {
    return std::nullopt;
  }
  const std::int64_t micros = hours * kMicrosPerHour + minutes * kMicrosPerMinute;
  return Offset{.given = true, .micros = minus ? -micros : micros};
}

struct Unit {
  std::int64_t micros;
  std::string_view name;
};

constexpr std::array kUnits = {
    Unit{7 * kMicrosPerDay, "w"},
    Unit{kMicrosPerDay, "d"},
    Unit{kMicrosPerHour, "h"},
    Unit{kMicrosPerMinute, "m"},
    Unit{kMicrosPerSecond, "s"},
    Unit{1'000, "ms"},
    Unit{1, "us"},
};

}  // namespace

std::string FormatTime(TimePoint time) {
  const LocalTime utc{ToMicros(time)};
  const CivilDate date = ToCivil(utc.day());
  const std::int64_t of_day = utc.micros_of_day();
  std::string text = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", date.year, date.month,
                                 date.day, of_day / kMicrosPerHour, of_day / kMicrosPerMinute % 60,
                                 of_day / kMicrosPerSecond % 60);
  if (const std::int64_t fraction = of_day % kMicrosPerSecond; fraction != 0) {
    text += fmt::format(".{:06}", fraction);
    text.erase(text.find_last_not_of('0') + 1);
  }
  return text + "Z";
}

Result<TimePoint> ParseTime(std::string_view text, const Zone& zone) {
  Reader reader(text);
  CivilDate date;
  date.year = reader.Digits(4);
  bool shaped = date.year >= 0 && reader.Take('-');
  date.month = shaped ? reader.Digits(2) : -1;
  shaped = date.month >= 0 && reader.Take('-');
  date.day = shaped ? reader.Digits(2) : -1;
  if (date.day < 0) {
    return NotATime(text);
  }
  LocalTime local{FromCivil(date) * kMicrosPerDay};
  Offset offset;
  if (!reader.AtEnd()) {
    if (!reader.Take('T') && !reader.Take(' ') && !reader.Take('t')) {
      return NotATime(text);
    }
    const std::optional<std::int64_t> of_day = ReadTimeOfDay(reader);
    const std::optional<Offset> read = of_day ? ReadOffset(reader) : std::nullopt;
    if (!read || !reader.AtEnd()) {
      return NotATime(text);
    }
    local.micros += *of_day;
    offset = *read;
  }
  if (date.year < 1900 || date.year > 2199) {
    return Error(fmt::format("{:?} lies outside the years 1900 to 2199", text));
  }
  const CivilDate back = ToCivil(FromCivil(date));
  if (back.month != date.month || back.day != date.day) {
    return Error(fmt::format("{:?} names a day that does not exist", text));
  }
  return offset.given ? FromMicros(local.micros - offset.micros) : zone.ToUtc(local);
}

std::optional<Duration> ParseDuration(std::string_view text) {
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [after, problem] = std::from_chars(text.data(), end, number);
  if (problem != std::errc() || text.front() == '-' || end - after != 1) {
    return std::nullopt;
  }
  for (const Unit& unit : kUnits) {
    if (unit.name.size() == 1 && unit.name.front() == *after) {
      if (number > std::numeric_limits<std::int64_t>::max() / unit.micros) {
        return std::nullopt;
      }
      return Duration(number * unit.micros);
    }
  }
  return std::nullopt;
}

std::string FormatDuration(Duration duration) {
  const std::int64_t micros = duration.count();
  if (micros == 0) {
    return "0s";
  }
  for (const Unit& unit : kUnits) {
    if (micros % unit.micros == 0) {
      return fmt::format("{}{}", micros / unit.micros, unit.name);
    }
  }
  return "0s";
}

std::string FormatDurationLong(Duration duration) {
  constexpr std::array kLongUnits = {Unit{kMicrosPerDay, "d"}, Unit{kMicrosPerHour, "h"},
                                     Unit{kMicrosPerMinute, "m"}, Unit{kMicrosPerSecond, "s"}};
  if (duration < Duration::zero()) {
    // Not negated: the smallest duration has no positive twin.
    const Duration positive = duration == Duration::min() ? Duration::max() : -duration;
    const std::string text = FormatDurationLong(positive);
    return text == "0s" ? text : "-" + text;
  }
  std::int64_t rest = duration.count();
  for (std::size_t i = 0; i < kLongUnits.size(); ++i) {
    const std::int64_t whole = rest / kLongUnits[i].micros;
    if (whole == 0) {
      continue;
    }
    std::string text = fmt::format("{}{}", whole, kLongUnits[i].name);
    rest %= kLongUnits[i].micros;
    if (i + 1 < kLongUnits.size() && rest / kLongUnits[i + 1].micros > 0) {
      text += fmt::format(" {}{}", rest / kLongUnits[i + 1].micros, kLongUnits[i + 1].name);
    }
    return text;
  }
  return "0s";
}

}  // namespace segue
