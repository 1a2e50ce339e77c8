#include "base/visible.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/text.h"

namespace segue {
namespace {

// The first character of a text that is not empty; a byte alone where it is no UTF-8.
std::string_view FirstOf(std::string_view text) {
  for (std::size_t bytes = 1; bytes <= std::min<std::size_t>(4, text.size()); ++bytes) {
    if (IsUtf8(text.substr(0, bytes))) {
      return text.substr(0, bytes);
    }
  }
  return text.substr(0, 1);
}

std::uint32_t PointOf(std::string_view character) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(character[i]); };
  std::uint32_t point =
      character.size() == 1 ? byte(0) : byte(0) & (0xFFU >> (character.size() + 1));
  for (std::size_t i = 1; i < character.size(); ++i) {
    point = (point << 6U) | (byte(i) & 0x3FU);
  }
  return point;
}

bool IsControl(std::uint32_t point) {
  return point < 0x20 || (point >= 0x7F && point < 0xA0);
}

// Marks that turn the writing direction, and line separators.
bool Turns(std::uint32_t point) {
  return point == 0x061C || point == 0x200E || point == 0x200F ||
         (point >= 0x2028 && point <= 0x202E) || (point >= 0x2066 && point <= 0x2069);
}

}  // namespace

std::string Shortened(std::string_view text, std::size_t most) {
  std::size_t at = 0, kept = 0;
  for (std::size_t characters = 0; at < text.size(); ++characters) {
    if (characters == most) {
      return std::string(text.substr(0, kept)) + "…";
    }
    kept = characters + 1 == most ? at : kept;
    at += FirstOf(text.substr(at)).size();
  }
  return std::string(text);
}

std::string Visible(std::string_view text) {
  std::string visible;
  visible.reserve(text.size());
  while (!text.empty()) {
    const std::string_view character = FirstOf(text);
    const std::uint32_t point = PointOf(character);
    if (character == "\n") {
      visible += "\\n";
    } else if (character == "\t") {
      visible += "\\t";
    } else if (IsControl(point) || !IsUtf8(character)) {
      visible += fmt::format("\\x{:02x}", point);
    } else if (Turns(point)) {
      visible += fmt::format("\\u{:04x}", point);
    } else {
      visible += character;
    }
    text.remove_prefix(character.size());
  }
  return visible;
}

}  // namespace segue
