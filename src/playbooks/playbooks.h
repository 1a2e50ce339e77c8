// Playbooks: what to do about a move.  Runs, their steps, and the gates that each must pass.
//
// One Playbooks holds every run of every playbook.  Advance() is called once per cycle with the
// moves of that cycle, in the caller's transaction: it ends runs, resumes waits, starts runs, and
// hands deliveries to the outbox.  Every gate leaves one stored Decision.

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "config/definitions.h"
#include "domain/decision.h"
#include "domain/delivery.h"
#include "domain/move.h"
#include "expression/execute.h"
#include "playbooks/offers.h"
#include "store/database.h"

namespace segue {

// An event that starts somebody.
struct Happening {
  CustomerIndex customer = 0;
  TimePoint time;
};

// A message that counts under frequency caps.
struct CountedMessage {
  TimePoint at;
  std::string purpose, channel;
};

// What one message is worded with beside the customer.
struct Wording {
  std::string variant;
  std::map<std::string, std::string> names;  // offer.code, offer.expires, offer.terms
  // In whose name the customer is written to, where the run is an account's.
  std::optional<CustomerIndex> account = {};
};

// Where somebody stands in a model.
struct Standing {
  CustomerIndex customer = 0;  // Or account.
  SegmentIndex segment = kNoSegment;
  SegmentIndex from = kNoSegment;  // Where they came from, as far as it is known.
  TimePoint since;
};

// What a person decided when they made new files live.
struct Applying {
  // For runs that began with an earlier version of their playbook: finish (or empty) lets them,
  // move takes them over to the new one, stop ends them.
  std::string running;
  // Playbooks that also start whoever is in their segment, has their flag or fulfils their `while`
  // already.
  std::vector<std::string> backfill;
};

// Leaves word for the next Advance with these playbooks.  In the caller's transaction.
void LeaveWord(Database& db, const Workspace& workspace, const Applying& applying);

// Of all versions that runs go on with, the texts.
std::vector<PlaybookVersion> VersionsInUse(Database& db);

// What playbooks ask of the other stages; the pipeline answers.
class PlaybookHost {
 public:
  virtual ~PlaybookHost() = default;

  // A condition for a customer now.  `run_started` gives did(E), count(E)… without a window their
  // start.
  virtual double Evaluate(const Expr& expr, CustomerIndex customer, TimePoint now,
                          std::optional<TimePoint> run_started, Trace* trace) = 0;
  // Whether an event of this kind (that fulfils `where`) happened with after < time <= until; its
  // time if so (the first).
  virtual std::optional<TimePoint> Happened(CustomerIndex customer, int event,
                                            const std::optional<Condition>& where, TimePoint after,
                                            TimePoint until) = 0;
  // Events of this kind (that fulfil `where`) that took effect by `now`: those that arrived after
  // the sequence, and those that had arrived and whose time lies after `since`.  Without late ones.
  virtual std::vector<Happening> Fresh(int event, const std::optional<Condition>& where,
                                       Sequence after, TimePoint since, TimePoint now) = 0;
  // The `code` of each such event that took effect by `now`, as Fresh says, late ones too.
  virtual std::vector<std::string> FreshCodes(int event, Sequence after, TimePoint since,
                                              TimePoint now) = 0;
  // Of the newest fact.
  virtual Sequence LastSequence() = 0;

  // Customers, ascending, for whom an event took effect (or was amended or taken back, or who were
  // merged): one that arrived after the sequence, or earlier with a time in (since, now].
  virtual std::vector<CustomerIndex> Stirred(Sequence after, TimePoint since, TimePoint now) = 0;
  // Every customer for whom it holds now, ascending.
  virtual std::vector<CustomerIndex> Holding(const Condition& condition, TimePoint now) = 0;

  // The same of accounts.
  virtual std::vector<CustomerIndex> AccountsHolding(const Condition& /*condition*/,
                                                     TimePoint /*now*/) {
    return {};
  }

  // Who belongs to an account, ascending; who gets its messages; whom a customer belongs to.
  virtual std::vector<CustomerIndex> MembersOf(CustomerIndex /*account*/) { return {}; }

  virtual std::optional<CustomerIndex> ContactOf(CustomerIndex /*account*/) { return {}; }

  virtual std::optional<CustomerIndex> AccountOf(CustomerIndex /*customer*/) { return {}; }

  // Who got a flag in this cycle by what starts nobody: an edit, what was learned again, a merge, a
  // late fact.  Ascending.
  virtual std::vector<CustomerIndex> QuietlyFlagged(int /*model*/, int /*flag*/) { return {}; }

  // Those of `whom` for whom it holds only because of an edit of a model, or of what was learned
  // again, in this cycle.  Ascending, as `whom` is.
  virtual std::vector<CustomerIndex> HoldingByLearning(const Condition& /*condition*/,
                                                       std::span<const CustomerIndex> /*whom*/,
                                                       TimePoint /*now*/) {
    return {};
  }

  // Those of `whom` for whom a late fact or a merge that the condition looks at took effect by
  // `now`: as Stirred says, or since the last slot of a model that it reads.
  virtual std::vector<CustomerIndex> Disturbed(const Condition& /*condition*/,
                                               std::span<const CustomerIndex> /*whom*/,
                                               Sequence /*after*/, TimePoint /*since*/,
                                               TimePoint /*now*/) {
    return {};
  }

  // Everybody who is in a segment of the model, ascending.
  virtual std::vector<Standing> StandingIn(int /*model*/) { return {}; }

  // By customer (or account, from 0), whether a flag is yes as of the model's last slot.
  virtual std::vector<bool> FlagColumn(int model, int flag) = 0;
  // Of a model; nothing before its baseline.
  virtual std::optional<TimePoint> LastSlot(int model) = 0;
  // Settled segment and latest raw answer of a model.
  virtual SegmentIndex Settled(int model, CustomerIndex customer) = 0;
  virtual SegmentIndex RawAnswer(int model, CustomerIndex customer) = 0;

  virtual const std::string& CustomerKey(CustomerIndex customer) = 0;
  virtual bool IsAlive(CustomerIndex customer) = 0;
  // Numbered as Schema::TraitAt.  Empty: missing.
  virtual std::string TextTrait(CustomerIndex customer, int trait) = 0;
  // yes, no or never answered; since when and from which source, for people.
  virtual std::optional<bool> YesNoTrait(CustomerIndex customer, int trait, std::string* since) = 0;
  virtual Zone ZoneOf(CustomerIndex customer) = 0;
  // Nobody outside knows it, so nobody can guess what is made with it.
  virtual std::string SecretKey() = 0;
  // Empty when the customer may be written to; else why not (bounce, complaint, by hand, erased).
  virtual std::string Suppressed(CustomerIndex customer, std::string_view address) = 0;
  // Age of the oldest scheduled source; nothing when no source is scheduled.
  virtual std::optional<Duration> DataAge(TimePoint now) = 0;

  // Fills the payload; the error is the reason of render_error.
  virtual Result<void> Render(const Playbook& playbook, const Step& step, CustomerIndex customer,
                              TimePoint now, const Wording& wording, Payload& payload) = 0;
  // Messages to a customer that were accepted or are unknown after that moment, and those that are
  // promised, at the moment for which they are.
  virtual std::vector<CountedMessage> Messages(CustomerIndex customer, TimePoint after) = 0;
  // Drops what waits for the same connector, customer and step: a newer value replaces it.
  virtual void Supersede(const Delivery& delivery, TimePoint now) = 0;
  virtual bool AddressHas(std::string_view address, std::string_view template_id, TimePoint now,
                          Duration within) = 0;
  virtual bool HasOpenTask(std::string_view playbook, std::string_view step,
                           CustomerIndex customer) = 0;
  virtual bool Enqueue(const Delivery& delivery) = 0;

  // Runs one of whose messages was not sent yet, ascending.
  virtual std::vector<std::int64_t> UnsentRuns() { return {}; }

  // Drops what a run promised and what waits still: its messages, and what prints its offer.  `why`
  // nobody wants them any more.
  virtual void DropUnsent(std::int64_t /*run*/, std::string_view /*why*/, TimePoint /*now*/) {}

  // Drops what would put somebody into a list for this run and waits still.
  virtual void DropJoins(std::int64_t /*run*/, std::string_view /*why*/, TimePoint /*now*/) {}

  // Whether what waits takes the same person out of the same list.
  virtual bool AwaitsRemoval(const Delivery& /*removal*/) { return false; }

  // Blanks what was promised for an erased customer; false while some of it is still to be done.
  virtual bool ForgetDeliveries(CustomerIndex customer, TimePoint now) = 0;
};

struct RunInfo {
  std::int64_t id = 0;
  std::string playbook;
  CustomerIndex customer = 0;
  std::int64_t move = 0;
  TimePoint started;
  std::optional<TimePoint> ended;
  std::string end_reason;  // done goal exit stopped taken_over merged
  std::string step;        // Where it stands.
  std::optional<TimePoint> wakes;
  std::string hash;                        // Of the version that it goes by …
  std::optional<TimePoint> version_since;  // … and since when that is known.
};

// What became of one run when its playbook was edited or taken away.
struct FollowedEdit {
  std::string playbook;
  CustomerIndex customer = 0;  // Or account.
  std::string what;            // stop move; gone: the wait it stood at, or the playbook.
};

// What one Advance did, for progress and tests.
struct PlaybookSummary {
  std::int64_t started = 0, ended = 0, promised = 0, skipped = 0;
  std::int64_t messages = 0;  // Of those promised.
  // Runs that an edit ended or took over to the new version.
  std::vector<FollowedEdit> edited = {};
};

class Playbooks {
 public:
  // Requires: all outlive it.
  Playbooks(Database& db, const Workspace& workspace, PlaybookHost& host);
  ~Playbooks();

  // `moves` are this cycle's, of all models, in their order.
  PlaybookSummary Advance(TimePoint now, std::span<const Move> moves);

  // A merge: in one playbook or lane the older run stays and the other ends as `merged`.
  void Merged(CustomerIndex gone, CustomerIndex survivor, TimePoint now);
  // Promises that the ad tools let them go, where nothing does that waits already: so an `add` that
  // waits must be dropped before.
  void Erased(CustomerIndex customer, TimePoint now);

  // What is given away.
  Offers& offers();

  // The next moment at which something is due: a wait, a dwell (`for`).
  std::optional<TimePoint> NextDue() const;

  std::vector<RunInfo> Runs(std::optional<CustomerIndex> customer, std::string_view playbook,
                            bool active_only) const;
  // Oldest first.
  std::vector<Decision> Decisions(std::optional<CustomerIndex> customer, std::string_view playbook,
                                  TimePoint after) const;
  // Customers (or accounts) who stand where the playbook starts: in its segment, with its flag, or
  // with its `while`.  A backfill would start these.
  std::vector<CustomerIndex> Standers(int playbook, TimePoint now) const;

 private:
  struct Inner;
  std::unique_ptr<Inner> inner_;
};

// The moment at or after `due` at which a message may be sent: `due` itself, or the end of the
// quiet hours that it falls in.
TimePoint AfterQuietHours(const QuietHours& quiet, TimePoint due, const Zone& zone);

// Whether `sending.allow_only` lets anything reach this address.
bool AllowsAddress(const Workspace& workspace, std::string_view address);

// When one more message keeps within the caps that are about it.
struct CapRoom {
  bool asked = false;  // Whether any cap is about this purpose and channel.
  TimePoint at;        // The earliest moment at or after `due`.
  std::string full;    // The cap that has no room at `due`, in words; empty: all have.
};

// Rolling stretches: a cap's time ending at any moment, that moment included and its beginning not,
// holds at most `max`.
CapRoom RoomUnderCaps(const std::vector<Cap>& caps, std::string_view purpose,
                      std::string_view channel, const std::vector<CountedMessage>& sent,
                      TimePoint due);
// The next such wall time at least a minute ahead, on one of the weekdays.
TimePoint NextLocal(TimePoint now, int minute_of_day, std::uint8_t weekdays, const Zone& zone);

}  // namespace segue
