// Lanes, room in the day, the global holdout, policies, experiments, caps and mirrors.

#include <algorithm>

#include "base/hash.h"
#include "world.h"

namespace segue {
namespace {

bool Has(const std::vector<std::string>& lines, const std::string& line) {
  return std::find(lines.begin(), lines.end(), line) != lines.end();
}

TEST_CASE_FIXTURE(
    World,
    "one active run per customer and lane: the higher priority wins, the other is not queued") {
  Add("low", {WaitStep("0", kDay)}).lane = "retention";
  Add("high", {WaitStep("0", kDay)}).lane = "retention";
  playbook(1).priority = 90;
  Add("elsewhere", {WaitStep("0", kDay)});
  Start();
  CHECK(Ends() == Lines{"lara at 0", "lara at 0"});
  CHECK(Runs().front().playbook == "high");
  const std::vector<Decision> low = playbooks->Decisions(kLara, "low", TimePoint{});
  CHECK(low.back().reason == "lane_busy");
  CHECK(low.back().detail == "run 1 of high is active");
  RunAfter(kDay * 2);
  CHECK(Runs().size() == 2);
}

TEST_CASE_FIXTURE(World, "takes_over ends a run of lower priority in its lane, and no other") {
  Add("review", {WaitStep("0", kDay * 9)}).lane = "retention";
  Playbook& rescue = Add("rescue", {WaitStep("0", kDay * 9)});
  rescue.lane = "retention";
  rescue.on.to = {kNew};
  SUBCASE("higher priority and takes_over") {
    rescue.takes_over = true;
    rescue.priority = 60;
    Start();
    Open();
    MoveTo(kLara, kNew);
    Run();
    CHECK(Ends() == Lines{"lara taken_over", "lara at 0"});
    CHECK(Row(Gate::kLane).detail == "takes over from run 1 of review");
    CHECK(Row(Gate::kEnd).detail == "by rescue");
  }
  SUBCASE("equal priority") {
    rescue.takes_over = true;
    Start();
    MoveTo(kLara, kNew);
    Run();
    CHECK(Ends() == Lines{"lara at 0"});
    CHECK(Row(Gate::kLane).reason == "lane_busy");
  }
  SUBCASE("without takes_over") {
    rescue.priority = 60;
    Start();
    MoveTo(kLara, kNew);
    Run();
    CHECK(Ends() == Lines{"lara at 0"});
  }
}

TEST_CASE_FIXTURE(World, "a merge leaves the older run of a lane") {
  Add("a", {WaitStep("0", kDay)}).lane = "retention";
  Add("b", {WaitStep("0", kDay)}).lane = "retention";
  playbook(1).on.to = {kNew};
  Start(kLara);
  now += kHour;
  MoveTo(kIvo, kNew);
  Run();
  playbooks->Merged(kIvo, kLara, now);
  CHECK(Ends() == Lines{"lara at 0", "lara merged"});
}

TEST_CASE_FIXTURE(World, "who exceeds per_day starts on the next day, if it is still true") {
  workspace.schema.timezone = Zone::Find("America/New_York").value();
  Add("winback", {}).per_day = 1;
  MoveTo(kLara, kAtRisk);
  MoveTo(kIvo, kAtRisk);
  MoveTo(kMia, kAtRisk);
  Run();  // 00:00 in New York.
  CHECK(last.started == 1);
  CHECK(Row(Gate::kPerDay, kIvo).detail == "0 of 1 starts today");
  CHECK(Row(Gate::kPerDay, kLara).reason == "per_day");
  CHECK(Row(Gate::kPerDay, kLara).detail == "1 of 1 starts today");
  const TimePoint tomorrow = At("2026-03-27T04:00:00Z");
  CHECK(playbooks->NextDue() == tomorrow);
  const std::size_t rows = CountRows();
  RunAfter(kHour);
  Open();
  RunAt(tomorrow - Duration(1));
  CHECK(CountRows() == rows);
  Leave(kLara);
  CHECK(RunAt(tomorrow).started == 1);
  CHECK(Runs().back().customer == kMia);
}

TEST_CASE_FIXTURE(World, "the global holdout gets nothing of marketing and product, and no run") {
  workspace.holdout = Holdout{.share_percent = 100, .salt = "s", .place = {}};
  Add("winback", {SendStep("0", "hello")});
  Add("receipt", {SendStep("0", "again")}).purpose = Purpose::kService;
  Start();
  CHECK(Promised() == Lines{"again lara 2026-03-26T04:00:00Z"});
  CHECK(Row(Gate::kGlobalHoldout).reason == "held_out");
  CHECK(Row(Gate::kGlobalHoldout).detail == "bucket " + std::to_string(Bucket("s", "", "lara")) +
                                                " of 10000, held out of all marketing and product");
  CHECK(Runs().size() == 1);
  workspace.holdout->share_percent = 0;
  Start(kIvo);
  CHECK(Row(Gate::kGlobalHoldout, kIvo).passed);
}

TEST_CASE_FIXTURE(World, "a share of people is held out by their key alone, to the bucket") {
  Playbook& winback = Add("winback", {SendStep("0", "hello")});
  const int bucket = Bucket("winback", "winback", "lara");
  winback.salt = "winback";
  winback.holdout_percent = bucket / 100.0;
  Start();
  CHECK(Row(Gate::kExperiment).detail ==
        "treated (bucket " + std::to_string(bucket) + " of 10000)");
  CHECK(Promised().size() == 1);
}

TEST_CASE_FIXTURE(World,
                  "who is held out walks through every gate and gets held_out in place of sent") {
  Playbook& winback =
      Add("winback", {SendStep("0", "hello"), WaitStep("1", kDay), SendStep("2", "again")});
  winback.holdout_percent = 100;
  winback.lane = "retention";
  winback.per_day = 1;
  winback.priority = 90;
  Add("other", {}).lane = "retention";
  Start();
  CHECK(Has(Rows(), "experiment ok held_out"));
  CHECK(Has(Rows(), "render ok"));
  CHECK(Has(Rows(), "outbox NO held_out"));
  CHECK(Promised().empty());
  CHECK(playbooks->Decisions(kLara, "other", TimePoint{}).back().reason == "lane_busy");
  Open();
  RunAfter(kDay);
  CHECK(Row(Gate::kOutbox).reason == "held_out");
  CHECK(Ends() == Lines{"lara done"});
  now = At("2026-03-26T23:00:00Z");
  Start(kIvo);  // A ghost takes no room in the day.
  CHECK(Row(Gate::kPerDay, kIvo).passed);
  Statement entered = db->Prepare("SELECT arm, entered FROM run ORDER BY id LIMIT 1");
  REQUIRE(entered.Step());
  CHECK(entered.Text(0) == "held_out");
  CHECK(FromMicros(entered.Int(1)) == At("2026-03-26T04:00:00Z"));
}

TEST_CASE_FIXTURE(World,
                  "variants share the buckets behind the holdout, and words follow the variant") {
  Playbook& winback =
      Add("winback", {SendStep("0", "hello"), WaitStep("1", kDay), SendStep("2", "again")});
  winback.variants = {{"hint", 50}, {"video", 50}};
  winback.salt = "x";
  for (const CustomerIndex customer : {kLara, kIvo, kMia}) {
    host.worded.clear();
    Start(customer);
    Open();
    RunAfter(kDay);
    const std::string variant =
        Bucket("x", "winback", host.keys[customer]) < 5000 ? "hint" : "video";
    CHECK(host.worded == Lines{variant, variant});
    CHECK(Row(Gate::kExperiment, customer).detail.starts_with("treated, variant " + variant));
  }
}

TEST_CASE_FIXTURE(World,
                  "a policy against experiments gives the first variant and leaves both arms") {
  Playbook& winback = Add("winback", {SendStep("0", "hello")});
  winback.variants = {{"hint", 1}};
  winback.holdout_percent = 99;
  Policy policy;
  policy.id = "key_accounts";
  policy.why = "they get what works";
  policy.when = {Says("key")};
  policy.deny = {"experiment"};
  workspace.policies = {policy};
  host.truths[{kLara, "key"}] = true;
  Start();
  CHECK(host.worded == Lines{"hint"});
  CHECK(Row(Gate::kPolicy).detail == "key_accounts: they get what works");
  CHECK(Row(Gate::kExperiment).detail == "in neither arm");
  CHECK(Promised().size() == 1);
}

TEST_CASE_FIXTURE(World,
                  "a policy vetoes what it names, says why, and leaves excepted playbooks alone") {
  Step call;
  call.kind = Step::Kind::kTask;
  call.id = "1";
  call.assignee = "team";
  Add("winback", {SendStep("0", "hello"), call});
  Add("spared", {SendStep("0", "again")});
  Policy policy;
  policy.id = "freeze";
  policy.why = "they wait for support";
  policy.when = {Says("ticket")};
  policy.except = {"spared"};
  policy.place = {.file = 0, .line = 3};
  host.truths[{kLara, "ticket"}] = true;
  Lines expected;
  SUBCASE("send") {
    policy.deny = {"send"};
    expected = {"task lara 2026-03-26T04:00:00Z", "again lara 2026-03-26T04:00:00Z"};
  }
  SUBCASE("the purpose") {
    policy.deny = {"marketing"};
    expected = {"task lara 2026-03-26T04:00:00Z", "again lara 2026-03-26T04:00:00Z"};
  }
  SUBCASE("task") {
    policy.deny = {"task"};
    expected = {"hello lara 2026-03-26T04:00:00Z", "again lara 2026-03-26T04:00:00Z"};
  }
  SUBCASE("another purpose") {
    policy.deny = {"product", "offer", "audience_add"};
    expected = {"hello lara 2026-03-26T04:00:00Z", "task lara 2026-03-26T04:00:00Z",
                "again lara 2026-03-26T04:00:00Z"};
  }
  workspace.policies = {policy};
  std::sort(expected.begin(), expected.end());
  playbook(0).id = "winback";
  Start();
  Lines promised = Promised();
  std::sort(promised.begin(), promised.end());
  CHECK(promised == expected);
  if (promised.size() == 2) {
    CHECK(Row(Gate::kPolicy).reason == "policy");
    CHECK(Row(Gate::kPolicy).detail == "freeze: they wait for support");
    CHECK(Row(Gate::kPolicy).where == "rules/p.yaml:3");
  }
  Start(kIvo);
  CHECK(Has(Rows(kIvo), "policy NO policy") == false);
}

Cap Capped(const std::string& channel, int max, Duration within) {
  Cap cap;
  cap.purpose = Purpose::kMarketing;
  cap.channel = channel;
  cap.max = max;
  cap.within = within;
  return cap;
}

TEST_CASE("room under a cap: rolling stretches, looking back and ahead") {
  const TimePoint zero = At("2026-03-26T04:00:00Z");
  const std::vector<Cap> caps = {Capped("email", 2, kDay * 2)};
  const auto room = [&](std::vector<int> hours, int due) {
    std::vector<CountedMessage> sent;
    for (const int hour : hours) {
      sent.push_back({zero + kHour * hour, "marketing", "email"});
    }
    return (RoomUnderCaps(caps, "marketing", "email", sent, zero + kHour * due).at - zero) / kHour;
  };
  CHECK(room({}, 0) == 0);
  CHECK(room({-10}, 0) == 0);
  CHECK(room({-10, -20}, 0) == 28);  // When the older one is 48 hours old.
  CHECK(room({-48, -20}, 0) == 0);   // Exactly so old already.
  CHECK(room({-10, 30}, 0) == 38);   // One that is booked counts too.
  CHECK(room({20, 30}, 0) == 68);
  CHECK(room({-10, 60}, 0) == 0);
  CHECK(RoomUnderCaps(caps, "product", "email", {}, zero).asked == false);
  CHECK(RoomUnderCaps(caps, "marketing", "in_app", {}, zero).asked == false);
  CHECK(RoomUnderCaps({Capped("", 1, kDay)}, "marketing", "in_app",
                      {{zero, "marketing", "email"}, {zero, "product", "in_app"}}, zero)
            .at == zero + kDay);
}

TEST_CASE_FIXTURE(
    World, "at a cap a message waits as long as on_cap says, then it is dropped with its reason") {
  workspace.caps = {Capped("email", 1, kDay * 2)};
  Playbook& first = Add("first", {SendStep("0", "hello")});
  first.priority = 90;
  Playbook& second = Add("second", {SendStep("0", "again"), SendStep("1", "popup")});
  SUBCASE("it waits") {
    second.on_cap_wait = kDay * 2;
    Start();
    CHECK(Promised() == Lines{"hello lara 2026-03-26T04:00:00Z", "again lara 2026-03-28T04:00:00Z",
                              "popup lara 2026-03-26T04:00:00Z"});
    CHECK(Row(Gate::kCap).reason == "held");
    CHECK(Row(Gate::kCap).detail ==
          "1 marketing email per 2d is reached, room at 2026-03-28T04:00:00Z");
  }
  SUBCASE("not so long") {
    second.on_cap_wait = kDay;
    Start();
    CHECK(Row(Gate::kCap).reason == "cap");
    CHECK(Promised() ==
          Lines{"hello lara 2026-03-26T04:00:00Z", "popup lara 2026-03-26T04:00:00Z"});
  }
  SUBCASE("drop") {
    Start();
    CHECK(Row(Gate::kCap).reason == "cap");
    CHECK(Row(Gate::kCap).passed == false);
  }
  SUBCASE("quiet hours come after it") {
    second.on_cap_wait = kDay * 3;
    workspace.quiet_hours = Quiet(3 * 60, 5 * 60);
    Start();
    CHECK(Promised() == Lines{"hello lara 2026-03-26T05:00:00Z", "again lara 2026-03-28T05:00:00Z",
                              "popup lara 2026-03-26T05:00:00Z"});
  }
}

TEST_CASE_FIXTURE(World, "a ghost is checked against what it would have got") {
  workspace.caps = {Capped("email", 1, kDay * 2)};
  Playbook& winback = Add("winback", {SendStep("0", "hello"), SendStep("1", "again")});
  winback.holdout_percent = 100;
  Start();
  CHECK(Row(Gate::kCap).reason == "cap");
  Add("real", {SendStep("0", "hello")}).on.to = {kNew};
  Open();
  MoveTo(kLara, kNew);
  Run();
  CHECK(Promised().size() == 1);  // What a ghost did not get does not count for others.
}

TEST_CASE_FIXTURE(World, "what a ghost would not have sent by its exit does not count for it") {
  workspace.caps = {Capped("email", 1, kDay * 2)};
  workspace.quiet_hours = Quiet(3 * 60, 5 * 60);
  Playbook& winback = Add("winback", {SendStep("0", "hello")});
  winback.holdout_percent = 100;
  winback.exit = Says("gone");
  Playbook& later = Add("later", {SendStep("0", "again")});
  later.on.to = {kNew};
  later.holdout_percent = 100;
  later.on_cap_wait = Duration::zero();
  std::string room;
  SUBCASE("the run waits") {
    playbook().steps.push_back(WaitStep("1", kDay));
    SUBCASE("it would have gone out") {
      room = "cap";
    }
    SUBCASE("it would not") {}
  }
  SUBCASE("the run is done") {}
  Start();
  host.truths[{kLara, "gone"}] = true;
  RunAfter(room.empty() ? 30 * kMinute : 2 * kHour);
  CHECK(Ends().front() == (playbook().steps.size() == 2 ? "lara exit" : "lara done"));
  MoveTo(kLara, kNew);
  RunAfter(2 * kHour);
  CHECK(Row(Gate::kCap).reason == room);
}

TEST_CASE_FIXTURE(World,
                  "mirror writes every settled move, whatever its cause, and the newest wins") {
  workspace.mirror = {{.model = "rfv", .to = {"crm", "crm2"}, .field = "segue_rfv", .place = {}},
                      {.model = "other", .to = {"crm"}, .field = "x", .place = {}}};
  MoveTo(kLara, kAtRisk, Cause::kEdit);
  Run();
  CHECK(host.superseded == Lines{"rfv.segue_rfv at_risk", "rfv.segue_rfv at_risk"});
  CHECK(Promised() == Lines{"set lara 2026-03-26T04:00:00Z", "set lara 2026-03-26T04:00:00Z"});
  CHECK(Column("playbook") == "mirror");
  MoveTo(kLara, kNoSegment);
  RunAfter(kHour);
  CHECK(host.superseded.back() == "rfv.segue_rfv none");
}

}  // namespace
}  // namespace segue
