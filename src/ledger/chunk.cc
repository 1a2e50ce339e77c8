// Blocks of sealed events and directories of their sequences.

#include "ledger/chunk.h"

#include <algorithm>
#include <map>
#include <stdexcept>

#include "base/check.h"
#include "ledger/sealed.h"

namespace segue {
namespace {

constexpr std::uint8_t kFormat = 3;
constexpr std::size_t kFieldsMax = 1024;

void SetInt(IntColumn& column, std::size_t row, std::size_t count, std::int64_t value) {
  column.values.resize(count);
  column.present.resize(count, false);
  column.values[row] = value;
  column.present[row] = true;
}

BlockDraft DraftOf(std::span<const Record* const> records, std::span<const std::size_t> recipes) {
  const std::size_t count = records.size();
  BlockDraft draft;
  draft.versions.values.assign(count, 0);
  draft.versions.present.assign(count, false);
  for (std::size_t row = 0; row < count; ++row) {
    const Record& record = *records[row];
    draft.customers.push_back(record.customer);
    draft.sequences.push_back(static_cast<std::int64_t>(record.sequence));
    draft.times.push_back(record.time);
    if (record.version) {
      SetInt(draft.versions, row, count, *record.version);
    }
    draft.flags.push_back((record.late ? kLateFlag : 0) | (record.refunded ? kRefundedFlag : 0));
    draft.recipes.push_back(static_cast<std::int64_t>(recipes[row]));
    draft.dedupes.push_back(recipes[row] == 0 ? std::string_view(record.dedupe)
                                              : std::string_view());
    for (std::size_t field = 0; field < record.fields.size(); ++field) {
      const Value& value = record.fields[field];
      if (const auto* number = std::get_if<std::int64_t>(&value)) {
        SetInt(draft.ints[static_cast<int>(field)], row, count, *number);
      } else if (const auto* text = std::get_if<std::string>(&value)) {
        std::vector<std::string_view>& column = draft.texts[static_cast<int>(field)];
        column.resize(count);
        column[row] = *text;
      }
    }
    for (const auto& [field, amount] : record.refunds) {
      SetInt(draft.refunds[field], row, count, amount);
    }
  }
  return draft;
}

void PutColumn(ByteWriter& out, const IntColumn& column) {
  ByteWriter packed;
  WriteInts(packed, column);
  out.Text(packed.bytes());
}

void PutColumn(ByteWriter& out, const std::vector<std::string_view>& column) {
  ByteWriter packed;
  WriteTexts(packed, column);
  out.Text(packed.bytes());
}

template <typename Column>
void PutFields(ByteWriter& out, const std::map<int, Column>& fields) {
  out.Varint(fields.size());
  for (const auto& [field, column] : fields) {
    out.Varint(static_cast<std::uint64_t>(field));
    PutColumn(out, column);
  }
}

template <typename Packed>
void OpenFields(ByteReader& in, std::vector<std::pair<int, Packed>>& fields) {
  const std::uint64_t size = in.Varint();
  if (size > kFieldsMax) {
    in.Fail();
  }
  for (std::uint64_t i = 0; i < size && !in.failed(); ++i) {
    const std::uint64_t field = in.Varint();
    if (field >= kFieldsMax ||
        (!fields.empty() && static_cast<int>(field) <= fields.back().first)) {
      in.Fail();
      return;
    }
    fields.emplace_back(static_cast<int>(field), Packed{.bytes = in.Text()});
  }
}

IntColumn ReadColumn(ByteReader& in, std::size_t count, const IntColumn& /*type*/) {
  return ReadInts(in, count);
}

TextColumn ReadColumn(ByteReader& in, std::size_t count, const TextColumn& /*type*/) {
  return ReadTexts(in, count);
}

}  // namespace

template <typename Column>
bool Block::Unpack(const Packed<Column>& packed) const {
  if (!packed.unpacked) {
    ByteReader in(packed.bytes);
    packed.column = ReadColumn(in, count_, packed.column);
    if (in.failed() || in.left() != 0) {
      return false;
    }
    packed.unpacked = true;
  }
  return true;
}

template <typename Column>
const Column& Block::Get(const Packed<Column>& packed) const {
  if (!Unpack(packed)) {
    throw std::runtime_error("events in the state file are damaged: restore a backup.");
  }
  return packed.column;
}

const std::vector<std::int64_t>& Block::Whole(const PackedInts& packed) const {
  return Get(packed).values;
}

bool Block::UnpackAll() const {
  for (const PackedInts* column : {&customers_, &sequences_, &times_, &flags_, &recipes_}) {
    if (!Unpack(*column) || !column->column.present.empty()) {
      return false;
    }
  }
  const auto each = [this](const auto& fields) {
    return std::all_of(fields.begin(), fields.end(),
                       [this](const auto& field) { return Unpack(field.second); });
  };
  return Unpack(versions_) && Unpack(dedupes_) && each(ints_) && each(refunds_) && each(texts_);
}

bool Block::MayBe(std::size_t row, int field, std::string_view text) const {
  const auto found = std::find_if(texts_.begin(), texts_.end(),
                                  [field](const auto& one) { return one.first == field; });
  if (found == texts_.end()) {
    return true;
  }
  const TextColumn& column = Get(found->second);
  return column.index[row] == TextColumn::kNoText || column.texts[column.index[row]] == text;
}

void Block::Fill(std::size_t row, const RecordParts& parts, Record& record) const {
  record.sequence = static_cast<Sequence>(sequences()[row]);
  record.customer = static_cast<CustomerIndex>(customers()[row]);
  record.time = times()[row];
  const std::int64_t flags = Whole(flags_)[row];
  record.late = (flags & kLateFlag) != 0;
  record.refunded = (flags & kRefundedFlag) != 0;
  const bool all = parts.all || record.refunded;
  record.version.reset();
  if (parts.all && Get(versions_).Has(row)) {
    record.version = versions_.column.values[row];
  }
  record.dedupe.clear();
  if ((parts.all || parts.dedupe) && recipes()[row] == 0 &&
      Get(dedupes_).index[row] != TextColumn::kNoText) {
    record.dedupe = dedupes_.column.texts[dedupes_.column.index[row]];
  }
  const int last =
      std::max(ints_.empty() ? -1 : ints_.back().first, texts_.empty() ? -1 : texts_.back().first);
  record.fields.resize(static_cast<std::size_t>(last + 1));
  for (const auto& [field, packed] : ints_) {
    Value& value = record.fields[static_cast<std::size_t>(field)];
    if ((all || parts.Asks(field)) && Get(packed).Has(row)) {
      value = packed.column.values[row];
    } else {
      value = Value();
    }
  }
  for (const auto& [field, packed] : texts_) {
    Value& value = record.fields[static_cast<std::size_t>(field)];
    if ((all || parts.Asks(field)) && Get(packed).index[row] != TextColumn::kNoText) {
      value = packed.column.texts[packed.column.index[row]];
    } else if (!std::holds_alternative<std::int64_t>(value)) {
      value = Value();  // Unless it is a number in this row: a field's type may have changed.
    }
  }
  record.refunds.clear();
  for (const auto& [field, packed] : refunds_) {
    if (record.refunded && Get(packed).Has(row)) {
      record.refunds.emplace_back(field, packed.column.values[row]);
    }
  }
}

std::string EncodeBlock(std::span<const Record* const> records,
                        std::span<const std::size_t> recipes) {
  SEGUE_CHECK(recipes.size() == records.size());
  return EncodeBlock(DraftOf(records, recipes));
}

std::string EncodeBlock(const BlockDraft& draft) {
  SEGUE_CHECK(draft.times.size() <= kBlockRecordsMax);
  ByteWriter out;
  out.Byte(kFormat);
  out.Varint(draft.times.size());
  for (const std::vector<std::int64_t>* column :
       {&draft.customers, &draft.sequences, &draft.times}) {
    PutColumn(out, IntColumn{*column, {}});
  }
  PutColumn(out, draft.versions);
  PutColumn(out, IntColumn{draft.flags, {}});
  PutColumn(out, IntColumn{draft.recipes, {}});
  PutColumn(out, draft.dedupes);
  PutFields(out, draft.ints);
  PutFields(out, draft.refunds);
  PutFields(out, draft.texts);
  return Sealed(out);
}

std::optional<Block> DecodeBlockBody(std::string_view bytes) {
  Block block;
  block.bytes_ = std::make_unique<const std::string>(bytes);
  ByteReader in(*block.bytes_);
  if (in.Byte() != kFormat) {
    return std::nullopt;
  }
  block.count_ = in.Varint();
  if (block.count_ > kBlockRecordsMax) {
    return std::nullopt;
  }
  for (Block::PackedInts* column : {&block.customers_, &block.sequences_, &block.times_,
                                    &block.versions_, &block.flags_, &block.recipes_}) {
    column->bytes = in.Text();
  }
  block.dedupes_.bytes = in.Text();
  OpenFields(in, block.ints_);
  OpenFields(in, block.refunds_);
  OpenFields(in, block.texts_);
  if (in.failed() || in.left() != 0) {
    return std::nullopt;
  }
  return block;
}

std::optional<Block> DecodeBlock(std::string_view bytes) {
  const std::optional<std::string_view> body = Unsealed(bytes);
  return body ? DecodeBlockBody(*body) : std::nullopt;
}

void Directory::Add(Sequence sequence, std::int64_t block, std::int64_t length) {
  const auto next = static_cast<std::int64_t>(sequence);
  if (!blocks.empty() && blocks.back() == block && sequences.back() + lengths.back() == next) {
    lengths.back() += length;
    return;
  }
  sequences.push_back(next);
  lengths.push_back(length);
  blocks.push_back(block);
}

std::optional<std::int64_t> Directory::Find(Sequence sequence) const {
  const auto wanted = static_cast<std::int64_t>(sequence);
  const auto after = std::upper_bound(sequences.begin(), sequences.end(), wanted);
  if (after == sequences.begin()) {
    return std::nullopt;
  }
  const auto run = static_cast<std::size_t>(after - sequences.begin()) - 1;
  return wanted - sequences[run] < lengths[run] ? std::optional(blocks[run]) : std::nullopt;
}

std::vector<std::int64_t> Directory::BlocksOf(Sequence first, Sequence last) const {
  std::vector<std::int64_t> found;
  const auto after =
      std::upper_bound(sequences.begin(), sequences.end(), static_cast<std::int64_t>(last));
  // Backwards: a run that begins before may reach into it.
  for (auto run = static_cast<std::size_t>(after - sequences.begin()); run-- > 0;) {
    if (sequences[run] + lengths[run] <= static_cast<std::int64_t>(first)) {
      break;
    }
    found.push_back(blocks[run]);
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

std::string EncodeDirectory(const Directory& directory) {
  ByteWriter out;
  out.Byte(kFormat);
  out.Varint(directory.sequences.size());
  for (const auto* column : {&directory.sequences, &directory.lengths, &directory.blocks}) {
    WriteDense(out, *column);
  }
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
  for (auto* column : {&directory.sequences, &directory.lengths, &directory.blocks}) {
    *column = ReadDense(in, count);
  }
  return in.failed() || in.left() != 0 ? std::nullopt : std::optional(std::move(directory));
}

}  // namespace segue
