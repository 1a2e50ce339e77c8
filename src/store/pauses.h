// What a person has stopped by hand, until they let it go on: a playbook, a connector, or all of
// it.
//
// A paused playbook is one with `status: paused`, and what it has promised waits too.  Nothing goes
// to a paused connector.  Whoever is at work on the state looks here in every cycle and before
// every claim, so a pause needs no restart.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "store/database.h"

namespace segue {

struct Pause {
  std::string kind;  // playbook, connector, all
  std::string id;    // Empty for `all`.
  TimePoint since;
  std::string note;
};

class Pauses {
 public:
  explicit Pauses(Database& db);

  // Reads them anew.  True when they are not what they were.
  bool Refresh();
  // The pause that holds this playbook or connector; null when none does.
  const Pause* Of(std::string_view kind, std::string_view id) const;

  const std::vector<Pause>& all() const { return all_; }

  // False when it is paused already.
  bool Begin(const Pause& pause);
  // False when it is not paused.
  bool End(std::string_view kind, std::string_view id);

 private:
  Database& db_;
  std::vector<Pause> all_;
};

}  // namespace segue
