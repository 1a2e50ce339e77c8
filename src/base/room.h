// For vectors with a value per customer: filled at once when the process starts, and a few longer
// each day.  To move a million values for the first newcomer would cost more than the newcomer.

#pragma once

#include <cstddef>

namespace segue {

// As many as are there, and an eighth.  Memory that is not written to costs nothing.
constexpr std::size_t WithRoom(std::size_t count) {
  return count + count / 8;
}

// Like resize(count, value), and does not move the values again for the next few.
template <typename Vector>
void ResizeWithRoom(Vector& values, std::size_t count,
                    const typename Vector::value_type& value = {}) {
  if (count > values.capacity()) {
    values.reserve(WithRoom(count));
  }
  values.resize(count, value);
}

}  // namespace segue
