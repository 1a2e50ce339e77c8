#include "pipeline/trial_stage.h"

#include <algorithm>
#include <functional>
#include <set>
#include <string_view>

#include "pipeline/process_names.h"
#include "playbooks/offers.h"

namespace segue {
namespace {

// Collects the models that somebody asks.
class ModelsAsked {
 public:
  explicit ModelsAsked(const Workspace& workspace)
      : workspace_(workspace), asked_(workspace.models.size(), false) {}

  void All() { asked_.assign(asked_.size(), true); }

  void In(const Expr& expr) {
    ForEachLeaf(expr, [this](const Expr& leaf) {
      if (leaf.leaf.kind != Leaf::Kind::kInsight) {
        Add(leaf.leaf.model);
      }
    });
  }

  // Texts are compiled elsewhere: the name of the model in them is enough.
  void In(const TextWithValues& text) {
    for (std::size_t model = 0; model < asked_.size(); ++model) {
      asked_[model] =
          asked_[model] || text.text.find(workspace_.models[model].id) != std::string::npos;
    }
  }

  void In(const TemplateBody& body) {
    for (const TextWithValues* text :
         {&body.subject, &body.preheader, &body.title, &body.body, &body.button}) {
      In(*text);
    }
  }

  void In(const std::vector<Step>& steps) {
    for (const Step& step : steps) {
      In(step.title);
      In(step.note);
      for (const auto& [field, text] : step.set) {
        In(text);
      }
      if (const Template* message = workspace_.FindTemplate(step.send)) {
        In(message->reply_to);
        In(message->body);
        for (const auto& [name, text] : message->values) {
          In(text);
        }
        for (const auto& [name, body] : message->variants) {
          In(body);
        }
      }
      In(step.then_steps);
      In(step.else_steps);
    }
  }

  void In(const Playbook& playbook) {
    Add(playbook.on.model);
    ForEachExpression(playbook, [this](const Expr& expr) { In(expr); });
    In(playbook.steps);
    const Offer* offer = workspace_.FindOffer(playbook.offer);
    if (offer != nullptr && offer->cost) {
      In(offer->cost->expr);
    }
  }

  void In(const Trial& trial) {
    const auto named = [this](const std::string& model) {
      model.empty() ? All() : Add(workspace_.FindModel(model).value_or(-1));
    };
    for (const TrialStep& step : trial.steps) {
      if (!step.expect) {
        continue;
      }
      for (const TrialSegment& segment : step.expect->segments) {
        named(segment.model);
      }
      const auto& facts = step.expect->facts;
      if (const auto moved = facts.find("moved"); moved != facts.end()) {
        for (const TrialFact& fact : moved->second) {
          named(fact.model);
        }
        moved->second.empty() ? All() : void();
      }
      if (const auto changed = facts.find("changed"); changed != facts.end()) {
        Mirrored(changed->second);
      }
    }
    for (const TrialFact& fact : trial.never) {
      fact.model.empty() ? void() : named(fact.model);
    }
  }

  // … and those that they ask themselves.
  std::vector<bool> Take() {
    for (std::size_t before = 0, count = 1; before < count;) {
      before = Count();
      for (std::size_t model = 0; model < asked_.size(); ++model) {
        if (asked_[model]) {
          ForEachExpression(workspace_.models[model], [this](const Expr& expr) { In(expr); });
        }
      }
      count = Count();
    }
    return std::move(asked_);
  }

 private:
  void Add(int model) {
    if (model >= 0) {
      asked_[static_cast<std::size_t>(model)] = true;
    }
  }

  std::size_t Count() const {
    return static_cast<std::size_t>(std::count(asked_.begin(), asked_.end(), true));
  }

  // A move is written to the profile tool as a change of a field.
  void Mirrored(const std::vector<TrialFact>& changed) {
    for (const Mirror& mirror : workspace_.mirror) {
      const bool any = std::any_of(changed.begin(), changed.end(), [&](const TrialFact& fact) {
        return fact.name == mirror.field || (fact.name.empty() && fact.playbook.empty());
      });
      if (any || changed.empty()) {
        Add(workspace_.FindModel(mirror.model).value_or(-1));
      }
    }
  }

  const Workspace& workspace_;
  std::vector<bool> asked_;
};

void AddActs(const std::vector<Step>& steps, const Playbook& playbook,
             std::set<std::string_view>& acts) {
  for (const Step& step : steps) {
    if (step.kind == Step::Kind::kSend) {
      acts.insert("send");
      acts.insert(PurposeName(playbook.purpose));
    } else if (step.kind == Step::Kind::kTask) {
      acts.insert("task");
    } else if (step.kind == Step::Kind::kAudience && !step.audience_add.empty()) {
      acts.insert("audience_add");
    }
    AddActs(step.then_steps, playbook, acts);
    AddActs(step.else_steps, playbook, acts);
  }
}

// Whether the policy can veto anything that the playbook does.
bool IsAbout(const Policy& policy, const Playbook& playbook) {
  if (std::find(policy.except.begin(), policy.except.end(), playbook.id) != policy.except.end()) {
    return false;
  }
  std::set<std::string_view> acts;
  AddActs(playbook.steps, playbook, acts);
  if (!playbook.offer.empty()) {
    acts.insert("offer");
  }
  if (playbook.holdout_percent > 0 || !playbook.variants.empty()) {
    acts.insert("experiment");
  }
  return std::any_of(acts.begin(), acts.end(),
                     [&](std::string_view act) { return policy.Denies(act); });
}

std::vector<bool> AskedIn(const Workspace& staged, const Trial& trial) {
  ModelsAsked asked(staged);
  for (const Playbook& playbook : staged.playbooks) {
    asked.In(playbook);
    for (const Policy& policy : staged.policies) {
      if (IsAbout(policy, playbook)) {
        std::for_each(policy.when.begin(), policy.when.end(),
                      [&](const Condition& one) { asked.In(one.expr); });
      }
    }
  }
  asked.In(trial);
  return asked.Take();
}

// Whether the test expects somebody in a segment of this model.
bool Expects(const Trial& trial, const std::string& model) {
  return std::any_of(trial.steps.begin(), trial.steps.end(), [&](const TrialStep& step) {
    return step.expect && std::any_of(step.expect->segments.begin(), step.expect->segments.end(),
                                      [&](const TrialSegment& one) { return one.model == model; });
  });
}

}  // namespace

Workspace Staged(const Workspace& workspace, const Trial& trial) {
  Workspace staged = workspace;
  std::erase_if(staged.playbooks, [&](Playbook& playbook) {
    if (trial.only.empty()) {
      return playbook.status == Status::kDraft;
    }
    // A draft that is named is tried as if it were live.
    playbook.status = playbook.status == Status::kDraft ? Status::kLive : playbook.status;
    return std::find(trial.only.begin(), trial.only.end(), playbook.id) == trial.only.end();
  });
  std::vector<bool> asked = AskedIn(staged, trial);
  if (std::find(asked.begin(), asked.end(), true) == asked.end() && !asked.empty()) {
    asked.front() = true;  // The tables of moves are made by models.
  }
  for (std::size_t model = 0; model < asked.size(); ++model) {
    Model& one = staged.models[model];
    one.draft = !asked[model] || (one.draft && !Expects(trial, one.id));
  }
  staged.sources.clear();
  UseSampleCodes(staged);
  // A handful of people is no business of the brakes.
  staged.max_sends_per_run.reset();
  staged.max_moved_percent.reset();
  for (ConnectorSettings& connector : staged.connectors) {
    connector.type = "webhook";
  }
  return staged;
}

}  // namespace segue
