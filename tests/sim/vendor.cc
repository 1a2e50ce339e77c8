#include "sim/vendor.h"

#include "support/dice.h"

namespace segue::sim {

Vendor::Fate Vendor::FateOf(const ConnectorSettings& connector, const std::string& key, int asked,
                            TimePoint now) const {
  if (healed_) {
    return Fate::kAccepted;
  }
  if (choices_.outages) {
    // One stretch for each connector, some of them longer than it is tried again.
    Dice dice(Stream(choices_, "outage " + connector.id));
    const TimePoint from = choices_.start + kHour * dice.Below(24 * 8);
    const TimePoint until = from + kMinute * static_cast<int>(dice.LogBetween(10, 3000));
    if (dice.Chance(0.5) && from <= now && now < until) {
      return dice.Chance(0.5) ? Fate::kNotSent : Fate::kError;
    }
  }
  Dice dice(Stream(choices_, "fate " + key, static_cast<std::uint64_t>(asked)));
  if (!choices_.faults || !dice.Chance(choices_.fault_share)) {
    return Fate::kAccepted;
  }
  // Refusals are rarer: they end it.
  const int which = dice.Below(20);
  return which < 4    ? Fate::kNotSent
         : which < 7  ? Fate::kLostAfter
         : which < 10 ? Fate::kLostBefore
         : which < 13 ? Fate::kTooMany
         : which < 16 ? Fate::kError
         : which < 19 ? Fate::kSlow
                      : Fate::kRefused;
}

Answered Vendor::Perform(const ConnectorSettings& connector, const std::string& key,
                         TimePoint now) {
  Entry& entry = book_[key];
  Dice dice(Stream(choices_, "answer " + key, static_cast<std::uint64_t>(entry.asked)));
  Fate fate = FateOf(connector, key, entry.asked, now);
  // It says again what it said before.
  if (fate == Fate::kRefused && entry.effects > 0) {
    fate = Fate::kAccepted;
  } else if (fate == Fate::kAccepted && entry.refused) {
    fate = Fate::kRefused;
  }
  ++entry.asked;
  Answered answered;
  answered.after = std::chrono::milliseconds(20 + dice.Below(2000));
  answered.told = true;
  Reply& reply = answered.reply;
  const auto act = [&] {
    // Who honours the key does it once, and answers again as it did before.
    entry.effects += entry.effects == 0 || connector.dedupe == Dedupe::kNone ? 1 : 0;
  };
  reply.kind = Reply::Kind::kAnswered;
  switch (fate) {
    case Fate::kSlow:
      // Just within the time that the transport waits.
      answered.after = connector.timeout - std::chrono::milliseconds(1 + dice.Below(4000));
      [[fallthrough]];
    case Fate::kAccepted:
      act();
      reply.status = dice.Chance(0.5) ? 200 : 202;
      reply.body = "{\"ok\": true}";
      break;
    case Fate::kNotSent:
      reply.kind = Reply::Kind::kNotSent;
      reply.error = "connection refused";
      break;
    case Fate::kLostAfter:
      act();
      [[fallthrough]];
    case Fate::kLostBefore:
      answered.told = false;
      answered.after = dice.Chance(0.5) ? connector.timeout : answered.after;
      reply.kind = Reply::Kind::kLost;
      reply.error = answered.after == connector.timeout ? "timeout" : "connection reset";
      break;
    case Fate::kTooMany:
      reply.status = 429;
      if (dice.Chance(0.7)) {
        reply.headers["retry-after"] = std::to_string(dice.Below(1800));
      }
      break;
    case Fate::kError:
      reply.status = 500 + dice.Below(4);
      reply.body = "oops";
      break;
    case Fate::kRefused:
      reply.status = dice.Chance(0.5) ? 400 : 422;
      reply.body = "no such list";
      entry.refused = true;
      break;
  }
  return answered;
}

}  // namespace segue::sim
