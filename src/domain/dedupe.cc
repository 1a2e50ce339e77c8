// Joins stored values.

#include "domain/dedupe.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>

namespace segue {
namespace {

void AppendValue(std::string& text, const Value& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) {
    text += std::to_string(*number);
  } else if (const auto* words = std::get_if<std::string>(&value)) {
    text += *words;
  }
}

}  // namespace

std::string DedupeText(const Event& event, std::span<const int> fields) {
  std::string text;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (i > 0) {
      text += kDedupeSeparator;
    }
    if (fields[i] == kDedupeCustomer) {
      text += event.customer;
    } else if (fields[i] == kDedupeTime) {
      text += std::to_string(ToMicros(event.time));
    } else {
      AppendValue(text, event.fields[static_cast<std::size_t>(fields[i])]);
    }
  }
  return text;
}

std::string DedupeText(const Event& event) {
  if (!event.dedupe.empty()) {
    return event.dedupe;
  }
  std::string text = event.customer;
  text += kDedupeSeparator;
  text += std::to_string(ToMicros(event.time));
  for (const Value& field : event.fields) {
    text += kDedupeSeparator;
    AppendValue(text, field);
  }
  return text;
}

}  // namespace segue
