// The one text of an aggregate, which is its identity.

#pragma once

#include <string>

#include "domain/schema.h"
#include "domain/text_pool.h"
#include "expression/expr.h"

namespace segue {

// "count(order_placed where quantity > 0, 30d, before 30d)".  It is made of names and values, not
// of indexes or of what was written (`1w` and `7d` are the same), so that it names the same column
// after a restart and an edit elsewhere.
std::string CanonicalAggregate(const Aggregate& aggregate, const Schema& schema,
                               const TextPool& pool);

}  // namespace segue
