// What the web answers, without a socket: links, pages, calls, rows.

#include "daemon/web.h"

#include <memory>
#include <string>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "base/hash.h"
#include "daemon/calls.h"
#include "pipeline/answers.h"
#include "pipeline/links.h"
#include "support/temp_dir.h"

namespace segue {
namespace {

constexpr std::string_view kWebShop = R"(workspace: shop
currency: EUR
timezone: UTC
sender: {from: "The Shop <shop@example.com>", postal: "1 Street <b>"}
traits: {customer: {email: text, mail_ok: yes_no, news_ok: yes_no}}
events: {order_placed: {order_id: text, amount: money}, link_clicked: {link: text, template: text}}
channels: {email: out}
consent: {email: customer.mail_ok, topics: {big_news: customer.news_ok}}
serve: {url: "https://segue.example", sign: env:SIGN}
links: {base: "https://shop.example", paths: {book: /book}}
---
connector: out
type: webhook
auth: {url: env:URL}
---
source: app
type: http
auth: {token: env:TOKEN}
currency: EUR
---
source: till
type: webhook
auth: {sign: env:SIGN}
emits: order_placed
time: at
currency: EUR
dedupe: order_id
)";

Site WebShop(std::string text = std::string(kWebShop)) {
  auto files = std::make_shared<Checked>(CheckWorkspace({{"config/segue.yaml", std::move(text)}}));
  INFO(FormatDiagnostics(files->diagnostics, files->files, false));
  REQUIRE(files->workspace != nullptr);
  Site site;
  site.files = std::move(files);
  site.links_key = "key";
  site.push_secrets = {{"app", "letmein"}, {"till", "secret"}};
  return site;
}

const TimePoint kWebNow = *ParseTime("2026-03-02T09:00:00Z", Zone());
const LinkSigner kSigner{"key", "shop"};

WebTurn Ask(const Site& site, const std::string& method, const std::string& target,
            const std::string& body = "", std::map<std::string, std::string> headers = {}) {
  return AnswerWeb(site, {method, target, std::move(headers), body}, kWebNow);
}

std::string LinesIn(const WebTurn& turn) {
  std::string all;
  for (const SpoolLine& line : turn.lines) {
    all += line.stream + " " + line.text + "\n";
  }
  return all;
}

}  // namespace

TEST_CASE(
    "opening the link to unsubscribe asks, and only the button or a mail program's one click "
    "says no") {
  const Site site = WebShop();
  const std::string target = "/unsubscribe/" + PersonPath(kSigner, "ann@example.org/1");
  const WebTurn look = Ask(site, "GET", target);
  CHECK(look.reply.status == 200);
  CHECK(look.lines.empty());
  CHECK(look.reply.body.find("<form method=\"post\">") != std::string::npos);
  CHECK(look.reply.body.find("1 Street &lt;b&gt;") != std::string::npos);
  CHECK(look.reply.body.find("<script") == std::string::npos);
  const WebTurn click = Ask(site, "POST", target, "List-Unsubscribe=One-Click");
  CHECK(click.reply.status == 200);
  CHECK(LinesIn(click) ==
        "own-answers {\"at\":\"2026-03-02T09:00:00Z\",\"kind\":\"consent\",\"customer\":"
        "\"ann@example.org/1\",\"what\":\"mail_ok\",\"about\":\"channel email\",\"yes\":false,"
        "\"page\":true}\n");
}

TEST_CASE("a link that was signed for one person, link or workspace opens nothing for another") {
  const Site site = WebShop();
  const std::string own = PersonPath(kSigner, "ann");
  const std::string proof = own.substr(own.find('/') + 1);
  const std::vector<std::string> forged = {"bob/" + proof,
                                           "ann/" + proof.substr(1),
                                           "ann/",
                                           "ann",
                                           "ann/" + proof + "0",
                                           PersonPath({"key", "other"}, "ann"),
                                           PersonPath({"yek", "shop"}, "ann"),
                                           "%zz/" + proof};
  for (const std::string& path : forged) {
    INFO(path);
    const WebTurn turn = Ask(site, "POST", "/unsubscribe/" + path);
    CHECK(turn.reply.status == 404);
    CHECK(turn.lines.empty());
  }
  Site keyless = site;
  keyless.links_key = "";
  CHECK(Ask(keyless, "POST", "/unsubscribe/" + PersonPath({"", "shop"}, "ann")).reply.status ==
        404);
}

TEST_CASE("links that an earlier key signed still open, and those of no key of ours do not") {
  Site site = WebShop();
  site.links_key = "new";
  const std::string person = "/unsubscribe/" + PersonPath(kSigner, "ann");
  const std::string link = "/l/" + TrackedPath(kSigner, {"book", "hello", "ann"});
  CHECK(Ask(site, "POST", person).reply.status == 404);
  CHECK(Ask(site, "GET", link).reply.status == 404);
  site.old_links_keys = {"older", "key"};
  CHECK(Ask(site, "POST", person).lines.size() == 1);
  CHECK(Ask(site, "GET", link + "?a=b").reply.headers.at("Location") ==
        "https://shop.example/book?a=b");
  CHECK(Ask(site, "POST", "/unsubscribe/" + PersonPath({"new", "shop"}, "ann")).lines.size() == 1);
}

TEST_CASE("without a trait for consent to mail, unsubscribing stops everything and says so") {
  std::string text(kWebShop);
  text.replace(text.find("email: customer.mail_ok, "), 25, "");
  const Site site = WebShop(text);
  const std::string target = "/unsubscribe/" + PersonPath(kSigner, "ann");
  CHECK(Ask(site, "GET", target).reply.body.find("of whatever kind") != std::string::npos);
  CHECK(LinesIn(Ask(site, "POST", target)).find("\"kind\":\"suppress\"") != std::string::npos);
}

TEST_CASE("preferences take a yes or a no for each topic and leave the rest as it is") {
  const Site site = WebShop();
  const std::string target = "/preferences/" + PersonPath(kSigner, "ann");
  const std::string page = Ask(site, "GET", target).reply.body;
  CHECK(page.find("About: big news") != std::string::npos);
  CHECK(page.find("name=\"mail_ok\"") != std::string::npos);
  const WebTurn turn = Ask(site, "POST", target, "news_ok=yes&mail_ok=&other=no&email=no");
  CHECK(LinesIn(turn) ==
        "own-answers {\"at\":\"2026-03-02T09:00:00Z\",\"kind\":\"consent\",\"customer\":\"ann\","
        "\"what\":\"news_ok\",\"about\":\"topic big_news\",\"yes\":true,\"page\":true}\n");
}

TEST_CASE("preferences show what is in force, where the core had time to say") {
  const Site site = WebShop();
  const WebRequest request{"GET", "/preferences/" + PersonPath(kSigner, "ann") + "?x=1", {}, ""};
  CHECK(PersonShown(site, request) == "ann");
  const InForce in_force{.answers = {{"mail_ok", false}}, .stopped = false};
  const std::string page = AnswerWeb(site, request, kWebNow, in_force).reply.body;
  const std::size_t mail = page.find("Newsletters and offers by mail"),
                    news = page.find("big news");
  REQUIRE(mail < news);
  const std::size_t no = page.find("Now: no");
  CHECK((no > mail && no < news));
  CHECK(page.find("You have not told us yet.") > news);
  CHECK(page.find("Now: yes") == std::string::npos);
  CHECK(page.find("nothing to you at all") == std::string::npos);
  // Nothing is chosen that they did not choose: what is in force is only told.
  CHECK(page.find("value=\"no\" checked") == std::string::npos);
  const InForce stopped{.answers = {{"mail_ok", true}}, .stopped = true};
  const std::string other = AnswerWeb(site, request, kWebNow, stopped).reply.body;
  CHECK(other.find("Now: yes, you get these.") != std::string::npos);
  CHECK(other.find("nothing to you at all") != std::string::npos);
  // Without the core's word the page asks as well.
  const std::string unknown = AnswerWeb(site, request, kWebNow).reply.body;
  CHECK(unknown.find("name=\"mail_ok\"") != std::string::npos);
  CHECK(unknown.find("Now:") == std::string::npos);
  CHECK(unknown.find("not told us") == std::string::npos);
  // Nobody sees another's, and only who looks is shown anything.
  const auto shown = [&](const std::string& method, const std::string& target) {
    return PersonShown(site, {method, target, {}, ""});
  };
  CHECK(shown("HEAD", request.target) == "ann");
  CHECK_FALSE(shown("POST", request.target));
  CHECK_FALSE(shown("GET", "/preferences/bob/" + PersonPath(kSigner, "ann").substr(4)));
  CHECK_FALSE(shown("GET", "/unsubscribe/" + PersonPath(kSigner, "ann")));
}

TEST_CASE(
    "a tracked link leads on to its own place alone, with what the template wrote behind it") {
  const Site site = WebShop();
  const std::string target = "/l/" + TrackedPath(kSigner, {"book", "hello", "ann"});
  const WebTurn turn = Ask(site, "GET", target + "?code=A&x=%20");
  CHECK(turn.reply.status == 302);
  CHECK(turn.reply.headers.at("Location") == "https://shop.example/book?code=A&x=%20");
  CHECK(LinesIn(turn).find("\"what\":\"book\",\"template\":\"hello\"") != std::string::npos);
  CHECK(turn.anyway);
  CHECK(Ask(site, "HEAD", target).lines.empty());
  CHECK(Ask(site, "GET", target, "", {{"sec-purpose", "prefetch"}}).lines.empty());
  CHECK(Ask(site, "POST", target).reply.status == 405);
  std::string forged = target;
  forged.replace(forged.find("ann"), 3, "bob");
  CHECK(Ask(site, "GET", forged).reply.status == 404);
  CHECK(Ask(site, "GET", "/l/" + TrackedPath(kSigner, {"gone", "hello", "ann"})).reply.status ==
        404);
}

TEST_CASE(
    "calls are taken with the token of a source, as bearer or as Segment's libraries send it") {
  const Site site = WebShop();
  const std::string body =
      R"({"userId":"ann","event":"Order Placed","properties":{"amount":12.50}})";
  const auto send = [&](const std::string& authorization) {
    return Ask(site, "POST", "/v1/track", body, {{"authorization", authorization}});
  };
  for (const std::string& good : {std::string("Bearer letmein"), "Basic " + Base64("letmein:"),
                                  "basic " + Base64("letmein:x")}) {
    const WebTurn turn = send(good);
    CHECK(turn.reply.status == 200);
    CHECK(LinesIn(turn) ==
          "app {\"type\":\"track\",\"receivedAt\":\"2026-03-02T09:00:00Z\",\"userId\":\"ann\","
          "\"event\":\"Order Placed\",\"properties\":{\"amount\":12.50}}\n");
  }
  for (const std::string& bad :
       {std::string(""), std::string("Bearer "), std::string("Bearer letmeout"),
        std::string("Bearer secret"), std::string("Basic !!!!"), "Basic " + Base64(":letmein")}) {
    INFO(bad);
    CHECK(send(bad).reply.status == 401);
    CHECK(send(bad).lines.empty());
  }
  CHECK(Ask(site, "GET", "/v1/track").reply.status == 405);
  CHECK(Ask(site, "POST", "/v1/other", body, {{"authorization", "Bearer letmein"}}).reply.status ==
        404);
}

TEST_CASE("a call that with what we add is longer than a source reads is not taken") {
  const Site site = WebShop();
  const auto send = [&](std::size_t bytes) {
    std::string body = R"({"type":"track","x":""})";
    body.insert(body.size() - 2, bytes - body.size(), 'y');
    return Ask(site, "POST", "/v1/track", body, {{"authorization", "Bearer letmein"}}).reply.status;
  };
  constexpr std::size_t kMost = std::size_t{1} << 20U;
  CHECK(send(kMost - 100) == 200);
  CHECK(send(kMost - 10) == 413);
}

TEST_CASE(
    "long bodies are read of those alone who may push, and the others are told what is wrong") {
  const Site site = WebShop();
  const auto most = [&](const std::string& target, const std::string& authorization = "") {
    return BodyBytesMax(site, {"POST", target, {{"authorization", authorization}}, ""});
  };
  constexpr std::size_t kLong = std::size_t{1} << 20U;
  CHECK(most("/v1/batch", "Bearer letmein") == kLong);
  CHECK(most("/v1/rows/till") == kLong);
  for (const std::size_t bytes :
       {most("/v1/batch"), most("/v1/batch", "Bearer x"), most("/v1/rows/app"), most("/v1/rows/x"),
        most("/hooks/x"), most("/unsubscribe/x/y"), most("/nothing", "Bearer letmein")}) {
    CHECK(bytes == 16 * 1024);
  }
  const auto cut = [&](const std::string& target) {
    return AnswerWeb(site, {.method = "POST", .target = target, .headers = {}, .cut = true},
                     kWebNow);
  };
  CHECK(cut("/v1/batch").reply.status == 401);
  CHECK(cut("/nothing").reply.status == 404);
  const WebTurn form = cut("/preferences/" + PersonPath(kSigner, "ann"));
  CHECK(form.reply.status == 413);
  CHECK(form.lines.empty());
}

TEST_CASE(
    "how the service is, strangers are not told: neither behind a proxy nor over its own TLS") {
  Site site = WebShop();
  const auto may = [&](bool local, std::map<std::string, std::string> headers) {
    return MayAskOfService(
        site,
        {.method = "GET", .target = "/metrics", .headers = std::move(headers), .local = local});
  };
  CHECK(may(true, {}));
  CHECK(may(false, {}));
  CHECK(!may(true, {{"x-forwarded-for", "198.51.100.7"}}));
  std::string text(kWebShop);
  text.replace(text.find("serve: {"), 8, "serve: {tls: {cert: env:CERT, key: env:KEY}, ");
  site = WebShop(text);
  CHECK(may(true, {}));
  CHECK(!may(false, {}));
  CHECK(!may(true, {{"via", "x"}}));
}

TEST_CASE("a proxy that decodes what stands in a link breaks no link") {
  const Site site = WebShop();
  const std::string key = "team/ann 50%";
  const std::string person = PersonPath(kSigner, key);
  const std::string proof = person.substr(person.rfind('/'));
  for (const std::string& path : {person, "team%2Fann 50%25" + proof, key + proof}) {
    INFO(path);
    CHECK(Ask(site, "POST", "/unsubscribe/" + path).reply.status == 200);
  }
  const std::string tracked = TrackedPath(kSigner, {"book", "hello", key});
  const std::string sign = tracked.substr(tracked.rfind('/'));
  for (const std::string& path : {tracked, "book/hello/" + key + sign}) {
    const WebTurn turn = Ask(site, "GET", "/l/" + path + "/a/b?c=d");
    CHECK(turn.reply.headers.at("Location") == "https://shop.example/book/a/b?c=d");
    CHECK(LinesIn(turn).find("\"customer\":\"team/ann 50%\"") != std::string::npos);
  }
  CHECK(Ask(site, "GET", "/l/book/hello/team/" + key + sign).reply.status == 404);
}

TEST_CASE("rows are taken when their signature is of this body and of these minutes") {
  const Site site = WebShop();
  const std::string body = R"([{"customer_id":"ann","order_id":"A1"}, {"customer_id":"bob"}])";
  const auto send = [&](std::int64_t off, const std::string& secret, const std::string& what) {
    const std::int64_t seconds = ToMicros(kWebNow) / 1'000'000 + off;
    const std::string hex = HmacSha256Hex(secret, fmt::format("{}.{}", seconds, body));
    return Ask(site, "POST", "/v1/rows/till", what,
               {{"segue-signature", fmt::format("t={},v1={}", seconds, hex)}});
  };
  CHECK(LinesIn(send(0, "secret", body)) ==
        "till {\"customer_id\":\"ann\",\"order_id\":\"A1\"}\ntill {\"customer_id\":\"bob\"}\n");
  CHECK(send(-299, "secret", body).reply.status == 200);
  CHECK(send(-301, "secret", body).reply.status == 401);
  CHECK(send(301, "secret", body).reply.status == 401);
  CHECK(send(0, "other", body).reply.status == 401);
  CHECK(send(0, "secret", body + " ").reply.status == 401);
  for (const std::string header :
       {"", "t=,v1=", "t=9999999999999999999,v1=00", "v1=00", "t=-1,v1=00"}) {
    CHECK(Ask(site, "POST", "/v1/rows/till", body, {{"segue-signature", header}}).reply.status ==
          401);
  }
  // The token of another source opens nothing here.
  CHECK(Ask(site, "POST", "/v1/rows/app", body).reply.status == 401);
}

TEST_CASE("texts of calls are cut apart and never written anew") {
  const TimePoint now = kWebNow;
  const auto lines = [&](std::string_view type, std::string_view body) {
    const Result<std::vector<std::string>> all = LinesOfCalls(type, body, now);
    std::string text;
    for (std::size_t i = 0; all && i < all->size(); ++i) {
      text += (*all)[i] + "\n";
    }
    return all ? text : "error: " + all.error().message();
  };
  CHECK(lines("batch",
              "{\"sentAt\": \"S\", \"batch\": [\n {\"type\":\"track\",\"n\":0.10,\r\n"
              "\"s\":\"]},\\\"[\"} , {} ]}") ==
        "{\"sentAt\":\"S\",\"receivedAt\":\"2026-03-02T09:00:00Z\",\"type\":\"track\",\"n\":0.10,  "
        "\"s\":\"]},\\\"[\"}\n"
        "{\"sentAt\":\"S\",\"receivedAt\":\"2026-03-02T09:00:00Z\"}\n");
  CHECK(lines("batch", "{\"batch\":[]}").empty());
  CHECK(lines("track", "{\"type\":\"track\",\"receivedAt\":1}") ==
        "{\"type\":\"track\",\"receivedAt\":1}\n");
  CHECK(lines("track", "{\"type\":\"page\"}").starts_with("error: the call's type"));
  CHECK(lines("track", "[]").starts_with("error:"));
  CHECK(lines("track", "{\"a\":1").starts_with("error:"));
  CHECK(lines("track", "{\"a\":\"\xff\"}").starts_with("error:"));
  CHECK(lines("batch", "{\"batch\":[1]}") == "error: call 1 of the batch is no object");
  CHECK(lines("batch", "{\"b\\u0061tch\":[{}]}").starts_with("error: `batch`"));
  CHECK(lines("batch", "{}").starts_with("error: `batch`"));
  CHECK(lines("batch", "{\"batch\":5,\"batch\":[{}]}") ==
        "error: `batch` stands there more than once");
  CHECK(lines("batch", "{\"batch\":[{}],\"batch\":[]}") ==
        "error: `batch` stands there more than once");
  // What goes into each call is a time and not whatever somebody writes there.
  CHECK(lines("batch", "{\"sentAt\":\"" + std::string(80, '9') + "\",\"batch\":[{\"a\":1}]}") ==
        "{\"receivedAt\":\"2026-03-02T09:00:00Z\",\"a\":1}\n");
  CHECK(lines("batch", "{\"sentAt\":[1],\"batch\":[{\"a\":1}]}") ==
        "{\"receivedAt\":\"2026-03-02T09:00:00Z\",\"a\":1}\n");
  CHECK(!LinesOfRows("3").has_value());
  CHECK(!LinesOfRows("[{}, 3]").has_value());
}

TEST_CASE(
    "what a crash left half written in the spool is a line of its own, and others follow it") {
  const TempDir dir;
  Spool spool(dir.path());
  REQUIRE(
      spool.Append(std::vector<SpoolLine>{{"app", "one"}, {"till", "x"}, {"app", "two"}}, kWebNow)
          .empty());
  const std::string path = dir / "spool/app/2026-03-02.jsonl";
  CHECK(ReadFile(path) == "one\ntwo\n");
  dir.Write("spool/app/2026-03-02.jsonl", "one\nhal");
  REQUIRE(spool.Append(std::vector<SpoolLine>{{"app", "three"}}, kWebNow).empty());
  CHECK(ReadFile(path) == "one\nhal\nthree\n");
  REQUIRE(spool.Append(std::vector<SpoolLine>{{"app", "next"}}, kWebNow + 24 * kHour).empty());
  spool.Sweep("app", kWebNow + 24 * kHour);
  CHECK(ReadFile(path).empty());
  CHECK(ReadFile(dir / "spool/app/2026-03-03.jsonl") == "next\n");
}

TEST_CASE("a stream that cannot be written keeps no other from being written") {
  const TempDir dir;
  Spool spool(dir.path());
  dir.Write("spool/app", "this is no folder");
  const std::vector<SpoolLine> lines = {
      {"app", "one"}, {std::string(kAnswersStream), "no"}, {"till", "x"}};
  const std::map<std::string, std::string> lost = spool.Append(lines, kWebNow);
  REQUIRE(lost.size() == 1);
  CHECK(lost.begin()->first == "app");
  CHECK(lost.begin()->second.find("spool/app") != std::string::npos);
  CHECK(ReadFile(dir / "spool/own-answers/2026-03-02.jsonl") == "no\n");
  CHECK(ReadFile(dir / "spool/till/2026-03-02.jsonl") == "x\n");
}

TEST_CASE("what was pushed in for a source that has another name now is not forgotten silently") {
  const TempDir dir;
  const Site site = WebShop();
  CHECK(Forgotten(dir.path(), site.workspace()).empty());
  for (const char* stream : {"app", "old_app", "own-answers"}) {
    dir.Write(fmt::format("spool/{}/2026-03-02.jsonl", stream), "one\n");
  }
  const std::vector<std::string> words = Forgotten(dir.path(), site.workspace());
  REQUIRE(words.size() == 1);
  CHECK(words.front().starts_with("spool/old_app holds what was pushed in for old_app"));
}

}  // namespace segue
