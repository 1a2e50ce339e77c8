// migrate, funnel and aha: where people go, how far they come, and which early actions go with
// staying.

#include <algorithm>
#include <cmath>

#include "base/money.h"
#include "cli/figures.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "pipeline/moments.h"
#include "pipeline/movement.h"
#include "pipeline/stages.h"

namespace segue {
namespace {

std::string MoneyOr(const std::optional<double>& minor_units, const std::string& currency) {
  return minor_units ? MoneyText(*minor_units, currency) : "-";
}

boost::json::value WholeJson(const std::optional<double>& value) {
  return value ? boost::json::value(std::round(*value)) : boost::json::value();
}

std::string DaysText(const std::optional<double>& days) {
  return days ? fmt::format("{:.1f}", *days) : "-";
}

std::string NameOf(const Movement& movement, const Model& model, std::size_t segment) {
  return segment == movement.segments.size() ? "none"
         : segment < model.segments.size()   ? model.segments[segment].name
                                             : movement.segments[segment] + " (is no more)";
}

void AddMatrix(const Movement& movement, const Model& model, Sheet& page) {
  std::vector<std::string> columns = {"from \\ to", ">people"};
  for (std::size_t i = 0; i <= movement.segments.size(); ++i) {
    columns.push_back(">" + (i < movement.segments.size() ? movement.segments[i] : "none"));
  }
  Table table(std::move(columns));
  for (std::size_t from = 0; from < movement.matrix.size(); ++from) {
    const MigrationRow& row = movement.matrix[from];
    std::vector<std::string> cells = {NameOf(movement, model, from), CountText(row.people)};
    for (std::size_t to = 0; to < row.to.size(); ++to) {
      cells.push_back(
          row.people == 0 || row.to[to] == 0 ? "·" : fmt::format("{:.1f} %", 100 * row.share[to]));
    }
    table.Row(std::move(cells));
  }
  page.Add(table);
}

void AddStays(const Movement& movement, const Model& model, const std::string& currency,
              Sheet& page) {
  const bool risk = !movement.at_risk.empty();
  std::vector<std::string> columns = {"segment",     ">stays", ">ended",
                                      ">mean, days", "95 %",   ">half are gone after"};
  if (risk) {
    columns.insert(columns.end(), {">" + movement.value, ">falls", ">at risk"});
  }
  Table table(std::move(columns));
  for (std::size_t i = 0; i < movement.stays.size(); ++i) {
    const ExpectedStay& stay = movement.stays[i];
    std::vector<std::string> cells = {
        NameOf(movement, model, i),
        CountText(stay.stays),
        CountText(stay.ended),
        DaysText(stay.mean),
        stay.mean ? Ends(stay.interval, [](double days) { return DaysText(days); }) : "",
        DaysText(stay.median)};
    if (risk) {
      const AtRisk& at_risk = movement.at_risk[i];
      cells.push_back(MoneyOr(at_risk.value, currency));
      cells.push_back(at_risk.share ? Percent(*at_risk.share) : "-");
      cells.push_back(MoneyOr(at_risk.at_risk, currency));
    }
    table.Row(std::move(cells));
  }
  page.Add(table);
}

boost::json::object Json(const Movement& movement) {
  boost::json::array matrix;
  for (std::size_t from = 0; from < movement.matrix.size(); ++from) {
    const MigrationRow& row = movement.matrix[from];
    boost::json::object to;
    for (std::size_t i = 0; i < row.to.size(); ++i) {
      const std::string name = i < movement.segments.size() ? movement.segments[i] : "none";
      to[name] = row.people == 0 ? boost::json::object{{"people", 0}}
                                 : boost::json::object{{"people", row.to[i]},
                                                       {"share", row.share[i]},
                                                       {"interval", JsonEnds(row.interval[i])}};
    }
    matrix.push_back({{"from", from < movement.segments.size() ? movement.segments[from] : "none"},
                      {"people", row.people},
                      {"to", to}});
  }
  boost::json::array stays;
  for (std::size_t i = 0; i < movement.stays.size(); ++i) {
    const ExpectedStay& stay = movement.stays[i];
    boost::json::object one{{"segment", movement.segments[i]},
                            {"stays", stay.stays},
                            {"ended", stay.ended},
                            {"mean_days", JsonNumber(stay.mean)},
                            {"interval", JsonEnds(stay.interval)},
                            {"median_days", JsonNumber(stay.median)}};
    if (!movement.at_risk.empty()) {
      one["value"] = WholeJson(movement.at_risk[i].value);
      one["falls"] = JsonNumber(movement.at_risk[i].share);
      one["at_risk"] = WholeJson(movement.at_risk[i].at_risk);
    }
    stays.push_back(std::move(one));
  }
  return {{"from", FormatTime(movement.from)},
          {"to", FormatTime(movement.to)},
          {"value", movement.value},
          {"matrix", matrix},
          {"stays", stays}};
}

void AddFunnel(const FunnelPart& part, const FunnelDocument& funnel, Sheet& page) {
  Table table({"stage", ">people", ">of all", ">of the stage before", "95 %", ">days, a quarter",
               ">half", ">three quarters", ""});
  for (std::size_t i = 0; i < part.stages.size(); ++i) {
    const FunnelStage& stage = part.stages[i];
    // Of nobody there is no share.
    const bool some = part.stages.front().people > 0,
               any_before = i > 0 && part.stages[i - 1].people > 0;
    table.Row({funnel.stages[i].name, CountText(stage.people),
               some ? Percent(stage.from_first) : "-",
               i == 0       ? ""
               : any_before ? Percent(stage.from_previous)
                            : "-",
               i == 0       ? ""
               : any_before ? Ends(stage.from_previous_interval, Percent)
                            : "-",
               i == 0 ? "" : DaysText(stage.quarter), i == 0 ? "" : DaysText(stage.median),
               i == 0 ? "" : DaysText(stage.three_quarters), Bar(stage.from_first, 20)});
  }
  page.Add(table);
}

boost::json::object Json(const FunnelPart& part, const FunnelDocument& funnel) {
  boost::json::array stages;
  for (std::size_t i = 0; i < part.stages.size(); ++i) {
    const FunnelStage& stage = part.stages[i];
    stages.push_back({{"stage", funnel.stages[i].id},
                      {"people", stage.people},
                      {"from_first", stage.from_first},
                      {"from_first_interval", JsonEnds(stage.from_first_interval)},
                      {"from_previous", stage.from_previous},
                      {"from_previous_interval", JsonEnds(stage.from_previous_interval)},
                      {"timed", stage.timed},
                      {"days_quarter", JsonNumber(stage.quarter)},
                      {"days_median", JsonNumber(stage.median)},
                      {"days_three_quarters", JsonNumber(stage.three_quarters)}});
  }
  return {{"segment", part.name}, {"stages", stages}};
}

std::string Measured(const AhaMeasure& one) {
  return fmt::format("{:.2f} ({:.2f} to {:.2f})", one.value, one.low, one.high);
}

std::string MeasuredShare(const AhaMeasure& one) {
  return fmt::format("{:.1f} % ({:.1f} to {:.1f})", 100 * one.value, 100 * one.low, 100 * one.high);
}

const AhaConfirmation* ConfirmationOf(const AhaResult& result, std::size_t place) {
  const auto found = std::find_if(result.shortlist.begin(), result.shortlist.end(),
                                  [&](const AhaConfirmation& one) { return one.place == place; });
  return found == result.shortlist.end() ? nullptr : &*found;
}

void AddRanking(const Insight& insight, const AhaResult& result, int limit, Sheet& page) {
  Table table({">", "rule", ">lift", ">reach", ">precision", ">recall", ">phi", ">odds ratio",
               "confirmed"});
  for (std::size_t i = 0; i < result.ranking.size() && static_cast<int>(i) < limit; ++i) {
    const AhaFigures& figures = result.ranking[i].figures;
    const AhaConfirmation* second = ConfirmationOf(result, i);
    table.Row(
        {std::to_string(i + 1), RuleWords(insight, result.ranking[i].rule), Measured(figures.lift),
         MeasuredShare(figures.reach), MeasuredShare(figures.precision),
         MeasuredShare(figures.recall), Measured(figures.phi), Measured(figures.odds_ratio),
         second == nullptr
             ? "-"
             : fmt::format("{}, p {:.2g}", second->confirmed ? "yes" : "no", second->adjusted_p)});
  }
  page.Add(table);
  page.Line("in brackets: the 95 % interval, on the people who were not kept back");
}

boost::json::array Json(const AhaMeasure& one) {
  return {one.value, one.low, one.high};
}

boost::json::object Json(const AhaFigures& figures) {
  return {{"lift", Json(figures.lift)},
          {"reach", Json(figures.reach)},
          {"precision", Json(figures.precision)},
          {"recall", Json(figures.recall)},
          {"phi", Json(figures.phi)},
          {"odds_ratio", Json(figures.odds_ratio)},
          {"p", figures.p}};
}

boost::json::object Json(const Insight& insight, const MomentSearch& search,
                         const std::string& in_force) {
  boost::json::array ranking;
  for (std::size_t i = 0; i < search.result.ranking.size(); ++i) {
    boost::json::object one = Json(search.result.ranking[i].figures);
    one["rule"] = RuleWords(insight, search.result.ranking[i].rule);
    if (const AhaConfirmation* second = ConfirmationOf(search.result, i)) {
      one["second_sample"] = Json(second->figures);
      one["adjusted_p"] = second->adjusted_p;
      one["confirmed"] = second->confirmed;
    }
    ranking.push_back(std::move(one));
  }
  return {{"insight", insight.id},
          {"people", search.people},
          {"stayed", search.stayed},
          {"kept_back", search.kept_back},
          {"sentence", search.result.sentence},
          {"in_force", in_force},
          {"ranking", ranking}};
}

std::string InForce(const Insight& insight, const Schema& schema,
                    const std::optional<StoredMoment>& stored) {
  if (!stored || stored->in_force.empty()) {
    return "";
  }
  const std::optional<AhaRule> rule = ReadRule(insight, schema, stored->in_force);
  return rule ? RuleWords(insight, *rule) : "";
}

}  // namespace

int RunMigrate(const Common& common, const MigrateOptions& options) {
  Opened opened(common);
  const Workspace& workspace = *opened.checked.workspace;
  const Model& model = FindNamed(workspace.models, options.model, "model");
  const Zone& zone = workspace.schema.timezone;
  const Result<Movement> movement =
      MovementOf(*opened.state, static_cast<int>(&model - workspace.models.data()),
                 {.from = MomentAt(options.from, zone, "--from"),
                  .to = MomentAt(options.to, zone, "--to"),
                  .value = options.value},
                 opened.now);
  if (!movement) {
    throw Failure{kFindings, movement.error().message() + "\n"};
  }
  if (common.json) {
    fmt::print("{}\n", boost::json::serialize(Json(*movement)));
    return kFine;
  }
  Sheet page(options.markdown);
  page.Heading(fmt::format("{} from {} to {}", model.id, zone.Format(movement->from),
                           zone.Format(movement->to)));
  AddMatrix(*movement, model, page);
  page.Heading("How long people stay" +
               std::string(movement->at_risk.empty() ? "" : ", and what is at risk"));
  AddStays(*movement, model, workspace.schema.currency, page);
  if (movement->value.empty()) {
    page.Line("no feature of the model is an amount of money, so nothing says what is at risk");
  } else if (!movement->ranked) {
    page.Line(
        "the model has no `rank`, so no segment is worse than another and nothing is at risk");
  }
  if (std::any_of(movement->at_risk.begin(), movement->at_risk.end(),
                  [](const AtRisk& one) { return !one.value; })) {
    page.Line(
        fmt::format("-: {} has no data for anybody there (segue value says why)", movement->value));
  }
  fmt::print("{}", page.text());
  return kFine;
}

int RunFunnel(const Common& common, const FunnelOptions& options) {
  Opened opened(common);
  const Workspace& workspace = *opened.checked.workspace;
  const FunnelDocument& funnel = FindNamed(workspace.funnels, options.funnel, "funnel");
  int by = -1;
  if (!options.by.empty()) {
    by = static_cast<int>(&FindNamed(workspace.models, options.by, "model") -
                          workspace.models.data());
    if (workspace.models[static_cast<std::size_t>(by)].of != funnel.of) {
      throw Failure{kUsage, fmt::format("{} and {} are not about the same: one is of accounts\n",
                                        funnel.id, options.by)};
    }
  }
  const std::vector<FunnelPart> parts = FunnelNow(*opened.state, funnel, by, opened.now);
  if (common.json) {
    boost::json::array list;
    for (const FunnelPart& part : parts) {
      list.push_back(Json(part, funnel));
    }
    fmt::print("{}\n", boost::json::serialize(list));
    return kFine;
  }
  Sheet page(options.markdown);
  for (const FunnelPart& part : parts) {
    page.Heading(part.name.empty() ? funnel.id + (funnel.title.empty() ? "" : "  " + funnel.title)
                                   : part.name);
    AddFunnel(part, funnel, page);
  }
  fmt::print("{}", page.text());
  return kFine;
}

int RunAha(const Common& common, const AhaOptions& options) {
  Opened opened(common, options.publish);  // What takes force is of the files that run.
  const Workspace& workspace = *opened.checked.workspace;
  const Insight& insight = FindNamed(workspace.insights, options.insight, "insight");
  Database& db = *opened.db;
  const MomentSearch search = SearchMoment(*opened.state, insight, opened.now);
  if (options.publish) {
    if (search.result.best < 0) {
      throw Failure{kFindings, fmt::format("nothing to publish: {}\n", search.result.sentence)};
    }
    // The service reads what is in force at every cycle, so it may be at work meanwhile.
    opened.look.reset();
    Transaction work(db);
    StoreMoment(db, insight, workspace.schema, search, true, opened.now);
    work.Commit();
  }
  const std::string in_force = InForce(insight, workspace.schema, LoadMoment(db, insight.id));
  if (common.json) {
    fmt::print("{}\n", boost::json::serialize(Json(insight, search, in_force)));
    return kFine;
  }
  Sheet page(options.markdown);
  page.Heading(insight.id + (insight.title.empty() ? "" : "  " + insight.title));
  page.Line(fmt::format("{} people, {} of them stayed; {} kept back to confirm; {}",
                        Grouped(search.people), Grouped(search.stayed), Grouped(search.kept_back),
                        search.result.sentence));
  if (!search.result.ranking.empty()) {
    AddRanking(insight, search.result, options.limit, page);
  }
  if (!insight.publish_as.empty()) {
    page.Line(
        in_force.empty()
            ? fmt::format("nothing is in force: {0}.reached, {0}.progress and {0}.missing have "
                          "no value; `segue aha {1} --publish` approves what was confirmed",
                          insight.publish_as, insight.id)
            : fmt::format("in force as {}.reached: {}", insight.publish_as, in_force));
  }
  fmt::print("{}", page.text());
  return kFine;
}

}  // namespace segue
