// The Salesforce connector: fields of contacts and accounts, and tasks, all written by an external
// id in collections of 200, so that a repeated call changes nothing.
//
// It logs in with a signed statement (OAuth JWT bearer, RS256): no password, nobody to ask.  The
// token is kept in the session until Salesforce says that it is over; then it logs in once more.

#include <algorithm>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/hash.h"
#include "base/text.h"
#include "connectors/connector.h"
#include "connectors/vendor.h"

namespace segue {
namespace {

using boost::json::array;
using boost::json::object;
using boost::json::value;
using Kind = Outcome::Kind;

constexpr std::string_view kTokenPath = "/services/oauth2/token";
constexpr std::size_t kRecordsMax = 200;  // Of one collection.
// Their contacts and owners are looked up in an address, which may have 16 kB.
constexpr std::size_t kTasksMax = 100;
constexpr std::size_t kSubjectMax = 255;
constexpr auto kStatementLife =
    std::chrono::seconds(180);  // Salesforce takes three minutes at most.

std::string Base64Url(std::string_view bytes) {
  std::string text = Base64(bytes);
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  text.erase(std::min(text.find('='), text.size()));
  return text;
}

// A text as SOQL quotes it.
std::string Quoted(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\\' || c == '\'') {
      quoted += '\\';
    }
    quoted += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  }
  return quoted + "'";
}

// What Salesforce's names for errors mean.  The message tells where a trigger or flow met a lock.
Kind KindOfError(std::string_view code, std::string_view message) {
  constexpr std::string_view kLock = "UNABLE_TO_LOCK_ROW";
  const bool lock = code == kLock || (code == "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY" &&
                                      (message.find(kLock) != std::string_view::npos ||
                                       message.find("Too many SOQL") != std::string_view::npos));
  const bool busy = code == "REQUEST_LIMIT_EXCEEDED" || code == "SERVER_UNAVAILABLE" ||
                    code == "UNKNOWN_EXCEPTION" || code == "QUERY_TIMEOUT";
  return lock || busy ? Kind::kRetry : Kind::kRefused;
}

// Who is named by a batch of tasks, as Salesforce answers when it is asked for them.
struct SalesforceRecords {
  value users, contacts, accounts;
};

bool IsLogin(const Exchange& exchange) {
  return exchange.request.url.ends_with(kTokenPath);
}

bool IsAnswer(const Exchange& exchange, int status) {
  return exchange.reply.kind == Reply::Kind::kAnswered && exchange.reply.status == status;
}

// Whether some record's value of a field is this one, as Salesforce compares: without case.
std::string IdOf(const value& body, const std::string& field, const std::string& wanted) {
  for (const value& record : ListAt(body, "records")) {
    if (ToLower(TextAt(record, {field})) == ToLower(wanted)) {
      return TextAt(record, {"Id"});
    }
  }
  return "";
}

class SalesforceConnector final : public Connector {
 public:
  SalesforceConnector(const ConnectorSettings& settings, const Secrets& secrets)
      : vendor_(MakeVendor("Salesforce", "https://login.salesforce.com", settings, secrets)),
        client_(SecretOr(secrets, "client")),
        user_(SecretOr(secrets, "user")),
        key_(SecretOr(secrets, "key")),
        match_(SettingOr(settings, "match.contact", "Email")),
        account_(SettingOr(settings, "match.account", "")),
        task_key_(SettingOr(settings, "match.task", "Segue_Key__c")),
        data_("/services/data/" + SettingOr(settings, "version", "v59.0")),
        writes_(settings.writes) {
    if (data_.find("/v") == std::string::npos) {  // `version: 59.0`
      data_.insert(data_.rfind('/') + 1, "v");
    }
    if (IsEmailField(match_)) {
      match_ = "Email";
    }
  }

  std::size_t BatchMax(const Delivery& first) const override {
    return first.kind == DeliveryKind::kTask ? kTasksMax : kRecordsMax;
  }

  bool Together(const Delivery& first, const Delivery& other) const override {
    return IsAlike(first, other) && Problem(first).empty() && Problem(other).empty();
  }

  Dedupe Protects(const Delivery& /*delivery*/, Dedupe /*said*/) const override {
    return Dedupe::kKey;  // Everything is written by an external id.
  }

  NextStep Next(std::span<const Delivery> batch, std::span<const Exchange> done, Session& session,
                TimePoint now) const override {
    std::vector<Exchange> calls = Remember(done, session);
    Secrets hidden = vendor_.secrets;
    if (!done.empty() && IsLogin(done.back())) {
      hidden["statement"] = Statement(done.back().request.body);
    }
    Vendor vendor = vendor_;
    vendor.secrets = hidden;
    if (session.count("instance") != 0) {
      vendor.base = session.at("instance");
    }
    VendorAttempt attempt(vendor, batch, calls, session, now);
    if (const auto hindered = attempt.Hindered(Problem(attempt.first()))) {
      return *hindered;
    }
    if (session.count("token") == 0) {
      return Login(attempt, done, now);
    }
    return batch.front().kind == DeliveryKind::kTask ? Tasks(attempt, session)
                                                     : Fields(attempt, session);
  }

 private:
  std::string Problem(const Delivery& delivery) const {
    if (delivery.kind != DeliveryKind::kSet && delivery.kind != DeliveryKind::kTask) {
      return "Salesforce carries fields and tasks only, not a " +
             std::string(DeliveryKindName(delivery.kind));
    }
    if (delivery.kind == DeliveryKind::kTask) {
      return BareAddress(delivery.payload.assignee)
                 ? ""
                 : "the task is for nobody with a mail address, by which Salesforce knows users";
    }
    if (std::string problem = AccountProblem("Salesforce", delivery, account_); !problem.empty()) {
      return problem;
    }
    if (ContactId(delivery, match_).empty()) {
      return "the customer has no mail address, by which `match` finds contacts";
    }
    return FieldsProblem(delivery, writes_);
  }

  // Takes from the exchanges what the session must know, and leaves those that are about the
  // deliveries: without logins, and without the call that found the token to be over.
  static std::vector<Exchange> Remember(std::span<const Exchange> done, Session& session) {
    std::vector<Exchange> calls;
    bool again = false;  // It has logged in once more already.
    for (std::size_t i = 0; i < done.size(); ++i) {
      const bool last = i + 1 == done.size();
      if (IsLogin(done[i])) {
        if (last && IsAnswer(done[i], 200)) {
          const value body = ParseJson(done[i].reply.body);
          const std::string instance = TextAt(body, {"instance_url"});
          const std::string token = TextAt(body, {"access_token"});
          if (IsSafeUrl(instance) && !token.empty()) {
            session["token"] = token;
            session["instance"] = instance.substr(0, instance.find_last_not_of('/') + 1);
          }
        }
        continue;
      }
      if (IsAnswer(done[i], 401) && !again) {
        again = true;
        // Another attempt may have a new token already: only the one that was used is over.
        const auto used = done[i].request.headers.find("Authorization");
        const auto token = session.find("token");
        if (last && token != session.end() && used != done[i].request.headers.end() &&
            used->second == "Bearer " + token->second) {
          session.erase("token");
        }
        continue;
      }
      calls.push_back(done[i]);
    }
    return calls;
  }

  // The signed statement in the body of a login; whoever has it can log in for three minutes.
  static std::string Statement(std::string_view body) {
    const std::size_t at = body.rfind('=');
    return at == std::string_view::npos ? "" : std::string(body.substr(at + 1));
  }

  NextStep Login(VendorAttempt& attempt, std::span<const Exchange> done, TimePoint now) const {
    if (!done.empty() && IsLogin(done.back())) {
      // Of an answer only what names the error is kept: the rest may hold a token.
      const Reply& reply = done.back().reply;
      const value body = ParseJson(reply.body);
      Reply cut = reply;
      cut.body = TextAt(body, {"error"}) + " " + TextAt(body, {"error_description"});
      Outcome outcome = attempt.OfReading(cut);
      outcome.kind = Kind::kRetry;  // The deliveries were not even named.
      outcome.detail = CutWords("no login to Salesforce: " + outcome.detail);
      return attempt.Whole(outcome);
    }
    if (user_.empty()) {
      return attempt.Whole(attempt.Misconfigured(
          "auth.user is missing: the name of the Salesforce user that Segue acts as"));
    }
    const bool sandbox = vendor_.base.find("://test.") != std::string::npos ||
                         vendor_.base.find(".sandbox.") != std::string::npos;
    const auto seconds =
        std::chrono::duration_cast<std::chrono::seconds>((now + kStatementLife).time_since_epoch())
            .count();
    const object claims{
        {"iss", client_},
        {"sub", user_},
        {"aud", sandbox ? "https://test.salesforce.com" : "https://login.salesforce.com"},
        {"exp", seconds}};
    const std::string text =
        Base64Url(R"({"alg":"RS256"})") + "." + Base64Url(boost::json::serialize(claims));
    const std::optional<std::string> signature = SignRs256(key_, text);
    if (!signature) {
      return attempt.Whole(attempt.Misconfigured("auth.key is no RSA private key in PEM"));
    }
    Request request =
        attempt.Call("POST", "",
                     "grant_type=" + UrlEncode("urn:ietf:params:oauth:grant-type:jwt-bearer") +
                         "&assertion=" + text + "." + Base64Url(*signature));
    request.url = vendor_.base + std::string(kTokenPath);
    request.headers["Content-Type"] = "application/x-www-form-urlencoded";
    return request;
  }

  Request Call(const VendorAttempt& attempt, const Session& session, std::string_view method,
               const std::string& path, const value& body = {}) const {
    Request request =
        attempt.Call(method, data_ + path, body.is_null() ? "" : boost::json::serialize(body));
    request.headers["Authorization"] = "Bearer " + session.at("token");
    return request;
  }

  static Outcome Failure(const VendorAttempt& attempt, const Reply& reply, bool reading) {
    Outcome outcome = attempt.NotAsWanted(reply, reading);
    if (reply.kind != Reply::Kind::kAnswered) {
      return outcome;
    }
    const value body = ParseJson(reply.body);
    const boost::json::array* errors = body.if_array();
    if (outcome.kind == Kind::kRefused && errors != nullptr && !errors->empty()) {
      const std::string code = TextAt(errors->front(), {"errorCode"});
      outcome.kind = KindOfError(code, TextAt(errors->front(), {"message"}));
      if (code == "REQUEST_LIMIT_EXCEEDED") {
        outcome.retry_after =
            kHour;  // The allowance is of the last 24 hours, and comes back slowly.
      }
    }
    return outcome;
  }

  // The outcome of each record, in the order in which they were sent.
  static NextStep Records(const VendorAttempt& attempt, const Reply& reply,
                          std::span<const ContactGroup> groups) {
    const value body = ParseJson(reply.body);
    const boost::json::array* results = body.if_array();
    if (reply.kind != Reply::Kind::kAnswered || reply.status != 200 || results == nullptr) {
      return attempt.Whole(Failure(attempt, reply, false));
    }
    if (results->size() != groups.size()) {
      return attempt.Whole(attempt.Unreadable());
    }
    std::vector<std::optional<Outcome>> outcomes(groups.size());
    for (std::size_t i = 0; i < groups.size(); ++i) {
      const value& result = (*results)[i];
      const std::span<const value> errors = ListAt(result, "errors");
      const value& success = At(result, {"success"});
      if (success.is_bool() && success.get_bool()) {
        outcomes[i] = attempt.Accepted(TextAt(result, {"id"}));
      } else if (!errors.empty()) {
        const std::string code = TextAt(errors[0], {"statusCode"});
        const std::string message = TextAt(errors[0], {"message"});
        outcomes[i] = attempt.Say(KindOfError(code, message),
                                  fmt::format("Salesforce: {}: {}", code, message));
      }
    }
    return attempt.Each(groups, outcomes);
  }

  Request Upsert(const VendorAttempt& attempt, const Session& session, std::string_view type,
                 const std::string& field, array records) const {
    return Call(attempt, session, "PATCH",
                fmt::format("/composite/sobjects/{}/{}", type, UrlEncode(field)),
                object{{"allOrNone", false}, {"records", std::move(records)}});
  }

  NextStep Fields(VendorAttempt& attempt, const Session& session) const {
    const bool account = IsAccount(attempt.first().customer);
    const std::string_view type = account ? "Account" : "Contact";
    const std::string& field = account ? account_ : match_;
    const std::vector<ContactGroup> groups = GroupByContact(attempt.batch(), field);
    if (const Reply* reply = attempt.Take()) {
      return Records(attempt, *reply, groups);
    }
    array records;
    for (const ContactGroup& group : groups) {
      object record{{"attributes", object{{"type", type}}}, {field, group.id}};
      for (const auto& [name, text] : ValuesOf(attempt.batch(), group)) {
        record[name] = text;
      }
      records.push_back(std::move(record));
    }
    return Upsert(attempt, session, type, field, std::move(records));
  }

  // Who of `wanted` has which Id: asked once for the whole batch.
  Request Query(const VendorAttempt& attempt, const Session& session, std::string_view type,
                const std::string& field, std::vector<std::string> wanted,
                std::string_view more) const {
    std::sort(wanted.begin(), wanted.end());
    wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
    std::string list;
    for (const std::string& one : wanted) {
      list += (list.empty() ? "" : ",") + Quoted(one);
    }
    return Call(attempt, session, "GET",
                "/query?q=" + UrlEncode(fmt::format("SELECT Id, {} FROM {} WHERE {} IN ({}){}",
                                                    field, type, field, list, more)));
  }

  // The records of those who are wanted; none where nobody is.  A step is what must be done or said
  // before they are known.
  std::optional<NextStep> Find(VendorAttempt& attempt, const Session& session,
                               std::string_view type, const std::string& field,
                               const std::vector<std::string>& wanted, std::string_view more,
                               value& found) const {
    if (wanted.empty()) {
      return std::nullopt;
    }
    const Reply* reply = attempt.Take();
    if (reply == nullptr) {
      return Query(attempt, session, type, field, wanted, more);
    }
    found = ParseJson(reply->body);
    if (reply->kind != Reply::Kind::kAnswered || reply->status != 200 ||
        !At(found, {"records"}).is_array()) {
      return attempt.Whole(Failure(attempt, *reply, true));
    }
    return std::nullopt;
  }

  // The owners, the contacts and accounts, then the tasks themselves.
  NextStep Tasks(VendorAttempt& attempt, const Session& session) const {
    std::vector<std::string> owners, contacts, accounts;
    for (const Delivery& delivery : attempt.batch()) {
      owners.push_back(ToLower(*BareAddress(delivery.payload.assignee)));
      if (std::string id = ContactId(delivery, match_); !id.empty()) {
        contacts.push_back(std::move(id));
      }
      if (!account_.empty() && !AccountId(delivery).empty()) {
        accounts.push_back(AccountId(delivery));
      }
    }
    SalesforceRecords found;
    if (auto step =
            Find(attempt, session, "User", "Email", owners, " AND IsActive = true", found.users)) {
      return *std::move(step);
    }
    if (auto step = Find(attempt, session, "Contact", match_, contacts, " ORDER BY CreatedDate",
                         found.contacts)) {
      return *std::move(step);
    }
    if (auto step = Find(attempt, session, "Account", account_, accounts, "", found.accounts)) {
      return *std::move(step);
    }
    return WriteTasks(attempt, session, owners, found);
  }

  // `owners` holds the address that each task is for.
  NextStep WriteTasks(VendorAttempt& attempt, const Session& session,
                      std::span<const std::string> owners, const SalesforceRecords& found) const {
    std::vector<ContactGroup> groups;  // One record per task that has an owner.
    array records;
    for (std::size_t i = 0; i < attempt.batch().size(); ++i) {
      const Delivery& delivery = attempt.batch()[i];
      if (const std::string owner = IdOf(found.users, "Email", owners[i]); !owner.empty()) {
        groups.push_back({owner, {i}});
        records.push_back(Record(delivery, owner,
                                 IdOf(found.contacts, match_, ContactId(delivery, match_)),
                                 IdOf(found.accounts, account_, AccountId(delivery))));
      }
    }
    std::vector<Outcome> outcomes(attempt.batch().size());
    if (!groups.empty()) {
      const Reply* written = attempt.Take();
      if (written == nullptr) {
        return Upsert(attempt, session, "Task", task_key_, std::move(records));
      }
      outcomes = std::get<std::vector<Outcome>>(Records(attempt, *written, groups));
    }
    const bool split = outcomes.front().kind == Kind::kSplit;
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
      if (!split && IdOf(found.users, "Email", owners[i]).empty()) {
        outcomes[i] = attempt.Say(Kind::kRefused,
                                  "Salesforce has no active user with the address " + owners[i]);
      }
    }
    return outcomes;
  }

  object Record(const Delivery& delivery, const std::string& owner, const std::string& contact,
                const std::string& account) const {
    const Payload& payload = delivery.payload;
    const TimePoint due = payload.due == TimePoint() ? delivery.created : payload.due;
    std::string subject = payload.title;
    while (subject.size() > kSubjectMax || !IsUtf8(subject)) {
      subject.pop_back();
    }
    object record{{"attributes", object{{"type", "Task"}}},
                  {task_key_, delivery.key},
                  {"Subject", subject},
                  {"Description", payload.note},
                  {"OwnerId", owner},
                  {"ActivityDate", FormatTime(due).substr(0, 10)},
                  {"Status", "Not Started"},
                  {"Priority", payload.priority == "high"  ? "High"
                               : payload.priority == "low" ? "Low"
                                                           : "Normal"}};
    if (!contact.empty()) {
      record["WhoId"] = contact;
    }
    if (!account.empty()) {
      record["WhatId"] = account;
    }
    return record;
  }

  Vendor vendor_;
  std::string client_, user_, key_, match_, account_, task_key_, data_;
  std::vector<std::string> writes_;
};

}  // namespace

constinit const ConnectorSpec kSalesforceConnector = {
    .name = "salesforce",
    .summary = "Salesforce: fields of contacts and accounts, and tasks",
    .example =
        "connector: salesforce\n"
        "type: salesforce\n"
        "auth: {url: env:SF_URL, client: env:SF_CLIENT, user: env:SF_USER, key: cred:sf_jwt_key}\n"
        "match: {contact: email, account: Segue_Account_Id__c, task: Segue_Key__c}\n"
        "writes: [Segue_Value_Tier__c]\n"
        "dedupe: key\n"
        "daily: 15000\n"
        "version: v59.0\n"
        "retry: {for: 24h, first: 1m, most: 1h}\n",
    .dedupe = Dedupe::kKey,
    .carries =
        [] {
          return std::vector{DeliveryKind::kSet, DeliveryKind::kTask};
        },
    .make = [](const ConnectorSettings& settings,
               const Secrets& secrets) -> std::unique_ptr<Connector> {
      return std::make_unique<SalesforceConnector>(settings, secrets);
    },
};

}  // namespace segue
