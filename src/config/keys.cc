#include "config/keys.h"

#include <algorithm>
#include <array>

namespace segue {
namespace {

constexpr std::array<std::string_view, kDocumentKinds + 2> kKindNames = {
    "workspace", "connector", "source",   "model",  "funnel", "insight", "playbook",
    "offer",     "policy",    "template", "layout", "test",   "step",    "fact"};

constexpr std::array kStars = {
    StarSpec{DocumentKind::kWorkspace, "consent.*", "channel"},
    StarSpec{DocumentKind::kTemplate, "use.*", "connector"},
    StarSpec{DocumentKind::kTemplate, "variants.*.use.*", "connector"},
    StarSpec{DocumentKind::kInsight, "look_at.actions.*", "event"},
    StarSpec{DocumentKind::kTest, "cuts.*", "score"},
    StarSpec{DocumentKind::kTest, "in_force.*", "insight"},
    StarSpec{DocumentKind::kTest, "steps[].answer.*", "connector"},
    StarSpec{DocumentKind::kTest, "steps[].expect.segment.*", "model"},
    StarSpec{DocumentKind::kTest, "steps[].expect.count.*", "model"},
    StarSpec{DocumentKind::kTest, "people.*.*", "trait name|account|group"},
    StarSpec{DocumentKind::kTest, "accounts.*.*", "account trait name|group"},
};

// Names that an author chooses and expressions use must be names there.
constexpr std::array kIds = {
    StarSpec{DocumentKind::kWorkspace, "traits.customer.*", "new name"},
    StarSpec{DocumentKind::kWorkspace, "traits.account.*", "new name"},
    StarSpec{DocumentKind::kWorkspace, "events.*", "new name"},
    StarSpec{DocumentKind::kWorkspace, "events.*.*", "new name"},
    StarSpec{DocumentKind::kModel, "features.*", "new name"},
    StarSpec{DocumentKind::kModel, "scores.*", "new name"},
    StarSpec{DocumentKind::kModel, "flags.*", "new name"},
};

// The next part of a path: `a`, `*` or `[]`.
std::string_view TakePart(std::string_view& rest) {
  std::size_t end = rest.find_first_of(".[");
  if (end == 0 && rest[0] == '[') {
    end = 2;
  }
  const std::string_view part = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end);
  if (!rest.empty() && rest.front() == '.') {
    rest.remove_prefix(1);
  }
  return part;
}

KeyNode& NodeAt(KeyNode& node, std::string_view part) {
  const std::string path =
      node.path + (part == "[]" || node.path.empty() ? "" : ".") + std::string(part);
  KeyNode* next = nullptr;
  if (part == "*" || part == "[]") {
    std::unique_ptr<KeyNode>& slot = part == "*" ? node.any : node.item;
    if (!slot) {
      slot = std::make_unique<KeyNode>();
    }
    next = slot.get();
  } else {
    auto found = std::find_if(node.children.begin(), node.children.end(),
                              [part](const KeyNode& child) { return child.name == part; });
    next = found != node.children.end() ? &*found : &node.children.emplace_back();
  }
  next->name = std::string(part);
  next->path = path;
  return *next;
}

KeyNode BuildTree(DocumentKind kind) {
  KeyNode root;
  for (const KeySpec& spec : KeysOf(kind)) {
    KeyNode* node = &root;
    for (std::string_view rest = spec.path; !rest.empty();) {
      node = &NodeAt(*node, TakePart(rest));
    }
    node->spec = &spec;
  }
  const auto name_stars = [&](std::span<const StarSpec> stars) {
    for (const StarSpec& star : stars) {
      if (star.kind == kind) {
        KeyNode* node = &root;
        for (std::string_view rest = star.path; !rest.empty();) {
          node = &NodeAt(*node, TakePart(rest));
        }
        node->star_names = star.names;
      }
    }
  };
  name_stars(kStars);
  name_stars(kIds);
  return root;
}

}  // namespace

std::string_view KindName(DocumentKind kind) {
  return kKindNames[static_cast<std::size_t>(kind)];
}

std::optional<DocumentKind> FindKind(std::string_view key) {
  const auto end = kKindNames.begin() + kDocumentKinds;
  const auto found = std::find(kKindNames.begin(), end, key);
  return found == end ? std::nullopt
                      : std::optional(static_cast<DocumentKind>(found - kKindNames.begin()));
}

std::span<const KeySpec> KeysOf(DocumentKind kind) {
  switch (kind) {
    case DocumentKind::kWorkspace:
      return WorkspaceKeys();
    case DocumentKind::kConnector:
      return ConnectorKeys();
    case DocumentKind::kSource:
      return SourceKeys();
    case DocumentKind::kModel:
      return ModelKeys();
    case DocumentKind::kFunnel:
      return FunnelKeys();
    case DocumentKind::kInsight:
      return InsightKeys();
    case DocumentKind::kPlaybook:
      return PlaybookKeys();
    case DocumentKind::kOffer:
      return OfferKeys();
    case DocumentKind::kPolicy:
      return PolicyKeys();
    case DocumentKind::kTemplate:
      return TemplateKeys();
    case DocumentKind::kLayout:
      return LayoutKeys();
    case DocumentKind::kTest:
      return TestKeys();
    case DocumentKind::kStep:
      return StepKeys();
    case DocumentKind::kFact:
      return FactKeys();
  }
  return {};
}

const KeyNode* KeyNode::Child(std::string_view key) const {
  const auto found = std::find_if(children.begin(), children.end(),
                                  [key](const KeyNode& child) { return child.name == key; });
  return found != children.end() ? &*found : any.get();
}

const KeyNode& KeyTree(DocumentKind kind) {
  static const std::vector<KeyNode> kTrees = [] {
    std::vector<KeyNode> trees;
    for (std::size_t i = 0; i < kKindNames.size(); ++i) {
      trees.push_back(BuildTree(static_cast<DocumentKind>(i)));
    }
    return trees;
  }();
  return kTrees[static_cast<std::size_t>(kind)];
}

}  // namespace segue
