// The service: cycles when they are due, dispatches all the time, reloads on SIGHUP, ends on
// SIGTERM.
//
// One thread owns the state and runs everything here; the transport's thread only performs
// requests. Signals, timers and replies meet in one Asio loop.
//
//   SIGHUP   reads the files again; with an error in them the running ones stay
//   SIGUSR1  reads every source now and runs a cycle
//   SIGTERM  begins nothing new, waits for the replies that are under way, ends

#pragma once

#include <functional>
#include <memory>
#include <string>

#include "daemon/home.h"
#include "pipeline/pipeline.h"

namespace segue {

struct ServiceParts {
  std::string state_folder;
  Home* home = nullptr;
  // The files, checked; `workspace` is null when something is an error.
  std::function<Checked()> load;
  // These files are in force: called in the transaction that opened the state with them.
  std::function<void(const Checked&)> in_force;
  // What the state needs beside the files; may throw when a secret is missing.
  std::function<StateOptions(const Workspace&)> options;
};

class Service {
 public:
  // Requires: this process holds the state's lock; `checked` has a workspace.
  Service(Database& db, Checked checked, ServiceParts parts);
  ~Service();

  // Returns when it was asked to end.  Error: it cannot listen where the files say, or lacks a
  // secret for that.
  Result<void> Run();

 private:
  struct Inner;
  std::unique_ptr<Inner> inner_;
};

}  // namespace segue
