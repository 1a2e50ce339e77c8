#include "pipeline/process_names.h"

#include <algorithm>

#include "expression/canonical.h"

namespace segue {
namespace {

using Visit = std::function<void(const Expr&)>;

void Add(const std::optional<Condition>& condition, const Visit& visit) {
  if (condition) {
    visit(condition->expr);
  }
}

void AddSteps(const std::vector<Step>& steps, const Visit& visit) {
  for (const Step& step : steps) {
    Add(step.until, visit);
    Add(step.condition, visit);
    AddSteps(step.then_steps, visit);
    AddSteps(step.else_steps, visit);
  }
}

// "order_placed where …"
std::string CanonicalOf(const Aggregate& aggregate, const Workspace& workspace) {
  Aggregate count;
  count.event = aggregate.event;
  count.where = aggregate.where;
  const std::string text = CanonicalAggregate(count, workspace.schema, *workspace.pool);
  const std::size_t begin = text.find('(') + 1;
  return text.substr(begin, text.size() - begin - 1);
}

template <typename T, typename Same>
int PlaceOf(const std::vector<T>& all, const Same& same) {
  return static_cast<int>(std::find_if(all.begin(), all.end(), same) - all.begin());
}

// The process that a leaf names; it and the call are added where they are new.
int AddCall(const Leaf& leaf, const Workspace& workspace, ProcessNames& names) {
  const Aggregate& aggregate = workspace.aggregates.all()[static_cast<std::size_t>(leaf.index)];
  const std::string canonical = CanonicalOf(aggregate, workspace);
  PurchaseCall call;
  call.process =
      PlaceOf(names.all, [&](const PurchaseProcess& one) { return one.canonical == canonical; });
  if (call.process == static_cast<int>(names.all.size())) {
    const Expr* where = aggregate.where.empty() ? nullptr : &aggregate.where.front();
    names.all.push_back({aggregate.event, where, canonical, {}});
  }
  if (aggregate.field >= 0) {
    std::vector<int>& fields = names.all[static_cast<std::size_t>(call.process)].fields;
    call.spending = PlaceOf(fields, [&](int field) { return field == aggregate.field; });
    if (call.spending == static_cast<int>(fields.size())) {
      fields.push_back(aggregate.field);
    }
  }
  call.days = std::chrono::duration<double>(aggregate.window) / kDay;
  names.calls[leaf.index] = call;
  return call.process;
}

}  // namespace

void ForEachExpression(const Playbook& playbook, const Visit& visit) {
  Add(playbook.on.where, visit);
  Add(playbook.on.while_holds, visit);
  for (const Condition& condition : playbook.when) {
    visit(condition.expr);
  }
  AddSteps(playbook.steps, visit);
  Add(playbook.exit, visit);
  if (playbook.goal) {
    Add(playbook.goal->where, visit);
    Add(playbook.goal->when, visit);
  }
}

ProcessNames NamedProcesses(const Workspace& workspace) {
  ProcessNames names;
  names.of_model.resize(workspace.models.size());
  const auto collect = [&](std::set<int>* of_model) {
    return [&workspace, &names, of_model](const Expr& expr) {
      ForEachLeaf(expr, [&](const Expr& leaf) {
        if (leaf.leaf.kind == Leaf::Kind::kPurchaseProcess) {
          const int process = AddCall(leaf.leaf, workspace, names);
          if (of_model != nullptr) {
            of_model->insert(process);
          }
        }
      });
    };
  };
  for (std::size_t model = 0; model < workspace.models.size(); ++model) {
    ForEachExpression(workspace.models[model], collect(&names.of_model[model]));
  }
  for (const Playbook& playbook : workspace.playbooks) {
    ForEachExpression(playbook, collect(nullptr));
  }
  for (const Playbook& playbook : workspace.earlier) {
    ForEachExpression(playbook, collect(nullptr));
  }
  for (const Policy& policy : workspace.policies) {
    std::for_each(policy.when.begin(), policy.when.end(),
                  [visit = collect(nullptr)](const Condition& one) { visit(one.expr); });
  }
  return names;
}

}  // namespace segue
