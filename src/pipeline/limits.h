// What keeps the dispatcher from calling a connector too often: a rate and a circuit breaker.

#pragma once

#include "base/time.h"
#include "config/definitions.h"

namespace segue {

// A token bucket on the caller's time: `rate: 20 per 1s` gives a token every 50 ms, at most 20 in
// store.
class TokenBucket {
 public:
  // Tokens there at `now`; without a rate as many as anybody wants.
  int Room(const ConnectorSettings& settings, TimePoint now) const;
  // One call is made.  The later calls of an attempt are not held up, so the store can fall below
  // zero.
  void Spend();
  // When there is a token again; the earliest of all times while there is one.
  TimePoint Refilled(const ConnectorSettings& settings) const;

 private:
  double TokensAt(const ConnectorSettings& settings, TimePoint now) const;

  mutable double tokens_ = 0;
  mutable TimePoint filled_;
  mutable bool started_ = false;
};

// Opens when attempts fail one after the other without the vendor judging anything, so that a dead
// vendor is asked once in a while and not with every delivery.
class Breaker {
 public:
  // How many attempts may begin: none while it is open, one to find out whether the vendor is back,
  // any number while it is closed.
  int Room(TimePoint now, int in_flight) const;
  void Succeeded();
  // `asked`: how long the vendor asked us to wait; it goes for all that we have for it.
  void Failed(TimePoint now, Duration asked);

  // The earliest of all times while it is closed.
  TimePoint until() const { return until_; }

  int failures() const { return failures_; }

 private:
  int failures_ = 0;
  TimePoint until_ = TimePoint::min();
  TimePoint failed_ = TimePoint::min();  // Last.
};

}  // namespace segue
