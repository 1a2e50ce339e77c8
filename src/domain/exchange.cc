// When a vendor may be asked again.

#include "domain/exchange.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/text.h"
#include "base/zone.h"

namespace segue {
namespace {

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

// Reads "07:28:00".
std::optional<Duration> ParseClock(std::string_view text) {
  if (text.size() != 8 || text[2] != ':' || text[5] != ':') {
    return std::nullopt;
  }
  for (const std::size_t i : {0U, 1U, 3U, 4U, 6U, 7U}) {
    if (!IsDigit(text[i])) {
      return std::nullopt;
    }
  }
  const auto two = [&](std::size_t at) { return (text[at] - '0') * 10 + (text[at + 1] - '0'); };
  if (two(0) > 23 || two(3) > 59 || two(6) > 60) {
    return std::nullopt;
  }
  return std::chrono::hours(two(0)) + std::chrono::minutes(two(3)) + std::chrono::seconds(two(6));
}

std::optional<int> ParseMonth(std::string_view text) {
  constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto* const found = std::find(kMonths.begin(), kMonths.end(), text);
  if (found == kMonths.end()) {
    return std::nullopt;
  }
  return static_cast<int>(found - kMonths.begin()) + 1;
}

std::optional<int> ParseSmall(std::string_view text) {
  if (text.empty() || text.size() > 4 || !std::all_of(text.begin(), text.end(), IsDigit)) {
    return std::nullopt;
  }
  int value = 0;
  for (const char c : text) {
    value = value * 10 + (c - '0');
  }
  return value;
}

// The three forms of RFC 9110, 5.6.7:  "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37
// GMT" and "Sun Nov  6 08:49:37 1994".
std::optional<TimePoint> ParseHttpDate(std::string_view text) {
  std::string spaced(text);
  std::replace(spaced.begin(), spaced.end(), '-', ' ');
  std::vector<std::string_view> words;
  for (const std::string_view word : Split(spaced, ' ')) {
    if (!word.empty()) {
      words.push_back(word);
    }
  }
  const bool with_zone = words.size() == 6 && words[5] == "GMT" && words[0].ends_with(',');
  if (!with_zone && words.size() != 5) {
    return std::nullopt;
  }
  const auto day = ParseSmall(with_zone ? words[1] : words[2]);
  const auto month = ParseMonth(with_zone ? words[2] : words[1]);
  auto year = ParseSmall(with_zone ? words[3] : words[4]);
  const auto clock = ParseClock(with_zone ? words[4] : words[3]);
  if (!day || !month || !year || !clock || *day < 1 || *day > 31) {
    return std::nullopt;
  }
  if (*year < 100) {
    *year += *year < 70 ? 2000 : 1900;
  }
  if (*year < 1970 || *year > 2199) {
    return std::nullopt;
  }
  return FromMicros(0) + FromCivil({*year, *month, *day}) * kDay + *clock;
}

}  // namespace

Duration RetryAfter(const Reply& reply, TimePoint now) {
  const auto header = reply.headers.find("retry-after");
  if (header == reply.headers.end()) {
    return Duration::zero();
  }
  const std::string_view text = Trim(header->second);
  if (!text.empty() && std::all_of(text.begin(), text.end(), IsDigit)) {
    std::int64_t seconds = 0;
    for (const char c : text) {
      seconds = std::min<std::int64_t>(seconds * 10 + (c - '0'), 100'000);
    }
    return std::min<Duration>(std::chrono::seconds(seconds), kDay);
  }
  const auto date = ParseHttpDate(text);
  return date ? std::clamp<Duration>(*date - now, Duration::zero(), kDay) : Duration::zero();
}

}  // namespace segue
