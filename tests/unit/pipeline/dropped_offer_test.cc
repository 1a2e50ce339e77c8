// A message that waits when its run ends, and the code that it would have printed.

#include <memory>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "pipeline/pipeline.h"
#include "support/temp_dir.h"

namespace segue {
namespace {

constexpr std::string_view kNightShop = R"(workspace: shop
currency: EUR
timezone: UTC
sender: {from: "shop@example.com", postal: "1 Street"}
traits: {customer: {email: text}}
events: {visit: {}, order: {}}
channels: {email: out}
quiet_hours: {from: "20:00", to: "08:00"}
serve: {url: "https://segue.example", sign: env:SIGN}
---
connector: out
type: webhook
auth: {url: env:URL}
---
offer: gift
perk: a present
pool: {generate: "GIFT-{{8}}"}
valid: 9d
per_customer: 1 per 90d
---
playbook: give
purpose: service
on: {event: visit}
offer: gift
do: [{send: plain}, {send: code}, {wait: 9d}]
exit: did(order)
limits: {reenter: always}
---
template: code
channel: email
subject: Code {{ offer.code }}
body: Yours
---
template: plain
channel: email
subject: Plain
body: Hello
---
layout: default
html: "{{ body }} {{ sender.postal }} {{ links.unsubscribe }}"
text: "{{ body }} {{ sender.postal }} {{ links.unsubscribe }}"
)";

}  // namespace

TEST_CASE("a code that waits for the morning goes back when its run ends in the night") {
  const TempDir temp;
  Database db = Database::Open(temp / "segue.db");
  const Checked checked = CheckWorkspace({{"config/segue.yaml", std::string(kNightShop)}});
  INFO(FormatDiagnostics(checked.diagnostics, checked.files, false));
  REQUIRE(checked.workspace != nullptr);
  TimePoint now = *ParseTime("2026-03-02T22:00:00Z", Zone());
  State state(db, *checked.workspace, *checked.templates, now);
  Cycle cycle(state, nullptr);
  const auto take = [&](const std::vector<Fact>& facts) {
    CycleReport report;
    now += kHour;
    cycle.Ingest(facts, "test", 72 * kHour, now, report);
    cycle.Decide(now, report);
  };
  const auto happens = [&](int kind) {
    return Event{.kind = kind,
                 .customer = "lara",
                 .time = now + kHour,  // When it is taken.
                 .fields = {},
                 .dedupe = fmt::format("{}", kind),
                 .version = {}};
  };
  take({TraitChange{"lara", 0, std::string("lara@example.com"), now}});
  take({happens(0)});
  const auto states = [&] {
    std::string all;
    for (const Delivery& one : state.outbox().List(OutboxFilter())) {
      all = one.payload.template_id + " " + std::string(DeliveryStateName(one.state)) + " " +
            one.detail + "; " + all;
    }
    return all;
  };
  const auto stock = [&] {
    const OfferStock gift = state.playbooks().offers().Stock(now)[0];
    return fmt::format("{} reserved, {} returned", gift.reserved, gift.returned);
  };
  CHECK(states() == "plain waiting ; code waiting ; ");
  CHECK(stock() == "1 reserved, 0 returned");
  take({happens(1)});
  CHECK(states() == "plain dropped exit; code dropped exit; ");
  CHECK(stock() == "0 reserved, 1 returned");
  CHECK(state.playbooks().offers().Problems().empty());
}

}  // namespace segue
