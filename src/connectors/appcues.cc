// The Appcues connector: profiles of users, events, and members of segments.
//
// Appcues starts no flow for one person: a flow is targeted at an event, a segment or a field of
// the profile.  A message is therefore `use: {appcues: event NAME}`, whose values are the event's
// attributes, or `use: {appcues: segment NAME}`, whose values become fields of the profile first.

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

constexpr std::size_t kAppcuesUsersMax = 500;  // Who join or leave a segment in one call.
constexpr std::string_view kAppcuesSegments = "/segments";

class AppcuesConnector final : public Connector {
 public:
  AppcuesConnector(const ConnectorSettings& settings, const Secrets& secrets)
      : vendor_(MakeVendor("Appcues", "https://api.appcues.com", settings, secrets)),
        key_(SecretOr(secrets, "token")),
        account_(SecretOr(secrets, "account")),
        match_(MatchOf(settings, "user_id")),
        writes_(settings.writes) {
    const std::size_t colon = key_.find(':');
    if (colon != std::string::npos) {
      vendor_.secrets["token's secret"] = key_.substr(colon + 1);
    }
  }

  std::size_t BatchMax(const Delivery& first) const override {
    return first.kind == DeliveryKind::kAudience ? kAppcuesUsersMax : 1;
  }

  bool Together(const Delivery& first, const Delivery& other) const override {
    return IsAlike(first, other) && Problem(first).empty() && Problem(other).empty() &&
           first.payload.name == other.payload.name && Removes(first) == Removes(other);
  }

  Dedupe Protects(const Delivery& delivery, Dedupe /*said*/) const override {
    const bool event = delivery.kind == DeliveryKind::kTrack || !EventOf(delivery).empty();
    return event ? Dedupe::kNone : Dedupe::kKey;
  }

  NextStep Next(std::span<const Delivery> batch, std::span<const Exchange> done, Session& session,
                TimePoint now) const override {
    const Delivery& first = batch.front();
    const bool asked = !done.empty() && done.front().request.method == "GET";
    VendorAttempt attempt(vendor_, batch, done.subspan(asked ? 1 : 0), session, now);
    if (const std::string problem = Problem(first); !problem.empty()) {
      return attempt.Whole(attempt.Say(Kind::kRefused, problem));
    }
    if (vendor_.base.empty() || account_.empty()) {
      return attempt.Whole(attempt.Misconfigured(
          "auth.url must begin with https://, and auth.account be the account's number"));
    }
    if (first.kind == DeliveryKind::kSet) {
      return Set(attempt);
    }
    if (const std::string event = EventOf(first); !event.empty()) {
      return Track(attempt, event);
    }
    const std::string segment = SegmentOf(first);
    if (session.count("segment " + segment) == 0) {
      if (!asked) {
        return Call(attempt, "GET", kAppcuesSegments);
      }
      if (const auto problem = FindSegment(attempt, done.front().reply, segment, session)) {
        return attempt.Whole(*problem);
      }
    }
    return Segment(attempt, segment, session);
  }

 private:
  static std::string EventOf(const Delivery& delivery) {
    return delivery.kind == DeliveryKind::kTrack     ? delivery.payload.name
           : delivery.kind == DeliveryKind::kMessage ? AfterWord(delivery.payload.name, "event")
                                                     : "";
  }

  static std::string SegmentOf(const Delivery& delivery) {
    return delivery.kind == DeliveryKind::kAudience  ? delivery.payload.name
           : delivery.kind == DeliveryKind::kMessage ? AfterWord(delivery.payload.name, "segment")
                                                     : "";
  }

  std::string Problem(const Delivery& delivery) const {
    if (delivery.kind == DeliveryKind::kTask) {
      return "Appcues has no tasks";
    }
    if (std::string problem = AccountProblem("Appcues", delivery, match_.account);
        !problem.empty()) {
      return problem;
    }
    if (ContactId(delivery, match_.contact).empty()) {
      return "the customer has none of what `match` says that Appcues knows users by";
    }
    if (delivery.kind == DeliveryKind::kMessage && EventOf(delivery).empty() &&
        SegmentOf(delivery).empty()) {
      return "Appcues starts no flow for one person: target it at an event or a segment, and say "
             "`use: {appcues: event NAME}` or `use: {appcues: segment NAME}`";
    }
    return FieldsProblem(delivery, writes_);
  }

  Request Call(const VendorAttempt& attempt, std::string_view method, std::string_view path,
               const value& body = {}) const {
    Request request =
        attempt.Call(method, fmt::format("/v2/accounts/{}{}", UrlEncode(account_), path),
                     body.is_null() ? "" : boost::json::serialize(body));
    request.headers["Authorization"] = BasicAuth(key_);
    return request;
  }

  // Appcues calls an account a group.
  std::string PathOf(const Delivery& delivery, std::string_view what) const {
    return fmt::format("/{}/{}/{}", IsAccount(delivery.customer) ? "groups" : "users",
                       UrlEncode(ContactId(delivery, match_.contact)), what);
  }

  Request WriteProfile(const VendorAttempt& attempt) const {
    const Delivery& delivery = attempt.first();
    return Call(attempt, "PATCH", PathOf(delivery, "profile"), TextsJson(delivery.payload.values));
  }

  static bool IsWritten(const Reply& reply) {
    return Answered(reply, 200) && ParseJson(reply.body).is_object();
  }

  NextStep Set(VendorAttempt& attempt) const {
    const Reply* reply = attempt.Take();
    if (reply == nullptr) {
      return WriteProfile(attempt);
    }
    return attempt.Whole(IsWritten(*reply) ? attempt.Accepted("") : attempt.NotAsWanted(*reply));
  }

  NextStep Track(VendorAttempt& attempt, const std::string& event) const {
    const Delivery& delivery = attempt.first();
    const Reply* reply = attempt.Take();
    if (reply == nullptr) {
      return Call(attempt, "POST", PathOf(delivery, "events"),
                  object{{"name", event},
                         {"timestamp", FormatTime(delivery.created)},
                         {"attributes", TextsJson(delivery.payload.values)}});
    }
    return attempt.Whole(Succeeded(*reply) ? attempt.Accepted("") : attempt.NotAsWanted(*reply));
  }

  // Remembers the segment's id; says what is wrong when there is none.
  static std::optional<Outcome> FindSegment(const VendorAttempt& attempt, const Reply& reply,
                                            const std::string& name, Session& session) {
    const value body = ParseJson(reply.body);
    if (!Answered(reply, 200) || !body.is_array()) {
      return attempt.NotAsWanted(reply, true);
    }
    for (const value& segment : EntriesOf(body)) {
      const std::string id = TextAt(segment, {"id"});
      if (!id.empty() && (id == name || TextAt(segment, {"name"}) == name)) {
        session["segment " + name] = id;
        return std::nullopt;
      }
    }
    return attempt.Misconfigured("Appcues has no segment called " + name);
  }

  // The values of a message first, then who joins or leaves.
  NextStep Segment(VendorAttempt& attempt, const std::string& name, Session& session) const {
    const Delivery& first = attempt.first();
    if (first.kind == DeliveryKind::kMessage && !first.payload.values.empty()) {
      const Reply* written = attempt.Take();
      if (written == nullptr) {
        return WriteProfile(attempt);
      }
      if (!IsWritten(*written)) {
        return attempt.Whole(attempt.NotAsWanted(*written));
      }
    }
    const Reply* reply = attempt.Take();
    if (reply == nullptr) {
      array users;
      for (const ContactGroup& group : GroupByContact(attempt.batch(), match_.contact)) {
        users.emplace_back(group.id);
      }
      return Call(
          attempt, "POST",
          fmt::format("{}/{}/{}", kAppcuesSegments, UrlEncode(session.at("segment " + name)),
                      Removes(first) ? "remove_user_ids" : "add_user_ids"),
          object{{"user_ids", std::move(users)}});
    }
    if (Answered(*reply, 404)) {
      session.erase("segment " + name);  // It is looked up again.
      return attempt.Whole(attempt.Misconfigured("Appcues no longer has the segment " + name));
    }
    return attempt.Whole(Succeeded(*reply) ? attempt.Accepted("") : attempt.NotAsWanted(*reply));
  }

  Vendor vendor_;
  std::string key_, account_;
  MatchFields match_;
  std::vector<std::string> writes_;
};

}  // namespace

constinit const ConnectorSpec kAppcuesConnector = {
    .name = "appcues",
    .summary = "Appcues: profiles of users and groups, events that start its flows, and segments",
    .example =
        "connector: appcues\n"
        "type: appcues\n"
        "auth: {account: env:APPCUES_ACCOUNT, token: cred:appcues_key}\n"
        "match: {contact: user_id, account: group_id}\n"
        "writes: [segue_rfv]\n"
        "rate: 60 per 1s\n"
        "retry: {for: 24h, first: 30s, most: 1h}\n",
    .dedupe = Dedupe::kNone,
    .carries =
        [] {
          return std::vector{DeliveryKind::kSet, DeliveryKind::kMessage, DeliveryKind::kAudience,
                             DeliveryKind::kTrack};
        },
    .make = [](const ConnectorSettings& settings,
               const Secrets& secrets) -> std::unique_ptr<Connector> {
      return std::make_unique<AppcuesConnector>(settings, secrets);
    },
};

}  // namespace segue
