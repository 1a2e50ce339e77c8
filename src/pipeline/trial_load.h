// Rows that a test loads from files beside it.  Internal to this folder.

#pragma once

#include <string>
#include <vector>

#include "config/trials.h"
#include "pipeline/pipeline.h"

namespace segue {

struct LoadedFact {
  TimePoint time;
  Fact fact;
  std::string where;  // "rules/orders.csv:7"
  Place place;        // Of the path that named the file.
};

// In the order of the files and rows.  What cannot be read is added to `failures`, at the line of
// the test that names the file.
std::vector<LoadedFact> ReadLoads(const Workspace& workspace, const Trial& trial, FileReader* files,
                                  Diagnostics& failures);

// The test with everybody whom the rows name, and failures where it expects something of somebody
// whom neither it nor they name.
Trial WithLoaded(const Trial& trial, const std::vector<LoadedFact>& facts, Diagnostics& failures);

}  // namespace segue
