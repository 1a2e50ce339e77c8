// The example workspace's texts, as its files hold them.

#include <doctest/doctest.h>

#include "config/load.h"
#include "support/golden.h"
#include "templates/template.h"

namespace segue {
namespace {

Diagnostics ProblemsOfFiles(std::vector<SourceFile> files, std::string& shown) {
  Loaded loaded = LoadWorkspace(std::move(files), std::make_shared<TextPool>(), true);
  shown = FormatDiagnostics(loaded.diagnostics, loaded.files, false);
  REQUIRE_MESSAGE(loaded.workspace != nullptr, shown);
  Diagnostics diagnostics;
  const Templates templates(*loaded.workspace, diagnostics, true);
  shown = FormatDiagnostics(diagnostics, loaded.files, false);
  return diagnostics;
}

TEST_CASE("texts: those of the example workspace have no errors") {
  const std::optional<std::string> root = Shared("example");
  if (!root) {
    return;
  }
  Diagnostics reading;
  std::string shown;
  const Diagnostics diagnostics = ProblemsOfFiles(ReadWorkspaceFiles(*root, reading), shown);
  INFO(shown);
  CHECK_FALSE(HasErrors(diagnostics));
}

TEST_CASE(
    "texts: a problem is shown at its line and column in the file, also inside a block of lines") {
  const std::string text =
      "template: hello\n"
      "channel: chat\n"
      "title: \"One {{ links.bok }}\"\n"
      "body: |\n"
      "  First line.\n"
      "  Then {{ links.bokk }} here.\n";
  const std::string workspace =
      "workspace: lumen\n"
      "currency: EUR\n"
      "channels: {chat: file}\n"
      "links: {base: \"https://lumen.example\", paths: {book: /book}}\n";
  const std::string connector =
      "connector: file\n"
      "type: file\n"
      "path: out/\n";
  std::string shown;
  ProblemsOfFiles({{"config/segue.yaml", workspace},
                   {"config/file.yaml", connector},
                   {"templates/t.yaml", text}},
                  shown);
  INFO(shown);
  CHECK(shown.find("templates/t.yaml:3:16: error SG002: there is no links.bok") !=
        std::string::npos);
  CHECK(shown.find("templates/t.yaml:6:11: error SG002: there is no links.bokk") !=
        std::string::npos);
  CHECK(shown.find("  6 |   Then {{ links.bokk }} here.\n") != std::string::npos);
}

TEST_CASE("texts: in a Markdown file the body's problems are at their line") {
  const std::string text =
      "---\n"
      "template: hello\n"
      "channel: chat\n"
      "---\n"
      "\n"
      "Then {{ links.bokk }} here.\n";
  const std::string workspace =
      "workspace: lumen\n"
      "currency: EUR\n"
      "channels: {chat: file}\n"
      "links: {base: \"https://lumen.example\", paths: {book: /book}}\n";
  std::string shown;
  ProblemsOfFiles({{"config/segue.yaml", workspace},
                   {"config/file.yaml", "connector: file\ntype: file\npath: out/\n"},
                   {"templates/hello.md", text}},
                  shown);
  INFO(shown);
  CHECK(shown.find("templates/hello.md:6:9: error SG002: there is no links.bokk") !=
        std::string::npos);
}

}  // namespace
}  // namespace segue
