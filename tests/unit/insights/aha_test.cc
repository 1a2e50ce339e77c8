#include "insights/aha.h"

#include <cmath>
#include <string>

#include <doctest/doctest.h>

#include "support/dice.h"

namespace segue {
namespace {

constexpr std::int64_t kDay = 24;

AhaSearch Search() {
  return {.within = {kDay, 3 * kDay, 7 * kDay}, .pairs = true};
}

// People whose five actions come at rates of their own: eager people do more of everything, but
// staying is a coin.  With `effect`, who did action 2 at least three times within three days is
// that much likelier to stay.
AhaData Simulate(int people, double effect, std::uint64_t stream) {
  AhaData data;
  data.actions = 5;
  Dice dice(stream);
  for (int person = 0; person < people; ++person) {
    const double eager = dice.Gamma(1);
    int done = 0;
    for (std::uint32_t action = 0; action < 5; ++action) {
      double time = 0;
      while ((time += dice.Exponential(40.0 * (1 + action) / 3 / eager)) < 10.0 * kDay) {
        data.events.push_back({.person = static_cast<std::uint32_t>(person),
                               .action = action,
                               .after = static_cast<std::int64_t>(time)});
        done += action == 2 && time <= 3 * kDay ? 1 : 0;
      }
    }
    data.stayed.push_back(dice.Chance(0.3 + (done >= 3 ? effect : 0)));
    data.check.push_back(dice.Chance(0.3));
  }
  return data;
}

}  // namespace

TEST_CASE("aha: on 200 data sets without any effect, at most 5 in 100 have a find") {
  int with_finds = 0, listed = 0;
  for (std::uint64_t stream = 0; stream < 200; ++stream) {
    const AhaResult result = FindAha(Simulate(1000, 0, 500 + stream), Search());
    CHECK(result.ranking.size() > 500);
    with_finds += result.best >= 0 ? 1 : 0;
    listed += result.shortlist.empty() ? 0 : 1;
  }
  MESSAGE(with_finds << " with a find, " << listed << " with a short list");
  CHECK(with_finds <= 10);
}

TEST_CASE(
    "aha: without the correction there are finds where there is nothing, which is what it is for") {
  AhaSearch careless = Search();
  careless.correct_for_many = false;
  int with_finds = 0;
  for (std::uint64_t stream = 0; stream < 50; ++stream) {
    with_finds += FindAha(Simulate(1000, 0, 500 + stream), careless).best >= 0 ? 1 : 0;
  }
  CHECK(with_finds > 0);
}

TEST_CASE("aha: a planted moment is found and confirmed") {
  AhaSearch search = Search();
  search.pairs = false;
  search.rank_by = AhaRank::kPhi;
  const AhaResult result = FindAha(Simulate(6000, 0.35, 800), search);
  REQUIRE(result.best >= 0);
  const AhaConfirmation& best = result.shortlist[static_cast<std::size_t>(result.best)];
  CHECK(result.ranking[best.place].rule == AhaRule{.action = 2, .times = 3, .within = 1});
  CHECK(best.confirmed);
  CHECK(best.figures.lift.low > 1);
  CHECK(result.sentence ==
        "90 rules tried, 20 on the short list, 20 confirmed on people who were kept back");
}

TEST_CASE("aha: too few people find nothing, and are told so") {
  const AhaResult result = FindAha(Simulate(399, 0.3, 801), Search());
  CHECK(result.ranking.empty());
  CHECK(result.best == -1);
  CHECK(result.sentence == "nothing is looked for: 399 people, and 400 are needed");
  AhaSearch any = Search();
  any.people_min = 0;
  CHECK(FindAha(AhaData{}, any).ranking.empty());
}

TEST_CASE("aha: figures of one table, by hand") {
  const AhaFigures f =
      Measure({.reached_stayed = 30, .reached_left = 20, .other_stayed = 30, .other_left = 120});
  CHECK(f.reach.value == 0.25);
  CHECK(f.precision.value == 0.6);
  CHECK(f.recall.value == 0.5);
  CHECK(f.lift.value == doctest::Approx(2));
  CHECK(f.odds_ratio.value == doctest::Approx(6));
  CHECK(f.phi.value == doctest::Approx((30.0 * 120 - 20 * 30) / std::sqrt(50.0 * 150 * 60 * 140)));
  CHECK(std::log(f.odds_ratio.high / f.odds_ratio.value) ==
        doctest::Approx(1.959964 * std::sqrt(1.0 / 30 + 1.0 / 20 + 1.0 / 30 + 1.0 / 120)));
  CHECK(f.lift.low > 1);
  CHECK(f.phi.low > 0);
  // The lady tasting tea: all four right by chance once in 70.
  CHECK(Measure({.reached_stayed = 4, .reached_left = 0, .other_stayed = 0, .other_left = 4}).p ==
        doctest::Approx(1.0 / 70));
  const AhaFigures none =
      Measure({.reached_stayed = 0, .reached_left = 5, .other_stayed = 5, .other_left = 90});
  CHECK(none.p == doctest::Approx(1));
  CHECK(none.odds_ratio.value == doctest::Approx(0.5 * 90.5 / 5.5 / 5.5));
  CHECK(std::isfinite(none.lift.high));
}

TEST_CASE("aha: the interval of the lift holds the truth in 94 to 96 of 100 samples") {
  Dice dice(802);
  int held = 0;
  for (int i = 0; i < 4000; ++i) {
    AhaTable table;
    for (int person = 0; person < 800; ++person) {
      const bool reached = dice.Chance(0.3), stayed = dice.Chance(reached ? 0.6 : 0.3);
      (reached ? (stayed ? table.reached_stayed : table.reached_left)
               : (stayed ? table.other_stayed : table.other_left)) += 1;
    }
    const AhaMeasure lift = Measure(table).lift;
    const double truth = 0.6 / (0.3 * 0.6 + 0.7 * 0.3);
    held += lift.low <= truth && truth <= lift.high ? 1 : 0;
  }
  CHECK(held >= 0.94 * 4000);
  CHECK(held <= 0.96 * 4000);
}

TEST_CASE("aha: the interval of phi holds the truth in 94 to 96 of 100 samples") {
  struct Scene {
    double reach, stay, stay_without;
  };

  std::uint64_t stream = 810;
  for (const Scene& scene : {Scene{0.062, 0.63, 0.21}, Scene{0.1, 0.9, 0.1}, Scene{0.5, 0.9, 0.1},
                             Scene{0.3, 0.6, 0.3}, Scene{0.3, 0.3, 0.3}}) {
    Dice dice(++stream);
    const double all = scene.reach * scene.stay + (1 - scene.reach) * scene.stay_without;
    const double truth = scene.reach * (1 - scene.reach) * (scene.stay - scene.stay_without) /
                         std::sqrt(scene.reach * (1 - scene.reach) * all * (1 - all));
    int held = 0;
    for (int i = 0; i < 4000; ++i) {
      AhaTable table;
      for (int person = 0; person < 1000; ++person) {
        const bool reached = dice.Chance(scene.reach),
                   stayed = dice.Chance(reached ? scene.stay : scene.stay_without);
        (reached ? (stayed ? table.reached_stayed : table.reached_left)
                 : (stayed ? table.other_stayed : table.other_left)) += 1;
      }
      const AhaMeasure phi = Measure(table).phi;
      held += phi.low <= truth && truth <= phi.high ? 1 : 0;
    }
    MESSAGE("phi " << truth << ": " << held << " of 4000");
    CHECK(held >= 0.94 * 4000);
    CHECK(held <= 0.96 * 4000);
  }
}

TEST_CASE("aha: an empty cell makes no interval a point") {
  const AhaFigures same =
      Measure({.reached_stayed = 12, .reached_left = 0, .other_stayed = 0, .other_left = 30});
  CHECK(same.phi.value == 1);
  CHECK(same.phi.high == 1);
  CHECK(same.phi.low < 0.95);
  CHECK(same.phi.low > 0.5);
  const AhaFigures opposite =
      Measure({.reached_stayed = 0, .reached_left = 30, .other_stayed = 12, .other_left = 0});
  CHECK(opposite.phi.low == -1);
  CHECK(opposite.phi.high > -0.95);
  CHECK(opposite.lift.value == 0);
  CHECK(opposite.lift.low == 0);
  CHECK(opposite.lift.high > 0.05);
}

TEST_CASE("aha: the edges of a window count, and what came before joining does not") {
  AhaData data;
  data.actions = 1;
  data.stayed = {true, false, true, false};
  data.check = {false, false, false, false};
  data.events = {{.person = 0, .action = 0, .after = 24},
                 {.person = 1, .action = 0, .after = 25},
                 {.person = 2, .action = 0, .after = 0},
                 {.person = 3, .action = 0, .after = -1}};
  const AhaResult result = FindAha(data, {.times_max = 1, .within = {24}, .people_min = 0});
  REQUIRE(result.ranking.size() == 1);
  CHECK(result.ranking[0].table.reached_stayed == 2);
  CHECK(result.ranking[0].table.reached_left == 0);
  CHECK(result.ranking[0].table.other_left == 2);
}

TEST_CASE("aha: progress names the action of which the larger share is left") {
  const AhaRule pair{.action = 1, .times = 3, .other = 4, .other_times = 2, .within = 0};
  CHECK(ProgressOf(pair, 0, 0).missing == 1);
  CHECK(ProgressOf(pair, 0, 0).share == 0);
  CHECK(ProgressOf(pair, 2, 0).missing == 4);
  CHECK(ProgressOf(pair, 9, 1).missing == 4);
  CHECK(ProgressOf(pair, 9, 1).share == doctest::Approx(0.8));
  CHECK(ProgressOf(pair, 3, 2).reached);
  CHECK(ProgressOf(pair, 3, 2).missing == -1);
  const AhaRule single{.action = 2, .times = 4};
  CHECK(ProgressOf(single, 1, 7).share == 0.25);
  CHECK(ProgressOf(single, 1, 7).missing == 2);
  CHECK(ProgressOf(single, 4, 0).reached);
}

}  // namespace segue
