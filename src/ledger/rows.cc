// Long imports: rows go from columns into chunks, without a record or a change each.  Only where
// every row is new and nothing hangs on it; otherwise they are taken in one by one.

#include <algorithm>
#include <numeric>

#include "base/hash.h"
#include "ledger/bytes.h"
#include "ledger/intake.h"

namespace segue {
namespace {

// Rows whose place in the key index is on its way from memory.
constexpr std::size_t kLookAhead = 12;

// Row numbers, sorted by customer; of one customer in the order in which they are given.
std::vector<std::uint32_t> ByCustomer(std::span<const std::uint32_t> rows,
                                      std::span<const CustomerIndex> customers) {
  std::vector<std::uint64_t> keys(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    keys[i] = std::uint64_t{customers[rows[i]]} << 32U | i;
  }
  std::sort(keys.begin(), keys.end());
  std::vector<std::uint32_t> sorted(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    sorted[i] = rows[keys[i] & 0xffffffffU];
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

void EventStore::AddRows(const StoredRows& in) {
  EndBulk();
  const std::vector<std::int64_t>& times = in.rows.times;
  std::vector<std::uint32_t> order(in.rows.size());
  std::iota(order.begin(), order.end(), 0U);
  if (!std::is_sorted(times.begin(), times.end())) {
    std::stable_sort(order.begin(), order.end(),
                     [&](std::uint32_t a, std::uint32_t b) { return times[a] < times[b]; });
  }
  std::size_t begin = 0, bytes = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const std::size_t size = TextBytes(in.rows, order[i]);
    if (i - begin >= kChunkRecordsMax || (i > begin && bytes + size > kChunkBytesMax)) {
      WriteRowChunk(in, std::span(order).subspan(begin, i - begin));
      begin = i;
      bytes = 0;
    }
    bytes += size;
  }
  if (begin < order.size()) {
    WriteRowChunk(in, std::span(order).subspan(begin));
  }
  sealed_until_ = std::max<Sequence>(sealed_until_, in.first + in.rows.size() - 1);
}

void EventStore::WriteRowChunk(const StoredRows& in, std::span<const std::uint32_t> which) {
  const std::vector<std::uint32_t> rows = ByCustomer(which, in.customers);
  const auto [low, high] = std::minmax_element(rows.begin(), rows.end());
  Chunk chunk;
  chunk.id = next_chunk_++;
  chunk.kind = in.kind;
  chunk.count = rows.size();
  chunk.min_time = in.rows.times[which.front()];
  chunk.max_time = in.rows.times[which.back()];
  chunk.min_sequence = in.first + *low;
  chunk.max_sequence = in.first + *high;
  chunk.last = in.customers[rows.back()];
  std::vector<std::pair<std::int64_t, std::int64_t>> places;
  places.reserve(rows.size());
  std::size_t begin = 0, bytes = 0;
  const auto finish = [&](std::size_t end) {
    const std::span<const std::uint32_t> some = std::span(rows).subspan(begin, end - begin);
    WriteBlock(chunk, in.customers[some.front()], EncodeBlock(DraftRows(in, some)));
    begin = end;
    bytes = 0;
  };
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::size_t size = TextBytes(in.rows, rows[i]);
    if (i > begin && (i - begin >= kBlockRecordsMax || bytes + size > kBlockBytesMax)) {
      finish(i);
    }
    bytes += size;
    places.emplace_back(static_cast<std::int64_t>(in.first + rows[i]),
                        static_cast<std::int64_t>(chunk.first.size()));
  }
  finish(rows.size());
  FinishChunk(std::move(chunk), std::move(places));
}

BlockDraft EventStore::DraftRows(const StoredRows& in, std::span<const std::uint32_t> which) const {
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
    draft.sequences[i] = static_cast<std::int64_t>(in.first + row);
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
  if (recipe == 0 || !AreNew(rows, kind)) {
    return false;
  }
  std::vector<CustomerIndex> owners = customers.InternAll(rows.customers);
  traits.Grow();
  events.AddRows({.rows = rows,
                  .kind = kind,
                  .customers = owners,
                  .first = sequence + 1,
                  .recipe = recipe,
                  .late_before = arrival.late_before});
  sequence += rows.size();
  NoteRows({added, std::move(owners), sequence - rows.size() + 1});
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

// Puts all into the key index under the sequences that they will have.  When one of them turns out
// to be known, these entries lead nowhere, which costs a look each and nothing else.
bool Ledger::Inner::AreNew(const EventRows& rows, int kind) {
  std::string room, other;
  std::vector<std::uint64_t> hashes(rows.size());
  for (std::size_t row = 0; row < rows.size(); ++row) {
    hashes[row] = keys.Dedupe(kind, rows.DedupeAt(row, room));
  }
  for (std::size_t row = 0; row < rows.size(); ++row) {
    if (row + kLookAhead < rows.size()) {
      index.Expect(hashes[row + kLookAhead]);
    }
    const std::string_view text = rows.DedupeAt(row, room);
    const std::uint64_t hash = hashes[row];
    if (IsAwaited(kind, text)) {
      return false;
    }
    if (index.AddNew(hash, sequence + 1 + row)) {
      continue;
    }
    for (const Sequence at : index.Find(hash)) {
      if (at > sequence) {
        const std::size_t earlier = at - sequence - 1;
        if (earlier < row && rows.DedupeAt(earlier, other) == text) {
          return false;
        }
      } else if (const std::optional<Record> known = events.Find(kind, at);
                 known && known->dedupe == text) {
        return false;
      }
    }
  }
  return true;
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
