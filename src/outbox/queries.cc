// What can be asked of the outbox; nothing here changes it.

#include <algorithm>
#include <array>
#include <utility>

#include "outbox/stored.h"

namespace segue {
namespace {

// Whether both change the same contact's or account's fields, or put the same one into the same
// list or out of it.
bool ChangesTheSame(const Delivery& one, const Delivery& other) {
  return one.customer_key == other.customer_key && one.payload.to == other.payload.to &&
         one.payload.account == other.payload.account && one.payload.name == other.payload.name;
}

bool IsChange(const Delivery& delivery) {
  return delivery.kind == DeliveryKind::kSet || delivery.kind == DeliveryKind::kAudience;
}

}  // namespace

std::optional<Delivery> Outbox::Get(std::int64_t id) const {
  std::optional<Stored> row = Load(id);
  return row ? std::optional(std::move(row->delivery)) : std::nullopt;
}

std::vector<Delivery> Outbox::List(const OutboxFilter& filter) const {
  // Only what is asked for stands in the text, so that an index can serve it.
  std::string sql = "SELECT " + std::string(kColumns) + " FROM outbox WHERE id > 0";
  sql += filter.state ? " AND state = ?1" : "";
  sql += filter.connector.empty() ? "" : " AND connector = ?2";
  sql += filter.playbook.empty() ? "" : " AND playbook = ?3";
  sql += filter.customer_key.empty() ? "" : " AND customer_key = ?4";
  sql += filter.run == 0 ? "" : " AND run = ?5";
  sql += filter.step.empty() ? "" : " AND step = ?6";
  Statement select = db_.Prepare(sql + " ORDER BY id DESC LIMIT " + std::to_string(filter.limit));
  if (filter.state) {
    select.Bind(1, Number(*filter.state));
  }
  for (const auto& [index, text] :
       {std::pair(2, &filter.connector), std::pair(3, &filter.playbook),
        std::pair(4, &filter.customer_key), std::pair(6, &filter.step)}) {
    if (!text->empty()) {
      select.Bind(index, *text);
    }
  }
  if (filter.run != 0) {
    select.Bind(5, filter.run);
  }
  std::vector<Delivery> all;
  while (select.Step()) {
    all.push_back(Stored::Read(select).delivery);
  }
  return all;
}

std::vector<Attempt> Outbox::Attempts(std::int64_t id) const {
  Statement select = db_.Prepare(
      "SELECT at, from_state, to_state, what, words FROM attempt WHERE delivery = ? ORDER BY id");
  select.Bind(1, id);
  std::vector<Attempt> all;
  while (select.Step()) {
    all.push_back({.delivery = id,
                   .at = FromMicros(select.Int(0)),
                   .from = static_cast<DeliveryState>(select.Int(1)),
                   .to = static_cast<DeliveryState>(select.Int(2)),
                   .what = select.Text(3),
                   .words = select.Text(4)});
  }
  return all;
}

std::optional<TimePoint> Outbox::InDoubtSince(std::int64_t id) const {
  // It may have arrived as soon as it was claimed; that its answer was lost can be noticed days
  // later.
  Statement select = db_.Prepare(
      "WITH since AS (SELECT at, what FROM attempt WHERE delivery = ?1 AND id > (SELECT "
      "ifnull(max(id), 0) FROM attempt WHERE delivery = ?1 AND what = 'by_hand')) SELECT min(at) "
      "FROM since WHERE what IN ('claimed', 'adopted') AND EXISTS (SELECT 1 FROM since WHERE what "
      "IN ('unknown', 'lease_over', 'adopted'))");
  select.Bind(1, id);
  return select.Step() && !select.IsNull(0) ? std::optional(FromMicros(select.Int(0)))
                                            : std::nullopt;
}

OutboxCounts Outbox::Count() const {
  std::array<std::int64_t, 8> by_state{};
  Statement select = db_.Prepare("SELECT state, count(*) FROM outbox GROUP BY state");
  while (select.Step()) {
    by_state.at(static_cast<std::size_t>(select.Int(0))) = select.Int(1);
  }
  return {.waiting = by_state[0],
          .running = by_state[1],
          .accepted = by_state[2],
          .refused = by_state[3],
          .suppressed = by_state[4],
          .unknown = by_state[5],
          .dropped = by_state[6],
          .dead = by_state[7]};
}

std::map<std::string, std::int64_t> Outbox::Waiting() const {
  std::map<std::string, std::int64_t> all;
  Statement select =
      db_.Prepare("SELECT connector, count(*) FROM outbox WHERE state = 0 GROUP BY connector");
  while (select.Step()) {
    all[select.Text(0)] = select.Int(1);
  }
  return all;
}

std::vector<std::string> Outbox::ConnectorsAtWork() const {
  std::vector<std::string> all;
  Statement select =
      db_.Prepare("SELECT DISTINCT connector FROM outbox WHERE state IN (0, 1) ORDER BY connector");
  while (select.Step()) {
    all.push_back(select.Text(0));
  }
  return all;
}

std::optional<TimePoint> Outbox::NextDue(std::string_view connector) const {
  Statement select = db_.Prepare(
      "SELECT min(due) FROM (SELECT min(not_before) AS due FROM outbox WHERE connector = ?1 AND "
      "state = 0 UNION ALL SELECT min(lease) FROM outbox WHERE connector = ?1 AND state = 1)");
  select.Bind(1, connector);
  return select.Step() && !select.IsNull(0) ? std::optional(FromMicros(select.Int(0)))
                                            : std::nullopt;
}

void Outbox::CountCall(std::string_view connector, std::int64_t day) {
  Statement count = db_.Prepare(
      "INSERT INTO calls(connector, day, made) VALUES (?,?,1) "
      "ON CONFLICT DO UPDATE SET made = made + 1");
  count.Bind(1, connector).Bind(2, day).Run();
}

std::int64_t Outbox::CallsOn(std::string_view connector, std::int64_t day) const {
  Statement select = db_.Prepare("SELECT made FROM calls WHERE connector = ? AND day = ?");
  select.Bind(1, connector).Bind(2, day);
  return select.Step() ? select.Int(0) : 0;
}

bool Outbox::AddressHas(std::string_view address, std::string_view template_id, TimePoint now,
                        Duration within) const {
  Statement select = db_.Prepare(
      "SELECT 1 FROM outbox WHERE address = ? AND address <> '' AND template = ? AND (state IN (0, "
      "1) OR (state > 1 AND (state IN (2, 5) OR (unresolved = 1 AND state <> 7)) AND changed >= "
      "?)) "
      "LIMIT 1");
  select.Bind(1, AddressKey(address)).Bind(2, template_id).Bind(3, ToMicros(now - within));
  return select.Step();
}

bool Outbox::HasOpenTask(std::string_view playbook, std::string_view step,
                         CustomerIndex customer) const {
  Statement select = db_.Prepare(
      "SELECT 1 FROM outbox WHERE customer = ? AND playbook = ? AND step = ? AND kind = 1 AND "
      "state IN (0, 1, 2, 5, 7) "
      "LIMIT 1");
  select.Bind(1, static_cast<std::int64_t>(customer)).Bind(2, playbook).Bind(3, step);
  return select.Step();
}

bool Outbox::AwaitsOlder(const Delivery& change) const {
  if (!IsChange(change)) {
    return false;
  }
  const auto& values = change.payload.values;
  for (const Delivery& older : ChangesBeside(change, "id < ?4 AND +state = 1")) {
    const auto said = [&](const auto& value) { return older.payload.values.contains(value.first); };
    if (std::any_of(values.begin(), values.end(), said)) {
      return true;
    }
  }
  return false;
}

bool Outbox::Overtaken(Delivery& change) const {
  if (!IsChange(change)) {
    return false;
  }
  const std::vector<Delivery> newer = ChangesBeside(change, "id > ?4 AND +state IN (1, 2, 5)");
  if (change.kind == DeliveryKind::kAudience) {
    return !newer.empty();
  }
  for (const Delivery& one : newer) {
    std::erase_if(change.payload.values,
                  [&](const auto& value) { return one.payload.values.contains(value.first); });
  }
  return !newer.empty() && change.payload.values.empty();
}

// The pluses keep the planner on the index of customers: of all that are under way there may be
// thousands.
std::vector<Delivery> Outbox::ChangesBeside(const Delivery& change, std::string_view which) const {
  Statement select =
      db_.Prepare("SELECT " + std::string(kColumns) +
                  " FROM outbox WHERE customer = ?1 AND +kind = ?2 AND +connector = ?3 AND " +
                  std::string(which));
  select.Bind(1, static_cast<std::int64_t>(change.customer))
      .Bind(2, static_cast<std::int64_t>(change.kind))
      .Bind(3, change.connector)
      .Bind(4, change.id);
  std::vector<Delivery> all;
  while (select.Step()) {
    Delivery other = Stored::Read(select).delivery;
    if (ChangesTheSame(other, change)) {
      all.push_back(std::move(other));
    }
  }
  return all;
}

bool Outbox::AwaitsRemoval(const Delivery& removal) const {
  Statement select = db_.Prepare("SELECT " + std::string(kColumns) +
                                 " FROM outbox WHERE customer = ? AND kind = 4 AND state = 0 AND "
                                 "connector = ? AND customer_key = ?");
  select.Bind(1, static_cast<std::int64_t>(removal.customer))
      .Bind(2, removal.connector)
      .Bind(3, removal.customer_key);
  while (select.Step()) {
    const Delivery other = Stored::Read(select).delivery;
    if (Removes(other) && other.payload.name == removal.payload.name &&
        other.payload.to == removal.payload.to) {
      return true;
    }
  }
  return false;
}

}  // namespace segue
