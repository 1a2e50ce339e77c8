// Codes of whole numbers are the numbers; those of other keys the eight bytes after what all have
// in common.

#include "segments/key_codes.h"

#include <algorithm>
#include <limits>

#include "base/room.h"
#include "segments/score.h"

namespace segue {
namespace {

// Numbers of more digits would not fit.
constexpr std::size_t kDigitsMax = 19;
constexpr std::uint64_t kLastCode = std::numeric_limits<std::uint64_t>::max();

std::uint64_t Number(std::string_view key) {
  if (!IsWholeKey(key)) {
    return kLastCode;  // After all that are whole.
  }
  key.remove_prefix(std::min(key.find_first_not_of('0'), key.size() - 1));
  if (key.size() > kDigitsMax) {
    return kLastCode - 1;
  }
  std::uint64_t number = 0;
  for (const char digit : key) {
    number = number * 10 + static_cast<std::uint64_t>(digit - '0');
  }
  return number;
}

}  // namespace

std::uint64_t KeyCodes::Of(std::string_view key) const {
  if (numeric_) {
    return Number(key);
  }
  const std::string_view shared = key.substr(0, prefix_.size());
  if (shared != prefix_) {
    return shared < prefix_ ? 0 : kLastCode;
  }
  key.remove_prefix(prefix_.size());
  std::uint64_t code = 0;
  for (std::size_t i = 0; i < 8; ++i) {
    code = code << 8U | (i < key.size() ? static_cast<unsigned char>(key[i]) : 0U);
  }
  return code;
}

void KeyCodes::Follow(const Population& people) {
  const bool first = codes_.empty();
  for (auto customer = static_cast<CustomerIndex>(codes_.size()); customer < people.count();
       ++customer) {
    const std::string_view key = people.Key(customer);
    const bool fits = numeric_ ? IsWholeKey(key) : key.starts_with(prefix_);
    // The key of an erased customer is empty, and is never asked for.
    if (first || (!fits && !key.empty())) {
      Rebuild(people);
      return;
    }
    codes_.push_back(Of(key));
  }
}

void KeyCodes::Rebuild(const Population& people) {
  numeric_ = true;
  bool any = false;
  for (CustomerIndex customer = 0; customer < people.count(); ++customer) {
    const std::string_view key = people.Key(customer);
    if (key.empty()) {
      continue;
    }
    numeric_ = numeric_ && IsWholeKey(key);
    if (!any) {
      prefix_ = key;
      any = true;
    }
    const auto [end, ignored] =
        std::mismatch(prefix_.begin(), prefix_.end(), key.begin(), key.end());
    prefix_.erase(end, prefix_.end());
  }
  codes_.clear();
  codes_.reserve(WithRoom(people.count()));
  for (CustomerIndex customer = 0; customer < people.count(); ++customer) {
    codes_.push_back(Of(people.Key(customer)));
  }
}

}  // namespace segue
