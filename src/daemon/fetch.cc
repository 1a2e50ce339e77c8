#include "daemon/fetch.h"

#include <map>
#include <utility>

#include <curl/curl.h>

#include "base/clock.h"
#include "daemon/transfer.h"

namespace segue {
namespace {

class CurlReader final : public HttpReader {
 public:
  explicit CurlReader(std::function<Result<std::string>(const std::string&)> resolve)
      : resolve_(std::move(resolve)) {}

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
    return transfer.Conclude(curl_easy_perform(transfer.handle()));
  }

 private:
  std::function<Result<std::string>(const std::string&)> resolve_;
  SystemClock clock_;
};

}  // namespace

std::unique_ptr<HttpReader> MakeHttpReader(
    std::function<Result<std::string>(const std::string&)> resolve) {
  return std::make_unique<CurlReader>(std::move(resolve));
}

}  // namespace segue
