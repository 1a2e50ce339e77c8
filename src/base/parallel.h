// Pure work split over the machine's cores.  What comes out must not depend on how it was split:
// each part writes where no other part reads or writes.

#pragma once

#include <cstddef>
#include <functional>

namespace segue {

// Calls work(0) … work(parts - 1), several at a time, and returns when all that began are done.
// An exception of any part is thrown again here, the first part's first; parts behind it may not
// have begun.
void InParallel(std::size_t parts, const std::function<void(std::size_t)>& work);

// The same, and on the calling thread take(0) … take(parts - 1), in this order, each once its work
// is done and while others go on: it must not change what work reads.  Once it has thrown, no
// further part begins.
void InParallel(std::size_t parts, const std::function<void(std::size_t)>& work,
                const std::function<void(std::size_t)>& take);

// The same over 0 … count - 1 in ranges of `at_once`: work(begin, end).
void InRanges(std::size_t count, std::size_t at_once,
              const std::function<void(std::size_t, std::size_t)>& work);

// Calls both at the same time, `here` on the calling thread, and returns when both are done.  An
// exception of `here` comes first.
void Beside(const std::function<void()>& here, const std::function<void()>& other);

}  // namespace segue
