#include "base/parallel.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <system_error>
#include <thread>
#include <vector>

namespace segue {
namespace {

// More would wait for memory, not for cores.
constexpr std::size_t kThreadsMax = 4;

}  // namespace

void InParallel(std::size_t parts, const std::function<void(std::size_t)>& work) {
  if (parts == 1) {
    work(0);
    return;
  }
  std::vector<std::exception_ptr> problems(parts);
  std::atomic<std::size_t> next{0};
  const auto run = [&] {
    for (std::size_t part = next++; part < parts; part = next++) {
      try {
        work(part);
      } catch (...) {
        problems[part] = std::current_exception();
      }
    }
  };
  // Asking reads a file of the system's.
  static const std::size_t kCores = std::max<std::size_t>(std::thread::hardware_concurrency(), 1);
  std::vector<std::thread> others;
  for (std::size_t i = 1; i < std::min({kCores, parts, kThreadsMax}); ++i) {
    try {
      others.emplace_back(run);
    } catch (const std::system_error&) {
      break;  // No more are to be had: those that are there do it all.
    }
  }
  run();
  for (std::thread& other : others) {
    other.join();
  }
  for (const std::exception_ptr& problem : problems) {
    if (problem) {
      std::rethrow_exception(problem);
    }
  }
}

void InRanges(std::size_t count, std::size_t at_once,
              const std::function<void(std::size_t, std::size_t)>& work) {
  InParallel((count + at_once - 1) / at_once, [&](std::size_t part) {
    work(part * at_once, std::min(count, (part + 1) * at_once));
  });
}

void Beside(const std::function<void()>& here, const std::function<void()>& other) {
  std::exception_ptr problem;
  std::thread beside([&] {
    try {
      other();
    } catch (...) {
      problem = std::current_exception();
    }
  });
  try {
    here();
  } catch (...) {
    beside.join();
    throw;
  }
  beside.join();
  if (problem) {
    std::rethrow_exception(problem);
  }
}

}  // namespace segue
