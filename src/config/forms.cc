#include "config/forms.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <vector>

#include <fmt/format.h>

#include "base/check.h"
#include "base/money.h"
#include "base/text.h"

namespace segue {
namespace {

constexpr std::array<std::string_view, 7> kWeekdays = {"mon", "tue", "wed", "thu",
                                                       "fri", "sat", "sun"};
constexpr std::array<std::string_view, 4> kRefits = {"every run", "monthly", "quarterly", "never"};
constexpr std::array<std::string_view, 7> kVendorThings = {
    "segment", "automation", "journey", "email", "event", "workflow", "flow"};
constexpr std::array<std::string_view, 6> kTypes = {"text", "number",   "money",
                                                    "time", "duration", "yes_no"};

template <std::size_t N>
std::optional<int> IndexOf(const std::array<std::string_view, N>& all, std::string_view text) {
  const auto found = std::find(all.begin(), all.end(), text);
  return found == all.end() ? std::nullopt : std::optional(static_cast<int>(found - all.begin()));
}

bool IsWordByte(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

bool IsId(std::string_view text) {
  return !text.empty() && std::isdigit(static_cast<unsigned char>(text.front())) == 0 &&
         text.size() <= 64 && std::all_of(text.begin(), text.end(), IsWordByte);
}

// Words between single spaces.
std::vector<std::string_view> Words(std::string_view text) {
  std::vector<std::string_view> words;
  for (std::string_view word : Split(text, ' ')) {
    if (!word.empty()) {
      words.push_back(word);
    }
  }
  return words;
}

std::optional<std::pair<std::string_view, std::string_view>> AroundDots(std::string_view text) {
  const std::size_t dots = text.find("..");
  if (dots == std::string_view::npos) {
    return std::nullopt;
  }
  return std::pair(Trim(text.substr(0, dots)), Trim(text.substr(dots + 2)));
}

std::string FormatNumber(double value) {
  return fmt::format("{}", value);
}

std::string FormatClock(int minute) {
  return fmt::format("{:02}:{:02}", minute / 60, minute % 60);
}

std::optional<std::string> CanonicalMoney(std::string_view text) {
  const auto money = ParseMoney(text);
  return money ? std::optional(fmt::format(
                     "{} {}", FormatDecimal(money->first, *CurrencyDecimals(money->second)),
                     money->second))
               : std::nullopt;
}

// `1 month`, `2 months`.
std::optional<int> ParseMonths(std::string_view text) {
  const auto words = Words(text);
  if (words.size() != 2 || (words[1] != "month" && words[1] != "months")) {
    return std::nullopt;
  }
  const auto count = ParseCount(words[0]);
  return count && *count >= 1 && *count <= 120 ? count : std::nullopt;
}

std::optional<std::string> CanonicalLongDuration(std::string_view text) {
  if (const auto months = ParseMonths(text)) {
    return fmt::format("{} month{}", *months, *months == 1 ? "" : "s");
  }
  return CanonicalForm(Form::kDuration, text);
}

std::string CanonicalSchedule(const Schedule& schedule) {
  const std::string clock = FormatClock(schedule.minute_of_day);
  switch (schedule.kind) {
    case Schedule::Kind::kInterval:
      return FormatDuration(schedule.interval);
    case Schedule::Kind::kDaily:
      return "day at " + clock;
    case Schedule::Kind::kWeekly:
      return fmt::format("week on {} at {}",
                         kWeekdays[static_cast<std::size_t>(schedule.weekday - 1)], clock);
    case Schedule::Kind::kMonthly:
      return fmt::format("month on {} at {}", schedule.month_day, clock);
  }
  return {};
}

std::optional<std::string> CanonicalLimit(std::string_view text) {
  const auto limit = ParseLimit(text);
  return limit
             ? std::optional(fmt::format("{} per {}", limit->first, FormatDuration(limit->second)))
             : std::nullopt;
}

std::optional<std::string> CanonicalBudget(std::string_view text) {
  const std::string_view tail = " per month";
  if (!text.ends_with(tail)) {
    return std::nullopt;
  }
  const auto money = CanonicalMoney(text.substr(0, text.size() - tail.size()));
  return money ? std::optional(*money + std::string(tail)) : std::nullopt;
}

std::optional<std::string> CanonicalMoment(std::string_view text) {
  const auto words = Words(text);
  if (words.size() != 2) {
    return std::nullopt;
  }
  if (words[1] == "ago" || words[1] == "ahead") {
    const auto time = ParsePlainDuration(words[0]);
    return time ? std::optional(fmt::format("{} {}", FormatDuration(*time), words[1]))
                : std::nullopt;
  }
  const auto zone = Zone::Find(words[1]);
  const auto time = zone ? ParseTime(words[0], *zone) : Result<TimePoint>(Error());
  return time ? std::optional(fmt::format("{} {}", words[0], words[1])) : std::nullopt;
}

bool IsVendorThing(std::string_view text) {
  const auto words = Words(text);
  return words.size() == 2 && IndexOf(kVendorThings, words[0]).has_value() &&
         (words[0] != "journey" || words[1].find('/') != std::string_view::npos);
}

bool IsCodePattern(std::string_view text) {
  const std::size_t open = text.find("{{");
  const std::size_t close = text.find("}}");
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) {
    return false;
  }
  const auto letters = ParseCount(Trim(text.substr(open + 2, close - open - 2)));
  return letters && *letters >= 6 && *letters <= 32 && text.size() <= 64;
}

bool IsFile(std::string_view text) {
  const auto parts = Split(text, '/');
  return !text.empty() && text.front() != '/' && text.find('\\') == std::string_view::npos &&
         std::find(parts.begin(), parts.end(), "..") == parts.end();
}

bool IsUrl(std::string_view text) {
  const bool http = text.starts_with("http://") || text.starts_with("https://");
  return http && text.find_first_of(" \"'<>") == std::string_view::npos && text.size() > 8;
}

bool IsServer(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  const auto port = colon == std::string_view::npos || colon == 0
                        ? std::nullopt
                        : ParseCount(text.substr(colon + 1));
  return port && *port >= 1 && *port <= 65535 && text.find_first_of(" /") == std::string_view::npos;
}

bool IsAddress(std::string_view text) {
  const std::size_t at = text.find('@');
  return at != std::string_view::npos && at > 0 && at + 1 < text.size() &&
         text.find('\n') == std::string_view::npos;
}

template <typename T>
std::optional<std::string> IfAny(const std::optional<T>& parsed, std::string_view text) {
  return parsed ? std::optional(std::string(text)) : std::nullopt;
}

std::optional<std::string> If(bool fits, std::string_view text) {
  return fits ? std::optional(std::string(text)) : std::nullopt;
}

std::optional<std::string> CanonicalHold(std::string_view text) {
  const auto hold = ParseHold(text);
  if (!hold) {
    return std::nullopt;
  }
  return hold->time != Duration::zero()
             ? FormatDuration(hold->time)
             : fmt::format("{} run{}", hold->runs, hold->runs == 1 ? "" : "s");
}

std::optional<std::string> CanonicalScheduleText(std::string_view text) {
  const auto schedule = ParseSchedule(text);
  return schedule ? std::optional(CanonicalSchedule(*schedule)) : std::nullopt;
}

std::optional<std::string> NotEmpty(std::string_view text) {
  return If(!text.empty(), text);
}

std::optional<std::string> CanonicalNumber(std::string_view text) {
  const auto number = ParseNumber(text);
  return number ? std::optional(FormatNumber(*number)) : std::nullopt;
}

std::optional<std::string> CanonicalPercent(std::string_view text) {
  const auto percent = ParsePercent(text);
  return percent ? std::optional(FormatNumber(*percent) + "%") : std::nullopt;
}

std::optional<std::string> CanonicalDuration(const std::optional<Duration>& time) {
  return time ? std::optional(FormatDuration(*time)) : std::nullopt;
}

using View = std::string_view;

struct FormRow {
  Form form;
  View expected;
  std::optional<std::string> (*canonical)(View text);  // Null: not a text.
};

constexpr std::array kForms = {
    FormRow{Form::kId, "a name of letters, digits and _ that begins with a letter",
            [](View text) { return If(IsId(text), text); }},
    FormRow{Form::kWord, "one word",
            [](View text) {
              return If(!text.empty() && text.find_first_of(" \n") == View::npos, text);
            }},
    FormRow{Form::kText, "a text", NotEmpty},
    FormRow{Form::kTextWithValues, "a text", NotEmpty},
    FormRow{Form::kNumber, "a number", CanonicalNumber},
    FormRow{Form::kCount, "a whole number",
            [](View text) { return IfAny(ParseCount(text), text); }},
    FormRow{Form::kYesNo, "yes or no",
            [](View text) { return If(text == "yes" || text == "no", text); }},
    FormRow{Form::kYes, "yes, or a map of keys", [](View text) { return If(text == "yes", text); }},
    FormRow{Form::kPercent, "a share such as 15% (two decimals at most)", CanonicalPercent},
    FormRow{Form::kPercentRange, "a range of shares such as 10%..20%",
            [](View text) { return IfAny(ParsePercentRange(text), text); }},
    FormRow{Form::kRange, "a range such as 1..6",
            [](View text) { return IfAny(ParseRange(text), text); }},
    FormRow{Form::kMoney, "an amount such as 9.90 EUR", CanonicalMoney},
    FormRow{Form::kDuration, "a duration such as 90m, 6h, 3d or 2w",
            [](View text) { return CanonicalDuration(ParsePlainDuration(text)); }},
    FormRow{Form::kShortDuration, "a duration such as 30s, 5m or 1h",
            [](View text) {
              return text.ends_with("ms") ? std::nullopt : CanonicalDuration(ParseDuration(text));
            }},
    FormRow{Form::kLongDuration, "a duration such as 14d or 1 month", CanonicalLongDuration},
    FormRow{Form::kSchedule,
            "a schedule such as 15m, day at 04:00, week on mon at 05:30 or month on 1 at 06:00",
            CanonicalScheduleText},
    FormRow{Form::kClock, "a wall time in quotes such as \"09:00\"",
            [](View text) { return IfAny(ParseClock(text), text); }},
    FormRow{Form::kZone, "a time zone such as Europe/Lisbon",
            [](View text) { return If(Zone::Find(text).has_value(), text); }},
    FormRow{Form::kCurrency, "a currency such as EUR",
            [](View text) { return IfAny(CurrencyDecimals(text), text); }},
    FormRow{Form::kLimit, "a limit such as 1 per 180d", CanonicalLimit},
    FormRow{Form::kRate, "a rate such as 5 per 1s",
            [](View text) { return IfAny(ParseRate(text), text); }},
    FormRow{Form::kOverlap, "a duration such as 10m, or a whole number such as 10000",
            [](View text) {
              return ParseCount(text) ? NotEmpty(text)
                                      : CanonicalDuration(ParsePlainDuration(text));
            }},
    FormRow{Form::kBudget, "a budget such as 15000 EUR per month", CanonicalBudget},
    FormRow{Form::kValid, "14d, 1 month or end of month",
            [](View text) {
              return text == "end of month" ? NotEmpty(text) : CanonicalLongDuration(text);
            }},
    FormRow{Form::kReenter, "never, always or after 120d",
            [](View text) { return IfAny(ParseReenter(text), text); }},
    FormRow{Form::kOnCap, "drop or wait 4d",
            [](View text) { return IfAny(ParseOnCap(text), text); }},
    FormRow{Form::kHold, "1 run, 2 runs or a duration such as 2d", CanonicalHold},
    FormRow{Form::kRefit, "every run, monthly, quarterly or never",
            [](View text) { return IfAny(ParseRefit(text), text); }},
    FormRow{Form::kMoment, "60d ago, 60d ahead or \"2026-03-02T00:00 Europe/Lisbon\"",
            CanonicalMoment},
    FormRow{Form::kSecret, "env:NAME or cred:NAME",
            [](View text) { return If(IsSecret(text), text); }},
    FormRow{Form::kVendorThing,
            "segment ID, automation ID, journey ID/STEP, email ID, event NAME, "
            "workflow ID or flow NAME",
            [](View text) { return If(IsVendorThing(text), text); }},
    FormRow{Form::kCodePattern, "a pattern such as \"REF-{{8}}\" (6 to 32 letters and digits)",
            [](View text) { return If(IsCodePattern(text), text); }},
    FormRow{Form::kFile, "a file's path without .. that does not begin with /",
            [](View text) { return If(IsFile(text), text); }},
    FormRow{Form::kUrl, "an address that begins with https:// or http://",
            [](View text) { return If(IsUrl(text), text); }},
    FormRow{Form::kServer, "a host and port such as mail.example.org:587",
            [](View text) { return If(IsServer(text), text); }},
    FormRow{Form::kAddress, "a mail address such as \"Name <name@example.org>\"",
            [](View text) { return If(IsAddress(text), text); }},
    FormRow{Form::kType, "text, number, money, time, duration, yes_no or a list of choices",
            [](View text) { return IfAny(IndexOf(kTypes, text), text); }},
    FormRow{Form::kWeekdays, "days such as mon or mon..fri",
            [](View text) { return IfAny(ParseWeekdays(text), text); }},
    FormRow{Form::kColumns, "a column, or arithmetic of columns", NotEmpty},
    FormRow{Form::kExpression, "an expression", NotEmpty},
    FormRow{Form::kRule, "an expression or otherwise", NotEmpty},
    FormRow{Form::kChoice, "one of a few words", NotEmpty},
    FormRow{Form::kName, "a name", NotEmpty},
    FormRow{Form::kFree, "a value", NotEmpty},
    FormRow{Form::kMap, "a map of keys", nullptr},
    FormRow{Form::kSteps, "a list of steps", nullptr},
    FormRow{Form::kFacts, "a list of facts", nullptr},
};

const FormRow& RowOf(Form form) {
  const auto found = std::find_if(kForms.begin(), kForms.end(),
                                  [form](const FormRow& row) { return row.form == form; });
  SEGUE_CHECK(found != kForms.end());
  return *found;
}

}  // namespace

std::string_view FormExpected(Form form) {
  return RowOf(form).expected;
}

std::optional<std::string> CanonicalForm(Form form, std::string_view text) {
  const FormRow& row = RowOf(form);
  return row.canonical == nullptr ? std::nullopt : row.canonical(text);
}

std::optional<double> ParseNumber(std::string_view text) {
  const Result<Decimal> number = ParseDecimal(text, kNumberDecimals);
  if (!number || number->rounded) {
    return std::nullopt;
  }
  return static_cast<double>(number->units) / static_cast<double>(kNumberScale);
}

std::optional<int> ParseCount(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool digits = !text.empty() && std::isdigit(static_cast<unsigned char>(text.front())) != 0;
  return digits && error == std::errc() && end == text.data() + text.size() ? std::optional(value)
                                                                            : std::nullopt;
}

std::optional<double> ParsePercent(std::string_view text) {
  if (!text.ends_with('%')) {
    return std::nullopt;
  }
  const Result<Decimal> share = ParseDecimal(text.substr(0, text.size() - 1), 2);
  if (!share || share->rounded || share->units < 0 || share->units > 10000) {
    return std::nullopt;
  }
  return static_cast<double>(share->units) / 100.0;
}

std::optional<std::pair<double, double>> ParsePercentRange(std::string_view text) {
  const auto ends = AroundDots(text);
  const auto low = ends ? ParsePercent(ends->first) : std::nullopt;
  const auto high = ends ? ParsePercent(ends->second) : std::nullopt;
  return low && high && *low <= *high ? std::optional(std::pair(*low, *high)) : std::nullopt;
}

std::optional<std::pair<double, double>> ParseRange(std::string_view text) {
  const auto ends = AroundDots(text);
  const auto low = ends ? ParseNumber(ends->first) : std::nullopt;
  const auto high = ends ? ParseNumber(ends->second) : std::nullopt;
  return low && high && *low <= *high ? std::optional(std::pair(*low, *high)) : std::nullopt;
}

std::optional<Duration> ParsePlainDuration(std::string_view text) {
  if (text.size() < 2 || std::string_view("mhdw").find(text.back()) == std::string_view::npos) {
    return std::nullopt;
  }
  return ParseDuration(text);
}

std::optional<int> ParseClock(std::string_view text) {
  if (text.size() != 5 || text[2] != ':') {
    return std::nullopt;
  }
  const auto hour = ParseCount(text.substr(0, 2));
  const auto minute = ParseCount(text.substr(3));
  return hour && minute && *hour < 24 && *minute < 60 ? std::optional(*hour * 60 + *minute)
                                                      : std::nullopt;
}

std::optional<Schedule> ParseSchedule(std::string_view text) {
  Schedule schedule;
  if (const auto interval = ParsePlainDuration(text)) {
    schedule.kind = Schedule::Kind::kInterval;
    schedule.interval = *interval;
    return *interval >= kMinute && *interval <= kDay ? std::optional(schedule) : std::nullopt;
  }
  const auto words = Words(text);
  if (words.size() < 3 || words[words.size() - 2] != "at") {
    return std::nullopt;
  }
  const auto clock = ParseClock(words.back());
  if (!clock) {
    return std::nullopt;
  }
  schedule.minute_of_day = *clock;
  if (words.size() == 3 && words[0] == "day") {
    return schedule;
  }
  if (words.size() != 5 || words[1] != "on") {
    return std::nullopt;
  }
  if (const auto weekday = IndexOf(kWeekdays, words[2]); words[0] == "week" && weekday) {
    schedule.kind = Schedule::Kind::kWeekly;
    schedule.weekday = *weekday + 1;
    return schedule;
  }
  if (const auto day = ParseCount(words[2]);
      words[0] == "month" && day && *day >= 1 && *day <= 28) {
    schedule.kind = Schedule::Kind::kMonthly;
    schedule.month_day = *day;
    return schedule;
  }
  return std::nullopt;
}

std::optional<Refit> ParseRefit(std::string_view text) {
  const auto index = IndexOf(kRefits, text);
  return index ? std::optional(static_cast<Refit>(*index)) : std::nullopt;
}

std::optional<Hold> ParseHold(std::string_view text) {
  Hold hold;
  if (const auto time = ParsePlainDuration(text)) {
    hold.time = *time;
    return *time > Duration::zero() ? std::optional(hold) : std::nullopt;
  }
  const auto words = Words(text);
  if (words.size() != 2 || (words[1] != "run" && words[1] != "runs")) {
    return std::nullopt;
  }
  const auto runs = ParseCount(words[0]);
  hold.runs = runs.value_or(0);
  return hold.runs >= 1 && hold.runs <= 1000 ? std::optional(hold) : std::nullopt;
}

std::optional<Reenter> ParseReenter(std::string_view text) {
  if (text == "never") {
    return Reenter{};
  }
  if (text == "always") {
    return Reenter{Reenter::Kind::kAlways, Duration::zero()};
  }
  const auto after =
      text.starts_with("after ") ? ParsePlainDuration(Trim(text.substr(6))) : std::nullopt;
  return after ? std::optional(Reenter{Reenter::Kind::kAfter, *after}) : std::nullopt;
}

std::optional<std::optional<Duration>> ParseOnCap(std::string_view text) {
  using Wait = std::optional<Duration>;
  if (text == "drop") {
    return std::optional<Wait>(std::in_place);
  }
  const Wait wait =
      text.starts_with("wait ") ? ParsePlainDuration(Trim(text.substr(5))) : std::nullopt;
  return wait ? std::optional<Wait>(std::in_place, wait) : std::nullopt;
}

std::optional<std::pair<int, Duration>> ParseRate(std::string_view text) {
  const auto words = Words(text);
  const auto calls = words.size() == 3 && words[1] == "per" ? ParseCount(words[0]) : std::nullopt;
  const auto time = calls ? ParseDuration(words[2]) : std::nullopt;
  if (!time || *calls < 1 || *time <= Duration::zero()) {
    return std::nullopt;
  }
  return std::pair(*calls, *time);
}

std::optional<std::pair<int, Duration>> ParseLimit(std::string_view text) {
  const auto words = Words(text);
  const auto count = words.size() == 3 && words[1] == "per" ? ParseCount(words[0]) : std::nullopt;
  const auto time = count ? ParsePlainDuration(words[2]) : std::nullopt;
  return time && *count >= 1 ? std::optional(std::pair(*count, *time)) : std::nullopt;
}

std::optional<Validity> ParseValidity(std::string_view text) {
  Validity valid;
  if (text == "end of month") {
    valid.end_of_month = true;
  } else if (const auto months = ParseMonths(text)) {
    valid.months = *months;
  } else if (const auto time = ParsePlainDuration(text)) {
    valid.time = *time;
  } else {
    return std::nullopt;
  }
  return valid;
}

std::optional<std::pair<std::int64_t, std::string>> ParseMoney(std::string_view text) {
  const auto words = Words(text);
  const auto decimals = words.size() == 2 ? CurrencyDecimals(words[1]) : std::nullopt;
  const Result<Decimal> amount =
      decimals ? ParseDecimal(words[0], *decimals) : Result<Decimal>(Error("no money"));
  return amount && !amount->rounded ? std::optional(std::pair(amount->units, std::string(words[1])))
                                    : std::nullopt;
}

std::optional<std::uint8_t> ParseWeekdays(std::string_view text) {
  const auto ends = AroundDots(text).value_or(std::pair(text, text));
  const auto first = IndexOf(kWeekdays, ends.first);
  const auto last = IndexOf(kWeekdays, ends.second);
  if (!first || !last) {
    return std::nullopt;
  }
  unsigned days = 0;
  for (int day = *first;; day = (day + 1) % 7) {
    days |= 1U << static_cast<unsigned>(day);
    if (day == *last) {
      return static_cast<std::uint8_t>(days);
    }
  }
}

bool IsSecret(std::string_view text) {
  const std::size_t colon = text.find(':');
  const std::string_view scheme = text.substr(0, colon);
  if (colon == std::string_view::npos || (scheme != "env" && scheme != "cred")) {
    return false;
  }
  const std::string_view name = text.substr(colon + 1);
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return IsWordByte(c) || c == '-' || c == '.';
  }) && name.front() != '.';
}

}  // namespace segue
