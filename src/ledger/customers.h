// The directory of customers: keys, merges and erasures.

#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include "base/hash.h"
#include "domain/event_rows.h"
#include "domain/fact.h"
#include "ledger/chunk.h"
#include "store/database.h"

namespace segue {

class Customers {
 public:
  // `secret` keys the hashes: of the table in memory and of erased keys.  `per_block`: so many keys
  // are kept together; always the same for one file.  Requires: db outlives it.
  Customers(Database& db, std::string_view secret, std::size_t per_block);

  CustomerIndex count() const { return static_cast<CustomerIndex>(keys_.size()); }

  // The customer of exactly this key, merged or not.
  std::optional<CustomerIndex> Find(std::string_view key) const;
  CustomerIndex Intern(std::string_view key);
  // The same of many: their places in memory are fetched ahead.
  std::vector<CustomerIndex> InternAll(const TextRows& keys);
  bool WasErased(std::string_view key) const;

  bool AnyErased() const { return !erased_hashes_.empty(); }

  const std::string& Key(CustomerIndex customer) const { return keys_[customer]; }

  CustomerIndex Survivor(CustomerIndex customer) const { return survivors_[customer]; }

  bool IsAlive(CustomerIndex customer) const {
    return survivors_[customer] == customer && !erased_[customer];
  }

  // Whether nobody was merged or erased.
  bool AllAlive() const { return merged_.empty() && erased_hashes_.empty(); }

  // All who are this person, the survivor first.
  std::vector<CustomerIndex> Members(CustomerIndex survivor) const;

  // Requires: two different survivors, `survivor` the smaller.
  void Merge(CustomerIndex survivor, CustomerIndex other);
  // Takes the keys of all members out of the file and of memory.
  void Erase(CustomerIndex survivor);
  // How many keys in blocks of the file are this one, read anew: the proof of an erasure.
  std::int64_t CountPacked(std::string_view key) const;

 private:
  // Where a key stands in the table, or would.
  std::size_t SlotOf(std::uint64_t hash, std::string_view key) const;
  void Enter(std::uint64_t hash, CustomerIndex customer);
  void EnterAll();
  std::optional<CustomerIndex> FindHashed(std::uint64_t hash, std::string_view key) const;
  void FindSome(const TextRows& keys, std::size_t begin, std::size_t end,
                std::vector<CustomerIndex>& found) const;
  // In memory only, until Store.
  CustomerIndex Append(std::string_view key);
  void Store();
  std::string Packed(CustomerIndex first) const;
  // Keys of a block; throws std::runtime_error when it is damaged.
  TextColumn Keys(CustomerIndex first, std::string_view bytes) const;
  void Unpack(CustomerIndex first, std::string_view bytes);
  void LoadMerges();
  [[noreturn]] void Damaged(const std::string& what) const;  // A std::runtime_error.

  Database& db_;
  std::string secret_;
  HashKey hash_key_;
  CustomerIndex per_block_;
  CustomerIndex packed_ = 0;  // So many are in blocks, …
  CustomerIndex stored_ = 0;  // … and so many in the file at all: the others in a row each.
  std::vector<std::string> keys_;
  std::vector<CustomerIndex> survivors_;
  std::vector<bool> erased_;
  boost::unordered_flat_map<CustomerIndex, std::vector<CustomerIndex>>
      merged_;  // Survivor to the others.
  // By key, with linear probing: the upper half of the hash, and the number plus 1; 0 is free.
  std::vector<std::uint64_t> table_;
  std::size_t used_ = 0;  // Of the table, those that erasure left empty too.
  std::unordered_set<std::string> erased_hashes_;
};

// The 128 bits behind 32 hex digits.
HashKey HashKeyFromHex(std::string_view hex);

}  // namespace segue
