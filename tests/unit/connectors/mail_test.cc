// Mail as bytes.

#include <algorithm>

#include <doctest/doctest.h>

#include "support/golden.h"
#include "unit/connectors/fixture.h"

namespace segue {
namespace {

std::string Header(const std::string& mail, const std::string& name) {
  const std::size_t begin = mail.find(name + ":");
  std::size_t end = mail.find("\r\n", begin);
  while (end != std::string::npos && mail.substr(end + 2, 1) == " ") {
    end = mail.find("\r\n", end + 2);
  }
  return begin == std::string::npos ? "" : mail.substr(begin, end - begin);
}

// No line longer than it may be, and no line end but CRLF.
void CheckLines(const std::string& mail) {
  std::size_t begin = 0;
  while (begin < mail.size()) {
    const std::size_t end = mail.find("\r\n", begin);
    REQUIRE(end != std::string::npos);
    CHECK(end - begin <= 78);
    const std::string line = mail.substr(begin, end - begin);
    CHECK(line.find_first_of("\r\n") == std::string::npos);
    CHECK(std::all_of(line.begin(), line.end(),
                      [](char c) { return c == '\t' || (c >= ' ' && c < 0x7f); }));
    begin = end + 2;
  }
}

TEST_CASE("mail: a complete one") {
  Delivery delivery = MakeDelivery(DeliveryKind::kMessage);
  delivery.payload.from = "Lümen & Söhne <hello@lumen.example>";
  delivery.payload.subject =
      "Ünïcode subject that is long enough to need more than one encoded word: 日本語, 🎉 and on";
  delivery.payload.text = "Grüße,\n\n.dot first\nFrom here\ntrailing space \n" +
                          std::string(100, 'x') + "\n日本語日本語日本語日本語日本語\nend = end\n";
  delivery.payload.html = "<p title=\"=\">Grüße</p>\n";
  const std::string mail = MakeMail(delivery);
  CheckLines(mail);
  CheckGolden("render/mail.eml", mail);
  CHECK(MakeMail(delivery) == mail);
}

TEST_CASE("mail: another key gives another Message-ID and boundary, and nothing else changes") {
  Delivery delivery = MakeDelivery(DeliveryKind::kMessage);
  const std::string first = MakeMail(delivery);
  delivery.attempts = 3;
  delivery.id = 9;
  CHECK(MakeMail(delivery) == first);
  delivery.key = "other";
  CHECK(Header(MakeMail(delivery), "Message-ID") != Header(first, "Message-ID"));
}

TEST_CASE("mail: without HTML it is plain text alone") {
  Delivery delivery = MakeDelivery(DeliveryKind::kMessage);
  delivery.payload.html.clear();
  const std::string mail = MakeMail(delivery);
  CHECK(mail.find("multipart") == std::string::npos);
  CHECK(mail.ends_with("\r\n\r\nHello Lara\r\n\r\n"));
}

TEST_CASE("mail: no value adds a header or a line of its own") {
  for (const std::string attack :
       {"x\r\nBcc: evil@example.org", "x\nBcc: evil@example.org", "x\rBcc: evil@example.org",
        "x\r\n\r\nbody", "x\r\n Bcc: evil@example.org"}) {
    Delivery delivery = MakeDelivery(DeliveryKind::kMessage);
    delivery.payload.subject = attack;
    delivery.payload.from = "\"" + attack + "\" <hello@lumen.example>";
    delivery.payload.headers["List-Id"] = attack;
    CHECK(MailProblem(delivery).empty());
    const std::string mail = MakeMail(delivery);
    CheckLines(mail);
    CHECK(mail.find("\r\nBcc") == std::string::npos);
    CHECK(mail.find("\r\n\r\n") == mail.find("\r\n\r\n--=_segue"));
  }
}

TEST_CASE("mail: headers that a message may not set are a problem") {
  for (const char* name : {"Bcc", "to", "Subject", "X Y", "X:Y", "", "X\r\nBcc", "Content-Type"}) {
    INFO(name);
    Delivery delivery = MakeDelivery(DeliveryKind::kMessage);
    delivery.payload.headers[name] = "evil@example.org";
    CHECK_FALSE(MailProblem(delivery).empty());
    CHECK(MakeMail(delivery).find("evil") == std::string::npos);
  }
}

TEST_CASE("mail: addresses") {
  for (const char* good : {"a@b", "a.b+c_d'e@x-y.example", "Ann <a@b.example>",
                           "\"Ann, B.\" <a@b.example>", " a@b.example ", "=a@b.example"}) {
    INFO(good);
    CHECK(BareAddress(good).has_value());
  }
  for (const char* bad : {"",
                          "a",
                          "@b",
                          "a@",
                          "a@@b",
                          "a@b@c",
                          "a b@c.example",
                          "a@b c",
                          "a@b.example\r\nBcc: x@y",
                          "a\n@b.example",
                          "ä@b.example",
                          "a@bücher.example",
                          "a@-b.example",
                          "a@b..example",
                          ".a@b.example",
                          "a.@b.example",
                          "a..b@c.example",
                          "a@b.example, c@d.example",
                          "<a@b.example> x",
                          "a@b.example>",
                          "\"a b\"@c.example",
                          "a@[127.0.0.1]",
                          "a;b@c.example",
                          "a\x01@b.example",
                          "a@b.example\x7f"}) {
    INFO(bad);
    CHECK_FALSE(BareAddress(bad).has_value());
    Delivery delivery = MakeDelivery(DeliveryKind::kMessage);
    delivery.payload.to = bad;
    CHECK_FALSE(MailProblem(delivery).empty());
  }
  CHECK_FALSE(BareAddress(std::string(65, 'a') + "@b.example").has_value());
  CHECK(BareAddress("Ann <a@b.example>") == "a@b.example");
  Delivery delivery = MakeDelivery(DeliveryKind::kMessage);
  delivery.payload.to = "ä@b.example";
  CHECK(MailProblem(delivery) ==
        "to is not an address that mail can carry: 'ä@b.example' (only plain letters; write a "
        "foreign domain in its "
        "xn-- form)");
}

TEST_CASE("mail: subjects of every length and alphabet keep within the lines") {
  for (const std::string piece : {"a", "word ", "é", "日", "🎉", "=?", "a  b ", "\xff"}) {
    std::string subject;
    for (int i = 0; i < 200; ++i) {
      subject += piece;
      Delivery delivery = MakeDelivery(DeliveryKind::kMessage);
      delivery.payload.subject = subject;
      CheckLines(MakeMail(delivery));
    }
  }
}

TEST_CASE("mail: names are quoted where they must be") {
  Delivery delivery = MakeDelivery(DeliveryKind::kMessage);
  delivery.payload.from = "Lumen, Lda \"x\" <hello@lumen.example>";
  CHECK(Header(MakeMail(delivery), "From") ==
        "From: \"Lumen, Lda \\\"x\\\"\" <hello@lumen.example>");
}

}  // namespace
}  // namespace segue
