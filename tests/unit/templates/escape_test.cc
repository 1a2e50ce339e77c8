// Values that try to be more than text.

#include <doctest/doctest.h>

#include "base/text.h"
#include "unit/templates/fixture.h"

namespace segue {
namespace {

// Names that customers could give themselves.
const std::vector<std::string> kAttacks = {"<b>bold</b>",
                                           "<script>alert(1)</script>",
                                           "\"><img src=x onerror=alert(1)>",
                                           "' onmouseover='x",
                                           "a & b &amp; c",
                                           "`code`",
                                           "*star* **bold** _under_ __line__",
                                           "[x](http://evil.example)",
                                           "![x](http://evil.example/pixel)",
                                           "<http://evil.example>",
                                           "javascript:alert(1)",
                                           "# heading",
                                           "- item",
                                           "1. item",
                                           "> quote",
                                           "---",
                                           "```",
                                           "    code",
                                           "back\\slash \\* \\",
                                           "](http://evil.example) [",
                                           "{{ customer.email }}",
                                           "{% if yes %}",
                                           "&#60;b&#62;",
                                           "100% _of_ $it",
                                           "(a) [b] {c}"};

TEST_CASE("escape: in a body every value prints as it is, in both parts") {
  TemplateFixture fixture;
  for (const std::string& attack : kAttacks) {
    INFO("value: " << attack);
    fixture.SetText("customer.first_name", attack);
    const std::string shown(Trim(attack));
    CHECK(fixture.Html("{{ customer.first_name }}") == "<p>" + HtmlEscape(shown) + "</p>\n");
    CHECK(fixture.Text("{{ customer.first_name }}") == shown);
    CHECK(fixture.Html("Hi {{ customer.first_name }}, *you*") ==
          "<p>Hi " + HtmlEscape(shown) + ", <em>you</em></p>\n");
    CHECK(fixture.Html("# {{ customer.first_name }}") == "<h1>" + HtmlEscape(shown) + "</h1>\n");
    CHECK(fixture.Html("- {{ customer.first_name }}") ==
          "<ul>\n<li>" + HtmlEscape(shown) + "</li>\n</ul>\n");
    CHECK(fixture.Html("**{{ customer.first_name }}**") ==
          "<p><strong>" + HtmlEscape(shown) + "</strong></p>\n");
    CHECK(fixture.Html("`{{ customer.first_name }}`") ==
          "<p><code>" + HtmlEscape(shown) + "</code></p>\n");
    CHECK(fixture.Html("```\n{{ customer.first_name }}\n```") ==
          "<pre><code>" + HtmlEscape(shown) + "\n</code></pre>\n");
  }
}

TEST_CASE("escape: a value in a link's text or address stays inside it") {
  TemplateFixture fixture;
  for (const std::string& attack : kAttacks) {
    INFO("value: " << attack);
    fixture.SetText("customer.first_name", attack);
    const std::string shown(Trim(attack));
    CHECK(fixture.Html("x [{{ customer.first_name }}](https://a.example)") ==
          "<p>x <a href=\"https://a.example\">" + HtmlEscape(shown) + "</a></p>\n");
    CHECK(fixture.Html("x [a](https://a.example/?q={{ customer.first_name }}&r=1)") ==
          "<p>x <a href=\"https://a.example/?q=" + UrlEncode(shown) + "&amp;r=1\">a</a></p>\n");
  }
}

TEST_CASE("escape: in a layout a value stays inside its text, attribute or address") {
  TemplateFixture fixture;
  fixture.AddMail("mail", "S", "B");
  fixture.workspace.layouts = {
      {"default",
       fixture.At("<p title=\"{{ customer.first_name }}\" lang='{{ customer.first_name }}'>{{ "
                  "customer.first_name }}"
                  "<a href=\"https://a.example/{{ customer.first_name }}\"></a>{{ body }}"),
       fixture.At("{{ customer.first_name }}|{{ body }}"),
       {}}};
  Templates& templates = fixture.Compile();
  for (const std::string& attack : kAttacks) {
    INFO("value: " << attack);
    fixture.SetText("customer.first_name", attack);
    const std::string shown(Trim(attack));
    const std::string html = HtmlEscape(shown);
    const Result<RenderedMessage> message = templates.Render("mail", fixture.context);
    REQUIRE(message.has_value());
    CHECK(message->html == "<p title=\"" + html + "\" lang='" + html + "'>" + html +
                               "<a href=\"https://a.example/" + UrlEncode(shown) +
                               "\"></a><p>B</p>\n");
    CHECK(message->text == shown + "|B");
  }
}

TEST_CASE(
    "escape: no value breaks a line, so none adds a header to a subject or a line to a list") {
  TemplateFixture fixture;
  for (const char* attack : {"a\r\nBcc: evil@example.org", "a\nBcc: evil@example.org",
                             "a\rBcc: evil@example.org", "a\r\n\r\nBcc: evil@example.org",
                             "a\001\002Bcc: evil@example.org", "a\177\013Bcc: evil@example.org"}) {
    fixture.SetText("customer.first_name", attack);
    CHECK(fixture.Mail("B", "S {{ customer.first_name }}").subject == "S a Bcc: evil@example.org");
    CHECK(fixture.Text("- {{ customer.first_name }}\n- b") == "- a Bcc: evil@example.org\n- b");
  }
  CHECK(fixture.Mail("B", "one\ntwo\n").subject == "one two");
}

TEST_CASE("escape: a mark cannot be forged by a value or by a text") {
  TemplateFixture fixture;
  fixture.SetText("customer.first_name", "\0010\002");
  CHECK(fixture.Text("{{ customer.first_name }}") == "0");
  CHECK(fixture.ProblemsOf("forged \0010\002") ==
        "SG000 10:10+1 a control character stands in the text | take it out");
}

}  // namespace
}  // namespace segue
