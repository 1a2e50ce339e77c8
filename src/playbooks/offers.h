// Offers: the codes and the money that playbooks give away, each code to one person.
//
// A *grant* is one offer in one run: a code of the pool (where there is one), what it may cost, and
// how long it is valid.  It is *reserved* in the transaction that promises the first delivery which
// prints it.  It is *committed* as soon as one such delivery was accepted or may have arrived, and
// *returned* when all of them ended and none can have: only then may the code go to somebody else.
// docs/offers.md draws the states.
//
// Nothing is kept in memory: a person at the command line may drop a delivery while the service
// works.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/definitions.h"
#include "domain/delivery.h"
#include "store/database.h"

namespace segue {

// Stored: never renumber.
enum class GrantState : std::uint8_t {
  kReserved = 0,   // Promised; nobody can have seen the code.
  kCommitted = 1,  // The person has it, or may have it.
  kReturned = 2,   // Nobody saw it: code and money are free again.
  kExpired = 3,    // Committed, not redeemed in time: the money is free again, the code is not.
  kRedeemed = 4,
  kGhost = 5,  // What a held-out run would have got.  It has no code and costs nothing.
};

struct Grant {
  static constexpr std::int64_t kNoCode = 0;
  static constexpr std::int64_t kNewCode = -1;  // `code` is made up and not stored yet.

  std::int64_t id = 0;
  std::string offer;
  std::int64_t code_id = kNoCode;
  std::string code;
  CustomerIndex customer = 0;
  std::int64_t run = 0;
  TimePoint reserved, expires;  // The last second at which it is valid.
  std::int64_t cost = 0;        // Minor units.
  GrantState state = GrantState::kReserved;
};

struct OfferStock {
  std::string offer;
  std::int64_t free = 0, reserved = 0, committed = 0, redeemed = 0, expired = 0, returned = 0;
  std::int64_t taken = 0;  // Of this month's budget, in minor units.
};

// What became of a list of codes.
struct CodesTaken {
  std::int64_t added = 0;
  std::int64_t known = 0;      // Of this offer already.
  std::int64_t elsewhere = 0;  // Of another offer: not taken.
  std::int64_t bad = 0;        // Longer than any code, or with a space in it: not taken.
  std::int64_t first_bad = 0;  // Its line, from 1.
};

class Offers {
 public:
  // Requires: both outlive it.
  Offers(Database& db, const Workspace& workspace);

  // What this customer got of the offer in this run and did not return; the newest.
  std::optional<Grant> OfRun(std::string_view offer, std::int64_t run, CustomerIndex customer);
  // How often a customer got it after that moment.  `ghosts`: what held-out runs would have got
  // counts too.
  int CountOf(std::string_view offer, CustomerIndex customer, TimePoint after, bool ghosts);
  // Gives the grant a code that nobody had, and says whether there is one.  Takes nothing yet.
  // `chance` makes up a code: it must differ from grant to grant.
  bool FindCode(const Offer& offer, std::string_view key, std::string_view chance, Grant& grant);
  // What is taken of the budget of the month that `at` lies in.
  std::int64_t Taken(std::string_view offer, TimePoint at);

  // Requires: FindCode found its code in this transaction.
  void Reserve(Grant& grant, std::string_view delivery_key);
  // One more delivery prints it.
  void Print(const Grant& grant, std::string_view delivery_key);
  void RememberGhost(const Grant& grant);
  // It would have gone back.
  void ForgetGhost(std::int64_t run, CustomerIndex customer);

  // A delivery came to another state.  `unresolved`: an answer was lost, it may have arrived
  // whatever was said later.
  void Settled(std::string_view delivery_key, DeliveryState state, bool unresolved);
  // Whether what the delivery prints is no longer valid.
  bool IsOver(std::string_view delivery_key, TimePoint now);
  // Somebody used the code.  One that is still free is never given from then on.
  void Redeemed(std::string_view code);
  // The money of what was not redeemed in time goes back.  Only where `redeemed` says how to know.
  void Expire(TimePoint now);

  void Merged(CustomerIndex gone, CustomerIndex survivor);

  // One code a line.  A first line that says `code` is a title.
  CodesTaken AddCodes(std::string_view offer, std::string_view lines);
  // In the order of the files.
  std::vector<OfferStock> Stock(TimePoint now);
  // What is running out, for people: each once for as long as its number stays the same.
  std::vector<std::string> Alarms();
  // What does not add up, for doctor; empty when all is well.
  std::vector<std::string> Problems();

 private:
  std::optional<Grant> PrintedBy(std::string_view delivery_key);
  void Change(const Grant& grant, GrantState to, std::int64_t money);
  void Book(std::string_view offer, TimePoint at, std::int64_t money);
  std::int64_t MonthOf(TimePoint at) const;

  Database& db_;
  const Workspace& workspace_;
  std::vector<std::int64_t> said_;  // By offer: how many codes were left at the last alarm.
};

// The last second at which something reserved at `now` is valid: the end of a day in that zone.
TimePoint ValidUntil(const Validity& valid, TimePoint now, const Zone& zone);

// Pools that never run out, of codes that begin with SAMPLE: for tests, replays and all else that
// must not use up real ones.
void UseSampleCodes(Workspace& workspace);

}  // namespace segue
