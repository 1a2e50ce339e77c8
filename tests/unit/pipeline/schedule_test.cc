// Schedules on a clock that jumps: 400 days of sleep, restarts, leaps forward and steps back.

#include <map>
#include <memory>
#include <set>

#include <doctest/doctest.h>

#include "base/hash.h"
#include "pipeline/pipeline.h"
#include "support/temp_dir.h"

namespace segue {
namespace {

constexpr std::string_view kScheduleFiles = R"(workspace: clock
timezone: Australia/Lord_Howe
currency: AUD
traits: {customer: {name: text}}
events: {order_placed: {order_id: text}}
---
source: orders
type: csv
path: inbox/orders*.csv
every: 15m
emits: order_placed
time: time
dedupe: order_id
)";

constexpr std::string_view kModel = R"(---
model: NAME
of: customer
every: EVERY
who: ever(order_placed)
features: {frequency: count(order_placed)}
segments:
  - {id: many, when: frequency >= 2}
  - {id: one, when: otherwise}
)";

// An empty inbox: the slots are what is looked at.
class NoFiles final : public FileReader {
 public:
  std::vector<Info> List(std::string_view /*pattern*/) override { return {}; }

  Result<std::string> Read(std::string_view /*path*/, std::uint64_t /*offset*/,
                           std::size_t /*most*/) override {
    return std::string();
  }
};

std::string Models() {
  std::string text;
  for (const auto& [name, every] :
       {std::pair("hourly", "1h"), std::pair("quarterly", "15m"),
        std::pair("daily", "day at 02:15"), std::pair("weekly", "week on mon at 06:00"),
        std::pair("monthly", "month on 28 at 05:00")}) {
    std::string one(kModel);
    one.replace(one.find("NAME"), 4, name);
    one.replace(one.find("EVERY"), 5, every);
    text += one;
  }
  return text;
}

// Which slot each model ran last; the sets hold every one that ran.
void Record(State& state, std::map<std::string, std::set<TimePoint>>& ran) {
  const std::vector<Model>& models = state.workspace().models;
  for (std::size_t i = 0; i < models.size(); ++i) {
    const std::optional<TimePoint> slot = state.segments(static_cast<int>(i))->last_slot();
    if (slot) {
      ran[models[i].id].insert(*slot);
    }
  }
}

}  // namespace

TEST_CASE(
    "400 days on a jumping clock: no slot runs twice, and none is skipped without being counted") {
  Checked checked = CheckWorkspace(
      {{"config/segue.yaml", std::string(kScheduleFiles)}, {"rules/models.yaml", Models()}});
  INFO(FormatDiagnostics(checked.diagnostics, checked.files, false));
  REQUIRE(checked.workspace != nullptr);
  const TempDir temp;
  Database db = Database::Open(temp / "segue.db");
  db.Execute("PRAGMA synchronous=OFF");
  NoFiles files;
  const TimePoint start = *ParseTime("2025-12-01T00:07:00Z", Zone());
  const TimePoint end = start + 400 * kDay;
  auto state = std::make_unique<State>(db, *checked.workspace, *checked.templates, start);
  auto cycle = std::make_unique<Cycle>(*state, &files);
  std::map<std::string, std::set<TimePoint>> ran;
  std::map<std::string, std::int64_t> missed, runs;
  TimePoint now = start;
  TimePoint latest = start;
  std::uint64_t chance = 0;
  while (now < end) {
    CycleReport report;
    const auto before = ran;
    cycle->Pull(now, false, {}, report);
    cycle->Decide(now, report);
    Record(*state, ran);
    for (const auto& [what, count] : report.missed) {
      missed[what] += count;
    }
    for (const auto& [model, slots] : ran) {
      const auto old = before.find(model);
      if (old != before.end() && slots.size() > old->second.size()) {
        REQUIRE(*slots.rbegin() > *old->second.rbegin());  // Never back, never the same again.
        REQUIRE(*slots.rbegin() <= now);
      }
    }
    latest = std::max(latest, now);
    const std::uint64_t dice = KeyedHash({1, 2}, std::to_string(++chance)) % 100;
    const TimePoint wake = cycle->Next(now);
    REQUIRE(wake > now);
    if (dice < 70) {
      now = wake;  // As the service does.
    } else if (dice < 80) {
      now += Duration(static_cast<std::int64_t>(dice) * 1'000'000);  // Woken by something else.
    } else if (dice < 88) {
      now += kHour * static_cast<std::int64_t>(dice - 79);  // Asleep.
    } else if (dice < 92) {
      now -= kHour * static_cast<std::int64_t>(dice - 86);  // Somebody set the clock back.
    } else if (dice < 94) {
      now += kDay * 2;
    } else {
      now = wake;
      cycle.reset();
      state.reset();
      state = std::make_unique<State>(db, *checked.workspace, *checked.templates, now);
      cycle = std::make_unique<Cycle>(*state, &files);
    }
  }
  for (const Model& model : checked.workspace->models) {
    const std::set<TimePoint>& slots = ran[model.id];
    REQUIRE(!slots.empty());
    std::int64_t all = 0;
    for (TimePoint slot = *slots.begin(); slot <= *slots.rbegin();
         slot = model.every.SlotAfter(slot, model.timezone)) {
      ++all;
    }
    MESSAGE(model.id << ": " << slots.size() << " slots ran, " << missed["model " + model.id]
                     << " were missed and counted, of " << all);
    CHECK(std::ssize(slots) + missed["model " + model.id] == all);
  }
}

}  // namespace segue
