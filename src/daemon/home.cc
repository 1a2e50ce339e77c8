#include "daemon/home.h"

#include <fstream>
#include <sys/stat.h>

#include <fmt/format.h>

#include "base/hash.h"

namespace segue {
namespace {

constexpr std::string_view kTable = R"(
CREATE TABLE home(
  id INTEGER PRIMARY KEY CHECK (id = 1),
  home TEXT NOT NULL,
  since INTEGER NOT NULL
) STRICT;
)";

std::string StoredHome(Database& db) {
  db.Ensure("home", kTable);
  Statement select = db.Prepare("SELECT home FROM home");
  return select.Step() ? select.Text(0) : "";
}

}  // namespace

std::string HomeOf(const std::string& state_file) {
  std::string machine;
  std::ifstream("/etc/machine-id") >> machine;

  struct stat info {};

  const bool found = stat(state_file.c_str(), &info) == 0;
  return Sha256Hex(fmt::format("{}/{}", machine, found ? info.st_ino : 0)).substr(0, 16);
}

Result<void> RequireHome(Database& db, const std::string& home, TimePoint now) {
  const std::string stored = StoredHome(db);
  if (stored == home) {
    return {};
  }
  if (stored.empty()) {
    TakeHome(db, home, now);
    return {};
  }
  return Error(
      "this state file is a copy: the one that it was copied from may have sent messages since, "
      "and "
      "may still be at work.  Stop the original, then say `segue adopt --note \"why\"` here");
}

bool TakeHome(Database& db, const std::string& home, TimePoint now) {
  const std::string stored = StoredHome(db);
  Transaction work(db);
  Statement put = db.Prepare(
      "INSERT INTO home(id, home, since) VALUES (1, ?1, ?2) "
      "ON CONFLICT(id) DO UPDATE SET home = ?1, since = ?2");
  put.Bind(1, home).Bind(2, ToMicros(now)).Run();
  work.Commit();
  return !stored.empty() && stored != home;
}

}  // namespace segue
