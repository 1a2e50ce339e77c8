// Walks over the tokens that matter: quotes, comments, brackets, semicolons, `:since`.

#include "config/sql_text.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"

namespace segue {
namespace {

constexpr std::string_view kSince = ":since";

bool IsSqlWordByte(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
         (byte >= '0' && byte <= '9') || byte == '_' || byte >= 0x80;
}

class QueryScanner {
 public:
  explicit QueryScanner(std::string_view text) : text_(text) {}

  Result<std::vector<std::string>> Split() {
    while (at_ < text_.size()) {
      const std::size_t before = at_;
      if (!Space()) {
        return Error("the query has a comment that is not closed");
      }
      if (at_ != before) {
        continue;
      }
      if (std::optional<Error> error = Token()) {
        return *error;
      }
    }
    if (first_word_.empty()) {
      return Error("the query is empty");
    }
    if (first_word_ != "select" && first_word_ != "with") {
      return Error(fmt::format("the query begins with {:?}, and only a SELECT is run",
                               first_word_.substr(0, 30)));
    }
    if (depth_ != 0) {
      return Error("the query has a bracket that is not closed");
    }
    parts_.emplace_back(text_.substr(part_, (ended_ ? end_ : text_.size()) - part_));
    return std::move(parts_);
  }

 private:
  std::string_view rest() const { return text_.substr(at_); }

  // Skips one white space or comment, if there is one.  False: a comment is not closed.
  bool Space() {
    if (std::string_view(" \t\r\n\f\v").find(text_[at_]) != std::string_view::npos) {
      ++at_;
      return true;
    }
    if (rest().starts_with("--")) {
      at_ = std::min(text_.find('\n', at_), text_.size());
      return true;
    }
    if (!rest().starts_with("/*")) {
      return true;
    }
    int nested = 0;  // PostgreSQL's comments nest.
    for (std::size_t i = at_; i + 1 < text_.size(); ++i) {
      const std::string_view two = text_.substr(i, 2);
      nested += two == "/*" ? 1 : two == "*/" ? -1 : 0;
      if (two == "/*" || two == "*/") {
        ++i;
      }
      if (nested == 0) {
        at_ = i + 1;
        return true;
      }
    }
    return false;
  }

  std::optional<Error> Token() {
    if (ended_) {
      return Error("the query has more than one statement");
    }
    const char c = text_[at_];
    if (c == '\0') {
      return Error("the query has a zero byte");
    }
    if (c == '\'' || c == '"') {
      return Quoted(c, false);
    }
    if (c == '$') {
      return Dollar();
    }
    if (IsSqlWordByte(c)) {
      return Word();
    }
    if (c == ':') {
      Colon();
      return std::nullopt;
    }
    if (c == ';') {
      ended_ = true;
      end_ = at_;
    }
    depth_ += c == '(' ? 1 : c == ')' ? -1 : 0;
    if (depth_ < 0) {
      return Error("the query closes a bracket that it did not open");
    }
    ++at_;
    return std::nullopt;
  }

  std::optional<Error> Word() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && (IsSqlWordByte(text_[at_]) || text_[at_] == '$')) {
      ++at_;
    }
    const std::string_view word = text_.substr(begin, at_ - begin);
    if (first_word_.empty()) {
      first_word_ = ToLower(word);
    }
    if ((word == "e" || word == "E") && rest().starts_with('\'')) {
      return Quoted('\'', true);
    }
    return std::nullopt;
  }

  std::optional<Error> Quoted(char quote, bool escapes) {
    for (++at_; at_ < text_.size(); ++at_) {
      if (escapes && text_[at_] == '\\') {
        ++at_;
      } else if (text_[at_] == quote && text_.substr(at_ + 1, 1) == text_.substr(at_, 1)) {
        ++at_;  // Doubled: a quote within the text.
      } else if (text_[at_] == quote) {
        ++at_;
        return std::nullopt;
      }
    }
    return Error("the query has a quote that is not closed");
  }

  // $$text$$ and $tag$text$tag$; a parameter such as $1 is refused.
  std::optional<Error> Dollar() {
    std::size_t end = at_ + 1;
    while (end < text_.size() && IsSqlWordByte(text_[end])) {
      ++end;
    }
    if (end >= text_.size() || text_[end] != '$') {
      return Error("the query has a parameter with $; only :since is given");
    }
    const std::string_view tag = text_.substr(at_, end + 1 - at_);
    const std::size_t close = text_.find(tag, end + 1);
    if (close == std::string_view::npos) {
      return Error("the query has a quote that is not closed");
    }
    at_ = close + tag.size();
    return std::nullopt;
  }

  void Colon() {
    if (rest().starts_with("::")) {
      at_ += 2;
      return;
    }
    const std::size_t behind = at_ + kSince.size();
    if (rest().starts_with(kSince) && (behind >= text_.size() || !IsSqlWordByte(text_[behind]))) {
      parts_.emplace_back(text_.substr(part_, at_ - part_));
      part_ = at_ = behind;
      return;
    }
    ++at_;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t part_ = 0;  // Where the current part begins.
  std::size_t end_ = 0;
  bool ended_ = false;  // A semicolon was seen, at end_.
  int depth_ = 0;
  std::string first_word_;
  std::vector<std::string> parts_;
};

}  // namespace

Result<std::vector<std::string>> SplitQuery(std::string_view text) {
  if (text.size() > kQueryBytesMax) {
    return Error(fmt::format("the query is longer than {} KB", kQueryBytesMax / 1024));
  }
  if (!IsUtf8(text)) {
    return Error("the query is not UTF-8 text");
  }
  return QueryScanner(text).Split();
}

}  // namespace segue
