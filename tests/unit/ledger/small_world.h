// A small world for tests of the ledger: orders with money, text and version, refunds that reverse
// them, sessions.

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "domain/event_rows.h"
#include "domain/fact.h"
#include "domain/schema.h"
#include "domain/text_pool.h"
#include "expression/check.h"
#include "ledger/columns.h"
#include "ledger/ledger.h"
#include "store/database.h"

namespace segue {

constexpr int kOrder = 0, kRefund = 1, kSession = 2;
constexpr int kOrderId = 0, kAmount = 1, kTax = 2, kPlan = 3, kItems = 4;
constexpr int kRefundOf = 0, kRefundAmount = 1, kRefundTax = 2, kRefundReason = 3;
constexpr int kPage = 0;
constexpr int kPlanTrait = 0, kConsentTrait = 1, kBornTrait = 2;

inline Schema SmallSchema() {
  Schema schema;
  schema.currency = "EUR";
  schema.events.resize(3);
  schema.events[kOrder].name = "order";
  schema.events[kOrder].fields = {{"order_id", Type::kText, {}},
                                  {"amount", Type::kMoney, {}},
                                  {"tax", Type::kMoney, {}},
                                  {"plan", Type::kText, {}},
                                  {"items", Type::kNumber, {}}};
  schema.events[kRefund].name = "refund";
  schema.events[kRefund].fields = {{"order_id", Type::kText, {}},
                                   {"amount", Type::kMoney, {}},
                                   {"tax", Type::kMoney, {}},
                                   {"reason", Type::kText, {}}};
  schema.events[kRefund].reverses = kOrder;
  schema.events[kRefund].by_field = kRefundOf;
  schema.events[kRefund].by_original_field = kOrderId;
  schema.events[kSession].name = "session";
  schema.events[kSession].fields = {{"page", Type::kText, {}}};
  schema.customer_traits = {
      {"plan", Type::kText, {}}, {"email_consent", Type::kYesNo, {}}, {"born", Type::kTime, {}}};
  return schema;
}

constexpr TimePoint kStart = FromMicros(1'700'000'000'000'000);

inline TimePoint Hour(double hours) {
  return kStart + Duration(static_cast<std::int64_t>(hours * 3.6e9));
}

inline Event Order(std::string_view customer, std::string_view id, double hour, std::int64_t amount,
                   std::optional<std::int64_t> version = std::nullopt) {
  Event event;
  event.kind = kOrder;
  event.customer = customer;
  event.time = Hour(hour);
  event.fields = {std::string(id), amount, Value(), std::string("team"), Value()};
  event.dedupe = id;
  event.version = version;
  return event;
}

inline Event Refund(std::string_view customer, std::string_view id, std::string_view order,
                    double hour, std::int64_t amount,
                    std::optional<std::int64_t> version = std::nullopt) {
  Event event;
  event.kind = kRefund;
  event.customer = customer;
  event.time = Hour(hour);
  event.fields = {std::string(order), amount, Value(), Value()};
  event.dedupe = id;
  event.version = version;
  return event;
}

inline Event Session(std::string_view customer, double hour, std::string_view page = "home") {
  Event event;
  event.kind = kSession;
  event.customer = customer;
  event.time = Hour(hour);
  event.fields = {std::string(page)};
  return event;
}

inline TraitChange Consent(std::string_view customer, double hour, std::int64_t yes) {
  return {
      .customer = std::string(customer), .trait = kConsentTrait, .value = yes, .time = Hour(hour)};
}

// False: the fact is no event of the rows' kind, or the text in its first field is not its dedupe
// text.
inline bool AddRow(const Fact& fact, const Schema& schema, EventRows& rows) {
  const auto* event = std::get_if<Event>(&fact);
  const auto* id = event == nullptr || event->fields.empty()
                       ? nullptr
                       : std::get_if<std::string>(&event->fields.front());
  if (id == nullptr || id->empty() || *id != event->dedupe ||
      (rows.size() > 0 && event->kind != rows.kind)) {
    return false;
  }
  if (rows.size() == 0) {
    rows.kind = event->kind;
    rows.dedupe = {0};
    for (const FieldSpec& field : schema.events[static_cast<std::size_t>(event->kind)].fields) {
      rows.fields.emplace_back().is_text = field.type == Type::kText;
    }
  }
  rows.customers.Add(event->customer);
  rows.times.push_back(ToMicros(event->time));
  rows.versions.push_back(event->version.value_or(0));
  rows.has_version.push_back(event->version ? 1 : 0);
  for (std::size_t i = 0; i < rows.fields.size(); ++i) {
    EventRows::Field& column = rows.fields[i];
    const auto* text = std::get_if<std::string>(&event->fields[i]);
    const auto* number = std::get_if<std::int64_t>(&event->fields[i]);
    column.present.push_back(IsMissing(event->fields[i]) ? 0 : 1);
    if (column.is_text) {
      column.texts.Add(text == nullptr ? std::string_view() : std::string_view(*text));
    } else {
      column.numbers.push_back(number == nullptr ? 0 : *number);
    }
  }
  return true;
}

// A ledger in a file (or in memory) that can be thrown away and opened again.
struct Home {
  explicit Home(std::string at = ":memory:") : path(std::move(at)) { Open(); }

  void Open() {
    ledger.reset();
    if (path != ":memory:" || !db) {
      db.reset();
      db.emplace(Database::Open(path));
    }
    pool = std::make_unique<TextPool>();
    ledger.emplace(*db, schema, *pool);
    ledger->SetConsentTraits({kConsentTrait});
  }

  Intake Add(Fact fact, double arrived = 1000) {
    return ledger->Append(std::vector<Fact>{std::move(fact)}, "test", Hour(arrived), kDay).front();
  }

  // As rows of a long import.  Requires: orders with an id each.
  std::vector<Intake> AddRows(const std::vector<Event>& orders, double arrived = 1000) {
    auto rows = std::make_shared<EventRows>();
    bool fit = true;
    for (const Event& order : orders) {
      fit = fit && AddRow(order, schema, *rows);
    }
    REQUIRE(fit);
    return ledger->Append(rows, "test", Hour(arrived), kDay);
  }

  std::vector<StoredEvent> Orders(std::string_view key) const {
    return ledger->Timeline(ledger->FindCustomer(key).value(), kOrder, Hour(-10000), Hour(1e6));
  }

  std::string path;
  Schema schema = SmallSchema();
  std::optional<Database> db;
  std::unique_ptr<TextPool> pool;
  std::optional<Ledger> ledger;
};

inline std::int64_t AmountOf(const StoredEvent& event, int field = kAmount) {
  return std::get<std::int64_t>(event.fields[static_cast<std::size_t>(field)]);
}

// The one aggregate of this text.
inline Aggregate Compile(const Schema& schema, TextPool& pool, const std::string& text) {
  AggregateCatalog catalog;
  Scope scope;
  scope.schema = &schema;
  scope.aggregates = &catalog;
  scope.pool = &pool;
  std::vector<ExpressionError> errors;
  CompileExpression(text, scope, std::nullopt, errors);
  INFO(text << ": " << (errors.empty() ? "" : errors.front().message));
  REQUIRE(errors.empty());
  REQUIRE(catalog.all().size() == 1);
  return catalog.all().front();
}

}  // namespace segue
