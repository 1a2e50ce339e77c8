// What a cycle sets aside: rows that contradict what was known before them.

#include "pipeline/quarantine.h"

#include <algorithm>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "support/temp_dir.h"

namespace segue {
namespace {

constexpr std::string_view kQuarantineFiles = R"(workspace: set_aside
timezone: UTC
currency: EUR
sender: {from: "Shop <shop@example.com>", postal: "1 Road"}
traits:
  customer: {email: text}
events:
  order_placed: {order_id: text, amount: money, channel: text}
---
source: orders
type: csv
every: 15m
path: inbox/*.csv
emits: order_placed
time: day
currency: EUR
dedupe: order_id
)";

const char* const kConflictHeader = "customer_id,order_id,day,amount,channel\n";

TEST_CASE("a row that contradicts what is known is set aside with its line and both values, once") {
  const Checked checked = CheckWorkspace({{"config/segue.yaml", std::string(kQuarantineFiles)}});
  INFO(FormatDiagnostics(checked.diagnostics, checked.files, false));
  REQUIRE(checked.workspace != nullptr);
  const TempDir dir;
  Database db = Database::Open(dir / "segue.db");
  const TimePoint now = *ParseTime("2026-03-02", Zone());
  State state(db, *checked.workspace, *checked.templates, now);
  const auto files = MakeDiskReader(dir.path());
  Cycle cycle(state, files.get());
  const auto pull = [&] {
    CycleReport report;
    cycle.Pull(now, true, {}, report);
    CHECK(report.warnings.empty());
    return report.intake["conflict"];
  };
  dir.Write("inbox/a.csv",
            std::string(kConflictHeader) + "b,A1,2026-03-01,1,web\nb,A2,2026-03-01,2,\n");
  CHECK(pull() == 0);
  const std::string more = std::string(kConflictHeader) +
                           "b,A2,2026-03-01,2,\nb,A1,2026-03-01,50,shop\n" + "c,A2,2026-03-01,2,\n";
  dir.Write("inbox/b.csv", more);
  CHECK(pull() == 2);
  const std::string text =
      "file,line,column,reason,row\n"
      "inbox/b.csv,3,amount,\"a conflict: order_placed \"\"A1\"\" is known with amount 1.00 EUR, "
      "channel \"\"web\"\", this row says 50.00 EUR, \"\"shop\"\". What was first stays; with "
      "`version` the newer one would\",\n"
      "inbox/b.csv,4,customer_id,\"a conflict: order_placed \"\"A2\"\" is known with customer_id "
      "\"\"b\"\", this row says \"\"c\"\". What was first stays; with `version` the newer one "
      "would\",\n";
  CHECK(QuarantineText(state, "orders") == text);
  // The file is written anew, and says the same.
  dir.Write("inbox/b.csv", std::string(kConflictHeader) + "b,A3,2026-03-01,2,\n" +
                               more.substr(more.find('\n') + 1));
  CHECK(pull() == 2);
  CHECK(QuarantineText(state, "orders") == text);
}

TEST_CASE(
    "of what nobody mends the newest rows stay, the others are counted, and no file is written for "
    "nothing") {
  const TempDir dir;
  const Checked checked = CheckWorkspace({{"config/segue.yaml", std::string(kQuarantineFiles)}});
  REQUIRE(checked.workspace != nullptr);
  Database db = Database::Open(dir / "segue.db");
  State state(db, *checked.workspace, *checked.templates, *ParseTime("2026-03-02", Zone()));
  const Source& source = checked.workspace->sources.front();
  CHECK(ToWrite(db).empty());
  std::vector<BadRow> rows(static_cast<std::size_t>(kRowsKept), BadRow{"", 0, "", "no", ""});
  StoreRows(db, source, rows);
  CHECK(ToWrite(db) == std::vector<std::string>{"orders"});
  MarkWritten(db);
  CHECK(ToWrite(db).empty());
  CHECK(QuarantineText(state, "orders").find("not kept") == std::string::npos);
  rows.assign(3, BadRow{"", 0, "", "newest", ""});
  StoreRows(db, source, rows);
  StoreRows(db, source, {rows[0]});
  CHECK(ToWrite(db).size() == 1);
  const std::string text = QuarantineText(state, "orders");
  CHECK(text.find(",,4 older rows are not kept; these are the newest 10000,") != std::string::npos);
  CHECK(std::count(text.begin(), text.end(), '\n') == kRowsKept + 2);
  CHECK(text.find("newest,\n") != std::string::npos);
}

}  // namespace
}  // namespace segue
