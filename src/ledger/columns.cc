// Keeping the columns up to date: changes first, then windows, then the customers who must be
// computed again.

#include "ledger/columns.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <map>
#include <set>
#include <tuple>

#include "base/check.h"
#include "base/hash.h"
#include "base/parallel.h"
#include "expression/execute.h"
#include "ledger/bytes.h"
#include "ledger/column.h"

namespace segue {
namespace {

constexpr std::int64_t kEarliest = std::numeric_limits<std::int64_t>::min();
constexpr CustomerIndex kPartCustomers = 16 * 1024;
// When more than one customer in this many must be computed again, a scan of everything is quicker.
constexpr std::size_t kRebuildShare = 8;
constexpr std::size_t kRebuildMin = 1000;

// Sums of times and durations that files may make as large as they like.
std::int64_t Minus(std::int64_t time, Duration duration) {
  const Int128 result = Int128{time} - duration.count();
  return static_cast<std::int64_t>(
      std::clamp(result, Int128{kEarliest + 1}, Int128{std::numeric_limits<std::int64_t>::max()}));
}

// after < time <= until
struct Span {
  std::int64_t after = kEarliest;
  std::int64_t until = kEarliest;

  bool Holds(std::int64_t time) const { return after < time && time <= until; }
};

Span Window(const Aggregate& aggregate, std::int64_t edge) {
  const std::int64_t until = Minus(edge, aggregate.before);
  return {aggregate.window == Duration::zero() ? kEarliest : Minus(until, aggregate.window), until};
}

void AddField(int field, EventParts& parts) {
  if (std::find(parts.fields.begin(), parts.fields.end(), field) == parts.fields.end()) {
    parts.fields.push_back(field);
  }
}

}  // namespace

void AddEventFields(const Expr& where, EventParts& parts) {
  ForEachLeaf(where, [&](const Expr& leaf) {
    if (leaf.leaf.kind == Leaf::Kind::kEventField) {
      AddField(leaf.leaf.index, parts);
    }
  });
}

struct Columns::Inner {
  Ledger& ledger;
  Database& db;
  const Schema& schema;
  TextPool& pool;
  const std::vector<Aggregate>& aggregates;
  std::vector<std::unique_ptr<Column>> columns =
      {};  // Null for those that are asked inside runs only.
  std::vector<std::vector<int>> by_kind = {};
  std::int64_t edge = 0;
  Sequence applied = 0;  // What the ledger's position was when its changes were last taken.
  CustomerIndex count = 0;
  // What must be computed again at the end of this step: one aggregate of a customer, or all.
  std::set<std::pair<CustomerIndex, int>> dirty = {};
  std::set<CustomerIndex> dirty_all = {};

  void MakeColumns();
  void Resize();
  Ledger::Changes Take();
  bool Takes(int aggregate, const StoredEvent& event) const;
  void Apply(const Ledger::Changes& changes);
  void ApplyOne(const StoredEvent& event, bool added);
  void ApplyRows(const Ledger::AddedRows& added);
  void ApplyRows(const Ledger::AddedRows& added, const std::vector<int>& asking);
  bool ReadsTexts(int aggregate) const;
  EventParts PartsOf(const std::vector<int>& which) const;
  void MoveWindows(std::int64_t now, const std::vector<int>& which);
  void Recompute(const std::vector<int>& which);
  void RecomputeCustomer(CustomerIndex customer, const std::vector<int>& which);
  void Build(const std::vector<int>& which);
  void Advance(std::int64_t now, const std::vector<int>& which);

  struct Position {
    Sequence sequence = 0;
    std::int64_t edge = 0;
    friend bool operator==(const Position&, const Position&) = default;
  };

  std::optional<Position> Load(int aggregate);
  bool LoadParts(int aggregate, std::int64_t snapshot);
  void Start(std::int64_t now);
  std::vector<int> All() const;
};

std::vector<int> Columns::Inner::All() const {
  std::vector<int> all;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (columns[i] != nullptr) {
      all.push_back(static_cast<int>(i));
    }
  }
  return all;
}

void Columns::Inner::MakeColumns() {
  by_kind.resize(schema.events.size());
  for (const Aggregate& aggregate : aggregates) {
    columns.push_back(aggregate.in_run ? nullptr : MakeColumn(aggregate, schema, pool));
    if (!aggregate.in_run) {
      by_kind[static_cast<std::size_t>(aggregate.event)].push_back(
          static_cast<int>(columns.size()) - 1);
    }
  }
}

void Columns::Inner::Resize() {
  count = ledger.customer_count();
  for (const std::unique_ptr<Column>& column : columns) {
    if (column != nullptr) {
      column->Resize(count);
    }
  }
}

Ledger::Changes Columns::Inner::Take() {
  Resize();
  applied = ledger.last_sequence();
  return ledger.TakeChanges();
}

// Whether the event is one of those that the aggregate looks at, whatever its time.
bool Columns::Inner::Takes(int aggregate, const StoredEvent& event) const {
  const Aggregate& asked = aggregates[static_cast<std::size_t>(aggregate)];
  if (!event.counts || (event.orphan && asked.op != AggregateOp::kSum)) {
    return false;
  }
  if (asked.where.empty()) {
    return true;
  }
  const EventSpec& spec = schema.events[static_cast<std::size_t>(event.kind)];
  return IsTrue(ExecuteOnEvent(asked.where.front(), spec, event.fields, pool, nullptr,
                               Moment{FromMicros(edge), Zone()}, event.customer));
}

void Columns::Inner::ApplyOne(const StoredEvent& event, bool added) {
  if (dirty_all.contains(event.customer)) {
    return;
  }
  for (const int aggregate : by_kind[static_cast<std::size_t>(event.kind)]) {
    const auto at = static_cast<std::size_t>(aggregate);
    if (!Window(aggregates[at], edge).Holds(ToMicros(event.time)) || !Takes(aggregate, event)) {
      continue;
    }
    if (added) {
      columns[at]->Add(event.customer, event);
    } else if (!columns[at]->Remove(event.customer, event)) {
      dirty.emplace(event.customer, aggregate);
    }
  }
}

void Columns::Inner::Apply(const Ledger::Changes& changes) {
  // First who is computed again anyway: their other changes may speak of a state that the columns
  // never saw.
  for (const Ledger::Change& change : changes.list) {
    if (change.rebuilt) {
      dirty_all.insert(*change.rebuilt);
    }
  }
  for (const Ledger::AddedRows& added : changes.rows) {
    ApplyRows(added);
  }
  for (const Ledger::Change& change : changes.list) {
    if (change.removed) {
      ApplyOne(*change.removed, false);
    }
    if (change.added) {
      ApplyOne(*change.added, true);
    }
  }
}

// What these aggregates look at in an event.
EventParts Columns::Inner::PartsOf(const std::vector<int>& which) const {
  EventParts parts;
  for (const int aggregate : which) {
    const Aggregate& asked = aggregates[static_cast<std::size_t>(aggregate)];
    if (asked.field >= 0) {
      AddField(asked.field, parts);
    }
    for (const Expr& where : asked.where) {
      AddEventFields(where, parts);
    }
    parts.dedupe_hash =
        parts.dedupe_hash || asked.op == AggregateOp::kLastOf || asked.op == AggregateOp::kFirstOf;
  }
  return parts;
}

// Whether the pool of texts is written to when an event is added: then only one may at a time.
bool Columns::Inner::ReadsTexts(int aggregate) const {
  const std::vector<FieldSpec>& fields =
      schema.events[static_cast<std::size_t>(aggregates[static_cast<std::size_t>(aggregate)].event)]
          .fields;
  const std::vector<int> read = PartsOf({aggregate}).fields;
  return std::any_of(read.begin(), read.end(), [&](int field) {
    const Type type = fields[static_cast<std::size_t>(field)].type;
    return type == Type::kText || type == Type::kChoice;
  });
}

void Columns::Inner::ApplyRows(const Ledger::AddedRows& added) {
  std::vector<std::vector<int>> lanes(1);
  for (const int aggregate : by_kind[static_cast<std::size_t>(added.rows->kind)]) {
    if (ReadsTexts(aggregate)) {
      lanes.front().push_back(aggregate);
    } else {
      lanes.push_back({aggregate});
    }
  }
  InParallel(lanes.size(), [&](std::size_t lane) {
    if (!lanes[lane].empty()) {
      ApplyRows(added, lanes[lane]);
    }
  });
}

// All of a long import at once: only what somebody asks for is made of a row.
void Columns::Inner::ApplyRows(const Ledger::AddedRows& added, const std::vector<int>& asking) {
  const EventRows& rows = *added.rows;
  const EventParts parts = PartsOf(asking);
  std::vector<Span> windows;
  for (const int aggregate : asking) {
    windows.push_back(Window(aggregates[static_cast<std::size_t>(aggregate)], edge));
  }
  StoredEvent event;
  event.kind = rows.kind;
  event.fields.resize(rows.fields.size());
  event.sequence = added.first - 1;
  std::string room;
  for (const std::uint32_t row : added.order) {
    ++event.sequence;
    const auto holds = [&](const Span& window) { return window.Holds(rows.times[row]); };
    if (std::none_of(windows.begin(), windows.end(), holds)) {
      continue;  // What a day brings lies after the edge.
    }
    event.customer = ledger.Survivor(added.customers[row]);
    if (dirty_all.contains(event.customer)) {
      continue;
    }
    event.time = FromMicros(rows.times[row]);
    for (const int field : parts.fields) {
      event.fields[static_cast<std::size_t>(field)] =
          rows.FieldAt(static_cast<std::size_t>(field), row);
    }
    if (parts.dedupe_hash) {
      event.dedupe_hash = KeyedHash(HashKey{}, rows.DedupeAt(row, room));
    }
    for (std::size_t i = 0; i < asking.size(); ++i) {
      if (windows[i].Holds(rows.times[row]) && Takes(asking[i], event)) {
        columns[static_cast<std::size_t>(asking[i])]->Add(event.customer, event);
      }
    }
  }
}

void Columns::Inner::MoveWindows(std::int64_t now, const std::vector<int>& which) {
  // Leaves, kind, span: those that come in go first.
  using Key = std::tuple<bool, int, std::int64_t, std::int64_t>;
  std::map<Key, std::vector<int>> scans;
  for (const int aggregate : which) {
    const Aggregate& asked = aggregates[static_cast<std::size_t>(aggregate)];
    const Span before = Window(asked, edge);
    const Span after = Window(asked, now);
    // What would come and go in the same step is left out of both.
    const Span comes{std::max(before.until, after.after), after.until};
    const Span goes{before.after, std::min(after.after, before.until)};
    if (comes.after < comes.until) {
      scans[{false, asked.event, comes.after, comes.until}].push_back(aggregate);
    }
    if (goes.after < goes.until) {
      scans[{true, asked.event, goes.after, goes.until}].push_back(aggregate);
    }
  }
  for (const auto& scan : scans) {
    // Not by [names]: clang 14 lets no lambda see those.
    const bool leaves = std::get<0>(scan.first);
    const int kind = std::get<1>(scan.first);
    const TimePoint after = FromMicros(std::get<2>(scan.first));
    const TimePoint until = FromMicros(std::get<3>(scan.first));
    const std::vector<int>& asking = scan.second;
    // They lie far apart: memory is asked for them together, not waited for once for each.
    for (const CustomerIndex customer : ledger.CustomersOf(kind, after, until)) {
      for (const int aggregate : asking) {
        columns[static_cast<std::size_t>(aggregate)]->Fetch(customer);
      }
    }
    ledger.Scan(kind, after, until, PartsOf(asking), [&](const StoredEvent& event) {
      if (dirty_all.contains(event.customer)) {
        return;
      }
      for (const int aggregate : asking) {
        if (!Takes(aggregate, event)) {
          continue;
        }
        Column& column = *columns[static_cast<std::size_t>(aggregate)];
        if (!leaves) {
          column.Add(event.customer, event);
        } else if (!column.Expire(event.customer, event)) {
          dirty.emplace(event.customer, aggregate);
        }
      }
    });
  }
}

void Columns::Inner::RecomputeCustomer(CustomerIndex customer, const std::vector<int>& which) {
  std::map<int, std::vector<int>> kinds;
  for (const int aggregate : which) {
    columns[static_cast<std::size_t>(aggregate)]->Clear(customer);
    kinds[aggregates[static_cast<std::size_t>(aggregate)].event].push_back(aggregate);
  }
  if (!ledger.IsAlive(customer)) {
    return;
  }
  for (const auto& of_kind : kinds) {
    const std::vector<int>& asking = of_kind.second;
    Span all{std::numeric_limits<std::int64_t>::max(), kEarliest};
    for (const int aggregate : asking) {
      const Span window = Window(aggregates[static_cast<std::size_t>(aggregate)], edge);
      all = {std::min(all.after, window.after), std::max(all.until, window.until)};
    }
    ledger.ScanCustomer(customer, of_kind.first, FromMicros(all.after), FromMicros(all.until),
                        PartsOf(asking), [&](const StoredEvent& event) {
                          for (const int aggregate : asking) {
                            const auto at = static_cast<std::size_t>(aggregate);
                            if (Window(aggregates[at], edge).Holds(ToMicros(event.time)) &&
                                Takes(aggregate, event)) {
                              columns[at]->Add(customer, event);
                            }
                          }
                        });
  }
}

void Columns::Inner::Recompute(const std::vector<int>& which) {
  for (const CustomerIndex customer : dirty_all) {
    RecomputeCustomer(customer, which);
  }
  std::vector<int> some;
  for (auto at = dirty.begin(); at != dirty.end();) {
    const CustomerIndex customer = at->first;
    some.clear();
    for (; at != dirty.end() && at->first == customer; ++at) {
      some.push_back(at->second);
    }
    if (!dirty_all.contains(customer)) {
      RecomputeCustomer(customer, some);
    }
  }
  dirty.clear();
  dirty_all.clear();
}

// From nothing, at the edge: one scan per kind.
void Columns::Inner::Build(const std::vector<int>& which) {
  std::map<int, std::vector<int>> kinds;
  for (const int aggregate : which) {
    const auto at = static_cast<std::size_t>(aggregate);
    columns[at] = MakeColumn(aggregates[at], schema, pool);
    columns[at]->Resize(count);
    kinds[aggregates[at].event].push_back(aggregate);
  }
  for (const auto& of_kind : kinds) {
    const int kind = of_kind.first;
    const std::vector<int>& asking = of_kind.second;
    std::vector<Span> windows;
    Span all{std::numeric_limits<std::int64_t>::max(), kEarliest};
    for (const int aggregate : asking) {
      windows.push_back(Window(aggregates[static_cast<std::size_t>(aggregate)], edge));
      all = {std::min(all.after, windows.back().after), std::max(all.until, windows.back().until)};
    }
    const EventParts parts = PartsOf(asking);
    ledger.Scan(kind, FromMicros(all.after), FromMicros(all.until), parts,
                [&](const StoredEvent& event) {
                  for (std::size_t i = 0; i < asking.size(); ++i) {
                    if (windows[i].Holds(ToMicros(event.time)) && Takes(asking[i], event)) {
                      columns[static_cast<std::size_t>(asking[i])]->Add(event.customer, event);
                    }
                  }
                });
  }
}

void Columns::Inner::Advance(std::int64_t now, const std::vector<int>& which) {
  ledger.AdvanceTo(FromMicros(now));
  const Ledger::Changes changes = Take();
  if (changes.all) {
    edge = now;
    dirty.clear();
    dirty_all.clear();
    Build(which);
    return;
  }
  Apply(changes);
  MoveWindows(now, which);
  edge = now;
  Recompute(which);
}

// The last snapshot of one column, with where it stands.
std::optional<Columns::Inner::Position> Columns::Inner::Load(int aggregate) {
  Statement find = db.Prepare(
      "SELECT id, sequence, edge FROM column_snapshot WHERE canonical = ? ORDER BY id DESC LIMIT "
      "1");
  find.Bind(1, aggregates[static_cast<std::size_t>(aggregate)].canonical);
  if (!find.Step()) {
    return std::nullopt;
  }
  const Position position{static_cast<Sequence>(find.Int(1)), find.Int(2)};
  return LoadParts(aggregate, find.Int(0)) ? std::optional(position) : std::nullopt;
}

bool Columns::Inner::LoadParts(int aggregate, std::int64_t snapshot) {
  Column& column = *columns[static_cast<std::size_t>(aggregate)];
  Statement parts = db.Prepare("SELECT data FROM column_part WHERE snapshot = ? ORDER BY part");
  parts.Bind(1, snapshot);
  CustomerIndex next = 0;
  while (parts.Step()) {
    ByteReader in(parts.BlobView(0));
    const std::uint64_t size = in.Varint();
    if (size > count - next) {
      return false;
    }
    const CustomerIndex begin = std::exchange(next, next + static_cast<CustomerIndex>(size));
    column.Load(begin, next, in);
    if (in.failed() || in.left() != 0) {
      return false;
    }
  }
  return true;
}

void Columns::Inner::Start(std::int64_t now) {
  MakeColumns();
  Take();
  std::vector<int> loaded, missing;
  std::optional<Position> position;
  for (const int aggregate : All()) {
    const std::optional<Position> at = Load(aggregate);
    const bool fits = at && at->edge <= now && (!position || *position == *at);
    position = fits ? at : position;
    (fits ? loaded : missing).push_back(aggregate);
  }
  const auto changed = position ? ledger.ChangedSince(position->sequence) : std::nullopt;
  if (!changed || changed->size() > std::max<std::size_t>(kRebuildMin, count / kRebuildShare)) {
    missing = All();
    loaded.clear();
  } else {
    edge = position->edge;
    dirty_all.insert(changed->begin(), changed->end());
  }
  if (loaded.empty()) {
    ledger.AdvanceTo(FromMicros(now));
    Take();
    edge = now;
  } else {
    // Those that are missing are still empty: they must not be asked to follow.
    for (std::vector<int>& asking : by_kind) {
      std::erase_if(asking, [&](int aggregate) {
        return std::find(missing.begin(), missing.end(), aggregate) != missing.end();
      });
    }
    Advance(now, loaded);
    for (const int aggregate : missing) {
      by_kind[static_cast<std::size_t>(aggregates[static_cast<std::size_t>(aggregate)].event)]
          .push_back(aggregate);
    }
  }
  Build(missing);
}

Columns::Columns(Ledger& ledger, Database& db, const Schema& schema, TextPool& pool,
                 const AggregateCatalog& catalog, TimePoint now)
    : inner_(new Inner{ledger, db, schema, pool, catalog.all()}) {
  inner_->Start(ToMicros(now));
}

Columns::~Columns() = default;

void Columns::Advance(TimePoint now) {
  SEGUE_CHECK(ToMicros(now) >= inner_->edge);
  inner_->Advance(ToMicros(now), inner_->All());
}

void Columns::Follow() {
  const Ledger::Changes changes = inner_->Take();
  if (changes.all) {
    inner_->dirty.clear();
    inner_->dirty_all.clear();
    inner_->Build(inner_->All());
  } else {
    inner_->Apply(changes);
  }
}

TimePoint Columns::edge() const {
  return FromMicros(inner_->edge);
}

void Columns::Read(int aggregate, CustomerIndex first, std::span<double> out) const {
  const Column* column = inner_->columns[static_cast<std::size_t>(aggregate)].get();
  const std::size_t known = column == nullptr || first >= inner_->count
                                ? 0
                                : std::min<std::size_t>(out.size(), inner_->count - first);
  if (known > 0) {
    column->ReadMany(first, out.first(known));
  }
  std::fill(out.begin() + static_cast<std::ptrdiff_t>(known), out.end(),
            column == nullptr ? std::numeric_limits<double>::quiet_NaN() : column->Nothing());
}

double Columns::ReadOf(int aggregate, std::span<const CustomerIndex> customers) const {
  const Column* column = inner_->columns[static_cast<std::size_t>(aggregate)].get();
  // Who arrived since the columns were last advanced has no place in them yet.
  std::vector<CustomerIndex> known;
  for (const CustomerIndex customer : customers) {
    if (customer < inner_->count) {
      known.push_back(customer);
    }
  }
  return column == nullptr ? std::numeric_limits<double>::quiet_NaN() : column->ReadOf(known);
}

void Columns::Snapshot() {
  Inner& in = *inner_;
  Transaction work(in.db);
  in.Recompute(in.All());  // What Follow left for the next step.
  in.db.Execute("DELETE FROM column_part");
  in.db.Execute("DELETE FROM column_snapshot");
  for (const int aggregate : in.All()) {
    const auto at = static_cast<std::size_t>(aggregate);
    in.db.Prepare("INSERT INTO column_snapshot(id, canonical, sequence, edge) VALUES (?, ?, ?, ?)")
        .Bind(1, static_cast<std::int64_t>(aggregate))
        .Bind(2, in.aggregates[at].canonical)
        .Bind(3, static_cast<std::int64_t>(in.applied))
        .Bind(4, in.edge)
        .Run();
    for (CustomerIndex begin = 0, part = 0; begin < in.count; begin += kPartCustomers, ++part) {
      const CustomerIndex end = std::min(in.count, begin + kPartCustomers);
      ByteWriter out;
      out.Varint(end - begin);
      in.columns[at]->Save(begin, end, out);
      in.db.Prepare("INSERT INTO column_part(snapshot, part, data) VALUES (?, ?, ?)")
          .Bind(1, static_cast<std::int64_t>(aggregate))
          .Bind(2, static_cast<std::int64_t>(part))
          .BindBlob(3, out.bytes())
          .Run();
    }
  }
  work.Commit();
}

void Columns::Rebuild() {
  Inner& in = *inner_;
  in.Take();
  in.dirty.clear();
  in.dirty_all.clear();
  in.Build(in.All());
}

std::string Columns::Fingerprint() const {
  const Inner& in = *inner_;
  std::string out = "edge " + std::to_string(in.edge) + "\n";
  for (const int aggregate : in.All()) {
    const auto at = static_cast<std::size_t>(aggregate);
    out += in.aggregates[at].canonical + "\n";
    for (CustomerIndex customer = 0; customer < in.count; ++customer) {
      in.columns[at]->Print(customer, out);
      out += '\n';
    }
  }
  return out;
}

}  // namespace segue
