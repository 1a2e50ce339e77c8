// Tests of `segue test`: the shipped tests pass, are quick, and a playbook that does something else
// is found at the line of the expectation.

#include "pipeline/trial.h"

#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "support/golden.h"

namespace segue {
namespace {

std::vector<SourceFile> Library() {
  Diagnostics found;
  std::vector<SourceFile> files = ReadWorkspaceFiles(SEGUE_SOURCE_DIR, found);
  CHECK(found.empty());
  return files;
}

void Replace(std::vector<SourceFile>& files, const std::string& path, const std::string& from,
             const std::string& to) {
  for (SourceFile& file : files) {
    if (file.path == path) {
      const std::size_t at = file.text.find(from);
      REQUIRE(at != std::string::npos);
      file.text.replace(at, from.size(), to);
    }
  }
}

// What the tests say of these files, test by test.
Diagnostics Lived(std::vector<SourceFile> files, const std::string& only) {
  const Checked checked = CheckWorkspace(std::move(files));
  INFO(FormatDiagnostics(checked.diagnostics, checked.files, false));
  REQUIRE(checked.workspace != nullptr);
  Diagnostics all;
  for (const Trial& trial : ReadTrials(*checked.workspace)) {
    if (only.empty() || trial.id == only) {
      const TrialResult result = RunTrial(*checked.workspace, *checked.templates, trial);
      CHECK(result.cycles > 0);
      all.insert(all.end(), result.failures.begin(), result.failures.end());
    }
  }
  if (!all.empty()) {
    MESSAGE(FormatDiagnostics(all, checked.workspace->files, false));
  }
  return all;
}

bool Says(const Diagnostics& failures, const std::string& words) {
  for (const Diagnostic& one : failures) {
    if ((one.message + " " + one.help).find(words) != std::string::npos) {
      return one.place.line > 0;
    }
  }
  return false;
}

const std::string kWinBack = "rules/playbooks/win_back.yaml";
const std::string kTest = "rules/playbooks/win_back_test.yaml";

TEST_CASE("the shipped tests pass") {
  CHECK(Lived(Library(), "").empty());
}

TEST_CASE("a message that is not sent is missed, with what happened in its place") {
  std::vector<SourceFile> files = Library();
  Replace(files, kWinBack, "  - send: we_kept_your_place\n", "");
  const Diagnostics failures = Lived(files, "at_risk_is_written_to");
  CHECK(Says(failures, "expected sent {who: rose, template: we_kept_your_place"));
}

TEST_CASE("a message too many is found, though no expectation names it") {
  std::vector<SourceFile> files = Library();
  Replace(files, kWinBack, "  - send: we_kept_your_place\n",
          "  - send: we_kept_your_place\n  - send: back_on_the_shelf\n");
  CHECK(
      Says(Lived(files, "at_risk_is_written_to"), "not expected: sent back_on_the_shelf to rose"));
}

TEST_CASE("a gate that is loosened, a wait that is shifted and another segment are found") {
  std::vector<SourceFile> gate = Library();
  Replace(gate, kWinBack, "  - not did(order_refunded, 30d)\n",
          "  - not did(order_refunded, 3d)\n");
  CHECK(
      Says(Lived(gate, "at_risk_is_written_to"), "must never happen: mina started store_at_risk"));
  std::vector<SourceFile> wait = Library();
  Replace(wait, kWinBack, "  - wait: 7d\n", "  - wait: 8d\n");
  CHECK(Says(Lived(wait, "at_risk_is_written_to"),
             "expected sent {who: vera, template: still_here}"));
  std::vector<SourceFile> segment = Library();
  Replace(segment, kWinBack, "{model: rfm, to: at_risk}", "{model: rfm, to: loyal}");
  CHECK(Says(Lived(segment, "at_risk_is_written_to"), "we_kept_your_place"));
}

TEST_CASE("a tool that refuses, or whose answer is lost, is played as the test says") {
  std::vector<SourceFile> files = Library();
  Replace(files, kTest, "  - day: 11 ", "  - {day: 6, answer: {mailbox: refused}}\n  - day: 11 ");
  CHECK(Says(Lived(files, "at_risk_is_written_to"),
             "rose got nothing at step 0 of store_at_risk: refused"));
}

TEST_CASE("people in other segments than expected are named") {
  std::vector<SourceFile> files = Library();
  Replace(files, kTest, "{segment: {rfm: need_attention}, started: []}",
          "{segment: {rfm: at_risk}, count: {rfm: {need_attention: 3}}, started: []}");
  const Diagnostics failures = Lived(files, "at_risk_is_written_to");
  CHECK(Says(failures, "day 0: vera is in need_attention of rfm, not in at_risk"));
  CHECK(Says(failures, "day 0: 4 people are in need_attention of rfm, not 3"));
}

TEST_CASE("slips in a test are found before it runs") {
  const auto problem = [](const std::string& from, const std::string& to) {
    std::vector<SourceFile> files = Library();
    Replace(files, kTest, from, to);
    const Checked checked = CheckWorkspace(std::move(files));
    return checked.workspace != nullptr
               ? std::string()
               : FormatDiagnostics(checked.diagnostics, checked.files, false);
  };
  CHECK(problem("{day: 5, ", "{day: 15, ").find("does not go back") != std::string::npos);
  CHECK(problem("\"2026-03-02T00:00 Europe/London\"", "3d ago").find("calendar") !=
        std::string::npos);
  CHECK(problem("who: otto, because", "who: otot, because").find("did you mean `otto`") !=
        std::string::npos);
  CHECK(problem("100 GBP, from: 300d", "100 EUR, from: 300d").find("40 GBP") != std::string::npos);
}

}  // namespace
}  // namespace segue
