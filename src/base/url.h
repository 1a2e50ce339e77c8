// Addresses to which secrets may go.

#pragma once

#include <string_view>

namespace segue {

// Whether it is https, or http of this machine (for trials), without a white space or a byte beyond
// ASCII.
bool IsSafeUrl(std::string_view url);

}  // namespace segue
