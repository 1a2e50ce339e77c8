#include "pipeline/links.h"

#include <vector>

#include "base/hash.h"
#include "base/text.h"

namespace segue {
namespace {

constexpr std::size_t kProofDigits = 32;  // 128 bits.
constexpr int kSlashesMax = 8;            // In a customer's key.

std::string ProofOf(const LinkSigner& signer, std::string_view what) {
  return HmacSha256Hex(signer.key, what).substr(0, kProofDigits);
}

// What a key may be that stands so in an address: some proxies have decoded it already, and then a
// slash in it looks like any other.
std::vector<std::string> KeysWritten(std::string_view text) {
  std::vector<std::string> keys;
  if (std::optional<std::string> decoded = UrlDecode(text)) {
    keys.push_back(std::move(*decoded));
  }
  if (text.find('%') != std::string_view::npos) {
    keys.emplace_back(text);
  }
  return keys;
}

std::string PersonProof(const LinkSigner& signer, std::string_view customer) {
  return ProofOf(signer, "person/" + signer.workspace + "/" + std::string(customer));
}

// The parts are encoded, so that no two links have the same text.
std::string TrackedProof(const LinkSigner& signer, std::string_view parts) {
  return ProofOf(signer, "link/" + UrlEncode(signer.workspace) + "/" + std::string(parts));
}

std::string PartsOf(const TrackedLink& link) {
  return UrlEncode(link.link) + "/" + UrlEncode(link.template_id) + "/" + UrlEncode(link.customer);
}

}  // namespace

std::string PersonPath(const LinkSigner& signer, std::string_view customer) {
  return UrlEncode(customer) + "/" + PersonProof(signer, customer);
}

std::optional<std::string> PersonOfPath(const LinkSigner& signer, std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos || signer.key.empty()) {
    return std::nullopt;
  }
  for (std::string& customer : KeysWritten(path.substr(0, slash))) {
    if (SameSecret(PersonProof(signer, customer), path.substr(slash + 1))) {
      return std::move(customer);
    }
  }
  return std::nullopt;
}

std::string TrackedPath(const LinkSigner& signer, const TrackedLink& link) {
  const std::string parts = PartsOf(link);
  return parts + "/" + TrackedProof(signer, parts);
}

std::optional<TrackedLink> TrackedOfPath(const LinkSigner& signer, std::string_view path,
                                         std::string* rest) {
  std::vector<std::string> parts;
  for (int i = 0; i < 2; ++i) {
    const std::size_t slash = path.find('/');
    std::optional<std::string> part =
        slash == std::string_view::npos ? std::nullopt : UrlDecode(path.substr(0, slash));
    if (!part) {
      return std::nullopt;
    }
    parts.push_back(std::move(*part));
    path.remove_prefix(slash + 1);
  }
  // What a template wrote behind the link may have slashes too.
  std::size_t slash = path.find('/');
  for (int i = 0; i < kSlashesMax && slash != std::string_view::npos && !signer.key.empty(); ++i) {
    const std::string_view behind = path.substr(slash + 1);
    for (std::string& customer : KeysWritten(path.substr(0, slash))) {
      TrackedLink link{parts[0], parts[1], std::move(customer)};
      if (SameSecret(TrackedProof(signer, PartsOf(link)), behind.substr(0, kProofDigits))) {
        *rest = behind.substr(kProofDigits);
        return link;
      }
    }
    slash = path.find('/', slash + 1);
  }
  return std::nullopt;
}

}  // namespace segue
