// Purchase processes at work: alive, churn_risk, expected_orders, expected_spend, lifetime_value.
//
// A process is learned at the slots of the models that name it, as their `refit` says, from all
// purchases up to then, and every fit is stored (process_store.h).  All who name the same process
// read the same fit.  A refused fit gives no data, and is tried again at the first slot of each
// week.
//
// What is known of each customer comes from the sums of their purchases (purchase_sums.h).

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "config/definitions.h"
#include "insights/customer_value.h"
#include "ledger/ledger.h"
#include "pipeline/process_names.h"
#include "pipeline/process_store.h"
#include "pipeline/purchase_sums.h"

namespace segue {

// The fit in force of each process of the catalog, null for none.
using Fits = std::vector<std::shared_ptr<const ProcessFit>>;

class Processes {
 public:
  // Requires: all outlive it.
  Processes(Database& db, const Workspace& workspace, const Ledger& ledger);

  // Makes the values readable as of `now`.
  void Ready(TimePoint now);
  // The same for a cycle; costs nothing until somebody asked.  Requires: time does not go back.
  void Advance(TimePoint now);

  // Keeps the sums for the next start, in the caller's transaction.
  void StoreSums() { sums_.Store(); }

  // Of a test: these fits are in force and nothing is learned of them.  As Trial::learned has them.
  void Pin(const std::map<std::string, std::vector<double>>& learned, TimePoint now);

  // Before a model's slot: learns what it names and what is due.  What it refuses comes back in
  // words.  In the caller's transaction.
  std::vector<std::string> Learn(int model, TimePoint slot, TimePoint now);
  // After it: remembers the fits that its answers went by.
  void Remember(int model);
  // Those that no model names, but a playbook does: monthly, at a cycle.
  std::vector<std::string> LearnOthers(TimePoint now);

  // The fits that a model's last slot went by, where one of them is not in force any more; else
  // empty.
  Fits Before(int model) const;

  const std::string& FieldName(int process, int spending) const;

  const ProcessNames& names() const { return names_; }

  const Fits& in_force() const { return in_force_; }

  // The latest fit of each, also when it was refused.
  const Fits& latest() const { return latest_; }

  // Those of before this cycle, where another one is in force by now; else empty.
  Fits BeforeCycle() const { return began_ == in_force_ ? Fits() : began_; }

  // Fits a process to what is known at `now`, without storing it.
  ProcessFit Fit(int process, TimePoint now) const;

  // Requires: Ready.  NaN where there is no data.
  void Read(const Leaf& leaf, const Fits& fits, CustomerIndex first, std::span<double> out) const;

  // Requires: Ready.  Nothing of a person who never bought.
  std::optional<Customer> CustomerOf(int process, int spending, CustomerIndex customer) const;

  // Requires: Ready.  On how many purchase days after the first of a customer no amount is known.
  double DaysWithoutMoney(int process, int spending) const;

  // Line by line what the figures of this customer rest on, for every process; empty where the
  // files name none.
  std::vector<std::string> Explain(CustomerIndex customer) const;

 private:
  bool IsDue(int process, Refit refit, TimePoint slot) const;
  std::string LearnOne(int process, TimePoint slot, TimePoint now);
  std::vector<std::string> ExplainOne(int process, CustomerIndex customer) const;

  const std::vector<PurchaseProcess>& all() const { return names_.all; }

  std::int32_t DayOf(TimePoint time) const;
  const Workspace& workspace_;
  ProcessStore store_;
  ProcessNames names_;
  PurchaseSums sums_;         // Of names_.all.
  double minor_units_ = 100;  // In one unit of the currency.
  Fits latest_, in_force_;
  Fits began_;  // In force when the cycle began.
  bool ready_ = false;
  std::int32_t today_ = 0;
};

}  // namespace segue
