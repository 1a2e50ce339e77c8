// What only the data can tell about the files: `check --with-data`.
//
//   SG013  learned from too few people
//   SG041  two playbooks in different lanes may write to the same people within a cap
//   SG070  a condition or a segment that nobody fulfils now
//   SG071  a name that the data has nothing for: an event that never came, a trait that nobody has,
//          a text that was never seen
//   SG072  a text that cannot be made for some of those who would get it
//   SG073  rows that a source set aside, and columns that its newest file lacks

#pragma once

#include "config/diagnostic.h"
#include "pipeline/pipeline.h"

namespace segue {

// All of them are warnings: tomorrow's data may be other data.
Diagnostics LintWithData(State& state, TimePoint now);

}  // namespace segue
