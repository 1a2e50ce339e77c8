#include "insights/dynamics.h"

#include <algorithm>

#include "base/check.h"
#include "insights/special.h"

namespace segue {
namespace {

// Stays of one segment, by the age at which they end; where one ends and one goes on at the same
// age, the end comes first.
std::optional<double> MedianStay(const std::vector<Stay>& stays) {
  struct Exit {
    double age = 0;
    bool ended = false;
  };

  std::vector<double> entries;
  std::vector<Exit> exits;
  for (const Stay& stay : stays) {
    if (stay.before) {
      entries.push_back(*stay.before);
      exits.push_back({*stay.before + stay.length, stay.ended});
    }
  }
  std::sort(entries.begin(), entries.end());
  std::sort(exits.begin(), exits.end(), [](const Exit& a, const Exit& b) {
    return a.age != b.age ? a.age < b.age : a.ended > b.ended;
  });
  double watched = 0, survive = 1;
  auto entry = entries.begin();
  for (const Exit& exit : exits) {
    for (; entry != entries.end() && (*entry < exit.age || *entry == 0); ++entry) {
      watched += 1;
    }
    if (exit.ended) {
      survive *= (watched - 1) / watched;
      if (survive <= 0.5 + 1e-12) {
        return survive > 0 || entry == entries.end() ? std::optional(exit.age) : std::nullopt;
      }
    }
    watched -= 1;
  }
  return std::nullopt;
}

}  // namespace

std::vector<MigrationRow> MigrationMatrix(const std::vector<Migration>& people,
                                          std::size_t segments) {
  const auto place = [segments](int segment) {
    SEGUE_CHECK(segment < static_cast<int>(segments));
    return segment < 0 ? segments : static_cast<std::size_t>(segment);
  };
  std::vector<MigrationRow> matrix(segments + 1);
  for (MigrationRow& row : matrix) {
    row.to.assign(segments + 1, 0);
  }
  for (const Migration& one : people) {
    MigrationRow& row = matrix[place(one.from)];
    row.people += 1;
    row.to[place(one.to)] += 1;
  }
  for (MigrationRow& row : matrix) {
    for (const double count : row.to) {
      if (row.people > 0) {
        row.share.push_back(count / row.people);
        row.interval.push_back(ShareInterval(count, row.people));
      }
    }
  }
  return matrix;
}

std::vector<ExpectedStay> ExpectedStays(const std::vector<Stay>& stays, std::size_t segments) {
  std::vector<ExpectedStay> expected(segments);
  std::vector<double> time(segments, 0);
  std::vector<std::vector<Stay>> by_segment(segments);
  for (const Stay& stay : stays) {
    SEGUE_CHECK(stay.segment >= 0 && stay.segment < static_cast<int>(segments));
    const auto i = static_cast<std::size_t>(stay.segment);
    expected[i].stays += 1;
    expected[i].ended += stay.ended ? 1 : 0;
    time[i] += stay.length;
    by_segment[i].push_back(stay);
  }
  for (std::size_t i = 0; i < segments; ++i) {
    ExpectedStay& one = expected[i];
    one.median = MedianStay(by_segment[i]);
    // Twice the time over the mean is chi-square with two degrees per end, and two more for the one
    // that is under way.
    one.interval.low = 2 * time[i] / ChiSquareQuantile(0.975, 2 * one.ended + 2);
    if (one.ended > 0) {
      one.mean = time[i] / one.ended;
      one.interval.high = 2 * time[i] / ChiSquareQuantile(0.025, 2 * one.ended);
    }
  }
  return expected;
}

std::vector<AtRisk> ValueAtRisk(const std::vector<MigrationRow>& matrix,
                                const std::vector<int>& rank,
                                const std::vector<std::optional<double>>& value) {
  const std::size_t segments = rank.size();
  SEGUE_CHECK(matrix.size() == segments + 1 && value.size() == segments);
  std::vector<AtRisk> all(segments);
  for (std::size_t i = 0; i < segments; ++i) {
    double falls = matrix[i].to[segments];
    for (std::size_t j = 0; j < segments; ++j) {
      falls += rank[j] < rank[i] ? matrix[i].to[j] : 0;
    }
    all[i].value = value[i];
    if (matrix[i].people > 0) {
      all[i].share = falls / matrix[i].people;
    }
    if (all[i].value && all[i].share) {
      all[i].at_risk = *all[i].value * *all[i].share;
    }
  }
  return all;
}

}  // namespace segue
