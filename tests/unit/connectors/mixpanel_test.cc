// Mixpanel: what each of its answers means, and what it is told.

#include <doctest/doctest.h>

#include "unit/connectors/rows.h"

namespace segue {
namespace {

using Kind = Outcome::Kind;

constexpr auto kMixpanelSet = DeliveryKind::kSet;
constexpr auto kMixpanelTrack = DeliveryKind::kTrack;

// A refusal in strict mode, with how many were taken and which failed.
Reply FailedRecords(int taken, const std::vector<std::string>& indexes) {
  std::string records;
  for (const std::string& index : indexes) {
    records += (records.empty() ? "" : ",") +
               (R"({"index":)" + index +
                R"(,"insert_id":"x","field":"properties.time","message":"is wrong"})");
  }
  return Answer(400, R"({"code":400,"num_records_imported":)" + std::to_string(taken) +
                         R"(,"status":"Bad Request","failed_records":[)" + records + "]}");
}

TEST_CASE("mixpanel: of a batch each failed record is refused, and the others were taken") {
  for (const auto& [kind, part] : std::vector<std::pair<DeliveryKind, std::string>>{
           {kMixpanelTrack, "/import"}, {kMixpanelSet, "/engage"}}) {
    INFO(part);
    CheckRows("mixpanel",
              {{"the first",
                kind,
                part,
                FailedRecords(2, {"0"}),
                {Kind::kRefused, Kind::kAccepted, Kind::kAccepted},
                0,
                "Mixpanel: properties.time: is wrong"},
               {"two, their places as numbers with a point",
                kind,
                part,
                FailedRecords(1, {"0.0", "2.0"}),
                {Kind::kRefused, Kind::kAccepted, Kind::kRefused}},
               {"all", kind, part, FailedRecords(0, {"0", "1"}), {Kind::kRefused, Kind::kRefused}},
               {"fewer were taken than did not fail",
                kind,
                part,
                FailedRecords(0, {"0"}),
                {Kind::kRefused, Kind::kUnknown}},
               {"a place that is none",
                kind,
                part,
                FailedRecords(1, {"7"}),
                {Kind::kSplit, Kind::kSplit}},
               {"a place that is no number",
                kind,
                part,
                FailedRecords(1, {"null"}),
                {Kind::kSplit, Kind::kSplit}},
               {"alone", kind, part, FailedRecords(0, {"0"}), {Kind::kRefused}},
               {"none is listed",
                kind,
                part,
                Answer(400, R"({"code":400,"error":"some data points failed","status":"Bad"})"),
                {Kind::kSplit, Kind::kSplit}},
               {"413",
                kind,
                part,
                Answer(413, R"({"code":413,"error":"exceeds 2097152 bytes"})"),
                {Kind::kSplit, Kind::kSplit}},
               {"401",
                kind,
                part,
                Answer(401, R"({"code":401,"error":"Invalid credentials"})"),
                {Kind::kRetry, Kind::kRetry},
                0,
                "Mixpanel refuses the connector's credentials"},
               {"403", kind, part, Answer(403, R"({"error":"no"})"), {Kind::kRefused}},
               {"429", kind, part, Answer(429, R"({"code":429})"), {Kind::kRetry}},
               {"429 with Retry-After",
                kind,
                part,
                With(Answer(429), "retry-after", "60"),
                {Kind::kRetry},
                60},
               {"502", kind, part, Answer(502), {Kind::kRetry}},
               {"503", kind, part, Answer(503), {Kind::kRetry}}});
  }
}

TEST_CASE("mixpanel: a 200 says how many were taken, or whether any was") {
  CheckRows(
      "mixpanel",
      {{"fewer than were told",
        kMixpanelTrack,
        "/import",
        Answer(200, R"({"code":200,"num_records_imported":1,"status":"OK"})"),
        {Kind::kUnknown, Kind::kUnknown}},
       {"1", kMixpanelSet, "/engage", Answer(200, "1"), {Kind::kAccepted, Kind::kAccepted}},
       {"0", kMixpanelSet, "/engage", Answer(200, "0"), {Kind::kRefused}},
       {"0 of several", kMixpanelSet, "/engage", Answer(200, "0"), {Kind::kSplit, Kind::kSplit}},
       {"verbose no",
        kMixpanelSet,
        "/engage",
        Answer(200, R"({"status":0,"error":"$token is missing"})"),
        {Kind::kRefused},
        0,
        "$token is missing"},
       {"strict yes",
        kMixpanelSet,
        "/engage",
        Answer(200, R"({"code":200,"num_records_imported":1,"status":"OK"})"),
        {Kind::kAccepted}},
       {"neither",
        kMixpanelSet,
        "/engage",
        Answer(200, R"({"status":"maybe"})"),
        {Kind::kUnknown}}});
}

TEST_CASE("mixpanel: an event has a hash of our key, the same at each attempt") {
  const auto connector = MakeVendorConnector("mixpanel");
  std::vector batch = {DeliveryFor("mixpanel", kMixpanelTrack, 1)};
  batch[0].payload.values = {{"level", "7"}, {"time", "ours"}};
  const Request request = Tell(*connector, batch).done[0].request;
  CHECK(request.url == "https://api.mixpanel.com/import?strict=1&project_id=2719813");
  CHECK(request.body ==
        R"([{"event":"winback_finished","properties":{"level":"7","time":1774497600,)"
        R"("distinct_id":"c-1","$insert_id":"afae9adc-d644-9664-8587-10214dc4c3d8"}}])");
  batch[0].attempts = 3;
  CHECK(Tell(*connector, batch).done[0].request.body == request.body);
}

TEST_CASE("mixpanel: a profile is written without moving the person or showing them as seen") {
  const auto connector = MakeVendorConnector("mixpanel");
  const std::vector batch = {DeliveryFor("mixpanel", kMixpanelSet, 1)};
  const Request request = Tell(*connector, batch).done[0].request;
  CHECK(request.url == "https://api.mixpanel.com/engage?ip=0&strict=1&verbose=1");
  CHECK(request.body == R"([{"$token":"mp-project-token","$distinct_id":"c-1",)"
                        R"("$ignore_time":true,"$set":{"segue_rfv":"at_risk"}}])");
  CHECK(request.headers.count("Authorization") == 0);
}

TEST_CASE("mixpanel: who may write what") {
  const std::vector set = {DeliveryFor("mixpanel", kMixpanelSet, 1)};
  const std::vector track = {DeliveryFor("mixpanel", kMixpanelTrack, 1)};
  const auto with = [](const Secrets& secrets) {
    return FindConnectorSpec("mixpanel")->make(VendorSettings("mixpanel"), secrets);
  };
  const auto account = with({{"project", "7"}, {"token", "segue.1:s3cret-part"}});
  CHECK(Tell(*account, track).done[0].request.headers.at("Authorization") ==
        "Basic c2VndWUuMTpzM2NyZXQtcGFydA==");
  const Told none = Tell(*account, set);
  CHECK(none.done.empty());
  CHECK(none.outcomes[0].kind == Kind::kRetry);
  CHECK(none.outcomes[0].detail.find("auth.project_token is missing") != std::string::npos);
  const Told echo = TellWith(*account, track, "/import", Answer(400, "it is s3cret-part"));
  CHECK(echo.outcomes[0].detail.find("s3cret-part") == std::string::npos);
  // The project's own token does both.
  const auto token = with({{"project", "7"}, {"token", "0123456789abcdef"}});
  CHECK(Tell(*token, track).done[0].request.headers.at("Authorization") ==
        "Basic MDEyMzQ1Njc4OWFiY2RlZjo=");
  CHECK(Tell(*token, set).done[0].request.body.find(R"("$token":"0123456789abcdef")") !=
        std::string::npos);
  const auto nowhere = with({{"token", "0123456789abcdef"}});
  CHECK(Tell(*nowhere, track).outcomes[0].detail.find("auth.project is missing") !=
        std::string::npos);
}

TEST_CASE(
    "mixpanel and amplitude: ids that stand for nobody are refused, and so is what they do not "
    "carry") {
  for (const std::string type : {"mixpanel", "amplitude"}) {
    const auto connector = MakeVendorConnector(type);
    for (const char* id : {"null", "None", "0", "-1", "anonymous", " undefined ", "true",
                           "00000000-0000-0000-0000-000000000000"}) {
      std::vector batch = {DeliveryFor(type, kMixpanelTrack, 1)};
      batch[0].customer_key = id;
      const Told told = Tell(*connector, batch);
      INFO(id);
      CHECK(told.done.empty());
      CHECK(told.outcomes[0].kind == Kind::kRefused);
    }
    for (const DeliveryKind kind :
         {DeliveryKind::kMessage, DeliveryKind::kTask, DeliveryKind::kAudience}) {
      const std::vector batch = {DeliveryFor(type, kind, 1)};
      CHECK(Tell(*connector, batch).outcomes[0].detail.find("fields and events only") !=
            std::string::npos);
    }
    CHECK(connector->Protects(DeliveryFor(type, kMixpanelTrack, 1), Dedupe::kNone) == Dedupe::kKey);
    CHECK(connector->Protects(DeliveryFor(type, kMixpanelSet, 1), Dedupe::kNone) == Dedupe::kKey);
  }
}

}  // namespace
}  // namespace segue
