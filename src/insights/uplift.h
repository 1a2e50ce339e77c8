// Uplift: what a playbook changed, from people who were treated and people who were held out.
//
// Means of any outcome: 0 or 1 for a goal, money for revenue.  An arm is a few sums, which can be
// added up in any pieces; it does not know what was added, so whoever asks says it (Quantity).
// Three kinds of answer, for three ways of looking:
//   - Difference and ratio with a 95 % interval: for one look at a time that was fixed before.
//   - Sequential: an interval that stays true however often it is looked at (and people stop when
//   they like it).
//   - With behaviour from before the start (CUPED), both of them, and both narrower.
// Sources: E. Wilson (1927) and R. Newcombe, Interval estimation for the difference between
// independent proportions, Statistics in Medicine 17 (1998), method 10; A. Donner and G. Zou,
// Closed-form confidence intervals for functions of the normal mean and standard deviation (MOVER),
// Statistical Methods in Medical Research 21 (2012); E. Fieller (1954); B. Welch (1947); A. Deng,
// Y. Xu, R. Kohavi, T. Walker, Improving the sensitivity of online controlled experiments (CUPED),
// WSDM 2013; R. Johari, L. Pekelis, D. Walsh, Always valid inference (2015), and S. Howard et al.,
// Time-uniform, nonparametric, nonasymptotic confidence sequences, Annals of Statistics 49 (2021),
// for the normal mixture and its tuning; M. Lindon, A. Malek, Anytime-valid inference for
// multinomial count data (2022), for the split that is tested at any time.

#pragma once

#include <optional>
#include <string>

namespace segue {

// People of one arm: count, means, and sums of squares around the means of the outcome y and of a
// covariate x from before the start (leave it 0 where there is none).
class Arm {
 public:
  void Add(double y, double x = 0);
  void Add(const Arm& other);
  // Of `people` of whom `successes` reached a goal.
  static Arm OfCounts(double people, double successes);

  double people() const { return people_; }

  double mean() const { return mean_y_; }

  double covariate_mean() const { return mean_x_; }

  double sum() const { return mean_y_ * people_; }

  // People whose outcome was not 0: who reached the goal, or who bought.
  double events() const { return events_; }

  // Divided by n - 1; 0 with fewer than two people.
  double variance() const;

  double covariate_squares() const { return xx_; }

  double products() const { return xy_; }

  // The arm of y - theta·(x - at), with the events that it had.
  Arm Without(double theta, double at) const;

 private:
  double people_ = 0, events_ = 0, mean_y_ = 0, mean_x_ = 0, yy_ = 0, xx_ = 0, xy_ = 0;
};

// What the outcome of a person is.
enum class Quantity {
  kRate,   // 0 or 1.
  kMoney,  // 0 for most, an amount above 0 for whoever bought.
  kAny,    // Any number that scatters about its mean much as a normal one does.
};

// An end that is missing is infinite: the data cannot exclude anything on that side.
struct Interval {
  std::optional<double> low, high;

  bool Holds(double value) const { return (!low || *low <= value) && (!high || value <= *high); }
};

// Wilson's interval of a share.
Interval ShareInterval(double successes, double people);

struct Effect {
  double treated = 0, held_out = 0;  // Means.
  double difference = 0;
  Interval difference_interval;
  std::optional<double> ratio;  // Nothing when the held-out mean is not above 0.
  Interval ratio_interval;
};

// Treated against held out, at 95 %.  Nothing with fewer than two people in an arm; an interval
// without ends where nobody differs from anybody, and of money with fewer than kBuyersMin in an
// arm.
std::optional<Effect> Compare(const Arm& treated, const Arm& held_out, Quantity quantity);

// With fewer people who bought, chance has too few of the large amounts for an interval to hold.
// With more, it holds the truth in 94 to 96 of 100 while amounts differ as a lognormal of deviation
// 1 does (one buyer in six spends more than 2.7 times the median).
inline constexpr double kBuyersMin = 10;

// The interval at this moment of a sequence that covers the true difference at all moments together
// with 95 %.  It is tightest when `planned` people are in (both arms together); the plan must be
// made before looking.
struct Sequential {
  Interval interval;
  double p = 1;         // Valid at any time: of a difference so far from none.
  bool enough = false;  // Before a few dozen people and events per arm it says nothing, and the
                        // interval is endless.
};

Sequential CompareAtAnyTime(const Arm& treated, const Arm& held_out, Quantity quantity,
                            double planned);

// The two arms with what the covariate foretells taken out: y - θ·(x - the mean of x over both), θ
// from within the arms.
struct Cuped {
  double theta = 0;
  double correlation =
      0;  // Within arms; the interval narrows to about sqrt(1 - correlation²) of its length.
  std::optional<Effect> effect;
  Sequential any_time;
};

Cuped CompareWithCovariate(const Arm& treated, const Arm& held_out, Quantity quantity,
                           double planned);

// Whether the arms have as many people as they should.  Below kRatioAlarm somebody is lost on one
// side and nothing else here may be believed.  At one look: the exact binomial chance of a split as
// uneven, both sides.  At any time: what fair chance stays below at all looks together with that
// chance at most, however few the people are.
inline constexpr double kRatioAlarm = 0.001;
double SampleRatioP(double treated, double held_out, double treated_share);
double SampleRatioPAtAnyTime(double treated, double held_out, double treated_share);

// The smallest difference in means that these arms find with 80 % chance at 5 % (two-sided), given
// the outcome's deviation: with one look, and with the interval that holds at any time.
double SmallestDetectable(double treated, double held_out, double deviation);
double SmallestAtAnyTime(double treated, double held_out, double deviation, double planned);
// People in both arms of whom SmallestAtAnyTime, planned for as many, is this difference.
double PeopleToFind(double difference, double deviation, double treated_share);

enum class Verdict {
  kBrokenSplit,  // The arms do not have the people that they should.
  kCannotTell,   // Neither no effect nor the expectation can be excluded.
  kGain,    // Something was gained for sure; whether as much as expected cannot be told, or nobody
            // said.
  kInside,  // The same, and the difference lies within the expectation.
  kBelow,   // All that is likely lies below the expectation.
  kAbove,   // All that is likely lies above it.
  kHarm,    // All that is likely lies below zero.
};

struct Expectation {
  double low = 0,
         high = 0;  // Of the difference, as `goal.expect` has it: 0.10 is ten percentage points.
};

struct Question {
  double treated_share = 0.5;  // As configured, of both arms.
  std::optional<Expectation> expect = std::nullopt;
  double planned = 10000;  // People in both arms when the plan ends.
  bool ended =
      false;  // The plan is done: one look, the plain interval.  Otherwise the sequential one.
};

struct Answer {
  Verdict verdict = Verdict::kCannotTell;
  std::optional<Effect> effect;
  Interval judged;  // The interval that the verdict was read from.
  // The smallest differences to be found.  Nothing while all people do the same; at any time also
  // nothing while it is too early to say.
  std::optional<double> smallest_at_one_look, smallest_at_any_time;
  double ratio_p = 1;
  std::string sentence;  // For people, of a goal's rate.
};

// The verdict on a goal's rate.
Answer Judge(const Arm& treated, const Arm& held_out, const Question& question);

// What the difference in money comes to for a thousand people treated, with its interval for one
// look; in the outcome's unit.
struct Money {
  double value = 0;
  bool enough = false;  // kBuyersMin bought in each arm.  Otherwise the interval has no ends.
  Interval interval;
};

std::optional<Money> PerThousand(const Arm& treated, const Arm& held_out);

}  // namespace segue
