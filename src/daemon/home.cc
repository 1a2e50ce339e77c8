#include "daemon/home.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <stdexcept>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/hash.h"

namespace segue {
namespace {

constexpr std::string_view kTable = R"(
CREATE TABLE home(
  id INTEGER PRIMARY KEY CHECK (id = 1),
  home TEXT NOT NULL,
  sent INTEGER NOT NULL,
  since INTEGER NOT NULL
) STRICT;
)";

std::string HomeOf(const std::string& state_file) {
  std::string machine;
  std::ifstream("/etc/machine-id") >> machine;

  struct stat info {};

  const bool found = stat(state_file.c_str(), &info) == 0;
  return Sha256Hex(fmt::format("{}/{}", machine, found ? info.st_ino : 0)).substr(0, 16);
}

}  // namespace

std::string LostState(const std::string& state_file) {
  return fmt::format(
      "{0} is missing or empty, although {0}.mark says that a state worked here: it knows who was "
      "written to.  Put a backup back and say `segue adopt --note \"why\"`, or, if a new state is "
      "to begin here, remove {0} and {0}.mark",
      state_file);
}

Home::Home(Database& db, const std::string& state_file)
    : db_(db), home_(HomeOf(state_file)), mark_path_(state_file + ".mark") {
  db_.Ensure("home", kTable);
}

// Not before this is its home: beside a state that is only played with, or a copy that is refused,
// a mark would say that one worked here.
void Home::OpenMark() {
  if (mark_file_ >= 0) {
    return;
  }
  mark_file_ = open(mark_path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
  if (mark_file_ < 0) {
    throw std::runtime_error(fmt::format("cannot open {}: {}", mark_path_,
                                         std::strerror(errno)));  // NOLINT(concurrency-mt-unsafe)
  }
}

Home::~Home() {
  if (mark_file_ >= 0) {
    close(mark_file_);
  }
}

Home::Stored Home::Read() const {
  Statement select = db_.Prepare("SELECT home, sent FROM home");
  return select.Step() ? Stored{select.Text(0), select.Int(1)} : Stored{};
}

std::int64_t Home::MarkBeside() const {
  std::int64_t mark = 0;
  std::ifstream(mark_path_) >> mark;
  return mark;
}

Result<void> Home::Require(TimePoint now) {
  const Stored stored = Read();
  sent_ = stored.sent;
  if (stored.home.empty() && MarkBeside() == 0) {
    OpenMark();
    Store(home_, 0, now);
    return {};
  }
  if (stored.home.empty()) {
    return Error(LostState(mark_path_.substr(0, mark_path_.size() - std::string(".mark").size())));
  }
  if (stored.home != home_) {
    return Error(
        "this state file is a copy: the one that it was copied from may have sent messages since, "
        "and may still be at work.  Stop the original, then say `segue adopt --note \"why\"` here");
  }
  if (MarkBeside() > stored.sent) {
    return Error(
        "this state file is older than the one that worked here last (a backup that was put "
        "back?): "
        "it does not know what was sent since.  Say `segue adopt --note \"why\"`, which holds what "
        "may have been sent already");
  }
  OpenMark();
  return {};
}

bool Home::Take(TimePoint now) {
  const Stored stored = Read();
  const bool doubt = (!stored.home.empty() && stored.home != home_) || MarkBeside() > stored.sent;
  if (doubt) {
    OpenMark();
  }
  sent_ = std::max(stored.sent, MarkBeside());
  Store(home_, sent_, now);
  return doubt;
}

void Home::Store(const std::string& home, std::int64_t sent, TimePoint now) {
  Transaction work(db_);
  Statement put = db_.Prepare(
      "INSERT INTO home(id, home, sent, since) VALUES (1, ?1, ?2, ?3) "
      "ON CONFLICT(id) DO UPDATE SET home = ?1, sent = ?2, since = ?3");
  put.Bind(1, home).Bind(2, sent).Bind(3, ToMicros(now)).Run();
  work.Commit();
}

void Home::Advance() {
  db_.Prepare("UPDATE home SET sent = ?1").Bind(1, ++sent_).Run();
}

void Home::Mark() {
  // Not synced: after a power cut it may be behind, which is no reason for doubt.
  const std::string text = fmt::format("{}\n", sent_);
  if (pwrite(mark_file_, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    throw std::runtime_error(fmt::format("cannot write {}: {}", mark_path_,
                                         std::strerror(errno)));  // NOLINT(concurrency-mt-unsafe)
  }
}

}  // namespace segue
