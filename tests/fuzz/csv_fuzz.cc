// Any bytes as a CSV file: it is read or refused, and reading it row by row from stored cursors
// gives the same facts and the same bad rows as reading it in one go.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "config/load.h"
#include "sources/reading.h"

namespace {

using namespace segue;  // NOLINT(google-build-using-namespace): a program of one file.

constexpr const char* kWorkspace = R"(workspace: shop
currency: EUR
traits: {customer: {email: text}}
events: {order_placed: {order_id: text, amount: money, units: number, seen: time, plan: [free, team]}}
---
source: orders
type: csv
path: inbox/orders*.csv
every: 1h
emits: order_placed
time: time
currency: EUR
dedupe: order_id
map: {units: "units * 2", order_id: id}
)";

class OneFile final : public FileReader {
 public:
  explicit OneFile(std::string text) : text_(std::move(text)) {}

  std::vector<Info> List(std::string_view /*pattern*/) override {
    return {{"inbox/orders.csv", text_.size(), 1}};
  }

  Result<std::string> Read(std::string_view /*path*/, std::uint64_t offset,
                           std::size_t most) override {
    return offset >= text_.size() ? std::string() : text_.substr(offset, most);
  }

 private:
  std::string text_;
};

// Everything that came of a file, as one text.
std::string ReadAll(const Source& source, const Workspace& workspace, FileReader& file,
                    std::int64_t rows) {
  std::string cursor, told;
  while (true) {
    // Small batches as facts, large ones as columns: both must say the same.
    FileLook look;
    const Result<Batch> batch =
        PullFiles(source, workspace, file, nullptr, cursor, rows, rows > 1, look);
    if (!batch) {
      return told + "refused: " + batch.error().message();
    }
    for (const Fact& fact : batch->facts) {
      const Event& event = std::get<Event>(fact);
      told += event.customer + "|" + FormatTime(event.time) + "|" + event.dedupe + "\n";
    }
    for (std::size_t row = 0; batch->events != nullptr && row < batch->events->size(); ++row) {
      const Event event = batch->events->At(row);
      told += event.customer + "|" + FormatTime(event.time) + "|" + event.dedupe + "\n";
    }
    for (const BadRow& row : batch->bad) {
      told += std::to_string(row.line) + "|" + row.column + "|" + row.reason + "|" + row.raw + "\n";
    }
    if (batch->done) {
      return told;
    }
    cursor = batch->cursor;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Loaded kLoaded =
      LoadWorkspace({{"config/segue.yaml", kWorkspace}}, std::make_shared<TextPool>());
  const Workspace& workspace = *kLoaded.workspace;
  const Source& source = workspace.sources.front();
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  // Without a header that fits, nothing behind it would ever be reached.
  for (const std::string& text : {bytes, "customer_id,time,id,amount,units,seen,plan\n" + bytes}) {
    OneFile file(text);
    if (ReadAll(source, workspace, file, 1000) != ReadAll(source, workspace, file, 1)) {
      std::abort();
    }
  }
  return 0;
}
