// A delivery as its row of the outbox table holds it.

#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "outbox/outbox.h"
#include "outbox/payload.h"

namespace segue {

inline constexpr std::string_view kColumns =
    "id, key, kind, connector, purpose, customer, customer_key, playbook, run, step, payload, "
    "created, not_before, "
    "stale_after, state, attempts, detail, first_attempt, claimed, lease, unresolved, erased, "
    "vendor_id";
// The same without what is to be said, which can be long.
inline constexpr std::string_view kColumnsBare =
    "id, key, kind, connector, purpose, customer, customer_key, playbook, run, step, '', "
    "created, not_before, "
    "stale_after, state, attempts, detail, first_attempt, claimed, lease, unresolved, erased, "
    "vendor_id";

constexpr std::int64_t Number(DeliveryState state) {
  return static_cast<std::int64_t>(state);
}

inline void BindTime(Statement& statement, int index, std::optional<TimePoint> time) {
  if (time) {
    statement.Bind(index, ToMicros(*time));
  } else {
    statement.BindNull(index);
  }
}

inline std::optional<TimePoint> TimeAt(const Statement& statement, int column) {
  return statement.IsNull(column) ? std::nullopt : std::optional(FromMicros(statement.Int(column)));
}

struct Outbox::Stored {
  Delivery delivery;
  std::optional<TimePoint> first_attempt, claimed, lease;
  // An answer was lost since the promise: it may have arrived, whatever later attempts said.
  bool unresolved = false;
  bool erased = false;
  std::string vendor_id;

  static Stored Read(const Statement& row) {
    Stored stored;
    Delivery& delivery = stored.delivery;
    delivery.id = row.Int(0);
    delivery.key = row.Text(1);
    delivery.kind = static_cast<DeliveryKind>(row.Int(2));
    delivery.connector = row.Text(3);
    delivery.purpose = row.Text(4);
    delivery.customer = static_cast<CustomerIndex>(row.Int(5));
    delivery.customer_key = row.Text(6);
    delivery.playbook = row.Text(7);
    delivery.run = row.Int(8);
    delivery.step = row.Text(9);
    if (const std::string_view payload = row.BlobView(10); !payload.empty()) {
      delivery.payload = PayloadFromJson(payload);
    }
    delivery.created = FromMicros(row.Int(11));
    delivery.not_before = FromMicros(row.Int(12));
    delivery.stale_after = FromMicros(row.Int(13));
    delivery.state = static_cast<DeliveryState>(row.Int(14));
    delivery.attempts = static_cast<int>(row.Int(15));
    delivery.detail = row.Text(16);
    stored.first_attempt = TimeAt(row, 17);
    stored.claimed = TimeAt(row, 18);
    stored.lease = TimeAt(row, 19);
    stored.unresolved = row.Int(20) != 0;
    stored.erased = row.Int(21) != 0;
    stored.vendor_id = row.Text(22);
    return stored;
  }

  void CountAttempt(TimePoint now) {
    ++delivery.attempts;
    if (!first_attempt) {
      first_attempt = claimed.value_or(now);
    }
  }
};

}  // namespace segue
