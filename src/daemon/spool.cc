#include "daemon/spool.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include <fmt/format.h>

#include "config/definitions.h"
#include "pipeline/answers.h"

namespace segue {
namespace {

class OpenFile {
 public:
  OpenFile(const std::string& path, int flags) : file_(::open(path.c_str(), flags, 0600)) {}

  ~OpenFile() {
    if (file_ >= 0) {
      ::close(file_);
    }
  }

  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  int get() const { return file_; }

 private:
  int file_;
};

bool AppendAll(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno != EINTR) {
      return false;
    }
    bytes.remove_prefix(written < 0 ? 0 : static_cast<std::size_t>(written));
  }
  return true;
}

// What a crash left half of becomes a line of its own: nobody was told that it was taken.
bool EndsWithLine(int file, off_t size) {
  char last = '\n';
  return size == 0 || (::pread(file, &last, 1, size - 1) == 1 && last == '\n');
}

bool SyncFolderOf(const std::filesystem::path& folder) {
  const OpenFile open(folder.string(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return open.get() >= 0 && ::fsync(open.get()) == 0;
}

Error CannotWrite(const std::string& path) {
  return Error(fmt::format("{}: {}", path, std::generic_category().message(errno)));
}

}  // namespace

std::vector<std::string> Forgotten(const std::string& state_folder, const Workspace& workspace) {
  std::vector<std::string> words;
  std::error_code problem;
  const std::filesystem::path folder = std::filesystem::path(state_folder) / kSpoolFolder;
  for (const auto& entry : std::filesystem::directory_iterator(folder, problem)) {
    const std::string stream = entry.path().filename().string();
    const bool named = stream == kAnswersStream ||
                       std::any_of(workspace.sources.begin(), workspace.sources.end(),
                                   [&](const Source& source) { return source.id == stream; });
    if (!named && !std::filesystem::is_empty(entry.path(), problem)) {
      words.push_back(fmt::format(
          "{0}/{1} holds what was pushed in for {1}, and no source has that name: give it back to "
          "one until it is read, or delete the folder",
          kSpoolFolder, stream));
    }
  }
  std::sort(words.begin(), words.end());
  return words;
}

Spool::Spool(std::string state_folder)
    : folder_(std::move(state_folder) + "/" + std::string(kSpoolFolder)) {}

std::map<std::string, std::string> Spool::Append(std::span<const SpoolLine> lines, TimePoint now) {
  std::map<std::string, std::string> by_stream;
  for (const SpoolLine& line : lines) {
    by_stream[line.stream] += line.text + "\n";
  }
  std::map<std::string, std::string> lost;
  // What people said comes first: a disk may have room for that alone.
  for (const bool answers : {true, false}) {
    for (const auto& [stream, text] : by_stream) {
      if ((stream == kAnswersStream) != answers) {
        continue;
      }
      if (const Result<void> done = AppendTo(stream, text, now); !done) {
        lost.emplace(stream, done.error().message());
      }
    }
  }
  return lost;
}

Result<void> Spool::AppendTo(const std::string& stream, const std::string& text, TimePoint now) {
  const std::filesystem::path folder = std::filesystem::path(folder_) / stream;
  std::error_code problem;
  if (!std::filesystem::exists(folder, problem)) {
    std::filesystem::create_directories(folder, problem);
    if (problem || !SyncFolderOf(folder_) ||
        !SyncFolderOf(std::filesystem::path(folder_).parent_path())) {
      return CannotWrite(folder.string());
    }
  }
  const std::string path = (folder / (FormatTime(now).substr(0, 10) + ".jsonl")).string();
  const bool is_new = !std::filesystem::exists(path, problem);
  const OpenFile file(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC);
  struct stat before = {};
  if (file.get() < 0 || ::fstat(file.get(), &before) != 0) {
    return CannotWrite(path);
  }
  const std::string bytes = (EndsWithLine(file.get(), before.st_size) ? "" : "\n") + text;
  if (!AppendAll(file.get(), bytes) || ::fdatasync(file.get()) != 0 ||
      (is_new && !SyncFolderOf(folder))) {
    return CannotWrite(path);  // What is there stays: the reader never looks back.
  }
  return {};
}

void Spool::Sweep(const std::string& stream, TimePoint read_until) {
  const std::string today = FormatTime(read_until).substr(0, 10) + ".jsonl";
  std::error_code problem;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(folder_) / stream, problem)) {
    if (entry.path().filename().string() < today) {
      std::filesystem::remove(entry.path(), problem);
    }
  }
}

}  // namespace segue
