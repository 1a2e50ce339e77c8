#include "pipeline/rates.h"

namespace segue {

void SettleRates(Database& db, const Workspace& workspace) {
  if (workspace.rates == nullptr) {
    return;
  }
  Statement list = db.Prepare("SELECT currency, day, rate FROM rate_used");
  while (list.Step()) {
    if (const std::optional<ExchangeRate> rate = ParseExchangeRate(list.Text(2))) {
      workspace.rates->Settle({list.Text(0), list.Int(1)}, *rate);
    }
  }
}

void StoreRates(Database& db, const Batch& batch) {
  for (const auto& [when, rate] : batch.rates) {
    Statement insert =
        db.Prepare("INSERT OR IGNORE INTO rate_used(currency, day, rate) VALUES (?, ?, ?)");
    insert.Bind(1, when.first).Bind(2, when.second).Bind(3, FormatExchangeRate(rate)).Run();
  }
}

}  // namespace segue
