// Offers in a real state: pools from files, the outbox, and tools that lose answers.  Whatever
// happens, one code is seen by one person, and the money adds up.

#include <map>
#include <memory>
#include <set>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "pipeline/pipeline.h"
#include "support/dice.h"
#include "support/temp_dir.h"
#include "support/thorough.h"

namespace segue {
namespace {

constexpr std::string_view kOffersShop = R"(workspace: shop
currency: EUR
timezone: Europe/Berlin
sender: {from: "shop@example.com", postal: "1 Street"}
traits: {customer: {email: text}}
events: {visit: {}, used: {code: text}}
channels: {email: sure, sms: unsure, task: unsure}
assignees: {team: team@example.com}
serve: {url: "https://segue.example", sign: env:SIGN}
---
connector: sure
type: webhook
auth: {url: env:URL}
dedupe: key
---
connector: unsure
type: webhook
auth: {url: env:URL}
---
offer: pooled
percent: 20
pool: {file: pools/pooled.csv, low_stock: 3}
valid: 5d
per_customer: 1 per 10d
budget: {max: 60 EUR per month, cost: 7 EUR}
redeemed: used
---
offer: made
perk: a present
pool: {generate: "GIFT-{{8}}"}
valid: end of month
per_customer: 2 per 30d
---
playbook: first
purpose: service
on: {event: visit}
offer: pooled
do: [{send: mail}, {wait: 2d}, {send: note}]
limits: {reenter: always}
---
playbook: second
purpose: service
on: {event: visit}
offer: made
do:
  - {send: mail2}
  - {task: {title: "Call about Code={{ offer.code }};", for: team, due: 1d}}
limits: {reenter: after 3d}
---
template: mail
channel: email
subject: Code={{ offer.code }};
body: Use {{ offer.code }} until {{ offer.expires }}
---
template: mail2
channel: email
subject: Code={{ offer.code }};
body: "{{ offer.terms }}"
---
template: note
channel: sms
body: Code={{ offer.code }};
---
layout: default
html: "{{ body }} {{ sender.postal }} {{ links.unsubscribe }}"
text: "{{ body }} {{ sender.postal }} {{ links.unsubscribe }}"
)";

constexpr int kOffersVisit = 0, kUsed = 1;

// One file, which the test writes.
class OneFile final : public FileReader {
 public:
  std::string text;
  std::int64_t changed = 1;

  std::vector<Info> List(std::string_view pattern) override {
    return {{std::string(pattern), text.size(), changed}};
  }

  Result<std::string> Read(std::string_view, std::uint64_t offset, std::size_t most) override {
    return offset >= text.size() ? "" : text.substr(offset, most);
  }
};

struct OffersShop {
  TempDir temp;
  Database db = Database::Open(temp / "segue.db");
  Checked checked;
  OneFile files;
  std::unique_ptr<State> state;
  std::unique_ptr<Cycle> cycle;
  std::unique_ptr<Dispatcher> dispatcher;
  TimePoint now = *ParseTime("2026-03-02T09:00:00Z", Zone());
  CycleReport report;

  OffersShop() {
    checked = CheckWorkspace({{"config/segue.yaml", std::string(kOffersShop)}});
    INFO(FormatDiagnostics(checked.diagnostics, checked.files, false));
    REQUIRE(checked.workspace != nullptr);
    Open();
  }

  void Open() {
    dispatcher.reset();
    cycle.reset();
    state = std::make_unique<State>(db, *checked.workspace, *checked.templates, now);
    cycle = std::make_unique<Cycle>(*state, &files);
    dispatcher = std::make_unique<Dispatcher>(*state, [](const ConnectorSettings&) {
      return Result<Secrets>(Secrets{{"url", "https://tool.example/in"}});
    });
  }

  Offers& offers() { return state->playbooks().offers(); }

  Event Happens(const std::string& who, int kind, const std::string& code = "") {
    Event event{
        .kind = kind, .customer = who, .time = now, .fields = {}, .dedupe = "", .version = {}};
    if (kind == kUsed) {
      event.fields = {code};
    }
    return event;
  }

  Fact Known(const std::string& who) {
    return TraitChange{who, 0, who + "@example.com", now - kDay};
  }

  void Take(const std::vector<Fact>& facts) {
    report = {};
    cycle->Pull(now, false, {}, report);
    cycle->Ingest(facts, "test", 72 * kHour, now, report);
    cycle->Decide(now, report);
  }

  // "pooled free 3 reserved 1 …" without what is zero.
  std::string Stock(std::size_t offer = 0) {
    const OfferStock stock = offers().Stock(now)[offer];
    std::string text = stock.offer;
    for (const auto& [word, count] : {std::pair{"free", stock.free},
                                      {"reserved", stock.reserved},
                                      {"committed", stock.committed},
                                      {"redeemed", stock.redeemed},
                                      {"expired", stock.expired},
                                      {"returned", stock.returned},
                                      {"taken", stock.taken}}) {
      text += count == 0 ? "" : fmt::format(" {} {}", word, count);
    }
    CHECK(offers().Problems() == std::vector<std::string>{});
    return text;
  }

  void Answer(int status) {
    for (std::vector<Call> calls; !(calls = dispatcher->Start(now)).empty();) {
      for (const Call& call : calls) {
        dispatcher->Finish(call.id, {Reply::Kind::kAnswered, status, {}, "{}", {}}, now);
      }
    }
  }
};

}  // namespace

TEST_CASE("codes come from the pool's file, when it changed, and a low stock is said") {
  OffersShop shop;
  shop.files.text = "code\nA1\nA2\nA3\nA4\n";
  shop.Take({shop.Known("lara")});
  CHECK(shop.report.intake["codes"] == 4);
  CHECK(shop.report.warnings.empty());
  shop.now += kHour;
  shop.Take({shop.Known("lara")});
  CHECK(shop.report.intake["codes"] == 0);
  shop.Take({shop.Happens("lara", kOffersVisit)});
  CHECK(shop.Stock() == "pooled free 3 reserved 1 taken 700");
  CHECK(shop.Stock(1) == "made reserved 1");
  shop.Answer(200);
  CHECK(shop.Stock() == "pooled free 3 committed 1 taken 700");
  shop.now += kHour;
  shop.Take({shop.Known("ivo"), shop.Happens("ivo", kOffersVisit)});
  REQUIRE(shop.report.warnings.size() == 1);
  CHECK(shop.report.warnings[0].starts_with("offer pooled: 2 codes are left"));
  shop.files.text += "A5\nA6 A7\n";
  shop.now += kHour;
  shop.Take({});
  CHECK(shop.report.intake["codes"] == 1);
  REQUIRE(shop.report.warnings.size() == 1);
  CHECK(shop.report.warnings[0] ==
        "offer pooled: pools/pooled.csv: 1 new codes, 4 known, 1 left out that are no codes (the "
        "first in line 7)");
}

TEST_CASE("the message prints its code, its end and its terms") {
  OffersShop shop;
  shop.files.text = "A1\n";
  shop.Take({shop.Known("lara"), shop.Happens("nobody", kOffersVisit)});
  shop.now += kHour;
  shop.Take({shop.Happens("lara", kOffersVisit)});
  OutboxFilter filter;
  std::map<std::string, std::string> texts;
  for (const Delivery& one : shop.state->outbox().List(filter)) {
    texts[one.payload.template_id] = one.payload.text;
  }
  CHECK(texts["mail"].starts_with("Use A1 until 2026-03-07"));
  CHECK(texts["mail2"].starts_with("a present"));
}

TEST_CASE("a message that waits longer than its code is valid is dropped, and the code returns") {
  OffersShop shop;
  shop.files.text = "A1\n";
  shop.Take({shop.Known("lara"), shop.Happens("nobody", kOffersVisit)});
  shop.now += kHour;
  shop.Take({shop.Happens("lara", kOffersVisit)});
  shop.db.Execute("UPDATE outbox SET stale_after = stale_after + 864000000000");
  shop.now += 6 * kDay;
  CHECK(shop.Stock() == "pooled reserved 1 taken 700");
  shop.Answer(200);
  CHECK(shop.Stock() == "pooled free 1 returned 1");
  OutboxFilter filter;
  filter.state = DeliveryState::kDropped;
  CHECK(shop.state->outbox().List(filter).front().detail == "no_code");
}

TEST_CASE("an erasure returns what nobody has seen, and keeps what somebody may have") {
  OffersShop shop;
  shop.files.text = "A1\nA2\n";
  shop.Take({shop.Known("lara"), shop.Known("ivo"), shop.Happens("nobody", kOffersVisit)});
  shop.now += kHour;
  shop.Take({shop.Happens("lara", kOffersVisit)});
  shop.Answer(200);
  shop.now += kHour;
  shop.Take({shop.Happens("ivo", kOffersVisit)});
  CHECK(shop.Stock() == "pooled reserved 1 committed 1 taken 1400");
  shop.Take({Erase{"lara", shop.now}, Erase{"ivo", shop.now}});
  shop.now += kHour;
  shop.Take({});
  CHECK(shop.Stock() == "pooled free 1 committed 1 returned 1 taken 700");
}

namespace {

// A few people, tools that fail in every way, a process that dies, and hands that interfere.
class Storm {
 public:
  explicit Storm(std::uint64_t seed) : dice_(seed) {
    for (int i = 0; i < 12; ++i) {
      shop_.files.text += fmt::format("P{}\n", i);
    }
    std::vector<Fact> facts = {shop_.Happens("nobody", kOffersVisit)};
    for (int i = 0; i < 8; ++i) {
      facts.push_back(shop_.Known(Person(i)));
    }
    shop_.Take(facts);
  }

  void Blow() {
    for (int i = 0; i < 60; ++i) {
      shop_.now += std::chrono::minutes(1 + dice_.Below(36 * 60));
      if (dice_.Chance(0.1)) {
        shop_.Open();  // What was under way is never answered.
      }
      shop_.Take(News());
      Deliver();
      if (dice_.Chance(0.3)) {
        Interfere();
      }
      Check();
    }
  }

  int seen() const { return static_cast<int>(seen_.size()); }

 private:
  static std::string Person(int number) { return fmt::format("c{}", number); }

  std::string Survivor(std::string who) const {
    for (auto found = merged_.find(who); found != merged_.end(); found = merged_.find(who)) {
      who = found->second;
    }
    return who;
  }

  std::vector<Fact> News() {
    std::vector<Fact> facts;
    for (int visits = dice_.Below(4); visits > 0; --visits) {
      facts.push_back(shop_.Happens(Person(dice_.Below(8)), kOffersVisit));
    }
    if (dice_.Chance(0.15) && !seen_.empty()) {
      auto any = seen_.begin();
      std::advance(any, dice_.Below(static_cast<int>(seen_.size())));
      facts.push_back(shop_.Happens(Person(dice_.Below(8)), kUsed, any->first));
    }
    if (dice_.Chance(0.02)) {
      facts.push_back(shop_.Happens(Person(dice_.Below(8)), kUsed, "P11"));
    }
    if (dice_.Chance(0.03)) {
      facts.push_back(Erase{Person(dice_.Below(8)), shop_.now});
    }
    const int a = dice_.Below(8), b = dice_.Below(8);
    if (dice_.Chance(0.03) && a != b && !merged_.contains(Person(std::max(a, b)))) {
      facts.push_back(Merge{Person(std::min(a, b)), Person(std::max(a, b)), shop_.now});
      merged_[Person(std::max(a, b))] = Person(std::min(a, b));
    }
    return facts;
  }

  static std::string Between(const std::string& text, const std::string& open, char close) {
    const std::size_t begin = text.find(open);
    REQUIRE(begin != std::string::npos);
    const std::size_t from = begin + open.size();
    return text.substr(from, text.find(close, from) - from);
  }

  void Saw(const Call& call) {
    const std::string who = Between(call.request.body, "\"customer\":\"", '"');
    seen_[Between(call.request.body, "Code=", ';')].insert(who);
  }

  void Deliver() {
    std::vector<Call> calls = dispatcher_calls();
    while (!calls.empty()) {
      const Call call = std::move(calls.back());
      calls.pop_back();
      const int luck = dice_.Below(10);
      if (luck == 0) {
        Saw(call);  // It arrived, and the answer never comes: the process dies before.
        continue;
      }
      Reply reply{Reply::Kind::kAnswered, 200, {}, "{}", {}};
      if (luck == 1) {
        reply.kind = Reply::Kind::kLost;
      } else if (luck <= 3) {
        reply.status = luck == 2 ? 422 : 503;
      }
      if (reply.kind == Reply::Kind::kLost || reply.status == 200) {
        Saw(call);
      }
      for (Call& next : shop_.dispatcher->Finish(call.id, reply, shop_.now)) {
        calls.push_back(std::move(next));
      }
    }
  }

  std::vector<Call> dispatcher_calls() { return shop_.dispatcher->Start(shop_.now); }

  void Interfere() {
    OutboxFilter filter;
    const std::vector<Delivery> all = shop_.state->outbox().List(filter);
    if (all.empty()) {
      return;
    }
    const std::int64_t id =
        all[static_cast<std::size_t>(dice_.Below(static_cast<int>(all.size())))].id;
    Outbox& outbox = shop_.state->outbox();
    const Result<void> done = dice_.Chance(0.4)   ? outbox.DropByHand(id, "test", shop_.now)
                              : dice_.Chance(0.5) ? outbox.RetryByHand(id, "test", shop_.now)
                                                  : outbox.MarkSent(id, "test", shop_.now);
    (void)done.has_value();  // Most states allow none of it.
  }

  void Check() {
    for (const auto& [code, people] : seen_) {
      std::set<std::string> persons;
      for (const std::string& who : people) {
        persons.insert(Survivor(who));
      }
      CHECK_MESSAGE(persons.size() == 1,
                    code << " was seen by " << fmt::format("{}", people.size()));
    }
    CHECK(shop_.offers().Problems() == std::vector<std::string>{});
    Statement wrong = shop_.db.Prepare(
        "SELECT count(*) FROM outbox o, offer_print p, offer_grant g WHERE p.delivery = o.key AND "
        "g.id = p.grant_id AND ((o.state IN (2, 5) AND g.state IN (0, 2)) OR (o.state IN (0, 1, 7) "
        "AND g.state = 2))");
    CHECK((wrong.Step() && wrong.Int(0) == 0));
  }

  OffersShop shop_;
  Dice dice_;
  std::map<std::string, std::set<std::string>> seen_;  // Code to customers' keys.
  std::map<std::string, std::string> merged_;
};

}  // namespace

TEST_CASE("whatever fails, a code is seen by one person only, and the money adds up" *
          doctest::test_suite("thorough")) {
  int seen = 0;
  for (std::uint64_t seed = 1; seed <= static_cast<std::uint64_t>(Rounds(10, 40)); ++seed) {
    CAPTURE(seed);
    Storm storm(seed);
    storm.Blow();
    seen += storm.seen();
  }
  CHECK(seen > Rounds(100, 400));
}

}  // namespace segue
