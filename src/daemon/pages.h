// The pages that customers see: small, without scripts, in light and dark, readable by machines for
// the blind and by phones.

#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace segue {

// What a page says beside its own words.
struct PageFrame {
  std::string sender;  // Whose mail it is about, for people.
  std::string postal;
};

// A topic that can be chosen.
struct Choice {
  std::string name;   // Of the field of the form.
  std::string words;  // For people.
  std::string now;    // What is in force, for people; empty where that is not known.
};

// A question with one button, which posts to the same address.
std::string UnsubscribePage(const PageFrame& frame, bool all_mail);
// `stopped`: nothing is sent to them any more, whatever they choose.
std::string PreferencesPage(const PageFrame& frame, const std::vector<Choice>& topics,
                            bool stopped);
// A word at the end of something.
std::string WordPage(const PageFrame& frame, std::string_view title, std::string_view words);

}  // namespace segue
