// One value against its lines, with and without a margin; blocks against single customers.

#include "segments/score.h"

#include <cmath>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "segments/scorer.h"
#include "unit/segments/world.h"

namespace segue {
namespace {

TEST_CASE("a value on a line belongs to the side that the score is closed on") {
  const std::vector<double> lines = {10, 20, 30, 40};

  struct Row {
    double value;
    bool best_low, closed_left;
    int score;
  };

  const std::vector<Row> rows = {
      {5, false, true, 1},        {10, false, true, 2}, {10, false, false, 1},
      {39.9, false, true, 4},     {40, false, true, 5}, {40, false, false, 4},
      {41, false, false, 5},      {5, true, false, 5},  {10, true, false, 5},
      {10, true, true, 4},        {40, true, false, 2}, {40, true, true, 1},
      {41, true, false, 1},       {-3, true, false, 5}, {kNoValue, false, true, 1},
      {kNoValue, true, false, 1},
  };
  for (const Row& row : rows) {
    INFO("value " << row.value << " best_low " << row.best_low << " closed_left "
                  << row.closed_left);
    CHECK(ScoreOf(row.value, lines, row.best_low, row.closed_left, 0, 0) == row.score);
  }
}

TEST_CASE("a score without lines is 1, and n lines give 1 to n + 1") {
  CHECK(ScoreOf(7, {}, false, true, 5, 3) == 1);
  const std::vector<double> one = {50};
  CHECK(ScoreOf(49, one, false, true, 0, 0) == 1);
  CHECK(ScoreOf(50, one, false, true, 0, 0) == 2);
}

TEST_CASE("a margin asks a value to clear the line on the side where the settled score is not") {
  const std::vector<double> lines = {100, 200};

  struct Row {
    double value;
    bool best_low, closed_left;
    int previous, score;
  };

  const std::vector<Row> rows = {
      // best: high, closed left, 5 %: upwards at 105 and 210, downwards below 95 and 190.
      {104.9, false, true, 1, 1},
      {105, false, true, 1, 2},
      {95, false, true, 2, 2},
      {94.9, false, true, 2, 1},
      {209, false, true, 1, 2},
      {210, false, true, 1, 3},
      {189.9, false, true, 3, 2},
      {190, false, true, 3, 3},
      {100, false, true, 0, 2},  // Nobody's settled score: no margin.
      // best: low, closed right: the better side keeps the line.
      {105, true, false, 3, 3},
      {105.1, true, false, 3, 2},
      {95.1, true, false, 2, 2},
      {95, true, false, 2, 3},
      {210, true, false, 2, 2},
      {210.1, true, false, 2, 1},
      {190, true, false, 1, 2},
      {190.1, true, false, 1, 1},
  };
  for (const Row& row : rows) {
    INFO("value " << row.value << " best_low " << row.best_low << " previous " << row.previous);
    CHECK(ScoreOf(row.value, lines, row.best_low, row.closed_left, 5, row.previous) == row.score);
  }
}

TEST_CASE("the margin of a negative line widens it on both sides too") {
  const std::vector<double> lines = {-100};
  CHECK(ScoreOf(-96, lines, false, true, 5, 1) == 1);
  CHECK(ScoreOf(-95, lines, false, true, 5, 1) == 2);
  CHECK(ScoreOf(-105, lines, false, true, 5, 2) == 2);
  CHECK(ScoreOf(-105.1, lines, false, true, 5, 2) == 1);
}

TEST_CASE("keys are ordered as numbers only when the fit said so") {
  CHECK(KeyLess("9", "10", true));
  CHECK_FALSE(KeyLess("9", "10", false));
  CHECK(KeyLess("007", "7", true));
  CHECK_FALSE(KeyLess("7", "7", true));
  CHECK(KeyLess("99", "a1", true));
  CHECK_FALSE(KeyLess("a1", "99", true));
  CHECK(KeyLess("0", "1", true));
}

TEST_CASE(
    "a rank score stands above a line from the first person of the fit that did, key included") {
  const LineSet lines{{3, 5}, {"b", "a"}, false};
  CHECK(RankScoreOf(2, "z", lines, false, 0, 0) == 1);
  CHECK(RankScoreOf(3, "a", lines, false, 0, 0) == 1);
  CHECK(RankScoreOf(3, "b", lines, false, 0, 0) == 2);
  CHECK(RankScoreOf(3, "c", lines, false, 0, 0) == 2);
  CHECK(RankScoreOf(4, "a", lines, false, 0, 0) == 2);
  CHECK(RankScoreOf(5, "a", lines, false, 0, 0) == 3);
  CHECK(RankScoreOf(5, "a", lines, true, 0, 0) == 1);
  const LineSet together{{3, std::numeric_limits<double>::infinity()}, {}, false};
  CHECK(RankScoreOf(3, "a", together, false, 0, 0) == 2);
  CHECK(RankScoreOf(1e300, "a", together, false, 0, 0) == 2);
}

World PropertyWorld() {
  World world;
  world.Who("exists(customer.visits) or customer.member")
      .AddFeature("silence", "customer.silence")
      .AddFeature("pace", "customer.visits / 2");
  world.AddScore("r", "silence", true, {Days(3), Days(10), Days(30)});
  world.AddScore("p", "pace", false, {1, 2.5, 4});
  Fifths rank;
  rank.of_rank = rank.ties_by_key = true;
  world.AddFifths("f", "customer.visits", false, rank);
  Score& both = world.AddScore("rp", "round(mean(r, p))");
  both.range = {1, 3};
  world.AddPoints("risk",
                  {{"silence > 5d", 30}, {"p <= 2", 25}, {"customer.status is 'churned'", 60}},
                  {{0, 100}});
  world.AddSegment("lost", "customer.status is 'churned' and risk >= 90");
  world.AddCells("core", {{4, 4}, {3, 4}});
  world.AddSegment("good", "rp >= 3 or f is 5").AddSegment("rest", "otherwise");
  world.model().grid = {0, 1};
  world.model().margin_percent = 10;
  return world;
}

TEST_CASE("a cell of a grid is found by scores that nothing else reads") {
  World world;
  world.AddFeature("pace", "customer.visits");
  world.AddScore("p", "pace", false, {2, 5});
  world.AddScore("q", "pace", true, {3, 6});
  world.AddCells("few", {{1, 3}}).AddCells("many", {{3, 1}}).AddSegment("rest", "otherwise");
  world.model().grid = {0, 1};
  People people(world);
  for (const double visits : {1.0, 4.0, 9.0}) {
    people.Add(std::to_string(visits)).traits["visits"] = visits;
  }
  const Model& model = world.workspace.models[0];
  Scorer scorer(model, people, {Day(0), {}});
  scorer.Load(0, 3);
  scorer.ComputeScores(FixedLines(model), nullptr, {false, false}, 2);
  scorer.ComputeAnswers();
  CHECK(scorer.answer(0) == 0);
  CHECK(scorer.answer(1) == 2);
  CHECK(scorer.answer(2) == 1);
}

TEST_CASE("a block of customers gives the same scores and answers as one customer at a time") {
  const World world = PropertyWorld();
  const Model& model = world.workspace.models[0];
  People people(world);
  SettledSteps settled(model.scores.size());
  std::uint64_t seed = 7;  // A small generator of its own: the same people everywhere.
  const auto roll = [&](std::uint64_t below) {
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    return (seed >> 33) % below;
  };
  for (int i = 0; i < 3000; ++i) {
    People::Person& person = people.Add(std::to_string(roll(500)));
    if (roll(5) != 0) {
      person.traits["visits"] = static_cast<double>(roll(12));
    }
    if (roll(7) != 0) {
      person.traits["silence"] = Days(static_cast<double>(roll(400)) / 10);
    }
    if (roll(2) != 0) {
      person.traits["status"] = world.workspace.pool->Find("churned").value();
    }
    person.traits["member"] = static_cast<double>(roll(2));
    for (std::size_t score = 0; score < 3; ++score) {
      settled[score].push_back(static_cast<StepCode>(roll(5) | (roll(4) == 0 ? kNoData : 0)));
    }
  }
  std::vector<LineSet> lines = FixedLines(model);
  lines[2] = {{2, 4, 7, 9}, {"5", "77", "300", "44"}, true};
  const std::vector<bool> margins = {true, true, true, false, false};
  const Moment moment{Day(0), {}};
  Scorer block(model, people, moment), single(model, people, moment);
  std::vector<int> seen(model.segments.size() + 1);
  for (CustomerIndex first = 0; first < people.count(); first += kBlock) {
    const std::size_t here = std::min<std::size_t>(kBlock, people.count() - first);
    block.Load(first, here);
    block.ComputeScores(lines, &settled, margins, model.scores.size());
    block.ComputeAnswers();
    for (std::size_t i = 0; i < here; ++i) {
      single.Load(first + static_cast<CustomerIndex>(i), 1);
      single.ComputeScores(lines, &settled, margins, model.scores.size());
      single.ComputeAnswers();
      REQUIRE(block.answer(i) == single.answer(0));
      REQUIRE(block.inside(i) == single.inside(0));
      for (std::size_t score = 0; score < model.scores.size(); ++score) {
        REQUIRE(block.score(score, i) == single.score(score, 0));
        if (model.scores[score].steps() > 0) {
          REQUIRE(block.codes(score)[i] == single.codes(score)[0]);
        }
      }
      // The executor for one customer agrees with the one for blocks.
      const Segment& good = model.segments[2];
      const double answer =
          ExecuteOne(good.when->expr, block, moment, first + static_cast<CustomerIndex>(i));
      REQUIRE((block.answer(i) != 2 || IsTrue(answer)));
      ++seen[std::min<std::size_t>(block.answer(i), model.segments.size())];
    }
  }
  for (const int count : seen) {
    CHECK(count > 0);  // Every segment and none occurred.
  }
}

}  // namespace
}  // namespace segue
