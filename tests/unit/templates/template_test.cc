// Rendering: values, filters, conditions, layouts, and what happens when something is missing.

#include <doctest/doctest.h>

#include "base/money.h"
#include "support/golden.h"
#include "unit/templates/fixture.h"

namespace segue {
namespace {

std::string ReplaceAmpersands(std::string_view text) {
  std::string out;
  for (const char c : text) {
    out += c == '&' ? std::string("&amp;") : std::string(1, c);
  }
  return out;
}

TEST_CASE("template: a value stands where its name stood, in the subject and both parts") {
  TemplateFixture fixture;
  fixture.SetText("customer.first_name", "Lara");
  const RenderedMessage mail =
      fixture.Mail("Dear {{ customer.first_name }},\nhello.", "Hi {{ customer.first_name }}");
  CHECK(mail.subject == "Hi Lara");
  CHECK(mail.html == "<body><p>Dear Lara,\nhello.</p>\n</body>");
  CHECK(mail.text == "Dear Lara, hello.");
}

TEST_CASE("template: a missing value takes its default, and without one nothing is rendered") {
  TemplateFixture fixture;
  CHECK(fixture.Text("Hi {{ customer.first_name | default: 'you' }}") == "Hi you");
  CHECK(fixture.Text("Hi {{ customer.first_name | default: '' }}!") == "Hi !");
  CHECK(fixture.Text("Hi {{ customer.first_name }}") ==
        "error: customer.first_name has no value, and the text gives no default");
  fixture.SetText("customer.first_name", "  ");
  CHECK(fixture.Text("Hi {{ customer.first_name | default: 'you' }}") == "Hi you");
  CHECK(fixture.Text("{{ offer.code }}") ==
        "error: offer.code has no value, and the text gives no default");
}

TEST_CASE(
    "template: where nobody wants the body, a message is refused for the same reasons, and costs "
    "less") {
  TemplateFixture fixture;
  const std::string greeting = "Hi {{ customer.first_name }}, [look](https://shop.example)";
  fixture.context.wants_body = false;
  CHECK(fixture.Mail(greeting).html == fixture.Text("{{ customer.first_name }}"));
  CHECK(fixture.Mail(greeting).html.starts_with("error: customer.first_name has no value"));
  CHECK(fixture.Mail("Hi", "{{ customer.first_name | default: '' }}").html ==
        "error: the subject is empty");
  fixture.SetText("customer.first_name", "Lara");
  const RenderedMessage mail = fixture.Mail(greeting, "To {{ customer.first_name }}");
  CHECK(mail.subject == "To Lara");
  CHECK(mail.html == "<body></body>");
  // What may grow too large is made all the same.
  const std::string large(16'000, '&');
  CHECK(fixture.Mail(large).html == "<body><p>" + ReplaceAmpersands(large) + "</p>\n</body>");
}

TEST_CASE("template: every type has a way to be read") {
  TemplateFixture fixture;
  fixture.SetText("customer.plan", "team");
  fixture.inputs.values["customer.mrr"] = 123456;
  fixture.inputs.values["customer.signed_up"] = 1774500000000000;  // 2026-03-26 04:40 UTC
  fixture.inputs.values["customer.news"] = 1;
  fixture.inputs.values["customer.seats"] = 2.5;
  fixture.inputs.values["rfv.usage"] = 0.8744;
  CHECK(fixture.Text("{{ customer.plan }}") == "team");
  CHECK(fixture.Text("{{ customer.mrr }}") == FormatMoney(123456, "EUR"));
  CHECK(fixture.Text("{{ customer.mrr | money }}") == FormatMoney(123456, "EUR"));
  CHECK(fixture.Text("{{ customer.signed_up }}") == "2026-03-26");
  CHECK(fixture.Text("{{ customer.news }}") == "yes");
  CHECK(fixture.Text("{{ customer.seats }}") == "2.5");
  CHECK(fixture.Text("{{ customer.seats * 2 }}") == "5");
  CHECK(fixture.Text("{{ rfv.usage | percent }}") == "87%");
  CHECK(fixture.Text("{{ rfv.usage | percent: 1 }}") == "87.4%");
  CHECK(fixture.Text("{{ since(customer.signed_up) + 3d }}") == "3d");
}

TEST_CASE("template: dates are those on the person's wall") {
  TemplateFixture fixture;
  fixture.context.names["offer.expires"] = "2026-03-31T23:30:00Z";
  const std::string body =
      "{{ offer.expires | date: '%-d %B, %A %d.%m.%y %H:%M %-I %b %a %Y %%' }}";
  CHECK(fixture.Text(body) == "31 March, Tuesday 31.03.26 23:30 11 Mar Tue 2026 %");
  fixture.context.zone = *Zone::Find("Europe/Lisbon");
  CHECK(fixture.Text(body) == "1 April, Wednesday 01.04.26 00:30 12 Apr Wed 2026 %");
  CHECK(fixture.Text("{{ offer.expires }}") == "2026-04-01");
}

TEST_CASE(
    "template: conditions choose a branch, and a tag alone on its line leaves no line behind") {
  TemplateFixture fixture;
  const std::string body =
      "- one\n{% if customer.plan is 'team' %}\n- two\n{% elsif customer.plan is 'free' %}\n- "
      "three\n{% else %}\n- four\n"
      "{% endif %}\n- five";
  CHECK(fixture.Text(body) == "- one\n- four\n- five");
  fixture.SetText("customer.plan", "team");
  CHECK(fixture.Text(body) == "- one\n- two\n- five");
  fixture.SetText("customer.plan", "free");
  CHECK(fixture.Text(body) == "- one\n- three\n- five");
  CHECK(fixture.Text("a{% if customer.news %} b{% endif %} c") == "a c");
  fixture.inputs.values["customer.news"] = 1;
  CHECK(fixture.Text("a{% if customer.news %} b{% if not customer.news %}x{% else %}y{% endif %}{% "
                     "endif %} c") == "a by c");
  CHECK(fixture.Text("{% if offer.code %}{{ offer.code }}{% else %}none{% endif %}") == "none");
}

TEST_CASE("template: a bare address at the end of a paragraph becomes a button, elsewhere a link") {
  TemplateFixture fixture;
  const std::string end = fixture.Html("Read on. {{ links.book }}");
  CHECK(end.starts_with(
      "<p>Read on.</p>\n<p><a class=\"button\" href=\"https://lumen.example/book\" style="));
  CHECK(end.ends_with(">lumen.example/book</a></p>\n"));
  CHECK(fixture.Text("Read on. {{ links.book }}") == "Read on. https://lumen.example/book");
  CHECK(fixture.Html("See {{ links.book }} now") ==
        "<p>See <a href=\"https://lumen.example/book\">lumen.example/book</a> now</p>\n");
  CHECK(fixture.Html("[Show me]({{ links.guide_two }})")
            .starts_with(
                "<p><a class=\"button\" href=\"https://lumen.example/guide-two?c=1&amp;s=2\""));
  CHECK(fixture.Text("[Show me]({{ links.guide_two }})") ==
        "Show me (https://lumen.example/guide-two?c=1&s=2)");
  CHECK(fixture.Html("{{ links.book }}").starts_with("<p><a class=\"button\""));
  CHECK(fixture.Html("A {{ links.book }} {{ links.guide_two }}").find("button") ==
        std::string::npos);
  CHECK(fixture.Html(
            "See [that]({{ links.book }}?x={{ customer.first_name | default: 'a b&c' }}).") ==
        "<p>See <a href=\"https://lumen.example/book?x=a%20b%26c\">that</a>.</p>\n");
}

TEST_CASE("template: an address that is none is an error, not a link to nowhere") {
  TemplateFixture fixture;
  fixture.context.names["links.book"] = "javascript:alert(1)";
  CHECK(fixture.Html("{{ links.book }}").starts_with("error: links.book is not a web address"));
}

TEST_CASE(
    "template: a variant takes the place of what it names, and the first stands in for one that is "
    "not there") {
  TemplateFixture fixture;
  fixture.UseBareLayout();
  Template& mail = fixture.AddMail("mail", "Own", "Own body");
  mail.variants.emplace_back("calls", TemplateBody());
  mail.variants[0].second.subject = fixture.At("Calls");
  mail.variants.emplace_back("library", TemplateBody());
  mail.variants[1].second.body = fixture.At("Library body");
  Templates& templates = fixture.Compile();
  CHECK(templates.Render("mail", fixture.context)->subject == "Calls");
  CHECK(templates.Render("mail", fixture.context)->text == "Own body");
  fixture.context.variant = "library";
  CHECK(templates.Render("mail", fixture.context)->subject == "Own");
  CHECK(templates.Render("mail", fixture.context)->text == "Library body");
}

TEST_CASE("template: values, title, button, link and reply_to of messages that are no mail") {
  TemplateFixture fixture;
  Template in_app;
  in_app.id = "guide";
  in_app.channel = "in_app";
  in_app.body.title = fixture.At("Used {{ rfv.usage | percent }}");
  in_app.body.body = fixture.At("At **this** pace.");
  in_app.body.button = fixture.At("See options");
  in_app.body.link = "book";
  in_app.values["feature"] = fixture.At("{{ customer.first_name | default: 'none' }}");
  in_app.reply_to = fixture.At("{{ customer.csm | default: 'help@lumen.example' }}");
  fixture.workspace.templates = {in_app};
  fixture.inputs.values["rfv.usage"] = 0.5;
  const Result<RenderedMessage> message = fixture.Compile().Render("guide", fixture.context);
  REQUIRE(message.has_value());
  CHECK(message->title == "Used 50%");
  CHECK(message->html == "<p>At <strong>this</strong> pace.</p>\n");
  CHECK(message->text == "At this pace.");
  CHECK(message->button == "See options");
  CHECK(message->link == "https://lumen.example/book");
  CHECK(message->values.at("feature") == "none");
  CHECK(message->reply_to == "help@lumen.example");
  CHECK(message->subject.empty());
}

TEST_CASE("template: texts of steps are rendered as words, as one line, or escaped whole") {
  TemplateFixture fixture;
  fixture.SetText("customer.first_name", "A <b>\r\nBcc: x");
  const TextWithValues text = fixture.At("Call {{ customer.first_name }}\nsoon & now");
  Playbook& playbook = fixture.AddPlaybook("p", "none", Purpose::kSuccess);
  playbook.steps[0].kind = Step::Kind::kTask;
  playbook.steps[0].title = text;
  Templates& templates = fixture.Compile();
  CHECK(*templates.RenderText(text, fixture.context, Escape::kNone) ==
        "Call A <b> Bcc: x\nsoon & now");
  CHECK(*templates.RenderText(text, fixture.context, Escape::kHeader) ==
        "Call A <b> Bcc: x soon & now");
  CHECK(*templates.RenderText(text, fixture.context, Escape::kHtml) ==
        "Call A &lt;b&gt; Bcc: x\nsoon &amp; now");
  CHECK(*templates.RenderText(fixture.At("new {{ 1 + 1 }}"), fixture.context, Escape::kNone) ==
        "new 2");
  CHECK(templates.RenderText(fixture.At("{{ customer.nobody }}"), fixture.context, Escape::kNone)
            .has_error());
}

TEST_CASE(
    "template: what is asked for and is not there, or grows without end, is an error in words") {
  TemplateFixture fixture;
  fixture.Compile();
  CHECK(fixture.templates->Render("nothing", fixture.context).error().message() ==
        "there is no template nothing");
  fixture.SetText("customer.first_name", std::string(300 * 1024, 'x'));
  CHECK(fixture.Text("{{ customer.first_name }}{{ customer.first_name }}") ==
        "error: the text grows over 512 kB");
  fixture.SetText("customer.first_name", std::string(200 * 1024, '<'));
  CHECK(fixture.Html("{{ customer.first_name }}") == "error: the text grows over 512 kB");
  fixture.SetText("customer.first_name", "\xff\xfe");
  CHECK(fixture.Text("{{ customer.first_name }}") == "error: customer.first_name is not UTF-8");
  CHECK(fixture.Mail("Body", "{{ customer.csm | default: '' }}").text ==
        "error: the subject is empty");
}

TEST_CASE("template: a complete mail in the layout that comes with the program") {
  TemplateFixture fixture;
  fixture.SetText("customer.first_name", "Lara & Søren <3");
  fixture.SetText("customer.plan", "team");
  fixture.context.names["offer.code"] = "WIN-7K2M";
  fixture.context.names["offer.expires"] = "2026-03-31T22:59:59Z";
  Template& mail = fixture.AddMail(
      "mail", "{{ customer.first_name | default: 'Hello' }}, your first ten minutes",
      "# Welcome, {{ customer.first_name | default: 'friend' }}\n\n"
      "Three small things get you going:\n\n"
      "1. make a **project**\n2. add one *real* task\n3. switch on `reminders`\n\n"
      "{% if customer.plan is 'team' %}\n"
      "> Your team shares one space. [Invite them]({{ links.book }}) when you are ready.\n"
      "{% endif %}\n\n"
      "Use {{ offer.code }} before {{ offer.expires | date: '%-d %B' }} and we take a fifth "
      "off.\n\n"
      "[Show me how]({{ links.guide_two }})\n\n---\n\n"
      "Or read the guide at your own pace. {{ links.guide_two }}\n");
  mail.body.preheader = fixture.At("Three small things, and one code");
  fixture.AddPlaybook("welcome", "mail", Purpose::kMarketing).offer = "winback";
  const Result<RenderedMessage> message = fixture.Compile().Render("mail", fixture.context);
  REQUIRE(message.has_value());
  CHECK(fixture.Problems().empty());
  CheckGolden("render/welcome.html", message->html);
  CheckGolden("render/welcome.txt", "Subject: " + message->subject + "\nPreheader: " +
                                        message->preheader + "\n\n" + message->text);
}

TEST_CASE("template: rendering twice gives the same bytes") {
  TemplateFixture fixture;
  fixture.AddMail("mail", "S", "Hello {{ links.book }}");
  Templates& templates = fixture.Compile();
  CHECK(templates.Render("mail", fixture.context)->html ==
        templates.Render("mail", fixture.context)->html);
}

TEST_CASE("template: the preheader stands first in the body, hidden, and only where there is one") {
  TemplateFixture fixture;
  fixture.UseBareLayout();
  fixture.AddMail("mail", "S", "Body").body.preheader = fixture.At("Pre <b>");
  const std::string html = fixture.Compile().Render("mail", fixture.context)->html;
  CHECK(html.starts_with("<body>\n<div style=\"display:none;"));
  CHECK(html.find("Pre &lt;b&gt;&#847;") != std::string::npos);
  CHECK(html.find("Pre") < html.find("<p>Body"));
  CHECK(fixture.Html("Body") == "<p>Body</p>\n");
}

}  // namespace
}  // namespace segue
