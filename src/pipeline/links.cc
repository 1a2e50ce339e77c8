#include "pipeline/links.h"

#include <vector>

#include "base/hash.h"
#include "base/text.h"

namespace segue {
namespace {

constexpr std::size_t kProofDigits = 32;  // 128 bits.

std::string ProofOf(const LinkSigner& signer, std::string_view what) {
  return HmacSha256Hex(signer.key, what).substr(0, kProofDigits);
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
  const std::size_t slash = path.find('/');
  if (slash == std::string_view::npos || signer.key.empty()) {
    return std::nullopt;
  }
  std::optional<std::string> customer = UrlDecode(path.substr(0, slash));
  if (!customer || !SameSecret(PersonProof(signer, *customer), path.substr(slash + 1))) {
    return std::nullopt;
  }
  return customer;
}

std::string TrackedPath(const LinkSigner& signer, const TrackedLink& link) {
  const std::string parts = PartsOf(link);
  return parts + "/" + TrackedProof(signer, parts);
}

std::optional<TrackedLink> TrackedOfPath(const LinkSigner& signer, std::string_view path,
                                         std::string* rest) {
  std::vector<std::string> parts;
  for (int i = 0; i < 3; ++i) {
    const std::size_t slash = path.find('/');
    std::optional<std::string> part =
        slash == std::string_view::npos ? std::nullopt : UrlDecode(path.substr(0, slash));
    if (!part) {
      return std::nullopt;
    }
    parts.push_back(std::move(*part));
    path.remove_prefix(slash + 1);
  }
  TrackedLink link{parts[0], parts[1], parts[2]};
  if (signer.key.empty() ||
      !SameSecret(TrackedProof(signer, PartsOf(link)), path.substr(0, kProofDigits))) {
    return std::nullopt;
  }
  *rest = path.substr(kProofDigits);
  return link;
}

}  // namespace segue
