// What stands around the tokens of a document, for `segue fmt`: comments, blank lines, ends of
// brackets.  Internal to this folder.

#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/text.h"
#include "config/yaml.h"

namespace segue {

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

  // Every comment, wherever it stands.
  std::vector<std::string> Comments() const {
    std::vector<std::string> all;
    for (const auto& [line, at] : comment_at_) {
      all.emplace_back(Trim(LineAt(line).substr(at)));
    }
    return all;
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
      const bool only_blank =
          std::all_of(held.begin(), held.end(), [](const std::string& one) { return one.empty(); });
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
  std::vector<bool> code_, text_;                              // By line, from 1.
  std::map<std::pair<int, std::size_t>, std::size_t> quotes_;  // Line and begin to end.
  std::map<int, std::size_t> comment_at_;
  std::map<int, std::vector<std::string>> leading_, tails_;
  std::map<int, std::string> trailing_;
  std::vector<Block> blocks_;
};

}  // namespace segue
