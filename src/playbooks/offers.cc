#include "playbooks/offers.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "base/check.h"
#include "base/hash.h"
#include "base/money.h"
#include "base/text.h"

namespace segue {
namespace {

// Times are microseconds since 1970 UTC; a month is its number since the year 0 on the workspace's
// wall.  `state` of a code: 0 free, 1 given (the grant says more), 2 never to be given, since
// somebody used it without having got it here.  The unique indexes are the last word on one code,
// one person.
constexpr std::string_view kOfferTables = R"(
CREATE TABLE offer_code(
  id INTEGER PRIMARY KEY,
  code TEXT NOT NULL UNIQUE,
  offer TEXT NOT NULL,
  state INTEGER NOT NULL
) STRICT;
CREATE INDEX offer_code_free ON offer_code(offer, id) WHERE state = 0;
CREATE TABLE offer_grant(
  id INTEGER PRIMARY KEY,
  offer TEXT NOT NULL,
  code INTEGER NOT NULL,
  customer INTEGER NOT NULL,
  run INTEGER NOT NULL,
  reserved INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  cost INTEGER NOT NULL,
  state INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX offer_grant_code ON offer_grant(code) WHERE code <> 0 AND state NOT IN (2, 5);
CREATE INDEX offer_grant_run ON offer_grant(run);
CREATE INDEX offer_grant_customer ON offer_grant(customer, offer, reserved);
CREATE INDEX offer_grant_expires ON offer_grant(offer, state, expires);
CREATE TABLE offer_print(
  delivery TEXT PRIMARY KEY,   -- its key
  grant_id INTEGER NOT NULL,
  ended INTEGER NOT NULL       -- 1: over, and it cannot have arrived
) STRICT, WITHOUT ROWID;
CREATE INDEX offer_print_grant ON offer_print(grant_id);
CREATE TABLE offer_month(
  offer TEXT NOT NULL,
  month INTEGER NOT NULL,
  taken INTEGER NOT NULL,
  PRIMARY KEY(offer, month)
) STRICT, WITHOUT ROWID;
)";

constexpr std::size_t kCodeBytesMax = 100;

// Letters and digits that nobody mistakes for each other: 32 of them, so that each takes five bits.
constexpr std::string_view kLetters = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

constexpr std::int64_t Number(GrantState state) {
  return static_cast<std::int64_t>(state);
}

int HexDigit(char digit) {
  return digit <= '9' ? digit - '0' : digit - 'a' + 10;
}

// `REF-{{8}}` with letters out of a hash: the loader sees to 6 to 32 of them.
std::string MakeCode(std::string_view pattern, std::string_view key, std::string_view chance) {
  const std::size_t open = pattern.find("{{");
  const std::size_t close = pattern.find("}}", open);
  SEGUE_CHECK(open != std::string_view::npos && close != std::string_view::npos);
  const std::string number(Trim(pattern.substr(open + 2, close - open - 2)));
  const std::string hash = HmacSha256Hex(key, chance);
  std::string code(pattern.substr(0, open));
  for (std::size_t i = 0; i < static_cast<std::size_t>(std::stoi(number)); ++i) {
    const int byte = HexDigit(hash.at(2 * i)) * 16 + HexDigit(hash.at(2 * i + 1));
    code += kLetters[static_cast<std::size_t>(byte) % kLetters.size()];
  }
  return code + std::string(pattern.substr(close + 2));
}

// A line of a pool: without spaces around it, quotes, or what a table adds after a comma.
std::string_view CodeIn(std::string_view line) {
  line = Trim(line.substr(0, line.find_first_of(",;\t")));
  if (line.size() >= 2 && line.front() == '"' && line.back() == '"') {
    line = Trim(line.substr(1, line.size() - 2));
  }
  return line;
}

constexpr std::string_view kGrants =
    "SELECT g.id, g.offer, g.code, coalesce(c.code, ''), g.customer, g.run, g.reserved, g.expires, "
    "g.cost, g.state FROM offer_grant g LEFT JOIN offer_code c ON c.id = g.code WHERE ";

std::string Newest(std::string_view where) {
  return std::string(kGrants) + std::string(where) + " ORDER BY g.id DESC LIMIT 1";
}

// The next row of a statement that begins with kGrants.
std::optional<Grant> ReadGrant(Statement& find) {
  if (!find.Step()) {
    return std::nullopt;
  }
  Grant grant;
  grant.id = find.Int(0);
  grant.offer = find.Text(1);
  grant.code_id = find.Int(2);
  grant.code = find.Text(3);
  grant.customer = static_cast<CustomerIndex>(find.Int(4));
  grant.run = find.Int(5);
  grant.reserved = FromMicros(find.Int(6));
  grant.expires = FromMicros(find.Int(7));
  grant.cost = find.Int(8);
  grant.state = static_cast<GrantState>(find.Int(9));
  return grant;
}

}  // namespace

TimePoint ValidUntil(const Validity& valid, TimePoint now, const Zone& zone) {
  std::int64_t day = zone.ToLocal(now + valid.time).day();
  if (valid.months > 0 || valid.end_of_month) {
    const CivilDate today = ToCivil(day);
    const int months = today.year * 12 + today.month - 1 + valid.months;
    const auto first_of = [](int month) { return FromCivil({month / 12, month % 12 + 1, 1}); };
    const std::int64_t last = first_of(months + 1) - 1;
    day = valid.end_of_month ? last : std::min(first_of(months) + today.day - 1, last);
  }
  return zone.ToUtc({(day + 1) * kDay.count()}) - std::chrono::seconds(1);
}

void UseSampleCodes(Workspace& workspace) {
  for (Offer& offer : workspace.offers) {
    if (offer.has_pool()) {
      offer.pool_file.clear();
      offer.pool_pattern = "SAMPLE-{{8}}";
    }
  }
}

Offers::Offers(Database& db, const Workspace& workspace)
    : db_(db), workspace_(workspace), said_(workspace.offers.size(), -1) {
  db_.Ensure("offers", kOfferTables);
}

std::int64_t Offers::MonthOf(TimePoint at) const {
  const CivilDate date = ToCivil(workspace_.schema.timezone.ToLocal(at).day());
  return std::int64_t{date.year} * 12 + date.month - 1;
}

std::optional<Grant> Offers::OfRun(std::string_view offer, std::int64_t run,
                                   CustomerIndex customer) {
  static const std::string kOfRun =
      Newest("g.offer = ? AND g.run = ? AND g.customer = ? AND g.state <> 2");
  Statement find = db_.Prepare(kOfRun);
  find.Bind(1, offer).Bind(2, run).Bind(3, std::int64_t{customer});
  return ReadGrant(find);
}

int Offers::CountOf(std::string_view offer, CustomerIndex customer, TimePoint after, bool ghosts) {
  Statement count = db_.Prepare(
      "SELECT count(*) FROM offer_grant WHERE customer = ?1 AND offer = ?2 AND reserved > ?3 AND "
      "state <> 2 AND (state <> 5 OR ?4)");
  count.Bind(1, std::int64_t{customer}).Bind(2, offer).Bind(3, ToMicros(after));
  count.Bind(4, std::int64_t{ghosts});
  return count.Step() ? static_cast<int>(count.Int(0)) : 0;
}

bool Offers::FindCode(const Offer& offer, std::string_view key, std::string_view chance,
                      Grant& grant) {
  if (!offer.has_pool()) {
    return true;
  }
  Statement find = db_.Prepare(
      "SELECT id, code FROM offer_code WHERE offer = ? AND state = 0 ORDER BY id LIMIT 1");
  find.Bind(1, offer.id);
  if (find.Step()) {
    grant.code_id = find.Int(0);
    grant.code = find.Text(1);
    return true;
  }
  if (offer.pool_pattern.empty()) {
    return false;
  }
  Statement known = db_.Prepare("SELECT 1 FROM offer_code WHERE code = ?");
  for (int again = 0;; ++again) {
    grant.code =
        MakeCode(offer.pool_pattern, key,
                 "offer/" + offer.id + "/" + std::string(chance) + "/" + std::to_string(again));
    known.Bind(1, grant.code);
    const bool taken = known.Step();
    known.Reset();
    if (!taken) {
      grant.code_id = Grant::kNewCode;
      return true;
    }
  }
}

std::int64_t Offers::Taken(std::string_view offer, TimePoint at) {
  Statement find = db_.Prepare("SELECT taken FROM offer_month WHERE offer = ? AND month = ?");
  find.Bind(1, offer).Bind(2, MonthOf(at));
  return find.Step() ? find.Int(0) : 0;
}

void Offers::Book(std::string_view offer, TimePoint at, std::int64_t money) {
  if (money == 0) {
    return;
  }
  Statement book = db_.Prepare(
      "INSERT INTO offer_month(offer, month, taken) VALUES (?1, ?2, ?3) "
      "ON CONFLICT DO UPDATE SET taken = taken + ?3");
  book.Bind(1, offer).Bind(2, MonthOf(at)).Bind(3, money).Run();
}

void Offers::Reserve(Grant& grant, std::string_view delivery_key) {
  if (grant.code_id == Grant::kNewCode) {
    Statement make = db_.Prepare("INSERT INTO offer_code(code, offer, state) VALUES (?, ?, 1)");
    make.Bind(1, grant.code).Bind(2, grant.offer).Run();
    grant.code_id = db_.LastRowId();
  } else if (grant.code_id != Grant::kNoCode) {
    Statement take = db_.Prepare("UPDATE offer_code SET state = 1 WHERE id = ? AND state = 0");
    take.Bind(1, grant.code_id).Run();
    SEGUE_CHECK(db_.Changes() == 1);
  }
  Statement keep = db_.Prepare(
      "INSERT INTO offer_grant(offer, code, customer, run, reserved, expires, cost, state) VALUES "
      "(?, ?, ?, ?, ?, ?, ?, ?)");
  keep.Bind(1, grant.offer)
      .Bind(2, grant.code_id)
      .Bind(3, std::int64_t{grant.customer})
      .Bind(4, grant.run)
      .Bind(5, ToMicros(grant.reserved))
      .Bind(6, ToMicros(grant.expires))
      .Bind(7, grant.cost)
      .Bind(8, Number(grant.state))
      .Run();
  grant.id = db_.LastRowId();
  if (grant.state != GrantState::kGhost) {
    Book(grant.offer, grant.reserved, grant.cost);
    Print(grant, delivery_key);
  }
}

void Offers::RememberGhost(const Grant& grant) {
  Grant ghost = grant;
  ghost.state = GrantState::kGhost;
  ghost.code_id = Grant::kNoCode;
  ghost.cost = 0;
  Reserve(ghost, "");
}

void Offers::ForgetGhost(std::int64_t run, CustomerIndex customer) {
  Statement forget =
      db_.Prepare("DELETE FROM offer_grant WHERE run = ? AND customer = ? AND state = 5");
  forget.Bind(1, run).Bind(2, std::int64_t{customer}).Run();
}

void Offers::Print(const Grant& grant, std::string_view delivery_key) {
  Statement keep =
      db_.Prepare("INSERT INTO offer_print(delivery, grant_id, ended) VALUES (?, ?, 0)");
  keep.Bind(1, delivery_key).Bind(2, grant.id).Run();
}

void Offers::Change(const Grant& grant, GrantState to, std::int64_t money) {
  Statement change = db_.Prepare("UPDATE offer_grant SET state = ? WHERE id = ?");
  change.Bind(1, Number(to)).Bind(2, grant.id).Run();
  Book(grant.offer, grant.reserved, money);
}

std::optional<Grant> Offers::PrintedBy(std::string_view delivery_key) {
  static const std::string kPrintedBy =  // Asked of every delivery, more than once.
      Newest("g.id = (SELECT grant_id FROM offer_print WHERE delivery = ?)");
  Statement find = db_.Prepare(kPrintedBy);
  find.Bind(1, delivery_key);
  return ReadGrant(find);
}

void Offers::Settled(std::string_view delivery_key, DeliveryState state, bool unresolved) {
  const bool arrived = state == DeliveryState::kAccepted || state == DeliveryState::kUnknown;
  const bool over = state == DeliveryState::kRefused || state == DeliveryState::kSuppressed ||
                    state == DeliveryState::kDropped;
  if (!arrived && !over) {
    return;
  }
  const std::optional<Grant> grant = PrintedBy(delivery_key);
  if (!grant) {
    return;
  }
  if (arrived || unresolved) {
    if (grant->state == GrantState::kReserved) {
      Change(*grant, GrantState::kCommitted, 0);
    }
    return;
  }
  Statement end = db_.Prepare("UPDATE offer_print SET ended = 1 WHERE delivery = ?");
  end.Bind(1, delivery_key).Run();
  Statement open =
      db_.Prepare("SELECT 1 FROM offer_print WHERE grant_id = ? AND ended = 0 LIMIT 1");
  open.Bind(1, grant->id);
  if (grant->state != GrantState::kReserved || open.Step()) {
    return;
  }
  Change(*grant, GrantState::kReturned, -grant->cost);
  Statement free = db_.Prepare("UPDATE offer_code SET state = 0 WHERE id = ?");
  free.Bind(1, grant->code_id).Run();
}

bool Offers::IsOver(std::string_view delivery_key, TimePoint now) {
  const std::optional<Grant> grant = PrintedBy(delivery_key);
  return grant && grant->expires < now;
}

void Offers::Redeemed(std::string_view code) {
  Statement find = db_.Prepare(
      Newest("g.code = (SELECT id FROM offer_code WHERE code = ?) AND g.state NOT IN (2, 5)"));
  find.Bind(1, code);
  if (const std::optional<Grant> grant = ReadGrant(find)) {
    if (grant->state != GrantState::kRedeemed) {
      // After the end of its time the money was given back already.
      Change(*grant, GrantState::kRedeemed, grant->state == GrantState::kExpired ? grant->cost : 0);
    }
    return;
  }
  Statement withdraw = db_.Prepare("UPDATE offer_code SET state = 2 WHERE code = ? AND state = 0");
  withdraw.Bind(1, code).Run();
}

void Offers::Expire(TimePoint now) {
  for (const Offer& offer : workspace_.offers) {
    if (!offer.redeemed) {
      continue;  // Nobody tells us who used it: the money counts as spent.
    }
    std::vector<Grant> over;
    Statement find = db_.Prepare(std::string(kGrants) +
                                 "g.offer = ? AND g.state = 1 AND g.expires < ? ORDER BY g.id");
    find.Bind(1, offer.id).Bind(2, ToMicros(now));
    while (const std::optional<Grant> grant = ReadGrant(find)) {
      over.push_back(*grant);
    }
    for (const Grant& grant : over) {
      Change(grant, GrantState::kExpired, -grant.cost);
    }
  }
}

void Offers::Merged(CustomerIndex gone, CustomerIndex survivor) {
  Statement move = db_.Prepare("UPDATE offer_grant SET customer = ? WHERE customer = ?");
  move.Bind(1, std::int64_t{survivor}).Bind(2, std::int64_t{gone}).Run();
}

CodesTaken Offers::AddCodes(std::string_view offer, std::string_view lines) {
  CodesTaken taken;
  Statement find = db_.Prepare("SELECT offer FROM offer_code WHERE code = ?");
  Statement add = db_.Prepare("INSERT INTO offer_code(code, offer, state) VALUES (?, ?, 0)");
  if (lines.starts_with("\xEF\xBB\xBF")) {
    lines.remove_prefix(3);
  }
  std::int64_t number = 0;
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    const std::string_view code = CodeIn(lines.substr(0, end));
    lines.remove_prefix(std::min(end + 1, lines.size()));
    ++number;
    if (code.empty() || (number == 1 && ToLower(code) == "code")) {
      continue;
    }
    if (code.size() > kCodeBytesMax || code.find(' ') != std::string_view::npos) {
      taken.first_bad = taken.bad++ == 0 ? number : taken.first_bad;
      continue;
    }
    find.Bind(1, code);
    if (find.Step()) {
      ++(find.Text(0) == offer ? taken.known : taken.elsewhere);
      find.Reset();
      continue;
    }
    add.Bind(1, code).Bind(2, offer).Run();
    ++taken.added;
  }
  return taken;
}

std::vector<OfferStock> Offers::Stock(TimePoint now) {
  std::vector<OfferStock> all;
  for (const Offer& offer : workspace_.offers) {
    OfferStock stock;
    stock.offer = offer.id;
    stock.taken = Taken(offer.id, now);
    Statement free = db_.Prepare("SELECT count(*) FROM offer_code WHERE offer = ? AND state = 0");
    free.Bind(1, offer.id);
    stock.free = free.Step() ? free.Int(0) : 0;
    Statement given =
        db_.Prepare("SELECT state, count(*) FROM offer_grant WHERE offer = ? GROUP BY state");
    given.Bind(1, offer.id);
    while (given.Step()) {
      // In the order of GrantState; ghosts are nobody's business here.
      const std::array counts = {&stock.reserved, &stock.committed, &stock.returned, &stock.expired,
                                 &stock.redeemed};
      if (const auto state = static_cast<std::size_t>(given.Int(0)); state < counts.size()) {
        *counts.at(state) = given.Int(1);
      }
    }
    all.push_back(stock);
  }
  return all;
}

std::vector<std::string> Offers::Alarms() {
  std::vector<std::string> alarms;
  for (std::size_t i = 0; i < workspace_.offers.size(); ++i) {
    const Offer& offer = workspace_.offers[i];
    if (!offer.low_stock || offer.pool_file.empty()) {
      continue;
    }
    // Counts no further than it must.
    Statement count = db_.Prepare(
        "SELECT count(*) FROM (SELECT 1 FROM offer_code WHERE offer = ? AND state = 0 LIMIT ?)");
    count.Bind(1, offer.id).Bind(2, std::int64_t{*offer.low_stock});
    const std::int64_t left = count.Step() ? count.Int(0) : 0;
    if (left < *offer.low_stock && left != said_[i]) {
      alarms.push_back("offer " + offer.id + ": " + std::to_string(left) +
                       (left == 1 ? " code is" : " codes are") + " left, pool.low_stock is " +
                       std::to_string(*offer.low_stock) + ": add codes to " + offer.pool_file +
                       " in the state folder");
    }
    said_[i] = left;
  }
  return alarms;
}

std::vector<std::string> Offers::Problems() {
  struct Question {
    std::string_view sql, words;
  };

  constexpr std::array kQuestions = {
      Question{"SELECT c.offer, count(*) FROM offer_code c WHERE c.state = 0 AND EXISTS (SELECT 1 "
               "FROM offer_grant g WHERE g.code = c.id AND g.state NOT IN (2, 5)) GROUP BY c.offer",
               "codes are free and given at once"},
      Question{
          "SELECT c.offer, count(*) FROM offer_code c WHERE c.state = 1 AND NOT EXISTS (SELECT "
          "1 FROM offer_grant g WHERE g.code = c.id AND g.state NOT IN (2, 5)) GROUP BY "
          "c.offer",
          "codes are given to nobody"},
      Question{"SELECT g.offer, count(*) FROM offer_grant g WHERE g.state = 0 AND NOT EXISTS "
               "(SELECT 1 FROM offer_print p WHERE p.grant_id = g.id AND p.ended = 0) GROUP BY "
               "g.offer",
               "are reserved for no delivery"},
      Question{"SELECT g.offer, count(*) FROM offer_grant g, offer_print p WHERE p.grant_id = g.id "
               "AND p.ended = 0 AND g.state = 2 GROUP BY g.offer",
               "are returned, and a delivery still prints them"}};
  std::vector<std::string> problems;
  for (const Question& question : kQuestions) {
    Statement ask = db_.Prepare(question.sql);
    while (ask.Step()) {
      problems.push_back("offer " + ask.Text(0) + ": " + std::to_string(ask.Int(1)) + " " +
                         std::string(question.words));
    }
  }
  std::map<std::pair<std::string, std::int64_t>, std::int64_t> sums;
  Statement given = db_.Prepare(
      "SELECT offer, reserved, cost FROM offer_grant WHERE state IN (0, 1, 4) AND cost <> 0");
  while (given.Step()) {
    sums[{given.Text(0), MonthOf(FromMicros(given.Int(1)))}] += given.Int(2);
  }
  Statement booked = db_.Prepare("SELECT offer, month, taken FROM offer_month");
  while (booked.Step()) {
    sums[{booked.Text(0), booked.Int(1)}] -= booked.Int(2);
  }
  for (const auto& [which, difference] : sums) {
    if (difference != 0) {
      problems.push_back("offer " + which.first + ": its budget is off by " +
                         FormatMoney(difference, workspace_.schema.currency));
    }
  }
  return problems;
}

}  // namespace segue
