// Who approved a plan, and how many are asked.

#include "pipeline/approvals.h"

#include <string>

#include <doctest/doctest.h>

#include "support/temp_dir.h"

namespace segue {
namespace {

void Approve(Database& db, const std::string& who, std::int64_t at,
             const std::string& plan = "p1") {
  NoteAudit(db, {FromMicros(at), who, std::string(kAuditApprove), plan, "seen"});
}

std::vector<SourceFile> FilesAsking(int approvals) {
  return {{"config/segue.yaml", "workspace: shop\ncurrency: EUR\nsafety: {approvals: " +
                                    std::to_string(approvals) + "}\n"}};
}

}  // namespace

TEST_CASE("approvals: each person counts once, the author never, and another plan is another one") {
  const TempDir temp;
  Database db = Database::Open(temp / "segue.db");
  CHECK(ApprovalsOf(db, "p1", "mara", 2).missing() == 2);
  Approve(db, "mara", 1);
  Approve(db, "jo", 3);
  Approve(db, "jo", 4);
  Approve(db, "li", 2, "p2");
  Approvals approvals = ApprovalsOf(db, "p1", "mara", 2);
  REQUIRE(approvals.given.size() == 1);
  CHECK(approvals.given[0].who == "jo");
  CHECK(approvals.given[0].at == FromMicros(3));
  CHECK(approvals.given[0].note == "seen");
  CHECK(approvals.missing() == 1);
  Approve(db, "li", 2);
  approvals = ApprovalsOf(db, "p1", "mara", 2);
  CHECK(approvals.missing() == 0);
  CHECK(approvals.given.front().who == "li");
  CHECK(ApprovalsOf(db, "p1", "jo", 2).given.size() == 2);
  CHECK(ApprovalsOf(db, "p1", "mara", 0).missing() == 0);
}

TEST_CASE(
    "approvals: as many are asked as the files that run or those to come ask, whichever is more") {
  const Checked folder = CheckWorkspace(FilesAsking(1));
  REQUIRE(folder.workspace != nullptr);
  CHECK(ApprovalsAsked(*folder.workspace, {}) == 1);
  Release running;
  running.files = FilesAsking(3);
  CHECK(ApprovalsAsked(*folder.workspace, running) == 3);
  running.files = FilesAsking(0);
  CHECK(ApprovalsAsked(*folder.workspace, running) == 1);
  running.files[0].text = "what no version reads";
  CHECK(ApprovalsAsked(*folder.workspace, running) == 1);
  running.files[0].text = "newer: {words}\nsafety: {approvals: 2}\n";
  CHECK(ApprovalsAsked(*folder.workspace, running) == 2);
}

TEST_CASE("approvals: whoever wrote the plan down is its author, whatever the file says") {
  const TempDir temp;
  Database db = Database::Open(temp / "segue.db");
  Approve(db, "mara", 2);
  CHECK(!ApprovalsOf(db, "p1", "jo", 1).noted);
  NoteAudit(db, {FromMicros(1), "mara", std::string(kAuditPlan), "p1", ""});
  CHECK(ApprovalsOf(db, "p1", "jo", 1).noted);
  CHECK(ApprovalsOf(db, "p1", "jo", 1).missing() == 1);
}

TEST_CASE("approvals: who applied what is kept beside them") {
  const TempDir temp;
  Database db = Database::Open(temp / "segue.db");
  NoteAudit(db, {FromMicros(5), "mara", std::string(kAuditApply), "f1", "plan p1"});
  const std::vector<AuditRow> rows = AuditRows(db, kAuditApply, "f1");
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].who == "mara");
  CHECK(rows[0].note == "plan p1");
  CHECK(ApprovalsOf(db, "f1", "", 1).given.empty());
}

}  // namespace segue
