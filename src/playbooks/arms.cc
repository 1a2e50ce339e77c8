// Who is left out of a playbook, and by what: the global holdout, policies, experiments.

#include <algorithm>
#include <cmath>

#include "base/hash.h"
#include "playbooks/engine.h"

namespace segue {
namespace {

// A percentage as a number of the 10 000 buckets.
int Buckets(double percent) {
  return static_cast<int>(std::lround(percent * 100));
}

std::string BucketText(int bucket) {
  return "bucket " + std::to_string(bucket) + " of 10000";
}

}  // namespace

bool PlaybookEngine::PassesGlobalHoldout(const Playbook& playbook, const Subject& subject,
                                         TimePoint now) {
  const Purpose purpose = playbook.purpose;
  if (!workspace_.holdout || (purpose != Purpose::kMarketing && purpose != Purpose::kProduct)) {
    return true;
  }
  const int bucket = Bucket(workspace_.holdout->salt, "", host_.CustomerKey(subject.customer));
  Subject asked = subject;
  const std::string where = FormatPlace(workspace_.holdout->place, workspace_.files);
  asked.where = where;
  if (bucket < Buckets(workspace_.holdout->share_percent)) {
    return Refuse(asked, Gate::kGlobalHoldout, "held_out",
                  BucketText(bucket) + ", held out of all marketing and product", now);
  }
  Say(now, asked, Gate::kGlobalHoldout, true, "", BucketText(bucket));
  return true;
}

const Policy* PlaybookEngine::Vetoes(int index, CustomerIndex customer,
                                     const std::vector<std::string_view>& what, bool& asked,
                                     TimePoint now) {
  for (const Policy& policy : workspace_.policies) {
    const bool denies = std::any_of(what.begin(), what.end(),
                                    [&](std::string_view one) { return policy.Denies(one); });
    const bool spared = std::find(policy.except.begin(), policy.except.end(), playbook(index).id) !=
                        policy.except.end();
    if (!denies || spared) {
      continue;
    }
    asked = true;
    if (std::all_of(policy.when.begin(), policy.when.end(), [&](const Condition& condition) {
          return Holds(condition, customer, now, std::nullopt);
        })) {
      return &policy;
    }
  }
  return nullptr;
}

bool PlaybookEngine::PassesPolicies(const ActiveRun& run, const Subject& subject,
                                    const std::vector<std::string_view>& what, TimePoint now) {
  bool asked = false;
  const Policy* vetoes = Vetoes(run.playbook, subject.customer, what, asked, now);
  if (vetoes == nullptr) {
    if (asked) {
      Say(now, subject, Gate::kPolicy, true, "", "none applies");
    }
    return true;
  }
  Subject refused = subject;
  const std::string where = FormatPlace(vetoes->place, workspace_.files);
  refused.where = where;
  return Refuse(refused, Gate::kPolicy, "policy", vetoes->id + ": " + vetoes->why, now);
}

PlaybookEngine::Arm PlaybookEngine::DrawArm(const DueStart& due, const Subject& subject,
                                            TimePoint now) {
  const Playbook& playbook = this->playbook(due.playbook);
  Arm arm;
  if (playbook.holdout_percent <= 0 && playbook.variants.empty()) {
    return arm;
  }
  bool asked = false;
  const Policy* vetoes = Vetoes(due.playbook, due.customer, {"experiment"}, asked, now);
  if (vetoes != nullptr) {
    arm.variant = playbook.variants.empty() ? "" : playbook.variants.front().first;
    Subject excluded = subject;
    const std::string where = FormatPlace(vetoes->place, workspace_.files);
    excluded.where = where;
    Say(now, excluded, Gate::kPolicy, true, "excluded", vetoes->id + ": " + vetoes->why);
    Say(now, subject, Gate::kExperiment, true, "", "in neither arm");
    return arm;
  }
  if (asked) {
    Say(now, subject, Gate::kPolicy, true, "", "none applies");
  }
  const int bucket = Bucket(playbook.salt, playbook.id, host_.CustomerKey(due.customer));
  int end = Buckets(playbook.holdout_percent);
  if (bucket < end) {
    arm.name = kHeldOut;
    Say(now, subject, Gate::kExperiment, true, kHeldOut, BucketText(bucket));
    return arm;
  }
  arm.name = "treated";
  for (const auto& [name, share] : playbook.variants) {
    end += Buckets(share);
    arm.variant = name;
    if (bucket < end) {
      break;
    }
  }
  Say(now, subject, Gate::kExperiment, true, "",
      "treated" + (arm.variant.empty() ? "" : ", variant " + arm.variant) + " (" +
          BucketText(bucket) + ")");
  return arm;
}

bool PlaybookEngine::PassesLane(const DueStart& due, const Subject& subject, TimePoint now) {
  const Playbook& playbook = this->playbook(due.playbook);
  const std::vector<std::int64_t> busy = BusyLane(due.playbook, due.customer);
  if (busy.empty()) {
    Say(now, subject, Gate::kLane, true, "", "free");
    return true;
  }
  std::string detail;
  bool weaker = playbook.takes_over;
  for (const std::int64_t id : busy) {
    const ActiveRun& run = active_.at(id);
    weaker = weaker && this->playbook(run.playbook).priority < playbook.priority;
    detail += (detail.empty() ? "run " : ", run ") + std::to_string(id) +
              (run.playbook == due.playbook ? "" : " of " + this->playbook(run.playbook).id);
  }
  if (!weaker) {
    return Refuse(subject, Gate::kLane, "lane_busy", detail + " is active", now);
  }
  Say(now, subject, Gate::kLane, true, "", "takes over from " + detail);
  return true;
}

std::vector<std::int64_t> PlaybookEngine::BusyLane(int index, CustomerIndex customer) const {
  std::vector<std::int64_t> busy;
  for (std::size_t other = 0; other < programs_.size(); ++other) {
    if (programs_[other].playbook->lane != playbook(index).lane) {
      continue;
    }
    const auto found = running_[other].find(customer);
    if (found != running_[other].end()) {
      busy.push_back(found->second);
    }
  }
  std::sort(busy.begin(), busy.end());
  return busy;
}

void PlaybookEngine::TakeOver(const DueStart& due, TimePoint now) {
  for (const std::int64_t id : BusyLane(due.playbook, due.customer)) {
    ActiveRun& run = active_.at(id);
    End(run, "taken_over", program(run).where, "by " + playbook(due.playbook).id, now);
    SaveRun(run, now);
    active_.erase(id);
  }
}

bool PlaybookEngine::PassesPerDay(const DueStart& due, const Subject& subject, TimePoint now) {
  const Playbook& playbook = this->playbook(due.playbook);
  if (!playbook.per_day) {
    return true;
  }
  const Zone& zone = workspace_.schema.timezone;
  const std::int64_t today = zone.ToLocal(now).day();
  const auto midnight = [&](std::int64_t day) { return zone.ToUtc(LocalTime{day * kDay.count()}); };
  const auto [count, fresh] = started_today_.try_emplace(due.playbook, 0);
  if (fresh) {
    Statement select = db_.Prepare(
        "SELECT count(*) FROM run WHERE playbook = ? AND started >= ? AND arm <> 'held_out'");
    select.Bind(1, playbook.id).Bind(2, ToMicros(midnight(today)));
    count->second = select.Step() ? select.Int(0) : 0;
  }
  const std::string detail =
      std::to_string(count->second) + " of " + std::to_string(*playbook.per_day) + " starts today";
  if (count->second >= *playbook.per_day) {
    PendingStart& start = pending_[static_cast<std::size_t>(due.playbook)].at(due.customer);
    start.due = midnight(today + 1);
    start.said_stale = false;
    StorePending(due.playbook, due.customer, start);
    return Refuse(subject, Gate::kPerDay, "per_day", detail, now);
  }
  Say(now, subject, Gate::kPerDay, true, "", detail);
  return true;
}

}  // namespace segue
