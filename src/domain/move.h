// A Move: a customer went from one segment of a model to another, and why.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/time.h"
#include "domain/fact.h"

namespace segue {

// Why a person moved, fixed when the change was first seen.  The first that applies, in this order.
// The numbers are stored: never change them.
enum class Cause : std::uint8_t {
  kEdit = 0,       // The model was edited, and it would not have happened without that.
  kRefit = 1,      // Lines were learned again, and it would not have happened with the old ones.
  kMerge = 2,      // Two customers became one.
  kImport = 3,     // A fact arrived later than its source's late_events allows.
  kBehaviour = 4,  // A fact arrived.
  kTime = 5,       // Nothing arrived: time went by.
};

std::string_view CauseName(Cause cause);

// Playbooks listen to these two only.
inline bool StartsPlaybooks(Cause cause) {
  return cause == Cause::kBehaviour || cause == Cause::kTime;
}

// Index of a segment in its model's list; kNoSegment for people who are not in the model.
using SegmentIndex = std::uint8_t;
constexpr SegmentIndex kNoSegment = 255;

struct Move {
  std::int64_t id = 0;  // Row of the move table; 0 before it is stored.
  int model = 0;        // Index into Workspace::models.
  CustomerIndex customer = 0;
  SegmentIndex from = kNoSegment;
  SegmentIndex to = kNoSegment;
  Cause cause = Cause::kTime;
  TimePoint at;
  // What changed, for people: "r 3→2 (recency 23d 16h > 21d + 5 %), the same in 2 runs".
  std::string why;
};

}  // namespace segue
