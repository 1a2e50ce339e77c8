// One layout for all files of a workspace: `segue fmt`.
//
// It keeps every comment, and what the file means.  It changes: the order of keys (that of the
// table, where the author does not choose the names), indentation (two spaces a level), spaces,
// quotes ("…" for '…'), how expressions are spaced and `==` (to `is`), blank lines (one at most),
// where comments behind a line stand.  Columns that the author lined up stay lined up.  Brackets
// over several lines, text behind | and the body of a Markdown file stay as written.

#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "config/diagnostic.h"

namespace segue {

// The file's text in that layout; formatting it again changes nothing.  Nothing where the file
// cannot be read: `problems` says why, with places in file 0.
std::optional<std::string> FormatFile(const SourceFile& file, Diagnostics& problems);

// What differs, for people: "  12 - old" and "  12 + new", at most `most` lines.
std::string ShortDiff(std::string_view before, std::string_view after, std::size_t most);

}  // namespace segue
