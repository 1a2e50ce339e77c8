// A Payload as one JSON text, as the outbox stores it.

#pragma once

#include <string>
#include <string_view>

#include "domain/delivery.h"

namespace segue {

// Only what is set is written.
std::string PayloadToJson(const Payload& payload);
// Requires: text that PayloadToJson wrote.
Payload PayloadFromJson(std::string_view text);

// The bare address of a mail header's `"Lara" <Lara@Example.com>`, in lower case: what "the same
// address" compares.
std::string AddressKey(std::string_view header);

}  // namespace segue
