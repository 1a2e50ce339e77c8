// Appcues: what each of its answers means, and what it is told.

#include <doctest/doctest.h>

#include "unit/connectors/rows.h"

namespace segue {
namespace {

using Kind = Outcome::Kind;

constexpr auto kAppcuesSet = DeliveryKind::kSet;
constexpr auto kAppcuesMessage = DeliveryKind::kMessage;
constexpr auto kAppcuesAudience = DeliveryKind::kAudience;
constexpr auto kAppcuesTrack = DeliveryKind::kTrack;

Reply Trouble(int status, const std::string& detail) {
  return Answer(status, R"({"error":true,"status":)" + std::to_string(status) +
                            R"(,"title":"Trouble","detail":")" + detail + "\"}");
}

TEST_CASE("appcues: what its errors mean") {
  const std::string segment = "segment new users";
  for (const auto& [kind, part, use] :
       std::vector<std::tuple<DeliveryKind, std::string, std::string>>{
           {kAppcuesSet, "/profile", ""},
           {kAppcuesTrack, "/events", ""},
           {kAppcuesMessage, "/events", "event upgrade_suggested"},
           {kAppcuesMessage, "/profile", segment},
           {kAppcuesMessage, "/add_user_ids", segment},
           {kAppcuesAudience, "/add_user_ids", ""}}) {
    INFO(part << " " << use);
    const auto row = [&, kind = kind, part = part, use = use](
                         const std::string& what, const Reply& reply, Kind outcome,
                         std::int64_t wait = 0, const std::string& words = "") {
      return Row{what, kind, part, reply, {outcome}, wait, words, use};
    };
    CheckRows("appcues",
              {row("400", Trouble(400, "no such thing"), Kind::kRefused, 0, "no such thing"),
               row("401", Trouble(401, "bad key"), Kind::kRetry, 0,
                   "Appcues refuses the connector's credentials"),
               row("403", Trouble(403, "not yours"), Kind::kRefused),
               row("408", Answer(408), Kind::kRetry), row("409", Answer(409), Kind::kRefused),
               row("413", Answer(413), Kind::kRefused), row("422", Answer(422), Kind::kRefused),
               row("429", Trouble(429, "slow down"), Kind::kRetry),
               row("429 with Retry-After", With(Answer(429), "retry-after", "2"), Kind::kRetry, 2),
               row("500", Answer(500), Kind::kRetry), row("502", Answer(502), Kind::kRetry),
               row("503", Answer(503), Kind::kRetry), row("504", Answer(504), Kind::kRetry)});
  }
  CheckRows(
      "appcues",
      {{"404 of a user", kAppcuesSet, "/profile", Trouble(404, "x"), {Kind::kRefused}},
       {"404 of a segment that was there",
        kAppcuesAudience,
        "/add_user_ids",
        Trouble(404, "x"),
        {Kind::kRetry},
        0,
        "Appcues no longer has the segment Win-back"},
       {"a profile that is none", kAppcuesSet, "/profile", Answer(200, "[]"), {Kind::kUnknown}},
       {"several too many",
        kAppcuesAudience,
        "/add_user_ids",
        Answer(413),
        {Kind::kSplit, Kind::kSplit}}});
}

TEST_CASE("appcues: a segment that is not there waits for whoever makes it") {
  const std::string part = "48217/segments";
  CheckRows("appcues",
            {{"others are there",
              kAppcuesAudience,
              part,
              Answer(200, R"([{"id":"s9","name":"Others"}])"),
              {Kind::kRetry},
              0,
              "Appcues has no segment called Win-back"},
             {"cut off", kAppcuesAudience, part, Answer(200, R"([{"id":)"), {Kind::kRetry}},
             {"another shape", kAppcuesAudience, part, Answer(200, "{}"), {Kind::kRetry}},
             {"lost", kAppcuesAudience, part, Failure(Reply::Kind::kLost, "reset"), {Kind::kRetry}},
             {"refused", kAppcuesAudience, part, Answer(400), {Kind::kRefused}}});
}

TEST_CASE("appcues: a segment is looked up once, by its name or its id") {
  const auto connector = MakeVendorConnector("appcues");
  std::vector batch = {DeliveryFor("appcues", kAppcuesAudience, 1),
                       DeliveryFor("appcues", kAppcuesAudience, 2)};
  Session session;
  const Told told = Tell(*connector, batch, VendorSays, session);
  REQUIRE(told.done.size() == 2);
  CHECK(told.done[0].request.url == "https://api.appcues.com/v2/accounts/48217/segments");
  CHECK(told.done[1].request.url ==
        "https://api.appcues.com/v2/accounts/48217/segments/s1/add_user_ids");
  CHECK(told.done[1].request.body == R"({"user_ids":["c-1","c-2"]})");
  CHECK(Tell(*connector, batch, VendorSays, session).done.size() == 1);
  for (Delivery& delivery : batch) {
    delivery.payload.name = "s1";
    delivery.payload.values["action"] = "remove";
  }
  CHECK(Tell(*connector, batch).done.back().request.url.ends_with("/segments/s1/remove_user_ids"));
  // One that was removed there meanwhile is looked up again.
  const auto gone = [](const Request& request) {
    return request.method == "GET" ? VendorSays(request) : Answer(404);
  };
  CHECK(Tell(*connector, batch, gone, session).outcomes[0].kind == Kind::kRetry);
  CHECK(Tell(*connector, batch, VendorSays, session).done.size() == 2);
}

TEST_CASE("appcues: what it is told of a profile, an event and a message") {
  const auto connector = MakeVendorConnector("appcues");
  std::vector set = {DeliveryFor("appcues", kAppcuesSet, 1)};
  set[0].customer_key = "a/b c";
  const Request patch = Tell(*connector, set).done[0].request;
  CHECK(patch.method == "PATCH");
  CHECK(patch.url == "https://api.appcues.com/v2/accounts/48217/users/a%2Fb%20c/profile");
  CHECK(patch.body == R"({"segue_rfv":"at_risk"})");
  CHECK(patch.headers.at("Authorization").starts_with("Basic "));
  const std::vector message = {DeliveryFor("appcues", kAppcuesMessage, 1)};
  const Request event = Tell(*connector, message).done[0].request;
  CHECK(event.url == "https://api.appcues.com/v2/accounts/48217/users/c-1/events");
  CHECK(event.body == R"({"name":"upgrade_suggested","timestamp":"2026-03-26T04:00:00Z",)"
                      R"("attributes":{"feature":"reports"}})");
  std::vector segment = message;
  segment[0].payload.name = "segment new users";
  const Told told = Tell(*connector, segment);
  REQUIRE(told.done.size() == 3);
  CHECK(told.done[1].request.body == R"({"feature":"reports"})");
  CHECK(told.done[2].request.url.ends_with("/segments/s3/add_user_ids"));
}

TEST_CASE("appcues: a flow is started by an event or a segment, and not by its name") {
  for (const char* use : {"", "flow welcome", "event", "event ", "segment"}) {
    std::vector batch = {DeliveryFor("appcues", kAppcuesMessage, 1)};
    batch[0].payload.name = use;
    const Told told = Tell(*MakeVendorConnector("appcues"), batch);
    INFO(use);
    CHECK(told.done.empty());
    CHECK(told.outcomes[0].kind == Kind::kRefused);
    CHECK(told.outcomes[0].detail.find("use: {appcues: event NAME}") != std::string::npos);
  }
}

TEST_CASE("appcues: a secret of two parts is hidden as a whole and by its part") {
  Secrets secrets = kVendorSecrets;
  secrets["token"] = "appcues-key:appcues-secret";
  const auto connector = FindConnectorSpec("appcues")->make(VendorSettings("appcues"), secrets);
  const std::vector batch = {DeliveryFor("appcues", kAppcuesSet, 1)};
  const Told told =
      TellWith(*connector, batch, "/profile", Answer(400, "no user has appcues-secret"));
  CHECK(told.done[0].request.headers.at("Authorization") ==
        "Basic YXBwY3Vlcy1rZXk6YXBwY3Vlcy1zZWNyZXQ=");
  CHECK(told.outcomes[0].detail.find("appcues-secret") == std::string::npos);
}

TEST_CASE("appcues: events are not protected from being told twice, all else is") {
  const auto connector = MakeVendorConnector("appcues");
  const auto protects = [&](DeliveryKind kind, const std::string& use) {
    Delivery delivery = DeliveryFor("appcues", kind, 1);
    delivery.payload.name = use;
    return connector->Protects(delivery, Dedupe::kKey);
  };
  CHECK(protects(kAppcuesSet, "") == Dedupe::kKey);
  CHECK(protects(kAppcuesAudience, "Win-back") == Dedupe::kKey);
  CHECK(protects(kAppcuesMessage, "segment new users") == Dedupe::kKey);
  CHECK(protects(kAppcuesMessage, "event x") == Dedupe::kNone);
  CHECK(protects(kAppcuesTrack, "x") == Dedupe::kNone);
}

}  // namespace
}  // namespace segue
