// Whole columns of traits as they stood once, and who changed since: so that a start need not read
// every row of every customer.
//
// A cache: where it says nothing of a trait, the rows of ledger_trait say it.
//
// Tables:
//   trait_column   per trait and 16 k customers: how many, then the values as whole numbers (0), as
//                  the bits of doubles (1), or as texts (2)
//   trait_changed  whose rows have changed since

#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <span>

#include "domain/fact.h"
#include "domain/text_pool.h"
#include "store/database.h"

namespace segue {

// Traits are named by their stored number here, see StoredNames.
class TraitSnapshot {
 public:
  // Requires: both outlive it.
  TraitSnapshot(Database& db, TextPool& pool);

  bool Has(int trait) const { return stored_.contains(trait); }

  // Fills the column in and gives those whose row must be asked after all; false: nothing can be
  // told from here, and `column` may be half filled in.  Requires: Has.
  bool Read(int trait, std::span<double> column,
            const std::function<void(CustomerIndex)>& changed) const;

  // The row is another one now, or gone.  In the caller's transaction.
  void Changed(CustomerIndex customer, int trait);
  void Drop();

  // Whether it needs to be said anew.
  bool IsStale() const { return changed_ > 0 || stored_.empty(); }

  // Requires: !Has.  `texts`: the values are numbers in the pool.  In the caller's transaction.
  void Store(int trait, bool texts, std::span<const double> column);

 private:
  Database& db_;
  TextPool& pool_;
  std::set<int> stored_;
  std::size_t changed_ = 0;  // Rows of trait_changed.
};

}  // namespace segue
