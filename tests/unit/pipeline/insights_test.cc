// What the numbers mean, over a real state: experiments, movement between segments, funnels and
// aha moments.

#include <algorithm>
#include <map>
#include <memory>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "pipeline/experiments.h"
#include "pipeline/moments.h"
#include "pipeline/movement.h"
#include "pipeline/stages.h"
#include "support/temp_dir.h"

namespace segue {
namespace {

constexpr std::string_view kInsightsFiles = R"(workspace: shop
currency: EUR
sender: {from: "shop@example.com", postal: "1 Street"}
keys: {email: customer.email, joined: customer.joined}
traits: {customer: {email: text, joined: time}}
events: {visit: {}, order: {amount: money}, invited: {}, back: {}}
channels: {email: out}
serve: {url: "https://segue.example", sign: env:SIGN}
links: {base: "https://shop.example", paths: {}}
---
connector: out
type: file
path: out.jsonl
---
model: size
every: 1h
features: {money: sum(order.amount)}
scores: {m: {from: money, best: high, cuts: [100 EUR]}}
segments:
  - {id: large, when: m is 2}
  - {id: small, when: otherwise}
rank: [small, large]
---
playbook: nudge
purpose: service
on: {event: visit}
do: [{send: hello}]
goal: {event: order, value: amount, within: 5d, expect: 5%..15%}
limits: {reenter: always}
experiment: {variants: {a: 35%, b: 35%}, holdout: 30%}
---
playbook: push
purpose: service
on: {event: visit}
when: not moment.reached
do: [{send: next}]
goal: {when: moment.reached, within: 5d}
limits: {reenter: never}
---
template: hello
channel: email
subject: Hello
body: Hello
variants: {a: {subject: One}, b: {subject: Two}}
---
template: next
channel: email
subject: Next
body: Next
---
layout: default
html: "{{ body }} {{ sender.postal }} {{ links.unsubscribe }}"
text: "{{ body }} {{ sender.postal }} {{ links.unsubscribe }}"
---
funnel: way
stages:
  - {id: came, when: ever(visit)}
  - {id: bought, when: ever(order)}
  - {id: again, when: count(order) >= 2}
---
insight: moment
every: month on 1 at 06:00
cohort: {joined: 60d, at_least: 100}
look_at:
  actions: {invited: invite somebody, visit: come by}
  times: 1..3
  within: [1d, 3d]
outcome: {event: back, from: 10d, to: 20d}
publish: {as: moment}
)";

constexpr int kInsightsVisit = 0, kOrder = 1, kInvited = 2, kBack = 3;

struct InsightsShop {
  TempDir temp;
  Database db = Database::Open(temp / "segue.db");
  Checked checked = CheckWorkspace({{"config/segue.yaml", std::string(kInsightsFiles)}});
  std::unique_ptr<State> state;
  std::unique_ptr<Cycle> cycle;
  TimePoint now = *ParseTime("2026-03-02T04:00:00Z", Zone());

  InsightsShop() {
    INFO(FormatDiagnostics(checked.diagnostics, checked.files, false));
    REQUIRE(checked.workspace != nullptr);
    Open();
  }

  void Open() {
    cycle.reset();
    state = std::make_unique<State>(db, *checked.workspace, *checked.templates, now);
    cycle = std::make_unique<Cycle>(*state, nullptr);
  }

  // p0 … are there, joined at this moment, and the models have had their baseline.
  // They joined now: a trait says so, or their first visit.
  void Begin(int people, bool said = true) {
    std::vector<Fact> facts;
    for (int i = 0; i < people; ++i) {
      facts.emplace_back(TraitChange{Key(i), 0, Key(i) + "@example.com", now});
      facts.push_back(said ? Fact(TraitChange{Key(i), 1, ToMicros(now), now})
                           : Happens(i, kInsightsVisit, now));
    }
    Take(facts);
    now += kHour;
  }

  static std::string Key(int person) { return fmt::format("p{}", person); }

  Fact Happens(int who, int kind, TimePoint at, std::int64_t cents = 0) {
    Event event{
        .kind = kind, .customer = Key(who), .time = at, .fields = {}, .dedupe = "", .version = {}};
    if (kind == kOrder) {
      event.fields = {cents};
    }
    return event;
  }

  void Take(const std::vector<Fact>& facts) {
    CycleReport report;
    cycle->Ingest(facts, "test", 72 * kHour, now, report);
    cycle->Decide(now, report);
  }

  std::map<CustomerIndex, std::string> ArmsOf(const std::string& playbook) {
    Statement select = db.Prepare("SELECT customer, arm FROM run WHERE playbook = ?");
    select.Bind(1, playbook);
    std::map<CustomerIndex, std::string> arms;
    while (select.Step()) {
      arms[static_cast<CustomerIndex>(select.Int(0))] = select.Text(1);
    }
    return arms;
  }

  // As if a search had confirmed: invited twice within three days.
  void Publish() {
    MomentSearch search;
    search.result.ranking.push_back(
        {.rule = {.action = 0, .times = 2, .other = -1, .other_times = 0, .within = 1},
         .table = {},
         .figures = {}});
    search.result.shortlist.push_back(
        {.place = 0, .table = {}, .figures = {}, .adjusted_p = 0, .confirmed = true});
    search.result.best = 0;
    const Insight& insight = checked.workspace->insights.front();
    StoreMoment(db, insight, checked.workspace->schema, search, true, now);
  }

  double Published(int part, int person) {
    double value = 0;
    state->moments().Read(0, part, static_cast<CustomerIndex>(person), {&value, 1});
    return value;
  }
};

const Experiment& Only(const std::vector<Experiment>& all) {
  REQUIRE(all.size() == 1);
  return all.front();
}

}  // namespace

TEST_CASE("report: who entered counts once, by arm, when the goal's time is over") {
  InsightsShop shop;
  constexpr int kPeople = 600;
  shop.Begin(kPeople);
  std::vector<Fact> visits;
  for (int i = 0; i < kPeople; ++i) {
    visits.push_back(shop.Happens(i, kInsightsVisit, shop.now));
  }
  shop.Take(visits);
  const TimePoint started = shop.now;
  const std::map<CustomerIndex, std::string> arms = shop.ArmsOf("nudge");
  REQUIRE(arms.size() == kPeople);
  std::vector<Fact> orders;
  double treated = 0, treated_reached = 0, held_out = 0, held_out_reached = 0;
  for (int i = 0; i < kPeople; ++i) {
    const bool ghost = arms.at(static_cast<CustomerIndex>(i)) == "held_out";
    (ghost ? held_out : treated) += 1;
    if (i % 10 < (ghost ? 1 : 5)) {
      (ghost ? held_out_reached : treated_reached) += 1;
      orders.push_back(shop.Happens(i, kOrder, started + kDay, 1000));
      orders.push_back(shop.Happens(i, kOrder, started + 2 * kDay, 1000));
    }
    orders.push_back(shop.Happens(i, kOrder, started + 5 * kDay + kHour, 99));  // Too late.
  }
  REQUIRE(held_out > 130);
  shop.now += 4 * kDay;
  {
    const std::vector<Experiment> early = Experiments(*shop.state, {}, shop.now);
    CHECK(Only(early).early == kPeople);
    CHECK(Only(early).treated.goal.people() == 0);
    CHECK(Only(early).sentence == "cannot tell: fewer than two people in an arm");
  }
  shop.now += 2 * kDay;
  shop.Take(orders);
  std::vector<Fact> again;
  for (int i = 0; i < kPeople; ++i) {
    again.push_back(shop.Happens(i, kInsightsVisit, shop.now));
  }
  shop.Take(again);
  const std::vector<Experiment> all = Experiments(*shop.state, {.playbook = "nudge"}, shop.now);
  const Experiment& one = Only(all);
  CHECK(one.entered == kPeople);
  CHECK(one.early == 0);
  CHECK(one.treated.goal.people() == treated);
  CHECK(one.treated.goal.sum() == doctest::Approx(treated_reached));
  CHECK(one.held_out.goal.people() == held_out);
  CHECK(one.held_out.goal.sum() == doctest::Approx(held_out_reached));
  CHECK(one.treated.money.sum() == doctest::Approx(2000 * treated_reached));
  REQUIRE(one.money.has_value());
  CHECK(one.money->value ==
        doctest::Approx(2'000'000 * (treated_reached / treated - held_out_reached / held_out)));
  CHECK(one.answer.ratio_p > kRatioAlarm);
  CHECK(one.answer.verdict == Verdict::kAbove);  // About 40 points, where 5 to 15 were expected.
  CHECK(one.any_time.enough);
  REQUIRE(one.variants.size() == 2);
  CHECK(one.variants[0].goal.people() + one.variants[1].goal.people() == treated);
  REQUIRE(one.effects.size() == 1);
  CHECK(one.effects[0].adjusted_p > 0.05);  // Both variants were given the same chances.
  // Nobody came in later, and whoever came in again did not come in for the first time.
  CHECK(Experiments(*shop.state, {.playbook = "nudge", .from = started + kDay}, shop.now)
            .front()
            .entered == 0);
}

TEST_CASE(
    "report: by segment it counts where people stood when they came in, whatever came of it") {
  InsightsShop shop;
  constexpr int kPeople = 1200;
  shop.Begin(kPeople);
  std::vector<Fact> facts;
  for (int i = 0; i < kPeople / 2; ++i) {
    facts.push_back(shop.Happens(i, kOrder, shop.now, 20000));
  }
  shop.Take(facts);  // The first half is large from here on.
  shop.now += kHour;
  facts.clear();
  for (int i = 0; i < kPeople; ++i) {
    facts.push_back(shop.Happens(i, kInsightsVisit, shop.now));
  }
  shop.Take(facts);
  const std::map<CustomerIndex, std::string> arms = shop.ArmsOf("nudge");
  const TimePoint started = shop.now;
  facts.clear();
  double reached = 0;
  for (int i = 0; i < kPeople; ++i) {
    const bool treated = arms.at(static_cast<CustomerIndex>(i)) != "held_out";
    // Small ones who order are large afterwards, and count where they came from.
    if (i >= kPeople / 2 && i % (treated ? 2 : 10) == 0) {
      facts.push_back(shop.Happens(i, kOrder, started + kDay, 50000));
      reached += treated ? 1 : 0;
    }
  }
  shop.now += 6 * kDay;
  shop.Take(facts);
  const std::vector<Experiment> all =
      Experiments(*shop.state, {.playbook = "nudge", .by = 0}, shop.now);
  const Experiment& one = Only(all);
  REQUIRE(one.parts.size() == 2);
  CHECK(one.parts[0].segment == "large");
  CHECK(one.parts[1].segment == "small");
  CHECK(one.parts[0].entered == kPeople / 2);
  CHECK(one.parts[0].treated.goal.sum() == 0);
  CHECK(one.parts[1].entered == kPeople / 2);
  CHECK(one.parts[1].treated.goal.sum() == doctest::Approx(reached));
  REQUIRE(one.parts[1].money.has_value());
  CHECK(one.parts[1].money->value > 0);
  CHECK(one.parts[1].answer.verdict == Verdict::kAbove);
  CHECK(one.parts[1].adjusted_p == doctest::Approx(2 * one.parts[1].any_time.p));
  CHECK(one.parts[0].adjusted_p >= one.parts[1].adjusted_p);
  CHECK(one.parts[0].treated.goal.people() + one.parts[1].treated.goal.people() ==
        one.treated.goal.people());
  CHECK(Experiments(*shop.state, {.playbook = "nudge"}, shop.now).front().parts.empty());
}

TEST_CASE(
    "report: a condition as goal is noted of runs that are over, and nobody held out says so") {
  InsightsShop shop;
  shop.Publish();
  shop.Begin(4);
  shop.Take({shop.Happens(0, kInvited, shop.now - kMinute), shop.Happens(0, kInvited, shop.now)});
  CHECK(shop.Published(0, 0) == 1);
  CHECK(shop.Published(0, 1) == 0);
  shop.now += kHour;
  std::vector<Fact> visits;
  for (int i = 0; i < 4; ++i) {
    visits.push_back(shop.Happens(i, kInsightsVisit, shop.now));
  }
  shop.Take(visits);
  CHECK(shop.ArmsOf("push").size() == 3);  // p0 is there already.
  for (const RunInfo& run : shop.state->playbooks().Runs(std::nullopt, "push", false)) {
    CHECK(run.end_reason == "done");
  }
  shop.now += kDay;
  shop.Take({shop.Happens(1, kInvited, shop.now - kHour), shop.Happens(1, kInvited, shop.now)});
  shop.now += 6 * kDay;
  shop.Open();
  shop.Take({shop.Happens(2, kInvited, shop.now), shop.Happens(2, kInvited, shop.now - kHour)});
  const std::vector<Experiment> all = Experiments(*shop.state, {.playbook = "push"}, shop.now);
  CHECK(Only(all).treated.goal.people() == 3);
  CHECK(Only(all).treated.goal.sum() == doctest::Approx(1));
  CHECK(Only(all).sentence.find("nobody is held out") != std::string::npos);
  CHECK_FALSE(Only(all).compared);
}

TEST_CASE("aha: nobody starts on an insight that is not in force") {
  InsightsShop shop;
  shop.Begin(3);
  shop.Take({shop.Happens(0, kInsightsVisit, shop.now)});
  CHECK(shop.ArmsOf("push").empty());
  CHECK(shop.Published(0, 0) != shop.Published(0, 0));  // Missing.
  shop.Publish();
  shop.now += kHour;
  shop.Take({shop.Happens(1, kInsightsVisit, shop.now)});
  CHECK(shop.ArmsOf("push").size() == 1);
}

TEST_CASE("aha: a planted moment is found on a schedule, approved, and kept up to date") {
  bool said = true;
  SUBCASE("of people whose joining a trait tells") {}
  SUBCASE("of people who joined with the first that they did") {
    said = false;
  }
  InsightsShop shop;
  constexpr int kPeople = 400;
  shop.Begin(kPeople, said);
  const TimePoint joined = shop.now - kHour;
  std::vector<Fact> facts;
  for (int i = 0; i < kPeople; ++i) {
    const bool invites = i % 2 == 0, stays = i % 10 < (invites ? 9 : 3);
    facts.push_back(shop.Happens(i, kInvited, joined + 2 * kHour));
    if (invites) {
      facts.push_back(shop.Happens(i, kInvited, joined + 3 * kHour));
    }
    if (stays) {
      facts.push_back(shop.Happens(i, kBack, joined + 12 * kDay));
    }
  }
  shop.now = joined + 31 * kDay;  // Past the first of the next month.
  shop.Take(facts);
  const Insight& insight = shop.checked.workspace->insights.front();
  const MomentSearch search = SearchMoment(*shop.state, insight, shop.now);
  CHECK(search.people == kPeople);
  REQUIRE(search.result.best >= 0);
  const AhaRule rule = search.result.ranking.front().rule;
  CHECK(RuleWords(insight, rule) == "invite somebody 2 times, within 1d");
  std::optional<StoredMoment> stored = LoadMoment(shop.db, "moment");
  REQUIRE(stored.has_value());
  CHECK(stored->found == "invited 2 within 1d");
  CHECK(stored->in_force.empty());  // It needs approval.
  StoreMoment(shop.db, insight, shop.checked.workspace->schema, search, true, shop.now);
  shop.now += kHour;
  shop.Take({});
  CHECK(shop.Published(0, 0) == 1);
  CHECK(shop.Published(0, 1) == 0);
  CHECK(shop.Published(1, 1) == 0.5);
  CHECK(shop.Published(2, 1) == *shop.checked.workspace->pool->Find("invited"));
  shop.now += kHour;
  shop.Take({shop.Happens(1, kInvited, joined + 5 * kHour)});  // It comes in late.
  CHECK(shop.Published(0, 1) == 1);
  shop.Open();
  CHECK(shop.Published(0, 1) == 1);  // And a new start counts the same.
  CHECK(shop.Published(0, 3) == 0);
}

TEST_CASE("migrate: where people stood is read back from their moves") {
  InsightsShop shop;
  shop.Begin(10);
  const TimePoint begin = shop.now;
  std::vector<Fact> first, second;
  for (int i = 0; i < 4; ++i) {
    first.push_back(shop.Happens(i, kOrder, shop.now, 10000));
  }
  shop.now += kHour;
  shop.Take(first);  // Four are large now.
  const TimePoint between = shop.now + kMinute;
  shop.now += kDay;
  second.push_back(shop.Happens(4, kOrder, shop.now, 20000));
  shop.Take(second);
  const Result<Movement> whole = MovementOf(*shop.state, 0, {.from = begin}, shop.now);
  REQUIRE(whole.has_value());
  CHECK(whole->segments == std::vector<std::string>{"large", "small"});
  CHECK(whole->matrix[1].people == 10);
  CHECK(whole->matrix[1].to == std::vector<double>{5, 5, 0});
  CHECK(whole->matrix[0].people == 0);
  const Result<Movement> later = MovementOf(*shop.state, 0, {.from = between}, shop.now);
  REQUIRE(later.has_value());
  CHECK(later->matrix[0].to == std::vector<double>{4, 0, 0});
  CHECK(later->matrix[1].to == std::vector<double>{1, 5, 0});
  const Result<Movement> earlier =
      MovementOf(*shop.state, 0, {.from = begin, .to = between}, shop.now);
  REQUIRE(earlier.has_value());
  CHECK(earlier->matrix[1].to == std::vector<double>{4, 6, 0});
  CHECK(whole->stays[1].ended == 5);
  CHECK(whole->stays[0].stays == 5);
  CHECK(whole->stays[0].ended == 0);
  CHECK(whole->value == "money");
  REQUIRE(whole->at_risk.size() == 2);
  CHECK(whole->at_risk[0].value == 60000);
  CHECK(whole->at_risk[1].at_risk == 0);
  CHECK_FALSE(whole->at_risk[0].share.has_value());  // Nobody was there who could have fallen.
  CHECK_FALSE(MovementOf(*shop.state, 0, {.from = begin - kDay}, shop.now).has_value());
  CHECK_FALSE(MovementOf(*shop.state, 0, {.value = "mony"}, shop.now).has_value());
}

TEST_CASE("migrate: who was there when watching began has been there since their own move") {
  InsightsShop shop;
  shop.Begin(7);
  shop.now += kHour;
  const TimePoint begin = shop.now;
  std::vector<Fact> first, second;
  for (int i = 7; i < 17; ++i) {
    first.push_back(shop.Happens(i, kOrder, begin, 100));
    second.push_back(shop.Happens(i, kOrder, begin + 20 * kDay, 20000));
  }
  shop.Take(first);  // Ten are small from here on; the seven before them nobody knows how long.
  shop.now = begin + 20 * kDay;
  shop.Take(second);
  shop.now += kHour;
  const Result<Movement> late = MovementOf(*shop.state, 0, {.from = begin + 15 * kDay}, shop.now);
  REQUIRE(late.has_value());
  CHECK(late->stays[1].ended == 10);
  CHECK(late->stays[1].stays == 17);
  CHECK(late->stays[1].median.value() == doctest::Approx(20).epsilon(0.01));
}

TEST_CASE("funnel: people by stage, with the time between stages where it is known") {
  InsightsShop shop;
  shop.Begin(4);
  const TimePoint begin = shop.now;
  shop.now += 10 * kDay;
  shop.Take(
      {shop.Happens(0, kInsightsVisit, begin), shop.Happens(0, kOrder, begin + 2 * kDay, 10000),
       shop.Happens(0, kOrder, begin + 3 * kDay, 100), shop.Happens(1, kInsightsVisit, begin),
       shop.Happens(1, kOrder, begin + 4 * kDay, 100), shop.Happens(2, kInsightsVisit, begin)});
  const FunnelDocument& way = shop.checked.workspace->funnels.front();
  const std::vector<FunnelPart> parts = FunnelNow(*shop.state, way, 0, shop.now);
  REQUIRE(parts.size() == 3);
  const std::vector<FunnelStage>& all = parts[0].stages;
  CHECK(all[0].people == 3);
  CHECK(all[1].people == 2);
  CHECK(all[2].people == 1);
  CHECK(all[1].median.value() == doctest::Approx(3));
  CHECK(all[2].median.value() == doctest::Approx(1));
  CHECK(parts[1].name == "large");
  CHECK(parts[1].stages[2].people == 1);
  CHECK(parts[2].stages[0].people == 2);
}

}  // namespace segue
