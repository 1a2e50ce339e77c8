// Which purchase processes the files name, and where; and walking what a document says.

#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "config/definitions.h"
#include "config/model_reads.h"

namespace segue {

// Calls `visit` for every expression of a playbook.
void ForEachExpression(const Playbook& playbook, const std::function<void(const Expr&)>& visit);

// The days on which customers did `event`, as far as `where` holds; learned once for all who name
// it.
struct PurchaseProcess {
  int event = 0;
  const Expr* where = nullptr;
  std::string canonical;    // "order_placed where …"; its identity.
  std::vector<int> fields;  // Money fields whose spending is learned too, as they are first named.
};

// What the aggregate that a leaf of kind kPurchaseProcess carries stands for.
struct PurchaseCall {
  int process = 0;
  int spending = -1;  // Place in the process's fields, for money.
  double days = 0;    // Into the future.
};

struct ProcessNames {
  std::vector<PurchaseProcess> all;
  std::map<int, PurchaseCall> calls;    // By aggregate.
  std::vector<std::set<int>> of_model;  // Processes that each model names.
};

// Requires: the workspace outlives the result.
ProcessNames NamedProcesses(const Workspace& workspace);

}  // namespace segue
