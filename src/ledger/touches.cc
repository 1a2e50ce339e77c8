// The table of touches.

#include "ledger/touches.h"

namespace segue {
namespace {

constexpr std::int64_t kTrimmedAtOnce = 50'000;  // Some hundredths of a second.

TouchRow ReadRow(const Statement& row) {
  return {static_cast<Sequence>(row.Int(0)), static_cast<CustomerIndex>(row.Int(1)),
          static_cast<int>(row.Int(2)), row.Int(3), row.Int(4)};
}

}  // namespace

void Touches::Add(const TouchRow& row) {
  db_.Prepare(
         "INSERT INTO ledger_touch(sequence, customer, code, time, flags) VALUES (?, ?, ?, ?, ?) "
         "ON CONFLICT DO UPDATE SET flags = flags | excluded.flags, time = min(time, "
         "excluded.time)")
      .Bind(1, static_cast<std::int64_t>(row.sequence))
      .Bind(2, static_cast<std::int64_t>(row.customer))
      .Bind(3, static_cast<std::int64_t>(row.code))
      .Bind(4, row.time)
      .Bind(5, row.flags)
      .Run();
}

void Touches::Effective(Sequence since_sequence, std::int64_t since, std::int64_t now,
                        const Visit& visit) const {
  Statement arrived = db_.Prepare(
      "SELECT sequence, customer, code, time, flags FROM ledger_touch WHERE sequence > ? AND time "
      "<= ?");
  arrived.Bind(1, static_cast<std::int64_t>(since_sequence)).Bind(2, now);
  while (arrived.Step()) {
    visit(ReadRow(arrived));
  }
  Statement waited = db_.Prepare(
      "SELECT sequence, customer, code, time, flags FROM ledger_touch WHERE time > ? AND time <= ? "
      "AND sequence <= ?");
  waited.Bind(1, since).Bind(2, now).Bind(3, static_cast<std::int64_t>(since_sequence));
  while (waited.Step()) {
    visit(ReadRow(waited));
  }
}

void Touches::After(Sequence sequence, const Visit& visit) const {
  Statement rows = db_.Prepare(
      "SELECT sequence, customer, code, time, flags FROM ledger_touch WHERE sequence > ?");
  rows.Bind(1, static_cast<std::int64_t>(sequence));
  while (rows.Step()) {
    visit(ReadRow(rows));
  }
}

void Touches::Erase(CustomerIndex customer) {
  db_.Prepare("DELETE FROM ledger_touch WHERE customer = ?")
      .Bind(1, static_cast<std::int64_t>(customer))
      .Run();
}

Sequence Touches::Trim(Sequence until, std::int64_t now) {
  Statement some = db_.Prepare(
      "SELECT sequence FROM ledger_touch WHERE sequence <= ? AND time <= ? ORDER BY sequence "
      "LIMIT 1 OFFSET ?");
  some.Bind(1, static_cast<std::int64_t>(until)).Bind(2, now).Bind(3, kTrimmedAtOnce);
  if (some.Step()) {
    until = static_cast<Sequence>(some.Int(0));
  }
  db_.Prepare("DELETE FROM ledger_touch WHERE sequence <= ? AND time <= ?")
      .Bind(1, static_cast<std::int64_t>(until))
      .Bind(2, now)
      .Run();
  return until;
}

}  // namespace segue
