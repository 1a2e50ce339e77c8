// ActiveCampaign: what each of its answers means, and what it is told.

#include <doctest/doctest.h>

#include "unit/connectors/rows.h"

namespace segue {
namespace {

using Kind = Outcome::Kind;

constexpr auto kCampaignSet = DeliveryKind::kSet;
constexpr auto kCampaignMessage = DeliveryKind::kMessage;
constexpr auto kCampaignAudience = DeliveryKind::kAudience;
constexpr auto kCampaignTrack = DeliveryKind::kTrack;

Reply CampaignError(int status, const std::string& message) {
  return Answer(status, R"({"message":")" + message + "\"}");
}

// What GET /contacts/117 says of bounces, lists and automations.
Reply ContactWith(const std::string& bounced, const std::string& statuses,
                  const std::string& automations = "") {
  std::string lists;
  for (const char status : statuses) {
    lists += std::string(lists.empty() ? "" : ",") + R"({"list":"1","status":")" + status + "\"}";
  }
  return Answer(200, R"({"contact":{"id":"117","bounced_hard":")" + bounced +
                         R"("},"contactLists":[)" + lists + R"(],"contactAutomations":[)" +
                         automations + "]}");
}

TEST_CASE("activecampaign: fields go by the ids that their tags or titles have") {
  const auto connector = MakeVendorConnector("activecampaign");
  std::vector batch = {DeliveryFor("activecampaign", kCampaignSet, 1)};
  batch[0].payload.values = {{"segue_rfv", "at_risk"}, {"RFV", "5"}};
  Session session;
  const Told told = Tell(*connector, batch, VendorSays, session);
  REQUIRE(told.done.size() == 2);
  CHECK(told.done[0].request.url == "https://lumen.api-us1.com/api/3/fields?limit=100&offset=0");
  CHECK(told.done[1].request.url == "https://lumen.api-us1.com/api/3/contact/sync");
  CHECK(told.done[1].request.headers.at("Api-Token") == "pat-0123456789abcdef-us21");
  CHECK(told.done[1].request.body ==
        R"({"contact":{"email":"Person1@customer.example","fieldValues":)"
        R"([{"field":"8","value":"5"},{"field":"7","value":"at_risk"}]}})");
  CHECK(told.outcomes[0].kind == Kind::kAccepted);
  CHECK(told.outcomes[0].vendor_id == "117");
  // The next attempt knows them.
  const Told again = Tell(*connector, batch, VendorSays, session);
  REQUIRE(again.done.size() == 1);
  CHECK(again.done[0].request.body == told.done[1].request.body);
}

TEST_CASE("activecampaign: fields may stand on a later page, and a missing one is our set-up") {
  const auto connector = MakeVendorConnector("activecampaign");
  const std::vector batch = {DeliveryFor("activecampaign", kCampaignSet, 1)};
  std::string full;
  for (int i = 0; i < 100; ++i) {
    full += std::string(i == 0 ? "" : ",") + R"({"id":"1","perstag":"X","title":"x"})";
  }
  int pages = 0;
  const auto world = [&](int page_with_it) {
    return [&, page_with_it](const Request& request) {
      if (request.url.find("/fields?") == std::string::npos) {
        return VendorSays(request);
      }
      ++pages;
      return request.url.ends_with("offset=" + std::to_string(page_with_it * 100))
                 ? VendorSays(request)
                 : Answer(200, R"({"fields":[)" + full + "]}");
    };
  };
  const Told third = Tell(*connector, batch, world(2));
  CHECK(pages == 3);
  CHECK(third.outcomes[0].kind == Kind::kAccepted);
  pages = 0;
  const Told never = Tell(*connector, batch, world(7));
  CHECK(pages == 5);
  CHECK(never.outcomes[0].kind == Kind::kRetry);
  CheckRows(
      "activecampaign",
      {{"no such field",
        kCampaignSet,
        "/fields?",
        Answer(200, R"({"fields":[]})"),
        {Kind::kRetry},
        0,
        "ActiveCampaign has no field of contacts with the tag or title segue_rfv"},
       {"a field without an id",
        kCampaignSet,
        "/fields?",
        Answer(200, R"({"fields":[{"perstag":"SEGUE_RFV"}]})"),
        {Kind::kRetry}},
       {"cut off", kCampaignSet, "/fields?", Answer(200, R"({"fields":[{"id")"), {Kind::kRetry}},
       {"lost", kCampaignSet, "/fields?", Failure(Reply::Kind::kLost, "reset"), {Kind::kRetry}},
       {"busy",
        kCampaignSet,
        "/fields?",
        With(Answer(429), "retry-after", "30"),
        {Kind::kRetry},
        30}});
}

TEST_CASE("activecampaign: a wrong key is told by 403, and is no word on the delivery") {
  for (const auto& [kind, part] : std::vector<std::pair<DeliveryKind, std::string>>{
           {kCampaignSet, "/fields?"},
           {kCampaignSet, "/contact/sync"},
           {kCampaignAudience, "/tags?"},
           {kCampaignAudience, "/contactTags"},
           {kCampaignMessage, "/contacts/117"},
           {kCampaignMessage, "/contactAutomations"}}) {
    INFO(part);
    const std::vector<Kind> retry = {Kind::kRetry};
    CheckRows("activecampaign",
              {{"403", kind, part, CampaignError(403, "You are not allowed"), retry, 0,
                "ActiveCampaign refuses the key or the plan"},
               {"403 without JSON", kind, part, Answer(403, "<html>"), retry},
               {"402", kind, part, Answer(402), retry},
               {"429", kind, part, With(Answer(429), "retry-after", "30"), retry, 30},
               {"503 in its place", kind, part, Answer(503), retry},
               {"404", kind, part, CampaignError(404, "No Result found"), {Kind::kRefused}},
               {"422",
                kind,
                part,
                Answer(422, R"({"errors":[{"title":"Missing attribute"}]})"),
                {Kind::kRefused},
                0,
                "Missing attribute"}});
  }
}

TEST_CASE("activecampaign: an automation begins for the contact, with the template's values") {
  const auto connector = MakeVendorConnector("activecampaign");
  const std::vector batch = {DeliveryFor("activecampaign", kCampaignMessage, 1)};
  const Told told = Tell(*connector, batch);
  REQUIRE(told.done.size() == 4);
  CHECK(told.done[1].request.body ==
        R"({"contact":{"email":"Person1@customer.example","fieldValues":)"
        R"([{"field":"9","value":"https://lumen.example/webinar"}]}})");
  CHECK(told.done[2].request.method == "GET");
  CHECK(told.done[2].request.url == "https://lumen.api-us1.com/api/3/contacts/117");
  CHECK(told.done[3].request.body == R"({"contactAutomation":{"contact":117,"automation":42}})");
  CHECK(told.outcomes[0].vendor_id == "9001");
  std::vector plain = batch;
  plain[0].payload.values.clear();
  CHECK(Tell(*connector, plain).done[0].request.body ==
        R"({"contact":{"email":"Person1@customer.example"}})");
  CheckRows("activecampaign", {{"the answer is lost",
                                kCampaignMessage,
                                "/contactAutomations",
                                Failure(Reply::Kind::kLost, "reset"),
                                {Kind::kUnknown}},
                               {"no such automation",
                                kCampaignMessage,
                                "/contactAutomations",
                                CampaignError(403, "Could not create SubscriberSeries"),
                                {Kind::kRefused},
                                0,
                                "Could not create"},
                               {"the contact's id is no number",
                                kCampaignMessage,
                                "/contact/sync",
                                Answer(200, R"({"contact":{"id":"x1"}})"),
                                {Kind::kRetry}},
                               {"the contact's answer is lost",
                                kCampaignMessage,
                                "/contact/sync",
                                Failure(Reply::Kind::kLost, "reset"),
                                {Kind::kRetry}},
                               {"nothing of the contact",
                                kCampaignMessage,
                                "/contacts/117",
                                Answer(200, R"({"contactLists":[]})"),
                                {Kind::kRetry}}});
}

TEST_CASE("activecampaign: who has left or bounced gets no automation") {
  const std::string contact = "/contacts/117";
  std::vector<Row> rows;
  const auto add = [&](const std::string& what, const Reply& reply, Kind kind,
                       const std::string& words = "") {
    rows.push_back({what, kCampaignMessage, contact, reply, {kind}, 0, words});
  };
  add("bounced", ContactWith("1", "1"), Kind::kSuppressed, "ActiveCampaign has them as bounced");
  add("left", ContactWith("0", "2"), Kind::kSuppressed, "ActiveCampaign has them as unsubscribed");
  add("left twice", ContactWith("0", "22"), Kind::kSuppressed);
  add("bounced off the list", ContactWith("0", "3"), Kind::kSuppressed);
  add("left before confirming", ContactWith("0", "02"), Kind::kSuppressed);
  add("left one list of two", ContactWith("0", "21"), Kind::kAccepted);
  add("on no list", ContactWith("0", ""), Kind::kAccepted);
  add("not confirmed", ContactWith("0", "0"), Kind::kAccepted);
  CheckRows("activecampaign", rows);
}

TEST_CASE("activecampaign: before a second try it is looked up whether the automation has begun") {
  const auto connector = MakeVendorConnector("activecampaign");
  std::vector batch = {DeliveryFor("activecampaign", kCampaignMessage, 1)};
  const auto entry = [](const std::string& automation, const std::string& added) {
    return R"({"id":"77","automation":")" + automation + R"(","adddate":")" + added + "\"}";
  };
  const auto told = [&](const std::string& entries) {
    return TellWith(*connector, batch, "/contacts/117", ContactWith("0", "1", entries));
  };
  const std::string just_now = entry("42", "2026-03-25T22:00:30-06:00");
  CHECK(told(just_now).done.size() == 4);  // At a first try it was something else.
  batch[0].attempts = 1;
  const Told found = told(entry("41", "2026-03-25T22:00:30-06:00") + "," + just_now);
  CHECK(found.done.size() == 3);
  CHECK(found.outcomes[0].kind == Kind::kAccepted);
  CHECK(found.outcomes[0].vendor_id == "77");
  CHECK(told(entry("42", "2026-03-25T21:56:00-06:00")).done.size() == 3);  // Their clock is late.
  CHECK(told(entry("42", "2026-03-25T21:54:00-06:00")).done.size() == 4);  // An earlier time.
  CHECK(told(entry("41", "2026-03-25T22:00:30-06:00")).done.size() == 4);
  CHECK(told(entry("42", "yesterday")).done.size() == 4);
  CHECK(told("").done.size() == 4);
  // Who has left since then got it all the same.
  const Told left = TellWith(*connector, batch, "/contacts/117", ContactWith("0", "2", just_now));
  CHECK(left.outcomes[0].kind == Kind::kAccepted);
}

TEST_CASE("activecampaign: a list is a tag, made where it is missing; no subscription is touched") {
  const auto connector = MakeVendorConnector("activecampaign");
  std::vector batch = {DeliveryFor("activecampaign", kCampaignAudience, 1)};
  const Told joined = Tell(*connector, batch);
  REQUIRE(joined.done.size() == 3);
  CHECK(joined.done[0].request.body == R"({"contact":{"email":"Person1@customer.example"}})");
  CHECK(joined.done[1].request.url ==
        "https://lumen.api-us1.com/api/3/tags?search=Win-back&limit=100&offset=0");
  CHECK(joined.done[2].request.body == R"({"contactTag":{"contact":117,"tag":20}})");
  const Told made = TellWith(*connector, batch, "/tags?", Answer(200, R"({"tags":[]})"));
  REQUIRE(made.done.size() == 4);
  CHECK(made.done[2].request.body ==
        R"({"tag":{"tag":"Win-back","tagType":"contact","description":"Segue"}})");
  CHECK(made.done[3].request.body == R"({"contactTag":{"contact":117,"tag":21}})");
  const auto raced = Tell(*connector, batch, [&](const Request& request) {
    return request.url.ends_with("/tags") ? Answer(422, R"({"errors":[{"code":"duplicate"}]})")
           : request.url.find("/tags?") != std::string::npos ? Answer(200, R"({"tags":[]})")
                                                             : VendorSays(request);
  });
  CHECK(raced.outcomes[0].kind == Kind::kRetry);

  batch[0].payload.values["action"] = "remove";
  const Told left = Tell(*connector, batch);
  REQUIRE(left.done.size() == 4);
  CHECK(left.done[3].request.method == "DELETE");
  CHECK(left.done[3].request.url == "https://lumen.api-us1.com/api/3/contactTags/31");
  for (const auto& [part, reply, requests] :
       std::vector<std::tuple<std::string, Reply, std::size_t>>{
           {"/contacts?", Answer(200, R"({"contacts":[]})"), 1},
           {"/contacts?", Answer(200, R"({"contacts":[{"id":"9","email":"x@y.example"}]})"), 1},
           {"/tags?", Answer(200, R"({"tags":[]})"), 2},
           {"/contactTags?", Answer(200, R"({"contactTags":[{"id":"3","tag":"2"}]})"), 3},
           {"/contactTags/31", CampaignError(404, "No Result found"), 4}}) {
    INFO(part);
    const Told gone = TellWith(*connector, batch, part, reply);
    CHECK(gone.done.size() == requests);
    CHECK(gone.outcomes[0].kind == Kind::kAccepted);
  }
  CHECK(TellWith(*connector, batch, "/contactTags/31", Failure(Reply::Kind::kLost, "reset"))
            .outcomes[0]
            .kind == Kind::kUnknown);
  for (const DeliveryKind kind : {kCampaignSet, kCampaignMessage, kCampaignAudience}) {
    const std::vector one = {DeliveryFor("activecampaign", kind, 1)};
    for (const auto& [request, reply] : Tell(*connector, one).done) {
      CHECK(request.body.find("status") == std::string::npos);
      CHECK(request.body.find("subscribe") == std::string::npos);
      CHECK(request.url.find("contactLists") == std::string::npos);
    }
  }
}

TEST_CASE("activecampaign: an event goes elsewhere, and 200 may mean that it was not taken") {
  const auto connector = MakeVendorConnector("activecampaign");
  std::vector batch = {DeliveryFor("activecampaign", kCampaignTrack, 1)};
  batch[0].payload.values = {{"level", "7 & up"}};
  const Told told = Tell(*connector, batch);
  REQUIRE(told.done.size() == 1);
  const Request& request = told.done[0].request;
  CHECK(request.url == "https://trackcmp.net/event");
  CHECK(request.headers.at("Content-Type") == "application/x-www-form-urlencoded");
  CHECK_FALSE(request.headers.contains("Api-Token"));
  CHECK(request.body ==
        "actid=66000123&key=evt-0123456789abcdef&event=winback_finished"
        "&visit=%7B%22email%22%3A%22Person1%40customer.example%22%7D"
        "&eventdata=%7B%22level%22%3A%227%20%26%20up%22%7D");
  CheckRows(
      "activecampaign",
      {{"success 0",
        kCampaignTrack,
        "trackcmp",
        Answer(200, R"({"success":0,"message":"Event not found"})"),
        {Kind::kRefused},
        0,
        "ActiveCampaign: Event not found"},
       {"success as a text",
        kCampaignTrack,
        "trackcmp",
        Answer(200, R"({"success":"1"})"),
        {Kind::kAccepted}},
       {"success 2", kCampaignTrack, "trackcmp", Answer(200, R"({"success":2})"), {Kind::kUnknown}},
       {"no word of success", kCampaignTrack, "trackcmp", Answer(200, "{}"), {Kind::kUnknown}},
       {"lost", kCampaignTrack, "trackcmp", Failure(Reply::Kind::kLost, "x"), {Kind::kUnknown}}});
  batch[0].payload.name = "a name that is longer than they take";
  CHECK(Tell(*connector, batch).outcomes[0].kind == Kind::kRefused);
  for (const char* name : {"event_key", "event_account"}) {
    Secrets secrets = SecretsFor("activecampaign");
    secrets.erase(name);
    const auto poor =
        FindConnectorSpec("activecampaign")->make(VendorSettings("activecampaign"), secrets);
    const std::vector one = {DeliveryFor("activecampaign", kCampaignTrack, 1)};
    CHECK(Tell(*poor, one).done.empty());
    CHECK(Tell(*poor, one).outcomes[0].kind == Kind::kRetry);
  }
}

TEST_CASE("activecampaign: a template must name an automation, and contacts have addresses") {
  const auto connector = MakeVendorConnector("activecampaign");
  for (const char* use : {"", "automation", "automation x", "automation -5", "automation 0",
                          "automation 99999999999999999999", "journey 1/2", "automations 5"}) {
    INFO(use);
    std::vector batch = {DeliveryFor("activecampaign", kCampaignMessage, 1)};
    batch[0].payload.name = use;
    CHECK(Tell(*connector, batch).done.empty());
    CHECK(Tell(*connector, batch).outcomes[0].kind == Kind::kRefused);
  }
  for (const DeliveryKind kind :
       {kCampaignSet, kCampaignMessage, kCampaignAudience, kCampaignTrack}) {
    std::vector batch = {DeliveryFor("activecampaign", kind, 1)};
    batch[0].payload.to.clear();
    CHECK(Tell(*connector, batch).done.empty());
    CHECK(Tell(*connector, batch).outcomes[0].kind == Kind::kRefused);
  }
}

TEST_CASE("activecampaign: what protects a repeated call depends on what it does") {
  const auto connector = MakeVendorConnector("activecampaign");
  const auto protects = [&](DeliveryKind kind, Dedupe said) {
    return connector->Protects(DeliveryFor("activecampaign", kind, 1), said);
  };
  CHECK(protects(kCampaignSet, Dedupe::kNone) == Dedupe::kKey);
  CHECK(protects(kCampaignAudience, Dedupe::kNone) == Dedupe::kKey);
  CHECK(protects(kCampaignMessage, Dedupe::kLookup) == Dedupe::kLookup);
  CHECK(protects(kCampaignMessage, Dedupe::kKey) == Dedupe::kLookup);  // It has none.
  CHECK(protects(kCampaignMessage, Dedupe::kNone) == Dedupe::kNone);
  CHECK(protects(kCampaignTrack, Dedupe::kKey) == Dedupe::kNone);
}

}  // namespace
}  // namespace segue
