// Lines of JSON as sources have them: one object on each line, read either as a row of named
// columns or as a call in the Segment shape (docs/sources.md).
//
// Numbers are kept as they are written and never pass through a double, so that 0.1 EUR is ten
// cents and an id of twenty digits stays what it is.

#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/definitions.h"
#include "sources/csv_row.h"
#include "sources/source.h"

namespace segue {

// A line is at most kCsvRowBytesMax (1 MB) long: Segment takes 32 KB a call, exporters of nested
// documents a few hundred.
// Calls nest a handful of levels; each open one costs memory while hostile text opens them.
constexpr std::size_t kJsonDepthMax = 32;
// Values of one line.  Ten times what a wide product export has.
constexpr std::size_t kJsonFieldsMax = 4096;
// Of a name with those that it stands in.  No column, property or trait is called anything longer,
// and what is longer is not kept: names within names would else take the square of a line.
constexpr std::size_t kJsonPathBytesMax = 256;
// Exponents are written out; past this many digits a number is none of ours.
constexpr int kJsonExponentMax = 60;

struct JsonField {
  enum class Kind : std::uint8_t { kText, kNumber, kYesNo, kNull, kNested };

  Kind kind = Kind::kNull;
  std::string text;  // As columns of other sources would have it: "12.50", "true"; empty for null.
};

// The values of one object by their path: {"a": {"b": 1}} has `a` (nested) and `a.b`.  What stands
// in lists is checked and not kept.
using JsonFields = std::map<std::string, JsonField, std::less<>>;

// Error: not one JSON object, or beyond a limit.  RowProblem::column is the field where it was
// found.
RowResult<JsonFields> ParseJsonLine(std::string_view line);

// How a line says what a track call in the Segment shape says.
struct CallShape {
  std::string_view properties = "properties.";  // Before the names of the event's fields.
  // Puts the other fields where that shape has them; null: they stand there.
  RowResult<bool> (*translate)(JsonFields& fields, const Source& source) = nullptr;
};

// Reads the lines of one source.  Each adds to the batch: facts, an anonymous or ignored line, or a
// bad row.
class JsonLineReader {
 public:
  virtual ~JsonLineReader() = default;
  virtual void Take(std::string_view line, std::int64_t number, Batch& batch) const = 0;

  // Requires: source and workspace outlive it.  Error: `map` and `dedupe` do not fit the workspace.
  static Result<std::unique_ptr<JsonLineReader>> Make(const Source& source,
                                                      const Workspace& workspace);
};

// One object is one row: `emits`, `time` and `map` as for CSV.
Result<std::unique_ptr<JsonLineReader>> MakeJsonRows(const Source& source,
                                                     const Workspace& workspace);
// track, identify, group, alias, page and screen.
Result<std::unique_ptr<JsonLineReader>> MakeSegmentCalls(const Source& source,
                                                         const Workspace& workspace,
                                                         const CallShape& shape = {});

// The columns that the right side of `map` names.
std::vector<std::string> ColumnsOf(std::string_view expression);

// The field as a cell of a row.  A cell whose data() is null is one that the line does not have.
// Error: a list or an object.
RowResult<std::string_view> CellOf(const JsonField* field, std::string_view name);

// "Order Placed", "orderPlaced" and "order-placed" are all order_placed: letters become small ones,
// a large one behind a small one or a digit begins a new word, and whatever is neither letter nor
// digit separates words.
std::string SnakeCase(std::string_view name);

}  // namespace segue
