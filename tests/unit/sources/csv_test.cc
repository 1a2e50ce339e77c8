// The CSV reader.

#include "sources/csv.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace segue {
namespace {

using Rows = std::vector<std::vector<std::string>>;

// Every row; a row that cannot be read as {"!", its problem, its raw text}.
Rows ReadRows(std::string_view text) {
  Rows rows;
  CsvParser parser;
  while (!text.empty()) {
    REQUIRE(parser.Next(text, true));
    const CsvRow& row = parser.row();
    if (!row.problem.empty()) {
      rows.push_back({"!", std::string(row.problem), std::string(row.raw)});
    } else {
      rows.emplace_back(row.fields.begin(), row.fields.end());
    }
    text.remove_prefix(row.bytes);
  }
  return rows;
}

TEST_CASE("rows are read as RFC 4180 and the files in the wild have them") {
  struct Row {
    const char* text;
    Rows rows;
  };

  const std::vector<Row> table = {
      {"a,b\n1,2\n", {{"a", "b"}, {"1", "2"}}},
      {"a,b\r\n1,2\r\n", {{"a", "b"}, {"1", "2"}}},
      {"a,b", {{"a", "b"}}},
      {"a,b\r", {{"a", "b"}}},
      {",,\n", {{"", "", ""}}},
      {"a,\n", {{"a", ""}}},
      {"a,", {{"a", ""}}},
      {"\n", {{}}},
      {"a\n\r\nb", {{"a"}, {}, {"b"}}},
      {"\"\"\n", {{""}}},
      {"\"a,b\",c\n", {{"a,b", "c"}}},
      {"\"a\nb\",\"c\r\nd\"\ne\n", {{"a\nb", "c\r\nd"}, {"e"}}},
      {"\"say \"\"hi\"\"\",\"\"\"\"\n", {{"say \"hi\"", "\""}}},
      {"\"a\"\r\n\"b\"", {{"a"}, {"b"}}},
      {"\"a\"\r", {{"a"}}},
      {" a , \"b\" \n", {{" a ", " \"b\" "}}},
      {"5\" pipe,x\n", {{"5\" pipe", "x"}}},
      {"a\rb,c\n", {{"a\rb", "c"}}},
      {"\"a\"b,c\nd\n", {{"!", "text follows a closing quote", "\"a\"b,c"}, {"d"}}},
      // One stray quote costs one row, wherever it would have been closed.
      {"1,\"x,2\n3,\"y\",4\n5\n",
       {{"!", "text follows a closing quote", "1,\"x,2"}, {"3", "y", "4"}, {"5"}}},
      {"1,\"x\r\n2,y\n", {{"!", "a quote is not closed", "1,\"x"}, {"2", "y"}}},
      {"\"", {{"!", "a quote is not closed", "\""}}},
  };
  for (const Row& row : table) {
    CAPTURE(row.text);
    CHECK(ReadRows(row.text) == row.rows);
  }
  CHECK(ReadRows(std::string_view("a\0b,c\n", 6)) == Rows{{std::string("a\0b", 3), "c"}});
}

TEST_CASE("lines are counted inside quotes too, and a row knows whether it has ended") {
  CsvParser parser;
  REQUIRE(parser.Next("\"a\n\nb\",c\r\nd", true));
  CHECK(parser.row().lines == 3);
  CHECK(parser.row().raw == "\"a\n\nb\",c");
  CHECK(parser.row().bytes == 10);
  CHECK(parser.row().ended);
  REQUIRE(parser.Next("d", true));
  CHECK(parser.row().lines == 0);
  CHECK_FALSE(parser.row().ended);
}

TEST_CASE("a row is read the same however much text stands behind it") {
  for (const std::string text : {"a,\"b\"\"\r\nc\",d\r\nnext,row\n", "\"a\"b,c\nnext\n",
                                 "x,\"y\nz\"\"\nno end", "\"a\"\r\nb\n", "\r\na"}) {
    CAPTURE(text);
    CsvParser whole;
    REQUIRE(whole.Next(text, true));
    bool enough = false;
    for (std::size_t size = 1; size <= text.size(); ++size) {
      CsvParser part;
      const std::string prefix = text.substr(0, size);
      const bool read = part.Next(prefix, false);
      CHECK((read || !enough));
      enough = read;
      if (read) {
        CHECK(part.row().fields == whole.row().fields);
        CHECK(part.row().raw == whole.row().raw);
        CHECK(part.row().bytes == whole.row().bytes);
        CHECK(part.row().problem == whole.row().problem);
      }
    }
  }
}

TEST_CASE("a row over the limit is given up, at its first line's end where that is in sight") {
  const std::string long_text(kCsvRowBytesMax + 100, 'x');
  CsvParser parser;
  REQUIRE(parser.Next(long_text + "\nnext\n", true));
  CHECK(parser.row().problem == "the row is longer than 1 MB");
  CHECK(parser.row().cut);
  CHECK(parser.row().bytes == kCsvRowBytesMax);

  const std::string open_quote = "a,\"b\n" + long_text;
  REQUIRE(parser.Next(open_quote, false));
  CHECK(parser.row().problem == "a quote is not closed");
  CHECK(parser.row().raw == "a,\"b");
  CHECK(parser.row().bytes == 5);
  CHECK_FALSE(parser.row().cut);
}

TEST_CASE("any fields that are written are read back equal") {
  std::uint64_t state = 20'260'326;
  const auto next = [&](std::uint64_t below) {
    state = state * 6'364'136'223'846'793'005U + 1'442'695'040'888'963'407U;
    return (state >> 33U) % below;
  };
  const std::vector<std::string> pieces = {"a",    "\"", ",",      "\n",   "\r",
                                           "\r\n", " ",  "\u00E9", "12.5", std::string(1, '\0')};
  for (int round = 0; round < 3'000; ++round) {
    Rows rows;
    std::string text;
    const std::string line_end = next(2) == 0 ? "\n" : "\r\n";
    const std::size_t columns = 1 + next(4);
    for (std::uint64_t row = 1 + next(4); row > 0; --row) {
      std::vector<std::string> fields(columns);
      for (std::string& field : fields) {
        for (std::uint64_t i = next(5); i > 0; --i) {
          field += pieces[next(pieces.size())];
        }
        text += &field == fields.data() ? "" : ",";
        // One empty field alone would be an empty line.
        text += columns == 1 && field.empty() ? "\"\"" : CsvField(field);
      }
      rows.push_back(fields);
      text += row == 1 && next(2) == 0 ? "" : line_end;
    }
    CAPTURE(text);
    REQUIRE(ReadRows(text) == rows);
  }
}

}  // namespace
}  // namespace segue
