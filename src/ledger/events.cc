// Reading and changing of stored events.  seal.cc moves them from the journal into chunks.

#include "ledger/events.h"

#include <algorithm>
#include <stdexcept>

#include "base/check.h"

namespace segue {
namespace {

constexpr std::size_t kCachedBlocks = 48;
constexpr std::size_t kCachedDirectories = 16;

[[noreturn]] void Damaged(const Database& db, const std::string& what) {
  throw std::runtime_error("state file " + db.path() + ": " + what +
                           " is damaged. Restore a backup.");
}

}  // namespace

EventStore::EventStore(Database& db, StoredNames& names, const Customers& customers)
    : db_(db),
      names_(names),
      customers_(customers),
      blocks_(kCachedBlocks),
      directories_(kCachedDirectories) {
  journal_by_time_.resize(static_cast<std::size_t>(names.KindCount()));
  chunks_.resize(static_cast<std::size_t>(names.KindCount()));
  LoadChunks();
  LoadJournal();
}

void EventStore::LoadChunks() {
  Statement all = db_.Prepare("SELECT id, kind, meta FROM ledger_chunk ORDER BY id");
  while (all.Step()) {
    const std::optional<ChunkMeta> meta = DecodeChunkMeta(all.BlobView(2));
    const auto kind = static_cast<std::size_t>(all.Int(1));
    if (!meta || kind >= chunks_.size() || meta->last >= customers_.count()) {
      Damaged(db_, "chunk " + std::to_string(all.Int(0)));
    }
    Chunk& chunk = chunks_[kind][all.Int(0)];
    chunk.id = all.Int(0);
    chunk.kind = static_cast<int>(kind);
    static_cast<ChunkMeta&>(chunk) = *meta;
    next_chunk_ = chunk.id + 1;
    sealed_until_ = std::max(sealed_until_, chunk.max_sequence);
  }
  Statement dead = db_.Prepare(
      "SELECT c.kind, d.chunk, d.sequence, d.erased FROM ledger_dead d JOIN ledger_chunk c ON c.id "
      "= d.chunk");
  while (dead.Step()) {
    Chunk& chunk = chunks_[static_cast<std::size_t>(dead.Int(0))].at(dead.Int(1));
    chunk.dead.insert(static_cast<Sequence>(dead.Int(2)));
    chunk.holds_erased = chunk.holds_erased || dead.Int(3) != 0;
  }
}

void EventStore::LoadJournal() {
  Statement rows = db_.Prepare("SELECT sequence, record FROM ledger_journal ORDER BY sequence");
  while (rows.Step()) {
    std::optional<Record> record =
        DecodeRecord(static_cast<Sequence>(rows.Int(0)), rows.BlobView(1));
    if (!record || record->kind >= names_.KindCount() || record->customer >= customers_.count()) {
      Damaged(db_, "row " + std::to_string(rows.Int(0)) + " of the journal");
    }
    Enter(std::move(*record));
  }
}

void EventStore::Enter(Record record) {
  const Sequence sequence = record.sequence;
  journal_by_customer_[record.customer].push_back(sequence);
  journal_by_time_[static_cast<std::size_t>(record.kind)].emplace(record.time, sequence);
  journal_.emplace(sequence, std::move(record));
}

void EventStore::Leave(Sequence sequence) {
  const auto found = journal_.find(sequence);
  SEGUE_CHECK(found != journal_.end());
  const Record& record = found->second;
  const auto of_customer = journal_by_customer_.find(record.customer);
  std::erase(of_customer->second, sequence);
  if (of_customer->second.empty()) {
    journal_by_customer_.erase(of_customer);
  }
  journal_by_time_[static_cast<std::size_t>(record.kind)].erase({record.time, sequence});
  journal_.erase(found);
}

void EventStore::WriteRow(const Record& record) {
  db_.Prepare("INSERT OR REPLACE INTO ledger_journal(sequence, record) VALUES (?, ?)")
      .Bind(1, static_cast<std::int64_t>(record.sequence))
      .BindBlob(2, EncodeRecord(record))
      .Run();
}

void EventStore::BeginBulk(std::size_t count) {
  in_bulk_ = true;
  bulk_.reserve(count);
}

void EventStore::EndBulk() {
  in_bulk_ = false;
  if (bulk_.empty()) {
    return;
  }
  std::vector<Record> records = std::exchange(bulk_, {});
  for (int kind = 0; kind < names_.KindCount(); ++kind) {
    Pointers of_kind;
    for (const Record& record : records) {
      if (record.kind == kind) {
        of_kind.push_back(&record);
      }
    }
    WriteChunks(kind, false, std::move(of_kind));
  }
  sealed_until_ = std::max(sealed_until_, records.back().sequence);
}

void EventStore::Add(Record record) {
  if (in_bulk_) {
    bulk_.push_back(std::move(record));
    return;
  }
  WriteRow(record);
  Enter(std::move(record));
}

void EventStore::Update(const Record& record) {
  EndBulk();
  if (journal_.contains(record.sequence)) {
    Leave(record.sequence);
  } else {
    MarkDead(record);
  }
  WriteRow(record);
  Enter(record);
}

void EventStore::Remove(const Record& record) {
  EndBulk();
  if (!journal_.contains(record.sequence)) {
    MarkDead(record);
    return;
  }
  Leave(record.sequence);
  db_.Prepare("DELETE FROM ledger_journal WHERE sequence = ?")
      .Bind(1, static_cast<std::int64_t>(record.sequence))
      .Run();
}

const EventStore::Chunks& EventStore::KindChunks(int kind) const {
  return chunks_[static_cast<std::size_t>(kind)];
}

std::size_t EventStore::chunk_count() const {
  std::size_t count = 0;
  for (const Chunks& chunks : chunks_) {
    count += chunks.size();
  }
  return count;
}

void EventStore::MarkDead(const Record& record) {
  for (auto& [id, chunk] : chunks_[static_cast<std::size_t>(record.kind)]) {
    if (chunk.min_sequence <= record.sequence && record.sequence <= chunk.max_sequence &&
        !chunk.dead.contains(record.sequence) && ReadDirectory(id)->Find(record.sequence)) {
      db_.Prepare("INSERT INTO ledger_dead(chunk, sequence, erased) VALUES (?, ?, 0)")
          .Bind(1, id)
          .Bind(2, static_cast<std::int64_t>(record.sequence))
          .Run();
      chunk.dead.insert(record.sequence);
      return;
    }
  }
  SEGUE_CHECK(!"a record that is in no chunk");
}

std::size_t EventStore::FirstBlock(const Chunk& chunk, CustomerIndex customer) {
  // The last block that begins with a smaller customer may end with this one.
  const auto begin = std::lower_bound(chunk.first.begin(), chunk.first.end(), customer);
  const auto block = static_cast<std::size_t>(begin - chunk.first.begin());
  return block - (block > 0 ? 1 : 0);
}

void EventStore::Forget(CustomerIndex customer) {
  for (Chunks& chunks : chunks_) {
    for (auto& [id, chunk] : chunks) {
      for (std::size_t at = FirstBlock(chunk, customer);
           at < chunk.first.size() && chunk.first[at] <= customer && customer <= chunk.last; ++at) {
        const std::shared_ptr<const Block> block = ReadBlock(id, at);
        for (std::size_t row = 0; row < block->count(); ++row) {
          if (block->customers()[row] != static_cast<std::int64_t>(customer)) {
            continue;
          }
          SEGUE_CHECK(chunk.dead.contains(static_cast<Sequence>(block->sequences()[row])));
          chunk.holds_erased = true;
          db_.Prepare("UPDATE ledger_dead SET erased = 1 WHERE chunk = ? AND sequence = ?")
              .Bind(1, id)
              .Bind(2, block->sequences()[row])
              .Run();
        }
      }
    }
  }
}

std::shared_ptr<const Block> EventStore::ReadBlock(std::int64_t chunk, std::size_t block) const {
  return blocks_.Get((static_cast<std::uint64_t>(chunk) << 16U) | block, [&] {
    Statement read = db_.Prepare("SELECT data FROM ledger_block WHERE chunk = ? AND block = ?");
    read.Bind(1, chunk).Bind(2, static_cast<std::int64_t>(block));
    std::optional<Block> decoded = DecodeBlock(read.Step() ? read.BlobView(0) : std::string_view());
    if (!decoded) {
      Damaged(db_, "block " + std::to_string(block) + " of chunk " + std::to_string(chunk));
    }
    return std::make_shared<const Block>(std::move(*decoded));
  });
}

std::shared_ptr<const Directory> EventStore::ReadDirectory(std::int64_t chunk) const {
  return directories_.Get(static_cast<std::uint64_t>(chunk), [&] {
    Statement read = db_.Prepare("SELECT data FROM ledger_block WHERE chunk = ? AND block = -1");
    read.Bind(1, chunk);
    std::optional<Directory> decoded =
        DecodeDirectory(read.Step() ? read.BlobView(0) : std::string_view());
    if (!decoded) {
      Damaged(db_, "the directory of chunk " + std::to_string(chunk));
    }
    return std::make_shared<const Directory>(std::move(*decoded));
  });
}

void EventStore::Complete(const Chunk& chunk, const Block& block, std::size_t row,
                          const RecordParts& parts, Record& record) const {
  record.kind = chunk.kind;
  block.Fill(row, parts, record);
  if ((parts.all || parts.dedupe) && block.recipes()[row] > 0) {
    const auto recipe = static_cast<std::size_t>(block.recipes()[row]);
    if (recipe > names_.Kind(chunk.kind).recipes.size() || record.customer >= customers_.count()) {
      Damaged(db_, "chunk " + std::to_string(chunk.id));
    }
    record.dedupe = names_.Compose(record, recipe, customers_.Key(record.customer));
  }
}

template <typename Wanted>
void EventStore::VisitRows(const Chunk& chunk, const Block& block, std::size_t begin,
                           std::size_t end, Wanted wanted, const RecordParts& parts,
                           const Visit& visit) const {
  Record record;
  for (std::size_t row = begin; row < end; ++row) {
    if (wanted(row) && (chunk.dead.empty() ||
                        !chunk.dead.contains(static_cast<Sequence>(block.sequences()[row])))) {
      Complete(chunk, block, row, parts, record);
      visit(record);
    }
  }
}

void EventStore::VisitChunk(const Chunk& chunk, const Visit& visit) const {
  for (std::size_t number = 0; number < chunk.first.size(); ++number) {
    const std::shared_ptr<const Block> block = ReadBlock(chunk.id, number);
    VisitRows(
        chunk, *block, 0, block->count(), [](std::size_t) { return true; }, RecordParts(), visit);
  }
}

std::optional<Record> EventStore::Find(int kind, Sequence sequence) const {
  if (!bulk_.empty() && sequence >= bulk_.front().sequence) {
    const auto found = std::lower_bound(
        bulk_.begin(), bulk_.end(), sequence,
        [](const Record& record, Sequence wanted) { return record.sequence < wanted; });
    return found != bulk_.end() && found->sequence == sequence && found->kind == kind
               ? std::optional(*found)
               : std::nullopt;
  }
  if (const auto found = journal_.find(sequence); found != journal_.end()) {
    return found->second.kind == kind ? std::optional(found->second) : std::nullopt;
  }
  std::optional<Record> result;
  for (const auto& [id, chunk] : KindChunks(kind)) {
    if (sequence < chunk.min_sequence || sequence > chunk.max_sequence ||
        chunk.dead.contains(sequence)) {
      continue;
    }
    if (const auto number = ReadDirectory(id)->Find(sequence)) {
      const auto block = ReadBlock(id, static_cast<std::size_t>(*number));
      const std::vector<std::int64_t>& sequences = block->sequences();
      VisitRows(
          chunk, *block, 0, block->count(),
          [&](std::size_t row) { return sequences[row] == static_cast<std::int64_t>(sequence); },
          RecordParts(), [&](const Record& record) { result = record; });
      return result;
    }
  }
  return result;
}

std::optional<Record> EventStore::FindInBlock(const Chunk& chunk, const Block& block,
                                              KeyIndex::Place place, std::string_view dedupe,
                                              std::optional<CustomerIndex> customer) const {
  const std::vector<std::vector<int>>& recipes = names_.Kind(chunk.kind).recipes;
  RecordParts parts{.all = false, .dedupe = true, .fields = {}};
  for (const std::vector<int>& recipe : recipes) {
    parts.fields.insert(parts.fields.end(), recipe.begin(), recipe.end());
  }
  // Most often the dedupe text is one field.
  const auto may_be = [&](std::size_t row) {
    const auto recipe = static_cast<std::size_t>(block.recipes()[row]);
    return recipe == 0 || recipe > recipes.size() || recipes[recipe - 1].size() != 1 ||
           recipes[recipe - 1][0] < 0 || block.MayBe(row, recipes[recipe - 1][0], dedupe);
  };
  const std::vector<std::int64_t>& sequences = block.sequences();
  Record record;
  const auto look = [&](std::size_t begin, std::size_t end) {
    for (std::size_t row = begin; row < end; ++row) {
      const auto sequence = static_cast<Sequence>(sequences[row]);
      if (place.first <= sequence && sequence <= place.last && !chunk.dead.contains(sequence) &&
          may_be(row)) {
        Complete(chunk, block, row, parts, record);
        if (record.dedupe == dedupe) {
          Complete(chunk, block, row, RecordParts(), record);
          return true;
        }
      }
    }
    return false;
  };
  std::size_t begin = 0, end = block.count();
  if (customer) {
    const std::vector<std::int64_t>& customers = block.customers();
    const auto [first, last] =
        std::equal_range(customers.begin(), customers.end(), static_cast<std::int64_t>(*customer));
    begin = static_cast<std::size_t>(first - customers.begin());
    end = static_cast<std::size_t>(last - customers.begin());
  }
  return look(begin, end) ? std::optional(std::move(record)) : std::nullopt;
}

std::optional<Record> EventStore::FindInChunks(int kind, KeyIndex::Place place,
                                               std::string_view dedupe,
                                               std::optional<CustomerIndex> customer) const {
  for (const auto& [id, chunk] : KindChunks(kind)) {
    if (place.last < chunk.min_sequence || place.first > chunk.max_sequence) {
      continue;
    }
    for (const std::int64_t number : ReadDirectory(id)->BlocksOf(place.first, place.last)) {
      const std::shared_ptr<const Block> block = ReadBlock(id, static_cast<std::size_t>(number));
      if (std::optional<Record> found = FindInBlock(chunk, *block, place, dedupe, customer)) {
        return found;
      }
    }
  }
  return std::nullopt;
}

std::optional<Record> EventStore::Find(int kind, KeyIndex::Place place, std::string_view dedupe,
                                       std::optional<CustomerIndex> customer) const {
  if (place.first == place.last) {
    std::optional<Record> record = Find(kind, place.first);
    return record && record->dedupe == dedupe ? std::move(record) : std::nullopt;
  }
  for (auto at = journal_.lower_bound(place.first); at != journal_.end() && at->first <= place.last;
       ++at) {
    if (at->second.kind == kind && at->second.dedupe == dedupe) {
      return at->second;
    }
  }
  if (customer) {
    if (std::optional<Record> found = FindInChunks(kind, place, dedupe, customer)) {
      return found;
    }
  }
  return FindInChunks(kind, place, dedupe, std::nullopt);
}

void EventStore::Scan(int kind, std::int64_t after, std::int64_t until, const RecordParts& parts,
                      const Visit& visit) const {
  const auto& by_time = journal_by_time_[static_cast<std::size_t>(kind)];
  for (auto at = by_time.upper_bound({after, ~Sequence{0}});
       at != by_time.end() && at->first <= until; ++at) {
    visit(journal_.at(at->second));
  }
  for (const auto& [id, chunk] : KindChunks(kind)) {
    if (chunk.min_time > until || chunk.max_time <= after) {
      continue;
    }
    for (std::size_t number = 0; number < chunk.first.size(); ++number) {
      const std::shared_ptr<const Block> block = ReadBlock(id, number);
      const std::vector<std::int64_t>& times = block->times();
      VisitRows(
          chunk, *block, 0, block->count(),
          [&](std::size_t row) { return after < times[row] && times[row] <= until; }, parts, visit);
    }
  }
}

void EventStore::ScanCustomer(CustomerIndex customer, int kind, std::int64_t after,
                              std::int64_t until, const RecordParts& parts,
                              const Visit& visit) const {
  if (const auto found = journal_by_customer_.find(customer); found != journal_by_customer_.end()) {
    for (const Sequence sequence : found->second) {
      const Record& record = journal_.at(sequence);
      if (record.kind == kind && after < record.time && record.time <= until) {
        visit(record);
      }
    }
  }
  for (const auto& [id, chunk] : KindChunks(kind)) {
    if (chunk.min_time > until || chunk.max_time <= after || customer > chunk.last) {
      continue;
    }
    for (std::size_t number = FirstBlock(chunk, customer);
         number < chunk.first.size() && chunk.first[number] <= customer; ++number) {
      const std::shared_ptr<const Block> block = ReadBlock(id, number);
      const std::vector<std::int64_t>& customers = block->customers();
      const auto [first, last] =
          std::equal_range(customers.begin(), customers.end(), static_cast<std::int64_t>(customer));
      if (first == last) {
        continue;
      }
      const std::vector<std::int64_t>& times = block->times();
      VisitRows(
          chunk, *block, static_cast<std::size_t>(first - customers.begin()),
          static_cast<std::size_t>(last - customers.begin()),
          [&](std::size_t row) { return after < times[row] && times[row] <= until; }, parts, visit);
    }
  }
}

void EventStore::ScanArrived(int kind, Sequence since, const RecordParts& parts,
                             const Visit& visit) const {
  for (auto at = journal_.upper_bound(since); at != journal_.end(); ++at) {
    if (at->second.kind == kind) {
      visit(at->second);
    }
  }
  for (const auto& [id, chunk] : KindChunks(kind)) {
    for (std::size_t number = 0; chunk.max_sequence > since && number < chunk.first.size();
         ++number) {
      const std::shared_ptr<const Block> block = ReadBlock(id, number);
      const std::vector<std::int64_t>& sequences = block->sequences();
      VisitRows(
          chunk, *block, 0, block->count(),
          [&](std::size_t row) { return static_cast<Sequence>(sequences[row]) > since; }, parts,
          visit);
    }
  }
}

}  // namespace segue
