// Diagnostics as SARIF 2.1.0, which code hosts show beside the lines of a pull request.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/diagnostic.h"

namespace segue {

// `version`: of this program.  Paths are relative to the workspace.  No line of a file is copied,
// since it may hold a secret.
std::string DiagnosticsToSarif(const Diagnostics& diagnostics, const std::vector<SourceFile>& files,
                               std::string_view version);

}  // namespace segue
