// Tests of the rate and of the circuit breaker, on a clock of their own.

#include "pipeline/limits.h"

#include <limits>

#include <doctest/doctest.h>

namespace segue {
namespace {

constexpr int kUnlimited = std::numeric_limits<int>::max();
constexpr Duration kSecond = std::chrono::seconds(1);
constexpr Duration kInstant = Duration(1);
const TimePoint kStart = *ParseTime("2026-03-02T12:00:00Z", Zone());

ConnectorSettings Rate(int calls, Duration per) {
  ConnectorSettings settings;
  settings.rate_calls = calls;
  settings.rate_per = per;
  return settings;
}

TEST_CASE("rate: a store is full at first, and each call that was made comes back after its time") {
  const ConnectorSettings settings = Rate(3, kMinute);
  TokenBucket bucket;
  CHECK(bucket.Room(settings, kStart) == 3);
  CHECK(bucket.Refilled(settings) == TimePoint::min());
  bucket.Spend();
  bucket.Spend();
  CHECK(bucket.Refilled(settings) == TimePoint::min());  // One is left.
  bucket.Spend();
  CHECK(bucket.Room(settings, kStart) == 0);
  const TimePoint next = kStart + 20 * kSecond;
  CHECK(bucket.Refilled(settings) == next + kInstant);
  // However often it is asked meanwhile.
  for (int second = 1; second < 20; ++second) {
    CHECK(bucket.Room(settings, kStart + second * kSecond) == 0);
    CHECK(bucket.Refilled(settings) >= next);
    CHECK(bucket.Refilled(settings) <= next + 2 * kInstant);
  }
  CHECK(bucket.Room(settings, next + 2 * kInstant) == 1);
  CHECK(bucket.Room(settings, kStart + kDay) == 3);
}

TEST_CASE("rate: calls beyond what is there are paid back") {
  const ConnectorSettings settings = Rate(1, kSecond);
  TokenBucket bucket;
  CHECK(bucket.Room(settings, kStart) == 1);
  for (int i = 0; i < 4; ++i) {
    bucket.Spend();
  }
  CHECK(bucket.Room(settings, kStart + 3 * kSecond) == 0);
  CHECK(bucket.Refilled(settings) == kStart + 4 * kSecond + kInstant);
  CHECK(bucket.Room(settings, kStart + 4 * kSecond + kInstant) == 1);
}

TEST_CASE("rate: a clock that was set back takes nothing away and gives nothing") {
  const ConnectorSettings settings = Rate(2, kMinute);
  TokenBucket bucket;
  CHECK(bucket.Room(settings, kStart) == 2);
  bucket.Spend();
  CHECK(bucket.Room(settings, kStart - kDay) == 1);
  bucket.Spend();
  CHECK(bucket.Room(settings, kStart - kDay + 29 * kSecond) == 0);
  CHECK(bucket.Room(settings, kStart - kDay + 31 * kSecond) == 1);
}

TEST_CASE("rate: without one there is always room") {
  const ConnectorSettings settings;
  TokenBucket bucket;
  bucket.Spend();
  CHECK(bucket.Room(settings, kStart) == kUnlimited);
  CHECK(bucket.Refilled(settings) == TimePoint::min());
}

TEST_CASE(
    "breaker: it opens at the fifth failure in a row, for ten seconds, doubled to ten minutes") {
  Breaker breaker;
  TimePoint now = kStart;
  for (int failure = 1; failure < 5; ++failure) {
    breaker.Failed(now, Duration::zero());
    CHECK(breaker.Room(now, 7) == kUnlimited);
  }
  for (const int seconds : {10, 20, 40, 80, 160, 320, 600, 600, 600, 600, 600, 600, 600}) {
    breaker.Failed(now, Duration::zero());
    CHECK(breaker.until() == now + seconds * kSecond);
    CHECK(breaker.Room(breaker.until() - kInstant, 0) == 0);
    now = breaker.until();
    // One finds out, and only one.
    CHECK(breaker.Room(now, 0) == 1);
    CHECK(breaker.Room(now, 1) == 0);
  }
  breaker.Succeeded();
  CHECK(breaker.failures() == 0);
  CHECK(breaker.until() == TimePoint::min());
  for (int failure = 1; failure < 5; ++failure) {
    breaker.Failed(now, Duration::zero());
  }
  CHECK(breaker.Room(now, 7) == kUnlimited);
}

TEST_CASE(
    "breaker: the longest pause that a vendor asked for counts, also among failures at once") {
  Breaker breaker;
  breaker.Failed(kStart, kHour);
  breaker.Failed(kStart, kMinute);
  CHECK(breaker.until() == kStart + kHour);
  CHECK(breaker.Room(kStart + kHour - kInstant, 0) == 0);
  CHECK(breaker.Room(kStart + kHour, 3) == kUnlimited);
}

TEST_CASE("breaker: after a clock was set back one attempt finds out, and its pause is a new one") {
  Breaker breaker;
  breaker.Failed(kStart, kHour);
  const TimePoint before = kStart - kDay;
  CHECK(breaker.Room(before, 0) == 1);
  CHECK(breaker.Room(before, 1) == 0);
  breaker.Failed(before, kMinute);
  CHECK(breaker.until() == before + kMinute);
}

}  // namespace
}  // namespace segue
