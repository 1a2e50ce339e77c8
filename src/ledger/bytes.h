// Writing and reading of bytes for everything that the ledger stores in blobs: varints, zigzag,
// packed bits.
//
// A ByteReader never reads past its end: it turns `failed` and gives zeros, so that a decoder asks
// once, at the end.

#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace segue {

__extension__ typedef __int128 Int128;
__extension__ typedef unsigned __int128 UInt128;

constexpr std::uint64_t ZigZag(std::int64_t value) {
  return (static_cast<std::uint64_t>(value) << 1U) ^ static_cast<std::uint64_t>(value >> 63);
}

constexpr std::int64_t UnZigZag(std::uint64_t value) {
  return static_cast<std::int64_t>((value >> 1U) ^ (~(value & 1U) + 1U));
}

class ByteWriter {
 public:
  void Byte(std::uint8_t value) { out_.push_back(static_cast<char>(value)); }

  void Varint(std::uint64_t value) {
    while (value >= 128) {
      Byte(static_cast<std::uint8_t>(value | 128U));
      value >>= 7U;
    }
    Byte(static_cast<std::uint8_t>(value));
  }

  void Signed(std::int64_t value) { Varint(ZigZag(value)); }

  void Fixed64(std::uint64_t value) {
    static_assert(std::endian::native == std::endian::little);
    char bytes[sizeof value];
    std::memcpy(bytes, &value, sizeof value);
    out_.append(bytes, sizeof value);
  }

  void Text(std::string_view text) {
    Varint(text.size());
    out_.append(text);
  }

  void Raw(std::string_view bytes) { out_.append(bytes); }

  // Each value in `width` bits; the last byte is filled with zeros.
  void Bits(std::span<const std::uint64_t> values, int width) {
    std::uint64_t buffer = 0;
    int used = 0;
    out_.reserve(out_.size() + (values.size() * static_cast<std::size_t>(width) + 7) / 8);
    for (const std::uint64_t value : values) {
      if (width == 0) {
        break;
      }
      buffer |= value << static_cast<unsigned>(used);
      if (used + width >= 64) {
        Fixed64(buffer);
        buffer = used == 0 ? 0 : value >> static_cast<unsigned>(64 - used);
        used += width - 64;
        if (used == 0) {
          buffer = 0;
        }
      } else {
        used += width;
      }
    }
    for (; used > 0; used -= 8) {
      Byte(static_cast<std::uint8_t>(buffer));
      buffer >>= 8U;
    }
  }

  std::size_t size() const { return out_.size(); }

  const std::string& bytes() const { return out_; }

  std::string Take() { return std::move(out_); }

 private:
  std::string out_;
};

// One of the values that ByteWriter::Bits packed.  Requires: it lies in `packed`; 0 < width <= 64.
inline std::uint64_t BitsAt(std::string_view packed, std::size_t at, int width) {
  const auto bits = static_cast<std::size_t>(width);
  const std::string_view from = packed.substr(at * bits / 8);
  UInt128 window = 0;
  std::memcpy(&window, from.data(), std::min(sizeof window, from.size()));
  return static_cast<std::uint64_t>(window >> (at * bits % 8)) & (~std::uint64_t{0} >> (64 - bits));
}

class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : bytes_(bytes) {}

  std::uint8_t Byte() {
    if (at_ >= bytes_.size()) {
      failed_ = true;
      return 0;
    }
    return static_cast<std::uint8_t>(bytes_[at_++]);
  }

  std::uint64_t Varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const std::uint8_t byte = Byte();
      value |= static_cast<std::uint64_t>(byte & 127U) << shift;
      if (byte < 128) {
        return value;
      }
    }
    failed_ = true;
    return 0;
  }

  std::int64_t Signed() { return UnZigZag(Varint()); }

  std::uint64_t Fixed64() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 8) {
      value |= static_cast<std::uint64_t>(Byte()) << shift;
    }
    return value;
  }

  std::string_view Text() { return Raw(Varint()); }

  std::string_view Raw(std::uint64_t size) {
    if (size > left()) {
      failed_ = true;
      return {};
    }
    const std::string_view taken = bytes_.substr(at_, size);
    at_ += size;
    return taken;
  }

  // Requires: the caller has limited `count`.
  std::vector<std::uint64_t> Bits(std::size_t count, int width) {
    std::vector<std::uint64_t> values(count, 0);
    if (width == 0 || failed_) {
      return values;
    }
    if (width < 0 || width > 64) {
      failed_ = true;
      return values;
    }
    const auto bits = static_cast<std::size_t>(width);
    const std::string_view packed = Raw((count * bits + 7) / 8);
    if (failed_) {
      return values;
    }
    const std::uint64_t mask = width == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1;
    std::size_t i = 0;
    // Eight bytes at a time hold a value wherever it begins in the first of them.
    for (; bits <= 56 && i * bits / 8 + 8 <= packed.size() && i < count; ++i) {
      std::uint64_t window = 0;
      std::memcpy(&window, packed.data() + i * bits / 8, sizeof window);
      values[i] = (window >> (i * bits % 8)) & mask;
    }
    for (; i < count; ++i) {
      values[i] = BitsAt(packed, i, width);
    }
    return values;
  }

  void Fail() { failed_ = true; }

  bool failed() const { return failed_; }

  std::size_t left() const { return bytes_.size() - at_; }

 private:
  std::string_view bytes_;
  std::size_t at_ = 0;
  bool failed_ = false;
};

// What a varint takes.
inline std::size_t VarintBytes(std::uint64_t value) {
  return (static_cast<std::size_t>(std::bit_width(value | 1U)) + 6) / 7;
}

inline int BitWidth(std::uint64_t value) {
  return static_cast<int>(std::bit_width(value));
}

}  // namespace segue
