// A part of a sorted run of the index of keys, packed: hashes, each with its place.
//
//   place = the number of a group of sequences, and in the lower bits which of them, from 1 on; 0:
//           any of them may be meant
//   part  = count, first hash, bits of the low halves, low halves packed, high halves in unary
//           (Elias and Fano 1974), lowest group, groups above it and lower bits in packed bits,
//           and the upper bits of those groups that these have no room for
//
// With 37-bit hashes and runs of four million keys a hash costs 2.1 bytes and a group 1.3.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace segue {

class ByteReader;

struct KeyEntry {
  std::uint64_t hash = 0;
  std::uint64_t place = 0;

  // clang-tidy 14 sees a 0 in what the compiler makes of this.
  friend auto operator<=>(const KeyEntry&,
                          const KeyEntry&) = default;  // NOLINT(modernize-use-nullptr)
};

inline constexpr int kWithinBits = 13;  // The lower bits of a place.
inline constexpr std::uint64_t kWithin = (std::uint64_t{1} << kWithinBits) - 1;
inline constexpr std::size_t kKeyPartEntries = 4096;  // At most.

// How many of a run, at most kKeyPartEntries, a part takes so that it fills its pages.  Requires:
// sorted, not empty.
std::size_t EntriesOfKeyPart(std::span<const KeyEntry> entries);
// Sealed.  Requires: sorted, not empty, at most kKeyPartEntries.
std::string EncodeKeyPart(std::span<const KeyEntry> entries);

// A part as it lies in the file, without its sum: numbers are read where they stand.
class KeyPart {
 public:
  // Nothing when it is damaged.  Requires: bytes outlive it.
  static std::optional<KeyPart> Open(std::string_view bytes);

  // By hash; nothing when the bytes are damaged.
  std::optional<std::vector<KeyEntry>> All() const;
  // Appends the places of a hash.
  void Find(std::uint64_t hash, std::vector<std::uint64_t>& places) const;

 private:
  KeyPart() = default;

  struct Packed {
    int width = 0;
    std::string_view bytes;

    std::uint64_t At(std::size_t at) const;
  };

  Packed Numbers(ByteReader& in, int width) const;
  std::uint64_t High(std::size_t word) const;
  std::uint64_t Hash(std::uint64_t upper, std::size_t at) const;
  std::uint64_t PlaceOf(std::uint64_t group, std::size_t at) const;
  std::uint64_t Place(std::size_t at) const;

  std::uint64_t count_ = 0, first_ = 0, lowest_ = 0;
  Packed lows_, groups_, within_;
  // Of groups, ascending: which entry, and its upper bits.
  std::vector<std::pair<std::uint64_t, std::uint64_t>> upper_;
  std::string_view highs_;
};

}  // namespace segue
