// What the purchase processes go by of each customer: first and last purchase day, on how many
// days, and how much was spent.
//
// Kept in memory as of one moment: loaded from what the last Store left, and then whoever changed
// is computed again; where nothing fits, one scan of the events.
//
// Tables:
//   purchase_sums       one row per process: as of which sequence and moment, and in which zone.
//                       Its name there says which fields it has and what the tracking plan says of
//                       them: sums that were made under another one are not read
//   purchase_sums_part  16 k customers each, one after another:
//     days, and if any: first day, days from it to the last, and per money field days and minor
//     units

#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "config/definitions.h"
#include "insights/purchases.h"
#include "ledger/ledger.h"
#include "pipeline/process_names.h"
#include "store/database.h"

namespace segue {

// The purchases of one customer by local days.
struct Bought {
  std::int32_t first = 0, last = 0;  // Days since 1970 on the workspace's wall.
  std::int32_t days = 0;             // On how many; 0: never.
};

// And what was paid on the days after the first.
struct Spent {
  std::int64_t money = 0;  // Minor units.
  std::int32_t days = 0;   // On which an amount is known.
};

// Of everybody, for one process.
struct BoughtByAll {
  std::vector<Bought> days;
  std::vector<std::vector<Spent>> spent;  // Per field of the process and customer.
};

class PurchaseSums {
 public:
  // Requires: all outlive it.
  PurchaseSums(Database& db, const Workspace& workspace, const Ledger& ledger,
               const std::vector<PurchaseProcess>& processes);

  // The first call loads or scans.  Requires: `now` does not go back.
  void Advance(TimePoint now);

  // Requires: Advance was called.
  const BoughtByAll& of(int process) const { return bought_[static_cast<std::size_t>(process)]; }

  // Every purchase day up to `now`, from the events.
  Purchases Days(int process, TimePoint now) const;

  // For the next start, in the caller's transaction: what was stored before goes.  Stores nothing
  // where nobody asked for anything.
  void Store();

 private:
  struct Purchase;

  std::string Identity(std::size_t process) const;
  bool Load(TimePoint now);
  void DropStored();
  bool LoadParts(std::size_t process);
  void BuildAll();
  void Build(std::size_t process);
  void Recompute(std::size_t process, CustomerIndex customer);
  void Digest(std::size_t process, std::span<const Purchase> purchases);
  std::optional<Purchase> PurchaseOf(const PurchaseProcess& process,
                                     const StoredEvent& event) const;

  Database& db_;
  const Workspace& workspace_;
  const Ledger& ledger_;
  const std::vector<PurchaseProcess>& processes_;
  bool ready_ = false;
  TimePoint now_;
  Sequence sequence_ = 0;
  std::vector<BoughtByAll> bought_;  // Per process.
  std::set<CustomerIndex> ahead_;    // With a purchase whose time has not come.
};

}  // namespace segue
