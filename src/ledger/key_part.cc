// Packing of a part, and reading where the numbers stand.

#include "ledger/key_part.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "ledger/bytes.h"
#include "ledger/sealed.h"

namespace segue {
namespace {

// Three overflow pages of 4092 bytes, and as little beside them as SQLite lets stand in a leaf with
// others ("Cell Payload Overflow Pages" of its file format: 489); longer, a part would waste a
// third of a page in the mean.  Parts of a run differ by some tens of bytes.
constexpr std::size_t kPartBytes = 3 * 4092 + 489 - 65;
constexpr int kWideBits = 32;  // What a number costs whose upper bits stand behind the others.

// The width in which most of `numbers` fit so that all of them take the fewest bits.
int WidthOfMost(const std::vector<std::uint64_t>& numbers) {
  std::array<std::size_t, 65> of_width{};
  for (const std::uint64_t number : numbers) {
    ++of_width[static_cast<std::size_t>(BitWidth(number))];
  }
  int best = 0;
  std::size_t least = ~std::size_t{0}, wider = 0;
  for (int width = 63; width >= 0; --width) {
    wider += of_width[static_cast<std::size_t>(width) + 1];
    const std::size_t bits =
        numbers.size() * static_cast<std::size_t>(width) + wider * std::size_t{kWideBits};
    if (bits <= least) {
      least = bits;
      best = width;
    }
  }
  return best;
}

void WriteMost(ByteWriter& out, std::vector<std::uint64_t> numbers) {
  const int width = WidthOfMost(numbers);
  const auto shift = static_cast<unsigned>(width);
  std::vector<std::pair<std::size_t, std::uint64_t>> upper;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (numbers[i] >> shift != 0) {
      upper.emplace_back(i, numbers[i] >> shift);
      numbers[i] &= (std::uint64_t{1} << shift) - 1;
    }
  }
  out.Byte(static_cast<std::uint8_t>(width));
  out.Bits(numbers, width);
  out.Varint(upper.size());
  for (const auto& [at, bits] : upper) {
    out.Varint(at);
    out.Varint(bits);
  }
}

}  // namespace

std::size_t EntriesOfKeyPart(std::span<const KeyEntry> entries) {
  // Hashes are even: the first part tells.
  const std::size_t count = std::min(kKeyPartEntries, entries.size());
  const std::size_t bytes = EncodeKeyPart(entries.first(count)).size();
  return bytes <= kPartBytes ? kKeyPartEntries : count * kPartBytes / bytes;
}

std::string EncodeKeyPart(std::span<const KeyEntry> entries) {
  const std::size_t count = entries.size();
  const std::uint64_t first = entries[0].hash;
  const std::uint64_t span = entries[count - 1].hash - first;
  const int low_bits = std::max(0, BitWidth(span / count) - 1);
  std::vector<std::uint64_t> lows(count), groups(count), within(count);
  std::vector<std::uint64_t> highs;  // As bits: zeros and a one for each entry.
  std::size_t length = 0;
  std::uint64_t lowest = ~std::uint64_t{0}, exact = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t offset = entries[i].hash - first;
    lows[i] =
        low_bits == 0 ? 0 : offset & ((std::uint64_t{1} << static_cast<unsigned>(low_bits)) - 1);
    const std::size_t one = (offset >> static_cast<unsigned>(low_bits)) + i;
    highs.resize(one / 64 + 1, 0);
    highs[one / 64] |= std::uint64_t{1} << (one % 64);
    length = one + 1;
    groups[i] = entries[i].place >> kWithinBits;
    within[i] = entries[i].place & kWithin;
    lowest = std::min(lowest, groups[i]);
    exact |= within[i];
  }
  for (std::uint64_t& group : groups) {
    group -= lowest;
  }
  ByteWriter out;
  out.Varint(count);
  out.Varint(first);
  out.Byte(static_cast<std::uint8_t>(low_bits));
  out.Bits(lows, low_bits);
  out.Varint(length);
  out.Bits(highs, 64);
  out.Varint(lowest);
  WriteMost(out, std::move(groups));
  out.Byte(exact == 0 ? 0 : kWithinBits);
  out.Bits(within, exact == 0 ? 0 : kWithinBits);
  return Sealed(out);
}

std::uint64_t KeyPart::Packed::At(std::size_t at) const {
  return width == 0 ? 0 : BitsAt(bytes, at, width);
}

std::optional<KeyPart> KeyPart::Open(std::string_view bytes) {
  KeyPart part;
  ByteReader in(bytes);
  part.count_ = in.Varint();
  part.first_ = in.Varint();
  part.lows_ = part.Numbers(in, in.Byte());
  const std::uint64_t length = in.Varint();
  part.highs_ = in.Raw(length > in.left() * 8 ? in.left() + 1 : (length + 63) / 64 * 8);
  part.lowest_ = in.Varint();
  part.groups_ = part.Numbers(in, in.Byte());
  for (std::uint64_t left = in.Varint(); left > 0 && !in.failed(); --left) {
    const std::uint64_t at = in.Varint();
    if (at >= part.count_ || (!part.upper_.empty() && at <= part.upper_.back().first)) {
      in.Fail();
    }
    part.upper_.emplace_back(at, in.Varint() << static_cast<unsigned>(part.groups_.width));
  }
  part.within_ = part.Numbers(in, in.Byte());
  return in.failed() || in.left() != 0 || part.count_ == 0 ? std::nullopt
                                                           : std::optional(std::move(part));
}

std::optional<std::vector<KeyEntry>> KeyPart::All() const {
  std::vector<KeyEntry> part(count_);
  std::size_t next = 0;
  for (std::size_t word = 0; word < highs_.size() / 8; ++word) {
    for (std::uint64_t ones = High(word); ones != 0; ones &= ones - 1, ++next) {
      const std::size_t at = word * 64 + static_cast<std::size_t>(std::countr_zero(ones));
      if (at < next || next >= count_) {
        return std::nullopt;
      }
      part[next] = {Hash(at - next, next), PlaceOf(groups_.At(next), next)};
      if (next > 0 && part[next].hash < part[next - 1].hash) {
        return std::nullopt;
      }
    }
  }
  for (const auto& [at, bits] : upper_) {
    part[at].place += bits << kWithinBits;
  }
  return next == count_ ? std::optional(std::move(part)) : std::nullopt;
}

void KeyPart::Find(std::uint64_t hash, std::vector<std::uint64_t>& places) const {
  if (hash < first_) {
    return;
  }
  // Those with these upper bits stand behind as many zeros.
  const std::uint64_t zeros = (hash - first_) >> static_cast<unsigned>(lows_.width);
  std::uint64_t before = 0;
  std::size_t next = 0, word = 0;
  for (; word < highs_.size() / 8; ++word) {
    const auto ones = static_cast<std::size_t>(std::popcount(High(word)));
    if (before + 64 - ones >= zeros) {
      break;
    }
    before += 64 - ones;
    next += ones;
  }
  for (std::size_t bit = word * 64; bit < highs_.size() * 8 && before <= zeros; ++bit) {
    if ((High(bit / 64) >> (bit % 64) & 1U) == 0) {
      ++before;
    } else {
      if (before == zeros && next < count_ && Hash(zeros, next) == hash) {
        places.push_back(Place(next));
      }
      ++next;
    }
  }
}

KeyPart::Packed KeyPart::Numbers(ByteReader& in, int width) const {
  if (width > 63 || count_ > kKeyPartEntries) {
    in.Fail();
    return {};
  }
  return {width, in.Raw((count_ * static_cast<std::size_t>(width) + 7) / 8)};
}

std::uint64_t KeyPart::High(std::size_t word) const {
  std::uint64_t high = 0;
  std::memcpy(&high, highs_.data() + word * sizeof high, sizeof high);
  return high;
}

std::uint64_t KeyPart::Hash(std::uint64_t upper, std::size_t at) const {
  return first_ + ((upper << static_cast<unsigned>(lows_.width)) | lows_.At(at));
}

std::uint64_t KeyPart::PlaceOf(std::uint64_t group, std::size_t at) const {
  return (lowest_ + group) << kWithinBits | within_.At(at);
}

std::uint64_t KeyPart::Place(std::size_t at) const {
  std::uint64_t group = groups_.At(at);
  const auto upper = std::lower_bound(upper_.begin(), upper_.end(),
                                      std::pair<std::uint64_t, std::uint64_t>(at, 0));
  group += upper != upper_.end() && upper->first == at ? upper->second : 0;
  return PlaceOf(group, at);
}

}  // namespace segue
