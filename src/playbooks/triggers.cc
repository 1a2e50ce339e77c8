// Who may start: moves become pending starts, and a pending start whose time has come passes the
// gates of a start.

#include <algorithm>
#include <tuple>
#include <utility>

#include "playbooks/engine.h"

namespace segue {
namespace {

bool Names(const std::vector<SegmentIndex>& segments, SegmentIndex segment) {
  return segments.empty() || std::find(segments.begin(), segments.end(), segment) != segments.end();
}

}  // namespace

std::string PlaybookEngine::SegmentName(int index, SegmentIndex segment) const {
  if (segment == kNoSegment) {
    return "none";
  }
  const Model& model = workspace_.models[static_cast<std::size_t>(playbook(index).on.model)];
  return model.segments[segment].id;
}

std::optional<SegmentIndex> PlaybookEngine::FindSegment(int index, std::string_view name) const {
  if (name == "none") {
    return kNoSegment;
  }
  const std::vector<Segment>& segments =
      workspace_.models[static_cast<std::size_t>(playbook(index).on.model)].segments;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    if (segments[i].id == name) {
      return static_cast<SegmentIndex>(i);
    }
  }
  return std::nullopt;
}

void PlaybookEngine::TakeMove(const Move& move) {
  for (const int index : by_model_[static_cast<std::size_t>(move.model)]) {
    const Trigger& on = playbook(index).on;
    auto& pending = pending_[static_cast<std::size_t>(index)];
    // Whatever its cause, a later move makes an earlier one void.
    if (const auto found = pending.find(move.customer); found != pending.end()) {
      const PendingStart& left = found->second;
      const Subject subject{.playbook = index,
                            .customer = move.customer,
                            .run = 0,
                            .step = "",
                            .where = programs_[static_cast<std::size_t>(index)].where_trigger};
      // A near miss: no gate refused, so there is no word for it.
      Say(move.at, subject, Gate::kTrigger, false, "",
          "left " + SegmentName(index, left.to) + " after " +
              FormatDurationLong(move.at - left.at) + " of " + FormatDurationLong(on.stay));
      DropPending(index, move.customer);
    }
    if (StartsPlaybooks(move.cause) && Names(on.from, move.from) && Names(on.to, move.to)) {
      pending[move.customer] = PendingStart{.move = move.id,
                                            .from = move.from,
                                            .to = move.to,
                                            .at = move.at,
                                            .due = move.at + on.stay};
    }
  }
}

std::vector<PlaybookEngine::DueStart> PlaybookEngine::CollectDue(TimePoint now) {
  std::vector<DueStart> due;
  for (std::size_t i = 0; i < pending_.size(); ++i) {
    const int index = static_cast<int>(i);
    for (const auto& [customer, start] : pending_[i]) {
      if (start.due <= now && StillThere(index, customer, start, now)) {
        due.push_back({.playbook = index, .customer = customer, .start = start});
      }
    }
  }
  std::sort(due.begin(), due.end(), [&](const DueStart& a, const DueStart& b) {
    const Playbook& left = playbook(a.playbook);
    const Playbook& right = playbook(b.playbook);
    if (left.priority != right.priority) {
      return left.priority > right.priority;
    }
    return std::tie(left.id, a.start.at, host_.CustomerKey(a.customer)) <
           std::tie(right.id, b.start.at, host_.CustomerKey(b.customer));
  });
  return due;
}

void PlaybookEngine::Start(TimePoint now) {
  for (const DueStart& due : CollectDue(now)) {
    bool keep = false;
    const bool passed = host_.IsAlive(due.customer) && PassesStart(due, now, keep);
    if (keep) {
      continue;
    }
    DropPending(due.playbook, due.customer);
    if (playbook(due.playbook).on.kind == Trigger::Kind::kEvery && host_.IsAlive(due.customer)) {
      SetEvery(due.playbook, due.customer,
               now);  // Refused is asked: the next is due after `every`.
    }
    if (passed) {
      BeginRun(due, now);
    }
  }
}

bool PlaybookEngine::PassesStart(const DueStart& due, TimePoint now, bool& keep) {
  const Playbook& playbook = this->playbook(due.playbook);
  const PlaybookProgram& program = programs_[static_cast<std::size_t>(due.playbook)];
  const Subject subject{.playbook = due.playbook,
                        .customer = due.customer,
                        .run = 0,
                        .step = "",
                        .where = program.where};
  Subject trigger = subject;
  trigger.where = program.where_trigger;
  if (!due.start.said_stale) {
    Say(now, trigger, Gate::kTrigger, true, "",
        Occasion(due.playbook, due.customer, due.start, now));
  }
  const std::string_view status = StatusName(playbook.status);
  if (const Pause* pause = PausedByHand(due.playbook)) {
    return Refuse(subject, Gate::kStatus, StatusName(Status::kPaused),
                  "by hand since " + FormatTime(pause->since) +
                      (pause->note.empty() ? "" : ": " + pause->note),
                  now);
  }
  if (StandsStill(due.playbook)) {
    return Refuse(subject, Gate::kStatus, status, "", now);
  }
  if (!due.start.said_stale) {
    Say(now, subject, Gate::kStatus, true, "", status);
  }
  if (!PassesDataAge(due, subject, now)) {
    keep = true;
    return false;
  }
  const std::string where_reenter = FormatPlace(playbook.reenter_place, workspace_.files);
  const std::string where_per_day = FormatPlace(playbook.per_day_place, workspace_.files);
  Subject reenter = subject, per_day = subject;
  reenter.where = where_reenter;
  per_day.where = where_per_day;
  if (!PassesWhen(due, subject, now) || !PassesReentry(due, reenter, now)) {
    return false;
  }
  if (!PassesLane(due, subject, now)) {
    return false;
  }
  if (!PassesPerDay(due, per_day, now)) {
    keep = true;
    return false;
  }
  return PassesGlobalHoldout(playbook, subject, now);
}

bool PlaybookEngine::PassesDataAge(const DueStart& due, const Subject& subject, TimePoint now) {
  if (!workspace_.max_data_age) {
    return true;
  }
  if (!data_age_) {
    data_age_.emplace(host_.DataAge(now));
  }
  const std::optional<Duration>& age = *data_age_;
  const bool stale = age && *age > *workspace_.max_data_age;
  PendingStart& start = pending_[static_cast<std::size_t>(due.playbook)].at(due.customer);
  const std::string detail = age ? "the oldest source was read " + FormatDurationLong(*age) +
                                       " ago, at most " + FormatDuration(*workspace_.max_data_age) +
                                       " is allowed"
                                 : std::string("no source has a schedule");
  if (!stale) {
    Say(now, subject, Gate::kDataAge, true, "", detail);
    return true;
  }
  if (!start.said_stale) {
    start.said_stale = true;
    Say(now, subject, Gate::kDataAge, false, "data_stale", detail);
    StorePending(due.playbook, due.customer, start);
  }
  return false;
}

bool PlaybookEngine::PassesWhen(const DueStart& due, const Subject& subject, TimePoint now) {
  const Playbook& playbook = this->playbook(due.playbook);
  if (playbook.when.empty()) {
    return true;
  }
  std::string seen;
  Subject asked = subject;
  const std::string first = FormatPlace(playbook.when.front().place, workspace_.files);
  asked.where = first;
  for (const Condition& condition : playbook.when) {
    const std::string looked = Looked(condition, due.customer, now, now);
    if (!Holds(condition, due.customer, now, now)) {
      const std::string where = FormatPlace(condition.place, workspace_.files);
      asked.where = where;
      return Refuse(asked, Gate::kWhen, "when_false", looked, now);
    }
    seen += (seen.empty() ? "" : "; ") + looked;
  }
  Say(now, asked, Gate::kWhen, true, "", seen);
  return true;
}

bool PlaybookEngine::PassesReentry(const DueStart& due, const Subject& subject, TimePoint now) {
  const Playbook& playbook = this->playbook(due.playbook);
  if (playbook.reenter.kind == Reenter::Kind::kAlways) {
    Say(now, subject, Gate::kReenter, true, "", "always");
    return true;
  }
  Statement select =
      db_.Prepare("SELECT max(started) FROM run WHERE playbook = ? AND customer = ?");
  select.Bind(1, playbook.id).Bind(2, static_cast<std::int64_t>(due.customer));
  if (!select.Step() || select.IsNull(0)) {
    Say(now, subject, Gate::kReenter, true, "", "never before");
    return true;
  }
  const TimePoint last = FromMicros(select.Int(0));
  const std::string seen = "last started " + FormatTime(last);
  if (playbook.reenter.kind == Reenter::Kind::kNever) {
    return Refuse(subject, Gate::kReenter, "reenter", seen + ", and never again", now);
  }
  const std::string after = ", again after " + FormatDuration(playbook.reenter.after);
  if (running_[static_cast<std::size_t>(due.playbook)].contains(due.customer)) {
    return Refuse(subject, Gate::kReenter, "reenter", seen + after + ", and still running", now);
  }
  if (now - last < playbook.reenter.after) {
    return Refuse(subject, Gate::kReenter, "reenter", seen + after, now);
  }
  Say(now, subject, Gate::kReenter, true, "", seen + after);
  return true;
}

void PlaybookEngine::BeginRun(const DueStart& due, TimePoint now) {
  const PlaybookProgram& program = programs_[static_cast<std::size_t>(due.playbook)];
  const Playbook& playbook = *program.playbook;
  const Arm arm = DrawArm(due,
                          {.playbook = due.playbook,
                           .customer = due.customer,
                           .run = 0,
                           .step = "",
                           .where = program.where},
                          now);
  TakeOver(due, now);
  ActiveRun run;
  run.id = ++last_run_;
  run.arm = arm.name;
  run.variant = arm.variant;
  run.held_out = arm.name == kHeldOut;
  run.playbook = due.playbook;
  run.customer = due.customer;
  run.move = due.start.move != 0 ? due.start.move : -run.id;  // One run for one occasion.
  run.started = now;
  run.hash = playbook.hash;
  run.goal_was_true =
      playbook.goal && playbook.goal->when && Holds(*playbook.goal->when, due.customer, now, now);
  Say(now,
      {.playbook = due.playbook,
       .customer = due.customer,
       .run = run.id,
       .step = "",
       .where = program.where},
      Gate::kStart, true, "",
      run.goal_was_true ? "the goal held already: it must become true again" : "");
  ++summary_.started;
  if (const auto count = started_today_.find(due.playbook);
      count != started_today_.end() && !run.held_out) {
    ++count->second;
  }
  running_[static_cast<std::size_t>(due.playbook)][due.customer] = run.id;
  Walk(run, program.first, now);
  InsertRun(run, now);
  if (run.end_reason.empty()) {
    active_.emplace(run.id, std::move(run));
  }
}

}  // namespace segue
