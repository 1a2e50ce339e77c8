// What a model would say of some people had it not been edited, or with the lines and fits of
// before: who reads the model must tell a change that people made from one that its author made.
//
// Table segment_before: such values of slots that learned anew, until every model that reads this
// one has had its slot since.

#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "config/definitions.h"
#include "store/database.h"

namespace segue {

// One value of one customer.  Segments by their index, flags as 1 and 0; NaN: none.
struct Relearned {
  enum class Of : std::uint8_t { kSegment, kScore, kFlag, kFeature };

  Of of = Of::kSegment;
  int index = 0;
  CustomerIndex customer = 0;
  double before = 0, after = 0;
  std::int64_t at = 0;
};

class BeforeValues {
 public:
  // Requires: both outlive it.  `load`: what is stored is of this version of the model.
  BeforeValues(Database& db, const Model& model, bool load);

  // Of one slot; `keep` them for readers whose slots come later.  In the caller's transaction.
  void Add(const std::vector<Relearned>& rows, bool keep);
  // Nobody asks about slots up to then any more.
  void Trim(TimePoint until);
  // The indexes stand for something else now.
  void Clear();
  void Forget(CustomerIndex customer);

  bool AnySince(TimePoint after) const;
  // What the value was without what was learned after that moment; `value` is what it is.
  double Before(Relearned::Of of, int index, CustomerIndex customer, double value,
                TimePoint after) const;

 private:
  void Put(const std::vector<Relearned>& rows);

  Database& db_;
  const Model& model_;
  // Each by customer, the newest of one first.
  std::map<std::pair<Relearned::Of, int>, std::vector<Relearned>> rows_;
};

// Whether another model, or a trigger, reads what this one says; `by_models`: whether a model does.
bool IsReadByOthers(const Workspace& workspace, int model, bool by_models);

}  // namespace segue
