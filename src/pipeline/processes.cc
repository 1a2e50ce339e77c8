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
constexpr TimePoint kFirstTime = FromMicros(std::numeric_limits<std::int64_t>::min());
constexpr TimePoint kLastTime = FromMicros(std::numeric_limits<std::int64_t>::max());
constexpr std::int64_t kPinned = -1;      // The id of a fit that a test gave.
constexpr std::size_t kRebuildShare = 4;  // Of the people changed: one scan is cheaper then.

// The purchases of one event on one day.
struct Purchase {
  CustomerIndex customer = 0;
  std::int32_t day = 0;
  std::vector<std::optional<std::int64_t>> spent;  // By the process's fields; minor units.
};

bool ByCustomerAndDay(const Purchase& a, const Purchase& b) {
  return std::pair(a.customer, a.day) < std::pair(b.customer, b.day);
}

// Months since the year 0, and weeks from a Monday, on the wall's calendar.
int MonthOf(std::int64_t day) {
  const CivilDate date = ToCivil(day);
  return date.year * 12 + date.month - 1;
}

std::int64_t WeekOf(std::int64_t day) {
  return (day + 3) / 7;
}

void Resize(BoughtByAll& bought, std::size_t people) {
  bought.days.resize(people);
  for (std::vector<Spent>& spent : bought.spent) {
    spent.resize(people);
  }
}

// An amount that no shop takes in stays the largest there is, instead of turning into a debt.
std::int64_t Saturated(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) {
    return sum;
  }
  return a > 0 ? std::numeric_limits<std::int64_t>::max()
               : std::numeric_limits<std::int64_t>::min();
}

// Puts one customer's purchases, in the order of their days, into what is known.
void Digest(std::span<const Purchase> purchases, BoughtByAll& bought) {
  Bought& known = bought.days[purchases.front().customer];
  known = {purchases.front().day, purchases.back().day, 0};
  std::int32_t before = purchases.front().day - 1;
  for (const Purchase& purchase : purchases) {
    known.days += purchase.day == before ? 0 : 1;
    before = purchase.day;
    for (std::size_t i = 0; purchase.day > known.first && i < bought.spent.size(); ++i) {
      if (purchase.spent[i]) {
        Spent& spent = bought.spent[i][purchase.customer];
        spent.days += spent.last == purchase.day ? 0 : 1;
        spent.last = purchase.day;
        spent.money = Saturated(spent.money, *purchase.spent[i]);
      }
    }
  }
}

// What the process takes of an event; nothing when it is none of its purchases.
std::optional<Purchase> PurchaseOf(const PurchaseProcess& process, const StoredEvent& event,
                                   const Workspace& workspace) {
  if (!event.counts || event.orphan) {
    return std::nullopt;
  }
  const EventSpec& spec = workspace.schema.events[static_cast<std::size_t>(process.event)];
  const Zone& zone = workspace.schema.timezone;
  if (process.where != nullptr &&
      !IsTrue(ExecuteOnEvent(*process.where, spec, event.fields, *workspace.pool, nullptr,
                             {event.time, zone}, event.customer))) {
    return std::nullopt;
  }
  Purchase purchase;
  purchase.customer = event.customer;
  purchase.day = static_cast<std::int32_t>(zone.ToLocal(event.time).day());
  for (const int field : process.fields) {
    const auto* money = std::get_if<std::int64_t>(&event.fields[static_cast<std::size_t>(field)]);
    purchase.spent.push_back(money == nullptr ? std::nullopt : std::optional(*money));
  }
  return purchase;
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
      ledger_(ledger),
      store_(db),
      names_(NamedProcesses(workspace)),
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
  if (ready_ || all().empty()) {
    return;
  }
  now_ = now;
  today_ = DayOf(now);
  Build();
  ready_ = true;
}

void Processes::Advance(TimePoint now) {
  if (!ready_) {
    return;
  }
  now_ = now;
  today_ = DayOf(now);
  Follow();
}

void Processes::Build() {
  bought_.assign(all().size(), {});
  ahead_.clear();
  for (std::size_t process = 0; process < all().size(); ++process) {
    BoughtByAll& bought = bought_[process];
    bought.spent.resize(all()[process].fields.size());
    Resize(bought, ledger_.customer_count());
    std::vector<Purchase> purchases;
    ledger_.Scan(all()[process].event, kFirstTime, kLastTime, [&](const StoredEvent& event) {
      if (event.time > now_) {
        ahead_.insert(event.customer);
      } else if (auto purchase = PurchaseOf(all()[process], event, workspace_)) {
        purchases.push_back(*std::move(purchase));
      }
    });
    std::sort(purchases.begin(), purchases.end(), ByCustomerAndDay);
    for (std::size_t begin = 0, end = 0; begin < purchases.size(); begin = end) {
      while (end < purchases.size() && purchases[end].customer == purchases[begin].customer) {
        ++end;
      }
      if (ledger_.IsAlive(purchases[begin].customer)) {
        Digest(std::span(purchases).subspan(begin, end - begin), bought);
      }
    }
  }
  sequence_ = ledger_.last_sequence();
}

void Processes::Follow() {
  const auto changed = ledger_.ChangedSince(sequence_);
  if (!changed || changed->size() > ledger_.customer_count() / kRebuildShare) {
    Build();
    return;
  }
  std::set<CustomerIndex> stale = std::exchange(ahead_, {});
  stale.insert(changed->begin(), changed->end());
  for (std::size_t process = 0; process < all().size(); ++process) {
    Resize(bought_[process], ledger_.customer_count());
    for (const CustomerIndex customer : stale) {
      Recompute(process, customer);
    }
  }
  sequence_ = ledger_.last_sequence();
}

void Processes::Recompute(std::size_t process, CustomerIndex customer) {
  BoughtByAll& bought = bought_[process];
  bought.days[customer] = {};
  for (std::vector<Spent>& spent : bought.spent) {
    spent[customer] = {};
  }
  if (!ledger_.IsAlive(customer)) {
    return;
  }
  std::vector<Purchase> purchases;
  for (const StoredEvent& event :
       ledger_.Timeline(customer, all()[process].event, kFirstTime, kLastTime)) {
    if (event.time > now_) {
      ahead_.insert(customer);
    } else if (auto purchase = PurchaseOf(all()[process], event, workspace_)) {
      purchases.push_back(*std::move(purchase));
    }
  }
  if (!purchases.empty()) {
    std::sort(purchases.begin(), purchases.end(), ByCustomerAndDay);
    Digest(purchases, bought);
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
  std::vector<std::pair<CustomerIndex, std::int32_t>> days;
  ledger_.Scan(found.event, kFirstTime, now, [&](const StoredEvent& event) {
    const auto purchase = PurchaseOf(found, event, workspace_);
    if (purchase && ledger_.IsAlive(event.customer)) {
      days.emplace_back(purchase->customer, purchase->day);
    }
  });
  std::sort(days.begin(), days.end());
  Purchases purchases;
  purchases.end = DayOf(now);
  for (std::size_t begin = 0, end = 0; begin < days.size(); begin = end) {
    std::vector<std::int32_t> of_one;
    for (; end < days.size() && days[end].first == days[begin].first; ++end) {
      of_one.push_back(days[end].second);
    }
    purchases.Add(std::move(of_one));
  }
  fit.purchases = FitPurchases(purchases);
  for (std::size_t i = 0; i < found.fields.size(); ++i) {
    const BoughtByAll& bought = bought_[static_cast<std::size_t>(process)];
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
  const BoughtByAll& bought = bought_[static_cast<std::size_t>(process)];
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
  const BoughtByAll& bought = bought_[static_cast<std::size_t>(process)];
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
  for (std::size_t i = 0; i < out.size(); ++i) {
    const CustomerIndex customer = first + static_cast<CustomerIndex>(i);
    if (const auto known = CustomerOf(call.process, call.spending, customer)) {
      const CustomerScores scores =
          ScoreCustomer(fit->purchases.fit->model, spending == nullptr ? nullptr : &spending->model,
                        *known, call.days);
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
