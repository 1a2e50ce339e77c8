// Tests of the forms in which sealed events are kept: every value comes back, and damage is
// noticed.

#include "ledger/chunk.h"

#include <limits>
#include <random>

#include <doctest/doctest.h>

namespace segue {
namespace {

constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();

void CheckInts(const std::vector<std::int64_t>& values, const std::vector<bool>& present = {}) {
  ByteWriter out;
  WriteInts(out, {values, present});
  ByteReader in(out.bytes());
  const IntColumn column = ReadInts(in, values.size());
  CHECK_FALSE(in.failed());
  CHECK(in.left() == 0);
  for (std::size_t i = 0; i < values.size(); ++i) {
    CHECK(column.Has(i) == (present.empty() || present[i]));
    if (column.Has(i)) {
      CHECK(column.values[i] == values[i]);
    }
  }
}

std::size_t CheckTexts(const std::vector<std::string>& texts) {
  std::vector<std::string_view> column;
  for (const std::string& text : texts) {
    column.push_back(text == "missing" ? std::string_view() : std::string_view(text));
  }
  ByteWriter out;
  WriteTexts(out, column);
  ByteReader in(out.bytes());
  const TextColumn read = ReadTexts(in, texts.size());
  CHECK_FALSE(in.failed());
  CHECK(in.left() == 0);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (texts[i] == "missing") {
      CHECK(read.index[i] == TextColumn::kNoText);
    } else {
      REQUIRE(read.index[i] < read.texts.size());
      CHECK(read.texts[read.index[i]] == texts[i]);
    }
  }
  return out.size();
}

std::vector<Record> SomeRecords(std::size_t count) {
  std::mt19937_64 random(7);
  std::vector<Record> records(count);
  for (std::size_t i = 0; i < count; ++i) {
    Record& record = records[i];
    record.sequence = 1000 + (i * 7919) % count;
    record.customer = static_cast<CustomerIndex>(i / 3);
    record.time = 1'700'000'000'000'000 + static_cast<std::int64_t>(random() % 86'400) * 1'000'000;
    record.fields = {"order-" + std::to_string(random() % 10'000'000),
                     static_cast<std::int64_t>(random() % 9000), Value()};
    if (i % 5 == 0) {
      record.version = static_cast<std::int64_t>(i);
      record.fields.push_back(std::string("só"));
    } else {
      record.fields.push_back(Value());
    }
    record.late = i % 11 == 0;
    if (i % 13 == 0) {
      record.refunded = true;
      record.refunds = {{1, static_cast<std::int64_t>(i)}};
    }
    record.dedupe = i % 7 == 0 ? "own text " + std::to_string(i) : "";
  }
  return records;
}

std::vector<const Record*> Pointers(const std::vector<Record>& records) {
  std::vector<const Record*> pointers;
  for (const Record& record : records) {
    pointers.push_back(&record);
  }
  return pointers;
}

TEST_CASE("chunk: columns of integers come back whatever they hold") {
  CheckInts({});
  CheckInts({5});
  CheckInts({kMin, kMax, 0, -1, 1});
  CheckInts({kMax, kMin, kMax, kMin});
  CheckInts({1000, 1000, 1000});
  CheckInts({3600, 7200, 10800, 18000});
  CheckInts({1, 2, 3, 4, 5, 1000, 1001});
  CheckInts({1, 0, 3}, {true, false, true});
  CheckInts({0, 0}, {false, false});
  std::mt19937_64 random(1);
  for (int width = 0; width <= 64; ++width) {
    std::vector<std::int64_t> values;
    for (int i = 0; i < 77; ++i) {
      values.push_back(
          width == 0 ? 3
                     : static_cast<std::int64_t>(random() >> static_cast<unsigned>(64 - width)));
    }
    CheckInts(values);
  }
}

TEST_CASE("chunk: a few large numbers do not widen the others") {
  std::mt19937_64 random(3);
  std::vector<std::int64_t> values(2000);
  for (std::int64_t& value : values) {
    value = static_cast<std::int64_t>(random() % 1024);
  }
  ByteWriter even;
  WriteInts(even, {values, {}});
  for (const std::size_t at : {0U, 1U, 700U, 1999U}) {
    values[at] = static_cast<std::int64_t>(random() >> 2U);
  }
  CheckInts(values);
  ByteWriter few_large;
  WriteInts(few_large, {values, {}});
  CHECK(few_large.size() < even.size() + 4 * 12);
  values.insert(values.begin(), kMin);
  values.push_back(kMax);
  CheckInts(values);
  std::vector<std::int64_t> ascending;
  for (std::int64_t i = 0; i < 3000; ++i) {
    ascending.push_back((ascending.empty() ? 0 : ascending.back()) +
                        (i % 500 == 7 ? 1'000'000 : i % 13));
  }
  CheckInts(ascending);
  ByteWriter steps;
  WriteInts(steps, {ascending, {}});
  CHECK(steps.size() < 3000 * 4 / 8 + 100);
}

TEST_CASE("chunk: columns of texts come back whatever they hold") {
  CheckTexts({});
  CheckTexts({""});
  CheckTexts({"missing", "missing"});
  CheckTexts({"a", "missing", "", "a"});
  CheckTexts({"007", "08"});
  CheckTexts({"007", "008", "123"});
  CheckTexts({"o-1", "o-10", "o-", "o-99999999999999999999"});
  CheckTexts({"1", "10", "100"});
  CheckTexts({"0", "00"});
  CheckTexts({"ab\0c",
              "ab\x1F"
              "d",
              std::string(3, '\0')});
  CheckTexts({"-5", "-6"});
  CheckTexts({std::string(100'000, 'x'), "y"});
}

TEST_CASE("chunk: numbered ids cost what their numbers cost") {
  std::vector<std::string> ids;
  std::mt19937_64 random(3);
  for (int i = 0; i < 1024; ++i) {
    ids.push_back("shop-" + std::to_string(1'000'000 + random() % 9'000'000));
  }
  CHECK(CheckTexts(ids) < 1024 * 3 + 20);
}

TEST_CASE("chunk: ids of one shape cost what their letters cost") {
  std::vector<std::string> uuids;
  std::mt19937_64 random(5);
  for (int i = 0; i < 1024; ++i) {
    std::string text = "00000000-0000-4000-8000-000000000000";
    for (std::size_t place = 0; place < text.size(); ++place) {
      if (text[place] == '0') {
        text[place] = "0123456789abcdef"[random() % 16];
      }
    }
    uuids.push_back(text);
  }
  ByteWriter out;
  WriteTexts(out, std::vector<std::string_view>(uuids.begin(), uuids.end()));
  CHECK(out.size() < 1024 * 15 + 200);
  const std::string bytes = out.Take();
  ByteReader in(bytes);
  const TextColumn back = ReadTexts(in, 1024);
  CHECK(back.texts == uuids);
  CHECK_FALSE(in.failed());
}

TEST_CASE("chunk: a block gives back every record") {
  const std::vector<Record> records = SomeRecords(1024);
  std::vector<std::size_t> recipes;
  for (std::size_t i = 0; i < records.size(); ++i) {
    recipes.push_back(i % 7 == 0 ? 0 : 1 + i % 2);
  }
  const std::string bytes = EncodeBlock(Pointers(records), recipes);
  const std::optional<Block> block = DecodeBlock(bytes);
  REQUIRE(block);
  REQUIRE(block->count() == records.size());
  Record record;
  for (std::size_t i = 0; i < records.size(); ++i) {
    block->Fill(i, RecordParts(), record);
    record.fields.resize(records[i].fields.size());
    CHECK(record == records[i]);
    CHECK(block->recipes()[i] == static_cast<std::int64_t>(recipes[i]));
  }
}

TEST_CASE("chunk: one flipped bit or a cut end is noticed") {
  const std::vector<Record> records = SomeRecords(64);
  const std::string bytes = EncodeBlock(Pointers(records), std::vector<std::size_t>(64, 0));
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ (1 << (i % 8)));
    CHECK_FALSE(DecodeBlock(damaged));
    CHECK_FALSE(DecodeBlock(std::string_view(bytes).substr(0, i)));
  }
}

TEST_CASE("chunk: damaged bytes under a right check sum fail or decode, and nothing worse") {
  const std::vector<Record> records = SomeRecords(40);
  const std::string bytes = EncodeBlock(Pointers(records), std::vector<std::size_t>(40, 0));
  const std::string body = bytes.substr(0, bytes.size() - 4);
  std::mt19937_64 random(11);
  int decoded = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string damaged = body;
    for (std::uint64_t changes = random() % 4 + 1; changes > 0; --changes) {
      damaged[random() % damaged.size()] = static_cast<char>(random());
    }
    if (const auto block = DecodeBlockBody(damaged); block && block->UnpackAll()) {
      Record record;
      for (std::size_t row = 0; row < block->count(); ++row) {
        block->Fill(row, RecordParts(), record);
      }
      ++decoded;
    }
  }
  CHECK(decoded > 0);
}

TEST_CASE("chunk: a directory finds the block of each sequence and of no other") {
  Directory directory;
  for (std::int64_t i = 0; i < 5000; ++i) {
    directory.Add(static_cast<Sequence>(10 + i * 3), i % 5);
  }
  const std::optional<Directory> read = DecodeDirectory(EncodeDirectory(directory));
  REQUIRE(read);
  CHECK(read->Find(10) == 0);
  CHECK(read->Find(13) == 1);
  CHECK_FALSE(read->Find(11));
  CHECK_FALSE(read->Find(9));
  CHECK_FALSE(read->Find(100'000));
  CHECK(read->BlocksOf(11, 12).empty());
  CHECK(read->BlocksOf(12, 16) == std::vector<std::int64_t>{1, 2});
}

TEST_CASE("chunk: neighbours in one block take no room in a directory") {
  Directory directory;
  for (Sequence i = 0; i < 3000; ++i) {
    directory.Add(50 + i, static_cast<std::int64_t>(i / 1000));
  }
  directory.Add(5000, 7, 500);
  CHECK(directory.sequences.size() == 4);
  const std::string bytes = EncodeDirectory(directory);
  CHECK(bytes.size() < 60);
  const std::optional<Directory> read = DecodeDirectory(bytes);
  REQUIRE(read);
  CHECK(read->Find(50) == 0);
  CHECK(read->Find(1049) == 0);
  CHECK(read->Find(1050) == 1);
  CHECK(read->Find(3049) == 2);
  CHECK_FALSE(read->Find(3050));
  CHECK_FALSE(read->Find(4999));
  CHECK(read->Find(5499) == 7);
  CHECK_FALSE(read->Find(5500));
  CHECK(read->BlocksOf(0, 49).empty());
  CHECK(read->BlocksOf(1000, 1100) == std::vector<std::int64_t>{0, 1});
  CHECK(read->BlocksOf(3049, 9000) == std::vector<std::int64_t>{2, 7});
}

TEST_CASE("record: a journal row comes back, and a cut one does not") {
  for (const Record& record : SomeRecords(50)) {
    const std::string bytes = EncodeRecord(record);
    CHECK(DecodeRecord(record.sequence, bytes) == record);
    CHECK_FALSE(DecodeRecord(record.sequence, std::string_view(bytes).substr(0, bytes.size() - 1)));
    CHECK_FALSE(DecodeRecord(record.sequence, bytes + "x"));
  }
}

}  // namespace
}  // namespace segue
