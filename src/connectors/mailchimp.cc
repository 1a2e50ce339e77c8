// The Mailchimp connector: merge fields and tags of members, events, journeys, and single mails
// through Mailchimp Transactional.
//
// It never changes whether somebody is subscribed: it says a status only for an address that
// Mailchimp does not know yet.  Several changes go out as one batch, which Mailchimp works off in
// the background; it is asked until that is done, and then for the answer to each.

#include <algorithm>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/hash.h"
#include "base/text.h"
#include "connectors/archive.h"
#include "connectors/connector.h"
#include "connectors/vendor.h"

namespace segue {
namespace {

using boost::json::array;
using boost::json::object;
using boost::json::value;
using Kind = Outcome::Kind;

constexpr std::size_t kOperationsMax = 500;
// Together they are less than the exchanges and the lease that an attempt is given.
constexpr int kPollsMax = 15;
constexpr auto kPollPause = std::chrono::seconds(5);
constexpr auto kUnfinishedPause = std::chrono::minutes(2);
constexpr std::string_view kListsPath = "/3.0/lists?fields=lists.id,lists.name&count=1000";

// One call that changes a member, alone or within a batch.
struct Operation {
  std::string_view method;
  std::string path;      // Below the version.
  bool lenient = false;  // Merge fields that the audience requires may be missing.
  std::string body;
};

// "us21" of "0123456789abcdef-us21".
std::string DataCentre(const std::string& key) {
  const std::size_t dash = key.rfind('-');
  const std::string end = dash == std::string::npos ? "" : key.substr(dash + 1);
  const bool plain = !end.empty() && std::all_of(end.begin(), end.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
  });
  return plain ? end : "";
}

// "12/3" of "journey 12/3"; nothing when it is not that.
std::optional<std::pair<std::string, std::string>> JourneyOf(std::string_view use) {
  constexpr std::string_view kJourney = "journey ";
  if (!use.starts_with(kJourney)) {
    return std::nullopt;
  }
  const std::vector<std::string_view> parts = Split(Trim(use.substr(kJourney.size())), '/');
  const auto number = [](std::string_view text) {
    return !text.empty() && text.size() <= 12 &&
           text.find_first_not_of("0123456789") == std::string_view::npos;
  };
  if (parts.size() != 2 || !number(parts[0]) || !number(parts[1])) {
    return std::nullopt;
  }
  return std::pair(std::string(parts[0]), std::string(parts[1]));
}

// "Lumen" of "Lumen <hello@lumen.example>".
std::string NameIn(std::string_view mailbox) {
  const std::size_t at = mailbox.find('<');
  std::string_view name = at == std::string_view::npos ? "" : Trim(mailbox.substr(0, at));
  if (name.size() >= 2 && name.front() == '"' && name.back() == '"') {
    name = name.substr(1, name.size() - 2);
  }
  return std::string(name);
}

class MailchimpConnector final : public Connector {
 public:
  MailchimpConnector(const ConnectorSettings& settings, const Secrets& secrets)
      : token_(SecretOr(secrets, "token")),
        transactional_key_(SecretOr(secrets, "transactional")),
        list_(SettingOr(settings, "list", "")),
        new_members_(SettingOr(settings, "new_members", "transactional")),
        writes_(settings.writes) {
    const std::string centre = DataCentre(token_);
    vendor_ =
        MakeVendor("Mailchimp", centre.empty() ? "" : "https://" + centre + ".api.mailchimp.com",
                   settings, secrets);
    const std::string url = SecretOr(secrets, "transactional_url");
    transactional_base_ = url.empty() ? "https://mandrillapp.com" : IsSafeUrl(url) ? url : "";
  }

  std::size_t BatchMax(const Delivery& first) const override {
    const bool many = first.kind == DeliveryKind::kSet || first.kind == DeliveryKind::kAudience;
    return many ? kOperationsMax : 1;
  }

  bool Together(const Delivery& first, const Delivery& other) const override {
    return first.kind == other.kind && Problem(first).empty() && Problem(other).empty();
  }

  Dedupe Protects(const Delivery& delivery, Dedupe said) const override {
    switch (delivery.kind) {
      case DeliveryKind::kSet:
      case DeliveryKind::kAudience:
        return Dedupe::kKey;
      case DeliveryKind::kMessage:
        return JourneyOf(delivery.payload.name) ? Dedupe::kNone : said;
      case DeliveryKind::kTask:
      case DeliveryKind::kTrack:
        break;
    }
    return Dedupe::kNone;
  }

  NextStep Next(std::span<const Delivery> batch, std::span<const Exchange> done, Session& session,
                TimePoint now) const override {
    const Delivery& first = batch.front();
    const bool lists_asked = !done.empty() && done.front().request.url.ends_with(kListsPath);
    VendorAttempt attempt(vendor_, batch, done.subspan(lists_asked ? 1 : 0), session, now);
    if (const std::string problem = Problem(first); !problem.empty()) {
      return attempt.Whole(attempt.Say(Kind::kRefused, problem));
    }
    if (first.kind == DeliveryKind::kMessage && !JourneyOf(first.payload.name)) {
      return Transactional(attempt);
    }
    if (vendor_.base.empty()) {
      return attempt.Whole(attempt.Misconfigured(
          "auth.token must end with the data centre, as in 0123abc-us21, and auth.url begin with "
          "https://"));
    }
    if (session.count("list") == 0) {
      if (!lists_asked) {
        return Call(attempt, "GET", std::string(kListsPath), "");
      }
      if (std::optional<Outcome> problem = FindList(attempt, done.front().reply, session)) {
        return attempt.Whole(*problem);
      }
    }
    const std::string& list = session.at("list");
    return first.kind == DeliveryKind::kMessage ? Journey(attempt, list)
           : batch.size() > 1                   ? Batch(attempt, list)
                                                : Alone(attempt, list);
  }

 private:
  std::string Problem(const Delivery& delivery) const {
    if (delivery.kind == DeliveryKind::kTask) {
      return "Mailchimp has no tasks";
    }
    if (IsAccount(delivery.customer)) {
      return "Mailchimp has no accounts";
    }
    if (ContactId(delivery, "email").empty()) {
      return "the customer has no mail address, by which Mailchimp knows its members";
    }
    if (delivery.kind == DeliveryKind::kMessage && JourneyOf(delivery.payload.name)) {
      return "";
    }
    if (delivery.kind == DeliveryKind::kMessage) {
      const std::string& use = delivery.payload.name;
      return use.empty() ? MailProblem(delivery)
             : AfterWord(use, "template").empty()
                 ? "Mailchimp knows `journey NUMBER/NUMBER` and `template NAME`, not " + use
                 : "";
    }
    return FieldsProblem(delivery, writes_);
  }

  Request Call(const VendorAttempt& attempt, std::string_view method, const std::string& path,
               std::string body) const {
    Request request = attempt.Call(method, path, std::move(body));
    request.headers["Authorization"] = BasicAuth("segue:" + token_);
    return request;
  }

  // Remembers the audience's id; says what is wrong when there is none.
  std::optional<Outcome> FindList(const VendorAttempt& attempt, const Reply& reply,
                                  Session& session) const {
    const value body = ParseJson(reply.body);
    if (reply.kind != Reply::Kind::kAnswered || reply.status != 200 ||
        !At(body, {"lists"}).is_array()) {
      return Failure(attempt, reply, true);
    }
    for (const value& list : ListAt(body, "lists")) {
      if (TextAt(list, {"id"}) == list_ || TextAt(list, {"name"}) == list_) {
        session["list"] = TextAt(list, {"id"});
        return std::nullopt;
      }
    }
    return attempt.Misconfigured("Mailchimp has no audience called " + list_);
  }

  // What a status and the words beside it mean, of a call or of one operation of a batch.
  static void Judge(Outcome& outcome, int status, const value& body) {
    const std::string title = TextAt(body, {"title"});
    if (status == 400 &&
        (title == "Member In Compliance State" || title == "Forgotten Email Not Subscribed")) {
      outcome.kind = Kind::kSuppressed;
    } else if (status == 403 && !body.is_object()) {
      outcome.kind = Kind::kRetry;  // Too many calls, said by what stands before the API.
    }
  }

  static Outcome Failure(const VendorAttempt& attempt, const Reply& reply, bool reading) {
    Outcome outcome = attempt.NotAsWanted(reply, reading);
    if (reply.kind == Reply::Kind::kAnswered) {
      Judge(outcome, reply.status, ParseJson(reply.body));
    }
    return outcome;
  }

  std::string MemberBody(const std::string& address,
                         const std::map<std::string, std::string>& values) const {
    object body{{"email_address", address}, {"status_if_new", new_members_}};
    if (!values.empty()) {
      body["merge_fields"] = TextsJson(values);
    }
    return boost::json::serialize(body);
  }

  static std::string MemberPath(const std::string& list, const std::string& address) {
    return "/lists/" + UrlEncode(list) + "/members/" + Md5Hex(ToLower(address));
  }

  // All that the deliveries of one member change, as one call.
  Operation OperationOf(const VendorAttempt& attempt, const std::string& list,
                        const ContactGroup& group) const {
    const std::string path = MemberPath(list, group.id);
    const Delivery& first = attempt.batch()[group.members[0]];
    if (first.kind == DeliveryKind::kSet) {
      return {"PUT", path, true, MemberBody(group.id, ValuesOf(attempt.batch(), group))};
    }
    if (first.kind == DeliveryKind::kTrack) {
      return {"POST", path + "/events", false,
              boost::json::serialize(object{{"name", first.payload.name},
                                            {"properties", TextsJson(first.payload.values)},
                                            {"occurred_at", FormatTime(first.created)}})};
    }
    std::map<std::string, bool> tags;  // The later word holds.
    for (const std::size_t member : group.members) {
      tags[attempt.batch()[member].payload.name] = !Removes(attempt.batch()[member]);
    }
    array list_of_tags;
    for (const auto& [name, active] : tags) {
      list_of_tags.push_back(object{{"name", name}, {"status", active ? "active" : "inactive"}});
    }
    return {
        "POST", path + "/tags", false,
        boost::json::serialize(object{{"tags", std::move(list_of_tags)}, {"is_syncing", false}})};
  }

  // A member that is not there has no tag to lose.
  static bool WantsNothing(const VendorAttempt& attempt, const ContactGroup& group) {
    return std::all_of(group.members.begin(), group.members.end(),
                       [&](std::size_t member) { return Removes(attempt.batch()[member]); });
  }

  NextStep Alone(VendorAttempt& attempt, const std::string& list) const {
    const std::vector<ContactGroup> groups = GroupByContact(attempt.batch(), "email");
    const Reply* reply = attempt.Take();
    if (reply == nullptr) {
      Operation operation = OperationOf(attempt, list, groups[0]);
      return Call(
          attempt, operation.method,
          "/3.0" + operation.path + (operation.lenient ? "?skip_merge_validation=true" : ""),
          std::move(operation.body));
    }
    const bool answered = reply->kind == Reply::Kind::kAnswered;
    if (answered && reply->status == 404 && WantsNothing(attempt, groups[0])) {
      return attempt.Whole(attempt.Say(Kind::kAccepted, "Mailchimp has no such member"));
    }
    if (answered && reply->status == 204 && attempt.first().kind != DeliveryKind::kSet) {
      return attempt.Whole(attempt.Accepted(""));
    }
    const std::string id = TextAt(ParseJson(reply->body), {"id"});
    if (answered && reply->status == 200 && !id.empty()) {
      return attempt.Whole(attempt.Accepted(id));
    }
    return attempt.Whole(Failure(attempt, *reply, false));
  }

  NextStep Batch(VendorAttempt& attempt, const std::string& list) const {
    const std::vector<ContactGroup> groups = GroupByContact(attempt.batch(), "email");
    const Reply* posted = attempt.Take();
    if (posted == nullptr) {
      array operations;
      for (const ContactGroup& group : groups) {
        Operation operation = OperationOf(attempt, list, group);
        object one{{"method", operation.method},
                   {"path", operation.path},
                   {"operation_id", attempt.batch()[group.members[0]].key},
                   {"body", operation.body}};
        if (operation.lenient) {
          one["params"] = object{{"skip_merge_validation", "true"}};
        }
        operations.push_back(std::move(one));
      }
      return Call(attempt, "POST", "/3.0/batches",
                  boost::json::serialize(object{{"operations", std::move(operations)}}));
    }
    const std::string id = TextAt(ParseJson(posted->body), {"id"});
    if (posted->kind != Reply::Kind::kAnswered || posted->status != 200 || id.empty()) {
      return attempt.Whole(Failure(attempt, *posted, false));
    }
    for (int poll = 0; poll < kPollsMax; ++poll) {
      const Reply* state = attempt.Take();
      if (state == nullptr) {
        Request request = Call(attempt, "GET", "/3.0/batches/" + UrlEncode(id), "");
        request.pause = kPollPause;
        return request;
      }
      const value body = ParseJson(state->body);
      if (state->kind != Reply::Kind::kAnswered || state->status != 200) {
        return attempt.Whole(Failure(attempt, *state, true));
      }
      if (TextAt(body, {"status"}) == "finished") {
        return TextAt(body, {"errored_operations"}) == "0"
                   ? attempt.Whole(attempt.Accepted(""))
                   : Answers(attempt, groups, TextAt(body, {"response_body_url"}));
      }
    }
    // It will be done; to say it all once more changes nothing.
    Outcome late = attempt.Say(Kind::kRetry, "Mailchimp has not finished the batch yet");
    late.retry_after = kUnfinishedPause;
    return attempt.Whole(late);
  }

  // The answer to each operation, out of the archive in which Mailchimp puts them.
  NextStep Answers(VendorAttempt& attempt, std::span<const ContactGroup> groups,
                   const std::string& url) const {
    const Reply* reply = attempt.Take();
    if (reply == nullptr) {
      if (!IsSafeUrl(url)) {
        return attempt.Whole(attempt.Unreadable());
      }
      Request request = attempt.Call("GET", "", "");
      request.url = url;  // Signed in itself: our key stays here.
      request.headers.clear();
      return request;
    }
    if (reply->kind != Reply::Kind::kAnswered || reply->status != 200) {
      Outcome outcome = attempt.OfReading(*reply);
      outcome.kind = Kind::kRetry;
      return attempt.Whole(outcome);
    }
    const std::optional<std::vector<std::string>> files = ReadTarGz(reply->body);
    if (!files) {
      return attempt.Whole(attempt.Unreadable());
    }
    std::map<std::string, std::size_t> places;
    for (std::size_t i = 0; i < groups.size(); ++i) {
      places[attempt.batch()[groups[i].members[0]].key] = i;
    }
    std::vector<std::optional<Outcome>> outcomes(groups.size());
    for (const std::string& file : *files) {
      const value answers = ParseJson(file);
      for (const value& answer : EntriesOf(answers)) {
        const auto place = places.find(TextAt(answer, {"operation_id"}));
        if (place != places.end()) {
          outcomes[place->second] = AnswerOf(attempt, groups[place->second], answer);
        }
      }
    }
    return attempt.Each(groups, outcomes);
  }

  static Outcome AnswerOf(const VendorAttempt& attempt, const ContactGroup& group,
                          const value& answer) {
    const value& status = At(answer, {"status_code"});
    Reply reply;
    reply.kind = Reply::Kind::kAnswered;
    reply.status = status.is_int64()
                       ? static_cast<int>(std::clamp<std::int64_t>(status.get_int64(), 0, 999))
                       : 0;
    reply.body = TextAt(answer, {"response"});
    if (reply.status >= 200 && reply.status < 300) {
      return attempt.Accepted(TextAt(ParseJson(reply.body), {"id"}));
    }
    if (reply.status == 404 && WantsNothing(attempt, group)) {
      return attempt.Say(Kind::kAccepted, "Mailchimp has no such member");
    }
    return Failure(attempt, reply, false);
  }

  // The member first, which tells whether they have opted out; then the journey.
  NextStep Journey(VendorAttempt& attempt, const std::string& list) const {
    const Delivery& delivery = attempt.first();
    const std::string address = ContactId(delivery, "email");
    const Reply* member = attempt.Take();
    if (member == nullptr) {
      return Call(attempt, "PUT",
                  "/3.0" + MemberPath(list, address) + "?skip_merge_validation=true",
                  MemberBody(address, delivery.payload.values));
    }
    const std::string status = TextAt(ParseJson(member->body), {"status"});
    if (member->kind != Reply::Kind::kAnswered || member->status != 200 || status.empty()) {
      return attempt.Whole(Failure(attempt, *member, true));
    }
    if (status == "unsubscribed" || status == "cleaned") {
      return attempt.Whole(attempt.Say(Kind::kSuppressed, "Mailchimp has them as " + status));
    }
    const auto journey = *JourneyOf(delivery.payload.name);
    const Reply* started = attempt.Take();
    if (started == nullptr) {
      return Call(attempt, "POST",
                  fmt::format("/3.0/customer-journeys/journeys/{}/steps/{}/actions/trigger",
                              journey.first, journey.second),
                  boost::json::serialize(object{{"email_address", address}}));
    }
    if (started->kind == Reply::Kind::kAnswered && started->status == 204) {
      return attempt.Whole(attempt.Accepted(""));
    }
    return attempt.Whole(Failure(attempt, *started, false));
  }

  Request TransactionalCall(const VendorAttempt& attempt, std::string_view path,
                            object body) const {
    body["key"] = transactional_key_;
    Request request = attempt.Call("POST", "", boost::json::serialize(body));
    request.url = transactional_base_ + "/api/1.4/messages/" + std::string(path);
    return request;
  }

  // It has no key of ours: before a second try the mail is searched for by what we wrote on it.
  NextStep Transactional(VendorAttempt& attempt) const {
    const Delivery& delivery = attempt.first();
    if (transactional_key_.empty() || transactional_base_.empty()) {
      return attempt.Whole(attempt.Misconfigured(
          "auth.transactional is missing: the key with which Mailchimp Transactional sends mails"));
    }
    if (delivery.attempts > 0) {
      const Reply* found = attempt.Take();
      if (found == nullptr) {
        return TransactionalCall(attempt, "search",
                                 object{{"query", "u_segue_key:" + delivery.key}, {"limit", 1}});
      }
      const value body = ParseJson(found->body);
      if (found->kind != Reply::Kind::kAnswered || found->status != 200 || !body.is_array()) {
        return attempt.Whole(TransactionalFailure(attempt, *found, true));
      }
      if (!body.get_array().empty()) {
        return attempt.Whole(attempt.Accepted(TextAt(body.get_array()[0], {"_id"})));
      }
    }
    const Reply* sent = attempt.Take();
    if (sent == nullptr) {
      return Send(attempt);
    }
    const value body = ParseJson(sent->body);
    const boost::json::array* results = body.if_array();
    if (sent->kind != Reply::Kind::kAnswered || sent->status != 200 || results == nullptr ||
        results->empty()) {
      return attempt.Whole(TransactionalFailure(attempt, *sent, false));
    }
    const value& result = results->front();
    const std::string status = TextAt(result, {"status"});
    const std::string reason = TextAt(result, {"reject_reason"});
    if (status == "sent" || status == "queued" || status == "scheduled") {
      return attempt.Whole(attempt.Accepted(TextAt(result, {"_id"})));
    }
    if (status != "rejected" && status != "invalid") {
      return attempt.Whole(attempt.Unreadable());
    }
    const bool by_them = status == "rejected" && (reason == "hard-bounce" || reason == "spam" ||
                                                  reason == "unsub" || reason == "rule");
    return attempt.Whole(
        attempt.Say(by_them ? Kind::kSuppressed : Kind::kRefused,
                    fmt::format("Mailchimp Transactional: {} {}", status, reason)));
  }

  // An error says by its name what it is: its HTTP status may be 500 for a wrong value.
  static Outcome TransactionalFailure(const VendorAttempt& attempt, const Reply& reply,
                                      bool reading) {
    Outcome outcome = reading ? attempt.OfReading(reply) : attempt.Of(reply);
    if (reply.kind != Reply::Kind::kAnswered) {
      return outcome;
    }
    const std::string name = TextAt(ParseJson(reply.body), {"name"});
    const bool ours = name == "Invalid_Key" || name == "PaymentRequired";
    if (outcome.kind == Kind::kAccepted) {
      outcome = attempt.Unreadable();
      outcome.kind = reading ? Kind::kRetry : Kind::kUnknown;
    } else if (ours || name == "GeneralError" || name == "ServiceUnavailable") {
      outcome.kind = Kind::kRetry;
    } else if (!name.empty() && reply.status != 429) {
      outcome.kind = Kind::kRefused;
    }
    return outcome;
  }

  Request Send(const VendorAttempt& attempt) const {
    const Delivery& delivery = attempt.first();
    const Payload& payload = delivery.payload;
    object message{{"to", array{object{{"email", ContactId(delivery, "email")}, {"type", "to"}}}},
                   {"metadata", object{{"segue_key", delivery.key}}}};
    const auto add = [&](std::string_view name, const std::string& text) {
      if (!text.empty()) {
        message[name] = text;
      }
    };
    add("from_email", BareAddress(payload.from).value_or(""));
    add("from_name", NameIn(payload.from));
    add("subject", payload.subject);
    add("html", payload.html);
    add("text", payload.text);
    object headers = TextsJson(payload.headers);
    if (!payload.reply_to.empty()) {
      headers["Reply-To"] = payload.reply_to;
    }
    message["headers"] = std::move(headers);
    const std::string name = AfterWord(payload.name, "template");
    if (name.empty()) {
      return TransactionalCall(attempt, "send", object{{"message", std::move(message)}});
    }
    array values;
    for (const auto& [field, text] : payload.values) {
      values.push_back(object{{"name", field}, {"content", text}});
    }
    message["global_merge_vars"] = std::move(values);
    return TransactionalCall(attempt, "send-template",
                             object{{"template_name", name},
                                    {"template_content", array()},
                                    {"message", std::move(message)}});
  }

  Vendor vendor_;
  std::string token_, transactional_key_, transactional_base_, list_, new_members_;
  std::vector<std::string> writes_;
};

}  // namespace

constinit const ConnectorSpec kMailchimpConnector = {
    .name = "mailchimp",
    .summary = "Mailchimp: merge fields, tags, events, journeys, and Transactional mails",
    .example =
        "connector: mailchimp\n"
        "type: mailchimp\n"
        "auth: {token: cred:mailchimp_key, transactional: cred:mandrill_key}\n"
        "list: customers\n"
        "new_members: transactional\n"
        "writes: [RFV, RFM]\n"
        "parallel: 8\n"
        "retry: {for: 24h, first: 30s, most: 1h}\n",
    .dedupe = Dedupe::kNone,
    .carries =
        [] {
          return std::vector{DeliveryKind::kSet, DeliveryKind::kAudience, DeliveryKind::kTrack,
                             DeliveryKind::kMessage};
        },
    .make = [](const ConnectorSettings& settings,
               const Secrets& secrets) -> std::unique_ptr<Connector> {
      return std::make_unique<MailchimpConnector>(settings, secrets);
    },
};

}  // namespace segue
