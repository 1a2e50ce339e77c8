// Who runs a verb, as the operating system says.

#pragma once

#include <string>

namespace segue {

// The name of the user; under sudo that of the one who called it.  A user without a name is
// "user 1000".
std::string WhoRuns();

}  // namespace segue
