// fmt: the one layout for the files of a workspace.

#include "config/fmt.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "cli/cli.h"
#include "cli/terminal.h"
#include "cli/verbs.h"

namespace segue {
namespace {

constexpr std::size_t kDiffLinesMax = 12;

// With the path under which each can be opened.
std::vector<std::pair<SourceFile, std::string>> FilesOf(const Common& common,
                                                        const FmtOptions& options,
                                                        Diagnostics& found) {
  std::vector<std::pair<SourceFile, std::string>> files;
  if (options.files.empty()) {
    for (SourceFile& file : ReadWorkspaceFiles(common.workspace, found)) {
      if (!file.path.ends_with(".sql") && !file.path.ends_with(".csv")) {
        std::string path = (std::filesystem::path(common.workspace) / file.path).string();
        files.emplace_back(std::move(file), std::move(path));
      }
    }
    return files;
  }
  for (const std::string& path : options.files) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    if (!in) {
      throw Failure{kCannotReach, fmt::format("cannot read {}\n", path)};
    }
    files.emplace_back(SourceFile{path, text.str()}, path);
  }
  return files;
}

// Whole or not at all, with the rights that the file had.
void Replace(const std::string& path, const std::string& text) {
  const std::filesystem::path file = std::filesystem::canonical(path);
  const std::filesystem::path fresh = file.string() + ".segue-fmt";
  std::ofstream out(fresh, std::ios::binary);
  out << text;
  out.close();
  std::error_code problem;
  if (out) {
    std::filesystem::permissions(fresh, std::filesystem::status(file).permissions(), problem);
    std::filesystem::rename(fresh, file, problem);
  }
  if (!out || problem) {
    std::error_code ignored;
    std::filesystem::remove(fresh, ignored);
    throw Failure{kCannotReach, fmt::format("cannot write {}\n", path)};
  }
}

}  // namespace

int RunFmt(const Common& common, const FmtOptions& options) {
  Diagnostics found;
  const auto files = FilesOf(common, options, found);
  fmt::print(stderr, "{}", FormatDiagnostics(found, {}, ErrorHasColour()));
  boost::json::array changed;
  bool failed = !found.empty();
  for (const auto& [file, path] : files) {
    Diagnostics problems;
    const std::optional<std::string> text = FormatFile(file, problems);
    if (!text) {
      failed = true;
      fmt::print(stderr, "{}", FormatDiagnostics(problems, {file}, ErrorHasColour()));
      continue;
    }
    if (*text == file.text) {
      continue;
    }
    changed.emplace_back(file.path);
    if (!options.check) {
      Replace(path, *text);
    }
    if (!common.json) {
      fmt::print("{}\n{}", file.path,
                 options.check ? ShortDiff(file.text, *text, kDiffLinesMax) : "");
    }
  }
  if (common.json) {
    fmt::print("{}\n", boost::json::serialize(boost::json::object{{"changed", changed}}));
  } else if (options.check) {
    fmt::print("{} of {} files would change\n", changed.size(), files.size());
  }
  return failed || (options.check && !changed.empty()) ? kFindings : kFine;
}

}  // namespace segue
