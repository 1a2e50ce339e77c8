// Addresses of ours that messages carry: each says whom it was written to, and proves that we
// wrote it, so that nobody can sign off or click for somebody else.

#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace segue {

// The event that a followed link becomes, where the workspace has it, with its fields.
constexpr std::string_view kLinkClicked = "link_clicked";
constexpr std::string_view kClickedLink = "link";
constexpr std::string_view kClickedTemplate = "template";

// What signs: the key behind `serve.sign`, and the workspace that it speaks for.
struct LinkSigner {
  std::string key;
  std::string workspace;
};

// "KEY/PROOF", percent-encoded.
std::string PersonPath(const LinkSigner& signer, std::string_view customer);
// The customer's key; nothing when the proof is not ours.
std::optional<std::string> PersonOfPath(const LinkSigner& signer, std::string_view path);

struct TrackedLink {
  std::string link;  // A name of `links.paths`.
  std::string template_id;
  std::string customer;  // Key.
};

// "LINK/TEMPLATE/KEY/PROOF", percent-encoded.
std::string TrackedPath(const LinkSigner& signer, const TrackedLink& link);
// Nothing when the proof is not ours.  `rest` is what a template wrote behind the link.
std::optional<TrackedLink> TrackedOfPath(const LinkSigner& signer, std::string_view path,
                                         std::string* rest);

}  // namespace segue
