#include "daemon/transfer.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <stdexcept>

#include <curl/curl.h>
#include <fmt/format.h>

#include "base/text.h"

namespace segue {
namespace {

// Where an answer's body goes, as far as there is room.
struct Body {
  std::string& bytes;
  std::size_t most = 0;
  bool full = false;
};

std::size_t TakeBody(char* bytes, std::size_t size, std::size_t count, void* target) {
  auto* body = static_cast<Body*>(target);
  body->full = body->bytes.size() + size * count > body->most;
  if (body->full) {
    return 0;  // Stops the transfer.
  }
  body->bytes.append(bytes, size * count);
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

bool HasControl(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

}  // namespace

struct Transfer::Inner {
  Request request;
  Reply reply;
  CURL* curl = nullptr;
  curl_slist* list = nullptr;  // Headers of HTTP, recipients of SMTP.
  std::string from;
  Upload upload;
  Body body{reply.body};
  std::string error = std::string(CURL_ERROR_SIZE, '\0');
  bool refused = false;

  void Add(const std::string& line) { list = curl_slist_append(list, line.c_str()); }

  void SetCommon();
  void SetHttp();
  void SetSmtp();
  bool NothingSent(CURLcode code) const;
  Reply Failed(CURLcode code) const;
  Reply ConcludeSmtp(CURLcode code);
};

bool StartCurl() {
  static const CURLcode kStarted = curl_global_init(CURL_GLOBAL_DEFAULT);
  return kStarted == CURLE_OK;
}

Transfer::Transfer(Request request, std::size_t bytes_max) : inner_(std::make_unique<Inner>()) {
  inner_->request = std::move(request);
  inner_->body.most = bytes_max;
  inner_->curl = StartCurl() ? curl_easy_init() : nullptr;
  if (inner_->curl == nullptr) {
    throw std::runtime_error("libcurl could not be started");
  }
  inner_->SetCommon();
  if (inner_->request.kind == Request::Kind::kHttp) {
    inner_->SetHttp();
  } else {
    inner_->SetSmtp();
  }
}

Transfer::~Transfer() {
  curl_easy_cleanup(inner_->curl);
  curl_slist_free_all(inner_->list);
}

void* Transfer::handle() const {
  return inner_->curl;
}

std::optional<Reply> Transfer::Refusal() const {
  return inner_->refused
             ? std::optional(Reply{Reply::Kind::kNotSent, 0, {}, {}, "a header holds a line break"})
             : std::nullopt;
}

void Transfer::Inner::SetCommon() {
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error.data());
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
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
}

void Transfer::Inner::SetHttp() {
  for (const auto& [name, value] : request.headers) {
    refused = refused || HasControl(name) || HasControl(value);
    Add(name + ": " + value);
  }
  Add("Expect:");  // No 100-continue: it costs a second where it is not understood.
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, TakeHeader);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &reply.headers);
  curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  if (request.body.empty() && request.method != "POST") {
    return;
  }
  // A connection that is used again and closes without an answer makes libcurl send the request
  // once more by itself, although the other side may have acted on it.  A body that cannot be
  // rewound keeps it from that; a request without one gets a connection of its own.
  upload.bytes = request.body;
  curl_easy_setopt(curl, CURLOPT_POST, 1L);
  curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
  curl_easy_setopt(curl, CURLOPT_READFUNCTION, GiveBody);
  curl_easy_setopt(curl, CURLOPT_READDATA, &upload);
  if (request.body.empty()) {
    curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);
  }
}

void Transfer::Inner::SetSmtp() {
  for (const std::string& to : request.rcpt_to) {
    Add("<" + to + ">");
  }
  upload.bytes = request.body;
  from = "<" + request.mail_from + ">";
  curl_easy_setopt(curl, CURLOPT_MAIL_FROM, from.c_str());
  curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, list);
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
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &body);
}

// Whether the other side cannot have acted on it: not a byte of a request went out, or no byte of a
// mail's text did.
bool Transfer::Inner::NothingSent(CURLcode code) const {
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
      break;
  }
  if (request.kind == Request::Kind::kSmtp) {
    return upload.at == 0;
  }
  long sent = 0;
  curl_easy_getinfo(curl, CURLINFO_REQUEST_SIZE, &sent);
  return sent == 0;
}

// The URL may hold what nobody may read in a log, so the words name the failure only.
Reply Transfer::Inner::Failed(CURLcode code) const {
  const std::string words = body.full
                                ? fmt::format("the answer is longer than {} MB", body.most >> 20U)
                            : error[0] != '\0' ? error.c_str()
                                               : curl_easy_strerror(code);
  return {NothingSent(code) ? Reply::Kind::kNotSent : Reply::Kind::kLost, 0, {}, {}, words};
}

// Of all that the server said, the last line that begins with the status: what follows it answers
// our goodbye.
static std::string LastWords(std::string_view said, std::string_view status) {
  std::string_view last;
  for (const std::string_view line : Split(said, '\n')) {
    if (line.starts_with(status)) {
      last = Trim(line);
    }
  }
  return std::string(last);
}

Reply Transfer::Inner::ConcludeSmtp(CURLcode code) {
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  reply.body = LastWords(reply.body, std::to_string(status));
  // A refusal (4xx, 5xx) is an answer although libcurl calls it an error; an unencrypted line is
  // not.
  const bool refusal =
      status >= 400 && code != CURLE_USE_SSL_FAILED && code != CURLE_OPERATION_TIMEDOUT;
  if (code != CURLE_OK && !refusal) {
    return Failed(code);
  }
  reply.kind = Reply::Kind::kAnswered;
  reply.status = static_cast<int>(status);
  return std::move(reply);
}

Reply Transfer::Conclude(int code) {
  const auto result = static_cast<CURLcode>(code);
  if (inner_->request.kind == Request::Kind::kSmtp) {
    return inner_->ConcludeSmtp(result);
  }
  if (result != CURLE_OK) {
    return inner_->Failed(result);
  }
  long status = 0;
  curl_easy_getinfo(inner_->curl, CURLINFO_RESPONSE_CODE, &status);
  inner_->reply.kind = Reply::Kind::kAnswered;
  inner_->reply.status = static_cast<int>(status);
  return std::move(inner_->reply);
}

}  // namespace segue
