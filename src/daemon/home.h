// Where a state file lives.  A copy of it elsewhere, or an old copy put back in its place, does not
// know what the original has sent since: it may look, and may send only after somebody said `segue
// adopt`.

#pragma once

#include <string>

#include "base/result.h"
#include "base/time.h"
#include "store/database.h"

namespace segue {

// The machine's id and the file's own number: another machine, a copied and a restored file all
// differ.
std::string HomeOf(const std::string& state_file);

// Takes the home of a new state.  Error: the state was at home elsewhere; says what to do.
Result<void> RequireHome(Database& db, const std::string& home, TimePoint now);
// This is its home from here on.  True when it was another before.
bool TakeHome(Database& db, const std::string& home, TimePoint now);

}  // namespace segue
