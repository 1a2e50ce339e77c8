// What each tool is told of an account: its fields, and the tasks that name it.

#include <doctest/doctest.h>

#include "unit/connectors/rows.h"

namespace segue {
namespace {

using Kind = Outcome::Kind;

constexpr auto kFields = DeliveryKind::kSet;
constexpr auto kTaskOf = DeliveryKind::kTask;

std::vector<Delivery> TwoAccounts(std::string_view type) {
  return {AboutAccount(DeliveryFor(type, kFields, 1), 1),
          AboutAccount(DeliveryFor(type, kFields, 2), 2)};
}

// A connector whose file says nothing of accounts.
std::unique_ptr<Connector> WithoutAccounts(std::string_view type) {
  ConnectorSettings settings = VendorSettings(type);
  settings.text.erase("match.account");
  return FindConnectorSpec(type)->make(settings, SecretsFor(type));
}

TEST_CASE("accounts: HubSpot's companies are written by the property that the file names") {
  const auto connector = MakeVendorConnector("hubspot");
  const Told told = Tell(*connector, TwoAccounts("hubspot"));
  REQUIRE(told.done.size() == 1);
  CHECK(told.done[0].request.url == "https://api.hubapi.com/crm/v3/objects/companies/batch/upsert");
  CHECK(told.done[0].request.body ==
        R"({"inputs":[{"idProperty":"segue_account_id","id":"acme-1",)"
        R"("objectWriteTraceId":"0f3a9c5e77d1b2a1",)"
        R"("properties":{"segue_rfv":"at_risk","segue_account_id":"acme-1"}},)"
        R"({"idProperty":"segue_account_id","id":"acme-2","objectWriteTraceId":"0f3a9c5e77d1b2a2",)"
        R"("properties":{"segue_rfv":"at_risk","segue_account_id":"acme-2"}}]})");
  CHECK(told.outcomes[0].kind == Kind::kAccepted);
  CHECK(told.outcomes[0].vendor_id == "100");
  CHECK(told.outcomes[1].vendor_id == "101");
  const std::string error =
      R"({"status":"error","category":"VALIDATION_ERROR","message":"words","context":)"
      R"({"ids":["acme-1"]},"errors":[],"links":{}})";
  CheckRows("hubspot", {{"207: an error names the company",
                         kFields,
                         "/companies/batch/upsert",
                         Answer(207, R"({"numErrors":1,"errors":[)" + error +
                                         R"(],"results":[{"id":"7","properties":)"
                                         R"({"segue_account_id":"acme-2"}}]})"),
                         {Kind::kRefused, Kind::kAccepted},
                         0,
                         "VALIDATION_ERROR",
                         "",
                         true},
                        {"403 without the scope of companies",
                         kFields,
                         "/companies/batch/upsert",
                         Answer(403, R"({"category":"MISSING_SCOPES"})"),
                         {Kind::kRetry},
                         0,
                         "the token lacks a scope",
                         "",
                         true}});
}

TEST_CASE("accounts: a task of HubSpot's is tied to the contact and to the company") {
  const auto connector = MakeVendorConnector("hubspot");
  std::vector batch = {DeliveryFor("hubspot", kTaskOf, 1)};
  batch[0].payload.account = "acme-1";
  const Told both = Tell(*connector, batch);
  REQUIRE(both.done.size() == 4);
  CHECK(both.done[0].request.url.ends_with("/contacts/batch/read"));
  CHECK(both.done[1].request.url.ends_with("/companies/batch/read"));
  CHECK(both.done[1].request.body ==
        R"({"idProperty":"segue_account_id","inputs":[{"id":"acme-1"}],)"
        R"("properties":["segue_account_id"],"propertiesWithHistory":[]})");
  CHECK(both.done[3].request.body.ends_with(
      R"("associations":[{"to":{"id":"100"},"types":[{"associationCategory":"HUBSPOT_DEFINED",)"
      R"("associationTypeId":204}]},{"to":{"id":"100"},"types":[)"
      R"({"associationCategory":"HUBSPOT_DEFINED","associationTypeId":192}]}]})"));
  // An account without a contact has its task too, and a company that is not there hinders none.
  batch[0] = AboutAccount(batch[0]);
  const Told alone = Tell(*connector, batch);
  REQUIRE(alone.done.size() == 3);
  CHECK(alone.done[0].request.url.ends_with("/companies/batch/read"));
  CHECK(alone.outcomes[0].kind == Kind::kAccepted);
  const Told unknown = TellWith(*connector, batch, "/companies/", Answer(200, R"({"results":[]})"));
  CHECK(unknown.done.back().request.body.ends_with(R"("associations":[]})"));
  CHECK(unknown.outcomes[0].kind == Kind::kAccepted);
  for (const Reply& unclear :
       {Answer(200, "{\"results\":["), Answer(429), Failure(Reply::Kind::kLost, "reset")}) {
    CHECK(TellWith(*connector, batch, "/companies/", unclear).outcomes[0].kind == Kind::kRetry);
  }
  // Whom the file does not say how to find is not looked for.
  CHECK(Tell(*WithoutAccounts("hubspot"), batch).done.size() == 2);
}

TEST_CASE("accounts: Salesforce's accounts are written by their external id, like its contacts") {
  const auto connector = MakeVendorConnector("salesforce");
  const Told told = Tell(*connector, TwoAccounts("salesforce"));
  REQUIRE(told.done.size() == 2);
  CHECK(told.done[1].request.method == "PATCH");
  CHECK(told.done[1].request.url.ends_with("/composite/sobjects/Account/Segue_Account_Id__c"));
  CHECK(told.done[1].request.body ==
        R"({"allOrNone":false,"records":[{"attributes":{"type":"Account"},)"
        R"("Segue_Account_Id__c":"acme-1","segue_rfv":"at_risk"},{"attributes":{"type":"Account"},)"
        R"("Segue_Account_Id__c":"acme-2","segue_rfv":"at_risk"}]})");
  const std::string made = R"({"id":"001A","success":true,"created":true,"errors":[]})";
  const std::string no_name =
      R"({"success":false,"errors":[{"statusCode":"REQUIRED_FIELD_MISSING","message":"[Name]"}]})";
  CheckRows("salesforce", {{"an account that is not there has no name",
                            kFields,
                            "/composite/",
                            Answer(200, "[" + no_name + "," + made + "]"),
                            {Kind::kRefused, Kind::kAccepted},
                            0,
                            "REQUIRED_FIELD_MISSING: [Name]",
                            "",
                            true},
                           {"a row is locked",
                            kFields,
                            "/composite/",
                            Answer(400, R"([{"errorCode":"UNABLE_TO_LOCK_ROW","message":"busy"}])"),
                            {Kind::kRetry},
                            0,
                            "",
                            "",
                            true}});
}

TEST_CASE("accounts: a task of Salesforce's names the account, which is looked up once for all") {
  const auto connector = MakeVendorConnector("salesforce");
  std::vector batch = {DeliveryFor("salesforce", kTaskOf, 1),
                       DeliveryFor("salesforce", kTaskOf, 2)};
  batch[0].payload.account = "acme's";
  batch[1].payload.account = "beta";
  const auto world = [](const Request& request) {
    return request.url.find("FROM%20Account") == std::string::npos
               ? VendorSays(request)
               : Answer(200, R"({"records":[{"Id":"001B","Segue_Account_Id__c":"beta"}]})");
  };
  const Told told = Tell(*connector, batch, world);
  REQUIRE(told.done.size() == 5);
  CHECK(UrlDecode(told.done[3].request.url)
            .value_or("")
            .ends_with("/query?q=SELECT Id, Segue_Account_Id__c FROM Account WHERE "
                       R"(Segue_Account_Id__c IN ('acme\'s','beta'))"));
  const boost::json::value body = boost::json::parse(told.done[4].request.body);
  const boost::json::array& records = body.at("records").as_array();
  CHECK_FALSE(records[0].as_object().contains("WhatId"));
  CHECK(records[0].at("WhoId") == "0030");
  CHECK(records[1].at("WhatId") == "001B");
  std::vector alone = {AboutAccount(DeliveryFor("salesforce", kTaskOf, 1))};
  const Told without = Tell(*connector, alone);
  CHECK(without.done.size() == 4);  // Login, owner, account, task.
  CHECK(without.done[3].request.body.find("WhoId") == std::string::npos);
  CHECK(without.done[3].request.body.find(R"("WhatId":"0030")") != std::string::npos);
}

TEST_CASE("accounts: Intercom's companies, Pendo's accounts and the groups of the others") {
  const auto request = [](std::string_view type) {
    const auto connector = MakeVendorConnector(type);
    std::vector<Delivery> batch = TwoAccounts(type);
    if (connector->BatchMax(batch[0]) == 1) {
      batch.resize(1);
    }
    Told told = Tell(*connector, batch);
    INFO(type << ": " << told.outcomes[0].detail);
    CHECK(told.outcomes.back().kind == Kind::kAccepted);
    REQUIRE(told.done.size() == 1);
    return told.done[0].request;
  };
  const Request company = request("intercom");
  CHECK(company.method == "POST");
  CHECK(company.url == "https://api.intercom.io/companies");
  CHECK(company.body == R"({"company_id":"acme-1","custom_attributes":{"segue_rfv":"at_risk"}})");
  const Request account = request("pendo");
  CHECK(account.url == "https://app.pendo.io/api/v1/metadata/account/custom/value");
  CHECK(account.body == R"([{"accountId":"acme-1","values":{"segue_rfv":"at_risk"}},)"
                        R"({"accountId":"acme-2","values":{"segue_rfv":"at_risk"}}])");
  const Request group = request("appcues");
  CHECK(group.method == "PATCH");
  CHECK(group.url == "https://api.appcues.com/v2/accounts/48217/groups/acme-1/profile");
  CHECK(group.body == R"({"segue_rfv":"at_risk"})");
  const Request profile = request("mixpanel");
  CHECK(profile.url == "https://api.mixpanel.com/groups?verbose=1");
  CHECK(profile.body ==
        R"([{"$token":"mp-project-token","$group_key":"segue_account_id","$group_id":"acme-1",)"
        R"("$set":{"segue_rfv":"at_risk"}},{"$token":"mp-project-token",)"
        R"("$group_key":"segue_account_id","$group_id":"acme-2","$set":{"segue_rfv":"at_risk"}}])");
  const Request identify = request("amplitude");
  CHECK(identify.url == "https://api2.amplitude.com/groupidentify");
  CHECK(UrlDecode(identify.body)
            .value_or("")
            .ends_with(R"([{"group_type":"segue_account_id","group_value":"acme-1",)"
                       R"("group_properties":{"$set":{"segue_rfv":"at_risk"}}},)"
                       R"({"group_type":"segue_account_id","group_value":"acme-2",)"
                       R"("group_properties":{"$set":{"segue_rfv":"at_risk"}}}])"));
  const Request churned = request("churned");
  CHECK(churned.url == "https://api.churned.example/v1/group");
  CHECK(churned.body == R"({"type":"group","messageId":"0f3a9c5e77d1b2a1","groupId":"acme-1",)"
                        R"("timestamp":"2026-03-26T04:00:00Z","traits":{"segue_rfv":"at_risk"}})");
  CheckRows("pendo", {{"an account that Pendo has not seen",
                       kFields,
                       "/metadata/account/",
                       Answer(200, R"({"updated":1,"failed":0,"missing":["acme-2"]})"),
                       {Kind::kAccepted, Kind::kRefused},
                       0,
                       "",
                       "",
                       true}});
  CHECK(MakeVendorConnector("mixpanel")->BatchMax(TwoAccounts("mixpanel")[0]) == 200);
}

TEST_CASE("accounts: a task at Churned names the account beside its contact, or alone") {
  const auto connector = MakeVendorConnector("churned");
  std::vector batch = {DeliveryFor("churned", kTaskOf, 1)};
  batch[0].payload.account = "acme-1";
  CHECK(Tell(*connector, batch).done[0].request.body.find(R"("userId":"c-1","groupId":"acme-1")") !=
        std::string::npos);
  batch[0] = AboutAccount(batch[0]);
  const Told alone = Tell(*connector, batch);
  CHECK(alone.outcomes[0].kind == Kind::kAccepted);
  CHECK(alone.done[0].request.body.find("userId") == std::string::npos);
  CHECK(Tell(*WithoutAccounts("churned"), batch).outcomes[0].kind == Kind::kRefused);
}

TEST_CASE("accounts: an event about an account is its contact's, and names the account") {
  const auto body = [](std::string_view type, const std::unique_ptr<Connector>& connector) {
    Delivery delivery = DeliveryFor(type, DeliveryKind::kTrack, 1);
    delivery.payload.account = "acme-1";
    const Told told = Tell(*connector, std::vector{delivery});
    CHECK(told.outcomes[0].kind == Kind::kAccepted);
    return told.done.back().request.body;
  };
  for (const auto& [type, words] : std::vector<std::pair<std::string, std::string>>{
           {"pendo", R"("accountId":"acme-1")"},
           {"mixpanel", R"("segue_account_id":"acme-1")"},
           {"amplitude", R"("groups":{"segue_account_id":"acme-1"})"},
           {"churned", R"("userId":"c-1","groupId":"acme-1")"}}) {
    INFO(type);
    CHECK(body(type, MakeVendorConnector(type)).find(words) != std::string::npos);
    CHECK(body(type, WithoutAccounts(type)).find("acme-1") == std::string::npos);
  }
}

TEST_CASE("accounts: a file and a webhook have the account's key under its own name") {
  for (const std::string_view type : {"file", "webhook"}) {
    Delivery task = DeliveryFor(type, kTaskOf, 1);
    CHECK(DeliveryJson(task).find("account") == std::string::npos);
    task.payload.account = "acme-1";
    CHECK(DeliveryJson(task).find(R"("customer":"c-1","account":"acme-1")") != std::string::npos);
    const std::string fields = DeliveryJson(TwoAccounts(type)[0]);
    CHECK(fields.find(R"("account":"acme-1")") != std::string::npos);
    CHECK(fields.find("customer\"") == std::string::npos);
  }
}

TEST_CASE(
    "accounts: nothing but its fields and tasks is told of one, and nothing where it is not "
    "known how to find it") {
  for (const std::string_view type : {"hubspot", "salesforce", "intercom", "churned", "pendo",
                                      "appcues", "mixpanel", "amplitude"}) {
    INFO(type);
    const std::vector<Delivery> fields = {TwoAccounts(type)[0]};
    const Told unsaid = Tell(*WithoutAccounts(type), fields);
    CHECK(unsaid.done.empty());
    CHECK(unsaid.outcomes[0].kind == Kind::kRefused);
    CHECK(unsaid.outcomes[0].detail.find("match.account") != std::string::npos);
    const auto connector = MakeVendorConnector(type);
    // Customers and accounts are never told of together.
    CHECK_FALSE(connector->Together(fields[0], DeliveryFor(type, kFields, 1)));
    for (const DeliveryKind kind : FindConnectorSpec(type)->carries()) {
      if (kind != kFields && kind != kTaskOf) {
        const Told told = Tell(*connector, std::vector{AboutAccount(DeliveryFor(type, kind, 1))});
        CHECK(told.done.empty());
        CHECK(told.outcomes[0].kind == Kind::kRefused);
      }
    }
  }
}

TEST_CASE("accounts: tools that know customers only take none for a customer") {
  for (const std::string_view type : {"mailchimp", "activecampaign"}) {
    const Told told = Tell(*MakeVendorConnector(type), std::vector{TwoAccounts(type)[0]});
    INFO(type);
    CHECK(told.done.empty());
    CHECK(told.outcomes[0].kind == Kind::kRefused);
  }
}

}  // namespace
}  // namespace segue
