#include "segments/score_table.h"

#include <algorithm>
#include <cmath>

#include "segments/scorer.h"

namespace segue {
namespace {

// More combinations than this are computed person by person.
constexpr std::size_t kCellsMax = 4096;

}  // namespace

// Every cell as a customer: its scores are read, nothing else is.
class ScoreTable::Cells final : public Inputs {
 public:
  explicit Cells(const std::vector<std::vector<double>>& scores) : scores_(scores) {}

  void Read(const Leaf& leaf, CustomerIndex first, std::span<double> out) const override {
    const std::vector<double>& score = scores_[static_cast<std::size_t>(leaf.index)];
    std::copy_n(score.begin() + first, out.size(), out.begin());
  }

 private:
  const std::vector<std::vector<double>>& scores_;
};

ScoreTable::ScoreTable(const Model& model, Moment moment, CustomerIndex people)
    : strides_(model.scores.size(), 0),
      values_(model.scores.size()),
      final_(model.scores.size(), false) {
  std::vector<bool> needed(model.scores.size(), false);
  if (!FindScores(model, needed)) {
    return;
  }
  std::size_t cells = 1;
  for (std::size_t score = 0; score < needed.size(); ++score) {
    if (needed[score] && model.scores[score].steps() > 0) {
      strides_[score] = static_cast<std::uint32_t>(cells);
      cells *= static_cast<std::size_t>(model.scores[score].steps());
      if (cells > std::min<std::size_t>(kCellsMax, people)) {
        std::fill(strides_.begin(), strides_.end(), 0);
        return;
      }
    }
  }
  known_ = true;
  answers_.assign(cells, kNoSegment);
  Fill(model, moment, needed);
}

// False: it reads something that is no score.
bool ScoreTable::Need(const Model& model, const Expr& expr, std::vector<bool>& needed) const {
  bool only_scores = true;
  ForEachLeaf(expr, [&](const Expr& leaf) {
    if (leaf.leaf.kind != Leaf::Kind::kOwnScore) {
      only_scores = false;
      return;
    }
    const auto index = static_cast<std::size_t>(leaf.leaf.index);
    if (needed[index]) {
      return;
    }
    needed[index] = true;
    const Score& score = model.scores[index];
    if (score.steps() > 0) {
      return;
    }
    // A score reads earlier ones only, so this ends.
    for (const Points& points : score.points) {
      only_scores = Need(model, points.when.expr, needed) && only_scores;
    }
    only_scores = (!score.from || Need(model, score.from->expr, needed)) && only_scores;
  });
  return only_scores;
}

bool ScoreTable::FindScores(const Model& model, std::vector<bool>& needed) const {
  bool only_scores = !model.segments.empty();
  for (const Segment& segment : model.segments) {
    only_scores = only_scores && segment.cells.empty() &&
                  (!segment.when || Need(model, segment.when->expr, needed));
  }
  return only_scores;
}

void ScoreTable::Fill(const Model& model, const Moment& moment, const std::vector<bool>& needed) {
  const std::size_t cells = answers_.size();
  std::vector<std::vector<double>> scores(model.scores.size(), std::vector<double>(cells, 0.0));
  const Cells inputs(scores);
  std::vector<double> out(cells);
  const auto execute = [&](const Expr& expr) {
    for (std::size_t first = 0; first < cells; first += kBlock) {
      ExecuteBlock(expr, inputs, moment, static_cast<CustomerIndex>(first),
                   std::span(out).subspan(first, std::min(kBlock, cells - first)));
    }
  };
  for (std::size_t index = 0; index < scores.size(); ++index) {
    const Score& score = model.scores[index];
    if (!needed[index]) {
      continue;
    }
    if (score.steps() > 0) {
      for (std::size_t cell = 0; cell < cells; ++cell) {
        scores[index][cell] = static_cast<double>(1 + cell / strides_[index] %
                                                          static_cast<std::size_t>(score.steps()));
      }
      continue;
    }
    if (score.points.empty()) {
      execute(score.from->expr);
      scores[index] = out;
    }
    for (const Points& points : score.points) {
      execute(points.when.expr);
      for (std::size_t cell = 0; cell < cells; ++cell) {
        scores[index][cell] += IsTrue(out[cell]) ? points.add : 0;
      }
    }
    // Before it is kept inside a range: whoever looks it up does that, and knows what was missing.
    values_[index] = scores[index];
    final_[index] = !score.range && std::none_of(scores[index].begin(), scores[index].end(),
                                                 [](double value) { return std::isnan(value); });
    for (double& value : scores[index]) {
      value = KeepInside(score, value);
    }
  }
  for (std::size_t segment = model.segments.size(); segment-- > 0;) {
    const Segment& rule = model.segments[segment];
    if (rule.when) {
      execute(rule.when->expr);
    }
    for (std::size_t cell = 0; cell < cells; ++cell) {
      if (rule.otherwise || (rule.when && IsTrue(out[cell]))) {
        answers_[cell] = static_cast<SegmentIndex>(segment);
      }
    }
  }
}

}  // namespace segue
