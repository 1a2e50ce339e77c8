// Rows of CSV text as RFC 4180 has them: quotes, doubled quotes, line ends inside quotes, LF or
// CRLF.
//
// Lenient where files in the wild are and nothing is lost by it: a quote inside a field that does
// not begin with one is an ordinary character.  A row whose quotes are wrong ends with its first
// line, so that one stray quote costs one row.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace segue {

// A stray quote makes a row of everything up to the next one: past this much it is taken for what
// it is.
constexpr std::size_t kCsvRowBytesMax = 1024 * 1024;
// What a person types or a system exports into one cell; longer ones are attachments or broken
// quotes.
constexpr std::size_t kCsvFieldBytesMax = 64 * 1024;

struct CsvRow {
  std::vector<std::string_view> fields;  // Empty for an empty line.
  std::string_view raw;                  // As it stands in the text, without its line end.
  std::size_t bytes = 0;                 // With its line end.
  std::int64_t lines = 0;                // Line ends in `bytes`.
  bool ended = false;        // A line end stands after it; false at the end of the text only …
  bool cut = false;          // … and when the line goes on beyond kCsvRowBytesMax.
  std::string_view problem;  // Why it cannot be read; its fields are not set then.
};

class CsvParser {
 public:
  // kLines: rows are lines, whatever stands in them, of one field each; one that holds nothing but
  // spaces is empty.
  enum class Mode : std::uint8_t { kCells, kLines };

  explicit CsvParser(Mode mode = Mode::kCells) : mode_(mode) {}

  // Reads the row at the beginning of `text`, which is not empty.  `last`: nothing follows `text`.
  // False: more text is needed.  How a row is read does not depend on how much text stands behind
  // it.
  bool Next(std::string_view text, bool last);

  // Points into `text` and into this parser; valid until the next call.
  const CsvRow& row() const { return row_; }

 private:
  struct Cell {
    std::size_t begin = 0, end = 0;
    bool quoted = false, doubled = false;
  };
  enum class After { kField, kRow, kMore, kBadQuote };

  After ReadCell(std::string_view text, bool last, std::size_t& at);
  After ReadQuoted(std::string_view text, bool last, std::size_t& at);
  bool FirstLineOnly(std::string_view text, bool last, std::string_view problem);
  void SetFields(std::string_view text);

  bool NextLine(std::string_view text, bool last);

  Mode mode_;
  CsvRow row_;
  std::vector<Cell> cells_;
  std::string unquoted_;  // Fields whose doubled quotes are made single.
};

// The field as it must be written: in quotes where it needs them.
std::string CsvField(std::string_view text);

}  // namespace segue
