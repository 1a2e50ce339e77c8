// SipHash by hand, the rest from OpenSSL; only this file includes it.

#include "base/hash.h"

#include <array>
#include <bit>
#include <cstddef>
#include <memory>
#include <stdexcept>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include "base/check.h"

namespace segue {
namespace {

using Sha256Bytes = std::array<unsigned char, SHA256_DIGEST_LENGTH>;

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string ToHex(const unsigned char* bytes, std::size_t count) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  hex.reserve(2 * count);
  for (std::size_t i = 0; i < count; ++i) {
    hex += kDigits[bytes[i] >> 4U];
    hex += kDigits[bytes[i] & 15U];
  }
  return hex;
}

std::string HmacHex(const EVP_MD* hash, std::string_view key, std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  // OpenSSL takes a null key for "the key of the last call".
  const char* key_bytes = key.empty() ? "" : key.data();
  const unsigned char* done = HMAC(hash, key_bytes, static_cast<int>(key.size()), Bytes(bytes),
                                   bytes.size(), digest.data(), &size);
  SEGUE_CHECK(done != nullptr && size <= digest.size());
  return ToHex(digest.data(), size);
}

Sha256Bytes Sha256(std::string_view bytes) {
  // Looked up once: the library would search its providers for each text.
  static EVP_MD* const kSha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  Sha256Bytes digest{};
  const int done = EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, kSha256, nullptr);
  SEGUE_CHECK(done == 1);
  return digest;
}

std::uint64_t LittleEndian(const char* bytes, std::size_t count) {
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < count; ++i) {
    word |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  }
  return word;
}

struct SipState {
  std::uint64_t v0, v1, v2, v3;

  void Round() {
    v0 += v1;
    v2 += v3;
    v1 = std::rotl(v1, 13) ^ v0;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 = std::rotl(v0, 32);
    v2 += v1;
    v0 += v3;
    v1 = std::rotl(v1, 17) ^ v2;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 = std::rotl(v2, 32);
  }

  void Absorb(std::uint64_t word) {
    v3 ^= word;
    Round();
    Round();
    v0 ^= word;
  }
};

}  // namespace

std::uint64_t KeyedHash(HashKey key, std::string_view bytes) {
  // The constants are the ASCII of "somepseudorandomlygeneratedbytes".
  SipState state{key.low ^ 0x736f6d6570736575U, key.high ^ 0x646f72616e646f6dU,
                 key.low ^ 0x6c7967656e657261U, key.high ^ 0x7465646279746573U};
  std::size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) {
    state.Absorb(LittleEndian(bytes.data() + at, 8));
  }
  const std::uint64_t length = static_cast<std::uint64_t>(bytes.size()) << 56U;
  state.Absorb(length | LittleEndian(bytes.data() + at, bytes.size() - at));
  state.v2 ^= 0xFFU;
  for (int i = 0; i < 4; ++i) {
    state.Round();
  }
  return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

std::string Sha256Hex(std::string_view bytes) {
  const Sha256Bytes digest = Sha256(bytes);
  return ToHex(digest.data(), digest.size());
}

std::string HmacSha256Hex(std::string_view key, std::string_view bytes) {
  return HmacHex(EVP_sha256(), key, bytes);
}

std::string HmacSha1Hex(std::string_view key, std::string_view bytes) {
  return HmacHex(EVP_sha1(), key, bytes);
}

bool SameSecret(std::string_view secret, std::string_view given) {
  return !secret.empty() && secret.size() == given.size() &&
         CRYPTO_memcmp(secret.data(), given.data(), secret.size()) == 0;
}

std::string Base64(std::string_view bytes) {
  // EVP_EncodeBlock ends its output with a zero byte, for which there must be room.
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int written = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), Bytes(bytes),
                                      static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(written));
  return text;
}

std::optional<std::string> FromBase64(std::string_view text) {
  // EVP_DecodeBlock takes whole groups of four and counts the padding as zero bytes.
  constexpr std::size_t kLongest = std::size_t{1} << 24U;
  if (text.size() % 4 != 0 || text.size() > kLongest) {
    return std::nullopt;
  }
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  std::string bytes(text.size() / 4 * 3, '\0');
  const int written = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()), Bytes(text),
                                      static_cast<int>(text.size()));
  if (written < 0 || static_cast<std::size_t>(written) != bytes.size()) {
    return std::nullopt;
  }
  bytes.resize(bytes.size() - padding);
  return bytes;
}

std::string Md5Hex(std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  const int done = EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_md5(), nullptr);
  SEGUE_CHECK(done == 1 && size == 16);
  return ToHex(digest.data(), size);
}

std::optional<std::string> SignRs256(std::string_view key_pem, std::string_view bytes) {
  const std::unique_ptr<BIO, int (*)(BIO*)> text(
      BIO_new_mem_buf(key_pem.data(), static_cast<int>(key_pem.size())), BIO_free);
  // Without a passphrase: nobody is there to be asked for one.
  const auto no_passphrase = [](char*, int, int, void*) { return -1; };
  const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key(
      PEM_read_bio_PrivateKey(text.get(), nullptr, no_passphrase, nullptr), EVP_PKEY_free);
  if (!key || EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_RSA) {
    ERR_clear_error();  // What is left in its queue would be taken for a later call's.
    return std::nullopt;
  }
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> sign(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  std::size_t size = static_cast<std::size_t>(EVP_PKEY_get_size(key.get()));
  std::string signature(size, '\0');
  if (EVP_DigestSignInit(sign.get(), nullptr, EVP_sha256(), nullptr, key.get()) != 1 ||
      EVP_DigestSign(sign.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                     Bytes(bytes), bytes.size()) != 1) {
    ERR_clear_error();
    return std::nullopt;  // A key too short to sign with.
  }
  signature.resize(size);
  return signature;
}

int Bucket(std::string_view salt, std::string_view experiment, std::string_view person) {
  std::string text(salt);
  text += '\x1F';
  text += experiment;
  text += '\x1F';
  text += person;
  // The first eight bytes as a big-endian number, modulo 10 000.
  std::uint64_t number = 0;
  const Sha256Bytes digest = Sha256(text);
  for (std::size_t i = 0; i < 8; ++i) {
    number = number << 8U | digest[i];
  }
  return static_cast<int>(number % 10'000);
}

std::string RandomHex() {
  std::array<unsigned char, 16> bytes{};
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) {
    throw std::runtime_error("the operating system gave no random bytes");
  }
  return ToHex(bytes.data(), bytes.size());
}

}  // namespace segue
