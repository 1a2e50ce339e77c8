// The webhook connector: posts each delivery as JSON to an address of the user's, signed.
//
//   Idempotency-Key: KEY                     the delivery's key, the same at every attempt
//   Segue-Signature: t=SECONDS,v1=HEX        HEX = HMAC-SHA256(sign, "SECONDS." + body)
//
// Whether a receiver honours the key cannot be known from here, so without a word in the file a
// lost answer stays unknown. Where it does, the file says `dedupe: key`.

#include <algorithm>

#include "base/text.h"
#include "connectors/connector.h"

namespace segue {
namespace {

bool IsWebAddress(std::string_view url) {
  const bool web = url.starts_with("https://") || url.starts_with("http://");
  return web && std::all_of(url.begin(), url.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

class WebhookConnector final : public Connector {
 public:
  WebhookConnector(const ConnectorSettings& settings, const Secrets& secrets)
      : timeout_(settings.timeout), secrets_(secrets) {
    if (const auto secret = secrets.find("url"); secret != secrets.end()) {
      url_ = Trim(secret->second);
    } else if (const auto text = settings.text.find("url"); text != settings.text.end()) {
      url_ = Trim(text->second);
    }
  }

  NextStep Next(std::span<const Delivery> batch, std::span<const Exchange> done,
                Session& /*session*/, TimePoint now) const override {
    const Delivery& delivery = batch.front();
    if (!done.empty()) {
      return Ended(ClassifyHttp(RedactReply(done.back().reply, secrets_), now));
    }
    if (!IsWebAddress(url_)) {
      return Refused("the connector's url is not an address that begins with https:// or http://");
    }
    if (!IsHeaderValue(delivery.key)) {
      return Refused("the delivery's key cannot stand in a header");
    }
    Request request;
    request.kind = Request::Kind::kHttp;
    request.method = "POST";
    request.url = url_;
    request.timeout = timeout_;
    request.key = delivery.key;
    request.body = DeliveryJson(delivery);
    request.headers["Content-Type"] = "application/json";
    request.headers["Idempotency-Key"] = delivery.key;
    if (const auto sign = secrets_.find("sign"); sign != secrets_.end()) {
      request.headers["Segue-Signature"] = SegueSignature(sign->second, request.body, now);
    }
    return request;
  }

 private:
  std::string url_;
  Duration timeout_;
  Secrets secrets_;
};

}  // namespace

constinit const ConnectorSpec kWebhookConnector = {
    .name = "webhook",
    .summary = "Signed JSON to an address of yours",
    .example =
        "connector: carrot_quest\n"
        "type: webhook\n"
        "auth: {url: env:CARROT_URL, sign: cred:carrot_hmac}\n"
        "retry: {for: 24h, first: 30s, most: 1h}\n",
    .dedupe = Dedupe::kNone,
    .carries =
        [] {
          return std::vector{DeliveryKind::kMessage, DeliveryKind::kTask, DeliveryKind::kSet,
                             DeliveryKind::kTrack};
        },
    .make = [](const ConnectorSettings& settings,
               const Secrets& secrets) -> std::unique_ptr<Connector> {
      return std::make_unique<WebhookConnector>(settings, secrets);
    },
};

}  // namespace segue
