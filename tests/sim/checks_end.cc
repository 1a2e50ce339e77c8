// What must hold when everything has come to an end, and what a twin must have decided too.

#include <algorithm>

#include <fmt/format.h>

#include "sim/checks.h"
#include "sim/parts.h"

namespace segue::sim {
namespace {

std::int64_t NumberOf(Database& db, const std::string& sql) {
  Statement ask = db.Prepare(sql);
  return ask.Step() && !ask.IsNull(0) ? ask.Int(0) : 0;
}

std::string Rows(Database& db, const std::string& sql) {
  std::string text;
  Statement list = db.Prepare("SELECT concat_row FROM (" + sql + ")");
  while (list.Step()) {
    text += list.Text(0) + "\n";
  }
  return text;
}

// Who is where, in every model.  Features are left out: those that nobody reads are not stored, and
// a process that has just begun does not have them.
std::string Memberships(Parts& parts) {
  std::string text;
  State& state = *parts.state;
  for (std::size_t model = 0; model < parts.workspace().models.size(); ++model) {
    const Segments& segments = *state.segments(static_cast<int>(model));
    for (CustomerIndex who = 0; who < state.ledger().customer_count(); ++who) {
      const Membership at = segments.Get(who);
      text += fmt::format("{} {}: {} {} {} {} {} {}", parts.workspace().models[model].id, who,
                          at.segment, ToMicros(at.since), at.answer, at.answer_runs,
                          ToMicros(at.answer_since), at.placed);
      for (const double score : at.scores) {
        text += fmt::format(" {}", score);
      }
      for (const bool flag : at.flags) {
        text += flag ? " yes" : " no";
      }
      text += "\n";
    }
  }
  return text;
}

// Columns of any type as one text.
std::string Joined(std::initializer_list<const char*> columns) {
  std::string sql;
  for (const char* column : columns) {
    sql += fmt::format("{}quote({})", sql.empty() ? "" : " || ' ' || ", column);
  }
  return sql + " AS concat_row";
}

}  // namespace

std::vector<std::pair<std::string, std::string>> Decided(Parts& parts) {
  Database& db = *parts.db;
  const auto rows = [&](const char* table, std::initializer_list<const char*> columns,
                        const char* order) {
    return Rows(db, fmt::format("SELECT {} FROM {} ORDER BY {}", Joined(columns), table, order));
  };
  // In the order of causes, so that the first difference is the nearest to its cause.
  return {
      {"source",
       rows("source_state",
            {"source", "cursor", "last_slot", "last_ok", "error", "rows", "anonymous", "rounded"},
            "source")},
      {"quarantine",
       rows("bad_row", {"source", "file", "line", "reason", "raw"}, "source, file, line")},
      {"missed slots", rows("missed_slots", {"what", "missed", "last"}, "what")},
      {"customer", rows("ledger_customer", {"id", "key"}, "id")},
      {"packed customers", rows("ledger_customer_block", {"first", "hex(keys)"}, "first")},
      {"merged", rows("ledger_merged", {"customer", "survivor"}, "customer")},
      {"trait", rows("ledger_trait", {"customer", "trait", "value", "since", "newest", "source"},
                     "customer, trait")},
      {"column", parts.state->columns().Fingerprint()},
      {"learned line",
       rows("lines", {"model", "score", "line", "value", "key"}, "model, score, line")},
      {"segment model",
       rows("segment_model", {"model", "baseline", "last_slot", "missed", "known"}, "model")},
      {"membership", Memberships(parts)},
      {"held answer", rows("segment_wait", {"model", "customer", "why"}, "model, customer")},
      {"move",
       rows("move", {"id", "model", "customer", "\"from\"", "\"to\"", "cause", "at", "why"}, "id")},
      {"pending start",
       rows("pending_start", {"playbook", "customer", "move", "at", "due"}, "playbook, customer")},
      {"run", rows("run",
                   {"id", "playbook", "customer", "move", "started", "step", "wakes", "goal_at",
                    "ended", "reason"},
                   "id")},
      {"decision", rows("decision",
                        {"id", "at", "playbook", "customer", "run", "step", "gate", "passed",
                         "reason", "detail", "place"},
                        "id")},
      // Where a mail goes is found when it goes out, and a crash delays that.
      {"promise", rows("outbox",
                       {"id", "key", "kind", "connector", "purpose", "customer", "customer_key",
                        "playbook", "run", "step", "json_remove(payload, '$.to')",
                        "iif(kind = 0, '', address)", "created"},
                       "id")},
  };
}

std::string Difference(const std::vector<std::pair<std::string, std::string>>& here,
                       const std::vector<std::pair<std::string, std::string>>& there) {
  for (std::size_t i = 0; i < here.size(); ++i) {
    const auto& [table, a] = here[i];
    const std::string& b = there[i].second;
    const auto [end, ignored] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
    if (end == a.end() && a.size() == b.size()) {
      continue;
    }
    const auto place = static_cast<std::size_t>(end - a.begin());
    const std::size_t line = place == 0 ? 0 : a.rfind('\n', place - 1) + 1;
    const std::size_t from = std::max(line, place < 200 ? 0 : place - 200);
    return fmt::format("{} differs at byte {} of a row:\n  {}\n  {}", table, place - line,
                       a.substr(from, 300), from < b.size() ? b.substr(from, 300) : "");
  }
  return "";
}

void Checks::AtTheEnd() {
  NobodyIsLost();
  EveryMoveWasAnswered();
  OutcomesAreTrue();
  ErasedAreGone();
  ColumnsEqualRebuilt();
  Statement sound = run_.parts_->db->Prepare("PRAGMA quick_check");
  if (!sound.Step() || sound.Text(0) != "ok") {
    throw Violation("the state file is damaged");
  }
}

// Every event of every row that was read is in the ledger once, and nothing else is.
void Checks::NobodyIsLost() {
  Parts& parts = *run_.parts_;
  Ledger& ledger = parts.state->ledger();
  const Schema& schema = parts.workspace().schema;
  for (const auto& [source, kind_name] :
       {std::pair("orders", "order_placed"), std::pair("refunds", "order_refunded")}) {
    const int kind = *schema.FindEvent(kind_name);
    std::map<CustomerIndex, std::int64_t> stored, wanted;
    ledger.Scan(kind, TimePoint::min(), TimePoint::max(), [&](const StoredEvent& event) {
      stored[event.customer] += event.kind == kind && !event.orphan ? 1 : 0;
    });
    for (const auto& [who, ids] : run_.world_.Events(source)) {
      const std::optional<CustomerIndex> customer = ledger.FindCustomer(who);
      if (!customer && !ids.empty()) {
        throw Violation(who + " has events and is not in the base");
      }
      if (!ids.empty()) {
        wanted[*customer] += std::ssize(ids);
      }
    }
    std::erase_if(stored, [](const auto& entry) { return entry.second == 0; });
    for (const auto& [customer, number] : wanted) {
      if (stored[customer] != number) {
        throw Violation(fmt::format("{} has {} of {} {} in the ledger",
                                    ledger.CustomerKey(customer), stored[customer], number,
                                    source));
      }
    }
    if (stored.size() != wanted.size()) {
      throw Violation(fmt::format("somebody has {} who brought none", source));
    }
  }
}

// Each move that a playbook listens to left a row for it, or still waits.
void Checks::EveryMoveWasAnswered() {
  Parts& parts = *run_.parts_;
  Database& db = *parts.db;
  const Workspace& workspace = parts.workspace();
  for (const Playbook& playbook : workspace.playbooks) {
    const Model& model = workspace.models[static_cast<std::size_t>(playbook.on.model)];
    const auto listens = [&](const std::vector<SegmentIndex>& named, const std::string& segment) {
      for (const SegmentIndex index : named) {
        const std::string id =
            index == kNoSegment ? "" : model.segments[static_cast<std::size_t>(index)].id;
        if (id == segment) {
          return true;
        }
      }
      return named.empty();
    };
    Statement moves = db.Prepare(
        "SELECT m.id, m.customer, coalesce(\"from\", ''), coalesce(\"to\", ''), m.at FROM move m "
        "WHERE m.model = ? AND m.cause IN (?, ?) ORDER BY m.id");
    // Of all causes only these two start anybody.
    moves.Bind(1, model.id)
        .Bind(2, static_cast<std::int64_t>(Cause::kBehaviour))
        .Bind(3, static_cast<std::int64_t>(Cause::kTime));
    while (moves.Step()) {
      if (!listens(playbook.on.from, moves.Text(2)) || !listens(playbook.on.to, moves.Text(3)) ||
          (moves.Text(3).empty() && playbook.on.to.empty() && playbook.on.from.empty()) ||
          !run_.parts_->state->ledger().IsAlive(static_cast<CustomerIndex>(moves.Int(1)))) {
        continue;
      }
      Statement answered = db.Prepare(
          "SELECT (SELECT count(*) FROM decision WHERE playbook = ?1 AND customer = ?2 AND at >= "
          "?3) + "
          "(SELECT count(*) FROM pending_start WHERE playbook = ?1 AND customer = ?2)");
      answered.Bind(1, playbook.id).Bind(2, moves.Int(1)).Bind(3, moves.Int(4));
      if (answered.Step() && answered.Int(0) == 0) {
        throw Violation(fmt::format("move {} of customer {} to {} was not answered by {}",
                                    moves.Int(0), moves.Int(1), moves.Text(3), playbook.id));
      }
    }
  }
}

// What the outbox says happened did happen, and the other way round.
void Checks::OutcomesAreTrue() {
  Database& db = *run_.parts_->db;
  Statement list =
      db.Prepare("SELECT key, state, detail, attempts, id, erased FROM outbox ORDER BY id");
  while (list.Step()) {
    const std::string key = list.Text(0);
    const auto state = static_cast<DeliveryState>(list.Int(1));
    const Entry& entry = run_.vendor_.At(key);
    const auto wrong = [&](std::string_view what) {
      throw Violation(fmt::format("delivery {} is {} ({}), and {}", list.Int(4),
                                  DeliveryStateName(state), list.Text(2), what));
    };
    const bool open_question = list.Text(2).find("an earlier answer was lost") != std::string::npos;
    switch (state) {
      case DeliveryState::kAccepted:
        if (entry.effects != 1) {
          wrong(fmt::format("it happened {} times", entry.effects));
        }
        break;
      case DeliveryState::kRefused:
        if (!entry.refused && entry.asked > 0) {
          wrong("the vendor did not refuse");
        }
        [[fallthrough]];
      case DeliveryState::kSuppressed:
      case DeliveryState::kDropped:
        if (entry.effects > 0 && !open_question && list.Int(5) == 0) {
          wrong("it happened");
        }
        if (list.Text(2).empty()) {
          wrong("nothing says why");
        }
        break;
      case DeliveryState::kWaiting:
      case DeliveryState::kRunning:
      case DeliveryState::kUnknown:
      case DeliveryState::kDead:
        wrong("everything should have come to an end");
    }
    if (entry.effects > 1) {
      wrong("it happened twice");
    }
  }
}

void Checks::ErasedAreGone() {
  Database& db = *run_.parts_->db;
  const Ledger& ledger = run_.parts_->state->ledger();
  for (const std::string& key : run_.world_.ErasedKeys()) {
    const std::string address = key + "@sim.example";
    Statement find = db.Prepare(
        "SELECT (SELECT count(*) FROM outbox WHERE customer_key = ?1 OR instr(payload, ?2) OR "
        "instr(address, ?2)) + (SELECT count(*) FROM ledger_customer WHERE key = ?1) + (SELECT "
        "count(*) FROM ledger_trait WHERE value = ?2)");
    find.Bind(1, key).Bind(2, address);
    if ((find.Step() && find.Int(0) > 0) || ledger.CountPackedKeys(key) > 0) {
      throw Violation(key + " was erased and can still be found");
    }
  }
  for (CustomerIndex customer = 0; customer < ledger.customer_count(); ++customer) {
    if (!ledger.CustomerKey(customer).empty()) {
      continue;
    }
    if (NumberOf(db, fmt::format("SELECT count(*) FROM decision WHERE customer = {}", customer)) >
        0) {
      throw Violation("decisions about somebody who was erased are still there");
    }
    if (NumberOf(db, fmt::format("SELECT count(*) FROM move WHERE why <> '' AND customer = {}",
                                 customer)) > 0) {
      throw Violation("why somebody moved who was erased is still there");
    }
  }
}

void Checks::ColumnsEqualRebuilt() {
  Columns& columns = run_.parts_->state->columns();
  const std::string before = columns.Fingerprint();
  columns.Rebuild();
  if (columns.Fingerprint() != before) {
    throw Violation("the columns differ from ones rebuilt from the ledger");
  }
}

}  // namespace segue::sim
