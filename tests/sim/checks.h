// Checks: what must hold after every tick, at every call, and at the end (docs/testing.md has the
// list).

#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "sim/simulation.h"

namespace segue::sim {

class Checks {
 public:
  explicit Checks(Simulation& run) : run_(run) {}

  // A new process: what was seen of rows that are gone again is forgotten.
  void Forget();
  void AfterTick();
  // Called just before a request is performed.  Returns the delivery's key.
  std::string BeforeCall(const Call& call);
  // Answers were given to the dispatcher; `done`: the process lived through it.
  void Told(const std::vector<Simulation::Flying>& answers, bool done);
  // A cycle told which models it saw for the first time.
  void AfterCycle(const CycleReport& report);
  // A second cycle at once: it must find nothing to do.
  void NothingNew();
  void AtTheEnd();

 private:
  void FollowDeliveries();
  void FollowAttempts();
  void FollowDecisions();
  void CountsAddUp();
  void RunningAreUnderWay();
  void CallsWithinLimits(const ConnectorSettings& connector);
  void MessageMayGo(const Delivery& delivery);
  void EveryMoveWasAnswered();
  void NobodyIsLost();
  void OutcomesAreTrue();
  void ErasedAreGone();
  void ColumnsEqualRebuilt();

  Simulation& run_;
  std::int64_t last_delivery_ = 0, last_attempt_ = 0, last_decision_ = 0;
  std::map<std::int64_t, DeliveryState> states_;
  // (playbook, run, step, connector) to the key under which it is known.
  std::map<std::string, std::string> keys_;
  std::map<std::string, std::vector<TimePoint>> calls_;                   // Of this process.
  std::map<std::string, std::map<std::int64_t, std::int64_t>> calls_on_;  // By local day.
  std::map<std::string, DeliveryState> told_;     // By key: what the twin was told …
  std::map<std::string, std::string> addresses_;  // … and where it went.
};

// Every row that says what was decided, as one text for each table.
std::vector<std::pair<std::string, std::string>> Decided(Parts& parts);
// Empty where they are equal, else the first table that differs, and the place in it.
std::string Difference(const std::vector<std::pair<std::string, std::string>>& here,
                       const std::vector<std::pair<std::string, std::string>>& there);

}  // namespace segue::sim
