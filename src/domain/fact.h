// A Fact: what a source says about a customer.  Facts go into the ledger and are never changed
// there.
//
// A fact counts from its own time on: one whose time lies ahead of `now` is stored and waits.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/time.h"
#include "domain/value.h"

namespace segue {

// Dense index of a customer, in the order of first sight.  It never changes and is never given to
// another.
using CustomerIndex = std::uint32_t;

// Accounts have the numbers from here on, so that whatever is kept by number (runs, moves,
// decisions) can be about either, and neither is ever taken for the other.  More customers than
// fit below fit into no memory.
constexpr CustomerIndex kFirstAccount = 0x8000'0000;

constexpr bool IsAccount(CustomerIndex who) {
  return who >= kFirstAccount;
}

// Position of a fact in the ledger, counted from 1 in the order of arrival.
using Sequence = std::uint64_t;

struct Event {
  int kind = 0;  // Index into Schema::events.
  std::string
      customer;  // The customer's key; never empty here: anonymous rows are counted by the source.
  TimePoint time;
  std::vector<Value> fields;  // One per Schema::events[kind].fields.
  // What makes it the same event wherever it comes from.  Empty: the whole content does.
  std::string dedupe;
  std::optional<std::int64_t> version;  // The larger one is the newer copy.
};

// `customer.plan` is from now on `value`.  A change with an older time than the stored one is kept
// out.
struct TraitChange {
  std::string customer;  // Or the account's key.
  int trait = 0;         // Index into Schema::customer_traits, or account_traits.
  Value value;           // Missing: the trait is taken away.
  TimePoint time;
  bool of_account = false;
  // Said after whatever its own source said before, whatever the clocks were then.
  bool in_order = false;
};

// Two keys are one person.  The customer that was created earlier survives.
struct Merge {
  std::string customer;
  std::string other;
  TimePoint time;
};

struct Erase {
  std::string customer;
  TimePoint time;
};

using Fact = std::variant<Event, TraitChange, Merge, Erase>;

}  // namespace segue
