// Accounts in a real state: who belongs to whom, what an account's model sees, and whom its
// playbooks write to.

#include <algorithm>
#include <memory>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "pipeline/foresee.h"
#include "pipeline/pipeline.h"
#include "pipeline/report.h"
#include "pipeline/trial.h"
#include "support/temp_dir.h"

namespace segue {
namespace {

constexpr std::string_view kFirm = R"(workspace: firm
timezone: UTC
currency: EUR
sender: {from: "firm@example.com", postal: "1 Street"}
keys: {account_contact: account.contact}
traits:
  customer: {email: text, first_name: text, email_consent: yes_no, csm: text}
  account: {name: text, contact: text, arr: money, timezone: text, onboarded: yes_no}
events: {session: {}, feature_used: {feature: text}, paid: {amount: money}, upgraded: {}}
channels: {email: out, task: out, profile: [out, crm, product]}
consent: {email: customer.email_consent}
caps: [{purpose: any, channel: email, max: 1 per 2d}]
mirror: [{model: tier, to: [out, crm], field: tier}]
assignees: {sales: sales@example.com}
serve: {url: "https://segue.example", sign: env:SIGN}
links: {base: "https://firm.example", paths: {}}
---
connector: out
type: file
path: out.jsonl
writes: [tier, words]
---
connector: crm
type: salesforce
auth: {client: env:CLIENT, key: cred:key}
match: {account: Segue_Account_Id__c}
writes: [tier, words]
---
connector: product
type: pendo
auth: {token: env:TOKEN}
writes: [words]
---
model: tier
of: account
every: day at 05:00
features:
  contract: account.arr
  pace: count(session, 30d)
  depth: distinct(feature_used.feature, 30d)
  latest: last(paid.amount)
  worth: sum(paid.amount)
segments:
  - {id: high, when: contract >= 50000 EUR}
  - {id: busy, when: pace >= 3}
  - {id: low, when: otherwise}
flags:
  deep: {on: depth >= 2}
---
model: person
every: day at 06:00
segments:
  - {id: of_high, when: "tier is 'high' and account.name is 'Acme'"}
  - {id: other, when: otherwise}
---
playbook: welcome_high
purpose: success
on: {model: tier, to: high}
do:
  - task: {title: "Call {{ account.name | default: 'them' }}", for: customer.csm, due: 3d}
  - send: hello
  - wait: 5d
    until: did(upgraded)
    met: stop
  - send: hello_all
    to: everyone
goal: {event: upgraded, within: 60d}
limits: {reenter: after 10d}
---
playbook: label
purpose: success
on: {model: tier, to: high}
do:
  - set: {words: "{{ account.name | default: 'they' }} and {{ customer.first_name | default: 'nobody' }}"}
limits: {reenter: always}
---
playbook: dig
purpose: success
on: {flag: tier.deep}
do:
  - task: {title: "They use {{ tier.depth }} features", for: sales, due: 3d}
limits: {reenter: always}
---
playbook: checkin
purpose: success
on: {every: 30d, while: tier is 'busy'}
do:
  - task: {title: "Check in", for: sales, due: 3d}
limits: {reenter: always}
---
template: hello
channel: email
subject: "Hello {{ customer.first_name | default: 'you' }} of {{ account.name | default: 'them' }}"
body: Hello
---
template: hello_all
channel: email
subject: "To all of {{ account.name | default: 'them' }}"
body: Hello
---
layout: default
html: "{{ body }} {{ sender.postal }} {{ links.unsubscribe }}"
text: "{{ body }} {{ sender.postal }} {{ links.unsubscribe }}"
)";

Checked CheckFirm(const std::string& more = "") {
  Checked checked = CheckWorkspace({{"config/segue.yaml", std::string(kFirm) + more}});
  INFO(FormatDiagnostics(checked.diagnostics, checked.files, false));
  REQUIRE(checked.workspace != nullptr);
  return checked;
}

// Lives through a test that is written as users write theirs.
std::string Live(const std::string& test) {
  const Checked checked = CheckFirm(test);
  std::string failures;
  for (const Trial& trial : ReadTrials(*checked.workspace)) {
    failures += FormatDiagnostics(RunTrial(*checked.workspace, *checked.templates, trial).failures,
                                  checked.files, false);
  }
  return failures;
}

constexpr std::string_view kPeople = R"(
---
test: one
start: "2026-03-02T00:00 UTC"
accounts:
  acme: {name: Acme, contact: ann, arr: 1000 EUR}
people:
  ann: {account: acme, first_name: Ann, email_consent: yes, csm: csm@example.com}
  bob: {account: acme, email_consent: yes}
  cem: {account: acme}
  dea: {email_consent: yes}
)";

}  // namespace

TEST_CASE("accounts: a move of an account starts one run, whose message goes to the contact") {
  CHECK(Live(std::string(kPeople) + R"(only: [welcome_high]
steps:
  - {day: 0, expect: {segment: {tier: low}, started: []}}
  - day: 1
    at: "10:00"
    set: {who: acme, arr: 60000 EUR}
  - day: 2
    expect:
      moved: [{who: acme, model: tier, from: low, to: high, cause: behaviour}]
      started: [{who: acme, playbook: welcome_high}]
      sent: [{to: ann, template: hello}]
      tasks: [{who: ann, name: "Call Acme"}]
  # Consent and caps are asked of everybody: cem never answered, and nobody outside is reached.
  - day: 7
    expect:
      sent: [{to: ann, template: hello_all}, {to: bob, template: hello_all}]
      skipped: [{who: cem, because: no_consent}]
      finished: [{who: acme, because: done}]
never:
  - {sent: any, to: dea}
)") == "");
}

TEST_CASE("accounts: what one customer does ends the wait and reaches the goal of the account") {
  CHECK(Live(std::string(kPeople) + R"(only: [welcome_high]
steps:
  - {day: 1, set: {who: acme, arr: 60000 EUR}}
  - {day: 2, expect: {sent: [{to: ann}], tasks: [{who: ann}]}}
  - {day: 3, event: {who: dea, event: upgraded}, expect: {finished: []}}
  - {day: 4, event: {who: bob, event: upgraded}, expect: {finished: [{who: acme, because: goal}]}}
  - {run: 9d, expect: {sent: []}}
)") == "");
}

TEST_CASE("accounts: aggregates run over all who belong to the account, and nobody else") {
  CHECK(Live(std::string(kPeople) + R"(only: [dig, checkin]
history:
  - {who: [ann, bob], event: session, from: 3d ago}
  - {who: dea, event: session, every: 1d, from: 9d ago}
  - {who: [ann, bob, cem], event: feature_used, feature: export, from: 2d ago}
steps:
  - {day: 0, expect: {segment: {tier: low}, tasks: []}}
  - {day: 1, event: {who: cem, event: session}}
  - {day: 2, expect: {segment: {tier: busy}, count: {tier: {busy: 1}}, tasks: [{name: Check in}]}}
  # The same feature again makes them no deeper; another one does.
  - {day: 3, event: {who: cem, event: feature_used, feature: export}}
  - {day: 4, expect: {tasks: []}}
  - {day: 5, event: {who: bob, event: feature_used, feature: import}}
  - {day: 6, expect: {started: [{who: acme, playbook: dig}], tasks: [{name: They use 2 features}]}}
)") == "");
}

TEST_CASE("accounts: a customer reads the account they belong to, and without one it is missing") {
  CHECK(Live(std::string(kPeople) + R"(only: [dig]
steps:
  - {day: 1, set: {who: acme, arr: 60000 EUR}}
  - day: 3
    expect: {who: [ann, bob, cem], segment: {person: of_high}}
  - day: 4
    expect: {who: [dea], segment: {person: other, tier: none}}
)") == "");
}

TEST_CASE("accounts: without a contact nobody is written to, and it is said") {
  CHECK(Live(R"(
---
test: nobody
start: "2026-03-02T00:00 UTC"
only: [welcome_high]
accounts:
  acme: {name: Acme, arr: 1000 EUR}
people:
  ann: {account: acme, email_consent: yes}
steps:
  - {day: 1, set: {who: acme, arr: 60000 EUR}}
  - day: 2
    expect:
      sent: []
      tasks: []
      skipped: [{who: acme, because: no_address}]
  - {run: 9d, expect: {sent: [{to: ann, template: hello_all}]}}
)") == "");
}

namespace {

struct Firm {
  TempDir temp;
  Database db = Database::Open(temp / "segue.db");
  Checked checked = CheckFirm();
  TimePoint now = *ParseTime("2026-03-02T04:00:00Z", Zone());
  std::unique_ptr<State> state;
  std::unique_ptr<Cycle> cycle;

  Firm() { Open(); }

  void Open() {
    cycle.reset();
    state.reset();
    state = std::make_unique<State>(db, *checked.workspace, *checked.templates, now);
    cycle = std::make_unique<Cycle>(*state, nullptr);
  }

  int Trait(std::string_view name) const {
    return *checked.workspace->schema.FindCustomerTrait(name);
  }

  Fact Is(const std::string& who, std::string_view trait, Value value) const {
    return TraitChange{who, Trait(trait), std::move(value), now};
  }

  Fact AccountIs(const std::string& account, std::string_view trait, Value value) const {
    return TraitChange{account, *checked.workspace->schema.FindAccountTrait(trait),
                       std::move(value), now, true};
  }

  CycleReport Take(const std::vector<Fact>& facts) {
    CycleReport report;
    cycle->Ingest(facts, "test", 72 * kHour, now, report);
    cycle->Decide(now, report);
    return report;
  }

  // Who was promised which value of a field, and by which tool.
  std::vector<std::string> Written(const std::string& playbook, const std::string& field) {
    std::vector<std::string> written;
    for (const Delivery& one : state->outbox().List(OutboxFilter())) {
      if (one.kind == DeliveryKind::kSet && one.playbook == playbook) {
        CHECK(IsAccount(one.customer) == state->ledger().FindAccount(one.customer_key).has_value());
        written.push_back(one.connector + ": " + one.customer_key + " " +
                          one.payload.values.at(field));
      }
    }
    std::sort(written.begin(), written.end());
    return written;
  }

  // The account becomes one of the high ones.
  void Rise(std::vector<Fact> known) {
    known.push_back(AccountIs("acme", "arr", std::int64_t{1000'00}));
    known.push_back(AccountIs("acme", "name", std::string("Acme")));
    Take(known);
    now += kDay;
    Take({AccountIs("acme", "arr", std::int64_t{70'000'00})});
    now += kDay;
    Take({});
    REQUIRE(TierOf("acme") == "high");
  }

  std::string TierOf(const std::string& account) {
    const int model = *checked.workspace->FindModel("tier");
    const SegmentIndex segment =
        state->segments(model)->Get(*state->ledger().FindAccount(account)).segment;
    return segment == kNoSegment
               ? "none"
               : checked.workspace->models[static_cast<std::size_t>(model)].segments[segment].id;
  }
};

}  // namespace

TEST_CASE(
    "accounts: who belongs where survives a restart, a move to another account, and a merge") {
  Firm firm;
  firm.Take({firm.Is("ann", "account_id", std::string("acme")),
             firm.Is("bob", "account_id", std::string("beta")),
             firm.AccountIs("acme", "arr", std::int64_t{60'000'00}),
             firm.AccountIs("beta", "timezone", std::string("Asia/Kathmandu"))});
  const auto check = [&](const std::string& who, const std::string& account) {
    const Ledger& ledger = firm.state->ledger();
    const auto belongs = ledger.AccountOf(*ledger.FindCustomer(who));
    REQUIRE(belongs.has_value());
    CHECK(ledger.CustomerKey(*belongs) == account);
  };
  check("ann", "acme");
  check("bob", "beta");
  const Ledger& ledger = firm.state->ledger();
  CHECK(firm.state->ZoneOf(*ledger.FindCustomer("bob")).name() == "Asia/Kathmandu");
  CHECK(firm.state->ZoneOf(*ledger.FindCustomer("ann")).name() == "UTC");
  firm.Open();
  check("bob", "beta");
  firm.now += kHour;
  firm.Take({firm.Is("ann", "account_id", std::string("beta"))});
  check("ann", "beta");
  CHECK(firm.state->ledger().MembersOf(*firm.state->ledger().FindAccount("beta")).size() == 2);
  CHECK(firm.state->ledger().MembersOf(*firm.state->ledger().FindAccount("acme")).empty());
  firm.now += kHour;
  firm.Take({Merge{"ann", "bob", firm.now}});
  CHECK(firm.state->ledger().MembersOf(*firm.state->ledger().FindAccount("beta")).size() == 1);
}

TEST_CASE(
    "accounts: an account is placed and moved like a customer, and its move is written to all") {
  Firm firm;
  firm.Take({firm.Is("ann", "account_id", std::string("acme")),
             firm.Is("bob", "account_id", std::string("acme")),
             firm.AccountIs("acme", "arr", std::int64_t{1000'00})});
  CHECK(firm.TierOf("acme") == "low");
  firm.now += kDay;
  firm.Take({firm.AccountIs("acme", "arr", std::int64_t{70'000'00})});
  firm.now += kDay;
  const CycleReport report = firm.Take({});
  CHECK(firm.TierOf("acme") == "high");
  const std::vector<MoveRow> moves =
      MovesOf(*firm.state, *firm.state->ledger().FindAccount("acme"));
  REQUIRE(moves.size() == 1);
  CHECK(moves[0].to == "high");
  CHECK(moves[0].cause == Cause::kBehaviour);
  // In its own record where the tool finds accounts, elsewhere in that of each who belongs to it.
  CHECK(firm.Written("mirror", "tier") ==
        std::vector<std::string>{"crm: acme high", "out: ann high", "out: bob high"});
  firm.Open();
  CHECK(firm.TierOf("acme") == "high");
}

TEST_CASE(
    "accounts: a field is told of the account where the tool finds accounts, else of its contact") {
  Firm firm;
  firm.Rise({firm.Is("ann", "account_id", std::string("acme")),
             firm.Is("ann", "first_name", std::string("Ann")),
             firm.Is("ann", "csm", std::string("csm@example.com")),
             firm.AccountIs("acme", "contact", std::string("ann"))});
  CHECK(firm.Written("label", "words") == std::vector<std::string>{"crm: acme Acme and Ann",
                                                                   "out: ann Acme and Ann",
                                                                   "product: ann Acme and Ann"});
  int tasks = 0;
  for (const Delivery& one : firm.state->outbox().List(OutboxFilter())) {
    if (one.kind == DeliveryKind::kTask) {
      ++tasks;
      CHECK(one.customer_key == "ann");
      CHECK(one.payload.account == "acme");
    }
  }
  CHECK(tasks == 1);
}

TEST_CASE("accounts: a plan names each promise about an account once, whichever tool it is for") {
  Firm firm;
  firm.Take({firm.Is("ann", "account_id", std::string("acme")),
             firm.AccountIs("acme", "contact", std::string("ann")),
             firm.AccountIs("acme", "arr", std::int64_t{1000'00})});
  firm.now += kDay;
  CycleReport taken;
  firm.cycle->Ingest({{firm.AccountIs("acme", "arr", std::int64_t{70'000'00})}}, "test", 72 * kHour,
                     firm.now, taken);
  firm.cycle.reset();
  firm.state.reset();
  const Foreseen plan =
      Foresee(firm.db, *firm.checked.workspace, *firm.checked.templates, firm.now, {});
  const auto found =
      std::find_if(plan.playbooks.begin(), plan.playbooks.end(), [&](const ForeseenPlaybook& one) {
        return firm.checked.workspace->playbooks[static_cast<std::size_t>(one.playbook)].id ==
               "label";
      });
  REQUIRE(found != plan.playbooks.end());
  CHECK(found->started == 1);
  CHECK(found->by_step.at("set words") == std::map<std::string, std::int64_t>{{"sent", 3}});
}

TEST_CASE(
    "accounts: without a contact a tool that knows customers only is not asked, and says so") {
  Firm firm;
  firm.Rise({firm.Is("ann", "account_id", std::string("acme"))});
  CHECK(firm.Written("label", "words") ==
        std::vector<std::string>{"crm: acme Acme and nobody", "out: acme Acme and nobody"});
  const CustomerIndex acme = *firm.state->ledger().FindAccount("acme");
  std::vector<std::string> refused;
  for (const Decision& one : firm.state->playbooks().Decisions(acme, "label", TimePoint())) {
    if (!one.passed && one.run != 0) {
      refused.push_back(one.reason + ": " + one.detail);
    }
  }
  CHECK(refused == std::vector<std::string>{"no_address: account.contact names no customer"});
}

TEST_CASE("accounts: an erased customer is no contact any more, and their key is gone") {
  Firm firm;
  firm.Take({firm.Is("ann", "account_id", std::string("acme")),
             firm.AccountIs("acme", "contact", std::string("ann"))});
  const CustomerIndex acme = *firm.state->ledger().FindAccount("acme");
  const int contact = firm.checked.workspace->schema.AccountTrait(
      *firm.checked.workspace->schema.FindAccountTrait("contact"));
  REQUIRE(firm.state->ledger().Trait(acme, contact) != nullptr);
  firm.Take({Erase{"ann", firm.now}});
  CHECK(IsMissing(firm.state->ledger().Trait(acme, contact)->value));
  CHECK(firm.state->ledger().MembersOf(acme).empty());
  // Nor is it taken in again.
  firm.now += kHour;
  firm.Take({firm.AccountIs("acme", "contact", std::string("ann"))});
  CHECK(IsMissing(firm.state->ledger().Trait(acme, contact)->value));
}

TEST_CASE("accounts: a model of accounts cannot look at one customer, and says what it can") {
  const auto problem = [](const std::string& feature) {
    const Checked checked = CheckWorkspace(
        {{"config/segue.yaml", std::string(kFirm) +
                                   "---\nmodel: odd\nof: account\nevery: day at "
                                   "05:00\nfeatures: {x: \"" +
                                   feature + "\"}\nsegments: [{id: all, when: otherwise}]\n"}});
    return FormatDiagnostics(checked.diagnostics, checked.files, false);
  };
  CHECK(problem("customer.first_name").find("is a trait of customers") != std::string::npos);
  CHECK(problem("churn_risk(paid)").find("learned from single customers") != std::string::npos);
  CHECK(problem("person").find("is a model of customers") != std::string::npos);
  CHECK(problem("count(session)").find("error") == std::string::npos);
}

}  // namespace segue
