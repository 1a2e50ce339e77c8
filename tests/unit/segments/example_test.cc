// The lint of the shipped example's models, as a person reads it.

#include <memory>
#include <string>

#include <doctest/doctest.h>

#include "config/load.h"
#include "segments/score.h"
#include "support/golden.h"

namespace segue {
namespace {

TEST_CASE("lint: the example's models have no gap and no segment that cannot win") {
  const std::optional<std::string> root = Shared("example");
  if (!root) {
    return;
  }
  Diagnostics problems;
  const Loaded loaded =
      LoadWorkspace(ReadWorkspaceFiles(*root, problems), std::make_shared<TextPool>(), true);
  REQUIRE(loaded.workspace != nullptr);
  Diagnostics found;
  for (const Model& model : loaded.workspace->models) {
    for (const Diagnostic& diagnostic : LintModel(model, *loaded.workspace)) {
      CHECK(diagnostic.severity != Severity::kError);
      found.push_back(diagnostic);
    }
  }
  CheckGolden("segments/example_lint.txt", FormatDiagnostics(found, loaded.files, false));
}

}  // namespace
}  // namespace segue
