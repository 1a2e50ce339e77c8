#include "config/fmt.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/text.h"
#include "config/document.h"
#include "config/fmt_lines.h"
#include "config/load.h"
#include "config/report.h"
#include "expression/parse.h"

namespace segue {
namespace {

const KeyNode kUnknownKeys{};

// What stands around the tokens of one document: comments, blank lines, ends of brackets.
class Surroundings {
 public:
  Surroundings(const std::vector<std::string_view>& lines, const Node& root) : lines_(lines) {
    code_.assign(lines.size() + 2, false);
    text_.assign(lines.size() + 2, false);
    Walk(root);
    for (std::size_t i = 1; i <= lines.size(); ++i) {
      if (!text_[i]) {
        FindComment(static_cast<int>(i));
      }
    }
    Attach(root);
  }

  // Comment lines above the line, "" for a blank one between them; each is handed out once.
  std::vector<std::string> TakeLeading(int line) { return Take(leading_, line); }

  std::string TakeTrailing(int line) {
    const auto found = trailing_.find(line);
    if (found == trailing_.end()) {
      return {};
    }
    std::string text = std::move(found->second);
    trailing_.erase(found);
    return text;
  }

  // Comment lines at the end of the block that begins there.
  std::vector<std::string> TakeTail(const Node& block) {
    return Take(tails_, block.place.line * 100'000 + block.place.column);
  }

  // Of brackets: the line and column (from 0) behind the closing one.
  std::pair<int, std::size_t> FlowEnd(const Node& node) const {
    int depth = 0;
    auto at = static_cast<std::size_t>(node.place.column - 1);
    for (int line = node.place.line; line <= Count(); ++line, at = 0) {
      const std::string_view text = LineAt(line);
      const std::size_t end = CodeEnd(line);
      for (; at < end; ++at) {
        if (const auto quote = quotes_.find({line, at}); quote != quotes_.end()) {
          at = quote->second - 1;
          continue;
        }
        depth += text[at] == '{' || text[at] == '[' ? 1 : 0;
        if ((text[at] == '}' || text[at] == ']') && --depth == 0) {
          return {line, at + 1};
        }
      }
    }
    return {node.place.line, LineAt(node.place.line).size()};
  }

  std::string_view LineAt(int line) const { return lines_[static_cast<std::size_t>(line - 1)]; }

  int Count() const { return static_cast<int>(lines_.size()); }

  // Where a comment begins, or the end of the line.
  std::size_t CodeEnd(int line) const {
    const auto found = comment_at_.find(line);
    return found == comment_at_.end() ? LineAt(line).size() : found->second;
  }

  void DropTrailing(int from, int to) {
    trailing_.erase(trailing_.lower_bound(from), trailing_.upper_bound(to));
    leading_.erase(leading_.upper_bound(from), leading_.upper_bound(to));
  }

 private:
  template <typename Map>
  static std::vector<std::string> Take(Map& map, int key) {
    const auto found = map.find(key);
    if (found == map.end()) {
      return {};
    }
    std::vector<std::string> all = std::move(found->second);
    map.erase(found);
    return all;
  }

  static std::size_t Indent(std::string_view line) {
    return std::min(line.find_first_not_of(' '), line.size());
  }

  void Walk(const Node& node) {
    if (node.kind != Node::Kind::kNull) {
      code_[static_cast<std::size_t>(node.place.line)] = true;
    }
    if (node.quoted) {
      const auto begin = static_cast<std::size_t>(node.place.column - 1);
      quotes_[{node.place.line, begin}] = begin + static_cast<std::size_t>(node.place.length);
    }
    if (node.block && !node.text.empty()) {
      int last = node.place.line;
      for (int line = last + 1; line <= Count(); ++line) {
        const std::string_view text = LineAt(line);
        const bool blank = Indent(text) == text.size();
        if (!blank && Indent(text) < static_cast<std::size_t>(node.indent)) {
          break;
        }
        last = blank ? last : line;
      }
      for (int line = node.place.line + 1; line <= last; ++line) {
        text_[static_cast<std::size_t>(line)] = true;
      }
    }
    for (const Node& key : node.keys) {
      Walk(key);
    }
    for (const Node& item : node.items) {
      Walk(item);
    }
  }

  void FindComment(int line) {
    const std::string_view text = LineAt(line);
    for (std::size_t at = 0; at < text.size(); ++at) {
      if (const auto quote = quotes_.find({line, at}); quote != quotes_.end()) {
        at = quote->second - 1;
      } else if (text[at] == '#' && (at == 0 || text[at - 1] == ' ')) {
        comment_at_[line] = at;
        break;
      }
    }
    const std::size_t first = Indent(text);
    if (first < text.size() && text[first] != '#') {
      code_[static_cast<std::size_t>(line)] = true;
    }
    if (const auto found = comment_at_.find(line);
        found != comment_at_.end() && code_[static_cast<std::size_t>(line)]) {
      trailing_[line] = std::string(Trim(text.substr(found->second)));
    }
  }

  // Comment lines belong to what follows, unless they are indented like a block above that ends
  // there.
  void Attach(const Node& root) {
    CollectBlocks(root, Count());
    std::vector<std::string> held;
    int code = 0;  // The last line with code.
    for (int line = 1; line <= Count() + 1; ++line) {
      const auto index = static_cast<std::size_t>(line);
      if (line <= Count() && (code_[index] || text_[index])) {
        if (!held.empty()) {
          leading_[line] = std::move(held);
          held.clear();
        }
        code = line;
        continue;
      }
      if (line > Count()) {
        break;
      }
      const std::string_view text = LineAt(line);
      const std::size_t indent = Indent(text);
      if (indent == text.size()) {
        if (held.empty() || !held.back().empty()) {
          held.emplace_back();
        }
        continue;
      }
      const bool only_blank = std::all_of(held.begin(), held.end(),
                                          [](const std::string& one) { return one.empty(); });
      const Block* block = only_blank ? BlockFor(code, line, indent) : nullptr;
      if (block == nullptr) {
        held.emplace_back(Trim(text));
        continue;
      }
      std::vector<std::string>& tail = tails_[block->key];
      if (!held.empty()) {
        tail.emplace_back();
        held.clear();
      }
      tail.emplace_back(Trim(text));
    }
    if (!held.empty() && !held.back().empty()) {
      tails_[root.place.line * 100'000 + root.place.column] = std::move(held);
    }
  }

  struct Block {
    int key;
    std::size_t column;  // Of its entries, from 0.
    int first, last;     // Lines.
  };

  void CollectBlocks(const Node& node, int last) {
    const bool block =
        (node.kind == Node::Kind::kMap || node.kind == Node::Kind::kList) && !node.flow;
    if (!block || node.items.empty()) {
      return;
    }
    blocks_.push_back({node.place.line * 100'000 + node.place.column,
                       static_cast<std::size_t>(node.place.column - 1), node.place.line, last});
    const std::vector<Node>& starts = node.kind == Node::Kind::kMap ? node.keys : node.items;
    for (std::size_t i = 0; i < node.items.size(); ++i) {
      const int end = i + 1 < starts.size() ? starts[i + 1].place.line - 1 : last;
      CollectBlocks(node.items[i], end);
    }
  }

  // The deepest block that was open on line `code`, whose entries stand at or before `indent` and
  // behind whatever comes next.
  const Block* BlockFor(int code, int line, std::size_t indent) const {
    int next = line;
    while (next <= Count() && !code_[static_cast<std::size_t>(next)]) {
      ++next;
    }
    const bool end = next > Count();
    const std::size_t outer = end ? 0 : Indent(LineAt(next));
    const Block* found = nullptr;
    for (const Block& block : blocks_) {
      if (block.first <= code && code <= block.last && (end || next > block.last) &&
          block.column <= indent && (end || block.column > outer) &&
          (found == nullptr || block.column > found->column)) {
        found = &block;
      }
    }
    return found;
  }

  const std::vector<std::string_view>& lines_;
  std::vector<bool> code_, text_;                             // By line, from 1.
  std::map<std::pair<int, std::size_t>, std::size_t> quotes_;  // Line and begin to end.
  std::map<int, std::size_t> comment_at_;
  std::map<int, std::vector<std::string>> leading_, tails_;
  std::map<int, std::string> trailing_;
  std::vector<Block> blocks_;
};

class DocumentFormatter {
 public:
  DocumentFormatter(const std::vector<std::string_view>& lines, const Node& root)
      : around_(lines, root), root_(root) {}

  std::string Run() {
    const auto kind = root_.keys.empty() ? std::nullopt : FindKind(root_.keys.front().text);
    if (root_.kind == Node::Kind::kMap) {
      if (root_.flow) {
        Leading(root_.place.line, 0);
        FlowValue(root_, kind ? KeyTree(*kind) : kUnknownKeys, Form::kFree);
        Trailing(root_.place.line);
      } else {
        Map(root_, kind ? KeyTree(*kind) : kUnknownKeys, 0);
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
    return form == Form::kSteps     ? KeyTree(DocumentKind::kStep)
           : form == Form::kSources ? KeyTree(DocumentKind::kSource)
           : form == Form::kFacts   ? KeyTree(DocumentKind::kFact)
           : keys.item != nullptr   ? *keys.item
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
      out_.Piece(Source(key) + ":", key.place.column);
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
      out_.Piece(Scalar(value, FormOf(keys)), PieceColumn(value.place));
      Trailing(line);
    } else if (const auto [last, end] = around_.FlowEnd(value); last != line) {
      Verbatim(value, last, column);
    } else {
      FlowValue(value, keys, FormOf(keys));
      Trailing(line);
    }
  }

  // | and the lines below it.
  void Text(const Node& value, int column) {
    const int line = value.place.line;
    const std::string_view source = around_.LineAt(line);
    const auto begin = static_cast<std::size_t>(value.place.column - 1);
    out_.Piece(std::string(Trim(source.substr(begin, around_.CodeEnd(line) - begin))), 0);
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
        out_.Raw(row.empty() ? "" : std::string(static_cast<std::size_t>(column) + 2, ' ') +
                                        std::string(row));
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
    out_.Piece(std::string(Trim(head.substr(begin))), 0);
    for (int line = first + 1; line <= last; ++line) {
      const std::string_view text = around_.LineAt(line);
      const std::size_t indent = std::min(text.find_first_not_of(' '), text.size());
      const std::size_t moved =
          std::max(indent + static_cast<std::size_t>(column), old + static_cast<std::size_t>(column) + 1) -
          old;
      out_.Raw(indent == text.size()
                   ? ""
                   : std::string(moved, ' ') + std::string(Trim(text.substr(indent))));
    }
    around_.DropTrailing(first, last);
  }

  // --- brackets on one line ---

  int PieceColumn(const Place& place) const { return place.column; }

  void FlowValue(const Node& value, const KeyNode& keys, Form form) {
    if (value.kind == Node::Kind::kScalar) {
      out_.Append(Scalar(value, form));
      return;
    }
    if (value.kind == Node::Kind::kNull) {
      return;
    }
    const bool map = value.kind == Node::Kind::kMap;
    if (!out_.fresh()) {
      out_.Piece(map ? "{" : "[", value.place.column);
    } else {
      out_.Append(map ? "{" : "[");
    }
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
        out_.Piece(Source(key) + ":", moved ? 0 : key.place.column);
      } else {
        out_.Append(Source(key) + ":");
      }
      if (value.kind != Node::Kind::kNull) {
        out_.Append(" ");
        out_.Inside(true);
        const KeyNode& below = KeysOfValue(keys, key);
        FlowValue(value, below, FormOf(below));
        out_.Inside(false);
      }
    }
  }

  void FlowList(const Node& list, const KeyNode& keys, Form form) {
    for (std::size_t i = 0; i < list.items.size(); ++i) {
      const Node& entry = list.items[i];
      if (i > 0) {
        out_.Append(",");
        out_.Piece("", entry.place.column);
      }
      out_.Inside(true);
      FlowValue(entry, entry.kind == Node::Kind::kMap ? KeysOfEntry(keys) : keys, form);
      out_.Inside(false);
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
      }
    }
    return node.quoted ? Quoted(node, text) : text;
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

std::string FormatPart(const Part& part) {
  std::string text;
  for (const std::string_view line : part.lines) {
    text.append(line).push_back('\n');
  }
  Diagnostics ignored;
  Report report(ignored);
  const std::vector<YamlDocument> documents = ParseYaml(0, text, false, report);
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

std::string FormatMarkdown(const std::string& text) {
  const std::vector<std::string_view> lines = Lines(text);
  std::vector<std::string_view> keys;
  std::size_t end = 1;
  while (end < lines.size() && !(lines[end].starts_with("---") &&
                                 (lines[end].size() == 3 || lines[end][3] == ' '))) {
    keys.push_back(lines[end++]);
  }
  const auto body = static_cast<std::size_t>(lines[end].data() - text.data());
  return std::string(lines[0]) + "\n" + FormatYaml(keys) + text.substr(body);
}

// Every comment, in order of its text.
std::vector<std::string> CommentsOf(std::string_view text) {
  std::vector<std::string> all;
  for (const std::string_view line : Lines(text)) {
    for (std::size_t at = line.find('#'); at != std::string_view::npos;
         at = line.find('#', at + 1)) {
      if (at == 0 || line[at - 1] == ' ') {
        all.emplace_back(Trim(line.substr(at)));
        break;
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
  SourceFile after{before.path, markdown ? FormatMarkdown(before.text)
                                         : FormatYaml(Lines(before.text))};
  // A layout must not change what a file says.  This has to hold for every file there is, so it is
  // asked of each.
  if (NormalisedText({before}) != NormalisedText({after}) ||
      CommentsOf(before.text) != CommentsOf(after.text)) {
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
