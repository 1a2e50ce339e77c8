// Any bytes as a file beside a workspace that loads: nothing but a workspace or diagnostics may
// come of it.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "config/load.h"

namespace {

constexpr const char* kWorkspace = R"(workspace: shop
currency: EUR
traits: {customer: {email: text, plan: [free, team]}}
events: {order_placed: {order_id: text, amount: money}}
channels: {chat: tasks, task: tasks}
---
connector: tasks
type: file
path: out/tasks.jsonl
---
template: hello
channel: chat
body: Hello
)";

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  // The first byte chooses between YAML and Markdown.
  const char* path = size > 0 && data[0] % 8 == 7 ? "templates/fuzz.md" : "rules/fuzz.yaml";
  std::vector<segue::SourceFile> files = {{"config/segue.yaml", kWorkspace}, {path, text}};
  const segue::Loaded loaded = segue::LoadWorkspace(files, std::make_shared<segue::TextPool>(),
                                                    size > 1 && data[1] % 2 == 0);
  segue::FormatDiagnostics(loaded.diagnostics, loaded.files, true);
  segue::DiagnosticsToJson(loaded.diagnostics, loaded.files);
  segue::NormalisedText(files);
  return 0;
}
