#include "pipeline/population.h"

#include <algorithm>
#include <utility>

#include "config/model_reads.h"

namespace segue {

std::optional<ModelPosition> PositionOf(Database& db, std::string_view model) {
  Statement find = db.Prepare("SELECT sequence, now FROM model_position WHERE model = ?");
  find.Bind(1, model);
  if (!find.Step()) {
    return std::nullopt;
  }
  return ModelPosition{static_cast<Sequence>(find.Int(0)), FromMicros(find.Int(1))};
}

void AddReads(const Expr& expr, const Workspace& workspace, FactsRead& reads,
              std::set<int>& models) {
  ForEachFactRead(expr, workspace.aggregates, [&](bool is_event, int index) {
    (is_event ? reads.kinds : reads.traits).insert(index);
  });
  if (expr.op == Op::kLeaf && expr.leaf.kind == Leaf::Kind::kInsight) {
    for (const Insight::Action& action : workspace.Published(expr.leaf.model)->actions) {
      reads.kinds.insert(action.event);
    }
  } else if (expr.op == Op::kLeaf && expr.leaf.model >= 0) {
    models.insert(expr.leaf.model);
  }
  if (expr.op == Op::kLeaf && workspace.IsOfAccount(expr.leaf) && workspace.account_trait) {
    reads.traits.insert(*workspace.account_trait);
  }
  if (expr.op == Op::kLeaf && expr.leaf.kind == Leaf::Kind::kAccountTrait) {
    reads.traits.insert(workspace.schema.AccountTrait(expr.leaf.index));
  }
  for (const Expr& arg : expr.args) {
    AddReads(arg, workspace, reads, models);
  }
}

FactsRead WithRefunds(FactsRead reads, const Schema& schema) {
  for (std::size_t kind = 0; kind < schema.events.size(); ++kind) {
    const std::optional<int> reverses = schema.events[kind].reverses;
    if (reverses && reads.kinds.contains(*reverses)) {
      reads.kinds.insert(static_cast<int>(kind));
    }
  }
  return reads;
}

std::set<int> ModelsRead(const Model& model) {
  std::set<int> models;
  ForEachExpression(model, [&](const Expr& expr) {
    ForEachLeaf(expr, [&](const Expr& leaf) {
      if (leaf.leaf.kind != Leaf::Kind::kInsight && leaf.leaf.model >= 0) {
        models.insert(leaf.leaf.model);
      }
    });
  });
  return models;
}

FactsRead ReadsOf(int model, const Workspace& workspace) {
  FactsRead reads;
  std::set<int> wanted{model};
  std::set<int> done;
  while (done.size() < wanted.size()) {
    const auto next =
        std::find_if(wanted.begin(), wanted.end(), [&](int m) { return !done.contains(m); });
    done.insert(*next);
    std::set<int> more;
    ForEachExpression(workspace.models[static_cast<std::size_t>(*next)],
                      [&](const Expr& expr) { AddReads(expr, workspace, reads, more); });
    wanted.insert(more.begin(), more.end());
  }
  if (workspace.models[static_cast<std::size_t>(model)].of == Subject::kAccount &&
      workspace.account_trait) {
    reads.traits.insert(*workspace.account_trait);  // Whoever joins brings their events along.
  }
  return WithRefunds(std::move(reads), workspace.schema);
}

void LedgerPopulation::Ask() const {
  const std::vector<int> kinds(reads_.kinds.begin(), reads_.kinds.end());
  const std::vector<int> traits(reads_.traits.begin(), reads_.traits.end());
  touched_ = ledger_.Touched(since_.sequence, since_.time, now_, kinds, traits);
  std::vector<Touch> more;
  for (const Touch& touch : *touched_) {
    if (IsAccount(base_) && !IsAccount(touch.customer)) {
      // What a customer does, their account does; that two of them were one is no news to it.
      if (const auto account = ledger_.AccountOf(touch.customer)) {
        more.push_back({.customer = *account, .late = touch.late});
      }
    } else if (!IsAccount(base_) && IsAccount(touch.customer)) {
      for (const CustomerIndex member : ledger_.MembersOf(touch.customer)) {
        more.push_back({.customer = member, .late = touch.late});
      }
    }
  }
  if (more.empty()) {
    return;
  }
  touched_->insert(touched_->end(), more.begin(), more.end());
  std::stable_sort(touched_->begin(), touched_->end(),
                   [](const Touch& a, const Touch& b) { return a.customer < b.customer; });
  std::vector<Touch> once;
  for (const Touch& touch : *touched_) {
    if (once.empty() || once.back().customer != touch.customer) {
      once.push_back(touch);
    } else {
      once.back().late = once.back().late || touch.late;
      once.back().merged = once.back().merged || touch.merged;
    }
  }
  touched_ = std::move(once);
}

}  // namespace segue
