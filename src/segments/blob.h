// Columns of small values as bytes, for the stored state of models: most hold few different values
// per block, so they are kept as a list of those and a number of few bits for each row.
//
//   column = width byte, then
//     kRaw      the values as they are
//     0 … 8     number of different values less one, the values, a number of `width` bits per row

#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace segue {

template <typename T>
void PutValue(std::string& out, T value) {
  static_assert(std::is_trivially_copyable_v<T>);
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out.append(bytes, sizeof(T));
}

constexpr std::uint8_t kRawColumn = 255;

// The different values of a column, at most 256, in the order of appearance.
template <typename T>
class FewValues {
 public:
  // The number of the value; -1 once there are too many.
  int NumberOf(T value) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof(T));
    if (count_ > 0 && bits == bits_[last_]) {
      return static_cast<int>(last_);  // Neighbours are often alike.
    }
    std::size_t slot = sizeof(T) == 1 ? bits : (bits * 0x9e3779b97f4a7c15U) >> 55U;
    while (slots_[slot] != 0) {
      const std::size_t number = slots_[slot] - 1U;
      if (bits_[number] == bits) {
        last_ = number;
        return static_cast<int>(number);
      }
      slot = (slot + 1) % slots_.size();
    }
    if (count_ == bits_.size()) {
      return -1;
    }
    last_ = count_;
    bits_[count_++] = bits;
    slots_[slot] = static_cast<std::uint16_t>(count_);
    return static_cast<int>(last_);
  }

  std::size_t count() const { return count_; }

  T value(std::size_t number) const {
    T value;
    std::memcpy(&value, &bits_[number], sizeof(T));
    return value;
  }

 private:
  std::array<std::uint16_t, 512> slots_{};
  std::array<std::uint64_t, 256> bits_;
  std::size_t count_ = 0, last_ = 0;
};

// So many bits of each, the lowest first.
inline void PutBits(std::string& out, const std::vector<std::uint8_t>& numbers, unsigned width) {
  const std::size_t begin = out.size();
  const std::size_t size = (numbers.size() * width + 7) / 8;
  out.resize(begin + size + sizeof(std::uint64_t));
  char* to = out.data() + begin;
  std::uint64_t buffer = 0;
  unsigned used = 0;
  for (const std::uint8_t number : numbers) {
    buffer |= std::uint64_t{number} << used;
    used += width;
    if (used >= 32) {
      std::memcpy(to, &buffer, 4);
      to += 4;
      buffer >>= 32U;
      used -= 32;
    }
  }
  std::memcpy(to, &buffer, sizeof(buffer));
  out.resize(begin + size);
}

// `at(i)` is the value of row i.
template <typename T, typename At>
void PutColumn(std::string& out, std::size_t rows, At at) {
  FewValues<T> few;
  std::vector<std::uint8_t> numbers(rows);
  std::uint8_t* const to = numbers.data();
  for (std::size_t i = 0; i < rows; ++i) {
    const int number = few.NumberOf(at(i));
    if (number < 0) {
      out.push_back(static_cast<char>(kRawColumn));
      for (std::size_t k = 0; k < rows; ++k) {
        PutValue<T>(out, at(k));
      }
      return;
    }
    to[i] = static_cast<std::uint8_t>(number);
  }
  const std::size_t different = few.count();
  const auto width = different == 0 ? 0U : static_cast<unsigned>(std::bit_width(different - 1));
  out.push_back(static_cast<char>(width));
  out.push_back(static_cast<char>(different == 0 ? 0 : different - 1));
  for (std::size_t number = 0; number < different; ++number) {
    PutValue(out, few.value(number));
  }
  if (width > 0) {
    PutBits(out, numbers, width);
  }
}

class BlobReader {
 public:
  explicit BlobReader(std::string_view bytes) : bytes_(bytes) {}

  template <typename T>
  T Get() {
    T value;
    std::memcpy(&value, Take(sizeof(T)).data(), sizeof(T));
    return value;
  }

  // Calls set(row, value) for each row.
  template <typename T, typename Set>
  void Column(std::size_t rows, Set set) {
    const auto width = Get<std::uint8_t>();
    if (width == kRawColumn) {
      for (std::size_t i = 0; i < rows; ++i) {
        set(i, Get<T>());
      }
      return;
    }
    if (width > 8) {
      Damaged();
    }
    std::vector<T> values(std::size_t{Get<std::uint8_t>()} + 1);
    for (T& value : values) {
      value = rows == 0 ? T() : Get<T>();
    }
    const std::string_view packed = Take((rows * width + 7) / 8);
    std::uint32_t buffer = 0;
    int have = 0;
    std::size_t next = 0;
    for (std::size_t i = 0; i < rows; ++i) {
      for (; have < width; have += 8) {
        buffer |= std::uint32_t{static_cast<unsigned char>(packed[next++])}
                  << static_cast<unsigned>(have);
      }
      const std::uint32_t number = buffer & ((1U << width) - 1U);
      buffer >>= width;
      have -= width;
      if (number >= values.size()) {
        Damaged();
      }
      set(i, values[number]);
    }
  }

 private:
  [[noreturn]] static void Damaged() {
    throw std::runtime_error("segment state is damaged: restore a backup of the state file");
  }

  std::string_view Take(std::size_t size) {
    if (bytes_.size() < size) {
      Damaged();
    }
    const std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }

  std::string_view bytes_;
};

}  // namespace segue
