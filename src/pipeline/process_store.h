// Fits of purchase processes as the state file keeps them: every one that was made, with the data
// that it was made from and what its check said; and which one each model's last slot went by.
//
// Tables:
//   purchase_fit        one row per fit, refused ones too
//   spending_fit        per fit and money field: what people spend per purchase day
//   model_purchase_fit  the fit behind a model's settled answers, 0 for none: when another one is
//   in
//                       force at the next slot, who moves by it alone moves with cause `refit`

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "insights/gamma_gamma.h"
#include "insights/purchases.h"
#include "store/database.h"

namespace segue {

// Money is in units of the currency here (pounds, not pence), as the parameters are.
struct SpendingFit {
  std::string field;
  std::optional<GammaGammaFit> fit;  // Nothing: see `reason`.
  std::string reason;
  double correlation = 0;  // Of purchases with their mean, which the model takes to be 0; NaN
                           // where one of them is the same for everybody.
};

struct ProcessFit {
  std::int64_t id = 0;  // 0: not stored.
  std::string process;  // Its canonical text.
  TimePoint slot, now;
  PurchaseFit purchases;
  std::vector<SpendingFit> spending;

  bool refused() const { return purchases.refusal != Refusal::kNone; }

  // The model of a field's spending, or null.
  const GammaGammaFit* FindSpending(std::string_view field) const;
  // Why there is none.
  std::string_view WhyNoSpending(std::string_view field) const;
};

// Why some have no worth where others do.
inline constexpr std::string_view kNoMeanOfNew =
    "what people spend differs so much that who has not bought again has no mean to expect (q is "
    "not above 1)";

class ProcessStore {
 public:
  // Requires: db outlives it.
  explicit ProcessStore(Database& db);

  // In the caller's transaction; gives the fit its id.
  void Add(ProcessFit& fit);
  // Null where there is none.
  std::shared_ptr<const ProcessFit> Latest(std::string_view process) const;
  std::shared_ptr<const ProcessFit> Get(std::int64_t id) const;

  // Nothing: the model has had no slot with this process.
  std::optional<std::int64_t> UsedBy(std::string_view model, std::string_view process) const;
  void SetUsedBy(std::string_view model, std::string_view process, std::int64_t fit);

 private:
  std::shared_ptr<const ProcessFit> Load(Statement& find) const;

  Database& db_;
};

// "too_few", "contract" …; empty for kNone.
std::string_view RefusalName(Refusal refusal);

}  // namespace segue
