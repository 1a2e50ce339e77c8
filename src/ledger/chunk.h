// The columnar form of sealed events.  A chunk is up to 64 k records of one kind, sorted by
// customer and time, cut into blocks; each block stands alone and holds one small column per
// property, so that one customer's events are read from one block.
//
//   block = format byte, count, columns in a fixed order, fields by their stored number, 4 bytes of
//   check sum; each column stands behind its length, and is unpacked when it is asked for
//
//   integers: see ints.h
//   texts: presence, then the smallest of
//     0  a list of the distinct texts, and packed indexes into it
//     1  a common prefix and a number of fixed or free length, as integers
//     2  a common prefix, lengths as integers, and the bytes
//     3  texts of one length, place by place: what all have in common, or a number of few bits
//        for one of the letters that stand there (a UUID takes 122 bits so)

#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ledger/bytes.h"
#include "ledger/ints.h"
#include "ledger/record.h"

namespace segue {

// Of a long import: larger blocks leave fewer pages of the file half full …
constexpr std::size_t kBlockRecordsMax = 4096;
constexpr std::size_t kBlockBytesMax = 256 * 1024;  // Of texts; one record may be larger.
// … and of the journal, whose chunks are smaller and more, so that one customer's take less
// reading.
constexpr std::size_t kSealedBlockRecords = 1024;
constexpr std::size_t kSealedBlockBytes = 64 * 1024;
constexpr std::size_t kChunkRecordsMax = 64 * 1024;
constexpr std::size_t kChunkBytesMax = 4 * 1024 * 1024;  // Of texts, before they are packed.

struct TextColumn {
  std::vector<std::string> texts;
  std::vector<std::uint32_t> index;  // Into texts; kNoText: missing.

  static constexpr std::uint32_t kNoText = ~std::uint32_t{0};
};

// Those that point nowhere (data() is null) are missing.
void WriteTexts(ByteWriter& out, std::span<const std::string_view> texts);
TextColumn ReadTexts(ByteReader& in, std::size_t count);

// Which parts of a record a reader looks at; the others are left as they are by default.
struct RecordParts {
  bool all = true;          // Every field, the version, and the dedupe text.
  bool dedupe = false;      // If not all: the dedupe text too …
  std::vector<int> fields;  // … and these, by their stored numbers.

  bool Asks(int field) const {
    return all || std::find(fields.begin(), fields.end(), field) != fields.end();
  }
};

// What a block is made of.
struct BlockDraft {
  std::vector<std::int64_t> customers, sequences, times;
  IntColumn versions;
  std::vector<std::int64_t> flags;        // 1: late, 2: refunded.
  std::vector<std::int64_t> recipes;      // 0: the dedupe text stands in `dedupes`.
  std::vector<std::string_view> dedupes;  // Null where a recipe makes it.
  std::map<int, IntColumn> ints, refunds;
  std::map<int, std::vector<std::string_view>> texts;
};

constexpr std::int64_t kLateFlag = 1, kRefundedFlag = 2;

class Block {
 public:
  std::size_t count() const { return count_; }

  const std::vector<std::int64_t>& customers() const { return Whole(customers_); }

  const std::vector<std::int64_t>& sequences() const { return Whole(sequences_); }

  const std::vector<std::int64_t>& times() const { return Whole(times_); }

  const std::vector<std::int64_t>& recipes() const { return Whole(recipes_); }

  // Everything that is asked for but kind and, where a recipe makes it, dedupe.  A refunded record
  // has all its fields, since what is left of it takes them all.
  void Fill(std::size_t row, const RecordParts& parts, Record& record) const;

  // Whether this field of the row may be this text; only of texts it is known without Fill.
  bool MayBe(std::size_t row, int field, std::string_view text) const;

  // Unpacks everything; false: something is damaged.  Elsewhere damage is thrown.
  bool UnpackAll() const;

 private:
  friend std::optional<Block> DecodeBlockBody(std::string_view bytes);

  template <typename Column>
  struct Packed {
    std::string_view bytes = {};
    mutable bool unpacked = false;
    mutable Column column = {};
  };

  using PackedInts = Packed<IntColumn>;
  using PackedTexts = Packed<TextColumn>;

  template <typename Column>
  bool Unpack(const Packed<Column>& packed) const;
  template <typename Column>
  const Column& Get(const Packed<Column>& packed) const;
  const std::vector<std::int64_t>& Whole(const PackedInts& packed) const;

  std::size_t count_ = 0;
  std::unique_ptr<const std::string> bytes_;  // The columns point into it.
  PackedInts customers_, sequences_, times_, versions_, flags_, recipes_;
  PackedTexts dedupes_;
  std::vector<std::pair<int, PackedInts>> ints_, refunds_;
  std::vector<std::pair<int, PackedTexts>> texts_;
};

// Requires: at most kBlockRecordsMax, all of one kind.
std::string EncodeBlock(const BlockDraft& draft);
// `recipes`: one per record, 0 stores its dedupe text.
std::string EncodeBlock(std::span<const Record* const> records,
                        std::span<const std::size_t> recipes);
// Nothing when the check sum says that the bytes are damaged.
std::optional<Block> DecodeBlock(std::string_view bytes);
// Without the check sum at the end; for fuzzing.
std::optional<Block> DecodeBlockBody(std::string_view bytes);

// Which block holds which sequence, in runs of neighbours that lie in one block.
struct Directory {
  std::vector<std::int64_t> sequences;  // The first of each run, ascending.
  std::vector<std::int64_t> lengths;
  std::vector<std::int64_t> blocks;

  // Requires: larger than all before.
  void Add(Sequence sequence, std::int64_t block, std::int64_t length = 1);

  std::optional<std::int64_t> Find(Sequence sequence) const;
  // Of the sequences from the first to the last; ascending.
  std::vector<std::int64_t> BlocksOf(Sequence first, Sequence last) const;
};

std::string EncodeDirectory(const Directory& directory);
std::optional<Directory> DecodeDirectory(std::string_view bytes);

}  // namespace segue
