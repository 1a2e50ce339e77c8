// Rows of a database through a reader that is played here: batches, the cursor, and bad rows.
// tests/process/postgres_test.py does the same with a real one.

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "sources/reading.h"
#include "unit/sources/csv_fixture.h"

namespace segue {
namespace {

using Cells = std::vector<std::optional<std::string>>;

// A table whose first column is the cursor; it remembers from where it was read.
class Table final : public SqlReader {
 public:
  std::vector<std::string> columns = {"seen", "customer_id", "order_id", "day", "amount"};
  std::vector<Cells> rows;
  std::string fails_at;  // A cursor value.
  std::string type = "numeric";
  std::vector<std::string> opened;

  Result<std::unique_ptr<SqlRows>> Open(const Source& /*source*/,
                                        const std::optional<SqlPlace>& after) override {
    const bool goes_on = after && (after->type.empty() || after->type == type);
    opened.push_back(goes_on ? after->value : "-");
    auto open =
        std::make_unique<OpenRows>(*this, goes_on ? std::optional(after->value) : std::nullopt);
    return std::unique_ptr<SqlRows>(std::move(open));
  }

 private:
  class OpenRows final : public SqlRows {
   public:
    OpenRows(Table& table, const std::optional<std::string>& after) : table_(table), after_(after) {
      // An overlap that always reaches back to the first row.
      for (const Cells& cells : table.rows) {
        rows_.push_back({cells, cells[0], !after || cells[0] > *after});
      }
      std::stable_sort(rows_.begin(), rows_.end(), [](const SqlRow& a, const SqlRow& b) {
        return a.cursor.value_or("~") < b.cursor.value_or("~");
      });
    }

    const std::vector<std::string>& columns() const override { return table_.columns; }

    std::string_view cursor_type() const override { return table_.type; }

    Result<std::vector<SqlRow>> Fetch(std::int64_t most) override {
      std::vector<SqlRow> rows;
      for (; at_ < rows_.size() && static_cast<std::int64_t>(rows.size()) < most; ++at_) {
        if (rows_[at_].cursor == table_.fails_at) {
          return Error("the database went away");
        }
        rows.push_back(rows_[at_]);
      }
      return rows;
    }

   private:
    Table& table_;
    std::optional<std::string> after_;
    std::vector<SqlRow> rows_;
    std::size_t at_ = 0;
  };
};

Source TableSource() {
  Source source = Orders("");
  source.type = SourceType::kSql;
  source.sql.query_path = "sql/orders.sql";
  source.sql.query = {"select * from orders"};
  source.sql.cursor = "seen";
  return source;
}

Cells Order(const std::string& seen, const std::string& id, const std::string& amount = "1.50") {
  return {seen, "c1", id, "2026-03-01", amount};
}

// Order ids and bad rows until the end or an error; the cursor goes on from batch to batch.
struct Read {
  std::string ids, error, cursor;
  std::vector<BadRow> bad;
  std::int64_t rows = 0;
};

Read ReadTable(const Source& source, Table& table, std::string cursor = "",
               std::int64_t rows_max = 2) {
  const Workspace workspace = Shop();
  Reading reading(source, workspace, nullptr, &table);
  Read read;
  read.cursor = std::move(cursor);
  for (bool done = false; !done;) {
    const Result<Batch> batch = reading.Next(read.cursor, rows_max);
    if (!batch) {
      read.error = batch.error().message();
      return read;
    }
    for (const Fact& fact : batch->facts) {
      read.ids += (read.ids.empty() ? "" : " ") + std::get<Event>(fact).dedupe;
    }
    read.bad.insert(read.bad.end(), batch->bad.begin(), batch->bad.end());
    read.rows += batch->rows;
    read.cursor = batch->cursor;
    done = batch->done;
  }
  return read;
}

TEST_CASE("rows become facts, and the cursor is the largest value that was seen") {
  Table table;
  table.rows = {Order("3", "A3"), Order("1", "A1"), Order("2", "A2"), Order("4", "A4")};
  const Read first = ReadTable(TableSource(), table);
  CHECK(first.ids == "A1 A2 A3 A4");
  CHECK(first.cursor.find("\"value\":\"4\"") != std::string::npos);
  table.rows.push_back(Order("2", "A2b"));
  const Read second = ReadTable(TableSource(), table, first.cursor);
  CHECK(second.ids == "A1 A2 A2b A3 A4");
  CHECK(second.cursor == first.cursor);
  CHECK(table.opened == std::vector<std::string>{"-", "4"});
}

TEST_CASE("a reading that broke off goes on from its last batch, and never steps back") {
  Table table;
  table.rows = {Order("1", "A1"), Order("2", "A2"), Order("3", "A3"), Order("4", "A4")};
  table.fails_at = "3";
  const Read broken = ReadTable(TableSource(), table);
  CHECK(broken.ids == "A1 A2");
  CHECK(broken.error == "the database went away");
  CHECK(broken.cursor.find("\"value\":\"2\"") != std::string::npos);
  // It breaks off within the overlap: what was reached before stays.
  table.fails_at = "2";
  CHECK(ReadTable(TableSource(), table, broken.cursor, 1).cursor == broken.cursor);
  table.fails_at = "";
  CHECK(ReadTable(TableSource(), table, broken.cursor).ids == "A1 A2 A3 A4");
}

TEST_CASE(
    "a cursor column that became another type is read from the start, and its old value goes") {
  Table table;
  table.rows = {Order("7", "A7")};
  const Read first = ReadTable(TableSource(), table);
  CHECK(first.cursor.find("\"value\":\"7\",\"type\":\"numeric\"") != std::string::npos);
  table.type = "timestamptz";
  table.rows.clear();
  const Read second = ReadTable(TableSource(), table, first.cursor);
  CHECK(second.cursor.find("value") == std::string::npos);
  table.rows = {Order("5", "A5")};
  const Read third = ReadTable(TableSource(), table, second.cursor);
  CHECK(third.ids == "A5");
  CHECK(third.cursor.find("\"value\":\"5\",\"type\":\"timestamptz\"") != std::string::npos);
  CHECK(table.opened == std::vector<std::string>{"-", "-", "-"});
}

TEST_CASE("an edited query or cursor column is read from the start") {
  Table table;
  table.rows = {Order("1", "A1")};
  const Read first = ReadTable(TableSource(), table);
  Source edited = TableSource();
  edited.sql.query = {"select * from orders -- and more"};
  ReadTable(edited, table, first.cursor);
  edited = TableSource();
  edited.sql.cursor = "customer_id";
  ReadTable(edited, table, first.cursor);
  CHECK(table.opened == std::vector<std::string>{"-", "-", "-"});
  CHECK(ReadTable(TableSource(), table, "{}").error.find("the stored position") == 0);
  CHECK(ReadTable(TableSource(), table, "x").error.find("the stored position") == 0);
}

TEST_CASE(
    "NULL is a missing value; a row without a cursor value or with a wrong one is set aside") {
  Table table;
  table.rows = {{"1", "c1", "A1", "2026-03-01", std::nullopt},
                {std::nullopt, "c1", "A2", "2026-03-01", "1"},
                {"2", std::nullopt, "A3", "2026-03-01", "1"},
                {"3", "c1", "A,4", "2026-03-01", "much"}};
  const Read read = ReadTable(TableSource(), table);
  CHECK(read.ids == "A1");
  CHECK(read.rows == 4);
  CHECK(FormatQuarantine(read.bad) ==
        "file,line,column,reason,row\n"
        "sql/orders.sql,0,amount,\"\"\"much\"\" is not a number; write digits and a point, such as "
        "1234.50\",\"3,c1,\"\"A,4\"\",2026-03-01,much\"\n"
        "sql/orders.sql,0,seen,the cursor column is empty: the row would not be seen again when it "
        "changes,\",c1,A2,2026-03-01,1\"\n");
  Source strict = TableSource();
  strict.stop_on_bad_rows = true;
  CHECK(ReadTable(strict, table).error.find("sql/orders.sql, column amount: \"much\" is not") == 0);
}

TEST_CASE("a column that the source needs and the query lacks is an error with the nearest name") {
  Table table;
  table.columns[3] = "dya";
  CHECK(ReadTable(TableSource(), table).error ==
        "sql/orders.sql: the query has no column \"day\" (time); did you mean \"dya\"?");
  const Workspace workspace = Shop();
  const Source source = TableSource();
  CHECK(Reading(source, workspace, nullptr, nullptr).Next("", 1).error().message() ==
        "a database cannot be read here");
}

}  // namespace
}  // namespace segue
