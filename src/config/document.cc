// From files to documents, and the names that they declare.

#include "config/document.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/text.h"

namespace segue {
namespace {

bool IsMarkdown(std::string_view path) {
  return path.ends_with(".md");
}

// `playbook: rfv` out of a document that could not be parsed.
void Salvage(std::string_view line, Names& names) {
  const std::size_t end = std::min(line.find_first_of(": "), line.size());
  if (const auto kind = FindKind(line.substr(0, end))) {
    std::string_view id = Trim(line.substr(std::min(end + 1, line.size())));
    id = Trim(id.substr(0, id.find_first_of(" #:")));
    names.AddBroken(KindName(*kind), std::string(id));
  }
  names.AddBroken("any", "document");
}

std::optional<Document> MakeDocument(YamlDocument part, Report& report) {
  Node& root = part.root;
  if (root.kind != Node::Kind::kMap || root.keys.empty()) {
    report.Error("SG000", root.place, "a document is a map that begins with its kind and id", {},
                 "begin with a line such as `playbook: winback`");
    return std::nullopt;
  }
  const Node& first = root.keys.front();
  const auto kind = FindKind(first.text);
  if (!kind) {
    std::vector<std::string> kinds;
    for (int i = 0; i < kDocumentKinds; ++i) {
      kinds.emplace_back(KindName(static_cast<DocumentKind>(i)));
    }
    report.Error("SG001", first.place, fmt::format("no document begins with `{}`", first.text), {},
                 Suggest(first.text, kinds));
    return std::nullopt;
  }
  Document document;
  document.kind = *kind;
  document.place = root.items.front().place;
  document.id = root.items.front().text;
  document.root = std::move(root);
  return document;
}

void DeclareKeys(const Document& workspace, std::string_view path, std::string_view kind,
                 Names& names, std::string_view prefix = {}) {
  const Node* node = &workspace.root;
  for (std::string_view part : Split(path, '.')) {
    node = node == nullptr ? nullptr : node->Find(part);
  }
  if (node == nullptr) {
    return;
  }
  for (const Node& key : node->keys) {
    names.Add(kind, std::string(prefix) + key.text);
  }
}

void DeclareWorkspace(const Document& document, Names& names) {
  DeclareKeys(document, "events", "event", names);
  DeclareKeys(document, "traits.customer", "trait", names, "customer.");
  DeclareKeys(document, "traits.customer", "trait name", names);
  DeclareKeys(document, "traits.account", "account trait", names, "account.");
  DeclareKeys(document, "traits.account", "account trait name", names);
  DeclareKeys(document, "channels", "channel", names);
  DeclareKeys(document, "audiences", "audience", names);
  DeclareKeys(document, "assignees", "assignee", names);
  DeclareKeys(document, "consent.topics", "topic", names);
  DeclareKeys(document, "links.paths", "link", names);
  names.Add("link", "unsubscribe");
  names.Add("link", "preferences");
  if (const Node* tracks = document.root.Find("tracks")) {
    for (const Node& track : tracks->items) {
      names.Add("track", track.text);
    }
  }
}

void Declare(const Document& document, Names& names) {
  names.Add(KindName(document.kind), document.id);
  if (document.kind == DocumentKind::kWorkspace) {
    DeclareWorkspace(document, names);
  }
  if (document.kind == DocumentKind::kModel) {
    if (const Node* scores = document.root.Find("scores")) {
      for (const Node& key : scores->keys) {
        names.Add("score", document.id + "." + key.text);
      }
    }
  }
}

}  // namespace

const Node* Good(const Node& map, std::string_view key) {
  const Node* node = map.Find(key);
  return node == nullptr || node->bad || node->kind == Node::Kind::kNull ? nullptr : node;
}

std::vector<std::string> TextsOf(const Node* node) {
  std::vector<std::string> texts;
  if (node != nullptr && node->kind == Node::Kind::kScalar) {
    texts.push_back(node->text);
  }
  for (std::size_t i = 0; node != nullptr && i < node->items.size(); ++i) {
    texts.push_back(node->items[i].text);
  }
  return texts;
}

std::string TextAt(const Node& map, std::string_view key) {
  const Node* node = Good(map, key);
  return node == nullptr ? std::string() : node->text;
}

const Node* Document::Find(std::string_view key) const {
  return Good(root, key);
}

const std::vector<std::string>& Names::All(std::string_view kind) const {
  static const std::vector<std::string> kNone;
  const auto found = names_.find(kind);
  return found == names_.end() ? kNone : found->second;
}

std::string Suggest(std::string_view word, const std::vector<std::string>& candidates) {
  // A long list takes long, and its nearest word is rarely the one that was meant.
  if (candidates.size() > 2000) {
    return {};
  }
  if (const auto nearest = Nearest(word, candidates)) {
    return fmt::format("did you mean `{}`?", *nearest);
  }
  if (candidates.empty() || candidates.size() > 24) {
    return {};
  }
  return "known: " + Join(candidates, ", ");
}

std::vector<Document> ReadDocuments(const std::vector<SourceFile>& files, Report& report,
                                    Names& names) {
  std::vector<Document> documents;
  std::map<std::pair<DocumentKind, std::string>, Place> first;
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (files[i].path.ends_with(".sql") || files[i].path.ends_with(".csv")) {
      continue;  // Sources and the workspace name them; see compile_sources.cc, rates.cc.
    }
    const bool markdown = IsMarkdown(files[i].path);
    for (YamlDocument& part : ParseYaml(static_cast<int>(i), files[i].text, markdown, report)) {
      if (part.broken) {
        Salvage(part.first_text, names);
        continue;
      }
      if (auto document = MakeDocument(std::move(part), report)) {
        const std::string_view kind = KindName(document->kind);
        const auto [same, fresh] =
            first.try_emplace({document->kind, document->id}, document->place);
        if (!fresh) {
          report.Error("SG007", document->place,
                       fmt::format("a second {} `{}`", kind, document->id), {},
                       fmt::format("the first stands in {}; rename one of them",
                                   FormatPlace(same->second, files)));
          continue;
        }
        Declare(*document, names);
        documents.push_back(std::move(*document));
      } else {
        names.AddBroken("any", "document");
      }
    }
  }
  return documents;
}

}  // namespace segue
