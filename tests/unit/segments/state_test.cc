// What of a model's state is stored, and what of it is read again by whom.

#include <cmath>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "unit/segments/story.h"

namespace segue {
namespace {

TEST_CASE("a state of an older model keeps scores, flags and features that still have their name") {
  World old;
  old.AddFeature("quiet", "customer.silence").AddFeature("money", "customer.spent");
  old.AddScore("r", "quiet", true, {Days(10), Days(30)});
  old.AddPoints("risk", {{"quiet > 5d", 7.5}});
  old.AddSegment("all", "otherwise");
  old.AddFlag("rich", "money > 100 EUR").AddFlag("silent", "quiet > 1d").Watched();
  Story story(std::move(old));
  story.people.Add("a", {{"silence", Days(6)}, {"spent", 20000}});
  for (int i = 1; i < 4096; ++i) {
    story.people.Add("p" + std::to_string(i));
  }
  story.Run(0);
  World edited;
  edited.AddFeature("money", "customer.spent").AddFeature("fresh", "customer.visits");
  edited.AddPoints("risk", {{"customer.silence > 5d", 9}});
  edited.AddScore("r", "customer.silence", true, {Days(10), Days(30)});
  edited.AddSegment("all", "otherwise")
      .AddFlag("silent", "customer.silence > 1d")
      .AddFlag("new", "customer.member");
  edited.Watched();
  story.Edit(std::move(edited));
  story.people.Add("b", {{"silence", Days(6)}});
  story.segments->PlaceNew(story.people,
                           Day(0) + kHour);  // Writes blocks: all of them in the new shape.
  story.Open();
  const Membership kept = story.segments->Get(0);
  CHECK(kept.scores == std::vector<double>{7.5, 3});
  CHECK(kept.features[0] == 20000);
  CHECK(std::isnan(kept.features[1]));
  CHECK(kept.flags == std::vector<bool>{true, false});
  CHECK(story.segments->Get(4096).scores == std::vector<double>{9, 3});
}

TEST_CASE(
    "merged and erased customers leave the state, and erasure empties what their moves said") {
  Story story(Silence(1, 0));
  story.people.Add("a", {{"silence", Days(1)}});
  story.people.Add("b", {{"silence", Days(1)}});
  story.people.Add("c", {{"silence", Days(1)}});
  story.Run(0);
  story.Silent(0, 12);
  story.Silent(1, 12);
  story.Run(1);
  story.segments->Forget(0);
  story.people[0].alive = false;
  story.segments->Erase(1);
  story.people[1].alive = false;
  story.segments->PlaceNew(story.people, Day(1) + kHour);
  story.Open();
  CHECK_FALSE(story.segments->Get(0).placed);
  CHECK_FALSE(story.segments->Get(1).placed);
  CHECK(story.segments->CountBySegment() == std::vector<std::int64_t>{1, 0, 0});
  CHECK(story.Rows("SELECT why FROM move ORDER BY customer") ==
        std::vector<std::string>{"r 3→2 (customer.silence 12d > 10d)", ""});
  CHECK(story.Run(2).moves.empty());
}

TEST_CASE("who is gone when a slot runs leaves the state then") {
  Story story(Silence(1, 0));
  story.people.Add("a", {{"silence", Days(1)}});
  story.people.Add("b", {{"silence", Days(1)}});
  story.Run(0);
  story.people[0].alive = false;
  CHECK(story.Run(1).moves.empty());
  CHECK_FALSE(story.segments->Get(0).placed);
  CHECK(story.segments->CountBySegment() == std::vector<std::int64_t>{1, 0, 0});
}

TEST_CASE("a slot stores who changed, and a block anew once many of it have") {
  World world;
  world.AddFeature("visits", "customer.visits");
  world.AddSegment("none", "visits is 0").AddSegment("some", "otherwise").Watched();
  Story story(std::move(world));
  for (int i = 0; i < 9000; ++i) {
    story.people.Add("p" + std::to_string(i), {{"visits", 0}});
  }
  story.Run(0);
  story.db->Execute("UPDATE segment_block SET features = x''");
  const auto blocks = [&] { return story.Rows("SELECT hex(settled) FROM segment_block"); };
  const std::vector<std::string> before = blocks();
  story.people[5000].traits["visits"] = 1;
  story.Run(1);
  CHECK(blocks() == before);
  CHECK(story.Rows("SELECT block FROM segment_change") == std::vector<std::string>{"1"});
  CHECK(story.Rows("SELECT block FROM segment_block WHERE length(features) > 0") ==
        std::vector<std::string>{"1"});
  story.people[5001].traits["visits"] = 1;
  story.people[8999].traits["visits"] = 1;
  story.Run(2);
  CHECK(story.Rows("SELECT block FROM segment_change") == std::vector<std::string>{"1", "1", "2"});
  story.Open();
  CHECK(story.segments->CountBySegment() == std::vector<std::int64_t>{8997, 3});
  CHECK(story.segments->Get(8999).segment == 1);
  for (int i = 4096; i < 5000; ++i) {
    story.people[static_cast<std::size_t>(i)].traits["visits"] = 1;
  }
  story.Run(3);
  CHECK(story.Rows("SELECT block FROM segment_change") == std::vector<std::string>{"2"});
  CHECK(blocks()[0] == before[0]);
  CHECK(blocks()[1] != before[1]);
  story.Open();
  CHECK(story.segments->CountBySegment() == std::vector<std::int64_t>{8093, 907});
}

}  // namespace
}  // namespace segue
