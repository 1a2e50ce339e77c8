#include "pipeline/moments.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include "base/hash.h"
#include "config/rule_text.h"
#include "pipeline/inputs.h"
#include "pipeline/pipeline.h"

namespace segue {
namespace {

constexpr double kNoMoment = std::numeric_limits<double>::quiet_NaN();

constexpr std::string_view kMomentTables = R"(
CREATE TABLE insight_found(
  insight TEXT PRIMARY KEY,
  at INTEGER NOT NULL,
  people INTEGER NOT NULL,
  sentence TEXT NOT NULL,
  found TEXT NOT NULL,
  in_force TEXT NOT NULL
) STRICT, WITHOUT ROWID;
)";

// What a trait says about it, where one does.
std::optional<TimePoint> SaidToJoin(const Workspace& workspace, const Ledger& ledger,
                                    CustomerIndex customer) {
  if (!workspace.joined_trait) {
    return std::nullopt;
  }
  const std::span<const double> column = ledger.TraitColumn(*workspace.joined_trait);
  if (customer >= column.size() || std::isnan(column[customer])) {
    return std::nullopt;
  }
  return FromMicros(static_cast<std::int64_t>(column[customer]));
}

// When one customer joined: the trait that says so, else the first event.
std::optional<TimePoint> JoinedOf(const Workspace& workspace, const Ledger& ledger,
                                  CustomerIndex customer, TimePoint now) {
  if (const auto said = SaidToJoin(workspace, ledger, customer)) {
    return said;
  }
  for (const StoredEvent& event : ledger.Timeline(customer, -1, TimePoint::min(), now)) {
    if (event.counts && !event.orphan) {
      return event.time;
    }
  }
  return std::nullopt;
}

// The same of everybody alive.  To ask for one after the other would look into each chunk for each.
std::vector<std::optional<TimePoint>> JoinedOfAll(const Workspace& workspace, const Ledger& ledger,
                                                  TimePoint now) {
  std::vector<std::optional<TimePoint>> joined(ledger.customer_count());
  bool all_said = true;
  for (CustomerIndex customer = 0; customer < joined.size(); ++customer) {
    joined[customer] = SaidToJoin(workspace, ledger, customer);
    all_said = all_said && (joined[customer] || !ledger.IsAlive(customer));
  }
  if (all_said) {
    return joined;
  }
  std::vector<TimePoint> first(joined.size(), TimePoint::max());
  for (std::size_t kind = 0; kind < workspace.schema.events.size(); ++kind) {
    ledger.Scan(static_cast<int>(kind), TimePoint::min(), now, EventParts(),
                [&](const StoredEvent& event) {
                  if (event.counts && !event.orphan) {
                    first[event.customer] = std::min(first[event.customer], event.time);
                  }
                });
  }
  for (CustomerIndex customer = 0; customer < joined.size(); ++customer) {
    if (!joined[customer] && first[customer] != TimePoint::max()) {
      joined[customer] = first[customer];
    }
  }
  return joined;
}

AhaRank RankOf(std::string_view word) {
  return word == "reach"        ? AhaRank::kReach
         : word == "precision"  ? AhaRank::kPrecision
         : word == "recall"     ? AhaRank::kRecall
         : word == "phi"        ? AhaRank::kPhi
         : word == "odds_ratio" ? AhaRank::kOddsRatio
                                : AhaRank::kLift;
}

// The people of a cohort with the moment at which each joined.
struct Cohort {
  std::vector<int> person;          // By customer; -1: not among them.
  std::vector<TimePoint> joined;    // By person.
  std::vector<CustomerIndex> whom;  // By person.
};

Cohort CohortOf(State& state, const Insight& insight, TimePoint now) {
  const Ledger& ledger = state.ledger();
  const CustomerIndex count = ledger.customer_count();
  const Moment moment{now, state.workspace().schema.timezone};
  Cohort cohort;
  cohort.person.assign(count, -1);
  const std::vector<std::optional<TimePoint>> all = JoinedOfAll(state.workspace(), ledger, now);
  std::vector<double> block(kBlock);
  for (CustomerIndex first = 0; first < count; first += static_cast<CustomerIndex>(kBlock)) {
    const std::span<double> who(block.data(), std::min<std::size_t>(kBlock, count - first));
    std::fill(who.begin(), who.end(), 1.0);
    if (insight.who) {
      ExecuteBlock(insight.who->expr, state.inputs(), moment, first, who);
    }
    for (std::size_t i = 0; i < who.size(); ++i) {
      const auto customer = first + static_cast<CustomerIndex>(i);
      if (!IsTrue(who[i]) || !ledger.IsAlive(customer)) {
        continue;
      }
      const std::optional<TimePoint>& joined = all[customer];
      if (joined && *joined >= now - insight.joined && *joined + insight.outcome_to <= now) {
        cohort.person[customer] = static_cast<int>(cohort.whom.size());
        cohort.joined.push_back(*joined);
        cohort.whom.push_back(customer);
      }
    }
  }
  return cohort;
}

InsightRule Plain(const AhaRule& rule) {
  return {.action = rule.action,
          .times = rule.times,
          .other = rule.other,
          .other_times = rule.other_times,
          .within = rule.within};
}

std::string Often(int times) {
  return times == 1 ? " once" : fmt::format(" {} times", times);
}

}  // namespace

MomentSearch SearchMoment(State& state, const Insight& insight, TimePoint now) {
  const Cohort cohort = CohortOf(state, insight, now);
  AhaData data;
  data.actions = insight.actions.size();
  data.stayed.assign(cohort.whom.size(), false);
  for (const CustomerIndex customer : cohort.whom) {
    const int bucket = Bucket("check", insight.id, state.ledger().CustomerKey(customer));
    data.check.push_back(bucket < std::lround(insight.check_percent * 100));
  }
  const auto scan = [&](int kind, const auto& visit) {
    state.ledger().Scan(kind, now - insight.joined - Duration(1), now,
                        [&](const StoredEvent& event) {
                          const int person = cohort.person[event.customer];
                          if (person >= 0 && event.counts && !event.orphan) {
                            const auto place = static_cast<std::size_t>(person);
                            visit(place, event.time - cohort.joined[place]);
                          }
                        });
  };
  scan(insight.outcome_event, [&](std::size_t person, Duration after) {
    if (after >= insight.outcome_from && after <= insight.outcome_to) {
      data.stayed[person] = true;
    }
  });
  for (std::size_t action = 0; action < insight.actions.size(); ++action) {
    scan(insight.actions[action].event, [&](std::size_t person, Duration after) {
      if (after >= Duration::zero() && after <= insight.within.back()) {
        data.events.push_back({.person = static_cast<std::uint32_t>(person),
                               .action = static_cast<std::uint32_t>(action),
                               .after = after.count()});
      }
    });
  }
  AhaSearch search;
  search.times_min = insight.times_min;
  search.times_max = insight.times_max;
  for (const Duration within : insight.within) {
    search.within.push_back(within.count());
  }
  search.pairs = insight.pairs;
  search.rank_by = RankOf(insight.rank_by);
  search.correct_for_many = insight.correct_for_many;
  search.people_min = static_cast<double>(insight.at_least);
  MomentSearch found;
  found.people = static_cast<std::int64_t>(cohort.whom.size());
  found.stayed = std::count(data.stayed.begin(), data.stayed.end(), true);
  found.kept_back = std::count(data.check.begin(), data.check.end(), true);
  found.result = FindAha(data, search);
  return found;
}

std::string RuleWords(const Insight& insight, const AhaRule& rule) {
  const auto words = [&](int action) {
    return insight.actions[static_cast<std::size_t>(action)].words;
  };
  std::string text = words(rule.action) + Often(rule.times);
  if (rule.other >= 0) {
    text += " and " + words(rule.other) + Often(rule.other_times);
  }
  return text + ", within " + FormatDuration(insight.within[static_cast<std::size_t>(rule.within)]);
}

std::optional<StoredMoment> LoadMoment(Database& db, const std::string& insight) {
  db.Ensure("moments", kMomentTables);
  Statement find = db.Prepare(
      "SELECT at, people, sentence, found, in_force FROM insight_found WHERE insight = ?");
  find.Bind(1, insight);
  if (!find.Step()) {
    return std::nullopt;
  }
  return StoredMoment{.searched = FromMicros(find.Int(0)),
                      .people = find.Int(1),
                      .sentence = find.Text(2),
                      .found = find.Text(3),
                      .in_force = find.Text(4)};
}

void StoreMoment(Database& db, const Insight& insight, const Schema& schema,
                 const MomentSearch& search, bool publish, TimePoint now) {
  const std::optional<StoredMoment> before = LoadMoment(db, insight.id);
  std::string found;
  if (search.result.best >= 0) {
    const std::size_t place =
        search.result.shortlist[static_cast<std::size_t>(search.result.best)].place;
    found = FormatRule(insight, schema, Plain(search.result.ranking[place].rule));
  }
  const bool takes_force = !found.empty() && (publish || !insight.needs_approval);
  Statement store = db.Prepare(
      "INSERT OR REPLACE INTO insight_found(insight, at, people, sentence, found, in_force) "
      "VALUES (?, ?, ?, ?, ?, ?)");
  store.Bind(1, insight.id)
      .Bind(2, ToMicros(now))
      .Bind(3, search.people)
      .Bind(4, search.result.sentence)
      .Bind(5, found)
      .Bind(6, takes_force ? found
               : before    ? before->in_force
                           : std::string())
      .Run();
}

void PutInForce(Database& db, const std::string& insight, const std::string& rule, TimePoint now) {
  db.Ensure("moments", kMomentTables);
  Statement store = db.Prepare(
      "INSERT OR REPLACE INTO insight_found(insight, at, people, sentence, found, in_force) "
      "VALUES (?, ?, 0, '', ?, ?)");
  store.Bind(1, insight).Bind(2, ToMicros(now)).Bind(3, rule).Bind(4, rule).Run();
}

std::optional<AhaRule> ReadRule(const Insight& insight, const Schema& schema,
                                const std::string& text) {
  const std::optional<InsightRule> rule = ParseRule(insight, schema, text);
  if (!rule) {
    return std::nullopt;
  }
  return AhaRule{.action = rule->action,
                 .times = rule->times,
                 .other = rule->other,
                 .other_times = rule->other_times,
                 .within = rule->within};
}

Moments::Moments(Database& db, const Workspace& workspace, const Ledger& ledger)
    : db_(db), workspace_(workspace), ledger_(ledger) {
  db.Ensure("moments", kMomentTables);
  for (int i = 0; const Insight* insight = workspace.Published(i); ++i) {
    Rule rule;
    rule.insight = insight;
    for (const Insight::Action& action : insight->actions) {
      rule.names.push_back(workspace.pool->Intern(
          workspace.schema.events[static_cast<std::size_t>(action.event)].name));
    }
    rules_.push_back(std::move(rule));
  }
}

void Moments::Advance(TimePoint now) {
  std::vector<Rule*> fresh;
  bool any = false;
  for (Rule& rule : rules_) {
    const std::optional<StoredMoment> stored = LoadMoment(db_, rule.insight->id);
    const std::string text = stored ? stored->in_force : "";
    if (text != rule.text) {
      rule.text = text;
      rule.rule = ReadRule(*rule.insight, workspace_.schema, text);
      fresh.push_back(&rule);
    }
    any = any || rule.rule.has_value();
  }
  if (!any) {
    counted_ = false;
    return;
  }
  if (!counted_ || now < since_) {
    for (Rule& rule : rules_) {
      CountAll(rule, now);
    }
  } else {
    for (Rule* rule : fresh) {
      CountAll(*rule, now);
    }
    std::vector<int> kinds(workspace_.schema.events.size());
    std::iota(kinds.begin(), kinds.end(), 0);
    std::vector<int> traits;
    if (workspace_.joined_trait) {
      traits.push_back(*workspace_.joined_trait);
    }
    for (const Touch& touch : ledger_.Touched(sequence_, since_, now, kinds, traits)) {
      for (Rule& rule : rules_) {
        Count(rule, touch.customer, now);
      }
    }
  }
  counted_ = true;
  sequence_ = ledger_.last_sequence();
  since_ = now;
}

void Moments::CountAll(Rule& rule, TimePoint now) {
  const CustomerIndex count = ledger_.customer_count();
  rule.counts.assign(count, 0);
  rule.other_counts.assign(count, 0);
  if (!rule.rule) {
    return;
  }
  const std::vector<std::optional<TimePoint>> joined = JoinedOfAll(workspace_, ledger_, now);
  const Duration within = rule.insight->within[static_cast<std::size_t>(rule.rule->within)];
  const auto scan = [&](int action, int most, std::vector<std::uint8_t>& counts) {
    if (action < 0) {
      return;
    }
    ledger_.Scan(rule.insight->actions[static_cast<std::size_t>(action)].event, TimePoint::min(),
                 now, [&](const StoredEvent& event) {
                   const auto& start = joined[event.customer];
                   std::uint8_t& counted = counts[event.customer];
                   if (event.counts && !event.orphan && start && event.time >= *start &&
                       event.time <= *start + within && counted < most) {
                     ++counted;
                   }
                 });
  };
  scan(rule.rule->action, rule.rule->times, rule.counts);
  scan(rule.rule->other, rule.rule->other_times, rule.other_counts);
}

void Moments::Count(Rule& rule, CustomerIndex customer, TimePoint now) {
  if (!rule.rule) {
    return;
  }
  if (customer >= rule.counts.size()) {
    rule.counts.resize(customer + 1, 0);
    rule.other_counts.resize(customer + 1, 0);
  }
  const std::optional<TimePoint> joined =
      ledger_.IsAlive(customer) ? JoinedOf(workspace_, ledger_, customer, now) : std::nullopt;
  const auto count = [&](int action, int most) -> std::uint8_t {
    if (!joined || action < 0) {
      return 0;
    }
    const Duration within = rule.insight->within[static_cast<std::size_t>(rule.rule->within)];
    int counted = 0;
    for (const StoredEvent& event :
         ledger_.Timeline(customer, rule.insight->actions[static_cast<std::size_t>(action)].event,
                          *joined - Duration(1), std::min(now, *joined + within))) {
      counted += event.counts && !event.orphan ? 1 : 0;
    }
    return static_cast<std::uint8_t>(std::min(counted, most));
  };
  rule.counts[customer] = count(rule.rule->action, rule.rule->times);
  rule.other_counts[customer] = count(rule.rule->other, rule.rule->other_times);
}

bool Moments::Speak(const Expr& expr) const {
  bool all = true;
  if (!rules_.empty()) {
    ForEachLeaf(expr, [&](const Expr& leaf) {
      all = all && (leaf.leaf.kind != Leaf::Kind::kInsight ||
                    rules_[static_cast<std::size_t>(leaf.leaf.model)].rule.has_value());
    });
  }
  return all;
}

void Moments::Read(int insight, int part, CustomerIndex first, std::span<double> out) const {
  const Rule& rule = rules_[static_cast<std::size_t>(insight)];
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::size_t customer = first + i;
    if (!rule.rule || customer >= rule.counts.size()) {
      out[i] = kNoMoment;
      continue;
    }
    const AhaProgress progress =
        ProgressOf(*rule.rule, rule.counts[customer], rule.other_counts[customer]);
    out[i] = part == 0              ? (progress.reached ? 1 : 0)
             : part == 1            ? progress.share
             : progress.missing < 0 ? kNoMoment
                                    : rule.names[static_cast<std::size_t>(progress.missing)];
  }
}

}  // namespace segue
