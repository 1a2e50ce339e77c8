// The transport performs Requests on a thread of its own, as many at once as there are: HTTP and
// SMTP through libcurl, files below the state folder.

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "daemon/files.h"
#include "daemon/transfer.h"
#include "domain/exchange.h"

namespace segue {

class Transport {
 public:
  // Called on the transport's thread.
  using Done = std::function<void(std::int64_t id, Reply reply)>;

  // Files are written below `state_folder`, and are on disk when the reply comes.
  Transport(std::string state_folder, Done done);
  // What is under way is given up; nobody hears of it.
  ~Transport();
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  // Exactly one reply comes for each id.
  void Start(std::int64_t id, Request request);

 private:
  void Run();
  void Admit(std::int64_t id, Request request);
  void Begin(std::int64_t id, Request request);
  int BeginDue();
  void Collect();

  FileWriter files_;
  Done done_;
  void* multi_;  // A CURLM handle: it keeps connections for the next request.
  std::map<void*, std::pair<std::int64_t, std::unique_ptr<Transfer>>> running_;  // By easy handle.
  std::multimap<Duration, std::pair<std::int64_t, Request>> held_;  // Until Request::pause is over.
  std::mutex mutex_;                                                // Guards the two below.
  std::vector<std::pair<std::int64_t, Request>> waiting_;
  bool stopping_ = false;
  std::thread thread_;  // Last: it uses all of the above.
};

}  // namespace segue
