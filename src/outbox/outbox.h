// The Outbox: what has been promised, each promise once.
//
// A delivery's key is unique in the store, and its row is written before anything is sent.
// docs/outbox.md draws the states and says who moves a delivery out of each.  Every change of state
// is one row of the table `attempt`, with time and reason.

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "config/definitions.h"
#include "domain/delivery.h"
#include "store/database.h"

namespace segue {

struct OutboxCounts {
  std::int64_t waiting = 0, running = 0, accepted = 0, refused = 0, suppressed = 0, unknown = 0,
               dropped = 0, dead = 0;
};

struct OutboxFilter {
  std::optional<DeliveryState> state = {};
  std::string connector = {}, playbook = {}, customer_key = {}, step = {};
  std::int64_t run = 0;  // 0: any.
  int limit = 100;
};

// One change of state of one delivery; `from` and `to` are equal where an answer changed nothing.
struct Attempt {
  std::int64_t delivery = 0;
  TimePoint at;
  DeliveryState from = DeliveryState::kWaiting;
  DeliveryState to = DeliveryState::kWaiting;
  std::string what;   // claimed accepted refused suppressed retry unknown lease_over released
                      // dropped by_hand erased …
  std::string words;  // The vendor's words, or a person's note.
};

class Outbox {
 public:
  explicit Outbox(Database& db);

  // Told of every change of state, in its transaction; the delivery may come without its payload.
  // `unresolved`: an answer was lost, so that it may have arrived, whatever was said later.
  using Watcher = std::function<void(const Delivery& delivery, bool unresolved)>;
  void Watch(Watcher watcher);

  // Stores the promise.  False when its key is there already: nothing changes then.
  bool Enqueue(const Delivery& delivery);

  // Claims up to `limit` due deliveries of a connector, oldest first, under a lease until now +
  // lease.  Durable before it returns, when no Transaction is open.  Those that are too late are
  // ended here and not returned. Delivery::attempts says how many attempts were made before this
  // one.
  std::vector<Delivery> Claim(std::string_view connector, TimePoint now, Duration lease, int limit);

  // Records what came of an attempt on a claimed delivery.  kRetry becomes waiting (backoff:
  // retry.first doubled per attempt up to retry.most, jitter by hash of the key, never earlier than
  // the vendor asked) or dead after give_up_after; kUnknown stays waiting for another attempt when
  // `dedupe` makes that safe, else becomes unknown. An answer that comes after the lease was over
  // still counts when it says accepted.
  void Record(const Delivery& delivery, const Outcome& outcome, const Retry& retry, Dedupe dedupe,
              TimePoint now);

  // Deliveries whose lease ran out: the process died in the middle.  By `dedupe`: claimable again,
  // or unknown.
  // By what protects that delivery.
  using DedupeOf = std::function<Dedupe(const Delivery&)>;
  int Rescue(std::string_view connector, const DedupeOf& dedupe, TimePoint now);

  // Ends every lease, so that Rescue finds what was claimed.  Only for the one process that holds
  // the state's lock: whoever claimed before it is gone.
  void BreakLeases();

  // Somebody else may have sent what waits here: what nothing protects becomes unknown, and all
  // else goes out as what was tried before.  Returns how many are unknown.
  std::int64_t Doubt(std::string_view connector, const DedupeOf& dedupe, std::string_view note,
                     TimePoint now);

  // Ends waiting ones, and claimed ones that nobody was called for yet: consent withdrawn, run
  // ended, address not allowed. Requires: state is kDropped, kSuppressed or kRefused.
  void Drop(std::int64_t id, DeliveryState state, std::string_view reason, TimePoint now);
  // A message that was never tried goes to where the customer can be reached now.
  void Readdress(std::int64_t id, std::string_view address, TimePoint now);
  // Ends what waited for a connector until it was too late, as Claim does: nobody claims for one
  // that no file names any more.
  void DropStale(std::string_view connector, TimePoint now);
  // A claimed delivery that may have arrived, and that nothing protects any more.
  void LeaveUnknown(std::int64_t id, std::string_view why, TimePoint now);
  // Puts a claimed delivery back without counting an attempt (rate limit).
  void Release(std::int64_t id, TimePoint not_before);

  // For people: retry, drop or mark-sent of unknown and dead ones (and drop of waiting ones), each
  // with a note that is kept. What waits after a lost answer is unknown when it is dropped: it is
  // not sent again, but may have arrived. Error: no such delivery, or its state does not allow
  // that.
  Result<void> RetryByHand(std::int64_t id, std::string_view note, TimePoint now);
  Result<void> DropByHand(std::int64_t id, std::string_view note, TimePoint now);
  Result<void> MarkSent(std::int64_t id, std::string_view note, TimePoint now);

  // The customer is erased: what waits is dropped, and every payload, address and vendor's word
  // about them goes away.  The rows stay, with key, state and times, as proof.  What takes them out
  // of a list and has not come to an end is left as it is, for a call after that.
  void Erase(CustomerIndex customer, TimePoint now);
  // What was promised to `gone` belongs to `survivor` from here on; keys never change.
  void Merged(CustomerIndex gone, CustomerIndex survivor);

  std::optional<Delivery> Get(std::int64_t id) const;
  // Newest first.
  std::vector<Delivery> List(const OutboxFilter& filter) const;
  // Oldest first.
  std::vector<Attempt> Attempts(std::int64_t id) const;
  // Where an answer was lost, since when it may have arrived: from the promise on, or from when a
  // person last said to try again.
  std::optional<TimePoint> InDoubtSince(std::int64_t id) const;
  OutboxCounts Count() const;
  // How many wait, by connector.
  std::map<std::string, std::int64_t> Waiting() const;
  // For whom something waits or is under way, by name.
  std::vector<std::string> ConnectorsAtWork() const;
  // The next moment at which some delivery of the connector becomes due or a lease runs out.
  std::optional<TimePoint> NextDue(std::string_view connector) const;

  // Calls made on a local day (days since 1970), for connectors with a limit per day.
  void CountCall(std::string_view connector, std::int64_t day);
  std::int64_t CallsOn(std::string_view connector, std::int64_t day) const;

  // Same-address gate: whether this template waits for this address or is on its way there, or was
  // accepted, or became unknown, at or after now - within; or was dropped or refused after an
  // answer that was lost, so that it may have arrived.
  bool AddressHas(std::string_view address, std::string_view template_id, TimePoint now,
                  Duration within) const;
  // Whether an earlier task of this step was promised and not refused or dropped.  Tools do not
  // tell us when a task is done.
  bool HasOpenTask(std::string_view playbook, std::string_view step, CustomerIndex customer) const;
  // Whether another delivery waits that takes the same person out of the same list.
  bool AwaitsRemoval(const Delivery& removal) const;
  // Whether an older change of the same field or list is under way: which of two that are under way
  // together comes last nobody knows.
  bool AwaitsOlder(const Delivery& change) const;
  // Takes out of a change what newer ones have said since of the same fields or list.  True: of
  // what it said nothing is left.
  bool Overtaken(Delivery& change) const;

 private:
  struct Stored;
  // What only changes its state need not read what it says.
  enum class Payloads { kRead, kLeft };
  std::optional<Stored> Load(std::int64_t id, Payloads payloads = Payloads::kRead) const;
  // The one place where a state changes.
  void Transition(Stored& row, DeliveryState to, TimePoint at, std::string_view what,
                  std::string_view words);
  void Note(const Stored& row, DeliveryState from, TimePoint at, std::string_view what,
            std::string_view words);
  void Retry(Stored& row, const Outcome& outcome, const segue::Retry& retry, TimePoint now);
  // Those of the same fields or list, at the same connector.
  std::vector<Delivery> ChangesBeside(const Delivery& change, std::string_view which) const;
  void TooLate(Stored& row, TimePoint now);
  void End(Stored& row, DeliveryState state, std::string_view reason, TimePoint now);
  Result<Stored> LoadForHand(std::int64_t id, std::string_view verb, std::string_view note,
                             bool waiting_too) const;

  Database& db_;
  Watcher watcher_;
};

}  // namespace segue
