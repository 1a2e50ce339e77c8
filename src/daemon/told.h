// What the service says in its log of cycles, of connectors and of what is left lying.

#pragma once

#include <map>
#include <span>
#include <string>

#include "pipeline/pipeline.h"

namespace segue {

void TellCycle(const CycleReport& report);

// What nobody will send or read any more.
void TellAlarms(const Dispatcher& dispatcher, const Workspace& workspace,
                const std::string& state_folder);

// Says once when a connector stops being called, and once when it is called again.
class ToldHealth {
 public:
  void Tell(std::span<const ConnectorHealth> all, TimePoint now);

  void Forget() { paused_.clear(); }

 private:
  std::map<std::string, std::string> paused_;  // Connectors whose breaker is open, as last logged.
};

}  // namespace segue
