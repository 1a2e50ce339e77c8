// plan: one full cycle at a moment, on the state as it is, all of it rolled back afterwards.  It is
// the code that runs in earnest, so it names the same people.  apply: makes the files live.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include <fmt/format.h>

#include "cli/cli.h"
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

std::optional<TimePoint> LastCycle(Database& db) {
  Statement made = db.Prepare("SELECT 1 FROM sqlite_master WHERE name = 'cycle'");
  if (!made.Step()) {
    return std::nullopt;  // Nothing ever ran here.
  }
  Statement find = db.Prepare("SELECT max(now) FROM cycle WHERE finished = 1");
  return find.Step() && !find.IsNull(0) ? std::optional(FromMicros(find.Int(0))) : std::nullopt;
}

// A plan, and what the files that run now would do at the same moment.
struct Planned {
  Foreseen plan;
  std::optional<Release> running;
  std::string hash;
  WhoGets before, after;
  Difference difference;
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

Planned MakePlan(Database& db, const Checked& checked, TimePoint at, const Applying& applying) {
  Planned planned;
  planned.running = RunningRelease(db);
  planned.hash = FilesHash(checked.files);
  planned.plan = Foresee(db, *checked.workspace, *checked.templates, at,
                         OptionsFor(*checked.workspace, false), applying);
  planned.after = WhoGetsWhat(planned.plan, *checked.workspace);
  if (!planned.running) {
    planned.difference = Compare({}, planned.after);
  } else if (planned.running->hash != planned.hash) {
    const Checked old = CheckWorkspace(planned.running->files, false, VersionsInUse(db));
    if (old.workspace == nullptr) {
      throw Failure{kFindings,
                    "the files that run now cannot be read by this version of segue: compare "
                    "with the version that they were made for\n"};
    }
    const Foreseen before =
        Foresee(db, *old.workspace, *old.templates, at, OptionsFor(*old.workspace, false));
    planned.before = WhoGetsWhat(before, *old.workspace);
    planned.difference = Compare(planned.before, planned.after);
  }
  return planned;
}

void WritePlan(const std::string& path, const Planned& planned, const Checked& checked,
               TimePoint now) {
  const PlanFile file{.workspace = checked.workspace->id,
                      .made = now,
                      .at = planned.plan.at,
                      .files = FileHashes(checked.files),
                      .running = planned.running ? planned.running->hash : "",
                      .gets = planned.after};
  std::ofstream out(path, std::ios::binary);
  out << PlanFileText(file) << std::flush;
  if (!out) {
    throw Failure{kCannotReach, fmt::format("cannot write {}\n", path)};
  }
}

PlanFile ReadPlan(const std::string& path, const Workspace& workspace) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in) {
    throw Failure{kUsage, fmt::format("cannot read {}\n", path)};
  }
  Result<PlanFile> plan = ParsePlanFile(text.str());
  if (!plan) {
    throw Failure{kUsage, fmt::format("{}: {}\n", path, plan.error().message())};
  }
  if (plan->workspace != workspace.id) {
    throw Failure{kUsage, fmt::format("{} is a plan of workspace {}, and this is {}\n", path,
                                      plan->workspace, workspace.id)};
  }
  return *plan;
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
  Checked folder = OpenWorkspace(common);
  RequireState(common);
  Database db = Database::Open(StateFile(common));
  const Checked checked = WithEarlier(db, std::move(folder));
  const Workspace& workspace = *checked.workspace;
  if (!options.people.empty() && !workspace.FindPlaybook(options.people)) {
    throw Failure{kUsage, fmt::format("there is no playbook {}\n", options.people)};
  }
  const TimePoint now = MomentOf(common, workspace);
  const TimePoint at = common.at.empty() ? NextSlot(workspace, now) : now;
  const Planned planned =
      MakePlan(db, checked, at, Asked(workspace, options.backfill, options.running));
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
      .difference = planned.difference};
  if (!options.out.empty()) {
    WritePlan(options.out, planned, checked, now);
  }
  fmt::print("{}", common.json        ? PlanJson(screen)
                   : options.markdown ? PlanMarkdown(screen)
                                      : PlanText(screen));
  return planned.plan.people > 0 ? kPeopleAffected : kFine;
}

int RunApply(const Common& common, const ApplyOptions& options) {
  Checked folder = OpenWorkspace(common);
  std::filesystem::create_directories(common.state);
  Database db = Database::Open(StateFile(common));
  const Checked checked = WithEarlier(db, std::move(folder));
  const Workspace& workspace = *checked.workspace;
  if (options.follow_folder) {
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
  std::optional<PlanFile> file;
  if (!options.plan.empty()) {
    file = ReadPlan(options.plan, workspace);
    const std::string stale = Stale(*file, checked.files, RunningRelease(db), LastCycle(db));
    if (!stale.empty()) {
      throw Failure{kFindings,
                    fmt::format("not applied: the plan is stale: {}; make a new one\n", stale)};
    }
    at = file->at;
  }
  const Applying applying = Asked(workspace, options.backfill, options.running);
  const Planned planned = MakePlan(db, checked, at, applying);
  if (file) {
    RequireFresh(*file, planned, options.drift);
  }
  Transaction work(db);
  NoteRelease(db, checked.files, true, now);
  LeaveWord(db, workspace, applying);
  work.Commit();
  if (common.json) {
    fmt::print("{}", AppliedJson(planned.hash, planned.running ? planned.running->hash : "", at,
                                 planned.difference));
    return kFine;
  }
  const Zone& zone = workspace.schema.timezone;
  fmt::print("applied {}{}; in the cycle of {} {}\n", planned.hash.substr(0, 8),
             planned.running ? " in place of " + planned.running->hash.substr(0, 8) : "",
             zone.Format(at), zone.name());
  fmt::print("{}", planned.difference.empty()
                       ? "everybody would receive the same\n"
                       : DifferenceText(planned.difference, planned.before, planned.after, kNamed));
  fmt::print("a service that is at work takes them with `systemctl reload segue`\n");
  return kFine;
}

}  // namespace segue
