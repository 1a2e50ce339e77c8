// The lint of a model's segments: gaps, segments that never win, order that decides, margins
// without a line.

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/text.h"
#include "segments/cases.h"
#include "segments/score.h"

namespace segue {
namespace {

// What running through all cases showed.
struct Findings {
  std::map<std::uint64_t, bool> gaps;  // Cell to whether every one of its cases matches nothing.
  std::optional<std::uint64_t> first_gap;
  std::vector<bool> wins, matches;
  std::vector<std::set<std::size_t>> hidden_by;
  std::set<std::uint64_t> contested;  // Cells in which two segments match.
  std::map<std::pair<std::size_t, std::size_t>, std::set<std::uint64_t>> pairs;
};

Findings RunThrough(const Model& model, Cases& cases) {
  const std::size_t segments = model.segments.size();
  Findings findings;
  findings.wins.resize(segments);
  findings.matches.resize(segments);
  findings.hidden_by.resize(segments);
  const bool otherwise = !model.segments.empty() && model.segments.back().otherwise;
  const std::uint64_t cases_per_cell = cases.count() / cases.cells();
  std::map<std::uint64_t, std::uint64_t> unmatched;
  std::vector<std::vector<bool>> matches;
  for (std::uint64_t first = 0; first < cases.count(); first += kBlock) {
    const std::size_t n = std::min<std::uint64_t>(kBlock, cases.count() - first);
    cases.Match(first, n, matches);
    for (std::size_t i = 0; i < n; ++i) {
      const std::uint64_t cell = (first + i) / cases_per_cell;
      std::size_t winner = segments;
      for (std::size_t segment = 0; segment < segments; ++segment) {
        if (!matches[segment][i]) {
          continue;
        }
        findings.matches[segment] = true;
        if (winner == segments) {
          winner = segment;
          findings.wins[segment] = true;
        } else {
          findings.hidden_by[segment].insert(winner);
          findings.contested.insert(cell);
          findings.pairs[{winner, segment}].insert(cell);
        }
      }
      if (winner == segments && !otherwise) {
        ++unmatched[cell];
        findings.first_gap = findings.first_gap.value_or(first + i);
      }
    }
  }
  for (const auto& [cell, count] : unmatched) {
    findings.gaps.emplace(cell, count == cases_per_cell);
  }
  return findings;
}

// A block of cells: from..to in each dimension.
using Box = std::vector<std::pair<int, int>>;

// Cells as boxes: runs along the last dimension first, then equal neighbours along the ones before.
std::vector<Box> Boxes(const Cases& cases, const std::map<std::uint64_t, bool>& cells) {
  const std::size_t dimensions = cases.dimensions().size();
  std::vector<Box> boxes;
  for (const auto& [cell, always] : cells) {
    Box box(dimensions);
    std::uint64_t rest = cell;
    for (std::size_t d = dimensions; d-- > 0;) {
      const std::uint64_t steps = cases.variables()[cases.dimensions()[d]].values.size();
      const int step = static_cast<int>(rest % steps) + 1;
      box[d] = {step, step};
      rest /= steps;
    }
    boxes.push_back(std::move(box));
  }
  for (std::size_t d = dimensions; d-- > 0;) {
    std::vector<Box> merged;
    for (const Box& box : boxes) {
      const auto joins = [&](const Box& other) {
        for (std::size_t k = 0; k < dimensions; ++k) {
          if (k != d && other[k] != box[k]) {
            return false;
          }
        }
        return other[d].second + 1 == box[d].first;
      };
      const auto found = std::find_if(merged.begin(), merged.end(), joins);
      if (found == merged.end()) {
        merged.push_back(box);
      } else {
        (*found)[d].second = box[d].second;
      }
    }
    boxes = std::move(merged);
  }
  return boxes;
}

// "r=1, f=2, m=1..3; r=2, f=1..5, m=1"; at most three of them.
std::string DescribeCells(const Cases& cases, const std::map<std::uint64_t, bool>& cells) {
  constexpr std::size_t kShown = 3;
  const std::vector<Box> boxes = Boxes(cases, cells);
  std::vector<std::string> texts;
  for (std::size_t b = 0; b < boxes.size() && b < kShown; ++b) {
    std::vector<std::string> parts;
    for (std::size_t d = 0; d < boxes[b].size(); ++d) {
      const auto& [from, to] = boxes[b][d];
      const Cases::Variable& variable = cases.variables()[cases.dimensions()[d]];
      parts.push_back(from == to ? fmt::format("{}={}", variable.name, from)
                                 : fmt::format("{}={}..{}", variable.name, from, to));
    }
    texts.push_back(Join(parts, ", "));
  }
  if (boxes.size() > kShown) {
    texts.push_back(fmt::format("and {} more", boxes.size() - kShown));
  }
  return Join(texts, "; ");
}

// "tenure no data, customer.status another text": what else is so in that case.
std::string DescribeRest(const Cases& cases, std::uint64_t which, const Workspace& workspace) {
  std::vector<std::string> texts;
  for (std::size_t v = 0; v < cases.variables().size(); ++v) {
    const Cases::Variable& variable = cases.variables()[v];
    if (!variable.dimension) {
      texts.push_back(variable.name + " " +
                      FormatTyped(variable.type, cases.ValueOf(which, v), workspace.pool.get(),
                                  &workspace.schema));
    }
  }
  return Join(texts, ", ");
}

std::string_view Cells(std::uint64_t count) {
  return count == 1 ? "cell" : "cells";
}

void SayGaps(const Model& model, const Workspace& workspace, const Cases& cases,
             const Findings& findings, Diagnostics& out) {
  if (!findings.first_gap) {
    return;
  }
  Diagnostic gap{Severity::kError,
                 "SG010",
                 model.place,
                 "",
                 "",
                 "end the segments with one that says `when: otherwise`"};
  const bool always = std::all_of(findings.gaps.begin(), findings.gaps.end(),
                                  [](const auto& one) { return one.second; });
  const std::string rest = DescribeRest(cases, *findings.first_gap, workspace);
  if (cases.dimensions().empty()) {
    gap.message = rest.empty()
                      ? fmt::format("model {}: nobody fits any segment", model.id)
                      : fmt::format("model {}: some customers match nothing, for example with {}",
                                    model.id, rest);
  } else {
    gap.message =
        fmt::format("model {}: {} of {} cells ({}) match nothing", model.id, findings.gaps.size(),
                    cases.cells(), DescribeCells(cases, findings.gaps));
    if (!always) {
      gap.message += ", for example with " + rest;
    }
  }
  out.push_back(std::move(gap));
}

void SayHidden(const Model& model, const Findings& findings, Diagnostics& out) {
  for (std::size_t segment = 0; segment < model.segments.size(); ++segment) {
    // An `otherwise` that is left with nobody is a net, not a mistake.
    if (findings.wins[segment] || model.segments[segment].otherwise) {
      continue;
    }
    Diagnostic hidden{Severity::kError, "SG011", model.segments[segment].place, "", "", ""};
    if (!findings.matches[segment]) {
      hidden.message =
          fmt::format("\"{}\" can never win: nobody can fit it", model.segments[segment].id);
      hidden.help = "change its condition, or take it out";
    } else {
      std::vector<std::string> names;
      for (const std::size_t other : findings.hidden_by[segment]) {
        names.push_back('"' + model.segments[other].id + '"');
      }
      hidden.message = fmt::format("\"{}\" can never win: it is hidden by {} in every case",
                                   model.segments[segment].id, Join(names, " and "));
      hidden.help =
          fmt::format("the first match wins: put it above {}, or take it out", names.front());
    }
    out.push_back(std::move(hidden));
  }
}

void SayOrder(const Model& model, const Cases& cases, const Findings& findings, Diagnostics& out) {
  if (findings.contested.empty()) {
    return;
  }
  using Pair = std::pair<std::size_t, std::pair<std::size_t, std::size_t>>;
  std::vector<Pair> pairs;
  for (const auto& [pair, cells] : findings.pairs) {
    pairs.emplace_back(cells.size(), pair);
  }
  std::stable_sort(pairs.begin(), pairs.end(),
                   [](const Pair& a, const Pair& b) { return a.first > b.first; });
  constexpr std::size_t kShown = 3;
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < pairs.size() && i < kShown; ++i) {
    const auto& [winner, other] = pairs[i].second;
    texts.push_back(
        fmt::format("{} before {}", model.segments[winner].id, model.segments[other].id));
    if (!cases.dimensions().empty()) {
      texts.back() += fmt::format(" in {}", pairs[i].first);
    }
  }
  if (pairs.size() > kShown) {
    texts.push_back("…");
  }
  const std::string where = cases.dimensions().empty()
                                ? "for some customers"
                                : fmt::format("in {} of {} {}", findings.contested.size(),
                                              cases.cells(), Cells(cases.cells()));
  out.push_back({Severity::kInfo, "SG012", model.place,
                 fmt::format("model {}: the order of the segments decides {} ({})", model.id, where,
                             Join(texts, ", ")),
                 "", "the first match wins; moving these lines changes who is where"});
}

}  // namespace

Diagnostics LintModel(const Model& model, const Workspace& workspace) {
  Diagnostics out;
  const bool has_line = std::any_of(model.scores.begin(), model.scores.end(),
                                    [](const Score& score) { return score.margin_applies; });
  if (model.margin_percent > 0 && !has_line) {
    out.push_back({Severity::kWarning, "SG015", model.place,
                   fmt::format("model {}: `margin` has no score that it applies to", model.id), "",
                   "it holds back cuts and fifths over durations, money and fractions; take it "
                   "out, or use `hold`"});
  }
  Cases cases(model, workspace);
  if (cases.count() > Cases::kCountMax) {
    const bool otherwise = !model.segments.empty() && model.segments.back().otherwise;
    out.push_back(
        {otherwise ? Severity::kInfo : Severity::kWarning, "SG010", model.place,
         fmt::format(
             "model {}: scores and conditions combine in more than {} ways, too many to try: {}",
             model.id, Cases::kCountMax,
             otherwise ? "whether every segment can win is not proven"
                       : "whether everybody fits somewhere is not proven"),
         "", otherwise ? "" : "end the segments with one that says `when: otherwise`"});
    return out;
  }
  const Findings findings = RunThrough(model, cases);
  SayGaps(model, workspace, cases, findings, out);
  SayHidden(model, findings, out);
  SayOrder(model, cases, findings, out);
  return out;
}

}  // namespace segue
