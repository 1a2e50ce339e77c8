// Current values of traits, in the file and as columns.

#include "ledger/traits.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include <fmt/format.h>

#include "base/room.h"
#include "base/text.h"
#include "expression/execute.h"

namespace segue {
namespace {

const Value kNo = std::int64_t{0};
// What was read of those who said nothing, which is kept too: every step asks for a time zone.
constexpr TimePoint kNeverSaid = TimePoint::min();

void BindValue(Statement& statement, int index, const Value& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) {
    statement.Bind(index, *number);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    statement.Bind(index, *text);
  } else {
    statement.BindNull(index);
  }
}

Value ReadValue(const Statement& row, int column, Type type) {
  if (row.IsNull(column)) {
    return {};
  }
  if (type == Type::kText || type == Type::kChoice) {
    return row.Text(column);
  }
  return row.Int(column);
}

}  // namespace

Traits::Traits(Database& db, const StoredNames& names, const Schema& schema, TextPool& pool,
               const Customers& customers, const Accounts& accounts)
    : db_(db),
      names_(names),
      schema_(schema),
      pool_(pool),
      customers_(customers),
      accounts_(accounts),
      snapshot_(db, pool) {
  columns_.resize(schema.customer_traits.size() + schema.account_traits.size());
  loaded_.assign(columns_.size(), false);
  Statement waiting = db_.Prepare(
      "SELECT sequence, time, customer, trait, value, source FROM ledger_waiting_trait");
  while (waiting.Step()) {
    const auto trait = static_cast<int>(waiting.Int(3));
    Change change{.customer = static_cast<CustomerIndex>(waiting.Int(2)),
                  .trait = trait,
                  .value = ReadValue(waiting, 4, names_.TraitType(trait)),
                  .time = waiting.Int(1),
                  .sequence = static_cast<Sequence>(waiting.Int(0)),
                  .source = waiting.Text(5)};
    waiting_.emplace(WaitingKey(change.time, change.customer, trait), std::move(change));
  }
}

std::size_t Traits::RowsOf(std::size_t schema_trait) const {
  return schema_trait < schema_.customer_traits.size() ? customers_.count() : accounts_.count();
}

void Traits::Grow() {
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (loaded_[i]) {
      ResizeWithRoom(columns_[i], RowsOf(i), kMissing);
    }
  }
}

std::span<const double> Traits::Column(int schema_trait) const {
  if (!loaded_[static_cast<std::size_t>(schema_trait)]) {
    LoadColumns(schema_trait);
  }
  return columns_[static_cast<std::size_t>(schema_trait)];
}

// A text alone, since its values are put into the pool; of the others all that are not there yet.
void Traits::LoadColumns(int schema_trait) const {
  const auto is_text = [&](std::size_t at) {
    return schema_.TraitAt(static_cast<int>(at)).type == Type::kText;
  };
  const auto asked = static_cast<std::size_t>(schema_trait);
  std::string of_customers, of_accounts;
  for (std::size_t at = 0; at < columns_.size(); ++at) {
    if (at == asked || (!loaded_[at] && !is_text(at) && !is_text(asked))) {
      loaded_[at] = true;
      columns_[at].assign(RowsOf(at), kMissing);
      if (!LoadFromSnapshot(at)) {
        std::string& wanted = at < schema_.customer_traits.size() ? of_customers : of_accounts;
        wanted +=
            (wanted.empty() ? "" : ",") + std::to_string(names_.TraitOf(static_cast<int>(at)));
      }
    }
  }
  const auto read = [&](const std::string& wanted, std::string_view whose) {
    if (wanted.empty()) {
      return;
    }
    Statement all = db_.Prepare(
        fmt::format("SELECT customer, trait, value FROM ledger_trait WHERE customer {} {} AND "
                    "trait IN ({})",
                    whose, kFirstAccount, wanted));
    while (all.Step()) {
      const auto trait = static_cast<int>(all.Int(1));
      PutInColumn(static_cast<CustomerIndex>(all.Int(0)), trait,
                  ReadValue(all, 2, names_.TraitType(trait)));
    }
  };
  read(of_customers, "<");
  read(of_accounts, ">=");
}

// Texts are as many as there are customers, and accounts are few.
bool Traits::MayBeInSnapshot(std::size_t at) const {
  return at < schema_.customer_traits.size() &&
         schema_.TraitAt(static_cast<int>(at)).type != Type::kText;
}

bool Traits::LoadFromSnapshot(std::size_t at) const {
  const int trait = names_.TraitOf(static_cast<int>(at));
  if (!MayBeInSnapshot(at) || !snapshot_.Has(trait)) {
    return false;
  }
  std::vector<double>& column = columns_[at];
  const bool read = snapshot_.Read(trait, column, [&](CustomerIndex customer) {
    const std::optional<Stored> state = Load(customer, trait);
    PutInColumn(customer, trait, state ? state->value : Value());
  });
  if (!read) {
    column.assign(column.size(), kMissing);
  }
  return read;
}

void Traits::Snapshot() {
  if (!snapshot_.IsStale()) {
    return;
  }
  snapshot_.Drop();
  for (std::size_t at = 0; at < columns_.size(); ++at) {
    if (loaded_[at] && MayBeInSnapshot(at)) {
      const bool texts = schema_.TraitAt(static_cast<int>(at)).type == Type::kChoice;
      snapshot_.Store(names_.TraitOf(static_cast<int>(at)), texts, columns_[at]);
    }
  }
}

void Traits::PutInColumn(CustomerIndex customer, int trait, const Value& value) const {
  const int at = names_.SchemaTrait(trait);
  if (at >= 0 && loaded_[static_cast<std::size_t>(at)]) {
    const CustomerIndex row = IsAccount(customer) ? customer - kFirstAccount : customer;
    if (row >= columns_[static_cast<std::size_t>(at)].size()) {
      throw std::runtime_error("state file " + db_.path() +
                               ": a trait is of somebody who is not there. Restore a backup.");
    }
    columns_[static_cast<std::size_t>(at)][row] =
        IsMissing(value) ? kMissing : ValueToDouble(names_.TraitType(trait), value, pool_);
  }
}

std::optional<Traits::Stored> Traits::Load(CustomerIndex customer, int trait) const {
  Statement find = db_.Prepare(
      "SELECT value, since, newest, sequence, source FROM ledger_trait WHERE customer = ? AND "
      "trait = ?");
  find.Bind(1, static_cast<std::int64_t>(customer)).Bind(2, static_cast<std::int64_t>(trait));
  if (!find.Step()) {
    return std::nullopt;
  }
  return Stored{ReadValue(find, 0, names_.TraitType(trait)), find.Int(1), find.Int(2),
                static_cast<Sequence>(find.Int(3)), find.Text(4)};
}

void Traits::Store(CustomerIndex customer, int trait, const Stored& state) {
  Statement put = db_.Prepare(
      "INSERT OR REPLACE INTO ledger_trait(customer, trait, value, since, newest, sequence, "
      "source) "
      "VALUES (?, ?, ?, ?, ?, ?, ?)");
  put.Bind(1, static_cast<std::int64_t>(customer)).Bind(2, static_cast<std::int64_t>(trait));
  BindValue(put, 3, state.value);
  put.Bind(4, state.since).Bind(5, state.newest).Bind(6, static_cast<std::int64_t>(state.sequence));
  put.Bind(7, state.source).Run();
  Changed(customer, trait);
  PutInColumn(customer, trait, state.value);
}

void Traits::Changed(CustomerIndex customer, int trait) {
  snapshot_.Changed(customer, trait);
  read_.erase(ReadKey(customer, trait));
}

bool Traits::IsOwnNo(const Stored& state) {
  return state.source == kOwnAnswer && state.value == kNo;
}

// Whether what is known stays as it is.
bool Traits::StandsAgainst(const Stored& known, const Change& change) const {
  if (consent_.contains(change.trait)) {
    const bool own = change.source == kOwnAnswer;
    if (!own && IsOwnNo(known)) {
      return true;
    }
    if (own && (known.source == kOwnAnswer ? change.in_order : change.value == kNo)) {
      return false;
    }
    // Of two that were said at one time the stricter one stays: after a merge a row that lost may
    // be read again with the very time that the stricter value took over from it.
    if (known.value == kNo && change.value != kNo && change.time <= known.newest) {
      return true;
    }
  }
  return std::pair(change.time, change.sequence) < std::pair(known.newest, known.sequence);
}

Intake Traits::Set(const Change& change) {
  const std::optional<Stored> known = Load(change.customer, change.trait);
  if (known && StandsAgainst(*known, change)) {
    return Intake::kOlder;
  }
  Stored state{change.value, change.time, change.time, change.sequence, change.source};
  // Said again: it has this value since then, but only an even newer change may replace it.
  const bool same = known ? known->value == change.value : IsMissing(change.value);
  if (known && same) {
    state.since = known->since;
    // Who says no themselves says more than the export that said it before.
    state.source = change.source == kOwnAnswer ? change.source : known->source;
    // And an export that repeats what they said makes it no newer: a no that they said in between
    // may still be on its way.
    if (state.source != change.source && state.source == kOwnAnswer &&
        consent_.contains(change.trait)) {
      state.newest = known->newest;
      state.sequence = known->sequence;
    }
  }
  Store(change.customer, change.trait, state);
  return same ? Intake::kNoChange : Intake::kNew;
}

void Traits::DeleteWaiting(Sequence sequence) {
  db_.Prepare("DELETE FROM ledger_waiting_trait WHERE sequence = ?")
      .Bind(1, static_cast<std::int64_t>(sequence))
      .Run();
}

Intake Traits::Wait(Change change) {
  const WaitingKey key(change.time, change.customer, change.trait);
  if (const auto found = waiting_.find(key); found != waiting_.end()) {
    if (found->second.value == change.value) {
      return Intake::kNoChange;
    }
    DeleteWaiting(found->second.sequence);
    waiting_.erase(found);
  }
  Statement put = db_.Prepare(
      "INSERT INTO ledger_waiting_trait(sequence, time, customer, trait, value, source) VALUES (?, "
      "?, ?, ?, ?, ?)");
  put.Bind(1, static_cast<std::int64_t>(change.sequence)).Bind(2, change.time);
  put.Bind(3, static_cast<std::int64_t>(change.customer))
      .Bind(4, static_cast<std::int64_t>(change.trait));
  BindValue(put, 5, change.value);
  put.Bind(6, change.source).Run();
  waiting_.emplace(key, std::move(change));
  return Intake::kNew;
}

void Traits::Release(std::int64_t now, const std::function<void(const Change&)>& changed) {
  while (AnyDue(now)) {
    Change change = std::move(waiting_.begin()->second);
    waiting_.erase(waiting_.begin());
    DeleteWaiting(change.sequence);
    if (!IsAccount(change.customer)) {
      change.customer = customers_.Survivor(change.customer);
    }
    if (Set(change) == Intake::kNew) {
      changed(change);
    }
  }
}

std::vector<std::pair<int, Traits::Stored>> Traits::LoadAll(CustomerIndex customer) const {
  std::vector<std::pair<int, Stored>> all;
  Statement rows = db_.Prepare(
      "SELECT trait, value, since, newest, sequence, source FROM ledger_trait WHERE customer = ? "
      "ORDER BY trait");
  rows.Bind(1, static_cast<std::int64_t>(customer));
  while (rows.Step()) {
    const auto trait = static_cast<int>(rows.Int(0));
    all.emplace_back(trait, Stored{ReadValue(rows, 1, names_.TraitType(trait)), rows.Int(2),
                                   rows.Int(3), static_cast<Sequence>(rows.Int(4)), rows.Text(5)});
  }
  return all;
}

Traits::Stored Traits::Combine(int trait, const Stored& a, const Stored& b) const {
  const bool a_newer = std::pair(a.newest, a.sequence) > std::pair(b.newest, b.sequence);
  const Stored& newer = a_newer ? a : b;
  const Stored& older = a_newer ? b : a;
  Stored result = newer;
  if (consent_.contains(trait)) {
    // The stricter one stays; with neither a no, a yes is stricter than nothing said.  Of two that
    // say no it is the customer's own.
    if ((newer.value != kNo && (older.value == kNo || IsMissing(newer.value))) ||
        (IsOwnNo(older) && !IsOwnNo(newer))) {
      result.value = older.value;
      result.since = older.since;
      result.source = older.source;
    }
  }
  return result;
}

void Traits::Merge(CustomerIndex survivor, CustomerIndex other) {
  for (auto& [trait, state] : LoadAll(other)) {
    const std::optional<Stored> own = Load(survivor, trait);
    Store(survivor, trait, own ? Combine(trait, *own, state) : state);
    PutInColumn(other, trait, {});
    Changed(other, trait);
  }
  db_.Prepare("DELETE FROM ledger_trait WHERE customer = ?")
      .Bind(1, static_cast<std::int64_t>(other))
      .Run();
}

void Traits::Erase(CustomerIndex customer) {
  snapshot_.Drop();  // Nothing of them stays.
  read_.clear();
  for (std::size_t i = 0; i < schema_.customer_traits.size(); ++i) {
    if (loaded_[i]) {
      columns_[i][customer] = kMissing;
    }
  }
  db_.Prepare("DELETE FROM ledger_trait WHERE customer = ?")
      .Bind(1, static_cast<std::int64_t>(customer))
      .Run();
  for (auto at = waiting_.begin(); at != waiting_.end();) {
    if (at->second.customer == customer) {
      DeleteWaiting(at->second.sequence);
      at = waiting_.erase(at);
    } else {
      ++at;
    }
  }
}

void Traits::EraseFromAccounts(std::string_view key) {
  std::vector<std::pair<CustomerIndex, int>> named;
  Statement find =
      db_.Prepare("SELECT customer, trait FROM ledger_trait WHERE customer >= ? AND value = ?");
  find.Bind(1, std::int64_t{kFirstAccount}).Bind(2, key);
  while (find.Step()) {
    named.emplace_back(static_cast<CustomerIndex>(find.Int(0)), static_cast<int>(find.Int(1)));
  }
  find.Reset();
  for (const auto& [account, trait] : named) {
    Stored state = Load(account, trait).value_or(Stored());
    state.value = Value();
    Store(account, trait, state);
  }
  for (auto at = waiting_.begin(); at != waiting_.end();) {
    const auto* text = std::get_if<std::string>(&at->second.value);
    if (IsAccount(at->second.customer) && text != nullptr && *text == key) {
      DeleteWaiting(at->second.sequence);
      at = waiting_.erase(at);
    } else {
      ++at;
    }
  }
}

std::vector<std::pair<std::string, CustomerIndex>> Traits::CustomersWhoseTextIs(
    int schema_trait, const std::set<std::string>& wanted) const {
  std::vector<std::pair<std::string, CustomerIndex>> found;
  Statement all = db_.Prepare("SELECT customer, value FROM ledger_trait WHERE trait = ?");
  all.Bind(1, std::int64_t{names_.TraitOf(schema_trait)});
  while (all.Step()) {
    const auto customer = static_cast<CustomerIndex>(all.Int(0));
    if (std::string text = all.IsNull(1) ? std::string() : ToLower(all.Text(1));
        !IsAccount(customer) && wanted.contains(text)) {
      found.emplace_back(std::move(text), customer);
    }
  }
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a.second < b.second; });
  return found;
}

const TraitState* Traits::Get(CustomerIndex customer, int schema_trait) const {
  const int trait = names_.TraitOf(schema_trait);
  const std::uint64_t key = ReadKey(customer, trait);
  if (const auto found = read_.find(key); found != read_.end()) {
    return found->second.since == kNeverSaid ? nullptr : &found->second;
  }
  const std::optional<Stored> state = Load(customer, trait);
  if (!state) {
    read_.emplace(key, TraitState{{}, kNeverSaid, ""});
    return nullptr;
  }
  return &read_.emplace(key, TraitState{state->value, FromMicros(state->since), state->source})
              .first->second;
}

}  // namespace segue
