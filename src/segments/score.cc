// One value against its lines.

#include "segments/score.h"

#include <algorithm>
#include <cmath>

namespace segue {
namespace {

// Lines that lie below a person with this settled score: on their other side the margin pushes
// back.
int LinesBelow(int score, int lines, bool best_low) {
  return best_low ? lines + 1 - score : score - 1;
}

template <typename IsAbove>
int Count(int lines, bool best_low, double margin_percent, int previous, IsAbove is_above) {
  const bool margin = margin_percent > 0 && previous > 0;
  const int were_below = margin ? LinesBelow(previous, lines, best_low) : 0;
  int below = 0;
  for (int line = 0; line < lines; ++line) {
    below += is_above(line, margin, line < were_below) ? 1 : 0;
  }
  return best_low ? lines + 1 - below : below + 1;
}

std::string_view WithoutZeros(std::string_view digits) {
  const std::size_t start = std::min(digits.find_first_not_of('0'), digits.size() - 1);
  return digits.substr(start);
}

}  // namespace

bool IsWholeKey(std::string_view key) {
  return !key.empty() &&
         std::all_of(key.begin(), key.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool KeyLess(std::string_view left, std::string_view right, bool numeric) {
  if (!numeric) {
    return left < right;
  }
  if (IsWholeKey(left) != IsWholeKey(right)) {
    return IsWholeKey(left);
  }
  if (IsWholeKey(left)) {
    const std::string_view a = WithoutZeros(left);
    const std::string_view b = WithoutZeros(right);
    if (a.size() != b.size()) {
      return a.size() < b.size();
    }
    if (a != b) {
      return a < b;
    }
  }
  return left < right;
}

double LineWithMargin(double line, double margin_percent, bool person_is_above) {
  const double room = std::fabs(line) * margin_percent / 100;
  return person_is_above ? line - room : line + room;
}

int ScoreOf(double value, std::span<const double> lines, bool best_low, bool closed_left,
            double margin_percent, int previous) {
  if (std::isnan(value) || lines.empty()) {
    return 1;
  }
  const auto is_above = [&](int index, bool margin, bool was_above) {
    double line = lines[static_cast<std::size_t>(index)];
    if (margin) {
      line = LineWithMargin(line, margin_percent, was_above);
    }
    return closed_left ? value >= line : value > line;
  };
  return Count(static_cast<int>(lines.size()), best_low, margin_percent, previous, is_above);
}

int RankScoreOf(double value, std::string_view key, const LineSet& lines, bool best_low,
                double margin_percent, int previous) {
  if (std::isnan(value) || lines.at.empty()) {
    return 1;
  }
  const auto is_above = [&](int index, bool margin, bool was_above) {
    const auto i = static_cast<std::size_t>(index);
    double line = lines.at[i];
    if (margin && std::isfinite(line)) {
      line = LineWithMargin(line, margin_percent, was_above);
    }
    if (value != line || lines.keys.empty()) {
      return value >= line;
    }
    return !KeyLess(key, lines.keys[i], lines.numeric_keys);
  };
  return Count(static_cast<int>(lines.at.size()), best_low, margin_percent, previous, is_above);
}

}  // namespace segue
