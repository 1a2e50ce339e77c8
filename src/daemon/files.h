// Performs the requests that write files below the state folder.

#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "domain/exchange.h"
#include "pipeline/pipeline.h"

namespace segue {

class FileWriter {
 public:
  // `durable`: on disk when the answer comes; else left to the system, for a replay, which is
  // started anew after a crash.
  FileWriter(std::string state_folder, bool durable)
      : state_folder_(std::move(state_folder)), durable_(durable) {}

  // Requires: request.kind is kFile or kAppend.
  Reply Perform(const Request& request);

 private:
  Reply Whole(const Request& request);
  Reply Append(const Request& request);
  bool WriteAll(int file, std::string_view bytes) const;
  bool SyncFolder(const std::string& path) const;

  std::string state_folder_;
  bool durable_;
  std::map<std::string, std::set<std::string, std::less<>>>
      appended_;  // Keys in each kAppend file, by path.
};

// quarantine/SOURCE.csv for every source that has bad rows, whole or not at all.  Returns what
// could not be written, for people; the rows are in the state all the same.
std::string WriteQuarantine(State& state, const std::string& state_folder);

}  // namespace segue
