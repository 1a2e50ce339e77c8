#include "insights/aha.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <tuple>

#include <fmt/format.h>

#include "base/check.h"
#include "insights/special.h"
#include "insights/uplift.h"

namespace segue {
namespace {

constexpr double kAlpha = 0.05;
constexpr std::size_t kShortlistMax = 20;
// A rule that hardly anybody follows, or hardly anybody does not, is of no use however it ranks.
constexpr double kReachMin = 0.02, kPeopleMin = 20;

// Counts of people by (kept back, stayed).
using Cell = std::array<double, 4>;

std::size_t CellOf(bool check, bool stayed) {
  return (check ? 2u : 0u) + (stayed ? 1u : 0u);
}

// How many people did each action, and each pair, exactly so often (times_max stands for more too);
// after Accumulate: at least so often.
class Counter {
 public:
  Counter(const AhaData& data, const AhaSearch& search)
      : data_(data), search_(search), levels_(static_cast<std::size_t>(search.times_max) + 1) {
    const std::size_t windows = search.within.size(), actions = data.actions;
    singles_.resize(windows * actions * levels_);
    if (search.pairs) {
      pairs_.resize(windows * actions * actions * levels_ * levels_);
    }
    Count();
    Accumulate();
  }

  const Cell& all() const { return all_; }

  const Cell& Single(std::size_t window, std::size_t action, std::size_t times) const {
    return singles_[SingleAt(window, action, times)];
  }

  const Cell& Pair(std::size_t window, std::size_t a, std::size_t b, std::size_t times_a,
                   std::size_t times_b) const {
    return pairs_[PairAt(window, a, b, times_a, times_b)];
  }

 private:
  std::size_t SingleAt(std::size_t window, std::size_t action, std::size_t times) const {
    return (window * data_.actions + action) * levels_ + times;
  }

  std::size_t PairAt(std::size_t window, std::size_t a, std::size_t b, std::size_t times_a,
                     std::size_t times_b) const {
    return (((window * data_.actions + a) * data_.actions + b) * levels_ + times_a) * levels_ +
           times_b;
  }

  void Count() {
    const std::size_t people = data_.stayed.size(), windows = search_.within.size(),
                      actions = data_.actions;
    std::vector<std::size_t> begins(people + 1, 0);
    for (const AhaEvent& event : data_.events) {
      SEGUE_CHECK(event.person < people && event.action < actions);
      ++begins[event.person + 1];
    }
    for (std::size_t i = 0; i < people; ++i) {
      begins[i + 1] += begins[i];
    }
    std::vector<std::size_t> next(begins.begin(), begins.end() - 1), order(data_.events.size());
    for (std::size_t i = 0; i < data_.events.size(); ++i) {
      order[next[data_.events[i].person]++] = i;
    }
    std::vector<std::size_t> counts(windows * actions);
    for (std::size_t person = 0; person < people; ++person) {
      std::fill(counts.begin(), counts.end(), 0);
      for (std::size_t i = begins[person]; i < begins[person + 1]; ++i) {
        const AhaEvent& event = data_.events[order[i]];
        for (std::size_t w = 0; w < windows; ++w) {
          std::size_t& count = counts[w * actions + event.action];
          if (event.after >= 0 && event.after <= search_.within[w] && count + 1 < levels_) {
            ++count;
          }
        }
      }
      Enter(counts, CellOf(data_.check[person], data_.stayed[person]));
    }
  }

  void Enter(const std::vector<std::size_t>& counts, std::size_t cell) {
    const std::size_t actions = data_.actions;
    all_[cell] += 1;
    for (std::size_t w = 0; w < search_.within.size(); ++w) {
      for (std::size_t a = 0; a < actions; ++a) {
        const std::size_t count = counts[w * actions + a];
        singles_[SingleAt(w, a, count)][cell] += 1;
        for (std::size_t b = a + 1; search_.pairs && b < actions; ++b) {
          pairs_[PairAt(w, a, b, count, counts[w * actions + b])][cell] += 1;
        }
      }
    }
  }

  static void AddTo(Cell& to, const Cell& from) {
    for (std::size_t i = 0; i < to.size(); ++i) {
      to[i] += from[i];
    }
  }

  void Accumulate() {
    const std::size_t windows = search_.within.size(), actions = data_.actions;
    for (std::size_t w = 0; w < windows; ++w) {
      for (std::size_t a = 0; a < actions; ++a) {
        for (std::size_t k = levels_ - 1; k-- > 0;) {
          AddTo(singles_[SingleAt(w, a, k)], singles_[SingleAt(w, a, k + 1)]);
        }
        for (std::size_t b = a + 1; search_.pairs && b < actions; ++b) {
          for (std::size_t k = 0; k < levels_; ++k) {
            for (std::size_t m = levels_ - 1; m-- > 0;) {
              AddTo(pairs_[PairAt(w, a, b, k, m)], pairs_[PairAt(w, a, b, k, m + 1)]);
            }
          }
          for (std::size_t k = levels_ - 1; k-- > 0;) {
            for (std::size_t m = 0; m < levels_; ++m) {
              AddTo(pairs_[PairAt(w, a, b, k, m)], pairs_[PairAt(w, a, b, k + 1, m)]);
            }
          }
        }
      }
    }
  }

  const AhaData& data_;
  const AhaSearch& search_;
  std::size_t levels_;
  std::vector<Cell> singles_, pairs_;
  Cell all_{};
};

AhaTable TableOf(const Cell& reached, const Cell& all, bool check) {
  const std::size_t left = CellOf(check, false), stayed = CellOf(check, true);
  return {.reached_stayed = reached[stayed],
          .reached_left = reached[left],
          .other_stayed = all[stayed] - reached[stayed],
          .other_left = all[left] - reached[left]};
}

bool IsMeasurable(const AhaTable& t) {
  return t.reached_stayed + t.reached_left > 0 && t.other_stayed + t.other_left > 0 &&
         t.reached_stayed + t.other_stayed > 0 && t.reached_left + t.other_left > 0;
}

// The chance of `found` or more marked ones among `drawn` out of `all`, of which `marked` are.
double HypergeometricTail(double all, double marked, double drawn, double found) {
  const double most = std::min(marked, drawn);
  double chance =
      std::exp(LogFactorial(marked) - LogFactorial(found) - LogFactorial(marked - found) +
               LogFactorial(all - marked) - LogFactorial(drawn - found) -
               LogFactorial(all - marked - drawn + found) - LogFactorial(all) +
               LogFactorial(drawn) + LogFactorial(all - drawn));
  double sum = chance;
  for (int next = 0; found + next < most; ++next) {
    const double k = found + next;
    const double ratio = (marked - k) * (drawn - k) / ((k + 1) * (all - marked - drawn + k + 1));
    chance *= ratio;
    sum += chance;
    if (ratio < 1 && chance < 1e-17 * sum) {
      break;
    }
  }
  return std::min(sum, 1.0);
}

AhaMeasure Share(double part, double of) {
  const Interval interval = ShareInterval(part, of);
  return {.value = part / of, .low = *interval.low, .high = *interval.high};
}

// An interval about `around`, which is the value but for an empty cell, and holds the value.
AhaMeasure OnLog(double value, double around, double log_variance) {
  const double factor = std::exp(kNormal95 * std::sqrt(log_variance));
  return {.value = value,
          .low = std::min(value, around / factor),
          .high = std::max(value, around * factor)};
}

// Half a person more in every cell where one is empty: no end of an interval is a point or infinite
// then.
AhaTable WithoutEmpty(const AhaTable& t) {
  const bool empty =
      t.reached_stayed == 0 || t.reached_left == 0 || t.other_stayed == 0 || t.other_left == 0;
  const double add = empty ? 0.5 : 0;
  return {.reached_stayed = t.reached_stayed + add,
          .reached_left = t.reached_left + add,
          .other_stayed = t.other_stayed + add,
          .other_left = t.other_left + add};
}

// The correlation, and the slope of it by each of the four shares, in the order of the table; it
// is of degree 0 in them, so that shares times slopes add up to nothing.
struct PhiSlopes {
  double phi = 0;
  std::array<double, 4> slope{};
};

PhiSlopes PhiOf(const std::array<double, 4>& share) {
  const double reached = share[0] + share[1], others = share[2] + share[3],
               stayed = share[0] + share[2], left = share[1] + share[3];
  const double root = std::sqrt(reached * others * stayed * left);
  PhiSlopes of;
  of.phi = (share[0] * share[3] - share[1] * share[2]) / root;
  of.slope = {share[3] / root - of.phi / 2 * (1 / reached + 1 / stayed),
              -share[2] / root - of.phi / 2 * (1 / reached + 1 / left),
              -share[1] / root - of.phi / 2 * (1 / others + 1 / stayed),
              share[0] / root - of.phi / 2 * (1 / others + 1 / left)};
  return of;
}

// The delta method over the four cells of a multinomial, on R. Fisher's scale.  His own variance,
// 1 / (n - 3), is that of two normal quantities, and far off for two that are yes or no.
AhaMeasure Phi(const AhaTable& table, double value) {
  const AhaTable t = WithoutEmpty(table);
  const double all = t.reached_stayed + t.reached_left + t.other_stayed + t.other_left;
  const std::array<double, 4> share = {t.reached_stayed / all, t.reached_left / all,
                                       t.other_stayed / all, t.other_left / all};
  const PhiSlopes of = PhiOf(share);
  double variance = 0;
  for (std::size_t i = 0; i < share.size(); ++i) {
    variance += share[i] * of.slope[i] * of.slope[i] / all;
  }
  const double z = std::atanh(of.phi),
               half = kNormal95 * std::sqrt(variance) / (1 - of.phi * of.phi);
  return {.value = value,
          .low = std::min(value, std::tanh(z - half)),
          .high = std::max(value, std::tanh(z + half))};
}

double RankValue(const AhaFigures& figures, AhaRank by) {
  switch (by) {
    case AhaRank::kLift:
      return figures.lift.value;
    case AhaRank::kReach:
      return figures.reach.value;
    case AhaRank::kPrecision:
      return figures.precision.value;
    case AhaRank::kRecall:
      return figures.recall.value;
    case AhaRank::kPhi:
      return figures.phi.value;
    case AhaRank::kOddsRatio:
      return figures.odds_ratio.value;
  }
  return 0;
}

auto Order(const AhaRule& rule) {
  return std::tuple(rule.within, rule.action, rule.times, rule.other, rule.other_times);
}

// Every rule in its own order, with its people in both parts.
std::vector<std::pair<AhaRule, Cell>> AllRules(const Counter& counter, const AhaData& data,
                                               const AhaSearch& search) {
  std::vector<std::pair<AhaRule, Cell>> rules;
  const int actions = static_cast<int>(data.actions);
  for (int w = 0; w < static_cast<int>(search.within.size()); ++w) {
    for (int a = 0; a < actions; ++a) {
      for (int k = search.times_min; k <= search.times_max; ++k) {
        const auto window = static_cast<std::size_t>(w), action = static_cast<std::size_t>(a),
                   times = static_cast<std::size_t>(k);
        rules.emplace_back(AhaRule{.action = a, .times = k, .within = w},
                           counter.Single(window, action, times));
        for (int b = a + 1; search.pairs && b < actions; ++b) {
          for (int m = search.times_min; m <= search.times_max; ++m) {
            rules.emplace_back(
                AhaRule{.action = a, .times = k, .other = b, .other_times = m, .within = w},
                counter.Pair(window, action, static_cast<std::size_t>(b), times,
                             static_cast<std::size_t>(m)));
          }
        }
      }
    }
  }
  return rules;
}

struct Candidate {
  AhaFound found;
  Cell cell{};
  double adjusted = 1;  // Benjamini and Hochberg's p over all rules.
};

void AdjustByRate(std::vector<Candidate>& all) {
  std::vector<std::size_t> order(all.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    order[i] = i;
  }
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return all[a].found.figures.p < all[b].found.figures.p;
  });
  double least = 1;
  for (std::size_t i = order.size(); i-- > 0;) {
    Candidate& candidate = all[order[i]];
    least = std::min(least, candidate.found.figures.p * static_cast<double>(order.size()) /
                                static_cast<double>(i + 1));
    candidate.adjusted = least;
  }
}

// S. Holm, A simple sequentially rejective multiple test procedure (1979).
void AdjustByList(std::vector<AhaConfirmation>& list, bool correct) {
  std::vector<AhaConfirmation*> order;
  order.reserve(list.size());
  for (AhaConfirmation& one : list) {
    order.push_back(&one);
  }
  std::stable_sort(order.begin(), order.end(),
                   [](const AhaConfirmation* a, const AhaConfirmation* b) {
                     return a->figures.p < b->figures.p;
                   });
  double most = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const double factor = correct ? static_cast<double>(order.size() - i) : 1;
    most = std::max(most, std::min(1.0, order[i]->figures.p * factor));
    order[i]->adjusted_p = correct ? most : order[i]->figures.p;
    order[i]->confirmed = order[i]->adjusted_p <= kAlpha;
  }
}

bool IsUseful(const Candidate& candidate, bool correct) {
  const AhaTable& t = candidate.found.table;
  const double reached = t.reached_stayed + t.reached_left, others = t.other_stayed + t.other_left;
  const double least = std::max(kPeopleMin, kReachMin * (reached + others));
  return reached >= least && others >= least &&
         (correct ? candidate.adjusted : candidate.found.figures.p) <= kAlpha;
}

}  // namespace

bool operator==(const AhaRule& a, const AhaRule& b) {
  return Order(a) == Order(b);
}

AhaFigures Measure(const AhaTable& t) {
  SEGUE_CHECK(IsMeasurable(t));
  const double reached = t.reached_stayed + t.reached_left,
               stayed = t.reached_stayed + t.other_stayed;
  const double all = reached + t.other_stayed + t.other_left;
  AhaFigures figures;
  figures.reach = Share(reached, all);
  figures.precision = Share(t.reached_stayed, reached);
  figures.recall = Share(t.reached_stayed, stayed);
  // The delta method over the four cells of a multinomial; half a person where nobody is, so that
  // the end is finite and not 0.
  const double both = std::max(t.reached_stayed, 0.5) / all, r = reached / all, s = stayed / all;
  const double mixed = 1 / both - 1 / r - 1 / s;
  const double lift_variance =
      (both * mixed * mixed + t.reached_left / all / (r * r) + t.other_stayed / all / (s * s) - 1) /
      all;
  figures.lift = OnLog((t.reached_stayed / reached) / (stayed / all), both / (r * s),
                       std::max(0.0, lift_variance));
  figures.phi = Phi(t, (t.reached_stayed * t.other_left - t.reached_left * t.other_stayed) /
                           std::sqrt(reached * (all - reached) * stayed * (all - stayed)));
  const AhaTable full = WithoutEmpty(t);
  const double odds =
      (full.reached_stayed * full.other_left) / (full.reached_left * full.other_stayed);
  figures.odds_ratio = OnLog(odds, odds,  // Woolf (1955).
                             1 / full.reached_stayed + 1 / full.reached_left +
                                 1 / full.other_stayed + 1 / full.other_left);
  figures.p = HypergeometricTail(all, stayed, reached, t.reached_stayed);
  return figures;
}

AhaResult FindAha(const AhaData& data, const AhaSearch& search) {
  SEGUE_CHECK(data.check.size() == data.stayed.size());
  SEGUE_CHECK(search.times_min >= 1 && search.times_max >= search.times_min);
  AhaResult result;
  const auto people = static_cast<double>(data.stayed.size());
  if (people < search.people_min) {
    result.sentence = fmt::format("nothing is looked for: {:.0f} people, and {:.0f} are needed",
                                  people, search.people_min);
    return result;
  }
  const Counter counter(data, search);
  std::vector<Candidate> all;
  for (const auto& [rule, cell] : AllRules(counter, data, search)) {
    const AhaTable table = TableOf(cell, counter.all(), false);
    if (IsMeasurable(table)) {
      all.push_back(
          {.found = {.rule = rule, .table = table, .figures = Measure(table)}, .cell = cell});
    }
  }
  AdjustByRate(all);
  std::stable_sort(all.begin(), all.end(), [&](const Candidate& a, const Candidate& b) {
    const double x = RankValue(a.found.figures, search.rank_by),
                 y = RankValue(b.found.figures, search.rank_by);
    const double reached_a = a.found.table.reached_stayed + a.found.table.reached_left;
    const double reached_b = b.found.table.reached_stayed + b.found.table.reached_left;
    return x != y                   ? x > y
           : reached_a != reached_b ? reached_a > reached_b
                                    : Order(a.found.rule) < Order(b.found.rule);
  });
  for (std::size_t i = 0; i < all.size(); ++i) {
    result.ranking.push_back(all[i].found);
    const AhaTable table = TableOf(all[i].cell, counter.all(), true);
    if (result.shortlist.size() < kShortlistMax && IsUseful(all[i], search.correct_for_many) &&
        IsMeasurable(table)) {
      result.shortlist.push_back({.place = i, .table = table, .figures = Measure(table)});
    }
  }
  AdjustByList(result.shortlist, search.correct_for_many);
  const auto confirmed = std::count_if(result.shortlist.begin(), result.shortlist.end(),
                                       [](const AhaConfirmation& one) { return one.confirmed; });
  for (std::size_t i = 0; i < result.shortlist.size() && result.best < 0; ++i) {
    result.best = result.shortlist[i].confirmed ? static_cast<int>(i) : -1;
  }
  result.sentence =
      fmt::format("{} rules tried, {} on the short list, {} confirmed on people who were kept back",
                  result.ranking.size(), result.shortlist.size(), confirmed);
  return result;
}

AhaProgress ProgressOf(const AhaRule& rule, int count, int other_count) {
  const int done = std::clamp(count, 0, rule.times);
  const int other = rule.other < 0 ? 0 : std::clamp(other_count, 0, rule.other_times);
  const int other_times = rule.other < 0 ? 0 : rule.other_times;
  AhaProgress progress;
  progress.share = static_cast<double>(done + other) / (rule.times + other_times);
  progress.reached = done + other == rule.times + other_times;
  if (!progress.reached) {
    // Of two, the one of which the larger share is left; the first where they are even.
    const bool second =
        other_times > 0 && (other_times - other) * rule.times > (rule.times - done) * other_times;
    progress.missing = second ? rule.other : rule.action;
  }
  return progress;
}

}  // namespace segue
