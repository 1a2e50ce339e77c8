// explain: every gate that a customer met, with its values and the line that asked.

#include <algorithm>
#include <limits>
#include <map>
#include <set>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/visible.h"
#include "cli/cli.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "pipeline/foresee.h"
#include "pipeline/processes.h"
#include "pipeline/report.h"

namespace segue {
namespace {

constexpr Duration kNear = kDay * 30;

// Oldest first, of one playbook or of all.
std::vector<Delivery> DeliveriesTo(State& state, CustomerIndex customer,
                                   const std::string& playbook) {
  OutboxFilter filter;
  filter.playbook = playbook;
  filter.customer_key = state.ledger().CustomerKey(customer);
  filter.limit = std::numeric_limits<int>::max();
  std::vector<Delivery> all = state.outbox().List(filter);
  std::reverse(all.begin(), all.end());
  return all;
}

class Explainer {
 public:
  Explainer(State& state, CustomerIndex customer, TimePoint now)
      : state_(state), customer_(customer), now_(now), colour_(OutputHasColour()) {}

  void Segments() const {
    const Workspace& workspace = state_.workspace();
    for (std::size_t i = 0; i < workspace.models.size(); ++i) {
      const auto* segments = state_.segments(static_cast<int>(i));
      if (segments == nullptr) {
        continue;
      }
      const Model& model = workspace.models[i];
      const std::optional<CustomerIndex> who = WhoIn(state_, model, customer_);
      if (!who) {
        continue;
      }
      const Membership member = segments->Get(*who);
      const std::string name =
          member.segment == kNoSegment ? "not in this model" : model.segments[member.segment].id;
      fmt::print(
          "{}{}: {}{}\n", Bold(model.id),
          *who == customer_ ? "" : " of account " + Visible(state_.ledger().CustomerKey(*who)),
          name,
          member.segment == kNoSegment ? "" : " since " + model.timezone.Format(member.since));
      if (member.answer != member.segment) {
        const std::string answer =
            member.answer == kNoSegment ? "none" : model.segments[member.answer].id;
        fmt::print("   pending: {}, the same in {} of {} runs\n", answer, member.answer_runs,
                   model.hold.runs);
      }
      const auto people = state_.PopulationOf(static_cast<int>(i), now_);
      for (const std::string& line : segments->Explain(*people, *who, now_, *workspace.pool)) {
        fmt::print("   {}\n", Visible(line));
      }
    }
    if (workspace.models.empty()) {
      fmt::print("this workspace has no models: nobody is in a segment, and nobody moves\n");
    }
    fmt::print("\n");
  }

  // What churn_risk, lifetime_value and the like rest on.
  void Purchases() const {
    const std::vector<std::string> lines =
        IsAccount(customer_) ? std::vector<std::string>() : state_.processes().Explain(customer_);
    for (const std::string& line : lines) {
      fmt::print("{}\n", line);
    }
    fmt::print("{}", lines.empty() ? "" : "\n");
  }

  void Moves() const {
    const std::vector<MoveRow> moves = MovesOf(state_, customer_);
    if (moves.empty()) {
      return;
    }
    Table table({"moved", "model", "from", "to", "cause", "why"});
    for (const MoveRow& move : moves) {
      table.Row({Format(move.at), move.model, move.from, move.to,
                 std::string(CauseName(move.cause)), move.why});
    }
    fmt::print("{}\n", table.Text());
  }

  // The runs of one playbook, or why there is none.
  void Playbook(const Playbook& playbook) const {
    const std::vector<Decision> decisions =
        state_.playbooks().Decisions(customer_, playbook.id, TimePoint::min());
    if (decisions.empty()) {
      Deliveries(playbook);  // Decisions are kept for a time, what was sent for longer.
      return;
    }
    Headline(playbook, decisions);
    Versions(playbook);
    std::string heading;
    for (const Decision& decision : decisions) {
      const std::string where = decision.step.empty()
                                    ? "start"
                                    : fmt::format("run {}  step {}", decision.run, decision.step);
      if (std::string now = Format(decision.at) + "  " + where; now != heading) {
        heading = std::move(now);
        fmt::print(" {}\n", heading);
      }
      const std::string mark = decision.passed ? Coloured("✓", Colour::kGreen, colour_)
                                               : Coloured("✗", Colour::kRed, colour_);
      fmt::print(
          "   {} {}{}{}{}\n", mark, GateName(decision.gate),
          decision.reason.empty() ? "" : ": " + decision.reason,
          decision.detail.empty() ? "" : "   " + Visible(decision.detail),
          decision.where.empty() ? "" : "   " + Coloured(decision.where, Colour::kDim, colour_));
    }
    Deliveries(playbook);
    Next(playbook);
    fmt::print("\n");
  }

  // Where a trigger lately began to hold and ceased before its time.
  void NearMisses(const std::string& but) const {
    std::vector<std::string> near;
    for (const Decision& one : state_.playbooks().Decisions(customer_, "", now_ - kNear)) {
      if (one.gate == Gate::kTrigger && !one.passed && one.playbook != but) {
        near.push_back(
            fmt::format("   {}   {} ({})\n", Format(one.at), one.playbook, Visible(one.detail)));
      }
    }
    if (!near.empty()) {
      fmt::print("near misses of the last 30 days:\n{}", fmt::join(near, ""));
    }
  }

  // Playbooks that never asked about this person, or this one of them, and why.
  void NeverAsked(const std::string& only) const {
    std::vector<std::string> near;
    for (const segue::Playbook& playbook : state_.workspace().playbooks) {
      if ((only.empty() || playbook.id == only) &&
          state_.playbooks().Decisions(customer_, playbook.id, TimePoint::min()).empty()) {
        near.push_back(playbook.id + " (" + WhyNever(playbook) + ")");
      }
    }
    if (!near.empty()) {
      fmt::print("never asked:\n");
      for (const std::string& line : near) {
        fmt::print("   {}\n", line);
      }
    }
  }

 private:
  // Which version of the playbook its runs go by, where it is not that of the files.
  void Versions(const segue::Playbook& playbook) const {
    for (const RunInfo& run : state_.playbooks().Runs(customer_, playbook.id, false)) {
      if (run.hash == playbook.hash) {
        continue;
      }
      fmt::print(" run {} {} by an earlier version of the playbook ({}{})\n", run.id,
                 run.ended ? "went" : "goes", run.hash.substr(0, 8),
                 run.version_since ? ", of " + Format(*run.version_since) : "");
    }
  }

  std::string Format(TimePoint time) const {
    return state_.workspace().schema.timezone.Format(time);
  }

  std::string Bold(std::string_view text) const { return Coloured(text, Colour::kBold, colour_); }

  // The gate that decided the last thing, in words, first of all.
  void Headline(const segue::Playbook& playbook, const std::vector<Decision>& decisions) const {
    // Where a playbook has words for somebody, a field that it sets is not what they got.
    const bool speaks = std::any_of(decisions.begin(), decisions.end(), [&](const Decision& one) {
      return !one.step.empty() && Speaks(playbook, one.step);
    });
    const auto counts = [&](const Decision& one) {
      return one.step.empty() || !speaks || Speaks(playbook, one.step);
    };
    const auto refused = std::find_if(
        decisions.rbegin(), decisions.rend(),
        [&](const Decision& one) { return !one.passed && !one.reason.empty() && counts(one); });
    const auto promised =
        std::find_if(decisions.rbegin(), decisions.rend(), [&](const Decision& one) {
          return one.gate == Gate::kOutbox && one.passed && counts(one);
        });
    if (promised != decisions.rend() &&
        (refused == decisions.rend() || promised->id > refused->id)) {
      const std::vector<Delivery> all = DeliveriesTo(state_, customer_, playbook.id);
      const auto mine = std::find_if(all.rbegin(), all.rend(), [&](const Delivery& one) {
        return one.run == promised->run && one.step == promised->step;
      });
      const DeliveryState state =
          mine == all.rend() ? DeliveryState::kWaiting : mine->state;  // An erased one is gone.
      fmt::print("{}   {}   step {} on {}{}\n", OutcomeWord(state), Bold(playbook.id),
                 promised->step, Format(promised->at),
                 mine == all.rend() || IsWell(state)
                     ? ""
                     : fmt::format("   gate: outcome   {}   {}", DeliveryStateName(state),
                                   Visible(mine->detail)));
    } else if (refused != decisions.rend()) {
      fmt::print("{}   {}   {}gate: {}   {}   {}\n", Coloured("NOT SENT", Colour::kRed, colour_),
                 Bold(playbook.id), refused->step.empty() ? "" : "step " + refused->step + "   ",
                 GateName(refused->gate), refused->reason, Visible(refused->detail));
    } else if (decisions.back().gate == Gate::kEnd) {
      fmt::print("{}   {}   {}   {}\n", Coloured("ENDED", Colour::kDim, colour_), Bold(playbook.id),
                 decisions.back().reason, Visible(decisions.back().detail));
    } else {
      fmt::print("{}\n", Bold(playbook.id));
    }
  }

  // Whether a step says something to a person.
  static bool Speaks(const segue::Playbook& playbook, const std::string& id) {
    const Step* step = FindStep(playbook.steps, id);
    return step != nullptr && (step->kind == Step::Kind::kSend || step->kind == Step::Kind::kTask);
  }

  static bool IsWell(DeliveryState state) {
    return state == DeliveryState::kWaiting || state == DeliveryState::kRunning ||
           state == DeliveryState::kAccepted;
  }

  std::string OutcomeWord(DeliveryState state) const {
    return state == DeliveryState::kAccepted  ? Coloured("SENT", Colour::kGreen, colour_)
           : state == DeliveryState::kUnknown ? Coloured("UNKNOWN", Colour::kYellow, colour_)
           : IsWell(state)                    ? Coloured("PROMISED", Colour::kGreen, colour_)
                                              : Coloured("NOT SENT", Colour::kRed, colour_);
  }

  void Deliveries(const segue::Playbook& playbook) const {
    for (const Delivery& delivery : DeliveriesTo(state_, customer_, playbook.id)) {
      const Payload& payload = delivery.payload;
      const bool waits = delivery.state == DeliveryState::kWaiting;
      fmt::print(
          "   → {} {} {}: {}{}{}\n", DeliveryKindName(delivery.kind), delivery.id,
          Visible(payload.template_id.empty() ? payload.title + payload.name : payload.template_id),
          DeliveryStateName(delivery.state), waits ? ", due " + Format(delivery.not_before) : "",
          delivery.detail.empty() ? "" : "   " + Visible(delivery.detail));
    }
  }

  // What an active run waits for, and what comes then.
  void Next(const segue::Playbook& playbook) const {
    for (const RunInfo& run : state_.playbooks().Runs(customer_, playbook.id, true)) {
      const Step* after = StepAfter(playbook.steps, run.step);
      fmt::print("   next: waits{}, then {}\n", run.wakes ? " until " + Format(*run.wakes) : "",
                 after == nullptr ? "ends" : WordsOf(*after));
    }
  }

  // The step behind one in the same list of steps; null behind the last.
  static const Step* StepAfter(const std::vector<Step>& steps, std::string_view id) {
    for (std::size_t i = 0; i < steps.size(); ++i) {
      if (steps[i].id == id) {
        return i + 1 < steps.size() ? &steps[i + 1] : nullptr;
      }
      for (const std::vector<Step>* inner : {&steps[i].then_steps, &steps[i].else_steps}) {
        if (const Step* found = StepAfter(*inner, id)) {
          return found;
        }
        // Behind the last of a branch comes what follows the `if`.
        if (!inner->empty() && inner->back().id == id && i + 1 < steps.size()) {
          return &steps[i + 1];
        }
      }
    }
    return nullptr;
  }

  static std::string WordsOf(const Step& step) {
    switch (step.kind) {
      case Step::Kind::kSend:
        return "sends " + step.send;
      case Step::Kind::kTask:
        return "a task: " + step.title.text;
      case Step::Kind::kIf:
        return "asks whether " + step.condition->text;
      case Step::Kind::kStop:
        return "stops: " + step.stop_reason;
      case Step::Kind::kWait:
        return "waits again";
      case Step::Kind::kTrack:
        return "reports " + step.track;
      case Step::Kind::kSet:
      case Step::Kind::kAudience:
        break;
    }
    return "step " + step.id;
  }

  std::string WhyNever(const segue::Playbook& playbook) const {
    if (playbook.status == Status::kDraft || playbook.status == Status::kPaused) {
      return std::string(StatusName(playbook.status));
    }
    if (playbook.on.model < 0) {
      return "it does not listen to moves";
    }
    const Model& model = state_.workspace().models[static_cast<std::size_t>(playbook.on.model)];
    std::string to;
    for (const SegmentIndex segment : playbook.on.to) {
      to += (to.empty() ? "" : " or ") +
            (segment == kNoSegment ? "none" : model.segments[segment].id);
    }
    return "no move of " + model.id + (to.empty() ? "" : " to " + to) + " that it listens to";
  }

  State& state_;
  CustomerIndex customer_;
  TimePoint now_;
  bool colour_;
};

// Playbooks that are in no file any more and had to do with this person.
std::vector<Playbook> GonePlaybooks(State& state, CustomerIndex customer) {
  std::set<std::string> ids;
  for (const Decision& one : state.playbooks().Decisions(customer, "", TimePoint::min())) {
    ids.insert(one.playbook);
  }
  for (const Delivery& one : DeliveriesTo(state, customer, "")) {
    ids.insert(one.playbook);
  }
  std::vector<Playbook> gone;
  for (const std::string& id : ids) {
    if (!id.empty() && !state.workspace().FindPlaybook(id)) {
      gone.emplace_back().id = id;
    }
  }
  return gone;
}

int ExplainJson(State& state, CustomerIndex customer, const std::string& playbook) {
  boost::json::array decisions;
  for (const Decision& one : state.playbooks().Decisions(customer, playbook, TimePoint::min())) {
    decisions.push_back({{"at", FormatTime(one.at)},
                         {"playbook", one.playbook},
                         {"run", one.run},
                         {"step", one.step},
                         {"gate", std::string(GateName(one.gate))},
                         {"passed", one.passed},
                         {"reason", one.reason},
                         {"detail", one.detail},
                         {"where", one.where}});
  }
  boost::json::array moves;
  for (const MoveRow& move : MovesOf(state, customer)) {
    moves.push_back({{"at", FormatTime(move.at)},
                     {"model", move.model},
                     {"from", move.from},
                     {"to", move.to},
                     {"cause", std::string(CauseName(move.cause))},
                     {"why", move.why}});
  }
  boost::json::array purchases;
  for (const std::string& line :
       IsAccount(customer) ? std::vector<std::string>() : state.processes().Explain(customer)) {
    purchases.emplace_back(line);
  }
  boost::json::array runs;
  for (const RunInfo& run : state.playbooks().Runs(customer, playbook, false)) {
    runs.push_back({{"run", run.id},
                    {"playbook", run.playbook},
                    {"version", run.hash},
                    {"started", FormatTime(run.started)},
                    {"ended", run.ended ? FormatTime(*run.ended) : ""},
                    {"reason", run.end_reason}});
  }
  boost::json::array deliveries;
  for (const Delivery& one : DeliveriesTo(state, customer, playbook)) {
    const Payload& payload = one.payload;
    deliveries.push_back(
        {{"id", one.id},
         {"kind", std::string(DeliveryKindName(one.kind))},
         {"state", std::string(DeliveryStateName(one.state))},
         {"playbook", one.playbook},
         {"run", one.run},
         {"step", one.step},
         {"connector", one.connector},
         {"what", payload.template_id.empty() ? payload.title + payload.name : payload.template_id},
         {"created", FormatTime(one.created)},
         {"due", FormatTime(one.not_before)},
         {"detail", one.detail}});
  }
  const boost::json::object out{{"customer", state.ledger().CustomerKey(customer)},
                                {"deliveries", deliveries},
                                {"purchases", purchases},
                                {"moves", moves},
                                {"runs", runs},
                                {"decisions", decisions}};
  fmt::print("{}\n", boost::json::serialize(out));
  return kFine;
}

}  // namespace

int RunExplain(const Common& common, const ExplainOptions& options) {
  Opened opened(common);
  State& state = *opened.state;
  const Workspace& workspace = state.workspace();
  const CustomerIndex customer = FindAnybody(state, options.customer);
  const std::vector<Playbook> gone = GonePlaybooks(state, customer);
  const auto wanted = [&](const Playbook& one) {
    return options.playbook.empty() || one.id == options.playbook;
  };
  if (!options.playbook.empty() && !workspace.FindPlaybook(options.playbook) &&
      std::none_of(gone.begin(), gone.end(), wanted)) {
    throw Failure{kUsage, fmt::format("there is no playbook {}\n", options.playbook)};
  }
  if (common.json) {
    return ExplainJson(state, customer, options.playbook);
  }
  const Explainer explainer(state, customer, std::max(opened.now, state.columns().edge()));
  fmt::print("{}{}\n\n", IsAccount(customer) ? "account " : "",
             Visible(state.ledger().CustomerKey(customer)));
  if (options.playbook.empty()) {
    explainer.Segments();
    explainer.Purchases();
  }
  explainer.Moves();
  for (const Playbook& playbook : workspace.playbooks) {
    if (wanted(playbook)) {
      explainer.Playbook(playbook);
    }
  }
  for (const Playbook& playbook : gone) {
    if (wanted(playbook)) {
      fmt::print("{} is in no file any more; what it did:\n", Visible(playbook.id));
      explainer.Playbook(playbook);
    }
  }
  explainer.NearMisses(options.playbook);
  explainer.NeverAsked(options.playbook);
  return kFine;
}

}  // namespace segue
