#include "daemon/pages.h"

#include <fmt/format.h>

#include "base/text.h"

namespace segue {
namespace {

constexpr std::string_view kStyle = R"(
:root { color-scheme: light dark; }
body { margin: 0; font: 17px/1.5 system-ui, sans-serif; background: #f3f4f6; color: #1c2430; }
main { box-sizing: border-box; max-width: 34rem; margin: 8vh auto; padding: 2rem;
  background: #fff; border-radius: 12px; }
h1 { margin: 0 0 .75rem; font-size: 1.45rem; line-height: 1.25; }
fieldset { margin: 1rem 0; padding: .5rem 1rem .75rem; border: 1px solid #c9d0da; border-radius: 8px; }
legend { padding: 0 .4rem; font-weight: 600; }
fieldset p { margin: .1rem 0 .3rem; color: #5a6675; }
label { display: inline-block; margin-right: 1.5rem; padding: .35rem 0; }
input { width: 1.1rem; height: 1.1rem; margin: 0 .45rem 0 0; vertical-align: -.15rem; }
button { margin-top: .5rem; padding: .7rem 1.3rem; font: inherit; font-weight: 600; color: #fff;
  background: #1f5fbf; border: 0; border-radius: 8px; cursor: pointer; }
button:focus-visible, input:focus-visible { outline: 3px solid #8ab4f8; outline-offset: 2px; }
footer { margin-top: 2rem; font-size: .85rem; color: #5a6675; }
@media (max-width: 36rem) { main { margin: 0; min-height: 100vh; border-radius: 0; } }
@media (prefers-color-scheme: dark) {
  body { background: #12161c; color: #e6eaf0; } main { background: #1c222b; }
  fieldset { border-color: #435063; } fieldset p, footer { color: #9aa7b8; } button { background: #3b7de0; }
}
)";

std::string Page(const PageFrame& frame, std::string_view title, std::string_view inner) {
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"robots\" "
      "content=\"noindex\">\n<title>{0}</title>\n<style>{1}</style>\n</head>\n"
      "<body>\n<main>\n<h1>{0}</h1>\n{2}\n<footer>{3}{4}{5}</footer>\n</main>\n</body>\n</html>\n",
      HtmlEscape(title), kStyle, inner, HtmlEscape(frame.sender),
      frame.postal.empty() ? "" : "<br>", HtmlEscape(frame.postal));
}

std::string Choices(const Choice& choice) {
  return fmt::format(
      "<fieldset><legend>{1}</legend>{2}"
      "<label><input type=\"radio\" name=\"{0}\" value=\"yes\">Yes, please</label>"
      "<label><input type=\"radio\" name=\"{0}\" value=\"no\">No, thank you</label>"
      "<label><input type=\"radio\" name=\"{0}\" value=\"\" checked>As it is</label></fieldset>\n",
      HtmlEscape(choice.name), HtmlEscape(choice.words),
      choice.now.empty() ? "" : "<p>" + HtmlEscape(choice.now) + "</p>");
}

}  // namespace

std::string UnsubscribePage(const PageFrame& frame, bool all_mail) {
  const std::string words =
      all_mail ? "You will get no more mail from us, of whatever kind."
               : "You will get no more newsletters and offers from us by mail. What belongs to "
                 "your orders and your account still comes.";
  return Page(
      frame, "No more mail?",
      fmt::format("<p>{}</p>\n<form method=\"post\"><button>Stop these mails</button></form>",
                  words));
}

std::string PreferencesPage(const PageFrame& frame, const std::vector<Choice>& topics,
                            bool stopped) {
  std::string inner = "<p>Choose what you would like to hear about.</p>\n";
  if (stopped) {
    inner +=
        "<p>At the moment we write nothing to you at all, since you or your mail program asked for "
        "that, or your address did not work. Answer to one of our messages to change it.</p>\n";
  }
  inner += "<form method=\"post\">\n";
  for (const Choice& topic : topics) {
    inner += Choices(topic);
  }
  return Page(frame, "What may we write to you?", inner + "<button>Keep my choice</button></form>");
}

std::string WordPage(const PageFrame& frame, std::string_view title, std::string_view words) {
  return Page(frame, title, fmt::format("<p>{}</p>", HtmlEscape(words)));
}

}  // namespace segue
