#include "daemon/tunnel.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <netinet/in.h>
#include <optional>
#include <poll.h>
#include <string_view>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/text.h"

namespace segue {
namespace {

// ssh gives up a host that does not answer after ConnectTimeout; the rest is the login.
constexpr Duration kOpenMost = std::chrono::seconds(30);
constexpr std::size_t kSaidBytesMax = 64 * 1024;
constexpr std::size_t kSshWordsMax = 300;
constexpr int kNoSuchProgram = 127;
// ssh says this when it is in and listens, at LogLevel DEBUG1.
constexpr std::string_view kIsOpen = "Entering interactive session.";

struct TunnelSecret {
  std::string user, host, port, known_host, key;
};

bool OnlyHas(std::string_view text, std::string_view signs) {
  return !text.empty() && text.front() != '-' && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           signs.find(c) != std::string_view::npos;
  });
}

// A name, an IPv4 or an IPv6 address: nothing that a line of settings could be broken with.
bool IsHost(std::string_view text) {
  return OnlyHas(text, ".-_:");
}

bool IsPort(std::string_view text) {
  return text.size() <= 5 && text.find_first_not_of("0123456789") == std::string_view::npos &&
         !text.empty() && std::atoi(std::string(text).c_str()) - 1 < 65535;
}

std::string TakeLine(std::string_view& rest) {
  const std::size_t end = std::min(rest.find('\n'), rest.size());
  std::string line(Trim(rest.substr(0, end)));
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return line;
}

std::optional<TunnelSecret> ParseSecret(std::string_view text) {
  TunnelSecret secret;
  const std::string address = TakeLine(text);
  secret.known_host = TakeLine(text);
  secret.key = std::string(Trim(text)) + "\n";
  constexpr std::string_view kScheme = "ssh://";
  const std::size_t at = address.find('@');
  if (!address.starts_with(kScheme) || at == std::string::npos) {
    return std::nullopt;
  }
  secret.user = address.substr(kScheme.size(), at - kScheme.size());
  std::string_view place = std::string_view(address).substr(at + 1);
  place = place.ends_with('/') ? place.substr(0, place.size() - 1) : place;
  const std::size_t bracket = place.find(']');
  const std::size_t colon = place.find(':', bracket == std::string_view::npos ? 0 : bracket);
  secret.host = place.substr(0, colon);
  secret.port = colon == std::string_view::npos ? "22" : place.substr(colon + 1);
  if (secret.host.starts_with('[') && secret.host.ends_with(']')) {
    secret.host = secret.host.substr(1, secret.host.size() - 2);
  }
  const bool good = OnlyHas(secret.user, ".-_") && IsHost(secret.host) && IsPort(secret.port) &&
                    !secret.known_host.empty() && !secret.known_host.starts_with("-----") &&
                    secret.key.starts_with("-----BEGIN ");
  return good ? std::optional(std::move(secret)) : std::nullopt;
}

// A folder that nobody else can look into, gone with this object.
class PrivateFolder {
 public:
  static std::optional<PrivateFolder> Make() {
    std::error_code error;
    std::string path = std::filesystem::temp_directory_path(error) / "segue-tunnel-XXXXXX";
    if (error || mkdtemp(path.data()) == nullptr) {
      return std::nullopt;
    }
    return PrivateFolder(std::move(path));
  }

  PrivateFolder(PrivateFolder&& other) noexcept : path_(std::exchange(other.path_, "")) {}

  PrivateFolder& operator=(PrivateFolder&&) = delete;

  ~PrivateFolder() {
    std::error_code ignored;
    if (!path_.empty()) {
      std::filesystem::remove_all(path_, ignored);
    }
  }

  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

  bool Write(const std::string& name, std::string_view text) const {
    const int file = open((*this / name).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0) {
      return false;
    }
    const ssize_t written = write(file, text.data(), text.size());
    return close(file) == 0 && written == static_cast<ssize_t>(text.size());
  }

 private:
  explicit PrivateFolder(std::string path) : path_(std::move(path)) {}

  std::string path_;
};

// A port that is free at this moment.  Should somebody take it before ssh does, ssh says so and
// ends.
std::optional<std::string> FreePort() {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  const bool bound = listener >= 0 && bind(listener, generic, size) == 0 &&
                     getsockname(listener, generic, &size) == 0;
  if (listener >= 0) {
    close(listener);
  }
  return bound ? std::optional(std::to_string(ntohs(address.sin_port))) : std::nullopt;
}

std::string Settings(const TunnelSecret& secret, const PrivateFolder& folder,
                     std::string_view local_port, std::string_view host, std::string_view port) {
  const bool v6 = host.find(':') != std::string_view::npos;
  return fmt::format(
      "Host tunnel\n"
      "HostName {}\nPort {}\nUser {}\n"
      "IdentityFile \"{}\"\nIdentitiesOnly yes\nIdentityAgent none\n"
      "PreferredAuthentications publickey\nBatchMode yes\n"
      "UserKnownHostsFile \"{}\"\nGlobalKnownHostsFile /dev/null\n"
      "StrictHostKeyChecking yes\nUpdateHostKeys no\nCheckHostIP no\n"
      "LocalForward 127.0.0.1:{} {}{}{}:{}\nExitOnForwardFailure yes\n"
      "ConnectTimeout 10\nServerAliveInterval 15\nServerAliveCountMax 3\n"
      "ControlPath none\nForwardAgent no\nForwardX11 no\nPermitLocalCommand no\n"
      "LogLevel DEBUG1\n",
      secret.host, secret.port, secret.user, folder / "key", folder / "known_hosts", local_port,
      v6 ? "[" : "", host, v6 ? "]" : "", port);
}

// Ends with this process: also where that is killed.
[[noreturn]] void BecomeSsh(int words, const char* settings, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int nothing = open("/dev/null", O_RDWR);
  if (getppid() == parent && nothing >= 0 && dup2(nothing, STDIN_FILENO) >= 0 &&
      dup2(nothing, STDOUT_FILENO) >= 0 && dup2(words, STDERR_FILENO) >= 0) {
    execlp("ssh", "ssh", "-F", settings, "-N", "-T", "tunnel", nullptr);
  }
  _exit(errno == ENOENT ? kNoSuchProgram : 1);
}

// What is there to be read.  False: nothing more will come.
bool ReadWords(int from, std::string& said) {
  char room[4096];
  while (true) {
    const ssize_t got = read(from, room, sizeof(room));
    if (got > 0) {
      said.append(room, static_cast<std::size_t>(got));
      said.erase(0, said.size() - std::min(said.size(), kSaidBytesMax));
    } else {
      return got < 0 && (errno == EAGAIN || errno == EINTR);
    }
  }
}

// The last line that is meant for people.
std::string LastLine(std::string_view said) {
  std::string last;
  while (!said.empty()) {
    const std::string line = TakeLine(said);
    if (!line.empty() && !line.starts_with("debug") && !line.starts_with("OpenSSH_") &&
        !line.starts_with("@")) {
      last = line;
    }
  }
  return last;
}

std::string Without(std::string text, const std::vector<std::string>& secrets) {
  for (const std::string& secret : secrets) {
    for (std::size_t at = text.find(secret); !secret.empty() && at != std::string::npos;
         at = text.find(secret, at)) {
      text.replace(at, secret.size(), "…");
      at += std::string_view("…").size();
    }
  }
  return text;
}

// Why it did not open.
std::string WhyNot(const std::string& said, int status, const TunnelSecret& secret,
                   const std::string& folder) {
  const auto says = [&](std::string_view words) { return said.find(words) != std::string::npos; };
  if (WIFEXITED(status) && WEXITSTATUS(status) == kNoSuchProgram) {
    return "auth.tunnel needs the program ssh, which is not installed: apt install openssh-client";
  }
  if (says("Host key verification failed")) {
    return "the SSH host does not show the key that the second line of auth.tunnel names; ask who "
           "runs it before you change that line";
  }
  if (says("invalid format") || says("error in libcrypto")) {
    return "the private key in auth.tunnel cannot be read; it begins and ends with a line of "
           "dashes";
  }
  if (says("Server accepts key") && says("Permission denied")) {
    return "the SSH host would take the key of auth.tunnel, which cannot be used: a key with a "
           "passphrase serves nobody who cannot be asked for it";
  }
  if (says("Permission denied")) {
    return "the SSH host does not let this user in with this key; check the first line and the key "
           "of auth.tunnel, and whom the host allows";
  }
  std::string words =
      Without(LastLine(said), {folder, secret.user + "@" + secret.host, secret.host, secret.user});
  words.resize(std::min(words.size(), kSshWordsMax));
  return fmt::format(
      "the SSH tunnel cannot be opened: {}; check auth.tunnel, the network and that "
      "the host is up",
      words.empty() || !IsUtf8(words) ? "ssh ended without a word" : words);
}

}  // namespace

Result<std::unique_ptr<Tunnel>> Tunnel::Open(const std::string& secret_text,
                                             const std::string& host, const std::string& port) {
  const std::optional<TunnelSecret> secret = ParseSecret(secret_text);
  if (!secret) {
    return Error(
        "auth.tunnel does not hold its three parts: the line ssh://user@host:22, a line of "
        "known_hosts, and the private key");
  }
  if (!IsHost(host) || !IsPort(port)) {
    return Error(
        "auth.url names the database by host and port, as the SSH host of auth.tunnel sees it");
  }
  const std::optional<PrivateFolder> folder = PrivateFolder::Make();
  const std::optional<std::string> local = FreePort();
  int ends[2] = {-1, -1};
  if (!folder || !local || !folder->Write("key", secret->key) ||
      !folder->Write("known_hosts", secret->known_host + "\n") ||
      !folder->Write("settings", Settings(*secret, *folder, *local, host, port)) ||
      pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
    return Error(fmt::format("the SSH tunnel cannot be prepared: {}",
                             std::strerror(errno)));  // NOLINT(concurrency-mt-unsafe)
  }
  std::unique_ptr<Tunnel> tunnel(new Tunnel());
  tunnel->port_ = *local;
  tunnel->words_ = ends[0];
  const std::string settings = *folder / "settings";
  const pid_t here = getpid();
  tunnel->process_ = fork();
  if (tunnel->process_ == 0) {
    BecomeSsh(ends[1], settings.c_str(), here);
  }
  close(ends[1]);
  if (tunnel->process_ < 0) {
    return Error("the SSH tunnel cannot be started: there is no room for one more process");
  }
  const Duration end = MonotonicNow() + kOpenMost;
  bool more = true;
  while (more && tunnel->said_.find(kIsOpen) == std::string::npos) {
    const Duration left = end - MonotonicNow();
    if (left <= Duration::zero()) {
      return Error("the SSH tunnel cannot be opened: the host did not answer in time");
    }
    pollfd watched{tunnel->words_, POLLIN, 0};
    poll(&watched, 1, static_cast<int>(left / std::chrono::milliseconds(1)) + 1);
    more = ReadWords(tunnel->words_, tunnel->said_);
  }
  if (more) {
    return tunnel;
  }
  int status = 0;
  while (waitpid(tunnel->process_, &status, 0) < 0 && errno == EINTR) {
  }
  tunnel->process_ = -1;
  return Error(WhyNot(tunnel->said_, status, *secret, *folder / ""));
}

Tunnel::~Tunnel() {
  if (process_ > 0) {
    kill(process_, SIGKILL);  // It keeps nothing that wants tidying up.
    while (waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  if (words_ >= 0) {
    close(words_);
  }
}

std::string Tunnel::Trouble() {
  ReadWords(words_, said_);
  constexpr std::string_view kFailed = "open failed: ";
  const std::size_t at = said_.rfind(kFailed);
  if (at == std::string::npos) {
    return "";
  }
  const std::size_t end = said_.find_first_of("\r\n", at);
  std::string words = said_.substr(at + kFailed.size(), end - at - kFailed.size());
  words.resize(std::min(words.size(), kSshWordsMax));
  return IsUtf8(words) ? words : "";
}

}  // namespace segue
