#include "domain/decision.h"

namespace segue {

std::string_view GateName(Gate gate) {
  switch (gate) {
    case Gate::kTrigger:
      return "trigger";
    case Gate::kStatus:
      return "status";
    case Gate::kDataAge:
      return "data age";
    case Gate::kWhen:
      return "when";
    case Gate::kReenter:
      return "re-entry";
    case Gate::kLane:
      return "lane";
    case Gate::kPerDay:
      return "per day";
    case Gate::kGlobalHoldout:
      return "global holdout";
    case Gate::kPolicy:
      return "policy";
    case Gate::kExperiment:
      return "experiment";
    case Gate::kStart:
      return "start";
    case Gate::kGoalOrExit:
      return "goal or exit";
    case Gate::kTopicConsent:
      return "topic consent";
    case Gate::kConsent:
      return "consent";
    case Gate::kSuppression:
      return "suppression";
    case Gate::kAddress:
      return "address";
    case Gate::kSameAddress:
      return "same address";
    case Gate::kCap:
      return "cap";
    case Gate::kQuietHours:
      return "quiet hours";
    case Gate::kOffer:
      return "offer";
    case Gate::kBudget:
      return "budget";
    case Gate::kRender:
      return "render";
    case Gate::kOutbox:
      return "outbox";
    case Gate::kOutcome:
      return "outcome";
    case Gate::kWait:
      return "wait";
    case Gate::kBranch:
      return "branch";
    case Gate::kEnd:
      return "end";
  }
  return "unknown";
}

}  // namespace segue
