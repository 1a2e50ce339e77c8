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

// Whatever happens here, they begin no more parts and are waited for.
struct Others {
  std::atomic<std::size_t>& next;
  std::size_t parts;
  std::vector<std::thread> threads = {};

  ~Others() {
    next = parts;
    for (std::thread& thread : threads) {
      thread.join();
    }
  }
};

}  // namespace

void InParallel(std::size_t parts, const std::function<void(std::size_t)>& work) {
  InParallel(parts, work, nullptr);
}

void InParallel(std::size_t parts, const std::function<void(std::size_t)>& work,
                const std::function<void(std::size_t)>& take) {
  std::vector<std::exception_ptr> problems(parts);
  std::vector<std::atomic<bool>> done(parts);
  std::atomic<std::size_t> next{0};
  const auto run_one = [&] {
    const std::size_t part = next++;
    if (part >= parts) {
      return false;
    }
    try {
      work(part);
    } catch (...) {
      problems[part] = std::current_exception();
    }
    done[part] = true;
    done[part].notify_one();
    return true;
  };
  // Asking reads a file of the system's.
  static const std::size_t kCores = std::max<std::size_t>(std::thread::hardware_concurrency(), 1);
  Others others{next, parts};
  for (std::size_t i = 1; i < std::min({kCores, parts, kThreadsMax}); ++i) {
    try {
      others.threads.emplace_back([&] {
        while (run_one()) {
        }
      });
    } catch (const std::system_error&) {
      break;  // No more are to be had: those that are there do it all.
    }
  }
  for (std::size_t taken = 0; taken < parts;) {
    if (!done[taken]) {
      if (!run_one()) {
        done[taken].wait(false);
      }
      continue;
    }
    if (problems[taken]) {
      std::rethrow_exception(problems[taken]);
    }
    if (take) {
      take(taken);
    }
    ++taken;
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
