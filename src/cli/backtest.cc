// backtest: what playbooks would have sent over the history that the sources hold.

#include "pipeline/backtest.h"

#include <algorithm>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "cli/cli.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "daemon/fetch.h"
#include "daemon/postgres.h"

namespace segue {
namespace {

boost::json::object Counts(const std::map<std::string, std::int64_t>& counts) {
  boost::json::object out;
  for (const auto& [word, count] : counts) {
    out[word] = count;
  }
  return out;
}

boost::json::object ToJson(const Backtest& result) {
  boost::json::array playbooks;
  for (const BacktestPlaybook& one : result.playbooks) {
    playbooks.push_back({{"playbook", one.id},
                         {"started", one.started},
                         {"held_out", one.held_out},
                         {"people", one.people},
                         {"sent", one.sent},
                         {"ended", Counts(one.ended)},
                         {"refused_start", Counts(one.refused_start)},
                         {"refused_step", Counts(one.refused_step)},
                         {"by_month", Counts(one.sent_by_month)}});
  }
  boost::json::array sends;
  for (const BacktestSend& send : result.sends) {
    sends.push_back({{"at", FormatTime(send.at)},
                     {"playbook", send.playbook},
                     {"step", send.step},
                     {"kind", send.kind},
                     {"what", send.what},
                     {"customer", send.customer_key},
                     {"to", send.to}});
  }
  boost::json::array brakes;
  for (const auto& [at, words] : result.brakes) {
    brakes.push_back({{"at", FormatTime(at)}, {"why", words}});
  }
  return {{"from", FormatTime(result.from)},
          {"to", FormatTime(result.to)},
          {"cycles", result.cycles},
          {"playbooks", playbooks},
          {"brakes", brakes},
          {"sends", sends}};
}

std::string Words(const std::map<std::string, std::int64_t>& counts) {
  std::string line;
  for (const auto& [word, count] : counts) {
    std::string words = word;
    std::replace(words.begin(), words.end(), '_', ' ');
    line += fmt::format("{}{} {}", line.empty() ? "" : " · ", Grouped(count), words);
  }
  return line.empty() ? "none" : line;
}

void Print(const Backtest& result, const Workspace& workspace, bool people) {
  const Zone& zone = workspace.schema.timezone;
  fmt::print("backtest {} to {} {}   {} cycles   nothing was sent\n\n", zone.Format(result.from),
             zone.Format(result.to), zone.name(), Grouped(result.cycles));
  Table table({"playbook", ">started", ">held out", ">people", ">sent"});
  for (const BacktestPlaybook& one : result.playbooks) {
    table.Row({one.id, Grouped(one.started), Grouped(one.held_out), Grouped(one.people),
               Grouped(one.sent)});
  }
  fmt::print("{}\n", table.Text());
  for (const BacktestPlaybook& one : result.playbooks) {
    if (one.started == 0 && one.refused_start.empty()) {
      fmt::print("{}: nobody came to it\n", one.id);
      continue;
    }
    fmt::print("{}\n   ended        {}\n   not started  {}\n   not sent     {}\n", one.id,
               Words(one.ended), Words(one.refused_start), Words(one.refused_step));
    std::int64_t most = 1;
    for (const auto& [month, count] : one.sent_by_month) {
      most = std::max(most, count);
    }
    for (const auto& [month, count] : one.sent_by_month) {
      fmt::print("   {}  {:>7}  {}\n", month, Grouped(count),
                 Bar(static_cast<double>(count) / static_cast<double>(most), 32));
    }
  }
  if (people) {
    Table sends({"at", "playbook", "kind", "what", "customer", "to"});
    for (const BacktestSend& send : result.sends) {
      sends.Row(
          {zone.Format(send.at), send.playbook, send.kind, send.what, send.customer_key, send.to});
    }
    fmt::print("\n{}", sends.Text());
  }
  for (const auto& [at, words] : result.brakes) {
    fmt::print("! brake on {}: {}: a real run would have held there and asked\n", zone.Format(at),
               words);
  }
}

}  // namespace

int RunBacktestVerb(const Common& common, const BacktestVerb& options) {
  const Checked checked = OpenWorkspace(common);
  const Workspace& workspace = *checked.workspace;
  for (const std::string& playbook : options.playbooks) {
    if (!workspace.FindPlaybook(playbook)) {
      throw Failure{kUsage, fmt::format("there is no playbook {}\n", playbook)};
    }
  }
  BacktestOptions what;
  what.playbooks = options.playbooks;
  const Zone& zone = workspace.schema.timezone;
  if (!options.from.empty()) {
    what.from = ParseMoment(options.from, zone);
  }
  if (!options.to.empty()) {
    what.to = ParseMoment(options.to, zone);
  }
  what.every = StepOf(options.every);
  ProgressLine line;
  const Progress progress = [&](auto words, auto done, auto all) { line.Show(words, done, all); };
  const std::unique_ptr<FileReader> files = MakeDiskReader(common.state);
  const std::unique_ptr<SqlReader> databases = MakePostgresReader(ResolveSecret);
  const std::unique_ptr<HttpReader> web = MakeHttpReader(ResolveSecret);
  CycleReport read;
  Result<Feed> feed = Feed::Read(workspace, *files, progress, read, databases.get(), web.get());
  if (!feed) {
    throw Failure{kFindings, feed.error().message() + "\n"};
  }
  const Result<Backtest> result = RunBacktest(workspace, *checked.templates, std::move(*feed), what,
                                              OptionsFor(workspace, false), progress);
  line.Finish();
  if (!result) {
    throw Failure{kFindings, result.error().message() + "\n"};
  }
  if (common.json) {
    fmt::print("{}\n", boost::json::serialize(ToJson(*result)));
  } else {
    Print(*result, workspace, options.people);
  }
  return kFine;
}

}  // namespace segue
