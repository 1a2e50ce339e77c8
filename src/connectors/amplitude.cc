// The Amplitude connector: events and properties of users.
//
// An event carries our key as its insert_id, by which Amplitude counts a repeated one once within
// seven days.  A batch with a wrong event is refused as a whole with the places of those that are
// wrong; the others are told again.

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

constexpr std::size_t kAmplitudeBatchMax = 1000;

class AmplitudeConnector final : public Connector {
 public:
  AmplitudeConnector(const ConnectorSettings& settings, const Secrets& secrets)
      : vendor_(MakeVendor("Amplitude", "https://api2.amplitude.com", settings, secrets)),
        key_(SecretOr(secrets, "token")),
        match_(MatchOf(settings, "user_id")),
        writes_(settings.writes) {
    // One secret may hold both of the project's keys, as the source of this type wants them.
    const std::size_t colon = key_.find(':');
    if (colon != std::string::npos) {
      vendor_.secrets["token's secret"] = key_.substr(colon + 1);
      key_.resize(colon);
      vendor_.secrets["token's key"] = key_;
    }
  }

  std::size_t BatchMax(const Delivery& /*first*/) const override { return kAmplitudeBatchMax; }

  bool Together(const Delivery& first, const Delivery& other) const override {
    return IsAlike(first, other) && Problem(first).empty() && Problem(other).empty();
  }

  Dedupe Protects(const Delivery& /*delivery*/, Dedupe /*said*/) const override {
    return Dedupe::kKey;  // A property that is set twice is set, an event has its insert_id.
  }

  Duration Remembers(const Delivery& delivery) const override {
    return delivery.kind == DeliveryKind::kTrack ? 7 * kDay : Duration::max();
  }

  NextStep Next(std::span<const Delivery> batch, std::span<const Exchange> done, Session& session,
                TimePoint now) const override {
    VendorAttempt attempt(vendor_, batch, done, session, now);
    if (const auto hindered = attempt.Hindered(Problem(attempt.first()))) {
      return *hindered;
    }
    return attempt.first().kind == DeliveryKind::kSet ? Set(attempt) : Track(attempt);
  }

 private:
  std::string Problem(const Delivery& delivery) const {
    return FieldsAndEventsProblem("Amplitude", delivery, match_, writes_);
  }

  NextStep Track(VendorAttempt& attempt) const {
    const Reply* reply = attempt.Take();
    if (reply == nullptr) {
      return Events(attempt);
    }
    const value body = ParseJson(reply->body);
    if (Answered(*reply, 200) && TextAt(body, {"code"}) == "200") {
      return attempt.Whole(attempt.Accepted(""));
    }
    if (Answered(*reply, 400)) {
      if (std::optional<NextStep> listed = Listed(attempt, body)) {
        return std::move(*listed);
      }
    }
    if (Answered(*reply, 429)) {
      return OverQuota(attempt, *reply, body);
    }
    return attempt.Whole(Failure(attempt, *reply));
  }

  Request Events(const VendorAttempt& attempt) const {
    array events;
    for (const Delivery& delivery : attempt.batch()) {
      object event{{"user_id", ContactId(delivery, match_.contact)},
                   {"event_type", delivery.payload.name},
                   {"time", UnixMillis(delivery.created)},
                   {"insert_id", delivery.key},
                   {"event_properties", TextsJson(delivery.payload.values)}};
      if (std::string account = AccountToName(delivery, match_.account); !account.empty()) {
        event["groups"] = object{{match_.account, account}};
      }
      events.push_back(std::move(event));
    }
    return attempt.Call("POST", "/batch",
                        boost::json::serialize(object{{"api_key", key_},
                                                      {"events", std::move(events)},
                                                      {"options", object{{"min_id_length", 1}}}}));
  }

  // Of a batch with wrong events nothing was taken: the listed ones are refused, the others tried
  // again without them.  Nothing where none is listed.
  static std::optional<NextStep> Listed(const VendorAttempt& attempt, const value& body) {
    std::vector<Outcome> outcomes(
        attempt.batch().size(),
        attempt.Say(Kind::kRetry, "Amplitude refused the batch for other events in it"));
    bool any = false;
    const auto refuse = [&](const value& places, const std::string& why) {
      for (const value& entry : EntriesOf(places)) {
        const std::optional<std::size_t> place = PlaceIn(entry);
        if (place && *place < outcomes.size()) {
          outcomes[*place] = attempt.Say(Kind::kRefused, why);
          any = true;
        }
      }
    };
    for (const std::string_view list : {"events_with_invalid_fields", "events_with_missing_fields",
                                        "events_with_invalid_id_lengths"}) {
      const object* fields = At(body, {list}).if_object();
      for (std::size_t i = 0; fields != nullptr && i < fields->size(); ++i) {
        const auto& field = *(fields->begin() + i);
        refuse(field.value(), fmt::format("Amplitude: {}: {}: {}", TextAt(body, {"error"}), list,
                                          std::string_view(field.key())));
      }
    }
    refuse(At(body, {"silenced_events"}), "Amplitude: the project silences this event");
    return any ? std::optional<NextStep>(std::move(outcomes)) : std::nullopt;
  }

  // Too many events: of some users perhaps more than a day has room for.
  NextStep OverQuota(const VendorAttempt& attempt, const Reply& reply, const value& body) const {
    std::vector<Outcome> outcomes(attempt.batch().size(), attempt.Of(reply));
    const value& users = At(body, {"exceeded_daily_quota_users"});
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
      const object* quota = users.if_object();
      if (quota != nullptr && quota->contains(ContactId(attempt.batch()[i], match_.contact))) {
        outcomes[i].retry_after = std::max<Duration>(outcomes[i].retry_after, kHour);
      }
    }
    return outcomes;
  }

  // Properties go out as a form: Amplitude takes no JSON there.
  NextStep Set(VendorAttempt& attempt) const {
    const Reply* reply = attempt.Take();
    if (reply == nullptr) {
      const bool account = IsAccount(attempt.first().customer);
      array all;
      for (const ContactGroup& group : GroupByContact(attempt.batch(), match_.contact)) {
        const object set{{"$set", TextsJson(ValuesOf(attempt.batch(), group))}};
        all.push_back(account ? object{{"group_type", match_.account},
                                       {"group_value", group.id},
                                       {"group_properties", set}}
                              : object{{"user_id", group.id}, {"user_properties", set}});
      }
      Request request = attempt.Call("POST", account ? "/groupidentify" : "/identify",
                                     "api_key=" + UrlEncode(key_) + "&identification=" +
                                         UrlEncode(boost::json::serialize(all)));
      request.headers["Content-Type"] = "application/x-www-form-urlencoded";
      return request;
    }
    return attempt.Whole(Succeeded(*reply) ? attempt.Accepted("") : Failure(attempt, *reply));
  }

  // A wrong key is a 400, and says nothing of the deliveries.
  static Outcome Failure(const VendorAttempt& attempt, const Reply& reply) {
    const Outcome outcome = attempt.NotAsWanted(reply);
    const value body = ParseJson(reply.body);
    const std::string error = ToLower(TextAt(body, {"error"}));
    const bool key = TextAt(body, {"missing_field"}) == "api_key" ||
                     error.find("api key") != std::string::npos ||
                     error.find("api_key") != std::string::npos;
    return Answered(reply, 400) && key
               ? attempt.Misconfigured("Amplitude refuses the API key: " + outcome.detail)
               : outcome;
  }

  Vendor vendor_;
  std::string key_;
  MatchFields match_;
  std::vector<std::string> writes_;
};

}  // namespace

constinit const ConnectorSpec kAmplitudeConnector = {
    .name = "amplitude",
    .summary = "Amplitude: events and properties of users",
    .example =
        "connector: amplitude\n"
        "type: amplitude\n"
        "auth: {token: cred:amplitude_key}\n"
        "match: {contact: user_id, account: company}\n"
        "writes: [segue_rfv]\n"
        "retry: {for: 24h, first: 30s, most: 1h}\n",
    .dedupe = Dedupe::kKey,
    .carries =
        [] {
          return std::vector{DeliveryKind::kSet, DeliveryKind::kTrack};
        },
    .make = [](const ConnectorSettings& settings,
               const Secrets& secrets) -> std::unique_ptr<Connector> {
      return std::make_unique<AmplitudeConnector>(settings, secrets);
    },
};

}  // namespace segue
