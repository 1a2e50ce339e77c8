// What a source gave that was not taken in, kept until a person looks: rows that could not be read,
// and rows that contradict what was known before them.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/pipeline.h"

namespace segue {

// Takes out those that are kept already, whatever their line.
void DropKnownRows(Database& db, const Source& source, std::vector<BadRow>& rows);

// The newest kRowsKept of each source stay: whoever pushes nonsense fills no disk with it.
constexpr std::int64_t kRowsKept = 10'000;
void StoreRows(Database& db, const Source& source, const std::vector<BadRow>& rows);

// Sources with rows that were added since MarkWritten.
std::vector<std::string> ToWrite(Database& db);
void MarkWritten(Database& db);

// The conflicts of the ledger's last Append, which took in this batch: each with its line and what
// both sides say.  The same contradiction is kept once, however often its file is read.
void StoreConflicts(State& state, const Source& source, const Batch& batch);

}  // namespace segue
