// Choices: everything that one seed of the simulator decides before it begins.
//
//   Choices choices = Choose(42);
//   choices.customers = 3;                     // Shrinking: a smaller world of the same seed.
//   std::vector<SourceFile> files = FilesOf(choices);
//
// What is chosen for one customer, request or operation never depends on how many others there are,
// so a smaller world of a seed is a part of the larger one.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "config/diagnostic.h"

namespace segue::sim {

struct Choices {
  std::uint64_t seed = 0;
  int customers = 0;
  int days = 0;
  TimePoint start;
  // Kinds of trouble; each seed has some of them.
  bool crashes = false;       // The process ends at a commit, or between a commit and a call.
  bool faults = false;        // Vendors fail, are slow, lose answers.
  bool outages = false;       // A vendor is away for hours.
  bool stalls = false;        // The machine sleeps while answers are under way.
  bool unreadable = false;    // A source cannot be read for a while.
  bool merges = false;        // Two customers turn out to be one.
  bool erasures = false;      // A customer is erased.
  bool refunds = false;       // Orders are taken back.
  bool duplicates = false;    // The same order comes again, or another one under its id.
  bool late = false;          // Rows come days after they happened.
  bool suppressions = false;  // An address is stopped by hand.
  double crash_share = 0;     // Of operations.
  double fault_share = 0;     // Of requests.
  bool grouped = false;       // The dispatcher works inside one transaction, as the service does.
  int keys_per_block = 1;     // Of customers: so few that they are merged and erased in blocks too.

  // One line for people.
  std::string Text() const;
};

Choices Choose(std::uint64_t seed);

// The switches by name, for shrinking and for the command line.
struct Switch {
  std::string_view name;
  bool Choices::*on;
};

const std::vector<Switch>& Switches();

// A number that depends on the seed, what it is for, and which one of these.
std::uint64_t Stream(const Choices& choices, std::string_view what, std::uint64_t which = 0);

// The workspace of this seed: schedules, models, playbooks and connectors are drawn from variants.
std::vector<SourceFile> FilesOf(const Choices& choices);

}  // namespace segue::sim
