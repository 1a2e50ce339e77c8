// Lines to blocks: the outer structure of a Markdown text.

#include <algorithm>

#include "base/text.h"
#include "templates/markdown.h"

namespace segue {
namespace {

using Block = MarkdownBlock;
using Kind = MarkdownBlock::Kind;
using Lines = std::vector<std::string_view>;

bool IsBlank(std::string_view line) {
  return line.find_first_not_of(" \t") == std::string_view::npos;
}

std::size_t Indent(std::string_view line) {
  return std::min(line.find_first_not_of(' '), line.size());
}

std::string_view Unindent(std::string_view line, std::size_t most) {
  return line.substr(std::min(Indent(line), most));
}

// "- - -", "***", "___".
bool IsRule(std::string_view line) {
  const std::string_view text = Trim(line);
  if (text.empty() || std::string_view("*-_").find(text[0]) == std::string_view::npos) {
    return false;
  }
  std::size_t count = 0;
  for (const char c : text) {
    if (c == text[0]) {
      ++count;
    } else if (c != ' ' && c != '\t') {
      return false;
    }
  }
  return count >= 3;
}

// 1 to 6 for "# …" to "###### …", else 0.
int HeadingLevel(std::string_view line) {
  const std::string_view text = Unindent(line, 3);
  const std::size_t level = std::min(text.find_first_not_of('#'), text.size());
  const bool heading = level >= 1 && level <= 6 && (level == text.size() || text[level] == ' ');
  return heading ? static_cast<int>(level) : 0;
}

// The length of the run of ` or ~ that opens a fence, else 0.
std::size_t FenceLength(std::string_view line) {
  const std::string_view text = Unindent(line, 3);
  if (text.empty() || (text[0] != '`' && text[0] != '~')) {
    return 0;
  }
  const std::size_t length = std::min(text.find_first_not_of(text[0]), text.size());
  const bool again = text[0] == '`' && text.find('`', length) != std::string_view::npos;
  return length >= 3 && !again ? length : 0;
}

bool IsQuote(std::string_view line) {
  return Unindent(line, 3).starts_with('>');
}

struct Marker {
  bool found = false;
  bool ordered = false;
  int number = 1;
  std::size_t indent = 0;   // Where the marker stands.
  std::size_t content = 0;  // Where the item's text stands.
};

Marker FindMarker(std::string_view line) {
  Marker marker;
  marker.indent = Indent(line);
  std::size_t i = marker.indent;
  if (i == line.size()) {
    return marker;
  }
  if (line[i] == '-' || line[i] == '*' || line[i] == '+') {
    i += 1;
  } else {
    int number = 0;
    const std::size_t first = i;
    for (; i < line.size() && i < first + 9 && line[i] >= '0' && line[i] <= '9'; ++i) {
      number = number * 10 + (line[i] - '0');
    }
    if (i == first || i == line.size() || (line[i] != '.' && line[i] != ')')) {
      return marker;
    }
    marker.ordered = true;
    marker.number = number;
    i += 1;
  }
  if (i < line.size() && line[i] != ' ') {
    return marker;
  }
  marker.found = !IsRule(line);
  const std::size_t spaces = Indent(line.substr(i));
  marker.content = i + (spaces > 4 || i + spaces == line.size() ? 1 : spaces);
  return marker;
}

// Whether the line ends a paragraph that it follows.  A year at the start of a line is not a list.
bool StartsBlock(std::string_view line) {
  const Marker marker = FindMarker(line);
  const bool list = marker.found && marker.indent < 4 && marker.content < line.size() &&
                    (!marker.ordered || marker.number == 1);
  return list || IsRule(line) || HeadingLevel(line) > 0 || FenceLength(line) > 0 || IsQuote(line);
}

std::vector<Block> ParseLines(const Lines& lines, int depth);

std::size_t AddFence(const Lines& lines, std::size_t i, std::vector<Block>& blocks) {
  const std::size_t indent = Indent(lines[i]);
  const std::size_t length = FenceLength(lines[i]);
  const char sign = lines[i][indent];
  Block block;
  block.kind = Kind::kCode;
  for (++i; i < lines.size(); ++i) {
    const std::string_view text = Trim(lines[i]);
    if (text.size() >= length && text.find_first_not_of(sign) == std::string_view::npos) {
      ++i;
      break;
    }
    block.text.append(Unindent(lines[i], indent)).append("\n");
  }
  blocks.push_back(std::move(block));
  return i;
}

std::size_t AddHeading(const Lines& lines, std::size_t i, std::vector<Block>& blocks) {
  Block block;
  block.kind = Kind::kHeading;
  block.level = HeadingLevel(lines[i]);
  std::string_view text = Trim(Unindent(lines[i], 3).substr(static_cast<std::size_t>(block.level)));
  // "## Title ##" is closed by signs that are not part of it.
  const std::size_t last = text.find_last_not_of('#');
  if (last == std::string_view::npos) {
    text = "";
  } else if (last + 1 < text.size() && text[last] == ' ') {
    text = Trim(text.substr(0, last));
  }
  block.text = text;
  blocks.push_back(std::move(block));
  return i + 1;
}

std::size_t AddQuote(const Lines& lines, std::size_t i, std::vector<Block>& blocks, int depth) {
  Lines inner;
  for (; i < lines.size() && IsQuote(lines[i]); ++i) {
    std::string_view text = Unindent(lines[i], 3).substr(1);
    inner.push_back(text.starts_with(' ') ? text.substr(1) : text);
  }
  Block block;
  block.kind = Kind::kQuote;
  block.blocks = ParseLines(inner, depth + 1);
  blocks.push_back(std::move(block));
  return i;
}

// One item's lines from `i` on, without their indent.  Returns the line after it; empty lines at
// its end are not its own.
std::size_t TakeItem(const Lines& lines, std::size_t i, const Marker& marker, Lines& inner) {
  inner.push_back(lines[i].substr(std::min(marker.content, lines[i].size())));
  std::size_t end = i + 1;
  bool after_blank = false;
  for (std::size_t k = i + 1; k < lines.size(); ++k) {
    const std::string_view line = lines[k];
    if (IsBlank(line)) {
      after_blank = true;
      continue;
    }
    const bool indented = Indent(line) >= marker.indent + 2;
    const bool lazy = !after_blank && !StartsBlock(line) && !FindMarker(line).found;
    if (!indented && !lazy) {
      break;
    }
    for (; end < k; ++end) {
      inner.emplace_back();
    }
    inner.push_back(Unindent(line, marker.content));
    end = k + 1;
    after_blank = false;
  }
  return end;
}

std::size_t AddList(const Lines& lines, std::size_t i, std::vector<Block>& blocks, int depth) {
  const Marker first = FindMarker(lines[i]);
  Block list;
  list.kind = Kind::kList;
  list.ordered = first.ordered;
  list.level = first.number;
  std::size_t end = i;
  for (std::size_t k = i; k < lines.size();) {
    const Marker marker = FindMarker(lines[k]);
    const bool another =
        marker.found && marker.ordered == first.ordered && marker.indent < first.indent + 2;
    if (!another) {
      break;
    }
    list.tight = list.tight && end == k;
    Lines inner;
    end = TakeItem(lines, k, marker, inner);
    list.tight = list.tight && std::none_of(inner.begin(), inner.end() - 1, IsBlank);
    Block item;
    item.kind = Kind::kItem;
    item.blocks = ParseLines(inner, depth + 1);
    list.blocks.push_back(std::move(item));
    for (k = end; k < lines.size() && IsBlank(lines[k]);) {
      ++k;
    }
  }
  blocks.push_back(std::move(list));
  return end;
}

std::size_t AddParagraph(const Lines& lines, std::size_t i, std::vector<Block>& blocks,
                         bool whole) {
  Block block;
  const std::size_t first = i;
  for (; i < lines.size() && !IsBlank(lines[i]) && (i == first || whole || !StartsBlock(lines[i]));
       ++i) {
    block.text.append(block.text.empty() ? "" : "\n").append(lines[i].substr(Indent(lines[i])));
  }
  block.text.erase(block.text.find_last_not_of(" \t") + 1);
  blocks.push_back(std::move(block));
  return i;
}

std::vector<Block> ParseLines(const Lines& lines, int depth) {
  std::vector<Block> blocks;
  for (std::size_t i = 0; i < lines.size();) {
    const std::string_view line = lines[i];
    const bool deep = depth >= kMarkdownDepthMax;
    if (IsBlank(line)) {
      ++i;
    } else if (deep) {
      i = AddParagraph(lines, i, blocks, true);
    } else if (FenceLength(line) > 0) {
      i = AddFence(lines, i, blocks);
    } else if (IsRule(line)) {
      blocks.emplace_back().kind = Kind::kRule;
      ++i;
    } else if (HeadingLevel(line) > 0) {
      i = AddHeading(lines, i, blocks);
    } else if (IsQuote(line)) {
      i = AddQuote(lines, i, blocks, depth);
    } else if (FindMarker(line).found) {
      i = AddList(lines, i, blocks, depth);
    } else {
      i = AddParagraph(lines, i, blocks, false);
    }
  }
  return blocks;
}

}  // namespace

std::vector<MarkdownBlock> ParseMarkdown(std::string_view text) {
  Lines lines = Split(text, '\n');
  for (std::string_view& line : lines) {
    line = line.substr(0, line.size() - (line.ends_with('\r') ? 1 : 0));
  }
  return ParseLines(lines, 0);
}

}  // namespace segue
