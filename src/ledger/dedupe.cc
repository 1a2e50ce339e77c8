// Runs of the index of keys, sorted by hash, their filters and how they are merged.

#include "ledger/dedupe.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <stdexcept>

#include "base/parallel.h"
#include "base/text.h"
#include "ledger/bytes.h"
#include "ledger/key_part.h"
#include "ledger/sealed.h"

namespace segue {
namespace {

constexpr std::size_t kPartsAtOnce = 256;  // Encoded, before they are written.
constexpr std::size_t kAskedAtOnce = 2 * 1024;
constexpr std::size_t kFiltersFetchedAhead = 12;
constexpr std::size_t kCachedParts = 512;
constexpr std::size_t kSortedMax = 32;  // Each is gone through with every batch.
constexpr std::size_t kMergeWays = 4;
// A merge holds both sides in memory: 16 bytes for each entry.
constexpr std::size_t kRunEntriesMax = 8'000'000;
// The filter of a run: each key has its bits in one group of 512, which is one line of the cache.
constexpr std::size_t kBloomBitsPerKey = 16;
constexpr std::size_t kGroupWords = 8;
constexpr int kBloomProbes = 7;

constexpr Sequence kGroupSequences = 4096;
// Settings: the ids of the runs, and `id:entries` of each.  An older program writes down neither,
// or the ids alone.
constexpr std::string_view kRunsStored = "ledger.key_runs";
constexpr std::string_view kRunSizes = "ledger.key_run_sizes";

std::uint64_t ExactPlace(Sequence sequence) {
  return (sequence / kGroupSequences << kWithinBits) | (1 + sequence % kGroupSequences);
}

std::uint64_t GroupPlace(Sequence sequence) {
  return sequence / kGroupSequences << kWithinBits;
}

KeyIndex::Place DecodedPlace(std::uint64_t place) {
  const Sequence first = (place >> kWithinBits) * kGroupSequences;
  const std::uint64_t within = place & kWithin;
  return within == 0 ? KeyIndex::Place{first, first + kGroupSequences - 1}
                     : KeyIndex::Place{first + within - 1, first + within - 1};
}

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

// Hashes are even: of as many buckets as there are entries nearly each holds one or two.
KeyIndex::Part SortedByHash(const KeyIndex::Part& entries, int bits) {
  const int width = std::min(bits, BitWidth(entries.size()));
  const auto bucket_of = [&](const KeyIndex::Entry& entry) {
    return entry.hash >> static_cast<unsigned>(bits - width);
  };
  std::vector<std::uint32_t> ends((std::size_t{1} << static_cast<unsigned>(width)) + 1, 0);
  for (const KeyIndex::Entry& entry : entries) {
    ++ends[bucket_of(entry) + 1];
  }
  std::partial_sum(ends.begin(), ends.end(), ends.begin());
  KeyIndex::Part sorted(entries.size());
  for (const KeyIndex::Entry& entry : entries) {
    sorted[ends[bucket_of(entry)]++] = entry;
  }
  std::uint32_t begin = 0;
  for (const std::uint32_t end : ends) {
    if (end - begin > 1) {
      std::sort(sorted.begin() + begin, sorted.begin() + end);
    }
    begin = end;
  }
  return sorted;
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

void KeyIndex::Damaged() const {
  throw std::runtime_error("state file " + db_.path() +
                           ": the index of keys is damaged. Restore a backup.");
}

void KeyIndex::WriteDownRuns() {
  std::vector<std::string> ids, sizes;
  for (const Run& run : runs_) {
    ids.push_back(std::to_string(run.id));
    sizes.push_back(ids.back() + ":" + std::to_string(run.count));
  }
  db_.SetSetting(kRunsStored, Join(ids, " "));
  db_.SetSetting(kRunSizes, Join(sizes, " "));
}

// By id, the entries, or 0 where they are not known.
std::map<std::int64_t, std::size_t> KeyIndex::RunsWrittenDown() const {
  std::map<std::int64_t, std::size_t> written;
  const std::string ids = db_.GetSetting(kRunsStored).value_or("");
  const std::string sizes = db_.GetSetting(kRunSizes).value_or("");
  for (const std::string_view id : Split(ids, ' ')) {
    if (!id.empty()) {
      written[std::stoll(std::string(id))] = 0;
    }
  }
  for (const std::string_view one : Split(sizes, ' ')) {
    const std::size_t colon = std::min(one.find(':'), one.size());
    const auto run =
        colon == one.size() ? written.end() : written.find(std::stoll(std::string(one)));
    if (run != written.end()) {
      run->second = std::stoull(std::string(one.substr(colon + 1)));
    }
  }
  return written;
}

// What a lost run knew would be taken for new.  An older program may have added runs, and merged
// others into one of them, which then holds at least as much as each of these.
void KeyIndex::RequireWrittenDown(const std::vector<Run>& runs) const {
  std::map<std::int64_t, std::size_t> missing = RunsWrittenDown();
  std::size_t added = 0;
  for (const Run& run : runs) {
    const auto known = missing.find(run.id);
    if (known == missing.end()) {
      added = std::max(added, run.count);
      continue;
    }
    if (known->second != 0 && known->second != run.count) {
      Damaged();
    }
    missing.erase(known);
  }
  for (const auto& [id, count] : missing) {
    if (added < std::max<std::size_t>(count, 1)) {
      Damaged();
    }
  }
}

// Calls with each part and how many there are.
template <typename Visit>
void KeyIndex::ReadRun(std::int64_t run, Visit visit) const {
  Statement parts =
      db_.Prepare("SELECT part, of, data FROM ledger_key_run WHERE run = ? ORDER BY part");
  parts.Bind(1, run);
  std::int64_t read = 0, of = 0;
  std::uint64_t last = 0;
  for (; parts.Step(); ++read) {
    of = parts.Int(1);
    const std::optional<std::string_view> body = Unsealed(parts.BlobView(2));
    const std::optional<KeyPart> opened = body ? KeyPart::Open(*body) : std::nullopt;
    const std::optional<Part> part = opened ? opened->All() : std::nullopt;
    if (!part || parts.Int(0) != read || part->front().hash < last || part->back().hash > mask_) {
      Damaged();
    }
    last = part->back().hash;
    visit(*part, static_cast<std::size_t>(of));
  }
  if (read != of) {
    Damaged();
  }
}

void KeyIndex::Load() const {
  if (loaded_) {
    return;
  }
  std::vector<Run> runs;
  Statement ids = db_.Prepare("SELECT DISTINCT run FROM ledger_key_run ORDER BY run");
  while (ids.Step()) {
    Run& run = runs.emplace_back();
    run.id = ids.Int(0);
    run.bits = bits_;
  }
  for (Run& run : runs) {
    ReadRun(run.id, [&](const Part& part, std::size_t of) {
      // The filters are not stored: they are quickly made of the hashes again.  All parts but the
      // last hold as many as the first.
      if (run.bloom.empty()) {
        const std::size_t most = part.size() * std::min(of, kRunEntriesMax);
        run.bloom.assign(BloomWords(std::min(most, kMergeWays * kRunEntriesMax)), 0);
      }
      run.first.push_back(part.front().hash);
      run.count += part.size();
      for (const Entry& entry : part) {
        run.Note(entry.hash);
      }
    });
    next_run_ = run.id + 1;
  }
  RequireWrittenDown(runs);
  runs_ = std::move(runs);
  loaded_ = true;
}

void KeyIndex::Add(std::uint64_t hash, Sequence sequence) {
  hash &= mask_;
  const std::uint64_t place = ExactPlace(sequence);
  const auto [found, added] = recent_.emplace(hash, place);
  if (!added && found->second != place) {
    recent_more_.emplace(hash, place);
  }
}

std::size_t KeyIndex::recent() const {
  std::size_t count = recent_.size();
  for (const Part& part : sorted_) {
    count += part.size();
  }
  return count;
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
  InRanges(entries.size(), kAskedAtOnce, [&](std::size_t begin, std::size_t end) {
    for (const Run& run : runs_) {
      for (std::size_t i = begin; i < end; ++i) {
        if (i + kFiltersFetchedAhead < end) {
          __builtin_prefetch(&run.bloom[run.Group(entries[i + kFiltersFetchedAhead].hash)]);
        }
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

KeyIndex::Asked KeyIndex::Ask(std::span<const std::uint64_t> hashes) const {
  Load();
  Asked asked;
  Part entries(hashes.size());
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    entries[i] = {hashes[i] & mask_, i};
  }
  asked.entries = SortedByHash(entries, bits_);
  const std::vector<std::uint8_t> known = Known(asked.entries);
  for (std::size_t i = 0; i < known.size(); ++i) {
    if (known[i] != 0) {
      asked.look.push_back(asked.entries[i].place);
    }
  }
  std::sort(asked.look.begin(), asked.look.end());
  return asked;
}

// All of them as one.
KeyIndex::Part KeyIndex::TakeSorted() {
  Part all;
  for (const Part& part : sorted_) {
    all.insert(all.end(), part.begin(), part.end());
  }
  sorted_.clear();
  return SortedByHash(all, bits_);
}

void KeyIndex::Add(Asked asked, std::span<const Sequence> sequences) {
  Part entries = std::move(asked.entries);
  for (Entry& entry : entries) {
    entry.place = GroupPlace(sequences[entry.place]);
  }
  sorted_.push_back(std::move(entries));
  if (sorted_.size() >= kSortedMax) {
    Part all = TakeSorted();
    sorted_.push_back(std::move(all));
  }
}

std::shared_ptr<const std::string> KeyIndex::ReadPart(std::int64_t run, std::size_t part) const {
  return parts_.Get((static_cast<std::uint64_t>(run) << 24U) | part, [&] {
    Statement read = db_.Prepare("SELECT data FROM ledger_key_run WHERE run = ? AND part = ?");
    read.Bind(1, run).Bind(2, static_cast<std::int64_t>(part));
    const std::optional<std::string_view> body =
        Unsealed(read.Step() ? read.BlobView(0) : std::string_view());
    if (!body) {
      Damaged();
    }
    return std::make_shared<const std::string>(*body);
  });
}

void KeyIndex::FindInRun(const Run& run, std::uint64_t hash,
                         std::vector<std::uint64_t>& found) const {
  // The first part that may hold it: the last one that begins below it.
  const auto begin = std::lower_bound(run.first.begin(), run.first.end(), hash);
  auto part = static_cast<std::size_t>(begin - run.first.begin());
  for (part -= part > 0 ? 1 : 0; part < run.first.size() && run.first[part] <= hash; ++part) {
    const std::shared_ptr<const std::string> body = ReadPart(run.id, part);
    const std::optional<KeyPart> opened = KeyPart::Open(*body);
    if (!opened) {
      Damaged();
    }
    opened->Find(hash, found);
  }
}

std::vector<KeyIndex::Place> KeyIndex::Find(std::uint64_t hash) const {
  Load();
  hash &= mask_;
  std::vector<std::uint64_t> found;
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
      found.push_back(at->place);
    }
  }
  for (const Run& run : runs_) {
    if (run.MayHold(hash)) {
      FindInRun(run, hash, found);
    }
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  std::vector<Place> places(found.size());
  std::transform(found.begin(), found.end(), places.begin(), DecodedPlace);
  return places;
}

void KeyIndex::WriteRun(const std::vector<Entry>& entries) {
  Run run;
  run.id = next_run_++;
  run.bits = bits_;
  run.count = entries.size();
  run.bloom.assign(BloomWords(entries.size()), 0);
  std::vector<std::string> parts;
  const std::size_t per_part = EntriesOfKeyPart(entries);
  const std::size_t count = (entries.size() + per_part - 1) / per_part;
  for (std::size_t begin = 0; begin < entries.size(); begin += kPartsAtOnce * per_part) {
    parts.resize(std::min(kPartsAtOnce, (entries.size() - begin + per_part - 1) / per_part));
    const auto start = [&](std::size_t part) { return begin + part * per_part; };
    InParallel(parts.size(), [&](std::size_t part) {
      parts[part] = EncodeKeyPart(std::span(entries).subspan(
          start(part), std::min(per_part, entries.size() - start(part))));
    });
    for (std::size_t part = 0; part < parts.size(); ++part) {
      db_.Prepare("INSERT INTO ledger_key_run(run, part, of, data) VALUES (?, ?, ?, ?)")
          .Bind(1, run.id)
          .Bind(2, static_cast<std::int64_t>(run.first.size()))
          .Bind(3, static_cast<std::int64_t>(count))
          .BindBlob(4, parts[part])
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
  return BitWidth(run.count / kKeyPartEntries) / 2;
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
      ReadRun(run, [&](const Part& part, std::size_t /*of*/) {
        all.insert(all.end(), part.begin(), part.end());
      });
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
  for (const auto& [hash, place] : recent_) {
    entries.push_back({hash, place});
  }
  for (const auto& [hash, place] : recent_more_) {
    entries.push_back({hash, place});
  }
  sorted_.push_back(std::move(entries));
  entries = TakeSorted();
  entries.erase(std::unique(entries.begin(), entries.end()), entries.end());
  recent_.clear();
  recent_more_.clear();
  WriteRun(entries);
  MergeRuns();
  WriteDownRuns();
}

}  // namespace segue
