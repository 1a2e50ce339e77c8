// What a model's settling, or a trigger, sees of the people: whom a fact that it looks at touched
// since it last looked.

#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string_view>
#include <vector>

#include "ledger/ledger.h"
#include "pipeline/inputs.h"
#include "pipeline/pipeline.h"
#include "segments/segments.h"

namespace segue {

// Event kinds and traits that a model or condition looks at, directly or through a model.
struct FactsRead {
  std::set<int> kinds;
  std::set<int> traits;
};

// Adds what an expression names, and the models whose answers it reads to `models`.
void AddReads(const Expr& expr, const Workspace& workspace, FactsRead& reads,
              std::set<int>& models);
FactsRead ReadsOf(int model, const Workspace& workspace);
// What takes an event back changes it too.
FactsRead WithRefunds(FactsRead reads, const Schema& schema);
// Those that a model reads directly.
std::set<int> ModelsRead(const Model& model);

// Nothing before the model's baseline.
std::optional<ModelPosition> PositionOf(Database& db, std::string_view model);

// Who changed since a model's last slot is asked only when somebody may move.
class LedgerPopulation final : public Population {
 public:
  // What was learned outside of the model since its last slot.
  struct Learned {
    std::unique_ptr<Inputs> before = nullptr;  // Null: nothing.
    bool purchases = false;
    std::optional<TimePoint> readers_since = std::nullopt;
  };

  // Requires: ledger and inputs outlive it.
  LedgerPopulation(const Ledger& ledger, const Inputs& inputs, Learned learned, FactsRead reads,
                   Subject of, ModelPosition since, TimePoint now)
      : ledger_(ledger),
        inputs_(inputs),
        account_inputs_(inputs),
        learned_(std::move(learned)),
        reads_(std::move(reads)),
        base_(of == Subject::kAccount ? kFirstAccount : 0),
        since_(since),
        now_(now) {
    if (learned_.before != nullptr && IsAccount(base_)) {
      accounts_before_.emplace(*learned_.before);
    }
  }

  CustomerIndex count() const override {
    return IsAccount(base_) ? ledger_.account_count() : ledger_.customer_count();
  }

  bool IsAlive(CustomerIndex customer) const override { return ledger_.IsAlive(base_ + customer); }

  bool AllAlive() const override { return IsAccount(base_) || ledger_.AllAlive(); }

  void Prepare() const override { Find(0); }

  const std::string& Key(CustomerIndex customer) const override {
    return ledger_.CustomerKey(base_ + customer);
  }

  const Inputs& inputs() const override {
    return IsAccount(base_) ? static_cast<const Inputs&>(account_inputs_) : inputs_;
  }

  const Inputs* inputs_before() const override {
    return accounts_before_ ? &*accounts_before_ : learned_.before.get();
  }

  bool purchases_learned() const override { return learned_.purchases; }

  std::optional<TimePoint> readers_since() const override { return learned_.readers_since; }

  std::optional<Cause> CauseSince(CustomerIndex customer) const override {
    const Touch* touch = Find(customer);
    if (touch == nullptr) {
      return std::nullopt;
    }
    return touch->merged ? Cause::kMerge : touch->late ? Cause::kImport : Cause::kBehaviour;
  }

  bool FirstFactWasLate(CustomerIndex customer) const override {
    const Touch* touch = Find(customer);
    return touch != nullptr && touch->late;
  }

 private:
  const Touch* Find(CustomerIndex customer) const {
    if (!touched_) {
      Ask();
    }
    const auto found =
        std::lower_bound(touched_->begin(), touched_->end(), base_ + customer,
                         [](const Touch& touch, CustomerIndex c) { return touch.customer < c; });
    return found == touched_->end() || found->customer != base_ + customer ? nullptr : &*found;
  }

  void Ask() const;

  const Ledger& ledger_;
  const Inputs& inputs_;
  AccountInputs account_inputs_;
  Learned learned_;
  std::optional<AccountInputs> accounts_before_;
  FactsRead reads_;
  CustomerIndex base_;  // Number of the first whom the model is about.
  ModelPosition since_;
  TimePoint now_;
  mutable std::optional<std::vector<Touch>> touched_;
};

}  // namespace segue
