// Vendor: the other side of every connector of one seed.  It acts or fails as the seed says, and
// keeps a book of what it was asked and what it did.
//
// What happens to a request depends on the seed, the delivery's key and how often that key came,
// so a smaller world of the same seed has the same faults.

#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "config/definitions.h"
#include "domain/exchange.h"
#include "sim/choices.h"

namespace segue::sim {

// Of one delivery.
struct Entry {
  int asked = 0;    // Requests that arrived, or may have.
  int effects = 0;  // How often something happened because of them.
  bool refused = false;
  bool over = false;  // It was taken or refused, and Segue wrote that down.
  // Somebody who knows only what came back cannot know whether it happened.
  bool open = false;
};

struct Answered {
  Reply reply;
  Duration after = Duration::zero();
  bool told = false;  // The reply says for certain whether something happened.
};

class Vendor {
 public:
  explicit Vendor(const Choices& choices) : choices_(choices) {}

  // Acts on a request of a delivery with this key.  With `dedupe` it acts once per key.
  Answered Perform(const ConnectorSettings& connector, const std::string& key, TimePoint now);

  // From here on nothing fails any more.
  void Heal() { healed_ = true; }

  Entry& At(const std::string& key) { return book_[key]; }

  const std::map<std::string, Entry>& book() const { return book_; }

 private:
  enum class Fate : std::uint8_t {
    kAccepted,
    kSlow,
    kNotSent,
    kLostAfter,
    kLostBefore,
    kTooMany,
    kError,
    kRefused
  };

  Fate FateOf(const ConnectorSettings& connector, const std::string& key, int asked,
              TimePoint now) const;

  const Choices& choices_;
  std::map<std::string, Entry> book_;
  bool healed_ = false;
};

}  // namespace segue::sim
