// Campaign: the shipped library and ten thousand invented customers for more than a year, in
// virtual time, with every kind of trouble: crashes at any commit, tools that fail, pauses,
// outages, people who change their minds while a message waits.
//
//   Campaign campaign(setup, book, path, wire);
//   campaign.Run();                              // Throws Broken when what must hold does not.

#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "campaign/onlooker.h"
#include "campaign/people.h"
#include "campaign/tools.h"
#include "campaign/twin.h"
#include "campaign/watch.h"

namespace segue::campaign {

class Campaign {
 public:
  // Requires: `book` and `wire` outlive it.
  Campaign(const Setup& setup, const Rulebook& book, std::string path, Wire& wire);
  ~Campaign();

  void Run();

  const Totals& totals() const { return watch_.totals(); }

  int crashes() const { return crashes_; }

  int late_cycles() const { return late_cycles_; }

  // Called at the end of each day.
  std::function<void(int day)> told;

 private:
  struct Died {};

  struct Flying {
    std::int64_t call = 0;
    Reply reply;
  };

  // A process begins, or dies and begins again.
  void Begin();
  void Reboot();
  void Edge(bool after);
  // False when the process died in it and was started again.
  bool Attempt(const std::function<void()>& work);
  // Until the process lives through it; then the twin does it too.
  void Must(Operation operation);

  void Tell(Operation operation) { wire_.Put(std::move(operation)); }

  void Turn(int tick);
  void TakeIn(int tick);
  void Decide();
  void FinishCutOff();
  void ByHand(int tick);
  void Interfere(int tick);
  void Ask(const std::string& customer, const Fact& fact);
  void LookAfter();
  void Send(TimePoint until, int tick);
  void Dispatch(int tick);
  std::vector<Flying> Perform(const std::vector<Call>& calls, int tick);
  void SayAnswers();
  void EndDay(int day);
  void Settle(int tick);
  bool IsOutage(int tick) const;

  Database& db() { return life_->db; }

  const Setup setup_;
  const Rulebook& book_;
  const std::string path_;
  Wire& wire_;
  People people_;
  Onlooker onlooker_;
  Tools tools_;
  Watch watch_;
  Dice dice_;  // Of crashes.

  std::unique_ptr<Life> life_;
  std::unique_ptr<Dispatcher> dispatcher_;
  bool guarded_ = true;
  TimePoint now_;
  // Crashes.
  std::int64_t edges_ = 0, edges_before_ = 0, edges_left_ = 0;
  bool died_after_ = false;  // Whether the commit took effect at which it died.
  int crashes_ = 0, late_cycles_ = 0;
  std::optional<TimePoint> cut_off_;  // A cycle that is to be finished by a later life.
  // What the dispatcher changed since the twin was told.
  std::vector<std::tuple<std::int64_t, DeliveryState, bool>> changes_, kept_;
  Decided decided_;
};

}  // namespace segue::campaign
