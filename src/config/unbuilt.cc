#include "config/unbuilt.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace segue {
namespace {

struct Unbuilt {
  std::string_view kind;
  std::string_view path;  // Empty: the document as a whole.
  std::string_view
      values;  // Empty: any.  Else only these words, or with a leading ! all but these.
  std::string_view what;
};

// To switch a feature on, take its line away.
constexpr std::array kUnbuilt = {
    Unbuilt{"workspace", "serve.people", "", "people of the console"},
    Unbuilt{"source", "type", "!csv jsonl sql http webhook mixpanel amplitude",
            "this type of source"},
};

}  // namespace

std::string_view UnbuiltKey(std::string_view kind, std::string_view path, std::string_view value) {
  const auto found = std::find_if(kUnbuilt.begin(), kUnbuilt.end(), [&](const Unbuilt& one) {
    if (one.kind != kind || one.path != path) {
      return false;
    }
    const bool all_but = one.values.starts_with('!');
    return one.values.empty() || HasWord(one.values.substr(all_but ? 1 : 0), value) != all_but;
  });
  return found == kUnbuilt.end() ? std::string_view() : found->what;
}

}  // namespace segue
