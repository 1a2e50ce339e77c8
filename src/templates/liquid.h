// The strict subset of Liquid that texts are written in, as a tree.
//
//   {{ expression | filter: 'argument' | … }}
//   {% if expression %} … {% elsif expression %} … {% else %} … {% endif %}
//
// There are no loops, no assignments and no tags of one's own, so every text ends.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/zone.h"
#include "config/definitions.h"
#include "domain/text_pool.h"
#include "expression/check.h"

namespace segue {

// Limits: a person writes neither; a hostile file does.
constexpr std::size_t kTextBytesMax = 128 * 1024;
constexpr int kTextDepthMax = 16;

struct Filter {
  enum class Kind : std::uint8_t { kDefault, kDate, kPercent, kMoney, kActionName };

  Kind kind = Kind::kDefault;
  std::string argument;                      // kDefault: the text.  kDate: the pattern.
  int digits = 0;                            // kPercent.
  std::map<std::string, std::string> words;  // kActionName: events and what insights call them.
};

struct FilterError {
  std::string code, message, help;
  bool at_argument = false;  // What is to be underlined: else the name.
};

// The filter of that name and argument (as written, with its quotes), for a value of that type if
// it is known.
std::optional<Filter> ReadFilter(std::string_view name, std::optional<std::string_view> argument,
                                 std::optional<Type> type, FilterError& error);

// A value as people read it: the filters but `default` decide how.  Requires: the filters fit the
// type.
std::string FormatValue(double value, Type type, const std::vector<Filter>& filters,
                        const Schema& schema, const TextPool& pool, const Zone& zone);

// Where a value stands in HTML, and so how it is escaped.
enum class HtmlPlace : std::uint8_t {
  kText,
  kAttribute,   // Inside quotes.
  kAddress,     // At the start of href or src: only addresses of our own making.
  kAddressPart  // Later in one.
};

// {{ … }}, or what an {% if … %} asks.
struct ValueOf {
  std::string written;  // For people.
  std::string name;     // links.NAME, sender.postal, offer.code, offer.expires, offer.terms, body,
                        // subject; else …
  std::optional<Expr> expr;  // … an expression.
  std::vector<Filter> filters;
  HtmlPlace place = HtmlPlace::kText;
  std::size_t begin = 0;  // Bytes in the text.
  std::size_t end = 0;
  bool unbuilt = false;  // Tolerated at load, an error when it is rendered.

  bool is_link() const { return name.starts_with("links."); }
};

// Whether an address that is written out this far leads to the same place whatever follows: its
// host has ended.
bool HostHasEnded(std::string_view begun);

// What a link of ours counts as, so that no value can lengthen its host.
constexpr std::string_view kLinkHost = "https://link";

struct TextNode {
  enum class Kind : std::uint8_t {
    kLiteral,
    kValue,
    kIf,
    kPreheader  // In a layout's HTML, right after <body>.
  };

  struct Branch {
    std::optional<ValueOf> condition;  // Absent: else.
    std::vector<TextNode> nodes;
  };

  Kind kind = Kind::kLiteral;
  std::string literal;
  std::size_t begin = 0;  // Of the literal in the text.
  ValueOf value;
  std::vector<Branch> branches;
};

struct CompiledText {
  std::vector<TextNode> nodes;
};

// What a text is, which says what may be named in it and how it is checked.
enum class TextKind : std::uint8_t {
  kWords,       // Subject, title, task, value.
  kMarkdown,    // Body of a message.
  kLayoutHtml,  // May name body and subject.
  kLayoutText
};

// Compiles texts and reports what is wrong with them.  Requires: all outlive it.
class TextCompiler {
 public:
  // `tolerate_unbuilt` makes warnings of what the language has but this program does not do yet
  // (SG099).
  TextCompiler(const Workspace& workspace, Diagnostics& diagnostics, bool tolerate_unbuilt);

  CompiledText Compile(const TextWithValues& text, TextKind kind);

  // From here on nobody is written to who has not these: they need no default (SG021).
  void Assume(std::vector<std::string> names) { assumed_ = std::move(names); }

 private:
  friend class TextParser;

  const Workspace& workspace_;
  Diagnostics& diagnostics_;
  bool tolerate_unbuilt_;
  std::vector<std::string> assumed_;
  AggregateCatalog aggregates_;  // A copy: a text may read a column that exists, and can make none.
};

// Also those in branches.
template <typename Visit>
void ForEachStep(const std::vector<Step>& steps, const Visit& visit) {
  for (const Step& step : steps) {
    visit(step);
    ForEachStep(step.then_steps, visit);
    ForEachStep(step.else_steps, visit);
  }
}

// What the `when` of every playbook that sends the message asks for with exists().
std::vector<std::string> AskedBySenders(const Workspace& workspace, std::string_view message);

// Where byte `offset` of the text stands in its file.
Place PlaceIn(const TextWithValues& text, std::size_t offset, std::size_t length);

// Works out for each value of a layout's HTML where it stands, and marks the place after <body>.  A
// value at a place where nothing makes it safe is an error (SG025).
void PlaceHtmlValues(CompiledText& compiled, const TextWithValues& text, Diagnostics& diagnostics);

// Calls `visit` for every value (conditions too), in the order of the text.
template <typename Visit>
void ForEachValue(const std::vector<TextNode>& nodes, const Visit& visit) {
  for (const TextNode& node : nodes) {
    if (node.kind == TextNode::Kind::kValue) {
      visit(node.value);
    }
    for (const TextNode::Branch& branch : node.branches) {
      if (branch.condition) {
        visit(*branch.condition);
      }
      ForEachValue(branch.nodes, visit);
    }
  }
}

// The layout that is used where the workspace has none called "default".
extern const std::string_view kDefaultLayoutHtml;
extern const std::string_view kDefaultLayoutText;

}  // namespace segue
