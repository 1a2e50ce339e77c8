// The dedupe text.

#include "domain/dedupe.h"

#include <array>

#include <doctest/doctest.h>

namespace segue {
namespace {

using namespace std::string_literals;

Event Order() {
  return {.kind = 0,
          .customer = "c1",
          .time = FromMicros(1'000'005),
          .fields = {Value("A-7"s), Value(std::int64_t{-1'250}), Value()},
          .dedupe = "",
          .version = std::nullopt};
}

TEST_CASE("the dedupe text of a source's fields is their stored values, joined by 1F") {
  CHECK(DedupeText(Order(), std::array{0}) == "A-7");
  CHECK(DedupeText(Order(), std::array{1, 0, 2}) ==
        "-1250\x1F"
        "A-7\x1F"s);
  CHECK(DedupeText(Order(), std::array{kDedupeCustomer, kDedupeTime, 0}) ==
        "c1\x1F"
        "1000005\x1F"
        "A-7"s);
}

TEST_CASE("an event without a dedupe text of its own is known by its whole content") {
  Event event = Order();
  CHECK(DedupeText(event) ==
        "c1\x1F"
        "1000005\x1F"
        "A-7\x1F"
        "-1250\x1F"s);
  event.dedupe = "A-7";
  CHECK(DedupeText(event) == "A-7");
}

}  // namespace
}  // namespace segue
