#include "pipeline/quarantine.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"
#include "base/visible.h"
#include "domain/dedupe.h"

namespace segue {
namespace {

constexpr std::size_t kSaidMax = 3;  // Of the fields that differ.
constexpr std::size_t kTextShownMax = 60;

std::string InWords(const FieldSpec& field, const Value& value, const Workspace& workspace) {
  if (IsMissing(value)) {
    return "nothing";
  }
  if (const auto* text = std::get_if<std::string>(&value)) {
    return fmt::format("{:?}", Shortened(*text, kTextShownMax));
  }
  return FormatTyped({field.type, false, {}}, ValueToDouble(field.type, value, *workspace.pool),
                     nullptr, &workspace.schema);
}

BadRow ConflictRow(const Ledger::Conflict& conflict, const Event& event, const Batch& batch,
                   const Workspace& workspace) {
  const EventSpec& spec = workspace.schema.events[static_cast<std::size_t>(event.kind)];
  BadRow row;
  row.file = batch.file;
  row.line = conflict.at < batch.lines.size() ? batch.lines[conflict.at] : 0;
  std::vector<std::string> known, said;
  if (event.customer != conflict.customer) {
    row.column = workspace.customer_key;
    known.push_back(fmt::format("{} {:?}", workspace.customer_key, conflict.customer));
    said.push_back(fmt::format("{:?}", event.customer));
  }
  for (std::size_t i = 0; i < spec.fields.size() && said.size() < kSaidMax; ++i) {
    const FieldSpec& field = spec.fields[i];
    if (event.fields[i] != conflict.fields[i]) {
      row.column = row.column.empty() ? field.name : row.column;
      known.push_back(field.name + " " + InWords(field, conflict.fields[i], workspace));
      said.push_back(InWords(field, event.fields[i], workspace));
    }
  }
  std::string key = DedupeText(event);
  std::replace(key.begin(), key.end(), kDedupeSeparator, ' ');
  row.reason = fmt::format(
      "a conflict: {} {:?} is known with {}, this row says {}. What was first stays; with "
      "`version` "
      "the newer one would",
      spec.name, Shortened(key, kTextShownMax), Join(known, ", "), Join(said, ", "));
  return row;
}

}  // namespace

void DropKnownRows(Database& db, const Source& source, std::vector<BadRow>& rows) {
  if (rows.empty()) {
    return;
  }
  const auto content = [](const BadRow& row) {
    return std::tie(row.file, row.column, row.reason, row.raw);
  };
  const auto less = [&](const BadRow& a, const BadRow& b) { return content(a) < content(b); };
  const std::set<BadRow, decltype(less)> here(rows.begin(), rows.end(), less);
  std::set<BadRow, decltype(less)> known(less);
  Statement all = db.Prepare("SELECT file, column, reason, raw FROM bad_row WHERE source = ?");
  all.Bind(1, source.id);
  while (all.Step()) {
    BadRow row{all.Text(0), 0, all.Text(1), all.Text(2), all.Text(3)};
    if (here.contains(row)) {
      known.insert(std::move(row));
    }
  }
  std::erase_if(rows, [&](const BadRow& row) { return known.contains(row); });
}

void StoreRows(Database& db, const Source& source, const std::vector<BadRow>& rows) {
  for (const BadRow& row : rows) {
    Statement insert = db.Prepare(
        "INSERT INTO bad_row(source, file, line, column, reason, raw) VALUES (?, ?, ?, ?, ?, ?)");
    insert.Bind(1, source.id).Bind(2, row.file).Bind(3, row.line).Bind(4, row.column);
    insert.Bind(5, row.reason).Bind(6, row.raw).Run();
  }
}

void StoreConflicts(State& state, const Source& source, const Batch& batch) {
  std::vector<BadRow> rows;
  for (const Ledger::Conflict& conflict : state.ledger().conflicts()) {
    rows.push_back(ConflictRow(
        conflict,
        batch.events ? batch.events->At(conflict.at) : std::get<Event>(batch.facts[conflict.at]),
        batch, state.workspace()));
  }
  DropKnownRows(state.db(), source, rows);
  StoreRows(state.db(), source, rows);
}

std::string QuarantineText(State& state, std::string_view source) {
  std::vector<BadRow> rows;
  Statement list = state.db().Prepare(
      "SELECT file, line, column, reason, raw FROM bad_row WHERE source = ? ORDER BY file, line, "
      "id");
  list.Bind(1, source);
  while (list.Step()) {
    rows.push_back({list.Text(0), list.Int(1), list.Text(2), list.Text(3), list.Text(4)});
  }
  return rows.empty() ? "" : FormatQuarantine(rows);
}

}  // namespace segue
