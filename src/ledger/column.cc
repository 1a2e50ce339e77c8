// The kinds of columns: counts, sums and averages, distinct values, times, and fields of the last
// or first event.

#include "ledger/column.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "base/check.h"
#include "base/hash.h"
#include "base/room.h"
#include "base/wide.h"
#include "expression/execute.h"
#include "ledger/ints.h"

namespace segue {
namespace {

constexpr double kNoData = std::numeric_limits<double>::quiet_NaN();

std::string Digits(Int128 value) {
  std::string text;
  UInt128 rest = value < 0 ? -static_cast<UInt128>(value) : static_cast<UInt128>(value);
  do {
    text.insert(text.begin(), static_cast<char>('0' + static_cast<int>(rest % 10)));
    rest /= 10;
  } while (rest > 0);
  return value < 0 ? "-" + text : text;
}

void SaveCounts(std::span<const std::uint32_t> counts, ByteWriter& out) {
  WriteDense(out, std::vector<std::int64_t>(counts.begin(), counts.end()));
}

void LoadCounts(std::span<std::uint32_t> counts, ByteReader& in) {
  const std::vector<std::int64_t> read = ReadDense(in, counts.size());
  std::transform(read.begin(), read.end(), counts.begin(),
                 [](std::int64_t count) { return static_cast<std::uint32_t>(count); });
}

template <typename Value>
std::span<Value> Range(std::vector<Value>& values, CustomerIndex begin, CustomerIndex end) {
  return std::span(values).subspan(begin, end - begin);
}

template <typename Value>
std::span<const Value> Range(const std::vector<Value>& values, CustomerIndex begin,
                             CustomerIndex end) {
  return std::span(values).subspan(begin, end - begin);
}

// In groups of eight, so that the compiler turns each into a few vector instructions.
SEGUE_WIDE void Widen(const std::uint32_t* counts, std::size_t count, double* out) {
  constexpr std::size_t kGroup = 8;
  std::size_t i = 0;
  for (; i + kGroup <= count; i += kGroup) {
    for (std::size_t k = 0; k < kGroup; ++k) {
      out[i + k] = counts[i + k];
    }
  }
  for (; i < count; ++i) {
    out[i] = counts[i];
  }
}

class CountColumn final : public Column {
 public:
  void Resize(CustomerIndex count) override { ResizeWithRoom(counts_, count); }

  void Fetch(CustomerIndex customer) const override { __builtin_prefetch(&counts_[customer]); }

  void Clear(CustomerIndex customer) override { counts_[customer] = 0; }

  void Add(CustomerIndex customer, const StoredEvent& /*event*/) override { ++counts_[customer]; }

  bool Remove(CustomerIndex customer, const StoredEvent& /*event*/) override {
    SEGUE_CHECK(counts_[customer] > 0);
    --counts_[customer];
    return true;
  }

  double Read(CustomerIndex customer) const override {
    return static_cast<double>(counts_[customer]);
  }

  void ReadMany(CustomerIndex first, std::span<double> out) const override {
    Widen(std::span(counts_).subspan(first, out.size()).data(), out.size(), out.data());
  }

  double ReadOf(std::span<const CustomerIndex> customers) const override {
    std::uint64_t count = 0;
    for (const CustomerIndex customer : customers) {
      count += counts_[customer];
    }
    return static_cast<double>(count);
  }

  double Nothing() const override { return 0; }

  void Save(CustomerIndex begin, CustomerIndex end, ByteWriter& out) const override {
    SaveCounts(Range(counts_, begin, end), out);
  }

  void Load(CustomerIndex begin, CustomerIndex end, ByteReader& in) override {
    LoadCounts(Range(counts_, begin, end), in);
  }

  void Print(CustomerIndex customer, std::string& out) const override {
    out += std::to_string(counts_[customer]);
  }

 private:
  std::vector<std::uint32_t> counts_;
};

// Sums, and averages as a sum and the number of events that have the field.
class SumColumn final : public Column {
 public:
  SumColumn(int field, Type type, bool average)
      : field_(static_cast<std::size_t>(field)), type_(type), average_(average) {}

  void Resize(CustomerIndex count) override {
    ResizeWithRoom(sums_, count);
    ResizeWithRoom(counts_, average_ ? count : 0);
  }

  void Fetch(CustomerIndex customer) const override { __builtin_prefetch(&sums_[customer]); }

  void Clear(CustomerIndex customer) override {
    sums_[customer] = 0;
    if (average_) {
      counts_[customer] = 0;
    }
  }

  void Add(CustomerIndex customer, const StoredEvent& event) override {
    Change(customer, event, 1);
  }

  bool Remove(CustomerIndex customer, const StoredEvent& event) override {
    Change(customer, event, -1);
    return true;
  }

  double Read(CustomerIndex customer) const override {
    return Divided(sums_[customer], average_ ? counts_[customer] : 0);
  }

  void ReadMany(CustomerIndex first, std::span<double> out) const override {
    if (average_) {
      for (double& value : out) {
        value = Read(first++);  // Known here, so it is no call.
      }
      return;
    }
    const Int128* from = std::span(sums_).subspan(first, out.size()).data();
    for (double& value : out) {
      value = Divided(*from++, 0);
    }
  }

  double ReadOf(std::span<const CustomerIndex> customers) const override {
    Int128 sum = 0;
    std::uint64_t count = 0;
    for (const CustomerIndex customer : customers) {
      sum += sums_[customer];
      count += average_ ? counts_[customer] : 0;
    }
    return Divided(sum, count);
  }

  double Nothing() const override { return average_ ? kNoData : 0; }

  // The lower halves, and what the upper ones have besides their sign: nothing, nearly always.
  void Save(CustomerIndex begin, CustomerIndex end, ByteWriter& out) const override {
    std::vector<std::int64_t> lower, upper;
    for (const Int128 sum : Range(sums_, begin, end)) {
      lower.push_back(static_cast<std::int64_t>(sum));
      upper.push_back(static_cast<std::int64_t>((sum >> 64) - (lower.back() < 0 ? -1 : 0)));
    }
    WriteDense(out, lower);
    WriteDense(out, upper);
    if (average_) {
      SaveCounts(Range(counts_, begin, end), out);
    }
  }

  void Load(CustomerIndex begin, CustomerIndex end, ByteReader& in) override {
    const std::vector<std::int64_t> lower = ReadDense(in, end - begin);
    const std::vector<std::int64_t> upper = ReadDense(in, end - begin);
    for (std::size_t i = 0; i < end - begin && !in.failed(); ++i) {
      const auto high = static_cast<UInt128>(Int128{upper[i]} + (lower[i] < 0 ? -1 : 0));
      sums_[begin + i] = static_cast<Int128>(high << 64U | static_cast<std::uint64_t>(lower[i]));
    }
    if (average_) {
      LoadCounts(Range(counts_, begin, end), in);
    }
  }

  void Print(CustomerIndex customer, std::string& out) const override {
    out += Digits(sums_[customer]);
    if (average_) {
      out += "/" + std::to_string(counts_[customer]);
    }
  }

 private:
  double Divided(Int128 units, std::uint64_t count) const {
    if (average_ && count == 0) {
      return kNoData;
    }
    // A conversion of 128 bits is a call, and rarely needed.
    const auto narrow = static_cast<std::int64_t>(units);
    double sum = narrow == units ? static_cast<double>(narrow) : static_cast<double>(units);
    if (type_ == Type::kNumber) {
      sum /= 1e6;
    }
    return average_ ? sum / static_cast<double>(count) : sum;
  }

  void Change(CustomerIndex customer, const StoredEvent& event, int sign) {
    if (const auto* units = std::get_if<std::int64_t>(&event.fields[field_])) {
      sums_[customer] += Int128{*units} * sign;
      if (average_) {
        counts_[customer] += static_cast<std::uint32_t>(sign);
      }
    }
  }

  std::size_t field_;
  Type type_;
  bool average_;
  std::vector<Int128> sums_;
  std::vector<std::uint32_t> counts_;
};

// A value in eight bytes: whole units, or the number of a text in the pool.
class Coded {
 public:
  Coded(Type type, TextPool& pool)
      : is_text_(type == Type::kText || type == Type::kChoice), pool_(pool) {}

  std::int64_t Code(const Value& value) const {
    const auto* text = std::get_if<std::string>(&value);
    return text != nullptr ? static_cast<std::int64_t>(pool_.Intern(*text))
                           : std::get<std::int64_t>(value);
  }

  Value Decoded(std::int64_t code) const { return is_text_ ? Value(Text(code)) : Value(code); }

  void Save(std::int64_t code, ByteWriter& out) const {
    if (is_text_) {
      out.Text(Text(code));
    } else {
      out.Signed(code);
    }
  }

  std::int64_t Load(ByteReader& in) const {
    return is_text_ ? static_cast<std::int64_t>(pool_.Intern(in.Text())) : in.Signed();
  }

  // Lengths before texts, so that no text can look like two.
  std::string Print(std::int64_t code) const {
    return is_text_ ? std::to_string(Text(code).size()) + ":" + Text(code) : std::to_string(code);
  }

 private:
  const std::string& Text(std::int64_t code) const {
    return pool_.Text(static_cast<std::uint32_t>(code));
  }

  bool is_text_;
  TextPool& pool_;
};

class DistinctColumn final : public Column {
 public:
  DistinctColumn(int field, Type type, TextPool& pool)
      : field_(static_cast<std::size_t>(field)), coded_(type, pool) {}

  void Resize(CustomerIndex count) override { ResizeWithRoom(values_, count); }

  void Fetch(CustomerIndex customer) const override { __builtin_prefetch(&values_[customer]); }

  void Clear(CustomerIndex customer) override { values_[customer] = {}; }

  void Add(CustomerIndex customer, const StoredEvent& event) override {
    if (!IsMissing(event.fields[field_])) {
      const std::int64_t code = coded_.Code(event.fields[field_]);
      const auto found = Find(customer, code);
      if (found == values_[customer].end()) {
        values_[customer].push_back({code, 1});
      } else {
        ++found->count;
      }
    }
  }

  bool Remove(CustomerIndex customer, const StoredEvent& event) override {
    if (!IsMissing(event.fields[field_])) {
      const auto found = Find(customer, coded_.Code(event.fields[field_]));
      SEGUE_CHECK(found != values_[customer].end());
      if (--found->count == 0) {
        *found = values_[customer].back();
        values_[customer].pop_back();
      }
    }
    return true;
  }

  double Read(CustomerIndex customer) const override {
    return values_[customer].empty() ? kNoData : static_cast<double>(values_[customer].size());
  }

  void ReadMany(CustomerIndex first, std::span<double> out) const override {
    for (double& value : out) {
      value = Read(first++);  // Known here, so it is no call.
    }
  }

  double ReadOf(std::span<const CustomerIndex> customers) const override {
    std::vector<std::int64_t> codes;
    for (const CustomerIndex customer : customers) {
      for (const Counted& value : values_[customer]) {
        codes.push_back(value.code);
      }
    }
    std::sort(codes.begin(), codes.end());
    const auto end = std::unique(codes.begin(), codes.end());
    return codes.empty() ? kNoData : static_cast<double>(end - codes.begin());
  }

  double Nothing() const override { return kNoData; }

  void Save(CustomerIndex begin, CustomerIndex end, ByteWriter& out) const override {
    for (const std::vector<Counted>& values : Range(values_, begin, end)) {
      out.Varint(values.size());
      for (const Counted& value : values) {
        coded_.Save(value.code, out);
        out.Varint(value.count);
      }
    }
  }

  void Load(CustomerIndex begin, CustomerIndex end, ByteReader& in) override {
    for (std::vector<Counted>& values : Range(values_, begin, end)) {
      for (std::uint64_t left = in.Varint(); left > 0 && !in.failed(); --left) {
        const std::int64_t code = coded_.Load(in);
        values.push_back({code, static_cast<std::uint32_t>(in.Varint())});
      }
    }
  }

  void Print(CustomerIndex customer, std::string& out) const override {
    std::vector<std::string> parts;
    for (const Counted& value : values_[customer]) {
      parts.push_back(coded_.Print(value.code) + "x" + std::to_string(value.count));
    }
    std::sort(parts.begin(), parts.end());
    for (const std::string& part : parts) {
      out += part + ",";
    }
  }

 private:
  struct Counted {
    std::int64_t code = 0;
    std::uint32_t count = 0;
  };

  std::vector<Counted>::iterator Find(CustomerIndex customer, std::int64_t code) {
    return std::find_if(values_[customer].begin(), values_[customer].end(),
                        [&](const Counted& value) { return value.code == code; });
  }

  std::size_t field_;
  Coded coded_;
  std::vector<std::vector<Counted>> values_;
};

// The last or first event: its time, and where a field is asked for, its hash and field.
class ExtremeColumn final : public Column {
 public:
  ExtremeColumn(bool last, int field, Type type, TextPool& pool)
      : last_(last), field_(field), type_(type), pool_(pool), coded_(type, pool) {}

  void Resize(CustomerIndex count) override {
    ResizeWithRoom(times_, count, kNone);
    ResizeWithRoom(fields_, field_ >= 0 ? count : 0);
  }

  void Fetch(CustomerIndex customer) const override { __builtin_prefetch(&times_[customer]); }

  void Clear(CustomerIndex customer) override {
    times_[customer] = kNone;
    if (field_ >= 0) {
      fields_[customer] = {};
    }
  }

  void Add(CustomerIndex customer, const StoredEvent& event) override {
    const std::int64_t time = ToMicros(event.time);
    if (times_[customer] == kNone || Beats(customer, time, event.dedupe_hash)) {
      times_[customer] = time;
      if (field_ >= 0) {
        const Value& value = event.fields[static_cast<std::size_t>(field_)];
        fields_[customer] = {event.dedupe_hash, IsMissing(value) ? 0 : coded_.Code(value),
                             !IsMissing(value)};
      }
    }
  }

  bool Remove(CustomerIndex customer, const StoredEvent& event) override {
    return !Is(customer, event);
  }

  bool Expire(CustomerIndex customer, const StoredEvent& event) override {
    if (!Is(customer, event)) {
      return true;
    }
    // When the last one is too old, all are.
    if (last_) {
      Clear(customer);
    }
    return last_;
  }

  double Read(CustomerIndex customer) const override {
    if (times_[customer] == kNone) {
      return kNoData;
    }
    if (field_ < 0) {
      return static_cast<double>(times_[customer]);
    }
    const Field& field = fields_[customer];
    return field.present ? ValueToDouble(type_, coded_.Decoded(field.code), pool_) : kNoData;
  }

  void ReadMany(CustomerIndex first, std::span<double> out) const override {
    if (field_ >= 0) {
      for (double& value : out) {
        value = Read(first++);  // Known here, so it is no call.
      }
      return;
    }
    const std::int64_t* from = std::span(times_).subspan(first, out.size()).data();
    for (double& value : out) {
      value = *from == kNone ? kNoData : static_cast<double>(*from);
      ++from;
    }
  }

  double ReadOf(std::span<const CustomerIndex> customers) const override {
    std::optional<CustomerIndex> best;
    for (const CustomerIndex customer : customers) {
      if (times_[customer] != kNone &&
          (!best || Beats(*best, times_[customer], field_ >= 0 ? fields_[customer].hash : 0))) {
        best = customer;
      }
    }
    return best ? Read(*best) : kNoData;
  }

  double Nothing() const override { return kNoData; }

  void Save(CustomerIndex begin, CustomerIndex end, ByteWriter& out) const override {
    IntColumn times;
    for (const std::int64_t time : Range(times_, begin, end)) {
      times.values.push_back(time);
      times.present.push_back(time != kNone);
    }
    WriteInts(out, times);
    for (CustomerIndex customer = begin; customer < end && field_ >= 0; ++customer) {
      if (times_[customer] != kNone) {
        const Field& field = fields_[customer];
        out.Fixed64(field.hash);
        out.Byte(field.present ? 1 : 0);
        if (field.present) {
          coded_.Save(field.code, out);
        }
      }
    }
  }

  void Load(CustomerIndex begin, CustomerIndex end, ByteReader& in) override {
    const IntColumn times = ReadInts(in, end - begin);
    for (CustomerIndex i = 0; i < end - begin && !in.failed(); ++i) {
      if (!times.Has(i)) {
        continue;
      }
      times_[begin + i] = times.values[i];
      if (field_ >= 0) {
        Field& field = fields_[begin + i];
        field.hash = in.Fixed64();
        field.present = in.Byte() != 0;
        field.code = field.present ? coded_.Load(in) : 0;
      }
    }
  }

  void Print(CustomerIndex customer, std::string& out) const override {
    if (times_[customer] == kNone) {
      out += "-";
      return;
    }
    out += std::to_string(times_[customer]);
    if (field_ >= 0) {
      const Field& field = fields_[customer];
      out +=
          "#" + std::to_string(field.hash) + "=" + (field.present ? coded_.Print(field.code) : "-");
    }
  }

 private:
  static constexpr std::int64_t kNone = std::numeric_limits<std::int64_t>::min();

  struct Field {
    std::uint64_t hash = 0;
    std::int64_t code = 0;
    bool present = false;
  };

  bool Beats(CustomerIndex customer, std::int64_t time, std::uint64_t hash) const {
    const std::uint64_t own = field_ >= 0 ? fields_[customer].hash : 0;
    const std::uint64_t other = field_ >= 0 ? hash : 0;
    return last_ ? std::pair(time, other) > std::pair(times_[customer], own)
                 : std::pair(time, other) < std::pair(times_[customer], own);
  }

  bool Is(CustomerIndex customer, const StoredEvent& event) const {
    return times_[customer] == ToMicros(event.time) &&
           (field_ < 0 || fields_[customer].hash == event.dedupe_hash);
  }

  bool last_;
  int field_;
  Type type_;
  TextPool& pool_;
  Coded coded_;
  std::vector<std::int64_t> times_;
  std::vector<Field> fields_;
};

}  // namespace

std::unique_ptr<Column> MakeColumn(const Aggregate& aggregate, const Schema& schema,
                                   TextPool& pool) {
  const EventSpec& spec = schema.events[static_cast<std::size_t>(aggregate.event)];
  const Type type = aggregate.field < 0
                        ? Type::kTime
                        : spec.fields[static_cast<std::size_t>(aggregate.field)].type;
  switch (aggregate.op) {
    case AggregateOp::kCount:
      return std::make_unique<CountColumn>();
    case AggregateOp::kSum:
      return std::make_unique<SumColumn>(aggregate.field, type, false);
    case AggregateOp::kAvg:
      return std::make_unique<SumColumn>(aggregate.field, type, true);
    case AggregateOp::kDistinct:
      return std::make_unique<DistinctColumn>(aggregate.field, type, pool);
    case AggregateOp::kLast:
      return std::make_unique<ExtremeColumn>(true, -1, type, pool);
    case AggregateOp::kFirst:
      return std::make_unique<ExtremeColumn>(false, -1, type, pool);
    case AggregateOp::kLastOf:
      return std::make_unique<ExtremeColumn>(true, aggregate.field, type, pool);
    case AggregateOp::kFirstOf:
      return std::make_unique<ExtremeColumn>(false, aggregate.field, type, pool);
  }
  SEGUE_CHECK(!"an aggregate of no kind");
}

}  // namespace segue
