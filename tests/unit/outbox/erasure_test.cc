// What an erasure and a merge do to promises.

#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "unit/outbox/fixture.h"

namespace segue {
namespace {

TEST_CASE_FIXTURE(Fixture,
                  "erasing a customer drops what waits and leaves nothing of them but the proof") {
  outbox->Enqueue(Make("lara"));
  Delivery second = Make("lara2");
  outbox->Enqueue(second);
  const std::vector<Delivery> claimed = outbox->Claim("smtp", kStart, kLease, 1);
  REQUIRE(claimed.size() == 1);
  outbox->Erase(7, kStart);
  // The one in flight stands, but is not tried again.
  Record(claimed[0], Answer(Outcome::Kind::kRetry, "busy lara@example.com"), Dedupe::kNone, kStart);
  CHECK(outbox->Claim("smtp", kStart + kHour, kLease, 10).empty());
  CHECK(outbox->Count().dropped == 2);
  for (const Delivery& delivery : outbox->List({})) {
    CHECK(delivery.customer_key.empty());
    CHECK(delivery.payload.to.empty());
    CHECK(delivery.payload.subject.empty());
    CHECK(delivery.detail.find("lara") == std::string::npos);
    CHECK(History(delivery.id).find("lara") == std::string::npos);
  }
  CHECK_FALSE(outbox->AddressHas("lara@example.com", "hello", kStart, kDay));
  CHECK_FALSE(outbox->Enqueue(Make("lara")));
}

TEST_CASE_FIXTURE(Fixture, "what a tool calls somebody who was erased meanwhile is not kept") {
  outbox->Enqueue(Make("lara"));
  const Delivery claimed = ClaimOne(kStart);
  outbox->Erase(7, kStart);
  Outcome accepted = Answer(Outcome::Kind::kAccepted);
  accepted.vendor_id = "contact-lara";
  Record(claimed, accepted, Dedupe::kNone, kStart);
  CHECK(outbox->Count().accepted == 1);
  Statement named = db->Prepare("SELECT count(*) FROM outbox WHERE vendor_id <> ''");
  REQUIRE(named.Step());
  CHECK(named.Int(0) == 0);
}

TEST_CASE_FIXTURE(
    Fixture, "an erasure leaves what takes them out of a list to be done, and blanks it then") {
  outbox->Enqueue(MakeList("lara", "add"));
  outbox->Enqueue(MakeList("lara", "remove"));
  const std::int64_t removal = outbox->List({.step = "remove"}).front().id;
  TimePoint now = kStart;
  bool by_hand = false;
  const auto try_once = [&](Outcome::Kind kind) {
    for (const Delivery& one : outbox->Claim("smtp", now, kLease, 10)) {
      Record(one, Answer(kind, "lara@example.com"), Dedupe::kNone, now);
    }
  };
  SUBCASE("while it waits") {
    outbox->Erase(7, now);
    CHECK(outbox->Count().dropped == 1);  // The `add`.
  }
  SUBCASE("while it is in flight, also when that fails") {
    const std::vector<Delivery> claimed = outbox->Claim("smtp", now, kLease, 10);
    outbox->Erase(7, now);
    for (const Delivery& one : claimed) {
      Record(one, Answer(Outcome::Kind::kRetry, "busy"), Dedupe::kNone, now);
    }
  }
  SUBCASE("when its answer was lost") {
    try_once(Outcome::Kind::kUnknown);
    outbox->Erase(7, now);
    by_hand = true;
  }
  SUBCASE("when it was given up") {
    try_once(Outcome::Kind::kRetry);
    now += retry.give_up_after;
    try_once(Outcome::Kind::kRetry);
    outbox->Erase(7, now);
    by_hand = true;
  }
  Open();
  now += kHour;
  CHECK(outbox->Get(removal)->payload.to == "\"Lara\" <Lara@Example.com>");
  CHECK(outbox->Get(removal)->customer_key == "lara");
  if (by_hand) {
    CHECK(outbox->RetryByHand(removal, "lara is still in the list", now).has_value());
  }
  const Delivery sent = ClaimOne(now);
  CHECK(sent.id == removal);
  Record(sent, Answer(Outcome::Kind::kAccepted, "lara@example.com is out"), Dedupe::kNone, now);
  outbox->Erase(7, now);
  CHECK(outbox->Count().accepted == 1);
  CHECK(outbox->Count().dropped == 1);
  for (const Delivery& delivery : outbox->List({})) {
    CHECK(delivery.customer_key.empty());
    CHECK(delivery.payload.to.empty());
    CHECK(delivery.detail.find("lara") == std::string::npos);
    CHECK(History(delivery.id).find("lara") == std::string::npos);
  }
}

TEST_CASE_FIXTURE(Fixture, "a removal that waits is one for the same person, tool and list only") {
  const Delivery removal = MakeList("lara", "remove");
  CHECK_FALSE(outbox->AwaitsRemoval(removal));
  outbox->Enqueue(MakeList("lara", "add"));
  CHECK_FALSE(outbox->AwaitsRemoval(removal));
  outbox->Enqueue(removal);
  Delivery other = removal;
  other.key = "another run";
  CHECK(outbox->AwaitsRemoval(other));
  SUBCASE("another list") {
    other.payload.name = "Loyal";
  }
  SUBCASE("another tool") {
    other.connector = "ads";
  }
  SUBCASE("another key of theirs") {
    other.customer_key = "lara2";
  }
  SUBCASE("another address") {
    other.payload.to = "lara@home.example";
  }
  SUBCASE("somebody else") {
    other.customer = 8;
  }
  SUBCASE("no more, since it was claimed") {
    outbox->Claim("smtp", kStart, kLease, 10);
  }
  CHECK_FALSE(outbox->AwaitsRemoval(other));
}

TEST_CASE_FIXTURE(Fixture, "after a merge the survivor has the tasks of both, under the old keys") {
  Delivery task = Make("lara");
  task.kind = DeliveryKind::kTask;
  outbox->Enqueue(task);
  outbox->Merged(7, 3);
  CHECK(outbox->HasOpenTask("winback", "0", 3));
  CHECK(Only().key == task.key);
}

}  // namespace
}  // namespace segue
