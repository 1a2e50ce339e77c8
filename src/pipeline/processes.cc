#include "pipeline/processes.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "expression/execute.h"
#include "pipeline/inputs.h"

namespace segue {
namespace {

constexpr double kNoFigure = std::numeric_limits<double>::quiet_NaN();
constexpr std::int64_t kPinned = -1;  // The id of a fit that a test gave.

// Months since the year 0, and weeks from a Monday, on the wall's calendar.
int MonthOf(std::int64_t day) {
  const CivilDate date = ToCivil(day);
  return date.year * 12 + date.month - 1;
}

std::int64_t WeekOf(std::int64_t day) {
  return (day + 3) / 7;
}

// The figure that a call is named after.
std::optional<double> CustomerScores::*FigureOf(std::string_view call) {
  const std::string_view name = call.substr(0, call.find('('));
  return name == "alive"             ? &CustomerScores::alive
         : name == "churn_risk"      ? &CustomerScores::churn_risk
         : name == "expected_orders" ? &CustomerScores::expected_orders
         : name == "expected_spend"  ? &CustomerScores::expected_spend
                                     : &CustomerScores::lifetime_value;
}

double Correlation(std::span<const Spending> all) {
  double n = 0, x = 0, y = 0, xx = 0, yy = 0, xy = 0;
  for (const Spending& one : all) {
    n += 1;
    x += one.purchases;
    y += one.mean;
  }
  for (const Spending& one : all) {
    const double dx = one.purchases - x / n, dy = one.mean - y / n;
    xx += dx * dx;
    yy += dy * dy;
    xy += dx * dy;
  }
  // What rounding leaves of one price for everybody is no scatter.
  const bool scattered = xx > 0 && yy > 1e-18 * y * y / n;
  return scattered ? xy / std::sqrt(xx * yy) : std::numeric_limits<double>::quiet_NaN();
}

// Where the likelihood has no highest point since customers do not differ in what they spend, they
// have one mean; but only if that costs less likelihood than one parameter about nothing gains in 5
// of 100 bases (3.84 / 2).
constexpr double kAlikeLossMax = 1.92;

SpendingFit FitSpending(const std::string& field, const std::vector<Spending>& all) {
  SpendingFit spending;
  spending.field = field;
  spending.correlation = Correlation(all);
  Result<GammaGammaFit> fit = FitGammaGamma(all);
  if (!fit) {
    spending.reason = fit.error().message();
    return spending;
  }
  if (!fit->estimate.determined) {
    GammaGammaFit alike = FitAllAlike(all);
    const bool one_price = alike.model.p == 0;
    if (!alike.estimate.determined ||
        (!one_price &&
         !(fit->estimate.log_likelihood - alike.estimate.log_likelihood < kAlikeLossMax))) {
      spending.reason =
          "the data do not say how spending differs between customers: the likelihood "
          "has no single highest point";
      return spending;
    }
    fit = alike;
  }
  spending.fit = *std::move(fit);
  return spending;
}

}  // namespace

Processes::Processes(Database& db, const Workspace& workspace, const Ledger& ledger)
    : workspace_(workspace),
      store_(db),
      names_(NamedProcesses(workspace)),
      sums_(db, workspace, ledger, names_.all),
      minor_units_(std::pow(10, workspace.schema.currency_decimals)) {
  for (const PurchaseProcess& process : all()) {
    latest_.push_back(store_.Latest(process.canonical));
    const bool used = latest_.back() != nullptr && !latest_.back()->refused();
    in_force_.push_back(used ? latest_.back() : nullptr);
  }
}

std::int32_t Processes::DayOf(TimePoint time) const {
  return static_cast<std::int32_t>(workspace_.schema.timezone.ToLocal(time).day());
}

const std::string& Processes::FieldName(int process, int spending) const {
  const PurchaseProcess& found = all()[static_cast<std::size_t>(process)];
  const EventSpec& spec = workspace_.schema.events[static_cast<std::size_t>(found.event)];
  const int field = found.fields[static_cast<std::size_t>(spending)];
  return spec.fields[static_cast<std::size_t>(field)].name;
}

void Processes::Ready(TimePoint now) {
  if (!ready_ && !all().empty()) {
    ready_ = true;
    Advance(now);
  }
}

void Processes::Advance(TimePoint now) {
  began_ = in_force_;
  if (ready_) {
    today_ = DayOf(now);
    sums_.Advance(now);
  }
}

void Processes::Pin(const std::map<std::string, std::vector<double>>& learned, TimePoint now) {
  for (std::size_t i = 0; i < all().size(); ++i) {
    const auto found = learned.find(all()[i].canonical);
    if (found == learned.end()) {
      continue;
    }
    auto fit = std::make_shared<ProcessFit>();
    fit->id = kPinned;
    fit->process = found->first;
    fit->slot = fit->now = now;
    BgNbdFit& buying = fit->purchases.fit.emplace();
    std::copy(found->second.begin(), found->second.end(), buying.estimate.at.begin());
    const auto& at = buying.estimate.at;
    buying.model = {.r = at[0], .alpha = at[1], .a = at[2], .b = at[3]};
    for (std::size_t field = 0; field < all()[i].fields.size(); ++field) {
      SpendingFit& spending = fit->spending.emplace_back();
      spending.field = FieldName(static_cast<int>(i), static_cast<int>(field));
      const auto money = learned.find(found->first + "." + spending.field);
      if (money == learned.end()) {
        spending.reason = "the test says nothing of it";
        continue;
      }
      GammaGammaFit& spent = spending.fit.emplace();
      std::copy(money->second.begin(), money->second.end(), spent.estimate.at.begin());
      spent.model = {.p = money->second[0], .q = money->second[1], .v = money->second[2]};
    }
    latest_[i] = in_force_[i] = std::move(fit);
  }
}

bool Processes::IsDue(int process, Refit refit, TimePoint slot) const {
  const ProcessFit* last = latest_[static_cast<std::size_t>(process)].get();
  if (last != nullptr && last->id == kPinned) {
    return false;
  }
  if (last == nullptr ||
      last->spending.size() != all()[static_cast<std::size_t>(process)].fields.size()) {
    return true;
  }
  for (std::size_t i = 0; i < last->spending.size(); ++i) {
    const auto& name = FieldName(process, static_cast<int>(i));
    if (std::none_of(last->spending.begin(), last->spending.end(),
                     [&](const SpendingFit& one) { return one.field == name; })) {
      return true;
    }
  }
  const std::int32_t day = DayOf(slot), last_day = DayOf(last->slot);
  if (last->refused() && refit != Refit::kEveryRun) {
    return WeekOf(day) != WeekOf(last_day);
  }
  switch (refit) {
    case Refit::kEveryRun:
      return slot != last->slot;
    case Refit::kMonthly:
      return MonthOf(day) != MonthOf(last_day);
    case Refit::kQuarterly:
      return MonthOf(day) / 3 != MonthOf(last_day) / 3;
    case Refit::kNever:
      return false;
  }
  return false;
}

std::vector<std::string> Processes::Learn(int model, TimePoint slot, TimePoint now) {
  std::vector<std::string> warnings;
  const auto index = static_cast<std::size_t>(model);
  for (const int process : names_.of_model[index]) {
    if (IsDue(process, workspace_.models[index].refit, slot)) {
      if (std::string warning = LearnOne(process, slot, now); !warning.empty()) {
        warnings.push_back(std::move(warning));
      }
    }
  }
  return warnings;
}

std::vector<std::string> Processes::LearnOthers(TimePoint now) {
  std::vector<std::string> warnings;
  for (std::size_t process = 0; process < all().size(); ++process) {
    const int number = static_cast<int>(process);
    bool named = false;
    for (std::size_t model = 0; model < names_.of_model.size(); ++model) {
      named = named || (!workspace_.models[model].draft && names_.of_model[model].contains(number));
    }
    if (!named && IsDue(number, Refit::kMonthly, now)) {
      if (std::string warning = LearnOne(number, now, now); !warning.empty()) {
        warnings.push_back(std::move(warning));
      }
    }
  }
  return warnings;
}

std::string Processes::LearnOne(int process, TimePoint slot, TimePoint now) {
  const auto index = static_cast<std::size_t>(process);
  auto fit = std::make_shared<ProcessFit>(Fit(process, now));
  fit->slot = slot;
  store_.Add(*fit);
  latest_[index] = fit;
  in_force_[index] = fit->refused() ? nullptr : fit;
  const std::string& name = all()[index].canonical;
  if (fit->refused()) {
    const EventSpec& spec = workspace_.schema.events[static_cast<std::size_t>(all()[index].event)];
    return fmt::format("churn_risk({}) and the like have no data: {}; usual_gap({}) asks less",
                       name, fit->purchases.reason, spec.name);
  }
  std::string warning;
  if (fit->purchases.fit->model.nobody_leaves()) {
    warning = fmt::format("churn_risk({0}) and alive({0}) have no data: {1}", name,
                          fit->purchases.reason);
  }
  for (std::size_t i = 0; i < fit->spending.size(); ++i) {
    const SpendingFit& one = fit->spending[i];
    const char* and_then = warning.empty() ? "" : "; ";
    const double without = DaysWithoutMoney(process, static_cast<int>(i));
    if (!one.fit) {
      warning += fmt::format("{}lifetime_value({}.{}) and expected_spend have no data: {}",
                             and_then, name, one.field, one.reason);
    } else if (without > 0) {
      warning += fmt::format(
          "{}{}.{} is missing on {:.0f} purchase days after the first of their customers: the "
          "mean per day is of the others",
          and_then, name, one.field, without);
    }
  }
  return warning;
}

void Processes::Remember(int model) {
  const auto index = static_cast<std::size_t>(model);
  for (const int process : names_.of_model[index]) {
    const auto at = static_cast<std::size_t>(process);
    store_.SetUsedBy(workspace_.models[index].id, all()[at].canonical,
                     in_force_[at] == nullptr ? 0 : in_force_[at]->id);
  }
}

Fits Processes::Before(int model) const {
  const auto index = static_cast<std::size_t>(model);
  Fits before = in_force_;
  bool differs = false;
  for (const int process : names_.of_model[index]) {
    const auto at = static_cast<std::size_t>(process);
    const auto used = store_.UsedBy(workspace_.models[index].id, all()[at].canonical);
    if (used && *used != (in_force_[at] == nullptr ? 0 : in_force_[at]->id)) {
      before[at] = *used == 0 ? nullptr : store_.Get(*used);
      differs = true;
    }
  }
  return differs ? before : Fits();
}

ProcessFit Processes::Fit(int process, TimePoint now) const {
  const PurchaseProcess& found = all()[static_cast<std::size_t>(process)];
  ProcessFit fit;
  fit.process = found.canonical;
  fit.slot = now;
  fit.now = now;
  fit.purchases = FitPurchases(sums_.Days(process, now));
  for (std::size_t i = 0; i < found.fields.size(); ++i) {
    const BoughtByAll& bought = sums_.of(process);
    std::vector<Spending> spending;
    for (std::size_t customer = 0; customer < bought.days.size(); ++customer) {
      const Spent& spent = bought.spent[i][customer];
      if (spent.money > 0) {
        spending.push_back(
            {spent.days, static_cast<double>(spent.money) / minor_units_ / spent.days});
      }
    }
    fit.spending.push_back(FitSpending(FieldName(process, static_cast<int>(i)), spending));
  }
  return fit;
}

std::optional<Customer> Processes::CustomerOf(int process, int spending,
                                              CustomerIndex customer) const {
  const BoughtByAll& bought = sums_.of(process);
  if (customer >= bought.days.size() || bought.days[customer].days == 0) {
    return std::nullopt;
  }
  const Bought& known = bought.days[customer];
  Customer found;
  found.history.repeats = known.days - 1;
  found.history.last = known.last - known.first;
  found.history.observed = std::max(today_, known.last) - known.first;
  if (spending >= 0) {
    const Spent& spent = bought.spent[static_cast<std::size_t>(spending)][customer];
    found.money_days = spent.days;
    found.mean_spend =
        spent.days == 0 ? 0 : static_cast<double>(spent.money) / minor_units_ / spent.days;
  }
  return found;
}

double Processes::DaysWithoutMoney(int process, int spending) const {
  const BoughtByAll& bought = sums_.of(process);
  const std::vector<Spent>& spent = bought.spent[static_cast<std::size_t>(spending)];
  double days = 0;
  for (std::size_t customer = 0; customer < spent.size(); ++customer) {
    days += std::max(0, bought.days[customer].days - 1) - spent[customer].days;
  }
  return days;
}

void Processes::Read(const Leaf& leaf, const Fits& fits, CustomerIndex first,
                     std::span<double> out) const {
  std::fill(out.begin(), out.end(), kNoFigure);
  const auto found = names_.calls.find(leaf.index);
  if (!ready_ || found == names_.calls.end()) {
    return;
  }
  const PurchaseCall& call = found->second;
  const ProcessFit* fit = fits[static_cast<std::size_t>(call.process)].get();
  if (fit == nullptr) {
    return;
  }
  const GammaGammaFit* spending =
      call.spending < 0 ? nullptr : fit->FindSpending(FieldName(call.process, call.spending));
  const auto figure = FigureOf(leaf.name);
  const bool ahead =
      figure == &CustomerScores::expected_orders || figure == &CustomerScores::lifetime_value;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const CustomerIndex customer = first + static_cast<CustomerIndex>(i);
    if (const auto known = CustomerOf(call.process, call.spending, customer)) {
      const CustomerScores scores =
          ScoreCustomer(fit->purchases.fit->model, spending == nullptr ? nullptr : &spending->model,
                        *known, ahead ? std::optional(call.days) : std::nullopt);
      out[i] = (scores.*figure).value_or(kNoFigure) * (call.spending < 0 ? 1 : minor_units_);
    }
  }
}

std::vector<std::string> Processes::ExplainOne(int process, CustomerIndex customer) const {
  const auto at = static_cast<std::size_t>(process);
  std::vector<std::string> lines;
  if (in_force_[at] == nullptr) {
    lines.push_back(latest_[at] == nullptr ? "no data: not learned yet"
                                           : "no data: " + latest_[at]->purchases.reason);
    return lines;
  }
  const ProcessFit& fit = *in_force_[at];
  const std::optional<Customer> known = CustomerOf(process, -1, customer);
  if (!known) {
    return {"no data: never bought"};
  }
  const double year = 365;
  lines = ExplainRisk(fit.purchases.fit->model, known->history, year);
  for (std::size_t i = 0; i < all()[at].fields.size(); ++i) {
    const std::string& name = FieldName(process, static_cast<int>(i));
    const std::optional<Customer> spender = CustomerOf(process, static_cast<int>(i), customer);
    const GammaGammaFit* spending = fit.FindSpending(name);
    if (spending == nullptr) {
      lines.push_back(fmt::format("{}: no data: {}", name, fit.WhyNoSpending(name)));
      continue;
    }
    const CustomerScores scores =
        ScoreCustomer(fit.purchases.fit->model, &spending->model, *spender, year);
    if (scores.expected_spend) {
      lines.push_back(fmt::format(
          "{}: {:.2f} {} expected per order{}{}", name, *scores.expected_spend,
          workspace_.schema.currency,
          spender->money_days > 0
              ? fmt::format(", their own mean being {:.2f}", spender->mean_spend)
              : ", as of everybody who comes back",
          spending->model.all_alike() ? ": customers cannot be told apart by what they spend"
                                      : ""));
    } else {
      lines.push_back(fmt::format("{}: no data: {}", name, kNoMeanOfNew));
    }
    if (const auto value = LifetimeValue(*fit.purchases.fit, *spending, *spender, year)) {
      lines.push_back(fmt::format(
          "{}: worth {:.2f} {} in the next {:.0f} days; the fit itself is "
          "sure of {:.2f} to {:.2f}",
          name, value->value, workspace_.schema.currency, year, value->low, value->high));
    }
  }
  lines.push_back(fmt::format("learned {} from {:.0f} people",
                              workspace_.schema.timezone.Format(fit.slot), fit.purchases.people));
  return lines;
}

std::vector<std::string> Processes::Explain(CustomerIndex customer) const {
  std::vector<std::string> lines;
  for (std::size_t process = 0; process < all().size(); ++process) {
    lines.push_back(all()[process].canonical + ":");
    for (std::string& line : ExplainOne(static_cast<int>(process), customer)) {
      lines.push_back("  " + std::move(line));
    }
  }
  return lines;
}

}  // namespace segue
