// Tests of columns at their edges: of a window, of what the next start reads, of who came
// meanwhile. Whether they are right in between is what streams_test.cc looks at.

#include "ledger/columns.h"

#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "unit/ledger/small_world.h"

namespace segue {
namespace {

struct Kept : Home {
  explicit Kept(std::vector<std::string> asked) : texts(std::move(asked)) {}

  void Start(TimePoint now) {
    columns.reset();
    Open();
    catalog = AggregateCatalog();
    for (const std::string& text : texts) {
      catalog.Intern(Compile(schema, *pool, text));
    }
    columns.emplace(*ledger, *db, schema, *pool, catalog, now);
  }

  double Read(int aggregate, CustomerIndex customer) const {
    double value = 0;
    columns->Read(aggregate, customer, std::span(&value, 1));
    return value;
  }

  // What the ledger says about the past is gone; only what was kept can be read.
  void ForgetEvents() {
    for (const char* table : {"ledger_journal", "ledger_block", "ledger_chunk"}) {
      db->Execute(std::string("DELETE FROM ") + table);
    }
  }

  std::vector<std::string> texts;
  AggregateCatalog catalog;
  std::optional<Columns> columns;
};

const std::vector<std::string> kEveryKind = {
    "count(order)",         "sum(order.amount)",      "avg(order.amount)",
    "distinct(order.plan)", "distinct(order.amount)", "last(order)",
    "first(order)",         "last(order.plan)",       "first(order.amount)"};

TEST_CASE("columns: an event is in its window to the last instant, and no instant longer") {
  Kept home({"count(order, 2d)", "sum(order.amount, 2d)", "count(order, 1d, before 2d)"});
  home.Add(Order("ann", "o1", 0, 500));
  home.Start(Hour(1));
  const TimePoint out = Hour(48);
  home.columns->Advance(out - Duration(1));
  CHECK(home.Read(0, 0) == 1);
  CHECK(home.Read(1, 0) == 500);
  CHECK(home.Read(2, 0) == 0);
  home.columns->Advance(out);
  CHECK(home.Read(0, 0) == 0);
  CHECK(home.Read(1, 0) == 0);
  CHECK(home.Read(2, 0) == 1);
  home.columns->Advance(Hour(72) - Duration(1));
  CHECK(home.Read(2, 0) == 1);
  home.columns->Advance(Hour(72));
  CHECK(home.Read(2, 0) == 0);
  // Neither does a start a moment before or at the edge say anything else.
  home.Start(Hour(72));
  CHECK(home.Read(2, 0) == 0);
}

TEST_CASE("columns: an event that begins to count does so at its instant") {
  Kept home({"count(order)"});
  home.Start(Hour(1));
  home.Add(Order("ann", "o1", 5, 500), 1);
  home.columns->Advance(Hour(5) - Duration(1));
  CHECK(home.Read(0, 0) == 0);
  home.columns->Advance(Hour(5));
  CHECK(home.Read(0, 0) == 1);
}

TEST_CASE("columns: a start reads what was kept of every kind and of everybody, and nothing else") {
  Kept home(kEveryKind);
  constexpr int kPeople = 40'000;  // More than are kept in one part.
  std::vector<Event> orders;
  for (int i = 0; i < kPeople; ++i) {
    for (int k = 0; k <= i % 3; ++k) {
      Event order =
          Order("c" + std::to_string(i), "o" + std::to_string(3 * i + k), i % 24 + k, 10 * i + k);
      order.fields[kPlan] = std::string(k % 2 == 0 ? "team" : "solo");
      orders.push_back(std::move(order));
    }
  }
  home.AddRows(orders);
  home.Start(Hour(100));
  home.columns->Snapshot();
  const std::string before = home.columns->Fingerprint();
  home.ForgetEvents();
  home.Start(Hour(100));
  CHECK((before == home.columns->Fingerprint()));
}

TEST_CASE("columns: what was kept and is damaged is worked out anew") {
  Kept home(kEveryKind);
  for (int i = 0; i < 50; ++i) {
    home.Add(Order("c" + std::to_string(i % 10), "o" + std::to_string(i), i, 100 + i));
  }
  home.Start(Hour(100));
  home.columns->Snapshot();
  const std::string before = home.columns->Fingerprint();
  SUBCASE("cut") {
    home.db->Execute("UPDATE column_part SET data = substr(data, 1, length(data) / 2)");
  }
  SUBCASE("too long") {
    home.db->Execute("UPDATE column_part SET data = CAST(data || x'0102' AS BLOB)");
  }
  home.Start(Hour(100));
  CHECK((before == home.columns->Fingerprint()));
}

TEST_CASE("columns: of several customers together, those who came since add nothing yet") {
  Kept home({"sum(order.amount)"});
  home.Add(Order("ann", "o1", 0, 500));
  home.Add(Order("bob", "o2", 0, 70));
  home.Start(Hour(1));
  home.Add(Order("cid", "o3", 0, 9));
  const std::vector<CustomerIndex> all = {0, 1, 2};
  CHECK(home.columns->ReadOf(0, all) == 570);
  home.columns->Advance(Hour(2));
  CHECK(home.columns->ReadOf(0, all) == 579);
}

TEST_CASE("columns: more changes than are listed one by one are worked out anew" *
          doctest::test_suite("thorough")) {
  Kept home({"count(order)", "sum(order.amount)"});
  home.Start(Hour(1));
  constexpr int kBatch = 60'000;
  int orders = 0;
  while (orders < 1'020'000) {
    std::vector<Event> batch;
    for (int i = 0; i < kBatch; ++i, ++orders) {
      batch.push_back(Order("c" + std::to_string(orders % 7), "o" + std::to_string(orders), 0, 1));
    }
    home.AddRows(batch);
  }
  home.columns->Advance(Hour(2));
  CHECK(home.columns->ReadOf(0, std::vector<CustomerIndex>{0, 1, 2, 3, 4, 5, 6}) == orders);
}

}  // namespace
}  // namespace segue
