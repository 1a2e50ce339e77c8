#include "daemon/transport.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <unistd.h>

#include <curl/curl.h>

#include "base/text.h"

namespace segue {
namespace {

// Fails like an answer that never came: the caller cannot know how much of it is on disk.
Reply Lost(std::string error) {
  return {Reply::Kind::kLost, 0, {}, {}, std::move(error)};
}

Reply NotSent(std::string error) {
  return {Reply::Kind::kNotSent, 0, {}, {}, std::move(error)};
}

std::size_t TakeBody(char* bytes, std::size_t size, std::size_t count, void* target) {
  auto* body = static_cast<std::string*>(target);
  if (body->size() + size * count > kReplyBytesMax) {
    return 0;  // Stops the transfer.
  }
  body->append(bytes, size * count);
  return size * count;
}

std::size_t TakeHeader(char* bytes, std::size_t size, std::size_t count, void* target) {
  auto* headers = static_cast<std::map<std::string, std::string>*>(target);
  const std::string_view line(bytes, size * count);
  if (const std::size_t colon = line.find(':'); colon != std::string_view::npos) {
    (*headers)[ToLower(line.substr(0, colon))] = std::string(Trim(line.substr(colon + 1)));
  }
  return size * count;
}

struct Upload {
  std::string_view bytes;
  std::size_t at = 0;
};

std::size_t GiveBody(char* target, std::size_t size, std::size_t count, void* source) {
  auto* upload = static_cast<Upload*>(source);
  const std::size_t most = std::min(size * count, upload->bytes.size() - upload->at);
  std::memcpy(target, upload->bytes.data() + upload->at, most);
  upload->at += most;
  return most;
}

// Whether the other side can have seen any of the request when this happened.
bool FailedBeforeSending(CURLcode code) {
  switch (code) {
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_USE_SSL_FAILED:
    case CURLE_LOGIN_DENIED:
      return true;
    default:
      return false;
  }
}

bool HasControl(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

class HeaderList {
 public:
  ~HeaderList() { curl_slist_free_all(list_); }

  void Add(const std::string& line) { list_ = curl_slist_append(list_, line.c_str()); }

  curl_slist* get() const { return list_; }

 private:
  curl_slist* list_ = nullptr;
};

void SetCommon(CURL* curl, const Request& request, Reply& reply, char* error_text) {
  curl_easy_reset(curl);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error_text);
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https,smtp,smtps");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  const auto timeout_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(request.timeout).count();
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(timeout_ms));
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, TakeBody);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &reply.body);
}

// The URL may hold what nobody may read in a log, so the error names the failure only.
Reply Failed(CURLcode code, std::string words) {
  return FailedBeforeSending(code) ? NotSent(std::move(words)) : Lost(std::move(words));
}

}  // namespace

Transport::Transport(std::string state_folder, Files files)
    : state_folder_(std::move(state_folder)), files_(files), curl_(curl_easy_init()) {
  if (curl_ == nullptr) {
    throw std::runtime_error("libcurl could not be started");
  }
}

Transport::~Transport() {
  curl_easy_cleanup(static_cast<CURL*>(curl_));
}

Reply Transport::Perform(const Request& request) {
  switch (request.kind) {
    case Request::Kind::kHttp:
      return Http(request);
    case Request::Kind::kSmtp:
      return Smtp(request);
    case Request::Kind::kFile:
      return File(request);
    case Request::Kind::kAppend:
      return Append(request);
  }
  return NotSent("unknown kind of request");
}

Reply Transport::Http(const Request& request) {
  auto* curl = static_cast<CURL*>(curl_);
  Reply reply;
  char error_text[CURL_ERROR_SIZE] = "";
  SetCommon(curl, request, reply, error_text);
  HeaderList headers;
  for (const auto& [name, value] : request.headers) {
    if (HasControl(name) || HasControl(value)) {
      return NotSent("a header holds a line break");
    }
    headers.Add(name + ": " + value);
  }
  headers.Add("Expect:");  // No 100-continue: it costs a second where it is not understood.
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, TakeHeader);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &reply.headers);
  curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  if (!request.body.empty() || request.method == "POST") {
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request.body.data());
  }
  const CURLcode code = curl_easy_perform(curl);
  if (code != CURLE_OK) {
    return Failed(code, *error_text != '\0' ? error_text : curl_easy_strerror(code));
  }
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  reply.kind = Reply::Kind::kAnswered;
  reply.status = static_cast<int>(status);
  return reply;
}

Reply Transport::Smtp(const Request& request) {
  auto* curl = static_cast<CURL*>(curl_);
  Reply reply;
  char error_text[CURL_ERROR_SIZE] = "";
  SetCommon(curl, request, reply, error_text);
  HeaderList recipients;
  for (const std::string& to : request.rcpt_to) {
    recipients.Add("<" + to + ">");
  }
  Upload upload{request.body};
  const std::string from = "<" + request.mail_from + ">";
  curl_easy_setopt(curl, CURLOPT_MAIL_FROM, from.c_str());
  curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, recipients.get());
  curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(curl, CURLOPT_READFUNCTION, GiveBody);
  curl_easy_setopt(curl, CURLOPT_READDATA, &upload);
  if (!request.user.empty()) {
    curl_easy_setopt(curl, CURLOPT_USERNAME, request.user.c_str());
    curl_easy_setopt(curl, CURLOPT_PASSWORD, request.password.c_str());
    // A password goes over an encrypted line or not at all.
    curl_easy_setopt(curl, CURLOPT_USE_SSL, static_cast<long>(CURLUSESSL_ALL));
  } else {
    curl_easy_setopt(curl, CURLOPT_USE_SSL, static_cast<long>(CURLUSESSL_TRY));
  }
  // The server's last words, for people.
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, TakeBody);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &reply.body);
  const CURLcode code = curl_easy_perform(curl);
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  const std::string_view words = Trim(reply.body);
  const std::size_t last_line = words.rfind('\n');
  reply.body =
      std::string(last_line == std::string_view::npos ? words : words.substr(last_line + 1));
  // A refusal (4xx, 5xx) is an answer although libcurl calls it an error; an unencrypted line is
  // not.
  const bool refused =
      status >= 400 && code != CURLE_USE_SSL_FAILED && code != CURLE_OPERATION_TIMEDOUT;
  if (code != CURLE_OK && !refused) {
    return Failed(code, *error_text != '\0' ? error_text : curl_easy_strerror(code));
  }
  reply.kind = Reply::Kind::kAnswered;
  reply.status = static_cast<int>(status);
  return reply;
}

namespace {

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

bool Transport::WriteAll(int file, std::string_view bytes) const {
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
  return files_ == Files::kQuick || fsync(file) == 0;
}

bool Transport::SyncFolder(const std::string& path) const {
  if (files_ == Files::kQuick) {
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

Reply Transport::File(const Request& request) {
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
  return {Reply::Kind::kAnswered, 200, {}, {}, {}};
}

Reply Transport::Append(const Request& request) {
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
      if (whole) {
        found->second.insert(KeyOf(line));
      }
    }
  }
  const std::string line(Trim(request.body));
  if (found->second.contains(request.key)) {
    return {Reply::Kind::kAnswered, 200, {}, {}, {}};
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
  return {Reply::Kind::kAnswered, 200, {}, {}, {}};
}

}  // namespace segue
