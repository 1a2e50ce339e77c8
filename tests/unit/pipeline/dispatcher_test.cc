// The dispatcher's limits and its bookkeeping, with vendors played by the test.

#include <functional>
#include <memory>

#include <boost/json.hpp>
#include <doctest/doctest.h>

#include "pipeline/pipeline.h"
#include "store/pauses.h"
#include "support/temp_dir.h"

namespace segue {
namespace {

constexpr std::string_view kDispatcherFiles = R"(workspace: lines
timezone: UTC
currency: EUR
traits: {customer: {name: text, mail: text}}
keys: {email: customer.mail}
sender: {from: "firm@example.com", postal: "1 Street"}
serve: {url: "https://segue.example", sign: env:SIGN}
channels: {analytics: [one, two], email: one, profile: crm}
tracks: [seen]
---
connector: one
type: webhook
auth: {url: env:ONE}
dedupe: key
parallel: 100
ONE
---
connector: two
type: webhook
auth: {url: env:TWO}
dedupe: key
parallel: 100
---
connector: crm
type: hubspot
auth: {token: env:CRM}
writes: [level]
events: pe1_
CRM_MORE
---
connector: product
type: amplitude
auth: {token: env:PRODUCT}
)";

const TimePoint kStart = *ParseTime("2026-03-02T12:00:00Z", Zone());

struct World {
  // What `one`, `crm` and the workspace have besides.
  explicit World(const std::string& more = "", const std::string& of_crm = "",
                 const std::string& of_all = "") {
    std::string text(kDispatcherFiles);
    text.insert(text.find("channels:"), of_all);
    text.replace(text.find("ONE\n---"), 4, more);
    text.replace(text.find("CRM_MORE\n"), 9, of_crm);
    checked = CheckWorkspace({{"config/segue.yaml", text}});
    INFO(FormatDiagnostics(checked.diagnostics, checked.files, false));
    REQUIRE(checked.workspace != nullptr);
    state = std::make_unique<State>(db, *checked.workspace, *checked.templates, kStart);
    CycleReport report;
    const Fact somebody = TraitChange{"c1", 0, Value(std::string("Ann")), kStart};
    Cycle(*state, nullptr).Ingest(std::span(&somebody, 1), "people", kDay, kStart, report);
    Restart();
  }

  // From here on the customer can be reached there; empty: nowhere.
  void Moves(const std::string& key, const std::string& address) {
    CycleReport report;
    const Fact change =
        TraitChange{key, 1, address.empty() ? Value() : Value(address), kStart + kMinute};
    Cycle(*state, nullptr).Ingest(std::span(&change, 1), "people", kDay, kStart, report);
    state->columns().Advance(kStart + kMinute);
  }

  void Restart() {
    dispatcher = std::make_unique<Dispatcher>(
        *state, [this](const ConnectorSettings& settings) -> Result<Secrets> {
          if (settings.id == without_secret) {
            return Error("the environment variable TWO is not set");
          }
          return settings.type == "hubspot"
                     ? Secrets{{"token", "pat-na1-0000"}}
                     : Secrets{{"url", "https://" + settings.id + ".example/in"}};
        });
  }

  // To a customer each, or all to one.
  void Promise(const std::string& connector, DeliveryKind kind, int number, TimePoint at = kStart,
               const std::string& customer = "") {
    for (int i = 0; i < number; ++i) {
      Delivery delivery;
      delivery.key = connector + "-" + std::to_string(++promised);
      delivery.kind = kind;
      delivery.connector = connector;
      delivery.purpose = "product";
      delivery.customer_key = customer.empty() ? "c" + std::to_string(promised) : customer;
      delivery.playbook = "p";
      delivery.step = "0";
      delivery.payload.to = delivery.customer_key + "@example.com";
      delivery.payload.name = kind == DeliveryKind::kTrack ? "seen" : "";
      if (kind == DeliveryKind::kMessage) {
        delivery.payload.channel = "email";
        delivery.payload.template_id = "hello";
        delivery.payload.subject = "Hello";
      }
      if (kind == DeliveryKind::kSet) {
        delivery.payload.values["level"] = "high";
      }
      delivery.created = delivery.not_before = at;
      delivery.stale_after = at + 10 * kDay;
      REQUIRE(state->outbox().Enqueue(delivery));
    }
  }

  // Everything that may go out at `now`, each call answered by `answer`.  Returns the calls made.
  int Serve(TimePoint now, const std::function<Reply(const Call&)>& answer) {
    int made = 0;
    for (std::vector<Call> calls; !(calls = dispatcher->Start(now)).empty();) {
      while (!calls.empty()) {
        const Call call = std::move(calls.back());
        calls.pop_back();
        ++made;
        for (Call& next : dispatcher->Finish(call.id, answer(call), now)) {
          calls.push_back(std::move(next));
        }
      }
    }
    return made;
  }

  Checked checked;
  TempDir temp;
  Database db = Database::Open(temp / "segue.db");
  std::unique_ptr<State> state;
  std::unique_ptr<Dispatcher> dispatcher;
  std::string without_secret;
  int promised = 0;
};

Reply Answered(int status, std::map<std::string, std::string> headers = {},
               std::string body = "{}") {
  return {Reply::Kind::kAnswered, status, std::move(headers), std::move(body), {}};
}

Reply Lost() {
  return {Reply::Kind::kLost, 0, {}, {}, "timeout"};
}

}  // namespace

TEST_CASE("a vendor that fails is asked once in a while, and the other connector goes on") {
  World world;
  world.Promise("one", DeliveryKind::kTrack, 40);
  world.Promise("two", DeliveryKind::kTrack, 40);
  int to_one = 0;
  const auto answer = [&](const Call& call) {
    to_one += call.connector == "one" ? 1 : 0;
    return Answered(call.connector == "one" ? 503 : 200);
  };
  // All that were under way at once have failed; nothing more goes there.
  world.Serve(kStart, answer);
  CHECK(world.state->outbox().Count().accepted == 40);
  const int first = to_one;
  CHECK(first == 40);
  world.Serve(kStart + std::chrono::seconds(5), answer);
  CHECK(to_one == first);
  CHECK(world.dispatcher->Health()[0].paused.value_or(TimePoint()) > kStart);
  CHECK_FALSE(world.dispatcher->Health()[1].paused.has_value());
  const TimePoint later = *world.dispatcher->Health()[0].paused;
  world.Serve(later, answer);
  CHECK(to_one == first + 1);  // One attempt finds out.
  const TimePoint well = *world.dispatcher->Health()[0].paused + kHour;
  world.Serve(well, [](const Call&) { return Answered(200); });
  CHECK(world.state->outbox().Count().accepted == 80);
  CHECK_FALSE(world.dispatcher->Health()[0].paused.has_value());
}

TEST_CASE(
    "a Retry-After holds the whole connector, a clock that was set back does not hold it longer") {
  World world;
  world.Promise("one", DeliveryKind::kTrack, 1);
  world.Serve(kStart, [](const Call&) { return Answered(429, {{"retry-after", "7200"}}); });
  world.Promise("one", DeliveryKind::kTrack, 1);
  CHECK(world.Serve(kStart + kHour, [](const Call&) { return Answered(200); }) == 0);
  CHECK(world.dispatcher->Next(kStart + kHour) == kStart + 2 * kHour);
  world.Promise("one", DeliveryKind::kTrack, 1, kStart - kDay);
  CHECK(world.Serve(kStart - kHour, [](const Call&) { return Answered(200); }) == 1);
}

TEST_CASE("a connector that is paused by hand gets nothing, the other goes on") {
  World world;
  world.Promise("one", DeliveryKind::kTrack, 3);
  world.Promise("two", DeliveryKind::kTrack, 3);
  const auto fine = [](const Call&) { return Answered(200); };
  Pauses pauses(world.state->db());
  pauses.Begin({"connector", "one", kStart, ""});
  CHECK(world.Serve(kStart, fine) == 3);
  CHECK_FALSE(world.dispatcher->Next(kStart).has_value());
  CHECK(world.state->outbox().Count().waiting == 3);
  pauses.End("connector", "one");
  CHECK(world.Serve(kStart + kHour, fine) == 3);
}

TEST_CASE("what a playbook that is paused by hand has promised waits, and is looked at again") {
  World world;
  world.Promise("one", DeliveryKind::kTrack, 3);
  const auto fine = [](const Call&) { return Answered(200); };
  Pauses pauses(world.state->db());
  pauses.Begin({"playbook", "p", kStart, ""});
  CHECK(world.Serve(kStart, fine) == 0);
  CHECK(world.dispatcher->Next(kStart) == kStart + 5 * kMinute);
  pauses.End("playbook", "p");
  CHECK(world.Serve(kStart + kHour, fine) == 3);
}

TEST_CASE("a rate is kept, and what it holds back is due when there is room again") {
  World world("rate: 10 per 1s\n");
  world.Promise("one", DeliveryKind::kTrack, 25);
  const auto fine = [](const Call&) { return Answered(200); };
  CHECK(world.Serve(kStart, fine) == 10);
  const std::optional<TimePoint> next = world.dispatcher->Next(kStart);
  REQUIRE(next.has_value());
  CHECK(*next > kStart);
  CHECK(*next <= kStart + std::chrono::milliseconds(101));
  CHECK(world.Serve(kStart + std::chrono::milliseconds(500), fine) == 5);
  CHECK(world.Serve(kStart + std::chrono::seconds(10), fine) == 10);
}

TEST_CASE("a limit per day counts requests across restarts and begins anew at midnight") {
  World world("daily: 7\n");
  world.Promise("one", DeliveryKind::kTrack, 20);
  const auto fine = [](const Call&) { return Answered(200); };
  CHECK(world.Serve(kStart, fine) == 7);
  world.Restart();
  CHECK(world.Serve(kStart + kHour, fine) == 0);
  CHECK(world.dispatcher->Next(kStart + kHour) == kStart + 12 * kHour);
  CHECK(world.Serve(kStart + 12 * kHour, fine) == 7);
}

TEST_CASE("a secret that is missing holds its own connector, says so, and is looked for again") {
  World world;
  world.without_secret = "two";
  world.Restart();
  world.Promise("one", DeliveryKind::kTrack, 3);
  world.Promise("two", DeliveryKind::kTrack, 3);
  const auto fine = [](const Call&) { return Answered(200); };
  CHECK(world.Serve(kStart, fine) == 3);
  CHECK(world.dispatcher->Health()[1].words == "the environment variable TWO is not set");
  REQUIRE(world.dispatcher->Next(kStart).has_value());
  CHECK(*world.dispatcher->Next(kStart) > kStart);
  world.without_secret.clear();
  CHECK(world.Serve(*world.dispatcher->Next(kStart), fine) == 3);
}

TEST_CASE(
    "what is too large together is tried in halves, and every delivery gets its own outcome") {
  World world;
  world.Promise("crm", DeliveryKind::kSet, 64);
  std::vector<std::size_t> sizes;
  const auto answer = [&](const Call& call) {
    const boost::json::value asked = boost::json::parse(call.request.body);
    boost::json::array results;
    for (const boost::json::value& input : asked.at("inputs").as_array()) {
      results.push_back({{"id", "7"}, {"properties", {{"email", input.at("id")}}}});
    }
    sizes.push_back(results.size());
    const boost::json::object body = {{"status", "COMPLETE"}, {"results", results}};
    return results.size() > 20 ? Answered(413) : Answered(200, {}, boost::json::serialize(body));
  };
  world.Serve(kStart, answer);
  CHECK(*std::max_element(sizes.begin(), sizes.end()) == 64);
  CHECK(std::count(sizes.begin(), sizes.end(), 16) == 4);
  CHECK(world.state->outbox().Count().accepted == 64);
  // The next ones begin where it worked, and grow again when it does.
  world.Promise("crm", DeliveryKind::kSet, 64);
  sizes.clear();
  world.Serve(kStart + kMinute, answer);
  CHECK(*std::max_element(sizes.begin(), sizes.end()) == 32);
}

TEST_CASE("what was claimed for a batch that it does not fit goes back, and waits for room") {
  World world("", "rate: 1 per 1s\n");
  world.Promise("crm", DeliveryKind::kSet, 2);
  world.Promise("crm", DeliveryKind::kTrack, 2);
  const auto fine = [](const Call&) {
    return Answered(200, {}, "{\"status\":\"COMPLETE\",\"results\":[]}");
  };
  CHECK(world.Serve(kStart, fine) == 1);
  CHECK(world.state->outbox().Count().waiting >= 2);
  CHECK(world.state->outbox().List({.state = DeliveryState::kRunning}).empty());
}

TEST_CASE("a message that a cap holds until it is too late is dropped, and another waits") {
  World world("", "", "caps: [{purpose: product, channel: any, max: 1 per 20d}]\n");
  const auto fine = [](const Call&) { return Answered(200); };
  world.Moves("c1", "c1@example.com");
  world.Promise("one", DeliveryKind::kMessage, 1);
  CHECK(world.Serve(kStart, fine) == 1);
  world.Promise("one", DeliveryKind::kMessage, 1, kStart + kHour, "c1");  // Too late in ten days.
  world.Promise("one", DeliveryKind::kMessage, 1, kStart + 15 * kDay, "c1");  // In 25.
  CHECK(world.Serve(kStart + kHour, fine) == 0);
  CHECK(world.state->outbox().Get(2)->state == DeliveryState::kDropped);
  CHECK(world.state->outbox().Get(2)->detail == "cap");
  CHECK(world.Serve(kStart + 16 * kDay, fine) == 0);
  CHECK(world.state->outbox().Get(3)->state == DeliveryState::kWaiting);
  CHECK(world.Serve(kStart + 20 * kDay, fine) == 1);
}

TEST_CASE(
    "a lost answer is judged by what that delivery is: an event stays unknown, a field is set "
    "again") {
  World world;
  world.Promise("crm", DeliveryKind::kTrack, 1);
  world.Promise("crm", DeliveryKind::kSet, 1);
  world.Serve(kStart, [](const Call&) { return Lost(); });
  CHECK(world.state->outbox().Count().unknown == 1);
  CHECK(world.state->outbox().Count().waiting == 1);
}

TEST_CASE("a mail follows its customer to a new mailbox, unless it was tried already") {
  World world;
  world.Promise("one", DeliveryKind::kMessage, 1);
  std::vector<std::string> bodies;
  const auto busy = [&](const Call& call) {
    bodies.push_back(call.request.body);
    return Answered(503);
  };
  const auto reached = [&](std::string_view address) {
    return !bodies.empty() && bodies.back().find(address) != std::string::npos;
  };
  world.Moves("c1", "ann@new.example");
  world.Serve(kStart + kHour, busy);
  CHECK(reached("ann@new.example"));
  CHECK(world.state->outbox().AddressHas("ann@new.example", "hello", kStart, kDay));
  world.Moves("c1", "ann@newest.example");
  world.Serve(kStart + kDay, busy);
  CHECK(bodies.size() == 2);
  CHECK(reached("ann@new.example"));
}

TEST_CASE("a mail to somebody who has no address any more is not sent") {
  World world;
  world.Promise("one", DeliveryKind::kMessage, 1);
  world.Moves("c1", "");
  CHECK(world.Serve(kStart + kHour, [](const Call&) { return Answered(200); }) == 0);
  CHECK(world.state->outbox().Get(1)->detail == "no_address");
}

TEST_CASE("a mail that would follow its customer to where the same one lies is dropped") {
  World world;
  world.Promise("one", DeliveryKind::kMessage, 2);
  world.Moves("c1", "c2@example.com");
  CHECK(world.Serve(kStart + kHour, [](const Call&) { return Answered(200); }) == 1);
  CHECK(world.state->outbox().Get(1)->detail == "same_address");
}

TEST_CASE("what waits for a connector that no file names is told, and dropped when it is late") {
  World world;
  world.Promise("gone", DeliveryKind::kTrack, 2);
  CHECK(world.dispatcher->Alarms().empty());
  world.Restart();
  world.dispatcher->Start(kStart + 9 * kDay);
  REQUIRE(world.dispatcher->Alarms().size() == 1);
  CHECK(world.dispatcher->Alarms().front().starts_with(
      "2 deliveries wait for connector gone, which no file names: "));
  world.dispatcher->Start(kStart + 11 * kDay);
  CHECK(world.dispatcher->Alarms().empty());
  CHECK(world.state->outbox().Get(1)->detail == "stale");
}

TEST_CASE("what was under way for a connector that no file names any more is unknown") {
  World world;
  world.Promise("gone", DeliveryKind::kTrack, 1);
  REQUIRE(world.state->outbox().Claim("gone", kStart, kHour, 1).size() == 1);
  world.Restart();
  world.dispatcher->Start(kStart);
  CHECK(world.state->outbox().Get(1)->state == DeliveryState::kUnknown);
  CHECK(world.state->outbox().Get(1)->detail == "Segue stopped before the answer came");
}

TEST_CASE("a lost answer of a connector that no file names any more is not dropped as stale") {
  World world;
  world.Promise("gone", DeliveryKind::kTrack, 1);
  const Delivery claimed = world.state->outbox().Claim("gone", kStart, kHour, 1).at(0);
  const Outcome lost = {Outcome::Kind::kUnknown, "timeout", {}, {}};
  world.state->outbox().Record(claimed, lost, Retry(), Dedupe::kKey, kStart);
  world.Restart();
  world.dispatcher->Start(kStart + 11 * kDay);
  CHECK(world.state->outbox().Get(1)->state == DeliveryState::kUnknown);
  CHECK(world.state->outbox().Get(1)->detail == "stale; last answer: timeout");
}

TEST_CASE("the halves of what was too large together begin only where there is room") {
  World world("", "parallel: 1\n");
  world.Promise("crm", DeliveryKind::kSet, 64);
  std::vector<Call> calls = world.dispatcher->Start(kStart);
  for (int i = 0; i < 3; ++i) {
    REQUIRE(calls.size() == 1);
    std::vector<Call> next = world.dispatcher->Finish(calls[0].id, Answered(413), kStart);
    for (Call& call : world.dispatcher->Start(kStart)) {
      next.push_back(std::move(call));
    }
    calls = std::move(next);
  }
  CHECK(calls.size() == 1);
  CHECK(world.dispatcher->Health()[2].in_flight == 1);
  CHECK(world.state->outbox().Count().running == 8);
}

TEST_CASE("halves keep to the requests of a day") {
  World world("", "daily: 4\n");
  world.Promise("crm", DeliveryKind::kSet, 64);
  CHECK(world.Serve(kStart, [](const Call&) { return Answered(413); }) == 4);
}

TEST_CASE("what the dispatcher refuses by itself does not say that the vendor is back") {
  World world;
  TimePoint now = kStart;
  for (int i = 0; i < 5; ++i) {
    world.Promise("crm", DeliveryKind::kTrack, 1, now);
    world.Serve(now, [](const Call&) { return Answered(503); });
    now += kHour;
  }
  REQUIRE(world.dispatcher->Health()[2].failures >= 5);
  world.Promise("crm", DeliveryKind::kTask, 1, kStart);  // It is for nobody.
  world.Promise("crm", DeliveryKind::kTrack, 10, now);
  const std::vector<Call> probe = world.dispatcher->Start(now);
  CHECK(world.state->outbox().Get(6)->state == DeliveryState::kRefused);
  CHECK(probe.size() == 1);
  CHECK(world.dispatcher->Health()[2].failures >= 5);
}

TEST_CASE("a cap of a channel counts what went out by it, whatever became of its template") {
  World world("", "", "caps: [{purpose: product, channel: email, max: 1 per 20d}]\n");
  const auto fine = [](const Call&) { return Answered(200); };
  world.Moves("c1", "c1@example.com");
  world.Promise("one", DeliveryKind::kMessage, 1);
  REQUIRE(world.state->workspace().FindTemplate("hello") == nullptr);
  CHECK(world.Serve(kStart, fine) == 1);
  world.Promise("one", DeliveryKind::kMessage, 1, kStart + 15 * kDay, "c1");
  CHECK(world.Serve(kStart + 16 * kDay, fine) == 0);
  CHECK(world.Serve(kStart + 20 * kDay, fine) == 1);
}

// A field's value or a list, to customer c1, told by `one`.
void Change(World& world, DeliveryKind kind, const std::string& value, TimePoint at,
            const std::string& field = "level") {
  Delivery delivery;
  delivery.key = "change-" + value;
  delivery.kind = kind;
  delivery.connector = "one";
  delivery.purpose = "service";
  delivery.customer_key = "c1";
  delivery.playbook = "p";
  delivery.step = value;
  delivery.payload.to = "c1@example.com";
  delivery.payload.name = kind == DeliveryKind::kAudience ? "list" : "";
  delivery.payload.values[kind == DeliveryKind::kAudience ? "action" : field] = value;
  delivery.created = delivery.not_before = at;
  delivery.stale_after = at + 10 * kDay;
  REQUIRE(world.state->outbox().Enqueue(delivery));
}

TEST_CASE("an older value that was not taken at first never comes after a newer one") {
  World world;
  DeliveryKind kind = DeliveryKind::kSet;
  std::string older = "high", newer = "low";
  SUBCASE("of a field") {}
  SUBCASE("of a list, which somebody joins and leaves") {
    kind = DeliveryKind::kAudience;
    older = "add";
    newer = "remove";
  }
  Change(world, kind, older, kStart);
  world.Serve(kStart, [](const Call&) { return Answered(429, {{"retry-after", "60"}}); });
  Change(world, kind, newer, kStart);
  const Delivery gone = world.state->outbox().Claim("one", kStart, kHour, 1).at(0);
  REQUIRE(gone.id == 2);
  world.state->outbox().Record(gone, {Outcome::Kind::kAccepted, "", {}, ""}, Retry(), Dedupe::kKey,
                               kStart);
  CHECK(world.Serve(kStart + kHour, [](const Call&) { return Answered(200); }) == 0);
  CHECK(world.state->outbox().Get(1)->state == DeliveryState::kDropped);
  CHECK(world.state->outbox().Get(1)->detail == "superseded");
}

TEST_CASE("a newer value waits as long as an older one is under way") {
  World world;
  Change(world, DeliveryKind::kSet, "high", kStart);
  const std::vector<Call> first = world.dispatcher->Start(kStart);
  REQUIRE(first.size() == 1);
  Change(world, DeliveryKind::kSet, "low", kStart);
  CHECK(world.dispatcher->Start(kStart + std::chrono::seconds(1)).empty());
  world.dispatcher->Finish(first[0].id, Answered(200), kStart + std::chrono::seconds(1));
  CHECK(world.Serve(kStart + kMinute, [](const Call&) { return Answered(200); }) == 1);
  CHECK(world.state->outbox().Count().accepted == 2);
}

TEST_CASE("of an older change only those fields go out that no newer one has said since") {
  World world;
  Delivery both;
  both.key = "both";
  both.kind = DeliveryKind::kSet;
  both.connector = "one";
  both.customer_key = "c1";
  both.payload.to = "c1@example.com";
  both.payload.values = {{"level", "high"}, {"interest", "none"}};
  both.created = kStart;
  both.not_before = kStart + kHour;
  both.stale_after = kStart + kDay;
  REQUIRE(world.state->outbox().Enqueue(both));
  Change(world, DeliveryKind::kSet, "low", kStart);
  std::string last;
  const auto fine = [&](const Call& call) {
    last = call.request.body;
    return Answered(200);
  };
  CHECK(world.Serve(kStart, fine) == 1);
  CHECK(world.Serve(kStart + kHour, fine) == 1);
  CHECK(last.find("interest") != std::string::npos);
  CHECK(last.find("level") == std::string::npos);
}

TEST_CASE("of two fields of one customer neither waits for the other") {
  World world;
  Change(world, DeliveryKind::kSet, "high", kStart);
  Change(world, DeliveryKind::kSet, "low", kStart, "interest");
  CHECK(world.dispatcher->Start(kStart).size() == 2);
}

TEST_CASE("a cap counts what may have arrived before it was dropped") {
  World world("", "", "caps: [{purpose: product, channel: email, max: 1 per 20d}]\n");
  world.Moves("c1", "c1@example.com");
  world.Promise("one", DeliveryKind::kMessage, 1);
  CHECK(world.Serve(kStart, [](const Call&) { return Lost(); }) == 1);
  REQUIRE(world.state->outbox().Get(1)->state == DeliveryState::kWaiting);
  world.state->outbox().Drop(1, DeliveryState::kDropped, "goal", kStart);
  world.Promise("one", DeliveryKind::kMessage, 1, kStart + 15 * kDay, "c1");
  const auto fine = [](const Call&) { return Answered(200); };
  CHECK(world.Serve(kStart + 16 * kDay, fine) == 0);
  CHECK(world.Serve(kStart + 20 * kDay, fine) == 1);
}

TEST_CASE("what a vendor no longer knows the key of is not sent again by itself") {
  World world;
  world.Promise("product", DeliveryKind::kTrack, 1);
  const auto fine = [](const Call&) { return Answered(200, {}, R"({"code": 200})"); };
  REQUIRE(world.dispatcher->Start(kStart).size() == 1);
  world.Restart();
  SUBCASE("within seven days Amplitude knows it") {
    CHECK(world.Serve(kStart + 6 * kDay, fine) == 1);
    CHECK(world.state->outbox().Get(1)->state == DeliveryState::kAccepted);
  }
  SUBCASE("after them it is unknown, and goes out once a person says so") {
    const TimePoint late = kStart + 8 * kDay;
    CHECK(world.Serve(late, fine) == 0);
    CHECK(world.state->outbox().Get(1)->state == DeliveryState::kUnknown);
    CHECK(world.state->outbox().Get(1)->detail ==
          "an answer was lost, and its tool no longer knows the key by now");
    CHECK(world.state->outbox().RetryByHand(1, "it is not there", late).has_value());
    CHECK(world.Serve(late, fine) == 1);
  }
}

TEST_CASE("another tool's secret in a vendor's words is not kept") {
  World world;
  world.Promise("one", DeliveryKind::kTrack, 1);
  world.Serve(kStart, [](const Call&) { return Answered(400, {}, "who is pat-na1-0000?"); });
  const Delivery delivery = *world.state->outbox().Get(1);
  CHECK(delivery.detail.find("pat-na1") == std::string::npos);
  CHECK(delivery.detail.find("who is") != std::string::npos);
}

}  // namespace segue
