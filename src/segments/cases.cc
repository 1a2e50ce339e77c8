// Finding the subjects and their telling values; evaluating the segments over all cases.

#include "segments/cases.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/check.h"
#include "segments/scorer.h"

namespace segue {
namespace {

constexpr double kOtherText = -1;  // No literal has this number.

bool HasLeaf(const Expr& expr) {
  bool found = false;
  ForEachLeaf(expr, [&](const Expr&) { found = true; });
  return found;
}

bool ReadsScores(const Expr& expr) {
  bool found = false;
  ForEachLeaf(expr,
              [&](const Expr& leaf) { found = found || leaf.leaf.kind == Leaf::Kind::kOwnScore; });
  return found;
}

bool IsComparison(Op op) {
  switch (op) {
    case Op::kIs:
    case Op::kIsNot:
    case Op::kLess:
    case Op::kLessEqual:
    case Op::kGreater:
    case Op::kGreaterEqual:
    case Op::kIn:
    case Op::kNotIn:
    case Op::kInRange:
    case Op::kNotInRange:
      return true;
    case Op::kLiteral:
    case Op::kLeaf:
    case Op::kNegate:
    case Op::kAdd:
    case Op::kSubtract:
    case Op::kMultiply:
    case Op::kDivide:
    case Op::kAnd:
    case Op::kOr:
    case Op::kNot:
    case Op::kExists:
    case Op::kMean:
    case Op::kRound:
    case Op::kFloor:
    case Op::kDays:
    case Op::kUsualGap:
      return false;
  }
  return false;
}

bool Same(const Expr& a, const Expr& b) {
  return a.op == b.op && (a.literal == b.literal || a.op != Op::kLiteral) &&
         (a.op != Op::kLeaf || (a.leaf.kind == b.leaf.kind && a.leaf.model == b.leaf.model &&
                                a.leaf.index == b.leaf.index && a.leaf.name == b.leaf.name)) &&
         std::equal(a.args.begin(), a.args.end(), b.args.begin(), b.args.end(), Same);
}

// One variable at one value after another, for telling values apart.
class OneVariable final : public Inputs {
 public:
  explicit OneVariable(const std::vector<double>& values) : values_(values) {}

  void Read(const Leaf& /*leaf*/, CustomerIndex first, std::span<double> out) const override {
    std::copy_n(values_.begin() + first, out.size(), out.begin());
  }

 private:
  const std::vector<double>& values_;
};

}  // namespace

Cases::Cases(const Model& model, const Workspace& workspace)
    : model_(model),
      workspace_(workspace),
      moment_{FromMicros(0), model.timezone},
      kinds_(model.scores.size(), ScoreKind::kUnused),
      variable_of_score_(model.scores.size(), -1),
      points_(model.scores.size()),
      scores_(model.scores.size(), std::vector<double>(kBlock)) {
  FindScores();
  for (std::size_t score = 0; score < model.scores.size(); ++score) {
    if (kinds_[score] == ScoreKind::kDimension || kinds_[score] == ScoreKind::kFree) {
      variable_of_score_[score] = static_cast<int>(variables_.size());
      const ExprType type =
          model.scores[score].from ? model.scores[score].from->expr.type : ExprType{};
      const bool dimension = kinds_[score] == ScoreKind::kDimension;
      variables_.push_back(
          {model.scores[score].name, {}, type, static_cast<int>(score), dimension, {}});
      atoms_.emplace_back();
      thresholds_.emplace_back();
    }
    for (const Points& points : model.scores[score].points) {
      if (kinds_[score] == ScoreKind::kComputed) {
        points_[score].push_back(Rewrite(points.when.expr, points.when.text));
      }
    }
  }
  for (const Segment& segment : model.segments) {
    rules_.push_back(segment.when ? std::optional(Rewrite(segment.when->expr, segment.when->text))
                                  : std::nullopt);
  }
  for (std::size_t variable = 0; variable < variables_.size(); ++variable) {
    FillValues(variable);
    Prune(variable);
  }
  Order();
}

void Cases::FindScores() {
  for (const Segment& segment : model_.segments) {
    if (segment.when) {
      ForEachLeaf(segment.when->expr, [this](const Expr& leaf) {
        if (leaf.leaf.kind == Leaf::Kind::kOwnScore) {
          NeedScore(static_cast<std::size_t>(leaf.leaf.index));
        }
      });
    }
    for (const int score : segment.cells.empty() ? std::vector<int>() : model_.grid) {
      NeedScore(static_cast<std::size_t>(score));
    }
  }
}

void Cases::NeedScore(std::size_t index) {
  if (kinds_[index] != ScoreKind::kUnused) {
    return;
  }
  const Score& score = model_.scores[index];
  bool only_scores = true;
  const auto need = [&](const Expr& leaf) {
    if (leaf.leaf.kind == Leaf::Kind::kOwnScore) {
      NeedScore(
          static_cast<std::size_t>(leaf.leaf.index));  // Earlier than this one: the walk ends.
    } else {
      only_scores = false;
    }
  };
  if (score.steps() > 0) {
    kinds_[index] = ScoreKind::kDimension;
  } else if (!score.points.empty()) {
    kinds_[index] = ScoreKind::kComputed;
    for (const Points& points : score.points) {
      ForEachLeaf(points.when.expr, need);
    }
  } else {
    ForEachLeaf(score.from->expr, need);
    kinds_[index] = only_scores ? ScoreKind::kComputed : ScoreKind::kFree;
  }
}

Expr Cases::Rewrite(const Expr& expr, const std::string& text) {
  if (expr.op == Op::kAnd || expr.op == Op::kOr || expr.op == Op::kNot) {
    Expr all = expr;
    for (Expr& arg : all.args) {
      arg = Rewrite(arg, text);
    }
    return all;
  }
  return RewriteAtom(expr, text);
}

// Nothing but scores and literals.
bool Cases::IsKnownScores(const Expr& expr) const {
  bool known = true;
  ForEachLeaf(expr,
              [&](const Expr& leaf) { known = known && leaf.leaf.kind == Leaf::Kind::kOwnScore; });
  return known;
}

Expr Cases::RewriteAtom(const Expr& expr, const std::string& text) {
  // The one argument that is not a literal, where there is one.
  std::size_t asked = expr.args.size();
  for (std::size_t i = 0; i < expr.args.size(); ++i) {
    if (HasLeaf(expr.args[i])) {
      asked = asked == expr.args.size() ? i : expr.args.size() + 1;
    }
  }
  const bool one_subject =
      (IsComparison(expr.op) || expr.op == Op::kExists) && asked < expr.args.size();
  if (IsKnownScores(expr)) {
    const Expr* score =
        one_subject && expr.args[asked].op == Op::kLeaf ? &expr.args[asked] : nullptr;
    const int variable =
        score == nullptr ? -1 : variable_of_score_[static_cast<std::size_t>(score->leaf.index)];
    if (variable >= 0) {
      AddAtom(static_cast<std::size_t>(variable), expr);
    }
    return expr;
  }
  Expr atom = expr;
  // A condition of more than one thing, or of a score and something else, is a yes or no of its
  // own.
  Expr* subject = one_subject && !ReadsScores(expr.args[asked]) ? &atom.args[asked] : &atom;
  const std::size_t variable = FindOrAdd(*subject, text);
  Expr leaf;
  leaf.op = Op::kLeaf;
  leaf.type = subject->type;
  leaf.leaf.kind = Leaf::Kind::kOwnFeature;
  leaf.leaf.index = static_cast<int>(variable);
  *subject = leaf;
  AddAtom(variable, atom);
  return atom;
}

std::size_t Cases::FindOrAdd(const Expr& subject, const std::string& text) {
  for (std::size_t i = 0; i < variables_.size(); ++i) {
    if (variables_[i].score < 0 && Same(variables_[i].subject, subject)) {
      return i;
    }
  }
  Variable variable;
  variable.name = subject.end > subject.begin && subject.end <= text.size()
                      ? text.substr(subject.begin, subject.end - subject.begin)
                      : text;
  variable.subject = subject;
  variable.type = subject.type;
  variables_.push_back(std::move(variable));
  atoms_.emplace_back();
  thresholds_.emplace_back();
  return variables_.size() - 1;
}

void Cases::AddAtom(std::size_t variable, const Expr& atom) {
  atoms_[variable].push_back(atom);
  for (const Expr& arg : atom.args) {
    const double value = HasLeaf(arg) ? kMissing : ExecuteOne(arg, *this, moment_, 0);
    if (!std::isnan(value)) {
      thresholds_[variable].push_back(value);
    }
  }
}

bool Cases::CanBeMissing(const Expr& expr) const {
  if (IsComparison(expr.op) || expr.op == Op::kLiteral || expr.op == Op::kAnd ||
      expr.op == Op::kOr || expr.op == Op::kNot || expr.op == Op::kExists) {
    return false;
  }
  if (expr.op == Op::kDivide || expr.op == Op::kUsualGap) {
    return true;
  }
  if (expr.op == Op::kLeaf) {
    const auto index = static_cast<std::size_t>(expr.leaf.index);
    if (expr.leaf.kind == Leaf::Kind::kOwnFeature) {
      return CanBeMissing(model_.features[index].value.expr);
    }
    if (expr.leaf.kind == Leaf::Kind::kAggregate) {
      const AggregateOp op = workspace_.aggregates.all()[index].op;
      return op != AggregateOp::kCount && op != AggregateOp::kSum && op != AggregateOp::kDistinct;
    }
    return expr.leaf.kind != Leaf::Kind::kNow;
  }
  return std::any_of(expr.args.begin(), expr.args.end(),
                     [this](const Expr& arg) { return CanBeMissing(arg); });
}

// Never below 0.
bool Cases::IsCount(const Expr& expr) const {
  if (expr.op != Op::kLeaf) {
    return false;
  }
  const auto index = static_cast<std::size_t>(expr.leaf.index);
  if (expr.leaf.kind == Leaf::Kind::kOwnFeature) {
    return IsCount(model_.features[index].value.expr);
  }
  if (expr.leaf.kind != Leaf::Kind::kAggregate) {
    return false;
  }
  const AggregateOp op = workspace_.aggregates.all()[index].op;
  return op == AggregateOp::kCount || op == AggregateOp::kDistinct;
}

void Cases::FillValues(std::size_t index) {
  Variable& variable = variables_[index];
  std::vector<double>& values = variable.values;
  if (variable.dimension) {
    for (int step = 1; step <= model_.scores[static_cast<std::size_t>(variable.score)].steps();
         ++step) {
      values.push_back(step);
    }
    return;
  }
  std::vector<double> points = thresholds_[index];
  std::sort(points.begin(), points.end());
  points.erase(std::unique(points.begin(), points.end()), points.end());
  const Type type = variable.type.type;
  if (type == Type::kYesNo) {
    values = {1, 0};
  } else if (type == Type::kText || type == Type::kChoice) {
    values = points;
    if (type == Type::kText || points.size() < variable.type.choices.size()) {
      values.push_back(kOtherText);
    }
  } else {
    points.push_back(points.empty() ? 0 : points.back() + std::max(1.0, std::fabs(points.back())));
    double before = points.front() - std::max(1.0, std::fabs(points.front()));
    for (const double point : points) {
      if (variable.type.whole) {
        values.insert(values.end(), {point - 1, point, point + 1});
      } else {
        values.insert(values.end(), {before, before + (point - before) / 2, point});
      }
      before = point;
    }
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
  }
  if (variable.score >= 0) {
    const Score& score = model_.scores[static_cast<std::size_t>(variable.score)];
    for (double& value : values) {
      value = KeepInside(score, value);
    }
    if (!score.range) {
      values.push_back(kMissing);
    }
    return;
  }
  if (IsCount(variable.subject)) {
    std::erase_if(values, [](double value) { return value < 0; });
  }
  if (CanBeMissing(variable.subject)) {
    values.push_back(kMissing);
  }
}

// Keeps the first of the values that no condition tells apart.
void Cases::Prune(std::size_t index) {
  Variable& variable = variables_[index];
  if (variable.dimension) {
    return;
  }
  const std::vector<double> candidates = std::exchange(variable.values, {});
  std::vector<std::vector<double>> seen;
  const OneVariable inputs(candidates);
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    std::vector<double> answers;
    for (const Expr& atom : atoms_[index]) {
      answers.push_back(ExecuteOne(atom, inputs, moment_, static_cast<CustomerIndex>(i)));
    }
    // A free score may stand in a calculation that no atom of its own shows: all its values count.
    const bool known =
        variable.score < 0 && std::find(seen.begin(), seen.end(), answers) != seen.end();
    if (!known) {
      seen.push_back(std::move(answers));
      variable.values.push_back(candidates[i]);
    }
  }
}

// Dimensions first, in the order in which people write cells.
void Cases::Order() {
  std::vector<std::size_t> order;
  const auto take = [&](std::size_t variable) {
    if (std::find(order.begin(), order.end(), variable) == order.end()) {
      order.push_back(variable);
    }
  };
  for (const int score : model_.grid) {
    const int variable = variable_of_score_[static_cast<std::size_t>(score)];
    if (variable >= 0 && variables_[static_cast<std::size_t>(variable)].dimension) {
      take(static_cast<std::size_t>(variable));
    }
  }
  for (std::size_t i = 0; i < variables_.size(); ++i) {
    if (variables_[i].dimension) {
      take(i);
    }
  }
  dimensions_ = order;
  for (std::size_t i = 0; i < variables_.size(); ++i) {
    take(i);
  }
  strides_.assign(variables_.size(), 1);
  for (std::size_t k = order.size(); k-- > 0;) {
    strides_[order[k]] = count_;
    count_ = std::min(count_ * variables_[order[k]].values.size(), kCountMax + 1);
  }
}

std::uint64_t Cases::cells() const {
  std::uint64_t cells = 1;
  for (const std::size_t variable : dimensions_) {
    cells *= variables_[variable].values.size();
  }
  return cells;
}

double Cases::ValueOf(std::uint64_t which, std::size_t variable) const {
  const std::vector<double>& values = variables_[variable].values;
  return values[(which / strides_[variable]) % values.size()];
}

void Cases::Read(const Leaf& leaf, CustomerIndex first, std::span<double> out) const {
  const auto index = static_cast<std::size_t>(leaf.index);
  int variable = leaf.kind == Leaf::Kind::kOwnFeature ? leaf.index : -1;
  if (leaf.kind == Leaf::Kind::kOwnScore) {
    variable = variable_of_score_[index];
    if (variable < 0) {
      std::copy_n(scores_[index].begin() + (first - static_cast<CustomerIndex>(block_first_)),
                  out.size(), out.begin());
      return;
    }
  }
  SEGUE_CHECK(variable >= 0);
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = ValueOf(first + i, static_cast<std::size_t>(variable));
  }
}

void Cases::Match(std::uint64_t first, std::size_t n, std::vector<std::vector<bool>>& matches) {
  block_first_ = first;
  const auto customer = static_cast<CustomerIndex>(first);
  std::vector<double> values(n);
  for (std::size_t index = 0; index < kinds_.size(); ++index) {
    if (kinds_[index] != ScoreKind::kComputed) {
      continue;
    }
    const Score& score = model_.scores[index];
    std::vector<double>& all = scores_[index];
    std::fill_n(all.begin(), n, 0.0);
    if (score.points.empty()) {
      ExecuteBlock(score.from->expr, *this, moment_, customer, std::span(all).first(n));
    }
    for (std::size_t line = 0; line < score.points.size(); ++line) {
      ExecuteBlock(points_[index][line], *this, moment_, customer, values);
      for (std::size_t i = 0; i < n; ++i) {
        all[i] += IsTrue(values[i]) ? score.points[line].add : 0;
      }
    }
    for (std::size_t i = 0; i < n; ++i) {
      all[i] = KeepInside(score, all[i]);
    }
  }
  matches.assign(rules_.size(), std::vector<bool>(n, false));
  for (std::size_t segment = 0; segment < rules_.size(); ++segment) {
    if (rules_[segment]) {
      ExecuteBlock(*rules_[segment], *this, moment_, customer, values);
      for (std::size_t i = 0; i < n; ++i) {
        matches[segment][i] = IsTrue(values[i]);
      }
    }
    for (const std::vector<int>& cell : model_.segments[segment].cells) {
      std::vector<bool> fits(n, cell.size() == model_.grid.size());
      for (std::size_t k = 0; k < cell.size() && k < model_.grid.size(); ++k) {
        Leaf leaf;
        leaf.kind = Leaf::Kind::kOwnScore;
        leaf.index = model_.grid[k];
        Read(leaf, customer, values);
        for (std::size_t i = 0; i < n; ++i) {
          fits[i] = fits[i] && values[i] == cell[k];
        }
      }
      for (std::size_t i = 0; i < n; ++i) {
        matches[segment][i] = matches[segment][i] || fits[i];
      }
    }
  }
}

}  // namespace segue
