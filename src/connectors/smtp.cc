// The SMTP connector: hands a mail to a mail server.
//
// Mail has no key that a server would honour, so an answer that was lost stays unknown until a
// person decides.

#include <fmt/format.h>

#include "base/text.h"
#include "connectors/connector.h"

namespace segue {
namespace {

// Where the server's own name for the mail stands in "250 2.0.0 Ok: queued as 4F1A2".
std::string QueueName(std::string_view words) {
  constexpr std::string_view kMark = "queued as ";
  const std::size_t at = words.find(kMark);
  if (at == std::string_view::npos) {
    return "";
  }
  const std::string_view rest = words.substr(at + kMark.size());
  return std::string(rest.substr(0, rest.find_first_of(" \t\r\n;,")));
}

// 530, 534, 535 and 538 judge our credentials, not the mail: whoever renews them should find the
// mail still waiting.
bool IsAboutCredentials(int status) {
  return status == 530 || status == 534 || status == 535 || status == 538;
}

class SmtpConnector final : public Connector {
 public:
  SmtpConnector(const ConnectorSettings& settings, const Secrets& secrets)
      : timeout_(settings.timeout), secrets_(secrets) {
    const auto server = settings.text.find("server");
    const std::string host = server == settings.text.end() ? "" : std::string(Trim(server->second));
    if (host.find("://") != std::string::npos) {
      url_ = host;
    } else if (!host.empty()) {
      const std::string with_port = host.rfind(':') == std::string::npos ? host + ":587" : host;
      // On 465 the server speaks TLS from the first byte; elsewhere STARTTLS follows.
      url_ = (with_port.ends_with(":465") ? "smtps://" : "smtp://") + with_port;
    }
  }

  NextStep Next(std::span<const Delivery> batch, std::span<const Exchange> done,
                Session& /*session*/, TimePoint /*now*/) const override {
    const Delivery& delivery = batch.front();
    if (!done.empty()) {
      return Ended(Classify(RedactReply(done.back().reply, secrets_)));
    }
    if (delivery.kind != DeliveryKind::kMessage) {
      return Refused("mail carries messages only, not a " +
                     std::string(DeliveryKindName(delivery.kind)));
    }
    if (url_.empty()) {
      return Refused("the connector names no server");
    }
    if (const std::string problem = MailProblem(delivery); !problem.empty()) {
      return Refused(problem);
    }
    Request request;
    request.kind = Request::Kind::kSmtp;
    request.method = "";
    request.url = url_;
    request.key = delivery.key;
    request.mail_from = BareAddress(delivery.payload.from).value_or("");
    request.rcpt_to = {BareAddress(delivery.payload.to).value_or("")};
    request.body = MakeMail(delivery);
    request.timeout = timeout_;
    if (const auto user = secrets_.find("user"); user != secrets_.end()) {
      request.user = user->second;
    }
    if (const auto password = secrets_.find("password"); password != secrets_.end()) {
      request.password = password->second;
    }
    return request;
  }

 private:
  static Outcome Classify(const Reply& reply) {
    Outcome outcome;
    if (reply.kind == Reply::Kind::kNotSent) {
      outcome.kind = Outcome::Kind::kRetry;
      outcome.detail = CutWords("not sent: " + reply.error);
      return outcome;
    }
    if (reply.kind == Reply::Kind::kLost) {
      outcome.kind = Outcome::Kind::kUnknown;
      outcome.detail = CutWords("the answer was lost: " + reply.error);
      return outcome;
    }
    const int status = reply.status;
    if (status >= 200 && status < 300) {
      outcome.kind = Outcome::Kind::kAccepted;
      outcome.vendor_id = CutWords(QueueName(reply.body));
    } else if ((status >= 400 && status < 500) || IsAboutCredentials(status)) {
      outcome.kind = Outcome::Kind::kRetry;
    } else if (status >= 500 && status < 600) {
      outcome.kind = Outcome::Kind::kRefused;
    } else {
      outcome.kind = Outcome::Kind::kUnknown;  // 354 as the last word: nobody knows whether the
                                               // mail got through.
    }
    const std::string words = CutWords(reply.body.empty() ? reply.error : reply.body);
    outcome.detail = CutWords(words.empty() ? fmt::format("SMTP {}", status)
                                            : fmt::format("SMTP {}: {}", status, words));
    return outcome;
  }

  std::string url_;
  Duration timeout_;
  Secrets secrets_;
};

}  // namespace

constinit const ConnectorSpec kSmtpConnector = {
    .name = "smtp",
    .summary = "A mail server, over SMTP with TLS",
    .example =
        "connector: smtp\n"
        "type: smtp\n"
        "server: \"mail.lumen.example:587\"\n"
        "auth: {user: env:SMTP_USER, password: cred:smtp_password}\n"
        "rate: 20 per 1s\n"
        "dedupe: none\n"
        "retry: {for: 24h, first: 30s, most: 1h}\n",
    .dedupe = Dedupe::kNone,
    .carries = [] { return std::vector{DeliveryKind::kMessage}; },
    .make = [](const ConnectorSettings& settings,
               const Secrets& secrets) -> std::unique_ptr<Connector> {
      return std::make_unique<SmtpConnector>(settings, secrets);
    },
};

}  // namespace segue
