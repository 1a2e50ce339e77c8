// What is promised and waits: what is asked again before it goes out, and what nobody wants by
// then.

#include <algorithm>
#include <memory>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "pipeline/pipeline.h"
#include "support/temp_dir.h"

namespace segue {
namespace {

constexpr std::string_view kWaitingShop = R"(workspace: shop
currency: EUR
timezone: UTC
sender: {from: "shop@example.com", postal: "1 Street"}
traits: {customer: {email: text, mail: yes_no, ads: yes_no, tips: yes_no}}
events: {visit: {}, order: {}, signup: {}}
keys: {email: customer.email}
consent: {email: customer.mail, audience: customer.ads, topics: {tips: customer.tips}}
channels: {email: out, audience: out, task: out}
audiences: {slipping: "Slipping"}
assignees: {team: "team@example.com"}
quiet_hours: {from: "20:00", to: "08:00", applies_to: [email]}
serve: {url: "https://segue.example", sign: env:SIGN}
sending: {stale_after: 3d}
---
connector: out
type: webhook
auth: {url: env:URL}
---
template: hello
channel: email
subject: Hello
body: Hello
---
layout: default
html: "{{ body }} {{ sender.postal }} {{ links.unsubscribe }}"
text: "{{ body }} {{ sender.postal }} {{ links.unsubscribe }}"
---
)";

constexpr std::string_view kReminder = R"(playbook: remind
purpose: success
topic: tips
on: {event: visit}
do: [{send: hello}, {task: {title: Call them, for: team, due: 1d, priority: high}}MORE]
goal: {event: order, within: 9d}
exit: did(signup)
limits: {reenter: always}
)";

constexpr std::string_view kAdvertise = R"(playbook: ads
purpose: service
on: {event: visit}
do: [{audience: {add: slipping}}MORE]
exit: did(signup)
limits: {reenter: always}
)";

std::string WithSteps(std::string_view playbook, const std::string& more) {
  std::string text(playbook);
  return text.replace(text.find("MORE"), 4, more);
}

// Lara visits at ten in the evening; what she is sent for it waits for the morning.
struct WaitingShop {
  static constexpr int kVisited = 0, kOrdered = 1, kSignedUp = 2;

  TempDir temp;
  Database db = Database::Open(temp / "segue.db");
  Checked checked;
  std::unique_ptr<State> state;
  std::unique_ptr<Cycle> cycle;
  TimePoint now = *ParseTime("2026-03-02T21:00:00Z", Zone());

  explicit WaitingShop(const std::string& playbook) {
    Open(playbook);
    std::vector<Fact> lara = {TraitChange{"lara", 0, std::string("lara@example.com"), now}};
    for (const int trait : {1, 2, 3}) {
      lara.emplace_back(TraitChange{"lara", trait, std::int64_t{1}, now});
    }
    Take(lara);
    Take({Happens(kVisited)});
  }

  void Open(const std::string& playbook, const std::string& more = "") {
    std::string text(kWaitingShop);
    text.replace(text.find("stale_after: 3d"), 15, "stale_after: 3d" + more);
    cycle.reset();
    state.reset();
    checked = CheckWorkspace({{"config/segue.yaml", text + playbook}}, false, VersionsInUse(db));
    INFO(FormatDiagnostics(checked.diagnostics, checked.files, false));
    REQUIRE(checked.workspace != nullptr);
    state = std::make_unique<State>(db, *checked.workspace, *checked.templates, now);
    cycle = std::make_unique<Cycle>(*state, nullptr);
  }

  Event Happens(int kind) const {
    return {.kind = kind,
            .customer = "lara",
            .time = now + kHour,  // When it is taken.
            .fields = {},
            .dedupe = fmt::format("{} {}", kind, ToMicros(now)),
            .version = {}};
  }

  void Take(const std::vector<Fact>& facts) {
    now += kHour;
    CycleReport report;
    cycle->Ingest(facts, "test", 72 * kHour, now, report);
    cycle->Decide(now, report);
  }

  void Answers(int trait, bool yes) {
    Take({TraitChange{"lara", trait, std::int64_t{yes}, now + kHour}});
  }

  void Dispatch(TimePoint at) {
    Dispatcher dispatcher(*state, [](const ConnectorSettings&) -> Result<Secrets> {
      return Secrets{{"url", "https://out.example/in"}};
    });
    for (std::vector<Call> calls; !(calls = dispatcher.Start(at)).empty();) {
      for (const Call& call : calls) {
        CHECK(dispatcher.Finish(call.id, {Reply::Kind::kAnswered, 200, {}, "{}", {}}, at).empty());
      }
    }
  }

  // "message waiting, task dropped stale": oldest first; what a tool said is not of interest.
  std::string Promised() {
    std::string all;
    for (const Delivery& one : state->outbox().List(OutboxFilter())) {
      const std::string what =
          Removes(one) ? std::string("removal") : std::string(DeliveryKindName(one.kind));
      const std::string words = one.state == DeliveryState::kAccepted ? "" : one.detail;
      all = fmt::format("{} {}{}{}{}{}", what, DeliveryStateName(one.state),
                        words.empty() ? "" : " ", words, all.empty() ? "" : ", ", all);
    }
    return all;
  }

  std::string Ends() {
    std::string all;
    for (const RunInfo& run : state->playbooks().Runs(std::nullopt, "", false)) {
      all += (all.empty() ? "" : ", ") + (run.ended ? run.end_reason : "at " + run.step);
    }
    return all;
  }
};

}  // namespace

TEST_CASE("what a run has not sent is dropped at its goal or exit; a task for a colleague is not") {
  WaitingShop shop(WithSteps(kReminder, ", {wait: 9d}"));
  CHECK(shop.Promised() == "message waiting, task waiting");
  SUBCASE("goal") {
    shop.Take({shop.Happens(WaitingShop::kOrdered)});
    CHECK(shop.Promised() == "message dropped goal, task waiting");
    CHECK(shop.Ends() == "goal");
  }
  SUBCASE("exit") {
    shop.Take({shop.Happens(WaitingShop::kSignedUp)});
    CHECK(shop.Promised() == "message dropped exit, task waiting");
    CHECK(shop.Ends() == "exit");
  }
  SUBCASE("not for what went out before") {
    shop.Dispatch(shop.now + 12 * kHour);
    shop.Take({shop.Happens(WaitingShop::kOrdered)});
    CHECK(shop.Promised() == "message accepted, task accepted");
  }
}

TEST_CASE("a run that is done asks for its goal and exit as long as its message waits") {
  WaitingShop shop(WithSteps(kReminder, ""));
  CHECK(shop.Ends() == "done");
  SUBCASE("goal") {
    shop.Take({shop.Happens(WaitingShop::kOrdered)});
    CHECK(shop.Promised() == "message dropped goal, task waiting");
  }
  SUBCASE("exit, seen by another process") {
    shop.Open(WithSteps(kReminder, ""));
    shop.Take({shop.Happens(WaitingShop::kSignedUp)});
    CHECK(shop.Promised() == "message dropped exit, task waiting");
  }
  SUBCASE("of the version that it began with") {
    std::string edited = WithSteps(kReminder, "");
    shop.Open(edited.replace(edited.find("did(signup)"), 11, "did(order)"));
    shop.Take({shop.Happens(WaitingShop::kSignedUp)});
    CHECK(shop.Promised() == "message dropped exit, task waiting");
  }
  SUBCASE("neither, and it is sent") {
    shop.Take({});
    shop.Dispatch(shop.now + 12 * kHour);
    shop.Take({shop.Happens(WaitingShop::kOrdered)});
    CHECK(shop.Promised() == "message accepted, task accepted");
  }
  CHECK(shop.Ends() == "done");
}

TEST_CASE("a goal that was reached while a message was under way stops it when it waits again") {
  WaitingShop shop(WithSteps(kReminder, ""));
  const TimePoint morning = shop.now + 12 * kHour;
  std::vector<Delivery> claimed = shop.state->outbox().Claim("out", morning, kDay, 10);
  REQUIRE(claimed.size() == 2);
  shop.now = morning;
  shop.Take({shop.Happens(WaitingShop::kOrdered)});
  CHECK(shop.Promised() == "message running, task running");
  for (const Delivery& one : claimed) {
    shop.state->outbox().Record(one, {Outcome::Kind::kRetry, "busy", Duration::zero(), ""}, Retry{},
                                Dedupe::kKey, shop.now);
  }
  shop.Take({});
  CHECK(shop.Promised() == "message dropped goal, task waiting busy");
}

TEST_CASE("who may not be put into a list any more is not, although it was promised") {
  WaitingShop shop(WithSteps(kAdvertise, ""));
  CHECK(shop.Promised() == "audience waiting");
  std::string why = "suppressed ";
  SUBCASE("consent was withdrawn") {
    shop.Answers(2, false);
    why += "no_consent";
  }
  SUBCASE("they are suppressed") {
    shop.state->Suppress("lara@example.com", "complaint", shop.now);
    why += "suppressed";
  }
  SUBCASE("only others may get anything") {
    shop.Open(WithSteps(kAdvertise, ""), ", allow_only: [me@example.com]");
    why = "dropped not_allowed";
  }
  SUBCASE("they may") {
    shop.Answers(1, false);  // Of mail, and this is no mail.
    why = "accepted";
  }
  shop.Dispatch(shop.now);
  CHECK(shop.Promised() == "audience " + why);
}

TEST_CASE("a topic that was signed off stops an add to a list as it stops a message") {
  std::string playbook = WithSteps(kAdvertise, "");
  WaitingShop shop(playbook.replace(playbook.find("service"), 7, "success\ntopic: tips"));
  shop.Answers(3, false);
  shop.Dispatch(shop.now);
  CHECK(shop.Promised() == "audience suppressed no_topic_consent");
}

TEST_CASE("an add that waits when its run ends is dropped, or it would come after the removal") {
  WaitingShop shop(WithSteps(kAdvertise, ", {wait: 9d}"));
  shop.Take({shop.Happens(WaitingShop::kSignedUp)});
  CHECK(shop.Promised() == "audience dropped exit, removal waiting");
}

TEST_CASE("a message asks for the consent of its topic although its playbook is gone") {
  WaitingShop shop(WithSteps(kReminder, ""));
  shop.Open("");
  shop.Answers(3, false);
  shop.Dispatch(shop.now + 12 * kHour);
  CHECK(shop.Promised() == "message suppressed no_topic_consent, task accepted");
}

}  // namespace segue
