// The inside of Playbooks.  One class, one file per question:
//
//   playbooks.cc  Advance, and what the outside may ask
//   triggers.cc   who may start: pending starts, and the gates of a start
//   occasions.cc  what else than a move starts: flags, events, every so often
//   steps.cc      what a run does next: goal and exit, waits, branches
//   gates.cc      whether one send, task or change may go out
//   caps.cc       frequency caps
//   offering.cc   whether there is a code and money for this person, and who used theirs
//   arms.cc       lanes, room in the day, the global holdout, policies, experiments
//   mirror.cc     moves that are written to the CRM
//   audiences.cc  lists at an ad tool, and leaving them
//   runs.cc       how runs, pending starts and decisions are stored
//   versions.cc   what becomes of runs when their playbook is edited, and who starts late
//   time.cc       quiet hours and the next wall time
//
// Active runs and pending starts are held in memory and written through; everything else is in the
// store only.  All of an Advance happens in the caller's transaction: after an exception the object
// is thrown away and made anew from the store.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include "playbooks/playbooks.h"
#include "store/pauses.h"

namespace segue {

// As the state keeps it.
constexpr std::int64_t Number(CustomerIndex customer) {
  return static_cast<std::int64_t>(customer);
}

// A playbook's steps as a flat list: where to go after each.
struct StepNode {
  const Step* step = nullptr;
  int next = kEnd;        // After this step, and after the branches of an `if`.
  int then_first = kEnd;  // `if`: where yes goes; an empty branch goes to `next`.
  int else_first = kEnd;
  std::string where;                    // file:line
  bool until_by_events = false;         // See OnlyEventsTurn.
  const Template* message = nullptr;    // `send`
  bool prints_offer = false;            // A text of it names offer.*
  std::vector<std::string> connectors;  // Who carries it.

  static constexpr int kEnd = -1;
};

struct PlaybookProgram {
  const Playbook* playbook = nullptr;
  std::vector<StepNode> nodes;
  int first = StepNode::kEnd;
  std::map<std::string, int, std::less<>> by_id;
  std::string where, where_trigger, where_goal, where_exit;
  bool goal_by_events = false, exit_by_events = false;  // See OnlyEventsTurn.
};

// Whether nothing but events of the run's customer can change the answer: no passing of time, no
// trait and no segment.  Such a condition need not be asked of those for whom nothing happened.
bool OnlyEventsTurn(const Expr& expr, const Workspace& workspace);

PlaybookProgram CompilePlaybook(const Playbook& playbook, const Workspace& workspace);

// A move, a flag, an event or a time that fits a trigger, until it starts somebody.
struct PendingStart {
  std::int64_t move = 0;  // 0: it was no move.
  SegmentIndex from = kNoSegment, to = kNoSegment;
  TimePoint at, due;
  bool said_stale = false;  // The row that says data_stale is there.
  bool stored = false;      // Those that start in the cycle of their move never need a row.
};

// Who has a flag, as of the last Advance: those who get it start.
struct FlagWatch {
  int model = 0, flag = 0;
  std::string model_hash;
  TimePoint slot;        // The model's last, when it was looked at.
  bool known = false;    // False: the first look starts nobody.
  std::vector<bool> on;  // By customer.
};

struct ActiveRun {
  std::int64_t id = 0;
  int playbook = 0;
  int earlier = -1;            // The version that it goes by, when it is not that of the files.
  CustomerIndex customer = 0;  // Or account.
  std::int64_t move = 0;
  TimePoint started;
  std::string hash;           // Of the version that it goes by.
  int step = StepNode::kEnd;  // The wait that it stands at.
  std::optional<TimePoint> wakes;
  bool goal_was_true = false;  // `goal.when` held when the run began, and ever since.
  std::optional<TimePoint> goal_at;
  std::string arm;                   // treated, held_out; empty: in no experiment.
  std::string variant;               // Of the templates.
  std::optional<TimePoint> entered;  // When it passed its first send or task.
  bool held_out = false;             // It walks through all gates, and nothing goes out.
  std::string end_reason;            // Not empty: over.
  // Since the playbook was paused for too long, what is overdue is skipped until the next wait.
  bool overdue = false;
};

class PlaybookEngine {
 public:
  PlaybookEngine(Database& db, const Workspace& workspace, PlaybookHost& host);

  PlaybookSummary Advance(TimePoint now, std::span<const Move> moves);
  void Merged(CustomerIndex gone, CustomerIndex survivor, TimePoint now);
  void Erased(CustomerIndex customer, TimePoint now);
  std::optional<TimePoint> NextDue() const;

  Offers& offers() { return offers_; }

  std::vector<RunInfo> Runs(std::optional<CustomerIndex> customer, std::string_view playbook,
                            bool active_only) const;
  std::vector<CustomerIndex> Standers(int playbook, TimePoint now);
  std::vector<Decision> Decisions(std::optional<CustomerIndex> customer, std::string_view playbook,
                                  TimePoint after) const;

 private:
  // One gate's answer about one pending start (no run yet) or one run.
  struct Subject {
    int playbook = 0;
    CustomerIndex customer = 0;
    std::int64_t run = 0;
    std::string_view step;
    std::string_view where;
  };

  // A pending start whose time has come.
  struct DueStart {
    int playbook = 0;
    CustomerIndex customer = 0;
    PendingStart start;
  };

  const Playbook& playbook(int index) const {
    return *programs_[static_cast<std::size_t>(index)].playbook;
  }

  // What the run goes by: of the version that it began with.
  const PlaybookProgram& program(const ActiveRun& run) const {
    return run.earlier < 0 ? programs_[static_cast<std::size_t>(run.playbook)]
                           : earlier_[static_cast<std::size_t>(run.earlier)];
  }

  const Playbook& playbook(const ActiveRun& run) const { return *program(run).playbook; }

  // Where in `earlier_` the version stands; -1: it is that of the files, or not known any more.
  int FindEarlier(int playbook, std::string_view hash) const;

  const StepNode& node(const ActiveRun& run, int index) const {
    return program(run).nodes[static_cast<std::size_t>(index)];
  }

  // By its status, or by hand.
  bool StandsStill(int playbook) const;
  const Pause* PausedByHand(int playbook) const;

  // versions.cc
  // Texts of the files' versions, for runs that begin with them.
  void KeepVersions(TimePoint now);
  // The word that was left for these playbooks; taken, so that it is heard once.
  std::optional<Applying> TakeWord();
  // What becomes of a run whose playbook was edited.
  void FollowEdit(ActiveRun& run, std::string_view choice, TimePoint now);
  void Backfill(int playbook, TimePoint now);
  // Who is in a segment that starts the playbook, has its flag or fulfils its `while`, and the
  // start that a backfill would give them.
  std::vector<std::pair<CustomerIndex, PendingStart>> WhoStand(int playbook, TimePoint now);

  // runs.cc
  void Load();
  void LoadRuns();
  void LoadPending();
  // A row of kRunColumns.
  ActiveRun ReadRun(const Statement& row, int playbook) const;
  // One whose steps are all done; nothing when it ended otherwise, or its playbook is gone.
  std::optional<ActiveRun> FindDone(std::int64_t id) const;
  // Compares the files with what they were when the state was last used.
  void Reconcile(TimePoint now, std::string_view running);
  void ReconcileRuns(TimePoint now, std::string_view running,
                     const std::map<std::string, bool>& left_pause);
  void ForgetWatches();
  void MergeLanes(int playbook, CustomerIndex survivor, TimePoint now);
  void InsertRun(const ActiveRun& run, TimePoint now);
  std::string_view StepId(const ActiveRun& run) const;
  void SaveCounter();
  void SaveRun(const ActiveRun& run, TimePoint now);
  // What is known of its goal, and nothing else.
  void SaveGoal(const ActiveRun& run);
  void StorePending(int playbook, CustomerIndex customer, PendingStart& start);
  void DropPending(int playbook, CustomerIndex customer);
  void Say(TimePoint at, const Subject& subject, Gate gate, bool passed, std::string_view reason,
           std::string_view detail);

  // audiences.cc
  // All lists that one run, or one customer, is in.
  struct Leaving {
    std::int64_t run = 0;  // 0: of the customer, whatever the run.
    CustomerIndex customer = 0;
    std::string word;  // Part of the delivery's key.
  };

  void Audience(ActiveRun& run, int index, TimePoint now);
  // Whether a run put them there and none took them out.
  bool IsInAudience(const std::string& audience, CustomerIndex customer) const;
  std::string ListName(const std::string& audience) const;
  // Their email address; empty when there is none.
  std::string AddressOf(CustomerIndex customer);
  void LeaveAudiences(const Leaving& who, TimePoint now);
  // Once the ad tools have let an erased customer go, what was promised for that is blanked too.
  void SayFarewells();

  // caps.cc
  // When the message may go out; nothing when it may not.
  std::optional<TimePoint> PassesCaps(const ActiveRun& run, const Subject& subject,
                                      const std::string& channel, TimePoint now);

  // What a held-out run would have sent counts for its own later caps.
  void RememberGhost(const Delivery& delivery, bool prints_offer);
  // What it would not have sent yet is forgotten, as a treated run's is dropped.
  void ForgetGhosts(const ActiveRun& run, TimePoint now);

  // offering.cc
  // Finds what this step is to print, or says why it may not; takes nothing yet.
  std::optional<Grant> PassesOffer(const ActiveRun& run, const Subject& subject,
                                   TimePoint not_before, TimePoint now);
  bool PassesBudget(const Offer& offer, const Subject& subject, Grant& grant, TimePoint now);
  std::map<std::string, std::string> NamesOf(const Grant& grant) const;
  void TakeRedemptions(TimePoint now);

  // arms.cc
  struct Arm {
    std::string name, variant;
  };

  static constexpr std::string_view kHeldOut = "held_out";

  bool PassesLane(const DueStart& due, const Subject& subject, TimePoint now);
  // Active runs of this customer in this playbook's lane.
  std::vector<std::int64_t> BusyLane(int playbook, CustomerIndex customer) const;
  void TakeOver(const DueStart& due, TimePoint now);
  // Who finds no room is asked again on the next day.
  bool PassesPerDay(const DueStart& due, const Subject& subject, TimePoint now);
  bool PassesGlobalHoldout(const Playbook& playbook, const Subject& subject, TimePoint now);
  // The first policy that denies any of these; `asked`: whether any could.
  const Policy* Vetoes(int playbook, CustomerIndex customer,
                       const std::vector<std::string_view>& what, bool& asked, TimePoint now);
  bool PassesPolicies(const ActiveRun& run, const Subject& subject,
                      const std::vector<std::string_view>& what, TimePoint now);
  Arm DrawArm(const DueStart& due, const Subject& subject, TimePoint now);

  // mirror.cc
  void MirrorMove(const Move& move);
  // Of the customer who moved, the account, or one who belongs to it.
  void MirrorFor(CustomerIndex whom, const Move& move, const Mirror& mirror,
                 const std::string& connector);

  // occasions.cc
  void LoadWatches();
  void LoadEvery();
  void TakeFlags(TimePoint now);
  void TakeFlag(FlagWatch& watch, TimePoint now);
  void FlagTurned(const FlagWatch& watch, CustomerIndex customer, bool on, TimePoint now);
  void TakeEvents(TimePoint now);
  void TakeEvery(TimePoint now);
  // Those for whom `while` has come to hold by an edit, by what was learned again, by a merge or by
  // late facts: they start nothing.  `seen`: how far the last cycle had looked.
  std::set<CustomerIndex> ComeQuietly(int playbook, std::span<const CustomerIndex> starting,
                                      const std::string& seen, TimePoint now);
  // Customers or accounts for whom `while` holds now.
  std::vector<CustomerIndex> HoldingWhile(int playbook, TimePoint now);
  void SetEvery(int playbook, CustomerIndex customer, TimePoint at);
  void ForgetOccasions(CustomerIndex gone, std::optional<CustomerIndex> survivor);
  // What starts this one, in words.
  std::string Occasion(int playbook, CustomerIndex customer, const PendingStart& start,
                       TimePoint now);
  // Whether what it waits for still holds.
  bool StillThere(int playbook, CustomerIndex customer, const PendingStart& start, TimePoint now);
  std::string FlagName(int model, int flag) const;
  // Number of the first whom a model is about.
  CustomerIndex FirstOf(int model) const;

  // triggers.cc
  void TakeMove(const Move& move);
  void Start(TimePoint now);
  std::vector<DueStart> CollectDue(TimePoint now);
  // False: refused, or put off (`keep` is then set).
  bool PassesStart(const DueStart& due, TimePoint now, bool& keep);
  bool PassesDataAge(const DueStart& due, const Subject& subject, TimePoint now);
  bool PassesWhen(const DueStart& due, const Subject& subject, TimePoint now);
  bool PassesReentry(const DueStart& due, const Subject& subject, TimePoint now);
  void BeginRun(const DueStart& due, TimePoint now);
  std::string SegmentName(int playbook, SegmentIndex segment) const;
  std::optional<SegmentIndex> FindSegment(int playbook, std::string_view name) const;

  // steps.cc
  void EndRuns(TimePoint now);
  // Notes goals that are reached after the run was over.
  void WatchGoals(TimePoint now);
  void ResumeWaits(TimePoint now);
  void ResumeWait(ActiveRun& run, TimePoint now);
  // False when the answer must be what it was in the last Advance.
  bool MayHaveTurned(const ActiveRun& run, bool by_events) const;

  // Why a run is over.
  struct Ending {
    std::string_view reason, where;
    std::string detail;
  };

  // Asks goal and exit.  A goal that the run goes on after is noted.
  std::optional<Ending> FindEnd(ActiveRun& run, TimePoint now);
  // The same; true when the run is over.
  bool AskEnd(ActiveRun& run, TimePoint now);
  // Asks runs whose steps are all done and one of whose messages still waits.
  void AskDone(TimePoint now);
  // Nobody is sent what they do not need any more, nor given a price for what they have done.
  void DropUnsent(const ActiveRun& run, std::string_view why, TimePoint now);
  // What reached the goal, in words; nothing when it is not reached.  Notes that `goal.when` does
  // not hold any more.
  std::optional<std::string> GoalReached(ActiveRun& run, TimePoint now);
  void Walk(ActiveRun& run, int index, TimePoint now);
  // True when the run stays at this step.
  bool BeginWait(ActiveRun& run, int index, TimePoint now);
  void End(ActiveRun& run, std::string_view reason, std::string_view where, std::string_view detail,
           TimePoint now);
  void RemoveOver();
  Subject SubjectOf(const ActiveRun& run, int index) const;
  bool Holds(const Condition& condition, CustomerIndex customer, TimePoint now,
             std::optional<TimePoint> started);
  std::string Looked(const Condition& condition, CustomerIndex customer, TimePoint now,
                     std::optional<TimePoint> started);

  // gates.cc
  // Each runs one step that goes out; what is refused is skipped.
  void Send(ActiveRun& run, int index, TimePoint now);
  void SendTo(ActiveRun& run, int index, CustomerIndex person, const std::string& carrier,
              TimePoint now);
  // Who gets a message of the run.
  std::vector<CustomerIndex> Recipients(const ActiveRun& run, const Step& step);
  // The customer whom tasks and changes are about; the account itself where it has no contact.
  CustomerIndex PersonOf(const ActiveRun& run);
  std::string NoContact() const;
  // A text trait of the customer or the account, whichever of the two `who` is.
  std::string TextOf(const Leaf& leaf, CustomerIndex who);
  void Task(ActiveRun& run, int index, TimePoint now);
  void Tell(ActiveRun& run, int index, TimePoint now);
  bool Refuse(const Subject& subject, Gate gate, std::string_view reason, std::string_view detail,
              TimePoint now);
  // Asks goal and exit, and after a pause whether the step is overdue.
  bool PassesGoalAndExit(ActiveRun& run, const Subject& subject, TimePoint now);
  bool PassesTopicConsent(const ActiveRun& run, const Subject& subject, TimePoint now);
  bool PassesConsent(const ActiveRun& run, const Subject& subject, const std::string& channel,
                     TimePoint now);
  bool PassesSuppression(const Subject& subject, const std::string& address, TimePoint now);
  bool PassesAddress(const Subject& subject, const std::string& address, TimePoint now);
  // `sending.allow_only` alone; somebody without an address is not in it.
  bool PassesAllowOnly(const Subject& subject, const std::string& address, TimePoint now);
  bool PassesSameAddress(const Subject& subject, const std::string& address,
                         const Template& message, TimePoint now);
  TimePoint HoldForQuietHours(const Subject& subject, const std::string& channel, TimePoint due,
                              TimePoint now);

  // One delivery of a step: what, and about whom.
  struct Wish {
    int index = 0;
    DeliveryKind kind = DeliveryKind::kMessage;
    CustomerIndex person = 0;
  };

  // Renders and promises one delivery, or says why not.  True when it is promised.
  bool Promise(ActiveRun& run, const Subject& subject, const Wish& wish,
               const std::string& connector, Payload payload, TimePoint not_before, TimePoint now);

  Database& db_;
  const Workspace& workspace_;
  PlaybookHost& host_;
  Offers offers_;
  Pauses pauses_;
  std::vector<PlaybookProgram> programs_;
  std::vector<PlaybookProgram> earlier_;    // As Workspace::earlier.
  std::vector<std::vector<int>> by_model_;  // Playbooks that listen to each model's moves.
  std::vector<std::map<CustomerIndex, PendingStart>> pending_;  // By playbook.
  std::map<int, std::int64_t> started_today_;  // By playbook, of those that were asked.
  std::vector<FlagWatch> watches_;
  // By playbook: when each customer was last started, refused, or there at the first look.
  std::vector<boost::unordered_flat_map<CustomerIndex, TimePoint>> every_;
  std::set<int> first_look_;             // Playbooks of `every` whose `while` is looked at first.
  std::optional<TimePoint> next_every_;  // When the next of those for whom it holds is due.
  std::vector<std::unordered_map<CustomerIndex, std::int64_t>>
      running_;                               // By playbook: the active run.
  std::map<std::int64_t, ActiveRun> active_;  // In the order in which they started.
  // Ids come from a counter of the store, so that a replay gives the same ones and none is ever
  // used twice.
  std::int64_t last_run_ = 0, stored_last_run_ = 0;
  bool reconciled_ = false;
  std::optional<std::optional<Duration>> data_age_;  // Asked once per Advance.
  // For whom an event took effect since the last Advance, ascending; nothing: everybody is asked.
  std::optional<std::vector<CustomerIndex>> stirred_;
  Sequence last_sequence_ = 0;  // Of the facts that the last Advance knew.
  std::optional<TimePoint> last_now_;
  PlaybookSummary summary_;
  std::optional<Statement> say_;  // By far the most frequent statement: a dozen rows for each run.
};

}  // namespace segue
