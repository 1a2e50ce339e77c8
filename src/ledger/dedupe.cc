// Sorted runs of (hash, sequence) in blobs.
//
//   part = count, first hash, bits of the low halves, low halves packed, high halves in unary
//   (Elias and Fano 1974),
//          sequences as a column of integers
//
// With 48-bit hashes and ten million keys a hash costs 3.4 bytes and a sequence 3.

#include "ledger/dedupe.h"

#include <algorithm>
#include <bit>
#include <stdexcept>

#include "ledger/chunk.h"

namespace segue {
namespace {

constexpr std::size_t kPartEntries = 4096;
constexpr std::size_t kCachedParts = 256;
constexpr std::size_t kMergeWays = 4;
// A merge holds both sides in memory: 16 bytes for each entry.
constexpr std::size_t kRunEntriesMax = 8'000'000;
// The filter of a run: each key has its bits in one group of 512, which is one line of the cache.
constexpr std::size_t kBloomBitsPerKey = 16;
constexpr std::size_t kGroupWords = 8;
constexpr int kBloomProbes = 7;

std::size_t BloomWords(std::size_t keys) {
  return (keys * kBloomBitsPerKey / 64 / kGroupWords + 1) * kGroupWords;
}

std::uint64_t Mixed(std::uint64_t hash) {
  hash *= 0x9e3779b97f4a7c15U;
  hash ^= hash >> 32U;
  hash *= 0xd6e8feb86659fd93U;
  hash ^= hash >> 29U;
  hash *= 0x9e3779b97f4a7c15U;
  return hash ^ (hash >> 32U);
}

std::string EncodePart(const KeyIndex::Entry* entries, std::size_t count) {
  const std::uint64_t first = entries[0].hash;
  const std::uint64_t span = entries[count - 1].hash - first;
  const int low_bits = std::max(0, BitWidth(span / count) - 1);
  std::vector<std::uint64_t> lows(count);
  std::vector<std::uint64_t> highs;  // As bits: zeros and a one for each entry.
  IntColumn sequences;
  sequences.values.resize(count);
  std::size_t length = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t offset = entries[i].hash - first;
    lows[i] =
        low_bits == 0 ? 0 : offset & ((std::uint64_t{1} << static_cast<unsigned>(low_bits)) - 1);
    const std::size_t one = (offset >> static_cast<unsigned>(low_bits)) + i;
    highs.resize(one / 64 + 1, 0);
    highs[one / 64] |= std::uint64_t{1} << (one % 64);
    length = one + 1;
    sequences.values[i] = static_cast<std::int64_t>(entries[i].sequence);
  }
  ByteWriter out;
  out.Varint(count);
  out.Varint(first);
  out.Byte(static_cast<std::uint8_t>(low_bits));
  out.Bits(lows, low_bits);
  out.Varint(length);
  out.Bits(highs, 64);
  WriteInts(out, sequences);
  return out.Take();
}

KeyIndex::Part DecodePart(std::string_view bytes) {
  ByteReader in(bytes);
  const std::uint64_t count = in.Varint();
  if (count > kPartEntries) {
    in.Fail();
  }
  KeyIndex::Part part(in.failed() ? 0 : count);
  const std::uint64_t first = in.Varint();
  const int low_bits = in.Byte();
  const std::vector<std::uint64_t> lows = in.Bits(part.size(), low_bits);
  const std::uint64_t length = in.Varint();
  if (length > in.left() * 8 || low_bits > 63) {
    in.Fail();
  }
  const std::vector<std::uint64_t> highs = in.Bits(in.failed() ? 0 : (length + 63) / 64, 64);
  std::size_t next = 0;
  for (std::size_t word = 0; word < highs.size(); ++word) {
    for (std::uint64_t ones = highs[word]; ones != 0 && next < part.size(); ones &= ones - 1) {
      const std::size_t at = word * 64 + static_cast<std::size_t>(std::countr_zero(ones));
      if (at < next) {
        in.Fail();
      }
      part[next].hash = first + (((at - next) << static_cast<unsigned>(low_bits)) | lows[next]);
      ++next;
    }
  }
  const IntColumn sequences = ReadInts(in, part.size());
  if (in.failed() || next != part.size()) {
    throw std::runtime_error("the index of events in the state file is damaged: restore a backup.");
  }
  for (std::size_t i = 0; i < part.size(); ++i) {
    part[i].sequence = static_cast<Sequence>(sequences.values[i]);
  }
  return part;
}

}  // namespace

std::size_t KeyIndex::Run::Group(std::uint64_t hash) const {
  __extension__ using Wide = unsigned __int128;
  const std::size_t groups = bloom.size() / kGroupWords;
  return static_cast<std::size_t>(Wide{hash} * groups >> static_cast<unsigned>(bits)) * kGroupWords;
}

bool KeyIndex::Run::MayHold(std::uint64_t hash) const {
  std::uint64_t probe = Mixed(hash);
  const std::size_t group = Group(hash);
  probe >>= 1U;  // Nine bits of it for each of seven probes.
  std::uint64_t missing = 0;
  for (int i = 0; i < kBloomProbes; ++i, probe >>= 9U) {
    missing |= ~bloom[group + (probe >> 6U) % kGroupWords] & (std::uint64_t{1} << (probe % 64));
  }
  return missing == 0;
}

void KeyIndex::Run::Note(std::uint64_t hash) {
  std::uint64_t probe = Mixed(hash);
  const std::size_t group = Group(hash);
  probe >>= 1U;
  for (int i = 0; i < kBloomProbes; ++i, probe >>= 9U) {
    bloom[group + (probe >> 6U) % kGroupWords] |= std::uint64_t{1} << (probe % 64);
  }
}

KeyIndex::KeyIndex(Database& db, int bits)
    : db_(db),
      bits_(bits),
      mask_(~std::uint64_t{0} >> static_cast<unsigned>(64 - bits)),
      parts_(kCachedParts) {}

void KeyIndex::Load() const {
  if (loaded_) {
    return;
  }
  loaded_ = true;
  // The filters are not stored: they are quickly made of the hashes again.
  Statement sizes =
      db_.Prepare("SELECT run, count(*) FROM ledger_key_run GROUP BY run ORDER BY run");
  while (sizes.Step()) {
    Run& run = runs_.emplace_back();
    run.id = sizes.Int(0);
    run.bits = bits_;
    run.bloom.assign(BloomWords(static_cast<std::size_t>(sizes.Int(1)) * kPartEntries), 0);
    next_run_ = run.id + 1;
  }
  for (Run& run : runs_) {
    Statement parts = db_.Prepare("SELECT data FROM ledger_key_run WHERE run = ? ORDER BY part");
    parts.Bind(1, run.id);
    while (parts.Step()) {
      const Part part = DecodePart(parts.BlobView(0));
      run.first.push_back(part.front().hash);
      run.count += part.size();
      for (const Entry& entry : part) {
        run.Note(entry.hash);
      }
    }
  }
}

void KeyIndex::Add(std::uint64_t hash, Sequence sequence) {
  hash &= mask_;
  const auto [found, added] = recent_.emplace(hash, sequence);
  if (!added && found->second != sequence) {
    recent_more_.emplace(hash, sequence);
  }
}

bool KeyIndex::AddNew(std::uint64_t hash, Sequence sequence) {
  Load();
  hash &= mask_;
  const auto [found, added] = recent_.emplace(hash, sequence);
  if (!added) {
    recent_more_.emplace(hash, sequence);
    return false;
  }
  return std::none_of(runs_.begin(), runs_.end(),
                      [&](const Run& run) { return run.MayHold(hash); });
}

void KeyIndex::Expect(std::uint64_t hash) const {
  hash &= mask_;
  for (const Run& run : runs_) {
    __builtin_prefetch(&run.bloom[run.Group(hash)]);
  }
}

std::shared_ptr<const KeyIndex::Part> KeyIndex::ReadPart(std::int64_t run, std::size_t part) const {
  return parts_.Get((static_cast<std::uint64_t>(run) << 24U) | part, [&] {
    Statement read = db_.Prepare("SELECT data FROM ledger_key_run WHERE run = ? AND part = ?");
    read.Bind(1, run).Bind(2, static_cast<std::int64_t>(part));
    return std::make_shared<const Part>(
        DecodePart(read.Step() ? read.BlobView(0) : std::string_view()));
  });
}

void KeyIndex::FindInRun(const Run& run, std::uint64_t hash, std::vector<Sequence>& found) const {
  // The first part that may hold it: the last one that begins below it.
  const auto begin = std::lower_bound(run.first.begin(), run.first.end(), hash);
  auto part = static_cast<std::size_t>(begin - run.first.begin());
  for (part -= part > 0 ? 1 : 0; part < run.first.size() && run.first[part] <= hash; ++part) {
    const std::shared_ptr<const Part> entries = ReadPart(run.id, part);
    auto at = std::lower_bound(entries->begin(), entries->end(), Entry{hash, 0});
    for (; at != entries->end() && at->hash == hash; ++at) {
      found.push_back(at->sequence);
    }
  }
}

std::vector<Sequence> KeyIndex::Find(std::uint64_t hash) const {
  Load();
  hash &= mask_;
  std::vector<Sequence> found;
  if (const auto recent = recent_.find(hash); recent != recent_.end()) {
    found.push_back(recent->second);
    const auto [begin, end] = recent_more_.equal_range(hash);
    for (auto more = begin; more != end; ++more) {
      found.push_back(more->second);
    }
  }
  for (const Run& run : runs_) {
    if (run.MayHold(hash)) {
      FindInRun(run, hash, found);
    }
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

void KeyIndex::WriteRun(const std::vector<Entry>& entries) {
  Run run;
  run.id = next_run_++;
  run.bits = bits_;
  run.count = entries.size();
  run.bloom.assign(BloomWords(entries.size()), 0);
  for (std::size_t begin = 0; begin < entries.size(); begin += kPartEntries) {
    const std::size_t count = std::min(kPartEntries, entries.size() - begin);
    db_.Prepare("INSERT INTO ledger_key_run(run, part, data) VALUES (?, ?, ?)")
        .Bind(1, run.id)
        .Bind(2, static_cast<std::int64_t>(run.first.size()))
        .BindBlob(3, EncodePart(&entries[begin], count))
        .Run();
    run.first.push_back(entries[begin].hash);
  }
  for (const Entry& entry : entries) {
    run.Note(entry.hash);
  }
  runs_.push_back(std::move(run));
}

int KeyIndex::Tier(const Run& run) {
  return BitWidth(run.count / kPartEntries) / 2;
}

void KeyIndex::MergeRuns() {
  for (int tier = 0; tier < 16; ++tier) {
    std::vector<Entry> all;
    std::vector<std::int64_t> merged;
    std::size_t total = 0;
    for (const Run& run : runs_) {
      if (Tier(run) == tier && total + run.count <= kRunEntriesMax) {
        merged.push_back(run.id);
        total += run.count;
      }
    }
    if (merged.size() < kMergeWays) {
      continue;
    }
    all.reserve(total);
    for (const std::int64_t run : merged) {
      Statement parts = db_.Prepare("SELECT data FROM ledger_key_run WHERE run = ? ORDER BY part");
      parts.Bind(1, run);
      while (parts.Step()) {
        const Part part = DecodePart(parts.BlobView(0));
        all.insert(all.end(), part.begin(), part.end());
      }
      db_.Prepare("DELETE FROM ledger_key_run WHERE run = ?").Bind(1, run).Run();
    }
    std::erase_if(runs_, [&](const Run& run) {
      return std::find(merged.begin(), merged.end(), run.id) != merged.end();
    });
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
    WriteRun(all);
  }
}

void KeyIndex::Flush() {
  if (recent_.empty()) {
    return;
  }
  Load();
  std::vector<Entry> entries;
  entries.reserve(recent_.size() + recent_more_.size());
  for (const auto& [hash, sequence] : recent_) {
    entries.push_back({hash, sequence});
  }
  for (const auto& [hash, sequence] : recent_more_) {
    entries.push_back({hash, sequence});
  }
  std::sort(entries.begin(), entries.end());
  entries.erase(std::unique(entries.begin(), entries.end()), entries.end());
  recent_.clear();
  recent_more_.clear();
  WriteRun(entries);
  MergeRuns();
}

}  // namespace segue
