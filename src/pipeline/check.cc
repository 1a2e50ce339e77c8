// CheckWorkspace: everything that can be known about a set of files before anything runs.

#include <algorithm>
#include <utility>

#include "pipeline/pipeline.h"
#include "segments/score.h"

namespace segue {

Checked CheckWorkspace(std::vector<SourceFile> files, bool tolerate_unbuilt,
                       std::vector<PlaybookVersion> earlier) {
  Checked checked;
  Loaded loaded = LoadWorkspace(std::move(files), std::make_shared<TextPool>(), tolerate_unbuilt,
                                std::move(earlier));
  checked.diagnostics = std::move(loaded.diagnostics);
  checked.files = std::move(loaded.files);
  if (loaded.workspace == nullptr) {
    return checked;
  }
  checked.templates = std::make_unique<Templates>(*loaded.workspace, checked.diagnostics);
  for (const Model& model : loaded.workspace->models) {
    Diagnostics found = LintModel(model, *loaded.workspace);
    checked.diagnostics.insert(checked.diagnostics.end(), found.begin(), found.end());
  }
  if (!HasErrors(checked.diagnostics)) {
    checked.workspace = std::move(loaded.workspace);
  }
  return checked;
}

}  // namespace segue
