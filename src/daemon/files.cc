#include "daemon/files.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <unistd.h>

#include <boost/json.hpp>

#include "base/text.h"
#include "pipeline/quarantine.h"

namespace segue {
namespace {

Reply Written() {
  return {Reply::Kind::kAnswered, 200, {}, {}, {}};
}

Reply NotSent(std::string error) {
  return {Reply::Kind::kNotSent, 0, {}, {}, std::move(error)};
}

// Fails like an answer that never came: the caller cannot know how much of it is on disk.
Reply Lost(std::string error) {
  return {Reply::Kind::kLost, 0, {}, {}, std::move(error)};
}

// The full path of a file below the folder; empty when the name would leave it.
std::string Below(const std::string& folder, const std::string& name) {
  const std::filesystem::path path(name);
  if (path.is_absolute() || path.empty()) {
    return "";
  }
  for (const std::filesystem::path& part : path) {
    if (part == "..") {
      return "";
    }
  }
  return (std::filesystem::path(folder) / path).string();
}

std::string Reason(std::string_view what, const std::string& path) {
  return std::string(what) + " " + path + ": " +
         std::strerror(errno);  // NOLINT(concurrency-mt-unsafe)
}

// The delivery's key in a line that was appended before: `"key":"…"`.
std::string KeyOf(std::string_view line) {
  constexpr std::string_view kMark = "\"key\":\"";
  const std::size_t at = line.find(kMark);
  if (at == std::string_view::npos) {
    return "";
  }
  line.remove_prefix(at + kMark.size());
  return std::string(line.substr(0, line.find('"')));
}

}  // namespace

bool FileWriter::WriteAll(int file, std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t written = write(file, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) {
        continue;
      }
      return false;
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return !durable_ || fsync(file) == 0;
}

bool FileWriter::SyncFolder(const std::string& path) const {
  if (!durable_) {
    return true;
  }
  const int folder =
      open(std::filesystem::path(path).parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) {
    return false;
  }
  const bool synced = fsync(folder) == 0;
  close(folder);
  return synced;
}

Reply FileWriter::Perform(const Request& request) {
  return request.kind == Request::Kind::kFile ? Whole(request) : Append(request);
}

Reply FileWriter::Whole(const Request& request) {
  const std::string path = Below(state_folder_, request.url);
  if (path.empty()) {
    return NotSent("the path " + request.url + " leaves the state folder");
  }
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
  const std::string draft = path + ".part";
  const int file = open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
  if (file < 0) {
    return NotSent(Reason("cannot write", request.url));
  }
  const bool written = WriteAll(file, request.body);
  const std::string reason = written ? "" : Reason("cannot write", request.url);
  close(file);
  if (!written) {
    return NotSent(reason);
  }
  if (rename(draft.c_str(), path.c_str()) != 0 || !SyncFolder(path)) {
    return NotSent(Reason("cannot write", request.url));
  }
  return Written();
}

Reply FileWriter::Append(const Request& request) {
  const std::string path = Below(state_folder_, request.url);
  if (path.empty()) {
    return NotSent("the path " + request.url + " leaves the state folder");
  }
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
  auto found = appended_.find(path);
  bool whole = true;  // Whether the last line ends as it should.
  if (found == appended_.end()) {
    found = appended_.emplace(path, std::set<std::string, std::less<>>()).first;
    std::ifstream in(path, std::ios::binary);
    for (std::string line; std::getline(in, line);) {
      whole = !in.eof();
      boost::system::error_code cut;
      if (!whole) {
        boost::json::parse(line, cut);  // Only the line's end may be missing.
      }
      if (!cut) {
        found->second.insert(KeyOf(line));
      }
    }
  }
  const std::string line(Trim(request.body));
  if (found->second.contains(request.key)) {
    return Written();
  }
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  if (file < 0) {
    return NotSent(Reason("cannot write", request.url));
  }
  // A line that a crash cut off is closed, not continued.
  const bool written = WriteAll(file, (whole ? "" : "\n") + line + "\n");
  const std::string reason = written ? "" : Reason("cannot write", request.url);
  close(file);
  if (!written) {
    appended_.erase(path);  // How much of it is there is not known: read it again next time.
    return Lost(reason);
  }
  found->second.insert(request.key);
  return Written();
}

std::string WriteQuarantine(State& state, const std::string& state_folder) {
  const std::vector<std::string> sources = ToWrite(state.db());
  std::string problem;
  for (const std::string& source : sources) {
    const std::string text = QuarantineText(state, source);
    const std::filesystem::path folder = std::filesystem::path(state_folder) / "quarantine";
    const std::filesystem::path path = folder / (source + ".csv");
    const std::filesystem::path draft = path.string() + ".part";
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    std::ofstream out(draft, std::ios::binary);
    out << text << std::flush;
    const bool whole = out.good();
    out.close();
    if (whole) {
      std::filesystem::rename(draft, path, error);
    }
    if (!whole || error) {
      problem = "cannot write " + path.string() +
                ": bad rows are kept in the state, and the file is written when there is room";
    }
  }
  if (!sources.empty() && problem.empty()) {
    MarkWritten(state.db());
  }
  return problem;
}

}  // namespace segue
