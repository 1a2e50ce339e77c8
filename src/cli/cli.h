// The command line: verbs, fixed exit codes, tables.

#pragma once

namespace segue {

// The same for every verb, for scripts: never renumber.
enum ExitCode : int {
  kFine = 0,
  kFindings = 1,        // Errors in files, or the verb failed.
  kPeopleAffected = 2,  // plan: somebody would get something.
  kBrake = 3,           // A brake was pulled.
  kCannotReach = 4,  // The state, a connector or a source cannot be reached, or somebody else is at
                     // work there.
  kUsage = 64,
};

int RunCli(int argc, char** argv);

}  // namespace segue
