// Tests of long imports: rows that go past the journal count once, whatever was known before, and
// are found again.

#include <algorithm>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "small_world.h"

namespace segue {
namespace {

std::string Id(int number) {
  return "order-" + std::to_string(100'000 + number);
}

// Of ten customers, the later number the later.
std::vector<Event> Orders(int begin, int end) {
  std::vector<Event> orders;
  for (int i = begin; i < end; ++i) {
    orders.push_back(Order("c" + std::to_string(i % 10), Id(i), i / 100.0, 100 + i));
  }
  return orders;
}

struct LongImports : Home {
  LongImports() {
    ledger.reset();
    db->SetSetting("ledger.bulk_min", "1");
    Open();
  }
};

int Count(const std::vector<Intake>& intakes, Intake what) {
  return static_cast<int>(std::count(intakes.begin(), intakes.end(), what));
}

TEST_CASE("rows: an order that is known is a duplicate, wherever its key lies by then") {
  LongImports home;
  CHECK(Count(home.AddRows(Orders(0, 50)), Intake::kNew) == 50);
  SUBCASE("in memory, of the import before") {}
  SUBCASE("in memory, of an import that others followed") {
    for (int i = 1; i < 9; ++i) {
      home.AddRows(Orders(100 * i, 100 * i + 20));
    }
  }
  SUBCASE("in the file") {
    home.ledger->Seal();
  }
  SUBCASE("in the file, after a restart") {
    home.ledger->Seal();
    home.Open();
  }
  SUBCASE("nowhere yet, after a restart") {
    home.Open();
  }
  // One that was known among new ones …
  std::vector<Event> more = Orders(1000, 1030);
  more.insert(more.begin() + 17, Orders(33, 34).front());
  std::vector<Intake> got = home.AddRows(more);
  CHECK(got[17] == Intake::kDuplicate);
  CHECK(Count(got, Intake::kNew) == 30);
  // … and one that came alone before.
  home.Add(Orders(2000, 2001).front());
  got = home.AddRows(Orders(1990, 2010));
  CHECK(got[10] == Intake::kDuplicate);
  CHECK(Count(got, Intake::kNew) == 19);
}

TEST_CASE("rows: an import that is read again leaves nothing in the index of keys") {
  LongImports home;
  home.AddRows(Orders(0, 500));
  home.ledger->Seal();
  const auto keys = [&] {
    Statement size = home.db->Prepare("SELECT sum(length(data)) FROM ledger_key_run");
    REQUIRE(size.Step());
    return size.Int(0);
  };
  const std::int64_t before = keys();
  for (int i = 0; i < 3; ++i) {
    CHECK(Count(home.AddRows(Orders(0, 500)), Intake::kDuplicate) == 500);
    home.AddRows(Orders(1000 + i, 1001 + i));
    home.ledger->Seal();
  }
  CHECK(keys() < before + 200);
}

TEST_CASE("rows: an order that stands in an import twice counts once") {
  LongImports home;
  std::vector<Event> orders = Orders(0, 40);
  orders.push_back(orders[7]);
  const std::vector<Intake> got = home.AddRows(orders);
  CHECK(got.back() == Intake::kDuplicate);
  CHECK(Count(got, Intake::kNew) == 40);
  CHECK(home.Orders("c7").size() == 4);
}

TEST_CASE("rows: of an import of many blocks each order is found by a refund and by its customer") {
  LongImports home;
  constexpr int kOrders = 5000;
  // Not in the order of their time either.
  std::vector<Event> orders = Orders(0, kOrders);
  std::reverse(orders.begin() + 1000, orders.begin() + 3000);
  CHECK(Count(home.AddRows(orders), Intake::kNew) == kOrders);
  for (const int i : {0, 999, 1000, 1023, 2047, 2999, 4095, 4999}) {
    CAPTURE(i);
    CHECK(home.Add(Refund("c", "r" + Id(i), Id(i), 60, 40)) == Intake::kNew);
    const std::vector<StoredEvent> all = home.Orders("c" + std::to_string(i % 10));
    REQUIRE(all.size() == kOrders / 10);
    CHECK(AmountOf(all[static_cast<std::size_t>(i / 10)]) == 100 + i - 40);
  }
}

TEST_CASE("rows: an order that comes again for somebody else is a conflict, wherever it lies") {
  LongImports home;
  CHECK(Count(home.AddRows(Orders(0, 9000)), Intake::kNew) == 9000);
  SUBCASE("in memory") {}
  SUBCASE("in the file") {
    home.ledger->Seal();
    home.Open();
  }
  for (const int number : {0, 4095, 4320, 8999}) {
    CAPTURE(number);
    Event other = Orders(number, number + 1).front();
    other.customer = "somebody new";
    CHECK(home.Add(other) == Intake::kConflict);
    CHECK(home.Add(Orders(number, number + 1).front()) == Intake::kDuplicate);
  }
}

TEST_CASE("rows: an amended order is found under its id, also when it was sealed again") {
  LongImports home;
  std::vector<Event> orders = Orders(0, 300);
  for (Event& order : orders) {
    order.version = 1;
  }
  home.AddRows(orders);
  Event amended = orders[123];
  amended.version = 2;
  amended.fields[kAmount] = std::int64_t{7};
  CHECK(home.Add(amended) == Intake::kAmended);
  SUBCASE("in the journal") {}
  SUBCASE("in a chunk") {
    home.ledger->Seal();
    home.Open();
  }
  CHECK(home.Add(amended) == Intake::kDuplicate);
  CHECK(home.Add(orders[123]) == Intake::kOlder);
  CHECK(home.Orders("c3").size() == 30);
}

TEST_CASE("customers: keys and merges are the same after a restart, in rows and in blocks") {
  for (const char* per_block : {"1", "7", "16", "1000"}) {
    CAPTURE(per_block);
    Home home;
    home.ledger.reset();
    home.db->SetSetting("ledger.keys_per_block", per_block);
    home.Open();
    for (int i = 0; i < 40; ++i) {
      home.Add(Session("customer " + std::to_string(i * i), i));
    }
    home.Add(Merge{"customer 4", "customer 9", Hour(50)});
    home.Add(Merge{"customer 0", "customer 4", Hour(51)});
    home.Open();
    CHECK(home.ledger->customer_count() == 40);
    for (CustomerIndex i = 0; i < 40; ++i) {
      const std::string key = "customer " + std::to_string(i * i);
      CHECK(home.ledger->CustomerKey(i) == key);
      CHECK(home.ledger->FindCustomer(key) == (i == 2 || i == 3 ? 0 : i));
    }
    home.Add(Session("customer 1600", 60));
    CHECK(home.ledger->FindCustomer("customer 1600") == 40);
    Statement rows = home.db->Prepare("SELECT count(*) FROM ledger_customer");
    REQUIRE(rows.Step());
    CHECK(rows.Int(0) == 41 % std::stoi(per_block));
  }
}

}  // namespace
}  // namespace segue
