// What HTTP answers mean, and which of a vendor's words are kept.

#include <doctest/doctest.h>

#include "base/hash.h"
#include "base/text.h"
#include "unit/connectors/fixture.h"

namespace segue {
namespace {

using Kind = Outcome::Kind;

TEST_CASE("http: every status has its class") {
  for (int status = 100; status <= 599; ++status) {
    INFO("status " << status);
    const Outcome outcome = ClassifyHttp(Answer(status, "words"), kNow);
    Kind expected = Kind::kUnknown;
    if (status >= 200 && status <= 299) {
      expected = Kind::kAccepted;
    } else if (status == 408 || status == 425 || status == 429 || status >= 500) {
      expected = Kind::kRetry;
    } else if (status >= 300) {
      expected = Kind::kRefused;
    }
    CHECK(outcome.kind == expected);
    CHECK(outcome.detail == "HTTP " + std::to_string(status) + ": words");
    CHECK(outcome.retry_after == Duration::zero());
  }
  CHECK(ClassifyHttp(Answer(0), kNow).kind == Kind::kUnknown);
  CHECK(ClassifyHttp(Answer(600), kNow).kind == Kind::kUnknown);
  CHECK(ClassifyHttp(Answer(204), kNow).detail == "HTTP 204");
}

TEST_CASE("http: what was not sent is tried again, and a lost or cut-off answer is unknown") {
  const Outcome not_sent = ClassifyHttp(Failure(Reply::Kind::kNotSent, "connection refused"), kNow);
  CHECK(not_sent.kind == Kind::kRetry);
  CHECK(not_sent.detail == "not sent: connection refused");
  const Outcome lost = ClassifyHttp(Failure(Reply::Kind::kLost, "timed out"), kNow);
  CHECK(lost.kind == Kind::kUnknown);
  CHECK(lost.detail == "the answer was lost: timed out");
  Reply cut = Failure(Reply::Kind::kLost, "the answer was cut off");
  cut.status = 200;
  cut.body = "{\"ok\": tr";
  CHECK(ClassifyHttp(cut, kNow).kind == Kind::kUnknown);
}

TEST_CASE("http: Retry-After is seconds or a date, and never more than a day") {
  struct Row {
    const char* header;
    std::int64_t seconds;
  };

  for (const Row& row : std::initializer_list<Row>{{"120", 120},
                                                   {" 7 ", 7},
                                                   {"0", 0},
                                                   {"86400", 86400},
                                                   {"86401", 86400},
                                                   {"99999999999999999999999999", 86400},
                                                   {"-5", 0},
                                                   {"1.5", 0},
                                                   {"soon", 0},
                                                   {"", 0},
                                                   {"Thu, 26 Mar 2026 04:00:30 GMT", 30},
                                                   {"Thu, 26 Mar 2026 03:59:00 GMT", 0},
                                                   {"Sun, 06 Nov 1994 08:49:37 GMT", 0},
                                                   {"Thu, 31 Dec 2099 23:59:59 GMT", 86400},
                                                   {"Thursday, 26-Mar-26 04:01:00 GMT", 60},
                                                   {"Thu Mar 26 04:02:00 2026", 120},
                                                   {"Thu, 26 Foo 2026 04:00:30 GMT", 0},
                                                   {"Thu, 26 Mar 2026 04:00:30 PST", 0},
                                                   {"Thu, 26 Mar 2026 25:00:30 GMT", 0},
                                                   {"Thu, 99 Mar 2026 04:00:30 GMT", 0}}) {
    INFO("Retry-After: " << row.header);
    for (const int status : {429, 503}) {
      Reply reply = Answer(status);
      reply.headers["retry-after"] = row.header;
      const Outcome outcome = ClassifyHttp(reply, kNow);
      CHECK(outcome.kind == Kind::kRetry);
      CHECK(outcome.retry_after == std::chrono::seconds(row.seconds));
    }
  }
  Reply refused = Answer(400);
  refused.headers["retry-after"] = "60";
  CHECK(ClassifyHttp(refused, kNow).retry_after == Duration::zero());
}

TEST_CASE("words: what is kept is one line of UTF-8 of at most 500 bytes") {
  CHECK(CutWords("  two\r\n\twords \x01") == "two words");
  CHECK(CutWords(std::string(2000, 'a')) == std::string(500, 'a'));
  CHECK(CutWords(std::string(499, 'a') + "é") == std::string(499, 'a'));
  CHECK(CutWords(std::string(498, 'a') + "é") == std::string(498, 'a') + "é");
  CHECK(CutWords("bad \xff\xc3 end") == "bad ?? end");
  CHECK(CutWords("c1 \xc2\x9b end") == "c1 ?? end");
  CHECK(CutWords("ok é 日本 🎉") == "ok é 日本 🎉");
  CHECK(CutWords("cut \xf0\x9f\x8e") == "cut ???");
  CHECK(CutWords("").empty());
}

TEST_CASE("words: a secret is redacted in every form in which a vendor may echo it") {
  const std::string sign = kSecrets.at("sign");
  const std::string password = kSecrets.at("password");
  CHECK(Redact("key " + sign + "!", kSecrets) == "key [secret]!");
  CHECK(Redact("x=" + UrlEncode(password) + "&y", kSecrets) == "x=[secret]&y");
  CHECK(Redact("x=" + ToLower(UrlEncode(password)), kSecrets) == "x=[secret]");
  CHECK(Redact("{\"sign\":\"s1gn-\\\"secret\\\"-value\"}", kSecrets) == "{\"sign\":\"[secret]\"}");
  CHECK(Redact("POST /in/T0ken+Path/9 failed", kSecrets) == "POST [secret] failed");
  for (const std::string before : {"", "a", "ab", "user:", "longer user:"}) {
    const std::string redacted = Redact("Basic " + Base64(before + password + ":more"), kSecrets);
    INFO(redacted);
    CHECK(redacted.find("[secret]") != std::string::npos);
  }
  CHECK(Redact("nothing here", kSecrets) == "nothing here");
  CHECK(Redact("abc", {{"short", "abc"}}) == "abc");
}

TEST_CASE("words: a secret is redacted before the words are cut, so no half of it is kept") {
  const Delivery delivery = MakeDelivery(DeliveryKind::kMessage);
  const std::string echo = std::string(480, '.') + kSecrets.at("sign");
  const Outcome outcome = OutcomeOf(*Make("webhook"), delivery, Answer(400, echo));
  CHECK(outcome.detail.find("s1gn") == std::string::npos);
}

}  // namespace
}  // namespace segue
