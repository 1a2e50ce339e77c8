// The EventStore: all records, in the journal (rows in the file and in memory) or in chunks (blobs
// in the file).
//
// A sealed record that changes is written to the journal again under its old sequence, and its row
// in the chunk is marked dead; the chunk is rewritten without its dead rows once they are many, or
// once one of them belonged to an erased customer.

#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "domain/event_rows.h"
#include "ledger/cache.h"
#include "ledger/chunk.h"
#include "ledger/chunk_meta.h"
#include "ledger/customers.h"
#include "ledger/dedupe.h"
#include "ledger/names.h"
#include "ledger/record.h"
#include "store/database.h"

namespace segue {

// Rows on their way into chunks.
struct StoredRows {
  const EventRows& rows;
  int kind = 0;  // As stored, see StoredNames.
  std::span<const CustomerIndex> customers;
  Sequence first = 0;      // Of the one that is stored first.
  std::size_t recipe = 0;  // Makes every row's dedupe text.
  std::int64_t late_before = 0;
};

class EventStore {
 public:
  using Visit = std::function<void(const Record&)>;

  // Requires: all outlive it.
  EventStore(Database& db, StoredNames& names, const Customers& customers);

  // A new record.
  void Add(Record record);
  // Between these two, new records go past the journal: EndBulk writes them as chunks.  For many at
  // once, in one transaction; whatever else than Add and Find is to happen, EndBulk comes first.
  void BeginBulk(std::size_t count);
  void EndBulk();
  // New records as rows, past the journal.  Their numbers in the order in which they are stored,
  // mostly by customer, and in which they get their sequences.
  std::vector<std::uint32_t> AddRows(const StoredRows& rows);
  // Other content of a record that is there; kind, sequence and time stay.
  void Update(const Record& record);
  // It is as if it had never been.
  void Remove(const Record& record);
  // The next Seal overwrites in the file whatever it holds of this customer.  Requires: all their
  // records are removed.
  void Forget(CustomerIndex customer);

  std::optional<Record> Find(int kind, Sequence sequence) const;
  // The one that lies in this place and has this dedupe text; quickest when it names `customer`.
  std::optional<Record> Find(int kind, KeyIndex::Place place, std::string_view dedupe,
                             std::optional<CustomerIndex> customer) const;
  // With after < time <= until, in no order.  The record is valid during the call only.
  // Requires of `parts`: what they leave out is not looked at.
  void Scan(int kind, std::int64_t after, std::int64_t until, const RecordParts& parts,
            const Visit& visit) const;
  void ScanCustomer(CustomerIndex customer, int kind, std::int64_t after, std::int64_t until,
                    const RecordParts& parts, const Visit& visit) const;
  // Arrived after that sequence.
  void ScanArrived(int kind, Sequence since, const RecordParts& parts, const Visit& visit) const;

  // Moves the journal into chunks, then rewrites and merges chunks.  Inside the caller's
  // transaction.
  void Seal();

  std::size_t journal_size() const { return journal_.size(); }

  // The number of the last event that is stored; 0: none is.
  Sequence newest() const {
    return std::max(sealed_until_, journal_.empty() ? 0 : journal_.rbegin()->first);
  }

  std::size_t chunk_count() const;

  // All that is in the journal, by sequence.
  const std::map<Sequence, Record>& journal() const { return journal_; }

 private:
  struct Chunk : ChunkMeta {
    std::int64_t id = 0;
    int kind = 0;
    std::unordered_set<Sequence> dead;
    bool holds_erased = false;
  };

  using Chunks = std::map<std::int64_t, Chunk>;

  void LoadChunks();
  void LoadJournal();
  void Enter(Record record);
  void Leave(Sequence sequence);
  void WriteRow(const Record& record);
  void MarkDead(const Record& record);
  const Chunks& KindChunks(int kind) const;

  std::shared_ptr<const Block> ReadBlock(std::int64_t chunk, std::size_t block) const;
  std::shared_ptr<const Directory> ReadDirectory(std::int64_t chunk) const;
  // Among those of the customer, or of all.
  std::optional<Record> FindInBlock(const Chunk& chunk, const Block& block, KeyIndex::Place place,
                                    std::string_view dedupe,
                                    std::optional<CustomerIndex> customer) const;
  std::optional<Record> FindInChunks(int kind, KeyIndex::Place place, std::string_view dedupe,
                                     std::optional<CustomerIndex> customer) const;
  // First block that may hold the customer; the others follow it for as long as they begin with no
  // larger one.
  static std::size_t FirstBlock(const Chunk& chunk, CustomerIndex customer);
  // Calls for each living row from `begin` to before `end` that fulfils `wanted(row)`.
  template <typename Wanted>
  void VisitRows(const Chunk& chunk, const Block& block, std::size_t begin, std::size_t end,
                 Wanted wanted, const RecordParts& parts, const Visit& visit) const;
  void VisitChunk(const Chunk& chunk, const Visit& visit) const;
  void Complete(const Chunk& chunk, const Block& block, std::size_t row, const RecordParts& parts,
                Record& record) const;

  using Pointers = std::vector<const Record*>;

  void SealKind(int kind);
  void WriteChunks(int kind, bool again, Pointers records);
  void WriteChunk(int kind, bool again, std::span<const Record*> records);
  std::vector<std::size_t> WriteBlocks(Chunk& chunk, std::span<const Record* const> records);
  std::vector<std::uint32_t> WriteRowChunk(const StoredRows& rows,
                                           std::span<const std::uint32_t> which, Sequence first);
  BlockDraft DraftRows(const StoredRows& rows, std::span<const std::uint32_t> which,
                       Sequence first) const;
  void WriteBlock(Chunk& chunk, CustomerIndex first, const std::string& bytes);
  void FinishChunk(Chunk chunk, const Directory& directory);
  void RewriteChunks(int kind);
  void MergeChunks(int kind, bool again);
  void Replace(int kind, bool again, const std::vector<std::int64_t>& ids);

  Database& db_;
  StoredNames& names_;
  const Customers& customers_;
  std::map<Sequence, Record> journal_;
  std::unordered_map<CustomerIndex, std::vector<Sequence>> journal_by_customer_;
  std::vector<std::set<std::pair<std::int64_t, Sequence>>> journal_by_time_;  // Per kind.
  std::vector<Chunks> chunks_;                                                // Per kind.
  std::vector<Record> bulk_;                                                  // By sequence.
  bool in_bulk_ = false;
  std::int64_t next_chunk_ = 1;
  Sequence sealed_until_ = 0;
  mutable Cache<Block> blocks_;
  mutable Cache<Directory> directories_;
};

}  // namespace segue
