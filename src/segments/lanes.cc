// Compiled with -O3 (CMakeLists.txt): loops over columns of any length become vector instructions.

#include "segments/lanes.h"

#include <algorithm>
#include <array>
#include <bit>
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
using Counts = std::array<std::uint64_t, kTogether>;

// Adds, for each, the bounds of these ranges that they have passed.
SEGUE_WIDE void PassByCode(const double* values, const std::uint64_t* codes, std::size_t count,
                           const Ranges& ranges, Counts& before, std::uint64_t* passed) {
  const auto [a, b, c, d] = ranges;
  Counts below{};
  for (std::size_t i = 0; i < count; ++i) {
    const double value = values[i];
    const std::uint64_t code = codes[i];
    const auto is_before = [&](const Bound& bound) {
      return Mask((value < bound.value) | ((value == bound.value) & (code < bound.code)));
    };
    const auto is_until = [&](const Bound& bound) {
      return Mask((value < bound.value) | ((value == bound.value) & (code <= bound.code)));
    };
    const std::uint64_t before_a = is_before(a.low), before_b = is_before(b.low);
    const std::uint64_t before_c = is_before(c.low), before_d = is_before(d.low);
    below[0] -= before_a;
    below[1] -= before_b;
    below[2] -= before_c;
    below[3] -= before_d;
    const std::uint64_t lows = (before_a + before_b) + (before_c + before_d);
    const std::uint64_t highs =
        (is_until(a.high) + is_until(b.high)) + (is_until(c.high) + is_until(d.high));
    passed[i] += 2 * kTogether + lows + highs;  // Each of them is -1.
  }
  before = below;
}

SEGUE_WIDE void Pass(const double* values, std::size_t count, const Ranges& ranges, Counts& before,
                     std::uint64_t* passed) {
  const auto [a, b, c, d] = ranges;
  Counts below{};
  for (std::size_t i = 0; i < count; ++i) {
    const double value = values[i];
    const std::uint64_t before_a = Mask(value < a.low.value), before_b = Mask(value < b.low.value);
    const std::uint64_t before_c = Mask(value < c.low.value), before_d = Mask(value < d.low.value);
    below[0] -= before_a;
    below[1] -= before_b;
    below[2] -= before_c;
    below[3] -= before_d;
    const std::uint64_t lows = (before_a + before_b) + (before_c + before_d);
    const std::uint64_t highs = (Mask(value <= a.high.value) + Mask(value <= b.high.value)) +
                                (Mask(value <= c.high.value) + Mask(value <= d.high.value));
    passed[i] += 2 * kTogether + lows + highs;
  }
  before = below;
}

// Returns how many have a value.
SEGUE_WIDE std::uint64_t Shorten(const double* values, const std::uint64_t* wide, std::size_t count,
                                 std::uint8_t* passed) {
  std::uint64_t none = 0;
  for (std::size_t i = 0; i < count; ++i) {
    none -= Mask(values[i] != values[i]);
  }
  for (std::size_t i = 0; i < count; ++i) {
    passed[i] = static_cast<std::uint8_t>(wide[i]);
  }
  for (std::size_t i = 0; none != 0 && i < count; ++i) {
    passed[i] = values[i] == values[i] ? passed[i] : kNowhere;
  }
  return count - none;
}

SEGUE_WIDE void AddBehind(const std::uint8_t* passed, std::size_t count, std::uint8_t least,
                          std::uint8_t* below) {
  for (std::size_t i = 0; i < count; ++i) {
    below[i] = static_cast<std::uint8_t>(below[i] + (passed[i] >= least ? 1 : 0));
  }
}

SEGUE_WIDE void Turned(const std::uint8_t* passed, const std::uint8_t* below, std::size_t count,
                       StepCode first, StepCode sign, StepCode* codes) {
  std::uint8_t none = 0;
  for (std::size_t i = 0; i < count; ++i) {
    none |= passed[i] == kNowhere ? 1 : 0;
  }
  for (std::size_t i = 0; i < count; ++i) {
    codes[i] = static_cast<StepCode>(first + sign * below[i]);
  }
  for (std::size_t i = 0; none != 0 && i < count; ++i) {
    codes[i] = passed[i] == kNowhere ? StepCode{kNoData | 1U} : codes[i];
  }
}

SEGUE_WIDE std::uint64_t Count(const double* values, std::size_t count) {
  std::uint64_t have = 0;
  for (std::size_t i = 0; i < count; ++i) {
    have += values[i] == values[i] ? 1 : 0;
  }
  return have;
}

SEGUE_WIDE void Turn(const double* values, const double* below, std::size_t count, double first,
                     double sign, StepCode* codes) {
  for (std::size_t i = 0; i < count; ++i) {
    const int step = static_cast<int>(first + sign * below[i]);
    codes[i] = static_cast<StepCode>(values[i] == values[i] ? step : kNoData | 1);
  }
}

SEGUE_WIDE void Numbers(const StepCode* codes, std::size_t count, double* numbers) {
  for (std::size_t i = 0; i < count; ++i) {
    numbers[i] = codes[i] & ~kNoData;
  }
}

SEGUE_WIDE std::uint64_t Others(const double* values, std::size_t count) {
  std::uint64_t others = 0;
  for (std::size_t i = 0; i < count; ++i) {
    others |= Mask(!(values[i] == 1.0));
  }
  return others;
}

SEGUE_WIDE void TakeAway(const double* inside, std::size_t count, double* values) {
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = inside[i] == 1.0 ? values[i] : std::numeric_limits<double>::quiet_NaN();
  }
}

SEGUE_WIDE void Add(const StepCode* codes, std::size_t count, std::uint32_t stride,
                    std::uint32_t* cells) {
  for (std::size_t i = 0; i < count; ++i) {
    cells[i] += stride * (static_cast<std::uint32_t>(codes[i] & ~kNoData) - 1);
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

void CodesOf(std::span<const double> values, std::span<const double> below, std::size_t lines,
             bool best_low, std::span<StepCode> codes) {
  SEGUE_CHECK(below.size() >= values.size() && codes.size() >= values.size());
  const double first = best_low ? static_cast<double>(lines) + 1 : 1.0;
  Turn(values.data(), below.data(), values.size(), first, best_low ? -1.0 : 1.0, codes.data());
}

void NumbersOf(std::span<const StepCode> codes, std::span<double> numbers) {
  SEGUE_CHECK(numbers.size() >= codes.size());
  Numbers(codes.data(), codes.size(), numbers.data());
}

std::size_t PassBounds(std::span<const double> values, std::span<const std::uint64_t> codes,
                       std::span<const Between> ranges, std::span<std::size_t> before,
                       std::span<std::uint8_t> passed) {
  SEGUE_CHECK(values.size() <= kLanes && passed.size() >= values.size() &&
              ranges.size() <= kRangesMax && before.size() >= ranges.size() &&
              (codes.empty() || codes.size() >= values.size()));
  std::array<std::uint64_t, kLanes> wide{};
  for (std::size_t first = 0; first < ranges.size(); first += kTogether) {
    // Nobody gets as far as those that are not there.
    Ranges some;
    some.fill({{kNever, ~std::uint64_t{0}}, {kNever, ~std::uint64_t{0}}});
    const std::span<const Between> these =
        ranges.subspan(first, std::min(kTogether, ranges.size() - first));
    std::copy(these.begin(), these.end(), some.begin());
    Counts below{};
    if (codes.empty()) {
      Pass(values.data(), values.size(), some, below, wide.data());
    } else {
      PassByCode(values.data(), codes.data(), values.size(), some, below, wide.data());
    }
    for (std::size_t i = 0; i < these.size(); ++i) {
      before[first + i] += below[i];
    }
  }
  return Shorten(values.data(), wide.data(), values.size(), passed.data());
}

std::size_t OddOnes(std::span<const std::uint8_t> passed, std::span<std::uint16_t> found) {
  SEGUE_CHECK(passed.size() <= found.size());
  std::size_t count = 0;
  // They are few: eight are passed over at a time.
  constexpr std::size_t kGroup = 8;
  constexpr std::uint64_t kOdd = 0x0101010101010101;
  std::size_t first = 0;
  for (; first + kGroup <= passed.size(); first += kGroup) {
    std::uint64_t group = 0;
    std::memcpy(&group, passed.data() + first, kGroup);
    for (std::uint64_t odd = group & kOdd; odd != 0; odd &= odd - 1) {
      found[count++] = static_cast<std::uint16_t>(
          first + static_cast<std::size_t>(std::countr_zero(odd)) / kGroup);
    }
  }
  for (; first < passed.size(); ++first) {
    if ((passed[first] & 1U) != 0) {
      found[count++] = static_cast<std::uint16_t>(first);
    }
  }
  return count;
}

void CodesOfPassed(std::span<const std::uint8_t> passed, std::span<const std::uint8_t> behind,
                   bool best_low, std::span<StepCode> codes) {
  SEGUE_CHECK(passed.size() <= kLanes && codes.size() >= passed.size());
  std::array<std::uint8_t, kLanes> below{};
  for (const std::uint8_t least : behind) {
    AddBehind(passed.data(), passed.size(), least, below.data());
  }
  const auto first = static_cast<StepCode>(best_low ? behind.size() + 1 : 1);
  const auto sign = static_cast<StepCode>(best_low ? -1 : 1);
  Turned(passed.data(), below.data(), passed.size(), first, sign, codes.data());
}

void AddSteps(std::span<const StepCode> codes, std::uint32_t stride,
              std::span<std::uint32_t> cells) {
  SEGUE_CHECK(cells.size() >= codes.size());
  Add(codes.data(), codes.size(), stride, cells.data());
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

bool AreOne(std::span<const double> values) {
  return Others(values.data(), values.size()) == 0;
}

void Blank(std::span<const double> inside, std::span<double> values) {
  SEGUE_CHECK(inside.size() >= values.size());
  TakeAway(inside.data(), values.size(), values.data());
}

std::size_t CountValues(std::span<const double> values) {
  return Count(values.data(), values.size());
}

}  // namespace segue
