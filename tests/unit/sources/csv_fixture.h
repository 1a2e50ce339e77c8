// A workspace of a small shop, a source of its orders, and facts as texts: shared by the tests of
// PullCsv.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "base/text.h"
#include "base/time.h"
#include "config/definitions.h"
#include "sources/reading.h"
#include "sources/source.h"

namespace segue {

inline Workspace Shop() {
  Workspace workspace;
  workspace.schema.currency = "EUR";
  workspace.schema.currency_decimals = 2;
  EventSpec order;
  order.name = "order_placed";
  order.fields = {{.name = "order_id", .type = Type::kText, .choices = {}},
                  {.name = "amount", .type = Type::kMoney, .choices = {}},
                  {.name = "items", .type = Type::kNumber, .choices = {}},
                  {.name = "channel", .type = Type::kChoice, .choices = {"web", "store", "phone"}},
                  {.name = "shipped", .type = Type::kTime, .choices = {}},
                  {.name = "trial", .type = Type::kDuration, .choices = {}},
                  {.name = "gift", .type = Type::kYesNo, .choices = {}}};
  workspace.schema.events = {order};
  workspace.schema.customer_traits = {
      {.name = "email", .type = Type::kText, .choices = {}},
      {.name = "email_consent", .type = Type::kYesNo, .choices = {}},
      {.name = "credit", .type = Type::kMoney, .choices = {}}};
  return workspace;
}

inline Source Orders(const std::string& path) {
  Source source;
  source.id = "orders";
  source.path = path;
  source.emits_event = 0;
  source.time_column = "day";
  source.currency = "EUR";
  source.dedupe = {"order_id"};
  return source;
}

inline std::string ValueText(const Value& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) {
    return std::to_string(*number);
  }
  const auto* text = std::get_if<std::string>(&value);
  return text ? "'" + *text + "'" : "-";
}

// "c1 2026-03-01T00:00:00Z 'A1' 1250 …" with the dedupe text and the version where there are any.
inline std::string FactText(const Fact& fact) {
  if (const auto* change = std::get_if<TraitChange>(&fact)) {
    return fmt::format("{} {} trait {} = {}", change->customer, FormatTime(change->time),
                       change->trait, ValueText(change->value));
  }
  const auto& event = std::get<Event>(fact);
  std::string text = event.customer + " " + FormatTime(event.time);
  for (const Value& field : event.fields) {
    text += " " + ValueText(field);
  }
  text += event.dedupe.empty() ? "" : " key " + event.dedupe;
  return event.version ? fmt::format("{} version {}", text, *event.version) : text;
}

// Everything that a source gave until it was done, and where it stopped.
struct Pulled {
  std::vector<std::string> facts;
  std::vector<BadRow> bad;
  std::int64_t rows = 0, anonymous = 0, rounded = 0;
  std::vector<std::string> files;  // Of each batch that had rows.
  std::string cursor;
  std::string error;
};

// As columns the same rows say the same.
inline void CheckColumns(const Batch& batch, const Source& source, const Workspace& workspace,
                         FileReader& files, std::string_view cursor, std::int64_t rows_max) {
  FileLook look;
  const Result<Batch> columns =
      PullFiles(source, workspace, files, nullptr, cursor, rows_max, true, look);
  REQUIRE(columns.has_value());
  CHECK(columns->cursor == batch.cursor);
  CHECK(columns->rounded == batch.rounded);
  CHECK(columns->bad.size() == batch.bad.size());
  std::vector<std::string> said, wanted;
  for (const Fact& fact : batch.facts) {
    wanted.push_back(FactText(fact));
  }
  for (const Fact& fact : columns->facts) {
    said.push_back(FactText(fact));
  }
  for (std::size_t row = 0; columns->events != nullptr && row < columns->events->size(); ++row) {
    said.push_back(FactText(columns->events->At(row)));
  }
  CHECK(said == wanted);
}

// Pulls until nothing is left or something is wrong.  Requires: it ends.
inline Pulled PullAll(const Source& source, const Workspace& workspace, FileReader& files,
                      std::string cursor = "", std::int64_t rows_max = 1'000) {
  Pulled all;
  all.cursor = std::move(cursor);
  for (int i = 0; i < 100'000; ++i) {
    const Result<Batch> batch = PullCsv(source, workspace, files, all.cursor, rows_max);
    if (!batch) {
      all.error = batch.error().message();
      return all;
    }
    CheckColumns(*batch, source, workspace, files, all.cursor, rows_max);
    CHECK(batch->rows <= rows_max);
    CHECK(batch->bytes_done <= batch->bytes_all);
    for (const Fact& fact : batch->facts) {
      all.facts.push_back(FactText(fact));
    }
    all.bad.insert(all.bad.end(), batch->bad.begin(), batch->bad.end());
    all.rows += batch->rows;
    all.anonymous += batch->anonymous;
    all.rounded += batch->rounded;
    if (batch->rows > 0) {
      all.files.push_back(batch->file);
    }
    all.cursor = batch->cursor;
    if (batch->done) {
      return all;
    }
  }
  FAIL("the source never ends");
  return all;
}

inline Pulled PullAll(const Source& source, const std::string& folder, std::string cursor = "") {
  return PullAll(source, Shop(), *MakeDiskReader(folder), std::move(cursor));
}

}  // namespace segue
