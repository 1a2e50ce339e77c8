// A KeyIndex finds the events behind a hash: by their dedupe text, and by the field that refunds
// name them with.
//
// It only proposes: hashes are cut to a few bytes, entries are never taken out, and the caller
// reads the event and compares the full text.  New entries are kept in memory (the ledger has them
// all) until Flush writes them as a sorted run; runs of one size are merged, and a Bloom filter per
// run answers most questions about keys that are not there.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include "domain/fact.h"
#include "ledger/cache.h"
#include "ledger/key_part.h"
#include "store/database.h"

namespace segue {

class KeyIndex {
 public:
  // `bits`: how much of a hash is kept; always the same for one file.  Requires: db outlives it.
  KeyIndex(Database& db, int bits);

  // Where an event may be: under one sequence, or under one from the first to the last.
  struct Place {
    Sequence first = 0, last = 0;

    // clang-tidy 14 sees a 0 in what the compiler makes of this.
    friend auto operator<=>(const Place&, const Place&) = default;  // NOLINT(modernize-use-nullptr)
  };

  void Add(std::uint64_t hash, Sequence sequence);

  using Entry = KeyEntry;  // Of those that are asked about, the place is their number.
  using Part = std::vector<Entry>;

  // Many that are to be added at once.
  struct Asked {
    Part entries;  // By hash.
    // Where in the hashes the caller must look closer, ascending: one that was there before, or
    // that stands there twice (each but its first).  All others are new, for certain.
    std::vector<std::size_t> look;

    // Those of one hash.
    std::span<const Entry> Of(std::uint64_t hash) const;
  };

  Asked Ask(std::span<const std::uint64_t> hashes) const;
  // `sequences`: of each of the hashes.  Kept of them is near which others they lie, which takes
  // half the bytes.  Requires: events with neighbouring sequences are quickly looked through.
  void Add(Asked asked, std::span<const Sequence> sequences);

  // As it is kept.
  std::uint64_t Cut(std::uint64_t hash) const { return hash & mask_; }

  // Ascending, without repetitions.
  std::vector<Place> Find(std::uint64_t hash) const;
  // Writes what was added since the last Flush, inside the caller's transaction.
  void Flush();
  // Reads the runs, which else happens when they are first asked: a plan never does.
  void Load() const;

  std::size_t recent() const;  // Added since the last Flush.

 private:
  struct Run {
    std::int64_t id = 0;
    int bits = 0;  // Of the hashes.
    std::size_t count = 0;
    std::vector<std::uint64_t> first;  // Of each part.
    std::vector<std::uint64_t> bloom;

    // Where the group of a hash begins.  Groups stand in the order of the hashes, as runs do: to
    // note a whole run goes through memory once, from one end to the other.
    std::size_t Group(std::uint64_t hash) const;
    bool MayHold(std::uint64_t hash) const;
    void Note(std::uint64_t hash);
  };

  void WriteDownRuns();
  std::map<std::int64_t, std::size_t> RunsWrittenDown() const;
  void RequireWrittenDown(const std::vector<Run>& runs) const;
  [[noreturn]] void Damaged() const;  // A std::runtime_error.
  template <typename Visit>
  void ReadRun(std::int64_t run, Visit visit) const;
  Part TakeSorted();
  std::vector<std::uint8_t> Known(const std::vector<Entry>& entries) const;
  std::shared_ptr<const std::string> ReadPart(std::int64_t run, std::size_t part) const;
  void FindInRun(const Run& run, std::uint64_t hash, std::vector<std::uint64_t>& found) const;
  void WriteRun(const std::vector<Entry>& entries);
  void MergeRuns();
  static int Tier(const Run& run);

  Database& db_;
  int bits_;
  std::uint64_t mask_;
  // By hash, the place.
  boost::unordered_flat_map<std::uint64_t, std::uint64_t> recent_;
  std::multimap<std::uint64_t, std::uint64_t>
      recent_more_;           // Those whose hash is in recent_ already.
  std::vector<Part> sorted_;  // What was added at once.
  mutable bool loaded_ = false;
  mutable std::vector<Run> runs_;
  mutable std::int64_t next_run_ = 1;
  mutable Cache<std::string> parts_;  // As they lie in the file, without their sums.
};

}  // namespace segue
