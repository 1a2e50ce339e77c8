// value: what customers are worth, how it was learned, and whether that may be believed.

#include "pipeline/value.h"

#include <array>
#include <cmath>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/text.h"
#include "cli/cli.h"
#include "cli/terminal.h"
#include "cli/verbs.h"

namespace segue {
namespace {

// A page of headings, lines and tables, as text for a terminal or as Markdown.
class Page {
 public:
  explicit Page(bool markdown) : markdown_(markdown) {}

  void Heading(std::string_view text) const {
    fmt::print("{}{}\n{}", markdown_ ? "## " : "", text, markdown_ ? "\n" : "");
  }

  void Line(std::string_view text) const { fmt::print("{}{}\n", markdown_ ? "- " : "  ", text); }

  // A column whose name begins with '>' holds numbers.
  void Show(const std::vector<std::string>& columns,
            const std::vector<std::vector<std::string>>& rows) const {
    if (!markdown_) {
      Table table(columns);
      for (const std::vector<std::string>& row : rows) {
        table.Row(row);
      }
      fmt::print("\n{}\n", table.Text());
      return;
    }
    std::string names = "|", rule = "|";
    for (const std::string& column : columns) {
      const bool number = column.starts_with('>');
      names += " " + column.substr(number ? 1 : 0) + " |";
      rule += number ? " ---: |" : " --- |";
    }
    fmt::print("\n{}\n{}\n", names, rule);
    for (const std::vector<std::string>& row : rows) {
      fmt::print("| {} |\n", Join(row, " | "));
    }
    fmt::print("\n");
  }

 private:
  bool markdown_;
};

std::string Day(std::int64_t day) {
  const CivilDate date = ToCivil(day);
  return fmt::format("{:04}-{:02}-{:02}", date.year, date.month, date.day);
}

std::string Whole(double number) {
  return Grouped(static_cast<std::int64_t>(std::llround(number)));
}

std::string Share(const std::optional<double>& share) {
  return share ? Percent(*share) : "-";
}

void ShowCheck(const Page& page, const HoldoutCheck& check) {
  std::vector<std::vector<std::string>> rows;
  for (const HoldoutCheck::Bin& bin : check.bins) {
    const bool last = &bin == &check.bins.back();
    rows.push_back({fmt::format("{}{}", bin.repeats + 1, last ? " or more" : ""), Whole(bin.people),
                    fmt::format("{:.1f}", bin.expected), Whole(bin.bought)});
  }
  page.Show({"bought on days, until " + Day(check.split), ">people", ">expected after it", ">came"},
            rows);
}

template <std::size_t N>
void ShowParameters(const Page& page, const std::string& title,
                    const std::array<std::string_view, N>& names, const Estimate<N>& estimate,
                    std::size_t known = N) {
  std::vector<std::vector<std::string>> rows;
  for (std::size_t i = 0; i < known; ++i) {
    rows.push_back({std::string(names[i]), fmt::format("{:.4f}", estimate.at[i]),
                    fmt::format("{:.4f}", estimate.standard_error[i])});
  }
  rows.push_back({"log-likelihood", fmt::format("{:.3f}", estimate.log_likelihood), ""});
  page.Show({title, ">value", ">standard error"}, rows);
}

constexpr std::array<std::string_view, 4> kBuying = {"r", "alpha", "a", "b"};
constexpr std::array<std::string_view, 3> kSpending = {"p", "q", "v"};

void ShowModel(const Page& page, const Workspace& workspace, const ModelValue& value,
               const ValueReport& report) {
  const std::string& currency = workspace.schema.currency;
  double all = 0;
  for (const SegmentValue& segment : value.segments) {
    all += segment.value;
  }
  std::vector<std::vector<std::string>> rows;
  for (const SegmentValue& one : value.segments) {
    rows.push_back({one.segment, Grouped(one.people), Share(one.risk),
                    fmt::format("{:.1f}", one.orders), Whole(one.value),
                    Share(all > 0 ? std::optional(one.value / all) : std::nullopt), Share(one.fell),
                    one.at_risk ? Whole(*one.at_risk) : "-"});
  }
  page.Show({workspace.models[static_cast<std::size_t>(value.model)].id, ">people", ">risk",
             ">orders", ">" + currency, ">share",
             fmt::format(">fell in {:.0f} days", report.period_days), ">at risk"},
            rows);
}

void ShowProcess(const Page& page, State& state, const ProcessValue& value,
                 const ValueReport& report) {
  const Workspace& workspace = state.workspace();
  const ProcessFit& fit = *value.fit;
  const PurchaseFit& p = fit.purchases;
  page.Heading(fit.process + (value.field.empty() ? "" : ", " + value.field));
  page.Line(fmt::format("purchases from {} to {}: {} people, of whom {} bought on two days or more",
                        Day(p.first_day), Day(p.end), Whole(p.people), Whole(p.repeaters)));
  page.Line(value.stored ? "learned at " + workspace.schema.timezone.Format(fit.slot)
                         : "not learned yet: no model that names it has run");
  if (std::isfinite(p.rhythm.index)) {
    page.Line(
        fmt::format("gaps vary {:.2f} times as much as the model assumes; the usual one is "
                    "{:.0f} days",
                    p.rhythm.index, p.rhythm.usual_gap));
  }
  page.Line(fmt::format("{}{}", fit.refused() ? "REFUSED: " : "", p.reason));
  if (fit.refused()) {
    page.Line("the figures have no data until this changes; usual_gap asks less of the data");
  }
  if (p.holdout) {
    ShowCheck(page, *p.holdout);
  }
  if (p.fit && p.fit->model.nobody_leaves()) {
    ShowParameters(page, "how often (NBD: nobody leaves)", kBuying, p.fit->estimate, 2);
  } else if (p.fit) {
    ShowParameters(page, "how often, until when (BG/NBD)", kBuying, p.fit->estimate);
  }
  if (fit.refused()) {
    return;
  }
  for (const SpendingFit& one : fit.spending) {
    if (one.field == value.field && one.fit) {
      ShowParameters(page, "how much, in " + workspace.schema.currency + " (Gamma-Gamma)",
                     kSpending, one.fit->estimate);
      page.Line(fmt::format("how often and how much go together by {:.2f} (the model assumes 0)",
                            one.correlation));
    } else if (one.field == value.field) {
      page.Line("no money: " + one.reason);
    }
  }
  page.Line(fmt::format("expected in the next {:.0f} days: {} orders of {} people, worth {} {}{}",
                        report.horizon_days, Whole(value.orders), Whole(value.people),
                        Whole(value.value), workspace.schema.currency,
                        report.discount > 0
                            ? fmt::format(", discounted by {:g} % a year", 100 * report.discount)
                            : ""));
  for (const ModelValue& model : value.models) {
    ShowModel(page, workspace, model, report);
  }
}

template <std::size_t N>
boost::json::object ParametersJson(const std::array<std::string_view, N>& names,
                                   const Estimate<N>& estimate) {
  boost::json::object out, errors;
  for (std::size_t i = 0; i < N; ++i) {
    out[names[i]] = estimate.at[i];
    if (std::isfinite(estimate.standard_error[i])) {
      errors[names[i]] = estimate.standard_error[i];
    }
  }
  out["standard_errors"] = std::move(errors);
  out["log_likelihood"] = estimate.log_likelihood;
  return out;
}

boost::json::value Optional(const std::optional<double>& value) {
  return value ? boost::json::value(*value) : boost::json::value(nullptr);
}

boost::json::object ModelJson(const Workspace& workspace, const ModelValue& model) {
  boost::json::array segments;
  for (const SegmentValue& one : model.segments) {
    segments.push_back({{"segment", one.segment},
                        {"people", one.people},
                        {"risk", Optional(one.risk)},
                        {"orders", one.orders},
                        {"value", one.value},
                        {"fell", Optional(one.fell)},
                        {"at_risk", Optional(one.at_risk)}});
  }
  return {{"model", workspace.models[static_cast<std::size_t>(model.model)].id},
          {"segments", std::move(segments)}};
}

boost::json::object CheckJson(const HoldoutCheck& check) {
  boost::json::array bins;
  for (const HoldoutCheck::Bin& bin : check.bins) {
    bins.push_back({{"days_before", bin.repeats + 1},
                    {"people", bin.people},
                    {"expected", bin.expected},
                    {"came", bin.bought}});
  }
  return {{"split", Day(check.split)},
          {"expected", check.expected},
          {"came", check.bought},
          {"told_apart", check.told_apart},
          {"bins", std::move(bins)}};
}

boost::json::object ProcessJson(State& state, const ProcessValue& value) {
  const PurchaseFit& p = value.fit->purchases;
  boost::json::object out{{"purchases", value.fit->process},
                          {"field", value.field},
                          {"learned", value.stored ? FormatTime(value.fit->slot) : ""},
                          {"first_day", Day(p.first_day)},
                          {"last_day", Day(p.end)},
                          {"people", p.people},
                          {"bought_again", p.repeaters},
                          {"refused", std::string(RefusalName(p.refusal))},
                          {"reason", p.reason}};
  if (std::isfinite(p.rhythm.index)) {
    out["rhythm"] = {{"index", p.rhythm.index}, {"usual_gap_days", p.rhythm.usual_gap}};
  }
  if (p.holdout) {
    out["check"] = CheckJson(*p.holdout);
  }
  if (p.fit) {
    out["bg_nbd"] = ParametersJson(kBuying, p.fit->estimate);
    out["nobody_leaves"] = p.fit->model.nobody_leaves();
  }
  if (value.fit->refused()) {
    return out;
  }
  if (const GammaGammaFit* spending = value.fit->FindSpending(value.field)) {
    out["gamma_gamma"] = ParametersJson(kSpending, spending->estimate);
  }
  out["orders"] = value.orders;
  out["value"] = value.value;
  boost::json::array models;
  for (const ModelValue& model : value.models) {
    models.push_back(ModelJson(state.workspace(), model));
  }
  out["models"] = std::move(models);
  return out;
}

}  // namespace

int RunValue(const Common& common, const ValueVerb& options) {
  const Checked checked = OpenWorkspace(common);
  const Workspace& workspace = *checked.workspace;
  RequireState(common);
  const TimePoint now = MomentOf(common, workspace);
  Database db = Database::Open(StateFile(common));
  State state(db, workspace, *checked.templates, now, OptionsFor(workspace, false));
  const ValueReport report = ReportValue(state, {.horizon_days = static_cast<double>(options.days),
                                                 .discount = options.discount / 100});
  if (common.json) {
    boost::json::array processes;
    for (const ProcessValue& value : report.processes) {
      processes.push_back(ProcessJson(state, value));
    }
    const boost::json::object out{
        {"at", FormatTime(state.columns().edge())}, {"currency", workspace.schema.currency},
        {"horizon_days", report.horizon_days},      {"discount", report.discount},
        {"period_days", report.period_days},        {"processes", std::move(processes)}};
    fmt::print("{}\n", boost::json::serialize(out));
    return kFine;
  }
  if (report.processes.empty()) {
    fmt::print(
        "no file names a purchase process; put lifetime_value(EVENT.FIELD, 365d) or "
        "churn_risk(EVENT) among the features of a model\n");
  }
  for (const ProcessValue& value : report.processes) {
    ShowProcess(Page(options.markdown), state, value, report);
  }
  return kFine;
}

}  // namespace segue
