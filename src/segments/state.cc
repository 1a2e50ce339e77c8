// Loading and changing one model's columns.

#include "segments/state.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/check.h"
#include "base/parallel.h"
#include "base/room.h"
#include "base/text.h"
#include "expression/execute.h"
#include "segments/blob.h"

namespace segue {
namespace {

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

constexpr const char* kChangeTable = R"(
CREATE TABLE segment_change(
  id INTEGER PRIMARY KEY, model TEXT NOT NULL, block INTEGER NOT NULL, settled BLOB NOT NULL
) STRICT;
CREATE INDEX segment_change_block ON segment_change(model, block);
)";

// A column of customers into its place, or past it where the model no longer has that column.
template <typename T, typename Who>
void ReadInto(BlobReader& blob, std::size_t rows, Who who, std::vector<std::vector<T>>& columns,
              int index) {
  blob.Column<T>(rows, [&](std::size_t row, T value) {
    if (index >= 0) {
      columns[static_cast<std::size_t>(index)][who(row)] = value;
    }
  });
}

// Bit for bit, so that a missing value is itself.  Requires: at most a block, as many of both.
template <typename T>
bool AreSame(std::span<const T> a, std::span<const T> b) {
  SEGUE_CHECK(a.size() == b.size() && a.size() <= kBlock);
  return std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

// Puts neighbours into a column and notes whose value was another one; whether any was.
template <typename T>
bool Replace(std::vector<T>& column, CustomerIndex first, std::span<const T> values,
             std::vector<std::uint8_t>& changed) {
  const std::span<T> here = std::span(column).subspan(first, values.size());
  if (AreSame<T>(here, values)) {
    return false;
  }
  // Few are others: a word of them is passed over at a time.
  constexpr std::size_t kWord = sizeof(std::uint64_t) / sizeof(T);
  const auto word_at = [](const T* from) {
    std::uint64_t word = 0;
    std::memcpy(&word, from, sizeof word);
    return word;
  };
  for (std::size_t group = 0; group < values.size(); group += kWord) {
    const std::size_t end = std::min(group + kWord, values.size());
    if (end - group == kWord && word_at(&here[group]) == word_at(&values[group])) {
      continue;
    }
    for (std::size_t i = group; i < end; ++i) {
      if (!AreSame<T>(here.subspan(i, 1), values.subspan(i, 1))) {
        changed[first + i] = 1;
        here[i] = values[i];
      }
    }
  }
  return true;
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
  db.Ensure("segment changes", kChangeTable);
}

ModelState::ModelState(Database& db, const Model& model, bool keeps_features)
    : db_(db),
      model_(model),
      keeps_features_(keeps_features),
      steps_(model.scores.size()),
      values_(model.scores.size()),
      flags_(model.flags.size()),
      features_(model.features.size()),
      score_names_(ScoreNames(model)),
      flag_names_(Names(model.flags)),
      feature_names_(Names(model.features)) {
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
  names.score_map = MapNames(scores, score_names_);
  names.scores = Words(scores);
  names.flag_map = MapNames(flags, flag_names_);
  names.feature_map = MapNames(features, feature_names_);
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
  std::fill(dirty_.begin(), dirty_.end(), std::uint8_t{0});
  Statement changes =
      db_.Prepare("SELECT block, settled FROM segment_change WHERE model = ? ORDER BY id");
  changes.Bind(1, model_.id);
  while (changes.Step()) {
    const auto block = static_cast<std::size_t>(changes.Int(0));
    stored.at(block).changes.push_back(changes.Blob(1));
    beside_.at(block) += BlobReader(stored[block].changes.back()).Get<std::uint32_t>();
  }
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
  stale_names_ = old_features || segments != Join(segment_ids_, " ") || scores != score_names_ ||
                 flags != flag_names_ || features != feature_names_;
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
  const CustomerIndex first = stored.first;
  const auto neighbour = [first](std::size_t row) { return first + row; };
  BlobReader settled(stored.settled);
  const std::size_t rows = settled.Get<std::uint32_t>();
  LoadSettled(settled, rows, neighbour, names);
  if (!stored.features.empty()) {
    BlobReader values(stored.features);
    for (const int feature : names.feature_map) {
      ReadInto(values, rows, neighbour, features_, feature);
    }
  }
  for (const std::string& blob : stored.changes) {
    BlobReader change(blob);
    std::vector<CustomerIndex> who(change.Get<std::uint32_t>());
    change.Column<std::uint16_t>(who.size(), [&](std::size_t row, std::uint16_t place) {
      who[row] = std::min(first + place, stored.last - 1);
    });
    LoadSettled(
        change, who.size(), [&](std::size_t row) { return who[row]; }, names);
  }
}

template <typename Who>
void ModelState::LoadSettled(BlobReader& settled, std::size_t rows, Who who,
                             const StoredNames& names) {
  const auto column = [&]<typename T>(auto set, T /*type*/) {
    settled.Column<T>(rows, [&](std::size_t row, T value) { set(settled_[who(row)], value); });
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
      ReadInto(settled, rows, who, steps_, names.score_map[i]);
    } else {
      ReadInto(settled, rows, who, values_, names.score_map[i]);
    }
  }
  for (const int flag : names.flag_map) {
    ReadInto(settled, rows, who, flags_, flag);
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
  ResizeWithRoom(settled_, count);
  for (std::size_t i = 0; i < model_.scores.size(); ++i) {
    if (model_.scores[i].steps() > 0) {
      ResizeWithRoom(steps_[i], count);
    } else {
      ResizeWithRoom(values_[i], count, kMissing);
    }
  }
  for (std::vector<std::uint8_t>& flag : flags_) {
    ResizeWithRoom(flag, count);
  }
  for (std::vector<double>& feature : features_) {
    ResizeWithRoom(feature, keeps_features_ ? count : 0, kMissing);
  }
  ResizeWithRoom(changed_, count);
  dirty_.resize((count + kBlockCustomers - 1) / kBlockCustomers, 0);
  beside_.resize(dirty_.size(), 0);
  for (std::size_t block = old / kBlockCustomers; block < dirty_.size(); ++block) {
    dirty_[block] =
        static_cast<std::uint8_t>(kSettledDirty | kGrown | (keeps_features_ ? kFeaturesDirty : 0));
  }
}

void ModelState::Set(CustomerIndex customer, const Settled& settled) {
  if (settled_[customer] != settled) {
    settled_[customer] = settled;
    changed_[customer] = 1;
    Touch(customer);
  }
}

void ModelState::SetSteps(std::size_t score, CustomerIndex first, std::span<const StepCode> codes) {
  if (Replace(steps_[score], first, codes, changed_)) {
    Touch(first);
  }
}

void ModelState::SetScores(std::size_t score, CustomerIndex first, std::span<const double> values) {
  if (Replace(values_[score], first, values, changed_)) {
    Touch(first);
  }
}

void ModelState::SetFlags(std::size_t flag, CustomerIndex first, std::span<const std::uint8_t> on) {
  if (Replace(flags_[flag], first, on, changed_)) {
    Touch(first);
  }
}

void ModelState::SetFeatures(std::size_t feature, CustomerIndex first,
                             std::span<const double> values) {
  const std::span<double> here = std::span(features_[feature]).subspan(first, values.size());
  if (!AreSame<double>(here, values)) {
    std::copy(values.begin(), values.end(), here.begin());
    dirty_[first / kBlockCustomers] |= kFeaturesDirty;
  }
}

void ModelState::Clear(CustomerIndex customer) {
  Set(customer, Settled{});
  ClearValues(customer);
  DropWait(customer);
}

// The customer is outside the model; the settled part stands.
void ModelState::ClearValues(CustomerIndex customer) {
  for (std::size_t i = 0; i < model_.scores.size(); ++i) {
    if (model_.scores[i].steps() > 0) {
      SetSteps(i, customer, std::array{StepCode{0}});
    } else {
      SetScores(i, customer, std::array{kMissing});
    }
  }
  for (std::size_t i = 0; i < flags_.size(); ++i) {
    SetFlags(i, customer, std::array{std::uint8_t{0}});
  }
  for (std::size_t i = 0; keeps_features_ && i < features_.size(); ++i) {
    SetFeatures(i, customer, std::array{kMissing});
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

}  // namespace segue
