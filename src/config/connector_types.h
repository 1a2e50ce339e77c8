// What each type of connector asks for in `auth`, and how it finds accounts: read by check and by
// the schema.

#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace segue {

struct AuthKey {
  std::string_view type;  // Of the connector.
  std::string_view name;
  bool required = false;
  std::string_view meaning;  // Goes on from "it": "is the key of a private app".
};

// Of all types, in the order of the types.
std::span<const AuthKey> AuthKeys();

// What `match.account` may say of this type: that word, or any when it is empty; nothing where the
// tool is told of customers only.
std::optional<std::string_view> AccountFieldOf(std::string_view type);

}  // namespace segue
