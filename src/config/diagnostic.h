// A Diagnostic: one problem in a user's file, with its code, place, the line, a caret and what to
// do.
//
//   rules/playbooks/rfv.yaml:150:22: error SG003: cannot compare number with duration
//     150 |   - value_tier.usage >= 7d
//         |                      ^^ value_tier.usage is a number, 7d is a duration
//         = help: write a share such as 0.7

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace segue {

enum class Severity : std::uint8_t { kError, kWarning, kInfo };

// A place in a file.  Lines and columns count from 1; columns count bytes for the machine and are
// shown as characters.
struct Place {
  int file = -1;  // Index into the Sources that read it; -1: no place.
  int line = 0;
  int column = 0;
  int length = 1;  // Bytes to underline, within the line.
};

struct Diagnostic {
  Severity severity = Severity::kError;
  std::string code;  // SG001 …, listed in docs/diagnostics.md.
  Place place;
  std::string message;
  std::string note;  // Beside the caret.
  std::string help;
};

struct SourceFile {
  std::string path;  // As it is shown: relative to the workspace.
  std::string text;
};

using Diagnostics = std::vector<Diagnostic>;

bool HasErrors(const Diagnostics& diagnostics);

// Sorted by file, line, column and code, each as drawn above.  `colour` adds terminal colours.
std::string FormatDiagnostics(const Diagnostics& diagnostics, const std::vector<SourceFile>& files,
                              bool colour);
std::string DiagnosticsToJson(const Diagnostics& diagnostics, const std::vector<SourceFile>& files);
// "rules/playbooks/rfv.yaml:150"
std::string FormatPlace(const Place& place, const std::vector<SourceFile>& files);

}  // namespace segue
