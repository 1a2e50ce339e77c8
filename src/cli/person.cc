#include "cli/person.h"

#include <cstdlib>
#include <pwd.h>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>

#include "config/forms.h"

namespace segue {
namespace {

constexpr std::size_t kEntryBytes = 16 * 1024;

}  // namespace

std::string WhoRuns() {
  uid_t user = getuid();
  // Anybody may set the variable; only root got here by sudo.
  const char* caller =
      user == 0 ? std::getenv("SUDO_UID") : nullptr;  // NOLINT(concurrency-mt-unsafe)
  if (caller != nullptr) {
    user = static_cast<uid_t>(ParseCount(caller).value_or(static_cast<int>(user)));
  }
  passwd entry{};
  passwd* found = nullptr;
  std::vector<char> room(kEntryBytes);
  if (getpwuid_r(user, &entry, room.data(), room.size(), &found) == 0 && found != nullptr) {
    return found->pw_name;
  }
  return fmt::format("user {}", user);
}

}  // namespace segue
