// The bytes of one journal row: varints in the order of the struct, fields with one byte for their
// type.

#include "ledger/record.h"

#include "ledger/bytes.h"

namespace segue {
namespace {

constexpr std::uint8_t kRecordFormat = 1;
constexpr std::uint8_t kHasVersion = 1;
constexpr std::uint8_t kLate = 2;
constexpr std::uint8_t kRefunded = 4;

void WriteValue(ByteWriter& out, const Value& value) {
  out.Byte(static_cast<std::uint8_t>(value.index()));
  if (const auto* number = std::get_if<std::int64_t>(&value)) {
    out.Signed(*number);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    out.Text(*text);
  }
}

Value ReadValue(ByteReader& in) {
  switch (in.Byte()) {
    case 0:
      return {};
    case 1:
      return in.Signed();
    case 2:
      return std::string(in.Text());
    default:
      in.Fail();
      return {};
  }
}

}  // namespace

const Value& Record::Field(int field) const {
  static const Value kMissing;
  return field < 0 || static_cast<std::size_t>(field) >= fields.size()
             ? kMissing
             : fields[static_cast<std::size_t>(field)];
}

std::string FieldText(const Value& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) {
    return std::to_string(*number);
  }
  const auto* text = std::get_if<std::string>(&value);
  return text == nullptr ? std::string() : *text;
}

std::string EncodeRecord(const Record& record) {
  ByteWriter out;
  out.Byte(kRecordFormat);
  out.Byte(static_cast<std::uint8_t>((record.version ? kHasVersion : 0) |
                                     (record.late ? kLate : 0) |
                                     (record.refunded ? kRefunded : 0)));
  out.Varint(static_cast<std::uint64_t>(record.kind));
  out.Varint(record.customer);
  out.Signed(record.time);
  out.Varint(record.fields.size());
  for (const Value& value : record.fields) {
    WriteValue(out, value);
  }
  if (record.version) {
    out.Signed(*record.version);
  }
  out.Text(record.dedupe);
  out.Varint(record.refunds.size());
  for (const auto& [field, amount] : record.refunds) {
    out.Varint(static_cast<std::uint64_t>(field));
    out.Signed(amount);
  }
  return out.Take();
}

std::optional<Record> DecodeRecord(Sequence sequence, std::string_view bytes) {
  ByteReader in(bytes);
  if (in.Byte() != kRecordFormat) {
    return std::nullopt;
  }
  Record record;
  record.sequence = sequence;
  const std::uint8_t flags = in.Byte();
  record.late = (flags & kLate) != 0;
  record.refunded = (flags & kRefunded) != 0;
  record.kind = static_cast<int>(in.Varint() & 0x7fffffffU);
  record.customer = static_cast<CustomerIndex>(in.Varint());
  record.time = in.Signed();
  for (std::uint64_t left = in.Varint(); left > 0 && !in.failed(); --left) {
    record.fields.push_back(ReadValue(in));
  }
  if ((flags & kHasVersion) != 0) {
    record.version = in.Signed();
  }
  record.dedupe = in.Text();
  for (std::uint64_t left = in.Varint(); left > 0 && !in.failed(); --left) {
    const auto field = static_cast<int>(in.Varint() & 0x7fffffffU);
    record.refunds.emplace_back(field, in.Signed());
  }
  if (in.failed() || in.left() != 0) {
    return std::nullopt;
  }
  return record;
}

}  // namespace segue
