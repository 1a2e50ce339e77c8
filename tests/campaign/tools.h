// Tools: the other side of every connector.  They take what they are sent, refuse it, fail, are
// away for hours, or act and then lose the answer; and they keep a book of what they did.
//
// What happens to a request depends on the delivery's key and on how often that key came.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "campaign/people.h"
#include "config/definitions.h"
#include "domain/exchange.h"

namespace segue::campaign {

// Of one delivery.
struct Entry {
  int asked = 0;
  int effects = 0;
  bool refused = false;
  bool told = false;  // Segue wrote down a last answer.
};

class Tools {
 public:
  explicit Tools(const Setup& setup) : setup_(setup) {}

  Reply Perform(const ConnectorSettings& connector, const std::string& key, TimePoint now);

  // From here on nothing fails any more.
  void Heal() { healed_ = true; }

  Entry& At(const std::string& key) { return book_[key]; }

  const std::unordered_map<std::string, Entry>& book() const { return book_; }

 private:
  bool IsAway(const ConnectorSettings& connector, TimePoint now) const;

  const Setup setup_;
  std::unordered_map<std::string, Entry> book_;
  bool healed_ = false;
};

// Every different code in the text of a request.
std::vector<std::string> CodesIn(std::string_view text, const std::vector<std::string>& prefixes);

}  // namespace segue::campaign
