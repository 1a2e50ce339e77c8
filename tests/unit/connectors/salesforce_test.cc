// Salesforce: its login, what each of its answers means, and what it is told.

#include <doctest/doctest.h>

#include "base/hash.h"
#include "unit/connectors/rows.h"

namespace segue {
namespace {

using Kind = Outcome::Kind;

constexpr auto kSalesforceSet = DeliveryKind::kSet;
constexpr auto kSalesforceTask = DeliveryKind::kTask;

Reply Errors(int status, const std::string& code, const std::string& message = "words") {
  return Answer(status, R"([{"errorCode":")" + code + R"(","message":")" + message + "\"}]");
}

std::string Failed(const std::string& code, const std::string& message = "words") {
  return R"({"success":false,"errors":[{"statusCode":")" + code + R"(","message":")" + message +
         R"(","fields":[]}]})";
}

const std::string kDone = R"({"id":"003A","success":true,"created":false,"errors":[]})";

TEST_CASE("salesforce: a collection has an outcome for each record, in its order") {
  std::vector<Row> rows;
  const auto add = [&](const std::string& code, const std::string& message, Kind kind) {
    for (const DeliveryKind what : {kSalesforceSet, kSalesforceTask}) {
      const Reply reply = Answer(200, "[" + Failed(code, message) + "," + kDone + "]");
      rows.push_back({code + " " + message,
                      what,
                      "/composite/",
                      reply,
                      {kind, Kind::kAccepted},
                      0,
                      "Salesforce: " + code + ": " + message});
    }
  };
  add("UNABLE_TO_LOCK_ROW", "busy", Kind::kRetry);
  add("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "a trigger: UNABLE_TO_LOCK_ROW", Kind::kRetry);
  add("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "Too many SOQL queries: 101", Kind::kRetry);
  add("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "a trigger failed", Kind::kRefused);
  for (const char* code :
       {"DUPLICATES_DETECTED", "REQUIRED_FIELD_MISSING", "INVALID_FIELD",
        "FIELD_CUSTOM_VALIDATION_EXCEPTION", "STRING_TOO_LONG", "MALFORMED_ID", "ENTITY_IS_DELETED",
        "DUPLICATE_VALUE", "INSUFFICIENT_ACCESS_OR_READONLY"}) {
    add(code, "words", Kind::kRefused);
  }
  rows.push_back({"more results than records",
                  kSalesforceSet,
                  "/composite/",
                  Answer(200, "[" + kDone + "," + kDone + "," + kDone + "]"),
                  {Kind::kUnknown, Kind::kUnknown}});
  rows.push_back({"fewer",
                  kSalesforceSet,
                  "/composite/",
                  Answer(200, "[" + kDone + "]"),
                  {Kind::kUnknown, Kind::kUnknown}});
  rows.push_back({"one says nothing",
                  kSalesforceSet,
                  "/composite/",
                  Answer(200, "[{}," + kDone + "]"),
                  {Kind::kUnknown, Kind::kAccepted}});
  CheckRows("salesforce", rows);
}

TEST_CASE("salesforce: errors of the call as a whole") {
  for (const auto& [kind, part] :
       std::vector<std::pair<DeliveryKind, std::string>>{{kSalesforceSet, "/composite/"},
                                                         {kSalesforceTask, "/composite/"},
                                                         {kSalesforceTask, "/query"}}) {
    CheckRows("salesforce",
              {{"the day's allowance is used up",
                kind,
                part,
                Errors(403, "REQUEST_LIMIT_EXCEEDED"),
                {Kind::kRetry},
                3600},
               {"a row is locked", kind, part, Errors(400, "UNABLE_TO_LOCK_ROW"), {Kind::kRetry}},
               {"down", kind, part, Errors(503, "SERVER_UNAVAILABLE"), {Kind::kRetry}},
               {"down, with Retry-After",
                kind,
                part,
                With(Errors(503, "SERVER_UNAVAILABLE"), "retry-after", "90"),
                {Kind::kRetry},
                90},
               {"500", kind, part, Errors(500, "UNKNOWN_EXCEPTION"), {Kind::kRetry}},
               {"no such field",
                kind,
                part,
                Errors(400, "INVALID_FIELD"),
                {Kind::kRefused},
                0,
                "INVALID_FIELD"},
               {"no such field in one of two",
                kind,
                part,
                Errors(400, "INVALID_FIELD"),
                {Kind::kSplit, Kind::kSplit}},
               {"no such object", kind, part, Errors(404, "NOT_FOUND"), {Kind::kRefused}},
               {"not unique", kind, part, Answer(300, R"(["/a","/b"])"), {Kind::kRefused}},
               {"no right", kind, part, Errors(403, "API_DISABLED_FOR_ORG"), {Kind::kRefused}}});
  }
}

TEST_CASE("salesforce: the login is a statement of three minutes, signed with the key") {
  const auto connector = MakeVendorConnector("salesforce");
  const std::vector batch = {DeliveryFor("salesforce", kSalesforceSet, 1)};
  Session session;
  const Told told = Tell(*connector, batch, VendorSays, session);
  REQUIRE(told.done.size() == 2);
  const Request& login = told.done[0].request;
  CHECK(login.method == "POST");
  CHECK(login.url == "https://login.salesforce.com/services/oauth2/token");
  CHECK(login.headers.at("Content-Type") == "application/x-www-form-urlencoded");
  CHECK(login.body.starts_with(
      "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion="));
  const std::string statement = login.body.substr(login.body.rfind('=') + 1);
  const std::vector<std::string_view> parts = Split(statement, '.');
  REQUIRE(parts.size() == 3);
  const auto plain = [](std::string text) {
    std::replace(text.begin(), text.end(), '+', '-');
    std::replace(text.begin(), text.end(), '/', '_');
    return text.substr(0, text.find('='));
  };
  CHECK(parts[0] == plain(Base64(R"({"alg":"RS256"})")));
  CHECK(parts[1] == plain(Base64(R"({"iss":"3MVG9-consumer-key","sub":"segue@lumen.example",)"
                                 R"("aud":"https://login.salesforce.com","exp":1774497780})")));
  const std::string signed_text = std::string(parts[0]) + "." + std::string(parts[1]);
  CHECK(parts[2] == plain(Base64(*SignRs256(kTestRsaKey, signed_text))));
  CHECK(told.done[1].request.url ==
        "https://lumen.my.salesforce.com/services/data/v59.0/composite/sobjects/Contact/Email");
  CHECK(told.done[1].request.headers.at("Authorization") == "Bearer " + std::string(kSessionToken));
  // The next attempt has the token already.
  CHECK(Tell(*connector, batch, VendorSays, session).done.size() == 1);
}

TEST_CASE("salesforce: a session that is over is followed by one login and one repeat") {
  const auto connector = MakeVendorConnector("salesforce");
  const Reply over = Errors(401, "INVALID_SESSION_ID");
  for (const DeliveryKind kind : {kSalesforceSet, kSalesforceTask}) {
    const std::vector batch = {DeliveryFor("salesforce", kind, 1)};
    Session session = {{"token", "old"}, {"instance", "https://lumen.my.salesforce.com"}};
    const auto world = [&](const Request& request) {
      const auto token = request.headers.find("Authorization");
      return token != request.headers.end() && token->second == "Bearer old" ? over
                                                                             : VendorSays(request);
    };
    const Told told = Tell(*connector, batch, world, session);
    CHECK(told.outcomes[0].kind == Kind::kAccepted);
    CHECK(told.done.size() == (kind == kSalesforceSet ? 3 : 5));
    CHECK(told.done[1].request.url.ends_with("/services/oauth2/token"));
    CHECK(told.done[2].request.url == told.done[0].request.url);
    CHECK(told.done[2].request.body == told.done[0].request.body);
    CHECK(session["token"] == kSessionToken);

    // In the middle of the script it goes on where it was.
    int calls = 0;
    Session fresh;
    const Told middle = Tell(
        *connector, batch,
        [&](const Request& request) { return ++calls == 3 ? over : VendorSays(request); }, fresh);
    CHECK(middle.outcomes[0].kind == Kind::kAccepted);

    // Again over: the credentials are at fault, and nothing goes round in circles.
    const Told twice = TellWith(*connector, batch, "/services/data/", over);
    CHECK(twice.outcomes[0].kind == Kind::kRetry);
    CHECK(twice.done.size() == 4);
    CHECK(twice.outcomes[0].detail.find("credentials") != std::string::npos);
  }
}

TEST_CASE("salesforce: the token that another attempt fetched meanwhile is kept") {
  const auto connector = MakeVendorConnector("salesforce");
  const std::vector batch = {DeliveryFor("salesforce", kSalesforceSet, 1)};
  Session session = {{"token", "old"}, {"instance", "https://lumen.my.salesforce.com"}};
  Exchange first{std::get<Request>(connector->Next(batch, {}, session, kNow)),
                 Errors(401, "INVALID_SESSION_ID")};
  session["token"] = "new";
  const Request again =
      std::get<Request>(connector->Next(batch, std::span(&first, 1), session, kNow));
  CHECK(again.headers.at("Authorization") == "Bearer new");
}

TEST_CASE("salesforce: a login that fails is tried again, and says why") {
  const std::string login = "/services/oauth2/token";
  for (const DeliveryKind kind : {kSalesforceSet, kSalesforceTask}) {
    CheckRows(
        "salesforce",
        {{"not approved",
          kind,
          login,
          Answer(400, R"({"error":"invalid_grant","error_description":"user hasn't approved"})"),
          {Kind::kRetry},
          0,
          "invalid_grant user hasn't approved"},
         {"401",
          kind,
          login,
          Answer(401, R"({"error":"invalid_client"})"),
          {Kind::kRetry},
          0,
          "invalid_client"},
         {"404", kind, login, Answer(404, "<html>"), {Kind::kRetry}},
         {"503", kind, login, With(Answer(503), "retry-after", "60"), {Kind::kRetry}, 60},
         {"lost: nothing was done yet",
          kind,
          login,
          Failure(Reply::Kind::kLost, "reset"),
          {Kind::kRetry}},
         {"cut off", kind, login, Answer(200, R"({"access_token":"tok)"), {Kind::kRetry}},
         {"no address", kind, login, Answer(200, R"({"access_token":"token-1"})"), {Kind::kRetry}},
         {"an address without TLS",
          kind,
          login,
          Answer(200, R"({"access_token":"token-1","instance_url":"http://evil.example"})"),
          {Kind::kRetry}}});
  }
  const std::vector batch = {DeliveryFor("salesforce", kSalesforceSet, 1)};
  const auto told =
      TellWith(*MakeVendorConnector("salesforce"), batch, login,
               Answer(200, R"({"access_token":"token-1","instance_url":"http://x"})"));
  CHECK(told.outcomes[0].detail.find("token-1") == std::string::npos);
}

TEST_CASE("salesforce: a connector without user or key says so, and what waits goes on waiting") {
  for (const auto& [name, text] : std::vector<std::pair<std::string, std::string>>{
           {"user", ""}, {"key", "no key"}, {"key", std::string(kTestRsaKey.substr(0, 600))}}) {
    Secrets secrets = kVendorSecrets;
    secrets[name] = text;
    const auto connector =
        FindConnectorSpec("salesforce")->make(VendorSettings("salesforce"), secrets);
    const Told told = Tell(*connector, std::vector{DeliveryFor("salesforce", kSalesforceSet, 1)});
    CHECK(told.done.empty());
    CHECK(told.outcomes[0].kind == Kind::kRetry);
    CHECK(told.outcomes[0].detail.find("auth." + name) != std::string::npos);
  }
}

TEST_CASE("salesforce: tasks are written under our key, with owner and contact looked up once") {
  const auto connector = MakeVendorConnector("salesforce");
  std::vector batch = {DeliveryFor("salesforce", kSalesforceTask, 1),
                       DeliveryFor("salesforce", kSalesforceTask, 2),
                       DeliveryFor("salesforce", kSalesforceTask, 3)};
  batch[1].payload.assignee = "Gone O'Neil <o'neil@lumen.example>";
  batch[2].payload.to = "";
  batch[2].payload.priority = "low";
  const auto world = [](const Request& request) {
    const bool users = request.url.find("FROM%20User") != std::string::npos;
    return users ? Answer(200, R"({"records":[{"Id":"005A","Email":"Sales@lumen.example"}]})")
                 : VendorSays(request);
  };
  const Told told = Tell(*connector, batch, world);
  REQUIRE(told.done.size() == 4);
  CHECK(
      UrlDecode(told.done[1].request.url)
          .value_or("")
          .ends_with(
              R"(/query?q=SELECT Id, Email FROM User WHERE Email IN ('o\'neil@lumen.example','sales@lumen.example') AND IsActive = true)"));
  CHECK(UrlDecode(told.done[2].request.url)
            .value_or("")
            .ends_with(
                "/query?q=SELECT Id, Email FROM Contact WHERE Email IN "
                "('Person1@customer.example','Person2@customer.example') ORDER BY CreatedDate"));
  CHECK(told.done[3].request.method == "PATCH");
  CHECK(told.done[3].request.url.ends_with("/composite/sobjects/Task/Segue_Key__c"));
  CHECK(
      told.done[3].request.body ==
      R"({"allOrNone":false,"records":[{"attributes":{"type":"Task"},"Segue_Key__c":"0f3a9c5e77d1b2a1",)"
      R"("Subject":"Call Lara","Description":"She left a basket","OwnerId":"005A",)"
      R"("ActivityDate":"2026-03-27","Status":"Not Started","Priority":"High","WhoId":"0030"},)"
      R"({"attributes":{"type":"Task"},"Segue_Key__c":"0f3a9c5e77d1b2a3","Subject":"Call Lara",)"
      R"("Description":"She left a basket","OwnerId":"005A","ActivityDate":"2026-03-27",)"
      R"("Status":"Not Started","Priority":"Low"}]})");
  CHECK(told.outcomes[0].kind == Kind::kAccepted);
  CHECK(told.outcomes[0].vendor_id == "00T0");
  CHECK(told.outcomes[1].kind == Kind::kRefused);
  CHECK(told.outcomes[1].detail ==
        "Salesforce has no active user with the address o'neil@lumen.example");
  CHECK(told.outcomes[2].kind == Kind::kAccepted);
  CHECK(told.outcomes[2].vendor_id == "00T1");
}

TEST_CASE("salesforce: a sandbox is addressed as one, and contacts may be found by our key") {
  Secrets secrets = kVendorSecrets;
  secrets["url"] = "https://lumen--dev.sandbox.my.salesforce.com/";
  ConnectorSettings settings = VendorSettings("salesforce");
  settings.text["match.contact"] = "Segue_Id__c";
  settings.text["version"] = "62.0";
  const auto connector = FindConnectorSpec("salesforce")->make(settings, secrets);
  const Told told = Tell(*connector, std::vector{DeliveryFor("salesforce", kSalesforceSet, 1)});
  CHECK(told.done[0].request.url ==
        "https://lumen--dev.sandbox.my.salesforce.com/services/oauth2/token");
  const std::string claims =
      R"({"iss":"3MVG9-consumer-key","sub":"segue@lumen.example","aud":"https://test.salesforce.com")";
  CHECK(told.done[0].request.body.find("." + Base64(claims).substr(0, claims.size() / 3 * 4)) !=
        std::string::npos);
  CHECK(told.done[1].request.url.ends_with(
      "/services/data/v62.0/composite/sobjects/Contact/Segue_Id__c"));
  CHECK(told.done[1].request.body.find(R"("Segue_Id__c":"c-1")") != std::string::npos);
}

}  // namespace
}  // namespace segue
