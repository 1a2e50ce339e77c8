// Taking in facts: what each one does to events, traits and customers.

#include "ledger/intake.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "base/check.h"
#include "base/hash.h"
#include "domain/dedupe.h"
#include "ledger/tables.h"

namespace segue {
namespace {

// Of each hash in the key index: one needless look at a block of events per ten thousand look-ups
// among ten million keys.
constexpr int kHashBits = 37;

// Of customers: as many are written anew when one of them is erased.
constexpr std::size_t kKeysPerBlock = 4096;

// Up to which fact the snapshot of the traits knows whose rows changed.
constexpr std::string_view kTraitsFollowed = "ledger.traits_followed";

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

// Tests let a few be many.
std::size_t KeysPerBlock(Database& db) {
  constexpr unsigned long long kMost = 1'000'000;
  const std::optional<std::string> keys = db.GetSetting("ledger.keys_per_block");
  if (!keys) {
    db.SetSetting("ledger.keys_per_block", std::to_string(kKeysPerBlock));
    return kKeysPerBlock;
  }
  return std::clamp(std::stoull(*keys), 1ULL, kMost);
}

}  // namespace

Ledger::Inner::Inner(Database& database, const Schema& of, TextPool& texts)
    : db(Prepared(database)),
      schema(of),
      pool(texts),
      secret(Secret(db)),
      names(db, schema),
      customers(db, secret, KeysPerBlock(db)),
      accounts(db),
      traits(db, names, schema, pool, customers, accounts),
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
  if (events.newest() > sequence) {
    throw std::runtime_error("state file " + db.path() + ": event " +
                             std::to_string(events.newest()) + " is newer than the last one, " +
                             std::to_string(sequence) + ". Restore a backup.");
  }
  const Sequence keys_until = std::stoull(db.GetSetting("ledger.keys_until").value_or("0"));
  for (int kind = 0; kind < names.KindCount(); ++kind) {
    events.ScanArrived(kind, keys_until, RecordParts(),
                       [&](const Record& record) { keys.AddTo(index, record); });
  }
  for (const auto& [at, record] : events.journal()) {
    if (at <= keys_until) {  // Written there again since.
      keys.AddTo(index, record);
    }
  }
  for (CustomerIndex customer = 0; customer < customers.count(); ++customer) {
    if (!customers.IsAlive(customer)) {
      departed.insert(customer);
    }
  }
  // Tests let even a few facts go past the journal.
  bulk_min = std::stoull(db.GetSetting("ledger.bulk_min").value_or(std::to_string(kBulkMin)));
  FollowRelations();
  FollowFields();
  // An older program that wrote meanwhile kept no account of whose rows changed.
  if (db.GetSetting(kTraitsFollowed) != std::to_string(sequence)) {
    traits.DropSnapshot();
    db.SetSetting(kTraitsFollowed, std::to_string(sequence));
  }
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

// A field of another type is another field, which older events do not have.
void Ledger::Inner::FollowFields() {
  const std::string now = names.FieldsText();
  const std::optional<std::string> before = db.GetSetting("ledger.fields");
  if (before == now) {
    return;
  }
  if (before) {
    db.Execute("DELETE FROM column_part");
    db.Execute("DELETE FROM column_snapshot");
  }
  db.SetSetting("ledger.fields", now);
}

void Ledger::Inner::Seal() {
  events.Seal();
  FlushKeys();
}

// The keys of what came later are found again in the chunks, at the next start.
void Ledger::Inner::FlushKeys() {
  index.Flush();
  db.SetSetting("ledger.keys_until", std::to_string(sequence));
}

void Ledger::Inner::SavePosition() {
  db.Prepare("UPDATE ledger_position SET sequence = ?1, touches_from = ?2 WHERE sequence <= ?1")
      .Bind(1, static_cast<std::int64_t>(sequence))
      .Bind(2, static_cast<std::int64_t>(touches_from))
      .Run();
  if (db.Changes() != 1) {
    // Numbers would be given twice, and orders counted twice.
    throw std::runtime_error("state file " + db.path() +
                             ": another process wrote to it meanwhile; run this again");
  }
  db.SetSetting(kTraitsFollowed, std::to_string(sequence));
}

CustomerIndex Ledger::Inner::Intern(std::string_view key) {
  const CustomerIndex before = customers.count();
  const CustomerIndex customer = customers.Intern(key);
  if (customers.count() != before) {
    traits.Grow();
  }
  return customer;
}

CustomerIndex Ledger::Inner::InternAccount(std::string_view key) {
  const CustomerIndex before = accounts.count();
  const CustomerIndex account = accounts.Intern(key);
  if (accounts.count() != before) {
    traits.Grow();
    members_moved = true;
  }
  return account;
}

void Ledger::Inner::MeetAccount(int trait, const Value& value) {
  if (trait != account_trait) {
    return;
  }
  members_moved = true;
  if (const auto* key = std::get_if<std::string>(&value)) {
    InternAccount(*key);
  }
}

void Ledger::Inner::FollowMembers() {
  if (members_moved && account_trait >= 0) {
    accounts.Follow(traits.Column(names.SchemaTrait(account_trait)), pool, customers);
  }
  members_moved = false;
}

void Ledger::Inner::Note(Change change) {
  if (!following || changes.all) {
    return;
  }
  if (changes.list.size() + changes.row_count >= kChangesMax) {
    changes = {.all = true};
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

std::optional<Record> Ledger::Inner::FindByDedupe(int kind, std::string_view text,
                                                  std::string_view customer) const {
  for (const KeyIndex::Place& place : index.Find(keys.Dedupe(kind, text))) {
    if (std::optional<Record> record = events.Find(kind, place, text, customers.Find(customer))) {
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
  if (const std::optional<Record> known = FindByDedupe(kind, text, event.customer)) {
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
  keys.AddTo(index, record);
  Changed(std::nullopt, refunds.View(record));
  if (names.relations().empty()) {
    events.Add(std::move(record));
    return Intake::kNew;
  }
  events.Add(record);
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
  std::vector<Value> known_fields = names.ToSchema(known.kind, known.fields);
  if (same_customer && known_fields == event.fields) {
    return Intake::kDuplicate;
  }
  if (!known.version || !event.version) {
    conflicts.push_back({0, customers.Key(known.customer), std::move(known_fields)});
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
  const auto* text = std::get_if<std::string>(&change.value);
  // What would name an erased customer in their account is about them.
  if (customers.WasErased(change.of_account && text != nullptr ? *text : change.customer)) {
    return Intake::kErased;
  }
  const CustomerIndex named =
      change.of_account ? InternAccount(change.customer) : Intern(change.customer);
  const int number = change.of_account ? schema.AccountTrait(change.trait) : change.trait;
  Traits::Change set{.customer = change.of_account ? named : customers.Survivor(named),
                     .trait = names.TraitOf(number),
                     .value = change.value,
                     .time = ToMicros(change.time),
                     .sequence = sequence + 1,
                     .source = std::string(arrival.source),
                     .in_order = change.in_order};
  if (!change.of_account) {
    MeetAccount(set.trait, set.value);
  }
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
  members_moved = true;
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
  events.EndBulk();
  const std::vector<CustomerIndex> members = customers.Members(survivor);
  std::vector<Record> records;
  for (const CustomerIndex member : members) {
    for (int kind = 0; kind < names.KindCount(); ++kind) {
      events.ScanCustomer(member, kind, kFirstTime, kLastTime, RecordParts(),
                          [&](const Record& record) { records.push_back(record); });
    }
  }
  for (const Record& record : records) {
    events.Remove(record);
  }
  for (const CustomerIndex member : members) {
    events.Forget(member);
    traits.Erase(member);
    traits.EraseFromAccounts(customers.Key(member));
    members_moved = true;
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
}

}  // namespace segue
