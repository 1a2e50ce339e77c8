// Pauses by hand: noticed by the next cycle, without a restart, and never caught up with silently.

#include <doctest/doctest.h>

#include "store/pauses.h"
#include "world.h"

namespace segue {

TEST_CASE_FIXTURE(World, "a playbook that is paused by hand starts nobody and says by whose word") {
  Add("winback", {SendStep("0", "hello")});
  Run();
  Pauses pauses(*db);
  REQUIRE(pauses.Begin({"playbook", "winback", now, "a typo in the subject"}));
  CHECK_FALSE(pauses.Begin({"playbook", "winback", now, ""}));
  MoveTo(kLara, kAtRisk);
  RunAfter(kHour);
  CHECK(Promised().empty());
  CHECK(Row(Gate::kStatus).reason == "paused");
  CHECK(Row(Gate::kStatus).detail == "by hand since 2026-03-26T04:00:00Z: a typo in the subject");
  // What was refused is not made up for; what comes after is as ever.
  REQUIRE(pauses.End("playbook", "winback"));
  CHECK_FALSE(pauses.End("playbook", "winback"));
  RunAfter(kHour);
  CHECK(Promised().empty());
  MoveTo(kIvo, kAtRisk);
  RunAfter(kHour);
  CHECK(Promised().size() == 1);
}

TEST_CASE_FIXTURE(World,
                  "a pause of all holds the runs of every playbook, an end lets them go on") {
  Add("winback", {WaitStep("0", kHour), SendStep("1", "hello")});
  Start();
  Pauses pauses(*db);
  pauses.Begin({"all", "", now, ""});
  RunAfter(2 * kHour);
  CHECK(Ends() == Lines{"lara at 0"});
  CHECK_FALSE(playbooks->NextDue().has_value());
  Open();  // A restart forgets no pause.
  RunAfter(kHour);
  CHECK(Ends() == Lines{"lara at 0"});
  Pauses(*db).End("all", "");
  RunAfter(kHour);
  CHECK(Ends() == Lines{"lara done"});
  CHECK(Promised().size() == 1);
}

TEST_CASE_FIXTURE(World, "what a pause by hand made too late is skipped as stale") {
  Add("winback", {WaitStep("0", kHour), SendStep("1", "hello")});
  Add("other", {WaitStep("0", kHour), SendStep("1", "again")});
  Start();
  Pauses pauses(*db);
  pauses.Begin({"playbook", "winback", now, ""});
  RunAfter(kDay + 2 * kHour);
  CHECK(Promised() == Lines{"again lara 2026-03-27T06:00:00Z"});
  pauses.End("playbook", "winback");
  RunAfter(kHour);
  CHECK(Promised().size() == 1);
  CHECK(Row(Gate::kOutbox).reason == "stale");
}

}  // namespace segue
