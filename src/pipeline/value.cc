#include "pipeline/value.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "insights/dynamics.h"
#include "pipeline/movement.h"

namespace segue {
namespace {

// Where each customer stood: their first move since tells, else where they are.
std::map<CustomerIndex, std::string> LeftSince(State& state, const std::string& model,
                                               TimePoint since) {
  Statement list = state.db().Prepare(
      R"(SELECT customer, coalesce("from", '') FROM move WHERE model = ? AND at > ?
         ORDER BY at DESC, id DESC)");
  list.Bind(1, model).Bind(2, ToMicros(since));
  std::map<CustomerIndex, std::string> left;
  while (list.Step()) {
    left[static_cast<CustomerIndex>(list.Int(0))] = list.Text(1);  // The earliest comes last.
  }
  return left;
}

int PlaceOf(const Model& model, const std::string& segment) {
  for (std::size_t i = 0; i < model.segments.size(); ++i) {
    if (model.segments[i].id == segment) {
      return static_cast<int>(i);
    }
  }
  return -1;
}

void AddAtRisk(State& state, int index, double period_days, ModelValue& value) {
  const Model& model = state.workspace().models[static_cast<std::size_t>(index)];
  const std::optional<TimePoint> baseline = BaselineOf(state, model);
  const TimePoint edge = state.columns().edge();
  const TimePoint since = std::max(baseline.value_or(edge),
                                   edge - std::chrono::duration_cast<Duration>(period_days * kDay));
  value.period_days = std::chrono::duration<double, std::ratio<86400>>(edge - since).count();
  if (model.rank.empty() || since >= edge) {
    return;
  }
  const std::map<CustomerIndex, std::string> left = LeftSince(state, model.id, since);
  std::vector<Migration> people;
  for (CustomerIndex customer = 0; customer < state.ledger().customer_count(); ++customer) {
    if (!state.ledger().IsAlive(customer)) {
      continue;
    }
    const SegmentIndex now = state.segments(index)->Get(customer).segment;
    const int to = now == kNoSegment ? -1 : static_cast<int>(now);
    const auto before = left.find(customer);
    people.push_back({before == left.end() ? to : PlaceOf(model, before->second), to});
  }
  std::vector<int> rank(model.segments.size());
  for (std::size_t place = 0; place < model.rank.size(); ++place) {
    rank[static_cast<std::size_t>(model.rank[place])] = static_cast<int>(place);
  }
  std::vector<std::optional<double>> worth;
  for (const SegmentValue& segment : value.segments) {
    worth.push_back(segment.value);
  }
  const std::vector<AtRisk> at_risk =
      ValueAtRisk(MigrationMatrix(people, model.segments.size()), rank, worth);
  for (std::size_t i = 0; i < value.segments.size(); ++i) {
    value.segments[i].fell = at_risk[i].share;
    value.segments[i].at_risk = at_risk[i].at_risk;
  }
}

// Money comes in at the end of each twelfth of a year.
Discount MonthlyDiscount(double per_year) {
  return {.step = 365.0 / 12, .rate = std::pow(1 + per_year, 1.0 / 12) - 1};
}

class Reporter {
 public:
  Reporter(State& state, ValueReport& report) : state_(state), report_(report) {}

  void Add(int process, int spending) {
    Processes& processes = state_.processes();
    const auto at = static_cast<std::size_t>(process);
    ProcessValue value;
    value.fit = processes.latest()[at];
    value.stored = value.fit != nullptr;
    if (!value.stored) {
      value.fit =
          std::make_shared<const ProcessFit>(processes.Fit(process, state_.columns().edge()));
    }
    if (spending >= 0) {
      value.field = processes.FieldName(process, spending);
    }
    if (!value.fit->refused()) {
      AddPeople(process, spending, value);
      if (spending >= 0) {
        value.days_without_money = processes.DaysWithoutMoney(process, spending);
      }
    }
    report_.processes.push_back(std::move(value));
  }

 private:
  void AddPeople(int process, int spending, ProcessValue& value) {
    const Processes& processes = state_.processes();
    const BgNbd& model = value.fit->purchases.fit->model;
    const GammaGammaFit* money = value.fit->FindSpending(value.field);
    value.no_value = money != nullptr ? std::string(kNoMeanOfNew)
                     : spending < 0   ? "no file asks what is spent"
                                      : std::string(value.fit->WhyNoSpending(value.field));
    const std::vector<int> models = ModelsOf(process);
    for (const int index : models) {
      value.models.push_back({.model = index, .period_days = 0, .segments = {}});
      for (const Segment& segment :
           state_.workspace().models[static_cast<std::size_t>(index)].segments) {
        value.models.back().segments.emplace_back().segment = segment.name;
      }
    }
    std::vector<std::map<std::size_t, std::pair<double, double>>> risks(models.size());
    for (CustomerIndex customer = 0; customer < state_.ledger().customer_count(); ++customer) {
      const std::optional<Customer> known = processes.CustomerOf(process, spending, customer);
      CustomerScores scores;
      if (known) {
        scores = ScoreCustomer(model, money == nullptr ? nullptr : &money->model, *known,
                               report_.horizon_days);
        if (report_.discount > 0 && scores.lifetime_value) {
          scores.lifetime_value =
              *scores.expected_spend * DiscountedOrders(model, known->history, report_.horizon_days,
                                                        MonthlyDiscount(report_.discount));
        }
        value.people += 1;
        value.orders += scores.expected_orders.value_or(0);
        value.without_value += scores.lifetime_value ? 0 : 1;
        AddWorth(scores, value.value);
      }
      for (std::size_t i = 0; i < models.size(); ++i) {
        AddTo(value.models[i], customer, scores, risks[i]);
      }
    }
    if (value.without_value == 0) {
      value.no_value.clear();
    }
    for (std::size_t i = 0; i < models.size(); ++i) {
      for (const auto& [segment, sum] : risks[i]) {
        value.models[i].segments[segment].risk = sum.first / sum.second;
      }
      AddAtRisk(state_, models[i], report_.period_days, value.models[i]);
    }
    // A model of other people, such as those of the app in a shop, says nothing here.
    std::erase_if(value.models, [](const ModelValue& one) {
      return std::all_of(one.segments.begin(), one.segments.end(),
                         [](const SegmentValue& segment) { return segment.people == 0; });
    });
  }

  static void AddWorth(const CustomerScores& scores, std::optional<double>& value) {
    if (scores.lifetime_value) {
      value = value.value_or(0) + *scores.lifetime_value;
    }
  }

  void AddTo(ModelValue& value, CustomerIndex customer, const CustomerScores& scores,
             std::map<std::size_t, std::pair<double, double>>& risks) {
    const SegmentIndex segment = state_.segments(value.model)->Get(customer).segment;
    if (!state_.ledger().IsAlive(customer) || segment >= value.segments.size()) {
      return;
    }
    SegmentValue& one = value.segments[segment];
    ++one.people;
    one.orders += scores.expected_orders.value_or(0);
    AddWorth(scores, one.value);
    if (scores.churn_risk) {
      risks[segment].first += *scores.churn_risk;
      risks[segment].second += 1;
    }
  }

  // Those that have run: the ones that name the process first.
  std::vector<int> ModelsOf(int process) const {
    std::vector<int> naming, others;
    const auto& of_model = state_.processes().names().of_model;
    for (std::size_t i = 0; i < of_model.size(); ++i) {
      const int index = static_cast<int>(i);
      if (state_.segments(index) != nullptr && state_.segments(index)->last_slot()) {
        (of_model[i].contains(process) ? naming : others).push_back(index);
      }
    }
    naming.insert(naming.end(), others.begin(), others.end());
    return naming;
  }

  State& state_;
  ValueReport& report_;
};

}  // namespace

ValueReport ReportValue(State& state, const ValueOptions& options) {
  ValueReport report;
  report.horizon_days = options.horizon_days;
  report.discount = options.discount;
  Reporter reporter(state, report);
  const std::vector<PurchaseProcess>& all = state.processes().names().all;
  for (std::size_t process = 0; process < all.size(); ++process) {
    const int number = static_cast<int>(process);
    if (all[process].fields.empty()) {
      reporter.Add(number, -1);
    }
    for (std::size_t field = 0; field < all[process].fields.size(); ++field) {
      reporter.Add(number, static_cast<int>(field));
    }
  }
  return report;
}

}  // namespace segue
