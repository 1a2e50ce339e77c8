// A Connector turns a batch of Deliveries into exchanges with one vendor.
//
// It does no I/O.  The dispatcher asks Next() what to do, performs the request that it returns, and
// asks again with the answer added, until Next() returns the outcomes.  The same deliveries,
// answers and session give the same result, so a test or the simulator can stand in for the vendor.
//
// To add a vendor: write connectors/<vendor>.cc and name its spec in kConnectors below.  The
// conformance tests pick it up from there.

#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "config/definitions.h"
#include "domain/delivery.h"
#include "domain/exchange.h"

namespace segue {

// Secrets by the name that `auth` gives them; resolved by the process, never in a file or a text.
using Secrets = std::map<std::string, std::string>;

// What a connector remembers from one attempt to the next: an access token and the address that
// came with it.  In memory only; as secret as the secrets.
using Session = std::map<std::string, std::string>;

// The next request, or one outcome per delivery of the batch, in its order.
using NextStep = std::variant<Request, std::vector<Outcome>>;

class Connector {
 public:
  virtual ~Connector() = default;

  // `done` holds this attempt's exchanges in order; it is empty on the first call.
  // Requires: the batch is not empty and within BatchMax and Together; the last call for this
  // attempt did not return outcomes.
  [[nodiscard]] virtual NextStep Next(std::span<const Delivery> batch,
                                      std::span<const Exchange> done, Session& session,
                                      TimePoint now) const = 0;

  // How many deliveries one attempt that begins with this one may carry.
  [[nodiscard]] virtual std::size_t BatchMax(const Delivery& /*first*/) const { return 1; }

  // Whether `other` may be carried by the attempt that begins with `first`.
  [[nodiscard]] virtual bool Together(const Delivery& /*first*/, const Delivery& /*other*/) const {
    return false;
  }

  // What protects a repeated call of this delivery, where the file says `said` (or its type's
  // standard) of the connector as a whole: a field that is set twice is set, an event that is told
  // twice is two.
  [[nodiscard]] virtual Dedupe Protects(const Delivery& /*delivery*/, Dedupe said) const {
    return said;
  }

  // For how long after a call the vendor knows its key again, where it protects by key.
  [[nodiscard]] virtual Duration Remembers(const Delivery& /*delivery*/) const {
    return Duration::max();
  }
};

struct ConnectorSpec {
  std::string_view name;  // The `type` in files.
  std::string_view summary;
  std::string_view example;  // A complete, valid document; the docs and the tests use it.
  Dedupe dedupe;             // What protects a repeated call, when the file does not say.
  std::vector<DeliveryKind> (*carries)();  // What it can deliver.
  std::unique_ptr<Connector> (*make)(const ConnectorSettings& settings, const Secrets& secrets);
};

extern const ConnectorSpec kActiveCampaignConnector;
extern const ConnectorSpec kAmplitudeConnector;
extern const ConnectorSpec kAppcuesConnector;
extern const ConnectorSpec kChurnedConnector;
extern const ConnectorSpec kFileConnector;
extern const ConnectorSpec kHubspotConnector;
extern const ConnectorSpec kIntercomConnector;
extern const ConnectorSpec kMailchimpConnector;
extern const ConnectorSpec kMixpanelConnector;
extern const ConnectorSpec kPendoConnector;
extern const ConnectorSpec kSalesforceConnector;
extern const ConnectorSpec kSlackConnector;
extern const ConnectorSpec kSmtpConnector;
extern const ConnectorSpec kWebhookConnector;

extern const ConnectorSpec kStandIn;  // In no list: see stand_in.cc.

inline constexpr std::array kConnectors = {
    &kFileConnector,      &kSmtpConnector,       &kWebhookConnector,        &kHubspotConnector,
    &kMailchimpConnector, &kSalesforceConnector, &kActiveCampaignConnector, &kIntercomConnector,
    &kChurnedConnector,   &kPendoConnector,      &kAppcuesConnector,        &kMixpanelConnector,
    &kAmplitudeConnector, &kSlackConnector};

const ConnectorSpec* FindConnectorSpec(std::string_view name);

// What an HTTP answer means when the vendor says nothing special: 2xx accepted; 408, 425, 429, 5xx
// retry (Retry-After honoured, at most a day); other 4xx and 3xx refused; kNotSent retry; kLost and
// all else unknown.
Outcome ClassifyHttp(const Reply& reply, TimePoint now);

// The outcomes of a batch of one.
NextStep Ended(Outcome outcome);
// Refused by ourselves, before anything was sent.
NextStep Refused(std::string_view why);

// An RFC 5322 message: headers (RFC 2047 where they are not ASCII), multipart/alternative of the
// text and HTML parts, quoted-printable, CRLF.  The Message-ID and the boundary come from the
// delivery's key, so the same delivery gives the same bytes.  Requires: MailProblem(delivery) is
// empty.
std::string MakeMail(const Delivery& delivery);
// Why the delivery cannot be a mail (an address that is none, a header that is not one), for
// people; empty when it can.
std::string MailProblem(const Delivery& delivery);
// "ann@example.org" of "Ann <ann@example.org>"; nothing when that is no address that mail can
// carry.
std::optional<std::string> BareAddress(std::string_view mailbox);

// Shared by the connectors
// -------------------------------------------------------------------------------------------

// The vendor's words as they may be kept: one line of UTF-8, at most kWordsBytesMax bytes.
constexpr std::size_t kWordsBytesMax = 500;
std::string CutWords(std::string_view text);

// Replaces every secret in a text: as it is, percent-encoded, in base64 and as it stands in JSON.
class Redactor {
 public:
  explicit Redactor(const Secrets& secrets);
  std::string operator()(std::string_view text) const;

 private:
  std::vector<std::string> forms_;  // All ways in which a secret can stand there, longest first.
};

std::string Redact(std::string_view text, const Secrets& secrets);
// A reply from which nothing secret can be read any more.  To be called before any of it is cut or
// kept.
Reply RedactReply(const Reply& reply, const Secrets& secrets);
// What may stand in a header: a line break in it would begin a header of its own.
bool IsHeaderValue(std::string_view text);
// "t=SECONDS,v1=HEX": HMAC-SHA256 of "SECONDS." and the body, for who wants to know that it is us.
std::string SegueSignature(std::string_view secret, std::string_view body, TimePoint now);
// The delivery as one line of JSON, keys always in the same order: what the file and webhook
// connectors hand over. docs/connectors.md lists the keys.
std::string DeliveryJson(const Delivery& delivery);

}  // namespace segue
