// Settling stories: baselines, holds, margins, causes, edits and restarts, on a real state file.

#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "unit/segments/story.h"

namespace segue {
namespace {

TEST_CASE("the first slot is a baseline: it places everybody and moves nobody") {
  Story story(Silence(2, 0));
  story.people.Add("a", {{"silence", Days(1)}});
  story.people.Add("b", {{"silence", Days(12)}});
  story.people.Add("c");
  const SlotResult result = story.Run(0);
  CHECK(result.baseline);
  CHECK(result.moves.empty());
  CHECK(story.segments->CountBySegment() == std::vector<std::int64_t>{1, 1, 1});
  CHECK(story.segments->Get(0).segment == kActive);
  CHECK(story.segments->Get(2).segment == kGone);  // No data scores 1.
  CHECK(story.segments->Get(0).since == Day(0) + kMinute);
  CHECK(story.segments->last_slot() == Day(0));
  CHECK(story.Rows("SELECT why FROM move").empty());
}

TEST_CASE("a change must be given in two runs before anybody moves, and says why") {
  Story story(Silence(2, 0));
  story.people.Add("a", {{"silence", Days(9.5)}});
  story.Run(0);
  story.Silent(0, 10.5);
  CHECK(story.Run(1).moves.empty());
  const Membership pending = story.segments->Get(0);
  CHECK(pending.segment == kActive);
  CHECK(pending.answer == kFading);
  CHECK(pending.answer_runs == 1);
  CHECK(pending.answer_since == Day(1));
  CHECK(pending.scores == std::vector<double>{2});  // The score is settled at once.
  story.Silent(0, 11.5);
  CHECK(Told(story.Run(2)) ==
        "0: 0>1 time, r 3→2 (customer.silence 10d 12h > 10d), the same in 2 runs");
  CHECK(story.segments->Get(0).segment == kFading);
  CHECK(story.segments->Get(0).answer_runs == 0);
  CHECK(story.segments->Get(0).since == Day(2) + kMinute);
  CHECK(story.Run(3).moves.empty());
  CHECK(story.Rows("SELECT \"from\" || '>' || \"to\" || ' ' || cause || ' ' || customer || ' ' || "
                   "model FROM move") == std::vector<std::string>{"active>fading 5 0 m"});
  CHECK(story.Rows("SELECT why FROM segment_wait").empty());
}

TEST_CASE("an answer that goes back and forth moves nobody") {
  Story story(Silence(2, 0));
  story.people.Add("a", {{"silence", Days(9)}});
  story.Run(0);
  for (int day = 1; day < 7; ++day) {
    story.Silent(0, day % 2 == 1 ? 11 : 9);
    CHECK(story.Run(day).moves.empty());
  }
  // An answer that differs from the pending one is counted anew.
  story.Silent(0, 11);
  story.Run(7);
  story.Silent(0, 40);
  CHECK(story.Run(8).moves.empty());
  CHECK(story.segments->Get(0).answer == kGone);
  CHECK(story.segments->Get(0).answer_runs == 1);
  CHECK(story.Run(9).moves.size() == 1);
}

TEST_CASE("what is pending survives a restart, and its cause stays the first one") {
  Story story(Silence(3, 0));
  story.people.Add("a", {{"silence", Days(40)}});
  story.people.Add("b", {{"silence", Days(1)}});
  story.Run(0);
  story.Silent(0, 0);
  story.people[0].cause = Cause::kBehaviour;
  story.Run(1);
  story.Open();
  CHECK(story.segments->Get(0).answer == kActive);
  CHECK(story.segments->Get(0).answer_runs == 1);
  story.Run(2);
  story.Open();
  CHECK(Told(story.Run(3)) ==
        "0: 2>0 behaviour, r 1→3 (customer.silence 0s <= 10d), the same in 3 runs");
  story.Open();
  CHECK(story.segments->Get(0).segment == kActive);
  CHECK(story.segments->last_slot() == Day(3));
  CHECK(story.segments->CountBySegment() == std::vector<std::int64_t>{2, 0, 0});
}

TEST_CASE("a hold in days counts the scheduled times, however late a slot ran") {
  World world = Silence(1, 0);
  world.model().hold.time = kDay * 2;
  Story story(std::move(world));
  story.people.Add("a", {{"silence", Days(1)}});
  story.Run(0);
  story.Silent(0, 12);
  CHECK(story.segments->RunSlot(story.people, Day(1), Day(1) + kHour * 3).moves.empty());
  CHECK(story.Run(2).moves.empty());
  CHECK(Told(story.segments->RunSlot(story.people, Day(3), Day(3))) ==
        "0: 0>1 time, r 3→2 (customer.silence 12d > 10d), the same for 2d");
}

TEST_CASE("the margin keeps a score where it is until the line is cleared") {
  Story story(Silence(1, 5));
  story.people.Add("a", {{"silence", Days(9)}});
  story.Run(0);
  story.Silent(0, 10.4);
  CHECK(story.Run(1).moves.empty());
  CHECK(story.segments->Get(0).scores[0] == 3);
  story.Silent(0, 10.6);
  CHECK(Told(story.Run(2)) == "0: 0>1 time, r 3→2 (customer.silence 10d 14h > 10d + 5 %)");
  story.Silent(0, 9.6);
  CHECK(story.Run(3).moves.empty());
  story.Silent(0, 9.5);
  CHECK(Told(story.Run(4)) == "0: 1>0 time, r 2→3 (customer.silence 9d 12h <= 10d - 5 %)");
}

TEST_CASE("somebody whose value was missing at the last slot has no margin") {
  Story story(Silence(1, 5));
  story.people.Add("a");
  story.Run(0);
  CHECK(story.segments->Get(0).scores[0] == 1);
  story.Silent(0, 10);  // From a settled 1 the margin would ask for 9.5.
  CHECK(Told(story.Run(1)) == "0: 2>0 time, r 1→3 (customer.silence 10d <= 10d)");
}

TEST_CASE(
    "a move's cause is what happened when the change was first seen: merge, import, behaviour or "
    "time") {
  for (const std::optional<Cause> cause :
       {std::optional(Cause::kMerge), std::optional(Cause::kImport),
        std::optional(Cause::kBehaviour), std::optional<Cause>()}) {
    Story story(Silence(2, 0));
    story.people.Add("a", {{"silence", Days(1)}});
    story.Run(0);
    story.Silent(0, 12);
    story.people[0].cause = cause;
    story.Run(1);
    story.people[0].cause = Cause::kBehaviour;  // Later facts do not change it.
    const SlotResult result = story.Run(2);
    REQUIRE(result.moves.size() == 1);
    CHECK(result.moves[0].cause == cause.value_or(Cause::kTime));
    CHECK(result.moves[0].id == 1);
    CHECK(result.moves[0].at == Day(2) + kMinute);
  }
}

TEST_CASE("a new customer is placed between slots, at once, and an imported one is told apart") {
  Story story(Silence(2, 5));
  story.people.Add("a", {{"silence", Days(1)}});
  CHECK(story.segments->PlaceNew(story.people, Day(0))
            .moves.empty());  // Before the baseline: nothing.
  story.Run(0);
  story.people.Add("b", {{"silence", Days(2)}});
  story.people.Add("c", {{"silence", Days(50)}}).late = true;
  CHECK(Told(story.segments->PlaceNew(story.people, Day(0) + kHour)) ==
        "1: none>0 behaviour, new in the model: r 3; 2: none>2 import, new in the model: r 1");
  CHECK(story.segments->PlaceNew(story.people, Day(0) + kHour * 2).moves.empty());
  story.Open();
  CHECK(story.segments->Get(1).segment == kActive);
  CHECK(story.segments->Get(1).since == Day(0) + kHour);
  CHECK(story.Run(1).moves.empty());
}

TEST_CASE("who is outside the model is unplaced, comes in at once, and leaves with a hold") {
  World world = Silence(2, 0);
  world.Who("customer.member");
  Story story(std::move(world));
  story.people.Add("a", {{"silence", Days(1)}, {"member", 0}});
  story.people.Add("b", {{"silence", Days(1)}, {"member", 1}});
  story.Run(0);
  CHECK_FALSE(story.segments->Get(0).placed);
  CHECK(story.segments->Get(0).segment == kNoSegment);
  CHECK(story.segments->PlaceNew(story.people, Day(0) + kHour).moves.empty());
  story.people[0].traits["member"] = 1;
  CHECK(Told(story.segments->PlaceNew(story.people, Day(0) + kHour * 2)) ==
        "0: none>0 behaviour, new in the model: r 3");
  story.people[1].traits["member"] = 0;
  CHECK(story.Run(1).moves.empty());
  CHECK(story.segments->Get(1).segment == kActive);
  std::vector<double> score(2);
  story.segments->ReadScore(0, 0, score);
  CHECK(score[0] == 3);
  CHECK(std::isnan(score[1]));
  CHECK(Told(story.Run(2)) ==
        "1: 0>none time, no longer in the model: customer.member is not so (customer.member no), "
        "the same in 2 runs");
  CHECK(story.segments->Get(1).placed);
  story.people[1].traits["member"] = 1;
  CHECK(story.segments->PlaceNew(story.people, Day(2) + kHour)
            .moves.empty());  // Coming back is held too.
  CHECK(story.Run(3).moves.empty());
  CHECK(story.Run(4).moves.size() == 1);
}

TEST_CASE("slots that were missed are one slot, and are counted") {
  Story story(Silence(2, 0));
  story.world.model().every.kind = Schedule::Kind::kDaily;
  story.people.Add("a", {{"silence", Days(1)}});
  story.Run(0);
  story.Silent(0, 12);
  story.Run(1);
  CHECK(story.segments->missed_slots() == 0);
  CHECK(story.Run(5).moves.size() == 1);
  CHECK(story.segments->missed_slots() == 3);
  CHECK(story.Run(5).moves.empty());  // The same slot again does nothing.
  CHECK(story.segments->last_slot() == Day(5));
}

World Spenders(Refit refit, int hold_runs) {
  World world;
  world.AddFifths("m", "customer.spent", false, {}, refit);
  world.AddSegment("top", "m is 5").AddSegment("rest", "otherwise");
  world.model().hold.runs = hold_runs;
  world.model().margin_percent = 5;
  return world;
}

TEST_CASE(
    "lines are learned at the first slot and again in a new month; who moves by that moves at once "
    "as refit") {
  Story story(Spenders(Refit::kMonthly, 2));
  for (int i = 1; i <= 6; ++i) {
    story.people.Add("p" + std::to_string(i), {{"spent", i * 1000.0}});
  }
  const SlotResult first = story.Run(0);
  CHECK(first.refitted);
  CHECK(
      first.warnings ==
      std::vector<std::string>{
          "model m: the lines of m were learned from 6 people; with fewer than 100 a few customers "
          "shift them, so write `cuts` until there are more"});
  CHECK(story.segments->lines().by_score.at("m") == std::vector<double>{2000, 3000, 4000, 5000});
  CHECK(story.segments->lines().people == 6);
  CHECK(story.segments->CountBySegment() == std::vector<std::int64_t>{2, 4});
  // Others buy more: within the month nobody's segment changes by that.
  for (int i = 0; i < 4; ++i) {
    story.people[static_cast<std::size_t>(i)].traits["spent"] = 20000;
    story.people[static_cast<std::size_t>(i)].cause = Cause::kBehaviour;
  }
  CHECK_FALSE(story.Run(1).refitted);
  CHECK(story.segments->lines().by_score.at("m")[3] == 5000);
  CHECK(story.Run(2).moves.size() == 4);
  story.Open();
  CHECK(story.segments->lines().by_score.at("m")[3] == 5000);
  CHECK(story.segments->lines().fitted == Day(0));
  const SlotResult february = story.Run(31);
  CHECK(february.refitted);
  CHECK(Told(february) ==
        "4: 0>1 refit, lines were learned again: m 5→1 (customer.spent 50.00 EUR < 60.00 EUR); "
        "5: 0>1 refit, lines were learned again: m 5→2 (customer.spent 60.00 EUR < 200.00 EUR)");
  CHECK_FALSE(story.Run(32).refitted);
}

TEST_CASE("lines that were learned from a hundred people come without a warning") {
  for (const int people : {99, 100}) {
    Story story(Spenders(Refit::kMonthly, 2));
    for (int i = 0; i < people; ++i) {
      story.people.Add("p" + std::to_string(i), {{"spent", i * 1000.0}});
    }
    CHECK(story.Run(0).warnings.empty() == (people == 100));
  }
}

TEST_CASE("a start that prepared itself learns the same lines and moves the same people") {
  std::vector<std::string> told;
  for (const bool prepared : {false, true}) {
    Story story(Spenders(Refit::kEveryRun, 1));
    for (int i = 0; i < 500; ++i) {
      story.people.Add("p" + std::to_string(i), {{"spent", i * 7919 % 500 * 100.0}});
    }
    story.Run(0);
    story.Open();
    const std::vector<std::string> stored = story.Rows("SELECT quote(settled) FROM segment_block");
    story.people.Add("newcomer", {{"spent", 50.0}});
    if (prepared) {
      story.segments->WarmUp(story.people, Day(0) + kHour);
    }
    CHECK(story.Rows("SELECT quote(settled) FROM segment_block") == stored);
    // Some buy so much since that the lines lie elsewhere.
    for (std::size_t i = 0; i < 200; ++i) {
      story.people[i].traits["spent"] = 1e6 + static_cast<double>(i);
      story.people[i].cause = Cause::kBehaviour;
    }
    told.push_back(Told(story.Run(1)));
    for (const double line : story.segments->lines().by_score.at("m")) {
      told.back() += " " + std::to_string(line);
    }
  }
  CHECK(told[0].size() > 1000);
  CHECK(told[0] == told[1]);
}

TEST_CASE("lines are learned at every run, each quarter, or once") {
  const std::vector<std::pair<Refit, std::string>> rows = {{Refit::kEveryRun, "0 1 20 31 70 95 "},
                                                           {Refit::kMonthly, "0 31 70 95 "},
                                                           {Refit::kQuarterly, "0 95 "},
                                                           {Refit::kNever, "0 "}};
  for (const auto& [refit, days] : rows) {
    Story story(Spenders(refit, 1));
    story.people.Add("a", {{"spent", 5.0}});
    std::string learned;
    for (const int day : {0, 1, 20, 31, 70, 95}) {
      learned += story.Run(day).refitted ? std::to_string(day) + " " : "";
    }
    CHECK(learned == days);
  }
}

TEST_CASE("a new month begins in the workspace's zone") {
  Story story(Spenders(Refit::kMonthly, 1));
  story.world.workspace.schema.timezone = Zone::Find("Pacific/Auckland").value();
  story.people.Add("a", {{"spent", 5.0}});
  story.Run(0);
  CHECK_FALSE(story.Run(29).refitted);
  // 2026-01-31 12:00 UTC is February in Auckland.
  CHECK(story.segments->RunSlot(story.people, Day(30) + kHour * 12, Day(30) + kHour * 12).refitted);
}

TEST_CASE("a learned score without anybody who has a value waits for the first one") {
  Story story(Spenders(Refit::kNever, 1));
  story.people.Add("a");
  CHECK_FALSE(story.Run(0).refitted);
  CHECK(story.segments->Get(0).scores[0] == 1);
  story.people[0].traits["spent"] = 700;
  CHECK(story.Run(1).refitted);
  CHECK(story.segments->lines().by_score.at("m") == std::vector<double>{700, 700, 700, 700});
  CHECK(story.segments->Get(0).segment == 0);
}

TEST_CASE(
    "an edit moves people at once, without hold or margin, as edit; what was pending goes on") {
  Story story(Silence(2, 5));
  story.people.Add("a", {{"silence", Days(1)}});
  story.people.Add("b", {{"silence", Days(8)}});
  story.people.Add("c", {{"silence", Days(9)}});
  story.Run(0);
  story.Silent(2, 40);
  story.Run(1);  // c is pending: gone.
  World edited = Silence(2, 5);
  edited.model().scores[0].cuts = {Days(7), Days(30)};
  story.Edit(std::move(edited));
  CHECK(story.segments->edited());
  CHECK(story.segments->Get(1).segment == kActive);
  CHECK(Told(story.Run(2)) ==
        "1: 0>1 edit, the model was edited: r 3→2 (customer.silence 8d > 7d); "
        "2: 0>2 time, r 3→1 (customer.silence 40d > 30d + 5 %), the same in 2 runs");
  CHECK_FALSE(story.segments->edited());
  CHECK(story.Run(3).moves.empty());
}

TEST_CASE("a segment that an edit removed is left as edit, and history keeps its id") {
  Story story(Silence(2, 0));
  story.people.Add("a", {{"silence", Days(12)}});
  story.people.Add("b", {{"silence", Days(1)}});
  story.Run(0);
  World edited;
  edited.AddScore("r", "customer.silence", true, {Days(10), Days(30)});
  edited.AddSegment("gone", "r is 1").AddSegment("active", "otherwise");
  story.Edit(std::move(edited));
  CHECK(story.segments->Get(0).segment == kNoSegment);  // In a segment that is no more …
  std::vector<double> segment(2);
  story.segments->ReadSegment(0, segment, *story.world.workspace.pool);
  CHECK(story.world.workspace.pool->Text(static_cast<std::uint32_t>(segment[0])) ==
        "fading");  // … and still named.
  CHECK(story.segments->Get(1).segment == 1);
  const SlotResult result = story.Run(1);
  CHECK(Told(result) == "0: none>1 edit, the model was edited");
  CHECK(story.Rows("SELECT \"from\" || '>' || \"to\" FROM move") ==
        std::vector<std::string>{"fading>active"});
}

TEST_CASE(
    "an edit that lets more people in places them as edit; who is new after it is placed as "
    "always") {
  World narrow = Silence(1, 0);
  narrow.Who("customer.member");
  Story story(std::move(narrow));
  story.people.Add("a", {{"silence", Days(1)}, {"member", 1}});
  story.people.Add("b", {{"silence", Days(1)}});
  story.Run(0);
  story.Edit(Silence(1, 0));
  story.people.Add("c", {{"silence", Days(1)}});
  CHECK(Told(story.segments->PlaceNew(story.people, Day(0) + kHour)) ==
        "2: none>0 behaviour, new in the model: r 3");
  CHECK(Told(story.Run(1)) == "1: none>0 edit, new in the model: r 3");
}

TEST_CASE(
    "a flag with two thresholds does not flutter between them, and is missing outside the model") {
  World world;
  world.Who("exists(customer.visits)").AddSegment("all", "otherwise");
  world.AddFlag("busy", "customer.visits >= 8", "customer.visits < 5")
      .AddFlag("any", "customer.visits > 0");
  Story story(std::move(world));
  story.people.Add("a", {{"visits", 6}});
  std::string seen;
  int day = 0;
  for (const double visits : {6.0, 8.0, 6.0, 5.0, 4.0, 7.0, 0.0}) {
    story.people[0].traits["visits"] = visits;
    story.Run(day++);
    const Membership now = story.segments->Get(0);
    seen += std::string(now.flags[0] ? "b" : "-") + (now.flags[1] ? "a " : "- ");
  }
  CHECK(seen == "-a ba ba ba -a -a -- ");
  story.people[0].traits["visits"] = 9;
  story.Run(day++);
  story.people[0].traits.erase("visits");
  story.Run(day++);
  std::vector<double> flag(3);
  story.segments->ReadFlag(0, 0, flag);
  CHECK(std::isnan(flag[0]));
  CHECK(std::isnan(flag[2]));  // Nobody there.
  story.people[0].traits["visits"] = 6;
  story.Run(day++);
  CHECK_FALSE(story.segments->Get(0).flags[0]);  // It starts anew.
}

TEST_CASE(
    "a score that reads learned scores is learned after them, and pinned lines are not learned") {
  World world;
  world.AddFifths("m", "customer.spent", false, {}, Refit::kEveryRun);
  world.AddFifths("mm", "m + customer.visits / 10", false, {}, Refit::kEveryRun);
  world.AddSegment("all", "otherwise");
  Story story(std::move(world));
  for (int i = 1; i <= 6; ++i) {
    story.people.Add("p" + std::to_string(i), {{"spent", i * 1000.0}, {"visits", i}});
  }
  story.Run(0);
  // m is 1 2 3 4 5 5, so m + visits / 10 is 1.1 2.2 3.3 4.4 5.5 5.6.
  const std::vector<double>& lines = story.segments->lines().by_score.at("mm");
  CHECK(lines[0] == doctest::Approx(2.2));
  CHECK(lines[3] == doctest::Approx(5.5));
  Lines pins;
  pins.by_score["m"] = {100, 200, 300, 400};
  story.segments->PinLines(pins);
  story.Run(1);
  CHECK(story.segments->lines().by_score.at("m") == std::vector<double>{100, 200, 300, 400});
  CHECK(story.segments->Get(0).scores[0] == 5);
}

TEST_CASE("explain tells line by line how the answer comes about") {
  World world = Silence(2, 5);
  world.Who("customer.member").AddFeature("quiet", "customer.silence");
  world.AddPoints("risk", {{"quiet > 5d", 30}, {"customer.status is 'churned'", -10}});
  world.AddFlag("silent", "quiet > 1d");
  Story story(std::move(world));
  story.people.Add("a", {{"silence", Days(9)}, {"member", 1}});
  story.people.Add("b", {{"member", 0}});
  story.Run(0);
  story.Silent(0, 12);
  story.Run(1);
  const std::vector<std::string> expected = {
      "who: customer.member is yes (customer.member yes)",
      "quiet: 12d",
      "r: 2 of 3 (customer.silence 12d; lines 10d, 30d; was 2, margin 5 %)",
      "risk: 30 (quiet > 5d +30)",
      "answer: fading, because r is 2 (r 2)",
      "silent: yes, as of the last slot",
      "settled: active since 2026-01-01T00:01:00Z",
      "pending: fading, first at 2026-01-02T00:00:00Z, in 1 run so far; r 3→2 (customer.silence "
      "12d > 10d + 5 %)",
  };
  CHECK(story.segments->Explain(story.people, 0, Day(1), *story.world.workspace.pool) == expected);
  CHECK(story.segments->Explain(story.people, 1, Day(1), *story.world.workspace.pool) ==
        std::vector<std::string>{"who: customer.member is no (customer.member no)",
                                 "answer: none, not in the model",
                                 "silent: no, as of the last slot", "settled: none, never placed"});
}

}  // namespace
}  // namespace segue
