// Keys of models, funnels, insights, playbooks with their steps, offers and policies.

#include <array>

#include "config/keys.h"

namespace segue {
namespace {

using F = Form;

constexpr std::string_view kSubjects = "customer account";
constexpr std::string_view kNextOrStop = "next stop";

constexpr std::array kModel = {
    KeySpec{"model", F::kId, kMust, "its name"},
    KeySpec{"title", F::kText, "-", "for people"},
    KeySpec{"tags", F::kWord, "-", "for people", {}, Many::kList},
    KeySpec{"status", F::kChoice, "live", "a draft is checked and stores nothing", "draft live"},
    KeySpec{"of", F::kChoice, "customer", "whom it places", kSubjects},
    KeySpec{"every", F::kSchedule, kMust, "its slots"},
    KeySpec{"timezone", F::kZone, "the workspace's", "for its slots and days()"},
    KeySpec{"who", F::kExpression, "everybody", "the others have no segment"},
    KeySpec{"refit", F::kRefit, "monthly", "when what is learned is learned again"},
    KeySpec{"features.*", F::kExpression, "-", "a named value"},
    KeySpec{"scores.*.from", F::kExpression, "-",
            "a feature or an expression of features and scores"},
    KeySpec{"scores.*.best", F::kChoice, kMaybe, "which end is good; required with cuts and fifths",
            "low high"},
    KeySpec{"scores.*.cuts",
            F::kExpression,
            "-",
            "ascending lines: n lines give 1 to n + 1",
            {},
            Many::kList},
    KeySpec{"scores.*.fifths", F::kYes, "-", "four lines learned from the population"},
    KeySpec{"scores.*.fifths.of", F::kChoice, "value", "cut values or ranks", "value rank"},
    KeySpec{"scores.*.fifths.ties", F::kChoice, "together", "rank: how equal values are ordered",
            "together by_key"},
    KeySpec{"scores.*.fifths.lines", F::kChoice, "quantile", "how the lines are laid",
            "quantile equal_width"},
    KeySpec{"scores.*.fifths.closed", F::kChoice, "the better side",
            "where a value on a line belongs", "left right"},
    KeySpec{"scores.*.fifths.add", F::kExpression, "0", "added to each line"},
    KeySpec{"scores.*.refit", F::kRefit, "the model's", "when its lines are learned again"},
    KeySpec{"scores.*.range", F::kRange, "-", "keeps a score of from or points inside"},
    KeySpec{"scores.*.points[].when", F::kExpression, kMust, "when this is true …"},
    KeySpec{"scores.*.points[].add", F::kNumber, kMust, "… it adds this"},
    KeySpec{"grid", F::kWord, "-", "the scores that cells writes, in this order", {}, Many::kList},
    KeySpec{"segments[].id", F::kId, kMust, "its name in expressions"},
    KeySpec{"segments[].name", F::kText, "the id", "for people"},
    KeySpec{"segments[].when", F::kRule, kMaybe, "first match wins; this or cells"},
    KeySpec{"segments[].cells", F::kCount, "-", "cells of the grid: [545, 554]", {}, Many::kList},
    KeySpec{"flags.*.on", F::kExpression, kMust, "yes from here …"},
    KeySpec{"flags.*.off", F::kExpression, "not on", "… until this is true"},
    KeySpec{"rank", F::kWord, "none", "all segments, worst first", {}, Many::kList},
    KeySpec{"settle.hold", F::kHold, "1 run", "the same answer this often or this long"},
    KeySpec{"settle.margin", F::kPercent, "0%", "how far past a line a value must be"},
};

constexpr std::array kFunnel = {
    KeySpec{"funnel", F::kId, kMust, "its name"},
    KeySpec{"title", F::kText, "-", "for people"},
    KeySpec{"tags", F::kWord, "-", "for people", {}, Many::kList},
    KeySpec{"of", F::kChoice, "customer", "whom it counts", kSubjects},
    KeySpec{"stages[].id", F::kId, kMust, "in order"},
    KeySpec{"stages[].name", F::kText, "the id", "for people"},
    KeySpec{"stages[].when", F::kExpression, kMust, "who is in it"},
};

constexpr std::array kInsight = {
    KeySpec{"insight", F::kId, kMust, "searches for early actions that go with staying"},
    KeySpec{"title", F::kText, "-", "for people"},
    KeySpec{"tags", F::kWord, "-", "for people", {}, Many::kList},
    KeySpec{"every", F::kSchedule, "month on 1 at 06:00", "when"},
    KeySpec{"cohort.who", F::kExpression, "everybody", "whom it looks at"},
    KeySpec{"cohort.joined", F::kDuration, kMust, "joined this long ago at most"},
    KeySpec{"cohort.at_least", F::kCount, "400", "fewer people: finds nothing and says so"},
    KeySpec{"look_at.actions.*", F::kText, "-", "event: the words for it"},
    KeySpec{"look_at.times", F::kRange, "1..6", "how often"},
    KeySpec{"look_at.within", F::kDuration, "1d 3d 7d", "how soon after joining", {}, Many::kList},
    KeySpec{"look_at.pairs", F::kYesNo, "no", "also two actions together"},
    KeySpec{"outcome.event", F::kName, kMust, "staying means doing this …", "event"},
    KeySpec{"outcome.from", F::kDuration, kMust, "… between this long after joining …"},
    KeySpec{"outcome.to", F::kDuration, kMust, "… and this long"},
    KeySpec{"rank_by", F::kChoice, "lift", "order of the finds",
            "lift reach precision recall phi odds_ratio"},
    KeySpec{"honest.check_on", F::kPercent, "30%", "people kept back to confirm"},
    KeySpec{"honest.correct_for_many", F::kYesNo, "yes", "correct for having tried many"},
    KeySpec{"publish.as", F::kId, "-", "gives NAME.reached, NAME.progress, NAME.missing"},
    KeySpec{"publish.needs_approval", F::kYesNo, "yes", "a person says yes first"},
};

constexpr std::array kPlaybook = {
    KeySpec{"playbook", F::kId, kMust, "its name"},
    KeySpec{"title", F::kText, "-", "for people"},
    KeySpec{"tags", F::kWord, "-", "for people", {}, Many::kList},
    KeySpec{"purpose", F::kChoice, kMust, "decides consent, caps, holdout",
            "marketing product success service"},
    KeySpec{"topic", F::kName, "-", "asks that topic's consent too", "topic"},
    KeySpec{"status", F::kChoice, "live", "draft, shadow and paused deliver nothing",
            "draft shadow live paused"},
    KeySpec{"priority", F::kCount, "50", "larger goes first"},
    KeySpec{"lane", F::kWord, "its own", "one active run per person and lane"},
    KeySpec{"takes_over", F::kYesNo, "no", "may end a running run of lower priority in its lane"},
    KeySpec{"on.model", F::kName, "-", "starts on a settled move of this model", "model"},
    KeySpec{"on.from", F::kWord, "any", "from these segments, or none", {}, Many::kOneOrList},
    KeySpec{"on.to", F::kWord, "any", "to these segments", {}, Many::kOneOrList},
    KeySpec{"on.for", F::kDuration, "0d", "after staying this long"},
    KeySpec{"on.flag", F::kText, "-", "starts when the flag MODEL.FLAG turns on"},
    KeySpec{"on.event", F::kName, "-", "starts when it happens", "event"},
    KeySpec{"on.where", F::kExpression, "-", "on this kind of it"},
    KeySpec{"on.every", F::kDuration, "-", "starts again this often …"},
    KeySpec{"on.while", F::kExpression, kMaybe, "… as long as this holds; required with every"},
    KeySpec{"when", F::kExpression, "-", "asked once, at the start", {}, Many::kOneOrList},
    KeySpec{"offer", F::kName, "-", "reserved when a step that prints it is due", "offer"},
    KeySpec{"do", F::kSteps, kMust, "the steps"},
    KeySpec{"exit", F::kExpression, "-", "ends the run at once"},
    KeySpec{"goal.event", F::kName, "-", "reached when it happens in the run", "event"},
    KeySpec{"goal.where", F::kExpression, "-", "this kind of it"},
    KeySpec{"goal.when", F::kExpression, "-", "reached when this becomes true"},
    KeySpec{"goal.value", F::kWord, "-", "money field of the event that counts as worth"},
    KeySpec{"goal.within", F::kDuration, kMust, "the window"},
    KeySpec{"goal.expect", F::kPercentRange, "-", "expected difference, percentage points"},
    KeySpec{"goal.ends_run", F::kYesNo, "yes", "no: counted, and the run goes on"},
    KeySpec{"limits.reenter", F::kReenter, "never", "whether a person may come again"},
    KeySpec{"limits.per_day", F::kCount, "none", "most starts a day"},
    KeySpec{"limits.on_cap", F::kOnCap, "wait 7d", "how long a message waits for room"},
    KeySpec{"experiment.holdout", F::kPercent, "0%", "people who get nothing"},
    KeySpec{"experiment.variants.*", F::kPercent, "-", "with holdout they make 100"},
    KeySpec{"experiment.salt", F::kText, "the playbook's id", "changing it draws other people"},
};

constexpr std::array kStep = {
    KeySpec{"id", F::kWord, "its place", "keeps waiting people in place when steps are moved"},
    KeySpec{"send", F::kName, "-", "sends this template", "template"},
    KeySpec{"to", F::kChoice, "contact", "account playbooks: who gets it", "contact everyone"},
    KeySpec{"task.title", F::kTextWithValues, kMust, "its title"},
    KeySpec{"task.for", F::kName, kMust, "who does it", "assignee or trait"},
    KeySpec{"task.due", F::kDuration, kMust, "until when"},
    KeySpec{"task.priority", F::kChoice, "normal", "how urgent", "low normal high"},
    KeySpec{"task.note", F::kTextWithValues, "-", "more words"},
    KeySpec{"task.via", F::kName, "the task channel", "which tool gets it", "connector"},
    KeySpec{"task.unless_open", F::kYesNo, "no", "skipped while an earlier one is open"},
    KeySpec{"audience.add", F::kName, "-", "adds to this audience", "audience"},
    KeySpec{"audience.remove", F::kName, "-", "takes out of this audience", "audience"},
    KeySpec{"set.*", F::kTextWithValues, "-", "a field at the profile tool"},
    KeySpec{"track", F::kName, "-", "reports this name to the analytics tools", "track"},
    KeySpec{"wait", F::kDuration, "-", "how long"},
    KeySpec{"wait.until_local", F::kClock, "-", "to the next such hour in the person's zone"},
    KeySpec{"wait.on", F::kWeekdays, "every day", "on these days", {}, Many::kOneOrList},
    KeySpec{"until", F::kExpression, "-", "ends the wait early"},
    KeySpec{"met", F::kChoice, "next", "when until came true", kNextOrStop},
    KeySpec{"unmet", F::kChoice, "next", "when the time ran out", kNextOrStop},
    KeySpec{"if", F::kExpression, "-", "asks"},
    KeySpec{"then", F::kSteps, kMaybe, "steps when it holds; required with if"},
    KeySpec{"else", F::kSteps, "none", "steps when it does not"},
    KeySpec{"stop", F::kText, "-", "ends the run with this reason"},
};

constexpr std::array kOffer = {
    KeySpec{"offer", F::kId, kMust, "exactly one of percent, amount, free, perk"},
    KeySpec{"title", F::kText, "-", "for people"},
    KeySpec{"tags", F::kWord, "-", "for people", {}, Many::kList},
    KeySpec{"percent", F::kNumber, "-", "off the price"},
    KeySpec{"amount", F::kMoney, "-", "off the price"},
    KeySpec{"free", F::kLongDuration, "-", "time without paying"},
    KeySpec{"perk", F::kText, "-", "something else"},
    KeySpec{"pool.file", F::kFile, "-", "one code a line; this or generate"},
    KeySpec{"pool.generate", F::kCodePattern, "-", "codes that cannot be guessed"},
    KeySpec{"pool.low_stock", F::kCount, "none", "alarms below this many codes"},
    KeySpec{"valid", F::kValid, kMust, "how long a code can be used"},
    KeySpec{"per_customer", F::kLimit, kMust, "how often one person gets it"},
    KeySpec{"budget.max", F::kBudget, kMust, "most that may be spent"},
    KeySpec{"budget.cost", F::kExpression, kMust, "money that one code may cost"},
    KeySpec{"redeemed", F::kName, "-", "an event with a code field", "event"},
};

constexpr std::array kPolicy = {
    KeySpec{"policy", F::kId, kMust, "its name"},
    KeySpec{"title", F::kText, "-", "for people"},
    KeySpec{"tags", F::kWord, "-", "for people", {}, Many::kList},
    KeySpec{"when", F::kExpression, kMust, "for whom it vetoes", {}, Many::kOneOrList},
    KeySpec{"deny", F::kChoice, kMust, "what it vetoes",
            "send marketing product success service offer task audience_add experiment",
            Many::kList},
    KeySpec{"except", F::kName, "none", "playbooks that it leaves alone", "playbook", Many::kList},
    KeySpec{"why", F::kText, kMust, "shown wherever it vetoed"},
};

}  // namespace

std::span<const KeySpec> ModelKeys() {
  return kModel;
}

std::span<const KeySpec> FunnelKeys() {
  return kFunnel;
}

std::span<const KeySpec> InsightKeys() {
  return kInsight;
}

std::span<const KeySpec> PlaybookKeys() {
  return kPlaybook;
}

std::span<const KeySpec> StepKeys() {
  return kStep;
}

std::span<const KeySpec> OfferKeys() {
  return kOffer;
}

std::span<const KeySpec> PolicyKeys() {
  return kPolicy;
}

}  // namespace segue
