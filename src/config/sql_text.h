// The SELECT of a source of type sql: one statement, as the database would read its quotes and
// comments, with the places where it says `:since`.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace segue {

// Nobody writes a longer one, and each reading sends it.
constexpr std::size_t kQueryBytesMax = 64 * 1024;

// The text before, between and behind each `:since`, without a closing semicolon.  So that it can
// stand in brackets it has as many opening as closing ones, in their order.
// Error: empty, no SELECT, more than one statement, something that is not closed.
Result<std::vector<std::string>> SplitQuery(std::string_view text);

}  // namespace segue
