// Lines of JSON as files in a folder, and what a source makes of them as texts.

#pragma once

#include <string>
#include <vector>

#include "sources/reading.h"
#include "support/temp_dir.h"
#include "unit/sources/csv_fixture.h"

namespace segue {

// The shop with more events, and lines in the Segment shape.
inline Workspace SegmentShop() {
  Workspace workspace = Shop();
  workspace.schema.events.push_back(
      {.name = "page",
       .fields = {{.name = "title", .type = Type::kText, .choices = {}},
                  {.name = "address_city", .type = Type::kText, .choices = {}}},
       .reverses = {}});
  workspace.schema.customer_traits.push_back(
      {.name = "account_id", .type = Type::kText, .choices = {}});
  return workspace;
}

inline Source Lines(const std::string& path) {
  Source source;
  source.id = "lines";
  source.type = SourceType::kJsonLines;
  source.path = path;
  source.currency = "EUR";
  return source;
}

inline Source JsonOrders(const std::string& path) {
  Source source = Orders(path);
  source.type = SourceType::kJsonLines;
  return source;
}

inline std::string AnyFactText(const Fact& fact) {
  const auto* merge = std::get_if<Merge>(&fact);
  return merge == nullptr
             ? FactText(fact)
             : fmt::format("{} is {} {}", merge->customer, merge->other, FormatTime(merge->time));
}

// Reads on from the cursor to the end; one line of text for each fact, bad row and count.
struct ReadLines {
  std::vector<std::string> facts;
  std::vector<std::string> bad;  // "line field: reason"
  std::int64_t rows = 0, anonymous = 0, ignored = 0, rounded = 0;
  std::string cursor, error;
};

inline ReadLines ReadAll(const Source& source, const Workspace& workspace, FileReader& files,
                         std::string cursor = "", std::int64_t rows_max = 1'000) {
  ReadLines all;
  all.cursor = std::move(cursor);
  for (bool done = false; !done;) {
    // A new reading each time, as after a crash.
    const Result<Batch> batch =
        Reading(source, workspace, &files, nullptr).Next(all.cursor, rows_max);
    if (!batch) {
      all.error = batch.error().message();
      return all;
    }
    for (const Fact& fact : batch->facts) {
      all.facts.push_back(AnyFactText(fact));
    }
    for (const BadRow& row : batch->bad) {
      all.bad.push_back(fmt::format("{} {}: {}", row.line, row.column, row.reason));
    }
    all.rows += batch->rows;
    all.anonymous += batch->anonymous;
    all.ignored += batch->ignored;
    all.rounded += batch->rounded;
    all.cursor = batch->cursor;
    done = batch->done;
  }
  return all;
}

inline ReadLines ReadText(const Source& source, const Workspace& workspace,
                          const std::string& text) {
  const TempDir dir;
  dir.Write(source.path, text);
  return ReadAll(source, workspace, *MakeDiskReader(dir.path()));
}

// What one line gives: facts, "bad …", "anonymous" or "ignored", joined by semicolons.
inline std::string OneLine(const Source& source, const Workspace& workspace,
                           const std::string& line) {
  const ReadLines read = ReadText(source, workspace, line + "\n");
  CHECK(read.error == "");
  CHECK(read.rows == 1);
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : "; ") + part; };
  for (const std::string& fact : read.facts) {
    add(fact);
  }
  for (const std::string& bad : read.bad) {
    add("bad " + bad.substr(2));
  }
  if (read.anonymous > 0) {
    add("anonymous");
  }
  if (read.ignored > 0) {
    add("ignored");
  }
  return text;
}

}  // namespace segue
