#include "pipeline/backtest.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "connectors/connector.h"
#include "pipeline/history.h"

namespace segue {
namespace {

// Of the day, when cycles come at fixed distances: a timer in the night would see every message
// wait for the morning, and be stale at the next cycle.
constexpr Duration kTimerHour = 9 * kHour;

// What is written back after each move tells nobody who is asked about, and holds nobody up.
bool IsApart(const Mirror& mirror, const Workspace& workspace) {
  return std::all_of(mirror.to.begin(), mirror.to.end(), [&](const std::string& tool) {
    const ConnectorSettings* connector = workspace.FindConnector(tool);
    return connector == nullptr || (!connector->rate_calls && !connector->daily);
  });
}

// Who is asked about takes part; every tool is played.
Workspace Staged(const Workspace& workspace, const std::vector<std::string>& playbooks) {
  Workspace staged = workspace;
  if (!playbooks.empty()) {
    std::erase_if(staged.mirror, [&](const Mirror& one) { return IsApart(one, workspace); });
  }
  for (Playbook& playbook : staged.playbooks) {
    if (std::find(playbooks.begin(), playbooks.end(), playbook.id) != playbooks.end()) {
      playbook.status = Status::kLive;
    }
  }
  for (ConnectorSettings& connector : staged.connectors) {
    connector.type = kStandIn.name;
  }
  return staged;
}

Reply Accepted() {
  Reply reply;
  reply.kind = Reply::Kind::kAnswered;
  reply.status = 200;
  return reply;
}

using ByPlaybook = std::map<std::string, BacktestPlaybook>;

void CountRuns(Database& db, ByPlaybook& all) {
  Statement runs =
      db.Prepare("SELECT playbook, arm = 'held_out', reason, count(*) FROM run GROUP BY 1, 2, 3");
  while (runs.Step()) {
    BacktestPlaybook& one = all[runs.Text(0)];
    const std::int64_t count = runs.Int(3);
    one.started += count;
    one.held_out += runs.Int(1) != 0 ? count : 0;
    const std::string reason = runs.Text(2);
    one.ended[reason.empty() ? "running" : reason] += count;
  }
}

void CountRefused(Database& db, ByPlaybook& all) {
  Statement refused = db.Prepare(
      "SELECT playbook, reason, step = '', count(*) FROM decision WHERE passed = 0 AND reason <> "
      "'' GROUP BY 1, 2, 3");
  while (refused.Step()) {
    BacktestPlaybook& one = all[refused.Text(0)];
    (refused.Int(2) != 0 ? one.refused_start : one.refused_step)[refused.Text(1)] += refused.Int(3);
  }
  // Asked again at the moment of sending.
  Statement dropped = db.Prepare(
      "SELECT playbook, detail, count(*) FROM outbox WHERE state IN (4, 6) GROUP BY 1, 2");
  while (dropped.Step()) {
    all[dropped.Text(0)].refused_step[dropped.Text(1)] += dropped.Int(2);
  }
}

}  // namespace

std::vector<BacktestSend> SendsOf(State& state, const std::vector<std::string>& playbooks) {
  Statement list = state.db().Prepare(
      "SELECT changed, playbook, step, kind, template, customer_key, address, id FROM outbox WHERE "
      "state = 2 ORDER BY id");
  std::vector<BacktestSend> all;
  while (list.Step()) {
    std::string playbook = list.Text(1);
    if (!playbooks.empty() &&
        std::find(playbooks.begin(), playbooks.end(), playbook) == playbooks.end()) {
      continue;
    }
    BacktestSend one{FromMicros(list.Int(0)),
                     std::move(playbook),
                     list.Text(2),
                     std::string(DeliveryKindName(static_cast<DeliveryKind>(list.Int(3)))),
                     list.Text(4),
                     list.Text(5),
                     list.Text(6)};
    if (one.what.empty()) {
      const std::optional<Delivery> delivery = state.outbox().Get(list.Int(7));
      one.what = delivery->payload.title + delivery->payload.name;
      for (const auto& [field, value] : delivery->payload.values) {
        one.what += (one.what.empty() ? "" : " ") + field;
      }
    }
    all.push_back(std::move(one));
  }
  std::stable_sort(all.begin(), all.end(), [](const BacktestSend& a, const BacktestSend& b) {
    return std::tie(a.at, a.playbook, a.step, a.customer_key) <
           std::tie(b.at, b.playbook, b.step, b.customer_key);
  });
  return all;
}

namespace {

void Gather(State& state, const BacktestOptions& options, Backtest& result) {
  const Zone& zone = state.workspace().schema.timezone;
  result.sends = SendsOf(state, options.playbooks);
  ByPlaybook all;
  CountRuns(state.db(), all);
  CountRefused(state.db(), all);
  std::set<std::pair<std::string, std::string>> people;
  for (const BacktestSend& send : result.sends) {
    BacktestPlaybook& one = all[send.playbook];
    ++one.sent;
    ++one.sent_by_month[zone.Format(send.at).substr(0, 7)];
    one.people += people.emplace(send.playbook, send.customer_key).second ? 1 : 0;
  }
  for (const Playbook& playbook : state.workspace().playbooks) {
    const bool asked = options.playbooks.empty()
                           ? playbook.status != Status::kDraft
                           : std::find(options.playbooks.begin(), options.playbooks.end(),
                                       playbook.id) != options.playbooks.end();
    if (asked) {
      result.playbooks.push_back(std::move(all[playbook.id]));
      result.playbooks.back().id = playbook.id;
    }
  }
}

}  // namespace

Result<Backtest> RunBacktest(const Workspace& workspace, const Templates& templates, Feed feed,
                             const BacktestOptions& options, const StateOptions& state_options,
                             const Progress& progress) {
  const Zone& zone = workspace.schema.timezone;
  if (!feed.first() && !(options.from && options.to)) {
    return Error("the sources hold nothing: put files into the inbox, or name --from and --to");
  }
  Backtest result;
  result.from =
      options.from ? *options.from
                   : Dawn(*feed.first(), 0, zone) + (options.every ? kTimerHour : Duration::zero());
  result.to = options.to ? *options.to : Dawn(*feed.last(), 2, zone);
  if (result.from > result.to) {
    return Error("from " + zone.Format(result.from) + " to " + zone.Format(result.to) +
                 " is no time to live through: --from must lie before --to");
  }
  const Workspace staged = Staged(workspace, options.playbooks);
  Database db = Database::OpenThrownAway();
  State state(db, staged, templates, FromMicros(0), state_options);
  // One transaction around all saves the end of each.
  Transaction whole(db);
  Cycle cycle(state, nullptr);
  cycle.OnlyNameBrakes();
  Dispatcher dispatcher(state, [](const ConnectorSettings&) { return Result<Secrets>(Secrets()); });
  HistoryHooks hooks;
  hooks.take_in = [&](TimePoint now) { feed.GiveUntil(now, cycle, result.report); };
  hooks.next_fact = [&] { return feed.next(); };
  hooks.perform = [](const Call&) { return Accepted(); };
  hooks.ticked = [&](TimePoint now, TimePoint) {
    if (!result.report.brake.empty()) {
      result.brakes.emplace_back(now, std::exchange(result.report.brake, ""));
    }
    if (progress) {
      progress("living through " + zone.Format(now).substr(0, 10), (now - result.from).count(),
               (result.to - result.from).count());
    }
  };
  result.cycles = LiveThrough(state, cycle, dispatcher, {result.from, result.to, options.every},
                              hooks, result.report);
  Gather(state, options, result);
  return result;
}

}  // namespace segue
