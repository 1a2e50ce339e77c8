// Crashes, merges, erasure, and what is kept.

#include <chrono>
#include <functional>
#include <stdexcept>

#include "world.h"

namespace segue {
namespace {

// Every table as one text: two worlds with the same text decided the same.
std::string Dump(Database& db) {
  std::string text;
  for (const char* sql : {"SELECT id||' '||playbook||' '||customer||' '||move||' '||step||' "
                          "'||ifnull(wakes,'-')||' '||ifnull(ended,'-')||' "
                          "'||reason FROM run ORDER BY id",
                          "SELECT id||' '||at||' '||playbook||' '||customer||' '||run||' "
                          "'||step||' '||gate||' '||passed||' '||reason||' "
                          "'||detail FROM decision ORDER BY id",
                          "SELECT playbook||' '||customer||' '||move||' '||due FROM pending_start "
                          "ORDER BY playbook, customer",
                          "SELECT key||' '||not_before FROM promised ORDER BY id"}) {
    Statement select = db.Prepare(sql);
    while (select.Step()) {
      text += select.Text(0) + "\n";
    }
    text += "--\n";
  }
  return text;
}

struct Tick {
  Duration after;
  std::function<void(World&)> before;
};

// Nine days of two playbooks and three customers: dwell, waits, a goal, an exit, a departure.
std::vector<Tick> Story() {
  return {
      {Duration::zero(), [](World& w) { w.MoveTo(kLara, kAtRisk); }},
      {kDay, [](World& w) { w.MoveTo(kIvo, kAtRisk), w.MoveTo(kMia, kAtRisk); }},
      {kDay, [](World&) {}},
      {kHour,
       [](World& w) {
         w.Leave(kMia), w.host.truths[{kIvo, "gone"}] = true;
       }},
      {kDay,
       [](World& w) {
         w.host.events.push_back({kLara, kOrder, w.now - kHour});
       }},
      {kDay, [](World& w) { w.MoveTo(kMia, kAtRisk); }},
      {kDay * 2, [](World&) {}},
      {kDay * 3, [](World&) {}},
  };
}

void BuildStory(World& world) {
  Playbook& quick =
      world.Add("quick", {SendStep("0", "hello"), WaitStep("1", kDay * 2), SendStep("2", "again")});
  quick.exit = Says("gone");
  Playbook& slow =
      world.Add("slow", {WaitStep("0", kDay), SendStep("1", "popup"), WaitStep("2", kDay)});
  slow.on.stay = kDay;
  slow.goal.emplace();
  slow.goal->event = kOrder;
  slow.goal->within = kDay * 9;
}

TEST_CASE("a crash at any commit changes nothing in what is decided") {
  World calm;
  BuildStory(calm);
  for (const Tick& tick : Story()) {
    calm.now += tick.after;
    tick.before(calm);
    calm.Run();
  }
  const std::string expected = Dump(*calm.db);
  CHECK(calm.Promised().size() > 5);
  const int commits = static_cast<int>(Story().size());
  for (int crash_at = 0; crash_at < commits; ++crash_at) {
    for (const bool crash_after : {false, true}) {
      CAPTURE(crash_at);
      CAPTURE(crash_after);
      World world;
      BuildStory(world);
      world.Open();
      int tick_number = 0;
      for (const Tick& tick : Story()) {
        world.now += tick.after;
        tick.before(world);
        if (tick_number++ == crash_at) {
          world.db->OnCommit([&](bool after) {
            if (after == crash_after) {
              throw std::runtime_error("crash");
            }
          });
          CHECK_THROWS_AS(world.Run(), std::runtime_error);
          world.Open();
          if (crash_after) {
            world.moves.clear();  // They were committed; the cycle is over, and the next one runs
                                  // with the same now.
          }
        }
        world.Run();
      }
      CHECK(Dump(*world.db) == expected);
    }
  }
}

TEST_CASE("a restart before every cycle changes nothing in what is decided") {
  World calm;
  World restless;
  for (World* world : {&calm, &restless}) {
    BuildStory(*world);
    for (const Tick& tick : Story()) {
      world->now += tick.after;
      tick.before(*world);
      if (world == &restless) {
        world->Open();
      }
      world->Run();
    }
  }
  CHECK(Dump(*calm.db) == Dump(*restless.db));
}

TEST_CASE_FIXTURE(World, "run ids are never used twice, also after an erasure") {
  Add("winback", {}).reenter.kind = Reenter::Kind::kAlways;
  Start();
  Open();
  Start(kIvo);
  REQUIRE(Runs().size() == 2);
  CHECK(Runs()[1].id == 2);
}

TEST_CASE_FIXTURE(World,
                  "after a merge the older run of a playbook stays, and the other ends as merged") {
  Add("winback", {WaitStep("0", kDay * 3), SendStep("1", "hello")});
  CustomerIndex older = kIvo;
  SUBCASE("of the one who is gone") {
    older = kIvo;
  }
  SUBCASE("of the survivor") {
    older = kLara;
  }
  Start(older);
  now += kDay;
  Start(older == kIvo ? kLara : kIvo);
  {
    Transaction work(*db);
    playbooks->Merged(kIvo, kLara, now);
    work.Commit();
  }
  host.dead = {kIvo};
  CHECK(Ends() == Lines{"lara at 0", "lara merged"});
  bool restart = false;
  SUBCASE("in the same process") {}
  SUBCASE("after a restart") {
    restart = true;
  }
  if (restart) {
    Open();
  }
  RunAfter(kDay * 2);
  CHECK(Promised() == Lines{"hello lara 2026-03-29T04:00:00Z"});
  CHECK(Ends() == Lines{"lara done", "lara merged"});
}

TEST_CASE_FIXTURE(
    World,
    "after a merge re-entry knows the runs of both, and pending starts of the one gone are void") {
  Add("winback", {SendStep("0", "hello")});
  Add("slow", {}).on.stay = kDay;
  Start(kIvo);
  {
    Transaction work(*db);
    playbooks->Merged(kIvo, kLara, now);
    work.Commit();
  }
  host.dead = {kIvo};
  CHECK(RunAfter(kDay).started == 0);
  Start(kLara);
  CHECK(last.started == 0);
  CHECK(Row(Gate::kReenter).reason == "reenter");
}

TEST_CASE_FIXTURE(World,
                  "after a merge the survivor is busy with the run that came from the other") {
  Add("winback", {WaitStep("0", kDay * 3)}).reenter.kind = Reenter::Kind::kAlways;
  Start(kIvo);
  {
    Transaction work(*db);
    playbooks->Merged(kIvo, kLara, now);
    work.Commit();
  }
  host.dead = {kIvo};
  now += kDay;
  Start(kLara);
  CHECK(last.started == 0);
  CHECK(Row(Gate::kLane).reason == "lane_busy");
}

TEST_CASE_FIXTURE(World, "erasing a customer ends their runs and forgets what was looked at") {
  Add("winback", {WaitStep("0", kDay * 3), SendStep("1", "hello")});
  Add("slow", {}).on.stay = kDay;
  MoveTo(kLara, kAtRisk);
  MoveTo(kIvo, kAtRisk);
  Run();
  {
    Transaction work(*db);
    playbooks->Erased(kLara, now);
    work.Commit();
  }
  CHECK(playbooks->Decisions(kLara, "", TimePoint{}).empty());
  CHECK_FALSE(playbooks->Decisions(kIvo, "", TimePoint{}).empty());
  CHECK(Ends() == Lines{"ivo at 0", "lara stopped"});
  Open();
  CHECK(RunAfter(kDay).started == 1);  // Ivo's slow one.
  RunAfter(kDay * 3);
  CHECK(Promised() == Lines{"hello ivo 2026-03-30T04:00:00Z"});
}

TEST_CASE_FIXTURE(World, "a customer who is gone starts nothing") {
  Add("winback", {}).on.stay = kDay;
  Start();
  host.dead = {kLara};
  CHECK(RunAfter(kDay).started == 0);
}

TEST_CASE_FIXTURE(
    World, "runs and decisions can be asked for one customer, one playbook, and what is active") {
  Add("winback", {WaitStep("0", kDay)});
  Add("quick", {});
  MoveTo(kLara, kAtRisk);
  MoveTo(kIvo, kAtRisk);
  Run();
  CHECK(playbooks->Runs(std::nullopt, "", false).size() == 4);
  CHECK(playbooks->Runs(std::nullopt, "", true).size() == 2);
  CHECK(playbooks->Runs(kLara, "", false).size() == 2);
  CHECK(playbooks->Runs(kLara, "winback", true).size() == 1);
  const RunInfo run = playbooks->Runs(kLara, "winback", true)[0];
  CHECK(run.started == now);
  CHECK(run.wakes == now + kDay);
  CHECK(run.step == "0");
  for (const Decision& decision : playbooks->Decisions(kLara, "quick", TimePoint{})) {
    CHECK(decision.customer == kLara);
    CHECK(decision.playbook == "quick");
  }
  CHECK(playbooks->Decisions(kLara, "quick", now).empty());  // After, not at.
}

}  // namespace
}  // namespace segue
