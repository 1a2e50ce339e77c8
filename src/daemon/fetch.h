// HTTP for sources that fetch: the calls wait for the answer, at most as long as the source's
// `timeout`, and ask meanwhile whether they are to go on: where not, they throw StopAsked.

#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "daemon/alive.h"
#include "sources/exports.h"

namespace segue {

// `resolve` gives the value behind env:NAME or cred:NAME.
std::unique_ptr<HttpReader> MakeHttpReader(
    std::function<Result<std::string>(const std::string&)> resolve, GoesOn goes_on = {});

}  // namespace segue
