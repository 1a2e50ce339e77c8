// migrate: where the people of a model go, how long they stay, and what is at risk.

#include <cmath>

#include "base/money.h"
#include "cli/figures.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "pipeline/movement.h"

namespace segue {
namespace {

std::string Count(double people) {
  return Grouped(std::llround(people));
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
    std::vector<std::string> cells = {NameOf(movement, model, from), Count(row.people)};
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
        Count(stay.stays),
        Count(stay.ended),
        DaysText(stay.mean),
        stay.mean ? Ends(stay.interval, [](double days) { return DaysText(days); }) : "",
        DaysText(stay.median)};
    if (risk) {
      const AtRisk& at_risk = movement.at_risk[i];
      cells.push_back(FormatMoney(std::llround(at_risk.value), currency));
      cells.push_back(Percent(at_risk.share));
      cells.push_back(FormatMoney(std::llround(at_risk.at_risk), currency));
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
      one["value"] = std::round(movement.at_risk[i].value);
      one["falls"] = movement.at_risk[i].share;
      one["at_risk"] = std::round(movement.at_risk[i].at_risk);
    }
    stays.push_back(std::move(one));
  }
  return {{"from", FormatTime(movement.from)},
          {"to", FormatTime(movement.to)},
          {"value", movement.value},
          {"matrix", matrix},
          {"stays", stays}};
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
  fmt::print("{}", page.text());
  return kFine;
}

}  // namespace segue
