// report: what each playbook changed, in people who reached its goal and in money.

#include <algorithm>
#include <cmath>
#include <optional>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/money.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/figures.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "pipeline/experiments.h"

namespace segue {
namespace {

std::string Points(double share) {
  return fmt::format("{:+.1f}", 100 * share);
}

std::string Ratio(double ratio) {
  return fmt::format("{:.2f}", ratio);
}

std::string AnyTime(const Sequential& any_time) {
  return any_time.enough ? Ends(any_time.interval, Points) : "too early to say";
}

std::string SmallestText(const std::optional<double>& difference) {
  return difference ? fmt::format("{:.1f}", 100 * *difference) : "-";
}

void AddArm(const ArmFigures& arm, const std::string& name, Table& table) {
  const double people = arm.goal.people();
  const Interval share = ShareInterval(arm.goal.sum(), people);
  table.Row({name, CountText(people), CountText(arm.goal.sum()),
             people > 0 ? Percent(arm.goal.mean()) : "-", people > 0 ? Ends(share, Percent) : "-"});
}

std::string MoneyEnds(const Money& money, const std::string& currency) {
  return money.enough
             ? Ends(money.interval, [&](double value) { return MoneyText(value, currency); })
             : "too few buyers to say";
}

void AddComparison(const Experiment& one, const std::string& currency, Sheet& page) {
  Table table({"", ">", "95 %, one look", "95 %, any time"});
  const std::optional<Effect>& effect = one.answer.effect;
  if (effect) {
    table.Row({"difference, points", Points(effect->difference),
               Ends(effect->difference_interval, Points), AnyTime(one.any_time)});
    table.Row({"ratio", effect->ratio ? Ratio(*effect->ratio) : "-",
               effect->ratio ? Ends(effect->ratio_interval, Ratio) : "-", ""});
  }
  if (one.cuped && one.cuped->effect) {
    table.Row({"with behaviour before (CUPED)", Points(one.cuped->effect->difference),
               Ends(one.cuped->effect->difference_interval, Points), AnyTime(one.cuped->any_time)});
    table.Row(
        {"its correlation with the goal", fmt::format("{:.2f}", one.cuped->correlation), "", ""});
  }
  if (effect) {
    table.Row({"smallest to be found, points", "", SmallestText(one.answer.smallest_at_one_look),
               SmallestText(one.answer.smallest_at_any_time)});
  }
  table.Row({"split as drawn", fmt::format("p {:.3f}", one.answer.ratio_p), "", ""});
  if (one.money) {
    table.Row({"money per 1 000 treated", MoneyText(one.money->value, currency),
               MoneyEnds(*one.money, currency), ""});
  }
  page.Add(table);
}

void AddVariants(const Experiment& one, Sheet& page) {
  Table table({"variant", ">people", ">reached", ">rate", "95 %", ">against the first",
               "95 %, any time", ">p, corrected", ">split p"});
  for (std::size_t i = 0; i < one.variants.size(); ++i) {
    const ArmFigures& arm = one.variants[i];
    const double people = arm.goal.people();
    std::vector<std::string> row = {
        arm.name, CountText(people), CountText(arm.goal.sum()),
        people > 0 ? Percent(arm.goal.mean()) : "-",
        people > 0 ? Ends(ShareInterval(arm.goal.sum(), people), Percent) : "-"};
    if (i == 0) {
      row.insert(row.end(), {"", "", "", ""});
    } else {
      const VariantEffect& effect = one.effects[i - 1];
      row.insert(row.end(),
                 {effect.effect ? Points(effect.effect->difference) : "-", AnyTime(effect.any_time),
                  fmt::format("{:.3f}", effect.adjusted_p), fmt::format("{:.3f}", effect.ratio_p)});
    }
    table.Row(std::move(row));
  }
  page.Add(table);
}

// Uplift and money for each segment; with a verdict that counts how many were looked at.
void AddSegments(const Experiment& one, const Model& model, const std::string& currency,
                 Sheet& page) {
  Table table({model.id, ">people", ">rate", ">held out", ">rate", ">difference", "95 %, any time",
               ">p, corrected", ">money per 1 000", "95 %, one look"});
  const auto rate = [](const Arm& arm) { return arm.people() > 0 ? Percent(arm.mean()) : "-"; };
  for (const Experiment& part : one.parts) {
    const auto segment = std::find_if(model.segments.begin(), model.segments.end(),
                                      [&](const Segment& each) { return each.id == part.segment; });
    const bool known = part.compared && part.answer.effect;
    table.Row({segment == model.segments.end() ? part.segment : segment->name,
               CountText(part.treated.goal.people()), rate(part.treated.goal),
               CountText(part.held_out.goal.people()), rate(part.held_out.goal),
               known ? Points(part.answer.effect->difference) : "-",
               known ? AnyTime(part.any_time) : "-",
               known ? fmt::format("{:.3f}", part.adjusted_p) : "-",
               part.money ? MoneyText(part.money->value, currency) : "-",
               part.money ? MoneyEnds(*part.money, currency) : "-"});
  }
  page.Add(table);
}

std::string GoalLine(const Experiment& one, const Playbook& playbook, const Workspace& workspace) {
  const Goal& goal = *playbook.goal;
  std::string line =
      "goal: " +
      (goal.event ? workspace.schema.events[static_cast<std::size_t>(*goal.event)].name +
                        (goal.where ? " where " + goal.where->text : "")
                  : goal.when->text) +
      " within " + FormatDuration(goal.within);
  if (goal.expect) {
    line +=
        fmt::format(", expected {:+g} to {:+g} points", goal.expect->first, goal.expect->second);
  }
  line += fmt::format("; {} people entered", Grouped(one.entered));
  if (one.early > 0) {
    line += fmt::format(", {} of them too lately to be counted", Grouped(one.early));
  }
  if (one.unnumbered > 0) {
    line += fmt::format("; {} more in no arm", Grouped(one.unnumbered));
  }
  return line;
}

void AddExperiment(const Experiment& one, const Workspace& workspace, const Model* by,
                   Sheet& page) {
  const Playbook& playbook = workspace.playbooks[static_cast<std::size_t>(one.playbook)];
  page.Heading(playbook.id + (playbook.title.empty() ? "" : "  " + playbook.title));
  page.Line(GoalLine(one, playbook, workspace));
  Table arms({"", ">people", ">reached it", ">rate", "95 %"});
  AddArm(one.treated, "treated", arms);
  if (one.compared) {
    AddArm(one.held_out, "held out", arms);
  }
  page.Add(arms);
  if (one.compared) {
    AddComparison(one, workspace.schema.currency, page);
  }
  if (one.variants.size() > 1) {
    AddVariants(one, page);
  }
  if (by != nullptr) {
    AddSegments(one, *by, workspace.schema.currency, page);
  }
  page.Line(one.sentence);
}

boost::json::value Json(const std::optional<Effect>& effect) {
  if (!effect) {
    return {};
  }
  return boost::json::object{{"difference", effect->difference},
                             {"interval", JsonEnds(effect->difference_interval)},
                             {"ratio", JsonNumber(effect->ratio)},
                             {"ratio_interval", JsonEnds(effect->ratio_interval)}};
}

boost::json::object Json(const Sequential& any_time) {
  return {
      {"enough", any_time.enough}, {"interval", JsonEnds(any_time.interval)}, {"p", any_time.p}};
}

boost::json::object Json(const ArmFigures& arm) {
  const double people = arm.goal.people();
  return {{"people", people},
          {"reached", arm.goal.sum()},
          {"rate", people > 0 ? boost::json::value(arm.goal.mean()) : boost::json::value()},
          {"rate_interval", JsonEnds(ShareInterval(arm.goal.sum(), people))},
          {"money", std::round(arm.money.sum())}};
}

// Shares are parts of one, money is in minor units.
boost::json::object Json(const Experiment& one, const Workspace& workspace) {
  const Playbook& playbook = workspace.playbooks[static_cast<std::size_t>(one.playbook)];
  boost::json::object json{{"playbook", playbook.id},      {"entered", one.entered},
                           {"too_early", one.early},       {"in_no_arm", one.unnumbered},
                           {"treated", Json(one.treated)}, {"sentence", one.sentence}};
  if (one.compared) {
    json["held_out"] = Json(one.held_out);
    json["verdict"] = VerdictName(one.answer.verdict);
    json["effect"] = Json(one.answer.effect);
    json["any_time"] = Json(one.any_time);
    json["planned_people"] = std::round(one.planned);
    json["smallest_detectable"] =
        boost::json::object{{"one_look", JsonNumber(one.answer.smallest_at_one_look)},
                            {"any_time", JsonNumber(one.answer.smallest_at_any_time)}};
    json["sample_ratio_p"] = one.answer.ratio_p;
    if (one.cuped) {
      json["cuped"] = boost::json::object{{"correlation", one.cuped->correlation},
                                          {"theta", one.cuped->theta},
                                          {"effect", Json(one.cuped->effect)},
                                          {"any_time", Json(one.cuped->any_time)}};
    }
    if (one.money) {
      json["money_per_thousand"] = boost::json::object{{"value", one.money->value},
                                                       {"enough", one.money->enough},
                                                       {"interval", JsonEnds(one.money->interval)}};
    }
  }
  boost::json::array variants;
  for (std::size_t i = 0; i < one.variants.size(); ++i) {
    boost::json::object variant = Json(one.variants[i]);
    variant["variant"] = one.variants[i].name;
    if (i > 0 && i <= one.effects.size()) {
      const VariantEffect& effect = one.effects[i - 1];
      variant["effect"] = Json(effect.effect);
      variant["any_time"] = Json(effect.any_time);
      variant["adjusted_p"] = effect.adjusted_p;
      variant["sample_ratio_p"] = effect.ratio_p;
    }
    variants.push_back(std::move(variant));
  }
  if (!variants.empty()) {
    json["variants"] = std::move(variants);
  }
  boost::json::array parts;
  for (const Experiment& part : one.parts) {
    boost::json::object segment = Json(part, workspace);
    segment["segment"] = part.segment;
    segment["adjusted_p"] = part.adjusted_p;
    parts.push_back(std::move(segment));
  }
  if (!parts.empty()) {
    json["segments"] = std::move(parts);
  }
  return json;
}

}  // namespace

int RunReport(const Common& common, const ReportOptions& options) {
  Opened opened(common);
  const Workspace& workspace = *opened.checked.workspace;
  if (!options.playbook.empty()) {
    const Playbook& playbook = FindNamed(workspace.playbooks, options.playbook, "playbook");
    if (!playbook.goal) {
      throw Failure{kFindings,
                    fmt::format("{}: {} has no goal, so nothing says whether it helped; give it "
                                "`goal: {{event: …, within: …}}`\n",
                                FormatPlace(playbook.place, workspace.files), playbook.id)};
    }
  }
  const Model* by =
      options.by.empty() ? nullptr : &FindNamed(workspace.models, options.by, "model");
  const Zone& zone = workspace.schema.timezone;
  const std::vector<Experiment> all =
      Experiments(*opened.state,
                  {.playbook = options.playbook,
                   .from = MomentAt(options.from, zone, "--from"),
                   .to = MomentAt(options.to, zone, "--to"),
                   .final_look = options.final_look,
                   .by = by == nullptr ? -1 : static_cast<int>(by - workspace.models.data())},
                  opened.now);
  if (common.json) {
    boost::json::array list;
    for (const Experiment& one : all) {
      list.push_back(Json(one, workspace));
    }
    fmt::print("{}\n", boost::json::serialize(list));
    return kFine;
  }
  Sheet page(options.markdown);
  for (const Experiment& one : all) {
    AddExperiment(one, workspace, by, page);
  }
  if (all.empty()) {
    page.Line("nobody has entered a playbook with a goal yet");
  }
  fmt::print("{}", page.text());
  return kFine;
}

}  // namespace segue
