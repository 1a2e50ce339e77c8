// Vendors that take everything, each as its API says that it answers, and attempts that talk to
// them from beginning to end.

#pragma once

#include <functional>
#include <regex>
#include <string>
#include <vector>

#include <boost/json.hpp>

#include "base/check.h"
#include "base/text.h"
#include "config/connector_types.h"
#include "connectors/vendor.h"
#include "support/rsa_key.h"
#include "unit/connectors/fixture.h"

namespace segue {

inline const Secrets kVendorSecrets = {{"token", "pat-0123456789abcdef-us21"},
                                       {"transactional", "md-transactional-key"},
                                       {"client", "3MVG9-consumer-key"},
                                       {"user", "segue@lumen.example"},
                                       {"account", "48217"},
                                       {"project", "2719813"},
                                       {"project_token", "mp-project-token"},
                                       {"track", "pendo-track-secret"},
                                       {"admin", "394051"},
                                       {"event_account", "66000123"},
                                       {"event_key", "evt-0123456789abcdef"},
                                       {"key", std::string(kTestRsaKey)}};

constexpr std::string_view kSessionToken = "00Dxx!session-token-value";

inline ConnectorSettings VendorSettings(std::string_view type) {
  ConnectorSettings settings = MakeSettings(type);
  settings.text["list"] = "customers";
  settings.text["events"] = "pe12345_";
  settings.writes = {"segue_rfv", "RFV"};
  if (const auto field = AccountFieldOf(type)) {
    settings.text["match.account"] = !field->empty()        ? std::string(*field)
                                     : type == "salesforce" ? "Segue_Account_Id__c"
                                                            : "segue_account_id";
  }
  return settings;
}

// With an address where the vendor has none of its own.
inline Secrets SecretsFor(std::string_view type) {
  Secrets secrets = kVendorSecrets;
  if (type == "activecampaign") {
    secrets["url"] = "https://lumen.api-us1.com/api/3/";
  } else if (type == "churned") {
    secrets["url"] = "https://api.churned.example/v1";
  } else if (type == "slack") {
    secrets["url"] = "https://hooks.slack.com/services/T0LUMEN/B0TEAM/xoxsecretxox";
  }
  return secrets;
}

inline std::unique_ptr<Connector> MakeVendorConnector(std::string_view type) {
  return FindConnectorSpec(type)->make(VendorSettings(type), SecretsFor(type));
}

// The delivery that MakeDelivery gives, to one of several customers.
inline Delivery DeliveryTo(DeliveryKind kind, int customer) {
  Delivery delivery = MakeDelivery(kind);
  delivery.id = customer;
  delivery.key = "0f3a9c5e77d1b2a" + std::to_string(customer);
  delivery.customer_key = "c-" + std::to_string(customer);
  delivery.payload.to = "Person" + std::to_string(customer) + "@customer.example";
  return delivery;
}

// As the template would have it for this connector.
inline Delivery DeliveryFor(std::string_view type, DeliveryKind kind, int customer) {
  Delivery delivery = DeliveryTo(kind, customer);
  if (kind == DeliveryKind::kMessage && type == "hubspot") {
    delivery.payload.name = "email 5521";
    delivery.payload.values = {{"book", "https://lumen.example/book"}};
  } else if (kind == DeliveryKind::kMessage && (type == "pendo" || type == "appcues")) {
    delivery.payload.channel = "in_app";
    delivery.payload.name = type == "pendo" ? "segment unused-feature" : "event upgrade_suggested";
    delivery.payload.values = {{"feature", "reports"}};
  }
  if (kind == DeliveryKind::kMessage && type == "activecampaign") {
    delivery.payload.name = "automation 42";
    delivery.payload.values = {{"WEBINAR", "https://lumen.example/webinar"}};
  }
  if (kind == DeliveryKind::kMessage && type == "churned") {
    delivery.payload.name = "event call_due";
  }
  if (kind == DeliveryKind::kMessage && type == "intercom") {
    Payload& payload = delivery.payload;
    payload.channel = "in_app";  // Such a message is for the customer by our key.
    payload.to = delivery.customer_key;
    payload.subject.clear();
    payload.title = "Bring a friend & get a month";
    payload.html = "<p>Share <b>REF-1</b></p>";
    payload.text = "Share REF-1";
    payload.button = "How it works";
    payload.link = "https://lumen.example/program";
    payload.headers.clear();
  }
  return delivery;
}

// The same about an account.
inline Delivery AboutAccount(Delivery delivery, int account = 1) {
  delivery.customer = kFirstAccount + static_cast<CustomerIndex>(account);
  delivery.customer_key = "acme-" + std::to_string(account);
  delivery.payload.to.clear();
  return delivery;
}

inline Reply JsonAnswer(int status, const boost::json::value& body) {
  return Answer(status, boost::json::serialize(body));
}

// Results for each input of a HubSpot batch, or records of a Salesforce collection.
inline Reply BatchAnswer(const Request& request) {
  const boost::json::value body = boost::json::parse(request.body);
  boost::json::array results;
  if (const auto* records = body.as_object().if_contains("records")) {
    for (std::size_t i = 0; i < records->as_array().size(); ++i) {
      results.push_back({{"id", "00T" + std::to_string(i)}, {"success", true}, {"created", true}});
    }
    return JsonAnswer(200, results);
  }
  // Not in the order of the inputs: the vendor promises none.
  const boost::json::array& inputs = body.at("inputs").as_array();
  for (std::size_t i = inputs.size(); i-- > 0;) {
    const auto* own = inputs[i].as_object().if_contains("idProperty");
    const std::string property((own != nullptr ? *own : body.at("idProperty")).as_string());
    results.push_back({{"id", "10" + std::to_string(i)},
                       {"new", false},
                       {"properties", {{property, ToLower(inputs[i].at("id").as_string())}}}});
  }
  return JsonAnswer(200, {{"status", "COMPLETE"}, {"results", results}});
}

inline Reply QueryAnswer(const std::string& url) {
  const std::string query = UrlDecode(url).value_or("");
  boost::json::array records;
  const std::size_t from = query.find("SELECT Id, ") + 11;
  const std::string field = query.substr(from, query.find(' ', from) - from);
  const std::regex quoted("'([^']*)'");
  for (std::sregex_iterator hit(query.begin(), query.end(), quoted), end; hit != end; ++hit) {
    records.push_back(
        {{"Id", "003" + std::to_string(records.size())}, {field, std::string((*hit)[1])}});
  }
  return JsonAnswer(200, {{"done", true}, {"records", records}});
}

// Pendo, Appcues, Mixpanel and Amplitude.
inline std::optional<Reply> AnalystSays(const Request& request) {
  const auto is = [&](std::string_view part) {
    return request.url.find(part) != std::string::npos;
  };
  if (is("/api/v1/metadata/")) {
    const std::size_t count = boost::json::parse(request.body).as_array().size();
    return JsonAnswer(200, {{"total", count},
                            {"updated", count},
                            {"failed", 0},
                            {"missing", boost::json::array()},
                            {"errors", boost::json::array()}});
  }
  if (is("/api/v1/segment/")) {
    return Answer(200, R"({"multistatus":[{"status":200,"operation":"add","message":"OK"}]})");
  }
  if (is("/v2/accounts/") && request.method == "GET") {
    return JsonAnswer(200, {{{"id", "s1"}, {"name", "Win-back"}},
                            {{"id", "s2"}, {"name", "A / B? (é)"}},
                            {{"id", "s3"}, {"name", "new users"}}});
  }

  if (is("/v2/accounts/")) {
    return Answer(200, R"({"userId":"c-1","segue_rfv":"at_risk"})");
  }
  if (is("/import?")) {
    const std::size_t count = boost::json::parse(request.body).as_array().size();
    return JsonAnswer(200, {{"code", 200}, {"num_records_imported", count}, {"status", "OK"}});
  }
  if (is("/engage?") || is("/groups?")) {
    return Answer(200, R"({"status":1,"error":null})");
  }
  if (is("/batch") && request.body.starts_with(R"({"api_key")")) {
    return Answer(200, R"({"code":200,"events_ingested":1,"payload_size_bytes":50})");
  }
  return std::nullopt;
}

inline Reply IntercomSays(const Request& request) {
  const std::string& url = request.url;
  if (url.ends_with("/contacts/search")) {
    boost::json::value query = boost::json::parse(request.body).at("query").at("value");
    const boost::json::object user{{"id", "6762aa"}, {"role", "user"}, {"email", query}};
    return JsonAnswer(200, {{"data", boost::json::array{user}}, {"total_count", 1}});
  }
  if (url.ends_with("/events")) {
    return Answer(202);
  }
  if (url.ends_with("/messages")) {
    return Answer(200, R"({"type":"admin_message","id":"19"})");
  }
  if (url.ends_with("/companies")) {
    return Answer(200, R"({"type":"company","id":"531ee4","company_id":"acme-1"})");
  }
  const bool contact = url.find("/contacts") != std::string::npos;
  return Answer(200, contact ? R"({"type":"contact","id":"6762aa","role":"user"})"
                             : R"({"type":"tag","id":"105"})");
}

inline Reply ActiveCampaignSays(const Request& request) {
  const std::string& url = request.url;
  const auto is = [&](std::string_view part) { return url.find(part) != std::string::npos; };
  if (is("/fields?")) {
    return Answer(200, R"({"fields":[{"id":"7","perstag":"SEGUE_RFV","title":"RFV of Segue"},)"
                       R"({"id":"8","perstag":"FIELD_8","title":"rfv"},)"
                       R"({"id":"9","perstag":"WEBINAR","title":"Webinar"}]})");
  }
  if (is("/contacts?email=")) {
    const std::string rest = url.substr(url.find("email=") + 6);
    const boost::json::object contact{
        {"id", "117"}, {"email", UrlDecode(rest.substr(0, rest.find('&'))).value_or("")}};
    return JsonAnswer(200, {{"contacts", boost::json::array{contact}}});
  }
  if (is("/contactTags?")) {
    return Answer(200, R"({"contactTags":[{"id":"30","tag":"2"},{"id":"31","tag":"20"}]})");
  }
  if (is("/tags?")) {
    return Answer(200, R"({"tags":[{"id":"19","tag":"Win-back 2"},{"id":"20","tag":"Win-back"}]})");
  }
  if (is("/contacts/117")) {
    return Answer(200, R"({"contact":{"id":"117","bounced_hard":"0"},"contactAutomations":[],)"
                       R"("contactLists":[{"list":"1","status":"1"}]})");
  }
  return is("/contact/sync")         ? Answer(201, R"({"contact":{"id":"117"},"fieldValues":[]})")
         : is("/contactAutomations") ? Answer(201, R"({"contactAutomation":{"id":"9001"}})")
         : is("/contactTags/")       ? Answer(200, "{}")
         : is("/contactTags")        ? Answer(201, R"({"contactTag":{"id":"31"}})")
         : is("/tags")               ? Answer(201, R"({"tag":{"id":"21"}})")
                                     : Answer(200, R"({"success":1,"message":"Event spawned"})");
}

// What a vendor that is well answers.
inline Reply VendorSays(const Request& request) {
  const std::string& url = request.url;
  const auto is = [&](std::string_view part) { return url.find(part) != std::string::npos; };
  if (const std::optional<Reply> reply = AnalystSays(request)) {
    return *reply;
  }
  if (request.headers.contains("Intercom-Version")) {
    return IntercomSays(request);
  }
  if (request.headers.contains("Api-Token") || is("trackcmp.net")) {
    return ActiveCampaignSays(request);
  }
  if (request.body.starts_with(R"({"text":)")) {
    return Answer(200, "ok");  // Slack.
  }
  if (request.kind != Request::Kind::kHttp) {
    return Answer(request.kind == Request::Kind::kSmtp ? 250 : 200);
  }
  if (is("/services/oauth2/token")) {
    return JsonAnswer(200, {{"access_token", kSessionToken},
                            {"instance_url", "https://lumen.my.salesforce.com"},
                            {"token_type", "Bearer"}});
  }
  if (is("/batch/upsert") || is("/batch/read") || is("/composite/sobjects")) {
    return BatchAnswer(request);
  }
  if (is("/query?q=")) {
    return QueryAnswer(url);
  }
  if (is("/owners?")) {
    const std::string email = UrlDecode(url.substr(url.find("email=") + 6)).value_or("");
    return JsonAnswer(200,
                      {{"results", {{{"id", "64"}, {"email", email.substr(0, email.find('&'))}}}}});
  }
  if (is("/tasks/search")) {
    return Answer(200, R"({"total":0,"results":[]})");
  }
  if (is("/memberships/") || is("/members/")) {
    const bool empty = is("/tags") || is("/events");
    return empty ? Answer(204) : Answer(200, R"({"id":"101","status":"subscribed"})");
  }
  if (is("/objects/tasks")) {
    return Answer(201, R"({"id":"501"})");
  }
  if (is("/lists/object-type-id/")) {
    return Answer(404, R"({"category":"OBJECT_NOT_FOUND"})");
  }
  if (is("/crm/v3/lists")) {
    return Answer(200, R"({"list":{"listId":"77","processingType":"MANUAL"}})");
  }
  if (is("/single-email/send")) {
    return Answer(200, R"({"status":"PENDING","statusId":"s-1"})");
  }
  if (is("/3.0/lists?")) {
    return Answer(200, R"({"lists":[{"id":"a1b2c3","name":"customers"}]})");
  }
  if (is("/3.0/batches")) {
    return Answer(200, R"({"id":"b1","status":"finished","errored_operations":0})");
  }
  if (is("/messages/search")) {
    return Answer(200, "[]");
  }
  if (is("/messages/send")) {
    return Answer(200, R"([{"email":"x@y.example","status":"sent","_id":"m-1"}])");
  }
  return Answer(is("/events/") || is("/trigger") ? 204 : 200);
}

struct Told {
  std::vector<Exchange> done;
  std::vector<Outcome> outcomes;
};

// One attempt from its first request to its outcomes.
inline Told Tell(const Connector& connector, std::span<const Delivery> batch,
                 const std::function<Reply(const Request&)>& vendor, Session& session,
                 TimePoint now = kNow) {
  Told told;
  while (told.done.size() <= 20) {
    NextStep step = connector.Next(batch, told.done, session, now);
    if (auto* outcomes = std::get_if<std::vector<Outcome>>(&step)) {
      told.outcomes = std::move(*outcomes);
      return told;
    }
    Request request = std::get<Request>(std::move(step));
    Reply reply = vendor(request);
    told.done.push_back({std::move(request), std::move(reply)});
  }
  SEGUE_CHECK(false);  // The dispatcher would have given up.
  return told;
}

inline Told Tell(const Connector& connector, std::span<const Delivery> batch,
                 const std::function<Reply(const Request&)>& vendor = VendorSays) {
  Session session;
  return Tell(connector, batch, vendor, session);
}

// The same, where requests to addresses that hold `part` get this reply.
inline Told TellWith(const Connector& connector, std::span<const Delivery> batch,
                     std::string_view part, const Reply& reply) {
  return Tell(connector, batch, [&](const Request& request) {
    return request.url.find(part) != std::string::npos ? reply : VendorSays(request);
  });
}

// The same, where the exchange at a place gets this reply.
inline Told TellAt(const Connector& connector, std::span<const Delivery> batch, std::size_t place,
                   const Reply& reply) {
  std::size_t at = 0;
  return Tell(connector, batch,
              [&](const Request& request) { return at++ == place ? reply : VendorSays(request); });
}

// A reply to the requests whose address holds `part`, and what it means for each delivery.
struct Row {
  std::string what;
  DeliveryKind kind;
  std::string part;
  Reply reply;
  std::vector<Outcome::Kind> outcomes;  // As many deliveries are told at once.
  std::int64_t retry_after = 0;         // Seconds, of the first.
  std::string words = {};               // Stand in the first one's detail.
  std::string use = {};                 // Of a message.
  bool account = false;                 // About accounts.
};

inline Reply With(Reply reply, const std::string& header, const std::string& text) {
  reply.headers[header] = text;
  return reply;
}

}  // namespace segue
