// Markdown with values in it.
//
// A value is not pasted into the text, where its own stars and brackets would be read as Markdown:
// a mark stands in its place while the text is parsed, and the value is put in, escaped for the
// place, when the result is written.
//
// What is understood: # headings, paragraphs, ordered and unordered lists, quotes, rules, fenced
// code, *emphasis*,
// **strong**, `code`, [links](address), <https://address>, hard breaks, backslash escapes.  HTML is
// shown as it was typed.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace segue {

// Bytes that begin and end a mark; a text that holds one of them itself is refused at load.
constexpr char kMarkBegin = '\x01';
constexpr char kMarkEnd = '\x02';

// A quote in a list in a quote …: deeper ones become paragraphs.
constexpr int kMarkdownDepthMax = 8;

struct MarkedValue {
  std::string text;      // One line, as it is meant to be read.
  bool is_link = false;  // A web address of our own making: may be followed.
};

// The mark of values[index].
std::string Mark(std::size_t index);

struct MarkdownBlock {
  enum class Kind : std::uint8_t { kParagraph, kHeading, kList, kItem, kQuote, kCode, kRule };

  Kind kind = Kind::kParagraph;
  int level = 1;         // Heading: 1 to 6.  Ordered list: the first number.
  bool ordered = false;  // List.
  bool tight = true;     // List: no empty lines between its items.
  std::string text;      // Paragraph, heading: still with its stars.  Code: as it is.
  std::vector<MarkdownBlock> blocks;
};

std::vector<MarkdownBlock> ParseMarkdown(std::string_view text);

// One piece of a line.
struct MarkdownInline {
  enum class Kind : std::uint8_t {
    kText,
    kCode,
    kStars,
    kLinkOpen,
    kLinkClose,
    kBreak,
    kSoftBreak
  };

  Kind kind = Kind::kText;
  std::string text;  // Text, code; the address of kLinkOpen.
  // kStars: what is left of a run of * or _ after it closed and opened what it could.
  char star = '*';
  int count = 0;
  int length = 0;  // As written.
  bool can_open = false, can_close = false;
  std::string closes, opens;  // In the order of writing: 'e' emphasis, 's' strong.
};

std::vector<MarkdownInline> ParseInlines(std::string_view text);

std::string WriteHtml(std::span<const MarkdownBlock> blocks, std::span<const MarkedValue> values);
std::string WriteText(std::span<const MarkdownBlock> blocks, std::span<const MarkedValue> values);

// The address with its marks filled in, ready to be followed; empty when it is none that a mail may
// carry (javascript:).
std::string LinkAddress(std::string_view written, std::span<const MarkedValue> values);

}  // namespace segue
