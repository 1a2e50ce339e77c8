// Columns of integers and texts as bytes; chunk.h describes the forms.

#include <algorithm>
#include <array>
#include <numeric>
#include <span>
#include <unordered_map>

#include "ledger/chunk.h"
#include "ledger/places.h"

namespace segue {
namespace {

constexpr std::uint8_t kOffsets = 0, kDifferences = 1, kDistinct = 2;
constexpr std::uint8_t kDictionary = 0, kPrefixedNumber = 1, kPlain = 2, kPlaces = 3;
constexpr std::size_t kDistinctMax = 256;
constexpr std::size_t kDigitsMax = 18;  // Ten to this power fits an int64.
// Far above what a block can hold, so that a short damaged input cannot ask for much more than
// itself.
constexpr std::size_t kPrefixBytesMax = 64 * 1024 * 1024;

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

// Empty: all present.
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

std::uint64_t Unsigned(std::int64_t value) {
  return static_cast<std::uint64_t>(value);
}

// How values are packed as offsets from the smallest.
struct Scale {
  std::int64_t low = 0;
  std::uint64_t divisor = 1;
  std::uint64_t largest = 0;  // Offset, before it is divided.

  int width() const { return BitWidth(largest / divisor); }

  std::size_t Bytes(std::size_t count) const {
    return VarintBytes(ZigZag(low)) + VarintBytes(divisor) + 1 +
           (count * static_cast<std::size_t>(width()) + 7) / 8;
  }
};

Scale ScaleOf(std::span<const std::int64_t> values) {
  Scale scale;
  if (values.empty()) {
    return scale;
  }
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  scale.low = *low;
  scale.largest = Unsigned(*high) - Unsigned(*low);
  std::uint64_t divisor = scale.largest;
  for (const std::int64_t value : values) {
    if (divisor <= 1) {
      break;
    }
    divisor = std::gcd(divisor, Unsigned(value) - Unsigned(scale.low));
  }
  scale.divisor = std::max<std::uint64_t>(divisor, 1);
  return scale;
}

// Smallest value, divisor, width, packed quotients.
void WriteOffsets(ByteWriter& out, std::span<const std::int64_t> values, const Scale& scale) {
  std::vector<std::uint64_t> offsets(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint64_t offset = Unsigned(values[i]) - Unsigned(scale.low);
    offsets[i] = scale.divisor == 1 ? offset : offset / scale.divisor;
  }
  out.Signed(scale.low);
  out.Varint(scale.divisor);
  out.Byte(static_cast<std::uint8_t>(scale.width()));
  out.Bits(offsets, scale.width());
}

std::vector<std::int64_t> ReadOffsets(ByteReader& in, std::size_t count) {
  const std::uint64_t low = Unsigned(in.Signed());
  const std::uint64_t divisor = in.Varint();
  const int width = in.Byte();
  const std::vector<std::uint64_t> offsets = in.Bits(count, width);
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

// The smallest form; its size is known before it is written.
void WriteDense(ByteWriter& out, std::span<const std::int64_t> values) {
  const Scale scale = ScaleOf(values);
  std::size_t best = scale.Bytes(values.size());
  std::vector<std::int64_t> steps;
  Scale of_steps;
  bool differences = false;
  if (values.size() > 1 && scale.width() > 0) {
    steps = Differences(values);
    const auto [low, high] = std::minmax_element(steps.begin(), steps.end());
    // Most columns are in no order, and then it is not worth a closer look.
    if (BitWidth((Unsigned(*high) - Unsigned(*low)) / scale.divisor) < scale.width()) {
      of_steps = ScaleOf(steps);
      const std::size_t bytes = VarintBytes(ZigZag(values.front())) + of_steps.Bytes(steps.size());
      differences = bytes < best;
      best = std::min(best, bytes);
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
  if (differences) {
    // The first step is the first value itself: apart, or it would widen all.
    out.Byte(kDifferences);
    out.Signed(values.front());
    WriteOffsets(out, steps, of_steps);
  } else {
    out.Byte(kOffsets);
    WriteOffsets(out, values, scale);
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

std::string_view CommonPrefix(std::span<const std::string_view> texts) {
  std::string_view prefix = texts.empty() ? std::string_view() : texts.front();
  for (const std::string_view text : texts) {
    if (prefix.empty()) {
      break;
    }
    const auto [end, ignored] =
        std::mismatch(prefix.begin(), prefix.end(), text.begin(), text.end());
    prefix = prefix.substr(0, static_cast<std::size_t>(end - prefix.begin()));
  }
  return prefix;
}

void WriteDictionary(ByteWriter& out, std::span<const std::string_view> texts) {
  std::vector<std::string_view> distinct;
  std::unordered_map<std::string_view, std::uint64_t> known;
  std::vector<std::uint64_t> indexes;
  for (const std::string_view text : texts) {
    const auto [found, added] = known.emplace(text, distinct.size());
    if (added) {
      distinct.push_back(text);
    }
    indexes.push_back(found->second);
  }
  out.Varint(distinct.size());
  for (const std::string_view text : distinct) {
    out.Text(text);
  }
  WriteIndexes(out, indexes, distinct.size());
}

// Prefix, number of digits (0: free, without leading zeros), numbers.
bool WritePrefixedNumbers(ByteWriter& out, std::span<const std::string_view> texts) {
  std::string_view prefix = CommonPrefix(texts);
  // The prefix may reach into the number.
  while (!prefix.empty() && prefix.back() >= '0' && prefix.back() <= '9') {
    prefix.remove_suffix(1);
  }
  std::size_t digits = texts.empty() ? 0 : texts.front().size() - prefix.size();
  bool zeros = false;
  std::vector<std::int64_t> numbers;
  for (const std::string_view text : texts) {
    const std::string_view suffix = text.substr(prefix.size());
    if (suffix.empty() || suffix.size() > kDigitsMax) {
      return false;
    }
    digits = suffix.size() == digits ? digits : 0;
    zeros = zeros || (suffix.size() > 1 && suffix.front() == '0');
    std::int64_t number = 0;
    for (const char digit : suffix) {
      if (digit < '0' || digit > '9') {
        return false;
      }
      number = number * 10 + (digit - '0');
    }
    numbers.push_back(number);
  }
  if (zeros && digits == 0) {
    return false;
  }
  out.Text(prefix);
  out.Varint(digits);
  WriteDense(out, numbers);
  return true;
}

std::vector<std::string> ReadPrefixedNumbers(ByteReader& in, std::size_t count) {
  const std::string_view prefix = in.Text();
  const std::uint64_t digits = in.Varint();
  std::vector<std::string> texts;
  if (digits > kDigitsMax || prefix.size() > kBlockBytesMax) {
    in.Fail();
    return texts;
  }
  for (const std::int64_t number : ReadDense(in, count)) {
    const std::string suffix = std::to_string(number);
    std::string text(prefix);
    text.append(digits > suffix.size() ? digits - suffix.size() : 0, '0');
    texts.push_back(text + suffix);
  }
  return texts;
}

void WritePlain(ByteWriter& out, std::span<const std::string_view> texts) {
  const std::string_view prefix = CommonPrefix(texts);
  out.Text(prefix);
  std::vector<std::int64_t> lengths;
  for (const std::string_view text : texts) {
    lengths.push_back(static_cast<std::int64_t>(text.size() - prefix.size()));
  }
  WriteDense(out, lengths);
  for (const std::string_view text : texts) {
    out.Raw(text.substr(prefix.size()));
  }
}

std::vector<std::string> ReadPlain(ByteReader& in, std::size_t count) {
  const std::string_view prefix = in.Text();
  std::vector<std::string> texts;
  for (const std::int64_t length : ReadDense(in, count)) {
    if (length < 0 || prefix.size() * count > kPrefixBytesMax) {
      in.Fail();
    }
    if (in.failed()) {
      return {};
    }
    texts.emplace_back(prefix).append(in.Raw(static_cast<std::uint64_t>(length)));
  }
  return texts;
}

// Whether so many of the first texts are different that a list of them all would save nothing.
bool MostlyDifferent(std::span<const std::string_view> texts) {
  constexpr std::size_t kLooked = 64;
  if (texts.size() < kLooked) {
    return false;
  }
  std::vector<std::string_view> first(texts.begin(), texts.begin() + kLooked);
  std::sort(first.begin(), first.end());
  return std::unique(first.begin(), first.end()) - first.begin() >= 60;
}

}  // namespace

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

void WriteTexts(ByteWriter& out, std::span<const std::string_view> texts) {
  std::vector<bool> present;
  std::vector<std::string_view> dense;
  std::size_t bytes = 0;
  for (const std::string_view text : texts) {
    present.push_back(text.data() != nullptr);
    if (present.back()) {
      dense.push_back(text);
      bytes += text.size();
    }
  }
  WritePresence(out, present.size(), present);
  ByteWriter best;
  bool any = false;
  const auto offer = [&](ByteWriter candidate) {
    if (!any || candidate.size() < best.size()) {
      best = std::move(candidate);
    }
    any = true;
  };
  ByteWriter numbers;
  numbers.Byte(kPrefixedNumber);
  if (!dense.empty() && WritePrefixedNumbers(numbers, dense)) {
    offer(std::move(numbers));
  }
  ByteWriter places;
  places.Byte(kPlaces);
  if (!dense.empty() && WritePlaces(places, dense)) {
    offer(std::move(places));
  }
  if (!MostlyDifferent(dense)) {
    ByteWriter dictionary;
    dictionary.Byte(kDictionary);
    WriteDictionary(dictionary, dense);
    offer(std::move(dictionary));
  }
  // What makes less than half of all the bytes is not beaten by taking out a prefix, but rarely.
  if (!any || best.size() > bytes / 2) {
    ByteWriter plain;
    plain.Byte(kPlain);
    WritePlain(plain, dense);
    offer(std::move(plain));
  }
  out.Raw(best.bytes());
}

TextColumn ReadTexts(ByteReader& in, std::size_t count) {
  TextColumn column;
  const std::vector<bool> present = ReadPresence(in, count);
  const auto some =
      present.empty() ? count
                      : static_cast<std::size_t>(std::count(present.begin(), present.end(), true));
  std::vector<std::uint64_t> indexes;
  const std::uint8_t form = in.Byte();
  if (form == kDictionary) {
    const std::uint64_t size = in.Varint();
    if (size > in.left()) {  // Each takes a byte at least.
      in.Fail();
    }
    for (std::uint64_t i = 0; i < size && !in.failed(); ++i) {
      column.texts.emplace_back(in.Text());
    }
    indexes = ReadIndexes(in, some, column.texts.size());
  } else if (form == kPrefixedNumber || form == kPlain || form == kPlaces) {
    column.texts = form == kPlain    ? ReadPlain(in, some)
                   : form == kPlaces ? ReadPlaces(in, some)
                                     : ReadPrefixedNumbers(in, some);
    for (std::size_t i = 0; i < column.texts.size(); ++i) {
      indexes.push_back(i);
    }
  } else {
    in.Fail();
  }
  column.index.assign(count, TextColumn::kNoText);
  if (indexes.size() != some) {
    in.Fail();
  }
  std::size_t next = 0;
  for (std::size_t i = 0; i < count && !in.failed(); ++i) {
    if (present.empty() || present[i]) {
      column.index[i] = static_cast<std::uint32_t>(indexes[next++]);
    }
  }
  return column;
}

}  // namespace segue
