// The typed expression tree.  It has one meaning and several executors (execute.h); text becomes a
// tree in parse.h and check.h.
//
// Every value is an IEEE double, and NaN means missing:
//
//   number          its value                          money      minor units of the workspace's
//   currency time            microseconds since 1970 UTC        duration   microseconds yes_no 0 or
//   1                             text       its number in the TextPool
//
// Whole numbers below 2^53 are exact, so money and times never lose anything.  A division by zero
// and any other result that is not finite is missing.  A comparison with a missing value is false;
// `is not` and `not in` are the exact opposite of `is` and `in`, so they are true.

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/time.h"
#include "domain/value.h"

namespace segue {

struct ExprType {
  Type type = Type::kNumber;
  bool whole = false;                // A number that is always whole: margins do not apply to it.
  std::vector<std::string> choices;  // For kChoice.
};

enum class AggregateOp : std::uint8_t {
  kCount,
  kSum,       // Takes in refunds of originals that are unknown, as negative amounts.
  kAvg,       // Does not.
  kDistinct,  // Different values of the field.
  kLast,      // Time of the last event.
  kFirst,
  kLastOf,  // The field of the last event.
  kFirstOf,
};

struct Expr;

// One distinct aggregate over the ledger; every model and playbook that writes the same one shares
// its column. It covers the events E with now - before - window < time(E) <= now - before, that
// fulfil `where`.
struct Aggregate {
  AggregateOp op = AggregateOp::kCount;
  int event = 0;
  int field = -1;                      // For those with E.F.
  std::vector<Expr> where;             // Empty or one, over kEventField leaves only.
  Duration window = Duration::zero();  // Zero: all time.
  Duration before = Duration::zero();
  bool in_run = false;    // Window runs from the start of the playbook run: never a column.
  std::string canonical;  // Normalised text with names; the identity of the column.
  ExprType type;
};

class AggregateCatalog {
 public:
  // The index of an equal aggregate, added if it is new.
  int Intern(Aggregate aggregate);

  const std::vector<Aggregate>& all() const { return all_; }

 private:
  std::vector<Aggregate> all_;
};

// A name or call whose value comes from outside the tree.
struct Leaf {
  enum class Kind : std::uint8_t {
    kNow,
    kAggregate,        // index: AggregateCatalog
    kTrait,            // index: Schema::customer_traits
    kAccountTrait,     // index: Schema::account_traits
    kOwnFeature,       // index: this model's features
    kOwnScore,         // index: this model's scores
    kSegment,          // model; the segment's id as text
    kScore,            // model, index: of another model, as of its last slot
    kFlag,             // model, index
    kFeature,          // model, index
    kEventField,       // index: fields of the event that `where` looks at
    kPurchaseProcess,  // alive, churn_risk, expected_orders, lifetime_value: see `name`
    kInsight,          // NAME.reached, NAME.progress, NAME.missing: see `name`
  };

  Kind kind = Kind::kNow;
  int model = -1;
  int index = -1;
  // As written, for people.  Calls that become several nodes (did, since, until, days, usual_gap)
  // carry it on their outer node, which is not a kLeaf then; a trace shows that node instead of
  // what is below it.
  std::string name;
};

enum class Op : std::uint8_t {
  kLiteral,
  kLeaf,
  kNegate,
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kIs,
  kIsNot,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIn,  // args[0] in the literals args[1..]
  kNotIn,
  kInRange,  // args[0] in args[1]..args[2], both ends included
  kNotInRange,
  kAnd,  // Of two or more args; so is kOr.
  kOr,
  kNot,
  kExists,
  kMean,   // Of all args; missing if one is.
  kRound,  // Halves away from zero.
  kFloor,
  kDays,      // Midnights of the zone between args[0] and now.
  kUsualGap,  // (args[0] last - args[1] first) / (args[2] count - 1); missing under 3
};

struct Expr {
  Op op = Op::kLiteral;
  ExprType type;
  double literal = 0;
  Leaf leaf;
  std::vector<Expr> args;
  // Bytes [begin, end) of the text that it was written in.
  std::size_t begin = 0;
  std::size_t end = 0;
};

// Calls `visit` for every node of kind kLeaf, in the order of the text; kNow among them. Aggregates
// are not entered: look at their `where` through the catalog.
void ForEachLeaf(const Expr& expr, const std::function<void(const Expr&)>& visit);

}  // namespace segue
