// The pure pass: a block of customers through one model.

#include "segments/scorer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

#include "base/check.h"
#include "segments/lanes.h"

namespace segue {
namespace {

// A grid has at most nine scores of at most nine steps, since a cell is written as one number of
// one digit each.
std::int64_t CellNumber(const std::vector<int>& cell) {
  std::int64_t number = 0;
  for (const int score : cell) {
    number = number * 10 + score;
  }
  return number;
}

}  // namespace

double KeepInside(const Score& score, double value) {
  if (!score.range) {
    return value;
  }
  return std::isnan(value) ? score.range->first
                           : std::clamp(value, score.range->first, score.range->second);
}

std::vector<LineSet> FixedLines(const Model& model) {
  std::vector<LineSet> all(model.scores.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i].at = model.scores[i].cuts;
  }
  return all;
}

Scorer::Scorer(const Model& model, const Population& people, Moment moment, const KeyCodes* keys,
               const Inputs* inputs, std::span<const ScoreValues> read)
    : model_(model),
      people_(people),
      inputs_(inputs != nullptr ? *inputs : people.inputs()),
      moment_(moment),
      keys_(keys),
      read_(read),
      table_(model, moment, people.count()),
      room_(std::clamp<std::size_t>(people.count(), 1, kBlock)),
      features_(model.features.size()),
      loaded_(model.features.size(), false),
      codes_(model.scores.size()),
      scores_(model.scores.size(), std::vector<double>(room_)),
      counted_(model.scores.size(), true),
      inside_(room_),
      scratch_(room_),
      cell_(room_, 0),
      answers_(room_, kNoSegment) {
  for (std::size_t score = 0; score < codes_.size(); ++score) {
    codes_[score].resize(model.scores[score].steps() > 0 ? room_ : 0);
  }
  for (std::size_t segment = 0; segment < model.segments.size(); ++segment) {
    for (const std::vector<int>& cell : model.segments[segment].cells) {
      cells_.emplace(CellNumber(cell), static_cast<SegmentIndex>(segment));
    }
  }
}

void Scorer::Load(CustomerIndex first, std::size_t count) {
  SEGUE_CHECK(count <= room_);
  first_ = first;
  count_ = count;
  loaded_.assign(loaded_.size(), false);
  if (model_.who) {
    Execute(model_.who->expr, std::span(inside_).first(count));
    all_inside_ = AreOne(std::span(inside_).first(count));
  } else {
    all_inside_ = true;
  }
}

void Scorer::LoadFrom(const Scorer& other) {
  first_ = other.first_;
  count_ = other.count_;
  loaded_.assign(loaded_.size(), false);
  all_inside_ = other.all_inside_;
  if (!all_inside_) {
    inside_ = other.inside_;
  }
}

const std::vector<double>& Scorer::Feature(std::size_t feature) const {
  std::vector<double>& values = features_[feature];
  if (!loaded_[feature]) {
    values.resize(room_);
    Execute(model_.features[feature].value.expr, std::span(values).first(count_));
    loaded_[feature] = true;
  }
  return values;
}

const std::vector<double>& Scorer::Scored(std::size_t score) const {
  if (!counted_[score]) {
    NumbersOf(codes(score), scores_[score]);
    counted_[score] = true;
  }
  return scores_[score];
}

std::span<const double> Scorer::ValuesOf(std::size_t score) {
  if (!read_.empty() && read_[score].as == ScoreValues::As::kValues) {
    return std::span(read_[score].values).subspan(first_, count_);
  }
  const std::span<double> out = std::span(scratch_).first(count_);
  Execute(model_.scores[score].from->expr, out);
  return out;
}

void Scorer::Execute(const Expr& expr, std::span<double> out) const {
  ExecuteBlock(expr, *this, moment_, first_, out);
}

void Scorer::Read(const Leaf& leaf, CustomerIndex first, std::span<double> out) const {
  const std::vector<double>* own = nullptr;
  if (leaf.kind == Leaf::Kind::kOwnFeature) {
    const auto feature = static_cast<std::size_t>(leaf.index);
    if (out.size() == 1 && !loaded_[feature]) {
      // Why one of them moved is no reason to work it out for all.
      ExecuteBlock(model_.features[feature].value.expr, *this, moment_, first, out);
      return;
    }
    own = &Feature(feature);
  } else if (leaf.kind == Leaf::Kind::kOwnScore) {
    own = &Scored(static_cast<std::size_t>(leaf.index));
  } else {
    inputs_.Read(leaf, first, out);
    return;
  }
  SEGUE_CHECK(first >= first_ && first - first_ + out.size() <= count_);
  std::copy_n(own->begin() + (first - first_), out.size(), out.begin());
}

void Scorer::ComputeScores(const std::vector<LineSet>& lines, const SettledSteps* settled,
                           const std::vector<bool>& margins, std::size_t until) {
  std::fill_n(cell_.begin(), count_, 0U);
  for (std::size_t index = 0; index < until; ++index) {
    const Score& score = model_.scores[index];
    if (score.steps() > 0) {
      const bool margin = settled != nullptr && margins[index];
      if (margin && model_.margin_percent > 0) {
        ScoreLines(index, lines[index], &(*settled)[index]);
      } else {
        ScorePlain(index, lines[index]);
      }
      counted_[index] = false;
      if (const std::uint32_t stride = table_.stride(index); stride > 0) {
        AddSteps(codes(index), stride, cell_);
      }
    } else if (table_.derives(index)) {
      LookUp(table_.values(index), std::span(cell_).first(count_), scores_[index]);
      for (std::size_t i = 0; !table_.is_final(index) && i < count_; ++i) {
        scores_[index][i] = KeepInside(score, scores_[index][i]);
      }
    } else if (!score.points.empty()) {
      ScorePoints(index);
    } else {
      Execute(score.from->expr, std::span(scores_[index]).first(count_));
      for (std::size_t i = 0; i < count_; ++i) {
        scores_[index][i] = KeepInside(score, scores_[index][i]);
      }
    }
  }
}

// Without margins the score is the number of lines below the value: no branch.
void Scorer::ScorePlain(std::size_t index, const LineSet& lines) {
  const Score& score = model_.scores[index];
  const bool rank = score.fifths && score.fifths->of_rank;
  const bool by_key = rank && !lines.keys.empty();
  if (lines.at.empty() || (by_key && (keys_ == nullptr || keys_->numeric() != lines.numeric_keys ||
                                      keys_->all().size() < first_ + count_))) {
    ScoreLines(index, lines, nullptr);
    return;
  }
  const bool closed = !by_key && (rank || score.closed_left());
  const std::vector<Bound>& bounds = BoundsOf(lines);
  if (!read_.empty() && read_[index].as == ScoreValues::As::kSieve &&
      ScoreSifted(index, lines, bounds, closed)) {
    return;
  }
  const std::span<const double> values = ValuesOf(index);
  std::vector<double>& above = scores_[index];  // Room that is there.
  std::fill_n(above.begin(), count_, 0.0);
  if (by_key) {
    CountByKey(values, lines, bounds, above);
  }
  for (std::size_t line = 0; !by_key && line < lines.at.size(); ++line) {
    CountAbove(values, lines.at[line], closed, above);
  }
  CodesOf(values, above, lines.at.size(), score.best_low, codes_[index]);
}

const std::vector<Bound>& Scorer::BoundsOf(const LineSet& lines) {
  bounds_.clear();
  for (std::size_t line = 0; line < lines.at.size(); ++line) {
    bounds_.push_back({lines.at[line], lines.keys.empty() ? 0 : keys_->Of(lines.keys[line])});
  }
  return bounds_;
}

bool Scorer::ScoreSifted(std::size_t index, const LineSet& lines, const std::vector<Bound>& bounds,
                         bool closed) {
  const Sieve& sieve = read_[index].sieve;
  behind_.clear();
  for (const Bound& bound : bounds) {
    const std::optional<std::size_t> range = sieve.RangeOf(bound);
    if (!range) {
      return false;
    }
    behind_.push_back(static_cast<std::uint8_t>(2 * *range + 2));
  }
  const bool best_low = model_.scores[index].best_low;
  CodesOfPassed(sieve.passed(first_, count_), behind_, best_low, codes_[index]);
  for (const PersonAt& one : sieve.Within(first_, count_)) {
    std::size_t above = 0;
    const auto range = [&] { return behind_[above] / 2U - 1; };
    while (above < bounds.size() &&
           (range() < one.range ||
            (range() == one.range && IsAbove(one, lines, above, bounds[above], closed)))) {
      ++above;  // Lines ascend.
    }
    codes_[index][one.person - first_] =
        static_cast<StepCode>(best_low ? bounds.size() + 1 - above : above + 1);
  }
  return true;
}

bool Scorer::IsAbove(const PersonAt& one, const LineSet& lines, std::size_t line,
                     const Bound& bound, bool closed) const {
  if (one.bound.value != bound.value || lines.keys.empty()) {
    return one.bound.value > bound.value || (closed && one.bound.value == bound.value);
  }
  return one.bound.code > bound.code ||
         (one.bound.code == bound.code &&
          !KeyLess(people_.Key(static_cast<CustomerIndex>(one.person)), lines.keys[line],
                   lines.numeric_keys));
}

void Scorer::CountByKey(std::span<const double> values, const LineSet& lines,
                        std::span<const Bound> bounds, std::vector<double>& above) const {
  const std::span<const std::uint64_t> codes = keys_->all().subspan(first_, count_);
  if (!CountAboveByKey(values, codes, bounds, above)) {
    return;
  }
  for (std::size_t line = 0; line < bounds.size(); ++line) {
    for (std::size_t i = 0; i < count_; ++i) {
      if (values[i] == bounds[line].value && codes[i] == bounds[line].code &&
          !KeyLess(people_.Key(first_ + static_cast<CustomerIndex>(i)), lines.keys[line],
                   lines.numeric_keys)) {
        above[i] += 1;
      }
    }
  }
}

void Scorer::ScoreLines(std::size_t index, const LineSet& lines,
                        const std::vector<StepCode>* settled) {
  const Score& score = model_.scores[index];
  const bool rank = score.fifths && score.fifths->of_rank;
  const bool closed_left = score.closed_left();
  const std::span<const double> values = ValuesOf(index);
  for (std::size_t i = 0; i < count_; ++i) {
    const CustomerIndex customer = first_ + static_cast<CustomerIndex>(i);
    const double value = values[i];
    int previous = 0;
    if (settled != nullptr && customer < settled->size()) {
      const StepCode code = (*settled)[customer];
      previous = (code & kNoData) != 0 ? 0 : StepOf(code);
    }
    const int step =
        rank ? RankScoreOf(value, lines.keys.empty() ? std::string_view() : people_.Key(customer),
                           lines, score.best_low, model_.margin_percent, previous)
             : ScoreOf(value, lines.at, score.best_low, closed_left, model_.margin_percent,
                       previous);
    codes_[index][i] = static_cast<StepCode>(
        step | (std::isnan(value) || lines.at.empty() ? kNoData : StepCode{0}));
  }
}

void Scorer::ScorePoints(std::size_t index) {
  const Score& score = model_.scores[index];
  std::fill_n(scores_[index].begin(), count_, 0.0);
  for (const Points& points : score.points) {
    Execute(points.when.expr, std::span(scratch_).first(count_));
    for (std::size_t i = 0; i < count_; ++i) {
      scores_[index][i] += IsTrue(scratch_[i]) ? points.add : 0;
    }
  }
  for (std::size_t i = 0; i < count_; ++i) {
    scores_[index][i] = KeepInside(score, scores_[index][i]);
  }
}

void Scorer::ReadFrom(std::size_t score, std::span<double> out) {
  Execute(model_.scores[score].from->expr, out);
  if (!all_inside_) {
    Blank(inside_, out);
  }
}

void Scorer::ComputeAnswers() {
  if (table_.known()) {
    const SegmentIndex* const answers = table_.answers().data();
    const std::uint32_t* const cell = cell_.data();
    const double* const inside = inside_.data();
    SegmentIndex* const out = answers_.data();
    for (std::size_t i = 0; i < count_; ++i) {
      out[i] = answers[cell[i]];
    }
    for (std::size_t i = 0; !all_inside_ && i < count_; ++i) {
      out[i] = inside[i] == 1.0 ? out[i] : kNoSegment;
    }
    return;
  }
  std::fill_n(answers_.begin(), count_, kNoSegment);
  const auto win = [&](std::size_t i, std::size_t segment) {
    answers_[i] =
        std::min(answers_[i], static_cast<SegmentIndex>(segment));  // The first match wins.
  };
  for (std::size_t i = 0; !cells_.empty() && i < count_; ++i) {
    std::int64_t number = 0;
    for (const int score : model_.grid) {
      const double value = Scored(static_cast<std::size_t>(score))[i];
      // A score off the grid (missing, a fraction, more than one digit) makes it no cell at all.
      const bool digit = value >= 0 && value <= 9 && value == std::floor(value);
      number = digit && number >= 0 ? number * 10 + static_cast<std::int64_t>(value) : -1;
    }
    if (const auto cell = cells_.find(number); cell != cells_.end()) {
      win(i, cell->second);
    }
  }
  for (std::size_t segment = 0; segment < model_.segments.size(); ++segment) {
    const Segment& rule = model_.segments[segment];
    if (rule.when) {
      Execute(rule.when->expr, std::span(scratch_).first(count_));
    }
    for (std::size_t i = 0; i < count_; ++i) {
      if (rule.otherwise || (rule.when && IsTrue(scratch_[i]))) {
        win(i, segment);
      }
    }
  }
  for (std::size_t i = 0; i < count_; ++i) {
    if (!inside(i)) {
      answers_[i] = kNoSegment;
    }
  }
}

}  // namespace segue
