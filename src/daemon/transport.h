// The transport performs Requests: HTTP and SMTP through libcurl, files below the state folder.
//
// One call at a time; the caller's thread waits.  Only http, https, smtp and smtps are spoken,
// redirects are not followed, proxies of the environment are ignored, and answers are cut off at a
// limit.

#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "domain/exchange.h"

namespace segue {

// An answer of a vendor is a few kilobytes; more is somebody else's page.
constexpr std::size_t kReplyBytesMax = 1024 * 1024;

class Transport {
 public:
  enum class Files : std::uint8_t {
    kDurable,  // On disk when the answer comes.
    kQuick     // Left to the system: for a replay, which is started anew after a crash.
  };

  // Files are written below `state_folder`.
  explicit Transport(std::string state_folder, Files files = Files::kDurable);
  ~Transport();
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  Reply Perform(const Request& request);

 private:
  Reply Http(const Request& request);
  Reply Smtp(const Request& request);
  Reply File(const Request& request);
  Reply Append(const Request& request);

  bool WriteAll(int file, std::string_view bytes) const;
  bool SyncFolder(const std::string& path) const;

  std::string state_folder_;
  Files files_;
  void* curl_;  // A CURL handle: one, so that connections are kept.
  std::map<std::string, std::set<std::string, std::less<>>>
      appended_;  // Keys in each kAppend file, by path.
};

}  // namespace segue
