#include "edits.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "base/text.h"

namespace segue {
namespace {

using Kind = Editor::Kind;

constexpr int kKinds = 13;

bool IsWord(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

// Keys that the author chooses and that name something declared elsewhere.
const std::set<std::string> kNamingStars = {"workspace consent.*",
                                            "workspace consent.topics.*",
                                            "template use.*",
                                            "template variants.*.use.*",
                                            "insight look_at.actions.*",
                                            "test cuts.*",
                                            "test people.*.*",
                                            "test steps[].expect.segment.*",
                                            "source map.*",
                                            "step set.*"};

// Keys that the author chooses and that others name.
const std::set<std::string> kDeclaringStars = {"workspace traits.customer.*",
                                               "workspace events.*",
                                               "workspace audiences.*",
                                               "workspace assignees.*",
                                               "model features.*",
                                               "model scores.*",
                                               "model flags.*"};

// Words whose meaning the form does not check but the compiler does.
const std::set<std::string> kNamingWords = {"workspace events.*.by",
                                            "workspace mirror[].field",
                                            "source dedupe",
                                            "model grid",
                                            "model rank",
                                            "playbook on.from",
                                            "playbook on.to",
                                            "playbook on.flag",
                                            "playbook goal.value",
                                            "test steps[].expect.segment.*",
                                            "fact from",
                                            "fact to"};

const std::set<Form> kFree = {Form::kId,      Form::kWord, Form::kText,    Form::kTextWithValues,
                              Form::kAddress, Form::kFile, Form::kColumns, Form::kFree,
                              Form::kYes};

std::set<std::string> WordsOf(const std::vector<SourceFile>& files) {
  std::set<std::string> words;
  for (const SourceFile& file : files) {
    std::string word;
    for (char c : file.text + " ") {
      if (IsWord(c)) {
        word += c;
      } else {
        words.insert(std::exchange(word, ""));
      }
    }
  }
  return words;
}

}  // namespace

Editor::Editor(const std::vector<SourceFile>& files) : files_(files) {
  Diagnostics ignored;
  Report report(ignored);
  Names names;
  const std::vector<Document> documents = ReadDocuments(files, report, names);
  for (const Document& document : documents) {
    // A model that nobody names has segments that nobody names.
    for (const SourceFile& file : files) {
      if (document.kind == DocumentKind::kModel &&
          file.text.find("model: " + document.id) == std::string::npos &&
          file.text.find(document.id + " ") != std::string::npos) {
        used_models_.insert(document.id);
      }
    }
  }
  for (const Document& document : documents) {
    CollectUses(document.root, KeyTree(document.kind), document.kind);
  }
  for (const Document& document : documents) {
    Walk(document.root, KeyTree(document.kind), document.kind, document.id);
    static const std::set<DocumentKind> kNamed = {DocumentKind::kModel, DocumentKind::kTemplate,
                                                  DocumentKind::kOffer, DocumentKind::kConnector};
    if (kNamed.count(document.kind) != 0) {
      Add(Kind::kDeclaration, document.place);
    }
  }
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (files[i].path.ends_with(".yaml")) {
      Layout(static_cast<int>(i));
    }
  }
  words_ = WordsOf(files);
  by_kind_.resize(kKinds);
  for (std::size_t i = 0; i < sites_.size(); ++i) {
    by_kind_[static_cast<std::size_t>(sites_[i].kind)].push_back(i);
  }
}

void Editor::Add(Kind kind, const Place& place, int partner_line) {
  if (kind == Kind::kDeclaration && used_.count(At(place)) == 0) {
    return;
  }
  sites_.push_back(Site{kind, place, partner_line});
}

// Names that some document uses: the parts of names in expressions, and values that name something.
void Editor::CollectUses(const Node& node, const KeyNode& keys, DocumentKind kind) {
  const auto take = [&](const Node& value, const KeyNode& key) {
    const std::string path = std::string(KindName(kind)) + " " + key.path;
    const Form form = key.spec == nullptr ? Form::kMap : key.spec->form;
    if (form == Form::kExpression || form == Form::kRule || form == Form::kName ||
        kNamingWords.count(path) != 0) {
      std::string word;
      for (char c : value.text + " ") {
        if (IsWord(c)) {
          word += c;
        } else {
          used_.insert(std::exchange(word, ""));
        }
      }
    }
  };
  for (std::size_t i = 0; i < node.keys.size(); ++i) {
    const KeyNode& child = *keys.Child(node.keys[i].text);
    const std::string path = std::string(KindName(kind)) + " " + child.path;
    if (kNamingStars.count(path) != 0) {
      used_.insert(node.keys[i].text);
    }
    const Node& value = node.items[i];
    take(value, child);
    const Form form = child.spec == nullptr ? Form::kMap : child.spec->form;
    if (value.kind == Node::Kind::kMap) {
      CollectUses(value, child, kind);
    }
    for (const Node& item : value.kind == Node::Kind::kList ? value.items : std::vector<Node>()) {
      const DocumentKind part = form == Form::kSteps   ? DocumentKind::kStep
                                : form == Form::kFacts ? DocumentKind::kFact
                                                       : kind;
      take(item, child);
      if (item.kind == Node::Kind::kMap) {
        CollectUses(item, part != kind || form == Form::kSteps ? KeyTree(part) : *child.item, part);
      }
    }
  }
}

std::string Editor::At(const Place& place) const {
  const auto lines = Lines(files_[static_cast<std::size_t>(place.file)].text);
  return std::string(lines[static_cast<std::size_t>(place.line - 1)].substr(
      static_cast<std::size_t>(place.column - 1), static_cast<std::size_t>(place.length)));
}

void Editor::Walk(const Node& map, const KeyNode& keys, DocumentKind kind,
                  const std::string& document) {
  for (std::size_t i = 0; i < map.keys.size(); ++i) {
    const KeyNode* child = keys.Child(map.keys[i].text);
    const std::string path = std::string(KindName(kind)) + " " + child->path;
    if (child->name != "*") {
      Add(Kind::kKey, map.keys[i].place);
    } else if (kNamingStars.count(path) != 0) {
      Add(Kind::kUse, map.keys[i].place);
    } else if (kDeclaringStars.count(path) != 0) {
      Add(Kind::kDeclaration, map.keys[i].place);
    }
    // The id of a document is its name and not a use of one.
    if (keys.path.empty() && i == 0 && FindKind(map.keys[0].text)) {
      continue;
    }
    if (path == "model segments[].id") {
      if (used_models_.count(document) != 0) {
        Add(Kind::kDeclaration, map.items[i].place);
      }
      continue;
    }
    if (path == "workspace tracks") {
      for (const Node& track : map.items[i].items) {
        Add(Kind::kDeclaration, track.place);
      }
      continue;
    }
    Value(map.items[i], *child, kind, document);
  }
}

void Editor::Value(const Node& value, const KeyNode& keys, DocumentKind kind,
                   const std::string& document) {
  const Form form = keys.spec == nullptr ? Form::kMap : keys.spec->form;
  if (value.kind == Node::Kind::kMap) {
    Walk(value, keys, kind, document);
  } else if (value.kind == Node::Kind::kScalar && keys.spec != nullptr) {
    Scalar(value, *keys.spec, kind);
  }
  for (const Node& item : value.kind == Node::Kind::kList ? value.items : std::vector<Node>()) {
    if (item.kind == Node::Kind::kScalar) {
      if (form != Form::kType) {
        Scalar(item, *keys.spec, kind);
      }
      continue;
    }
    const DocumentKind part = form == Form::kSteps   ? DocumentKind::kStep
                              : form == Form::kFacts ? DocumentKind::kFact
                                                     : kind;
    Walk(item,
         part != kind           ? KeyTree(part)
         : form == Form::kSteps ? KeyTree(kind)
                                : *keys.item,
         part, document);
  }
}

void Editor::Scalar(const Node& value, const KeySpec& spec, DocumentKind kind) {
  const std::string path = std::string(KindName(kind)) + " " + std::string(spec.path);
  Place place = value.place;
  if (value.quoted) {
    ++place.column;
    place.length -= 2;
  }
  if (spec.form == Form::kExpression || spec.form == Form::kRule) {
    Expression(value);
  } else if (spec.form == Form::kName || spec.form == Form::kChoice || spec.form == Form::kType ||
             kNamingWords.count(path) != 0) {
    // What a link or a person's own words name is looked at elsewhere.
    Add(Kind::kUse, place);
  } else if (kFree.count(spec.form) == 0) {
    Add(Kind::kForm, place);
  }
}

void Editor::Expression(const Node& value) {
  const std::string& text = value.text;
  std::string before;
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == ' ') {
      ++at;
      continue;
    }
    const std::size_t begin = at;
    if (text[at] == '\'') {
      at = std::min(text.find('\'', at + 1), text.size() - 1) + 1;
    } else if (IsWord(text[at])) {
      while (at < text.size() && (IsWord(text[at]) || (text[at] == '.' && at + 1 < text.size() &&
                                                       IsWord(text[at + 1])))) {
        ++at;
      }
    } else {
      at += text.compare(at, 2, "..") == 0 || text.compare(at, 2, ">=") == 0 ||
                    text.compare(at, 2, "<=") == 0
                ? 2
                : 1;
    }
    const std::string token = text.substr(begin, at - begin);
    const Place place = PlaceInText(value, begin, at, files_);
    const bool digit = std::isdigit(static_cast<unsigned char>(token[0])) != 0;
    // Without its sign a number is another number, and without `not` an expression another
    // expression.
    const bool sign =
        token == "-" && !before.empty() && !IsWord(before.back()) && before.back() != ')';
    // What is left of round(x) without its name is (x).
    const bool call = at < text.size() && text[at] == '(';
    if (!sign && !call && token != "not") {
      Add(Kind::kExpression, place);
    }
    static const std::set<std::string> kWords = {"and",    "or",  "not", "is",  "in",       "where",
                                                 "before", "yes", "no",  "EUR", "otherwise"};
    if (!digit && IsWord(token[0]) && kWords.count(token) == 0) {
      Add(Kind::kName, place);
    } else if (digit && !std::isdigit(static_cast<unsigned char>(token.back()))) {
      Add(Kind::kUnit, place);
    }
    before = token;
  }
}

// Brackets, quotes, commas, colons, dashes and indentation of a file that is laid out rightly.
void Editor::Layout(int file) {
  struct Open {
    char c;
    Place place;
  };

  const auto lines = Lines(files_[static_cast<std::size_t>(file)].text);
  std::vector<Open> open;
  std::size_t text_indent = std::string::npos;
  for (std::size_t row = 0; row < lines.size(); ++row) {
    const std::string_view line = lines[row];
    const std::size_t indent = line.find_first_not_of(' ');
    const int number = static_cast<int>(row) + 1;
    if (indent == std::string_view::npos || line[indent] == '#' || line.starts_with("---")) {
      continue;
    }
    if (text_indent != std::string::npos && indent > text_indent) {
      continue;
    }
    text_indent = std::string::npos;
    const auto place = [&](std::size_t at) {
      return Place{file, number, static_cast<int>(at) + 1, 1};
    };
    if (open.empty()) {
      Add(Kind::kIndent, place(0));
    }
    bool value = false;  // In a plain value of a block: nothing there is layout.
    for (std::size_t at = indent; at < line.size(); ++at) {
      const char c = line[at];
      if (c == '#' && line[at - 1] == ' ') {
        break;
      }
      const bool starts =
          at == indent || line[at - 1] == ' ' || line[at - 1] == '[' || line[at - 1] == '{';
      if (c == '"' && starts && (!value || !open.empty())) {
        const std::size_t end = QuoteEnd(line, at) - 1;
        Add(Kind::kQuote, place(at));
        Add(Kind::kQuote, place(end));
        at = end;
      } else if ((c == '{' || c == '[') && starts && (!value || !open.empty())) {
        open.push_back({c, place(at)});
      } else if ((c == '}' || c == ']') && !open.empty()) {
        Add(Kind::kBracket, open.back().place, number);
        Add(Kind::kBracket, place(at), open.back().place.line);
        open.pop_back();
      } else if (c == ',' && !open.empty()) {
        Add(Kind::kComma, place(at));
      } else if (c == ':' && (at + 1 == line.size() || line[at + 1] == ' ') &&
                 (!value || !open.empty())) {
        Add(Kind::kColon, place(at));
        const std::size_t next = line.find_first_not_of(' ', at + 1);
        value = next != std::string_view::npos && line[next] != '"' && line[next] != '{' &&
                line[next] != '[';
        if (next != std::string_view::npos && line[next] == '|') {
          text_indent = indent;
          break;
        }
      } else if (c == '-' && at == indent && line[at + 1] == ' ') {
        Add(Kind::kDash, place(at));
        const std::string_view rest = line.substr(at + 2);
        value = rest.find(": ") == std::string_view::npos && !rest.ends_with(":") && rest[0] != '{';
      }
    }
  }
}

namespace {

// A word that is near and is none of the words around.
std::string Misspell(const std::string& word, const std::set<std::string>& known,
                     std::mt19937& random) {
  for (int attempt = 0; attempt < 50; ++attempt) {
    std::string changed = word;
    const std::size_t at = random() % changed.size();
    switch (random() % 4) {
      case 0:
        changed.insert(at, 1, static_cast<char>('a' + random() % 26));
        break;
      case 1:
        changed.erase(at, 1);
        break;
      case 2:
        changed[at] = static_cast<char>('a' + random() % 26);
        break;
      default:
        std::swap(changed[at], changed[(at + 1) % changed.size()]);
        break;
    }
    if (!changed.empty() && known.count(changed) == 0 && IsWord(changed[0]) &&
        IsWord(changed.back()) && changed.find_first_of(" {}[]:,'\"") == std::string::npos) {
      return changed;
    }
  }
  return "qqqq";
}

struct Change {
  std::string what;
  std::string token;
};

// A value with a form: a word less, no unit, or another word.
Change ChangeForm(const std::string& token, std::mt19937& random) {
  std::vector<std::string> words;
  for (std::string_view word : Split(token, ' ')) {
    words.emplace_back(word);
  }
  const std::size_t one = random() % words.size();
  if (token.starts_with("env:") || token.starts_with("cred:")) {
    return {"a secret's value in place of", token.substr(token.find(':') + 1)};
  }
  if (words.size() > 1 && random() % 2 == 0) {
    words.erase(words.begin() + static_cast<std::ptrdiff_t>(one));
    return {"deleted a word of", Join(words, " ")};
  }
  const auto is_digit = [](char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; };
  const bool unit =
      token.size() > 1 && is_digit(token[token.size() - 2]) && !is_digit(token.back());
  return unit && random() % 2 == 0
             ? Change{"dropped the unit of", token.substr(0, token.size() - 1)}
             : Change{"another word for", "qqqq"};
}

Change ChangeToken(Editor::Kind kind, const std::string& token, const std::set<std::string>& known,
                   std::mt19937& random) {
  switch (kind) {
    case Kind::kKey:
      return {"misspelled key", Misspell(token, known, random)};
    case Kind::kUse:
      return random() % 4 == 0 ? Change{"deleted word", ""}
                               : Change{"misspelled word", Misspell(token, known, random)};
    case Kind::kDeclaration:
      return {"misspelled declaration", Misspell(token, known, random)};
    case Kind::kForm:
      return ChangeForm(token, random);
    case Kind::kName: {
      const std::size_t dot = token.find('.');
      const std::string head = token.substr(0, dot);
      const bool tail = dot != std::string::npos && random() % 2 == 0;
      return {"misspelled name", tail ? head + "." + Misspell(token.substr(dot + 1), known, random)
                                      : Misspell(head, known, random) + token.substr(head.size())};
    }
    case Kind::kUnit:
      return {"dropped the unit of", token.substr(0, token.size() - 1)};
    case Kind::kExpression:
    case Kind::kQuote:
    case Kind::kBracket:
    case Kind::kComma:
    case Kind::kColon:
    case Kind::kDash:
    case Kind::kIndent:
      return {"deleted", ""};
  }
  return {};
}

}  // namespace

Edit Editor::Damage(std::uint32_t seed) const {
  std::mt19937 random(seed);
  // Every kind of damage as often as any other.
  const auto& sites = by_kind_[random() % by_kind_.size()];
  const Site& site = sites_[sites[random() % sites.size()]];
  Edit edit;
  edit.file = site.place.file;
  edit.line = site.place.line;
  edit.partner_line = site.partner_line;
  edit.may_be_named = site.kind == Kind::kDash || site.kind == Kind::kIndent;
  edit.files = files_;
  const std::string& before = files_[static_cast<std::size_t>(site.place.file)].text;
  std::string& text = edit.files[static_cast<std::size_t>(site.place.file)].text;
  const std::string_view line = Lines(before)[static_cast<std::size_t>(site.place.line - 1)];
  const auto from = static_cast<std::size_t>(line.data() - before.data());
  const auto column = static_cast<std::size_t>(site.place.column - 1);
  if (site.kind == Kind::kIndent) {
    const bool less = line[0] == ' ' && random() % 2 == 0;
    edit.what = fmt::format("{} space before `{}`", less ? "one less" : "one more", Trim(line));
    less ? text.erase(from, 1) : text.insert(from, 1, ' ');
    return edit;
  }
  if (site.kind == Kind::kKey && random() % 3 == 0 && line.find_first_not_of(' ') == column) {
    // The copy is the slip.
    edit.what = fmt::format("line twice `{}`", line);
    text.insert(from, std::string(line) + "\n");
    edit.line += 1;
    return edit;
  }
  const std::string token = At(site.place);
  const Change change = ChangeToken(site.kind, token, words_, random);
  edit.declared = site.kind == Kind::kDeclaration ? token : "";
  edit.what = fmt::format("{} `{}` -> `{}`", change.what, token, change.token);
  text.replace(from + column, token.size(), change.token);
  return edit;
}

}  // namespace segue
