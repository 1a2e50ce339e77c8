// Touches: for whom something happened that is not simply a new event: amendments, refunds, traits,
// merges, erasures. New events need no row here, they are found by their sequence and time.

#pragma once

#include <cstdint>
#include <functional>

#include "domain/fact.h"
#include "store/database.h"

namespace segue {

struct TouchRow {
  Sequence sequence = 0;
  CustomerIndex customer = 0;
  int code = 0;
  std::int64_t time = 0;
  std::int64_t flags = 0;
};

constexpr int kTouchAll = -1;  // The code of merges and erasures.

constexpr int TouchOfKind(int kind) {
  return kind * 2;
}

constexpr int TouchOfTrait(int trait) {
  return trait * 2 + 1;
}

constexpr std::int64_t kTouchLate = 1;
constexpr std::int64_t kTouchMerged = 2;
constexpr std::int64_t kTouchGone =
    4;  // Nobody is touched, but what was computed for them is no longer true.

class Touches {
 public:
  using Visit = std::function<void(const TouchRow&)>;

  explicit Touches(Database& db) : db_(db) {}

  void Add(const TouchRow& row);
  // Added after `since_sequence` with time <= now, or before with since < time <= now.
  void Effective(Sequence since_sequence, std::int64_t since, std::int64_t now,
                 const Visit& visit) const;
  // Added after that, whatever their time.
  void After(Sequence sequence, const Visit& visit) const;
  void Erase(CustomerIndex customer);
  // Drops those up to the sequence whose time is not after `now`, or the oldest of them; returns up
  // to where.
  Sequence Trim(Sequence until, std::int64_t now);

 private:
  Database& db_;
};

}  // namespace segue
