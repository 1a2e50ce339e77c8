// pause and resume: the stop button, and letting go on.  Nothing is caught up silently: what was
// missed is counted and named, and what would go out at once is asked about.

#include <algorithm>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/text.h"
#include "cli/cli.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "store/pauses.h"

namespace segue {
namespace {

// What the word names: `all`, a playbook or a connector of the files that run.
std::pair<std::string, std::string> KindOf(const std::string& what, const Workspace& workspace) {
  if (what == "all") {
    return {"all", ""};
  }
  const bool playbook = workspace.FindPlaybook(what).has_value();
  const bool connector = workspace.FindConnector(what) != nullptr;
  if (playbook && connector) {
    throw Failure{kUsage, fmt::format("{0} is a playbook and a connector: write playbook:{0} or "
                                      "connector:{0}\n",
                                      what)};
  }
  if (playbook || connector) {
    return {playbook ? "playbook" : "connector", what};
  }
  for (const std::string kind : {"playbook", "connector"}) {
    if (what.starts_with(kind + ":") && what.size() > kind.size() + 1) {
      return {kind, what.substr(kind.size() + 1)};
    }
  }
  std::vector<std::string> known;
  for (const Playbook& one : workspace.playbooks) {
    known.push_back(one.id);
  }
  for (const ConnectorSettings& one : workspace.connectors) {
    known.push_back(one.id);
  }
  const std::optional<std::string> near = Nearest(what, known);
  throw Failure{
      kUsage,
      fmt::format("there is no playbook and no connector {} in the files that run{}. One that is "
                  "not live yet, or is gone, is named playbook:{} or connector:{}\n",
                  what, near ? "; did you mean " + *near + "?" : "", what, what)};
}

// What is paused under that name, also where no file has it any more; else what it names.
std::pair<std::string, std::string> PausedAs(const std::string& what,
                                             const std::vector<Pause>& pauses,
                                             const Workspace& workspace) {
  std::vector<std::pair<std::string, std::string>> found;
  for (const Pause& pause : pauses) {
    if (what != "all" && pause.id == what) {
      found.emplace_back(pause.kind, pause.id);
    }
  }
  return found.size() == 1 ? found.front() : KindOf(what, workspace);
}

std::string NameOf(const std::string& kind, const std::string& id) {
  return kind == "all" ? "everything" : kind + " " + id;
}

// What a pause has held back, by now.
struct Missed {
  std::int64_t refused = 0;  // Starts that were refused as paused.
  std::int64_t due = 0;      // Runs whose wait ran out, and that go on at once.
  std::int64_t overdue = 0;  // … too long ago: their sends are skipped as stale.
  std::int64_t waiting = 0;  // Promises that would go out at once.
  std::int64_t stale = 0;    // Promises that are too late and are dropped.
};

std::int64_t Count(Database& db, const std::string& sql, const Pause& pause,
                   std::optional<TimePoint> moment) {
  Statement count = db.Prepare(sql + " AND (?1 = '' OR ?1 = " +
                               (pause.kind == "connector" ? "connector" : "playbook") + ")");
  count.Bind(1, pause.id).Bind(2, ToMicros(moment.value_or(pause.since)));
  count.Step();
  return count.Int(0);
}

Missed MissedBy(Database& db, const Pause& pause, Duration stale_after, TimePoint now) {
  Missed missed;
  Statement ran = db.Prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'run'");
  if (!ran.Step()) {
    return missed;  // Tables that no cycle has made yet hold nothing.
  }
  ran.Reset();
  if (pause.kind != "connector") {
    missed.refused = Count(db,
                           "SELECT count(*) FROM decision WHERE passed = 0 AND reason = 'paused' "
                           "AND at >= ?2",
                           pause, pause.since);
    const std::int64_t all =
        Count(db, "SELECT count(*) FROM run WHERE ended IS NULL AND wakes <= ?2", pause, now);
    missed.overdue = Count(db, "SELECT count(*) FROM run WHERE ended IS NULL AND wakes < ?2", pause,
                           now - stale_after);
    missed.due = all - missed.overdue;
  }
  const std::int64_t all =
      Count(db, "SELECT count(*) FROM outbox WHERE state = 0 AND created <= ?2", pause, now);
  missed.stale =
      Count(db, "SELECT count(*) FROM outbox WHERE state = 0 AND stale_after < ?2", pause, now);
  missed.waiting = all - missed.stale;
  return missed;
}

std::string MissedText(const Missed& missed) {
  const auto line = [](std::int64_t count, std::string_view words) {
    return count == 0 ? std::string() : fmt::format("   {:>7} {}\n", Grouped(count), words);
  };
  return line(missed.refused, "starts were refused as paused: they are not made up for") +
         line(missed.overdue,
              "runs waited too long: their sends and tasks up to the next wait are skipped as "
              "stale") +
         line(missed.due, "runs go on where they stand") +
         line(missed.stale, "promises are too late and are dropped as stale") +
         line(missed.waiting, "promises wait");
}

struct Dropped {
  std::int64_t dropped = 0;
  std::int64_t unknown = 0;   // May have arrived before the pause.
  std::int64_t removals = 0;  // Were kept.
};

// Ends what waits, by hand and with the note; codes that it would have printed go back.  Who is to
// leave a list still leaves it: nobody would promise that again, and they would stay in it for
// ever.
Dropped DropWaiting(Database& db, const Workspace& workspace, const Pause& pause,
                    const std::string& note, TimePoint now) {
  Outbox outbox(db);
  Offers offers(db, workspace);
  WatchOffers(outbox, offers);
  OutboxFilter filter;
  filter.state = DeliveryState::kWaiting;
  filter.limit = -1;
  (pause.kind == "connector" ? filter.connector : filter.playbook) = pause.id;
  Dropped count;
  for (const Delivery& delivery : outbox.List(filter)) {
    if (Removes(delivery)) {
      ++count.removals;
      continue;
    }
    if (outbox.DropByHand(delivery.id, note, now)) {
      const bool open = outbox.Get(delivery.id)->state == DeliveryState::kUnknown;
      ++(open ? count.unknown : count.dropped);
    }
  }
  return count;
}

}  // namespace

int RunPause(const Common& common, const PauseOptions& options) {
  RequireState(common);
  Database db = Database::Open(StateFile(common));
  const Checked checked = OpenRunning(db, common);
  Pauses pauses(db);
  if (options.what.empty()) {
    Table table({"paused", "since", "note"});
    for (const Pause& pause : pauses.all()) {
      table.Row({NameOf(pause.kind, pause.id),
                 checked.workspace->schema.timezone.Format(pause.since), pause.note});
    }
    if (common.json) {
      boost::json::array all;
      for (const Pause& pause : pauses.all()) {
        all.push_back({{"kind", pause.kind},
                       {"id", pause.id},
                       {"since", FormatTime(pause.since)},
                       {"note", pause.note}});
      }
      fmt::print("{}\n", boost::json::serialize(all));
      return kFine;
    }
    fmt::print("{}", pauses.all().empty() ? "nothing is paused\n" : table.Text());
    return kFine;
  }
  const auto [kind, id] = KindOf(options.what, *checked.workspace);
  const bool is_new = pauses.Begin({kind, id, MomentOf(common, *checked.workspace), options.note});
  if (common.json) {
    const boost::json::object out{{"kind", kind}, {"id", id}, {"paused", true}, {"new", is_new}};
    fmt::print("{}\n", boost::json::serialize(out));
    return kFine;
  }
  if (!is_new) {
    fmt::print("{} is paused already\n", NameOf(kind, id));
    return kFine;
  }
  fmt::print(
      "{} is paused: {}. A service that is at work notices within 15 seconds; what it has "
      "handed to a tool by then stands\n",
      NameOf(kind, id),
      kind == "connector" ? "nothing goes to it, and what is promised waits"
                          : "nothing starts, runs stand still, and what is promised waits");
  return kFine;
}

int RunResume(const Common& common, const PauseOptions& options) {
  RequireState(common);
  Database db = Database::Open(StateFile(common));
  const Checked checked = OpenRunning(db, common);
  const TimePoint now = MomentOf(common, *checked.workspace);
  Transaction work(db);  // What is counted is what goes on, whatever is promised meanwhile.
  Pauses pauses(db);
  const auto paused = PausedAs(options.what, pauses.all(), *checked.workspace);
  const std::string& kind = paused.first;
  const std::string& id = paused.second;
  const auto found =
      std::find_if(pauses.all().begin(), pauses.all().end(),
                   [&](const Pause& pause) { return pause.kind == kind && pause.id == id; });
  if (found == pauses.all().end()) {
    throw Failure{kUsage,
                  fmt::format("{} not paused{}\n",
                              kind == "all" ? "everything at once is" : NameOf(kind, id) + " is",
                              pauses.all().empty() ? "" : "; `segue pause` lists what is")};
  }
  const Pause& pause = *found;
  const Missed missed = MissedBy(db, pause, checked.workspace->stale_after, now);
  const std::string text = MissedText(missed);
  if (missed.waiting > 0 && !options.send && !options.drop) {
    throw Failure{
        kFindings,
        fmt::format("{} stays paused. Since {}:\n{}say what becomes of what waits: "
                    "`segue resume {} --send` or `--drop`\n",
                    NameOf(kind, id), checked.workspace->schema.timezone.Format(pause.since), text,
                    options.what)};
  }
  Dropped count;
  if (options.drop) {
    count = DropWaiting(db, *checked.workspace, pause,
                        options.note.empty() ? "resumed without it" : options.note, now);
  }
  const std::string since = checked.workspace->schema.timezone.Format(pause.since);
  pauses.End(kind, id);
  work.Commit();
  if (common.json) {
    const boost::json::object out{{"kind", kind},
                                  {"id", id},
                                  {"paused", false},
                                  {"refused", missed.refused},
                                  {"overdue", missed.overdue},
                                  {"due", missed.due},
                                  {"stale", missed.stale},
                                  {"waiting", missed.waiting},
                                  {"dropped", count.dropped},
                                  {"unknown", count.unknown},
                                  {"removals", count.removals}};
    fmt::print("{}\n", boost::json::serialize(out));
    return kFine;
  }
  fmt::print("{} goes on. Since {}:\n{}", NameOf(kind, id), since,
             text.empty() ? "   nothing was missed\n" : text);
  if (count.dropped > 0) {
    fmt::print("   {:>7} of them were dropped\n", Grouped(count.dropped));
  }
  if (count.removals > 0) {
    fmt::print("   {:>7} of them take somebody out of a list, and still do\n",
               Grouped(count.removals));
  }
  if (count.unknown > 0) {
    fmt::print("   {:>7} of them are unknown: an answer was lost before, they may have arrived\n",
               Grouped(count.unknown));
  }
  return kFine;
}

}  // namespace segue
