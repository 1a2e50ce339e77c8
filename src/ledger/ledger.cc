// Taking in facts, and reading what they add up to.

#include "ledger/ledger.h"

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "base/check.h"
#include "base/hash.h"
#include "domain/dedupe.h"
#include "ledger/bytes.h"
#include "ledger/customers.h"
#include "ledger/dedupe.h"
#include "ledger/events.h"
#include "ledger/names.h"
#include "ledger/refunds.h"
#include "ledger/tables.h"
#include "ledger/touches.h"
#include "ledger/traits.h"

namespace segue {
namespace {

constexpr std::int64_t kFirstTime = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kLastTime = std::numeric_limits<std::int64_t>::max();
// The journal stands in memory: about 400 bytes a row.
constexpr std::size_t kJournalMax = 128 * 1024;
// Above this it is cheaper to scan the ledger again than to keep the list.
constexpr std::size_t kChangesMax = 1'000'000;
// Of each hash in the key index: one needless look at an event per three million look-ups among a
// hundred million keys.
constexpr int kHashBits = 48;

// `late_events` may be as large as the files like.
std::int64_t Minus(std::int64_t time, Duration duration) {
  const Int128 result = Int128{time} - duration.count();
  return static_cast<std::int64_t>(std::clamp(result, Int128{kFirstTime}, Int128{kLastTime}));
}

Database& Prepared(Database& db) {
  db.Ensure("ledger", kLedgerTables);
  return db;
}

std::string Secret(Database& db) {
  std::optional<std::string> secret = db.GetSetting("ledger.secret");
  if (!secret) {
    secret = RandomHex();
    db.SetSetting("ledger.secret", *secret);
  }
  return *secret;
}

int HashBits(Database& db) {
  const std::optional<std::string> bits = db.GetSetting("ledger.hash_bits");
  if (!bits) {
    db.SetSetting("ledger.hash_bits", std::to_string(kHashBits));
    return kHashBits;
  }
  return std::clamp(std::stoi(*bits), 1, 64);
}

}  // namespace

struct Ledger::Inner {
  Inner(Database& database, const Schema& schema, TextPool& pool);

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
  std::optional<Record> FindByDedupe(int kind, const std::string& text) const;
  CustomerIndex Intern(std::string_view key);

  void Changed(std::optional<StoredEvent> before, std::optional<StoredEvent> after);
  void Rebuilt(CustomerIndex customer);
  void Note(Change change);
  void Touch(CustomerIndex customer, int code, std::int64_t time, std::int64_t flags);
  void TouchFor(const StoredEvent& event);
  void SavePosition();
  void Seal();
  void FollowRelations();

  Database& db;
  const Schema& schema;
  std::string secret;
  Names names;
  Customers customers;
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
  bool following = false;
  Changes changes;
  std::set<CustomerIndex> departed;
  Refunds refunds;
};

Ledger::Inner::Inner(Database& database, const Schema& of, TextPool& pool)
    : db(Prepared(database)),
      schema(of),
      secret(Secret(db)),
      names(db, schema),
      customers(db, secret),
      traits(db, names, schema, pool, customers),
      events(db, names, customers),
      index(db, HashBits(db)),
      keys(HashKeyFromHex(secret), names),
      touches(db),
      refunds(db, names, events, index, keys, customers,
              [this](std::optional<StoredEvent> before, std::optional<StoredEvent> after) {
                for (const std::optional<StoredEvent>* event : {&before, &after}) {
                  if (*event) {
                    TouchFor(**event);
                  }
                }
                Changed(std::move(before), std::move(after));
              }) {
  Statement position = db.Prepare("SELECT sequence, touches_from FROM ledger_position");
  SEGUE_CHECK(position.Step());
  sequence = static_cast<Sequence>(position.Int(0));
  touches_from = static_cast<Sequence>(position.Int(1));
  for (const auto& [at, record] : events.journal()) {
    keys.AddTo(index, record);
  }
  for (CustomerIndex customer = 0; customer < customers.count(); ++customer) {
    if (!customers.IsAlive(customer)) {
      departed.insert(customer);
    }
  }
  FollowRelations();
}

// The files may say something new about who reverses whom; then all is worked out again.
void Ledger::Inner::FollowRelations() {
  const std::string now = names.RelationsText();
  const std::optional<std::string> before = db.GetSetting("ledger.relations");
  if (before == now) {
    return;
  }
  if (before) {
    refunds.Reset();
    Seal();
    db.Execute("DELETE FROM column_part");
    db.Execute("DELETE FROM column_snapshot");
  }
  db.SetSetting("ledger.relations", now);
}

void Ledger::Inner::Seal() {
  events.Seal();
  index.Flush();
}

void Ledger::Inner::SavePosition() {
  db.Prepare("UPDATE ledger_position SET sequence = ?, touches_from = ?")
      .Bind(1, static_cast<std::int64_t>(sequence))
      .Bind(2, static_cast<std::int64_t>(touches_from))
      .Run();
}

CustomerIndex Ledger::Inner::Intern(std::string_view key) {
  const CustomerIndex customer = customers.Intern(key);
  traits.Grow(customers.count());
  return customer;
}

void Ledger::Inner::Note(Change change) {
  if (!following || changes.all) {
    return;
  }
  if (changes.list.size() >= kChangesMax) {
    changes.all = true;
    changes.list = {};
    return;
  }
  changes.list.push_back(std::move(change));
}

void Ledger::Inner::Changed(std::optional<StoredEvent> before, std::optional<StoredEvent> after) {
  Note({std::move(before), std::move(after), std::nullopt});
}

void Ledger::Inner::Rebuilt(CustomerIndex customer) {
  Note({std::nullopt, std::nullopt, customer});
}

void Ledger::Inner::Touch(CustomerIndex customer, int code, std::int64_t time, std::int64_t flags) {
  touches.Add({sequence, customer, code, time, flags});
}

// For the owner of an event that a refund or an amendment changed.
void Ledger::Inner::TouchFor(const StoredEvent& event) {
  Touch(event.customer, TouchOfKind(names.KindOf(event.kind)), cause_time, cause_flags);
}

std::optional<Record> Ledger::Inner::FindByDedupe(int kind, const std::string& text) const {
  for (const Sequence at : index.Find(keys.Dedupe(kind, text))) {
    std::optional<Record> record = events.Find(kind, at);
    if (record && record->dedupe == text) {
      return record;
    }
  }
  return std::nullopt;
}

Intake Ledger::Inner::Add(const Event& event, const Arrival& arrival) {
  if (customers.WasErased(event.customer)) {
    return Intake::kErased;
  }
  const std::string text = DedupeText(event);
  const int kind = names.KindOf(event.kind);
  if (const std::optional<Record> known = FindByDedupe(kind, text)) {
    return AddAgain(event, *known, arrival);
  }
  Record record;
  record.sequence = ++sequence;
  record.kind = kind;
  record.customer = Intern(event.customer);
  record.time = ToMicros(event.time);
  record.fields = names.ToStored(kind, event.fields);
  record.version = event.version;
  record.dedupe = text;
  record.late = arrival.IsLate(record.time);
  events.Add(record);
  keys.AddTo(index, record);
  Changed(std::nullopt, refunds.View(record));
  // The effect of a refund on its original is as late as whichever of the two came last.
  cause_time = record.time;
  cause_flags = record.late ? kTouchLate : 0;
  refunds.OnNew(record, arrival.effective);
  return Intake::kNew;
}

Intake Ledger::Inner::AddAgain(const Event& event, const Record& known, const Arrival& arrival) {
  const std::vector<Value> fields = names.ToStored(known.kind, event.fields);
  const std::optional<CustomerIndex> named = customers.Find(event.customer);
  const bool same_customer =
      named && customers.Survivor(*named) == customers.Survivor(known.customer);
  // Fields that the files do not name any more are not content.
  if (same_customer && names.ToSchema(known.kind, known.fields) == event.fields) {
    return Intake::kDuplicate;
  }
  if (!known.version || !event.version) {
    return Intake::kConflict;
  }
  if (*event.version <= *known.version) {
    return Intake::kOlder;
  }
  ++sequence;
  Record record = known;
  record.customer = Intern(event.customer);
  record.fields = fields;
  record.version = event.version;
  cause_time = record.time;
  cause_flags = arrival.IsLate(ToMicros(event.time)) ? kTouchLate : 0;
  StoredEvent before = refunds.View(known);
  StoredEvent after = refunds.View(record);
  events.Update(record);
  keys.AddTo(index, record);
  TouchFor(before);
  TouchFor(after);
  Changed(std::move(before), std::move(after));
  refunds.OnAmended(known, record);
  return Intake::kAmended;
}

Intake Ledger::Inner::Add(const TraitChange& change, const Arrival& arrival) {
  if (customers.WasErased(change.customer)) {
    return Intake::kErased;
  }
  const CustomerIndex named = Intern(change.customer);
  Traits::Change set{.customer = customers.Survivor(named),
                     .trait = names.TraitOf(change.trait),
                     .value = change.value,
                     .time = ToMicros(change.time),
                     .sequence = sequence + 1,
                     .source = std::string(arrival.source)};
  if (set.time > arrival.effective) {
    set.customer = named;
    const Intake waits = traits.Wait(std::move(set));
    sequence += waits == Intake::kNew ? 1 : 0;
    return waits;
  }
  const Intake intake = traits.Set(set);
  if (intake != Intake::kOlder) {
    ++sequence;
  }
  if (intake == Intake::kNew) {
    Touch(set.customer, TouchOfTrait(set.trait), set.time,
          arrival.IsLate(set.time) ? kTouchLate : 0);
  }
  return intake;
}

Intake Ledger::Inner::Add(const Merge& merge, const Arrival& arrival) {
  if (customers.WasErased(merge.customer) || customers.WasErased(merge.other)) {
    return Intake::kErased;
  }
  if (merge.customer == merge.other) {
    return Intake::kNoChange;
  }
  const CustomerIndex a = customers.Survivor(Intern(merge.customer));
  const CustomerIndex b = customers.Survivor(Intern(merge.other));
  if (a == b) {
    return Intake::kNoChange;
  }
  ++sequence;
  const CustomerIndex survivor = std::min(a, b);
  const CustomerIndex other = std::max(a, b);
  customers.Merge(survivor, other);
  traits.Merge(survivor, other);
  Rebuilt(survivor);
  Rebuilt(other);
  departed.insert(other);
  const std::int64_t time = std::min(ToMicros(merge.time), arrival.effective);
  Touch(survivor, kTouchAll, time, kTouchMerged | (arrival.IsLate(time) ? kTouchLate : 0));
  Touch(other, kTouchAll, time, kTouchGone);
  return Intake::kNew;
}

Intake Ledger::Inner::Add(const Erase& erase, const Arrival& /*arrival*/) {
  const std::optional<CustomerIndex> named = customers.Find(erase.customer);
  if (!named) {
    return customers.WasErased(erase.customer) ? Intake::kErased : Intake::kNoChange;
  }
  ++sequence;
  EraseCustomer(customers.Survivor(*named));
  return Intake::kNew;
}

void Ledger::Inner::EraseCustomer(CustomerIndex survivor) {
  // What is deleted here is overwritten in the file too.
  db.Execute("PRAGMA secure_delete = ON");
  const std::vector<CustomerIndex> members = customers.Members(survivor);
  std::vector<Record> records;
  for (const CustomerIndex member : members) {
    for (int kind = 0; kind < names.KindCount(); ++kind) {
      events.ScanCustomer(member, kind, kFirstTime, kLastTime,
                          [&](const Record& record) { records.push_back(record); });
    }
  }
  for (const Record& record : records) {
    events.Remove(record);
  }
  for (const CustomerIndex member : members) {
    events.Forget(member);
    traits.Erase(member);
    touches.Erase(member);
    Rebuilt(member);
    departed.insert(member);
    Touch(member, kTouchAll, 0, kTouchGone);
  }
  cause_time = clock;
  cause_flags = 0;
  refunds.OnRemoved(records);
  // Snapshots hold their numbers and texts.
  db.Execute("DELETE FROM column_part");
  db.Execute("DELETE FROM column_snapshot");
  customers.Erase(survivor);
  db.Execute("PRAGMA secure_delete = FAST");
}

Ledger::Ledger(Database& db, const Schema& schema, TextPool& pool) {
  Transaction work(db);
  inner_ = std::make_unique<Inner>(db, schema, pool);
  work.Commit();
}

Ledger::~Ledger() = default;

void Ledger::SetConsentTraits(std::vector<int> traits) {
  std::set<int> stored;
  for (const int trait : traits) {
    stored.insert(inner_->names.TraitOf(trait));
  }
  inner_->traits.SetConsent(std::move(stored));
}

std::vector<Intake> Ledger::Append(std::span<const Fact> facts, std::string_view source,
                                   TimePoint arrived, Duration late_limit) {
  Inner& in = *inner_;
  in.traits.DropRead();
  const Inner::Arrival arrival{.source = source,
                               .arrived = ToMicros(arrived),
                               .effective = std::max(ToMicros(arrived), in.clock),
                               .late_before = Minus(ToMicros(arrived), late_limit)};
  Transaction work(in.db);
  const Sequence before = in.sequence;
  std::vector<Intake> intakes;
  intakes.reserve(facts.size());
  for (const Fact& fact : facts) {
    intakes.push_back(std::visit([&](const auto& each) { return in.Add(each, arrival); }, fact));
    if (in.events.journal_size() >= kJournalMax) {
      in.Seal();
    }
  }
  if (in.sequence != before) {
    in.SavePosition();
  }
  work.Commit();
  return intakes;
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
  in.traits.DropRead();
  Transaction work(in.db);
  // What takes effect now is news to whoever remembers an earlier position.
  ++in.sequence;
  in.traits.Release(time, [&](const Traits::Change& change) {
    in.Touch(change.customer, TouchOfTrait(change.trait), change.time, 0);
  });
  in.cause_time = time;
  in.cause_flags = 0;
  in.refunds.Release(time);
  in.SavePosition();
  work.Commit();
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
  return inner_->customers.Key(customer);
}

bool Ledger::IsAlive(CustomerIndex customer) const {
  return inner_->customers.IsAlive(customer);
}

CustomerIndex Ledger::Survivor(CustomerIndex customer) const {
  return inner_->customers.Survivor(customer);
}

const TraitState* Ledger::Trait(CustomerIndex customer, int trait) const {
  return inner_->traits.Get(customer, trait);
}

std::span<const double> Ledger::TraitColumn(int trait) const {
  return inner_->traits.Column(trait);
}

std::vector<StoredEvent> Ledger::Timeline(CustomerIndex customer, int kind, TimePoint after,
                                          TimePoint until) const {
  const Inner& in = *inner_;
  std::vector<StoredEvent> timeline;
  for (const CustomerIndex member : in.customers.Members(in.customers.Survivor(customer))) {
    for (int event = 0; event < static_cast<int>(in.schema.events.size()); ++event) {
      if (kind != -1 && kind != event) {
        continue;
      }
      const int stored = in.names.KindOf(event);
      in.events.ScanCustomer(
          member, stored, ToMicros(after), ToMicros(until),
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
  in.events.Scan(stored, ToMicros(after), ToMicros(until),
                 [&](const Record& record) { visit(in.refunds.View(record)); });
  in.refunds.VisitOrphans(stored, std::nullopt, ToMicros(after), ToMicros(until), visit);
}

std::vector<Touch> Ledger::Touched(Sequence since_sequence, TimePoint since, TimePoint now,
                                   std::span<const int> kinds, std::span<const int> traits) const {
  const Inner& in = *inner_;
  std::vector<Touch> found;
  const auto add = [&](CustomerIndex customer, bool late, bool merged) {
    const CustomerIndex survivor = in.customers.Survivor(customer);
    if (in.customers.IsAlive(survivor)) {
      found.push_back({survivor, late, merged});
    }
  };
  std::set<int> codes = {kTouchAll};
  for (const int trait : traits) {
    codes.insert(TouchOfTrait(in.names.TraitOf(trait)));
  }
  for (const int kind : kinds) {
    const int stored = in.names.KindOf(kind);
    codes.insert(TouchOfKind(stored));
    in.events.ScanArrived(stored, since_sequence, [&](const Record& record) {
      if (record.time <= ToMicros(now)) {
        add(record.customer, record.late, false);
      }
    });
    in.events.Scan(stored, ToMicros(since), ToMicros(now), [&](const Record& record) {
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
  Transaction work(inner_->db);
  inner_->touches.Trim(since_sequence, ToMicros(since));
  inner_->touches_from = std::max(inner_->touches_from, since_sequence);
  inner_->SavePosition();
  work.Commit();
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
    in.events.ScanArrived(kind, sequence, [&](const Record& record) {
      changed.push_back(in.customers.Survivor(record.customer));
    });
  }
  in.touches.After(sequence, [&](const TouchRow& row) {
    changed.push_back(row.customer);
    changed.push_back(in.customers.Survivor(row.customer));
  });
  std::sort(changed.begin(), changed.end());
  changed.erase(std::unique(changed.begin(), changed.end()), changed.end());
  return changed;
}

}  // namespace segue
