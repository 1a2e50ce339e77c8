// What the language has and this program does not do yet.  Each is SG099 at its line.

#pragma once

#include <string_view>

namespace segue {

// The name of what is not built at that key with that value ("" for a map or list); empty when all
// is well.
std::string_view UnbuiltKey(std::string_view kind, std::string_view path, std::string_view value);

}  // namespace segue
