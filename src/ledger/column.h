// A Column: one aggregate's living value for every customer.
//
// It knows how to take events in and out; which events those are, and when, is the business of
// Columns.

#pragma once

#include <memory>
#include <span>
#include <string>

#include "domain/text_pool.h"
#include "expression/expr.h"
#include "ledger/bytes.h"
#include "ledger/ledger.h"

namespace segue {

class Column {
 public:
  virtual ~Column() = default;

  virtual void Resize(CustomerIndex count) = 0;
  virtual void Clear(CustomerIndex customer) = 0;
  virtual void Add(CustomerIndex customer, const StoredEvent& event) = 0;
  // Asks memory for what is kept of the customer, who will be needed soon.
  virtual void Fetch(CustomerIndex customer) const = 0;
  // An event that was added is no longer what it was.  False: the rest cannot be told from what is
  // kept here, so the customer must be computed again.
  virtual bool Remove(CustomerIndex customer, const StoredEvent& event) = 0;

  // An event that was added has become too old, and so has every older one.  Like Remove otherwise.
  virtual bool Expire(CustomerIndex customer, const StoredEvent& event) {
    return Remove(customer, event);
  }

  // NaN where there is no data.
  virtual double Read(CustomerIndex customer) const = 0;
  // Of first, first + 1, …
  virtual void ReadMany(CustomerIndex first, std::span<double> out) const = 0;
  // Of all of these together, as if all their events were one customer's.
  virtual double ReadOf(std::span<const CustomerIndex> customers) const = 0;
  virtual double Nothing() const = 0;

  // Of begin … end - 1.
  virtual void Save(CustomerIndex begin, CustomerIndex end, ByteWriter& out) const = 0;
  virtual void Load(CustomerIndex begin, CustomerIndex end, ByteReader& in) = 0;
  // The exact content as text.
  virtual void Print(CustomerIndex customer, std::string& out) const = 0;
};

// Requires: not in_run; schema and pool outlive it.
std::unique_ptr<Column> MakeColumn(const Aggregate& aggregate, const Schema& schema,
                                   TextPool& pool);

}  // namespace segue
