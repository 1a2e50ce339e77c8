// Accounts: their keys, and which customers belong to each.
//
// An account is there as soon as something names it, and stays.  Who belongs to it is what one text
// trait of customers says (keys.account); the lists here follow that trait.

#pragma once

#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "domain/fact.h"
#include "domain/text_pool.h"
#include "ledger/customers.h"
#include "store/database.h"

namespace segue {

// Accounts are named by their numbers from kFirstAccount on.
class Accounts {
 public:
  // Reads the keys.  Requires: db outlives it.
  explicit Accounts(Database& db);

  CustomerIndex count() const { return static_cast<CustomerIndex>(keys_.size()); }

  std::optional<CustomerIndex> Find(std::string_view key) const;
  CustomerIndex Intern(std::string_view key);

  const std::string& Key(CustomerIndex account) const { return keys_[account - kFirstAccount]; }

  // `column`: for each customer the number of their account's key in the pool, or NaN.
  void Follow(std::span<const double> column, const TextPool& pool, const Customers& customers);

  std::optional<CustomerIndex> Of(CustomerIndex customer) const;
  // Alive, ascending.
  std::span<const CustomerIndex> Members(CustomerIndex account) const;

 private:
  static constexpr CustomerIndex kNone = 0;  // No account has this number.

  Database& db_;
  std::deque<std::string> keys_;  // A deque: the map's keys point into it.
  std::unordered_map<std::string_view, CustomerIndex> by_key_;
  std::vector<CustomerIndex> of_;                    // By customer.
  std::vector<std::vector<CustomerIndex>> members_;  // By account.
};

}  // namespace segue
