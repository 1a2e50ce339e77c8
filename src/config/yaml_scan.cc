// The line scanner in front of yaml-cpp: it knows just enough of YAML's layout to find a slip on
// the line where it was made.  yaml-cpp would report an open quote at the end of the file, and a
// missing colon somewhere below.

#include <algorithm>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "base/text.h"
#include "config/yaml.h"

namespace segue {
namespace {

bool IsSpaceOrEnd(std::string_view line, std::size_t at) {
  return at >= line.size() || line[at] == ' ';
}

// Whether brackets and quotes are left open in a plain value: the sign that something cut it.
bool LooksCut(std::string_view value) {
  int round = 0;
  bool quote = false;
  for (char c : value) {
    quote ^= c == '\'';
    round += quote ? 0 : c == '(' ? 1 : c == ')' ? -1 : 0;
  }
  return round > 0;
}

class LineScanner {
 public:
  LineScanner(int file, const std::vector<std::string_view>& lines, int first_line, Report& report)
      : file_(file), lines_(lines), first_line_(first_line), report_(report) {}

  bool Run() {
    for (row_ = 0; row_ < lines_.size() && ok_; ++row_) {
      line_ = lines_[row_];
      const std::size_t indent = std::min(line_.find_first_not_of(' '), line_.size());
      if (in_text_ && TextLine(indent)) {
        continue;
      }
      if (indent == line_.size() || line_[indent] == '#') {
        continue;
      }
      if (!open_.empty()) {
        if (indent <= flow_indent_) {
          Unclosed();
          break;
        }
        Flow(indent);
      } else {
        BlockLine(indent);
      }
    }
    if (ok_ && !open_.empty()) {
      Unclosed();
    }
    return ok_;
  }

 private:
  struct Level {
    std::size_t column;
    bool list;
    int line;
  };

  struct Bracket {
    char c;
    int line;
    std::size_t column;
  };

  int Line() const { return first_line_ + static_cast<int>(row_); }

  void FailAt(int line, std::size_t column, std::size_t length, std::string_view code,
              std::string message, std::string help) {
    const Place place{file_, line, static_cast<int>(column) + 1,
                      static_cast<int>(std::max<std::size_t>(length, 1))};
    report_.Error(code, place, std::move(message), {}, std::move(help));
    ok_ = false;
  }

  void Fail(std::size_t column, std::size_t length, std::string message, std::string help) {
    FailAt(Line(), column, length, "SG000", std::move(message), std::move(help));
  }

  void Unclosed() {
    const Bracket& bracket = open_.back();
    FailAt(bracket.line, bracket.column, 1, "SG000",
           fmt::format("this {} is never closed", bracket.c),
           fmt::format("add {}; lines that go on inside it are indented more than line {}",
                       bracket.c == '{' ? '}' : ']', open_.front().line));
  }

  // A line of | text.  False: the text ended above, and this line is something else.
  bool TextLine(std::size_t indent) {
    if (indent == line_.size()) {
      return true;
    }
    if (indent <= text_parent_) {
      in_text_ = false;
      return false;
    }
    if (!text_indent_) {
      text_indent_ = indent;
    } else if (indent < *text_indent_) {
      Fail(0, indent, "this line of the text is indented less than the first",
           fmt::format("indent every line of a | text by {} spaces, as line {} is", *text_indent_,
                       text_line_ + 1));
    }
    return true;
  }

  // A token at `column` in a block: finds the level that it belongs to, or opens one.
  void Enter(std::size_t column, bool list) {
    const Level* popped = nullptr;
    Level last{};
    while (!levels_.empty() &&
           (levels_.back().column > column ||
            (levels_.back().column == column && levels_.back().list && !list))) {
      last = levels_.back();
      popped = &last;
      levels_.pop_back();
    }
    if (levels_.empty() && popped == nullptr) {
      levels_.push_back({column, list, Line()});
    } else if (levels_.empty()) {
      Misplaced(column, *popped, *popped);
    } else if (levels_.back().column == column && levels_.back().list == list) {
      // One more entry or key of the block that is open.
    } else if (awaiting_ && popped == nullptr && (levels_.back().column < column || list)) {
      levels_.push_back({column, list, Line()});
    } else if (levels_.back().column == column) {
      Fail(column, 1,
           fmt::format("a list entry among the keys that began on line {}", levels_.back().line),
           "indent the entry more than the key that it belongs to, or take away the dash");
    } else {
      Misplaced(column, popped != nullptr ? *popped : levels_.back(), levels_.back());
    }
    awaiting_ = false;
  }

  void Misplaced(std::size_t column, const Level& deeper, const Level& outer) {
    // `- wait 3d` with a key below it: the dash began a map, and the colon is missing.
    if (entry_.line == last_line_ && last_line_ != 0 &&
        column + 1 >= static_cast<std::size_t>(entry_.column)) {
      report_.Error("SG000", entry_, "expected `key: value`, but there is no colon", {},
                    fmt::format("line {} goes on with the keys of this entry", Line()));
      ok_ = false;
      return;
    }
    std::string fits = fmt::format("line {} begins a block with {}", outer.line, outer.column);
    if (deeper.line != outer.line) {
      fits += fmt::format(", line {} one with {}", deeper.line, deeper.column);
    }
    if (last_line_ != deeper.line && last_line_ != outer.line) {
      fits += fmt::format("; line {} has its value already", last_line_);
    }
    Fail(0, std::max<std::size_t>(column, 1),
         fmt::format("indented by {} spaces, which fits no block above: {}", column, fits),
         "keys of one block stand under each other");
  }

  void BlockLine(std::size_t indent) {
    std::size_t at = indent;
    bool dashed = false;
    flow_indent_ = indent;
    while (ok_ && line_[at] == '-' && IsSpaceOrEnd(line_, at + 1)) {
      Enter(at, true);
      awaiting_ = true;
      dashed = true;
      flow_indent_ = at;
      at = line_.find_first_not_of(' ', at + 1);
      if (at == std::string_view::npos || line_[at] == '#') {
        last_line_ = Line();
        return;
      }
    }
    if (!ok_) {
      return;
    }
    const std::size_t colon = KeyEnd(at);
    if (!ok_) {
      return;
    }
    if (colon == std::string_view::npos) {
      if (!dashed) {
        NoColon(at);
        return;
      }
      awaiting_ = false;
      entry_ = Place{file_, Line(), static_cast<int>(at) + 1,
                     static_cast<int>(Trim(line_.substr(at)).size())};
      Value(at, flow_indent_, true);
    } else {
      Enter(at, false);
      Value(colon + 1, at, false);
    }
    last_line_ = Line();
  }

  void NoColon(std::size_t at) {
    Fail(
        at, Trim(line_.substr(at)).size(), "expected `key: value`, but there is no colon",
        "a colon and a space stand between key and value; text of several lines is written with |");
  }

  // The colon that ends the key which begins at `at`; npos if it is not a key.
  std::size_t KeyEnd(std::size_t at) {
    if (line_[at] == '"' || line_[at] == '\'') {
      const std::size_t end = Quote(at);
      if (!ok_) {
        return std::string_view::npos;
      }
      const std::size_t next = line_.find_first_not_of(' ', end);
      return next != std::string_view::npos && line_[next] == ':' ? next : std::string_view::npos;
    }
    if (line_[at] == '[' || line_[at] == '{') {
      return std::string_view::npos;
    }
    for (std::size_t i = at; i < line_.size(); ++i) {
      if (line_[i] == ':' && IsSpaceOrEnd(line_, i + 1)) {
        return i;
      }
      if (line_[i] == '#' && i > at && line_[i - 1] == ' ') {
        break;
      }
      // `task {title: …}`: the colon behind the bracket belongs to another key.
      if ((line_[i] == '{' || line_[i] == '"') && i > at && line_[i - 1] == ' ') {
        break;
      }
    }
    return std::string_view::npos;
  }

  std::size_t Quote(std::size_t at) {
    const std::size_t end = QuoteEnd(line_, at);
    if (end == std::string_view::npos) {
      Fail(at, line_.size() - at, "this quote is not closed on its line",
           fmt::format("add the closing {}; text of several lines is written with |", line_[at]));
    }
    return end;
  }

  // What stands behind a key's colon or a dash.
  void Value(std::size_t from, std::size_t parent, bool entry) {
    const std::size_t at = line_.find_first_not_of(' ', from);
    if (at == std::string_view::npos || line_[at] == '#') {
      awaiting_ = true;
      return;
    }
    const char c = line_[at];
    if (c == '|' || c == '>') {
      Text(at, parent);
    } else if (c == '"' || c == '\'') {
      const std::size_t end = Quote(at);
      if (ok_) {
        NothingMore(end, "the closing quote");
      }
    } else if (c == '[' || c == '{') {
      Flow(at);
    } else {
      Plain(at, entry);
    }
  }

  void Text(std::size_t at, std::size_t parent) {
    std::string_view indicator = line_.substr(at);
    indicator = Trim(indicator.substr(0, indicator.find(" #")));
    if (indicator != "|" && indicator != "|-" && indicator != "|+") {
      Fail(at, indicator.size(),
           fmt::format("`{}` is not how a text of several lines begins", indicator),
           "write | and the text on the lines below, indented");
      return;
    }
    in_text_ = true;
    text_parent_ = parent;
    text_indent_.reset();
    text_line_ = Line();
  }

  void NothingMore(std::size_t from, std::string_view behind) {
    const std::size_t at = line_.find_first_not_of(' ', from);
    if (at != std::string_view::npos && (line_[at] != '#' || at == from)) {
      Fail(at, line_.size() - at, fmt::format("text behind {}", behind),
           "put quotes around the whole value, or begin a new line");
    }
  }

  // A plain value in a block: goes on to the end of the line or to a comment.
  void Plain(std::size_t at, bool entry) {
    if (!FirstCharacter(at)) {
      return;
    }
    for (std::size_t i = at; i < line_.size(); ++i) {
      if (line_[i] == ':' && IsSpaceOrEnd(line_, i + 1) && !entry) {
        Fail(i, 1, "a second colon in one value",
             "put quotes around the value, or write the second key on a line of its own");
        return;
      }
      if (line_[i] == '#' && i > at && line_[i - 1] == ' ') {
        if (QuotesPair(at, i)) {
          Comment(at, i);
        }
        return;
      }
    }
    QuotesPair(at, line_.size());
  }

  bool FirstCharacter(std::size_t at) {
    const char c = line_[at];
    if (c == '&' || c == '*') {
      Fail(at, 1, "anchors and aliases are not part of the language",
           "write the value out, or in quotes");
    } else if (c == '!') {
      Fail(at, 1, "tags are not part of the language", "put quotes around the value");
    } else if (c == '@' || c == '`' || c == '%' || c == ',' || c == ']' || c == '}' ||
               ((c == '?' || c == '-' || c == ':') && IsSpaceOrEnd(line_, at + 1))) {
      Fail(at, 1, fmt::format("a value cannot begin with `{}`", c), "put quotes around the value");
    }
    return ok_;
  }

  // A `#` behind a space ends a plain value.  Where no space follows it, or where the value is left
  // with an open bracket, that was not meant.
  void Comment(std::size_t value, std::size_t hash) {
    const std::string_view before = Trim(line_.substr(value, hash - value));
    if (!IsSpaceOrEnd(line_, hash + 1) || LooksCut(before)) {
      FailAt(Line(), hash, 1, "SG050", "a # behind a space begins a comment and cuts this value",
             "put quotes around the value; a comment begins with # and a space");
    }
  }

  // A plain value with an odd number of double quotes lost one of them.
  bool QuotesPair(std::size_t begin, std::size_t end) {
    const std::string_view value = line_.substr(begin, end - begin);
    if (std::count(value.begin(), value.end(), '"') % 2 != 0) {
      Fail(begin + value.rfind('"'), 1, "this quote has no partner",
           "put quotes around the whole value, or take this one away");
    }
    return ok_;
  }

  // From `at` to the end of the line, inside brackets (or at the first one).
  void Flow(std::size_t at) {
    // What stands at the end of a line needs a comma before more can follow on the next.
    const std::size_t first = std::min(line_.find_first_not_of(' ', at), line_.size());
    if (ends_line_ > 0 && std::string_view(",:]}").find(line_[first]) == std::string_view::npos) {
      FailAt(ends_line_, ends_column_, 1, "SG000", "a comma is missing at the end of this line",
             "a comma stands between the parts of a list or map");
    }
    ends_line_ = 0;
    char last = ',';
    while (ok_ && at < line_.size()) {
      const char c = line_[at];
      if (c == ' ') {
        ++at;
        continue;
      }
      if (c == '#' && (at == 0 || line_[at - 1] == ' ')) {
        break;
      }
      const std::size_t begin = at;
      const bool starts = std::string_view(",:[{").find(last) != std::string_view::npos;
      if (comma_ && (c == ',' || c == ']' || c == '}')) {
        Fail(begin, 1, fmt::format("nothing stands between the comma and {}", c),
             "write the missing part, or take the comma away");
        return;
      }
      at = FlowToken(at, starts);
      last = begin + 1 == at ? c : 'x';
      comma_ = last == ',';
      if (ok_ && open_.empty()) {
        NothingMore(at, "the closing bracket");
        return;
      }
      ends_column_ = at;
    }
    ends_line_ = std::string_view(",:[{").find(last) == std::string_view::npos ? Line() : 0;
  }

  // One bracket, sign or value; `starts`: a value may begin here.
  std::size_t FlowToken(std::size_t at, bool starts) {
    const char c = line_[at];
    if (c == '[' || c == '{') {
      if (open_.size() >= static_cast<std::size_t>(kNestingMax)) {
        Fail(at, 1, fmt::format("nested deeper than {} levels", kNestingMax), "make it flatter");
      }
      open_.push_back({c, Line(), at});
      return at + 1;
    }
    if (c == ']' || c == '}') {
      Close(at);
      return at + 1;
    }
    if (c == ',' || c == ':') {
      return at + 1;
    }
    if ((c == '"' || c == '\'') && starts) {
      const std::size_t end = Quote(at);
      return ok_ ? AfterFlowQuote(end) : at;
    }
    return FlowPlain(at);
  }

  std::size_t AfterFlowQuote(std::size_t end) {
    const std::size_t next = std::min(line_.find_first_not_of(' ', end), line_.size());
    if (next < line_.size() &&
        std::string_view(",:]}#").find(line_[next]) == std::string_view::npos) {
      Fail(next, 1, "text behind the closing quote",
           "put quotes around the whole value, or add a comma");
    }
    return next;
  }

  std::size_t FlowPlain(std::size_t at) {
    if (!FirstCharacter(at)) {
      return at;
    }
    const std::size_t begin = at;
    for (; at < line_.size(); ++at) {
      const char c = line_[at];
      if (c == ',' || c == ']' || c == '}' || (c == ':' && IsSpaceOrEnd(line_, at + 1))) {
        break;
      }
      if (c == '[' || c == '{') {
        FailAt(Line(), begin, at - begin + 1, "SG050",
               fmt::format("inside brackets, the {} cuts this value", c),
               "put quotes around this expression");
        return at;
      }
      if (c == '#' && line_[at - 1] == ' ') {
        Comment(begin, at);
        return line_.size();
      }
    }
    QuotesPair(begin, at);
    return at;
  }

  void Close(std::size_t at) {
    const char c = line_[at];
    const Bracket bracket = open_.back();
    open_.pop_back();
    if ((bracket.c == '{') == (c == '}')) {
      return;
    }
    const int here = Line();
    FailAt(bracket.line, bracket.column, 1, "SG000",
           fmt::format("this {} is closed by {} on line {}", bracket.c, c, here),
           fmt::format("add the missing {} or take away one of the two",
                       bracket.c == '{' ? '}' : ']'));
    if (bracket.line != here) {
      FailAt(here, at, 1, "SG000",
             fmt::format("this {} does not fit the {} of line {}", c, bracket.c, bracket.line),
             "add the missing bracket or take away one of the two");
    }
  }

  int file_;
  const std::vector<std::string_view>& lines_;
  int first_line_;
  Report& report_;
  bool ok_ = true;
  std::size_t row_ = 0;
  std::string_view line_;
  std::vector<Level> levels_;
  bool awaiting_ = false;  // The last key or dash has no value yet.
  int last_line_ = 0;
  Place entry_;  // The last list entry that is one value.
  std::vector<Bracket> open_;
  std::size_t flow_indent_ = 0;
  int ends_line_ =
      0;  // The line above inside brackets that ends with a value; 0 if it ends otherwise.
  std::size_t ends_column_ = 0;
  bool comma_ = false;  // The last token inside brackets is a comma.
  bool in_text_ = false;
  std::size_t text_parent_ = 0;
  std::optional<std::size_t> text_indent_;
  int text_line_ = 0;
};

}  // namespace

std::size_t QuoteEnd(std::string_view line, std::size_t begin) {
  const char quote = line[begin];
  for (std::size_t i = begin + 1; i < line.size(); ++i) {
    if (quote == '"' && line[i] == '\\') {
      ++i;
    } else if (line[i] == quote) {
      if (quote == '\'' && i + 1 < line.size() && line[i + 1] == quote) {
        ++i;
      } else {
        return i + 1;
      }
    }
  }
  return std::string_view::npos;
}

bool ScanLines(int file, const std::vector<std::string_view>& lines, int first_line,
               Report& report) {
  return LineScanner(file, lines, first_line, report).Run();
}

}  // namespace segue
