// A Record: one stored event, as it arrived (or as its newest version arrived), with what refunds
// took back from it.
//
// Inside the ledger, kinds and fields have numbers of their own that are stored and never change
// (names.h), because the schema's indexes move when a file is edited.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "domain/fact.h"
#include "domain/value.h"

namespace segue {

struct Record {
  Sequence sequence = 0;
  int kind = 0;                // As stored, see StoredNames.
  CustomerIndex customer = 0;  // Whom the fact named: not the survivor of a merge.
  std::int64_t time = 0;
  std::vector<Value>
      fields;  // By stored field; may be shorter than the kind's list, the rest is missing.
  std::optional<std::int64_t> version;
  std::string dedupe;
  bool late = false;
  // Whether active refunds name it, and how much they take back of which stored field.
  bool refunded = false;
  std::vector<std::pair<int, std::int64_t>> refunds;

  const Value& Field(int field) const;

  friend bool operator==(const Record&, const Record&) = default;
};

// Missing is the empty text, whole numbers are written in decimal.
std::string FieldText(const Value& value);

// A row of the journal.
std::string EncodeRecord(const Record& record);
// Nothing when the bytes are damaged.
std::optional<Record> DecodeRecord(Sequence sequence, std::string_view bytes);

}  // namespace segue
