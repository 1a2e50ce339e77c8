// Pendo: what each of its answers means, and what it is told.

#include <doctest/doctest.h>

#include "unit/connectors/rows.h"

namespace segue {
namespace {

using Kind = Outcome::Kind;

constexpr auto kPendoSet = DeliveryKind::kSet;
constexpr auto kPendoMessage = DeliveryKind::kMessage;
constexpr auto kPendoAudience = DeliveryKind::kAudience;
constexpr auto kPendoTrack = DeliveryKind::kTrack;

Reply Written(const std::string& rest) {
  return Answer(200, R"({"total":3,"updated":2,)" + rest + "}");
}

Reply Changed(const std::string& statuses) {
  return Answer(200, R"({"multistatus":[)" + statuses + "]}");
}

TEST_CASE("pendo: a batch of visitors has an outcome for each that is missing") {
  const std::string part = "/metadata/";
  CheckRows(
      "pendo",
      {{"one is missing",
        kPendoSet,
        part,
        Written(R"("failed":0,"missing":["c-2"],"errors":[])"),
        {Kind::kAccepted, Kind::kRefused, Kind::kAccepted}},
       {"the first is missing, and counted as failed",
        kPendoSet,
        part,
        Written(R"("failed":1,"missing":["c-1"])"),
        {Kind::kRefused, Kind::kAccepted},
        0,
        "Pendo has not seen this visitor"},
       {"somebody's value is wrong, so each is tried alone",
        kPendoSet,
        part,
        Written(R"("failed":1,"missing":[],"errors":["field segue_rfv: no such value"])"),
        {Kind::kSplit, Kind::kSplit}},
       {"one failed, nobody says who",
        kPendoSet,
        part,
        Written(R"("failed":1)"),
        {Kind::kSplit, Kind::kSplit}},
       {"alone the error is its own",
        kPendoSet,
        part,
        Written(R"("failed":1,"errors":["field segue_rfv: no such value"])"),
        {Kind::kRefused},
        0,
        "Pendo: field segue_rfv: no such value"},
       {"alone and failed",
        kPendoSet,
        part,
        Written(R"("failed":1)"),
        {Kind::kRefused},
        0,
        "1 failed"},
       {"nothing but the count", kPendoSet, part, Written(R"("failed":0)"), {Kind::kAccepted}},
       {"another shape", kPendoSet, part, Answer(200, R"({"ok":true})"), {Kind::kUnknown}}});
}

TEST_CASE("pendo: limits, rights and locks") {
  for (const auto& [kind, part] :
       std::vector<std::pair<DeliveryKind, std::string>>{{kPendoSet, "/metadata/"},
                                                         {kPendoMessage, "/metadata/"},
                                                         {kPendoMessage, "/segment/"},
                                                         {kPendoAudience, "/segment/"},
                                                         {kPendoTrack, "/data/track"}}) {
    INFO(part);
    CheckRows("pendo",
              {{"400", kind, part, Answer(400, "bad request"), {Kind::kRefused}, 0, "bad request"},
               {"401",
                kind,
                part,
                Answer(401, "no key"),
                {Kind::kRetry},
                0,
                "Pendo refuses the connector's credentials"},
               {"403", kind, part, Answer(403), {Kind::kRetry}, 0, "the key may not write"},
               {"408, alone", kind, part, Answer(408), {Kind::kRetry}},
               {"409, somebody else is at it", kind, part, Answer(409), {Kind::kRetry}},
               {"429", kind, part, Answer(429), {Kind::kRetry}},
               {"429 with Retry-After",
                kind,
                part,
                With(Answer(429), "retry-after", "30"),
                {Kind::kRetry},
                30},
               {"500", kind, part, Answer(500), {Kind::kRetry}},
               {"503", kind, part, Answer(503), {Kind::kRetry}}});
  }
  CheckRows("pendo",
            {{"408 of several", kPendoSet, "/metadata/", Answer(408), {Kind::kSplit, Kind::kSplit}},
             {"413", kPendoSet, "/metadata/", Answer(413), {Kind::kSplit, Kind::kSplit}}});
}

TEST_CASE("pendo: a segment's change has a status of its own") {
  const std::string part = "/segment/";
  CheckRows("pendo",
            {{"all went well",
              kPendoMessage,
              part,
              Changed(R"({"status":200,"operation":"add"})"),
              {Kind::kAccepted, Kind::kAccepted}},
             {"in progress",
              kPendoAudience,
              part,
              Changed(R"({"status":409,"operation":"add","message":"in progress"})"),
              {Kind::kRetry, Kind::kRetry},
              0,
              "in progress"},
             {"a wrong id among them",
              kPendoAudience,
              part,
              Changed(R"({"status":400,"message":"bad visitor"})"),
              {Kind::kSplit, Kind::kSplit}},
             {"the wrong id itself",
              kPendoAudience,
              part,
              Changed(R"({"status":400,"message":"bad visitor"})"),
              {Kind::kRefused},
              0,
              "bad visitor"},
             {"it fails there", kPendoAudience, part, Changed(R"({"status":503})"), {Kind::kRetry}},
             {"no status", kPendoAudience, part, Changed("{}"), {Kind::kUnknown}},
             {"no list of them", kPendoAudience, part, Answer(200, "{}"), {Kind::kUnknown}},
             {"no such segment",
              kPendoMessage,
              part,
              Answer(404),
              {Kind::kRetry, Kind::kRetry},
              0,
              "Pendo has no segment unused-feature"}});
}

TEST_CASE("pendo: a message writes its values, and those whom Pendo has seen join the segment") {
  const auto connector = MakeVendorConnector("pendo");
  std::vector batch = {DeliveryFor("pendo", kPendoMessage, 1),
                       DeliveryFor("pendo", kPendoMessage, 2)};
  const Told told = Tell(*connector, batch);
  REQUIRE(told.done.size() == 2);
  const Request& write = told.done[0].request;
  CHECK(write.url == "https://app.pendo.io/api/v1/metadata/visitor/custom/value");
  CHECK(write.headers.at("x-pendo-integration-key") == kVendorSecrets.at("token"));
  CHECK(write.body == R"([{"visitorId":"c-1","values":{"feature":"reports"}},)"
                      R"({"visitorId":"c-2","values":{"feature":"reports"}}])");
  const Request& join = told.done[1].request;
  CHECK(join.method == "PATCH");
  CHECK(join.url == "https://app.pendo.io/api/v1/segment/unused-feature/visitor");
  CHECK(join.body == R"({"patch":[{"op":"add","path":"/visitors","value":["c-1","c-2"]}]})");
  const Told one =
      TellWith(*connector, batch, "/metadata/", Written(R"("failed":0,"missing":["c-1"])"));
  CHECK(one.outcomes[0].kind == Kind::kRefused);
  CHECK(one.outcomes[1].kind == Kind::kAccepted);
  CHECK(one.done.back().request.body.find(R"("value":["c-2"])") != std::string::npos);
  const Told none =
      TellWith(*connector, batch, "/metadata/", Written(R"("failed":0,"missing":["c-1","c-2"])"));
  CHECK(none.done.size() == 1);
  batch.resize(1);
  batch[0].payload.values.clear();
  CHECK(Tell(*connector, batch).done.size() == 1);
}

TEST_CASE("pendo: segments, guides and what is no message") {
  const auto connector = MakeVendorConnector("pendo");
  std::vector batch = {DeliveryFor("pendo", kPendoAudience, 1)};
  batch[0].payload.name = "a/b";
  batch[0].payload.values["action"] = "remove";
  const Request request = Tell(*connector, batch).done[0].request;
  CHECK(request.url == "https://app.pendo.io/api/v1/segment/a%2Fb/visitor");
  CHECK(request.body == R"({"patch":[{"op":"remove","path":"/visitors","value":["c-1"]}]})");
  Delivery joins = batch[0], elsewhere = batch[0];
  joins.payload.values["action"] = "add";
  elsewhere.payload.name = "other";
  CHECK(connector->Together(batch[0], batch[0]));
  CHECK_FALSE(connector->Together(batch[0], joins));
  CHECK_FALSE(connector->Together(batch[0], elsewhere));
  for (const char* use : {"", "guide 7", "segment", "segment ", "segments 7"}) {
    std::vector message = {DeliveryFor("pendo", kPendoMessage, 1)};
    message[0].payload.name = use;
    const Told told = Tell(*connector, message);
    INFO(use);
    CHECK(told.done.empty());
    CHECK(told.outcomes[0].kind == Kind::kRefused);
  }
}

TEST_CASE("pendo: an event is told with its own secret, and no larger than Pendo takes") {
  const auto connector = MakeVendorConnector("pendo");
  std::vector batch = {DeliveryFor("pendo", kPendoTrack, 1)};
  const Request request = Tell(*connector, batch).done[0].request;
  CHECK(request.url == "https://app.pendo.io/data/track");
  CHECK(request.headers.at("x-pendo-integration-key") == "pendo-track-secret");
  CHECK(request.body == R"({"type":"track","event":"winback_finished","visitorId":"c-1",)"
                        R"("timestamp":1774497600000,"properties":{}})");
  for (const auto& [name, text] : std::vector<std::pair<std::string, std::string>>{
           {"7th", "x"}, {"a-b", "x"}, {std::string(33, 'a'), "x"}, {"a", std::string(513, 'x')}}) {
    batch[0].payload.values = {{name, text}};
    const Told told = Tell(*connector, batch);
    INFO(name);
    CHECK(told.done.empty());
    CHECK(told.outcomes[0].kind == Kind::kRefused);
  }
  Secrets secrets = kVendorSecrets;
  secrets.erase("track");
  batch[0].payload.values.clear();
  const auto without = FindConnectorSpec("pendo")->make(VendorSettings("pendo"), secrets);
  const Told told = Tell(*without, batch);
  CHECK(told.outcomes[0].kind == Kind::kRetry);
  CHECK(told.outcomes[0].detail.find("auth.track is missing") != std::string::npos);
}

TEST_CASE("pendo: visitors are known by our key, or by their address where the file says so") {
  std::vector batch = {DeliveryFor("pendo", kPendoSet, 1), DeliveryFor("pendo", kPendoSet, 2)};
  batch[1].customer_key = "C-1";  // Another customer: our keys tell the size of letters apart.
  CHECK(Tell(*MakeVendorConnector("pendo"), batch).done[0].request.body ==
        R"([{"visitorId":"c-1","values":{"segue_rfv":"at_risk"}},)"
        R"({"visitorId":"C-1","values":{"segue_rfv":"at_risk"}}])");
  ConnectorSettings settings = VendorSettings("pendo");
  settings.text["match.contact"] = "email";
  const auto by_address = FindConnectorSpec("pendo")->make(settings, kVendorSecrets);
  CHECK(Tell(*by_address, batch).done[0].request.body.find("Person1@customer.example") !=
        std::string::npos);
}

TEST_CASE("pendo: only events are not protected from being told twice") {
  const auto connector = MakeVendorConnector("pendo");
  for (const DeliveryKind kind : FindConnectorSpec("pendo")->carries()) {
    CHECK(connector->Protects(DeliveryFor("pendo", kind, 1), Dedupe::kNone) ==
          (kind == kPendoTrack ? Dedupe::kNone : Dedupe::kKey));
  }
}

}  // namespace
}  // namespace segue
