#include "ledger/trait_snapshot.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "expression/execute.h"
#include "ledger/chunk.h"

namespace segue {
namespace {

constexpr std::string_view kSnapshotTables = R"(
CREATE TABLE IF NOT EXISTS trait_column (
  trait INTEGER NOT NULL,
  part INTEGER NOT NULL,
  data BLOB NOT NULL,
  PRIMARY KEY (trait, part)
) STRICT;
CREATE TABLE IF NOT EXISTS trait_changed (
  trait INTEGER NOT NULL,
  customer INTEGER NOT NULL,
  PRIMARY KEY (trait, customer)
) STRICT, WITHOUT ROWID;
)";

constexpr std::size_t kValuesPerPart = 16 * 1024;
// Beyond it a scan of all rows costs less than keeping account.
constexpr std::size_t kChangedMax = 20'000;
constexpr double kWholeMax = 9007199254740992;  // 2^53

bool IsWhole(double value) {
  return std::isnan(value) ||
         (std::fabs(value) < kWholeMax && std::trunc(value) == value && !std::signbit(value));
}

enum Form : std::uint8_t { kWholeNumbers, kDoubles, kTexts };

std::string Encode(std::span<const double> values) {
  const bool whole = std::all_of(values.begin(), values.end(), IsWhole);
  IntColumn ints;
  for (const double value : values) {
    const bool said = !std::isnan(value);
    ints.present.push_back(said);
    ints.values.push_back(!said   ? 0
                          : whole ? static_cast<std::int64_t>(value)
                                  : std::bit_cast<std::int64_t>(value));
  }
  ByteWriter out;
  out.Varint(values.size());
  out.Byte(whole ? kWholeNumbers : kDoubles);
  WriteInts(out, ints);
  return out.Take();
}

std::string EncodeTexts(std::span<const double> values, const TextPool& pool) {
  std::vector<std::string_view> texts;
  for (const double value : values) {
    texts.push_back(std::isnan(value)
                        ? std::string_view()
                        : std::string_view(pool.Text(static_cast<std::uint32_t>(value))));
  }
  ByteWriter out;
  out.Varint(values.size());
  out.Byte(kTexts);
  WriteTexts(out, texts);
  return out.Take();
}

void DecodeTexts(ByteReader& in, std::span<double> column, TextPool& pool) {
  const TextColumn texts = ReadTexts(in, column.size());
  std::vector<double> codes;
  for (const std::string& text : texts.texts) {
    codes.push_back(pool.Intern(text));
  }
  for (std::size_t i = 0; i < column.size() && !in.failed(); ++i) {
    const std::uint32_t index = texts.index[i];
    column[i] = index == TextColumn::kNoText ? kMissing : codes[index];
  }
}

// How many rows it took; nothing when the bytes are not of this form.
std::optional<std::size_t> Decode(std::string_view bytes, std::span<double> left, TextPool& pool) {
  ByteReader in(bytes);
  const std::uint64_t count = in.Varint();
  const std::uint8_t form = in.Byte();
  if (in.failed() || count > left.size() || count > kValuesPerPart) {
    return std::nullopt;
  }
  if (form == kTexts) {
    DecodeTexts(in, left.first(count), pool);
  } else {
    const IntColumn ints = ReadInts(in, count);
    for (std::size_t i = 0; i < count && !in.failed(); ++i) {
      left[i] = !ints.Has(i)            ? kMissing
                : form == kWholeNumbers ? static_cast<double>(ints.values[i])
                                        : std::bit_cast<double>(ints.values[i]);
    }
  }
  return in.failed() || in.left() != 0 ? std::nullopt : std::optional(count);
}

}  // namespace

TraitSnapshot::TraitSnapshot(Database& db, TextPool& pool) : db_(db), pool_(pool) {
  db_.Ensure("trait snapshot", kSnapshotTables);
  Statement traits = db_.Prepare("SELECT DISTINCT trait FROM trait_column");
  while (traits.Step()) {
    stored_.insert(static_cast<int>(traits.Int(0)));
  }
  Statement changed = db_.Prepare("SELECT count(*) FROM trait_changed");
  changed_ = changed.Step() ? static_cast<std::size_t>(changed.Int(0)) : 0;
}

bool TraitSnapshot::Read(int trait, std::span<double> column,
                         const std::function<void(CustomerIndex)>& changed) const {
  Statement parts = db_.Prepare("SELECT data FROM trait_column WHERE trait = ? ORDER BY part");
  parts.Bind(1, std::int64_t{trait});
  std::size_t next = 0;
  while (parts.Step()) {
    const auto taken = Decode(parts.BlobView(0), column.subspan(next), pool_);
    if (!taken) {
      return false;
    }
    next += *taken;
  }
  std::fill(column.begin() + static_cast<std::ptrdiff_t>(next), column.end(), kMissing);
  Statement since = db_.Prepare("SELECT customer FROM trait_changed WHERE trait = ?");
  since.Bind(1, std::int64_t{trait});
  while (since.Step()) {
    changed(static_cast<CustomerIndex>(since.Int(0)));
  }
  return true;
}

void TraitSnapshot::Changed(CustomerIndex customer, int trait) {
  if (IsAccount(customer) || !Has(trait)) {
    return;
  }
  if (changed_ >= kChangedMax) {
    Drop();
    return;
  }
  db_.Prepare("INSERT OR IGNORE INTO trait_changed(trait, customer) VALUES (?, ?)")
      .Bind(1, std::int64_t{trait})
      .Bind(2, static_cast<std::int64_t>(customer))
      .Run();
  ++changed_;
}

void TraitSnapshot::Drop() {
  if (!stored_.empty()) {
    db_.Execute("DELETE FROM trait_column");
    db_.Execute("DELETE FROM trait_changed");
  }
  stored_.clear();
  changed_ = 0;
}

void TraitSnapshot::Store(int trait, bool texts, std::span<const double> column) {
  for (std::size_t begin = 0, part = 0; begin < column.size(); begin += kValuesPerPart, ++part) {
    const auto values = column.subspan(begin, std::min(kValuesPerPart, column.size() - begin));
    db_.Prepare("INSERT INTO trait_column(trait, part, data) VALUES (?, ?, ?)")
        .Bind(1, std::int64_t{trait})
        .Bind(2, static_cast<std::int64_t>(part))
        .BindBlob(3, texts ? EncodeTexts(values, pool_) : Encode(values))
        .Run();
  }
  stored_.insert(trait);
}

}  // namespace segue
