#include "pipeline/purchase_sums.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "expression/canonical.h"
#include "expression/execute.h"
#include "ledger/bytes.h"
#include "ledger/columns.h"

namespace segue {
namespace {

constexpr std::string_view kSumTables = R"(
CREATE TABLE IF NOT EXISTS purchase_sums (
  process TEXT PRIMARY KEY,
  zone TEXT NOT NULL,
  sequence INTEGER NOT NULL,
  now INTEGER NOT NULL,
  ahead BLOB NOT NULL           -- customers with a purchase after `now`
) STRICT;
CREATE TABLE IF NOT EXISTS purchase_sums_part (
  process TEXT NOT NULL,
  part INTEGER NOT NULL,
  data BLOB NOT NULL,
  PRIMARY KEY (process, part)
) STRICT;
)";

constexpr TimePoint kFirstTime = FromMicros(std::numeric_limits<std::int64_t>::min());
constexpr TimePoint kLastTime = FromMicros(std::numeric_limits<std::int64_t>::max());
constexpr std::size_t kRebuildShare = 4;  // Of the people changed: one scan is cheaper then.
constexpr std::size_t kRebuildMin = 1000;
constexpr CustomerIndex kSumsPerPart = 16 * 1024;

// Where the customers' events are looked at.
EventParts PartsRead(const PurchaseProcess& process) {
  EventParts parts;
  parts.fields = process.fields;
  if (process.where != nullptr) {
    AddEventFields(*process.where, parts);
  }
  return parts;
}

void Resize(BoughtByAll& bought, std::size_t people) {
  bought.days.resize(people);
  for (std::vector<Spent>& spent : bought.spent) {
    spent.resize(people);
  }
}

// An amount that no shop takes in stays the largest there is, instead of turning into a debt.
std::int64_t Saturated(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) {
    return sum;
  }
  return a > 0 ? std::numeric_limits<std::int64_t>::max()
               : std::numeric_limits<std::int64_t>::min();
}

void SaveOne(const BoughtByAll& all, std::size_t customer, ByteWriter& out) {
  const Bought& bought = all.days[customer];
  out.Varint(static_cast<std::uint64_t>(bought.days));
  if (bought.days == 0) {
    return;
  }
  out.Signed(bought.first);
  if (bought.days == 1) {
    return;  // Nothing was bought after the first day.
  }
  out.Varint(static_cast<std::uint64_t>(bought.last - bought.first));
  for (const std::vector<Spent>& spent : all.spent) {
    out.Varint(static_cast<std::uint64_t>(spent[customer].days));
    out.Signed(spent[customer].money);
  }
}

void LoadOne(BoughtByAll& all, std::size_t customer, ByteReader& in) {
  Bought& bought = all.days[customer];
  bought.days = static_cast<std::int32_t>(in.Varint());
  if (bought.days == 0) {
    return;
  }
  bought.first = bought.last = static_cast<std::int32_t>(in.Signed());
  if (bought.days == 1) {
    return;
  }
  bought.last += static_cast<std::int32_t>(in.Varint());
  for (std::vector<Spent>& spent : all.spent) {
    spent[customer].days = static_cast<std::int32_t>(in.Varint());
    spent[customer].money = in.Signed();
  }
}

}  // namespace

// The purchases of one customer on one day, with what each money field of the process says.
struct PurchaseSums::Purchase {
  CustomerIndex customer = 0;
  std::int32_t day = 0;
  std::vector<std::optional<std::int64_t>> spent;
};

PurchaseSums::PurchaseSums(Database& db, const Workspace& workspace, const Ledger& ledger,
                           const std::vector<PurchaseProcess>& processes)
    : db_(db), workspace_(workspace), ledger_(ledger), processes_(processes) {
  db_.Ensure("purchase sums", kSumTables);
}

std::optional<PurchaseSums::Purchase> PurchaseSums::PurchaseOf(const PurchaseProcess& process,
                                                               const StoredEvent& event) const {
  if (!event.counts || event.orphan) {
    return std::nullopt;
  }
  const EventSpec& spec = workspace_.schema.events[static_cast<std::size_t>(process.event)];
  const Zone& zone = workspace_.schema.timezone;
  if (process.where != nullptr &&
      !IsTrue(ExecuteOnEvent(*process.where, spec, event.fields, *workspace_.pool, nullptr,
                             {event.time, zone}, event.customer))) {
    return std::nullopt;
  }
  Purchase purchase;
  purchase.customer = event.customer;
  purchase.day = static_cast<std::int32_t>(zone.ToLocal(event.time).day());
  for (const int field : process.fields) {
    const auto* money = std::get_if<std::int64_t>(&event.fields[static_cast<std::size_t>(field)]);
    purchase.spent.push_back(money == nullptr ? std::nullopt : std::optional(*money));
  }
  return purchase;
}

// Puts one customer's purchases, in the order of their days, into what is known.
void PurchaseSums::Digest(std::size_t process, std::span<const Purchase> purchases) {
  BoughtByAll& bought = bought_[process];
  const CustomerIndex customer = purchases.front().customer;
  Bought& known = bought.days[customer];
  known = {purchases.front().day, purchases.back().day, 0};
  std::int32_t before = purchases.front().day - 1;
  for (const Purchase& purchase : purchases) {
    known.days += purchase.day == before ? 0 : 1;
    before = purchase.day;
  }
  for (std::size_t i = 0; i < bought.spent.size(); ++i) {
    Spent& spent = bought.spent[i][customer];
    std::int32_t last = known.first;
    for (const Purchase& purchase : purchases) {
      if (purchase.day > known.first && purchase.spent[i]) {
        spent.days += last == purchase.day ? 0 : 1;
        last = purchase.day;
        spent.money = Saturated(spent.money, *purchase.spent[i]);
      }
    }
  }
}

// The sums stand beside each other as the fields do, and what was taken back is in them.
std::string PurchaseSums::Identity(std::size_t process) const {
  const PurchaseProcess& asked = processes_[process];
  return fmt::format("{} | {} of {}", asked.canonical, asked.fields.size(),
                     EventBasis(workspace_.schema, asked.event, PartsRead(asked).fields));
}

void PurchaseSums::Advance(TimePoint now) {
  now_ = now;
  if (!ready_) {
    ready_ = true;
    if (!Load(now)) {
      BuildAll();
      return;
    }
  }
  const auto changed = ledger_.ChangedSince(sequence_);
  if (!changed || changed->size() > std::max<std::size_t>(
                                        kRebuildMin, ledger_.customer_count() / kRebuildShare)) {
    BuildAll();
    return;
  }
  std::set<CustomerIndex> stale = std::exchange(ahead_, {});
  stale.insert(changed->begin(), changed->end());
  for (std::size_t process = 0; process < processes_.size(); ++process) {
    Resize(bought_[process], ledger_.customer_count());
    for (const CustomerIndex customer : stale) {
      Recompute(process, customer);
    }
  }
  sequence_ = ledger_.last_sequence();
}

void PurchaseSums::BuildAll() {
  bought_.assign(processes_.size(), {});
  ahead_.clear();
  for (std::size_t process = 0; process < processes_.size(); ++process) {
    Build(process);
  }
  sequence_ = ledger_.last_sequence();
}

// By one scan.  A row is small and its money lies elsewhere, since there are as many as events.
void PurchaseSums::Build(std::size_t process) {
  struct Row {
    CustomerIndex customer = 0;
    std::int32_t day = 0;
    std::size_t at = 0;
  };

  const PurchaseProcess& asked = processes_[process];
  const std::size_t fields = asked.fields.size();
  BoughtByAll& bought = bought_[process];
  bought.spent.resize(fields);
  Resize(bought, ledger_.customer_count());
  std::vector<Row> rows;
  std::vector<std::optional<std::int64_t>> money;
  ledger_.Scan(asked.event, kFirstTime, kLastTime, PartsRead(asked), [&](const StoredEvent& event) {
    if (event.time > now_) {
      ahead_.insert(event.customer);
    } else if (const auto purchase = PurchaseOf(asked, event)) {
      rows.push_back({purchase->customer, purchase->day, money.size()});
      money.insert(money.end(), purchase->spent.begin(), purchase->spent.end());
    }
  });
  std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
    return std::pair(a.customer, a.day) < std::pair(b.customer, b.day);
  });
  std::vector<Purchase> of_one;
  for (std::size_t row = 0; row < rows.size();) {
    const CustomerIndex customer = rows[row].customer;
    for (of_one.clear(); row < rows.size() && rows[row].customer == customer; ++row) {
      const auto spent = money.begin() + static_cast<std::ptrdiff_t>(rows[row].at);
      of_one.push_back(
          {customer, rows[row].day, {spent, spent + static_cast<std::ptrdiff_t>(fields)}});
    }
    if (ledger_.IsAlive(customer)) {
      Digest(process, of_one);
    }
  }
}

void PurchaseSums::Recompute(std::size_t process, CustomerIndex customer) {
  BoughtByAll& bought = bought_[process];
  const bool gone = !ledger_.IsAlive(customer);
  if (gone && bought.days[customer].days > 0) {
    DropStored();
  }
  bought.days[customer] = {};
  for (std::vector<Spent>& spent : bought.spent) {
    spent[customer] = {};
  }
  if (gone) {
    return;
  }
  std::vector<Purchase> purchases;
  const PurchaseProcess& asked = processes_[process];
  ledger_.ScanCustomer(customer, asked.event, kFirstTime, kLastTime, PartsRead(asked),
                       [&](const StoredEvent& event) {
                         if (event.time > now_) {
                           ahead_.insert(customer);
                         } else if (auto purchase = PurchaseOf(asked, event)) {
                           purchases.push_back(*std::move(purchase));
                         }
                       });
  if (!purchases.empty()) {
    std::sort(purchases.begin(), purchases.end(),
              [](const Purchase& a, const Purchase& b) { return a.day < b.day; });
    Digest(process, purchases);
  }
}

Purchases PurchaseSums::Days(int process, TimePoint now) const {
  const PurchaseProcess& asked = processes_[static_cast<std::size_t>(process)];
  std::vector<std::pair<CustomerIndex, std::int32_t>> days;
  ledger_.Scan(asked.event, kFirstTime, now, PartsRead(asked), [&](const StoredEvent& event) {
    const auto purchase = PurchaseOf(asked, event);
    if (purchase && ledger_.IsAlive(event.customer)) {
      days.emplace_back(purchase->customer, purchase->day);
    }
  });
  std::sort(days.begin(), days.end());
  Purchases purchases;
  purchases.end = static_cast<std::int32_t>(workspace_.schema.timezone.ToLocal(now).day());
  for (std::size_t begin = 0, end = 0; begin < days.size(); begin = end) {
    std::vector<std::int32_t> of_one;
    for (; end < days.size() && days[end].first == days[begin].first; ++end) {
      of_one.push_back(days[end].second);
    }
    purchases.Add(std::move(of_one));
  }
  return purchases;
}

bool PurchaseSums::Load(TimePoint now) {
  std::optional<std::pair<Sequence, TimePoint>> position;
  bought_.assign(processes_.size(), {});
  std::set<CustomerIndex> ahead;
  for (std::size_t process = 0; process < processes_.size(); ++process) {
    Statement find = db_.Prepare(
        "SELECT sequence, now, ahead FROM purchase_sums WHERE process = ? AND zone = ?");
    find.Bind(1, Identity(process)).Bind(2, workspace_.schema.timezone.name());
    if (!find.Step()) {
      return false;
    }
    const std::pair<Sequence, TimePoint> at(static_cast<Sequence>(find.Int(0)),
                                            FromMicros(find.Int(1)));
    ByteReader in(find.BlobView(2));
    while (in.left() > 0 && !in.failed()) {
      ahead.insert(static_cast<CustomerIndex>(in.Varint()));
    }
    if ((position && *position != at) || at.second > now || in.failed() || !LoadParts(process)) {
      return false;
    }
    position = at;
  }
  if (!position) {
    return false;
  }
  sequence_ = position->first;
  ahead_ = std::move(ahead);
  return true;
}

bool PurchaseSums::LoadParts(std::size_t process) {
  BoughtByAll& bought = bought_[process];
  bought.spent.resize(processes_[process].fields.size());
  Resize(bought, ledger_.customer_count());
  Statement parts =
      db_.Prepare("SELECT data FROM purchase_sums_part WHERE process = ? ORDER BY part");
  parts.Bind(1, Identity(process));
  std::size_t next = 0;
  while (parts.Step()) {
    ByteReader in(parts.BlobView(0));
    const std::uint64_t fields = in.Varint();
    const std::uint64_t size = in.Varint();
    if (fields != bought.spent.size() || size > bought.days.size() - next) {
      return false;
    }
    for (std::uint64_t i = 0; i < size; ++i) {
      LoadOne(bought, next++, in);
    }
    if (in.failed() || in.left() != 0) {
      return false;
    }
  }
  return true;
}

// So that it cannot be found in the file either: somebody may have been erased.
void PurchaseSums::DropStored() {
  db_.Execute("DELETE FROM purchase_sums");
  db_.Execute("DELETE FROM purchase_sums_part");
}

void PurchaseSums::Store() {
  if (ready_) {
    Advance(now_);  // Who was erased since is not kept.
  }
  DropStored();
  for (std::size_t process = 0; ready_ && process < processes_.size(); ++process) {
    const std::string identity = Identity(process);
    const BoughtByAll& bought = bought_[process];
    ByteWriter ahead;
    for (const CustomerIndex customer : ahead_) {
      ahead.Varint(customer);
    }
    db_.Prepare(
           "INSERT INTO purchase_sums(process, zone, sequence, now, ahead) VALUES (?, ?, ?, ?, ?)")
        .Bind(1, identity)
        .Bind(2, workspace_.schema.timezone.name())
        .Bind(3, static_cast<std::int64_t>(sequence_))
        .Bind(4, ToMicros(now_))
        .BindBlob(5, ahead.bytes())
        .Run();
    const std::size_t count = bought.days.size();
    for (std::size_t begin = 0, part = 0; begin < count; begin += kSumsPerPart, ++part) {
      const std::size_t end = std::min<std::size_t>(count, begin + kSumsPerPart);
      ByteWriter out;
      out.Varint(bought.spent.size());
      out.Varint(end - begin);
      for (std::size_t customer = begin; customer < end; ++customer) {
        SaveOne(bought, customer, out);
      }
      db_.Prepare("INSERT INTO purchase_sums_part(process, part, data) VALUES (?, ?, ?)")
          .Bind(1, identity)
          .Bind(2, static_cast<std::int64_t>(part))
          .BindBlob(3, out.bytes())
          .Run();
    }
  }
}

}  // namespace segue
