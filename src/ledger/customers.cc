// Keys, merges and erasures of customers.

#include "ledger/customers.h"

#include <algorithm>
#include <charconv>

#include "base/check.h"

namespace segue {

HashKey HashKeyFromHex(std::string_view hex) {
  HashKey key;
  std::from_chars(hex.data(), hex.data() + std::min<std::size_t>(16, hex.size()), key.low, 16);
  if (hex.size() > 16) {
    std::from_chars(hex.data() + 16, hex.data() + hex.size(), key.high, 16);
  }
  return key;
}

Customers::Customers(Database& db, std::string_view secret)
    : db_(db),
      secret_(secret),
      hash_key_(HashKeyFromHex(secret)),
      by_key_(0, Hash{this}, Equal{this}) {
  Statement size = db_.Prepare("SELECT coalesce(max(id) + 1, 0) FROM ledger_customer");
  const auto known = size.Step() ? static_cast<std::size_t>(size.Int(0)) : 0;
  keys_.reserve(known);
  survivors_.reserve(known);
  by_key_.reserve(known);
  Statement all = db_.Prepare("SELECT id, key, survivor FROM ledger_customer ORDER BY id");
  while (all.Step()) {
    const auto index = static_cast<CustomerIndex>(keys_.size());
    SEGUE_CHECK(all.Int(0) == static_cast<std::int64_t>(index));
    keys_.push_back(all.Text(1));
    erased_.push_back(all.IsNull(1));
    survivors_.push_back(static_cast<CustomerIndex>(all.Int(2)));
    if (!erased_.back()) {
      by_key_.insert(index);
    }
    if (survivors_.back() != index) {
      merged_[survivors_.back()].push_back(index);
    }
  }
  Statement erased = db_.Prepare("SELECT hash FROM ledger_erased");
  while (erased.Step()) {
    erased_hashes_.insert(erased.Text(0));
  }
}

std::optional<CustomerIndex> Customers::Find(std::string_view key) const {
  const auto found = by_key_.find(key);
  return found == by_key_.end() ? std::nullopt : std::optional(*found);
}

CustomerIndex Customers::Intern(std::string_view key) {
  if (const auto found = Find(key)) {
    return *found;
  }
  const CustomerIndex index = count();
  db_.Prepare("INSERT INTO ledger_customer(id, key, survivor) VALUES (?, ?, ?)")
      .Bind(1, static_cast<std::int64_t>(index))
      .Bind(2, key)
      .Bind(3, static_cast<std::int64_t>(index))
      .Run();
  keys_.emplace_back(key);
  survivors_.push_back(index);
  erased_.push_back(false);
  by_key_.insert(index);
  return index;
}

bool Customers::WasErased(std::string_view key) const {
  return !erased_hashes_.empty() && erased_hashes_.contains(HmacSha256Hex(secret_, key));
}

std::vector<CustomerIndex> Customers::Members(CustomerIndex survivor) const {
  std::vector<CustomerIndex> members = {survivor};
  if (const auto found = merged_.find(survivor); found != merged_.end()) {
    members.insert(members.end(), found->second.begin(), found->second.end());
  }
  return members;
}

void Customers::Merge(CustomerIndex survivor, CustomerIndex other) {
  SEGUE_CHECK(survivor < other && survivors_[survivor] == survivor && survivors_[other] == other);
  const std::vector<CustomerIndex> moved = Members(other);
  merged_.erase(other);
  std::vector<CustomerIndex>& into = merged_[survivor];
  for (const CustomerIndex member : moved) {
    survivors_[member] = survivor;
    into.push_back(member);
    db_.Prepare("UPDATE ledger_customer SET survivor = ? WHERE id = ?")
        .Bind(1, static_cast<std::int64_t>(survivor))
        .Bind(2, static_cast<std::int64_t>(member))
        .Run();
  }
  // A restart reads them in this order too.
  std::sort(into.begin(), into.end());
}

void Customers::Erase(CustomerIndex survivor) {
  for (const CustomerIndex member : Members(survivor)) {
    const std::string hash = HmacSha256Hex(secret_, keys_[member]);
    by_key_.erase(member);
    std::fill(keys_[member].begin(), keys_[member].end(), '\0');
    keys_[member] = std::string();
    erased_[member] = true;
    erased_hashes_.insert(hash);
    db_.Prepare("INSERT OR IGNORE INTO ledger_erased(hash) VALUES (?)").Bind(1, hash).Run();
    db_.Prepare("UPDATE ledger_customer SET key = NULL WHERE id = ?")
        .Bind(1, static_cast<std::int64_t>(member))
        .Run();
  }
}

}  // namespace segue
