#include "sim/checks.h"

#include <algorithm>
#include <array>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "sim/parts.h"

namespace segue::sim {
namespace {

using enum DeliveryState;

// The arrows of docs/outbox.md, written down a second time.
bool IsArrow(DeliveryState from, DeliveryState to) {
  static const std::map<DeliveryState, std::set<DeliveryState>> kArrows = {
      {kWaiting, {kRunning, kAccepted, kRefused, kSuppressed, kUnknown, kDropped}},
      {kRunning, {kWaiting, kAccepted, kRefused, kSuppressed, kUnknown, kDropped, kDead}},
      {kUnknown, {kWaiting, kAccepted, kDropped}},
      {kDead, {kWaiting, kAccepted, kDropped}}};
  const auto found = kArrows.find(from);
  return found != kArrows.end() && found->second.contains(to);
}

const std::set<std::string>& Reasons() {
  static const std::set<std::string> kAll = {
      "draft",       "paused",           "data_stale",   "when_false", "reenter",
      "lane_busy",   "no_topic_consent", "no_consent",   "suppressed", "no_address",
      "not_allowed", "same_address",     "render_error", "shadow",     "stale",
      "dry_run",     "refused",          "unknown"};
  return kAll;
}

std::int64_t NumberOf(Database& db, const std::string& sql) {
  Statement ask = db.Prepare(sql);
  return ask.Step() && !ask.IsNull(0) ? ask.Int(0) : 0;
}

}  // namespace

void Checks::Forget() {
  last_delivery_ = last_attempt_ = last_decision_ = 0;
  states_.clear();
  calls_.clear();
}

void Checks::AfterTick() {
  FollowDeliveries();
  FollowAttempts();
  FollowDecisions();
  CountsAddUp();
  RunningAreUnderWay();
}

// Every new promise is known under one key, and a decision says so.
void Checks::FollowDeliveries() {
  Database& db = *run_.parts_->db;
  Statement list = db.Prepare(
      "SELECT id, key, playbook, run, step, connector, stale_after, not_before, claimed IS NOT "
      "NULL "
      "FROM outbox WHERE id > ? ORDER BY id");
  list.Bind(1, last_delivery_);
  while (list.Step()) {
    last_delivery_ = list.Int(0);
    states_[last_delivery_] = kWaiting;
    const std::string key = list.Text(1);
    const std::string promise =
        fmt::format("{}|{}|{}|{}", list.Text(2), list.Int(3), list.Text(4), list.Text(5));
    const auto [known, is_new] = keys_.emplace(promise, key);
    if (known->second != key) {
      throw Violation("one promise has two keys: " + promise);
    }
    // One that was promised in a cycle that a crash cut off may have been claimed and put off
    // since.
    const bool untouched = list.Int(8) == 0;
    if (is_new && untouched && list.Int(6) < list.Int(7)) {
      throw Violation("promised for a time at which it is too late: " + promise);
    }
  }
}

void Checks::FollowAttempts() {
  Database& db = *run_.parts_->db;
  Statement list = db.Prepare(
      "SELECT a.id, a.delivery, a.from_state, a.to_state, o.key FROM attempt a JOIN outbox o ON "
      "o.id = a.delivery WHERE a.id > ? ORDER BY a.id");
  list.Bind(1, last_attempt_);
  while (list.Step()) {
    last_attempt_ = list.Int(0);
    const auto from = static_cast<DeliveryState>(list.Int(2));
    const auto to = static_cast<DeliveryState>(list.Int(3));
    DeliveryState& state = states_[list.Int(1)];
    if (from != state) {
      throw Violation(fmt::format("delivery {} left `{}` and was `{}`", list.Int(1),
                                  DeliveryStateName(from), DeliveryStateName(state)));
    }
    if (from != to && !IsArrow(from, to)) {
      throw Violation(fmt::format("delivery {} went from `{}` to `{}`", list.Int(1),
                                  DeliveryStateName(from), DeliveryStateName(to)));
    }
    state = to;
  }
  list.Reset();
  // What became of promises is part of what the twin must know: gates look at it.
  Statement all = db.Prepare("SELECT id, key, address, payload, erased FROM outbox ORDER BY id");
  while (all.Step()) {
    const auto [where, is_first] = addresses_.emplace(all.Text(1), all.Text(2));
    if (where->second != all.Text(2) && all.Int(4) == 0) {
      where->second = all.Text(2);
      run_.operations_.push_back(
          {Operation::Kind::kReaddress, run_.now_, where->first, all.Text(3), kWaiting});
    }
    const DeliveryState state = states_[all.Int(0)];
    auto [told, is_new] = told_.emplace(all.Text(1), kWaiting);
    if (told->second != state) {
      told->second = state;
      run_.operations_.push_back({Operation::Kind::kOutcome, run_.now_, told->first, "", state});
    }
  }
}

// Whoever was refused has a reason, and what passed the last gate is in the outbox.
void Checks::FollowDecisions() {
  Database& db = *run_.parts_->db;
  Statement list = db.Prepare(
      "SELECT id, gate, passed, reason, run, step, (SELECT count(*) FROM outbox o WHERE o.run = "
      "d.run AND o.step = d.step) FROM decision d WHERE id > ? ORDER BY id");
  list.Bind(1, last_decision_);
  while (list.Step()) {
    last_decision_ = list.Int(0);
    const auto gate = static_cast<Gate>(list.Int(1));
    const std::string reason = list.Text(3);
    if (list.Int(2) == 0) {
      ++run_.tally_.refused_people;
      // Who left before the stay was over was not refused.
      if (!(gate == Gate::kTrigger && reason.empty()) && !Reasons().contains(reason)) {
        throw Violation(fmt::format("decision {} of gate {} says no, and its reason is `{}`",
                                    list.Int(0), GateName(gate), reason));
      }
    } else if (gate == Gate::kOutbox && reason.empty() && list.Int(6) == 0) {
      throw Violation(fmt::format("run {} step {} was promised, and nothing is in the outbox",
                                  list.Int(4), list.Text(5)));
    }
  }
}

void Checks::CountsAddUp() {
  const OutboxCounts counts = run_.parts_->state->outbox().Count();
  const std::array<std::int64_t, 8> told = {counts.waiting, counts.running,    counts.accepted,
                                            counts.refused, counts.suppressed, counts.unknown,
                                            counts.dropped, counts.dead};
  std::array<std::int64_t, 8> seen{};
  for (const auto& [id, state] : states_) {
    ++seen.at(static_cast<std::size_t>(state));
  }
  for (std::size_t i = 0; i < told.size(); ++i) {
    if (told[i] != seen[i]) {
      throw Violation(fmt::format("the outbox counts {} {}, and their history says {}", told[i],
                                  DeliveryStateName(static_cast<DeliveryState>(i)), seen[i]));
    }
  }
}

// What is claimed is being performed; the rest has a time.
void Checks::RunningAreUnderWay() {
  Database& db = *run_.parts_->db;
  std::set<std::string> flying;
  for (const auto& [at, one] : run_.flying_) {
    flying.insert(one.key);
  }
  Statement list = db.Prepare("SELECT key FROM outbox WHERE state = 1 AND lease > 0");
  while (list.Step()) {
    if (!flying.contains(list.Text(0))) {
      throw Violation("a delivery is claimed and nobody performs it: " + list.Text(0));
    }
  }
  if (NumberOf(db, "SELECT count(*) FROM run WHERE ended IS NULL AND wakes IS NULL") > 0) {
    throw Violation("a run neither ended nor waits");
  }
}

std::string Checks::BeforeCall(const Call& call) {
  Parts& parts = *run_.parts_;
  const ConnectorSettings& connector = *parts.workspace().FindConnector(call.connector);
  const std::string key = call.request.headers.at("Idempotency-Key");
  if (parts.db->in_transaction()) {
    throw Violation("a call is to be made before its claim is durable");
  }
  Statement find = parts.db->Prepare("SELECT id FROM outbox WHERE key = ? AND state = 1");
  find.Bind(1, key);
  if (!find.Step()) {
    throw Violation("a call is to be made for a delivery that is not claimed: " + key);
  }
  const Delivery delivery = *parts.state->outbox().Get(find.Int(0));
  find.Reset();
  if (delivery.connector != call.connector || run_.now_ > delivery.stale_after ||
      run_.now_ < delivery.not_before) {
    throw Violation("a call is to be made at the wrong time or place: " + key);
  }
  Entry& entry = run_.vendor_.At(key);
  if (connector.dedupe == Dedupe::kNone && (entry.open || entry.effects > 0)) {
    throw Violation("a blind second try of " + key);
  }
  if (entry.over) {
    throw Violation("asked again after an answer: " + key);
  }
  entry.open = true;
  const std::string about =
      boost::json::parse(call.request.body).at("customer").as_string().c_str();
  if (about != delivery.customer_key || run_.world_.IsErased(about)) {
    throw Violation("a call about " + about + ", who was erased or is somebody else");
  }
  if (delivery.kind == DeliveryKind::kMessage) {
    MessageMayGo(delivery);
  }
  CallsWithinLimits(connector);
  return key;
}

void Checks::MessageMayGo(const Delivery& delivery) {
  const Workspace& workspace = run_.parts_->workspace();
  const World& world = run_.world_;
  const std::string& who = delivery.customer_key;
  const std::string topic = delivery.playbook == "win_back" ? "news" : "";
  if (!world.MayWrite(who, delivery.payload.channel, delivery.purpose, topic)) {
    throw Violation(fmt::format("{} gets `{}` without consent", who, delivery.step));
  }
  if (world.IsSuppressed(who, delivery.payload.to)) {
    throw Violation(who + " gets a message and is suppressed");
  }
  const std::optional<QuietHours>& quiet = workspace.quiet_hours;
  const std::optional<std::string> name = world.ZoneName(who);
  if (!quiet || !name ||
      (!quiet->channels.empty() && delivery.payload.channel != quiet->channels.front())) {
    return;
  }
  Zone zone = workspace.schema.timezone;
  if (quiet->customer_zone) {
    if (const Result<Zone> own = Zone::Find(*name); own) {
      zone = *own;
    }
  }
  const std::int64_t minute = zone.ToLocal(run_.now_).micros_of_day() / kMinute.count();
  const bool crosses = quiet->from_minute > quiet->to_minute;
  const bool in = crosses ? minute >= quiet->from_minute || minute < quiet->to_minute
                          : minute >= quiet->from_minute && minute < quiet->to_minute;
  if (in) {
    throw Violation(
        fmt::format("{} gets a message at {}, in quiet hours", who, zone.Format(run_.now_)));
  }
}

void Checks::CallsWithinLimits(const ConnectorSettings& connector) {
  const TimePoint now = run_.now_;
  const auto under_way =
      std::count_if(run_.flying_.begin(), run_.flying_.end(),
                    [&](const auto& entry) { return entry.second.connector == connector.id; });
  if (under_way >= connector.parallel) {
    throw Violation(connector.id + ": more calls at once than allowed");
  }
  std::vector<TimePoint>& calls = calls_[connector.id];
  calls.push_back(now);
  if (connector.rate_calls) {
    // A full bucket, and then one for each part of the time.
    const auto most = static_cast<std::size_t>(*connector.rate_calls);
    for (std::size_t n = 1; n <= 2 * most && n + most <= calls.size(); ++n) {
      const Duration took = now - calls[calls.size() - most - n];
      const Duration needed = connector.rate_per / *connector.rate_calls * static_cast<int>(n);
      if (took + std::chrono::milliseconds(1) < needed) {
        throw Violation(
            fmt::format("{}: {} calls in {}", connector.id, most + n, FormatDuration(took)));
      }
    }
  }
  const std::int64_t day = run_.parts_->workspace().schema.timezone.ToLocal(now).day();
  if (const std::int64_t made = ++calls_on_[connector.id][day];
      connector.daily && made > *connector.daily) {
    throw Violation(fmt::format("{}: {} calls on one day", connector.id, made));
  }
}

// Whoever is told what came of a call may ask again when nothing happened.
void Checks::Told(const std::vector<Simulation::Flying>& answers, bool done) {
  for (const Simulation::Flying& one : answers) {
    if (!one.answered.told) {
      continue;
    }
    // Where the process died at this commit, the state on disk says on which side of it.
    Statement find = run_.parts_->db->Prepare("SELECT state FROM outbox WHERE key = ?");
    find.Bind(1, one.key);
    const auto state = find.Step() ? static_cast<DeliveryState>(find.Int(0)) : kRunning;
    const bool recorded = done || state != kRunning;
    run_.vendor_.At(one.key).over |= state == kAccepted || state == kRefused;
    if (recorded && run_.vendor_.At(one.key).effects == 0) {
      run_.vendor_.At(one.key).open = false;
    }
  }
}

// First sight moves nobody.  After a crash one report may tell of two cycles: the one that was cut
// off, and the next.
void Checks::AfterCycle(const CycleReport& report) {
  for (const std::string& model : report.baselines) {
    Statement ask = run_.parts_->db->Prepare(
        "SELECT count(*) FROM move JOIN segment_model USING (model) WHERE model = ? AND at <= "
        "baseline");
    ask.Bind(1, model);
    if (ask.Step() && ask.Int(0) > 0) {
      throw Violation("the first slot of model " + model + " moved somebody");
    }
  }
}

void Checks::NothingNew() {
  const auto before = Decided(*run_.parts_);
  CycleReport report;
  run_.parts_->cycle->Decide(run_.now_, report);
  if (const std::string changed = Difference(before, Decided(*run_.parts_)); !changed.empty()) {
    throw Violation("a second cycle at the same moment changed something: " + changed);
  }
}

}  // namespace segue::sim
