// A Tunnel: a port of this machine behind which a host of the far side answers, through SSH.
//
// The machine's `ssh` is the library: a child process that lives as long as the Tunnel, and dies
// with the thread that opened it.  Its settings, key and known host stand in a private folder until
// it is in, and never in its arguments.

#pragma once

#include <memory>
#include <string>

#include "base/result.h"

namespace segue {

class Tunnel {
 public:
  // `secret`: the value behind auth.tunnel, three parts below each other:
  //
  //   ssh://user@host:22
  //   host ssh-ed25519 AAAAC3…                    a line of known_hosts
  //   -----BEGIN OPENSSH PRIVATE KEY----- …       a key without a passphrase
  //
  // `host` and `port`: where it leads, as the SSH host sees them.  Waits until it is open.
  // Error: in words for people, with nothing of the secret.
  static Result<std::unique_ptr<Tunnel>> Open(const std::string& secret, const std::string& host,
                                              const std::string& port);

  ~Tunnel();
  Tunnel(const Tunnel&) = delete;
  Tunnel& operator=(const Tunnel&) = delete;

  const std::string& port() const { return port_; }  // Of 127.0.0.1.

  // Why the far side could not be reached through it, where ssh said so; else empty.
  std::string Trouble();

 private:
  Tunnel() = default;

  int process_ = -1;
  int words_ = -1;  // What ssh says, to be read.
  std::string said_;
  std::string port_;
};

}  // namespace segue
