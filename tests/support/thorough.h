// How far a long test goes.  The quick tests take a sample; `ctest -L thorough`, which .ci/run
// adds, goes all the way. A test that asks belongs to the suite "thorough": TEST_CASE("…" *
// doctest::test_suite("thorough")).

#pragma once

#include <cstdlib>

namespace segue {

inline bool IsThorough() {
  return std::getenv("SEGUE_THOROUGH") != nullptr;
}

// Rounds, seeds or days.
inline int Rounds(int quick, int all) {
  return IsThorough() ? all : quick;
}

}  // namespace segue
