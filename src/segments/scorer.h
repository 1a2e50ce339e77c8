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

// Settled scores of all customers, for margins: one column per score, empty for scores without
// lines.
using SettledSteps = std::vector<std::vector<StepCode>>;

// What was read of everybody to learn a score from: the value of each, NaN for those who take no
// part, or what a sieve found between where the lines lay before.
struct ScoreValues {
  enum class As : std::uint8_t { kNothing, kValues, kSieve };

  As as = As::kNothing;  // At this slot; what else there is, is of an earlier one.
  std::vector<double> values;
  Sieve sieve;
  FitHint hint;  // Where the next pass looks first.
};

// Customers that one thread works on at a time: whole blocks of what is stored.
constexpr CustomerIndex kPartCustomers = Sieve::kPart;

class Scorer final : public Inputs {
 public:
  // `keys` may be null; `inputs` is read in place of the population's where it is not; what was
  // `read`, by score, need not be worked out again.  Requires: all outlive it.
  Scorer(const Model& model, const Population& people, Moment moment,
         const KeyCodes* keys = nullptr, const Inputs* inputs = nullptr,
         std::span<const ScoreValues> read = {});

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

  bool inside(std::size_t i) const { return all_inside_ || inside_[i] == 1.0; }

  bool all_inside() const { return all_inside_; }

  SegmentIndex answer(std::size_t i) const { return answers_[i]; }

  std::span<const SegmentIndex> answers() const { return std::span(answers_).first(count_); }

  double feature(std::size_t feature, std::size_t i) const { return Feature(feature)[i]; }

  double score(std::size_t score, std::size_t i) const {
    return counted_[score] ? scores_[score][i] : StepOf(codes_[score][i]);
  }

  std::span<const double> scores(std::size_t score) const {
    return std::span(Scored(score)).first(count_);
  }

  // Requires: the score has steps.
  std::span<const StepCode> codes(std::size_t score) const {
    return std::span(codes_[score]).first(count_);
  }

  // Whether a condition of this model holds, for each of the block.
  void Execute(const Expr& expr, std::span<double> out) const;

  const Moment& moment() const { return moment_; }

  void Read(const Leaf& leaf, CustomerIndex first, std::span<double> out) const override;

 private:
  // Of the block, worked out when it is first asked for: mostly the values of scores are known.
  const std::vector<double>& Feature(std::size_t feature) const;
  // Of the block.  Where it has steps, they are put into numbers when they are first asked for.
  const std::vector<double>& Scored(std::size_t score) const;
  // What `from` of a score gives for each of the block; stands until the next call.
  std::span<const double> ValuesOf(std::size_t score);
  void ScoreLines(std::size_t score, const LineSet& lines, const std::vector<StepCode>* settled);
  void ScorePlain(std::size_t score, const LineSet& lines);
  // By what a sieve found; false where a line lies outside of its ranges.
  bool ScoreSifted(std::size_t score, const LineSet& lines, const std::vector<Bound>& bounds,
                   bool closed);
  bool IsAbove(const PersonAt& one, const LineSet& lines, std::size_t line, const Bound& bound,
               bool closed) const;
  // The lines, and their keys' codes where ties go by key.
  const std::vector<Bound>& BoundsOf(const LineSet& lines);
  // Adds the lines that each is above, which keys decide where values are the same.
  void CountByKey(std::span<const double> values, const LineSet& lines,
                  std::span<const Bound> bounds, std::vector<double>& above) const;
  void ScorePoints(std::size_t score);

  const Model& model_;
  const Population& people_;
  const Inputs& inputs_;
  Moment moment_;
  const KeyCodes* keys_;
  std::span<const ScoreValues> read_;
  ScoreTable table_;
  // First segment of each cell of the grid, by its scores read as one decimal number.
  std::map<std::int64_t, SegmentIndex> cells_;
  CustomerIndex first_ = 0;
  std::size_t count_ = 0;
  std::size_t room_;  // Of the vectors: a block, or everybody where they are fewer.
  mutable std::vector<std::vector<double>> features_;  // Of the block, where loaded_.
  mutable std::vector<bool> loaded_;
  std::vector<std::vector<StepCode>> codes_;         // Of scores with steps.
  mutable std::vector<std::vector<double>> scores_;  // Of the others, and where counted_.
  mutable std::vector<bool> counted_;
  std::vector<double> inside_, scratch_;
  bool all_inside_ = true;            // Then nothing stands in inside_.
  std::vector<Bound> bounds_;         // Of the lines that are looked at.
  std::vector<std::uint8_t> behind_;  // For each of them, what somebody behind it has passed.
  std::vector<std::uint32_t> cell_;   // Of the table, by the dimensions scored so far.
  std::vector<SegmentIndex> answers_;
};

// A score kept inside its range; missing takes the low end of a range.
double KeepInside(const Score& score, double value);

// The lines of the scores that have them in the file; learned ones are left empty.
std::vector<LineSet> FixedLines(const Model& model);

}  // namespace segue
