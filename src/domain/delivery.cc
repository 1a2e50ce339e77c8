#include "domain/delivery.h"

#include <array>

#include "base/hash.h"

namespace segue {

std::string_view DeliveryKindName(DeliveryKind kind) {
  switch (kind) {
    case DeliveryKind::kMessage:
      return "message";
    case DeliveryKind::kTask:
      return "task";
    case DeliveryKind::kSet:
      return "set";
    case DeliveryKind::kTrack:
      return "track";
    case DeliveryKind::kAudience:
      return "audience";
  }
  return "unknown";
}

std::string_view DeliveryStateName(DeliveryState state) {
  switch (state) {
    case DeliveryState::kWaiting:
      return "waiting";
    case DeliveryState::kRunning:
      return "running";
    case DeliveryState::kAccepted:
      return "accepted";
    case DeliveryState::kRefused:
      return "refused";
    case DeliveryState::kSuppressed:
      return "suppressed";
    case DeliveryState::kUnknown:
      return "unknown";
    case DeliveryState::kDropped:
      return "dropped";
    case DeliveryState::kDead:
      return "dead";
  }
  return "unknown";
}

std::string DeliveryKey(std::string_view workspace, std::string_view customer,
                        std::string_view playbook, std::int64_t run, std::string_view step,
                        std::string_view target) {
  const std::string run_text = std::to_string(run);
  std::string parts;
  for (const std::string_view part :
       std::array<std::string_view, 6>{workspace, customer, playbook, run_text, step, target}) {
    parts += std::to_string(part.size());
    parts += ':';
    parts += part;
  }
  // 128 bits are enough, and short enough for every vendor's idempotency header.
  return Sha256Hex(parts).substr(0, 32);
}

bool Removes(const Delivery& delivery) {
  const auto action = delivery.payload.values.find("action");
  return delivery.kind == DeliveryKind::kAudience && action != delivery.payload.values.end() &&
         action->second == "remove";
}

}  // namespace segue
