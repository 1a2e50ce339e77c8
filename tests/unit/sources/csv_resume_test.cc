// Going on where it stopped: batches, drop folders, files that grow, change, appear and vanish.

#include <filesystem>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <zlib.h>

#include "support/golden.h"
#include "support/temp_dir.h"
#include "unit/sources/csv_fixture.h"

namespace segue {
namespace {

using Texts = std::vector<std::string>;

const char* const kHeader = "customer_id,order_id,day\n";

// The order ids that facts carry, in their order.
std::string Ids(const Pulled& pulled) {
  std::string ids;
  for (const std::string& fact : pulled.facts) {
    ids += (ids.empty() ? "" : " ") + fact.substr(fact.rfind("key ") + 4);
  }
  return ids;
}

std::string Order(const std::string& id) {
  return "c1," + id + ",2026-03-01\n";
}

TEST_CASE("stopped and gone on after any row, by any number of rows, the facts are the same") {
  const TempDir dir;
  dir.Write("in/a.csv", std::string("\xEF\xBB\xBF") + kHeader + Order("A1") + "\n\r\n" +
                            "c1,\"A\n2\",2026-03-01\r\n" + "c1,bad,never\n" + "c1,\"open\n" +
                            Order("A3") + ",A4,2026-03-01\n" + Order("A5"));
  dir.Write("in/b.csv", std::string(kHeader));
  dir.Write("in/c.csv", "");
  dir.Write("in/d.csv", kHeader + Order("D1") + "c2,D2,2026-03-01");  // Each call is a look.
  dir.Write("in/e.csv", kHeader + Order("E1"));
  const Source source = Orders("in/*.csv");
  const Workspace workspace = Shop();
  const Pulled whole = PullAll(source, dir.path());
  CHECK(Ids(whole) == "A1 A\n2 A3 A5 D1 D2 E1");
  CHECK(whole.bad.size() == 2);
  CHECK(whole.anonymous == 1);
  CHECK(whole.files == Texts{"in/a.csv", "in/d.csv", "in/d.csv", "in/e.csv"});

  for (std::int64_t rows_max = 1; rows_max <= 10; ++rows_max) {
    CAPTURE(rows_max);
    Pulled parts;
    for (bool done = false; !done;) {
      // A new reader each time, as after a crash.
      const auto files = MakeDiskReader(dir.path());
      const Result<Batch> batch = PullCsv(source, workspace, *files, parts.cursor, rows_max);
      REQUIRE(batch.has_value());
      // The same again gives the same: a crash before the commit changes nothing.
      const Result<Batch> again = PullCsv(source, workspace, *files, parts.cursor, rows_max);
      CHECK(again->cursor == batch->cursor);
      for (const Fact& fact : batch->facts) {
        parts.facts.push_back(FactText(fact));
      }
      parts.bad.insert(parts.bad.end(), batch->bad.begin(), batch->bad.end());
      parts.rows += batch->rows;
      parts.cursor = batch->cursor;
      done = batch->done;
    }
    CHECK(parts.facts == whole.facts);
    CHECK(FormatQuarantine(parts.bad) == FormatQuarantine(whole.bad));
    CHECK(parts.rows == whole.rows);
    CHECK(parts.cursor == whole.cursor);
  }
  CHECK(PullAll(source, dir.path(), whole.cursor).rows == 0);
}

TEST_CASE("a packed file gives what the plain one gives") {
  const TempDir dir;
  std::string text = kHeader;
  for (int i = 0; i < 40'000; ++i) {
    text += i % 1'000 == 7 ? "broken\n" : Order("\"A\n" + std::to_string(i) + "\"");
  }
  dir.Write("a.csv", text);
  gzFile packed = gzopen((dir / "b.csv.gz").c_str(), "wb");
  REQUIRE(gzwrite(packed, text.data(), static_cast<unsigned>(text.size())) ==
          static_cast<int>(text.size()));
  gzclose(packed);

  const Workspace workspace = Shop();
  const auto files = MakeDiskReader(dir.path());
  const Pulled plain = PullAll(Orders("a.csv"), workspace, *files, "", 700);
  const Pulled unpacked = PullAll(Orders("b.csv.gz"), workspace, *files, "", 700);
  CHECK(plain.rows == 40'000);
  CHECK(plain.bad.size() == 40);
  CHECK((plain.facts == unpacked.facts));
  REQUIRE(unpacked.bad.size() == 40);
  CHECK(unpacked.bad.back().line == plain.bad.back().line);
}

TEST_CASE("a file that grew is read on from where it ended") {
  const TempDir dir;
  const Source source = Orders("a.csv");
  dir.Write("a.csv", kHeader + Order("A1"));
  const Pulled first = PullAll(source, dir.path());
  dir.Write("a.csv", kHeader + Order("A1") + Order("A2") + "c1,bad,x\n");
  const Pulled second = PullAll(source, dir.path(), first.cursor);
  CHECK(Ids(second) == "A2");
  REQUIRE(second.bad.size() == 1);
  CHECK(second.bad[0].line == 4);
  CHECK(PullAll(source, dir.path(), second.cursor).rows == 0);
}

TEST_CASE("a last row without a line end is left until the next look finds the file as it was") {
  const TempDir dir;
  const Source source = Orders("a.csv");
  const std::string begin = kHeader + Order("A1");
  dir.Write("a.csv", begin + "c1,A");
  const Pulled half = PullAll(source, dir.path());
  CHECK(Ids(half) == "A1");
  CHECK(half.bad.empty());
  CHECK(half.rows == 1);
  dir.Write("a.csv", begin + Order("A22") + "c1,A3,2026-03-01");
  const Pulled grown = PullAll(source, dir.path(), half.cursor);
  CHECK(Ids(grown) == "A22");
  // Nothing more comes: it is as whole as it will be.
  const Pulled rest = PullAll(source, dir.path(), grown.cursor);
  CHECK(Ids(rest) == "A3");
  CHECK(PullAll(source, dir.path(), rest.cursor).rows == 0);
  // And should it grow after all, the row is read again.
  dir.Write("a.csv", begin + Order("A22") + "c1,A3,2026-03-011\n" + Order("A4"));
  const Pulled late = PullAll(source, dir.path(), rest.cursor);
  CHECK(Ids(late) == "A4");
  CHECK(late.bad.size() == 1);
}

TEST_CASE("a last row without a line end is left through all batches of a look, and said") {
  const TempDir dir;
  const auto files = MakeDiskReader(dir.path());
  const Source source = Orders("in/*.csv");
  Workspace workspace = Shop();
  workspace.schema.events[0].fields.resize(1);
  dir.Write("in/a.csv", kHeader + std::string("c1,A1,2026-03-01"));
  dir.Write("in/b.csv", kHeader + Order("B1") + Order("B2"));
  const auto look = [&](std::string& cursor, bool whole) {
    Reading reading(source, workspace, files.get(), nullptr, whole);
    std::string said;
    for (bool done = false; !done;) {
      const Result<Batch> batch = reading.Next(cursor, 1);
      REQUIRE(batch.has_value());
      for (const Fact& fact : batch->facts) {
        said += std::get<Event>(fact).dedupe + " ";
      }
      for (const std::string& note : batch->notes) {
        said += note + " ";
      }
      cursor = batch->cursor;
      done = batch->done;
    }
    return said;
  };
  std::string cursor;
  CHECK(look(cursor, false) ==
        "in/a.csv: line 2 has no line end yet; it is read at the next look, if the file is then as "
        "it is now B1 B2 ");
  CHECK(look(cursor, false) == "A1 ");
  CHECK(look(cursor, false).empty());
  // A replay has but one look.
  cursor.clear();
  CHECK(look(cursor, true) == "A1 B1 B2 ");
}

TEST_CASE("a last row without a line end of a packed file is as whole as the file") {
  const TempDir dir;
  const std::string text = kHeader + Order("A1") + "c1,A2,2026-03-01";
  gzFile packed = gzopen((dir / "a.csv.gz").c_str(), "wb");
  REQUIRE(gzwrite(packed, text.data(), static_cast<unsigned>(text.size())) ==
          static_cast<int>(text.size()));
  gzclose(packed);
  CHECK(Ids(PullAll(Orders("a.csv.gz"), dir.path())) == "A1 A2");
}

TEST_CASE("nothing of a packed file is taken in before all of it is there and sound") {
  const TempDir dir;
  std::string text = kHeader;
  for (int i = 0; i < 5'000; ++i) {
    text += Order(std::to_string(i * 7919 % 5'000));
  }
  gzFile file = gzopen((dir / "whole.gz").c_str(), "wb");
  REQUIRE(gzwrite(file, text.data(), static_cast<unsigned>(text.size())) ==
          static_cast<int>(text.size()));
  gzclose(file);
  const std::string packed = ReadFile(dir / "whole.gz");
  std::string damaged = packed;
  damaged[damaged.size() - 6] = static_cast<char>(~damaged[damaged.size() - 6]);  // The checksum.
  dir.Write("in/a.csv.gz", damaged);
  dir.Write("in/b.csv.gz", packed.substr(0, packed.size() / 2));
  dir.Write("in/c.csv", kHeader + Order("C1"));
  const Workspace workspace = Shop();
  const auto files = MakeDiskReader(dir.path());
  const Source source = Orders("in/*");
  const Pulled first = PullAll(source, workspace, *files, "", 100);
  CHECK(Ids(first) == "C1");
  CHECK(first.error ==
        "in/a.csv.gz cannot be read: the gzip data is damaged: incorrect data check; in/b.csv.gz "
        "cannot be read: the gzip data ends too early; is it still being copied?");
  dir.Write("in/a.csv.gz", packed);
  dir.Write("in/b.csv.gz", packed);
  const Pulled rest = PullAll(source, workspace, *files, first.cursor, 100);
  CHECK(rest.error.empty());
  CHECK(rest.rows == 10'000);
}

TEST_CASE("a field or a consent that no column gives is said once for files that are alike") {
  const TempDir dir;
  const auto files = MakeDiskReader(dir.path());
  Workspace workspace = Shop();
  workspace.schema.events[0].fields.resize(2);  // order_id, amount
  workspace.consent = {{"email", 1}};
  const auto look = [&](const Source& source, std::string& cursor) {
    const Result<Batch> batch = PullCsv(source, workspace, *files, cursor, 1'000);
    REQUIRE(batch.has_value());
    cursor = batch->cursor;
    CHECK(LacksIn(cursor).size() == batch->notes.size());
    return Join(batch->notes, "\n");
  };
  std::string cursor;
  dir.Write("in/a.csv", "customer_id,order_id,day,amuont\nc1,A1,2026-03-01,5\n");
  CHECK(look(Orders("in/*.csv"), cursor) ==
        "in/a.csv: the header has no column \"amount\": nothing says order_placed.amount; did you "
        "mean \"amuont\"?");
  dir.Write("in/b.csv", "customer_id,order_id,day,amuont\nc1,B1,2026-03-01,5\n");
  CHECK(PullCsv(Orders("in/*.csv"), workspace, *files, cursor, 1'000)->notes.empty());
  dir.Write("in/b.csv", "customer_id,order_id,day,amount\nc1,B1,2026-03-01,5\n");
  CHECK(look(Orders("in/*.csv"), cursor).empty());

  Source people = Orders("people.csv");
  people.emits_event.reset();
  people.emits_customer = true;
  cursor.clear();
  dir.Write("people.csv", "customer_id,day,emial,okay\nc1,2026-03-01,a@example.com,yes\n");
  workspace.schema.customer_traits[2].name = "emial";  // One that is there.
  CHECK(look(people, cursor) ==
        "people.csv: the header has no column \"email_consent\": nothing says "
        "customer.email_consent, which consent asks");
}

TEST_CASE("what a pattern meets and cannot reach is an error that names each, after the others") {
  const TempDir dir;
  dir.Write("in/b.csv", kHeader + Order("B1"));
  dir.Write("in/d.csv", "nothing,of,use\n");
  std::filesystem::create_directory(dir / "in/folder.csv");
  std::filesystem::create_symlink("/nowhere/at/all.csv", dir / "in/a.csv");
  std::filesystem::create_symlink("/", dir / "in/c.csv");
  const Pulled pulled = PullAll(Orders("in/*.csv"), dir.path());
  CHECK(Ids(pulled) == "B1");
  CHECK(
      pulled.error.starts_with("in/a.csv cannot be read: No such file or directory; "
                               "in/c.csv cannot be read: it lies outside the state folder; "
                               "in/d.csv: the header has no column \"customer_id\""));
  CHECK(PullAll(Orders("imbox/*.csv"), dir.path()).error ==
        "imbox/*.csv cannot be read: there is no folder imbox in the state folder");

  dir.Write("b.csv", "customer_id,order_id");
  CHECK_FALSE(PullAll(Orders("b.csv"), dir.path()).error.empty());
  dir.Write("b.csv", "customer_id,order_id,day");
  const Pulled header = PullAll(Orders("b.csv"), dir.path());
  CHECK(header.error.empty());
  dir.Write("b.csv", kHeader + Order("B1"));
  CHECK(Ids(PullAll(Orders("b.csv"), dir.path(), header.cursor)) == "B1");
}

TEST_CASE("a file that was replaced, even by a longer one with the same beginning, is read anew") {
  const TempDir dir;
  const Source source = Orders("a.csv");
  dir.Write("a.csv", kHeader + Order("A1") + Order("A2") + Order("A3"));
  const Pulled first = PullAll(source, dir.path());
  dir.Write("a.csv", kHeader + Order("A1") + Order("B2") + Order("A3") + Order("A4"));
  const Pulled second = PullAll(source, dir.path(), first.cursor);
  CHECK(Ids(second) == "A1 B2 A3 A4");
  dir.Write("a.csv", kHeader + Order("A9"));
  const Pulled third = PullAll(source, dir.path(), second.cursor);
  CHECK(Ids(third) == "A9");
  // Another header, other columns.
  dir.Write("a.csv", "day,order_id,customer_id\n2026-03-05,A10,c7\n");
  CHECK(PullAll(source, dir.path(), third.cursor).facts ==
        Texts{"c7 2026-03-05T00:00:00Z 'A10' - - - - - - key A10"});
}

TEST_CASE("a file that is replaced half-way through is read anew") {
  const TempDir dir;
  const Source source = Orders("a.csv");
  const Workspace workspace = Shop();
  const auto files = MakeDiskReader(dir.path());
  dir.Write("a.csv", kHeader + Order("A1") + Order("A2") + Order("A3"));
  const Result<Batch> batch = PullCsv(source, workspace, *files, "", 2);
  REQUIRE(batch.has_value());
  CHECK_FALSE(batch->done);
  dir.Write("a.csv",
            "order_id,customer_id,day\nZ1,c1,2026-03-01\nZ2,c1,2026-03-01\nZ3,c1,2026-03-01\n");
  CHECK(Ids(PullAll(source, workspace, *files, batch->cursor)) == "Z1 Z2 Z3");
}

TEST_CASE("a touched file has nothing new") {
  const TempDir dir;
  const Source source = Orders("a.csv");
  dir.Write("a.csv", kHeader + Order("A1"));
  const Pulled first = PullAll(source, dir.path());
  std::filesystem::last_write_time(
      dir / "a.csv", std::filesystem::file_time_type::clock::now() + std::chrono::hours(1));
  const Pulled second = PullAll(source, dir.path(), first.cursor);
  CHECK(second.rows == 0);
  CHECK(second.cursor != first.cursor);
  CHECK(PullAll(source, dir.path(), second.cursor).cursor == second.cursor);
}

TEST_CASE(
    "new files of a drop folder are read in the order of their names, and vanished ones "
    "forgotten") {
  const TempDir dir;
  const Source source = Orders("in/billing-*.csv");
  std::filesystem::create_directory(dir / "in");
  CHECK(PullAll(source, dir.path()).error.empty());
  dir.Write("in/billing-2.csv", kHeader + Order("B2"));
  dir.Write("in/billing-1.csv", kHeader + Order("B1"));
  dir.Write("in/other.csv", kHeader + Order("X"));
  const Pulled first = PullAll(source, dir.path());
  CHECK(Ids(first) == "B1 B2");
  std::filesystem::remove(dir / "in/billing-1.csv");
  dir.Write("in/billing-0.csv", kHeader + Order("B0"));
  const Pulled second = PullAll(source, dir.path(), first.cursor);
  CHECK(Ids(second) == "B0");
  CHECK(second.cursor.find("billing-1") == std::string::npos);
  dir.Write("in/billing-1.csv", kHeader + Order("B1"));
  CHECK(Ids(PullAll(source, dir.path(), second.cursor)) == "B1");
}

TEST_CASE(
    "a refused file does not keep the others from being read, and is an error until it is mended") {
  const TempDir dir;
  const Source source = Orders("in/*.csv");
  const Workspace workspace = Shop();
  const auto files = MakeDiskReader(dir.path());
  dir.Write("in/a.csv", "nothing,of,use\n1,2,3\n");
  dir.Write("in/b.csv", kHeader + Order("B1"));
  const Pulled first = PullAll(source, workspace, *files);
  CHECK(Ids(first) == "B1");
  CHECK(first.error.find("in/a.csv: the header has no column \"customer_id\"") == 0);
  const Pulled second = PullAll(source, workspace, *files, first.cursor);
  CHECK(second.rows == 0);
  CHECK(second.error == first.error);
  dir.Write("in/a.csv", kHeader + Order("A1"));
  const Pulled third = PullAll(source, workspace, *files, first.cursor);
  CHECK(third.error.empty());
  CHECK(Ids(third) == "A1");
}

TEST_CASE("a file that is named and not there is an error, an empty drop folder is not") {
  const TempDir dir;
  CHECK(PullAll(Orders("in/a.csv"), dir.path()).error ==
        "in/a.csv: there is no such file below the state folder");
  std::filesystem::create_directory(dir / "in");
  const Pulled empty = PullAll(Orders("in/*.csv"), dir.path());
  CHECK(empty.error.empty());
  CHECK(empty.rows == 0);
}

TEST_CASE("a cursor that Segue did not write is an error, not a guess") {
  const TempDir dir;
  dir.Write("a.csv", kHeader);
  for (const char* cursor :
       {"x", "{}", "[]", R"({"files":[{}]})", R"({"files":[{"path":1}]})",
        R"({"files":[{"path":"a","bytes":1,"changed":1,"at":-1,"line":1,"fingerprint":"0"}]})",
        R"({"files":[{"path":"a","bytes":1,"changed":1,"at":1,"line":1,"fingerprint":"zz"}]})"}) {
    CAPTURE(cursor);
    CHECK(PullAll(Orders("a.csv"), dir.path(), cursor).error ==
          "the stored position of this source cannot be read; forget it to read its files anew");
  }
}

TEST_CASE("the file of a real wholesaler gives all its 541 909 lines, 135 080 of them anonymous") {
  const std::optional<std::string> folder = Shared("data/online_retail");
  if (!folder) {
    return;
  }
  Workspace workspace;
  workspace.schema.currency = "GBP";
  EventSpec line;
  line.name = "invoice_line";
  line.fields = {{.name = "invoice", .type = Type::kText, .choices = {}},
                 {.name = "amount", .type = Type::kMoney, .choices = {}}};
  workspace.schema.events = {line};
  Source source;
  source.path = "online_retail_*.csv.gz";
  source.emits_event = 0;
  source.time_column = "InvoiceDate";
  source.timezone = *Zone::Find("Europe/London");
  source.currency = "GBP";
  source.map = {{.target = "customer_id", .expression = "CustomerID", .place = {}},
                {.target = "invoice", .expression = "InvoiceNo", .place = {}},
                {.target = "amount", .expression = "Quantity * UnitPrice", .place = {}}};

  const auto files = MakeDiskReader(*folder);
  std::string cursor;
  std::int64_t rows = 0, anonymous = 0, facts = 0, bad = 0, rounded = 0, pence = 0;
  for (bool done = false; !done;) {
    const Result<Batch> batch = PullCsv(source, workspace, *files, cursor, 20'000);
    REQUIRE(batch.has_value());
    for (const Fact& fact : batch->facts) {
      pence += std::get<std::int64_t>(std::get<Event>(fact).fields[1]);
    }
    rows += batch->rows;
    anonymous += batch->anonymous;
    facts += static_cast<std::int64_t>(batch->facts.size());
    bad += static_cast<std::int64_t>(batch->bad.size());
    rounded += batch->rounded;
    cursor = batch->cursor;
    done = batch->done;
  }
  CHECK(rows == 541'909);
  CHECK(anonymous == 135'080);
  CHECK(facts == 541'909 - 135'080);
  CHECK(bad == 0);
  CHECK(rounded == 4);
  CHECK(pence == 830'006'581);
}

}  // namespace
}  // namespace segue
