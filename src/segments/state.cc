// Loading and storing one model's columns.

#include "segments/state.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/check.h"
#include "base/parallel.h"
#include "base/text.h"
#include "expression/execute.h"
#include "segments/blob.h"

namespace segue {
namespace {

constexpr std::uint8_t kSettledDirty = 1;
constexpr std::uint8_t kFeaturesDirty = 2;

constexpr const char* kTables = R"(
CREATE TABLE segment_model(
  model TEXT PRIMARY KEY, hash TEXT NOT NULL, baseline INTEGER, last_slot INTEGER, missed INTEGER NOT NULL,
  known INTEGER NOT NULL, segments TEXT NOT NULL, scores TEXT NOT NULL, flags TEXT NOT NULL, features TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE segment_block(
  id INTEGER PRIMARY KEY, model TEXT NOT NULL, block INTEGER NOT NULL, settled BLOB NOT NULL, features BLOB NOT NULL,
  UNIQUE (model, block)
) STRICT;
CREATE TABLE segment_wait(
  model TEXT NOT NULL, customer INTEGER NOT NULL, why TEXT NOT NULL, PRIMARY KEY (model, customer)
) STRICT, WITHOUT ROWID;
CREATE TABLE fit(
  model TEXT NOT NULL, score TEXT NOT NULL, slot INTEGER NOT NULL, people INTEGER NOT NULL, basis TEXT NOT NULL,
  numeric_keys INTEGER NOT NULL, PRIMARY KEY (model, score)
) STRICT, WITHOUT ROWID;
CREATE TABLE lines(
  model TEXT NOT NULL, score TEXT NOT NULL, line INTEGER NOT NULL, value REAL NOT NULL, key TEXT,
  PRIMARY KEY (model, score, line)
) STRICT, WITHOUT ROWID;
CREATE TABLE move(
  id INTEGER PRIMARY KEY, model TEXT NOT NULL, customer INTEGER NOT NULL, "from" TEXT, "to" TEXT,
  cause INTEGER NOT NULL, at INTEGER NOT NULL, why TEXT NOT NULL
) STRICT;
CREATE INDEX move_customer ON move(customer, at);
CREATE INDEX move_at ON move(model, at);
)";

// A column of customers into its place, or past it where the model no longer has that column.
template <typename T>
void ReadInto(BlobReader& blob, CustomerIndex first, CustomerIndex last,
              std::vector<std::vector<T>>& columns, int index) {
  blob.Column<T>(last - first, [&](std::size_t row, T value) {
    if (index >= 0) {
      columns[static_cast<std::size_t>(index)][first + row] = value;
    }
  });
}

bool SameBits(double a, double b) {
  return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}

// Names that stand for columns; a score says whether it is stored as a step.
template <typename Named>
std::string Names(const std::vector<Named>& all) {
  std::vector<std::string> names;
  for (const Named& one : all) {
    names.push_back(one.name);
  }
  return Join(names, " ");
}

std::string ScoreNames(const Model& model) {
  std::vector<std::string> names;
  for (const Score& score : model.scores) {
    names.push_back((score.steps() > 0 ? "step:" : "value:") + score.name);
  }
  return Join(names, " ");
}

std::vector<std::string> Words(const std::string& text) {
  std::vector<std::string> words;
  for (const std::string_view word : Split(text, ' ')) {
    if (!word.empty()) {
      words.emplace_back(word);
    }
  }
  return words;
}

// For each stored name its index among the present ones, or -1.
std::vector<int> MapNames(const std::string& stored, const std::string& present) {
  const std::vector<std::string> now = Words(present);
  std::vector<int> map;
  for (const std::string& name : Words(stored)) {
    const auto found = std::find(now.begin(), now.end(), name);
    map.push_back(found == now.end() ? -1 : static_cast<int>(found - now.begin()));
  }
  return map;
}

}  // namespace

void EnsureSegmentTables(Database& db) {
  db.Ensure("segments", kTables);
}

ModelState::ModelState(Database& db, const Model& model, bool keeps_features)
    : db_(db),
      model_(model),
      keeps_features_(keeps_features),
      steps_(model.scores.size()),
      values_(model.scores.size()),
      flags_(model.flags.size()),
      features_(model.features.size()) {
  EnsureSegmentTables(db);
  for (const Segment& segment : model.segments) {
    segment_ids_.push_back(segment.id);
  }
  if (LoadModelRow()) {
    LoadFits();
    Statement waits = db.Prepare("SELECT customer, why FROM segment_wait WHERE model = ?");
    waits.Bind(1, model.id);
    while (waits.Step()) {
      waits_.emplace(static_cast<CustomerIndex>(waits.Int(0)), waits.Text(1));
    }
  }
}

bool ModelState::LoadModelRow() {
  Statement row = db_.Prepare(
      "SELECT hash, baseline, last_slot, missed, known, segments, scores, flags, features "
      "FROM segment_model WHERE model = ?");
  row.Bind(1, model_.id);
  if (!row.Step()) {
    hash = model_.hash;
    return false;
  }
  hash = row.Text(0);
  if (!row.IsNull(1)) {
    baseline = FromMicros(row.Int(1));
  }
  if (!row.IsNull(2)) {
    last_slot = FromMicros(row.Int(2));
  }
  missed = row.Int(3);
  known = static_cast<CustomerIndex>(row.Int(4));
  LoadBlocks(row.Text(5), row.Text(6), row.Text(7), row.Text(8));
  return true;
}

void ModelState::LoadBlocks(const std::string& segments, const std::string& scores,
                            const std::string& flags, const std::string& features) {
  StoredNames names;
  names.segments = Words(segments);
  names.score_map = MapNames(scores, ScoreNames(model_));
  names.scores = Words(scores);
  names.flag_map = MapNames(flags, Names(model_.flags));
  names.feature_map = MapNames(features, Names(model_.features));
  std::vector<StoredBlock> stored;
  Statement blocks = db_.Prepare(
      "SELECT block, settled, features FROM segment_block WHERE model = ? ORDER BY block");
  blocks.Bind(1, model_.id);
  bool old_features = false;  // To be taken out: they will not be kept up to date.
  while (blocks.Step()) {
    StoredBlock& one = stored.emplace_back();
    one.first = static_cast<CustomerIndex>(blocks.Int(0)) * kBlockCustomers;
    one.settled = blocks.Blob(1);
    one.last = one.first + BlobReader(one.settled).Get<std::uint32_t>();
    // None: nobody read the features when this was stored.
    old_features = old_features || (!keeps_features_ && !blocks.BlobView(2).empty());
    one.features = keeps_features_ ? blocks.Blob(2) : std::string();
  }
  Resize(stored.empty() ? 0 : stored.back().last);
  const auto is_known = [&](const std::string& id) {
    return std::find(segment_ids_.begin(), segment_ids_.end(), id) != segment_ids_.end();
  };
  if (std::all_of(names.segments.begin(), names.segments.end(), is_known)) {
    InParallel(stored.size(), [&](std::size_t i) { LoadBlock(stored[i], names); });
  } else {
    for (const StoredBlock& one : stored) {
      LoadBlock(one, names);  // May find segments that an edit took away: in their order.
    }
  }
  std::fill(dirty_.begin(), dirty_.end(), std::uint8_t{0});
  stale_names_ = old_features || segments != Join(segment_ids_, " ") ||
                 scores != ScoreNames(model_) || flags != Names(model_.flags) ||
                 features != Names(model_.features);
}

// An id that the model no longer has gets a place at the end, once somebody is found in it.
SegmentIndex ModelState::SegmentOf(const std::vector<std::string>& stored_ids,
                                   SegmentIndex stored) {
  if (stored >= stored_ids.size()) {
    return kNoSegment;
  }
  const auto found = std::find(segment_ids_.begin(), segment_ids_.end(), stored_ids[stored]);
  const auto index = static_cast<std::size_t>(found - segment_ids_.begin());
  if (index >= kNoSegment) {
    return kNoSegment;
  }
  if (found == segment_ids_.end()) {
    segment_ids_.push_back(stored_ids[stored]);
  }
  return static_cast<SegmentIndex>(index);
}

void ModelState::LoadBlock(const StoredBlock& stored, const StoredNames& names) {
  const CustomerIndex first = stored.first, last = stored.last;
  BlobReader settled(stored.settled);
  const std::size_t rows = settled.Get<std::uint32_t>();
  const auto column = [&]<typename T>(auto set, T /*type*/) {
    settled.Column<T>(rows, [&](std::size_t row, T value) { set(settled_[first + row], value); });
  };
  // Neighbours are often in the same segment.
  SegmentIndex asked = kNoSegment, answered = kNoSegment;
  const auto segment_of = [&](SegmentIndex value) {
    if (value != asked) {
      asked = value;
      answered = SegmentOf(names.segments, value);
    }
    return answered;
  };
  column([](Settled& one, std::uint8_t value) { one.bits = value; }, std::uint8_t{});
  column([&](Settled& one, SegmentIndex value) { one.segment = segment_of(value); },
         SegmentIndex{});
  column([&](Settled& one, SegmentIndex value) { one.answer = segment_of(value); }, SegmentIndex{});
  column([](Settled& one, std::uint8_t value) { one.cause = value; }, std::uint8_t{});
  column([](Settled& one, std::uint16_t value) { one.runs = value; }, std::uint16_t{});
  column([](Settled& one, std::int64_t value) { one.since = value; }, std::int64_t{});
  column([](Settled& one, std::int64_t value) { one.answer_since = value; }, std::int64_t{});
  for (std::size_t i = 0; i < names.score_map.size(); ++i) {
    if (names.scores[i].starts_with("step:")) {
      ReadInto(settled, first, last, steps_, names.score_map[i]);
    } else {
      ReadInto(settled, first, last, values_, names.score_map[i]);
    }
  }
  for (const int flag : names.flag_map) {
    ReadInto(settled, first, last, flags_, flag);
  }
  if (!stored.features.empty()) {
    BlobReader values(stored.features);
    for (const int feature : names.feature_map) {
      ReadInto(values, first, last, features_, feature);
    }
  }
}

void ModelState::LoadFits() {
  Statement rows =
      db_.Prepare("SELECT score, slot, people, basis, numeric_keys FROM fit WHERE model = ?");
  rows.Bind(1, model_.id);
  while (rows.Step()) {
    Fit fit;
    fit.slot = FromMicros(rows.Int(1));
    fit.people = rows.Int(2);
    fit.basis = rows.Text(3);
    fit.lines.numeric_keys = rows.Int(4) != 0;
    const std::string score = rows.Text(0);
    Statement lines =
        db_.Prepare("SELECT value, key FROM lines WHERE model = ? AND score = ? ORDER BY line");
    lines.Bind(1, model_.id).Bind(2, score);
    while (lines.Step()) {
      fit.lines.at.push_back(lines.Real(0));
      if (!lines.IsNull(1)) {
        fit.lines.keys.push_back(lines.Text(1));
      }
    }
    fits.emplace(score, std::move(fit));
  }
}

void ModelState::Resize(CustomerIndex count) {
  if (count <= settled_.size()) {
    return;
  }
  const std::size_t old = settled_.size();
  settled_.resize(count);
  for (std::size_t i = 0; i < model_.scores.size(); ++i) {
    if (model_.scores[i].steps() > 0) {
      steps_[i].resize(count, 0);
    } else {
      values_[i].resize(count, kMissing);
    }
  }
  for (std::vector<std::uint8_t>& flag : flags_) {
    flag.resize(count, 0);
  }
  for (std::vector<double>& feature : features_) {
    feature.resize(count, kMissing);
  }
  dirty_.resize((count + kBlockCustomers - 1) / kBlockCustomers, 0);
  for (std::size_t block = old / kBlockCustomers; block < dirty_.size(); ++block) {
    dirty_[block] =
        static_cast<std::uint8_t>(kSettledDirty | (keeps_features_ ? kFeaturesDirty : 0));
  }
}

void ModelState::Set(CustomerIndex customer, const Settled& settled) {
  if (settled_[customer] != settled) {
    settled_[customer] = settled;
    Touch(customer);
  }
}

void ModelState::SetStep(std::size_t score, CustomerIndex customer, StepCode code) {
  if (steps_[score][customer] != code) {
    steps_[score][customer] = code;
    Touch(customer);
  }
}

void ModelState::SetScore(std::size_t score, CustomerIndex customer, double value) {
  if (!SameBits(values_[score][customer], value)) {
    values_[score][customer] = value;
    Touch(customer);
  }
}

void ModelState::SetFlag(std::size_t flag, CustomerIndex customer, bool on) {
  if ((flags_[flag][customer] != 0) != on) {
    flags_[flag][customer] = on ? 1 : 0;
    Touch(customer);
  }
}

void ModelState::SetFeature(std::size_t feature, CustomerIndex customer, double value) {
  if (!SameBits(features_[feature][customer], value)) {
    features_[feature][customer] = value;
    if (keeps_features_) {
      dirty_[customer / kBlockCustomers] |= kFeaturesDirty;
    }
  }
}

void ModelState::Clear(CustomerIndex customer) {
  Set(customer, Settled{});
  ClearValues(customer);
  DropWait(customer);
}

void ModelState::ClearValues(CustomerIndex customer) {
  for (std::size_t i = 0; i < model_.scores.size(); ++i) {
    if (model_.scores[i].steps() > 0) {
      SetStep(i, customer, 0);
    } else {
      SetScore(i, customer, kMissing);
    }
  }
  for (std::size_t i = 0; i < flags_.size(); ++i) {
    SetFlag(i, customer, false);
  }
  for (std::size_t i = 0; i < features_.size(); ++i) {
    SetFeature(i, customer, kMissing);
  }
}

double ModelState::score(std::size_t score, CustomerIndex customer) const {
  if (model_.scores[score].steps() == 0) {
    return values_[score][customer];
  }
  const StepCode code = steps_[score][customer];
  return code == 0 ? kMissing : StepOf(code);
}

void ModelState::SetWait(CustomerIndex customer, std::string why) {
  Statement insert =
      db_.Prepare("INSERT OR REPLACE INTO segment_wait(model, customer, why) VALUES (?, ?, ?)");
  insert.Bind(1, model_.id).Bind(2, std::int64_t{customer}).Bind(3, why).Run();
  waits_[customer] = std::move(why);
}

void ModelState::DropWait(CustomerIndex customer) {
  if (waits_.erase(customer) > 0) {
    Statement remove = db_.Prepare("DELETE FROM segment_wait WHERE model = ? AND customer = ?");
    remove.Bind(1, model_.id).Bind(2, std::int64_t{customer}).Run();
  }
}

std::string ModelState::EncodeSettled(CustomerIndex first, CustomerIndex last) const {
  std::string blob;
  const std::size_t rows = last - first;
  PutValue(blob, static_cast<std::uint32_t>(rows));
  const auto column = [&]<typename T>(T Settled::*member) {
    PutColumn<T>(blob, rows, [&](std::size_t row) { return settled_[first + row].*member; });
  };
  column(&Settled::bits);
  column(&Settled::segment);
  column(&Settled::answer);
  column(&Settled::cause);
  column(&Settled::runs);
  column(&Settled::since);
  column(&Settled::answer_since);
  const auto put = [&]<typename T>(const std::vector<T>& values) {
    PutColumn<T>(blob, rows, [&](std::size_t row) { return values[first + row]; });
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
      .Bind(8, ScoreNames(model_));
  row.Bind(9, Names(model_.flags)).Bind(10, Names(model_.features)).Run();

  if (db_.thrown_away() || keeps_nothing) {
    return;  // Nobody will load it.
  }

  struct Encoded {
    std::size_t block = 0;
    std::uint8_t dirty = 0;
    std::string settled, features;
  };

  std::vector<Encoded> all;
  const auto everything =
      static_cast<std::uint8_t>(kSettledDirty | (keeps_features_ ? kFeaturesDirty : 0));
  for (std::size_t block = 0; block < dirty_.size(); ++block) {
    const std::uint8_t dirty = stale_names_ ? everything : dirty_[block];
    if (dirty != 0) {
      all.push_back({block, dirty, {}, {}});
      dirty_[block] = 0;
    }
  }
  InParallel(all.size(), [&](std::size_t i) {
    const auto first = static_cast<CustomerIndex>(all[i].block) * kBlockCustomers;
    const CustomerIndex last = std::min(first + kBlockCustomers, count());
    if ((all[i].dirty & kSettledDirty) != 0) {
      all[i].settled = EncodeSettled(first, last);
    }
    if ((all[i].dirty & kFeaturesDirty) != 0) {
      all[i].features = EncodeFeatures(first, last);
    }
  });
  for (const Encoded& one : all) {
    Statement write =
        db_.Prepare(one.dirty == kFeaturesDirty
                        ? "UPDATE segment_block SET features = ?4 WHERE model = ?1 AND block = ?2"
                        : "INSERT INTO segment_block(model, block, settled, features) "
                          "VALUES (?1, ?2, ?3, ?4) ON CONFLICT(model, block) "
                          "DO UPDATE SET settled = ?3, features = iif(?5, ?4, features)");
    write.Bind(1, model_.id).Bind(2, static_cast<std::int64_t>(one.block));
    write.BindBlob(4, one.features);
    if (one.dirty != kFeaturesDirty) {
      const bool with_features = stale_names_ || (one.dirty & kFeaturesDirty) != 0;
      write.BindBlob(3, one.settled).Bind(5, std::int64_t{with_features ? 1 : 0});
    }
    write.Run();
  }
  stale_names_ = false;
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
