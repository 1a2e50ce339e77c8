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
#include "cli/cli.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "config/sarif.h"
#include "daemon/postgres.h"
#include "pipeline/feed.h"

namespace segue {

int RunCheck(const Common& common, const CheckOptions& options) {
  Diagnostics found;
  std::vector<SourceFile> files = ReadWorkspaceFiles(common.workspace, found);
  Checked checked = CheckWorkspace(std::move(files));
  found.insert(found.end(), checked.diagnostics.begin(), checked.diagnostics.end());
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
    fmt::print("{} files: {} errors, {} warnings", checked.files.size(), count(Severity::kError),
               count(Severity::kWarning));
    if (checked.workspace != nullptr) {
      fmt::print(" · {} models, {} playbooks, {} templates, {} columns",
                 checked.workspace->models.size(), checked.workspace->playbooks.size(),
                 checked.workspace->templates.size(), checked.workspace->aggregates.all().size());
    }
    fmt::print("\n");
  }
  return HasErrors(found) ? kFindings : kFine;
}

namespace {

void PrintWarnings(const CycleReport& report) {
  for (const std::string& warning : report.warnings) {
    fmt::print(stderr, "warning: {}\n", warning);
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

int OneCycle(const Common& common, bool past_brake) {
  const Checked checked = OpenWorkspace(common);
  const bool real = common.at.empty();
  const TimePoint now = MomentOf(common, *checked.workspace);
  const StateLock lock(common.state);
  Database db = Database::Open(StateFile(common));
  std::unique_ptr<Home> home;
  if (real) {
    home = RequireHome(db, common);
  } else if (now > SystemClock().Now() && std::filesystem::exists(StateFile(common) + ".mark")) {
    throw Failure{kUsage,
                  "--at lies in the future, and this state works in earnest: a run would keep that "
                  "slot; `segue plan --at` says what would happen, and changes nothing\n"};
  }
  if (past_brake && !ReleaseBrake(db)) {
    throw Failure{kUsage, "no brake is pulled: there is nothing to let pass\n"};
  }
  State state(db, *checked.workspace, *checked.templates, now,
              OptionsFor(*checked.workspace, true));
  const std::unique_ptr<FileReader> files = MakeDiskReader(common.state);
  const std::unique_ptr<SqlReader> databases = MakePostgresReader(ResolveSecret);
  Cycle cycle(state, files.get(), databases.get());
  CycleReport report;
  ProgressLine progress;
  cycle.Pull(
      now, true, [&](auto what, auto done, auto all) { progress.Show(what, done, all); }, report);
  if (const std::string problem = WriteQuarantine(state, common.state); !problem.empty()) {
    report.warnings.push_back(problem);
  }
  cycle.Decide(now, report);
  progress.Finish();
  std::int64_t calls = 0;
  if (real) {
    Dispatcher dispatcher(state, ResolveSecrets);
    SystemClock clock;
    calls = DispatchAll(state, dispatcher, *home, common.state, clock);
    for (const ConnectorHealth& health : dispatcher.Health()) {
      if (health.paused && !health.words.empty()) {
        report.warnings.push_back("connector " + health.id + ": paused until " +
                                  FormatTime(*health.paused) + ": " + health.words);
      }
    }
  }
  state.ledger().Seal();
  state.columns().Snapshot();
  PrintWarnings(report);
  const OutboxCounts counts = state.outbox().Count();
  if (common.json) {
    boost::json::object out{{"now", FormatTime(now)},
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
    return kFine;
  }
  fmt::print("facts      {}\n", IntakeLine(report));
  fmt::print("moves      {}{}\n", Grouped(static_cast<std::int64_t>(report.moves.size())),
             report.baselines.empty() ? ""
                                      : "   (first run of " + Join(report.baselines, ", ") +
                                            ": a baseline moves nobody)");
  fmt::print("runs       {} started · {} ended\n", report.playbooks.started,
             report.playbooks.ended);
  fmt::print("deliveries {} promised · {} skipped · {} calls made{}\n", report.playbooks.promised,
             report.playbooks.skipped, calls, real ? "" : "   (--at never sends)");
  fmt::print("outbox     {} waiting · {} unknown · {} dead\n", counts.waiting, counts.unknown,
             counts.dead);
  fmt::print("next       {}\n", checked.workspace->schema.timezone.Format(report.next));
  return kFine;
}

}  // namespace

int RunOnce(const Common& common, bool past_brake) {
  try {
    return OneCycle(common, past_brake);
  } catch (const BrakePulled& brake) {
    throw Failure{kBrake, std::string(brake.what()) + "\n"};
  }
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

 private:
  FileReader& files_;
  ManualClock& clock_;
};

// Day, model, customer and segment of everybody who stands elsewhere than the day before.
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
      before.resize(state_.ledger().customer_count(), kNoSegment);
      for (CustomerIndex customer = 0; customer < before.size(); ++customer) {
        const SegmentIndex segment = segments->Get(customer).segment;
        if (segment != before[customer]) {
          before[customer] = segment;
          out_ << day << '\t' << model.id << '\t' << state_.ledger().CustomerKey(customer) << '\t'
               << (segment == kNoSegment ? "none" : model.segments[segment].id) << '\n';
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
    const TimePoint from = Edge(options_.from, zone, FirstMoment(zone));
    const TimePoint to = Edge(options_.to, zone, LastMoment(zone));
    if (!options_.every.empty()) {
      every_ = ParseDuration(options_.every);
      if (!every_ || *every_ <= Duration::zero()) {
        throw Failure{kUsage,
                      fmt::format("--every {}: write a duration such as 6h\n", options_.every)};
      }
    }
    if (!options_.trace.empty()) {
      trace_ = std::make_unique<SegmentTrace>(state_, options_.trace);
    }
    for (TimePoint now = from; now <= to;) {
      Tick(now);
      const TimePoint next = every_ ? now + *every_ : NextTick(now, to);
      const std::int64_t day = zone.ToLocal(now).day();
      if (trace_ && (next > to || zone.ToLocal(next).day() != day)) {
        trace_->EndOfDay(zone.Format(now).substr(0, 10));
      }
      progress_.Show("replaying " + zone.Format(now).substr(0, 10), (now - from).count(),
                     (to - from).count());
      now = next;
    }
    progress_.Finish();
  }

  const CycleReport& report() const { return report_; }

 private:
  TimePoint Edge(const std::string& text, const Zone& zone,
                 std::optional<TimePoint> otherwise) const {
    if (!text.empty()) {
      Result<TimePoint> time = ParseTime(text, zone);
      if (!time) {
        throw Failure{kUsage, fmt::format("{}: {}\n", text, time.error().message())};
      }
      return *time;
    }
    if (!otherwise) {
      throw Failure{
          kFindings,
          "the sources hold nothing: name --from and --to, or put files into the inbox\n"};
    }
    return *otherwise;
  }

  // The dawn of the day of the first fact.
  std::optional<TimePoint> FirstMoment(const Zone& zone) const {
    return feed_.first() ? std::optional(Dawn(*feed_.first(), 0, zone)) : std::nullopt;
  }

  // A full day after that of the last fact.
  std::optional<TimePoint> LastMoment(const Zone& zone) const {
    return feed_.last() ? std::optional(Dawn(*feed_.last(), 2, zone)) : std::nullopt;
  }

  static TimePoint Dawn(TimePoint time, std::int64_t days_later, const Zone& zone) {
    return zone.ToUtc({(zone.ToLocal(time).day() + days_later) * kDay.count()});
  }

  void Tick(TimePoint now) {
    clock_.Set(now);
    if (options_.by_arrival) {
      cycle_.Pull(now, true, {}, report_);
    } else {
      feed_.GiveUntil(now, cycle_, report_);
    }
    report_.moves.clear();
    cycle_.Decide(now, report_);
    DispatchFiles(dispatcher_, writer_, now);
    if (++ticks_ % 200 == 0) {
      state_.ledger().Seal();
    }
  }

  // Full hours in which something arrives, and every moment at which the cycle or the dispatcher
  // has something to do.
  TimePoint NextTick(TimePoint now, TimePoint to) const {
    TimePoint next = std::min(cycle_.Next(now), now + kDay);
    if (const std::optional<TimePoint> due = dispatcher_.Next(now)) {
      next = std::min(next, std::max(*due, now + std::chrono::seconds(1)));
    }
    if (const std::optional<TimePoint> fact = feed_.next()) {
      const TimePoint hour = std::chrono::ceil<std::chrono::hours>(*fact);
      next = std::min(next, std::max(hour, now + std::chrono::seconds(1)));
    }
    next = std::max(next, now + std::chrono::seconds(1));
    return now < to ? std::min(next, to) : next;
  }

  State& state_;
  FileReader& files_;
  const ReplayOptions& options_;
  ManualClock clock_{TimePoint{}};
  ArrivedFiles arrived_;
  Cycle cycle_;
  FileWriter writer_;
  Dispatcher dispatcher_;
  ProgressLine progress_;
  Feed feed_;
  std::optional<Duration> every_;
  std::unique_ptr<SegmentTrace> trace_;
  std::int64_t ticks_ = 0;
  CycleReport report_;
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
    if (source.type == SourceType::kSql) {
      throw Failure{kUsage,
                    fmt::format("replay never speaks to anybody: source {} is a database; write "
                                "its rows to a file and read that in its place\n",
                                source.id)};
    }
  }
  if (std::filesystem::exists(StateFile(common))) {
    throw Failure{
        kUsage,
        fmt::format("{} exists: replay begins with a state of its own; name a new folder with "
                    "--state, or remove that file\n",
                    StateFile(common))};
  }
  const StateLock lock(common.state);
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
  state.columns().Snapshot();
  if (!options.quiet) {
    fmt::print("facts    {}\n\n{}", IntakeLine(replay.report()), Summary(state));
  }
  return kFine;
}

}  // namespace segue
