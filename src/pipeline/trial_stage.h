// What takes part in a test.  Internal to this folder.

#pragma once

#include "config/trials.h"

namespace segue {

// The workspace as this test sees it: its playbooks alone, the models that these, the policies
// about them and the test's expectations ask, no sources, and tools that are played.  The other
// models are drafts: running their slots would take most of a test's time and change nothing.
Workspace Staged(const Workspace& workspace, const Trial& trial);

}  // namespace segue
