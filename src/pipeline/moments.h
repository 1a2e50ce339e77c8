// Aha moments: searching what an insight document describes, over the ledger; keeping what was
// found; and what a found rule says about each customer now (NAME.reached, NAME.progress,
// NAME.missing).
//
// A rule that is in force stays until another takes its place: by `segue aha --publish`, or by the
// next search that confirms one where the document needs no approval.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "config/definitions.h"
#include "domain/text_pool.h"
#include "insights/aha.h"
#include "ledger/ledger.h"
#include "store/database.h"

namespace segue {

class State;

struct MomentSearch {
  std::int64_t people = 0, stayed = 0, kept_back = 0;
  AhaResult result;
};

// Over the people of the cohort as they are known at `now`.
MomentSearch SearchMoment(State& state, const Insight& insight, TimePoint now);

// "create your first project 3 times and invite one teammate once within 3d of joining".
std::string RuleWords(const Insight& insight, const AhaRule& rule);

// What a search left behind.
struct StoredMoment {
  TimePoint searched;
  std::int64_t people = 0;
  std::string sentence;
  std::string found, in_force;  // Rules as text; empty: none.
};

std::optional<StoredMoment> LoadMoment(Database& db, const std::string& insight);
// Keeps what a search found; in force at once when `publish`, or when no approval is needed.
void StoreMoment(Database& db, const Insight& insight, const Schema& schema,
                 const MomentSearch& search, bool publish, TimePoint now);
// As if a search had confirmed it: for tests of rules.
void PutInForce(Database& db, const std::string& insight, const std::string& rule, TimePoint now);
// A stored rule; nothing where an action or a time of it is not in the document any more.
std::optional<AhaRule> ReadRule(const Insight& insight, const Schema& schema,
                                const std::string& text);

// Says of every customer how far they are with each rule in force.  Brought up to date by what
// changed, as columns are.
class Moments {
 public:
  // Requires: all outlive it.
  Moments(Database& db, const Workspace& workspace, const Ledger& ledger);

  // After the columns, once per cycle and once after opening.
  void Advance(TimePoint now);

  // Whether everything that an expression reads of insights is in force.  Where it is not, nobody
  // may start on it: `not NAME.reached` would be true of everybody.
  bool Speak(const Expr& expr) const;

  // Part 0, 1 or 2: reached, progress, missing (a text of the pool).
  void Read(int insight, int part, CustomerIndex first, std::span<double> out) const;

 private:
  struct Rule {
    const Insight* insight = nullptr;
    std::string text;                                // As stored; empty: none in force.
    std::optional<AhaRule> rule;                     // Actions are places in Insight::actions.
    std::vector<std::uint8_t> counts, other_counts;  // By customer, no more than is needed.
    std::vector<double> names;                       // Of the actions, as texts of the pool.
  };

  void Count(Rule& rule, CustomerIndex customer, TimePoint now);
  void CountAll(Rule& rule, TimePoint now);

  Database& db_;
  const Workspace& workspace_;
  const Ledger& ledger_;
  std::vector<Rule> rules_;  // By the place of Workspace::Published.
  Sequence sequence_ = 0;
  TimePoint since_;
  bool counted_ = false;
};

}  // namespace segue
