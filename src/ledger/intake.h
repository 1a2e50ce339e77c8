// Inside a Ledger: its parts, and what it does with each kind of fact.

#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "ledger/accounts.h"
#include "ledger/customers.h"
#include "ledger/dedupe.h"
#include "ledger/events.h"
#include "ledger/ledger.h"
#include "ledger/names.h"
#include "ledger/refunds.h"
#include "ledger/touches.h"
#include "ledger/traits.h"

namespace segue {

constexpr std::int64_t kFirstTime = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kLastTime = std::numeric_limits<std::int64_t>::max();
// The journal stands in memory: about 400 bytes a row.
constexpr std::size_t kJournalMax = 128 * 1024;
// As many facts at once go into chunks of their own, without a row each in the journal.
constexpr std::size_t kBulkMin = 4 * 1024;
// New entries of the key index that are kept in memory: 16 bytes each of a long import, else 40.
constexpr std::size_t kKeysMax = 1024 * 1024;
// Above this it is cheaper to scan the ledger again than to keep the list.
constexpr std::size_t kChangesMax = 1'000'000;

struct Ledger::Inner {
  Inner(Database& database, const Schema& of, TextPool& texts);

  struct Arrival {
    std::string_view source;
    std::int64_t arrived = 0;
    std::int64_t effective = 0;  // What lies after this waits.
    std::int64_t late_before = 0;

    bool IsLate(std::int64_t time) const { return time < late_before; }
  };

  Intake Add(const Event& event, const Arrival& arrival);
  Intake AddAgain(const Event& event, const Record& known, const Arrival& arrival);
  Intake Add(const TraitChange& change, const Arrival& arrival);
  Intake Add(const Merge& merge, const Arrival& arrival);
  Intake Add(const Erase& erase, const Arrival& arrival);
  void EraseCustomer(CustomerIndex survivor);
  // `customer`: the key of whose it probably is.
  std::optional<Record> FindByDedupe(int kind, std::string_view text,
                                     std::string_view customer) const;
  CustomerIndex Intern(std::string_view key);
  CustomerIndex InternAccount(std::string_view key);
  // An account is there as soon as a customer is said to belong to it.
  void MeetAccount(int trait, const Value& value);
  void FollowMembers();

  void Changed(std::optional<StoredEvent> before, std::optional<StoredEvent> after);
  void Rebuilt(CustomerIndex customer);
  void Note(Change change);
  // Takes in all rows, or none and gives false: then they must be taken in one by one.
  bool AddRows(const std::shared_ptr<const EventRows>& rows, const Arrival& arrival);
  std::optional<KeyIndex::Asked> AllNew(const EventRows& rows, int kind) const;
  bool IsAwaited(int kind, std::string_view name) const;
  void NoteRows(AddedRows rows);
  void Touch(CustomerIndex customer, int code, std::int64_t time, std::int64_t flags);
  void TouchFor(const StoredEvent& event);
  void SavePosition();
  void Seal();
  void FlushKeys();
  void FollowRelations();
  void FollowFields();

  Database& db;
  const Schema& schema;
  TextPool& pool;
  std::string secret;
  StoredNames names;
  Customers customers;
  Accounts accounts;
  Traits traits;
  EventStore events;
  KeyIndex index;
  RecordKeys keys;
  Touches touches;
  Sequence sequence = 0;
  Sequence touches_from = 0;
  std::int64_t clock = kFirstTime;
  // What the effect of a refund is ascribed to while it is worked out.
  std::int64_t cause_time = 0;
  std::int64_t cause_flags = 0;
  std::size_t bulk_min = kBulkMin;
  bool following = false;
  // The customers' trait that names their account, as stored; -1: there are none.
  int account_trait = -1;
  bool members_moved = false;  // Since FollowMembers.
  Changes changes;
  std::vector<Conflict> conflicts;  // Of the last Append.
  std::set<CustomerIndex> departed;
  Refunds refunds;
};

}  // namespace segue
