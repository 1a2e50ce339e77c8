// Which rates amounts in other currencies were converted with, kept in the state: a row that is
// read again is converted as it was the first time, whatever the file of rates says by then.

#pragma once

#include "pipeline/pipeline.h"

namespace segue {

// Before anything is read.
void SettleRates(Database& db, const Workspace& workspace);

// In the transaction that takes in the batch.
void StoreRates(Database& db, const Batch& batch);

}  // namespace segue
