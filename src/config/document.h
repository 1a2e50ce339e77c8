// A Document: one `---` part of a file with its kind and id, and the Names that all documents
// together declare.

#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "config/keys.h"
#include "config/yaml.h"

namespace segue {

struct Document {
  DocumentKind kind = DocumentKind::kTest;
  std::string id;
  Node root;
  Place place;  // Of the id.

  const Node* Find(std::string_view key) const;  // Null also for values that are already reported.
};

// The same for a map within a document.
const Node* Good(const Node& map, std::string_view key);
// The text of a scalar; empty if there is none.
std::string TextAt(const Node& map, std::string_view key);
// The texts of a list, or the one text that stands in its place; none of null.
std::vector<std::string> TextsOf(const Node* node);

// What is declared, by what it is: "event", "trait" (customer.plan), "template", …
class Names {
 public:
  void Add(std::string_view kind, std::string name) {
    known_.insert(std::string(kind) + " " + name);
    names_[std::string(kind)].push_back(std::move(name));
  }

  // A document that could not be read: naming it is no second error.
  void AddBroken(std::string_view kind, std::string name) {
    broken_.insert(std::string(kind) + " " + std::move(name));
  }

  const std::vector<std::string>& All(std::string_view kind) const;

  bool Has(std::string_view kind, std::string_view name) const {
    return known_.count(std::string(kind) + " " + std::string(name)) != 0;
  }

  bool IsBroken(std::string_view kind, std::string_view name) const {
    return broken_.count(std::string(kind) + " " + std::string(name)) != 0;
  }

  // Whether anything at all could not be read.
  bool AnyBroken() const { return !broken_.empty(); }

 private:
  std::map<std::string, std::vector<std::string>, std::less<>> names_;
  std::set<std::string> known_;  // "event order_placed"
  std::set<std::string> broken_;
};

// "did you mean `x`?", else the whole list when it is short.
std::string Suggest(std::string_view word, const std::vector<std::string>& candidates);

// Reads every file into documents; declares them and what the workspace document declares.
std::vector<Document> ReadDocuments(const std::vector<SourceFile>& files, Report& report,
                                    Names& names);

// Asks of every document: known keys, right forms, required keys, declared names, nothing that is
// not built yet.
void ValidateDocuments(std::vector<Document>& documents, Names& names, Report& report);

// The canonical text of one document, without the keys named in `without`.
std::string NormaliseDocument(const Document& document, const std::set<std::string>& without = {});

}  // namespace segue
