// Tests of `segue fmt`: what it does to a file, and that it never changes what a file says.

#include "config/fmt.h"

#include <algorithm>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "config/yaml.h"
#include "example.h"
#include "support/dice.h"
#include "support/thorough.h"

namespace segue {
namespace {

std::string Formatted(const std::string& text, const std::string& path = "rules/a.yaml") {
  Diagnostics problems;
  const std::optional<std::string> done = FormatFile({path, text}, problems);
  INFO(FormatDiagnostics(problems, {{path, text}}, false));
  REQUIRE(done.has_value());
  return *done;
}

// Everything that must hold of any file.
void CheckLayout(const SourceFile& file) {
  INFO(file.path);
  const std::string once = Formatted(file.text, file.path);
  CHECK(Formatted(once, file.path) == once);
  CHECK(NormalisedText({file}) == NormalisedText({{file.path, once}}));
  // Comments: what follows each #, however it was aligned.
  const auto marks = [](const std::string& text) {
    return std::count(text.begin(), text.end(), '#');
  };
  CHECK(marks(file.text) == marks(once));
}

std::vector<SourceFile> AllFiles() {
  std::vector<SourceFile> all = ExampleFiles(SEGUE_SOURCE_DIR);
  if (const auto shared = Shared("example")) {
    for (SourceFile& file : ExampleFiles(*shared)) {
      all.push_back(std::move(file));
    }
  }
  std::erase_if(all, [](const SourceFile& file) { return file.path.ends_with(".sql"); });
  return all;
}

bool IsYaml(const SourceFile& file) {
  return !file.path.ends_with(".md");
}

// Changes of the layout that mean nothing, on lines outside of | text.
std::string Untidy(const std::string& text, Dice& dice) {
  std::string out;
  std::size_t text_indent = std::string::npos;
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    const std::size_t indent = std::min(line.find_first_not_of(' '), line.size());
    if (text_indent != std::string::npos && (indent == line.size() || indent > text_indent)) {
      out += line + "\n";
      continue;
    }
    text_indent = line.ends_with(" |") ? line.find_first_not_of(" -") : std::string::npos;
    if (indent == line.size() || line[indent] == '#' || line.starts_with("---")) {
      out += line + "\n";
      continue;
    }
    if (dice.Chance(0.1)) {
      out += "\n";
    }
    if (dice.Chance(0.1)) {
      out += std::string(indent, ' ') + "# a word about it\n";
    }
    const std::size_t colon = line.find(": ");
    if (colon != std::string::npos && dice.Chance(0.2) && line.find('"') > colon) {
      line.insert(colon + 1, 1 + static_cast<std::size_t>(dice.Below(5)), ' ');
    }
    if (dice.Chance(0.1) && !line.ends_with('|')) {
      line += "   # behind it";
    }
    if (dice.Chance(0.2)) {
      line += "  ";
    }
    out += line + "\n";
  }
  return out;
}

// Top-level keys of one line in another order; the first key stays first.
std::string Shuffled(const std::string& text, Dice& dice) {
  std::vector<std::string> lines;
  for (const std::string_view line : Lines(text)) {
    lines.emplace_back(line);
  }
  const auto single = [](const std::string& line) {
    return !line.empty() && line.front() >= 'a' && line.front() <= 'z' &&
           line.find(": ") != std::string::npos && !line.ends_with('|');
  };
  for (std::size_t i = 1; i + 2 < lines.size(); ++i) {
    const bool whole = single(lines[i]) && single(lines[i + 1]) && single(lines[i + 2]);
    const bool first = lines[i - 1].starts_with("---") || i == 1;
    if (whole && !first && single(lines[i - 1]) && dice.Chance(0.5)) {
      std::swap(lines[i], lines[i + 1]);
    }
  }
  std::string out;
  for (const std::string& line : lines) {
    out += line + "\n";
  }
  return out;
}

TEST_CASE("keys come in the order of the table, with two spaces, double quotes and `is`") {
  CHECK(Formatted("playbook: p\n"
                  "limits: {reenter: 'never'}\n"
                  "do:\n"
                  "- send:   hello     # the first\n"
                  "-   wait: 2d\n"
                  "    until: rfm.r==3\n"
                  "purpose: marketing\n"
                  "title: 'It''s \"so\"'\n"
                  "on:\n"
                  "    to: at_risk\n"
                  "    model: rfm\n") ==
        "playbook: p\n"
        "title: 'It''s \"so\"'\n"
        "purpose: marketing\n"
        "on:\n"
        "  model: rfm\n"
        "  to: at_risk\n"
        "do:\n"
        "  - send: hello                    # the first\n"
        "  - wait: 2d\n"
        "    until: rfm.r is 3\n"
        "limits: {reenter: \"never\"}\n");
}

TEST_CASE("comments go along with what they are about") {
  CHECK(Formatted("# About the file.\n"
                  "\n"
                  "# About the model.\n"
                  "model: m\n"
                  "\n"
                  "\n"
                  "# The lines.\n"
                  "segments:    # first match wins\n"
                  "  # Nobody else.\n"
                  "  - {id: a, when: otherwise}\n"
                  "  # - {id: b}\n"
                  "every: day at 04:00\n"
                  "# the end\n") ==
        "# About the file.\n"
        "\n"
        "# About the model.\n"
        "model: m\n"
        "every: day at 04:00\n"
        "\n"
        "# The lines.\n"
        "segments:                          # first match wins\n"
        "  # Nobody else.\n"
        "  - {id: a, when: otherwise}\n"
        "  # - {id: b}\n"
        "# the end\n");
}

TEST_CASE("columns that were lined up stay lined up, others are not") {
  CHECK(Formatted("model: m\n"
                  "every: 1h\n"
                  "features:\n"
                  "  a:    count(x)\n"
                  "  long: count(y)\n"
                  "segments:\n"
                  "  - {id: good,    when: a > 3}\n"
                  "  - {id: better,  when: a > 2}\n"
                  "  - {id: other, when:   otherwise}\n") ==
        "model: m\n"
        "every: 1h\n"
        "features:\n"
        "  a:    count(x)\n"
        "  long: count(y)\n"
        "segments:\n"
        "  - {id: good,   when: a > 3}\n"
        "  - {id: better, when: a > 2}\n"
        "  - {id: other, when: otherwise}\n");
}

TEST_CASE("text behind | and brackets over several lines stay as written, and move as a whole") {
  CHECK(Formatted("template: t\n"
                  "body: |\n"
                  "     Hello,\n"
                  "       # no comment\n"
                  "\n"
                  "     bye\n"
                  "channel: email\n") ==
        "template: t\n"
        "channel: email\n"
        "body: |\n"
        "  Hello,\n"
        "    # no comment\n"
        "\n"
        "  bye\n");
  CHECK(Formatted("workspace: w\n"
                  "traits:\n"
                  "    customer: {email: text,   # where\n"
                  "               plan: [a, b]}\n") ==
        "workspace: w\n"
        "traits:\n"
        "  customer: {email: text,   # where\n"
        "             plan: [a, b]}\n");
}

TEST_CASE("a # within quotes is no comment") {
  CHECK(Formatted("policy: p\nwhy: 'no # comment'   # but this\nwhen: a is 'x'\n"
                  "deny:    [\"send # x\",   offer]\n") ==
        "policy: p\nwhen: a is 'x'\ndeny: [\"send # x\", offer]\n"
        "why: \"no # comment\"                # but this\n");
}

TEST_CASE("a file that cannot be read is reported and not formatted") {
  Diagnostics problems;
  CHECK(!FormatFile({"rules/a.yaml", "model: m\n  every: 1h\n"}, problems).has_value());
  REQUIRE(problems.size() == 1);
  CHECK(problems.front().place.line == 2);
}

TEST_CASE(
    "the library and the example keep their meaning and comments, and a second time changes "
    "nothing") {
  for (const SourceFile& file : AllFiles()) {
    CheckLayout(file);
  }
}

TEST_CASE("however the library and the example are laid out, they come out meaning the same" *
          doctest::test_suite("thorough")) {
  Dice dice(17);
  int changed = 0;
  for (const SourceFile& file : AllFiles()) {
    for (int round = 0; IsYaml(file) && round < Rounds(1, 12); ++round) {
      const SourceFile untidy{file.path, Shuffled(Untidy(file.text, dice), dice)};
      Diagnostics problems;
      if (FormatFile(untidy, problems)) {
        CheckLayout(untidy);
        ++changed;
      }
    }
  }
  MESSAGE(changed << " untidy files");
  CHECK(changed > Rounds(20, 200));
}

TEST_CASE("a short diff names the lines that differ") {
  CHECK(ShortDiff("a\nb\nc\n", "a\nx\nc\nd\n", 9) == "     2 - b\n     2 + x\n     4 + d\n");
  CHECK(ShortDiff("a\nb\n", "c\nd\n", 1) == "     1 - a\n       … and 3 lines more\n");
}

}  // namespace
}  // namespace segue
