#include "segments/watched.h"

#include <algorithm>
#include <string>

namespace segue {
namespace {

class Search {
 public:
  Search(const Workspace& workspace, int model)
      : model_(model), name_(workspace.models[static_cast<std::size_t>(model)].id + ".") {}

  void In(const std::optional<Condition>& condition) {
    if (condition) {
      In(condition->expr);
    }
  }

  void In(const Expr& expr) {
    ForEachLeaf(expr, [this](const Expr& leaf) {
      found_ = found_ || (leaf.leaf.kind == Leaf::Kind::kFeature && leaf.leaf.model == model_);
    });
  }

  // Texts are compiled elsewhere: the name of the model in them is enough.
  void In(const TextWithValues& text) {
    found_ = found_ || text.text.find(name_) != std::string::npos;
  }

  void In(const Model& model) {
    In(model.who);
    for (const Feature& feature : model.features) {
      In(feature.value.expr);
    }
    for (const Score& score : model.scores) {
      In(score.from);
      for (const Points& points : score.points) {
        In(points.when.expr);
      }
    }
    for (const Segment& segment : model.segments) {
      In(segment.when);
    }
    for (const Flag& flag : model.flags) {
      In(flag.on.expr);
      In(flag.off);
    }
  }

  void In(const std::vector<Step>& steps) {
    for (const Step& step : steps) {
      In(step.title);
      In(step.note);
      for (const auto& [field, text] : step.set) {
        In(text);
      }
      In(step.until);
      In(step.condition);
      In(step.then_steps);
      In(step.else_steps);
    }
  }

  void In(const Playbook& playbook) {
    for (const Condition& when : playbook.when) {
      In(when.expr);
    }
    In(playbook.on.where);
    In(playbook.on.while_holds);
    In(playbook.exit);
    if (playbook.goal) {
      In(playbook.goal->where);
      In(playbook.goal->when);
    }
    In(playbook.steps);
  }

  void In(const TemplateBody& body) {
    for (const TextWithValues* text :
         {&body.subject, &body.preheader, &body.title, &body.body, &body.button}) {
      In(*text);
    }
    found_ = found_ || body.link.find(name_) != std::string::npos;
  }

  void In(const Template& one) {
    for (const auto& [name, text] : one.values) {
      In(text);
    }
    In(one.reply_to);
    In(one.body);
    for (const auto& [name, body] : one.variants) {
      In(body);
    }
  }

  bool found() const { return found_; }

 private:
  int model_;
  std::string name_;
  bool found_ = false;
};

}  // namespace

bool FeaturesAreRead(const Workspace& workspace, int model) {
  Search search(workspace, model);
  for (const Model& other : workspace.models) {
    search.In(other);
  }
  for (const Playbook& playbook : workspace.playbooks) {
    search.In(playbook);
  }
  for (const Playbook& playbook : workspace.earlier) {
    search.In(playbook);
  }
  for (const Template& one : workspace.templates) {
    search.In(one);
  }
  for (const Layout& layout : workspace.layouts) {
    search.In(layout.html);
    search.In(layout.text);
  }
  return search.found();
}

}  // namespace segue
