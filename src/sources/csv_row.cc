// Reading rows: shape, customer, time, then every field by its type.

#include "sources/csv_row.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/money.h"
#include "base/text.h"
#include "base/time.h"
#include "domain/dedupe.h"

namespace segue {
namespace {

constexpr std::size_t kRawBytesMax = 4 * 1024;
constexpr std::size_t kChoicesShownMax = 8;

RowResult<Value> ReadChoice(const FieldSpec& field, std::string_view text) {
  const auto found = std::find(field.choices.begin(), field.choices.end(), text);
  if (found != field.choices.end()) {
    return Value(*found);
  }
  const auto shown =
      std::span(field.choices).first(std::min(field.choices.size(), kChoicesShownMax));
  std::string reason =
      fmt::format("{:?} is not one of {}{}", text.substr(0, kCellShownMax), Join(shown, ", "),
                  shown.size() < field.choices.size() ? ", …" : "");
  if (const std::optional<std::string> near = Nearest(text, field.choices)) {
    reason += fmt::format("; did you mean {:?}?", *near);
  }
  return RowProblem(field.name, reason);
}

RowResult<Value> ReadYesNo(std::string_view text) {
  const std::string word = ToLower(text.substr(0, 6));
  if (word == "yes" || word == "true" || word == "1") {
    return Value(std::int64_t{1});
  }
  if (word == "no" || word == "false" || word == "0") {
    return Value(std::int64_t{0});
  }
  return RowProblem("", fmt::format("{:?} is not yes or no (true, false, 1 and 0 will do)",
                                    text.substr(0, kCellShownMax)));
}

RowResult<Value> ReadDuration(std::string_view text) {
  const std::optional<Duration> duration = ParseDuration(text);
  if (!duration) {
    return RowProblem("", fmt::format("{:?} is not a duration such as 90m, 6h, 3d or 2w",
                                      text.substr(0, kCellShownMax)));
  }
  return Value(std::int64_t{duration->count()});
}

}  // namespace

void SetAside(const RowProblem& problem, std::string_view raw, std::int64_t line, Batch& batch) {
  batch.bad.push_back({.file = batch.file,
                       .line = line,
                       .column = problem.column(),
                       .reason = problem.reason(),
                       .raw = std::string(raw.substr(0, kRawBytesMax))});
}

std::optional<Error> StoppedBy(const Source& source, const Batch& batch) {
  if (!source.stop_on_bad_rows || batch.bad.empty()) {
    return std::nullopt;
  }
  const BadRow& bad = batch.bad.front();
  return Error(fmt::format(
      "{}{}{}: {}; the row is {}; nothing from here on is taken in (bad_rows: stop)", bad.file,
      bad.column.empty() ? "" : ", column ", bad.column, bad.reason, bad.raw.substr(0, 200)));
}

void RowReader::Take(const CsvRow& row, std::string_view raw, std::int64_t line, Batch& batch,
                     std::optional<RowProblem> problem) const {
  ++batch.rows;
  const std::size_t facts_before = batch.facts.size();
  const std::size_t events_before = batch.events ? batch.events->size() : 0;
  batch.row_rates.clear();
  if (!problem) {
    problem = CheckShape(row);
  }
  if (!problem) {
    const RowResult<bool> read = ReadRow(row.fields, batch);
    if (!read) {
      problem = read.error();
    }
  }
  if (problem) {
    batch.facts.resize(facts_before);
    if (batch.events) {
      batch.events->Truncate(events_before);
    }
    for (const RateDay& when : batch.row_rates) {  // Nothing was converted with them after all.
      batch.rates.erase(when);
    }
    KeepRefusals(row, batch);
    SetAside(*problem, raw, line, batch);
  }
  batch.lines.resize(batch.facts.size() + (batch.events ? batch.events->size() : 0), line);
}

// Who says no is heard, also where another cell of the row cannot be read.
void RowReader::KeepRefusals(const CsvRow& row, Batch& batch) const {
  if (!source_.emits_customer || row.fields.size() != header_.size()) {
    return;
  }
  const std::string_view customer = Trim(row.fields[customer_]);
  const Result<TimePoint> time = ParseTime(Trim(row.fields[time_]), source_.timezone);
  if (!time || customer.empty() || customer.size() > kCustomerKeyBytesMax || !IsUtf8(customer) ||
      customer.find('\0') != std::string_view::npos) {
    return;
  }
  for (const Input& input : inputs_) {
    const RowResult<Typed> typed =
        input.is_consent ? ReadValue(input, row.fields, *time, batch) : RowResult<Typed>(Typed{});
    if (typed && typed->value == Value(std::int64_t{0})) {
      batch.facts.emplace_back(TraitChange{.customer = std::string(customer),
                                           .trait = input.index,
                                           .value = typed->value,
                                           .time = *time,
                                           .of_account = false});
    }
  }
}

std::optional<RowProblem> RowReader::CheckShape(const CsvRow& row) const {
  if (!row.problem.empty()) {
    return RowProblem("", std::string(row.problem));
  }
  if (row.fields.size() != header_.size()) {
    return RowProblem("", fmt::format("the row has {} fields, the header has {}", row.fields.size(),
                                      header_.size()));
  }
  const bool has_zero = row.raw.find('\0') != std::string_view::npos;
  const bool is_text = IsUtf8(row.raw);
  if (!has_zero && is_text && row.raw.size() <= kCsvFieldBytesMax) {
    return std::nullopt;
  }
  for (std::size_t i = 0; i < row.fields.size(); ++i) {
    const std::string_view field = row.fields[i];
    if (field.find('\0') != std::string_view::npos) {
      return RowProblem(header_[i], "the field has a zero byte");
    }
    if (!IsUtf8(field)) {
      return RowProblem(header_[i], "the field is not UTF-8 text");
    }
    if (field.size() > kCsvFieldBytesMax) {
      return RowProblem(header_[i],
                        fmt::format("the field is longer than {} KB", kCsvFieldBytesMax / 1024));
    }
  }
  return std::nullopt;
}

RowResult<bool> RowReader::ReadRow(Fields fields, Batch& batch) const {
  const std::string_view customer = Trim(fields[customer_]);
  if (customer.empty()) {
    ++batch.anonymous;
    return true;
  }
  if (customer.size() > kCustomerKeyBytesMax) {
    return RowProblem(header_[customer_],
                      fmt::format("a customer's key has at most {} bytes, this one has {}",
                                  kCustomerKeyBytesMax, customer.size()));
  }
  const std::string_view time_text = Trim(fields[time_]);
  if (time_text.empty()) {
    return RowProblem(header_[time_], "the time is empty");
  }
  const Result<TimePoint> time = ParseTime(time_text, source_.timezone);
  if (!time) {
    return RowProblem(header_[time_], time.error().message());
  }
  if (source_.emits_event) {
    return batch.events ? ReadEventRow(fields, customer, *time, batch)
                        : ReadEvent(fields, customer, *time, batch);
  }
  return ReadTraits(fields, customer, *time, batch);
}

RowResult<bool> RowReader::ReadEvent(Fields fields, std::string_view customer, TimePoint time,
                                     Batch& batch) const {
  Event event;
  event.kind = *source_.emits_event;
  event.customer = customer;
  event.time = time;
  event.fields.reserve(inputs_.size());
  Counts counts;
  for (const Input& input : inputs_) {
    RowResult<Typed> typed = ReadValue(input, fields, time, batch);
    if (!typed) {
      return typed.error();
    }
    counts.Add(*typed);
    event.fields.push_back(std::move(typed->value));
  }
  if (!dedupe_.empty()) {
    event.dedupe = DedupeText(event, dedupe_);
    if (event.dedupe.find_first_not_of(kDedupeSeparator) == std::string::npos) {
      return RowProblem(dedupe_column_, "the field is empty, and tells which event it is (dedupe)");
    }
  }
  const RowResult<std::optional<std::int64_t>> version = ReadVersion(fields);
  if (!version) {
    return version.error();
  }
  event.version = *version;
  counts.AddTo(batch);
  batch.facts.emplace_back(std::move(event));
  return true;
}

void RowReader::Shape(EventRows& rows) const {
  rows.kind = *source_.emits_event;
  rows.dedupe = dedupe_;
  for (const Input& input : inputs_) {
    const Type type = input.field->type;
    rows.fields.emplace_back().is_text = type == Type::kText || type == Type::kChoice;
  }
}

// As ReadEvent, into columns.  What a bad row leaves there is taken away by Take.
RowResult<bool> RowReader::ReadEventRow(Fields fields, std::string_view customer, TimePoint time,
                                        Batch& batch) const {
  EventRows& rows = *batch.events;
  if (rows.fields.empty()) {
    Shape(rows);
  }
  const std::size_t row = rows.size();
  Counts counts;
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    const Input& input = inputs_[i];
    EventRows::Field& column = rows.fields[i];
    if (input.field->type == Type::kText) {
      const std::string_view text = input.column ? fields[*input.column] : std::string_view();
      column.present.push_back(Trim(text).empty() ? 0 : 1);
      column.texts.Add(column.present.back() != 0 ? text : std::string_view());
      continue;
    }
    const RowResult<Typed> typed = ReadValue(input, fields, time, batch);
    if (!typed) {
      return typed.error();
    }
    column.present.push_back(IsMissing(typed->value) ? 0 : 1);
    const auto* number = std::get_if<std::int64_t>(&typed->value);
    const auto* text = std::get_if<std::string>(&typed->value);
    if (column.is_text) {
      column.texts.Add(text == nullptr ? std::string_view() : std::string_view(*text));
    } else {
      column.numbers.push_back(number == nullptr ? 0 : *number);
    }
    counts.Add(*typed);
  }
  const RowResult<std::optional<std::int64_t>> version = ReadVersion(fields);
  if (!version) {
    return version.error();
  }
  rows.versions.push_back(version->value_or(0));
  rows.has_version.push_back(*version ? 1 : 0);
  rows.customers.Add(customer);
  rows.times.push_back(ToMicros(time));
  std::string room;
  if (rows.DedupeAt(row, room).find_first_not_of(kDedupeSeparator) == std::string_view::npos) {
    return RowProblem(dedupe_column_, "the field is empty, and tells which event it is (dedupe)");
  }
  counts.AddTo(batch);
  return true;
}

// Whether the row says anything about this trait: the file has its column, and the row has the
// field.
bool RowReader::Says(const Input& input, Fields fields) {
  if (input.column) {
    return fields[*input.column].data() != nullptr;
  }
  return std::any_of(input.formula_columns.begin(), input.formula_columns.end(),
                     [&](std::size_t column) { return fields[column].data() != nullptr; });
}

RowResult<bool> RowReader::ReadTraits(Fields fields, std::string_view customer, TimePoint time,
                                      Batch& batch) const {
  Counts counts;
  for (const Input& input : inputs_) {
    if (!Says(input, fields)) {
      continue;
    }
    RowResult<Typed> typed = ReadValue(input, fields, time, batch);
    if (!typed) {
      return typed.error();
    }
    counts.Add(*typed);
    batch.facts.emplace_back(TraitChange{.customer = std::string(customer),
                                         .trait = input.index,
                                         .value = std::move(typed->value),
                                         .time = time,
                                         .of_account = source_.emits_account});
  }
  counts.AddTo(batch);
  return true;
}

RowResult<RowReader::Typed> RowReader::ReadValue(const Input& input, Fields fields, TimePoint time,
                                                 Batch& batch) const {
  const Type type = input.field->type;
  if (type == Type::kNumber) {
    return ReadNumber(input, fields, kNumberDecimals);
  }
  if (type == Type::kMoney) {
    return ReadMoney(input, fields, time, batch);
  }
  const std::string_view text = input.column ? fields[*input.column] : std::string_view();
  const std::string_view trimmed = Trim(text);
  if (trimmed.empty()) {
    return Typed{};
  }
  RowResult<Value> value = Value(std::string());
  switch (type) {
    case Type::kText:
      value = Value(std::string(text));
      break;
    case Type::kChoice:
      value = ReadChoice(*input.field, trimmed);
      break;
    case Type::kYesNo:
      value = ReadYesNo(trimmed);
      break;
    case Type::kDuration:
      value = ReadDuration(trimmed);
      break;
    case Type::kTime: {
      const Result<TimePoint> moment = ParseTime(trimmed, source_.timezone);
      value = moment ? RowResult<Value>(Value(ToMicros(*moment)))
                     : RowProblem("", moment.error().message());
      break;
    }
    case Type::kNumber:
    case Type::kMoney:
      break;
  }
  if (!value) {
    return RowProblem(input.text, value.error().reason());
  }
  return Typed{.value = std::move(*value), .rounded = false, .converted = false};
}

RowResult<RowReader::Typed> RowReader::ReadNumber(const Input& input, Fields fields,
                                                  int decimals) const {
  Result<Decimal> number = Decimal{};
  if (input.column) {
    const std::string_view text = Trim(fields[*input.column]);
    if (text.empty()) {
      return Typed{};
    }
    number = ParseDecimal(text, decimals);
  } else {
    const RowResult<std::optional<Fraction>> value = ReadFraction(input, fields);
    if (!value) {
      return value.error();
    }
    if (!*value) {
      return Typed{};
    }
    number = RoundFraction(**value, decimals);
  }
  if (!number) {
    return RowProblem(input.text, number.error().message());
  }
  return Typed{.value = number->units,
               .rounded = number->rounded && input.field->type == Type::kMoney,
               .converted = false};
}

// The number as it is written or computed, before anything is rounded; nothing where it is missing.
RowResult<std::optional<Fraction>> RowReader::ReadFraction(const Input& input,
                                                           Fields fields) const {
  std::vector<Fraction> values;
  const std::span<const std::size_t> columns =
      input.column ? std::span<const std::size_t>(&*input.column, 1) : input.formula_columns;
  for (const std::size_t column : columns) {
    const std::string_view text = Trim(fields[column]);
    if (text.empty()) {
      return std::optional<Fraction>();
    }
    const Result<Fraction> value = ParseFraction(text);
    if (!value) {
      return RowProblem(header_[column], value.error().message());
    }
    values.push_back(*value);
  }
  if (input.column) {
    return std::optional(values.front());
  }
  if (!input.formula) {
    return std::optional<Fraction>();
  }
  const Result<Fraction> value = input.formula->Evaluate(values);
  if (!value) {
    return RowProblem(input.text, value.error().message());
  }
  return std::optional(*value);
}

RowResult<RowReader::Typed> RowReader::ReadMoney(const Input& input, Fields fields, TimePoint time,
                                                 Batch& batch) const {
  RowResult<Typed> amount = ReadNumber(input, fields, workspace_.schema.currency_decimals);
  if (!amount || IsMissing(amount->value)) {
    return amount;
  }
  const std::string_view said = currency_ ? Trim(fields[*currency_]) : std::string_view();
  const std::string_view currency = said.empty() ? std::string_view(source_.currency) : said;
  const std::string& kept = workspace_.schema.currency;
  if (currency == kept || ToLower(currency.substr(0, 4)) == ToLower(kept)) {
    return amount;
  }
  if (currency.empty()) {
    return RowProblem(currency_ ? header_[*currency_] : input.text, "the amount has no currency");
  }
  RateDay when(currency.substr(0, kCellShownMax), workspace_.schema.timezone.ToLocal(time).day());
  for (char& c : when.first) {
    c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  return Convert(input, fields, when, batch);
}

// An amount in another currency, at the rate of the row's day.
RowResult<RowReader::Typed> RowReader::Convert(const Input& input, Fields fields,
                                               const RateDay& when, Batch& batch) const {
  const std::string& column = currency_ ? header_[*currency_] : input.text;
  const std::string& kept = workspace_.schema.currency;
  if (workspace_.rates == nullptr) {
    return RowProblem(
        column, fmt::format("the amount is in {:?}, this workspace keeps {}", when.first, kept));
  }
  const std::optional<ExchangeRate> rate = workspace_.rates->Find(when);
  if (!rate) {
    return RowProblem(
        column,
        fmt::format("the amount is in {:?}, and {} does not say how many {} 1 {} was on {} or in "
                    "the {} days before",
                    when.first, workspace_.rates->path(), kept, when.first,
                    FormatTime(FromMicros(when.second * kDay.count())).substr(0, 10),
                    kRateDaysMax));
  }
  const RowResult<std::optional<Fraction>> amount = ReadFraction(input, fields);
  if (!amount) {
    return amount.error();
  }
  Fraction factor{rate->digits, 1};
  for (int i = 0; i < rate->decimals; ++i) {
    factor.bottom *= 10;
  }
  const Result<Fraction> value = Product(**amount, factor);
  const Result<Decimal> converted =
      value ? RoundFraction(*value, workspace_.schema.currency_decimals) : value.error();
  if (!converted) {
    return RowProblem(input.text, converted.error().message());
  }
  if (batch.rates.emplace(when, *rate).second) {
    batch.row_rates.push_back(when);
  }
  return Typed{.value = converted->units, .rounded = false, .converted = true};
}

RowResult<std::optional<std::int64_t>> RowReader::ReadVersion(Fields fields) const {
  const std::string_view text = version_ ? Trim(fields[*version_]) : std::string_view();
  if (text.empty()) {
    return std::optional<std::int64_t>();
  }
  const Result<Decimal> number = ParseDecimal(text, 0);
  if (number && !number->rounded) {
    return std::optional(number->units);
  }
  const Result<TimePoint> time = ParseTime(text, source_.timezone);
  if (!time) {
    return RowProblem(header_[*version_], fmt::format("{:?} is neither a whole number nor a time",
                                                      text.substr(0, kCellShownMax)));
  }
  return std::optional(ToMicros(*time));
}

}  // namespace segue
