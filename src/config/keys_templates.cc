// Keys of templates, layouts and tests.

#include <array>

#include "config/keys.h"

namespace segue {
namespace {

using F = Form;

constexpr std::array kTemplate = {
    KeySpec{"template", F::kId, kMust, "its name"},
    KeySpec{"tags", F::kWord, "-", "for people", {}, Many::kList},
    KeySpec{"channel", F::kName, kMust, "which channel carries it", "channel"},
    KeySpec{"via", F::kName, "the channel's", "which connector carries it", "connector"},
    KeySpec{"use.*", F::kVendorThing, "-", "the vendor's own message instead of a body"},
    KeySpec{"values.*", F::kTextWithValues, "-", "passed along with use"},
    KeySpec{"layout", F::kName, "default", "email: what stands around the body", "layout"},
    KeySpec{"subject", F::kTextWithValues, kMaybe, "required for email with a body"},
    KeySpec{"preheader", F::kTextWithValues, "-", "email: the line that inboxes show"},
    KeySpec{"reply_to", F::kTextWithValues, "the sender's", "Reply-To"},
    KeySpec{"title", F::kTextWithValues, "-", "in_app"},
    KeySpec{"body", F::kTextWithValues, kMaybe, "Markdown; required without use"},
    KeySpec{"button", F::kTextWithValues, "-", "in_app"},
    KeySpec{"link", F::kName, "-", "where the button goes", "link"},
    KeySpec{"variants.*.subject", F::kTextWithValues, "-", "in place of the one above"},
    KeySpec{"variants.*.preheader", F::kTextWithValues, "-", "in place of the one above"},
    KeySpec{"variants.*.title", F::kTextWithValues, "-", "in place of the one above"},
    KeySpec{"variants.*.body", F::kTextWithValues, "-", "in place of the one above"},
    KeySpec{"variants.*.button", F::kTextWithValues, "-", "in place of the one above"},
    KeySpec{"variants.*.link", F::kName, "-", "in place of the one above", "link"},
    KeySpec{"variants.*.use.*", F::kVendorThing, "-", "in place of the one above"},
};

constexpr std::array kLayout = {
    KeySpec{"layout", F::kId, kMust, "its name"},
    KeySpec{"title", F::kText, "-", "for people"},
    KeySpec{"tags", F::kWord, "-", "for people", {}, Many::kList},
    KeySpec{"html", F::kTextWithValues, kMust, "contains {{ body }}"},
    KeySpec{"text", F::kTextWithValues, kMust, "contains {{ body }}"},
};

constexpr std::array kTest = {
    KeySpec{"test", F::kId, kMust, "its name"},
    KeySpec{"title", F::kText, "-", "for people"},
    KeySpec{"tags", F::kWord, "-", "for people", {}, Many::kList},
    KeySpec{"only", F::kName, "all", "the playbooks that take part", "playbook", Many::kList},
    KeySpec{"start", F::kMoment, kMust, "when it begins"},
    KeySpec{
        "cuts.*", F::kExpression, "-", "MODEL.SCORE: lines that would be learned", {}, Many::kList},
    KeySpec{"learned.*",
            F::kNumber,
            "-",
            "EVENT: r, alpha, a, b of its purchases; EVENT.FIELD: p, q, v of its money",
            {},
            Many::kList},
    KeySpec{"in_force.*", F::kText, "-", "insight: a rule as if it had been found and approved"},
    KeySpec{"accounts.*.*", F::kFree, "-", "value of trait"},
    KeySpec{"people.*.*", F::kFree, "-", "value of trait"},
    KeySpec{"history[].who", F::kName, kMust, "whose", "person", Many::kOneOrList},
    KeySpec{"history[].event", F::kName, kMust, "its fields stand beside it", "event"},
    KeySpec{"history[].at", F::kClock, "\"12:00\"", "in the person's zone"},
    KeySpec{"history[].every", F::kDuration, "once", "again this often"},
    KeySpec{"history[].from", F::kMoment, "start", "from here"},
    KeySpec{"history[].to", F::kMoment, "start", "to here"},
    KeySpec{"history[].*", F::kFree, "-", "a field of that event"},
    KeySpec{"load[].source", F::kName, kMust, "as whose rows they are read", "source"},
    KeySpec{"load[].path", F::kFile, kMust, "rows in a file beside the test; * allowed"},
    KeySpec{"steps[].day", F::kCount, "-", "at the end of that day after start"},
    KeySpec{"steps[].at", F::kClock, "\"12:00\"", "when its event happens"},
    KeySpec{"steps[].run", F::kDuration, "-", "let time pass"},
    KeySpec{"steps[].restart", F::kChoice, "-", "killed and started again", "once twice"},
    KeySpec{"steps[].event.who", F::kName, kMust, "whose", "person", Many::kOneOrList},
    KeySpec{"steps[].event.event", F::kName, kMust, "its fields stand beside it", "event"},
    KeySpec{"steps[].event.*", F::kFree, "-", "a field of that event"},
    KeySpec{"steps[].set.who", F::kName, kMust, "whose", "person", Many::kOneOrList},
    KeySpec{"steps[].set.*", F::kFree, "-", "value of trait"},
    KeySpec{"steps[].answer.*", F::kChoice, "accepted", "what that connector answers from here on",
            "accepted refused retry unknown"},
    KeySpec{"steps[].expect.who", F::kName, "all", "whom it is about", "person", Many::kList},
    KeySpec{"steps[].expect.segment.*", F::kWord, "-", "model: segment"},
    KeySpec{"steps[].expect.count.*.*", F::kCount, "-", "model: {segment: people}"},
    KeySpec{"steps[].expect.sent", F::kFacts, "-", "complete: anything more fails"},
    KeySpec{"steps[].expect.tasks", F::kFacts, "-", "complete: anything more fails"},
    KeySpec{"steps[].expect.audience", F::kFacts, "-", "complete: anything more fails"},
    KeySpec{"steps[].expect.changed", F::kFacts, "-", "these and maybe more"},
    KeySpec{"steps[].expect.moved", F::kFacts, "-", "these and maybe more"},
    KeySpec{"steps[].expect.started", F::kFacts, "-", "these and maybe more"},
    KeySpec{"steps[].expect.skipped", F::kFacts, "-", "these and maybe more"},
    KeySpec{"steps[].expect.finished", F::kFacts, "-", "these and maybe more"},
    KeySpec{"never", F::kFacts, "-", "must not be found anywhere in the test"},
};

// Reasons, causes and ends that a fact may name.
constexpr std::string_view kReasons =
    "shadow data_stale when_false reenter lane_busy per_day policy held_out no_consent "
    "no_topic_consent "
    "suppressed not_allowed no_address same_address cap no_code over_budget render_error stale "
    "dry_run "
    "refused unknown draft paused done goal exit stopped taken_over merged";

constexpr std::array kFact = {
    KeySpec{"sent", F::kName, "-", "never: a template", "template|any"},
    KeySpec{"started", F::kName, "-", "never: a playbook", "playbook|any"},
    KeySpec{"who", F::kName, "-", "a person of the test", "person", Many::kOneOrList},
    KeySpec{"model", F::kName, "-", "which model", "model"},
    KeySpec{"from", F::kWord, "-", "segment before"},
    KeySpec{"to", F::kName, "-", "a person, or the segment of a move", "person or segment"},
    KeySpec{"template", F::kName, "-", "which template", "template|any"},
    KeySpec{"playbook", F::kName, "-", "which playbook", "playbook|any"},
    KeySpec{"name", F::kText, "-", "the field that was set, what was tracked, a task's title"},
    KeySpec{"because", F::kChoice, "-", "reason or end", kReasons},
    KeySpec{"cause", F::kChoice, "-", "of a move", "edit refit merge import behaviour time"},
    KeySpec{"purpose", F::kChoice, "-", "of the playbook", "marketing product success service"},
    KeySpec{"channel", F::kName, "-", "of the message", "channel"},
    KeySpec{"local_time", F::kText, "-", "\"08:00..21:00\" on the person's wall"},
    KeySpec{"more_than", F::kCount, "0", "how often is too often"},
};

}  // namespace

std::span<const KeySpec> TemplateKeys() {
  return kTemplate;
}

std::span<const KeySpec> LayoutKeys() {
  return kLayout;
}

std::span<const KeySpec> TestKeys() {
  return kTest;
}

std::span<const KeySpec> FactKeys() {
  return kFact;
}

}  // namespace segue
