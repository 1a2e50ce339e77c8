// The transport performs Requests: HTTP and SMTP through libcurl, files below the state folder.
//
// One call at a time; the caller's thread waits.  Only http, https, smtp and smtps are spoken, redirects are not followed,
// proxies of the environment are ignored, and answers are cut off at a limit.

#pragma once

#include <map>
#include <set>
#include <string>

#include "domain/exchange.h"

namespace segue {

// An answer of a vendor is a few kilobytes; more is somebody else's page.
constexpr std::size_t kReplyBytesMax = 1024 * 1024;

class Transport {
 public:
  // Files are written below `state_folder`.
  explicit Transport(std::string state_folder);
  ~Transport();
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  Reply Perform(const Request& request);

 private:
  Reply Http(const Request& request);
  Reply Smtp(const Request& request);
  Reply File(const Request& request);
  Reply Append(const Request& request);

  std::string state_folder_;
  void* curl_;  // A CURL handle: one, so that connections are kept.
  std::map<std::string, std::set<std::string, std::less<>>> appended_;  // Keys in each kAppend file, by path.
};

}  // namespace segue
