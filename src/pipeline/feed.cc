#include "pipeline/feed.h"

#include <algorithm>
#include <utility>

#include "sources/reading.h"

namespace segue {
namespace {

constexpr std::int64_t kRowsPerFeed = 20'000;

TimePoint TimeOf(const Fact& fact) {
  return std::visit([](const auto& one) { return one.time; }, fact);
}

}  // namespace

Result<Feed> Feed::Read(const Workspace& workspace, FileReader& files, const Progress& progress,
                        CycleReport& report, SqlReader* databases, HttpReader* web) {
  Feed feed;
  for (const Source& source : workspace.sources) {
    if (source.type == SourceType::kSql && databases == nullptr) {
      return Error("source " + source.id +
                   ": a replay speaks to nobody, and this source is a database; write its rows to "
                   "a file and read that in its place");
    }
    if (source.is_export() && web == nullptr) {
      return Error("source " + source.id +
                   ": a replay speaks to nobody, and this source is an export; write its events to "
                   "a file and read that in its place");
    }
    Reading reading(source, workspace, &files, databases, true, web);
    std::string cursor;
    for (bool done = false; !done;) {
      Result<Batch> batch = reading.Next(cursor, kRowsPerFeed);
      if (!batch) {
        return Error("source " + source.id + ": " + batch.error().message());
      }
      for (Fact& fact : batch->facts) {
        const TimePoint time = TimeOf(fact);
        feed.held_.push_back({time, &source, std::move(fact)});
      }
      report.intake["rows"] += batch->rows;
      report.intake["anonymous"] += batch->anonymous;
      report.intake["ignored"] += batch->ignored;
      report.intake["converted"] += batch->converted;
      report.intake["bad"] += static_cast<std::int64_t>(batch->bad.size());
      cursor = batch->cursor;
      done = batch->done;
      if (progress && !batch->file.empty()) {
        progress("reading " + batch->file, static_cast<std::int64_t>(batch->bytes_done),
                 static_cast<std::int64_t>(batch->bytes_all));
      }
    }
  }
  std::stable_sort(feed.held_.begin(), feed.held_.end(),
                   [](const Held& a, const Held& b) { return a.time < b.time; });
  if (!feed.held_.empty()) {
    feed.first_ = feed.held_.front().time;
    feed.last_ = feed.held_.back().time;
  }
  return feed;
}

void Feed::GiveUntil(TimePoint now, Cycle& cycle, CycleReport& report) {
  cycle.MarkRead(now);
  while (next_ < held_.size() && held_[next_].time <= now) {
    const Source* source = held_[next_].source;
    std::vector<Fact> facts;
    while (next_ < held_.size() && held_[next_].time <= now && held_[next_].source == source) {
      facts.push_back(std::move(held_[next_++].fact));
    }
    cycle.Ingest(facts, source->id, source->late_events, now, report);
  }
}

std::optional<TimePoint> Feed::first() const {
  return first_;
}

std::optional<TimePoint> Feed::last() const {
  return last_;
}

std::optional<TimePoint> Feed::next() const {
  return next_ < held_.size() ? std::optional(held_[next_].time) : std::nullopt;
}

}  // namespace segue
