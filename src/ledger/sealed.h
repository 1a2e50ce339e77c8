// Blobs with a check sum behind them: what damage to the file has changed is not believed.

#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "ledger/bytes.h"

namespace segue {

// What was written, and four bytes of sum.
std::string Sealed(ByteWriter& out);
// Without them; nothing when they do not fit.
std::optional<std::string_view> Unsealed(std::string_view bytes);

}  // namespace segue
