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
#include <numeric>
#include <stdexcept>

#include "base/parallel.h"
#include "ledger/chunk.h"

namespace segue {
namespace {

constexpr std::size_t kPartEntries = 4096;
constexpr std::size_t kPartsAtOnce = 256;  // Encoded, before they are written.
constexpr std::size_t kAskedAtOnce = 8 * 1024;
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

KeyIndex::Part Merged(const KeyIndex::Part& a, const KeyIndex::Part& b) {
  KeyIndex::Part merged(a.size() + b.size());
  std::merge(a.begin(), a.end(), b.begin(), b.end(), merged.begin());
  return merged;
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

std::size_t KeyIndex::recent() const {
  std::size_t count = recent_.size();
  for (const Part& part : sorted_) {
    count += part.size();
  }
  return count;
}

// Hashes are even: of as many buckets as there are entries nearly each holds one or two.
std::vector<KeyIndex::Entry> KeyIndex::Sorted(std::span<const std::uint64_t> hashes,
                                              Sequence first) const {
  const int width = std::min(bits_, BitWidth(hashes.size()));
  const auto bucket_of = [&](std::uint64_t hash) {
    return (hash & mask_) >> static_cast<unsigned>(bits_ - width);
  };
  std::vector<std::uint32_t> ends((std::size_t{1} << static_cast<unsigned>(width)) + 1, 0);
  for (const std::uint64_t hash : hashes) {
    ++ends[bucket_of(hash) + 1];
  }
  std::partial_sum(ends.begin(), ends.end(), ends.begin());
  std::vector<Entry> entries(hashes.size());
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    entries[ends[bucket_of(hashes[i])]++] = {hashes[i] & mask_, first + i};
  }
  std::uint32_t begin = 0;
  for (const std::uint32_t end : ends) {
    if (end - begin > 1) {
      std::sort(entries.begin() + begin, entries.begin() + end);
    }
    begin = end;
  }
  return entries;
}

// For each whether its hash is here already, or was the one before it.
std::vector<std::uint8_t> KeyIndex::Known(const std::vector<Entry>& entries) const {
  std::vector<std::uint8_t> known(entries.size(), 0);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    known[i] = (i > 0 && entries[i - 1].hash == entries[i].hash) ||
               (!recent_.empty() && recent_.contains(entries[i].hash));
  }
  for (const Part& part : sorted_) {
    auto at = part.begin();
    for (std::size_t i = 0; i < entries.size() && at != part.end(); ++i) {
      while (at != part.end() && at->hash < entries[i].hash) {
        ++at;
      }
      known[i] |= static_cast<std::uint8_t>(at != part.end() && at->hash == entries[i].hash);
    }
  }
  // In the order of the hashes the filters are gone through from one end to the other.
  InParallel((entries.size() + kAskedAtOnce - 1) / kAskedAtOnce, [&](std::size_t part) {
    const std::size_t end = std::min(entries.size(), (part + 1) * kAskedAtOnce);
    for (const Run& run : runs_) {
      for (std::size_t i = part * kAskedAtOnce; i < end; ++i) {
        known[i] |= static_cast<std::uint8_t>(run.MayHold(entries[i].hash));
      }
    }
  });
  return known;
}

std::span<const KeyIndex::Entry> KeyIndex::Asked::Of(std::uint64_t hash) const {
  const auto begin = std::lower_bound(entries.begin(), entries.end(), Entry{hash, 0});
  const auto end =
      std::find_if(begin, entries.end(), [&](const Entry& entry) { return entry.hash != hash; });
  return {begin, end};
}

KeyIndex::Asked KeyIndex::Ask(std::span<const std::uint64_t> hashes, Sequence first) const {
  Load();
  Asked asked;
  asked.entries = Sorted(hashes, first);
  const std::vector<std::uint8_t> known = Known(asked.entries);
  for (std::size_t i = 0; i < known.size(); ++i) {
    if (known[i] != 0) {
      asked.look.push_back(asked.entries[i].sequence - first);
    }
  }
  std::sort(asked.look.begin(), asked.look.end());
  return asked;
}

void KeyIndex::Add(Asked asked) {
  Part entries = std::move(asked.entries);
  for (; !sorted_.empty() && sorted_.back().size() < 2 * entries.size(); sorted_.pop_back()) {
    entries = Merged(sorted_.back(), entries);
  }
  sorted_.push_back(std::move(entries));
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
  for (const Part& part : sorted_) {
    auto at = std::lower_bound(part.begin(), part.end(), Entry{hash, 0});
    for (; at != part.end() && at->hash == hash; ++at) {
      found.push_back(at->sequence);
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
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin < entries.size(); begin += kPartsAtOnce * kPartEntries) {
    parts.resize(
        std::min(kPartsAtOnce, (entries.size() - begin + kPartEntries - 1) / kPartEntries));
    const auto start = [&](std::size_t part) { return begin + part * kPartEntries; };
    InParallel(parts.size(), [&](std::size_t part) {
      parts[part] =
          EncodePart(&entries[start(part)], std::min(kPartEntries, entries.size() - start(part)));
    });
    for (std::size_t part = 0; part < parts.size(); ++part) {
      db_.Prepare("INSERT INTO ledger_key_run(run, part, data) VALUES (?, ?, ?)")
          .Bind(1, run.id)
          .Bind(2, static_cast<std::int64_t>(run.first.size()))
          .BindBlob(3, parts[part])
          .Run();
      run.first.push_back(entries[start(part)].hash);
    }
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
      const std::size_t before = all.size();
      Statement parts = db_.Prepare("SELECT data FROM ledger_key_run WHERE run = ? ORDER BY part");
      parts.Bind(1, run);
      while (parts.Step()) {
        const Part part = DecodePart(parts.BlobView(0));
        all.insert(all.end(), part.begin(), part.end());
      }
      const auto middle = all.begin() + static_cast<std::ptrdiff_t>(before);
      std::inplace_merge(all.begin(), middle, all.end());
      db_.Prepare("DELETE FROM ledger_key_run WHERE run = ?").Bind(1, run).Run();
    }
    std::erase_if(runs_, [&](const Run& run) {
      return std::find(merged.begin(), merged.end(), run.id) != merged.end();
    });
    all.erase(std::unique(all.begin(), all.end()), all.end());
    WriteRun(all);
  }
}

void KeyIndex::Flush() {
  if (recent() == 0) {
    return;
  }
  Load();
  Part entries;
  entries.reserve(recent_.size() + recent_more_.size());
  for (const auto& [hash, sequence] : recent_) {
    entries.push_back({hash, sequence});
  }
  for (const auto& [hash, sequence] : recent_more_) {
    entries.push_back({hash, sequence});
  }
  std::sort(entries.begin(), entries.end());
  for (; !sorted_.empty(); sorted_.pop_back()) {
    entries = Merged(sorted_.back(), entries);
  }
  entries.erase(std::unique(entries.begin(), entries.end()), entries.end());
  recent_.clear();
  recent_more_.clear();
  WriteRun(entries);
  MergeRuns();
}

}  // namespace segue
