// Rows to facts: types, mapping, what is set aside.

#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "support/golden.h"
#include "support/temp_dir.h"
#include "unit/sources/csv_fixture.h"

namespace segue {
namespace {

using Texts = std::vector<std::string>;

// Reads one file of this text.
Pulled Pull(const Source& source, const std::string& text, const Workspace& workspace = Shop()) {
  const TempDir dir;
  dir.Write(source.path, text);
  return PullAll(source, workspace, *MakeDiskReader(dir.path()));
}

TEST_CASE("every field of a row is read by its declared type") {
  Workspace workspace = Shop();
  Source source = Orders("orders.csv");
  source.timezone = *Zone::Find("Europe/Berlin");
  const Pulled pulled =
      Pull(source,
           "\xEF\xBB\xBF"
           "customer_id,order_id,day,amount,items,channel,shipped,trial,gift,other\n"
           "c1,A1,2026-03-01,12.50,3,web,2026-03-02T08:00:00Z,14d,yes,x\n"
           " c2 , A2 , 2026-07-01 10:00 , -3.005 , 0.25 , store ,,,0,\n"
           "\"O\"\"Hara, M\",\"A\n3\",2026-03-01T00:00:00+05:00,,,,,,TRUE,\n");
  CHECK(pulled.error.empty());
  CHECK(
      pulled.facts ==
      Texts{
          "c1 2026-02-28T23:00:00Z 'A1' 1250 3000000 'web' 1772438400000000 1209600000000 1 key A1",
          "c2 2026-07-01T08:00:00Z ' A2 ' -301 250000 'store' - - 0 key  A2 ",
          "O\"Hara, M 2026-02-28T19:00:00Z 'A\n3' - - - - - 1 key A\n3"});
  CHECK(pulled.rows == 3);
  CHECK(pulled.rounded == 1);
  CHECK(pulled.bad.empty());
}

TEST_CASE("columns are mapped, computed, or found under the field's own name") {
  Source source = Orders("orders.csv");
  source.map = {{.target = "customer_id", .expression = "cust", .place = {}},
                {.target = "order_id", .expression = "Invoice No.", .place = {}},
                {.target = "amount", .expression = "net_cents / 100 + tax", .place = {}},
                {.target = "items", .expression = "0 - returned", .place = {}}};
  source.version_column = "rev";
  source.currency.clear();
  source.currency_column = "cur";
  const Pulled pulled = Pull(source,
                             "cust,Invoice No.,day,net_cents,tax,returned,cur,rev,channel\n"
                             "7,A1,2026-03-01,1999,0.015,-2,EUR,3,web\n"
                             "8,A2,2026-03-01,1999,,,eur,,web\n"
                             "9,A3,2026-03-01,,1,2,,2026-03-01T00:00:01Z,\n");
  CHECK(pulled.error.empty());
  CHECK(pulled.bad.empty());
  CHECK(pulled.facts ==
        Texts{"7 2026-03-01T00:00:00Z 'A1' 2001 2000000 'web' - - - key A1 version 3",
              "8 2026-03-01T00:00:00Z 'A2' - - 'web' - - - key A2",
              "9 2026-03-01T00:00:00Z 'A3' - -2000000 - - - - key A3 version 1772323201000000"});
  CHECK(pulled.rounded == 1);
}

TEST_CASE(
    "dedupe may join fields, the customer and the time, and without it the row speaks for itself") {
  Source source = Orders("orders.csv");
  const std::string text =
      "customer_id,order_id,day,amount\nc1,A1,2026-03-01,1\nc1,,2026-03-01,1\n";
  source.dedupe = {"amount", "order_id"};
  CHECK(Pull(source, text).facts == Texts{"c1 2026-03-01T00:00:00Z 'A1' 100 - - - - - key 100\x1F"
                                          "A1",
                                          "c1 2026-03-01T00:00:00Z - 100 - - - - - key 100\x1F"});
  source.dedupe = {"customer_id", "day"};
  CHECK(Pull(source, text).facts[0] ==
        "c1 2026-03-01T00:00:00Z 'A1' 100 - - - - - key c1\x1F"
        "1772323200000000");
  source.dedupe = {};
  CHECK(Pull(source, text).facts[0] == "c1 2026-03-01T00:00:00Z 'A1' 100 - - - - -");
  source.dedupe = {"order_id"};
  const Pulled pulled = Pull(source, text);
  REQUIRE(pulled.bad.size() == 1);
  CHECK(pulled.bad[0].reason == "the field is empty, and tells which event it is (dedupe)");
}

TEST_CASE("a row of traits becomes one change per column that the file has") {
  Source source = Orders("customers.csv");
  source.emits_event.reset();
  source.emits_customer = true;
  const Pulled pulled = Pull(source,
                             "customer_id,day,email,credit\n"
                             "c1,2026-03-01,a@example.com,5\n"
                             ",2026-03-01,b@example.com,5\n"
                             "c3,2026-03-02,,x\n"
                             "c4,2026-03-02,,\n");
  CHECK(pulled.facts == Texts{"c1 2026-03-01T00:00:00Z trait 0 = 'a@example.com'",
                              "c1 2026-03-01T00:00:00Z trait 2 = 500",
                              "c4 2026-03-02T00:00:00Z trait 0 = -",
                              "c4 2026-03-02T00:00:00Z trait 2 = -"});
  CHECK(pulled.rows == 4);
  CHECK(pulled.anonymous == 1);
  REQUIRE(pulled.bad.size() == 1);
  CHECK(pulled.bad[0].line == 4);
  CHECK(pulled.bad[0].column == "credit");
}

TEST_CASE("who says no is heard although another cell of the row cannot be read") {
  Source source = Orders("customers.csv");
  source.emits_event.reset();
  source.emits_customer = true;
  Workspace workspace = Shop();
  workspace.consent = {{"email", 1}};
  const TempDir dir;
  dir.Write("customers.csv",
            "customer_id,day,email,email_consent,credit\n"
            "c1,2026-03-01,a@example.com,no,x\n"
            "c2,2026-03-01,a@example.com,yes,x\n"
            "c3,2026-03-01,a@example.com,,x\n"
            "c4,2026-03-01,\xff@example.com,no,1\n"
            "c5,2026-03-01,a@example.com,no,1,1\n"
            "c6,never,a@example.com,no,1\n"
            ",2026-03-01,\xff,no,1\n");
  const Pulled pulled = PullAll(source, workspace, *MakeDiskReader(dir.path()));
  CHECK(pulled.facts ==
        Texts{"c1 2026-03-01T00:00:00Z trait 1 = 0", "c4 2026-03-01T00:00:00Z trait 1 = 0"});
  CHECK(pulled.bad.size() == 7);
}

TEST_CASE(
    "bad rows are set aside with file, line, column, reason and their text, and the rest goes on") {
  Source source = Orders("in/orders.csv");
  source.currency.clear();
  source.currency_column = "cur";
  source.map = {{.target = "items", .expression = "boxes * 12 / divisor", .place = {}}};
  source.version_column = "rev";
  const std::string text =
      "customer_id,order_id,day,amount,channel,gift,trial,shipped,cur,boxes,divisor,rev\n"
      "c1,A1,2026-03-01,1,web,yes,1d,2026-03-02,EUR,1,1,1\n"
      "c1,A2,2026-02-30,1,web,yes,1d,,EUR,1,1,1\n"
      "c1,A3,,1,web,yes,1d,,EUR,1,1,1\n"
      "c1,A4,yesterday,1,web,yes,1d,,EUR,1,1,1\n"
      "c1,A5,2026-03-01,\"1,50\",web,yes,1d,,EUR,1,1,1\n"
      "c1,A6,2026-03-01,1,wbe,yes,1d,,EUR,1,1,1\n"
      "c1,A7,2026-03-01,1,web,perhaps,1d,,EUR,1,1,1\n"
      "c1,A8,2026-03-01,1,web,yes,one day,,EUR,1,1,1\n"
      "c1,A9,2026-03-01,1,web,yes,1d,soon,EUR,1,1,1\n"
      "c1,B1,2026-03-01,1,web,yes,1d,,USD,1,1,1\n"
      "c1,B2,2026-03-01,1,web,yes,1d,,,1,1,1\n"
      "c1,B3,2026-03-01,1,web,yes,1d,,EUR,1,0,1\n"
      "c1,B4,2026-03-01,1,web,yes,1d,,EUR,two,1,1\n"
      "c1,B5,2026-03-01,1,web,yes,1d,,EUR,1,1,1.5\n"
      "c1,B6,2026-03-01,1,\"web\nline\",yes,1d,,EUR,1,1,1\n"
      "c1,B7,2026-03-01,1\n"
      "\n"
      "c1,B8,2026-03-01,1,web,yes,1d,,EUR,1,1,1,more\n"
      "c1,\xFF,2026-03-01,1,web,yes,1d,,EUR,1,1,1\n"
      "c1,B9,2026-03-01,\"1\"0,web,yes,1d,,EUR,1,1,1\n" +
      std::string("c1,C\0,2026-03-01,1,web,yes,1d,,EUR,1,1,1\n", 41) + std::string(257, 'c') +
      ",C1,2026-03-01,1,web,yes,1d,,EUR,1,1,1\n"
      "c1,C2,2026-03-01,99999999999999999999,web,yes,1d,,EUR,1,1,1\n"
      ",C3,nonsense,nonsense,,,,,,,,\n"
      "c1,C4,2026-03-01,,web,yes,1d,,USD,1,1,1\r\n"
      "c1,\"C5,2026-03-01,1,web,yes,1d,,EUR,1,1,1\n";
  const Pulled pulled = Pull(source, text);
  CHECK(pulled.error.empty());
  CHECK(pulled.facts ==
        Texts{"c1 2026-03-01T00:00:00Z 'A1' 100 12000000 'web' 1772409600000000 86400000000 1 key "
              "A1 version 1",
              // An amount that is missing needs no currency.
              "c1 2026-03-01T00:00:00Z 'C4' - 12000000 'web' - 86400000000 1 key C4 version 1"});
  CHECK(pulled.anonymous == 1);
  CHECK(pulled.rows == static_cast<std::int64_t>(pulled.facts.size() + pulled.bad.size()) + 1);
  CheckGolden("sources/quarantine.csv", FormatQuarantine(pulled.bad));
}

TEST_CASE("fields and rows over their limits cost themselves and nothing else") {
  const std::string start = "customer_id,order_id,day\n";
  const std::string good = "c1,A1,2026-03-01\n";
  const Pulled field =
      Pull(Orders("a.csv"), start + "c1," + std::string(65 * 1024, 'x') + ",2026-03-01\n" + good);
  CHECK(field.facts.size() == 1);
  REQUIRE(field.bad.size() == 1);
  CHECK(field.bad[0].reason == "the field is longer than 64 KB");
  CHECK(field.bad[0].column == "order_id");
  CHECK(field.bad[0].raw.size() == 4096);

  const Pulled row =
      Pull(Orders("a.csv"), start + "c1," + std::string(3 * 1024 * 1024, 'x') + "\n" + good);
  CHECK(row.facts.size() == 1);
  REQUIRE(row.bad.size() == 1);
  CHECK(row.bad[0].reason == "the row is longer than 1 MB");
  CHECK(row.bad[0].raw.size() == 4096);

  std::string many = start + "c1,\"open,2026-03-01\n";
  for (int i = 0; i < 80'000; ++i) {
    many += good;
  }
  const Pulled quote = Pull(Orders("a.csv"), many);
  CHECK(quote.facts.size() == 80'000);
  REQUIRE(quote.bad.size() == 1);
  CHECK(quote.bad[0].line == 2);
  CHECK(quote.bad[0].raw == "c1,\"open,2026-03-01");
}

TEST_CASE("amounts in another currency than the workspace's are set aside, row by row") {
  Source source = Orders("a.csv");
  source.currency = "USD";
  const Pulled pulled =
      Pull(source, "customer_id,order_id,day,amount\nc1,A1,2026-03-01,1\nc1,A2,2026-03-01,\n");
  CHECK(pulled.facts.size() == 1);
  REQUIRE(pulled.bad.size() == 1);
  CHECK(pulled.bad[0].column == "amount");
  CHECK(pulled.bad[0].reason == "the amount is in \"USD\", this workspace keeps EUR");
}

TEST_CASE("a file whose header does not serve is refused with a suggestion") {
  struct Row {
    std::string text;
    std::string error;
  };

  const auto error_of = [](const std::string& text, const auto& change) {
    Source source = Orders("a.csv");
    change(source);
    return Pull(source, text).error;
  };
  const auto as_is = [](Source&) {};
  const std::string good = "customer_id,order_id,day,amount\n";
  CHECK(error_of("custmer_id,order_id,day\n", as_is) ==
        "a.csv: the header has no column \"customer_id\" (the customer's key); did you mean "
        "\"custmer_id\"?");
  CHECK(error_of("customer_id,order_id\n", as_is) ==
        "a.csv: the header has no column \"day\" (time)");
  CHECK(error_of("customer_id;order_id;day\n", as_is) ==
        "a.csv: the header has no column \"customer_id\" (the customer's key); columns are "
        "separated by commas");
  CHECK(error_of("customer_id,orderid,day\n", as_is) ==
        "a.csv: the header has no column \"order_id\" (dedupe); did you mean \"orderid\"?");
  CHECK(error_of("customer_id,order_id,day,day\n", as_is) ==
        "a.csv: the header has two columns \"day\" (time)");
  CHECK(error_of(good, [](Source& s) {
          s.map = {{"amount", "totl / 100", {}}};
        }) == "a.csv: the header has no column \"totl\" (map: amount)");
  CHECK(error_of(good, [](Source& s) {
          s.map = {{"amont", "amount", {}}};
        }) == "a.csv: map fills \"amont\", which is not declared; did you mean \"amount\"?");
  CHECK(error_of(good,
                 [](Source& s) {
                   s.map = {{"channel", "amount / 2", {}}};
                 }) ==
        "a.csv: map: channel: arithmetic gives a number, and channel is declared as another type");
  CHECK(error_of(good,
                 [](Source& s) {
                   s.map = {{"amount", "amount $ 2", {}}};
                 }) ==
        "a.csv: map: amount: \"amount $ 2\" is neither a column nor arithmetic of columns with + - "
        "* / and brackets");
  CHECK(error_of(good, [](Source& s) { s.version_column = "rev"; }) ==
        "a.csv: the header has no column \"rev\" (version)");
  CHECK(error_of(good, [](Source& s) { s.currency.clear(); }) ==
        "a.csv: amounts are read: `currency` must name a currency or its column");
  CHECK(error_of(good, [](Source& s) { s.dedupe = {"order"}; }) ==
        "a.csv: dedupe names \"order\", which is no field of order_placed");
  CHECK(error_of("\xFF\xFE"
                 "c\0u\0",
                 as_is) == "a.csv: the file is UTF-16 text; save it as UTF-8");
  CHECK(error_of("caf\xE9,x\n", as_is) == "a.csv: the file is not a text file in UTF-8");
  CHECK(error_of("PK\x03\x04\xFF,x\n", as_is) == "a.csv: the file is not a text file in UTF-8");
  CHECK(error_of("a,b\rc,d\r", as_is) ==
        "a.csv: the lines end in a bare carriage return; save the file with LF or CRLF");
  CHECK(error_of("a,\"b\nc,d\n", as_is) ==
        "a.csv: the header cannot be read: a quote is not closed");
  CHECK(error_of(std::string(70'000, 'a') + "\n", as_is) ==
        "a.csv: the header is longer than 64 KB");
  CHECK(error_of("customer_id,day\n", [](Source& s) {
          s.emits_event.reset();
          s.emits_customer = true;
        }) == "a.csv: the header names no trait of customers, and map fills none");
}

TEST_CASE("with `bad_rows: stop` one bad row refuses the whole file, however far down it stands") {
  std::string text = "customer_id,order_id,day\n";
  for (int i = 0; i < 5'000; ++i) {
    text += "c1,A" + std::to_string(i) + ",2026-03-01\n";
  }
  Source source = Orders("a.csv");
  source.stop_on_bad_rows = true;
  CHECK(Pull(source, text).facts.size() == 5'000);
  const Pulled pulled = Pull(source, text + "c1,last,someday\n");
  CHECK(pulled.facts.empty());
  CHECK(pulled.error ==
        "a.csv: line 5002, column day: \"someday\" is not a time; write a date such as 2026-03-26 "
        "or a time such "
        "as 2026-03-26T04:00:00Z; nothing of the file is taken in (bad_rows: stop)");
}

}  // namespace
}  // namespace segue
