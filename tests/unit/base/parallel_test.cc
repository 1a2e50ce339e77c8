// Work of several threads: every part is done once, what is done is taken in order, a failure
// reaches the caller.

#include "base/parallel.h"

#include <atomic>
#include <cstddef>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

namespace segue {
namespace {

constexpr std::size_t kParts = 1000;

TEST_CASE("every part is worked on once, and taken in order on the calling thread") {
  std::vector<int> worked(kParts), seen(kParts);
  std::vector<std::size_t> taken;
  bool elsewhere = false;
  const std::thread::id here = std::this_thread::get_id();
  InParallel(
      kParts, [&](std::size_t part) { ++worked[part]; },
      [&](std::size_t part) {
        elsewhere |= std::this_thread::get_id() != here;
        seen[part] = worked[part];
        taken.push_back(part);
      });
  CHECK(worked == std::vector<int>(kParts, 1));
  CHECK(seen == worked);
  std::vector<std::size_t> in_order(kParts);
  std::iota(in_order.begin(), in_order.end(), std::size_t{0});
  CHECK(taken == in_order);
  CHECK_FALSE(elsewhere);
}

TEST_CASE("parts are taken before a part that fails, none after it, and its failure is thrown") {
  for (const std::size_t failing : {std::size_t{0}, std::size_t{17}, kParts - 1}) {
    std::size_t taken = 0;
    CHECK_THROWS_WITH(InParallel(
                          kParts,
                          [&](std::size_t part) {
                            if (part >= failing) {
                              throw std::runtime_error(std::to_string(part));
                            }
                          },
                          [&](std::size_t) { ++taken; }),
                      std::to_string(failing).c_str());
    CHECK(taken == failing);
  }
}

TEST_CASE("a failure of the taker ends the work, and no thread outlives the call") {
  std::atomic<std::size_t> working{0};
  CHECK_THROWS_WITH(InParallel(
                        kParts,
                        [&](std::size_t) {
                          ++working;
                          --working;
                        },
                        [](std::size_t part) {
                          if (part == 3) {
                            throw std::runtime_error("full");
                          }
                        }),
                    "full");
  CHECK(working == 0);
}

TEST_CASE("no parts are no work") {
  InParallel(0, [](std::size_t) { FAIL("worked"); });
  InRanges(0, 10, [](std::size_t, std::size_t) { FAIL("worked"); });
}

TEST_CASE("ranges cover everything once") {
  std::vector<int> worked(kParts + 1);
  InRanges(worked.size(), 64, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      ++worked[i];
    }
  });
  CHECK(worked == std::vector<int>(kParts + 1, 1));
}

}  // namespace
}  // namespace segue
