#include "campaign/tools.h"

#include <algorithm>

namespace segue::campaign {
namespace {

constexpr std::size_t kCodeLength = 8;  // After its prefix.

// Of a hundred requests so many …
constexpr int kNeverSent = 2, kActedThenLost = 3, kLostFirst = 2, kTooOften = 3, kFailed = 5,
              kRefused = 1;

}  // namespace

// Each is away once in some weeks, sometimes for longer than it is tried again.
bool Tools::IsAway(const ConnectorSettings& connector, TimePoint now) const {
  constexpr int kEveryHours = 24 * 17;
  const std::int64_t hours = (now - setup_.start) / kHour;
  Dice dice(
      StreamOf(setup_, "away " + connector.id, static_cast<std::uint64_t>(hours / kEveryHours)));
  const int from = dice.Below(kEveryHours - 40);
  const int length = static_cast<int>(dice.LogBetween(1, 40));
  const auto hour = static_cast<int>(hours % kEveryHours);
  return from <= hour && hour < from + length;
}

Reply Tools::Perform(const ConnectorSettings& connector, const std::string& key, TimePoint now) {
  Entry& entry = book_[key];
  Dice dice(StreamOf(setup_, key, static_cast<std::uint64_t>(entry.asked++)));
  int fate = healed_                  ? 100
             : IsAway(connector, now) ? kNeverSent + kActedThenLost + kLostFirst + kTooOften
                                      : dice.Below(100);
  Reply reply;
  const auto act = [&] {
    // Who honours the key does it once, and answers again as it did before.
    entry.effects += entry.effects == 0 || connector.dedupe == Dedupe::kNone ? 1 : 0;
  };
  const auto lose = [&] {
    reply.kind = Reply::Kind::kLost;
    reply.error = "timeout";
    return reply;
  };
  reply.kind = Reply::Kind::kAnswered;
  if ((fate -= kNeverSent) < 0) {
    reply.kind = Reply::Kind::kNotSent;
    reply.error = "connection refused";
    return reply;
  }
  if ((fate -= kActedThenLost) < 0) {
    if (!entry.refused) {
      act();
    }
    return lose();
  }
  if ((fate -= kLostFirst) < 0) {
    return lose();
  }
  if ((fate -= kTooOften) < 0) {
    reply.status = 429;
    reply.headers["retry-after"] = "600";
    return reply;
  }
  if ((fate -= kFailed) < 0) {
    reply.status = 503;
    reply.body = "oops";
    return reply;
  }
  entry.refused = entry.refused || ((fate -= kRefused) < 0 && entry.effects == 0);
  if (entry.refused) {
    reply.status = 422;
    reply.body = "no such person";
    return reply;
  }
  act();
  reply.status = 200;
  return reply;
}

std::vector<std::string> CodesIn(std::string_view text, const std::vector<std::string>& prefixes) {
  std::vector<std::string> codes;
  for (const std::string& prefix : prefixes) {
    for (std::size_t at = text.find(prefix); at != std::string_view::npos;
         at = text.find(prefix, at + 1)) {
      const std::string_view rest = text.substr(at + prefix.size()).substr(0, kCodeLength);
      const bool whole =
          rest.size() == kCodeLength && std::all_of(rest.begin(), rest.end(), [](char c) {
            return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
          });
      if (whole) {
        codes.push_back(prefix + std::string(rest));
      }
    }
  }
  std::sort(codes.begin(), codes.end());
  codes.erase(std::unique(codes.begin(), codes.end()), codes.end());
  return codes;
}

}  // namespace segue::campaign
