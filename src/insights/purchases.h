// Purchases: the days on which each customer bought, and whether a model of them may be believed.
//
// A purchase-process model can be fitted to anything; this file says where that would be a mistake.
// It looks at the data before the fit, and at what the fit foretells of days that it was not shown.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "insights/bg_nbd.h"

namespace segue {

// All purchase days of a base.  Purchases of one day are one occasion.
struct Purchases {
  std::vector<std::size_t> begins = {
      0};  // One more than there are customers: days of i are begins[i]..begins[i + 1].
  std::vector<std::int32_t> days;  // Ascending and distinct within a customer; any epoch.
  std::int32_t end = 0;            // The last day that was watched; no purchase lies after it.

  std::size_t people() const { return begins.size() - 1; }

  std::span<const std::int32_t> Of(std::size_t customer) const {
    return std::span(days).subspan(begins[customer], begins[customer + 1] - begins[customer]);
  }

  // Appends a customer; the days need not be in order or distinct, and days after `end` are left
  // out.
  void Add(std::vector<std::int32_t> days_of_one);
};

// What was known on `day` of one customer; nothing when the first purchase came later.
std::optional<History> HistoryOn(std::span<const std::int32_t> days, std::int32_t day);
// Of everybody who had bought by then.
std::vector<History> HistoriesOn(const Purchases& purchases, std::int32_t day);

// How even the gaps between purchases are.  Given the first and the last purchase, those between
// them fall anywhere with equal chance if the model is right, whatever the customer's own rate; so
// the sum of the squared shares of the gaps is Greenwood's statistic (M. Greenwood, The statistical
// study of infectious diseases, 1946), whose mean and variance are known for each count of gaps.
struct Rhythm {
  double people = 0;  // With two gaps or more.
  double index =
      0;  // 0: every gap the same. 1: as the model says. More: in bursts.  NaN without people.
  double deviations = 0;  // Of the index from 1, in standard errors.
  double usual_gap = 0;   // Days: the median of all gaps.
  double same_gap = 0;    // The share of all gaps within 10 % of it.
};

Rhythm MeasureRhythm(const Purchases& purchases);

// A fit of the first two thirds of the time, held against the last third.
struct HoldoutCheck {
  std::int32_t split = 0;  // The last day that the fit was shown.
  double people = 0;
  double expected = 0, bought = 0;  // Purchases after the split.
  // The chance that of two people, one who bought after the split and one who did not, the first
  // was expected to buy more.  0.5 says nothing, 1 all.
  double told_apart = 0;

  struct Bin {
    int repeats = 0;  // Before the split; the last bin has these and more.
    double people = 0, expected = 0, bought = 0;
  };

  std::vector<Bin> bins;
};

enum class Refusal {
  kNone,
  kTooFew,      // Not enough people who bought twice.
  kTooShort,    // Not enough bought in the days that the check needs.
  kOneCohort,   // Nearly all came at once: a fit would speak of them alone.
  kContract,    // One gap for everybody: bills of a contract, not purchases.
  kTooRegular,  // Each customer keeps a rhythm: silence means more than the model would say.
  kNoFit,       // The likelihood has no single highest point, and people do leave.
  kMisfit,      // What was foretold did not come.
};

struct PurchaseFit {
  Refusal refusal = Refusal::kNone;
  std::string reason;  // A sentence for people; also what was found where nothing is refused.
  std::int32_t first_day = 0, end = 0;
  double people = 0, repeaters = 0;
  Rhythm rhythm;
  std::optional<HoldoutCheck> holdout;
  // On all days.  There may be one that is refused: look at `refusal` first.  Where nobody can be
  // told to have left it is one in which nobody does (BgNbd::nobody_leaves): then orders and value
  // are known, and the risk is not.
  std::optional<BgNbdFit> fit;
};

// Below this many people who bought on two days there is no fit (docs/meaning.md).
inline constexpr double kRepeatersMin = 100;

PurchaseFit FitPurchases(const Purchases& purchases);

}  // namespace segue
