// The spool: what came over the network, written down before it is answered.
//
// Each stream is a folder below state/spool with one file of lines for each day (UTC).  The core
// reads them as it reads any file, so a caller is answered while a cycle runs, and what was
// answered is there after a crash.  A file only grows.  A line may come twice, when its answer was
// lost; what reads the stream knows that.

#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "config/definitions.h"

namespace segue {

// What was pushed in for whom no file names any more, in words.
std::vector<std::string> Forgotten(const std::string& state_folder, const Workspace& workspace);

struct SpoolLine {
  std::string stream;  // A source's id, or kAnswersStream.
  std::string text;    // Without a line end in it.
};

class Spool {
 public:
  explicit Spool(std::string state_folder);

  // All of it is on disk when this returns, but for the streams that it gives back, each with why
  // it cannot be written.  Lines of these may be read all the same, though nobody was told so.
  std::map<std::string, std::string> Append(std::span<const SpoolLine> lines, TimePoint now);

  // Removes the files of days before that of `read_until`, up to which the stream was read.
  void Sweep(const std::string& stream, TimePoint read_until);

 private:
  Result<void> AppendTo(const std::string& stream, const std::string& text, TimePoint now);

  std::string folder_;
};

}  // namespace segue
