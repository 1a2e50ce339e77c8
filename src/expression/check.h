// Syntax tree to typed tree: every name is resolved, every type is checked, every aggregate is
// given its column.

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/schema.h"
#include "domain/text_pool.h"
#include "expression/expr.h"
#include "expression/parse.h"

namespace segue {

struct NamedType {
  std::string name;
  ExprType type;
};

// What other files may read of a model.
struct ModelNames {
  std::string id;
  bool of_account = false;
  std::vector<std::string> segments;
  std::vector<NamedType> scores;
  std::vector<NamedType> flags;
  std::vector<NamedType> features;
};

// What can be named where the expression stands.
struct Scope {
  const Schema* schema = nullptr;
  AggregateCatalog* aggregates = nullptr;
  TextPool* pool = nullptr;
  const std::vector<ModelNames>* models = nullptr;
  const std::vector<std::string>* insights = nullptr;  // Names that insights publish: `aha`.
  const ModelNames* own = nullptr;  // Inside a model: bare features and scores declared so far.
  std::optional<int> event;         // Inside `where`: bare names are this event's fields.
  // Beside `event`: whether customer.TRAIT and account.TRAIT may stand in `where` (goal.where,
  // on.where); inside a call they may not, because a column must depend on the events alone.
  bool where_traits = false;
  bool in_run =
      false;  // did, count, sum, avg, distinct without a window mean: since this run began.
};

// The typed tree, or nothing with at least one error added.
std::optional<Expr> CheckExpression(const Syntax& syntax, const Scope& scope,
                                    std::vector<ExpressionError>& errors);

// ParseExpression and CheckExpression in one; `want` (optional) is the type that the place asks
// for.
std::optional<Expr> CompileExpression(std::string_view text, const Scope& scope,
                                      std::optional<Type> want,
                                      std::vector<ExpressionError>& errors);

// "a number", "a duration", "one of free, team": for messages.
std::string DescribeType(const ExprType& type);

}  // namespace segue
