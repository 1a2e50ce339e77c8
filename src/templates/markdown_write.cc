// Blocks to HTML and to plain text, with the values put in: each escaped for the place where it
// stands.

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/text.h"
#include "templates/markdown.h"
#include "templates/template.h"

namespace segue {
namespace {

using Block = MarkdownBlock;
using Inline = MarkdownInline;
using Values = std::span<const MarkedValue>;

// Mail programs drop style sheets at will, so what must look like a button says so itself.
constexpr std::string_view kButtonStyle =
    "display:inline-block;padding:12px "
    "20px;border-radius:6px;background-color:#1f5fbf;color:#ffffff;"
    "font-weight:600;text-decoration:none;word-break:break-word";

// Characters of an address that a button shows.
constexpr std::size_t kShownAddressMax = 56;

// Calls `literal` for the text between the marks and `value` for each mark, in order.
template <typename Literal, typename Mark>
void WalkMarks(std::string_view text, Values values, const Literal& literal, const Mark& value) {
  while (!text.empty()) {
    const std::size_t mark = text.find(kMarkBegin);
    if (mark != 0) {
      literal(text.substr(0, mark));
    }
    if (mark == std::string_view::npos) {
      return;
    }
    std::size_t index = 0;
    std::size_t i = mark + 1;
    for (; i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i) {
      index = std::min<std::size_t>(index * 10 + static_cast<std::size_t>(text[i] - '0'),
                                    values.size());
    }
    if (index < values.size() && i < text.size() && text[i] == kMarkEnd) {
      value(values[index]);
    }
    text.remove_prefix(std::min(i + 1, text.size()));
  }
}

std::string Filled(std::string_view text, Values values) {
  std::string out;
  WalkMarks(
      text, values, [&](std::string_view literal) { out += literal; },
      [&](const MarkedValue& value) { out += value.text; });
  return out;
}

// Where the address leads: without the scheme and the query, which nobody reads, and not longer
// than a line.
std::string ShownAddress(std::string_view address) {
  for (const std::string_view scheme : {"https://", "http://", "mailto:"}) {
    if (address.starts_with(scheme)) {
      address.remove_prefix(scheme.size());
    }
  }
  address = address.substr(0, address.find_first_of("?#"));
  if (address.size() <= kShownAddressMax) {
    return std::string(address);
  }
  std::size_t end = kShownAddressMax - 1;
  while (end > 0 && (static_cast<unsigned char>(address[end]) & 0xc0) == 0x80) {
    --end;
  }
  return std::string(address.substr(0, end)) + "…";
}

std::string Anchor(std::string_view address, std::string_view inner_html, bool button) {
  return button ? fmt::format("<a class=\"button\" href=\"{}\" style=\"{}\">{}</a>",
                              HtmlEscape(address), kButtonStyle, inner_html)
                : fmt::format("<a href=\"{}\">{}</a>", HtmlEscape(address), inner_html);
}

bool IsLinkMark(std::string_view text, Values values) {
  bool link = false;
  int pieces = 0;
  WalkMarks(
      text, values, [&](std::string_view) { pieces += 2; },
      [&](const MarkedValue& value) {
        link = value.is_link;
        pieces += 1;
      });
  return link && pieces == 1;
}

class HtmlWriter {
 public:
  explicit HtmlWriter(Values values) : values_(values) {}

  std::string Write(std::span<const Block> blocks) {
    for (const Block& block : blocks) {
      WriteBlock(block, false);
    }
    return std::move(out_);
  }

 private:
  void WriteBlock(const Block& block, bool in_tight_list) {
    switch (block.kind) {
      case Block::Kind::kParagraph:
        WriteParagraph(block, in_tight_list);
        break;
      case Block::Kind::kHeading:
        out_ += fmt::format("<h{}>", block.level);
        WriteInlines(ParseInlines(block.text), false);
        out_ += fmt::format("</h{}>\n", block.level);
        break;
      case Block::Kind::kList:
        WriteList(block);
        break;
      case Block::Kind::kItem:
        break;
      case Block::Kind::kQuote:
        out_ += "<blockquote>\n";
        for (const Block& inner : block.blocks) {
          WriteBlock(inner, false);
        }
        out_ += "</blockquote>\n";
        break;
      case Block::Kind::kCode:
        out_ += "<pre><code>";
        WriteLiteral(block.text);
        out_ += "</code></pre>\n";
        break;
      case Block::Kind::kRule:
        out_ += "<hr>\n";
        break;
    }
  }

  void WriteList(const Block& list) {
    const std::string tag = list.ordered ? "ol" : "ul";
    out_ += list.ordered && list.level != 1 ? fmt::format("<ol start=\"{}\">\n", list.level)
                                            : "<" + tag + ">\n";
    for (const Block& item : list.blocks) {
      out_ += "<li>";
      for (const Block& inner : item.blocks) {
        WriteBlock(inner, list.tight);
      }
      out_ += "</li>\n";
    }
    out_ += "</" + tag + ">\n";
  }

  void WriteParagraph(const Block& block, bool bare) {
    std::vector<Inline> pieces = ParseInlines(block.text);
    if (bare) {
      WriteInlines(pieces, false);
      return;
    }
    std::string button = TakeButton(pieces);
    if (!pieces.empty()) {
      out_ += "<p>";
      WriteInlines(pieces, false);
      out_ += "</p>\n";
    }
    if (!button.empty()) {
      out_ += "<p>" + button + "</p>\n";
    }
  }

  // A paragraph that is one link, or ends in a bare address, asks for a click: that link becomes a
  // button of its own.
  std::string TakeButton(std::vector<Inline>& pieces) const {
    using Kind = Inline::Kind;
    if (pieces.size() >= 2 && pieces.front().kind == Kind::kLinkOpen &&
        pieces.back().kind == Kind::kLinkClose && IsLinkMark(pieces.front().text, values_)) {
      const std::string address = LinkAddress(pieces.front().text, values_);
      const auto is_open = [](const Inline& piece) { return piece.kind == Kind::kLinkOpen; };
      if (!address.empty() && std::count_if(pieces.begin(), pieces.end(), is_open) == 1) {
        HtmlWriter inner(values_);
        inner.WriteInlines(std::span(pieces).subspan(1, pieces.size() - 2), true);
        pieces.clear();
        return Anchor(address, inner.out_, true);
      }
    }
    if (pieces.empty() || pieces.back().kind != Kind::kText) {
      return "";
    }
    std::string& text = pieces.back().text;
    const std::size_t mark = text.rfind(kMarkBegin);
    if (mark == std::string::npos || !IsLinkMark(std::string_view(text).substr(mark), values_)) {
      return "";
    }
    // Two addresses side by side stay in the text.
    const std::string_view before = std::string_view(text).substr(0, mark);
    const bool first = before.empty() || before.back() == ' ' || before.back() == '\n';
    const bool lone = !HasLinkMark(before);
    if (!first || !lone) {
      return "";
    }
    const std::string address = LinkAddress(std::string_view(text).substr(mark), values_);
    if (address.empty()) {
      return "";
    }
    text.erase(text.find_last_not_of(' ', mark == 0 ? 0 : mark - 1) + 1);
    if (mark == 0) {
      text.clear();
    }
    while (!pieces.empty() &&
           ((pieces.back().kind == Kind::kText && pieces.back().text.empty()) ||
            pieces.back().kind == Kind::kSoftBreak || pieces.back().kind == Kind::kBreak)) {
      pieces.pop_back();
    }
    return Anchor(address, HtmlEscape(ShownAddress(address)), true);
  }

  bool HasLinkMark(std::string_view text) const {
    bool link = false;
    WalkMarks(
        text, values_, [](std::string_view) {},
        [&](const MarkedValue& value) { link = link || value.is_link; });
    return link;
  }

  void WriteInlines(std::span<const Inline> pieces, bool in_link) {
    bool open =
        false;  // Whether an <a> of ours is open: a link without a good address is only its text.
    for (const Inline& piece : pieces) {
      switch (piece.kind) {
        case Inline::Kind::kText:
          WriteWords(piece.text, in_link || open);
          break;
        case Inline::Kind::kCode:
          out_ += "<code>";
          WriteLiteral(piece.text);
          out_ += "</code>";
          break;
        case Inline::Kind::kStars:
          WriteTags(piece.closes, "</");
          out_.append(static_cast<std::size_t>(piece.count), piece.star);
          WriteTags(piece.opens, "<");
          break;
        case Inline::Kind::kLinkOpen:
          if (const std::string address = LinkAddress(piece.text, values_); !address.empty()) {
            out_ += "<a href=\"" + HtmlEscape(address) + "\">";
            open = true;
          }
          break;
        case Inline::Kind::kLinkClose:
          out_ += open ? "</a>" : "";
          open = false;
          break;
        case Inline::Kind::kBreak:
          out_ += "<br>\n";
          break;
        case Inline::Kind::kSoftBreak:
          out_ += "\n";
          break;
      }
    }
  }

  void WriteTags(std::string_view tags, std::string_view before) {
    for (const char tag : tags) {
      out_ += fmt::format("{}{}>", before, tag == 's' ? "strong" : "em");
    }
  }

  // Text in which a bare address becomes a link.
  void WriteWords(std::string_view text, bool in_link) {
    WalkMarks(
        text, values_, [&](std::string_view literal) { out_ += HtmlEscape(literal); },
        [&](const MarkedValue& value) {
          const bool follow = value.is_link && !in_link;
          out_ += follow ? Anchor(value.text, HtmlEscape(ShownAddress(value.text)), false)
                         : HtmlEscape(value.text);
        });
  }

  void WriteLiteral(std::string_view text) { out_ += HtmlEscape(Filled(text, values_)); }

  Values values_;
  std::string out_;
};

class TextWriter {
 public:
  explicit TextWriter(Values values) : values_(values) {}

  // Blocks with an empty line between them, or none in a tight list.
  std::string Write(std::span<const Block> blocks, bool tight) const {
    std::string out;
    for (const Block& block : blocks) {
      out += out.empty() ? "" : tight ? "\n" : "\n\n";
      out += WriteBlock(block);
    }
    return out;
  }

 private:
  std::string WriteBlock(const Block& block) const {
    switch (block.kind) {
      case Block::Kind::kParagraph:
        return WriteInlines(block.text);
      case Block::Kind::kHeading: {
        const std::string title = WriteInlines(block.text);
        const char line = block.level == 1 ? '=' : '-';
        return block.level > 2
                   ? title
                   : title + "\n" +
                         std::string(std::min<std::size_t>(DisplayWidth(title), 72), line);
      }
      case Block::Kind::kList:
        return WriteList(block);
      case Block::Kind::kItem:
        return "";
      case Block::Kind::kQuote:
        return Prefixed(Write(block.blocks, false), "> ", "> ");
      case Block::Kind::kCode: {
        std::string code = Filled(block.text, values_);
        code.erase(code.find_last_not_of('\n') + 1);
        return Prefixed(code, "    ", "    ");
      }
      case Block::Kind::kRule:
        return "----------";
    }
    return "";
  }

  std::string WriteList(const Block& list) const {
    std::string out;
    int number = list.level;
    for (const Block& item : list.blocks) {
      const std::string marker = list.ordered ? fmt::format("{}. ", number++) : "- ";
      out += out.empty() ? "" : list.tight ? "\n" : "\n\n";
      out += Prefixed(Write(item.blocks, list.tight), marker, std::string(marker.size(), ' '));
    }
    return out;
  }

  static std::string Prefixed(std::string_view text, std::string_view first,
                              std::string_view others) {
    std::string out;
    for (const std::string_view line : Split(text, '\n')) {
      const std::string_view prefix = out.empty() ? first : others;
      out += out.empty() ? "" : "\n";
      out += line.empty() ? prefix.substr(0, prefix.find_last_not_of(' ') + 1)
                          : std::string(prefix).append(line);
    }
    return out;
  }

  std::string WriteInlines(std::string_view text) const {
    std::string out;
    std::string address;
    std::size_t link_begin = 0;
    for (const Inline& piece : ParseInlines(text)) {
      switch (piece.kind) {
        case Inline::Kind::kText:
        case Inline::Kind::kCode:
          out += Filled(piece.text, values_);
          break;
        case Inline::Kind::kStars:
          out.append(static_cast<std::size_t>(piece.count), piece.star);
          break;
        case Inline::Kind::kLinkOpen:
          address = LinkAddress(piece.text, values_);
          link_begin = out.size();
          break;
        case Inline::Kind::kLinkClose:
          WriteAddress(out, link_begin, address);
          break;
        case Inline::Kind::kBreak:
          out += "\n";
          break;
        case Inline::Kind::kSoftBreak:
          out += " ";
          break;
      }
    }
    return out;
  }

  // "text (address)", and only the address where the text says no more than it.
  static void WriteAddress(std::string& out, std::size_t link_begin, const std::string& address) {
    const std::string label = out.substr(link_begin);
    if (address.empty() || label == address || "mailto:" + label == address) {
      return;
    }
    out += label.empty() ? address : fmt::format(" ({})", address);
  }

  Values values_;
};

}  // namespace

std::string Mark(std::size_t index) {
  return fmt::format("{}{}{}", kMarkBegin, index, kMarkEnd);
}

std::string LinkAddress(std::string_view written, std::span<const MarkedValue> values) {
  std::string address;
  WalkMarks(
      written, values,
      [&](std::string_view literal) {
        for (const char c : literal) {
          // Spaces and control characters would let an address say one thing and mean another.
          address += c > ' ' && c < 0x7f ? std::string(1, c)
                                         : fmt::format("%{:02X}", static_cast<unsigned char>(c));
        }
      },
      [&](const MarkedValue& value) {
        address += value.is_link && address.empty() ? value.text : UrlEncode(value.text);
      });
  constexpr std::array<std::string_view, 4> kSchemes = {"https", "http", "mailto", "tel"};
  const std::size_t end = address.find_first_of(":/?#");
  if (end == std::string::npos || address[end] != ':') {
    return address;
  }
  const std::string scheme = ToLower(std::string_view(address).substr(0, end));
  return std::find(kSchemes.begin(), kSchemes.end(), scheme) != kSchemes.end() ? address : "";
}

std::string WriteHtml(std::span<const MarkdownBlock> blocks, std::span<const MarkedValue> values) {
  return HtmlWriter(values).Write(blocks);
}

std::string WriteText(std::span<const MarkdownBlock> blocks, std::span<const MarkedValue> values) {
  return TextWriter(values).Write(blocks, false);
}

std::string MarkdownToHtml(std::string_view markdown) {
  return WriteHtml(ParseMarkdown(markdown), {});
}

std::string MarkdownToText(std::string_view markdown) {
  return WriteText(ParseMarkdown(markdown), {});
}

}  // namespace segue
