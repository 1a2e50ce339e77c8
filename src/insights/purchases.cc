#include "insights/purchases.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "insights/pareto_nbd.h"

namespace segue {
namespace {

// Gaps half as uneven as those of chance: about what a customer keeps who skips every second ring
// of a random bell (Erlang 2).  There BG/NBD already takes a missed beat for much less than it is.
constexpr double kRhythmMin = 0.5;
constexpr double kRhythmDeviations = -3;  // So far from 1 that it is not chance.
constexpr double kSameGapMax =
    0.8;  // Of all gaps within 10 % of one length: a calendar, not customers.
constexpr double kCohortShare = 0.9;  // This share of the people ...
constexpr double kCohortSpan = 0.05;  // ... first bought within this share of the time.
constexpr double kHoldoutRepeatersMin = 50, kHoldoutPurchasesMin = 30;
constexpr double kOffMax = 1.5;  // Foretold over bought, either way.
constexpr double kToldApartMin = 0.6;
constexpr int kBins = 8;
// Twice the gain in log-likelihood that two parameters about nothing stay below in 95 of 100 bases
// (chi-square; at an edge of their range, as here, in more).
constexpr double kGainOfChance = 5.99;

// The chance that a random one of `good` is above a random one of the rest, ties by half (Mann and
// Whitney).
double ToldApart(std::vector<std::pair<double, bool>> all) {
  std::sort(all.begin(), all.end());
  double good = 0, bad = 0, above = 0;
  for (std::size_t i = 0; i < all.size();) {
    double good_here = 0, bad_here = 0;
    std::size_t next = i;
    for (; next < all.size() && all[next].first == all[i].first; ++next) {
      (all[next].second ? good_here : bad_here) += 1;
    }
    above += good_here * (bad + bad_here / 2);
    good += good_here;
    bad += bad_here;
    i = next;
  }
  return good > 0 && bad > 0 ? above / (good * bad) : 0.5;
}

double Repeaters(const std::vector<History>& histories) {
  return static_cast<double>(std::count_if(histories.begin(), histories.end(),
                                           [](const History& h) { return h.repeats > 0; }));
}

// The shortest stretch of days in which kCohortShare of the people first bought.
double CohortDays(const Purchases& purchases) {
  std::vector<std::int32_t> firsts;
  for (std::size_t i = 0; i < purchases.people(); ++i) {
    if (!purchases.Of(i).empty()) {
      firsts.push_back(purchases.Of(i).front());
    }
  }
  std::sort(firsts.begin(), firsts.end());
  const std::size_t most =
      static_cast<std::size_t>(std::ceil(kCohortShare * static_cast<double>(firsts.size())));
  std::int32_t shortest = std::numeric_limits<std::int32_t>::max();
  for (std::size_t i = 0; most > 0 && i + most <= firsts.size(); ++i) {
    shortest = std::min(shortest, firsts[i + most - 1] - firsts[i]);
  }
  return shortest;
}

std::optional<HoldoutCheck> Check(const Purchases& purchases, std::int32_t first_day,
                                  bool nobody_leaves) {
  HoldoutCheck holdout;
  holdout.split = first_day + (purchases.end - first_day) * 2 / 3;
  const std::vector<History> known = HistoriesOn(purchases, holdout.split);
  if (Repeaters(known) < kHoldoutRepeatersMin) {
    return std::nullopt;
  }
  const Histories histories = Histories::Group(known).value();
  const BgNbd model = (nobody_leaves ? FitNobodyLeaves(histories) : FitBgNbd(histories)).model;
  const double horizon = purchases.end - holdout.split;
  std::vector<std::pair<double, bool>> ranks;
  holdout.bins.resize(kBins);
  for (std::size_t i = 0; i < purchases.people(); ++i) {
    const auto days = purchases.Of(i);
    const std::optional<History> history = HistoryOn(days, holdout.split);
    if (!history) {
      continue;
    }
    const double expected = model.Expected(*history, horizon);
    const double bought = static_cast<double>(days.size()) - history->repeats - 1;
    HoldoutCheck::Bin& bin =
        holdout.bins[static_cast<std::size_t>(std::min(history->repeats, kBins - 1))];
    bin.people += 1;
    bin.expected += expected;
    bin.bought += bought;
    ranks.emplace_back(expected, bought > 0);
  }
  for (int i = 0; i < kBins; ++i) {
    HoldoutCheck::Bin& bin = holdout.bins[static_cast<std::size_t>(i)];
    bin.repeats = i;
    holdout.people += bin.people;
    holdout.expected += bin.expected;
    holdout.bought += bin.bought;
  }
  holdout.told_apart = ToldApart(std::move(ranks));
  if (holdout.bought < kHoldoutPurchasesMin) {
    return std::nullopt;
  }
  return holdout;
}

// Where leaving cannot be estimated: what the log-likelihood loses when nobody leaves at all.
// Nothing when that is more than chance makes of two parameters, also in the model in which people
// may leave at any moment: then they do leave, and one must not say otherwise.
std::optional<double> LostWithoutLeaving(const Histories& histories, const BgNbdFit& edge) {
  const BgNbdFit stays = FitNobodyLeaves(histories);
  const double most = kGainOfChance / 2;
  const double lost = edge.estimate.log_likelihood - stays.estimate.log_likelihood;
  if (!stays.estimate.determined || !(lost <= most)) {
    return std::nullopt;
  }
  const double second = FitParetoNbd(histories).estimate.log_likelihood;
  if (!(second - stays.estimate.log_likelihood <= most)) {
    return std::nullopt;
  }
  return std::max(lost, 0.0);
}

PurchaseFit Refuse(const PurchaseFit& fit, Refusal refusal, std::string reason) {
  PurchaseFit refused = fit;
  refused.refusal = refusal;
  refused.reason = std::move(reason);
  return refused;
}

// What can be said before anything is fitted.
PurchaseFit Look(const Purchases& purchases, const std::vector<History>& histories) {
  PurchaseFit fit;
  fit.end = purchases.end;
  fit.first_day = purchases.end;
  for (std::size_t i = 0; i < purchases.people(); ++i) {
    if (!purchases.Of(i).empty()) {
      fit.first_day = std::min(fit.first_day, purchases.Of(i).front());
    }
  }
  fit.people = static_cast<double>(histories.size());
  fit.repeaters = Repeaters(histories);
  fit.rhythm = MeasureRhythm(purchases);
  if (fit.repeaters < kRepeatersMin) {
    return Refuse(
        fit, Refusal::kTooFew,
        fmt::format(
            "too few: {:.0f} of {:.0f} people bought on two days or more, and {:.0f} are needed",
            fit.repeaters, fit.people, kRepeatersMin));
  }
  if (fit.rhythm.same_gap >= kSameGapMax) {
    return Refuse(
        fit, Refusal::kContract,
        fmt::format(
            "a contract business: {:.0f} % of all gaps are {:.0f} days, give or take a tenth; such "
            "people leave by ending the contract, not by falling silent",
            100 * fit.rhythm.same_gap, fit.rhythm.usual_gap));
  }
  if (fit.rhythm.index < kRhythmMin && fit.rhythm.deviations < kRhythmDeviations) {
    return Refuse(
        fit, Refusal::kTooRegular,
        fmt::format(
            "too regular: gaps between purchases vary {:.2f} times as much as the model assumes "
            "(at least {:.1f} is needed); use usual_gap, which knows a rhythm",
            fit.rhythm.index, kRhythmMin));
  }
  const double cohort = CohortDays(purchases), span = fit.end - fit.first_day;
  if (cohort < kCohortSpan * span) {
    return Refuse(
        fit, Refusal::kOneCohort,
        fmt::format("one cohort: {:.0f} % of the people first bought within {:.0f} of {:.0f} days; "
                    "either the history begins in the middle, or the fit would speak of that one "
                    "group alone",
                    100 * kCohortShare, cohort, span));
  }
  return fit;
}

}  // namespace

void Purchases::Add(std::vector<std::int32_t> days_of_one) {
  std::sort(days_of_one.begin(), days_of_one.end());
  days_of_one.erase(std::unique(days_of_one.begin(), days_of_one.end()), days_of_one.end());
  for (const std::int32_t day : days_of_one) {
    if (day <= end) {
      days.push_back(day);
    }
  }
  begins.push_back(days.size());
}

std::optional<History> HistoryOn(std::span<const std::int32_t> days, std::int32_t day) {
  const auto known = std::upper_bound(days.begin(), days.end(), day);
  if (known == days.begin()) {
    return std::nullopt;
  }
  return History{.repeats = static_cast<int>(known - days.begin()) - 1,
                 .last = static_cast<double>(*(known - 1) - days.front()),
                 .observed = static_cast<double>(day - days.front())};
}

std::vector<History> HistoriesOn(const Purchases& purchases, std::int32_t day) {
  std::vector<History> histories;
  for (std::size_t i = 0; i < purchases.people(); ++i) {
    if (const std::optional<History> history = HistoryOn(purchases.Of(i), day)) {
      histories.push_back(*history);
    }
  }
  return histories;
}

Rhythm MeasureRhythm(const Purchases& purchases) {
  Rhythm rhythm;
  double found = 0, mean = 0, even = 0, variance = 0;
  std::vector<std::int32_t> gaps;
  for (std::size_t i = 0; i < purchases.people(); ++i) {
    const auto days = purchases.Of(i);
    const double n = static_cast<double>(days.size()) - 1,
                 length = n > 0 ? days.back() - days.front() : 0;
    double squares = 0;
    for (std::size_t k = 1; k < days.size(); ++k) {
      gaps.push_back(days[k] - days[k - 1]);
      const double share = gaps.back() / length;
      squares += share * share;
    }
    if (n < 2) {
      continue;
    }
    rhythm.people += 1;
    found += squares;
    even += 1 / n;
    mean += 2 / (n + 1);
    variance += 4 * (n - 1) / ((n + 1) * (n + 1) * (n + 2) * (n + 3));
  }
  rhythm.index = (found - even) / (mean - even);
  rhythm.deviations = (found - mean) / std::sqrt(variance);
  if (gaps.empty()) {
    return rhythm;
  }
  const auto middle = gaps.begin() + static_cast<std::ptrdiff_t>(gaps.size() / 2);
  std::nth_element(gaps.begin(), middle, gaps.end());
  rhythm.usual_gap = *middle;
  const auto same = std::count_if(gaps.begin(), gaps.end(), [&](std::int32_t gap) {
    return std::fabs(gap - rhythm.usual_gap) <= 0.1 * rhythm.usual_gap;
  });
  rhythm.same_gap = static_cast<double>(same) / static_cast<double>(gaps.size());
  return rhythm;
}

PurchaseFit FitPurchases(const Purchases& purchases) {
  const std::vector<History> histories = HistoriesOn(purchases, purchases.end);
  PurchaseFit fit = Look(purchases, histories);
  if (fit.refusal != Refusal::kNone) {
    return fit;
  }
  const Histories grouped = Histories::Group(histories).value();
  BgNbdFit whole = FitBgNbd(grouped);
  std::optional<double> lost;
  if (!whole.estimate.determined) {
    lost = LostWithoutLeaving(grouped, whole);
    whole = lost ? FitNobodyLeaves(grouped) : whole;
  }
  fit.holdout = Check(purchases, fit.first_day, whole.model.nobody_leaves());
  if (!fit.holdout) {
    return Refuse(fit, Refusal::kTooShort,
                  fmt::format("too short: to check a fit, {:.0f} people must have bought twice in "
                              "the first two thirds "
                              "of the time, and {:.0f} purchases lie in the last third",
                              kHoldoutRepeatersMin, kHoldoutPurchasesMin));
  }
  fit.fit = whole;
  const HoldoutCheck& check = *fit.holdout;
  if (!fit.fit->estimate.determined) {
    return Refuse(fit, Refusal::kNoFit,
                  "no fit: the data do not say how customers differ; the likelihood has no single "
                  "highest point");
  }
  fit.reason = fmt::format(
      "checked on the last third of the time: {:.0f} purchases expected, {:.0f} came; of two "
      "people of whom one bought, "
      "the right one was expected to in {:.0f} %",
      check.expected, check.bought, 100 * check.told_apart);
  const double off = check.expected / check.bought;
  if (!(off <= kOffMax) || !(off >= 1 / kOffMax) || !(check.told_apart >= kToldApartMin)) {
    fit.refusal = Refusal::kMisfit;
    fit.reason = "misfit: " + fit.reason;
  } else if (lost) {
    fit.reason = fmt::format(
        "nobody can be told to have left: that all still buy, each at a rate of their own, is as "
        "likely (log-likelihood less by {:.2f}); {}",
        *lost, fit.reason);
  }
  return fit;
}

}  // namespace segue
