// What is wrong with a text is said at load, at its place.

#include <doctest/doctest.h>

#include "unit/templates/fixture.h"

namespace segue {
namespace {

TEST_CASE("texts: a good one has no problems") {
  TemplateFixture fixture;
  CHECK(fixture
            .ProblemsOf("Hi {{ customer.first_name | default: 'you' }}, {{ links.book }} {{ "
                        "account.name | default: \"x\" }} "
                        "{{ rfv }} {{ rfv.r }} {% if rfv is 'lost' %}x{% endif %}")
            .empty());
  fixture.workspace.layouts.clear();
  fixture.AddMail("other", "S", "B");
  fixture.Compile();
  CHECK(fixture.Problems().empty());  // Nor has the layout that comes with the program.
}

TEST_CASE("texts: unknown names, filters and tags are pointed at, with what was meant") {
  TemplateFixture fixture;
  CHECK(fixture.ProblemsOf("Hi {{ links.bok }}") ==
        "SG002 10:9+9 there is no links.bok | did you mean links.book?");
  CHECK(fixture.ProblemsOf("one\ntwo {{ offer.cod }}") ==
        "SG002 11:10+9 there is no offer.cod | did you mean offer.code?");
  CHECK(fixture.ProblemsOf("{{ body }}").starts_with("SG002 10:6+4 "));
  const std::string trait = fixture.ProblemsOf("Hi {{ customer.frist_name }}");
  INFO(trait);
  CHECK(trait.starts_with("SG002 10:9+"));
  CHECK(fixture.ProblemsOf("{{ links.book | defualt: 'x' }}") ==
        "SG002 10:19+7 no filter is called 'defualt' | did you mean default?");
  CHECK(fixture.ProblemsOf("{% for x in y %}") ==
        "SG002 10:3+16 no tag is called 'for' | there are if, elsif, else and endif; there are no "
        "loops");
  CHECK(fixture.ProblemsOf("{% if customer.news %}{% elseif customer.news %}{% endif %}")
            .starts_with("SG002 10:25+"));
  CHECK(fixture.ProblemsOf("{{ offer.expires | date: '%Q' }}")
            .starts_with("SG002 10:28+4 date does not know %Q"));
}

TEST_CASE("texts: what is not closed, empty or out of order is pointed at") {
  TemplateFixture fixture;
  CHECK(fixture.ProblemsOf("Hi {{ links.book }") ==
        "SG000 10:6+2 {{ is not closed | write }} where the value ends");
  CHECK(fixture.ProblemsOf("Hi {% if customer.news ") ==
        "SG000 10:6+2 {% is not closed | write %} where the tag ends");
  CHECK(fixture.ProblemsOf("a\n  {% if customer.news %} b") ==
        "SG000 11:5+22 this if has no {% endif %} | write {% endif %} where it ends");
  CHECK(fixture.ProblemsOf("a {% endif %}") ==
        "SG000 10:5+11 {% endif %} without an if before it | take it out");
  CHECK(fixture.ProblemsOf("{% if customer.news %}{% else %}{% else %}{% endif %}") ==
        "SG000 10:35+10 {% else %} after {% else %} | else is the last branch of an if");
  CHECK(fixture.ProblemsOf("{{ }}").starts_with("SG000 10:5+1 nothing stands between the braces"));
  CHECK(fixture.ProblemsOf("{% if %}x{% endif %}").starts_with("SG000 10:8+"));
  CHECK(fixture.ProblemsOf("{{ links.book | default: 'x' | percent }}") ==
        "SG000 10:32+10 a filter stands after default | write default last");
  CHECK(fixture.ProblemsOf("{{ links.book | default }}") ==
        "SG000 10:19+7 default does not say what to write | default: 'you'");
  CHECK(fixture.ProblemsOf("{{ links.book | default: you }}") ==
        "SG000 10:28+3 default wants a text in quotes or a number | default: 'text'");
}

TEST_CASE("texts: an if inside more ifs than a person writes is refused") {
  TemplateFixture fixture;
  std::string open, close;
  for (int i = 0; i < 16; ++i) {
    open += "{% if customer.news %}";
    close += "{% endif %}";
  }
  CHECK(fixture.ProblemsOf(open + "x" + close).empty());
  CHECK(fixture.ProblemsOf("{% if customer.news %}" + open + "x" + close + "{% endif %}")
            .find("more than 16 ifs stand inside each other") != std::string::npos);
  CHECK(fixture.ProblemsOf(std::string(200'000, 'x'))
            .starts_with("SG000 10:3+1 the text is longer than 128 kB"));
}

TEST_CASE("texts: filters fit the type of their value") {
  TemplateFixture fixture;
  CHECK(fixture.ProblemsOf("{{ customer.mrr | percent }}") ==
        "SG003 10:21+7 percent is for a number, and this value is none | take the filter out");
  CHECK(fixture.ProblemsOf("{{ offer.code | date }}") ==
        "SG003 10:19+4 date is for a time, and this value is none | take the filter out");
  CHECK(fixture.ProblemsOf("{{ customer.seats | money | default: 1 }}") ==
        "SG003 10:23+5 money is for money, and this value is none | take the filter out");
  CHECK(fixture.ProblemsOf("{{ customer.seats | percent: 7 }}") ==
        "SG000 10:32+1 percent takes 0, 1 or 2 digits after the point | percent: 1");
  CHECK(fixture.ProblemsOf("{% if customer.seats %}x{% endif %}").starts_with("SG003 10:9+"));
}

TEST_CASE(
    "texts: SG021 warns of a personal field without a default, unless the text asked whether it "
    "exists") {
  TemplateFixture fixture;
  const std::string warning =
      "warning SG021 10:6+19 customer.first_name has no default: a customer without it is not "
      "written to | "
      "{{ customer.first_name | default: 'you' }}";
  CHECK(fixture.ProblemsOf("{{ customer.first_name }}") == warning);
  CHECK(fixture.ProblemsOf("{{ customer.first_name | default: 'you' }}").empty());
  CHECK(
      fixture.ProblemsOf("{% if exists(customer.first_name) %}{{ customer.first_name }}{% endif %}")
          .empty());
  CHECK(fixture
            .ProblemsOf("{% if exists(customer.first_name) and customer.news %}{{ "
                        "customer.first_name }}{% endif %}")
            .empty());
  CHECK_FALSE(
      fixture
          .ProblemsOf(
              "{% if exists(customer.first_name) %}a{% else %}{{ customer.first_name }}{% endif %}")
          .empty());
  CHECK_FALSE(
      fixture
          .ProblemsOf("{% if exists(customer.first_name) %}a{% endif %}{{ customer.first_name }}")
          .empty());
  CHECK(fixture.ProblemsOf("{{ customer.plan }} {{ customer.mrr }}").empty());
}

TEST_CASE("texts: SG021 leaves alone what the `when` of everybody who sends the text asked for") {
  TemplateFixture fixture;
  fixture.AddMail("mail", "S", "Hi {{ customer.first_name }}");
  const auto asks = [&](Playbook& playbook) {
    Condition when;
    when.expr.op = Op::kExists;
    when.expr.args.resize(1);
    when.expr.args[0].op = Op::kLeaf;
    when.expr.args[0].leaf.name = "customer.first_name";
    playbook.when.push_back(when);
  };
  const auto warns = [&] {
    fixture.Compile();
    return fixture.Problems().find("SG021") != std::string::npos;
  };
  CHECK(warns());
  asks(fixture.AddPlaybook("one", "mail", Purpose::kService));
  CHECK_FALSE(warns());
  fixture.AddPlaybook("other", "mail", Purpose::kService);
  CHECK(warns());
  asks(fixture.workspace.playbooks[1]);
  CHECK_FALSE(warns());
}

TEST_CASE("texts: SG022 wants a way out in the layout of a mail that a marketing playbook sends") {
  TemplateFixture fixture;
  fixture.UseBareLayout();
  fixture.AddMail("mail", "S", "Use {{ offer.code }}");
  fixture.AddPlaybook("news", "mail", Purpose::kService);
  fixture.Compile();
  CHECK(fixture.Problems().empty());
  fixture.workspace.playbooks[0].purpose = Purpose::kMarketing;
  fixture.Compile();
  CHECK(fixture.Problems() ==
        "SG022 10:3+1 the html of this layout has no links.unsubscribe, and the marketing playbook "
        "news sends mail in it | "
        "write {{ links.unsubscribe }} in both its html and its text");
  fixture.workspace.layouts[0].html =
      fixture.At("{{ body }}<a href='{{ links.unsubscribe }}'>x</a>");
  fixture.Compile();
  CHECK(fixture.Problems().starts_with("SG022 10:3+1 the text of this layout"));
  fixture.workspace.layouts[0].text = fixture.At("{{ body }} {{ links.unsubscribe }}");
  fixture.Compile();
  CHECK(fixture.Problems().empty());
}

TEST_CASE("texts: action_name writes an action as its insight calls it") {
  TemplateFixture fixture;
  CHECK(fixture.ProblemsOf("{{ aha.missing | action_name }}").starts_with("SG002 10:6+11"));
  Insight insight;
  insight.publish_as = "aha";
  insight.actions.push_back({.event = 0, .words = "do it once more"});
  fixture.workspace.insights.push_back(insight);
  CHECK(fixture.ProblemsOf("{{ aha.missing | action_name | default: 'look around' }}").empty());
  CHECK(fixture.ProblemsOf("{{ aha.progress | action_name }}").starts_with("SG003 10:"));
}

TEST_CASE("texts: SG099 refuses what is not built, or tolerates it and renders nothing") {
  TemplateFixture fixture;
  CHECK(fixture.ProblemsOf("{{ count(order_placed, 30d) }}") ==
        "SG099 10:6+24 a text cannot count events that no model counts | make it a feature of a "
        "model and write "
        "MODEL.FEATURE here");
  fixture.Compile(true);
  CHECK(fixture.Problems().starts_with("warning SG099"));
  CHECK(fixture.templates->Render("mail", fixture.context).error().message() ==
        "count(order_placed, 30d) is not built yet");
}

TEST_CASE("texts: SG025 refuses a value at the start of an address that is not one of ours") {
  TemplateFixture fixture;
  CHECK(fixture.ProblemsOf("[x]({{ customer.csm | default: 'y' }})") ==
        "SG025 10:10+12 customer.csm stands where an address begins | begin the address with {{ "
        "links.NAME }}, or write it out");
  CHECK(fixture.ProblemsOf("[x]({{ links.book }}?a={{ customer.csm | default: 'y' }})").empty());
}

TEST_CASE("texts: SG025 refuses a value that could lengthen the host of an address") {
  TemplateFixture fixture;
  const std::string value = "{{ customer.csm | default: 'y' }}";
  for (const char* begun : {"https://shop", "https://", "{{ links.book }}", "//", "java", "/"}) {
    CAPTURE(begun);
    CHECK(fixture.ProblemsOf("[x](" + std::string(begun) + value + ")")
              .find("customer.csm stands in the host of an address | write the host out, and a / "
                    "before the first value") != std::string::npos);
  }
  for (const char* begun : {"https://shop.example/", "https://shop.example?a=", "{{ links.book }}/",
                            "/a", "#", "mailto:"}) {
    CAPTURE(begun);
    CHECK(fixture.ProblemsOf("[x](" + std::string(begun) + value + ")").empty());
  }
}

TEST_CASE("layouts: SG025 refuses a value wherever nothing makes it safe") {
  TemplateFixture fixture;

  struct Row {
    const char* html;
    const char* problem;  // Its beginning after the place; empty: none.
  };

  for (const Row& row : std::initializer_list<Row>{
           {"<p>{{ subject }}</p>{{ body }}", ""},
           {"<a title=\"{{ subject }}\" href='{{ links.book }}'>{{ body }}</a>", ""},
           {"<a title = \"{{ subject }}\" >{{ body }}</a>", ""},
           {"<a href=\"https://x.example/?s={{ subject }}\">{{ body }}</a>", ""},
           {"<a href=\"https://x{{ subject }}/\">{{ body }}</a>",
            "subject stands in the host of an address"},
           {"<a href=\"{{ links.book }}{{ subject }}\">{{ body }}</a>",
            "subject stands in the host of an address"},
           {"<title>{{ subject }}</title><style>p > a { color: red }</style>{{ body }}", ""},
           {"<!-- a > b --><!doctype html>{{ body }}", ""},
           {"<a href=\"https://x.example/?a={{ subject }}\">{{ body }}</a>", ""},
           {"<a title={{ subject }}>{{ body }}</a>",
            "subject stands in an attribute without quotes"},
           {"<a title=x{{ subject }}>{{ body }}</a>",
            "subject stands in an attribute without quotes"},
           {"<script>var a = '{{ subject }}'</script>{{ body }}", "subject stands in <script>"},
           {"<STYLE>a { color: {{ subject }} }</STYLE>{{ body }}", "subject stands in <style>"},
           {"<!-- {{ subject }} -->{{ body }}", "subject stands in a comment or declaration"},
           {"<!doctype {{ subject }}>{{ body }}", "subject stands in a comment or declaration"},
           {"<a onclick=\"{{ subject }}\">{{ body }}</a>",
            "subject stands in the attribute onclick"},
           {"<a OnClick='x{{ subject }}'>{{ body }}</a>",
            "subject stands in the attribute onclick"},
           {"<p style=\"color:{{ subject }}\">{{ body }}</p>",
            "subject stands in the attribute style"},
           {"<a {{ subject }}>{{ body }}</a>", "subject stands inside a tag"},
           {"<{{ subject }}>{{ body }}", "subject stands inside a tag"},
           {"<a {{ subject }}=\"x\">{{ body }}</a>", "subject stands inside a tag"},
           {"<a href=\"{{ subject }}\">{{ body }}</a>", "subject stands where an address begins"},
           {"<img src=' {{ subject }}'>{{ body }}", "subject stands where an address begins"},
           {"<a href=\"JavaScript:x('{{ subject }}')\">{{ body }}</a>",
            "subject stands in an address that a browser runs"},
           {"<p title=\"{{ body }}\">", "body stands outside the text"},
           {"{{ body }}<p title=\"", "the layout ends inside a tag"},
           {"{{ body }}<style>", "the layout ends inside a tag"},
           {"{% if customer.news %}<p title=\"{% endif %}{{ body }}",
            "the branches of this if end at different places"},
           {"{% if customer.news %}<b>{% else %}<i title='x'>{% endif %}{{ body }}", ""},
           {"<p title=\"{% if customer.news %}a{% endif %}\">{{ body }}", ""}}) {
    INFO("layout: " << row.html);
    const std::string problems = fixture.ProblemsOfLayout(row.html);
    INFO("problems: " << problems);
    if (*row.problem == '\0') {
      CHECK(problems.empty());
    } else {
      CHECK(problems.starts_with("SG025 10:"));
      CHECK(problems.find(row.problem) != std::string::npos);
    }
  }
}

TEST_CASE("layouts: SG026 wants the body in both parts") {
  TemplateFixture fixture;
  CHECK(
      fixture.ProblemsOfLayout("<p>hello</p>") ==
      "SG026 10:3+1 the layout default does not say where the body goes | write {{ body }} there");
}

}  // namespace
}  // namespace segue
