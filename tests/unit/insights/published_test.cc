#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "published/cdnow.h"
#include "support/golden.h"

namespace segue {
namespace {

// The fits are made once; a subcase runs its test case anew.
const std::vector<PublishedFigure>& Figures(const std::string& folder) {
  static const std::vector<PublishedFigure> kFigures = CompareCdnow(folder);
  return kFigures;
}

}  // namespace

TEST_CASE("published: CDNOW") {
  const auto folder = Shared("data/cdnow");
  if (!folder) {
    return;
  }
  CHECK(Figures(*folder).size() == 133);
  int number = 0;
  for (const PublishedFigure& figure : Figures(*folder)) {
    ++number;
    SUBCASE(fmt::format("{}: {} {}, {} {} = {} ({})", number, figure.model, figure.quantity,
                        figure.inputs, "published", figure.published, figure.source)
                .c_str()) {
      INFO("computed " << figure.computed << ", tolerance " << figure.tolerance);
      CHECK(figure.Agrees());
    }
  }
}

}  // namespace segue
