// The Mixpanel connector: events through /import and fields of profiles through /engage.
//
// An event carries a hash of our key as its $insert_id, by which Mixpanel counts a repeated one
// once.  Both calls are made in strict mode: they say of each record whether it was taken.

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

constexpr std::size_t kMixpanelRecordsMax = 2000;  // Of one call.
constexpr std::size_t kMixpanelGroupsMax = 200;

class MixpanelConnector final : public Connector {
 public:
  MixpanelConnector(const ConnectorSettings& settings, const Secrets& secrets)
      : vendor_(MakeVendor("Mixpanel", "https://api.mixpanel.com", settings, secrets)),
        account_(SecretOr(secrets, "token")),
        project_(SecretOr(secrets, "project")),
        project_token_(SecretOr(secrets, "project_token")),
        match_(MatchOf(settings, "distinct_id")),
        writes_(settings.writes) {
    const std::size_t colon = account_.find(':');
    if (colon != std::string::npos) {
      vendor_.secrets["token's secret"] = account_.substr(colon + 1);
      return;
    }
    // Without a colon it is no service account but the project's own token, which may do both.
    if (project_token_.empty()) {
      project_token_ = account_;
    }
    account_ += ':';
  }

  std::size_t BatchMax(const Delivery& first) const override {
    return IsAccount(first.customer) ? kMixpanelGroupsMax : kMixpanelRecordsMax;
  }

  bool Together(const Delivery& first, const Delivery& other) const override {
    return IsAlike(first, other) && Problem(first).empty() && Problem(other).empty();
  }

  Dedupe Protects(const Delivery& /*delivery*/, Dedupe /*said*/) const override {
    return Dedupe::kKey;  // A field that is set twice is set, an event has its $insert_id.
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
    return FieldsAndEventsProblem("Mixpanel", delivery, match_, writes_);
  }

  // What became of each record, of those that the answer lists as failed; nothing where it does not
  // list them.
  static std::optional<NextStep> Strict(const VendorAttempt& attempt, const Reply& reply,
                                        const value& body, std::span<const ContactGroup> groups) {
    const std::span<const value> failed = ListAt(body, "failed_records");
    if (!Answered(reply, 400) || failed.empty()) {
      return std::nullopt;
    }
    std::vector<std::optional<Outcome>> outcomes(groups.size());
    for (const value& record : failed) {
      const std::optional<std::size_t> place = PlaceIn(At(record, {"index"}));
      if (!place || *place >= groups.size()) {
        return attempt.Whole(
            attempt.Say(Kind::kRefused, "Mixpanel does not say which record failed"));
      }
      outcomes[*place] = attempt.Say(
          Kind::kRefused,
          fmt::format("Mixpanel: {}: {}", TextAt(record, {"field"}), TextAt(record, {"message"})));
    }
    // The others were taken, if it says so of as many.
    const auto open = std::count(outcomes.begin(), outcomes.end(), std::nullopt);
    if (PlaceIn(At(body, {"num_records_imported"})) == static_cast<std::size_t>(open)) {
      for (std::optional<Outcome>& outcome : outcomes) {
        outcome = outcome ? outcome : attempt.Accepted("");
      }
    }
    return attempt.Each(groups, outcomes);
  }

  // Each delivery for itself: events of one customer are several.
  static std::vector<ContactGroup> Apart(std::span<const Delivery> batch) {
    std::vector<ContactGroup> groups;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      groups.push_back({"", {i}});
    }
    return groups;
  }

  NextStep Track(VendorAttempt& attempt) const {
    if (project_.empty()) {
      return attempt.Whole(
          attempt.Misconfigured("auth.project is missing: the number of the Mixpanel project"));
    }
    const Reply* reply = attempt.Take();
    if (reply == nullptr) {
      return Import(attempt);
    }
    const value body = ParseJson(reply->body);
    if (Answered(*reply, 200) &&
        PlaceIn(At(body, {"num_records_imported"})) == attempt.batch().size()) {
      return attempt.Whole(attempt.Accepted(""));
    }
    std::optional<NextStep> strict = Strict(attempt, *reply, body, Apart(attempt.batch()));
    return strict ? std::move(*strict) : attempt.Whole(attempt.NotAsWanted(*reply));
  }

  Request Import(const VendorAttempt& attempt) const {
    array events;
    for (const Delivery& delivery : attempt.batch()) {
      object properties = TextsJson(delivery.payload.values);
      properties["time"] = UnixMillis(delivery.created) / 1000;
      properties["distinct_id"] = ContactId(delivery, match_.contact);
      properties["$insert_id"] = UuidOf(delivery.key);
      if (std::string account = AccountToName(delivery, match_.account); !account.empty()) {
        properties[match_.account] = account;
      }
      events.push_back(
          object{{"event", delivery.payload.name}, {"properties", std::move(properties)}});
    }
    Request request = attempt.Call("POST", "/import?strict=1&project_id=" + UrlEncode(project_),
                                   boost::json::serialize(events));
    request.headers["Authorization"] = BasicAuth(account_);
    return request;
  }

  NextStep Set(VendorAttempt& attempt) const {
    if (project_token_.empty()) {
      return attempt.Whole(attempt.Misconfigured(
          "auth.project_token is missing: profiles are written with the project's token, and a "
          "service account has none"));
    }
    const std::vector<ContactGroup> groups = GroupByContact(attempt.batch(), match_.contact);
    const Reply* reply = attempt.Take();
    if (reply == nullptr) {
      return IsAccount(attempt.first().customer) ? Groups(attempt, groups)
                                                 : Engage(attempt, groups);
    }
    const value body = ParseJson(reply->body);
    if (Answered(*reply, 200)) {
      // 1 and 0, alone or as `status`; in strict mode "OK".
      const std::string status = body.is_object() ? TextAt(body, {"status"}) : TextAt(body, {});
      if (status == "1" || (body.is_object() && status == "OK")) {
        return attempt.Whole(attempt.Accepted(""));
      }
      if (status == "0") {
        return attempt.Whole(
            attempt.Say(Kind::kRefused, "Mixpanel took none of it: " + TextAt(body, {"error"})));
      }
    }
    std::optional<NextStep> strict = Strict(attempt, *reply, body, groups);
    return strict ? std::move(*strict) : attempt.Whole(attempt.NotAsWanted(*reply));
  }

  // `ip=0`: else our own place would become theirs.  `$ignore_time`: else they would seem to have
  // been here just now.
  Request Engage(const VendorAttempt& attempt, std::span<const ContactGroup> groups) const {
    array updates;
    for (const ContactGroup& group : groups) {
      updates.push_back(object{{"$token", project_token_},
                               {"$distinct_id", group.id},
                               {"$ignore_time", true},
                               {"$set", TextsJson(ValuesOf(attempt.batch(), group))}});
    }
    return attempt.Call("POST", "/engage?ip=0&strict=1&verbose=1", boost::json::serialize(updates));
  }

  // An account is a group of people there; `match.account` is the property by which they are one.
  Request Groups(const VendorAttempt& attempt, std::span<const ContactGroup> groups) const {
    array updates;
    for (const ContactGroup& group : groups) {
      updates.push_back(object{{"$token", project_token_},
                               {"$group_key", match_.account},
                               {"$group_id", group.id},
                               {"$set", TextsJson(ValuesOf(attempt.batch(), group))}});
    }
    return attempt.Call("POST", "/groups?verbose=1", boost::json::serialize(updates));
  }

  Vendor vendor_;
  std::string account_, project_, project_token_;
  MatchFields match_;
  std::vector<std::string> writes_;
};

}  // namespace

constinit const ConnectorSpec kMixpanelConnector = {
    .name = "mixpanel",
    .summary = "Mixpanel: events and fields of profiles",
    .example =
        "connector: mixpanel\n"
        "type: mixpanel\n"
        "auth: {project: env:MIXPANEL_PROJECT, token: cred:mixpanel_account, project_token: "
        "cred:mixpanel_token}\n"
        "match: {contact: distinct_id, account: company}\n"
        "writes: [segue_rfv]\n"
        "retry: {for: 24h, first: 30s, most: 1h}\n",
    .dedupe = Dedupe::kKey,
    .carries =
        [] {
          return std::vector{DeliveryKind::kSet, DeliveryKind::kTrack};
        },
    .make = [](const ConnectorSettings& settings,
               const Secrets& secrets) -> std::unique_ptr<Connector> {
      return std::make_unique<MixpanelConnector>(settings, secrets);
    },
};

}  // namespace segue
