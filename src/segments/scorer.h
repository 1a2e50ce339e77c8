// A Scorer takes a block of customers from columns to features, scores and the raw segment.
//
// It is also the Inputs of the model's own expressions: bare features and scores are read from its
// buffers, everything else from the population.  Nothing is stored here; settling is segments.h.
//
//   Scorer scorer(model, people, moment);
//   scorer.Load(first, count);              // features, and who is in the model
//   scorer.ComputeScores(lines, settled, margins);  // scores, in their order
//   scorer.ComputeAnswers();                      // the segment of each

#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "config/definitions.h"
#include "expression/execute.h"
#include "segments/key_codes.h"
#include "segments/score.h"
#include "segments/score_table.h"
#include "segments/segments.h"

namespace segue {

// A settled score of cuts or fifths: 0 none, else the score, with the top bit set when the value
// was missing.
using StepCode = std::uint16_t;
constexpr StepCode kNoData = 0x8000;

inline int StepOf(StepCode code) {
  return code & ~kNoData;
}

// Settled scores of all customers, for margins: one column per score, empty for scores without
// lines.
using SettledSteps = std::vector<std::vector<StepCode>>;

// What was read of everybody to learn scores from: the value of each, NaN for those who take no
// part.
struct Values {
  std::vector<std::vector<double>> by_score;
  std::vector<bool> read;  // At this slot; what else there is, is of an earlier one.
};

// Customers that one thread works on at a time: whole blocks of what is stored.
constexpr CustomerIndex kPartCustomers = 16 * 4096;

class Scorer final : public Inputs {
 public:
  // `keys` may be null; `inputs` is read in place of the population's where it is not; `values`,
  // where it is not null, need not be worked out again.  Requires: all outlive it.
  Scorer(const Model& model, const Population& people, Moment moment,
         const KeyCodes* keys = nullptr, const Inputs* inputs = nullptr,
         const Values* values = nullptr);

  // Requires: count <= kBlock.
  void Load(CustomerIndex first, std::size_t count);
  // The block that another one of the same model has loaded.
  void LoadFrom(const Scorer& other);
  // `lines` has one entry per score.  `settled` may be null: no margins; else `margins` says which
  // scores have one. `until` stops before that score (its number if all are wanted).
  void ComputeScores(const std::vector<LineSet>& lines, const SettledSteps* settled,
                     const std::vector<bool>& margins, std::size_t until);
  void ComputeAnswers();
  // The value of `from` of one score, NaN outside the model.  Requires: the scores that it reads
  // are scored.
  void ReadFrom(std::size_t score, std::span<double> out);

  std::size_t count() const { return count_; }

  bool inside(std::size_t i) const { return inside_[i] == 1.0; }

  SegmentIndex answer(std::size_t i) const { return answers_[i]; }

  std::span<const SegmentIndex> answers() const { return std::span(answers_).first(count_); }

  double feature(std::size_t feature, std::size_t i) const { return Feature(feature)[i]; }

  double score(std::size_t score, std::size_t i) const { return scores_[score][i]; }

  std::span<const double> scores(std::size_t score) const {
    return std::span(scores_[score]).first(count_);
  }

  std::span<const std::uint8_t> no_data(std::size_t score) const {
    return std::span(no_data_[score]).first(count_);
  }

  bool no_data(std::size_t score, std::size_t i) const { return no_data_[score][i] != 0; }

  // Whether a condition of this model holds, for each of the block.
  void Execute(const Expr& expr, std::span<double> out) const;

  const Moment& moment() const { return moment_; }

  void Read(const Leaf& leaf, CustomerIndex first, std::span<double> out) const override;

 private:
  // Of the block, worked out when it is first asked for: mostly the values of scores are known.
  const std::vector<double>& Feature(std::size_t feature) const;
  // What `from` of a score gives for each of the block; stands until the next call.
  std::span<const double> ValuesOf(std::size_t score);
  void ScoreLines(std::size_t score, const LineSet& lines, const std::vector<StepCode>* settled);
  void ScorePlain(std::size_t score, const LineSet& lines);
  // Adds the lines that each is above, which keys decide where values are the same.
  void CountByKey(std::span<const double> values, const LineSet& lines,
                  std::vector<double>& above) const;
  void ScorePoints(std::size_t score);

  const Model& model_;
  const Population& people_;
  const Inputs& inputs_;
  Moment moment_;
  const KeyCodes* keys_;
  const Values* values_;
  ScoreTable table_;
  // First segment of each cell of the grid, by its scores read as one decimal number.
  std::map<std::int64_t, SegmentIndex> cells_;
  CustomerIndex first_ = 0;
  std::size_t count_ = 0;
  std::size_t room_;  // Of the vectors: a block, or everybody where they are fewer.
  mutable std::vector<std::vector<double>> features_;  // Of the block, where loaded_.
  mutable std::vector<bool> loaded_;
  std::vector<std::vector<double>> scores_;
  std::vector<std::vector<std::uint8_t>> no_data_;
  std::vector<double> inside_, scratch_;
  std::vector<std::uint32_t> cell_;  // Of the table, by the dimensions scored so far.
  std::vector<SegmentIndex> answers_;
};

// A score kept inside its range; missing takes the low end of a range.
double KeepInside(const Score& score, double value);

// The lines of the scores that have them in the file; learned ones are left empty.
std::vector<LineSet> FixedLines(const Model& model);

}  // namespace segue
