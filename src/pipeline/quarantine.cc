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
// The last row that stands in the files.
constexpr std::string_view kWritten = "quarantine.written";

std::string DroppedSetting(std::string_view source) {
  return "quarantine.dropped." + std::string(source);
}

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
  if (rows.empty()) {
    return;
  }
  for (const BadRow& row : rows) {
    Statement insert = db.Prepare(
        "INSERT INTO bad_row(source, file, line, column, reason, raw) VALUES (?, ?, ?, ?, ?, ?)");
    insert.Bind(1, source.id).Bind(2, row.file).Bind(3, row.line).Bind(4, row.column);
    insert.Bind(5, row.reason).Bind(6, row.raw).Run();
  }
  Statement drop = db.Prepare(
      "DELETE FROM bad_row WHERE source = ?1 AND id <= (SELECT id FROM bad_row WHERE source = ?1 "
      "ORDER BY id DESC LIMIT 1 OFFSET ?2) RETURNING id");
  drop.Bind(1, source.id).Bind(2, kRowsKept);
  std::int64_t dropped = 0;
  while (drop.Step()) {
    ++dropped;
  }
  if (dropped > 0) {
    const std::string counter = DroppedSetting(source.id);
    db.SetSetting(counter,
                  std::to_string(dropped + std::stoll(db.GetSetting(counter).value_or("0"))));
  }
}

std::vector<std::string> ToWrite(Database& db) {
  Statement newer = db.Prepare("SELECT DISTINCT source FROM bad_row WHERE id > ? ORDER BY source");
  newer.Bind(1, std::int64_t{std::stoll(db.GetSetting(kWritten).value_or("0"))});
  std::vector<std::string> sources;
  while (newer.Step()) {
    sources.push_back(newer.Text(0));
  }
  return sources;
}

void MarkWritten(Database& db) {
  Statement last = db.Prepare("SELECT coalesce(max(id), 0) FROM bad_row");
  last.Step();
  const std::string id = std::to_string(last.Int(0));
  last.Reset();
  Transaction work(db);
  db.SetSetting(kWritten, id);
  work.Commit();
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
  if (const auto dropped = state.db().GetSetting(DroppedSetting(source));
      dropped && !rows.empty()) {
    const std::string words =
        fmt::format("{} older rows are not kept; these are the newest {}", *dropped, rows.size());
    rows.insert(rows.begin(), BadRow{"", 0, "", words, ""});
  }
  return rows.empty() ? "" : FormatQuarantine(rows);
}

}  // namespace segue
