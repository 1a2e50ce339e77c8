// Texts to trees: finds the values and tags, compiles their expressions, and reports everything
// that is wrong at its place.

#include "templates/liquid.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/text.h"
#include "templates/markdown.h"

namespace segue {
namespace {

struct Token {
  enum class Kind : std::uint8_t { kLiteral, kValue, kTag };

  Kind kind = Kind::kLiteral;
  std::size_t begin = 0;  // Of the whole token, with its braces.
  std::size_t end = 0;
  std::size_t inner_begin = 0;  // Between the braces.
  std::size_t inner_end = 0;
};

bool IsWordChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// Whether the text is a word, or words joined by points.
bool IsName(std::string_view text) {
  const std::vector<std::string_view> parts = Split(text, '.');
  return !text.empty() && std::all_of(parts.begin(), parts.end(), [](std::string_view part) {
    return !part.empty() && (part[0] < '0' || part[0] > '9') &&
           std::all_of(part.begin(), part.end(), IsWordChar);
  });
}

// The first `sign` outside quotes at or after `from`; npos if there is none.
std::size_t FindOutsideQuotes(std::string_view text, std::string_view sign, std::size_t from) {
  char quote = 0;
  for (std::size_t i = from; i < text.size(); ++i) {
    if (quote != 0) {
      quote = text[i] == quote ? '\0' : quote;
    } else if (text.substr(i).starts_with(sign)) {
      return i;
    } else if (text[i] == '\'' || text[i] == '"') {
      quote = text[i];
    }
  }
  return std::string_view::npos;
}

// What exists() asks for, alone or joined by `and`: where that holds, these need no default.
void CollectGuards(const Expr& expr, std::vector<std::string>& names) {
  if (expr.op == Op::kExists && !expr.args.empty() && expr.args[0].op == Op::kLeaf) {
    names.push_back(expr.args[0].leaf.name);
  }
  if (expr.op == Op::kAnd) {
    for (const Expr& arg : expr.args) {
      CollectGuards(arg, names);
    }
  }
}

}  // namespace

// Parses one text.
class TextParser {
 public:
  TextParser(TextCompiler& compiler, const TextWithValues& text, TextKind kind)
      : compiler_(compiler),
        workspace_(compiler.workspace_),
        source_(text),
        text_(text.text),
        kind_(kind),
        guarded_(compiler.assumed_) {}

  CompiledText Parse() {
    CompiledText compiled;
    if (text_.size() > kTextBytesMax) {
      Report(0, 1, "SG000", fmt::format("the text is longer than {} kB", kTextBytesMax / 1024), "",
             "shorten it");
      return compiled;
    }
    for (std::size_t i = 0; i < text_.size(); ++i) {
      const char c = text_[i];
      if ((c >= 0 && c < ' ' && c != '\n' && c != '\t' && c != '\r') || c == 0x7f) {
        Report(i, 1, "SG000", "a control character stands in the text", "", "take it out");
        return compiled;
      }
    }
    if (Tokenize()) {
      TrimLonelyTags();
      compiled.nodes = ParseNodes(0);
      if (next_ < tokens_.size()) {
        const Token& token = tokens_[next_];
        Report(token.begin, token.end - token.begin, "SG000",
               fmt::format("{{% {} %}} without an if before it", Inner(token)), "", "take it out");
      }
    }
    return compiled;
  }

 private:
  void Report(std::size_t begin, std::size_t length, std::string code, std::string message,
              std::string note, std::string help, Severity severity = Severity::kError) {
    Diagnostic diagnostic;
    diagnostic.severity = severity;
    diagnostic.code = std::move(code);
    diagnostic.place = PlaceIn(source_, begin, length);
    diagnostic.message = std::move(message);
    diagnostic.note = std::move(note);
    diagnostic.help = std::move(help);
    compiler_.diagnostics_.push_back(std::move(diagnostic));
  }

  void ReportUnbuilt(const ValueOf& value, std::string message, std::string help) {
    Report(value.begin, value.end - value.begin, "SG099", std::move(message), "", std::move(help),
           compiler_.tolerate_unbuilt_ ? Severity::kWarning : Severity::kError);
  }

  std::string_view Inner(const Token& token) const {
    return Trim(text_.substr(token.inner_begin, token.inner_end - token.inner_begin));
  }

  bool Tokenize() {
    std::size_t at = 0;
    while (at < text_.size()) {
      const std::size_t value = text_.find("{{", at);
      const std::size_t tag = text_.find("{%", at);
      const std::size_t open = std::min(value, tag);
      if (open > at) {
        const std::size_t end = std::min(open, text_.size());
        tokens_.push_back({Token::Kind::kLiteral, at, end, at, end});
      }
      if (open == std::string_view::npos) {
        break;
      }
      const bool is_tag = tag < value;
      const std::size_t close = FindOutsideQuotes(text_, is_tag ? "%}" : "}}", open + 2);
      if (close == std::string_view::npos) {
        Report(open, 2, "SG000", is_tag ? "{% is not closed" : "{{ is not closed", "",
               is_tag ? "write %} where the tag ends" : "write }} where the value ends");
        return false;
      }
      tokens_.push_back(
          {is_tag ? Token::Kind::kTag : Token::Kind::kValue, open, close + 2, open + 2, close});
      at = close + 2;
    }
    return true;
  }

  // A line that holds only a tag is no line of the text: lists and paragraphs go on across it.
  void TrimLonelyTags() {
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      if (tokens_[i].kind != Token::Kind::kTag) {
        continue;
      }
      const std::size_t line_begin = text_.rfind('\n', tokens_[i].begin) + 1;  // npos + 1 is 0.
      const std::size_t line_end = std::min(text_.find('\n', tokens_[i].end), text_.size());
      const bool lonely = Trim(text_.substr(line_begin, tokens_[i].begin - line_begin)).empty() &&
                          Trim(text_.substr(tokens_[i].end, line_end - tokens_[i].end)).empty() &&
                          line_end < text_.size();
      if (!lonely) {
        continue;
      }
      if (i > 0 && tokens_[i - 1].kind == Token::Kind::kLiteral) {
        tokens_[i - 1].end =
            std::max(std::min(tokens_[i - 1].end, line_begin), tokens_[i - 1].begin);
      }
      if (i + 1 < tokens_.size() && tokens_[i + 1].kind == Token::Kind::kLiteral) {
        tokens_[i + 1].begin = line_end + 1;
      }
    }
  }

  std::vector<TextNode> ParseNodes(int depth) {
    std::vector<TextNode> nodes;
    while (next_ < tokens_.size()) {
      const Token& token = tokens_[next_];
      TextNode node;
      if (token.kind == Token::Kind::kLiteral) {
        node.literal = text_.substr(token.begin, token.end - token.begin);
        node.begin = token.begin;
        next_ += 1;
      } else if (token.kind == Token::Kind::kValue) {
        node.kind = TextNode::Kind::kValue;
        node.value = ParseValue(token.inner_begin, token.inner_end, false);
        next_ += 1;
      } else {
        const std::string_view word = TagWord(token);
        if (word == "elsif" || word == "else" || word == "endif") {
          return nodes;
        }
        if (word != "if") {
          ReportTag(token, word);
          next_ += 1;
          continue;
        }
        node = ParseIf(depth);
      }
      nodes.push_back(std::move(node));
    }
    return nodes;
  }

  std::string_view TagWord(const Token& token) const {
    const std::string_view inner = Inner(token);
    return inner.substr(0, std::min(inner.find_first_of(" \t\n"), inner.size()));
  }

  void ReportTag(const Token& token, std::string_view word) {
    const std::vector<std::string> known = {"if", "elsif", "else", "endif"};
    const std::optional<std::string> nearest = word == "elseif" ? "elsif" : Nearest(word, known);
    Report(token.begin, token.end - token.begin, "SG002",
           fmt::format("no tag is called '{}'", word), "",
           nearest ? fmt::format("did you mean {}?", *nearest)
                   : "there are if, elsif, else and endif; there are no loops");
  }

  TextNode ParseIf(int depth) {
    TextNode node;
    node.kind = TextNode::Kind::kIf;
    const Token opening = tokens_[next_];
    if (depth >= kTextDepthMax) {
      Report(opening.begin, opening.end - opening.begin, "SG000",
             fmt::format("more than {} ifs stand inside each other", kTextDepthMax), "",
             "write it flatter");
      next_ = tokens_.size();
      return node;
    }
    const std::size_t guards = guarded_.size();
    bool after_else = false;
    while (next_ < tokens_.size()) {
      const Token token = tokens_[next_];
      const std::string_view word = TagWord(token);
      next_ += 1;
      guarded_.resize(guards);
      if (word == "endif") {
        return node;
      }
      if (after_else) {
        Report(token.begin, token.end - token.begin, "SG000",
               fmt::format("{{% {} %}} after {{% else %}}", word), "",
               "else is the last branch of an if");
      }
      TextNode::Branch branch;
      if (word == "else") {
        after_else = true;
      } else {
        const std::size_t at = text_.find(word, token.inner_begin) + word.size();
        branch.condition = ParseValue(at, token.inner_end, true);
        if (branch.condition->expr) {
          CollectGuards(*branch.condition->expr, guarded_);
        }
      }
      branch.nodes = ParseNodes(depth + 1);
      node.branches.push_back(std::move(branch));
    }
    Report(opening.begin, opening.end - opening.begin, "SG000", "this if has no {% endif %}", "",
           "write {% endif %} where it ends");
    return node;
  }

  // Bytes [begin, end) hold an expression and its filters.
  ValueOf ParseValue(std::size_t begin, std::size_t end, bool is_condition) {
    const std::size_t bar = std::min(FindOutsideQuotes(text_.substr(0, end), "|", begin), end);
    ValueOf value;
    const std::string_view raw = text_.substr(begin, bar - begin);
    const std::string_view expression = Trim(raw);
    value.written = expression;
    value.begin = expression.empty()
                      ? begin
                      : begin + static_cast<std::size_t>(expression.data() - raw.data());
    value.end = std::max(value.begin + expression.size(), value.begin + 1);
    if (expression.empty()) {
      Report(begin, std::max<std::size_t>(end - begin, 1), "SG000",
             "nothing stands between the braces", "", "write a name such as customer.first_name");
      return value;
    }
    std::optional<Type> type = ResolveName(value, expression, is_condition);
    if (is_condition && bar < end) {
      Report(bar, 1, "SG000", "a condition takes no filter", "", "take the filter out");
      return value;
    }
    bool has_default = false;
    for (std::size_t at = bar; at < end;) {
      const std::size_t next = std::min(FindOutsideQuotes(text_.substr(0, end), "|", at + 1), end);
      if (has_default) {
        Report(at, next - at, "SG000", "a filter stands after default", "", "write default last");
        break;
      }
      has_default = ParseFilter(value, type, at + 1, next);
      at = next;
    }
    if (!is_condition && !has_default) {
      WarnPersonal(value);
    }
    return value;
  }

  // Text traits of customers are what people leave out: SG021 asks what to say then.
  void WarnPersonal(const ValueOf& value) {
    const bool personal = value.expr && value.expr->op == Op::kLeaf &&
                          value.expr->leaf.kind == Leaf::Kind::kTrait &&
                          value.expr->type.type == Type::kText;
    if (personal &&
        std::find(guarded_.begin(), guarded_.end(), value.expr->leaf.name) == guarded_.end()) {
      Report(
          value.begin, value.end - value.begin, "SG021",
          fmt::format("{} has no default: a customer without it is not written to", value.written),
          "", fmt::format("{{{{ {} | default: 'you' }}}}", value.written), Severity::kWarning);
    }
  }

  // Gives the type, or nothing after an error and for what has none.
  std::optional<Type> ResolveName(ValueOf& value, std::string_view expression, bool is_condition) {
    if (IsName(expression)) {
      if (const std::optional<std::vector<std::string>> known = OwnNames(expression)) {
        value.name = expression;
        if (std::find(known->begin(), known->end(), value.name) == known->end()) {
          const std::optional<std::string> nearest = Nearest(expression, *known);
          Report(value.begin, value.end - value.begin, "SG002",
                 fmt::format("there is no {}", expression), "",
                 nearest ? fmt::format("did you mean {}?", *nearest)
                         : "known are " + Join(*known, ", "));
          return std::nullopt;
        }
        return value.name == "offer.expires" ? Type::kTime : Type::kText;
      }
    }
    return CompileExpr(value, expression, is_condition);
  }

  // All names that begin like this one and are not expressions; nothing when it is an expression.
  std::optional<std::vector<std::string>> OwnNames(std::string_view name) const {
    const std::string_view first = name.substr(0, name.find('.'));
    const bool in_layout = kind_ == TextKind::kLayoutHtml || kind_ == TextKind::kLayoutText;
    if (first == "links") {
      std::vector<std::string> known = {"links.unsubscribe", "links.preferences"};
      for (const auto& [link, path] : workspace_.links) {
        known.push_back("links." + link);
      }
      return known;
    }
    if (first == "sender") {
      return std::vector<std::string>{"sender.postal"};
    }
    if (first == "offer") {
      return std::vector<std::string>{"offer.code", "offer.expires", "offer.terms"};
    }
    if (in_layout && (name == "body" || name == "subject")) {
      return std::vector<std::string>{"body", "subject"};
    }
    return std::nullopt;
  }

  std::optional<Type> CompileExpr(ValueOf& value, std::string_view expression, bool is_condition) {
    Scope scope;
    scope.schema = &workspace_.schema;
    scope.aggregates = &compiler_.aggregates_;
    scope.pool = workspace_.pool.get();
    scope.models = &workspace_.model_names;
    std::vector<std::string> published;
    for (int i = 0; const Insight* insight = workspace_.Published(i); ++i) {
      published.push_back(insight->publish_as);
    }
    scope.insights = &published;
    const std::size_t columns = compiler_.aggregates_.all().size();
    std::vector<ExpressionError> errors;
    const std::optional<Type> want = is_condition ? std::optional(Type::kYesNo) : std::nullopt;
    value.expr = CompileExpression(expression, scope, want, errors);
    for (ExpressionError& error : errors) {
      Report(value.begin + error.begin, std::max<std::size_t>(error.end - error.begin, 1),
             std::move(error.code), std::move(error.message), std::move(error.note),
             std::move(error.help));
    }
    if (!value.expr) {
      return std::nullopt;
    }
    if (compiler_.aggregates_.all().size() != columns) {
      compiler_.aggregates_ = workspace_.aggregates;
      value.expr.reset();
      value.unbuilt = true;
      ReportUnbuilt(value, "a text cannot count events that no model counts",
                    "make it a feature of a model and write MODEL.FEATURE here");
      return std::nullopt;
    }
    return value.expr->type.type;
  }

  // Reads "name" or "name: argument".  Whether it was default.
  bool ParseFilter(ValueOf& value, std::optional<Type> type, std::size_t begin, std::size_t end) {
    const std::string_view raw = text_.substr(begin, end - begin);
    const std::size_t colon = std::min(FindOutsideQuotes(raw, ":", 0), raw.size());
    const auto place = [&](std::string_view part) {
      return part.empty() ? begin : begin + static_cast<std::size_t>(part.data() - raw.data());
    };
    const std::string_view name = Trim(raw.substr(0, colon));
    std::optional<std::string_view> argument;
    if (colon < raw.size()) {
      argument = Trim(raw.substr(colon + 1));
    }
    FilterError error;
    std::optional<Filter> filter = ReadFilter(name, argument, type, error);
    if (filter) {
      if (filter->kind == Filter::Kind::kActionName) {
        for (const Insight& insight : workspace_.insights) {
          for (const Insight::Action& action : insight.actions) {
            filter->words.emplace(
                workspace_.schema.events[static_cast<std::size_t>(action.event)].name,
                action.words);
          }
        }
      }
      value.filters.push_back(std::move(*filter));
    } else {
      const std::string_view part = error.at_argument && argument ? *argument : name;
      Report(place(part), std::max<std::size_t>(part.size(), 1), std::move(error.code),
             std::move(error.message), "", std::move(error.help));
    }
    return name == "default";
  }

  TextCompiler& compiler_;
  const Workspace& workspace_;
  const TextWithValues& source_;
  std::string_view text_;
  TextKind kind_;
  std::vector<Token> tokens_;
  std::size_t next_ = 0;
  std::vector<std::string> guarded_;  // Names that an if around, or whoever sends it, asked for.
};

namespace {

// The Markdown of every branch, one after the other, with marks for the values: enough to see where
// values stand.
void CollectMarkdown(const std::vector<TextNode>& nodes, std::string& markdown,
                     std::vector<const ValueOf*>& values) {
  for (const TextNode& node : nodes) {
    markdown += node.literal;
    if (node.kind == TextNode::Kind::kValue) {
      markdown += Mark(values.size());
      values.push_back(&node.value);
    }
    for (const TextNode::Branch& branch : node.branches) {
      CollectMarkdown(branch.nodes, markdown, values);
    }
  }
}

void CollectAddresses(const std::vector<MarkdownBlock>& blocks,
                      std::vector<std::string>& addresses) {
  for (const MarkdownBlock& block : blocks) {
    if (block.kind != MarkdownBlock::Kind::kCode) {
      for (const MarkdownInline& piece : ParseInlines(block.text)) {
        if (piece.kind == MarkdownInline::Kind::kLinkOpen) {
          addresses.push_back(piece.text);
        }
      }
    }
    CollectAddresses(block.blocks, addresses);
  }
}

// [text](https://shop{{ customer.x }}) would let a customer's trait choose where a link leads.
void CheckAddress(const std::string& address, const std::vector<const ValueOf*>& values,
                  const TextWithValues& text, Diagnostics& diagnostics) {
  std::string begun;
  for (std::size_t i = 0; i < address.size(); ++i) {
    if (address[i] != kMarkBegin) {
      begun += address[i];
      continue;
    }
    const ValueOf& value = *values[std::stoul(address.substr(i + 1))];
    i = address.find(kMarkEnd, i);
    if (begun.empty() && value.is_link()) {
      begun = kLinkHost;
    } else if (HostHasEnded(begun)) {
      begun += 'x';
    } else {
      diagnostics.push_back(
          {Severity::kError, "SG025", PlaceIn(text, value.begin, value.end - value.begin),
           fmt::format("{} stands {}", value.written,
                       begun.empty() ? "where an address begins" : "in the host of an address"),
           "",
           begun.empty() ? "begin the address with {{ links.NAME }}, or write it out"
                         : "write the host out, and a / before the first value"});
      return;
    }
  }
}

void CheckAddresses(const CompiledText& compiled, const TextWithValues& text,
                    Diagnostics& diagnostics) {
  std::string markdown;
  std::vector<const ValueOf*> values;
  CollectMarkdown(compiled.nodes, markdown, values);
  std::vector<std::string> addresses;
  CollectAddresses(ParseMarkdown(markdown), addresses);
  for (const std::string& address : addresses) {
    CheckAddress(address, values, text, diagnostics);
  }
}

}  // namespace

bool HostHasEnded(std::string_view begun) {
  begun = Trim(begun);
  const std::string scheme = ToLower(begun.substr(0, begun.find(':')));
  if (begun.size() > scheme.size() && (scheme == "mailto" || scheme == "tel" || scheme == "sms")) {
    return true;
  }
  const std::size_t slashes = begun.find("://");
  if (slashes != std::string_view::npos) {
    return begun.find_first_of("/?#", slashes + 3) != std::string_view::npos;
  }
  if (begun.starts_with('/')) {
    return begun.size() > 1 && begun[1] != '/' && begun[1] != '\\';
  }
  return begun.starts_with('#') || begun.starts_with('?');
}

std::vector<std::string> AskedBySenders(const Workspace& workspace, std::string_view message) {
  std::optional<std::vector<std::string>> asked;
  for (const Playbook& playbook : workspace.playbooks) {
    bool sends = false;
    ForEachStep(playbook.steps, [&](const Step& step) { sends |= step.send == message; });
    if (!sends) {
      continue;
    }
    std::vector<std::string> names;
    for (const Condition& when : playbook.when) {
      CollectGuards(when.expr, names);
    }
    if (!asked) {
      asked = names;
    }
    std::erase_if(*asked, [&](const std::string& name) {
      return std::find(names.begin(), names.end(), name) == names.end();
    });
  }
  return asked.value_or(std::vector<std::string>());
}

TextCompiler::TextCompiler(const Workspace& workspace, Diagnostics& diagnostics,
                           bool tolerate_unbuilt)
    : workspace_(workspace),
      diagnostics_(diagnostics),
      tolerate_unbuilt_(tolerate_unbuilt),
      aggregates_(workspace.aggregates) {}

CompiledText TextCompiler::Compile(const TextWithValues& text, TextKind kind) {
  CompiledText compiled = TextParser(*this, text, kind).Parse();
  if (kind == TextKind::kMarkdown) {
    CheckAddresses(compiled, text, diagnostics_);
  } else if (kind == TextKind::kLayoutHtml) {
    PlaceHtmlValues(compiled, text, diagnostics_);
  }
  return compiled;
}

Place PlaceIn(const TextWithValues& text, std::size_t offset, std::size_t length) {
  Place place = text.place;
  const std::string_view before = std::string_view(text.text).substr(0, offset);
  const auto lines = static_cast<int>(std::count(before.begin(), before.end(), '\n'));
  const std::size_t line_begin = before.rfind('\n') + 1;  // npos + 1 is 0.
  const auto column = static_cast<int>(offset - line_begin);
  place.line += lines;
  place.column = lines == 0 ? place.column + column : text.indent + column + 1;
  const std::size_t line_end = std::min(text.text.find('\n', offset), text.text.size());
  place.length = static_cast<int>(std::max<std::size_t>(std::min(length, line_end - offset), 1));
  return place;
}

}  // namespace segue
