#include "pipeline/stages.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "pipeline/inputs.h"

namespace segue {
namespace {

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

double Days(std::int64_t micros) {
  return static_cast<double>(micros) / static_cast<double>(kDay.count());
}

// An aggregate and how many of its events there must be; nothing where the comparison is another.
struct Times {
  const Aggregate* aggregate = nullptr;
  std::size_t times = 1;
};

std::optional<Times> TimesOf(const Expr& expr, const Workspace& workspace) {
  const bool more = expr.op == Op::kGreater;
  if ((!more && expr.op != Op::kGreaterEqual) || expr.args[0].op != Op::kLeaf ||
      expr.args[0].leaf.kind != Leaf::Kind::kAggregate || expr.args[1].op != Op::kLiteral) {
    return std::nullopt;
  }
  const Aggregate& aggregate =
      workspace.aggregates.all()[static_cast<std::size_t>(expr.args[0].leaf.index)];
  const double wanted = std::floor(expr.args[1].literal) + (more ? 1 : 0);
  if (aggregate.op != AggregateOp::kCount || aggregate.window != Duration::zero() ||
      aggregate.before != Duration::zero() || !(wanted >= 1) ||
      wanted != expr.args[1].literal + (more ? 1 : 0)) {
    return std::nullopt;
  }
  return Times{.aggregate = &aggregate, .times = static_cast<std::size_t>(wanted)};
}

// Days of the n-th event of each customer, where there are so many.
std::vector<double> EventDays(State& state, const Times& wanted, TimePoint now) {
  const Workspace& workspace = state.workspace();
  const Aggregate& aggregate = *wanted.aggregate;
  const EventSpec& spec = workspace.schema.events[static_cast<std::size_t>(aggregate.event)];
  const Moment moment{now, workspace.schema.timezone};
  std::vector<std::vector<std::int64_t>> earliest(state.ledger().customer_count());
  state.ledger().Scan(aggregate.event, TimePoint::min(), now, [&](const StoredEvent& event) {
    if (!event.counts || event.orphan ||
        (!aggregate.where.empty() &&
         !IsTrue(ExecuteOnEvent(aggregate.where.front(), spec, event.fields, *workspace.pool,
                                nullptr, moment, event.customer)))) {
      return;
    }
    std::vector<std::int64_t>& times = earliest[event.customer];  // The n earliest, sorted.
    const std::int64_t at = ToMicros(event.time);
    times.insert(std::upper_bound(times.begin(), times.end(), at), at);
    if (times.size() > wanted.times) {
      times.pop_back();
    }
  });
  std::vector<double> days(earliest.size(), kUnknown);
  for (std::size_t i = 0; i < days.size(); ++i) {
    days[i] = earliest[i].size() == wanted.times ? Days(earliest[i].back()) : kUnknown;
  }
  return days;
}

// When a condition became true of each customer, in days; not a number where that is not known.
std::vector<double> WhenTrue(State& state, const Expr& expr, TimePoint now) {
  const CustomerIndex count = state.ledger().customer_count();
  std::vector<double> days(count, kUnknown);
  if (expr.op == Op::kAnd) {
    days.assign(count, -std::numeric_limits<double>::infinity());
    for (const Expr& arg : expr.args) {  // A parsed tree: its depth is limited.
      const std::vector<double> part = WhenTrue(state, arg, now);
      for (std::size_t i = 0; i < days.size(); ++i) {
        days[i] =
            std::isnan(part[i]) || std::isnan(days[i]) ? kUnknown : std::max(days[i], part[i]);
      }
    }
  } else if (const auto times = TimesOf(expr, state.workspace())) {
    days = EventDays(state, *times, now);
  } else if (expr.op == Op::kExists && expr.args[0].op == Op::kLeaf &&
             expr.args[0].leaf.kind == Leaf::Kind::kTrait &&
             expr.args[0].type.type == Type::kTime) {
    const std::span<const double> column = state.ledger().TraitColumn(expr.args[0].leaf.index);
    for (std::size_t i = 0; i < std::min(days.size(), column.size()); ++i) {
      days[i] = column[i] / static_cast<double>(kDay.count());
    }
  }
  return days;
}

}  // namespace

std::vector<FunnelPart> FunnelNow(State& state, const FunnelDocument& funnel, int model,
                                  TimePoint now) {
  const bool accounts = funnel.of == Subject::kAccount;
  const CustomerIndex base = accounts ? kFirstAccount : 0;
  const CustomerIndex count =
      accounts ? state.ledger().account_count() : state.ledger().customer_count();
  const Moment moment{now, state.workspace().schema.timezone};
  std::vector<FunnelPath> all(count);
  for (FunnelPath& path : all) {
    path.reached.resize(funnel.stages.size());
  }
  std::vector<double> block(kBlock);
  for (std::size_t stage = 0; stage < funnel.stages.size(); ++stage) {
    const Expr& when = funnel.stages[stage].when.expr;
    // Of whole accounts it is not kept when something became true.
    const std::vector<double> days =
        accounts ? std::vector<double>(count, kUnknown) : WhenTrue(state, when, now);
    for (CustomerIndex first = 0; first < count; first += static_cast<CustomerIndex>(kBlock)) {
      const std::span<double> out(block.data(), std::min<std::size_t>(kBlock, count - first));
      ExecuteBlock(when, state.inputs(), moment, base + first, out);
      for (std::size_t i = 0; i < out.size(); ++i) {
        if (IsTrue(out[i])) {
          all[first + i].reached[stage] = days[first + i];
        }
      }
    }
  }
  const Segments* segments = model < 0 ? nullptr : state.segments(model);
  std::vector<FunnelPath> paths;
  for (CustomerIndex customer = 0; customer < count; ++customer) {
    if (!state.ledger().IsAlive(base + customer)) {
      continue;
    }
    if (segments != nullptr && segments->Get(base + customer).segment != kNoSegment) {
      all[customer].segment = static_cast<int>(segments->Get(base + customer).segment);
    }
    paths.push_back(std::move(all[customer]));
  }
  std::vector<FunnelPart> parts = {{"", Funnel(paths, funnel.stages.size())}};
  if (segments != nullptr) {
    const Model& by = state.workspace().models[static_cast<std::size_t>(model)];
    for (std::size_t i = 0; i < by.segments.size(); ++i) {
      parts.push_back(
          {by.segments[i].name, Funnel(paths, funnel.stages.size(), static_cast<int>(i))});
    }
  }
  return parts;
}

}  // namespace segue
