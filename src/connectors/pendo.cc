// The Pendo connector: custom metadata of visitors and accounts, members of segments, and track
// events.
//
// Pendo pushes nothing to one person: a guide is shown to whoever is in its segment.  A message is
// therefore `use: {pendo: segment ID}`: its values become the visitor's metadata, which the guide
// can show, and the visitor joins the segment.  Events are told with a secret of their own.

#include <algorithm>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/text.h"
#include "connectors/connector.h"
#include "connectors/vendor.h"

namespace segue {
namespace {

using boost::json::array;
using boost::json::object;
using boost::json::value;
using Kind = Outcome::Kind;

constexpr std::size_t kPendoVisitorsMax = 1000;  // Of one call.
// Of one event; Pendo cuts off what is longer.
constexpr std::size_t kPendoPropertiesMax = 512;
constexpr std::size_t kPendoNameMax = 32;

bool IsPropertyName(std::string_view name) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  return !name.empty() && name.size() <= kPendoNameMax && !digit(name.front()) &&
         std::all_of(name.begin(), name.end(), [&](char c) {
           return digit(c) || c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
         });
}

class PendoConnector final : public Connector {
 public:
  PendoConnector(const ConnectorSettings& settings, const Secrets& secrets)
      : vendor_(MakeVendor("Pendo", "https://app.pendo.io", settings, secrets)),
        key_(SecretOr(secrets, "token")),
        track_(SecretOr(secrets, "track")),
        match_(MatchOf(settings, "visitor_id")),
        writes_(settings.writes) {}

  std::size_t BatchMax(const Delivery& first) const override {
    return first.kind == DeliveryKind::kTrack ? 1 : kPendoVisitorsMax;
  }

  bool Together(const Delivery& first, const Delivery& other) const override {
    return IsAlike(first, other) && Problem(first).empty() && Problem(other).empty() &&
           first.payload.name == other.payload.name && Removes(first) == Removes(other);
  }

  Dedupe Protects(const Delivery& delivery, Dedupe /*said*/) const override {
    // Events have no key; who is in a segment is in it once.
    return delivery.kind == DeliveryKind::kTrack ? Dedupe::kNone : Dedupe::kKey;
  }

  NextStep Next(std::span<const Delivery> batch, std::span<const Exchange> done, Session& session,
                TimePoint now) const override {
    VendorAttempt attempt(vendor_, batch, done, session, now);
    if (const auto hindered = attempt.Hindered(Problem(attempt.first()))) {
      return *hindered;
    }
    switch (attempt.first().kind) {
      case DeliveryKind::kTrack:
        return Track(attempt);
      case DeliveryKind::kSet:
        return Set(attempt);
      case DeliveryKind::kMessage:
      case DeliveryKind::kAudience:
      case DeliveryKind::kTask:
        break;
    }
    return Segment(attempt);
  }

 private:
  std::string Problem(const Delivery& delivery) const {
    const Payload& payload = delivery.payload;
    if (delivery.kind == DeliveryKind::kTask) {
      return "Pendo has no tasks";
    }
    if (std::string problem = AccountProblem("Pendo", delivery, match_.account); !problem.empty()) {
      return problem;
    }
    if (ContactId(delivery, match_.contact).empty()) {
      return "the customer has none of what `match` says that Pendo knows visitors by";
    }
    if (delivery.kind == DeliveryKind::kMessage && AfterWord(payload.name, "segment").empty()) {
      return "Pendo shows its own guides, to whom is in their segment: the template must say "
             "`use: {pendo: segment ID}`";
    }
    if (delivery.kind == DeliveryKind::kTrack) {
      for (const auto& [name, text] : payload.values) {
        if (!IsPropertyName(name)) {
          return "Pendo takes no property called " + name;
        }
      }
      if (boost::json::serialize(TextsJson(payload.values)).size() > kPendoPropertiesMax) {
        return fmt::format("Pendo takes {} bytes of properties with an event", kPendoPropertiesMax);
      }
    }
    return FieldsProblem(delivery, writes_);
  }

  Request Call(const VendorAttempt& attempt, std::string_view method, std::string_view path,
               const value& body, const std::string& key) const {
    Request request = attempt.Call(method, path, boost::json::serialize(body));
    request.headers["x-pendo-integration-key"] = key;
    return request;
  }

  static Outcome Failure(const VendorAttempt& attempt, const Reply& reply) {
    Outcome outcome = attempt.NotAsWanted(reply);
    if (Answered(reply, 403)) {
      outcome = attempt.Misconfigured("the key may not write: " + outcome.detail);
    } else if (Answered(reply, 409)) {
      outcome.kind = Kind::kRetry;  // Somebody else is changing the segment.
    } else if (Answered(reply, 408) && attempt.batch().size() > 1) {
      outcome.kind = Kind::kRefused;  // Too many at once: the halves are tried.
    }
    return outcome;
  }

  Request Write(const VendorAttempt& attempt, std::span<const ContactGroup> groups) const {
    const bool account = IsAccount(attempt.first().customer);
    array entries;
    for (const ContactGroup& group : groups) {
      object values = TextsJson(ValuesOf(attempt.batch(), group));
      if (!values.empty()) {
        entries.push_back(
            object{{account ? "accountId" : "visitorId", group.id}, {"values", std::move(values)}});
      }
    }
    return Call(attempt, "POST",
                fmt::format("/api/v1/metadata/{}/custom/value", account ? "account" : "visitor"),
                entries, key_);
  }

  // Puts what the answer says against single ones into the outcomes; returns what it means for
  // all of them.
  static std::optional<Outcome> ReadWritten(const VendorAttempt& attempt, const Reply& reply,
                                            std::span<const ContactGroup> groups,
                                            std::vector<std::optional<Outcome>>& outcomes) {
    const value body = ParseJson(reply.body);
    const auto updated = PlaceIn(At(body, {"updated"}));
    if (!Answered(reply, 200) || !updated) {
      return Failure(attempt, reply);
    }
    for (const value& missing : ListAt(body, "missing")) {
      for (std::size_t i = 0; i < groups.size(); ++i) {
        if (groups[i].id == TextAt(missing, {})) {
          outcomes[i] = attempt.Say(Kind::kRefused, IsAccount(attempt.first().customer)
                                                        ? "Pendo has not seen this account"
                                                        : "Pendo has not seen this visitor");
        }
      }
    }
    const std::span<const value> errors = ListAt(body, "errors");
    const auto failed = PlaceIn(At(body, {"failed"})).value_or(0);
    const auto named = static_cast<std::size_t>(std::count_if(
        outcomes.begin(), outcomes.end(), [](const auto& outcome) { return outcome.has_value(); }));
    if (errors.empty() && failed <= named) {
      return std::nullopt;
    }
    // Whose error it is does not stand there: alone, each will say.
    return attempt.Say(Kind::kRefused,
                       "Pendo: " + (errors.empty() ? fmt::format("{} failed", failed)
                                                   : TextAt(errors.front(), {})));
  }

  NextStep Set(VendorAttempt& attempt) const {
    const std::vector<ContactGroup> groups = GroupByContact(attempt.batch(), match_.contact);
    const Reply* reply = attempt.Take();
    if (reply == nullptr) {
      return Write(attempt, groups);
    }
    std::vector<std::optional<Outcome>> outcomes(groups.size());
    if (const auto whole = ReadWritten(attempt, *reply, groups, outcomes)) {
      return attempt.Whole(*whole);
    }
    return attempt.Each(groups, Filled(attempt, std::move(outcomes)));
  }

  // Accepted, where nothing is said against it.
  static std::vector<std::optional<Outcome>> Filled(const VendorAttempt& attempt,
                                                    std::vector<std::optional<Outcome>> outcomes) {
    for (std::optional<Outcome>& outcome : outcomes) {
      outcome = outcome ? outcome : attempt.Accepted("");
    }
    return outcomes;
  }

  // The values of a message first, then who joins or leaves.
  NextStep Segment(VendorAttempt& attempt) const {
    const Delivery& first = attempt.first();
    const std::vector<ContactGroup> groups = GroupByContact(attempt.batch(), match_.contact);
    std::vector<std::optional<Outcome>> outcomes(groups.size());
    const bool with_values =
        first.kind == DeliveryKind::kMessage &&
        std::any_of(attempt.batch().begin(), attempt.batch().end(),
                    [](const Delivery& one) { return !one.payload.values.empty(); });
    if (with_values) {
      const Reply* written = attempt.Take();
      if (written == nullptr) {
        return Write(attempt, groups);
      }
      if (const auto whole = ReadWritten(attempt, *written, groups, outcomes)) {
        return attempt.Whole(*whole);
      }
    }
    array visitors;
    for (std::size_t i = 0; i < groups.size(); ++i) {
      if (!outcomes[i]) {
        visitors.emplace_back(groups[i].id);
      }
    }
    if (visitors.empty()) {
      return attempt.Each(groups, outcomes);
    }
    const std::string id = first.kind == DeliveryKind::kMessage
                               ? AfterWord(first.payload.name, "segment")
                               : first.payload.name;
    const Reply* reply = attempt.Take();
    if (reply == nullptr) {
      const object change{{"op", Removes(first) ? "remove" : "add"},
                          {"path", "/visitors"},
                          {"value", std::move(visitors)}};
      return Call(attempt, "PATCH", "/api/v1/segment/" + UrlEncode(id) + "/visitor",
                  object{{"patch", array{change}}}, key_);
    }
    if (const auto whole = ReadChanged(attempt, *reply, id)) {
      return attempt.Whole(*whole);
    }
    return attempt.Each(groups, Filled(attempt, std::move(outcomes)));
  }

  // The answer has a status of its own for the change within.
  static std::optional<Outcome> ReadChanged(const VendorAttempt& attempt, const Reply& reply,
                                            const std::string& id) {
    if (Answered(reply, 404)) {
      return attempt.Misconfigured("Pendo has no segment " + id);
    }
    const value body = ParseJson(reply.body);
    const std::span<const value> all = ListAt(body, "multistatus");
    if (!Answered(reply, 200) || all.empty()) {
      return Failure(attempt, reply);
    }
    for (const value& one : all) {
      Reply inner;
      inner.kind = Reply::Kind::kAnswered;
      inner.status =
          static_cast<int>(std::min<std::size_t>(PlaceIn(At(one, {"status"})).value_or(0), 999));
      inner.body = TextAt(one, {"message"});
      if (!Succeeded(inner)) {
        return Failure(attempt, inner);
      }
    }
    return std::nullopt;
  }

  NextStep Track(VendorAttempt& attempt) const {
    if (track_.empty()) {
      return attempt.Whole(attempt.Misconfigured(
          "auth.track is missing: the secret with which Pendo's application takes events"));
    }
    const Delivery& delivery = attempt.first();
    const Reply* reply = attempt.Take();
    if (reply == nullptr) {
      object body{{"type", "track"},
                  {"event", delivery.payload.name},
                  {"visitorId", ContactId(delivery, match_.contact)},
                  {"timestamp", UnixMillis(delivery.created)},
                  {"properties", TextsJson(delivery.payload.values)}};
      if (std::string account = AccountToName(delivery, match_.account); !account.empty()) {
        body["accountId"] = account;
      }
      return Call(attempt, "POST", "/data/track", body, track_);
    }
    return attempt.Whole(Succeeded(*reply) ? attempt.Accepted("") : Failure(attempt, *reply));
  }

  Vendor vendor_;
  std::string key_, track_;
  MatchFields match_;
  std::vector<std::string> writes_;
};

}  // namespace

constinit const ConnectorSpec kPendoConnector = {
    .name = "pendo",
    .summary =
        "Pendo: metadata of visitors and accounts, segments that show its guides, track events",
    .example =
        "connector: pendo\n"
        "type: pendo\n"
        "auth: {token: cred:pendo_key, track: cred:pendo_track}\n"
        "match: {contact: visitor_id, account: account_id}\n"
        "writes: [segue_rfv]\n"
        "retry: {for: 24h, first: 30s, most: 1h}\n",
    .dedupe = Dedupe::kNone,
    .carries =
        [] {
          return std::vector{DeliveryKind::kSet, DeliveryKind::kMessage, DeliveryKind::kAudience,
                             DeliveryKind::kTrack};
        },
    .make = [](const ConnectorSettings& settings,
               const Secrets& secrets) -> std::unique_ptr<Connector> {
      return std::make_unique<PendoConnector>(settings, secrets);
    },
};

}  // namespace segue
