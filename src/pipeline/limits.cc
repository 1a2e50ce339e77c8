#include "pipeline/limits.h"

#include <algorithm>
#include <limits>

namespace segue {
namespace {

// Fewer can be chance; more would cost a batch of people a needless retry each.
constexpr int kFailuresToOpen = 5;
constexpr Duration kFirstPause = std::chrono::seconds(10);
constexpr Duration kLongestPause = std::chrono::minutes(10);

}  // namespace

double TokenBucket::TokensAt(const ConnectorSettings& settings, TimePoint now) const {
  const auto most = static_cast<double>(*settings.rate_calls);
  if (!started_) {
    tokens_ = most;
    filled_ = now;
    started_ = true;
  }
  filled_ = std::min(filled_, now);  // The clock was set back: what was saved up stays.
  if (now > filled_) {
    const double per_token = static_cast<double>(settings.rate_per.count()) / most;
    tokens_ = std::min(most, tokens_ + static_cast<double>((now - filled_).count()) / per_token);
    filled_ = now;
  }
  return tokens_;
}

int TokenBucket::Room(const ConnectorSettings& settings, TimePoint now) const {
  return settings.rate_calls ? static_cast<int>(std::max(0.0, TokensAt(settings, now)))
                             : std::numeric_limits<int>::max();
}

void TokenBucket::Spend() {
  --tokens_;
}

TimePoint TokenBucket::Refilled(const ConnectorSettings& settings) const {
  if (!settings.rate_calls || !started_ || tokens_ >= 1) {
    return TimePoint::min();
  }
  const double per_token = static_cast<double>(settings.rate_per.count()) / *settings.rate_calls;
  return filled_ + Duration(static_cast<std::int64_t>((1.0 - tokens_) * per_token) + 1);
}

int Breaker::Room(TimePoint now, int in_flight) const {
  if (now < failed_) {
    return in_flight > 0 ? 0 : 1;  // The clock was set back: one attempt finds out.
  }
  if (failures_ < kFailuresToOpen && until_ <= now) {
    return std::numeric_limits<int>::max();
  }
  return now < until_ || in_flight > 0 ? 0 : 1;
}

void Breaker::Succeeded() {
  failures_ = 0;
  until_ = TimePoint::min();
}

void Breaker::Failed(TimePoint now, Duration asked) {
  ++failures_;
  if (now < failed_) {
    until_ = TimePoint::min();  // The clock was set back.
  }
  failed_ = now;
  Duration pause = asked;
  if (failures_ >= kFailuresToOpen) {
    const int doublings = std::min(failures_ - kFailuresToOpen, 10);
    pause = std::max(pause, std::min(kLongestPause, kFirstPause * (1 << doublings)));
  }
  if (pause > Duration::zero()) {
    until_ = std::max(until_, now + pause);
  }
}

}  // namespace segue
