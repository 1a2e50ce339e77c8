#include "insights/funnel.h"

#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include <doctest/doctest.h>

#include "insights/dynamics.h"
#include "support/dice.h"
#include "support/golden.h"

namespace segue {

TEST_CASE("funnel: who is in a later stage counts in the earlier ones") {
  const std::vector<FunnelPath> paths = {
      {.reached = {0, 2, 5}, .segment = 0},
      {.reached = {1, std::nullopt, 4}, .segment = 1},
      {.reached = {0, 6, std::nullopt}, .segment = 0},
      {.reached = {3, 1, std::nullopt}, .segment = 1},
      {.reached = {2, std::nullopt, std::nullopt}, .segment = 0},
      {.reached = {std::nullopt, std::nullopt, std::nullopt}, .segment = 0}};
  const auto funnel = Funnel(paths, 3);
  REQUIRE(funnel.size() == 3);
  CHECK(funnel[0].people == 5);
  CHECK(funnel[1].people == 4);
  CHECK(funnel[2].people == 2);
  CHECK(funnel[0].from_previous == 1);
  CHECK(funnel[1].from_first == 0.8);
  CHECK(funnel[2].from_previous == 0.5);
  CHECK(funnel[2].from_first == 0.4);
  CHECK(funnel[2].from_previous_interval.Holds(0.5));
  // Of the four in stage 1 two have both times in order: 2 and 6.
  CHECK(funnel[1].timed == 2);
  CHECK(*funnel[1].median == 4);
  CHECK(*funnel[1].quarter == 3);
  CHECK(funnel[2].timed == 1);
  CHECK(*funnel[2].median == 3);
  CHECK(!funnel[0].median.has_value());
  const auto one = Funnel(paths, 3, 1);
  CHECK(one[0].people == 2);
  CHECK(one[2].people == 1);
  CHECK(Funnel({}, 2)[1].from_previous == 0);
}

TEST_CASE("funnel: the second month of a real product as published") {
  const auto folder = Shared("data/saas_monthly");
  if (!folder) {
    return;
  }
  std::map<std::string, std::pair<int, std::string>> joined;
  std::map<std::string, FunnelPath> paths;
  std::string line;
  std::ifstream registrations(*folder + "/registrations.csv"), activity(*folder + "/activity.csv");
  std::getline(registrations, line);
  std::map<std::string, int> systems;
  while (std::getline(registrations, line)) {
    std::istringstream in(line);
    std::string id, month, region, system;
    std::getline(in, id, ',');
    std::getline(in, month, ',');
    std::getline(in, region, ',');
    std::getline(in, system, ',');
    if (month != "1" && month != "13") {
      continue;
    }
    const int number =
        systems.emplace(month + system, static_cast<int>(systems.size())).first->second;
    joined[id] = {std::stoi(month), system};
    paths[id] = {.reached = {std::stod(month), std::nullopt}, .segment = number};
  }
  std::getline(activity, line);
  while (std::getline(activity, line)) {
    const std::string id = line.substr(0, line.find(','));
    const auto found = joined.find(id);
    if (found != joined.end() &&
        std::stoi(line.substr(line.find(',') + 1)) == found->second.first + 1) {
      paths[id].reached[1] = found->second.first + 1;
    }
  }
  std::vector<FunnelPath> first, thirteenth, all;
  for (const auto& [id, path] : paths) {
    (*path.reached[0] == 1 ? first : thirteenth).push_back(path);
    all.push_back(path);
  }
  CHECK(Funnel(first, 2)[1].from_first == doctest::Approx(0.4633).epsilon(0.0001));
  CHECK(Funnel(thirteenth, 2)[1].from_first == doctest::Approx(0.3684).epsilon(0.0001));
  CHECK(*Funnel(first, 2)[1].median == 1);
  const auto check = [&](const std::string& system, double people, double stayed) {
    const auto funnel = Funnel(all, 2, systems.at("1" + system));
    CHECK(funnel[0].people == people);
    CHECK(funnel[1].people == stayed);
  };
  check("Linux", 12, 5);
  check("Mac", 161, 99);
  check("Unknown", 537, 204);
  check("Windows", 654, 324);
}

TEST_CASE("dynamics: the migration matrix counts everybody once") {
  const auto matrix = MigrationMatrix({{0, 0}, {0, 1}, {0, 1}, {0, -1}, {1, 0}, {-1, 0}}, 2);
  REQUIRE(matrix.size() == 3);
  CHECK(matrix[0].people == 4);
  CHECK(matrix[0].to == std::vector<double>{1, 2, 1});
  CHECK(matrix[0].share == std::vector<double>{0.25, 0.5, 0.25});
  CHECK(matrix[1].share == std::vector<double>{1, 0, 0});
  CHECK(matrix[2].to == std::vector<double>{1, 0, 0});
  CHECK(matrix[0].interval[1].Holds(0.5));
  CHECK(MigrationMatrix({}, 1)[0].share.empty());
}

TEST_CASE("dynamics: a stay is as long as the data can tell, those that go on included") {
  const auto stays =
      ExpectedStays({{0, 10, true}, {0, 20, true}, {0, 30, false}, {1, 5, false}}, 3);
  CHECK(*stays[0].mean == 30);
  CHECK(*stays[0].median == 20);
  CHECK(stays[0].interval.Holds(30));
  CHECK(!stays[1].mean.has_value());
  CHECK(*stays[1].interval.low > 0);
  CHECK(!stays[1].interval.high.has_value());
  CHECK(stays[2].stays == 0);
  // 4000 times 40 stays of mean 7, watched for 10 at most.
  Dice dice(900);
  int held = 0;
  double medians = 0;
  for (int i = 0; i < 4000; ++i) {
    std::vector<Stay> sample;
    for (int k = 0; k < 40; ++k) {
      const double length = dice.Exponential(7);
      sample.push_back({.segment = 0, .length = std::min(length, 10.0), .ended = length < 10});
    }
    const auto one = ExpectedStays(sample, 1);
    held += one[0].interval.Holds(7) ? 1 : 0;
    medians += *one[0].median;
  }
  CHECK(held >= 0.94 * 4000);
  CHECK(held <= 0.965 * 4000);
  CHECK(medians / 4000 == doctest::Approx(7 * 0.6931).epsilon(0.03));
}

TEST_CASE("dynamics: value at risk is what falls to worse segments or out of the model") {
  const auto matrix = MigrationMatrix({{0, 0}, {0, 1}, {0, 2}, {0, -1}, {1, 0}, {1, 1}}, 3);
  // Segment 0 is the best, then 1, then 2.
  const auto risk = ValueAtRisk(matrix, {3, 2, 1}, {1000, 500, 100});
  CHECK(risk[0].share == 0.75);
  CHECK(risk[0].at_risk == 750);
  CHECK(risk[1].at_risk == 0);
  // Nobody was there, so nothing says how many fall; and what is not known is not 0.
  CHECK(!risk[2].share.has_value());
  CHECK(!risk[2].at_risk.has_value());
  const auto unknown = ValueAtRisk(matrix, {3, 2, 1}, {std::nullopt, 500, 100});
  CHECK(unknown[0].share == 0.75);
  CHECK(!unknown[0].at_risk.has_value());
}

TEST_CASE("dynamics: half are gone after as long as people stay, whenever watching begins") {
  // People come on every day, and stay by a bath-tub of chances: half of them 10 days, half 50.
  Dice dice(921);
  std::vector<Stay> known, from_zero;
  for (int person = 0; person < 4000; ++person) {
    const double came = dice.Between(-200, 30), stays = dice.Chance(0.45) ? 10 : 50;
    const double from = std::max(0.0, came), until = std::min(30.0, came + stays);
    if (until <= from) {
      continue;  // Gone before watching began at 0.
    }
    Stay stay{.length = until - from, .ended = came + stays <= 30, .before = from - came};
    known.push_back(stay);
    stay.before = 0;
    from_zero.push_back(stay);
  }
  CHECK(ExpectedStays(known, 1)[0].median.value() == doctest::Approx(50).epsilon(0.001));
  CHECK(ExpectedStays(from_zero, 1)[0].median.value() < 40);  // As if all had come at 0.
  // Who has been there nobody knows how long says nothing of it.
  for (Stay& stay : from_zero) {
    stay.before = std::nullopt;
  }
  from_zero.push_back({.segment = 0, .length = 7, .ended = true});
  CHECK(ExpectedStays(from_zero, 1)[0].median == 7);
  // Nobody is watched between the ages of 5 and 20: what lies beyond cannot be joined to it.
  CHECK(!ExpectedStays({{0, 5, true}, {0, 9, true, 20.0}}, 1)[0].median.has_value());
}

}  // namespace segue
