// A Delivery: one message, task or change that has been promised, with a key that is unique in the
// store.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "domain/fact.h"

namespace segue {

enum class DeliveryKind : std::uint8_t {
  kMessage = 0,
  kTask = 1,
  kSet = 2,
  kTrack = 3,
  kAudience =
      4  // Joins the list that payload.name names; leaves it where values["action"] is "remove".
};

std::string_view DeliveryKindName(DeliveryKind kind);

// See docs/outbox.md for the drawing.  The numbers are stored: never change them.
enum class DeliveryState : std::uint8_t {
  kWaiting = 0,     // Promised; due at not_before (quiet hours, retry, rate limit).
  kRunning = 1,     // Claimed under a lease, perhaps being performed at this moment.
  kAccepted = 2,    // The other side took it.  Final.
  kRefused = 3,     // The other side will never take it (its words are kept).  Final.
  kSuppressed = 4,  // Consent or suppression stopped it, here or there.  Final.
  kUnknown = 5,     // The answer was lost and the other side cannot be asked: waits for a person.
  kDropped = 6,     // Too late, or dropped by a person.  Final.
  kDead = 7,  // Retried for as long as the connector says, without success: waits for a person.
};

std::string_view DeliveryStateName(DeliveryState state);

// The parts, each with its length, hashed: the same promise has the same key for ever.  `target` is
// the connector, so that a change which goes to two tools is two promises.
std::string DeliveryKey(std::string_view workspace, std::string_view customer,
                        std::string_view playbook, std::int64_t run, std::string_view step,
                        std::string_view target);

// What is to be delivered, complete: nothing is looked up again when it is performed.
struct Payload {
  // Message
  std::string channel;
  std::string template_id;
  std::string topic;  // Of the version that the run went by, whatever the files say later.
  std::string from, reply_to, to;  // Addresses as they stand in a mail header.
  std::string subject, html, text;
  std::string button, link;  // What to press, and where it leads; mails have them in their body.
  std::map<std::string, std::string> headers;
  // Task
  std::string title, note, assignee, priority;
  std::string account;  // The key of the account that it is about, beside a customer or alone.
  TimePoint due;
  // Set, track, and values passed beside a message
  std::string name;
  std::map<std::string, std::string> values;
};

struct Delivery {
  std::int64_t id = 0;  // Row of the outbox; 0 before it is stored.
  std::string key;      // Unique: from workspace, customer, playbook, run and step.
  DeliveryKind kind = DeliveryKind::kMessage;
  std::string connector;
  std::string purpose;         // marketing, product, success, service
  CustomerIndex customer = 0;  // Or account, of which then only fields and tasks are told.
  std::string customer_key;
  std::string playbook;
  std::int64_t run = 0;
  std::string step;
  Payload payload;
  TimePoint created;
  TimePoint not_before;   // Not performed earlier.
  TimePoint stale_after;  // Not performed later.
  DeliveryState state = DeliveryState::kWaiting;
  int attempts = 0;
  std::string detail;  // The vendor's or our own last words, redacted.
};

// Whether it takes somebody out of a list.
bool Removes(const Delivery& delivery);

// What came of one attempt at one delivery.
struct Outcome {
  enum class Kind : std::uint8_t {
    kAccepted,
    kRefused,
    kSuppressed,
    kRetry,
    kUnknown,
    kSplit  // Of a batch of several only: too large together, nothing was done; smaller ones are
            // tried.
  };

  Kind kind = Kind::kUnknown;
  std::string detail;  // The vendor's words, cut to a sane length.
  Duration retry_after =
      Duration::zero();   // For kRetry: what the vendor asked for; zero when it said nothing.
  std::string vendor_id;  // For kAccepted: what the vendor calls it, when it says.
};

}  // namespace segue
