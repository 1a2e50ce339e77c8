// The Outbox: what has been promised, each promise once.
//
// A delivery's key is unique in the store, and its row is written before anything is sent.  docs/outbox.md draws the states
// and says who moves a delivery out of each.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "config/definitions.h"
#include "domain/delivery.h"
#include "store/database.h"

namespace segue {

// workspace/customer/playbook/run/step, hashed: the same promise has the same key for ever.
std::string DeliveryKey(std::string_view workspace, std::string_view customer, std::string_view playbook,
                        std::int64_t run, std::string_view step, std::string_view target);

struct OutboxCounts {
  std::int64_t waiting = 0, running = 0, accepted = 0, refused = 0, suppressed = 0, unknown = 0, dropped = 0, dead = 0;
};

struct OutboxFilter {
  std::optional<DeliveryState> state;
  std::string connector, playbook, customer_key;
  int limit = 100;
};

class Outbox {
 public:
  explicit Outbox(Database& db);

  // Stores the promise.  False when its key is there already: nothing changes then.
  bool Enqueue(const Delivery& delivery);

  // Claims up to `limit` due deliveries of a connector, oldest first, under a lease until now + lease.  Durable before it
  // returns.
  std::vector<Delivery> Claim(std::string_view connector, TimePoint now, Duration lease, int limit);

  // Records what came of an attempt on a claimed delivery.  kRetry becomes waiting (backoff: retry.first doubled per
  // attempt up to retry.most, jitter by hash of the key, never earlier than the vendor asked) or dead after give_up_after;
  // kUnknown stays waiting for another attempt when `dedupe` makes that safe, else becomes unknown.
  void Record(const Delivery& delivery, const Outcome& outcome, const Retry& retry, Dedupe dedupe, TimePoint now);

  // Deliveries whose lease ran out: the process died in the middle.  By `dedupe`: claimable again, or unknown.
  int Rescue(std::string_view connector, Dedupe dedupe, TimePoint now);

  // Ends waiting ones: too late, consent withdrawn, run ended.
  void Drop(std::int64_t id, DeliveryState state, std::string_view reason, TimePoint now);
  // Puts a claimed delivery back without counting an attempt (rate limit).
  void Release(std::int64_t id, TimePoint not_before);

  // For people: retry, drop or mark-sent of unknown and dead ones, each with a note that is kept.
  // Error: no such delivery, or its state does not allow that.
  Result<void> RetryByHand(std::int64_t id, std::string_view note, TimePoint now);
  Result<void> DropByHand(std::int64_t id, std::string_view note, TimePoint now);
  Result<void> MarkSent(std::int64_t id, std::string_view note, TimePoint now);

  std::optional<Delivery> Get(std::int64_t id) const;
  std::vector<Delivery> List(const OutboxFilter& filter) const;
  OutboxCounts Count() const;
  // The next moment at which some delivery of the connector becomes due or a lease runs out.
  std::optional<TimePoint> NextDue(std::string_view connector) const;

  // Whether this address got this template within `within` before `now`, or will (same-address gate).
  bool AddressHas(std::string_view address, std::string_view template_id, TimePoint now, Duration within) const;

 private:
  Database& db_;
};

}  // namespace segue
