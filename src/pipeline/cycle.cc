// Cycle: pull → facts → columns → segments → moves → runs → decisions and deliveries.

#include <algorithm>
#include <utility>

#include "base/parallel.h"
#include "base/text.h"
#include "pipeline/answers.h"
#include "pipeline/erasure.h"
#include "pipeline/moments.h"
#include "pipeline/pipeline.h"
#include "pipeline/process_names.h"
#include "pipeline/processes.h"
#include "pipeline/quarantine.h"
#include "pipeline/rates.h"
#include "sources/reading.h"

namespace segue {
namespace {

// The now of the cycle that a brake holds, and of the one that a person let pass.
constexpr std::string_view kBrakeHeld = "brake.held";
constexpr std::string_view kBrakeReleased = "brake.released";
constexpr std::int64_t kFewestMoves = 100;  // A share of fewer people says nothing.
// A commit every few ten milliseconds while little is read …
constexpr std::int64_t kRowsPerBatch = 5000;
// … and one chunk of the ledger in each once it is clear that a source holds much.
constexpr std::int64_t kRowsPerLargeBatch = 64 * 1024;

std::string_view IntakeName(Intake intake) {
  switch (intake) {
    case Intake::kNew:
      return "new";
    case Intake::kDuplicate:
      return "duplicate";
    case Intake::kConflict:
      return "conflict";
    case Intake::kAmended:
      return "amended";
    case Intake::kOlder:
      return "older";
    case Intake::kNoChange:
      return "no_change";
    case Intake::kErased:
      return "erased";
  }
  return "unknown";
}

void CountIntake(const std::vector<Intake>& intakes, CycleReport& report) {
  std::map<Intake, std::int64_t> counts;
  for (auto at = intakes.begin(); at != intakes.end();) {
    const auto end = std::find_if(at, intakes.end(), [&](Intake other) { return other != *at; });
    counts[*at] += end - at;
    at = end;
  }
  for (const auto& [intake, count] : counts) {
    report.intake[std::string(IntakeName(intake))] += count;
  }
}

struct SourcePosition {
  std::string cursor;
  std::optional<TimePoint> last_slot;
};

SourcePosition LoadPosition(Database& db, std::string_view source) {
  SourcePosition position;
  Statement find = db.Prepare("SELECT cursor, last_slot FROM source_state WHERE source = ?");
  find.Bind(1, source);
  if (find.Step()) {
    position.cursor = find.Text(0);
    if (!find.IsNull(1)) {
      position.last_slot = FromMicros(find.Int(1));
    }
  }
  return position;
}

void StoreBatch(Database& db, const Source& source, const Batch& batch) {
  Statement update = db.Prepare(
      "INSERT INTO source_state(source, cursor, rows, anonymous, rounded) VALUES (?1, ?2, ?3, ?4, "
      "?5) "
      "ON CONFLICT(source) DO UPDATE SET cursor = ?2, rows = rows + ?3, anonymous = anonymous + "
      "?4, "
      "rounded = rounded + ?5");
  update.Bind(1, source.id).Bind(2, batch.cursor).Bind(3, batch.rows).Bind(4, batch.anonymous);
  update.Bind(5, batch.rounded).Run();
}

void StoreRead(Database& db, const Source& source, TimePoint slot, TimePoint now,
               std::string_view error) {
  Transaction work(db);
  Statement update = db.Prepare(
      "INSERT INTO source_state(source, last_slot, last_ok, error) VALUES (?1, ?2, ?3, ?4) "
      "ON CONFLICT(source) DO UPDATE SET last_slot = ?2, last_ok = coalesce(?3, last_ok), error = "
      "?4");
  update.Bind(1, source.id).Bind(2, ToMicros(slot)).Bind(4, error);
  if (error.empty()) {
    update.Bind(3, ToMicros(now));
  } else {
    update.BindNull(3);
  }
  update.Run();
  work.Commit();
}

// Models before those that read them.
std::vector<int> ModelOrder(const Workspace& workspace);

void AddUses(const Expr& expr, std::vector<bool>& uses) {
  if (expr.op == Op::kLeaf && expr.leaf.model >= 0) {
    uses[static_cast<std::size_t>(expr.leaf.model)] = true;
  }
  for (const Expr& arg : expr.args) {
    AddUses(arg, uses);
  }
}

std::vector<bool> UsesOf(const Model& model, std::size_t count) {
  std::vector<bool> uses(count, false);
  ForEachExpression(model, [&](const Expr& expr) { AddUses(expr, uses); });
  return uses;
}

std::vector<int> ModelOrder(const Workspace& workspace) {
  const std::size_t count = workspace.models.size();
  std::vector<std::vector<bool>> uses;
  for (const Model& model : workspace.models) {
    uses.push_back(UsesOf(model, count));
  }
  std::vector<int> order;
  std::vector<bool> done(count, false);
  // The loader refuses circles, so each round finds at least one.
  while (order.size() < count) {
    const std::size_t before = order.size();
    // Customers before accounts, where neither reads the other.
    for (const Subject of : {Subject::kCustomer, Subject::kAccount}) {
      for (std::size_t model = 0; model < count; ++model) {
        const bool waits = of == Subject::kAccount && order.size() != before;
        bool ready = workspace.models[model].of == of && !waits && !done[model];
        for (std::size_t other = 0; ready && other < count; ++other) {
          ready = other == model || !uses[model][other] || done[other];
        }
        if (ready) {
          done[model] = true;
          order.push_back(static_cast<int>(model));
        }
      }
    }
  }
  return order;
}

void AddUp(const PlaybookSummary& one, PlaybookSummary& all) {
  all.started += one.started;
  all.ended += one.ended;
  all.promised += one.promised;
  all.skipped += one.skipped;
  all.messages += one.messages;
  all.edited.insert(all.edited.end(), one.edited.begin(), one.edited.end());
}

// The stored now of a cycle that was cut off.  It is finished before any fact is taken in that it
// would not have seen.
std::optional<TimePoint> CutOff(Database& db) {
  Statement find = db.Prepare("SELECT now FROM cycle WHERE finished = 0 ORDER BY id LIMIT 1");
  return find.Step() ? std::optional(FromMicros(find.Int(0))) : std::nullopt;
}

bool IsHeld(Database& db, TimePoint now) {
  return db.GetSetting(kBrakeHeld) == std::to_string(ToMicros(now));
}

}  // namespace

Cycle::Cycle(State& state, FileReader* files, SqlReader* databases, HttpReader* web)
    : state_(state), files_(files), databases_(databases), web_(web) {}

void Cycle::Pull(TimePoint now, bool all, const Progress& progress, CycleReport& report) {
  if (files_ == nullptr && databases_ == nullptr && web_ == nullptr) {
    return;
  }
  TakeAnswers(now, report);
  const std::optional<TimePoint> before = CutOff(state_.db());
  // Of a cycle that a brake holds nothing was kept, and it may be held for days: what people say
  // meanwhile reaches what was promised before it.
  if (before && !IsHeld(state_.db(), *before)) {
    DecideOnce(*before, report);
  }
  if (all) {
    // Stored, so that a crash in the middle leaves none of them out.
    Transaction work(state_.db());
    state_.db().Execute("UPDATE source_state SET last_slot = NULL");
    work.Commit();
  }
  if (files_ != nullptr) {
    PullPools(report);
  }
  const Zone& zone = state_.workspace().schema.timezone;
  for (const Source& source : state_.workspace().sources) {
    const SourcePosition position = LoadPosition(state_.db(), source.id);
    const TimePoint slot = source.every.SlotAtOrBefore(now, zone);
    if (source.pushed() || !position.last_slot || *position.last_slot < slot) {
      PullSource(source, now, progress, report);
    }
  }
}

bool Cycle::TakeAnswers(TimePoint now, CycleReport& report) {
  return files_ != nullptr && segue::TakeAnswers(state_, *files_, now, report);
}

// Slots that went by while nobody was at work: the work is done once, and the rest is counted.
void Cycle::CountMissed(const std::string& what, const Schedule& every, const Zone& zone,
                        std::optional<TimePoint> last, TimePoint slot, CycleReport& report) {
  if (!last) {
    return;
  }
  std::int64_t missed = 0;
  for (TimePoint at = every.SlotAfter(*last, zone); at < slot; at = every.SlotAfter(at, zone)) {
    ++missed;
  }
  if (missed == 0) {
    return;
  }
  Statement count = state_.db().Prepare(
      "INSERT INTO missed_slots(what, missed, last) VALUES (?1, ?2, ?3) "
      "ON CONFLICT(what) DO UPDATE SET missed = missed + ?2, last = ?3");
  count.Bind(1, what).Bind(2, missed).Bind(3, ToMicros(slot)).Run();
  report.missed[what] += missed;
}

void Cycle::PullSource(const Source& source, TimePoint now, const Progress& progress,
                       CycleReport& report) {
  Database& db = state_.db();
  const Zone& zone = state_.workspace().schema.timezone;
  const TimePoint slot = source.every.SlotAtOrBefore(now, zone);
  const SourcePosition position = LoadPosition(db, source.id);
  const auto finish = [&](std::string_view error) {
    // With the slot that is used up now: a crash between the two would count them twice.
    Transaction work(db);
    if (!source.pushed()) {
      CountMissed("source " + source.id, source.every, zone, position.last_slot, slot, report);
    }
    StoreRead(db, source, slot, now, error);
    work.Commit();
  };
  Reading reading(source, state_.workspace(), files_, databases_, false, web_);
  Result<Batch> batch = reading.Next(position.cursor, kRowsPerBatch, true);
  while (true) {
    if (!batch) {
      finish(batch.error().message());
      report.warnings.push_back("source " + source.id + ": " + batch.error().message());
      return;
    }
    Result<Batch> next = Batch();
    const std::string cursor = batch->cursor;
    const auto take_in = [&] {
      Transaction work(db);
      if (source.type == SourceType::kSql || source.is_export()) {
        DropKnownRows(db, source, batch->bad);  // Rows within the overlap are read again.
      }
      Ledger& ledger = state_.ledger();
      CountIntake(batch->events ? ledger.Append(batch->events, source.id, now, source.late_events)
                                : ledger.Append(batch->facts, source.id, now, source.late_events),
                  report);
      state_.CarrySuppressions();
      StoreBatch(db, source, *batch);
      StoreRows(db, source, batch->bad);
      StoreRates(db, *batch);
      StoreConflicts(state_, source, *batch);
      work.Commit();
      if (batch->rows > kRowsPerBatch) {
        state_.columns().Follow();
      }
    };
    const auto read_on = [&] { next = reading.Next(cursor, kRowsPerLargeBatch, true); };
    if (batch->done) {
      take_in();
    } else if (source.type == SourceType::kCsv) {
      Beside(take_in, read_on);  // The next rows are read while these are taken in.
    } else {
      take_in();
      read_on();
    }
    for (const std::string& note : batch->notes) {
      report.warnings.push_back("source " + source.id + ": " + note);
    }
    report.intake["rows"] += batch->rows;
    report.intake["bad"] += static_cast<std::int64_t>(batch->bad.size());
    report.intake["anonymous"] += batch->anonymous;
    report.intake["ignored"] += batch->ignored;
    report.intake["converted"] += batch->converted;
    if (progress && !batch->file.empty()) {
      progress("reading " + batch->file, static_cast<std::int64_t>(batch->bytes_done),
               static_cast<std::int64_t>(batch->bytes_all));
    }
    if (batch->done) {
      break;
    }
    batch = std::move(next);
  }
  finish("");
}

void Cycle::Ingest(std::span<const Fact> facts, std::string_view source, Duration late_limit,
                   TimePoint now, CycleReport& report) {
  if (const std::optional<TimePoint> before = CutOff(state_.db())) {
    DecideOnce(*before, report);
  }
  Transaction work(state_.db());
  CountIntake(state_.ledger().Append(facts, source, now, late_limit), report);
  state_.CarrySuppressions();
  work.Commit();
}

void Cycle::EraseAtOnce(const std::string& key, TimePoint now) {
  Transaction work(state_.db());
  if (const auto customer = state_.ledger().FindCustomer(key)) {
    HideSuppressions(state_, *customer);
  }
  const std::vector<Fact> facts = {Erase{key, now}};
  state_.ledger().Append(facts, "by hand", now, kDay);
  Depart(now);
  work.Commit();
  state_.columns().Follow();
}

void Cycle::MarkRead(TimePoint now) {
  for (const Source& source : state_.workspace().sources) {
    StoreRead(state_.db(), source,
              source.every.SlotAtOrBefore(now, state_.workspace().schema.timezone), now, "");
  }
}

void Cycle::Decide(TimePoint now, CycleReport& report) {
  Database& db = state_.db();
  const std::optional<TimePoint> before = CutOff(db);
  if (before) {
    DecideOnce(*before, report);
  }
  if (before == now) {
    return;
  }
  {
    Transaction work(db);
    // Only the last cycle is needed to go on after a crash.
    db.Prepare("DELETE FROM cycle").Run();
    Statement insert = db.Prepare("INSERT INTO cycle(now) VALUES (?)");
    insert.Bind(1, ToMicros(now)).Run();
    work.Commit();
  }
  DecideOnce(now, report);
}

void Cycle::DecideOnce(TimePoint now, CycleReport& report) {
  report.now = now;
  if (Decided(now, report)) {
    return;
  }
  Transaction note(state_.db());
  state_.db().SetSetting(kBrakeHeld, std::to_string(ToMicros(now)));
  note.Commit();
  throw BrakePulled("brake: " + report.brake +
                    ". Nothing was kept of this cycle and nothing is lost: see `segue plan`, then "
                    "let it pass with `segue run --past-brake`, or change the files");
}

// False: a brake holds it, and nothing of it is kept.
bool Cycle::Decided(TimePoint now, CycleReport& report) {
  Transaction work(state_.db());
  // A clock that was set back must not move windows back: facts and segments stay where they are
  // until it catches up.
  state_.columns().Advance(std::max(now, state_.columns().edge()));
  state_.processes().Advance(state_.columns().edge());
  Depart(now);
  state_.moments().Advance(state_.columns().edge());
  const std::vector<Move> moves = RunModels(now, report);
  for (std::string& warning : state_.processes().LearnOthers(now)) {
    report.warnings.push_back(std::move(warning));
  }
  SearchMoments(now);
  const PlaybookSummary done = state_.playbooks().Advance(now, moves);
  for (std::string& alarm : state_.playbooks().offers().Alarms()) {
    report.warnings.push_back(std::move(alarm));
  }
  report.brake = Brake(moves, done.messages);
  const std::string held = std::to_string(ToMicros(now));
  const bool released = state_.db().GetSetting(kBrakeReleased) == held;
  if (!report.brake.empty() && brakes_hold_ && !released) {
    return false;
  }
  if (released) {
    state_.db().SetSetting(kBrakeReleased, "");
  }
  // Beside what a cycle that was cut off left to be done in the same breath.
  AddUp(done, report.playbooks);
  report.moves.insert(report.moves.end(), moves.begin(), moves.end());
  DropOldTouches();
  state_.db().Prepare("UPDATE cycle SET finished = 1").Run();
  work.Commit();
  report.next = Next(now);
  return true;
}

// Who was touched before every model's last slot, and before what is kept between starts, is asked
// by nobody.  A model that was taken out of the files and may come back counts too.
void Cycle::DropOldTouches() {
  Statement read = state_.db().Prepare(
      "SELECT min(sequence), min(now), (SELECT min(sequence) FROM column_snapshot), "
      "(SELECT min(sequence) FROM purchase_sums) FROM model_position");
  if (!read.Step() || read.IsNull(0)) {
    return;
  }
  std::int64_t until = read.Int(0);
  for (const int kept : {2, 3}) {
    until = read.IsNull(kept) ? until : std::min(until, read.Int(kept));
  }
  state_.ledger().TrimTouches(static_cast<Sequence>(until), FromMicros(read.Int(1)));
}

std::string Cycle::Brake(const std::vector<Move>& moves, std::int64_t messages) const {
  const Workspace& workspace = state_.workspace();
  if (workspace.max_sends_per_run && messages > *workspace.max_sends_per_run) {
    return std::to_string(messages) + " messages in one run, safety.max_sends_per_run is " +
           std::to_string(*workspace.max_sends_per_run);
  }
  if (!workspace.max_moved_percent) {
    return "";
  }
  std::map<int, std::int64_t> moved;  // Who is placed for the first time has not moved.
  for (const Move& move : moves) {
    moved[move.model] += move.from == kNoSegment ? 0 : 1;
  }
  std::int64_t people = 0;
  for (CustomerIndex customer = 0; customer < state_.ledger().customer_count(); ++customer) {
    people += state_.ledger().IsAlive(customer) ? 1 : 0;
  }
  for (const auto& [model, count] : moved) {
    const bool accounts = workspace.models[static_cast<std::size_t>(model)].of == Subject::kAccount;
    const std::int64_t all = accounts ? state_.ledger().account_count() : people;
    const double percent =
        100.0 * static_cast<double>(count) / static_cast<double>(std::max<std::int64_t>(all, 1));
    if (count >= kFewestMoves && percent > *workspace.max_moved_percent) {
      return std::to_string(count) + " of " + std::to_string(all) +
             (accounts ? " accounts" : " customers") + " moved in model " +
             workspace.models[static_cast<std::size_t>(model)].id +
             ", more than safety.max_moved_per_run allows";
    }
  }
  return "";
}

bool ReleaseBrake(Database& db) {
  Statement find = db.Prepare("SELECT now FROM cycle WHERE finished = 0 ORDER BY id LIMIT 1");
  if (!find.Step()) {
    return false;
  }
  const std::int64_t held = find.Int(0);
  find.Reset();
  Transaction work(db);
  db.SetSetting(kBrakeReleased, std::to_string(held));
  db.SetSetting(kBrakeHeld, "");
  work.Commit();
  return true;
}

void Cycle::Depart(TimePoint now) {
  Ledger& ledger = state_.ledger();
  const std::vector<CustomerIndex> departed = ledger.TakeDeparted();
  for (const CustomerIndex customer : departed) {
    const CustomerIndex survivor = ledger.Survivor(customer);
    for (std::size_t model = 0; model < state_.workspace().models.size(); ++model) {
      if (Segments* segments = state_.segments(static_cast<int>(model))) {
        ledger.IsAlive(survivor) ? segments->Forget(customer) : segments->Erase(customer);
      }
    }
    if (survivor != customer) {
      state_.playbooks().Merged(customer, survivor, now);
      state_.outbox().Merged(customer, survivor);
    }
  }
  // Only now: what was merged into somebody since the last cycle is erased with them.  A process
  // that has just begun meets all who were ever erased.
  for (const CustomerIndex customer : departed) {
    if (ledger.Survivor(customer) == customer) {
      state_.outbox().Erase(customer, now);
      state_.playbooks().Erased(customer, now);  // Last: it has the ad tools let them go.
    }
  }
}

std::vector<Move> Cycle::RunModels(TimePoint now, CycleReport& report) {
  std::vector<Move> moves;
  const Workspace& workspace = state_.workspace();
  for (const int index : ModelOrder(workspace)) {
    Segments* segments = state_.segments(index);
    if (segments == nullptr) {
      continue;
    }
    const Model& model = workspace.models[static_cast<std::size_t>(index)];
    const TimePoint slot = model.every.SlotAtOrBefore(now, model.timezone);
    const std::optional<TimePoint> last_slot = segments->last_slot();
    const bool due = !last_slot || *last_slot < slot;
    if (last_slot && *last_slot > now) {
      report.warnings.push_back("model " + model.id + " ran for the slot of " +
                                FormatTime(*last_slot) +
                                " already: nobody moves until then (was the clock set back?)");
    }
    if (due) {
      for (std::string& warning : state_.processes().Learn(index, slot, now)) {
        report.warnings.push_back("model " + model.id + ": " + std::move(warning));
      }
    }
    const std::unique_ptr<Population> people = state_.PopulationOf(index, now);
    SlotResult result =
        due ? segments->RunSlot(*people, slot, now) : segments->PlaceNew(*people, now);
    if (due) {
      state_.processes().Remember(index);
      CountMissed("model " + model.id, model.every, model.timezone, last_slot, slot, report);
      Statement position = state_.db().Prepare(
          "INSERT INTO model_position(model, sequence, now) VALUES (?1, ?2, ?3) "
          "ON CONFLICT(model) DO UPDATE SET sequence = ?2, now = ?3");
      position.Bind(1, model.id)
          .Bind(2, static_cast<std::int64_t>(state_.ledger().last_sequence()));
      position.Bind(3, ToMicros(now)).Run();
    }
    if (result.baseline) {
      report.baselines.push_back(model.id);
    }
    for (std::string& warning : result.warnings) {
      report.warnings.push_back("model " + model.id + ": " + std::move(warning));
    }
    moves.insert(moves.end(), result.moves.begin(), result.moves.end());
  }
  return moves;
}

// What is found takes force in the next cycle, like a segment that other models read.
void Cycle::SearchMoments(TimePoint now) {
  const Workspace& workspace = state_.workspace();
  for (const Insight& insight : workspace.insights) {
    const std::optional<StoredMoment> before = LoadMoment(state_.db(), insight.id);
    if (before &&
        before->searched >= insight.every.SlotAtOrBefore(now, workspace.schema.timezone)) {
      continue;
    }
    StoreMoment(state_.db(), insight, workspace.schema, SearchMoment(state_, insight, now), false,
                now);
  }
}

TimePoint Cycle::Next(TimePoint now) const {
  const Workspace& workspace = state_.workspace();
  // Nothing scheduled at all: look again in a day.
  TimePoint next = state_.playbooks().NextDue().value_or(now + kDay);
  next = std::min(next, now + kDay);
  for (const Model& model : workspace.models) {
    if (!model.draft) {
      next = std::min(next, model.every.SlotAfter(now, model.timezone));
    }
  }
  for (const Source& source : workspace.sources) {
    next = std::min(next, source.every.SlotAfter(now, workspace.schema.timezone));
  }
  for (const Insight& insight : workspace.insights) {
    next = std::min(next, insight.every.SlotAfter(now, workspace.schema.timezone));
  }
  return std::max(next, now);
}

}  // namespace segue
