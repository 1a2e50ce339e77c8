// The rows of one CSV file from a position on, read in pieces through a FileReader.
//
// A Position is enough to go on: the byte of the next row, its line, and a fingerprint of
// everything before it, which tells a file that grew from one that was replaced.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "sources/csv.h"
#include "sources/source.h"

namespace segue {

// The bytes as digits of one number, modulo 2^64: not against malice.  Its whole state is one
// number that the cursor can keep, the same wherever the text was cut.
constexpr std::uint64_t kFingerprintStart = 0xcbf29ce484222325U;
std::uint64_t Fingerprint(std::uint64_t before, std::string_view bytes);

struct CsvPosition {
  std::uint64_t at = 0;   // Byte of the content.
  std::int64_t line = 1;  // Counted from 1.
  std::uint64_t fingerprint = kFingerprintStart;

  friend bool operator==(const CsvPosition&, const CsvPosition&) = default;
};

class CsvStream {
 public:
  // Requires: `files` outlives it.
  CsvStream(FileReader& files, std::string path, CsvPosition from,
            CsvParser::Mode mode = CsvParser::Mode::kCells)
      : files_(files), path_(std::move(path)), parser_(mode), here_(from), next_(from) {}

  // Steps to the next row that is not an empty line.  False: the file ends here.
  Result<bool> Next();

  const CsvRow& row() const { return parser_.row(); }

  // The row as it stands in the file; of one that is longer than kCsvRowBytesMax only its
  // beginning.
  std::string_view raw() const { return row().cut ? cut_raw_ : row().raw; }

  // Whether a line end stands after it.
  bool ended() const { return ended_; }

  // Where the row begins, and where the next one does.
  const CsvPosition& here() const { return here_; }

  const CsvPosition& next() const { return next_; }

  // Whether the content before the position is still what it was when the position was made.
  static Result<bool> StillThere(FileReader& files, std::string_view path,
                                 const CsvPosition& position);

 private:
  Result<bool> ReadMore();
  Result<bool> ReadRow();
  Result<bool> SkipLine();
  void Consume(std::size_t bytes, std::int64_t lines);

  FileReader& files_;
  std::string path_;
  CsvParser parser_;  // Its row points into text_.
  CsvPosition here_, next_;
  std::string text_;      // Content from …
  std::size_t used_ = 0;  // … of which this much lies before next_.
  bool at_end_ = false;   // Nothing follows text_.
  bool ended_ = false;
  std::string cut_raw_;
};

}  // namespace segue
