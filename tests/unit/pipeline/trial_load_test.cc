// Rows of files that a test loads.

#include <string>

#include <doctest/doctest.h>

#include "pipeline/pipeline.h"
#include "pipeline/trial.h"
#include "support/temp_dir.h"

namespace segue {
namespace {

constexpr std::string_view kShopWithRows = R"(workspace: shop
timezone: UTC
currency: EUR
traits: {customer: {email: text}}
events: {order_placed: {order_id: text, amount: money}}
channels: {task: out}
assignees: {host: host@example.com}
---
connector: out
type: file
path: out.jsonl
---
source: orders
type: csv
path: inbox/orders*.csv
every: 1h
emits: order_placed
time: day
currency: EUR
dedupe: order_id
map: {customer_id: customer, order_id: invoice, amount: cents / 100}
---
source: calls
type: jsonl
path: inbox/*.jsonl
every: 1h
currency: EUR
---
model: size
every: day at 05:00
who: ever(order_placed)
features: {spent: sum(order_placed.amount)}
segments:
  - {id: large, when: spent >= 100 EUR}
  - {id: small, when: otherwise}
---
playbook: thank
purpose: success
on: {model: size, from: small, to: large}
do:
  - task: {title: Say thank you, for: host, due: 3d}
limits: {reenter: never}
)";

constexpr std::string_view kRows =
    "customer,invoice,cents,day\n"
    "ann,A1,5000,2026-02-20\n"
    "C-17,B1,2000,2026-02-21\n"
    "C-17,B2,9000,2026-03-03\n";

constexpr std::string_view kSteps =
    "steps:\n"
    "  - {day: 0, expect: {segment: {size: small}, moved: []}}\n"
    "  - {day: 3, expect: {who: [C-17], segment: {size: large}, tasks: [{who: C-17}]}}\n"
    "  - {day: 4, expect: {count: {size: {large: 1, small: 1}}}}\n";

std::string Loading(std::string_view what, std::string_view steps = kSteps) {
  return "test: rows\nstart: \"2026-03-02T00:00 UTC\"\npeople: {ann: {}}\nload:\n" +
         std::string(what) + std::string(steps);
}

// What fails in the test of a shop whose file holds these rows.
std::string LiveWith(const std::string& rows, const std::string& test) {
  const TempDir folder;
  folder.Write("rules/shop/data/orders.csv", rows);
  folder.Write("rules/shop/data/calls.jsonl", rows);
  const Checked checked = CheckWorkspace(
      {{"config/segue.yaml", std::string(kShopWithRows)}, {"rules/shop/rows_test.yaml", test}});
  INFO(FormatDiagnostics(checked.diagnostics, checked.files, false));
  REQUIRE(checked.workspace != nullptr);
  const std::unique_ptr<FileReader> files = MakeDiskReader(folder.path());
  std::string failures;
  for (const Trial& trial : ReadTrials(*checked.workspace)) {
    failures += FormatDiagnostics(
        RunTrial(*checked.workspace, *checked.templates, trial, files.get()).failures,
        checked.files, false);
  }
  return failures;
}

bool Contains(const std::string& text, std::string_view part) {
  CAPTURE(text);
  return text.find(part) != std::string::npos;
}

constexpr std::string_view kOrdersFile = "  - {source: orders, path: data/orders.csv}\n";

}  // namespace

TEST_CASE(
    "a test plays the rows of a file beside it, as its source maps them: those before the start "
    "are known, the others come at their time, and whoever they name takes part") {
  CHECK(LiveWith(std::string(kRows), Loading(kOrdersFile)) == "");
  CHECK(Contains(
      LiveWith("customer,invoice,cents,day\nann,A1,5000,2026-02-20\nC-17,B1,1,2026-02-21\n",
               Loading(kOrdersFile)),
      "C-17 is in small of size, not in large"));
}

TEST_CASE("calls in the Segment shape are played too") {
  const std::string call =
      R"({"type":"track","userId":"ann","event":"Order Placed","messageId":"m1",)"
      R"("timestamp":"2026-02-20T10:00:00Z","properties":{"orderId":"A1","amount":120}})";
  CHECK(LiveWith(call, Loading("  - {source: calls, path: data/calls.jsonl}\n",
                               "steps:\n  - {day: 0, expect: {segment: {size: large}}}\n")) == "");
}

TEST_CASE("a row that cannot be read fails the test, with its file and line") {
  const std::string failures =
      LiveWith(std::string(kRows) + "ann,A2,much,2026-02-22\nann,A3,100\n", Loading(kOrdersFile));
  CHECK(Contains(failures,
                 "rules/shop/rows_test.yaml:5:28: error rows: "
                 "rules/shop/data/orders.csv:5: cents"));
  CHECK(Contains(failures, "rules/shop/data/orders.csv:6: the row has 3 fields"));
}

TEST_CASE("a row that contradicts another one fails the test") {
  CHECK(Contains(LiveWith(std::string(kRows) + "ann,A1,7000,2026-02-20\n", Loading(kOrdersFile)),
                 "rules/shop/data/orders.csv:5: the row contradicts"));
}

TEST_CASE("a file that is not there, or lacks a column, fails the test at its line") {
  CHECK(Contains(LiveWith("", Loading("  - {source: orders, path: data/none.csv}\n")),
                 "rows_test.yaml:5:28: error rows: there is no file rules/shop/data/none.csv"));
  CHECK(Contains(LiveWith("customer,invoice,day\nann,A1,2026-02-20\n", Loading(kOrdersFile)),
                 "no column \"cents\""));
}

TEST_CASE("an expectation about somebody whom nothing names fails the test") {
  const std::string steps = "steps:\n  - {day: 3, expect: {started: [{who: C-18}]}}\n";
  CHECK(Contains(LiveWith(std::string(kRows), Loading(kOrdersFile, steps)),
                 "neither the test nor its files name anybody `C-18`"));
}

TEST_CASE("whose rows a test loads must be a source that reads rows") {
  const Checked checked = CheckWorkspace(
      {{"config/segue.yaml", std::string(kShopWithRows)},
       {"rules/shop/rows_test.yaml", Loading("  - {source: order, path: data/a.csv}\n")}});
  CHECK(checked.workspace == nullptr);
  CHECK(Contains(FormatDiagnostics(checked.diagnostics, checked.files, false),
                 "rules/shop/rows_test.yaml:5:14: error SG002: no source is called `order`"));
}

}  // namespace segue
