// Printing of diagnostics: the line, the caret under the right character, what to do.

#include "config/diagnostic.h"

#include <algorithm>
#include <map>
#include <tuple>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/text.h"

namespace segue {
namespace {

// A longer line is cut around the place.
constexpr std::size_t kShownBytesMax = 160;

std::string_view SeverityName(Severity severity) {
  switch (severity) {
    case Severity::kError:
      return "error";
    case Severity::kWarning:
      return "warning";
    case Severity::kInfo:
      return "info";
  }
  return "";
}

const char* Colour(Severity severity) {
  return severity == Severity::kError     ? "\x1b[1;31m"
         : severity == Severity::kWarning ? "\x1b[1;33m"
                                          : "\x1b[1;36m";
}

// Starts of the lines of the files that are asked for.
class LineIndex {
 public:
  LineIndex(const std::vector<SourceFile>& files, const Diagnostics& diagnostics) : files_(files) {
    for (const Diagnostic& diagnostic : diagnostics) {
      if (diagnostic.code == "SG060") {
        secrets_[{diagnostic.place.file, diagnostic.place.line}].push_back(diagnostic.place);
      }
    }
  }

  // As it may be shown: a secret that stands in a file must not travel further.
  std::string Shown(const Place& place) {
    std::string line(Line(place));
    if (const auto found = secrets_.find({place.file, place.line}); found != secrets_.end()) {
      for (const Place& secret : found->second) {
        const auto from = std::min(static_cast<std::size_t>(secret.column - 1), line.size());
        const auto to = std::min(from + static_cast<std::size_t>(secret.length), line.size());
        std::fill(line.begin() + static_cast<std::ptrdiff_t>(from),
                  line.begin() + static_cast<std::ptrdiff_t>(to), '*');
      }
    }
    return line;
  }

  std::string_view Line(const Place& place) {
    if (place.file < 0 || static_cast<std::size_t>(place.file) >= files_.size() || place.line < 1) {
      return {};
    }
    const std::string& text = files_[static_cast<std::size_t>(place.file)].text;
    auto [found, added] = starts_.try_emplace(place.file);
    if (added) {
      found->second.push_back(0);
      for (std::size_t i = text.find('\n'); i != std::string::npos; i = text.find('\n', i + 1)) {
        found->second.push_back(i + 1);
      }
    }
    const auto row = static_cast<std::size_t>(place.line - 1);
    if (row >= found->second.size()) {
      return {};
    }
    const std::size_t begin = found->second[row];
    return std::string_view(text).substr(begin, text.find('\n', begin) - begin);
  }

 private:
  const std::vector<SourceFile>& files_;
  std::map<int, std::vector<std::size_t>> starts_;
  std::map<std::pair<int, int>, std::vector<Place>> secrets_;  // By file and line.
};

bool IsContinuation(char c) {
  return (static_cast<unsigned char>(c) & 0xc0U) == 0x80U;
}

// The nearest start of a character at or before `at`.
std::size_t CharacterStart(std::string_view line, std::size_t at) {
  at = std::min(at, line.size());
  while (at > 0 && at < line.size() && IsContinuation(line[at])) {
    --at;
  }
  return at;
}

// Control characters (a tab is one) would move the caret or steer the terminal.
std::string Harmless(std::string_view text) {
  std::string shown(text);
  std::replace_if(
      shown.begin(), shown.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  return shown;
}

int ShownColumn(std::string_view line, int column) {
  const auto before = line.substr(0, static_cast<std::size_t>(std::max(column, 1) - 1));
  return 1 + static_cast<int>(std::count_if(before.begin(), before.end(),
                                            [](char c) { return !IsContinuation(c); }));
}

struct Shown {
  std::string line;   // Perhaps cut, with … where something is missing.
  std::string blank;  // As wide as what stands before the caret.
  std::size_t carets = 1;
};

Shown CutAround(std::string_view line, const Place& place) {
  const std::size_t at =
      CharacterStart(line, static_cast<std::size_t>(std::max(place.column, 1) - 1));
  const std::size_t end =
      std::min(line.size(), at + static_cast<std::size_t>(std::max(place.length, 1)));
  std::size_t from = 0;
  std::size_t to = line.size();
  if (line.size() > kShownBytesMax) {
    from = CharacterStart(line, at > kShownBytesMax / 2 ? at - kShownBytesMax / 2 : 0);
    to = CharacterStart(line, std::min(line.size(), from + kShownBytesMax));
  }
  Shown shown;
  const std::string head = from > 0 ? "…" : "";
  shown.line = head + Harmless(line.substr(from, to - from)) + (to < line.size() ? "…" : "");
  shown.blank = std::string(DisplayWidth(head + Harmless(line.substr(from, at - from))), ' ');
  const std::size_t until = std::clamp(end, at, std::max(to, at));
  shown.carets = std::max<std::size_t>(DisplayWidth(Harmless(line.substr(at, until - at))), 1);
  return shown;
}

void FormatOne(const Diagnostic& diagnostic, const std::vector<SourceFile>& files, LineIndex& lines,
               bool colour, std::string& out) {
  const std::string line = lines.Shown(diagnostic.place);
  const char* on = colour ? Colour(diagnostic.severity) : "";
  const char* off = colour ? "\x1b[0m" : "";
  if (diagnostic.place.file >= 0) {
    out += fmt::format("{}:{}: ", FormatPlace(diagnostic.place, files),
                       ShownColumn(line, diagnostic.place.column));
  }
  out += fmt::format("{}{} {}{}: {}\n", on, SeverityName(diagnostic.severity), diagnostic.code, off,
                     Harmless(diagnostic.message));
  const std::string number = std::to_string(diagnostic.place.line);
  const std::string margin(number.size(), ' ');
  if (diagnostic.place.file >= 0 && !Trim(line).empty()) {
    const Shown shown = CutAround(line, diagnostic.place);
    out += fmt::format("  {} | {}\n  {} | {}{}{}{}", number, shown.line, margin, shown.blank, on,
                       std::string(shown.carets, '^'), off);
    out += diagnostic.note.empty() ? "\n" : " " + Harmless(diagnostic.note) + "\n";
  } else if (!diagnostic.note.empty()) {
    out += fmt::format("  {} = note: {}\n", margin, Harmless(diagnostic.note));
  }
  if (!diagnostic.help.empty()) {
    out += fmt::format("  {} = help: {}\n", margin, Harmless(diagnostic.help));
  }
}

std::vector<const Diagnostic*> Sorted(const Diagnostics& diagnostics) {
  std::vector<const Diagnostic*> sorted;
  for (const Diagnostic& diagnostic : diagnostics) {
    sorted.push_back(&diagnostic);
  }
  const auto key = [](const Diagnostic& d) {
    return std::tie(d.place.file, d.place.line, d.place.column, d.code, d.message);
  };
  std::stable_sort(sorted.begin(), sorted.end(),
                   [&](const Diagnostic* a, const Diagnostic* b) { return key(*a) < key(*b); });
  return sorted;
}

}  // namespace

bool HasErrors(const Diagnostics& diagnostics) {
  return std::any_of(diagnostics.begin(), diagnostics.end(),
                     [](const Diagnostic& d) { return d.severity == Severity::kError; });
}

std::string FormatDiagnostics(const Diagnostics& diagnostics, const std::vector<SourceFile>& files,
                              bool colour) {
  LineIndex lines(files, diagnostics);
  std::string out;
  for (const Diagnostic* diagnostic : Sorted(diagnostics)) {
    FormatOne(*diagnostic, files, lines, colour, out);
  }
  return out;
}

std::string DiagnosticsToJson(const Diagnostics& diagnostics,
                              const std::vector<SourceFile>& files) {
  LineIndex lines(files, diagnostics);
  boost::json::array all;
  for (const Diagnostic* diagnostic : Sorted(diagnostics)) {
    const Place& place = diagnostic->place;
    boost::json::object one;
    one["code"] = diagnostic->code;
    one["severity"] = std::string(SeverityName(diagnostic->severity));
    if (place.file >= 0 && static_cast<std::size_t>(place.file) < files.size()) {
      one["file"] = files[static_cast<std::size_t>(place.file)].path;
      one["line"] = place.line;
      one["column"] = ShownColumn(lines.Line(place), place.column);
      one["length"] = place.length;
    }
    one["message"] = diagnostic->message;
    if (!diagnostic->note.empty()) {
      one["note"] = diagnostic->note;
    }
    if (!diagnostic->help.empty()) {
      one["help"] = diagnostic->help;
    }
    all.push_back(std::move(one));
  }
  return boost::json::serialize(all);
}

std::string FormatPlace(const Place& place, const std::vector<SourceFile>& files) {
  if (place.file < 0 || static_cast<std::size_t>(place.file) >= files.size()) {
    return "";
  }
  return fmt::format("{}:{}", files[static_cast<std::size_t>(place.file)].path, place.line);
}

}  // namespace segue
