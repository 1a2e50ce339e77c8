// Lines in the Segment shape.
//
//   {"type": "track", "userId": "u1", "event": "Order Placed", "messageId": "m1",
//    "timestamp": "2026-03-01T08:00:00Z", "properties": {"orderId": "A1", "total": 12.5}}
//
// Each kind of event, and the traits, have a reader of rows of their own, whose columns are filled
// from the line: so that a property is read by the type of its field exactly as a cell of CSV is.

#include <algorithm>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"
#include "base/time.h"
#include "sources/jsonl.h"

namespace segue {
namespace {

// Columns that no field can be called.
constexpr std::string_view kCustomer = "userId:";
constexpr std::string_view kTime = "timestamp:";
constexpr std::string_view kCurrency = "currency:";
constexpr std::size_t kFirstField = 3;  // The three stand first.

// Segment's own are at most 100 characters.
constexpr std::size_t kMessageIdBytesMax = 256;

// The values below `properties` or `traits`, by their exact names and by those names in snake case.
class Bag {
 public:
  Bag(const JsonFields& fields, std::string_view prefix) : fields_(fields), prefix_(prefix) {
    for (auto at = fields.lower_bound(prefix_); at != fields.end() && Belongs(at->first); ++at) {
      snake_.try_emplace(SnakeCase(at->first.substr(prefix_.size())), &at->second);
    }
  }

  const JsonField* Find(const std::string& name) const {
    const auto exact = fields_.find(prefix_ + name);
    if (exact != fields_.end()) {
      return &exact->second;
    }
    const auto similar = snake_.find(name);
    return similar == snake_.end() ? nullptr : similar->second;
  }

 private:
  bool Belongs(const std::string& path) const { return path.starts_with(prefix_); }

  const JsonFields& fields_;
  std::string prefix_;
  std::map<std::string, const JsonField*> snake_;
};

// One kind of event, or the traits of customers or accounts.
struct Shape {
  std::unique_ptr<Source> source;  // Rows of this shape; the reader refers to it.
  std::vector<std::string> columns;
  std::unique_ptr<RowReader> reader;
};

class SegmentCalls final : public JsonLineReader {
 public:
  SegmentCalls(const Source& source, const Workspace& workspace, const CallShape& shape)
      : source_(source), workspace_(workspace), shape_(shape) {}

  std::optional<Error> Prepare() {
    const Schema& schema = workspace_.schema;
    for (std::size_t kind = 0; kind < schema.events.size(); ++kind) {
      Source rows = Rows();
      rows.emits_event = static_cast<int>(kind);
      const EventSpec& event = schema.events[kind];
      Result<Shape> shape = MakeShape(std::move(rows), event.fields, event.name);
      if (!shape) {
        return shape.error();
      }
      events_.push_back(std::move(*shape));
    }
    if (!schema.customer_traits.empty()) {
      Source rows = Rows();
      rows.emits_customer = true;
      Result<Shape> shape = MakeShape(std::move(rows), schema.customer_traits, "customer");
      if (!shape) {
        return shape.error();
      }
      traits_ = std::move(*shape);
    }
    if (!schema.account_traits.empty()) {
      Source rows = Rows();
      rows.emits_account = true;
      rows.map.front().target = workspace_.account_key;
      Result<Shape> shape = MakeShape(std::move(rows), schema.account_traits, "account");
      if (!shape) {
        return shape.error();
      }
      accounts_ = std::move(*shape);
    }
    return std::nullopt;
  }

  void Take(std::string_view line, std::int64_t number, Batch& batch) const override {
    const std::size_t facts_before = batch.facts.size();
    const std::size_t bad_before = batch.bad.size();
    const std::int64_t anonymous_before = batch.anonymous;
    const std::int64_t rows_before = batch.rows;
    RowResult<JsonFields> fields = ParseJsonLine(line);
    RowResult<bool> taken = true;
    if (!fields) {
      taken = fields.error();
    } else if (shape_.translate != nullptr) {
      taken = shape_.translate(*fields, source_);
    }
    if (taken) {
      taken = TakeCall(*fields, {line, number}, batch);
    }
    batch.rows = rows_before + 1;
    if (!taken) {
      SetAside(taken.error(), line, number, batch);
    } else if (batch.facts.size() == facts_before && batch.bad.size() == bad_before &&
               batch.anonymous == anonymous_before) {
      ++batch.ignored;
    }
  }

 private:
  struct Line {
    std::string_view text;
    std::int64_t number = 0;
  };

  // A source of rows with the settings of this one.
  Source Rows() const {
    Source rows;
    rows.id = source_.id;
    rows.type = SourceType::kJsonLines;
    rows.timezone = source_.timezone;
    rows.time_column = kTime;
    rows.currency = source_.currency;
    rows.currency_column = source_.currency_column.empty() ? "" : kCurrency;
    rows.map.push_back({workspace_.customer_key, std::string(kCustomer), {}});
    return rows;
  }

  Result<Shape> MakeShape(Source rows, const std::vector<FieldSpec>& fields,
                          const std::string& prefix) const {
    Shape shape;
    shape.columns = {std::string(kCustomer), std::string(kTime), std::string(kCurrency)};
    const auto add = [&](const std::string& column) {
      if (std::find(shape.columns.begin(), shape.columns.end(), column) == shape.columns.end()) {
        shape.columns.push_back(column);
      }
    };
    for (const FieldSpec& field : fields) {
      const ColumnMap* map = FindMap(prefix + "." + field.name);
      if (map == nullptr) {
        add(field.name);
        continue;
      }
      for (const std::string& column : ColumnsOf(map->expression)) {
        add(column);
      }
      rows.map.push_back({field.name, map->expression, map->place});
    }
    shape.source = std::make_unique<Source>(std::move(rows));
    const std::vector<std::string_view> header(shape.columns.begin(), shape.columns.end());
    Result<RowReader> reader = RowReader::Make(*shape.source, workspace_, header);
    if (!reader) {
      return reader.error();
    }
    shape.reader = std::make_unique<RowReader>(std::move(*reader));
    return shape;
  }

  const ColumnMap* FindMap(std::string_view target) const {
    const auto found = std::find_if(source_.map.begin(), source_.map.end(),
                                    [&](const ColumnMap& map) { return map.target == target; });
    return found == source_.map.end() ? nullptr : &*found;
  }

  // By `map`, else by its name in snake case.
  std::optional<int> EventOf(std::string_view name) const {
    const Schema& schema = workspace_.schema;
    for (const ColumnMap& map : source_.map) {
      const std::optional<int> event = schema.FindEvent(map.target);
      if (event && map.expression == name) {
        return event;
      }
    }
    return schema.FindEvent(SnakeCase(name));
  }

  RowResult<bool> TakeCall(const JsonFields& fields, const Line& line, Batch& batch) const;
  RowResult<bool> TakeEvent(int kind, const JsonFields& fields, const Line& line,
                            Batch& batch) const;
  RowResult<bool> TakeIdentify(const JsonFields& fields, const Line& line, Batch& batch) const;
  RowResult<bool> TakeGroup(const JsonFields& fields, const Line& line, Batch& batch) const;
  RowResult<bool> TakeAlias(const JsonFields& fields, Batch& batch) const;

  // The cells of a row of a shape, the first three left empty.
  struct Cells {
    std::vector<std::string_view> texts;
    std::optional<RowProblem> problem;  // Of the first that is no value; it is left empty.
  };

  RowResult<bool> TakeRow(const Shape& shape, Cells cells, std::string_view prefix,
                          const Line& line, Batch& batch) const;
  Cells CellsOf(const Shape& shape, const JsonFields& fields, std::string_view prefix) const;
  RowResult<std::string> TimeOf(const JsonFields& fields) const;

  const Source& source_;
  const Workspace& workspace_;
  CallShape shape_;
  std::vector<Shape> events_;  // As Schema::events.
  Shape traits_, accounts_;
};

// The text of a value that stands on the line itself; empty if there is none.
RowResult<std::string> TextOf(const JsonFields& fields, std::string_view name) {
  const auto found = fields.find(name);
  const RowResult<std::string_view> cell =
      CellOf(found == fields.end() ? nullptr : &found->second, name);
  if (!cell) {
    return cell.error();
  }
  return std::string(Trim(*cell));
}

RowResult<bool> SegmentCalls::TakeCall(const JsonFields& fields, const Line& line,
                                       Batch& batch) const {
  const RowResult<std::string> type = TextOf(fields, "type");
  if (!type) {
    return type.error();
  }
  if (*type == "identify") {
    return TakeIdentify(fields, line, batch);
  }
  if (*type == "group") {
    return TakeGroup(fields, line, batch);
  }
  if (*type == "alias") {
    return TakeAlias(fields, batch);
  }
  if (*type != "track" && *type != "page" && *type != "screen") {
    return RowProblem(
        "type", type->empty()
                    ? "the line has no type; it is track, identify, group, alias, page or screen"
                    : fmt::format("{:?} is not track, identify, group, alias, page or screen",
                                  type->substr(0, kCellShownMax)));
  }
  const RowResult<std::string> name = *type == "track" ? TextOf(fields, "event") : type;
  if (!name) {
    return name.error();
  }
  if (name->empty()) {
    return RowProblem("event", "the line does not say which event it is");
  }
  const std::optional<int> kind = EventOf(*name);
  return kind ? TakeEvent(*kind, fields, line, batch) : RowResult<bool>(true);
}

// `timestamp`.  Without it, when it happened by the device's clock, set right by how wrong that was
// when it sent: originalTimestamp + (receivedAt - sentAt); else the first of these three.
RowResult<std::string> SegmentCalls::TimeOf(const JsonFields& fields) const {
  std::vector<std::string> found;
  std::vector<TimePoint> times;
  for (const std::string_view name : {"timestamp", "originalTimestamp", "receivedAt", "sentAt"}) {
    RowResult<std::string> text = TextOf(fields, name);
    if (!text) {
      return text.error();
    }
    if (text->empty()) {
      continue;
    }
    const Result<TimePoint> time = ParseTime(*text, source_.timezone);
    if (!time) {
      return RowProblem(std::string(name), time.error().message());
    }
    if (name == "timestamp") {
      return std::move(*text);
    }
    found.push_back(std::move(*text));
    times.push_back(*time);
  }
  if (found.empty()) {
    return RowProblem("timestamp", "the line does not say when it happened");
  }
  return times.size() == 3 ? FormatTime(times[0] + (times[1] - times[2])) : found.front();
}

SegmentCalls::Cells SegmentCalls::CellsOf(const Shape& shape, const JsonFields& fields,
                                          std::string_view prefix) const {
  Cells cells;
  cells.texts.resize(shape.columns.size());
  const Bag bag(fields, prefix);
  for (std::size_t i = kFirstField - 1; i < cells.texts.size(); ++i) {
    const std::string& name = i + 1 == kFirstField ? source_.currency_column : shape.columns[i];
    const RowResult<std::string_view> cell =
        name.empty() ? std::string_view() : CellOf(bag.Find(name), shape.columns[i]);
    if (cell) {
      cells.texts[i] = *cell;
    } else if (!cells.problem) {
      cells.problem = cell.error();
    }
  }
  return cells;
}

// Reads the cells as a row of this shape.  What is bad is called as it stands in the line.
RowResult<bool> SegmentCalls::TakeRow(const Shape& shape, Cells cells, std::string_view prefix,
                                      const Line& line, Batch& batch) const {
  CsvRow row;
  row.fields = std::move(cells.texts);
  row.raw = line.text;
  const std::size_t bad_before = batch.bad.size();
  shape.reader->Take(row, line.text, line.number, batch, std::move(cells.problem));
  if (batch.bad.size() == bad_before) {
    return true;
  }
  std::string& column = batch.bad.back().column;
  if (column == kCurrency) {
    column = std::string(prefix) + source_.currency_column;
  } else if (column == kCustomer || column == kTime) {
    column.pop_back();
  } else if (!column.empty()) {
    column.insert(0, prefix);
  }
  return true;
}

RowResult<bool> SegmentCalls::TakeEvent(int kind, const JsonFields& fields, const Line& line,
                                        Batch& batch) const {
  const Shape& shape = events_[static_cast<std::size_t>(kind)];
  const RowResult<std::string> user = TextOf(fields, "userId");
  const RowResult<std::string> id = TextOf(fields, "messageId");
  const RowResult<std::string> time = TimeOf(fields);
  if (!user || !id || !time) {
    return !user ? user.error() : !id ? id.error() : time.error();
  }
  if (id->size() > kMessageIdBytesMax) {
    return RowProblem("messageId", fmt::format("a messageId has at most {} bytes, this one has {}",
                                               kMessageIdBytesMax, id->size()));
  }
  Cells cells = CellsOf(shape, fields, shape_.properties);
  cells.texts[0] = *user;
  cells.texts[1] = *time;
  const std::size_t facts_before = batch.facts.size();
  RowResult<bool> taken = TakeRow(shape, std::move(cells), shape_.properties, line, batch);
  if (taken && batch.facts.size() > facts_before) {
    std::get<Event>(batch.facts.back()).dedupe = *id;
  }
  return taken;
}

RowResult<bool> SegmentCalls::TakeIdentify(const JsonFields& fields, const Line& line,
                                           Batch& batch) const {
  constexpr std::string_view kPrefix = "traits.";
  const RowResult<std::string> user = TextOf(fields, "userId");
  const RowResult<std::string> time = TimeOf(fields);
  if (!user || !time) {
    return !user ? user.error() : time.error();
  }
  if (traits_.reader == nullptr) {
    return true;
  }
  Cells cells = CellsOf(traits_, fields, kPrefix);
  cells.texts[0] = *user;
  cells.texts[1] = *time;
  return TakeRow(traits_, std::move(cells), kPrefix, line, batch);
}

// Who belongs to which account: the customer's trait that is called as keys.account says.  And
// what is said about the account, by whomever.
RowResult<bool> SegmentCalls::TakeGroup(const JsonFields& fields, const Line& line,
                                        Batch& batch) const {
  const RowResult<std::string> user = TextOf(fields, "userId");
  const RowResult<std::string> group = TextOf(fields, "groupId");
  const RowResult<std::string> time = TimeOf(fields);
  if (!user || !group || !time) {
    return !user ? user.error() : !group ? group.error() : time.error();
  }
  if (group->empty()) {
    return RowProblem("groupId", "the line does not say which account it is about");
  }
  if (accounts_.reader != nullptr) {
    Cells cells = CellsOf(accounts_, fields, "traits.");
    cells.texts[0] = *group;
    cells.texts[1] = *time;
    const std::size_t bad_before = batch.bad.size();
    RowResult<bool> taken = TakeRow(accounts_, std::move(cells), "traits.", line, batch);
    if (!taken || batch.bad.size() > bad_before || user->empty()) {
      return taken;  // A bad line is bad as a whole.
    }
  }
  const auto column =
      std::find(traits_.columns.begin(), traits_.columns.end(), workspace_.account_key);
  if (traits_.reader == nullptr || column == traits_.columns.end()) {
    batch.anonymous += user->empty() ? 1 : 0;
    return true;
  }
  Cells cells;
  cells.texts.resize(traits_.columns.size());
  cells.texts[0] = *user;
  cells.texts[1] = *time;
  cells.texts[static_cast<std::size_t>(column - traits_.columns.begin())] = *group;
  return TakeRow(traits_, std::move(cells), "traits.", line, batch);
}

// Two keys are one customer; the ledger keeps the one that it knew earlier.
RowResult<bool> SegmentCalls::TakeAlias(const JsonFields& fields, Batch& batch) const {
  const RowResult<std::string> time_text = TimeOf(fields);
  if (!time_text) {
    return time_text.error();
  }
  const Result<TimePoint> time = ParseTime(*time_text, source_.timezone);
  if (!time) {
    return RowProblem("timestamp", time.error().message());
  }
  Merge merge;
  merge.time = *time;
  for (const auto& [name, key] :
       {std::pair("userId", &merge.customer), std::pair("previousId", &merge.other)}) {
    const RowResult<std::string> text = TextOf(fields, name);
    if (!text) {
      return text.error();
    }
    if (text->empty()) {
      return RowProblem(name, "the line does not say which two customers are one");
    }
    if (text->size() > kCustomerKeyBytesMax) {
      return RowProblem(name, fmt::format("a customer's key has at most {} bytes, this one has {}",
                                          kCustomerKeyBytesMax, text->size()));
    }
    *key = *text;
  }
  batch.facts.emplace_back(std::move(merge));
  return true;
}

}  // namespace

Result<std::unique_ptr<JsonLineReader>> MakeSegmentCalls(const Source& source,
                                                         const Workspace& workspace,
                                                         const CallShape& shape) {
  auto calls = std::make_unique<SegmentCalls>(source, workspace, shape);
  if (std::optional<Error> error = calls->Prepare()) {
    return *error;
  }
  return std::unique_ptr<JsonLineReader>(std::move(calls));
}

}  // namespace segue
