// A Reading takes one source from its stored cursor to its end, batch after batch, whatever its
// type: what the pipeline calls.
//
//   Reading reading(source, workspace, &files, &databases);
//   do { batch = reading.Next(cursor, 5000); … store batch and cursor … } while (!batch.done);

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/result.h"
#include "config/definitions.h"
#include "sources/exports.h"
#include "sources/jsonl.h"
#include "sources/source.h"
#include "sources/sql.h"

namespace segue {

// What one look at the files of a source keeps between its batches.
struct FileLook {
  bool whole = false;  // Nothing will follow: a last line without a line end is read as it stands.
  bool begun = false;
  std::set<std::string> settled;               // Whose last line waited since an earlier look.
  std::map<std::string, std::string> refused;  // Path to why.
};

// As PullCsv, of lines that `lines` reads where it is not null.  `columns`: events come as
// Batch::events where that can be: from CSV, by a source that says what makes two of them the same.
Result<Batch> PullFiles(const Source& source, const Workspace& workspace, FileReader& files,
                        const JsonLineReader* lines, std::string_view cursor, std::int64_t rows_max,
                        bool columns, FileLook& look);

class Reading {
 public:
  // Each reader may be null: then its sources are an error.  `whole`: see FileLook.
  // Requires: all outlive it.
  Reading(const Source& source, const Workspace& workspace, FileReader* files, SqlReader* databases,
          bool whole = false, HttpReader* web = nullptr)
      : source_(source),
        workspace_(workspace),
        files_(files),
        databases_(databases),
        web_(web),
        look_{.whole = whole, .begun = false, .settled = {}, .refused = {}} {}

  // Reads on from `cursor` (empty: from the start), about `rows_max` rows.
  // `columns`: see PullFiles.
  Result<Batch> Next(std::string_view cursor, std::int64_t rows_max, bool columns = false);

 private:
  const Source& source_;
  const Workspace& workspace_;
  FileReader* files_;
  SqlReader* databases_;
  HttpReader* web_;
  FileLook look_;
  std::unique_ptr<JsonLineReader> lines_;
  std::optional<SqlPull> rows_;
  std::optional<ExportPull> export_;
};

}  // namespace segue
