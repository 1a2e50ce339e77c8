// A small cache of decoded blobs.  Two generations: when the young one is full it becomes the old
// one, and what nobody asked for since then is dropped with the next change of generations.

#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <utility>

namespace segue {

template <typename Thing>
class Cache {
 public:
  explicit Cache(std::size_t size) : size_(size) {}

  // `make` gives a std::shared_ptr<const Thing>.
  template <typename Make>
  std::shared_ptr<const Thing> Get(std::uint64_t key, Make make) {
    if (const auto found = young_.find(key); found != young_.end()) {
      return found->second;
    }
    std::shared_ptr<const Thing> thing;
    if (const auto found = old_.find(key); found != old_.end()) {
      thing = found->second;
    } else {
      thing = make();
    }
    if (young_.size() >= size_) {
      old_ = std::move(young_);
      young_.clear();
    }
    young_.emplace(key, thing);
    return thing;
  }

  void Clear() {
    young_.clear();
    old_.clear();
  }

 private:
  std::size_t size_;
  std::unordered_map<std::uint64_t, std::shared_ptr<const Thing>> young_, old_;
};

}  // namespace segue
