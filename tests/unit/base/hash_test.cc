// Hashes, against the vectors that their authors published.

#include "base/hash.h"

#include <array>
#include <set>
#include <string>

#include <doctest/doctest.h>

#include "support/rsa_key.h"

namespace segue {
namespace {

TEST_CASE("SipHash-2-4 gives the published vectors") {
  // The key is the bytes 00 … 0f, the n-th input the bytes 00 … n-1 (vectors_sip64 of the reference
  // code).
  constexpr HashKey kKey{0x0706050403020100U, 0x0f0e0d0c0b0a0908U};
  constexpr std::array<std::uint64_t, 16> kVectors = {
      0x726fdb47dd0e0e31U, 0x74f839c593dc67fdU, 0x0d6c8009d9a94f5aU, 0x85676696d7fb7e2dU,
      0xcf2794e0277187b7U, 0x18765564cd99a68dU, 0xcbc9466e58fee3ceU, 0xab0200f58b01d137U,
      0x93f5f5799a932462U, 0x9e0082df0ba9e4b0U, 0x7a5dbbc594ddb9f3U, 0xf4b32f46226bada7U,
      0x751e8fbc860ee5fbU, 0x14ea5627c0843d90U, 0xf723ca908e7af2eeU, 0xa129ca6149be45e5U};
  std::string input;
  for (const std::uint64_t expected : kVectors) {
    CAPTURE(input.size());
    CHECK(KeyedHash(kKey, input) == expected);
    input += static_cast<char>(input.size());
  }
  CHECK(KeyedHash({}, "a") != KeyedHash({1, 0}, "a"));
  CHECK(KeyedHash({}, "a") != KeyedHash({0, 1}, "a"));
}

TEST_CASE("SHA-256, HMAC and Base64 give the values of their standards") {
  CHECK(Sha256Hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(Sha256Hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  // RFC 4231, test case 2.
  CHECK(HmacSha256Hex("Jefe", "what do ya want for nothing?") ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  CHECK(HmacSha256Hex({}, {}) ==
        "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
  // RFC 2202, test cases 2 and 6.
  CHECK(HmacSha1Hex("Jefe", "what do ya want for nothing?") ==
        "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
  CHECK(HmacSha1Hex(std::string(80, '\xaa'),
                    "Test Using Larger Than Block-Size Key - Hash Key First") ==
        "aa4ae5e15272d00e95705637ce8a3b55ed402112");
  // RFC 4648, section 10.
  CHECK(Base64("").empty());
  CHECK(Base64("f") == "Zg==");
  CHECK(Base64("fo") == "Zm8=");
  CHECK(Base64("foo") == "Zm9v");
  CHECK(Base64("foobar") == "Zm9vYmFy");
}

TEST_CASE("Base64 is read back, padding and all, and what is none is nothing") {
  for (const std::string bytes : {"", "f", "fo", "foo", "foob"}) {
    CHECK(FromBase64(Base64(bytes)) == bytes);
  }
  for (const std::string none : {"Zg", "Zg=", "!!!!", "Zm8=Zm8"}) {
    INFO(none);
    CHECK(!FromBase64(none));
  }
}

TEST_CASE("a secret is the same only as itself, and no secret is the same as nothing") {
  CHECK(SameSecret("s3cret", "s3cret"));
  for (const char* other : {"", "s", "s3cre", "s3cret ", "S3cret", "s3creT", "x3cret"}) {
    CHECK_FALSE(SameSecret("s3cret", other));
  }
  CHECK_FALSE(SameSecret("", ""));
  CHECK_FALSE(SameSecret("", "x"));
  CHECK_FALSE(SameSecret("s3cret", std::string_view("s3cret\0", 7)));
}

TEST_CASE("a person's bucket is fixed, differs by experiment, and fills all of 0 to 9999 evenly") {
  CHECK(Bucket("salt", "winback", "c1") == Bucket("salt", "winback", "c1"));
  // The first 8 bytes of SHA-256("salt" 1F "winback" 1F "c1"), modulo 10 000, computed elsewhere.
  CHECK(Bucket("salt", "winback", "c1") == 5897);
  std::array<int, 10> tenths{};
  int same = 0;
  for (int i = 0; i < 20'000; ++i) {
    const int bucket = Bucket("salt", "a", std::to_string(i));
    REQUIRE(bucket >= 0);
    REQUIRE(bucket < 10'000);
    ++tenths[static_cast<std::size_t>(bucket / 1'000)];
    same += bucket == Bucket("salt", "b", std::to_string(i)) ? 1 : 0;
  }
  for (const int count : tenths) {
    CHECK(count > 1'850);
    CHECK(count < 2'150);
  }
  CHECK(same < 20);
}

TEST_CASE("random keys have 128 bits and differ") {
  std::set<std::string> keys;
  for (int i = 0; i < 100; ++i) {
    const std::string key = RandomHex();
    CHECK(key.size() == 32);
    CHECK(key.find_first_not_of("0123456789abcdef") == std::string::npos);
    keys.insert(key);
  }
  CHECK(keys.size() == 100);
}

TEST_CASE("MD5 and RS256 give what md5sum and openssl give") {
  CHECK(Md5Hex("") == "d41d8cd98f00b204e9800998ecf8427e");
  CHECK(Md5Hex("lara@customer.example") == "060a643cf8f88c97d0078bed55a450a7");
  const auto signature = SignRs256(kTestRsaKey, "segue");
  REQUIRE(signature.has_value());
  CHECK(Base64(*signature) == kTestRsaSignature);
  CHECK(SignRs256(kTestRsaKey, "segue") == signature);
}

TEST_CASE("only an RSA private key signs") {
  CHECK_FALSE(SignRs256("", "segue").has_value());
  CHECK_FALSE(SignRs256("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "segue")
                  .has_value());
  CHECK_FALSE(SignRs256(kTestRsaKey.substr(0, 900), "segue").has_value());
}

}  // namespace
}  // namespace segue
