// A strict tree of our own from YAML 1.2 text, every node with its place.
//
// Stricter than YAML, so that a slip of the pen is an error on its line and not another meaning:
//
//   - no tabs, anchors, aliases, merge keys, tags, directives; no key twice in one map
//   - a value begins on the line of its key; quotes end on the line where they begin; text of
//   several lines is written
//     with |
//   - inside { } and [ ] the following lines are indented more than the line with the first bracket
//   - yes, no, on, off and numbers are plain text: the table of keys says what a value must be
//
// yaml_scan.cc finds slips by their line; yaml.cc then lets yaml-cpp read what is left.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "config/diagnostic.h"
#include "config/report.h"

namespace segue {

// Limits: far above what a person writes.
constexpr std::size_t kFileBytesMax = 10 * 1024 * 1024;
constexpr int kNestingMax = 64;

struct Node {
  enum class Kind { kNull, kScalar, kMap, kList };

  Kind kind = Kind::kNull;
  Place place;          // Of the token; for a null that of its key.
  std::string text;     // Of a scalar.
  bool quoted = false;  // '…' or "…"
  bool block =
      false;  // | text: line k of `text` stands on line place.line + 1 + k, after `indent` bytes.
  int indent = 0;
  bool flow = false;       // Written with brackets.
  bool bad = false;        // Already reported: nothing more is asked of it.
  std::vector<Node> keys;  // Of a map, beside items.
  std::vector<Node> items;

  bool plain() const { return kind == Kind::kScalar && !quoted && !block; }

  // The value of a key of this map; null if there is none.
  const Node* Find(std::string_view key) const;
};

// One `---` part of a file.
struct YamlDocument {
  Node root;  // Kind::kNull when it could not be read: the report says why.
  bool broken = false;
  std::string first_text;  // Its first line that is no comment.
};

// Every part of the file that is not empty.  For `markdown` the part between the first two `---`
// lines, with the rest of the file added as the key `body`.
std::vector<YamlDocument> ParseYaml(int file, std::string_view text, bool markdown, Report& report);

// The place of bytes [begin, end) of a scalar's text.
Place PlaceInText(const Node& node, std::size_t begin, std::size_t end,
                  const std::vector<SourceFile>& files);

// Takes away what is nobody's fault: Windows line ends, a byte order mark.
void SimplifyText(std::string& text);

// Lines of a text, without their ends.
std::vector<std::string_view> Lines(std::string_view text);

// --- for yaml.cc ---

// The end of the quoted text that begins at `begin` (just behind its closing quote), or npos.
std::size_t QuoteEnd(std::string_view line, std::size_t begin);

// Finds the first slip in the lines of one document.  True if there is none.
bool ScanLines(int file, const std::vector<std::string_view>& lines, int first_line,
               Report& report);

}  // namespace segue
