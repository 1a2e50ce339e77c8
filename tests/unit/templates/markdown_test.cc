// Markdown to HTML and to plain text.

#include <doctest/doctest.h>

#include "templates/template.h"

namespace segue {
namespace {

struct Row {
  const char* markdown;
  const char* html;
  const char* text;
};

void CheckRows(std::initializer_list<Row> rows) {
  for (const Row& row : rows) {
    INFO("markdown: " << row.markdown);
    CHECK(MarkdownToHtml(row.markdown) == row.html);
    CHECK(MarkdownToText(row.markdown) == row.text);
  }
}

TEST_CASE("markdown: paragraphs are set apart by empty lines and keep their lines together") {
  CheckRows({{"", "", ""},
             {"one", "<p>one</p>\n", "one"},
             {"one\ntwo", "<p>one\ntwo</p>\n", "one two"},
             {"one\n\ntwo\n", "<p>one</p>\n<p>two</p>\n", "one\n\ntwo"},
             {"one\r\n\r\ntwo", "<p>one</p>\n<p>two</p>\n", "one\n\ntwo"},
             {"one  \ntwo", "<p>one<br>\ntwo</p>\n", "one\ntwo"},
             {"one\\\ntwo", "<p>one<br>\ntwo</p>\n", "one\ntwo"}});
}

TEST_CASE("markdown: headings, rules, quotes and code") {
  CheckRows({{"# One", "<h1>One</h1>\n", "One\n==="},
             {"## Two ##", "<h2>Two</h2>\n", "Two\n---"},
             {"###### Six", "<h6>Six</h6>\n", "Six"},
             {"####### Seven", "<p>####### Seven</p>\n", "####### Seven"},
             {"#hash", "<p>#hash</p>\n", "#hash"},
             {"a\n# B\nc", "<p>a</p>\n<h1>B</h1>\n<p>c</p>\n", "a\n\nB\n=\n\nc"},
             {"a\n\n---\n\nb", "<p>a</p>\n<hr>\n<p>b</p>\n", "a\n\n----------\n\nb"},
             {"* * *", "<hr>\n", "----------"},
             {"> said\n> so", "<blockquote>\n<p>said\nso</p>\n</blockquote>\n", "> said so"},
             {"> a\n>\n> b", "<blockquote>\n<p>a</p>\n<p>b</p>\n</blockquote>\n", "> a\n>\n> b"},
             {"use `a < b`", "<p>use <code>a &lt; b</code></p>\n", "use a < b"},
             {"`` a ` b ``", "<p><code>a ` b</code></p>\n", "a ` b"},
             {"a ` b", "<p>a ` b</p>\n", "a ` b"},
             {"```sh\nls *\n\n  x\n```\nend", "<pre><code>ls *\n\n  x\n</code></pre>\n<p>end</p>\n",
              "    ls *\n\n      x\n\nend"},
             {"~~~\nopen", "<pre><code>open\n</code></pre>\n", "    open"}});
}

TEST_CASE(
    "markdown: lists, tight and loose, numbered from where they begin, and one inside another") {
  CheckRows(
      {{"- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>\n", "- a\n- b"},
       {"* a\n+ b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>\n", "- a\n- b"},
       {"1. a\n2. b", "<ol>\n<li>a</li>\n<li>b</li>\n</ol>\n", "1. a\n2. b"},
       {"3) c\n9) d", "<ol start=\"3\">\n<li>c</li>\n<li>d</li>\n</ol>\n", "3. c\n4. d"},
       {"- a\n\n- b", "<ul>\n<li><p>a</p>\n</li>\n<li><p>b</p>\n</li>\n</ul>\n", "- a\n\n- b"},
       {"text\n- a", "<p>text</p>\n<ul>\n<li>a</li>\n</ul>\n", "text\n\n- a"},
       {"In\n2026. It", "<p>In\n2026. It</p>\n", "In 2026. It"},
       {"- a\n  more\nlazy\n- b", "<ul>\n<li>a\nmore\nlazy</li>\n<li>b</li>\n</ul>\n",
        "- a more lazy\n- b"},
       {"- a\n  - b\n  - c\n- d",
        "<ul>\n<li>a<ul>\n<li>b</li>\n<li>c</li>\n</ul>\n</li>\n<li>d</li>\n</ul>\n",
        "- a\n  - b\n  - c\n- d"},
       {"1. a\n   - b\n2. c", "<ol>\n<li>a<ul>\n<li>b</li>\n</ul>\n</li>\n<li>c</li>\n</ol>\n",
        "1. a\n   - b\n2. c"},
       {"- a\n\nafter", "<ul>\n<li>a</li>\n</ul>\n<p>after</p>\n", "- a\n\nafter"},
       {"- a\n1. b", "<ul>\n<li>a</li>\n</ul>\n<ol>\n<li>b</li>\n</ol>\n", "- a\n\n1. b"},
       {"-not", "<p>-not</p>\n", "-not"}});
}

TEST_CASE("markdown: stars and underscores pair as CommonMark says") {
  CheckRows({{"*a*", "<p><em>a</em></p>\n", "a"},
             {"**a**", "<p><strong>a</strong></p>\n", "a"},
             {"***a***", "<p><em><strong>a</strong></em></p>\n", "a"},
             {"**a *b* c**", "<p><strong>a <em>b</em> c</strong></p>\n", "a b c"},
             {"*a **b** c*", "<p><em>a <strong>b</strong> c</em></p>\n", "a b c"},
             {"_a_ __b__", "<p><em>a</em> <strong>b</strong></p>\n", "a b"},
             {"snake_case_word", "<p>snake_case_word</p>\n", "snake_case_word"},
             {"2 * 3 * 4", "<p>2 * 3 * 4</p>\n", "2 * 3 * 4"},
             {"*open", "<p>*open</p>\n", "*open"},
             {"**half*", "<p>*<em>half</em></p>\n", "*half"},
             {"\\*not\\*", "<p>*not*</p>\n", "*not*"},
             {"*a _b* c_", "<p><em>a _b</em> c_</p>\n", "a _b c_"}});
}

TEST_CASE("markdown: links show their address in plain text, and lead only where a mail may lead") {
  CheckRows({{"[a](https://b.example)", "<p><a href=\"https://b.example\">a</a></p>\n",
              "a (https://b.example)"},
             {"x [a *b*](https://c.example/?d=1&e=2 \"t\") y",
              "<p>x <a href=\"https://c.example/?d=1&amp;e=2\">a <em>b</em></a> y</p>\n",
              "x a b (https://c.example/?d=1&e=2) y"},
             {"[a](<https://b.example/x y>)", "<p><a href=\"https://b.example/x%20y\">a</a></p>\n",
              "a (https://b.example/x%20y)"},
             {"[a](https://b.example/(c))", "<p><a href=\"https://b.example/(c)\">a</a></p>\n",
              "a (https://b.example/(c))"},
             {"<https://b.example>", "<p><a href=\"https://b.example\">https://b.example</a></p>\n",
              "https://b.example"},
             {"<mailto:a@b.example>", "<p><a href=\"mailto:a@b.example\">a@b.example</a></p>\n",
              "a@b.example"},
             {"[a](javascript:alert(1))", "<p>a</p>\n", "a"},
             {"[a](JaVaScRiPt:x)", "<p>a</p>\n", "a"},
             {"[a](data:text/html,x)", "<p>a</p>\n", "a"},
             {"[a](\tjavascript:x)", "<p>a</p>\n", "a"},
             {"[a] (b)", "<p>[a] (b)</p>\n", "[a] (b)"},
             {"[a](b", "<p>[a](b</p>\n", "[a](b"},
             {"[a [b](https://c.example)", "<p>[a <a href=\"https://c.example\">b</a></p>\n",
              "[a b (https://c.example)"}});
}

TEST_CASE("markdown: HTML is shown as it was typed") {
  CheckRows({{"<b>x</b>", "<p>&lt;b&gt;x&lt;/b&gt;</p>\n", "<b>x</b>"},
             {"a & b", "<p>a &amp; b</p>\n", "a & b"},
             {"<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>\n",
              "<script>alert(1)</script>"},
             {"# <i>", "<h1>&lt;i&gt;</h1>\n", "<i>\n==="}});
}

TEST_CASE("markdown: deep nesting ends, and long runs of signs take no long time") {
  std::string quotes(5000, '>');
  CHECK(MarkdownToHtml(quotes + " x").size() < 100'000);
  std::string stars;
  for (int i = 0; i < 20'000; ++i) {
    stars += "*a ";
  }
  CHECK(MarkdownToHtml(stars).size() < 100'000);
  std::string brackets(20'000, '[');
  CHECK(MarkdownToHtml(brackets + "](").size() > 20'000);
  std::string pairs;
  for (int i = 0; i < 5'000; ++i) {
    pairs += "*a **b _c ";
  }
  CHECK(MarkdownToHtml(pairs).size() < 200'000);
  std::string nested;
  for (int i = 0; i < 200; ++i) {
    nested += std::string(static_cast<std::size_t>(i) * 2, ' ') + "- x\n";
  }
  CHECK(MarkdownToHtml(nested).find("- x") != std::string::npos);
}

}  // namespace
}  // namespace segue
