// Turns the rows of one file into facts: which column fills which field, and how each text is read.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/system/result.hpp>

#include "base/result.h"
#include "config/definitions.h"
#include "domain/schema.h"
#include "sources/csv.h"
#include "sources/formula.h"
#include "sources/source.h"

namespace segue {

// Of a text in a reason.
constexpr std::size_t kCellShownMax = 60;

// Why a row is set aside.  Not an aggregate, see Error.
class RowProblem {
 public:
  RowProblem() = default;

  RowProblem(std::string column, std::string reason)
      : column_(std::move(column)), reason_(std::move(reason)) {}

  const std::string& column() const { return column_; }  // Empty: the row as a whole.

  const std::string& reason() const { return reason_; }

 private:
  std::string column_, reason_;
};

template <typename T>
using RowResult = boost::system::result<T, RowProblem>;

[[noreturn]] inline void throw_exception_from_error(const RowProblem& problem,
                                                    const boost::source_location& /*where*/) {
  throw std::logic_error(problem.reason());
}

// A key is an id, a number or an address; RFC 5321 allows addresses of 254 bytes.
constexpr std::size_t kCustomerKeyBytesMax = 256;

// Adds a row that cannot be read to the batch's bad ones; `raw` as it stands in the file.
void SetAside(const RowProblem& problem, std::string_view raw, std::int64_t line, Batch& batch);

// What `bad_rows: stop` makes of a batch that was read from something which is no file.
std::optional<Error> StoppedBy(const Source& source, const Batch& batch);

class RowReader {
 public:
  // Finds the columns in the header.  Requires: source and workspace outlive it.
  // Error: a column that the source needs and the header lacks, with the nearest name.
  static Result<RowReader> Make(const Source& source, const Workspace& workspace,
                                std::span<const std::string_view> header);

  // What is declared and stays missing for want of a column, in words: every field of an event, and
  // of the traits, which may well come from elsewhere, consent and those that seem misspelt.
  std::vector<std::string> Lacks() const;

  // Adds the row to the batch: as facts, as anonymous, or as bad.  `raw` is the row as it stands in
  // the file.  A field whose data() is null is one that the row does not have (lines of JSON),
  // other than one that is empty: it leaves a trait as it is.  `problem`: what is wrong with the
  // row already; it is bad then, and the field in question one that it does not have.
  void Take(const CsvRow& row, std::string_view raw, std::int64_t line, Batch& batch,
            std::optional<RowProblem> problem = std::nullopt) const;

 private:
  // Where a field's text comes from.  Neither column nor formula: from nowhere, it is always
  // missing.
  struct Input {
    const FieldSpec* field = nullptr;
    int index = 0;  // Of the trait or field in the schema.
    std::optional<std::size_t> column;
    std::optional<Formula> formula;            // Arithmetic …
    std::vector<std::size_t> formula_columns;  // … of these.
    std::string text;                          // As it is named to people.
    bool is_consent = false;
  };

  struct Typed {
    Value value;
    bool rounded = false;
    bool converted = false;
  };

  // What is counted of the values of one row.
  struct Counts {
    std::int64_t rounded = 0, converted = 0;

    void Add(const Typed& typed) {
      rounded += typed.rounded ? 1 : 0;
      converted += typed.converted ? 1 : 0;
    }

    void AddTo(Batch& batch) const {
      batch.rounded += rounded;
      batch.converted += converted;
    }
  };

  using Fields = std::span<const std::string_view>;

  RowReader(const Source& source, const Workspace& workspace)
      : source_(source), workspace_(workspace) {}

  std::optional<Error> FindColumns();
  std::optional<Error> FindInputs(const std::vector<FieldSpec>& fields);
  std::optional<Error> FindCurrency();
  std::optional<Error> FindDedupe(const EventSpec& event);
  std::optional<Error> CheckMapTargets(const std::vector<FieldSpec>& fields) const;
  Result<Input> FindInput(const ColumnMap& map, const FieldSpec& field) const;
  std::string_view Header() const;
  Result<std::size_t> FindColumn(std::string_view name, std::string_view wanted_by) const;
  std::optional<std::size_t> FindHeader(std::string_view name) const;
  const ColumnMap* FindMap(std::string_view target) const;

  std::optional<RowProblem> CheckShape(const CsvRow& row) const;
  static bool Says(const Input& input, Fields fields);
  RowResult<bool> ReadRow(Fields fields, Batch& batch) const;
  RowResult<bool> ReadEvent(Fields fields, std::string_view customer, TimePoint time,
                            Batch& batch) const;
  RowResult<bool> ReadEventRow(Fields fields, std::string_view customer, TimePoint time,
                               Batch& batch) const;
  void Shape(EventRows& rows) const;
  RowResult<bool> ReadTraits(Fields fields, std::string_view customer, TimePoint time,
                             Batch& batch) const;
  void KeepRefusals(const CsvRow& row, Batch& batch) const;
  RowResult<Typed> ReadValue(const Input& input, Fields fields, TimePoint time, Batch& batch) const;
  RowResult<Typed> ReadMoney(const Input& input, Fields fields, TimePoint time, Batch& batch) const;
  RowResult<Typed> Convert(const Input& input, Fields fields, const RateDay& when,
                           Batch& batch) const;
  RowResult<Typed> ReadNumber(const Input& input, Fields fields, int decimals) const;
  RowResult<std::optional<Fraction>> ReadFraction(const Input& input, Fields fields) const;
  RowResult<std::optional<std::int64_t>> ReadVersion(Fields fields) const;

  const Source& source_;
  const Workspace& workspace_;
  std::vector<std::string> header_;
  std::size_t customer_ = 0;
  std::size_t time_ = 0;
  std::optional<std::size_t> currency_;
  std::optional<std::size_t> version_;
  std::string_view subject_;   // Whose fields these are, for people: "order_placed".
  std::vector<Input> inputs_;  // For events: one per field, in the order of the schema.
  std::vector<int> dedupe_;    // See DedupeText.
  std::string dedupe_column_;  // The first of them, as it is named to people.
};

}  // namespace segue
