// Which changes of state there are, and how long a pause between two attempts lasts.

#pragma once

#include "base/time.h"
#include "config/definitions.h"
#include "domain/delivery.h"

namespace segue {

// The arrows of docs/outbox.md.
bool MayBecome(DeliveryState from, DeliveryState to);

// The pause before the next attempt: somewhere in (0, first doubled per attempt, at most `most`].
// Full jitter spreads what failed together; the hash makes it the same in every replay. Requires:
// delivery.attempts counts the one that just failed.
Duration Pause(const Delivery& delivery, const Retry& retry);

}  // namespace segue
