// Mailchimp and its Transactional: what each of their answers means, and what they are told.

#include <doctest/doctest.h>

#include "connectors/archive.h"
#include "unit/connectors/rows.h"

namespace segue {
namespace {

using Kind = Outcome::Kind;

constexpr auto kMailchimpSet = DeliveryKind::kSet;
constexpr auto kMailchimpMessage = DeliveryKind::kMessage;
constexpr auto kMailchimpAudience = DeliveryKind::kAudience;
constexpr auto kMailchimpTrack = DeliveryKind::kTrack;

// Written by Python's tarfile and gzip: a folder and two files of answers, for the deliveries 1 to
// 4 (200, a member in compliance state, 404, 500) and for one of somebody else's.
constexpr std::string_view kArchive =
    "1f8b08080000000002ff62312d726573706f6e73652e74617200edd4414f83301806607e4ad38b97a905ca88"
    "5e4d4c3ce8418f629696d65803ed42cbc12cfbef76231e1c4477998bd9fb5cda50f83e42792b45a8df2e9383"
    "62d19cf3ed18ed8e13f3926579428ae40ff43e882eb64c4e93dcee7f7af1ee9d3dd6fee765f97dffd3cd1f90"
    "1086fd3fb8e7158d1f20f47e513ba5e935c9189b11ea96ba13c138bb302a5ea4ec35175775a1cb52a5321329"
    "8df774da2f9df59b87e8aaa246557156d1f63cade89aae6764b734dfa77436513a98d0e8a1fabd6ea5eec89d"
    "2537ae5d3646d85a93a7d826aecfe2fad0b1faea5651a58330cdf0706f7d2f7ddd19a9d5f61d5f925337e43f"
    "3b6afe79568cf23fcf91ffa3e49f33fe7b48f39f43faa8bdebbb18cc0717c8adebad1a87934f1e11c53e4704"
    "1f759fac357d9279d76ae9d407d18dd7677eaa144e050000000000000000000000000000f86f3e011472ef51"
    "00280000";

std::string Bytes(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

Reply Problem(int status, const std::string& title) {
  return Answer(status, R"({"type":"https://mailchimp.com/","title":")" + title + "\"}");
}

TEST_CASE("mailchimp: what its problems mean") {
  const std::string journey = "journey 12/3";
  for (const auto& [kind, part, use] :
       std::vector<std::tuple<DeliveryKind, std::string, std::string>>{
           {kMailchimpSet, "/members/", ""},
           {kMailchimpAudience, "/tags", ""},
           {kMailchimpTrack, "/events", ""},
           {kMailchimpMessage, "/members/", journey},
           {kMailchimpMessage, "/trigger", journey}}) {
    INFO(part);
    const auto row = [&, kind = kind, part = part, use = use](const std::string& what,
                                                              const Reply& reply, Kind outcome) {
      return Row{what, kind, part, reply, {outcome}, 0, "", use};
    };
    CheckRows("mailchimp",
              {row("unsubscribed", Problem(400, "Member In Compliance State"), Kind::kSuppressed),
               row("forgotten", Problem(400, "Forgotten Email Not Subscribed"), Kind::kSuppressed),
               row("a wrong value", Problem(400, "Invalid Resource"), Kind::kRefused),
               row("an unknown member", Problem(404, "Resource Not Found"), Kind::kRefused),
               row("403 with words", Problem(403, "User Disabled"), Kind::kRefused),
               row("403 without JSON: too many calls", Answer(403, "<html>"), Kind::kRetry),
               row("403 without a body", Answer(403), Kind::kRetry),
               row("401", Problem(401, "API Key Invalid"), Kind::kRetry),
               row("429", Problem(429, "Too Many Requests"), Kind::kRetry),
               row("500", Problem(500, "Internal Server Error"), Kind::kRetry),
               row("503", Answer(503), Kind::kRetry), row("504", Answer(504), Kind::kRetry)});
  }
}

TEST_CASE("mailchimp: a member is written without a word on whether they are subscribed") {
  const auto connector = MakeVendorConnector("mailchimp");
  const std::vector batch = {DeliveryFor("mailchimp", kMailchimpSet, 1)};
  Session session;
  const Told told = Tell(*connector, batch, VendorSays, session);
  REQUIRE(told.done.size() == 2);
  CHECK(told.done[0].request.url ==
        "https://us21.api.mailchimp.com/3.0/lists?fields=lists.id,lists.name&count=1000");
  const Request& put = told.done[1].request;
  CHECK(put.method == "PUT");
  // md5sum of person1@customer.example
  CHECK(put.url ==
        "https://us21.api.mailchimp.com/3.0/lists/a1b2c3/members/f800ef730b37571ee76eed1df1fd5016"
        "?skip_merge_validation=true");
  CHECK(put.body ==
        R"({"email_address":"Person1@customer.example","status_if_new":"transactional",)"
        R"("merge_fields":{"segue_rfv":"at_risk"}})");
  // The audience is looked up once.
  CHECK(Tell(*connector, batch, VendorSays, session).done.size() == 1);
}

TEST_CASE("mailchimp: an audience that is not there waits for whoever mends the file") {
  const std::string lists = "/3.0/lists?";
  CheckRows("mailchimp",
            {{"another name",
              kMailchimpSet,
              lists,
              Answer(200, R"({"lists":[{"id":"x","name":"y"}]})"),
              {Kind::kRetry},
              0,
              "Mailchimp has no audience called customers"},
             {"by its id",
              kMailchimpSet,
              lists,
              Answer(200, R"({"lists":[{"id":"customers","name":"y"}]})"),
              {Kind::kAccepted}},
             {"cut off", kMailchimpSet, lists, Answer(200, R"({"lists":[)"), {Kind::kRetry}},
             {"lost", kMailchimpSet, lists, Failure(Reply::Kind::kLost, "reset"), {Kind::kRetry}}});
}

TEST_CASE("mailchimp: tags come and go, and who is no member has none to lose") {
  const auto connector = MakeVendorConnector("mailchimp");
  std::vector batch = {DeliveryFor("mailchimp", kMailchimpAudience, 1)};
  CHECK(Tell(*connector, batch).done.back().request.body ==
        R"({"tags":[{"name":"Win-back","status":"active"}],"is_syncing":false})");
  batch[0].payload.values["action"] = "remove";
  const Told told = TellWith(*connector, batch, "/tags", Problem(404, "Resource Not Found"));
  CHECK(told.done.back().request.body ==
        R"({"tags":[{"name":"Win-back","status":"inactive"}],"is_syncing":false})");
  CHECK(told.outcomes[0].kind == Kind::kAccepted);
}

TEST_CASE("mailchimp: several go out as one batch, and each gets its own answer") {
  const auto connector = MakeVendorConnector("mailchimp");
  std::vector<Delivery> batch;
  for (int customer = 1; customer <= 5; ++customer) {
    batch.push_back(DeliveryFor("mailchimp", kMailchimpAudience, customer));
    batch.back().payload.values["action"] = customer == 3 ? "remove" : "add";
  }
  int polls = 0;
  std::string archive = Bytes(kArchive);
  const auto world = [&](const Request& request) {
    if (request.url.ends_with("/3.0/batches/b1")) {
      return Answer(200, ++polls < 4 ? R"({"id":"b1","status":"started"})"
                                     : R"({"id":"b1","status":"finished","errored_operations":3,)"
                                       R"("response_body_url":"https://files.example/b1?sign=1"})");
    }
    return request.url.starts_with("https://files.example/") ? Answer(200, archive)
                                                             : VendorSays(request);
  };
  const Told told = Tell(*connector, batch, world);
  REQUIRE(told.done.size() == 7);
  const boost::json::value body = boost::json::parse(told.done[1].request.body);
  const boost::json::value& third = body.at("operations").at(2);
  CHECK(third.at("method").as_string() == "POST");
  CHECK(std::string(third.at("path").as_string()).starts_with("/lists/a1b2c3/members/"));
  CHECK(third.at("operation_id").as_string() == batch[2].key);
  CHECK(third.at("body").as_string() ==
        R"({"tags":[{"name":"Win-back","status":"inactive"}],"is_syncing":false})");
  CHECK(told.done[2].request.pause > Duration::zero());
  // The archive is signed in itself: our key is not handed to whoever keeps it.
  CHECK(told.done[6].request.headers.empty());
  CHECK(told.outcomes[0].kind == Kind::kAccepted);
  CHECK(told.outcomes[0].vendor_id == "m-1");
  CHECK(told.outcomes[1].kind == Kind::kSuppressed);
  CHECK(told.outcomes[2].kind == Kind::kAccepted);
  CHECK(told.outcomes[3].kind == Kind::kRetry);
  CHECK(told.outcomes[4].kind == Kind::kUnknown);

  for (std::size_t cut = 0; cut < archive.size(); cut += 1 + archive.size() / 40) {
    polls = 0;
    std::string whole = archive;
    archive.resize(cut);
    CHECK(Tell(*connector, batch, world).outcomes[0].kind == Kind::kUnknown);
    archive = whole;
  }
  polls = -1000;
  const Told late = Tell(*connector, batch, world);
  CHECK(late.done.size() < 20);
  CHECK(late.outcomes[0].kind == Kind::kRetry);
  CHECK(late.outcomes[0].retry_after == std::chrono::minutes(2));
}

TEST_CASE("mailchimp: a batch that cannot be followed") {
  const std::string batches = "/3.0/batches";
  const std::vector<Kind> retry = {Kind::kRetry, Kind::kRetry};
  const std::vector<Kind> unknown = {Kind::kUnknown, Kind::kUnknown};
  CheckRows(
      "mailchimp",
      {{"no id", kMailchimpSet, batches, Answer(200, "{}"), unknown},
       {"refused: each is tried alone",
        kMailchimpSet,
        batches,
        Problem(400, "Invalid Resource"),
        {Kind::kSplit, Kind::kSplit}},
       {"too many open batches", kMailchimpSet, batches, Problem(429, "Too Many Requests"), retry},
       {"the state is lost", kMailchimpSet, "/3.0/batches/", Failure(Reply::Kind::kLost, "reset"),
        retry},
       {"an archive without TLS", kMailchimpSet, "/3.0/batches/",
        Answer(200, R"({"status":"finished","errored_operations":1,)"
                    R"("response_body_url":"http://files.example/b1"})"),
        unknown},
       {"the archive is gone", kMailchimpSet, "files.example", Answer(403), {Kind::kAccepted}}});
}

TEST_CASE("mailchimp: a journey begins only for who has not opted out") {
  const auto connector = MakeVendorConnector("mailchimp");
  std::vector batch = {DeliveryFor("mailchimp", kMailchimpMessage, 1)};
  batch[0].payload.name = "journey 12/3";
  batch[0].payload.values = {{"LESSON", "https://lumen.example/l"}};
  const Told told = Tell(*connector, batch);
  REQUIRE(told.done.size() == 3);
  CHECK(told.done[1].request.body.find(R"("merge_fields":{"LESSON":"https://lumen.example/l"})") !=
        std::string::npos);
  CHECK(told.done[2].request.url.ends_with(
      "/3.0/customer-journeys/journeys/12/steps/3/actions/trigger"));
  CHECK(told.done[2].request.body == R"({"email_address":"Person1@customer.example"})");
  for (const char* status : {"unsubscribed", "cleaned"}) {
    const Told out = TellWith(*connector, batch, "/members/",
                              Answer(200, R"({"id":"m","status":")" + std::string(status) + "\"}"));
    CHECK(out.done.size() == 2);
    CHECK(out.outcomes[0].kind == Kind::kSuppressed);
  }
  for (const char* use : {"journey", "journey 12", "journey a/b", "journey 1/2/3", "email 5",
                          "journey 12/", "template", "template "}) {
    INFO(use);
    batch[0].payload.name = use;
    CHECK(Tell(*connector, batch).done.empty());
    CHECK(Tell(*connector, batch).outcomes[0].kind == Kind::kRefused);
  }
}

TEST_CASE("mailchimp transactional: what became of a mail") {
  const auto result = [](const std::string& status, const std::string& reason) {
    return Answer(200, R"([{"email":"a@b.example","status":")" + status + R"(","reject_reason":)" +
                           (reason.empty() ? "null" : "\"" + reason + "\"") + R"(,"_id":"m-1"}])");
  };
  std::vector<Row> rows;
  for (const char* status : {"sent", "queued", "scheduled"}) {
    rows.push_back(
        {status, kMailchimpMessage, "/messages/send", result(status, ""), {Kind::kAccepted}});
  }
  for (const char* reason : {"hard-bounce", "spam", "unsub", "rule"}) {
    rows.push_back({reason,
                    kMailchimpMessage,
                    "/messages/send",
                    result("rejected", reason),
                    {Kind::kSuppressed},
                    0,
                    reason});
  }
  for (const char* reason :
       {"soft-bounce", "custom", "invalid-sender", "invalid", "test-mode-limit", "unsigned", ""}) {
    rows.push_back({reason,
                    kMailchimpMessage,
                    "/messages/send",
                    result("rejected", reason),
                    {Kind::kRefused},
                    0,
                    reason});
  }
  rows.push_back(
      {"invalid", kMailchimpMessage, "/messages/send", result("invalid", ""), {Kind::kRefused}});
  rows.push_back(
      {"unheard of", kMailchimpMessage, "/messages/send", result("new", ""), {Kind::kUnknown}});
  CheckRows("mailchimp", rows);
}

TEST_CASE("mailchimp transactional: an error is judged by its name, not by its status") {
  const auto error = [](int status, const std::string& name) {
    return Answer(status,
                  R"({"status":"error","code":-1,"name":")" + name + R"(","message":"words"})");
  };
  const std::string send = "/messages/send";
  CheckRows(
      "mailchimp",
      {{"a wrong value",
        kMailchimpMessage,
        send,
        error(500, "ValidationError"),
        {Kind::kRefused},
        0,
        "words"},
       {"general", kMailchimpMessage, send, error(500, "GeneralError"), {Kind::kRetry}},
       {"unavailable", kMailchimpMessage, send, error(503, "ServiceUnavailable"), {Kind::kRetry}},
       {"key", kMailchimpMessage, send, error(401, "Invalid_Key"), {Kind::kRetry}},
       {"key, as 500", kMailchimpMessage, send, error(500, "Invalid_Key"), {Kind::kRetry}},
       {"not paid", kMailchimpMessage, send, error(402, "PaymentRequired"), {Kind::kRetry}},
       {"no such template",
        kMailchimpMessage,
        send,
        error(404, "Unknown_Template"),
        {Kind::kRefused}},
       {"no such account",
        kMailchimpMessage,
        send,
        error(500, "Unknown_Subaccount"),
        {Kind::kRefused}},
       {"500 without a name", kMailchimpMessage, send, Answer(500, "<html>"), {Kind::kRetry}},
       {"nothing", kMailchimpMessage, send, Answer(200, "[]"), {Kind::kUnknown}}});
}

TEST_CASE("mailchimp transactional: before a second try the mail is searched for") {
  const auto connector = MakeVendorConnector("mailchimp");
  std::vector batch = {DeliveryFor("mailchimp", kMailchimpMessage, 1)};
  CHECK(Tell(*connector, batch).done.size() == 1);
  batch[0].attempts = 1;
  const Told again = Tell(*connector, batch);
  REQUIRE(again.done.size() == 2);
  CHECK(again.done[0].request.body ==
        R"({"query":"u_segue_key:0f3a9c5e77d1b2a1","limit":1,"key":"md-transactional-key"})");
  const Told found = TellWith(*connector, batch, "/search", Answer(200, R"([{"_id":"m-9"}])"));
  CHECK(found.done.size() == 1);
  CHECK(found.outcomes[0].vendor_id == "m-9");
  CHECK(TellWith(*connector, batch, "/search", Answer(200, "[{")).outcomes[0].kind == Kind::kRetry);
  const boost::json::value sent = boost::json::parse(again.done[1].request.body);
  const boost::json::value& message = sent.at("message");
  CHECK(message.at("from_email").as_string() == "hello@lumen.example");
  CHECK(message.at("from_name").as_string() == "Lumen");
  CHECK(message.at("metadata").at("segue_key").as_string() == batch[0].key);
  CHECK(message.at("headers").at("List-Unsubscribe").as_string() ==
        "<https://segue.lumen.example/u/abc>");
  CHECK(message.at("headers").at("Reply-To").as_string() == "help@lumen.example");
  // Without its key nothing is sent and nothing is lost.
  Secrets secrets = kVendorSecrets;
  secrets.erase("transactional");
  const auto poor = FindConnectorSpec("mailchimp")->make(VendorSettings("mailchimp"), secrets);
  CHECK(Tell(*poor, batch).outcomes[0].kind == Kind::kRetry);
}

TEST_CASE("mailchimp: what protects a repeated call depends on what it does") {
  const auto connector = MakeVendorConnector("mailchimp");
  Delivery message = DeliveryFor("mailchimp", kMailchimpMessage, 1);
  CHECK(connector->Protects(message, Dedupe::kLookup) == Dedupe::kLookup);
  message.payload.name = "journey 1/2";
  CHECK(connector->Protects(message, Dedupe::kLookup) == Dedupe::kNone);
  CHECK(connector->Protects(DeliveryFor("mailchimp", kMailchimpSet, 1), Dedupe::kNone) ==
        Dedupe::kKey);
  CHECK(connector->Protects(DeliveryFor("mailchimp", kMailchimpAudience, 1), Dedupe::kNone) ==
        Dedupe::kKey);
  CHECK(connector->Protects(DeliveryFor("mailchimp", kMailchimpTrack, 1), Dedupe::kKey) ==
        Dedupe::kNone);
}

TEST_CASE("mailchimp: an archive is read whole or not at all") {
  const auto files = ReadTarGz(Bytes(kArchive));
  REQUIRE(files.has_value());
  REQUIRE(files->size() == 2);
  CHECK((*files)[0].starts_with("[{\"status_code\": 200"));
  CHECK((*files)[1].ends_with("}]"));
  CHECK_FALSE(ReadTarGz("").has_value());
  CHECK_FALSE(ReadTarGz("\x1f\x8b").has_value());
  CHECK_FALSE(ReadTarGz("{\"json\": \"instead\"}").has_value());
  std::string broken = Bytes(kArchive);
  for (std::size_t i = 0; i < broken.size(); i += 7) {
    std::string other = broken;
    other[i] = static_cast<char>(other[i] ^ 0x55);
    (void)ReadTarGz(other);  // Anything but a crash.
  }
}

}  // namespace
}  // namespace segue
