// check --with-data: what the files and the data do not agree about.

#include "pipeline/with_data.h"

#include <algorithm>
#include <iterator>
#include <memory>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "support/golden.h"

namespace segue {
namespace {

constexpr std::string_view kStall = R"(workspace: shop
timezone: UTC
currency: EUR
sender: {from: "shop@example.com", postal: "1 Street"}
traits: {customer: {email: text, plan: text, nick: text, never: text}}
events: {visit: {page: text}, order: {amount: money}, returned: {}}
channels: {email: out, task: out}
caps: [{purpose: service, channel: email, max: 1 per 2d}]
assignees: {desk: desk@example.com}
serve: {url: "https://segue.example", sign: env:SIGN}
links: {base: "https://shop.example", paths: {}}
---
connector: out
type: file
path: out.jsonl
---
model: pace
every: day at 05:00
features:
  visits: count(visit)
  seen: count(visit where page is 'Home', 30d)
scores:
  v: {from: visits, best: high, fifths: yes}
segments:
  - {id: fast, when: v >= 1 and seen >= 0}
  - {id: slow, when: otherwise}
---
playbook: first
purpose: service
lane: one
on: {model: pace, to: fast}
when: customer.plan is 'Team'
do: [{send: hello}, {task: {title: "For {{ customer.nick }}", for: desk, due: 1d}}]
limits: {reenter: always}
---
playbook: second
purpose: service
lane: two
on: {every: 30d, while: pace is 'fast'}
do: [{send: again}]
exit: did(returned) or customer.never is 'x'
limits: {reenter: always}
---
template: hello
channel: email
subject: "Hello {{ customer.nick }}"
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

struct Stall {
  TempDir temp;
  Database db = Database::Open(temp / "segue.db");
  Checked checked = CheckWorkspace({{"config/segue.yaml", std::string(kStall)}});
  TimePoint now = *ParseTime("2026-03-02T06:00:00Z", Zone());
  std::unique_ptr<State> state;

  Stall() {
    INFO(FormatDiagnostics(checked.diagnostics, checked.files, false));
    REQUIRE(checked.workspace != nullptr);
    state = std::make_unique<State>(db, *checked.workspace, *checked.templates, now);
    std::vector<Fact> facts;
    for (int i = 0; i < 20; ++i) {
      const std::string who = fmt::format("p{}", i);
      facts.emplace_back(TraitChange{who, 0, who + "@example.com", now});
      facts.emplace_back(TraitChange{who, 1, std::string("team"), now});
      if (i >= 5) {
        facts.emplace_back(TraitChange{who, 2, std::string("Ann"), now});
      }
      facts.emplace_back(Event{.kind = 0,
                               .customer = who,
                               .time = now,
                               .fields = {std::string("home")},
                               .dedupe = "",
                               .version = {}});
    }
    Cycle cycle(*state, nullptr);
    CycleReport report;
    cycle.Ingest(facts, "test", 72 * kHour, now, report);
    cycle.Decide(now, report);
  }

  std::string Lines() {
    std::string all;
    for (const Diagnostic& one : LintWithData(*state, now)) {
      CHECK(one.severity == Severity::kWarning);
      CHECK(one.place.line > 0);
      all += one.code + " " + one.message + "\n";
    }
    return all;
  }
};

}  // namespace

TEST_CASE("with data: each disagreement is found at its place") {
  Stall stall;
  CHECK(stall.Lines() ==
        "SG013 the lines of pace were learned from 20 customers: with fewer than 100, each new one "
        "shifts them\n"
        "SG070 nobody of 20 customers is in segment slow of pace\n"
        "SG070 this matches nobody of 20 customers now: customer.plan is 'Team'\n"
        "SG071 visit.page is 'Home' of nobody, and never was as far as it is kept\n"
        "SG071 customer.plan is 'Team' of nobody, and never was as far as it is kept\n"
        "SG071 no returned ever came\n"
        "SG071 no customer has customer.never\n"
        "SG072 template hello cannot be made for 5 of 20 people whom first would reach: "
        "customer.nick has no value, and the text gives no default\n"
        "SG072 this task cannot be made for 5 of 20 people whom first would reach: customer.nick "
        "has no value, and the text gives no default\n"
        "SG041 first shares people with other lanes under one cap: second (20)\n");
}

TEST_CASE("with data: each code reads as approved, with the line and a caret") {
  Stall stall;
  const Diagnostics found = LintWithData(*stall.state, stall.now);
  for (const char* code : {"SG013", "SG041", "SG070", "SG071", "SG072"}) {
    Diagnostics of_code;
    std::copy_if(found.begin(), found.end(), std::back_inserter(of_code),
                 [&](const Diagnostic& one) { return one.code == code; });
    CHECK_FALSE(of_code.empty());
    CheckGolden(std::string("diagnostics/") + code + ".txt",
                FormatDiagnostics(of_code, stall.checked.files, false));
  }
}

TEST_CASE("with data: rows that were set aside are counted by column and reason") {
  Stall stall;
  Workspace staged = *stall.checked.workspace;
  Source source;
  source.id = "orders";
  source.place = {0, 1, 1, 1};
  staged.sources.push_back(source);
  State state(stall.db, staged, *stall.checked.templates, stall.now);
  for (int i = 0; i < 3; ++i) {
    stall.db
        .Prepare(
            "INSERT INTO bad_row(source, file, line, column, reason, raw) VALUES ('orders', "
            "'a.csv', ?, 'amount', 'no number', 'x')")
        .Bind(1, std::int64_t{i})
        .Run();
  }
  const Diagnostics found = LintWithData(state, stall.now);
  CHECK(found.back().code == "SG073");
  CHECK(found.back().message == "orders set 3 rows aside because of `amount`: no number");
  CheckGolden("diagnostics/SG073.txt",
              FormatDiagnostics({found.back()}, stall.checked.files, false));
}

}  // namespace segue
