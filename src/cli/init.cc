// init: writes the library that the program carries, or one half of it, into a new folder.

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "cli/cli.h"
#include "cli/embedded.h"
#include "cli/terminal.h"
#include "cli/verbs.h"

namespace segue {
namespace {

// The halves of the library.  A folder of this name, and a line that ends in it as a comment,
// belongs to that half only (docs/library.md).
constexpr std::array<std::string_view, 2> kHalves = {"shop", "saas"};

std::string FolderOf(std::string_view half) {
  return fmt::format("/{}/", half);
}

// `line` without the mark of `half` at its end; nothing when there is none.
std::optional<std::string_view> WithoutMark(std::string_view line, std::string_view half) {
  const std::string mark = fmt::format(" # {}", half);
  if (!line.ends_with(mark)) {
    return std::nullopt;
  }
  line.remove_suffix(mark.size());
  return line.substr(0, line.find_last_not_of(' ') + 1);
}

// The lines of a file that belong to `half` or to both, without their marks.
std::string HalfOf(std::string_view content, std::string_view half) {
  std::string kept;
  while (!content.empty()) {
    const std::size_t end = std::min(content.find('\n'), content.size());
    const std::string_view line = content.substr(0, end);
    content.remove_prefix(std::min(end + 1, content.size()));
    const bool other = std::any_of(kHalves.begin(), kHalves.end(), [&](std::string_view one) {
      return one != half && WithoutMark(line, one);
    });
    if (!other) {
      kept += WithoutMark(line, half).value_or(line);
      kept += '\n';
    }
  }
  return kept;
}

// Nothing when the file belongs to the other half.
std::optional<std::string> Wanted(const EmbeddedFile& file, std::string_view half) {
  if (half.empty()) {
    return std::string(file.content);
  }
  for (const std::string_view one : kHalves) {
    if (one != half && file.path.find(FolderOf(one)) != std::string_view::npos) {
      return std::nullopt;
    }
  }
  return HalfOf(file.content, half);
}

}  // namespace

int RunInit(const InitOptions& options) {
  const std::filesystem::path folder(options.folder);
  if (std::filesystem::exists(folder) && !std::filesystem::is_empty(folder)) {
    throw Failure{
        kUsage,
        fmt::format(
            "{} is not empty: name a new folder, so that nothing of yours is written over\n",
            options.folder)};
  }
  int written = 0;
  for (const EmbeddedFile& file : EmbeddedFiles()) {
    const std::optional<std::string> content = Wanted(file, options.from);
    if (!content) {
      continue;
    }
    const std::filesystem::path path = folder / file.path;
    MakeFolder(path.parent_path().string());
    std::ofstream out(path, std::ios::binary);
    out << *content << std::flush;
    if (!out) {
      throw Failure{kCannotReach, fmt::format("cannot write {}: is there room?\n", path.string())};
    }
    ++written;
  }
  MakeFolder((folder / "state/inbox").string());  // A folder that is missing alarms.
  fmt::print(
      "Wrote {} files to {}.\n\n"
      "  cd {}\n"
      "  segue check                    finds what is wrong in them\n"
      "  segue test                     lives through their tests\n"
      "  export SEGUE_SIGN=try-it-out   the key that signs links: a long random word in earnest\n"
      "  segue run                      reads state/inbox and does what the playbooks say\n",
      written, options.folder, options.folder);
  return kFine;
}

}  // namespace segue
