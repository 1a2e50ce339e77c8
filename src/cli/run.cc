// check, run and replay: the verbs that read files and let time pass.

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <unistd.h>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/text.h"
#include "base/visible.h"
#include "cli/cli.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "config/sarif.h"
#include "daemon/fetch.h"
#include "daemon/postgres.h"
#include "pipeline/feed.h"
#include "pipeline/history.h"
#include "pipeline/release.h"
#include "pipeline/with_data.h"

namespace segue {

namespace {

Diagnostics AskData(const Common& common, const Checked& checked) {
  RequireState(common);
  Database db = Database::Open(StateFile(common));
  const Transaction nothing(db);  // Never committed: these files need not be those that run.
  const Workspace& workspace = *checked.workspace;
  const TimePoint now = MomentOf(common, workspace);
  State state(db, workspace, *checked.templates, now, OptionsFor(workspace, false));
  return LintWithData(state, std::max(now, state.columns().edge()));
}

}  // namespace

int RunCheck(const Common& common, const CheckOptions& options) {
  Checked checked = LoadFolder(common);
  Diagnostics found = std::move(checked.diagnostics);
  if (options.with_data && checked.workspace != nullptr) {
    const Diagnostics told = AskData(common, checked);
    found.insert(found.end(), told.begin(), told.end());
  }
  if (!options.verbose) {
    std::erase_if(found, [](const Diagnostic& one) { return one.severity == Severity::kInfo; });
  }
  const auto count = [&](Severity severity) {
    return std::count_if(found.begin(), found.end(),
                         [&](const Diagnostic& one) { return one.severity == severity; });
  };
  if (options.format == "sarif") {
    fmt::print("{}\n", DiagnosticsToSarif(found, checked.files, SEGUE_VERSION));
  } else if (options.format == "json" || (options.format.empty() && common.json)) {
    fmt::print("{}\n", DiagnosticsToJson(found, checked.files));
  } else {
    fmt::print("{}", FormatDiagnostics(found, checked.files, OutputHasColour()));
    fmt::print("{}: {}, {}", Counted(std::ssize(checked.files), "file"),
               Counted(count(Severity::kError), "error"),
               Counted(count(Severity::kWarning), "warning"));
    if (checked.workspace != nullptr) {
      fmt::print(" · {}, {}, {}, {}", Counted(std::ssize(checked.workspace->models), "model"),
                 Counted(std::ssize(checked.workspace->playbooks), "playbook"),
                 Counted(std::ssize(checked.workspace->templates), "template"),
                 Counted(std::ssize(checked.workspace->aggregates.all()), "column"));
    }
    fmt::print("\n");
  }
  return HasErrors(found) ? kFindings : kFine;
}

namespace {

void PrintWarnings(const CycleReport& report) {
  for (const std::string& warning : report.warnings) {
    fmt::print(stderr, "warning: {}\n", Visible(warning));
  }
}

std::string IntakeLine(const CycleReport& report) {
  std::string line;
  for (const auto& [word, count] : report.intake) {
    if (count > 0) {
      line += fmt::format("{}{} {}", line.empty() ? "" : " · ", Grouped(count), word);
    }
  }
  return line.empty() ? "nothing new" : line;
}

}  // namespace

namespace {

// Reads what there is and decides.  Returns why a brake holds the cycle, or nothing; then half a
// cycle stands in the state's memory.
std::string ReadAndDecide(State& state, const Common& common, TimePoint now, CycleReport& report) {
  const std::unique_ptr<FileReader> files = MakeDiskReader(common.state);
  const std::unique_ptr<SqlReader> databases = MakePostgresReader(ResolveSecret);
  const std::unique_ptr<HttpReader> web = MakeHttpReader(ResolveSecret);
  Cycle cycle(state, files.get(), databases.get(), web.get());
  ProgressLine progress;
  try {
    cycle.Pull(
        now, true, [&](auto what, auto done, auto all) { progress.Show(what, done, all); }, report);
    if (const std::string problem = WriteQuarantine(state, common.state); !problem.empty()) {
      report.warnings.push_back(problem);
    }
    cycle.Decide(now, report);
  } catch (const BrakePulled& brake) {
    progress.Finish();
    return brake.what();
  }
  progress.Finish();
  return "";
}

// One pass of the dispatcher; returns how many calls it made.
std::int64_t SendWhatIsDue(State& state, Home& home, const Common& common,
                           std::vector<std::string>& warnings) {
  Dispatcher dispatcher(state, ResolveSecrets);
  SystemClock clock;
  const std::int64_t calls = DispatchAll(state, dispatcher, home, common.state, clock);
  for (std::string& alarm : dispatcher.Alarms()) {
    warnings.push_back(std::move(alarm));
  }
  for (const ConnectorHealth& health : dispatcher.Health()) {
    if (health.paused && !health.words.empty()) {
      warnings.push_back("connector " + health.id + ": paused until " + FormatTime(*health.paused) +
                         ": " + health.words);
    }
  }
  return calls;
}

void PrintCycle(const CycleReport& report, const OutboxCounts& counts, std::int64_t calls,
                const Zone& zone, const Common& common) {
  if (common.json) {
    boost::json::object out{{"now", FormatTime(report.now)},
                            {"moves", report.moves.size()},
                            {"started", report.playbooks.started},
                            {"ended", report.playbooks.ended},
                            {"promised", report.playbooks.promised},
                            {"skipped", report.playbooks.skipped},
                            {"calls", calls},
                            {"waiting", counts.waiting},
                            {"unknown", counts.unknown},
                            {"dead", counts.dead}};
    boost::json::object intake;
    for (const auto& [word, count] : report.intake) {
      intake[word] = count;
    }
    out["intake"] = intake;
    fmt::print("{}\n", boost::json::serialize(out));
    return;
  }
  fmt::print("facts      {}\n", IntakeLine(report));
  fmt::print("moves      {}{}\n", Grouped(static_cast<std::int64_t>(report.moves.size())),
             report.baselines.empty() ? ""
                                      : "   (first run of " + Join(report.baselines, ", ") +
                                            ": a baseline moves nobody)");
  fmt::print("runs       {} started · {} ended\n", report.playbooks.started,
             report.playbooks.ended);
  fmt::print("deliveries {} promised · {} skipped · {} calls made{}\n", report.playbooks.promised,
             report.playbooks.skipped, calls, common.at.empty() ? "" : "   (--at never sends)");
  fmt::print("outbox     {} waiting · {} unknown · {} dead\n", counts.waiting, counts.unknown,
             counts.dead);
  fmt::print("next       {}\n", zone.Format(report.next));
}

}  // namespace

int RunOnce(const Common& common, bool past_brake, bool ahead) {
  RequireNotLost(common);
  if (!std::filesystem::exists(StateFile(common))) {
    // No state is made for files that are wrong, nor where a secret is missing.
    OptionsFor(*OpenWorkspace(common).workspace, true);
  }
  const bool real = common.at.empty();
  const StateLock lock(common.state);
  Database db = Database::Open(StateFile(common));
  const Checked checked = OpenToRun(db, common);
  const TimePoint now = MomentOf(common, *checked.workspace);
  const StateOptions options = OptionsFor(*checked.workspace, true);
  std::unique_ptr<Home> home;
  if (real) {
    home = RequireHome(db, common);
  } else if (now > SystemClock().Now() && std::filesystem::exists(StateFile(common) + ".mark")) {
    throw Failure{kUsage,
                  "--at lies in the future, and this state works in earnest: a run would keep that "
                  "slot; `segue plan --at` says what would happen, and changes nothing\n"};
  } else if (now > SystemClock().Now() && !ahead) {
    throw Failure{kUsage,
                  "--at lies ahead of the clock: a run changes the state, and one that is ahead of "
                  "the clock moves nobody until it catches up; `segue plan --at` says what would "
                  "happen, and changes nothing. On a state of your own to play with: --ahead\n"};
  }
  if (past_brake && !ReleaseBrake(db)) {
    throw Failure{kUsage, "no brake is pulled: there is nothing to let pass\n"};
  }
  const auto open = [&] {
    return std::make_unique<State>(db, *checked.workspace, *checked.templates, now, options);
  };
  std::unique_ptr<State> state = open();
  CycleReport report;
  const std::string brake = ReadAndDecide(*state, common, now, report);
  if (!brake.empty()) {
    state.reset();  // One at a time may stand on the database.
    state = open();
  } else if (real) {
    NoteRelease(db, checked.files, AppliedRelease(db).has_value(), now);
  }
  // What was promised before a cycle that is held goes out none the less.
  const std::int64_t calls = real ? SendWhatIsDue(*state, *home, common, report.warnings) : 0;
  state->ledger().Seal();
  state->Snapshot();
  PrintWarnings(report);
  if (!brake.empty()) {
    throw Failure{kBrake,
                  calls == 0
                      ? brake + "\n"
                      : fmt::format("{}\nof what was promised before, {} made\n", brake,
                                    calls == 1 ? "1 call was" : Grouped(calls) + " calls were")};
  }
  PrintCycle(report, state->outbox().Count(), calls, checked.workspace->schema.timezone, common);
  return kFine;
}

namespace {

// Shows a file from its modification time on, as if it were dropped then.
class ArrivedFiles final : public FileReader {
 public:
  ArrivedFiles(FileReader& files, ManualClock& clock) : files_(files), clock_(clock) {}

  std::vector<Info> List(std::string_view pattern) override {
    std::vector<Info> all = files_.List(pattern);
    std::erase_if(all, [&](const Info& file) { return FromMicros(file.changed) > clock_.Now(); });
    return all;
  }

  Result<std::string> Read(std::string_view path, std::uint64_t offset, std::size_t most) override {
    return files_.Read(path, offset, most);
  }

  std::optional<Error> CheckWhole(std::string_view path) override {
    return files_.CheckWhole(path);
  }

 private:
  FileReader& files_;
  ManualClock& clock_;
};

// Day, model, customer, segment and the customer's number in the state file, of everybody who
// stands elsewhere than the day before or is new.
class SegmentTrace {
 public:
  SegmentTrace(State& state, const std::string& path)
      : state_(state), out_(path, std::ios::binary) {
    if (!out_) {
      throw Failure{kCannotReach, fmt::format("cannot write {}\n", path)};
    }
    before_.resize(state.workspace().models.size());
  }

  void EndOfDay(const std::string& day) {
    const Workspace& workspace = state_.workspace();
    for (std::size_t index = 0; index < workspace.models.size(); ++index) {
      const Segments* segments = state_.segments(static_cast<int>(index));
      if (segments == nullptr) {
        continue;
      }
      const Model& model = workspace.models[index];
      std::vector<SegmentIndex>& before = before_[index];
      const bool accounts = model.of == Subject::kAccount;
      const CustomerIndex first = accounts ? kFirstAccount : 0;
      const std::size_t known = before.size();
      before.resize(accounts ? state_.ledger().account_count() : state_.ledger().customer_count(),
                    kNoSegment);
      for (std::size_t i = 0; i < before.size(); ++i) {
        const CustomerIndex customer = first + static_cast<CustomerIndex>(i);
        const SegmentIndex segment = segments->Get(customer).segment;
        if (segment != before[i] || i >= known) {
          before[i] = segment;
          out_ << day << '\t' << model.id << '\t' << state_.ledger().CustomerKey(customer) << '\t'
               << (segment == kNoSegment ? "none" : model.segments[segment].id) << '\t' << customer
               << '\n';
        }
      }
    }
  }

 private:
  State& state_;
  std::ofstream out_;
  std::vector<std::vector<SegmentIndex>> before_;
};

class Replay {
 public:
  Replay(State& state, FileReader& files, const Common& common, const ReplayOptions& options)
      : state_(state),
        files_(files),
        options_(options),
        arrived_(files, clock_),
        cycle_(state, options.by_arrival ? &arrived_ : nullptr),
        writer_(common.state, false),
        dispatcher_(state, ResolveSecrets) {}

  void Run() {
    if (!options_.by_arrival) {
      Result<Feed> feed = Feed::Read(
          state_.workspace(), files_,
          [&](auto what, auto done, auto all) { progress_.Show(what, done, all); }, report_);
      if (!feed) {
        throw Failure{kFindings, feed.error().message() + "\n"};
      }
      feed_ = std::move(*feed);
    }
    const Zone& zone = state_.workspace().schema.timezone;
    HistorySpan span;
    // From the dawn of the day of the first fact to a full day after that of the last.
    span.from = Edge(options_.from, zone, feed_.first(), 0);
    span.to = Edge(options_.to, zone, feed_.last(), 2);
    span.every = StepOf(options_.every);
    if (!options_.trace.empty()) {
      trace_ = std::make_unique<SegmentTrace>(state_, options_.trace);
    }
    HistoryHooks hooks;
    hooks.take_in = [this](TimePoint now) { TakeIn(now); };
    hooks.next_fact = [this] { return feed_.next(); };
    hooks.perform = [this](const Call& call) { return writer_.Perform(call.request); };
    hooks.ticked = [&](TimePoint now, TimePoint next) {
      const std::int64_t day = zone.ToLocal(now).day();
      if (trace_ && (next > span.to || zone.ToLocal(next).day() != day)) {
        trace_->EndOfDay(zone.Format(now).substr(0, 10));
      }
      progress_.Show("replaying " + zone.Format(now).substr(0, 10), (now - span.from).count(),
                     (span.to - span.from).count());
    };
    LiveThrough(state_, cycle_, dispatcher_, span, hooks, report_);
    progress_.Finish();
  }

  const CycleReport& report() const { return report_; }

 private:
  static TimePoint Edge(const std::string& text, const Zone& zone, std::optional<TimePoint> fact,
                        std::int64_t days_later) {
    if (text.empty() && !fact) {
      throw Failure{
          kFindings,
          "the sources hold nothing: name --from and --to, or put files into the inbox\n"};
    }
    return text.empty() ? Dawn(*fact, days_later, zone) : ParseMoment(text, zone);
  }

  void TakeIn(TimePoint now) {
    clock_.Set(now);
    if (options_.by_arrival) {
      cycle_.Pull(now, true, {}, report_);
    } else {
      feed_.GiveUntil(now, cycle_, report_);
    }
  }

  State& state_;
  FileReader& files_;
  const ReplayOptions& options_;
  ManualClock clock_{TimePoint{}};
  ArrivedFiles arrived_;
  Cycle cycle_;
  FileWriter writer_;
  Dispatcher dispatcher_;
  ProgressLine progress_{!options_.quiet};
  Feed feed_;
  std::unique_ptr<SegmentTrace> trace_;
  CycleReport report_;
};

}  // namespace

namespace {

// The state of a replay.  One that fails leaves nothing behind that the next would stumble over.
class ReplayState {
 public:
  explicit ReplayState(std::string file) : file_(std::move(file)) {}

  ~ReplayState() {
    for (const char* const part : {"", "-wal", "-shm"}) {
      std::error_code ignored;
      if (!done_) {
        std::filesystem::remove(file_ + part, ignored);
      }
    }
  }

  ReplayState(const ReplayState&) = delete;
  ReplayState& operator=(const ReplayState&) = delete;

  void Keep() { done_ = true; }

 private:
  std::string file_;
  bool done_ = false;
};

}  // namespace

int RunReplay(const Common& common, const ReplayOptions& options) {
  const Checked checked = OpenWorkspace(common);
  Workspace workspace = *checked.workspace;
  UseSampleCodes(workspace);
  for (const ConnectorSettings& connector : workspace.connectors) {
    if (connector.type != "file") {
      throw Failure{
          kUsage,
          fmt::format(
              "replay never speaks to anybody: connector {} is of type {}, and replay takes "
              "file connectors only\n",
              connector.id, connector.type)};
    }
  }
  for (const Source& source : workspace.sources) {
    if (source.type == SourceType::kSql || source.is_export()) {
      throw Failure{kUsage,
                    fmt::format("replay never speaks to anybody: source {} is {}; write its rows "
                                "to a file and read that in its place\n",
                                source.id, source.is_export() ? "an export" : "a database")};
    }
  }
  const StateLock lock(common.state);
  if (std::filesystem::exists(StateFile(common))) {
    // Who is told to remove a file does so.
    const bool real = std::filesystem::exists(StateFile(common) + ".mark");
    throw Failure{kUsage,
                  fmt::format("{} exists{}: replay begins with a state of its own; name a new "
                              "folder with --state{}\n",
                              StateFile(common), real ? ", and works in earnest" : "",
                              real ? "" : ", or remove that file")};
  }
  ReplayState fresh(StateFile(common));
  Database db = Database::Open(StateFile(common));
  db.Execute("PRAGMA synchronous=OFF");  // A replay that a crash cut off is started anew.
  // The dawn of the data: every event lies after it.
  const TimePoint dawn = FromMicros(0);
  State state(db, workspace, *checked.templates, dawn, OptionsFor(workspace, false));
  const std::unique_ptr<FileReader> files = MakeDiskReader(common.state);
  Replay replay(state, *files, common, options);
  replay.Run();
  if (const std::string problem = WriteQuarantine(state, common.state); !problem.empty()) {
    fmt::print(stderr, "warning: {}\n", problem);
  }
  state.ledger().Seal();
  state.Snapshot();
  if (!options.quiet) {
    fmt::print("facts    {}\n\n{}", IntakeLine(replay.report()), Summary(state));
  }
  fresh.Keep();
  return kFine;
}

}  // namespace segue
