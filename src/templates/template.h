// Templates: a Markdown body in a layout, with a strict subset of Liquid, rendered to HTML and
// plain text.
//
//   {{ customer.first_name | default: 'you' }}     {% if customer.plan is 'team' %} … {% else %} …
//   {% endif %}
//
// A name that does not exist is an error at load.  Values are escaped for the place where they
// stand (HTML text, attribute, URL, plain text).  A missing value without `default` is an error
// when the text is rendered: that message is held and shown.

#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/definitions.h"
#include "expression/execute.h"

namespace segue {

// Limits: far above what a person writes.
constexpr std::size_t kRenderedBytesMax = 512 * 1024;

// What a text may name beside expressions: filled by the caller.
struct RenderContext {
  const Inputs* inputs = nullptr;
  const Schema* schema = nullptr;
  const TextPool* pool = nullptr;
  Moment moment;
  CustomerIndex customer = 0;
  Zone zone;  // The person's, for dates.
  // links.NAME, links.unsubscribe, links.preferences (complete web addresses), sender.postal,
  // offer.code, offer.expires (as FormatTime writes it), offer.terms.  One that is absent or empty
  // has no value.
  std::map<std::string, std::string> names;
  const std::map<std::string, std::string>* common = nullptr;  // More, the same for everybody.
  bool wants_body = true;  // False: whether it can be made is enough.
  std::string variant;     // Of the template; empty, or one that it lacks: its first, if it has
                           // variants at all.

  // What a name stands for; null: nothing.
  const std::string* Named(const std::string& name) const;
};

struct RenderedMessage {
  std::string subject, preheader, html, text, title, button;
  std::string link;      // The address that the button leads to.
  std::string reply_to;  // Empty: the sender's.
  std::map<std::string, std::string> values;
};

enum class Escape { kNone, kHtml, kHeader };

class Templates {
 public:
  // Compiles every template, layout and text with values of the workspace.
  // Adds a Diagnostic for each thing that is wrong: unclosed tags (SG000), unknown names and
  // filters (SG002), types (SG003), SG021, SG022, values at places where nothing makes them
  // safe (SG025), a layout without its body (SG026), and SG099 for what is not built yet, which
  // `tolerate_unbuilt` makes a warning. Requires: `workspace` outlives it.
  Templates(const Workspace& workspace, Diagnostics& diagnostics, bool tolerate_unbuilt = false);
  ~Templates();

  // Errors: no such template; a value that is missing without a default, by its name; a text that
  // grows over the limit.
  Result<RenderedMessage> Render(std::string_view template_id, const RenderContext& context) const;
  // A text of a step: task title, note, set value.  kHeader gives one line, kHtml escapes all of
  // it.
  Result<std::string> RenderText(const TextWithValues& text, const RenderContext& context,
                                 Escape escape) const;

 private:
  struct Inner;
  std::unique_ptr<Inner> inner_;
};

// CommonMark's everyday part to HTML: headings, paragraphs, lists, emphasis, links, code, rules,
// quotes.
std::string MarkdownToHtml(std::string_view markdown);
// The same to readable plain text; links become "text (address)".
std::string MarkdownToText(std::string_view markdown);

}  // namespace segue
