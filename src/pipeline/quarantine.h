// What a source gave that was not taken in, kept until a person looks: rows that could not be read,
// and rows that contradict what was known before them.

#pragma once

#include <vector>

#include "pipeline/pipeline.h"

namespace segue {

// Takes out those that are kept already, whatever their line.
void DropKnownRows(Database& db, const Source& source, std::vector<BadRow>& rows);

void StoreRows(Database& db, const Source& source, const std::vector<BadRow>& rows);

// The conflicts of the ledger's last Append, which took in this batch: each with its line and what
// both sides say.  The same contradiction is kept once, however often its file is read.
void StoreConflicts(State& state, const Source& source, const Batch& batch);

}  // namespace segue
