// Links between originals and refunds, and the amounts that count after them.

#include "ledger/refunds.h"

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <memory_resource>
#include <string>

#include "base/check.h"
#include "ledger/bytes.h"

namespace segue {
namespace {

std::int64_t Clamped(Int128 value) {
  constexpr Int128 kMax = std::numeric_limits<std::int64_t>::max();
  constexpr Int128 kMin = std::numeric_limits<std::int64_t>::min();
  return static_cast<std::int64_t>(std::clamp(value, kMin, kMax));
}

std::int64_t Amount(const Value& value) {
  const auto* amount = std::get_if<std::int64_t>(&value);
  return amount == nullptr ? 0 : *amount;
}

}  // namespace

std::uint64_t RecordKeys::Hash(char role, int kind, int field, std::string_view text) const {
  // On the stack where it fits: this is asked for every event.
  std::array<char, 256> room;
  std::pmr::monotonic_buffer_resource memory(room.data(), room.size());
  std::pmr::string bytes(&memory);
  bytes.reserve(text.size() + 16);
  bytes += role;
  bytes += std::to_string(kind);
  bytes += '.';
  bytes += std::to_string(field);
  bytes += ':';
  bytes += text;
  return KeyedHash(key_, bytes);
}

void RecordKeys::AddTo(KeyIndex& index, const Record& record) const {
  index.Add(Dedupe(record.kind, record.dedupe), record.sequence);
  for (const Relation& relation : names_.relations()) {
    if (relation.original == record.kind && !IsMissing(record.Field(relation.of))) {
      // Very often the name is the dedupe text, and then one entry serves both.
      const std::string name = FieldText(record.Field(relation.of));
      if (name != record.dedupe) {
        index.Add(Original(record.kind, relation.of, name), record.sequence);
      }
    }
    if (relation.refund == record.kind && !IsMissing(record.Field(relation.by))) {
      index.Add(Refund(record.kind, relation.by, FieldText(record.Field(relation.by))),
                record.sequence);
    }
  }
}

Refunds::Refunds(Database& db, const StoredNames& names, EventStore& events, KeyIndex& index,
                 const RecordKeys& keys, const Customers& customers, Changed changed)
    : db_(db),
      names_(names),
      events_(events),
      index_(index),
      keys_(keys),
      customers_(customers),
      changed_(std::move(changed)) {
  Statement orphans = db_.Prepare("SELECT sequence, kind, customer, time FROM ledger_orphan");
  while (orphans.Step()) {
    AddOrphan(static_cast<Sequence>(orphans.Int(0)),
              {static_cast<int>(orphans.Int(1)), static_cast<CustomerIndex>(orphans.Int(2)),
               orphans.Int(3)});
  }
  Statement waiting = db_.Prepare("SELECT sequence, kind, time FROM ledger_waiting_refund");
  while (waiting.Step()) {
    waiting_.emplace(waiting.Int(2), static_cast<Sequence>(waiting.Int(0)));
    waiting_kind_[static_cast<Sequence>(waiting.Int(0))] = static_cast<int>(waiting.Int(1));
  }
}

StoredEvent Refunds::View(const Record& record) const {
  StoredEvent event;
  ViewInto(record, event);
  event.dedupe_hash = KeyedHash(HashKey{}, record.dedupe);
  return event;
}

void Refunds::ViewInto(const Record& record, StoredEvent& event) const {
  event.sequence = record.sequence;
  event.kind = names_.Kind(record.kind).schema;
  event.customer = customers_.Survivor(record.customer);
  event.time = FromMicros(record.time);
  event.counts = true;
  event.orphan = false;
  if (!record.refunded) {
    names_.ToSchema(record.kind, record.fields, event.fields);
    return;
  }
  std::vector<Value> net = record.fields;
  event.counts = false;
  for (const auto& [field, taken] : record.refunds) {
    const auto at = static_cast<std::size_t>(field);
    if (at < net.size() && !IsMissing(net[at])) {
      const std::int64_t left = std::max<std::int64_t>(0, Clamped(Int128{Amount(net[at])} - taken));
      net[at] = left;
      event.counts = event.counts || left > 0;
    }
  }
  names_.ToSchema(record.kind, net, event.fields);
}

StoredEvent Refunds::OrphanView(const Relation& relation, const Record& refund) const {
  StoredEvent event;
  event.sequence = refund.sequence;
  event.kind = names_.Kind(relation.original).schema;
  event.customer = customers_.Survivor(refund.customer);
  event.time = FromMicros(refund.time);
  event.dedupe_hash = KeyedHash(HashKey{}, refund.dedupe);
  event.orphan = true;
  std::vector<Value> fields(names_.Kind(relation.original).fields.size());
  for (const auto& [original, taken] : relation.shared) {
    if (!IsMissing(refund.Field(taken))) {
      fields[static_cast<std::size_t>(original)] = Clamped(-Int128{Amount(refund.Field(taken))});
    }
  }
  event.fields = names_.ToSchema(relation.original, fields);
  return event;
}

const Relation* Refunds::OfRefund(int kind) const {
  for (const Relation& relation : names_.relations()) {
    if (relation.refund == kind) {
      return &relation;
    }
  }
  return nullptr;
}

std::vector<Record> Refunds::Originals(const Relation& relation, const Value& name,
                                       CustomerIndex customer) const {
  const std::string text = FieldText(name);
  std::map<Sequence, Record> originals;
  const auto propose = [&](std::optional<Record> record) {
    if (record && record->Field(relation.of) == name) {
      originals.emplace(record->sequence, std::move(*record));
    }
  };
  for (const KeyIndex::Place& place : index_.Find(keys_.Dedupe(relation.original, text))) {
    propose(events_.Find(relation.original, place, text, customer));
  }
  for (const KeyIndex::Place& place :
       index_.Find(keys_.Original(relation.original, relation.of, text))) {
    if (place.first == place.last) {  // Else it is the place of another key with the same hash.
      propose(events_.Find(relation.original, place.first));
    }
  }
  std::vector<Record> ordered;
  for (auto& [sequence, record] : originals) {
    ordered.push_back(std::move(record));
  }
  return ordered;
}

std::vector<Record> Refunds::RefundsOf(const Relation& relation, const Value& name) const {
  std::vector<Record> refunds;
  for (const KeyIndex::Place& place :
       index_.Find(keys_.Refund(relation.refund, relation.by, FieldText(name)))) {
    if (place.first != place.last || waiting_kind_.contains(place.first)) {
      continue;
    }
    std::optional<Record> record = events_.Find(relation.refund, place.first);
    if (record && record->Field(relation.by) == name) {
      refunds.push_back(std::move(*record));
    }
  }
  return refunds;
}

void Refunds::Relink(const Relation& relation, const Value& name, CustomerIndex customer) {
  std::vector<Record> originals = Originals(relation, name, customer);
  const bool known = !originals.empty();
  for (Record& original : originals) {
    Recompute(std::move(original));
  }
  for (const Record& refund : RefundsOf(relation, name)) {
    SetOrphan(relation, refund, !known);
  }
}

void Refunds::Recompute(Record original) {
  std::map<int, Int128> taken;
  for (const Relation& relation : names_.relations()) {
    const Value& name = original.Field(relation.of);
    if (relation.original != original.kind || relation.shared.empty() || IsMissing(name)) {
      continue;
    }
    const std::vector<Record> refunds = RefundsOf(relation, name);
    // Of several events with one name, the one that arrived first is meant.
    if (refunds.empty() ||
        Originals(relation, name, original.customer).front().sequence != original.sequence) {
      continue;
    }
    for (const Record& refund : refunds) {
      for (const auto& [field, amount] : relation.shared) {
        taken[field] += Amount(refund.Field(amount));
      }
    }
  }
  std::vector<std::pair<int, std::int64_t>> amounts;
  for (const auto& [field, amount] : taken) {
    amounts.emplace_back(field, Clamped(amount));
  }
  if (original.refunded == !amounts.empty() && original.refunds == amounts) {
    return;
  }
  StoredEvent before = View(original);
  original.refunded = !amounts.empty();
  original.refunds = std::move(amounts);
  events_.Update(original);
  changed_(std::move(before), View(original));
}

void Refunds::SetOrphan(const Relation& relation, const Record& refund, bool orphan) {
  if (orphan == orphans_.contains(refund.sequence)) {
    return;
  }
  if (!orphan) {
    RemoveOrphan(refund.sequence);
    changed_(OrphanView(relation, refund), std::nullopt);
    return;
  }
  AddOrphan(refund.sequence, {refund.kind, refund.customer, refund.time});
  db_.Prepare("INSERT INTO ledger_orphan(sequence, kind, customer, time) VALUES (?, ?, ?, ?)")
      .Bind(1, static_cast<std::int64_t>(refund.sequence))
      .Bind(2, static_cast<std::int64_t>(refund.kind))
      .Bind(3, static_cast<std::int64_t>(refund.customer))
      .Bind(4, refund.time)
      .Run();
  changed_(std::nullopt, OrphanView(relation, refund));
}

void Refunds::AddOrphan(Sequence sequence, const Orphan& orphan) {
  orphans_[sequence] = orphan;
  orphans_by_customer_.emplace(orphan.customer, sequence);
}

void Refunds::RemoveOrphan(Sequence sequence) {
  if (const auto found = orphans_.find(sequence); found != orphans_.end()) {
    orphans_by_customer_.erase({found->second.customer, sequence});
    orphans_.erase(found);
    db_.Prepare("DELETE FROM ledger_orphan WHERE sequence = ?")
        .Bind(1, static_cast<std::int64_t>(sequence))
        .Run();
  }
}

void Refunds::Wait(const Record& refund) {
  waiting_.emplace(refund.time, refund.sequence);
  waiting_kind_[refund.sequence] = refund.kind;
  db_.Prepare("INSERT OR REPLACE INTO ledger_waiting_refund(sequence, kind, time) VALUES (?, ?, ?)")
      .Bind(1, static_cast<std::int64_t>(refund.sequence))
      .Bind(2, static_cast<std::int64_t>(refund.kind))
      .Bind(3, refund.time)
      .Run();
}

void Refunds::StopWaiting(Sequence sequence) {
  if (waiting_kind_.erase(sequence) > 0) {
    db_.Prepare("DELETE FROM ledger_waiting_refund WHERE sequence = ?")
        .Bind(1, static_cast<std::int64_t>(sequence))
        .Run();
  }
}

void Refunds::Activate(const Record& refund) {
  const Relation* relation = OfRefund(refund.kind);
  if (relation == nullptr) {
    return;
  }
  const Value& name = refund.Field(relation->by);
  if (IsMissing(name)) {
    SetOrphan(*relation, refund, true);
  } else {
    Relink(*relation, name, refund.customer);
  }
}

void Refunds::OnNew(const Record& record, std::int64_t now) {
  for (const Relation& relation : names_.relations()) {
    const Value& name = record.Field(relation.of);
    if (relation.original == record.kind && !IsMissing(name) &&
        !RefundsOf(relation, name).empty()) {
      Relink(relation, name, record.customer);
    }
  }
  if (OfRefund(record.kind) != nullptr) {
    if (record.time > now) {
      Wait(record);
    } else {
      Activate(record);
    }
  }
}

void Refunds::OnAmended(const Record& before, const Record& after) {
  bool moved = false;
  for (const Relation& relation : names_.relations()) {
    const Value& old_name = before.Field(relation.of);
    const Value& new_name = after.Field(relation.of);
    if (relation.original != after.kind || old_name == new_name) {
      continue;
    }
    moved = true;
    for (const Value& name : {old_name, new_name}) {
      if (!IsMissing(name)) {
        Relink(relation, name, after.customer);
      }
    }
  }
  if (moved) {
    // Its new name may be missing, and then no group has it.
    Recompute(*events_.Find(after.kind, after.sequence));
  }
  const Relation* relation = OfRefund(after.kind);
  if (relation == nullptr || waiting_kind_.contains(after.sequence)) {
    return;
  }
  SetOrphan(*relation, before, false);
  const Value& old_name = before.Field(relation->by);
  if (old_name != after.Field(relation->by) && !IsMissing(old_name)) {
    Relink(*relation, old_name, before.customer);
  }
  Activate(after);
}

void Refunds::OnRemoved(std::span<const Record> records) {
  for (const Record& record : records) {
    RemoveOrphan(record.sequence);
    if (waiting_kind_.contains(record.sequence)) {
      waiting_.erase({record.time, record.sequence});
      StopWaiting(record.sequence);
    }
  }
  for (const Record& record : records) {
    for (const Relation& relation : names_.relations()) {
      if (relation.original == record.kind && !IsMissing(record.Field(relation.of))) {
        Relink(relation, record.Field(relation.of), record.customer);
      }
      if (relation.refund == record.kind && !IsMissing(record.Field(relation.by))) {
        Relink(relation, record.Field(relation.by), record.customer);
      }
    }
  }
}

void Refunds::Release(std::int64_t now) {
  while (AnyDue(now)) {
    const Sequence sequence = waiting_.begin()->second;
    waiting_.erase(waiting_.begin());
    const int kind = waiting_kind_.at(sequence);
    StopWaiting(sequence);
    if (const std::optional<Record> refund = events_.Find(kind, sequence)) {
      Activate(*refund);
    }
  }
}

void Refunds::VisitOrphans(int original_kind, std::optional<CustomerIndex> customer,
                           std::int64_t after, std::int64_t until,
                           const std::function<void(const StoredEvent&)>& visit) const {
  const auto ask = [&](Sequence sequence, const Orphan& orphan) {
    const Relation* relation = OfRefund(orphan.kind);
    if (relation != nullptr && relation->original == original_kind && after < orphan.time &&
        orphan.time <= until) {
      visit(OrphanView(*relation, *events_.Find(orphan.kind, sequence)));
    }
  };
  if (!customer) {
    for (const auto& [sequence, orphan] : orphans_) {
      ask(sequence, orphan);
    }
    return;
  }
  for (auto at = orphans_by_customer_.lower_bound({*customer, 0});
       at != orphans_by_customer_.end() && at->first == *customer; ++at) {
    ask(at->second, orphans_.at(at->second));
  }
}

void Refunds::Reset() {
  orphans_.clear();
  orphans_by_customer_.clear();
  db_.Execute("DELETE FROM ledger_orphan");
  waiting_.clear();
  waiting_kind_.clear();
  db_.Execute("DELETE FROM ledger_waiting_refund");
  constexpr std::int64_t kFirst = std::numeric_limits<std::int64_t>::min();
  constexpr std::int64_t kLast = std::numeric_limits<std::int64_t>::max();
  for (int kind = 0; kind < names_.KindCount(); ++kind) {
    std::vector<Record> refunded;
    const bool refunds = OfRefund(kind) != nullptr;
    const bool named =
        refunds || std::any_of(names_.relations().begin(), names_.relations().end(),
                               [&](const Relation& relation) { return relation.original == kind; });
    events_.Scan(kind, kFirst, kLast, RecordParts(), [&](const Record& record) {
      if (record.refunded) {
        refunded.push_back(record);
      }
      if (named) {
        keys_.AddTo(index_, record);
      }
      if (refunds) {
        Wait(record);
      }
    });
    for (Record& record : refunded) {
      record.refunded = false;
      record.refunds.clear();
      events_.Update(record);
    }
  }
}

}  // namespace segue
