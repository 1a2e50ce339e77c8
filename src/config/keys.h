// The table of keys: every key of every kind of document, once.  It feeds the loader, the
// normalised text and the docs.
//
// A path names where a key stands: `scores.*.points[].when`.  `*` is a name that the author
// chooses, `[]` an entry of a list.  To add a key: add its line in keys_*.cc; what it does is said
// in compile_*.cc.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/forms.h"

namespace segue {

enum class DocumentKind : std::uint8_t {
  kWorkspace,
  kConnector,
  kSource,
  kModel,
  kFunnel,
  kInsight,
  kPlaybook,
  kOffer,
  kPolicy,
  kTemplate,
  kLayout,
  kTest,
  // Parts with a table of their own.
  kStep,
  kFact,
};

constexpr int kDocumentKinds = 12;

std::string_view KindName(DocumentKind kind);
// By the first key of a document.
std::optional<DocumentKind> FindKind(std::string_view key);

enum class Many : std::uint8_t { kOne, kOneOrList, kList };

// What KeySpec::standard says of a key without one: it must stand there, or as the meaning says.
constexpr std::string_view kMust = "required";
constexpr std::string_view kMaybe = "conditional";

struct KeySpec {
  std::string_view path;
  Form form;
  // What is in force when the key is absent; kMust, kMaybe; "-": nothing.
  std::string_view standard;
  std::string_view meaning;
  // kChoice: the words.  kName: what it names ("event"), then words that are allowed too, behind |.
  std::string_view values = {};
  Many many = Many::kOne;
};

// What the `*` of a path must name: {"consent.*", "channel"}.
struct StarSpec {
  DocumentKind kind;
  std::string_view path;
  std::string_view names;
};

std::span<const KeySpec> KeysOf(DocumentKind kind);

// A path's parts as a tree.
struct KeyNode {
  std::string name;  // The last part of the path.
  std::string path;
  const KeySpec* spec = nullptr;  // Null for maps that are only the way to their keys.
  std::string_view star_names;    // Of `*`.
  std::vector<KeyNode> children;  // By name, in the order of the table.
  std::unique_ptr<KeyNode> any;   // `*`
  std::unique_ptr<KeyNode> item;  // `[]`

  const KeyNode* Child(std::string_view key) const;  // Named or `*`.

  bool takes_map() const { return !children.empty() || any != nullptr; }
};

const KeyNode& KeyTree(DocumentKind kind);

std::span<const KeySpec> WorkspaceKeys();
std::span<const KeySpec> SourceKeys();
std::span<const KeySpec> ConnectorKeys();
std::span<const KeySpec> ModelKeys();
std::span<const KeySpec> FunnelKeys();
std::span<const KeySpec> InsightKeys();
std::span<const KeySpec> PlaybookKeys();
std::span<const KeySpec> StepKeys();
std::span<const KeySpec> OfferKeys();
std::span<const KeySpec> PolicyKeys();
std::span<const KeySpec> TemplateKeys();
std::span<const KeySpec> LayoutKeys();
std::span<const KeySpec> TestKeys();
std::span<const KeySpec> FactKeys();

}  // namespace segue
