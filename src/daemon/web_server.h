// An HTTP/1.1 server on a thread of its own (Boost.Beast): it reads whole requests within limits,
// hands them over, and writes the replies.  What they mean is in daemon/web.h.

#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "daemon/web.h"

namespace segue {

class WebServer {
 public:
  using SendReply = std::function<void(WebReply)>;
  // Called on the server's thread, where it calls `reply` once, then or later.  A `reply` belongs
  // to its server and must not outlive it.
  using Handler =
      std::function<void(WebServer& server, const WebRequest& request, SendReply reply)>;

  // How long a body may follow a head.  Called on the server's thread.
  using BodyMax = std::function<std::size_t(const WebRequest& head)>;

  struct Certificate {
    std::string chain;  // PEM.
    std::string key;    // PEM.
  };

  // Why it is none, in words.
  static std::optional<std::string> ProblemOf(const Certificate& certificate);

  // Listens at "host:port" (an address or `localhost`).  Error: it cannot, or the certificate is
  // none.
  static Result<std::unique_ptr<WebServer>> Listen(const std::string& address,
                                                   const std::optional<Certificate>& certificate,
                                                   BodyMax body_max, Handler handler);
  // What is under way is given up.
  ~WebServer();
  // Its thread has ended when this returns.
  void Stop();
  WebServer(const WebServer&) = delete;
  WebServer& operator=(const WebServer&) = delete;

  // Runs it on the server's thread, soon.
  void Post(std::function<void()> work);
  // On the server's thread: runs it there after this long, unless the server has ended by then.
  void Later(Duration pause, std::function<void()> work);

 private:
  struct Inner;
  explicit WebServer(std::unique_ptr<Inner> inner);

  std::unique_ptr<Inner> inner_;
};

}  // namespace segue
