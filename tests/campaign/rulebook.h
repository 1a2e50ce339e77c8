// Rulebook: the shipped library as a campaign runs it.  All of it, both halves, and overlay.yaml;
// each connector is played.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "pipeline/pipeline.h"

namespace segue::campaign {

struct Rulebook {
  std::shared_ptr<const Checked> checked;
  Workspace open;  // As it is.
  Workspace
      guarded;  // Before going live: few addresses are allowed, and one tool is only rehearsed.
  std::vector<std::string> code_prefixes;
};

// Throws std::runtime_error with every diagnostic when it does not compile.
std::unique_ptr<Rulebook> ReadRulebook(int customers);

}  // namespace segue::campaign
