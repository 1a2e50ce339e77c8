// The stored state of one model: a column per property over all customers, kept in SQLite in blocks
// of customers.
//
// Tables (folder `segments`):
//   segment_model   one row per model: hash, slots, and the names that the blobs' columns stand for
//   segment_block   per model and 4096 customers two blobs, each the columns one after another as
//                   blob.h has them: `settled` rarely changes for most blocks; `features` change at
//                   every slot and are kept only where another document reads them
//   segment_change  who changed since their block was written, in the same form with their places
//   in
//                   the block before it: where few changed, a block is not written anew
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

class BlobReader;

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
  // Loads.  `keeps_features`: they are kept.  Requires: both outlive it.
  ModelState(Database& db, const Model& model, bool keeps_features);

  void Resize(CustomerIndex count);

  CustomerIndex count() const { return static_cast<CustomerIndex>(settled_.size()); }

  const Settled& settled(CustomerIndex customer) const { return settled_[customer]; }

  std::span<const Settled> settled(CustomerIndex first, std::size_t count) const {
    return std::span(settled_).subspan(first, count);
  }

  void Set(CustomerIndex customer, const Settled& settled);
  void Clear(CustomerIndex customer);

  // Columns of neighbours, of whom none or all are in one block of what is stored.
  std::span<const StepCode> StepsOf(std::size_t score, CustomerIndex first,
                                    std::size_t count) const {
    return std::span(steps_[score]).subspan(first, count);
  }

  std::span<const double> ScoresOf(std::size_t score, CustomerIndex first,
                                   std::size_t count) const {
    return std::span(values_[score]).subspan(first, count);
  }

  std::span<const double> FeaturesOf(std::size_t feature, CustomerIndex first,
                                     std::size_t count) const {
    return std::span(features_[feature]).subspan(first, count);
  }

  std::span<const std::uint8_t> FlagsOf(std::size_t flag, CustomerIndex first,
                                        std::size_t count) const {
    return std::span(flags_[flag]).subspan(first, count);
  }

  void SetSteps(std::size_t score, CustomerIndex first, std::span<const StepCode> codes);
  void SetScores(std::size_t score, CustomerIndex first, std::span<const double> values);
  void SetFlags(std::size_t flag, CustomerIndex first, std::span<const std::uint8_t> on);
  // Requires: keeps_features().
  void SetFeatures(std::size_t feature, CustomerIndex first, std::span<const double> values);

  // NaN where there is none.
  double score(std::size_t score, CustomerIndex customer) const;

  // Whether features are kept at all: where another document reads them.
  bool keeps_features() const { return keeps_features_; }

  // NaN where there is none, or none is kept.
  double feature(std::size_t feature, CustomerIndex customer) const {
    return keeps_features_ ? features_[feature][customer] : kMissing;
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

  // What of a block has changed.
  static constexpr std::uint8_t kSettledDirty = 1;
  static constexpr std::uint8_t kFeaturesDirty = 2;
  static constexpr std::uint8_t kGrown = 4;  // The settled part has to be written whole.

  struct StoredBlock {
    CustomerIndex first = 0, last = 0;
    std::string settled, features;
    std::vector<std::string> changes;  // Since, in their order.
  };

  struct Encoded;

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
  // `who` gives the customer of a row.
  template <typename Who>
  void LoadSettled(BlobReader& settled, std::size_t rows, Who who, const StoredNames& names);
  void LoadFits();
  template <typename Who>
  void EncodeSettled(std::string& blob, std::size_t rows, Who who) const;
  std::string EncodeBlock(CustomerIndex first, CustomerIndex last) const;
  std::string EncodeChanges(CustomerIndex first, const std::vector<CustomerIndex>& who) const;
  std::string EncodeFeatures(CustomerIndex first, CustomerIndex last) const;

  void Encode(Encoded& one) const;
  void StoreBlocks();
  void WriteBlock(const Encoded& one);

  void Touch(CustomerIndex customer) { dirty_[customer / kBlockCustomers] |= kSettledDirty; }

  void ClearValues(CustomerIndex customer);

  Database& db_;
  const Model& model_;
  bool keeps_features_;
  std::vector<std::string> segment_ids_;
  std::vector<Settled> settled_;
  SettledSteps steps_;                       // Scores of cuts and fifths.
  std::vector<std::vector<double>> values_;  // The other scores.
  std::vector<std::vector<std::uint8_t>> flags_;
  std::vector<std::vector<double>> features_;
  std::string score_names_, flag_names_, feature_names_;
  std::map<CustomerIndex, std::string> waits_;
  std::vector<std::uint8_t> dirty_;    // Per block.
  std::vector<std::uint32_t> beside_;  // Per block: how many changes are stored beside it.
  std::vector<std::uint8_t> changed_;  // Per customer: another one since the last Store.
  bool stale_names_ =
      false;  // Blocks on disk still have the columns of another version of the model.
};

}  // namespace segue
