#include "config/forms.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <vector>

#include <fmt/format.h>

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
  const auto words = Words(text);
  const auto decimals = words.size() == 2 ? CurrencyDecimals(words[1]) : std::nullopt;
  if (!decimals) {
    return std::nullopt;
  }
  const Result<Decimal> amount = ParseDecimal(words[0], *decimals);
  if (!amount || amount->rounded) {
    return std::nullopt;
  }
  return fmt::format("{} {}", FormatDecimal(amount->units, *decimals), words[1]);
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
  const auto words = Words(text);
  const auto count = words.size() == 3 && words[1] == "per" ? ParseCount(words[0]) : std::nullopt;
  const auto time = count ? ParsePlainDuration(words[2]) : std::nullopt;
  if (!time || *count < 1) {
    return std::nullopt;
  }
  return fmt::format("{} per {}", *count, FormatDuration(*time));
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

struct Expected {
  Form form;
  std::string_view text;
};

constexpr std::array kExpected = {
    Expected{Form::kId, "a name of letters, digits and _ that begins with a letter"},
    Expected{Form::kWord, "one word"},
    Expected{Form::kText, "a text"},
    Expected{Form::kTextWithValues, "a text"},
    Expected{Form::kNumber, "a number"},
    Expected{Form::kCount, "a whole number"},
    Expected{Form::kYesNo, "yes or no"},
    Expected{Form::kYes, "yes, or a map of keys"},
    Expected{Form::kPercent, "a share such as 15% (two decimals at most)"},
    Expected{Form::kPercentRange, "a range of shares such as 10%..20%"},
    Expected{Form::kRange, "a range such as 1..6"},
    Expected{Form::kMoney, "an amount such as 9.90 EUR"},
    Expected{Form::kDuration, "a duration such as 90m, 6h, 3d or 2w"},
    Expected{Form::kShortDuration, "a duration such as 30s, 5m or 1h"},
    Expected{Form::kLongDuration, "a duration such as 14d or 1 month"},
    Expected{Form::kSchedule,
             "a schedule such as 15m, day at 04:00, week on mon at 05:30 or month on 1 at 06:00"},
    Expected{Form::kClock, "a wall time in quotes such as \"09:00\""},
    Expected{Form::kZone, "a time zone such as Europe/Lisbon"},
    Expected{Form::kCurrency, "a currency such as EUR"},
    Expected{Form::kLimit, "a limit such as 1 per 180d"},
    Expected{Form::kRate, "a rate such as 5 per 1s"},
    Expected{Form::kBudget, "a budget such as 15000 EUR per month"},
    Expected{Form::kValid, "14d, 1 month or end of month"},
    Expected{Form::kReenter, "never, always or after 120d"},
    Expected{Form::kOnCap, "drop or wait 4d"},
    Expected{Form::kHold, "1 run, 2 runs or a duration such as 2d"},
    Expected{Form::kRefit, "every run, monthly, quarterly or never"},
    Expected{Form::kMoment, "60d ago, 60d ahead or \"2026-03-02T00:00 Europe/Lisbon\""},
    Expected{Form::kSecret, "env:NAME or cred:NAME"},
    Expected{Form::kVendorThing,
             "segment ID, automation ID, journey ID/STEP, email ID, event NAME, "
             "workflow ID or flow NAME"},
    Expected{Form::kCodePattern, "a pattern such as \"REF-{{8}}\" (6 to 32 letters and digits)"},
    Expected{Form::kFile, "a file's path without .. that does not begin with /"},
    Expected{Form::kUrl, "an address that begins with https:// or http://"},
    Expected{Form::kServer, "a host and port such as mail.example.org:587"},
    Expected{Form::kAddress, "a mail address such as \"Name <name@example.org>\""},
    Expected{Form::kType, "text, number, money, time, duration, yes_no or a list of choices"},
    Expected{Form::kWeekdays, "days such as mon or mon..fri"},
    Expected{Form::kColumns, "a column, or arithmetic of columns"},
    Expected{Form::kExpression, "an expression"},
    Expected{Form::kRule, "an expression or otherwise"},
    Expected{Form::kMap, "a map of keys"},
    Expected{Form::kSteps, "a list of steps"},
    Expected{Form::kSources, "a list of sources"},
    Expected{Form::kFacts, "a list of facts"},
};

std::optional<std::string> CanonicalScheduleText(std::string_view text) {
  const auto schedule = ParseSchedule(text);
  return schedule ? std::optional(CanonicalSchedule(*schedule)) : std::nullopt;
}

}  // namespace

std::string_view FormExpected(Form form) {
  const auto found = std::find_if(kExpected.begin(), kExpected.end(),
                                  [form](const Expected& one) { return one.form == form; });
  return found == kExpected.end() ? "a value" : found->text;
}

std::optional<std::string> CanonicalForm(Form form, std::string_view text) {
  switch (form) {
    case Form::kId:
      return If(IsId(text), text);
    case Form::kWord:
      return If(!text.empty() && text.find_first_of(" \n") == std::string_view::npos, text);
    case Form::kNumber: {
      const auto number = ParseNumber(text);
      return number ? std::optional(FormatNumber(*number)) : std::nullopt;
    }
    case Form::kCount:
      return IfAny(ParseCount(text), text);
    case Form::kYesNo:
      return If(text == "yes" || text == "no", text);
    case Form::kYes:
      return If(text == "yes", text);
    case Form::kPercent: {
      const auto percent = ParsePercent(text);
      return percent ? std::optional(FormatNumber(*percent) + "%") : std::nullopt;
    }
    case Form::kPercentRange:
      return IfAny(ParsePercentRange(text), text);
    case Form::kRange:
      return IfAny(ParseRange(text), text);
    case Form::kMoney:
      return CanonicalMoney(text);
    case Form::kDuration: {
      const auto time = ParsePlainDuration(text);
      return time ? std::optional(FormatDuration(*time)) : std::nullopt;
    }
    case Form::kShortDuration: {
      const auto time = text.ends_with("ms") ? std::nullopt : ParseDuration(text);
      return time ? std::optional(FormatDuration(*time)) : std::nullopt;
    }
    case Form::kLongDuration:
      return CanonicalLongDuration(text);
    case Form::kSchedule:
      return CanonicalScheduleText(text);
    case Form::kClock:
      return IfAny(ParseClock(text), text);
    case Form::kZone:
      return If(Zone::Find(text).has_value(), text);
    case Form::kCurrency:
      return IfAny(CurrencyDecimals(text), text);
    case Form::kLimit:
      return CanonicalLimit(text);
    case Form::kRate:
      return IfAny(ParseRate(text), text);
    case Form::kBudget:
      return CanonicalBudget(text);
    case Form::kValid:
      return text == "end of month" ? std::optional(std::string(text))
                                    : CanonicalLongDuration(text);
    case Form::kReenter:
      return IfAny(ParseReenter(text), text);
    case Form::kOnCap:
      return IfAny(ParseOnCap(text), text);
    case Form::kHold:
      return CanonicalHold(text);
    case Form::kRefit:
      return IfAny(ParseRefit(text), text);
    case Form::kMoment:
      return CanonicalMoment(text);
    case Form::kSecret:
      return If(IsSecret(text), text);
    case Form::kVendorThing:
      return If(IsVendorThing(text), text);
    case Form::kCodePattern:
      return If(IsCodePattern(text), text);
    case Form::kFile:
      return If(IsFile(text), text);
    case Form::kUrl:
      return If(IsUrl(text), text);
    case Form::kServer:
      return If(IsServer(text), text);
    case Form::kAddress:
      return If(IsAddress(text), text);
    case Form::kType:
      return IfAny(IndexOf(kTypes, text), text);
    case Form::kWeekdays:
      return IfAny(ParseWeekdays(text), text);
    case Form::kText:
    case Form::kTextWithValues:
    case Form::kColumns:
    case Form::kExpression:
    case Form::kRule:
    case Form::kChoice:
    case Form::kName:
    case Form::kFree:
      return If(!text.empty(), text);
    case Form::kMap:
    case Form::kSteps:
    case Form::kSources:
    case Form::kFacts:
      return std::nullopt;
  }
  return std::nullopt;
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
