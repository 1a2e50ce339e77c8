// A paragraph's text to its pieces: emphasis, links, code.  The way of matching stars is
// CommonMark's.

#include <algorithm>
#include <array>
#include <optional>

#include "templates/markdown.h"

namespace segue {
namespace {

using Inline = MarkdownInline;
using Kind = MarkdownInline::Kind;

// Longer than any address that works; bounds the search for a closing bracket.
constexpr std::size_t kAddressBytesMax = 2000;

bool IsPunctuation(char c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
         (c >= '{' && c <= '~');
}

bool IsSpace(char c) {
  return c == ' ' || c == '\n' || c == '\t';
}

class InlineParser {
 public:
  explicit InlineParser(std::string_view text) : text_(text) {}

  std::vector<Inline> Parse() {
    while (at_ < text_.size()) {
      Take();
    }
    MatchStars(0);
    return std::move(out_);
  }

 private:
  void Take() {
    const char c = text_[at_];
    if (c == '\\') {
      TakeBackslash();
    } else if (c == '\n') {
      TakeLineEnd();
    } else if (c == '`') {
      TakeCode();
    } else if (c == '*' || c == '_') {
      TakeStars();
    } else if (c == '[') {
      brackets_.push_back({out_.size(), stars_.size()});
      Add(Kind::kText, "[");
      fresh_ = true;
      at_ += 1;
    } else if (c == ']') {
      TakeClosingBracket();
    } else if (c == '<' && TakeAutolink()) {
      return;
    } else {
      AddText(text_.substr(at_, 1));
      at_ += 1;
    }
  }

  void Add(Kind kind, std::string_view text = "") {
    Inline piece;
    piece.kind = kind;
    piece.text = text;
    out_.push_back(std::move(piece));
    fresh_ = kind != Kind::kText;
  }

  void AddText(std::string_view text) {
    if (out_.empty() || fresh_ || out_.back().kind != Kind::kText) {
      Add(Kind::kText);
    }
    out_.back().text += text;
  }

  void TakeBackslash() {
    const char next = at_ + 1 < text_.size() ? text_[at_ + 1] : ' ';
    if (next == '\n') {
      Add(Kind::kBreak);
      at_ += 2;
    } else if (IsPunctuation(next)) {
      AddText(text_.substr(at_ + 1, 1));
      at_ += 2;
    } else {
      AddText("\\");
      at_ += 1;
    }
  }

  // Two spaces at the end of a line are a break that was meant.
  void TakeLineEnd() {
    bool hard = false;
    if (!out_.empty() && out_.back().kind == Kind::kText) {
      std::string& before = out_.back().text;
      const std::size_t end = before.find_last_not_of(' ') + 1;
      hard = before.size() - end >= 2;
      before.erase(end);
    }
    Add(hard ? Kind::kBreak : Kind::kSoftBreak);
    at_ += 1;
  }

  void TakeCode() {
    const std::size_t length = std::min(text_.find_first_not_of('`', at_), text_.size()) - at_;
    const std::size_t begin = at_ + length;
    for (std::size_t close = text_.find('`', begin); close != std::string_view::npos;) {
      const std::size_t end = std::min(text_.find_first_not_of('`', close), text_.size());
      if (end - close == length) {
        std::string code(text_.substr(begin, close - begin));
        std::replace(code.begin(), code.end(), '\n', ' ');
        if (code.size() > 2 && code.front() == ' ' && code.back() == ' ' &&
            code.find_first_not_of(' ') != std::string::npos) {
          code = code.substr(1, code.size() - 2);
        }
        Add(Kind::kCode, code);
        at_ = end;
        return;
      }
      close = text_.find('`', end);
    }
    AddText(text_.substr(at_, length));
    at_ = begin;
  }

  void TakeStars() {
    const char star = text_[at_];
    const std::size_t end = std::min(text_.find_first_not_of(star, at_), text_.size());
    const char before = at_ == 0 ? ' ' : text_[at_ - 1];
    const char after = end == text_.size() ? ' ' : text_[end];
    const bool left =
        !IsSpace(after) && (!IsPunctuation(after) || IsSpace(before) || IsPunctuation(before));
    const bool right =
        !IsSpace(before) && (!IsPunctuation(before) || IsSpace(after) || IsPunctuation(after));
    Add(Kind::kStars);
    Inline& piece = out_.back();
    piece.star = star;
    piece.count = piece.length = static_cast<int>(end - at_);
    // snake_case_words stay as they are.
    piece.can_open = left && (star == '*' || !right || IsPunctuation(before));
    piece.can_close = right && (star == '*' || !left || IsPunctuation(after));
    stars_.push_back(out_.size() - 1);
    at_ = end;
  }

  // Reads "(address)" or "(<address> "title")" at `from`.  Returns the byte after it, and the
  // address.
  std::optional<std::pair<std::size_t, std::string>> ReadAddress(std::size_t from) const {
    const std::string_view rest = text_.substr(from, kAddressBytesMax);
    std::size_t i = 1;
    const auto skip_spaces = [&] {
      while (i < rest.size() && IsSpace(rest[i])) {
        ++i;
      }
    };
    skip_spaces();
    std::string address;
    const bool pointed = i < rest.size() && rest[i] == '<';
    i += pointed ? 1 : 0;
    int open = 0;
    for (; i < rest.size(); ++i) {
      const char c = rest[i];
      if (pointed ? c == '>' || c == '\n' : IsSpace(c) || (c == ')' && open == 0)) {
        break;
      }
      open += c == '(' ? 1 : c == ')' ? -1 : 0;
      i += c == '\\' && i + 1 < rest.size() && IsPunctuation(rest[i + 1]) ? 1 : 0;
      address += rest[i];
    }
    if (pointed) {
      if (i == rest.size() || rest[i] != '>') {
        return std::nullopt;
      }
      ++i;
    }
    skip_spaces();
    if (i < rest.size() && rest[i] == '"') {
      i = std::min(rest.find('"', i + 1), rest.size() - 1) + 1;  // The title is not shown.
      skip_spaces();
    }
    if (i >= rest.size() || rest[i] != ')') {
      return std::nullopt;
    }
    return std::pair(from + i + 1, address);
  }

  void TakeClosingBracket() {
    if (!brackets_.empty() && at_ + 1 < text_.size() && text_[at_ + 1] == '(') {
      if (auto address = ReadAddress(at_ + 1)) {
        const Bracket bracket = brackets_.back();
        out_[bracket.piece].kind = Kind::kLinkOpen;
        out_[bracket.piece].text = std::move(address->second);
        MatchStars(bracket.stars);
        Add(Kind::kLinkClose);
        brackets_.clear();  // A link holds no link.
        at_ = address->first;
        return;
      }
    }
    if (!brackets_.empty()) {
      brackets_.pop_back();
    }
    AddText("]");
    at_ += 1;
  }

  // <https://example.org>
  bool TakeAutolink() {
    const std::string_view rest = text_.substr(at_ + 1, kAddressBytesMax);
    if (!rest.starts_with("https://") && !rest.starts_with("http://") &&
        !rest.starts_with("mailto:")) {
      return false;
    }
    const std::size_t end = rest.find_first_of("<> \n");
    if (end == std::string_view::npos || rest[end] != '>') {
      return false;
    }
    const std::string_view address = rest.substr(0, end);
    Add(Kind::kLinkOpen, address);
    AddText(address.starts_with("mailto:") ? address.substr(7) : address);
    Add(Kind::kLinkClose);
    at_ += end + 2;
    return true;
  }

  // Pairs the runs of stars from stars_[bottom] on, and forgets them.
  void MatchStars(std::size_t bottom) {
    // Below this nothing can be opened for such a closer any more: keeps the search linear.
    std::array<std::size_t, 12> floor{};
    floor.fill(bottom);
    for (std::size_t c = bottom; c < stars_.size();) {
      Inline& closer = out_[stars_[c]];
      if (!closer.can_close || closer.count == 0) {
        ++c;
        continue;
      }
      const auto kind = static_cast<std::size_t>((closer.star == '*' ? 0 : 6) +
                                                 (closer.can_open ? 3 : 0) + closer.length % 3);
      std::size_t o = c;
      while (o > floor[kind] && !Fit(out_[stars_[o - 1]], closer)) {
        --o;
      }
      if (o == floor[kind]) {
        floor[kind] = c;
        ++c;
        continue;
      }
      Inline& opener = out_[stars_[o - 1]];
      const bool strong = opener.count >= 2 && closer.count >= 2;
      opener.opens.insert(opener.opens.begin(), strong ? 's' : 'e');
      closer.closes += strong ? 's' : 'e';
      opener.count -= strong ? 2 : 1;
      closer.count -= strong ? 2 : 1;
      // What stands between the two can no longer reach out of them.
      stars_.erase(stars_.begin() + static_cast<std::ptrdiff_t>(o),
                   stars_.begin() + static_cast<std::ptrdiff_t>(c));
      c = o;
      for (std::size_t& value : floor) {
        value = std::min(value, c);
      }
    }
    stars_.resize(bottom);
  }

  static bool Fit(const Inline& opener, const Inline& closer) {
    if (opener.star != closer.star || !opener.can_open || opener.count == 0) {
      return false;
    }
    const bool both_ways = opener.can_close || closer.can_open;
    return !both_ways || (opener.length + closer.length) % 3 != 0 ||
           (opener.length % 3 == 0 && closer.length % 3 == 0);
  }

  struct Bracket {
    std::size_t piece;  // In out_.
    std::size_t stars;  // How many runs of stars stood before it.
  };

  std::string_view text_;
  std::size_t at_ = 0;
  bool fresh_ = false;  // The last piece of text is closed: it may become something else.
  std::vector<Inline> out_;
  std::vector<std::size_t> stars_;  // Pieces of kind kStars that are not settled yet.
  std::vector<Bracket> brackets_;
};

}  // namespace

std::vector<MarkdownInline> ParseInlines(std::string_view text) {
  return InlineParser(text).Parse();
}

}  // namespace segue
