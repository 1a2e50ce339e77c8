// What customers are worth: the fits of purchase processes, and the money that they expect, by
// segment.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pipeline/pipeline.h"
#include "pipeline/processes.h"

namespace segue {

// Of the people of one segment.  Money in units of the currency.
struct SegmentValue {
  std::string segment;
  std::int64_t people = 0;
  std::optional<double> risk;  // The mean churn risk of those who have one.
  double orders = 0;
  // Nothing where none of those who bought has a worth (ProcessValue::no_value); who has none is
  // left out.
  std::optional<double> value;
  // Of those who were there when the period began, the share that fell to a worse segment or out of
  // the model since, and the value times that share; nothing where nobody was, or the model has no
  // `rank`.
  std::optional<double> fell, at_risk;
};

struct ModelValue {
  int model = 0;
  double period_days =
      0;  // Up to ValueReport::period_days: since the model knows where people are.
  std::vector<SegmentValue> segments;
};

// One process, with one of its money fields where it has any.
struct ProcessValue {
  std::shared_ptr<const ProcessFit> fit;
  bool stored = false;  // Else it was made for this report, since no model has learned it yet.
  std::string field;    // Empty: nobody asks for money.
  double people = 0;    // Who are expected to order …
  double orders = 0;    // … so many times …
  std::optional<double> value;    // … for so much: those whose worth is known.
  double without_value = 0;       // People of those whose worth is not, …
  std::string no_value;           // … and why.
  double days_without_money = 0;  // Purchase days after a customer's first without an amount.
  std::vector<ModelValue> models;
};

struct ValueOptions {
  double horizon_days = 365;
  // What a year takes off money to come, as a share: 0.1 makes 100 in a year worth 100 / 1.1 now.
  double discount = 0;
};

struct ValueReport {
  double horizon_days = 365, period_days = 90;
  double discount = 0;
  std::vector<ProcessValue> processes;
};

// Of everything that the files name, as of the columns' edge.
ValueReport ReportValue(State& state, const ValueOptions& options = {});

}  // namespace segue
