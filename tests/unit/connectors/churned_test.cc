// Churned: what it is told, and what its answers mean.

#include <doctest/doctest.h>

#include "base/hash.h"
#include "unit/connectors/rows.h"

namespace segue {
namespace {

using Kind = Outcome::Kind;

constexpr auto kChurnedTask = DeliveryKind::kTask;
constexpr auto kChurnedSet = DeliveryKind::kSet;
constexpr auto kChurnedTrack = DeliveryKind::kTrack;
constexpr auto kChurnedMessage = DeliveryKind::kMessage;

TEST_CASE("churned: every call says who, when and by which key it is the same call again") {
  const auto connector = MakeVendorConnector("churned");
  const auto told = [&](DeliveryKind kind) {
    const std::vector batch = {DeliveryFor("churned", kind, 1)};
    return Tell(*connector, batch).done.at(0).request;
  };
  const Request task = told(kChurnedTask);
  CHECK(task.method == "PUT");
  CHECK(task.url == "https://api.churned.example/v1/tasks/0f3a9c5e77d1b2a1");
  CHECK(task.body ==
        R"({"type":"task","messageId":"0f3a9c5e77d1b2a1","userId":"c-1",)"
        R"("timestamp":"2026-03-26T04:00:00Z","task":{"id":"0f3a9c5e77d1b2a1",)"
        R"("title":"Call Lara","note":"She left a basket","assignee":"sales@lumen.example",)"
        R"("priority":"high","due":"2026-03-27T04:00:00Z"}})");
  CHECK(task.headers.at("Authorization") == "Bearer pat-0123456789abcdef-us21");
  CHECK(task.headers.at("Idempotency-Key") == "0f3a9c5e77d1b2a1");
  CHECK_FALSE(task.headers.contains("Segue-Signature"));
  const Request set = told(kChurnedSet);
  CHECK(set.method == "POST");
  CHECK(set.url.ends_with("/v1/identify"));
  CHECK(set.body == R"({"type":"identify","messageId":"0f3a9c5e77d1b2a1","userId":"c-1",)"
                    R"("timestamp":"2026-03-26T04:00:00Z","traits":{"segue_rfv":"at_risk"}})");
  const Request track = told(kChurnedTrack);
  CHECK(track.url.ends_with("/v1/track"));
  CHECK(track.body == R"({"type":"track","messageId":"0f3a9c5e77d1b2a1","userId":"c-1",)"
                      R"("timestamp":"2026-03-26T04:00:00Z","event":"winback_finished",)"
                      R"("properties":{}})");
  CHECK(told(kChurnedMessage).body.find(R"("event":"call_due")") != std::string::npos);
}

TEST_CASE("churned: a later attempt puts the same task in the same place") {
  const auto connector = MakeVendorConnector("churned");
  std::vector batch = {DeliveryFor("churned", kChurnedTask, 1)};
  const Request first = Tell(*connector, batch).done.at(0).request;
  batch[0].attempts = 3;
  const Request again = Tell(*connector, batch).done.at(0).request;
  CHECK(again.url == first.url);
  CHECK(again.body == first.body);
}

TEST_CASE("churned: the header of the token can be named, and calls are signed like a webhook") {
  ConnectorSettings settings = VendorSettings("churned");
  settings.text["header"] = "X-Api-Key";
  settings.text["match.contact"] = "email";
  Secrets secrets = SecretsFor("churned");
  secrets["sign"] = "s1gn-secret";
  const auto connector = FindConnectorSpec("churned")->make(settings, secrets);
  const std::vector batch = {DeliveryFor("churned", kChurnedSet, 1)};
  const Request request = Tell(*connector, batch).done.at(0).request;
  CHECK(request.headers.at("X-Api-Key") == "pat-0123456789abcdef-us21");
  CHECK_FALSE(request.headers.contains("Authorization"));
  CHECK(request.headers.at("Segue-Signature") ==
        "t=1774497600,v1=" + HmacSha256Hex("s1gn-secret", "1774497600." + request.body));
  CHECK(request.body.find(R"("userId":"Person1@customer.example")") != std::string::npos);
}

TEST_CASE("churned: any 2xx is done, whatever it says") {
  std::vector<Row> rows;
  for (const int status : {200, 201, 202, 204}) {
    for (const char* body : {"", "{}", "OK", R"({"error":)"}) {
      rows.push_back({body, kChurnedTask, "/tasks/", Answer(status, body), {Kind::kAccepted}});
    }
  }
  const std::vector<Kind> refused = {Kind::kRefused};
  const std::vector<Kind> retry = {Kind::kRetry};
  for (const int status : {300, 302, 400, 403, 404, 409, 410, 415, 422}) {
    rows.push_back(
        {"refused", kChurnedTask, "/tasks/", Answer(status, "words"), refused, 0, "words"});
  }
  for (const int status : {408, 425, 429, 500, 502, 503, 504}) {
    rows.push_back(
        {"later", kChurnedTask, "/tasks/", With(Answer(status), "retry-after", "60"), retry, 60});
  }
  rows.push_back({"wrong token", kChurnedTask, "/tasks/", Answer(401), retry, 0,
                  "Churned refuses the connector's credentials"});
  rows.push_back(
      {"lost", kChurnedTask, "/tasks/", Failure(Reply::Kind::kLost, "reset"), {Kind::kUnknown}});
  CheckRows("churned", rows);
}

TEST_CASE("churned: without an address nothing is sent and nothing is lost") {
  const auto poor = FindConnectorSpec("churned")->make(VendorSettings("churned"), kVendorSecrets);
  const std::vector batch = {DeliveryFor("churned", kChurnedTask, 1)};
  const Told told = Tell(*poor, batch);
  CHECK(told.done.empty());
  CHECK(told.outcomes[0].kind == Kind::kRetry);
  CHECK(told.outcomes[0].detail.find("auth.url is missing") != std::string::npos);
}

TEST_CASE("churned: what it does not carry is refused before anybody is called") {
  const auto connector = MakeVendorConnector("churned");
  for (const char* use : {"", "journey 1/2", "event", "email 5"}) {
    INFO(use);
    std::vector batch = {DeliveryFor("churned", kChurnedMessage, 1)};
    batch[0].payload.name = use;
    CHECK(Tell(*connector, batch).done.empty());
    CHECK(Tell(*connector, batch).outcomes[0].kind == Kind::kRefused);
  }
  std::vector list = {DeliveryFor("churned", DeliveryKind::kAudience, 1)};
  CHECK(Tell(*connector, list).outcomes[0].kind == Kind::kRefused);
  std::vector odd = {DeliveryFor("churned", kChurnedTask, 1)};
  odd[0].key = "a\r\nHost: b";
  CHECK(Tell(*connector, odd).outcomes[0].kind == Kind::kRefused);
}

TEST_CASE("churned: only the file can say that a repeated call is harmless") {
  const auto connector = MakeVendorConnector("churned");
  for (const DeliveryKind kind : {kChurnedTask, kChurnedTrack, kChurnedMessage}) {
    const Delivery delivery = DeliveryFor("churned", kind, 1);
    CHECK(connector->Protects(delivery, Dedupe::kNone) == Dedupe::kNone);
    CHECK(connector->Protects(delivery, Dedupe::kLookup) == Dedupe::kNone);
    CHECK(connector->Protects(delivery, Dedupe::kKey) == Dedupe::kKey);
  }
  CHECK(connector->Protects(DeliveryFor("churned", kChurnedSet, 1), Dedupe::kNone) == Dedupe::kKey);
}

}  // namespace
}  // namespace segue
