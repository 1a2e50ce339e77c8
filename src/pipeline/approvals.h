// Approvals: who beside its author looked at a plan before it goes live (`safety.approvals`), and
// audit rows of who approved and applied what.  Rows are added and never changed.
//
// A plan is known by the hash of its file: one that changed in any way is another, which nobody
// approved yet.

#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/release.h"

namespace segue {

constexpr std::string_view kAuditPlan = "plan";        // Written down, by its hash.
constexpr std::string_view kAuditApprove = "approve";  // Of a plan, by its hash.
constexpr std::string_view kAuditApply = "apply";      // Of files, by their hash.

struct AuditRow {
  TimePoint at;
  std::string who;
  std::string what;     // kAuditApprove, …
  std::string subject;  // What it was done to.
  std::string note;
};

void NoteAudit(Database& db, const AuditRow& row);
// In the order of their time.
std::vector<AuditRow> AuditRows(Database& db, std::string_view what, std::string_view subject);

struct Approvals {
  int asked = 0;
  bool noted = false;           // This plan was written down here, by its author.
  std::vector<AuditRow> given;  // The first of each person.

  int missing() const { return std::max(0, asked - static_cast<int>(given.size())); }
};

// Of the plan of this hash, by others than who wrote it down: whom the file names, and whom the
// state does, since a file is easily changed.
Approvals ApprovalsOf(Database& db, std::string_view plan, std::string_view author, int asked);

// How many `workspace` asks, or the files that run now where these ask more: what goes live must
// not lift the rule that it goes live by.
int ApprovalsAsked(const Workspace& workspace, const std::optional<Release>& running);

}  // namespace segue
