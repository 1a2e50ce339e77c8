// The ActiveCampaign connector: fields and tags of contacts, automations that send its own
// messages, and events.
//
// Contacts are known by their address.  Lists are never touched: to be on one is to be subscribed,
// and nobody is subscribed by Segue.  Whether somebody has left is read before an automation
// begins.  An automation has no key: before a second try it is looked up whether it has begun.

#include <algorithm>
#include <charconv>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/text.h"
#include "base/zone.h"
#include "connectors/connector.h"
#include "connectors/vendor.h"

namespace segue {
namespace {

using boost::json::array;
using boost::json::object;
using boost::json::value;
using Kind = Outcome::Kind;

constexpr std::string_view kActiveCampaignApi = "/api/3";
constexpr std::string_view kFieldsPath = "/fields?";
constexpr std::size_t kPageSize = 100;
constexpr std::size_t kPagesMax = 5;  // An attempt has twenty exchanges at most.
constexpr std::size_t kEventNameMax = 32;
// How far their clock may be behind ours.
constexpr auto kClockSlack = std::chrono::minutes(5);

// Ids are texts in answers and numbers in questions.
std::optional<std::int64_t> NumberIn(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && number > 0
             ? std::optional(number)
             : std::nullopt;
}

bool IsOk(const Reply& reply) {
  return reply.kind == Reply::Kind::kAnswered && (reply.status == 200 || reply.status == 201);
}

// How the session remembers a field's id.
std::string FieldEntry(std::string_view name) {
  return "field " + ToLower(name);
}

// What ActiveCampaign says of a contact's wish to get mail; empty when it may be written to.  Who
// has left some lists and is on another may: the automation's mails go by lists.
std::string WhyLeft(const value& body) {
  const std::string bounced = TextAt(body, {"contact", "bounced_hard"});
  if (!bounced.empty() && bounced != "0") {
    return "bounced";
  }
  bool on_some = false;
  bool left = false;
  for (const value& list : ListAt(body, "contactLists")) {
    const std::string status = TextAt(list, {"status"});
    on_some = on_some || status == "1";
    left = left || status == "2" || status == "3";
  }
  return left && !on_some ? "unsubscribed" : "";
}

class ActiveCampaignConnector final : public Connector {
 public:
  ActiveCampaignConnector(const ConnectorSettings& settings, const Secrets& secrets)
      : vendor_(MakeVendor("ActiveCampaign", "", settings, secrets)),
        token_(SecretOr(secrets, "token")),
        event_account_(SecretOr(secrets, "event_account")),
        event_key_(SecretOr(secrets, "event_key")),
        writes_(settings.writes) {
    if (vendor_.base.ends_with(kActiveCampaignApi)) {
      vendor_.base.resize(vendor_.base.size() - kActiveCampaignApi.size());
    }
    const std::string url = SecretOr(secrets, "event_url");
    event_base_ = url.empty() ? "https://trackcmp.net" : IsSafeUrl(url) ? url : "";
  }

  Dedupe Protects(const Delivery& delivery, Dedupe said) const override {
    switch (delivery.kind) {
      case DeliveryKind::kSet:
      case DeliveryKind::kAudience:
        return Dedupe::kKey;
      case DeliveryKind::kMessage:
        return said == Dedupe::kNone ? said : Dedupe::kLookup;
      case DeliveryKind::kTrack:
      case DeliveryKind::kTask:
        break;
    }
    return Dedupe::kNone;
  }

  NextStep Next(std::span<const Delivery> batch, std::span<const Exchange> done, Session& session,
                TimePoint now) const override {
    const Delivery& first = batch.front();
    std::size_t pages = 0;  // Of fields, with which an attempt begins.
    while (pages < done.size() && done[pages].request.url.find(kFieldsPath) != std::string::npos) {
      ++pages;
    }
    VendorAttempt attempt(vendor_, batch, done.subspan(pages), session, now);
    if (const std::string problem = Problem(first); !problem.empty()) {
      return attempt.Whole(attempt.Say(Kind::kRefused, problem));
    }
    if (first.kind == DeliveryKind::kTrack) {
      return Track(attempt);
    }
    if (vendor_.base.empty()) {
      return attempt.Whole(attempt.Misconfigured(
          "auth.url is missing or does not begin with https://: the address that ActiveCampaign "
          "shows beside the key"));
    }
    if (first.kind == DeliveryKind::kAudience) {
      return Removes(first) ? TakeTag(attempt) : GiveTag(attempt);
    }
    if (auto step = FindFields(attempt, done.first(pages), session)) {
      return *std::move(step);
    }
    return first.kind == DeliveryKind::kSet ? Set(attempt, session) : Automation(attempt, session);
  }

 private:
  static std::optional<std::int64_t> AutomationOf(const Delivery& delivery) {
    return NumberIn(AfterWord(delivery.payload.name, "automation"));
  }

  std::string Problem(const Delivery& delivery) const {
    const std::string& name = delivery.payload.name;
    if (delivery.kind == DeliveryKind::kTask) {
      return "this connector carries no tasks to ActiveCampaign";
    }
    if (IsAccount(delivery.customer)) {
      return "this connector carries no accounts to ActiveCampaign";
    }
    if (ContactId(delivery, "email").empty()) {
      return "the customer has no mail address, by which ActiveCampaign knows contacts";
    }
    if (delivery.kind == DeliveryKind::kMessage && !AutomationOf(delivery)) {
      return name.empty() ? "ActiveCampaign sends only messages of its own: the template must say "
                            "`use: {activecampaign: automation NUMBER}`"
                          : "ActiveCampaign knows `automation NUMBER`, not " + name;
    }
    if (delivery.kind == DeliveryKind::kTrack && name.size() > kEventNameMax) {
      return fmt::format("the name of an event has {} characters at most there: {}", kEventNameMax,
                         name);
    }
    return FieldsProblem(delivery, writes_);
  }

  Request Call(const VendorAttempt& attempt, std::string_view method, const std::string& path,
               const value& body = {}) const {
    Request request = attempt.Call(method, std::string(kActiveCampaignApi) + path,
                                   body.is_null() ? "" : boost::json::serialize(body));
    request.headers["Api-Token"] = token_;
    return request;
  }

  // What an answer that is not the wanted one means.  A wrong key is told by 403.
  static Outcome Failure(const VendorAttempt& attempt, const Reply& reply, bool reading) {
    Outcome outcome = attempt.NotAsWanted(reply, reading);
    if (reply.kind != Reply::Kind::kAnswered) {
      return outcome;
    }
    const bool about_it =
        TextAt(ParseJson(reply.body), {"message"}).find("Could not") != std::string::npos;
    if (reply.status == 402 || (reply.status == 403 && !about_it)) {
      outcome.kind = Kind::kRetry;
      outcome.detail = CutWords("ActiveCampaign refuses the key or the plan: " + outcome.detail);
    }
    return outcome;
  }

  // The ids of the fields that are written, remembered from one attempt to the next.
  std::optional<NextStep> FindFields(const VendorAttempt& attempt, std::span<const Exchange> pages,
                                     Session& session) const {
    const std::map<std::string, std::string>& values = attempt.first().payload.values;
    const auto missing = [&] {
      return std::find_if(values.begin(), values.end(), [&](const auto& one) {
        return session.count(FieldEntry(one.first)) == 0;
      });
    };
    if (missing() == values.end()) {
      return std::nullopt;
    }
    bool last = false;
    if (!pages.empty()) {
      const Reply& reply = pages.back().reply;
      const value body = ParseJson(reply.body);
      if (!IsOk(reply) || !At(body, {"fields"}).is_array()) {
        return attempt.Whole(Failure(attempt, reply, true));
      }
      for (const value& field : ListAt(body, "fields")) {
        for (const auto& [name, text] : values) {
          if (!TextAt(field, {"id"}).empty() &&
              (ToLower(TextAt(field, {"perstag"})) == ToLower(name) ||
               ToLower(TextAt(field, {"title"})) == ToLower(name))) {
            session.emplace(FieldEntry(name), TextAt(field, {"id"}));
          }
        }
      }
      last = ListAt(body, "fields").size() < kPageSize || pages.size() >= kPagesMax;
    }
    if (missing() == values.end()) {
      return std::nullopt;
    }
    if (last) {
      return attempt.Whole(attempt.Misconfigured(fmt::format(
          "ActiveCampaign has no field of contacts with the tag or title {}", missing()->first)));
    }
    return Call(
        attempt, "GET",
        fmt::format("{}limit={}&offset={}", kFieldsPath, kPageSize, pages.size() * kPageSize));
  }

  // Creates or updates the contact, and tells its id.
  std::optional<NextStep> Sync(VendorAttempt& attempt, const Session& session, bool reading,
                               std::int64_t& id) const {
    const Delivery& delivery = attempt.first();
    const Reply* reply = attempt.Take();
    if (reply == nullptr) {
      object contact{{"email", ContactId(delivery, "email")}};
      array fields;
      if (delivery.kind != DeliveryKind::kAudience) {
        for (const auto& [name, text] : delivery.payload.values) {
          fields.push_back(object{{"field", session.at(FieldEntry(name))}, {"value", text}});
        }
      }
      if (!fields.empty()) {
        contact["fieldValues"] = std::move(fields);
      }
      return Call(attempt, "POST", "/contact/sync", object{{"contact", std::move(contact)}});
    }
    const auto found = NumberIn(TextAt(ParseJson(reply->body), {"contact", "id"}));
    if (!IsOk(*reply) || !found) {
      return attempt.Whole(Failure(attempt, *reply, reading));
    }
    id = *found;
    return std::nullopt;
  }

  NextStep Set(VendorAttempt& attempt, const Session& session) const {
    std::int64_t contact = 0;
    if (auto step = Sync(attempt, session, false, contact)) {
      return *std::move(step);
    }
    return attempt.Whole(attempt.Accepted(std::to_string(contact)));
  }

  // The contact with the template's values, whether they have left, and then the automation.
  NextStep Automation(VendorAttempt& attempt, const Session& session) const {
    const std::int64_t automation = *AutomationOf(attempt.first());
    std::int64_t contact = 0;
    if (auto step = Sync(attempt, session, true, contact)) {
      return *std::move(step);
    }
    const Reply* read = attempt.Take();
    if (read == nullptr) {
      return Call(attempt, "GET", fmt::format("/contacts/{}", contact));
    }
    const value body = ParseJson(read->body);
    if (!IsOk(*read) || !At(body, {"contact"}).is_object()) {
      return attempt.Whole(Failure(attempt, *read, true));
    }
    if (const std::string begun = Begun(attempt.first(), body, automation); !begun.empty()) {
      return attempt.Whole(attempt.Accepted(begun));
    }
    if (const std::string why = WhyLeft(body); !why.empty()) {
      return attempt.Whole(attempt.Say(Kind::kSuppressed, "ActiveCampaign has them as " + why));
    }
    const Reply* started = attempt.Take();
    if (started == nullptr) {
      return Call(
          attempt, "POST", "/contactAutomations",
          object{{"contactAutomation", object{{"contact", contact}, {"automation", automation}}}});
    }
    return Done(attempt, *started, "contactAutomation");
  }

  // Before a second try: the id of an entry into the automation since this was promised.
  static std::string Begun(const Delivery& delivery, const value& body, std::int64_t automation) {
    if (delivery.attempts == 0) {
      return "";
    }
    for (const value& entry : ListAt(body, "contactAutomations")) {
      const auto added = ParseTime(TextAt(entry, {"adddate"}), *Zone::Find("UTC"));
      if (TextAt(entry, {"automation"}) == std::to_string(automation) && added &&
          *added >= delivery.created - kClockSlack) {
        return TextAt(entry, {"id"});
      }
    }
    return "";
  }

  // The end of an attempt whose answer names what was made.
  static NextStep Done(const VendorAttempt& attempt, const Reply& reply, std::string_view made) {
    const std::string id = TextAt(ParseJson(reply.body), {made, "id"});
    if (IsOk(reply) && !id.empty()) {
      return attempt.Whole(attempt.Accepted(id));
    }
    return attempt.Whole(Failure(attempt, reply, false));
  }

  // The id of an entry of a list that may have several pages; empty when there is none.
  template <typename Is>
  std::optional<NextStep> FindIn(VendorAttempt& attempt, const std::string& path,
                                 std::string_view list, const Is& is, std::string& id) const {
    for (std::size_t page = 0; page < kPagesMax; ++page) {
      const Reply* reply = attempt.Take();
      if (reply == nullptr) {
        return Call(attempt, "GET",
                    fmt::format("{}limit={}&offset={}", path, kPageSize, page * kPageSize));
      }
      const value body = ParseJson(reply->body);
      if (!IsOk(*reply) || !At(body, {list}).is_array()) {
        return attempt.Whole(Failure(attempt, *reply, true));
      }
      for (const value& entry : ListAt(body, list)) {
        if (is(entry)) {
          id = TextAt(entry, {"id"});
          return std::nullopt;
        }
      }
      if (ListAt(body, list).size() < kPageSize) {
        return std::nullopt;
      }
    }
    return attempt.Whole(attempt.Misconfigured(
        fmt::format("ActiveCampaign lists more than {} {}", kPageSize * kPagesMax, list)));
  }

  std::optional<NextStep> FindTag(VendorAttempt& attempt, std::string& id) const {
    const std::string& name = attempt.first().payload.name;
    return FindIn(
        attempt, "/tags?search=" + UrlEncode(name) + "&", "tags",
        [&](const value& tag) { return ToLower(TextAt(tag, {"tag"})) == ToLower(name); }, id);
  }

  // The contact, the tag by its name, made where it is missing, and then both together.
  NextStep GiveTag(VendorAttempt& attempt) const {
    std::int64_t contact = 0;
    if (auto step = Sync(attempt, {}, true, contact)) {
      return *std::move(step);
    }
    std::string tag;
    if (auto step = FindTag(attempt, tag)) {
      return *std::move(step);
    }
    if (tag.empty()) {
      const Reply* made = attempt.Take();
      if (made == nullptr) {
        return Call(attempt, "POST", "/tags",
                    object{{"tag", object{{"tag", attempt.first().payload.name},
                                          {"tagType", "contact"},
                                          {"description", "Segue"}}}});
      }
      tag = TextAt(ParseJson(made->body), {"tag", "id"});
      if (!IsOk(*made) || tag.empty()) {
        Outcome outcome = Failure(attempt, *made, true);
        if (made->status == 422) {
          outcome.kind = Kind::kRetry;  // Somebody else has just made it: it will be found.
        }
        return attempt.Whole(outcome);
      }
    }
    const Reply* given = attempt.Take();
    if (given == nullptr) {
      return Call(
          attempt, "POST", "/contactTags",
          object{{"contactTag", object{{"contact", contact}, {"tag", NumberIn(tag).value_or(0)}}}});
    }
    return Done(attempt, *given, "contactTag");
  }

  NextStep TakeTag(VendorAttempt& attempt) const {
    const std::string address = ContactId(attempt.first(), "email");
    std::string contact, tag, entry;
    if (auto step = FindIn(
            attempt, "/contacts?email=" + UrlEncode(address) + "&", "contacts",
            [&](const value& one) { return ToLower(TextAt(one, {"email"})) == ToLower(address); },
            contact)) {
      return *std::move(step);
    }
    if (contact.empty()) {
      return attempt.Whole(attempt.Say(Kind::kAccepted, "ActiveCampaign has no such contact"));
    }
    if (auto step = FindTag(attempt, tag)) {
      return *std::move(step);
    }
    if (!tag.empty()) {
      if (auto step = FindIn(
              attempt, "/contacts/" + UrlEncode(contact) + "/contactTags?", "contactTags",
              [&](const value& one) { return TextAt(one, {"tag"}) == tag; }, entry)) {
        return *std::move(step);
      }
    }
    if (entry.empty()) {
      return attempt.Whole(attempt.Say(Kind::kAccepted, "the tag is not there"));
    }
    const Reply* taken = attempt.Take();
    if (taken == nullptr) {
      return Call(attempt, "DELETE", "/contactTags/" + UrlEncode(entry));
    }
    if (IsOk(*taken) || (taken->kind == Reply::Kind::kAnswered && taken->status == 404)) {
      return attempt.Whole(attempt.Accepted(contact));
    }
    return attempt.Whole(Failure(attempt, *taken, false));
  }

  // Events go to another address, with a key of their own.  200 may mean that nothing was done.
  NextStep Track(VendorAttempt& attempt) const {
    const Delivery& delivery = attempt.first();
    if (event_account_.empty() || event_key_.empty() || event_base_.empty()) {
      return attempt.Whole(attempt.Misconfigured(
          "auth.event_account and auth.event_key are missing: ActiveCampaign shows both under "
          "event tracking"));
    }
    const Reply* reply = attempt.Take();
    if (reply == nullptr) {
      const object visit{{"email", ContactId(delivery, "email")}};
      std::string form = "actid=" + UrlEncode(event_account_) + "&key=" + UrlEncode(event_key_) +
                         "&event=" + UrlEncode(delivery.payload.name) +
                         "&visit=" + UrlEncode(boost::json::serialize(visit));
      if (!delivery.payload.values.empty()) {
        form +=
            "&eventdata=" + UrlEncode(boost::json::serialize(TextsJson(delivery.payload.values)));
      }
      Request request = attempt.Call("POST", "", std::move(form));
      request.url = event_base_ + "/event";
      request.headers["Content-Type"] = "application/x-www-form-urlencoded";
      return request;
    }
    const value body = ParseJson(reply->body);
    const std::string success = TextAt(body, {"success"});
    if (IsOk(*reply) && success == "1") {
      return attempt.Whole(attempt.Accepted(""));
    }
    if (IsOk(*reply) && success == "0") {
      return attempt.Whole(
          attempt.Say(Kind::kRefused, "ActiveCampaign: " + TextAt(body, {"message"})));
    }
    return attempt.Whole(attempt.NotAsWanted(*reply));
  }

  Vendor vendor_;
  std::string token_, event_account_, event_key_, event_base_;
  std::vector<std::string> writes_;
};

}  // namespace

constinit const ConnectorSpec kActiveCampaignConnector = {
    .name = "activecampaign",
    .summary = "ActiveCampaign: fields and tags of contacts, automations, events",
    .example =
        "connector: activecampaign\n"
        "type: activecampaign\n"
        "auth: {url: env:AC_URL, token: cred:ac_token}\n"
        "writes: [SEGUE_RFV]\n"
        "dedupe: lookup\n"
        "rate: 5 per 1s\n"
        "inbound: {path: /hooks/activecampaign, secret: cred:ac_hook}\n"
        "retry: {for: 24h, first: 30s, most: 1h}\n",
    .dedupe = Dedupe::kLookup,
    .carries =
        [] {
          return std::vector{DeliveryKind::kSet, DeliveryKind::kMessage, DeliveryKind::kAudience,
                             DeliveryKind::kTrack};
        },
    .make = [](const ConnectorSettings& settings,
               const Secrets& secrets) -> std::unique_ptr<Connector> {
      return std::make_unique<ActiveCampaignConnector>(settings, secrets);
    },
};

}  // namespace segue
