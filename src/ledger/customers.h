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
#include <boost/unordered/unordered_flat_set.hpp>

#include "base/hash.h"
#include "domain/fact.h"
#include "store/database.h"

namespace segue {

class Customers {
 public:
  // `secret` keys the hashes: of the table in memory and of erased keys.  Requires: db outlives it.
  Customers(Database& db, std::string_view secret);
  Customers(const Customers&) = delete;  // The table points back here.
  Customers& operator=(const Customers&) = delete;

  CustomerIndex count() const { return static_cast<CustomerIndex>(keys_.size()); }

  // The customer of exactly this key, merged or not.
  std::optional<CustomerIndex> Find(std::string_view key) const;
  CustomerIndex Intern(std::string_view key);
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

 private:
  struct Hash {
    using is_transparent = void;
    const Customers* owner;

    std::size_t operator()(std::string_view key) const { return KeyedHash(owner->hash_key_, key); }

    std::size_t operator()(CustomerIndex index) const { return (*this)(owner->keys_[index]); }
  };

  struct Equal {
    using is_transparent = void;
    const Customers* owner;

    bool operator()(CustomerIndex a, CustomerIndex b) const { return a == b; }

    bool operator()(std::string_view key, CustomerIndex index) const {
      return owner->keys_[index] == key;
    }

    bool operator()(CustomerIndex index, std::string_view key) const {
      return owner->keys_[index] == key;
    }
  };

  Database& db_;
  std::string secret_;
  HashKey hash_key_;
  std::vector<std::string> keys_;
  std::vector<CustomerIndex> survivors_;
  std::vector<bool> erased_;
  boost::unordered_flat_map<CustomerIndex, std::vector<CustomerIndex>>
      merged_;  // Survivor to the others.
  boost::unordered_flat_set<CustomerIndex, Hash, Equal> by_key_;
  std::unordered_set<std::string> erased_hashes_;
};

// The 128 bits behind 32 hex digits.
HashKey HashKeyFromHex(std::string_view hex);

}  // namespace segue
