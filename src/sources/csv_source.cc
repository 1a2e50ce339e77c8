// PullFiles: picks the next file of a drop folder that has something to read, and reads a batch of
// it.  Files of CSV begin with a header, files of JSON lines with their first line.

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/text.h"
#include "sources/csv.h"
#include "sources/csv_cursor.h"
#include "sources/csv_row.h"
#include "sources/csv_stream.h"
#include "sources/jsonl.h"
#include "sources/reading.h"
#include "sources/source.h"

namespace segue {
namespace {

// A batch is one transaction: even of very long rows it takes no more than this.
constexpr std::uint64_t kBatchBytesMax = 32 * 1024 * 1024;
// The header is kept in the cursor while its file is read.
constexpr std::size_t kHeaderBytesMax = 64 * 1024;
constexpr std::int64_t kCheckedRowsAtOnce = 1'000;
// A folder of thousands that are all wrong is one mistake.
constexpr std::size_t kRefusedNamedMax = 20;

// The file and what is wrong with it; errors of the reader name it themselves.
std::string InFile(std::string_view path, const Error& error) {
  return error.message().starts_with(path) ? error.message()
                                           : fmt::format("{}: {}", path, error.message());
}

Error AllRefused(const FileLook& look) {
  std::string text;
  std::size_t named = 0;
  for (const auto& [path, why] : look.refused) {
    if (named == kRefusedNamedMax) {
      text += fmt::format("; and {} more files", look.refused.size() - named);
      break;
    }
    text += (named++ == 0 ? "" : "; ") + why;
  }
  return Error(text);
}

bool IsUtf16(std::string_view text) {
  return text.substr(0, 2) == "\xFF\xFE" || text.substr(0, 2) == "\xFE\xFF";
}

// What can be said of a file of JSON lines by its first line; all others are read one by one.
std::optional<Error> CheckFirstLine(std::string_view line) {
  if (IsUtf16(line)) {
    return Error("the file is UTF-16 text; save it as UTF-8");
  }
  if (Trim(line).substr(0, 1) == "[") {
    return Error("the file is a list of JSON; write one object on each line");
  }
  return std::nullopt;
}

std::optional<Error> CheckHeader(const CsvStream& stream) {
  const std::string_view raw = stream.raw();
  if (IsUtf16(raw)) {
    return Error("the file is UTF-16 text; save it as UTF-8");
  }
  if (raw.find('\0') != std::string_view::npos || !IsUtf8(raw)) {
    return Error("the file is not a text file in UTF-8");
  }
  if (!stream.row().problem.empty()) {
    return Error(fmt::format("the header cannot be read: {}", stream.row().problem));
  }
  if (raw.size() > kHeaderBytesMax) {
    return Error(fmt::format("the header is longer than {} KB", kHeaderBytesMax / 1024));
  }
  if (raw.find('\r') != std::string_view::npos) {
    return Error("the lines end in a bare carriage return; save the file with LF or CRLF");
  }
  return std::nullopt;
}

using Taker = std::function<void(const CsvStream& stream, Batch& batch)>;

// Reads one file on from its state, and brings the state forward.
class FilePull {
 public:
  // `lines`: null for CSV.  Requires: all outlive it.
  FilePull(const Source& source, const Workspace& workspace, FileReader& files,
           const JsonLineReader* lines, const FileLook& look)
      : source_(source), workspace_(workspace), files_(files), lines_(lines), look_(look) {}

  // Adds to the batch.  True: it came forward.  On an error the state is of no use any more.
  Result<bool> Pull(const FileReader::Info& info, std::int64_t rows_max, FileState& state,
                    Batch& batch);

  // What the file lacks whose header was read with the last Pull; nothing when none was.
  const std::optional<std::vector<std::string>>& lacks() const { return lacks_; }

  // Nothing of the file is left for this look.
  bool IsRead(const FileReader::Info& info, const FileState& state) const {
    return state.IsSameFile(info) && (state.done || (state.waits && !TakesRest(state)));
  }

 private:
  std::optional<Error> Notice(const FileReader::Info& info, FileState& state);
  Result<bool> ReadHeader(FileState& state);
  Result<bool> PullCells(std::int64_t rows_max, FileState& state, Batch& batch);
  std::optional<Error> PullLines(std::int64_t rows_max, FileState& state, Batch& batch);
  std::optional<Error> TakeRows(const Taker& take, std::int64_t rows_max, FileState& state,
                                Batch& batch);
  std::optional<Error> CheckRest(const Taker& take, const FileState& state);
  std::optional<Error> ReadRows(const Taker& take, bool takes_rest, std::int64_t rows_max,
                                FileState& state, Batch& batch);

  // Whether a last line without a line end is read as it stands: nobody is writing it any more.
  bool TakesRest(const FileState& state) const {
    // What is pushed in is written by us: half a line is being written, or nobody was told of it.
    return look_.whole || IsPackedFile(state.path) ||
           (state.waits && !source_.pushed() && look_.settled.contains(state.path));
  }

  CsvParser::Mode mode() const {
    return lines_ == nullptr ? CsvParser::Mode::kCells : CsvParser::Mode::kLines;
  }

  const Source& source_;
  const Workspace& workspace_;
  FileReader& files_;
  const JsonLineReader* lines_;
  const FileLook& look_;
  std::optional<std::vector<std::string>> lacks_;
};

// The file is new, grew, was replaced, or is as it was.
std::optional<Error> FilePull::Notice(const FileReader::Info& info, FileState& state) {
  const bool is_same = state.IsSameFile(info);
  // What lies before the damage of a packed file looks as good as ever, and what lies behind may.
  if (IsPackedFile(info.path) && (!is_same || state.position == CsvPosition())) {
    if (std::optional<Error> damaged = files_.CheckWhole(info.path)) {
      return damaged;
    }
  }
  if (is_same) {
    return std::nullopt;
  }
  // To what is pushed in we ourselves do nothing but append, a line at a time and all day long.
  const Result<bool> grew = source_.pushed()
                                ? Result<bool>(info.bytes >= state.position.at)
                                : CsvStream::StillThere(files_, info.path, state.position);
  if (!grew) {
    return grew.error();
  }
  state = {.path = info.path,
           .bytes = info.bytes,
           .changed = info.changed,
           .position = *grew ? state.position : CsvPosition(),
           .done = false,
           .waits = false,
           .checked = false,
           .header = *grew ? state.header : std::string()};
  return std::nullopt;
}

// False: there is no header yet, or nothing behind it.
Result<bool> FilePull::ReadHeader(FileState& state) {
  CsvStream stream(files_, state.path, {});
  const Result<bool> found = stream.Next();
  if (!found) {
    return found.error();
  }
  if (!*found) {
    return false;
  }
  if (const std::optional<Error> error = CheckHeader(stream)) {
    return *error;
  }
  state.header = stream.raw();
  if (stream.ended() && state.position.at == 0) {
    state.position = stream.next();
  }
  return stream.ended();
}

Result<bool> FilePull::Pull(const FileReader::Info& info, std::int64_t rows_max, FileState& state,
                            Batch& batch) {
  const CsvPosition before = state.IsSameFile(info) ? state.position : CsvPosition();
  const bool waited = state.IsSameFile(info) && state.waits;
  lacks_.reset();
  if (const std::optional<Error> error = Notice(info, state)) {
    return *error;
  }
  if (lines_ == nullptr) {
    const Result<bool> has_rows = PullCells(rows_max, state, batch);
    if (!has_rows) {
      return has_rows.error();
    }
    state.done = state.done || !*has_rows;
  } else if (std::optional<Error> error = PullLines(rows_max, state, batch)) {
    return *error;
  }
  if (state.done || state.waits) {
    state.header.clear();
    state.checked = false;
  }
  batch.bytes_all = info.bytes;
  batch.bytes_done = state.done ? info.bytes : std::min(state.position.at, info.bytes);
  return batch.rows > 0 || (!state.done && state.position != before) || (state.waits && !waited);
}

// False: the file has no rows yet.
Result<bool> FilePull::PullCells(std::int64_t rows_max, FileState& state, Batch& batch) {
  bool has_rows = true;
  const bool begins = state.position.at == 0;
  if (state.header.empty()) {
    const Result<bool> header = ReadHeader(state);
    if (!header) {
      return header.error();
    }
    has_rows = *header;
  }
  if (state.header.empty()) {
    return has_rows;
  }
  CsvParser parser;
  parser.Next(state.header, true);
  const Result<RowReader> reader = RowReader::Make(source_, workspace_, parser.row().fields);
  if (!reader) {
    return reader.error();
  }
  if (begins) {
    lacks_ = reader->Lacks();
  }
  const Taker take = [&](const CsvStream& stream, Batch& into) {
    reader->Take(stream.row(), stream.raw(), stream.here().line, into);
  };
  std::optional<Error> error;
  if (has_rows) {
    error = TakeRows(take, rows_max, state, batch);
  }
  return error ? Result<bool>(*error) : Result<bool>(has_rows);
}

std::optional<Error> FilePull::PullLines(std::int64_t rows_max, FileState& state, Batch& batch) {
  if (state.position.at == 0) {
    CsvStream stream(files_, state.path, {}, mode());
    const Result<bool> found = stream.Next();
    std::optional<Error> error;
    if (!found) {
      error = found.error();
    } else if (*found) {
      error = CheckFirstLine(stream.raw());
    }
    if (error) {
      return error;
    }
  }
  const Taker take = [&](const CsvStream& stream, Batch& into) {
    if (stream.row().problem.empty()) {
      lines_->Take(stream.raw(), stream.here().line, into);
      return;
    }
    ++into.rows;
    SetAside(RowProblem("", std::string(stream.row().problem)), stream.raw(), stream.here().line,
             into);
  };
  return TakeRows(take, rows_max, state, batch);
}

std::optional<Error> FilePull::TakeRows(const Taker& take, std::int64_t rows_max, FileState& state,
                                        Batch& batch) {
  if (source_.stop_on_bad_rows && !state.checked) {
    std::optional<Error> error = CheckRest(take, state);
    state.checked = true;
    if (error) {
      return error;
    }
  }
  return ReadRows(take, TakesRest(state), rows_max, state, batch);
}

// With `bad_rows: stop` the file is read twice, so that nothing of it is taken in when one row is
// bad.
std::optional<Error> FilePull::CheckRest(const Taker& take, const FileState& state) {
  FileState trial = state;
  while (!trial.done) {
    Batch batch;
    if (std::optional<Error> error = ReadRows(take, true, kCheckedRowsAtOnce, trial, batch)) {
      return error;
    }
    if (!batch.bad.empty()) {
      const BadRow& bad = batch.bad.front();
      return Error(fmt::format("line {}{}{}: {}; nothing of the file is taken in (bad_rows: stop)",
                               bad.line, bad.column.empty() ? "" : ", column ", bad.column,
                               bad.reason));
    }
  }
  return std::nullopt;
}

std::optional<Error> FilePull::ReadRows(const Taker& take, bool takes_rest, std::int64_t rows_max,
                                        FileState& state, Batch& batch) {
  CsvStream stream(files_, state.path, state.position, mode());
  const std::uint64_t begin = state.position.at;
  while (batch.rows < rows_max && stream.next().at - begin < kBatchBytesMax) {
    const Result<bool> more = stream.Next();
    if (!more) {
      return more.error();
    }
    if (!*more) {
      state.done = true;
      break;
    }
    if (!stream.ended()) {
      // Perhaps only half of it is written yet.  Should the file grow after all, the row is read
      // again as a whole.
      state.position = stream.here();
      state.done = takes_rest;
      state.waits = !takes_rest;
      if (takes_rest) {
        take(stream, batch);
      } else {
        batch.notes.push_back(fmt::format(
            "{}: line {} has no line end yet; it is read at the next look, if the file is then as "
            "it is now",
            state.path, stream.here().line));
      }
      return std::nullopt;
    }
    take(stream, batch);
  }
  state.position = stream.next();
  return std::nullopt;
}

}  // namespace

Result<Batch> PullCsv(const Source& source, const Workspace& workspace, FileReader& files,
                      std::string_view cursor, std::int64_t rows_max) {
  FileLook look;
  return PullFiles(source, workspace, files, nullptr, cursor, rows_max, false, look);
}

Result<Batch> PullFiles(const Source& source, const Workspace& workspace, FileReader& files,
                        const JsonLineReader* lines, std::string_view cursor_text,
                        std::int64_t rows_max, bool columns, FileLook& look) {
  Result<CsvCursor> cursor = CsvCursor::FromText(cursor_text);
  if (!cursor) {
    return cursor.error();
  }
  std::vector<FileReader::Info> listing = files.List(source.path);
  if (source.pushed() && listing.size() == 1 && listing.front().no_folder) {
    listing.clear();  // Nobody has pushed anything yet.
  }
  if (listing.empty() && source.path.find_first_of("*?") == std::string::npos) {
    return Error(fmt::format("{}: there is no such file below the state folder", source.path));
  }
  cursor->Follow(listing);
  for (std::size_t k = 0; k < listing.size() && !look.begun; ++k) {
    if (cursor->files()[k].waits && cursor->files()[k].IsSameFile(listing[k])) {
      look.settled.insert(listing[k].path);
    }
  }
  look.begun = true;

  FilePull pull(source, workspace, files, lines, look);
  Batch batch;
  bool came_forward = false;
  std::vector<std::string> notes;
  std::size_t i = 0;
  for (; i < listing.size() && !came_forward; ++i) {
    FileState& state = cursor->files()[i];
    if (pull.IsRead(listing[i], state) || look.refused.contains(listing[i].path)) {
      continue;
    }
    const FileState before = state;
    batch = Batch();
    batch.file = listing[i].path;
    if (columns && lines == nullptr && source.emits_event && !source.dedupe.empty()) {
      batch.events = std::make_shared<EventRows>();
    }
    const Result<bool> read =
        pull.Pull(listing[i], std::max<std::int64_t>(rows_max, 1), state, batch);
    if (!read) {
      look.refused.emplace(listing[i].path, InFile(listing[i].path, read.error()));
      state = before;
      batch = Batch();
      continue;
    }
    notes.insert(notes.end(), batch.notes.begin(), batch.notes.end());
    if (pull.lacks() && *pull.lacks() != cursor->lacks()) {
      cursor->lacks() = *pull.lacks();
      for (const std::string& lack : cursor->lacks()) {
        notes.push_back(listing[i].path + ": " + lack);
      }
    }
    came_forward = *read;
  }
  // Refused files do not keep the others from being read: their error comes when they are.
  if (!came_forward && !look.refused.empty()) {
    return AllRefused(look);
  }
  batch.notes = std::move(notes);
  batch.done = true;
  for (std::size_t k = 0; k < listing.size(); ++k) {
    batch.done = batch.done && pull.IsRead(listing[k], cursor->files()[k]);
  }
  batch.cursor = cursor->ToText();
  return batch;
}

std::string FormatQuarantine(std::span<const BadRow> rows) {
  std::string text = "file,line,column,reason,row\n";
  for (const BadRow& row : rows) {
    text += fmt::format("{},{},{},{},{}\n", CsvField(row.file), row.line, CsvField(row.column),
                        CsvField(row.reason), CsvField(row.raw));
  }
  return text;
}

}  // namespace segue
