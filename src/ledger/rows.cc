// Long imports: rows go from columns into chunks, without a record or a change each.  Only where
// every row is new and nothing hangs on it; otherwise they are taken in one by one.

#include <algorithm>
#include <array>
#include <numeric>

#include "base/parallel.h"
#include "ledger/intake.h"

namespace segue {
namespace {

constexpr std::size_t kRowsHashedAtOnce = 8 * 1024;

// Row numbers, sorted by customer; of one customer in the order in which they are given.
std::vector<std::uint32_t> ByCustomer(std::span<const std::uint32_t> rows,
                                      std::span<const CustomerIndex> customers) {
  CustomerIndex largest = 0;
  for (const std::uint32_t row : rows) {
    largest = std::max(largest, customers[row]);
  }
  // Digit by digit, the lowest first, each time keeping the order of equal ones.
  constexpr unsigned kDigitBits = 11;
  constexpr std::uint32_t kDigits = 1U << kDigitBits;
  std::vector<std::uint32_t> sorted(rows.begin(), rows.end()), from(rows.size());
  for (unsigned shift = 0; shift < 32 && (largest >> shift) != 0; shift += kDigitBits) {
    const auto digit = [&](std::uint32_t row) { return (customers[row] >> shift) % kDigits; };
    std::array<std::uint32_t, kDigits + 1> begins{};
    for (const std::uint32_t row : sorted) {
      ++begins[digit(row) + 1];
    }
    std::partial_sum(begins.begin(), begins.end(), begins.begin());
    from.swap(sorted);
    for (const std::uint32_t row : from) {
      sorted[begins[digit(row)]++] = row;
    }
  }
  return sorted;
}

std::size_t TextBytes(const EventRows& rows, std::size_t row) {
  std::size_t bytes = 0;
  for (const EventRows::Field& field : rows.fields) {
    bytes += field.is_text ? field.texts[row].size() : 0;
  }
  return bytes;
}

}  // namespace

// Sequences follow the order in which the rows are stored, so that they take no bytes: what comes
// at once has no order that matters.
std::vector<std::uint32_t> EventStore::AddRows(const StoredRows& in) {
  EndBulk();
  const std::vector<std::int64_t>& times = in.rows.times;
  std::vector<std::uint32_t> order(in.rows.size());
  std::iota(order.begin(), order.end(), 0U);
  if (!std::is_sorted(times.begin(), times.end())) {
    std::stable_sort(order.begin(), order.end(),
                     [&](std::uint32_t a, std::uint32_t b) { return times[a] < times[b]; });
  }
  std::size_t begin = 0, bytes = 0;
  std::vector<std::uint32_t> stored;
  const auto write = [&](std::size_t end) {
    const std::vector<std::uint32_t> rows =
        WriteRowChunk(in, std::span(order).subspan(begin, end - begin), in.first + begin);
    stored.insert(stored.end(), rows.begin(), rows.end());
  };
  for (std::size_t i = 0; i < order.size(); ++i) {
    const std::size_t size = TextBytes(in.rows, order[i]);
    if (i - begin >= kChunkRecordsMax || (i > begin && bytes + size > kChunkBytesMax)) {
      write(i);
      begin = i;
      bytes = 0;
    }
    bytes += size;
  }
  if (begin < order.size()) {
    write(order.size());
  }
  sealed_until_ = std::max<Sequence>(sealed_until_, in.first + in.rows.size() - 1);
  return stored;
}

std::vector<std::uint32_t> EventStore::WriteRowChunk(const StoredRows& in,
                                                     std::span<const std::uint32_t> which,
                                                     Sequence first) {
  std::vector<std::uint32_t> rows = ByCustomer(which, in.customers);
  Chunk chunk;
  chunk.id = next_chunk_++;
  chunk.kind = in.kind;
  chunk.count = rows.size();
  chunk.min_time = in.rows.times[which.front()];
  chunk.max_time = in.rows.times[which.back()];
  chunk.min_sequence = first;
  chunk.max_sequence = first + rows.size() - 1;
  chunk.last = in.customers[rows.back()];
  std::vector<std::size_t> begins = {0};
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::size_t size = TextBytes(in.rows, rows[i]);
    if (i > begins.back() &&
        (i - begins.back() >= kBlockRecordsMax || bytes + size > kBlockBytesMax)) {
      begins.push_back(i);
      bytes = 0;
    }
    bytes += size;
  }
  const auto rows_of = [&](std::size_t block) {
    const std::size_t end = block + 1 < begins.size() ? begins[block + 1] : rows.size();
    return std::span(rows).subspan(begins[block], end - begins[block]);
  };
  std::vector<std::string> blocks(begins.size());
  InParallel(blocks.size(), [&](std::size_t block) {
    blocks[block] = EncodeBlock(DraftRows(in, rows_of(block), first + begins[block]));
  });
  Directory directory;
  for (std::size_t block = 0; block < blocks.size(); ++block) {
    WriteBlock(chunk, in.customers[rows_of(block).front()], blocks[block]);
    directory.Add(first + begins[block], static_cast<std::int64_t>(block),
                  static_cast<std::int64_t>(rows_of(block).size()));
  }
  FinishChunk(std::move(chunk), directory);
  return rows;
}

BlockDraft EventStore::DraftRows(const StoredRows& in, std::span<const std::uint32_t> which,
                                 Sequence first) const {
  const std::size_t count = which.size();
  BlockDraft draft;
  draft.customers.resize(count);
  draft.sequences.resize(count);
  draft.times.resize(count);
  draft.flags.resize(count);
  draft.recipes.assign(count, static_cast<std::int64_t>(in.recipe));
  draft.dedupes.resize(count);
  draft.versions.values.resize(count);
  draft.versions.present.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t row = which[i];
    draft.customers[i] = in.customers[row];
    draft.sequences[i] = static_cast<std::int64_t>(first + i);
    draft.times[i] = in.rows.times[row];
    draft.flags[i] = in.rows.times[row] < in.late_before ? kLateFlag : 0;
    draft.versions.values[i] = in.rows.versions[row];
    draft.versions.present[i] = in.rows.has_version[row] != 0;
  }
  for (std::size_t field = 0; field < in.rows.fields.size(); ++field) {
    const EventRows::Field& from = in.rows.fields[field];
    const int stored = names_.Kind(in.kind).by_schema[field];
    if (std::none_of(which.begin(), which.end(),
                     [&](std::uint32_t row) { return from.present[row] != 0; })) {
      continue;
    }
    if (from.is_text) {
      std::vector<std::string_view>& column = draft.texts[stored];
      column.resize(count);
      for (std::size_t i = 0; i < count; ++i) {
        column[i] = from.present[which[i]] != 0 ? from.texts[which[i]] : std::string_view();
      }
      continue;
    }
    IntColumn& column = draft.ints[stored];
    column.values.resize(count);
    column.present.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
      column.values[i] = from.numbers[which[i]];
      column.present[i] = from.present[which[i]] != 0;
    }
  }
  return draft;
}

bool Ledger::Inner::AddRows(const std::shared_ptr<const EventRows>& added, const Arrival& arrival) {
  const EventRows& rows = *added;
  const int kind = names.KindOf(rows.kind);
  // Refunds may name these events by their dedupe text, as they mostly do, and by nothing else.
  const auto in_the_way = [&](const Relation& relation) {
    const bool by_dedupe =
        rows.dedupe.size() == 1 && rows.dedupe[0] >= 0 &&
        names.Kind(kind).by_schema[static_cast<std::size_t>(rows.dedupe[0])] == relation.of;
    return relation.refund == kind || (relation.original == kind && !by_dedupe);
  };
  if (rows.size() < bulk_min || customers.AnyErased() ||
      std::any_of(names.relations().begin(), names.relations().end(), in_the_way)) {
    return false;
  }
  if (events.journal_size() > 0) {
    Seal();  // What is older goes into older chunks.
  }
  const std::size_t recipe = names.RecipeOf(kind, rows.dedupe);
  if (recipe == 0) {
    return false;
  }
  std::optional<KeyIndex::Asked> fresh = AllNew(rows, kind);
  if (!fresh) {
    return false;
  }
  std::vector<CustomerIndex> owners = customers.InternAll(rows.customers);
  traits.Grow();
  std::vector<std::uint32_t> stored = events.AddRows({.rows = rows,
                                                      .kind = kind,
                                                      .customers = owners,
                                                      .first = sequence + 1,
                                                      .recipe = recipe,
                                                      .late_before = arrival.late_before});
  std::vector<Sequence> sequences(rows.size());
  for (std::size_t i = 0; i < stored.size(); ++i) {
    sequences[stored[i]] = sequence + 1 + i;
  }
  index.Add(std::move(*fresh), sequences);
  NoteRows({added, std::move(owners), std::move(stored), sequence + 1});
  sequence += rows.size();
  if (index.recent() >= kKeysMax) {
    FlushKeys();
  }
  return true;
}

// Whether a refund names an event that is not known yet.
bool Ledger::Inner::IsAwaited(int kind, std::string_view name) const {
  return std::any_of(names.relations().begin(), names.relations().end(),
                     [&](const Relation& relation) {
                       return relation.original == kind &&
                              !index.Find(keys.Refund(relation.refund, relation.by, name)).empty();
                     });
}

// Nothing when one of them is known already, or awaited.
std::optional<KeyIndex::Asked> Ledger::Inner::AllNew(const EventRows& rows, int kind) const {
  std::string room, other;
  std::vector<std::uint64_t> hashes(rows.size());
  InRanges(rows.size(), kRowsHashedAtOnce, [&](std::size_t begin, std::size_t end) {
    std::string text;
    for (std::size_t row = begin; row < end; ++row) {
      hashes[row] = keys.Dedupe(kind, rows.DedupeAt(row, text));
    }
  });
  for (std::size_t row = 0; row < rows.size() && !names.relations().empty(); ++row) {
    if (IsAwaited(kind, rows.DedupeAt(row, room))) {
      return std::nullopt;
    }
  }
  KeyIndex::Asked asked = index.Ask(hashes);
  for (const std::size_t row : asked.look) {
    const std::string_view text = rows.DedupeAt(row, room);
    for (const KeyIndex::Entry& entry : asked.Of(index.Cut(hashes[row]))) {
      if (entry.place < row && rows.DedupeAt(entry.place, other) == text) {
        return std::nullopt;
      }
    }
    if (FindByDedupe(kind, text, rows.customers[row])) {
      return std::nullopt;
    }
  }
  return asked;
}

void Ledger::Inner::NoteRows(AddedRows rows) {
  if (!following || changes.all) {
    return;
  }
  changes.row_count += rows.rows->size();
  if (changes.row_count + changes.list.size() >= kChangesMax) {
    changes = {.all = true};
    return;
  }
  changes.rows.push_back(std::move(rows));
}

}  // namespace segue
