// Reads the sources and holds the rules of docs/architecture.md: who may include whom, what is
// banned where, how long things may be.  The tables here are the architecture; a change of either
// is a change of both.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace {

struct File {
  std::string path;    // From the root: src/base/time.h
  std::string folder;  // base
  std::vector<std::string> lines;
};

const std::vector<std::string> kFive = {"base", "domain", "expression", "config", "store"};

// Folder to the folders whose headers it may include, itself aside.
const std::map<std::string, std::vector<std::string>>& MayInclude() {
  static const std::map<std::string, std::vector<std::string>> kTable = {
      {"base", {}},
      {"domain", {"base"}},
      {"expression", {"base", "domain"}},
      {"config", {"base", "domain", "expression"}},
      {"store", {"base", "domain", "expression"}},
      {"sources", kFive},
      {"ledger", kFive},
      {"segments", kFive},
      {"insights", kFive},
      {"playbooks", kFive},
      {"templates", kFive},
      {"outbox", kFive},
      {"connectors", kFive},
      {"pipeline",
       {"base", "domain", "expression", "config", "store", "sources", "ledger", "segments",
        "insights", "playbooks", "templates", "outbox", "connectors"}},
      {"daemon",
       {"base", "domain", "expression", "config", "store", "sources", "connectors", "pipeline"}},
      {"cli",
       {"base", "domain", "expression", "config", "store", "connectors", "pipeline", "daemon"}},
      {"main", {"cli"}},
  };
  return kTable;
}

struct Fence {
  std::string header;                // As it is written after #include.
  std::vector<std::string> folders;  // Who may.
};

const std::vector<Fence> kFences = {
    {"<yaml-cpp/", {"config"}},
    {"<SQLiteCpp/", {"store"}},
    {"<sqlite3.h>", {"store"}},
    {"<curl/", {"daemon"}},
    {"<CLI/", {"cli"}},
    {"<date/", {"base"}},
    {"<openssl/", {"base"}},
    {"<zlib.h>", {"sources"}},
    {"<boost/asio", {"daemon"}},
    // base: only parallel.cc, which splits pure work over the cores and keeps no thread.
    {"<thread>", {"base", "daemon"}},
    {"<random>", {}},
    {"<spdlog/", {"daemon", "cli"}},
    {"<libpq-fe.h>", {"daemon"}},
    {"<iostream>", {}},
    {"<systemd/", {"daemon"}},
    {"<ranges>", {}},
};

struct Ban {
  std::string pattern;
  std::string instead;
  std::vector<std::string> files;  // Where it may stand all the same.
};

const std::vector<Ban> kBans = {
    {R"(system_clock::now|steady_clock::now|\btime\(NULL\)|\btime\(nullptr\)|gettimeofday|clock_gettime)",
     "be given `now`",
     {"src/base/clock.cc"}},
    {R"(\brand\(|\brandom\(|RAND_bytes|std::mt19937|random_device)",
     "a hash of what it is for",
     {"src/base/hash.cc"}},
    {R"(\bgetenv\()",
     "a setting",
     {"src/daemon/secrets.cc", "src/cli/terminal.cc", "src/cli/person.cc"}},
    {R"(\bfork\(|\bpopen\(|std::system\(|posix_spawn|\bexec[lv][pe]*\()",
     "a library",
     {"src/daemon/tunnel.cc"}},  // There is none for SSH that is as well kept as OpenSSH's own.
    {R"(sleep_for|sleep_until|\busleep\()", "return when you want to be called next", {}},
    {R"(std::(gmtime|localtime|mktime)\b)", "base/zone.h", {}},
    {R"(\bFIXME\b|\bXXX\b)", "doing it", {}},
    {R"(^\s*(static|thread_local)\s+(?!constexpr|const|_?assert|inline|std::atomic)[A-Za-z_:<>]+\s+[a-z_]+\s*(=|;|\{))",
     "a member",
     {}},
};

constexpr std::size_t kLineMax = 120;
constexpr std::size_t kTestLineMax = 160;  // Tests quote documents as people write them.
constexpr std::size_t kFileMax = 600;
constexpr std::size_t kFunctionMax = 100;

std::vector<File> Sources(const std::string& below) {
  const std::filesystem::path root = SEGUE_SOURCE_DIR;
  std::vector<File> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root / below)) {
    const std::string extension = entry.path().extension().string();
    if (extension != ".h" && extension != ".cc") {
      continue;
    }
    File file;
    file.path = std::filesystem::relative(entry.path(), root).string();
    const std::filesystem::path inside = std::filesystem::relative(entry.path(), root / below);
    file.folder = inside.has_parent_path() ? inside.begin()->string() : inside.stem().string();
    std::ifstream in(entry.path());
    for (std::string line; std::getline(in, line);) {
      file.lines.push_back(line);
    }
    files.push_back(std::move(file));
  }
  std::sort(files.begin(), files.end(),
            [](const File& a, const File& b) { return a.path < b.path; });
  return files;
}

std::size_t Characters(const std::string& line) {
  return static_cast<std::size_t>(
      std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

// A report of every breach of one rule, empty when it holds.
using Breaches = std::ostringstream;

bool Contains(const std::vector<std::string>& all, const std::string& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

}  // namespace

TEST_CASE("tidy: folders include only those that the include table allows") {
  const std::regex project(R"rx(^#include "([a-z]+)/)rx");
  Breaches breaches;
  for (const File& file : Sources("src")) {
    const auto allowed = MayInclude().find(file.folder);
    if (allowed == MayInclude().end()) {
      breaches << file.path << ": the folder " << file.folder << " is not in the include table\n";
      continue;
    }
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      std::smatch match;
      if (std::regex_search(file.lines[i], match, project) && match[1] != file.folder &&
          !Contains(allowed->second, match[1])) {
        breaches << file.path << ":" << i + 1 << ": " << file.folder << " may not include "
                 << match[1] << "\n";
      }
    }
  }
  CHECK(breaches.str() == "");
}

TEST_CASE("tidy: third parties stay behind their fences") {
  Breaches breaches;
  for (const File& file : Sources("src")) {
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      for (const Fence& fence : kFences) {
        if (file.lines[i].starts_with("#include " + fence.header) &&
            !Contains(fence.folders, file.folder)) {
          breaches << file.path << ":" << i + 1 << ": " << fence.header
                   << " may not be included here\n";
        }
      }
    }
  }
  CHECK(breaches.str() == "");
}

TEST_CASE("tidy: clocks, chance, the environment and sleeping stay in their files") {
  Breaches breaches;
  std::vector<std::pair<const Ban*, std::regex>> bans;
  for (const Ban& ban : kBans) {
    bans.emplace_back(&ban, std::regex(ban.pattern));
  }
  for (const File& file : Sources("src")) {
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      const std::string code = file.lines[i].substr(0, file.lines[i].find("// "));
      for (const auto& [ban, pattern] : bans) {
        if (std::regex_search(code, pattern) && !Contains(ban->files, file.path)) {
          breaches << file.path << ":" << i + 1 << ": instead of this, " << ban->instead << "\n";
        }
      }
    }
  }
  CHECK(breaches.str() == "");
}

TEST_CASE("tidy: lines, functions and files are short enough to be read") {
  Breaches breaches;
  for (const std::string below : {"src", "tests"}) {
    const std::size_t line_max = below == "src" ? kLineMax : kTestLineMax;
    for (const File& file : Sources(below)) {
      if (file.lines.size() > kFileMax) {
        breaches << file.path << ": " << file.lines.size() << " lines, more than " << kFileMax
                 << "\n";
      }
      std::size_t opened = 0;  // The line of a function's first line, 0 outside.
      for (std::size_t i = 0; i < file.lines.size(); ++i) {
        const std::string& line = file.lines[i];
        if (Characters(line) > line_max) {
          breaches << file.path << ":" << i + 1 << ": longer than " << line_max << " characters\n";
        }
        // In our format a function's body begins with a line that ends in "{" and ends with a "}"
        // in its first column.
        if (opened == 0 && !line.empty() && line[0] != ' ' && line.ends_with("{") &&
            !line.starts_with("namespace") && line.find('=') == std::string::npos &&
            !line.starts_with("class") && !line.starts_with("struct")) {
          opened = i + 1;
        } else if (opened != 0 && line.starts_with("}")) {
          if (i + 1 - opened > kFunctionMax) {
            breaches << file.path << ":" << opened << ": a function of " << i + 1 - opened
                     << " lines\n";
          }
          opened = 0;
        }
      }
    }
  }
  CHECK(breaches.str() == "");
}

TEST_CASE("tidy: every file says at its top what it is") {
  Breaches breaches;
  for (const File& file : Sources("src")) {
    const bool header = file.path.ends_with(".h");
    const bool has_header =
        std::filesystem::exists(std::filesystem::path(SEGUE_SOURCE_DIR) /
                                (file.path.substr(0, file.path.size() - 3) + ".h"));
    if ((header || !has_header) && (file.lines.empty() || !file.lines[0].starts_with("//"))) {
      breaches << file.path << ": begins with no comment\n";
    }
  }
  CHECK(breaches.str() == "");
}
