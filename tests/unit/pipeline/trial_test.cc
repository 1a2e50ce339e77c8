// Tests that users write: who takes part in them.

#include "pipeline/trial.h"

#include <string>

#include <doctest/doctest.h>

#include "pipeline/pipeline.h"

namespace segue {
namespace {

constexpr std::string_view kCafe = R"(workspace: cafe
currency: EUR
traits: {customer: {email: text}}
events: {visit: {}}
channels: {task: out}
assignees: {host: host@example.com}
---
connector: out
type: file
path: out.jsonl
---
model: plain
every: day at 05:00
segments:
  - {id: here, when: "count(visit, 30d) >= 1"}
  - {id: gone, when: otherwise}
---
model: finer
status: draft
every: day at 05:00
segments:
  - {id: often, when: "count(visit, 30d) >= 2"}
  - {id: rarely, when: otherwise}
---
playbook: ask
purpose: success
on: {model: plain, to: gone}
do:
  - task: {title: Ask what went wrong, for: host, due: 3d}
---
test: one
start: "2026-03-02T00:00 UTC"
people: {ann: {}}
history:
  - {who: [ann], event: visit, every: 1d, from: 3d ago, to: 1d ago}
steps:
)";

// What fails in the test of the café when it takes these steps.
std::string LiveInCafe(const std::string& steps) {
  const Checked checked = CheckWorkspace({{"config/segue.yaml", std::string(kCafe) + steps}});
  INFO(FormatDiagnostics(checked.diagnostics, checked.files, false));
  REQUIRE(checked.workspace != nullptr);
  std::string failures;
  for (const Trial& trial : ReadTrials(*checked.workspace)) {
    failures += FormatDiagnostics(RunTrial(*checked.workspace, *checked.templates, trial).failures,
                                  checked.files, false);
  }
  return failures;
}

}  // namespace

TEST_CASE("a model that is a draft is tried where a test expects somebody in it") {
  CHECK(LiveInCafe("  - {day: 0, expect: {segment: {finer: often}}}\n").empty());
  CHECK(LiveInCafe("  - {day: 0, expect: {segment: {finer: rarely}}}\n").find("ann is in often") !=
        std::string::npos);
  CHECK(LiveInCafe("  - {day: 0, expect: {count: {finer: {often: 1}}}}\n").empty());
}

TEST_CASE("a draft of whose segments a test says nothing stays a draft") {
  CHECK(LiveInCafe("  - {day: 40, expect: {tasks: [{who: ann}]}}\n"
                   "never:\n  - {model: finer, who: ann}\n")
            .empty());
}

}  // namespace segue
