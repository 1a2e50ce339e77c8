#include "pipeline/foresee.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/hash.h"

namespace segue {
namespace {

std::string WhatOf(const Delivery& delivery) {
  const Payload& payload = delivery.payload;
  if (!payload.template_id.empty()) {
    return payload.template_id;
  }
  if (!payload.title.empty()) {
    return payload.title;
  }
  if (!payload.name.empty()) {
    return payload.name;
  }
  std::string fields = "set";
  for (const auto& [field, value] : payload.values) {
    fields += " " + field;
  }
  return fields;
}

std::string WordsOf(const Payload& payload) {
  std::string all;
  for (const std::string* part :
       {&payload.subject, &payload.html, &payload.text, &payload.title, &payload.button,
        &payload.link, &payload.note, &payload.assignee, &payload.name}) {
    all += *part + '\n';
  }
  for (const auto& [field, value] : payload.values) {
    all.append(field).append("=").append(value).append("\n");
  }
  return Sha256Hex(all).substr(0, 16);
}

std::string NameOf(const Playbook& playbook, const std::string& step_id) {
  const Step* step = FindStep(playbook.steps, step_id);
  if (step == nullptr) {
    return step_id;
  }
  switch (step->kind) {
    case Step::Kind::kSend:
      return step->send;
    case Step::Kind::kTask:
      return "task: " + step->title.text;
    case Step::Kind::kTrack:
      return step->track;
    case Step::Kind::kSet: {
      std::string fields = "set";
      for (const auto& [field, text] : step->set) {
        fields += " " + field;
      }
      return fields;
    }
    case Step::Kind::kAudience:
    case Step::Kind::kWait:
    case Step::Kind::kIf:
    case Step::Kind::kStop:
      break;
  }
  return step_id;
}

class Summary {
 public:
  Summary(State& state, const CycleReport& report, TimePoint at, std::int64_t after_decision,
          std::set<std::string> backfilled, std::set<std::string> fresh)
      : state_(state),
        report_(report),
        at_(at),
        backfilled_(std::move(backfilled)),
        fresh_(std::move(fresh)) {
    for (Decision& decision : state.playbooks().Decisions(std::nullopt, "", at - Duration(1))) {
      if (decision.at == at && decision.id > after_decision) {
        const std::string playbook = decision.playbook;
        decisions_[playbook].push_back(std::move(decision));
      }
    }
  }

  Foreseen Make() {
    plan_.at = at_;
    for (CustomerIndex customer = 0; customer < state_.ledger().customer_count(); ++customer) {
      plan_.customers += state_.ledger().IsAlive(customer) ? 1 : 0;
    }
    AddModels();
    for (std::size_t i = 0; i < state_.workspace().playbooks.size(); ++i) {
      AddPlaybook(static_cast<int>(i));
    }
    for (const FollowedEdit& run : report_.playbooks.edited) {
      ++plan_.edited[run.playbook][run.what];
      people_.insert(run.customer);
    }
    for (const auto& [playbook, decisions] : decisions_) {
      for (const Decision& decision : decisions) {
        if (decision.gate == Gate::kEnd) {
          AddLeaving(decision);
        }
      }
    }
    plan_.people = static_cast<std::int64_t>(people_.size());
    plan_.report = report_;
    return std::move(plan_);
  }

 private:
  void AddModels() {
    for (std::size_t i = 0; i < state_.workspace().models.size(); ++i) {
      ForeseenModel one;
      one.model = static_cast<int>(i);
      const std::string& id = state_.workspace().models[i].id;
      one.baseline = std::find(report_.baselines.begin(), report_.baselines.end(), id) !=
                     report_.baselines.end();
      for (const Move& move : report_.moves) {
        if (move.model == one.model) {
          ++one.moved;
          one.placed += move.from == kNoSegment ? 1 : 0;
          ++one.by_cause[std::string(CauseName(move.cause))];
        }
      }
      plan_.models.push_back(std::move(one));
    }
  }

  void AddPlaybook(int index) {
    const Playbook& playbook = state_.workspace().playbooks[static_cast<std::size_t>(index)];
    ForeseenPlaybook one;
    one.playbook = index;
    held_.clear();
    printed_.clear();
    for (const Decision& decision : decisions_[playbook.id]) {
      AddDecision(playbook, decision, one);
    }
    CountStanders(playbook, one);
    if (one.started == 0 && one.refused.empty() && one.steps.empty() && one.already == 0) {
      return;
    }
    for (const ForeseenStep& step : one.steps) {
      ++one.by_step[step.what][step.reason == "policy"
                                   ? "policy " + step.detail.substr(0, step.detail.find(':'))
                                   : step.reason];
    }
    AddOffer(playbook, one);
    plan_.playbooks.push_back(std::move(one));
  }

  // Whoever came there in this cycle, by what they did or by time, is no news of the files.
  void CountStanders(const Playbook& playbook, ForeseenPlaybook& one) {
    one.backfilled = backfilled_.contains(playbook.id);
    if ((!one.backfilled && !fresh_.contains(playbook.id)) ||
        (playbook.status != Status::kLive && playbook.status != Status::kShadow)) {
      return;
    }
    std::set<CustomerIndex> came;
    for (const Move& move : report_.moves) {
      if (move.model == playbook.on.model && playbook.on.kind == Trigger::Kind::kMove &&
          (move.cause == Cause::kBehaviour || move.cause == Cause::kTime)) {
        came.insert(move.customer);
      }
    }
    for (const CustomerIndex customer : state_.playbooks().Standers(one.playbook, at_)) {
      one.already += came.contains(customer) ? 0 : 1;
    }
  }

  void AddOffer(const Playbook& playbook, ForeseenPlaybook& one) {
    if (playbook.offer.empty()) {
      return;
    }
    Statement grants = state_.db().Prepare(
        "SELECT count(*), coalesce(sum(g.cost), 0) FROM offer_grant g JOIN run r ON r.id = g.run "
        "WHERE r.playbook = ? AND g.reserved = ? AND g.state = ?");
    grants.Bind(1, playbook.id).Bind(2, ToMicros(at_));
    grants.Bind(3, static_cast<std::int64_t>(GrantState::kReserved));
    if (grants.Step()) {
      one.reserved = grants.Int(0);
      one.cost = grants.Int(1);
    }
    grants.Reset();
    one.taken = state_.playbooks().offers().Taken(playbook.offer, at_);
  }

  void AddDecision(const Playbook& playbook, const Decision& decision, ForeseenPlaybook& one) {
    if (decision.gate == Gate::kStart && decision.passed) {
      ++one.started;
      people_.insert(decision.customer);
      return;
    }
    if (decision.gate == Gate::kExperiment) {
      one.experiment = true;
      one.held_out += decision.reason == "held_out" ? 1 : 0;
      return;
    }
    if (decision.step.empty()) {
      if (!decision.passed) {
        ++one.refused[decision.reason.empty() ? std::string(GateName(decision.gate))
                                              : decision.reason];
      }
      return;
    }
    const std::pair<std::int64_t, std::string> place(decision.run, decision.step);
    if (decision.passed && decision.reason == "held" && decision.gate != Gate::kWait) {
      held_[place] = GateName(decision.gate);
    } else if (decision.passed && decision.gate == Gate::kOffer) {
      printed_.insert(place);
    }
    const bool promised = decision.gate == Gate::kOutbox && decision.passed;
    const bool refused = !decision.passed && decision.gate != Gate::kWait &&
                         decision.gate != Gate::kBranch && decision.gate != Gate::kEnd &&
                         decision.gate != Gate::kGoalOrExit;
    if (promised) {
      AddDeliveries(playbook, decision, one);
    } else if (refused) {
      ForeseenStep step = StepOf(decision.customer);
      step.what = NameOf(playbook, decision.step);
      step.reason = decision.reason;
      step.detail = decision.detail;
      one.steps.push_back(std::move(step));
    }
  }

  // One step may promise to several connectors, each with a decision of its own; the person is
  // named once per promise.
  void AddDeliveries(const Playbook& playbook, const Decision& decision, ForeseenPlaybook& one) {
    OutboxFilter filter;
    filter.run = decision.run;
    filter.step = decision.step;
    for (const Delivery& delivery : state_.outbox().List(filter)) {
      // Of everybody in an account, each has a row of their own.
      const bool theirs = IsAccount(decision.customer) || delivery.customer == decision.customer;
      if (delivery.created != at_ || !theirs || !shown_.insert(delivery.id).second) {
        continue;
      }
      people_.insert(decision.customer);
      ForeseenStep step = StepOf(decision.customer);
      const std::pair<std::int64_t, std::string> place(decision.run, decision.step);
      if (const auto held = held_.find(place); held != held_.end()) {
        step.held = held->second;
      }
      step.offer = printed_.contains(place);
      const bool known = FindStep(playbook.steps, decision.step) != nullptr;
      step.what = known ? NameOf(playbook, decision.step) : WhatOf(delivery);
      step.title = WhatOf(delivery);
      step.reason = "sent";
      step.words = WordsOf(delivery.payload);
      step.due = delivery.not_before;
      if (!delivery.payload.to.empty()) {
        step.person = delivery.payload.to;
      }
      one.steps.push_back(std::move(step));
    }
  }

  void AddLeaving(const Decision& end) {
    OutboxFilter filter;
    filter.run = end.run;
    for (const Delivery& delivery : state_.outbox().List(filter)) {
      if (delivery.created == at_ && Removes(delivery) && shown_.insert(delivery.id).second) {
        people_.insert(delivery.customer);
        plan_.leaving.push_back(
            {delivery.playbook, delivery.customer_key,
             delivery.payload.to.empty() ? delivery.customer_key : delivery.payload.to,
             delivery.payload.name});
      }
    }
  }

  ForeseenStep StepOf(CustomerIndex customer) const {
    ForeseenStep step;
    step.customer_key = state_.ledger().CustomerKey(customer);
    step.person = step.customer_key;
    step.due = at_;
    step.zone = state_.ZoneOf(customer);
    return step;
  }

  State& state_;
  const CycleReport& report_;
  TimePoint at_;
  std::set<std::string> backfilled_, fresh_;                // Playbooks.
  std::map<std::string, std::vector<Decision>> decisions_;  // Of this cycle, by playbook.
  Foreseen plan_;
  std::set<CustomerIndex> people_;
  // Of the playbook at hand, by run and step: the last gate that held it back, and whether it
  // prints an offer.
  std::map<std::pair<std::int64_t, std::string>, std::string> held_;
  std::set<std::pair<std::int64_t, std::string>> printed_;
  std::set<std::int64_t> shown_;  // Deliveries.
};

}  // namespace

const Step* FindStep(const std::vector<Step>& steps, std::string_view id) {
  for (const Step& step : steps) {
    if (step.id == id) {
      return &step;
    }
    for (const std::vector<Step>* inner : {&step.then_steps, &step.else_steps}) {
      if (const Step* found = FindStep(*inner, id)) {
        return found;
      }
    }
  }
  return nullptr;
}

Foreseen Summarise(State& state, const CycleReport& report, TimePoint at,
                   std::int64_t after_decision) {
  return Summary(state, report, at, after_decision, {}, {}).Make();
}

std::int64_t LastDecision(Database& db) {
  Statement find = db.Prepare("SELECT coalesce(max(id), 0) FROM decision");
  find.Step();
  return find.Int(0);
}

Foreseen Foresee(Database& db, const Workspace& workspace, const Templates& templates, TimePoint at,
                 const StateOptions& options, const Applying& applying,
                 const std::set<std::string>& fresh) {
  const Transaction nothing(db);  // Never committed.
  if (!applying.running.empty() || !applying.backfill.empty()) {
    LeaveWord(db, workspace, applying);
  }
  State state(db, workspace, templates, at, options);
  for (std::size_t model = 0; model < workspace.models.size(); ++model) {
    if (Segments* segments = state.segments(static_cast<int>(model))) {
      segments->KeepNothing();
    }
  }
  Cycle cycle(state, nullptr);
  cycle.OnlyNameBrakes();
  CycleReport report;
  const std::int64_t before = LastDecision(db);
  cycle.MarkRead(at);  // By then the sources will have been read; what they bring is not known yet.
  cycle.Decide(at, report);
  return Summary(state, report, at, before, {applying.backfill.begin(), applying.backfill.end()},
                 fresh)
      .Make();
}

}  // namespace segue
