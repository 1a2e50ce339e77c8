#include "store/pauses.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace segue {
namespace {

constexpr std::string_view kPauseTables = R"(
CREATE TABLE pause(
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  since INTEGER NOT NULL,
  note TEXT NOT NULL,
  PRIMARY KEY(kind, id)
) STRICT, WITHOUT ROWID;
)";

bool Same(const Pause& a, const Pause& b) {
  return std::tie(a.kind, a.id, a.since, a.note) == std::tie(b.kind, b.id, b.since, b.note);
}

}  // namespace

Pauses::Pauses(Database& db) : db_(db) {
  db_.Ensure("pause", kPauseTables);
  Refresh();
}

bool Pauses::Refresh() {
  std::vector<Pause> now;
  Statement list = db_.Prepare("SELECT kind, id, since, note FROM pause ORDER BY kind, id");
  while (list.Step()) {
    now.push_back({list.Text(0), list.Text(1), FromMicros(list.Int(2)), list.Text(3)});
  }
  const bool other = !std::equal(now.begin(), now.end(), all_.begin(), all_.end(), Same);
  all_ = std::move(now);
  return other;
}

const Pause* Pauses::Of(std::string_view kind, std::string_view id) const {
  const auto found = std::find_if(all_.begin(), all_.end(), [&](const Pause& pause) {
    return pause.kind == "all" || (pause.kind == kind && pause.id == id);
  });
  return found == all_.end() ? nullptr : &*found;
}

bool Pauses::Begin(const Pause& pause) {
  Statement insert =
      db_.Prepare("INSERT OR IGNORE INTO pause(kind, id, since, note) VALUES (?, ?, ?, ?)");
  insert.Bind(1, pause.kind).Bind(2, pause.id).Bind(3, ToMicros(pause.since)).Bind(4, pause.note);
  insert.Run();
  const bool begun = db_.Changes() > 0;
  Refresh();
  return begun;
}

bool Pauses::End(std::string_view kind, std::string_view id) {
  Statement drop = db_.Prepare("DELETE FROM pause WHERE kind = ? AND id = ?");
  drop.Bind(1, kind).Bind(2, id).Run();
  const bool ended = db_.Changes() > 0;
  Refresh();
  return ended;
}

}  // namespace segue
