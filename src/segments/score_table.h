// What a model answers for each combination of its stepped scores, where nothing else decides:
// worked out once, by the usual executor, and then looked up.

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "config/definitions.h"
#include "expression/execute.h"

namespace segue {

class ScoreTable {
 public:
  // Of no use where there are more combinations than `people`.
  ScoreTable(const Model& model, Moment moment, CustomerIndex people);

  // Whether the segments ask about nothing but scores of cuts and fifths, and scores made of those.
  bool known() const { return known_; }

  // What one step of this score is worth in the number of a cell; 0: it is no dimension.
  std::uint32_t stride(std::size_t score) const { return strides_[score]; }

  // Whether the score follows from the dimensions before it.
  bool derives(std::size_t score) const { return !values_[score].empty(); }

  // Whether its values are never missing and have no range to be kept inside of.
  bool is_final(std::size_t score) const { return final_[score]; }

  // By cell; before it is kept inside a range.
  std::span<const double> values(std::size_t score) const { return values_[score]; }

  std::span<const SegmentIndex> answers() const { return answers_; }

 private:
  class Cells;

  bool Need(const Model& model, const Expr& expr, std::vector<bool>& needed) const;
  bool FindScores(const Model& model, std::vector<bool>& needed) const;
  void Fill(const Model& model, const Moment& moment, const std::vector<bool>& needed);

  bool known_ = false;
  std::vector<std::uint32_t> strides_;
  std::vector<std::vector<double>> values_;
  std::vector<bool> final_;
  std::vector<SegmentIndex> answers_;
};

}  // namespace segue
