// Whose features are read by others: only those are stored, since they change for everybody in
// every slot.

#pragma once

#include "config/definitions.h"

namespace segue {

// Whether another document reads a feature of this model, or might by what its texts say.
bool FeaturesAreRead(const Workspace& workspace, int model);

}  // namespace segue
