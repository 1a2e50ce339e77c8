// The dedupe text: what makes two events the same, whichever source brings them (docs/meaning.md).
//
// Values are joined by the byte 1F, each as it stands in the normalised event: whole stored units,
// microseconds, the text itself; a missing one is an empty text.

#pragma once

#include <span>
#include <string>

#include "domain/fact.h"

namespace segue {

constexpr char kDedupeSeparator = '\x1F';
// Stand for the customer's key and the time in a list of fields.
constexpr int kDedupeCustomer = -1;
constexpr int kDedupeTime = -2;

// Of the fields that a source names in `dedupe`.
std::string DedupeText(const Event& event, std::span<const int> fields);

// Event::dedupe, or where that is empty the customer, the time and all fields in the order of the
// schema.
std::string DedupeText(const Event& event);

}  // namespace segue
