#include "pipeline/inputs.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "base/check.h"
#include "base/money.h"

namespace segue {
namespace {

// 128 bits as in the columns, so that a run's sum and a column's agree.
__extension__ using Sum = __int128;

double SumToDouble(Sum sum, Type type) {
  const auto value = static_cast<double>(sum);
  return type == Type::kNumber ? value / static_cast<double>(kNumberScale) : value;
}

}  // namespace

std::optional<CustomerIndex> ContactOf(const Workspace& workspace, const Ledger& ledger,
                                       CustomerIndex account) {
  if (!workspace.account_contact_trait) {
    return std::nullopt;
  }
  const std::span<const double> column =
      ledger.TraitColumn(workspace.schema.AccountTrait(*workspace.account_contact_trait));
  const std::size_t at = account - kFirstAccount;
  if (at >= column.size() || std::isnan(column[at])) {
    return std::nullopt;
  }
  const auto contact =
      ledger.FindCustomer(workspace.pool->Text(static_cast<std::uint32_t>(column[at])));
  return contact && ledger.IsAlive(*contact) ? contact : std::nullopt;
}

void StateInputs::Read(const Leaf& leaf, CustomerIndex first, std::span<double> out) const {
  if (IsAccount(first)) {
    ReadOfAccounts(leaf, first, out);
    return;
  }
  if (workspace_.IsOfAccount(leaf)) {
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] = kMissing;
      if (const auto account = ledger_.AccountOf(first + static_cast<CustomerIndex>(i))) {
        ReadOfAccounts(leaf, *account, out.subspan(i, 1));
      }
    }
    return;
  }
  switch (leaf.kind) {
    case Leaf::Kind::kAggregate:
      columns_.Read(leaf.index, first, out);
      return;
    case Leaf::Kind::kTrait: {
      if (out.size() == 1 && !ledger_.HasTraitColumn(leaf.index)) {
        // A name in a mail does not bring everybody's name into memory.
        const TraitState* one = ledger_.Trait(first, leaf.index);
        out[0] = one == nullptr || IsMissing(one->value)
                     ? kMissing
                     : ValueToDouble(workspace_.schema.TraitAt(leaf.index).type, one->value,
                                     *workspace_.pool);
        return;
      }
      const std::span<const double> column = ledger_.TraitColumn(leaf.index);
      for (std::size_t i = 0; i < out.size(); ++i) {
        out[i] = first + i < column.size() ? column[first + i] : kMissing;
      }
      return;
    }
    case Leaf::Kind::kSegment:
    case Leaf::Kind::kScore:
    case Leaf::Kind::kFlag:
    case Leaf::Kind::kFeature:
      ReadOfModel(leaf, first, out);
      return;
    case Leaf::Kind::kPurchaseProcess:
      processes_.Read(leaf, fits_.empty() ? processes_.in_force() : fits_, first, out);
      return;
    case Leaf::Kind::kInsight:
      moments_.Read(leaf.model, leaf.index, first, out);
      return;
    case Leaf::Kind::kNow:
    case Leaf::Kind::kAccountTrait:
    case Leaf::Kind::kOwnFeature:
    case Leaf::Kind::kOwnScore:
    case Leaf::Kind::kEventField:
      break;
  }
  std::fill(out.begin(), out.end(), kMissing);
}

void StateInputs::ReadOfAccounts(const Leaf& leaf, CustomerIndex first,
                                 std::span<double> out) const {
  if (leaf.kind == Leaf::Kind::kAccountTrait) {
    const std::span<const double> column =
        ledger_.TraitColumn(workspace_.schema.AccountTrait(leaf.index));
    for (std::size_t i = 0; i < out.size(); ++i) {
      const std::size_t at = first - kFirstAccount + i;
      out[i] = at < column.size() ? column[at] : kMissing;
    }
    return;
  }
  if (workspace_.IsOfAccount(leaf)) {
    ReadOfModel(leaf, first, out);
    return;
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    const CustomerIndex account = first + static_cast<CustomerIndex>(i);
    out[i] = kMissing;
    if (leaf.kind == Leaf::Kind::kAggregate) {
      out[i] = columns_.ReadOf(leaf.index, ledger_.MembersOf(account));
    } else if (const auto contact = ContactOf(workspace_, ledger_, account)) {
      Read(leaf, *contact, out.subspan(i, 1));
    }
  }
}

void StateInputs::ReadOfModel(const Leaf& leaf, CustomerIndex first, std::span<double> out) const {
  const Segments* segments = segments_[static_cast<std::size_t>(leaf.model)].get();
  if (segments == nullptr) {
    std::fill(out.begin(), out.end(), kMissing);
  } else if (learned_after_) {
    segments->ReadBefore(leaf, first, out, *workspace_.pool, *learned_after_);
  } else if (leaf.kind == Leaf::Kind::kSegment) {
    segments->ReadSegment(first, out, *workspace_.pool);
  } else if (leaf.kind == Leaf::Kind::kScore) {
    segments->ReadScore(leaf.index, first, out);
  } else if (leaf.kind == Leaf::Kind::kFlag) {
    segments->ReadFlag(leaf.index, first, out);
  } else {
    segments->ReadFeature(leaf.index, first, out);
  }
}

void RunInputs::Read(const Leaf& leaf, CustomerIndex first, std::span<double> out) const {
  if (leaf.kind != Leaf::Kind::kAggregate ||
      !workspace_.aggregates.all()[static_cast<std::size_t>(leaf.index)].in_run) {
    base_.Read(leaf, first, out);
    return;
  }
  const Aggregate& aggregate = workspace_.aggregates.all()[static_cast<std::size_t>(leaf.index)];
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = Aggregated(aggregate, first + static_cast<CustomerIndex>(i));
  }
}

double RunInputs::Aggregated(const Aggregate& aggregate, CustomerIndex customer) const {
  const EventSpec& spec = workspace_.schema.events[static_cast<std::size_t>(aggregate.event)];
  const Moment moment{now_, workspace_.schema.timezone};
  const auto field = static_cast<std::size_t>(std::max(aggregate.field, 0));
  std::int64_t count = 0;
  Sum sum = 0;
  std::set<Value> distinct;
  for (const StoredEvent& event : ledger_.Timeline(customer, aggregate.event, run_started_, now_)) {
    if (!event.counts && !event.orphan) {
      continue;
    }
    if (!aggregate.where.empty() &&
        !IsTrue(ExecuteOnEvent(aggregate.where.front(), spec, event.fields, *workspace_.pool,
                               nullptr, moment, customer))) {
      continue;
    }
    const bool has_field = aggregate.field >= 0 && !IsMissing(event.fields[field]);
    if (event.orphan) {
      if (aggregate.op == AggregateOp::kSum && has_field) {
        sum += std::get<std::int64_t>(event.fields[field]);
      }
      continue;
    }
    if (aggregate.op == AggregateOp::kCount) {
      ++count;
    } else if (has_field && aggregate.op == AggregateOp::kDistinct) {
      distinct.insert(event.fields[field]);
    } else if (has_field &&
               (aggregate.op == AggregateOp::kSum || aggregate.op == AggregateOp::kAvg)) {
      ++count;
      sum += std::get<std::int64_t>(event.fields[field]);
    }
  }
  const Type type = aggregate.field >= 0 ? spec.fields[field].type : Type::kNumber;
  switch (aggregate.op) {
    case AggregateOp::kCount:
      return static_cast<double>(count);
    case AggregateOp::kSum:
      return SumToDouble(sum, type);
    case AggregateOp::kAvg:
      return count == 0 ? kMissing : SumToDouble(sum, type) / static_cast<double>(count);
    case AggregateOp::kDistinct:
      return static_cast<double>(distinct.size());
    case AggregateOp::kLast:
    case AggregateOp::kFirst:
    case AggregateOp::kLastOf:
    case AggregateOp::kFirstOf:
      break;  // These never take a run's start.
  }
  SEGUE_CHECK(false);
  return kMissing;
}

void ForEachFactRead(const Expr& expr, const AggregateCatalog& aggregates,
                     const std::function<void(bool, int)>& visit) {
  if (expr.op == Op::kLeaf && (expr.leaf.kind == Leaf::Kind::kAggregate ||
                               expr.leaf.kind == Leaf::Kind::kPurchaseProcess)) {
    visit(true, aggregates.all()[static_cast<std::size_t>(expr.leaf.index)].event);
  } else if (expr.op == Op::kLeaf && expr.leaf.kind == Leaf::Kind::kTrait) {
    visit(false, expr.leaf.index);
  }
  // What is of an account is the caller's to add: it takes the workspace to tell.
  for (const Expr& arg : expr.args) {  // A parsed tree: its depth is limited.
    ForEachFactRead(arg, aggregates, visit);
  }
}

}  // namespace segue
