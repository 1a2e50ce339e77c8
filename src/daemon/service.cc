#include "daemon/service.h"

#include <algorithm>
#include <csignal>
#include <spdlog/spdlog.h>
#include <systemd/sd-daemon.h>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>

#include "base/clock.h"
#include "daemon/alive.h"
#include "daemon/files.h"
#include "daemon/front.h"
#include "daemon/metrics.h"
#include "daemon/running.h"
#include "daemon/told.h"
#include "daemon/transport.h"
#include "pipeline/answers.h"

namespace segue {
namespace {

// The longest sleep: what another process put into the outbox, and a clock that was set, are
// noticed after it.
constexpr Duration kLongestSleep = std::chrono::seconds(15);
// A cycle that a brake holds waits for a person.
constexpr Duration kPauseAtBrake = std::chrono::minutes(15);
// After an exception (disk full, broken file): the state is opened again after this long.
constexpr Duration kPauseAfterFailure = std::chrono::seconds(10);
// While another process holds the state file: so long a turn waits for it, and so long the loop is
// then free for signals and systemd's watchdog.
constexpr Duration kPauseWhileHeld = std::chrono::seconds(1);
// The journal is sealed into chunks and the columns are saved this often; a crash costs their
// replay.
constexpr Duration kSaveEvery = std::chrono::hours(1);
// What is pushed in starts a cycle soon, but cycles take no more than a fifth of the time.
constexpr Duration kShortestPause = std::chrono::seconds(1);
constexpr int kRestPerWork = 4;
// For replies that are under way when the service is told to end; below TimeoutStopSec of the unit.
constexpr Duration kLongestStop = std::chrono::seconds(40);

}  // namespace

struct Service::Inner {
  Inner(Database& database, Checked checked, ServiceParts what)
      : db(database),
        parts(std::move(what)),
        files(std::make_shared<const Checked>(std::move(checked))),
        signals(io, SIGTERM, SIGINT, SIGHUP),
        timer(io),
        watchdog(io) {
    signals.add(SIGUSR1);
    NewTransport();
  }

  // What the old one has under way is given up.
  void NewTransport() {
    transport.reset();
    transport =
        std::make_unique<Transport>(parts.state_folder, [this](std::int64_t id, Reply reply) {
          boost::asio::post(io, [this, id, reply = std::move(reply)]() mutable {
            replies.emplace_back(id, std::move(reply));
            Soon();
          });
        });
  }

  // Calls back on the web server's thread.
  Front::Hooks HooksOfFront() {
    return {.came =
                [this] {
                  boost::asio::post(io, [this] {
                    pushed = true;
                    Soon();
                  });
                },
            .count =
                [this](std::int64_t number) {
                  boost::asio::post(io, [this, number] { front->GiveCount(number, Counted()); });
                },
            .in_force =
                [this](std::int64_t number, const std::string& customer) {
                  boost::asio::post(io, [this, number, customer] {
                    front->GiveInForce(number, InForceOf(customer));
                  });
                }};
  }

  std::string Counted();
  std::optional<InForce> InForceOf(const std::string& customer);
  void Turn();
  void Act(TimePoint now);
  bool IsFree(TimePoint now);
  void Hold(TimePoint now);
  void Work(TimePoint now);
  void TakeAnswers(TimePoint now);
  void TakePushed(TimePoint now);
  void Read(TimePoint now, CycleReport& report);
  void RunCycle(TimePoint now);
  void Dispatch(TimePoint now);
  std::unique_ptr<Running> Opened(std::shared_ptr<const Checked> with, TimePoint now);
  void Open(TimePoint now);
  void Reload();
  void KeepFiles(std::string_view why);
  bool OpenNext(TimePoint now);
  void Reopen(TimePoint now);
  void Save(TimePoint now);
  void Failed(std::string_view what, TimePoint now);
  void Sleep(TimePoint now);
  void Soon();

  // Nothing new begins until the replies that are under way have come.
  bool Closing() const { return stopping || broken || next_files != nullptr; }

  static void Warn(const std::string& problem) {
    if (!problem.empty()) {
      spdlog::warn("{}", problem);
    }
  }

  void OnSignal(int signal);
  void Listen();
  void Watch();

  Database& db;
  ServiceParts parts;
  std::shared_ptr<const Checked> files;  // The last good ones.
  std::unique_ptr<Running> running;
  std::shared_ptr<const Checked> next_files;  // Of a reload, until nothing is under way any more.
  FrontPlan next_front;                       // Beside them.
  SystemClock clock;
  boost::asio::io_context io;
  boost::asio::signal_set signals;
  boost::asio::steady_timer timer;
  boost::asio::steady_timer watchdog;
  Alive alive;
  std::vector<std::pair<std::int64_t, Reply>> replies;
  ToldHealth told;
  std::int64_t in_flight = 0;
  std::int64_t generation_from = 0;  // Calls below belong to a dispatcher that is gone.
  CycleTally tally;
  bool turn_is_posted = false;
  bool pushed = true;   // Something is in the spool that no cycle has seen, perhaps.
  bool braked = false;  // A cycle is held until a person lets it pass.
  // After one that a brake cut off: what is in memory is good for nothing but to write down
  // replies.
  bool broken = false;
  bool pull_all = false;
  bool reload_asked = false;
  bool stopping = false;
  std::optional<TimePoint> stop_at;
  std::optional<TimePoint> held_since;  // By another process.
  TimePoint next_cycle = TimePoint::min();
  TimePoint next_save = TimePoint::min();
  std::optional<TimePoint> next_delivery;
  TimePoint not_before = TimePoint::min();  // After a failure.
  TimePoint last_turn = TimePoint::min();
  std::optional<TimePoint> answers_read;  // Until then all answers of customers were.
  // Last: their threads post to all of the above.
  std::unique_ptr<Transport> transport;
  std::unique_ptr<Front> front;
};

Service::Service(Database& db, Checked checked, ServiceParts parts)
    : inner_(std::make_unique<Inner>(db, std::move(checked), std::move(parts))) {}

Service::~Service() = default;

Result<void> Service::Run() {
  Inner& inner = *inner_;
  inner.front = std::make_unique<Front>(inner.parts.state_folder, inner.HooksOfFront());
  Result<FrontPlan> plan = MakeFrontPlan(inner.files, inner.parts.options(*inner.files->workspace));
  if (!plan) {
    return plan.error();
  }
  if (Result<void> open = inner.front->Use(std::move(*plan)); !open) {
    return open;
  }
  inner.Listen();
  inner.Watch();
  inner.Soon();
  inner.io.run();
  inner.front.reset();
  inner.replies.clear();
  return {};
}

void Service::Inner::Listen() {
  signals.async_wait([this](const boost::system::error_code& error, int signal) {
    if (!error) {
      OnSignal(signal);
      Listen();
    }
  });
}

void Service::Inner::OnSignal(int signal) {
  if (signal == SIGHUP) {
    sd_notify(0, "RELOADING=1");
    reload_asked = true;
  } else if (signal == SIGUSR1) {
    pull_all = true;
    next_cycle = TimePoint::min();
  } else if (!stopping) {
    stopping = true;
    front->SetAtWork(false);
    stop_at = clock.Now() + kLongestStop;
    sd_notify(0, "STOPPING=1");
    spdlog::info("asked to end: {} calls are under way", in_flight);
  }
  Soon();
}

// Systemd restarts us when the loop hangs: only the loop itself, and what it waits for, says that
// it lives.
void Service::Inner::Watch() {
  alive.Tell();
  if (!alive.every()) {
    return;
  }
  watchdog.expires_after(*alive.every());
  watchdog.async_wait([this](const boost::system::error_code& error) {
    if (!error) {
      Watch();
    }
  });
}

// One turn for all that has come in the meantime.
void Service::Inner::Soon() {
  if (!turn_is_posted) {
    turn_is_posted = true;
    boost::asio::post(io, [this] { Turn(); });
  }
}

void Service::Inner::Turn() {
  turn_is_posted = false;
  const TimePoint now = clock.Now();
  if (now < last_turn) {
    spdlog::warn("the clock was set back by {} seconds: slots that were used stay used",
                 std::chrono::duration_cast<std::chrono::seconds>(last_turn - now).count());
    next_cycle = not_before = next_save = TimePoint::min();
  }
  last_turn = now;
  try {
    if (IsFree(now)) {
      Act(now);
    }
  } catch (const BrakePulled& brake) {
    // What was promised before goes on; the held cycle is tried again.
    spdlog::error("{}", brake.what());
    braked = broken = pushed = true;
    next_cycle = now + kPauseAtBrake;
    Soon();
  } catch (const StopAsked&) {
    broken = true;  // What is read again at the next start.
  } catch (const DatabaseBusy&) {
    // Nothing was lost: what is in memory may be ahead of the file, and replies are kept.
    broken = running != nullptr;
    pushed = true;
    Hold(now);
  } catch (const std::exception& error) {
    Failed(error.what(), now);
  }
  if (stopping && (in_flight == 0 || now >= *stop_at || running == nullptr)) {
    try {
      if (running != nullptr && !broken && !held_since) {
        next_save = TimePoint::min();
        Save(now);
      }
    } catch (const std::exception& error) {
      spdlog::error("could not save the columns: {}", error.what());
    }
    spdlog::info("ended; {} calls were given up", in_flight);
    io.stop();
    return;
  }
  Sleep(clock.Now());  // A turn may have taken long.
}

void Service::Inner::Act(TimePoint now) {
  if (std::exchange(reload_asked, false)) {
    Reload();
  }
  if (running == nullptr && now >= not_before) {
    Open(now);
  }
  if (running != nullptr) {
    Work(now);
  }
}

// A verb that looks holds the state file until it has seen enough, and other programs may hold it
// for longer.  Until they let go nothing begins; what came meanwhile, and slots that fell due,
// wait.
bool Service::Inner::IsFree(TimePoint now) {
  if (!db.IsFree(kPauseWhileHeld)) {
    Hold(now);
    return false;
  }
  if (held_since) {
    spdlog::info("the state file is free again, after {} seconds",
                 std::chrono::duration_cast<std::chrono::seconds>(now - *held_since).count());
    held_since.reset();
  }
  return true;
}

void Service::Inner::Hold(TimePoint now) {
  if (!held_since) {
    held_since = now;
    spdlog::warn("another process holds the state file: everything waits until it lets go");
  }
}

void Service::Inner::Work(TimePoint now) {
  if ((broken || next_files != nullptr) && in_flight == 0 && replies.empty()) {
    Reopen(now);
  }
  if (!broken && std::exchange(pushed, false)) {
    TakePushed(now);
  }
  if (!Closing() && now >= next_cycle) {
    RunCycle(now);
    // It may have taken minutes: who said no meanwhile, and where it is night now, gets nothing.
    now = clock.Now();
    TakeAnswers(now);
  }
  Dispatch(now);
  if (!stopping && !broken) {
    Save(now);
  }
  told.Tell(running->dispatcher.Health(), now);
  // Here and not where it is used: there nothing catches what is thrown.
  next_delivery = running->dispatcher.Next(clock.Now());
}

void Service::Inner::TakeAnswers(TimePoint now) {
  CycleReport report;
  if (running->cycle.TakeAnswers(now, report)) {
    answers_read = now;
  }
  for (const std::string& warning : report.warnings) {
    Warn(warning);
  }
}

// What people said holds at once; facts wait for the next cycle, which comes soon, or, where a
// brake holds it, are only taken in: a no may be among them.
void Service::Inner::TakePushed(TimePoint now) {
  TakeAnswers(now);
  if (braked) {
    CycleReport report;
    Read(now, report);
  } else {
    const Duration pause = std::max(kShortestPause, tally.last_took * kRestPerWork);
    const TimePoint soon = tally.cycles == 0 ? now : tally.last_end + pause;
    next_cycle = std::min(next_cycle, std::max(now, soon));
  }
}

void Service::Inner::Read(TimePoint now, CycleReport& report) {
  const auto look = [this](std::string_view, std::int64_t, std::int64_t) {
    if (!alive.Tell()) {
      throw StopAsked();
    }
  };
  running->cycle.Pull(now, pull_all, look, report);
  pull_all = false;  // Not before: what cut it off may not lose that somebody asked.
  Warn(WriteQuarantine(running->state, parts.state_folder));
  for (const std::string& warning : std::exchange(report.warnings, {})) {
    Warn(warning);
  }
}

void Service::Inner::RunCycle(TimePoint now) {
  const Duration begin = MonotonicNow();
  CycleReport report;
  Read(now, report);
  running->cycle.Decide(now, report);
  next_cycle = report.next;
  braked = false;
  ++tally.cycles;
  tally.moves += std::ssize(report.moves);
  tally.facts += report.intake["rows"];
  tally.last_took = MonotonicNow() - begin;
  tally.last_end = clock.Now();
  TellCycle(report);
}

// Everything is on disk before the first request leaves.
void Service::Inner::Dispatch(TimePoint now) {
  std::vector<Call> calls;
  std::int64_t answered = 0;
  {
    Transaction work(db);
    for (auto& [id, reply] : std::exchange(replies, {})) {
      if (id <= generation_from) {
        continue;
      }
      ++answered;
      for (Call& next : running->dispatcher.Finish(id - generation_from, reply, now)) {
        calls.push_back(std::move(next));
      }
    }
    if (!Closing()) {
      for (Call& call : running->dispatcher.Start(now)) {
        calls.push_back(std::move(call));
      }
    }
    if (!calls.empty()) {
      parts.home->Advance();
    }
    work.Commit();
  }
  if (!calls.empty()) {
    parts.home->Mark();
  }
  in_flight += std::ssize(calls) - answered;
  for (Call& call : calls) {
    transport->Start(generation_from + call.id, std::move(call.request));
  }
}

std::unique_ptr<Running> Service::Inner::Opened(std::shared_ptr<const Checked> with,
                                                TimePoint now) {
  StateOptions options = parts.options(*with->workspace);
  return std::make_unique<Running>(
      db, std::move(with), std::move(options), parts.state_folder, [this] { return alive.Tell(); },
      now);
}

// At the start, and after a failure.
void Service::Inner::Open(TimePoint now) {
  if (next_files == nullptr || !OpenNext(now)) {
    running = Opened(files, now);
  }
  running->state.WarmUp(now);
  front->SetAtWork(true);
  TellAlarms(running->dispatcher, *files->workspace, parts.state_folder);
  sd_notify(0, "READY=1");
  spdlog::info("at work: {} models, {} playbooks, {} connectors", files->workspace->models.size(),
               files->workspace->playbooks.size(), files->workspace->connectors.size());
}

void Service::Inner::Reload() {
  try {
    auto fresh = std::make_shared<Checked>(parts.load());
    if (fresh->workspace == nullptr || HasErrors(fresh->diagnostics)) {
      KeepFiles("the new ones have errors:\n" +
                FormatDiagnostics(fresh->diagnostics, fresh->files, false));
      return;
    }
    // A secret may be missing.
    Result<FrontPlan> plan = MakeFrontPlan(fresh, parts.options(*fresh->workspace));
    if (!plan) {
      KeepFiles(plan.error().message());
      return;
    }
    next_front = std::move(*plan);
    next_files = std::move(fresh);
    spdlog::info("the files were read again; {} calls are under way under the old ones", in_flight);
  } catch (const DatabaseBusy&) {
    reload_asked = true;
    throw;
  } catch (const std::exception& error) {
    KeepFiles(error.what());
  }
}

void Service::Inner::KeepFiles(std::string_view why) {
  spdlog::error("the running files stay: {}", why);
  sd_notify(0,
            "READY=1\nSTATUS=the new files are not in force: an older version of them is running");
}

// Puts the next files in force, or none of it: the old state stands until the new one is open, and
// what opening it wrote is taken back where that fails, so that the old one finds the file as it
// left it.  False: the old files stay.
bool Service::Inner::OpenNext(TimePoint now) {
  const std::shared_ptr<const Checked> next = std::exchange(next_files, nullptr);
  FrontPlan plan = std::move(next_front);
  try {
    Transaction all(db);
    std::unique_ptr<Running> opened = Opened(next, now);
    parts.in_force(*next);
    all.Commit();
    running = std::move(opened);
  } catch (const DatabaseBusy&) {
    next_files = next;
    next_front = std::move(plan);
    throw;
  } catch (const std::exception& error) {
    KeepFiles(error.what());
    return false;
  }
  files = next;
  generation_from += std::int64_t{1} << 40;
  broken = false;
  told.Forget();
  if (const Result<void> open = front->Use(std::move(plan)); !open) {
    spdlog::error("{}", open.error().message());
  }
  next_cycle = TimePoint::min();
  sd_notify(0, "READY=1\nSTATUS=");
  spdlog::info("the new files are at work");
  return true;
}

// With the new files, where there are any.
void Service::Inner::Reopen(TimePoint now) {
  if (next_files != nullptr && OpenNext(now)) {
    TellAlarms(running->dispatcher, *files->workspace, parts.state_folder);
  } else if (broken) {
    running.reset();
    generation_from += std::int64_t{1} << 40;
    running = Opened(files, now);
    broken = false;
    told.Forget();
  }
}

void Service::Inner::Save(TimePoint now) {
  if (now < next_save) {
    return;
  }
  running->state.ledger().Seal();
  running->state.Snapshot();
  front->SweepRead(db, *files->workspace, answers_read);
  next_save = now + kSaveEvery;
}

std::string Service::Inner::Counted() {
  try {
    return running == nullptr
               ? std::string()
               : MetricsText(running->state, running->dispatcher, tally, clock.Now());
  } catch (const std::exception& error) {
    spdlog::error("could not count: {}", error.what());
    return "";
  }
}

std::optional<InForce> Service::Inner::InForceOf(const std::string& customer) {
  try {
    return running == nullptr || broken ? std::nullopt
                                        : std::optional(InForceFor(running->state, customer));
  } catch (const std::exception& error) {
    spdlog::error("could not look up what is in force: {}", error.what());
    return std::nullopt;
  }
}

// The file is whole, what is in memory may not be: it is thrown away and read again.  Replies to
// calls that were under way are not waited for; their leases end, as after a crash.
void Service::Inner::Failed(std::string_view what, TimePoint now) {
  spdlog::error("{}; opening the state again in {} seconds", what,
                kPauseAfterFailure.count() / 1000000);
  running.reset();
  front->SetAtWork(false);
  broken = braked = false;
  pushed = true;
  NewTransport();
  generation_from += std::int64_t{1} << 40;
  in_flight = 0;
  replies.clear();
  next_cycle = TimePoint::min();
  not_before = now + kPauseAfterFailure;
}

void Service::Inner::Sleep(TimePoint now) {
  TimePoint wake = now + kLongestSleep;
  if (held_since) {
    wake = now + kPauseWhileHeld;
  } else if (stopping) {
    wake = std::min(wake, *stop_at);
  } else if (running == nullptr) {
    wake = std::min(wake, not_before);
  } else if (Closing()) {
    wake = in_flight == 0 ? now : wake;  // What was waited for has come.
  } else {
    wake = std::min(wake, next_cycle);
    wake = std::min(wake, next_delivery.value_or(wake));
  }
  timer.expires_after(std::max(Duration::zero(), wake - now));
  timer.async_wait([this](const boost::system::error_code& error) {
    if (!error) {
      Soon();
    }
  });
}

}  // namespace segue
