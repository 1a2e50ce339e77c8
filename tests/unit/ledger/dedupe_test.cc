// Tests of the key index: what is added is found, in memory and in runs, before and after a
// restart.

#include "ledger/dedupe.h"

#include <algorithm>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <random>
#include <set>
#include <stdexcept>
#include <string>

#include <doctest/doctest.h>

#include "ledger/sealed.h"
#include "ledger/tables.h"

namespace segue {
namespace {

Database LedgerDatabase() {
  Database db = Database::Open(":memory:");
  db.Ensure("ledger", kLedgerTables);
  return db;
}

// Where they are, as far as they are known exactly.
std::set<Sequence> Exact(const std::vector<KeyIndex::Place>& places) {
  std::set<Sequence> sequences;
  for (const KeyIndex::Place& place : places) {
    CHECK(place.first == place.last);
    sequences.insert(place.first);
  }
  return sequences;
}

bool Covers(const std::vector<KeyIndex::Place>& places, Sequence sequence) {
  return std::any_of(places.begin(), places.end(), [&](const KeyIndex::Place& place) {
    return place.first <= sequence && sequence <= place.last;
  });
}

TEST_CASE(
    "dedupe: everything that was added is found through many runs and merges, and after a "
    "restart") {
  for (const int bits : {64, 48, 12, 1}) {
    CAPTURE(bits);
    Database db = LedgerDatabase();
    std::mt19937_64 random(5);
    std::map<std::uint64_t, std::set<Sequence>> known;
    const std::uint64_t mask = ~std::uint64_t{0} >> static_cast<unsigned>(64 - bits);
    {
      KeyIndex index(db, bits);
      Sequence sequence = 0;
      const int per_run = bits == 1 ? 100 : 700;
      for (int run = 0; run < 23; ++run) {
        for (int i = 0; i < per_run; ++i) {
          const std::uint64_t hash = random();
          index.Add(hash, ++sequence);
          known[hash & mask].insert(sequence);
        }
        index.Flush();
      }
      index.Add(42, 1'000'000);
      known[42 & mask].insert(1'000'000);
      CHECK(Exact(index.Find(42)).contains(1'000'000));
      index.Flush();
      index.Flush();
    }
    const KeyIndex index(db, bits);
    for (const auto& [hash, sequences] : known) {
      REQUIRE(Exact(index.Find(hash)) == sequences);
    }
    if (bits >= 48) {
      CHECK(index.Find(0x123456).empty());
    }
    Statement runs = db.Prepare("SELECT count(DISTINCT run) FROM ledger_key_run");
    REQUIRE(runs.Step());
    CHECK(runs.Int(0) < 10);
  }
}

TEST_CASE("dedupe: of many at once, all are looked at closer that were known, and hardly another") {
  for (const int bits : {64, 48, 12, 1}) {
    CAPTURE(bits);
    Database db = LedgerDatabase();
    auto index = std::make_unique<KeyIndex>(db, bits);
    const std::uint64_t mask = ~std::uint64_t{0} >> static_cast<unsigned>(64 - bits);
    std::mt19937_64 random(6);
    std::map<std::uint64_t, std::set<Sequence>> known;
    std::vector<std::uint64_t> all;
    Sequence sequence = 0;
    std::size_t needless = 0;
    for (int round = 0; round < 40; ++round) {
      std::vector<std::uint64_t> hashes(1 + random() % 300);
      std::set<std::size_t> expected;
      for (std::size_t i = 0; i < hashes.size(); ++i) {
        hashes[i] = !all.empty() && random() % 20 == 0 ? all[random() % all.size()] : random();
        all.push_back(hashes[i]);
        if (!known[hashes[i] & mask].empty()) {
          expected.insert(i);
        }
        known[hashes[i] & mask].insert(sequence + 1 + i);
      }
      KeyIndex::Asked asked = index->Ask(hashes);
      const std::vector<std::size_t> look = asked.look;
      CHECK(asked.Of(index->Cut(hashes[0])).size() >= 1);
      std::vector<Sequence> sequences(hashes.size());
      std::iota(sequences.begin(), sequences.end(), sequence + 1);
      index->Add(std::move(asked), sequences);
      sequence += hashes.size();
      REQUIRE(std::is_sorted(look.begin(), look.end()));
      REQUIRE(std::includes(look.begin(), look.end(), expected.begin(), expected.end()));
      needless += look.size() - expected.size();
      index->Add(all.emplace_back(random()), ++sequence);
      known[all.back() & mask].insert(sequence);
      if (round % 7 == 6) {
        index->Flush();
        CHECK(index->recent() == 0);
      }
      if (round % 14 == 13) {
        index = std::make_unique<KeyIndex>(db, bits);
      }
    }
    CHECK((bits < 48 || needless < all.size() / 500));
    for (const auto& [hash, sequences] : known) {
      const std::vector<KeyIndex::Place> found = index->Find(hash);
      for (const Sequence one : sequences) {
        REQUIRE(Covers(found, one));
      }
      REQUIRE(found.size() <= 2 * sequences.size());
    }
  }
}

TEST_CASE("dedupe: an entry costs under seven bytes") {
  Database db = LedgerDatabase();
  KeyIndex index(db, 48);
  std::mt19937_64 random(9);
  constexpr int kEntries = 200'000;
  for (Sequence i = 0; i < kEntries; ++i) {
    index.Add(random(), i);
  }
  index.Flush();
  Statement size = db.Prepare("SELECT sum(length(data)) FROM ledger_key_run");
  REQUIRE(size.Step());
  CHECK(size.Int(0) < kEntries * 7);
}

TEST_CASE(
    "dedupe: of what is added at once an entry costs under four bytes, and it says near which "
    "others") {
  Database db = LedgerDatabase();
  KeyIndex index(db, 36);
  std::mt19937_64 random(9);
  constexpr std::size_t kEntries = 200'000;
  std::vector<std::uint64_t> hashes(kEntries);
  std::generate(hashes.begin(), hashes.end(), [&] { return random(); });
  std::vector<Sequence> sequences(kEntries);
  std::iota(sequences.begin(), sequences.end(), Sequence{77});
  index.Add(index.Ask(hashes), sequences);
  index.Flush();
  for (std::size_t i = 0; i < kEntries; i += 1000) {
    const std::vector<KeyIndex::Place> found = index.Find(hashes[i]);
    REQUIRE(Covers(found, sequences[i]));
    CHECK(found.front().last - found.front().first < 5000);
  }
  Statement size = db.Prepare("SELECT sum(length(data)) FROM ledger_key_run");
  REQUIRE(size.Step());
  CHECK(size.Int(0) < static_cast<std::int64_t>(kEntries * 4));
}

TEST_CASE(
    "dedupe: a few places far from all others come back as they were, and cost the others "
    "nothing") {
  std::mt19937_64 random(9);
  std::vector<KeyEntry> entries(kKeyPartEntries);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const std::uint64_t group = i % 1000 == 7 ? random() >> 14U : 5000 + random() % 256;
    entries[i] = {i * 4000 + random() % 4000, group << kWithinBits | random() % (kWithin + 1)};
  }
  const std::string bytes = EncodeKeyPart(entries);
  CHECK(bytes.size() * 8 < entries.size() * (8 + kWithinBits + 14) + 1000);
  const KeyPart part = KeyPart::Open(Unsealed(bytes).value()).value();
  CHECK(part.All() == entries);
  for (const KeyEntry& entry : entries) {
    std::vector<std::uint64_t> places;
    part.Find(entry.hash, places);
    REQUIRE(places == std::vector<std::uint64_t>{entry.place});
  }
}

TEST_CASE(
    "dedupe: a part of a run that is damaged under its sum is refused, or read within its bytes") {
  std::mt19937_64 random(9);
  std::vector<KeyEntry> entries(300);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    entries[i] = {i * 977, random() >> (i % 50 == 3 ? 2U : 40U)};
  }
  const std::string sealed = EncodeKeyPart(entries);
  const std::string whole(Unsealed(sealed).value());
  for (int trial = 0; trial < 4000; ++trial) {
    std::string bytes = whole.substr(0, trial % 4 == 0 ? random() % whole.size() : whole.size());
    if (!bytes.empty() && trial % 4 != 0) {
      bytes[random() % (trial % 2 == 0 ? 12 : bytes.size())] = static_cast<char>(random());
    }
    if (const std::optional<KeyPart> part = KeyPart::Open(bytes)) {
      std::vector<std::uint64_t> places;
      part->Find(random() % 300'000, places);
      if (const std::optional<std::vector<KeyEntry>> all = part->All()) {
        CHECK(all->size() <= kKeyPartEntries);
        CHECK(std::is_sorted(all->begin(), all->end(),
                             [](const KeyEntry& a, const KeyEntry& b) { return a.hash < b.hash; }));
      }
    }
  }
}

TEST_CASE("dedupe: an index that is damaged in the file is refused, with advice") {
  Database db = LedgerDatabase();
  KeyIndex index(db, 36);
  std::mt19937_64 random(9);
  for (Sequence i = 0; i < 20'000; ++i) {
    index.Add(random(), i);
  }
  index.Flush();
  int bits = 36;
  SUBCASE("bytes") {
    db.Execute(
        "UPDATE ledger_key_run SET data = CAST(substr(data, 1, 99) || x'5a5a' || substr(data, "
        "102) AS BLOB)");
  }
  SUBCASE("the first part is missing") {
    db.Execute("DELETE FROM ledger_key_run WHERE part = 0");
  }
  SUBCASE("the last part is missing") {
    db.Execute("DELETE FROM ledger_key_run WHERE part = (SELECT max(part) FROM ledger_key_run)");
  }
  SUBCASE("all of it is missing") {
    db.Execute("DELETE FROM ledger_key_run");
  }
  SUBCASE("its hashes are longer than they may be") {
    bits = 30;
  }
  const KeyIndex damaged(db, bits);
  CHECK_THROWS_WITH_AS(damaged.Load(), doctest::Contains("Restore a backup"), std::runtime_error);
}

// An index beside which an older program works: it does not write down which runs there are, or
// only their ids.
struct TwoPrograms {
  explicit TwoPrograms(bool older_writes_ids) : writes_ids(older_writes_ids) {
    Flush(5000);
    Flush(300);
    FlushAsOlder(300);
    CHECK_NOTHROW(Load());
  }

  void Flush(int entries) {
    KeyIndex index(db, 48);
    for (int i = 0; i < entries; ++i) {
      index.Add(random(), static_cast<Sequence>(i));
    }
    index.Flush();
  }

  void FlushAsOlder(int entries) {
    const std::string sizes = db.GetSetting("ledger.key_run_sizes").value_or("");
    const std::string ids = db.GetSetting("ledger.key_runs").value_or("");
    Flush(entries);
    db.SetSetting("ledger.key_run_sizes", sizes);
    if (!writes_ids) {
      db.SetSetting("ledger.key_runs", ids);
    }
  }

  void Load() { KeyIndex(db, 48).Load(); }

  bool writes_ids;
  Database db = LedgerDatabase();
  std::mt19937_64 random{3};
};

TEST_CASE("dedupe: runs that an older program merged into one are no damage, and losing that is") {
  for (const bool writes_ids : {false, true}) {
    CAPTURE(writes_ids);
    TwoPrograms two(writes_ids);
    two.FlushAsOlder(300);
    two.FlushAsOlder(300);
    Statement runs = two.db.Prepare("SELECT count(DISTINCT run) FROM ledger_key_run");
    REQUIRE(runs.Step());
    REQUIRE(runs.Int(0) == 2);
    runs.Reset();
    CHECK_NOTHROW(two.Load());
    two.Flush(10);
    CHECK_NOTHROW(two.Load());
    two.db.Execute("DELETE FROM ledger_key_run WHERE run = (SELECT max(run) FROM ledger_key_run)");
    CHECK_THROWS_WITH_AS(two.Load(), doctest::Contains("Restore a backup"), std::runtime_error);
  }
}

TEST_CASE("dedupe: a lost run is missed also when an older program added another") {
  for (const bool writes_ids : {false, true}) {
    CAPTURE(writes_ids);
    TwoPrograms two(writes_ids);
    two.db.Execute("DELETE FROM ledger_key_run WHERE run = 1");
    CHECK_THROWS_WITH_AS(two.Load(), doctest::Contains("Restore a backup"), std::runtime_error);
  }
}

TEST_CASE("dedupe: a lost run is missed also when an older program gave its number again") {
  TwoPrograms two(true);
  two.db.Execute("DELETE FROM ledger_key_run WHERE run > 1");
  const std::string ids = *two.db.GetSetting("ledger.key_runs");
  two.db.SetSetting("ledger.key_runs", "1");
  two.FlushAsOlder(7);
  two.db.SetSetting("ledger.key_runs", ids);
  CHECK_THROWS_WITH_AS(two.Load(), doctest::Contains("Restore a backup"), std::runtime_error);
}

}  // namespace
}  // namespace segue
