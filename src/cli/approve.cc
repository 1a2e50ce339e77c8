#include "cli/approve.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/hash.h"
#include "base/visible.h"
#include "cli/cli.h"
#include "cli/person.h"
#include "cli/terminal.h"
#include "cli/verbs.h"

namespace segue {
namespace {

constexpr std::size_t kHashShown = 8;
constexpr const char* kNotNoted =
    "this is not what `segue plan -o` wrote for this state, or it was changed since; make a new "
    "plan\n";

std::optional<TimePoint> LastCycle(Database& db) {
  Statement made = db.Prepare("SELECT 1 FROM sqlite_master WHERE name = 'cycle'");
  if (!made.Step()) {
    return std::nullopt;  // Nothing ever ran here.
  }
  Statement find = db.Prepare("SELECT max(now) FROM cycle WHERE finished = 1");
  return find.Step() && !find.IsNull(0) ? std::optional(FromMicros(find.Int(0))) : std::nullopt;
}

// "1 of 2 approvals; …", with what comes next; empty where nobody asks for any.
std::string Tally(const PlanInFile& file, const Approvals& approvals) {
  if (approvals.asked == 0) {
    return "";
  }
  return fmt::format("{} of {} approvals: {}\n", approvals.given.size(), approvals.asked,
                     approvals.missing() == 0 ? fmt::format("`segue apply {}` takes it", file.path)
                                              : fmt::format("others than {} say `segue approve {}`",
                                                            Visible(file.plan.author), file.path));
}

// What the plan does, in as few lines as there are steps.
std::string PlanLines(const PlanInFile& file, const Zone& zone) {
  const PlanFile& plan = file.plan;
  std::string text =
      fmt::format("plan {} of {}, made {}, for the cycle of {} {}: {} something\n",
                  file.hash.substr(0, kHashShown),
                  plan.author.empty() ? "somebody whom it does not name" : Visible(plan.author),
                  zone.Format(plan.made), zone.Format(plan.at), zone.name(),
                  plan.gets.size() == 1 ? "1 person receives"
                                        : fmt::format("{} people receive", plan.gets.size()));
  std::map<std::string, std::int64_t> steps;
  for (const auto& [customer, gets] : plan.gets) {
    for (const auto& [step, words] : gets.what) {
      ++steps[step];
    }
  }
  for (const auto& [step, people] : steps) {
    text += fmt::format("  {}  {}\n", Visible(step), people);
  }
  for (const std::string& playbook : plan.asked.backfill) {
    text += fmt::format("  --backfill {}\n", Visible(playbook));
  }
  if (!plan.asked.running.empty()) {
    text += fmt::format("  --running {}\n", Visible(plan.asked.running));
  }
  return text;
}

boost::json::object ApprovalsJson(const PlanInFile& file, const Approvals& approvals,
                                  const std::string& stale) {
  boost::json::array given;
  for (const AuditRow& row : approvals.given) {
    given.push_back(
        boost::json::object{{"who", row.who}, {"at", FormatTime(row.at)}, {"note", row.note}});
  }
  return {{"plan", file.hash},
          {"author", file.plan.author},
          {"made", FormatTime(file.plan.made)},
          {"at", FormatTime(file.plan.at)},
          {"people", file.plan.gets.size()},
          {"approvals", std::move(given)},
          {"asked", approvals.asked},
          {"missing", approvals.missing()},
          {"stale", stale}};
}

}  // namespace

PlanInFile ReadPlan(const std::string& path, const Workspace& workspace) {
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
                                      Visible(plan->workspace), workspace.id)};
  }
  return {path, std::move(*plan), Sha256Hex(text.str())};
}

std::string StaleNow(Database& db, const PlanFile& plan, const std::vector<SourceFile>& files) {
  return Stale(plan, files, RunningRelease(db), LastCycle(db));
}

std::string ApprovalLines(const Approvals& approvals, const Zone& zone) {
  std::string text;
  for (const AuditRow& row : approvals.given) {
    text += fmt::format("approved by {} on {}{}\n", Visible(row.who), zone.Format(row.at),
                        row.note.empty() ? "" : ": " + Visible(row.note));
  }
  return text;
}

Approvals RequireApproved(Database& db, const Approving& approving) {
  const PlanInFile* file = approving.file;
  if (file == nullptr) {
    if (approving.asked > 0) {
      throw Failure{
          kBrake, fmt::format("not applied: safety.approvals asks that {} approve what goes live.\n"
                              "  segue plan -o plan.json      writes down what it does\n"
                              "  segue approve plan.json      is for others than who wrote it\n"
                              "  segue apply plan.json        takes it then\n",
                              Counted(approving.asked, "other person", "other people"))};
    }
    return {};
  }
  const PlanFile& plan = file->plan;
  Approvals approvals = ApprovalsOf(db, file->hash, plan.author, approving.asked);
  if (approving.asked == 0) {
    return approvals;
  }
  if (plan.author.empty()) {
    throw Failure{kFindings, "not applied: the plan does not say who made it; make a new one\n"};
  }
  if (approvals.missing() > 0) {
    throw Failure{kBrake, "not applied: approvals are missing\n" +
                              ApprovalLines(approvals, Zone()) + Tally(*file, approvals)};
  }
  if (!approvals.noted) {
    throw Failure{kFindings, std::string("not applied: ") + kNotNoted};
  }
  if (plan.asked.running != approving.applying.running ||
      plan.asked.backfill != approving.applying.backfill) {
    throw Failure{kFindings,
                  "not applied: what was approved is the plan with its --running and --backfill, "
                  "so say the same now:\n" +
                      PlanLines(*file, Zone())};
  }
  return approvals;
}

int ShowPlan(const Common& common, const std::string& path) {
  const Checked folder = OpenWorkspace(common);
  const Workspace& workspace = *folder.workspace;
  const PlanInFile file = ReadPlan(path, workspace);
  RequireState(common);
  Database db = Database::Open(StateFile(common));
  const Approvals approvals =
      ApprovalsOf(db, file.hash, file.plan.author, ApprovalsAsked(workspace, RunningRelease(db)));
  const std::string stale = StaleNow(db, file.plan, folder.files);
  if (common.json) {
    fmt::print("{}\n", boost::json::serialize(ApprovalsJson(file, approvals, stale)));
  } else {
    const Zone& zone = workspace.schema.timezone;
    fmt::print("{}{}{}", PlanLines(file, zone), ApprovalLines(approvals, zone),
               stale.empty() ? Tally(file, approvals)
                             : fmt::format("it is stale: {}; make a new one\n", stale));
  }
  return file.plan.gets.empty() ? kFine : kPeopleAffected;
}

int RunApprove(const Common& common, const ApproveOptions& options) {
  RequireNotLost(common);
  const Checked folder = OpenWorkspace(common);
  const Workspace& workspace = *folder.workspace;
  const PlanInFile file = ReadPlan(options.plan, workspace);
  MakeFolder(common.state);
  Database db = Database::Open(StateFile(common));
  const std::string stale = StaleNow(db, file.plan, folder.files);
  if (!stale.empty()) {
    throw Failure{kFindings,
                  fmt::format("not approved: the plan is stale: {}; make a new one\n", stale)};
  }
  const std::string who = WhoRuns();
  if (file.plan.author.empty() || file.plan.author == who) {
    throw Failure{kFindings,
                  file.plan.author.empty()
                      ? "not approved: the plan does not say who made it; make a new one\n"
                      : fmt::format("not approved: {} made this plan, and others approve it\n",
                                    Visible(who))};
  }
  const int asked = ApprovalsAsked(workspace, RunningRelease(db));
  const Approvals before = ApprovalsOf(db, file.hash, file.plan.author, asked);
  if (asked > 0 && !before.noted) {
    throw Failure{kFindings, std::string("not approved: ") + kNotNoted};
  }
  const bool again = std::any_of(before.given.begin(), before.given.end(),
                                 [&](const AuditRow& row) { return row.who == who; });
  if (!again) {
    Transaction work(db);
    NoteAudit(db, {MomentOf(common, workspace), who, std::string(kAuditApprove), file.hash,
                   options.note});
    work.Commit();
  }
  const Approvals approvals = ApprovalsOf(db, file.hash, file.plan.author, asked);
  if (common.json) {
    fmt::print("{}\n", boost::json::serialize(ApprovalsJson(file, approvals, "")));
    return kFine;
  }
  const Zone& zone = workspace.schema.timezone;
  fmt::print("{}{}{}", PlanLines(file, zone), ApprovalLines(approvals, zone),
             Tally(file, approvals));
  return kFine;
}

}  // namespace segue
