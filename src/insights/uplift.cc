#include "insights/uplift.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "insights/special.h"

namespace segue {
namespace {

constexpr double kNormal95 = 1.959963984540054;
constexpr double kNormal80 = 0.8416212335729143;
constexpr double kLogAlpha = -2.995732273553991;  // ln 0.05

// The mixture's variance over the difference's that makes the sequential interval shortest there:
// the root of k = ln(1 + k) - 2 ln 0.05 (Howard et al., section 3.5, for a two-sided normal
// mixture).
constexpr double kMixture = 8.2103;

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

double Pooled(const Arm& a, const Arm& b) {
  Arm both = a;
  both.Add(b);
  return std::sqrt(both.variance());
}

bool Enough(const Arm& arm) {
  if (arm.people() < kPeopleEnough) {
    return false;
  }
  return !arm.is_rate() || std::min(arm.sum(), arm.people() - arm.sum()) >= kEventsEnough;
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
        "(chance does this once in {:.0f}); look for people who are lost on one side",
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
  if (answer.verdict == Verdict::kCannotTell) {
    sentence += fmt::format(". So many people can show a difference of {:.1f} points or more",
                            100 * answer.smallest_detectable);
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
  rate_ = rate_ && (y == 0 || y == 1);
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
  rate_ = rate_ && other.rate_;
}

Arm Arm::OfCounts(double people, double successes) {
  Arm arm;
  arm.people_ = people;
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
  arm.rate_ = rate_ && theta == 0;
  return arm;
}

Interval ShareInterval(double successes, double people) {
  if (!(people > 0)) {
    return {.low = 0, .high = 1};
  }
  const ShareEnds ends = Wilson(successes / people, people);
  return {.low = ends.low, .high = ends.high};
}

std::optional<Effect> Compare(const Arm& treated, const Arm& held_out) {
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
  if (treated.is_rate() && held_out.is_rate()) {
    CompareRates(treated, held_out, effect);
  } else {
    CompareMeans(treated, held_out, effect);
  }
  return effect;
}

Cuped CompareWithCovariate(const Arm& treated, const Arm& held_out) {
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
  cuped.effect = Compare(treated.Without(cuped.theta, at), held_out.Without(cuped.theta, at));
  return cuped;
}

Sequential CompareAtAnyTime(const Arm& treated, const Arm& held_out, double planned) {
  Sequential sequential;
  const double variance = MeanVariance(treated) + MeanVariance(held_out);
  if (!Enough(treated) || !Enough(held_out) || !(variance > 0) || !(planned > 0)) {
    return sequential;
  }
  sequential.enough = true;
  const double difference = treated.mean() - held_out.mean();
  const double mixture = kMixture * variance * (treated.people() + held_out.people()) / planned;
  const double spread = std::log1p(mixture / variance);
  // Of the mixture over no difference (Johari et al., equation 6).
  const double log_ratio =
      difference * difference * mixture / (2 * variance * (variance + mixture)) - spread / 2;
  sequential.p = std::exp(std::min(0.0, -log_ratio));
  const double half =
      std::sqrt(variance * (variance + mixture) / mixture * (spread - 2 * kLogAlpha));
  sequential.interval = {.low = difference - half, .high = difference + half};
  return sequential;
}

double SampleRatioP(double treated, double held_out, double treated_share) {
  const double all = treated + held_out, expected = all * treated_share;
  if (!(all > 0) || !(treated_share > 0) || !(treated_share < 1)) {
    return 1;
  }
  const double off = treated - expected;
  return ChiSquareTail(off * off / expected + off * off / (all - expected), 1);
}

double SmallestDetectable(double treated, double held_out, double deviation) {
  return (kNormal95 + kNormal80) * deviation * std::sqrt(1 / treated + 1 / held_out);
}

Answer Judge(const Arm& treated, const Arm& held_out, const Question& question) {
  Answer answer;
  answer.ratio_p = SampleRatioP(treated.people(), held_out.people(), question.treated_share);
  answer.effect = Compare(treated, held_out);
  if (answer.effect) {
    answer.smallest_detectable =
        SmallestDetectable(treated.people(), held_out.people(), Pooled(treated, held_out));
    answer.judged = question.ended ? answer.effect->difference_interval
                                   : CompareAtAnyTime(treated, held_out, question.planned).interval;
    answer.verdict = Decide(answer.judged, answer.effect->difference, question.expect);
  }
  if (answer.ratio_p < kRatioAlarm) {
    answer.verdict = Verdict::kBrokenSplit;
  }
  answer.sentence = Sentence(answer, treated, held_out, question);
  return answer;
}

std::optional<Money> PerThousand(const Arm& treated, const Arm& held_out) {
  const std::optional<Effect> effect = Compare(treated, held_out);
  if (!effect) {
    return std::nullopt;
  }
  Money money{.value = 1000 * effect->difference, .interval = effect->difference_interval};
  for (std::optional<double>* end : {&money.interval.low, &money.interval.high}) {
    if (*end) {
      *end = 1000 * **end;
    }
  }
  return money;
}

}  // namespace segue
