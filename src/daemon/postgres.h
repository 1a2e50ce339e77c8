// PostgreSQL for sources of type sql: the only user of libpq.
//
// Each reading has a connection of its own and is one read-only transaction with one snapshot;
// whatever a query tries, it cannot write.  The calls wait for the database, at most as long as the
// source's `timeout` for each statement and a little for the way, and ask meanwhile whether they
// are to go on: where not, the query is cancelled and they throw StopAsked.

#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "daemon/alive.h"
#include "sources/sql.h"

namespace segue {

// `resolve` gives the value behind env:NAME or cred:NAME.
std::unique_ptr<SqlReader> MakePostgresReader(
    std::function<Result<std::string>(const std::string&)> resolve, GoesOn goes_on = {});

}  // namespace segue
