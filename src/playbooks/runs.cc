// How runs, pending starts and decisions are stored, and what happens to them when files change and
// people merge.

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "playbooks/engine.h"

namespace segue {
namespace {

// Playbooks, segments and steps stand by name, so that files may change between two starts of the
// program.
constexpr std::string_view kRunTables = R"(
CREATE TABLE pending_start(
  playbook TEXT NOT NULL,
  customer INTEGER NOT NULL,
  move INTEGER NOT NULL,
  from_segment TEXT NOT NULL,
  to_segment TEXT NOT NULL,
  at INTEGER NOT NULL,
  due INTEGER NOT NULL,
  said_stale INTEGER NOT NULL,
  PRIMARY KEY(playbook, customer)
) STRICT, WITHOUT ROWID;
CREATE INDEX pending_start_customer ON pending_start(customer);
CREATE TABLE run(
  id INTEGER PRIMARY KEY,
  playbook TEXT NOT NULL,
  customer INTEGER NOT NULL,
  move INTEGER NOT NULL,
  hash TEXT NOT NULL,
  started INTEGER NOT NULL,
  step TEXT NOT NULL,
  wakes INTEGER,
  goal_was_true INTEGER NOT NULL,
  goal_at INTEGER,
  arm TEXT NOT NULL,
  variant TEXT NOT NULL,
  entered INTEGER,
  ended INTEGER,
  reason TEXT NOT NULL,
  UNIQUE(playbook, customer, move)
) STRICT;
CREATE INDEX run_customer ON run(customer, playbook, started);
CREATE INDEX run_started ON run(playbook, started);
CREATE TABLE ghost_message(
  customer INTEGER NOT NULL,
  at INTEGER NOT NULL,
  purpose TEXT NOT NULL,
  channel TEXT NOT NULL
) STRICT;
CREATE INDEX ghost_message_customer ON ghost_message(customer, at);
CREATE INDEX run_active ON run(id) WHERE ended IS NULL;
CREATE TABLE decision(
  id INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  playbook TEXT NOT NULL,
  customer INTEGER NOT NULL,
  run INTEGER NOT NULL,
  step TEXT NOT NULL,
  gate INTEGER NOT NULL,
  passed INTEGER NOT NULL,
  reason TEXT NOT NULL,
  detail TEXT NOT NULL,
  place TEXT NOT NULL
) STRICT;
CREATE INDEX decision_customer ON decision(customer);
CREATE INDEX decision_at ON decision(at);
CREATE TABLE audience_member(
  audience TEXT NOT NULL,
  customer INTEGER NOT NULL,
  key TEXT NOT NULL,
  address TEXT NOT NULL,
  playbook TEXT NOT NULL,
  run INTEGER NOT NULL,
  PRIMARY KEY(audience, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX audience_member_customer ON audience_member(customer);
CREATE INDEX audience_member_run ON audience_member(run);
CREATE TABLE audience_farewell(customer INTEGER PRIMARY KEY) STRICT;
CREATE TABLE flag_watch(
  flag TEXT PRIMARY KEY,
  model_hash TEXT NOT NULL,
  slot INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE flag_on(
  flag TEXT NOT NULL,
  customer INTEGER NOT NULL,
  PRIMARY KEY(flag, customer)
) STRICT, WITHOUT ROWID;
CREATE TABLE every_last(
  playbook TEXT NOT NULL,
  customer INTEGER NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY(playbook, customer)
) STRICT, WITHOUT ROWID;
CREATE TABLE playbook_state(
  playbook TEXT PRIMARY KEY,
  hash TEXT NOT NULL,
  stood_still INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
)";

// What a held-out run would have sent is forgotten where a treated one's is dropped.
constexpr std::string_view kGhostRuns = R"(
ALTER TABLE ghost_message ADD COLUMN run INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ghost_message ADD COLUMN kind INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ghost_message ADD COLUMN prints INTEGER NOT NULL DEFAULT 0;
CREATE INDEX ghost_message_run ON ghost_message(run);
CREATE INDEX ghost_message_at ON ghost_message(at);
)";

constexpr std::string_view kRunColumns =
    "SELECT id, playbook, customer, move, hash, started, step, wakes, goal_was_true, goal_at, arm, "
    "variant, entered FROM run ";

constexpr std::string_view kLastRun = "playbooks.last_run";

void BindTime(Statement& statement, int index, std::optional<TimePoint> time) {
  if (time) {
    statement.Bind(index, ToMicros(*time));
  } else {
    statement.BindNull(index);
  }
}

std::optional<TimePoint> TimeAt(const Statement& row, int column) {
  return row.IsNull(column) ? std::nullopt : std::optional(FromMicros(row.Int(column)));
}

}  // namespace

void PlaybookEngine::Load() {
  db_.Ensure("playbooks", kRunTables);
  db_.Ensure("playbooks of ghosts", kGhostRuns);
  VersionsInUse(db_);  // Makes their table.
  last_run_ = std::stoll(db_.GetSetting(kLastRun).value_or("0"));
  stored_last_run_ = last_run_;
  LoadRuns();
  LoadPending();
  LoadWatches();
  LoadEvery();
}

void PlaybookEngine::LoadRuns() {
  Statement select = db_.Prepare(std::string(kRunColumns) + "WHERE ended IS NULL ORDER BY id");
  while (select.Step()) {
    const std::optional<int> playbook = workspace_.FindPlaybook(select.Text(1));
    if (!playbook) {
      continue;  // Reconcile ends it.
    }
    ActiveRun run = ReadRun(select, *playbook);
    running_[static_cast<std::size_t>(*playbook)][run.customer] = run.id;
    active_.emplace(run.id, std::move(run));
  }
}

ActiveRun PlaybookEngine::ReadRun(const Statement& row, int playbook) const {
  ActiveRun run;
  run.id = row.Int(0);
  run.playbook = playbook;
  run.customer = static_cast<CustomerIndex>(row.Int(2));
  run.move = row.Int(3);
  run.hash = row.Text(4);
  run.started = FromMicros(row.Int(5));
  if (run.hash != this->playbook(run.playbook).hash) {
    run.earlier = FindEarlier(run.playbook, run.hash);
  }
  const auto& by_id = program(run).by_id;
  const auto step = by_id.find(row.Text(6));
  run.step = step == by_id.end() ? StepNode::kEnd : step->second;
  run.wakes = TimeAt(row, 7);
  run.goal_was_true = row.Int(8) != 0;
  run.goal_at = TimeAt(row, 9);
  run.arm = row.Text(10);
  run.variant = row.Text(11);
  run.entered = TimeAt(row, 12);
  run.held_out = run.arm == kHeldOut;
  return run;
}

std::optional<ActiveRun> PlaybookEngine::FindDone(std::int64_t id) const {
  Statement select = db_.Prepare(std::string(kRunColumns) + "WHERE id = ? AND reason = 'done'");
  select.Bind(1, id);
  const std::optional<int> playbook =
      select.Step() ? workspace_.FindPlaybook(select.Text(1)) : std::nullopt;
  return playbook ? std::optional(ReadRun(select, *playbook)) : std::nullopt;
}

void PlaybookEngine::LoadPending() {
  Statement select = db_.Prepare(
      "SELECT playbook, customer, move, from_segment, to_segment, at, due, said_stale FROM "
      "pending_start");
  while (select.Step()) {
    const std::optional<int> playbook = workspace_.FindPlaybook(select.Text(0));
    if (!playbook) {
      continue;  // Reconcile drops it.
    }
    // After an edit it may be of another kind: then Reconcile drops it.
    const bool move = this->playbook(*playbook).on.kind == Trigger::Kind::kMove;
    PendingStart start;
    start.move = select.Int(2);
    std::optional<SegmentIndex> to = kNoSegment;
    if (move) {
      start.from = FindSegment(*playbook, select.Text(3)).value_or(kNoSegment);
      to = FindSegment(*playbook, select.Text(4));
    }
    start.at = FromMicros(select.Int(5));
    start.due = FromMicros(select.Int(6));
    start.said_stale = select.Int(7) != 0;
    start.stored = true;
    if (to) {  // A segment that is gone can be nobody's answer; the row goes with the next move.
      start.to = *to;
      pending_[static_cast<std::size_t>(*playbook)].emplace(
          static_cast<CustomerIndex>(select.Int(1)), start);
    }
  }
}

void PlaybookEngine::Reconcile(TimePoint now, std::string_view running) {
  std::map<std::string, std::pair<std::string, bool>>
      before;  // Playbook to hash and whether it stood still.
  Statement select = db_.Prepare("SELECT playbook, hash, stood_still FROM playbook_state");
  while (select.Step()) {
    before[select.Text(0)] = {select.Text(1), select.Int(2) != 0};
  }
  std::map<std::string, bool> left_pause;
  Statement keep = db_.Prepare(
      "INSERT INTO playbook_state(playbook, hash, stood_still) VALUES (?, ?, ?) ON "
      "CONFLICT(playbook) DO UPDATE SET "
      "hash = excluded.hash, stood_still = excluded.stood_still");
  for (std::size_t i = 0; i < programs_.size(); ++i) {
    const Playbook& playbook = *programs_[i].playbook;
    const bool still = StandsStill(static_cast<int>(i));
    const auto found = before.find(playbook.id);
    const bool left = found != before.end() && found->second.second && !still;
    const bool edited = found == before.end() || found->second.first != playbook.hash;
    left_pause[playbook.id] = left;
    if (left || edited) {
      first_look_.insert(static_cast<int>(i));
      // Nobody starts for a move that happened before.
      Statement drop = db_.Prepare("DELETE FROM pending_start WHERE playbook = ?");
      drop.Bind(1, playbook.id).Run();
      pending_[i].clear();
    }
    if (found == before.end() || found->second != std::pair(playbook.hash, still)) {
      keep.Bind(1, playbook.id).Bind(2, playbook.hash).Bind(3, std::int64_t{still}).Run();
    }
    before.erase(playbook.id);
  }
  for (const auto& [gone, state] : before) {
    for (const char* sql : {"DELETE FROM pending_start WHERE playbook = ?",
                            "DELETE FROM every_last WHERE playbook = ?",
                            "DELETE FROM playbook_state WHERE playbook = ?"}) {
      db_.Prepare(sql).Bind(1, gone).Run();
    }
  }
  ForgetWatches();
  KeepVersions(now);
  ReconcileRuns(now, running, left_pause);
}

// Flags that nobody waits for any more: should somebody again, that look is the first.
void PlaybookEngine::ForgetWatches() {
  std::vector<std::string> gone;
  Statement select = db_.Prepare("SELECT flag FROM flag_watch");
  while (select.Step()) {
    const std::string name = select.Text(0);
    if (std::none_of(watches_.begin(), watches_.end(), [&](const FlagWatch& watch) {
          return FlagName(watch.model, watch.flag) == name;
        })) {
      gone.push_back(name);
    }
  }
  for (const std::string& name : gone) {
    for (const char* sql :
         {"DELETE FROM flag_watch WHERE flag = ?", "DELETE FROM flag_on WHERE flag = ?"}) {
      db_.Prepare(sql).Bind(1, name).Run();
    }
  }
}

void PlaybookEngine::ReconcileRuns(TimePoint now, std::string_view running,
                                   const std::map<std::string, bool>& left_pause) {
  Statement select =
      db_.Prepare("SELECT id, playbook, customer, step FROM run WHERE ended IS NULL ORDER BY id");
  while (select.Step()) {
    const std::string name = select.Text(1);
    if (workspace_.FindPlaybook(name)) {
      continue;
    }
    Statement end =
        db_.Prepare("UPDATE run SET ended = ?, reason = 'stopped', wakes = NULL WHERE id = ?");
    end.Bind(1, ToMicros(now)).Bind(2, select.Int(0)).Run();
    Statement say = db_.Prepare(
        "INSERT INTO decision(at, playbook, customer, run, step, gate, passed, reason, detail, "
        "place) "
        "VALUES (?, ?, ?, ?, ?, ?, 1, 'stopped', 'the playbook was taken away', '')");
    say.Bind(1, ToMicros(now)).Bind(2, name).Bind(3, select.Int(2)).Bind(4, select.Int(0));
    say.Bind(5, select.Text(3)).Bind(6, static_cast<std::int64_t>(Gate::kEnd)).Run();
    ++summary_.ended;
    summary_.edited.push_back({name, static_cast<CustomerIndex>(select.Int(2)), "gone"});
    host_.DropJoins(select.Int(0), "stopped", now);
    LeaveAudiences({.run = select.Int(0), .customer = 0, .word = "end"}, now);
  }
  for (auto& [id, run] : active_) {
    const Playbook& now_in_force = playbook(run.playbook);
    if (run.hash != now_in_force.hash) {
      FollowEdit(run, running, now);
      if (!run.end_reason.empty()) {
        continue;
      }
    }
    // Leaving a pause never catches up.
    run.overdue = run.overdue || (left_pause.at(now_in_force.id) && run.wakes &&
                                  *run.wakes + workspace_.stale_after < now);
  }
  RemoveOver();
}

// Once its first steps are walked: most runs end there, and so are written once.
void PlaybookEngine::InsertRun(const ActiveRun& run, TimePoint now) {
  Statement insert = db_.Prepare(
      "INSERT INTO run(id, playbook, customer, move, hash, started, goal_was_true, arm, variant, "
      "step, wakes, goal_at, ended, reason, entered) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
      "?, ?, ?)");
  insert.Bind(1, run.id)
      .Bind(2, playbook(run.playbook).id)
      .Bind(3, Number(run.customer))
      .Bind(4, run.move)
      .Bind(5, run.hash)
      .Bind(6, ToMicros(run.started))
      .Bind(7, std::int64_t{run.goal_was_true})
      .Bind(8, run.arm)
      .Bind(9, run.variant)
      .Bind(10, StepId(run));
  const bool over = !run.end_reason.empty();
  BindTime(insert, 11, over ? std::nullopt : run.wakes);
  BindTime(insert, 12, run.goal_at);
  BindTime(insert, 13, over ? std::optional(now) : std::nullopt);
  BindTime(insert, 15, run.entered);
  insert.Bind(14, run.end_reason).Run();
}

std::string_view PlaybookEngine::StepId(const ActiveRun& run) const {
  return run.step == StepNode::kEnd ? std::string_view() : node(run, run.step).step->id;
}

void PlaybookEngine::SaveCounter() {
  if (last_run_ != stored_last_run_) {
    db_.SetSetting(kLastRun, std::to_string(last_run_));
    stored_last_run_ = last_run_;
  }
}

void PlaybookEngine::SaveRun(const ActiveRun& run, TimePoint now) {
  const bool over = !run.end_reason.empty();
  Statement update = db_.Prepare(
      "UPDATE run SET hash = ?, step = ?, wakes = ?, goal_at = ?, ended = ?, reason = ?, entered = "
      "?, goal_was_true = ? WHERE id = ?");
  update.Bind(1, run.hash).Bind(2, StepId(run));
  BindTime(update, 3, over ? std::nullopt : run.wakes);
  BindTime(update, 4, run.goal_at);
  BindTime(update, 5, over ? std::optional(now) : std::nullopt);
  BindTime(update, 7, run.entered);
  update.Bind(6, run.end_reason).Bind(8, std::int64_t{run.goal_was_true}).Bind(9, run.id).Run();
}

void PlaybookEngine::StorePending(int index, CustomerIndex customer, PendingStart& start) {
  const bool moved = playbook(index).on.kind == Trigger::Kind::kMove;
  Statement insert = db_.Prepare(
      "INSERT OR REPLACE INTO pending_start(playbook, customer, move, from_segment, to_segment, "
      "at, due, said_stale) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
  insert.Bind(1, playbook(index).id)
      .Bind(2, Number(customer))
      .Bind(3, start.move)
      .Bind(4, moved ? SegmentName(index, start.from) : std::string())
      .Bind(5, moved ? SegmentName(index, start.to) : std::string())
      .Bind(6, ToMicros(start.at))
      .Bind(7, ToMicros(start.due))
      .Bind(8, std::int64_t{start.said_stale})
      .Run();
  start.stored = true;
}

void PlaybookEngine::DropPending(int index, CustomerIndex customer) {
  auto& pending = pending_[static_cast<std::size_t>(index)];
  const auto found = pending.find(customer);
  if (found == pending.end()) {
    return;
  }
  if (found->second.stored) {
    Statement drop = db_.Prepare("DELETE FROM pending_start WHERE playbook = ? AND customer = ?");
    drop.Bind(1, playbook(index).id).Bind(2, Number(customer)).Run();
  }
  pending.erase(found);
}

void PlaybookEngine::Say(TimePoint at, const Subject& subject, Gate gate, bool passed,
                         std::string_view reason, std::string_view detail) {
  if (db_.thrown_away() && (passed || reason.empty())) {
    return;  // Only refusals are counted afterwards.
  }
  if (!say_) {
    say_.emplace(
        db_.Prepare("INSERT INTO decision(at, playbook, customer, run, step, gate, passed, reason, "
                    "detail, place) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  }
  Statement& insert = *say_;
  insert.Bind(1, ToMicros(at))
      .Bind(2, playbook(subject.playbook).id)
      .Bind(3, Number(subject.customer))
      .Bind(4, subject.run)
      .Bind(5, subject.step)
      .Bind(6, static_cast<std::int64_t>(gate))
      .Bind(7, std::int64_t{passed})
      .Bind(8, reason)
      .Bind(9, detail)
      .Bind(10, subject.where)
      .Run();
}

void PlaybookEngine::Merged(CustomerIndex gone, CustomerIndex survivor, TimePoint now) {
  Transaction work(db_);
  for (std::size_t i = 0; i < programs_.size(); ++i) {
    // The survivor keeps their own segments, and what the other's moves would have started is void.
    DropPending(static_cast<int>(i), gone);
    auto& running = running_[i];
    const auto of_gone = running.find(gone);
    if (of_gone == running.end()) {
      continue;
    }
    ActiveRun& moved = active_.at(of_gone->second);
    const auto of_survivor = running.find(survivor);
    if (of_survivor != running.end()) {
      ActiveRun& other = active_.at(of_survivor->second);
      const bool moved_is_older =
          std::pair(moved.started, moved.id) < std::pair(other.started, other.id);
      ActiveRun& younger = moved_is_older ? other : moved;
      End(younger, "merged", programs_[i].where,
          "two customers became one, and the older run stays", now);
      SaveRun(younger, now);
    }
    running.erase(gone);
    moved.customer = survivor;
    if (moved.end_reason.empty()) {
      running[survivor] = moved.id;
    }
    MergeLanes(static_cast<int>(i), survivor, now);
  }
  RemoveOver();
  ForgetOccasions(gone, survivor);
  offers_.Merged(gone, survivor);
  for (const char* sql : {"DELETE FROM pending_start WHERE customer = ?1 AND ?2 >= 0",
                          "UPDATE run SET customer = ?2 WHERE customer = ?1",
                          "UPDATE ghost_message SET customer = ?2 WHERE customer = ?1",
                          "UPDATE audience_member SET customer = ?2 WHERE customer = ?1",
                          "UPDATE decision SET customer = ?2 WHERE customer = ?1"}) {
    db_.Prepare(sql).Bind(1, Number(gone)).Bind(2, Number(survivor)).Run();
  }
  work.Commit();
}

// In a lane, too, the older run stays.
void PlaybookEngine::MergeLanes(int index, CustomerIndex survivor, TimePoint now) {
  std::vector<std::int64_t> busy = BusyLane(index, survivor);
  std::sort(busy.begin(), busy.end(), [&](std::int64_t a, std::int64_t b) {
    return std::pair(active_.at(a).started, a) < std::pair(active_.at(b).started, b);
  });
  for (std::size_t i = 1; i < busy.size(); ++i) {
    ActiveRun& run = active_.at(busy[i]);
    End(run, "merged", program(run).where, "two customers became one, and the older run stays",
        now);
    SaveRun(run, now);
  }
}

void PlaybookEngine::Erased(CustomerIndex customer, TimePoint now) {
  Transaction work(db_);
  // Before their runs end, which would promise it again where it waits.
  LeaveAudiences({.run = 0, .customer = customer, .word = "erased"}, now);
  for (std::size_t i = 0; i < programs_.size(); ++i) {
    pending_[i].erase(customer);
    const auto found = running_[i].find(customer);
    if (found != running_[i].end()) {
      ActiveRun& run = active_.at(found->second);
      End(run, "stopped", programs_[i].where, "erased", now);
      SaveRun(run, now);
    }
  }
  RemoveOver();
  ForgetOccasions(customer, std::nullopt);
  db_.Prepare("INSERT OR IGNORE INTO audience_farewell(customer) VALUES (?)")
      .Bind(1, Number(customer))
      .Run();
  // Details hold what was looked at.  The runs stay as bare numbers, so that reports still add up.
  for (const char* sql : {"DELETE FROM pending_start WHERE customer = ?",
                          "DELETE FROM ghost_message WHERE customer = ?",
                          "DELETE FROM decision WHERE customer = ?"}) {
    db_.Prepare(sql).Bind(1, Number(customer)).Run();
  }
  work.Commit();
}

std::vector<RunInfo> PlaybookEngine::Runs(std::optional<CustomerIndex> customer,
                                          std::string_view playbook_id, bool active_only) const {
  Statement select = db_.Prepare(
      std::string("SELECT id, run.playbook, customer, move, started, ended, reason, step, wakes, "
                  "run.hash, v.since FROM run LEFT JOIN playbook_version v ON v.playbook = "
                  "run.playbook AND v.hash = run.hash WHERE ") +
      (customer ? "customer = ?1" : "?1 < 0") + (active_only ? " AND ended IS NULL" : "") +
      " AND (?2 = '' OR run.playbook = ?2) ORDER BY id");
  select.Bind(1, customer ? Number(*customer) : std::int64_t{-1}).Bind(2, playbook_id);
  std::vector<RunInfo> all;
  while (select.Step()) {
    all.push_back({.id = select.Int(0),
                   .playbook = select.Text(1),
                   .customer = static_cast<CustomerIndex>(select.Int(2)),
                   .move = select.Int(3),
                   .started = FromMicros(select.Int(4)),
                   .ended = TimeAt(select, 5),
                   .end_reason = select.Text(6),
                   .step = select.Text(7),
                   .wakes = TimeAt(select, 8),
                   .hash = select.Text(9),
                   .version_since = TimeAt(select, 10)});
  }
  return all;
}

std::vector<Decision> PlaybookEngine::Decisions(std::optional<CustomerIndex> customer,
                                                std::string_view playbook_id,
                                                TimePoint after) const {
  Statement select = db_.Prepare(std::string("SELECT id, at, playbook, customer, run, step, gate, "
                                             "passed, reason, detail, place FROM decision "
                                             "WHERE ") +
                                 (customer ? "customer = ?1" : "?1 < 0") +
                                 // The plus keeps the planner on the index of customer or time.
                                 " AND at > ?2 AND (?3 = '' OR playbook = ?3) ORDER BY +id");
  select.Bind(1, customer ? Number(*customer) : std::int64_t{-1})
      .Bind(2, ToMicros(after))
      .Bind(3, playbook_id);
  std::vector<Decision> all;
  while (select.Step()) {
    all.push_back({.id = select.Int(0),
                   .at = FromMicros(select.Int(1)),
                   .playbook = select.Text(2),
                   .customer = static_cast<CustomerIndex>(select.Int(3)),
                   .run = select.Int(4),
                   .step = select.Text(5),
                   .gate = static_cast<Gate>(select.Int(6)),
                   .passed = select.Int(7) != 0,
                   .reason = select.Text(8),
                   .detail = select.Text(9),
                   .where = select.Text(10)});
  }
  return all;
}

}  // namespace segue
