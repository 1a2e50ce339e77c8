#include "sim/choices.h"

#include <fmt/format.h>

#include "base/hash.h"
#include "base/zone.h"
#include "support/dice.h"

namespace segue::sim {

std::uint64_t Stream(const Choices& choices, std::string_view what, std::uint64_t which) {
  return KeyedHash({choices.seed, which}, what);
}

const std::vector<Switch>& Switches() {
  static const std::vector<Switch> kAll = {
      {"crashes", &Choices::crashes},          {"faults", &Choices::faults},
      {"outages", &Choices::outages},          {"stalls", &Choices::stalls},
      {"unreadable", &Choices::unreadable},    {"merges", &Choices::merges},
      {"erasures", &Choices::erasures},        {"refunds", &Choices::refunds},
      {"duplicates", &Choices::duplicates},    {"late", &Choices::late},
      {"suppressions", &Choices::suppressions}};
  return kAll;
}

Choices Choose(std::uint64_t seed) {
  Choices choices;
  choices.seed = seed;
  Dice dice(Stream(choices, "choices"));
  choices.customers = 4 + dice.Below(18);
  choices.days = 4 + dice.Below(6);
  // Two of these stretches hold a change of the clocks.
  const std::vector<const char*> starts = {"2026-03-24T00:10:00Z", "2026-10-20T05:00:00Z",
                                           "2026-02-25T13:37:00Z", "2026-12-27T23:59:59Z"};
  choices.start = *ParseTime(starts[static_cast<std::size_t>(dice.Below(4))], Zone());
  for (const Switch& one : Switches()) {
    choices.*one.on = dice.Chance(0.75);
  }
  choices.crash_share = dice.LogBetween(0.005, 0.15);
  choices.fault_share = dice.LogBetween(0.05, 0.6);
  choices.grouped = dice.Chance(0.6);
  choices.keys_per_block = 1 + dice.Below(24);
  return choices;
}

std::string Choices::Text() const {
  std::string text = fmt::format("seed {}: {} customers, {} to a block, {} days from {}, {}", seed,
                                 customers, keys_per_block, days, FormatTime(start),
                                 grouped ? "calls in groups" : "calls one by one");
  for (const Switch& one : Switches()) {
    text += this->*one.on ? fmt::format(", {}", one.name) : "";
  }
  return text + fmt::format(" (crash {:.3f}, fault {:.2f})", crash_share, fault_share);
}

namespace {

// `{name}` in a text becomes one of the words, by the seed.
class Draw {
 public:
  explicit Draw(std::uint64_t stream) : dice_(stream) {}

  std::string OneOf(std::initializer_list<const char*> words) {
    return words.begin()[dice_.Below(static_cast<int>(words.size()))];
  }

  bool Chance(double share) { return dice_.Chance(share); }

 private:
  Dice dice_;
};

std::string WorkspaceText(Draw& draw) {
  return fmt::format(
      R"(workspace: sim
timezone: {zone}
currency: EUR
sender: {{from: "Shop <shop@sim.example>", postal: "1 Example Road"}}
traits:
  customer: {{email: text, first_name: text, timezone: text, csm: text, email_consent: yes_no, push_consent: yes_no, wants_news: yes_no}}
events:
  order_placed: {{order_id: text, amount: money, country: text}}
  order_refunded: {{refund_id: text, order_id: text, amount: money, reverses: order_placed, by: order_id}}
channels: {{email: mail, push: push, task: desk, profile: profile, analytics: [tracker, log]}}
tracks: [moved, welcomed]
assignees: {{sales_desk: sales@sim.example}}
consent:
  email: customer.email_consent
  push: customer.push_consent
  topics: {{news: customer.wants_news}}
{quiet}
{age}
sending: {{stale_after: {stale}}}
serve: {{url: "https://segue.sim.example", sign: env:SIGN}}
links: {{base: "https://shop.sim.example", paths: {{home: /home}}}}
---
source: orders
type: csv
path: inbox/orders*.csv
every: {orders_every}
emits: order_placed
time: time
currency: EUR
dedupe: order_id
{version}late_events: 72h
---
source: refunds
type: csv
path: inbox/refunds*.csv
every: {refunds_every}
emits: order_refunded
time: time
currency: EUR
dedupe: refund_id
---
source: customers
type: csv
path: inbox/customers*.csv
every: {people_every}
emits: customer
time: time
)",
      fmt::arg("zone", draw.OneOf({"UTC", "Europe/London", "America/New_York", "Asia/Kolkata"})),
      fmt::arg(
          "quiet",
          draw.OneOf({R"(quiet_hours: {from: "21:00", to: "08:00", zone: customer})",
                      R"(quiet_hours: {from: "19:30", to: "06:15", zone: workspace})",
                      R"(quiet_hours: {from: "01:00", to: "05:00", applies_to: [email]})", ""})),
      fmt::arg("age",
               draw.OneOf({"", "safety: {max_data_age: 26h}", "safety: {max_data_age: 7h}"})),
      fmt::arg("stale", draw.OneOf({"24h", "8h", "48h"})),
      fmt::arg("version", draw.OneOf({"", "version: version\n"})),
      fmt::arg("orders_every", draw.OneOf({"2h", "3h", "6h"})),
      fmt::arg("refunds_every", draw.OneOf({"3h", "12h"})),
      fmt::arg("people_every", draw.OneOf({"2h", "6h", "day at 02:30"})));
}

std::string ConnectorsText(Draw& draw) {
  std::string text;
  for (const char* id : {"mail", "push", "desk", "profile", "tracker", "log"}) {
    text += fmt::format("---\nconnector: {}\ntype: webhook\nauth: {{url: env:URL}}\n", id);
    text += fmt::format("dedupe: {}\n", draw.OneOf({"key", "none"}));
    text += fmt::format("timeout: {}\n", draw.OneOf({"30s", "10s", "5m"}));
    text += draw.OneOf({"", "", "rate: 1 per 10s\n", "rate: 5 per 1m\n"});
    text += draw.OneOf({"", "parallel: 1\n", "parallel: 2\n"});
    text += draw.OneOf({"", "", "daily: 3\n", "daily: 20\n"});
    text += fmt::format("retry: {{for: {}, first: {}, most: {}}}\n", draw.OneOf({"2h", "24h"}),
                        draw.OneOf({"30s", "5m"}), draw.OneOf({"10m", "1h"}));
  }
  return text;
}

std::string ModelsText(Draw& draw) {
  return fmt::format(
      R"(model: rhythm
every: {every}
who: ever(order_placed)
features:
  recency: since(last(order_placed))
  frequency: count(order_placed, 10d)
  money: sum(order_placed.amount, 7d)
scores:
  r: {{from: recency, best: low, cuts: [1d, 2d, 4d]}}
  f: {{from: frequency, best: high, cuts: [2, 4]}}
  m: {{from: money, best: high, {money}}}
segments:
  - {{id: loyal, when: r >= 3 and f >= 2}}
  - {{id: active, when: r >= 3}}
  - {{id: slipping, when: r is 2 and m >= 2}}
  - {{id: quiet, when: otherwise}}
flags:
  rich: {{on: money >= 300 EUR, off: money < 200 EUR}}
settle: {{hold: {hold}, margin: {margin}}}
---
model: care
every: {care_every}
features:
  taken_back: count(order_refunded, 5d)
  worth: sum(order_placed.amount, 6d)
  gap: usual_gap(order_placed)
segments:
  - {{id: trouble, when: taken_back >= 1}}
  - {{id: careful, when: "rhythm is 'quiet' and worth > 50 EUR"}}
  - {{id: fine, when: otherwise}}
)",
      fmt::arg("every", draw.OneOf({"day at 04:00", "6h", "2h"})),
      fmt::arg("money", draw.OneOf({"fifths: yes, refit: monthly", "cuts: [100 EUR, 250 EUR]"})),
      fmt::arg("hold", draw.OneOf({"1 run", "2 runs", "1d"})),
      fmt::arg("margin", draw.OneOf({"0%", "5%"})),
      fmt::arg("care_every", draw.OneOf({"12h", "day at 05:30", "3h"})));
}

std::string PlaybooksText(Draw& draw) {
  std::string text = fmt::format(
      R"(playbook: win_back
purpose: marketing
topic: news
on: {{model: rhythm, to: [quiet, slipping]{stay}}}
do:
  - send: come_back
  - wait: {wait}
    until: did(order_placed)
    met: stop
  - if: rhythm.m >= 2
    then:
      - task: {{title: "Call {{{{ customer.first_name | default: 'them' }}}}", for: sales_desk, due: 1d,
                note: "Spent {{{{ rhythm.money | money }}}}", unless_open: yes}}
    else:
      - send: one_question
exit: rhythm in ['loyal', 'active']
goal: {{event: order_placed, value: amount, within: 5d}}
limits: {{reenter: {again}}}
---
playbook: care
purpose: service
priority: 90
on: {{model: care, to: trouble}}
do:
  - task: {{title: "Look after a customer", for: sales_desk, due: 1d, priority: high}}
  - send: sorry
  - wait: 12h
  - set: {{care_level: "high"}}
limits: {{reenter: always}}
---
playbook: newcomer
purpose: product
on: {{model: rhythm, from: none}}
do:
  - track: welcomed
  - wait: {{until_local: "09:30", on: [mon..fri]}}
  - send: welcome
  - wait: 1d
    until: did(order_placed)
    unmet: stop
  - send: come_back
goal: {{when: rhythm is 'loyal', within: 4d, ends_run: no}}
limits: {{reenter: never}}
---
playbook: always
purpose: success
status: {status}
on: {{model: rhythm}}
do:
  - track: moved
  - send: push_note
  - set: {{last_segment: "{{{{ rhythm.r | default: 'none' }}}}"}}
limits: {{reenter: always}}
)",
      fmt::arg("stay", draw.OneOf({"", ", for: 6h", ", for: 1d"})),
      fmt::arg("wait", draw.OneOf({"1d", "2d", "6h"})),
      fmt::arg("again", draw.OneOf({"always", "after 2d", "never"})),
      fmt::arg("status", draw.OneOf({"live", "live", "shadow", "paused"})));
  if (draw.Chance(0.5)) {
    text += R"(---
playbook: careful
purpose: marketing
on: {model: care, to: [careful, fine]}
when:
  - exists(customer.csm)
  - not did(order_refunded, 2d)
do:
  - task: {title: "Greet", for: customer.csm, due: 2d}
  - send: push_note
  - wait: 3h
  - send: one_question
limits: {reenter: after 1d}
)";
  }
  return text;
}

std::string TemplatesText() {
  std::string text;
  for (const char* id : {"come_back", "one_question", "sorry", "welcome"}) {
    text += fmt::format(
        "template: {}\nchannel: email\nsubject: \"{} {{{{ customer.first_name | default: 'you' "
        "}}}}\"\nbody: |\n  Hello {{{{ customer.first_name | default: 'you' }}}}, [home]({{{{ "
        "links.home }}}}).\n---\n",
        id, id);
  }
  text +=
      "template: push_note\nchannel: push\nbody: \"News for {{ customer.first_name }}\"\n---\n"
      "layout: default\nhtml: \"<p>{{ body }}</p><p>{{ sender.postal }} <a href=\\\"{{ "
      "links.unsubscribe }}\\\">stop</a></p>\"\ntext: \"{{ body }} {{ sender.postal }} {{ "
      "links.unsubscribe }}\"\n";
  return text;
}

}  // namespace

std::vector<SourceFile> FilesOf(const Choices& choices) {
  Draw draw(Stream(choices, "files"));
  std::string workspace = WorkspaceText(draw) + ConnectorsText(draw);
  std::string models = ModelsText(draw);
  std::string playbooks = PlaybooksText(draw);
  return {{"config/segue.yaml", std::move(workspace)},
          {"rules/models.yaml", std::move(models)},
          {"rules/playbooks.yaml", std::move(playbooks)},
          {"templates/all.yaml", TemplatesText()}};
}

}  // namespace segue::sim
