// Offers in playbooks: a code is one person's, money is kept count of, and what nobody got goes
// back.

#include "world.h"

namespace segue {
namespace {

const TimePoint kNow = At("2026-03-26T04:00:00Z");

// A playbook that sends "hello" with a code, waits six days, and reminds of it with "again".
struct Shop : World {
  explicit Shop(const std::string& codes = "") {
    Offer offer;
    offer.id = "winback";
    offer.terms = "20%";
    offer.place = {.file = 0, .line = 40};
    offer.pool_file = "pools/winback.csv";
    offer.valid.time = 10 * kDay;
    offer.per_customer_within = 180 * kDay;
    workspace.offers.push_back(offer);
    workspace.schema.currency = "EUR";
    for (Template& message : workspace.templates) {
      message.body.body.text = "{{ offer.code }}";
    }
    Add("back", {SendStep("0", "hello"), WaitStep("1", 6 * kDay), SendStep("2", "again")});
    playbook().offer = "winback";
    playbook().reenter.kind = Reenter::Kind::kAlways;
    Open();
    offers().AddCodes("winback", codes);
  }

  Offers& offers() { return playbooks->offers(); }

  Offer& offer() { return workspace.offers.front(); }

  void Budget(std::int64_t most, const std::string& cost = "cost") {
    offer().budget = most;
    offer().cost = Says(cost);  // 1 for whom the test says so, else 0: cents, here.
  }

  // What a person has got by now, newest last.
  const std::vector<std::string>& Codes() const { return host.coded; }

  void Settle(DeliveryState state, bool unresolved = false, int from_last = 0) {
    Statement find = db->Prepare("SELECT key FROM promised ORDER BY id DESC LIMIT 1 OFFSET ?");
    find.Bind(1, std::int64_t{from_last});
    REQUIRE(find.Step());
    offers().Settled(find.Text(0), state, unresolved);
  }

  // "free 1 reserved 0 committed 1 …": all that is not zero.
  std::string Stock() {
    const OfferStock stock = offers().Stock(now).front();
    std::string text;
    for (const auto& [word, count] : {std::pair{"free", stock.free},
                                      {"reserved", stock.reserved},
                                      {"committed", stock.committed},
                                      {"redeemed", stock.redeemed},
                                      {"expired", stock.expired},
                                      {"returned", stock.returned},
                                      {"taken", stock.taken}}) {
      text += count == 0
                  ? ""
                  : (text.empty() ? "" : " ") + std::string(word) + " " + std::to_string(count);
    }
    CHECK(offers().Problems() == Lines{});
    return text;
  }
};

const std::string kUntil = " 2026-04-05T23:59:59Z";

}  // namespace

TEST_CASE("a code is reserved with the promise and committed when the message was accepted") {
  Shop shop("A\nB\n");
  shop.Start(kLara);
  CHECK(shop.Codes() == Lines{"A" + kUntil});
  CHECK(shop.Row(Gate::kOffer).detail == "winback, valid until 2026-04-05 23:59");
  CHECK(shop.Row(Gate::kOffer).where == "rules/p.yaml:40");
  CHECK(shop.Stock() == "free 1 reserved 1");
  shop.Settle(DeliveryState::kRunning);
  shop.Settle(DeliveryState::kWaiting);  // To be tried again.
  CHECK(shop.Stock() == "free 1 reserved 1");
  shop.Settle(DeliveryState::kAccepted);
  CHECK(shop.Stock() == "free 1 committed 1");
}

TEST_CASE("a code that nobody can have seen goes to the next person") {
  for (const DeliveryState end :
       {DeliveryState::kRefused, DeliveryState::kSuppressed, DeliveryState::kDropped}) {
    Shop shop("A\n");
    shop.Start(kLara);
    shop.Settle(end);
    CHECK(shop.Stock() == "free 1 returned 1");
    shop.Start(kIvo);
    CHECK(shop.Codes() == Lines{"A" + kUntil, "A" + kUntil});
  }
}

TEST_CASE("a code that somebody may have seen is never given again") {
  SUBCASE("the answer was lost") {
    Shop shop("A\n");
    shop.Start(kLara);
    shop.Settle(DeliveryState::kUnknown);
    CHECK(shop.Stock() == "committed 1");
    shop.Settle(DeliveryState::kDropped, true);  // A person gave up on it.
    CHECK(shop.Stock() == "committed 1");
  }
  SUBCASE("the answer to an earlier attempt was lost, and the last one was refused") {
    Shop shop("A\n");
    shop.Start(kLara);
    shop.Settle(DeliveryState::kRefused, true);
    CHECK(shop.Stock() == "committed 1");
    shop.Start(kIvo);
    CHECK(shop.Row(Gate::kOffer, kIvo).reason == "no_code");
  }
}

TEST_CASE("all messages of a run print one code, which goes back when none of them arrived") {
  Shop shop("A\nB\n");
  shop.Start(kLara);
  shop.RunAfter(6 * kDay);
  CHECK(shop.Codes() == Lines{"A" + kUntil, "A" + kUntil});
  CHECK(shop.Row(Gate::kOffer).detail ==
        "winback: the one of this run, valid until 2026-04-05 23:59");
  shop.Settle(DeliveryState::kDropped, false, 1);
  CHECK(shop.Stock() == "free 1 reserved 1");
  SUBCASE("neither arrived") {
    shop.Settle(DeliveryState::kRefused);
    CHECK(shop.Stock() == "free 2 returned 1");
  }
  SUBCASE("the second did") {
    shop.Settle(DeliveryState::kAccepted);
    CHECK(shop.Stock() == "free 1 committed 1");
  }
}

TEST_CASE("after a code went back, a later step of the run gets another") {
  Shop shop("A\nB\n");
  shop.Start(kLara);
  shop.Settle(DeliveryState::kRefused);
  shop.Start(kIvo);
  shop.RunAfter(6 * kDay);
  CHECK(shop.Codes() == Lines{"A" + kUntil, "A" + kUntil, "B 2026-04-11T23:59:59Z", "A" + kUntil});
}

TEST_CASE("without a code the step is skipped and the run goes on") {
  Shop shop;
  shop.Start(kLara);
  CHECK(shop.Promised() == Lines{});
  CHECK(shop.Row(Gate::kOffer).reason == "no_code");
  CHECK(shop.Row(Gate::kOffer).detail == "winback: no code is left in pools/winback.csv");
  CHECK(shop.Ends() == Lines{"lara at 1"});
}

TEST_CASE("one person gets an offer as often as it says, whatever the run") {
  Shop shop("A\nB\nC\n");
  shop.playbook().steps.resize(1);
  shop.Open();
  shop.Start(kLara);
  shop.Settle(DeliveryState::kAccepted);
  shop.Leave(kLara);
  shop.RunAfter(100 * kDay);
  shop.Start(kLara);
  CHECK(shop.Row(Gate::kOffer).detail == "winback: 1 per 180d, and they had 1");
  shop.Leave(kLara);
  shop.RunAt(kNow + 180 * kDay);
  shop.Start(kLara);
  CHECK(shop.Codes().size() == 2);
}

TEST_CASE("what went back does not count for the person, and a merge unites what both had") {
  Shop shop("A\nB\nC\n");
  shop.playbook().steps.resize(1);
  shop.Open();
  shop.Start(kLara);
  shop.Settle(DeliveryState::kRefused);
  shop.Start(kIvo);
  shop.Settle(DeliveryState::kAccepted);
  shop.Leave(kLara);
  shop.RunAfter(2 * kDay);  // The address may have the template again.
  SUBCASE("it went back") {
    shop.Start(kLara);
    CHECK(shop.Codes().size() == 3);
  }
  SUBCASE("they are merged") {
    shop.playbooks->Merged(kIvo, kLara, shop.now);
    shop.Start(kLara);
    CHECK(shop.Row(Gate::kOffer).detail == "winback: 1 per 180d, and they had 1");
  }
}

TEST_CASE("a budget refuses at its own gate, and gets back what was not spent") {
  Shop shop("A\nB\nC\nD\n");
  shop.playbook().steps.resize(1);
  shop.Budget(2);
  shop.Open();
  shop.host.truths[{kLara, "cost"}] = shop.host.truths[{kIvo, "cost"}] =
      shop.host.truths[{kMia, "cost"}] = true;
  shop.Start(kLara);
  shop.Start(kIvo);
  CHECK(shop.Row(Gate::kBudget, kIvo).detail == "0.01 EUR beside 0.01 EUR of 0.02 EUR this month");
  shop.Start(kMia);
  CHECK(shop.Row(Gate::kBudget, kMia).reason == "over_budget");
  CHECK(shop.Row(Gate::kBudget, kMia).where == "rules/p.yaml:40");
  CHECK(shop.Stock() == "free 2 reserved 2 taken 2");
  CHECK(shop.Rows(kMia).back() == "end ok done");
  shop.Settle(DeliveryState::kRefused);
  CHECK(shop.Stock() == "free 3 reserved 1 returned 1 taken 1");
  shop.Leave(kMia);
  shop.RunAfter(kDay);
  shop.Start(kMia);
  CHECK(shop.Codes().size() == 3);
}

TEST_CASE("a budget is of one calendar month of the workspace") {
  Shop shop("A\nB\nC\n");
  shop.playbook().steps.resize(1);
  shop.Budget(1);
  shop.workspace.schema.timezone = Zone::Find("America/New_York").value();
  shop.Open();
  shop.host.truths[{kLara, "cost"}] = shop.host.truths[{kIvo, "cost"}] =
      shop.host.truths[{kMia, "cost"}] = true;
  shop.now = At("2026-04-01T03:59:00Z");  // 31 March there.
  shop.Start(kLara);
  shop.RunAfter(kMinute);
  shop.Start(kIvo);
  shop.Start(kMia);
  CHECK(shop.Codes().size() == 2);
  CHECK(shop.Row(Gate::kBudget, kMia).reason == "over_budget");
}

TEST_CASE("money comes back when a code was not redeemed in time, the code does not") {
  Shop shop("A\nB\n");
  shop.playbook().steps.resize(1);
  shop.Budget(5);
  shop.offer().redeemed = kOrder;
  shop.Open();
  shop.host.truths[{kLara, "cost"}] = shop.host.truths[{kIvo, "cost"}] = true;
  shop.now = At("2026-03-05T10:00:00Z");
  shop.Start(kLara);
  shop.Settle(DeliveryState::kAccepted);
  shop.Start(kIvo);
  shop.Settle(DeliveryState::kAccepted);
  shop.host.used_codes = {"B", "some code of somebody else's"};
  shop.RunAt(At("2026-03-15T23:59:59Z"));
  CHECK(shop.Stock() == "committed 1 redeemed 1 taken 2");
  shop.RunAfter(std::chrono::seconds(1));
  CHECK(shop.Stock() == "redeemed 1 expired 1 taken 1");
  shop.host.used_codes = {"A"};  // The shop was told late, or let it pass.
  shop.RunAfter(kDay);
  CHECK(shop.Stock() == "redeemed 2 taken 2");
}

TEST_CASE("a code that was used before anybody got it here is never given") {
  Shop shop("A\nB\n");
  shop.offer().redeemed = kOrder;
  shop.Open();
  shop.host.used_codes = {"A"};
  shop.Start(kLara);
  CHECK(shop.Codes() == Lines{"B" + kUntil});
  CHECK(shop.Stock() == "reserved 1");
}

TEST_CASE("nobody is sent a code that is over by then, or is reminded of one that was used") {
  Shop shop("A\nB\n");
  SUBCASE("the message would have to wait for longer") {
    shop.workspace.quiet_hours = Quiet(3 * 60, 2 * 60);  // Until tomorrow.
    shop.offer().valid.time = Duration::zero();
    shop.Open();
    shop.Start(kLara);
    CHECK(shop.Row(Gate::kOffer).reason == "no_code");
    CHECK(shop.Stock() == "free 2");
  }
  SUBCASE("the reminder comes too late") {
    shop.offer().valid.time = 5 * kDay;
    shop.Open();
    shop.Start(kLara);
    shop.Settle(DeliveryState::kAccepted);
    shop.RunAfter(6 * kDay);
    CHECK(shop.Row(Gate::kOffer).detail == "winback: theirs was valid until 2026-03-31 23:59");
    CHECK(shop.Promised().size() == 1);
  }
  SUBCASE("it was used") {
    shop.offer().redeemed = kOrder;
    shop.Open();
    shop.Start(kLara);
    shop.Settle(DeliveryState::kAccepted);
    shop.host.used_codes = {"A"};
    shop.RunAfter(6 * kDay);
    CHECK(shop.Row(Gate::kOffer).detail == "winback: they have used it");
  }
}

TEST_CASE("a promised message knows when its code is over") {
  Shop shop("A\n");
  shop.Start(kLara);
  const std::string key = shop.Column("key");
  CHECK_FALSE(shop.offers().IsOver(key, At("2026-04-05T23:59:59Z")));
  CHECK(shop.offers().IsOver(key, At("2026-04-06T00:00:00Z")));
  CHECK_FALSE(shop.offers().IsOver("of no offer", At("2030-01-01T00:00:00Z")));
}

TEST_CASE("held-out people walk the same gates and take nothing") {
  Shop shop("A\n");
  shop.playbook().steps.resize(1);
  shop.playbook().holdout_percent = 100;
  shop.Budget(1);
  shop.Open();
  shop.host.truths[{kLara, "cost"}] = true;
  shop.Start(kLara);
  CHECK(shop.Codes() == Lines{"SAMPLE" + kUntil});
  CHECK(shop.Row(Gate::kOutbox).reason == "held_out");
  CHECK(shop.Stock() == "free 1");
  shop.Leave(kLara);
  shop.RunAfter(kDay);
  shop.Start(kLara);
  CHECK(shop.Row(Gate::kOffer).detail == "winback: 1 per 180d, and they had 1");
}

TEST_CASE("what a held-out person would not have got by the exit of their run goes back too") {
  Shop shop("A\n");
  shop.playbook().steps.resize(1);
  shop.playbook().holdout_percent = 100;
  shop.playbook().exit = Says("gone");
  shop.workspace.quiet_hours = Quiet(3 * 60, 5 * 60);
  shop.Open();
  shop.Start(kLara);
  shop.host.truths[{kLara, "gone"}] = true;
  int had = 0;
  SUBCASE("before its message") {
    shop.RunAfter(kMinute);
  }
  SUBCASE("after its message") {
    had = 1;
  }
  shop.RunAfter(2 * kHour);
  shop.host.truths[{kLara, "gone"}] = false;
  shop.Leave(kLara);
  shop.RunAfter(kHour);
  shop.Start(kLara);
  CHECK(shop.Row(Gate::kOffer).passed == (had == 0));
}

TEST_CASE("nothing is taken for a message that is not promised") {
  Shop shop("A\n");
  SUBCASE("it cannot be rendered") {
    shop.host.unrenderable.insert(kLara);
    shop.Start(kLara);
    CHECK(shop.Row(Gate::kRender).reason == "render_error");
  }
  SUBCASE("the playbook is in shadow") {
    shop.playbook().status = Status::kShadow;
    shop.Open();
    shop.Start(kLara);
    CHECK(shop.Row(Gate::kOutbox).reason == "shadow");
  }
  SUBCASE("the cycle was cut off") {
    {
      Transaction work(*shop.db);
      shop.MoveTo(kLara, kAtRisk);
      shop.playbooks->Advance(shop.now, shop.moves);
    }
    shop.Open();
  }
  CHECK(shop.Stock() == "free 1");
}

TEST_CASE("codes that are made cannot be guessed, and differ") {
  Shop shop;
  shop.offer().pool_file.clear();
  shop.offer().pool_pattern = "REF-{{8}}";
  shop.Open();
  shop.Start(kLara);
  shop.Settle(DeliveryState::kAccepted);
  shop.Start(kIvo);
  REQUIRE(shop.Codes().size() == 2);
  for (const std::string& code : shop.Codes()) {
    CHECK(code.substr(0, 4) == "REF-");
    CHECK(code.substr(4, 8).find_first_not_of("ABCDEFGHJKLMNPQRSTUVWXYZ23456789") ==
          std::string::npos);
    CHECK(code.substr(12) == kUntil);
  }
  CHECK(shop.Codes()[0] != shop.Codes()[1]);
  CHECK(shop.Stock() == "reserved 1 committed 1");
  shop.Settle(DeliveryState::kDropped);
  CHECK(shop.Stock() == "free 1 committed 1 returned 1");
  shop.Start(kMia);
  CHECK(shop.Codes()[2] == shop.Codes()[1]);
}

TEST_CASE("an offer without a pool has terms, an end and a budget all the same") {
  Shop shop;
  shop.offer().pool_file.clear();
  shop.Budget(1);
  shop.Open();
  shop.host.truths[{kLara, "cost"}] = shop.host.truths[{kIvo, "cost"}] = true;
  shop.Start(kLara);
  shop.Start(kIvo);
  CHECK(shop.Codes().front() == kUntil);
  CHECK(shop.Row(Gate::kBudget, kIvo).reason == "over_budget");
  CHECK(shop.Stock() == "reserved 1 taken 1");
}

TEST_CASE("a list of codes is taken in line by line, each code once") {
  Shop shop;
  const CodesTaken first =
      shop.offers().AddCodes("winback",
                             "\xEF\xBB\xBF"
                             "Code\r\n A1 \r\n\"A2\",used by nobody\n\nA1\ntwo words\n" +
                                 std::string(101, 'x') + "\nA3");
  CHECK(first.added == 3);
  CHECK(first.known == 1);
  CHECK(first.bad == 2);
  CHECK(first.first_bad == 6);
  const CodesTaken other = shop.offers().AddCodes("another", "A2\nB1\n");
  CHECK(other.added == 1);
  CHECK(other.elsewhere == 1);
  CHECK(shop.Stock() == "free 3");
}

TEST_CASE("a pool that runs low says so, once for each number of codes") {
  Shop shop("A\nB\n");
  shop.offer().low_stock = 3;
  shop.Open();
  CHECK(shop.offers().Alarms() ==
        Lines{"offer winback: 2 codes are left, pool.low_stock is 3: add codes to "
              "pools/winback.csv in the state folder"});
  CHECK(shop.offers().Alarms() == Lines{});
  shop.Start(kLara);
  CHECK(shop.offers().Alarms().size() == 1);
  shop.offers().AddCodes("winback", "C\nD\nE\n");
  CHECK(shop.offers().Alarms() == Lines{});
}

TEST_CASE("what does not add up is found") {
  Shop shop("A\nB\n");
  shop.Budget(5);
  shop.Open();
  shop.host.truths[{kLara, "cost"}] = true;
  shop.Start(kLara);
  CHECK(shop.offers().Problems() == Lines{});
  SUBCASE("a code is free and given") {
    shop.db->Execute("UPDATE offer_code SET state = 0");
  }
  SUBCASE("a code is given to nobody") {
    shop.db->Execute("UPDATE offer_code SET state = 1");
  }
  SUBCASE("money is off") {
    shop.db->Execute("UPDATE offer_month SET taken = 7");
  }
  SUBCASE("no delivery prints it") {
    shop.db->Execute("DELETE FROM offer_print");
  }
  CHECK(shop.offers().Problems().size() == 1);
  CHECK_THROWS(shop.db->Execute(
      "INSERT INTO offer_grant SELECT 99, offer, code, 1, 99, reserved, expires, cost, 0 FROM "
      "offer_grant"));
}

TEST_CASE("validity ends with a day of the person's calendar") {
  const Zone berlin = Zone::Find("Europe/Berlin").value();
  const auto until = [&](Validity valid, const std::string& now) {
    return FormatTime(ValidUntil(valid, At(now), berlin));
  };
  Validity days;
  days.time = 14 * kDay;
  CHECK(until(days, "2026-03-20T22:30:00Z") == "2026-04-04T21:59:59Z");  // Summer time by then.
  Validity month;
  month.months = 1;
  CHECK(until(month, "2026-01-31T12:00:00Z") == "2026-02-28T22:59:59Z");
  CHECK(until(month, "2025-12-15T12:00:00Z") == "2026-01-15T22:59:59Z");
  Validity end;
  end.end_of_month = true;
  CHECK(until(end, "2026-02-01T00:00:00Z") == "2026-02-28T22:59:59Z");
  CHECK(until(end, "2026-12-31T22:59:00Z") == "2026-12-31T22:59:59Z");
  CHECK(until(end, "2026-12-31T23:00:00Z") == "2027-01-31T22:59:59Z");
}

}  // namespace segue
