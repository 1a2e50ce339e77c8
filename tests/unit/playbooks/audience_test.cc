// Lists at an ad tool: who joins, and who leaves.

#include "world.h"

namespace segue {
namespace {

Step Join(const std::string& id) {
  Step step;
  step.kind = Step::Kind::kAudience;
  step.id = id;
  step.audience_add = "slipping";
  return step;
}

Step TakeOut(const std::string& id) {
  Step step = Join(id);
  std::swap(step.audience_add, step.audience_remove);
  return step;
}

struct Ads : World {
  Ads() {
    for (const CustomerIndex customer : {kLara, kIvo, kMia}) {
      host.answers[{customer, kAdsTrait}] = true;
    }
  }
};

TEST_CASE_FIXTURE(Ads, "who joins an audience is asked for the consent of that channel") {
  Add("ads", {Join("0")}).purpose = Purpose::kService;
  Start();
  CHECK(Rows() == Lines{"trigger ok", "status ok", "re-entry ok", "lane ok", "start ok",
                        "consent ok", "suppression ok", "render ok", "outbox ok", "end ok done"});
  CHECK(host.lists == Lines{"lara add Slipping (Segue) lara@example.com"});
  host.answers[{kIvo, kAdsTrait}] = false;
  Start(kIvo);
  CHECK(Row(Gate::kConsent, kIvo).reason == "no_consent");
  CHECK(Row(Gate::kConsent, kIvo).detail ==
        "customer.ads_consent is no since 2025-11-02 (source: app)");
  host.suppressed[kMia] = "complaint";
  Start(kMia);
  CHECK(Row(Gate::kSuppression, kMia).reason == "suppressed");
  CHECK(host.lists.size() == 1);
}

TEST_CASE_FIXTURE(Ads, "a step takes them out without asking anybody") {
  Add("ads", {Join("0"), WaitStep("1", kDay), TakeOut("2")});
  Start();
  host.lists.clear();
  host.answers[{kLara, kAdsTrait}] = false;
  host.suppressed[kLara] = "complaint";
  RunAfter(kDay);
  CHECK(host.lists == Lines{"lara remove Slipping (Segue) lara@example.com"});
}

TEST_CASE_FIXTURE(Ads, "whom nobody put into a list, the ad tool is told nothing about") {
  Add("ads", {TakeOut("0")});
  Start();
  CHECK(host.lists.empty());
  CHECK(Row(Gate::kOutbox, kLara).detail == "nobody put them into Slipping (Segue)");
}

TEST_CASE_FIXTURE(Ads, "a run that ends early takes them out, one that is done does not") {
  Add("ads", {Join("0"), WaitStep("1", kDay)}).exit = Says("bought");
  Start(kLara);
  Start(kIvo);
  host.lists.clear();
  host.truths[{kLara, "bought"}] = true;
  Open();
  RunAfter(kHour);
  CHECK(host.lists == Lines{"lara remove Slipping (Segue) lara@example.com"});
  CHECK(Column("step") == "end:slipping");
  RunAfter(kDay);
  CHECK(Ends() == Lines{"lara exit", "ivo done"});
  CHECK(host.lists.size() == 1);
}

TEST_CASE_FIXTURE(Ads, "who was taken out by a step is not taken out again at the end") {
  Add("ads", {Join("0"), TakeOut("1"), WaitStep("2", kDay)}).exit = Says("bought");
  Start();
  host.truths[{kLara, "bought"}] = true;
  RunAfter(kHour);
  CHECK(host.lists.size() == 2);
}

TEST_CASE_FIXTURE(Ads, "a second run that adds them again is the one that keeps them there") {
  Add("first", {Join("0"), WaitStep("1", kDay)}).exit = Says("bought");
  Add("second", {Join("0"), WaitStep("1", kDay)});
  Start();
  host.truths[{kLara, "bought"}] = true;
  RunAfter(kHour);
  CHECK(host.lists.size() == 2);
  playbooks->Erased(kLara, now);
  CHECK(host.lists.back() == "lara remove Slipping (Segue) lara@example.com");
  CHECK(host.lists.size() == 3);
}

TEST_CASE_FIXTURE(Ads, "an erasure takes them out of every list, and then nothing about it stays") {
  Add("ads", {Join("0")});
  Start();
  host.lists.clear();
  host.delivered = false;
  playbooks->Erased(kLara, now);
  host.dead.insert(kLara);
  CHECK(host.lists == Lines{"lara remove Slipping (Segue) lara@example.com"});
  Statement left = db->Prepare(
      "SELECT (SELECT count(*) FROM audience_member), (SELECT count(*) FROM audience_farewell)");
  const auto count = [&](int column) {
    left.Reset();
    REQUIRE(left.Step());
    return left.Int(column);
  };
  CHECK(count(0) == 0);
  RunAfter(kHour);
  CHECK(count(1) == 1);  // The tool has not answered yet.
  host.delivered = true;
  RunAfter(kHour);
  CHECK(host.forgotten.contains(kLara));
  CHECK(count(1) == 0);
}

TEST_CASE_FIXTURE(Ads, "an erasure tells an ad tool once, whoever put them there and is at work") {
  Add("ads", {Join("0"), WaitStep("1", kDay)});
  Start();
  host.lists.clear();
  SUBCASE("nothing waits") {
    playbooks->Erased(kLara, now);
    CHECK(host.lists == Lines{"lara remove Slipping (Segue) lara@example.com"});
  }
  SUBCASE("it waits already") {
    host.removal_waits = true;
    playbooks->Erased(kLara, now);
    CHECK(host.lists.empty());
  }
  CHECK(Ends() == Lines{"lara stopped"});
}

TEST_CASE_FIXTURE(Ads, "who is to leave a list leaves it although the tool is away for a day") {
  Add("ads", {Join("0"), TakeOut("1")});
  Start();
  CHECK(host.lists.size() == 2);
  CHECK(Column("(stale_after - not_before) / 86400000000") == "400");
}

TEST_CASE_FIXTURE(Ads, "shadow puts nobody in a list, so nobody is taken out") {
  Playbook& ads = Add("ads", {Join("0"), WaitStep("1", kDay)});
  ads.status = Status::kShadow;
  ads.exit = Says("bought");
  Start();
  CHECK(Row(Gate::kOutbox).reason == "shadow");
  host.truths[{kLara, "bought"}] = true;
  RunAfter(kHour);
  CHECK(host.lists.empty());
}

}  // namespace
}  // namespace segue
