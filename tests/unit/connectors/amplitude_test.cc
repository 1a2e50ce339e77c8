// Amplitude: what each of its answers means, and what it is told.

#include <doctest/doctest.h>

#include "unit/connectors/rows.h"

namespace segue {
namespace {

using Kind = Outcome::Kind;

constexpr auto kAmplitudeSet = DeliveryKind::kSet;
constexpr auto kAmplitudeTrack = DeliveryKind::kTrack;

Reply Wrong(const std::string& rest) {
  return Answer(400, R"({"code":400,"error":"Request missing required field",)" + rest + "}");
}

TEST_CASE("amplitude: of a batch with wrong events those are refused, and the others told again") {
  const std::string part = "/batch";
  CheckRows(
      "amplitude",
      {{"one has a wrong field",
        kAmplitudeTrack,
        part,
        Wrong(R"("events_with_invalid_fields":{"time":[1]})"),
        {Kind::kRetry, Kind::kRefused, Kind::kRetry},
        0,
        "for other events in it"},
       {"one lacks a field, one is silenced, one has a short id",
        kAmplitudeTrack,
        part,
        Wrong(R"("events_with_missing_fields":{"event_type":[0]},"silenced_events":[2],)"
              R"("events_with_invalid_id_lengths":{"user_id":[1]})"),
        {Kind::kRefused, Kind::kRefused, Kind::kRefused, Kind::kRetry},
        0,
        "events_with_missing_fields: event_type"},
       {"alone",
        kAmplitudeTrack,
        part,
        Wrong(R"("events_with_invalid_fields":{"time":[0]})"),
        {Kind::kRefused},
        0,
        "events_with_invalid_fields: time"},
       {"a place that is none",
        kAmplitudeTrack,
        part,
        Wrong(R"("events_with_invalid_fields":{"time":[9,-1,"x"]})"),
        {Kind::kSplit, Kind::kSplit}},
       {"none is listed",
        kAmplitudeTrack,
        part,
        Wrong(R"("missing_field":"events")"),
        {Kind::kSplit, Kind::kSplit}},
       {"a wrong key",
        kAmplitudeTrack,
        part,
        Answer(400, R"({"code":400,"error":"Invalid API key: 0123"})"),
        {Kind::kRetry, Kind::kRetry},
        0,
        "Amplitude refuses the API key"},
       {"no key", kAmplitudeTrack, part, Wrong(R"("missing_field":"api_key")"), {Kind::kRetry}},
       {"another code in a 200",
        kAmplitudeTrack,
        part,
        Answer(200, R"({"code":400})"),
        {Kind::kUnknown}}});
}

TEST_CASE("amplitude: who has more events than a day has room for waits an hour") {
  const std::string part = "/batch";
  CheckRows("amplitude",
            {{"too many at once",
              kAmplitudeTrack,
              part,
              Answer(429, R"({"code":429,"eps_threshold":30,"throttled_users":{"c-1":32}})"),
              {Kind::kRetry, Kind::kRetry}},
             {"too many of the day",
              kAmplitudeTrack,
              part,
              Answer(429, R"({"code":429,"exceeded_daily_quota_users":{"c-1":500001}})"),
              {Kind::kRetry, Kind::kRetry},
              3600},
             {"of somebody else's day",
              kAmplitudeTrack,
              part,
              Answer(429, R"({"code":429,"exceeded_daily_quota_users":{"c-2":500001}})"),
              {Kind::kRetry, Kind::kRetry},
              0},
             {"with Retry-After",
              kAmplitudeTrack,
              part,
              With(Answer(429, R"({"code":429})"), "retry-after", "30"),
              {Kind::kRetry},
              30}});
}

TEST_CASE("amplitude: limits and failures") {
  for (const auto& [kind, part] : std::vector<std::pair<DeliveryKind, std::string>>{
           {kAmplitudeSet, "/identify"}, {kAmplitudeTrack, "/batch"}}) {
    INFO(part);
    CheckRows("amplitude",
              {{"400", kind, part, Answer(400, "wrong"), {Kind::kRefused}, 0, "wrong"},
               {"400 of several", kind, part, Answer(400), {Kind::kSplit, Kind::kSplit}},
               {"401",
                kind,
                part,
                Answer(401),
                {Kind::kRetry},
                0,
                "Amplitude refuses the connector's credentials"},
               {"404", kind, part, Answer(404), {Kind::kRefused}},
               {"413 of several", kind, part, Answer(413), {Kind::kSplit, Kind::kSplit}},
               {"413 alone", kind, part, Answer(413), {Kind::kRefused}},
               {"429", kind, part, Answer(429), {Kind::kRetry}},
               {"500", kind, part, Answer(500), {Kind::kRetry}},
               {"502", kind, part, Answer(502), {Kind::kRetry}},
               {"503", kind, part, Answer(503), {Kind::kRetry}},
               {"504", kind, part, Answer(504), {Kind::kRetry}},
               {"timeout before the body",
                kind,
                part,
                Failure(Reply::Kind::kNotSent, "timed out"),
                {Kind::kRetry}},
               {"timeout after it",
                kind,
                part,
                Failure(Reply::Kind::kLost, "timed out"),
                {Kind::kUnknown}}});
  }
}

TEST_CASE("amplitude: what it is told of an event and of a user") {
  Secrets secrets = kVendorSecrets;
  secrets["token"] = "amp-key:amp-secret";  // As the source of this type wants it.
  const auto connector = FindConnectorSpec("amplitude")->make(VendorSettings("amplitude"), secrets);
  std::vector track = {DeliveryFor("amplitude", kAmplitudeTrack, 1)};
  track[0].payload.values = {{"level", "7"}};
  const Request event = Tell(*connector, track).done[0].request;
  CHECK(event.url == "https://api2.amplitude.com/batch");
  CHECK(event.body ==
        R"({"api_key":"amp-key","events":[{"user_id":"c-1","event_type":"winback_finished",)"
        R"("time":1774497600000,"insert_id":"0f3a9c5e77d1b2a1","event_properties":{"level":"7"}}],)"
        R"("options":{"min_id_length":1}})");
  const std::vector set = {DeliveryFor("amplitude", kAmplitudeSet, 1),
                           DeliveryFor("amplitude", kAmplitudeSet, 2)};
  const Request identify = Tell(*connector, set).done[0].request;
  CHECK(identify.url == "https://api2.amplitude.com/identify");
  CHECK(identify.headers.at("Content-Type") == "application/x-www-form-urlencoded");
  CHECK(UrlDecode(identify.body) ==
        R"(api_key=amp-key&identification=[{"user_id":"c-1","user_properties":{"$set":)"
        R"({"segue_rfv":"at_risk"}}},{"user_id":"c-2","user_properties":{"$set":)"
        R"({"segue_rfv":"at_risk"}}}])");
  const Told echo = TellWith(*connector, track, "/batch",
                             Answer(400, R"({"error":"Invalid API key: amp-key, amp-secret"})"));
  CHECK(echo.outcomes[0].detail.find("amp-key") == std::string::npos);
  CHECK(echo.outcomes[0].detail.find("amp-secret") == std::string::npos);
}

}  // namespace
}  // namespace segue
