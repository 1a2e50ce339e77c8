#include "ledger/accounts.h"

#include <cmath>
#include <cstdint>

#include "base/check.h"

namespace segue {
namespace {

constexpr std::string_view kAccountTables = R"sql(
CREATE TABLE ledger_account(id INTEGER PRIMARY KEY, key TEXT NOT NULL) STRICT;
)sql";

}  // namespace

Accounts::Accounts(Database& db) : db_(db) {
  db_.Ensure("ledger_account", kAccountTables);
  Statement all = db_.Prepare("SELECT id, key FROM ledger_account ORDER BY id");
  while (all.Step()) {
    SEGUE_CHECK(all.Int(0) == static_cast<std::int64_t>(keys_.size()));
    keys_.push_back(all.Text(1));
    by_key_.emplace(keys_.back(), kFirstAccount + count() - 1);
  }
}

std::optional<CustomerIndex> Accounts::Find(std::string_view key) const {
  const auto found = by_key_.find(key);
  return found == by_key_.end() ? std::nullopt : std::optional(found->second);
}

CustomerIndex Accounts::Intern(std::string_view key) {
  if (const auto found = Find(key)) {
    return *found;
  }
  db_.Prepare("INSERT INTO ledger_account(id, key) VALUES (?, ?)")
      .Bind(1, std::int64_t{count()})
      .Bind(2, key)
      .Run();
  keys_.emplace_back(key);
  const CustomerIndex account = kFirstAccount + count() - 1;
  by_key_.emplace(keys_.back(), account);
  return account;
}

void Accounts::Follow(std::span<const double> column, const TextPool& pool,
                      const Customers& customers) {
  std::unordered_map<std::uint32_t, CustomerIndex> by_code;
  of_.assign(column.size(), kNone);
  members_.assign(count(), {});
  for (std::size_t i = 0; i < column.size(); ++i) {
    const auto customer = static_cast<CustomerIndex>(i);
    if (std::isnan(column[i]) || !customers.IsAlive(customer)) {
      continue;
    }
    const auto code = static_cast<std::uint32_t>(column[i]);
    const auto [found, fresh] = by_code.try_emplace(code, kNone);
    if (fresh) {
      found->second = Find(pool.Text(code)).value_or(kNone);
    }
    if (found->second != kNone) {
      of_[i] = found->second;
      members_[found->second - kFirstAccount].push_back(customer);
    }
  }
}

std::optional<CustomerIndex> Accounts::Of(CustomerIndex customer) const {
  return customer >= of_.size() || of_[customer] == kNone ? std::nullopt
                                                          : std::optional(of_[customer]);
}

std::span<const CustomerIndex> Accounts::Members(CustomerIndex account) const {
  const std::size_t at = account - kFirstAccount;
  return at < members_.size() ? std::span<const CustomerIndex>(members_[at])
                              : std::span<const CustomerIndex>();
}

}  // namespace segue
