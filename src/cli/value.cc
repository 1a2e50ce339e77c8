// value: what customers are worth, how it was learned, and whether that may be believed.

#include "pipeline/value.h"

#include <array>
#include <cmath>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/text.h"
#include "cli/cli.h"
#include "cli/figures.h"
#include "cli/terminal.h"
#include "cli/verbs.h"

namespace segue {
namespace {

std::string Day(std::int64_t day) {
  const CivilDate date = ToCivil(day);
  return fmt::format("{:04}-{:02}-{:02}", date.year, date.month, date.day);
}

std::string Share(const std::optional<double>& share) {
  return share ? Percent(*share) : "-";
}

std::string Worth(const std::optional<double>& worth) {
  return worth ? CountText(*worth) : "-";
}

// Four digits after the point; nothing to see where there is no such number.
std::string Fine(double number) {
  return std::isfinite(number) ? fmt::format("{:.4f}", number) : "-";
}

void ShowCheck(Sheet& page, const HoldoutCheck& check) {
  Table table(
      {"bought on days, until " + Day(check.split), ">people", ">expected after it", ">came"});
  for (const HoldoutCheck::Bin& bin : check.bins) {
    const bool last = &bin == &check.bins.back();
    table.Row({fmt::format("{}{}", bin.repeats + 1, last ? " or more" : ""), CountText(bin.people),
               fmt::format("{:.1f}", bin.expected), CountText(bin.bought)});
  }
  page.AddApart(table);
}

// What is 0 was not estimated: see BgNbd::nobody_leaves and GammaGamma::all_alike.
template <std::size_t N>
void ShowParameters(Sheet& page, const std::string& title,
                    const std::array<std::string_view, N>& names, const Estimate<N>& estimate,
                    std::size_t known = N) {
  Table table({title, ">value", ">standard error"});
  for (std::size_t i = 0; i < known; ++i) {
    if (!(estimate.at[i] == 0)) {
      table.Row({std::string(names[i]), Fine(estimate.at[i]), Fine(estimate.standard_error[i])});
    }
  }
  const bool likely = std::isfinite(estimate.log_likelihood) && estimate.log_likelihood != 0;
  table.Row({"log-likelihood", likely ? fmt::format("{:.3f}", estimate.log_likelihood) : "-", ""});
  page.AddApart(table);
}

constexpr std::array<std::string_view, 4> kBuying = {"r", "alpha", "a", "b"};
constexpr std::array<std::string_view, 3> kSpending = {"p", "q", "v"};
constexpr std::array<std::string_view, 3> kAlikeSpending = {"p", "", "mean"};

std::string FellIn(double days) {
  return days >= 1  ? fmt::format(">fell in {:.0f} days", days)
         : days > 0 ? fmt::format(">fell in {:.0f} hours", 24 * days)
                    : ">fell";
}

void ShowModel(Sheet& page, const Workspace& workspace, const ModelValue& value) {
  double all = 0;
  for (const SegmentValue& segment : value.segments) {
    all += segment.value.value_or(0);
  }
  Table table({workspace.models[static_cast<std::size_t>(value.model)].id, ">people", ">risk",
               ">orders", ">" + workspace.schema.currency, ">share", FellIn(value.period_days),
               ">at risk"});
  for (const SegmentValue& one : value.segments) {
    table.Row({one.segment, Grouped(one.people), Share(one.risk), fmt::format("{:.1f}", one.orders),
               Worth(one.value),
               Share(all > 0 && one.value ? std::optional(*one.value / all) : std::nullopt),
               Share(one.fell), Worth(one.at_risk)});
  }
  page.AddApart(table);
}

void ShowSpending(Sheet& page, const std::string& currency, const ProcessValue& value) {
  if (const GammaGammaFit* spending = value.fit->FindSpending(value.field)) {
    if (spending->model.all_alike()) {
      ShowParameters(page, "how much, in " + currency + " (all alike)", kAlikeSpending,
                     spending->estimate);
      page.Line("customers cannot be told apart by what they spend: all have the same mean");
    } else {
      ShowParameters(page, "how much, in " + currency + " (Gamma-Gamma)", kSpending,
                     spending->estimate);
    }
    for (const SpendingFit& one : value.fit->spending) {
      if (one.field == value.field) {
        page.Line(fmt::format(
            "how often and how much go together by {} (the model assumes 0)",
            std::isfinite(one.correlation) ? fmt::format("{:.2f}", one.correlation) : "-"));
      }
    }
  }
  if (value.days_without_money > 0) {
    page.Line(fmt::format(
        "no amount is known on {} purchase days after a customer's first: what is spent per day is "
        "that of the others",
        CountText(value.days_without_money)));
  }
}

void ShowExpected(Sheet& page, const std::string& currency, const ProcessValue& value,
                  const ValueReport& report) {
  page.Line(fmt::format(
      "expected in the next {:.0f} days: {} orders of {} people{}", report.horizon_days,
      CountText(value.orders), CountText(value.people),
      value.value ? fmt::format(", worth {} {}{}", CountText(*value.value), currency,
                                report.discount > 0 ? fmt::format(", discounted by {:g} % a year",
                                                                  100 * report.discount)
                                                    : "")
                  : ""));
  if (!value.field.empty() && value.without_value > 0) {
    page.Line(fmt::format("what {} of them are worth is not known: {}",
                          CountText(value.without_value), value.no_value));
  }
}

void ShowProcess(Sheet& page, State& state, const ProcessValue& value, const ValueReport& report) {
  const Workspace& workspace = state.workspace();
  const ProcessFit& fit = *value.fit;
  const PurchaseFit& p = fit.purchases;
  page.Heading(fit.process + (value.field.empty() ? "" : ", " + value.field));
  page.Line(
      p.people > 0
          ? fmt::format("purchases from {} to {}: {} people, of whom {} bought on two days or more",
                        Day(p.first_day), Day(p.end), CountText(p.people), CountText(p.repeaters))
          : fmt::format("no purchases until {}", Day(p.end)));
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
  ShowSpending(page, workspace.schema.currency, value);
  ShowExpected(page, workspace.schema.currency, value, report);
  for (const ModelValue& model : value.models) {
    ShowModel(page, workspace, model);
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

// Money in whole minor units, as in every JSON of the program.
boost::json::value MinorJson(const std::optional<double>& units, const Workspace& workspace) {
  if (!units) {
    return nullptr;
  }
  return std::round(*units * std::pow(10, workspace.schema.currency_decimals));
}

boost::json::object ModelJson(const Workspace& workspace, const ModelValue& model) {
  boost::json::array segments;
  for (const SegmentValue& one : model.segments) {
    segments.push_back({{"segment", one.segment},
                        {"people", one.people},
                        {"risk", JsonNumber(one.risk)},
                        {"orders", one.orders},
                        {"value", MinorJson(one.value, workspace)},
                        {"fell", JsonNumber(one.fell)},
                        {"at_risk", MinorJson(one.at_risk, workspace)}});
  }
  return {{"model", workspace.models[static_cast<std::size_t>(model.model)].id},
          {"period_days", model.period_days},
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
    out["all_alike"] = spending->model.all_alike();
  }
  out["orders"] = value.orders;
  out["value"] = MinorJson(value.value, state.workspace());
  out["without_value"] = value.without_value;
  out["no_value"] = value.no_value;
  out["days_without_money"] = value.days_without_money;
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
  const Look look(db);
  State state(db, workspace, *checked.templates, now, OptionsFor(workspace, false));
  const ValueReport report = ReportValue(state, {.horizon_days = static_cast<double>(options.days),
                                                 .discount = options.discount / 100});
  if (common.json) {
    boost::json::array processes;
    for (const ProcessValue& value : report.processes) {
      processes.push_back(ProcessJson(state, value));
    }
    const boost::json::object out{{"at", FormatTime(state.columns().edge())},
                                  {"currency", workspace.schema.currency},
                                  {"horizon_days", report.horizon_days},
                                  {"discount", report.discount},
                                  {"processes", std::move(processes)}};
    fmt::print("{}\n", boost::json::serialize(out));
    return kFine;
  }
  if (report.processes.empty()) {
    fmt::print(
        "no file names a purchase process; put lifetime_value(EVENT.FIELD, 365d) or "
        "churn_risk(EVENT) among the features of a model\n");
  }
  Sheet page(options.markdown);
  for (const ProcessValue& value : report.processes) {
    ShowProcess(page, state, value, report);
  }
  fmt::print("{}", page.text());
  return kFine;
}

}  // namespace segue
