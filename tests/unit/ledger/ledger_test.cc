// Tests of the ledger: what becomes of a fact, of its second copy, of refunds, traits, merges and
// erasures.

#include "ledger/ledger.h"

#include <cmath>
#include <stdexcept>

#include <doctest/doctest.h>

#include "base/hash.h"
#include "ledger/tables.h"
#include "support/temp_dir.h"
#include "unit/ledger/small_world.h"

namespace segue {
namespace {

Event WholeContent(Event event) {
  event.dedupe.clear();
  return event;
}

TEST_CASE("ledger: the second copy of an event is a duplicate, a conflict, older, or amends") {
  for (const bool sealed : {false, true}) {
    CAPTURE(sealed);
    Home home;
    CHECK(home.Add(Order("ann", "o1", 1, 500, 1)) == Intake::kNew);
    CHECK(home.Add(Order("ann", "o2", 1, 500)) == Intake::kNew);
    if (sealed) {
      home.ledger->Seal();
    }
    CHECK(home.Add(Order("ann", "o1", 1, 500, 1)) == Intake::kDuplicate);
    // Sources differ in the time of one order; it is still the same.
    CHECK(home.Add(Order("ann", "o1", 1.5, 500, 9)) == Intake::kDuplicate);
    CHECK(home.Add(Order("ann", "o2", 1, 600, 2)) == Intake::kConflict);
    CHECK(home.Add(Order("ann", "o1", 1, 600)) == Intake::kConflict);
    CHECK(home.Add(Order("ann", "o1", 1, 600, 1)) == Intake::kOlder);
    CHECK(home.Add(Order("ann", "o1", 9, 600, 2)) == Intake::kAmended);
    const std::vector<StoredEvent> orders = home.Orders("ann");
    REQUIRE(orders.size() == 2);
    CHECK(AmountOf(orders[0]) + AmountOf(orders[1]) == 1100);
    CHECK(orders[0].time == Hour(1));
    CHECK(orders[1].time == Hour(1));
    CHECK(home.Add(Order("bob", "o1", 1, 600, 3)) == Intake::kAmended);
    CHECK(home.Orders("ann").size() == 1);
    REQUIRE(home.Orders("bob").size() == 1);
    CHECK(home.Orders("bob")[0].dedupe_hash == KeyedHash(HashKey{}, "o1"));
  }
}

TEST_CASE("ledger: without a dedupe text the whole content makes it the same event") {
  Home home;
  CHECK(home.Add(Session("ann", 1)) == Intake::kNew);
  CHECK(home.Add(Session("ann", 1, "price")) == Intake::kNew);
  CHECK(home.Add(Session("ann", 2)) == Intake::kNew);
  CHECK(home.Add(Session("bob", 1)) == Intake::kNew);
  home.ledger->Seal();
  CHECK(home.Add(Session("ann", 1)) == Intake::kDuplicate);
  CHECK(home.Add(WholeContent(Order("ann", "o1", 1, 5))) == Intake::kNew);
  CHECK(home.Add(WholeContent(Order("ann", "o1", 1, 5))) == Intake::kDuplicate);
  CHECK(home.ledger->Timeline(0, kSession, Hour(0), Hour(5)).size() == 3);
}

TEST_CASE("ledger: where hashes collide, the full text decides") {
  Home home;
  home.ledger.reset();
  home.db->SetSetting("ledger.hash_bits", "1");
  home.Open();
  for (int i = 0; i < 40; ++i) {
    CHECK(home.Add(Order("ann", "o" + std::to_string(i), i, 100 + i)) == Intake::kNew);
    if (i % 9 == 0) {
      home.ledger->Seal();
    }
  }
  for (int i = 0; i < 40; ++i) {
    CHECK(home.Add(Order("ann", "o" + std::to_string(i), i, 100 + i)) == Intake::kDuplicate);
  }
  CHECK(home.Add(Refund("ann", "r", "o17", 100, 7)) == Intake::kNew);
  const std::vector<StoredEvent> orders = home.Orders("ann");
  REQUIRE(orders.size() == 40);
  for (int i = 0; i < 40; ++i) {
    CHECK(AmountOf(orders[static_cast<std::size_t>(i)]) == 100 + i - (i == 17 ? 7 : 0));
  }
}

TEST_CASE("ledger: refunds reduce the original, at zero it no longer counts, and never below") {
  for (const bool sealed : {false, true}) {
    Home home;
    home.Add(Order("ann", "o1", 1, 500, 1));
    if (sealed) {
      home.ledger->Seal();
    }
    home.Add(Refund("bob", "r1", "o1", 2, 200));
    CHECK(AmountOf(home.Orders("ann")[0]) == 300);
    CHECK(home.Orders("ann")[0].counts);
    CHECK(home.Orders("bob").empty());
    if (sealed) {
      home.ledger->Seal();
    }
    home.Add(Refund("ann", "r2", "o1", 3, 400, 1));
    CHECK(AmountOf(home.Orders("ann")[0]) == 0);
    CHECK_FALSE(home.Orders("ann")[0].counts);
    // A newer version of the original stays taken back.
    CHECK(home.Add(Order("ann", "o1", 1, 700, 2)) == Intake::kAmended);
    CHECK(AmountOf(home.Orders("ann")[0]) == 100);
    // And a newer version of a refund takes back something else.
    CHECK(home.Add(Refund("ann", "r2", "o1", 3, 50, 2)) == Intake::kAmended);
    CHECK(AmountOf(home.Orders("ann")[0]) == 450);
    CHECK(home.ledger->Timeline(0, kRefund, Hour(0), Hour(9)).size() == 1);
  }
}

TEST_CASE("ledger: an order that was nothing from the start counts until it is refunded") {
  Home home;
  home.Add(Order("ann", "o1", 1, 0));
  CHECK(home.Orders("ann")[0].counts);
  home.Add(Refund("ann", "r1", "o1", 2, 0));
  CHECK_FALSE(home.Orders("ann")[0].counts);
}

TEST_CASE("ledger: a refund without its original is an orphan until the original arrives") {
  Home home;
  home.Add(Refund("bob", "r1", "o1", 2, 200));
  home.ledger->Seal();
  REQUIRE(home.Orders("bob").size() == 1);
  CHECK(home.Orders("bob")[0].orphan);
  CHECK(AmountOf(home.Orders("bob")[0]) == -200);
  CHECK(home.Orders("bob")[0].time == Hour(2));
  home.Open();
  home.Add(Order("ann", "o1", 1, 500, 1));
  CHECK(home.Orders("bob").empty());
  CHECK(AmountOf(home.Orders("ann")[0]) == 300);
  // The original is renamed: nobody knows what the refund means any more.
  Event renamed = Order("ann", "o1", 1, 500, 2);
  renamed.fields[kOrderId] = std::string("o9");
  CHECK(home.Add(renamed) == Intake::kAmended);
  CHECK(AmountOf(home.Orders("ann")[0]) == 500);
  CHECK(home.Orders("bob").size() == 1);
}

TEST_CASE("ledger: a refund waits for its time, also through a restart") {
  TempDir dir;
  Home home(dir / "state.db");
  home.Add(Order("ann", "o1", 1, 500), 10);
  home.Add(Refund("ann", "r1", "o1", 20, 200), 10);
  CHECK(AmountOf(home.Orders("ann")[0]) == 500);
  home.Open();
  home.ledger->AdvanceTo(Hour(19.9));
  CHECK(AmountOf(home.Orders("ann")[0]) == 500);
  home.ledger->AdvanceTo(Hour(20));
  CHECK(AmountOf(home.Orders("ann")[0]) == 300);
  home.Open();
  CHECK(AmountOf(home.Orders("ann")[0]) == 300);
}

TEST_CASE("traits: the newest stays, one of the same time replaces, one ahead waits") {
  TempDir dir;
  Home home(dir / "state.db");
  const auto plan = [](double hour, const char* value) {
    return TraitChange{
        .customer = "ann", .trait = kPlanTrait, .value = std::string(value), .time = Hour(hour)};
  };
  CHECK(home.Add(plan(5, "team"), 10) == Intake::kNew);
  CHECK(home.Add(plan(4, "free"), 10) == Intake::kOlder);
  CHECK(home.Add(plan(5, "solo"), 10) == Intake::kNew);
  CHECK(home.Add(plan(8, "solo"), 10) == Intake::kNoChange);
  // It was said again at 8: what lies between cannot change it.
  CHECK(home.Add(plan(7, "free"), 10) == Intake::kOlder);
  CHECK(home.ledger->Trait(0, kPlanTrait)->since == Hour(5));
  CHECK(home.Add(plan(20, "pro"), 10) == Intake::kNew);
  CHECK(home.Add(plan(20, "pro"), 10) == Intake::kNoChange);
  CHECK(home.ledger->Trait(0, kPlanTrait)->value == Value(std::string("solo")));
  home.Open();
  home.ledger->AdvanceTo(Hour(20));
  CHECK(home.ledger->Trait(0, kPlanTrait)->value == Value(std::string("pro")));
  CHECK(home.ledger->Trait(0, kPlanTrait)->source == "test");
  home.Open();
  CHECK(home.ledger->Trait(0, kPlanTrait)->value == Value(std::string("pro")));
  CHECK(home.ledger->TraitColumn(kPlanTrait)[0] == static_cast<double>(home.pool->Intern("pro")));
  CHECK(home.ledger->Trait(0, kBornTrait) == nullptr);
  CHECK(std::isnan(home.ledger->TraitColumn(kBornTrait)[0]));
  home.Add(
      TraitChange{
          .customer = "ann", .trait = kBornTrait, .value = std::int64_t{7}, .time = Hour(21)},
      22);
  REQUIRE(home.ledger->Trait(0, kBornTrait) != nullptr);  // That there was none is not remembered.
  CHECK(home.ledger->Trait(0, kBornTrait)->value == Value(std::int64_t{7}));
}

TEST_CASE("traits: a start reads their columns as they were kept, and what changed since") {
  TempDir dir;
  Home home(dir / "state.db");
  home.schema.customer_traits[kPlanTrait].type = Type::kChoice;
  home.Open();
  const auto plan = [&](const std::string& who, const char* value, double hour) {
    home.Add(TraitChange{
        .customer = who, .trait = kPlanTrait, .value = std::string(value), .time = Hour(hour)});
  };
  const auto at = [&](CustomerIndex who, int trait) {
    return home.ledger->TraitColumn(trait)[who];
  };
  const auto is_plan = [&](CustomerIndex who, const char* value) {
    return at(who, kPlanTrait) == static_cast<double>(home.pool->Intern(value));
  };
  plan("ann", "team", 1);
  plan("bob", "pro", 1);
  home.Add(Consent("ann", 1, 0));
  home.Add(TraitChange{
      .customer = "bob", .trait = kBornTrait, .value = std::int64_t{-7}, .time = Hour(1)});
  CHECK(is_plan(0, "team"));
  home.ledger->SnapshotTraits();
  home.pool->Intern("something else comes first");
  SUBCASE("nothing changed") {
    // What the rows say is not looked at any more.
    home.db->Execute("UPDATE ledger_trait SET value = NULL");
    home.Open();
    CHECK(is_plan(0, "team"));
    CHECK(is_plan(1, "pro"));
    CHECK(at(0, kConsentTrait) == 0);
    CHECK(std::isnan(at(1, kConsentTrait)));
    CHECK(at(1, kBornTrait) == -7);
    CHECK(std::isnan(at(0, kBornTrait)));
  }
  SUBCASE("one changed, and one came") {
    plan("bob", "solo", 2);
    plan("cid", "team", 2);
    home.Open();
    CHECK(is_plan(0, "team"));
    CHECK(is_plan(1, "solo"));
    CHECK(is_plan(2, "team"));
    CHECK(std::isnan(at(2, kConsentTrait)));
  }
  SUBCASE("whoever was erased is in none of it") {
    home.Add(Erase{"bob", Hour(3)});
    home.Open();
    CHECK(std::isnan(at(1, kPlanTrait)));
    Statement kept = home.db->Prepare("SELECT count(*) FROM trait_column");
    CHECK(kept.Step());
    CHECK(kept.Int(0) == 0);
  }
}

TEST_CASE(
    "merge: the earlier customer survives with both timelines, the newer traits and the stricter "
    "consent") {
  Home home;
  home.Add(Order("ann", "o1", 1, 500));
  home.Add(Order("bob", "o2", 2, 600));
  home.Add(TraitChange{
      .customer = "ann", .trait = kBornTrait, .value = std::int64_t{7}, .time = Hour(1)});
  home.Add(TraitChange{
      .customer = "bob", .trait = kBornTrait, .value = std::int64_t{8}, .time = Hour(2)});
  home.Add(Consent("ann", 1, 0));
  home.Add(Consent("bob", 5, 1));
  CHECK(home.Add(Merge{"bob", "ann", Hour(6)}) == Intake::kNew);
  CHECK(home.Add(Merge{"ann", "bob", Hour(6)}) == Intake::kNoChange);
  CHECK(home.ledger->FindCustomer("bob") == home.ledger->FindCustomer("ann"));
  CHECK_FALSE(home.ledger->IsAlive(1));
  CHECK(home.ledger->Survivor(1) == 0);
  CHECK(home.Orders("ann").size() == 2);
  CHECK(home.ledger->Trait(0, kBornTrait)->value == Value(std::int64_t{8}));
  CHECK(home.ledger->Trait(0, kConsentTrait)->value == Value(std::int64_t{0}));
  // The yes that lost must not come back with the next import of the same row.
  CHECK(home.Add(Consent("bob", 4, 1)) == Intake::kOlder);
  CHECK(home.Add(Consent("bob", 5, 1)) == Intake::kOlder);
  CHECK(home.Add(Consent("bob", 7, 1)) == Intake::kNew);
  CHECK(home.ledger->TakeDeparted() == std::vector<CustomerIndex>{1});
  // Under the other key it is the same person's event.
  CHECK(home.Add(Order("ann", "o2", 2, 600)) == Intake::kDuplicate);
}

TEST_CASE("erasure: everything is gone at once, from the file too, and nothing comes in again") {
  TempDir dir;
  Home home(dir / "state.db");
  SUBCASE("with a row for each key") {}
  SUBCASE("with keys in blocks") {
    home.ledger.reset();
    home.db->SetSetting("ledger.keys_per_block", "2");
    home.Open();
  }
  home.Add(Order("ann-secret", "order-of-ann", 1, 500));
  home.Add(Session("ann-secret", 2, "page-of-ann"));
  home.Add(Order("bob", "o2", 2, 600));
  home.ledger->Seal();
  home.Add(Session("ann-secret", 3, "page-of-ann"));
  home.Add(TraitChange{.customer = "ann-secret",
                       .trait = kPlanTrait,
                       .value = std::string("plan-of-ann"),
                       .time = Hour(1)});
  CHECK(home.Add(Erase{"nobody", Hour(3)}) == Intake::kNoChange);
  CHECK(home.Add(Erase{"ann-secret", Hour(3)}) == Intake::kNew);
  CHECK_FALSE(home.ledger->FindCustomer("ann-secret"));
  CHECK_FALSE(home.ledger->IsAlive(0));
  CHECK(home.ledger->CustomerKey(0).empty());
  CHECK(home.ledger->Timeline(0, -1, Hour(0), Hour(99)).empty());
  CHECK(home.ledger->Trait(0, kPlanTrait) == nullptr);
  CHECK(home.Add(Session("ann-secret", 4)) == Intake::kErased);
  CHECK(home.Add(Consent("ann-secret", 4, 1)) == Intake::kErased);
  CHECK(home.Add(Merge{"bob", "ann-secret", Hour(4)}) == Intake::kErased);
  CHECK(home.Add(Erase{"ann-secret", Hour(4)}) == Intake::kErased);
  home.ledger->Seal();
  home.Open();
  CHECK(home.Add(Session("ann-secret", 4)) == Intake::kErased);
  CHECK(home.Orders("bob").size() == 1);
  CHECK(home.ledger->CustomerKey(1) == "bob");
  home.ledger.reset();
  home.db.reset();  // The write-ahead log goes into the file.
  const std::string bytes = ReadFile(home.path);
  CHECK(bytes.find("o2") != std::string::npos);
  for (const char* text : {"ann-secret", "order-of-ann", "page-of-ann", "plan-of-ann"}) {
    CAPTURE(text);
    CHECK(bytes.find(text) == std::string::npos);
  }
}

TEST_CASE(
    "erasure: a key that stood in a row before its block was full is not found in a freed page") {
  TempDir dir;
  Home home(dir / "state.db");
  home.ledger.reset();
  home.db->SetSetting("ledger.keys_per_block", "1500");
  home.Open();
  // A block of them is far smaller than their rows, whose pages it would else take.
  const auto key = [](int i) { return std::string(300, 'x') + std::to_string(i); };
  for (int i = 0; i < 1500; ++i) {
    home.Add(Session(key(i), 1));
  }
  const auto in_rows = [&] {
    Statement rows = home.db->Prepare("SELECT count(*) FROM ledger_customer");
    REQUIRE(rows.Step());
    return rows.Int(0);
  };
  REQUIRE(in_rows() == 0);
  CHECK(home.ledger->CountPackedKeys(key(777)) == 1);
  CHECK(home.Add(Erase{key(777), Hour(2)}) == Intake::kNew);
  CHECK(home.ledger->CountPackedKeys(key(777)) == 0);
  CHECK(home.ledger->CountPackedKeys(key(778)) == 1);
  home.ledger.reset();
  home.db.reset();  // The write-ahead log goes into the file.
  CHECK(ReadFile(home.path).find("xx777") == std::string::npos);
}

TEST_CASE("ledger: keys of customers that are damaged in the file are refused, with advice") {
  TempDir dir;
  Home home(dir / "state.db");
  home.ledger.reset();
  home.db->SetSetting("ledger.keys_per_block", "2");
  home.Open();
  home.Add(Session("ann", 1));
  home.Add(Session("bob", 1));
  home.ledger.reset();
  SUBCASE("in a block") {
    home.db->Execute(
        "UPDATE ledger_customer_block SET keys = CAST(x'5a' || substr(keys, 2) AS BLOB)");
  }
  SUBCASE("a block is missing") {
    home.db->Execute("UPDATE ledger_customer_block SET first = 2");
  }
  SUBCASE("a block is gone, and a row is behind it") {
    home.db->Execute("INSERT INTO ledger_customer(id, key) VALUES (2, 'eve')");
    home.db->Execute("DELETE FROM ledger_customer_block");
  }
  SUBCASE("a block is gone, but not the events of its customers") {
    home.db->Execute("DELETE FROM ledger_customer_block");
  }
  SUBCASE("a merge into one who was merged") {
    home.db->Execute("INSERT INTO ledger_customer(id, key) VALUES (2, 'eve')");
    home.db->SetSetting("ledger.customers", "3");
    home.db->Execute("INSERT INTO ledger_merged(customer, survivor) VALUES (1, 0), (2, 1)");
  }
  SUBCASE("a merge names nobody") {
    home.db->Execute("INSERT INTO ledger_merged(customer, survivor) VALUES (7, 1)");
  }
  CHECK_THROWS_WITH_AS(home.Open(), doctest::Contains("Restore a backup"), std::runtime_error);
}

TEST_CASE("ledger: a customer of whom nothing but traits is known is missed when the key is lost") {
  TempDir dir;
  Home home(dir / "state.db");
  home.Add(Consent("ann", 1, 1));
  home.Add(Consent("bob", 1, 1));
  home.ledger.reset();
  home.db->Execute("DELETE FROM ledger_customer WHERE id = 1");
  CHECK_THROWS_WITH_AS(home.Open(), doctest::Contains("Restore a backup"), std::runtime_error);
}

TEST_CASE("ledger: customers whom an older program added are no damage, and lost ones still are") {
  TempDir dir;
  Home home(dir / "state.db");
  home.Add(Consent("ann", 1, 1));
  home.Add(Consent("bob", 1, 1));
  home.ledger.reset();
  home.db->SetSetting("ledger.customers", "1");  // It does not write down how many there are.
  home.Open();
  CHECK(home.ledger->FindCustomer("bob").has_value());
  home.ledger.reset();
  home.db->Execute("DELETE FROM ledger_customer WHERE id = 1");
  CHECK_THROWS_WITH_AS(home.Open(), doctest::Contains("Restore a backup"), std::runtime_error);
}

TEST_CASE("ledger: numbers of events never go back, whatever another process wrote meanwhile") {
  TempDir dir;
  Home home(dir / "state.db");
  home.Add(Session("ann", 1));
  {
    Home other(home.path);
    for (int hour = 2; hour < 9; ++hour) {
      other.Add(Session("ann", hour));
    }
  }
  CHECK_THROWS_WITH_AS(home.Add(Consent("ann", 1, 1)), doctest::Contains("another process"),
                       std::runtime_error);
  home.Open();
  CHECK(home.ledger->last_sequence() == 8);
  home.ledger.reset();
  home.db->Execute("UPDATE ledger_position SET sequence = 3");
  CHECK_THROWS_WITH_AS(home.Open(), doctest::Contains("Restore a backup"), std::runtime_error);
}

TEST_CASE("ledger: touched are those for whom a fact took effect, with late and merged") {
  Home home;
  home.Add(Order("ann", "o1", 10, 500), 10);
  home.Add(Order("bob", "o2", 30, 500), 10);  // Lies ahead.
  const Sequence before = home.ledger->last_sequence();
  const std::vector<int> kinds = {kOrder};
  const std::vector<int> traits = {kPlanTrait};
  const auto touched = [&](Sequence since, double from, double to) {
    std::string text;
    for (const Touch& touch : home.ledger->Touched(since, Hour(from), Hour(to), kinds, traits)) {
      text += home.ledger->CustomerKey(touch.customer) + (touch.late ? "L" : "") +
              (touch.merged ? "M" : "") + " ";
    }
    return text;
  };
  CHECK(touched(0, 0, 10) == "ann ");
  CHECK(touched(before, 10, 29) == "");
  CHECK(touched(before, 10, 30) == "bob ");
  home.Add(Order("eve", "o3", 0, 500), 31);
  home.Add(Session("dan", 31), 31);
  CHECK(touched(before, 31, 32) == "eveL ");
  home.Add(Refund("dan", "r1", "o1", 31, 100), 31);
  CHECK(touched(before, 31, 32) == "ann eveL ");
  home.Add(
      TraitChange{
          .customer = "dan", .trait = kPlanTrait, .value = std::string("x"), .time = Hour(31)},
      31);
  home.Add(Consent("bob", 31, 1), 31);
  CHECK(touched(before, 31, 32) == "ann eveL dan ");
  const Sequence later = home.ledger->last_sequence();
  home.Add(Merge{"bob", "dan", Hour(31)}, 31);
  CHECK(touched(later, 31, 32) == "bobM ");
  home.ledger->Seal();
  CHECK(touched(before, 31, 32) == "ann bobM eveL ");
  home.ledger->TrimTouches(later, Hour(31));
  CHECK(touched(later, 31, 32) == "bobM ");
}

TEST_CASE(
    "ledger: a crash at a commit loses nothing that was promised and keeps nothing that was not") {
  TempDir dir;
  for (const bool after : {false, true}) {
    Home home(dir / (after ? "after.db" : "before.db"));
    home.Add(Order("ann", "o1", 1, 500));
    for (const bool sealing : {false, true}) {
      home.db->OnCommit([&](bool is_after) {
        if (is_after == after) {
          throw std::runtime_error("crash");
        }
      });
      if (sealing) {
        CHECK_THROWS(home.ledger->Seal());
      } else {
        CHECK_THROWS(home.Add(Order("bob", "o2", 1, 700)));
      }
      home.Open();
      CHECK(home.Orders("ann").size() == 1);
      CHECK(home.ledger->FindCustomer("bob").has_value() == after);
      CHECK(home.ledger->journal_size() == (sealing && after ? 0U : after ? 2U : 1U));
    }
    CHECK(home.Add(Order("ann", "o1", 1, 500)) == Intake::kDuplicate);
    CHECK(home.Add(Order("bob", "o2", 1, 700)) == (after ? Intake::kDuplicate : Intake::kNew));
  }
}

TEST_CASE("ledger: kinds and fields keep their meaning when the files are put in another order") {
  TempDir dir;
  Home home(dir / "state.db");
  home.Add(Order("ann", "o1", 1, 500, 1));
  home.Add(Refund("ann", "r1", "o1", 2, 100));
  home.Add(Session("ann", 3));
  home.ledger->Seal();
  home.Add(Order("ann", "o2", 4, 600));
  home.ledger.reset();
  Schema schema = SmallSchema();
  std::swap(schema.events[kOrder], schema.events[kSession]);
  EventSpec& order = schema.events[kSession];
  std::swap(order.fields[kOrderId], order.fields[kPlan]);
  order.fields.push_back({"coupon", Type::kText, {}});
  order.fields.erase(order.fields.begin() + kTax);
  schema.events[kRefund].reverses = kSession;
  schema.events[kRefund].by_original_field = 2;
  home.schema = schema;
  home.Open();
  home.ledger->AdvanceTo(Hour(10));  // Refunds no longer share the tax: they were linked anew.
  const std::vector<StoredEvent> orders = home.ledger->Timeline(0, kSession, Hour(0), Hour(9));
  REQUIRE(orders.size() == 2);
  CHECK(AmountOf(orders[0]) == 400);
  CHECK(orders[0].fields[2] == Value(std::string("o1")));
  CHECK(orders[0].fields[0] == Value(std::string("team")));
  CHECK(IsMissing(orders[1].fields[4]));
}

TEST_CASE("ledger: when the files begin to say that one event reverses another, the past follows") {
  TempDir dir;
  Home home(dir / "state.db");
  home.ledger.reset();
  home.schema.events[kRefund].reverses.reset();
  home.Open();
  home.Add(Order("ann", "o1", 1, 500));
  home.Add(Refund("ann", "r1", "o1", 2, 100));
  home.Add(Refund("bob", "r2", "o2", 2, 100));
  home.ledger->Seal();
  CHECK(AmountOf(home.Orders("ann")[0]) == 500);
  home.ledger.reset();
  home.schema = SmallSchema();
  home.Open();
  home.ledger->AdvanceTo(Hour(10));
  CHECK(AmountOf(home.Orders("ann")[0]) == 400);
  CHECK(home.Orders("bob").size() == 1);
  home.ledger.reset();
  home.schema.events[kRefund].reverses.reset();
  home.Open();
  home.ledger->AdvanceTo(Hour(10));
  CHECK(AmountOf(home.Orders("ann")[0]) == 500);
  CHECK(home.Orders("bob").empty());
}

TEST_CASE(
    "ledger: a state file whose blocks have the form before this one is refused, with advice") {
  Database db = Database::Open(":memory:");
  std::string before = kLedgerTables;
  const std::string mark = "-- blobs of format 5\n";
  REQUIRE(before.find(mark) != std::string::npos);
  before.erase(before.find(mark), mark.size());
  db.Ensure("ledger", before);
  TextPool pool;
  const Schema schema = SmallSchema();
  CHECK_THROWS_WITH_AS(Ledger(db, schema, pool),
                       doctest::Contains("made by another version of Segue. Use that"),
                       std::runtime_error);
}

TEST_CASE("ledger: many seals leave few chunks, and a sealed order costs little") {
  TempDir dir;
  Home home(dir / "state.db");
  std::vector<Fact> facts;
  constexpr int kOrders = 40'000;
  for (int i = 0; i < kOrders; ++i) {
    Event order = Order("customer-" + std::to_string((i * 7919LL) % 5000),
                        "W-" + std::to_string(100'000 + i), 0, 500 + (i * 31) % 20'000);
    order.time = kStart + std::chrono::seconds(i * 17 % 86'400 + i / 1000 * 86'400);
    facts.emplace_back(std::move(order));
    if (facts.size() == 500) {
      home.ledger->Append(facts, "test", Hour(5000), kDay * 1000);
      home.ledger->Seal();
      facts.clear();
    }
  }
  CHECK(home.ledger->journal_size() == 0);
  const auto number = [&](const char* sql) {
    Statement ask = home.db->Prepare(sql);
    REQUIRE(ask.Step());
    return ask.Int(0);
  };
  CHECK(number("SELECT count(*) FROM ledger_chunk") < 40);
  const std::int64_t bytes = number(
      "SELECT (SELECT sum(length(data)) FROM ledger_block) + (SELECT sum(length(data)) FROM "
      "ledger_key_run)");
  MESSAGE("bytes per order: " << static_cast<double>(bytes) / kOrders);
  CHECK(bytes < kOrders * 26);
  home.Open();
  CHECK(home.Orders("customer-0").size() == 8);
  CHECK(home.Add(Order("customer-0", "W-100000", 0, 500)) == Intake::kDuplicate);
}

}  // namespace
}  // namespace segue
