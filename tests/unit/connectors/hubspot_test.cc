// HubSpot: what each of its answers means, and what it is told.

#include <doctest/doctest.h>

#include "unit/connectors/rows.h"

namespace segue {
namespace {

using Kind = Outcome::Kind;

constexpr auto kSet = DeliveryKind::kSet;
constexpr auto kTask = DeliveryKind::kTask;
constexpr auto kMessage = DeliveryKind::kMessage;
constexpr auto kAudience = DeliveryKind::kAudience;
constexpr auto kTrack = DeliveryKind::kTrack;

// An error of a batch, with what its context says.
std::string Error(const std::string& category, const std::string& context) {
  return R"({"status":"error","category":")" + category + R"(","message":"words","context":)" +
         context + R"(,"errors":[],"links":{}})";
}

Reply Sent(const std::string& result) {
  return Answer(200, R"({"status":"COMPLETE","statusId":"s-1","sendResult":")" + result + "\"}");
}

TEST_CASE("hubspot: a batch of contacts has an outcome for each") {
  const std::string second = R"({"id":"102","properties":{"email":"person2@customer.example"}})";
  const std::string third = R"({"id":"103","properties":{"email":"person3@customer.example"}})";
  const auto part = [&](const std::string& results, const std::string& errors) {
    return Answer(207, R"({"status":"COMPLETE","numErrors":1,"results":[)" + results +
                           R"(],"errors":[)" + errors + "]}");
  };
  const std::string upsert = "/batch/upsert";
  CheckRows(
      "hubspot",
      {{"207: an error names the address",
        kSet,
        upsert,
        part(third + "," + second,
             Error("VALIDATION_ERROR", R"({"ids":["Person1@customer.example"]})")),
        {Kind::kRefused, Kind::kAccepted, Kind::kAccepted},
        0,
        "HubSpot: VALIDATION_ERROR: words"},
       {"207: an error names our trace id",
        kSet,
        upsert,
        part(third, Error("VALIDATION_ERROR", R"({"objectWriteTraceId":["0f3a9c5e77d1b2a1"]})") +
                        "," +
                        Error("RATE_LIMITS", R"({"objectWriteTraceId":["0f3a9c5e77d1b2a2"]})")),
        {Kind::kRefused, Kind::kRetry, Kind::kAccepted}},
       {"207: one error names two",
        kSet,
        upsert,
        part(third, Error("CONFLICT",
                          R"({"id":["person1@customer.example","person2@customer.example"]})")),
        {Kind::kRetry, Kind::kRetry, Kind::kAccepted}},
       {"207: an error names nobody, so each is tried alone",
        kSet,
        upsert,
        part(second, Error("VALIDATION_ERROR", "{}")),
        {Kind::kSplit, Kind::kSplit, Kind::kSplit}},
       {"207: alone the error is its own",
        kSet,
        upsert,
        part("", Error("VALIDATION_ERROR", "{}")),
        {Kind::kRefused}},
       {"200: one is not mentioned",
        kSet,
        upsert,
        part(second + "," + third, ""),
        {Kind::kUnknown, Kind::kAccepted, Kind::kAccepted},
        0,
        "does not say"},
       {"400: an unknown property fails the whole batch",
        kSet,
        upsert,
        Answer(400, R"({"category":"VALIDATION_ERROR","message":"Property \"x\" does not exist"})"),
        {Kind::kSplit, Kind::kSplit}},
       {"400: alone it is refused with HubSpot's words",
        kSet,
        upsert,
        Answer(400, R"({"category":"VALIDATION_ERROR","message":"no such property"})"),
        {Kind::kRefused},
        0,
        "no such property"}});
}

TEST_CASE("hubspot: limits, locks and rights") {
  const auto policy = [](const std::string& name) {
    return Answer(429,
                  R"({"status":"error","errorType":"RATE_LIMIT","policyName":")" + name + "\"}");
  };
  for (const auto& [kind, part] :
       std::vector<std::pair<DeliveryKind, std::string>>{{kSet, "/batch/upsert"},
                                                         {kTask, "/owners"},
                                                         {kTask, "/objects/tasks"},
                                                         {kAudience, "/lists/object-type-id/"},
                                                         {kAudience, "/memberships/"},
                                                         {kMessage, "/single-email/"},
                                                         {kTrack, "/events/"}}) {
    INFO(part);
    CheckRows(
        "hubspot",
        {{"429 of ten seconds", kind, part, policy("TEN_SECONDLY_ROLLING"), {Kind::kRetry}, 10},
         {"429 of a second", kind, part, policy("SECONDLY"), {Kind::kRetry}, 10},
         {"429 of the day", kind, part, policy("DAILY"), {Kind::kRetry}, 3600},
         {"429 without a policy", kind, part, Answer(429), {Kind::kRetry}, 0},
         {"429 with Retry-After",
          kind,
          part,
          With(policy("DAILY"), "retry-after", "7"),
          {Kind::kRetry},
          7},
         {"423 locked", kind, part, Answer(423), {Kind::kRetry}},
         {"477 moved", kind, part, Answer(477), {Kind::kRetry}},
         {"401",
          kind,
          part,
          Answer(401, R"({"category":"INVALID_AUTHENTICATION"})"),
          {Kind::kRetry},
          0,
          "HubSpot refuses the connector's credentials"},
         {"403 without the scope",
          kind,
          part,
          Answer(403, R"({"category":"MISSING_SCOPES"})"),
          {Kind::kRetry},
          0,
          "the token lacks a scope"},
         {"403 for another reason", kind, part, Answer(403, "{}"), {Kind::kRefused}}});
  }
}

TEST_CASE("hubspot: an email's result says who will not get it") {
  std::vector<Row> rows;
  const auto add = [&](std::initializer_list<const char*> results, Kind kind) {
    for (const char* result : results) {
      rows.push_back({result, kMessage, "/single-email/", Sent(result), {kind}});
    }
  };
  add({"SENT", "QUEUED", "IDEMPOTENT_IGNORE"}, Kind::kAccepted);
  add({"PREVIOUSLY_UNSUBSCRIBED_MESSAGE", "PREVIOUSLY_UNSUBSCRIBED_PORTAL",
       "PREVIOUSLY_UNSUBSCRIBED_BRAND", "PREVIOUSLY_UNSUBSCRIBED_BUSINESS_UNIT",
       "ADDRESS_OPTED_OUT", "PREVIOUSLY_BOUNCED", "PREVIOUS_SPAM", "BLOCKED_DOMAIN",
       "BLOCKED_ADDRESS", "NON_MARKETABLE_CONTACT", "GDPR_DOI_ENABLED", "GRAYMAIL_SUPPRESSED",
       "RECIPIENT_FATIGUE_SUPPRESSED", "QUARANTINED_ADDRESS"},
      Kind::kSuppressed);
  add({"THROTTLED"}, Kind::kRetry);
  add({"INVALID_TO_ADDRESS", "IDEMPOTENT_FAIL", "TEMPLATE_RENDER_EXCEPTION", "PORTAL_SUSPENDED",
       "A_NEW_ONE"},
      Kind::kRefused);
  rows.push_back({"not looked at yet",
                  kMessage,
                  "/single-email/",
                  Answer(200, R"({"status":"PENDING","statusId":"s-1"})"),
                  {Kind::kAccepted}});
  rows.push_back({"canceled",
                  kMessage,
                  "/single-email/",
                  Answer(200, R"({"status":"CANCELED","statusId":"s-1"})"),
                  {Kind::kRefused}});
  CheckRows("hubspot", rows);
}

TEST_CASE("hubspot: tasks, owners and contacts") {
  CheckRows("hubspot",
            {{"no such owner",
              kTask,
              "/owners",
              Answer(200, R"({"results":[]})"),
              {Kind::kRefused},
              0,
              "no owner with the address sales@lumen.example"},
             {"another owner than the one asked for",
              kTask,
              "/owners",
              Answer(200, R"({"results":[{"id":"9","email":"boss@lumen.example"}]})"),
              {Kind::kRefused}},
             {"no such contact: the task has none",
              kTask,
              "/batch/read",
              Answer(207, R"({"results":[],"errors":[)" + Error("OBJECT_NOT_FOUND", "{}") + "]}"),
              {Kind::kAccepted}},
             {"the contact's answer is cut off",
              kTask,
              "/batch/read",
              Answer(200, "{\"results\":[{"),
              {Kind::kRetry}},
             {"the owner's answer is lost",
              kTask,
              "/owners",
              Failure(Reply::Kind::kLost, "reset"),
              {Kind::kRetry}},
             {"the task is refused",
              kTask,
              "/objects/tasks",
              Answer(400, R"({"message":"PROPERTY_DOESNT_EXIST"})"),
              {Kind::kRefused}}});
}

TEST_CASE("hubspot: before a second try the task is searched for by our key") {
  const auto connector = MakeVendorConnector("hubspot");
  std::vector batch = {DeliveryFor("hubspot", kTask, 1)};
  CHECK(Tell(*connector, batch).done[0].request.url.ends_with("/contacts/batch/read"));
  batch[0].attempts = 1;
  const Told again = Tell(*connector, batch);
  REQUIRE(again.done.size() == 4);
  CHECK(again.done[0].request.url.ends_with("/crm/v3/objects/tasks/search"));
  CHECK(again.done[0].request.body.find(batch[0].key) != std::string::npos);
  CHECK(again.done[3].request.body.find("\"segue_key\":\"" + batch[0].key) != std::string::npos);
  const Told found =
      TellWith(*connector, batch, "/search", Answer(200, R"({"results":[{"id":"501"}]})"));
  CHECK(found.done.size() == 1);
  CHECK(found.outcomes[0].kind == Kind::kAccepted);
  CHECK(found.outcomes[0].vendor_id == "501");
  for (const Reply& unclear :
       {Answer(200, "{}"), Answer(200, "{\"results\":["), Failure(Reply::Kind::kLost, "reset")}) {
    const Told told = TellWith(*connector, batch, "/search", unclear);
    CHECK(told.done.size() == 1);
    CHECK(told.outcomes[0].kind == Kind::kRetry);
  }
}

TEST_CASE("hubspot: a list is made where it is missing, and nobody is asked to be in it twice") {
  const auto connector = MakeVendorConnector("hubspot");
  const std::vector batch = {DeliveryFor("hubspot", kAudience, 1),
                             DeliveryFor("hubspot", kAudience, 2)};
  const Told told = Tell(*connector, batch);
  REQUIRE(told.done.size() == 4);
  CHECK(told.done[1].request.body ==
        R"({"name":"Win-back","objectTypeId":"0-1","processingType":"MANUAL"})");
  CHECK(told.done[3].request.url.ends_with("/crm/v3/lists/77/memberships/add-and-remove"));
  CHECK(told.done[3].request.body == R"({"recordIdsToAdd":["100","101"],"recordIdsToRemove":[]})");
  CheckRows("hubspot", {{"a list that HubSpot fills",
                         kAudience,
                         "/lists/object-type-id/",
                         Answer(200, R"({"list":{"listId":"5","processingType":"DYNAMIC"}})"),
                         {Kind::kRetry, Kind::kRetry},
                         0,
                         "fills the list \"Win-back\" itself"},
                        {"the list is there",
                         kAudience,
                         "/lists/object-type-id/",
                         Answer(200, R"({"list":{"listId":"5","processingType":"SNAPSHOT"}})"),
                         {Kind::kAccepted, Kind::kAccepted}},
                        {"one is missing",
                         kAudience,
                         "/memberships/",
                         Answer(200, R"({"recordsIdsAdded":["101"],"recordIdsMissing":["100"]})"),
                         {Kind::kRefused, Kind::kAccepted},
                         0,
                         "HubSpot has no contact 100"}});
}

TEST_CASE("hubspot: who leaves a list without being a contact has left it") {
  const auto connector = MakeVendorConnector("hubspot");
  std::vector batch = {DeliveryFor("hubspot", kAudience, 1), DeliveryFor("hubspot", kAudience, 2)};
  for (Delivery& delivery : batch) {
    delivery.payload.values["action"] = "remove";
  }
  const Reply one_found = Answer(
      207,
      R"({"results":[{"id":"102","properties":{"email":"person2@customer.example"}}],"errors":[)" +
          Error("OBJECT_NOT_FOUND", R"({"ids":["person1@customer.example"]})") + "]}");
  const Told told = TellWith(*connector, batch, "/batch/read", one_found);
  CHECK(told.outcomes[0].kind == Kind::kAccepted);
  CHECK(told.outcomes[1].kind == Kind::kAccepted);
  CHECK(told.done.back().request.body == R"({"recordIdsToAdd":[],"recordIdsToRemove":["102"]})");
  const Told none = TellWith(*connector, batch, "/batch/read", Answer(200, R"({"results":[]})"));
  CHECK(none.outcomes[0].kind == Kind::kAccepted);
  CHECK(none.done.back().request.url.find("/memberships/") == std::string::npos);
  // Joining and leaving, and different lists, are different attempts.
  Delivery joins = batch[0], elsewhere = batch[0];
  joins.payload.values["action"] = "add";
  elsewhere.payload.name = "Other";
  CHECK(connector->Together(batch[0], batch[1]));
  CHECK_FALSE(connector->Together(batch[0], joins));
  CHECK_FALSE(connector->Together(batch[0], elsewhere));
}

TEST_CASE("hubspot: what it is told of a task, an email and an event") {
  const auto connector = MakeVendorConnector("hubspot");
  std::vector task = {DeliveryFor("hubspot", kTask, 1)};
  task[0].payload.note = "a <b>\nc";
  CHECK(
      Tell(*connector, task).done.back().request.body ==
      R"({"properties":{"hs_timestamp":"2026-03-27T04:00:00Z","hs_task_subject":"Call Lara",)"
      R"("hs_task_body":"a &lt;b&gt;<br>c","hs_task_status":"NOT_STARTED","hs_task_priority":"HIGH",)"
      R"("hs_task_type":"TODO","hubspot_owner_id":"64","segue_key":"0f3a9c5e77d1b2a1"},)"
      R"("associations":[{"to":{"id":"100"},"types":[{"associationCategory":"HUBSPOT_DEFINED",)"
      R"("associationTypeId":204}]}]})");
  const std::vector mail = {DeliveryFor("hubspot", kMessage, 1)};
  CHECK(Tell(*connector, mail).done.back().request.body ==
        R"({"emailId":5521,"message":{"to":"Person1@customer.example","sendId":"0f3a9c5e77d1b2a1",)"
        R"("replyTo":["help@lumen.example"]},"contactProperties":{},)"
        R"("customProperties":{"book":"https://lumen.example/book"}})");
  const std::vector event = {DeliveryFor("hubspot", kTrack, 1)};
  CHECK(Tell(*connector, event).done.back().request.body ==
        R"({"inputs":[{"eventName":"pe12345_winback_finished","email":"Person1@customer.example",)"
        R"("occurredAt":"2026-03-26T04:00:00Z","uuid":"afae9adc-d644-9664-8587-10214dc4c3d8",)"
        R"("properties":{}}]})");
}

TEST_CASE("hubspot: a template must name an email of HubSpot's") {
  for (const char* use : {"", "journey 1/2", "email", "email x", "email -5", "email 0",
                          "email 99999999999999999999"}) {
    std::vector batch = {DeliveryFor("hubspot", kMessage, 1)};
    batch[0].payload.name = use;
    const Told told = Tell(*MakeVendorConnector("hubspot"), batch);
    INFO(use);
    CHECK(told.done.empty());
    CHECK(told.outcomes[0].kind == Kind::kRefused);
  }
}

TEST_CASE("hubspot: contacts can be found by our key, and a dated version has paths of its own") {
  ConnectorSettings settings = VendorSettings("hubspot");
  settings.text["match.contact"] = "segue_id";
  settings.text["version"] = "2026-03";
  const auto connector = FindConnectorSpec("hubspot")->make(settings, kVendorSecrets);
  const std::vector batch = {DeliveryFor("hubspot", kSet, 1)};
  const Request request = Tell(*connector, batch).done[0].request;
  CHECK(request.url == "https://api.hubapi.com/crm/objects/2026-03/contacts/batch/upsert");
  CHECK(request.body.find(R"("idProperty":"segue_id","id":"c-1")") != std::string::npos);
}

TEST_CASE("hubspot: what protects a repeated call depends on what it does") {
  const auto connector = MakeVendorConnector("hubspot");
  const auto protects = [&](DeliveryKind kind) {
    return connector->Protects(DeliveryFor("hubspot", kind, 1), Dedupe::kLookup);
  };
  CHECK(protects(kSet) == Dedupe::kKey);
  CHECK(protects(kAudience) == Dedupe::kKey);
  CHECK(protects(kMessage) == Dedupe::kKey);
  CHECK(protects(kTask) == Dedupe::kLookup);
  CHECK(protects(kTrack) == Dedupe::kNone);
}

}  // namespace
}  // namespace segue
