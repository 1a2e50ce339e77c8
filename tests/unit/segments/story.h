// A model's story from slot to slot, on a real state file.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "segments/segments.h"
#include "support/temp_dir.h"
#include "unit/segments/world.h"

namespace segue {

constexpr SegmentIndex kActive = 0, kFading = 1, kGone = 2;

// Silence in days: up to 10 active, up to 30 fading, else gone.
inline World Silence(int hold_runs, double margin) {
  World world;
  world.AddScore("r", "customer.silence", true, {Days(10), Days(30)});
  world.AddSegment("active", "r is 3")
      .AddSegment("fading", "r is 2")
      .AddSegment("gone", "otherwise");
  world.model().hold.runs = hold_runs;
  world.model().margin_percent = margin;
  return world;
}

// A state file that can be closed and opened, with the model as it then is.
class Story {
 public:
  explicit Story(World world_in) : world(std::move(world_in)), people(world) { Open(); }

  void Open() {
    segments.reset();
    db.reset();
    db = std::make_unique<Database>(Database::Open(dir / "segue.db"));
    segments = std::make_unique<Segments>(*db, world.workspace, 0);
  }

  // An edit of the model, made by `change`, takes effect at a restart.
  void Edit(World changed) {
    segments.reset();
    world = std::move(changed);
    world.model().hash = "two";
    Open();
  }

  // Runs the slot of that day; afterwards nothing has happened to anybody.
  SlotResult Run(int day) {
    SlotResult result = segments->RunSlot(people, Day(day), Day(day) + kMinute);
    for (People::Person& person : people.all) {
      person.cause.reset();
    }
    return result;
  }

  void Silent(std::size_t customer, double days) {
    people[customer].traits["silence"] = Days(days);
  }

  std::vector<std::string> Rows(const std::string& sql) {
    std::vector<std::string> rows;
    Statement select = db->Prepare(sql);
    while (select.Step()) {
      rows.push_back(select.Text(0));
    }
    return rows;
  }

  World world;
  People people;
  TempDir dir;
  std::unique_ptr<Database> db;
  std::unique_ptr<Segments> segments;
};

inline std::string Told(const SlotResult& result) {
  std::string text;
  for (const Move& move : result.moves) {
    const auto name = [](SegmentIndex segment) {
      return segment == kNoSegment ? std::string("none") : std::to_string(segment);
    };
    text += (text.empty() ? "" : "; ") + std::to_string(move.customer) + ": " + name(move.from) +
            ">" + name(move.to) + " " + std::string(CauseName(move.cause)) + ", " + move.why;
  }
  return text;
}

}  // namespace segue
