// Sums of blobs.

#include "ledger/sealed.h"

#include "base/hash.h"

namespace segue {
namespace {

// Damage, not attack, is what the check sum finds, so its key may be known.
constexpr HashKey kSumKey{.low = 0x5365677565426c6bU, .high = 1};

}  // namespace

std::string Sealed(ByteWriter& out) {
  const std::uint64_t sum = KeyedHash(kSumKey, out.bytes());
  for (unsigned shift = 0; shift < 32; shift += 8) {
    out.Byte(static_cast<std::uint8_t>(sum >> shift));
  }
  return out.Take();
}

std::optional<std::string_view> Unsealed(std::string_view bytes) {
  if (bytes.size() < 4) {
    return std::nullopt;
  }
  const std::string_view body = bytes.substr(0, bytes.size() - 4);
  const std::uint64_t sum = KeyedHash(kSumKey, body);
  for (std::size_t i = 0; i < 4; ++i) {
    if (static_cast<std::uint8_t>(bytes[body.size() + i]) !=
        static_cast<std::uint8_t>(sum >> (8 * i))) {
      return std::nullopt;
    }
  }
  return body;
}

}  // namespace segue
