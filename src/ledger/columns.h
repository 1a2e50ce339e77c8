// Columns: one living value per customer for every distinct aggregate in the files.
//
// They are a cache of the ledger at (sequence, edge), where the edge is the `now` that windows were
// last moved to:
//   count(order_placed, 365d) at the edge covers  edge - 365d < time <= edge.
// Advance applies what arrived, lets in events whose time has come, and takes out what fell out of
// each window, so the cost is that of what changed.  Whatever the order of arrival and the number
// of steps, the values equal those of a rebuild, to the byte: sums are 128-bit whole numbers, and
// division happens when a value is read.

#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/time.h"
#include "expression/expr.h"
#include "ledger/ledger.h"

namespace segue {

// The fields that a condition on an event looks at, besides those that `parts` has already.
void AddEventFields(const Expr& where, EventParts& parts);

class Columns {
 public:
  // Requires: all outlive it; `catalog` does not change.  Loads the last snapshot where it fits,
  // replays what came after, and builds by one scan each the columns that the snapshot lacks.
  Columns(Ledger& ledger, Database& db, const Schema& schema, TextPool& pool,
          const AggregateCatalog& catalog, TimePoint now);
  ~Columns();

  // Brings every column to `now`, which must not lie before the edge.
  void Advance(TimePoint now);
  TimePoint edge() const;
  // Takes in what changed in the ledger since, without moving to a later time: for long imports, so
  // that what changed need not be kept.
  void Follow();

  // The aggregate's values for first, first + 1, … as the executor wants them; NaN where there is
  // no data.
  void Read(int aggregate, CustomerIndex first, std::span<double> out) const;

  // The aggregate over all events of these customers together.
  double ReadOf(int aggregate, std::span<const CustomerIndex> customers) const;

  // Writes all columns for the next start; inside the caller's transaction or one of its own.
  void Snapshot();

  // Throws every column away and computes it again from the ledger.
  void Rebuild();

  // Every column's exact content, for tests: equal bytes mean equal columns.
  std::string Fingerprint() const;

 private:
  struct Inner;
  std::unique_ptr<Inner> inner_;
};

}  // namespace segue
