// Storing one model's columns: whole blocks where many changed, else who changed.

#include <algorithm>
#include <utility>

#include "base/parallel.h"
#include "base/text.h"
#include "segments/blob.h"
#include "segments/state.h"

namespace segue {
namespace {

// With more changes beside it than this a block is written anew.
constexpr std::uint32_t kChangesMax = 512;

}  // namespace

template <typename Who>
void ModelState::EncodeSettled(std::string& blob, std::size_t rows, Who who) const {
  const auto column = [&]<typename T>(T Settled::*member) {
    PutColumn<T>(blob, rows, [&](std::size_t row) { return settled_[who(row)].*member; });
  };
  column(&Settled::bits);
  column(&Settled::segment);
  column(&Settled::answer);
  column(&Settled::cause);
  column(&Settled::runs);
  column(&Settled::since);
  column(&Settled::answer_since);
  const auto put = [&]<typename T>(const std::vector<T>& values) {
    PutColumn<T>(blob, rows, [&](std::size_t row) { return values[who(row)]; });
  };
  for (std::size_t i = 0; i < model_.scores.size(); ++i) {
    if (model_.scores[i].steps() > 0) {
      put(steps_[i]);
    } else {
      put(values_[i]);
    }
  }
  for (const std::vector<std::uint8_t>& flag : flags_) {
    put(flag);
  }
}

std::string ModelState::EncodeBlock(CustomerIndex first, CustomerIndex last) const {
  std::string blob;
  PutValue(blob, static_cast<std::uint32_t>(last - first));
  EncodeSettled(blob, last - first, [first](std::size_t row) { return first + row; });
  return blob;
}

std::string ModelState::EncodeChanges(CustomerIndex first,
                                      const std::vector<CustomerIndex>& who) const {
  std::string blob;
  PutValue(blob, static_cast<std::uint32_t>(who.size()));
  PutColumn<std::uint16_t>(blob, who.size(), [&](std::size_t row) {
    return static_cast<std::uint16_t>(who[row] - first);
  });
  EncodeSettled(blob, who.size(), [&](std::size_t row) { return who[row]; });
  return blob;
}

std::string ModelState::EncodeFeatures(CustomerIndex first, CustomerIndex last) const {
  std::string blob;
  for (const std::vector<double>& feature : features_) {
    PutColumn<double>(blob, last - first, [&](std::size_t row) { return feature[first + row]; });
  }
  return blob;
}

void ModelState::Store() {
  Statement row = db_.Prepare(
      "INSERT OR REPLACE INTO segment_model(model, hash, baseline, last_slot, missed, known, "
      "segments, scores, flags, "
      "features) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  row.Bind(1, model_.id).Bind(2, hash);
  if (baseline) {
    row.Bind(3, ToMicros(*baseline));
  }
  if (last_slot) {
    row.Bind(4, ToMicros(*last_slot));
  }
  row.Bind(5, missed)
      .Bind(6, std::int64_t{known})
      .Bind(7, Join(segment_ids_, " "))
      .Bind(8, score_names_);
  row.Bind(9, flag_names_).Bind(10, feature_names_).Run();

  if (db_.thrown_away() || keeps_nothing) {
    return;  // Nobody will load it.
  }

  StoreBlocks();
}

// What is written of one block.
struct ModelState::Encoded {
  std::size_t block = 0;
  std::uint8_t dirty = 0;
  std::string settled, features;
  std::uint32_t changes = 0;  // `settled` holds so many; 0: all of the block.
};

void ModelState::Encode(Encoded& one) const {
  const auto first = static_cast<CustomerIndex>(one.block) * kBlockCustomers;
  const CustomerIndex last = std::min(first + kBlockCustomers, count());
  if ((one.dirty & kFeaturesDirty) != 0) {
    one.features = EncodeFeatures(first, last);
  }
  if ((one.dirty & kSettledDirty) == 0) {
    return;
  }
  std::vector<CustomerIndex> who;
  for (CustomerIndex customer = first; customer < last; ++customer) {
    if (changed_[customer] != 0) {
      who.push_back(customer);
    }
  }
  if ((one.dirty & kGrown) == 0 && who.size() + beside_[one.block] <= kChangesMax) {
    one.changes = static_cast<std::uint32_t>(who.size());
    one.settled = EncodeChanges(first, who);
  } else {
    one.settled = EncodeBlock(first, last);
  }
}

void ModelState::StoreBlocks() {
  std::vector<Encoded> all;
  const auto everything =
      static_cast<std::uint8_t>(kSettledDirty | kGrown | (keeps_features_ ? kFeaturesDirty : 0));
  for (std::size_t block = 0; block < dirty_.size(); ++block) {
    const std::uint8_t dirty = stale_names_ ? everything : dirty_[block];
    if (dirty != 0) {
      all.push_back({block, dirty, {}, {}, 0});
      dirty_[block] = 0;
    }
  }
  InParallel(all.size(), [&](std::size_t i) { Encode(all[i]); });
  for (const Encoded& one : all) {
    WriteBlock(one);
  }
  if (!all.empty()) {
    std::fill(changed_.begin(), changed_.end(), std::uint8_t{0});
  }
  stale_names_ = false;
}

void ModelState::WriteBlock(const Encoded& one) {
  const auto block = static_cast<std::int64_t>(one.block);
  const bool with_features = stale_names_ || (one.dirty & kFeaturesDirty) != 0;
  if (one.changes > 0) {
    Statement add =
        db_.Prepare("INSERT INTO segment_change(model, block, settled) VALUES (?, ?, ?)");
    add.Bind(1, model_.id).Bind(2, block).BindBlob(3, one.settled).Run();
    beside_[one.block] += one.changes;
  } else if ((one.dirty & kSettledDirty) != 0) {
    Statement write = db_.Prepare(
        "INSERT INTO segment_block(model, block, settled, features) VALUES (?1, ?2, ?3, ?4) ON "
        "CONFLICT(model, block) DO UPDATE SET settled = ?3, features = iif(?5, ?4, features)");
    write.Bind(1, model_.id).Bind(2, block).BindBlob(3, one.settled).BindBlob(4, one.features);
    write.Bind(5, std::int64_t{with_features ? 1 : 0}).Run();
    if (beside_[one.block] > 0) {
      Statement clear = db_.Prepare("DELETE FROM segment_change WHERE model = ? AND block = ?");
      clear.Bind(1, model_.id).Bind(2, block).Run();
      beside_[one.block] = 0;
    }
    return;
  }
  if (with_features) {
    Statement write =
        db_.Prepare("UPDATE segment_block SET features = ? WHERE model = ? AND block = ?");
    write.BindBlob(1, one.features).Bind(2, model_.id).Bind(3, block).Run();
  }
}

void ModelState::StoreFit(const std::string& score, const Fit& fit) {
  Statement row = db_.Prepare(
      "INSERT OR REPLACE INTO fit(model, score, slot, people, basis, numeric_keys) VALUES (?, ?, "
      "?, ?, ?, ?)");
  row.Bind(1, model_.id)
      .Bind(2, score)
      .Bind(3, ToMicros(fit.slot))
      .Bind(4, fit.people)
      .Bind(5, fit.basis);
  row.Bind(6, std::int64_t{fit.lines.numeric_keys ? 1 : 0}).Run();
  Statement clear = db_.Prepare("DELETE FROM lines WHERE model = ? AND score = ?");
  clear.Bind(1, model_.id).Bind(2, score).Run();
  for (std::size_t i = 0; i < fit.lines.at.size(); ++i) {
    Statement line =
        db_.Prepare("INSERT INTO lines(model, score, line, value, key) VALUES (?, ?, ?, ?, ?)");
    line.Bind(1, model_.id)
        .Bind(2, score)
        .Bind(3, static_cast<std::int64_t>(i))
        .Bind(4, fit.lines.at[i]);
    if (fit.lines.keys.empty()) {
      line.BindNull(5);
    } else {
      line.Bind(5, fit.lines.keys[i]);
    }
    line.Run();
  }
  fits[score] = fit;
}

Statement ModelState::PrepareMove() {
  return db_.Prepare(
      "INSERT INTO move(model, customer, \"from\", \"to\", cause, at, why) VALUES (?, ?, ?, ?, ?, "
      "?, ?)");
}

void ModelState::StoreMove(Move& move, SegmentIndex from, SegmentIndex to, Statement& insert) {
  insert.Bind(1, model_.id).Bind(2, std::int64_t{move.customer});
  if (from != kNoSegment) {
    insert.Bind(3, segment_ids_[from]);
  } else {
    insert.BindNull(3);
  }
  if (to != kNoSegment) {
    insert.Bind(4, segment_ids_[to]);
  } else {
    insert.BindNull(4);
  }
  insert.Bind(5, static_cast<std::int64_t>(move.cause))
      .Bind(6, ToMicros(move.at))
      .Bind(7, move.why)
      .Run();
  move.id = db_.LastRowId();
}

}  // namespace segue
