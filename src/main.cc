// The program `segue`: hands its arguments to the verbs in cli/.
#include "cli/cli.h"

int main(int argc, char** argv) {
  return segue::RunCli(argc, argv);
}
