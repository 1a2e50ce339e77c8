// A Value: what one field of an event or one trait holds.
//
// The declared Type says how to read it:
//
//   text, choice        std::string
//   number              std::int64_t, millionths (kNumberScale)
//   money               std::int64_t, minor units of the workspace's currency
//   time                std::int64_t, microseconds since 1970 UTC
//   duration            std::int64_t, microseconds
//   yes_no              std::int64_t, 0 or 1
//   missing             std::monostate

#pragma once

#include <cstdint>
#include <string>
#include <variant>

namespace segue {

enum class Type : std::uint8_t { kText, kChoice, kNumber, kMoney, kTime, kDuration, kYesNo };

using Value = std::variant<std::monostate, std::int64_t, std::string>;

inline bool IsMissing(const Value& value) {
  return value.index() == 0;
}

}  // namespace segue
