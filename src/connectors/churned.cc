// The Churned connector: tasks, traits and events as JSON to the address that Churned gives its
// customer.
//
// Churned publishes no description of its API.  What is sent has the shape in which analytics
// services hand people and events on, with our key in it; docs/connectors.md describes all of it,
// so that it can be compared with what the account expects, or received by a small service of one's
// own.  It is signed like a webhook.

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/text.h"
#include "connectors/connector.h"
#include "connectors/vendor.h"

namespace segue {
namespace {

using boost::json::object;
using boost::json::value;
using Kind = Outcome::Kind;

constexpr std::string_view kOurKey = "customer";  // As a field to match by: our key, userId there.

class ChurnedConnector final : public Connector {
 public:
  ChurnedConnector(const ConnectorSettings& settings, const Secrets& secrets)
      : vendor_(MakeVendor("Churned", "", settings, secrets)),
        token_(SecretOr(secrets, "token")),
        header_(SettingOr(settings, "header", "")),
        sign_(SecretOr(secrets, "sign")),
        match_(MatchOf(settings, kOurKey)),
        writes_(settings.writes) {}

  Dedupe Protects(const Delivery& delivery, Dedupe said) const override {
    return delivery.kind == DeliveryKind::kSet ? Dedupe::kKey
           : said == Dedupe::kKey              ? Dedupe::kKey
                                               : Dedupe::kNone;
  }

  NextStep Next(std::span<const Delivery> batch, std::span<const Exchange> done, Session& session,
                TimePoint now) const override {
    VendorAttempt attempt(vendor_, batch, done, session, now);
    const Delivery& delivery = attempt.first();
    if (vendor_.base.empty()) {
      return attempt.Whole(attempt.Misconfigured(
          "auth.url is missing or does not begin with https://: the address that Churned gave you "
          "for its API"));
    }
    if (const std::string problem = Problem(delivery); !problem.empty()) {
      return attempt.Whole(attempt.Say(Kind::kRefused, problem));
    }
    if (const Reply* reply = attempt.Take()) {
      const Outcome outcome = attempt.Of(*reply);
      return attempt.Whole(outcome.kind == Kind::kAccepted ? attempt.Accepted("") : outcome);
    }
    switch (delivery.kind) {
      case DeliveryKind::kSet:
        return Call(attempt, "POST", IsAccount(delivery.customer) ? "/group" : "/identify",
                    Identify(delivery));
      case DeliveryKind::kTask:
        return Call(attempt, "PUT", "/tasks/" + UrlEncode(delivery.key), Task(delivery));
      case DeliveryKind::kMessage:
        return Call(attempt, "POST", "/track", Track(delivery, EventOf(delivery)));
      case DeliveryKind::kTrack:
      case DeliveryKind::kAudience:
        break;
    }
    return Call(attempt, "POST", "/track", Track(delivery, delivery.payload.name));
  }

 private:
  static std::string EventOf(const Delivery& delivery) {
    return AfterWord(delivery.payload.name, "event");
  }

  std::string Problem(const Delivery& delivery) const {
    const std::string& use = delivery.payload.name;
    if (delivery.kind == DeliveryKind::kAudience) {
      return "this connector carries no lists to Churned";
    }
    if (std::string problem = AccountProblem("Churned", delivery, match_.account);
        !problem.empty()) {
      return problem;
    }
    const bool known =
        delivery.kind == DeliveryKind::kTask && !AccountToName(delivery, match_.account).empty();
    if (!known && ContactId(delivery, match_.contact).empty()) {
      return "the customer has no mail address, by which `match` finds contacts";
    }
    if (delivery.kind == DeliveryKind::kMessage && EventOf(delivery).empty()) {
      return use.empty() ? "Churned sends only messages of its own: the template must say "
                           "`use: {churned: event NAME}`"
                         : "this connector knows `event NAME`, not " + use;
    }
    if (!IsHeaderValue(delivery.key)) {
      return "the delivery's key cannot stand in a header";
    }
    return FieldsProblem(delivery, writes_);
  }

  // What every call says: who, when, and the key that makes it the same call again.
  object About(const Delivery& delivery, std::string_view type) const {
    object body{{"type", type}, {"messageId", delivery.key}};
    if (const std::string user = ContactId(delivery, match_.contact);
        !user.empty() && !IsAccount(delivery.customer)) {
      body["userId"] = user;
    }
    if (const std::string group = AccountToName(delivery, match_.account); !group.empty()) {
      body["groupId"] = group;
    }
    body["timestamp"] = FormatTime(delivery.created);
    return body;
  }

  object Identify(const Delivery& delivery) const {
    object body = About(delivery, IsAccount(delivery.customer) ? "group" : "identify");
    body["traits"] = TextsJson(delivery.payload.values);
    return body;
  }

  object Track(const Delivery& delivery, const std::string& event) const {
    object body = About(delivery, "track");
    body["event"] = event;
    body["properties"] = TextsJson(delivery.payload.values);
    return body;
  }

  object Task(const Delivery& delivery) const {
    const Payload& payload = delivery.payload;
    object task{{"id", delivery.key}, {"title", payload.title}};
    for (const auto& [name, text] : {std::pair("note", &payload.note),
                                     {"assignee", &payload.assignee},
                                     {"priority", &payload.priority}}) {
      if (!text->empty()) {
        task[name] = *text;
      }
    }
    if (payload.due != TimePoint()) {
      task["due"] = FormatTime(payload.due);
    }
    object body = About(delivery, "task");
    body["task"] = std::move(task);
    return body;
  }

  Request Call(const VendorAttempt& attempt, std::string_view method, const std::string& path,
               const value& body) const {
    Request request = attempt.Call(method, path, boost::json::serialize(body));
    if (header_.empty()) {
      request.headers["Authorization"] = "Bearer " + token_;
    } else {
      request.headers[header_] = token_;
    }
    request.headers["Idempotency-Key"] = attempt.first().key;
    if (!sign_.empty()) {
      request.headers["Segue-Signature"] = SegueSignature(sign_, request.body, attempt.now());
    }
    return request;
  }

  Vendor vendor_;
  std::string token_, header_, sign_;
  MatchFields match_;
  std::vector<std::string> writes_;
};

}  // namespace

constinit const ConnectorSpec kChurnedConnector = {
    .name = "churned",
    .summary = "Churned: tasks, traits and events, in a JSON that docs/connectors.md describes",
    .example =
        "connector: churned\n"
        "type: churned\n"
        "auth: {url: env:CHURNED_URL, token: cred:churned_token, sign: cred:churned_sign}\n"
        "header: X-Api-Key\n"
        "match: {contact: customer, account: group_id}\n"
        "writes: [segue_rfv]\n"
        "retry: {for: 24h, first: 30s, most: 1h}\n",
    .dedupe = Dedupe::kNone,
    .carries =
        [] {
          return std::vector{DeliveryKind::kTask, DeliveryKind::kSet, DeliveryKind::kTrack,
                             DeliveryKind::kMessage};
        },
    .make = [](const ConnectorSettings& settings,
               const Secrets& secrets) -> std::unique_ptr<Connector> {
      return std::make_unique<ChurnedConnector>(settings, secrets);
    },
};

}  // namespace segue
