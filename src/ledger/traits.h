// Traits: the current value of each attribute of each customer and account, and the changes whose
// time has not come.
//
// The state lives in the file; in memory stand only the columns of doubles that expressions read.

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "domain/schema.h"
#include "domain/text_pool.h"
#include "ledger/accounts.h"
#include "ledger/customers.h"
#include "ledger/ledger.h"
#include "ledger/names.h"
#include "ledger/trait_snapshot.h"
#include "store/database.h"

namespace segue {

// Traits are named by their stored number here, see StoredNames.
class Traits {
 public:
  struct Change {
    CustomerIndex customer = 0;
    int trait = 0;
    Value value;
    std::int64_t time = 0;
    Sequence sequence = 0;
    std::string source;
    bool in_order = false;  // See TraitChange; of an own answer.
  };

  // Requires: all outlive it.
  Traits(Database& db, const StoredNames& names, const Schema& schema, TextPool& pool,
         const Customers& customers, const Accounts& accounts);

  void SetConsent(std::set<int> traits) { consent_ = std::move(traits); }

  // kNew, kNoChange or kOlder.
  Intake Set(const Change& change);
  // Keeps it until Release; kNew, or kNoChange when the same one waits already.
  Intake Wait(Change change);

  bool AnyDue(std::int64_t now) const {
    return !waiting_.empty() && std::get<0>(waiting_.begin()->first) <= now;
  }

  // Sets what is due; calls for each that changed a value.
  void Release(std::int64_t now, const std::function<void(const Change&)>& changed);

  void Merge(CustomerIndex survivor, CustomerIndex other);
  void Erase(CustomerIndex customer);
  // Takes away what names this customer in accounts: whoever is their contact is named by key.
  void EraseFromAccounts(std::string_view key);

  // Room in the columns for every customer and account that there is.
  void Grow();
  const TraitState* Get(CustomerIndex customer, int schema_trait) const;
  // See Ledger.
  std::vector<std::pair<std::string, CustomerIndex>> CustomersWhoseTextIs(
      int schema_trait, const std::set<std::string>& wanted) const;

  // Read from the file when it is first asked for: most texts (addresses, names) are in no
  // expression.  Whoever asks on several threads must have asked on one before.
  std::span<const double> Column(int schema_trait) const;

  bool HasColumn(int schema_trait) const { return loaded_[static_cast<std::size_t>(schema_trait)]; }

  // Keeps the columns that were asked for, for the next start.  In the caller's transaction.
  void Snapshot();

  // What was kept by the last start is not to be believed.
  void DropSnapshot() { snapshot_.Drop(); }

  // What Get gave is no longer valid after this.
  void TrimRead() {
    if (read_.size() > kReadMax) {
      read_.clear();
    }
  }

 private:
  struct Stored {
    Value value;
    std::int64_t since = 0;   // When it took this value …
    std::int64_t newest = 0;  // … and when that was last said.
    Sequence sequence = 0;
    std::string source;
  };

  static constexpr std::size_t kReadMax = 200'000;

  static std::uint64_t ReadKey(CustomerIndex customer, int trait) {
    return (static_cast<std::uint64_t>(customer) << 32U) | static_cast<std::uint64_t>(trait);
  }

  // The row of the file is another one now, or gone.
  void Changed(CustomerIndex customer, int trait);

  using WaitingKey = std::tuple<std::int64_t, CustomerIndex, int>;

  static bool IsOwnNo(const Stored& state);
  bool StandsAgainst(const Stored& known, const Change& change) const;
  std::optional<Stored> Load(CustomerIndex customer, int trait) const;
  void Store(CustomerIndex customer, int trait, const Stored& state);
  void LoadColumns(int schema_trait) const;
  bool LoadFromSnapshot(std::size_t at) const;
  bool MayBeInSnapshot(std::size_t at) const;
  std::size_t RowsOf(std::size_t schema_trait) const;
  void PutInColumn(CustomerIndex customer, int trait, const Value& value) const;
  std::vector<std::pair<int, Stored>> LoadAll(CustomerIndex customer) const;
  Stored Combine(int trait, const Stored& a, const Stored& b) const;
  void DeleteWaiting(Sequence sequence);

  Database& db_;
  const StoredNames& names_;
  const Schema& schema_;
  TextPool& pool_;
  const Customers& customers_;
  const Accounts& accounts_;
  std::set<int> consent_;
  mutable std::vector<std::vector<double>> columns_;  // By the schema's index.
  mutable std::vector<bool> loaded_;                  // Beside columns_; the others are empty.
  TraitSnapshot snapshot_;
  std::map<WaitingKey, Change> waiting_;
  mutable std::unordered_map<std::uint64_t, TraitState> read_;
};

}  // namespace segue
