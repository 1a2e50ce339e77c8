// EventRows: many events of one kind as columns, on their way from a file into the ledger, so that
// a row of a long import is no object with texts of its own.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "domain/fact.h"

namespace segue {

// Texts one after another.
class TextRows {
 public:
  void Add(std::string_view text) {
    bytes_.append(text);
    ends_.push_back(bytes_.size());
  }

  std::string_view operator[](std::size_t row) const {
    const std::size_t begin = row == 0 ? 0 : ends_[row - 1];
    // Never null, also where nothing was added but empty texts.
    return {bytes_.c_str() + begin, ends_[row] - begin};
  }

  std::size_t size() const { return ends_.size(); }

  void Truncate(std::size_t rows) {
    if (rows < ends_.size()) {
      ends_.resize(rows);
      bytes_.resize(rows == 0 ? 0 : ends_.back());
    }
  }

 private:
  std::string bytes_;
  std::vector<std::size_t> ends_;
};

struct EventRows {
  // Of a field in all rows: numbers or texts, by its type.
  struct Field {
    bool is_text = false;
    std::vector<std::int64_t> numbers;
    TextRows texts;
    std::vector<std::uint8_t> present;
  };

  int kind = 0;             // Index into Schema::events.
  std::vector<int> dedupe;  // What makes the dedupe text, see DedupeText; never empty.
  TextRows customers;
  std::vector<std::int64_t> times;  // Microseconds.
  std::vector<Field> fields;        // One per field of the kind.
  std::vector<std::int64_t> versions;
  std::vector<std::uint8_t> has_version;

  std::size_t size() const { return times.size(); }

  // Takes away what a row that turned out to be bad left behind.
  void Truncate(std::size_t rows);

  Value FieldAt(std::size_t field, std::size_t row) const;
  // The dedupe text: a view of a field where it is one, else composed in `room`.
  std::string_view DedupeAt(std::size_t row, std::string& room) const;
  Event At(std::size_t row) const;
};

}  // namespace segue
