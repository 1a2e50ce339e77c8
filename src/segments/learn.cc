// Refits: due when, from whom, in which order.

#include "segments/learn.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/parallel.h"
#include "base/room.h"
#include "expression/parse.h"
#include "segments/lanes.h"
#include "segments/score.h"

namespace segue {
namespace {

constexpr double kNoValue = std::numeric_limits<double>::quiet_NaN();

std::string Canonical(std::string_view text) {
  const auto parsed = ParseExpression(text);
  const Syntax* syntax = boost::variant2::get_if<Syntax>(&parsed);
  return syntax == nullptr ? std::string(text) : PrintSyntax(*syntax);
}

bool ReadsOwnScores(const Expr& expr) {
  bool found = false;
  ForEachLeaf(expr,
              [&](const Expr& leaf) { found = found || leaf.leaf.kind == Leaf::Kind::kOwnScore; });
  return found;
}

// The texts that a basis is made of, each feature and score once.
class Basis {
 public:
  explicit Basis(const Model& model) : model_(model) {}

  void Add(const Condition& condition) {
    text_ += Canonical(condition.text) + '\n';
    ForEachLeaf(condition.expr, [this](const Expr& leaf) {
      const auto index = static_cast<std::size_t>(leaf.leaf.index);
      if (leaf.leaf.kind == Leaf::Kind::kOwnFeature && features_.insert(index).second) {
        text_ += model_.features[index].name + '=';
        Add(model_.features[index].value);
      } else if (leaf.leaf.kind == Leaf::Kind::kOwnScore && scores_.insert(index).second) {
        AddScore(model_.scores[index]);
      }
    });
  }

  void AddScore(const Score& score) {
    text_ += fmt::format("{} {}", score.name, score.best_low ? "low" : "high");
    for (const double cut : score.cuts) {
      text_ += fmt::format(" {}", cut);
    }
    if (score.fifths) {
      const Fifths& fifths = *score.fifths;
      text_ += fmt::format(" fifths {} {} {} {} {}", fifths.of_rank, fifths.ties_by_key,
                           fifths.equal_width, fifths.closed_left, fifths.add);
    }
    if (score.range) {
      text_ += fmt::format(" in {}..{}", score.range->first, score.range->second);
    }
    text_ += '=';
    for (const Points& points : score.points) {
      text_ += fmt::format("{:+} ", points.add);
      Add(points.when);
    }
    if (score.from) {
      Add(*score.from);
    }
  }

  const std::string& text() const { return text_; }

 private:
  const Model& model_;
  std::string text_;
  std::set<std::size_t> features_, scores_;
};

// Months since the year 0 on the zone's calendar.
int MonthOf(TimePoint time, const Zone& zone) {
  const CivilDate date = ToCivil(zone.ToLocal(time).day());
  return date.year * 12 + date.month - 1;
}

// One pass over everybody for the scores in `wanted`; the scores before them are computed with the
// lines so far.  Of those with a hint only what a sieve keeps is read.
// Returns how many have a value, by `wanted`.
std::vector<std::size_t> Collect(const Learning& learning, const std::vector<std::size_t>& wanted,
                                 std::size_t until, const std::vector<bool>& margins,
                                 const std::vector<LineSet>& lines,
                                 std::vector<ScoreValues>& read) {
  std::vector<std::atomic<std::size_t>> have(wanted.size());
  const CustomerIndex count = learning.people.count();
  for (const std::size_t score : wanted) {
    ScoreValues& one = read[score];
    one.as = one.hint.empty() ? ScoreValues::As::kValues : ScoreValues::As::kSieve;
    if (one.hint.empty()) {
      ResizeWithRoom(one.values, count);
    } else {
      one.sieve.Begin(RangesOf(one.hint), count);
    }
  }
  const bool all_alive = learning.people.AllAlive();
  InRanges(count, kPartCustomers, [&](std::size_t begin, std::size_t end) {
    Scorer scorer(learning.model, learning.people, learning.moment, &learning.keys);
    std::vector<double> scratch(std::min<std::size_t>(kBlock, end - begin));
    for (auto first = static_cast<CustomerIndex>(begin); first < end; first += kBlock) {
      const std::size_t here = std::min<std::size_t>(kBlock, end - first);
      scorer.Load(first, here);
      scorer.ComputeScores(lines, learning.settled, margins, until);
      for (std::size_t k = 0; k < wanted.size(); ++k) {
        ScoreValues& one = read[wanted[k]];
        const bool sifts = one.as == ScoreValues::As::kSieve;
        const std::span<double> out =
            sifts ? std::span(scratch).first(here) : std::span(one.values).subspan(first, here);
        scorer.ReadFrom(wanted[k], out);
        for (std::size_t i = 0; !all_alive && i < here; ++i) {
          if (!learning.people.IsAlive(first + static_cast<CustomerIndex>(i))) {
            out[i] = kNoValue;
          }
        }
        if (sifts) {
          const Fifths& fifths = *learning.model.scores[wanted[k]].fifths;
          one.sieve.Sift(first, out,
                         IsByKey(fifths) ? learning.keys.all().subspan(first, here)
                                         : std::span<const std::uint64_t>());
        } else {
          have[k] += CountValues(out);
        }
      }
    }
  });
  std::vector<std::size_t> found(have.begin(), have.end());
  for (std::size_t k = 0; k < wanted.size(); ++k) {
    if (read[wanted[k]].as == ScoreValues::As::kSieve) {
      found[k] = read[wanted[k]].sieve.have();
    }
  }
  return found;
}

// Nothing where the values themselves are needed, of which only a sieve was read.
std::optional<LineSet> FitRead(const Learning& learning, std::size_t score, std::size_t have,
                               ScoreValues& read) {
  const Fifths& fifths = *learning.model.scores[score].fifths;
  const bool sifted = read.as == ScoreValues::As::kSieve;
  FitKeys keys;
  keys.key = [&](std::size_t i) {
    return std::string_view(learning.people.Key(static_cast<CustomerIndex>(i)));
  };
  if (IsByKey(fifths)) {
    // Those who take part may all have numbers though others have not.
    keys.numeric = true;
    for (std::size_t i = 0; !learning.keys.numeric() && keys.numeric && i < learning.people.count();
         ++i) {
      const bool takes_part = sifted ? read.sieve.Has(i) : !std::isnan(read.values[i]);
      keys.numeric = !takes_part || IsWholeKey(keys.key(i));
    }
    if (keys.numeric == learning.keys.numeric()) {
      keys.codes = learning.keys.all();
    } else if (sifted) {
      return std::nullopt;
    }
  }
  return sifted ? FitLines(fifths, read.sieve, keys)
                : FitLines(fifths, read.values, have, keys, read.hint);
}

}  // namespace

std::string BasisOf(const Model& model, std::size_t score) {
  Basis basis(model);
  basis.AddScore(model.scores[score]);
  if (model.who) {
    basis.Add(*model.who);
  }
  return basis.text();
}

bool IsFitDue(const Score& score, const std::string& basis, const Fit* fit, TimePoint slot,
              const Zone& zone) {
  if (fit == nullptr || fit->basis != basis) {
    return true;
  }
  switch (score.refit) {
    case Refit::kEveryRun:
      return true;
    case Refit::kMonthly:
      return MonthOf(slot, zone) != MonthOf(fit->slot, zone);
    case Refit::kQuarterly:
      return MonthOf(slot, zone) / 3 != MonthOf(fit->slot, zone) / 3;
    case Refit::kNever:
      return false;
  }
  return false;
}

std::vector<std::int64_t> Learn(const Learning& learning, const std::vector<bool>& due,
                                std::vector<bool> margins, std::vector<LineSet>& lines,
                                std::vector<ScoreValues>& read) {
  std::vector<std::int64_t> people(due.size(), 0);
  const auto learn = [&](std::vector<std::size_t> wanted, std::size_t until) {
    while (!wanted.empty()) {
      const std::vector<std::size_t> have = Collect(learning, wanted, until, margins, lines, read);
      std::vector<std::optional<LineSet>> learned(wanted.size());
      InParallel(wanted.size(), [&](std::size_t k) {
        learned[k] = FitRead(learning, wanted[k], have[k], read[wanted[k]]);
      });
      std::vector<std::size_t> again;
      for (std::size_t k = 0; k < wanted.size(); ++k) {
        const std::size_t score = wanted[k];
        people[score] = static_cast<std::int64_t>(have[k]);
        if (!learned[k]) {
          read[score].hint.clear();
          again.push_back(score);
        } else if (have[k] > 0) {
          margins[score] = margins[score] && *learned[k] == lines[score];
          lines[score] = std::move(*learned[k]);
        }
      }
      wanted = std::move(again);
    }
  };
  std::vector<std::size_t> plain;
  for (std::size_t score = 0; score < due.size(); ++score) {
    if (due[score] && !ReadsOwnScores(learning.model.scores[score].from->expr)) {
      plain.push_back(score);
    }
  }
  if (!plain.empty()) {
    learn(plain, 0);
  }
  for (std::size_t score = 0; score < due.size(); ++score) {
    if (due[score] && ReadsOwnScores(learning.model.scores[score].from->expr)) {
      learn({score}, score);
    }
  }
  return people;
}

}  // namespace segue
