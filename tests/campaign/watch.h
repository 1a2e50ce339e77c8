// Watch: what must hold after every cycle, at every call and after every answer.  It looks at what
// is new, so that ten thousand people can be watched for a year; and it counts how often each gate
// refused somebody.

#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "campaign/onlooker.h"
#include "campaign/rulebook.h"
#include "campaign/tools.h"
#include "pipeline/pipeline.h"

namespace segue::campaign {

// What must hold does not.
class Broken : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Where it was said (start, step, sending), which gate, which reason.
using Refusal = std::tuple<std::string, std::string, std::string>;

struct Totals {
  std::map<Refusal, std::int64_t> refused;
  std::map<std::string, std::int64_t> taken;  // By playbook: deliveries that a tool took.
  std::int64_t runs = 0, decisions = 0, promises = 0, calls = 0, codes = 0;
};

// One that was promised.
struct Promise {
  std::int64_t id = 0;
  DeliveryKind kind = DeliveryKind::kMessage;
  DeliveryState state = DeliveryState::kWaiting;
  int playbook = -1;  // -1: a mirror, or leaving a list.
  bool leaves = false;
  bool of_account = false;  // About an account, and nobody in it.
  std::int64_t run = 0;
  std::string key, customer, channel, purpose;
  std::string promised_to, address;  // Where it was to go at first, and where it goes.
  TimePoint not_before;
};

class Watch {
 public:
  // Requires: all outlive it.
  Watch(const Rulebook& book, Onlooker& onlooker, Tools& tools);

  void AfterCycle(State& state, TimePoint now);
  void AfterAnswers(State& state);
  // Just before a request is performed.
  const Promise& BeforeCall(State& state, const Call& call, TimePoint now);
  // Just after: what happened because of it is counted.
  void AfterCall(const Promise& promise, const Call& call);
  void AtTheEnd(State& state);

  // What the campaign did.
  void SourcesRead(TimePoint now) { last_read_ = now; }

  void Paused(const std::string& playbook) { paused_.insert(playbook); }

  void LetGo(const std::string& playbook) { paused_.erase(playbook); }

  // The keys of two people are one person's from here on.
  void Merged(int into, int gone);

  const Totals& totals() const { return totals_; }

  // Messages of the last cycle that wait for their moment.
  const std::vector<std::int64_t>& waiting() const { return waiting_; }

  // Those that wait for a person.
  const std::set<std::int64_t>& open() const { return open_; }

  const Promise& At(std::int64_t id) const { return promises_.at(static_cast<std::size_t>(id)); }

 private:
  struct Counted {
    TimePoint at;
    std::int64_t id = 0;
  };

  struct Began {
    int playbook = 0;
    bool held_out = false;
  };

  void FollowRuns(State& state);
  void MayStart(State& state, int playbook, CustomerIndex customer, const std::string& arm,
                TimePoint at);
  void FollowDecisions(State& state);
  void FollowPromises(State& state, TimePoint now);
  void FollowGrants(State& state);
  void OneRunForEachLane(State& state);
  void Moved(Promise& promise, DeliveryState to, TimePoint at, const std::string& what,
             const std::string& words);
  void WithinCaps(const Promise& promise, TimePoint at);

  const Rulebook& book_;
  const Workspace& workspace_;
  Onlooker& onlooker_;
  Tools& tools_;
  Totals totals_;
  TimePoint last_read_, last_decision_ = TimePoint::min();
  std::int64_t last_run_ = 0, last_promise_ = 0, last_attempt_ = 0, last_grant_ = 0;
  std::set<std::string> paused_, of_accounts_;  // Playbooks.
  std::vector<int> lane_;                       // By playbook.
  std::vector<Began> runs_ = {Began()};         // By id.
  std::vector<Promise> promises_ = {Promise()};
  std::unordered_map<std::string, std::int64_t> by_key_;
  std::vector<std::int64_t> waiting_;
  std::set<std::int64_t> open_;
  std::map<std::pair<int, std::int64_t>, std::int64_t> started_on_;  // (playbook, day)
  std::vector<std::unordered_map<int, TimePoint>> last_started_;     // By playbook, then person.
  std::unordered_map<int, std::vector<Counted>> counted_;  // Messages of each person, for caps.
  std::map<std::string, std::int64_t> code_of_;            // To the run that may print it.
  std::map<std::pair<std::int64_t, int>, std::string> code_in_;  // Of a run and a person.
};

}  // namespace segue::campaign
