// Every case that a model's segments can tell apart: each cell of the score grid together with each
// answer of the conditions that are not scores.
//
// What a condition asks about something outside the scores (`tenure < 30d`, `customer.status is
// 'churned'`) depends on one *subject*; of its values only those matter that some condition tells
// apart: one below, on and above each number it is compared with, each text and another one, and no
// data where that can be.  Subjects are taken as independent of each other and of the scores, so
// the cases are at least those that can happen, never fewer.
//
// A case stands in for a customer, so the usual executor runs over them.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "config/definitions.h"
#include "expression/execute.h"

namespace segue {

class Cases final : public Inputs {
 public:
  struct Variable {
    std::string name;  // As written, for people.
    Expr subject;      // Not for scores.
    ExprType type;
    int score = -1;  // A score of cuts or fifths (a dimension of the grid), or one that nothing
                     // here determines.
    bool dimension = false;
    std::vector<double> values;
  };

  // Requires: both outlive it.
  Cases(const Model& model, const Workspace& workspace);

  const std::vector<Variable>& variables() const { return variables_; }

  // The variables that make the cells, as `grid` or else the model orders them.  They vary slowest,
  // the last of them fastest among them: case / (count / cells) is the cell.
  const std::vector<std::size_t>& dimensions() const { return dimensions_; }

  // Product of the numbers of values; at most kCountMax + 1.
  std::uint64_t count() const { return count_; }

  std::uint64_t cells() const;
  static constexpr std::uint64_t kCountMax = 1'000'000;  // A second's work at most.

  double ValueOf(std::uint64_t which, std::size_t variable) const;

  // Which segments (not `otherwise`) match each of the cases first, first + 1, …:
  // matches[segment][i]. Requires: n <= kBlock.
  void Match(std::uint64_t first, std::size_t n, std::vector<std::vector<bool>>& matches);

  void Read(const Leaf& leaf, CustomerIndex first, std::span<double> out) const override;

 private:
  enum class ScoreKind : std::uint8_t { kUnused, kDimension, kComputed, kFree };

  void FindScores();
  void NeedScore(std::size_t score);
  Expr Rewrite(const Expr& expr, const std::string& text);
  Expr RewriteAtom(const Expr& expr, const std::string& text);
  std::size_t FindOrAdd(const Expr& subject, const std::string& text);
  bool IsKnownScores(const Expr& expr) const;
  void AddAtom(std::size_t variable, const Expr& atom);
  void FillValues(std::size_t variable);
  void Prune(std::size_t variable);
  void Order();
  bool CanBeMissing(const Expr& expr) const;
  bool IsCount(const Expr& expr) const;

  const Model& model_;
  const Workspace& workspace_;
  Moment moment_;
  std::vector<ScoreKind> kinds_;
  std::vector<Variable> variables_;
  std::vector<std::vector<Expr>> atoms_;  // Per variable: the conditions that only ask about it.
  std::vector<std::vector<double>> thresholds_;  // Per variable: what it is compared with.
  std::vector<int> variable_of_score_;
  std::vector<std::size_t> dimensions_;
  std::uint64_t count_ = 1;
  std::vector<std::uint64_t> strides_;
  // Rewritten: subjects are own features numbered as the variables.
  std::vector<std::optional<Expr>> rules_;
  std::vector<std::vector<Expr>> points_;
  std::vector<std::vector<double>> scores_;  // Of the block at hand.
  std::uint64_t block_first_ = 0;
};

}  // namespace segue
