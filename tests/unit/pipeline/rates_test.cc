// Rates that change: what was converted stays, and a row that is read again says what it said.

#include <string>

#include <doctest/doctest.h>

#include "pipeline/pipeline.h"
#include "support/temp_dir.h"

namespace segue {
namespace {

constexpr std::string_view kRatesFiles = R"(workspace: abroad
timezone: UTC
currency: EUR
rates: rates.csv
traits:
  customer: {email: text}
events:
  order_placed: {order_id: text, amount: money}
---
source: orders
type: csv
every: 15m
path: inbox/*.csv
emits: order_placed
time: day
currency: currency
DEDUPE
)";

struct Abroad {
  // One process: files are read, and everything in the inbox is taken in.
  std::map<std::string, std::int64_t> Read(const std::string& rates,
                                           const std::string& dedupe = "dedupe: order_id") {
    std::string files(kRatesFiles);
    files.replace(files.find("DEDUPE"), 6, dedupe);
    const Checked checked = CheckWorkspace(
        {{"config/segue.yaml", files}, {"config/rates.csv", "date,currency,rate\n" + rates}});
    INFO(FormatDiagnostics(checked.diagnostics, checked.files, false));
    REQUIRE(checked.workspace != nullptr);
    Database db = Database::Open(dir / "segue.db");
    const TimePoint now = *ParseTime("2026-03-20", Zone());
    State state(db, *checked.workspace, *checked.templates, now);
    const auto reader = MakeDiskReader(dir.path());
    Cycle cycle(state, reader.get());
    CycleReport report;
    cycle.Pull(now, true, {}, report);
    CHECK(report.warnings.empty());
    amounts.clear();
    state.ledger().Scan(0, TimePoint::min(), now, [&](const StoredEvent& event) {
      amounts[std::get<std::string>(event.fields[0])].push_back(
          std::get<std::int64_t>(event.fields[1]));
    });
    return report.intake;
  }

  void Write(const std::string& file, const std::string& rows) const {
    dir.Write("inbox/" + file, "customer_id,order_id,day,amount,currency\n" + rows);
  }

  TempDir dir;
  std::map<std::string, std::vector<std::int64_t>> amounts;  // By order.
};

using Amounts = std::map<std::string, std::vector<std::int64_t>>;

}  // namespace

TEST_CASE("a row that is set aside settles no rate") {
  Abroad abroad;
  abroad.Write("a.csv", "c,A,2026-03-02,100,USD\nc,,2026-03-03,100,USD\n");
  CHECK(abroad.Read("2026-03-02,USD,0.9\n")["bad"] == 1);
  abroad.Write("b.csv", "c,B,2026-03-03,100,USD\n");
  abroad.Read("2026-03-02,USD,0.9\n2026-03-03,USD,0.8\n");
  CHECK(abroad.amounts == Amounts{{"A", {9000}}, {"B", {8000}}});
}

TEST_CASE("a changed file of rates rewrites nothing, and a row that comes again is no conflict") {
  Abroad abroad;
  abroad.Write("a.csv", "c,A,2026-03-02,100,USD\nc,B,2026-03-02,10,EUR\n");
  CHECK(abroad.Read("2026-03-02,USD,0.9\n")["converted"] == 1);
  CHECK(abroad.amounts == Amounts{{"A", {9000}}, {"B", {1000}}});
  abroad.Write("b.csv", "c,A,2026-03-02,100,USD\nc,C,2026-03-02,200,USD\nc,D,2026-03-03,100,USD\n");
  auto intake = abroad.Read("2026-03-02,USD,0.5\n");
  CHECK(intake["conflict"] == 0);
  CHECK(intake["duplicate"] == 1);
  CHECK(abroad.amounts == Amounts{{"A", {9000}}, {"B", {1000}}, {"C", {18000}}, {"D", {5000}}});
}

TEST_CASE(
    "where the whole row tells events apart, one that comes again after a change counts once") {
  Abroad abroad;
  abroad.Write("a.csv", "c,A,2026-03-02,100,USD\n");
  abroad.Read("2026-03-02,USD,0.9\n", "");
  abroad.Write("b.csv", "c,A,2026-03-02,100,USD\n");
  CHECK(abroad.Read("2026-03-02,USD,0.5\n", "")["duplicate"] == 1);
  CHECK(abroad.amounts == Amounts{{"A", {9000}}});
}

TEST_CASE("another amount in the other currency is a conflict as ever") {
  Abroad abroad;
  abroad.Write("a.csv", "c,A,2026-03-02,100,USD\n");
  abroad.Read("2026-03-02,USD,0.9\n");
  abroad.Write("b.csv", "c,A,2026-03-02,90,USD\n");
  CHECK(abroad.Read("2026-03-02,USD,0.5\n")["conflict"] == 1);
}

TEST_CASE("a row without a rate is set aside, and taken in when it comes again with one") {
  Abroad abroad;
  abroad.Write("a.csv", "c,A,2026-03-02,100,USD\n");
  CHECK(abroad.Read("2026-03-03,USD,0.9\n")["bad"] == 1);
  CHECK(abroad.amounts.empty());
  abroad.Write("b.csv", "c,A,2026-03-02,100,USD\n");
  CHECK(abroad.Read("2026-03-02,USD,0.5\n")["new"] == 1);
  CHECK(abroad.amounts == Amounts{{"A", {5000}}});
}

}  // namespace segue
