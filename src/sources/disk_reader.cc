// Files on the disk, below one folder; *.gz through zlib.
//
// The file that was read last stays open with its place, so that reading in pieces costs no seeks
// and a compressed file is unpacked once.  The piece that was read last is kept too: whoever goes
// on reads a little of it again.

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <zlib.h>

#include "sources/source.h"

namespace segue {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kUnpackBytes = 256 * 1024;

bool Matches(std::string_view name, std::string_view pattern) {
  // On a mismatch the last `*` takes one character more: no recursion, and at worst name times
  // pattern steps.
  std::size_t n = 0;
  std::size_t p = 0;
  std::size_t star = std::string_view::npos;
  std::size_t retry = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      retry = n;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n])) {
      ++p;
      ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++retry;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

Error CannotRead(std::string_view path, std::string_view why) {
  return Error(fmt::format("{} cannot be read: {}", path, why));
}

std::string LastProblem() {
  return std::system_category().message(errno);
}

std::int64_t ChangedMicros(const struct stat& status) {
  return std::int64_t{status.st_mtim.tv_sec} * 1'000'000 + status.st_mtim.tv_nsec / 1'000;
}

// An open file and the place in its content up to which it was read.
class OpenFile {
 public:
  static Result<std::unique_ptr<OpenFile>> Open(const std::string& real_path,
                                                const std::string& path) {
    auto file = std::make_unique<OpenFile>();
    // Not blocking, since the name may be that of a pipe.
    file->descriptor_ = open(real_path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (file->descriptor_ < 0 || fstat(file->descriptor_, &file->status_) != 0) {
      return CannotRead(path, LastProblem());
    }
    if (!S_ISREG(file->status_.st_mode)) {
      return CannotRead(path, "it is not a file");
    }
    file->path_ = path;
    if (IsPackedFile(path)) {
      file->packed_ = gzdopen(file->descriptor_, "rb");
      if (file->packed_ == nullptr) {
        return CannotRead(path, "out of memory");
      }
      gzbuffer(file->packed_, kUnpackBytes);
    }
    return file;
  }

  OpenFile() = default;
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  ~OpenFile() {
    if (packed_ != nullptr) {
      gzclose(packed_);
    } else if (descriptor_ >= 0) {
      close(descriptor_);
    }
  }

  // Whether the path still leads to this file as it was when it was opened.
  bool Is(const std::string& real_path, const std::string& path) const {
    struct stat now {};

    return path == path_ && stat(real_path.c_str(), &now) == 0 && now.st_dev == status_.st_dev &&
           now.st_ino == status_.st_ino && now.st_size == status_.st_size &&
           ChangedMicros(now) == ChangedMicros(status_);
  }

  Result<std::string> Read(std::uint64_t offset, std::size_t most) {
    if (offset < piece_at_ || offset > at_) {
      if (std::optional<Error> error = Seek(offset)) {
        return *error;
      }
    }
    // What was read last time and is asked for again, then what follows.
    std::string content = piece_.substr(std::min(piece_.size(), offset - piece_at_), most);
    if (content.size() < most) {
      const std::size_t kept = content.size();
      content.resize(most);
      const Result<std::size_t> got = Fill(content.data() + kept, most - kept);
      if (!got) {
        return got.error();
      }
      content.resize(kept + *got);
      if (*got > 0) {
        piece_ = content;
        piece_at_ = offset;
      }
    }
    return content;
  }

  // Unpacks all that is left.
  std::optional<Error> ReadToEnd() {
    piece_.clear();
    std::string skipped(kUnpackBytes, '\0');
    for (;;) {
      const Result<std::size_t> got = Fill(skipped.data(), skipped.size());
      if (!got) {
        return got.error();
      }
      piece_at_ = at_;
      if (*got < skipped.size()) {
        return std::nullopt;
      }
    }
  }

 private:
  std::optional<Error> Seek(std::uint64_t offset) {
    piece_.clear();
    if (packed_ == nullptr) {
      at_ = offset;
    } else {
      if (offset < at_) {
        gzrewind(packed_);
        at_ = 0;
      }
      std::string skipped(kUnpackBytes, '\0');
      while (at_ < offset) {
        const std::size_t wanted = std::min<std::uint64_t>(skipped.size(), offset - at_);
        const Result<std::size_t> got = Fill(skipped.data(), wanted);
        if (!got) {
          return got.error();
        }
        if (*got == 0) {
          break;
        }
      }
    }
    piece_at_ = offset;
    return std::nullopt;
  }

  // Reads from at_ on until `most` bytes are there or the content ends.
  Result<std::size_t> Fill(char* to, std::size_t most) {
    std::size_t done = 0;
    while (done < most) {
      const std::size_t wanted = std::min(most - done, kUnpackBytes);
      const std::int64_t got = packed_ != nullptr
                                   ? gzread(packed_, to + done, static_cast<unsigned>(wanted))
                                   : pread(descriptor_, to + done, wanted, static_cast<off_t>(at_));
      if (got < 0 && packed_ == nullptr && errno == EINTR) {
        continue;
      }
      if (got < 0) {
        return CannotRead(path_, packed_ != nullptr ? GzipProblem() : LastProblem());
      }
      if (got == 0) {
        break;
      }
      done += static_cast<std::size_t>(got);
      at_ += static_cast<std::uint64_t>(got);
    }
    if (packed_ != nullptr && done < most) {
      int problem = Z_OK;
      gzerror(packed_, &problem);
      if (problem == Z_BUF_ERROR) {
        return CannotRead(path_, "the gzip data ends too early; is it still being copied?");
      }
    }
    return done;
  }

  std::string GzipProblem() const {
    int problem = Z_OK;
    std::string text = gzerror(packed_, &problem);
    // zlib puts a name before it, which is a number here.
    const std::size_t named = text.find(">: ");
    text.erase(0, named == std::string::npos ? 0 : named + 3);
    return problem == Z_ERRNO ? LastProblem() : "the gzip data is damaged: " + text;
  }

  std::string path_;
  int descriptor_ = -1;
  gzFile packed_ = nullptr;  // Owns the descriptor where there is one.

  struct stat status_ {};

  std::uint64_t at_ = 0;  // Of the content: the next byte to read.
  std::string piece_;     // The content from piece_at_ to at_.
  std::uint64_t piece_at_ = 0;
};

class DiskReader final : public FileReader {
 public:
  explicit DiskReader(std::string root) : root_(std::move(root)) {}

  std::vector<Info> List(std::string_view pattern) override {
    const std::size_t slash = pattern.rfind('/');
    const std::string folder(slash == std::string_view::npos ? "" : pattern.substr(0, slash + 1));
    const std::string name(slash == std::string_view::npos ? pattern : pattern.substr(slash + 1));
    std::vector<Info> found;
    if (name.find_first_of("*?") == std::string::npos) {
      AddIfFile(folder + name, found);
      return found;
    }
    const Result<std::string> real = RealPath(folder.empty() ? "." : folder);
    std::error_code problem;
    fs::directory_iterator entries;
    if (real) {
      entries = fs::directory_iterator(*real, problem);
    }
    for (; !problem && entries != fs::directory_iterator(); entries.increment(problem)) {
      const std::string entry = entries->path().filename().string();
      // Files that begin with a dot are half-copied ones and editors' own.
      if (entry.front() != '.' && Matches(entry, name)) {
        AddIfFile(folder + entry, found);
      }
    }
    if (!real || problem) {
      // Reading this "file" says what is wrong with the folder; an empty listing would hide it.
      found.push_back({.path = folder + name, .no_folder = HasNoFolder(folder)});
    }
    std::sort(found.begin(), found.end(),
              [](const Info& a, const Info& b) { return a.path < b.path; });
    return found;
  }

  std::optional<Error> CheckWhole(std::string_view path) override {
    std::optional<Error> error = Reopen(std::string(path));
    if (!error) {
      error = open_->ReadToEnd();
    }
    if (error) {
      open_.reset();
    }
    return error;
  }

  Result<std::string> Read(std::string_view path, std::uint64_t offset, std::size_t most) override {
    if (std::optional<Error> error = Reopen(std::string(path))) {
      return *error;
    }
    Result<std::string> content = open_->Read(offset, most);
    if (!content) {
      open_.reset();  // Its place is unknown now.
    }
    return content;
  }

 private:
  // Makes open_ the file as it is now.
  std::optional<Error> Reopen(const std::string& path) {
    const Result<std::string> real = RealPath(path);
    if (!real) {
      return real.error();
    }
    if (open_ == nullptr || !open_->Is(*real, path)) {
      Result<std::unique_ptr<OpenFile>> opened = OpenFile::Open(*real, path);
      if (!opened) {
        return opened.error();
      }
      open_ = std::move(*opened);
    }
    return std::nullopt;
  }

  // With every link followed.  Error: not there, or outside the root.
  Result<std::string> RealPath(const std::string& path) const {
    std::error_code problem;
    const fs::path root = fs::canonical(root_, problem);
    const fs::path real = problem ? fs::path() : fs::canonical(root / path, problem);
    if (problem) {
      const fs::path folder = fs::path(path).parent_path();
      return CannotRead(path,
                        !IsMissing(root / folder) ? problem.message()
                        : HasNoFolder(folder)
                            ? "there is no folder " + folder.string() + " in the state folder"
                            : "a link on the way to it leads nowhere, or out of the state folder");
    }
    const auto [in_root, in_real] =
        std::mismatch(root.begin(), root.end(), real.begin(), real.end());
    if (in_root != root.end()) {
      return CannotRead(path, "it lies outside the state folder");
    }
    return real.string();
  }

  static bool IsMissing(const fs::path& path) {
    std::error_code problem;
    return fs::symlink_status(path, problem).type() == fs::file_type::not_found;
  }

  // Not even a link that leads nowhere, or out of the root, stands on the way to it.
  bool HasNoFolder(const fs::path& folder) const {
    fs::path way;
    for (const fs::path& part : folder) {
      way /= part;
      if (IsMissing(fs::path(root_) / way)) {
        return true;
      }
      if (!RealPath(way.string())) {
        return false;
      }
    }
    return false;
  }

  void AddIfFile(const std::string& path, std::vector<Info>& found) const {
    const Result<std::string> real = RealPath(path);

    struct stat status {};

    if (!real || stat(real->c_str(), &status) != 0) {
      // What went away since the folder was listed is no file; what cannot be reached is one that
      // somebody waits for.
      if (!IsMissing(fs::path(root_) / path)) {
        found.push_back({.path = path, .bytes = 0, .changed = 0});
      }
    } else if (!S_ISDIR(status.st_mode)) {
      found.push_back({.path = path,
                       .bytes = static_cast<std::uint64_t>(status.st_size),
                       .changed = ChangedMicros(status)});
    }
  }

  std::string root_;
  std::unique_ptr<OpenFile> open_;
};

}  // namespace

bool IsPackedFile(std::string_view path) {
  return path.size() > 3 && path.ends_with(".gz");
}

std::unique_ptr<FileReader> MakeDiskReader(std::string root) {
  return std::make_unique<DiskReader>(std::move(root));
}

}  // namespace segue
