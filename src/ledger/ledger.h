// The Ledger: every fact about every customer, append-only, each event once.
//
// New facts go to a row journal in SQLite and are sealed into columnar chunks; docs/ledger.md has
// the formats.  Amended and refunded events keep their place in time: readers always see the newest
// content, net of refunds.
//
// All changes go to the file inside the caller's transaction.  When that is rolled back, what
// stands in memory is ahead of the file: the Ledger (and the Columns over it) must then be thrown
// away and built anew.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"
#include "domain/event_rows.h"
#include "domain/fact.h"
#include "domain/schema.h"
#include "domain/text_pool.h"
#include "store/database.h"

namespace segue {

// What became of one fact on arrival.
enum class Intake : std::uint8_t {
  kNew,
  kDuplicate,  // Same kind and dedupe value, same content (or no version to tell newer from older).
  kConflict,   // Same kind and dedupe value, other content, and no newer version: the first stays.
  kAmended,    // A newer version replaced the stored one, at the original time.
  kOlder,      // An older version or an older trait change: ignored.
  kNoChange,   // A trait that has this value already, a merge of one person, an erasure of nobody.
  kErased,     // The customer was erased: nothing about them is taken in again.
};

// An event as it counts now: newest version, net of refunds, under the customer who owns it now.
struct StoredEvent {
  Sequence sequence = 0;
  int kind = 0;
  CustomerIndex customer = 0;
  TimePoint time;
  std::vector<Value> fields;
  std::uint64_t dedupe_hash =
      0;  // Breaks ties between events of one moment: the larger is the later.
  bool orphan =
      false;  // A refund whose original is unknown: counts in the original kind's kSum, negative.
  bool counts = true;  // False for an order that refunds brought to 0.
};

// Which parts of events a reader looks at; filling in the others would cost more than reading
// these.
struct EventParts {
  std::vector<int> fields;  // Of the schema.
  bool dedupe_hash = false;
};

struct TraitState {
  Value value;
  TimePoint since;
  std::string source;
};

// A customer for whom something happened, for causes: see Touched.
struct Touch {
  CustomerIndex customer = 0;
  bool late = false;  // Some of it arrived later than its source's late_events allows.
  bool merged = false;
};

// The source of what customers said to Segue itself.  A no about consent that came from there
// stands against every other source, whatever its time, until a yes comes from there.
constexpr std::string_view kOwnAnswer = "own answer";

class Ledger {
 public:
  // Reads customers, traits and positions.  Requires: db, schema and pool outlive it.
  Ledger(Database& db, const Schema& schema, TextPool& pool);
  ~Ledger();

  // The yes_no traits (indexes into Schema::customer_traits) that mean consent: after a merge the
  // stricter value stays.
  void SetConsentTraits(const std::vector<int>& traits);

  // Takes in facts in this order, inside the caller's transaction (or one of its own).
  // `late_limit`: an event older than this at `arrived` is late.  What lies ahead of both `arrived`
  // and the last AdvanceTo waits: trait changes and refunds take effect with the AdvanceTo that
  // reaches them.
  std::vector<Intake> Append(std::span<const Fact> facts, std::string_view source,
                             TimePoint arrived, Duration late_limit);

  // The same of rows: as if each were a fact.
  std::vector<Intake> Append(const std::shared_ptr<const EventRows>& rows, std::string_view source,
                             TimePoint arrived, Duration late_limit);

  // An event that was a conflict: which of the facts or rows, and what stays in its place.
  struct Conflict {
    std::size_t at = 0;
    std::string customer;
    std::vector<Value> fields;  // Of the schema.
  };

  // Of the last Append.
  const std::vector<Conflict>& conflicts() const;

  // Lets take effect what waited until `now`.  Columns::Advance calls it.
  void AdvanceTo(TimePoint now);

  // Reads what the first event would wait for: the index of keys.  For a process that stays.
  void WarmUp();
  // Moves journal rows into chunks, merges small chunks, rewrites those that hold erased rows.
  // Changes nothing that a reader sees.  For quiet moments; Append does it by itself when the
  // journal has grown large.
  void Seal();
  std::size_t journal_size() const;
  // Keeps the columns of traits that were asked for, so that the next start reads them at once.  In
  // the caller's transaction or one of its own.
  void SnapshotTraits();

  Sequence last_sequence() const;

  // Customers, in the order of first sight.  Merged and erased ones keep their index and are not
  // alive.
  CustomerIndex customer_count() const;
  std::optional<CustomerIndex> FindCustomer(std::string_view key) const;  // Follows merges.
  const std::string& CustomerKey(CustomerIndex customer) const;
  // How many customers' keys in blocks of the file are this one, read anew: no search of the tables
  // finds them, for the proof of an erasure.
  std::int64_t CountPackedKeys(std::string_view key) const;
  bool IsAlive(CustomerIndex customer) const;
  bool WasErased(std::string_view key) const;
  bool AllAlive() const;                                 // Nobody was merged or erased.
  CustomerIndex Survivor(CustomerIndex customer) const;  // Itself unless merged.

  // Accounts have numbers from kFirstAccount on; CustomerKey, IsAlive, Survivor, Trait and Timeline
  // take them too.  `trait`: the customers' text trait that names their account.
  void SetAccountTrait(int trait);
  CustomerIndex account_count() const;
  std::optional<CustomerIndex> FindAccount(std::string_view key) const;
  std::optional<CustomerIndex> AccountOf(CustomerIndex customer) const;
  // Customers who belong to it now, ascending.
  std::span<const CustomerIndex> MembersOf(CustomerIndex account) const;

  // Customers whose text trait is one of these (in small letters) but for the case, with that
  // text; in the order of their numbers.  Reads the whole trait.
  std::vector<std::pair<std::string, CustomerIndex>> CustomersWhoseTextIs(
      int trait, const std::set<std::string>& wanted) const;

  // Traits are numbered as Schema::TraitAt.  Null: never set.  Valid until the ledger changes.
  const TraitState* Trait(CustomerIndex customer, int trait) const;
  // Traits as the executor wants them: one double per customer, or account.  Valid until the
  // ledger changes.
  std::span<const double> TraitColumn(int trait) const;
  // Whether it stands in memory already.
  bool HasTraitColumn(int trait) const;

  // Events of one customer (or of all who belong to an account) and kind (all kinds: -1) with after
  // < time <= until, oldest first, ties by dedupe hash.  Those that do not count are among them,
  // and orphan refunds too, both marked as such.
  std::vector<StoredEvent> Timeline(CustomerIndex customer, int kind, TimePoint after,
                                    TimePoint until) const;

  // The same of one kind, in no order, filling in no more than `parts`.
  void ScanCustomer(CustomerIndex customer, int kind, TimePoint after, TimePoint until,
                    const EventParts& parts,
                    const std::function<void(const StoredEvent&)>& visit) const;

  // Whose the events of a kind with after < time <= until are: one for each event.
  std::vector<CustomerIndex> CustomersOf(int kind, TimePoint after, TimePoint until) const;

  // Every event of a kind with after < time <= until, in no particular order.  Orphan refunds of
  // the kind come too.
  void Scan(int kind, TimePoint after, TimePoint until,
            const std::function<void(const StoredEvent&)>& visit) const;
  // The same, filling in no more than `parts`.
  void Scan(int kind, TimePoint after, TimePoint until, const EventParts& parts,
            const std::function<void(const StoredEvent&)>& visit) const;

  // Events of a kind that took effect: appended after `since_sequence` with time <= now, or
  // appended earlier with a time in (since, now].  In no order.  `late_too`: see
  // Source::late_events.
  void ScanFresh(int kind, Sequence since_sequence, TimePoint since, TimePoint now, bool late_too,
                 const std::function<void(const StoredEvent&)>& visit) const;

  // Who had a fact of these kinds or traits become effective: appended after `since_sequence` with
  // time <= now, or appended earlier with a time in (since, now].  Ascending by customer, one entry
  // each.  An account is touched by its own traits alone.
  std::vector<Touch> Touched(Sequence since_sequence, TimePoint since, TimePoint now,
                             std::span<const int> kinds, std::span<const int> traits) const;
  // Nobody will ask Touched for an earlier position than this any more.  Keeps the file small; what
  // is much goes bit by bit, with each call.
  void TrimTouches(Sequence since_sequence, TimePoint since);

  // Customers who were merged or erased, ascending: all of them after opening, then those since the
  // last call.
  std::vector<CustomerIndex> TakeDeparted();
  // The same, left in place.
  const std::set<CustomerIndex>& departed() const;

  // What Columns needs to follow along: every change to what counts, in order.
  struct Change {
    std::optional<StoredEvent> removed;  // As it counted before …
    std::optional<StoredEvent> added;    // … and as it counts now.
    std::optional<CustomerIndex>
        rebuilt;  // With neither of them: recompute this customer (merge, erasure).
  };

  // New events of a long import, and whose they are.
  struct AddedRows {
    std::shared_ptr<const EventRows> rows;
    std::vector<CustomerIndex> customers;  // As the rows name them.
    // Their numbers, mostly by customer: a column goes through memory once then.  The one that
    // stands first has the sequence `first`, the next the one after it.
    std::vector<std::uint32_t> order;
    Sequence first = 0;
  };

  struct Changes {
    bool all = false;  // Too much to list: recompute everybody.
    std::vector<Change> list = {};
    // Came among those of the list.  Each event is added before it is removed, here or there, and
    // nothing else matters to a column: these may be taken first.
    std::vector<AddedRows> rows = {};
    std::size_t row_count = 0;
  };

  // Changes since the last call.  The first call begins to keep them, in memory, and gives none.
  Changes TakeChanges();

  // Customers whose events may count differently than they did at that position; nothing when that
  // is not known any more.
  std::optional<std::vector<CustomerIndex>> ChangedSince(Sequence sequence) const;

 private:
  struct Inner;
  std::unique_ptr<Inner> inner_;
};

}  // namespace segue
