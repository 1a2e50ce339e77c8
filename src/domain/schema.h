// The tracking plan of a workspace: which events there are with which fields, and which traits.
//
// Names become indexes here, once; everything after it works with the indexes.

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/zone.h"
#include "domain/value.h"

namespace segue {

struct FieldSpec {
  std::string name;
  Type type = Type::kText;
  std::vector<std::string> choices;  // For kChoice.
};

struct EventSpec {
  std::string name;
  std::vector<FieldSpec> fields;
  // Set when this event takes back one of another kind: the kind, this event's field that names
  // which one, and the field of the original that holds that name.  Money fields of the same name
  // in both are what is taken back.
  std::optional<int> reverses;
  int by_field = -1;
  int by_original_field = -1;

  std::optional<int> FindField(std::string_view field) const;
};

struct Schema {
  std::string currency;  // ISO 4217.
  int currency_decimals = 2;
  Zone timezone;
  std::vector<EventSpec> events;
  std::vector<FieldSpec> customer_traits;
  std::vector<FieldSpec> account_traits;

  std::optional<int> FindEvent(std::string_view name) const;
  std::optional<int> FindCustomerTrait(std::string_view name) const;
  std::optional<int> FindAccountTrait(std::string_view name) const;

  // Traits of both as one list, customers' first: the number there of an account's trait, and what
  // stands at a number.
  int AccountTrait(int index) const { return static_cast<int>(customer_traits.size()) + index; }

  const FieldSpec& TraitAt(int number) const {
    const auto at = static_cast<std::size_t>(number);
    return at < customer_traits.size() ? customer_traits[at]
                                       : account_traits[at - customer_traits.size()];
  }
};

}  // namespace segue
