// Lives through a test document: the real Cycle and Dispatcher over a state in memory, on a clock
// of its own, with tools that answer as the test says.
//
// It is strict: a message, task or change of an audience that no expectation names is a failure.
// Every test that passes is lived through a second time with a restart before each step and in the
// middle, and must come out the same.

#pragma once

#include "config/trials.h"
#include "pipeline/pipeline.h"

namespace segue {

struct TrialResult {
  // Errors whose code is the test's id, each at the line of the expectation that does not hold.
  Diagnostics failures;
  std::int64_t cycles = 0;
};

// `files`: below the workspace's folder, for tests that load rows; null: these fail.
// Requires: workspace and templates are of one load.  Several may run at the same time where each
// has a load of its own: they share the pool of texts.
TrialResult RunTrial(const Workspace& workspace, const Templates& templates, const Trial& written,
                     FileReader* files = nullptr);

}  // namespace segue
