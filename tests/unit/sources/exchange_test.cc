// Amounts in other currencies, in rows of every kind.

#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "support/temp_dir.h"
#include "unit/sources/jsonl_fixture.h"

namespace segue {
namespace {

std::int64_t DayOf(const std::string& date) {
  return ToMicros(*ParseTime(date, Zone())) / kDay.count();
}

// The shop keeps EUR: 1 USD was 0.9217 EUR on 1 March, 1 JPY 0.0061.
Workspace ShopWithRates() {
  Workspace workspace = SegmentShop();
  workspace.rates = std::make_shared<Rates>("config/rates.csv");
  workspace.rates->Add({"USD", DayOf("2026-03-01")}, {.digits = 9217, .decimals = 4});
  workspace.rates->Add({"USD", DayOf("2026-03-10")}, {.digits = 9, .decimals = 1});
  workspace.rates->Add({"JPY", DayOf("2026-03-01")}, {.digits = 61, .decimals = 4});
  return workspace;
}

Source OrdersWithCurrency() {
  Source source = Orders("o.csv");
  source.currency = "";
  source.currency_column = "currency";
  return source;
}

// What the rows `customer c1, order A, this day, amount and currency` become.
Pulled Convert(const Workspace& workspace, const std::string& rows) {
  const TempDir dir;
  dir.Write("o.csv", "customer_id,order_id,day,amount,currency\n" + rows);
  return PullAll(OrdersWithCurrency(), workspace, *MakeDiskReader(dir.path()));
}

std::string AmountOf(const std::string& row) {
  const Pulled pulled = Convert(ShopWithRates(), row + "\n");
  CHECK(pulled.rounded == 0);
  return pulled.facts.size() == 1 ? pulled.facts[0].substr(28) : pulled.bad.at(0).reason;
}

}  // namespace

TEST_CASE(
    "an amount in another currency is multiplied by the rate of its day, exactly, and rounded "
    "once, "
    "halves away from zero") {
  CHECK(AmountOf("c1,A,2026-03-01,100,USD").starts_with("9217 "));
  CHECK(AmountOf("c1,A,2026-03-01,100,usd").starts_with("9217 "));
  CHECK(AmountOf("c1,A,2026-03-01,100,EUR").starts_with("10000 "));
  CHECK(AmountOf("c1,A,2026-03-01,2500,JPY").starts_with("1525 "));
  CHECK(AmountOf("c1,A,2026-03-10,0.05,USD").starts_with("5 "));  // 0.045
  CHECK(AmountOf("c1,A,2026-03-10,-0.05,USD").starts_with("-5 "));
  CHECK(AmountOf("c1,A,2026-03-10,0.0499,USD").starts_with("4 "));  // 0.04491, not 0.05 × 0.9
}

TEST_CASE("a day without a rate takes the last one before it, up to a month old") {
  CHECK(AmountOf("c1,A,2026-03-09,100,USD").starts_with("9217 "));
  CHECK(AmountOf("c1,A,2026-04-10,100,USD").starts_with("9000 "));
  CHECK(AmountOf("c1,A,2026-04-11,100,USD") ==
        "the amount is in \"USD\", and config/rates.csv does not say how many EUR 1 USD was on "
        "2026-04-11 or in the 31 days before");
  CHECK(AmountOf("c1,A,2026-02-28,100,USD").find("1 USD was on 2026-02-28") != std::string::npos);
  CHECK(AmountOf("c1,A,2026-03-01,100,CHF").find("1 CHF was on 2026-03-01") != std::string::npos);
  CHECK(AmountOf("c1,A,2026-03-01,100,") == "the amount has no currency");
  CHECK(AmountOf("c1,A,2026-03-01,much,USD").starts_with("\"much\" is not a number"));
}

TEST_CASE("the day is that of the workspace's wall") {
  Workspace workspace = ShopWithRates();
  const std::string late = "c1,A,2026-03-09T23:30:00Z,100,USD\n";
  CHECK(Convert(workspace, late).facts.at(0).find(" 9217 ") != std::string::npos);
  workspace.schema.timezone = *Zone::Find("Europe/Lisbon");
  CHECK(Convert(workspace, late).facts.at(0).find(" 9217 ") != std::string::npos);
  workspace.schema.timezone = *Zone::Find("Europe/Berlin");
  CHECK(Convert(workspace, late).facts.at(0).find(" 9000 ") != std::string::npos);
}

TEST_CASE("arithmetic of columns is converted before it is rounded") {
  Source source = OrdersWithCurrency();
  source.map.push_back({"amount", "amount / 3", {}});
  const TempDir dir;
  dir.Write("o.csv", "customer_id,order_id,day,amount,currency\nc1,A,2026-03-10,1,USD\n");
  const Pulled pulled = PullAll(source, ShopWithRates(), *MakeDiskReader(dir.path()));
  CHECK(pulled.facts.at(0).find(" 30 ") != std::string::npos);  // Not 0.33 × 0.9.
}

TEST_CASE("a day whose rate was used keeps it, whatever the file says later") {
  const Workspace workspace = ShopWithRates();
  workspace.rates->Settle({"USD", DayOf("2026-03-10")}, {.digits = 5, .decimals = 1});
  const Pulled pulled = Convert(workspace, "c1,A,2026-03-10,100,USD\nc1,B,2026-03-11,100,USD\n");
  CHECK(pulled.facts.at(0).find(" 5000 ") != std::string::npos);
  CHECK(pulled.facts.at(1).find(" 9000 ") != std::string::npos);
}

TEST_CASE("lines of JSON, calls in the Segment shape and traits are converted in the same way") {
  const Workspace workspace = ShopWithRates();
  Source lines = JsonOrders("o.jsonl");
  lines.currency = "";
  lines.currency_column = "currency";
  CHECK(OneLine(lines, workspace,
                R"({"customer_id":"c1","order_id":"A","day":"2026-03-01","amount":100,)"
                R"("currency":"USD"})")
            .find(" 9217 ") != std::string::npos);
  Source calls = Lines("o.jsonl");
  calls.currency = "";
  calls.currency_column = "currency";
  const std::string call =
      R"({"type":"track","userId":"u1","event":"Order Placed","messageId":"m1",)"
      R"("timestamp":"DAY","properties":{"orderId":"A","amount":100,"currency":"USD"}})";
  std::string day = call;
  CHECK(OneLine(calls, workspace, day.replace(day.find("DAY"), 3, "2026-03-01")).find(" 9217 ") !=
        std::string::npos);
  day = call;
  CHECK(
      OneLine(calls, workspace, day.replace(day.find("DAY"), 3, "2026-01-01"))
          .starts_with("bad properties.currency: the amount is in \"USD\", and config/rates.csv"));
  Source people = Orders("p.csv");
  people.emits_event = std::nullopt;
  people.emits_customer = true;
  people.currency = "USD";
  const TempDir dir;
  dir.Write("p.csv", "customer_id,day,credit\nc1,2026-03-01,10\n");
  CHECK(PullAll(people, workspace, *MakeDiskReader(dir.path())).facts.at(0).ends_with("= 922"));
}

TEST_CASE("a batch tells how many amounts were converted, and with what") {
  const TempDir dir;
  dir.Write("o.csv",
            "customer_id,order_id,day,amount,currency\n"
            "c1,A,2026-03-01,1,USD\nc1,B,2026-03-01,2,USD\nc1,C,2026-03-02,2,USD\n"
            "c1,D,2026-03-01,2,EUR\nc1,E,2026-03-01,2,CHF\n");
  const Workspace workspace = ShopWithRates();
  const Result<Batch> batch =
      PullCsv(OrdersWithCurrency(), workspace, *MakeDiskReader(dir.path()), "", 100);
  REQUIRE(batch.has_value());
  CHECK(batch->converted == 3);
  CHECK(batch->bad.size() == 1);
  std::string used;
  for (const auto& [when, rate] : batch->rates) {
    used += when.first + " " + std::to_string(when.second - DayOf("2026-03-01")) + " " +
            FormatExchangeRate(rate) + "; ";
  }
  CHECK(used == "USD 0 0.9217; USD 1 0.9217; ");
}

}  // namespace segue
