#include "domain/delivery.h"

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

}  // namespace segue
