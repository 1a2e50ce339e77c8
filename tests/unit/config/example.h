// The example workspace that stands beside the checkout, and small workspaces written in a test.

#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/load.h"
#include "support/golden.h"

namespace segue {

inline std::vector<SourceFile> ExampleFiles(const std::string& folder) {
  Diagnostics diagnostics;
  std::vector<SourceFile> files = ReadWorkspaceFiles(folder, diagnostics);
  CHECK(diagnostics.empty());
  return files;
}

inline Loaded Load(std::vector<SourceFile> files, bool tolerate_unbuilt = false) {
  return LoadWorkspace(std::move(files), std::make_shared<TextPool>(), tolerate_unbuilt);
}

// Without the information about service playbooks.
inline Diagnostics Problems(const Loaded& loaded) {
  Diagnostics problems;
  for (const Diagnostic& diagnostic : loaded.diagnostics) {
    if (diagnostic.severity != Severity::kInfo) {
      problems.push_back(diagnostic);
    }
  }
  return problems;
}

// A workspace that loads, for tests that add one document to it.
inline constexpr std::string_view kSmallWorkspace = R"(workspace: shop
timezone: Europe/Lisbon
currency: EUR
sender: {from: "Shop <shop@shop.example>", postal: "Street 1"}
traits:
  customer: {email: text, first_name: text, timezone: text, csm: text, signed_up: time, plan: [free, team, business],
             mrr: money, email_consent: yes_no, news: yes_no}
  account: {name: text}
events:
  session_started: {}
  order_placed: {order_id: text, amount: money, items: number}
  order_refunded: {order_id: text, amount: money, reverses: order_placed, by: order_id}
channels: {email: mail, task: tasks, profile: tasks, analytics: tasks}
tracks: [won]
assignees: {desk: desk@shop.example}
consent: {email: customer.email_consent, topics: {news: customer.news}}
serve: {url: "https://go.shop.example", sign: cred:link_key}
links: {base: "https://shop.example", paths: {offer: /offer}}
---
connector: mail
type: smtp
server: "mail.shop.example:587"
---
connector: tasks
type: file
path: out/tasks.jsonl
---
layout: default
html: |
  <p>{{ body }}</p><a href="{{ links.unsubscribe }}">No more</a>
text: |
  {{ body }} {{ links.unsubscribe }}
---
template: hello
channel: email
subject: "Hello"
body: |
  Hello.
---
model: rfm
every: day at 04:00
who: ever(order_placed)
features:
  recency: since(last(order_placed))
  orders: count(order_placed, 365d)
scores:
  r: {from: recency, best: low, cuts: [14d, 45d]}
  f: {from: orders, best: high, cuts: [2, 5]}
segments:
  - {id: good, when: r >= 2 and f >= 2}
  - {id: fading, when: f >= 2}
  - {id: other, when: otherwise}
)";

inline std::vector<SourceFile> SmallFiles(std::string_view extra) {
  return {SourceFile{"config/segue.yaml", std::string(kSmallWorkspace)},
          SourceFile{"rules/test.yaml", std::string(extra)}};
}

}  // namespace segue
