// Five hundred slips of the pen in the example workspace: each is reported on its line, or changes
// nothing.

#include <algorithm>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "base/text.h"
#include "edits.h"
#include "example.h"
#include "support/thorough.h"

namespace segue {
namespace {

// Whether the diagnostics tell the author of the edit where it is.
bool IsReported(const Edit& edit, const Loaded& loaded) {
  return std::any_of(
      loaded.diagnostics.begin(), loaded.diagnostics.end(), [&](const Diagnostic& problem) {
        if (problem.severity == Severity::kInfo || problem.code == "SG099") {
          return false;
        }
        const bool same_file = problem.place.file == edit.file;
        if (same_file &&
            (problem.place.line == edit.line || problem.place.line == edit.partner_line)) {
          return true;
        }
        // Two lines disagree about indentation, and no program knows which is wrong: the report
        // names both.
        if (same_file && edit.may_be_named &&
            problem.message.find(fmt::format("line {} ", edit.line)) != std::string::npos) {
          return true;
        }
        // A name that is not declared any more is reported wherever it is used, by that name.
        const auto lines =
            Lines(loaded.files[static_cast<std::size_t>(std::max(problem.place.file, 0))].text);
        const auto row = static_cast<std::size_t>(std::max(problem.place.line, 1) - 1);
        const std::string_view at =
            row < lines.size()
                ? lines[row].substr(std::min(static_cast<std::size_t>(problem.place.column - 1),
                                             lines[row].size()))
                : std::string_view();
        return !edit.declared.empty() &&
               (problem.message.find(edit.declared) != std::string::npos ||
                at.substr(0, static_cast<std::size_t>(problem.place.length)).find(edit.declared) !=
                    std::string_view::npos);
      });
}

TEST_CASE(
    "five hundred seeded slips in the example are each reported at their line or change nothing" *
    doctest::test_suite("thorough")) {
  const auto folder = Shared("example");
  if (!folder) {
    return;
  }
  const std::vector<SourceFile> files = ExampleFiles(*folder);
  const std::string normal = NormalisedText(files);
  const Editor editor(files);
  CHECK(editor.sites() > 3000);
  int harmless = 0;
  for (std::uint32_t seed = 1; seed <= static_cast<std::uint32_t>(Rounds(100, 500)); ++seed) {
    const Edit edit = editor.Damage(seed);
    const Loaded loaded = Load(edit.files, true);
    if (IsReported(edit, loaded)) {
      continue;
    }
    if (!HasErrors(loaded.diagnostics) && NormalisedText(loaded.files) == normal) {
      ++harmless;
      continue;
    }
    Diagnostics problems = Problems(loaded);
    std::erase_if(problems, [](const Diagnostic& problem) { return problem.code == "SG099"; });
    FAIL_CHECK("seed " << seed << ", " << files[static_cast<std::size_t>(edit.file)].path << ":"
                       << edit.line << ": " << edit.what << "\n"
                       << FormatDiagnostics(problems, loaded.files, false));
  }
  MESSAGE("harmless: " << harmless << " of 500");
  CHECK(harmless < 50);
}

}  // namespace
}  // namespace segue
