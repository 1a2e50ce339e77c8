// Where does a value stand in HTML?  Reads a layout's HTML as a browser would, as far as that
// question goes.
//
// In text and in quoted attributes a value can be escaped; at the start of an address it must be
// one of ours.  In scripts, style sheets, comments, tags and unquoted attributes nothing makes a
// value safe, so there it is an error at load.

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/text.h"
#include "templates/liquid.h"

namespace segue {
namespace {

constexpr std::array<std::string_view, 8> kAddressAttributes = {
    "href", "src", "action", "formaction", "background", "poster", "cite", "longdesc"};
constexpr std::array<std::string_view, 4> kForbiddenAttributes = {"style", "srcdoc", "srcset",
                                                                  "http-equiv"};
// Elements whose content is not HTML.
constexpr std::array<std::string_view, 9> kRawElements = {
    "script", "style", "iframe", "noembed", "noframes", "noscript", "template", "xmp", "plaintext"};

template <std::size_t N>
bool Contains(const std::array<std::string_view, N>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool IsLetter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool IsSpace(char c) {
  return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f';
}

char Lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

struct HtmlState {
  enum class Where : std::uint8_t {
    kText,
    kTagOpen,      // After <
    kMarkup,       // After <!
    kDeclaration,  // <!doctype …
    kComment,
    kTagName,
    kInTag,      // Between attributes.
    kAttribute,  // In its name.
    kAfterEquals,
    kQuoted,
    kUnquoted,
    kRaw  // In a script or style sheet.
  };

  Where where = Where::kText;
  bool closing = false;
  char quote = '"';
  std::string tag, attribute;
  std::string value;  // Of the attribute so far.
  std::string tail;   // The last few bytes of a comment or raw element.

  bool in_address() const {
    return where == Where::kQuoted &&
           (Contains(kAddressAttributes, attribute) || attribute.ends_with(":href"));
  }

  // Whether what follows means the same after both.
  friend bool operator==(const HtmlState& a, const HtmlState& b) {
    if (a.where == Where::kText && b.where == Where::kText) {
      return true;
    }
    // What an address begins with decides what may follow; in other attributes it does not matter.
    const bool same_value = !a.in_address() || (a.value.empty() == b.value.empty() &&
                                                HostHasEnded(a.value) == HostHasEnded(b.value));
    return a.where == b.where && a.tag == b.tag && a.attribute == b.attribute && same_value &&
           (a.where != Where::kQuoted || a.quote == b.quote);
  }
};

class HtmlReader {
 public:
  using Where = HtmlState::Where;

  // Takes one byte.  Whether it was the > of <body …>.
  bool Take(char c) {
    HtmlState& s = state;
    switch (s.where) {
      case Where::kText:
        if (c == '<') {
          s = HtmlState();
          s.where = Where::kTagOpen;
        }
        break;
      case Where::kTagOpen:
        TakeTagOpen(c);
        break;
      case Where::kMarkup:
        s.tail += c;
        if (s.tail == "--") {
          s.where = Where::kComment;
          s.tail.clear();
        } else if (s.tail != "-") {
          s.where = c == '>' ? Where::kText : Where::kDeclaration;
        }
        break;
      case Where::kDeclaration:
        s.where = c == '>' ? Where::kText : s.where;
        break;
      case Where::kComment:
        if (EndsWith("-->", c)) {
          s.where = Where::kText;
        }
        break;
      case Where::kRaw:
        if (EndsWith("</" + s.tag, c)) {
          s.where = Where::kInTag;
          s.closing = true;
        }
        break;
      case Where::kQuoted:
        if (c == s.quote) {
          s.where = Where::kInTag;
        } else {
          s.value += c;
        }
        break;
      default:
        return TakeInTag(c);
    }
    return false;
  }

  HtmlState state;

 private:
  void TakeTagOpen(char c) {
    if (c == '/') {
      state.closing = true;
    } else if (c == '!') {
      state.where = Where::kMarkup;
    } else if (c == '?') {
      state.where = Where::kDeclaration;
    } else if (IsLetter(c)) {
      state.where = Where::kTagName;
      state.tag = Lower(c);
    } else {
      state.where = c == '<' ? Where::kTagOpen : Where::kText;
    }
  }

  bool EndsWith(std::string_view end, char c) {
    state.tail += Lower(c);
    if (state.tail.size() > end.size()) {
      state.tail.erase(0, 1);
    }
    return state.tail == end;
  }

  bool TakeInTag(char c) {
    HtmlState& s = state;
    if (c == '>') {
      const bool body = s.tag == "body" && !s.closing;
      s.where = !s.closing && Contains(kRawElements, s.tag) ? Where::kRaw : Where::kText;
      s.tail.clear();
      return body;
    }
    switch (s.where) {
      case Where::kTagName:
        if (IsSpace(c) || c == '/') {
          s.where = Where::kInTag;
        } else {
          s.tag += Lower(c);
        }
        break;
      case Where::kInTag:
        if (c == '=' && !s.attribute.empty()) {
          s.where = Where::kAfterEquals;
        } else if (!IsSpace(c) && c != '/') {
          s.where = Where::kAttribute;
          s.attribute = Lower(c);
        }
        break;
      case Where::kAttribute:
        if (c == '=') {
          s.where = Where::kAfterEquals;
        } else if (IsSpace(c) || c == '/') {
          s.where = Where::kInTag;
        } else {
          s.attribute += Lower(c);
        }
        break;
      case Where::kAfterEquals:
        s.value.clear();
        if (c == '"' || c == '\'') {
          s.where = Where::kQuoted;
          s.quote = c;
        } else if (!IsSpace(c)) {
          s.where = Where::kUnquoted;
        }
        break;
      default:
        s.where = IsSpace(c) ? Where::kInTag : s.where;
    }
    return false;
  }
};

class Placer {
 public:
  Placer(const TextWithValues& text, Diagnostics& diagnostics)
      : text_(text), diagnostics_(diagnostics) {}

  void Walk(std::vector<TextNode>& nodes, bool top) {
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      switch (nodes[i].kind) {
        case TextNode::Kind::kLiteral:
          if (const std::size_t body = WalkLiteral(nodes[i]); top && body != std::string::npos) {
            SplitAfterBody(nodes, i, body);
            i += 2;
          }
          break;
        case TextNode::Kind::kValue:
          PlaceValue(nodes[i].value);
          break;
        case TextNode::Kind::kIf:
          WalkIf(nodes[i]);
          break;
        case TextNode::Kind::kPreheader:
          break;
      }
    }
  }

  void CheckEnd() {
    if (reader_.state.where != HtmlState::Where::kText) {
      Report(text_.text.empty() ? 0 : text_.text.size() - 1, 1,
             "the layout ends inside a tag, a comment or a style sheet", "close it");
    }
  }

 private:
  void Report(std::size_t begin, std::size_t length, std::string message, std::string help) {
    diagnostics_.push_back({Severity::kError, "SG025", PlaceIn(text_, begin, length),
                            std::move(message), "", std::move(help)});
  }

  // The byte after the first <body …> in it; npos without one.
  std::size_t WalkLiteral(const TextNode& node) {
    std::size_t body = std::string::npos;
    for (std::size_t i = 0; i < node.literal.size(); ++i) {
      if (reader_.Take(node.literal[i]) && !body_seen_) {
        body = i + 1;
        body_seen_ = true;
      }
    }
    return body;
  }

  static void SplitAfterBody(std::vector<TextNode>& nodes, std::size_t i, std::size_t at) {
    TextNode rest = nodes[i];
    rest.literal = rest.literal.substr(at);
    rest.begin += at;
    nodes[i].literal.resize(at);
    TextNode preheader;
    preheader.kind = TextNode::Kind::kPreheader;
    const auto after = nodes.begin() + static_cast<std::ptrdiff_t>(i) + 1;
    nodes.insert(nodes.insert(after, std::move(rest)), std::move(preheader));
  }

  void WalkIf(TextNode& node) {
    const HtmlState before = reader_.state;
    std::optional<HtmlState> after;
    bool has_else = false;
    for (TextNode::Branch& branch : node.branches) {
      reader_.state = before;
      Walk(branch.nodes, false);
      has_else = has_else || !branch.condition;
      CheckSame(node, after, reader_.state);
    }
    if (!has_else) {
      reader_.state = before;
      CheckSame(node, after, reader_.state);
    }
  }

  void CheckSame(const TextNode& node, std::optional<HtmlState>& after, const HtmlState& state) {
    if (after && !(*after == state) && node.branches[0].condition) {
      const ValueOf& asked = *node.branches[0].condition;
      Report(asked.begin, asked.end - asked.begin,
             "the branches of this if end at different places of the HTML",
             "let each branch open and close its own tags and attributes");
    }
    after = state;
  }

  void PlaceValue(ValueOf& value) {
    HtmlState& s = reader_.state;
    const auto refuse = [&](std::string_view where) {
      Report(value.begin, value.end - value.begin,
             fmt::format("{} stands {}, where nothing makes it safe", value.written, where),
             "move it into the text or into an attribute in quotes");
    };
    if (value.name == "body" && s.where != HtmlState::Where::kText) {
      refuse("outside the text");
      return;
    }
    switch (s.where) {
      case HtmlState::Where::kText:
        value.place = HtmlPlace::kText;
        return;
      case HtmlState::Where::kQuoted:
        PlaceInAttribute(value);
        s.value += s.value.empty() && value.is_link() ? kLinkHost : "x";
        return;
      case HtmlState::Where::kAfterEquals:
      case HtmlState::Where::kUnquoted:
        refuse("in an attribute without quotes");
        return;
      case HtmlState::Where::kComment:
      case HtmlState::Where::kMarkup:
      case HtmlState::Where::kDeclaration:
        refuse("in a comment or declaration");
        return;
      case HtmlState::Where::kRaw:
        refuse("in <" + s.tag + ">");
        return;
      default:
        refuse("inside a tag");
    }
  }

  void PlaceInAttribute(ValueOf& value) {
    const HtmlState& s = reader_.state;
    const auto report = [&](std::string message, std::string help) {
      Report(value.begin, value.end - value.begin, std::move(message), std::move(help));
    };
    if (s.attribute.starts_with("on") || Contains(kForbiddenAttributes, s.attribute)) {
      report(fmt::format("{} stands in the attribute {}, where nothing makes it safe",
                         value.written, s.attribute),
             "move it into the text");
      return;
    }
    const bool address =
        Contains(kAddressAttributes, s.attribute) || s.attribute.ends_with(":href");
    if (!address) {
      value.place = HtmlPlace::kAttribute;
      return;
    }
    if (Trim(s.value).empty()) {
      value.place = HtmlPlace::kAddress;
      if (!value.is_link()) {
        report(fmt::format("{} stands where an address begins", value.written),
               "begin the address with {{ links.NAME }}, or write it out");
      }
      return;
    }
    value.place = HtmlPlace::kAddressPart;
    const std::string scheme = ToLower(Trim(s.value));
    if (scheme.starts_with("javascript:") || scheme.starts_with("vbscript:") ||
        scheme.starts_with("data:")) {
      report(fmt::format("{} stands in an address that a browser runs", value.written),
             "use an https: address");
    } else if (!HostHasEnded(s.value)) {
      report(fmt::format("{} stands in the host of an address", value.written),
             "write the host out, and a / before the first value");
    }
  }

  const TextWithValues& text_;
  Diagnostics& diagnostics_;
  HtmlReader reader_;
  bool body_seen_ = false;
};

}  // namespace

void PlaceHtmlValues(CompiledText& compiled, const TextWithValues& text, Diagnostics& diagnostics) {
  Placer placer(text, diagnostics);
  placer.Walk(compiled.nodes, true);
  placer.CheckEnd();
}

}  // namespace segue
