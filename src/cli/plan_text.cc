#include "cli/plan_text.h"

#include <algorithm>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "cli/terminal.h"

namespace segue {
namespace {

constexpr std::size_t kPeopleShown = 5;
constexpr std::size_t kPeopleInRequest = 200;  // A comment of a code host is cut at 64 KB.

std::string Short(const std::string& hash) {
  return hash.empty() ? "nothing" : hash.substr(0, 8);
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

std::string Head(const PlanScreen& screen) {
  const Zone& zone = screen.workspace.schema.timezone;
  return fmt::format("plan from {} to {}   data as of {}, planned for {} {}   {} customers\n",
                     Short(screen.from), Short(screen.to),
                     screen.data_as_of ? zone.Format(*screen.data_as_of) : "never",
                     zone.Format(screen.plan.at), zone.name(), Grouped(screen.plan.customers));
}

// How often each outcome came of each step.
std::string PlaybookText(const PlanScreen& screen, const ForeseenPlaybook& one, bool everybody) {
  const Workspace& workspace = screen.workspace;
  const Playbook& playbook = workspace.playbooks[static_cast<std::size_t>(one.playbook)];
  std::string text = fmt::format(
      "{} {}   {}{}\n", one.started > 0 ? "+" : "~", FormatPlace(playbook.place, workspace.files),
      playbook.id,
      playbook.status == Status::kShadow ? "   (shadow: decides, delivers nothing)" : "");
  if (one.started > 0) {
    text += fmt::format("      {} would start{}\n", Grouped(one.started),
                        one.refused.empty() ? "" : "   not started: " + OutcomeLine(one.refused));
  } else if (!one.refused.empty()) {
    text += fmt::format("      nobody would start: {}\n", OutcomeLine(one.refused));
  }
  for (const auto& [step, outcomes] : one.by_step) {
    text += fmt::format("      {}: {}\n", step, OutcomeLine(outcomes));
  }
  std::size_t shown = 0;
  for (const ForeseenStep& step : one.steps) {
    if (!everybody && shown++ == kPeopleShown) {
      text += fmt::format("      …  segue plan --people {} lists all {}\n", playbook.id,
                          Grouped(static_cast<std::int64_t>(one.steps.size())));
      break;
    }
    text += fmt::format("      {:<28} {:<28} {}\n", step.person, step.what,
                        WhenLine(step, screen.plan.at, workspace.schema.timezone));
  }
  return text;
}

std::string ModelsText(const Foreseen& plan, const Workspace& workspace) {
  std::string text;
  for (const ForeseenModel& one : plan.models) {
    const Model& model = workspace.models[static_cast<std::size_t>(one.model)];
    if (one.baseline) {
      text += fmt::format(
          "~ {}   {}: its first run, a baseline: it places everybody and moves nobody\n",
          FormatPlace(model.place, workspace.files), model.id);
    } else if (one.moved > 0) {
      text += fmt::format("~ {}   {}: {} would move ({}): {}\n",
                          FormatPlace(model.place, workspace.files), model.id, Grouped(one.moved),
                          Percent(static_cast<double>(one.moved) /
                                  static_cast<double>(std::max<std::int64_t>(1, plan.customers))),
                          OutcomeLine(one.by_cause));
      const auto edit = one.by_cause.find("edit");
      if (edit != one.by_cause.end()) {
        text += fmt::format("      {} of them because of this edit: they start nothing\n",
                            Grouped(edit->second));
      }
    }
  }
  return text;
}

std::string WhatLine(const Gets& gets) {
  std::string line;
  for (const auto& [what, words] : gets.what) {
    line += (line.empty() ? "" : ", ") + what;
  }
  return line;
}

// "welcome: hello → welcome: goodbye", or that the same says something else.
std::string OtherwiseLine(const Gets& before, const Gets& after) {
  const std::string was = WhatLine(before), is = WhatLine(after);
  return was == is ? is + " in other words" : was + " → " + is;
}

std::string Cell(std::string_view text) {
  std::string cell;
  for (const char c : text) {
    cell += c == '|' ? "\\|" : c == '\n' ? " " : std::string(1, c);
  }
  return cell;
}

boost::json::array Keys(const std::vector<std::string>& keys) {
  return boost::json::array(keys.begin(), keys.end());
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

}  // namespace

std::string DifferenceText(const Difference& difference, const WhoGets& before,
                           const WhoGets& after, std::size_t shown) {
  std::string text;
  const auto list = [&](std::string_view title, const std::vector<std::string>& keys,
                        const auto& line) {
    if (keys.empty()) {
      return;
    }
    text += fmt::format("{} {}\n", Grouped(std::ssize(keys)), title);
    for (std::size_t i = 0; i < keys.size() && i < shown; ++i) {
      text += fmt::format("      {}\n", line(keys[i]));
    }
    if (keys.size() > shown) {
      text += fmt::format("      … and {} more\n",
                          Grouped(std::ssize(keys) - static_cast<std::int64_t>(shown)));
    }
  };
  list("would newly receive", difference.newly, [&](const std::string& key) {
    return fmt::format("{:<28} {}", after.at(key).person, WhatLine(after.at(key)));
  });
  list("would no longer receive", difference.no_longer, [&](const std::string& key) {
    return fmt::format("{:<28} {}", before.at(key).person, WhatLine(before.at(key)));
  });
  list("would receive something else", difference.otherwise, [&](const std::string& key) {
    return fmt::format("{:<28} {}", after.at(key).person,
                       OtherwiseLine(before.at(key), after.at(key)));
  });
  return text;
}

std::string PlanText(const PlanScreen& screen) {
  const Foreseen& plan = screen.plan;
  std::string text = Head(screen) + ModelsText(plan, screen.workspace);
  for (const ForeseenPlaybook& one : plan.playbooks) {
    const bool wanted =
        screen.workspace.playbooks[static_cast<std::size_t>(one.playbook)].id == screen.people;
    if (screen.people.empty() || wanted) {
      text += PlaybookText(screen, one, wanted);
    }
  }
  if (!screen.from.empty() && screen.from != screen.to) {
    text += "compared with the files that run now:\n";
    text += screen.difference.empty()
                ? "      everybody would receive the same\n"
                : DifferenceText(screen.difference, screen.before, screen.after, kPeopleShown);
  }
  if (!plan.report.brake.empty()) {
    text += fmt::format("! brake: {}: the run would hold and ask\n", plan.report.brake);
  }
  text += plan.people == 0 ? "nobody is affected\n"
                           : fmt::format("exit 2: {} people are affected\n", Grouped(plan.people));
  return text;
}

std::string PlanMarkdown(const PlanScreen& screen) {
  const Foreseen& plan = screen.plan;
  const Zone& zone = screen.workspace.schema.timezone;
  std::string text = fmt::format(
      "### Plan for {} {}\n\n{} customers, {} affected. Files `{}` → `{}`, data as of {}.\n\n",
      zone.Format(plan.at), zone.name(), Grouped(plan.customers), Grouped(plan.people),
      Short(screen.from), Short(screen.to),
      screen.data_as_of ? zone.Format(*screen.data_as_of) : "never");
  if (!plan.report.brake.empty()) {
    text += fmt::format("> **Brake**: {}. The run would hold and ask.\n\n", plan.report.brake);
  }
  text += "| playbook | would start | not started | outcome of steps |\n|---|---:|---|---|\n";
  for (const ForeseenPlaybook& one : plan.playbooks) {
    std::string steps;
    for (const auto& [step, outcomes] : one.by_step) {
      steps += (steps.empty() ? "" : "; ") + step + ": " + OutcomeLine(outcomes);
    }
    text += fmt::format("| `{}` | {} | {} | {} |\n",
                        screen.workspace.playbooks[static_cast<std::size_t>(one.playbook)].id,
                        Grouped(one.started), Cell(OutcomeLine(one.refused)), Cell(steps));
  }
  const std::string models = ModelsText(plan, screen.workspace);
  if (!models.empty()) {
    text += "\n```\n" + models + "```\n";
  }
  if (!screen.from.empty() && screen.from != screen.to) {
    const Difference& difference = screen.difference;
    text += fmt::format(
        "\n**Compared with what runs now**: {} would newly receive, {} no longer, {} something "
        "else.\n",
        Grouped(std::ssize(difference.newly)), Grouped(std::ssize(difference.no_longer)),
        Grouped(std::ssize(difference.otherwise)));
    if (!difference.empty()) {
      text += "\n<details><summary>Who</summary>\n\n```\n" +
              DifferenceText(difference, screen.before, screen.after, kPeopleInRequest) +
              "```\n\n</details>\n";
    }
  }
  return text;
}

std::string PlanJson(const PlanScreen& screen) {
  boost::json::object out = ToJson(screen.plan, screen.workspace);
  out["from"] = screen.from;
  out["to"] = screen.to;
  out["newly"] = Keys(screen.difference.newly);
  out["no_longer"] = Keys(screen.difference.no_longer);
  out["otherwise"] = Keys(screen.difference.otherwise);
  return boost::json::serialize(out) + "\n";
}

}  // namespace segue
