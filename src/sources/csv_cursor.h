// How far a source has read each of its files: the cursor that the pipeline stores beside the
// facts.
//
//   {"files":[{"path":"inbox/a.csv","bytes":812,"changed":1774497600000000,"at":812,"line":9,"fingerprint":"…",
//              "done":true}, …]}
//
// `waits` in place of `done`: a last line without a line end is left.  A file that is being read
// also has its header row as text, and `checked` where all of it was found to be good.

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sources/csv_stream.h"
#include "sources/source.h"

namespace segue {

struct FileState {
  std::string path;
  std::uint64_t bytes = 0;  // The file as it was when it was last looked at.
  std::int64_t changed = 0;
  CsvPosition position;  // Of the next row.
  bool done = false;     // Read to its end, as it was then.
  bool waits = false;    // All is read but a last line without an end, from `position` on.
  bool checked = false;  // The rest of it has no bad row (`bad_rows: stop`).
  std::string header;    // Empty before it is read and when done.

  bool IsSameFile(const FileReader::Info& info) const {
    return bytes == info.bytes && changed == info.changed;
  }
};

class CsvCursor {
 public:
  // Error: not a text that ToText wrote.
  static Result<CsvCursor> FromText(std::string_view text);
  std::string ToText() const;

  // Forgets files that are no longer there, adds those that are new, and sorts as the listing is.
  void Follow(std::span<const FileReader::Info> listing);

  // One per file of the listing, in its order.
  std::vector<FileState>& files() { return files_; }

  // RowReader::Lacks of the file whose header was read last: said once for files that are alike.
  std::vector<std::string>& lacks() { return lacks_; }

 private:
  std::vector<FileState> files_;
  std::vector<std::string> lacks_;
};

}  // namespace segue
