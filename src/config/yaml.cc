// From yaml-cpp's events to our own tree.  The only file that includes yaml-cpp; its exceptions end
// here.

#include "config/yaml.h"

#include <algorithm>
#include <map>
#include <optional>
#include <sstream>
#include <utility>

#include <fmt/format.h>
#include <yaml-cpp/anchor.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include "base/text.h"

namespace segue {
namespace {

// Thrown by the builder to leave yaml-cpp's parser; the report has the reason.
struct GiveUp {};

class Builder final : public YAML::EventHandler {
 public:
  Builder(int file, const std::vector<std::string_view>& lines, int first_line, Report& report)
      : file_(file), lines_(lines), first_line_(first_line), report_(report) {}

  Node Take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& /*mark*/) override {}

  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Node node = Make(Node::Kind::kNull, mark, "?", anchor);
    // The mark of an empty value is the next token's.
    if (!stack_.empty() && stack_.back().kind == Node::Kind::kMap && pending_key_.back()) {
      node.place = pending_key_.back()->place;
    } else if (!stack_.empty()) {
      node.place = stack_.back().place;
    }
    Add(std::move(node));
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t /*anchor*/) override {
    Fail(PlaceOf(mark), "anchors and aliases are not part of the language", "write the value out");
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    Node node = Make(Node::Kind::kScalar, mark, tag, anchor);
    node.text = value;
    const std::string_view line = LineOf(node.place);
    const std::size_t at = static_cast<std::size_t>(node.place.column) - 1;
    if (at < line.size() && (line[at] == '"' || line[at] == '\'')) {
      node.quoted = true;
      const std::size_t end = QuoteEnd(line, at);
      node.place.length = end == std::string_view::npos ? 1 : static_cast<int>(end - at);
    } else if (at < line.size() && line[at] == '|' && tag == "!") {
      node.block = true;
      node.indent = TextIndent(node.place.line);
    } else {
      node.place.length = static_cast<int>(std::max<std::size_t>(value.size(), 1));
    }
    Add(std::move(node));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value style) override {
    Begin(Make(Node::Kind::kList, mark, tag, anchor), style);
  }

  void OnSequenceEnd() override { End(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override {
    Begin(Make(Node::Kind::kMap, mark, tag, anchor), style);
  }

  void OnMapEnd() override { End(); }

  Place PlaceOf(const YAML::Mark& mark) const {
    const int rows = static_cast<int>(lines_.size());
    const int row = std::clamp(mark.line, 0, std::max(rows - 1, 0));
    return Place{file_, first_line_ + row, std::max(mark.column, 0) + 1, 1};
  }

 private:
  [[noreturn]] void Fail(const Place& place, std::string message, std::string help) {
    report_.Error("SG000", place, std::move(message), {}, std::move(help));
    throw GiveUp{};
  }

  std::string_view LineOf(const Place& place) const {
    const auto row = static_cast<std::size_t>(place.line - first_line_);
    return row < lines_.size() ? lines_[row] : std::string_view();
  }

  // Bytes before the text of a | block that begins on `line`.
  int TextIndent(int line) const {
    for (auto row = static_cast<std::size_t>(line - first_line_ + 1); row < lines_.size(); ++row) {
      if (const std::size_t at = lines_[row].find_first_not_of(' '); at != std::string_view::npos) {
        return static_cast<int>(at);
      }
    }
    return 0;
  }

  Node Make(Node::Kind kind, const YAML::Mark& mark, const std::string& tag,
            YAML::anchor_t anchor) {
    Node node;
    node.kind = kind;
    node.place = PlaceOf(mark);
    if (anchor != 0) {
      Fail(node.place, "anchors and aliases are not part of the language", "write the value out");
    }
    if (!tag.empty() && tag != "?" && tag != "!") {
      Fail(node.place, "tags are not part of the language", "put quotes around the value");
    }
    return node;
  }

  void Begin(Node node, YAML::EmitterStyle::value style) {
    node.flow = style == YAML::EmitterStyle::Flow;
    if (static_cast<int>(stack_.size()) >= kNestingMax) {
      Fail(node.place, fmt::format("nested deeper than {} levels", kNestingMax), "make it flatter");
    }
    stack_.push_back(std::move(node));
    pending_key_.emplace_back();
    lines_of_keys_.emplace_back();
  }

  void End() {
    Node node = std::move(stack_.back());
    stack_.pop_back();
    pending_key_.pop_back();
    lines_of_keys_.pop_back();
    Add(std::move(node));
  }

  void Add(Node node) {
    if (stack_.empty()) {
      root_ = std::move(node);
      return;
    }
    Node& parent = stack_.back();
    std::optional<Node>& key = pending_key_.back();
    if (parent.kind == Node::Kind::kList) {
      parent.items.push_back(std::move(node));
    } else if (!key) {
      CheckKey(node);
      key = std::move(node);
    } else {
      parent.keys.push_back(std::move(*key));
      parent.items.push_back(std::move(node));
      key.reset();
    }
  }

  void CheckKey(const Node& key) {
    if (key.kind != Node::Kind::kScalar || key.block) {
      Fail(key.place, "a key is one word", "write `key: value`");
    }
    if (key.text == "<<" && !key.quoted) {
      Fail(key.place, "merge keys are not part of the language", "write the keys out");
    }
    const auto [same, fresh] = lines_of_keys_.back().try_emplace(key.text, key.place.line);
    if (!fresh) {
      // Goes on: the rest of the document is still worth reading.
      report_.Error(
          "SG000", key.place,
          fmt::format("`{}` stands twice in one place, first on line {}", key.text, same->second),
          {}, "keep one of the two");
    }
  }

  int file_;
  const std::vector<std::string_view>& lines_;
  int first_line_;
  Report& report_;
  std::vector<Node> stack_;
  std::vector<std::optional<Node>>
      pending_key_;  // Beside stack_: a map's key whose value comes next.
  std::vector<std::map<std::string, int>> lines_of_keys_;  // Beside stack_: keys so far.
  Node root_;
};

// What yaml-cpp says, in our words where its own would not help.
std::string InWords(const std::string& message) {
  if (message.starts_with("end of map") || message.starts_with("end of sequence")) {
    return "this does not belong to the block or brackets around it";
  }
  if (message == "illegal map value") {
    return "a colon where no key can stand";
  }
  return message;
}

bool IsBlankLine(std::string_view line) {
  const std::string_view text = Trim(line);
  return text.empty() || text.front() == '#';
}

void ParsePart(int file, const std::vector<std::string_view>& lines, int first_line, Report& report,
               YamlDocument& document) {
  const std::size_t before = report.errors();
  const auto first = std::find_if_not(lines.begin(), lines.end(), IsBlankLine);
  document.first_text = first == lines.end() ? "" : std::string(Trim(*first));
  if (ScanLines(file, lines, first_line, report)) {
    std::string text;
    for (std::string_view line : lines) {
      text.append(line).push_back('\n');
    }
    std::istringstream in(text);
    Builder builder(file, lines, first_line, report);
    try {
      YAML::Parser parser(in);
      parser.HandleNextDocument(builder);
      document.root = builder.Take();
    } catch (const YAML::Exception& problem) {
      // What follows from a problem that is already reported is not news.
      if (report.errors() == before) {
        report.Error("SG000", builder.PlaceOf(problem.mark), InWords(problem.msg), {},
                     "check colons, indentation and brackets here and on the line above");
      }
      document.broken = true;
    } catch (const GiveUp&) {
      document.broken = true;
    }
  } else {
    document.broken = true;
  }
}

bool IsSeparator(std::string_view line) {
  return line.starts_with("---") && (line.size() == 3 || line[3] == ' ');
}

bool IsBlank(const std::vector<std::string_view>& lines) {
  return std::all_of(lines.begin(), lines.end(), IsBlankLine);
}

// Bytes that no text may contain, once for each file: the first one is reported.
bool CheckBytes(int file, std::string_view text, bool markdown, Report& report) {
  if (text.size() > kFileBytesMax) {
    report.Error("SG000", Place{file, 1, 1, 1}, "the file is larger than 10 MB", {}, "split it");
    return false;
  }
  int row = 1;
  int separators = 0;
  for (std::string_view line : Lines(text)) {
    separators += IsSeparator(line) ? 1 : 0;
    const bool body = markdown && separators >= 2;
    const auto bad = std::find_if(line.begin(), line.end(), [&](char c) {
      return (static_cast<unsigned char>(c) < 0x20 && !(body && c == '\t')) || c == 0x7f;
    });
    const int column = static_cast<int>(bad - line.begin()) + 1;
    if (bad != line.end()) {
      report.Error("SG000", Place{file, row, column, 1},
                   *bad == '\t' ? "a tab" : "a control character", {},
                   *bad == '\t' ? "indent with spaces" : "take it out");
      return false;
    }
    if (!IsUtf8(line)) {
      report.Error("SG000", Place{file, row, 1, 1}, "the line is not UTF-8 text", {},
                   "save the file as UTF-8");
      return false;
    }
    ++row;
  }
  return true;
}

// The text below the front matter, as the key `body`.
void AddBody(int file, const std::vector<std::string_view>& lines, std::size_t from, Node& root) {
  Node key;
  key.kind = Node::Kind::kScalar;
  key.text = "body";
  key.place = Place{file, static_cast<int>(from), 1, 3};
  Node body = key;
  body.block = true;
  body.text.clear();
  for (std::size_t i = from; i < lines.size(); ++i) {
    body.text.append(lines[i]).push_back('\n');
  }
  root.keys.push_back(std::move(key));
  root.items.push_back(std::move(body));
}

std::vector<YamlDocument> ParseMarkdown(int file, const std::vector<std::string_view>& lines,
                                        Report& report) {
  const auto end =
      lines.empty() ? lines.end() : std::find_if(lines.begin() + 1, lines.end(), IsSeparator);
  if (lines.empty() || !IsSeparator(lines.front()) || end == lines.end()) {
    report.Error("SG000", Place{file, 1, 1, 1}, "a template in Markdown begins with its keys", {},
                 "write ---, the keys, --- and then the text");
    return {};
  }
  YamlDocument document;
  ParsePart(file, std::vector<std::string_view>(lines.begin() + 1, end), 2, report, document);
  if (document.root.kind == Node::Kind::kMap) {
    if (const Node* body = document.root.Find("body")) {
      report.Error("SG000", body->place, "`body` stands in the keys and below them", {},
                   "keep one of the two");
    } else {
      AddBody(file, lines, static_cast<std::size_t>(end - lines.begin()) + 1, document.root);
    }
  }
  return {std::move(document)};
}

}  // namespace

const Node* Node::Find(std::string_view key) const {
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (keys[i].text == key) {
      return &items[i];
    }
  }
  return nullptr;
}

void SimplifyText(std::string& text) {
  if (text.starts_with("\xef\xbb\xbf")) {
    text.erase(0, 3);
  }
  std::size_t to = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\r' || i + 1 >= text.size() || text[i + 1] != '\n') {
      text[to++] = text[i];
    }
  }
  text.resize(to);
}

std::vector<std::string_view> Lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return lines;
}

std::vector<YamlDocument> ParseYaml(int file, std::string_view text, bool markdown,
                                    Report& report) {
  if (!CheckBytes(file, text, markdown, report)) {
    return {};
  }
  const std::vector<std::string_view> lines = Lines(text);
  if (markdown) {
    return ParseMarkdown(file, lines, report);
  }
  std::vector<YamlDocument> documents;
  std::vector<std::string_view> part;
  std::size_t first = 0;
  for (std::size_t i = 0; i <= lines.size(); ++i) {
    if (i < lines.size() && !IsSeparator(lines[i])) {
      part.push_back(lines[i]);
      continue;
    }
    if (!IsBlank(part)) {
      ParsePart(file, part, static_cast<int>(first) + 1, report, documents.emplace_back());
    }
    if (i < lines.size() && !Trim(lines[i].substr(3)).empty() &&
        Trim(lines[i].substr(3)).front() != '#') {
      report.Error("SG000", Place{file, static_cast<int>(i) + 1, 4, 1}, "text behind ---", {},
                   "begin the document on the next line");
    }
    part.clear();
    first = i + 1;
  }
  return documents;
}

Place PlaceInText(const Node& node, std::size_t begin, std::size_t end,
                  const std::vector<SourceFile>& files) {
  Place place = node.place;
  const int length = static_cast<int>(std::max<std::size_t>(end > begin ? end - begin : 1, 1));
  if (node.block) {
    const std::size_t start = node.text.rfind('\n', begin == 0 ? std::string::npos : begin - 1);
    const bool first = begin == 0 || start == std::string::npos;
    const auto breaks = std::count(
        node.text.begin(),
        node.text.begin() + static_cast<std::ptrdiff_t>(std::min(begin, node.text.size())), '\n');
    place.line += 1 + static_cast<int>(breaks);
    place.column = node.indent + 1 + static_cast<int>(first ? begin : begin - start - 1);
    place.length = length;
    return place;
  }
  if (!node.quoted) {
    place.column += static_cast<int>(begin);
    place.length = length;
    return place;
  }
  // Walks over the escapes of a quoted text.
  const auto lines = Lines(files[static_cast<std::size_t>(place.file)].text);
  const std::string_view line = lines[static_cast<std::size_t>(place.line - 1)];
  const auto column = static_cast<std::size_t>(place.column - 1);
  const auto source = [&](std::size_t offset) {
    std::size_t at = column + 1;
    for (std::size_t i = 0; i < offset && at < line.size(); ++i) {
      at += line[column] == '\'' ? (line[at] == '\'' ? 2 : 1) : (line[at] == '\\' ? 2 : 1);
    }
    return at;
  };
  place.column = static_cast<int>(source(begin)) + 1;
  place.length = std::max(static_cast<int>(source(end) - source(begin)), 1);
  return place;
}

}  // namespace segue
