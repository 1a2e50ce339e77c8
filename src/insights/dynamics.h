// Dynamics: where people of each segment go, how long they stay, and what is at stake there.

#pragma once

#include <optional>
#include <vector>

#include "insights/uplift.h"

namespace segue {

// One person at the start and the end of a period: places of segments, -1 for none.
struct Migration {
  int from = -1, to = -1;
};

struct MigrationRow {
  double people = 0;               // In this segment at the start.
  std::vector<double> to;          // Of those, at the end in each segment; the last place is none.
  std::vector<double> share;       // The same over `people`; empty when there is nobody.
  std::vector<Interval> interval;  // Wilson, 95 %.
};

// A row per segment, and a last one for those who were in none.
std::vector<MigrationRow> MigrationMatrix(const std::vector<Migration>& people,
                                          std::size_t segments);

// A stretch of one person's time in one segment.
struct Stay {
  int segment = 0;
  double length = 0;   // In any unit, as far as it was watched.
  bool ended = false;  // By a move.  Otherwise it goes on: it is known to be at least so long.
  // How long they had been there when watching began; nothing where nobody knows.
  std::optional<double> before = 0;
};

struct ExpectedStay {
  double stays = 0, ended = 0;
  // Total time over moves out: the mean of an exponential by maximum likelihood with stays that go
  // on, and its exact 95 % interval (B. Epstein and M. Sobel, Life testing, 1953).  Nothing while
  // nobody has left.
  std::optional<double> mean;
  Interval interval;
  // When half of the people have left, whatever the shape (E. Kaplan and P. Meier, 1958), counted
  // from when each came: who was there already counts among those of the same age from when
  // watching began (D. Lynden-Bell, 1971), and not at all where that age is not known.  Nothing
  // when fewer have left, or when at some age everybody who was watched had.
  std::optional<double> median;
};

std::vector<ExpectedStay> ExpectedStays(const std::vector<Stay>& stays, std::size_t segments);

// Money that leaves with people who fall: of each segment, the value held there and the part of it
// that is expected to fall to a worse segment (or to none) within one period, if people move as the
// matrix says whatever they are worth.
struct AtRisk {
  std::optional<double> value;    // Nothing where it is not known.
  std::optional<double> share;    // Nothing where nobody was there to fall.
  std::optional<double> at_risk;  // Their product.
};

// `rank` gives each segment's place, larger is better; `value` what its people are worth.  Both as
// many as segments.
std::vector<AtRisk> ValueAtRisk(const std::vector<MigrationRow>& matrix,
                                const std::vector<int>& rank,
                                const std::vector<std::optional<double>>& value);

}  // namespace segue
