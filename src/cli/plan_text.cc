#include "cli/plan_text.h"

#include <algorithm>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/money.h"
#include "base/text.h"
#include "base/visible.h"
#include "cli/terminal.h"

namespace segue {
namespace {

constexpr std::size_t kPeopleShown = 5;
constexpr std::size_t kChangesShown = 20;
constexpr std::size_t kColumnLeast = 28, kColumnMost = 48;
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

// What differs between the files that run and those planned, each key on its line.
std::vector<std::string> ChangeLines(const PlanScreen& screen) {
  std::vector<std::string> lines;
  if (screen.from.empty() || screen.from == screen.to) {
    return lines;
  }
  const std::vector<SourceFile>& files = screen.workspace.files;
  for (const DocumentChange& change : ChangesBetween(screen.running, files)) {
    const std::string what = change.document + " " + change.id;
    switch (change.kind) {
      case DocumentChange::Kind::kNew:
        lines.push_back(fmt::format("+ {}   {}", FormatPlace(change.place, files), what));
        break;
      case DocumentChange::Kind::kGone:
        lines.push_back(fmt::format("- {}   {}", FormatPlace(change.place, screen.running), what));
        break;
      case DocumentChange::Kind::kEdited:
        for (const DocumentChange::Line& line : change.lines) {
          lines.push_back(
              fmt::format("~ {}   {}: {}", FormatPlace(line.place, files), what, line.text));
        }
        break;
    }
  }
  if (lines.size() > kChangesShown) {
    const std::size_t more = lines.size() - kChangesShown;
    lines.resize(kChangesShown);
    lines.push_back(fmt::format("… and {} more", more));
  }
  return lines;
}

// "18 would start: 3 held out · 15 treated   not started: 1 when false"
std::string StartsLine(const ForeseenPlaybook& one) {
  const std::string refused = OutcomeLine(one.refused);
  if (one.started == 0) {
    return refused.empty() ? "" : "nobody would start: " + refused;
  }
  std::string line = Grouped(one.started) + " would start";
  if (one.experiment) {
    line += fmt::format(": {} held out · {} treated", Grouped(one.held_out),
                        Grouped(one.started - one.held_out));
  }
  return line + (refused.empty() ? "" : "   not started: " + refused);
}

// "312 are in the segment already, and start nothing: --backfill risk_winback starts them"; empty
// where nobody asked.
std::string AlreadyLine(const Playbook& playbook, const ForeseenPlaybook& one) {
  if (one.already == 0) {
    return "";
  }
  const bool alone = one.already == 1;
  std::string where;
  switch (playbook.on.kind) {
    case Trigger::Kind::kMove:
      where = alone ? "is in the segment" : "are in the segment";
      break;
    case Trigger::Kind::kFlag:
      where = alone ? "has the flag" : "have the flag";
      break;
    case Trigger::Kind::kEvery:
      where = alone ? "fulfils `while`" : "fulfil `while`";
      break;
    case Trigger::Kind::kEvent:
      return "";
  }
  const std::string line = fmt::format("{} {} already", Grouped(one.already), where);
  if (one.backfilled) {
    return line + ": --backfill asks for them too";
  }
  // Of a round that begins with these files their turn comes.
  const std::string then = playbook.on.kind == Trigger::Kind::kEvery
                               ? "and " + std::string(alone ? "starts" : "start") + " in " +
                                     FormatDuration(playbook.on.every)
                               : "and " + std::string(alone ? "starts" : "start") + " nothing";
  return fmt::format("{}, {}: --backfill {} starts them{}", line, then, playbook.id,
                     playbook.on.kind == Trigger::Kind::kEvery ? " now" : "");
}

// "the 21: 1 at once · 20 after quiet hours, from 2026-03-08 07:00 to 2026-03-08 15:00"; empty
// where all go at once.
std::string HoldsLine(const PlanScreen& screen, const ForeseenPlaybook& one,
                      const std::string& what) {
  std::int64_t sent = 0, at_once = 0;
  std::map<std::string, std::int64_t> held;
  TimePoint first = TimePoint::max(), last = TimePoint::min();
  for (const ForeseenStep& step : one.steps) {
    if (step.what != what || step.reason != "sent") {
      continue;
    }
    ++sent;
    if (step.due <= screen.plan.at) {
      ++at_once;
    } else {
      ++held[step.held == "cap" ? "when a cap has room" : "after " + step.held];
      first = std::min(first, step.due);
      last = std::max(last, step.due);
    }
  }
  if (held.empty()) {
    return "";
  }
  const Zone& zone = screen.workspace.schema.timezone;
  const std::string from = zone.Format(first), to = zone.Format(last);
  return fmt::format("the {}: {}{}, {}", Grouped(sent),
                     at_once > 0 ? Grouped(at_once) + " at once · " : "", OutcomeLine(held),
                     from == to ? "at " + from : "from " + from + " to " + to);
}

// "21 reserved of winback_20   252.00 EUR, 1 252.00 EUR of 15 000.00 EUR this month"
std::string OfferLine(const PlanScreen& screen, const ForeseenPlaybook& one) {
  const Workspace& workspace = screen.workspace;
  const Playbook& playbook = workspace.playbooks[static_cast<std::size_t>(one.playbook)];
  const Offer* offer = workspace.FindOffer(playbook.offer);
  if (offer == nullptr || one.reserved == 0) {
    return "";
  }
  std::string line = fmt::format("{} {} of {} reserved", Grouped(one.reserved),
                                 offer->has_pool() ? "codes" : "pieces", offer->id);
  if (offer->budget) {
    const std::string& currency = workspace.schema.currency;
    line +=
        fmt::format(": {}, and then {} of {} are taken this month", FormatMoney(one.cost, currency),
                    FormatMoney(one.taken, currency), FormatMoney(*offer->budget, currency));
  }
  return line;
}

// As wide as its widest text, within reason: longer ones are shortened.
std::string InColumn(const std::string& text, std::size_t width) {
  const std::string cell = Visible(Shortened(text, width));
  return cell + std::string(width - std::min(width, DisplayWidth(cell)), ' ');
}

std::size_t ColumnWidth(const std::vector<std::string>& texts) {
  std::size_t width = kColumnLeast;
  for (const std::string& text : texts) {
    width = std::max(width, DisplayWidth(Visible(text)));
  }
  return std::min(width, kColumnMost);
}

// One line for each person and step.
std::string PeopleText(const PlanScreen& screen, const ForeseenPlaybook& one,
                       const Playbook& playbook, std::size_t shown) {
  std::vector<std::string> people, steps;
  for (std::size_t i = 0; i < std::min(shown, one.steps.size()); ++i) {
    const ForeseenStep& step = one.steps[i];
    people.push_back(step.person);
    steps.push_back(step.title.empty() ? step.what : step.title);
  }
  const std::size_t person = ColumnWidth(people), what = ColumnWidth(steps);
  std::string text;
  for (std::size_t i = 0; i < people.size(); ++i) {
    text += fmt::format(
        "      {} {} {}{}\n", InColumn(people[i], person), InColumn(steps[i], what),
        Visible(WhenLine(one.steps[i], screen.plan.at, screen.workspace.schema.timezone)),
        one.steps[i].offer ? "   " + playbook.offer + " reserved" : "");
  }
  return text;
}

// Who starts, how often each outcome came of each step, and the first few by name.
std::string PlaybookText(const PlanScreen& screen, const ForeseenPlaybook& one, bool everybody) {
  const Workspace& workspace = screen.workspace;
  const Playbook& playbook = workspace.playbooks[static_cast<std::size_t>(one.playbook)];
  std::string text = fmt::format(
      "{} {}   {}{}\n", one.started > 0 ? "+" : "~", FormatPlace(playbook.place, workspace.files),
      playbook.id,
      playbook.status == Status::kShadow ? "   (shadow: decides, delivers nothing)" : "");
  const auto add = [&](const std::string& line, std::string_view indent) {
    text += line.empty() ? "" : fmt::format("{}{}\n", indent, line);
  };
  add(StartsLine(one), "      ");
  add(AlreadyLine(playbook, one), "      ");
  for (const auto& [what, outcomes] : one.by_step) {
    add(what + ": " + OutcomeLine(outcomes), "      ");
    add(HoldsLine(screen, one, what), "         ");
  }
  add(OfferLine(screen, one), "      ");
  const std::size_t shown = everybody ? one.steps.size() : kPeopleShown;
  text += PeopleText(screen, one, playbook, shown);
  if (one.steps.size() > shown) {
    text += fmt::format("      …  segue plan --people {} lists all {}\n", playbook.id,
                        Grouped(std::ssize(one.steps)));
  }
  return text;
}

// How far this cycle goes towards each limit of `safety`; empty where there is none.
std::string BrakesLine(const PlanScreen& screen) {
  const Workspace& workspace = screen.workspace;
  std::vector<std::string> parts;
  if (workspace.max_moved_percent) {
    for (const ForeseenModel& one : screen.plan.models) {
      const std::int64_t moved = one.moved - one.placed;
      if (moved > 0) {
        parts.push_back(fmt::format(
            "{} of {} moved in {} ({}, limit {} %)", Grouped(moved), Grouped(screen.plan.customers),
            workspace.models[static_cast<std::size_t>(one.model)].id,
            Percent(static_cast<double>(moved) /
                    static_cast<double>(std::max<std::int64_t>(1, screen.plan.customers))),
            *workspace.max_moved_percent));
      }
    }
  }
  if (workspace.max_sends_per_run) {
    parts.push_back(fmt::format("{} sends (limit {})",
                                Grouped(screen.plan.report.playbooks.messages),
                                Grouped(*workspace.max_sends_per_run)));
  }
  return parts.empty() ? "" : "brakes: " + Join(parts, " · ") + "\n";
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

std::string PersonLine(const std::string& person, const std::string& what) {
  return fmt::format("{:<28} {}", Visible(person), Visible(what));
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
                       {"title", step.title},
                       {"outcome", step.reason},
                       {"due", FormatTime(step.due)},
                       {"held", step.held},
                       {"offer", step.offer},
                       {"detail", step.detail}});
    }
    boost::json::object refused;
    for (const auto& [word, count] : one.refused) {
      refused[word] = count;
    }
    playbooks.push_back(
        {{"playbook", workspace.playbooks[static_cast<std::size_t>(one.playbook)].id},
         {"started", one.started},
         {"held_out", one.held_out},
         {"refused", refused},
         {"already", one.already},
         {"backfilled", one.backfilled},
         {"offers_reserved", one.reserved},
         {"offers_cost", one.cost},
         {"steps", steps}});
  }
  boost::json::array models;
  for (const ForeseenModel& one : plan.models) {
    models.push_back({{"model", workspace.models[static_cast<std::size_t>(one.model)].id},
                      {"moved", one.moved},
                      {"baseline", one.baseline}});
  }
  boost::json::object runs;
  for (const auto& [playbook, counts] : plan.edited) {
    runs[playbook] = boost::json::value_from(counts);
  }
  boost::json::array leaving;
  for (const ForeseenLeaving& one : plan.leaving) {
    leaving.push_back(
        {{"playbook", one.playbook}, {"customer", one.customer_key}, {"list", one.list}});
  }
  return {{"at", FormatTime(plan.at)},  {"customers", plan.customers},
          {"models", models},           {"playbooks", playbooks},
          {"runs", std::move(runs)},    {"leaving", std::move(leaving)},
          {"brake", plan.report.brake}, {"people", plan.people}};
}

}  // namespace

std::string RunsText(const Foreseen& plan) {
  std::string text;
  for (const auto& [playbook, counts] : plan.edited) {
    for (const auto& [what, count] : counts) {
      text += fmt::format("~ {}   {} {}\n", playbook, Counted(count, "run", "runs"),
                          what == "stop"   ? "would end: --running stop"
                          : what == "move" ? "would go on with the new version"
                                           : "would end: the playbook or the wait is gone");
    }
  }
  std::map<std::string, std::map<std::string, std::int64_t>> lists;
  for (const ForeseenLeaving& one : plan.leaving) {
    ++lists[one.playbook][one.list];
  }
  for (const auto& [playbook, counts] : lists) {
    for (const auto& [list, count] : counts) {
      text += fmt::format("~ {}   {} would leave {}\n", playbook,
                          Counted(count, "person", "people"), Visible(list));
    }
  }
  return text;
}

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
    return PersonLine(after.at(key).person, WhatLine(after.at(key)));
  });
  list("would no longer receive", difference.no_longer, [&](const std::string& key) {
    return PersonLine(before.at(key).person, WhatLine(before.at(key)));
  });
  list("would receive something else", difference.otherwise, [&](const std::string& key) {
    return PersonLine(after.at(key).person, OtherwiseLine(before.at(key), after.at(key)));
  });
  return text;
}

std::string PlanText(const PlanScreen& screen) {
  const Foreseen& plan = screen.plan;
  std::string text = Head(screen);
  for (const std::string& line : ChangeLines(screen)) {
    text += line + "\n";
  }
  text += "at that moment, if nothing else comes in:\n" + ModelsText(plan, screen.workspace);
  for (const ForeseenPlaybook& one : plan.playbooks) {
    const bool wanted =
        screen.workspace.playbooks[static_cast<std::size_t>(one.playbook)].id == screen.people;
    if (screen.people.empty() || wanted) {
      text += PlaybookText(screen, one, wanted);
    }
  }
  if (screen.people.empty()) {
    text += RunsText(plan);
  }
  if (screen.compared) {
    text += "compared with the files that run now:\n";
    text += screen.difference.empty()
                ? "      everybody would receive the same\n"
                : DifferenceText(screen.difference, screen.before, screen.after, kPeopleShown);
  }
  text += BrakesLine(screen);
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
  for (const std::string& line : ChangeLines(screen)) {
    text += "- `" + line + "`\n";
  }
  text += text.ends_with("`\n") ? "\n" : "";
  text +=
      "| playbook | would start | held out | not started | outcome of steps | offers |\n"
      "|---|---:|---:|---|---|---|\n";
  for (const ForeseenPlaybook& one : plan.playbooks) {
    std::string steps;
    for (const auto& [step, outcomes] : one.by_step) {
      steps += (steps.empty() ? "" : "; ") + step + ": " + OutcomeLine(outcomes);
    }
    const Playbook& playbook = screen.workspace.playbooks[static_cast<std::size_t>(one.playbook)];
    const std::vector<std::string> parts = {OutcomeLine(one.refused), AlreadyLine(playbook, one)};
    const bool both = !parts[0].empty() && !parts[1].empty();
    text += fmt::format("| `{}` | {} | {} | {} | {} | {} |\n", playbook.id, Grouped(one.started),
                        one.experiment ? Grouped(one.held_out) : "",
                        Cell(parts[0] + (both ? "; " : "") + parts[1]), Cell(steps),
                        Cell(OfferLine(screen, one)));
  }
  const std::string models = ModelsText(plan, screen.workspace) + RunsText(plan);
  if (!models.empty()) {
    text += "\n```\n" + models + "```\n";
  }
  if (screen.compared) {
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

std::string AppliedJson(const std::string& to, const std::string& from, TimePoint at,
                        const Difference& difference, const Approvals& approvals) {
  boost::json::array approved;
  for (const AuditRow& row : approvals.given) {
    approved.push_back(
        boost::json::object{{"who", row.who}, {"at", FormatTime(row.at)}, {"note", row.note}});
  }
  const boost::json::object out{{"applied", to},
                                {"from", from},
                                {"at", FormatTime(at)},
                                {"newly", Keys(difference.newly)},
                                {"no_longer", Keys(difference.no_longer)},
                                {"otherwise", Keys(difference.otherwise)},
                                {"approvals", std::move(approved)}};
  return boost::json::serialize(out) + "\n";
}

std::string PlanJson(const PlanScreen& screen) {
  boost::json::object out = ToJson(screen.plan, screen.workspace);
  out["from"] = screen.from;
  out["to"] = screen.to;
  out["edits"] = Keys(ChangeLines(screen));
  out["newly"] = Keys(screen.difference.newly);
  out["no_longer"] = Keys(screen.difference.no_longer);
  out["otherwise"] = Keys(screen.difference.otherwise);
  return boost::json::serialize(out) + "\n";
}

}  // namespace segue
