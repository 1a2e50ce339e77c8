// A Source reads facts from outside, a batch at a time, and can go on exactly where it stopped.
//
// It does no I/O of its own: files come through a FileReader.  Its cursor is text that the pipeline
// stores in the same transaction as the facts, so a crash neither loses nor doubles a row.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/definitions.h"
#include "domain/event_rows.h"
#include "domain/fact.h"

namespace segue {

// Files below the state folder.  A *.gz file reads as its content.
class FileReader {
 public:
  virtual ~FileReader() = default;

  struct Info {
    std::string path;          // Relative to the state folder.
    std::uint64_t bytes = 0;   // On disk.
    std::int64_t changed = 0;  // Modification time, microseconds.
    bool no_folder = false;    // A pattern whose folder is not there.
  };

  // Files that match the pattern (`*` and `?` in the last part), sorted by path.  What matches and
  // cannot be read is among them, and so is the pattern itself where its folder cannot be listed:
  // reading it says why.
  virtual std::vector<Info> List(std::string_view pattern) = 0;
  // Up to `most` bytes of (uncompressed) content from `offset`; empty at the end.
  virtual Result<std::string> Read(std::string_view path, std::uint64_t offset,
                                   std::size_t most) = 0;

  // Reads a *.gz file to its end, where its checksum stands; of other files nothing is known.
  // Error: it is damaged, or not all of it is there.
  virtual std::optional<Error> CheckWhole(std::string_view /*path*/) { return std::nullopt; }
};

bool IsPackedFile(std::string_view path);  // *.gz

// The machine's files, below `root`.
std::unique_ptr<FileReader> MakeDiskReader(std::string root);

struct BadRow {
  std::string file;
  std::int64_t line = 0;  // Of the file, from 1; the header is line 1.
  std::string column;     // Name of the column; empty when it is the row as a whole.
  std::string reason;
  std::string raw;  // The row as it stands in the file, cut at 4 KB.
};

struct Batch {
  std::vector<Fact> facts;
  // The events of a long import, where they were asked for as columns; null otherwise.
  std::shared_ptr<EventRows> events;
  std::vector<std::int64_t> lines;  // Of each fact or event, where they stand.
  std::vector<BadRow> bad;
  std::vector<std::string> notes;               // What somebody should know, in words.
  std::int64_t rows = 0;                        // Rows read, good, bad and anonymous.
  std::int64_t anonymous = 0;                   // Rows without a customer.
  std::int64_t rounded = 0;                     // Amounts finer than a minor unit.
  std::int64_t converted = 0;                   // Amounts in other currencies.
  std::map<RateDay, ExchangeRate> rates;        // What they were converted with.
  std::vector<RateDay> row_rates;               // Those that the row being read added.
  std::int64_t ignored = 0;                     // Lines about nothing that the workspace names.
  std::string cursor;                           // To go on from here.
  bool done = false;                            // Nothing more to read now.
  std::string file;                             // The file that this batch came from.
  std::uint64_t bytes_done = 0, bytes_all = 0;  // Of that file, for progress.
};

// Reads on from `cursor` (empty: from the start), about `rows_max` rows.
// Error: the file lacks a column, is not text, …: nothing of it is taken in.
Result<Batch> PullCsv(const Source& source, const Workspace& workspace, FileReader& files,
                      std::string_view cursor, std::int64_t rows_max);

// What the newest rows lack, in words, that the source was expected to give: by its cursor.
std::vector<std::string> LacksIn(std::string_view cursor);

// The rows that were set aside, as a CSV file that a person can open: file, line, column, reason
// and the row as it stood.
std::string FormatQuarantine(std::span<const BadRow> rows);

}  // namespace segue
