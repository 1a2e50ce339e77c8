#include "daemon/alive.h"

#include <algorithm>
#include <csignal>
#include <systemd/sd-daemon.h>

#include "base/clock.h"

namespace segue {

Alive::Alive() : signals_(io_, SIGTERM, SIGINT) {
  signals_.async_wait([this](const boost::system::error_code& error, int /*signal*/) {
    stop_asked_ = stop_asked_ || !error;
  });
  std::uint64_t micros = 0;
  if (sd_watchdog_enabled(0, &micros) > 0) {
    every_ = Duration(std::max<std::int64_t>(static_cast<std::int64_t>(micros / 3), 1));
  }
}

bool Alive::Tell() {
  io_.poll();
  const Duration now = MonotonicNow();
  if (every_ && (told_ == Duration::min() || now - told_ >= *every_)) {
    sd_notify(0, "WATCHDOG=1");
    told_ = now;
  }
  return !stop_asked_;
}

}  // namespace segue
