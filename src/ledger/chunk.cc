// Blocks of sealed events and directories of their sequences.

#include "ledger/chunk.h"

#include <algorithm>
#include <map>

#include "base/check.h"
#include "base/hash.h"

namespace segue {
namespace {

constexpr std::uint8_t kFormat = 1;
constexpr std::int64_t kLate = 1, kRefunded = 2;
constexpr std::size_t kFieldsMax = 1024;
// Damage, not attack, is what the check sum finds, so its key may be known.
constexpr HashKey kSumKey{.low = 0x5365677565426c6bU, .high = 1};

std::string Sealed(ByteWriter& out) {
  const std::uint64_t sum = KeyedHash(kSumKey, out.bytes());
  for (unsigned shift = 0; shift < 32; shift += 8) {
    out.Byte(static_cast<std::uint8_t>(sum >> shift));
  }
  return out.Take();
}

std::optional<std::string_view> Unsealed(std::string_view bytes) {
  if (bytes.size() < 4) {
    return std::nullopt;
  }
  const std::string_view body = bytes.substr(0, bytes.size() - 4);
  const std::uint64_t sum = KeyedHash(kSumKey, body);
  for (std::size_t i = 0; i < 4; ++i) {
    if (static_cast<std::uint8_t>(bytes[body.size() + i]) !=
        static_cast<std::uint8_t>(sum >> (8 * i))) {
      return std::nullopt;
    }
  }
  return body;
}

void AddText(TextColumn& column, std::size_t row, const std::string& text) {
  column.index[row] = static_cast<std::uint32_t>(column.texts.size());
  column.texts.push_back(text);
}

void SetInt(IntColumn& column, std::size_t row, std::size_t count, std::int64_t value) {
  column.values.resize(count);
  column.present.resize(count, false);
  column.values[row] = value;
  column.present[row] = true;
}

void WriteFields(ByteWriter& out, std::span<const Record* const> records) {
  std::map<int, IntColumn> ints;
  std::map<int, TextColumn> texts;
  std::map<int, IntColumn> refunds;
  for (std::size_t row = 0; row < records.size(); ++row) {
    for (std::size_t field = 0; field < records[row]->fields.size(); ++field) {
      const Value& value = records[row]->fields[field];
      if (const auto* number = std::get_if<std::int64_t>(&value)) {
        SetInt(ints[static_cast<int>(field)], row, records.size(), *number);
      } else if (const auto* text = std::get_if<std::string>(&value)) {
        TextColumn& column = texts[static_cast<int>(field)];
        column.index.resize(records.size(), TextColumn::kNoText);
        AddText(column, row, *text);
      }
    }
    for (const auto& [field, amount] : records[row]->refunds) {
      SetInt(refunds[field], row, records.size(), amount);
    }
  }
  for (const std::map<int, IntColumn>* group : {&ints, &refunds}) {
    out.Varint(group->size());
    for (const auto& [field, column] : *group) {
      out.Varint(static_cast<std::uint64_t>(field));
      WriteInts(out, column);
    }
  }
  out.Varint(texts.size());
  for (const auto& [field, column] : texts) {
    out.Varint(static_cast<std::uint64_t>(field));
    WriteTexts(out, column);
  }
}

template <typename Column, typename Read>
void ReadFields(ByteReader& in, std::size_t count, std::vector<std::pair<int, Column>>& fields,
                Read read) {
  const std::uint64_t size = in.Varint();
  if (size > kFieldsMax) {
    in.Fail();
  }
  for (std::uint64_t i = 0; i < size && !in.failed(); ++i) {
    const std::uint64_t field = in.Varint();
    if (field >= kFieldsMax) {
      in.Fail();
      return;
    }
    fields.emplace_back(static_cast<int>(field), read(in, count));
  }
}

std::vector<std::int64_t> ReadAll(ByteReader& in, std::size_t count) {
  IntColumn column = ReadInts(in, count);
  if (!column.present.empty()) {
    in.Fail();
  }
  return std::move(column.values);
}

}  // namespace

void Block::Fill(std::size_t row, Record& record) const {
  record.sequence = static_cast<Sequence>(sequences[row]);
  record.customer = static_cast<CustomerIndex>(customers[row]);
  record.time = times[row];
  record.version = versions.Has(row) ? std::optional(versions.values[row]) : std::nullopt;
  record.late = (flags[row] & kLate) != 0;
  record.refunded = (flags[row] & kRefunded) != 0;
  record.dedupe.clear();
  if (recipes[row] == 0 && dedupes.index[row] != TextColumn::kNoText) {
    record.dedupe = dedupes.texts[dedupes.index[row]];
  }
  int last = -1;
  for (const auto& [field, column] : int_fields) {
    last = std::max(last, field);
  }
  for (const auto& [field, column] : text_fields) {
    last = std::max(last, field);
  }
  record.fields.resize(static_cast<std::size_t>(last + 1));
  std::fill(record.fields.begin(), record.fields.end(), Value());
  for (const auto& [field, column] : int_fields) {
    if (column.Has(row)) {
      record.fields[static_cast<std::size_t>(field)] = column.values[row];
    }
  }
  for (const auto& [field, column] : text_fields) {
    if (column.index[row] != TextColumn::kNoText) {
      record.fields[static_cast<std::size_t>(field)] = column.texts[column.index[row]];
    }
  }
  record.refunds.clear();
  for (const auto& [field, column] : refunds) {
    if (column.Has(row)) {
      record.refunds.emplace_back(field, column.values[row]);
    }
  }
}

std::string EncodeBlock(std::span<const Record* const> records,
                        std::span<const std::size_t> recipes) {
  SEGUE_CHECK(records.size() <= kBlockRecordsMax && recipes.size() == records.size());
  IntColumn customers, sequences, times, versions, flags, recipe;
  TextColumn dedupes;
  dedupes.index.assign(records.size(), TextColumn::kNoText);
  versions.values.assign(records.size(), 0);
  versions.present.assign(records.size(), false);
  for (std::size_t row = 0; row < records.size(); ++row) {
    const Record& record = *records[row];
    customers.values.push_back(record.customer);
    sequences.values.push_back(static_cast<std::int64_t>(record.sequence));
    times.values.push_back(record.time);
    if (record.version) {
      SetInt(versions, row, records.size(), *record.version);
    }
    flags.values.push_back((record.late ? kLate : 0) | (record.refunded ? kRefunded : 0));
    recipe.values.push_back(static_cast<std::int64_t>(recipes[row]));
    if (recipes[row] == 0) {
      AddText(dedupes, row, record.dedupe);
    }
  }
  ByteWriter out;
  out.Byte(kFormat);
  out.Varint(records.size());
  for (const IntColumn* column : {&customers, &sequences, &times, &versions, &flags, &recipe}) {
    WriteInts(out, *column);
  }
  WriteTexts(out, dedupes);
  WriteFields(out, records);
  return Sealed(out);
}

std::optional<Block> DecodeBlockBody(std::string_view bytes) {
  ByteReader in(bytes);
  Block block;
  if (in.Byte() != kFormat) {
    return std::nullopt;
  }
  block.count = in.Varint();
  if (block.count > kBlockRecordsMax) {
    return std::nullopt;
  }
  block.customers = ReadAll(in, block.count);
  block.sequences = ReadAll(in, block.count);
  block.times = ReadAll(in, block.count);
  block.versions = ReadInts(in, block.count);
  block.flags = ReadAll(in, block.count);
  block.recipes = ReadAll(in, block.count);
  block.dedupes = ReadTexts(in, block.count);
  ReadFields(in, block.count, block.int_fields, ReadInts);
  ReadFields(in, block.count, block.refunds, ReadInts);
  ReadFields(in, block.count, block.text_fields, ReadTexts);
  if (in.failed() || in.left() != 0) {
    return std::nullopt;
  }
  return block;
}

std::optional<Block> DecodeBlock(std::string_view bytes) {
  const std::optional<std::string_view> body = Unsealed(bytes);
  return body ? DecodeBlockBody(*body) : std::nullopt;
}

std::optional<std::int64_t> Directory::Find(Sequence sequence) const {
  const auto found =
      std::lower_bound(sequences.begin(), sequences.end(), static_cast<std::int64_t>(sequence));
  if (found == sequences.end() || *found != static_cast<std::int64_t>(sequence)) {
    return std::nullopt;
  }
  return blocks[static_cast<std::size_t>(found - sequences.begin())];
}

std::string EncodeDirectory(const Directory& directory) {
  ByteWriter out;
  out.Byte(kFormat);
  out.Varint(directory.sequences.size());
  WriteInts(out, {directory.sequences, {}});
  WriteInts(out, {directory.blocks, {}});
  return Sealed(out);
}

std::optional<Directory> DecodeDirectory(std::string_view bytes) {
  const std::optional<std::string_view> body = Unsealed(bytes);
  if (!body) {
    return std::nullopt;
  }
  ByteReader in(*body);
  if (in.Byte() != kFormat) {
    return std::nullopt;
  }
  const std::uint64_t count = in.Varint();
  if (count > kChunkRecordsMax) {
    return std::nullopt;
  }
  Directory directory;
  directory.sequences = ReadAll(in, count);
  directory.blocks = ReadAll(in, count);
  return in.failed() || in.left() != 0 ? std::nullopt : std::optional(std::move(directory));
}

}  // namespace segue
