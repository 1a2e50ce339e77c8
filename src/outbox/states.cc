// The rules of the outbox's state machine, apart from its table.

#include "outbox/states.h"

#include <algorithm>

#include "base/hash.h"

namespace segue {

using State = DeliveryState;

bool MayBecome(State from, State to) {
  switch (from) {
    case State::kWaiting:
      // Accepted: an answer that came after the lease was over.  Unknown: too late or dropped by
      // hand, and an answer was lost before.
      return to == State::kRunning || to == State::kAccepted || to == State::kRefused ||
             to == State::kSuppressed || to == State::kUnknown || to == State::kDropped;
    case State::kRunning:
      return to != State::kRunning;
    case State::kUnknown:
    case State::kDead:
      return to == State::kWaiting || to == State::kAccepted || to == State::kDropped;
    case State::kAccepted:
    case State::kRefused:
    case State::kSuppressed:
    case State::kDropped:
      break;
  }
  return false;
}

Duration Pause(const Delivery& delivery, const Retry& retry) {
  Duration longest = std::min(retry.first, retry.most);
  for (int i = 1; i < delivery.attempts && longest < retry.most; ++i) {
    longest = std::min(longest * 2, retry.most);
  }
  constexpr std::int64_t kParts = 1'000'000;
  const auto hash = KeyedHash(HashKey{}, delivery.key + "/" + std::to_string(delivery.attempts));
  const auto part = static_cast<std::int64_t>(hash % kParts) + 1;
  return Duration(longest.count() / kParts * part + longest.count() % kParts * part / kParts);
}

}  // namespace segue
