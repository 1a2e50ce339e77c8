// People: everybody whom the campaign invents, and the facts about them in the order in which they
// arrive.
//
//   People people(workspace, {.seed = 1, .customers = 10000, .days = 400, .start = start});
//   people.Live(tick);                              // What they do until the next day.
//   std::vector<Fact> facts = people.Take(tick);    // What is told at this tick.
//   people.React(delivery, tick);                   // They read it, and may do something about it.
//
// What somebody does on a day depends on the seed, on them and on the day, so that ten thousand
// people need no memory of what was drawn.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "config/definitions.h"
#include "domain/fact.h"
#include "support/dice.h"

namespace segue::campaign {

constexpr Duration kTick = std::chrono::hours(6);
constexpr int kTicksPerDay = 4;

struct Setup {
  std::uint64_t seed = 1;
  int customers = 10000;
  int days = 400;
  bool crashes = true;
  bool closely = false;  // All that stands is compared every day, and each crash is told.
  TimePoint start;
};

// A stream of chance that depends on what it is for.
std::uint64_t StreamOf(const Setup& setup, std::string_view what, std::uint64_t which = 0,
                       std::uint64_t other = 0);

// One person as the world has it.
struct Person {
  std::string key, alias;  // Some are known under two keys until they are told to be one.
  int merged_on = -1;      // The day on which that is said.
  int joined = 0;          // Day; below 0: before the first.
  std::string firm;        // The key of the account; empty: none.
  bool shop = false, saas = false;
  bool flips = false;  // Changes their mind about consent every few days.
  bool collects = false;
  // Who shops.
  double gap_days = 30, basket = 40;
  bool buying = true, returns_often = false;
  int orders = 0;
  std::string last_order;
  // Who uses the app.
  int level = 2;      // 0 none, 1 light, 2 regular, 3 heavy.
  bool keen = false;  // Finds out early what the app is for.
  std::string status = "trial", plan = "free";
  std::int64_t contract = 0;  // Minor units a year; 0: nobody wrote one down.
  double usage = 0.3;
  bool onboarded = false;
};

class People {
 public:
  // Requires: `workspace` outlives it.
  People(const Workspace& workspace, const Setup& setup);

  void Live(int day);
  std::vector<Fact> Take(int tick);
  // A message, task or change about a customer was taken; `text` may print a code.
  void React(std::string_view customer, std::string_view playbook, std::string_view delivery,
             std::string_view code, int tick);
  // A fact that is told at once, for an interference by hand.
  Fact Says(std::string_view customer, std::string_view trait, Value value, TimePoint now) const;

  const std::vector<Person>& all() const { return people_; }

 private:
  void Join(Person& one, Dice& dice);
  // Where they belong, and whom the firm names as its contact, as it is said on that day.
  void Belong(Person& one, int day, Dice& dice);
  void Before(Person& one, Dice& dice);
  void Shop(Person& one, int day, Dice& dice);
  void UseApp(Person& one, int day, Dice& dice);
  void Change(Person& one, int day, Dice& dice);
  void Order(Person& one, TimePoint time, Dice& dice);

  // At a moment of that day, told with the usual delay.
  void Tell(Fact fact, TimePoint time, Dice& dice);
  void Does(Person& one, std::string_view event, TimePoint time, Dice& dice,
            std::string_view code = "");
  void Is(Person& one, std::string_view trait, Value value, TimePoint time, Dice& dice);
  Fact EventOf(const std::string& key, int kind, TimePoint time, Dice& dice,
               std::string_view code) const;
  const std::string& KeyOf(const Person& one, TimePoint time, Dice& dice) const;
  TimePoint On(int day, Dice& dice) const;

  const Workspace& workspace_;
  Setup setup_;
  std::vector<Person> people_;
  std::map<std::string, std::size_t, std::less<>> by_key_;
  std::map<int, std::vector<Fact>> told_;  // By tick.
  std::map<std::string, int, std::less<>> kinds_, traits_, firm_traits_;
};

}  // namespace segue::campaign
