// Plans in files: read, shown with who approved them, and approved.

#pragma once

#include <string>
#include <vector>

#include "cli/workbench.h"
#include "pipeline/approvals.h"

namespace segue {

struct PlanInFile {
  std::string path;
  PlanFile plan;
  std::string hash;  // Of the file's text: what people approve.
};

// Throws Failure where it cannot be read, or is of another workspace.
PlanInFile ReadPlan(const std::string& path, const Workspace& workspace);

// Why it may not be applied any more; empty: it may.
std::string StaleNow(Database& db, const PlanFile& plan, const std::vector<SourceFile>& files);

// What `apply` is asked about approvals.
struct Approving {
  int asked = 0;
  const PlanInFile* file = nullptr;  // Null: apply without a plan.
  const Applying& applying;
};

// Throws Failure (kBrake) while somebody's approval is missing.
Approvals RequireApproved(Database& db, const Approving& approving);

// "approved by jo on 2026-03-02 10:00", one line each.
std::string ApprovalLines(const Approvals& approvals, const Zone& zone);

// Shows a plan and who approved it.
int ShowPlan(const Common& common, const std::string& path);

}  // namespace segue
