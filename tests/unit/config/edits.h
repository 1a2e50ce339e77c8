// Damages a workspace, one token at a time, for the test that every slip of the pen is found.
//
// A Site is a token whose damage must show: a key of the table, a declared name or a use of one, a
// value that has a form, a piece of an expression, a bracket, quote, comma, colon or dash, an
// indentation.  Free text (titles, bodies, addresses, comments, columns of foreign files) is no
// site, and neither is a change that makes another valid program: another number, another segment
// that exists, a `not` more or less.

#pragma once

#include <cstdint>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "config/document.h"

namespace segue {

struct Edit {
  std::string what;  // "misspelled key `segments`"
  int file = 0;
  int line = 0;          // Of the damage, in the edited text.
  int partner_line = 0;  // Of a bracket's partner; else 0.
  // The report may stand on another line that names this one (indentation: two lines disagree).
  bool may_be_named = false;
  std::string declared;  // The name that is no longer declared: its uses are reported.
  std::vector<SourceFile> files;
};

class Editor {
 public:
  explicit Editor(const std::vector<SourceFile>& files);

  // The damage that the seed chooses.
  Edit Damage(std::uint32_t seed) const;

  std::size_t sites() const { return sites_.size(); }

  enum class Kind : std::uint8_t {
    kKey,          // A key of the table.
    kUse,          // A name that is declared elsewhere, or a word out of a list.
    kDeclaration,  // Where a name is declared that is used elsewhere.
    kForm,         // A value with a form.
    kExpression,   // A token of an expression that cannot be missed.
    kName,         // A name in an expression.
    kUnit,         // A literal with a unit in an expression.
    kQuote,
    kBracket,
    kComma,
    kColon,
    kIndent,
    kDash,
  };

  struct Site {
    Kind kind;
    Place place;
    int partner_line = 0;
  };

 private:
  void Walk(const Node& map, const KeyNode& keys, DocumentKind kind, const std::string& document);
  void Value(const Node& value, const KeyNode& keys, DocumentKind kind,
             const std::string& document);
  void Scalar(const Node& value, const KeySpec& spec, DocumentKind kind);
  void CollectUses(const Node& node, const KeyNode& keys, DocumentKind kind);
  void Expression(const Node& value);
  void Layout(int file);
  void Add(Kind kind, const Place& place, int partner_line = 0);
  std::string At(const Place& place) const;

  const std::vector<SourceFile>& files_;
  std::set<std::string> used_models_;
  std::set<std::string> used_;   // Names that some document uses.
  std::set<std::string> words_;  // All words of the files: a misspelling is none of them.
  std::vector<Site> sites_;
  std::vector<std::vector<std::size_t>> by_kind_;
};

}  // namespace segue
