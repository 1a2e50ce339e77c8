// The HubSpot connector: properties of contacts and companies, tasks with owner, contact and
// company, static lists, single emails and custom events.
//
// A contact is found by `match.contact` (email, or a property of yours with unique values), a
// company by `match.account`, which is one too. HubSpot has no key for tasks: each carries ours in
// the property `match.task`, and is searched for by it before a second try.

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

constexpr std::size_t kObjectsMax = 100;  // Of one CRM batch call.
constexpr std::size_t kEventsMax = 500;

// Contacts, or companies.
struct HubspotType {
  std::string_view name;  // In paths.
  std::string property;   // By which one is found; empty: the file does not say.
  int task_association;   // HubSpot's number of how a task belongs to one.
};

// Values of `sendResult`: who has said no, or whose address is known to be bad.
constexpr std::string_view kSuppressedResults =
    " PREVIOUSLY_UNSUBSCRIBED_MESSAGE PREVIOUSLY_UNSUBSCRIBED_PORTAL PREVIOUSLY_UNSUBSCRIBED_BRAND"
    " PREVIOUSLY_UNSUBSCRIBED_BUSINESS_UNIT ADDRESS_OPTED_OUT PREVIOUSLY_BOUNCED PREVIOUS_SPAM"
    " BLOCKED_DOMAIN BLOCKED_ADDRESS NON_MARKETABLE_CONTACT GDPR_DOI_ENABLED GRAYMAIL_SUPPRESSED"
    " RECIPIENT_FATIGUE_SUPPRESSED QUARANTINED_ADDRESS ";
constexpr std::string_view kAcceptedResults = " SENT QUEUED IDEMPOTENT_IGNORE ";

bool HasWord(std::string_view words, const std::string& word) {
  return words.find(" " + word + " ") != std::string_view::npos;
}

// HubSpot shows a task's body as HTML.
std::string AsHtml(std::string_view text) {
  std::string html;
  for (const std::string_view line : Split(text, '\n')) {
    html += (html.empty() ? "" : "<br>") + HtmlEscape(line);
  }
  return html;
}

class HubspotConnector final : public Connector {
 public:
  HubspotConnector(const ConnectorSettings& settings, const Secrets& secrets)
      : vendor_(MakeVendor("HubSpot", "https://api.hubapi.com", settings, secrets)),
        token_(SecretOr(secrets, "token")),
        contacts_{"contacts", SettingOr(settings, "match.contact", "email"), 204},
        companies_{"companies", SettingOr(settings, "match.account", ""), 192},
        task_key_(SettingOr(settings, "match.task", "segue_key")),
        events_prefix_(SettingOr(settings, "events", "")),
        writes_(settings.writes) {
    // A dated version ("2026-03") stands behind what it versions, "v3" before it.
    const std::string version = SettingOr(settings, "version", "v3");
    objects_ = version.starts_with('v') ? "/crm/" + version + "/objects/"
                                        : "/crm/objects/" + version + "/";
  }

  std::size_t BatchMax(const Delivery& first) const override {
    switch (first.kind) {
      case DeliveryKind::kSet:
      case DeliveryKind::kAudience:
        return kObjectsMax;
      case DeliveryKind::kTrack:
        return kEventsMax;
      case DeliveryKind::kMessage:
      case DeliveryKind::kTask:
        break;
    }
    return 1;
  }

  bool Together(const Delivery& first, const Delivery& other) const override {
    if (!IsAlike(first, other) || !Problem(first).empty() || !Problem(other).empty()) {
      return false;
    }
    return first.kind != DeliveryKind::kAudience ||
           (first.payload.name == other.payload.name && Removes(first) == Removes(other));
  }

  Dedupe Protects(const Delivery& delivery, Dedupe said) const override {
    switch (delivery.kind) {
      case DeliveryKind::kSet:
      case DeliveryKind::kAudience:
      case DeliveryKind::kMessage:  // By its sendId.
        return Dedupe::kKey;
      case DeliveryKind::kTrack:
        return Dedupe::kNone;
      case DeliveryKind::kTask:
        break;
    }
    return said;
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
      case DeliveryKind::kTask:
        return Task(attempt);
      case DeliveryKind::kAudience:
        return Audience(attempt);
      case DeliveryKind::kMessage:
        return Message(attempt);
      case DeliveryKind::kTrack:
        break;
    }
    return Track(attempt);
  }

 private:
  // Why this delivery can never go out; empty when it can.
  std::string Problem(const Delivery& delivery) const {
    const Payload& payload = delivery.payload;
    const bool mail = delivery.kind == DeliveryKind::kMessage;
    const bool by_address = mail || delivery.kind == DeliveryKind::kTrack;
    if (std::string problem = AccountProblem("HubSpot", delivery, companies_.property);
        !problem.empty()) {
      return problem;
    }
    if (delivery.kind != DeliveryKind::kTask &&
        ContactId(delivery, by_address ? "email" : contacts_.property).empty()) {
      return "the customer has no mail address, by which HubSpot knows contacts";
    }
    if (mail && EmailNumber(delivery) == 0) {
      return "HubSpot sends only emails of its own: the template must say `use: {hubspot: email "
             "NUMBER}`";
    }
    if (delivery.kind == DeliveryKind::kTask && !BareAddress(payload.assignee)) {
      return "the task is for nobody with a mail address, by which HubSpot knows owners";
    }
    return FieldsProblem(delivery, writes_);
  }

  // 5521 of "email 5521"; 0 when it is not that.
  static std::int64_t EmailNumber(const Delivery& delivery) {
    const std::string digits = AfterWord(delivery.payload.name, "email");
    std::int64_t number = 0;
    for (const char c : digits) {
      if (c < '0' || c > '9' || number > 1'000'000'000'000) {
        return 0;
      }
      number = number * 10 + (c - '0');
    }
    return number;
  }

  Request Call(const VendorAttempt& attempt, std::string_view method, std::string_view path,
               const value& body = {}) const {
    Request request =
        attempt.Call(method, path, body.is_null() ? "" : boost::json::serialize(body));
    request.headers["Authorization"] = "Bearer " + token_;
    return request;
  }

  // What an answer that is not the wanted one means.
  static Outcome Failure(const VendorAttempt& attempt, const Reply& reply, bool reading) {
    Outcome outcome = attempt.NotAsWanted(reply, reading);
    if (reply.kind != Reply::Kind::kAnswered) {
      return outcome;
    }
    const value body = ParseJson(reply.body);
    if (reply.status == 423 || reply.status == 477) {
      outcome.kind = Kind::kRetry;  // Locked, or being moved to another data centre.
    } else if (reply.status == 403 && TextAt(body, {"category"}) == "MISSING_SCOPES") {
      outcome = attempt.Misconfigured("the token lacks a scope: " + outcome.detail);
    } else if (reply.status == 429 && outcome.retry_after == Duration::zero()) {
      // The day ends at midnight in a zone that is not known here, so it is asked every hour.
      const std::string policy = TextAt(body, {"policyName"});
      outcome.retry_after = policy.find("DAILY") != std::string::npos ? kHour
                            : policy.find("SECOND") != std::string::npos
                                ? Duration(std::chrono::seconds(10))
                                : Duration::zero();
    }
    return outcome;
  }

  // Those that the fields of a delivery are of.
  const HubspotType& TypeOf(const Delivery& delivery) const {
    return IsAccount(delivery.customer) ? companies_ : contacts_;
  }

  // Creates or updates them; the answer names each by the property that it is matched by.
  Request Upsert(const VendorAttempt& attempt, std::span<const ContactGroup> groups,
                 bool with_values) const {
    const HubspotType& type = TypeOf(attempt.first());
    array inputs;
    for (const ContactGroup& group : groups) {
      object properties;
      if (with_values) {
        properties = TextsJson(ValuesOf(attempt.batch(), group));
      }
      properties[type.property] = group.id;
      inputs.push_back(object{{"idProperty", type.property},
                              {"id", group.id},
                              {"objectWriteTraceId", attempt.batch()[group.members[0]].key},
                              {"properties", std::move(properties)}});
    }
    return Call(attempt, "POST", fmt::format("{}{}/batch/upsert", objects_, type.name),
                object{{"inputs", std::move(inputs)}});
  }

  // Which of them is meant by a result.
  std::optional<std::size_t> GroupOf(std::span<const ContactGroup> groups,
                                     const std::string& id) const {
    for (std::size_t i = 0; i < groups.size(); ++i) {
      if (!id.empty() && ToLower(groups[i].id) == ToLower(id)) {
        return i;
      }
    }
    return std::nullopt;
  }

  // Whether an error is about this one: its context quotes the id, or the trace id that we
  // gave.
  static bool IsAbout(const VendorAttempt& attempt, const std::string& context,
                      const ContactGroup& group) {
    const std::string& key = attempt.batch()[group.members[0]].key;
    return context.find(boost::json::serialize(value(ToLower(group.id)))) != std::string::npos ||
           context.find(boost::json::serialize(value(ToLower(key)))) != std::string::npos;
  }

  // The outcomes of a batch.  200: all of them; 207: some failed.
  std::vector<std::optional<Outcome>> ReadBatch(const VendorAttempt& attempt, const value& body,
                                                std::span<const ContactGroup> groups,
                                                const HubspotType& type) const {
    std::vector<std::optional<Outcome>> outcomes(groups.size());
    for (const value& result : ListAt(body, "results")) {
      const auto group = groups.size() == 1
                             ? std::optional<std::size_t>(0)
                             : GroupOf(groups, TextAt(result, {"properties", type.property}));
      if (group) {
        outcomes[*group] = attempt.Accepted(TextAt(result, {"id"}));
      }
    }
    for (const value& error : ListAt(body, "errors")) {
      const std::string context = ToLower(boost::json::serialize(At(error, {"context"})));
      const std::string category = TextAt(error, {"category"});
      const bool again = category == "RATE_LIMITS" || category == "CONFLICT";
      const Outcome outcome =
          attempt.Say(again ? Kind::kRetry : Kind::kRefused,
                      fmt::format("HubSpot: {}: {}", category, TextAt(error, {"message"})));
      for (std::size_t i = 0; i < groups.size(); ++i) {
        if (!outcomes[i] && (groups.size() == 1 || IsAbout(attempt, context, groups[i]))) {
          outcomes[i] = outcome;
        }
      }
    }
    return outcomes;
  }

  NextStep Set(VendorAttempt& attempt) const {
    const HubspotType& type = TypeOf(attempt.first());
    const std::vector<ContactGroup> groups = GroupByContact(attempt.batch(), type.property);
    const Reply* reply = attempt.Take();
    if (reply == nullptr) {
      return Upsert(attempt, groups, true);
    }
    const value body = ParseJson(reply->body);
    if ((reply->status != 200 && reply->status != 207) || !body.is_object() ||
        reply->kind != Reply::Kind::kAnswered) {
      return attempt.Whole(Failure(attempt, *reply, false));
    }
    const std::vector<std::optional<Outcome>> outcomes = ReadBatch(attempt, body, groups, type);
    // Errors that name nobody: alone, each will say whose it is.
    if (groups.size() > 1 && !ListAt(body, "errors").empty() &&
        std::find(outcomes.begin(), outcomes.end(), std::nullopt) != outcomes.end()) {
      return attempt.Whole(
          attempt.Say(Kind::kRefused, "HubSpot does not say which of them failed"));
    }
    return attempt.Each(groups, outcomes);
  }

  // Whom the task is about; left empty where HubSpot has none, or the file does not say by what to
  // find them.  A step is what must be done or said before that is known.
  std::optional<NextStep> Find(VendorAttempt& attempt, const HubspotType& type,
                               const std::string& id, std::string& found) const {
    if (id.empty() || type.property.empty()) {
      return std::nullopt;
    }
    const std::vector<ContactGroup> groups = {{id, {0}}};
    const Reply* read = attempt.Take();
    if (read == nullptr) {
      return ReadObjects(attempt, groups, type);
    }
    const value body = ParseJson(read->body);
    if (read->kind != Reply::Kind::kAnswered || (read->status != 200 && read->status != 207) ||
        !At(body, {"results"}).is_array()) {
      return attempt.Whole(Failure(attempt, *read, true));
    }
    const std::optional<Outcome> outcome = ReadBatch(attempt, body, groups, type)[0];
    if (outcome && outcome->kind == Kind::kRetry) {
      return attempt.Whole(*outcome);
    }
    found = outcome ? outcome->vendor_id : "";
    return std::nullopt;
  }

  // Whether a task with our key is there already; then whom it is about, the owner, and the task
  // itself.
  NextStep Task(VendorAttempt& attempt) const {
    const Delivery& delivery = attempt.first();
    if (delivery.attempts > 0) {
      const Reply* found = attempt.Take();
      if (found == nullptr) {
        return SearchTask(attempt);
      }
      const value body = ParseJson(found->body);
      if (found->kind != Reply::Kind::kAnswered || found->status != 200 ||
          !At(body, {"results"}).is_array()) {
        return attempt.Whole(Failure(attempt, *found, true));
      }
      if (!ListAt(body, "results").empty()) {
        return attempt.Whole(attempt.Accepted(TextAt(ListAt(body, "results")[0], {"id"})));
      }
    }
    std::string contact, company;
    if (auto step = Find(attempt, contacts_, ContactId(delivery, contacts_.property), contact)) {
      return *std::move(step);
    }
    if (auto step = Find(attempt, companies_, AccountId(delivery), company)) {
      return *std::move(step);
    }
    const std::string assignee = BareAddress(delivery.payload.assignee).value_or("");
    const Reply* owners = attempt.Take();
    if (owners == nullptr) {
      return Call(attempt, "GET", "/crm/v3/owners?email=" + UrlEncode(assignee) + "&limit=1");
    }
    const value body = ParseJson(owners->body);
    if (owners->kind != Reply::Kind::kAnswered || owners->status != 200 ||
        !At(body, {"results"}).is_array()) {
      return attempt.Whole(Failure(attempt, *owners, true));
    }
    std::string owner;
    for (const value& one : ListAt(body, "results")) {
      if (ToLower(TextAt(one, {"email"})) == ToLower(assignee)) {
        owner = TextAt(one, {"id"});
      }
    }
    if (owner.empty()) {
      return attempt.Whole(
          attempt.Say(Kind::kRefused, "HubSpot has no owner with the address " + assignee));
    }
    const Reply* written = attempt.Take();
    if (written == nullptr) {
      return CreateTask(attempt, contact, company, owner);
    }
    if (written->kind == Reply::Kind::kAnswered && written->status == 201) {
      return attempt.Whole(attempt.Accepted(TextAt(ParseJson(written->body), {"id"})));
    }
    return attempt.Whole(Failure(attempt, *written, false));
  }

  Request SearchTask(const VendorAttempt& attempt) const {
    const object filter{
        {"propertyName", task_key_}, {"operator", "EQ"}, {"value", attempt.first().key}};
    return Call(attempt, "POST", objects_ + "tasks/search",
                object{{"filterGroups", array{object{{"filters", array{filter}}}}},
                       {"properties", array{task_key_}},
                       {"limit", 1}});
  }

  Request CreateTask(const VendorAttempt& attempt, const std::string& contact,
                     const std::string& company, const std::string& owner) const {
    const Payload& payload = attempt.first().payload;
    const TimePoint due = payload.due == TimePoint() ? attempt.first().created : payload.due;
    const std::string priority = payload.priority == "high"  ? "HIGH"
                                 : payload.priority == "low" ? "LOW"
                                                             : "MEDIUM";
    array associations;
    const auto associate = [&](const std::string& id, const HubspotType& type) {
      if (!id.empty()) {
        associations.push_back(
            object{{"to", object{{"id", id}}},
                   {"types", array{object{{"associationCategory", "HUBSPOT_DEFINED"},
                                          {"associationTypeId", type.task_association}}}}});
      }
    };
    associate(contact, contacts_);
    associate(company, companies_);
    return Call(attempt, "POST", objects_ + "tasks",
                object{{"properties", object{{"hs_timestamp", FormatTime(due)},
                                             {"hs_task_subject", payload.title},
                                             {"hs_task_body", AsHtml(payload.note)},
                                             {"hs_task_status", "NOT_STARTED"},
                                             {"hs_task_priority", priority},
                                             {"hs_task_type", "TODO"},
                                             {"hubspot_owner_id", owner},
                                             {task_key_, attempt.first().key}}},
                       {"associations", std::move(associations)}});
  }

  // The list by its name, made where it is missing; the contacts' numbers; then who joins or
  // leaves.
  NextStep Audience(VendorAttempt& attempt) const {
    const std::string& name = attempt.first().payload.name;
    const Reply* found = attempt.Take();
    if (found == nullptr) {
      return Call(attempt, "GET", "/crm/v3/lists/object-type-id/0-1/name/" + UrlEncode(name));
    }
    const Reply* list = found;
    if (found->kind == Reply::Kind::kAnswered && found->status == 404) {
      list = attempt.Take();
      if (list == nullptr) {
        return Call(attempt, "POST", "/crm/v3/lists",
                    object{{"name", name}, {"objectTypeId", "0-1"}, {"processingType", "MANUAL"}});
      }
    }
    const value list_body = ParseJson(list->body);
    const std::string list_id = TextAt(list_body, {"list", "listId"});
    if (list->kind != Reply::Kind::kAnswered || list->status != 200 || list_id.empty()) {
      return attempt.Whole(Failure(attempt, *list, true));
    }
    if (TextAt(list_body, {"list", "processingType"}) == "DYNAMIC") {
      return attempt.Whole(attempt.Misconfigured(
          fmt::format("HubSpot fills the list \"{}\" itself: give it another name there", name)));
    }
    const std::vector<ContactGroup> groups = GroupByContact(attempt.batch(), contacts_.property);
    const bool remove = Removes(attempt.first());
    const Reply* contacts = attempt.Take();
    if (contacts == nullptr) {
      // Who joins a list becomes a contact where they are none yet.
      return remove ? ReadObjects(attempt, groups, contacts_) : Upsert(attempt, groups, false);
    }
    const value body = ParseJson(contacts->body);
    if ((contacts->status != 200 && contacts->status != 207) || !body.is_object() ||
        contacts->kind != Reply::Kind::kAnswered) {
      return attempt.Whole(Failure(attempt, *contacts, true));
    }
    std::vector<std::optional<Outcome>> outcomes = ReadBatch(attempt, body, groups, contacts_);
    for (std::optional<Outcome>& outcome : outcomes) {
      if (remove && (!outcome || outcome->kind == Kind::kRefused)) {
        outcome = attempt.Say(Kind::kAccepted, "HubSpot has no such contact");
      }
    }
    array ids;
    for (const std::optional<Outcome>& outcome : outcomes) {
      if (outcome && !outcome->vendor_id.empty()) {
        ids.emplace_back(outcome->vendor_id);
      }
    }
    if (ids.empty()) {
      return attempt.Each(groups, outcomes);
    }
    return ChangeList(attempt, list_id, ids, groups, std::move(outcomes));
  }

  Request ReadObjects(const VendorAttempt& attempt, std::span<const ContactGroup> groups,
                      const HubspotType& type) const {
    array inputs;
    for (const ContactGroup& group : groups) {
      inputs.push_back(object{{"id", group.id}});
    }
    return Call(attempt, "POST", fmt::format("{}{}/batch/read", objects_, type.name),
                object{{"idProperty", type.property},
                       {"inputs", std::move(inputs)},
                       {"properties", array{type.property}},
                       {"propertiesWithHistory", array()}});
  }

  NextStep ChangeList(VendorAttempt& attempt, const std::string& list_id, const array& ids,
                      std::span<const ContactGroup> groups,
                      std::vector<std::optional<Outcome>> outcomes) const {
    const bool remove = Removes(attempt.first());
    const Reply* reply = attempt.Take();
    if (reply == nullptr) {
      return Call(attempt, "PUT",
                  "/crm/v3/lists/" + UrlEncode(list_id) + "/memberships/add-and-remove",
                  object{{"recordIdsToAdd", remove ? array() : ids},
                         {"recordIdsToRemove", remove ? ids : array()}});
    }
    const value body = ParseJson(reply->body);
    if (reply->kind != Reply::Kind::kAnswered || reply->status != 200 || !body.is_object()) {
      return attempt.Whole(Failure(attempt, *reply, false));
    }
    for (const value& missing : ListAt(body, "recordIdsMissing")) {
      for (std::optional<Outcome>& outcome : outcomes) {
        const std::string id = TextAt(object{{"id", missing}}, {"id"});
        if (!remove && outcome && outcome->vendor_id == id) {
          outcome = attempt.Say(Kind::kRefused, "HubSpot has no contact " + id);
        }
      }
    }
    return attempt.Each(groups, outcomes);
  }

  NextStep Message(VendorAttempt& attempt) const {
    const Delivery& delivery = attempt.first();
    const Payload& payload = delivery.payload;
    const Reply* reply = attempt.Take();
    if (reply == nullptr) {
      object message{{"to", ContactId(delivery, "email")}, {"sendId", delivery.key}};
      if (!payload.reply_to.empty()) {
        message["replyTo"] = array{payload.reply_to};
      }
      return Call(attempt, "POST", "/marketing/v3/transactional/single-email/send",
                  object{{"emailId", EmailNumber(delivery)},
                         {"message", std::move(message)},
                         {"contactProperties", object()},
                         {"customProperties", TextsJson(payload.values)}});
    }
    const value body = ParseJson(reply->body);
    if (reply->kind != Reply::Kind::kAnswered || reply->status != 200 || !body.is_object()) {
      return attempt.Whole(Failure(attempt, *reply, false));
    }
    const std::string result = TextAt(body, {"sendResult"});
    const std::string words = "HubSpot: " + result;
    if (HasWord(kAcceptedResults, result)) {
      return attempt.Whole(attempt.Accepted(TextAt(body, {"statusId"})));
    }
    if (HasWord(kSuppressedResults, result)) {
      return attempt.Whole(attempt.Say(Kind::kSuppressed, words));
    }
    if (result == "THROTTLED") {
      return attempt.Whole(attempt.Say(Kind::kRetry, words));
    }
    if (!result.empty()) {
      return attempt.Whole(attempt.Say(Kind::kRefused, words));
    }
    // Taken, and not looked at yet.
    const std::string status = TextAt(body, {"status"});
    const bool taken = status == "PENDING" || status == "PROCESSING" || status == "COMPLETE";
    return attempt.Whole(taken                  ? attempt.Accepted(TextAt(body, {"statusId"}))
                         : status == "CANCELED" ? attempt.Say(Kind::kRefused, "HubSpot: CANCELED")
                                                : attempt.Unreadable());
  }

  NextStep Track(VendorAttempt& attempt) const {
    const Reply* reply = attempt.Take();
    if (reply == nullptr) {
      array inputs;
      for (const Delivery& delivery : attempt.batch()) {
        inputs.push_back(object{{"eventName", events_prefix_ + delivery.payload.name},
                                {"email", ContactId(delivery, "email")},
                                {"occurredAt", FormatTime(delivery.created)},
                                {"uuid", UuidOf(delivery.key)},
                                {"properties", TextsJson(delivery.payload.values)}});
      }
      return Call(attempt, "POST", "/events/v3/send/batch", object{{"inputs", std::move(inputs)}});
    }
    if (Succeeded(*reply)) {
      return attempt.Whole(attempt.Accepted(""));
    }
    return attempt.Whole(Failure(attempt, *reply, false));
  }

  Vendor vendor_;
  std::string token_;
  HubspotType contacts_, companies_;
  std::string task_key_, events_prefix_, objects_;
  std::vector<std::string> writes_;
};

}  // namespace

constinit const ConnectorSpec kHubspotConnector = {
    .name = "hubspot",
    .summary = "HubSpot: contacts, companies, tasks, lists, its own emails and custom events",
    .example =
        "connector: hubspot\n"
        "type: hubspot\n"
        "auth: {token: cred:hubspot_token}\n"
        "match: {contact: email, account: segue_account_id, task: segue_key}\n"
        "writes: [segue_rfv, segue_rfm]\n"
        "events: pe12345_\n"
        "dedupe: lookup\n"
        "rate: 100 per 10s\n"
        "daily: 250000\n"
        "retry: {for: 24h, first: 30s, most: 1h}\n",
    .dedupe = Dedupe::kLookup,
    .carries =
        [] {
          return std::vector{DeliveryKind::kSet, DeliveryKind::kTask, DeliveryKind::kAudience,
                             DeliveryKind::kMessage, DeliveryKind::kTrack};
        },
    .make = [](const ConnectorSettings& settings,
               const Secrets& secrets) -> std::unique_ptr<Connector> {
      return std::make_unique<HubspotConnector>(settings, secrets);
    },
};

}  // namespace segue
