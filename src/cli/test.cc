// test: lives through the test documents of a workspace.

#include <algorithm>
#include <atomic>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/parallel.h"
#include "cli/cli.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "pipeline/trial.h"

namespace segue {
namespace {

// Files as they are named on the command line may lead through the workspace's folder.
bool Names(const std::string& said, const std::string& path) {
  return said == path || (said.size() > path.size() && said.ends_with("/" + path));
}

std::vector<Trial> Chosen(const Workspace& workspace, const TestOptions& options) {
  std::vector<Trial> trials = ReadTrials(workspace);
  std::erase_if(trials, [&](const Trial& trial) {
    const std::string& path = workspace.files[static_cast<std::size_t>(trial.place.file)].path;
    const bool file = options.files.empty() ||
                      std::any_of(options.files.begin(), options.files.end(),
                                  [&](const std::string& said) { return Names(said, path); });
    return !file || (!options.only.empty() && options.only != trial.id);
  });
  // A run that tests nothing must not look like one that passes.
  if (trials.empty()) {
    throw Failure{kUsage,
                  "no test was found: a test is a document that begins with `test: NAME`, in any "
                  "file of rules/\n"};
  }
  return trials;
}

// On several cores; each has a load of its own, because a load has one pool of texts.
constexpr std::size_t kLivesAtOnce = 4;

std::vector<TrialResult> LiveThroughAll(const Common& common, const Checked& checked,
                                        const std::vector<Trial>& trials) {
  std::vector<TrialResult> results(trials.size());
  std::atomic<std::size_t> next{0};
  InParallel(std::min(kLivesAtOnce, trials.size()), [&](std::size_t part) {
    if (next >= trials.size()) {
      return;  // The others were quicker.
    }
    const Checked own = part == 0 ? Checked() : CheckWorkspace(checked.files);
    const Checked& mine = part == 0 ? checked : own;
    const std::unique_ptr<FileReader> files = MakeDiskReader(common.workspace);
    for (std::size_t i = next++; i < trials.size(); i = next++) {
      results[i] = RunTrial(*mine.workspace, *mine.templates, trials[i], files.get());
    }
  });
  return results;
}

boost::json::object ToJson(const Trial& trial, const TrialResult& result,
                           const std::vector<SourceFile>& files) {
  return {{"test", trial.id},
          {"place", FormatPlace(trial.place, files)},
          {"passed", result.failures.empty()},
          {"cycles", result.cycles},
          {"failures", boost::json::parse(DiagnosticsToJson(result.failures, files))}};
}

}  // namespace

int RunTest(const Common& common, const TestOptions& options) {
  const Checked checked = OpenWorkspace(common);
  const Workspace& workspace = *checked.workspace;
  const std::vector<Trial> trials = Chosen(workspace, options);
  const std::vector<TrialResult> results = LiveThroughAll(common, checked, trials);
  boost::json::array json;
  std::size_t failed = 0;
  for (std::size_t i = 0; i < trials.size(); ++i) {
    const Trial& trial = trials[i];
    const TrialResult& result = results[i];
    failed += result.failures.empty() ? 0 : 1;
    if (common.json) {
      json.push_back(ToJson(trial, result, workspace.files));
      continue;
    }
    const bool colour = OutputHasColour();
    fmt::print("{} {}\n{}",
               result.failures.empty() ? Coloured("✓", Colour::kGreen, colour)
                                       : Coloured("✗", Colour::kRed, colour),
               trial.id, FormatDiagnostics(result.failures, workspace.files, colour));
  }
  if (common.json) {
    fmt::print("{}\n", boost::json::serialize(json));
  } else {
    fmt::print("{} tests: {} passed, {} failed\n", trials.size(), trials.size() - failed, failed);
  }
  return failed > 0 ? kFindings : kFine;
}

}  // namespace segue
