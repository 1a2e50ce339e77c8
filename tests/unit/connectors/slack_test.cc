// Slack: what each of its answers means, and what is posted.

#include <doctest/doctest.h>

#include "unit/connectors/rows.h"

namespace segue {
namespace {

using Kind = Outcome::Kind;

constexpr auto kSlackTask = DeliveryKind::kTask;
constexpr auto kSlackMessage = DeliveryKind::kMessage;

std::string TextOf(const Delivery& delivery) {
  const Told told = Tell(*MakeVendorConnector("slack"), std::vector{delivery});
  REQUIRE(told.done.size() == 1);
  const boost::json::value body = boost::json::parse(told.done[0].request.body);
  CHECK(body.as_object().size() == 1);
  return std::string(body.at("text").as_string());
}

TEST_CASE("slack: what its answers mean") {
  for (const DeliveryKind kind : {kSlackTask, kSlackMessage}) {
    std::vector<Row> rows;
    const auto add = [&](int status, const std::string& word, Kind outcome) {
      rows.push_back({std::to_string(status) + " " + word,
                      kind,
                      "hooks.slack.com",
                      Answer(status, word),
                      {outcome},
                      0,
                      outcome == Kind::kAccepted || status == 200 ? "" : word});
    };
    add(200, "ok", Kind::kAccepted);
    add(200, "ok\n", Kind::kAccepted);
    add(200, "", Kind::kUnknown);
    add(200, "<html>", Kind::kUnknown);
    for (const char* word : {"invalid_payload", "user_not_found", "no_text", "invalid_blocks",
                             "missing_text_or_fallback_or_attachments"}) {
      add(400, word, Kind::kRefused);
    }
    // The webhook, its channel or its workspace is at fault: mended, the post is still there.
    add(400, "no_team", Kind::kRetry);
    add(403, "action_prohibited", Kind::kRetry);
    add(403, "posting_to_general_channel_denied", Kind::kRetry);
    add(403, "invalid_token", Kind::kRetry);
    add(404, "no_service", Kind::kRetry);
    add(404, "channel_not_found", Kind::kRetry);
    add(410, "channel_is_archived", Kind::kRetry);
    add(401, "who", Kind::kRetry);
    add(403, "another word", Kind::kRefused);
    add(404, "nothing here", Kind::kRefused);
    add(302, "elsewhere", Kind::kRefused);
    add(413, "too long", Kind::kRefused);
    add(500, "rollup_error", Kind::kRetry);
    add(503, "down", Kind::kRetry);
    add(429, "rate_limited", Kind::kRetry);
    rows.push_back({"429 with Retry-After",
                    kind,
                    "hooks.slack.com",
                    With(Answer(429, "rate_limited"), "retry-after", "30"),
                    {Kind::kRetry},
                    30});
    rows.push_back({"not sent",
                    kind,
                    "hooks.slack.com",
                    Failure(Reply::Kind::kNotSent, "no such host"),
                    {Kind::kRetry}});
    rows.push_back({"a timeout after the body: it may stand there",
                    kind,
                    "hooks.slack.com",
                    Failure(Reply::Kind::kLost, "timed out"),
                    {Kind::kUnknown}});
    CheckRows("slack", rows);
  }
}

TEST_CASE("slack: a task says for whom it is, until when, and whom it is about") {
  Delivery task = DeliveryFor("slack", kSlackTask, 1);
  CHECK(TextOf(task) ==
        "*Call Lara*\nShe left a basket\nFor sales@lumen.example, by "
        "<!date^1774584000^{date_short}|2026-03-27>, priority high\n"
        "Customer c-1, Person1@customer.example");
  task.payload.assignee = "U012AB3CD";
  task.payload.priority = "normal";
  task.payload.note.clear();
  task.payload.due = TimePoint();
  task.payload.to = task.customer_key;
  task.payload.account = "acme-1";
  CHECK(TextOf(task) == "*Call Lara*\nFor <@U012AB3CD>\nCustomer c-1\nAccount acme-1");
  CHECK(TextOf(AboutAccount(task)) == "*Call Lara*\nFor <@U012AB3CD>\nAccount acme-1");
  for (const char* word : {"UNLIMITED CARE", "U012", "u012ab3cd", "sales"}) {
    task.payload.assignee = word;
    CHECK(TextOf(task).find("<@") == std::string::npos);
  }
}

TEST_CASE("slack: a message has its title, its text and what to press") {
  Delivery message = DeliveryFor("slack", kSlackMessage, 1);
  CHECK(TextOf(message) == "*Come back &amp; keep 20%*\nHello Lara");
  Payload& payload = message.payload;
  payload.title = "A title";
  payload.link = "https://lumen.example/a?b=1&c=|d";
  CHECK(TextOf(message) == "*A title*\nHello Lara\n<https://lumen.example/a?b=1&amp;c=%7Cd>");
  payload.button = "Look > here";
  CHECK(TextOf(message).ends_with("c=%7Cd|Look &gt; here>"));
  payload.link.clear();
  payload.title.clear();
  payload.subject.clear();
  CHECK(TextOf(message) == "Hello Lara");
}

TEST_CASE("slack: no value calls anybody, or becomes a link") {
  const std::string evil = "<!channel> & <https://evil.example|our site> <@U012AB3CD>";
  const std::string shown =
      "&lt;!channel&gt; &amp; &lt;https://evil.example|our site&gt; &lt;@U012AB3CD&gt;";
  Delivery task = DeliveryFor("slack", kSlackTask, 1);
  task.payload.title = task.payload.note = task.payload.assignee = evil;
  task.payload.to = task.customer_key = task.payload.account = evil;
  task.payload.due = TimePoint();
  const std::string text = TextOf(task);
  CHECK(text == "*" + shown + "*\n" + shown + "\nFor " + shown + ", priority high\nCustomer " +
                    shown + "\nAccount " + shown);
  Delivery message = DeliveryFor("slack", kSlackMessage, 1);
  message.payload.title = message.payload.text = message.payload.button = evil;
  message.payload.link = "https://lumen.example/>";
  CHECK(TextOf(message) ==
        "*" + shown + "*\n" + shown + "\n<https://lumen.example/&gt;|" + shown + ">");
}

TEST_CASE("slack: a text that is too long ends where a character does") {
  Delivery message = DeliveryFor("slack", kSlackMessage, 1);
  message.payload.subject.clear();
  message.payload.text = "x";
  while (message.payload.text.size() < 50'000) {
    message.payload.text += "€";
  }
  const std::string text = TextOf(message);
  CHECK(text.size() <= 40'000);
  CHECK(text.size() > 39'990);
  CHECK(IsUtf8(text));
}

TEST_CASE(
    "slack: what it cannot carry, and an address that is none, is said before anything is sent") {
  const auto connector = MakeVendorConnector("slack");
  Delivery use = DeliveryFor("slack", kSlackMessage, 1), empty = use;
  use.payload.name = "flow 7";
  empty.payload.subject.clear();
  empty.payload.text = " \n";
  for (const Delivery& delivery : {use, empty, DeliveryFor("slack", DeliveryKind::kSet, 1),
                                   DeliveryFor("slack", DeliveryKind::kTrack, 1),
                                   DeliveryFor("slack", DeliveryKind::kAudience, 1)}) {
    const Told told = Tell(*connector, std::vector{delivery});
    CHECK(told.done.empty());
    CHECK(told.outcomes[0].kind == Kind::kRefused);
  }
  for (const char* url : {"", "http://hooks.slack.com/services/a/b/c", "hooks.slack.com"}) {
    const auto nowhere = FindConnectorSpec("slack")->make(VendorSettings("slack"), {{"url", url}});
    const Told told = Tell(*nowhere, std::vector{DeliveryFor("slack", kSlackTask, 1)});
    CHECK(told.done.empty());
    CHECK(told.outcomes[0].kind == Kind::kRetry);
    CHECK(told.outcomes[0].detail.find("auth.url") != std::string::npos);
  }
}

TEST_CASE("slack: the address of the webhook is a secret, in whole and by its path") {
  const std::string url = SecretsFor("slack").at("url");
  const std::vector batch = {DeliveryFor("slack", kSlackTask, 1)};
  const auto connector = MakeVendorConnector("slack");
  CHECK(Tell(*connector, batch).done[0].request.url == url);
  for (const Reply& reply :
       {Answer(404, "no_service at " + url), Answer(500, "POST " + url.substr(23)),
        Failure(Reply::Kind::kNotSent, "could not reach " + url)}) {
    const Told told = TellAt(*connector, batch, 0, reply);
    CHECK(told.outcomes[0].detail.find("xoxsecretxox") == std::string::npos);
  }
}

}  // namespace
}  // namespace segue
