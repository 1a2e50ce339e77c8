// Refunds: what events of one kind take back from events of another.
//
// An original and its refunds find each other by the value of a field, through the key index.  What
// active refunds take back is kept with the original's record; a refund whose original is not known
// is an orphan.

#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "base/hash.h"
#include "ledger/customers.h"
#include "ledger/dedupe.h"
#include "ledger/events.h"
#include "ledger/ledger.h"
#include "ledger/names.h"

namespace segue {

// The hashes under which a record is found.
class RecordKeys {
 public:
  // Requires: names outlives it.
  RecordKeys(HashKey key, const StoredNames& names) : key_(key), names_(names) {}

  std::uint64_t Dedupe(int kind, std::string_view text) const { return Hash('d', kind, 0, text); }

  std::uint64_t Original(int kind, int field, std::string_view text) const {
    return Hash('o', kind, field, text);
  }

  std::uint64_t Refund(int kind, int field, std::string_view text) const {
    return Hash('r', kind, field, text);
  }

  void AddTo(KeyIndex& index, const Record& record) const;

 private:
  std::uint64_t Hash(char role, int kind, int field, std::string_view text) const;

  HashKey key_;
  const StoredNames& names_;
};

class Refunds {
 public:
  using Changed =
      std::function<void(std::optional<StoredEvent> before, std::optional<StoredEvent> after)>;

  // `changed` is told of every effect on originals, and of orphans that come and go.  Requires: all
  // outlive it.
  Refunds(Database& db, const StoredNames& names, EventStore& events, KeyIndex& index,
          const RecordKeys& keys, const Customers& customers, Changed changed);

  // As it counts now.
  StoredEvent View(const Record& record) const;
  // Into an event that is used again and again; without the hash, which costs most.
  void ViewInto(const Record& record, StoredEvent& event) const;

  // A record that was just stored.  `now`: a refund with a later time waits.
  void OnNew(const Record& record, std::int64_t now);
  void OnAmended(const Record& before, const Record& after);
  // Records that were just removed.
  void OnRemoved(std::span<const Record> records);

  bool AnyDue(std::int64_t now) const {
    return !waiting_.empty() && waiting_.begin()->first <= now;
  }

  void Release(std::int64_t now);

  // Orphans of a kind of original with after < time <= until; of one customer, as named in the
  // refund, or of all.
  void VisitOrphans(int original_kind, std::optional<CustomerIndex> customer, std::int64_t after,
                    std::int64_t until, const std::function<void(const StoredEvent&)>& visit) const;

  // After the files changed who reverses whom: every effect is taken back, and every refund waits
  // for the next Release.
  void Reset();

 private:
  struct Orphan {
    int kind = 0;  // The refund's.
    CustomerIndex customer = 0;
    std::int64_t time = 0;
  };

  const Relation* OfRefund(int kind) const;
  // `customer`: whose they probably are.
  std::vector<Record> Originals(const Relation& relation, const Value& name,
                                CustomerIndex customer) const;
  std::vector<Record> RefundsOf(const Relation& relation, const Value& name) const;
  void Relink(const Relation& relation, const Value& name, CustomerIndex customer);
  void Recompute(Record original);
  void SetOrphan(const Relation& relation, const Record& refund, bool orphan);
  void Activate(const Record& refund);
  void Wait(const Record& refund);
  void StopWaiting(Sequence sequence);
  void AddOrphan(Sequence sequence, const Orphan& orphan);
  void RemoveOrphan(Sequence sequence);
  StoredEvent OrphanView(const Relation& relation, const Record& refund) const;

  Database& db_;
  const StoredNames& names_;
  EventStore& events_;
  KeyIndex& index_;
  const RecordKeys& keys_;
  const Customers& customers_;
  Changed changed_;
  std::map<Sequence, Orphan> orphans_;
  std::set<std::pair<CustomerIndex, Sequence>> orphans_by_customer_;
  std::set<std::pair<std::int64_t, Sequence>> waiting_;  // By time.
  std::map<Sequence, int> waiting_kind_;
};

}  // namespace segue
