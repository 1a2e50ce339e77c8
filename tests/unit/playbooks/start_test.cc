// Who starts: moves, dwell, and the gates of a start.

#include "world.h"

namespace segue {
namespace {

TEST_CASE_FIXTURE(World,
                  "a move that fits starts a run, with one row for every gate that was asked") {
  Add("winback", {SendStep("0", "hello")});
  MoveTo(kLara, kAtRisk);
  CHECK(Run().started == 1);
  CHECK(Rows() == Lines{"trigger ok", "status ok", "re-entry ok", "lane ok", "start ok",
                        "consent ok", "suppression ok", "address ok", "same address ok",
                        "render ok", "outbox ok", "end ok done"});
  CHECK(Promised() == Lines{"hello lara 2026-03-26T04:00:00Z"});
  CHECK(Row(Gate::kTrigger).detail == "moved loyal to at_risk at 2026-03-26T04:00:00Z");
  CHECK(Row(Gate::kTrigger).where == "rules/p.yaml:12");
  CHECK(Row(Gate::kStart).run == 1);
  CHECK(Row(Gate::kOutbox).where == "rules/p.yaml:20");
}

TEST_CASE_FIXTURE(World, "only behaviour and time start, and only moves that fit from and to") {
  Playbook& winback = Add("winback", {});
  winback.on.from = {kLoyal, kNoSegment};
  for (const Cause cause : {Cause::kEdit, Cause::kRefit, Cause::kMerge, Cause::kImport}) {
    MoveTo(kLara, kAtRisk, cause);
    CHECK(Run().started == 0);
    MoveTo(kLara, kLoyal, cause);
    CHECK(RunAfter(kHour).started == 0);
  }
  host.settled[kIvo] = kNew;
  MoveTo(kIvo, kAtRisk);
  CHECK(Run().started == 0);  // From `new`.
  host.settled[kMia] = kNoSegment;
  MoveTo(kMia, kAtRisk, Cause::kBehaviour);
  CHECK(Run().started == 1);  // From none, which is named.
  MoveTo(kLara, kNew);
  CHECK(Run().started == 0);  // To `new`.
}

TEST_CASE_FIXTURE(World, "without from and to any move starts, to none too") {
  Add("any", {}).on.to = {};
  MoveTo(kLara, kNoSegment);
  CHECK(Run().started == 1);
  CHECK(Row(Gate::kTrigger).detail == "moved loyal to none at 2026-03-26T04:00:00Z");
}

TEST_CASE_FIXTURE(World, "a draft and a paused playbook refuse in their own words") {
  Add("draft", {}).status = Status::kDraft;
  Add("paused", {}).status = Status::kPaused;
  Start();
  CHECK(last.started == 0);
  CHECK(Rows() == Lines{"trigger ok", "status NO draft", "trigger ok", "status NO paused"});
}

TEST_CASE_FIXTURE(
    World, "while data is old nothing starts, it is said once, and starts go on afterwards") {
  workspace.max_data_age = kHour * 26;
  host.data_age = kHour * 27;
  Add("winback", {});
  Start();
  CHECK(Rows() == Lines{"trigger ok", "status ok", "data age NO data_stale"});
  CHECK(Row(Gate::kDataAge).detail ==
        "the oldest source was read 1d 3h ago, at most 26h is allowed");
  RunAfter(kHour);
  CHECK(Rows().empty());
  SUBCASE("in the same process") {}
  SUBCASE("after a restart") {
    Open();
  }
  host.data_age = kHour * 26;
  CHECK(RunAfter(kHour).started == 1);
  CHECK(Rows() == Lines{"data age ok", "re-entry ok", "lane ok", "start ok", "end ok done"});
}

TEST_CASE_FIXTURE(World, "`when` is asked once at the start, and all of it must be true") {
  Playbook& winback = Add("winback", {});
  winback.when = {Says("rich"), Says("near")};
  winback.when[1].place = {.file = 0, .line = 14};
  host.truths[{kLara, "rich"}] = true;
  Start();
  CHECK(Rows() == Lines{"trigger ok", "status ok", "when NO when_false"});
  CHECK(Row(Gate::kWhen).detail == "near (no)");
  CHECK(Row(Gate::kWhen).where == "rules/p.yaml:14");
  host.truths[{kLara, "near"}] = true;
  CHECK(RunAfter(kHour).started == 0);  // Asked once.
  host.truths[{kIvo, "rich"}] = host.truths[{kIvo, "near"}] = true;
  Start(kIvo);
  CHECK(last.started == 1);
  CHECK(Row(Gate::kWhen, kIvo).detail == "rich (yes); near (yes)");
}

TEST_CASE_FIXTURE(World, "re-entry never: who left and came back does not start again") {
  Add("winback", {SendStep("0", "hello")});
  Start();
  now += kDay * 100;
  Leave(kLara);
  Run();
  now += kDay;
  Start();
  CHECK(Rows() == Lines{"trigger ok", "status ok", "re-entry NO reenter"});
  CHECK(Row(Gate::kReenter).detail == "last started 2026-03-26T04:00:00Z, and never again");
  CHECK(Promised().size() == 1);
}

TEST_CASE_FIXTURE(World, "re-entry always: who left and came back starts again") {
  Add("winback", {SendStep("0", "hello")}).reenter.kind = Reenter::Kind::kAlways;
  Start();
  now += kDay * 2;
  Leave(kLara);
  Run();
  now += kDay;
  Start();
  CHECK(last.started == 1);
  CHECK(Promised().size() == 2);
}

TEST_CASE_FIXTURE(World, "re-entry always refuses only while a run is active") {
  Add("winback", {WaitStep("0", kDay * 9)}).reenter.kind = Reenter::Kind::kAlways;
  Start();
  now += kDay;
  Leave(kLara);
  MoveTo(kLara, kAtRisk);
  Run();
  CHECK(last.started == 0);
  CHECK(Row(Gate::kLane).reason == "lane_busy");
  CHECK(Row(Gate::kLane).detail == "run 1 is active");
}

TEST_CASE_FIXTURE(
    World, "re-entry after a time counts from the start of the last run, to the microsecond") {
  Playbook& winback = Add("winback", {WaitStep("0", kDay)});
  winback.reenter = {.kind = Reenter::Kind::kAfter, .after = kDay * 60};
  Start();
  const TimePoint first = now;
  const auto come_back = [&](TimePoint at) {
    now = at;
    Leave(kLara);
    MoveTo(kLara, kAtRisk);
    return Run().started;
  };
  CHECK(come_back(first + kHour) == 0);
  CHECK(Row(Gate::kReenter).detail ==
        "last started 2026-03-26T04:00:00Z, again after 60d, and still running");
  CHECK(come_back(first + kDay * 60 - Duration(1)) == 0);
  CHECK(Row(Gate::kReenter).reason == "reenter");
  CHECK(come_back(first + kDay * 60) == 1);
}

TEST_CASE_FIXTURE(World, "re-entry after a time still refuses while the last run is active") {
  Playbook& winback = Add("winback", {WaitStep("0", kDay * 90)});
  winback.reenter = {.kind = Reenter::Kind::kAfter, .after = kDay * 60};
  Start();
  now += kDay * 61;
  Leave(kLara);
  MoveTo(kLara, kAtRisk);
  CHECK(Run().started == 0);
  CHECK(Row(Gate::kReenter).reason == "reenter");
}

TEST_CASE_FIXTURE(World, "`for` starts when the person has stayed that long, not earlier") {
  Add("winback", {}).on.stay = kDay * 2;
  Start();
  const TimePoint moved = now;
  CHECK(last.started == 0);
  CHECK(playbooks->NextDue() == moved + kDay * 2);
  CHECK(RunAt(moved + kDay * 2 - Duration(1)).started == 0);
  CHECK(RunAt(moved + kDay * 2).started == 1);
  CHECK(Row(Gate::kTrigger).detail == "moved loyal to at_risk at 2026-03-26T04:00:00Z, stayed 2d");
  CHECK_FALSE(playbooks->NextDue().has_value());
}

TEST_CASE_FIXTURE(World,
                  "leaving resets the dwell, leaves a near miss, and coming back begins it anew") {
  Add("winback", {}).on.stay = kDay * 2;
  Start();
  now += kDay;
  MoveTo(kLara, kLoyal, Cause::kEdit);  // Whatever the cause.
  Run();
  CHECK(Rows() == Lines{"trigger NO"});
  CHECK(Row(Gate::kTrigger).detail == "left at_risk after 1d of 2d");
  now += kHour;
  const TimePoint back = now;
  Start();
  CHECK(RunAt(back + kDay).started == 0);
  CHECK(RunAt(back + kDay * 2).started == 1);
}

TEST_CASE_FIXTURE(World, "a dwell survives a restart") {
  Add("winback", {}).on.stay = kDay * 2;
  Start();
  Open();
  RunAfter(kDay);
  Open();
  CHECK(playbooks->NextDue() == now + kDay);
  CHECK(RunAfter(kDay).started == 1);
  Open();
  CHECK(RunAfter(kDay).started == 0);
}

TEST_CASE_FIXTURE(World, "a latest answer that differs puts the start off until it agrees again") {
  Add("winback", {}).on.stay = kDay * 2;
  Start();
  host.raw[kLara] = kLoyal;
  CHECK(RunAfter(kDay * 2).started == 0);
  CHECK(Rows().empty());
  host.raw[kLara] = kAtRisk;
  CHECK(RunAfter(kDay).started == 1);
}

TEST_CASE_FIXTURE(World, "a move from one wanted segment to another starts once, for the second") {
  Playbook& winback = Add("winback", {});
  winback.on.to = {kAtRisk, kNew};
  winback.on.stay = kDay;
  Start();
  now += kHour;
  MoveTo(kLara, kNew);
  Run();
  CHECK(RunAfter(kDay - kHour).started == 0);
  CHECK(RunAfter(kHour).started == 1);
}

TEST_CASE_FIXTURE(
    World, "starts go by priority, then playbook, then time of the move, then customer key") {
  Add("b", {});
  Add("a", {});
  Add("first", {}).priority = 90;
  for (Playbook& each : workspace.playbooks) {
    each.on.stay = kDay;
  }
  MoveTo(kMia, kAtRisk);
  Run();
  now += kHour;
  MoveTo(kLara, kAtRisk);
  MoveTo(kIvo, kAtRisk);
  Run();
  RunAfter(kDay * 2);
  Lines order;
  for (const RunInfo& run : Runs()) {
    order.push_back(run.playbook + " " + host.keys[run.customer]);
  }
  CHECK(order == Lines{"first mia", "first ivo", "first lara", "a mia", "a ivo", "a lara", "b mia",
                       "b ivo", "b lara"});
}

TEST_CASE_FIXTURE(World, "a second cycle with the same now and no news writes nothing") {
  Playbook& winback = Add("winback", {SendStep("0", "hello"), WaitStep("1", kDay)});
  winback.exit = Says("gone");
  Add("dwell", {}).on.stay = kDay;
  workspace.max_data_age = kHour;
  Start();
  host.data_age = kHour * 2;
  Start(kIvo);
  const std::size_t rows = CountRows();
  const Lines ends = Ends();
  for (const bool restart : {false, true}) {
    if (restart) {
      Open();
    }
    Statement before = db->Prepare("SELECT total_changes()");
    REQUIRE(before.Step());
    const std::int64_t changes = before.Int(0);
    Run();
    Statement after = db->Prepare("SELECT total_changes()");
    REQUIRE(after.Step());
    CHECK(after.Int(0) == changes);
    CHECK(CountRows() == rows);
    CHECK(Ends() == ends);
  }
}

TEST_CASE_FIXTURE(World, "an edited playbook starts nobody for moves that happened before") {
  Add("winback", {}).on.stay = kDay;
  Start();
  playbook().hash = "2";
  Open();
  CHECK(RunAfter(kDay).started == 0);
  CHECK(playbooks->NextDue() == std::nullopt);
  Start(kIvo);
  CHECK(RunAfter(kDay).started == 1);
}

TEST_CASE_FIXTURE(
    World, "a playbook that leaves draft or paused starts nobody for moves that happened before") {
  Status before = Status::kDraft;
  SUBCASE("draft") {
    before = Status::kDraft;
  }
  SUBCASE("paused") {
    before = Status::kPaused;
  }
  Add("winback", {}).on.stay = kDay;
  playbook().status = before;
  Start();
  playbook().status = Status::kLive;
  Open();
  CHECK(RunAfter(kDay).started == 0);
  Start(kIvo);
  CHECK(RunAfter(kDay).started == 1);
}

TEST_CASE_FIXTURE(World, "a playbook that is taken away forgets who was about to start") {
  Add("winback", {}).on.stay = kDay;
  Start();
  Playbook gone = playbook();
  workspace.playbooks.clear();
  Open();
  Run();
  workspace.playbooks.push_back(std::move(gone));
  Open();
  CHECK(RunAfter(kDay).started == 0);
}

}  // namespace
}  // namespace segue
