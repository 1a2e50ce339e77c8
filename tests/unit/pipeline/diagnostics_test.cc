// The codes that models and texts report, as a person reads them: see
// tests/unit/config/diagnostics_test.cc for those of the files themselves.

#include <filesystem>
#include <set>
#include <string>

#include <doctest/doctest.h>

#include "base/text.h"
#include "pipeline/pipeline.h"
#include "support/golden.h"

namespace segue {
namespace {

constexpr std::string_view kBefore = R"(workspace: shop
timezone: UTC
currency: EUR
sender: {from: "shop@example.com", postal: "1 Street"}
traits: {customer: {email: text, first_name: text, plan: text}}
events: {order: {amount: money}}
channels: {email: out}
serve: {url: "https://segue.example", sign: env:SIGN}
links: {base: "https://shop.example", paths: {}}
---
connector: out
type: file
path: out.jsonl
---
)";

constexpr std::string_view kLayout = R"(layout: default
html: "{{ body }} {{ sender.postal }} {{ links.unsubscribe }}"
text: "{{ body }} {{ sender.postal }} {{ links.unsubscribe }}"
)";

constexpr std::string_view kSender = R"(playbook: hello
purpose: marketing
on: {event: order}
do: [{send: hello}]
limits: {reenter: always}
---
)";

struct ModelOrText {
  std::string_view code;
  std::string rules;
};

const std::vector<ModelOrText>& ModelsAndTexts() {
  static const std::string layout(kLayout), sender(kSender);
  static const std::vector<ModelOrText> kAll = {
      {"SG010", R"(model: pace
every: day at 05:00
scores:
  f: {from: count(order), best: high, cuts: [1, 3]}
  m: {from: sum(order.amount), best: high, cuts: [100 EUR]}
segments:
  - {id: many, when: f >= 2}
  - {id: dear, when: m is 2}
)"},
      {"SG011", R"(model: pace
every: day at 05:00
scores:
  f: {from: count(order), best: high, cuts: [1, 3]}
segments:
  - {id: some, when: f >= 2}
  - {id: most, when: f is 3}
  - {id: rest, when: otherwise}
)"},
      {"SG012", R"(model: pace
every: day at 05:00
scores:
  f: {from: count(order), best: high, cuts: [1, 3]}
  m: {from: sum(order.amount), best: high, cuts: [100 EUR]}
segments:
  - {id: many, when: f >= 2}
  - {id: dear, when: m is 2}
  - {id: rest, when: otherwise}
)"},
      {"SG015", R"(model: pace
every: day at 05:00
scores:
  f: {from: count(order), best: high, cuts: [1, 3]}
settle: {margin: 5%}
segments:
  - {id: many, when: f >= 2}
  - {id: rest, when: otherwise}
)"},
      {"SG021", layout + "---\n" + sender + R"(template: hello
channel: email
subject: "Hello {{ customer.first_name }}"
body: Thank you.
)"},
      {"SG022", sender + R"(layout: default
html: "{{ body }} {{ sender.postal }}"
text: "{{ body }} {{ sender.postal }} {{ links.unsubscribe }}"
---
template: hello
channel: email
subject: Hello
body: Thank you.
)"},
      {"SG025", layout + "---\n" + sender + R"yaml(template: hello
channel: email
subject: Hello
body: "[Our shop](https://shop{{ customer.plan | default: '' }}/?ref=mail)"
)yaml"},
      {"SG026", sender + R"(layout: default
html: "{{ body }} {{ sender.postal }} {{ links.unsubscribe }}"
text: "{{ sender.postal }} {{ links.unsubscribe }}"
---
template: hello
channel: email
subject: Hello
body: Thank you.
)"},
  };
  return kAll;
}

}  // namespace

TEST_CASE("each code of models and texts reads as approved, with the line and a caret") {
  for (const ModelOrText& one : ModelsAndTexts()) {
    CAPTURE(one.code);
    const Checked checked =
        CheckWorkspace({{"config/segue.yaml", std::string(kBefore)}, {"rules/it.yaml", one.rules}});
    const std::string text = FormatDiagnostics(checked.diagnostics, checked.files, false);
    CHECK(text.find(std::string(one.code) + ":") != std::string::npos);
    CheckGolden("diagnostics/" + std::string(one.code) + ".txt", text);
  }
}

TEST_CASE("every code of docs/diagnostics.md has a text that a person approved") {
  std::set<std::string> approved;
  const std::string folder = std::string(SEGUE_SOURCE_DIR) + "/tests/golden/diagnostics";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    approved.insert(entry.path().filename().string().substr(0, 5));
  }
  int codes = 0;
  const std::string page = ReadFile(std::string(SEGUE_SOURCE_DIR) + "/docs/diagnostics.md");
  for (const std::string_view line : Split(page, '\n')) {
    if (line.starts_with("| SG")) {
      ++codes;
      CAPTURE(line);
      CHECK(approved.contains(std::string(line.substr(2, 5))));
    }
  }
  CHECK(codes > 30);
}

}  // namespace segue
