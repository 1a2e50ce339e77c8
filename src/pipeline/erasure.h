// Erasing a customer by hand, with proof: what there was, what there is now, and where the file
// still names them.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/pipeline.h"

namespace segue {

struct KnownCounts {
  std::int64_t traits = 0, events = 0, moves = 0, deliveries = 0;
};

struct ErasureProof {
  // As they were; the first key is the customer's own, the others of who became one with them.
  std::vector<std::string> keys;
  std::string address;
  KnownCounts before, after;
  std::int64_t tables = 0;  // That were searched.
  // Texts that are one of the keys, or hold the address, but for those of other living customers:
  // an address may be shared.  Both must be 0.
  std::int64_t key_cells = 0;
  std::int64_t address_cells = 0;
};

KnownCounts CountKnown(State& state, CustomerIndex customer);

// Lets every stage forget them, then packs the ledger's chunks anew and cuts off the write-ahead
// log.  The note is kept with the moment and a hash of the key.
// Requires: no other process works on the state.
ErasureProof EraseCustomer(State& state, CustomerIndex customer, std::string_view note,
                           TimePoint now);

// No row of the suppressed names this customer any more.  In the transaction of the erasure, before
// the ledger's part of it.
void HideSuppressions(State& state, CustomerIndex customer);

}  // namespace segue
