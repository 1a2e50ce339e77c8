// Keys, merges and erasures of customers.

#include "ledger/customers.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <numeric>
#include <set>
#include <stdexcept>

#include "base/check.h"
#include "base/parallel.h"
#include "base/room.h"
#include "ledger/sealed.h"

namespace segue {

namespace {

constexpr CustomerIndex kNobody = ~CustomerIndex{0};
constexpr std::string_view kCustomersStored = "ledger.customers";  // Setting: how many.
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

Customers::Customers(Database& db, std::string_view secret, std::size_t per_block)
    : db_(db),
      secret_(secret),
      hash_key_(HashKeyFromHex(secret)),
      per_block_(static_cast<CustomerIndex>(per_block)) {
  Statement size = db_.Prepare(
      "SELECT (SELECT count(*) FROM ledger_customer_block), count(*) FROM ledger_customer");
  SEGUE_CHECK(size.Step());
  const std::size_t known =
      static_cast<std::size_t>(size.Int(0)) * per_block + static_cast<std::size_t>(size.Int(1));
  keys_.reserve(WithRoom(known));
  survivors_.reserve(WithRoom(known));
  Statement blocks = db_.Prepare("SELECT first, keys FROM ledger_customer_block ORDER BY first");
  while (blocks.Step()) {
    Unpack(static_cast<CustomerIndex>(blocks.Int(0)), blocks.BlobView(1));
  }
  packed_ = count();
  Statement rows = db_.Prepare("SELECT id, key FROM ledger_customer ORDER BY id");
  while (rows.Step()) {
    if (rows.Int(0) != static_cast<std::int64_t>(count())) {
      Damaged("the keys of customers from " + std::to_string(count()) + " on are missing");
    }
    keys_.push_back(rows.Text(1));
    erased_.push_back(rows.IsNull(1));
  }
  stored_ = count();
  const std::optional<std::string> known_before = db_.GetSetting(kCustomersStored);
  if (known_before && std::stoull(*known_before) > count()) {
    // Whoever comes next would get their number, and with it their address and consent.
    Damaged("of " + *known_before + " customers' keys " + std::to_string(count()) + " are there");
  }
  if (known_before != std::to_string(count())) {
    // An older program, which does not write down how many there are, added some.
    db_.SetSetting(kCustomersStored, std::to_string(count()));
  }
  survivors_.resize(count());
  std::iota(survivors_.begin(), survivors_.end(), CustomerIndex{0});
  LoadMerges();
  EnterAll();
  Statement erased = db_.Prepare("SELECT hash FROM ledger_erased");
  while (erased.Step()) {
    erased_hashes_.insert(erased.Text(0));
  }
}

void Customers::Damaged(const std::string& what) const {
  throw std::runtime_error("state file " + db_.path() + ": " + what + ". Restore a backup.");
}

void Customers::LoadMerges() {
  Statement merged = db_.Prepare("SELECT customer, survivor FROM ledger_merged ORDER BY customer");
  while (merged.Step()) {
    // The survivor of two is always the smaller one.
    if (merged.Int(1) < 0 || merged.Int(1) >= merged.Int(0) || merged.Int(0) >= count()) {
      Damaged("the merge of customer " + std::to_string(merged.Int(0)) + " is damaged");
    }
    const auto customer = static_cast<CustomerIndex>(merged.Int(0));
    survivors_[customer] = static_cast<CustomerIndex>(merged.Int(1));
    merged_[survivors_[customer]].push_back(customer);
  }
  for (const auto& [survivor, others] : merged_) {
    if (survivors_[survivor] != survivor) {
      Damaged("the merge of customer " + std::to_string(survivor) + " is damaged");
    }
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
  InRanges(keys_.size(), kKeysHashedAtOnce, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
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

CustomerIndex Customers::Append(std::string_view key) {
  const std::uint64_t hash = KeyedHash(hash_key_, key);
  if (const auto found = FindHashed(hash, key)) {
    return *found;
  }
  const CustomerIndex index = count();
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
  const CustomerIndex customer = Append(key);
  Store();
  return customer;
}

// Whole blocks, and a row for each of the rest.
void Customers::Store() {
  if (stored_ == count()) {
    return;
  }
  db_.SetSetting(kCustomersStored, std::to_string(count()));
  const CustomerIndex before = packed_;
  for (; count() - packed_ >= per_block_; packed_ += per_block_) {
    db_.Prepare("INSERT INTO ledger_customer_block(first, keys) VALUES (?, ?)")
        .Bind(1, static_cast<std::int64_t>(packed_))
        .BindBlob(2, Packed(packed_))
        .Run();
  }
  if (before != packed_) {
    db_.Execute("DELETE FROM ledger_customer");
  }
  for (CustomerIndex customer = std::max(stored_, packed_); customer < count(); ++customer) {
    db_.Prepare("INSERT INTO ledger_customer(id, key) VALUES (?, ?)")
        .Bind(1, static_cast<std::int64_t>(customer))
        .Bind(2, keys_[customer])
        .Run();
  }
  stored_ = count();
}

std::string Customers::Packed(CustomerIndex first) const {
  std::vector<std::string_view> keys;
  for (CustomerIndex customer = first; customer < first + per_block_; ++customer) {
    keys.push_back(erased_[customer] ? std::string_view() : std::string_view(keys_[customer]));
  }
  ByteWriter out;
  WriteTexts(out, keys);
  return Sealed(out);
}

TextColumn Customers::Keys(CustomerIndex first, std::string_view bytes) const {
  const std::optional<std::string_view> body = Unsealed(bytes);
  ByteReader in(body.value_or(std::string_view()));
  TextColumn keys = ReadTexts(in, per_block_);
  if (!body || in.failed() || in.left() != 0) {
    Damaged("the keys of customers from " + std::to_string(first) + " on are damaged");
  }
  return keys;
}

void Customers::Unpack(CustomerIndex first, std::string_view bytes) {
  if (first != count()) {
    Damaged("the keys of customers from " + std::to_string(count()) + " on are missing");
  }
  const TextColumn keys = Keys(first, bytes);
  for (const std::uint32_t index : keys.index) {
    erased_.push_back(index == TextColumn::kNoText);
    keys_.push_back(erased_.back() ? std::string() : keys.texts[index]);
  }
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
  InRanges(keys.size(), kKeysHashedAtOnce,
           [&](std::size_t begin, std::size_t end) { FindSome(keys, begin, end, all); });
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (all[i] == kNobody) {
      all[i] = Append(keys[i]);
    }
  }
  Store();
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
    db_.Prepare("INSERT OR REPLACE INTO ledger_merged(customer, survivor) VALUES (?, ?)")
        .Bind(1, static_cast<std::int64_t>(member))
        .Bind(2, static_cast<std::int64_t>(survivor))
        .Run();
  }
  // A restart reads them in this order too.
  std::sort(into.begin(), into.end());
}

void Customers::Erase(CustomerIndex survivor) {
  const std::vector<CustomerIndex> members = Members(survivor);
  std::set<CustomerIndex> blocks;
  for (const CustomerIndex member : members) {
    const std::string hash = HmacSha256Hex(secret_, keys_[member]);
    std::fill(keys_[member].begin(), keys_[member].end(), '\0');
    keys_[member] = std::string();  // Its place in the table stays, and matches no key.
    erased_[member] = true;
    erased_hashes_.insert(hash);
    db_.Prepare("INSERT OR IGNORE INTO ledger_erased(hash) VALUES (?)").Bind(1, hash).Run();
    if (member < packed_) {
      blocks.insert(member / per_block_ * per_block_);
    } else {
      db_.Prepare("UPDATE ledger_customer SET key = NULL WHERE id = ?")
          .Bind(1, static_cast<std::int64_t>(member))
          .Run();
    }
  }
  for (const CustomerIndex first : blocks) {
    db_.Prepare("UPDATE ledger_customer_block SET keys = ? WHERE first = ?")
        .BindBlob(1, Packed(first))
        .Bind(2, static_cast<std::int64_t>(first))
        .Run();
  }
}

std::int64_t Customers::CountPacked(std::string_view key) const {
  std::int64_t found = 0;
  Statement blocks = db_.Prepare("SELECT first, keys FROM ledger_customer_block");
  while (blocks.Step()) {
    const TextColumn keys = Keys(static_cast<CustomerIndex>(blocks.Int(0)), blocks.BlobView(1));
    found += std::count(keys.texts.begin(), keys.texts.end(), key);
  }
  return found;
}

}  // namespace segue
