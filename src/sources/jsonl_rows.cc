// Objects as rows: the columns that the source names are looked up in each line, then the row is
// read as a row of CSV is.

#include <algorithm>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"
#include "sources/formula.h"
#include "sources/jsonl.h"

namespace segue {
namespace {

bool IsLetter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool IsCapital(char c) {
  return c >= 'A' && c <= 'Z';
}

bool IsDigitOf(char c) {
  return c >= '0' && c <= '9';
}

class JsonRows final : public JsonLineReader {
 public:
  static Result<std::unique_ptr<JsonLineReader>> Make(const Source& source,
                                                      const Workspace& workspace) {
    std::vector<std::string> columns = NeededColumns(source, workspace);
    const std::vector<std::string_view> header(columns.begin(), columns.end());
    Result<RowReader> reader = RowReader::Make(source, workspace, header);
    if (!reader) {
      return reader.error();
    }
    return std::unique_ptr<JsonLineReader>(new JsonRows(std::move(columns), std::move(*reader)));
  }

  void Take(std::string_view line, std::int64_t number, Batch& batch) const override {
    const RowResult<JsonFields> fields = ParseJsonLine(line);
    if (!fields) {
      ++batch.rows;
      SetAside(fields.error(), line, number, batch);
      return;
    }
    CsvRow row;
    row.raw = line;
    std::optional<RowProblem> problem;
    for (const std::string& column : columns_) {
      const auto found = fields->find(column);
      const RowResult<std::string_view> cell =
          CellOf(found == fields->end() ? nullptr : &found->second, column);
      if (!cell && !problem) {
        problem = cell.error();
      }
      row.fields.push_back(cell ? *cell : std::string_view());
    }
    reader_.Take(row, line, number, batch, std::move(problem));
  }

 private:
  JsonRows(std::vector<std::string> columns, RowReader reader)
      : columns_(std::move(columns)), reader_(std::move(reader)) {}

  // Every column that may be read, once: to the reader, each line has them all.
  static std::vector<std::string> NeededColumns(const Source& source, const Workspace& workspace) {
    std::vector<std::string> columns;
    const auto add = [&](std::string_view name) {
      if (!name.empty() && std::find(columns.begin(), columns.end(), name) == columns.end()) {
        columns.emplace_back(name);
      }
    };
    const auto add_target = [&](const std::string& target) {
      const auto map = std::find_if(source.map.begin(), source.map.end(),
                                    [&](const ColumnMap& one) { return one.target == target; });
      if (map == source.map.end()) {
        add(target);
        return;
      }
      for (const std::string& column : ColumnsOf(map->expression)) {
        add(column);
      }
    };
    add_target(source.emits_account ? workspace.account_key : workspace.customer_key);
    add(source.time_column);
    add(source.version_column);
    add(source.currency_column);
    const Schema& schema = workspace.schema;
    const std::vector<FieldSpec>& fields =
        source.emits_event     ? schema.events[static_cast<std::size_t>(*source.emits_event)].fields
        : source.emits_account ? schema.account_traits
                               : schema.customer_traits;
    for (const FieldSpec& field : fields) {
      add_target(field.name);
    }
    return columns;
  }

  std::vector<std::string> columns_;
  RowReader reader_;
};

}  // namespace

Result<std::unique_ptr<JsonLineReader>> MakeJsonRows(const Source& source,
                                                     const Workspace& workspace) {
  return JsonRows::Make(source, workspace);
}

Result<std::unique_ptr<JsonLineReader>> JsonLineReader::Make(const Source& source,
                                                             const Workspace& workspace) {
  return source.segment_shape() ? MakeSegmentCalls(source, workspace)
                                : MakeJsonRows(source, workspace);
}

std::vector<std::string> ColumnsOf(std::string_view expression) {
  const std::string_view text = Trim(expression);
  const Result<Formula> formula = Formula::Parse(text);
  if (formula && !formula->is_column()) {
    return formula->columns();
  }
  return {std::string(text)};
}

RowResult<std::string_view> CellOf(const JsonField* field, std::string_view name) {
  if (field == nullptr) {
    return std::string_view();
  }
  if (field->kind == JsonField::Kind::kNested) {
    return RowProblem(std::string(name), "the field holds a list or an object, not a value");
  }
  return std::string_view(field->text);
}

std::string SnakeCase(std::string_view name) {
  std::string word;
  bool gap = false;  // A separator stands before the next letter.
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    if (!IsLetter(c) && !IsDigitOf(c)) {
      gap = true;
      continue;
    }
    const bool turn = IsCapital(c) && i > 0 && !IsCapital(name[i - 1]);
    if ((gap || turn) && !word.empty()) {
      word += '_';
    }
    gap = false;
    word += IsCapital(c) ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return word;
}

}  // namespace segue
