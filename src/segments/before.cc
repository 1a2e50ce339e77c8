#include "segments/before.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "config/model_reads.h"
#include "expression/execute.h"

namespace segue {
namespace {

constexpr std::string_view kBeforeTable = R"(
CREATE TABLE segment_before(
  model TEXT NOT NULL, at INTEGER NOT NULL, of INTEGER NOT NULL, item INTEGER NOT NULL,
  customer INTEGER NOT NULL, before REAL, after REAL
) STRICT;
CREATE INDEX segment_before_model ON segment_before(model);
)";

bool IsSameValue(double a, double b) {
  return a == b || (std::isnan(a) && std::isnan(b));
}

bool ReadsModel(const Expr& expr, int model) {
  bool found = false;
  ForEachLeaf(expr, [&](const Expr& leaf) {
    found = found || (leaf.leaf.kind != Leaf::Kind::kInsight && leaf.leaf.model == model);
  });
  return found;
}

void BindMaybe(Statement& statement, int index, double value) {
  if (std::isnan(value)) {
    statement.BindNull(index);
  } else {
    statement.Bind(index, value);
  }
}

}  // namespace

BeforeValues::BeforeValues(Database& db, const Model& model, bool load) : db_(db), model_(model) {
  db.Ensure("segment before", kBeforeTable);
  if (!load) {
    return;
  }
  Statement find = db.Prepare(
      "SELECT of, item, customer, before, after, at FROM segment_before WHERE model = ?");
  find.Bind(1, model.id);
  std::vector<Relearned> rows;
  while (find.Step()) {
    rows.push_back({.of = static_cast<Relearned::Of>(find.Int(0)),
                    .index = static_cast<int>(find.Int(1)),
                    .customer = static_cast<CustomerIndex>(find.Int(2)),
                    .before = find.IsNull(3) ? kMissing : find.Real(3),
                    .after = find.IsNull(4) ? kMissing : find.Real(4),
                    .at = find.Int(5)});
  }
  Put(rows);
}

void BeforeValues::Put(const std::vector<Relearned>& rows) {
  for (const Relearned& row : rows) {
    rows_[{row.of, row.index}].push_back(row);
  }
  for (auto& [item, all] : rows_) {
    std::sort(all.begin(), all.end(), [](const Relearned& a, const Relearned& b) {
      return std::tie(a.customer, b.at) < std::tie(b.customer, a.at);
    });
  }
}

void BeforeValues::Add(const std::vector<Relearned>& rows, bool keep) {
  Statement add = db_.Prepare(
      "INSERT INTO segment_before(model, at, of, item, customer, before, after) VALUES (?, ?, ?, "
      "?, ?, ?, ?)");
  for (const Relearned& row : rows) {
    if (keep) {
      add.Bind(1, model_.id).Bind(2, row.at).Bind(3, static_cast<std::int64_t>(row.of));
      add.Bind(4, std::int64_t{row.index}).Bind(5, std::int64_t{row.customer});
      BindMaybe(add, 6, row.before);
      BindMaybe(add, 7, row.after);
      add.Run();
    }
  }
  Put(rows);
}

void BeforeValues::Trim(TimePoint until) {
  bool any = false;
  for (auto& [item, all] : rows_) {
    any |= std::erase_if(all, [&](const Relearned& row) { return row.at <= ToMicros(until); }) > 0;
  }
  if (any) {
    db_.Prepare("DELETE FROM segment_before WHERE model = ? AND at <= ?")
        .Bind(1, model_.id)
        .Bind(2, ToMicros(until))
        .Run();
  }
}

void BeforeValues::Clear() {
  rows_.clear();
  db_.Prepare("DELETE FROM segment_before WHERE model = ?").Bind(1, model_.id).Run();
}

void BeforeValues::Forget(CustomerIndex customer) {
  bool any = false;
  for (auto& [item, all] : rows_) {
    any |= std::erase_if(all, [&](const Relearned& row) { return row.customer == customer; }) > 0;
  }
  if (any) {
    db_.Prepare("DELETE FROM segment_before WHERE model = ? AND customer = ?")
        .Bind(1, model_.id)
        .Bind(2, std::int64_t{customer})
        .Run();
  }
}

bool BeforeValues::AnySince(TimePoint after) const {
  return std::any_of(rows_.begin(), rows_.end(), [&](const auto& item) {
    return std::any_of(item.second.begin(), item.second.end(),
                       [&](const Relearned& row) { return row.at > ToMicros(after); });
  });
}

double BeforeValues::Before(Relearned::Of of, int index, CustomerIndex customer, double value,
                            TimePoint after) const {
  const auto found = rows_.find({of, index});
  if (found == rows_.end()) {
    return value;
  }
  auto row =
      std::lower_bound(found->second.begin(), found->second.end(), customer,
                       [](const Relearned& one, CustomerIndex c) { return one.customer < c; });
  // Whoever changed by themselves since is not what was learned any more.
  for (; row != found->second.end() && row->customer == customer && row->at > ToMicros(after) &&
         IsSameValue(row->after, value);
       ++row) {
    value = row->before;
  }
  return value;
}

bool IsReadByOthers(const Workspace& workspace, int model, bool by_models) {
  bool found = false;
  for (std::size_t other = 0; other < workspace.models.size(); ++other) {
    if (static_cast<int>(other) != model) {
      ForEachExpression(workspace.models[other],
                        [&](const Expr& expr) { found = found || ReadsModel(expr, model); });
    }
  }
  for (const Playbook& playbook : workspace.playbooks) {
    const Trigger& on = playbook.on;
    found = found || (!by_models && ((on.kind == Trigger::Kind::kFlag && on.model == model) ||
                                     (on.while_holds && ReadsModel(on.while_holds->expr, model))));
  }
  return found;
}

}  // namespace segue
