// Keys, merges and erasures of customers.

#include "ledger/customers.h"

#include <algorithm>
#include <bit>
#include <charconv>

#include "base/check.h"
#include "base/parallel.h"
#include "base/room.h"

namespace segue {

namespace {

constexpr CustomerIndex kNobody = ~CustomerIndex{0};
constexpr std::size_t kKeysHashedAtOnce = 16 * 1024;
// Keys whose places are on their way from memory.
constexpr std::size_t kKeysFetchedAhead = 12;

CustomerIndex NumberIn(std::uint64_t slot) {
  return static_cast<CustomerIndex>(slot & 0xffffffffU) - 1;
}

}  // namespace

HashKey HashKeyFromHex(std::string_view hex) {
  HashKey key;
  std::from_chars(hex.data(), hex.data() + std::min<std::size_t>(16, hex.size()), key.low, 16);
  if (hex.size() > 16) {
    std::from_chars(hex.data() + 16, hex.data() + hex.size(), key.high, 16);
  }
  return key;
}

Customers::Customers(Database& db, std::string_view secret)
    : db_(db), secret_(secret), hash_key_(HashKeyFromHex(secret)) {
  Statement size = db_.Prepare("SELECT coalesce(max(id) + 1, 0) FROM ledger_customer");
  const auto known = size.Step() ? static_cast<std::size_t>(size.Int(0)) : 0;
  keys_.reserve(WithRoom(known));
  survivors_.reserve(WithRoom(known));
  Statement all = db_.Prepare("SELECT id, key, survivor FROM ledger_customer ORDER BY id");
  while (all.Step()) {
    const auto index = static_cast<CustomerIndex>(keys_.size());
    SEGUE_CHECK(all.Int(0) == static_cast<std::int64_t>(index));
    keys_.push_back(all.Text(1));
    erased_.push_back(all.IsNull(1));
    survivors_.push_back(static_cast<CustomerIndex>(all.Int(2)));
    if (survivors_.back() != index) {
      merged_[survivors_.back()].push_back(index);
    }
  }
  EnterAll();
  Statement erased = db_.Prepare("SELECT hash FROM ledger_erased");
  while (erased.Step()) {
    erased_hashes_.insert(erased.Text(0));
  }
}

std::size_t Customers::SlotOf(std::uint64_t hash, std::string_view key) const {
  const std::size_t mask = table_.size() - 1;
  std::size_t slot = hash & mask;
  while (table_[slot] != 0 &&
         (table_[slot] >> 32U != hash >> 32U || keys_[NumberIn(table_[slot])] != key)) {
    slot = (slot + 1) & mask;
  }
  return slot;
}

std::optional<CustomerIndex> Customers::FindHashed(std::uint64_t hash, std::string_view key) const {
  const std::uint64_t found = table_[SlotOf(hash, key)];
  return found == 0 ? std::nullopt : std::optional(NumberIn(found));
}

std::optional<CustomerIndex> Customers::Find(std::string_view key) const {
  // An erased key is empty, and nobody is called so.
  return key.empty() ? std::nullopt : FindHashed(KeyedHash(hash_key_, key), key);
}

void Customers::Enter(std::uint64_t hash, CustomerIndex customer) {
  table_[SlotOf(hash, keys_[customer])] = (hash >> 32U << 32U) | (customer + 1);
  ++used_;
}

// Everybody anew, in a table that is at most half full.
void Customers::EnterAll() {
  const std::size_t size = std::bit_ceil(std::max<std::size_t>(64, keys_.size() * 2 + 2));
  table_.assign(size, 0);
  used_ = 0;
  std::vector<std::uint64_t> hashes(keys_.size());
  InParallel((keys_.size() + kKeysHashedAtOnce - 1) / kKeysHashedAtOnce, [&](std::size_t part) {
    const std::size_t end = std::min(keys_.size(), (part + 1) * kKeysHashedAtOnce);
    for (std::size_t i = part * kKeysHashedAtOnce; i < end; ++i) {
      hashes[i] = KeyedHash(hash_key_, keys_[i]);
    }
  });
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    if (i + kKeysFetchedAhead < keys_.size()) {
      __builtin_prefetch(&table_[hashes[i + kKeysFetchedAhead] & (size - 1)]);
    }
    if (!erased_[i]) {
      Enter(hashes[i], static_cast<CustomerIndex>(i));
    }
  }
}

CustomerIndex Customers::InternHashed(std::uint64_t hash, std::string_view key) {
  if (const auto found = FindHashed(hash, key)) {
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
  if (used_ + 1 > table_.size() / 8 * 5) {
    EnterAll();
  } else {
    Enter(hash, index);
  }
  return index;
}

CustomerIndex Customers::Intern(std::string_view key) {
  return InternHashed(KeyedHash(hash_key_, key), key);
}

// Those of rows that stand next to each other, or kNobody.
void Customers::FindSome(const TextRows& keys, std::size_t begin, std::size_t end,
                         std::vector<CustomerIndex>& found) const {
  std::vector<std::uint64_t> hashes(end - begin);
  for (std::size_t i = begin; i < end; ++i) {
    hashes[i - begin] = KeyedHash(hash_key_, keys[i]);
  }
  const auto place = [&](std::size_t i) {
    return &table_[hashes[i - begin] & (table_.size() - 1)];
  };
  for (std::size_t i = begin; i < end; ++i) {
    if (i + 2 * kKeysFetchedAhead < end) {
      __builtin_prefetch(place(i + 2 * kKeysFetchedAhead));
    }
    // What stands at the first place is mostly who is meant.
    if (i + kKeysFetchedAhead < end && *place(i + kKeysFetchedAhead) != 0) {
      __builtin_prefetch(&keys_[NumberIn(*place(i + kKeysFetchedAhead))]);
    }
    if (i + kKeysFetchedAhead / 2 < end && *place(i + kKeysFetchedAhead / 2) != 0) {
      __builtin_prefetch(keys_[NumberIn(*place(i + kKeysFetchedAhead / 2))].data());
    }
    found[i] = FindHashed(hashes[i - begin], keys[i]).value_or(kNobody);
  }
}

std::vector<CustomerIndex> Customers::InternAll(const TextRows& keys) {
  std::vector<CustomerIndex> all(keys.size());
  InParallel((keys.size() + kKeysHashedAtOnce - 1) / kKeysHashedAtOnce, [&](std::size_t part) {
    const std::size_t begin = part * kKeysHashedAtOnce;
    FindSome(keys, begin, std::min(keys.size(), begin + kKeysHashedAtOnce), all);
  });
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (all[i] == kNobody) {
      all[i] = Intern(keys[i]);
    }
  }
  return all;
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
    std::fill(keys_[member].begin(), keys_[member].end(), '\0');
    keys_[member] = std::string();  // Its place in the table stays, and matches no key.
    erased_[member] = true;
    erased_hashes_.insert(hash);
    db_.Prepare("INSERT OR IGNORE INTO ledger_erased(hash) VALUES (?)").Bind(1, hash).Run();
    db_.Prepare("UPDATE ledger_customer SET key = NULL WHERE id = ?")
        .Bind(1, static_cast<std::int64_t>(member))
        .Run();
  }
}

}  // namespace segue
