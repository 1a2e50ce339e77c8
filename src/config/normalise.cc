// Documents as canonical text: keys in the order of their table, expressions printed from their
// trees.

#include <algorithm>

#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>

#include "base/text.h"
#include "config/document.h"
#include "config/load.h"
#include "expression/parse.h"

namespace segue {
namespace {

// 14d and 2w are one duration, 40 EUR and 40.00 EUR one amount.
void CanonicalLiterals(Syntax& syntax) {
  if (syntax.kind == Syntax::Kind::kDuration) {
    syntax.text = CanonicalForm(Form::kShortDuration, syntax.text).value_or(syntax.text);
  } else if (syntax.kind == Syntax::Kind::kMoney) {
    syntax.text = CanonicalForm(Form::kMoney, syntax.text).value_or(syntax.text);
  }
  for (Syntax& arg : syntax.args) {
    CanonicalLiterals(arg);
  }
}

class Normaliser {
 public:
  explicit Normaliser(const std::set<std::string>& without) : without_(without) {}

  std::string Take() { return std::move(out_); }

  void Map(const Node& map, const KeyNode& keys, int depth) {
    for (const KeyNode& child : keys.children) {
      if (const Node* value = map.Find(child.name);
          value != nullptr && without_.count(child.path) == 0) {
        Entry(child.name, *value, child, depth);
      }
    }
    for (std::size_t i = 0; i < map.keys.size(); ++i) {
      const KeyNode* child = keys.Child(map.keys[i].text);
      if (child == nullptr || child->name == "*") {
        Entry(map.keys[i].text, map.items[i], child == nullptr ? kUnknown : *child, depth);
      }
    }
  }

 private:
  void Line(int depth, std::string_view text) {
    out_.append(static_cast<std::size_t>(depth) * 2, ' ').append(text).push_back('\n');
  }

  void Entry(std::string_view name, const Node& value, const KeyNode& keys, int depth) {
    const std::string head = std::string(name) + ":";
    const Form form = keys.spec != nullptr ? keys.spec->form : Form::kFree;
    if (value.kind == Node::Kind::kMap) {
      Line(depth, head);
      Map(value, keys.takes_map() ? keys : kUnknown, depth + 1);
    } else if (value.kind == Node::Kind::kList) {
      Line(depth, head);
      for (const Node& entry : value.items) {
        Item(entry, keys, form, depth + 1);
      }
    } else if (keys.spec != nullptr && keys.spec->many == Many::kOneOrList) {
      // One value and a list of that value mean the same.
      Line(depth, head);
      Item(value, keys, form, depth + 1);
    } else {
      Line(depth, head + " " + Scalar(value, form));
    }
  }

  void Item(const Node& entry, const KeyNode& keys, Form form, int depth) {
    if (entry.kind == Node::Kind::kMap) {
      const KeyNode* item = form == Form::kSteps   ? &KeyTree(DocumentKind::kStep)
                            : form == Form::kFacts ? &KeyTree(DocumentKind::kFact)
                            : keys.item != nullptr ? keys.item.get()
                                                   : &kUnknown;
      Line(depth, "-");
      Map(entry, *item, depth + 1);
    } else {
      Line(depth, "- " + Scalar(entry, form));
    }
  }

  static std::string Scalar(const Node& node, Form form) {
    if (node.kind != Node::Kind::kScalar) {
      return "-";
    }
    if (form == Form::kExpression || (form == Form::kRule && node.text != "otherwise")) {
      auto parsed = ParseExpression(node.text);
      if (Syntax* syntax = boost::variant2::get_if<0>(&parsed)) {
        CanonicalLiterals(*syntax);
        return PrintSyntax(*syntax);
      }
    }
    if (form == Form::kText || form == Form::kTextWithValues || form == Form::kFree ||
        form == Form::kColumns) {
      return boost::json::serialize(boost::json::string(node.text));
    }
    return CanonicalForm(form, node.text).value_or(node.text);
  }

  static inline const KeyNode kUnknown{};

  const std::set<std::string>& without_;
  std::string out_;
};

}  // namespace

std::string NormaliseDocument(const Document& document, const std::set<std::string>& without) {
  Normaliser normaliser(without);
  normaliser.Map(document.root, KeyTree(document.kind), 0);
  return normaliser.Take();
}

std::string NormalisedText(const std::vector<SourceFile>& files) {
  Diagnostics ignored;
  Report report(ignored);
  Names names;
  std::vector<SourceFile> simple = files;
  for (SourceFile& file : simple) {
    SimplifyText(file.text);
  }
  std::vector<Document> documents = ReadDocuments(simple, report, names);
  std::stable_sort(documents.begin(), documents.end(), [](const Document& a, const Document& b) {
    return std::tie(a.kind, a.id) < std::tie(b.kind, b.id);
  });
  std::string text;
  for (const Document& document : documents) {
    text += "---\n" + NormaliseDocument(document);
  }
  return text;
}

}  // namespace segue
