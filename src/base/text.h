// Small helpers for text: trimming, splitting, nearest names, widths on a terminal.

#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace segue {

std::string_view Trim(std::string_view text);
std::vector<std::string_view> Split(std::string_view text, char separator);
// Whether the word is one of those that single spaces part.
bool HasWord(std::string_view words, std::string_view word);
std::string Join(std::span<const std::string> parts, std::string_view separator);
std::string ToLower(std::string_view text);
// Whether the bytes are well-formed UTF-8 (no surrogates, no overlong forms).
bool IsUtf8(std::string_view text);
// Columns that the text takes on a terminal: code points, wide East Asian ones counted twice.
std::size_t DisplayWidth(std::string_view text);

// The candidate nearest to `word` by edit distance, if one is near enough to be meant.
std::optional<std::string> Nearest(std::string_view word, std::span<const std::string> candidates);

// Percent-encodes all but A-Z a-z 0-9 - . _ ~.
std::string UrlEncode(std::string_view text);
// Nothing when a % is followed by anything but two hex digits.  A + stays one.
std::optional<std::string> UrlDecode(std::string_view text);
std::string HtmlEscape(std::string_view text);

}  // namespace segue
