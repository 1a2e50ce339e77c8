// The values of leaves, gathered from the stages that keep them.

#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "config/definitions.h"
#include "expression/execute.h"
#include "ledger/columns.h"
#include "ledger/ledger.h"
#include "pipeline/moments.h"
#include "pipeline/processes.h"
#include "segments/segments.h"

namespace segue {

// The customer whom an account's trait names as its contact; nobody when there is none.
std::optional<CustomerIndex> ContactOf(const Workspace& workspace, const Ledger& ledger,
                                       CustomerIndex account);

// Columns, traits, other models as of their last slot, and what insights publish.
//
// A customer has what their account has: its traits and the models of accounts.  An account has the
// events of all who belong to it; what else only one customer has is that of its contact.
class StateInputs final : public Inputs {
 public:
  // Requires: all outlive it.  `segments` has one entry per model, null for drafts; `fits` are read
  // in place of those in force where there are any, and what models said without what they learned
  // (or an edit of theirs) after `learned_after`.
  StateInputs(const Workspace& workspace, const Ledger& ledger, const Columns& columns,
              const Processes& processes, const std::vector<std::unique_ptr<Segments>>& segments,
              const Moments& moments, Fits fits = {},
              std::optional<TimePoint> learned_after = std::nullopt)
      : workspace_(workspace),
        ledger_(ledger),
        columns_(columns),
        processes_(processes),
        segments_(segments),
        moments_(moments),
        fits_(std::move(fits)),
        learned_after_(learned_after) {}

  void Read(const Leaf& leaf, CustomerIndex first, std::span<double> out) const override;

 private:
  void ReadOfAccounts(const Leaf& leaf, CustomerIndex first, std::span<double> out) const;
  void ReadOfModel(const Leaf& leaf, CustomerIndex first, std::span<double> out) const;

  const Workspace& workspace_;
  const Ledger& ledger_;
  const Columns& columns_;
  const Processes& processes_;
  const std::vector<std::unique_ptr<Segments>>& segments_;
  const Moments& moments_;
  Fits fits_;
  std::optional<TimePoint> learned_after_;
};

// Accounts for a reader that numbers them from 0.
class AccountInputs final : public Inputs {
 public:
  explicit AccountInputs(const Inputs& base) : base_(base) {}

  void Read(const Leaf& leaf, CustomerIndex first, std::span<double> out) const override {
    base_.Read(leaf, kFirstAccount + first, out);
  }

 private:
  const Inputs& base_;
};

// One person in the name of an account, which need not be the one they belong to.
class OnBehalfInputs final : public Inputs {
 public:
  OnBehalfInputs(const Inputs& base, const Workspace& workspace, CustomerIndex account)
      : base_(base), workspace_(workspace), account_(account) {}

  void Read(const Leaf& leaf, CustomerIndex first, std::span<double> out) const override {
    for (std::size_t i = 0; i < out.size(); ++i) {
      const auto person = first + static_cast<CustomerIndex>(i);
      base_.Read(leaf, workspace_.IsOfAccount(leaf) ? account_ : person, out.subspan(i, 1));
    }
  }

 private:
  const Inputs& base_;
  const Workspace& workspace_;
  CustomerIndex account_;
};

// The same for one run: aggregates without a window cover what happened since the run began.
class RunInputs final : public Inputs {
 public:
  RunInputs(const Inputs& base, const Workspace& workspace, const Ledger& ledger,
            TimePoint run_started, TimePoint now)
      : base_(base), workspace_(workspace), ledger_(ledger), run_started_(run_started), now_(now) {}

  void Read(const Leaf& leaf, CustomerIndex first, std::span<double> out) const override;

 private:
  double Aggregated(const Aggregate& aggregate, CustomerIndex customer) const;

  const Inputs& base_;
  const Workspace& workspace_;
  const Ledger& ledger_;
  TimePoint run_started_;
  TimePoint now_;
};

// Calls `visit` for every event kind and every customer trait that the expression depends on.
void ForEachFactRead(const Expr& expr, const AggregateCatalog& aggregates,
                     const std::function<void(bool is_event, int index)>& visit);

}  // namespace segue
