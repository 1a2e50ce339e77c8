#include "daemon/metrics.h"

#include <array>
#include <chrono>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace segue {
namespace {

double Seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

class MetricsPage {
 public:
  void Head(std::string_view name, std::string_view type, std::string_view help) {
    text_ += fmt::format("# HELP segue_{0} {2}\n# TYPE segue_{0} {1}\n", name, type, help);
  }

  // Labels are ids of the files, which hold nothing that wants escaping.
  void Row(std::string_view name, std::string_view label, std::string_view of, double value) {
    text_ += label.empty() ? fmt::format("segue_{} {}\n", name, value)
                           : fmt::format("segue_{}{{{}=\"{}\"}} {}\n", name, label, of, value);
  }

  void One(std::string_view name, std::string_view type, std::string_view help, double value) {
    Head(name, type, help);
    Row(name, "", "", value);
  }

  std::string Text() && { return std::move(text_); }

 private:
  std::string text_;
};

void AddOutbox(const OutboxCounts& counts, MetricsPage& page) {
  page.Head("outbox", "gauge", "Deliveries by state.");
  const std::array<std::pair<std::string_view, std::int64_t>, 8> states = {{
      {"waiting", counts.waiting},
      {"running", counts.running},
      {"accepted", counts.accepted},
      {"refused", counts.refused},
      {"suppressed", counts.suppressed},
      {"unknown", counts.unknown},
      {"dropped", counts.dropped},
      {"dead", counts.dead},
  }};
  for (const auto& [state, count] : states) {
    page.Row("outbox", "state", state, static_cast<double>(count));
  }
}

}  // namespace

std::string MetricsText(State& state, const Dispatcher& dispatcher, const CycleTally& tally,
                        TimePoint now) {
  MetricsPage page;
  page.One("customers", "gauge", "Customers that were ever seen.",
           static_cast<double>(state.ledger().customer_count()));
  page.One("cycles_total", "counter", "Cycles since the service began.",
           static_cast<double>(tally.cycles));
  page.One("moves_total", "counter", "Moves between segments since the service began.",
           static_cast<double>(tally.moves));
  page.One("rows_total", "counter", "Rows read since the service began.",
           static_cast<double>(tally.facts));
  page.One("cycle_seconds", "gauge", "What the last cycle took.", Seconds(tally.last_took));
  AddOutbox(state.outbox().Count(), page);
  page.Head("connector_failures", "gauge", "Failed attempts in a row.");
  const std::vector<ConnectorHealth> health = dispatcher.Health();
  for (const ConnectorHealth& one : health) {
    page.Row("connector_failures", "connector", one.id, one.failures);
  }
  page.Head("connector_paused", "gauge", "1 while nothing goes to the connector.");
  for (const ConnectorHealth& one : health) {
    page.Row("connector_paused", "connector", one.id, one.paused && *one.paused > now ? 1 : 0);
  }
  page.Head("source_age_seconds", "gauge", "Since the source was last read without error.");
  Statement sources =
      state.db().Prepare("SELECT source, last_ok FROM source_state WHERE last_ok IS NOT NULL");
  while (sources.Step()) {
    page.Row("source_age_seconds", "source", sources.Text(0),
             Seconds(now - FromMicros(sources.Int(1))));
  }
  return std::move(page).Text();
}

}  // namespace segue
