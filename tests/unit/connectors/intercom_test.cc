// Intercom: what each of its answers means, and what it is told.

#include <doctest/doctest.h>

#include "unit/connectors/rows.h"

namespace segue {
namespace {

using Kind = Outcome::Kind;

constexpr auto kIntercomSet = DeliveryKind::kSet;
constexpr auto kIntercomMessage = DeliveryKind::kMessage;
constexpr auto kIntercomAudience = DeliveryKind::kAudience;
constexpr auto kIntercomTrack = DeliveryKind::kTrack;

const std::string kFindContact = "/contacts/find_by_external_id/";

Reply IntercomError(int status, const std::string& code) {
  return Answer(status, R"({"type":"error.list","request_id":"r","errors":[{"code":")" + code +
                            R"(","message":"words"}]})");
}

Reply ContactThat(const std::string& flag) {
  return Answer(200, R"({"type":"contact","id":"6762aa","role":"user",)" + flag + "}");
}

std::unique_ptr<Connector> ByAddress() {
  ConnectorSettings settings = VendorSettings("intercom");
  settings.text["match.contact"] = "email";
  return FindConnectorSpec("intercom")->make(settings, kVendorSecrets);
}

TEST_CASE("intercom: what finding the contact may answer, whatever is done with it") {
  std::vector<Row> rows;
  for (const DeliveryKind kind : {kIntercomSet, kIntercomAudience, kIntercomMessage}) {
    const std::vector<Kind> retry = {Kind::kRetry};
    rows.push_back({"not there: it is made",
                    kind,
                    kFindContact,
                    IntercomError(404, "not_found"),
                    {Kind::kAccepted}});
    rows.push_back({"lost", kind, kFindContact, Failure(Reply::Kind::kLost, "reset"), retry});
    rows.push_back({"not sent", kind, kFindContact, Failure(Reply::Kind::kNotSent, "no"), retry});
    rows.push_back({"cut off", kind, kFindContact, Answer(200, R"({"id":"67)"), retry});
    rows.push_back({"no id", kind, kFindContact, Answer(200, "{}"), retry});
    rows.push_back({"busy", kind, kFindContact, With(Answer(429), "retry-after", "9"), retry, 9});
    rows.push_back({"500", kind, kFindContact, IntercomError(500, "server_error"), retry});
    rows.push_back({"wrong token", kind, kFindContact, IntercomError(401, "unauthorized"), retry, 0,
                    "Intercom refuses the connector's credentials"});
    rows.push_back({"wrong question",
                    kind,
                    kFindContact,
                    IntercomError(400, "parameter_invalid"),
                    {Kind::kRefused},
                    0,
                    "words"});
  }
  CheckRows("intercom", rows);
}

TEST_CASE("intercom: limits and rights") {
  const std::string reset = std::to_string(1774497600 + 7);
  for (const auto& [kind, part] :
       std::vector<std::pair<DeliveryKind, std::string>>{{kIntercomSet, kFindContact},
                                                         {kIntercomSet, "/contacts/6762aa"},
                                                         {kIntercomAudience, "/tags"},
                                                         {kIntercomTrack, "/events"},
                                                         {kIntercomMessage, "/messages"}}) {
    INFO(part);
    const auto limited = [&](const std::string& until) {
      return With(IntercomError(429, "rate_limit_exceeded"), "x-ratelimit-reset", until);
    };
    const std::vector<Kind> retry = {Kind::kRetry};
    CheckRows(
        "intercom",
        {{"until the slice ends", kind, part, limited(reset), retry, 7},
         {"Retry-After says more", kind, part, With(limited(reset), "retry-after", "30"), retry,
          30},
         {"a reset that has been", kind, part, limited("1774497590"), retry, 0},
         {"a reset in another age", kind, part, limited("99999999999999"), retry, 0},
         {"a reset that is no number", kind, part, limited("soon"), retry, 0},
         {"a reset before time began", kind, part, limited("-5"), retry, 0},
         {"408", kind, part, Answer(408), retry},
         {"503", kind, part, Answer(503), retry},
         {"not in the plan", kind, part, IntercomError(403, "api_plan_restricted"), retry, 0,
          "the plan at Intercom does not allow it"},
         {"403 for another reason", kind, part, IntercomError(403, "forbidden"), {Kind::kRefused}},
         {"422", kind, part, IntercomError(422, "parameter_not_found"), {Kind::kRefused}}});
  }
}

TEST_CASE("intercom: fields are attributes of the contact, and nothing else of it is touched") {
  const auto connector = MakeVendorConnector("intercom");
  const std::vector batch = {DeliveryFor("intercom", kIntercomSet, 1)};
  const Told told = Tell(*connector, batch);
  REQUIRE(told.done.size() == 2);
  CHECK(told.done[0].request.method == "GET");
  CHECK(told.done[0].request.url == "https://api.intercom.io/contacts/find_by_external_id/c-1");
  CHECK(told.done[0].request.headers.at("Intercom-Version") == "2.14");
  CHECK(told.done[1].request.method == "PUT");
  CHECK(told.done[1].request.url == "https://api.intercom.io/contacts/6762aa");
  CHECK(told.done[1].request.body == R"({"custom_attributes":{"segue_rfv":"at_risk"}})");
  CHECK(told.outcomes[0].vendor_id == "6762aa");

  const Told made = TellWith(*connector, batch, kFindContact, Answer(404));
  REQUIRE(made.done.size() == 2);
  CHECK(made.done[1].request.url == "https://api.intercom.io/contacts");
  CHECK(made.done[1].request.body ==
        R"({"role":"user","external_id":"c-1","email":"Person1@customer.example",)"
        R"("custom_attributes":{"segue_rfv":"at_risk"}})");
  CHECK(made.outcomes[0].kind == Kind::kAccepted);
  CHECK(made.outcomes[0].vendor_id == "6762aa");
}

TEST_CASE("intercom: a contact that somebody else makes meanwhile is found at the next try") {
  const auto connector = MakeVendorConnector("intercom");
  const std::vector batch = {DeliveryFor("intercom", kIntercomSet, 1)};
  const auto made = [&](const Reply& reply) {
    return Tell(*connector, batch,
                [&](const Request& request) {
                  return request.url.ends_with("/contacts") ? reply : Answer(404);
                })
        .outcomes[0]
        .kind;
  };
  CHECK(made(IntercomError(409, "conflict")) == Kind::kRetry);
  CHECK(made(Failure(Reply::Kind::kLost, "reset")) == Kind::kRetry);  // It will be there or not.
  CHECK(made(Answer(200, R"({"id":)")) == Kind::kRetry);
  CHECK(made(Answer(503)) == Kind::kRetry);
  CHECK(made(IntercomError(400, "parameter_invalid")) == Kind::kRefused);
}

TEST_CASE("intercom: by address a user is taken before a lead, and another address is nobody") {
  const auto connector = ByAddress();
  const std::vector batch = {DeliveryFor("intercom", kIntercomSet, 1)};
  const auto found = [&](const std::string& list) {
    return TellWith(*connector, batch, "/contacts/search",
                    Answer(200, R"({"data":[)" + list + "]}"));
  };
  const std::string lead = R"({"id":"l1","role":"lead","email":"person1@customer.example"})";
  const std::string user = R"({"id":"u1","role":"user","email":"PERSON1@customer.example"})";
  const std::string other = R"({"id":"o1","role":"user","email":"person11@customer.example"})";
  CHECK(found(lead + "," + user).done.back().request.url.ends_with("/contacts/u1"));
  CHECK(found(user + "," + lead).done.back().request.url.ends_with("/contacts/u1"));
  CHECK(found(lead).done.back().request.url.ends_with("/contacts/l1"));
  const Told none = found(other);
  CHECK(none.done.front().request.body ==
        R"({"query":{"field":"email","operator":"=","value":"Person1@customer.example"}})");
  CHECK(none.done.back().request.url.ends_with("/contacts"));
  CHECK(none.done.back().request.body.find("external_id") == std::string::npos);
  CHECK(TellWith(*connector, batch, "/contacts/search", Answer(200, "{}")).outcomes[0].kind ==
        Kind::kRetry);
  // A message inside the product is for our key; without an address nobody is asked.
  const std::vector message = {DeliveryFor("intercom", kIntercomMessage, 1)};
  const Told refused = Tell(*connector, message);
  CHECK(refused.done.empty());
  CHECK(refused.outcomes[0].kind == Kind::kRefused);
}

TEST_CASE("intercom: a message is from the admin, with its title, body and button") {
  const auto connector = MakeVendorConnector("intercom");
  const std::vector batch = {DeliveryFor("intercom", kIntercomMessage, 1)};
  const Told told = Tell(*connector, batch);
  REQUIRE(told.done.size() == 2);
  CHECK(told.done[1].request.url == "https://api.intercom.io/messages");
  CHECK(told.done[1].request.body ==
        R"({"message_type":"inapp","body":"<p><b>Bring a friend &amp; get a month</b></p>\n)"
        R"(<p>Share <b>REF-1</b></p>\n<p><a href=\"https://lumen.example/program\">How it works)"
        R"(</a></p>","from":{"type":"admin","id":394051},"to":{"type":"user","id":"6762aa"}})");
  CHECK(told.outcomes[0].vendor_id == "19");
  CheckRows(
      "intercom",
      {{"a lead",
        kIntercomMessage,
        kFindContact,
        Answer(200, R"({"id":"6762aa","role":"lead"})"),
        {Kind::kAccepted}},
       {"a contact that cannot be written to yet",
        kIntercomMessage,
        "/messages",
        IntercomError(404, "not_found"),
        {Kind::kRetry}},
       {"the answer is lost",
        kIntercomMessage,
        "/messages",
        Failure(Reply::Kind::kLost, "reset"),
        {Kind::kUnknown}},
       {"200 that says nothing", kIntercomMessage, "/messages", Answer(200), {Kind::kUnknown}},
       {"refused",
        kIntercomMessage,
        "/messages",
        IntercomError(400, "parameter_invalid"),
        {Kind::kRefused},
        0,
        "words"}});
}

TEST_CASE("intercom: who has left gets no message, and is not asked to come back") {
  for (const std::string use : {"", "event upgrade_suggested", "segment hint"}) {
    INFO(use);
    for (const char* flag :
         {R"("unsubscribed_from_emails":true)", R"("marked_email_as_spam":true)"}) {
      CheckRows("intercom", {{flag,
                              kIntercomMessage,
                              kFindContact,
                              ContactThat(flag),
                              {Kind::kSuppressed},
                              0,
                              "Intercom has them as unsubscribed",
                              use}});
    }
    for (const char* flag :
         {R"("unsubscribed_from_emails":false)", R"("has_hard_bounced":true)", R"("x":1)"}) {
      CheckRows("intercom", {{flag,
                              kIntercomMessage,
                              kFindContact,
                              ContactThat(flag),
                              {Kind::kAccepted},
                              0,
                              "",
                              use}});
    }
  }
  // A lead of the same address who has left is the same person.
  ConnectorSettings settings = VendorSettings("intercom");
  settings.text["match.contact"] = "email";
  std::vector batch = {DeliveryFor("intercom", kIntercomMessage, 1)};
  batch[0].payload.to = "p@customer.example";
  const Told told =
      TellWith(*ByAddress(), batch, "/contacts/search",
               Answer(200, R"({"data":[{"id":"u","role":"user","email":"p@customer.example"},)"
                           R"({"id":"l","role":"lead","email":"p@customer.example",)"
                           R"("unsubscribed_from_emails":true}]})"));
  CHECK(told.outcomes[0].kind == Kind::kSuppressed);
  for (const DeliveryKind kind : {kIntercomSet, kIntercomAudience, kIntercomMessage}) {
    const std::vector one = {DeliveryFor("intercom", kind, 1)};
    for (const auto& [request, reply] :
         TellWith(*MakeVendorConnector("intercom"), one, kFindContact, Answer(404)).done) {
      CHECK(request.body.find("unsubscribed") == std::string::npos);
      CHECK(request.body.find("consent") == std::string::npos);
    }
  }
}

TEST_CASE("intercom: events and tags that show a message") {
  const auto connector = MakeVendorConnector("intercom");
  std::vector batch = {DeliveryFor("intercom", kIntercomMessage, 1)};
  batch[0].payload.name = "event upgrade_suggested";
  batch[0].payload.values = {{"usage", "91%"}};
  const Told event = Tell(*connector, batch);
  REQUIRE(event.done.size() == 2);
  CHECK(event.done[1].request.body ==
        R"({"event_name":"upgrade_suggested","created_at":1774497600,"id":"6762aa",)"
        R"("metadata":{"usage":"91%"}})");
  batch[0].payload.name = "segment hint";
  CHECK(Tell(*connector, batch).outcomes[0].kind == Kind::kRefused);  // Where would values go?
  batch[0].payload.values.clear();
  const Told tag = Tell(*connector, batch);
  REQUIRE(tag.done.size() == 3);
  CHECK(tag.done[1].request.body == R"({"name":"hint"})");
  CHECK(tag.done[2].request.body == R"({"id":"105"})");
  for (const char* use : {"email 5", "journey 1/2", "event", "event ", "segments x", "flow x"}) {
    INFO(use);
    batch[0].payload.name = use;
    CHECK(Tell(*connector, batch).done.empty());
    CHECK(Tell(*connector, batch).outcomes[0].kind == Kind::kRefused);
  }
}

TEST_CASE("intercom: an event is told by our key, with ten values at most") {
  const auto connector = MakeVendorConnector("intercom");
  std::vector batch = {DeliveryFor("intercom", kIntercomTrack, 1)};
  CHECK(Tell(*connector, batch).done[0].request.body ==
        R"({"event_name":"winback_finished","created_at":1774497600,"user_id":"c-1"})");
  CHECK(Tell(*ByAddress(), batch).done[0].request.body ==
        R"({"event_name":"winback_finished","created_at":1774497600,)"
        R"("email":"Person1@customer.example"})");
  CheckRows("intercom", {{"nobody of that key",
                          kIntercomTrack,
                          "/events",
                          IntercomError(404, "not_found"),
                          {Kind::kRefused},
                          0,
                          "words"}});
  for (int i = 0; i < 11; ++i) {
    batch[0].payload.values["v" + std::to_string(i)] = "x";
  }
  CHECK(Tell(*connector, batch).outcomes[0].kind == Kind::kRefused);
  batch[0].payload.values.erase("v0");
  CHECK(Tell(*connector, batch).outcomes[0].kind == Kind::kAccepted);
}

TEST_CASE("intercom: a list is a tag, and who is nobody there has left it") {
  const auto connector = MakeVendorConnector("intercom");
  std::vector batch = {DeliveryFor("intercom", kIntercomAudience, 1)};
  const Told joined = Tell(*connector, batch);
  REQUIRE(joined.done.size() == 3);
  CHECK(joined.done[1].request.body == R"({"name":"Win-back"})");
  CHECK(joined.done[2].request.method == "POST");
  CHECK(joined.done[2].request.url.ends_with("/contacts/6762aa/tags"));
  batch[0].payload.values["action"] = "remove";
  const Told left = Tell(*connector, batch);
  REQUIRE(left.done.size() == 3);
  CHECK(left.done[2].request.method == "DELETE");
  CHECK(left.done[2].request.url.ends_with("/contacts/6762aa/tags/105"));
  CHECK(left.done[2].request.body.empty());
  const Told nobody = TellWith(*connector, batch, kFindContact, Answer(404));
  CHECK(nobody.done.size() == 1);
  CHECK(nobody.outcomes[0].kind == Kind::kAccepted);
  const Told gone = TellWith(*connector, batch, "/tags/105", IntercomError(404, "not_found"));
  CHECK(gone.outcomes[0].kind == Kind::kAccepted);
  CheckRows("intercom", {{"the tag is refused",
                          kIntercomAudience,
                          "intercom.io/tags",
                          IntercomError(400, "parameter_invalid"),
                          {Kind::kRefused}},
                         {"the tag's answer is lost",
                          kIntercomAudience,
                          "intercom.io/tags",
                          Failure(Reply::Kind::kLost, "reset"),
                          {Kind::kRetry}},
                         {"no contact any more",
                          kIntercomAudience,
                          "/contacts/6762aa/tags",
                          IntercomError(404, "not_found"),
                          {Kind::kRefused}}});
}

TEST_CASE("intercom: without an admin no message goes out and none is lost; mail is refused") {
  for (const char* admin : {"", "ann", "12a", "-4", "0"}) {
    INFO(admin);
    Secrets secrets = kVendorSecrets;
    secrets["admin"] = admin;
    const auto poor = FindConnectorSpec("intercom")->make(VendorSettings("intercom"), secrets);
    std::vector batch = {DeliveryFor("intercom", kIntercomMessage, 1)};
    CHECK(Tell(*poor, batch).done.empty());
    CHECK(Tell(*poor, batch).outcomes[0].kind == Kind::kRetry);
    CHECK(Tell(*poor, batch).outcomes[0].detail.find("auth.admin") != std::string::npos);
    batch[0].payload.name = "event upgrade_suggested";
    CHECK(Tell(*poor, batch).outcomes[0].kind == Kind::kAccepted);
  }
  std::vector mail = {DeliveryTo(kIntercomMessage, 1)};
  CHECK(Tell(*MakeVendorConnector("intercom"), mail).outcomes[0].kind == Kind::kRefused);
  mail = {DeliveryFor("intercom", kIntercomMessage, 1)};
  mail[0].payload.html.clear();
  mail[0].payload.text.clear();
  CHECK(Tell(*MakeVendorConnector("intercom"), mail).outcomes[0].kind == Kind::kRefused);
}

TEST_CASE("intercom: what protects a repeated call depends on what it does") {
  const auto connector = MakeVendorConnector("intercom");
  const auto protects = [&](DeliveryKind kind, const std::string& use, Dedupe said) {
    Delivery delivery = DeliveryFor("intercom", kind, 1);
    delivery.payload.name = use.empty() ? delivery.payload.name : use;
    return connector->Protects(delivery, said);
  };
  for (const Dedupe said : {Dedupe::kNone, Dedupe::kLookup, Dedupe::kKey}) {
    const Dedupe only_by_word = said == Dedupe::kKey ? Dedupe::kKey : Dedupe::kNone;
    CHECK(protects(kIntercomSet, "", said) == Dedupe::kKey);
    CHECK(protects(kIntercomAudience, "", said) == Dedupe::kKey);
    CHECK(protects(kIntercomMessage, "segment hint", said) == Dedupe::kKey);
    CHECK(protects(kIntercomMessage, "", said) == Dedupe::kNone);
    CHECK(protects(kIntercomMessage, "event x", said) == only_by_word);
    CHECK(protects(kIntercomTrack, "", said) == only_by_word);
  }
}

TEST_CASE("intercom: the version and the name of messages can be said") {
  ConnectorSettings settings = VendorSettings("intercom");
  settings.text["version"] = "2.11";
  settings.text["message_type"] = "in_app";
  const auto connector = FindConnectorSpec("intercom")->make(settings, kVendorSecrets);
  const std::vector batch = {DeliveryFor("intercom", kIntercomMessage, 1)};
  const Told told = Tell(*connector, batch);
  CHECK(told.done[1].request.headers.at("Intercom-Version") == "2.11");
  CHECK(told.done[1].request.body.starts_with(R"({"message_type":"in_app")"));
}

}  // namespace
}  // namespace segue
