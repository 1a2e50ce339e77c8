// Onlooker: what a careful person would know of every customer at each moment, from the facts that
// were told and not from Segue's state, so that it can be held against what Segue sends.

#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/time.h"
#include "config/definitions.h"
#include "domain/fact.h"

namespace segue::campaign {

class Onlooker {
 public:
  // Requires: `workspace` outlives it.
  explicit Onlooker(const Workspace& workspace);

  // In the order in which they were told.
  void Heard(const Fact& fact);
  void Suppressed(std::string_view who);
  // Told of every two people who turn out to be one.
  std::function<void(int into, int gone)> on_merge;

  // The number of the person who has this key by now; nothing when nobody was told of with it.
  std::optional<int> PersonOf(std::string_view key) const;
  bool IsErased(std::string_view key) const;
  // The number of an account, below 0; nothing when nobody was told of it.
  std::optional<int> AccountOf(std::string_view key) const;

  // Two keys were one person.
  bool WasMerged(int person) const { return known_[static_cast<std::size_t>(person)].merged; }

  // Why nothing of this purpose, topic and channel may go to them now; empty when it may.
  std::string MayNotWrite(int person, std::string_view address, const Playbook& playbook,
                          std::string_view channel) const;
  bool OnLegalHold(int person) const;
  // Whether it is a quiet hour for this channel where they are.
  bool InQuietHours(int person, std::string_view channel, TimePoint now) const;

 private:
  struct Trait {
    Value value;
    TimePoint since = TimePoint::min();
  };

  struct Known {
    int into = -1;  // The person whom they turned out to be.
    bool merged = false, erased = false, suppressed = false;
    std::vector<Trait> traits;  // By `slot_`.
  };

  int Find(const std::string& key);
  int Root(int person) const;
  std::optional<bool> YesNo(int person, int trait) const;
  void Join(int into, int gone);

  const Workspace& workspace_;
  std::vector<int> slot_;   // By trait: where its value is kept, -1 where nobody asks.
  std::set<int> consents_;  // Slots.
  std::unordered_map<std::string, int> by_key_, accounts_;
  std::vector<Known> known_;
  std::set<std::string> addresses_;  // Suppressed.
};

}  // namespace segue::campaign
