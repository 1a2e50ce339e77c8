// The aha moment: which early actions go with staying.
//
// A rule is "did this at least k times within w of joining", or two such with one w.  Every rule is
// tried on one part of the people; a short list of the best is tried again on the other part, which
// had no say in choosing it; and what is left after correcting for the length of that list is
// confirmed.  Going together is not causing: an experiment with a holdout (uplift.h) says whether
// pushing people over the line makes them stay.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace segue {

struct AhaEvent {
  std::uint32_t person = 0;
  std::uint32_t action = 0;
  std::int64_t after = 0;  // Since joining, in any unit; events from before (below 0) do not count.
};

struct AhaData {
  std::size_t actions = 0;
  std::vector<bool> stayed;      // By person.
  std::vector<bool> check;       // By person: kept back to confirm.  As long as `stayed`.
  std::vector<AhaEvent> events;  // In any order.
};

enum class AhaRank { kLift, kReach, kPrecision, kRecall, kPhi, kOddsRatio };

struct AhaSearch {
  int times_min = 1, times_max = 6;
  std::vector<std::int64_t> within;  // In the unit of AhaEvent::after; both ends included.
  bool pairs = false;
  AhaRank rank_by = AhaRank::kLift;
  bool correct_for_many = true;
  double people_min = 400;  // Fewer, both parts together: nothing is looked for.
};

struct AhaRule {
  int action = 0, times = 1;
  int other = -1, other_times = 0;  // -1: one action alone.  Otherwise action < other.
  int within = 0;                   // Place in AhaSearch::within.
};

bool operator==(const AhaRule& a, const AhaRule& b);

// People by whether they followed the rule and whether they stayed.
struct AhaTable {
  double reached_stayed = 0, reached_left = 0, other_stayed = 0, other_left = 0;
};

struct AhaMeasure {
  double value = 0, low = 0, high = 0;  // With the ends of its 95 % interval.
};

struct AhaFigures {
  AhaMeasure lift;       // Precision over the share of everybody that stayed.
  AhaMeasure reach;      // The share of people that followed the rule.
  AhaMeasure precision;  // Of those, the share that stayed.
  AhaMeasure recall;     // Of those who stayed, the share that followed the rule.
  AhaMeasure phi;        // The correlation of the two.
  AhaMeasure
      odds_ratio;  // With half a person added to every cell where one is empty (Haldane, Anscombe).
  double p = 1;  // Fisher's exact test, one-sided: by chance so many stayers would follow the rule.
};

// Requires: somebody followed the rule and somebody did not, somebody stayed and somebody did not.
AhaFigures Measure(const AhaTable& table);

struct AhaFound {
  AhaRule rule;
  AhaTable table;
  AhaFigures figures;
};

struct AhaConfirmation {
  std::size_t place = 0;  // In the ranking.
  AhaTable table;         // Of the part kept back.
  AhaFigures figures;
  double adjusted_p = 1;  // Holm's, over the short list.
  bool confirmed = false;
};

struct AhaResult {
  // Every rule that somebody followed and somebody did not, best first by rank_by; ties by more
  // people reached, then in the order of (within, action, times, other, other_times).  From the
  // part that was not kept back.
  std::vector<AhaFound> ranking;
  std::vector<AhaConfirmation> shortlist;  // In the order of the ranking.
  int best = -1;                           // The first confirmed of the short list, or -1.
  std::string sentence;                    // What was found, or why nothing.
};

AhaResult FindAha(const AhaData& data, const AhaSearch& search);

// Of a person who did the rule's actions so often within its time.
struct AhaProgress {
  bool reached = false;
  double share = 0;  // Of all that is to be done, 0 to 1.
  int missing = -1;  // The action of which the larger share is left; -1 when reached.
};

AhaProgress ProgressOf(const AhaRule& rule, int count, int other_count);

}  // namespace segue
