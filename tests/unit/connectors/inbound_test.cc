// Hooks: who may tell us something, and what they tell.

#include "connectors/inbound.h"

#include <doctest/doctest.h>

#include "base/hash.h"
#include "base/text.h"
#include "config/load.h"
#include "unit/connectors/fixture.h"

namespace segue {
namespace {

using News = std::vector<VendorNews>;

const Secrets kHookSecrets = {{"token", "dG9rOmFiY2RlZg"},
                              {std::string(kHookSecret), "hook-secret-5d1f"}};

HookAnswer ReadFor(std::string_view type, const HookRequest& request,
                   const Secrets& secrets = kHookSecrets) {
  return ReadHook(MakeSettings(type), secrets, request);
}

HookRequest IntercomHook(const std::string& body) {
  return {"POST", "", {{"x-hub-signature", "sha1=" + HmacSha1Hex("hook-secret-5d1f", body)}}, body};
}

HookRequest FormHookOf(const std::string& body) {
  return {"POST", "secret=hook-secret-5d1f", {}, body};
}

std::string Notification(const std::string& topic, const std::string& item) {
  return R"({"type":"notification_event","id":"notif_1","topic":")" + topic +
         R"(","created_at":1774497600,"data":{"type":"notification_event_data","item":)" + item +
         "}}";
}

int StatusOf(const HookAnswer& answer) {
  const auto* refusal = std::get_if<HookRefusal>(&answer);
  return refusal == nullptr ? 200 : refusal->status;
}

// "opt_out lara@customer.example c-17" for each.
std::vector<std::string> NewsIn(const HookAnswer& answer) {
  REQUIRE(StatusOf(answer) == 200);
  std::vector<std::string> all;
  for (const VendorNews& news : std::get<News>(answer)) {
    all.push_back(std::string(VendorNewsName(news.kind)) + " " + news.address + " " +
                  news.customer_key);
  }
  return all;
}

const std::string kLara = R"({"type":"contact","id":"6762aa","external_id":"c-17",)"
                          R"("email":"lara@customer.example"})";

TEST_CASE("hooks: an unsubscription at Intercom is heard, whichever shape its contact has") {
  const std::vector<std::string> left = {"opt_out lara@customer.example c-17"};
  const std::string body = Notification("contact.unsubscribed", kLara);
  CHECK(NewsIn(ReadFor("intercom", IntercomHook(body))) == left);
  CHECK(NewsIn(ReadFor("intercom", IntercomHook(Notification(
                                       "contact.unsubscribed",
                                       R"({"type":"subscription","contact":)" + kLara + "}")))) ==
        left);
  CHECK(NewsIn(ReadFor("intercom",
                       IntercomHook(Notification(
                           "user.unsubscribed",
                           R"({"user_id":"c-17","email":"lara@customer.example"})")))) == left);
  CHECK(NewsIn(ReadFor("intercom", IntercomHook(Notification("contact.unsubscribed",
                                                             R"({"external_id":"c-17"})")))) ==
        std::vector<std::string>{"opt_out  c-17"});
  const HookAnswer answer = ReadFor("intercom", IntercomHook(body));
  const VendorNews news = std::get<News>(answer).at(0);
  CHECK(news.when == kNow);
  CHECK(news.words == "Intercom: contact.unsubscribed");
}

TEST_CASE("hooks: whatever changed at a contact, its flags are heard") {
  const auto told = [](const std::string& topic, const std::string& flags) {
    return NewsIn(ReadFor(
        "intercom", IntercomHook(Notification(
                        topic, R"({"external_id":"c-17","email":"l@c.example",)" + flags + "}"))));
  };
  using Words = std::vector<std::string>;
  CHECK(told("contact.user.updated", R"("unsubscribed_from_emails":true)") ==
        Words{"opt_out l@c.example c-17"});
  CHECK(told("contact.user.updated", R"("marked_email_as_spam":true)") ==
        Words{"complaint l@c.example c-17"});
  CHECK(told("contact.user.updated", R"("has_hard_bounced":true)") ==
        Words{"bounce l@c.example c-17"});
  CHECK(told("contact.unsubscribed", R"("marked_email_as_spam":true,"has_hard_bounced":true,)"
                                     R"("unsubscribed_from_emails":true)") ==
        Words{"complaint l@c.example c-17", "bounce l@c.example c-17"});
  CHECK(told("contact.user.created", R"("unsubscribed_from_emails":false)").empty());
  CHECK(told("contact.subscribed", R"("x":1)").empty());
  CHECK(told("ping", R"("x":1)").empty());
}

TEST_CASE("hooks: what Intercom calls a key is none of ours where people go by address") {
  ConnectorSettings settings = MakeSettings("intercom");
  settings.text["match.contact"] = "email";
  const std::string body = Notification("contact.unsubscribed", kLara);
  CHECK(NewsIn(ReadHook(settings, kHookSecrets, IntercomHook(body))) ==
        std::vector<std::string>{"opt_out lara@customer.example "});
  const std::string no_mail = Notification("contact.unsubscribed", R"({"external_id":"c-17"})");
  CHECK(NewsIn(ReadHook(settings, kHookSecrets, IntercomHook(no_mail))).empty());
}

TEST_CASE("hooks: a signature is the vendor's own over these very bytes, or nothing is read") {
  const std::string body = Notification("contact.unsubscribed", kLara);
  const std::string good = HmacSha1Hex("hook-secret-5d1f", body);
  const auto status = [&](const std::string& header, const std::string& sent) {
    return StatusOf(ReadFor("intercom", {"POST", "", {{"x-hub-signature", header}}, sent}));
  };
  CHECK(status("sha1=" + good, body) == 200);
  std::string upper = good;
  for (char& c : upper) {
    c = c >= 'a' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  CHECK(status("sha1=" + upper, body) == 200);
  CHECK(status("sha1=" + good, body + " ") == 401);
  CHECK(status("sha1=" + good, "") == 401);
  CHECK(status(good, body) == 401);
  CHECK(status("sha256=" + good, body) == 401);
  CHECK(status("sha1=", body) == 401);
  CHECK(status("", body) == 401);
  CHECK(status("sha1=" + good.substr(1), body) == 401);
  CHECK(status("sha1=" + good + "0", body) == 401);
  CHECK(status("sha1=" + HmacSha1Hex("another secret", body), body) == 401);
  CHECK(status("sha1=" + HmacSha1Hex("", body), body) == 401);
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string wrong = good;
    wrong[i] = wrong[i] == '0' ? '1' : '0';
    CHECK(status("sha1=" + wrong, body) == 401);
  }
  CHECK(StatusOf(ReadFor("intercom", {"POST", "", {}, body})) == 401);
  // Without a secret of our own nobody can be the vendor.
  for (const std::string secret : {"", " "}) {
    const Secrets none = {{std::string(kHookSecret), secret}};
    const HookRequest request = {
        "POST", "", {{"x-hub-signature", "sha1=" + HmacSha1Hex(secret, body)}}, body};
    CHECK(StatusOf(ReadFor("intercom", request, none)) == 401);
    CHECK(StatusOf(ReadFor("intercom", request, {})) == 401);
  }
  const auto refused = ReadFor("intercom", {"POST", "", {}, body});
  CHECK(std::get<HookRefusal>(refused).words == "the signature is missing or wrong");
}

TEST_CASE("hooks: Mailchimp says who left, who complained and whose address is dead") {
  const auto told = [](const std::string& type, const std::string& reason) {
    return NewsIn(ReadFor("mailchimp",
                          FormHookOf("type=" + type +
                                     "&fired_at=2026-03-26+04%3A00%3A00&data%5Bemail%5D="
                                     "lara%2Bnews%40customer.example&data[reason]=" +
                                     reason + "&data[list_id]=a1&data[merges][FNAME]=L%C3%A1ra")));
  };
  using Words = std::vector<std::string>;
  CHECK(told("unsubscribe", "manual") == Words{"opt_out lara+news@customer.example "});
  CHECK(told("unsubscribe", "abuse") == Words{"complaint lara+news@customer.example "});
  CHECK(told("cleaned", "hard") == Words{"bounce lara+news@customer.example "});
  CHECK(told("cleaned", "abuse") == Words{"complaint lara+news@customer.example "});
  for (const char* type : {"subscribe", "profile", "upemail", "campaign", "something_new"}) {
    CHECK(told(type, "").empty());
  }
  const HookAnswer answer =
      ReadFor("mailchimp",
              FormHookOf("type=unsubscribe&data[email]=a@b.example&fired_at=2026-03-26 04:00:00"
                         "&data[reason]=manual"));
  const VendorNews news = std::get<News>(answer).at(0);
  CHECK(news.when == kNow);
  CHECK(news.words == "Mailchimp: unsubscribe manual");
}

TEST_CASE("hooks: ActiveCampaign says who left and whose address is dead; a full mailbox is not") {
  const auto told = [](const std::string& form) {
    return NewsIn(ReadFor("activecampaign",
                          FormHookOf(form + "&date_time=2026-03-25T22:00:00-06:00"
                                            "&contact%5Bid%5D=117&contact[email]=l%40c.example")));
  };
  using Words = std::vector<std::string>;
  CHECK(told("type=unsubscribe&list[][id]=2") == Words{"opt_out l@c.example "});
  CHECK(told("type=bounce&bounce[type]=hard&bounce[code]=9.1.1") == Words{"bounce l@c.example "});
  CHECK(told("type=bounce") == Words{"bounce l@c.example "});
  CHECK(told("type=bounce&bounce[type]=Soft").empty());
  CHECK(told("type=sent").empty());
  CHECK(told("type=sms_unsub").empty());
  const HookAnswer answer = ReadFor(
      "activecampaign",
      FormHookOf(
          "type=unsubscribe&contact[email]=l@c.example&date_time=2026-03-25T22:00:00-06:00"));
  CHECK(std::get<News>(answer).at(0).when == kNow);
}

TEST_CASE("hooks: the secret in the address is whole and right, or nothing is read") {
  const std::string body = "type=unsubscribe&data[email]=a@b.example";
  const auto status = [&](const std::string& query, const Secrets& secrets) {
    return StatusOf(ReadFor("mailchimp", {"POST", query, {}, body}, secrets));
  };
  CHECK(status("secret=hook-secret-5d1f", kHookSecrets) == 200);
  CHECK(status("x=1&secret=hook%2Dsecret%2d5d1f", kHookSecrets) == 200);
  for (const char* query :
       {"", "secret", "secret=", "secret=hook-secret-5d1", "secret=hook-secret-5d1f0",
        "secret=Hook-secret-5d1f", "SECRET=hook-secret-5d1f", "hook-secret-5d1f",
        "secret=hook-secret-5d1f&secret=x", "secret=%00", "secret=hook-secret-5d1f%00"}) {
    INFO(query);
    CHECK(status(query, kHookSecrets) == 401);
  }
  CHECK(status("secret=", {{std::string(kHookSecret), ""}}) == 401);
  CHECK(status("", {{std::string(kHookSecret), ""}}) == 401);
  CHECK(status("secret=", {}) == 401);
  // A secret that needs to be encoded.
  const Secrets odd = {{std::string(kHookSecret), "a b+c&d=é"}};
  CHECK(status("secret=" + UrlEncode("a b+c&d=é"), odd) == 200);
}

TEST_CASE("hooks: vendors that look whether anybody is there get an answer") {
  for (const char* method : {"GET", "HEAD"}) {
    CHECK(NewsIn(ReadFor("intercom", {method, "", {}, ""})).empty());
    CHECK(NewsIn(ReadFor("mailchimp", {method, "secret=hook-secret-5d1f", {}, ""})).empty());
    CHECK(StatusOf(ReadFor("mailchimp", {method, "secret=wrong", {}, ""})) == 401);
  }
  CHECK(NewsIn(ReadFor("mailchimp", FormHookOf(""))).empty());
  for (const char* method : {"PUT", "DELETE", "PATCH", "OPTIONS", "", "post"}) {
    CHECK(StatusOf(ReadFor("intercom", {method, "", {}, ""})) == 405);
  }
  // What is said by GET is not heard: it is not signed.
  CHECK(NewsIn(ReadFor("intercom", {"GET", "", {}, Notification("contact.unsubscribed", kLara)}))
            .empty());
}

TEST_CASE("hooks: a hook that comes again says the same again") {
  for (const auto& [type, request] : std::vector<std::pair<std::string, HookRequest>>{
           {"intercom", IntercomHook(Notification("contact.unsubscribed", kLara))},
           {"mailchimp", FormHookOf("type=unsubscribe&data[email]=a@b.example")}}) {
    const HookAnswer first = ReadFor(type, request);
    const HookAnswer again = ReadFor(type, request);
    CHECK(NewsIn(first) == NewsIn(again));
    CHECK(std::get<News>(first).at(0).when == std::get<News>(again).at(0).when);
  }
}

TEST_CASE("hooks: hostile bodies are refused, or say nothing") {
  const auto intercom = [](const std::string& body) {
    return StatusOf(ReadFor("intercom", IntercomHook(body)));
  };
  for (const std::string& body :
       {std::string(), std::string("{"), std::string("null"), std::string("[]"), std::string("{}"),
        std::string(R"({"topic":7})") + "x", std::string(R"({"topic":""})"),
        std::string(R"({"topic":["contact.unsubscribed"]})"), std::string(100'000, '['),
        R"({"topic":")" + std::string("\xff\xfe") + "\"}", std::string("\0\0\0", 3),
        Notification("contact.unsubscribed", std::string(5000, '{'))}) {
    INFO(body.substr(0, 60));
    CHECK(intercom(body) == 400);
  }
  // A topic of ours about nobody whom we know.
  for (const std::string item :
       {"null", "7", "[]", "{}", R"({"email":null,"external_id":null})", R"({"email":"nobody"})",
        R"({"email":{"a":"x@y.example"},"external_id":[1]})", R"({"contact":{}})",
        R"({"email":"a@b.example, c@d.example"})"}) {
    INFO(item);
    CHECK(NewsIn(ReadFor("intercom", IntercomHook(Notification("contact.unsubscribed", item))))
              .empty());
  }
  CHECK(NewsIn(ReadFor("intercom", IntercomHook(Notification(
                                       "contact.unsubscribed",
                                       R"({"external_id":")" + std::string(5000, 'x') + "\"}"))))
            .empty());
  const std::string many =
      Notification("contact.unsubscribed", R"({"a":")" + std::string(kHookBytesMax, 'a') + "\"}");
  CHECK(intercom(many) == 413);
  const auto form = [](const std::string& body) {
    return StatusOf(ReadFor("mailchimp", FormHookOf(body)));
  };
  for (const std::string body :
       {"x", "=", "&&&", "type", "type=", "%", "%zz=%4", "{\"type\":\"unsubscribe\"}",
        "type=unsubscribe", "type=unsubscribe&data[email]=", "type=unsubscribe&data[email]=nobody",
        "type=cleaned&data[email]=%00@%ff", "type=unsubscribe&data[email]=a@b.example%0d%0aBcc: x",
        "type=unsubscribe&data[email][]=a@b.example"}) {
    INFO(body);
    CHECK(form(body) == 400);
  }
  CHECK(form(std::string(kHookBytesMax + 1, 'a')) == 413);
  CHECK(form("type=%ff%fe&data[email]=a@b.example") == 200);  // A type that nobody knows.
}

TEST_CASE("hooks: words are one short line, without the connector's secrets") {
  const std::string reason =
      UrlEncode("I am\r\ndone\xff hook-secret-5d1f dG9rOmFiY2RlZg ") + std::string(5000, 'z');
  const HookAnswer answer = ReadFor(
      "activecampaign",
      FormHookOf("type=unsubscribe&contact[email]=a@b.example&unsubscribe[reason]=" + reason));
  const std::string words = std::get<News>(answer).at(0).words;
  CHECK(words.starts_with("ActiveCampaign: unsubscribe I am done? [secret] [secret] zzz"));
  CHECK(words.size() <= kWordsBytesMax);
  CHECK(IsUtf8(words));
}

TEST_CASE("hooks: times that make no sense are no times") {
  for (const char* when : {"", "soon", "2026-02-31 00:00:00", "0000-00-00 00:00:00"}) {
    const HookAnswer answer = ReadFor(
        "mailchimp",
        FormHookOf("type=unsubscribe&data[email]=a@b.example&fired_at=" + std::string(when)));
    CHECK_FALSE(std::get<News>(answer).at(0).when.has_value());
  }
  for (const char* when : {"0", "-1", "9223372036854775807", "18446744073709551615", "1e3", "null",
                           "\"1774497600\""}) {
    const HookAnswer answer =
        ReadFor("intercom", IntercomHook(R"({"topic":"contact.unsubscribed","created_at":)" +
                                         std::string(when) + R"(,"data":{"item":)" + kLara + "}}"));
    CHECK_FALSE(std::get<News>(answer).at(0).when.has_value());
  }
}

TEST_CASE("hooks: files may have `inbound` at exactly the types whose hooks are understood") {
  for (const ConnectorSpec* spec : kConnectors) {
    INFO(spec->name);
    std::string document(spec->example);
    const std::size_t own = document.find("inbound:");
    if (own == std::string::npos) {
      document += "inbound: {path: /hooks/here, secret: cred:hook}\n";
    }
    const Loaded loaded =
        LoadWorkspace({{"config/connector.yaml", document},
                       {"config/segue.yaml", "workspace: lumen\ncurrency: EUR\n"}},
                      std::make_shared<TextPool>());
    const std::string words = FormatDiagnostics(loaded.diagnostics, loaded.files, false);
    INFO(words);
    CHECK((loaded.workspace != nullptr) == HasHooks(spec->name));
    if (loaded.workspace == nullptr) {
      CHECK(words.find("have no `inbound`") != std::string::npos);
      continue;
    }
    const ConnectorSettings& settings = loaded.workspace->connectors.at(0);
    CHECK(settings.text.at("inbound.path").starts_with("/hooks/"));
    CHECK(settings.auth.at(std::string(kHookSecret)).starts_with("cred:"));
  }
  CHECK_FALSE(HasHooks("carrier_pigeon"));
}

}  // namespace
}  // namespace segue
