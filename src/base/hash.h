// Hashes: a fast keyed one for tables and arms, and the slow strong ones for signatures and keys.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace segue {

struct HashKey {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
};

// SipHash-2-4 (Aumasson and Bernstein 2012), so that nobody who sends us ids can make them collide.
std::uint64_t KeyedHash(HashKey key, std::string_view bytes);

// Lower-case hex of SHA-256.
std::string Sha256Hex(std::string_view bytes);
// Lower-case hex of HMAC-SHA-256.
std::string HmacSha256Hex(std::string_view key, std::string_view bytes);
// Lower-case hex of HMAC-SHA-1: only to check what vendors still sign by it.
std::string HmacSha1Hex(std::string_view key, std::string_view bytes);
// Whether both are the same, found in a time that tells nothing of where they differ.  Nothing is
// the same as an empty secret.
bool SameSecret(std::string_view secret, std::string_view given);
std::string Base64(std::string_view bytes);
// Nothing when it is none.
std::optional<std::string> FromBase64(std::string_view text);
// Lower-case hex of MD5: only where a vendor names things by it, never for safety.
std::string Md5Hex(std::string_view bytes);
// The bytes of an RS256 signature (RSA PKCS #1 v1.5 with SHA-256), which are the same each time.
// Nothing when the text is no RSA private key in PEM.
std::optional<std::string> SignRs256(std::string_view key_pem, std::string_view bytes);
// 0 to 9999: where a person falls in an experiment.  From SHA-256, so that it can be recomputed
// anywhere.
int Bucket(std::string_view salt, std::string_view experiment, std::string_view person);
// 128 unguessable bits as hex, from the operating system: only for the keys that a new state file
// is given.
std::string RandomHex();

}  // namespace segue
