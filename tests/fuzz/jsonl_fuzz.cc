// Any bytes as a file of JSON lines: read as rows and in the Segment shape, whole and stopped after
// every line, what comes of it is the same, every line is accounted for, and no text that is stored
// has a zero byte or is no UTF-8.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/text.h"
#include "sources/reading.h"

namespace segue {
namespace {

constexpr std::int64_t kAllRows = 1'000'000;

// One file that stands in memory.
class OneFile final : public FileReader {
 public:
  explicit OneFile(std::string text) : text_(std::move(text)) {}

  std::vector<Info> List(std::string_view /*pattern*/) override {
    return {{"a.jsonl", text_.size(), 1}};
  }

  Result<std::string> Read(std::string_view /*path*/, std::uint64_t offset,
                           std::size_t most) override {
    return text_.substr(std::min<std::uint64_t>(offset, text_.size()), most);
  }

 private:
  std::string text_;
};

Workspace Shop() {
  Workspace workspace;
  workspace.schema.currency = "EUR";
  EventSpec order;
  order.name = "order_placed";
  order.fields = {{.name = "order_id", .type = Type::kText, .choices = {}},
                  {.name = "amount", .type = Type::kMoney, .choices = {}},
                  {.name = "items", .type = Type::kNumber, .choices = {}},
                  {.name = "gift", .type = Type::kYesNo, .choices = {}}};
  workspace.schema.events = {order};
  workspace.schema.customer_traits = {{.name = "email", .type = Type::kText, .choices = {}},
                                      {.name = "account_id", .type = Type::kText, .choices = {}}};
  return workspace;
}

struct Taken {
  std::size_t facts = 0, bad = 0;
  std::int64_t rows = 0, anonymous = 0, ignored = 0;
  std::string cursor;

  friend bool operator==(const Taken&, const Taken&) = default;
};

void CheckText(const std::string& text) {
  SEGUE_CHECK(IsUtf8(text) && text.find('\0') == std::string::npos);
}

Taken TakeAll(const Source& source, const Workspace& workspace, OneFile& file,
              std::int64_t rows_max) {
  Taken taken;
  Reading reading(source, workspace, &file, nullptr);
  for (bool done = false; !done;) {
    const Result<Batch> batch = reading.Next(taken.cursor, rows_max);
    if (!batch) {
      CheckText(batch.error().message());
      return taken;
    }
    for (const Fact& fact : batch->facts) {
      if (const auto* event = std::get_if<Event>(&fact)) {
        SEGUE_CHECK(!event->customer.empty() && event->fields.size() == 4);
        CheckText(event->customer);
        CheckText(event->dedupe);
      } else if (const auto* change = std::get_if<TraitChange>(&fact)) {
        CheckText(change->customer);
        const auto* text = std::get_if<std::string>(&change->value);
        CheckText(text == nullptr ? "" : *text);
      }
    }
    SEGUE_CHECK(static_cast<std::int64_t>(batch->bad.size()) + batch->anonymous + batch->ignored <=
                batch->rows);
    taken.facts += batch->facts.size();
    taken.bad += batch->bad.size();
    taken.rows += batch->rows;
    taken.anonymous += batch->anonymous;
    taken.ignored += batch->ignored;
    taken.cursor = batch->cursor;
    done = batch->done;
  }
  return taken;
}

}  // namespace
}  // namespace segue

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const segue::Workspace workspace = segue::Shop();
  segue::Source source;
  source.type = segue::SourceType::kJsonLines;
  source.path = "*.jsonl";
  source.currency = "EUR";
  segue::OneFile file(std::string(data, data + size));
  for (const bool rows : {false, true}) {
    if (rows) {
      source.emits_event = 0;
      source.time_column = "timestamp";
    }
    const segue::Taken whole = segue::TakeAll(source, workspace, file, segue::kAllRows);
    SEGUE_CHECK(segue::TakeAll(source, workspace, file, 1) == whole);
  }
  return 0;
}
