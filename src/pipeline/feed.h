// A Feed reads everything that the sources hold and lets each fact out when its own time has come,
// so that history can be lived through again as if it happened now.

#pragma once

#include <optional>
#include <vector>

#include "pipeline/pipeline.h"

namespace segue {

class Feed {
 public:
  // Reads every source to its end.  Error: a source that cannot be read, and without `databases`
  // or `web` one that is a database or an export.
  static Result<Feed> Read(const Workspace& workspace, FileReader& files, const Progress& progress,
                           CycleReport& report, SqlReader* databases = nullptr,
                           HttpReader* web = nullptr);

  // Hands the facts up to `now` to the cycle, one transaction for each stretch of one source.
  void GiveUntil(TimePoint now, Cycle& cycle, CycleReport& report);

  std::optional<TimePoint> first() const;  // Of all facts.
  std::optional<TimePoint> last() const;
  std::optional<TimePoint> next() const;  // Of those that are still held.

 private:
  struct Held {
    TimePoint time;
    const Source* source = nullptr;
    Fact fact;
  };

  std::vector<Held> held_;
  std::size_t next_ = 0;
  std::optional<TimePoint> first_, last_;
};

}  // namespace segue
