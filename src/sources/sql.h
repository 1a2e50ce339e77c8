// Rows of a database: what a source of type sql reads, through an interface that does the I/O.
//
// A reading is one SELECT in one snapshot.  It begins a little before the largest cursor value that
// was seen (the overlap), because rows come into sight in another order than their values were
// given out; the ledger knows what it has, so what is read again counts once.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/definitions.h"
#include "sources/csv_row.h"
#include "sources/source.h"

namespace segue {

struct SqlRow {
  std::vector<std::optional<std::string>> values;  // As the database prints them; nothing for NULL.
  // The value of the cursor column, not beyond the database's own now; nothing for NULL.
  std::optional<std::string> cursor;
  bool is_newer = false;  // It is larger than the value that the reading began with.
};

// How far a source was read.
struct SqlPlace {
  std::string value;  // The largest one of the cursor column that was seen.
  std::string type;   // What the column held then; empty: not known.
};

// An open reading.
class SqlRows {
 public:
  virtual ~SqlRows() = default;
  // Names, in the order of SqlRow::values.
  virtual const std::vector<std::string>& columns() const = 0;
  // What the cursor column holds, by a name that another kind of value does not have.
  virtual std::string_view cursor_type() const = 0;
  // Up to `most` rows, in the order of the cursor column; none at the end.
  virtual Result<std::vector<SqlRow>> Fetch(std::int64_t most) = 0;
};

class SqlReader {
 public:
  virtual ~SqlReader() = default;
  // Begins a reading.  `after`: less the overlap it is where the reading begins; nothing, or of
  // another type than the column has now: with the first row.  Error: in words for people, without
  // a secret.
  virtual Result<std::unique_ptr<SqlRows>> Open(const Source& source,
                                                const std::optional<SqlPlace>& after) = 0;
};

// One source's rows as batches.
class SqlPull {
 public:
  // Requires: all outlive it.
  SqlPull(const Source& source, const Workspace& workspace, SqlReader& databases)
      : source_(source), workspace_(workspace), databases_(databases) {}

  // As PullCsv.  The first call begins the reading; the cursor that it is given counts only then.
  Result<Batch> Next(std::string_view cursor, std::int64_t rows_max);

 private:
  std::optional<Error> Begin(std::string_view cursor);
  void Take(const SqlRow& row, Batch& batch);
  std::string CursorText() const;

  const Source& source_;
  const Workspace& workspace_;
  SqlReader& databases_;
  std::unique_ptr<SqlRows> rows_;
  std::optional<RowReader> reader_;
  std::optional<std::string> largest_;
  std::string type_;                        // Of the cursor column.
  std::vector<std::string> lacks_, notes_;  // RowReader::Lacks; what is not said yet.
};

}  // namespace segue
