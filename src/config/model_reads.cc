#include "config/model_reads.h"

#include <algorithm>
#include <set>
#include <vector>

#include <fmt/format.h>

#include "expression/canonical.h"

namespace segue {
namespace {

// The event that an aggregate is over, and the fields that are looked at.
std::string EventRead(const Aggregate& aggregate, const Schema& schema) {
  std::set<int> fields;
  if (aggregate.field >= 0) {
    fields.insert(aggregate.field);
  }
  for (const Expr& where : aggregate.where) {
    ForEachLeaf(where, [&](const Expr& leaf) {
      if (leaf.leaf.kind == Leaf::Kind::kEventField) {
        fields.insert(leaf.leaf.index);
      }
    });
  }
  // In the order of their names: that of the file means nothing.
  std::vector<int> by_name(fields.begin(), fields.end());
  const EventSpec& event = schema.events[static_cast<std::size_t>(aggregate.event)];
  std::sort(by_name.begin(), by_name.end(), [&](int a, int b) {
    return event.fields[static_cast<std::size_t>(a)].name <
           event.fields[static_cast<std::size_t>(b)].name;
  });
  return event.name + "(" + EventBasis(schema, aggregate.event, by_name) + ")";
}

std::string TraitRead(const FieldSpec& trait) {
  return fmt::format("{}:{}", trait.name, static_cast<int>(trait.type));
}

}  // namespace

void ForEachExpression(const Model& model, const std::function<void(const Expr&)>& visit) {
  const auto add = [&](const std::optional<Condition>& condition) {
    if (condition) {
      visit(condition->expr);
    }
  };
  add(model.who);
  for (const Feature& feature : model.features) {
    visit(feature.value.expr);
  }
  for (const Score& score : model.scores) {
    add(score.from);
    for (const Points& points : score.points) {
      visit(points.when.expr);
    }
  }
  for (const Segment& segment : model.segments) {
    add(segment.when);
  }
  for (const Flag& flag : model.flags) {
    visit(flag.on.expr);
    add(flag.off);
  }
}

std::string PlanRead(const Workspace& workspace, const Model& model) {
  const Schema& schema = workspace.schema;
  std::set<std::string> read = {"zone " + model.timezone.name()};
  bool accounts = model.of == Subject::kAccount;
  ForEachExpression(model, [&](const Expr& expr) {
    ForEachLeaf(expr, [&](const Expr& node) {
      const Leaf& leaf = node.leaf;
      accounts = accounts || workspace.IsOfAccount(leaf);
      const auto at = static_cast<std::size_t>(leaf.index);
      if (leaf.kind == Leaf::Kind::kTrait) {
        read.insert("customer " + TraitRead(schema.customer_traits[at]));
      } else if (leaf.kind == Leaf::Kind::kAccountTrait) {
        read.insert("account " + TraitRead(schema.account_traits[at]));
      } else if (leaf.kind == Leaf::Kind::kAggregate) {
        read.insert(EventRead(workspace.aggregates.all()[at], schema));
      } else if (leaf.kind == Leaf::Kind::kPurchaseProcess) {
        read.insert(EventRead(workspace.aggregates.all()[at], schema));
        read.insert("days of " + schema.timezone.name());
      }
    });
  });
  if (accounts) {
    read.insert("belongs " + workspace.account_key);
    if (workspace.account_contact_trait) {
      const auto at = static_cast<std::size_t>(*workspace.account_contact_trait);
      read.insert("contact " + schema.account_traits[at].name);
    }
  }
  return fmt::format("{}", fmt::join(read, "\n"));
}

bool SameModel(std::string_view stored, std::string_view now) {
  return stored == now || (now.starts_with(stored) && now[stored.size()] == '.');
}

}  // namespace segue
