// Texts with values, Markdown and HTML layouts from anywhere: whatever they hold, compiling and
// rendering them ends, and no value that is rendered can add a tag to the HTML or a line to a
// subject.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>

#include "base/check.h"
#include "templates/template.h"

namespace segue {
namespace {

class OneText final : public Inputs {
 public:
  explicit OneText(double value) : value_(value) {}

  void Read(const Leaf& /*leaf*/, CustomerIndex /*first*/, std::span<double> out) const override {
    for (double& each : out) {
      each = value_;
    }
  }

 private:
  double value_;
};

void Try(std::string_view text, std::string_view attack) {
  Workspace workspace;
  workspace.pool = std::make_shared<TextPool>();
  workspace.schema.currency = "EUR";
  workspace.schema.customer_traits = {{"name", Type::kText, {}}};
  workspace.links = {{"book", "/book"}};
  Layout layout;
  layout.id = "default";
  layout.html = {std::string(text) + "{{ body }}", {0, 1, 1, 1}, 0};
  layout.text = {std::string(text) + "{{ body }}", {0, 1, 1, 1}, 0};
  workspace.layouts = {layout};
  Template mail;
  mail.id = "mail";
  mail.channel = "email";
  mail.body.subject = {"S " + std::string(text), {0, 1, 1, 1}, 0};
  mail.body.body = {std::string(text), {0, 1, 1, 1}, 0};
  workspace.templates = {mail};
  Diagnostics diagnostics;
  const Templates templates(workspace, diagnostics, true);

  const OneText inputs(workspace.pool->Intern(attack));
  RenderContext context;
  context.inputs = &inputs;
  context.schema = &workspace.schema;
  context.pool = workspace.pool.get();
  context.names = {{"links.book", "https://x.example/b"}, {"sender.postal", std::string(attack)}};
  const Result<RenderedMessage> message = templates.Render("mail", context);
  if (message && !HasErrors(diagnostics)) {
    SEGUE_CHECK(message->subject.find_first_of("\r\n") == std::string::npos);
    SEGUE_CHECK(message->html.find("<forged") == std::string::npos ||
                text.find("<forged") != std::string_view::npos);
    SEGUE_CHECK(message->html.size() <= kRenderedBytesMax);
  }
}

}  // namespace
}  // namespace segue

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(data, data + size);
  segue::Try(text, "<forged>\r\n\"'](javascript:x) **{{ links.book }}");
  segue::Try(text + " {{ customer.name }}", text);
  (void)segue::MarkdownToHtml(text);
  (void)segue::MarkdownToText(text);
  return 0;
}
