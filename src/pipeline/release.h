// Releases: which files run, and who would get something else with others.
//
// Every real run notes the files that it ran with.  Who never says `apply` runs the files of the
// folder as they are; from the first `apply` on, those that were applied run, whatever the folder
// holds, until the next `apply`.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/foresee.h"

namespace segue {

struct Release {
  std::int64_t id = 0;
  TimePoint at;
  std::string hash;      // FilesHash.
  bool applied = false;  // Else it was noted by a run that took the folder as it was.
  std::vector<SourceFile> files;
};

// Of what files mean, by path: comments and layout do not count.
std::map<std::string, std::string> FileHashes(const std::vector<SourceFile>& files);
// The same as one word.
std::string FilesHash(const std::vector<SourceFile>& files);

// The files that run now; nothing where none ever ran.
std::optional<Release> RunningRelease(Database& db);
// What a run takes: the applied files, or nothing: those of the folder.
std::optional<Release> AppliedRelease(Database& db);
// Notes that these run from here on.  Those that run already change nothing.
void NoteRelease(Database& db, const std::vector<SourceFile>& files, bool applied, TimePoint now);
// The folder's files run again as they are.
void FollowFolder(Database& db);

// What everybody would get in one cycle: by customer key, `playbook: step` to the hash of its
// words.
struct Gets {
  std::string person;  // Address or key.
  std::map<std::string, std::string> what;
};

using WhoGets = std::map<std::string, Gets>;

WhoGets WhoGetsWhat(const Foreseen& plan, const Workspace& workspace);

// Customer keys, ascending.
struct Difference {
  std::vector<std::string> newly, no_longer, otherwise;

  bool empty() const { return newly.empty() && no_longer.empty() && otherwise.empty(); }
};

Difference Compare(const WhoGets& before, const WhoGets& after);

// A plan as it stands in a file, for `apply`.
struct PlanFile {
  std::string workspace;
  TimePoint made, at;
  std::map<std::string, std::string> files;  // FileHashes of what was planned.
  std::string running;                       // Hash of what ran when it was made; empty: nothing.
  std::string author;                        // Who made it, as the operating system calls them.
  Applying asked;                            // What `apply` is to be asked too.
  WhoGets gets;
};

std::string PlanFileText(const PlanFile& plan);
// Error: it is no plan, or one of another version of the format.
Result<PlanFile> ParsePlanFile(std::string_view text);

// Why this plan may not be applied any more, in words that say what to do; empty: it may.  `files`
// are those of the folder, `last_cycle` the moment of the last one.
std::string Stale(const PlanFile& plan, const std::vector<SourceFile>& files,
                  const std::optional<Release>& running, std::optional<TimePoint> last_cycle);

}  // namespace segue
