// The three connectors: what each asks for, and what it makes of the answers.

#include <boost/json.hpp>
#include <doctest/doctest.h>

#include "base/hash.h"
#include "unit/connectors/fixture.h"

namespace segue {
namespace {

using Kind = Outcome::Kind;

Request First(const Connector& connector, const Delivery& delivery) {
  return std::get<Request>(NextOf(connector, delivery));
}

Outcome Refusal(const Connector& connector, const Delivery& delivery) {
  const Outcome outcome = OutcomeIn(NextOf(connector, delivery));
  CHECK(outcome.kind == Kind::kRefused);
  return outcome;
}

std::unique_ptr<Connector> MakeFile(const std::string& path) {
  ConnectorSettings settings = MakeSettings("file");
  settings.text["path"] = path;
  return kFileConnector.make(settings, {});
}

TEST_CASE("file: a .jsonl path gets one line of JSON per delivery, marked by its key") {
  const Request request =
      First(*MakeFile("outgoing/segue.jsonl"), MakeDelivery(DeliveryKind::kTask));
  CHECK(request.kind == Request::Kind::kAppend);
  CHECK(request.url == "outgoing/segue.jsonl");
  CHECK(request.key == "0f3a9c5e77d1b2a4");
  CHECK(
      request.body ==
      R"({"key":"0f3a9c5e77d1b2a4","kind":"task","created":"2026-03-26T04:00:00Z","purpose":"marketing",)"
      R"("customer":"c-17","playbook":"risk_winback","step":"0","task":{"title":"Call Lara",)"
      R"("note":"She left a basket","for":"sales@lumen.example","priority":"high","due":"2026-03-27T04:00:00Z"}})");
}

TEST_CASE(
    "file: a folder gets one mail per message and one JSON file for all else, named by the key") {
  const auto folder = MakeFile("outgoing/");
  const Delivery message = MakeDelivery(DeliveryKind::kMessage);
  const Request mail = First(*folder, message);
  CHECK(mail.kind == Request::Kind::kFile);
  CHECK(mail.url == "outgoing/0f3a9c5e77d1b2a4.eml");
  CHECK(mail.body == MakeMail(message));
  const Request set = First(*folder, MakeDelivery(DeliveryKind::kSet));
  CHECK(set.url == "outgoing/0f3a9c5e77d1b2a4.json");
  CHECK(set.body.ends_with(R"("values":{"segue_rfv":"at_risk"}})"
                           "\n"));
  Delivery chat = message;
  chat.payload.channel = "chat";
  CHECK(First(*folder, chat).url == "outgoing/0f3a9c5e77d1b2a4.json");
}

TEST_CASE("file: neither a path nor a key leads out of the state folder") {
  for (const char* path : {"", "/etc/x/", "../x.jsonl", "a/../../x/", "a/.."}) {
    INFO(path);
    CHECK(Refusal(*MakeFile(path), MakeDelivery(DeliveryKind::kSet))
              .detail.find("below the state folder") != std::string::npos);
  }
  Delivery delivery = MakeDelivery(DeliveryKind::kSet);
  delivery.key = "../../etc/passwd";
  CHECK(First(*MakeFile("out/"), delivery).url == "out/" + Sha256Hex(delivery.key) + ".json");
}

TEST_CASE(
    "file: written is accepted, a failure is tried again, and an interrupted write is unknown") {
  const auto folder = MakeFile("outgoing/");
  const Delivery delivery = MakeDelivery(DeliveryKind::kSet);
  CHECK(OutcomeOf(*folder, delivery, Answer(200)).kind == Kind::kAccepted);
  const Outcome full =
      OutcomeOf(*folder, delivery, Failure(Reply::Kind::kNotSent, "no space left"));
  CHECK(full.kind == Kind::kRetry);
  CHECK(full.detail == "not written: no space left");
  CHECK(OutcomeOf(*folder, delivery, Failure(Reply::Kind::kLost, "killed")).kind == Kind::kUnknown);
}

TEST_CASE(
    "smtp: the envelope has bare addresses, and the credentials stand only in their own fields") {
  const Delivery delivery = MakeDelivery(DeliveryKind::kMessage);
  const Request request = First(*Make("smtp"), delivery);
  CHECK(request.kind == Request::Kind::kSmtp);
  CHECK(request.url == "smtp://mail.lumen.example:587");
  CHECK(request.mail_from == "hello@lumen.example");
  CHECK(request.rcpt_to == std::vector<std::string>{"lara@customer.example"});
  CHECK(request.user == "mail-user-7");
  CHECK(request.password == kSecrets.at("password"));
  CHECK(request.body == MakeMail(delivery));
}

TEST_CASE("smtp: a server on 465 speaks TLS at once, and one without a port is asked on 587") {
  for (const auto& [server, url] : {std::pair("m.example:465", "smtps://m.example:465"),
                                    {"m.example", "smtp://m.example:587"},
                                    {"m.example:2525", "smtp://m.example:2525"},
                                    {"smtps://m.example:9", "smtps://m.example:9"}}) {
    ConnectorSettings settings = MakeSettings("smtp");
    settings.text["server"] = server;
    CHECK(First(*kSmtpConnector.make(settings, {}), MakeDelivery(DeliveryKind::kMessage)).url ==
          url);
  }
}

TEST_CASE("smtp: every reply code has its class") {
  const auto smtp = Make("smtp");
  const Delivery delivery = MakeDelivery(DeliveryKind::kMessage);
  for (int status = 100; status <= 599; ++status) {
    INFO("reply " << status);
    Kind expected = Kind::kUnknown;
    if (status >= 200 && status <= 299) {
      expected = Kind::kAccepted;
    } else if ((status >= 400 && status <= 499) || status == 530 || status == 534 ||
               status == 535 || status == 538) {
      expected = Kind::kRetry;
    } else if (status >= 500) {
      expected = Kind::kRefused;
    }
    CHECK(OutcomeOf(*smtp, delivery, Answer(status, "words")).kind == expected);
  }
  CHECK(OutcomeOf(*smtp, delivery, Answer(550, "5.1.1 <lara@customer.example>: no such user\r\n"))
            .detail == "SMTP 550: 5.1.1 <lara@customer.example>: no such user");
  const Outcome accepted = OutcomeOf(*smtp, delivery, Answer(250, "2.0.0 Ok: queued as 4F1A2\r\n"));
  CHECK(accepted.vendor_id == "4F1A2");
  CHECK(OutcomeOf(*smtp, delivery, Failure(Reply::Kind::kNotSent, "refused")).kind == Kind::kRetry);
  CHECK(OutcomeOf(*smtp, delivery, Failure(Reply::Kind::kLost, "timeout")).kind == Kind::kUnknown);
  CHECK(OutcomeOf(*smtp, delivery, Answer(535, "bad password pa55 w/ord\\&x")).detail ==
        "SMTP 535: bad password [secret]");
}

TEST_CASE("smtp: what cannot be a mail is refused with the reason, without asking a server") {
  Delivery delivery = MakeDelivery(DeliveryKind::kMessage);
  delivery.payload.to = "lara@customer.example, eve@evil.example";
  CHECK(Refusal(*Make("smtp"), delivery)
            .detail.starts_with("to is not an address that mail can carry"));
  Refusal(*Make("smtp"), MakeDelivery(DeliveryKind::kTask));
  ConnectorSettings settings = MakeSettings("smtp");
  settings.text.clear();
  Refusal(*kSmtpConnector.make(settings, {}), MakeDelivery(DeliveryKind::kMessage));
}

TEST_CASE("webhook: the body is signed over its time, and the key goes along") {
  const Request request = First(*Make("webhook"), MakeDelivery(DeliveryKind::kMessage));
  CHECK(request.kind == Request::Kind::kHttp);
  CHECK(request.method == "POST");
  CHECK(request.url == kSecrets.at("url"));
  CHECK(request.headers.at("Content-Type") == "application/json");
  CHECK(request.headers.at("Idempotency-Key") == "0f3a9c5e77d1b2a4");
  CHECK(request.headers.at("Segue-Signature") ==
        "t=1774497600,v1=" + HmacSha256Hex(kSecrets.at("sign"), "1774497600." + request.body));
  const boost::json::value body = boost::json::parse(request.body);
  CHECK(body.at("kind").as_string() == "message");
  CHECK(body.at("message").at("to").as_string() == "lara@customer.example");
  CHECK(body.at("message").at("subject").as_string() == "Come back & keep 20%");
}

TEST_CASE(
    "webhook: without a key to sign with there is no signature, and the address may stand in the "
    "file") {
  ConnectorSettings settings = MakeSettings("webhook");
  settings.text["url"] = "http://127.0.0.1:9/in";
  const Request request =
      First(*kWebhookConnector.make(settings, {}), MakeDelivery(DeliveryKind::kTrack));
  CHECK(request.url == "http://127.0.0.1:9/in");
  CHECK_FALSE(request.headers.contains("Segue-Signature"));
  CHECK(request.body.find(R"("name":"winback_finished")") != std::string::npos);
}

TEST_CASE("webhook: an address or key that could smuggle a header is refused") {
  for (const char* url : {"", "ftp://x", "https://x/\r\nX: y", "https://x/ y", "file:///etc/passwd",
                          "https://x/\xc3\xa9"}) {
    INFO(url);
    ConnectorSettings settings = MakeSettings("webhook");
    settings.text["url"] = url;
    Refusal(*kWebhookConnector.make(settings, {}), MakeDelivery(DeliveryKind::kTrack));
  }
  Delivery delivery = MakeDelivery(DeliveryKind::kTrack);
  delivery.key = "a\r\nX-Evil: 1";
  Refusal(*Make("webhook"), delivery);
}

}  // namespace
}  // namespace segue
