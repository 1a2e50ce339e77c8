// A TextPool gives every distinct text a small number, so that columns can hold texts and compare
// them as numbers.
//
// The numbers mean nothing outside this process and are never stored or ordered by.

#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace segue {

class TextPool {
 public:
  std::uint32_t Intern(std::string_view text) {
    if (auto found = codes_.find(text); found != codes_.end()) {
      return found->second;
    }
    texts_.emplace_back(text);
    const auto code = static_cast<std::uint32_t>(texts_.size() - 1);
    codes_.emplace(texts_.back(), code);
    return code;
  }

  // The code of a text that is there, else nothing: asking must not grow the pool.
  std::optional<std::uint32_t> Find(std::string_view text) const {
    const auto found = codes_.find(text);
    return found == codes_.end() ? std::nullopt : std::optional(found->second);
  }

  const std::string& Text(std::uint32_t code) const { return texts_[code]; }

 private:
  std::deque<std::string> texts_;  // A deque: the map's keys point into it.
  std::unordered_map<std::string_view, std::uint32_t> codes_;
};

}  // namespace segue
