// Lines in the Segment shape: each call, its time, its event, and what is bad about it.

#include <string>
#include <utility>
#include <vector>

#include <boost/json.hpp>
#include <doctest/doctest.h>

#include "support/golden.h"
#include "unit/sources/jsonl_fixture.h"

namespace segue {
namespace {

std::string Call(const std::string& line, const Source& source = Lines("a.jsonl")) {
  return OneLine(source, SegmentShop(), line);
}

// A track call with more keys.
std::string Track(const std::string& more) {
  return R"({"type": "track", "event": "Order Placed", "userId": "u1", )" + more + "}";
}

TEST_CASE("track is an event: known by its name in snake case, its fields by theirs") {
  const std::string order = "u1 2026-03-01T08:00:00Z 'A1' 1250 2000000 'web' - - - key m1";
  CHECK(
      Call(Track(R"("messageId": "m1", "timestamp": "2026-03-01T08:00:00Z", "properties":)"
                 R"( {"orderId": "A1", "amount": 12.5, "Items": 2, "channel": "web", "x": 1})")) ==
      order);
  CHECK(Call(R"({"type": "track", "event": "orderPlaced", "userId": "u1", "messageId": "m1",)"
             R"( "timestamp": "2026-03-01T09:00:00+01:00", "properties":)"
             R"( {"order_id": "A1", "amount": "12.50", "items": 2.0, "channel": "web"}})") ==
        order);
  // The exact name wins.
  CHECK(Call(Track(
            R"("timestamp": "2026-03-01", "properties": {"orderId": "B", "order_id": "A"})")) ==
        "u1 2026-03-01T00:00:00Z 'A' - - - - - -");
  CHECK(Call(Track(R"("timestamp": "2026-03-01", "userId2": 1)")) ==
        "u1 2026-03-01T00:00:00Z - - - - - - -");
}

TEST_CASE("map names events, fields and traits whose names are others") {
  Source source = Lines("a.jsonl");
  source.map = {{.target = "order_placed", .expression = "Completed Order", .place = {}},
                {.target = "order_placed.amount", .expression = "cart.cents / 100", .place = {}},
                {.target = "order_placed.order_id", .expression = "checkout id", .place = {}},
                {.target = "customer.email", .expression = "contact.mail", .place = {}}};
  CHECK(Call(R"({"type": "track", "event": "Completed Order", "userId": 5, "timestamp":)"
             R"( "2026-03-01", "properties": {"checkout id": "A", "cart": {"cents": 199}}})",
             source) == "5 2026-03-01T00:00:00Z 'A' 199 - - - - -");
  CHECK(Call(R"({"type": "identify", "userId": "u", "timestamp": "2026-03-01", "traits":)"
             R"( {"contact": {"mail": "a@b.example"}}})",
             source) == "u 2026-03-01T00:00:00Z trait 0 = 'a@b.example'");
}

TEST_CASE("an event or trait that the workspace does not name is ignored and counted") {
  CHECK(
      Call(
          R"({"type": "track", "event": "Cart Viewed", "userId": "u", "timestamp": "2026-03-01"})") ==
      "ignored");
  CHECK(Call(R"({"type": "screen", "name": "Home", "userId": "u", "timestamp": "2026-03-01"})") ==
        "ignored");
  CHECK(
      Call(
          R"({"type": "identify", "userId": "u", "timestamp": "2026-03-01", "traits": {"x": 1}})") ==
      "ignored");
  CHECK(Call(R"({"type": "page", "name": "Home", "userId": "u", "timestamp": "2026-03-01",)"
             R"( "properties": {"title": "Start", "address": {"city": "Lisboa"}}})") ==
        "u 2026-03-01T00:00:00Z 'Start' 'Lisboa'");
}

TEST_CASE("a call without a user is anonymous") {
  CHECK(
      Call(
          R"({"type": "track", "event": "Order Placed", "anonymousId": "a", "timestamp": "2026-03-01"})") ==
      "anonymous");
  CHECK(
      Call(
          R"({"type": "identify", "userId": "", "timestamp": "2026-03-01", "traits": {"email": "a"}})") ==
      "anonymous");
  CHECK(Call(R"({"type": "group", "groupId": "g", "timestamp": "2026-03-01"})") == "anonymous");
}

TEST_CASE(
    "identify sets the traits that it has, group the account, alias makes two customers one") {
  CHECK(
      Call(
          R"({"type": "identify", "userId": "u", "timestamp": "2026-03-01", "traits":)"
          R"( {"email": "a@b.example", "emailConsent": true, "credit": null, "plan": {"a": 1}}})") ==
      "u 2026-03-01T00:00:00Z trait 0 = 'a@b.example'; u 2026-03-01T00:00:00Z trait 1 = 1; "
      "u 2026-03-01T00:00:00Z trait 2 = -");
  CHECK(Call(R"({"type": "group", "userId": "u", "groupId": "acme", "timestamp": "2026-03-01",)"
             R"( "traits": {"email": "office@acme.example"}})") ==
        "u 2026-03-01T00:00:00Z trait 3 = 'acme'");
  CHECK(
      Call(R"({"type": "alias", "userId": "u", "previousId": "old", "timestamp": "2026-03-01"})") ==
      "u is old 2026-03-01T00:00:00Z");
}

TEST_CASE("the time is the timestamp, else the device's, set right by what its clock was wrong") {
  const auto time = [](const std::string& keys) {
    const std::string text = Call(Track(keys));
    return text.substr(0, 3) == "u1 " ? text.substr(3, text.find(' ', 3) - 3) : text;
  };
  const std::string original = R"("originalTimestamp": "2026-03-01T08:00:00Z")";
  const std::string sent = R"("sentAt": "2026-03-01T08:00:05Z")";
  const std::string received = R"("receivedAt": "2026-03-01T09:00:05.5Z")";
  CHECK(time(R"("timestamp": "2026-03-01T07:00:00Z", )" + original) == "2026-03-01T07:00:00Z");
  CHECK(time(original + ", " + sent + ", " + received) == "2026-03-01T09:00:00.5Z");
  CHECK(time(original + ", " + sent) == "2026-03-01T08:00:00Z");
  CHECK(time(sent + ", " + received) == "2026-03-01T09:00:05.5Z");
  CHECK(time(sent) == "2026-03-01T08:00:05Z");
  CHECK(time(R"("timestamp": null, )" + sent) == "2026-03-01T08:00:05Z");
  CHECK(time(R"("messageId": "m")") == "bad timestamp: the line does not say when it happened");
  CHECK(time(R"("sentAt": "today")").find("bad sentAt: ") == 0);
  CHECK(time(R"("timestamp": 1424730535)").find("bad timestamp: ") == 0);
}

TEST_CASE("what is bad is called as it stands in the line") {
  const std::string time = R"("timestamp": "2026-03-01", )";
  CHECK(
      Call(Track(time + R"("properties": {"amount": "a lot"})")).find("bad properties.amount: ") ==
      0);
  CHECK(
      Call(Track(time + R"("properties": {"channel": "fax"})")).find("bad properties.channel: ") ==
      0);
  CHECK(Call(Track(time + R"("properties": {"channel": ["web"]})")) ==
        "bad properties.channel: the field holds a list or an object, not a value");
  CHECK(Call(Track(time + R"("messageId": ")" + std::string(300, 'm') + '"')) ==
        "bad messageId: a messageId has at most 256 bytes, this one has 300");
  CHECK(Call(R"({"type": "track", "userId": "u"})") ==
        "bad event: the line does not say which event it is");
  CHECK(Call(R"({"userId": "u"})") ==
        "bad type: the line has no type; it is track, identify, group, alias, page or screen");
  CHECK(Call(R"({"type": "Track"})") ==
        "bad type: \"Track\" is not track, identify, group, alias, page or screen");
  CHECK(Call(R"({"type": "group", "userId": "u", "timestamp": "2026-03-01"})") ==
        "bad groupId: the line does not say which account it is about");
  CHECK(Call(R"({"type": "alias", "userId": "u", "timestamp": "2026-03-01"})") ==
        "bad previousId: the line does not say which two customers are one");
  CHECK(Call(R"({"type": "track", "event": "Order Placed", "userId": ")" + std::string(300, 'u') +
             R"(", "timestamp": "2026-03-01"})") ==
        "bad userId: a customer's key has at most 256 bytes, this one has 300");
  Source source = Lines("a.jsonl");
  source.currency = "";
  source.currency_column = "currency";
  CHECK(Call(Track(time + R"("properties": {"amount": 1, "currency": "USD"})"), source) ==
        "bad properties.currency: the amount is in \"USD\", this workspace keeps EUR");
  CHECK(Call(Track(time + R"("properties": {"amount": 1, "currency": "EUR"})"), source) ==
        "u1 2026-03-01T00:00:00Z - 100 - - - - -");
}

TEST_CASE("identify that says no is heard although another trait cannot be read") {
  Workspace workspace = SegmentShop();
  workspace.consent = {{"email", 1}};
  const auto identify = [&](const std::string& traits) {
    return OneLine(Lines("a.jsonl"), workspace,
                   R"({"type": "identify", "userId": "u1", "timestamp": "2026-03-01", "traits": )" +
                       traits + "}");
  };
  CHECK(identify(R"({"email_consent": false, "email": {"home": "x"}})") ==
        "u1 2026-03-01T00:00:00Z trait 1 = 0; bad traits.email: the field holds a list or an "
        "object, not a value");
  CHECK(identify(R"({"email_consent": "no", "credit": "x"})")
            .starts_with("u1 2026-03-01T00:00:00Z trait 1 = 0; bad traits.credit: "));
}

TEST_CASE("the calls that Segment itself shows are read") {
  const std::optional<std::string> folder = Shared("data/payloads/segment");
  if (!folder) {
    return;
  }
  const auto line = [&](const std::string& name) {
    return boost::json::serialize(boost::json::parse(ReadFile(*folder + "/" + name)));
  };
  Source source = Lines("a.jsonl");
  source.map = {{.target = "page", .expression = "Course Clicked", .place = {}}};
  CHECK(Call(line("track.json"), source) ==
        "AiUGstSDIg 2015-12-12T19:11:01.249Z 'Intro to Analytics' - key "
        "ajs-f8ca1e4de5024d9430b3928bd8ac6b96");
  CHECK(Call(line("identify.json"), source) ==
        "97980cfea0067 2015-02-23T22:28:55.111Z trait 0 = 'peter@example.com'");
}

}  // namespace
}  // namespace segue
