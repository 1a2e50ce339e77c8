// Prints what FindAha finds in two plain files, for tests/published/aha_reference.py to compare
// with its own.
//
//   aha_ranking PEOPLE EVENTS ACTIONS TIMES WITHIN,WITHIN,… single|pairs RANK_BY
//
// PEOPLE has a line "stayed check" of 0 or 1 per person; EVENTS a line "person action after".
// Numbers only.

#include <cstdio>
#include <exception>
#include <fstream>
#include <map>
#include <string>

#include <fmt/format.h>

#include "base/text.h"
#include "insights/aha.h"

namespace segue {
namespace {

std::string Words(const AhaTable& t) {
  return fmt::format("{:.0f},{:.0f},{:.0f},{:.0f}", t.reached_stayed, t.reached_left,
                     t.other_stayed, t.other_left);
}

std::string Words(const AhaMeasure& m) {
  return fmt::format("{:.17g},{:.17g},{:.17g}", m.value, m.low, m.high);
}

int Main(char** argv) {
  AhaData data;
  std::ifstream people(argv[1]), events(argv[2]);
  for (int stayed = 0, check = 0; people >> stayed >> check;) {
    data.stayed.push_back(stayed == 1);
    data.check.push_back(check == 1);
  }
  for (AhaEvent event; events >> event.person >> event.action >> event.after;) {
    data.events.push_back(event);
  }
  const std::map<std::string, AhaRank> ranks = {{"lift", AhaRank::kLift},
                                                {"reach", AhaRank::kReach},
                                                {"precision", AhaRank::kPrecision},
                                                {"recall", AhaRank::kRecall},
                                                {"phi", AhaRank::kPhi},
                                                {"odds_ratio", AhaRank::kOddsRatio}};
  data.actions = std::stoul(argv[3]);
  AhaSearch search{.times_max = std::stoi(argv[4]),
                   .within = {},
                   .pairs = std::string(argv[6]) == "pairs",
                   .rank_by = ranks.at(argv[7]),
                   .people_min = 0};
  const std::string within = argv[5];
  for (const std::string_view window : Split(within, ',')) {
    search.within.push_back(std::stoll(std::string(window)));
  }
  const AhaResult result = FindAha(data, search);
  for (const AhaFound& found : result.ranking) {
    const AhaFigures& f = found.figures;
    fmt::print("rule,{},{},{},{},{},{},{},{},{},{},{},{},{:.17g}\n", found.rule.within,
               found.rule.action, found.rule.times, found.rule.other, found.rule.other_times,
               Words(found.table), Words(f.lift), Words(f.reach), Words(f.precision),
               Words(f.recall), Words(f.phi), Words(f.odds_ratio), f.p);
  }
  for (const AhaConfirmation& one : result.shortlist) {
    fmt::print("short,{},{},{:.17g},{:.17g},{}\n", one.place, Words(one.table), one.figures.p,
               one.adjusted_p, one.confirmed ? 1 : 0);
  }
  fmt::print("{}\n", result.sentence);
  return 0;
}

}  // namespace
}  // namespace segue

int main(int argc, char** argv) {
  try {
    if (argc != 8) {
      std::fprintf(stderr,
                   "aha_ranking PEOPLE EVENTS ACTIONS TIMES WITHIN,… single|pairs RANK_BY\n");
      return 2;
    }
    return segue::Main(argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "aha_ranking: %s\n", error.what());
    return 2;
  }
}
