// The outbox table, its claims and its one state machine.

#include "outbox/outbox.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "outbox/states.h"
#include "outbox/stored.h"

namespace segue {
namespace {

// Times are microseconds since 1970 UTC.  `state` and `kind` are the numbers of domain/delivery.h.
constexpr std::string_view kTables = R"(
CREATE TABLE outbox(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  key TEXT NOT NULL UNIQUE,
  kind INTEGER NOT NULL,
  connector TEXT NOT NULL,
  purpose TEXT NOT NULL,
  customer INTEGER NOT NULL,
  customer_key TEXT NOT NULL,
  playbook TEXT NOT NULL,
  run INTEGER NOT NULL,
  step TEXT NOT NULL,
  payload TEXT NOT NULL,
  address TEXT NOT NULL,
  template TEXT NOT NULL,
  created INTEGER NOT NULL,
  not_before INTEGER NOT NULL,
  stale_after INTEGER NOT NULL,
  state INTEGER NOT NULL,
  changed INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  first_attempt INTEGER,
  claimed INTEGER,
  lease INTEGER,
  unresolved INTEGER NOT NULL DEFAULT 0,
  erased INTEGER NOT NULL DEFAULT 0,
  vendor_id TEXT NOT NULL DEFAULT '',
  detail TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX outbox_due ON outbox(connector, state, not_before);
CREATE INDEX outbox_state ON outbox(state);
CREATE INDEX outbox_address ON outbox(address, template) WHERE address <> '';
CREATE INDEX outbox_customer ON outbox(customer);
CREATE INDEX outbox_run ON outbox(run);
CREATE TABLE attempt(
  id INTEGER PRIMARY KEY,
  delivery INTEGER NOT NULL REFERENCES outbox(id),
  at INTEGER NOT NULL,
  from_state INTEGER NOT NULL,
  to_state INTEGER NOT NULL,
  what TEXT NOT NULL,
  words TEXT NOT NULL
) STRICT;
CREATE INDEX attempt_delivery ON attempt(delivery);
CREATE TABLE calls(
  connector TEXT NOT NULL,
  day INTEGER NOT NULL,
  made INTEGER NOT NULL,
  PRIMARY KEY (connector, day)
) STRICT;
)";

// What caps count, by customer: an outbox holds much else, and each of its rows is long.
constexpr std::string_view kMessageIndex = R"(
CREATE INDEX IF NOT EXISTS outbox_message
  ON outbox(customer, changed, state, not_before, claimed, purpose, template) WHERE kind = 0;
)";

// By what a message goes: what its template says today need not be what it said then.
constexpr std::string_view kChannels = R"(
ALTER TABLE outbox ADD COLUMN channel TEXT NOT NULL DEFAULT '';
UPDATE outbox SET channel = coalesce(json_extract(payload, '$.channel'), '') WHERE kind = 0;
DROP INDEX outbox_message;
CREATE INDEX outbox_message
  ON outbox(customer, changed, state, not_before, claimed, purpose, channel, unresolved) WHERE kind = 0;
)";

// Runs that may still have to take a message back, asked for in every cycle: fields and events can
// wait by the thousand meanwhile.
constexpr std::string_view kUnsentIndex = R"(
CREATE INDEX IF NOT EXISTS outbox_unsent ON outbox(run) WHERE kind = 0 AND state < 2;
)";

using State = DeliveryState;

}  // namespace

Outbox::Outbox(Database& db) : db_(db) {
  db_.Ensure("outbox", kTables);
  db_.Ensure("outbox of messages", kMessageIndex);
  db_.Ensure("outbox of channels", kChannels);
  db_.Ensure("outbox of unsent messages", kUnsentIndex);
  if (db_.thrown_away()) {
    db_.Execute("DROP INDEX IF EXISTS outbox_state");  // For people who ask how things stand.
  }
}

void Outbox::Watch(Watcher watcher) {
  watcher_ = std::move(watcher);
}

bool Outbox::Enqueue(const Delivery& delivery) {
  SEGUE_CHECK(delivery.state == State::kWaiting && !delivery.key.empty());
  Statement insert = db_.Prepare(
      "INSERT INTO outbox(key, kind, connector, purpose, customer, customer_key, playbook, run, "
      "step, payload, address, "
      "template, created, not_before, stale_after, state, changed, channel) VALUES "
      "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,0,?,?) "
      "ON CONFLICT(key) DO NOTHING");
  const std::string address =
      delivery.kind == DeliveryKind::kMessage ? AddressKey(delivery.payload.to) : std::string();
  insert.Bind(1, delivery.key)
      .Bind(2, static_cast<std::int64_t>(delivery.kind))
      .Bind(3, delivery.connector)
      .Bind(4, delivery.purpose)
      .Bind(5, static_cast<std::int64_t>(delivery.customer))
      .Bind(6, delivery.customer_key)
      .Bind(7, delivery.playbook)
      .Bind(8, delivery.run)
      .Bind(9, delivery.step)
      .Bind(10, PayloadToJson(delivery.payload))
      .Bind(11, address)
      .Bind(12, delivery.payload.template_id)
      .Bind(13, ToMicros(delivery.created))
      .Bind(14, ToMicros(delivery.not_before))
      .Bind(15, ToMicros(delivery.stale_after))
      .Bind(16, ToMicros(delivery.created))
      .Bind(17, delivery.payload.channel)
      .Run();
  return db_.Changes() == 1;
}

std::vector<Delivery> Outbox::Claim(std::string_view connector, TimePoint now, Duration lease,
                                    int limit) {
  static const std::string kDue = "SELECT " + std::string(kColumns) +
                                  " FROM outbox WHERE connector = ? AND state = 0 AND not_before "
                                  "<= ? ORDER BY not_before, id LIMIT ?";
  std::vector<Delivery> claimed;
  Transaction work(db_);
  while (static_cast<int>(claimed.size()) < limit) {
    std::vector<Stored> due;
    Statement select = db_.Prepare(kDue);
    select.Bind(1, connector)
        .Bind(2, ToMicros(now))
        .Bind(3, limit - static_cast<std::int64_t>(claimed.size()));
    while (select.Step()) {
      due.push_back(Stored::Read(select));
    }
    if (due.empty()) {
      break;
    }
    for (Stored& row : due) {
      if (row.erased || now > row.delivery.stale_after) {
        TooLate(row, now);
        continue;
      }
      row.claimed = now;
      row.lease = now + lease;
      Transition(row, State::kRunning, now, "claimed", "");
      claimed.push_back(std::move(row.delivery));
    }
  }
  work.Commit();
  return claimed;
}

// Nobody may read "dropped" of one whose answer was lost and believe that nothing went out.
void Outbox::TooLate(Stored& row, TimePoint now) {
  const std::string_view what = row.erased ? "erased" : "stale";
  const std::string last =
      row.delivery.detail.empty() ? "" : "; last answer: " + row.delivery.detail;
  row.delivery.detail = std::string(what) + last;
  const bool open = row.unresolved && !row.erased;
  Transition(row, open ? State::kUnknown : State::kDropped, now, what, "");
}

void Outbox::Record(const Delivery& delivery, const Outcome& outcome, const segue::Retry& retry,
                    Dedupe dedupe, TimePoint now) {
  Transaction work(db_);
  std::optional<Stored> row = Load(delivery.id, Payloads::kLeft);
  SEGUE_CHECK(row.has_value());
  const bool accepted = outcome.kind == Outcome::Kind::kAccepted;
  if (row->delivery.state != State::kRunning &&
      !(accepted &&
        (row->delivery.state == State::kWaiting || row->delivery.state == State::kUnknown))) {
    // The lease was over and somebody else decided meanwhile: kept, but nothing changes.
    Note(*row, row->delivery.state, now, "late_answer", outcome.detail);
    work.Commit();
    return;
  }
  if (row->delivery.state == State::kRunning) {
    row->CountAttempt(now);
  }
  if (!row->erased) {
    row->delivery.detail = outcome.detail;
  }
  switch (outcome.kind) {
    case Outcome::Kind::kAccepted:
      if (!row->erased) {
        row->vendor_id = outcome.vendor_id;  // What a tool calls somebody is theirs too.
      }
      Transition(*row, State::kAccepted, now, "accepted", outcome.detail);
      break;
    case Outcome::Kind::kRefused:
      End(*row, State::kRefused, outcome.detail, now);
      break;
    case Outcome::Kind::kSuppressed:
      End(*row, State::kSuppressed, outcome.detail, now);
      break;
    case Outcome::Kind::kRetry:
      Retry(*row, outcome, retry, now);
      break;
    case Outcome::Kind::kSplit:
      SEGUE_CHECK(false);  // The dispatcher tries smaller batches instead.
    case Outcome::Kind::kUnknown:
      row->unresolved = true;
      if (dedupe == Dedupe::kNone) {
        Transition(*row, State::kUnknown, now, "unknown", outcome.detail);
      } else {
        Retry(*row, outcome, retry, now);
      }
      break;
  }
  work.Commit();
}

void Outbox::Retry(Stored& row, const Outcome& outcome, const segue::Retry& retry, TimePoint now) {
  const std::string_view what = outcome.kind == Outcome::Kind::kRetry ? "retry" : "unknown";
  if (now - *row.first_attempt >= retry.give_up_after) {
    Transition(row, row.unresolved ? State::kUnknown : State::kDead, now, what, outcome.detail);
    return;
  }
  row.delivery.not_before = now + std::max(Pause(row.delivery, retry), outcome.retry_after);
  Transition(row, State::kWaiting, now, what, outcome.detail);
}

int Outbox::Rescue(std::string_view connector, const DedupeOf& dedupe, TimePoint now) {
  Transaction work(db_);
  std::vector<Stored> lost;
  Statement select =
      db_.Prepare("SELECT " + std::string(kColumns) +
                  " FROM outbox WHERE connector = ? AND state = 1 AND lease <= ? ORDER BY id");
  select.Bind(1, connector).Bind(2, ToMicros(now));
  while (select.Step()) {
    lost.push_back(Stored::Read(select));
  }
  for (Stored& row : lost) {
    row.CountAttempt(now);
    row.unresolved = true;
    row.delivery.detail = "Segue stopped before the answer came";
    const bool again = dedupe(row.delivery) != Dedupe::kNone;
    row.delivery.not_before = std::min(row.delivery.not_before, now);  // A clock was set back.
    Transition(row, again ? State::kWaiting : State::kUnknown, now, "lease_over",
               row.delivery.detail);
  }
  work.Commit();
  return static_cast<int>(lost.size());
}

void Outbox::BreakLeases() {
  Transaction work(db_);
  db_.Execute("UPDATE outbox SET lease = 0 WHERE state = 1");
  work.Commit();
}

std::int64_t Outbox::Doubt(std::string_view connector, const DedupeOf& dedupe,
                           std::string_view note, TimePoint now) {
  Transaction work(db_);
  std::vector<Stored> waiting;
  Statement select =
      db_.Prepare("SELECT " + std::string(kColumns) +
                  " FROM outbox WHERE connector = ? AND state IN (0, 1) ORDER BY id");
  select.Bind(1, connector);
  while (select.Step()) {
    waiting.push_back(Stored::Read(select));
  }
  std::int64_t unknown = 0;
  for (Stored& row : waiting) {
    row.unresolved = true;
    if (dedupe(row.delivery) == Dedupe::kNone) {
      row.delivery.detail = "the state was copied: " + std::string(note);
      Transition(row, State::kUnknown, now, "adopted", note);
      ++unknown;
    } else if (row.delivery.state == State::kWaiting) {
      // A second attempt, which looks first where that is what protects it.  Rescue counts one of
      // what was under way.
      db_.Prepare("UPDATE outbox SET unresolved = 1, attempts = attempts + 1 WHERE id = ?")
          .Bind(1, row.delivery.id)
          .Run();
      Note(row, State::kWaiting, now, "adopted", note);
    }
  }
  work.Commit();
  return unknown;
}

void Outbox::Drop(std::int64_t id, DeliveryState state, std::string_view reason, TimePoint now) {
  SEGUE_CHECK(state == State::kDropped || state == State::kSuppressed || state == State::kRefused);
  Transaction work(db_);
  std::optional<Stored> row = Load(id, Payloads::kLeft);
  SEGUE_CHECK(row.has_value());
  End(*row, state, reason, now);
  work.Commit();
}

void Outbox::LeaveUnknown(std::int64_t id, std::string_view why, TimePoint now) {
  Transaction work(db_);
  std::optional<Stored> row = Load(id, Payloads::kLeft);
  SEGUE_CHECK(row.has_value() && row->delivery.state == State::kRunning);
  row->unresolved = true;
  if (!row->erased) {
    row->delivery.detail = why;
  }
  Transition(*row, State::kUnknown, now, "unknown", why);
  work.Commit();
}

// An answer that was lost earlier stays open: nobody may read "dropped" or "refused" and believe
// that nothing went out.
void Outbox::End(Stored& row, DeliveryState state, std::string_view reason, TimePoint now) {
  const std::string words =
      row.unresolved ? std::string(reason) + "; an earlier answer was lost" : std::string(reason);
  if (!row.erased) {
    row.delivery.detail = words;
  }
  Transition(row, state, now, DeliveryStateName(state), words);
}

void Outbox::Readdress(std::int64_t id, std::string_view address, TimePoint now) {
  Transaction work(db_);
  std::optional<Stored> row = Load(id);
  SEGUE_CHECK(row.has_value() && row->delivery.kind == DeliveryKind::kMessage &&
              !row->first_attempt);
  row->delivery.payload.to = address;
  db_.Prepare("UPDATE outbox SET payload = ?, address = ? WHERE id = ?")
      .Bind(1, PayloadToJson(row->delivery.payload))
      .Bind(2, AddressKey(address))
      .Bind(3, id)
      .Run();
  Note(*row, row->delivery.state, now, "readdressed", "");
  work.Commit();
}

void Outbox::DropStale(std::string_view connector, TimePoint now) {
  Transaction work(db_);
  std::vector<Stored> late;
  Statement select =
      db_.Prepare("SELECT " + std::string(kColumnsBare) +
                  " FROM outbox WHERE connector = ? AND state = 0 AND stale_after < ?");
  select.Bind(1, connector).Bind(2, ToMicros(now));
  while (select.Step()) {
    late.push_back(Stored::Read(select));
  }
  for (Stored& row : late) {
    TooLate(row, now);
  }
  work.Commit();
}

void Outbox::Release(std::int64_t id, TimePoint not_before) {
  Transaction work(db_);
  std::optional<Stored> row = Load(id, Payloads::kLeft);
  SEGUE_CHECK(row.has_value() && row->delivery.state == State::kRunning);
  // A claim that was given back unused leaves no trace, or a tight rate limit would fill the
  // history.
  Statement last =
      db_.Prepare("SELECT max(id) FROM attempt WHERE delivery = ? AND what = 'claimed'");
  last.Bind(1, id);
  const std::int64_t claim = last.Step() ? last.Int(0) : 0;
  db_.Prepare("DELETE FROM attempt WHERE id = ?").Bind(1, claim).Run();
  // What was noted meanwhile was noted of a delivery that waits.
  db_.Prepare("UPDATE attempt SET from_state = 0, to_state = 0 WHERE delivery = ? AND id > ?")
      .Bind(1, id)
      .Bind(2, claim)
      .Run();
  row->delivery.not_before = not_before;
  Transition(*row, State::kWaiting, row->claimed.value_or(not_before), "", "");
  work.Commit();
}

Result<Outbox::Stored> Outbox::LoadForHand(std::int64_t id, std::string_view verb,
                                           std::string_view note, bool waiting_too) const {
  if (note.empty()) {
    return Error("to " + std::string(verb) + " a delivery by hand, say why: give a note");
  }
  std::optional<Stored> row = Load(id);
  if (!row) {
    return Error("there is no delivery " + std::to_string(id) +
                 "; `segue outbox list` shows those there are");
  }
  const State state = row->delivery.state;
  if (state != State::kUnknown && state != State::kDead &&
      !(waiting_too && state == State::kWaiting)) {
    return Error("delivery " + std::to_string(id) + " is " + std::string(DeliveryStateName(state)) +
                 "; to " + std::string(verb) + ", it must be unknown or dead" +
                 (waiting_too ? ", or waiting" : ""));
  }
  return std::move(*row);
}

Result<void> Outbox::RetryByHand(std::int64_t id, std::string_view note, TimePoint now) {
  Transaction work(db_);
  Result<Stored> row = LoadForHand(id, "retry", note, false);
  if (!row) {
    return row.error();
  }
  if (row->erased) {
    return Error("delivery " + std::to_string(id) +
                 " belongs to a customer who was erased; nothing can be sent to them");
  }
  // A person decided that it is still wanted: it gets as long again as it had, and a new count of
  // time to give up.
  row->delivery.stale_after = now + (row->delivery.stale_after - row->delivery.created);
  row->delivery.not_before = now;
  row->first_attempt.reset();
  row->claimed.reset();
  Transition(*row, State::kWaiting, now, "by_hand", note);
  work.Commit();
  return {};
}

Result<void> Outbox::DropByHand(std::int64_t id, std::string_view note, TimePoint now) {
  Transaction work(db_);
  Result<Stored> row = LoadForHand(id, "drop", note, true);
  if (!row) {
    return row.error();
  }
  row->delivery.detail = "dropped by hand: " + std::string(note);
  // Whoever drops what waits need not know that it was tried: only what they were told is unknown
  // is dropped for good.
  const bool open = row->delivery.state == State::kWaiting && row->unresolved;
  row->delivery.detail += open ? "; an earlier answer was lost" : "";
  row->unresolved = open;  // Whoever knows that it is in doubt has ended the doubt.
  Transition(*row, open ? State::kUnknown : State::kDropped, now, "by_hand", note);
  work.Commit();
  return {};
}

Result<void> Outbox::MarkSent(std::int64_t id, std::string_view note, TimePoint now) {
  Transaction work(db_);
  Result<Stored> row = LoadForHand(id, "mark as sent", note, false);
  if (!row) {
    return row.error();
  }
  row->delivery.detail = "marked as sent by hand: " + std::string(note);
  Transition(*row, State::kAccepted, now, "by_hand", note);
  work.Commit();
  return {};
}

void Outbox::Erase(CustomerIndex customer, TimePoint now) {
  Transaction work(db_);
  std::vector<Stored> all;
  Statement select = db_.Prepare("SELECT " + std::string(kColumns) +
                                 " FROM outbox WHERE customer = ? ORDER BY id");
  select.Bind(1, static_cast<std::int64_t>(customer));
  while (select.Step()) {
    all.push_back(Stored::Read(select));
  }
  Statement forget = db_.Prepare("UPDATE attempt SET words = '' WHERE delivery = ?");
  Statement blank = db_.Prepare(
      "UPDATE outbox SET erased = 1, payload = '{}', address = '', customer_key = '', vendor_id = "
      "'', detail = 'erased' "
      "WHERE id = ?");
  for (Stored& row : all) {
    const State state = row.delivery.state;
    const bool waits =
        state == State::kWaiting || state == State::kUnknown || state == State::kDead;
    if (Removes(row.delivery) && (waits || state == State::kRunning)) {
      continue;  // Nobody would promise it again, and they would stay in the list for ever.
    }
    if (waits) {
      Transition(row, State::kDropped, now, "erased", "");
    }
    // One in flight stands; it is not tried again.
    forget.Bind(1, row.delivery.id).Run();
    blank.Bind(1, row.delivery.id).Run();
  }
  work.Commit();
}

void Outbox::Merged(CustomerIndex gone, CustomerIndex survivor) {
  Statement update = db_.Prepare("UPDATE outbox SET customer = ? WHERE customer = ?");
  update.Bind(1, static_cast<std::int64_t>(survivor))
      .Bind(2, static_cast<std::int64_t>(gone))
      .Run();
}

std::optional<Outbox::Stored> Outbox::Load(std::int64_t id, Payloads payloads) const {
  static const std::string kBare =
      "SELECT " + std::string(kColumnsBare) + " FROM outbox WHERE id = ?";
  static const std::string kWhole = "SELECT " + std::string(kColumns) + " FROM outbox WHERE id = ?";
  Statement select = db_.Prepare(payloads == Payloads::kLeft ? kBare : kWhole);
  select.Bind(1, id);
  if (!select.Step()) {
    return std::nullopt;
  }
  return Stored::Read(select);
}

void Outbox::Transition(Stored& row, DeliveryState to, TimePoint at, std::string_view what,
                        std::string_view words) {
  Delivery& delivery = row.delivery;
  const State from = delivery.state;
  SEGUE_CHECK(MayBecome(from, to));
  delivery.state = to;
  if (to != State::kRunning) {
    row.lease.reset();
  }
  SEGUE_CHECK((to == State::kRunning) == row.lease.has_value());
  Statement update = db_.Prepare(
      "UPDATE outbox SET state = ?, changed = ?, not_before = ?, stale_after = ?, attempts = ?, "
      "first_attempt = ?, "
      "claimed = ?, lease = ?, unresolved = ?, vendor_id = ?, detail = ? WHERE id = ? AND state = "
      "?");
  update.Bind(1, Number(to))
      .Bind(2, ToMicros(at))
      .Bind(3, ToMicros(delivery.not_before))
      .Bind(4, ToMicros(delivery.stale_after))
      .Bind(5, static_cast<std::int64_t>(delivery.attempts));
  BindTime(update, 6, row.first_attempt);
  BindTime(update, 7, row.claimed);
  BindTime(update, 8, row.lease);
  update.Bind(9, static_cast<std::int64_t>(row.unresolved))
      .Bind(10, row.vendor_id)
      .Bind(11, delivery.detail)
      .Bind(12, delivery.id)
      .Bind(13, Number(from))
      .Run();
  SEGUE_CHECK(db_.Changes() == 1);
  if (!what.empty()) {
    Note(row, from, at, what, words);
  }
  if (watcher_) {
    watcher_(delivery, row.unresolved);
  }
}

void Outbox::Note(const Stored& row, DeliveryState from, TimePoint at, std::string_view what,
                  std::string_view words) {
  if (db_.thrown_away()) {
    return;
  }
  Statement insert = db_.Prepare(
      "INSERT INTO attempt(delivery, at, from_state, to_state, what, words) VALUES (?,?,?,?,?,?)");
  insert.Bind(1, row.delivery.id)
      .Bind(2, ToMicros(at))
      .Bind(3, Number(from))
      .Bind(4, Number(row.delivery.state))
      .Bind(5, what)
      .Bind(6, row.erased ? std::string_view() : words)
      .Run();
}

}  // namespace segue
