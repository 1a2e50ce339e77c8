// Where a state file lives, and how far it has got.  A copy of it elsewhere, or an old copy put
// back in its place, does not know what the original has sent since: it may look, and may send only
// after somebody said `segue adopt`.

#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "store/database.h"

namespace segue {

// That the state is missing although its mark is there, and what to do.
std::string LostState(const std::string& state_file);

class Home {
 public:
  // `state_file` is that of `db`.  Requires: this process holds the state's lock.
  Home(Database& db, const std::string& state_file);
  ~Home();
  Home(const Home&) = delete;
  Home& operator=(const Home&) = delete;

  // Takes the home of a new state.  Error: this is a copy, or an older state than the one that
  // worked here last; says what to do.
  Result<void> Require(TimePoint now);
  // This is its home from here on.  True when it was in doubt before.
  bool Take(TimePoint now);

  // Counts that something is about to be sent.  Advance within the transaction that claims it, Mark
  // after its commit and before the first call: the mark beside the file is never ahead of the
  // file, unless an older file was put in its place.
  void Advance();
  void Mark();

 private:
  struct Stored {
    std::string home;
    std::int64_t sent = 0;
  };

  Stored Read() const;
  std::int64_t MarkBeside() const;
  void OpenMark();
  void Store(const std::string& home, std::int64_t sent, TimePoint now);

  Database& db_;
  std::string home_;  // The machine's id and the file's own number.
  std::string mark_path_;
  int mark_file_ = -1;
  std::int64_t sent_ = 0;
};

}  // namespace segue
