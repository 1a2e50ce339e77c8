// Columns of integers as bytes; ints.h describes the forms.

#include "ledger/ints.h"

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>
#include <optional>

namespace segue {
namespace {

constexpr std::uint8_t kOffsets = 0, kDifferences = 1, kDistinct = 2;
constexpr std::size_t kDistinctMax = 256;

std::uint64_t Unsigned(std::int64_t value) {
  return static_cast<std::uint64_t>(value);
}

// Division by what divides without a rest: a multiplication (Granlund and Montgomery 1994, section
// 9).
class ExactDivisor {
 public:
  explicit ExactDivisor(std::uint64_t divisor)
      : shift_(static_cast<unsigned>(std::countr_zero(divisor))) {
    const std::uint64_t odd = divisor >> shift_;
    inverse_ = 3 * odd ^ 2;  // Right in its lowest five bits; each step doubles them.
    for (int bits = 5; bits < 64; bits *= 2) {
      inverse_ *= 2 - odd * inverse_;
    }
  }

  std::uint64_t Divided(std::uint64_t value) const { return (value >> shift_) * inverse_; }

 private:
  unsigned shift_;
  std::uint64_t inverse_ = 1;
};

// Values as offsets from the smallest, divided by what divides them all.  Most are packed in so few
// bits that some do not fit: of these the upper bits stand apart (Zukowski et al. 2006,
// "Super-scalar RAM-CPU cache compression").
class Offsets {
 public:
  explicit Offsets(std::span<const std::int64_t> values) {
    if (values.empty()) {
      return;
    }
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    low_ = *low;
    std::uint64_t divisor = Unsigned(*high) - Unsigned(low_);
    for (const std::int64_t value : values) {
      if (divisor <= 1) {
        break;
      }
      divisor = std::gcd(divisor, Unsigned(value) - Unsigned(low_));
    }
    divisor_ = std::max<std::uint64_t>(divisor, 1);
    const ExactDivisor by(divisor_);
    std::array<std::uint32_t, 65> of_width{};
    numbers_.resize(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      numbers_[i] = by.Divided(Unsigned(values[i]) - Unsigned(low_));
      ++of_width[static_cast<std::size_t>(BitWidth(numbers_[i]))];
    }
    Choose(of_width);
  }

  int width() const { return width_; }

  std::uint64_t divisor() const { return divisor_; }

  std::size_t Bytes() const {
    return VarintBytes(ZigZag(low_)) + VarintBytes(divisor_) + 2 + (bits_ + 7) / 8;
  }

  // Smallest value, divisor, width, packed quotients, and how many have more bits: their distances
  // and what they have more.
  void Write(ByteWriter& out) && {
    out.Signed(low_);
    out.Varint(divisor_);
    out.Byte(static_cast<std::uint8_t>(width_));
    std::vector<std::uint64_t> distances, uppers;
    std::uint64_t widest = 0, farthest = 0;
    std::size_t before = 0;
    for (std::size_t i = 0; i < numbers_.size() && wide_ > 0; ++i) {
      const std::uint64_t upper = numbers_[i] >> static_cast<unsigned>(width_);
      if (upper != 0) {
        distances.push_back(i - before);
        uppers.push_back(upper);
        before = i;
        widest |= upper;
        farthest |= distances.back();
        numbers_[i] &= (std::uint64_t{1} << static_cast<unsigned>(width_)) - 1;
      }
    }
    out.Bits(numbers_, width_);
    out.Varint(uppers.size());
    if (!uppers.empty()) {
      out.Byte(static_cast<std::uint8_t>(BitWidth(farthest)));
      out.Bits(distances, BitWidth(farthest));
      out.Byte(static_cast<std::uint8_t>(BitWidth(widest)));
      out.Bits(uppers, BitWidth(widest));
    }
  }

 private:
  // The width that makes the least of all.
  void Choose(const std::array<std::uint32_t, 65>& of_width) {
    std::size_t widest = 64;
    for (; widest > 0 && of_width[widest] == 0; --widest) {
    }
    width_ = static_cast<int>(widest);
    bits_ = numbers_.size() * widest;
    std::size_t wide = 0;
    for (std::size_t width = widest; width-- > 0;) {
      wide += of_width[width + 1];
      const std::size_t each = widest - width + kDistanceBits +
                               static_cast<std::size_t>(BitWidth(numbers_.size() / wide));
      const std::size_t bits = numbers_.size() * width + wide * each + kApartBits;
      if (bits < bits_) {
        width_ = static_cast<int>(width);
        bits_ = bits;
        wide_ = wide;
      }
    }
  }

  // How much more than the mean the largest distance is thought to take, and what stands before.
  static constexpr std::size_t kDistanceBits = 2, kApartBits = 24;

  std::int64_t low_ = 0;
  std::uint64_t divisor_ = 1;
  std::vector<std::uint64_t> numbers_;
  int width_ = 0;
  std::size_t bits_ = 0;
  std::size_t wide_ = 0;  // How many do not fit.
};

// What stands apart, added to the packed bits.
void ReadUppers(ByteReader& in, int width, std::vector<std::uint64_t>& numbers) {
  const std::uint64_t count = in.Varint();
  if (count == 0) {
    return;
  }
  if (count > numbers.size()) {
    in.Fail();
    return;
  }
  const std::vector<std::uint64_t> distances = in.Bits(count, in.Byte());
  const int upper_width = in.Byte();
  const std::vector<std::uint64_t> uppers = in.Bits(count, upper_width);
  if (in.failed() || width < 0 || width + upper_width > 64 || upper_width == 0) {
    in.Fail();
    return;
  }
  std::uint64_t at = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (distances[i] >= numbers.size() - at) {
      in.Fail();
      return;
    }
    at += distances[i];
    numbers[at] |= uppers[i] << static_cast<unsigned>(width);
  }
}

std::vector<std::int64_t> ReadOffsets(ByteReader& in, std::size_t count) {
  const std::uint64_t low = Unsigned(in.Signed());
  const std::uint64_t divisor = in.Varint();
  const int width = in.Byte();
  std::vector<std::uint64_t> offsets = in.Bits(count, width);
  ReadUppers(in, width, offsets);
  std::vector<std::int64_t> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = static_cast<std::int64_t>(low + offsets[i] * divisor);
  }
  return values;
}

std::vector<std::int64_t> Differences(std::span<const std::int64_t> values) {
  std::vector<std::int64_t> steps(values.size() - 1);
  for (std::size_t i = 1; i < values.size(); ++i) {
    steps[i - 1] = static_cast<std::int64_t>(Unsigned(values[i]) - Unsigned(values[i - 1]));
  }
  return steps;
}

std::vector<std::int64_t> ReadDifferences(ByteReader& in, std::size_t count) {
  std::uint64_t value = Unsigned(in.Signed());
  if (count == 0) {
    in.Fail();
    return {};
  }
  const std::vector<std::int64_t> steps = ReadOffsets(in, count - 1);
  std::vector<std::int64_t> values = {static_cast<std::int64_t>(value)};
  for (const std::int64_t step : steps) {
    value += Unsigned(step);
    values.push_back(static_cast<std::int64_t>(value));
  }
  return values;
}

// Ascending; too many are given up early, which for most columns is soon.
bool FindDistinct(std::span<const std::int64_t> values, std::vector<std::int64_t>& distinct) {
  constexpr std::size_t kSlots = 1024;
  std::array<std::uint16_t, kSlots> slots{};
  for (const std::int64_t value : values) {
    std::size_t slot = (Unsigned(value) * 0x9e3779b97f4a7c15U) >> 54U;
    while (slots[slot] != 0 && distinct[slots[slot] - 1U] != value) {
      slot = (slot + 1) % kSlots;
    }
    if (slots[slot] != 0) {
      continue;
    }
    if (distinct.size() == kDistinctMax) {
      return false;
    }
    distinct.push_back(value);
    slots[slot] = static_cast<std::uint16_t>(distinct.size());
  }
  std::sort(distinct.begin(), distinct.end());
  return true;
}

bool WriteDistinct(ByteWriter& out, std::span<const std::int64_t> values) {
  std::vector<std::int64_t> distinct;
  if (!FindDistinct(values, distinct)) {
    return false;
  }
  out.Varint(distinct.size());
  std::uint64_t before = 0;
  for (const std::int64_t value : distinct) {
    out.Varint(Unsigned(value) - before);
    before = Unsigned(value);
  }
  std::vector<std::uint64_t> indexes;
  indexes.reserve(values.size());
  for (const std::int64_t value : values) {
    indexes.push_back(static_cast<std::uint64_t>(
        std::lower_bound(distinct.begin(), distinct.end(), value) - distinct.begin()));
  }
  WriteIndexes(out, indexes, distinct.size());
  return true;
}

std::vector<std::int64_t> ReadDistinct(ByteReader& in, std::size_t count) {
  const std::uint64_t size = in.Varint();
  if (size > kDistinctMax) {
    in.Fail();
    return {};
  }
  std::vector<std::int64_t> distinct(size);
  std::uint64_t value = 0;
  for (std::int64_t& each : distinct) {
    value += in.Varint();
    each = static_cast<std::int64_t>(value);
  }
  std::vector<std::int64_t> values;
  for (const std::uint64_t index : ReadIndexes(in, count, size)) {
    values.push_back(distinct[index]);
  }
  return values;
}

// Whether neighbours lie so much closer than all do that it is worth a closer look: most columns
// are in no order.
bool LiesInOrder(std::span<const std::int64_t> values, const Offsets& offsets) {
  constexpr std::size_t kLooked = 64;
  const std::size_t step = (values.size() - 2) / kLooked + 1;
  std::size_t looked = 0, close = 0;
  for (std::size_t i = 1; i < values.size(); i += step, ++looked) {
    const std::uint64_t apart = values[i] > values[i - 1]
                                    ? Unsigned(values[i]) - Unsigned(values[i - 1])
                                    : Unsigned(values[i - 1]) - Unsigned(values[i]);
    close += BitWidth(apart / offsets.divisor()) < offsets.width() - 2 ? 1 : 0;
  }
  return 2 * close > looked;
}

}  // namespace

std::vector<bool> WritePresence(ByteWriter& out, std::size_t count,
                                const std::vector<bool>& present) {
  const bool any = present.empty()
                       ? count > 0
                       : std::find(present.begin(), present.end(), true) != present.end();
  const bool all =
      present.empty() || std::find(present.begin(), present.end(), false) == present.end();
  out.Byte(all ? 0 : any ? 2 : 1);
  if (!all && any) {
    std::vector<std::uint64_t> bits(count);
    for (std::size_t i = 0; i < count; ++i) {
      bits[i] = present[i] ? 1 : 0;
    }
    out.Bits(bits, 1);
  }
  return all ? std::vector<bool>() : present;
}

std::vector<bool> ReadPresence(ByteReader& in, std::size_t count) {
  const std::uint8_t form = in.Byte();
  if (form == 0) {
    return {};
  }
  std::vector<bool> present(count, false);
  if (form == 1) {
    return present;
  }
  if (form != 2) {
    in.Fail();
    return {};
  }
  const std::vector<std::uint64_t> bits = in.Bits(count, 1);
  for (std::size_t i = 0; i < count; ++i) {
    present[i] = bits[i] == 1;
  }
  return present;
}

void WriteIndexes(ByteWriter& out, std::span<const std::uint64_t> indexes, std::size_t of) {
  out.Bits(indexes, BitWidth(of == 0 ? 0 : of - 1));
}

std::vector<std::uint64_t> ReadIndexes(ByteReader& in, std::size_t count, std::size_t of) {
  std::vector<std::uint64_t> indexes = in.Bits(count, BitWidth(of == 0 ? 0 : of - 1));
  for (const std::uint64_t index : indexes) {
    if (index >= of) {
      in.Fail();
      return {};
    }
  }
  return indexes;
}

// The form that is smallest by its estimated size.
void WriteDense(ByteWriter& out, std::span<const std::int64_t> values) {
  Offsets offsets(values);
  std::size_t best = offsets.Bytes();
  std::optional<Offsets> steps;
  if (values.size() > 1 && offsets.width() > 0 && LiesInOrder(values, offsets)) {
    steps.emplace(Differences(values));
    const std::size_t bytes = VarintBytes(ZigZag(values.front())) + steps->Bytes();
    if (bytes < best) {
      best = bytes;
    } else {
      steps.reset();
    }
  }
  if (best > values.size() / 4) {
    ByteWriter distinct;
    if (WriteDistinct(distinct, values) && distinct.size() < best) {
      out.Byte(kDistinct);
      out.Raw(distinct.bytes());
      return;
    }
  }
  if (steps) {
    // The first step is the first value itself: apart, or it would widen all.
    out.Byte(kDifferences);
    out.Signed(values.front());
    std::move(*steps).Write(out);
  } else {
    out.Byte(kOffsets);
    std::move(offsets).Write(out);
  }
}

std::vector<std::int64_t> ReadDense(ByteReader& in, std::size_t count) {
  switch (in.Byte()) {
    case kOffsets:
      return ReadOffsets(in, count);
    case kDifferences:
      return ReadDifferences(in, count);
    case kDistinct:
      return ReadDistinct(in, count);
    default:
      in.Fail();
      return {};
  }
}

void WriteInts(ByteWriter& out, const IntColumn& column) {
  const std::vector<bool> present = WritePresence(out, column.values.size(), column.present);
  if (present.empty()) {
    WriteDense(out, column.values);
    return;
  }
  std::vector<std::int64_t> dense;
  for (std::size_t i = 0; i < column.values.size(); ++i) {
    if (present[i]) {
      dense.push_back(column.values[i]);
    }
  }
  WriteDense(out, dense);
}

IntColumn ReadInts(ByteReader& in, std::size_t count) {
  IntColumn column;
  column.present = ReadPresence(in, count);
  if (column.present.empty()) {
    column.values = ReadDense(in, count);
  } else {
    const auto some =
        static_cast<std::size_t>(std::count(column.present.begin(), column.present.end(), true));
    const std::vector<std::int64_t> dense = ReadDense(in, some);
    column.values.assign(count, 0);
    std::size_t next = 0;
    for (std::size_t i = 0; i < count && !in.failed(); ++i) {
      if (column.present[i]) {
        column.values[i] = dense[next++];
      }
    }
  }
  column.values.resize(count);  // After a failure it may be short.
  return column;
}

}  // namespace segue
