// Walks documents along the table of keys: unknown keys, wrong forms, missing keys, unknown names,
// unbuilt features.

#include <algorithm>

#include <fmt/format.h>

#include "base/money.h"
#include "base/text.h"
#include "config/document.h"
#include "config/unbuilt.h"

namespace segue {
namespace {

int OpenBrackets(std::string_view text) {
  return static_cast<int>(std::count(text.begin(), text.end(), '(') -
                          std::count(text.begin(), text.end(), ')'));
}

std::string Article(std::string_view noun) {
  const bool vowel = std::string_view("aeiou").find(noun.front()) != std::string_view::npos;
  return std::string(vowel ? "an " : "a ") + std::string(noun);
}

std::string What(const Node& node) {
  switch (node.kind) {
    case Node::Kind::kNull:
      return "nothing";
    case Node::Kind::kScalar:
      return fmt::format("`{}`", node.text.size() > 40 ? node.text.substr(0, 40) + "…" : node.text);
    case Node::Kind::kMap:
      return "a map of keys";
    case Node::Kind::kList:
      return "a list";
  }
  return "";
}

// `GBP` for `gbp`, where that is a currency.
std::string InCapitals(std::string_view text) {
  std::string capitals(text);
  for (char& c : capitals) {
    c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  return CurrencyDecimals(capitals) ? fmt::format("did you mean `{}`?", capitals) : "";
}

class Validator {
 public:
  Validator(const Names& names, Report& report) : names_(names), report_(report) {}

  void Walk(Document& document) {
    kind_ = document.kind;
    Node& id = document.root.items.front();
    if (const auto what = UnbuiltKey(KindName(kind_), "", ""); !what.empty()) {
      report_.Unbuilt(document.root.keys.front().place, what);
    }
    Map(document.root, KeyTree(kind_), KindName(kind_));
    // Nothing names the workspace; all that it declares is as good as ever.
    document.root.bad |= id.bad && kind_ != DocumentKind::kWorkspace;
  }

 private:
  void Map(Node& node, const KeyNode& keys, std::string_view title) {
    Cuts(node, keys);
    for (std::size_t i = 0; i < node.keys.size() && !report_.full(); ++i) {
      Node& value = node.items[i];
      const Node& key = node.keys[i];
      const KeyNode* child = keys.Child(key.text);
      if (value.bad) {
        continue;
      }
      if (child == nullptr) {
        Unknown(key, value, keys, title);
        value.bad = true;
        continue;
      }
      if (child->name == "*" && !StarName(key, *child)) {
        value.bad = true;
        continue;
      }
      if (!KeyIsWritten(key, *child)) {
        value.bad = true;
        continue;
      }
      const auto what = UnbuiltKey(KindName(kind_), child->path,
                                   value.kind == Node::Kind::kScalar ? value.text : "");
      if (!what.empty()) {
        report_.Unbuilt(key.place, what);
      }
      Value(key, value, *child);
    }
    for (const KeyNode& child : keys.children) {
      if (child.spec != nullptr && child.spec->standard == "required" &&
          node.Find(child.name) == nullptr) {
        report_.Error("SG006", node.keys.empty() ? node.place : node.keys.front().place,
                      fmt::format("`{}` is missing", child.path), {},
                      fmt::format("add `{}:` with {}", child.name, Expected(*child.spec)));
      }
    }
  }

  // The trap of commas inside { }: `{when: did(x, 7d)}` is two keys.
  void Cuts(Node& node, const KeyNode& keys) {
    for (std::size_t i = 0; node.flow && i + 1 < node.items.size(); ++i) {
      Node& value = node.items[i];
      if (value.plain() && OpenBrackets(value.text) > 0 &&
          keys.Child(node.keys[i + 1].text) == nullptr) {
        Cut(value);
        for (std::size_t j = i + 1;
             j < node.items.size() && keys.Child(node.keys[j].text) == nullptr; ++j) {
          node.items[j].bad = true;
        }
      }
    }
  }

  void Cut(Node& value) {
    report_.Error("SG050", value.place, "inside brackets, the comma cuts this expression", {},
                  "put quotes around this expression");
    value.bad = true;
  }

  bool KeyIsWritten(const Node& key, const KeyNode& child) {
    if (child.name == "*" && child.star_names == "new name" &&
        !CanonicalForm(Form::kId, key.text)) {
      report_.Error("SG005", key.place,
                    fmt::format("`{}` wants {}", key.text, FormExpected(Form::kId)), {}, {});
      return false;
    }
    return true;
  }

  bool StarName(const Node& key, const KeyNode& star) {
    return star.star_names.empty() || star.star_names == "new name" ||
           Name(key.text, key.place, star.star_names);
  }

  void Unknown(const Node& key, const Node& value, const KeyNode& keys, std::string_view title) {
    std::vector<std::string> known;
    for (const KeyNode& child : keys.children) {
      known.push_back(child.name);
    }
    std::string help = Suggest(key.text, known);
    if (value.kind == Node::Kind::kNull && key.text.find_first_of(" :{[") != std::string::npos) {
      help = "a colon and a space stand between key and value; put quotes around text with commas";
    }
    report_.Error("SG001", key.place, fmt::format("{} has no key `{}`", title, key.text), {}, help);
  }

  void Value(const Node& key, Node& value, const KeyNode& keys) {
    const KeySpec* spec = keys.spec;
    const std::string_view name = key.text;
    if (value.kind == Node::Kind::kNull) {
      Wrong(name, value, keys);
    } else if (value.kind == Node::Kind::kMap && keys.takes_map()) {
      Map(value, keys, fmt::format("`{}`", name));
    } else if (keys.item != nullptr) {
      Entries(name, value, keys,
              [&](Node& entry) { Map(entry, *keys.item, fmt::format("`{}`", name)); });
    } else if (keys.any != nullptr && keys.any->spec != nullptr &&
               keys.any->spec->form == Form::kSecret) {
      // Not shown as other wrong values are: it may be a secret.
      Secret(name, value);
    } else if (spec == nullptr) {
      Wrong(name, value, keys);
    } else if (spec->form == Form::kSteps) {
      Entries(name, value, keys, [&](Node& entry) { Part(entry, DocumentKind::kStep, "a step"); });
    } else if (spec->form == Form::kFacts) {
      Entries(name, value, keys, [&](Node& entry) { Part(entry, DocumentKind::kFact, "a fact"); });
    } else if (spec->form == Form::kType && value.kind == Node::Kind::kList) {
      Choices(name, value);
    } else if (value.kind == Node::Kind::kList && spec->many != Many::kOne) {
      List(name, value, keys);
    } else if (value.kind == Node::Kind::kScalar && spec->many != Many::kList) {
      Scalar(name, value, *spec);
    } else {
      Wrong(name, value, keys);
    }
  }

  template <typename Each>
  void Entries(std::string_view name, Node& value, const KeyNode& keys, Each each) {
    if (value.kind != Node::Kind::kList) {
      Wrong(name, value, keys);
      return;
    }
    for (Node& entry : value.items) {
      if (entry.kind != Node::Kind::kMap) {
        report_.Error("SG005", entry.place,
                      fmt::format("an entry of `{}` is a map of keys, not {}", name, What(entry)),
                      {}, "write `- key: value` or `- {key: value}`");
        entry.bad = true;
        continue;
      }
      each(entry);
    }
  }

  void Part(Node& entry, DocumentKind kind, std::string_view title) {
    const DocumentKind outer = kind_;
    kind_ = kind;
    Map(entry, KeyTree(kind), title);
    kind_ = outer;
  }

  void List(std::string_view name, Node& value, const KeyNode& keys) {
    for (std::size_t i = 0; i < value.items.size(); ++i) {
      Node& entry = value.items[i];
      if (value.flow && entry.plain() && OpenBrackets(entry.text) > 0 &&
          i + 1 < value.items.size()) {
        Cut(entry);
        value.items[i + 1].bad = true;
      }
      if (entry.bad) {
        continue;
      }
      if (entry.kind != Node::Kind::kScalar) {
        Wrong(name, entry, keys);
      } else {
        Scalar(name, entry, *keys.spec);
      }
    }
    const bool needs_one = keys.spec->many == Many::kOneOrList || keys.spec->standard == "required";
    if (needs_one && value.items.empty()) {
      Wrong(name, value, keys);
    }
  }

  void Choices(std::string_view name, Node& value) {
    std::vector<std::string_view> seen;
    for (Node& entry : value.items) {
      const bool again = std::find(seen.begin(), seen.end(), entry.text) != seen.end();
      if (entry.kind != Node::Kind::kScalar || !CanonicalForm(Form::kWord, entry.text) || again) {
        report_.Error("SG005", entry.place,
                      fmt::format("a choice of `{}` is one word that stands once", name), {}, {});
        entry.bad = true;
      }
      seen.push_back(entry.text);
    }
  }

  static std::string Expected(const KeySpec& spec) {
    std::string expected(FormExpected(spec.form));
    if (spec.form == Form::kChoice) {
      std::string words(spec.values);
      std::replace(words.begin(), words.end(), ' ', '|');
      expected = "one of " + words;
    } else if (spec.form == Form::kName) {
      expected = Article(spec.values.substr(0, spec.values.find('|')));
    }
    return spec.many == Many::kList ? "a list, each " + expected : expected;
  }

  void Wrong(std::string_view name, Node& value, const KeyNode& keys) {
    std::string expected = keys.item != nullptr   ? "a list of maps"
                           : keys.spec != nullptr ? Expected(*keys.spec)
                                                  : "a map of keys";
    if (keys.spec != nullptr && keys.takes_map()) {
      expected += ", or a map of keys";
    }
    report_.Error("SG005", value.place,
                  fmt::format("`{}` wants {}, not {}", name, expected, What(value)), {},
                  value.kind == Node::Kind::kNull ? "write the value behind the colon" : "");
    value.bad = true;
  }

  void Scalar(std::string_view name, Node& value, const KeySpec& spec) {
    if (spec.form == Form::kChoice) {
      Choice(name, value, spec);
    } else if (spec.form == Form::kName) {
      value.bad = !Name(value.text, value.place, spec.values);
    } else if (!CanonicalForm(spec.form, value.text)) {
      if (spec.form == Form::kSecret) {
        Secret(name, value);
      } else {
        report_.Error(
            "SG005", value.place,
            fmt::format("`{}` wants {}, not {}", name, FormExpected(spec.form), What(value)), {},
            spec.form == Form::kCurrency ? InCapitals(value.text) : "");
      }
      value.bad = true;
    } else if (value.quoted && (spec.form == Form::kYesNo || spec.form == Form::kYes)) {
      report_.Error("SG005", value.place, fmt::format("`{}` wants yes or no without quotes", name),
                    {}, {});
      value.bad = true;
    }
  }

  void Secret(std::string_view name, Node& value) {
    report_.Error("SG060", value.place,
                  fmt::format("`{}` is a secret, and stands here as it is", name), {},
                  "write env:NAME or cred:NAME, and keep the value out of the file");
    value.bad = true;
  }

  void Choice(std::string_view name, Node& value, const KeySpec& spec) {
    std::vector<std::string> words;
    for (std::string_view word : Split(spec.values, ' ')) {
      words.emplace_back(word);
    }
    if (std::find(words.begin(), words.end(), value.text) == words.end()) {
      const auto nearest = Nearest(value.text, words);
      report_.Error("SG004", value.place, fmt::format("`{}` cannot be {}", name, What(value)),
                    "one of " + Join(words, ", "),
                    nearest ? fmt::format("did you mean `{}`?", *nearest) : "");
      value.bad = true;
    }
  }

  // `kinds`: what it names, then words that may stand there too.
  bool Name(const std::string& name, const Place& place, std::string_view kinds) {
    const auto parts = Split(kinds, '|');
    const std::string_view kind = parts.front();
    if (kind.find(" or ") != std::string_view::npos || kind == "person" || names_.Has(kind, name) ||
        names_.IsBroken(kind, name) ||
        std::find(parts.begin() + 1, parts.end(), name) != parts.end()) {
      return true;
    }
    report_.Error("SG002", place, fmt::format("no {} is called `{}`", kind, name), {},
                  Suggest(name, names_.All(kind)));
    return false;
  }

  const Names& names_;
  Report& report_;
  DocumentKind kind_ = DocumentKind::kTest;
};

}  // namespace

void ValidateDocuments(std::vector<Document>& documents, Names& names, Report& report) {
  Validator validator(names, report);
  for (Document& document : documents) {
    if (report.full()) {
      return;
    }
    validator.Walk(document);
  }
}

}  // namespace segue
