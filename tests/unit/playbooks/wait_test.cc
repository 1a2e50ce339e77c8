// Waits, branches, goals and exits over time.

#include "store/pauses.h"
#include "world.h"

namespace segue {
namespace {

TEST_CASE_FIXTURE(World,
                  "a wait ends in the first cycle at or after its time, also after a restart") {
  Add("winback", {WaitStep("0", kDay * 3), SendStep("1", "hello")});
  Start();
  const TimePoint start = now;
  CHECK(playbooks->NextDue() == start + kDay * 3);
  RunAt(start + kDay * 3 - Duration(1));
  CHECK(Ends() == Lines{"lara at 0"});
  Open();
  CHECK(playbooks->NextDue() == start + kDay * 3);
  RunAt(start + kDay * 3);
  CHECK(Ends() == Lines{"lara done"});
  CHECK(Promised() == Lines{"hello lara 2026-03-29T04:00:00Z"});
}

TEST_CASE_FIXTURE(World,
                  "two waits in a row are both waited for, the second from when it was reached") {
  Add("winback", {WaitStep("0", kDay), WaitStep("1", kDay), SendStep("2", "hello")});
  Start();
  RunAfter(kDay + kHour);
  CHECK(Ends() == Lines{"lara at 1"});
  CHECK(playbooks->NextDue() == now + kDay);
  RunAfter(kDay - Duration(1));
  CHECK(Promised().empty());
  RunAfter(Duration(1));
  CHECK(Promised().size() == 1);
}

TEST_CASE_FIXTURE(World, "`until` ends a wait early, and `met: stop` ends the run") {
  Step wait = WaitStep("0", kDay * 3);
  wait.until = Says("back");
  bool stops = false;
  SUBCASE("next") {}
  SUBCASE("stop") {
    stops = true;
  }
  wait.met_stops = stops;
  Add("winback", {wait, SendStep("1", "hello")});
  Start();
  RunAfter(kHour);
  CHECK(Ends() == Lines{"lara at 0"});
  host.truths[{kLara, "back"}] = true;
  RunAfter(kHour);
  CHECK(Ends() == Lines{stops ? "lara stopped" : "lara done"});
  CHECK(Promised().size() == (stops ? 0 : 1));
  CHECK(Row(stops ? Gate::kEnd : Gate::kWait).detail == "met: back (yes)");
}

TEST_CASE_FIXTURE(World, "`until` that holds already when the wait begins ends it at once") {
  Step wait = WaitStep("0", kDay * 3);
  wait.until = Says("back");
  wait.met_stops = true;
  host.truths[{kLara, "back"}] = true;
  Add("winback", {wait, SendStep("1", "hello")});
  Start();
  CHECK(Ends() == Lines{"lara stopped"});
  CHECK(Promised().empty());
}

TEST_CASE_FIXTURE(
    World, "when the time ran out, `unmet: stop` ends the run, unless `until` holds even then") {
  Step wait = WaitStep("0", kDay);
  wait.until = Says("back");
  wait.unmet_stops = true;
  Add("winback", {wait, SendStep("1", "hello")});
  MoveTo(kLara, kAtRisk);
  MoveTo(kIvo, kAtRisk);
  Run();
  host.truths[{kIvo, "back"}] = true;
  RunAfter(kDay);
  CHECK(Ends() == Lines{"ivo done", "lara stopped"});
  CHECK(Row(Gate::kEnd).detail == "the time ran out at 2026-03-27T04:00:00Z");
}

TEST_CASE_FIXTURE(
    World, "until_local sleeps to that wall time in the customer's zone, on a named weekday") {
  Step wait = WaitStep("0", Duration::zero());
  wait.until_local_minute = 9 * 60;
  wait.wait_weekdays = 0x01;  // Mondays.
  Add("winback", {wait, SendStep("1", "hello")});
  host.zones[kLara] = "Europe/Berlin";
  Start();  // A Thursday; the clocks go forward on Sunday.
  CHECK(FormatTime(*Runs()[0].wakes) == "2026-03-30T07:00:00Z");
  RunAt(*Runs()[0].wakes);
  CHECK(Promised() == Lines{"hello lara 2026-03-30T07:00:00Z"});
}

TEST_CASE_FIXTURE(World, "consent that is withdrawn during a wait stops the second message") {
  Add("winback", {SendStep("0", "hello"), WaitStep("1", kDay), SendStep("2", "again")});
  Start();
  host.answers[{kLara, kConsentTrait}] = false;
  RunAfter(kDay);
  CHECK(Promised() == Lines{"hello lara 2026-03-26T04:00:00Z"});
  CHECK(Row(Gate::kConsent).reason == "no_consent");
}

TEST_CASE_FIXTURE(World, "exit ends a waiting run at once, and what it has not sent is not sent") {
  Playbook& winback =
      Add("winback", {SendStep("0", "hello"), WaitStep("1", kDay * 9), SendStep("2", "again")});
  winback.exit = Says("gone");
  Start();
  host.truths[{kLara, "gone"}] = true;
  CHECK(RunAfter(kHour).ended == 1);
  CHECK(Ends() == Lines{"lara exit"});
  CHECK(Runs()[0].ended == now);
  CHECK(host.dropped == Lines{"run 1 exit"});
  CHECK(playbooks->NextDue() == std::nullopt);
}

TEST_CASE_FIXTURE(World, "a goal ends a waiting run at once, before its exit") {
  Playbook& winback = Add("winback", {WaitStep("0", kDay * 90)});
  winback.goal.emplace();
  winback.goal->event = kOrder;
  winback.goal->within = kDay * 30;
  winback.exit = Says("gone");
  Start();
  const TimePoint start = now;
  bool reached = true;
  SUBCASE("after the start") {
    host.events = {{kLara, kOrder, start + Duration(1)}};
  }
  SUBCASE("at the last moment") {
    host.events = {{kLara, kOrder, start + kDay * 30}};
  }
  SUBCASE("not at the start") {
    host.events = {{kLara, kOrder, start}};
    reached = false;
  }
  SUBCASE("not too late") {
    host.events = {{kLara, kOrder, start + kDay * 30 + Duration(1)}};
    reached = false;
  }
  SUBCASE("not another event or customer") {
    host.events = {{kLara, kVisit, start + kDay}, {kIvo, kOrder, start + kDay}};
    reached = false;
  }
  host.truths[{kLara, "gone"}] = reached;
  RunAt(start + kDay * 31);
  CHECK(Ends() == Lines{reached ? "lara goal" : "lara at 0"});
}

TEST_CASE_FIXTURE(World, "a goal that held at the start is reached when it holds again") {
  Playbook& winback = Add("winback", {SendStep("0", "hello"), WaitStep("1", kDay * 90)});
  winback.goal.emplace();
  winback.goal->when = Says("active");
  winback.goal->within = kDay * 30;
  host.truths[{kLara, "active"}] = true;
  SUBCASE("also noted of a run that is over") {
    winback.steps.resize(1);
  }
  Start();
  RunAfter(kHour);
  const auto reached = [&] {
    Statement goal = db->Prepare("SELECT goal_at IS NOT NULL FROM run");
    REQUIRE(goal.Step());
    return goal.Int(0) != 0;
  };
  CHECK_FALSE(reached());
  host.truths[{kLara, "active"}] = false;
  RunAfter(kHour);
  CHECK_FALSE(reached());
  Open();
  host.truths[{kLara, "active"}] = true;
  RunAfter(kHour);
  CHECK(reached());
  CHECK(Ends() == Lines{playbook().steps.size() == 2 ? "lara goal" : "lara done"});
}

// did(order_placed), from the start of the run.
Condition Ordered(Workspace& workspace) {
  Aggregate orders;
  orders.op = AggregateOp::kCount;
  orders.event = kOrder;
  orders.in_run = true;
  orders.canonical = "count(order_placed) in the run";
  Condition condition = Says("ordered");
  condition.expr.leaf.kind = Leaf::Kind::kAggregate;
  condition.expr.leaf.index = workspace.aggregates.Intern(orders);
  return condition;
}

TEST_CASE_FIXTURE(World, "what only events can turn is asked of those for whom one took effect") {
  Playbook& winback = Add("winback", {WaitStep("0", kDay * 90)});
  winback.exit = Ordered(workspace);
  MoveTo(kLara, kAtRisk);
  MoveTo(kIvo, kAtRisk);
  Run();
  RunAfter(kHour);
  host.evaluations = 0;
  RunAfter(kHour);
  CHECK(host.evaluations == 0);
  host.events = {{kIvo, kOrder, now + kHour * 2}};
  host.truths[{kIvo, "ordered"}] = true;
  RunAfter(kHour);
  CHECK(host.evaluations == 0);
  RunAfter(kHour);
  CHECK(Ends() == Lines{"ivo exit", "lara at 0"});
  Open();  // A process that has just begun does not know what happened before, and asks.
  host.evaluations = 0;
  RunAfter(kHour);
  CHECK(host.evaluations == 1);
}

TEST_CASE_FIXTURE(World, "what happened in a pause is seen after it") {
  Playbook& winback = Add("winback", {WaitStep("0", kDay * 90)});
  winback.exit = Ordered(workspace);
  Start();
  RunAfter(kHour);
  Pauses pauses(*db);
  pauses.Begin({"playbook", "winback", now, ""});
  host.events = {{kLara, kOrder, now + kMinute}};
  host.truths[{kLara, "ordered"}] = true;
  RunAfter(kHour);
  CHECK(Ends() == Lines{"lara at 0"});
  pauses.End("playbook", "winback");
  RunAfter(kHour);
  CHECK(Ends() == Lines{"lara exit"});
}

TEST_CASE_FIXTURE(World, "an event ahead of now does not reach the goal yet") {
  Playbook& winback = Add("winback", {WaitStep("0", kDay * 90)});
  winback.goal.emplace();
  winback.goal->event = kOrder;
  winback.goal->within = kDay * 30;
  Start();
  host.events = {{kLara, kOrder, now + kDay}};
  RunAfter(kHour);
  CHECK(Ends() == Lines{"lara at 0"});
  RunAfter(kDay);
  CHECK(Ends() == Lines{"lara goal"});
  CHECK(Row(Gate::kEnd).detail == "order_placed at 2026-03-27T04:00:00Z");
}

TEST_CASE_FIXTURE(World,
                  "a goal that held before the start does not count; one that becomes true does") {
  Playbook& winback = Add("winback", {WaitStep("0", kDay * 90)});
  winback.goal.emplace();
  winback.goal->when = Says("paid");
  winback.goal->within = kDay * 30;
  host.truths[{kLara, "paid"}] = true;
  MoveTo(kLara, kAtRisk);
  MoveTo(kIvo, kAtRisk);
  MoveTo(kMia, kAtRisk);
  Run();
  Open();  // It is remembered.
  const TimePoint start = now;
  host.truths[{kIvo, "paid"}] = true;
  RunAt(start + kDay * 30);
  CHECK(Ends() == Lines{"ivo goal", "lara at 0", "mia at 0"});
  host.truths[{kMia, "paid"}] = true;
  RunAt(start + kDay * 30 + Duration(1));
  CHECK(Ends() == Lines{"ivo goal", "lara at 0", "mia at 0"});  // Too late.
}

TEST_CASE_FIXTURE(World, "with ends_run no the goal is noted once and the run goes on") {
  Playbook& winback = Add("winback", {WaitStep("0", kDay), SendStep("1", "hello")});
  winback.goal.emplace();
  winback.goal->event = kOrder;
  winback.goal->within = kDay * 30;
  winback.goal->ends_run = false;
  Start();
  host.events = {{kLara, kOrder, now + kHour}};
  RunAfter(kHour);
  CHECK(Rows() == Lines{"goal or exit ok goal"});
  Open();
  RunAfter(kHour);
  CHECK(Rows().empty());
  RunAfter(kDay);
  CHECK(Ends() == Lines{"lara done"});
  CHECK(Promised().size() == 1);
}

TEST_CASE_FIXTURE(World, "`if` takes one branch, goes on after it, and branches may wait") {
  Step branch;
  branch.kind = Step::Kind::kIf;
  branch.id = "0";
  branch.condition = Says("rich");
  branch.then_steps = {WaitStep("0.then.0", kDay), SendStep("0.then.1", "hello")};
  branch.else_steps = {};
  Add("winback", {branch, SendStep("1", "again")});
  host.truths[{kLara, "rich"}] = true;
  MoveTo(kLara, kAtRisk);
  MoveTo(kIvo, kAtRisk);
  Run();
  CHECK(Ends() == Lines{"ivo done", "lara at 0.then.0"});
  Open();
  host.truths[{kLara, "rich"}] = false;  // Asked once.
  RunAfter(kDay);
  CHECK(Promised() == Lines{"again ivo 2026-03-26T04:00:00Z", "hello lara 2026-03-27T04:00:00Z",
                            "again lara 2026-03-27T04:00:00Z"});
}

TEST_CASE_FIXTURE(World, "`stop` ends the run and shows its words") {
  Step branch;
  branch.kind = Step::Kind::kIf;
  branch.id = "0";
  branch.condition = Says("rich");
  Step stop;
  stop.kind = Step::Kind::kStop;
  stop.id = "0.else.0";
  stop.stop_reason = "the answer was a good one";
  branch.else_steps = {stop};
  Add("winback", {branch, SendStep("1", "hello")});
  Start();
  CHECK(Ends() == Lines{"lara stopped"});
  CHECK(Row(Gate::kEnd).detail == "the answer was a good one");
  CHECK(Promised().empty());
}

TEST_CASE_FIXTURE(World,
                  "while a playbook is paused its runs stand still: no goal, no exit, no wait") {
  Playbook& winback = Add("winback", {WaitStep("0", kHour), SendStep("1", "hello")});
  winback.exit = Says("gone");
  Start();
  playbook().status = Status::kPaused;
  Open();
  host.truths[{kLara, "gone"}] = true;
  CHECK_FALSE(playbooks->NextDue().has_value());
  RunAfter(kHour * 2);
  CHECK(Ends() == Lines{"lara at 0"});
  host.truths[{kLara, "gone"}] = false;
  playbook().status = Status::kLive;
  Open();
  RunAfter(kHour);
  CHECK(Ends() == Lines{"lara done"});
  CHECK(Promised().size() == 1);  // Overdue by less than the stale time.
}

TEST_CASE_FIXTURE(
    World, "leaving a pause never catches up: what is long overdue is skipped, the rest goes on") {
  Add("winback",
      {WaitStep("0", kHour), SendStep("1", "hello"), WaitStep("2", kDay), SendStep("3", "again")});
  Start();
  playbook().status = Status::kPaused;
  Open();
  RunAfter(kDay);
  playbook().status = Status::kLive;
  Open();
  RunAfter(kDay);
  CHECK(Promised().empty());
  CHECK(Row(Gate::kOutbox).reason == "stale");
  CHECK(Ends() == Lines{"lara at 2"});
  RunAfter(kDay);
  CHECK(Promised().size() == 1);
  CHECK(Ends() == Lines{"lara done"});
}

TEST_CASE_FIXTURE(
    World, "an edit keeps waiting runs where their step is still there, and ends the others") {
  Add("winback", {WaitStep("pause", kDay), SendStep("1", "hello")});
  Add("other", {WaitStep("0", kDay), SendStep("1", "again")});
  Start();
  playbook(0).hash = playbook(1).hash = "2";
  playbook(0).steps = {SendStep("new", "again"), WaitStep("pause", kDay * 5),
                       SendStep("2", "popup")};
  playbook(1).steps = {SendStep("0", "again")};
  Open();
  RunAfter(kHour);
  CHECK(Ends() == Lines{"lara stopped", "lara at pause"});
  CHECK(Row(Gate::kEnd).detail == "the playbook was edited, and the step it waited at is gone");
  RunAfter(kDay - kHour);  // It wakes when it was told to, and goes on with the new steps.
  CHECK(Promised() == Lines{"popup lara 2026-03-27T04:00:00Z"});
}

TEST_CASE_FIXTURE(
    World, "without a pause a wait goes on in the first cycle after it, however late that is") {
  Add("winback", {WaitStep("0", kHour), SendStep("1", "hello")});
  Start();
  Open();
  RunAfter(kDay * 5);
  CHECK(Promised() == Lines{"hello lara 2026-03-31T04:00:00Z"});
}

TEST_CASE_FIXTURE(World, "when a playbook is taken away its runs end") {
  Add("winback", {WaitStep("0", kDay)});
  Start();
  workspace.playbooks.clear();
  Open();
  CHECK(RunAfter(kHour).ended == 1);
  CHECK(Ends() == Lines{"lara stopped"});
  CHECK(Row(Gate::kEnd).detail == "the playbook was taken away");
}

}  // namespace
}  // namespace segue
