// Whose doing a verb is.

#include "cli/person.h"

#include <doctest/doctest.h>

namespace segue {

TEST_CASE("somebody who becomes another user stays who they are") {
  constexpr std::string_view kNobody = "4294967295";
  CHECK(PersonOf(1000, nullptr, kNobody) == 1000);
  CHECK(PersonOf(1000, nullptr, "") == 1000);
  CHECK(PersonOf(0, nullptr, kNobody) == 0);
  CHECK(PersonOf(0, "1000", kNobody) == 1000);
  CHECK(PersonOf(0, "nonsense", "1000") == 1000);
  // `sudo -u segue`, and `su`: the variable is anybody's to set, what the login left behind is not.
  CHECK(PersonOf(998, "1001", "1000") == 1000);
  CHECK(PersonOf(998, "1001", kNobody) == 998);
  CHECK(PersonOf(0, nullptr, "1000") == 1000);
}

}  // namespace segue
