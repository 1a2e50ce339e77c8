// The two executors of a typed tree: over a block of customers, and for one customer with a record
// of what was read. Both give the same bits; a test runs them against each other.

#pragma once

#include <cmath>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "base/time.h"
#include "base/zone.h"
#include "domain/fact.h"
#include "domain/schema.h"
#include "domain/text_pool.h"
#include "expression/expr.h"

namespace segue {

// A value that is not there: every comparison with it is false.
constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

// Where the values of leaves come from.
class Inputs {
 public:
  virtual ~Inputs() = default;

  // Puts the leaf's value for the customers first, first + 1, … into `out`; NaN where it is
  // missing. Leaves of kind kNow never arrive here.
  virtual void Read(const Leaf& leaf, CustomerIndex first, std::span<double> out) const = 0;
};

struct Moment {
  TimePoint now;
  Zone zone;  // For days(): the model's, or the workspace's.
};

// Customers that one call may cover; also the size of its scratch.
constexpr std::size_t kBlock = 1024;

// Requires: out.size() <= kBlock.
void ExecuteBlock(const Expr& expr, const Inputs& inputs, const Moment& moment, CustomerIndex first,
                  std::span<double> out);

// What was read on the way to an answer, in the order of the text.
struct TraceEntry {
  std::size_t begin = 0, end = 0;  // The part of the expression.
  std::string text;                // "recency 23d 16h", "customer.plan team", "rfv.r no data"
};

using Trace = std::vector<TraceEntry>;

// `trace` may be null.
double ExecuteOne(const Expr& expr, const Inputs& inputs, const Moment& moment,
                  CustomerIndex customer, const TextPool* pool = nullptr,
                  const Schema* schema = nullptr, Trace* trace = nullptr);

// For a condition over one event's fields (kEventField leaves); traits through `inputs`, which may
// be null.  A field's text that the pool does not know equals no literal and no trait; the pool
// does not grow.
double ExecuteOnEvent(const Expr& expr, const EventSpec& spec, std::span<const Value> fields,
                      const TextPool& pool, const Inputs* inputs, const Moment& moment,
                      CustomerIndex customer);

inline bool IsTrue(double value) {
  return value == 1.0;
}

// A stored Value as an expression sees it: number / 1e6, money in minor units, text by its number
// in the pool. Adds a text that the pool does not know yet.
double ValueToDouble(Type type, const Value& value, TextPool& pool);

// For people: "23d 16h", "15 000.00 EUR", "team", "yes", "no data".
std::string FormatTyped(const ExprType& type, double value, const TextPool* pool,
                        const Schema* schema);

}  // namespace segue
