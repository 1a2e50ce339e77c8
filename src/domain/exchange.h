// A Request that a connector wants performed, and the Reply that came of it.  The dispatcher
// performs them; connectors and tests only describe them.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace segue {

struct Request {
  enum class Kind : std::uint8_t {
    kHttp,  // method, url, headers, body
    kSmtp,  // url smtp://host:port or smtps://, mail_from, rcpt_to, body is the whole RFC 5322
            // message with CRLF
    kFile,  // url is a path below the state folder: body becomes that file, written whole or not at
            // all
    kAppend  // url is a path below the state folder: body is one line of JSON that holds
             // `"key":"KEY"`; nothing happens if a line with that key stands there
  };

  Kind kind = Kind::kHttp;
  std::string method = "POST";
  std::string url;
  std::map<std::string, std::string> headers;
  std::string body;
  std::string key;  // kAppend: the delivery's key.
  std::string mail_from;
  std::vector<std::string> rcpt_to;
  std::string user, password;  // kSmtp; never in any text that leaves the process.
  Duration timeout = std::chrono::seconds(30);
  // Not performed earlier than this after it was asked for: a vendor that works in the background
  // is asked every few seconds whether it is done.
  Duration pause = Duration::zero();
};

struct Reply {
  enum class Kind : std::uint8_t {
    kAnswered,  // status, headers and body are those of the other side (for SMTP the reply code;
                // for files 200)
    kNotSent,   // It failed before the other side can have acted: refused connection, name not
                // found, TLS failure
    kLost       // It failed after the request may have arrived: timeout, reset, cut-off answer
  };

  Kind kind = Kind::kLost;
  int status = 0;
  std::map<std::string, std::string> headers;  // Names in lower case.
  std::string body;
  std::string error;  // For kNotSent and kLost: in words, without secrets.
};

// What Retry-After of an answer asks for: seconds or a date.  Zero when the header is absent or
// makes no sense; never more than a day.
Duration RetryAfter(const Reply& reply, TimePoint now);

struct Exchange {
  Request request;
  Reply reply;
};

}  // namespace segue
