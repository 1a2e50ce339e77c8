// Checks tables of replies.

#pragma once

#include <doctest/doctest.h>

#include "unit/connectors/vendors.h"

namespace segue {

inline std::vector<Delivery> BatchOf(std::string_view type, const Row& row) {
  std::vector<Delivery> batch;
  for (std::size_t i = 0; i < row.outcomes.size(); ++i) {
    batch.push_back(DeliveryFor(type, row.kind, static_cast<int>(i) + 1));
    if (!row.use.empty()) {
      batch.back().payload.name = row.use;
    }
    if (row.account) {
      batch.back() = AboutAccount(batch.back(), static_cast<int>(i) + 1);
    }
  }
  return batch;
}

inline void CheckRows(std::string_view type, const std::vector<Row>& rows) {
  const auto connector = MakeVendorConnector(type);
  for (const Row& row : rows) {
    INFO(type << ": " << row.what);
    const std::vector<Delivery> batch = BatchOf(type, row);
    const Told told = TellWith(*connector, batch, row.part, row.reply);
    REQUIRE(told.outcomes.size() == row.outcomes.size());
    for (std::size_t i = 0; i < row.outcomes.size(); ++i) {
      INFO("delivery " << i << ": " << told.outcomes[i].detail);
      CHECK(static_cast<int>(told.outcomes[i].kind) == static_cast<int>(row.outcomes[i]));
    }
    CHECK(told.outcomes[0].retry_after == std::chrono::seconds(row.retry_after));
    INFO("words: " << told.outcomes[0].detail);
    CHECK(told.outcomes[0].detail.find(row.words) != std::string::npos);
  }
}

}  // namespace segue
