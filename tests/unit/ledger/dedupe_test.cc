// Tests of the key index: what is added is found, in memory and in runs, before and after a
// restart.

#include "ledger/dedupe.h"

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <set>

#include <doctest/doctest.h>

#include "ledger/tables.h"

namespace segue {
namespace {

Database LedgerDatabase() {
  Database db = Database::Open(":memory:");
  db.Ensure("ledger", kLedgerTables);
  return db;
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
      CHECK(index.Find(42).back() == 1'000'000);
      index.Flush();
      index.Flush();
    }
    const KeyIndex index(db, bits);
    for (const auto& [hash, sequences] : known) {
      const std::vector<Sequence> found = index.Find(hash);
      REQUIRE(std::set<Sequence>(found.begin(), found.end()) == sequences);
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
      KeyIndex::Asked asked = index->Ask(hashes, sequence + 1);
      const std::vector<std::size_t> look = asked.look;
      CHECK(asked.Of(index->Cut(hashes[0])).size() >= 1);
      index->Add(std::move(asked));
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
      const std::vector<Sequence> found = index->Find(hash);
      REQUIRE(std::set<Sequence>(found.begin(), found.end()) == sequences);
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

}  // namespace
}  // namespace segue
