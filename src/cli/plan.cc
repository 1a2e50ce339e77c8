// plan: one full cycle at a moment, on the state as it is, all of it rolled back afterwards.  It is
// the code that runs in earnest, so it names the same people.  apply: makes the files live.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include <fmt/format.h>

#include "base/hash.h"
#include "cli/approve.h"
#include "cli/cli.h"
#include "cli/person.h"
#include "cli/plan_text.h"
#include "cli/terminal.h"
#include "cli/verbs.h"

namespace segue {
namespace {

TimePoint NextSlot(const Workspace& workspace, TimePoint now) {
  std::optional<TimePoint> next;
  for (const Model& model : workspace.models) {
    if (!model.draft) {
      const TimePoint slot = model.every.SlotAfter(now, model.timezone);
      next = next ? std::min(*next, slot) : slot;
    }
  }
  return next.value_or(now);
}

// When the oldest of the sources was last read; nothing while one never was.
std::optional<TimePoint> DataAsOf(Database& db, const Workspace& workspace) {
  std::optional<TimePoint> oldest;
  Statement made = db.Prepare("SELECT 1 FROM sqlite_master WHERE name = 'source_state'");
  if (!made.Step()) {
    return std::nullopt;  // Nothing ever ran here.
  }
  for (const Source& source : workspace.sources) {
    Statement find =
        db.Prepare("SELECT last_ok FROM source_state WHERE source = ? AND last_ok IS NOT NULL");
    find.Bind(1, source.id);
    if (!find.Step()) {
      return std::nullopt;
    }
    const TimePoint read = FromMicros(find.Int(0));
    oldest = oldest ? std::min(*oldest, read) : read;
  }
  return oldest;
}

// A plan, and what the files that run now would do at the same moment.
struct Planned {
  Foreseen plan;
  std::optional<Release> running;
  std::string hash;
  WhoGets before, after;
  Difference difference;
  bool compared = false;  // With what the files that run would do.
};

// What a person asked for, in words that say so where it cannot be.
Applying Asked(const Workspace& workspace, const std::vector<std::string>& backfill,
               const std::string& running) {
  for (const std::string& id : backfill) {
    const std::optional<int> playbook = workspace.FindPlaybook(id);
    if (!playbook) {
      throw Failure{kUsage, fmt::format("there is no playbook {}\n", id)};
    }
    if (workspace.playbooks[static_cast<std::size_t>(*playbook)].on.kind == Trigger::Kind::kEvent) {
      throw Failure{kUsage,
                    fmt::format("{} starts on an event, and nobody is in one: it has nobody "
                                "to backfill\n",
                                id)};
    }
  }
  return {.running = running, .backfill = backfill};
}

// Playbooks that those who run do not have, or start elsewhere: nobody who stands there already was
// asked about.
std::set<std::string> FreshOf(const std::vector<SourceFile>& running,
                              const std::vector<SourceFile>& planned) {
  std::set<std::string> fresh;
  for (const DocumentChange& change : ChangesBetween(running, planned)) {
    const bool starts_elsewhere =
        std::any_of(change.lines.begin(), change.lines.end(),
                    [](const auto& line) { return line.text.starts_with("on."); });
    if (change.document == "playbook" &&
        (change.kind == DocumentChange::Kind::kNew ||
         (change.kind == DocumentChange::Kind::kEdited && starts_elsewhere))) {
      fresh.insert(change.id);
    }
  }
  return fresh;
}

Planned MakePlan(Database& db, const Checked& checked, TimePoint at, const Applying& applying) {
  Planned planned;
  planned.running = RunningRelease(db);
  planned.hash = FilesHash(checked.files);
  planned.plan = Foresee(
      db, *checked.workspace, *checked.templates, at, OptionsFor(*checked.workspace, false),
      applying,
      planned.running ? FreshOf(planned.running->files, checked.files) : std::set<std::string>());
  planned.after = WhoGetsWhat(planned.plan, *checked.workspace);
  if (!planned.running) {
    planned.difference = Compare({}, planned.after);
  } else if (planned.running->hash != planned.hash || !applying.running.empty() ||
             !applying.backfill.empty()) {
    planned.compared = true;
    const Checked old = CheckWorkspace(planned.running->files, false, VersionsInUse(db));
    if (old.workspace == nullptr) {
      // Nothing runs until others are applied.
      fmt::print(stderr,
                 "note: the files that run now cannot be read by this version of segue, so that "
                 "all who receive something count as new\n");
      planned.difference = Compare({}, planned.after);
      return planned;
    }
    const Foreseen before =
        Foresee(db, *old.workspace, *old.templates, at, OptionsFor(*old.workspace, false));
    planned.before = WhoGetsWhat(before, *old.workspace);
    planned.difference = Compare(planned.before, planned.after);
  }
  return planned;
}

// Returns the hash of the file.
std::string WritePlan(const std::string& path, const Planned& planned, const Checked& checked,
                      const Applying& asked, TimePoint now) {
  const PlanFile file{.workspace = checked.workspace->id,
                      .made = now,
                      .at = planned.plan.at,
                      .files = FileHashes(checked.files),
                      .running = planned.running ? planned.running->hash : "",
                      .author = WhoRuns(),
                      .asked = asked,
                      .gets = planned.after};
  const std::string text = PlanFileText(file);
  std::ofstream out(path, std::ios::binary);
  out << text << std::flush;
  if (!out) {
    throw Failure{kCannotReach, fmt::format("cannot write {}\n", path)};
  }
  return Sha256Hex(text);
}

// Where approvals are asked, the state keeps whose plan it is: a file is easily changed.
void NotePlan(const Common& common, const Workspace& workspace, const Planned& planned,
              const std::string& hash, TimePoint now) {
  if (ApprovalsAsked(workspace, planned.running) == 0) {
    return;
  }
  MakeFolder(common.state);
  Database db = Database::Open(StateFile(common));
  Transaction work(db);
  NoteAudit(db, {now, WhoRuns(), std::string(kAuditPlan), hash, ""});
  work.Commit();
}

constexpr std::size_t kNamed = 20;

// Throws where the plan says something else than would happen now.
void RequireFresh(const PlanFile& file, const Planned& now, std::int64_t drift) {
  const Difference since = Compare(file.gets, now.after);
  if (std::ssize(since.newly) > drift || (drift == 0 && !since.empty())) {
    throw Failure{kFindings,
                  "not applied: the plan is stale. Since it was made the data changed:\n" +
                      DifferenceText(since, file.gets, now.after, kNamed) +
                      "make a new plan, or allow as many to receive who are not in it with "
                      "--drift N\n"};
  }
}

}  // namespace

int RunPlan(const Common& common, const PlanOptions& options) {
  if (!options.file.empty()) {
    return ShowPlan(common, options.file);
  }
  RequireNotLost(common);
  Checked folder = OpenWorkspace(common);
  // The first plan of files that nobody may run without approvals is about nobody.
  const bool first = folder.workspace->approvals > 0 && !std::filesystem::exists(StateFile(common));
  if (!first) {
    RequireState(common);
  }
  Database db = Database::Open(first ? ":memory:" : StateFile(common));
  const Checked checked = WithEarlier(db, std::move(folder));
  const Workspace& workspace = *checked.workspace;
  if (!options.people.empty() && !workspace.FindPlaybook(options.people)) {
    throw Failure{kUsage, fmt::format("there is no playbook {}\n", options.people)};
  }
  const TimePoint now = MomentOf(common, workspace);
  const TimePoint at = common.at.empty() ? NextSlot(workspace, now) : now;
  const Applying asked = Asked(workspace, options.backfill, options.running);
  const Planned planned = MakePlan(db, checked, at, asked);
  const PlanScreen screen{
      .plan = planned.plan,
      .workspace = workspace,
      .from = planned.running ? planned.running->hash : "",
      .to = planned.hash,
      .data_as_of = DataAsOf(db, workspace),
      .people = options.people,
      .running = planned.running ? planned.running->files : std::vector<SourceFile>(),
      .before = planned.before,
      .after = planned.after,
      .difference = planned.difference,
      .compared = planned.compared};
  if (!options.out.empty()) {
    NotePlan(common, workspace, planned, WritePlan(options.out, planned, checked, asked, now), now);
  }
  fmt::print("{}", common.json        ? PlanJson(screen)
                   : options.markdown ? PlanMarkdown(screen)
                                      : PlanText(screen));
  return planned.plan.people > 0 ? kPeopleAffected : kFine;
}

int RunApply(const Common& common, const ApplyOptions& options) {
  RequireNotLost(common);
  Checked folder = OpenWorkspace(common);
  // No state is made for a word or a plan that is wrong.
  const Applying applying = Asked(*folder.workspace, options.backfill, options.running);
  std::optional<PlanInFile> file;
  if (!options.plan.empty()) {
    file = ReadPlan(options.plan, *folder.workspace);
  }
  MakeFolder(common.state);
  Database db = Database::Open(StateFile(common));
  const Checked checked = WithEarlier(db, std::move(folder));
  const Workspace& workspace = *checked.workspace;
  const int asked = ApprovalsAsked(workspace, RunningRelease(db));
  if (options.follow_folder) {
    if (asked > 0) {
      throw Failure{kBrake,
                    "not done: the files of the folder would run without the approvals that "
                    "safety.approvals asks; apply files without it first, by a plan that was "
                    "approved\n"};
    }
    FollowFolder(db);
    if (common.json) {
      fmt::print("{}\n", R"({"follow_folder":true})");
      return kFine;
    }
    fmt::print("from the next run on, the files of the folder run as they are\n");
    return kFine;
  }
  const TimePoint now = MomentOf(common, workspace);
  TimePoint at = NextSlot(workspace, now);
  if (file) {
    const std::string stale = StaleNow(db, file->plan, checked.files);
    if (!stale.empty()) {
      throw Failure{kFindings,
                    fmt::format("not applied: the plan is stale: {}; make a new one\n", stale)};
    }
    at = file->plan.at;
  }
  const Approvals approvals =
      RequireApproved(db, {.asked = asked, .file = file ? &*file : nullptr, .applying = applying});
  const Planned planned = MakePlan(db, checked, at, applying);
  if (file) {
    RequireFresh(file->plan, planned, options.drift);
  }
  Transaction work(db);
  NoteRelease(db, checked.files, true, now);
  NoteAudit(db, {now, WhoRuns(), std::string(kAuditApply), planned.hash,
                 (file ? "plan " + file->hash : "no plan") +
                     (options.drift > 0 ? fmt::format(", --drift {}", options.drift) : "")});
  LeaveWord(db, workspace, applying);
  work.Commit();
  if (common.json) {
    fmt::print("{}", AppliedJson(planned.hash, planned.running ? planned.running->hash : "", at,
                                 planned.difference, approvals));
    return kFine;
  }
  const Zone& zone = workspace.schema.timezone;
  fmt::print("applied {}{}; in the cycle of {} {}\n", planned.hash.substr(0, 8),
             planned.running ? " in place of " + planned.running->hash.substr(0, 8) : "",
             zone.Format(at), zone.name());
  fmt::print("{}", ApprovalLines(approvals, zone));
  fmt::print("{}", RunsText(planned.plan));
  fmt::print("{}", planned.difference.empty()
                       ? "everybody would receive the same\n"
                       : DifferenceText(planned.difference, planned.before, planned.after, kNamed));
  fmt::print("a service that is at work takes them with `systemctl reload segue`\n");
  return kFine;
}

}  // namespace segue
