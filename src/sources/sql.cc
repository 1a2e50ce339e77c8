// Rows of a database become rows of text, and are read as rows of CSV are.
//
// The cursor that is stored:
//
//   {"query":"9f3a…","value":"2026-03-01 08:00:00.5+00","type":"timestamptz"}
//
// `query` is a hash of the SELECT and the name of its cursor column: an edited one is read from the
// start, so that rows which it did not give before are found.  So is a column that became another
// type: its old value may lie anywhere among the new ones, or be none.

#include "sources/sql.h"

#include <algorithm>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/hash.h"
#include "base/text.h"
#include "sources/csv.h"

namespace segue {
namespace {

namespace json = boost::json;

std::string QueryHash(const Source& source) {
  std::string text = source.sql.cursor;
  for (const std::string& part : source.sql.query) {
    text += '\0' + part;
  }
  return fmt::format("{:016x}", KeyedHash({}, text));
}

// The row as a line that a person can read.
std::string RawText(const SqlRow& row) {
  std::string raw;
  for (std::size_t i = 0; i < row.values.size(); ++i) {
    raw += i == 0 ? "" : ",";
    raw += row.values[i] ? CsvField(*row.values[i]) : "";
  }
  return raw;
}

}  // namespace

std::optional<Error> SqlPull::Begin(std::string_view cursor) {
  std::optional<SqlPlace> after;
  if (!cursor.empty()) {
    json::error_code problem;
    const json::value stored =
        json::parse(json::string_view(cursor.data(), cursor.size()), problem);
    const json::object* object = problem ? nullptr : stored.if_object();
    const json::value* query = object == nullptr ? nullptr : object->if_contains("query");
    if (query == nullptr || !query->is_string()) {
      return Error(
          "the stored position of this source cannot be read; give the source another "
          "name to read its rows anew");
    }
    const json::value* value = object->if_contains("value");
    if (query->as_string() == QueryHash(source_) && value != nullptr && value->is_string()) {
      const json::value* type = object->if_contains("type");
      after = {std::string(value->as_string()),
               type != nullptr && type->is_string() ? std::string(type->as_string()) : ""};
    }
  }
  Result<std::unique_ptr<SqlRows>> rows = databases_.Open(source_, after);
  if (!rows) {
    return rows.error();
  }
  const std::vector<std::string_view> header((*rows)->columns().begin(), (*rows)->columns().end());
  Result<RowReader> reader = RowReader::Make(source_, workspace_, header);
  if (!reader) {
    return Error(fmt::format("{}: {}", source_.sql.query_path, reader.error().message()));
  }
  reader_.emplace(std::move(*reader));
  rows_ = std::move(*rows);
  type_ = rows_->cursor_type();
  const bool goes_on = after && (after->type.empty() || after->type == type_);
  largest_ = goes_on ? std::optional(after->value) : std::nullopt;
  lacks_ = reader_->Lacks();
  notes_.clear();
  if (lacks_ != LacksIn(cursor)) {
    for (const std::string& lack : lacks_) {
      notes_.push_back(source_.sql.query_path + ": " + lack);
    }
  }
  return std::nullopt;
}

Result<Batch> SqlPull::Next(std::string_view cursor, std::int64_t rows_max) {
  if (rows_ == nullptr) {
    if (const std::optional<Error> error = Begin(cursor)) {
      return *error;
    }
  }
  Result<std::vector<SqlRow>> rows = rows_->Fetch(std::max<std::int64_t>(rows_max, 1));
  if (!rows) {
    rows_.reset();
    return rows.error();
  }
  Batch batch;
  batch.file = source_.sql.query_path;
  for (const SqlRow& row : *rows) {
    Take(row, batch);
  }
  if (const std::optional<Error> error = StoppedBy(source_, batch)) {
    rows_.reset();
    return *error;
  }
  batch.done = rows->empty();
  batch.cursor = CursorText();
  batch.notes = std::exchange(notes_, {});
  if (batch.done) {
    rows_.reset();
  }
  return batch;
}

void SqlPull::Take(const SqlRow& row, Batch& batch) {
  const std::string raw = RawText(row);
  std::optional<RowProblem> problem;
  if (!source_.sql.cursor.empty() && !row.cursor) {
    problem = RowProblem(source_.sql.cursor,
                         "the cursor column is empty: the row would not be seen "
                         "again when it changes");
  }
  CsvRow cells;
  cells.raw = raw;
  for (const std::optional<std::string>& value : row.values) {
    cells.fields.push_back(value ? std::string_view(*value) : std::string_view(""));
  }
  reader_->Take(cells, raw, 0, batch, std::move(problem));
  if (row.is_newer && row.cursor) {
    largest_ = row.cursor;
  }
}

std::string SqlPull::CursorText() const {
  json::object object{{"query", QueryHash(source_)}};
  if (largest_) {
    object["value"] = *largest_;
    object["type"] = type_;
  }
  if (!lacks_.empty()) {
    object["lacks"] = json::value_from(lacks_);
  }
  return json::serialize(object);
}

}  // namespace segue
