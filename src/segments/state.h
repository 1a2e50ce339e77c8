// The stored state of one model: a column per property over all customers, kept in SQLite in blocks
// of customers.
//
// Tables (folder `segments`):
//   segment_model   one row per model: hash, slots, and the names that the blobs' columns stand for
//   segment_block   per model and 4096 customers two blobs, each the columns one after another as
//                   blob.h has them: `settled` rarely changes for most blocks; `features` change at
//                   every slot and are stored only where another document reads them (elsewhere
//                   they are missing between a restart and the next slot, and nobody asks)
//   segment_wait    why an answer is pending, for people; gone when it is settled or taken back
//   lines, fit      cut lines of learned scores, and when and from how many people they were
//   learned move            every move, with segments by their id, so that no edit of the model
//   changes history
//
// Names map by text: a state that another version of the model wrote keeps what still has its name.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/definitions.h"
#include "domain/move.h"
#include "segments/score.h"
#include "segments/scorer.h"
#include "store/database.h"

namespace segue {

// The tables are there before any model is: who moved can be asked of a workspace without one.
void EnsureSegmentTables(Database& db);

struct Settled {
  static constexpr std::uint8_t kPlaced = 1;  // Ever in a segment.
  static constexpr std::uint8_t kInside =
      2;  // Inside `who` at the last slot: scores, features and flags stand.

  std::uint8_t bits = 0;
  SegmentIndex segment = kNoSegment;
  SegmentIndex answer = kNoSegment;
  std::uint8_t cause = 0;  // Of the pending answer.
  std::uint16_t runs = 0;  // Slots in a row that gave the pending answer; 0: nothing is pending.
  std::int64_t since = 0;
  std::int64_t answer_since = 0;  // Slot that first gave the pending answer.

  friend bool operator==(const Settled&, const Settled&) = default;
};

// One learned score's lines, and what they were learned from.
struct Fit {
  LineSet lines;
  TimePoint slot;
  std::int64_t people = 0;
  std::string basis;  // Canonical text of everything that decides what is cut.
};

class ModelState {
 public:
  // Loads.  `keeps_features`: they are stored.  Requires: both outlive it.
  ModelState(Database& db, const Model& model, bool keeps_features);

  void Resize(CustomerIndex count);

  CustomerIndex count() const { return static_cast<CustomerIndex>(settled_.size()); }

  const Settled& settled(CustomerIndex customer) const { return settled_[customer]; }

  void Set(CustomerIndex customer, const Settled& settled);
  void SetStep(std::size_t score, CustomerIndex customer, StepCode code);
  void SetScore(std::size_t score, CustomerIndex customer, double value);
  void SetFlag(std::size_t flag, CustomerIndex customer, bool on);
  void SetFeature(std::size_t feature, CustomerIndex customer, double value);
  void Clear(CustomerIndex customer);
  // Leaves the settled part, takes away scores, flags and features: the customer is outside the
  // model.
  void ClearValues(CustomerIndex customer);

  // NaN where there is none.
  double score(std::size_t score, CustomerIndex customer) const;

  double feature(std::size_t feature, CustomerIndex customer) const {
    return features_[feature][customer];
  }

  bool flag(std::size_t flag, CustomerIndex customer) const { return flags_[flag][customer] != 0; }

  const SettledSteps& steps() const { return steps_; }

  bool is_inside(CustomerIndex customer) const {
    return (settled_[customer].bits & Settled::kInside) != 0;
  }

  // Ids of segments, the model's own first, then those that an edit removed while people are still
  // in them.
  const std::vector<std::string>& segment_ids() const { return segment_ids_; }

  const std::map<CustomerIndex, std::string>& waits() const { return waits_; }

  void SetWait(CustomerIndex customer, std::string why);
  void DropWait(CustomerIndex customer);

  // Writes blocks, names and bookkeeping that changed.  In the caller's transaction.
  void Store();
  void StoreFit(const std::string& score, const Fit& fit);
  // Gives the move its id.
  void StoreMove(Move& move, SegmentIndex from, SegmentIndex to, Statement& insert);
  Statement PrepareMove();

  // Bookkeeping: stored by Store().
  std::string hash;
  std::optional<TimePoint> baseline, last_slot;
  std::int64_t missed = 0;
  CustomerIndex known = 0;  // Customers that there were at the last slot.
  std::map<std::string, Fit> fits;

  // Store leaves the blocks out: of a plan, which is rolled back.
  bool keeps_nothing = false;

 private:
  static constexpr CustomerIndex kBlockCustomers = 4096;

  struct StoredBlock {
    CustomerIndex first = 0, last = 0;
    std::string settled, features;
  };

  // What the columns of the stored blocks stand for, and where each goes now, or -1.
  struct StoredNames {
    std::vector<std::string> segments, scores;
    std::vector<int> score_map, flag_map, feature_map;
  };

  bool LoadModelRow();
  void LoadBlock(const StoredBlock& stored, const StoredNames& names);
  SegmentIndex SegmentOf(const std::vector<std::string>& stored_ids, SegmentIndex stored);
  void LoadBlocks(const std::string& segments, const std::string& scores, const std::string& flags,
                  const std::string& features);
  void LoadFits();
  std::string EncodeSettled(CustomerIndex first, CustomerIndex last) const;
  std::string EncodeFeatures(CustomerIndex first, CustomerIndex last) const;

  void Touch(CustomerIndex customer) { dirty_[customer / kBlockCustomers] |= 1; }

  Database& db_;
  const Model& model_;
  bool keeps_features_;
  std::vector<std::string> segment_ids_;
  std::vector<Settled> settled_;
  SettledSteps steps_;                       // Scores of cuts and fifths.
  std::vector<std::vector<double>> values_;  // The other scores.
  std::vector<std::vector<std::uint8_t>> flags_;
  std::vector<std::vector<double>> features_;
  std::map<CustomerIndex, std::string> waits_;
  std::vector<std::uint8_t> dirty_;  // Per block: 1 settled, 2 features.
  bool stale_names_ =
      false;  // Blocks on disk still have the columns of another version of the model.
};

}  // namespace segue
