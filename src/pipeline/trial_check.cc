#include "pipeline/trial_check.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"
#include "pipeline/foresee.h"

namespace segue {
namespace {

constexpr std::array<std::string_view, 3> kComplete = {"sent", "tasks", "audience"};
constexpr std::array<std::string_view, 5> kAtLeast = {"changed", "moved", "started", "skipped",
                                                      "finished"};

bool Matches(std::string_view wanted, std::string_view got) {
  return wanted.empty() || wanted == "any" || wanted == got;
}

bool IsOneOf(const std::vector<std::string>& names, std::string_view name) {
  return names.empty() || std::find(names.begin(), names.end(), name) != names.end();
}

// All that the fact says but whom it is about.
bool Matches(const TrialFact& fact, const Observed& seen) {
  const bool wall = !fact.local_time || (seen.local_minute >= fact.local_time->first &&
                                         seen.local_minute <= fact.local_time->second);
  return wall && Matches(fact.playbook, seen.playbook) &&
         Matches(fact.template_id, seen.template_id) && Matches(fact.name, seen.template_id) &&
         Matches(fact.model, seen.model) && Matches(fact.from, seen.from) &&
         Matches(fact.to, seen.to) && Matches(fact.because, seen.because) &&
         Matches(fact.cause, seen.cause) && Matches(fact.purpose, seen.purpose) &&
         Matches(fact.channel, seen.channel);
}

std::string Describe(const Observed& seen) {
  std::string what;
  if (seen.kind == "moved") {
    what = fmt::format("{} moved from {} to {} in {} (cause: {})", seen.person, seen.from, seen.to,
                       seen.model, seen.cause);
  } else if (seen.kind == "started") {
    what = fmt::format("{} started {}", seen.person, seen.playbook);
  } else if (seen.kind == "finished") {
    what = fmt::format("{} finished {}: {}", seen.person, seen.playbook, seen.because);
  } else if (seen.kind == "skipped") {
    what = fmt::format("{} {}: {}", seen.person,
                       seen.step.empty()
                           ? "was not started by " + seen.playbook
                           : fmt::format("got nothing at step {} of {}", seen.step, seen.playbook),
                       seen.because);
  } else {
    what = fmt::format("{} {} to {} (step {} of {})", seen.kind == "sent" ? "sent" : seen.kind,
                       seen.template_id, seen.person, seen.step, seen.playbook);
  }
  return what + ", " + seen.local + (seen.detail.empty() ? "" : ": " + seen.detail);
}

// Whether every left one has a right one of its own (augmenting paths); partner_of_right is filled.
bool Assign(std::size_t left, const std::vector<std::vector<std::size_t>>& fits,
            std::vector<bool>& visited, std::vector<std::optional<std::size_t>>& partner) {
  for (const std::size_t right : fits[left]) {
    if (visited[right]) {
      continue;
    }
    visited[right] = true;
    if (!partner[right] || Assign(*partner[right], fits, visited, partner)) {
      partner[right] = left;
      return true;
    }
  }
  return false;
}

}  // namespace

void TrialChecker::Fail(const Place& place, std::string message, std::string help) {
  failures_.push_back({Severity::kError,
                       trial_.id,
                       place,
                       (day_.empty() ? "" : day_ + ": ") + std::move(message),
                       {},
                       std::move(help)});
}

Observed TrialChecker::At(State& state, CustomerIndex customer, TimePoint at) const {
  const Zone zone = state.ZoneOf(customer);
  Observed seen;
  const std::string& key = state.ledger().CustomerKey(customer);
  const auto name = names_.find(key);
  seen.person = name == names_.end() ? key : name->second;
  seen.at = at;
  seen.local_minute = static_cast<int>(zone.ToLocal(at).micros_of_day() / kMinute.count());
  seen.local = zone.Format(at);
  return seen;
}

void TrialChecker::CollectMoves(State& state) {
  Statement list = state.db().Prepare(
      R"(SELECT id, customer, at, model, coalesce("from", 'none'), coalesce("to", 'none'), cause,
         why FROM move WHERE id > ? ORDER BY id)");
  list.Bind(1, last_move_);
  while (list.Step()) {
    last_move_ = list.Int(0);
    Observed seen = At(state, static_cast<CustomerIndex>(list.Int(1)), FromMicros(list.Int(2)));
    seen.kind = "moved";
    seen.model = list.Text(3);
    seen.from = list.Text(4);
    seen.to = list.Text(5);
    seen.cause = CauseName(static_cast<Cause>(list.Int(6)));
    seen.detail = list.Text(7);
    all_.push_back(std::move(seen));
  }
}

void TrialChecker::CollectDecisions(State& state) {
  for (const Decision& one : state.playbooks().Decisions({}, "", TimePoint::min())) {
    if (one.id <= last_decision_) {
      continue;
    }
    last_decision_ = one.id;
    Observed seen = At(state, one.customer, one.at);
    seen.playbook = one.playbook;
    seen.step = one.step;
    seen.because = one.reason;
    seen.detail = one.detail;
    const auto index = state.workspace().FindPlaybook(one.playbook);
    if (index) {
      const Playbook& playbook = state.workspace().playbooks[static_cast<std::size_t>(*index)];
      seen.purpose = PurposeName(playbook.purpose);
      const Step* step = FindStep(playbook.steps, one.step);
      seen.template_id = step == nullptr ? "" : step->send;
    }
    if (one.gate == Gate::kStart && one.passed) {
      seen.kind = "started";
    } else if (one.gate == Gate::kEnd) {
      seen.kind = "finished";
    } else if (!one.passed && !one.reason.empty()) {
      seen.kind = "skipped";
    } else {
      continue;
    }
    all_.push_back(std::move(seen));
  }
}

void TrialChecker::CollectDeliveries(State& state) {
  OutboxFilter filter;
  filter.limit = 1'000'000;
  std::vector<Delivery> list = state.outbox().List(filter);
  std::reverse(list.begin(), list.end());
  for (const Delivery& delivery : list) {
    const bool open =
        delivery.state == DeliveryState::kWaiting || delivery.state == DeliveryState::kRunning;
    if (open || !ended_deliveries_.insert(delivery.id).second) {
      continue;
    }
    const std::vector<Attempt> attempts = state.outbox().Attempts(delivery.id);
    Observed seen =
        At(state, delivery.customer, attempts.empty() ? delivery.created : attempts.back().at);
    seen.playbook = delivery.playbook;
    seen.step = delivery.step;
    seen.purpose = delivery.purpose;
    seen.channel = delivery.payload.channel;
    const Payload& payload = delivery.payload;
    seen.template_id = !payload.template_id.empty() ? payload.template_id
                       : !payload.title.empty()     ? payload.title
                       : delivery.kind == DeliveryKind::kSet && !payload.values.empty()
                           ? payload.values.begin()->first
                           : payload.name;
    if (delivery.state == DeliveryState::kAccepted) {
      seen.kind = delivery.kind == DeliveryKind::kMessage    ? "sent"
                  : delivery.kind == DeliveryKind::kTask     ? "tasks"
                  : delivery.kind == DeliveryKind::kAudience ? "audience"
                                                             : "changed";
    } else {
      seen.kind = "skipped";
      const bool ours =
          delivery.state == DeliveryState::kDropped || delivery.state == DeliveryState::kSuppressed;
      seen.because = ours && !delivery.detail.empty()
                         ? delivery.detail
                         : std::string(DeliveryStateName(delivery.state));
    }
    all_.push_back(std::move(seen));
  }
}

void TrialChecker::Collect(State& state) {
  CollectMoves(state);
  CollectDecisions(state);
  CollectDeliveries(state);
  done_.resize(all_.size(), false);
}

void TrialChecker::Segments(State& state, const TrialExpect& expect) {
  const Workspace& workspace = state.workspace();
  const auto is_account = [&](const std::string& name) {
    return std::any_of(trial_.accounts.begin(), trial_.accounts.end(),
                       [&](const TrialAccount& one) { return one.name == name; });
  };
  const auto of_accounts = [&](const std::string& model) {
    const auto index = workspace.FindModel(model);
    return index && workspace.models[static_cast<std::size_t>(*index)].of == Subject::kAccount;
  };
  // Whoever is named; else everybody whom the model is about.
  const auto asked = [&](const std::string& model) {
    std::vector<std::string> names = expect.who;
    for (const TrialPerson& person : trial_.people) {
      if (expect.who.empty() && !of_accounts(model)) {
        names.push_back(person.name);
      }
    }
    for (const TrialAccount& account : trial_.accounts) {
      if (expect.who.empty() && of_accounts(model)) {
        names.push_back(account.name);
      }
    }
    return names;
  };
  const auto segment_of = [&](const std::string& model, const std::string& person) -> std::string {
    const auto index = workspace.FindModel(model);
    const auto* segments = index ? state.segments(*index) : nullptr;
    std::optional<CustomerIndex> who = state.ledger().FindCustomer(keys_.at(person));
    if (is_account(person)) {
      who = state.ledger().FindAccount(keys_.at(person));
    } else if (who && of_accounts(model)) {
      who = state.ledger().AccountOf(*who);
    }
    if (segments == nullptr || !who) {
      return "none";
    }
    const SegmentIndex segment = segments->Get(*who).segment;
    return segment == kNoSegment
               ? "none"
               : workspace.models[static_cast<std::size_t>(*index)].segments[segment].id;
  };
  for (const TrialSegment& wanted : expect.segments) {
    int count = 0;
    for (const std::string& name : asked(wanted.model)) {
      const std::string got = segment_of(wanted.model, name);
      count += got == wanted.segment ? 1 : 0;
      if (!wanted.count && got != wanted.segment) {
        Fail(wanted.place,
             fmt::format("{} is in {} of {}, not in {}", name, got, wanted.model, wanted.segment));
      }
    }
    if (wanted.count && *wanted.count != count) {
      Fail(wanted.place, fmt::format("{} {} are in {} of {}, not {}", count,
                                     of_accounts(wanted.model) ? "accounts" : "people",
                                     wanted.segment, wanted.model, *wanted.count));
    }
  }
}

// Says what happened in its place: the nearest thing that the same person got, or was refused.
void TrialChecker::Missing(std::string_view kind, const TrialFact& fact, const std::string& who,
                           const std::vector<const Observed*>& seen) {
  std::vector<std::string> instead;
  for (const Observed* one : seen) {
    const bool related = one->kind == kind || one->kind == "skipped" || one->kind == "finished";
    const bool same = Matches(fact.template_id, one->template_id) || one->template_id.empty() ||
                      one->kind == kind;
    if (related && same && (who.empty() || one->person == who) && instead.size() < 4) {
      instead.push_back(Describe(*one));
    }
  }
  const std::string whom = fact.who.size() > 1 ? " for " + who : "";
  Fail(fact.place, fmt::format("expected {} {}{}, and it did not happen", kind, fact.text, whom),
       instead.empty() ? "nothing of the kind happened since the last expectation"
                       : Join(instead, "; "));
}

void TrialChecker::Complete(std::string_view kind, const TrialExpect& expect,
                            const std::vector<const Observed*>& seen) {
  std::vector<const Observed*> mine;
  std::copy_if(seen.begin(), seen.end(), std::back_inserter(mine),
               [&](const Observed* one) { return one->kind == kind; });

  struct Wish {
    const TrialFact* fact;
    std::string who;
  };

  std::vector<Wish> wishes;
  const auto facts = expect.facts.find(kind);
  for (std::size_t i = 0; facts != expect.facts.end() && i < facts->second.size(); ++i) {
    const TrialFact& fact = facts->second[i];
    for (const std::string& who : fact.who) {
      wishes.push_back({&fact, who});
    }
    if (fact.who.empty()) {
      wishes.push_back({&fact, ""});
    }
  }
  std::vector<std::vector<std::size_t>> fits(wishes.size());
  std::vector<std::optional<std::size_t>> partner(mine.size());
  for (std::size_t i = 0; i < wishes.size(); ++i) {
    for (std::size_t k = 0; k < mine.size(); ++k) {
      if (Matches(wishes[i].who, mine[k]->person) && Matches(*wishes[i].fact, *mine[k])) {
        fits[i].push_back(k);
      }
    }
    std::vector<bool> visited(mine.size(), false);
    if (!Assign(i, fits, visited, partner)) {
      Missing(kind, *wishes[i].fact, wishes[i].who, seen);
    }
  }
  for (std::size_t k = 0; k < mine.size(); ++k) {
    if (!partner[k]) {
      Fail(expect.place, "not expected: " + Describe(*mine[k]),
           fmt::format("name it under `{}`, or find out why it happens", kind));
    }
  }
}

void TrialChecker::AtLeast(std::string_view kind, const TrialExpect& expect,
                           const std::vector<const Observed*>& seen) {
  const auto facts = expect.facts.find(kind);
  if (facts == expect.facts.end()) {
    return;
  }
  const auto happened = [&](const TrialFact& fact, const std::string& who) {
    return std::any_of(seen.begin(), seen.end(), [&](const Observed* one) {
      return one->kind == kind && Matches(who, one->person) && Matches(fact, *one);
    });
  };
  for (const TrialFact& fact : facts->second) {
    for (const std::string& who : fact.who) {
      if (!happened(fact, who)) {
        Missing(kind, fact, who, seen);
      }
    }
    if (fact.who.empty() && !happened(fact, "")) {
      Missing(kind, fact, "", seen);
    }
  }
  for (const Observed* one : seen) {
    if (facts->second.empty() && one->kind == kind) {
      Fail(expect.place, "not expected: " + Describe(*one));
    }
  }
}

void TrialChecker::Check(State& state, const TrialExpect& expect, TimePoint now) {
  Collect(state);
  const std::int64_t day = trial_.zone.ToLocal(now).day() - trial_.zone.ToLocal(trial_.start).day();
  day_ = fmt::format("day {}", day);
  std::vector<const Observed*> seen;
  for (std::size_t i = 0; i < all_.size(); ++i) {
    if (!done_[i] && IsOneOf(expect.who, all_[i].person)) {
      seen.push_back(&all_[i]);
      done_[i] = true;
    }
  }
  Segments(state, expect);
  for (const std::string_view kind : kComplete) {
    Complete(kind, expect, seen);
  }
  for (const std::string_view kind : kAtLeast) {
    AtLeast(kind, expect, seen);
  }
}

void TrialChecker::Never(const TrialFact& fact) {
  const std::string_view kind = !fact.sent.empty()      ? "sent"
                                : !fact.started.empty() ? "started"
                                : !fact.model.empty()   ? "moved"
                                                        : "skipped";
  std::vector<const Observed*> found;
  for (const Observed& one : all_) {
    if (one.kind == kind && IsOneOf(fact.who, one.person) && Matches(fact, one) &&
        Matches(fact.sent, one.template_id) && Matches(fact.started, one.playbook)) {
      found.push_back(&one);
    }
  }
  if (static_cast<int>(found.size()) > fact.more_than) {
    const Observed& one = *found[static_cast<std::size_t>(fact.more_than)];
    Fail(fact.place, fmt::format("must never happen{}: {}", fact.more_than > 0 ? " so often" : "",
                                 Describe(one)));
  }
}

void TrialChecker::Finish(State& state) {
  Collect(state);
  day_.clear();
  for (std::size_t i = 0; i < all_.size(); ++i) {
    const bool strict =
        std::find(kComplete.begin(), kComplete.end(), all_[i].kind) != kComplete.end();
    if (!done_[i] && strict) {
      Fail(trial_.place, "not expected, after the last expectation: " + Describe(all_[i]),
           "end the test with a step that expects it, or find out why it happens");
    }
  }
  for (const TrialFact& fact : trial_.never) {
    Never(fact);
  }
}

std::vector<std::string> TrialChecker::Told() const {
  std::vector<std::pair<TimePoint, std::string>> told;
  for (const Observed& one : all_) {
    told.emplace_back(one.at, Describe(one));
  }
  std::sort(told.begin(), told.end());
  std::vector<std::string> texts;
  for (auto& [at, text] : told) {
    texts.push_back(std::move(text));
  }
  return texts;
}

}  // namespace segue
