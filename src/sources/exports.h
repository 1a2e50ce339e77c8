// Events out of the export of a vendor of analytics: sources of type mixpanel and amplitude.
//
// A reading fetches one stretch of time after the other, a day or an hour each, and begins a little
// before the first that was not fetched yet (the overlap), because events arrive late; the ledger
// knows them by the id that the vendor keeps with each, so what is read again counts once.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/definitions.h"
#include "domain/exchange.h"
#include "sources/jsonl.h"
#include "sources/source.h"
#include "sources/zip.h"

namespace segue {

// Of one answer, packed as it comes: what is larger is no answer.  Read it in shorter stretches.
constexpr std::size_t kExportBytesMax = 256U << 20U;
// Of one file within, unpacked.
constexpr std::size_t kExportFileBytesMax = 512U << 20U;

// The world as an export needs it.
class HttpReader {
 public:
  virtual ~HttpReader() = default;
  virtual TimePoint Now() = 0;
  // The values behind the source's `auth`.  Error: names the secret that is missing.
  virtual Result<std::map<std::string, std::string>> Secrets(const Source& source) = 0;
  // Performs a request of kind kHttp and waits for what comes of it.
  virtual Reply Perform(const Request& request) = 0;
};

// What is peculiar to one vendor's export.
struct ExportKind {
  std::string_view vendor;   // For people.
  std::string_view address;  // `auth.url` replaces it.
  Duration unit;             // What is fetched at once …
  Duration together;         // … or this, where the whole of it lies behind.
  Duration delay;            // A unit is there so long after its end.
  bool current;              // The unit that has not ended yet is fetched as well, as far as it is.
  std::size_t calls_max;     // Of one reading.
  bool zipped;               // A zip of gzips, else lines.
  std::string (*path)(TimePoint begin, TimePoint end);  // Below the address, with its query.
  CallShape shape;
};

// One source's events as batches.
class ExportPull {
 public:
  // Requires: all outlive it.
  ExportPull(const Source& source, const Workspace& workspace, HttpReader& web);

  // As PullCsv.  The first call begins the reading; the cursor that it is given counts only then.
  Result<Batch> Next(std::string_view cursor, std::int64_t rows_max);

 private:
  std::optional<Error> Begin(std::string_view cursor);
  std::optional<Error> ReadCursor(std::string_view cursor);
  std::optional<Error> Fetch();
  Request RequestOf() const;
  std::optional<Error> Failure(const Reply& reply);
  std::string Words(std::string_view text) const;
  Result<bool> OpenFile();
  void TakeLines(std::int64_t rows_max, Batch& batch);
  std::string CursorText() const;

  const Source& source_;
  const Workspace& workspace_;
  HttpReader& web_;
  const ExportKind& kind_;
  std::unique_ptr<JsonLineReader> lines_;
  std::map<std::string, std::string> secrets_;

  // Times as the clock on the vendor's wall has them.
  bool begun_ = false;
  std::optional<TimePoint> next_;  // The first that was not fetched, as it is stored.
  std::optional<TimePoint> wait_;  // The vendor wants to be left alone until then (no wall time).
  TimePoint at_;                   // The next stretch begins here …
  TimePoint whole_;                // … and all before this has ended.
  std::size_t calls_ = 0;
  bool over_ = false;  // Nothing more is fetched in this reading.

  // The stretch that is being read.
  bool fetched_ = false;
  TimePoint end_;
  std::string body_;
  std::vector<ZipFile> files_;
  std::size_t file_ = 0;
  std::string name_, text_;  // The file that is being read.
  std::size_t place_ = 0;
  std::int64_t line_ = 0;
  std::vector<std::string> notes_;
};

}  // namespace segue
