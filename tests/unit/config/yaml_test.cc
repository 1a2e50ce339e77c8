#include "config/yaml.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "example.h"

namespace segue {
namespace {

struct Parsed {
  std::vector<YamlDocument> documents;
  Diagnostics diagnostics;
};

Parsed Parse(const std::string& text, bool markdown = false) {
  Parsed parsed;
  Report report(parsed.diagnostics);
  parsed.documents = ParseYaml(0, text, markdown, report);
  return parsed;
}

// "line:column message" of the first problem.
std::string FirstProblem(const std::string& text) {
  const Parsed parsed = Parse(text);
  return parsed.diagnostics.empty()
             ? "none"
             : fmt::format("{}:{} {}", parsed.diagnostics[0].place.line,
                           parsed.diagnostics[0].place.column, parsed.diagnostics[0].message);
}

std::string Where(const Place& place) {
  return fmt::format("{}:{}+{}", place.line, place.column, place.length);
}

TEST_CASE("every value knows its line, column and length, and whether it was quoted") {
  const Parsed parsed = Parse(
      "a: é x   # comment\n"
      "---\n"
      "b: \"q\\\"x\"\n"
      "c: {d: [1, 'it''s'], e: f g}\n"
      "h:\n"
      "  - i: j\n"
      "    k:\n");
  CHECK(parsed.diagnostics.empty());
  REQUIRE(parsed.documents.size() == 2);
  const Node& a = *parsed.documents[0].root.Find("a");
  CHECK(a.text == "é x");
  CHECK(a.plain());
  CHECK(Where(a.place) == "1:4+4");
  const Node& root = parsed.documents[1].root;
  CHECK(root.Find("b")->text == "q\"x");
  CHECK(root.Find("b")->quoted);
  CHECK(Where(root.Find("b")->place) == "3:4+6");
  const Node& c = *root.Find("c");
  CHECK(c.flow);
  CHECK(Where(c.place) == "4:4+1");
  CHECK(Where(c.Find("d")->items[1].place) == "4:12+7");
  CHECK(c.Find("d")->items[1].text == "it's");
  CHECK(Where(c.Find("e")->place) == "4:25+3");
  // An empty value stands where its key stands.
  const Node& k = *root.Find("h")->items[0].Find("k");
  CHECK(k.kind == Node::Kind::kNull);
  CHECK(Where(k.place) == "7:5+1");
}

TEST_CASE("a | text keeps its lines, and a place in it is found line by line") {
  const std::string text = "a:\n  - b: |\n      one\n\n      two three\n    c: d\n";
  const Parsed parsed = Parse(text);
  REQUIRE(parsed.diagnostics.empty());
  const Node& b = *parsed.documents[0].root.Find("a")->items[0].Find("b");
  CHECK(b.block);
  CHECK(b.text == "one\n\ntwo three\n");
  CHECK(b.indent == 6);
  const std::vector<SourceFile> files = {{"a.yaml", text}};
  CHECK(Where(PlaceInText(b, 0, 3, files)) == "3:7+3");
  CHECK(Where(PlaceInText(b, 9, 14, files)) == "5:11+5");
}

TEST_CASE("a place in a quoted text is found behind its escapes") {
  const std::string text = "a: \"x\\\"y z\"\nb: 'it''s z'\n";
  const Parsed parsed = Parse(text);
  const std::vector<SourceFile> files = {{"a.yaml", text}};
  const Node& root = parsed.documents[0].root;
  CHECK(Where(PlaceInText(*root.Find("a"), 4, 5, files)) == "1:10+1");
  CHECK(Where(PlaceInText(*root.Find("b"), 5, 6, files)) == "2:11+1");
}

TEST_CASE("yes, no, on, off and numbers are plain text") {
  const Parsed parsed = Parse("on: yes\noff: 0x1F\nno: 0123\n");
  REQUIRE(parsed.diagnostics.empty());
  const Node& root = parsed.documents[0].root;
  CHECK(root.Find("on")->text == "yes");
  CHECK(root.Find("off")->text == "0x1F");
  CHECK(root.Find("no")->text == "0123");
}

TEST_CASE("slips of layout are found where they were made") {
  CHECK(FirstProblem("a: 'x\nb: 'y'\n") == "1:4 this quote is not closed on its line");
  CHECK(FirstProblem("a: {b: c\nd: e\n") == "1:4 this { is never closed");
  CHECK(FirstProblem("a: [b, {c: d]\n") == "1:8 this { is closed by ] on line 1");
  CHECK(FirstProblem("a: [b, c, ]\n") == "1:11 nothing stands between the comma and ]");
  CHECK(FirstProblem("a: {b: c,\n    d: e\n    f: g}\n") ==
        "2:9 a comma is missing at the end of this line");
  CHECK(FirstProblem("a: b\nc d\n") == "2:1 expected `key: value`, but there is no colon");
  CHECK(FirstProblem("a:\n  - wait 3d\n    until: x\n") ==
        "2:5 expected `key: value`, but there is no colon");
  CHECK(FirstProblem("a: b: c\n") == "1:5 a second colon in one value");
  CHECK(FirstProblem("a: \"x\" y\n") == "1:8 text behind the closing quote");
  CHECK(FirstProblem("a: x\" y\n") == "1:5 this quote has no partner");
  CHECK(FirstProblem("a: [b] c\n") == "1:8 text behind the closing bracket");
  CHECK(FirstProblem("a:\n  b: 1\n   c: 2\n") ==
        "3:1 indented by 3 spaces, which fits no block above: line 2 begins a block with 2");
  CHECK(FirstProblem("a:\n   b: 1\n  c: 2\n") ==
        "3:1 indented by 2 spaces, which fits no block above: line 1 begins a block with 0, line 2 "
        "one with 3");
  CHECK(FirstProblem("a:\n  - b: |\n      x\n     y\n") ==
        "4:1 this line of the text is indented less than the first");
  CHECK(FirstProblem("a: b\na: c\n") == "2:1 `a` stands twice in one place, first on line 1");
  CHECK(FirstProblem("--- a\nb: c\n") == "1:4 text behind ---");
}

TEST_CASE("tabs, anchors, aliases, merge keys, tags and other second meanings are refused") {
  CHECK(FirstProblem("a:\tb\n") == "1:3 a tab");
  CHECK(FirstProblem(std::string("a: b\0c\n", 7)) == "1:5 a control character");
  CHECK(FirstProblem("a: \xff\n") == "1:1 the line is not UTF-8 text");
  CHECK(FirstProblem("a: &x b\n") == "1:4 anchors and aliases are not part of the language");
  CHECK(FirstProblem("a: *x\n") == "1:4 anchors and aliases are not part of the language");
  CHECK(FirstProblem("<<: {b: c}\n") == "1:1 merge keys are not part of the language");
  CHECK(FirstProblem("a: !int 3\n") == "1:4 tags are not part of the language");
  CHECK(FirstProblem("a: >\n  b\n") == "1:4 `>` is not how a text of several lines begins");
  CHECK(FirstProblem("a: @b\n") == "1:4 a value cannot begin with `@`");
}

TEST_CASE("nesting and size have limits, and a hostile file meets them quietly") {
  CHECK(FirstProblem("a: " + std::string(100, '[') + std::string(100, ']') + "\n") ==
        "1:68 nested deeper than 64 levels");
  std::string deep;
  for (std::size_t i = 0; i < 100; ++i) {
    deep += std::string(i, ' ') + "a:\n";
  }
  CHECK(FirstProblem(deep).find("nested deeper than 64 levels") != std::string::npos);
  std::string large = "a: b\n";
  large.resize(kFileBytesMax + 1, '#');
  CHECK(FirstProblem(large) == "1:1 the file is larger than 10 MB");
}

TEST_CASE("a broken document does not take the ones around it with it") {
  const Parsed parsed = Parse("a: b\n---\nc: 'd\n---\ne: f\n");
  REQUIRE(parsed.documents.size() == 3);
  CHECK(parsed.documents[0].root.Find("a") != nullptr);
  CHECK(parsed.documents[1].broken);
  CHECK(parsed.documents[2].root.Find("e")->place.line == 5);
  CHECK(parsed.diagnostics.size() == 1);
}

TEST_CASE("a Markdown template has its keys between two --- lines and its body below") {
  const Parsed parsed = Parse("---\ntemplate: t\n---\nHello\n\n\tcode\n", true);
  CHECK(parsed.diagnostics.empty());
  REQUIRE(parsed.documents.size() == 1);
  const Node& body = *parsed.documents[0].root.Find("body");
  CHECK(body.text == "Hello\n\n\tcode\n");
  CHECK(body.place.line == 3);
  CHECK(Parse("template: t\n", true).diagnostics.size() == 1);
  CHECK(Parse("", true).diagnostics.size() == 1);
}

TEST_CASE("Windows line ends and a byte order mark change nothing") {
  std::string text =
      "\xef\xbb\xbf"
      "a: b\r\nc: d\r\n";
  SimplifyText(text);
  CHECK(text == "a: b\nc: d\n");
}

}  // namespace
}  // namespace segue
