// Columns of integers as bytes: presence, then the smallest of
//
//   0  offsets from the smallest value, divided by their greatest common divisor, in packed bits;
//      the few that are too large for these stand behind them, by their upper bits
//   1  the same over the differences of neighbours
//   2  a sorted list of the distinct values, and packed indexes into it

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ledger/bytes.h"

namespace segue {

// A column of whole numbers, some of them missing.
struct IntColumn {
  std::vector<std::int64_t> values;
  std::vector<bool> present;  // Empty: all are.

  bool Has(std::size_t row) const { return present.empty() || present[row]; }
};

void WriteInts(ByteWriter& out, const IntColumn& column);
IntColumn ReadInts(ByteReader& in, std::size_t count);

// Of columns of texts too: which are there (empty: all), whole columns without presence, and
// numbers below `of`.  As WriteInts, a reader turns failed when the bytes are damaged.
std::vector<bool> WritePresence(ByteWriter& out, std::size_t count,
                                const std::vector<bool>& present);
std::vector<bool> ReadPresence(ByteReader& in, std::size_t count);
void WriteDense(ByteWriter& out, std::span<const std::int64_t> values);
std::vector<std::int64_t> ReadDense(ByteReader& in, std::size_t count);
void WriteIndexes(ByteWriter& out, std::span<const std::uint64_t> indexes, std::size_t of);
std::vector<std::uint64_t> ReadIndexes(ByteReader& in, std::size_t count, std::size_t of);

}  // namespace segue
