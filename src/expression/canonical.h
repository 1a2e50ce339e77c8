// The one text of an aggregate, which is its identity.

#pragma once

#include <string>
#include <vector>

#include "domain/schema.h"
#include "domain/text_pool.h"
#include "expression/expr.h"

namespace segue {

// "count(order_placed where quantity > 0, 30d, before 30d)".  It is made of names and values, not
// of indexes or of what was written (`1w` and `7d` are the same), so that it names the same column
// after a restart and an edit elsewhere.
std::string CanonicalAggregate(const Aggregate& aggregate, const Schema& schema,
                               const TextPool& pool);

// What the tracking plan says of these fields of an event and of who takes such events back, by
// names: "amount:3;order_refunded.order_id>order_id amount".  Where it is another text, the
// same facts have other values, so that nothing that was worked out from them still stands.
std::string EventBasis(const Schema& schema, int event, const std::vector<int>& fields);

}  // namespace segue
