// What the purchase-process models know of a customer: how often again, when last, watched how
// long.
//
// All customers who share a history share its likelihood, so a base is kept as its distinct
// histories with a count each; and a term that depends on one of the three numbers alone is
// computed once per distinct number.

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"

namespace segue {

// x, t_x and T of Schmittlein, Morrison and Colombo (1987).  Times are in one unit for a whole fit
// (Segue uses days), counted from the customer's first purchase.
struct History {
  int repeats = 0;      // x: purchase days after the first.
  double last = 0;      // t_x: from the first to the last purchase; 0 without a repeat.
  double observed = 0;  // T: from the first purchase to the end of the data.
};

bool operator==(const History& a, const History& b);

// Finite, not negative, last <= observed, and last is 0 exactly when there is no repeat.
bool IsPossible(const History& history);

class Histories {
 public:
  struct Row {
    std::int32_t repeats = 0;  // Places in repeats() and times().
    std::int32_t last = 0;
    std::int32_t observed = 0;
    double people = 0;
  };

  // An error names the first impossible one, and when there is none at all.
  static Result<Histories> Group(std::span<const History> all);

  double people() const { return people_; }

  // Distinct rows in ascending order of (repeats, last, observed).
  const std::vector<Row>& rows() const { return rows_; }

  const std::vector<int>& repeats() const { return repeats_; }  // Distinct, ascending.

  const std::vector<double>& people_of_repeats() const { return people_of_repeats_; }

  const std::vector<double>& times() const { return times_; }  // Distinct, ascending.

  History Get(const Row& row) const;

  // A typical observed time and a typical count, from which fits start.
  double mean_observed() const { return mean_observed_; }

  double mean_repeats() const { return mean_repeats_; }

 private:
  std::vector<Row> rows_;
  std::vector<int> repeats_;
  std::vector<double> people_of_repeats_, times_;
  double people_ = 0, mean_observed_ = 0, mean_repeats_ = 0;
};

}  // namespace segue
