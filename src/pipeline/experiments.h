// Experiments: what each playbook changed, from its runs and from what people did afterwards.
//
// The unit is a person: randomising is by customer, so each counts once per playbook, with the
// first run that entered (docs/meaning.md: passed the gates of a send or task, held out or not).
// Later runs are the work of the first, and are left out.  The outcome is whether the goal was
// reached after entering and within the goal's time, whatever became of the run meanwhile, and the
// money of the goal's events in that time; both only for people whose time is over.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "insights/uplift.h"
#include "pipeline/pipeline.h"

namespace segue {

// One arm, or one variant within the treated arm.
struct ArmFigures {
  std::string name;  // treated, held_out, or the variant.
  double share = 0;  // As the files draw it, of everybody.
  Arm goal;          // 0 or 1.  Covariate: log(1 + goal events in the year before the run).
  Arm money;         // Minor units; without a covariate.
};

// A variant against the first of the file.
struct VariantEffect {
  std::string name;
  std::optional<Effect> effect;
  Sequential any_time;
  double adjusted_p = 1;  // Of any_time, after Holm's correction for all variants but the first.
  double ratio_p = 1;     // Whether as many people as drawn are in both.
};

struct Experiment {
  int playbook = 0;
  std::int64_t entered = 0;     // People in an arm, before and after their time is over.
  std::int64_t early = 0;       // Of those: the goal's time is not over.
  std::int64_t unnumbered = 0;  // Who entered in neither arm: left out by a policy, or before there
                                // was an experiment.
  ArmFigures treated, held_out;
  std::vector<ArmFigures> variants;
  double planned = 0;     // People in both arms for which the interval at any time is tightest.
  bool compared = false;  // Somebody is held out; else the following says nothing.
  Answer answer;
  Sequential any_time;
  std::optional<Cuped> cuped;  // Only where there is behaviour to look at.
  std::optional<Money> money;  // For a thousand treated.
  std::vector<VariantEffect> effects;
  std::string sentence;  // The verdict for people.
  // The same by the segment of ExperimentOptions::by that people stood in when their run began, in
  // the model's order.  Each of them is judged for itself: see `adjusted_p`.
  std::string segment;
  double adjusted_p = 1;  // Of any_time, after Holm's correction for all segments.
  std::vector<Experiment> parts;
};

struct ExperimentOptions {
  std::string playbook = {};  // Empty: all that have a goal and somebody who entered.
  // People whose first run began in [from, to); absent: any.
  std::optional<TimePoint> from = std::nullopt, to = std::nullopt;
  // This moment was fixed before the start and nobody looked earlier: the plain interval decides.
  bool final_look = false;
  int by = -1;  // A model: figures for each of its segments too.
};

// In the order of the files.  Only facts up to `now` count.
std::vector<Experiment> Experiments(State& state, const ExperimentOptions& options, TimePoint now);

// cannot_tell, gain, inside, below, above, harm, broken_split.
std::string_view VerdictName(Verdict verdict);

}  // namespace segue
