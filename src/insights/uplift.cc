#include "insights/uplift.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "insights/special.h"

namespace segue {
namespace {

constexpr double kNormal80 = 0.8416212335729143;
constexpr double kLogAlpha = -2.995732273553991;  // ln 0.05

// The mixture's variance over the difference's that makes the sequential interval shortest there:
// the root of k = ln(1 + k) - 2 ln 0.05 (Howard et al., section 3.5, for a two-sided normal
// mixture).
constexpr double kMixture = 8.2103;

// How closely the shares that a broken split may have lie about the drawn one, in people: few for a
// sharp answer where half are lost, many where one in a hundred is.  With 100 the answer at a
// thousand people and at a hundred thousand needs 4.3 and 4.6 standard errors, where a single look
// needs 3.3.
constexpr double kSplitPrior = 100;

// Before this, a normal approximation of the difference is none: chance has too few events to
// average over.
constexpr double kPeopleEnough = 100, kEventsEnough = 10;

// Per person; what a mean of the arm scatters by.
double MeanVariance(const Arm& arm) {
  return arm.variance() / arm.people();
}

struct ShareEnds {
  double low = 0, high = 0;
};

ShareEnds Wilson(double share, double people) {
  const double z2 = kNormal95 * kNormal95, n = people;
  const double middle = (share + z2 / (2 * n)) / (1 + z2 / n);
  const double half =
      kNormal95 / (1 + z2 / n) * std::sqrt(share * (1 - share) / n + z2 / (4 * n * n));
  return {.low = share <= 0 ? 0 : std::max(0.0, middle - half),
          .high = share >= 1 ? 1 : std::min(1.0, middle + half)};
}

// Newcombe's method 10 and MOVER for the ratio (Donner and Zou, equation 9), both from Wilson's
// intervals.
void CompareRates(const Arm& treated, const Arm& held_out, Effect& effect) {
  const double p = treated.mean(), q = held_out.mean();
  const ShareEnds t = Wilson(p, treated.people()), h = Wilson(q, held_out.people());
  effect.difference_interval = {.low = effect.difference - std::hypot(p - t.low, h.high - q),
                                .high = effect.difference + std::hypot(t.high - p, q - h.low)};
  const double low_top = t.low * (2 * p - t.low), low_bottom = h.high * (2 * q - h.high);
  const double high_top = t.high * (2 * p - t.high), high_bottom = h.low * (2 * q - h.low);
  const double product = p * q;
  const double low_root = std::sqrt(std::max(0.0, product * product - low_top * low_bottom));
  const double high_root = std::sqrt(std::max(0.0, product * product - high_top * high_bottom));
  effect.ratio_interval.low = low_top > 0 ? low_top / (product + low_root) : 0;
  if (high_bottom > 0) {
    effect.ratio_interval.high = (product + high_root) / high_bottom;
  }
}

// Welch for the difference and Fieller for the ratio.
void CompareMeans(const Arm& treated, const Arm& held_out, Effect& effect) {
  const double v = MeanVariance(treated), w = MeanVariance(held_out);
  if (!(v + w > 0)) {
    return;  // Everybody the same: that says nothing about how people differ.
  }
  const double degrees =
      (v + w) * (v + w) / (v * v / (treated.people() - 1) + w * w / (held_out.people() - 1));
  const double t = StudentQuantile(0.975, degrees), half = t * std::sqrt(v + w);
  effect.difference_interval = {.low = effect.difference - half, .high = effect.difference + half};
  const double m = effect.held_out, g = t * t * w / (m * m);
  if (!effect.ratio || !(g < 1)) {
    return;
  }
  const double ratio = *effect.ratio;
  const double reach = t / m * std::sqrt(v + ratio * ratio * w - g * v);
  effect.ratio_interval = {.low = (ratio - reach) / (1 - g), .high = (ratio + reach) / (1 - g)};
}

// The squares of the buyers' amounts around their own mean.
double BuyerSquares(const Arm& arm) {
  const double all = arm.variance() * (arm.people() - 1) + arm.sum() * arm.mean();
  return std::max(0.0, all - arm.sum() * arm.sum() / arm.events());
}

// Of the logarithm of an arm's mean, by the share of people who buy and by what they spend.
double LogVariance(const Arm& arm, double relative_variance) {
  return (1 - arm.events() / arm.people() + relative_variance) / arm.events();
}

// A mean of a few large amounts is skewed, and an arm that happens to lack them looks too sure of
// itself; so symmetric ends miss the truth on one side, the more so the smaller the held-out arm
// is.  Two remedies: ends on the logarithm of each mean, put together for the difference as for
// rates (MOVER); and the spread of what buyers spend, relative to their mean, from both arms
// together, since a message may make more people buy, and buy more, but leaves the rich and the
// poor.
void CompareMoney(const Arm& treated, const Arm& held_out, Effect& effect) {
  const double b = treated.events(), c = held_out.events();
  if (std::min(b, c) < kBuyersMin || !(treated.sum() > 0) || !(held_out.sum() > 0)) {
    return;
  }
  const auto relative = [](const Arm& arm) {
    const double mean = arm.sum() / arm.events();
    return BuyerSquares(arm) / (mean * mean);
  };
  const double spread = (relative(treated) + relative(held_out)) / (b + c - 2);
  const double v = LogVariance(treated, spread), w = LogVariance(held_out, spread);
  if (!(v + w > 0)) {
    return;  // Everybody bought for the same.
  }
  const double t = StudentQuantile(0.975, b + c - 2);
  const double p = effect.treated, q = effect.held_out;
  const double up = std::exp(t * std::sqrt(v)), other_up = std::exp(t * std::sqrt(w));
  effect.difference_interval = {
      .low = effect.difference - std::hypot(p - p / up, q * other_up - q),
      .high = effect.difference + std::hypot(p * up - p, q - q / other_up)};
  const double reach = std::exp(t * std::sqrt(v + w));
  effect.ratio_interval = {.low = *effect.ratio / reach, .high = *effect.ratio * reach};
}

double Pooled(const Arm& a, const Arm& b) {
  Arm both = a;
  both.Add(b);
  return std::sqrt(both.variance());
}

bool Enough(const Arm& arm, Quantity quantity) {
  if (arm.people() < kPeopleEnough) {
    return false;
  }
  switch (quantity) {
    case Quantity::kRate:
      return std::min(arm.events(), arm.people() - arm.events()) >= kEventsEnough;
    case Quantity::kMoney:
      return arm.events() >= kBuyersMin;
    case Quantity::kAny:
      return true;
  }
  return false;
}

// Half the sequential interval over the difference's standard error, where the mixture's variance
// is so many times the difference's.
double SequentialReach(double mixture) {
  return std::sqrt((1 + 1 / mixture) * (std::log1p(mixture) - 2 * kLogAlpha));
}

std::string Points(std::optional<double> share) {
  return share ? fmt::format("{:+.1f}", 100 * *share) : "any number";
}

Verdict Decide(const Interval& judged, double difference,
               const std::optional<Expectation>& expect) {
  if (judged.high && *judged.high < 0) {
    return Verdict::kHarm;
  }
  if (expect && judged.high && *judged.high < expect->low) {
    return Verdict::kBelow;
  }
  if (!judged.low || !(*judged.low > 0)) {
    return Verdict::kCannotTell;
  }
  if (expect && *judged.low > expect->high) {
    return Verdict::kAbove;
  }
  return expect && difference >= expect->low && difference <= expect->high ? Verdict::kInside
                                                                           : Verdict::kGain;
}

std::string Words(Verdict verdict, bool expected) {
  switch (verdict) {
    case Verdict::kBrokenSplit:
      return "the split is broken";
    case Verdict::kCannotTell:
      return "cannot tell";
    case Verdict::kGain:
      return expected ? "a gain, though perhaps not of the size expected" : "a gain";
    case Verdict::kInside:
      return "inside the expectation";
    case Verdict::kBelow:
      return "below the expectation";
    case Verdict::kAbove:
      return "above the expectation";
    case Verdict::kHarm:
      return "harm";
  }
  return "";
}

std::string Sentence(const Answer& answer, const Arm& treated, const Arm& held_out,
                     const Question& question) {
  if (answer.verdict == Verdict::kBrokenSplit) {
    return fmt::format(
        "the split is broken: {:.0f} treated and {:.0f} held out, where {:.0f} % were to be "
        "treated "
        "(chance does this at most once in {:.0f}); look for people who are lost on one side",
        treated.people(), held_out.people(), 100 * question.treated_share,
        1 / std::max(answer.ratio_p, 1e-12));
  }
  if (!answer.effect) {
    return "cannot tell: fewer than two people in an arm";
  }
  std::string sentence = fmt::format(
      "{}: {:.1f} % of {:.0f} treated and {:.1f} % of {:.0f} held out, a difference of {} points",
      Words(answer.verdict, question.expect.has_value()), 100 * treated.mean(), treated.people(),
      100 * held_out.mean(), held_out.people(), Points(answer.effect->difference));
  if (answer.judged.low || answer.judged.high) {
    sentence += fmt::format("; the data fit anything from {} to {}", Points(answer.judged.low),
                            Points(answer.judged.high));
  } else {
    sentence += "; too early to say what else the data fit";
  }
  if (answer.verdict != Verdict::kCannotTell) {
    return sentence;
  }
  const std::optional<double> smallest =
      question.ended ? answer.smallest_at_one_look : answer.smallest_at_any_time;
  if (smallest) {
    return sentence + fmt::format(". So many people can show a difference of {:.1f} points or more",
                                  100 * *smallest);
  }
  if (!question.ended) {
    sentence += fmt::format(
        ": that takes {:.0f} people in each arm, of whom {:.0f} reach the goal and {:.0f} do not",
        kPeopleEnough, kEventsEnough, kEventsEnough);
  }
  if (!question.ended && answer.smallest_at_one_look) {
    sentence += fmt::format(
        ". A single look, fixed before the start, could show a difference of {:.1f} points or more",
        100 * *answer.smallest_at_one_look);
  }
  return sentence;
}

}  // namespace

void Arm::Add(double y, double x) {
  people_ += 1;
  const double dy = y - mean_y_, dx = x - mean_x_;
  mean_y_ += dy / people_;
  mean_x_ += dx / people_;
  yy_ += dy * (y - mean_y_);
  xx_ += dx * (x - mean_x_);
  xy_ += dx * (y - mean_y_);
  events_ += y != 0 ? 1 : 0;
}

void Arm::Add(const Arm& other) {
  if (other.people_ == 0) {
    return;
  }
  const double all = people_ + other.people_, share = other.people_ / all;
  const double dy = other.mean_y_ - mean_y_, dx = other.mean_x_ - mean_x_;
  mean_y_ += dy * share;
  mean_x_ += dx * share;
  yy_ += other.yy_ + dy * dy * people_ * share;
  xx_ += other.xx_ + dx * dx * people_ * share;
  xy_ += other.xy_ + dx * dy * people_ * share;
  people_ = all;
  events_ += other.events_;
}

Arm Arm::OfCounts(double people, double successes) {
  Arm arm;
  arm.people_ = people;
  arm.events_ = successes;
  arm.mean_y_ = people > 0 ? successes / people : 0;
  arm.yy_ = successes * (1 - arm.mean_y_);
  return arm;
}

double Arm::variance() const {
  return people_ < 2 ? 0 : yy_ / (people_ - 1);
}

Arm Arm::Without(double theta, double at) const {
  Arm arm = *this;
  arm.mean_y_ -= theta * (mean_x_ - at);
  arm.yy_ = std::max(0.0, yy_ - 2 * theta * xy_ + theta * theta * xx_);
  arm.xy_ -= theta * xx_;
  return arm;
}

Interval ShareInterval(double successes, double people) {
  if (!(people > 0)) {
    return {.low = 0, .high = 1};
  }
  const ShareEnds ends = Wilson(successes / people, people);
  return {.low = ends.low, .high = ends.high};
}

std::optional<Effect> Compare(const Arm& treated, const Arm& held_out, Quantity quantity) {
  if (treated.people() < 2 || held_out.people() < 2) {
    return std::nullopt;
  }
  Effect effect;
  effect.treated = treated.mean();
  effect.held_out = held_out.mean();
  effect.difference = effect.treated - effect.held_out;
  if (effect.held_out > 0) {
    effect.ratio = effect.treated / effect.held_out;
  }
  switch (quantity) {
    case Quantity::kRate:
      CompareRates(treated, held_out, effect);
      break;
    case Quantity::kMoney:
      CompareMoney(treated, held_out, effect);
      break;
    case Quantity::kAny:
      CompareMeans(treated, held_out, effect);
      break;
  }
  return effect;
}

Sequential CompareAtAnyTime(const Arm& treated, const Arm& held_out, Quantity quantity,
                            double planned) {
  Sequential sequential;
  const double variance = MeanVariance(treated) + MeanVariance(held_out);
  if (!Enough(treated, quantity) || !Enough(held_out, quantity) || !(variance > 0) ||
      !(planned > 0)) {
    return sequential;
  }
  sequential.enough = true;
  const double difference = treated.mean() - held_out.mean();
  const double mixture = kMixture * (treated.people() + held_out.people()) / planned;
  // Of the mixture over no difference (Johari et al., equation 6).
  const double log_ratio =
      difference * difference * mixture / (2 * variance * (1 + mixture)) - std::log1p(mixture) / 2;
  sequential.p = std::exp(std::min(0.0, -log_ratio));
  const double half = std::sqrt(variance) * SequentialReach(mixture);
  sequential.interval = {.low = difference - half, .high = difference + half};
  return sequential;
}

Cuped CompareWithCovariate(const Arm& treated, const Arm& held_out, Quantity quantity,
                           double planned) {
  Cuped cuped;
  const double xx = treated.covariate_squares() + held_out.covariate_squares();
  const double xy = treated.products() + held_out.products();
  const double yy =
      treated.variance() * (treated.people() - 1) + held_out.variance() * (held_out.people() - 1);
  if (xx > 0 && yy > 0) {
    cuped.theta = xy / xx;
    cuped.correlation = std::clamp(xy / std::sqrt(xx * yy), -1.0, 1.0);
  }
  Arm both = treated;
  both.Add(held_out);
  const double at = both.covariate_mean();
  const Arm left = treated.Without(cuped.theta, at), right = held_out.Without(cuped.theta, at);
  // What is left is no rate any more; but whether there is enough of it depends on what it was.
  cuped.effect = Compare(left, right, cuped.theta == 0 ? quantity : Quantity::kAny);
  cuped.any_time = CompareAtAnyTime(left, right, quantity, planned);
  return cuped;
}

double SampleRatioP(double treated, double held_out, double treated_share) {
  if (!(treated + held_out > 0) || !(treated_share > 0) || !(treated_share < 1)) {
    return 1;
  }
  const double as_few = held_out > 0 ? BetaFraction(held_out, treated + 1, 1 - treated_share) : 1;
  const double as_many = treated > 0 ? BetaFraction(treated, held_out + 1, treated_share) : 1;
  return std::min(1.0, 2 * std::min(as_few, as_many));
}

double SampleRatioPAtAnyTime(double treated, double held_out, double treated_share) {
  if (!(treated + held_out > 0) || !(treated_share > 0) || !(treated_share < 1)) {
    return 1;
  }
  const auto gained = [](double share, double people) {
    const double before = kSplitPrior * share;
    return LogGamma(before + people) - LogGamma(before) - people * std::log(share);
  };
  // Of shares that scatter about the drawn one, over the drawn one (Lindon and Malek, equation 6).
  const double log_ratio = gained(treated_share, treated) + gained(1 - treated_share, held_out) +
                           LogGamma(kSplitPrior) - LogGamma(kSplitPrior + treated + held_out);
  return std::exp(std::min(0.0, -log_ratio));
}

double SmallestDetectable(double treated, double held_out, double deviation) {
  return (kNormal95 + kNormal80) * deviation * std::sqrt(1 / treated + 1 / held_out);
}

double SmallestAtAnyTime(double treated, double held_out, double deviation, double planned) {
  return (SequentialReach(kMixture * (treated + held_out) / planned) + kNormal80) * deviation *
         std::sqrt(1 / treated + 1 / held_out);
}

double PeopleToFind(double difference, double deviation, double treated_share) {
  const double deviations = (SequentialReach(kMixture) + kNormal80) * deviation / difference;
  return deviations * deviations * (1 / treated_share + 1 / (1 - treated_share));
}

Answer Judge(const Arm& treated, const Arm& held_out, const Question& question) {
  Answer answer;
  const double n = treated.people(), m = held_out.people();
  answer.ratio_p = question.ended ? SampleRatioP(n, m, question.treated_share)
                                  : SampleRatioPAtAnyTime(n, m, question.treated_share);
  answer.effect = Compare(treated, held_out, Quantity::kRate);
  if (answer.effect) {
    const Sequential any_time =
        CompareAtAnyTime(treated, held_out, Quantity::kRate, question.planned);
    if (const double deviation = Pooled(treated, held_out); deviation > 0) {
      answer.smallest_at_one_look = SmallestDetectable(n, m, deviation);
      if (any_time.enough) {
        answer.smallest_at_any_time = SmallestAtAnyTime(n, m, deviation, question.planned);
      }
    }
    answer.judged = question.ended ? answer.effect->difference_interval : any_time.interval;
    answer.verdict = Decide(answer.judged, answer.effect->difference, question.expect);
  }
  if (answer.ratio_p < kRatioAlarm) {
    answer.verdict = Verdict::kBrokenSplit;
  }
  answer.sentence = Sentence(answer, treated, held_out, question);
  return answer;
}

std::optional<Money> PerThousand(const Arm& treated, const Arm& held_out) {
  const std::optional<Effect> effect = Compare(treated, held_out, Quantity::kMoney);
  if (!effect) {
    return std::nullopt;
  }
  Money money{.value = 1000 * effect->difference,
              .enough = std::min(treated.events(), held_out.events()) >= kBuyersMin,
              .interval = effect->difference_interval};
  for (std::optional<double>* end : {&money.interval.low, &money.interval.high}) {
    if (*end) {
      *end = 1000 * **end;
    }
  }
  return money;
}

}  // namespace segue
