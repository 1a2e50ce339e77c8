#include "daemon/told.h"

#include <spdlog/spdlog.h>

#include <fmt/format.h>

#include "daemon/spool.h"

namespace segue {

void TellCycle(const CycleReport& report) {
  for (const std::string& warning : report.warnings) {
    spdlog::warn("{}", warning);
  }
  for (const auto& [what, count] : report.missed) {
    spdlog::warn("{}: {} slots went by while the service was away; their work is done now", what,
                 count);
  }
  if (report.moves.empty() && report.playbooks.started + report.playbooks.ended == 0 &&
      report.playbooks.promised + report.playbooks.skipped == 0 && report.intake.empty()) {
    return;
  }
  std::string facts;
  for (const auto& [word, count] : report.intake) {
    facts += count > 0 ? fmt::format(" · {} {}", count, word) : "";
  }
  spdlog::info("cycle: {} moves · {} runs started · {} ended · {} promised · {} skipped{}",
               report.moves.size(), report.playbooks.started, report.playbooks.ended,
               report.playbooks.promised, report.playbooks.skipped, facts);
}

void TellAlarms(const Dispatcher& dispatcher, const Workspace& workspace,
                const std::string& state_folder) {
  for (const std::string& alarm : dispatcher.Alarms()) {
    spdlog::warn("{}", alarm);
  }
  for (const std::string& words : Forgotten(state_folder, workspace)) {
    spdlog::warn("{}", words);
  }
}

void ToldHealth::Tell(std::span<const ConnectorHealth> all, TimePoint now) {
  for (const ConnectorHealth& health : all) {
    const bool open = health.paused && *health.paused > now && !health.words.empty();
    const auto known = paused_.find(health.id);
    if (open && known == paused_.end()) {
      spdlog::warn("connector {}: paused until {}: {}", health.id, FormatTime(*health.paused),
                   health.words);
      paused_.emplace(health.id, health.words);
    } else if (health.failures == 0 && known != paused_.end()) {
      spdlog::info("connector {}: answers again", health.id);
      paused_.erase(known);
    }
  }
}

}  // namespace segue
