// The outside of Playbooks, and the order of things inside one Advance.

#include "playbooks/playbooks.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "playbooks/engine.h"

namespace segue {
namespace {

std::vector<std::string> ConnectorsOf(const Workspace& workspace, const std::string& channel) {
  const auto found = workspace.channels.find(channel);
  return found == workspace.channels.end() ? std::vector<std::string>() : found->second;
}

// A message and a task go out once, through the first tool of their channel; a change is told to
// all of them.
std::vector<std::string> Carriers(const Step& step, const Template* message,
                                  const Workspace& workspace) {
  std::vector<std::string> all;
  switch (step.kind) {
    case Step::Kind::kSend:
      if (message != nullptr) {
        all = message->via.empty() ? ConnectorsOf(workspace, message->channel)
                                   : std::vector{message->via};
      }
      break;
    case Step::Kind::kTask:
      all = step.via.empty() ? ConnectorsOf(workspace, "task") : std::vector{step.via};
      break;
    case Step::Kind::kSet:
      return ConnectorsOf(workspace, "profile");
    case Step::Kind::kTrack:
      return ConnectorsOf(workspace, "analytics");
    case Step::Kind::kAudience:
      return ConnectorsOf(workspace, "audience");
    case Step::Kind::kWait:
    case Step::Kind::kIf:
    case Step::Kind::kStop:
      return {};
  }
  if (all.size() > 1) {
    all.resize(1);
  }
  return all;
}

bool NamesOffer(const TextWithValues& text) {
  return text.text.find("offer.") != std::string::npos;
}

bool NamesOffer(const TemplateBody& body) {
  return NamesOffer(body.subject) || NamesOffer(body.preheader) || NamesOffer(body.title) ||
         NamesOffer(body.body) || NamesOffer(body.button);
}

// Whether a step prints something of the playbook's offer.
bool PrintsOffer(const Step& step, const Template* message) {
  if (message == nullptr) {
    return NamesOffer(step.title) || NamesOffer(step.note) ||
           std::any_of(step.set.begin(), step.set.end(),
                       [](const auto& field) { return NamesOffer(field.second); });
  }
  return NamesOffer(message->body) ||
         std::any_of(message->variants.begin(), message->variants.end(),
                     [](const auto& variant) { return NamesOffer(variant.second); }) ||
         std::any_of(message->values.begin(), message->values.end(),
                     [](const auto& value) { return NamesOffer(value.second); });
}

// Adds the steps, last first, so that each knows where the next one is.  Recursion over a parsed
// tree, whose depth the reader of the file limits.  Returns where the first of them is, or `after`
// when there is none.
int AddSteps(const std::vector<Step>& steps, int after, const Workspace& workspace,
             PlaybookProgram& program) {
  int next = after;
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    StepNode node;
    node.step = &*step;
    node.next = next;
    node.where = FormatPlace(step->place, workspace.files);
    node.message = step->kind == Step::Kind::kSend ? workspace.FindTemplate(step->send) : nullptr;
    node.until_by_events = step->until && OnlyEventsTurn(step->until->expr, workspace);
    node.connectors = Carriers(*step, node.message, workspace);
    node.prints_offer = PrintsOffer(*step, node.message);
    node.then_first = AddSteps(step->then_steps, next, workspace, program);
    node.else_first = AddSteps(step->else_steps, next, workspace, program);
    program.nodes.push_back(std::move(node));
    next = static_cast<int>(program.nodes.size()) - 1;
    program.by_id.emplace(step->id, next);
  }
  return next;
}

}  // namespace

bool OnlyEventsTurn(const Expr& expr, const Workspace& workspace) {
  if (expr.op == Op::kLeaf) {
    return expr.leaf.kind == Leaf::Kind::kEventField ||
           (expr.leaf.kind == Leaf::Kind::kAggregate &&
            workspace.aggregates.all()[static_cast<std::size_t>(expr.leaf.index)].in_run);
  }
  return expr.op != Op::kDays &&
         std::all_of(expr.args.begin(), expr.args.end(),
                     [&](const Expr& arg) { return OnlyEventsTurn(arg, workspace); });
}

PlaybookProgram CompilePlaybook(const Playbook& playbook, const Workspace& workspace) {
  PlaybookProgram program;
  const auto by_events = [&](const std::optional<Condition>& condition) {
    return !condition || OnlyEventsTurn(condition->expr, workspace);
  };
  program.playbook = &playbook;
  program.where = FormatPlace(playbook.place, workspace.files);
  program.where_trigger = FormatPlace(playbook.on.place, workspace.files);
  program.where_goal =
      playbook.goal ? FormatPlace(playbook.goal->place, workspace.files) : std::string();
  program.where_exit =
      playbook.exit ? FormatPlace(playbook.exit->place, workspace.files) : std::string();
  program.goal_by_events =
      playbook.goal && by_events(playbook.goal->where) && by_events(playbook.goal->when);
  program.exit_by_events = by_events(playbook.exit);
  program.first = AddSteps(playbook.steps, StepNode::kEnd, workspace, program);
  return program;
}

PlaybookEngine::PlaybookEngine(Database& db, const Workspace& workspace, PlaybookHost& host)
    : db_(db), workspace_(workspace), host_(host), offers_(db, workspace), pauses_(db) {
  by_model_.resize(workspace.models.size());
  for (std::size_t i = 0; i < workspace.playbooks.size(); ++i) {
    const Playbook& playbook = workspace.playbooks[i];
    programs_.push_back(CompilePlaybook(playbook, workspace));
    if (playbook.on.kind == Trigger::Kind::kMove) {
      by_model_.at(static_cast<std::size_t>(playbook.on.model)).push_back(static_cast<int>(i));
    }
  }
  for (const Playbook& playbook : workspace.earlier) {
    earlier_.push_back(CompilePlaybook(playbook, workspace));
  }
  pending_.resize(programs_.size());
  running_.resize(programs_.size());
  Load();
}

bool PlaybookEngine::StandsStill(int index) const {
  const Status status = playbook(index).status;
  return status == Status::kPaused || status == Status::kDraft || PausedByHand(index) != nullptr;
}

const Pause* PlaybookEngine::PausedByHand(int index) const {
  return pauses_.Of("playbook", playbook(index).id);
}

PlaybookSummary PlaybookEngine::Advance(TimePoint now, std::span<const Move> moves) {
  SEGUE_CHECK(db_.in_transaction());  // Progress, decisions and deliveries become durable together,
                                      // or not at all.
  summary_ = {};
  data_age_.reset();
  started_today_.clear();
  const std::optional<Applying> word = TakeWord();
  stirred_.reset();
  if (pauses_.Refresh() || !reconciled_ || word) {
    Reconcile(now, word ? std::string_view(word->running) : std::string_view());
    reconciled_ = true;
  } else if (last_now_ && *last_now_ <= now) {
    stirred_ = host_.Stirred(last_sequence_, *last_now_, now);
  }
  for (const Move& move : moves) {
    TakeMove(move);
    MirrorMove(move);
  }
  for (const std::string& late : word ? word->backfill : std::vector<std::string>()) {
    if (const std::optional<int> index = workspace_.FindPlaybook(late)) {
      Backfill(*index, now);
    }
  }
  TakeRedemptions(now);
  offers_.Expire(now);
  TakeFlags(now);
  TakeEvents(now);
  TakeEvery(now);
  EndRuns(now);
  ResumeWaits(now);
  Start(now);
  for (std::size_t i = 0; i < pending_.size(); ++i) {
    for (auto& [customer, start] : pending_[i]) {
      if (!start.stored) {
        StorePending(static_cast<int>(i), customer, start);
      }
    }
  }
  SaveCounter();
  last_now_ = now;
  last_sequence_ = host_.LastSequence();
  SayFarewells();
  return summary_;
}

std::optional<TimePoint> PlaybookEngine::NextDue() const {
  std::optional<TimePoint> next;
  // What is overdue waits for something else than time (an answer, fresh data), and is asked in
  // every cycle anyway.
  const auto consider = [&](TimePoint due) {
    if ((!last_now_ || due > *last_now_) && (!next || due < *next)) {
      next = due;
    }
  };
  for (const auto& [id, run] : active_) {
    if (run.wakes && !StandsStill(run.playbook)) {
      consider(*run.wakes);
    }
  }
  for (const auto& by_customer : pending_) {
    for (const auto& [customer, start] : by_customer) {
      consider(start.due);
    }
  }
  if (next_every_) {
    consider(*next_every_);
  }
  return next;
}

struct Playbooks::Inner {
  PlaybookEngine engine;
};

Playbooks::Playbooks(Database& db, const Workspace& workspace, PlaybookHost& host)
    : inner_(std::make_unique<Inner>(Inner{PlaybookEngine(db, workspace, host)})) {}

Playbooks::~Playbooks() = default;

PlaybookSummary Playbooks::Advance(TimePoint now, std::span<const Move> moves) {
  return inner_->engine.Advance(now, moves);
}

void Playbooks::Merged(CustomerIndex gone, CustomerIndex survivor, TimePoint now) {
  inner_->engine.Merged(gone, survivor, now);
}

void Playbooks::Erased(CustomerIndex customer, TimePoint now) {
  inner_->engine.Erased(customer, now);
}

Offers& Playbooks::offers() {
  return inner_->engine.offers();
}

std::optional<TimePoint> Playbooks::NextDue() const {
  return inner_->engine.NextDue();
}

std::vector<RunInfo> Playbooks::Runs(std::optional<CustomerIndex> customer,
                                     std::string_view playbook, bool active_only) const {
  return inner_->engine.Runs(customer, playbook, active_only);
}

std::vector<Decision> Playbooks::Decisions(std::optional<CustomerIndex> customer,
                                           std::string_view playbook, TimePoint after) const {
  return inner_->engine.Decisions(customer, playbook, after);
}

std::vector<CustomerIndex> Playbooks::Standers(int playbook, TimePoint now) const {
  return inner_->engine.Standers(playbook, now);
}

}  // namespace segue
