// Foresee: what the cycle at a moment would do, found by doing it and rolling all of it back.

#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/pipeline.h"

namespace segue {

// One step of one person: what would be promised, or why not.
struct ForeseenStep {
  std::string customer_key;
  std::string person;  // The address; the key where there is none.
  std::string what;    // Template, task, field or track, as the playbook has it …
  std::string title;   // … and of a task or change as this person's says.
  std::string reason;  // `sent`, or the word of the gate that refused.
  std::string detail;
  std::string words;  // Of `sent`: a hash of all that it says; links that prove who it is for too.
  TimePoint due;
  std::string held;    // Why not at once: `cap`, `quiet hours`; empty: at once.
  bool offer = false;  // It prints a code, or names an offer, that was reserved for it.
  Zone zone;           // The person's.
};

struct ForeseenPlaybook {
  int playbook = 0;
  std::int64_t started = 0;
  std::int64_t held_out = 0;                    // Of those who start.
  bool experiment = false;                      // Whether there was a draw at all.
  std::int64_t reserved = 0;                    // Offers, in this cycle.
  std::int64_t cost = 0;                        // What these may cost, in minor units …
  std::int64_t taken = 0;                       // … and what is then taken of the month's budget.
  std::map<std::string, std::int64_t> refused;  // At the start, by reason.
  // Who stood where it starts before this cycle: start nothing unless a backfill is asked for.
  // Counted only of playbooks that are.
  std::int64_t already = 0;
  bool backfilled = false;  // That was asked for.
  // What to outcome to count; a policy's outcome names it.
  std::map<std::string, std::map<std::string, std::int64_t>> by_step;
  std::vector<ForeseenStep> steps;  // In the order of the cycle.
};

struct ForeseenModel {
  int model = 0;
  bool baseline = false;
  std::int64_t moved = 0;
  std::int64_t placed = 0;  // Of these from none, which no brake counts.
  std::map<std::string, std::int64_t> by_cause;
};

// Who leaves a list of an ad tool because their run ends.
struct ForeseenLeaving {
  std::string playbook, customer_key, person, list;
};

struct Foreseen {
  TimePoint at;
  std::int64_t customers = 0;
  std::int64_t people = 0;  // Who would start or get something, leave a list or a run.
  std::vector<ForeseenModel> models;
  std::vector<ForeseenPlaybook> playbooks;
  // By playbook, also of those that are gone: what becomes of its runs, as FollowedEdit says.
  std::map<std::string, std::map<std::string, std::int64_t>> edited;
  std::vector<ForeseenLeaving> leaving;
  CycleReport report;
};

// Requires: `at` lies at or after the last cycle.  The database is as before when it returns.
// `applying`: as if a person had made the files live and decided that.  Of the playbooks of `fresh`
// and of those to be backfilled it counts who stands there already.
Foreseen Foresee(Database& db, const Workspace& workspace, const Templates& templates, TimePoint at,
                 const StateOptions& options, const Applying& applying = {},
                 const std::set<std::string>& fresh = {});

// The same summary of what a cycle at `at` did in earnest: plan and run are compared by it.
// `after_decision`: LastDecision before that cycle, since an earlier one may have had the same now.
Foreseen Summarise(State& state, const CycleReport& report, TimePoint at,
                   std::int64_t after_decision);
std::int64_t LastDecision(Database& db);

// The step of a playbook by its id, also inside branches; null: there is none.
const Step* FindStep(const std::vector<Step>& steps, std::string_view id);

}  // namespace segue
