// What every verb needs: the workspace's files checked, the state open, secrets resolved.

#pragma once

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/clock.h"
#include "cli/terminal.h"
#include "daemon/files.h"
#include "daemon/home.h"
#include "daemon/secrets.h"
#include "pipeline/pipeline.h"

namespace segue {

// What is said before or after the verb, the same for all.
struct Common {
  std::string workspace = ".";
  std::string state = "state";
  std::string at;  // Empty: now.
  bool json = false;
};

// Fails with `code` after `message` was printed to standard error.
struct Failure : std::runtime_error {
  Failure(int exit_code, std::string words)
      : std::runtime_error(words), code(exit_code), message(std::move(words)) {}

  int code;
  std::string message;
};

// The files of the folder, checked.
Checked LoadFolder(const Common& common);
// The same; prints the diagnostics and throws Failure when something is an error.
Checked OpenWorkspace(const Common& common);

// What a run in earnest takes: the files that were applied, else those of the folder.  `notes` gets
// a word where both are not the same.
Checked LoadToRun(Database& db, const Common& common, std::vector<std::string>& notes);
// The same; prints the diagnostics and throws Failure when something is an error.
Checked OpenToRun(Database& db, const Common& common);

// The files that ran last or were applied since, for verbs that change the state between runs: what
// lies in the folder may be an edit that is not done, must not take effect by them and must not
// stand in their way.  Those of the folder where none ever ran, or where this program cannot read
// the others.
Checked OpenRunning(Database& db, const Common& common);

// `--at`, or the machine's clock.
TimePoint MomentOf(const Common& common, const Workspace& workspace);

// A moment of the command line; throws Failure (kUsage) where it is none.
TimePoint ParseMoment(const std::string& text, const Zone& zone);
// `--every`; nothing when it is empty, Failure (kUsage) when it is no duration.
std::optional<Duration> StepOf(const std::string& text);

// One process at a time works on a state: throws Failure (kCannotReach) while another does.
class StateLock {
 public:
  explicit StateLock(const std::string& folder);
  ~StateLock();
  StateLock(const StateLock&) = delete;
  StateLock& operator=(const StateLock&) = delete;

 private:
  int file_ = -1;
};

// With those above it; throws Failure (kCannotReach) where it cannot be.
void MakeFolder(const std::string& path);

// The state file below the folder, made where it is missing.
std::string StateFile(const Common& common);
// A verb that only looks does not make a state.
void RequireState(const Common& common);
// Throws Failure where a state worked here and its file is missing or empty: nobody is to take a
// new one for it.
void RequireNotLost(const Common& common);

// Throws Failure where the state is a copy of another: see daemon/home.h.
std::unique_ptr<Home> RequireHome(Database& db, const Common& common);

StateOptions OptionsFor(const Workspace& workspace, bool needs_secret);

// One moment of a state file that is looked at.  Nothing of it is ever committed: what takes effect
// at that moment, or by these files, does so for this look only.  It holds the file, so what is
// printed meanwhile comes out when it has ended: a service must not wait for whoever reads.
class Look {
 public:
  explicit Look(Database& db) : nothing_(db) {}

 private:
  HeldOutput output_;  // Ends last.
  Transaction nothing_;
};

// A state opened to be looked at.
struct Opened {
  // `running`: by the files of OpenRunning, in place of those of the folder.
  explicit Opened(const Common& common, bool running = false);

  Checked checked;
  std::unique_ptr<Database> db;
  // Who means to write ends it first, and then relies on nothing that the state remembers.
  std::unique_ptr<Look> look;
  TimePoint now;
  std::unique_ptr<State> state;
};

// What {{ }} prints of an offer in previews and tests, which burn no code.
void AddSampleOffer(const Workspace& workspace, const Template& message, TimePoint now,
                    RenderContext& context);

// Performs what is due now, until nothing more is, and returns the number of calls.  What a rate
// limit frees within two seconds is waited for; a longer pause is left to the next run.
std::int64_t DispatchAll(State& state, Dispatcher& dispatcher, Home& home,
                         const std::string& state_folder, Clock& clock);

// The files with the versions of playbooks that runs of this state go on with.
// Requires: `checked` has no errors.
Checked WithEarlier(Database& db, Checked checked);

// An account by its key, or a customer as FindPerson.
CustomerIndex FindAnybody(State& state, const std::string& who);
// Whose segment of a model is theirs: of a customer and a model of accounts that of their account.
std::optional<CustomerIndex> WhoIn(State& state, const Model& model, CustomerIndex customer);
// Finds a customer by key or by mail address; throws Failure with near misses.
CustomerIndex FindPerson(State& state, const std::string& who);

}  // namespace segue
