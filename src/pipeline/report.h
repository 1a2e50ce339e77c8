// Reports: questions that reach over the tables of several stages.  They only read.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "pipeline/pipeline.h"

namespace segue {

struct MoveRow {
  TimePoint at;
  std::string model, from, to;  // Ids of segments; "none" outside the model.
  Cause cause = Cause::kTime;
  std::string why;
};

// Oldest first.
std::vector<MoveRow> MovesOf(State& state, CustomerIndex customer);

// Per model, how many moves had each cause.
std::map<std::string, std::map<Cause, std::int64_t>> MovesByCause(State& state);

// What became of what a playbook promised.
struct PromisedRow {
  std::string playbook, what, kind;
  std::int64_t people = 0, promised = 0, accepted = 0, waiting = 0, dropped = 0, other = 0;
};

std::vector<PromisedRow> Promised(State& state);

struct RefusedRow {
  std::string playbook, reason;
  bool at_start = false;
  std::int64_t times = 0;
};

std::vector<RefusedRow> Refused(State& state);

}  // namespace segue
