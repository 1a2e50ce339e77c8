// Segments: who is where in each model.  Scoring is a pure pass over columns; settling (margins,
// holds, causes, lines) is primary state and is kept here, apart from scoring.
//
// One Segments holds one model's state: per customer the settled segment, the scores, what is
// pending, the flags and the features as of the last slot.  A model of accounts has accounts in the
// customers' place: they have their numbers from kFirstAccount on everywhere but in its Population.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "config/definitions.h"
#include "domain/move.h"
#include "expression/execute.h"
#include "store/database.h"

namespace segue {

// The four (or n) lines of each learned score, and when they were learned.
struct Lines {
  std::map<std::string, std::vector<double>>
      by_score;  // For ranks: the value of the first person above each line.
  // For ranks with ties by key, a value alone does not decide: the key of that first person.
  std::map<std::string, std::vector<std::string>> keys_by_score;
  TimePoint fitted;         // The latest slot that learned any of them.
  std::int64_t people = 0;  // Who had a value then.
};

struct Membership {
  SegmentIndex segment = kNoSegment;  // Settled.
  TimePoint since;
  SegmentIndex answer =
      kNoSegment;       // The latest raw answer; differs from `segment` while it is pending.
  int answer_runs = 0;  // Slots in a row that gave it.
  TimePoint answer_since;
  std::vector<double> scores;  // As of the last slot; NaN: no such score.
  std::vector<double> features;
  std::vector<bool> flags;
  bool placed = false;  // Ever in a segment of this model.
};

// What the settling must know about the people, given by the pipeline.  Asked from several threads
// at once, so nothing may change by asking; Prepare comes first.
class Population {
 public:
  virtual ~Population() = default;

  // Whatever is worked out only when somebody may move, is worked out now.
  virtual void Prepare() const {}

  // Whoever the model is about, numbered from 0 to count - 1.
  virtual CustomerIndex count() const = 0;
  virtual bool IsAlive(CustomerIndex customer) const = 0;

  // True spares asking for each one.
  virtual bool AllAlive() const { return false; }

  virtual const std::string& Key(CustomerIndex customer) const = 0;
  virtual const Inputs& inputs() const = 0;

  // The same as it would be if what is learned outside the model (purchase processes, lines of
  // models that it reads) were still as at the model's last slot; null where it is.
  virtual const Inputs* inputs_before() const { return nullptr; }

  // Whether purchase processes are what was learned, and not lines of models that this one reads.
  virtual bool purchases_learned() const { return inputs_before() != nullptr; }

  // When the first of the models that read this one had its last slot; nothing where none does.
  virtual std::optional<TimePoint> readers_since() const { return std::nullopt; }

  // Behaviour, import or merge, or none of them (time), since this model's last slot.
  virtual std::optional<Cause> CauseSince(CustomerIndex customer) const = 0;
  // Whether the earliest fact of a customer arrived late.
  virtual bool FirstFactWasLate(CustomerIndex customer) const = 0;
};

struct SlotResult {
  bool baseline = false;  // The model's first slot: nobody moves.
  bool refitted = false;
  std::vector<Move> moves;            // In the order of the customers; stored, with ids.
  std::vector<std::string> warnings;  // Fewer than 100 people for fifths, …
};

class Segments {
 public:
  // Loads the model's stored state.  Requires: all outlive it.
  Segments(Database& db, const Workspace& workspace, int model);
  ~Segments();

  // One scheduled slot: scores everybody, settles, stores, and returns who moved.  In the caller's
  // transaction. `slot` is the scheduled time; `now` is what the expressions see.  A slot that is
  // not after the last one does nothing.
  SlotResult RunSlot(const Population& people, TimePoint slot, TimePoint now);
  // For a process that stays: prepares what its first slot would, so that it is as quick as the
  // next ones.  Stores nothing and changes no answer.
  void WarmUp(const Population& people, TimePoint now);

  // Between slots: places customers whom the model has never placed (no hold, no margin).  Before
  // the baseline: nothing. After an edit: only those first seen since the last slot, so that an
  // edit places nobody as if they were new.
  SlotResult PlaceNew(const Population& people, TimePoint now);

  std::optional<TimePoint> last_slot() const;  // Nothing before the baseline.
  std::int64_t missed_slots() const;
  // Whether the model was edited since its last slot: the next one moves people with cause `edit`.
  bool edited() const;
  // The version of the model, and of those that it reads, by which its answers are as of now.
  std::string edition() const;
  // The versions of the models that this one reads, by which they answer: with another one the next
  // slot is the first after an edit.  To be said before a slot and before edited() is asked.
  void FollowReads(std::string editions);

  // Whether a slot after that moment said something that it would not have said without an edit or
  // with the lines and fits of before.
  bool RelearnedSince(TimePoint after) const;
  // Who got a flag in the last RunSlot or PlaceNew by what no playbook listens to: an edit, lines
  // learned again, a merge, a late fact.  Ascending.
  const std::vector<CustomerIndex>& QuietlyFlagged(int flag) const;

  const Lines& lines() const;
  Membership Get(CustomerIndex customer) const;
  // One number per segment of the model; those in none are not counted.
  std::vector<std::int64_t> CountBySegment() const;

  // For other models and playbooks: the stored value for first, first + 1, … ; NaN for people who
  // are not in the model.
  void ReadSegment(CustomerIndex first, std::span<double> out, TextPool& pool) const;
  void ReadScore(int score, CustomerIndex first, std::span<double> out) const;
  void ReadFlag(int flag, CustomerIndex first, std::span<double> out) const;
  void ReadFeature(int feature, CustomerIndex first, std::span<double> out) const;

  // Any of these, as it would be without what a slot after that moment learned anew, or an edit.
  void ReadBefore(const Leaf& leaf, CustomerIndex first, std::span<double> out, TextPool& pool,
                  TimePoint after) const;

  // Says line by line how the model comes to its answer for one customer now.
  std::vector<std::string> Explain(const Population& people, CustomerIndex customer, TimePoint now,
                                   const TextPool& pool) const;

  // A merged customer's state goes away; the survivor keeps theirs.  Stored by the next RunSlot or
  // PlaceNew.
  void Forget(CustomerIndex customer);
  // The same for an erased one, at once, and what their moves say about them goes too.
  void Erase(CustomerIndex customer);

  // For a plan, which is rolled back: slots leave out what only a later start would read.
  void KeepNothing();

  // Tests pin what would be learned.
  void PinLines(Lines lines);

 private:
  struct Inner;
  std::unique_ptr<Inner> inner_;
};

}  // namespace segue
