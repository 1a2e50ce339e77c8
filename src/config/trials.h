// Test documents, compiled: people, their history, and what is expected of the playbooks.
//
// pipeline/trial.h lives through one.  Moments are instants here; `60d ago` was counted from the
// test's start.

#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/definitions.h"
#include "domain/value.h"

namespace segue {

struct TrialPerson {
  std::string name;
  std::vector<std::pair<int, Value>> traits;
  std::string group;    // treated, held_out or a variant; empty: as it comes.
  std::string account;  // Whom they belong to; empty: nobody.
  Place place;
};

struct TrialAccount {
  std::string name;
  std::vector<std::pair<int, Value>> traits;  // Of accounts; whoever is their contact, by name.
  std::string group;
  Place place;
};

struct TrialEvent {
  std::vector<std::string> who;
  int event = 0;
  std::vector<Value> fields;
};

// An event that happens on some days.
struct TrialHistory {
  TrialEvent what;
  int minute = 720;  // Of the day, on the person's wall.
  std::optional<Duration> every;
  std::int64_t first_day = 0, last_day = 0;  // Calendar days of the start's zone, since 1970.
};

// Files of rows, read as one of the workspace's sources reads its own.
struct TrialLoad {
  std::string source;
  std::string path;  // From the workspace's folder.
  Place place;       // Of the path.
};

// One thing that happened, or must not happen.  Empty: not said.
struct TrialFact {
  Place place;
  std::string text;  // As written, for people.
  std::vector<std::string> who;
  std::string playbook, template_id, name, model, from, to, because, cause, purpose, channel;
  std::string sent, started;                      // In `never`: an id, or `any`.
  std::optional<std::pair<int, int>> local_time;  // Minutes of the day on the person's wall.
  int more_than = 0;
};

struct TrialSegment {
  Place place;
  std::string model, segment;
  std::optional<int> count;  // So many people; else each of `who` is in it.
};

struct TrialExpect {
  Place place;
  std::vector<std::string> who;  // Empty: everybody.
  std::vector<TrialSegment> segments;
  // By kind: sent, tasks, audience, changed, moved, started, skipped, finished.
  std::map<std::string, std::vector<TrialFact>, std::less<>> facts;
};

struct TrialStep {
  Place place;
  std::optional<std::int64_t> day;  // Lasts to the end of that day after the start.
  std::optional<int> minute;        // When its event, change or answer happens on that day.
  Duration run = Duration::zero();
  int restarts = 0;
  std::optional<TrialEvent> event;
  std::vector<std::string> set_who;
  std::vector<std::pair<int, Value>> set;
  bool sets_account = false;                   // Whom `set_who` names, and whose traits these are.
  std::map<std::string, std::string> answers;  // Connector to word.
  std::optional<TrialExpect> expect;
};

struct Trial {
  std::string id;
  Place place;
  std::vector<std::string> only;  // Playbooks; empty: all that are live.
  TimePoint start;
  Zone zone;  // Of the start: its days are the test's days.
  // Model to score to lines.
  std::map<std::string, std::map<std::string, std::vector<double>>> cuts;
  // EVENT to r, alpha, a, b of BG/NBD; EVENT.FIELD to p, q, v of Gamma-Gamma.
  std::map<std::string, std::vector<double>> learned;
  std::map<std::string, std::string> in_force;  // Insight to rule: config/rule_text.h.
  std::vector<TrialAccount> accounts;
  std::vector<TrialPerson> people;
  std::vector<TrialHistory> history;
  std::vector<TrialLoad> loads;
  std::vector<TrialStep> steps;
  std::vector<TrialFact> never;
};

// Every test document of a workspace that loaded without errors, in the order of its files.
std::vector<Trial> ReadTrials(const Workspace& workspace);

}  // namespace segue
