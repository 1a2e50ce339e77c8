#include "campaign/people.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "base/hash.h"

namespace segue::campaign {
namespace {

constexpr int kHistoryDays = 400;  // Of orders, from before the first day.
constexpr int kUseDays = 60;       // Of use.
constexpr int kPeopleOfAFirm = 8;  // Of whom about half use the app.
constexpr std::array kConsents = {"email_consent", "ads_consent", "wants_news", "wants_offers"};
constexpr std::array kZones = {"Europe/London",    "Europe/London",       "Europe/Berlin",
                               "America/New_York", "Asia/Tokyo",          "Australia/Lord_Howe",
                               "America/St_Johns", "America/Los_Angeles", "Nowhere/Else"};
constexpr std::array kFeatures = {"alerts",  "lists",  "labels", "counts", "orders", "prices",
                                  "margins", "export", "import", "scan",   "print",  "share"};

template <typename All>
const char* OneOf(Dice& dice, const All& all) {
  return all[static_cast<std::size_t>(dice.Below(static_cast<int>(all.size())))];
}

Value YesNo(Dice& dice, double yes, double no) {
  const double share = dice.Share();
  return share < yes ? Value(std::int64_t{1}) : share < yes + no ? Value(std::int64_t{0}) : Value();
}

// The field that makes an event the same event, by kind; else its whole content does.
bool IsId(std::string_view field) {
  return field == "order_id" || field == "refund_id" || field == "invoice" || field == "task";
}

}  // namespace

std::uint64_t StreamOf(const Setup& setup, std::string_view what, std::uint64_t which,
                       std::uint64_t other) {
  return KeyedHash({setup.seed * 1'000'003 + other, which}, what);
}

People::People(const Workspace& workspace, const Setup& setup)
    : workspace_(workspace), setup_(setup) {
  for (std::size_t i = 0; i < workspace.schema.events.size(); ++i) {
    kinds_[workspace.schema.events[i].name] = static_cast<int>(i);
  }
  for (std::size_t i = 0; i < workspace.schema.customer_traits.size(); ++i) {
    traits_[workspace.schema.customer_traits[i].name] = static_cast<int>(i);
  }
  for (std::size_t i = 0; i < workspace.schema.account_traits.size(); ++i) {
    firm_traits_[workspace.schema.account_traits[i].name] = static_cast<int>(i);
  }
  people_.resize(static_cast<std::size_t>(setup.customers));
  for (std::size_t i = 0; i < people_.size(); ++i) {
    Person& one = people_[i];
    Dice dice(StreamOf(setup, "person", i));
    one.key = fmt::format("c{:05}", i);
    one.joined = dice.Chance(0.55) ? -1 - dice.Below(600) : dice.Below(setup.days);
    one.shop = dice.Chance(0.52);
    one.saas = !one.shop || dice.Chance(0.12);
    one.flips = dice.Chance(0.06);
    one.collects = dice.Chance(setup.customers < 2000 ? 0.2 : 0.04);
    one.gap_days = dice.LogBetween(10, 160);
    one.basket = dice.LogBetween(1500, 150000);
    one.buying = dice.Chance(0.6);
    one.returns_often = dice.Chance(0.08);
    one.level = dice.Below(4);
    one.keen = dice.Chance(0.4);
    one.contract = dice.Chance(0.06) ? 0
                   : dice.Chance(0.1)
                       ? 2'000'000 + dice.Below(3'000'000)
                       : static_cast<std::int64_t>(dice.LogBetween(20'000, 1'900'000));
    one.usage = dice.Between(0.1, 0.85);
    if (dice.Chance(0.03)) {
      one.alias = fmt::format("a{:05}", i);
      one.merged_on = std::max(one.joined, 0) + 10 + dice.Below(120);
    }
    by_key_[one.key] = i;
    if (!one.alias.empty()) {
      by_key_[one.alias] = i;
    }
    if (one.joined < 0) {
      Join(one, dice);
      Before(one, dice);
    }
  }
}

TimePoint People::On(int day, Dice& dice) const {
  return setup_.start + kDay * day + Duration(static_cast<std::int64_t>(dice.Share() * 86.4e9));
}

const std::string& People::KeyOf(const Person& one, TimePoint time, Dice& dice) const {
  const bool both = !one.alias.empty() && time > setup_.start + kDay * (one.joined + 3);
  const bool merged = time > setup_.start + kDay * one.merged_on;
  return both && dice.Chance(merged ? 0.1 : 0.35) ? one.alias : one.key;
}

void People::Tell(Fact fact, TimePoint time, Dice& dice) {
  const auto since = std::max(time - setup_.start, Duration::zero());
  int tick = static_cast<int>((since + kTick - Duration(1)) / kTick);
  if (tick > 0 && dice.Chance(0.015)) {
    tick += 1 + dice.Below(18);  // Some of them later than any source allows.
  }
  if (dice.Chance(0.01)) {
    told_[tick + 1 + dice.Below(20)].push_back(fact);  // Once more.
  }
  told_[tick].push_back(std::move(fact));
}

Fact People::EventOf(const std::string& key, int kind, TimePoint time, Dice& dice,
                     std::string_view code) const {
  const EventSpec& spec = workspace_.schema.events[static_cast<std::size_t>(kind)];
  Event event;
  event.kind = kind;
  event.customer = key;
  event.time = time;
  for (const FieldSpec& field : spec.fields) {
    Value value = std::int64_t{1'000'000} * (1 + dice.Below(9));
    if (field.type == Type::kText) {
      value = field.name == "feature" ? std::string(OneOf(dice, kFeatures))
              : field.name == "code" || field.name == "task"
                  ? std::string(code)
                  : fmt::format("{}-{}", key, ToMicros(time) % 100'000'000'000'000);
      if (IsId(field.name)) {
        event.dedupe = std::get<std::string>(value);
      }
    } else if (field.type == Type::kMoney) {
      value = std::int64_t{1000} + dice.Below(20'000);
    }
    event.fields.push_back(std::move(value));
  }
  return event;
}

void People::Does(Person& one, std::string_view event, TimePoint time, Dice& dice,
                  std::string_view code) {
  Tell(EventOf(KeyOf(one, time, dice), kinds_.find(event)->second, time, dice, code), time, dice);
}

void People::Is(Person& one, std::string_view trait, Value value, TimePoint time, Dice& dice) {
  Tell(TraitChange{KeyOf(one, time, dice), traits_.find(trait)->second, std::move(value), time},
       time, dice);
}

Fact People::Says(std::string_view customer, std::string_view trait, Value value,
                  TimePoint now) const {
  return TraitChange{std::string(customer), traits_.find(trait)->second, std::move(value), now};
}

void People::Join(Person& one, Dice& dice) {
  const TimePoint at = On(one.joined, dice);
  const std::size_t index = by_key_.at(one.key);
  const auto is = [&](std::string_view trait, Value value) {
    Tell(TraitChange{one.key, traits_.find(trait)->second, std::move(value), at}, at, dice);
  };
  // Some share an address with whoever came before them.
  const std::size_t address = index > 0 && dice.Chance(0.05) ? index - 1 : index;
  if (dice.Chance(0.95)) {
    is("email", fmt::format("c{:05}@people.example", address));
  }
  is("first_name", std::string(dice.Chance(0.8) ? "Robin" : "Zoë"));
  is("timezone", std::string(OneOf(dice, kZones)));
  is("joined", ToMicros(at));
  for (const char* consent : kConsents) {
    is(consent, YesNo(dice, 0.72, 0.13));
  }
  if (dice.Chance(0.6)) {
    is("csm", std::string("desk@larkfield.example"));
  }
  if (one.collects || dice.Chance(0.3)) {
    is("favourite_delivery", std::string(one.collects ? "locker" : "door_to_door"));
  }
  if (!one.alias.empty() && one.collects) {
    // Whoever is there twice is in some playbooks twice.
    const auto also = [&](std::string_view trait, Value value) {
      Tell(TraitChange{one.alias, traits_.find(trait)->second, std::move(value), at}, at, dice);
    };
    also("email", fmt::format("{}@people.example", one.alias));
    also("email_consent", std::int64_t{1});
    also("favourite_delivery", std::string("locker"));
  }
  if (!one.saas) {
    return;
  }
  is("signed_up", ToMicros(at));
  is("status", std::string("active"));
  is("plan", std::string(dice.Chance(0.2) ? "business" : "team"));
  if (dice.Chance(0.8)) {
    is("company", fmt::format("Shop {}", index));
  }
  if (one.contract > 0) {
    is("contract", one.contract);
  }
  is("growth", std::int64_t{1'000'000} * dice.Below(4));
  is("renewal", ToMicros(at + kDay * 365 * (1 + (-one.joined + kHistoryDays) / 365)));
  is("usage", static_cast<std::int64_t>(one.usage * 1e6));
  one.onboarded = dice.Chance(0.3);
  is("onboarded", std::int64_t{one.onboarded});
  Dice own(StreamOf(setup_, "firm", index));
  if (own.Chance(0.85)) {
    one.firm = fmt::format("f{:05}", index / kPeopleOfAFirm);
    Belong(one, one.joined, own);
  }
}

void People::Belong(Person& one, int day, Dice& dice) {
  const TimePoint at = On(day, dice);
  Is(one, workspace_.account_key, one.firm, at, dice);
  const auto says = [&](std::string_view trait, Value value) {
    Tell(TraitChange{one.firm, firm_traits_.find(trait)->second, std::move(value), at, true}, at,
         dice);
  };
  if (dice.Chance(0.7)) {
    says("name", "Firm " + one.firm);
  }
  if (dice.Chance(0.6)) {
    // Sometimes nobody, or somebody of whom nothing was heard.
    says("contact", dice.Chance(0.9)   ? Value(one.alias.empty() ? one.key : one.alias)
                    : dice.Chance(0.5) ? Value()
                                       : Value(std::string("nobody-we-know")));
  }
}

// What they did before the first day.
void People::Before(Person& one, Dice& dice) {
  for (int day = std::max(one.joined, -kHistoryDays); day < 0; ++day) {
    if (one.shop) {
      Shop(one, day, dice);
    }
    if (one.saas && day >= -kUseDays) {
      UseApp(one, day, dice);
    } else if (one.saas && one.contract > 0 && (day - one.joined) % 30 == 0) {
      Does(one, "invoice_paid", On(day, dice), dice);
    }
  }
}

void People::Live(int day) {
  for (std::size_t i = 0; i < people_.size(); ++i) {
    Person& one = people_[i];
    if (day < one.joined) {
      continue;
    }
    Dice dice(StreamOf(setup_, "day", i, static_cast<std::uint64_t>(day)));
    if (day == one.joined) {
      Join(one, dice);
    }
    if (one.shop) {
      Shop(one, day, dice);
    }
    if (one.saas) {
      UseApp(one, day, dice);
    }
    Change(one, day, dice);
  }
}

void People::Order(Person& one, TimePoint time, Dice& dice) {
  const int kind = kinds_.find("order_placed")->second;
  Fact fact = EventOf(KeyOf(one, time, dice), kind, time, dice, "");
  auto& order = std::get<Event>(fact);
  const auto cents = static_cast<std::int64_t>(one.basket * dice.LogBetween(0.5, 2));
  order.fields.at(1) = std::max<std::int64_t>(cents, 100);
  one.last_order = order.dedupe;
  ++one.orders;
  const std::vector<Value> fields = order.fields;
  const std::string key = order.customer;
  Tell(std::move(fact), time, dice);
  if (dice.Chance(one.returns_often ? 0.6 : 0.05)) {
    const TimePoint later = time + kHour * (1 + dice.Below(240));
    Event refund{kinds_.find("order_refunded")->second, key, later, fields, {}, {}};
    refund.dedupe = "r" + one.last_order;
    refund.fields.insert(refund.fields.begin(), refund.dedupe);
    const bool whole = dice.Chance(0.5);
    refund.fields.at(2) = whole ? cents : std::max<std::int64_t>(1, cents / (2 + dice.Below(5)));
    Tell(std::move(refund), later, dice);
  }
}

void People::Shop(Person& one, int day, Dice& dice) {
  // They buy for some months, and then they do not.
  if (dice.Chance(one.buying ? 1.0 / 130 : 1.0 / 110)) {
    one.buying = !one.buying;
  }
  if (day == one.joined || (one.buying && dice.Chance(1 / one.gap_days))) {
    Order(one, On(day, dice), dice);
  }
}

void People::UseApp(Person& one, int day, Dice& dice) {
  const int age = day - one.joined;
  if (one.status == "churned") {
    if (dice.Chance(0.003)) {
      one.status = "active";
      one.level = 2;
      Is(one, "status", one.status, On(day, dice), dice);
      Does(one, "subscription_started", On(day, dice), dice);
    }
    return;
  }
  if (age == 12 && !one.keen && dice.Chance(0.7)) {
    one.level = 0;  // Who did not find out what it is for leaves early.
  } else if (age > 50 && dice.Chance(1.0 / 35)) {
    constexpr std::array kLevels = {0, 0, 1, 1, 2, 2, 2, 3, 3, 3};
    one.level = kLevels.at(static_cast<std::size_t>(dice.Below(10)));
  }
  constexpr std::array kSessions = {0.0, 0.1, 0.35, 0.94};
  if (dice.Chance(kSessions.at(static_cast<std::size_t>(one.level)))) {
    const TimePoint at = On(day, dice);
    Does(one, "session_started", at, dice);
    if (dice.Chance(one.level == 3 ? 0.9 : 0.3)) {
      Does(one, "feature_used", at + kMinute, dice);
    }
  }
  if (one.keen && age >= 0 && age < 4) {
    Does(one, "project_created", On(day, dice), dice);
  }
  if (dice.Chance(0.004)) {
    Does(one, dice.Chance(0.5) ? "project_created" : "teammate_invited", On(day, dice), dice);
  }
  if (one.contract > 0 && age % 30 == 0) {
    Does(one, "invoice_paid", On(day, dice), dice);
  }
  if (one.level == 0 && dice.Chance(0.008)) {
    one.status = "churned";
    Is(one, "status", one.status, On(day, dice), dice);
  }
}

void People::Change(Person& one, int day, Dice& dice) {
  const auto is = [&](std::string_view trait, Value value) {
    Is(one, trait, std::move(value), On(day, dice), dice);
  };
  if (dice.Chance(one.flips ? 0.15 : 0.002)) {
    is(OneOf(dice, kConsents), YesNo(dice, 0.6, 0.3));
  }
  if (dice.Chance(0.0015)) {
    is("timezone", std::string(OneOf(dice, kZones)));
  }
  if (dice.Chance(0.0003)) {
    is("email",
       dice.Chance(0.7) ? Value(fmt::format("{}-{}@people.example", one.key, day)) : Value());
  }
  if (dice.Chance(0.0004)) {
    is("legal_hold", YesNo(dice, 0.5, 0.5));
  }
  if (dice.Chance(0.0015)) {
    Does(one, "ticket_opened", On(day, dice), dice);
  }
  if (one.saas && dice.Chance(0.002)) {
    one.contract = std::max<std::int64_t>(20'000, one.contract) * (50 + dice.Below(200)) / 100;
    is("contract", one.contract);
  }
  if (one.saas && (day + one.joined) % 9 == 0) {
    one.usage = std::clamp(one.usage + dice.Between(-0.2, 0.2), 0.05, 1.1);
    is("usage", static_cast<std::int64_t>(one.usage * 1e6));
  }
  if (one.saas && !one.onboarded && dice.Chance(0.02)) {
    one.onboarded = true;
    is("onboarded", std::int64_t{1});
  }
  Dice own(StreamOf(setup_, "firm on", by_key_.at(one.key), static_cast<std::uint64_t>(day)));
  if (!one.firm.empty() && own.Chance(0.004)) {
    const int firms = 1 + setup_.customers / kPeopleOfAFirm;
    one.firm = own.Chance(0.5) ? one.firm : fmt::format("f{:05}", own.Below(firms));
    Belong(one, day, own);
  }
  const TimePoint noon = setup_.start + kDay * day + kHour * 12;
  if (day == one.merged_on) {
    Tell(Merge{one.key, one.alias, noon}, noon, dice);
  }
  if (dice.Chance(0.00002)) {
    Tell(Erase{one.key, noon}, noon, dice);
  }
}

std::vector<Fact> People::Take(int tick) {
  std::vector<Fact> facts;
  while (!told_.empty() && told_.begin()->first <= tick) {
    std::vector<Fact>& some = told_.begin()->second;
    std::move(some.begin(), some.end(), std::back_inserter(facts));
    told_.erase(told_.begin());
  }
  return facts;
}

void People::React(std::string_view customer, std::string_view playbook, std::string_view delivery,
                   std::string_view code, int tick) {
  const auto found = by_key_.find(customer);
  const std::optional<int> index = workspace_.FindPlaybook(playbook);
  if (found == by_key_.end() || !index) {
    return;
  }
  Person& one = people_[found->second];
  const Playbook& told = workspace_.playbooks[static_cast<std::size_t>(*index)];
  Dice dice(StreamOf(setup_, delivery));
  const auto later = [&](double ticks) {
    return setup_.start + kTick * tick + Duration(1) +
           Duration(static_cast<std::int64_t>(static_cast<double>(kTick.count()) * ticks));
  };
  const auto name = [&](int kind) -> const std::string& {
    return workspace_.schema.events[static_cast<std::size_t>(kind)].name;
  };
  if (code == delivery) {  // A task, which a colleague does.
    if (dice.Chance(0.5)) {
      Does(one, "task_done", later(dice.Between(1, 40)), dice, delivery);
    }
    return;
  }
  if (told.goal && told.goal->event && dice.Chance(0.12)) {
    const std::string& goal = name(*told.goal->event);
    const TimePoint at = later(dice.Exponential(12));
    goal == "order_placed" ? Order(one, at, dice) : Does(one, goal, at, dice, code);
  }
  const Offer* offer = workspace_.FindOffer(told.offer);
  if (offer != nullptr && offer->redeemed && !code.empty() && dice.Chance(0.4)) {
    // In time, too late, twice, and at last by somebody who made it up.
    const TimePoint at = later(dice.LogBetween(1, 240));
    Does(one, name(*offer->redeemed), at, dice, code);
    if (dice.Chance(0.1)) {
      Does(one, name(*offer->redeemed), at + kDay, dice, code);
    }
    if (dice.Chance(0.05)) {
      Does(one, name(*offer->redeemed), at, dice, "FREE-" + std::string(code));
    }
  }
}

}  // namespace segue::campaign
