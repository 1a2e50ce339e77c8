// From the journal into chunks: cutting, sorting, rewriting without dead rows, merging small
// chunks.

#include <algorithm>

#include "base/check.h"
#include "base/time.h"
#include "ledger/events.h"

namespace segue {
namespace {

// Chunks of one size class are merged when there are this many; each class is four times the one
// before.
constexpr std::size_t kChunksPerMerge = 8;
// From here on a chunk is left alone.
constexpr std::size_t kFullChunk = kChunkRecordsMax / 2;
// Long texts make more blocks of fewer records.
constexpr std::size_t kFullBlocks = kFullChunk / kSealedBlockRecords;
// A chunk is rewritten when more than one row in this many is dead.
constexpr std::size_t kDeadShare = 8;

std::size_t TextBytes(const Record& record) {
  std::size_t bytes = record.dedupe.size();
  for (const Value& value : record.fields) {
    const auto* text = std::get_if<std::string>(&value);
    bytes += text == nullptr ? 0 : text->size();
  }
  return bytes;
}

int SizeClass(std::size_t count) {
  return BitWidth(count) / 2;
}

std::int64_t Day(std::int64_t time) {
  return time / kDay.count() - (time % kDay.count() < 0 ? 1 : 0);
}

}  // namespace

void EventStore::Seal() {
  EndBulk();
  for (int kind = 0; kind < names_.KindCount(); ++kind) {
    SealKind(kind);
  }
  if (!journal_.empty()) {
    sealed_until_ = std::max(sealed_until_, journal_.rbegin()->first);
  }
  db_.Execute("DELETE FROM ledger_journal");
  journal_.clear();
  journal_by_customer_.clear();
  for (auto& by_time : journal_by_time_) {
    by_time.clear();
  }
  for (int kind = 0; kind < names_.KindCount(); ++kind) {
    RewriteChunks(kind);
    MergeChunks(kind, false);
    MergeChunks(kind, true);
  }
}

void EventStore::SealKind(int kind) {
  Pointers fresh, again;
  for (const auto& [time, sequence] : journal_by_time_[static_cast<std::size_t>(kind)]) {
    (sequence > sealed_until_ ? fresh : again).push_back(&journal_.at(sequence));
  }
  WriteChunks(kind, false, std::move(fresh));
  WriteChunks(kind, true, std::move(again));
}

void EventStore::WriteChunks(int kind, bool again, Pointers records) {
  const auto earlier = [](const Record* a, const Record* b) {
    return std::pair(a->time, a->sequence) < std::pair(b->time, b->sequence);
  };
  if (!std::is_sorted(records.begin(), records.end(), earlier)) {
    std::sort(records.begin(), records.end(), earlier);
  }
  std::size_t begin = 0;
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < records.size(); ++i) {
    const std::size_t size = TextBytes(*records[i]);
    if (i - begin >= kChunkRecordsMax || (i > begin && bytes + size > kChunkBytesMax)) {
      WriteChunk(kind, again, std::span(records).subspan(begin, i - begin));
      begin = i;
      bytes = 0;
    }
    bytes += size;
  }
  if (begin < records.size()) {
    WriteChunk(kind, again, std::span(records).subspan(begin));
  }
}

void EventStore::WriteChunk(int kind, bool again, std::span<const Record*> records) {
  std::sort(records.begin(), records.end(), [](const Record* a, const Record* b) {
    return std::tuple(a->customer, a->time, a->sequence) <
           std::tuple(b->customer, b->time, b->sequence);
  });
  Chunk chunk;
  chunk.id = next_chunk_++;
  chunk.kind = kind;
  chunk.again = again;
  chunk.count = records.size();
  chunk.min_time = chunk.max_time = records.front()->time;
  chunk.min_sequence = chunk.max_sequence = records.front()->sequence;
  chunk.last = records.back()->customer;
  for (const Record* record : records) {
    chunk.min_time = std::min(chunk.min_time, record->time);
    chunk.max_time = std::max(chunk.max_time, record->time);
    chunk.min_sequence = std::min(chunk.min_sequence, record->sequence);
    chunk.max_sequence = std::max(chunk.max_sequence, record->sequence);
  }
  const std::vector<std::size_t> block_of = WriteBlocks(chunk, records);
  std::vector<std::pair<Sequence, std::int64_t>> places;
  places.reserve(records.size());
  for (std::size_t i = 0; i < records.size(); ++i) {
    places.emplace_back(records[i]->sequence, static_cast<std::int64_t>(block_of[i]));
  }
  std::sort(places.begin(), places.end());
  Directory directory;
  for (const auto& [sequence, block] : places) {
    directory.Add(sequence, block);
  }
  FinishChunk(std::move(chunk), directory);
}

void EventStore::FinishChunk(Chunk chunk, const Directory& directory) {
  db_.Prepare("INSERT INTO ledger_block(chunk, block, data) VALUES (?, -1, ?)")
      .Bind(1, chunk.id)
      .BindBlob(2, EncodeDirectory(directory))
      .Run();
  db_.Prepare("INSERT INTO ledger_chunk(id, kind, day, meta) VALUES (?, ?, ?, ?)")
      .Bind(1, chunk.id)
      .Bind(2, static_cast<std::int64_t>(chunk.kind))
      .Bind(3, Day(chunk.min_time))
      .BindBlob(4, EncodeChunkMeta(chunk))
      .Run();
  const auto kind = static_cast<std::size_t>(chunk.kind);
  chunks_[kind].emplace(chunk.id, std::move(chunk));
}

void EventStore::WriteBlock(Chunk& chunk, CustomerIndex first, const std::string& bytes) {
  db_.Prepare("INSERT INTO ledger_block(chunk, block, data) VALUES (?, ?, ?)")
      .Bind(1, chunk.id)
      .Bind(2, static_cast<std::int64_t>(chunk.first.size()))
      .BindBlob(3, bytes)
      .Run();
  chunk.first.push_back(first);
}

// Writes the blocks and their skip index; the block of each record.
std::vector<std::size_t> EventStore::WriteBlocks(Chunk& chunk,
                                                 std::span<const Record* const> records) {
  std::vector<std::size_t> block_of;
  std::vector<std::size_t> recipes;
  std::size_t begin = 0, bytes = 0;
  const auto finish = [&](std::size_t end) {
    WriteBlock(chunk, records[begin]->customer,
               EncodeBlock(records.subspan(begin, end - begin), recipes));
    recipes.clear();
    begin = end;
    bytes = 0;
  };
  for (std::size_t i = 0; i < records.size(); ++i) {
    const Record& record = *records[i];
    const std::size_t size = TextBytes(record);
    if (i > begin && (i - begin >= kSealedBlockRecords || bytes + size > kSealedBlockBytes)) {
      finish(i);
    }
    bytes += size;
    recipes.push_back(names_.RecipeFor(record, customers_.Key(record.customer)));
    block_of.push_back(chunk.first.size());
  }
  finish(records.size());
  return block_of;
}

void EventStore::RewriteChunks(int kind) {
  std::vector<std::int64_t> ids;
  for (const auto& [id, chunk] : KindChunks(kind)) {
    if (chunk.holds_erased || chunk.dead.size() * kDeadShare > chunk.count) {
      ids.push_back(id);
    }
  }
  for (const std::int64_t id : ids) {
    Replace(kind, KindChunks(kind).at(id).again, {id});
  }
}

void EventStore::MergeChunks(int kind, bool again) {
  const int full = SizeClass(kFullChunk);
  for (int size = 0; size <= full; ++size) {
    std::vector<std::int64_t> ids;
    std::size_t total = 0;
    for (const auto& [id, chunk] : KindChunks(kind)) {
      // What is merged at once is held in memory at once.
      if (chunk.again == again && SizeClass(chunk.count) == size && chunk.count < kFullChunk &&
          chunk.first.size() < kFullBlocks && total + chunk.count <= 4 * kChunkRecordsMax) {
        ids.push_back(id);
        total += chunk.count;
      }
    }
    if (ids.size() >= kChunksPerMerge) {
      Replace(kind, again, ids);
    }
  }
}

void EventStore::Replace(int kind, bool again, const std::vector<std::int64_t>& ids) {
  std::vector<Record> records;
  bool erased = false;
  for (const std::int64_t id : ids) {
    const Chunk& chunk = KindChunks(kind).at(id);
    erased = erased || chunk.holds_erased;
    VisitChunk(chunk, [&](const Record& record) { records.push_back(record); });
  }
  for (const std::int64_t id : ids) {
    for (const char* sql :
         {"DELETE FROM ledger_block WHERE chunk = ?", "DELETE FROM ledger_dead WHERE chunk = ?",
          "DELETE FROM ledger_chunk WHERE id = ?"}) {
      db_.Prepare(sql).Bind(1, id).Run();
    }
    chunks_[static_cast<std::size_t>(kind)].erase(id);
  }
  if (erased) {
    blocks_.Clear();
  }
  Pointers all;
  for (const Record& record : records) {
    all.push_back(&record);
  }
  WriteChunks(kind, again, std::move(all));
}

}  // namespace segue
