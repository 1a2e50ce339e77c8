#include "config/fmt.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/text.h"
#include "config/document.h"
#include "config/fmt_around.h"
#include "config/fmt_lines.h"
#include "config/load.h"
#include "config/report.h"
#include "expression/parse.h"

namespace segue {
namespace {

const KeyNode kUnknownKeys{};

class DocumentFormatter {
 public:
  DocumentFormatter(const std::vector<std::string_view>& lines, const Node& root)
      : around_(lines, root), root_(root) {}

  std::string Run() {
    std::optional<DocumentKind> kind;
    if (!root_.keys.empty()) {
      kind = FindKind(root_.keys.front().text);
    }
    const KeyNode& keys = kind.has_value() ? KeyTree(*kind) : kUnknownKeys;
    if (root_.kind == Node::Kind::kMap) {
      if (root_.flow) {
        Leading(root_.place.line, 0);
        out_.Begin(0);
        PieceAt("", root_.place);
        FlowValue(root_, keys, Form::kFree);
        Trailing(root_.place.line);
      } else {
        Map(root_, keys, 0);
      }
    }
    return out_.Take();
  }

 private:
  // --- blocks ---

  void Leading(int line, int column) {
    for (std::string& comment : around_.TakeLeading(line)) {
      if (comment.empty()) {
        out_.Blank();
      } else {
        out_.Comment(column, std::move(comment));
      }
    }
  }

  void Tail(const Node& block, int column) {
    for (std::string& comment : around_.TakeTail(block)) {
      if (comment.empty()) {
        out_.Blank();
      } else {
        out_.Comment(column, std::move(comment));
      }
    }
  }

  void Trailing(int line) {
    if (std::string comment = around_.TakeTrailing(line); !comment.empty()) {
      out_.Trailing(std::move(comment), around_.CodeEnd(line));
    }
  }

  // The entries of a map in the order of the table; as written where the author chooses names.
  static std::vector<std::size_t> Order(const Node& map, const KeyNode& keys) {
    std::vector<std::size_t> order(map.keys.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
      order[i] = i;
    }
    if (keys.any != nullptr || keys.children.empty()) {
      return order;
    }
    const auto rank = [&](std::size_t i) {
      const auto found =
          std::find_if(keys.children.begin(), keys.children.end(),
                       [&](const KeyNode& child) { return child.name == map.keys[i].text; });
      return found - keys.children.begin();
    };
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return rank(a) < rank(b); });
    return order;
  }

  static const KeyNode& KeysOfValue(const KeyNode& keys, const Node& key) {
    const KeyNode* child = keys.Child(key.text);
    return child == nullptr ? kUnknownKeys : *child;
  }

  static const KeyNode& KeysOfEntry(const KeyNode& keys) {
    const Form form = keys.spec != nullptr ? keys.spec->form : Form::kFree;
    return form == Form::kSteps   ? KeyTree(DocumentKind::kStep)
           : form == Form::kFacts ? KeyTree(DocumentKind::kFact)
           : keys.item != nullptr ? *keys.item
                                  : kUnknownKeys;
  }

  static Form FormOf(const KeyNode& keys) {
    return keys.spec != nullptr ? keys.spec->form : Form::kFree;
  }

  void Map(const Node& map, const KeyNode& keys, int column) {
    for (const std::size_t i : Order(map, keys)) {
      const Node& key = map.keys[i];
      Leading(key.place.line, column - out_.pending());
      out_.Begin(column);
      PieceAt(Source(key) + ":", key.place);
      Value(map.items[i], KeysOfValue(keys, key), key, column);
    }
    Tail(map, column);
  }

  void List(const Node& list, const KeyNode& keys, int column) {
    for (const Node& entry : list.items) {
      Leading(entry.place.line, column - out_.pending());
      out_.Dash();
      const bool block =
          (entry.kind == Node::Kind::kMap || entry.kind == Node::Kind::kList) && !entry.flow;
      if (block && entry.kind == Node::Kind::kMap) {
        Map(entry, KeysOfEntry(keys), column + 2);
      } else if (block) {
        List(entry, KeysOfEntry(keys), column + 2);
      } else {
        out_.Begin(column + 2);
        if (entry.kind != Node::Kind::kNull) {
          Inline(entry, entry.kind == Node::Kind::kMap ? KeysOfEntry(keys) : keys, column + 2);
        }
      }
    }
    Tail(list, column);
  }

  // What stands behind a key.
  void Value(const Node& value, const KeyNode& keys, const Node& key, int column) {
    const bool collection = value.kind == Node::Kind::kMap || value.kind == Node::Kind::kList;
    if (value.kind == Node::Kind::kNull) {
      Trailing(key.place.line);
    } else if (collection && !value.flow) {
      Trailing(key.place.line);
      if (value.kind == Node::Kind::kMap) {
        Map(value, keys, column + 2);
      } else {
        List(value, keys, column + 2);
      }
    } else {
      Inline(value, keys, column);
    }
  }

  // A scalar or brackets, on the line that has begun.
  void Inline(const Node& value, const KeyNode& keys, int column) {
    const int line = value.place.line;
    if (value.block) {
      Text(value, column);
    } else if (value.kind == Node::Kind::kScalar) {
      PieceAt(Scalar(value, FormOf(keys)), value.place);
      Trailing(line);
    } else if (const auto [last, end] = around_.FlowEnd(value); last != line) {
      Verbatim(value, last, column);
    } else {
      PieceAt("", value.place);
      FlowValue(value, keys, FormOf(keys));
      Trailing(line);
    }
  }

  // | and the lines below it.
  void Text(const Node& value, int column) {
    const int line = value.place.line;
    const std::string_view source = around_.LineAt(line);
    const auto begin = static_cast<std::size_t>(value.place.column - 1);
    out_.Piece(std::string(Trim(source.substr(begin, around_.CodeEnd(line) - begin))), 0, false);
    Trailing(line);
    const bool keeps = source.substr(begin).starts_with("|+");
    std::string_view text = value.text;
    while (!keeps && text.ends_with('\n')) {
      text.remove_suffix(1);
    }
    if (keeps && text.ends_with('\n')) {
      text.remove_suffix(1);
    }
    if (!value.text.empty()) {
      for (const std::string_view row : Split(text, '\n')) {
        out_.Raw(row.empty()
                     ? ""
                     : std::string(static_cast<std::size_t>(column) + 2, ' ') + std::string(row));
      }
    }
    if (keeps) {
      out_.NoBlank();
    }
  }

  // Brackets over several lines: as written, moved as a whole.
  void Verbatim(const Node& value, int last, int column) {
    const int first = value.place.line;
    const auto begin = static_cast<std::size_t>(value.place.column - 1);
    const std::string_view head = around_.LineAt(first);
    const std::size_t old = std::min(head.find_first_not_of(" -"), head.size());
    out_.Piece(std::string(Trim(head.substr(begin))), 0, false);
    for (int line = first + 1; line <= last; ++line) {
      const std::string_view text = around_.LineAt(line);
      const std::size_t indent = std::min(text.find_first_not_of(' '), text.size());
      const std::size_t moved = std::max(indent + static_cast<std::size_t>(column),
                                         old + static_cast<std::size_t>(column) + 1) -
                                old;
      out_.Raw(indent == text.size()
                   ? ""
                   : std::string(moved, ' ') + std::string(Trim(text.substr(indent))));
    }
    around_.DropTrailing(first, last);
  }

  // --- brackets on one line ---

  // A piece that begins where a token stood.
  void PieceAt(std::string text, const Place& place) {
    const std::string_view line = around_.LineAt(place.line);
    const auto at = static_cast<std::size_t>(place.column - 1);
    out_.Piece(std::move(text), place.column,
               at >= 2 && line[at - 1] == ' ' && line[at - 2] == ' ');
  }

  void FlowValue(const Node& value, const KeyNode& keys, Form form) {
    if (value.kind == Node::Kind::kScalar) {
      out_.Append(Scalar(value, form));
      return;
    }
    if (value.kind == Node::Kind::kNull) {
      return;
    }
    const bool map = value.kind == Node::Kind::kMap;
    out_.Append(map ? "{" : "[");
    if (map) {
      FlowMap(value, keys);
    } else {
      FlowList(value, keys, form);
    }
    out_.Append(map ? "}" : "]");
  }

  void FlowMap(const Node& map, const KeyNode& keys) {
    const std::vector<std::size_t> order = Order(map, keys);
    const bool moved = !std::is_sorted(order.begin(), order.end());
    for (std::size_t k = 0; k < order.size(); ++k) {
      const Node& key = map.keys[order[k]];
      const Node& value = map.items[order[k]];
      if (k > 0) {
        out_.Append(",");
        if (moved) {
          out_.Piece(Source(key) + ":", 0, false);
        } else {
          PieceAt(Source(key) + ":", key.place);
        }
      } else {
        out_.Append(Source(key) + ":");
      }
      if (value.kind != Node::Kind::kNull) {
        out_.Append(" ");
        const KeyNode& below = KeysOfValue(keys, key);
        FlowValue(value, below, FormOf(below));
      }
    }
  }

  void FlowList(const Node& list, const KeyNode& keys, Form form) {
    for (std::size_t i = 0; i < list.items.size(); ++i) {
      const Node& entry = list.items[i];
      if (i > 0) {
        out_.Append(",");
        PieceAt("", entry.place);
      }
      FlowValue(entry, entry.kind == Node::Kind::kMap ? KeysOfEntry(keys) : keys, form);
    }
  }

  // --- scalars ---

  // As it stands in the file; 'text' as "text" where that needs no escape.
  std::string Source(const Node& node) const {
    if (!node.quoted) {
      return node.text;
    }
    return Quoted(node, node.text);
  }

  std::string Quoted(const Node& node, const std::string& text) const {
    const std::string_view source = around_.LineAt(node.place.line)
                                        .substr(static_cast<std::size_t>(node.place.column - 1),
                                                static_cast<std::size_t>(node.place.length));
    if (text.find_first_of("\"\\") == std::string::npos &&
        std::none_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20; }) &&
        (source.front() == '\'' || text != node.text)) {
      return '"' + text + '"';
    }
    return std::string(source);
  }

  std::string Scalar(const Node& node, Form form) const {
    std::string text = node.text;
    const bool expression =
        form == Form::kExpression || (form == Form::kRule && node.text != "otherwise");
    if (expression && node.text.find('\n') == std::string::npos) {
      const auto parsed = ParseExpression(node.text);
      if (const Syntax* syntax = boost::variant2::get_if<0>(&parsed)) {
        text = PrintSyntax(*syntax);
        // Brackets that are not needed may still help who reads.
        if (std::count(text.begin(), text.end(), '(') !=
            std::count(node.text.begin(), node.text.end(), '(')) {
          text = WithIs(node.text);
        }
      }
    }
    return node.quoted ? Quoted(node, text) : text;
  }

  // `is` for `==`, and single spaces, outside of 'texts'.
  static std::string WithIs(std::string_view text) {
    std::string out;
    bool quote = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
      quote ^= text[i] == '\'';
      if (!quote && text.substr(i, 2) == "==") {
        out += out.ends_with(' ') ? "is" : " is";
        out += i + 2 < text.size() && text[i + 2] != ' ' ? " " : "";
        ++i;
      } else if (quote || text[i] != ' ' || !out.ends_with(' ')) {
        out += text[i];
      }
    }
    return out;
  }

  Surroundings around_;
  const Node& root_;
  FormattedLines out_;
};

// --- files ---

struct Part {
  std::string separator;  // The line before it; empty for the first.
  std::vector<std::string_view> lines;
};

std::vector<Part> Parts(const std::vector<std::string_view>& lines) {
  std::vector<Part> parts(1);
  for (const std::string_view line : lines) {
    if (line.starts_with("---") && (line.size() == 3 || line[3] == ' ')) {
      parts.emplace_back().separator = std::string(Trim(line));
    } else {
      parts.back().lines.push_back(line);
    }
  }
  return parts;
}

std::string WithoutBlankEnds(std::string text) {
  while (text.starts_with('\n')) {
    text.erase(0, 1);
  }
  while (text.ends_with("\n\n")) {
    text.pop_back();
  }
  return text == "\n" ? "" : text;
}

std::vector<YamlDocument> Parsed(const Part& part) {
  std::string text;
  for (const std::string_view line : part.lines) {
    text.append(line).push_back('\n');
  }
  Diagnostics ignored;
  Report report(ignored);
  return ParseYaml(0, text, false, report);
}

std::string FormatPart(const Part& part) {
  const std::vector<YamlDocument> documents = Parsed(part);
  if (documents.empty()) {
    std::string comments;
    for (const std::string_view line : part.lines) {
      comments.append(Trim(line)).push_back('\n');
    }
    return WithoutBlankEnds(std::move(comments));
  }
  return WithoutBlankEnds(DocumentFormatter(part.lines, documents.front().root).Run());
}

std::string FormatYaml(const std::vector<std::string_view>& lines) {
  std::string out;
  for (const Part& part : Parts(lines)) {
    const std::string text = FormatPart(part);
    // A file does not begin with a line of dashes, and has no empty documents.
    if (text.empty() && part.separator.size() <= 3) {
      continue;
    }
    if (!part.separator.empty() && (!out.empty() || part.separator.size() > 3)) {
      out += part.separator + "\n";
    }
    out += text;
  }
  return out;
}

// The lines of the keys of a Markdown file, and where the line that ends them begins.
std::pair<std::vector<std::string_view>, std::size_t> FrontMatter(const std::string& text) {
  const std::vector<std::string_view> lines = Lines(text);
  std::vector<std::string_view> keys;
  std::size_t end = 1;
  while (end < lines.size() &&
         !(lines[end].starts_with("---") && (lines[end].size() == 3 || lines[end][3] == ' '))) {
    keys.push_back(lines[end++]);
  }
  return {std::move(keys), static_cast<std::size_t>(lines[end].data() - text.data())};
}

std::string FormatMarkdown(const std::string& text) {
  const auto [keys, end] = FrontMatter(text);
  return "---\n" + FormatYaml(keys) + text.substr(end);
}

// Every comment, in order of its text.
std::vector<std::string> CommentsOf(const std::vector<std::string_view>& lines) {
  std::vector<std::string> all;
  for (const Part& part : Parts(lines)) {
    const std::vector<YamlDocument> documents = Parsed(part);
    if (!documents.empty()) {
      for (std::string& comment : Surroundings(part.lines, documents.front().root).Comments()) {
        all.push_back(std::move(comment));
      }
      continue;
    }
    for (const std::string_view line : part.lines) {
      if (!Trim(line).empty()) {
        all.emplace_back(Trim(line));
      }
    }
  }
  std::sort(all.begin(), all.end());
  return all;
}

}  // namespace

std::optional<std::string> FormatFile(const SourceFile& file, Diagnostics& problems) {
  SourceFile before = file;
  SimplifyText(before.text);
  const bool markdown = before.path.ends_with(".md");
  const std::size_t known = problems.size();
  {
    Report report(problems);
    ParseYaml(0, before.text, markdown, report);
    if (report.errors() > 0) {
      return std::nullopt;
    }
  }
  problems.resize(known);
  SourceFile after{before.path,
                   markdown ? FormatMarkdown(before.text) : FormatYaml(Lines(before.text))};
  const auto keys = [&](const std::string& text) {
    return markdown ? FrontMatter(text).first : Lines(text);
  };
  // A layout must not change what a file says.  This has to hold for every file there is, so it is
  // asked of each.
  if (NormalisedText({before}) != NormalisedText({after}) ||
      CommentsOf(keys(before.text)) != CommentsOf(keys(after.text))) {
    problems.push_back({Severity::kError,
                        "SG000",
                        Place{0, 1, 1, 1},
                        "this file cannot be formatted without changing what it says",
                        {},
                        "it was left as it is; simplify its comments or brackets"});
    return std::nullopt;
  }
  return std::move(after.text);
}

}  // namespace segue
