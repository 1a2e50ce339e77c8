// The filters of texts: what each takes, and what it makes of a value.

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "base/money.h"
#include "base/text.h"
#include "templates/liquid.h"

namespace segue {
namespace {

constexpr std::string_view kDateLetters = "dBbAaYymHMI";
constexpr std::string_view kDateDefault = "%Y-%m-%d";

constexpr std::array<std::string_view, 12> kMonths = {
    "January", "February", "March",     "April",   "May",      "June",
    "July",    "August",   "September", "October", "November", "December"};
constexpr std::array<std::string_view, 7> kWeekdays = {
    "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};

// The first part of a date pattern that is not understood: "%Q".  Empty when all are.
std::string BadDatePart(std::string_view pattern) {
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '%') {
      continue;
    }
    const std::size_t begin = i;
    i += pattern.substr(i).starts_with("%-") ? 2 : 1;
    const bool known =
        i < pattern.size() && (kDateLetters.find(pattern[i]) != std::string_view::npos ||
                               (pattern[i] == '%' && i == begin + 1));
    if (!known) {
      return std::string(pattern.substr(begin, i + 1 - begin));
    }
  }
  return "";
}

std::string DatePart(char letter, bool plain, CivilDate date, std::int64_t day,
                     std::int64_t minute) {
  const auto number = [&](std::int64_t value) {
    return plain ? fmt::to_string(value) : fmt::format("{:02}", value);
  };
  const auto month = static_cast<std::size_t>(date.month - 1);
  const auto weekday = static_cast<std::size_t>(Weekday(day) - 1);
  switch (letter) {
    case 'd':
      return number(date.day);
    case 'm':
      return number(date.month);
    case 'y':
      return number(date.year % 100);
    case 'Y':
      return fmt::to_string(date.year);
    case 'H':
      return number(minute / 60);
    case 'I':
      return number((minute / 60 + 11) % 12 + 1);
    case 'M':
      return number(minute % 60);
    case 'B':
      return std::string(kMonths[month]);
    case 'b':
      return std::string(kMonths[month].substr(0, 3));
    case 'A':
      return std::string(kWeekdays[weekday]);
    case 'a':
      return std::string(kWeekdays[weekday].substr(0, 3));
    default:
      return "%";
  }
}

std::string FormatDate(TimePoint time, std::string_view pattern, const Zone& zone) {
  const LocalTime local = zone.ToLocal(time);
  const CivilDate date = ToCivil(local.day());
  const std::int64_t minute = local.micros_of_day() / kMinute.count();
  std::string out;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '%') {
      out += pattern[i];
      continue;
    }
    const bool plain = pattern.substr(i).starts_with("%-");
    i += plain ? 2 : 1;
    if (i < pattern.size()) {
      out += DatePart(pattern[i], plain, date, local.day(), minute);
    }
  }
  return out;
}

// As few digits as say it: "3", "0.25".
std::string FormatNumber(double value) {
  std::string text = fmt::format("{:.6f}", value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) {
    text.pop_back();
  }
  return text == "-0" ? "0" : text;
}

std::string FormatPercent(double share, int digits) {
  const double scale = digits == 2 ? 100.0 : digits == 1 ? 10.0 : 1.0;
  return fmt::format("{:.{}f}%", std::round(share * 100.0 * scale) / scale + 0.0, digits);
}

// 'text', "text" or a number, without its quotes.
std::optional<std::string> ReadArgument(std::string_view text) {
  if (text.size() >= 2 && (text.front() == '\'' || text.front() == '"') &&
      text.back() == text.front()) {
    return std::string(text.substr(1, text.size() - 2));
  }
  const bool number =
      !text.empty() && text.find_first_not_of("0123456789.") == std::string_view::npos;
  return number ? std::optional(std::string(text)) : std::nullopt;
}

std::optional<Filter> Refuse(FilterError& error, FilterError why) {
  error = std::move(why);
  return std::nullopt;
}

}  // namespace

std::optional<Filter> ReadFilter(std::string_view name, std::optional<std::string_view> argument,
                                 std::optional<Type> type, FilterError& error) {
  static const std::vector<std::string> kKnown = {"default", "date", "percent", "money",
                                                  "action_name"};
  if (std::find(kKnown.begin(), kKnown.end(), name) == kKnown.end()) {
    const std::optional<std::string> nearest = Nearest(name, kKnown);
    return Refuse(error, {"SG002", fmt::format("no filter is called '{}'", name),
                          nearest ? fmt::format("did you mean {}?", *nearest)
                                  : "there are " + Join(kKnown, ", ")});
  }
  const std::optional<std::string> text = argument ? ReadArgument(*argument) : std::nullopt;
  if (argument && !text) {
    return Refuse(error, {"SG000", fmt::format("{} wants a text in quotes or a number", name),
                          fmt::format("{}: 'text'", name), true});
  }
  Filter filter;
  if (name == "default") {
    if (!text) {
      return Refuse(error, {"SG000", "default does not say what to write", "default: 'you'"});
    }
    filter.argument = *text;
    return filter;
  }

  struct Wanted {
    std::string_view name, words;
    Type type;
    Filter::Kind kind;
  };

  constexpr std::array<Wanted, 4> kWanted = {
      {{"action_name", "the name of an action", Type::kText, Filter::Kind::kActionName},
       {"date", "a time", Type::kTime, Filter::Kind::kDate},
       {"percent", "a number", Type::kNumber, Filter::Kind::kPercent},
       {"money", "money", Type::kMoney, Filter::Kind::kMoney}}};
  const auto* const wanted = std::find_if(kWanted.begin(), kWanted.end(),
                                          [&](const Wanted& each) { return each.name == name; });
  filter.kind = wanted->kind;
  if (type && *type != wanted->type) {
    return Refuse(
        error, {"SG003", fmt::format("{} is for {}, and this value is none", name, wanted->words),
                "take the filter out"});
  }
  if (filter.kind == Filter::Kind::kDate) {
    filter.argument = text.value_or(std::string(kDateDefault));
    if (const std::string bad = BadDatePart(filter.argument); !bad.empty()) {
      return Refuse(error, {"SG002", fmt::format("date does not know {}", bad),
                            "it knows %d %-d %m %-m %B %b %A %a %Y %y %H %I %M and %%", true});
    }
  } else if (filter.kind == Filter::Kind::kPercent && text) {
    if (*text != "0" && *text != "1" && *text != "2") {
      return Refuse(
          error, {"SG000", "percent takes 0, 1 or 2 digits after the point", "percent: 1", true});
    }
    filter.digits = (*text)[0] - '0';
  }
  return filter;
}

std::string FormatValue(double value, Type type, const std::vector<Filter>& filters,
                        const Schema& schema, const TextPool& pool, const Zone& zone) {
  for (const Filter& filter : filters) {
    if (filter.kind == Filter::Kind::kPercent) {
      return FormatPercent(value, filter.digits);
    }
    if (filter.kind == Filter::Kind::kActionName) {
      std::string action = pool.Text(static_cast<std::uint32_t>(value));
      const auto words = filter.words.find(action);
      return words == filter.words.end() ? action : words->second;
    }
    if (filter.kind == Filter::Kind::kDate) {
      return FormatDate(FromMicros(static_cast<std::int64_t>(value)), filter.argument, zone);
    }
  }
  switch (type) {
    case Type::kText:
    case Type::kChoice:
      return pool.Text(static_cast<std::uint32_t>(value));
    case Type::kNumber:
      return FormatNumber(value);
    case Type::kMoney:
      return FormatMoney(static_cast<std::int64_t>(std::llround(value)), schema.currency);
    case Type::kTime:
      return FormatDate(FromMicros(static_cast<std::int64_t>(value)), kDateDefault, zone);
    case Type::kDuration:
      return FormatDurationLong(Duration(static_cast<std::int64_t>(value)));
    case Type::kYesNo:
      return value == 1.0 ? "yes" : "no";
  }
  return "";
}

}  // namespace segue
