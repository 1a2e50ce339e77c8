// One HTTP or SMTP request in libcurl's hands: what is set before it, what is read after it.
//
// Only http, https, smtp and smtps are spoken, redirects are not followed, proxies of the
// environment are ignored, and answers are cut off at a limit.

#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "domain/exchange.h"

namespace segue {

// An answer of a vendor is a few kilobytes; more is somebody else's page.
constexpr std::size_t kReplyBytesMax = 1024 * 1024;

// libcurl's own start, once per process.  Error: it cannot; then nothing can be performed.
bool StartCurl();

class Transfer {
 public:
  // `bytes_max`: a longer answer is cut off, and counts as lost.
  // Requires: request.kind is kHttp or kSmtp.
  explicit Transfer(Request request, std::size_t bytes_max = kReplyBytesMax);
  ~Transfer();
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  // Why it cannot be performed at all; nothing when it can.
  std::optional<Reply> Refusal() const;
  // A CURL easy handle, ready to be performed, once.
  void* handle() const;
  // What came of it.  `code` is libcurl's CURLcode.
  Reply Conclude(int code);

 private:
  struct Inner;
  std::unique_ptr<Inner> inner_;
};

}  // namespace segue
