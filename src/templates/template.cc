// Compiles a workspace's texts once, and renders them for one customer at a time.

#include "templates/template.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/text.h"
#include "templates/liquid.h"
#include "templates/markdown.h"

namespace segue {
namespace {

constexpr std::string_view kDefaultLayout = "default";
// No text of this size grows over the limit as a message.
constexpr std::size_t kSurelySmall = kRenderedBytesMax / 128;

// What inboxes show beside the subject.  The spaces after it keep the body's first words out of
// that line.
std::string PreheaderHtml(std::string_view preheader) {
  if (preheader.empty()) {
    return "";
  }
  std::string spaces;
  for (int i = 0; i < 60; ++i) {
    spaces += "&#847;&zwnj;&nbsp;";
  }
  return fmt::format(
      "<div style=\"display:none;max-height:0;overflow:hidden;mso-hide:all\" "
      "aria-hidden=\"true\">{}{}</div>",
      HtmlEscape(preheader), spaces);
}

// One line: what a value holds can break neither a header nor the lines of a text.
std::string OneLine(std::string_view text) {
  std::string line;
  for (const char c : text) {
    const bool control = (c >= 0 && c < ' ') || c == 0x7f;
    if (!control) {
      line += c;
    } else if (!line.empty() && line.back() != ' ') {
      line += ' ';
    }
  }
  return std::string(Trim(line));
}

bool IsWebAddress(std::string_view text) {
  return text.starts_with("https://") || text.starts_with("http://");
}

struct CompiledBody {
  CompiledText subject, preheader, title, body, button;
  std::string link;
};

struct CompiledTemplate {
  const Template* source = nullptr;
  CompiledBody body;
  std::vector<std::pair<std::string, CompiledBody>> variants;
  std::vector<std::pair<std::string, CompiledText>> values;
  CompiledText reply_to;
};

struct CompiledLayout {
  CompiledText html, text;
};

// The pieces of a template that one message takes: its variant's where it has one, else its own.
struct Parts {
  const CompiledText* subject;
  const CompiledText* preheader;
  const CompiledText* title;
  const CompiledText* body;
  const CompiledText* button;
  std::string_view link;
};

const CompiledBody* FindVariant(const CompiledTemplate& compiled, std::string_view name) {
  for (const auto& [variant, body] : compiled.variants) {
    if (variant == name) {
      return &body;
    }
  }
  return compiled.variants.empty() ? nullptr : &compiled.variants.front().second;
}

Parts ChooseParts(const CompiledTemplate& compiled, std::string_view variant) {
  const CompiledBody& own = compiled.body;
  Parts parts = {&own.subject, &own.preheader, &own.title, &own.body, &own.button, own.link};
  const CompiledBody* chosen = FindVariant(compiled, variant);
  if (chosen == nullptr) {
    return parts;
  }
  const auto replace = [](const CompiledText*& part, const CompiledText& by) {
    part = by.nodes.empty() ? part : &by;
  };
  replace(parts.subject, chosen->subject);
  replace(parts.preheader, chosen->preheader);
  replace(parts.title, chosen->title);
  replace(parts.body, chosen->body);
  replace(parts.button, chosen->button);
  parts.link = chosen->link.empty() ? parts.link : std::string_view(chosen->link);
  return parts;
}

// Renders compiled texts for one customer.
class Renderer {
 public:
  explicit Renderer(const RenderContext& context) : context_(context) {}

  // Plain words, values as they are.
  Result<std::string> Words(const CompiledText& text) const {
    std::string out;
    const Result<void> done = Walk(
        text.nodes, [&](const TextNode& node) { out += node.literal; },
        [&](const ValueOf&, const std::string& value) -> Result<void> {
          out += value;
          return Fits(out);
        });
    return Or(done, std::move(out));
  }

  Result<std::string> Line(const CompiledText& text) const {
    Result<std::string> words = Words(text);
    return words ? Result<std::string>(OneLine(*words)) : words;
  }

  // Markdown with marks, and what they stand for.
  Result<std::string> Markdown(const CompiledText& text, std::vector<MarkedValue>& values) const {
    std::string out;
    std::size_t bytes = 0;
    const Result<void> done = Walk(
        text.nodes, [&](const TextNode& node) { out += node.literal; },
        [&](const ValueOf& value, const std::string& written) -> Result<void> {
          const bool link = value.is_link();
          if (link && !IsWebAddress(written)) {
            return NoAddress(value, written);
          }
          out += Mark(values.size());
          values.push_back({written, link});
          bytes += written.size();
          return bytes > kRenderedBytesMax ? TooLong() : Result<void>();
        });
    return Or(done, std::move(out));
  }

  struct Around {
    std::string body, subject, preheader;
  };

  Result<std::string> LayoutHtml(const CompiledText& layout, const Around& around) const {
    std::string out;
    bool preheader_done = around.preheader.empty();
    const Result<void> done = Walk(
        layout.nodes,
        [&](const TextNode& node) {
          if (node.kind == TextNode::Kind::kPreheader) {
            out += preheader_done ? "" : "\n" + PreheaderHtml(around.preheader);
            preheader_done = true;
          }
          out += node.literal;
        },
        [&](const ValueOf& value, const std::string& written) -> Result<void> {
          if (value.name == "body") {
            out += preheader_done ? "" : PreheaderHtml(around.preheader) + "\n";
            preheader_done = true;
            out += around.body;
          } else if (value.place == HtmlPlace::kAddress && !IsWebAddress(written)) {
            return NoAddress(value, written);
          } else {
            out +=
                HtmlEscape(value.place == HtmlPlace::kAddressPart ? UrlEncode(written) : written);
          }
          return Fits(out);
        },
        &around);
    return Or(done, std::move(out));
  }

  Result<std::string> LayoutText(const CompiledText& layout, const Around& around) const {
    std::string out;
    const Result<void> done = Walk(
        layout.nodes, [&](const TextNode& node) { out += node.literal; },
        [&](const ValueOf& value, const std::string& written) -> Result<void> {
          out += value.name == "body" ? around.body : written;
          return Fits(out);
        },
        &around);
    return Or(done, std::move(out));
  }

 private:
  static Result<void> TooLong() {
    return Error(fmt::format("the text grows over {} kB", kRenderedBytesMax / 1024));
  }

  static Result<void> Fits(const std::string& out) {
    return out.size() > kRenderedBytesMax ? TooLong() : Result<void>();
  }

  static Result<void> NoAddress(const ValueOf& value, const std::string& written) {
    return Error(
        fmt::format("{} is not a web address: '{}'", value.written, written.substr(0, 80)));
  }

  static Result<std::string> Or(const Result<void>& done, std::string text) {
    return done ? Result<std::string>(std::move(text)) : Result<std::string>(done.error());
  }

  template <typename OnLiteral, typename OnValue>
  Result<void> Walk(const std::vector<TextNode>& nodes, const OnLiteral& on_literal,
                    const OnValue& on_value, const Around* around = nullptr) const {
    for (const TextNode& node : nodes) {
      Result<void> done;
      switch (node.kind) {
        case TextNode::Kind::kLiteral:
        case TextNode::Kind::kPreheader:
          on_literal(node);
          break;
        case TextNode::Kind::kValue: {
          const Result<std::string> written = Write(node.value, around);
          done = written ? on_value(node.value, *written) : Result<void>(written.error());
          break;
        }
        case TextNode::Kind::kIf:
          for (const TextNode::Branch& branch : node.branches) {
            if (!branch.condition || Holds(*branch.condition, around)) {
              done = Walk(branch.nodes, on_literal, on_value, around);
              break;
            }
          }
          break;
      }
      if (!done) {
        return done;
      }
    }
    return {};
  }

  Result<std::string> Write(const ValueOf& value, const Around* around) const {
    if (value.unbuilt) {
      return Error(fmt::format("{} is not built yet", value.written));
    }
    Result<std::optional<std::string>> read = Read(value, around);
    if (!read) {
      return read.error();
    }
    if (std::optional<std::string>& written = *read; written) {
      std::string line = OneLine(*written);
      if (!IsUtf8(line)) {
        return Error(fmt::format("{} is not UTF-8", value.written));
      }
      if (!line.empty() || value.name == "body" || value.name == "subject") {
        return line;
      }
    }
    for (const Filter& filter : value.filters) {
      if (filter.kind == Filter::Kind::kDefault) {
        return OneLine(filter.argument);
      }
    }
    return Error(fmt::format("{} has no value, and the text gives no default", value.written));
  }

  // Nothing when the value is missing.
  Result<std::optional<std::string>> Read(const ValueOf& value, const Around* around) const {
    if (value.expr) {
      const double number = ExecuteOne(*value.expr, *context_.inputs, context_.moment,
                                       context_.customer, context_.pool, context_.schema);
      if (std::isnan(number)) {
        return std::optional<std::string>();
      }
      return std::optional(FormatValue(number, value.expr->type.type, value.filters,
                                       *context_.schema, *context_.pool, context_.zone));
    }
    if (around != nullptr && (value.name == "body" || value.name == "subject")) {
      // The body is put in by the caller: it is no line.
      return std::optional(value.name == "body" ? std::string() : around->subject);
    }
    const std::string* found = context_.Named(value.name);
    if (found == nullptr || found->empty()) {
      return std::optional<std::string>();
    }
    if (value.name != "offer.expires") {
      return std::optional(*found);
    }
    const Result<TimePoint> time = ParseTime(*found, context_.zone);
    if (!time) {
      return Error(fmt::format("{}: {}", value.written, time.error().message()));
    }
    return std::optional(FormatValue(static_cast<double>(ToMicros(*time)), Type::kTime,
                                     value.filters, *context_.schema, *context_.pool,
                                     context_.zone));
  }

  bool Holds(const ValueOf& condition, const Around* around) const {
    if (condition.expr) {
      return IsTrue(ExecuteOne(*condition.expr, *context_.inputs, context_.moment,
                               context_.customer, context_.pool, context_.schema));
    }
    const Result<std::optional<std::string>> read = Read(condition, around);
    return read && *read && !OneLine(**read).empty();
  }

  const RenderContext& context_;
};

bool Names(const CompiledText& text, std::string_view beginning) {
  bool found = false;
  ForEachValue(text.nodes,
               [&](const ValueOf& value) { found = found || value.name.starts_with(beginning); });
  return found;
}

}  // namespace

const std::string* RenderContext::Named(const std::string& name) const {
  if (const auto own = names.find(name); own != names.end()) {
    return &own->second;
  }
  if (common == nullptr) {
    return nullptr;
  }
  const auto shared = common->find(name);
  return shared == common->end() ? nullptr : &shared->second;
}

struct Templates::Inner {
  Inner(const Workspace& workspace_in, bool tolerate)
      : workspace(workspace_in), tolerate_unbuilt(tolerate) {}

  void CompileAll(Diagnostics& diagnostics);
  void CompileLayouts(TextCompiler& compiler, Diagnostics& diagnostics);
  void CheckPlaybooks(Diagnostics& diagnostics) const;
  CompiledBody CompileBody(TextCompiler& compiler, const TemplateBody& body) const;
  const CompiledLayout* LayoutOf(const Template& source) const;
  Result<RenderedMessage> RenderParts(const CompiledTemplate& compiled,
                                      const RenderContext& context) const;

  Result<void> RenderBody(const CompiledTemplate& compiled, const Renderer& renderer,
                          const CompiledText& body, bool wants_body,
                          RenderedMessage& message) const;

  const Workspace& workspace;
  bool tolerate_unbuilt;
  std::map<std::string, CompiledTemplate, std::less<>> templates;
  std::map<std::string, CompiledLayout, std::less<>> layouts;
  std::map<std::string, CompiledText, std::less<>> words;  // Texts of steps, by their text.
};

CompiledBody Templates::Inner::CompileBody(TextCompiler& compiler, const TemplateBody& body) const {
  CompiledBody compiled;
  compiled.subject = compiler.Compile(body.subject, TextKind::kWords);
  compiled.preheader = compiler.Compile(body.preheader, TextKind::kWords);
  compiled.title = compiler.Compile(body.title, TextKind::kWords);
  compiled.body = compiler.Compile(body.body, TextKind::kMarkdown);
  compiled.button = compiler.Compile(body.button, TextKind::kWords);
  compiled.link = body.link;
  return compiled;
}

void Templates::Inner::CompileLayouts(TextCompiler& compiler, Diagnostics& diagnostics) {
  for (const Layout& layout : workspace.layouts) {
    CompiledLayout compiled;
    compiled.html = compiler.Compile(layout.html, TextKind::kLayoutHtml);
    compiled.text = compiler.Compile(layout.text, TextKind::kLayoutText);
    for (const auto& [part, source] :
         {std::pair(&compiled.html, &layout.html), {&compiled.text, &layout.text}}) {
      if (!Names(*part, "body")) {
        diagnostics.push_back(
            {Severity::kError, "SG026", source->place,
             fmt::format("the layout {} does not say where the body goes", layout.id), "",
             "write {{ body }} there"});
      }
    }
    layouts.insert_or_assign(layout.id, std::move(compiled));
  }
  if (!layouts.contains(kDefaultLayout)) {
    CompiledLayout compiled;
    compiled.html =
        compiler.Compile({std::string(kDefaultLayoutHtml), Place(), 0}, TextKind::kLayoutHtml);
    compiled.text =
        compiler.Compile({std::string(kDefaultLayoutText), Place(), 0}, TextKind::kLayoutText);
    layouts.emplace(kDefaultLayout, std::move(compiled));
  }
}

void Templates::Inner::CompileAll(Diagnostics& diagnostics) {
  TextCompiler compiler(workspace, diagnostics, tolerate_unbuilt);
  CompileLayouts(compiler, diagnostics);
  for (const Template& source : workspace.templates) {
    CompiledTemplate compiled;
    compiler.Assume(AskedBySenders(workspace, source.id));
    compiled.source = &source;
    compiled.body = CompileBody(compiler, source.body);
    for (const auto& [name, body] : source.variants) {
      compiled.variants.emplace_back(name, CompileBody(compiler, body));
    }
    for (const auto& [name, text] : source.values) {
      compiled.values.emplace_back(name, compiler.Compile(text, TextKind::kWords));
    }
    compiled.reply_to = compiler.Compile(source.reply_to, TextKind::kWords);
    templates.insert_or_assign(source.id, std::move(compiled));
  }
  compiler.Assume({});
  for (const Playbook& playbook : workspace.playbooks) {
    ForEachStep(playbook.steps, [&](const Step& step) {
      words.insert_or_assign(step.title.text, compiler.Compile(step.title, TextKind::kWords));
      words.insert_or_assign(step.note.text, compiler.Compile(step.note, TextKind::kWords));
      for (const auto& [field, text] : step.set) {
        words.insert_or_assign(text.text, compiler.Compile(text, TextKind::kWords));
      }
    });
  }
  CheckPlaybooks(diagnostics);
}

const CompiledLayout* Templates::Inner::LayoutOf(const Template& source) const {
  const auto found =
      layouts.find(source.layout.empty() ? kDefaultLayout : std::string_view(source.layout));
  return found == layouts.end() ? nullptr : &found->second;
}

// What is wrong with a template only because of who sends it.
void Templates::Inner::CheckPlaybooks(Diagnostics& diagnostics) const {
  std::vector<const CompiledLayout*> reported;
  for (const Playbook& playbook : workspace.playbooks) {
    ForEachStep(playbook.steps, [&](const Step& step) {
      const auto found =
          step.kind == Step::Kind::kSend ? templates.find(step.send) : templates.end();
      if (found == templates.end()) {
        return;
      }
      const CompiledTemplate& compiled = found->second;
      bool has_body = !compiled.body.body.nodes.empty();
      for (const auto& [name, body] : compiled.variants) {
        has_body = has_body || !body.body.nodes.empty();
      }
      const CompiledLayout* layout = LayoutOf(*compiled.source);
      const bool mail = compiled.source->channel == "email" && has_body && layout != nullptr;
      const bool lacks = mail && (!Names(layout->html, "links.unsubscribe") ||
                                  !Names(layout->text, "links.unsubscribe"));
      if (playbook.purpose != Purpose::kMarketing || !lacks ||
          std::find(reported.begin(), reported.end(), layout) != reported.end()) {
        return;
      }
      reported.push_back(layout);
      const Layout* source = workspace.FindLayout(
          compiled.source->layout.empty() ? kDefaultLayout : compiled.source->layout);
      const bool in_html = Names(layout->html, "links.unsubscribe");
      diagnostics.push_back({Severity::kError, "SG022",
                             source == nullptr ? step.place
                             : in_html         ? source->text.place
                                               : source->html.place,
                             fmt::format("the {} of this layout has no links.unsubscribe, and the "
                                         "marketing playbook {} sends {} in it",
                                         in_html ? "text" : "html", playbook.id, step.send),
                             "", "write {{ links.unsubscribe }} in both its html and its text"});
    });
  }
}

Result<RenderedMessage> Templates::Inner::RenderParts(const CompiledTemplate& compiled,
                                                      const RenderContext& context) const {
  const Renderer renderer(context);
  const Parts parts = ChooseParts(compiled, context.variant);
  RenderedMessage message;
  for (const auto& [text, out] : {std::pair(parts.subject, &message.subject),
                                  {parts.preheader, &message.preheader},
                                  {parts.title, &message.title},
                                  {parts.button, &message.button},
                                  {&compiled.reply_to, &message.reply_to}}) {
    Result<std::string> line = renderer.Line(*text);
    if (!line) {
      return line.error();
    }
    *out = std::move(*line);
  }
  for (const auto& [name, text] : compiled.values) {
    Result<std::string> line = renderer.Line(text);
    if (!line) {
      return line.error();
    }
    message.values[name] = std::move(*line);
  }
  if (!parts.link.empty()) {
    const std::string* link = context.Named("links." + std::string(parts.link));
    if (link == nullptr || !IsWebAddress(*link)) {
      return Error(fmt::format("links.{} is not a web address", parts.link));
    }
    message.link = *link;
  }
  if (!parts.body->nodes.empty()) {
    if (const Result<void> done =
            RenderBody(compiled, renderer, *parts.body, context.wants_body, message);
        !done) {
      return done.error();
    }
  }
  return message;
}

// Both parts of a body, in the layout when it is a mail's.
Result<void> Templates::Inner::RenderBody(const CompiledTemplate& compiled,
                                          const Renderer& renderer, const CompiledText& body,
                                          bool wants_body, RenderedMessage& message) const {
  std::vector<MarkedValue> values;
  const Result<std::string> markdown = renderer.Markdown(body, values);
  if (!markdown) {
    return markdown.error();
  }
  if (wants_body || markdown->size() > kSurelySmall) {
    const std::vector<MarkdownBlock> blocks = ParseMarkdown(*markdown);
    message.html = WriteHtml(blocks, values);
    message.text = WriteText(blocks, values);
  }
  if (compiled.source->channel == "email") {
    if (message.subject.empty()) {
      return Error("the subject is empty");
    }
    const CompiledLayout* layout = LayoutOf(*compiled.source);
    if (layout == nullptr) {
      return Error(fmt::format("there is no layout {}", compiled.source->layout));
    }
    Result<std::string> html =
        renderer.LayoutHtml(layout->html, {message.html, message.subject, message.preheader});
    Result<std::string> text =
        renderer.LayoutText(layout->text, {message.text, message.subject, ""});
    if (!html || !text) {
      return !html ? html.error() : text.error();
    }
    message.html = std::move(*html);
    message.text = std::move(*text);
  }
  if (message.html.size() > kRenderedBytesMax || message.text.size() > kRenderedBytesMax) {
    return Error(fmt::format("the message grows over {} kB", kRenderedBytesMax / 1024));
  }
  return {};
}

Templates::Templates(const Workspace& workspace, Diagnostics& diagnostics, bool tolerate_unbuilt)
    : inner_(std::make_unique<Inner>(workspace, tolerate_unbuilt)) {
  inner_->CompileAll(diagnostics);
}

Templates::~Templates() = default;

Result<RenderedMessage> Templates::Render(std::string_view template_id,
                                          const RenderContext& context) const {
  const auto found = inner_->templates.find(template_id);
  if (found == inner_->templates.end()) {
    return Error(fmt::format("there is no template {}", template_id));
  }
  return inner_->RenderParts(found->second, context);
}

Result<std::string> Templates::RenderText(const TextWithValues& text, const RenderContext& context,
                                          Escape escape) const {
  const auto found = inner_->words.find(text.text);
  CompiledText compiled;
  if (found == inner_->words.end()) {
    Diagnostics diagnostics;
    compiled = TextCompiler(inner_->workspace, diagnostics, inner_->tolerate_unbuilt)
                   .Compile(text, TextKind::kWords);
    if (HasErrors(diagnostics)) {
      return Error(diagnostics.front().message);
    }
  }
  const CompiledText& ready = found == inner_->words.end() ? compiled : found->second;
  const Renderer renderer(context);
  Result<std::string> out =
      escape == Escape::kHeader ? renderer.Line(ready) : renderer.Words(ready);
  if (out && escape == Escape::kHtml) {
    return HtmlEscape(*out);
  }
  return out;
}

}  // namespace segue
