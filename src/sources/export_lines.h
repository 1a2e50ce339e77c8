// The lines of exports, read as track calls in the Segment shape.

#pragma once

#include "sources/jsonl.h"

namespace segue {

// {"event": "Order Placed", "properties": {"time": 1772352000, "distinct_id": "u1", "$insert_id":
// "m1", "orderId": "A1"}}
extern const CallShape kMixpanelCalls;
// {"event_type": "Order Placed", "event_time": "2026-03-01 08:00:00.000000", "user_id": "u1",
// "$insert_id": "m1", "event_properties": {"orderId": "A1"}}
extern const CallShape kAmplitudeCalls;

}  // namespace segue
