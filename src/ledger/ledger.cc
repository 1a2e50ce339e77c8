// The face of the ledger: transactions around what it takes in, and reading what it adds up to.

#include "ledger/ledger.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/hash.h"
#include "ledger/bytes.h"
#include "ledger/intake.h"

namespace segue {
namespace {

// Who and when alone.
const RecordParts kNoFields{.all = false, .dedupe = false, .fields = {}};

RecordParts PartsIn(const KindNames& kind, const EventParts& parts) {
  // A dedupe text may be made of any field.
  RecordParts stored{.all = parts.dedupe_hash, .dedupe = parts.dedupe_hash, .fields = {}};
  for (const int field : parts.fields) {
    stored.fields.push_back(kind.by_schema[static_cast<std::size_t>(field)]);
  }
  return stored;
}

// `late_events` may be as large as the files like.
std::int64_t LateBefore(std::int64_t time, Duration duration) {
  const Int128 result = Int128{time} - duration.count();
  return static_cast<std::int64_t>(std::clamp(result, Int128{kFirstTime}, Int128{kLastTime}));
}

}  // namespace

Ledger::Ledger(Database& db, const Schema& schema, TextPool& pool) {
  Transaction work(db);
  inner_ = std::make_unique<Inner>(db, schema, pool);
  work.Commit();
}

Ledger::~Ledger() = default;

void Ledger::SetConsentTraits(const std::vector<int>& traits) {
  std::set<int> stored;
  for (const int trait : traits) {
    stored.insert(inner_->names.TraitOf(trait));
  }
  inner_->traits.SetConsent(std::move(stored));
}

void Ledger::SetAccountTrait(int trait) {
  Inner& in = *inner_;
  in.account_trait = in.names.TraitOf(trait);
  Transaction work(in.db);
  // Customers may have said where they belong before accounts were of interest.
  Statement named = in.db.Prepare(
      "SELECT DISTINCT value FROM ledger_trait WHERE trait = ? AND value IS NOT NULL "
      "AND customer < ? ORDER BY 1");
  named.Bind(1, std::int64_t{in.account_trait}).Bind(2, std::int64_t{kFirstAccount});
  std::vector<std::string> keys;
  while (named.Step()) {
    keys.push_back(named.Text(0));
  }
  named.Reset();
  for (const std::string& key : keys) {
    in.InternAccount(key);
  }
  in.members_moved = true;
  in.FollowMembers();
  work.Commit();
}

void Ledger::SnapshotTraits() {
  Transaction work(inner_->db);
  inner_->traits.Snapshot();
  work.Commit();
}

CustomerIndex Ledger::account_count() const {
  return inner_->accounts.count();
}

std::optional<CustomerIndex> Ledger::FindAccount(std::string_view key) const {
  return inner_->accounts.Find(key);
}

std::optional<CustomerIndex> Ledger::AccountOf(CustomerIndex customer) const {
  return inner_->accounts.Of(customer);
}

std::span<const CustomerIndex> Ledger::MembersOf(CustomerIndex account) const {
  return inner_->accounts.Members(account);
}

std::vector<Intake> Ledger::Append(std::span<const Fact> facts, std::string_view source,
                                   TimePoint arrived, Duration late_limit) {
  Inner& in = *inner_;
  in.traits.TrimRead();
  in.conflicts.clear();
  const Inner::Arrival arrival{.source = source,
                               .arrived = ToMicros(arrived),
                               .effective = std::max(ToMicros(arrived), in.clock),
                               .late_before = LateBefore(ToMicros(arrived), late_limit)};
  Transaction work(in.db);
  const Sequence before = in.sequence;
  std::vector<Intake> intakes;
  intakes.reserve(facts.size());
  const bool bulk = facts.size() >= in.bulk_min;
  if (bulk) {
    if (in.events.journal_size() > 0) {
      in.Seal();  // What is older goes into older chunks.
    }
    in.events.BeginBulk(facts.size());
  }
  for (const Fact& fact : facts) {
    intakes.push_back(std::visit([&](const auto& each) { return in.Add(each, arrival); }, fact));
    if (intakes.back() == Intake::kConflict) {
      in.conflicts.back().at = intakes.size() - 1;
    }
    if (in.events.journal_size() >= kJournalMax) {
      in.Seal();
    }
  }
  if (bulk) {
    in.events.EndBulk();
    if (in.index.recent() >= kKeysMax) {
      in.FlushKeys();
    }
  }
  if (in.sequence != before) {
    in.SavePosition();
  }
  in.FollowMembers();
  work.Commit();
  return intakes;
}

std::vector<Intake> Ledger::Append(const std::shared_ptr<const EventRows>& rows,
                                   std::string_view source, TimePoint arrived,
                                   Duration late_limit) {
  Inner& in = *inner_;
  const Inner::Arrival arrival{.source = source,
                               .arrived = ToMicros(arrived),
                               .effective = std::max(ToMicros(arrived), in.clock),
                               .late_before = LateBefore(ToMicros(arrived), late_limit)};
  Transaction work(in.db);
  std::vector<Intake> intakes;
  if (in.AddRows(rows, arrival)) {
    in.conflicts.clear();
    in.SavePosition();
    intakes.assign(rows->size(), Intake::kNew);
  } else {
    std::vector<Fact> facts;
    facts.reserve(rows->size());
    for (std::size_t row = 0; row < rows->size(); ++row) {
      facts.emplace_back(rows->At(row));
    }
    intakes = Append(facts, source, arrived, late_limit);
  }
  work.Commit();
  return intakes;
}

const std::vector<Ledger::Conflict>& Ledger::conflicts() const {
  return inner_->conflicts;
}

void Ledger::AdvanceTo(TimePoint now) {
  Inner& in = *inner_;
  const std::int64_t time = ToMicros(now);
  if (time <= in.clock) {
    return;
  }
  in.clock = time;
  if (!in.traits.AnyDue(time) && !in.refunds.AnyDue(time)) {
    return;
  }
  in.traits.TrimRead();
  Transaction work(in.db);
  // What takes effect now is news to whoever remembers an earlier position.
  ++in.sequence;
  in.traits.Release(time, [&](const Traits::Change& change) {
    in.Touch(change.customer, TouchOfTrait(change.trait), change.time, 0);
    in.members_moved = in.members_moved || change.trait == in.account_trait;
  });
  in.FollowMembers();
  in.cause_time = time;
  in.cause_flags = 0;
  in.refunds.Release(time);
  in.SavePosition();
  work.Commit();
}

void Ledger::WarmUp() {
  inner_->index.Load();
}

void Ledger::Seal() {
  Transaction work(inner_->db);
  inner_->Seal();
  work.Commit();
}

std::size_t Ledger::journal_size() const {
  return inner_->events.journal_size();
}

Sequence Ledger::last_sequence() const {
  return inner_->sequence;
}

CustomerIndex Ledger::customer_count() const {
  return inner_->customers.count();
}

std::optional<CustomerIndex> Ledger::FindCustomer(std::string_view key) const {
  const std::optional<CustomerIndex> found = inner_->customers.Find(key);
  return found ? std::optional(inner_->customers.Survivor(*found)) : std::nullopt;
}

const std::string& Ledger::CustomerKey(CustomerIndex customer) const {
  return IsAccount(customer) ? inner_->accounts.Key(customer) : inner_->customers.Key(customer);
}

std::int64_t Ledger::CountPackedKeys(std::string_view key) const {
  return inner_->customers.CountPacked(key);
}

bool Ledger::IsAlive(CustomerIndex customer) const {
  return IsAccount(customer) || inner_->customers.IsAlive(customer);
}

bool Ledger::AllAlive() const {
  return inner_->customers.AllAlive();
}

bool Ledger::WasErased(std::string_view key) const {
  return inner_->customers.WasErased(key);
}

CustomerIndex Ledger::Survivor(CustomerIndex customer) const {
  return IsAccount(customer) ? customer : inner_->customers.Survivor(customer);
}

std::vector<std::pair<std::string, CustomerIndex>> Ledger::CustomersWhoseTextIs(
    int trait, const std::set<std::string>& wanted) const {
  auto found = inner_->traits.CustomersWhoseTextIs(trait, wanted);
  std::erase_if(found, [this](const auto& one) { return !IsAlive(one.second); });
  return found;
}

const TraitState* Ledger::Trait(CustomerIndex customer, int trait) const {
  return inner_->traits.Get(customer, trait);
}

bool Ledger::HasTraitColumn(int trait) const {
  return inner_->traits.HasColumn(trait);
}

std::span<const double> Ledger::TraitColumn(int trait) const {
  return inner_->traits.Column(trait);
}

std::vector<StoredEvent> Ledger::Timeline(CustomerIndex customer, int kind, TimePoint after,
                                          TimePoint until) const {
  const Inner& in = *inner_;
  std::vector<StoredEvent> timeline;
  std::vector<CustomerIndex> members;
  if (IsAccount(customer)) {
    for (const CustomerIndex belongs : in.accounts.Members(customer)) {
      const std::vector<CustomerIndex> merged = in.customers.Members(belongs);
      members.insert(members.end(), merged.begin(), merged.end());
    }
  } else {
    members = in.customers.Members(in.customers.Survivor(customer));
  }
  for (const CustomerIndex member : members) {
    for (int event = 0; event < static_cast<int>(in.schema.events.size()); ++event) {
      if (kind != -1 && kind != event) {
        continue;
      }
      const int stored = in.names.KindOf(event);
      in.events.ScanCustomer(
          member, stored, ToMicros(after), ToMicros(until), RecordParts(),
          [&](const Record& record) { timeline.push_back(in.refunds.View(record)); });
      in.refunds.VisitOrphans(stored, member, ToMicros(after), ToMicros(until),
                              [&](const StoredEvent& orphan) { timeline.push_back(orphan); });
    }
  }
  std::sort(timeline.begin(), timeline.end(), [](const StoredEvent& a, const StoredEvent& b) {
    return std::tuple(a.time, a.dedupe_hash, a.sequence, a.orphan) <
           std::tuple(b.time, b.dedupe_hash, b.sequence, b.orphan);
  });
  return timeline;
}

void Ledger::Scan(int kind, TimePoint after, TimePoint until,
                  const std::function<void(const StoredEvent&)>& visit) const {
  const Inner& in = *inner_;
  const int stored = in.names.KindOf(kind);
  in.events.Scan(stored, ToMicros(after), ToMicros(until), RecordParts(),
                 [&](const Record& record) { visit(in.refunds.View(record)); });
  in.refunds.VisitOrphans(stored, std::nullopt, ToMicros(after), ToMicros(until), visit);
}

void Ledger::Scan(int kind, TimePoint after, TimePoint until, const EventParts& parts,
                  const std::function<void(const StoredEvent&)>& visit) const {
  const Inner& in = *inner_;
  const int stored = in.names.KindOf(kind);
  const RecordParts wanted = PartsIn(in.names.Kind(stored), parts);
  StoredEvent event;
  in.events.Scan(stored, ToMicros(after), ToMicros(until), wanted, [&](const Record& record) {
    in.refunds.ViewInto(record, event);
    event.dedupe_hash = parts.dedupe_hash ? KeyedHash(HashKey{}, record.dedupe) : 0;
    visit(event);
  });
  in.refunds.VisitOrphans(stored, std::nullopt, ToMicros(after), ToMicros(until), visit);
}

std::vector<CustomerIndex> Ledger::CustomersOf(int kind, TimePoint after, TimePoint until) const {
  std::vector<CustomerIndex> customers;
  inner_->events.Scan(inner_->names.KindOf(kind), ToMicros(after), ToMicros(until), kNoFields,
                      [&](const Record& record) { customers.push_back(record.customer); });
  for (CustomerIndex& customer : customers) {
    customer = Survivor(customer);
  }
  return customers;
}

void Ledger::ScanCustomer(CustomerIndex customer, int kind, TimePoint after, TimePoint until,
                          const EventParts& parts,
                          const std::function<void(const StoredEvent&)>& visit) const {
  const Inner& in = *inner_;
  const int stored = in.names.KindOf(kind);
  const RecordParts wanted = PartsIn(in.names.Kind(stored), parts);
  StoredEvent event;
  for (const CustomerIndex member : in.customers.Members(in.customers.Survivor(customer))) {
    in.events.ScanCustomer(
        member, stored, ToMicros(after), ToMicros(until), wanted, [&](const Record& record) {
          in.refunds.ViewInto(record, event);
          event.dedupe_hash = parts.dedupe_hash ? KeyedHash(HashKey{}, record.dedupe) : 0;
          visit(event);
        });
    in.refunds.VisitOrphans(stored, member, ToMicros(after), ToMicros(until), visit);
  }
}

void Ledger::ScanFresh(int kind, Sequence since_sequence, TimePoint since, TimePoint now,
                       bool late_too, const std::function<void(const StoredEvent&)>& visit) const {
  const Inner& in = *inner_;
  const int stored = in.names.KindOf(kind);
  const auto tell = [&](const Record& record) {
    if ((late_too || !record.late) &&
        in.customers.IsAlive(in.customers.Survivor(record.customer))) {
      visit(in.refunds.View(record));
    }
  };
  in.events.ScanArrived(stored, since_sequence, RecordParts(), [&](const Record& record) {
    if (record.time <= ToMicros(now)) {
      tell(record);
    }
  });
  in.events.Scan(stored, ToMicros(since), ToMicros(now), RecordParts(), [&](const Record& record) {
    if (record.sequence <= since_sequence) {
      tell(record);
    }
  });
}

std::vector<Touch> Ledger::Touched(Sequence since_sequence, TimePoint since, TimePoint now,
                                   std::span<const int> kinds, std::span<const int> traits) const {
  const Inner& in = *inner_;
  std::vector<Touch> found;
  const auto add = [&](CustomerIndex customer, bool late, bool merged) {
    found.push_back({customer, late, merged});
  };
  std::set<int> codes = {kTouchAll};
  for (const int trait : traits) {
    codes.insert(TouchOfTrait(in.names.TraitOf(trait)));
  }
  for (const int kind : kinds) {
    const int stored = in.names.KindOf(kind);
    codes.insert(TouchOfKind(stored));
    in.events.ScanArrived(stored, since_sequence, kNoFields, [&](const Record& record) {
      if (record.time <= ToMicros(now)) {
        add(record.customer, record.late, false);
      }
    });
    in.events.Scan(stored, ToMicros(since), ToMicros(now), kNoFields, [&](const Record& record) {
      if (record.sequence <= since_sequence) {
        add(record.customer, record.late, false);
      }
    });
  }
  in.touches.Effective(since_sequence, ToMicros(since), ToMicros(now), [&](const TouchRow& row) {
    if (codes.contains(row.code) && (row.flags & kTouchGone) == 0) {
      add(row.customer, (row.flags & kTouchLate) != 0, (row.flags & kTouchMerged) != 0);
    }
  });
  // In a loop of its own, so that the memory is waited for once and not for each.
  for (segue::Touch& touch : found) {
    touch.customer =
        IsAccount(touch.customer) ? touch.customer : in.customers.Survivor(touch.customer);
  }
  std::erase_if(found, [&](const segue::Touch& touch) {
    return !IsAccount(touch.customer) && !in.customers.IsAlive(touch.customer);
  });
  std::stable_sort(found.begin(), found.end(), [](const segue::Touch& a, const segue::Touch& b) {
    return a.customer < b.customer;
  });
  std::vector<Touch> touched;
  for (const segue::Touch& touch : found) {
    if (touched.empty() || touched.back().customer != touch.customer) {
      touched.push_back(touch);
    } else {
      touched.back().late = touched.back().late || touch.late;
      touched.back().merged = touched.back().merged || touch.merged;
    }
  }
  return touched;
}

void Ledger::TrimTouches(Sequence since_sequence, TimePoint since) {
  if (since_sequence <= inner_->touches_from) {
    return;
  }
  Transaction work(inner_->db);
  const Sequence until = inner_->touches.Trim(since_sequence, ToMicros(since));
  inner_->touches_from = std::max(inner_->touches_from, until);
  inner_->SavePosition();
  work.Commit();
}

const std::set<CustomerIndex>& Ledger::departed() const {
  return inner_->departed;
}

std::vector<CustomerIndex> Ledger::TakeDeparted() {
  const std::set<CustomerIndex> departed = std::exchange(inner_->departed, {});
  return {departed.begin(), departed.end()};
}

Ledger::Changes Ledger::TakeChanges() {
  inner_->following = true;
  return std::exchange(inner_->changes, {});
}

std::optional<std::vector<CustomerIndex>> Ledger::ChangedSince(Sequence sequence) const {
  const Inner& in = *inner_;
  if (sequence < in.touches_from || sequence > in.sequence) {
    return std::nullopt;
  }
  std::vector<CustomerIndex> changed;
  for (int kind = 0; kind < in.names.KindCount(); ++kind) {
    in.events.ScanArrived(kind, sequence, kNoFields, [&](const Record& record) {
      changed.push_back(in.customers.Survivor(record.customer));
    });
  }
  in.touches.After(sequence, [&](const TouchRow& row) {
    if (!IsAccount(row.customer)) {  // Columns are of customers.
      changed.push_back(row.customer);
      changed.push_back(in.customers.Survivor(row.customer));
    }
  });
  std::sort(changed.begin(), changed.end());
  changed.erase(std::unique(changed.begin(), changed.end()), changed.end());
  return changed;
}

}  // namespace segue
