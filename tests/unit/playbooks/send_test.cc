// What one step must pass before anything is promised.

#include "world.h"

namespace segue {
namespace {

// The step's own rows only: those after the start.
Lines StepRows(World& world, CustomerIndex customer = kLara) {
  Lines rows;
  for (const Decision& decision :
       world.playbooks->Decisions(customer, "", world.now - Duration(1))) {
    if (!decision.step.empty() && decision.gate != Gate::kEnd) {
      rows.push_back(std::string(GateName(decision.gate)) + (decision.passed ? " ok" : " NO") +
                     (decision.reason.empty() ? "" : " " + decision.reason));
    }
  }
  return rows;
}

Step TaskStep(const std::string& id) {
  Step step;
  step.kind = Step::Kind::kTask;
  step.id = id;
  step.assignee = "team";
  step.due = kDay;
  return step;
}

TEST_CASE_FIXTURE(World, "a promise carries all that the outbox needs") {
  Add("winback", {SendStep("first", "hello")});
  workspace.stale_after = kHour * 6;
  Start();
  CHECK(Column("key") == DeliveryKey("demo", "lara", "winback", 1, "first", "smtp"));
  CHECK(Column("connector") == "smtp");
  CHECK(Column("purpose") == "marketing");
  CHECK(Column("address") == "lara@example.com");
  CHECK(Column("stale_after - not_before") == std::to_string(Duration(kHour * 6).count()));
}

TEST_CASE_FIXTURE(World, "without consent nothing is sent, and missing is no") {
  Add("winback", {SendStep("0", "hello")});
  SUBCASE("no") {
    host.answers[{kLara, kConsentTrait}] = false;
    Start();
    CHECK(Row(Gate::kConsent).detail ==
          "customer.email_consent is no since 2025-11-02 (source: app)");
  }
  SUBCASE("never answered") {
    host.answers.erase({kLara, kConsentTrait});
    Start();
    CHECK(Row(Gate::kConsent).detail == "customer.email_consent was never answered");
  }
  CHECK(StepRows(*this) == Lines{"consent NO no_consent"});
  CHECK(Promised().empty());
  CHECK(last.skipped == 1);
  CHECK(Ends() == Lines{"lara done"});  // The run goes on.
}

TEST_CASE_FIXTURE(World,
                  "product and success need consent like marketing; service passes, topic or not") {
  host.answers[{kLara, kConsentTrait}] = false;
  host.answers[{kLara, kNewsTrait}] = false;
  for (const Purpose purpose : {Purpose::kProduct, Purpose::kSuccess, Purpose::kService}) {
    Add("p" + std::to_string(static_cast<int>(purpose)), {SendStep("0", "hello")}).purpose =
        purpose;
  }
  playbook(2).topic = "news";
  Start();
  CHECK(StepRows(*this) == Lines{"consent NO no_consent", "consent NO no_consent", "consent ok",
                                 "suppression ok", "address ok", "same address ok", "render ok",
                                 "outbox ok"});
}

TEST_CASE_FIXTURE(World, "a channel that asks for no consent needs none") {
  host.answers.clear();
  Add("winback", {SendStep("0", "popup")});
  Start();
  CHECK(Promised() == Lines{"popup lara 2026-03-26T04:00:00Z"});
  CHECK(Column("address") == "lara");  // Other channels know the customer by their key.
}

TEST_CASE_FIXTURE(World, "a topic's no refuses; its yes, or no answer, leaves it to the channel") {
  Add("winback", {SendStep("0", "hello")}).topic = "news";
  std::optional<bool> topic;
  bool channel = true;
  Lines expected;
  SUBCASE("no") {
    topic = false;
    expected = {"topic consent NO no_topic_consent"};
  }
  SUBCASE("yes, channel yes") {
    topic = true;
    expected = {"topic consent ok", "consent ok", "suppression ok", "address ok",
                "same address ok",  "render ok",  "outbox ok"};
  }
  SUBCASE("yes, channel no") {
    topic = true;
    channel = false;
    expected = {"topic consent ok", "consent NO no_consent"};
  }
  SUBCASE("never answered, channel no") {
    channel = false;
    expected = {"topic consent ok", "consent NO no_consent"};
  }
  if (topic) {
    host.answers[{kLara, kNewsTrait}] = *topic;
  }
  host.answers[{kLara, kConsentTrait}] = channel;
  Start();
  CHECK(StepRows(*this) == expected);
}

TEST_CASE_FIXTURE(World, "suppression stops every purpose") {
  Add("winback", {SendStep("0", "hello")}).purpose = Purpose::kService;
  host.suppressed[kLara] = "bounce: 550 no such user";
  Start();
  CHECK(StepRows(*this) == Lines{"consent ok", "suppression NO suppressed"});
  CHECK(Row(Gate::kSuppression).detail == "bounce: 550 no such user");
}

TEST_CASE_FIXTURE(World, "no address, and an address that is not on the list, are refused") {
  Add("winback", {SendStep("0", "hello")});
  SUBCASE("no address") {
    host.texts.erase({kLara, kEmailTrait});
    Start();
    CHECK(StepRows(*this) == Lines{"consent ok", "suppression ok", "address NO no_address"});
    CHECK(Row(Gate::kAddress).detail == "customer.email no data");
  }
  SUBCASE("not allowed") {
    workspace.allow_only = {"Ivo@example.com"};
    Start();
    CHECK(Row(Gate::kAddress).reason == "not_allowed");
    Start(kIvo);
    CHECK(Promised() == Lines{"hello ivo 2026-03-26T04:00:00Z"});
  }
}

TEST_CASE_FIXTURE(World, "two customers with one address get one copy, also in one cycle") {
  Add("winback", {SendStep("0", "hello"), SendStep("1", "again")});
  host.texts[{kIvo, kEmailTrait}] = "lara@example.com";
  MoveTo(kLara, kAtRisk);
  MoveTo(kIvo, kAtRisk);
  Run();
  // Ivo's key comes first.
  CHECK(Promised() == Lines{"hello ivo 2026-03-26T04:00:00Z", "again ivo 2026-03-26T04:00:00Z"});
  CHECK(StepRows(*this) == Lines{"consent ok", "suppression ok", "address ok",
                                 "same address NO same_address", "consent ok", "suppression ok",
                                 "address ok", "same address NO same_address"});
}

TEST_CASE_FIXTURE(World, "after the stale time the address may have another copy") {
  Add("winback",
      {SendStep("0", "hello"), WaitStep("1", kDay + Duration(1)), SendStep("2", "hello")});
  Start();
  RunAfter(kDay + Duration(1));
  CHECK(Promised().size() == 2);
}

TEST_CASE_FIXTURE(World, "within the stale time it may not, to its last moment") {
  Add("winback", {SendStep("0", "hello"), WaitStep("1", kDay), SendStep("2", "hello")});
  Start();
  RunAfter(kDay);
  CHECK(Promised().size() == 1);
}

TEST_CASE_FIXTURE(World, "quiet hours hold a message until their end in the customer's zone") {
  Add("winback", {SendStep("0", "hello")});
  workspace.quiet_hours = Quiet(21 * 60, 8 * 60);
  host.zones[kLara] = "America/Sao_Paulo";  // 04:00 UTC is 01:00 there.
  host.zones[kIvo] = "Asia/Tokyo";          // 13:00.
  MoveTo(kLara, kAtRisk);
  MoveTo(kIvo, kAtRisk);
  Run();
  CHECK(Promised() == Lines{"hello ivo 2026-03-26T04:00:00Z", "hello lara 2026-03-26T11:00:00Z"});
  CHECK(Column("stale_after") == std::to_string(ToMicros(At("2026-03-27T11:00:00Z"))));
  CHECK(Row(Gate::kQuietHours).reason == "held");
  CHECK(Row(Gate::kQuietHours).detail ==
        "until 2026-03-26T11:00:00Z, 2026-03-26 08:00 America/Sao_Paulo");
  CHECK(Row(Gate::kQuietHours, kIvo).reason.empty());
}

TEST_CASE_FIXTURE(
    World,
    "quiet hours may go by the workspace's clock, and hold only the channels that they name") {
  workspace.quiet_hours = Quiet(21 * 60, 8 * 60);
  workspace.quiet_hours->customer_zone = false;
  workspace.quiet_hours->channels = {"email"};
  host.zones[kLara] = "Asia/Tokyo";
  Add("winback", {SendStep("0", "hello"), SendStep("1", "popup")});
  Start();
  CHECK(Promised() == Lines{"hello lara 2026-03-26T08:00:00Z", "popup lara 2026-03-26T04:00:00Z"});
}

TEST_CASE_FIXTURE(World,
                  "a message that cannot be rendered is skipped with the words of the error") {
  Add("winback", {SendStep("0", "hello")});
  host.unrenderable = {kLara};
  Start();
  CHECK(Row(Gate::kRender).reason == "render_error");
  CHECK(Row(Gate::kRender).detail == "customer.first_name is missing and has no default");
  CHECK(Promised().empty());
  CHECK(Ends() == Lines{"lara done"});
}

TEST_CASE_FIXTURE(World, "a channel that nobody carries is an error of rendering, not a crash") {
  workspace.channels.clear();
  Step set;
  set.kind = Step::Kind::kSet;
  set.id = "1";
  Add("winback", {SendStep("0", "hello"), set, TaskStep("2"), SendStep("3", "no such")});
  Start();
  CHECK(StepRows(*this) == Lines{"render NO render_error", "render NO render_error",
                                 "render NO render_error", "render NO render_error"});
}

TEST_CASE_FIXTURE(World, "shadow walks every gate, waits and ends, and promises nothing") {
  Playbook& winback =
      Add("winback", {SendStep("0", "hello"), WaitStep("1", kDay), SendStep("2", "again")});
  winback.status = Status::kShadow;
  Start();
  CHECK(StepRows(*this) == Lines{"consent ok", "suppression ok", "address ok", "same address ok",
                                 "render ok", "outbox NO shadow", "wait ok held"});
  RunAfter(kDay);
  CHECK(Ends() == Lines{"lara done"});
  CHECK(Promised().empty());
}

TEST_CASE_FIXTURE(World, "a task goes to its assignee, asks no consent and no quiet hours") {
  Add("call", {TaskStep("0")});
  host.answers.clear();
  workspace.quiet_hours = Quiet(0, 23 * 60);
  Start();
  CHECK(Promised() == Lines{"task lara 2026-03-26T04:00:00Z"});
  CHECK(Column("assignee") == "team@example.com");
  CHECK(Column("connector") == "desk");
}

TEST_CASE_FIXTURE(World, "a task for a trait needs that trait") {
  Step task = TaskStep("0");
  task.assignee.clear();
  task.via = "crm";
  Expr trait;
  trait.op = Op::kLeaf;
  trait.leaf = {
      .kind = Leaf::Kind::kTrait, .model = -1, .index = kCsmTrait, .name = "customer.csm"};
  task.assignee_trait = trait;
  Add("call", {task});
  host.texts[{kIvo, kCsmTrait}] = "ana@example.com";
  MoveTo(kLara, kAtRisk);
  MoveTo(kIvo, kAtRisk);
  Run();
  CHECK(Promised() == Lines{"task ivo 2026-03-26T04:00:00Z"});
  CHECK(Column("assignee") == "ana@example.com");
  CHECK(Column("connector") == "crm");
  CHECK(Row(Gate::kAddress).reason == "no_address");
  CHECK(Row(Gate::kAddress).detail == "customer.csm no data");
}

TEST_CASE_FIXTURE(World, "a task that says unless_open is skipped while an earlier one is open") {
  Step task = TaskStep("0");
  task.unless_open = true;
  Add("call", {task});
  host.open_tasks = {kLara};
  MoveTo(kLara, kAtRisk);
  MoveTo(kIvo, kAtRisk);
  Run();
  CHECK(Promised() == Lines{"task ivo 2026-03-26T04:00:00Z"});
  CHECK(StepRows(*this) == Lines{"address ok", "same address NO same_address"});
}

TEST_CASE_FIXTURE(World, "a change is told to every tool of its channel, once each") {
  Step set;
  set.kind = Step::Kind::kSet;
  set.id = "0";
  Step track;
  track.kind = Step::Kind::kTrack;
  track.id = "1";
  track.track = "winback_done";
  Add("winback", {set, track});
  host.answers.clear();
  Start();
  CHECK(Promised() == Lines{"set lara 2026-03-26T04:00:00Z", "set lara 2026-03-26T04:00:00Z",
                            "trackwinback_done lara 2026-03-26T04:00:00Z"});
  CHECK(StepRows(*this) ==
        Lines{"render ok", "outbox ok", "render ok", "outbox ok", "render ok", "outbox ok"});
}

TEST_CASE_FIXTURE(World,
                  "goal and exit are asked before a send and a task, and end the run there") {
  Step task = TaskStep("0");
  SUBCASE("send") {
    task = SendStep("0", "hello");
  }
  SUBCASE("task") {}
  Playbook& winback = Add("winback", {task});
  winback.exit = Says("gone");
  winback.exit->place = {.file = 0, .line = 30};
  host.truths[{kLara, "gone"}] = true;
  MoveTo(kLara, kAtRisk);
  MoveTo(kIvo, kAtRisk);
  Run();
  CHECK(Ends() == Lines{"ivo done", "lara exit"});
  CHECK(Promised().size() == 1);
  CHECK(Row(Gate::kEnd).detail == "gone (yes)");
  CHECK(Row(Gate::kEnd).where == "rules/p.yaml:30");
  CHECK(Row(Gate::kGoalOrExit, kIvo).detail == "not yet");
}

}  // namespace
}  // namespace segue
