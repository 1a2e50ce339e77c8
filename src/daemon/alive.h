// What keeps a long piece of work from looking dead, and from going on when nobody wants it:
// systemd hears that the service lives, and the work hears that somebody asked the service to end.

#pragma once

#include <functional>
#include <optional>
#include <stdexcept>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include "base/time.h"

namespace segue {

// Asked every second or so by what waits for somebody outside.  False: give it up, by throwing
// StopAsked.
using GoesOn = std::function<bool()>;

// The service was asked to end in the middle of something, which nothing is kept of: it is begun
// anew at the next start.
class StopAsked : public std::runtime_error {
 public:
  StopAsked() : std::runtime_error("the service was asked to end") {}
};

class Alive {
 public:
  Alive();

  // Tells systemd, as often as it wants to hear it.  False once SIGTERM or SIGINT has come.
  bool Tell();

  // How often systemd wants to hear it; nothing: it does not.
  const std::optional<Duration>& every() const { return every_; }

 private:
  // The signals have a loop of their own, which can be looked into while that of the service stands
  // still.
  boost::asio::io_context io_;
  boost::asio::signal_set signals_;
  bool stop_asked_ = false;
  std::optional<Duration> every_;
  Duration told_ = Duration::min();
};

}  // namespace segue
