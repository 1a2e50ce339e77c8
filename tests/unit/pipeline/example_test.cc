// The example workspace that stands beside the checkout, written by nobody who wrote this program:
// it checks clean, and its tests pass.

#include <algorithm>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "config/load.h"
#include "config/trials.h"
#include "pipeline/pipeline.h"
#include "pipeline/trial.h"
#include "support/golden.h"

namespace segue {
TEST_CASE("example: it checks clean, and its two tests pass") {
  const auto folder = Shared("example");
  if (!folder) {
    return;
  }
  Diagnostics found;
  std::vector<SourceFile> files = ReadWorkspaceFiles(*folder, found);
  const Checked checked = CheckWorkspace(std::move(files));
  Diagnostics problems;
  std::copy_if(checked.diagnostics.begin(), checked.diagnostics.end(), std::back_inserter(problems),
               [](const Diagnostic& one) { return one.severity != Severity::kInfo; });
  CHECK(FormatDiagnostics(problems, checked.files, false) == "");
  REQUIRE(checked.workspace != nullptr);
  const std::vector<Trial> trials = ReadTrials(*checked.workspace);
  CHECK(trials.size() == 2);
  for (const Trial& trial : trials) {
    const TrialResult result = RunTrial(*checked.workspace, *checked.templates, trial);
    CAPTURE(trial.id);
    CHECK(FormatDiagnostics(result.failures, checked.files, false) == "");
  }
}

}  // namespace segue
