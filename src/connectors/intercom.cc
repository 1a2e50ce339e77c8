// The Intercom connector: attributes and tags of contacts, attributes of companies, events, and
// messages from an admin that appear inside the product.
//
// A contact is found by our key (external_id), or by address where `match.contact` says email, a
// company by our key of the account (company_id).  A contact's subscription is read before a
// message and never written.  Intercom has no key for messages: a lost answer to one stays unknown.

#include <algorithm>
#include <charconv>

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

constexpr std::size_t kMetadataMax = 10;  // Of an event; Intercom drops the others.

// A contact as Intercom has it.
struct IntercomContact {
  std::string id;  // Intercom's own; empty: there is none.
  std::string role = "user";
  bool is_new = false;  // Made in this attempt.
  bool left = false;    // Unsubscribed, or has called a mail spam.
};

bool IsTrue(const value& flag) {
  return flag.is_bool() && flag.get_bool();
}

IntercomContact ReadContact(const value& contact) {
  IntercomContact found;
  found.id = TextAt(contact, {"id"});
  if (const std::string role = TextAt(contact, {"role"}); !role.empty()) {
    found.role = role;
  }
  found.left = IsTrue(At(contact, {"unsubscribed_from_emails"})) ||
               IsTrue(At(contact, {"marked_email_as_spam"}));
  return found;
}

// What is found by an address may be users and leads: a user is who has signed in.
IntercomContact ReadSearch(const value& body, const std::string& address) {
  IntercomContact found;
  bool left = false;
  for (const value& one : ListAt(body, "data")) {
    if (ToLower(TextAt(one, {"email"})) != ToLower(address)) {
      continue;
    }
    IntercomContact contact = ReadContact(one);
    left = left || contact.left;
    if (found.id.empty() || (found.role != "user" && contact.role == "user")) {
      found = std::move(contact);
    }
  }
  found.left = left;
  return found;
}

std::int64_t UnixSeconds(TimePoint time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

// Title, body and button as one piece of HTML.
std::string IntercomBody(const Payload& payload) {
  std::string html;
  if (!payload.title.empty()) {
    html += "<p><b>" + HtmlEscape(payload.title) + "</b></p>\n";
  }
  html += payload.html.empty() ? HtmlEscape(payload.text) : payload.html;
  if (!payload.link.empty()) {
    html += fmt::format("\n<p><a href=\"{}\">{}</a></p>", HtmlEscape(payload.link),
                        HtmlEscape(payload.button.empty() ? payload.link : payload.button));
  }
  return html;
}

class IntercomConnector final : public Connector {
 public:
  IntercomConnector(const ConnectorSettings& settings, const Secrets& secrets)
      : vendor_(MakeVendor("Intercom", "https://api.intercom.io", settings, secrets)),
        token_(SecretOr(secrets, "token")),
        admin_(SecretOr(secrets, "admin")),
        match_(SettingOr(settings, "match.contact", "external_id")),
        account_(SettingOr(settings, "match.account", "")),
        version_(SettingOr(settings, "version", "2.14")),
        message_type_(SettingOr(settings, "message_type", "inapp")),
        writes_(settings.writes) {}

  Dedupe Protects(const Delivery& delivery, Dedupe said) const override {
    switch (delivery.kind) {
      case DeliveryKind::kSet:
      case DeliveryKind::kAudience:
        return Dedupe::kKey;
      case DeliveryKind::kMessage:
        if (!SegmentOf(delivery).empty()) {
          return Dedupe::kKey;
        }
        if (EventOf(delivery).empty()) {
          return Dedupe::kNone;
        }
        break;
      case DeliveryKind::kTrack:
      case DeliveryKind::kTask:
        break;
    }
    // Intercom says that it may drop an event which it has with the same name, contact and second.
    return said == Dedupe::kKey ? Dedupe::kKey : Dedupe::kNone;
  }

  NextStep Next(std::span<const Delivery> batch, std::span<const Exchange> done, Session& session,
                TimePoint now) const override {
    VendorAttempt attempt(vendor_, batch, done, session, now);
    if (const auto hindered = attempt.Hindered(Problem(attempt.first()))) {
      return *hindered;
    }
    switch (attempt.first().kind) {
      case DeliveryKind::kSet:
        return Set(attempt);
      case DeliveryKind::kAudience:
        return Audience(attempt);
      case DeliveryKind::kMessage:
        return Message(attempt);
      case DeliveryKind::kTrack:
      case DeliveryKind::kTask:
        break;
    }
    return Event(attempt, attempt.first().payload.name, "");
  }

 private:
  static std::string EventOf(const Delivery& delivery) {
    return AfterWord(delivery.payload.name, "event");
  }

  static std::string SegmentOf(const Delivery& delivery) {
    return AfterWord(delivery.payload.name, "segment");
  }

  std::string Problem(const Delivery& delivery) const {
    const Payload& payload = delivery.payload;
    const bool message = delivery.kind == DeliveryKind::kMessage;
    if (delivery.kind == DeliveryKind::kTask) {
      return "this connector carries no tasks to Intercom";
    }
    if (std::string problem = AccountProblem("Intercom", delivery, account_); !problem.empty()) {
      return problem;
    }
    if (ContactId(delivery, match_).empty()) {
      return "the customer has no mail address, by which `match` finds contacts";
    }
    if (message && payload.name.empty()) {
      return payload.channel == "email"
                 ? "Intercom carries messages inside the product; mail goes by another connector"
             : payload.text.empty() && payload.html.empty() ? "the message has no body"
                                                            : "";
    }
    if (message && EventOf(delivery).empty() && SegmentOf(delivery).empty()) {
      return "Intercom knows `event NAME` and `segment TAG`, not " + payload.name;
    }
    if (message && !SegmentOf(delivery).empty() && !payload.values.empty()) {
      return "a tag of Intercom's takes no values: write `use: {intercom: event NAME}`";
    }
    if (delivery.kind != DeliveryKind::kSet && delivery.kind != DeliveryKind::kAudience &&
        payload.values.size() > kMetadataMax) {
      return fmt::format("Intercom keeps {} values of an event, and here are {}", kMetadataMax,
                         payload.values.size());
    }
    return FieldsProblem(delivery, writes_);
  }

  Request Call(const VendorAttempt& attempt, std::string_view method, const std::string& path,
               const value& body = {}) const {
    Request request =
        attempt.Call(method, path, body.is_null() ? "" : boost::json::serialize(body));
    request.headers["Authorization"] = "Bearer " + token_;
    request.headers["Intercom-Version"] = version_;
    return request;
  }

  // When the slice of ten seconds that is used up ends.
  static Duration UntilReset(const VendorAttempt& attempt, const Reply& reply) {
    const auto header = reply.headers.find("x-ratelimit-reset");
    std::int64_t seconds = 0;
    if (header == reply.headers.end() ||
        std::from_chars(header->second.data(), header->second.data() + header->second.size(),
                        seconds)
                .ec != std::errc() ||
        seconds > UnixSeconds(attempt.now() + kDay)) {
      return Duration::zero();
    }
    return std::max<Duration>(std::chrono::seconds(seconds - UnixSeconds(attempt.now())),
                              Duration::zero());
  }

  // What an answer that is not the wanted one means.
  static Outcome Failure(const VendorAttempt& attempt, const Reply& reply, bool reading) {
    Outcome outcome = attempt.NotAsWanted(reply, reading);
    if (reply.kind != Reply::Kind::kAnswered) {
      return outcome;
    }
    if (reply.status == 429 && outcome.retry_after == Duration::zero()) {
      outcome.retry_after = UntilReset(attempt, reply);
    } else if (reply.status == 403) {
      const value body = ParseJson(reply.body);
      for (const value& error : ListAt(body, "errors")) {
        if (TextAt(error, {"code"}) == "api_plan_restricted") {
          return attempt.Misconfigured("the plan at Intercom does not allow it: " + outcome.detail);
        }
      }
    }
    return outcome;
  }

  // Finds the contact, and makes one where `attributes` are given and there is none.  A step is
  // what must be done or said before that is known.
  std::optional<NextStep> Find(VendorAttempt& attempt, const object* attributes,
                               IntercomContact& contact) const {
    const std::string id = ContactId(attempt.first(), match_);
    const bool by_address = IsEmailField(match_);
    const Reply* reply = attempt.Take();
    if (reply == nullptr) {
      return by_address
                 ? Call(attempt, "POST", "/contacts/search",
                        object{{"query",
                                object{{"field", "email"}, {"operator", "="}, {"value", id}}}})
                 : Call(attempt, "GET", "/contacts/find_by_external_id/" + UrlEncode(id));
    }
    const bool missing =
        !by_address && reply->kind == Reply::Kind::kAnswered && reply->status == 404;
    if (!missing) {
      const value body = ParseJson(reply->body);
      contact = by_address ? ReadSearch(body, id) : ReadContact(body);
      const bool read = by_address ? At(body, {"data"}).is_array() : !contact.id.empty();
      if (reply->kind != Reply::Kind::kAnswered || reply->status != 200 || !read) {
        return attempt.Whole(Failure(attempt, *reply, true));
      }
    }
    if (!contact.id.empty() || attributes == nullptr) {
      return std::nullopt;
    }
    return Create(attempt, *attributes, contact);
  }

  std::optional<NextStep> Create(VendorAttempt& attempt, const object& attributes,
                                 IntercomContact& contact) const {
    const Delivery& delivery = attempt.first();
    const Reply* made = attempt.Take();
    if (made == nullptr) {
      object body{{"role", "user"}};
      if (!IsEmailField(match_)) {
        body["external_id"] = delivery.customer_key;
      }
      if (const std::string address = ContactId(delivery, "email"); !address.empty()) {
        body["email"] = address;
      }
      if (!attributes.empty()) {
        body["custom_attributes"] = attributes;
      }
      return Call(attempt, "POST", "/contacts", body);
    }
    contact = ReadContact(ParseJson(made->body));
    contact.is_new = true;
    if (made->kind == Reply::Kind::kAnswered && made->status == 200 && !contact.id.empty()) {
      return std::nullopt;
    }
    Outcome outcome = Failure(attempt, *made, true);
    if (made->kind == Reply::Kind::kAnswered && made->status == 409) {
      outcome.kind = Kind::kRetry;  // Somebody else has just made it: it will be found.
    }
    return attempt.Whole(outcome);
  }

  NextStep Set(VendorAttempt& attempt) const {
    const object attributes = TextsJson(attempt.first().payload.values);
    if (IsAccount(attempt.first().customer)) {
      return Company(attempt, attributes);
    }
    IntercomContact contact;
    if (auto step = Find(attempt, &attributes, contact)) {
      return *std::move(step);
    }
    if (contact.is_new) {
      return attempt.Whole(attempt.Accepted(contact.id));
    }
    const Reply* written = attempt.Take();
    if (written == nullptr) {
      return Call(attempt, "PUT", "/contacts/" + UrlEncode(contact.id),
                  object{{"custom_attributes", attributes}});
    }
    return Done(attempt, *written);
  }

  // Intercom makes the company where there is none.
  NextStep Company(VendorAttempt& attempt, const object& attributes) const {
    const Reply* written = attempt.Take();
    if (written == nullptr) {
      return Call(
          attempt, "POST", "/companies",
          object{{"company_id", AccountId(attempt.first())}, {"custom_attributes", attributes}});
    }
    return Done(attempt, *written);
  }

  // The end of an attempt whose answer names what was changed.
  static NextStep Done(const VendorAttempt& attempt, const Reply& reply) {
    const std::string id = TextAt(ParseJson(reply.body), {"id"});
    if (reply.kind == Reply::Kind::kAnswered && reply.status == 200 && !id.empty()) {
      return attempt.Whole(attempt.Accepted(id));
    }
    return attempt.Whole(Failure(attempt, reply, false));
  }

  NextStep Audience(VendorAttempt& attempt) const {
    const bool remove = Removes(attempt.first());
    const object no_attributes;
    IntercomContact contact;
    if (auto step = Find(attempt, remove ? nullptr : &no_attributes, contact)) {
      return *std::move(step);
    }
    if (contact.id.empty()) {
      return attempt.Whole(attempt.Say(Kind::kAccepted, "Intercom has no such contact"));
    }
    return Tag(attempt, attempt.first().payload.name, contact, remove);
  }

  // The tag by its name, made where it is missing; then on or off the contact.
  NextStep Tag(VendorAttempt& attempt, const std::string& name, const IntercomContact& contact,
               bool remove) const {
    const Reply* found = attempt.Take();
    if (found == nullptr) {
      return Call(attempt, "POST", "/tags", object{{"name", name}});
    }
    const std::string tag = TextAt(ParseJson(found->body), {"id"});
    if (found->kind != Reply::Kind::kAnswered || found->status != 200 || tag.empty()) {
      return attempt.Whole(Failure(attempt, *found, true));
    }
    const std::string tags = "/contacts/" + UrlEncode(contact.id) + "/tags";
    const Reply* changed = attempt.Take();
    if (changed == nullptr) {
      return remove ? Call(attempt, "DELETE", tags + "/" + UrlEncode(tag))
                    : Call(attempt, "POST", tags, object{{"id", tag}});
    }
    if (remove && changed->kind == Reply::Kind::kAnswered && changed->status == 404) {
      return attempt.Whole(attempt.Say(Kind::kAccepted, "the tag is not there"));
    }
    return Done(attempt, *changed);
  }

  // Of the contact with that id of Intercom's; without one, of whom we know by our own.
  NextStep Event(VendorAttempt& attempt, const std::string& name,
                 const std::string& contact_id) const {
    const Delivery& delivery = attempt.first();
    const Reply* reply = attempt.Take();
    if (reply == nullptr) {
      object body{{"event_name", name}, {"created_at", UnixSeconds(delivery.created)}};
      if (!contact_id.empty()) {
        body["id"] = contact_id;
      } else {
        body[IsEmailField(match_) ? "email" : "user_id"] = ContactId(delivery, match_);
      }
      if (!delivery.payload.values.empty()) {
        body["metadata"] = TextsJson(delivery.payload.values);
      }
      return Call(attempt, "POST", "/events", body);
    }
    if (reply->kind == Reply::Kind::kAnswered && reply->status >= 200 && reply->status < 300) {
      return attempt.Whole(attempt.Accepted(""));
    }
    return attempt.Whole(Failure(attempt, *reply, false));
  }

  // The contact first, who may have said no there; then what shows the message, or the message.
  NextStep Message(VendorAttempt& attempt) const {
    const Delivery& delivery = attempt.first();
    std::int64_t admin = 0;
    const auto [end, error] = std::from_chars(admin_.data(), admin_.data() + admin_.size(), admin);
    if (delivery.payload.name.empty() &&
        (error != std::errc() || end != admin_.data() + admin_.size() || admin <= 0)) {
      return attempt.Whole(attempt.Misconfigured(
          "auth.admin is missing: the number of the Intercom admin whom messages are from"));
    }
    const object no_attributes;
    IntercomContact contact;
    if (auto step = Find(attempt, &no_attributes, contact)) {
      return *std::move(step);
    }
    if (contact.left) {
      return attempt.Whole(attempt.Say(Kind::kSuppressed, "Intercom has them as unsubscribed"));
    }
    if (const std::string tag = SegmentOf(delivery); !tag.empty()) {
      return Tag(attempt, tag, contact, false);
    }
    if (const std::string event = EventOf(delivery); !event.empty()) {
      return Event(attempt, event, contact.id);
    }
    const Reply* sent = attempt.Take();
    if (sent == nullptr) {
      return Call(attempt, "POST", "/messages",
                  object{{"message_type", message_type_},
                         {"body", IntercomBody(delivery.payload)},
                         {"from", object{{"type", "admin"}, {"id", admin}}},
                         {"to", object{{"type", contact.role == "lead" ? "lead" : "user"},
                                       {"id", contact.id}}}});
    }
    if (sent->kind == Reply::Kind::kAnswered && sent->status == 404) {
      // A new contact cannot be written to for a moment.
      Outcome outcome = Failure(attempt, *sent, false);
      outcome.kind = Kind::kRetry;
      return attempt.Whole(outcome);
    }
    return Done(attempt, *sent);
  }

  Vendor vendor_;
  std::string token_, admin_, match_, account_, version_, message_type_;
  std::vector<std::string> writes_;
};

}  // namespace

constinit const ConnectorSpec kIntercomConnector = {
    .name = "intercom",
    .summary =
        "Intercom: attributes of contacts and companies, tags, events, messages in the product",
    .example =
        "connector: intercom\n"
        "type: intercom\n"
        "auth: {token: cred:intercom_token, admin: env:INTERCOM_ADMIN}\n"
        "match: {contact: external_id, account: company_id}\n"
        "writes: [segue_rfv]\n"
        "message_type: inapp\n"
        "version: 2.14\n"
        "rate: 1000 per 10s\n"
        "inbound: {path: /hooks/intercom, secret: cred:intercom_hook}\n"
        "retry: {for: 24h, first: 30s, most: 1h}\n",
    .dedupe = Dedupe::kNone,
    .carries =
        [] {
          return std::vector{DeliveryKind::kMessage, DeliveryKind::kSet, DeliveryKind::kAudience,
                             DeliveryKind::kTrack};
        },
    .make = [](const ConnectorSettings& settings,
               const Secrets& secrets) -> std::unique_ptr<Connector> {
      return std::make_unique<IntercomConnector>(settings, secrets);
    },
};

}  // namespace segue
