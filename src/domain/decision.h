// A Decision: one gate's answer for one run or step, with its reason.  Stored also, and above all,
// when the answer is no.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/time.h"
#include "domain/fact.h"

namespace segue {

// The gates in the order in which they are asked (docs/language.md, "Gate order").  Stored: never
// renumber.
enum class Gate : std::uint8_t {
  kTrigger = 0,
  kStatus = 1,
  kDataAge = 2,
  kWhen = 3,
  kReenter = 4,
  kLane = 5,
  kPerDay = 6,
  kGlobalHoldout = 7,
  kPolicy = 8,
  kExperiment = 9,
  kStart = 10,
  kGoalOrExit = 20,
  kTopicConsent = 21,
  kConsent = 22,
  kSuppression = 23,
  kAddress = 24,
  kSameAddress = 25,
  kCap = 26,
  kQuietHours = 27,
  kOffer = 28,
  kRender = 29,
  kOutbox = 30,
  kOutcome = 31,
  kBudget = 32,  // Asked right after the offer.
  kWait = 40,
  kBranch = 41,
  kEnd = 42,
};

std::string_view GateName(Gate gate);

struct Decision {
  std::int64_t id = 0;
  TimePoint at;
  std::string playbook;
  CustomerIndex customer = 0;
  std::int64_t run = 0;  // 0 before a run exists.
  std::string step;      // Empty at the start.
  Gate gate = Gate::kTrigger;
  bool passed = false;
  // One word of the fixed list in docs/language.md when it did not pass; empty or a word such as
  // `held` when it did.
  std::string reason;
  // For people: the values that were looked at.
  std::string detail;
  std::string where;  // file:line of what asked.
};

}  // namespace segue
