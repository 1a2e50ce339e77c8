#include "pipeline/experiments.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

namespace segue {
namespace {

constexpr Duration kBefore = 365 * kDay;  // How far back behaviour from before the start goes.
// Where nobody said what is expected.
constexpr double kPlanned = 10000;
constexpr double kPlanDeviation = 0.4;  // Of a goal that one in five reaches.

struct FirstRun {
  CustomerIndex customer = 0;
  CustomerIndex profile = 0;  // The same, but as it was before merges.
  TimePoint started, entered;
  std::optional<TimePoint> goal_at;
  std::string arm, variant;
};

// The first run in an arm of each customer who entered, oldest first; and how many entered in none.
struct Entered {
  std::vector<FirstRun> first;
  std::int64_t in_no_arm = 0;
};

Entered EnteredRuns(State& state, const Playbook& playbook, bool any_arm, TimePoint now) {
  Statement select = state.db().Prepare(
      "SELECT customer, started, entered, goal_at, arm, variant FROM run "
      "WHERE playbook = ? AND entered IS NOT NULL AND started <= ? ORDER BY started, id");
  select.Bind(1, playbook.id).Bind(2, ToMicros(now));
  Entered entered;
  std::set<CustomerIndex> seen, without;
  while (select.Step()) {
    const auto profile = static_cast<CustomerIndex>(select.Int(0));
    const CustomerIndex customer = state.ledger().Survivor(profile);
    if (!state.ledger().IsAlive(customer)) {
      continue;  // Erased: what they did is not known any more, in either arm.
    }
    const std::string arm = select.Text(4);
    if (arm.empty() && !any_arm) {
      without.insert(customer);
    } else if (seen.insert(customer).second) {
      entered.first.push_back(
          {.customer = customer,
           .profile = profile,
           .started = FromMicros(select.Int(1)),
           .entered = FromMicros(select.Int(2)),
           .goal_at = select.IsNull(3) ? std::nullopt : std::optional(FromMicros(select.Int(3))),
           .arm = arm,
           .variant = select.Text(5)});
    }
  }
  entered.in_no_arm = std::count_if(without.begin(), without.end(),
                                    [&](CustomerIndex one) { return !seen.contains(one); });
  return entered;
}

struct Outcome {
  double reached = 0, before = 0;
  double money = 0;
};

// What one person did in the year before the run, and between entering and the end of the goal's
// time.
Outcome OutcomeOf(State& state, const Goal& goal, const FirstRun& run) {
  Outcome outcome;
  const TimePoint last = run.started + goal.within;
  if (!goal.event) {
    outcome.reached = run.goal_at && *run.goal_at > run.entered && *run.goal_at <= last ? 1 : 0;
    return outcome;
  }
  const Workspace& workspace = state.workspace();
  const EventSpec& spec = workspace.schema.events[static_cast<std::size_t>(*goal.event)];
  const Moment moment{last, workspace.schema.timezone};
  double count_before = 0;
  for (const StoredEvent& event :
       state.ledger().Timeline(run.customer, *goal.event, run.started - kBefore, last)) {
    const bool before = event.time <= run.started;
    if (!event.counts || event.orphan || (!before && event.time <= run.entered)) {
      continue;
    }
    if (goal.where && !IsTrue(ExecuteOnEvent(goal.where->expr, spec, event.fields, *workspace.pool,
                                             &state.inputs(), moment, run.customer))) {
      continue;
    }
    (before ? count_before : outcome.reached) += 1;
    if (goal.value_field && !before) {
      const Value& value = event.fields[static_cast<std::size_t>(*goal.value_field)];
      outcome.money += IsMissing(value) ? 0 : static_cast<double>(std::get<std::int64_t>(value));
    }
  }
  outcome.reached = std::min(outcome.reached, 1.0);
  outcome.before = std::log1p(count_before);
  return outcome;
}

// How many people would show the middle of what is expected.  From the file alone, so that nothing
// that was seen can change it.
double Planned(const std::optional<Expectation>& expect, double treated_share) {
  const double effect = expect ? std::abs(expect->low + expect->high) / 2 : 0;
  if (!(effect > 0)) {
    return kPlanned;
  }
  return std::clamp(PeopleToFind(effect, kPlanDeviation, treated_share), 1000.0, 1e6);
}

// Holm's correction for so many comparisons, in their order.
std::vector<double> Corrected(const std::vector<double>& p) {
  std::vector<std::pair<double, std::size_t>> by_p;
  for (std::size_t i = 0; i < p.size(); ++i) {
    by_p.emplace_back(p[i], i);
  }
  std::sort(by_p.begin(), by_p.end());
  std::vector<double> corrected(p.size(), 1);
  double largest = 0;
  for (std::size_t i = 0; i < by_p.size(); ++i) {
    largest = std::max(largest, by_p[i].first * static_cast<double>(by_p.size() - i));
    corrected[by_p[i].second] = std::min(1.0, largest);
  }
  return corrected;
}

void CompareVariants(bool final_look, Experiment& one) {
  if (one.variants.size() < 2) {
    return;
  }
  const ArmFigures& first = one.variants.front();
  std::vector<double> p;
  for (std::size_t i = 1; i < one.variants.size(); ++i) {
    const ArmFigures& other = one.variants[i];
    VariantEffect effect;
    effect.name = other.name;
    effect.effect = Compare(other.goal, first.goal, Quantity::kRate);
    effect.any_time = CompareAtAnyTime(other.goal, first.goal, Quantity::kRate, one.planned);
    const auto ratio_p = final_look ? SampleRatioP : SampleRatioPAtAnyTime;
    effect.ratio_p = ratio_p(other.goal.people(), first.goal.people(),
                             other.share / (other.share + first.share));
    p.push_back(effect.any_time.p);
    one.effects.push_back(std::move(effect));
  }
  const std::vector<double> corrected = Corrected(p);
  for (std::size_t i = 0; i < corrected.size(); ++i) {
    one.effects[i].adjusted_p = corrected[i];
  }
}

void Conclude(const Goal& goal, bool final_look, Experiment& one) {
  const double drawn = one.treated.share + one.held_out.share;
  Question question;
  question.ended = final_look;
  if (goal.expect) {
    question.expect =
        Expectation{.low = goal.expect->first / 100, .high = goal.expect->second / 100};
  }
  one.compared = one.held_out.share > 0 || one.held_out.goal.people() > 0;
  question.treated_share = one.compared && drawn > 0 ? one.treated.share / drawn : 0.5;
  one.planned = Planned(question.expect, question.treated_share);
  question.planned = one.planned;
  CompareVariants(final_look, one);
  if (!one.compared) {
    one.sentence =
        "cannot tell: nobody is held out, so nobody knows how many would have come without it";
    return;
  }
  one.answer = Judge(one.treated.goal, one.held_out.goal, question);
  one.any_time =
      CompareAtAnyTime(one.treated.goal, one.held_out.goal, Quantity::kRate, one.planned);
  if (goal.event) {
    one.cuped =
        CompareWithCovariate(one.treated.goal, one.held_out.goal, Quantity::kRate, one.planned);
  }
  if (goal.value_field) {
    one.money = PerThousand(one.treated.money, one.held_out.money);
  }
  one.sentence = one.answer.sentence;
}

// Where the people of a model stood at any moment since its first slot.
class Standings {
 public:
  Standings(State& state, int model) : state_(state), model_(model) {
    const Model& asked = state.workspace().models[static_cast<std::size_t>(model)];
    for (const Segment& segment : asked.segments) {
      names_.push_back(segment.id);
    }
    Statement select = state.db().Prepare(
        R"(SELECT customer, coalesce("from", ''), coalesce("to", ''), at FROM move WHERE model = ?
           ORDER BY at, id)");
    select.Bind(1, asked.id);
    while (select.Step()) {
      moves_[static_cast<CustomerIndex>(select.Int(0))].push_back(
          {PlaceOf(select.Text(1)), PlaceOf(select.Text(2)), FromMicros(select.Int(3))});
    }
  }

  // The model's segments, then those that it has no more; none is the place after the last.
  const std::vector<std::string>& names() const { return names_; }

  std::size_t At(const FirstRun& run) const {
    const auto moves = moves_.find(run.profile);
    if (moves == moves_.end()) {
      const Segments* segments = state_.segments(model_);
      const SegmentIndex now =
          segments == nullptr ? kNoSegment : segments->Get(run.customer).segment;
      return now == kNoSegment ? kNowhere : static_cast<std::size_t>(now);
    }
    std::size_t place = moves->second.front().from;
    for (const Moved& move : moves->second) {
      place = move.at <= run.started ? move.to : place;
    }
    return place;
  }

  static constexpr std::size_t kNowhere = std::numeric_limits<std::size_t>::max();

 private:
  struct Moved {
    std::size_t from = kNowhere, to = kNowhere;
    TimePoint at;
  };

  std::size_t PlaceOf(const std::string& id) {
    if (id.empty()) {
      return kNowhere;
    }
    const auto found = std::find(names_.begin(), names_.end(), id);
    const auto place = static_cast<std::size_t>(found - names_.begin());
    if (found == names_.end()) {
      names_.push_back(id);
    }
    return place;
  }

  State& state_;
  int model_;
  std::vector<std::string> names_;
  std::map<CustomerIndex, std::vector<Moved>> moves_;
};

// With the arms that the file draws, and nobody in them.
Experiment Blank(const Playbook& playbook, int index) {
  Experiment one;
  one.playbook = index;
  one.held_out = {
      .name = "held_out", .share = playbook.holdout_percent / 100, .goal = {}, .money = {}};
  one.treated = {.name = "treated", .share = 1 - one.held_out.share, .goal = {}, .money = {}};
  for (const auto& [name, share] : playbook.variants) {
    one.variants.push_back({.name = name, .share = share / 100, .goal = {}, .money = {}});
  }
  return one;
}

// Nothing: the goal's time is not over.
void AddPerson(const FirstRun& run, const std::optional<Outcome>& outcome, Experiment& one) {
  ++one.entered;
  if (!outcome) {
    ++one.early;
    return;
  }
  const auto add = [&](ArmFigures& arm) {
    arm.goal.Add(outcome->reached, outcome->before);
    arm.money.Add(outcome->money);
  };
  add(run.arm == "held_out" ? one.held_out : one.treated);
  for (ArmFigures& variant : one.variants) {
    if (run.arm != "held_out" && run.variant == variant.name) {
      add(variant);
    }
  }
}

// Gives the figures of each segment that somebody entered in.
void TakeParts(std::map<std::size_t, Experiment>&& parts, const Goal& goal,
               const std::vector<std::string>& names, bool final_look, Experiment& whole) {
  std::vector<double> p;
  for (auto& [place, part] : parts) {
    part.segment = place < names.size() ? names[place] : "none";
    Conclude(goal, final_look, part);
    p.push_back(part.any_time.p);
    whole.parts.push_back(std::move(part));
  }
  const std::vector<double> corrected = Corrected(p);
  for (std::size_t i = 0; i < corrected.size(); ++i) {
    whole.parts[i].adjusted_p = corrected[i];
  }
}

Experiment ReportOne(State& state, int index, const ExperimentOptions& options, TimePoint now) {
  const Playbook& playbook = state.workspace().playbooks[static_cast<std::size_t>(index)];
  const Goal& goal = *playbook.goal;
  const bool experiment = playbook.holdout_percent > 0 || !playbook.variants.empty();
  const Entered entered = EnteredRuns(state, playbook, !experiment, now);
  Experiment one = Blank(playbook, index);
  one.unnumbered = entered.in_no_arm;
  std::optional<Standings> standings;
  if (options.by >= 0) {
    standings.emplace(state, options.by);
  }
  std::map<std::size_t, Experiment> parts;
  for (const FirstRun& run : entered.first) {
    if ((options.from && run.started < *options.from) ||
        (options.to && run.started >= *options.to)) {
      continue;
    }
    const std::optional<Outcome> outcome =
        run.started + goal.within > now ? std::nullopt : std::optional(OutcomeOf(state, goal, run));
    AddPerson(run, outcome, one);
    if (standings) {
      AddPerson(run, outcome,
                parts.try_emplace(standings->At(run), Blank(playbook, index)).first->second);
    }
  }
  Conclude(goal, options.final_look, one);
  if (standings) {
    TakeParts(std::move(parts), goal, standings->names(), options.final_look, one);
  }
  return one;
}

}  // namespace

std::vector<Experiment> Experiments(State& state, const ExperimentOptions& options, TimePoint now) {
  std::vector<Experiment> all;
  const std::vector<Playbook>& playbooks = state.workspace().playbooks;
  for (std::size_t i = 0; i < playbooks.size(); ++i) {
    const bool asked = playbooks[i].id == options.playbook;
    if (!playbooks[i].goal || (!asked && !options.playbook.empty())) {
      continue;
    }
    Experiment one = ReportOne(state, static_cast<int>(i), options, now);
    if (asked || one.entered > 0) {
      all.push_back(std::move(one));
    }
  }
  return all;
}

std::string_view VerdictName(Verdict verdict) {
  switch (verdict) {
    case Verdict::kBrokenSplit:
      return "broken_split";
    case Verdict::kCannotTell:
      return "cannot_tell";
    case Verdict::kGain:
      return "gain";
    case Verdict::kInside:
      return "inside";
    case Verdict::kBelow:
      return "below";
    case Verdict::kAbove:
      return "above";
    case Verdict::kHarm:
      return "harm";
  }
  return "";
}

}  // namespace segue
