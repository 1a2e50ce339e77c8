#include "pipeline/movement.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "pipeline/inputs.h"

namespace segue {
namespace {

constexpr Duration kPeriod = 90 * kDay;

double Days(Duration time) {
  return std::chrono::duration<double, std::ratio<86400>>(time).count();
}

// Whom a model is about.
struct Crowd {
  CustomerIndex first = 0, count = 0;
};

Crowd CrowdOf(State& state, const Model& model) {
  return model.of == Subject::kAccount ? Crowd{kFirstAccount, state.ledger().account_count()}
                                       : Crowd{0, state.ledger().customer_count()};
}

struct StoredMove {
  CustomerIndex customer = 0;  // From 0, of accounts too.
  int from = -1, to = -1;      // Places of Movement::segments.
  TimePoint at;
};

// The moves of living people after a moment, oldest first.  Names of segments that the model has
// no more are added to `names`.
std::vector<StoredMove> MovesAfter(State& state, const Model& model, TimePoint after,
                                   std::vector<std::string>& names) {
  std::map<std::string, int> places;
  for (const Segment& segment : model.segments) {
    places.emplace(segment.id, static_cast<int>(names.size()));
    names.push_back(segment.id);
  }
  const auto place = [&](const Statement& row, int column) {
    if (row.IsNull(column)) {
      return -1;
    }
    const auto [found, fresh] = places.emplace(row.Text(column), static_cast<int>(names.size()));
    if (fresh) {
      names.push_back(found->first);
    }
    return found->second;
  };
  Statement select = state.db().Prepare(
      R"(SELECT customer, "from", "to", at FROM move WHERE model = ? AND at > ? ORDER BY at, id)");
  select.Bind(1, model.id).Bind(2, ToMicros(after));
  std::vector<StoredMove> moves;
  while (select.Step()) {
    const auto customer = static_cast<CustomerIndex>(select.Int(0));
    if (state.ledger().IsAlive(customer)) {
      moves.push_back({.customer = customer - CrowdOf(state, model).first,
                       .from = place(select, 1),
                       .to = place(select, 2),
                       .at = FromMicros(select.Int(3))});
    }
  }
  return moves;
}

// Whether a feature can be asked without the model's other features and scores.
bool StandsAlone(const Expr& expr) {
  if (expr.op == Op::kLeaf &&
      (expr.leaf.kind == Leaf::Kind::kOwnFeature || expr.leaf.kind == Leaf::Kind::kOwnScore)) {
    return false;
  }
  return std::all_of(expr.args.begin(), expr.args.end(), StandsAlone);
}

Result<const Feature*> ValueFeature(const Model& model, const std::string& wanted) {
  for (const Feature& feature : model.features) {
    const bool money =
        feature.value.expr.type.type == Type::kMoney && StandsAlone(feature.value.expr);
    if (wanted.empty() ? money : feature.name == wanted) {
      if (!money) {
        return Error(fmt::format(
            "{}.{} is no amount of money that stands for itself: name a feature such as "
            "`sum(order_placed.amount, 365d)`",
            model.id, wanted));
      }
      return &feature;
    }
  }
  if (!wanted.empty()) {
    return Error(fmt::format("model {} has no feature {}", model.id, wanted));
  }
  return nullptr;
}

// What the people of each segment are worth now.
std::vector<std::optional<double>> ValueBySegment(State& state, int model, const Expr& expr,
                                                  std::size_t segments, TimePoint now) {
  std::vector<std::optional<double>> value(segments);
  std::vector<bool> somebody(segments, false);
  const Moment moment{now, state.workspace().models[static_cast<std::size_t>(model)].timezone};
  const Crowd crowd = CrowdOf(state, state.workspace().models[static_cast<std::size_t>(model)]);
  const CustomerIndex count = crowd.count;
  std::vector<double> block(kBlock);
  for (CustomerIndex first = 0; first < count; first += static_cast<CustomerIndex>(kBlock)) {
    const std::span<double> out(block.data(), std::min<std::size_t>(kBlock, count - first));
    ExecuteBlock(expr, state.inputs(), moment, crowd.first + first, out);
    for (std::size_t i = 0; i < out.size(); ++i) {
      const auto customer = crowd.first + first + static_cast<CustomerIndex>(i);
      const SegmentIndex segment = state.segments(model)->Get(customer).segment;
      if (segment == kNoSegment || !state.ledger().IsAlive(customer)) {
        continue;
      }
      somebody[segment] = true;
      if (!std::isnan(out[i])) {
        value[segment] = value[segment].value_or(0) + out[i];
      }
    }
  }
  for (std::size_t i = 0; i < segments; ++i) {
    if (!somebody[i]) {
      value[i] = 0;
    }
  }
  return value;
}

// Where everybody stands, and since when: as far as it was watched, and in truth, where that is
// known (nobody knows it of whom the baseline found there).
struct Stand {
  std::vector<int> segment;
  std::vector<TimePoint> since;
  std::vector<std::optional<TimePoint>> entered;
};

// When each person moved last, up to a moment.
std::vector<std::optional<TimePoint>> LastMoves(State& state, const Model& model,
                                                const Crowd& crowd, TimePoint until) {
  std::vector<std::optional<TimePoint>> last(crowd.count);
  Statement select = state.db().Prepare(
      "SELECT customer, max(at) FROM move WHERE model = ? AND at <= ? GROUP BY customer");
  select.Bind(1, model.id).Bind(2, ToMicros(until));
  while (select.Step()) {
    const auto customer = static_cast<CustomerIndex>(select.Int(0)) - crowd.first;
    if (customer < crowd.count) {
      last[customer] = FromMicros(select.Int(1));
    }
  }
  return last;
}

void Fill(const std::vector<StoredMove>& moves, Stand standing, Movement& movement) {
  const std::vector<int> before = standing.segment;
  std::vector<Stay> stays;
  const auto stay = [&](CustomerIndex customer, TimePoint until, bool ended) {
    const TimePoint since = standing.since[customer];
    const std::optional<TimePoint> entered = standing.entered[customer];
    if (standing.segment[customer] >= 0) {
      stays.push_back({.segment = standing.segment[customer],
                       .length = Days(until - since),
                       .ended = ended,
                       .before = entered ? std::optional(Days(since - *entered)) : std::nullopt});
    }
  };
  for (const StoredMove& move : moves) {
    if (move.at > movement.to) {
      break;
    }
    stay(move.customer, move.at, true);
    standing.segment[move.customer] = move.to;
    standing.since[move.customer] = move.at;
    standing.entered[move.customer] = move.at;
  }
  std::vector<Migration> people;
  for (std::size_t i = 0; i < before.size(); ++i) {
    stay(static_cast<CustomerIndex>(i), movement.to, false);
    if (before[i] >= 0 || standing.segment[i] >= 0) {
      people.push_back({.from = before[i], .to = standing.segment[i]});
    }
  }
  movement.matrix = MigrationMatrix(people, movement.segments.size());
  movement.stays = ExpectedStays(stays, movement.segments.size());
}

}  // namespace

std::optional<TimePoint> BaselineOf(State& state, const Model& model) {
  Statement find = state.db().Prepare("SELECT baseline FROM segment_model WHERE model = ?");
  find.Bind(1, model.id);
  return find.Step() && !find.IsNull(0) ? std::optional(FromMicros(find.Int(0))) : std::nullopt;
}

Result<Movement> MovementOf(State& state, int index, const MovementOptions& options,
                            TimePoint now) {
  const Model& model = state.workspace().models[static_cast<std::size_t>(index)];
  const Segments* segments = state.segments(index);
  const std::optional<TimePoint> baseline =
      segments == nullptr ? std::nullopt : BaselineOf(state, model);
  if (!baseline) {
    return Error(
        fmt::format("model {} has placed nobody yet: its first slot is to come", model.id));
  }
  Movement movement;
  movement.to = std::min(options.to.value_or(now), now);
  movement.from = options.from.value_or(std::max(*baseline, movement.to - kPeriod));
  if (movement.from < *baseline) {
    return Error(fmt::format("model {} knows where people stand since {}, not before", model.id,
                             model.timezone.Format(*baseline)));
  }
  if (movement.from >= movement.to) {
    return Error(fmt::format("from {} to {} is no time at all",
                             model.timezone.Format(movement.from),
                             model.timezone.Format(movement.to)));
  }
  const Result<const Feature*> feature = ValueFeature(model, options.value);
  if (!feature) {
    return feature.error();
  }
  const std::vector<StoredMove> moves = MovesAfter(state, model, movement.from, movement.segments);
  const Crowd crowd = CrowdOf(state, model);
  const CustomerIndex count = crowd.count;
  Stand standing{std::vector<int>(count, -1), std::vector<TimePoint>(count, movement.from),
                 LastMoves(state, model, crowd, movement.from)};
  for (CustomerIndex customer = 0; customer < count; ++customer) {
    const SegmentIndex now_in = segments->Get(crowd.first + customer).segment;
    if (now_in != kNoSegment && state.ledger().IsAlive(crowd.first + customer)) {
      standing.segment[customer] = static_cast<int>(now_in);
    }
  }
  for (auto move = moves.rbegin(); move != moves.rend(); ++move) {
    standing.segment[move->customer] = move->from;  // Back to where they stood at `from`.
  }
  Fill(moves, std::move(standing), movement);
  movement.ranked = !model.rank.empty();
  if (*feature != nullptr) {
    movement.value = (*feature)->name;
  }
  if (movement.ranked && *feature != nullptr) {
    // A segment that is gone ranks below all others: who fell there fell out of the model.
    std::vector<int> rank(movement.segments.size(), -1);
    for (std::size_t place = 0; place < model.rank.size(); ++place) {
      rank[static_cast<std::size_t>(model.rank[place])] = static_cast<int>(place);
    }
    movement.at_risk = ValueAtRisk(
        movement.matrix, rank,
        ValueBySegment(state, index, (*feature)->value.expr, movement.segments.size(), now));
  }
  return movement;
}

}  // namespace segue
