// What a run does next: its goal and exit, its waits and branches.

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "playbooks/engine.h"

namespace segue {

PlaybookEngine::Subject PlaybookEngine::SubjectOf(const ActiveRun& run, int index) const {
  const StepNode& at = node(run, index);
  return {.playbook = run.playbook,
          .customer = run.customer,
          .run = run.id,
          .step = at.step->id,
          .where = at.where};
}

bool PlaybookEngine::Holds(const Condition& condition, CustomerIndex customer, TimePoint now,
                           std::optional<TimePoint> started) {
  return IsTrue(host_.Evaluate(condition.expr, customer, now, started, nullptr));
}

std::string PlaybookEngine::Looked(const Condition& condition, CustomerIndex customer,
                                   TimePoint now, std::optional<TimePoint> started) {
  if (db_.thrown_away()) {
    return "";  // Nobody reads it.
  }
  Trace trace;
  host_.Evaluate(condition.expr, customer, now, started, &trace);
  std::string text = condition.text;
  for (std::size_t i = 0; i < trace.size(); ++i) {
    text += (i == 0 ? " (" : ", ") + trace[i].text;
  }
  return text + (trace.empty() ? "" : ")");
}

void PlaybookEngine::End(ActiveRun& run, std::string_view reason, std::string_view where,
                         std::string_view detail, TimePoint now) {
  SEGUE_CHECK(run.end_reason.empty());
  run.end_reason = reason;
  auto& running = running_[static_cast<std::size_t>(run.playbook)];
  running.erase(run.customer);
  Say(now,
      {.playbook = run.playbook,
       .customer = run.customer,
       .run = run.id,
       .step = StepId(run),
       .where = where},
      Gate::kEnd, true, reason, detail);
  ++summary_.ended;
  if (reason == "goal" || reason == "exit" || reason == "taken_over") {
    DropUnsent(run, reason, now);
  }
  if (reason != "done") {
    host_.DropJoins(run.id, reason, now);  // Or it could come after what takes them out.
    LeaveAudiences({.run = run.id, .customer = run.customer, .word = "end"}, now);
  }
}

void PlaybookEngine::RemoveOver() {
  std::erase_if(active_, [](const auto& entry) { return !entry.second.end_reason.empty(); });
}

std::optional<std::string> PlaybookEngine::GoalReached(ActiveRun& run, TimePoint now) {
  const Goal& goal = *playbook(run).goal;
  const TimePoint last = run.started + goal.within;
  if (goal.event) {
    const std::optional<TimePoint> happened =
        host_.Happened(run.customer, *goal.event, goal.where, run.started, std::min(now, last));
    if (happened) {
      return workspace_.schema.events[static_cast<std::size_t>(*goal.event)].name + " at " +
             FormatTime(*happened);
    }
  }
  if (!goal.when || now > last) {
    return std::nullopt;
  }
  const bool holds = Holds(*goal.when, run.customer, now, run.started);
  if (holds && !run.goal_was_true) {
    return Looked(*goal.when, run.customer, now, run.started);
  }
  run.goal_was_true = holds;  // What was so at the start is reached by becoming so again.
  return std::nullopt;
}

bool PlaybookEngine::MayHaveTurned(const ActiveRun& run, bool by_events) const {
  return !by_events || !stirred_ || IsAccount(run.customer) ||
         std::binary_search(stirred_->begin(), stirred_->end(), run.customer);
}

void PlaybookEngine::DropUnsent(const ActiveRun& run, std::string_view why, TimePoint now) {
  host_.DropUnsent(run.id, why, now);
  if (run.held_out) {
    ForgetGhosts(run, now);
  }
}

std::optional<PlaybookEngine::Ending> PlaybookEngine::FindEnd(ActiveRun& run, TimePoint now) {
  const Playbook& playbook = this->playbook(run);
  if (playbook.goal && !run.goal_at && MayHaveTurned(run, program(run).goal_by_events)) {
    if (std::optional<std::string> reached = GoalReached(run, now)) {
      run.goal_at = now;
      if (playbook.goal->ends_run) {
        return Ending{"goal", program(run).where_goal, std::move(*reached)};
      }
      Subject subject{.playbook = run.playbook,
                      .customer = run.customer,
                      .run = run.id,
                      .step = "",
                      .where = ""};
      subject.where = program(run).where_goal;
      Say(now, subject, Gate::kGoalOrExit, true, "goal", *reached + "; the run goes on");
    }
  }
  if (playbook.exit && MayHaveTurned(run, program(run).exit_by_events) &&
      Holds(*playbook.exit, run.customer, now, run.started)) {
    return Ending{"exit", program(run).where_exit,
                  Looked(*playbook.exit, run.customer, now, run.started)};
  }
  return std::nullopt;
}

bool PlaybookEngine::AskEnd(ActiveRun& run, TimePoint now) {
  const std::pair goal_before(run.goal_at, run.goal_was_true);
  const std::optional<Ending> ending = FindEnd(run, now);
  if (ending) {
    End(run, ending->reason, ending->where, ending->detail, now);
  }
  if (ending || std::pair(run.goal_at, run.goal_was_true) != goal_before) {
    SaveRun(run, now);
  }
  return ending.has_value();
}

void PlaybookEngine::AskDone(TimePoint now) {
  std::vector<std::int64_t> unsent = host_.UnsentRuns();
  Statement ghosts = db_.Prepare("SELECT run FROM ghost_message WHERE at >= ?");
  ghosts.Bind(1, ToMicros(now));
  while (ghosts.Step()) {
    unsent.push_back(ghosts.Int(0));
  }
  std::sort(unsent.begin(), unsent.end());
  unsent.erase(std::unique(unsent.begin(), unsent.end()), unsent.end());
  for (const std::int64_t id : unsent) {
    std::optional<ActiveRun> run = active_.contains(id) ? std::nullopt : FindDone(id);
    if (!run || StandsStill(run->playbook)) {
      continue;
    }
    std::optional<Ending> ending;
    const Playbook& playbook = this->playbook(*run);
    if (run->goal_at && playbook.goal && playbook.goal->ends_run) {
      // It was under way when the goal was reached, or nothing was asked of its playbook.
      ending = {"goal", program(*run).where_goal, "since " + FormatTime(*run->goal_at)};
    } else {
      const std::pair goal_before(run->goal_at, run->goal_was_true);
      ending = FindEnd(*run, now);
      if (std::pair(run->goal_at, run->goal_was_true) != goal_before) {
        SaveGoal(*run);
      }
    }
    if (ending) {
      Say(now,
          {.playbook = run->playbook,
           .customer = run->customer,
           .run = id,
           .step = "",
           .where = ending->where},
          Gate::kGoalOrExit, true, ending->reason,
          ending->detail + "; what the run has not sent is dropped");
      DropUnsent(*run, ending->reason, now);
    }
  }
}

void PlaybookEngine::EndRuns(TimePoint now) {
  bool any = false;
  for (auto& [id, run] : active_) {
    any |= !StandsStill(run.playbook) && AskEnd(run, now);
  }
  if (any) {
    RemoveOver();
  }
  AskDone(now);
  WatchGoals(now);
}

// A condition cannot be asked of the past, so it is asked while the goal's time runs, also of runs
// that are over: both arms of an experiment are watched for as long, whatever ended their runs.
void PlaybookEngine::WatchGoals(TimePoint now) {
  for (const PlaybookProgram& program : programs_) {
    const std::optional<Goal>& goal = program.playbook->goal;
    if (!goal || !goal->when) {
      continue;
    }
    std::vector<ActiveRun> turned;
    Statement select = db_.Prepare(
        "SELECT id, customer, started, goal_was_true FROM run WHERE playbook = ? AND started >= ? "
        "AND ended IS NOT NULL AND entered IS NOT NULL AND goal_at IS NULL ORDER BY id");
    select.Bind(1, program.playbook->id).Bind(2, ToMicros(now - goal->within));
    while (select.Step()) {
      const auto customer = static_cast<CustomerIndex>(select.Int(1));
      const bool was_true = select.Int(3) != 0;
      if (!host_.IsAlive(customer) ||
          Holds(*goal->when, customer, now, FromMicros(select.Int(2))) == was_true) {
        continue;
      }
      ActiveRun run;
      run.id = select.Int(0);
      if (!was_true) {
        run.goal_at = now;
      }
      turned.push_back(run);
    }
    for (const ActiveRun& run : turned) {
      SaveGoal(run);
    }
  }
}

void PlaybookEngine::SaveGoal(const ActiveRun& run) {
  Statement update = db_.Prepare("UPDATE run SET goal_at = ?, goal_was_true = ? WHERE id = ?");
  if (run.goal_at) {
    update.Bind(1, ToMicros(*run.goal_at));
  } else {
    update.BindNull(1);
  }
  update.Bind(2, std::int64_t{run.goal_was_true}).Bind(3, run.id).Run();
}

void PlaybookEngine::ResumeWaits(TimePoint now) {
  bool any = false;
  for (auto& [id, run] : active_) {
    if (!StandsStill(run.playbook)) {
      ResumeWait(run, now);
      any |= !run.end_reason.empty();
    }
  }
  if (any) {
    RemoveOver();
  }
}

void PlaybookEngine::ResumeWait(ActiveRun& run, TimePoint now) {
  const int index = run.step;
  const StepNode& at = node(run, index);
  const Step& step = *at.step;
  SEGUE_CHECK(step.kind == Step::Kind::kWait && run.wakes.has_value());
  const bool met = step.until && MayHaveTurned(run, at.until_by_events) &&
                   Holds(*step.until, run.customer, now, run.started);
  if (!met && *run.wakes > now) {
    return;
  }
  const std::string detail = met ? "met: " + Looked(*step.until, run.customer, now, run.started)
                                 : "the time ran out at " + FormatTime(*run.wakes);
  run.wakes.reset();
  if (met ? step.met_stops : step.unmet_stops) {
    End(run, "stopped", at.where, detail, now);
  } else {
    Say(now, SubjectOf(run, index), Gate::kWait, true, "", detail);
    Walk(run, at.next, now);
  }
  SaveRun(run, now);
}

bool PlaybookEngine::BeginWait(ActiveRun& run, int index, TimePoint now) {
  const StepNode& at = node(run, index);
  const Step& step = *at.step;
  const Subject subject = SubjectOf(run, index);
  run.overdue = false;
  if (step.until && Holds(*step.until, run.customer, now, run.started)) {
    const std::string detail =
        "met at once: " + Looked(*step.until, run.customer, now, run.started);
    if (step.met_stops) {
      End(run, "stopped", at.where, detail, now);
    } else {
      Say(now, subject, Gate::kWait, true, "", detail);
    }
    return false;
  }
  const TimePoint wakes =
      step.until_local_minute
          ? NextLocal(now, *step.until_local_minute, step.wait_weekdays, host_.ZoneOf(run.customer))
          : now + step.wait;
  run.wakes = wakes;
  Say(now, subject, Gate::kWait, true, "held", "until " + FormatTime(wakes));
  return true;
}

void PlaybookEngine::Walk(ActiveRun& run, int index, TimePoint now) {
  while (index != StepNode::kEnd && run.end_reason.empty()) {
    const StepNode& at = node(run, index);
    const Step& step = *at.step;
    run.step = index;
    int next = at.next;
    switch (step.kind) {
      case Step::Kind::kSend:
        Send(run, index, now);
        break;
      case Step::Kind::kTask:
        Task(run, index, now);
        break;
      case Step::Kind::kSet:
      case Step::Kind::kTrack:
        Tell(run, index, now);
        break;
      case Step::Kind::kAudience:
        Audience(run, index, now);
        break;
      case Step::Kind::kWait:
        if (BeginWait(run, index, now)) {
          return;
        }
        break;
      case Step::Kind::kIf: {
        const bool yes = Holds(*step.condition, run.customer, now, run.started);
        Say(now, SubjectOf(run, index), Gate::kBranch, true, yes ? "then" : "else",
            Looked(*step.condition, run.customer, now, run.started));
        next = yes ? at.then_first : at.else_first;
        break;
      }
      case Step::Kind::kStop:
        End(run, "stopped", at.where, step.stop_reason, now);
        break;
    }
    index = next;
  }
  if (run.end_reason.empty()) {
    End(run, "done", program(run).where, "", now);
  }
}

}  // namespace segue
