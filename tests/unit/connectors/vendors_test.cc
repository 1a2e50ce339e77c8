// Every class of status, every way to fail and every form of Retry-After, for each kind of call
// that each vendor's connector makes.

#include <doctest/doctest.h>

#include "unit/connectors/rows.h"

namespace segue {
namespace {

using Kind = Outcome::Kind;

// A call that changes something at the vendor.
struct Act {
  std::string type;
  DeliveryKind kind;
  std::string part;    // Of its address.
  bool empty_is_done;  // A 2xx says all; its body is not needed.
  std::string use = {};
  std::size_t batch = 1;
  bool account = false;
};

const std::vector<Act>& Acts() {
  static const std::vector<Act> acts = {
      {"hubspot", DeliveryKind::kSet, "/batch/upsert", false},
      {"hubspot", DeliveryKind::kSet, "/batch/upsert", false, "", 3},
      {"hubspot", DeliveryKind::kSet, "/companies/batch/upsert", false, "", 1, true},
      {"hubspot", DeliveryKind::kSet, "/companies/batch/upsert", false, "", 3, true},
      {"hubspot", DeliveryKind::kTask, "/objects/tasks", true},
      {"hubspot", DeliveryKind::kAudience, "/memberships/", false},
      {"hubspot", DeliveryKind::kAudience, "/memberships/", false, "", 3},
      {"hubspot", DeliveryKind::kMessage, "/single-email/", false},
      {"hubspot", DeliveryKind::kTrack, "/events/", true},
      {"hubspot", DeliveryKind::kTrack, "/events/", true, "", 3},
      {"mailchimp", DeliveryKind::kSet, "/members/", false},
      {"mailchimp", DeliveryKind::kSet, "/3.0/batches", false, "", 3},
      {"mailchimp", DeliveryKind::kAudience, "/tags", true},
      {"mailchimp", DeliveryKind::kTrack, "/events", true},
      {"mailchimp", DeliveryKind::kMessage, "/trigger", true, "journey 12/3"},
      {"mailchimp", DeliveryKind::kMessage, "/messages/send", false},
      {"mailchimp", DeliveryKind::kMessage, "/messages/send", false, "template welcome"},
      {"salesforce", DeliveryKind::kSet, "/composite/", false},
      {"salesforce", DeliveryKind::kSet, "/composite/", false, "", 3},
      {"salesforce", DeliveryKind::kSet, "/composite/sobjects/Account/", false, "", 3, true},
      {"salesforce", DeliveryKind::kTask, "/composite/", false},
      {"salesforce", DeliveryKind::kTask, "/composite/", false, "", 3},
      {"intercom", DeliveryKind::kSet, "/contacts/6762aa", false},
      {"intercom", DeliveryKind::kSet, "/companies", false, "", 1, true},
      {"intercom", DeliveryKind::kAudience, "/contacts/6762aa/tags", false},
      {"intercom", DeliveryKind::kTrack, "/events", true},
      {"intercom", DeliveryKind::kMessage, "/events", true, "event upgrade_suggested"},
      {"intercom", DeliveryKind::kMessage, "/contacts/6762aa/tags", false, "segment hint"},
      {"intercom", DeliveryKind::kMessage, "/messages", false},
      {"activecampaign", DeliveryKind::kSet, "/contact/sync", false},
      {"activecampaign", DeliveryKind::kAudience, "/contactTags", false},
      {"activecampaign", DeliveryKind::kTrack, "trackcmp.net", false},
      {"activecampaign", DeliveryKind::kMessage, "/contactAutomations", false},
      {"churned", DeliveryKind::kTask, "/tasks/", true},
      {"churned", DeliveryKind::kSet, "/identify", true},
      {"churned", DeliveryKind::kSet, "/group", true, "", 1, true},
      {"churned", DeliveryKind::kTrack, "/track", true},
      {"churned", DeliveryKind::kMessage, "/track", true},
      {"pendo", DeliveryKind::kSet, "/metadata/", false},
      {"pendo", DeliveryKind::kSet, "/metadata/", false, "", 3},
      {"pendo", DeliveryKind::kSet, "/metadata/account/", false, "", 3, true},
      {"pendo", DeliveryKind::kMessage, "/metadata/", false},
      {"pendo", DeliveryKind::kMessage, "/segment/", false, "", 3},
      {"pendo", DeliveryKind::kAudience, "/segment/", false},
      {"pendo", DeliveryKind::kAudience, "/segment/", false, "", 3},
      {"pendo", DeliveryKind::kTrack, "/data/track", true},
      {"appcues", DeliveryKind::kSet, "/profile", false},
      {"appcues", DeliveryKind::kSet, "/groups/acme-1/profile", false, "", 1, true},
      {"appcues", DeliveryKind::kTrack, "/events", true},
      {"appcues", DeliveryKind::kMessage, "/events", true},
      {"appcues", DeliveryKind::kMessage, "/profile", false, "segment new users"},
      {"appcues", DeliveryKind::kMessage, "/add_user_ids", true, "segment new users"},
      {"appcues", DeliveryKind::kAudience, "/add_user_ids", true},
      {"appcues", DeliveryKind::kAudience, "/add_user_ids", true, "", 3},
      {"mixpanel", DeliveryKind::kSet, "/engage", false},
      {"mixpanel", DeliveryKind::kSet, "/engage", false, "", 3},
      {"mixpanel", DeliveryKind::kSet, "/groups", false, "", 3, true},
      {"mixpanel", DeliveryKind::kTrack, "/import", false},
      {"mixpanel", DeliveryKind::kTrack, "/import", false, "", 3},
      {"amplitude", DeliveryKind::kSet, "/identify", true},
      {"amplitude", DeliveryKind::kSet, "/identify", true, "", 3},
      {"amplitude", DeliveryKind::kSet, "/groupidentify", true, "", 3, true},
      {"amplitude", DeliveryKind::kTrack, "/batch", false},
      {"amplitude", DeliveryKind::kTrack, "/batch", false, "", 3},
  };
  return acts;
}

void ForEachAct(
    const std::function<void(const Act&, const Connector&, const std::vector<Delivery>&)>& check) {
  for (const Act& act : Acts()) {
    const Row row{"", act.kind, "", {}, std::vector<Kind>(act.batch), 0, "", act.use, act.account};
    INFO(act.type << " " << act.part << ", " << act.batch << " at once");
    check(act, *MakeVendorConnector(act.type), BatchOf(act.type, row));
  }
}

// Every outcome must be of this kind.
void CheckAll(const std::vector<Outcome>& outcomes, Kind kind) {
  for (const Outcome& outcome : outcomes) {
    INFO(outcome.detail);
    CHECK(static_cast<int>(outcome.kind) == static_cast<int>(kind));
  }
}

// What a status means there and nowhere else.
std::optional<Kind> Special(const Act& act, int status) {
  const bool hubspot = act.type == "hubspot" && (status == 423 || status == 477);
  const bool mailchimp = act.type == "mailchimp" && act.part != "/messages/send" && status == 403;
  const bool pendo = act.type == "pendo" && (status == 403 || status == 409);
  const bool gone = status == 404 && (act.part == "/segment/" || act.part == "/add_user_ids");
  if (act.type == "pendo" && status == 408 && act.batch > 1) {
    return Kind::kSplit;
  }
  const bool campaign = act.type == "activecampaign" && act.part != "trackcmp.net" &&
                        (status == 402 || status == 403);
  const bool too_new = act.type == "intercom" && act.part == "/messages" && status == 404;
  return hubspot || mailchimp || pendo || gone || campaign || too_new ? std::optional(Kind::kRetry)
                                                                      : std::nullopt;
}

TEST_CASE("vendors: every status has its class") {
  ForEachAct([](const Act& act, const Connector& connector, const std::vector<Delivery>& batch) {
    for (int status = 100; status <= 599; status += status % 100 < 52 ? 1 : 12) {
      INFO("status " << status);
      const bool done_empty = act.type == "mailchimp" || act.part == "/objects/tasks"
                                  ? status == (act.part == "/objects/tasks" ? 201 : 204)
                                  : status >= 200 && status < 300;
      Kind expected = Kind::kUnknown;
      if (const std::optional<Kind> special = Special(act, status)) {
        expected = *special;
      } else if (status >= 200 && status < 300) {
        expected = act.empty_is_done && done_empty ? Kind::kAccepted : Kind::kUnknown;
      } else if (status == 401 || status == 408 || status == 425 || status == 429 ||
                 status >= 500) {
        expected = Kind::kRetry;
      } else if (status >= 300) {
        expected = batch.size() > 1 ? Kind::kSplit : Kind::kRefused;
      }
      CheckAll(TellWith(connector, batch, act.part, Answer(status, "no JSON")).outcomes, expected);
    }
  });
}

TEST_CASE(
    "vendors: what was not sent is tried again; a timeout after the body, a reset and a cut-off "
    "answer are unknown") {
  ForEachAct([](const Act& act, const Connector& connector, const std::vector<Delivery>& batch) {
    for (const char* words : {"connection refused", "no such host", "timed out before the body"}) {
      const Reply reply = Failure(Reply::Kind::kNotSent, words);
      CheckAll(TellWith(connector, batch, act.part, reply).outcomes, Kind::kRetry);
    }
    for (const char* words : {"timed out after the body", "connection reset", "cut off"}) {
      Reply reply = Failure(Reply::Kind::kLost, words);
      reply.status = 200;
      reply.body = R"({"results":[{"id":)";
      CheckAll(TellWith(connector, batch, act.part, reply).outcomes, Kind::kUnknown);
    }
  });
}

TEST_CASE("vendors: JSON that ends in the middle, of another shape or too deep is no success") {
  ForEachAct([](const Act& act, const Connector& connector, const std::vector<Delivery>& batch) {
    if (act.empty_is_done) {
      return;
    }
    const Told well = Tell(connector, batch);
    std::string whole;
    for (const auto& [request, reply] : well.done) {
      whole = request.url.find(act.part) != std::string::npos ? reply.body : whole;
    }
    REQUIRE(whole.size() > 2);
    std::vector<std::string> bodies = {
        "",      "null", "true",        "0",         "[]",
        "\"x\"", "[[]]", "[null,1,[]]", "<html>502", std::string(9000, '[')};
    for (std::size_t cut = 1; cut < whole.size(); cut += 1 + whole.size() / 12) {
      bodies.push_back(whole.substr(0, cut));
    }
    if (act.part == "/engage" || act.part == "/groups") {
      std::erase(bodies, "0");  // Mixpanel's word for no.
    }
    for (const std::string& body : bodies) {
      INFO(body.substr(0, 80));
      const Told told = TellWith(connector, batch, act.part, Answer(200, body));
      CheckAll(told.outcomes, Kind::kUnknown);
    }
  });
}

TEST_CASE("vendors: Retry-After is seconds or a date, and never more than a day") {
  const std::vector<std::pair<std::string, std::int64_t>> forms = {
      {"120", 120},
      {"0", 0},
      {"86401", 86400},
      {"99999999999999999999999999", 86400},
      {"-5", 0},
      {"1.5", 0},
      {"soon", 0},
      {"", 0},
      {"Thu, 26 Mar 2026 04:00:30 GMT", 30},
      {"Thursday, 26-Mar-26 04:01:00 GMT", 60},
      {"Thu Mar 26 04:02:00 2026", 120},
      {"Thu, 26 Mar 2026 03:59:00 GMT", 0},
      {"Sun, 06 Nov 1994 08:49:37 GMT", 0},
      {"Thu, 31 Dec 2099 23:59:59 GMT", 86400}};
  ForEachAct([&](const Act& act, const Connector& connector, const std::vector<Delivery>& batch) {
    for (const auto& [form, seconds] : forms) {
      for (const int status : {429, 503}) {
        INFO(status << " Retry-After: " << form);
        const Reply reply = With(Answer(status, "busy"), "retry-after", form);
        const Told told = TellWith(connector, batch, act.part, reply);
        CheckAll(told.outcomes, Kind::kRetry);
        CHECK(told.outcomes[0].retry_after == std::chrono::seconds(seconds));
      }
    }
  });
}

TEST_CASE("vendors: what is too large together is split, and refused when it is alone") {
  ForEachAct([](const Act& act, const Connector& connector, const std::vector<Delivery>& batch) {
    for (const int status : {413, 414}) {
      CheckAll(TellWith(connector, batch, act.part, Answer(status)).outcomes,
               batch.size() > 1 ? Kind::kSplit : Kind::kRefused);
    }
  });
}

TEST_CASE("vendors: a token goes to https, or to this machine, and nowhere else") {
  for (const char* good : {"https://api.example", "http://127.0.0.1:8080", "http://localhost:1",
                           "http://[::1]:9/base", "https://a.example/path"}) {
    CHECK(IsSafeUrl(good));
  }
  for (const char* bad : {"", "https://", "http://api.example", "http://127.0.0.1.evil.example",
                          "http://127.0.0.1:1@evil.example", "http://localhostile", "ftp://a",
                          "https://a b", "https://a\r\nHost: b", "//a.example"}) {
    INFO(bad);
    CHECK_FALSE(IsSafeUrl(bad));
  }
  for (const std::string type : {"hubspot", "mailchimp", "salesforce", "activecampaign", "intercom",
                                 "churned", "pendo", "appcues", "mixpanel", "amplitude"}) {
    Secrets secrets = kVendorSecrets;
    secrets["url"] = "http://127.0.0.1:8080/";
    const std::vector batch = {DeliveryFor(type, DeliveryKind::kSet, 1)};
    const auto here = FindConnectorSpec(type)->make(VendorSettings(type), secrets);
    Session session;
    CHECK(std::get<Request>(here->Next(batch, {}, session, kNow))
              .url.starts_with("http://127.0.0.1:8080/"));
    secrets["url"] = "http://api.example";
    const auto there = FindConnectorSpec(type)->make(VendorSettings(type), secrets);
    const Told told = Tell(*there, batch);
    CHECK(told.done.empty());
    CHECK(told.outcomes[0].kind == Kind::kRetry);
    CHECK(told.outcomes[0].detail.find("https://") != std::string::npos);
  }
}

TEST_CASE("vendors: fields that `writes` does not name are never sent") {
  for (const std::string type : {"hubspot", "mailchimp", "salesforce", "activecampaign", "intercom",
                                 "churned", "pendo", "appcues", "mixpanel", "amplitude"}) {
    std::vector batch = {DeliveryFor(type, DeliveryKind::kSet, 1)};
    batch[0].payload.values["owner"] = "me";
    const Told told = Tell(*MakeVendorConnector(type), batch);
    CHECK(told.done.empty());
    CHECK(told.outcomes[0].kind == Kind::kRefused);
    CHECK(told.outcomes[0].detail == "the connector's `writes` does not name owner");
  }
}

TEST_CASE(
    "vendors: what two deliveries say of one customer goes out once, and the later word holds") {
  for (const std::string type :
       {"hubspot", "mailchimp", "salesforce", "pendo", "mixpanel", "amplitude"}) {
    std::vector batch = {DeliveryFor(type, DeliveryKind::kSet, 1),
                         DeliveryFor(type, DeliveryKind::kSet, 2),
                         DeliveryFor(type, DeliveryKind::kSet, 1)};
    batch[2].payload.to = ToLower(batch[2].payload.to);
    batch[2].payload.values = {{"segue_rfv", "champions"}, {"RFV", "5"}};
    const Told told = Tell(*MakeVendorConnector(type), batch);
    CheckAll(told.outcomes, Kind::kAccepted);
    for (const auto& [request, reply] : told.done) {
      if (request.body.find("champions") == std::string::npos) {
        continue;
      }
      const std::size_t first = request.body.find("at_risk");
      CHECK(request.body.find("at_risk", first + 1) == std::string::npos);
      CHECK(ToLower(request.body).find("person1@") == ToLower(request.body).find("person"));
    }
  }
}

}  // namespace
}  // namespace segue
