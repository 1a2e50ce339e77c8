// The customers' keys as numbers that are ordered as the keys are, so that ties are broken without
// looking at texts: a smaller code is a smaller key, and equal codes say nothing.

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "segments/segments.h"

namespace segue {

class KeyCodes {
 public:
  // Brings the codes up to everybody there is.  Customers never change their key.
  void Follow(const Population& people);

  // Whether all keys are whole numbers and are ordered as such.
  bool numeric() const { return numeric_; }

  std::uint64_t Of(CustomerIndex customer) const { return codes_[customer]; }

  std::span<const std::uint64_t> all() const { return codes_; }

  // Of any key, in the same order.
  std::uint64_t Of(std::string_view key) const;

 private:
  void Rebuild(const Population& people);

  bool numeric_ = true;
  std::string prefix_;  // Of all keys: what follows it makes the code.
  std::vector<std::uint64_t> codes_;
};

}  // namespace segue
