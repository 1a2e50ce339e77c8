// The catalog of aggregates, and walking a tree.

#include "expression/expr.h"

#include <utility>

namespace segue {

int AggregateCatalog::Intern(Aggregate aggregate) {
  for (std::size_t i = 0; i < all_.size(); ++i) {
    if (all_[i].canonical == aggregate.canonical) {
      return static_cast<int>(i);
    }
  }
  all_.push_back(std::move(aggregate));
  return static_cast<int>(all_.size()) - 1;
}

void ForEachLeaf(const Expr& expr, const std::function<void(const Expr&)>& visit) {
  if (expr.op == Op::kLeaf) {
    visit(expr);
  }
  for (const Expr& arg : expr.args) {
    ForEachLeaf(arg, visit);
  }
}

}  // namespace segue
