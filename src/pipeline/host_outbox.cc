// What playbooks ask of the outbox: what somebody was promised, and taking promises back.

#include <algorithm>

#include "base/check.h"
#include "pipeline/host.h"

namespace segue {

bool Host::Enqueue(const Delivery& delivery) {
  return state_.outbox().Enqueue(delivery);
}

std::vector<std::int64_t> Host::UnsentRuns() {
  std::vector<std::int64_t> runs;
  // One that is under way may come back to wait.
  Statement select = state_.db().Prepare(
      "SELECT DISTINCT run FROM outbox WHERE kind = 0 AND state < 2 ORDER BY run");
  while (select.Step()) {
    runs.push_back(select.Int(0));
  }
  return runs;
}

void Host::DropUnsent(std::int64_t run, std::string_view why, TimePoint now) {
  std::vector<std::int64_t> waiting;
  // The plus keeps the planner on the index of runs: of all that wait there may be a great many.
  Statement select = state_.db().Prepare(
      "SELECT id FROM outbox WHERE run = ? AND +state = 0 AND (kind = 0 OR key IN (SELECT delivery "
      "FROM offer_print)) ORDER BY id");
  select.Bind(1, run);
  while (select.Step()) {
    waiting.push_back(select.Int(0));
  }
  for (const std::int64_t id : waiting) {
    state_.outbox().Drop(id, DeliveryState::kDropped, why, now);
  }
}

void Host::DropJoins(std::int64_t run, std::string_view why, TimePoint now) {
  std::vector<std::int64_t> waiting;
  Statement select = state_.db().Prepare(
      "SELECT id FROM outbox WHERE run = ? AND +state = 0 AND kind = 4 ORDER BY id");
  select.Bind(1, run);
  while (select.Step()) {
    waiting.push_back(select.Int(0));
  }
  for (const std::int64_t id : waiting) {
    if (!Removes(*state_.outbox().Get(id))) {
      state_.outbox().Drop(id, DeliveryState::kDropped, why, now);
    }
  }
}

namespace {

std::vector<CountedMessage> Counted(Statement& select) {
  std::vector<CountedMessage> all;
  while (select.Step()) {
    all.push_back({FromMicros(select.Int(0)), select.Text(1), select.Text(2)});
  }
  return all;
}

}  // namespace

// What was dropped or refused after an answer that was lost may have arrived.
std::vector<CountedMessage> Host::Messages(CustomerIndex customer, TimePoint after) {
  Statement select = state_.db().Prepare(
      "SELECT CASE WHEN state > 1 THEN changed ELSE not_before END AS at, purpose, channel FROM "
      "outbox WHERE customer = ?1 AND kind = 0 AND (state IN (0, 1, 2, 5) OR (unresolved = 1 AND "
      "state <> 7)) AND at > ?2");
  select.Bind(1, static_cast<std::int64_t>(customer)).Bind(2, ToMicros(after));
  return Counted(select);
}

void Host::Supersede(const Delivery& delivery, TimePoint now) {
  std::vector<std::int64_t> older;
  Statement select = state_.db().Prepare(
      "SELECT id FROM outbox WHERE customer = ? AND playbook = ? AND step = ? AND connector = ? "
      "AND state = 0 AND key <> ?");
  select.Bind(1, static_cast<std::int64_t>(delivery.customer))
      .Bind(2, delivery.playbook)
      .Bind(3, delivery.step)
      .Bind(4, delivery.connector)
      .Bind(5, delivery.key);
  while (select.Step()) {
    older.push_back(select.Int(0));
  }
  for (const std::int64_t id : older) {
    state_.outbox().Drop(id, DeliveryState::kDropped, "superseded", now);
  }
}

TimePoint CapsHoldUntil(State& state, const Delivery& delivery, TimePoint now) {
  const Workspace& workspace = state.workspace();
  if (workspace.caps.empty() || delivery.kind != DeliveryKind::kMessage) {
    return now;
  }
  Duration longest = Duration::zero();
  for (const Cap& cap : workspace.caps) {
    longest = std::max(longest, cap.within);
  }
  // Of two that were claimed together the older one goes first.
  Statement select = state.db().Prepare(
      "SELECT o.changed, o.purpose, o.channel FROM outbox o, outbox own WHERE own.id = ?1 AND "
      "o.customer = own.customer AND o.kind = 0 AND o.id <> own.id AND ((o.state > 1 AND (o.state "
      "IN (2, 5) OR (o.unresolved = 1 AND o.state <> 7)) AND o.changed > ?2) OR (o.state = 1 AND "
      "(o.claimed < own.claimed OR (o.claimed = own.claimed "
      "AND o.id < "
      "own.id))))");
  select.Bind(1, delivery.id).Bind(2, ToMicros(now - longest));
  return RoomUnderCaps(workspace.caps, delivery.purpose, delivery.payload.channel, Counted(select),
                       now)
      .at;
}

bool Host::AwaitsRemoval(const Delivery& removal) {
  return state_.outbox().AwaitsRemoval(removal);
}

bool Host::ForgetDeliveries(CustomerIndex customer, TimePoint now) {
  Statement count = state_.db().Prepare(
      "SELECT count(*), count(*) FILTER (WHERE state IN (0, 1, 5, 7)) FROM outbox WHERE customer = "
      "? AND erased = 0");
  count.Bind(1, static_cast<std::int64_t>(customer));
  SEGUE_CHECK(count.Step());
  const std::int64_t all = count.Int(0);
  const std::int64_t open = count.Int(1);
  count.Reset();
  // One that a person has to look at does not keep the others.
  if (open == 0 || open < all) {
    state_.outbox().Erase(customer, now);
  }
  return open == 0;
}

}  // namespace segue
