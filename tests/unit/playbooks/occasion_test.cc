// What else than a move starts: a flag that turns on, an event, every so often.

#include "world.h"

namespace segue {
namespace {

struct Occasions : World {
  Playbook& OnFlag(const std::string& id) {
    Playbook& made = Add(id, {});
    made.on.kind = Trigger::Kind::kFlag;
    made.on.flag = 0;
    made.reenter.kind = Reenter::Kind::kAlways;
    return made;
  }

  Playbook& OnEvent(const std::string& id, int event) {
    Playbook& made = Add(id, {});
    made.on.kind = Trigger::Kind::kEvent;
    made.on.model = -1;
    made.on.event = event;
    made.reenter.kind = Reenter::Kind::kAlways;
    return made;
  }

  Playbook& Every(const std::string& id, Duration every) {
    Playbook& made = Add(id, {});
    made.on.kind = Trigger::Kind::kEvery;
    made.on.model = -1;
    made.on.every = every;
    made.on.while_holds = Says("loyal");
    made.reenter.kind = Reenter::Kind::kAlways;
    return made;
  }

  // A slot of the model, at which these have the flag.
  std::int64_t Slot(std::set<CustomerIndex> flagged) {
    now += kHour;
    host.slot = now;
    host.flagged = std::move(flagged);
    return Run().started;
  }
};

TEST_CASE_FIXTURE(Occasions,
                  "a flag starts whoever gets it, and nobody who had it at the first look") {
  OnFlag("limit");
  CHECK(Run().started == 0);  // The model never ran.
  CHECK(Slot({kLara}) == 0);
  CHECK(Slot({kLara, kIvo}) == 1);
  CHECK(Rows(kIvo) ==
        Lines{"trigger ok", "status ok", "re-entry ok", "lane ok", "start ok", "end ok done"});
  CHECK(Row(Gate::kTrigger, kIvo).detail == "rfv.near_limit turned on at 2026-03-26T06:00:00Z");
  CHECK(Slot({kIvo}) == 0);
  Open();
  CHECK(Slot({kLara, kIvo}) == 1);  // Off and on again.
  CHECK(Slot({kLara, kIvo}) == 0);
}

TEST_CASE_FIXTURE(Occasions, "a flag that turns because its model was edited starts nobody") {
  OnFlag("limit");
  Slot({});
  workspace.models[0].hash = "2";
  Open();
  CHECK(RunAfter(kHour).started == 0);
  host.flagged = {kMia};  // Placed between the slots: that is no edit.
  CHECK(RunAfter(kHour).started == 1);
  CHECK(Slot({kMia, kLara}) == 0);
  CHECK(Slot({kMia, kLara, kIvo}) == 1);
}

TEST_CASE_FIXTURE(Occasions,
                  "`for` after a flag is void when the flag turns off, also after a restart") {
  OnFlag("limit").on.stay = kDay;
  Slot({});
  Slot({kLara, kIvo});
  const TimePoint turned = now;
  CHECK(playbooks->NextDue() == turned + kDay);
  Open();
  CHECK(Slot({kIvo}) == 0);
  CHECK(Row(Gate::kTrigger).detail == "rfv.near_limit turned off after 1h");
  CHECK_FALSE(Row(Gate::kTrigger).passed);
  CHECK(RunAt(turned + kDay).started == 1);
  CHECK(Row(Gate::kTrigger, kIvo).detail ==
        "rfv.near_limit turned on at 2026-03-26T06:00:00Z, stayed 1d");
}

TEST_CASE_FIXTURE(Occasions, "a flag that nobody waited for meanwhile is looked at anew") {
  OnFlag("limit");
  Slot({});
  const Playbook gone = playbook();
  workspace.playbooks.clear();
  Open();
  Slot({kLara});
  workspace.playbooks.push_back(gone);
  Open();
  CHECK(Slot({kLara}) == 0);
  CHECK(Slot({kLara, kIvo}) == 1);
}

TEST_CASE_FIXTURE(
    Occasions,
    "an event starts whom it happened to, and nobody for what was there at the first look") {
  OnEvent("thanks", kOrder);
  host.events = {{kLara, kOrder, now - kHour}};
  CHECK(Run().started == 0);
  now += kHour;
  host.events.push_back({kIvo, kOrder, now - kHour * 3});  // Arrived after the first look.
  host.events.push_back({kMia, kVisit, now});
  CHECK(Run().started == 1);
  CHECK(Row(Gate::kTrigger, kIvo).detail == "order_placed at 2026-03-26T02:00:00Z");
  Open();
  CHECK(RunAfter(kHour).started == 0);
  host.events.push_back({kIvo, kOrder, now});
  host.events.push_back({kIvo, kOrder, now - kMinute});
  CHECK(RunAfter(kHour).started == 1);  // Two of one cycle are one start.
  CHECK(Row(Gate::kTrigger, kIvo).detail == "order_placed at 2026-03-26T05:59:00Z");
}

TEST_CASE_FIXTURE(Occasions, "an event whose time lies ahead starts when it is reached") {
  OnEvent("thanks", kOrder);
  Run();
  host.events.push_back({kLara, kOrder, now + kHour * 5});
  CHECK(RunAfter(kHour).started == 0);
  CHECK(RunAfter(kHour * 3).started == 0);
  CHECK(RunAfter(kHour).started == 1);
  CHECK(RunAfter(kHour).started == 0);
}

TEST_CASE_FIXTURE(Occasions, "`where` says which events start") {
  OnEvent("thanks", kOrder).on.where = Says("large");
  Run();
  host.truths[{kIvo, "large"}] = true;
  host.events = {{kLara, kOrder, now}, {kIvo, kOrder, now}};
  CHECK(RunAfter(kHour).started == 1);
  CHECK(Runs().front().customer == kIvo);
}

TEST_CASE_FIXTURE(Occasions,
                  "every so often: those for whom it holds at the first look wait that long, later "
                  "ones start at once") {
  Every("review", kDay * 90);
  host.truths[{kLara, "loyal"}] = true;
  Run();
  const TimePoint first = now;
  CHECK(last.started == 0);
  CHECK(playbooks->NextDue() == first + kDay * 90);
  now += kDay;
  host.truths[{kIvo, "loyal"}] = true;
  CHECK(Run().started == 1);
  CHECK(Row(Gate::kTrigger, kIvo).detail == "every 90d while loyal (yes), for the first time");
  Open();
  CHECK(playbooks->NextDue() == first + kDay * 90);
  CHECK(RunAt(first + kDay * 90 - Duration(1)).started == 0);
  CHECK(RunAt(first + kDay * 90).started == 1);
  CHECK(Row(Gate::kTrigger).detail ==
        "every 90d while loyal (yes), last asked 2026-03-26T04:00:00Z");
  CHECK(playbooks->NextDue() == first + kDay * 91);
  host.truths[{kIvo, "loyal"}] = false;
  CHECK(RunAt(first + kDay * 91).started == 0);
  host.truths[{kIvo, "loyal"}] = true;
  CHECK(RunAt(first + kDay * 95).started == 1);  // Overdue, and it holds again.
}

TEST_CASE_FIXTURE(
    Occasions,
    "every so often: who was refused is asked again after that time, not in every cycle") {
  Every("review", kDay * 30).when = {Says("rich")};
  Run();
  host.truths[{kLara, "loyal"}] = true;
  CHECK(RunAfter(kHour).started == 0);
  CHECK(Row(Gate::kWhen).reason == "when_false");
  const std::size_t rows = CountRows();
  host.truths[{kLara, "rich"}] = true;
  RunAfter(kDay);
  CHECK(CountRows() == rows);
  CHECK(RunAfter(kDay * 29).started == 1);
}

TEST_CASE_FIXTURE(Occasions, "every so often: an edit keeps the time of the last start") {
  Every("review", kDay * 30);
  Run();
  host.truths[{kLara, "loyal"}] = true;
  RunAfter(kHour);
  const TimePoint started = now;
  playbook().hash = "2";
  Open();
  host.truths[{kIvo, "loyal"}] = true;
  CHECK(RunAfter(kDay).started == 0);  // For Ivo the edit was the first look.
  CHECK(RunAt(started + kDay * 30).started == 1);
  CHECK(RunAfter(kDay).started == 1);
}

TEST_CASE_FIXTURE(Occasions,
                  "a merge and an erasure take along what was noted about the customer") {
  Every("review", kDay * 30);
  OnFlag("limit");
  Run();
  Slot({});
  host.truths[{kLara, "loyal"}] = true;
  Slot({});
  now += kDay;
  host.truths[{kIvo, "loyal"}] = true;
  Slot({});
  playbooks->Merged(kIvo, kLara, now);
  host.dead.insert(kIvo);
  CHECK(RunAfter(kDay * 29 + kHour).started == 0);  // The later of the two counts.
  CHECK(RunAfter(kDay).started == 1);
  playbooks->Erased(kLara, now);
  Statement left = db->Prepare("SELECT count(*) FROM every_last");
  REQUIRE(left.Step());
  CHECK(left.Int(0) == 0);
}

}  // namespace
}  // namespace segue
