#include "pipeline/erasure.h"

#include <vector>

#include <fmt/format.h>

#include "base/hash.h"
#include "pipeline/host.h"

namespace segue {
namespace {

constexpr std::string_view kErasureTables = R"(
CREATE TABLE erasure(
  id INTEGER PRIMARY KEY,
  who TEXT NOT NULL,      -- SHA-256 of the key
  at INTEGER NOT NULL,
  note TEXT NOT NULL
) STRICT;
)";

std::string AddressOf(State& state, CustomerIndex customer) {
  const std::optional<int> email = state.workspace().email_trait;
  const TraitState* trait = email ? state.ledger().Trait(customer, *email) : nullptr;
  const auto* text = trait == nullptr ? nullptr : std::get_if<std::string>(&trait->value);
  return text == nullptr ? std::string() : *text;
}

struct SearchedColumn {
  std::string table, name;
};

// Whose a row is, as SQL; NULL where the table does not say.
std::string OwnerIn(const std::vector<SearchedColumn>& columns, const std::string& table) {
  std::string owner = "NULL";
  for (const SearchedColumn& column : columns) {
    if (column.table == table && column.name == "customer") {
      return "customer";
    }
    if (column.table == table && column.name == "delivery") {
      owner = "(SELECT customer FROM outbox WHERE outbox.id = delivery)";
    }
  }
  return owner;
}

// Rows that fulfil the condition, but for those of customers who live.
std::int64_t CountCells(State& state, const std::string& table, const std::string& owner,
                        const std::string& condition, std::string_view value) {
  Statement count = state.db().Prepare(
      fmt::format(R"(SELECT {}, count(*) FROM "{}" WHERE {} GROUP BY 1)", owner, table, condition));
  count.Bind(1, value);
  std::int64_t cells = 0;
  while (count.Step()) {
    const bool of_living =
        !count.IsNull(0) && state.ledger().IsAlive(static_cast<CustomerIndex>(count.Int(0)));
    cells += of_living ? 0 : count.Int(1);
  }
  return cells;
}

// Of the customer, and of all who became one with them: the customer's own comes first.
std::vector<std::string> KeysOf(const Ledger& ledger, CustomerIndex customer) {
  std::vector<std::string> keys = {ledger.CustomerKey(customer)};
  for (CustomerIndex one = 0; one < ledger.customer_count(); ++one) {
    if (one != customer && ledger.Survivor(one) == customer) {
      keys.push_back(ledger.CustomerKey(one));
    }
  }
  return keys;
}

void Search(State& state, ErasureProof& proof) {
  for (const std::string& key : proof.keys) {
    proof.key_cells += state.ledger().CountPackedKeys(key);
  }
  std::vector<SearchedColumn> columns;
  Statement list = state.db().Prepare(
      "SELECT m.name, c.name FROM sqlite_schema m, pragma_table_info(m.name) c "
      "WHERE m.type = 'table' ORDER BY m.name, c.cid");
  std::string last;
  while (list.Step()) {
    columns.push_back({list.Text(0), list.Text(1)});
    proof.tables += columns.back().table == last ? 0 : 1;
    last = columns.back().table;
  }
  for (const SearchedColumn& column : columns) {
    const std::string owner = OwnerIn(columns, column.table);
    // A key is kept as text: a row's number that reads the same is not the key.
    const std::string is_key = fmt::format(R"(typeof("{0}") = 'text' AND "{0}" = ?)", column.name);
    for (const std::string& key : proof.keys) {
      proof.key_cells += CountCells(state, column.table, owner, is_key, key);
    }
    if (!proof.address.empty()) {
      proof.address_cells +=
          CountCells(state, column.table, owner, fmt::format(R"(instr("{}", ?) > 0)", column.name),
                     proof.address);
    }
  }
}

}  // namespace

KnownCounts CountKnown(State& state, CustomerIndex customer) {
  KnownCounts counts;
  const auto traits = static_cast<int>(state.workspace().schema.customer_traits.size());
  for (int trait = 0; trait < traits; ++trait) {
    counts.traits += state.ledger().Trait(customer, trait) != nullptr ? 1 : 0;
  }
  counts.events = static_cast<std::int64_t>(
      state.ledger().Timeline(customer, -1, TimePoint::min(), TimePoint::max()).size());
  const auto rows = [&](std::string_view sql) {
    Statement count = state.db().Prepare(sql);
    count.Bind(1, static_cast<std::int64_t>(customer));
    return count.Step() ? count.Int(0) : 0;
  };
  counts.moves = rows("SELECT count(*) FROM move WHERE customer = ? AND why <> ''");
  counts.deliveries = rows("SELECT count(*) FROM outbox WHERE customer = ?");
  return counts;
}

void HideSuppressions(State& state, CustomerIndex customer) {
  Database& db = state.db();
  // Their keys come in never again.
  for (const std::string& key : KeysOf(state.ledger(), customer)) {
    db.Prepare("DELETE FROM suppression WHERE who = ?").Bind(1, SuppressedName(key)).Run();
  }
  const std::string address = AddressOf(state, customer);
  db.Prepare("UPDATE OR REPLACE suppression SET who = ? WHERE who = ?")
      .Bind(1, HiddenName(db, address))
      .Bind(2, SuppressedName(address))
      .Run();
}

ErasureProof EraseCustomer(State& state, CustomerIndex customer, std::string_view note,
                           TimePoint now) {
  ErasureProof proof;
  proof.keys = KeysOf(state.ledger(), customer);
  proof.address = AddressOf(state, customer);
  proof.before = CountKnown(state, customer);
  state.db().Ensure("erasure", kErasureTables);
  {
    // One commit: the proof is of what was done.
    Transaction work(state.db());
    Statement keep = state.db().Prepare("INSERT INTO erasure(who, at, note) VALUES (?, ?, ?)");
    keep.Bind(1, Sha256Hex(proof.keys.front())).Bind(2, ToMicros(now)).Bind(3, note).Run();
    Cycle cycle(state, nullptr);
    cycle.EraseAtOnce(proof.keys.front(), now);
    work.Commit();
  }
  state.ledger().Seal();
  state.Snapshot();
  {
    Statement checkpoint = state.db().Prepare("PRAGMA wal_checkpoint(TRUNCATE)");
    while (checkpoint.Step()) {
    }
  }
  proof.after = CountKnown(state, customer);
  Search(state, proof);
  return proof;
}

}  // namespace segue
