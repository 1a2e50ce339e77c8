#include "insights/uplift.h"

#include <cmath>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "support/dice.h"
#include "support/golden.h"

namespace segue {
namespace {

constexpr int kExperiments = 10000;

struct Scenario {
  const char* name;
  int treated, held_out;
  double treated_rate, held_out_rate;
};

Arm DrawRate(Dice& dice, int people, double rate) {
  int successes = 0;
  for (int i = 0; i < people; ++i) {
    successes += dice.Chance(rate) ? 1 : 0;
  }
  return Arm::OfCounts(people, successes);
}

// Most people spend nothing, the others around 40 with a long tail.
double Spend(Dice& dice, double share, double deviation = 0.6) {
  return dice.Chance(share) ? std::exp(3.5 + deviation * dice.Normal()) : 0;
}

double Width(const Interval& interval) {
  return interval.high.value() - interval.low.value();
}

bool Within95(int count, int of) {
  return count >= 0.94 * of && count <= 0.96 * of;
}

}  // namespace

TEST_CASE("uplift: 95 % intervals of rates hold the truth in 94 to 96 of 100 experiments") {
  const std::vector<Scenario> scenarios = {{"even arms", 800, 800, 0.12, 0.10},
                                           {"a small holdout", 2000, 300, 0.20, 0.20},
                                           {"a rare goal", 4000, 1000, 0.03, 0.02},
                                           {"a common goal", 500, 500, 0.7, 0.6}};
  std::uint64_t stream = 100;
  for (const Scenario& scenario : scenarios) {
    INFO(std::string(scenario.name));
    Dice dice(++stream);
    int difference = 0, ratio = 0;
    for (int i = 0; i < kExperiments; ++i) {
      const Arm treated = DrawRate(dice, scenario.treated, scenario.treated_rate);
      const Arm held_out = DrawRate(dice, scenario.held_out, scenario.held_out_rate);
      const Effect effect = Compare(treated, held_out, Quantity::kRate).value();
      difference +=
          effect.difference_interval.Holds(scenario.treated_rate - scenario.held_out_rate) ? 1 : 0;
      ratio += effect.ratio_interval.Holds(scenario.treated_rate / scenario.held_out_rate) ? 1 : 0;
    }
    MESSAGE("difference " << difference << ", ratio " << ratio << " of " << kExperiments);
    CHECK(Within95(difference, kExperiments));
    CHECK(Within95(ratio, kExperiments));
  }
}

TEST_CASE("uplift: 95 % intervals of money hold the truth in 94 to 96 of 100 experiments") {
  struct Shop {
    const char* name;
    int treated, held_out;
    double share, deviation,
        factor;  // Of the treated amounts: an effect on how much, not how many.
  };

  std::uint64_t stream = 110;
  for (const Shop& shop : std::vector<Shop>{{"even arms", 1200, 800, 0.11, 0.6, 1},
                                            {"90 to 10, ten buyers", 900, 100, 0.1, 0.6, 1},
                                            {"the same, a long tail", 900, 100, 0.1, 1, 1},
                                            {"90 to 10", 2700, 300, 0.1, 0.6, 1},
                                            {"the same, a long tail", 2700, 300, 0.1, 1, 1},
                                            {"the same, an effect", 2700, 300, 0.1, 1, 1.3}}) {
    INFO(std::string(shop.name));
    Dice dice(++stream);
    const double mean = shop.share * std::exp(3.5 + shop.deviation * shop.deviation / 2);
    int difference = 0, ratio = 0, enough = 0;
    for (int i = 0; i < kExperiments; ++i) {
      Arm treated, held_out;
      for (int person = 0; person < shop.treated; ++person) {
        treated.Add(shop.factor * Spend(dice, shop.share, shop.deviation));
      }
      for (int person = 0; person < shop.held_out; ++person) {
        held_out.Add(Spend(dice, shop.share, shop.deviation));
      }
      const Effect effect = Compare(treated, held_out, Quantity::kMoney).value();
      if (effect.difference_interval.low) {
        ++enough;
        difference += effect.difference_interval.Holds((shop.factor - 1) * mean) ? 1 : 0;
        ratio += effect.ratio_interval.Holds(shop.factor) ? 1 : 0;
      }
    }
    MESSAGE(std::string(shop.name)
            << ": difference " << difference << ", ratio " << ratio << " of " << enough);
    CHECK(enough > 0.5 * kExperiments);
    CHECK(Within95(difference, enough));
    CHECK(Within95(ratio, enough));
  }
}

TEST_CASE("uplift: money of too few buyers has a difference and no interval") {
  Arm treated, held_out;
  for (int person = 0; person < 900; ++person) {
    treated.Add(person < 90 ? 1000 + person : 0);
  }
  for (int person = 0; person < 100; ++person) {
    held_out.Add(person < kBuyersMin - 1 ? 1000 : 0);
  }
  CHECK(!PerThousand(treated, held_out)->enough);
  CHECK(!PerThousand(treated, held_out)->interval.high.has_value());
  held_out.Add(1000);
  CHECK(PerThousand(treated, held_out)->enough);
  CHECK(PerThousand(treated, held_out)->interval.high.has_value());
  // Nobody bought: an amount of nothing is not a rate of 0 of 1000.
  const Money nothing = PerThousand(Arm::OfCounts(50, 0), Arm::OfCounts(50, 0)).value();
  CHECK(nothing.value == 0);
  CHECK(!nothing.interval.low.has_value());
  CHECK(!nothing.interval.high.has_value());
}

TEST_CASE(
    "uplift: looked at on each of 60 days, the sequential test errs in at most 5 of 100; the plain "
    "one far more often") {
  struct Look {
    std::string name;
    double treated_share, rate, planned;
    bool money;
  };

  const std::vector<Look> looks = {{"rates", 0.7, 0.1, 3000, false},
                                   {"money", 0.7, 0.2, 3000, true},
                                   {"a rare goal, a small holdout", 0.9, 0.03, 3000, false},
                                   {"a plan far too small", 0.7, 0.1, 300, false}};
  std::uint64_t stream = 120;
  for (const Look& look : looks) {
    INFO(look.name);
    Dice dice(++stream);
    int sequential = 0, plain = 0, uncovered = 0;
    for (int i = 0; i < kExperiments; ++i) {
      Arm treated, held_out;
      bool sequential_erred = false, plain_erred = false;
      for (int day = 0; day < 60; ++day) {
        for (int person = 0; person < 50; ++person) {
          const double outcome =
              look.money ? Spend(dice, look.rate) : (dice.Chance(look.rate) ? 1.0 : 0.0);
          (dice.Chance(look.treated_share) ? treated : held_out).Add(outcome);
        }
        const Quantity quantity = look.money ? Quantity::kMoney : Quantity::kRate;
        const Sequential now = CompareAtAnyTime(treated, held_out, quantity, look.planned);
        sequential_erred = sequential_erred || !now.interval.Holds(0);
        uncovered += now.interval.Holds(0) == (now.p > 0.05) ? 0 : 1;
        const auto effect = Compare(treated, held_out, quantity);
        plain_erred =
            plain_erred || (now.enough && effect && !effect->difference_interval.Holds(0));
      }
      sequential += sequential_erred ? 1 : 0;
      plain += plain_erred ? 1 : 0;
    }
    MESSAGE("sequential " << sequential << ", plain " << plain << " of " << kExperiments);
    CHECK(sequential <= 0.05 * kExperiments);
    CHECK(plain > 2 * sequential);
    CHECK(uncovered == 0);  // The interval and the p say the same.
  }
}

TEST_CASE("uplift: the sequential test finds a real effect") {
  Dice dice(130);
  int found = 0;
  for (int i = 0; i < 500; ++i) {
    Arm treated, held_out;
    for (int person = 0; person < 5000; ++person) {
      const bool is_treated = dice.Chance(0.5);
      (is_treated ? treated : held_out).Add(dice.Chance(is_treated ? 0.15 : 0.10) ? 1 : 0);
    }
    found +=
        CompareAtAnyTime(treated, held_out, Quantity::kRate, 5000).interval.low.value() > 0 ? 1 : 0;
  }
  CHECK(found > 480);
}

TEST_CASE(
    "uplift: CUPED narrows the interval by sqrt(1 - rho²), and still holds the truth in 94 to 96 "
    "of 100") {
  for (const double rho : {0.3, 0.6, 0.9}) {
    Dice dice(static_cast<std::uint64_t>(140 + 10 * rho));
    int held = 0;
    double plain_width = 0, cuped_width = 0, correlation = 0;
    for (int i = 0; i < kExperiments; ++i) {
      Arm treated, held_out;
      for (int person = 0; person < 400; ++person) {
        const double before = dice.Normal();
        const double after = rho * before + std::sqrt(1 - rho * rho) * dice.Normal();
        const bool is_treated = dice.Chance(0.6);
        (is_treated ? treated : held_out).Add(10 + after + (is_treated ? 0.1 : 0), 5 + 2 * before);
      }
      const Cuped cuped = CompareWithCovariate(treated, held_out, Quantity::kAny, 400);
      held += cuped.effect->difference_interval.Holds(0.1) ? 1 : 0;
      plain_width += Width(Compare(treated, held_out, Quantity::kAny)->difference_interval);
      cuped_width += Width(cuped.effect->difference_interval);
      correlation += cuped.correlation;
    }
    CHECK(correlation / kExperiments == doctest::Approx(rho).epsilon(0.01));
    CHECK(cuped_width / plain_width == doctest::Approx(std::sqrt(1 - rho * rho)).epsilon(0.005));
    CHECK(Within95(held, kExperiments));
  }
}

TEST_CASE(
    "uplift: with behaviour before, the interval for any time is as much narrower, and errs in at "
    "most 5 of 100 however often it is looked at") {
  Dice dice(145);
  const double rho = 0.7;
  int erred = 0;
  double plain = 0, cuped = 0;
  for (int i = 0; i < 2000; ++i) {
    Arm treated, held_out;
    bool once = false;
    for (int day = 0; day < 30; ++day) {
      for (int person = 0; person < 50; ++person) {
        const double before = dice.Normal();
        (dice.Chance(0.7) ? treated : held_out)
            .Add(rho * before + std::sqrt(1 - rho * rho) * dice.Normal(), before);
      }
      const Cuped now = CompareWithCovariate(treated, held_out, Quantity::kAny, 1500);
      once = once || !now.any_time.interval.Holds(0);
    }
    erred += once ? 1 : 0;
    plain += Width(CompareAtAnyTime(treated, held_out, Quantity::kAny, 1500).interval);
    cuped += Width(CompareWithCovariate(treated, held_out, Quantity::kAny, 1500).any_time.interval);
  }
  MESSAGE("erred in " << erred << " of 2000");
  CHECK(erred <= 0.05 * 2000);
  CHECK(cuped / plain == doctest::Approx(std::sqrt(1 - rho * rho)).epsilon(0.01));
}

TEST_CASE("uplift: a fair split, looked at every day for a year, alarms in at most 1 of 1000") {
  int alarms = 0;
  std::uint64_t stream = 170;
  for (const double share : {0.5, 0.9, 0.98}) {
    Dice dice(++stream);
    for (int i = 0; i < 2000; ++i) {
      double treated = 0, held_out = 0;
      bool alarm = false;
      for (int day = 0; day < 365; ++day) {
        for (int person = 0; person < 5; ++person) {
          (dice.Chance(share) ? treated : held_out) += 1;
        }
        alarm = alarm || SampleRatioPAtAnyTime(treated, held_out, share) < kRatioAlarm;
      }
      alarms += alarm ? 1 : 0;
    }
  }
  MESSAGE(alarms << " alarms in 6000 years");
  CHECK(alarms <= 6);
}

TEST_CASE("uplift: a handful of people on one side is no broken split, and a lost tenth is") {
  // Chi-square has the second of two held-out people, of whom one in a hundred is, once in 10^44.
  for (int people = 1; people <= 2; ++people) {
    CHECK(SampleRatioPAtAnyTime(0, people, 0.99) > kRatioAlarm);
    CHECK(SampleRatioPAtAnyTime(people, 0, 0.01) > kRatioAlarm);
  }
  CHECK(SampleRatioP(0, 1, 0.99) == doctest::Approx(0.02));
  CHECK(SampleRatioP(0, 1, 0.9) == doctest::Approx(0.2));
  CHECK(SampleRatioP(5, 5, 0.5) == 1);
  CHECK(SampleRatioP(10, 0, 0.5) == doctest::Approx(2.0 / 1024));
  CHECK(SampleRatioPAtAnyTime(1, 0, 0.9) == 1);
  CHECK(SampleRatioPAtAnyTime(40500, 5000, 0.9) < kRatioAlarm);
  CHECK(SampleRatioPAtAnyTime(9000, 1000, 0.9) == 1);
  const Answer tiny =
      Judge(Arm::OfCounts(0, 0), Arm::OfCounts(2, 0), {.treated_share = 0.98, .planned = 1000});
  CHECK(tiny.verdict == Verdict::kCannotTell);
}

TEST_CASE("uplift: an arm is the same in whatever pieces it is added up") {
  Dice dice(150);
  Arm whole, left, right;
  for (int i = 0; i < 1000; ++i) {
    const double y = 1e6 + dice.Normal(), x = y + dice.Normal();
    whole.Add(y, x);
    (i < 300 ? left : right).Add(y, x);
  }
  left.Add(right);
  left.Add(Arm());
  CHECK(left.people() == 1000);
  CHECK(left.mean() == doctest::Approx(whole.mean()).epsilon(1e-14));
  CHECK(left.variance() == doctest::Approx(whole.variance()).epsilon(1e-8));
  CHECK(left.products() == doctest::Approx(whole.products()).epsilon(1e-8));
  Arm rate;
  for (int i = 0; i < 50; ++i) {
    rate.Add(i < 20 ? 1 : 0);
  }
  CHECK(rate.variance() == doctest::Approx(Arm::OfCounts(50, 20).variance()));
}

TEST_CASE("uplift: intervals as published") {
  // R. Newcombe (1998), table II, method 10: 56/70 and 48/80; 9/10 and 3/10; 10/10 and 0/20.
  const auto check = [](double a, double n, double b, double m, double low, double high) {
    const Effect effect =
        Compare(Arm::OfCounts(n, a), Arm::OfCounts(m, b), Quantity::kRate).value();
    CHECK(std::fabs(*effect.difference_interval.low - low) < 0.00006);
    CHECK(std::fabs(*effect.difference_interval.high - high) < 0.00006);
  };
  check(56, 70, 48, 80, 0.0524, 0.3339);
  check(9, 10, 3, 10, 0.1705, 0.8090);
  check(10, 10, 0, 20, 0.6791, 1.0000);
  // E. Wilson's interval of 81/263, as in R. Newcombe, Two-sided intervals for the single
  // proportion (1998), table I.
  const Interval share = ShareInterval(81, 263);
  CHECK(std::fabs(*share.low - 0.2553) < 0.00006);
  CHECK(std::fabs(*share.high - 0.3662) < 0.00006);
}

TEST_CASE("uplift: no events and no people give open intervals, not numbers") {
  CHECK(!Compare(Arm::OfCounts(1, 1), Arm::OfCounts(50, 3), Quantity::kRate).has_value());
  const Effect none = Compare(Arm::OfCounts(50, 5), Arm::OfCounts(50, 0), Quantity::kRate).value();
  CHECK(!none.ratio.has_value());
  CHECK(!none.ratio_interval.high.has_value());
  CHECK(*none.ratio_interval.low > 0);
  const Effect both = Compare(Arm::OfCounts(50, 0), Arm::OfCounts(50, 0), Quantity::kRate).value();
  CHECK(*both.difference_interval.low < 0);
  CHECK(*both.ratio_interval.low == 0);
  Arm broke, same;
  for (int i = 0; i < 10; ++i) {
    broke.Add(2.5);
    same.Add(2.5);
  }
  CHECK(!Compare(broke, same, Quantity::kAny)->difference_interval.low.has_value());
  CHECK(!CompareAtAnyTime(Arm::OfCounts(90, 20), Arm::OfCounts(500, 20), Quantity::kRate, 1000)
             .interval.high.has_value());
}

TEST_CASE("uplift: the smallest detectable difference is found in 80 of 100 experiments") {
  const double smallest = SmallestDetectable(2000, 1000, std::sqrt(0.1 * 0.9));
  Dice dice(160);
  int found = 0;
  for (int i = 0; i < 4000; ++i) {
    const Arm treated = DrawRate(dice, 2000, 0.1 + smallest / 2),
              held_out = DrawRate(dice, 1000, 0.1 - smallest / 2);
    found += Compare(treated, held_out, Quantity::kRate)->difference_interval.Holds(0) ? 0 : 1;
  }
  CHECK(found / 4000.0 == doctest::Approx(0.8).epsilon(0.05));
}

TEST_CASE("uplift: and so is the smallest for who looks at any time, with as many as are planned") {
  const double difference = 0.05, deviation = std::sqrt(0.125 * 0.875);
  const double planned = PeopleToFind(difference, deviation, 0.75);
  const int treated_people = static_cast<int>(0.75 * planned),
            held_out_people = static_cast<int>(0.25 * planned);
  CHECK(SmallestAtAnyTime(treated_people, held_out_people, deviation, planned) ==
        doctest::Approx(difference).epsilon(0.01));
  CHECK(SmallestAtAnyTime(treated_people, held_out_people, deviation, planned) >
        1.3 * SmallestDetectable(treated_people, held_out_people, deviation));
  Dice dice(165);
  int found = 0;
  for (int i = 0; i < 4000; ++i) {
    const Arm treated = DrawRate(dice, treated_people, 0.125 + difference / 2),
              held_out = DrawRate(dice, held_out_people, 0.125 - difference / 2);
    found +=
        CompareAtAnyTime(treated, held_out, Quantity::kRate, planned).interval.Holds(0) ? 0 : 1;
  }
  CHECK(found / 4000.0 == doctest::Approx(0.8).epsilon(0.05));
}

TEST_CASE("uplift: verdicts in words") {
  const Question question{.treated_share = 0.9,
                          .expect = Expectation{.low = 0.10, .high = 0.15},
                          .planned = 300,
                          .ended = true};
  Question modest = question;
  modest.expect->low = 0.05;
  const Answer small = Judge(Arm::OfCounts(270, 30), Arm::OfCounts(30, 3), modest);
  CHECK(small.verdict == Verdict::kCannotTell);
  CHECK(small.sentence ==
        "cannot tell: 11.1 % of 270 treated and 10.0 % of 30 held out, a difference of +1.1 "
        "points; the data fit anything "
        "from -14.8 to +8.9. So many people can show a difference of 16.9 points or more");
  const Answer broken = Judge(Arm::OfCounts(9000, 900), Arm::OfCounts(800, 80), question);
  CHECK(broken.verdict == Verdict::kBrokenSplit);
  CHECK(broken.sentence.starts_with(
      "the split is broken: 9000 treated and 800 held out, where 90 % were to be treated"));
  const auto verdict = [&](double treated, double held_out) {
    return Judge(Arm::OfCounts(9000, treated), Arm::OfCounts(1000, held_out), question).verdict;
  };
  CHECK(verdict(2880, 200) == Verdict::kInside);  // +12 points.
  CHECK(verdict(1980, 200) == Verdict::kBelow);   // +2
  CHECK(verdict(4500, 200) == Verdict::kAbove);   // +30
  CHECK(verdict(900, 200) == Verdict::kHarm);     // -10
  CHECK(verdict(2610, 200) == Verdict::kGain);    // +9: perhaps 10.
  // Whoever looks at any time is told what that way of looking shows, not what one look would.
  const Answer early = Judge(Arm::OfCounts(90, 20), Arm::OfCounts(10, 2), {.treated_share = 0.9});
  CHECK(early.sentence ==
        "cannot tell: 22.2 % of 90 treated and 20.0 % of 10 held out, a difference of +2.2 points; "
        "too early to say what else the data fit: that takes 100 people in each arm, of whom 10 "
        "reach the goal and 10 do not. A single look, fixed before the start, could show a "
        "difference of 38.9 points or more");
  CHECK(!early.smallest_at_any_time.has_value());
  const Answer later =
      Judge(Arm::OfCounts(900, 200), Arm::OfCounts(100, 20), {.treated_share = 0.9});
  CHECK(*later.smallest_at_any_time ==
        doctest::Approx(SmallestAtAnyTime(900, 100, std::sqrt(0.22 * 0.78 * 1000 / 999), 10000)));
  CHECK(*later.smallest_at_any_time > *later.smallest_at_one_look);
  const Answer nobody = Judge(Arm::OfCounts(900, 0), Arm::OfCounts(100, 0), question);
  CHECK(!nobody.smallest_at_one_look.has_value());
  CHECK(nobody.sentence.find("0.0 points or more") == std::string::npos);
}

TEST_CASE("uplift: the retention of Cookie Cats as published, and its intervals") {
  const auto path = Shared("data/cookie_cats/cookie_cats.csv");
  if (!path) {
    return;
  }
  std::ifstream in(*path);
  std::string line;
  std::getline(in, line);
  Arm day_one[2], day_seven[2];
  while (std::getline(in, line)) {
    const bool gate_40 = line.find("gate_40") != std::string::npos;
    day_one[gate_40].Add(line[line.size() - 3] == '1' ? 1 : 0);
    day_seven[gate_40].Add(line[line.size() - 1] == '1' ? 1 : 0);
  }
  const Effect one = Compare(day_one[1], day_one[0], Quantity::kRate).value(),
               seven = Compare(day_seven[1], day_seven[0], Quantity::kRate).value();
  // As published with data/README.md names them.
  CHECK(day_one[0].people() == 44700);
  CHECK(day_one[1].people() == 45489);
  CHECK(std::fabs(one.held_out - 0.448188) < 5e-7);
  CHECK(std::fabs(one.treated - 0.442283) < 5e-7);
  CHECK(std::fabs(seven.held_out - 0.190201) < 5e-7);
  CHECK(std::fabs(seven.treated - 0.182000) < 5e-7);
  Arm both = day_one[0];
  both.Add(day_one[1]);
  CHECK(both.mean() == doctest::Approx(0.4452095044850259).epsilon(1e-13));
  CHECK(one.difference_interval.Holds(0));
  CHECK(!seven.difference_interval.Holds(0));
  // Uneven arms: chance does this once in 116, which is no alarm yet.
  CHECK(SampleRatioP(44700, 45489, 0.5) == doctest::Approx(0.00865).epsilon(0.005));
  CHECK(SampleRatioPAtAnyTime(44700, 45489, 0.5) > kRatioAlarm);
}

}  // namespace segue
