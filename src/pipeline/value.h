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
  double orders = 0, value = 0;
  // The share that fell to a worse segment or out of the model in the period before, and the value
  // times that share; nothing where the model has no `rank`.
  std::optional<double> fell, at_risk;
};

struct ModelValue {
  int model = 0;
  std::vector<SegmentValue> segments;
};

// One process, with one of its money fields where it has any.
struct ProcessValue {
  std::shared_ptr<const ProcessFit> fit;
  bool stored = false;  // Else it was made for this report, since no model has learned it yet.
  std::string field;    // Empty: nobody asks for money.
  double people = 0;    // Who are expected to order …
  double orders = 0;    // … so many times …
  double value = 0;     // … for so much.
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
