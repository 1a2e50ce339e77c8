// Releases: which files run, how a plan goes stale, and who gets something else.

#include "pipeline/release.h"

#include <doctest/doctest.h>

#include "support/temp_dir.h"

namespace segue {
namespace {

const std::vector<SourceFile> kReleaseFiles = {
    {"rules/a.yaml", "policy: calm\nwhen: did(order_placed, 7d)\ndeny: [send]\nwhy: enough\n"},
    {"rules/b.yaml", "policy: quiet\nwhen: did(order_placed, 9d)\ndeny: [send]\nwhy: enough\n"}};

std::vector<SourceFile> With(const std::string& text) {
  std::vector<SourceFile> files = kReleaseFiles;
  files[0].text = text;
  return files;
}

PlanFile PlanOf(const std::vector<SourceFile>& files) {
  PlanFile plan;
  plan.workspace = "shop";
  plan.made = FromMicros(1);
  plan.at = FromMicros(1'000);
  plan.files = FileHashes(files);
  plan.author = "mara";
  plan.asked = {.running = "move", .backfill = {"win_back", "nurture"}};
  plan.gets["7"] = {"vera@test.example", {{"win_back: hello", "12ab"}}};
  return plan;
}

}  // namespace

TEST_CASE("release: comments and layout do not change what files mean, everything else does") {
  const std::string spaced = "# calm\npolicy:   calm\n\n" + kReleaseFiles[0].text.substr(13);
  CHECK(FilesHash(With(spaced)) == FilesHash(kReleaseFiles));
  std::string other = kReleaseFiles[0].text;
  other.replace(other.find("7d"), 2, "8d");
  CHECK(FilesHash(With(other)) != FilesHash(kReleaseFiles));
  CHECK(FilesHash({kReleaseFiles[0]}) != FilesHash(kReleaseFiles));
}

TEST_CASE("release: the folder's files run until some are applied, and then those") {
  const TempDir temp;
  Database db = Database::Open(temp / "segue.db");
  CHECK(!RunningRelease(db).has_value());
  NoteRelease(db, kReleaseFiles, false, FromMicros(5));
  NoteRelease(db, kReleaseFiles, false, FromMicros(6));
  REQUIRE(RunningRelease(db).has_value());
  CHECK(RunningRelease(db)->at == FromMicros(5));
  CHECK(RunningRelease(db)->files.size() == 2);
  CHECK(!AppliedRelease(db).has_value());
  NoteRelease(db, With("policy: none\n"), true, FromMicros(7));
  REQUIRE(AppliedRelease(db).has_value());
  CHECK(AppliedRelease(db)->files[0].text == "policy: none\n");
  FollowFolder(db);
  CHECK(!AppliedRelease(db).has_value());
  CHECK(RunningRelease(db)->hash == FilesHash(With("policy: none\n")));
}

TEST_CASE("release: a plan goes stale when files change, others go live, or its moment passes") {
  const PlanFile plan = PlanOf(kReleaseFiles);
  CHECK(Stale(plan, kReleaseFiles, {}, {}).empty());
  CHECK(
      Stale(plan, With("# only a comment\n" + kReleaseFiles[0].text), {}, FromMicros(999)).empty());
  CHECK(Stale(plan, With("policy: none\n"), {}, {}) ==
        "the files changed since the plan was made: rules/a.yaml");
  CHECK(Stale(plan, {kReleaseFiles[0]}, {}, {}) ==
        "the files changed since the plan was made: rules/b.yaml");
  Release other;
  other.hash = "another";
  CHECK(Stale(plan, kReleaseFiles, other, {}) == "other files went live since the plan was made");
  CHECK(Stale(plan, kReleaseFiles, {}, FromMicros(1'000)).find("has passed") != std::string::npos);
}

TEST_CASE("release: a plan is read from its file as it was written, and nothing else is a plan") {
  const PlanFile plan = PlanOf(kReleaseFiles);
  const Result<PlanFile> read = ParsePlanFile(PlanFileText(plan));
  REQUIRE(read.has_value());
  CHECK(read->workspace == "shop");
  CHECK(read->at == plan.at);
  CHECK(read->files == plan.files);
  CHECK(read->author == "mara");
  CHECK(read->asked.running == "move");
  CHECK(read->asked.backfill == plan.asked.backfill);
  CHECK(read->gets.at("7").person == "vera@test.example");
  CHECK(read->gets.at("7").what == plan.gets.at("7").what);
  for (const char* text : {"", "{}", "[1]", "{\"segue_plan\": 2, \"files\": {}, \"gets\": {}}",
                           "{\"segue_plan\": 1, \"files\": {}, \"gets\": {\"7\": 3}}"}) {
    CHECK(!ParsePlanFile(text).has_value());
  }
}

TEST_CASE("release: who newly receives, no longer receives, and receives something else") {
  const WhoGets before = {{"1", {"a", {{"p: x", "1"}}}},
                          {"2", {"b", {{"p: x", "1"}}}},
                          {"3", {"c", {{"p: x", "1"}}}},
                          {"4", {"d", {{"p: x", "1"}}}}};
  const WhoGets after = {{"2", {"b", {{"p: x", "1"}}}},
                         {"3", {"c", {{"p: x", "2"}}}},
                         {"4", {"d", {{"p: y", "1"}}}},
                         {"5", {"e", {{"p: x", "1"}}}}};
  const Difference difference = Compare(before, after);
  CHECK(difference.newly == std::vector<std::string>{"5"});
  CHECK(difference.no_longer == std::vector<std::string>{"1"});
  CHECK(difference.otherwise == std::vector<std::string>{"3", "4"});
  CHECK(Compare(after, after).empty());
}

}  // namespace segue
