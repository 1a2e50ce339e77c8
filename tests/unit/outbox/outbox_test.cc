// The outbox: each promise once, claims that survive a crash, and a state machine that only moves
// along its arrows.

#include "outbox/outbox.h"

#include <optional>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "outbox/payload.h"
#include "outbox/states.h"
#include "unit/outbox/fixture.h"

namespace segue {
namespace {

using State = DeliveryState;

TEST_CASE_FIXTURE(Fixture, "the same promise is stored once, whatever its content") {
  CHECK(outbox->Enqueue(Make("lara")));
  Delivery again = Make("lara");
  again.payload.subject = "other words";
  CHECK_FALSE(outbox->Enqueue(again));
  CHECK(Only().payload.subject == "Olá");
  CHECK(outbox->Enqueue(Make("ivo")));
  CHECK(outbox->Count().waiting == 2);
}

Outbox::DedupeOf Always(Dedupe dedupe) {
  return [dedupe](const Delivery& /*delivery*/) { return dedupe; };
}

TEST_CASE("every part of a promise makes its key, and parts cannot run into each other") {
  const std::set<std::string> keys = {
      DeliveryKey("w", "c", "p", 1, "s", "t"), DeliveryKey("x", "c", "p", 1, "s", "t"),
      DeliveryKey("w", "x", "p", 1, "s", "t"), DeliveryKey("w", "c", "x", 1, "s", "t"),
      DeliveryKey("w", "c", "p", 2, "s", "t"), DeliveryKey("w", "c", "p", 1, "x", "t"),
      DeliveryKey("w", "c", "p", 1, "s", "x"), DeliveryKey("wc", "", "p", 1, "s", "t"),
      DeliveryKey("w", "cp", "", 1, "s", "t"), DeliveryKey("w", "c", "p", 11, "s", "t"),
  };
  CHECK(keys.size() == 10);
  CHECK(DeliveryKey("w", "c", "p", 1, "s", "t").size() == 32);
}

TEST_CASE_FIXTURE(Fixture, "a stored delivery comes back whole") {
  Delivery made = Make("lara");
  made.payload.headers["List-Unsubscribe"] = "<https://x>";
  made.payload.values["plan"] = "team \xff";  // Not UTF-8: still the same bytes.
  made.payload.due = kStart + kDay;
  made.payload.html = "<p>\"quoted\"\n</p>";
  outbox->Enqueue(made);
  const Delivery back = Only();
  CHECK(back.key == made.key);
  CHECK(back.customer == 7);
  CHECK(back.payload.headers == made.payload.headers);
  CHECK(back.payload.values == made.payload.values);
  CHECK(back.payload.due == made.payload.due);
  CHECK(back.payload.html == made.payload.html);
  CHECK(back.stale_after == made.stale_after);
}

TEST_CASE_FIXTURE(Fixture, "nothing is claimed before its time, and the oldest comes first") {
  Delivery late = Make("late");
  late.not_before = kStart + kHour;
  late.stale_after = late.not_before + kDay;
  outbox->Enqueue(late);
  outbox->Enqueue(Make("early"));
  CHECK(outbox->NextDue("smtp") == kStart);
  CHECK(outbox->Claim("smtp", kStart - kMinute, kLease, 10).empty());
  CHECK(outbox->Claim("other", kStart, kLease, 10).empty());
  CHECK(ClaimOne(kStart).customer_key == "early");
  CHECK(outbox->NextDue("smtp") == kStart + kLease);
  CHECK(ClaimOne(kStart + kHour).customer_key == "late");
}

TEST_CASE_FIXTURE(Fixture, "of two connections that race for one delivery, one gets it") {
  outbox->Enqueue(Make("lara"));
  Database other_db = Database::Open(dir / "segue.db");
  Outbox other(other_db);
  CHECK(outbox->Claim("smtp", kStart, kLease, 10).size() == 1);
  CHECK(other.Claim("smtp", kStart, kLease, 10).empty());
  // And of two that race to promise, one wins.
  CHECK(other.Enqueue(Make("ivo")));
  CHECK_FALSE(outbox->Enqueue(Make("ivo")));
}

TEST_CASE_FIXTURE(Fixture, "a claim is on disk before anything is sent") {
  outbox->Enqueue(Make("lara"));
  ClaimOne(kStart);
  Open();
  CHECK(Only().state == State::kRunning);
  CHECK(outbox->Claim("smtp", kStart, kLease, 10).empty());
}

TEST_CASE_FIXTURE(Fixture,
                  "a process that died in the middle tries again where the vendor knows the key") {
  outbox->Enqueue(Make("lara"));
  ClaimOne(kStart);
  Open();
  CHECK(outbox->Rescue("smtp", Always(Dedupe::kKey), kStart + kLease - kMinute) == 0);
  CHECK(outbox->Rescue("smtp", Always(Dedupe::kKey), kStart + kLease) == 1);
  const Delivery again = ClaimOne(kStart + kLease);
  CHECK(again.attempts == 1);
}

TEST_CASE_FIXTURE(
    Fixture, "a process that died in the middle leaves it to a person where the vendor does not") {
  outbox->Enqueue(Make("lara"));
  const Delivery claimed = ClaimOne(kStart);
  Open();
  CHECK(outbox->Rescue("smtp", Always(Dedupe::kNone), kStart + kLease) == 1);
  CHECK(Only().state == State::kUnknown);
  CHECK(outbox->Claim("smtp", kStart + kDay, kLease, 10).empty());
  CHECK(History(claimed.id) ==
        "waiting>running claimed\n"
        "running>unknown lease_over: Segue stopped before the answer came\n");
}

TEST_CASE_FIXTURE(
    Fixture, "a new process that holds the lock rescues at once what the old one had claimed") {
  outbox->Enqueue(Make("lara"));
  ClaimOne(kStart);
  Open();
  outbox->BreakLeases();
  CHECK(outbox->Rescue("smtp", Always(Dedupe::kKey), kStart) == 1);
  CHECK(ClaimOne(kStart).attempts == 1);
}

TEST_CASE_FIXTURE(Fixture, "each outcome ends where the drawing says, with the vendor's words") {
  struct Row {
    Outcome::Kind kind;
    Dedupe dedupe;
    State state;
  };

  const std::vector<Row> rows = {
      {Outcome::Kind::kAccepted, Dedupe::kNone, State::kAccepted},
      {Outcome::Kind::kRefused, Dedupe::kNone, State::kRefused},
      {Outcome::Kind::kSuppressed, Dedupe::kNone, State::kSuppressed},
      {Outcome::Kind::kRetry, Dedupe::kNone, State::kWaiting},
      {Outcome::Kind::kUnknown, Dedupe::kNone, State::kUnknown},
      {Outcome::Kind::kUnknown, Dedupe::kKey, State::kWaiting},
      {Outcome::Kind::kUnknown, Dedupe::kLookup, State::kWaiting},
  };
  for (std::size_t i = 0; i < rows.size(); ++i) {
    CAPTURE(i);
    outbox->Enqueue(Make("customer" + std::to_string(i)));
    const Delivery claimed = ClaimOne(kStart);
    Record(claimed, Answer(rows[i].kind, "the vendor's words"), rows[i].dedupe, kStart);
    const Delivery after = *outbox->Get(claimed.id);
    CHECK(after.state == rows[i].state);
    CHECK(after.detail == "the vendor's words");
    CHECK(after.attempts == 1);
  }
}

TEST_CASE_FIXTURE(Fixture, "pauses double, are spread, and repeat in a replay") {
  retry.first = std::chrono::seconds(30);
  retry.most = std::chrono::minutes(4);
  outbox->Enqueue(Make("lara"));
  TimePoint now = kStart;
  std::vector<Duration> pauses;
  for (int attempt = 1; attempt <= 8; ++attempt) {
    Record(ClaimOne(now), Answer(Outcome::Kind::kRetry, "busy"), Dedupe::kNone, now);
    const Duration pause = Only().not_before - now;
    pauses.push_back(pause);
    CHECK(pause > Duration::zero());
    CHECK(pause <= std::min<Duration>(retry.first * (1 << (attempt - 1)), retry.most));
    now = Only().not_before;
  }
  CHECK(std::set<Duration>(pauses.begin(), pauses.end()).size() == pauses.size());
  Fixture replay;
  replay.retry = retry;
  replay.outbox->Enqueue(Make("lara"));
  replay.Record(replay.ClaimOne(kStart), Answer(Outcome::Kind::kRetry), Dedupe::kNone, kStart);
  CHECK(replay.Only().not_before - kStart == pauses[0]);
}

TEST_CASE_FIXTURE(Fixture, "a vendor's own pause is never cut short") {
  outbox->Enqueue(Make("lara"));
  Record(ClaimOne(kStart), Answer(Outcome::Kind::kRetry, "429", kHour * 5), Dedupe::kNone, kStart);
  CHECK(Only().not_before == kStart + kHour * 5);
}

TEST_CASE_FIXTURE(Fixture, "after the time to give up it is dead, and waits for a person") {
  retry.give_up_after = kHour;
  outbox->Enqueue(Make("lara"));
  Record(ClaimOne(kStart), Answer(Outcome::Kind::kRetry, "busy"), Dedupe::kNone, kStart);
  Record(ClaimOne(kStart + kHour), Answer(Outcome::Kind::kRetry, "still busy"), Dedupe::kNone,
         kStart + kHour);
  CHECK(Only().state == State::kDead);
  CHECK(Only().detail == "still busy");
  CHECK(outbox->Claim("smtp", kStart + kHour * 2, kLease, 10).empty());
}

TEST_CASE_FIXTURE(
    Fixture, "an answer that was lost once is never called dead or dropped: it becomes unknown") {
  retry.give_up_after = kHour;
  outbox->Enqueue(Make("lara"));
  Record(ClaimOne(kStart), Answer(Outcome::Kind::kUnknown, "timeout"), Dedupe::kKey, kStart);
  SUBCASE("when it gives up") {
    Record(ClaimOne(kStart + kHour), Answer(Outcome::Kind::kRetry, "busy"), Dedupe::kKey,
           kStart + kHour);
  }
  SUBCASE("when it is too late") {
    CHECK(outbox->Claim("smtp", kStart + kDay * 2, kLease, 10).empty());
  }
  CHECK(Only().state == State::kUnknown);
}

TEST_CASE_FIXTURE(Fixture,
                  "what is too late is dropped, and the next one is claimed in its place") {
  outbox->Enqueue(Make("lara"));
  Delivery fresh = Make("ivo");
  fresh.stale_after = kStart + kDay * 3;
  outbox->Enqueue(fresh);
  const std::vector<Delivery> claimed = outbox->Claim("smtp", kStart + kDay * 2, kLease, 1);
  REQUIRE(claimed.size() == 1);
  CHECK(claimed[0].customer_key == "ivo");
  const std::vector<Delivery> dropped = outbox->List({.state = State::kDropped});
  REQUIRE(dropped.size() == 1);
  CHECK(dropped[0].detail == "stale");
}

TEST_CASE_FIXTURE(Fixture, "the last moment before it is too late is not too late") {
  outbox->Enqueue(Make("lara"));
  CHECK(ClaimOne(kStart + kDay).customer_key == "lara");
}

TEST_CASE_FIXTURE(
    Fixture, "a late yes counts, and prevents the second try; other late answers are only kept") {
  outbox->Enqueue(Make("lara"));
  const Delivery claimed = ClaimOne(kStart);
  outbox->Rescue("smtp", Always(Dedupe::kKey), kStart + kLease);
  Record(claimed, Answer(Outcome::Kind::kRetry, "busy"), Dedupe::kKey, kStart + kLease);
  CHECK(Only().state == State::kWaiting);
  Record(claimed, Answer(Outcome::Kind::kAccepted, "250 ok"), Dedupe::kKey, kStart + kLease);
  CHECK(Only().state == State::kAccepted);
  Record(claimed, Answer(Outcome::Kind::kAccepted, "250 again"), Dedupe::kKey, kStart + kLease);
  CHECK(Only().detail == "250 ok");
  CHECK(History(claimed.id) ==
        "waiting>running claimed\n"
        "running>waiting lease_over: Segue stopped before the answer came\n"
        "waiting>waiting late_answer: busy\n"
        "waiting>accepted accepted: 250 ok\n"
        "accepted>accepted late_answer: 250 again\n");
}

TEST_CASE_FIXTURE(Fixture, "what was under way is due at once, also when the clock was set back") {
  outbox->Enqueue(Make("lara"));
  ClaimOne(kStart + kHour);
  outbox->BreakLeases();
  CHECK(outbox->Rescue("smtp", Always(Dedupe::kKey), kStart - kDay) == 1);
  CHECK(ClaimOne(kStart - kDay).customer_key == "lara");
}

TEST_CASE_FIXTURE(
    Fixture, "in a copied state, what its tool cannot tell from a second time becomes unknown") {
  outbox->Enqueue(Make("goes out"));
  ClaimOne(kStart);
  outbox->Enqueue(Make("waits"));
  Delivery elsewhere = Make("elsewhere");
  elsewhere.connector = "crm";
  outbox->Enqueue(elsewhere);
  CHECK(outbox->Doubt("smtp", Always(Dedupe::kKey), "moved to a new machine", kStart) == 0);
  CHECK(outbox->Doubt("smtp", Always(Dedupe::kNone), "moved to a new machine", kStart) == 2);
  const std::vector<Delivery> unknown = outbox->List({.state = State::kUnknown});
  REQUIRE(unknown.size() == 2);
  CHECK(unknown[0].detail == "the state was copied: moved to a new machine");
  CHECK(outbox->List({.state = State::kWaiting}).front().customer_key == "elsewhere");
  CHECK(outbox->Claim("smtp", kStart + kHour, kLease, 10).empty());
}

TEST_CASE_FIXTURE(Fixture, "a claim that is given back counts no attempt and leaves no trace") {
  outbox->Enqueue(Make("lara"));
  const Delivery claimed = ClaimOne(kStart);
  outbox->Release(claimed.id, kStart + kMinute);
  CHECK(Only().attempts == 0);
  CHECK(Only().not_before == kStart + kMinute);
  CHECK(History(claimed.id).empty());
}

TEST_CASE_FIXTURE(Fixture,
                  "what went to another mailbox says so, also when its claim is given back") {
  outbox->Enqueue(Make("lara"));
  const Delivery claimed = ClaimOne(kStart);
  outbox->Readdress(claimed.id, "lara@elsewhere.example", kStart);
  outbox->Release(claimed.id, kStart + kMinute);
  CHECK(History(claimed.id) == "waiting>waiting readdressed\n");
}

TEST_CASE_FIXTURE(Fixture, "consent that is withdrawn after the claim stops it") {
  outbox->Enqueue(Make("lara"));
  const Delivery claimed = ClaimOne(kStart);
  outbox->Drop(claimed.id, State::kSuppressed, "no_consent", kStart);
  CHECK(Only().state == State::kSuppressed);
  CHECK(Only().detail == "no_consent");
}

TEST_CASE_FIXTURE(
    Fixture, "a person may retry, drop or mark what is unknown, with a note and not otherwise") {
  outbox->Enqueue(Make("lara"));
  const Delivery claimed = ClaimOne(kStart);
  Record(claimed, Answer(Outcome::Kind::kUnknown, "timeout"), Dedupe::kNone, kStart);
  const TimePoint later = kStart + kDay * 3;
  CHECK(outbox->RetryByHand(claimed.id, "", later).error().message() ==
        "to retry a delivery by hand, say why: give a note");
  SUBCASE("retry sends again, though it is long stale") {
    CHECK(outbox->RetryByHand(claimed.id, "they say nothing came", later).has_value());
    CHECK(ClaimOne(later).attempts == 1);
    CHECK(History(claimed.id) ==
          "waiting>running claimed\nrunning>unknown unknown: timeout\n"
          "unknown>waiting by_hand: they say nothing came\nwaiting>running claimed\n");
  }
  SUBCASE("drop") {
    CHECK(outbox->DropByHand(claimed.id, "not worth it", later).has_value());
    CHECK(Only().state == State::kDropped);
  }
  SUBCASE("mark as sent") {
    CHECK(outbox->MarkSent(claimed.id, "seen in their log", later).has_value());
    CHECK(Only().state == State::kAccepted);
    CHECK(outbox->RetryByHand(claimed.id, "once more", later).error().message() ==
          "delivery 1 is accepted; to retry, it must be unknown or dead");
  }
  CHECK(outbox->DropByHand(99, "x", later).error().message() ==
        "there is no delivery 99; `segue outbox list` shows those there are");
}

TEST_CASE_FIXTURE(Fixture, "a person may drop what waits, but not retry it") {
  outbox->Enqueue(Make("lara"));
  const std::int64_t id = Only().id;
  CHECK_FALSE(outbox->RetryByHand(id, "now", kStart).has_value());
  CHECK_FALSE(outbox->MarkSent(id, "now", kStart).has_value());
  CHECK(outbox->DropByHand(id, "wrong text", kStart).has_value());
}

TEST_CASE_FIXTURE(Fixture,
                  "who drops by hand what waits after a lost answer leaves it unknown first") {
  outbox->Enqueue(Make("lara"));
  const std::int64_t id = ClaimOne(kStart).id;
  Record(*outbox->Get(id), Answer(Outcome::Kind::kUnknown, "timeout"), Dedupe::kKey, kStart);
  REQUIRE(Only().state == State::kWaiting);
  CHECK(outbox->DropByHand(id, "wrong text", kStart + kHour).has_value());
  CHECK(Only().state == State::kUnknown);
  CHECK(Only().detail == "dropped by hand: wrong text; an earlier answer was lost");
  CHECK(outbox->Claim("smtp", kStart + 2 * kHour, kLease, 10).empty());
  CHECK(outbox->DropByHand(id, "it did not arrive", kStart + kHour).has_value());
  CHECK(Only().state == State::kDropped);
}

TEST_CASE_FIXTURE(Fixture, "in a copied state, what can be looked up is looked up before it goes") {
  outbox->Enqueue(Make("lara"));
  CHECK(outbox->Doubt("smtp", Always(Dedupe::kLookup), "moved", kStart) == 0);
  CHECK(ClaimOne(kStart).attempts == 1);
}

TEST_CASE_FIXTURE(Fixture, "in a copied state, what is too late may still have gone out") {
  outbox->Enqueue(Make("lara"));
  CHECK(outbox->Doubt("smtp", Always(Dedupe::kKey), "moved", kStart) == 0);
  CHECK(outbox->Claim("smtp", kStart + 2 * kDay, kLease, 10).empty());
  CHECK(Only().state == State::kUnknown);
}

TEST_CASE_FIXTURE(Fixture, "an address has what may have come before it was dropped or refused") {
  outbox->Enqueue(Make("lara"));
  Record(ClaimOne(kStart), Answer(Outcome::Kind::kUnknown, "timeout"), Dedupe::kKey, kStart);
  const TimePoint later = kStart + kHour;
  SUBCASE("refused") {
    Record(ClaimOne(later), Answer(Outcome::Kind::kRefused, "no"), Dedupe::kKey, later);
  }
  SUBCASE("dropped") {
    outbox->Drop(Only().id, State::kDropped, "goal", later);
  }
  CHECK(outbox->AddressHas("lara@example.com", "hello", later, kDay));
  CHECK_FALSE(outbox->AddressHas("lara@example.com", "hello", later + 2 * kDay, kDay));
}

TEST_CASE_FIXTURE(
    Fixture, "an address has a template that waits, however old, or came lately, in any spelling") {
  outbox->Enqueue(Make("lara"));
  CHECK(outbox->AddressHas("lara@example.COM", "hello", kStart, kDay));
  CHECK_FALSE(outbox->AddressHas("lara@example.com", "other", kStart, kDay));
  CHECK_FALSE(outbox->AddressHas("ivo@example.com", "hello", kStart, kDay));
  CHECK_FALSE(outbox->AddressHas("", "hello", kStart, kDay));
  CHECK(outbox->AddressHas("lara@example.com", "hello", kStart + 9 * kDay, kDay));
  const Delivery claimed = ClaimOne(kStart);
  CHECK(outbox->AddressHas("lara@example.com", "hello", kStart, kDay));
  SUBCASE("accepted counts") {
    Record(claimed, Answer(Outcome::Kind::kAccepted), Dedupe::kNone, kStart);
    CHECK(outbox->AddressHas("lara@example.com", "hello", kStart + kDay, kDay));
    CHECK_FALSE(outbox->AddressHas("lara@example.com", "hello", kStart + kDay + kMinute, kDay));
  }
  SUBCASE("unknown counts: it may have arrived") {
    Record(claimed, Answer(Outcome::Kind::kUnknown), Dedupe::kNone, kStart);
    CHECK(outbox->AddressHas("lara@example.com", "hello", kStart, kDay));
  }
  SUBCASE("refused does not count") {
    Record(claimed, Answer(Outcome::Kind::kRefused), Dedupe::kNone, kStart);
    CHECK_FALSE(outbox->AddressHas("lara@example.com", "hello", kStart, kDay));
  }
}

TEST_CASE_FIXTURE(Fixture,
                  "a refusal after an answer that was lost says that the first may have worked") {
  outbox->Enqueue(Make("lara"));
  Record(ClaimOne(kStart), Answer(Outcome::Kind::kUnknown, "timeout"), Dedupe::kKey, kStart);
  const Delivery again = ClaimOne(kStart + kDay);
  SUBCASE("refused") {
    Record(again, Answer(Outcome::Kind::kRefused, "no such list"), Dedupe::kKey, kStart + kDay);
    CHECK(Only().state == State::kRefused);
    CHECK(Only().detail == "no such list; an earlier answer was lost");
  }
  SUBCASE("suppressed") {
    Record(again, Answer(Outcome::Kind::kSuppressed, "opted out"), Dedupe::kKey, kStart + kDay);
    CHECK(Only().state == State::kSuppressed);
    CHECK(Only().detail == "opted out; an earlier answer was lost");
  }
}

TEST_CASE_FIXTURE(Fixture, "a task stays open until it is dropped or refused") {
  Delivery task = Make("lara");
  task.kind = DeliveryKind::kTask;
  outbox->Enqueue(task);
  CHECK(outbox->HasOpenTask("winback", "0", 7));
  CHECK_FALSE(outbox->HasOpenTask("winback", "1", 7));
  CHECK_FALSE(outbox->HasOpenTask("winback", "0", 8));
  Record(ClaimOne(kStart), Answer(Outcome::Kind::kAccepted), Dedupe::kNone, kStart);
  CHECK(outbox->HasOpenTask("winback", "0", 7));
}

TEST_CASE_FIXTURE(Fixture, "a list can be asked for one state, connector, playbook or customer") {
  outbox->Enqueue(Make("lara"));
  Delivery other = Make("ivo");
  other.connector = "file";
  other.playbook = "welcome";
  outbox->Enqueue(other);
  CHECK(outbox->List({.connector = "file"}).size() == 1);
  CHECK(outbox->List({.playbook = "winback"}).size() == 1);
  CHECK(outbox->List({.customer_key = "ivo"}).size() == 1);
  CHECK(outbox->List({.step = "0", .run = 1}).size() == 2);
  CHECK(outbox->List({.step = "9"}).empty());
  CHECK(outbox->List({.run = 9}).empty());
  CHECK(outbox->List({.state = State::kRunning}).empty());
  const std::vector<Delivery> newest = outbox->List({.limit = 1});
  REQUIRE(newest.size() == 1);
  CHECK(newest[0].customer_key == "ivo");
}

// Drops everything at every commit, once before and once after it, and goes on as a new process
// would.
TEST_CASE("a crash at any commit loses nothing and accepts nothing twice") {
  for (int crash_at = 0; crash_at < 12; ++crash_at) {
    for (const bool crash_after : {false, true}) {
      CAPTURE(crash_at);
      CAPTURE(crash_after);
      Fixture world;
      std::multiset<std::string> vendor;  // What the vendor took in, by key; it honours keys.
      int commits = 0;
      TimePoint now = kStart;
      const auto arm = [&] {
        world.db->OnCommit([&](bool after) {
          if (after == crash_after && commits++ == crash_at) {
            throw std::runtime_error("crash");
          }
        });
      };
      world.outbox->Enqueue(Fixture::Make("lara"));
      world.outbox->Enqueue(Fixture::Make("ivo"));
      arm();
      for (int round = 0; round < 20; ++round, now += kMinute) {
        try {
          world.outbox->Rescue("smtp", Always(Dedupe::kKey), now);
          for (const Delivery& delivery : world.outbox->Claim("smtp", now, kLease, 1)) {
            if (vendor.count(delivery.key) == 0) {
              vendor.insert(delivery.key);
            }
            world.Record(delivery, Answer(Outcome::Kind::kAccepted), Dedupe::kKey, now);
          }
        } catch (const std::runtime_error&) {
          world.Open();
          arm();
        }
      }
      CHECK(vendor.size() == 2);
      CHECK(world.outbox->Count().accepted == 2);
    }
  }
}

TEST_CASE_FIXTURE(Fixture,
                  "a state file of before channels were kept learns them by its messages") {
  outbox->Enqueue(Make("lara"));
  db->Execute(
      "DROP INDEX outbox_message; ALTER TABLE outbox DROP COLUMN channel; "
      "CREATE INDEX outbox_message ON outbox(customer) WHERE kind = 0; "
      "DELETE FROM part WHERE name = 'outbox of channels'");
  Open();
  Statement channel = db->Prepare("SELECT channel FROM outbox");
  REQUIRE(channel.Step());
  CHECK(channel.Text(0) == "email");
}

TEST_CASE("the arrows are those of docs/outbox.md and no others") {
  const std::vector<State> states = {State::kWaiting, State::kRunning,    State::kAccepted,
                                     State::kRefused, State::kSuppressed, State::kUnknown,
                                     State::kDropped, State::kDead};
  std::string drawing;
  for (const State from : states) {
    drawing += std::string(DeliveryStateName(from)) + ":";
    for (const State to : states) {
      drawing += MayBecome(from, to) ? " " + std::string(DeliveryStateName(to)) : "";
    }
    drawing += "\n";
  }
  CHECK(drawing ==
        "waiting: running accepted refused suppressed unknown dropped\n"
        "running: waiting accepted refused suppressed unknown dropped dead\n"
        "accepted:\nrefused:\nsuppressed:\n"
        "unknown: waiting accepted dropped\n"
        "dropped:\n"
        "dead: waiting accepted dropped\n");
}

TEST_CASE("an address is compared bare and in lower case") {
  CHECK(AddressKey("\"Lara <x>\" <Lara@Example.com>") == "lara@example.com");
  CHECK(AddressKey(" lara@example.com ") == "lara@example.com");
  CHECK(AddressKey("<broken") == "broken");
}

}  // namespace
}  // namespace segue
