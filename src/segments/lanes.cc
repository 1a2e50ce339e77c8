// Compiled with -O3 (CMakeLists.txt): loops over columns of any length become vector instructions.

#include "segments/lanes.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "base/check.h"
#include "base/wide.h"

namespace segue {
namespace {

SEGUE_WIDE void AddAbove(const double* values, std::size_t count, double line, double* above) {
  for (std::size_t i = 0; i < count; ++i) {
    above[i] += values[i] > line ? 1.0 : 0.0;
  }
}

SEGUE_WIDE void AddFrom(const double* values, std::size_t count, double line, double* above) {
  for (std::size_t i = 0; i < count; ++i) {
    above[i] += values[i] >= line ? 1.0 : 0.0;
  }
}

// All ones where the condition holds.
inline std::uint64_t Mask(bool condition) {
  return condition ? ~std::uint64_t{0} : 0;
}

// Lines or ranges that one loop looks at; where there are fewer, the rest are nobody's.
constexpr std::size_t kTogether = 4;
constexpr double kNever = std::numeric_limits<double>::infinity();

SEGUE_WIDE std::uint64_t AddAboveByKey(const double* values, const std::uint64_t* codes,
                                       std::size_t count, const std::array<Bound, kTogether>& lines,
                                       double* above) {
  const auto [a, b, c, d] = lines;
  std::uint64_t open = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const double value = values[i];
    const std::uint64_t code = codes[i];
    const auto is_above = [&](const Bound& line) {
      return (value > line.value) | ((value == line.value) & (code > line.code)) ? 1.0 : 0.0;
    };
    const auto is_on = [&](const Bound& line) {
      return Mask((value == line.value) & (code == line.code));
    };
    above[i] += (is_above(a) + is_above(b)) + (is_above(c) + is_above(d));
    open |= (is_on(a) | is_on(b)) | (is_on(c) | is_on(d));
  }
  return open;
}

using Ranges = std::array<Between, kTogether>;
using Numbers = std::array<std::uint64_t, kTogether>;

SEGUE_WIDE void MarkByCode(const double* values, const std::uint64_t* codes, std::size_t count,
                           const Ranges& ranges, Numbers& before, std::uint64_t* marks) {
  const auto [a, b, c, d] = ranges;
  Numbers below{};
  for (std::size_t i = 0; i < count; ++i) {
    const double value = values[i];
    const std::uint64_t code = codes[i];
    const auto is_below = [&](const Bound& bound) {
      return Mask((value < bound.value) | ((value == bound.value) & (code < bound.code)));
    };
    const auto is_until = [&](const Bound& bound) {
      return Mask((value < bound.value) | ((value == bound.value) & (code <= bound.code)));
    };
    const std::uint64_t below_a = is_below(a.low), below_b = is_below(b.low);
    const std::uint64_t below_c = is_below(c.low), below_d = is_below(d.low);
    below[0] -= below_a;
    below[1] -= below_b;
    below[2] -= below_c;
    below[3] -= below_d;
    marks[i] |= (is_until(a.high) & ~below_a) | (is_until(b.high) & ~below_b) |
                (is_until(c.high) & ~below_c) | (is_until(d.high) & ~below_d);
  }
  before = below;
}

SEGUE_WIDE void Mark(const double* values, std::size_t count, const Ranges& ranges, Numbers& before,
                     std::uint64_t* marks) {
  const auto [a, b, c, d] = ranges;
  Numbers below{};
  for (std::size_t i = 0; i < count; ++i) {
    const double value = values[i];
    const auto is_in = [&](const Between& range) {
      return Mask((value >= range.low.value) & (value <= range.high.value));
    };
    below[0] += value < a.low.value ? 1 : 0;
    below[1] += value < b.low.value ? 1 : 0;
    below[2] += value < c.low.value ? 1 : 0;
    below[3] += value < d.low.value ? 1 : 0;
    marks[i] |= (is_in(a) | is_in(b)) | (is_in(c) | is_in(d));
  }
  before = below;
}

// The places of those that are marked: few, so that eight are passed over at a time.
void Gather(const std::array<std::uint64_t, kLanes>& marks, std::vector<std::uint16_t>& found) {
  constexpr std::size_t kGroup = 8;
  for (std::size_t first = 0; first < kLanes; first += kGroup) {
    std::uint64_t any = 0;
    for (std::size_t i = first; i < first + kGroup; ++i) {
      any |= marks[i];
    }
    for (std::size_t i = first; any != 0 && i < first + kGroup; ++i) {
      if (marks[i] != 0) {
        found.push_back(static_cast<std::uint16_t>(i));
      }
    }
  }
}

SEGUE_WIDE std::uint64_t Count(const double* values, std::size_t count) {
  std::uint64_t have = 0;
  for (std::size_t i = 0; i < count; ++i) {
    have += values[i] == values[i] ? 1 : 0;
  }
  return have;
}

SEGUE_WIDE void Turn(const double* values, std::size_t count, double first, double sign,
                     double* steps, std::uint8_t* no_data) {
  for (std::size_t i = 0; i < count; ++i) {
    const double step = first + sign * steps[i];
    steps[i] = values[i] == values[i] ? step : 1.0;
  }
  std::uint64_t none = 0;
  for (std::size_t i = 0; i < count; ++i) {
    none |= Mask(values[i] != values[i]);
  }
  std::memset(no_data, 0, count);
  for (std::size_t i = 0; none != 0 && i < count; ++i) {
    no_data[i] = values[i] == values[i] ? 0 : 1;
  }
}

SEGUE_WIDE void Codes(const double* steps, const std::uint8_t* no_data, std::size_t count,
                      std::uint16_t* codes) {
  for (std::size_t i = 0; i < count; ++i) {
    codes[i] = static_cast<std::uint16_t>(static_cast<std::uint16_t>(static_cast<int>(steps[i])) |
                                          static_cast<std::uint16_t>(no_data[i] << 15U));
  }
}

SEGUE_WIDE void TakeAway(const double* inside, std::size_t count, double* values) {
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = inside[i] == 1.0 ? values[i] : std::numeric_limits<double>::quiet_NaN();
  }
}

SEGUE_WIDE void Add(const double* steps, std::size_t count, std::uint32_t stride,
                    std::uint32_t* cells) {
  for (std::size_t i = 0; i < count; ++i) {
    cells[i] += stride * (static_cast<std::uint32_t>(static_cast<std::int32_t>(steps[i])) - 1);
  }
}

}  // namespace

void CountAbove(std::span<const double> values, double line, bool closed, std::span<double> above) {
  SEGUE_CHECK(above.size() >= values.size());
  (closed ? AddFrom : AddAbove)(values.data(), values.size(), line, above.data());
}

bool CountAboveByKey(std::span<const double> values, std::span<const std::uint64_t> codes,
                     std::span<const Bound> lines, std::span<double> above) {
  SEGUE_CHECK(above.size() >= values.size() && codes.size() >= values.size());
  std::uint64_t open = 0;
  for (std::size_t first = 0; first < lines.size(); first += kTogether) {
    std::array<Bound, kTogether> some;
    some.fill({kNever, 0});
    const std::span<const Bound> these =
        lines.subspan(first, std::min(kTogether, lines.size() - first));
    std::copy(these.begin(), these.end(), some.begin());
    open |= AddAboveByKey(values.data(), codes.data(), values.size(), some, above.data());
  }
  return open != 0;
}

void StepsOf(std::span<const double> values, std::size_t lines, bool best_low,
             std::span<double> steps, std::span<std::uint8_t> no_data) {
  SEGUE_CHECK(steps.size() >= values.size() && no_data.size() >= values.size());
  const double first = best_low ? static_cast<double>(lines) + 1 : 1.0;
  Turn(values.data(), values.size(), first, best_low ? -1.0 : 1.0, steps.data(), no_data.data());
}

void FindBetween(std::span<const double> values, std::span<const std::uint64_t> codes,
                 std::span<const Between> ranges, std::span<std::size_t> before,
                 std::vector<std::uint16_t>& found) {
  SEGUE_CHECK(values.size() <= kLanes && before.size() >= ranges.size() &&
              (codes.empty() || codes.size() >= values.size()));
  std::array<std::uint64_t, kLanes> marks{};
  for (std::size_t first = 0; first < ranges.size(); first += kTogether) {
    Ranges some;
    some.fill({{kNever, 0}, {-kNever, 0}});
    const std::span<const Between> these =
        ranges.subspan(first, std::min(kTogether, ranges.size() - first));
    std::copy(these.begin(), these.end(), some.begin());
    Numbers below{};
    if (codes.empty()) {
      Mark(values.data(), values.size(), some, below, marks.data());
    } else {
      MarkByCode(values.data(), codes.data(), values.size(), some, below, marks.data());
    }
    for (std::size_t i = 0; i < these.size(); ++i) {
      before[first + i] += below[i];
    }
  }
  found.clear();
  Gather(marks, found);
}

void AddSteps(std::span<const double> steps, std::uint32_t stride, std::span<std::uint32_t> cells) {
  SEGUE_CHECK(cells.size() >= steps.size());
  Add(steps.data(), steps.size(), stride, cells.data());
}

void LookUp(std::span<const double> table, std::span<const std::uint32_t> cells,
            std::span<double> out) {
  SEGUE_CHECK(out.size() >= cells.size());
  const double* const from = table.data();
  double* const to = out.data();
  for (std::size_t i = 0; i < cells.size(); ++i) {
    to[i] = from[cells[i]];
  }
}

void CodesOf(std::span<const double> steps, std::span<const std::uint8_t> no_data,
             std::span<std::uint16_t> codes) {
  SEGUE_CHECK(codes.size() >= steps.size() && no_data.size() >= steps.size());
  Codes(steps.data(), no_data.data(), steps.size(), codes.data());
}

void Blank(std::span<const double> inside, std::span<double> values) {
  SEGUE_CHECK(inside.size() >= values.size());
  TakeAway(inside.data(), values.size(), values.data());
}

std::size_t CountValues(std::span<const double> values) {
  return Count(values.data(), values.size());
}

}  // namespace segue
