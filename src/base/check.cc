// The end of the program when a SEGUE_CHECK fails.

#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace segue {

void CheckFailed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "segue: internal error: %s does not hold (%s:%d)\n", condition, file, line);
  std::abort();
}

}  // namespace segue
