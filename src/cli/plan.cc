// plan: one full cycle at a moment, on the state as it is, all of it rolled back afterwards.  It is
// the code that runs in earnest, so it names the same people.

#include <algorithm>
#include <map>
#include <set>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/text.h"
#include "cli/cli.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "pipeline/foresee.h"

namespace segue {
namespace {

constexpr std::size_t kPeopleShown = 5;

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

// "21 sent · 14 no consent · 1 no address", the largest first.
std::string OutcomeLine(const std::map<std::string, std::int64_t>& outcomes) {
  std::vector<std::pair<std::string, std::int64_t>> sorted(outcomes.begin(), outcomes.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string line;
  for (const auto& [word, count] : sorted) {
    std::string words = word;
    std::replace(words.begin(), words.end(), '_', ' ');
    line += fmt::format("{}{} {}", line.empty() ? "" : " · ", Grouped(count), words);
  }
  return line;
}

std::string WhenLine(const ForeseenStep& step, TimePoint at, const Zone& reader) {
  if (step.reason != "sent") {
    return step.reason + (step.detail.empty() ? "" : ": " + step.detail);
  }
  const std::string when = step.due <= at ? "at once" : reader.Format(step.due);
  const bool elsewhere = step.zone.name() != reader.name();
  return when +
         (elsewhere ? " (" + step.zone.Format(step.due).substr(11) + " in " + step.zone.name() + ")"
                    : "");
}

void PrintPlaybook(const Foreseen& plan, const ForeseenPlaybook& one, const Workspace& workspace,
                   bool everybody) {
  const auto index = static_cast<std::size_t>(one.playbook);
  const Playbook& playbook = workspace.playbooks[index];
  fmt::print("{} {}   {}{}\n", one.started > 0 ? "+" : "~",
             FormatPlace(playbook.place, workspace.files), playbook.id,
             playbook.status == Status::kShadow ? "   (shadow: decides, delivers nothing)" : "");
  if (one.started > 0) {
    fmt::print("      {} would start{}\n", Grouped(one.started),
               one.refused.empty() ? "" : "   not started: " + OutcomeLine(one.refused));
  } else if (!one.refused.empty()) {
    fmt::print("      nobody would start: {}\n", OutcomeLine(one.refused));
  }
  for (const auto& [step, outcomes] : one.by_step) {
    fmt::print("      {}: {}\n", step, OutcomeLine(outcomes));
  }
  std::size_t shown = 0;
  for (const ForeseenStep& step : one.steps) {
    if (!everybody && shown++ == kPeopleShown) {
      fmt::print("      …  segue plan --people {} lists all {}\n", playbook.id,
                 Grouped(static_cast<std::int64_t>(one.steps.size())));
      break;
    }
    fmt::print("      {:<28} {:<28} {}\n", step.person, step.what,
               WhenLine(step, plan.at, workspace.schema.timezone));
  }
}

boost::json::object ToJson(const Foreseen& plan, const Workspace& workspace) {
  boost::json::array playbooks;
  for (const ForeseenPlaybook& one : plan.playbooks) {
    boost::json::array steps;
    for (const ForeseenStep& step : one.steps) {
      steps.push_back({{"customer", step.customer_key},
                       {"to", step.person},
                       {"step", step.what},
                       {"outcome", step.reason},
                       {"due", FormatTime(step.due)},
                       {"detail", step.detail}});
    }
    boost::json::object refused;
    for (const auto& [word, count] : one.refused) {
      refused[word] = count;
    }
    playbooks.push_back(
        {{"playbook", workspace.playbooks[static_cast<std::size_t>(one.playbook)].id},
         {"started", one.started},
         {"refused", refused},
         {"steps", steps}});
  }
  boost::json::array models;
  for (const ForeseenModel& one : plan.models) {
    models.push_back({{"model", workspace.models[static_cast<std::size_t>(one.model)].id},
                      {"moved", one.moved},
                      {"baseline", one.baseline}});
  }
  return {{"at", FormatTime(plan.at)}, {"customers", plan.customers}, {"models", models},
          {"playbooks", playbooks},    {"brake", plan.report.brake},  {"people", plan.people}};
}

void PrintModels(const Foreseen& plan, const Workspace& workspace) {
  for (const ForeseenModel& one : plan.models) {
    const std::string& id = workspace.models[static_cast<std::size_t>(one.model)].id;
    if (one.baseline) {
      fmt::print("  {}: its first run, a baseline: it places everybody and moves nobody\n", id);
    } else if (one.moved > 0) {
      fmt::print("  {}: {} would move ({}): {}\n", id, Grouped(one.moved),
                 Percent(static_cast<double>(one.moved) /
                         static_cast<double>(std::max<std::int64_t>(1, plan.customers))),
                 OutcomeLine(one.by_cause));
    }
  }
}

}  // namespace

int RunPlan(const Common& common, const PlanOptions& options) {
  const Checked checked = OpenWorkspace(common);
  const Workspace& workspace = *checked.workspace;
  RequireState(common);
  if (!options.people.empty() && !workspace.FindPlaybook(options.people)) {
    throw Failure{kUsage, fmt::format("there is no playbook {}\n", options.people)};
  }
  const TimePoint now = MomentOf(common, workspace);
  const TimePoint at = common.at.empty() ? NextSlot(workspace, now) : now;
  Database db = Database::Open(StateFile(common));
  const Foreseen plan =
      Foresee(db, workspace, *checked.templates, at, OptionsFor(workspace, false));
  if (common.json) {
    fmt::print("{}\n", boost::json::serialize(ToJson(plan, workspace)));
    return plan.people > 0 ? kPeopleAffected : kFine;
  }
  fmt::print("plan for {} {}   {} customers\n", workspace.schema.timezone.Format(at),
             workspace.schema.timezone.name(), Grouped(plan.customers));
  PrintModels(plan, workspace);
  for (const ForeseenPlaybook& one : plan.playbooks) {
    const bool wanted =
        workspace.playbooks[static_cast<std::size_t>(one.playbook)].id == options.people;
    if (options.people.empty() || wanted) {
      PrintPlaybook(plan, one, workspace, wanted);
    }
  }
  if (!plan.report.brake.empty()) {
    fmt::print("! brake: {}: the run would hold and ask\n", plan.report.brake);
  }
  fmt::print("{}\n", plan.people == 0
                         ? "nobody is affected"
                         : fmt::format("exit 2: {} people are affected", Grouped(plan.people)));
  return plan.people > 0 ? kPeopleAffected : kFine;
}

}  // namespace segue
