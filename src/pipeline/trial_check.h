// What happened in a test, held against what it expects.  Internal to this folder.

#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "config/trials.h"
#include "pipeline/pipeline.h"

namespace segue {

// One thing that happened.
struct Observed {
  // sent, tasks, audience, moved, started, skipped, finished; other: set and track.
  std::string kind;
  std::string person;
  std::string playbook, template_id, step, model, from, to, because, cause, purpose, channel;
  std::string detail;
  TimePoint at;
  int local_minute = 0;  // Of the day, on the person's wall.
  std::string local;     // "2026-03-26 09:00"
};

class TrialChecker {
 public:
  // Requires: both outlive it.
  // `keys`: each person's key as a customer.
  TrialChecker(const Trial& trial, const std::map<std::string, std::string>& keys)
      : trial_(trial), keys_(keys) {
    for (const auto& [name, key] : keys) {
      names_[key] = name;
    }
  }

  // Everything since the last expectation against this one.
  void Check(State& state, const TrialExpect& expect, TimePoint now);
  // What is left at the end, and what must never be.
  void Finish(State& state);

  const Diagnostics& failures() const { return failures_; }

  void Fail(const Place& place, std::string message, std::string help = {});

  // All that happened, in order of time, for comparing two lives.
  std::vector<std::string> Told() const;

 private:
  void Collect(State& state);
  void CollectMoves(State& state);
  void CollectDecisions(State& state);
  void CollectDeliveries(State& state);
  Observed At(State& state, CustomerIndex customer, TimePoint at) const;
  void Segments(State& state, const TrialExpect& expect);
  void Complete(std::string_view kind, const TrialExpect& expect,
                const std::vector<const Observed*>& seen);
  void AtLeast(std::string_view kind, const TrialExpect& expect,
               const std::vector<const Observed*>& seen);
  void Missing(std::string_view kind, const TrialFact& fact, const std::string& who,
               const std::vector<const Observed*>& seen);
  void Never(const TrialFact& fact);

  const Trial& trial_;
  const std::map<std::string, std::string>& keys_;
  std::map<std::string, std::string> names_;  // By key.
  std::string day_;                           // "day 24", for messages.
  std::vector<Observed> all_;
  std::vector<bool> done_;  // Beside all_: an expectation has looked at it.
  std::int64_t last_move_ = 0, last_decision_ = 0;
  std::set<std::int64_t> ended_deliveries_;
  Diagnostics failures_;
};

}  // namespace segue
