#include "cli/person.h"

#include <charconv>
#include <cstdlib>
#include <fstream>
#include <pwd.h>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>

#include "config/forms.h"

namespace segue {
namespace {

constexpr std::size_t kEntryBytes = 16 * 1024;
// What the kernel says of what no login began.
constexpr unsigned kNoLogin = 4294967295;

}  // namespace

unsigned PersonOf(unsigned user, const char* sudo_caller, std::string_view login) {
  // Anybody may set the variable; only root got here by sudo.
  const auto caller = user == 0 && sudo_caller != nullptr ? ParseCount(sudo_caller) : std::nullopt;
  if (caller) {
    return static_cast<unsigned>(*caller);
  }
  unsigned who = kNoLogin;
  const auto [end, problem] = std::from_chars(login.data(), login.data() + login.size(), who);
  return problem == std::errc() && who != kNoLogin ? who : user;
}

std::string WhoRuns() {
  std::string login;
  std::getline(std::ifstream("/proc/self/loginuid"), login);
  const uid_t user =
      PersonOf(getuid(), std::getenv("SUDO_UID"), login);  // NOLINT(concurrency-mt-unsafe)
  passwd entry{};
  passwd* found = nullptr;
  std::vector<char> room(kEntryBytes);
  if (getpwuid_r(user, &entry, room.data(), room.size(), &found) == 0 && found != nullptr) {
    return found->pw_name;
  }
  return fmt::format("user {}", user);
}

}  // namespace segue
