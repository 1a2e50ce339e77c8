#include "daemon/fetch.h"

#include <map>
#include <utility>

#include <curl/curl.h>

#include "base/clock.h"
#include "daemon/transfer.h"

namespace segue {
namespace {

int GoOn(void* goes_on, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return (*static_cast<const GoesOn*>(goes_on))() ? 0 : 1;  // 1 gives the transfer up.
}

class CurlReader final : public HttpReader {
 public:
  CurlReader(std::function<Result<std::string>(const std::string&)> resolve, GoesOn goes_on)
      : resolve_(std::move(resolve)), goes_on_(std::move(goes_on)) {}

  TimePoint Now() override { return clock_.Now(); }

  Result<std::map<std::string, std::string>> Secrets(const Source& source) override {
    std::map<std::string, std::string> secrets;
    for (const auto& [name, reference] : source.exports.auth) {
      Result<std::string> secret = resolve_(reference);
      if (!secret) {
        return Error("auth." + name + ": " + secret.error().message());
      }
      secrets[name] = std::move(*secret);
    }
    return secrets;
  }

  Reply Perform(const Request& request) override {
    Transfer transfer(request, kExportBytesMax);
    if (std::optional<Reply> refusal = transfer.Refusal()) {
      return std::move(*refusal);
    }
    // A day of events is a tenth of its size on the way.
    curl_easy_setopt(transfer.handle(), CURLOPT_ACCEPT_ENCODING, "gzip");
    if (goes_on_) {
      curl_easy_setopt(transfer.handle(), CURLOPT_NOPROGRESS, 0L);
      curl_easy_setopt(transfer.handle(), CURLOPT_XFERINFOFUNCTION, GoOn);
      curl_easy_setopt(transfer.handle(), CURLOPT_XFERINFODATA, &goes_on_);
    }
    const CURLcode code = curl_easy_perform(transfer.handle());
    if (code == CURLE_ABORTED_BY_CALLBACK) {
      throw StopAsked();
    }
    return transfer.Conclude(code);
  }

 private:
  std::function<Result<std::string>(const std::string&)> resolve_;
  GoesOn goes_on_;
  SystemClock clock_;
};

}  // namespace

std::unique_ptr<HttpReader> MakeHttpReader(
    std::function<Result<std::string>(const std::string&)> resolve, GoesOn goes_on) {
  return std::make_unique<CurlReader>(std::move(resolve), std::move(goes_on));
}

}  // namespace segue
