// Texts that may have come from anywhere, made fit for a terminal.

#pragma once

#include <string>
#include <string_view>

namespace segue {

// At most `most` characters of it, the last one … where it is longer.  Never half a character.
std::string Shortened(std::string_view text, std::size_t most);

// Control characters, those that turn the writing direction, and bytes that are no UTF-8 are
// written out: \n \x1b \u202e.
std::string Visible(std::string_view text);

}  // namespace segue
