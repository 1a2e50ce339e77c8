// An outbox in a file of its own, and what is promised in it.

#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "outbox/outbox.h"
#include "support/temp_dir.h"

namespace segue {

inline const TimePoint kStart = FromMicros(1'774'500'000'000'000);  // 2026-03-26T04:40:00Z
inline constexpr Duration kLease = std::chrono::minutes(2);

inline Outcome Answer(Outcome::Kind kind, std::string words = "",
                      Duration retry_after = Duration::zero()) {
  return {.kind = kind, .detail = std::move(words), .retry_after = retry_after, .vendor_id = ""};
}

struct Fixture {
  TempDir dir;
  std::optional<Database> db;
  std::optional<Outbox> outbox;
  Retry retry;

  Fixture() { Open(); }

  // What a process that was killed and started again does.
  void Open() {
    outbox.reset();
    db.reset();
    db.emplace(Database::Open(dir / "segue.db"));
    outbox.emplace(*db);
  }

  static Delivery Make(const std::string& name) {
    Delivery delivery;
    delivery.key = DeliveryKey("demo", name, "winback", 1, "0", "smtp");
    delivery.connector = "smtp";
    delivery.purpose = "marketing";
    delivery.customer = 7;
    delivery.customer_key = name;
    delivery.playbook = "winback";
    delivery.run = 1;
    delivery.step = "0";
    delivery.payload.channel = "email";
    delivery.payload.template_id = "hello";
    delivery.payload.to = "\"Lara\" <Lara@Example.com>";
    delivery.payload.subject = "Olá";
    delivery.created = kStart;
    delivery.not_before = kStart;
    delivery.stale_after = kStart + kDay;
    return delivery;
  }

  static Delivery MakeList(const std::string& name, const std::string& action) {
    Delivery delivery = Make(name);
    delivery.key = DeliveryKey("demo", name, "winback", 1, action, "smtp");
    delivery.kind = DeliveryKind::kAudience;
    delivery.step = action;
    delivery.payload.name = "Slipping";
    delivery.payload.values["action"] = action;
    delivery.stale_after = kStart + 400 * kDay;
    return delivery;
  }

  Delivery ClaimOne(TimePoint now) {
    std::vector<Delivery> claimed = outbox->Claim("smtp", now, kLease, 10);
    REQUIRE(claimed.size() == 1);
    return claimed[0];
  }

  void Record(const Delivery& delivery, const Outcome& outcome, Dedupe dedupe, TimePoint now) {
    outbox->Record(delivery, outcome, retry, dedupe, now);
  }

  Delivery Only() {
    const std::vector<Delivery> all = outbox->List({});
    REQUIRE(all.size() == 1);
    return all[0];
  }

  std::string History(std::int64_t id) {
    std::string text;
    for (const Attempt& attempt : outbox->Attempts(id)) {
      text += std::string(DeliveryStateName(attempt.from)) + ">" +
              std::string(DeliveryStateName(attempt.to)) + " " + attempt.what +
              (attempt.words.empty() ? "" : ": " + attempt.words) + "\n";
    }
    return text;
  }
};

}  // namespace segue
