#include "config/changes.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"
#include "config/document.h"

namespace segue {
namespace {

// Longer values say only that they are others.
constexpr std::size_t kValueMax = 60;

std::string InOneLine(const Node& node) {
  if (node.kind == Node::Kind::kScalar) {
    return node.text;
  }
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    parts.push_back((node.keys.empty() ? "" : node.keys[i].text + ": ") + InOneLine(node.items[i]));
  }
  return Join(parts, ", ");
}

bool IsShort(const std::string& text) {
  return text.size() <= kValueMax && text.find('\n') == std::string::npos;
}

// Collects the lines of one document.  Recursion over parsed trees, whose depth is limited.
class ChangeFinder {
 public:
  explicit ChangeFinder(Place document) : document_(document) {}

  std::vector<DocumentChange::Line> Take() { return std::move(lines_); }

  void Compare(const std::string& path, const Node& before, const Node& after) {
    if (before.kind == Node::Kind::kMap && after.kind == Node::Kind::kMap) {
      Maps(path, before, after);
    } else if (before.kind == Node::Kind::kList && after.kind == Node::Kind::kList) {
      Lists(path, before, after);
    } else if (InOneLine(before) != InOneLine(after)) {
      Value(path, InOneLine(before), InOneLine(after), after.place);
    }
  }

 private:
  static std::string Inside(const std::string& path, const std::string& name) {
    return path.empty() ? name : path + "." + name;
  }

  void Say(Place place, std::string text) { lines_.push_back({place, std::move(text)}); }

  void Value(const std::string& path, const std::string& before, const std::string& after,
             Place place) {
    Say(place, IsShort(before) && IsShort(after) ? fmt::format("{} {} → {}", path, before, after)
                                                 : path + " says something else");
  }

  void Maps(const std::string& path, const Node& before, const Node& after) {
    for (std::size_t i = 0; i < after.keys.size(); ++i) {
      const std::string name = Inside(path, after.keys[i].text);
      if (const Node* old = before.Find(after.keys[i].text)) {
        Compare(name, *old, after.items[i]);
      } else {
        const std::string value = InOneLine(after.items[i]);
        Say(after.keys[i].place, "new: " + name + (IsShort(value) ? " " + value : ""));
      }
    }
    for (const Node& key : before.keys) {
      if (after.Find(key.text) == nullptr) {
        Say(document_, "gone: " + Inside(path, key.text));
      }
    }
  }

  // What an entry is called: a segment by its id, a step by what it does.
  static std::string NameOf(const Node& entry) {
    const Node* id = entry.kind == Node::Kind::kMap ? entry.Find("id") : nullptr;
    return id == nullptr ? std::string() : id->text;
  }

  void Lists(const std::string& path, const Node& before, const Node& after) {
    const bool scalars = std::all_of(after.items.begin(), after.items.end(), [](const Node& item) {
      return item.kind == Node::Kind::kScalar;
    });
    if (before.items.size() == after.items.size()) {
      for (std::size_t i = 0; i < after.items.size(); ++i) {
        const std::string name = NameOf(after.items[i]);
        const std::string entry = name.empty() ? std::to_string(i + 1) : name;
        Compare(scalars ? path : Inside(path, entry), before.items[i], after.items[i]);
      }
      return;
    }
    const auto only_in = [&](const Node& one, const Node& other, std::string_view word) {
      for (const Node& item : one.items) {
        const std::string text = InOneLine(item);
        const bool there =
            std::any_of(other.items.begin(), other.items.end(),
                        [&](const Node& candidate) { return InOneLine(candidate) == text; });
        if (!there) {
          Say(&one == &after ? item.place : document_,
              fmt::format("{}: {} {}", word, path, IsShort(text) ? text : NameOf(item)));
        }
      }
    };
    only_in(after, before, "new");
    only_in(before, after, "gone");
  }

  Place document_;
  std::vector<DocumentChange::Line> lines_;
};

std::vector<Document> DocumentsIn(const std::vector<SourceFile>& files) {
  Diagnostics ignored;
  Report report(ignored);
  Names names;
  return ReadDocuments(files, report, names);
}

const Document* FindSame(const std::vector<Document>& all, const Document& document) {
  const auto found = std::find_if(all.begin(), all.end(), [&](const Document& other) {
    return other.kind == document.kind && other.id == document.id;
  });
  return found == all.end() ? nullptr : &*found;
}

DocumentChange ChangeOf(const Document& document, DocumentChange::Kind kind) {
  return {.kind = kind,
          .document = std::string(KindName(document.kind)),
          .id = document.id,
          .place = document.place,
          .lines = {}};
}

}  // namespace

std::vector<DocumentChange> ChangesBetween(const std::vector<SourceFile>& before,
                                           const std::vector<SourceFile>& after) {
  const std::vector<Document> old = DocumentsIn(before), now = DocumentsIn(after);
  std::vector<DocumentChange> changes;
  for (const Document& document : now) {
    const Document* was = FindSame(old, document);
    if (was == nullptr) {
      changes.push_back(ChangeOf(document, DocumentChange::Kind::kNew));
    } else if (NormaliseDocument(*was) != NormaliseDocument(document)) {
      ChangeFinder finder(document.place);
      finder.Compare("", was->root, document.root);
      DocumentChange change = ChangeOf(document, DocumentChange::Kind::kEdited);
      change.lines = finder.Take();
      changes.push_back(std::move(change));
    }
  }
  for (const Document& document : old) {
    if (FindSame(now, document) == nullptr) {
      changes.push_back(ChangeOf(document, DocumentChange::Kind::kGone));
    }
  }
  return changes;
}

}  // namespace segue
