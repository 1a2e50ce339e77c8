#include "pipeline/approvals.h"

#include <charconv>
#include <functional>
#include <set>
#include <utility>

#include "base/text.h"

namespace segue {
namespace {

constexpr std::string_view kAuditTables = R"(
CREATE TABLE audit(
  id INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  who TEXT NOT NULL,
  what TEXT NOT NULL,
  subject TEXT NOT NULL,
  note TEXT NOT NULL
) STRICT;
CREATE INDEX audit_subject ON audit(what, subject);
)";

// As it stands in files that cannot be understood any more, which must not lift the rule.
int ApprovalsWritten(const std::vector<SourceFile>& files) {
  constexpr std::string_view kKey = "approvals:";
  int most = 0;
  for (const SourceFile& file : files) {
    for (std::size_t at = file.text.find(kKey); at != std::string::npos;
         at = file.text.find(kKey, at + 1)) {
      const std::string_view rest = Trim(std::string_view(file.text).substr(at + kKey.size()));
      int asked = 0;
      std::from_chars(rest.data(), rest.data() + rest.size(), asked);
      most = std::max(most, asked);
    }
  }
  return most;
}

}  // namespace

void NoteAudit(Database& db, const AuditRow& row) {
  db.Ensure("audit", kAuditTables);
  Statement insert =
      db.Prepare("INSERT INTO audit(at, who, what, subject, note) VALUES (?, ?, ?, ?, ?)");
  insert.Bind(1, ToMicros(row.at)).Bind(2, row.who).Bind(3, row.what);
  insert.Bind(4, row.subject).Bind(5, row.note).Run();
}

std::vector<AuditRow> AuditRows(Database& db, std::string_view what, std::string_view subject) {
  db.Ensure("audit", kAuditTables);
  Statement list =
      db.Prepare("SELECT at, who, note FROM audit WHERE what = ? AND subject = ? ORDER BY at, id");
  list.Bind(1, what).Bind(2, subject);
  std::vector<AuditRow> rows;
  while (list.Step()) {
    rows.push_back({FromMicros(list.Int(0)), list.Text(1), std::string(what), std::string(subject),
                    list.Text(2)});
  }
  return rows;
}

Approvals ApprovalsOf(Database& db, std::string_view plan, std::string_view author, int asked) {
  Approvals approvals;
  approvals.asked = asked;
  std::set<std::string, std::less<>> known = {std::string(author)};
  for (const AuditRow& row : AuditRows(db, kAuditPlan, plan)) {
    approvals.noted = true;
    known.insert(row.who);
  }
  for (AuditRow& row : AuditRows(db, kAuditApprove, plan)) {
    if (known.insert(row.who).second) {
      approvals.given.push_back(std::move(row));
    }
  }
  return approvals;
}

int ApprovalsAsked(const Workspace& workspace, const std::optional<Release>& running) {
  if (!running) {
    return workspace.approvals;
  }
  const Checked checked = CheckWorkspace(running->files);
  return std::max(workspace.approvals, checked.workspace == nullptr
                                           ? ApprovalsWritten(running->files)
                                           : checked.workspace->approvals);
}

}  // namespace segue
