// Texts about scores and rules.

#include "segments/why.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/text.h"

namespace segue {
namespace {

// As {:g}, which takes ten times as long for the whole numbers that most scores are.
std::string Number(double value) {
  constexpr double kWithExponent = 1e6;
  if (std::isnan(value)) {
    return "no data";
  }
  if (value == std::trunc(value) && value > 0 && value < kWithExponent) {
    return fmt::format_int(static_cast<std::int64_t>(value)).str();
  }
  return fmt::format("{:g}", value);
}

std::string Typed(const WhyContext& context, const ExprType& type, double value) {
  return std::isnan(value)
             ? "no data"
             : FormatTyped(type, value, context.workspace.pool.get(), &context.workspace.schema);
}

double Value(const WhyContext& context, const Expr& expr, CustomerIndex customer,
             Trace* trace = nullptr) {
  return ExecuteOne(expr, context.scorer, context.scorer.moment(), customer,
                    context.workspace.pool.get(), &context.workspace.schema, trace);
}

// "recency 23d 16h, customer.plan team": everything that a condition read, each once.
std::string Read(const WhyContext& context, const Expr& expr, CustomerIndex customer) {
  Trace trace;
  Value(context, expr, customer, &trace);
  std::vector<std::string> texts;
  for (const TraceEntry& entry : trace) {
    if (std::find(texts.begin(), texts.end(), entry.text) == texts.end()) {
      texts.push_back(entry.text);
    }
  }
  return Join(texts, ", ");
}

std::string TruePoints(const WhyContext& context, const Score& score, CustomerIndex customer) {
  std::vector<std::string> texts;
  for (const Points& points : score.points) {
    if (IsTrue(Value(context, points.when.expr, customer))) {
      texts.push_back(fmt::format("{} {:+g}", points.when.text, points.add));
    }
  }
  return texts.empty() ? "none of its lines is true" : Join(texts, ", ");
}

// "recency 23d 16h > 21d + 5 %": the outermost line that was crossed.
std::string Crossing(const WhyContext& context, std::size_t index, CustomerIndex customer,
                     int old_score, int score_now, bool margin) {
  const Score& score = context.model.scores[index];
  const LineSet& lines = context.lines[index];
  const double value = Value(context, score.from->expr, customer);
  std::string text = score.from->text + " " + Typed(context, score.from->expr.type, value);
  if (std::isnan(value)) {
    return text;
  }
  if (lines.at.empty()) {
    return text + ", no lines yet";
  }
  const int count = static_cast<int>(lines.at.size());
  const auto below = [&](int step) { return score.best_low ? count + 1 - step : step - 1; };
  const bool up = below(score_now) > below(old_score);
  const auto line = static_cast<std::size_t>(up ? below(score_now) - 1 : below(score_now));
  const bool closed_left = score.closed_left() || (score.fifths && score.fifths->of_rank);
  const std::string_view sign = up ? (closed_left ? ">=" : ">") : (closed_left ? "<" : "<=");
  text += ' ';
  text += sign;
  text += ' ' + Typed(context, score.from->expr.type, lines.at[line]);
  if (margin) {
    text += fmt::format(" {} {:g} %", up ? '+' : '-', context.model.margin_percent);
  }
  return text;
}

std::string ChangeOf(const WhyContext& context, std::size_t index, CustomerIndex customer,
                     double before, double now) {
  const Score& score = context.model.scores[index];
  const std::string change = score.name + ' ' + Number(before) + "→" + Number(now);
  if (score.steps() > 0 && !std::isnan(before)) {
    const bool margin =
        context.margins[index] && (context.state.steps()[index][customer] & kNoData) == 0;
    return change + " (" +
           Crossing(context, index, customer, static_cast<int>(before), static_cast<int>(now),
                    margin) +
           ')';
  }
  if (!score.points.empty()) {
    return fmt::format("{} ({})", change, TruePoints(context, score, customer));
  }
  return score.from && score.from->text != score.name
             ? fmt::format("{} ({})", change, score.from->text)
             : change;
}

std::string Rule(const WhyContext& context, CustomerIndex customer, SegmentIndex segment) {
  if (segment >= context.model.segments.size() || !context.model.segments[segment].when) {
    return "";
  }
  return Read(context, context.model.segments[segment].when->expr, customer);
}

std::string ExplainScore(const WhyContext& context, std::size_t index, CustomerIndex customer) {
  const Score& score = context.model.scores[index];
  const double now = context.scorer.score(index, 0);
  if (!score.points.empty()) {
    return fmt::format("{}: {} ({})", score.name, Number(now),
                       TruePoints(context, score, customer));
  }
  if (score.steps() == 0) {
    return fmt::format("{}: {} ({})", score.name, Number(now), score.from->text);
  }
  const ExprType& type = score.from->expr.type;
  const double value = Value(context, score.from->expr, customer);
  std::vector<std::string> lines;
  for (const double line : context.lines[index].at) {
    lines.push_back(std::isinf(line) ? "nobody" : Typed(context, type, line));
  }
  std::string text = fmt::format("{}: {} of {} ({} {}; {}", score.name, Number(now), score.steps(),
                                 score.from->text, Typed(context, type, value),
                                 lines.empty() ? "no lines yet" : "lines " + Join(lines, ", "));
  const bool known = customer < context.state.count();
  const double before = known ? context.state.score(index, customer) : std::nan("");
  if (!std::isnan(before)) {
    text += fmt::format("; was {}", Number(before));
    if (context.margins[index] && (context.state.steps()[index][customer] & kNoData) == 0) {
      text += fmt::format(", margin {:g} %", context.model.margin_percent);
    }
  }
  return text + ")";
}

std::string ExplainRule(const WhyContext& context, CustomerIndex customer) {
  const SegmentIndex answer = context.scorer.answer(0);
  if (answer == kNoSegment) {
    return "answer: none, no segment fits";
  }
  const Segment& segment = context.model.segments[answer];
  if (segment.when) {
    return fmt::format("answer: {}, because {} ({})", segment.id, segment.when->text,
                       Rule(context, customer, answer));
  }
  if (segment.otherwise) {
    return fmt::format("answer: {}, because nothing above it fits", segment.id);
  }
  std::string cell;
  for (const int score : context.model.grid) {
    cell += Number(context.scorer.score(static_cast<std::size_t>(score), 0));
  }
  return fmt::format("answer: {}, because of cell {}", segment.id, cell);
}

}  // namespace

std::string WhyChanged(const WhyContext& context, CustomerIndex customer, std::size_t i,
                       SegmentIndex from, SegmentIndex to) {
  if (to == kNoSegment && context.model.who && !context.scorer.inside(i)) {
    return fmt::format("no longer in the model: {} is not so ({})", context.model.who->text,
                       Read(context, context.model.who->expr, customer));
  }
  std::vector<std::string> changes;
  for (std::size_t score = 0; score < context.model.scores.size(); ++score) {
    const double before = context.state.score(score, customer);
    const double now = context.scorer.score(score, i);
    if (before != now && !(std::isnan(before) && std::isnan(now))) {
      changes.push_back(ChangeOf(context, score, customer, before, now));
    }
  }
  if (!changes.empty()) {
    return Join(changes, ", ");
  }
  const std::string rule = Rule(context, customer, to);
  return rule.empty() ? Rule(context, customer, from) : rule;
}

std::string WhyPlaced(const WhyContext& context, std::size_t i) {
  std::vector<std::string> scores;
  for (std::size_t score = 0; score < context.model.scores.size(); ++score) {
    scores.push_back(context.model.scores[score].name + " " +
                     Number(context.scorer.score(score, i)));
  }
  return scores.empty() ? "new in the model" : "new in the model: " + Join(scores, ", ");
}

std::string HeldFor(const Hold& hold) {
  if (hold.time > Duration::zero()) {
    return ", the same for " + FormatDuration(hold.time);
  }
  return hold.runs > 1 ? fmt::format(", the same in {} runs", hold.runs) : "";
}

std::vector<std::string> ExplainAnswer(const WhyContext& context, CustomerIndex customer) {
  const Model& model = context.model;
  std::vector<std::string> lines;
  if (model.who) {
    const bool inside = context.scorer.inside(0);
    lines.push_back(fmt::format("who: {} is {} ({})", model.who->text, inside ? "yes" : "no",
                                Read(context, model.who->expr, customer)));
    if (!inside) {
      lines.emplace_back("answer: none, not in the model");
      return lines;
    }
  }
  for (std::size_t i = 0; i < model.features.size(); ++i) {
    const Feature& feature = model.features[i];
    lines.push_back(feature.name + ": " +
                    Typed(context, feature.value.expr.type, context.scorer.feature(i, 0)));
  }
  for (std::size_t i = 0; i < model.scores.size(); ++i) {
    lines.push_back(ExplainScore(context, i, customer));
  }
  lines.push_back(ExplainRule(context, customer));
  return lines;
}

}  // namespace segue
