// Lines learned from people, against values computed by hand.

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include <doctest/doctest.h>

#include "segments/score.h"
#include "support/dice.h"

namespace segue {
namespace {

Fifths Ranked(bool by_key, bool equal_width, bool closed_left) {
  Fifths fifths;
  fifths.of_rank = true;
  fifths.ties_by_key = by_key;
  fifths.equal_width = equal_width;
  fifths.closed_left = closed_left;
  return fifths;
}

TEST_CASE("quantiles are the linear ones, in any order of the people") {
  const std::vector<double> values = {9, 1, 4, 7, 2};  // 1 2 4 7 9: h = 0.8, 1.6, 2.4, 3.2
  const LineSet fitted = FitFifths({}, values, {});
  REQUIRE(fitted.at.size() == 4);
  CHECK(fitted.at[0] == doctest::Approx(1.8));
  CHECK(fitted.at[1] == doctest::Approx(3.2));
  CHECK(fitted.at[2] == doctest::Approx(5.2));
  CHECK(fitted.at[3] == doctest::Approx(7.4));
  CHECK(fitted.keys.empty());
}

TEST_CASE("quantiles of ten, of one and of nobody") {
  const std::vector<double> ten = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  const LineSet fitted = FitFifths({}, ten, {});
  CHECK(fitted.at[0] == doctest::Approx(2.8));
  CHECK(fitted.at[1] == doctest::Approx(4.6));
  CHECK(fitted.at[2] == doctest::Approx(6.4));
  CHECK(fitted.at[3] == doctest::Approx(8.2));
  const std::vector<double> one = {5};
  CHECK(FitFifths({}, one, {}).at == std::vector<double>{5, 5, 5, 5});
  CHECK(FitFifths({}, {}, {}).at.empty());
}

TEST_CASE("equal width cuts the range of the values, and add moves each line") {
  Fifths fifths;
  fifths.equal_width = true;
  fifths.add = 1;
  const std::vector<double> values = {0, 3, 50};
  CHECK(FitFifths(fifths, values, {}).at == std::vector<double>{11, 21, 31, 41});
}

TEST_CASE("ranks with ties together keep the first value above each line") {
  // Values 1 2 2 4 9 with ranks 1 2 2 4 5; quantiles of the ranks: 1.8, 2, 2.8, 4.2.
  const std::vector<double> values = {2, 9, 1, 4, 2};
  CHECK(FitFifths(Ranked(false, false, false), values, {}).at == std::vector<double>{2, 4, 4, 9});
  CHECK(FitFifths(Ranked(false, false, true), values, {}).at == std::vector<double>{2, 2, 4, 9});
}

TEST_CASE("ranks in equal steps go from the smallest to the largest rank that occurs") {
  // 0 0 0 0 5 7: ranks 1 1 1 1 5 6; lines 2, 3, 4, 5.
  const std::vector<double> values = {7, 0, 0, 5, 0, 0};
  CHECK(FitFifths(Ranked(false, true, false), values, {}).at == std::vector<double>{5, 5, 5, 7});
  CHECK(FitFifths(Ranked(false, true, true), values, {}).at == std::vector<double>{5, 5, 5, 5});
}

TEST_CASE("ranks by key number equal values in order of the key, numbers as numbers") {
  const std::vector<double> values = {1, 1, 1, 1, 1, 1};
  const std::vector<std::string> keys = {"10", "9", "2", "100", "30", "1"};  // 1 2 9 10 30 100
  const LineSet fitted =
      FitFifths(Ranked(true, false, false), values, keys);  // Lines 2 3 4 5 over ranks 1..6
  CHECK(fitted.at == std::vector<double>{1, 1, 1, 1});
  CHECK(fitted.numeric_keys);
  CHECK(fitted.keys == std::vector<std::string>{"9", "10", "30", "100"});
  const std::vector<std::string> words = {"10",  "9",  "2",
                                          "100", "30", "x"};  // As bytes: 10 100 2 30 9 x
  const LineSet bytes = FitFifths(Ranked(true, false, false), values, words);
  CHECK_FALSE(bytes.numeric_keys);
  CHECK(bytes.keys == std::vector<std::string>{"2", "30", "9", "x"});
}

TEST_CASE("a line that nobody is above stays above everybody") {
  Fifths fifths = Ranked(true, false, false);
  fifths.add = 10;
  const std::vector<double> values = {1, 2, 3};
  const std::vector<std::string> keys = {"a", "b", "c"};
  const LineSet fitted = FitFifths(fifths, values, keys);
  CHECK(std::isinf(fitted.at[0]));
  CHECK(RankScoreOf(3, "c", fitted, false, 0, 0) == 1);
  CHECK(RankScoreOf(std::numeric_limits<double>::max(), "zz", fitted, false, 0, 0) == 1);
}

TEST_CASE("the stored people give the same scores as the ranks themselves") {
  std::vector<double> values;
  std::vector<std::string> keys;
  for (int i = 0; i < 237; ++i) {
    values.push_back((i * 37) % 11);
    keys.push_back(std::to_string((i * 61) % 239));
  }
  for (const bool closed_left : {false, true}) {
    const LineSet fitted = FitFifths(Ranked(true, false, closed_left), values, keys);
    std::vector<double> ranks(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      int rank = 1;
      for (std::size_t j = 0; j < values.size(); ++j) {
        rank += values[j] < values[i] ||
                        (values[j] == values[i] && std::stoi(keys[j]) < std::stoi(keys[i]))
                    ? 1
                    : 0;
      }
      ranks[i] = rank;
    }
    const LineSet of_ranks = FitFifths({}, ranks, {});
    for (std::size_t i = 0; i < values.size(); ++i) {
      CHECK(RankScoreOf(values[i], keys[i], fitted, false, 0, 0) ==
            ScoreOf(ranks[i], of_ranks.at, false, closed_left, 0, 0));
    }
  }
}

// Many people: few different values or many, codes or only keys, and a part without a value.
struct Crowd {
  std::vector<double> values;
  std::vector<std::string> names;
  std::vector<std::uint64_t> codes;
  std::size_t have = 0;

  Crowd(std::uint64_t stream, int size, bool few, bool with_codes) {
    Dice dice(stream);
    for (int i = 0; i < size; ++i) {
      const bool missing = dice.Chance(0.1);
      const double value = few ? std::floor(dice.Exponential(3)) : dice.LogBetween(1, 1e6);
      values.push_back(missing ? std::nan("") : value);
      names.push_back("k" + std::to_string(dice.Next()));
      codes.push_back(0);
      for (std::size_t k = 1; k < 5; ++k) {  // So few letters that some codes are the same.
        codes.back() = codes.back() << 8U | static_cast<unsigned char>(names.back()[k]);
      }
      have += missing ? 0 : 1;
    }
    if (!with_codes) {
      codes.clear();
    }
  }

  FitKeys Keys() const {
    return {false, codes, [this](std::size_t i) { return std::string_view(names[i]); }};
  }

  // By the definition: everybody in the order of value and key.
  LineSet Sorted(const Fifths& fifths) const {
    std::vector<double> sorted;
    std::vector<std::string> keys;
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (!std::isnan(values[i])) {
        order.push_back(i);
      }
    }
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return std::tie(values[a], names[a]) < std::tie(values[b], names[b]);
    });
    LineSet lines;
    for (const double share : {0.2, 0.4, 0.6, 0.8}) {
      const double h = static_cast<double>(order.size() - 1) * share;
      const auto i = static_cast<std::size_t>(std::floor(h));
      if (fifths.of_rank) {
        const std::size_t first = i + 1;  // Ranks begin with 1, and the line lies between two.
        lines.at.push_back(values[order[first]]);
        lines.keys.push_back(names[order[first]]);
      } else {
        const double low = values[order[i]], high = values[order[i + 1]];
        lines.at.push_back(low + (h - std::floor(h)) * (high - low));
      }
    }
    return lines;
  }
};

// What one pass finds between where lines lay before.
Sieve Sifted(const Crowd& crowd, const Fifths& fifths, const FitHint& hint) {
  Sieve sieve;
  sieve.Begin(RangesOf(hint), crowd.values.size());
  for (std::size_t first = 0; first < crowd.values.size(); first += kLanes) {
    const std::size_t here = std::min(kLanes, crowd.values.size() - first);
    const std::span<const std::uint64_t> codes(crowd.codes);
    sieve.Sift(first, std::span(crowd.values).subspan(first, here),
               IsByKey(fifths) ? codes.subspan(first, here) : std::span<const std::uint64_t>());
  }
  return sieve;
}

TEST_CASE("lines of many people are those of the sorted order, of everybody's values and sifted") {
  for (const bool few : {true, false}) {
    for (const bool by_key : {true, false}) {
      for (const bool with_codes : {true, false}) {
        const Fifths fifths = by_key ? Ranked(true, false, false) : Fifths();
        FitHint hint;
        int sifted = 0;
        for (const std::uint64_t stream : {1, 2, 3}) {
          CAPTURE(few);
          CAPTURE(by_key);
          CAPTURE(with_codes);
          CAPTURE(stream);
          Crowd crowd(stream, 40'000, few, with_codes);
          if (stream == 3) {  // What was learned before is of no use any more.
            std::for_each(crowd.values.begin(), crowd.values.end(),
                          [](double& value) { value += 100; });
          }
          if (!hint.empty()) {
            const std::optional<LineSet> lines =
                FitLines(fifths, Sifted(crowd, fifths, hint), crowd.Keys());
            CHECK((!lines || *lines == crowd.Sorted(fifths)));
            CHECK((stream < 3 || !few || !lines));
          }
          CHECK(FitLines(fifths, crowd.values, crowd.have, crowd.Keys(), hint) ==
                crowd.Sorted(fifths));
          CHECK(hint.empty() == (by_key && !with_codes));
          // A few more people, so that the lines move within the room that they have.
          for (int i = 0; i < 20; ++i) {
            crowd.values[static_cast<std::size_t>(i)] = 1e9;
          }
          if (!hint.empty()) {
            const std::optional<LineSet> lines =
                FitLines(fifths, Sifted(crowd, fifths, hint), crowd.Keys());
            REQUIRE(lines);
            CHECK(*lines == crowd.Sorted(fifths));
            ++sifted;
          }
        }
        CHECK(sifted == (by_key && !with_codes ? 0 : 3));
      }
    }
  }
}

TEST_CASE("a sieve says of everybody how many ranges they are behind, and knows who is within") {
  const std::vector<Between> ranges = {{{10, 5}, {10, 7}}, {{20, 0}, {30, 9}}};

  struct Someone {
    double value;
    std::uint64_t code;
    std::uint8_t passed;
  };

  const std::vector<Someone> people = {
      {9, 9, 0},   {10, 4, 0},  {10, 5, 1}, {10, 7, 1},  {10, 8, 2}, {19, 0, 2},
      {20, 0, 3},  {25, 99, 3}, {30, 9, 3}, {30, 10, 4}, {31, 0, 4}, {std::nan(""), 6, kNowhere},
      {-5, 100, 0}};
  std::vector<double> values;
  std::vector<std::uint64_t> codes;
  for (const Someone& one : people) {
    values.push_back(one.value);
    codes.push_back(one.code);
  }
  Sieve sieve;
  sieve.Begin(ranges, people.size());
  sieve.Sift(0, values, codes);
  CHECK(sieve.have() == 12);
  CHECK(sieve.before(0) == 3);
  CHECK(sieve.before(1) == 7);
  std::vector<std::uint32_t> within;
  for (std::size_t i = 0; i < people.size(); ++i) {
    CAPTURE(i);
    CHECK(sieve.passed(i, 1)[0] == people[i].passed);
    if (people[i].passed % 2 == 1) {
      within.push_back(static_cast<std::uint32_t>(i));
    }
  }
  std::vector<std::uint32_t> found;
  for (const PersonAt& one : sieve.Within(0, people.size())) {
    found.push_back(one.person);
    CHECK(one.range == (people[one.person].passed == 1 ? 0 : 1));
  }
  CHECK(found == within);
  CHECK(sieve.Within(3, 4).size() == 2);
  CHECK(sieve.RangeOf({10, 6}) == std::optional<std::size_t>(0));
  CHECK(sieve.RangeOf({30, 10}) == std::nullopt);
  CHECK(!sieve.Has(11));
}

}  // namespace
}  // namespace segue
