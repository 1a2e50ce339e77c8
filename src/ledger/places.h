// Texts of one length as bytes, place by place: what all have in common costs nothing, and
// elsewhere each text has a number of few bits for one of the letters that stand there.

#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ledger/bytes.h"

namespace segue {

// Length, the sets of letters, which of them each place has, packed letters text by text.  False:
// they are not of one length, or too long.  Requires: at least one.
bool WritePlaces(ByteWriter& out, std::span<const std::string_view> texts);
std::vector<std::string> ReadPlaces(ByteReader& in, std::size_t count);

}  // namespace segue
