// Simulation: one seed lived through.  The real State, Cycle and Dispatcher over SQLite on disk,
// driven as the service drives them, on a clock that jumps from one event to the next.
//
//   Simulation run(choices);
//   run.Run();                        // Throws Violation when something that must hold does not.
//
// A crash ends everything in memory at a commit (before it takes effect, or after), at a read of a
// source, or between a commit and the calls that follow it.  The files are copied as they are at
// that instant, and life goes on from the copy: what kill -9 leaves behind.

#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "pipeline/pipeline.h"
#include "sim/choices.h"
#include "sim/vendor.h"
#include "sim/world.h"
#include "support/dice.h"
#include "support/temp_dir.h"

namespace segue::sim {

// What must hold does not.
class Violation : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// What was done to the state, to be done again without any crash.
struct Operation {
  enum class Kind : std::uint8_t {
    kPull,
    kDecide,
    kMerge,
    kErase,
    kSuppress,
    kOutcome,
    kReaddress
  };

  Kind kind = Kind::kPull;
  TimePoint at;
  // Of a merge, erasure or suppression; for the others the delivery's key, and its new payload.
  std::string a, b;
  DeliveryState state = DeliveryState::kWaiting;
};

// What a simulation was like, to see that seeds reach what they are meant to reach.
struct Tally {
  std::int64_t ticks = 0, crashes = 0, calls = 0, moves = 0, promised = 0, refused_people = 0;
  std::map<std::string, std::int64_t> ends;  // State of deliveries to their number.
};

struct Parts;  // The objects that a crash throws away.
class Checks;  // What must hold.

class Simulation {
 public:
  explicit Simulation(const Choices& choices);
  ~Simulation();

  void Run();

  const Tally& tally() const { return tally_; }

  // Copies the state as it is now, for a person to look at.
  void Keep(const std::string& path) const;

 private:
  friend class Checks;

  struct Crash {};

  struct Flying {
    std::int64_t call = 0;
    std::string connector, key;
    Answered answered;
  };

  void Open();
  void Reboot();
  void Image();
  void Edge();
  // True when the work was done to its end; false when the process died in it and was started
  // again.
  bool Attempt(const std::function<void()>& work);

  void Live();
  TimePoint NextMoment();
  void Turn();
  void Act(const Action& action);
  void RunCycle();
  bool CycleBegan();
  std::vector<Operation>::iterator WhereDecided();
  void Dispatch();
  void DispatchGrouped();
  void DispatchGroup(const std::vector<Flying>& landed);
  void DispatchOneByOne();
  std::vector<Flying> Landed();
  void Perform(std::vector<Call> calls);
  void Settle();
  void ByHand();
  void Twin();

  Choices choices_;
  World world_;
  Vendor vendor_;
  TempDir folder_;
  std::string path_;   // The state file of this life.
  std::string image_;  // And of the next, once there was a crash.
  int lives_ = 0;
  std::unique_ptr<Parts> parts_;
  std::unique_ptr<Checks> checks_;

  std::thread::id thread_ = std::this_thread::get_id();
  Dice dice_;  // Of operations.
  int edges_to_crash_ = 0;
  bool calm_ = false;  // No more crashes.
  TimePoint now_, next_cycle_, next_save_, not_before_;
  std::multimap<TimePoint, Flying> flying_;
  std::size_t next_action_ = 0;
  bool start_first_ = false;  // After a stall: leases are looked at before the answers.
  std::vector<Operation> operations_;
  Tally tally_;
};

}  // namespace segue::sim
