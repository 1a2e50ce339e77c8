// SEGUE_CHECK(condition): stops the program when it meets a state that only a bug can cause.
//
// Always on.  It never judges input: bad input is a Result or a Diagnostic.

#pragma once

namespace segue {

[[noreturn]] void CheckFailed(const char* condition, const char* file, int line);

}  // namespace segue

#define SEGUE_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::segue::CheckFailed(#condition, __FILE__, __LINE__))
