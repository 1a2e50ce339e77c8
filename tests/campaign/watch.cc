#include "campaign/watch.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/hash.h"

namespace segue::campaign {
namespace {

using enum DeliveryState;

constexpr int kBucketsPerPercent = 100;

int BucketsOf(double percent) {
  return static_cast<int>(percent * kBucketsPerPercent + 0.5);
}

// What a word of an attempt says was refused at the moment of sending; empty: nothing was.
std::string GateAtSending(const std::string& reason) {
  static const std::map<std::string, std::string> kGates = {
      {"no_consent", "consent"},     {"no_topic_consent", "topic consent"},
      {"suppressed", "suppression"}, {"not_allowed", "address"},
      {"no_address", "address"},     {"same_address", "same address"},
      {"no_code", "offer"},          {"cap", "cap"},
      {"stale", "outbox"},           {"dry_run", "outbox"},
      {"goal", "goal or exit"},      {"exit", "goal or exit"},
      {"taken_over", "lane"},        {"superseded", "outbox"},
      {"erased", "suppression"}};
  const auto found = kGates.find(reason);
  return found == kGates.end() ? "" : found->second;
}

}  // namespace

Watch::Watch(const Rulebook& book, Onlooker& onlooker, Tools& tools)
    : book_(book), workspace_(book.open), onlooker_(onlooker), tools_(tools) {
  std::map<std::string, int> lanes;
  for (const Playbook& playbook : workspace_.playbooks) {
    lane_.push_back(lanes.emplace(playbook.lane, static_cast<int>(lanes.size())).first->second);
    totals_.taken[playbook.id] = 0;
    if (playbook.of == Subject::kAccount) {
      of_accounts_.insert(playbook.id);
    }
  }
  last_started_.resize(workspace_.playbooks.size());
}

void Watch::AfterCycle(State& state, TimePoint now) {
  FollowRuns(state);
  FollowDecisions(state);
  FollowPromises(state, now);
  FollowGrants(state);
  OneRunForEachLane(state);
  AfterAnswers(state);  // What the cycle itself dropped.
}

void Watch::Merged(int into, int gone) {
  auto& all = counted_[into];
  auto& theirs = counted_[gone];
  all.insert(all.end(), theirs.begin(), theirs.end());
  theirs.clear();
  for (auto& by_person : last_started_) {
    if (const auto found = by_person.find(gone); found != by_person.end()) {
      const TimePoint at = found->second;
      auto& last = by_person.try_emplace(into, at).first->second;
      last = std::max(last, at);
      by_person.erase(gone);
    }
  }
}

// --- Starts --------------------------------------------------------------------------------------

void Watch::FollowRuns(State& state) {
  Statement list = state.db().Prepare(
      "SELECT id, playbook, customer, arm, started FROM run WHERE id > ? ORDER BY id");
  list.Bind(1, last_run_);
  while (list.Step()) {
    last_run_ = list.Int(0);
    const int playbook = workspace_.FindPlaybook(list.Text(1)).value();
    const std::string arm = list.Text(3);
    runs_.resize(static_cast<std::size_t>(last_run_) + 1);
    runs_.back() = {playbook, arm == "held_out"};
    MayStart(state, playbook, static_cast<CustomerIndex>(list.Int(2)), arm,
             FromMicros(list.Int(4)));
    ++totals_.runs;
  }
}

void Watch::MayStart(State& state, int index, CustomerIndex customer, const std::string& arm,
                     TimePoint at) {
  const Playbook& playbook = workspace_.playbooks[static_cast<std::size_t>(index)];
  const std::string key = state.ledger().CustomerKey(customer);
  const auto wrong = [&](const std::string& why) {
    throw Broken(fmt::format("{} started {} at {}: {}", playbook.id, key, FormatTime(at), why));
  };
  const std::optional<int> person =
      IsAccount(customer) ? onlooker_.AccountOf(key) : onlooker_.PersonOf(key);
  if (!person) {
    wrong("nobody told of them");
  }
  if (IsAccount(customer) != of_accounts_.contains(playbook.id)) {
    wrong("it is not about such");
  }
  if (playbook.status == Status::kDraft || playbook.status == Status::kPaused ||
      paused_.contains(playbook.id)) {
    wrong("it stands still");
  }
  if (at - last_read_ > *workspace_.max_data_age) {
    wrong("the data was too old");
  }
  const bool promotes =
      playbook.purpose == Purpose::kMarketing || playbook.purpose == Purpose::kProduct;
  if (promotes &&
      Bucket(workspace_.holdout->salt, "", key) < BucketsOf(workspace_.holdout->share_percent)) {
    wrong("they are held out of everything");
  }
  const bool in_experiment = playbook.holdout_percent > 0 || !playbook.variants.empty();
  const bool held_out =
      Bucket(playbook.salt, playbook.id, key) < BucketsOf(playbook.holdout_percent);
  if (in_experiment && !arm.empty() && held_out != (arm == "held_out")) {
    wrong("the arm is not that of their bucket");
  }
  const auto [before, first] =
      last_started_[static_cast<std::size_t>(index)].try_emplace(*person, at);
  if (!first && playbook.reenter.kind == Reenter::Kind::kNever) {
    wrong("a second time, and it says never");
  }
  if (!first && playbook.reenter.kind == Reenter::Kind::kAfter &&
      at - before->second < playbook.reenter.after) {
    wrong("again too soon");
  }
  before->second = at;
  const std::int64_t day = workspace_.schema.timezone.ToLocal(at).day();
  if (playbook.per_day && arm != "held_out" && ++started_on_[{index, day}] > *playbook.per_day) {
    wrong("more than a day may have");
  }
}

// One active run of one person in each lane.
void Watch::OneRunForEachLane(State& state) {
  Statement list =
      state.db().Prepare("SELECT playbook, customer, id, wakes FROM run WHERE ended IS NULL");
  std::vector<std::uint64_t> seen;
  std::map<std::string, int> index;
  for (std::size_t i = 0; i < workspace_.playbooks.size(); ++i) {
    index[workspace_.playbooks[i].id] = static_cast<int>(i);
  }
  while (list.Step()) {
    const auto lane =
        static_cast<std::uint64_t>(lane_[static_cast<std::size_t>(index.at(list.Text(0)))]);
    seen.push_back(lane << 32 | static_cast<std::uint64_t>(list.Int(1)));
    if (list.IsNull(3)) {
      throw Broken(fmt::format("run {} neither ended nor waits", list.Int(2)));
    }
  }
  std::sort(seen.begin(), seen.end());
  if (const auto twice = std::adjacent_find(seen.begin(), seen.end()); twice != seen.end()) {
    throw Broken(fmt::format("customer {} has two runs in one lane", *twice & 0xffff'ffff));
  }
}

void Watch::FollowDecisions(State& state) {
  Statement list = state.db().Prepare(
      "SELECT at, gate, passed, reason, run, step, id, playbook FROM decision WHERE at > ?");
  list.Bind(1, ToMicros(last_decision_));
  TimePoint last = last_decision_;
  while (list.Step()) {
    last = std::max(last, FromMicros(list.Int(0)));
    ++totals_.decisions;
    const auto gate = static_cast<Gate>(list.Int(1));
    const std::string reason = list.Text(3);
    const bool passed = list.Int(2) != 0;
    if (!passed && reason.empty() && gate != Gate::kTrigger) {
      throw Broken(fmt::format("decision {} says no and not why", list.Int(6)));
    }
    const bool counts = !passed || (reason == "held" && gate != Gate::kWait) ||
                        reason == "excluded" || gate == Gate::kEnd;
    if (counts) {
      const std::string where = of_accounts_.contains(list.Text(7)) ? "accounts"
                                : list.Int(4) == 0                  ? "start"
                                : gate == Gate::kEnd                ? "end"
                                                                    : "step";
      ++totals_.refused[{where, std::string(GateName(gate)),
                         reason.empty() ? "left too soon" : reason}];
    }
  }
  last_decision_ = last;
}

// --- Promises ------------------------------------------------------------------------------------

void Watch::FollowPromises(State& state, TimePoint now) {
  waiting_.clear();
  Statement list = state.db().Prepare(
      "SELECT id, key, kind, purpose, customer_key, playbook, run, step, template, address, "
      "not_before, stale_after, customer FROM outbox WHERE id > ? ORDER BY id");
  list.Bind(1, last_promise_);
  while (list.Step()) {
    last_promise_ = list.Int(0);
    Promise one;
    one.id = list.Int(0);
    one.key = list.Text(1);
    one.kind = static_cast<DeliveryKind>(list.Int(2));
    one.purpose = list.Text(3);
    one.customer = list.Text(4);
    one.playbook = workspace_.FindPlaybook(list.Text(5)).value_or(-1);
    one.run = list.Int(6);
    one.address = one.promised_to = list.Text(9);
    one.not_before = FromMicros(list.Int(10));
    const std::string step = list.Text(7);
    one.leaves = step.find(':') != std::string::npos;
    one.of_account = IsAccount(static_cast<CustomerIndex>(list.Int(12)));
    const Template* message = workspace_.FindTemplate(list.Text(8));
    one.channel = message == nullptr ? "" : message->channel;
    const auto wrong = [&](std::string_view why) {
      throw Broken(fmt::format("delivery {} ({} {}) to {}: {}", one.id, list.Text(5), step,
                               one.customer, why));
    };
    if (one.run > 0 && !one.leaves && runs_.at(static_cast<std::size_t>(one.run)).held_out) {
      wrong("the run is held out");
    }
    if (one.playbook >= 0 &&
        workspace_.playbooks[static_cast<std::size_t>(one.playbook)].status != Status::kLive) {
      wrong("the playbook is not live");
    }
    const std::optional<int> person = onlooker_.PersonOf(one.customer);
    if (one.kind == DeliveryKind::kMessage && person && onlooker_.OnLegalHold(*person)) {
      wrong("the lawyers come first");
    }
    if (one.of_account &&
        (one.kind == DeliveryKind::kMessage || one.kind == DeliveryKind::kAudience)) {
      wrong("it is for a customer");
    }
    if (FromMicros(list.Int(11)) < one.not_before) {
      wrong("promised for a time at which it is too late");
    }
    if (!by_key_.emplace(one.key, one.id).second) {
      wrong("its key is known already");
    }
    if (one.kind == DeliveryKind::kMessage && one.not_before > now) {
      waiting_.push_back(one.id);
    }
    ++totals_.promises;
    promises_.resize(static_cast<std::size_t>(one.id) + 1);
    promises_.back() = std::move(one);
  }
}

// What was given this month may not be more than the budget, at the moment of giving.
void Watch::FollowGrants(State& state) {
  std::set<std::string> given;
  Statement list = state.db().Prepare(
      "SELECT id, offer, customer, reserved, state, expires FROM offer_grant WHERE id > ? ORDER "
      "BY id");
  list.Bind(1, last_grant_);
  while (list.Step()) {
    last_grant_ = list.Int(0);
    const Offer& offer = *workspace_.FindOffer(list.Text(1));
    const bool ghost = list.Int(4) == 5;
    Statement count = state.db().Prepare(
        "SELECT count(*) FROM offer_grant WHERE customer = ?1 AND offer = ?2 AND reserved > ?3 AND "
        "id <= ?4 AND state <> 2 AND (state <> 5 OR ?5)");
    count.Bind(1, list.Int(2)).Bind(2, offer.id);
    count.Bind(3, list.Int(3) - offer.per_customer_within.count()).Bind(4, last_grant_);
    count.Bind(5, std::int64_t{ghost});
    if (count.Step() && count.Int(0) > offer.per_customer) {
      throw Broken(fmt::format("customer {} got {} too often", list.Int(2), offer.id));
    }
    if (!ghost) {
      given.insert(offer.id);
    }
  }
  for (const std::string& id : given) {
    const Offer& offer = *workspace_.FindOffer(id);
    const Zone& zone = workspace_.schema.timezone;
    const CivilDate day = ToCivil(zone.ToLocal(last_decision_).day());
    const TimePoint month = zone.ToUtc({FromCivil({day.year, day.month, 1}) * kDay.count()});
    Statement sum = state.db().Prepare(
        "SELECT coalesce(sum(cost), 0) FROM offer_grant WHERE offer = ? AND reserved >= ? AND "
        "state IN (0, 1, 4)");
    sum.Bind(1, id).Bind(2, ToMicros(month));
    if (offer.budget && sum.Step() && sum.Int(0) > *offer.budget) {
      throw Broken(
          fmt::format("{} gave {} pence in a month that has {}", id, sum.Int(0), *offer.budget));
    }
  }
}

// --- Calls and answers ---------------------------------------------------------------------------

const Promise& Watch::BeforeCall(State& state, const Call& call, TimePoint now) {
  const std::string& key = call.request.headers.at("Idempotency-Key");
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) {
    throw Broken("a call for what nobody promised: " + key);
  }
  Promise& one = promises_[static_cast<std::size_t>(found->second)];
  const auto wrong = [&](std::string_view why) {
    throw Broken(fmt::format("a call about {} for delivery {} at {}: {}", one.customer, one.id,
                             FormatTime(now), why));
  };
  if (one.state != kRunning) {
    wrong("it is not claimed");
  }
  const Entry& entry = tools_.At(key);
  const ConnectorSettings& connector = *workspace_.FindConnector(call.connector);
  if (entry.told || (connector.dedupe == Dedupe::kNone && entry.effects > 0)) {
    wrong("it happened already");
  }
  ++totals_.calls;
  if (one.leaves) {
    return one;  // Whoever was erased still leaves the lists.
  }
  if (one.of_account) {
    if (!onlooker_.AccountOf(one.customer)) {
      wrong("nobody told of this account");
    }
    return one;
  }
  const std::optional<int> person = onlooker_.PersonOf(one.customer);
  if (!person || onlooker_.IsErased(one.customer)) {
    wrong("they were erased");
  }
  if (one.kind == DeliveryKind::kMessage) {
    // Whoever moved to another mailbox gets it there.
    Statement find = state.db().Prepare("SELECT address FROM outbox WHERE id = ?");
    find.Bind(1, one.id);
    one.address = find.Step() ? find.Text(0) : "";
    const Playbook& playbook = workspace_.playbooks.at(static_cast<std::size_t>(one.playbook));
    if (const std::string why = onlooker_.MayNotWrite(*person, one.address, playbook, one.channel);
        !why.empty()) {
      wrong(why);
    }
    if (onlooker_.InQuietHours(*person, one.channel, now)) {
      wrong("it is a quiet hour");
    }
  }
  return one;
}

void Watch::AfterCall(const Promise& one, const Call& call) {
  if (tools_.At(one.key).effects > 1) {
    throw Broken("it happened twice: " + one.key);
  }
  if (one.playbook < 0 ||
      workspace_.playbooks[static_cast<std::size_t>(one.playbook)].offer.empty()) {
    return;
  }
  const std::vector<std::string> codes = CodesIn(call.request.body, book_.code_prefixes);
  if (codes.size() > 1) {
    throw Broken(fmt::format("delivery {} prints {} codes", one.id, codes.size()));
  }
  if (codes.empty() || tools_.At(one.key).effects == 0) {
    return;
  }
  // Who has it, or may have it: nobody else may get it, and this run no other.
  const auto [code, fresh] = code_of_.emplace(codes.front(), one.run);
  totals_.codes += fresh ? 1 : 0;
  const auto [mine, first] = code_in_.emplace(
      std::pair(one.run, static_cast<int>(*onlooker_.PersonOf(one.customer))), codes.front());
  if (code->second != one.run || mine->second != codes.front()) {
    throw Broken(
        fmt::format("{} is sent to run {} and to run {}", codes.front(), code->second, one.run));
  }
}

void Watch::AfterAnswers(State& state) {
  Statement list = state.db().Prepare(
      "SELECT id, delivery, at, to_state, what, words FROM attempt WHERE id > ? ORDER BY id");
  list.Bind(1, last_attempt_);
  while (list.Step()) {
    last_attempt_ = list.Int(0);
    Moved(promises_.at(static_cast<std::size_t>(list.Int(1))),
          static_cast<DeliveryState>(list.Int(3)), FromMicros(list.Int(2)), list.Text(4),
          list.Text(5));
  }
}

void Watch::Moved(Promise& one, DeliveryState to, TimePoint at, const std::string& what,
                  const std::string& words) {
  const DeliveryState from = std::exchange(one.state, to);
  open_.erase(one.id);
  if (to == kUnknown || to == kDead) {
    open_.insert(one.id);
  }
  Entry& entry = tools_.At(one.key);
  if (from == kRunning && (to == kAccepted || to == kRefused)) {
    entry.told = true;
  }
  if (to != from && what != "by_hand") {
    const std::string reason =
        what == "stale" || what == "erased" ? what : words.substr(0, words.find(';'));
    const std::string gate = GateAtSending(reason);
    if (to == kRefused || to == kUnknown || to == kDead) {
      ++totals_.refused[{"sending", "outcome", std::string(DeliveryStateName(to))}];
    } else if (to == kDropped || to == kSuppressed) {
      ++totals_.refused[{"sending", gate.empty() ? "outcome" : gate, reason}];
    }
  }
  const bool counts = to == kAccepted || to == kUnknown;
  const bool counted = from == kAccepted || from == kUnknown;
  if (to == kAccepted && from != kAccepted && one.playbook >= 0) {
    ++totals_.taken[workspace_.playbooks[static_cast<std::size_t>(one.playbook)].id];
  }
  if (one.kind != DeliveryKind::kMessage || counts == counted) {
    return;
  }
  const std::optional<int> person = onlooker_.PersonOf(one.customer);
  if (!person) {
    return;
  }
  auto& all = counted_[*person];
  std::erase_if(all, [&](const Counted& message) { return message.id == one.id; });
  if (counts) {
    all.push_back({at, one.id});
    if (what != "by_hand") {
      WithinCaps(one, at);
    }
  }
}

void Watch::WithinCaps(const Promise& one, TimePoint at) {
  const auto about = [](const Cap& cap, const Promise& message) {
    return (!cap.purpose || PurposeName(*cap.purpose) == message.purpose) &&
           (cap.channel.empty() || cap.channel == message.channel);
  };
  for (const Cap& cap : workspace_.caps) {
    if (!about(cap, one)) {
      continue;
    }
    int within = 0;
    for (const Counted& message : counted_[*onlooker_.PersonOf(one.customer)]) {
      within +=
          message.at > at - cap.within && message.at <= at && about(cap, At(message.id)) ? 1 : 0;
    }
    if (within > cap.max) {
      throw Broken(fmt::format("{} got {} messages within {} at {}, and {} are allowed",
                               one.customer, within, FormatDuration(cap.within), FormatTime(at),
                               cap.max));
    }
  }
}

// What the outbox says happened did happen, and the other way round.
void Watch::AtTheEnd(State& state) {
  Statement list =
      state.db().Prepare("SELECT id, key, state, unresolved, erased FROM outbox ORDER BY id");
  while (list.Step()) {
    const Entry& entry = tools_.At(list.Text(1));
    const auto at = static_cast<DeliveryState>(list.Int(2));
    const bool over = at == kAccepted || at == kRefused || at == kSuppressed || at == kDropped;
    const bool happened = entry.effects > 0;
    const bool open = list.Int(3) != 0 || list.Int(4) != 0;
    if (!over || entry.effects > 1 || (at == kAccepted && !happened) ||
        (over && at != kAccepted && happened && !open)) {
      throw Broken(fmt::format("delivery {} is {}, and it happened {} times", list.Int(0),
                               DeliveryStateName(at), entry.effects));
    }
  }
  const std::vector<std::string> problems = state.playbooks().offers().Problems();
  if (!problems.empty()) {
    throw Broken(problems.front());
  }
}

}  // namespace segue::campaign
