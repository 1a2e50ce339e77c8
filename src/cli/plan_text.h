// What `plan` and `apply` show: for a terminal, for a pull request, and as JSON.

#pragma once

#include <optional>
#include <string>

#include "config/changes.h"
#include "pipeline/approvals.h"
#include "pipeline/release.h"

namespace segue {

// A plan beside the files that run now.
struct PlanScreen {
  const Foreseen& plan;
  const Workspace& workspace;
  std::string from, to;                 // Hashes of the files that run and of those planned.
  std::optional<TimePoint> data_as_of;  // When the oldest source was last read.
  std::string people;                   // A playbook: everybody in it, and only it.
  std::vector<SourceFile> running;      // The files that run.
  WhoGets before, after;                // Only filled where they are compared.
  Difference difference;
  bool compared = false;  // With what the files that run would do.
};

std::string PlanText(const PlanScreen& screen);
std::string PlanMarkdown(const PlanScreen& screen);
std::string PlanJson(const PlanScreen& screen);
// What becomes of runs that are under way, and who leaves a list with them; empty: nothing.
std::string RunsText(const Foreseen& plan);
// What an apply changed, `at` being the cycle in which it shows.
std::string AppliedJson(const std::string& to, const std::string& from, TimePoint at,
                        const Difference& difference, const Approvals& approvals);
// Who newly receives, no longer receives, or receives something else; at most `shown` of each.
std::string DifferenceText(const Difference& difference, const WhoGets& before,
                           const WhoGets& after, std::size_t shown);

}  // namespace segue
