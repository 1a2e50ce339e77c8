#include "campaign/twin.h"

#include <algorithm>
#include <functional>
#include <memory>

#include <fmt/format.h>

#include "base/hash.h"
#include "campaign/watch.h"
#include "pipeline/moments.h"
#include "store/pauses.h"

namespace segue::campaign {
namespace {

constexpr std::size_t kUnderWayMax = 400;
constexpr Duration kLate = std::chrono::hours(72);
constexpr std::size_t kShown = 400;  // Bytes of a row that differs.

struct Table {
  const char* name;
  const char* columns;
  const char* after;  // A condition, with what was seen last for ?1.
};

constexpr std::array kFollowed = {
    Table{"move", "id, model, customer, \"from\", \"to\", cause, at, why", "at > ?1"},
    Table{"run", "id, playbook, customer, move, started, arm, variant", "id > ?1"},
    Table{"decision", "id, at, playbook, customer, run, step, gate, passed, reason, detail, place",
          "at > ?1"},
    Table{"outbox",
          "id, key, kind, connector, purpose, customer, customer_key, playbook, run, step, "
          "payload, address, created",
          "id > ?1"}};

// Columns of any type as one text.
std::string AsText(std::string_view columns) {
  std::string text = "quote(";
  for (const char c : columns) {
    text += c == ',' ? std::string(") || ' ' || quote(") : std::string(1, c);
  }
  return text + ")";
}

std::string Query(const Table& table, std::string_view columns) {
  return fmt::format("SELECT {} FROM {} WHERE {} ORDER BY id", columns, table.name, table.after);
}

// The columns of one row, each ended by a byte that stands in none.
void AddRow(const Statement& row, int columns, std::string& text) {
  text.clear();
  for (int i = 0; i < columns; ++i) {
    text.append(row.BlobView(i)).push_back('\0');
  }
}

int ColumnsOf(std::string_view list) {
  return static_cast<int>(std::count(list.begin(), list.end(), ',')) + 1;
}

// The first row that is not the same in both, for people.
std::string FirstDifference(Database& here, Database& there, const Table& table,
                            std::int64_t after) {
  const std::string query = Query(table, AsText(table.columns));
  Statement a = here.Prepare(query), b = there.Prepare(query);
  a.Bind(1, after);
  b.Bind(1, after);
  while (true) {
    const std::string mine = a.Step() ? a.Text(0) : "nothing";
    const std::string theirs = b.Step() ? b.Text(0) : "nothing";
    if (mine != theirs) {
      return fmt::format("{}:\n  with crashes    {}\n  without crashes {}", table.name,
                         theirs.substr(0, kShown), mine.substr(0, kShown));
    }
    if (mine == "nothing") {
      return fmt::format("{}, in rows that have changed since", table.name);
    }
  }
}

std::array<std::int64_t, 4> Positions(const Decided& decided) {
  return {decided.moved_at, decided.run, decided.decided_at, decided.promise};
}

std::int64_t NumberOf(Database& db, std::string_view sql, std::int64_t before) {
  Statement ask = db.Prepare(sql);
  return ask.Step() && !ask.IsNull(0) ? ask.Int(0) : before;
}

void Publish(State& state, const std::string& insight, TimePoint now) {
  const std::optional<StoredMoment> found = LoadMoment(state.db(), insight);
  if (found && !found->found.empty()) {
    PutInForce(state.db(), insight, found->found, now);
  }
}

void Hear(State& state, const std::vector<Answer>& answers) {
  Transaction work(state.db());
  Statement tell = state.db().Prepare(
      "UPDATE outbox SET state = ?, changed = ?, not_before = ?, stale_after = ?, unresolved = ? "
      "WHERE key = ?");
  Statement readdress =
      state.db().Prepare("UPDATE outbox SET address = ?, payload = ? WHERE key = ?");
  for (const Answer& answer : answers) {
    tell.Bind(1, answer.state).Bind(2, answer.changed).Bind(3, answer.not_before);
    tell.Bind(4, answer.stale_after).Bind(5, answer.unresolved).Bind(6, answer.key).Run();
    if (!answer.payload.empty()) {
      readdress.Bind(1, answer.address).Bind(2, answer.payload).Bind(3, answer.key).Run();
    }
    for (const auto& [to, unresolved] : answer.heard) {
      state.playbooks().offers().Settled(answer.key, to, unresolved);
    }
  }
  work.Commit();
}

}  // namespace

Life::Life(const std::string& path, const Rulebook& book, bool guarded, TimePoint now,
           const std::function<void(bool)>& edge)
    : db(Database::Open(path)) {
  if (edge) {
    db.OnCommit(edge);
  }
  StateOptions options;
  options.links_key = "the key of links";
  state = std::make_unique<State>(db, guarded ? book.guarded : book.open, *book.checked->templates,
                                  now, options);
  cycle = std::make_unique<Cycle>(*state, nullptr);
}

void Decided::Follow(Database& db) {
  const std::array<std::int64_t, 4> positions = Positions(*this);
  std::string row;
  for (std::size_t i = 0; i < kFollowed.size(); ++i) {
    const Table& table = kFollowed.at(i);
    Statement list = db.Prepare(Query(table, table.columns));
    list.Bind(1, positions.at(i));
    while (list.Step()) {
      AddRow(list, ColumnsOf(table.columns), row);
      hash.at(i) = KeyedHash({hash.at(i), i}, row);
    }
  }
  moved_at = NumberOf(db, "SELECT max(at) FROM move", moved_at);
  run = NumberOf(db, "SELECT max(id) FROM run", run);
  decided_at = std::max(decided_at, NumberOf(db, "SELECT max(at) FROM decision", decided_at));
  promise = NumberOf(db, "SELECT max(id) FROM outbox", promise);
}

std::vector<std::pair<std::string, std::uint64_t>> Standing(State& state, TimePoint now) {
  // A process that begins moves its windows to its own now.
  state.columns().Advance(now);
  std::vector<std::pair<std::string, std::uint64_t>> all;
  const auto add = [&](const std::string& name, const std::string& columns,
                       const std::string& order) {
    std::uint64_t hash = 0;
    std::string row;
    Statement list =
        state.db().Prepare(fmt::format("SELECT {} FROM {} ORDER BY {}", columns, name, order));
    while (list.Step()) {
      AddRow(list, ColumnsOf(columns), row);
      hash = KeyedHash({hash, 0}, row);
    }
    all.emplace_back(name, hash);
  };
  add("ledger_customer", "id, key", "id");
  add("ledger_customer_block", "first, keys", "first");
  add("ledger_merged", "customer, survivor", "customer");
  add("ledger_trait", "customer, trait, value, since, newest, source", "customer, trait");
  all.emplace_back("columns", KeyedHash({}, state.columns().Fingerprint()));
  add("lines", "model, score, line, value, key", "model, score, line");
  add("segment_wait", "model, customer, why", "model, customer");
  std::uint64_t members = 0;
  for (std::size_t model = 0; model < state.workspace().models.size(); ++model) {
    if (const Segments* segments = state.segments(static_cast<int>(model))) {
      const bool accounts = state.workspace().models[model].of == Subject::kAccount;
      const CustomerIndex first = accounts ? kFirstAccount : 0;
      const CustomerIndex count =
          accounts ? state.ledger().account_count() : state.ledger().customer_count();
      for (CustomerIndex who = first; who < first + count; ++who) {
        const Membership at = segments->Get(who);
        members =
            KeyedHash({members, who}, fmt::format("{} {} {} {}", at.segment, ToMicros(at.since),
                                                  at.answer, fmt::join(at.scores, " ")));
      }
    }
  }
  all.emplace_back("memberships", members);
  add("move", "id, model, customer, \"from\", \"to\", cause, at, why", "id");
  add("pending_start", "playbook, customer, move, at, due, said_stale", "playbook, customer");
  add("every_last", "playbook, customer, at", "playbook, customer");
  add("flag_on", "flag, customer", "flag, customer");
  add("run",
      "id, playbook, customer, move, started, step, wakes, goal_at, arm, variant, entered, ended, "
      "reason",
      "id");
  add("audience_member", "audience, customer, key, playbook, run", "audience, key");
  add("offer_grant", "id, offer, code, customer, run, reserved, expires, cost, state", "id");
  add("offer_month", "offer, month, taken", "offer, month");
  return all;
}

void Do(Life& life, const Operation& operation) {
  using Kind = Operation::Kind;
  State& state = *life.state;
  const TimePoint at = operation.at;
  CycleReport report;
  switch (operation.kind) {
    case Kind::kIngest:
      life.cycle->Ingest(operation.facts, operation.a, kLate, at, report);
      return;
    case Kind::kRead:
      life.cycle->MarkRead(at);
      return;
    case Kind::kDecide:
      life.cycle->Decide(at, report);
      return;
    case Kind::kAnswers:
      Hear(state, operation.answers);
      return;
    default:
      break;
  }
  Transaction work(life.db);
  if (operation.kind == Kind::kSuppress) {
    state.Suppress(operation.a, "by_hand", at);
  } else if (operation.kind == Kind::kPause) {
    Pauses(life.db).Begin({operation.a, operation.b, at, "to look at it"});
  } else if (operation.kind == Kind::kLetGo) {
    Pauses(life.db).End(operation.a, operation.b);
  } else if (operation.kind == Kind::kCodes) {
    state.playbooks().offers().AddCodes(operation.a, operation.b);
  } else if (operation.kind == Kind::kPublish) {
    Publish(state, operation.a, at);
  }
  work.Commit();
}

void Wire::Put(Operation operation) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return closed_ || under_way_.size() < kUnderWayMax; });
  if (closed_) {
    throw Broken(why_);
  }
  under_way_.push_back(std::move(operation));
  changed_.notify_all();
}

std::optional<Operation> Wire::Take() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return closed_ || !under_way_.empty(); });
  if (closed_) {
    return std::nullopt;
  }
  std::optional<Operation> first = std::move(under_way_.front());
  under_way_.pop_front();
  changed_.notify_all();
  return first;
}

void Wire::Close(const std::string& why) {
  const std::lock_guard lock(mutex_);
  why_ = closed_ ? why_ : why;
  closed_ = true;
  changed_.notify_all();
}

std::string Wire::why() {
  const std::lock_guard lock(mutex_);
  return why_;
}

namespace {

void Compare(Database& db, Decided& mine, const Operation& operation, const std::string& path) {
  const std::array<std::int64_t, 4> before = Positions(mine);
  mine.Follow(db);
  for (std::size_t i = 0; i < kFollowed.size(); ++i) {
    if (mine.hash.at(i) != operation.decided.hash.at(i)) {
      Database other = Database::Open(path, Database::Mode::kReadOnly);
      throw Broken(fmt::format("until {} something was decided otherwise with crashes: {}",
                               FormatTime(operation.at),
                               FirstDifference(db, other, kFollowed.at(i), before.at(i))));
    }
  }
}

void CompareStanding(State& state, const Operation& operation) {
  if (operation.standing.empty()) {
    return;
  }
  const auto standing = Standing(state, operation.at);
  for (std::size_t i = 0; i < standing.size(); ++i) {
    if (standing[i] != operation.standing.at(i)) {
      throw Broken(fmt::format("at {} another {} with crashes", FormatTime(operation.at),
                               standing[i].first));
    }
  }
}

void LiveOn(Wire& wire, const Rulebook& book, const std::string& path,
            const std::string& other_path, TimePoint start) {
  using Kind = Operation::Kind;
  auto life = std::make_unique<Life>(path, book, true, start, nullptr);
  life->db.Execute("PRAGMA synchronous = OFF");
  Decided mine;
  while (const std::optional<Operation> operation = wire.Take()) {
    switch (operation->kind) {
      case Kind::kGuard:
      case Kind::kOpen:
        life.reset();
        life = std::make_unique<Life>(path, book, operation->kind == Kind::kGuard, operation->at,
                                      nullptr);
        break;
      case Kind::kCompare:
        Compare(life->db, mine, *operation, other_path);
        CompareStanding(*life->state, *operation);
        life->state->ledger().Seal();
        break;
      case Kind::kEnd:
        CompareStanding(*life->state, *operation);
        return;
      default:
        Do(*life, *operation);
    }
  }
}

}  // namespace

void LiveAsTwin(Wire& wire, const Rulebook& book, const std::string& path,
                const std::string& other_path, TimePoint start) {
  try {
    LiveOn(wire, book, path, other_path, start);
    wire.Close("");
  } catch (const std::exception& error) {
    wire.Close(error.what());
  }
}

}  // namespace segue::campaign
