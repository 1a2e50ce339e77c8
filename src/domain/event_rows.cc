// Rows of columns as events.

#include "domain/event_rows.h"

#include <algorithm>

#include "domain/dedupe.h"

namespace segue {

void EventRows::Truncate(std::size_t rows) {
  customers.Truncate(rows);
  times.resize(std::min(rows, times.size()));
  for (Field& field : fields) {
    field.numbers.resize(std::min(rows, field.numbers.size()));
    field.texts.Truncate(rows);
    field.present.resize(std::min(rows, field.present.size()));
  }
  versions.resize(std::min(rows, versions.size()));
  has_version.resize(std::min(rows, has_version.size()));
}

Value EventRows::FieldAt(std::size_t field, std::size_t row) const {
  const Field& column = fields[field];
  if (column.present[row] == 0) {
    return {};
  }
  return column.is_text ? Value(std::string(column.texts[row])) : Value(column.numbers[row]);
}

std::string_view EventRows::DedupeAt(std::size_t row, std::string& room) const {
  if (dedupe.size() == 1 && dedupe[0] >= 0 && fields[static_cast<std::size_t>(dedupe[0])].is_text) {
    return fields[static_cast<std::size_t>(dedupe[0])].texts[row];
  }
  room.clear();
  for (std::size_t i = 0; i < dedupe.size(); ++i) {
    const int part = dedupe[i];
    if (i > 0) {
      room += kDedupeSeparator;
    }
    if (part == kDedupeCustomer) {
      room += customers[row];
    } else if (part == kDedupeTime) {
      room += std::to_string(times[row]);
    } else {
      const Field& field = fields[static_cast<std::size_t>(part)];
      if (field.present[row] != 0) {
        room += field.is_text ? std::string(field.texts[row]) : std::to_string(field.numbers[row]);
      }
    }
  }
  return room;
}

Event EventRows::At(std::size_t row) const {
  Event event;
  event.kind = kind;
  event.customer = customers[row];
  event.time = FromMicros(times[row]);
  for (std::size_t field = 0; field < fields.size(); ++field) {
    event.fields.push_back(FieldAt(field, row));
  }
  std::string room;
  event.dedupe = DedupeAt(row, room);
  if (has_version[row] != 0) {
    event.version = versions[row];
  }
  return event;
}

}  // namespace segue
