// What the lint says about the segments of a model, word by word.

#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "segments/score.h"
#include "unit/segments/world.h"

namespace segue {
namespace {

std::string Lint(const World& world) {
  std::string text;
  for (const Diagnostic& diagnostic : LintModel(world.workspace.models[0], world.workspace)) {
    const char* const names[] = {"error", "warning", "info"};
    text += std::string(names[static_cast<int>(diagnostic.severity)]) + " " + diagnostic.code +
            ": " + diagnostic.message + "\n";
  }
  return text;
}

World Grid() {
  World world;
  world.AddScore("r", "customer.silence", true, {Days(1), Days(2), Days(3), Days(4)});
  world.AddScore("f", "customer.visits", false, {1, 2, 3, 4});
  world.AddScore("m", "customer.spent", false, {1, 2, 3, 4});
  return world;
}

TEST_CASE("lint: cells that match nothing are named") {
  World world = Grid();
  world.AddSegment("good", "r >= 2").AddSegment("rare", "f is not 2").AddSegment("rich", "m >= 4");
  CHECK(Lint(world) ==
        "error SG010: model m: 3 of 125 cells (r=1, f=2, m=1..3) match nothing\n"
        "info SG012: model m: the order of the segments decides in 96 of 125 cells (good before "
        "rare in 80, good before "
        "rich in 40, rare before rich in 8)\n");
}

TEST_CASE("lint: gaps that are no single block are named block by block") {
  World world = Grid();
  world.AddSegment("a", "r in 2..4 and f >= 2");
  // `m` decides nothing, so it makes no cells.
  CHECK(Lint(world) ==
        "error SG010: model m: 13 of 25 cells (r=1, f=1..5; r=2..4, f=1; r=5, f=1..5) match "
        "nothing\n");
}

TEST_CASE("lint: `otherwise` leaves no gap, and may be left with nobody") {
  World world = Grid();
  world.AddSegment("low", "r <= 2").AddSegment("high", "r >= 3").AddSegment("other", "otherwise");
  CHECK(Lint(world).empty());
}

TEST_CASE("lint: a segment that is hidden in every case is an error, and says by whom") {
  World world = Grid();
  world.AddSegment("champions", "r >= 4")
      .AddSegment("loyal", "r is 5 and f >= 2")
      .AddSegment("never", "r > 5");
  world.AddSegment("rest", "otherwise");
  CHECK(Lint(world) ==
        "error SG011: \"loyal\" can never win: it is hidden by \"champions\" in every case\n"
        "error SG011: \"never\" can never win: nobody can fit it\n"
        "info SG012: model m: the order of the segments decides in 4 of 25 cells (champions before "
        "loyal in 4)\n");
}

TEST_CASE("lint: a condition beside the scores can open a gap, and the example says which") {
  World world;
  world.AddFeature("tenure", "customer.silence");
  world.AddScore("r", "customer.spent", false, {1, 2});
  world.AddSegment("new", "tenure < 30d").AddSegment("old", "tenure >= 30d and r >= 2");
  CHECK(Lint(world) ==
        "error SG010: model m: 3 of 3 cells (r=1..3) match nothing, for example with tenure 30d\n");
}

TEST_CASE("lint: complements over one value leave a gap only where it is missing") {
  World world;
  world.AddSegment("high", "customer.spent >= 100 EUR")
      .AddSegment("low", "customer.spent < 100 EUR");
  CHECK(Lint(world) ==
        "error SG010: model m: some customers match nothing, for example with customer.spent no "
        "data\n");
  World counts;
  counts.AddFeature("n", "count(order_placed)");
  counts.AddSegment("none", "n is 0").AddSegment("one", "n is 1").AddSegment("more", "n >= 2");
  CHECK(Lint(counts).empty());  // A count is never missing, negative or a fraction.
}

TEST_CASE("lint: a choice is whole when each of its values and no data have a segment") {
  World world;
  world.AddSegment("trial", "customer.status is 'trial'")
      .AddSegment("active", "customer.status in ['active', 'churned']");
  CHECK(Lint(world) ==
        "error SG010: model m: some customers match nothing, for example with customer.status no "
        "data\n");
  world.AddSegment("unknown", "not exists(customer.status)");
  CHECK(Lint(world).empty());
}

TEST_CASE("lint: derived scores and points are computed, so what they cannot reach never wins") {
  World world;
  world.AddScore("f", "customer.visits", false, {1, 2, 3, 4});
  world.AddScore("v", "customer.spent", false, {1, 2, 3, 4});
  world.AddScore("fv", "round(mean(f, v))").range = {1, 5};
  world.AddPoints(
      "risk",
      {{"customer.silence > 10d", 20}, {"customer.silence > 90d", 30}, {"customer.member", -5}},
      {{0, 100}});
  world.AddSegment("odd", "fv is 5 and f <= 3")
      .AddSegment("hot", "risk > 50")
      .AddSegment("warm", "risk >= 45 and fv >= 3");
  world.AddSegment("rest", "otherwise");
  CHECK(Lint(world) ==
        "error SG011: \"odd\" can never win: nobody can fit it\n"
        "error SG011: \"hot\" can never win: nobody can fit it\n");
}

TEST_CASE("lint: cells are looked up in the grid") {
  World world;
  world.AddScore("r", "customer.silence", true, {Days(1)});
  world.AddScore("f", "customer.visits", false, {1});
  world.AddCells("a", {{1, 1}, {1, 2}}).AddCells("b", {{2, 1}, {1, 1}}).AddCells("c", {{1, 2}});
  world.model().grid = {0, 1};
  CHECK(Lint(world) ==
        "error SG010: model m: 1 of 4 cells (r=2, f=2) match nothing\n"
        "error SG011: \"c\" can never win: it is hidden by \"a\" in every case\n"
        "info SG012: model m: the order of the segments decides in 2 of 4 cells (a before b in 1, "
        "a before c in 1)\n");
}

TEST_CASE("lint: a margin needs a score that it applies to") {
  World world;
  world.AddScore("n", "count(visited)", false, {1, 5});
  world.AddSegment("all", "otherwise");
  world.model().margin_percent = 5;
  CHECK(Lint(world) == "warning SG015: model m: `margin` has no score that it applies to\n");
  world.AddScore("s", "customer.silence", true, {Days(1)});
  CHECK(Lint(world).empty());
}

TEST_CASE("lint: what is too large to try is said to be unproven") {
  World world;
  std::string all;
  for (int i = 0; i < 9; ++i) {
    const std::string name(1, static_cast<char>('a' + i));
    world.AddScore(name, "customer.spent", false, {1, 2, 3, 4});
    all += (i == 0 ? "" : " or ") + name + " >= 2";
  }
  world.AddSegment("some", all);
  CHECK(Lint(world) ==
        "warning SG010: model m: scores and conditions combine in more than 1000000 ways, too many "
        "to try: whether "
        "everybody fits somewhere is not proven\n");
  world.AddSegment("rest", "otherwise");
  CHECK(Lint(world) ==
        "info SG010: model m: scores and conditions combine in more than 1000000 ways, too many to "
        "try: whether every "
        "segment can win is not proven\n");
}

}  // namespace
}  // namespace segue
