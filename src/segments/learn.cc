// Refits: due when, from whom, in which order.

#include "segments/learn.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "expression/parse.h"
#include "segments/score.h"

namespace segue {
namespace {

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

struct Sample {
  std::vector<double> values;
  std::vector<std::string> keys;
};

// One pass over everybody for the scores in `wanted`; the scores before them are computed with the
// lines so far.
std::vector<Sample> Collect(const Learning& learning, const std::vector<std::size_t>& wanted,
                            std::size_t until, const std::vector<bool>& margins,
                            const std::vector<LineSet>& lines) {
  std::vector<Sample> samples(wanted.size());
  Scorer scorer(learning.model, learning.people, learning.moment);
  std::vector<double> values(kBlock);
  const CustomerIndex count = learning.people.count();
  for (CustomerIndex first = 0; first < count; first += kBlock) {
    const std::size_t here = std::min<std::size_t>(kBlock, count - first);
    scorer.Load(first, here);
    scorer.ComputeScores(lines, learning.settled, margins, until);
    for (std::size_t k = 0; k < wanted.size(); ++k) {
      const Fifths& fifths = *learning.model.scores[wanted[k]].fifths;
      scorer.ReadFrom(wanted[k], std::span(values).first(here));
      for (std::size_t i = 0; i < here; ++i) {
        const CustomerIndex customer = first + static_cast<CustomerIndex>(i);
        if (std::isnan(values[i]) || !learning.people.IsAlive(customer)) {
          continue;
        }
        samples[k].values.push_back(values[i]);
        if (fifths.of_rank && fifths.ties_by_key) {
          samples[k].keys.push_back(learning.people.Key(customer));
        }
      }
    }
  }
  return samples;
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
                                std::vector<bool> margins, std::vector<LineSet>& lines) {
  std::vector<std::int64_t> people(due.size(), 0);
  const auto learn = [&](const std::vector<std::size_t>& wanted, std::size_t until) {
    const std::vector<Sample> samples = Collect(learning, wanted, until, margins, lines);
    for (std::size_t k = 0; k < wanted.size(); ++k) {
      people[wanted[k]] = static_cast<std::int64_t>(samples[k].values.size());
      if (!samples[k].values.empty()) {
        LineSet learned =
            FitFifths(*learning.model.scores[wanted[k]].fifths, samples[k].values, samples[k].keys);
        margins[wanted[k]] = margins[wanted[k]] && learned == lines[wanted[k]];
        lines[wanted[k]] = std::move(learned);
      }
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
