// The gates of playbooks in a real state: events in, segments, runs, the outbox, and a dispatcher
// that asks caps again.

#include <algorithm>
#include <memory>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "pipeline/foresee.h"
#include "pipeline/pipeline.h"
#include "support/temp_dir.h"

namespace segue {
namespace {

constexpr std::string_view kRulesShop = R"(workspace: shop
currency: EUR
sender: {from: "shop@example.com", postal: "1 Street"}
traits: {customer: {email: text, ads: yes_no}}
events: {visit: {}, order: {amount: money}}
channels: {email: out, profile: out, audience: out}
audiences: {slipping: "Slipping"}
consent: {audience: customer.ads}
caps: [{purpose: service, channel: email, max: 1 per 2d}]
mirror: [{model: pace, to: [out], field: pace}]
serve: {url: "https://segue.example", sign: env:SIGN}
links: {base: "https://shop.example", paths: {}}
SAFETY
---
connector: out
type: file
path: out.jsonl
writes: [pace]
---
model: pace
every: 1h
flags: {large: {on: "sum(order.amount) >= 100 EUR"}}
segments:
  - {id: fast, when: "count(visit) >= 2"}
  - {id: slow, when: otherwise}
---
playbook: thanks
purpose: service
priority: 90
on: {event: order, where: amount > 5 EUR}
do: [{send: hello}]
limits: {reenter: always}
---
playbook: care
purpose: service
on: {flag: pace.large}
do: [{send: again}, {audience: {add: slipping}}, {wait: 9d}]
exit: did(visit)
limits: {reenter: always, on_cap: wait 4d}
---
playbook: review
purpose: service
on: {every: 30d, while: pace is 'fast'}
do: [{track: reviewed}]
limits: {reenter: always}
---
template: hello
channel: email
subject: Hello
body: Hello
---
template: again
channel: email
subject: Again
body: Again
---
layout: default
html: "{{ body }} {{ sender.postal }} {{ links.unsubscribe }}"
text: "{{ body }} {{ sender.postal }} {{ links.unsubscribe }}"
)";

struct RulesShop {
  TempDir temp;
  Database db = Database::Open(temp / "segue.db");
  Checked checked;
  std::unique_ptr<State> state;
  std::unique_ptr<Cycle> cycle;
  TimePoint now = *ParseTime("2026-03-26T04:00:00Z", Zone());

  explicit RulesShop(const std::string& safety = "") {
    std::string text(kRulesShop);
    text.replace(text.find("SAFETY"), 6, "tracks: [reviewed]\n" + safety);
    text.replace(text.find("profile: out"), 12, "profile: out, analytics: out");
    checked = CheckWorkspace({{"config/segue.yaml", text}});
    INFO(FormatDiagnostics(checked.diagnostics, checked.files, false));
    REQUIRE(checked.workspace != nullptr);
    Open();
  }

  void Open() {
    cycle.reset();
    state = std::make_unique<State>(db, *checked.workspace, *checked.templates, now);
    cycle = std::make_unique<Cycle>(*state, nullptr);
  }

  Event Happens(const std::string& who, int kind, TimePoint at, std::int64_t cents = 0) {
    Event event{
        .kind = kind, .customer = who, .time = at, .fields = {}, .dedupe = "", .version = {}};
    if (kind == 1) {
      event.fields = {cents};
    }
    return event;
  }

  CycleReport Take(const std::vector<Fact>& facts) {
    CycleReport report;
    cycle->Ingest(facts, "test", 72 * kHour, now, report);
    cycle->Decide(now, report);
    return report;
  }

  std::vector<std::string> Outbox() {
    OutboxFilter filter;
    std::vector<std::string> all;
    for (const Delivery& one : state->outbox().List(filter)) {
      std::string what = one.payload.template_id + one.payload.name;
      for (const auto& [key, value] : one.payload.values) {
        what += " " + key + "=" + value;
      }
      all.push_back(one.customer_key + " " + what + " " + FormatTime(one.not_before));
    }
    std::sort(all.begin(), all.end());
    return all;
  }
};

using Sent = std::vector<std::string>;

std::vector<Fact> People(RulesShop& shop, int count, bool visit) {
  std::vector<Fact> facts;
  for (int i = 0; i < count; ++i) {
    const std::string who = fmt::format("p{}", i);
    facts.emplace_back(TraitChange{who, 0, who + "@example.com", shop.now});
    facts.emplace_back(TraitChange{who, 1, std::int64_t{1}, shop.now});
    if (visit) {
      facts.emplace_back(shop.Happens(who, 0, shop.now - kMinute));
    }
  }
  return facts;
}

// p0 is put into an audience, and erased an hour later.
void EraseOneInAudience(RulesShop& shop) {
  shop.Take(People(shop, 1, true));
  shop.now += kHour;
  shop.Take({shop.Happens("p0", 1, shop.now, 15000)});
  shop.now += kHour;
  shop.Take({Erase{"p0", shop.now}});
}

// All that a dispatcher hands out now is done; returns its calls.
std::vector<Call> Dispatched(RulesShop& shop) {
  Dispatcher dispatcher(*shop.state,
                        [](const ConnectorSettings&) -> Result<Secrets> { return Secrets(); });
  std::vector<Call> made;
  for (std::vector<Call> calls; !(calls = dispatcher.Start(shop.now)).empty();) {
    for (const Call& call : calls) {
      made.push_back(call);
      CHECK(dispatcher.Finish(call.id, {Reply::Kind::kAnswered, 200, {}, "{}", {}}, shop.now)
                .empty());
    }
  }
  return made;
}

// Whom they put into a list or take out of it.
Sent Lists(const std::vector<Call>& calls) {
  Sent all;
  for (const Call& call : calls) {
    for (const std::string action : {"add", "remove"}) {
      if (call.request.body.find(fmt::format(R"("action":"{}")", action)) != std::string::npos) {
        all.push_back((call.request.body.find(R"("p0")") == std::string::npos ? "? " : "p0 ") +
                      action);
      }
    }
  }
  return all;
}

// Texts of the whole state that hold an address, or are a key.
std::int64_t CellsThatName(Database& db, const std::string& name) {
  const bool address = name.find('@') != std::string::npos;
  std::int64_t cells = 0;
  Statement columns = db.Prepare(
      "SELECT m.name, c.name FROM sqlite_schema m, pragma_table_info(m.name) c "
      "WHERE m.type = 'table'");
  while (columns.Step()) {
    const std::string column = fmt::format(R"("{}")", columns.Text(1));
    const std::string condition = address ? fmt::format("instr({}, ?) > 0", column)
                                          : fmt::format("typeof({0}) = 'text' AND {0} = ?", column);
    Statement count = db.Prepare(
        fmt::format(R"(SELECT count(*) FROM "{}" WHERE {})", columns.Text(0), condition));
    count.Bind(1, name);
    cells += count.Step() ? count.Int(0) : 0;
  }
  return cells;
}

}  // namespace

TEST_CASE("events, flags and time start in a real state; a cap holds one message behind another") {
  RulesShop shop;
  shop.Take(People(shop, 3, true));  // The baseline.
  CHECK(shop.Outbox().empty());
  shop.now += kHour;
  const CycleReport first =
      shop.Take({shop.Happens("p0", 1, shop.now - kMinute, 15000),   // Large: the flag too.
                 shop.Happens("p1", 1, shop.now - kMinute, 400),     // Too small for `where`.
                 shop.Happens("p2", 1, shop.now - 80 * kHour, 900),  // Late.
                 shop.Happens("p1", 0, shop.now)});                  // Its second visit: fast.
  CHECK(first.playbooks.started == 3);
  CHECK(shop.Outbox() == Sent{"p0 Slipping action=add 2026-03-26T05:00:00Z",
                              "p0 again 2026-03-28T05:00:00Z", "p0 hello 2026-03-26T05:00:00Z",
                              "p1  pace=fast 2026-03-26T05:00:00Z",
                              "p1 reviewed 2026-03-26T05:00:00Z"});
  shop.Open();
  shop.now += kHour;
  CHECK(shop.Take({}).playbooks.started == 0);
  shop.now += kHour;
  shop.Take({shop.Happens("p0", 0, shop.now)});  // The exit.
  CHECK(shop.Outbox()[0] == "p0  pace=fast 2026-03-26T07:00:00Z");
  CHECK(shop.Outbox()[1] == "p0 Slipping action=add 2026-03-26T05:00:00Z");
  CHECK(shop.Outbox()[2] == "p0 Slipping action=remove 2026-03-26T07:00:00Z");
}

TEST_CASE("an erased customer leaves the audience, and then what said so is blank") {
  RulesShop shop;
  EraseOneInAudience(shop);
  OutboxFilter filter;
  filter.state = DeliveryState::kWaiting;
  const std::vector<Delivery> waiting = shop.state->outbox().List(filter);
  REQUIRE(waiting.size() == 1);
  CHECK(waiting[0].customer_key == "p0");
  CHECK(waiting[0].payload.to == "p0@example.com");
  CHECK(shop.state->MayNotSend(waiting[0], shop.now).empty());
  const std::vector<Delivery> claimed = shop.state->outbox().Claim("out", shop.now, kHour, 10);
  REQUIRE(claimed.size() == 1);
  shop.state->outbox().Record(claimed[0], {Outcome::Kind::kAccepted, "", Duration::zero(), ""},
                              Retry{}, Dedupe::kKey, shop.now);
  shop.now += kHour;
  shop.Take({});
  CHECK(shop.state->outbox().Get(claimed[0].id)->customer_key.empty());
}

TEST_CASE("an erased customer leaves the audience although the process ends before it is told") {
  RulesShop shop;
  EraseOneInAudience(shop);
  shop.Open();
  shop.now += kHour;
  shop.Take({});
  OutboxFilter filter;
  filter.state = DeliveryState::kWaiting;
  const std::vector<Delivery> waiting = shop.state->outbox().List(filter);
  REQUIRE(waiting.size() == 1);
  CHECK(waiting[0].customer_key == "p0");
  CHECK(waiting[0].payload.values.at("action") == "remove");
}

TEST_CASE(
    "who was to leave an audience when they were erased leaves it, and then is found nowhere") {
  RulesShop shop;
  shop.Take(People(shop, 2, true));
  shop.now += kHour;
  shop.Take({shop.Happens("p0", 1, shop.now, 15000)});
  CHECK(Lists(Dispatched(shop)) == Sent{"p0 add"});
  shop.now += kHour;
  shop.Take({shop.Happens("p0", 0, shop.now)});  // The exit, which promises the removal.
  shop.now += kHour;
  shop.Take({Erase{"p0", shop.now}});
  SUBCASE("in one process") {}
  SUBCASE("another process begins before the tool is told") {
    shop.Open();
    shop.now += kHour;
    shop.Take({});
  }
  CHECK(Lists(Dispatched(shop)) == Sent{"p0 remove"});
  SUBCASE("another process begins after the tool was told") {
    shop.Open();
  }
  shop.now += kHour;
  shop.Take({});
  CHECK(CellsThatName(shop.db, "p0@example.com") == 0);
  CHECK(CellsThatName(shop.db, "p0") == 0);
  CHECK(CellsThatName(shop.db, "p1@example.com") > 0);
  shop.Open();
  shop.now += kHour;
  shop.Take({});
  CHECK(Dispatched(shop).empty());
}

TEST_CASE(
    "a brake holds the whole cycle, keeps nothing and loses nothing, until a person lets it pass") {
  std::string safety;
  std::string said;
  SUBCASE("on sends") {
    safety = "safety: {max_sends_per_run: 100}";
    said = "120 messages in one run, safety.max_sends_per_run is 100";
  }
  SUBCASE("on moves") {
    safety = "safety: {max_moved_per_run: 25%}";
    said = "120 of 200 customers moved in model pace, more than safety.max_moved_per_run allows";
  }
  RulesShop shop(safety);
  shop.Take(People(shop, 200, true));
  shop.now += kHour;
  std::vector<Fact> facts;
  for (int i = 0; i < 120; ++i) {
    facts.emplace_back(shop.Happens(fmt::format("p{}", i), 0, shop.now));
    facts.emplace_back(shop.Happens(fmt::format("p{}", i), 1, shop.now, 900));
  }
  CycleReport report;
  shop.cycle->Ingest(facts, "test", 72 * kHour, shop.now, report);
  const Foreseen plan =
      Foresee(shop.db, *shop.checked.workspace, *shop.checked.templates, shop.now, {});
  CHECK(plan.report.brake == said);
  for (int attempt = 0; attempt < 2; ++attempt) {
    CHECK_THROWS_AS(shop.cycle->Decide(shop.now, report), BrakePulled);
    shop.Open();
    CHECK(shop.Outbox().empty());
    CHECK(shop.state->playbooks().Decisions(std::nullopt, "", TimePoint::min()).empty());
  }
  const TimePoint held = shop.now;
  shop.now += kDay;
  CHECK_THROWS_AS(shop.cycle->Decide(shop.now, report),
                  BrakePulled);  // Later it is still that one.
  shop.Open();
  CHECK(ReleaseBrake(shop.db));
  CycleReport done;
  shop.cycle->Decide(shop.now, done);
  CHECK(std::count_if(done.moves.begin(), done.moves.end(),
                      [&](const Move& move) { return move.at == held; }) == 120);
  CHECK_FALSE(ReleaseBrake(shop.db));
}

}  // namespace segue
